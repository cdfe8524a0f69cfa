//! Evidence that neither institution can rewrite: a Merkle log, checkpoints both sign, receipts of jobs.
//!
//! * [`Entry`] is one event: time, kind, and fields that can hold hashes, counts and stable words only. Its canonical
//!   line is the leaf.
//! * [`Tree`] is the Merkle tree of RFC 6962 over the lines, with inclusion and consistency proofs; [`proof`] verifies
//!   them by the algorithms of RFC 9162.
//! * [`Checkpoint`] states a log's size and root as a C2SP tlog-checkpoint; [`SignedCheckpoint`] carries the log's
//!   signature and the cosignatures of those who checked that it goes on from the one they saw before.
//! * [`Receipt`] says what a job was and what both sides' transcripts hash to, signed by both.
//! * [`Log`] reads a whole log and holds it against checkpoints and receipts; [`Bundle`] verifies a whole export, and
//!   two exports against each other.
//!
//! Nothing here reads a file or a clock, so all of it also works on exported files, offline.
//!
//! # What an entry shows to the peer
//!
//! A consistency proof contains hashes of entries. Each entry has a random salt of 16 bytes, so nobody who sees its
//! hash can guess what is in it. The number of entries is shown by every checkpoint: an owner of a kind must not let
//! the number of entries of a job depend on what matched.
//!
//! # Where it differs from the sources
//!
//! Checkpoints have no extension lines, and a note with a signature line that does not parse is refused rather than
//! read without it, so that no byte of an exported file can change unseen.
//!
//! # References
//!
//! RFC 6962 section 2.1, RFC 9162 sections 2.1.3 and 2.1.4; C2SP signed-note, tlog-checkpoint and tlog-cosignature.

mod bundle;
mod checkpoint;
mod entry;
mod error;
mod log;
mod note;
pub mod proof;
mod receipt;
mod record;
mod tree;

pub use bundle::{Bundle, Check};
pub use checkpoint::{CHECKPOINT_BYTES_MAX, Checkpoint, Cosignature, Origin, SignedCheckpoint};
pub use entry::{ENTRY_BYTES_MAX, Entry};
pub use error::AuditError;
pub use log::{Finished, Log};
pub use note::{Note, NoteSignature};
pub use receipt::{LogHead, RECEIPT_BYTES_MAX, Receipt, ReceiptBody, Turn};
pub use record::{Value, Word};
pub use tree::{Hash, Tree, leaf_hash};

#[cfg(test)]
mod tests;
