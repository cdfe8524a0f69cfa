//! What an agreement means for one of its parties, in plain words.

use std::collections::BTreeSet;
use std::fmt;

use crate::agreement::{Agreement, Allowance, Column, ColumnUse, Duplicates, Party, Protocol, ResultKind, Seat};
use crate::signed::{SignedAgreement, State};
use crate::text::ColumnName;

mod optional;

/// An agreement in words, from the viewpoint of one party.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Summary {
    /// The agreement's title and the other party.
    pub headline: String,
    /// The chapters in reading order.
    pub chapters: Vec<Chapter>,
}

/// A part of a summary.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Chapter {
    /// The stable word for machines.
    pub key: &'static str,
    /// The heading for people.
    pub heading: &'static str,
    /// Full sentences.
    pub sentences: Vec<String>,
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.headline)?;
        for chapter in &self.chapters {
            writeln!(f, "\n{}", chapter.heading)?;
            for sentence in &chapter.sentences {
                writeln!(f, "  - {sentence}")?;
            }
        }
        Ok(())
    }
}

/// Says what `agreement` means for the party at `viewpoint`: what leaves its house, to whom, until when, what it
/// gets, and what never leaves.
#[must_use]
pub fn summary(agreement: &Agreement, viewpoint: Seat) -> Summary {
    let terms = agreement.terms();
    let view =
        View { agreement, viewpoint, own: agreement.party(viewpoint), other: agreement.party(viewpoint.other()) };
    let chapter = |key, heading, sentences| Chapter { key, heading, sentences };
    let chapters = vec![
        chapter("purpose", "What for", vec![ended(terms.purpose.as_str())]),
        chapter("leaves", "What leaves your house", view.leaves()),
        chapter("arrives", "What you get", view.arrives()),
        chapter("stays", "What never leaves", view.stays()),
        chapter("limits", "Until when and how often", view.limits()),
        chapter("approvals", "Who approves", view.approvals()),
        chapter("matching", "How rows are matched", view.matching()),
        chapter("beware", "What this cannot prevent", view.beware()),
    ];
    Summary {
        headline: format!("{}: {} with {}", terms.title, view.own.name, view.other.name),
        // An agreement that names no approvers has nothing to say of them.
        chapters: chapters.into_iter().filter(|chapter| !chapter.sentences.is_empty()).collect(),
    }
}

/// Says how far the agreement has come, as a sentence.
#[must_use]
pub fn state_in_words(signed: &SignedAgreement) -> String {
    let name = |seat| &signed.agreement().party(seat).name;
    let mut sentence = match signed.state() {
        State::Draft => "A draft: neither party has signed, and nothing can be run.".to_owned(),
        State::SignedBy(seat) => {
            format!("Signed by {}; {} has not signed, and nothing can be run.", name(seat), name(seat.other()))
        }
        State::Active => format!("Signed by {} and {}.", name(Seat::First), name(Seat::Second)),
    };
    for seat in Seat::BOTH.into_iter().filter(|seat| signed.agreement().party(*seat).approvals_min > 0) {
        let (have, need) = (signed.approvals_count(seat), signed.agreement().party(seat).approvals_min);
        let who = listed(signed.approvals(seat).map(|(approver, _)| approver.name.to_string()));
        let who = who.map_or_else(String::new, |who| format!(" ({who})"));
        sentence.push_str(&format!(" {}: {have} of {need} approvals{who}.", name(seat)));
    }
    sentence
}

struct View<'a> {
    agreement: &'a Agreement,
    viewpoint: Seat,
    own: &'a Party,
    other: &'a Party,
}

