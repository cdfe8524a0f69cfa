//! The byte form of an agreement.

use crate::agreement::{FORMAT, Party, Recipients, Seat, Terms};
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
