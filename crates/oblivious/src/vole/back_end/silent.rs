//! Silent vector OLE behind the face of a back end: one block a slot, C is the identity and ⊙ the product of
//! GF(2^128).
//!
//! The messages of the set-up are the sender's points of the base transfers; the receiver's opening of them with the
//! requests of all blocks; and the sender's replies. See [`silent`] for what is assumed.

use std::fmt;

use rayon::prelude::*;
use symbolon_kernels::clmul128;
use symbolon_primitives::prg::Prg;
use symbolon_primitives::secret::Seed;
use zeroize::{Zeroize, Zeroizing};

use super::{BackEnd, ReceiverCorrelation, SenderCorrelation, SetUp, SetUpStep};
use crate::block::{BLOCK_BYTES, Block, Delta};
use crate::error::{Environment, Misuse};
use crate::ot::base::{Answer, Opening, wrong_length};
use crate::ot::extension::BASE_TRANSFERS;
use crate::vole::lpn::Params;
use crate::vole::silent::{self, Reply, Request};
use crate::{Error, vole};

/// Base transfers: half for the noise, half to be extended.
const TRANSFERS: usize = 2 * BASE_TRANSFERS;

/// Slots that one thread works on before it asks for more.
const SLOTS_PER_JOB: usize = 1 << 13;

/// The vector OLE over GF(2^128) from dual LPN.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::exhaustive_structs, reason = "a name for a choice of types")]
pub struct Silent;

/// The sender's side of the set-up.
pub struct SenderSetUp {
    params: Params,
    context: [u8; 32],
    rng: Prg,
    state: SenderState,
}

enum SenderState {
    Start,
    Chosen(Box<silent::Sender>),
    Replied(Vec<Share>, Delta),
    Failed,
}

/// A block of the sender, compressed or not yet.
enum Share {
    Leaves(silent::SenderBlock),
    Compressed(vole::SenderShare),
}

/// The receiver's side of the set-up.
pub struct ReceiverSetUp {
    params: Params,
    context: [u8; 32],
    rng: Prg,
    /// The blocks that were requested; none before the sender's message came.
    requested: Option<Vec<silent::ReceiverBlock>>,
}

/// Δ, and B or W. Wiped when dropped.
pub struct SenderShares {
    delta: Delta,
    rows: Zeroizing<Vec<Block>>,
}

/// U and V. Wiped when dropped.
pub struct ReceiverShares {
    masks: Zeroizing<Vec<Block>>,
    rows: Zeroizing<Vec<Block>>,
}

fn reply_bytes(params: &Params) -> usize {
    Reply::wire_bytes(params) * params.blocks()
}

fn request_bytes(params: &Params) -> usize {
    Opening::WIRE_BYTES + Request::wire_bytes(params) * params.blocks()
}

impl BackEnd<1> for Silent {
    const MASKED_BYTES: usize = BLOCK_BYTES;
    type SenderSetUp = SenderSetUp;
    type ReceiverSetUp = ReceiverSetUp;

    fn message_bytes(slots: usize) -> Vec<u64> {
        Params::for_slots(slots).map_or(Vec::new(), |params| {
            let bytes = [Answer::wire_bytes(TRANSFERS), request_bytes(&params), reply_bytes(&params)];
            bytes.map(|bytes| bytes as u64).to_vec()
        })
    }

    fn sender(slots: usize, context: &[u8; 32], seed: Seed) -> Result<SenderSetUp, Error> {
        let (params, rng) = (Params::for_slots(slots)?, Prg::new(seed));
        Ok(SenderSetUp { params, context: *context, rng, state: SenderState::Start })
    }

    fn receiver(slots: usize, context: &[u8; 32], seed: Seed) -> Result<ReceiverSetUp, Error> {
        let (params, rng) = (Params::for_slots(slots)?, Prg::new(seed));
        Ok(ReceiverSetUp { params, context: *context, rng, requested: None })
    }
}

