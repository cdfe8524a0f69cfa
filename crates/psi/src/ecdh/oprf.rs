//! One-sided join with payload: the OPRF protocol on ristretto255, called A1 in this project.
//!
//! # What it computes
//! The receiver holds distinct keys X, the sender rows (y, p) with keys from Y, several rows a key if it wants.
//! The receiver gets, for each of its keys that is in Y, that key's rows: their payload p, or without payload
//! that the row is there. The sender gets nothing.
//!
//! With a [`Release`](crate::Release) of at least m keys: the receiver gets the payload only if at least m of its keys
//! are in Y, and the sender gets the number of them, or whether it is at least m.
//!
//! # Who learns what
//! * The receiver: which of its keys are in Y, how many rows each of those has, their payload, and the number of
//!   rows the sender declared (padding included). Of keys that do not match: nothing.
//! * The sender: the number of keys the receiver declared (padding included). Not which matched, nor how many.
//! * With a release the sender also learns what the receiver reports: how many of its keys match, or whether enough
//!   do. Below the minimum the receiver still learns which of its keys match, since it needs the tags to count; it
//!   learns no payload.
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
//! With a release the receiver's last messages are the report and its Finish. The report depends on tags alone:
//! payload is opened after the sender's last message, and a payload that does not open is told to nobody. So the
//! sender learns the report and nothing besides, however it made its rows. What it can do is put in rows of its choice
//! and read from the report whether they match, as a receiver reads it from its result. It binds itself to the key
//! that opens the payload before it sees a blinded point, and so cannot choose the payload by the report; it gives the
//! key away only after the receiver's Finish fits, and never below the minimum. A receiver that reports more than it
//! found gets the payload of the rows that match: the minimum holds against receivers that report truly, and a false
//! report is found out only by an audit of the receiver's records.
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
//! With a release S draws a key J for the run, and these steps take the place of the others with their number:
//!
//! 1. S → R: `KEY`, k·G and the commitment SHA-256(label ‖ sid ‖ J).
//! 4. Each payload is sealed with AES-256-GCM under HKDF-Expand(J, label ‖ sid ‖ tag), and then under K.
//! 5. S → R: `ROWS`, then `CHECK`, the same hashes as a Finish holds.
//! 6. When Check fits, R looks up tags as in 7 and counts the keys that have a row: c. R → S: `REPORT`, c or one bit
//!    that says c ≥ m; `FINISH`. These are R's last messages.
//! 7. When Finish fits, S → R: `RELEASE`, 1 ‖ J if the report is enough and 0 ‖ 32 zero bytes if not; `FINISH`, the
//!    hashes over its frames and over those it received.
//! 8. When Finish fits and J is what was committed to, R opens payloads.
//!
//! # Cost
//! With n keys and m rows declared, p bytes of payload: 64 n + 32 m bytes, or 64 n + (48 + p) m with payload, and
//! 107 bytes a frame of evaluations, 43 for others ([`wire_cost`] is exact). Three times one way over the network.
//! With a release (64 + p) m, 256 bytes or less besides, and four times one way; two more AES-GCM passes over the
//! payload and an HKDF a row.
//! Multiplications: R 2 n, S n + (distinct keys of S), besides sums for the proofs.
//!
//! # Limits
//! 2^30 rows a side; payload of one fixed width up to 256 KiB. The receiver keeps 72 bytes a key and all rows, the
//! sender all rows.
//!
//! Time depends on what matches in one place only before the receiver's last message, and only with a release: looking
//! up the rows of keys that match takes a little longer than finding that a key has none, so when the report comes
//! says something about the count even if it holds one bit.
//!
//! # Where it differs from the paper
//! [JL10] lets a receiver choose keys adaptively; step 5 takes that away in practice. Evaluations carry the proofs
//! of RFC 9497. Rows of one key, payload, padding, the release, Done and Finish are additions. The sender's Finish also covers what
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
use crate::machine::StepPlan;
use crate::payload::RowLayout;
use crate::release::COMMITMENT_BYTES;
use crate::rows::{plan_receiver, plan_sender};
use crate::session::{SessionSpec, WireCost};

/// The sender's public key.
pub(crate) const STEP_KEY: u8 = 1;
/// Blinded points of the receiver.
pub(crate) const STEP_BLINDED: u8 = 2;
/// Evaluated points of the sender, with a proof.
pub(crate) const STEP_EVALUATED: u8 = 3;

/// Computes the exact bytes of a run.
#[must_use]
pub fn wire_cost(spec: &SessionSpec) -> WireCost {
    let layout = RowLayout::of(spec);
    let (keys, rows) = (spec.rows_receiver, spec.rows_sender);
    let point_frames = keys.div_ceil(POINTS_PER_FRAME as u64);
    let row_frames = rows.div_ceil(layout.rows_per_frame() as u64);
    let header = HEADER_BYTES as u64;
    let evaluated = 32 * keys + point_frames * (header + 64);
    let sender = (header + 32) + evaluated + rows * layout.row_bytes() as u64 + row_frames * header + (header + 64);
    let receiver = 32 * keys + point_frames * header + header + (header + 32);
    match spec.release {
        None => WireCost::new(sender, receiver, 3),
        Some(release) => {
            // The commitment behind the key, the check, and the release; the report in place of Done.
            let sender = sender + 32 + (header + 64) + (header + 33);
            WireCost::new(sender, receiver + release.report.bytes() as u64, 4)
        }
    }
}

fn from_sender(spec: &SessionSpec) -> Vec<StepPlan> {
    let commitment = if spec.release.is_some() { COMMITMENT_BYTES } else { 0 };
    let mut plan = vec![
        StepPlan::single(STEP_KEY, POINT_BYTES + commitment),
        StepPlan::new(STEP_EVALUATED, spec.rows_receiver, POINTS_PER_FRAME, POINT_BYTES).with_extra(PROOF_BYTES),
    ];
    plan_sender(spec, &mut plan);
    plan
}

fn from_receiver(spec: &SessionSpec) -> Vec<StepPlan> {
    let mut plan = vec![StepPlan::new(STEP_BLINDED, spec.rows_receiver, POINTS_PER_FRAME, POINT_BYTES)];
    plan_receiver(spec, &mut plan);
    plan
}