impl View<'_> {
    /// The rules that give something to the party at `seat`.
    fn rules_for(&self, seat: Seat) -> impl Iterator<Item = &Allowance> {
        self.agreement.terms().allow.iter().filter(move |rule| rule.to.include(seat))
    }

    fn leaves(&self) -> Vec<String> {
        let (own, other) = (self.own, self.other);
        let mut sentences: Vec<_> = self
            .rules_for(self.viewpoint.other())
            .map(|rule| {
                let what = gift(rule.result, "its", "your", own);
                format!("To {}, by {}: {what}.", other.name, rule.protocol)
            })
            .collect();
        let shows_rows = |rule: &Allowance| rule.result != ResultKind::Count && rule.protocol != Protocol::EcdhMutual;
        if own.duplicates == Duplicates::All && self.rules_for(self.viewpoint.other()).any(shows_rows) {
            sentences.push(format!("To {}, for each key both have: how many of your rows carry it.", other.name));
        }
        sentences.extend(optional::counts_told(self.agreement.terms(), self.viewpoint, other));
        sentences.push(format!(
            "To {}, at each job: the number of rows of your table \"{}\", rounded up by at most a sixteenth.",
            other.name, own.table
        ));
        sentences.push(format!(
            "To {}, at each job: your keys and released values in a masked or encrypted form, from which it gets \
             nothing but the results above.",
            other.name
        ));
        sentences
    }

    fn arrives(&self) -> Vec<String> {
        let mut sentences: Vec<_> = self
            .rules_for(self.viewpoint)
            .map(|rule| format!("By {}: {}.", rule.protocol, gift(rule.result, "your", "its", self.other)))
            .collect();
        if sentences.is_empty() {
            sentences.push("No result.".to_owned());
        }
        sentences.extend(optional::counts_got(self.agreement.terms(), self.viewpoint, self.other));
        sentences.push(format!(
            "At each job: the number of rows of the table \"{}\" of {}, rounded up by at most a sixteenth.",
            self.other.table, self.other.name
        ));
        sentences
    }

    fn stays(&self) -> Vec<String> {
        let names = |column_use| listed(self.own.columns_used(column_use).map(|column| format!("`{}`", column.name)));
        let gives = self.rules_for(self.viewpoint.other()).any(|rule| rule.result == ResultKind::Enrich);
        let mut sentences = Vec::new();
        if let Some(columns) = names(ColumnUse::Never) {
            sentences.push(format!("The columns marked never: {columns}."));
        }
        if let Some(columns) = names(ColumnUse::JoinOnly) {
            sentences.push(format!(
                "The values of {columns}: used to find the rows both have, not given away. Whoever gets a match already \
                 has the key of that row."
            ));
        }
        if let (Some(columns), false) = (names(ColumnUse::AfterMatch), gives) {
            sentences.push(format!("The values of {columns}: marked after_match, but no rule gives them to anyone."));
        }
        sentences.push(format!("Every column of \"{}\" that the agreement does not list.", self.own.table));
        sentences.push(format!("Any readable value of a row whose key {} does not have.", self.other.name));
        let released = |name: &ColumnName| {
            self.own.column(name).is_some_and(|column| gives && column.column_use == ColumnUse::AfterMatch)
        };
        let parts = self.own.key.iter().map(|part| &part.column).filter(|name| released(name));
        sentences.push(match listed(parts.map(|name| format!("`{name}`"))) {
            Some(columns) => format!("Your keys themselves, in readable form, but for {columns} of matched rows."),
            None => "Your keys themselves, in readable form.".to_owned(),
        });
        sentences
    }

    fn limits(&self) -> Vec<String> {
        let terms = self.agreement.terms();
        let mut sentences = vec![
            format!("Jobs may start from {} on and before {}.", terms.valid_from, terms.valid_until),
            format!(
                "At most {} jobs in all, whoever starts them, asking about at most {} rows in all; failed jobs count.",
                terms.runs_max, terms.rows_total_max
            ),
            format!("Your table has {} to {} rows at each job.", self.own.rows_min, self.own.rows_max),
            format!("The table of {} has {} to {}.", self.other.name, self.other.rows_min, self.other.rows_max),
        ];
        if terms.intersection_min > 0 {
            sentences
                .push(format!("A result with fewer than {} common keys is not handed over.", terms.intersection_min));
        }
        sentences.extend(optional::limits(&terms.optional));
        sentences
    }

    fn approvals(&self) -> Vec<String> {
        let parties = [(self.own, "This institution"), (self.other, self.other.name.as_str())];
        parties.into_iter().filter_map(|(party, who)| optional::approvals(party, who)).collect()
    }

    fn matching(&self) -> Vec<String> {
        let pairs = self.own.key.iter().zip(&self.other.key).map(|(own, other)| {
            format!("your `{}` ({}) with its `{}` ({})", own.column, own.kind, other.column, other.kind)
        });
        let mut sentences = vec![format!(
            "{}, brought to one form by normaliser {}.",
            capital(&listed(pairs).unwrap_or_default()),
            self.agreement.terms().normaliser.version
        )];
        sentences.push(format!("Where rows of your table have equal keys, {}.", duplicates(self.own.duplicates)));
        sentences.push(format!("Where rows of its table do, {}.", duplicates(self.other.duplicates)));
        sentences
    }

    fn beware(&self) -> Vec<String> {
        let terms = self.agreement.terms();
        let mut sentences = vec![
            "A party can bring keys of people it has no business with; a match then tells it that you have them. \
             The limits on rows and jobs bound this, and the contract must forbid it."
                .to_owned(),
            "Several jobs on changing tables tell more than one: a key added between two of them shows by the \
             difference."
                .to_owned(),
            "A result once given cannot be called back when the agreement ends.".to_owned(),
            "A party that keeps the messages of a job could find the other's keys in them if elliptic-curve \
             cryptography is broken one day."
                .to_owned(),
        ];
        if terms.intersection_min > 0 {
            sentences.push(optional::minimum(terms));
        }
        if let Some(protocols) = protocols_where(&terms.allow, Protocol::is_semi_honest) {
            sentences.push(format!(
                "{protocols}: a party that departs from the protocol can make the result wrong; neither side would \
                 notice."
            ));
        }
        if let Some(protocols) = protocols_where(&terms.allow, Protocol::is_oblivious_transfer) {
            sentences.push(format!(
                "{protocols}: a party that asks and departs from the protocol may learn more than its result; the other \
                 would not notice."
            ));
        }
        sentences
    }
}