/// A message where one is due, and nothing where not.
fn due(inbound: Option<&[u8]>) -> Result<&[u8], Error> {
    inbound.ok_or_else(|| Misuse::OutOfRange { what: "a message that is not there" }.into())
}

impl SetUp for SenderSetUp {
    type Correlation = SenderShares;

    fn advance(mut self, inbound: Option<&[u8]>) -> Result<SetUpStep<Self>, Error> {
        match std::mem::replace(&mut self.state, SenderState::Failed) {
            SenderState::Start => {
                let (answer, sender) = silent::Sender::start(self.params, self.context, &mut self.rng)?;
                self.state = SenderState::Chosen(Box::new(sender));
                Ok(SetUpStep::Send(answer.encode(), self))
            }
            SenderState::Chosen(sender) => {
                let (replies, state) = reply(*sender, &self.params, due(inbound)?, &mut self.rng)?;
                self.state = state;
                Ok(SetUpStep::Send(replies, self))
            }
            SenderState::Replied(shares, delta) => {
                let shares = shares.into_iter().map(|share| match share {
                    Share::Leaves(block) => block.expand(),
                    Share::Compressed(share) => share,
                });
                let rows = join(shares.map(vole::SenderShare::into_parts), self.params.slots());
                Ok(SetUpStep::Done(SenderShares { delta, rows }))
            }
            SenderState::Failed => Err(Environment::Primitive.into()),
        }
    }
}

/// Answers the requests of all blocks. Leaves take twice the memory of what they are compressed to, so that all blocks
/// but the last are compressed at once; the last when the receiver has its reply.
fn reply(
    sender: silent::Sender,
    params: &Params,
    message: &[u8],
    rng: &mut Prg,
) -> Result<(Vec<u8>, SenderState), Error> {
    if message.len() != request_bytes(params) {
        return Err(wrong_length("requests of blocks", request_bytes(params), message));
    }
    let (opening, requests) = message.split_at(Opening::WIRE_BYTES);
    let mut set_up = sender.ready(&Opening::decode(opening)?)?;
    let (mut replies, mut shares) = (Vec::with_capacity(reply_bytes(params)), Vec::with_capacity(params.blocks()));
    for (index, request) in requests.chunks_exact(Request::wire_bytes(params)).enumerate() {
        let (reply, block) = set_up.reply(&Request::decode(request, params)?, rng)?;
        replies.append(&mut reply.into_bytes());
        let last = index + 1 == params.blocks();
        shares.push(if last { Share::Leaves(block) } else { Share::Compressed(block.expand()) });
    }
    Ok((replies, SenderState::Replied(shares, set_up.into_delta())))
}

impl SetUp for ReceiverSetUp {
    type Correlation = ReceiverShares;

    fn advance(mut self, inbound: Option<&[u8]>) -> Result<SetUpStep<Self>, Error> {
        let message = due(inbound)?;
        let Some(blocks) = self.requested.take() else {
            let answer = Answer::decode(message, TRANSFERS)?;
            let (opening, receiver) = silent::Receiver::start(self.params, self.context, &mut self.rng)?;
            let mut set_up = receiver.ready(&answer)?;
            let mut requests = opening.encode();
            let mut blocks = Vec::with_capacity(self.params.blocks());
            for _ in 0..self.params.blocks() {
                let (request, block) = set_up.request(&mut self.rng)?;
                requests.append(&mut request.into_bytes());
                blocks.push(block);
            }
            self.requested = Some(blocks);
            return Ok(SetUpStep::Send(requests, self));
        };
        if message.len() != reply_bytes(&self.params) {
            return Err(wrong_length("replies to blocks", reply_bytes(&self.params), message));
        }
        let slots = self.params.slots();
        let (mut masks, mut rows) = (Vec::new(), Vec::new());
        let replies = message.chunks_exact(Reply::wire_bytes(&self.params));
        for (block, reply) in blocks.into_iter().zip(replies) {
            let (u, v) = block.expand(&Reply::decode(reply, &self.params)?)?.into_parts();
            append(&mut masks, u, slots);
            append(&mut rows, v, slots);
        }
        Ok(SetUpStep::Done(ReceiverShares { masks: Zeroizing::new(masks), rows: Zeroizing::new(rows) }))
    }
}

