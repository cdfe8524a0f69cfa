//! A vector oblivious linear evaluation of almost no bytes: short correlated seeds that both sides expand.
//!
//! # What it computes
//! For each block of m slots uniform vectors U, V for the receiver and B for the sender, with V = B ⊕ Δ·U over
//! GF(2^128). Δ is drawn by the sender, one for all blocks.
//!
//! # Who learns what
//! The receiver learns nothing about Δ and B, the sender nothing about U and V, but what V = B ⊕ Δ·U says.
//!
//! # Security
//! Semi-honest on both sides. Assumed: computational Diffie-Hellman (base transfers, in the random oracle model), AES
//! as a stream generator and, under two fixed keys, as an ideal cipher (trees), BLAKE3 as a correlation-robust hash,
//! and dual LPN over GF(2^128) with regular noise of weight [`WEIGHT`](super::lpn::WEIGHT) for the expand-convolute
//! code. U hides under that last assumption only; Δ and B do not need it. The choice of parameters is a chapter of the
//! manual of `symbolon-psi`.
//!
//! A deviating receiver can put different values into its corrections and learn bits of Δ from what the sender does
//! with it; a deviating sender can send sums that are wrong for some positions and learn about positions from whether
//! the result is right. Neither is found here: what depends on the result must not show.
//!
//! # Protocol
//! 1. The receiver opens 256 base transfers: [`Receiver::start`]. The sender chooses in them, half with the bits of Δ
//!    and half with random bits: [`Sender::start`]. Both take the other's message: [`Receiver::ready`],
//!    [`Sender::ready`].
//! 2. For each block the receiver draws positions and values of the noise and sends the matrix of transfers in which
//!    it chooses the way to each position, and the correction that makes Δ times its values a shared sum:
//!    [`ReceiverSetup::request`].
//! 3. The sender makes the trees and sends the masked sums of their levels and a last block for each:
//!    [`SenderSetup::reply`].
//! 4. Both compress what their leaves are: [`SenderBlock::expand`], [`ReceiverBlock::expand`]. Leaves differ at the
//!    positions only, by Δ times the noise, and compression is linear.
//!
//! Requests for later blocks may be sent before earlier ones are answered.
//!
//! # Cost
//! Two messages to set up and two for each block; with 2^20 slots about 1.9 MB from the receiver and 0.34 MB from the
//! sender, which hardly depends on the number of slots ([`Request::wire_bytes`], [`Reply::wire_bytes`]). Two AES
//! calls for three leaves and, for each slot, 21 sums from random places.
//!
//! # Limits
//! [`Params`] holds them.
//!
//! # Where it differs from the paper
//! The sender of the correlation is who makes the trees, as Δ is its secret. Parts of the noise vector differ in
//! length by one where their number does not divide it.
//!
//! # References
//! * Boyle, Couteau, Gilboa, Ishai, Kohl, Scholl, [Efficient Pseudorandom Correlation Generators: Silent OT Extension
//!   and More](https://eprint.iacr.org/2019/448), and with Rindal, [Two-Round OT Extension and Silent Non-Interactive
//!   Secure Computation](https://eprint.iacr.org/2019/1159)
//! * Schoppmann, Gascón, Reichert, Raykova, [Distributed Vector-OLE](https://eprint.iacr.org/2019/1084)
//! * Raghuraman, Rindal, [Blazing Fast PSI from Improved OKVS and Subfield VOLE](https://eprint.iacr.org/2022/320)

use std::fmt;
use std::sync::Arc;

use rand_core::CryptoRng;
use rayon::prelude::*;
use symbolon_kernels::aes_batch::GgmKeys;
use symbolon_kernels::memory;
use symbolon_primitives::hash::Transcript;
use symbolon_primitives::kdf::Label;
use zeroize::Zeroizing;

