//! What can go wrong in a protocol, by who is to blame.
//!
//! No variant carries text made by formatting, an identifier, a key or a row: an error may be logged and its
//! [`label`](Error::label) may be shown to the peer.

use thiserror::Error;

/// An error of this crate, by class.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Error {
    /// The peer broke the protocol: an attack, a bug over there, or bytes changed on the way.
    #[error("the peer misbehaved: {0}")]
    PeerMisbehaved(#[from] PeerMisbehaved),
    /// The peer speaks something this build does not.
    #[error("the peer is incompatible: {0}")]
    PeerIncompatible(#[from] PeerIncompatible),
    /// A limit set by the caller is exceeded.
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

/// How a peer broke the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PeerMisbehaved {
    /// A frame is shorter than its header.
    #[error("a frame has {got} bytes, a header has {expected}")]
    FrameTooShort {
        /// Bytes of a header.
        expected: usize,
        /// Bytes of the frame.
        got: usize,
    },
    /// A frame is longer than any frame may be.
    #[error("a frame has {got} bytes, the limit is {max}")]
    FrameTooLong {
        /// The largest frame allowed.
        max: usize,
        /// Bytes of the frame.
        got: usize,
    },
    /// A frame of another session.
    #[error("a frame belongs to another session")]
    WrongSession,
    /// A frame that does not come next: skipped, repeated, or of another step.
    #[error("got step {got_step} index {got_index}, expected step {expected_step} index {expected_index}")]
    OutOfOrder {
        /// The step that comes next.
        expected_step: u8,
        /// The index that comes next.
        expected_index: u32,
        /// The step of the frame.
        got_step: u8,
        /// The index of the frame.
        got_index: u32,
    },
    /// A frame that was already received.
    #[error("step {step} index {index} came twice")]
    Repeated {
        /// The step of the frame.
        step: u8,
        /// The index of the frame.
        index: u32,
    },
    /// A frame that comes before the peer may send it.
    #[error("step {step} came before its turn")]
    BeforeItsTurn {
        /// The step of the frame.
        step: u8,
    },
    /// A frame after the last one of the run.
    #[error("a frame came after the last one")]
    AfterTheEnd,
    /// A frame announces another number of frames for its step than the sizes agreed on give.
    #[error("step {step} announces {got} frames, expected {expected}")]
    WrongTotal {
        /// The step of the frame.
        step: u8,
        /// Frames by the agreed sizes.
        expected: u32,
        /// Frames announced.
        got: u32,
    },
    /// The body of a frame has another length than the agreed sizes give.
    #[error("the body of step {step} has {got} bytes, expected {expected}")]
    WrongLength {
        /// The step of the frame.
        step: u8,
        /// Bytes by the agreed sizes.
        expected: usize,
        /// Bytes received.
        got: usize,
    },
    /// A point is not the canonical encoding of a group element, or is the identity.
    #[error("malformed point")]
    MalformedPoint,
    /// The same point came twice.
    #[error("repeated point")]
    RepeatedPoint,
    /// A point of this side came back as one of the peer's own.
    #[error("a point of this side came back as the peer's")]
    EchoedPoint,
    /// The proof that evaluated points were made with the announced key does not verify.
    #[error("the evaluation proof does not verify")]
    ProofRejected,
    /// A check that binds the peer to the set-up of the correlation does not hold. Opaque on purpose.
    #[error("the set-up does not check")]
    SetUpRejected,
    /// Tags are not sorted, or one came twice.
    #[error("tags are not in order")]
    TagsNotSorted,
    /// The hash over all frames of the peer differs: something was changed on the way.
    #[error("the transcript differs")]
    TranscriptDiffers,
    /// The key given away is not the one the sender committed to, or was given or refused against the report.
    #[error("the release does not fit what was committed and reported")]
    ReleaseRejected,
    /// A fixed message has another content.
    #[error("step {step} has unexpected content")]
    UnexpectedContent {
        /// The step of the frame.
        step: u8,
    },
}

/// What the peer speaks and this build does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PeerIncompatible {
    /// Another version of the frame format.
    #[error("frame format {got}, expected {expected}")]
    Version {
        /// The version of this build.
        expected: u8,
        /// The version received.
        got: u8,
    },
    /// Another protocol than the one agreed on.
    #[error("protocol code {got}, expected {expected}")]
    Protocol {
        /// The code agreed on.
        expected: u8,
        /// The code received.
        got: u8,
    },
}

