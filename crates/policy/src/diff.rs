//! The differences between two versions of an agreement, in plain words.

use std::fmt;

use crate::agreement::{
    Agreement, Allowance, Column, ColumnUse, OptionalTerms, Party, Period, Recipients, Seat, SemiHonest, Terms,
};
use crate::words::{duplicates, gift, listed};

/// What a difference means for the institution that reads it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "whoever shows a difference shows its effect")]
pub enum Effect {
    /// More may leave the house, or more may be asked.
    Wider,
    /// Less may leave the house, or less may be asked.
    Narrower,
    /// The institution gets more.
    Gain,
    /// The institution gets less.
    Loss,
    /// Neither more nor less, or not to be said in general.
    Other,
}

impl Effect {
    /// The stable word, for machines.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Wider => "wider",
            Self::Narrower => "narrower",
            Self::Gain => "gain",
            Self::Loss => "loss",
            Self::Other => "other",
        }
    }

    /// The effect in a word or a few, for people.
    #[must_use]
    pub const fn in_words(self) -> &'static str {
        match self {
            Self::Wider => "wider",
            Self::Narrower => "narrower",
            Self::Gain => "you get more",
            Self::Loss => "you get less",
            Self::Other => "changed",
        }
    }

    const fn reversed(self) -> Self {
        match self {
            Self::Wider => Self::Narrower,
            Self::Narrower => Self::Wider,
            Self::Gain => Self::Loss,
            Self::Loss => Self::Gain,
            Self::Other => Self::Other,
        }
    }

    const fn reversed_if(self, reverse: bool) -> Self {
        if reverse { self.reversed() } else { self }
    }
}

/// One difference.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Difference {
    /// A sentence that tells the old and the new.
    pub sentence: String,
    /// What it means for the reader.
    pub effect: Effect,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} [{}]", self.sentence, self.effect.in_words())
    }
}

/// Tells how `new` differs from `old`, as the party at `viewpoint` of `new` reads it. Nothing is told of terms that are
/// the same; two agreements with the same identifier give an empty list.
///
/// Parties are compared with the one of the same organisation key, or, where there is none, of the same position.
#[must_use]
pub fn diff(old: &Agreement, new: &Agreement, viewpoint: Seat) -> Vec<Difference> {
    let mut found = Found(Vec::new());
    let (before, after) = (old.terms(), new.terms());
    found.texts("The title", before.title.as_str(), after.title.as_str());
    found.texts("The purpose", before.purpose.as_str(), after.purpose.as_str());
    limits(&mut found, before, after);
    optional(&mut found, &before.optional, &after.optional);
    if before.normaliser != after.normaliser {
        let (old, new) = (&before.normaliser.version, &after.normaliser.version);
        found.add(format!("The rules that bring keys to one form: normaliser {old} became {new}."), Effect::Other);
    }
    for seat in [viewpoint, viewpoint.other()] {
        let party = new.party(seat);
        let counterpart = old.seat_of_key(&party.organisation_key).unwrap_or(seat);
        Side { before: old.party(counterpart), after: party, own: seat == viewpoint }.compare(&mut found);
    }
    rules(&mut found, old, new, viewpoint);
    found.0
}

struct Found(Vec<Difference>);

impl Found {
    fn add(&mut self, sentence: String, effect: Effect) {
        self.0.push(Difference { sentence, effect });
    }

    fn texts(&mut self, what: &str, old: &str, new: &str) {
        if old != new {
            self.add(format!("{what} was \"{old}\" and is \"{new}\"."), Effect::Other);
        }
    }

    /// A term of which more means `more`.
    fn ordered<T: Ord + fmt::Display>(&mut self, what: &str, old: &T, new: &T, more: Effect) {
        if old != new {
            self.add(format!("{what}: {old} became {new}."), more.reversed_if(new < old));
        }
    }

    /// A limit; without one, anything goes.
    fn limit<T: Ord + fmt::Display>(&mut self, what: &str, old: Option<&T>, new: Option<&T>) {
        match (old, new) {
            (None, None) => {}
            (Some(old), Some(new)) => self.ordered(what, old, new, Effect::Wider),
            (None, Some(new)) => self.add(format!("{what}: now limited to {new}."), Effect::Narrower),
            (Some(old), None) => self.add(format!("{what}: the limit of {old} is gone."), Effect::Wider),
        }
    }
}

