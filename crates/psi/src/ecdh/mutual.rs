//! Mutual join of keys by double masking, called A2 in this project.
//!
//! # What it computes
//! Both sides hold distinct keys. Both get which of their keys the other has too.
//!
//! # Who learns what
//! * Each side: which of its keys are in both sets, and the number of keys the other declared (padding included).
//! * Both, and whoever watches the network: when messages travel. Padding keys take as long as real ones.
//!
//! [`leakage`](crate::leakage) says the same as data.
//!
//! # Security
//! Semi-honest: for two sides that follow the protocol and try to learn more from what they see, under the
//! decisional Diffie-Hellman assumption with the hash to the group as a random oracle. A side that deviates can
//! return wrong tags or a changed order and so bring about false or missing matches at the other, unnoticed. There
//! is no fairness: whoever has the last tags first may stop. Nothing proves that inputs are true. A peer that sends this
//! side's own points back as its list, to make every key look common, is refused; one that multiplies them first is not
//! told from an honest one.
//!
//! Tags are cut so that any false match has probability at most 2^-40 over the whole run: 40 + ⌈log2 n⌉ + ⌈log2 m⌉
//! bits. Whoever holds a scalar and the transcript can test guesses of keys; scalars live as long as the run.
//!
//! # Protocol
//! a and b are the sides' scalars of this run, H the hash to the group over label ‖ sid ‖ LP(schema) ‖ LP(key).
//!
//! 1. Both: `MASKED`, own scalar times H(key) for all keys and for random items as padding, in random order.
//! 2. Both multiply what they receive by their own scalar and hash each product to a tag; the identity,
//!    non-canonical encodings, repeated points and points of the own list are refused.
//! 3. Both, once the last masked point of the other is there: `RETURNED`, these tags in the order received;
//!    then `FINISH`, the hashes over their frames and over the masked frames they received.
//! 4. When the other's Finish fits and the own one is sent: a returned tag that is also among the tags made for the
//!    other's list marks a common key.
//!
//! # Cost
//! With n and m keys declared and tags of t bytes, each side sends 32 bytes for each of its keys and t for each of
//! the other's, and 43 bytes a frame ([`wire_cost`] is exact). Twice one way over the network. Each side multiplies
//! n + m times.
//!
//! # Limits
//! 2^30 keys a side, no payload. A side keeps 32 bytes for each key of both, and 22 more while points are exchanged.
//!
//! # Where it differs from the paper
//! Both lists are returned as tags, after the whole list was received; padding and Finish are additions.
//! A Finish also covers what its side received: otherwise points changed on the way would come back as wrong tags.
//!
//! # References
//! * [HFH99]: Huberman, Franklin, Hogg, Enhancing Privacy and Trust in Electronic Communities, EC 1999
//! * Meadows, A More Efficient Cryptographic Matchmaking Protocol, IEEE S&P 1986
//!
//! [HFH99]: https://doi.org/10.1145/336992.337012

mod party;

pub(crate) use party::{Mutual, keys_of, multiply_peer, party};

use super::points::{POINT_BYTES, POINTS_PER_FRAME};
use crate::frame::HEADER_BYTES;
use crate::machine::{FINISH_ACKNOWLEDGING_BYTES, STEP_FINISH, StepPlan};
use crate::role::Role;
use crate::session::{SessionSpec, WireCost};
use crate::tags::tag_bytes;

/// Masked points of either side.
pub(crate) const STEP_MASKED: u8 = 1;
/// Tags of the other side's points.
pub(crate) const STEP_RETURNED: u8 = 2;

/// Computes the exact bytes of a run.
#[must_use]
pub fn wire_cost(spec: &SessionSpec) -> WireCost {
    let tag = tag_bytes(spec.rows_sender, spec.rows_receiver) as u64;
    let header = HEADER_BYTES as u64;
    let frames = |rows: u64| rows.div_ceil(POINTS_PER_FRAME as u64);
    let side = |own: u64, peer: u64| 32 * own + tag * peer + (frames(own) + frames(peer)) * header + header + 64;
    WireCost::new(side(spec.rows_sender, spec.rows_receiver), side(spec.rows_receiver, spec.rows_sender), 2)
}

/// What `role` sends.
fn from(role: Role, spec: &SessionSpec) -> Vec<StepPlan> {
    let tag = tag_bytes(spec.rows_sender, spec.rows_receiver);
    vec![
        StepPlan::new(STEP_MASKED, spec.rows(role), POINTS_PER_FRAME, POINT_BYTES),
        StepPlan::new(STEP_RETURNED, spec.rows(role.peer()), POINTS_PER_FRAME, tag),
        StepPlan::single(STEP_FINISH, FINISH_ACKNOWLEDGING_BYTES),
    ]
}
