//! What there is to know about a protocol before it is agreed on. Needs no home.

use serde::Serialize;
use symbolon_psi::{Protocol, Role, SessionSpec, Sid, padded_rows};

use crate::error::Error;
use crate::result::ManifestStatement;

/// A protocol, for a run of so many rows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ProtocolView {
    /// Its name.
    pub name: &'static str,
    /// How far a party may deviate: malicious or semi-honest.
    pub model: String,
    /// Rows the sender declares, padding included.
    pub rows_sender: u64,
    /// Rows the receiver declares, padding included.
    pub rows_receiver: u64,
    /// What the receiver learns, and what that does not promise.
    pub receiver: ManifestStatement,
    /// What the sender learns, and what that does not promise.
    pub sender: ManifestStatement,
    /// Sizes and constants, by their stable keys, in order.
    pub parameters: Vec<(&'static str, String)>,
}

/// Describes every protocol for the same run.
///
/// # Errors
/// [`Error::Psi`] for more rows than a run can have.
pub fn protocols(rows_sender: u64, rows_receiver: u64, payload_bytes: u32) -> Result<Vec<ProtocolView>, Error> {
    let view = |protocol: &Protocol| view(*protocol, rows_sender, rows_receiver, payload_bytes);
    Protocol::ALL.iter().map(view).collect()
}

/// Describes the protocol called `name`.
///
/// # Errors
/// [`Error::Misuse`] for an unknown name, [`Error::Psi`] for more rows than a run can have.
pub fn protocol(name: &str, rows_sender: u64, rows_receiver: u64, payload_bytes: u32) -> Result<ProtocolView, Error> {
    let unknown =
        |_| Error::Misuse { what: "there is no protocol of this name", remedy: "see `symbolon protocol list`" };
    view(name.parse().map_err(unknown)?, rows_sender, rows_receiver, payload_bytes)
}

fn view(protocol: Protocol, rows_sender: u64, rows_receiver: u64, payload_bytes: u32) -> Result<ProtocolView, Error> {
    let payload_bytes = if protocol.joins_rows() { payload_bytes } else { 0 };
    let spec = SessionSpec {
        protocol,
        sid: Sid([0; 32]),
        schema_id: Vec::new(),
        rows_sender: padded_rows(rows_sender),
        rows_receiver: padded_rows(rows_receiver),
        payload_bytes,
        release: None,
    };
    let parameters = symbolon_psi::parameters(&spec)?;
    let statement = |role| ManifestStatement::of(protocol, role, payload_bytes > 0, None);
    let receiver = statement(Role::Receiver);
    Ok(ProtocolView {
        name: protocol.as_str(),
        model: receiver.model.clone(),
        rows_sender: spec.rows_sender,
        rows_receiver: spec.rows_receiver,
        receiver,
        sender: statement(Role::Sender),
        parameters: parameters.into_iter().map(|parameter| (parameter.key, parameter.value)).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_view_tells_model_leakage_and_parameters() {
        let view = protocol("rr22-silent", 1 << 20, 1_000_000, 0).unwrap();
        assert_eq!((view.model.as_str(), view.rows_sender, view.rows_receiver), ("semi-honest", 1 << 20, 1_015_808));
        assert!(view.receiver.caveats.iter().any(|fact| fact.key == "assumes_lpn"));
        assert!(view.parameters.iter().any(|(key, _)| *key == "vector_ole"));
        assert_eq!(protocol("ecdh-oprf", 10, 10, 8).unwrap().model, "malicious");
        assert_eq!(protocol("rot13", 10, 10, 0).unwrap_err().reason(), "INVALID_REQUEST");
        assert!(protocol("rr22-silent", u64::MAX, 1, 0).is_err());
    }

    #[test]
    fn all_are_listed() {
        assert_eq!(protocols(1_000, 1_000, 16).unwrap().len(), Protocol::ALL.len());
    }
}