/// The parts one after the other; a single part is not copied.
fn join(parts: impl Iterator<Item = Vec<Block>>, slots: usize) -> Zeroizing<Vec<Block>> {
    let mut whole = Vec::new();
    parts.for_each(|part| append(&mut whole, part, slots));
    Zeroizing::new(whole)
}

/// Appends `part` and wipes it. The vector does not move once it has room for `slots`.
fn append(whole: &mut Vec<Block>, mut part: Vec<Block>, slots: usize) {
    if whole.is_empty() && part.len() == slots {
        *whole = part;
        return;
    }
    if whole.is_empty() {
        whole.reserve_exact(slots);
    }
    whole.extend_from_slice(&part);
    part.zeroize();
}

impl SenderCorrelation<1> for SenderShares {
    fn unmask(&mut self, first: usize, masked: &[u8]) -> Result<(), Error> {
        let (masked, rest) = masked.as_chunks::<BLOCK_BYTES>();
        let rows = first.checked_add(masked.len()).and_then(|end| self.rows.get_mut(first..end));
        let Some(rows) = rows.filter(|_| rest.is_empty()) else {
            return Err(Misuse::OutOfRange { what: "masked rows" }.into());
        };
        let delta = self.delta.expose();
        rows.par_chunks_mut(SLOTS_PER_JOB).zip(masked.par_chunks(SLOTS_PER_JOB)).for_each(|(rows, masked)| {
            let masked: Vec<Block> = masked.iter().map(|bytes| Block::from_le_bytes(*bytes)).collect();
            clmul128::mul_add(delta, &masked, rows);
        });
        Ok(())
    }

    fn rows(&self) -> &[[u128; 1]] {
        self.rows.as_chunks().0
    }

    fn shift(&self, values: &[u128], rows: &mut [[u128; 1]]) -> Result<(), Error> {
        if values.len() != rows.len() {
            return Err(Misuse::Length { what: "values", expected: rows.len(), got: values.len() }.into());
        }
        let delta = self.delta.expose();
        let jobs = rows.as_flattened_mut().par_chunks_mut(SLOTS_PER_JOB).zip(values.par_chunks(SLOTS_PER_JOB));
        jobs.for_each(|(rows, values)| clmul128::mul_add(delta, values, rows));
        Ok(())
    }
}

impl ReceiverCorrelation<1> for ReceiverShares {
    fn mask(&mut self, first: usize, values: &[u128], out: &mut Vec<u8>) -> Result<(), Error> {
        let masks = first.checked_add(values.len()).and_then(|end| self.masks.get(first..end));
        let masks = masks.ok_or(Misuse::OutOfRange { what: "values" })?;
        out.extend(masks.iter().zip(values).flat_map(|(mask, value)| (mask ^ value).to_le_bytes()));
        Ok(())
    }

    fn forget_masks(&mut self) {
        self.masks = Zeroizing::default();
    }

    fn rows(&self) -> &[[u128; 1]] {
        self.rows.as_chunks().0
    }
}

impl fmt::Debug for SenderSetUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SenderSetUp").field("params", &self.params).finish_non_exhaustive()
    }
}

impl fmt::Debug for ReceiverSetUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReceiverSetUp").field("params", &self.params).finish_non_exhaustive()
    }
}

impl fmt::Debug for SenderShares {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SenderShares").field("slots", &self.rows.len()).finish_non_exhaustive()
    }
}

impl fmt::Debug for ReceiverShares {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReceiverShares").field("slots", &self.rows.len()).finish_non_exhaustive()
    }
}
