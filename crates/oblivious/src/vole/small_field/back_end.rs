//! The small-field correlation behind the face of a back end.

use std::fmt;

use rayon::prelude::*;
use symbolon_primitives::prg::Prg;
use symbolon_primitives::secret::Seed;
use zeroize::Zeroizing;

use super::super::back_end::{BackEnd, ReceiverCorrelation, SenderCorrelation, SetUp, SetUpStep};
use super::super::rs::{self, Row};
use super::{ChoiceMessage, CorrectionMessage, Receiver, ReceiverStreams, SLOTS_MAX, Sender, SenderStreams};
use crate::Error;
use crate::error::Misuse;

/// Slots that are encoded at a time.
const CHUNK: usize = 1024;

/// The construction of [`small_field`](super), with rows of 32 bytes of which 31 are used and sent.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct SmallField;

/// The sender's side of the set-up.
#[derive(Debug)]
pub struct SenderSetUp {
    slots: usize,
    state: SenderState,
}

#[derive(Debug)]
enum SenderState {
    Fresh { context: [u8; 32], seed: Seed },
    Chosen(Sender),
}

/// The receiver's side of the set-up.
#[derive(Debug)]
pub struct ReceiverSetUp {
    slots: usize,
    state: ReceiverState,
}

#[derive(Debug)]
enum ReceiverState {
    Fresh { context: [u8; 32], seed: Seed },
    Responded(ReceiverStreams),
}

/// Δ and B, and with the peer's masked rows Δ and W. Wiped when dropped, never printed.
pub struct SenderRows {
    streams: SenderStreams,
    rows: Zeroizing<Vec<Row>>,
}

/// U and V. Wiped when dropped, never printed.
pub struct ReceiverRows {
    masks: Zeroizing<Vec<Row>>,
    rows: Zeroizing<Vec<Row>>,
}

const fn check_slots(slots: usize) -> Result<(), Error> {
    if slots > SLOTS_MAX {
        return Err(Error::Misuse(Misuse::OutOfRange { what: "slots" }));
    }
    Ok(())
}

const fn not_due() -> Error {
    Error::Misuse(Misuse::OutOfRange { what: "message of the set-up" })
}

impl BackEnd<2> for SmallField {
    const MASKED_BYTES: usize = rs::LENGTH;
    type SenderSetUp = SenderSetUp;
    type ReceiverSetUp = ReceiverSetUp;

    fn message_bytes(_slots: usize) -> Vec<u64> {
        vec![ChoiceMessage::WIRE_BYTES as u64, CorrectionMessage::WIRE_BYTES as u64]
    }

    fn sender(slots: usize, context: &[u8; 32], seed: Seed) -> Result<SenderSetUp, Error> {
        check_slots(slots)?;
        Ok(SenderSetUp { slots, state: SenderState::Fresh { context: *context, seed } })
    }

    fn receiver(slots: usize, context: &[u8; 32], seed: Seed) -> Result<ReceiverSetUp, Error> {
        check_slots(slots)?;
        Ok(ReceiverSetUp { slots, state: ReceiverState::Fresh { context: *context, seed } })
    }
}

impl SetUp for SenderSetUp {
    type Correlation = SenderRows;

    fn advance(self, inbound: Option<&[u8]>) -> Result<SetUpStep<Self>, Error> {
        let slots = self.slots;
        match (self.state, inbound) {
            (SenderState::Fresh { context, seed }, None) => {
                let (message, sender) = Sender::start(&context, &mut Prg::new(seed))?;
                Ok(SetUpStep::Send(message.encode(), Self { slots, state: SenderState::Chosen(sender) }))
            }
            (SenderState::Chosen(sender), Some(bytes)) => {
                let streams = sender.finish(&CorrectionMessage::decode(bytes)?)?;
                let mut rows = Zeroizing::new(vec![[0; 2]; slots]);
                streams.expand(0, &mut rows)?;
                Ok(SetUpStep::Done(SenderRows { streams, rows }))
            }
            _ => Err(not_due()),
        }
    }
}

