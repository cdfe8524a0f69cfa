//! The handshake of a job: offer, acceptance, confirmation.
//!
//! ```text
//! initiator                                   responder
//!   JobOffer{body, sig over body}        ->     verify, decide, read table, spend
//!   verify, decide, spend                <-     JobAccept{body, sig over offer body and body}
//!   JobConfirm{sig over sid}             ->     verify
//!   frames                              <->     frames
//! ```
//!
//! Bodies are hashed and signed exactly as they travelled; nothing is ever encoded a second time. The session id is
//! derived from both bodies, both nonces and the exporter value of the TLS connection, so the confirmation shows that
//! both ends sit on one connection with nobody between them. The responder's store refuses a nonce it has seen; the
//! time in the offer bounds how long it has to remember ([`Fit::nonces_kept_for`]).
//!
//! # What binds a message to its job
//!
//! | message | bound by | taken elsewhere it is |
//! |---|---|---|
//! | offer | its signature names both keys, the agreement, all it asks for and a nonce | `SIGNATURE_INVALID`, `PEER_WRONG_INSTITUTION`; a second time `PEER_REPLAY` |
//! | acceptance | its signature covers the offer's body, and it repeats the offer's digest | `SIGNATURE_INVALID` |
//! | confirmation | its signature covers the session id | `SIGNATURE_INVALID` |
//! | frame | its header carries the session id, step, index and number; checked when it arrives, before it is used | `PEER_WRONG_SESSION`, `PEER_REPEATED`, `PEER_OUT_OF_ORDER` |
//! | Finish | the hash over session id and all frames of its direction, checked before any output | `PEER_TRANSCRIPT_DIFFERS` |
//!
//! Frames carry no tag of their own beyond that. TLS authenticates every record to the two ends, and whoever could put
//! a session id into a frame could make a tag from it as well, so a tag would refuse nothing that is not refused
//! already. What remains is a peer that sends frames of its own making; the protocols say what that can do.

use chrono::{DateTime, TimeDelta, Utc};
use prost::Message;
use sha2::{Digest, Sha256};
use symbolon_policy::{AgreementId, ResultKind, Tightening};
use symbolon_primitives::hash::lp;
use symbolon_primitives::kdf::Label;
use symbolon_primitives::sign::{Signature, Signer, VerifyingKey};
use symbolon_psi::{Protocol, Sid, sid};
use symbolon_wire::v1;

use crate::convert;
use crate::error::{Error, PeerIncompatible, PeerMisbehaved};
use crate::gate::Posture;

/// The version of this handshake.
pub const VERSION: u32 = 1;

/// The largest body of an offer or an acceptance.
pub const BODY_BYTES_MAX: usize = 64 << 10;

/// What both sides say about themselves.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "built from all its fields; forgetting one must not compile")]
pub struct Declaration {
    /// Rows, after padding.
    pub rows: u64,
    /// Version of the key normaliser.
    pub normaliser_version: String,
    /// SHA-256 over its rules.
    pub normaliser_digest: [u8; 32],
    /// Fresh randomness.
    pub nonce: [u8; 32],
    /// The clock.
    pub time: DateTime<Utc>,
    /// The largest frame this side accepts.
    pub frame_bytes_max: u32,
    /// What it says about its program, settings and policies; a node of an earlier release says nothing.
    pub posture: Option<Posture>,
    /// The commitment to its input, equal for equal inputs under one agreement; a node of an earlier release has none.
    pub input: Option<[u8; 32]>,
    /// What this side holds back of the agreement.
    pub held: Tightening,
}

/// What the initiator asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "built from all its fields; forgetting one must not compile")]
pub struct Offer {
    /// The agreement.
    pub agreement_id: AgreementId,
    /// The initiator's organisation key.
    pub initiator: VerifyingKey,
    /// The responder's organisation key.
    pub responder: VerifyingKey,
    /// The protocol.
    pub protocol: Protocol,
    /// What comes out.
    pub result: ResultKind,
    /// The responder's columns asked for.
    pub columns: Vec<String>,
    /// The purpose.
    pub purpose: String,
    /// What the initiator says about itself.
    pub own: Declaration,
}

/// What the responder answers.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "built from all its fields; forgetting one must not compile")]
pub struct Answer {
    /// Bytes of payload of each of its rows.
    pub payload_bytes: u32,
    /// What the responder says about itself.
    pub own: Declaration,
}

