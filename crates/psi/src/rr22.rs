//! One-sided join with payload over a vector OLE and an oblivious key-value store.
//!
//! # What it computes
//! The same as [`ecdh::oprf`](crate::ecdh::oprf): for each key of the receiver that the sender has too, that key's
//! rows with their payload; with a [`Release`](crate::Release) only if enough keys match. Two protocols differ in the
//! vector OLE beneath: `rr22-silent` and `rr22-small-field`.
//!
//! # Who learns what
//! * The receiver: which of its keys match, how many rows each of those has, their payload, and the number of rows the
//!   sender declared.
//! * The sender: the number of keys the receiver declared, and with a release what the receiver reports.
//! * Both, and whoever watches the network: when messages travel. The time a side computes depends on the keys and
//!   rows it really has, so timing can narrow down how much of the declared number is padding, on both sides here.
//!
//! [`leakage`](crate::leakage) says the same as data.
//!
//! # Security
//! **Semi-honest on both sides**: the promises hold between sides that follow the protocol and keep everything they
//! see. [`manual::rr22`](crate::manual::rr22) is the full statement of what is assumed, what is proved from it and what
//! a side that deviates could gain. In short:
//! * The sender learns nothing about the receiver's keys since it sees values of the store under masks U only:
//!   computational Diffie-Hellman for base transfers and AES as a generator of streams; for `rr22-silent` besides dual
//!   LPN over GF(2^128) with the expand-convolute code.
//! * The receiver learns outputs of its own keys only: at any other key the output is a hash of Δ ⊙ C(..) ≠ 0, of
//!   which it knows nothing. BLAKE3 is a random oracle here.
//! * Tags have 40 + ⌈log2 n⌉ + ⌈log2 m⌉ bits: any false match has at most probability 2^-40.
//! * A receiver that deviates is not bound to the number of keys it declared. A sender that deviates can make false or
//!   missing matches, and rows that stand for several keys: finding two keys with one short tag takes 2^40 trials.
//!   The argument that a deviating sender of `rr22-small-field` gains nothing holds for 32-byte tags, which are not
//!   sent here.
//!
//! # Protocol
//! R is the receiver with keys X, S the sender with keys Y. Dec reads a key's value from a store
//! ([`okvs`](symbolon_oblivious::okvs)); C, Δ, U, V, B are those of the
//! [back end](symbolon_oblivious::vole::back_end). id(x) is the keyed BLAKE3 of LP(x), H1 and the row of a key are
//! parts of one hash of id(x) under salt and seed, H2 one of a decoded row and id(x).
//!
//! 1. S → R: `OPEN`, a fresh salt and the first message of the set-up. R → S: `REPLY`, the second. With `rr22-silent`
//!    S → R: `CLOSE`, the third. One set-up a run, for all slots of the store; its blocks are the back end's matter.
//! 2. R's keys are fixed. It draws a seed, and solves for a store P with Dec(P, x) = H1(x) for x in X; when rows are
//!    dependent it draws another seed. R → S: `SEED`.
//! 3. Both make their parts of the correlation, with V = B ⊕ Δ ⊙ U. R → S: `MASKED`, D = C(P) ⊕ U. S computes
//!    W = B ⊕ Δ ⊙ D = V ⊕ Δ ⊙ C(P).
//! 4. R computes F = H2(Dec(V, x), id(x)) for its keys, S F = H2(Dec(W, y) ⊕ Δ ⊙ C(H1(y)), id(y)) for its own: for a
//!    common key the same.
//! 5. Half of F is the tag of row 0 of a key. Of the other half, the chain, come name ‖ K = H3(chain, j) for row j: the
//!    tag of rows from 1 on is the name, and payload travels under AES-256-GCM with K as in the other join. Tags are
//!    cut to their length. S → R: `ROWS`, sorted by tag with random rows as padding, and `FINISH`.
//! 6. Done, report, release and matching are those of [`ecdh::oprf`](crate::ecdh::oprf). A payload that does not open
//!    is no match.
//!
//! # Cost
//! With a store of m slots, about 1.10 n for n keys of the receiver: 16 m bytes (silent) or 31 m (small-field), a tag
//! for each of the sender's rows with 32 + p bytes less 16 if there are p bytes of payload, and the set-up: 26 KiB, or
//! about 2.3 MB for up to 2^22 slots with silent. At 2^20 keys a side 29.8 and 44.2 bytes an item. [`wire_cost`] is
//! exact. Six times one way over the network with silent, four with small-field; one more with a release.
//!
//! # Limits
//! 2^24 keys of the receiver, and 2^56 pairs of keys and rows, so that a tag has 12 bytes at most. A unit of work is
//! not some tens of milliseconds but up to a second for each million keys: encoding, and making the correlation.
//!
//! # Where it differs from the paper
//! * [RR22] has a store of three positions a key; here it is a random band, see [`okvs`](symbolon_oblivious::okvs).
//! * The sender of `rr22-silent` makes the trees, since Δ is its secret.
//! * Tags and payload keys of rows come from keyed BLAKE3 and not from HKDF, for speed. The argument of the paper needs
//!   a random oracle into which item and decoded row enter: H2 is keyed BLAKE3 of the decoded row and id(x), where
//!   id(x) is collision-resistant, so that whoever asks H2 has asked for id(x) before, and a simulator reads x there.
//!   H3 is a second one, at the chain of 256 bits that only H2 gives.
//! * Free entries of the store are zero: U masks them.
//! * Rows of one key, payload, padding, the release, Done and Finish are additions.
//!
//! # References
//! * [RR22]: Raghuraman, Rindal, Blazing Fast PSI from Improved OKVS and Subfield VOLE, figure 8
//! * [RS21]: Rindal, Schoppmann, VOLE-PSI: Fast OPRF and Circuit-PSI from Vector-OLE, figure 4
//!
//! [RR22]: https://eprint.iacr.org/2022/320
//! [RS21]: https://eprint.iacr.org/2021/266

