//! Vector OLE over GF(2^8) from trees, with a Reed-Solomon code: no assumption about codes or noise.
//!
//! # What it computes
//! The sender holds Δ, 31 independent uniform bytes, and for each slot a row B of 31 bytes; the receiver holds for
//! each slot rows U and V of 31 bytes with V = B ⊕ Δ ⊙ U, where ⊙ multiplies byte by byte in GF(2^8) modulo 0x11B.
//! With D = C(P) ⊕ U from the receiver, C the code of [`rs`], W = B ⊕ Δ ⊙ D = V ⊕ Δ ⊙ C(P).
//!
//! | paper | here | held by |
//! |---|---|---|
//! | Δ | the sender's factors, one a tree | sender |
//! | U, V | sums of the streams of a tree: [`ReceiverStreams::expand`] | receiver |
//! | B | the same sum as V, with factor Δ_i ⊕ x: [`SenderStreams::expand`] | sender |
//! | r_x | the stream of leaf x of a tree: AES-128 in counter mode | receiver: all; sender: all but that of Δ_i |
//! | T, h | [`CorrectionMessage`], checks | receiver to sender |
//!
//! # Who learns what
//! The sender learns of each tree all leaves but that at Δ_i, so U stays hidden under the stream it lacks. The
//! receiver learns nothing about Δ: it sees the points of base transfers only. Number of slots and nothing else shows
//! in the messages; they have 25,824 bytes together whatever the number is.
//!
//! # Security
//! Semi-honest on both sides from the base transfers, AES-128 as a generator of streams, and BLAKE3 as one of nodes.
//! * A sender that deviates has no other influence than on its choices in the base transfers, which is choosing Δ.
//! * A receiver that sends wrong corrections is caught by the check of step 3, except that it may guess bits of Δ: a
//!   correction that is wrong for some positions only passes when Δ is elsewhere, and each bit guessed halves the
//!   chance to go on. The check is computed for all trees before one answer is given. What a receiver gains that
//!   sends a D which is no code word masked by U is not covered.
//! * Δ ⊙ (C(a) ⊕ C(b)) for a ≠ b has 128 bits of entropy, see [`rs`].
//!
//! Time and addresses do not depend on Δ, seeds or pads.
//!
//! # Protocol
//! 1. The sender draws Δ and chooses in 248 base transfers, one for each level d of each tree i, the complement of
//!    bit 7 - d of Δ_i: [`Sender::start`].
//! 2. The receiver grows 31 trees of depth 8 from random roots. A node's children are the halves of a hash of node and
//!    place. The sums of the left and of the right nodes of each level go under both pads of a transfer:
//!    [`Receiver::respond`].
//! 3. A leaf is hashed to 32 bytes that are checked and the seed of its stream. The receiver sends for each tree the
//!    sum T of what is checked and the hash h of all of it. The sender computes every leaf but that at Δ_i, fills in
//!    what is checked of the latter from T and compares the hash: [`Sender::finish`].
//! 4. Both fold the streams of each tree: u = ⊕ r_x, v = ⊕ x·r_x, b = ⊕ (x ⊕ Δ_i)·r_x = v ⊕ Δ_i·u; the term at
//!    x = Δ_i is zero. Byte j of a stream belongs to slot j, so any part can be expanded by itself.
//!
//! # Cost
//! 25,824 bytes in two messages once, and 31 bytes a slot for D. 496 AES blocks a slot and side: 0.48 us on AVX-512
//! with VAES, 0.8 us with AES-NI. Base transfers about 5 ms on both sides together.
//!
//! # Limits
//! At most [`SLOTS_MAX`] slots from one set-up.
//!
//! # Where it differs from the paper
//! * Trees have a fixed depth and a leaf's stream comes from a hash of the leaf, as the consistency check needs.
//! * The sender numbers leaves by their difference to Δ_i, so that the one it lacks has number 0.
//! * No check that the receiver's U is a code word in a subspace (section 4): semi-honest.
//!
//! # References
//! * Roy, [SoftSpokenOT](https://eprint.iacr.org/2022/192), sections 3 and 5
//! * Rindal, Raghuraman, [Blazing Fast PSI](https://eprint.iacr.org/2022/320), for the use of W