fn limits(found: &mut Found, old: &Terms, new: &Terms) {
    found.ordered("Jobs may start from", &old.valid_from, &new.valid_from, Effect::Narrower);
    found.ordered("Jobs may start before", &old.valid_until, &new.valid_until, Effect::Wider);
    found.ordered("The most jobs", &old.runs_max, &new.runs_max, Effect::Wider);
    found.ordered("The most rows asked about in all", &old.rows_total_max, &new.rows_total_max, Effect::Wider);
    let least = "The fewest common keys for a result";
    found.ordered(least, &old.intersection_min, &new.intersection_min, Effect::Narrower);
}

fn optional(found: &mut Found, old: &OptionalTerms, new: &OptionalTerms) {
    let same_period = old.period == new.period || old.period.is_none() || new.period.is_none();
    if same_period {
        let period = new.period.or(old.period).map_or("period", Period::as_str);
        let what = |most| format!("The most {most} in a {period}");
        found.limit(&what("jobs"), old.runs_per_period.as_ref(), new.runs_per_period.as_ref());
        found.limit(&what("rows"), old.rows_per_period.as_ref(), new.rows_per_period.as_ref());
    } else {
        let text = |terms: &OptionalTerms| {
            let period = terms.period.map_or("period", Period::as_str);
            let runs = terms.runs_per_period.map(|runs| format!("{runs} jobs"));
            let rows = terms.rows_per_period.map(|rows| format!("{rows} rows"));
            let most = listed(runs.into_iter().chain(rows)).unwrap_or_default();
            format!("{most} a {period}")
        };
        found.add(format!("The most in a period: {} became {}.", text(old), text(new)), Effect::Other);
    }
    let states = "The most different states of a table";
    found.limit(states, old.snapshots_max.as_ref(), new.snapshots_max.as_ref());
    found.limit("The most lookups of single records", old.lookups_max.as_ref(), new.lookups_max.as_ref());
    found.limit("The most privacy loss of results with noise", old.epsilon_max.as_ref(), new.epsilon_max.as_ref());
    if old.receipt_count != new.receipt_count {
        let now = if new.receipt_count { "now says" } else { "no longer says" };
        let sentence = format!("The receipt of a job {now} how many keys both have.");
        found.add(sentence, Effect::Wider.reversed_if(!new.receipt_count));
    }
    if old.semi_honest != new.semi_honest {
        let word = |word: Option<SemiHonest>| word.map_or("unsaid", SemiHonest::as_str);
        let narrower = new.semi_honest == Some(SemiHonest::Refused)
            || (new.semi_honest.is_none() && old.semi_honest == Some(SemiHonest::Accepted));
        let (old, new) = (word(old.semi_honest), word(new.semi_honest));
        let sentence = format!("Protocols that protect only from a party that follows them: {old} became {new}.");
        found.add(sentence, Effect::Wider.reversed_if(narrower));
    }
    if old.release_count != new.release_count {
        let (old, new) = (old.release_count, new.release_count);
        let sentence = format!("What the owner of columns learns when it releases them: {old} became {new}.");
        found.add(sentence, Effect::Other);
    }
}

/// One party in both versions.
struct Side<'a> {
    before: &'a Party,
    after: &'a Party,
    own: bool,
}

