//! The terms an agreement can do without, in plain words.

use crate::agreement::{OptionalTerms, Party, Period, Recipients, ReleaseCount, ResultKind, Seat, SemiHonest, Terms};
use crate::words::listed;

/// What bounds the use, a sentence each.
pub(super) fn limits(terms: &OptionalTerms) -> Vec<String> {
    let mut sentences = Vec::new();
    if let Some(period) = terms.period {
        let runs = terms.runs_per_period.map(|runs| format!("{runs} jobs"));
        let rows = terms.rows_per_period.map(|rows| format!("{rows} rows asked about"));
        let most = listed(runs.into_iter().chain(rows)).unwrap_or_default();
        sentences.push(format!("In {}, at most {most}; failed jobs count.", stretch(period)));
    }
    if let Some(most) = terms.snapshots_max {
        sentences.push(format!(
            "Each party brings at most {most} different states of its table; a change of one row makes another state."
        ));
    }
    if let Some(most) = terms.lookups_max {
        sentences.push(format!("At most {most} lookups of single records in all, whoever makes them."));
    }
    if let Some(most) = terms.epsilon_max {
        sentences.push(format!("Results given with noise lose at most {most} of privacy (epsilon) in all."));
    }
    match terms.semi_honest {
        Some(SemiHonest::Accepted) => sentences.push(
            "Protocols that protect only from a party that follows them are accepted: one that deviates may learn more \
             or spoil a result without being found."
                .to_owned(),
        ),
        Some(SemiHonest::Refused) => {
            sentences.push("No protocol is used that protects only from a party that follows it.".to_owned());
        }
        None => {}
    }
    if let Some(id) = terms.replaces {
        sentences.push(format!(
            "Once both have signed, it takes the place of the version {}, under which no further job starts.",
            id.short()
        ));
    }
    sentences
}

const fn stretch(period: Period) -> &'static str {
    match period {
        Period::Day => "each day (from midnight UTC)",
        Period::Week => "each week (from Monday, midnight UTC)",
        Period::Month => "each calendar month (in UTC)",
    }
}

/// Whose approvals a party's signature takes; `who` is the subject of the sentence.
pub(super) fn approvals(party: &Party, who: &str) -> Option<String> {
    let names = listed(party.approvers.iter().map(|approver| approver.name.to_string()))?;
    let (need, all) = (party.approvals_min, party.approvers.len());
    Some(format!("{who} signs after {need} of these {all} persons approved: {names}."))
}

/// The counts the other party learns beside its results.
pub(super) fn counts_told(terms: &Terms, own: Seat, other: &Party) -> Vec<String> {
    let mut sentences = Vec::new();
    if let Some(what) = released(terms, own.other()) {
        sentences.push(format!("To {}, before its columns come to you: {what}.", other.name));
    }
    if terms.optional.receipt_count {
        sentences.push(format!("To {}, in the receipt of a job: how many keys both have.", other.name));
    }
    sentences
}

/// The counts this party gets beside its results.
pub(super) fn counts_got(terms: &Terms, own: Seat, other: &Party) -> Vec<String> {
    let mut sentences = Vec::new();
    if let Some(what) = released(terms, own) {
        sentences.push(format!("From {}, before your columns go to it: {what}.", other.name));
    }
    if terms.optional.receipt_count {
        sentences.push(format!("From {}, in the receipt of a job: how many keys both have.", other.name));
    }
    sentences
}

/// What the party at `sender` learns about the result by releasing its columns itself.
fn released(terms: &Terms, sender: Seat) -> Option<&'static str> {
    let to = Recipients::One(sender.other());
    let sends = terms.allow.iter().any(|rule| rule.result == ResultKind::Enrich && rule.to == to);
    match terms.optional.release_count {
        _ if !sends => None,
        ReleaseCount::None => None,
        ReleaseCount::Bit => Some("whether the minimum of common keys is reached"),
        ReleaseCount::Count => Some("how many keys both have"),
    }
}

/// How far the minimum of common keys can be relied on.
pub(super) fn minimum(terms: &Terms) -> String {
    let min = terms.intersection_min;
    match terms.optional.release_count {
        ReleaseCount::None => format!(
            "The minimum of {min} common keys is checked by the receiver's own node: a receiver that runs changed \
             software can pass over it."
        ),
        ReleaseCount::Bit | ReleaseCount::Count => format!(
            "Columns are released only after the receiver reports at least {min} common keys; a receiver that runs \
             changed software can report wrongly, and for a result without columns it can pass over the minimum. Only \
             an audit finds that."
        ),
    }
}