mod hashing;
mod making;
mod matching;
mod message;
mod receiver;
mod sender;

pub(crate) use receiver::{Receiver, receiver};
pub(crate) use sender::{Sender, sender};
pub(crate) use symbolon_oblivious::vole::back_end::silent::Silent;
pub(crate) use symbolon_oblivious::vole::small_field::back_end::SmallField;

use std::collections::HashSet;

use symbolon_oblivious as oblivious;
use symbolon_oblivious::okvs::Params;
use symbolon_oblivious::vole::back_end::BackEnd;
use symbolon_primitives::kdf::{Label, derive_seed};

use crate::error::{Environment, Error, PeerMisbehaved};
use crate::frame::HEADER_BYTES;
use crate::limits::Limits;
use crate::machine::StepPlan;
use crate::payload::RowLayout;
use crate::release::COMMITMENT_BYTES;
use crate::role::Protocol;
use crate::rows::{plan_receiver, plan_sender};
use crate::session::{SessionSpec, WireCost};
use crate::sid::Sid;

/// The salt of the sender, the commitment to its release key if it has one, and its first message of the set-up.
pub(crate) const STEP_OPEN: u8 = 1;
/// The receiver's message of the set-up.
pub(crate) const STEP_REPLY: u8 = 2;
/// The sender's last message of the set-up, if there is one.
pub(crate) const STEP_CLOSE: u8 = 3;
/// The seed of the receiver's rows.
pub(crate) const STEP_SEED: u8 = 7;
/// The receiver's masked store.
pub(crate) const STEP_MASKED: u8 = 8;

/// Bytes of messages in a frame.
pub(crate) const BYTES_PER_FRAME: usize = 512 * 1024;

/// Bytes of the sender's salt.
const SALT_BYTES: usize = 32;

/// Bytes of the seed of the receiver's rows.
const SEED_BYTES: usize = 32;

/// The most bits of a tag: a comparison reads no more.
const TAG_BYTES_MAX: usize = crate::tags::RANKED_BYTES;

/// The sizes of a run's set-up and store.
pub(crate) struct Shape {
    store: Params,
    messages: Vec<u64>,
    masked_bytes: usize,
}

impl Shape {
    fn of(spec: &SessionSpec) -> Result<Self, Error> {
        let items = usize::try_from(spec.rows_receiver).unwrap_or(usize::MAX);
        let store = Params::for_items(items).map_err(refused)?;
        Ok(match spec.protocol {
            Protocol::Rr22SmallField => Self::with::<SmallField, 2>(store),
            _ => Self::with::<Silent, 1>(store),
        })
    }

    fn with<B: BackEnd<W>, const W: usize>(store: Params) -> Self {
        Self { store, messages: B::message_bytes(store.slots()), masked_bytes: B::MASKED_BYTES }
    }

    /// The sizes of the store.
    pub(crate) const fn store(&self) -> &Params {
        &self.store
    }

    /// Slots of the store.
    pub(crate) const fn slots(&self) -> usize {
        self.store.slots()
    }

    /// Bytes of a masked slot.
    pub(crate) const fn masked_bytes(&self) -> usize {
        self.masked_bytes
    }

    /// Whether the sender has a second message in the set-up.
    pub(crate) const fn has_close(&self) -> bool {
        self.messages.len() > 2
    }

    /// Where the rows stand among the sender's steps.
    pub(crate) const fn rows_position(&self) -> usize {
        if self.has_close() { 2 } else { 1 }
    }
}