use super::code::{DualCode, ExpandConvolute};
use super::lpn::Params;
use super::noisy;
use super::pprf::{self, Puncture};
use super::{ReceiverShare, SenderShare};
use crate::block::{BLOCK_BYTES, Block, Delta, random_block};
use crate::error::{Error, Misuse};
use crate::ot::base::{self, Answer, Context, Opening, wrong_length};
use crate::ot::extension::{self, BASE_TRANSFERS, Matrix};

/// What both sides derive from the session.
struct Public {
    params: Params,
    keys: GgmKeys,
    code: ExpandConvolute,
}

impl Public {
    fn new(params: Params, sid: &[u8; 32]) -> Arc<Self> {
        let mut transcript = Transcript::new(Label::VoleTree);
        transcript.add(sid);
        let seed = transcript.finish();
        let [left, right] = seed.as_chunks().0 else { unreachable!("a digest has two halves") };
        let code = ExpandConvolute::new(params.dimension(), sid);
        Arc::new(Self { params, keys: GgmKeys::new(*left, *right), code })
    }

    /// Transfers of one block.
    fn transfers(&self) -> usize {
        self.params.weight() * self.params.depth()
    }

    fn part_lengths(&self) -> impl Iterator<Item = usize> {
        (0..self.params.weight()).map(|index| self.params.part_length(index))
    }
}

const fn context(sid: [u8; 32]) -> Context {
    Context { sid, purpose: Label::VoleColumns }
}

/// Step 2, receiver to sender.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    matrix: Matrix,
    correction: Vec<u8>,
}

impl Request {
    /// Bytes on the wire.
    #[must_use]
    pub fn wire_bytes(params: &Params) -> usize {
        Matrix::wire_bytes(params.weight() * params.depth()) + noisy::wire_bytes(params.weight())
    }

    /// The message as bytes.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        let mut bytes = self.matrix.into_bytes();
        bytes.extend_from_slice(&self.correction);
        bytes
    }

    /// Reads the message.
    ///
    /// # Errors
    /// [`PeerMisbehaved::WrongLength`](crate::error::PeerMisbehaved::WrongLength).
    pub fn decode(bytes: &[u8], params: &Params) -> Result<Self, Error> {
        if bytes.len() != Self::wire_bytes(params) {
            return Err(wrong_length("request of a block", Self::wire_bytes(params), bytes));
        }
        let transfers = params.weight() * params.depth();
        let (matrix, correction) = bytes.split_at(Matrix::wire_bytes(transfers));
        Ok(Self { matrix: Matrix::decode(matrix, transfers)?, correction: correction.to_vec() })
    }
}

/// Step 3, sender to receiver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// For each tree and level the masked sums of left and right children.
    sums: Vec<[Block; 2]>,
    /// For each tree the last block.
    last: Vec<Block>,
}

impl Reply {
    /// Bytes on the wire.
    #[must_use]
    pub fn wire_bytes(params: &Params) -> usize {
        params.weight() * (2 * params.depth() + 1) * BLOCK_BYTES
    }

    /// The message as bytes.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.sums.as_flattened().iter().chain(&self.last).flat_map(|block| block.to_le_bytes()).collect()
    }

    /// Reads the message.
    ///
    /// # Errors
    /// [`PeerMisbehaved::WrongLength`](crate::error::PeerMisbehaved::WrongLength).
    pub fn decode(bytes: &[u8], params: &Params) -> Result<Self, Error> {
        if bytes.len() != Self::wire_bytes(params) {
            return Err(wrong_length("reply to a block", Self::wire_bytes(params), bytes));
        }
        let blocks: Vec<Block> = bytes.as_chunks().0.iter().map(|bytes| Block::from_le_bytes(*bytes)).collect();
        let (sums, last) = blocks.split_at(2 * params.weight() * params.depth());
        Ok(Self { sums: sums.as_chunks().0.to_vec(), last: last.to_vec() })
    }
}

