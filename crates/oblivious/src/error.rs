//! What can go wrong, by who is to blame.
//!
//! No variant carries text made by formatting, a key or a share: an error may be logged and its
//! [`label`](Error::label) may be shown to the peer.

use thiserror::Error;

/// An error of this crate, by class.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Error {
    /// The peer broke the protocol: an attack, a bug over there, or bytes changed on the way.
    #[error("the peer misbehaved: {0}")]
    PeerMisbehaved(#[from] PeerMisbehaved),
    /// A limit of a format or of the caller is exceeded.
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
    #[error("misuse: {0}")]
    Misuse(#[from] Misuse),
    /// The surroundings failed.
    #[error("the environment failed: {0}")]
    Environment(#[from] Environment),
}

/// How a peer broke a protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PeerMisbehaved {
    /// A message has another length than the public parameters give.
    #[error("{what} has {got} bytes, expected {expected}")]
    WrongLength {
        /// The message.
        what: &'static str,
        /// Bytes by the parameters.
        expected: usize,
        /// Bytes received.
        got: usize,
    },
    /// A point is not the canonical encoding of a group element, or is the identity.
    #[error("malformed point")]
    MalformedPoint,
    /// A check that binds the peer to the protocol does not hold. Opaque on purpose: it does not say where.
    #[error("a consistency check failed")]
    CheckFailed,
}

/// How the caller broke a documented condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Misuse {
    /// A slice has another length than the parameters or another slice give.
    #[error("{what} has {got} elements, expected {expected}")]
    Length {
        /// The argument.
        what: &'static str,
        /// Elements by the parameters.
        expected: usize,
        /// Elements given.
        got: usize,
    },
    /// A parameter lies outside what is documented.
    #[error("{what} is out of range")]
    OutOfRange {
        /// The parameter.
        what: &'static str,
    },
}

/// What failed around a protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Environment {
    /// A primitive refused inputs that this crate made itself.
    #[error("a primitive failed")]
    Primitive,
}

impl Error {
    /// The stable word for metrics and audit.
    #[must_use]
    pub const fn label(&self) -> &'static str {
        match self {
            Self::PeerMisbehaved(PeerMisbehaved::WrongLength { .. }) => "peer_wrong_length",
            Self::PeerMisbehaved(PeerMisbehaved::MalformedPoint) => "peer_malformed_point",
            Self::PeerMisbehaved(PeerMisbehaved::CheckFailed) => "peer_check_failed",
            Self::LimitExceeded { .. } => "limit_exceeded",
            Self::Misuse(Misuse::Length { .. }) => "misuse_length",
            Self::Misuse(Misuse::OutOfRange { .. }) => "misuse_out_of_range",
            Self::Environment(Environment::Primitive) => "environment_primitive",
        }
    }

    /// Whether the peer, or the way to it, is to blame.
    #[must_use]
    pub const fn is_peer(&self) -> bool {
        matches!(self, Self::PeerMisbehaved(_))
    }
}