/// The allowed protocols of which `is` holds, in words.
fn protocols_where(allow: &[Allowance], is: fn(Protocol) -> bool) -> Option<String> {
    let protocols = allow.iter().map(|rule| rule.protocol).filter(|protocol| is(*protocol));
    listed(protocols.map(|protocol| protocol.as_str().to_owned()).collect::<BTreeSet<_>>().into_iter())
}

/// What a rule gives: `receiver` and `owner` are the possessives of the two sides.
pub(crate) fn gift(result: ResultKind, receiver: &str, owner: &str, party: &Party) -> String {
    match result {
        ResultKind::Match => {
            format!("which of {receiver} rows have a key that {owner} table \"{}\" has too, and no value", party.table)
        }
        ResultKind::Enrich => {
            let columns = listed(party.columns_used(ColumnUse::AfterMatch).map(column)).unwrap_or_default();
            format!(
                "which of {receiver} rows have a key that {owner} table \"{}\" has too, and for these the values of \
                 {columns}",
                party.table
            )
        }
        ResultKind::Count => {
            format!(
                "how many keys {receiver} table and {owner} table \"{}\" have in common, and not which",
                party.table
            )
        }
    }
}

fn column(column: &Column) -> String {
    match column.bytes_max {
        Some(bytes) => format!("`{}` ({}, at most {bytes} bytes)", column.name, column.column_type),
        None => format!("`{}` ({})", column.name, column.column_type),
    }
}

pub(crate) const fn duplicates(duplicates: Duplicates) -> &'static str {
    match duplicates {
        Duplicates::Reject => "the job does not start",
        Duplicates::First => "the first of them is used",
        Duplicates::All => "all of them are used",
    }
}

/// `a`, `a and b`, `a, b and c`; nothing for an empty list.
pub(crate) fn listed(items: impl Iterator<Item = String>) -> Option<String> {
    let mut items: Vec<_> = items.collect();
    let last = items.pop()?;
    if items.is_empty() { Some(last) } else { Some(format!("{} and {last}", items.join(", "))) }
}

/// The text as a sentence with a full stop.
fn ended(text: &str) -> String {
    let text = text.trim_end_matches(['.', ' ']);
    format!("{}.", capital(text))
}

fn capital(text: &str) -> String {
    let mut characters = text.chars();
    characters.next().map_or_else(String::new, |first| first.to_uppercase().chain(characters).collect())
}

#[cfg(test)]
mod tests;
