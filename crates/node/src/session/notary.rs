//! What two nodes say to each other about their logs, before the first frame and after the last.
//!
//! The driver carries the messages, a [`Notary`] knows what they mean. Both exchanges are over before anything that
//! depends on what matched is computed.

use std::pin::Pin;

use symbolon_policy::audit::{Hash, NoteSignature, SignedCheckpoint};
use symbolon_primitives::sign::Signature;
use symbolon_psi::TranscriptHashes;

use crate::error::Error;

/// One message.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "both sides must handle every message")]
pub enum EvidenceMessage {
    /// The sizes of the receiver's log that the sender has verified and that must be continued.
    Seen(Vec<u64>),
    /// The end of the sender's log.
    Head {
        /// The checkpoint.
        checkpoint: SignedCheckpoint,
        /// A consistency proof from each size seen.
        proofs: Vec<Vec<Hash>>,
        /// The sender's clock after the last frame, milliseconds since the beginning of 1970; 0 before the first.
        ended_unix_millis: u64,
    },
    /// The sender vouches for the head it was shown.
    Cosigned(NoteSignature),
    /// The sender's half of the receipt.
    Receipt {
        /// Its signature over the body.
        signature: Signature,
        /// It vouches for the head it was shown after the last frame.
        cosignature: NoteSignature,
    },
}

impl EvidenceMessage {
    /// What the message is, in a word for errors.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Seen(_) => "what it has seen",
            Self::Head { .. } => "the end of its log",
            Self::Cosigned(_) => "its cosignature",
            Self::Receipt { .. } => "its half of the receipt",
        }
    }
}

/// What the driver does next.
#[derive(Debug)]
#[expect(clippy::exhaustive_enums, reason = "the driver must handle every case")]
pub enum NotaryStep {
    /// Send the message, then wait for the peer's and hand it over.
    Send(EvidenceMessage),
    /// Wait for the peer's message and hand it over.
    Await,
    /// Send the message; the exchange is over then.
    SendLast(EvidenceMessage),
    /// The exchange is over.
    Done,
}

/// The answer of a [`Notary`].
pub type Notarising<'a> = Pin<Box<dyn Future<Output = Result<NotaryStep, Error>> + Send + 'a>>;

/// Conducts both exchanges of one job.
pub trait Notary: Send {
    /// Before the first frame. `peer` is the peer's message where one was waited for.
    fn begin(&mut self, peer: Option<EvidenceMessage>) -> Notarising<'_>;

    /// After the last frame in both directions, with the hashes over both.
    fn end(&mut self, transcript: TranscriptHashes, peer: Option<EvidenceMessage>) -> Notarising<'_>;
}

/// A machine's output, with the hashes over both directions.
pub trait Transcript {
    /// The hashes.
    fn transcript(&self) -> TranscriptHashes;
}

impl Transcript for symbolon_psi::Outcome {
    fn transcript(&self) -> TranscriptHashes {
        Self::transcript(self)
    }
}