/// The receiver before the base transfers are answered.
pub struct Receiver {
    public: Arc<Public>,
    sid: [u8; 32],
    base: base::Sender,
}

/// The receiver from which blocks are requested.
pub struct ReceiverSetup {
    public: Arc<Public>,
    extension: extension::Receiver,
    noisy: noisy::Receiver,
    next: usize,
}

/// The receiver of one block that is not answered yet.
pub struct ReceiverBlock {
    public: Arc<Public>,
    slots: usize,
    positions: Zeroizing<Vec<usize>>,
    values: Zeroizing<Vec<Block>>,
    /// a of the short correlation.
    added: Zeroizing<Vec<Block>>,
    /// The blocks that unmask the sums on the known sides.
    chosen: Zeroizing<Vec<Block>>,
}

impl Receiver {
    /// Step 1: opens the base transfers of a session.
    ///
    /// # Errors
    /// None that these parameters can cause.
    pub fn start(params: Params, sid: [u8; 32], rng: &mut (impl CryptoRng + ?Sized)) -> Result<(Opening, Self), Error> {
        let (opening, base) = base::Sender::start(context(sid), 2 * BASE_TRANSFERS, rng)?;
        Ok((opening, Self { public: Public::new(params, &sid), sid, base }))
    }

    /// Takes the sender's points.
    ///
    /// # Errors
    /// [`PeerMisbehaved::MalformedPoint`](crate::error::PeerMisbehaved::MalformedPoint).
    pub fn ready(self, answer: &Answer) -> Result<ReceiverSetup, Error> {
        let keys = self.base.finish(answer)?;
        let (noise, extended) = keys.split_at(BASE_TRANSFERS);
        Ok(ReceiverSetup {
            public: self.public,
            extension: extension::Receiver::new(&context(self.sid), extended)?,
            noisy: noisy::Receiver::new(noise),
            next: 0,
        })
    }
}

impl ReceiverSetup {
    /// The sizes.
    #[must_use]
    pub fn params(&self) -> &Params {
        &self.public.params
    }

    /// Step 2 for the next block.
    ///
    /// # Errors
    /// [`Misuse::OutOfRange`] when all blocks have been requested.
    pub fn request(&mut self, rng: &mut (impl CryptoRng + ?Sized)) -> Result<(Request, ReceiverBlock), Error> {
        let params = &self.public.params;
        let slots = next_slots(params, self.next)?;
        let (weight, depth) = (params.weight(), params.depth());
        let mut positions = Zeroizing::new(Vec::with_capacity(weight));
        let mut choices = Zeroizing::new(Vec::with_capacity(weight * depth));
        for length in self.public.part_lengths() {
            let position = below(length, rng);
            positions.push(position);
            // The side that the position is not on, from the root down.
            choices.extend((0..depth).rev().map(|level| u8::from(position >> level & 1 == 0)));
        }
        let values = Zeroizing::new((0..weight).map(|_| random_block(rng)).collect::<Vec<_>>());
        let (matrix, chosen) = self.extension.extend(&choices)?;
        let mut correction = vec![0; noisy::wire_bytes(weight)];
        let added = self.noisy.correct(&values, &mut correction);
        self.next += 1;
        let public = Arc::clone(&self.public);
        Ok((Request { matrix, correction }, ReceiverBlock { public, slots, positions, values, added, chosen }))
    }
}

/// Uniform below `bound`, which is below 2^32, from 96 random bits: no value is likelier than another by more than
/// 2^-64 of its chance.
fn below(bound: usize, rng: &mut (impl CryptoRng + ?Sized)) -> usize {
    let wide = (random_block(rng) >> 32) * bound as u128;
    (wide >> 96) as usize
}

fn next_slots(params: &Params, index: usize) -> Result<usize, Error> {
    match params.slots_of(index) {
        0 => Err(Misuse::OutOfRange { what: "a block behind the last" }.into()),
        slots => Ok(slots),
    }
}

