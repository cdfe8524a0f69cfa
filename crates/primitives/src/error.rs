//! What can go wrong in a primitive.

use thiserror::Error;

/// An error of this crate. No variant carries a secret, an identifier or a formatted value.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Error {
    /// Bytes from outside are not a canonical encoding of what they should be.
    #[error("malformed {what}")]
    Encoding {
        /// The kind of value expected.
        what: &'static str,
    },
    /// A length differs from what the format says.
    #[error("{what} has {got} bytes, expected {expected}")]
    Length {
        /// The kind of value.
        what: &'static str,
        /// Bytes expected.
        expected: usize,
        /// Bytes found.
        got: usize,
    },
    /// A tag, proof or signature does not verify. Opaque on purpose: it does not say which part differs.
    #[error("verification failed")]
    VerificationFailed,
    /// What was sealed belongs to another key or another context. The check comes before any decryption.
    #[error("sealed for another key or another context")]
    WrongKeyOrContext,
    /// The input ends before its format does, so its end is missing.
    #[error("{what} is cut off before its end")]
    Truncated {
        /// What is incomplete.
        what: &'static str,
    },
    /// A limit of the format or of the caller is exceeded.
    #[error("{what} is {got}, the limit is {max}")]
    LimitExceeded {
        /// What is limited.
        what: &'static str,
        /// The largest value allowed.
        max: u64,
        /// The value found.
        got: u64,
    },
    /// The caller broke a documented condition.
    #[error("misuse: {what}")]
    Misuse {
        /// The broken condition.
        what: &'static str,
    },
    /// The surroundings failed: entropy.
    #[error("{what} is not available")]
    Environment {
        /// What is missing.
        what: &'static str,
    },
    /// The key lies in a token that does not answer or does not sign.
    #[error("the key cannot be used: its token does not sign")]
    KeyUnavailable,
    /// Reading or writing failed.
    #[error("input or output failed")]
    Io(#[source] std::io::Error),
}

/// Takes back an error of this crate that passed through an [`std::io::Read`] or [`std::io::Write`].
impl From<std::io::Error> for Error {
    fn from(error: std::io::Error) -> Self {
        error.downcast::<Self>().unwrap_or_else(Self::Io)
    }
}

impl Error {
    /// Wraps this error for an [`std::io::Read`] or [`std::io::Write`]; the conversion back gives it unchanged.
    pub(crate) fn into_io(self) -> std::io::Error {
        match self {
            Self::Io(error) => error,
            other => std::io::Error::new(std::io::ErrorKind::InvalidData, other),
        }
    }
}

impl Error {
    /// The stable word for metrics and audit.
    #[must_use]
    pub const fn label(&self) -> &'static str {
        match self {
            Self::Encoding { .. } => "encoding",
            Self::Length { .. } => "length",
            Self::VerificationFailed => "verification_failed",
            Self::WrongKeyOrContext => "wrong_key_or_context",
            Self::Truncated { .. } => "truncated",
            Self::LimitExceeded { .. } => "limit_exceeded",
            Self::Misuse { .. } => "misuse",
            Self::Environment { .. } => "environment",
            Self::KeyUnavailable => "key_unavailable",
            Self::Io(_) => "io",
        }
    }
}