impl Side<'_> {
    /// The subject of a sentence about the party.
    fn whose(&self, what: &str) -> String {
        if self.own { format!("Your {what}") } else { format!("The {what} of {}", self.after.name) }
    }

    /// What it means for the reader that the party gives more.
    const fn gives_more(&self) -> Effect {
        if self.own { Effect::Wider } else { Effect::Gain }
    }

    fn compare(&self, found: &mut Found) {
        let (old, new) = (self.before, self.after);
        found.texts(&self.whose("name"), old.name.as_str(), new.name.as_str());
        for (what, differs) in [
            ("organisation key", old.organisation_key != new.organisation_key),
            ("TLS key", old.tls_spki != new.tls_spki),
        ] {
            if differs {
                found.add(format!("{} is another one: compare it with the card.", self.whose(what)), Effect::Other);
            }
        }
        found.texts(&self.whose("table"), old.table.as_str(), new.table.as_str());
        let key = |party: &Party| {
            let parts = party.key.iter().map(|part| format!("`{}` ({})", part.column, part.kind));
            listed(parts).unwrap_or_default()
        };
        if old.key != new.key {
            found.add(format!("{}: {} became {}.", self.whose("key"), key(old), key(new)), Effect::Other);
        }
        if old.duplicates != new.duplicates {
            let (old, new) = (duplicates(old.duplicates), duplicates(new.duplicates));
            let what = self.whose("rows with equal keys");
            found.add(format!("{what}: before, {old}; now, {new}."), Effect::Other);
        }
        found.ordered(&self.whose("fewest rows"), &old.rows_min, &new.rows_min, Effect::Narrower);
        found.ordered(&self.whose("most rows"), &old.rows_max, &new.rows_max, Effect::Wider);
        self.columns(found);
        self.approvals(found);
    }

    fn columns(&self, found: &mut Found) {
        for column in &self.after.columns {
            match self.before.column(&column.name) {
                None => self.column(found, None, Some(column)),
                Some(before) if before != column => self.column(found, Some(before), Some(column)),
                Some(_) => {}
            }
        }
        for column in self.before.columns.iter().filter(|column| self.after.column(&column.name).is_none()) {
            self.column(found, Some(column), None);
        }
    }

    fn column(&self, found: &mut Found, old: Option<&Column>, new: Option<&Column>) {
        let Some(name) = new.or(old).map(|column| &column.name) else { return };
        let text = |column: Option<&Column>| match column {
            None => "not listed".to_owned(),
            Some(Column { column_type, column_use, bytes_max: Some(bytes), .. }) => {
                format!("{column_use} ({column_type}, at most {bytes} bytes)")
            }
            Some(Column { column_type, column_use, .. }) => format!("{column_use} ({column_type})"),
        };
        // How much of the column is given, in bytes of one value; none when it is not given.
        let given = |column: Option<&Column>| {
            let released = column.filter(|column| column.column_use == ColumnUse::AfterMatch)?;
            Some(released.bytes_max.unwrap_or(0))
        };
        let effect = match given(new).cmp(&given(old)) {
            std::cmp::Ordering::Greater => self.gives_more(),
            std::cmp::Ordering::Less => self.gives_more().reversed(),
            std::cmp::Ordering::Equal => Effect::Other,
        };
        let what = self.whose(&format!("column `{name}`"));
        found.add(format!("{what}: {} became {}.", text(old), text(new)), effect);
    }

    fn approvals(&self, found: &mut Found) {
        let (old, new) = (self.before, self.after);
        let names = |party: &Party| listed(party.approvers.iter().map(|approver| approver.name.to_string()));
        if old.approvers != new.approvers {
            let [before, after] = [old, new].map(|party| names(party).unwrap_or_else(|| "nobody".to_owned()));
            let what = self.whose("approvers");
            // The same names with other keys are other approvers.
            let keys = if before == after { ", with another key" } else { "" };
            found.add(format!("{what}: {before} became {after}{keys}."), Effect::Other);
        }
        let effect = if self.own { Effect::Narrower } else { Effect::Other };
        found.ordered(&self.whose("approvals needed"), &old.approvals_min, &new.approvals_min, effect);
    }
}

/// Rules that are in one version only.
fn rules(found: &mut Found, old: &Agreement, new: &Agreement, viewpoint: Seat) {
    // A seat of the old version as the same institution's seat in the new one.
    let moved = |seat: Seat| new.seat_of_key(&old.party(seat).organisation_key).unwrap_or(seat);
    let aligned = |rule: &Allowance| Allowance {
        to: match rule.to {
            Recipients::One(seat) => Recipients::One(moved(seat)),
            Recipients::Both => Recipients::Both,
        },
        ..*rule
    };
    let before: Vec<Allowance> = old.terms().allow.iter().map(aligned).collect();
    let after = &new.terms().allow;
    for rule in after.iter().filter(|rule| !before.contains(rule)) {
        found.add(format!("Now allowed: {}", in_words(rule, new, viewpoint)), rule_effect(rule, viewpoint));
    }
    for rule in before.iter().filter(|rule| !after.contains(rule)) {
        let sentence = format!("No longer allowed: {}", in_words(rule, new, viewpoint));
        found.add(sentence, rule_effect(rule, viewpoint).reversed());
    }
}

fn rule_effect(rule: &Allowance, viewpoint: Seat) -> Effect {
    if rule.to.include(viewpoint.other()) { Effect::Wider } else { Effect::Gain }
}

fn in_words(rule: &Allowance, agreement: &Agreement, viewpoint: Seat) -> String {
    let (own, other) = (agreement.party(viewpoint), agreement.party(viewpoint.other()));
    match rule.to {
        Recipients::One(seat) if seat == viewpoint => {
            format!("by {}, you learn {}.", rule.protocol, gift(rule.result, "your", "its", other))
        }
        Recipients::One(_) => {
            format!("by {}, {} learns {}.", rule.protocol, other.name, gift(rule.result, "its", "your", own))
        }
        Recipients::Both => {
            format!("by {}, both learn which of their rows have a key that the other has too.", rule.protocol)
        }
    }
}

#[cfg(test)]
mod tests;