impl ReceiverBlock {
    /// Step 4: the receiver's share of the block.
    ///
    /// # Errors
    /// [`Misuse::Length`] for a reply to other parameters.
    pub fn expand(self, reply: &Reply) -> Result<ReceiverShare, Error> {
        let params = &self.public.params;
        let (weight, depth) = (params.weight(), params.depth());
        if reply.sums.len() != weight * depth || reply.last.len() != weight {
            return Err(Misuse::Length { what: "reply", expected: weight * depth, got: reply.sums.len() }.into());
        }
        // Each vector lives only as long as it is compressed: on one thread one of them at a time.
        let (u, v) = rayon::join(|| self.compress_noise(), || self.compress_leaves(reply));
        Ok(ReceiverShare { u, v })
    }

    fn compress_noise(&self) -> Vec<Block> {
        let mut noise = Zeroizing::new(memory::defaults(self.public.params.length()));
        let parts = pprf::parts(&mut noise, self.public.part_lengths());
        let values = self.positions.par_iter().zip(self.values.par_iter());
        parts.into_par_iter().zip(values).for_each(|(part, (position, value))| {
            pprf::single(*position, *value, part);
        });
        self.compress(&mut noise)
    }

    fn compress_leaves(&self, reply: &Reply) -> Vec<Block> {
        let depth = self.public.params.depth();
        let mut leaves = Zeroizing::new(memory::defaults(self.public.params.length()));
        let parts = pprf::parts(&mut leaves, self.public.part_lengths());
        parts.into_par_iter().enumerate().for_each(|(tree, part)| {
            let levels = tree * depth..(tree + 1) * depth;
            let position = self.positions[tree];
            let masked = reply.sums[levels.clone()].iter().zip(&self.chosen[levels]).zip((0..depth).rev());
            let known_sums: Zeroizing<Vec<Block>> = Zeroizing::new(
                masked.map(|((sums, key), level)| key ^ pprf::other_side(sums, position >> level & 1)).collect(),
            );
            let last = reply.last[tree] ^ self.added[tree];
            pprf::puncture(&self.public.keys, &Puncture { position, known_sums: &known_sums, last }, part);
        });
        self.compress(&mut leaves)
    }

    fn compress(&self, noise: &mut [Block]) -> Vec<Block> {
        let mut out = memory::defaults(self.slots);
        self.public.code.compress(noise, &mut out);
        out
    }
}

/// The sender before the base transfers are opened.
pub struct Sender {
    public: Arc<Public>,
    sid: [u8; 32],
    delta: Delta,
    secret: Zeroizing<Block>,
    base: base::Receiver,
}

/// The sender that answers requests.
pub struct SenderSetup {
    public: Arc<Public>,
    delta: Delta,
    extension: extension::Sender,
    noisy: noisy::Sender,
    next: usize,
}

/// The sender of one block that it has answered.
pub struct SenderBlock {
    public: Arc<Public>,
    slots: usize,
    leaves: Zeroizing<Vec<Block>>,
}

impl Sender {
    /// Step 1: draws Δ and chooses in the base transfers of a session.
    ///
    /// # Errors
    /// None that these parameters can cause.
    pub fn start(params: Params, sid: [u8; 32], rng: &mut (impl CryptoRng + ?Sized)) -> Result<(Answer, Self), Error> {
        let (delta, secret) = (Delta::random(rng), Zeroizing::new(random_block(rng)));
        let bits = [delta.expose(), *secret].into_iter().flat_map(bits_of);
        let choices: Zeroizing<Vec<u8>> = Zeroizing::new(bits.collect());
        let (answer, base) = base::Receiver::start(context(sid), &choices, rng)?;
        Ok((answer, Self { public: Public::new(params, &sid), sid, delta, secret, base }))
    }

