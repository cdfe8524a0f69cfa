//! Cardinality of the common keys, called A3 in this project.
//!
//! # What it computes
//! Both sides hold distinct keys. The receiver gets how many keys both have; the sender gets nothing.
//!
//! # Who learns what
//! * The receiver: the number of common keys, and the number of keys the sender declared (padding included). Not
//!   which keys, as long as its own set holds more than one key it did not know about.
//! * The sender: the number of keys the receiver declared (padding included).
//! * Both, and whoever watches the network: when messages travel. The time a sender needs for its own set depends
//!   on the keys it really has; padding keys of the receiver take as long as real ones.
//!
//! [`leakage`](crate::leakage) says the same as data.
//!
//! # Security
//! Semi-honest, under the decisional Diffie-Hellman assumption with hashes as random oracles. It must not be taken
//! for a safe way to let somebody count: a receiver that puts in one real key among made-up ones reads from the
//! count whether the sender has that key, and the sender cannot notice. A node therefore runs this protocol only
//! when the agreement names it; a minimum set size and a budget of runs belong to it. A sender that deviates can
//! return wrong points or tags and so change the count.
//!
//! Tags are cut so that any false match has probability at most 2^-40 over the whole run.
//!
//! # Protocol
//! a is the receiver's scalar of this run, b the sender's, H the hash to the group over
//! label ‖ sid ‖ LP(schema) ‖ LP(key).
//!
//! 1. R → S: `MASKED`, a·H(x) for its keys and for random items as padding, in random order.
//! 2. S multiplies each by b; the identity, non-canonical encodings and repeated points are refused. While it waits
//!    it hashes b·H(y) of its own keys to tags, without the keys in the hash; padding tags are random.
//! 3. S → R, once the last masked point is there: `REMASKED`, the products in a new random order; `TAGS`, sorted;
//!    then `FINISH`, the hashes over its frames and over the masked frames it received.
//! 4. R takes a off each product and hashes it to a tag. When the sender's Finish fits, R → S: `DONE`, `FINISH`.
//! 5. R counts its tags that are among the sender's.
//!
//! # Cost
//! With n keys of the receiver and m of the sender declared and tags of t bytes: 64 n + t m bytes and 43 a frame
//! ([`wire_cost`] is exact). Three times one way over the network. Multiplications: R 2 n, S n + its keys.
//!
//! # Limits
//! 2^30 keys a side, no payload. The sender keeps 32 bytes for each key of the receiver.
//!
//! # Where it differs from the paper
//! One mask for all items of a side instead of the paper's two; points and tags leave the sender only after the last
//! masked point arrived; Done, Finish and padding are additions. The sender's Finish also covers what it received, so
//! that no count is made from points changed on the way.
//!
//! # References
//! * [DGT12]: De Cristofaro, Gasti, Tsudik, Fast and Private Computation of Cardinality of Set Intersection and
//!   Union, CANS 2012
//!
//! [DGT12]: https://eprint.iacr.org/2011/141

mod receiver;
mod sender;

pub(crate) use receiver::{Receiver, receiver};
pub(crate) use sender::{Sender, sender};

use super::points::{POINT_BYTES, POINTS_PER_FRAME};
use crate::frame::HEADER_BYTES;
use crate::machine::{FINISH_ACKNOWLEDGING_BYTES, FINISH_BYTES, STEP_DONE, STEP_FINISH, StepPlan};
use crate::session::{SessionSpec, WireCost};
use crate::tags::tag_bytes;

/// Masked points of the receiver.
pub(crate) const STEP_MASKED: u8 = 1;
/// The receiver's points with the sender's mask on top, shuffled.
pub(crate) const STEP_REMASKED: u8 = 2;
/// Tags of the sender's keys.
pub(crate) const STEP_TAGS: u8 = 3;

/// Computes the exact bytes of a run.
#[must_use]
pub fn wire_cost(spec: &SessionSpec) -> WireCost {
    let tag = tag_bytes(spec.rows_sender, spec.rows_receiver) as u64;
    let header = HEADER_BYTES as u64;
    let frames = |rows: u64| rows.div_ceil(POINTS_PER_FRAME as u64);
    let (keys, tags) = (spec.rows_receiver, spec.rows_sender);
    let points = 32 * keys + frames(keys) * header;
    let sender = points + tag * tags + frames(tags) * header + header + 64;
    WireCost::new(sender, points + header + header + 32, 3)
}

fn from_sender(spec: &SessionSpec) -> Vec<StepPlan> {
    let tag = tag_bytes(spec.rows_sender, spec.rows_receiver);
    vec![
        StepPlan::new(STEP_REMASKED, spec.rows_receiver, POINTS_PER_FRAME, POINT_BYTES),
        StepPlan::new(STEP_TAGS, spec.rows_sender, POINTS_PER_FRAME, tag),
        StepPlan::single(STEP_FINISH, FINISH_ACKNOWLEDGING_BYTES),
    ]
}

fn from_receiver(spec: &SessionSpec) -> Vec<StepPlan> {
    vec![
        StepPlan::new(STEP_MASKED, spec.rows_receiver, POINTS_PER_FRAME, POINT_BYTES),
        StepPlan::single(STEP_DONE, 0),
        StepPlan::single(STEP_FINISH, FINISH_BYTES),
    ]
}