use std::fmt;

use rand_core::CryptoRng;
use subtle::{Choice, ConditionallySelectable};
use symbolon_primitives::kdf::Label;
use zeroize::Zeroizing;

use self::tree::{Checks, Corrections, Hashes};
use super::rs;
use crate::block::{BLOCK_BYTES, Block, random_block};
use crate::error::{Error, PeerMisbehaved};
use crate::ot::base::{self, Answer, Context, Key, Opening, wrong_length};

pub mod back_end;
mod streams;
mod tree;

pub use streams::{ReceiverStreams, SenderStreams};

/// Trees, one for each symbol of a code word.
pub const TREES: usize = rs::LENGTH;

/// Levels of a tree below its root, and bits of a symbol.
pub const DEPTH: usize = 8;

/// Leaves of a tree.
pub const LEAVES: usize = 1 << DEPTH;

/// Base transfers of a set-up.
pub const TRANSFERS: usize = TREES * DEPTH;

/// Slots of one set-up.
pub const SLOTS_MAX: usize = 1 << 26;

/// Step 1: the points of the sender's choices in the base transfers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChoiceMessage(Answer);

/// Steps 2 and 3: the receiver's point in the base transfers, masked sums of all levels, and checks.
#[derive(Clone, PartialEq, Eq)]
pub struct CorrectionMessage {
    opening: Opening,
    corrections: Box<Corrections>,
    checks: Box<Checks>,
}

impl ChoiceMessage {
    /// Bytes on the wire.
    pub const WIRE_BYTES: usize = Answer::wire_bytes(TRANSFERS);

    /// The message as bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        self.0.encode()
    }

    /// Reads the message. Whether it consists of points is found where they are used.
    ///
    /// # Errors
    /// [`PeerMisbehaved::WrongLength`].
    pub fn decode(bytes: &[u8]) -> Result<Self, Error> {
        Answer::decode(bytes, TRANSFERS).map(Self)
    }
}

impl CorrectionMessage {
    /// Bytes of all corrections.
    const CORRECTION_BYTES: usize = size_of::<Corrections>();

    /// Bytes on the wire.
    pub const WIRE_BYTES: usize = Opening::WIRE_BYTES + Self::CORRECTION_BYTES + size_of::<Checks>();

    /// The message as bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = self.opening.encode();
        bytes.reserve(Self::WIRE_BYTES - bytes.len());
        for correction in self.corrections.as_flattened().as_flattened() {
            bytes.extend_from_slice(&correction.to_le_bytes());
        }
        bytes.extend_from_slice(self.checks.as_flattened().as_flattened());
        bytes
    }

    /// Reads the message. Whether it fits the sender's choices is found by [`Sender::finish`].
    ///
    /// # Errors
    /// [`PeerMisbehaved::WrongLength`].
    pub fn decode(bytes: &[u8]) -> Result<Self, Error> {
        if bytes.len() != Self::WIRE_BYTES {
            return Err(wrong_length("corrections of trees", Self::WIRE_BYTES, bytes));
        }
        let (opening, rest) = bytes.split_at(Opening::WIRE_BYTES);
        let (corrections, checks) = rest.split_at(Self::CORRECTION_BYTES);
        let mut message = Self {
            opening: Opening::decode(opening)?,
            corrections: Box::new([[[0; 2]; DEPTH]; TREES]),
            checks: Box::new([[[0; 32]; 2]; TREES]),
        };
        let blocks = corrections.as_chunks::<BLOCK_BYTES>().0;
        for (to, from) in message.corrections.as_flattened_mut().as_flattened_mut().iter_mut().zip(blocks) {
            *to = Block::from_le_bytes(*from);
        }
        message.checks.as_flattened_mut().as_flattened_mut().copy_from_slice(checks);
        Ok(message)
    }
}

/// The sender between its choices and the corrections. Wiped when dropped, never printed.
pub struct Sender {
    context: [u8; 32],
    factors: Zeroizing<[u8; TREES]>,
    transfers: base::Receiver,
}

/// The receiver: one step, see [`Receiver::respond`].
#[derive(Debug)]
pub struct Receiver(());