/// How the caller broke a documented condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Misuse {
    /// A declared number of rows is zero or smaller than the input.
    #[error("{got} rows given, {declared} declared")]
    DeclaredTooFew {
        /// Rows (or keys) declared for this side.
        declared: u64,
        /// Rows (or keys) given.
        got: u64,
    },
    /// Two keys of a set are equal; the second one is named by its position.
    #[error("key {index} is a duplicate")]
    DuplicateKey {
        /// Position of the second occurrence.
        index: u32,
    },
    /// A row names a key that is not there.
    #[error("row {row} names a key out of range")]
    RowKeyOutOfRange {
        /// The row.
        row: u64,
    },
    /// The payload's length is not rows times bytes a row.
    #[error("the payload has {got} bytes, expected {expected}")]
    PayloadLength {
        /// Rows times bytes a row.
        expected: u64,
        /// Bytes given.
        got: u64,
    },
    /// This protocol carries no payload.
    #[error("this protocol carries no payload")]
    PayloadNotSupported,
    /// A run without payload has nothing to hold back.
    #[error("a release needs a payload")]
    ReleaseWithoutPayload,
    /// The bytes and ends of a key arena do not fit each other.
    #[error("the key arena is inconsistent")]
    KeyArena,
    /// A value is not a protocol, a role or another documented word.
    #[error("unknown {what}")]
    UnknownWord {
        /// What was expected.
        what: &'static str,
    },
}

/// What failed around the protocol.
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
            Self::PeerMisbehaved(inner) => inner.label(),
            Self::PeerIncompatible(PeerIncompatible::Version { .. }) => "peer_incompatible_version",
            Self::PeerIncompatible(PeerIncompatible::Protocol { .. }) => "peer_incompatible_protocol",
            Self::LimitExceeded { .. } => "limit_exceeded",
            Self::Misuse(inner) => inner.label(),
            Self::Environment(Environment::Primitive) => "environment_primitive",
        }
    }

    /// Whether the peer, or the way to it, is to blame.
    #[must_use]
    pub const fn is_peer(&self) -> bool {
        matches!(self, Self::PeerMisbehaved(_) | Self::PeerIncompatible(_))
    }
}

impl PeerMisbehaved {
    /// The stable word for metrics and audit.
    #[must_use]
    pub const fn label(&self) -> &'static str {
        match self {
            Self::FrameTooShort { .. } => "peer_frame_too_short",
            Self::FrameTooLong { .. } => "peer_frame_too_long",
            Self::WrongSession => "peer_wrong_session",
            Self::OutOfOrder { .. } => "peer_out_of_order",
            Self::Repeated { .. } => "peer_repeated",
            Self::BeforeItsTurn { .. } => "peer_before_its_turn",
            Self::AfterTheEnd => "peer_after_the_end",
            Self::WrongTotal { .. } => "peer_wrong_total",
            Self::WrongLength { .. } => "peer_wrong_length",
            Self::MalformedPoint => "peer_malformed_point",
            Self::RepeatedPoint => "peer_repeated_point",
            Self::EchoedPoint => "peer_echoed_point",
            Self::ProofRejected => "peer_proof_rejected",
            Self::SetUpRejected => "peer_set_up_rejected",
            Self::TagsNotSorted => "peer_tags_not_sorted",
            Self::TranscriptDiffers => "peer_transcript_differs",
            Self::ReleaseRejected => "peer_release_rejected",
            Self::UnexpectedContent { .. } => "peer_unexpected_content",
        }
    }
}

impl Misuse {
    /// The stable word for metrics and audit.
    #[must_use]
    pub const fn label(&self) -> &'static str {
        match self {
            Self::DeclaredTooFew { .. } => "misuse_declared_too_few",
            Self::DuplicateKey { .. } => "misuse_duplicate_key",
            Self::RowKeyOutOfRange { .. } => "misuse_row_key_out_of_range",
            Self::PayloadLength { .. } => "misuse_payload_length",
            Self::PayloadNotSupported => "misuse_payload_not_supported",
            Self::ReleaseWithoutPayload => "misuse_release_without_payload",
            Self::KeyArena => "misuse_key_arena",
            Self::UnknownWord { .. } => "misuse_unknown_word",
        }
    }
}
