//! The byte form of an agreement.
//!
//! The terms every agreement has come first, in a fixed order. Behind them stand the optional ones that are not at
//! their default, each as its name and its value, both with their length, in the order of the names. An agreement
//! without any has the same bytes as before there were such terms.

use std::collections::BTreeMap;

use crate::agreement::{FORMAT, OptionalTerms, Party, Recipients, ReleaseCount, Seat, Terms};
use crate::canonical::Canonical;

pub(super) fn encode(terms: &Terms) -> Vec<u8> {
    let mut out = Canonical::new(FORMAT);
    out.text(terms.title.as_str());
    out.text(terms.purpose.as_str());
    out.time(terms.valid_from);
    out.time(terms.valid_until);
    out.number(terms.runs_max);
    out.number(terms.rows_total_max);
    out.number(terms.intersection_min);
    out.text(terms.normaliser.version.as_str());
    out.bytes(terms.normaliser.digest.as_bytes());
    out.text(terms.padding.as_str());
    for party in &terms.parties {
        encode_party(&mut out, party);
    }
    out.count(terms.allow.len());
    for allowance in &terms.allow {
        out.text(allowance.protocol.as_str());
        out.text(allowance.result.as_str());
        out.text(match allowance.to {
            Recipients::One(Seat::First) => "first",
            Recipients::One(Seat::Second) => "second",
            Recipients::Both => "both",
        });
    }
    for (name, value) in extensions(terms) {
        out.text(name);
        out.bytes(&value);
    }
    out.finish()
}

/// The optional terms that are not at their default, by name.
fn extensions(terms: &Terms) -> BTreeMap<&'static str, Vec<u8>> {
    // No `..` here: a term that is not hashed would not be signed.
    let OptionalTerms {
        replaces,
        release_count,
        receipt_count,
        period,
        runs_per_period,
        rows_per_period,
        snapshots_max,
        epsilon_max,
        lookups_max,
        semi_honest,
    } = &terms.optional;
    let mut extensions = BTreeMap::new();
    let mut add = |name, value: Option<Vec<u8>>| {
        if let Some(value) = value {
            extensions.insert(name, value);
        }
    };
    let number = |number: &Option<u64>| number.map(|number| number.to_be_bytes().to_vec());
    add("replaces", replaces.map(|id| id.as_bytes().to_vec()));
    add("release_count", (*release_count != ReleaseCount::None).then(|| release_count.as_str().into()));
    add("receipt_count", receipt_count.then(|| vec![1]));
    add("period", period.map(|period| period.as_str().into()));
    add("runs_per_period", number(runs_per_period));
    add("rows_per_period", number(rows_per_period));
    add("snapshots_max", number(snapshots_max));
    add("epsilon_max", epsilon_max.map(|amount| amount.millionths().to_be_bytes().to_vec()));
    add("lookups_max", number(lookups_max));
    add("semi_honest", semi_honest.map(|word| word.as_str().into()));
    for (party, name) in terms.parties.iter().zip(["party.1.approvals", "party.2.approvals"]) {
        add(name, (party.approvals_min > 0 || !party.approvers.is_empty()).then(|| approvals(party)));
    }
    extensions
}

fn approvals(party: &Party) -> Vec<u8> {
    let mut out = Canonical::part();
    out.number(party.approvals_min);
    out.count(party.approvers.len());
    for approver in &party.approvers {
        out.text(approver.name.as_str());
        out.bytes(&approver.key.to_bytes());
    }
    out.finish()
}

fn encode_party(out: &mut Canonical, party: &Party) {
    out.text(party.name.as_str());
    out.bytes(&party.organisation_key.to_bytes());
    out.bytes(party.tls_spki.as_bytes());
    out.text(party.table.as_str());
    out.count(party.key.len());
    for part in &party.key {
        out.text(part.column.as_str());
        out.text(part.kind.as_str());
    }
    out.text(party.duplicates.as_str());
    out.number(party.rows_min);
    out.number(party.rows_max);
    out.count(party.columns.len());
    for column in &party.columns {
        out.text(column.name.as_str());
        out.text(column.column_type.as_str());
        out.text(column.column_use.as_str());
        out.optional(column.bytes_max.map(u64::from));
    }
}