/// A body as it travelled, with what it says.
#[derive(Debug, Clone)]
pub struct Sealed<T> {
    content: T,
    body: Vec<u8>,
    signature: Signature,
}

impl<T> Sealed<T> {
    /// What the body says.
    pub const fn content(&self) -> &T {
        &self.content
    }
}

impl Sealed<Offer> {
    /// Signs an offer.
    ///
    /// # Errors
    /// [`Error::Primitives`] when the key cannot sign.
    pub fn offer(offer: Offer, key: &dyn Signer) -> Result<Self, Error> {
        let body = convert::offer_body(&offer).encode_to_vec();
        let signature = key.try_sign(Label::JobOffer, &[&body])?;
        Ok(Self { content: offer, body, signature })
    }

    /// Checks an offer that came from the peer with the organisation key `peer` to this node, whose keys `own` knows.
    ///
    /// # Errors
    /// [`PeerMisbehaved`] for size, form, signature or names; [`PeerIncompatible`] for version, clock or frame size.
    pub fn receive(
        message: v1::JobOffer,
        peer: &VerifyingKey,
        fit: &Fit,
        own: impl Fn(&VerifyingKey) -> bool,
    ) -> Result<Self, Error> {
        check_size("offer", &message.body)?;
        let signature = signature(&message.signature, "offer")?;
        peer.verify(Label::JobOffer, &[&message.body], &signature)
            .map_err(|_| PeerMisbehaved::Signature { what: "offer" })?;
        let body = v1::JobOfferBody::decode(message.body.as_slice());
        let body = body.map_err(|_| PeerMisbehaved::Malformed { what: "offer" })?;
        check_version(body.version)?;
        let offer = convert::offer(body)?;
        if offer.initiator != *peer || !own(&offer.responder) {
            return Err(PeerMisbehaved::WrongInstitution.into());
        }
        fit.check(&offer.own)?;
        Ok(Self { content: offer, body: message.body, signature })
    }

    /// The message to send.
    #[must_use]
    pub fn to_message(&self) -> v1::JobOffer {
        v1::JobOffer { body: self.body.clone(), signature: self.signature.to_bytes().to_vec() }
    }

    fn digest(&self) -> [u8; 32] {
        Sha256::digest(&self.body).into()
    }
}

impl Sealed<Answer> {
    /// Signs an answer to `offer`.
    ///
    /// # Errors
    /// [`Error::Primitives`] when the key cannot sign.
    pub fn answer(offer: &Sealed<Offer>, answer: Answer, key: &dyn Signer) -> Result<Self, Error> {
        let body = convert::accept_body(&answer, offer.digest()).encode_to_vec();
        let signature = key.try_sign(Label::JobAccept, &[&offer.body, &body])?;
        Ok(Self { content: answer, body, signature })
    }

    /// Checks the answer to `offer`.
    ///
    /// # Errors
    /// As [`Sealed::receive`] of an offer.
    pub fn receive(offer: &Sealed<Offer>, message: v1::JobAccept, fit: &Fit) -> Result<Self, Error> {
        check_size("acceptance", &message.body)?;
        let signature = signature(&message.signature, "acceptance")?;
        let peer = &offer.content.responder;
        peer.verify(Label::JobAccept, &[&offer.body, &message.body], &signature)
            .map_err(|_| PeerMisbehaved::Signature { what: "acceptance" })?;
        let body = v1::JobAcceptBody::decode(message.body.as_slice());
        let body = body.map_err(|_| PeerMisbehaved::Malformed { what: "acceptance" })?;
        check_version(body.version)?;
        if body.offer_digest != offer.digest() {
            return Err(PeerMisbehaved::Malformed { what: "acceptance" }.into());
        }
        let answer = convert::answer(body)?;
        fit.check(&answer.own)?;
        Ok(Self { content: answer, body: message.body, signature })
    }

    /// The message to send.
    #[must_use]
    pub fn to_message(&self) -> v1::JobAccept {
        v1::JobAccept { body: self.body.clone(), signature: self.signature.to_bytes().to_vec() }
    }
}

/// What a declaration of the peer has to fit.
#[derive(Debug, Clone, Copy)]
#[expect(clippy::exhaustive_structs, reason = "built from all its fields; forgetting one must not compile")]
pub struct Fit {
    /// The own clock.
    pub now: DateTime<Utc>,
    /// How far the peer's clock may be off.
    pub skew_seconds_max: u64,
    /// The largest frame that may have to be sent.
    pub frame_bytes: u32,
}