/// Computes the exact bytes of a run. For more keys of the receiver than a run can have, those of the most it can.
#[must_use]
pub fn wire_cost(spec: &SessionSpec) -> WireCost {
    let most = spec.rows_receiver.min(KEYS_MAX);
    let Ok(shape) = Shape::of(&SessionSpec { rows_receiver: most, ..spec.clone() }) else {
        return WireCost::new(0, 0, 0);
    };
    let header = HEADER_BYTES as u64;
    let message = |bytes: u64| bytes + bytes.div_ceil(BYTES_PER_FRAME as u64) * header;
    let layout = RowLayout::of(spec);
    let rows = spec.rows_sender;
    let rows = rows * layout.row_bytes() as u64 + rows.div_ceil(layout.rows_per_frame() as u64) * header;
    let commitment = if spec.release.is_some() { COMMITMENT_BYTES as u64 } else { 0 };
    let open = message(SALT_BYTES as u64 + commitment + shape.messages[0]);
    let close = shape.messages.get(2).map_or(0, |bytes| message(*bytes));
    let slots = shape.slots() as u64;
    let masked =
        slots * shape.masked_bytes as u64 + slots.div_ceil(slots_per_frame(shape.masked_bytes) as u64) * header;
    let sender = open + close + rows + (header + 64);
    let receiver = message(shape.messages[1]) + (header + SEED_BYTES as u64) + masked + header + (header + 32);
    let rounds = if shape.has_close() { 6 } else { 4 };
    match spec.release {
        None => WireCost::new(sender, receiver, rounds),
        // The check and the release; the report in place of Done.
        Some(release) => {
            WireCost::new(sender + (header + 64) + (header + 33), receiver + release.report.bytes() as u64, rounds + 1)
        }
    }
}

/// The most keys of a receiver.
const KEYS_MAX: u64 = oblivious::okvs::ITEMS_MAX as u64;

/// Checks what a session of these protocols has to fulfil besides.
pub(crate) fn check(spec: &SessionSpec) -> Result<(), Error> {
    Limits::check("declared keys of a receiver", spec.rows_receiver, KEYS_MAX)?;
    Limits::check("bytes of a short tag", RowLayout::of(spec).tag_bytes() as u64, TAG_BYTES_MAX as u64)
}

fn slots_per_frame(masked_bytes: usize) -> usize {
    BYTES_PER_FRAME / masked_bytes
}

fn message(step: u8, bytes: u64) -> StepPlan {
    StepPlan::new(step, bytes, BYTES_PER_FRAME, 1)
}

fn from_sender(spec: &SessionSpec, shape: &Shape) -> Vec<StepPlan> {
    let commitment = if spec.release.is_some() { COMMITMENT_BYTES } else { 0 };
    let mut plan = vec![message(STEP_OPEN, (SALT_BYTES + commitment) as u64 + shape.messages[0])];
    plan.extend(shape.messages.get(2).map(|bytes| message(STEP_CLOSE, *bytes)));
    plan_sender(spec, &mut plan);
    plan
}

fn from_receiver(spec: &SessionSpec, shape: &Shape) -> Vec<StepPlan> {
    let mut plan = vec![
        message(STEP_REPLY, shape.messages[1]),
        StepPlan::single(STEP_SEED, SEED_BYTES),
        StepPlan::new(STEP_MASKED, shape.slots() as u64, slots_per_frame(shape.masked_bytes), shape.masked_bytes),
    ];
    plan_receiver(spec, &mut plan);
    plan
}

/// What binds a set-up to its run: no other run has the same salt.
fn context(sid: &Sid, salt: &[u8; SALT_BYTES]) -> [u8; 32] {
    *derive_seed(salt, &[Label::Rr22SetUp.as_bytes(), sid.as_bytes()]).expose()
}

/// The position of the first key that equals an earlier one.
fn duplicate(ids: &[hashing::Id]) -> Option<u32> {
    let mut seen = HashSet::with_capacity(ids.len());
    (0_u32..).zip(ids).find(|(_, id)| !seen.insert(**id)).map(|(index, _)| index)
}

pub(crate) fn refused(error: oblivious::Error) -> Error {
    use oblivious::error::PeerMisbehaved as Lower;
    match error {
        oblivious::Error::PeerMisbehaved(Lower::MalformedPoint) => PeerMisbehaved::MalformedPoint.into(),
        oblivious::Error::PeerMisbehaved(_) => PeerMisbehaved::SetUpRejected.into(),
        oblivious::Error::LimitExceeded { what, max, got } => Error::LimitExceeded { what, max, got },
        _ => Environment::Primitive.into(),
    }
}