    /// Takes the receiver's opening.
    ///
    /// # Errors
    /// [`PeerMisbehaved::MalformedPoint`](crate::error::PeerMisbehaved::MalformedPoint).
    pub fn ready(self, opening: &Opening) -> Result<SenderSetup, Error> {
        let keys = self.base.finish(opening)?;
        let (noise, extended) = keys.split_at(BASE_TRANSFERS);
        Ok(SenderSetup {
            public: self.public,
            extension: extension::Sender::new(&context(self.sid), *self.secret, extended)?,
            noisy: noisy::Sender::new(self.delta.expose(), noise),
            delta: self.delta,
            next: 0,
        })
    }
}

/// Bit 0 first, each as 0 or 1.
fn bits_of(block: Block) -> impl Iterator<Item = u8> {
    (0..Block::BITS).map(move |index| {
        let [low, ..] = (block >> index & 1).to_le_bytes();
        low
    })
}

impl SenderSetup {
    /// The sizes.
    #[must_use]
    pub fn params(&self) -> &Params {
        &self.public.params
    }

    /// The factor of all blocks.
    #[must_use]
    pub const fn delta(&self) -> &Delta {
        &self.delta
    }

    /// Takes the factor out when no more blocks are wanted.
    #[must_use]
    pub fn into_delta(self) -> Delta {
        self.delta
    }

    /// Step 3 for the next block.
    ///
    /// # Errors
    /// [`PeerMisbehaved::WrongLength`](crate::error::PeerMisbehaved::WrongLength) for a request under other
    /// parameters, [`Misuse::OutOfRange`] when all blocks have been answered.
    pub fn reply(
        &mut self,
        request: &Request,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<(Reply, SenderBlock), Error> {
        let params = &self.public.params;
        let slots = next_slots(params, self.next)?;
        let (weight, expected) = (params.weight(), noisy::wire_bytes(params.weight()));
        if request.correction.len() != expected {
            return Err(wrong_length("request of a block", expected, &request.correction));
        }
        let [zero, one] = self.extension.extend(&request.matrix, self.public.transfers())?;
        let shared = self.noisy.apply(&request.correction, weight);
        self.next += 1;
        let roots = Zeroizing::new((0..weight).map(|_| random_block(rng)).collect::<Vec<_>>());
        let mut leaves = Zeroizing::new(memory::defaults(params.length()));
        let mut sums = vec![[0; 2]; self.public.transfers()];
        let parts = pprf::parts(&mut leaves, self.public.part_lengths());
        let totals = pprf::grow_all(&self.public.keys, &roots, parts, &mut sums);
        for (sums, (zero, one)) in sums.iter_mut().zip(zero.iter().zip(one.iter())) {
            *sums = [sums[0] ^ zero, sums[1] ^ one];
        }
        let last = totals.iter().zip(shared.iter()).map(|(total, shared)| total ^ shared).collect();
        let public = Arc::clone(&self.public);
        Ok((Reply { sums, last }, SenderBlock { public, slots, leaves }))
    }
}

impl SenderBlock {
    /// Step 4: the sender's share of the block.
    #[must_use]
    pub fn expand(mut self) -> SenderShare {
        let mut b = memory::defaults(self.slots);
        self.public.code.compress(&mut self.leaves, &mut b);
        SenderShare { b }
    }
}

impl fmt::Debug for Receiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver").field("params", &self.public.params).finish_non_exhaustive()
    }
}

impl fmt::Debug for ReceiverSetup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReceiverSetup").field("params", &self.public.params).finish_non_exhaustive()
    }
}

impl fmt::Debug for ReceiverBlock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReceiverBlock").field("slots", &self.slots).finish_non_exhaustive()
    }
}

impl fmt::Debug for Sender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender").field("params", &self.public.params).finish_non_exhaustive()
    }
}

impl fmt::Debug for SenderSetup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SenderSetup").field("params", &self.public.params).finish_non_exhaustive()
    }
}

impl fmt::Debug for SenderBlock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SenderBlock").field("slots", &self.slots).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
