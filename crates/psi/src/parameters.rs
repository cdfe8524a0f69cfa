//! The sizes and constants of a run, for whoever has to judge them.

use symbolon_oblivious::okvs;
use symbolon_oblivious::vole::{lpn, rs, small_field};

use crate::ecdh::POINTS_PER_FRAME;
use crate::error::Error;
use crate::limits::Limits;
use crate::payload::RowLayout;
use crate::role::Protocol;
use crate::session::SessionSpec;
use crate::{rr22, tags};

/// A size or constant, with a stable key.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "plain data, built nowhere else")]
pub struct Parameter {
    /// The stable key.
    pub key: &'static str,
    /// The value, with its unit.
    pub value: String,
}

/// The parameters of the run `spec` describes, the bytes on the wire last. Chapters of the
/// [`manual`](crate::manual) say where they come from.
///
/// # Errors
/// [`Error::LimitExceeded`] for more rows than the protocol can have.
pub fn parameters(spec: &SessionSpec) -> Result<Vec<Parameter>, Error> {
    for rows in [spec.rows_sender, spec.rows_receiver] {
        Limits::check("declared rows", rows, Limits::ROWS_CEILING)?;
    }
    let mut found = Vec::new();
    let mut add = |key, value| found.push(Parameter { key, value });
    add("group", "ristretto255".to_owned());
    match spec.protocol {
        Protocol::EcdhOprf => {
            add("oprf", "VOPRF of RFC 9497, ristretto255-SHA512".to_owned());
            add("proof", format!("one batched DLEQ proof for each {POINTS_PER_FRAME} points"));
            add("tag", format!("{} bytes", RowLayout::of(spec).tag_bytes()));
        }
        Protocol::EcdhMutual | Protocol::EcdhCardinality => {
            let bytes = tags::tag_bytes(spec.rows_sender, spec.rows_receiver);
            add("tag", format!("{bytes} bytes: a false match in the run has a probability of at most 2^-40"));
        }
        Protocol::Rr22Silent | Protocol::Rr22SmallField => {
            rr22::check(spec)?;
            let items = usize::try_from(spec.rows_receiver).unwrap_or(usize::MAX);
            let store = okvs::Params::for_items(items).map_err(rr22::refused)?;
            add(
                "store",
                format!(
                    "random band of {} bits, {} slots: cannot be solved for with a probability of at most 2^-40",
                    store.width(),
                    store.slots()
                ),
            );
            add("base_transfers", base_transfers(spec.protocol));
            add("vector_ole", vector_ole(spec.protocol, store.slots())?);
            let bytes = RowLayout::of(spec).tag_bytes();
            add("tag", format!("{bytes} bytes: a false match in the run has a probability of at most 2^-40"));
        }
    }
    let cost = spec.wire_cost();
    add("bytes_sender", cost.bytes_sender.to_string());
    add("bytes_receiver", cost.bytes_receiver.to_string());
    add("one_way_trips", cost.rounds.to_string());
    Ok(found)
}

fn base_transfers(protocol: Protocol) -> String {
    let count = match protocol {
        Protocol::Rr22SmallField => small_field::TRANSFERS,
        _ => 2 * 128,
    };
    format!("{count} endemic oblivious transfers")
}

fn vector_ole(protocol: Protocol, slots: usize) -> Result<String, Error> {
    Ok(match protocol {
        Protocol::Rr22SmallField => format!(
            "GF(2^8), Reed-Solomon code of length {}, dimension {} and distance {}: no assumption about codes",
            rs::LENGTH,
            rs::DIMENSION,
            rs::DISTANCE
        ),
        _ => lpn::Params::for_slots(slots).map_err(rr22::refused)?.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sid::Sid;

    fn spec(protocol: Protocol, rows: u64) -> SessionSpec {
        SessionSpec {
            protocol,
            sid: Sid([0; 32]),
            schema_id: Vec::new(),
            rows_sender: rows,
            rows_receiver: rows,
            payload_bytes: 0,
            release: None,
        }
    }

    #[test]
    fn every_protocol_has_its_own_and_the_bytes_of_its_run() {
        for protocol in Protocol::ALL {
            let spec = spec(*protocol, 1 << 20);
            let found = parameters(&spec).unwrap();
            let value = |key| found.iter().find(|it| it.key == key).map(|it| it.value.clone()).unwrap_or_default();
            assert_eq!(value("bytes_sender"), spec.wire_cost().bytes_sender.to_string());
            assert!(value("tag").starts_with(if *protocol == Protocol::EcdhOprf { "32 " } else { "10 " }), "{found:?}");
        }
        let silent = parameters(&spec(Protocol::Rr22Silent, 1 << 20)).unwrap();
        let ole = silent.iter().find(|it| it.key == "vector_ole").unwrap();
        assert!(ole.value.contains("weight 848"), "{ole:?}");
    }

    #[test]
    fn more_rows_than_can_be_are_refused() {
        for protocol in Protocol::ALL {
            let refused = parameters(&spec(*protocol, u64::MAX));
            assert!(matches!(refused, Err(Error::LimitExceeded { .. })), "{protocol}");
        }
        assert!(parameters(&spec(Protocol::Rr22Silent, (1 << 24) + 1)).is_err());
    }
}
