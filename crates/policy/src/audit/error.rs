//! What can be wrong with a piece of evidence.

use thiserror::Error;

/// A piece of evidence that does not hold, or cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum AuditError {
    /// A line, note or receipt is longer than any honest one.
    #[error("the {what} has {got} bytes, at most {max} are read")]
    TooLong {
        /// The document.
        what: &'static str,
        /// The longest read, bytes.
        max: usize,
        /// The length found, bytes.
        got: usize,
    },
    /// A text is not in its one canonical form.
    #[error("the {what} is not in its canonical form")]
    Malformed {
        /// The document.
        what: &'static str,
    },
    /// An entry of the log is not in its one canonical form.
    #[error("line {line} of the log is no entry in canonical form")]
    Line {
        /// The line, from 1.
        line: u64,
    },
    /// The log does not begin with the entry that opens a log, or has another one later.
    #[error("line {line} of the log is not what it must be: a log is opened by its first line and never again")]
    Opening {
        /// The line, from 1.
        line: u64,
    },
    /// A field's name or a word is not of the allowed form.
    #[error("an entry has a field or word of a form that is not allowed")]
    Form,
    /// A signature does not verify.
    #[error("the signature over the {what} does not verify")]
    Signature {
        /// What was signed.
        what: &'static str,
    },
    /// The organisation key cannot sign: the token it lies in does not answer.
    #[error("the organisation key cannot be used: its token does not sign")]
    KeyUnavailable,
    /// A signature that must be there is not.
    #[error("the {what} lacks a signature it needs")]
    SignatureMissing {
        /// What was to be signed.
        what: &'static str,
    },
    /// A checkpoint belongs to another log.
    #[error("the checkpoint belongs to another log")]
    OtherLog,
    /// The log is shorter than a checkpoint of it.
    #[error("the log has {got} entries where a checkpoint of it has {expected}: entries were removed")]
    Shorter {
        /// Entries at the checkpoint.
        expected: u64,
        /// Entries found.
        got: u64,
    },
    /// The log's content differs from a checkpoint of it.
    #[error("the first {size} entries of the log are not those of its checkpoint: the log was rewritten")]
    RootDiffers {
        /// Entries at the checkpoint.
        size: u64,
    },
    /// A later checkpoint does not continue an earlier one.
    #[error("the checkpoint at {new} entries does not continue the one at {old}: the log was rewritten or forked")]
    Inconsistent {
        /// Entries at the earlier checkpoint.
        old: u64,
        /// Entries at the later checkpoint.
        new: u64,
    },
    /// An entry is not in the tree a checkpoint states.
    #[error("the entry at position {index} is not in the log of {size} entries")]
    NotIncluded {
        /// Position, from 0.
        index: u64,
        /// Entries of the log.
        size: u64,
    },
    /// A position is outside the log.
    #[error("position {index} is outside the log of {size} entries")]
    Outside {
        /// Position, from 0.
        index: u64,
        /// Entries of the log.
        size: u64,
    },
    /// The log records a receipt that is not there.
    #[error("the receipt is not in the export")]
    ReceiptMissing,
    /// The other party has no checkpoint of the log.
    #[error("the other party has no checkpoint of this log, so nothing shows that it saw the same one")]
    NothingSeen,
    /// The log has no entry for a receipt.
    #[error("the log has no entry that records this receipt")]
    ReceiptNotLogged,
    /// The log's record of a job says something else than the receipt.
    #[error("the log records this job otherwise than the receipt")]
    ReceiptDiffers,
}

impl AuditError {
    /// The stable word for metrics and reports.
    #[must_use]
    pub const fn label(&self) -> &'static str {
        match self {
            Self::TooLong { .. } => "too_long",
            Self::Malformed { .. } => "malformed",
            Self::Line { .. } => "entry_malformed",
            Self::Opening { .. } => "log_opening",
            Self::Form => "form",
            Self::Signature { .. } => "signature_invalid",
            Self::KeyUnavailable => "key_unavailable",
            Self::SignatureMissing { .. } => "signature_missing",
            Self::OtherLog => "other_log",
            Self::Shorter { .. } => "log_shorter",
            Self::RootDiffers { .. } => "log_rewritten",
            Self::Inconsistent { .. } => "log_inconsistent",
            Self::NotIncluded { .. } => "not_included",
            Self::Outside { .. } => "outside",
            Self::ReceiptMissing => "receipt_missing",
            Self::NothingSeen => "nothing_seen",
            Self::ReceiptNotLogged => "receipt_not_logged",
            Self::ReceiptDiffers => "receipt_differs",
        }
    }
}
