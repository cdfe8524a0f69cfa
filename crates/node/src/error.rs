//! What can go wrong in a node.
//!
//! The text of an error says what happened, [`Error::remedy`] what to do about it. No variant carries an identifier of
//! a record, a key or plaintext; paths are the operator's own. [`Error::class`] decides exit codes and gRPC codes,
//! [`Error::reason`] is the documented word of `ErrorInfo` and of failed jobs, [`Error::label`] the word of metrics.
//! [`describe`] explains a reason that came over a socket or out of the database.

use std::path::PathBuf;

use symbolon_policy::cedar::Determining;
use symbolon_policy::{Quota, Timestamp};
use thiserror::Error;

pub use evidence::EvidenceError;
pub use incident::{NoIncident, PeerIncident};
pub use reason::{Described, describe, reasons};
pub use surroundings::{ConfigError, Environment, FileAction, KeysError};

mod evidence;
mod incident;
mod reason;
mod surroundings;

/// An error of the node.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Error {
    /// The peer broke the protocol: an attack or a bug over there.
    #[error(transparent)]
    PeerMisbehaved(#[from] PeerMisbehaved),
    /// The peer is honest but does not fit: version, normaliser, certificate.
    #[error(transparent)]
    PeerIncompatible(#[from] PeerIncompatible),
    /// The peer cannot be reached, is silent, or ended the session.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
    /// A limit of this node is exceeded.
    #[error("{what} is {got}, this node's limit is {max}")]
    LimitExceeded {
        /// What is limited.
        what: &'static str,
        /// The largest value allowed.
        max: u64,
        /// The value found.
        got: u64,
    },
    /// A peer asks too often.
    #[error("the peer asks too often ({what}): again in {seconds} s")]
    RateLimited {
        /// What it asks for.
        what: &'static str,
        /// Seconds to wait.
        seconds: u64,
    },
    /// The agreement does not permit it.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// Something named does not exist.
    #[error("no such {what}")]
    NotFound {
        /// The kind of thing.
        what: &'static str,
        /// What to do.
        remedy: &'static str,
    },
    /// Something of that name exists and stays as it is.
    #[error("{what} exists already and was left as it is")]
    AlreadyExists {
        /// The kind of thing.
        what: &'static str,
    },
    /// The caller's request cannot be carried out as given.
    #[error("{what}")]
    Misuse {
        /// What is wrong.
        what: &'static str,
        /// What to do.
        remedy: &'static str,
    },
    /// The configuration file or an override is wrong.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A key file is missing, malformed or open to others.
    #[error(transparent)]
    Keys(#[from] KeysError),
    /// The surroundings failed: disk, database, entropy, network set-up.
    #[error(transparent)]
    Environment(#[from] Environment),
    /// The evidence log cannot be used.
    #[error(transparent)]
    Evidence(#[from] EvidenceError),
    /// No node answers on the control socket.
    #[error("no node answers on {}", socket.display())]
    NodeNotRunning {
        /// The socket tried.
        socket: PathBuf,
    },
    /// The node answered a control request with an error.
    #[error("{text}")]
    Reported {
        /// What the node reported, as documented.
        reported: Described,
        /// What the node said, as received.
        text: Box<str>,
        /// The number under which the node's log has the details.
        incident: Option<String>,
        /// From when on there is more of the budget that is spent.
        resets_at: Option<Timestamp>,
    },
    /// The result was deleted.
    #[error("the result of this job was deleted and its key destroyed")]
    ResultDeleted,
    /// The operator cancelled the job.
    #[error("the job was cancelled")]
    Cancelled,
    /// The node was stopped or killed while the job ran.
    #[error("the node stopped while the job ran")]
    Interrupted,
    /// The document is not a valid agreement, card or signature.
    #[error(transparent)]
    Policy(#[from] symbolon_policy::Error),
    /// The table cannot be used as described.
    #[error(transparent)]
    Tables(#[from] symbolon_tables::Error),
    /// The protocol machine stopped.
    #[error(transparent)]
    Psi(#[from] symbolon_psi::Error),
    /// A cryptographic primitive refused its input.
    #[error("{0}")]
    Primitives(#[from] symbolon_primitives::Error),
}

/// The class of an error: decides the exit code of the tool and the gRPC code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Class {
    /// The peer broke the protocol.
    PeerMisbehaved,
    /// The peer does not fit this node.
    PeerIncompatible,
    /// The peer cannot be reached or went away.
    Unavailable,
    /// A limit is exceeded.
    LimitExceeded,
    /// The agreement or its signatures do not permit it.
    Refused,
    /// A budget of the agreement is used up.
    Budget,
    /// Something named does not exist.
    NotFound,
    /// Something of that name exists.
    AlreadyExists,
    /// The request or a document is wrong.
    Misuse,
    /// The table's file or its description is wrong.
    Tables,
    /// The configuration or a key file is wrong.
    Config,
    /// The surroundings failed: disk, database, entropy, network set-up.
    Environment,
    /// Cancelled by the operator or by a stop.
    Cancelled,
    /// No node answers on the control socket.
    NodeNotRunning,
    /// A fault of this program.
    Internal,
}

/// Ways in which a peer breaks the protocol.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum PeerMisbehaved {
    /// A signature of the peer does not verify.
    #[error("the peer's signature over the {what} does not verify")]
    Signature {
        /// The signed object.
        what: &'static str,
    },
    /// A value that is used once came a second time.
    #[error("the peer sent a {what} a second time")]
    Replay {
        /// The value.
        what: &'static str,
    },
    /// A message came where another one is due.
    #[error("the peer sent {got} where {expected} is due")]
    UnexpectedMessage {
        /// The message due.
        expected: &'static str,
        /// The message that came.
        got: &'static str,
    },
    /// A message does not decode.
    #[error("the peer sent a malformed {what}")]
    Malformed {
        /// The message.
        what: &'static str,
    },
    /// A frame or message is larger than allowed.
    #[error("the peer sent a {what} of {got} bytes, the limit is {max}")]
    Oversized {
        /// The message.
        what: &'static str,
        /// The largest size.
        max: u64,
        /// The size found.
        got: u64,
    },
    /// The peer names an institution it is not.
    #[error("the peer speaks for another institution than its certificate shows")]
    WrongInstitution,
    /// The peer's log does not continue what it showed before.
    #[error("the peer's log does not continue what this node saw of it before: it was rewritten, put back or forked")]
    LogForked,
    /// The peer shows the log of another institution, or of none it may use.
    #[error("the peer shows another log than its own")]
    ForeignLog,
    /// The peer's half of the receipt does not fit what was exchanged.
    #[error("the peer's half of the receipt does not fit what was exchanged")]
    Receipt,
    /// The peer sent a document for an agreement this node did not propose to it.
    #[error("the peer returned a signature for an agreement it was not offered")]
    UnknownDocument,
}

/// Ways in which an honest peer does not fit.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum PeerIncompatible {
    /// The peer speaks another version of the exchange.
    #[error("the peer speaks exchange version {got}, this node {expected}")]
    Version {
        /// Our version.
        expected: u32,
        /// The peer's version.
        got: u32,
    },
    /// The peer normalises keys by other rules, which would lose matches silently.
    #[error("the peer normalises keys by other rules")]
    Normaliser,
    /// The certificate of the peer is not the pinned one.
    #[error("the peer shows another certificate than its card")]
    Certificate,
    /// The certificate of the peer is not valid at this time.
    #[error("the peer shows a certificate outside its dates")]
    CertificateDates,
    /// The certificate of the peer was withdrawn.
    #[error("the peer shows a certificate that was withdrawn")]
    CertificateRevoked,
    /// The certificate of the peer is for another workload than its card names.
    #[error("the peer's certificate carries another SPIFFE id than its card names")]
    SpiffeId,
    /// Whether the certificate of the peer was withdrawn cannot be told.
    #[error("the list of withdrawn certificates of the peer's issuer is out of date or not signed by it")]
    Crl,
    /// The clocks of both nodes are too far apart to tell a fresh offer from an old one.
    #[error("the clocks of both nodes differ by {got} s, the limit is {max} s")]
    Clock {
        /// The largest difference.
        max: u64,
        /// The difference found.
        got: u64,
    },
    /// The peer's declared sizes are not those of the agreement.
    #[error("the peer declares another {what} than the agreement gives")]
    Sizes {
        /// What differs.
        what: &'static str,
    },
    /// The peer has no record of the agreement.
    #[error("the peer does not hold this agreement as active")]
    UnknownAgreement,
}

/// Ways in which a peer is not there.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Unavailable {
    /// No connection could be made.
    #[error("the peer cannot be reached")]
    Unreachable,
    /// The peer closed the connection because it does not know our certificate.
    #[error("the peer refused this node's certificate")]
    RefusedByPeer,
    /// What answers is no node of this release.
    #[error("what answers at the peer's address is not a node this release can speak to")]
    NotANode,
    /// The peer sent nothing for too long.
    #[error("the peer was silent for {seconds} s")]
    Silent {
        /// The limit that ran out.
        seconds: u64,
    },
    /// The peer shows life and nothing else for too long.
    #[error("the peer made no progress for {seconds} s")]
    Stalled {
        /// The limit that ran out.
        seconds: u64,
    },
    /// The session took longer than allowed.
    #[error("the session took more than {seconds} s")]
    TooLong {
        /// The limit that ran out.
        seconds: u64,
    },
    /// The connection broke.
    #[error("the connection to the peer broke")]
    Disconnected,
    /// The peer went away before both had signed the receipt.
    #[error("the peer did not countersign the receipt, so there is no result")]
    NoReceipt,
    /// The peer ended the session with a reason.
    #[error("the peer ended the session ({reason})")]
    Aborted {
        /// The documented reason, or `OTHER`.
        reason: &'static str,
        /// The number under which the peer logged the details.
        incident: Option<PeerIncident>,
        /// From when on there is more of the budget that is spent, as the peer says.
        resets_at: Option<Timestamp>,
    },
    /// This node is stopping or already runs as many jobs as allowed.
    #[error("this node takes no further job at the moment ({what})")]
    Busy {
        /// Why.
        what: &'static str,
    },
}

/// Why the agreement does not permit it.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Refused {
    /// The decision over agreement, request and budget.
    #[error("{0}")]
    Decision(symbolon_policy::Reason),
    /// The agreement is not signed by both parties.
    #[error("the agreement is not active, a signature is missing")]
    NotActive,
    /// The document changed after it was signed.
    #[error("the agreement was edited after it was signed")]
    Edited,
    /// The agreement is between others.
    #[error("this institution is no party of the agreement")]
    NotAParty,
    /// The other party is not among the known peers.
    #[error("the other party of the agreement is not a known peer")]
    UnknownPeer,
    /// A key was withdrawn.
    #[error("a key of the partner, or of ours in this agreement, was withdrawn")]
    KeyRevoked,
    /// A card does not take the place of the one known.
    #[error("the card is no later card of the same institution: {what}")]
    CardRefused {
        /// Why.
        what: &'static str,
        /// The documented reason.
        reason: &'static str,
    },
    /// The agreement names another certificate than the peer's card or our own.
    #[error("the agreement pins another TLS certificate than the card")]
    PinDiffers,
    /// Our side of the agreement does not match the table.
    #[error("our side of the agreement does not fit table ({what})")]
    TableDiffers {
        /// What differs.
        what: &'static str,
    },
    /// The agreement was made for other normaliser rules than this node's.
    #[error("the agreement was made for other normaliser rules than this node's")]
    Normaliser,
    /// A policy of this node forbids it, or none permits it.
    #[error("{}", by_policy(policies))]
    ByPolicy {
        /// Those that forbid it or could not be evaluated; none when no policy permits it.
        policies: Vec<Determining>,
    },
    /// The earlier version is not an agreement of the same parties that is stored here.
    #[error("the version the agreement replaces is not stored here as one of the same two parties")]
    ReplacedUnknown,
    /// Fewer matches than the agreement's minimum; the result was not written.
    #[error("fewer matches than the agreement's minimum")]
    BelowMinimum,
    /// The job shows a sign of probing for single records, and this node is configured to refuse that.
    #[error("the job shows a sign of probing for single records ({})", finding.sign.as_str())]
    Probing {
        /// The sign found.
        finding: symbolon_policy::probing::Finding,
    },
}

impl Error {
    /// The budget that a refusal of this node is about.
    #[must_use]
    pub const fn quota(&self) -> Option<Quota> {
        match self {
            Self::Refused(Refused::Decision(reason)) => reason.quota(),
            _ => None,
        }
    }

    /// From when on there is more of the budget that is spent, as this node or the peer says.
    #[must_use]
    pub fn resets_at(&self) -> Option<Timestamp> {
        match self {
            Self::Unavailable(Unavailable::Aborted { resets_at, .. }) | Self::Reported { resets_at, .. } => *resets_at,
            other => other.quota()?.resets_at,
        }
    }

    /// The documented word for `ErrorInfo` and for failed jobs, in upper snake case.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::PeerMisbehaved(inner) => inner.reason(),
            Self::PeerIncompatible(inner) => inner.reason(),
            Self::Unavailable(inner) => inner.reason(),
            Self::LimitExceeded { .. } => "LIMIT_EXCEEDED",
            Self::RateLimited { .. } => "RATE_LIMITED",
            Self::Refused(inner) => inner.reason(),
            Self::NotFound { .. } => "NOT_FOUND",
            Self::AlreadyExists { .. } => "ALREADY_EXISTS",
            Self::Misuse { .. } => "INVALID_REQUEST",
            Self::Config(inner) => inner.reason(),
            Self::Keys(inner) => inner.reason(),
            Self::Environment(inner) => inner.reason(),
            Self::Evidence(inner) => inner.reason(),
            Self::NodeNotRunning { .. } => "NODE_NOT_RUNNING",
            Self::Reported { reported, .. } => reported.reason,
            Self::ResultDeleted => "RESULT_DELETED",
            Self::Cancelled => "CANCELLED",
            Self::Interrupted => "INTERRUPTED",
            Self::Policy(inner) => match inner {
                symbolon_policy::Error::SignatureInvalid { .. } | symbolon_policy::Error::ApprovalInvalid { .. } => {
                    "AGREEMENT_EDITED"
                }
                symbolon_policy::Error::ApprovalsShort { .. } => "APPROVALS_SHORT",
                symbolon_policy::Error::ApproverNotListed => "APPROVER_NOT_LISTED",
                symbolon_policy::Error::CardSignatureInvalid => "CARD_EDITED",
                symbolon_policy::Error::RotationInvalid { .. } => "ROTATION_FORGED",
                symbolon_policy::Error::FingerprintForm => "FINGERPRINT_FORM",
                symbolon_policy::Error::SignerNotParty => "NOT_A_PARTY",
                symbolon_policy::Error::KeyUnavailable => "KEY_UNAVAILABLE",
                symbolon_policy::Error::Audit(_) => "AUDIT_ENTRY_INVALID",
                _ => "DOCUMENT_INVALID",
            },
            Self::Tables(inner) => reason::by_label(inner.label(), "TABLE_UNUSABLE"),
            Self::Psi(inner) => reason::by_label(inner.label(), "PROTOCOL_FAILED"),
            Self::Primitives(symbolon_primitives::Error::KeyUnavailable) => "KEY_UNAVAILABLE",
            Self::Primitives(_) => "CRYPTO_REFUSED",
        }
    }

    /// The class, for exit codes and gRPC codes.
    #[must_use]
    pub fn class(&self) -> Class {
        describe(self.reason()).map_or(Class::Internal, |described| described.class)
    }

    /// What to do about it, in one sentence; empty when the text of the error says it already.
    #[must_use]
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::NotFound { remedy, .. } | Self::Misuse { remedy, .. } => remedy,
            Self::Policy(symbolon_policy::Error::Audit(_)) => {
                describe(self.reason()).map_or("", |described| described.remedy)
            }
            Self::Tables(_) | Self::Policy(_) | Self::Refused(Refused::Decision(_)) => "",
            _ => describe(self.reason()).map_or("", |described| described.remedy),
        }
    }

    /// The stable word for metrics.
    #[must_use]
    pub fn label(&self) -> &'static str {
        match self {
            Self::Tables(inner) => inner.label(),
            Self::Psi(inner) => inner.label(),
            Self::Primitives(inner) => inner.label(),
            _ => self.reason(),
        }
    }
}

