//! The ideal correlation behind the face of a back end: for tests, without any security.

use symbolon_primitives::secret::{Secret, Seed};

use super::{BackEnd, ReceiverCorrelation, SenderCorrelation, SetUp, SetUpStep};
use crate::error::{Misuse, PeerMisbehaved};
use crate::ideal::{multiply, vole};
use crate::{Block, Delta, Error};

/// Shares made by one hand, from a seed that the sender sends in clear.
#[derive(Debug)]
pub struct Ideal;

/// Fixed bytes in place of the further messages.
const REPLY: [u8; 5] = *b"reply";
const CLOSE: [u8; 3] = *b"end";

/// A side of the set-up.
#[derive(Debug)]
pub struct IdealSender {
    seed: Seed,
    slots: usize,
    sent: usize,
}

/// A side of the set-up.
#[derive(Debug)]
pub struct IdealReceiver {
    seed: Option<Seed>,
    slots: usize,
}

/// Δ, and B or W.
#[derive(Debug)]
pub struct IdealSenderShare {
    delta: Delta,
    rows: Vec<Block>,
}

/// U and V.
#[derive(Debug)]
pub struct IdealReceiverShare {
    masks: Vec<Block>,
    rows: Vec<Block>,
}

fn fixed(what: &'static str, expected: &[u8], got: Option<&[u8]>) -> Result<(), Error> {
    match got {
        None => Err(Misuse::OutOfRange { what }.into()),
        Some(got) if got.len() != expected.len() => {
            Err(PeerMisbehaved::WrongLength { what, expected: expected.len(), got: got.len() }.into())
        }
        Some(got) if got != expected => Err(PeerMisbehaved::CheckFailed.into()),
        Some(_) => Ok(()),
    }
}

impl BackEnd<1> for Ideal {
    const MASKED_BYTES: usize = 16;
    type SenderSetUp = IdealSender;
    type ReceiverSetUp = IdealReceiver;

    fn message_bytes(_slots: usize) -> Vec<u64> {
        vec![32, REPLY.len() as u64, CLOSE.len() as u64]
    }

    fn sender(slots: usize, _context: &[u8; 32], seed: Seed) -> Result<IdealSender, Error> {
        Ok(IdealSender { seed, slots, sent: 0 })
    }

    fn receiver(slots: usize, _context: &[u8; 32], _seed: Seed) -> Result<IdealReceiver, Error> {
        Ok(IdealReceiver { seed: None, slots })
    }
}

impl SetUp for IdealSender {
    type Correlation = IdealSenderShare;

    fn advance(mut self, inbound: Option<&[u8]>) -> Result<SetUpStep<Self>, Error> {
        self.sent += 1;
        match self.sent {
            1 => Ok(SetUpStep::Send(self.seed.expose().to_vec(), self)),
            2 => {
                fixed("reply", &REPLY, inbound)?;
                Ok(SetUpStep::Send(CLOSE.to_vec(), self))
            }
            _ => {
                let (_, sender, delta) = vole(self.seed, self.slots);
                Ok(SetUpStep::Done(IdealSenderShare { delta, rows: sender.into_parts() }))
            }
        }
    }
}

impl SetUp for IdealReceiver {
    type Correlation = IdealReceiverShare;

    fn advance(mut self, inbound: Option<&[u8]>) -> Result<SetUpStep<Self>, Error> {
        let Some(seed) = self.seed.take() else {
            let seed = inbound.and_then(|seed| <[u8; 32]>::try_from(seed).ok());
            self.seed = Some(Secret::new(seed.ok_or(Misuse::OutOfRange { what: "seed" })?));
            return Ok(SetUpStep::Send(REPLY.to_vec(), self));
        };
        fixed("close", &CLOSE, inbound)?;
        let (masks, rows) = vole(seed, self.slots).0.into_parts();
        Ok(SetUpStep::Done(IdealReceiverShare { masks, rows }))
    }
}

impl SenderCorrelation<1> for IdealSenderShare {
    fn unmask(&mut self, first: usize, masked: &[u8]) -> Result<(), Error> {
        let masked = masked.as_chunks().0;
        let rows = self.rows.get_mut(first..first + masked.len()).ok_or(Misuse::OutOfRange { what: "slots" })?;
        for (row, masked) in rows.iter_mut().zip(masked) {
            *row ^= multiply(self.delta.expose(), Block::from_le_bytes(*masked));
        }
        Ok(())
    }

    fn rows(&self) -> &[[u128; 1]] {
        self.rows.as_chunks().0
    }

    fn shift(&self, values: &[u128], rows: &mut [[u128; 1]]) -> Result<(), Error> {
        for (row, value) in rows.iter_mut().zip(values) {
            row[0] ^= multiply(self.delta.expose(), *value);
        }
        Ok(())
    }
}

impl ReceiverCorrelation<1> for IdealReceiverShare {
    fn mask(&mut self, first: usize, values: &[u128], out: &mut Vec<u8>) -> Result<(), Error> {
        let masks = self.masks.get(first..first + values.len()).ok_or(Misuse::OutOfRange { what: "slots" })?;
        masks.iter().zip(values).for_each(|(mask, value)| out.extend_from_slice(&(mask ^ value).to_le_bytes()));
        Ok(())
    }

    fn forget_masks(&mut self) {
        self.masks = Vec::new();
    }

    fn rows(&self) -> &[[u128; 1]] {
        self.rows.as_chunks().0
    }
}
