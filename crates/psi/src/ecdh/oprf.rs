//! One-sided join with payload: the OPRF protocol on ristretto255, called A1 in this project.
//!
//! # What it computes
//! The receiver holds distinct keys X, the sender rows (y, p) with keys from Y, several rows a key if it wants.
//! The receiver gets, for each of its keys that is in Y, that key's rows: their payload p, or without payload
//! that the row is there. The sender gets nothing.
//!
//! # Who learns what
//! * The receiver: which of its keys are in Y, how many rows each of those has, their payload, and the number of
//!   rows the sender declared (padding included). Of keys that do not match: nothing.
//! * The sender: the number of keys the receiver declared (padding included). Not which matched, nor how many.
//! * Both, and whoever watches the network: when messages travel. The time a sender needs for its own set depends
//!   on the rows it really has, so timing can narrow down how much of the declared number is padding. Padding
//!   keys of the receiver take as long as real ones.
//!
//! [`leakage`](crate::leakage) says the same as data.
//!
//! # Security
//! Against a receiver that deviates: it evaluates at most as many points as it declared, and a tag or payload key
//! needs the hash of the item itself, so it learns about at most that many keys (one-more gap Diffie-Hellman and
//! random oracle, as in [JKKX16]). Rows leave the sender only after the last blinded point arrived: the receiver
//! cannot choose later keys by earlier answers. What no protocol prevents is choosing false keys in the first
//! place.
//!
//! Against a sender that deviates: a proof of equal discrete logarithms for each frame forces one key on all
//! evaluations, and it is checked before an evaluation is used. Tags have 256 bits, so each of them stands for one
//! key at most, and the sender's effective set is no larger than declared. After the last frame the receiver sends
//! one fixed message, and only then compares anything, so that nothing it does can tell the sender about matches;
//! payloads that do not open are a local matter.
//!
//! Two reservations. RFC 9497 says of its own proofs that no analysis covers batches and several keys together. And
//! with Q evaluations under one key the static Diffie-Hellman problem loses up to log2(Q) / 2 bits, 10 of 125 at
//! 2^20; the key therefore serves one run.
//!
//! # Protocol
//! R is the receiver, S the sender, k the sender's key of this run, H the hash to the group of RFC 9497 over
//! label ‖ sid ‖ LP(schema) ‖ LP(key). Frames hold up to 4,096 points.
//!
//! 1. S → R: `KEY`, the public key k·G.
//! 2. R → S: `BLINDED`, r·H(x) for its keys and for random items as padding, in random order.
//! 3. S → R: `EVALUATED`, as blinded points come in: k times each, and one proof a frame. S refuses the identity,
//!    non-canonical encodings and repeated points.
//! 4. S works on its own set whenever no blinded frame waits: F = `Finalize`(y, k·H(y)), and for row j of y
//!    tag ‖ K = HKDF-Expand(F, label ‖ sid ‖ j, 64); payload under AES-256-GCM with K. Padding rows are random.
//! 5. S → R: `ROWS`, sorted by tag, once the last blinded point is there; then `FINISH`, the hashes over its frames and
//!    over the blinded frames it received.
//! 6. R verifies the proof of each frame, unblinds, and derives F of its keys. When the sender's Finish fits, R → S:
//!    `DONE` (always the same bytes), `FINISH`.
//! 7. R looks up the tag of row 0 of each key, then row 1 of those that hit, and so on, and opens payloads.
//!
//! # Cost
//! With n keys and m rows declared, p bytes of payload: 64 n + 32 m bytes, or 64 n + (48 + p) m with payload, and
//! 107 bytes a frame of evaluations, 43 for others ([`wire_cost`] is exact). Three times one way over the network.
//! Multiplications: R 2 n, S n + (distinct keys of S), besides sums for the proofs.
//!
//! # Limits
//! 2^30 rows a side; payload of one fixed width up to 256 KiB. The receiver keeps 72 bytes a key and all rows, the
//! sender all rows.
//!
//! # Where it differs from the paper
//! [JL10] lets a receiver choose keys adaptively; step 5 takes that away in practice. Evaluations carry the proofs
//! of RFC 9497. Rows of one key, payload, padding, Done and Finish are additions. The sender's Finish also covers what
//! it received, so that a byte changed on the way to it ends the receiver's run without an output. Padding is blinded
//! items of random bytes, not random group elements: the same distribution, and the same time as keys. Nonces of proofs
//! come from the run's seed, the frame's number and every byte of the frame, so that a run can be repeated in a test
//! and a seed used twice by mistake still does not give the key away.
//!
//! # References
//! * [JL10]: Jarecki, Liu, Fast Secure Computation of Set Intersection, SCN 2010
//! * [JKKX16]: <https://eprint.iacr.org/2016/144>, 2HashDH
//! * RFC 9497, sections 2.2, 3.3.2, 4.1; RFC 9496
//!
//! [JL10]: https://doi.org/10.1007/978-3-642-15317-4_26
//! [JKKX16]: https://eprint.iacr.org/2016/144