impl PeerMisbehaved {
    const fn reason(&self) -> &'static str {
        match self {
            Self::Signature { .. } => "SIGNATURE_INVALID",
            Self::Replay { .. } => "PEER_REPLAY",
            Self::UnexpectedMessage { .. } => "PEER_UNEXPECTED_MESSAGE",
            Self::Malformed { .. } => "PEER_MALFORMED_MESSAGE",
            Self::Oversized { .. } => "PEER_OVERSIZED",
            Self::WrongInstitution => "PEER_WRONG_INSTITUTION",
            Self::UnknownDocument => "PEER_UNKNOWN_DOCUMENT",
            Self::LogForked => "PEER_LOG_FORKED",
            Self::ForeignLog => "PEER_LOG_FOREIGN",
            Self::Receipt => "PEER_RECEIPT_DIFFERS",
        }
    }
}

impl PeerIncompatible {
    const fn reason(&self) -> &'static str {
        match self {
            Self::Version { .. } => "PEER_VERSION",
            Self::Normaliser => "PEER_NORMALISER",
            Self::Certificate => "PEER_CERTIFICATE",
            Self::CertificateDates => "PEER_CERTIFICATE_DATES",
            Self::CertificateRevoked => "PEER_CERTIFICATE_REVOKED",
            Self::SpiffeId => "PEER_SPIFFE_ID",
            Self::Crl => "PEER_CRL",
            Self::UnknownAgreement => "PEER_UNKNOWN_AGREEMENT",
            Self::Clock { .. } => "PEER_CLOCK",
            Self::Sizes { .. } => "PEER_SIZES",
        }
    }
}