impl SetUp for ReceiverSetUp {
    type Correlation = ReceiverRows;

    fn advance(self, inbound: Option<&[u8]>) -> Result<SetUpStep<Self>, Error> {
        let slots = self.slots;
        match (self.state, inbound) {
            (ReceiverState::Fresh { context, seed }, Some(bytes)) => {
                let message = ChoiceMessage::decode(bytes)?;
                let (message, streams) = Receiver::respond(&context, &message, &mut Prg::new(seed))?;
                Ok(SetUpStep::Send(message.encode(), Self { slots, state: ReceiverState::Responded(streams) }))
            }
            (ReceiverState::Responded(streams), None) => {
                let mut masks = Zeroizing::new(vec![[0; 2]; slots]);
                let mut rows = Zeroizing::new(vec![[0; 2]; slots]);
                streams.expand(0, &mut masks, &mut rows)?;
                Ok(SetUpStep::Done(ReceiverRows { masks, rows }))
            }
            _ => Err(not_due()),
        }
    }
}

impl SenderCorrelation<2> for SenderRows {
    fn unmask(&mut self, first: usize, masked: &[u8]) -> Result<(), Error> {
        if !masked.len().is_multiple_of(rs::LENGTH) {
            return Err(Misuse::OutOfRange { what: "masked rows" }.into());
        }
        let count = masked.len() / rs::LENGTH;
        let rows = part_mut(&mut self.rows, first, count)?;
        let streams = &self.streams;
        let chunks = rows.par_chunks_mut(CHUNK).zip(masked.par_chunks(CHUNK * rs::LENGTH));
        chunks.try_for_each(|(rows, masked)| {
            let mut words = [[0; 2]; CHUNK];
            let words = &mut words[..rows.len()];
            rs::unpack(masked, words)?;
            streams.add_scaled(words, rows)
        })
    }

    fn rows(&self) -> &[Row] {
        &self.rows
    }

    fn shift(&self, values: &[u128], rows: &mut [Row]) -> Result<(), Error> {
        rs::same_length("rows", values.len(), rows.len())?;
        for (values, rows) in values.chunks(CHUNK).zip(rows.chunks_mut(CHUNK)) {
            let mut words = Zeroizing::new([[0; 2]; CHUNK]);
            let words = &mut words[..rows.len()];
            rs::encode(values, words)?;
            self.streams.add_scaled(words, rows)?;
        }
        Ok(())
    }
}

impl ReceiverCorrelation<2> for ReceiverRows {
    fn mask(&mut self, first: usize, values: &[u128], out: &mut Vec<u8>) -> Result<(), Error> {
        let masks = part_mut(&mut self.masks, first, values.len())?;
        out.reserve(values.len() * rs::LENGTH);
        for (values, masks) in values.chunks(CHUNK).zip(masks.chunks_mut(CHUNK)) {
            let mut words = Zeroizing::new([[0; 2]; CHUNK]);
            let words = &mut words[..masks.len()];
            rs::encode(values, words)?;
            for (word, mask) in words.iter_mut().zip(masks.iter()) {
                word[0] ^= mask[0];
                word[1] ^= mask[1];
            }
            rs::pack(words, out);
        }
        Ok(())
    }

    fn forget_masks(&mut self) {
        self.masks = Zeroizing::new(Vec::new());
    }

    fn rows(&self) -> &[Row] {
        &self.rows
    }
}

fn part_mut(rows: &mut [Row], first: usize, count: usize) -> Result<&mut [Row], Error> {
    let end = first.checked_add(count).ok_or(Misuse::OutOfRange { what: "slots" })?;
    rows.get_mut(first..end).ok_or(Error::Misuse(Misuse::OutOfRange { what: "slots" }))
}

impl fmt::Debug for SenderRows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SenderRows").field("slots", &self.rows.len()).finish_non_exhaustive()
    }
}

impl fmt::Debug for ReceiverRows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReceiverRows").field("slots", &self.rows.len()).finish_non_exhaustive()
    }
}
