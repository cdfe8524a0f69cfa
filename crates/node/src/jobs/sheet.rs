//! What a job's receipt says about it, once the handshake is over.

use sha2::{Digest, Sha256};
use symbolon_policy::audit::{Hash, Turn};
use symbolon_primitives::hash::lp;
use symbolon_psi::{Role, SessionSpec, leakage};

use super::deal::Deal;
use crate::evidence::witness::{JobSheet, millis};
use crate::session::handshake::{Answer, Offer, Sealed, job_spec_digest};
use crate::store::{JobId, Side};

/// The sheet both sides fill in alike.
pub(super) fn sheet(
    deal: &Deal,
    job: JobId,
    offer: &Sealed<Offer>,
    answer: &Sealed<Answer>,
    spec: &SessionSpec,
) -> JobSheet {
    let (asked, answered) = (offer.content(), answer.content());
    let turn = match deal.side {
        Side::Initiator => Turn::Initiator,
        Side::Responder => Turn::Responder,
    };
    let keys = [asked.initiator, asked.responder];
    JobSheet {
        job,
        turn,
        agreement: *deal.signed.id().as_bytes(),
        job_spec: job_spec_digest(offer, answer),
        sid: *spec.sid.as_bytes(),
        protocol: deal.protocol.as_str(),
        result: deal.result.as_str(),
        leakage: leakage_digest(spec),
        keys,
        // A log keeps the name of the key that opened it, which may be the one the agreement still names.
        peer_origins: vec![keys[turn.other().index()], deal.other().organisation_key],
        rows: [asked.own.rows, answered.own.rows],
        began_unix_millis: [millis(asked.own.time), millis(answered.own.time)],
    }
}

/// SHA-256 over the stable words of what the sender and the receiver learn: protocol, role, model, facts, caveats.
fn leakage_digest(spec: &SessionSpec) -> Hash {
    let mut text = Vec::new();
    for role in [Role::Sender, Role::Receiver] {
        let statement =
            leakage::statement(spec.protocol, role, spec.payload_bytes > 0, spec.release.map(|release| release.report));
        for word in [spec.protocol.as_str(), role.as_str(), statement.model.as_str()] {
            lp(&mut text, word.as_bytes());
        }
        for facts in [&statement.learns, &statement.caveats] {
            let keys: Vec<&str> = facts.iter().map(|fact| fact.key).collect();
            lp(&mut text, keys.join(",").as_bytes());
        }
    }
    Sha256::digest(text).into()
}
