//! One face for the constructions of a vector OLE, as a join over a key-value store uses them.
//!
//! # What it computes
//! After the set-up the sender holds Δ and B, the receiver U and V with V = B ⊕ Δ ⊙ U in every slot, where ⊙
//! multiplies Δ with a row, symbol by symbol. The receiver chooses values P, one block a slot, and sends
//! D = C(P) ⊕ U, where C is a linear code; the sender holds W = B ⊕ Δ ⊙ D = V ⊕ Δ ⊙ C(P) then. A linear combination
//! of slots over GF(2) is taken on either side alike, and subtracting Δ ⊙ C(h) takes the value h out of it.
//!
//! | paper | here | held by |
//! |---|---|---|
//! | Δ, W | [`SenderCorrelation`] | sender |
//! | U, V | [`ReceiverCorrelation`] | receiver |
//! | D | masked rows, [`BackEnd::MASKED_BYTES`] a slot | both |
//! | P | values, one block a slot | receiver |
//!
//! # Protocol
//! The set-up is a fixed number of messages, whose lengths follow from the number of slots
//! ([`BackEnd::message_bytes`]). The sender's comes first, then they alternate. Each side is a [`SetUp`], which takes
//! the peer's message and gives its own; nothing here does I/O.
//!
//! # Who learns what
//! Neither side anything about the other's part. What is assumed for that is said at each back end.

#[cfg(any(test, feature = "test-util"))]
pub mod ideal;

pub mod silent;

#[cfg(test)]
mod tests;

use symbolon_primitives::secret::Seed;

use crate::Error;

/// A construction, with rows of `W` blocks a slot.
pub trait BackEnd<const W: usize>: Send + Sync + 'static {
    /// Bytes of a masked row.
    const MASKED_BYTES: usize;
    /// The sender's side of the set-up.
    type SenderSetUp: SetUp<Correlation: SenderCorrelation<W>>;
    /// The receiver's side of the set-up.
    type ReceiverSetUp: SetUp<Correlation: ReceiverCorrelation<W>>;

    /// The bytes of the messages of the set-up for so many slots: the sender's first, then alternately.
    fn message_bytes(slots: usize) -> Vec<u64>;

    /// Starts the sender's side; `context` binds the set-up to a session and is never used twice.
    ///
    /// # Errors
    /// [`Error::Misuse`] for a number of slots out of range.
    fn sender(slots: usize, context: &[u8; 32], seed: Seed) -> Result<Self::SenderSetUp, Error>;

    /// Starts the receiver's side; the same `context` as the sender's.
    ///
    /// # Errors
    /// [`Error::Misuse`] for a number of slots out of range.
    fn receiver(slots: usize, context: &[u8; 32], seed: Seed) -> Result<Self::ReceiverSetUp, Error>;
}

/// A side of a set-up in progress.
pub trait SetUp: Sized + Send {
    /// What the set-up gives.
    type Correlation: Send + Sync;

    /// Moves on with the peer's next message, or with `None` where this side goes on by itself: at the sender's
    /// start, and after a message that the peer does not answer.
    ///
    /// # Errors
    /// [`Error::PeerMisbehaved`] for a message no peer that follows the protocol sends, [`Error::Misuse`] for one
    /// that is not due.
    fn advance(self, inbound: Option<&[u8]>) -> Result<SetUpStep<Self>, Error>;
}

/// What a side of a set-up does next.
#[derive(Debug)]
#[expect(clippy::exhaustive_enums, reason = "a caller must handle every case")]
pub enum SetUpStep<S: SetUp> {
    /// Send this message, then advance.
    Send(Vec<u8>, S),
    /// The correlation is there.
    Done(S::Correlation),
}

/// Δ and B, and with the peer's masked rows Δ and W.
pub trait SenderCorrelation<const W: usize> {
    /// W = B ⊕ Δ ⊙ D for the slots from `first` on. One call for each slot.
    ///
    /// # Errors
    /// [`Error::Misuse`] when `masked` is not made of whole rows, or reaches behind the last slot.
    fn unmask(&mut self, first: usize, masked: &[u8]) -> Result<(), Error>;

    /// The rows of all slots.
    fn rows(&self) -> &[[u128; W]];

    /// rows\[i\] ⊕= Δ ⊙ C(values\[i\]).
    ///
    /// # Errors
    /// [`Error::Misuse`] when the lengths differ.
    fn shift(&self, values: &[u128], rows: &mut [[u128; W]]) -> Result<(), Error>;
}

/// U and V.
pub trait ReceiverCorrelation<const W: usize> {
    /// Appends D = C(values) ⊕ U for the slots from `first` on. One call for each slot: a mask is used once.
    ///
    /// # Errors
    /// [`Error::Misuse`] when the values reach behind the last slot.
    fn mask(&mut self, first: usize, values: &[u128], out: &mut Vec<u8>) -> Result<(), Error>;

    /// Wipes U and gives its memory back, when every slot was masked.
    fn forget_masks(&mut self);

    /// The rows V of all slots.
    fn rows(&self) -> &[[u128; W]];
}
