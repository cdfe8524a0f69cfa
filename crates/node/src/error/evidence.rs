//! What can be wrong with the own evidence log.

use thiserror::Error as ThisError;

use super::{Environment, Error};

/// Why the evidence log cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ThisError)]
#[non_exhaustive]
pub enum EvidenceError {
    /// The log was shortened, replaced or changed.
    #[error("the evidence log is not what its last checkpoint says: it was changed, shortened or put back")]
    Rewritten,
    /// A line that was confirmed is no entry.
    #[error("line {line} of the evidence log is damaged")]
    Damaged {
        /// The line, from 1.
        line: u64,
    },
    /// Another process was killed while it wrote.
    #[error("the last line of the evidence log has no end")]
    Torn,
    /// Others saw more of the log than there is.
    #[error("the evidence log has {size} entries, others saw {seen}: it was put back to an earlier state")]
    Behind {
        /// Entries others saw.
        seen: u64,
        /// Entries there are.
        size: u64,
    },
    /// Writing failed, for everybody who waited.
    #[error("the evidence log cannot be written")]
    Unwritable,
}

impl EvidenceError {
    pub(super) const fn reason(&self) -> &'static str {
        match self {
            Self::Rewritten | Self::Behind { .. } => "AUDIT_LOG_REWRITTEN",
            Self::Damaged { .. } | Self::Torn => "AUDIT_LOG_DAMAGED",
            Self::Unwritable => "AUDIT_LOG_UNWRITABLE",
        }
    }

    /// The error for everybody who waited for the same write.
    pub(crate) fn again(error: &Error) -> Error {
        match error {
            Error::Evidence(inner) => (*inner).into(),
            Error::Environment(Environment::DiskFull { path }) => Environment::DiskFull { path: path.clone() }.into(),
            _ => Self::Unwritable.into(),
        }
    }
}