mod matching;
mod own;
mod receiver;
mod sender;

pub(crate) use receiver::{Receiver, receiver};
pub(crate) use sender::{Sender, sender};

use symbolon_primitives::oprf::PROOF_BYTES;

use super::points::{POINT_BYTES, POINTS_PER_FRAME};
use crate::frame::HEADER_BYTES;
use crate::machine::{FINISH_ACKNOWLEDGING_BYTES, FINISH_BYTES, STEP_DONE, STEP_FINISH, StepPlan};
use crate::payload::RowLayout;
use crate::session::{SessionSpec, WireCost};

/// The sender's public key.
pub(crate) const STEP_KEY: u8 = 1;
/// Blinded points of the receiver.
pub(crate) const STEP_BLINDED: u8 = 2;
/// Evaluated points of the sender, with a proof.
pub(crate) const STEP_EVALUATED: u8 = 3;
/// Tags and payload of the sender.
pub(crate) const STEP_ROWS: u8 = 4;

/// Computes the exact bytes of a run.
#[must_use]
pub fn wire_cost(spec: &SessionSpec) -> WireCost {
    let layout = RowLayout::new(spec.payload_bytes);
    let (keys, rows) = (spec.rows_receiver, spec.rows_sender);
    let point_frames = keys.div_ceil(POINTS_PER_FRAME as u64);
    let row_frames = rows.div_ceil(layout.rows_per_frame() as u64);
    let header = HEADER_BYTES as u64;
    let evaluated = 32 * keys + point_frames * (header + 64);
    let sender = (header + 32) + evaluated + rows * layout.row_bytes() as u64 + row_frames * header + (header + 64);
    let receiver = 32 * keys + point_frames * header + header + (header + 32);
    WireCost::new(sender, receiver, 3)
}

fn from_sender(spec: &SessionSpec) -> Vec<StepPlan> {
    let layout = RowLayout::new(spec.payload_bytes);
    vec![
        StepPlan::single(STEP_KEY, POINT_BYTES),
        StepPlan::new(STEP_EVALUATED, spec.rows_receiver, POINTS_PER_FRAME, POINT_BYTES).with_extra(PROOF_BYTES),
        StepPlan::new(STEP_ROWS, spec.rows_sender, layout.rows_per_frame(), layout.row_bytes()),
        StepPlan::single(STEP_FINISH, FINISH_ACKNOWLEDGING_BYTES),
    ]
}

fn from_receiver(spec: &SessionSpec) -> Vec<StepPlan> {
    vec![
        StepPlan::new(STEP_BLINDED, spec.rows_receiver, POINTS_PER_FRAME, POINT_BYTES),
        StepPlan::single(STEP_DONE, 0),
        StepPlan::single(STEP_FINISH, FINISH_BYTES),
    ]
}

/// The first eight bytes of a tag as a number that sorts like the tag.
fn tag_prefix(tag: &[u8]) -> u64 {
    tag.first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes))
}