/// What sets the base transfers of a set-up apart from all others.
const fn transfers(context: &[u8; 32]) -> Context {
    Context { sid: *context, purpose: Label::SmallFieldTransfer }
}

impl Sender {
    /// Step 1: draws Δ and chooses. `context` binds the set-up to a session and is never used twice.
    ///
    /// # Errors
    /// As [`base::Receiver::start`].
    pub fn start(context: &[u8; 32], rng: &mut (impl CryptoRng + ?Sized)) -> Result<(ChoiceMessage, Self), Error> {
        let mut factors = Zeroizing::new([0; TREES]);
        rng.fill_bytes(factors.as_mut());
        let mut choices = Zeroizing::new([0_u8; TRANSFERS]);
        for (choices, factor) in choices.as_chunks_mut::<DEPTH>().0.iter_mut().zip(factors.iter()) {
            for (level, choice) in choices.iter_mut().enumerate() {
                *choice = !factor >> (DEPTH - 1 - level) & 1;
            }
        }
        let (answer, transfers) = base::Receiver::start(transfers(context), choices.as_ref(), rng)?;
        Ok((ChoiceMessage(answer), Self { context: *context, factors, transfers }))
    }

    /// Steps 2 and 3 from the sender's side: takes the corrections next to its paths, grows the trees from them and
    /// checks them.
    ///
    /// # Errors
    /// [`PeerMisbehaved::MalformedPoint`] as [`base::Receiver::finish`], [`PeerMisbehaved::CheckFailed`] for
    /// corrections or checks that do not fit. The run must end then: going on with the same Δ would give a receiver
    /// another guess.
    pub fn finish(self, message: &CorrectionMessage) -> Result<SenderStreams, Error> {
        let pads = self.transfers.finish(&message.opening)?;
        let mut siblings = Zeroizing::new([[0; DEPTH]; TREES]);
        let trees = siblings.iter_mut().zip(pads.as_chunks::<DEPTH>().0).zip(self.factors.iter());
        for (((siblings, pads), factor), corrections) in trees.zip(message.corrections.iter()) {
            for (level, sibling) in siblings.iter_mut().enumerate() {
                let [left, right] = corrections[level];
                let choice = Choice::from(!factor >> (DEPTH - 1 - level) & 1);
                *sibling = Block::conditional_select(&left, &right, choice) ^ pad(&pads[level]);
            }
        }
        let hashes = Hashes::new(&self.context);
        let (leaves, held) = tree::puncture(&hashes, &self.factors, &siblings, &message.checks);
        if !bool::from(held.iter().fold(Choice::from(1), |all, held| all & *held)) {
            return Err(PeerMisbehaved::CheckFailed.into());
        }
        Ok(SenderStreams::new(&self.factors, &leaves))
    }
}

impl Receiver {
    /// Steps 2 and 3 from the receiver's side, with the same `context` as the sender's.
    ///
    /// # Errors
    /// As [`base::Sender::finish`].
    pub fn respond(
        context: &[u8; 32],
        message: &ChoiceMessage,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<(CorrectionMessage, ReceiverStreams), Error> {
        let (opening, sender) = base::Sender::start(transfers(context), TRANSFERS, rng)?;
        let pads = sender.finish(&message.0)?;
        let mut roots = Zeroizing::new([0; TREES]);
        roots.iter_mut().for_each(|root| *root = random_block(rng));
        let (leaves, sums, checks) = tree::grow(&Hashes::new(context), &roots);
        let mut corrections = Box::new(*sums);
        for (sums, pads) in corrections.as_flattened_mut().iter_mut().zip(pads.iter()) {
            for (sum, pad_key) in sums.iter_mut().zip(pads) {
                *sum ^= pad(pad_key);
            }
        }
        Ok((CorrectionMessage { opening, corrections, checks: Box::new(checks) }, ReceiverStreams::new(&leaves)))
    }
}

/// The first half of a key.
fn pad(key: &Key) -> Block {
    key.iter().take(BLOCK_BYTES).rev().fold(0, |block, byte| block << 8 | Block::from(*byte))
}

impl fmt::Debug for Sender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sender(..)")
    }
}

impl fmt::Debug for CorrectionMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CorrectionMessage(..)")
    }
}

#[cfg(test)]
mod tests;