impl Unavailable {
    const fn reason(&self) -> &'static str {
        match self {
            Self::Unreachable => "PEER_UNREACHABLE",
            Self::Silent { .. } => "PEER_SILENT",
            Self::Stalled { .. } => "PEER_STALLED",
            Self::TooLong { .. } => "SESSION_TOO_LONG",
            Self::Disconnected => "PEER_GONE",
            Self::RefusedByPeer => "PEER_REFUSED_US",
            Self::NotANode => "PEER_NOT_A_NODE",
            Self::NoReceipt => "RECEIPT_MISSING",
            Self::Aborted { .. } => "PEER_ABORTED",
            Self::Busy { .. } => "NODE_BUSY",
        }
    }
}

impl Refused {
    fn reason(&self) -> &'static str {
        match self {
            Self::Decision(reason) => reason.label(),
            Self::NotActive => "AGREEMENT_NOT_ACTIVE",
            Self::Edited => "AGREEMENT_EDITED",
            Self::NotAParty => "NOT_A_PARTY",
            Self::UnknownPeer => "UNKNOWN_PEER",
            Self::ReplacedUnknown => "AGREEMENT_REPLACED_UNKNOWN",
            Self::PinDiffers => "PIN_DIFFERS",
            Self::KeyRevoked => "KEY_REVOKED",
            Self::CardRefused { reason, .. } => reason,
            Self::TableDiffers { .. } => "TABLE_DIFFERS",
            Self::Normaliser => "NORMALISER_DIFFERS",
            Self::ByPolicy { .. } => "POLICY_REFUSED",
            Self::BelowMinimum => "INTERSECTION_BELOW_MINIMUM",
            Self::Probing { .. } => "PROBING_SUSPECTED",
        }
    }
}

/// Which policy said no and why, for the operator and the log; a peer gets the reason's word only.
fn by_policy(policies: &[Determining]) -> String {
    match policies {
        [] => "no policy of this node permits it".to_owned(),
        [first, rest @ ..] => {
            let more = if rest.is_empty() { String::new() } else { format!(" (and {} more)", rest.len()) };
            let colon = if first.reason.is_empty() { "" } else { ": " };
            format!("the policy \"{}\" of this node forbids it{colon}{}{more}", first.id, first.reason)
        }
    }
}

impl From<symbolon_policy::Reason> for Error {
    fn from(reason: symbolon_policy::Reason) -> Self {
        Self::Refused(Refused::Decision(reason))
    }
}

impl From<sqlx::Error> for Error {
    fn from(source: sqlx::Error) -> Self {
        // SQLITE_FULL is 13; SQLITE_IOERR_WRITE (778) is what a full disk gives under WAL on some file systems.
        let full = source.as_database_error().and_then(|error| error.code()).is_some_and(|code| code == "13");
        if full {
            return Environment::DiskFull { path: PathBuf::from("state.db") }.into();
        }
        Environment::Database { source }.into()
    }
}