/// More than any wait for the store.
const STORE_SECONDS_MAX: i64 = 3600;

impl Fit {
    /// How long the nonce of an accepted offer has to be remembered, where an offer is accepted within
    /// `handling_seconds_max` of its arrival.
    ///
    /// When its nonce is recorded, an offer's time lies in the future by the skew at most, and it is taken in again until
    /// its time lies in the past by the skew; then it may take as long again as any offer to be accepted.
    #[must_use]
    pub fn nonces_kept_for(&self, handling_seconds_max: u64) -> TimeDelta {
        let seconds = self.skew_seconds_max.saturating_mul(2).saturating_add(handling_seconds_max);
        // The configuration keeps both far below.
        let seconds = i64::try_from(seconds).unwrap_or(i64::MAX).saturating_add(STORE_SECONDS_MAX);
        TimeDelta::try_seconds(seconds).unwrap_or(TimeDelta::MAX)
    }

    fn check(&self, peer: &Declaration) -> Result<(), PeerIncompatible> {
        let got = (peer.time - self.now).num_seconds().unsigned_abs();
        if got > self.skew_seconds_max {
            return Err(PeerIncompatible::Clock { max: self.skew_seconds_max, got });
        }
        if peer.frame_bytes_max < self.frame_bytes {
            return Err(PeerIncompatible::Sizes { what: "largest frame" });
        }
        Ok(())
    }
}

fn jobspec(offer: &Sealed<Offer>, answer: &Sealed<Answer>) -> Vec<u8> {
    let mut jobspec = Vec::with_capacity(8 + offer.body.len() + answer.body.len());
    lp(&mut jobspec, &offer.body);
    lp(&mut jobspec, &answer.body);
    jobspec
}

/// SHA-256 over both bodies as they travelled, each with its length: what receipts and logs name the job by.
#[must_use]
pub fn job_spec_digest(offer: &Sealed<Offer>, answer: &Sealed<Answer>) -> [u8; 32] {
    Sha256::digest(jobspec(offer, answer)).into()
}

/// The session id both sides derive: job specification, nonces in the order initiator, responder, and the channel.
#[must_use]
pub fn session_id(offer: &Sealed<Offer>, answer: &Sealed<Answer>, exporter: [u8; 32]) -> Sid {
    sid::derive(&jobspec(offer, answer), &offer.content.own.nonce, &answer.content.own.nonce, Some(exporter))
}

/// The initiator's last word before frames flow.
///
/// # Errors
/// [`Error::Primitives`] when the key cannot sign.
pub fn confirm(sid: &Sid, key: &dyn Signer) -> Result<v1::JobConfirm, Error> {
    let signature = key.try_sign(Label::JobConfirm, &[sid.as_bytes()])?;
    Ok(v1::JobConfirm { signature: signature.to_bytes().to_vec() })
}

/// Checks that the initiator derived the same session id.
///
/// # Errors
/// [`PeerMisbehaved::Signature`] when it did not.
pub fn check_confirm(sid: &Sid, message: &v1::JobConfirm, initiator: &VerifyingKey) -> Result<(), Error> {
    let signature = signature(&message.signature, "confirmation")?;
    let verified = initiator.verify(Label::JobConfirm, &[sid.as_bytes()], &signature);
    Ok(verified.map_err(|_| PeerMisbehaved::Signature { what: "confirmation" })?)
}

fn signature(bytes: &[u8], what: &'static str) -> Result<Signature, PeerMisbehaved> {
    Signature::from_slice(bytes).map_err(|_| PeerMisbehaved::Malformed { what })
}

fn check_size(what: &'static str, body: &[u8]) -> Result<(), PeerMisbehaved> {
    if body.len() > BODY_BYTES_MAX {
        return Err(PeerMisbehaved::Oversized { what, max: BODY_BYTES_MAX as u64, got: body.len() as u64 });
    }
    Ok(())
}

const fn check_version(got: u32) -> Result<(), PeerIncompatible> {
    if got == VERSION { Ok(()) } else { Err(PeerIncompatible::Version { expected: VERSION, got }) }
}

#[cfg(test)]
mod tests;
