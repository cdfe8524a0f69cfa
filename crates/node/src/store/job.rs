//! Jobs as they are stored: what is asked for, how far it is, how it ends.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Serialize, Serializer};
use symbolon_policy::probing::Finding;
use symbolon_policy::{Permit, Request, ResultKind, Seat, Tightening, Timestamp};
use symbolon_psi::Protocol;
use symbolon_tables::Format;

use super::text::{as_hex, as_optional_hex, as_optional_text, as_optional_time, as_text, as_time};
use super::{AgreementId, AlertRules, JobInputs};
use crate::error::{Environment, Error};

/// The identity of a job in this node.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct JobId([u8; 16]);

impl JobId {
    /// Draws a fresh identity.
    ///
    /// # Errors
    /// [`Environment::Entropy`] when the system gives no randomness.
    pub fn random() -> Result<Self, Error> {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes).map_err(|_| Environment::Entropy)?;
        Ok(Self(bytes))
    }

    /// Wraps the bytes of an identity.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "JobId({self})")
    }
}

impl FromStr for JobId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let mut bytes = [0; 16];
        match hex::decode_to_slice(text, &mut bytes) {
            Ok(()) => Ok(Self(bytes)),
            Err(_) => Err(Error::Misuse {
                what: "this is not the id of a job",
                remedy: "give the 32 hexadecimal digits that `job list` shows",
            }),
        }
    }
}

impl Serialize for JobId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

words! {
    /// How far a job is.
    JobState {
        /// Recorded.
        Created = "created",
        /// Reading and checking the own table.
        Checking = "checking",
        /// Reaching the peer and agreeing on the session.
        Connecting = "connecting",
        /// Running the protocol.
        Running = "running",
        /// Ended with its result.
        Done = "done",
        /// Ended without a result.
        Failed = "failed",
        /// Ended by an operator.
        Cancelled = "cancelled",
    }
}

impl JobState {
    /// Whether the job has ended.
    #[must_use]
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Done | Self::Failed | Self::Cancelled)
    }
}

words! {
    /// Which side of a session this node is.
    Side {
        /// This node asked for the job.
        Initiator = "initiator",
        /// The peer asked for the job.
        Responder = "responder",
    }
}

/// Why a job ended without a result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Failure {
    /// The documented reason; [`describe`](crate::error::describe) explains it.
    pub reason: String,
    /// The number under which the log has the details.
    pub incident: Option<String>,
    /// From when on there is more of the budget that is spent; for budgets of a period.
    #[serde(serialize_with = "as_optional_text")]
    pub resets_at: Option<Timestamp>,
}

/// A job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct JobRecord {
    /// Its identity.
    pub id: JobId,
    /// The caller's own identity of the request, which makes asking twice safe.
    pub request_id: Option<String>,
    /// The agreement it runs under.
    #[serde(serialize_with = "as_hex")]
    pub agreement_id: AgreementId,
    /// The partner's organisation key.
    #[serde(serialize_with = "as_hex")]
    pub peer_key: [u8; 32],
    /// The partner's name in the agreement.
    pub peer: String,
    /// Which side this node is.
    pub side: Side,
    /// The protocol.
    #[serde(serialize_with = "as_text")]
    pub protocol: Protocol,
    /// The kind of result.
    #[serde(serialize_with = "as_text")]
    pub result: ResultKind,
    /// The own table.
    pub table: String,
    /// The partner's columns asked for.
    pub columns: Vec<String>,
    /// Own columns written beside them; empty means all.
    pub own_columns: Vec<String>,
    /// The format of the result file.
    pub output: Option<Format>,
    /// The purpose, as in the agreement.
    pub purpose: String,
    /// How far it is.
    pub state: JobState,
    /// Why it ended without a result.
    pub failure: Option<Failure>,
    /// The session.
    #[serde(serialize_with = "as_optional_hex")]
    pub sid: Option<[u8; 32]>,
    /// Rows this node declared.
    pub rows_own: Option<u64>,
    /// Rows the peer declared.
    pub rows_peer: Option<u64>,
    /// When it was created.
    #[serde(serialize_with = "as_time")]
    pub created_at: DateTime<Utc>,
    /// When it was accepted and its run spent.
    #[serde(serialize_with = "as_optional_time")]
    pub started_at: Option<DateTime<Utc>>,
    /// When it ended.
    #[serde(serialize_with = "as_optional_time")]
    pub finished_at: Option<DateTime<Utc>>,
}

/// A stored result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ResultRecord {
    /// The directory with file and manifest, absolute.
    pub directory: PathBuf,
    /// The name of the result file; a count has none.
    pub file: Option<String>,
    /// Rows in the file.
    pub rows: Option<u64>,
    /// Matches, as far as the protocol tells this side.
    pub matched: Option<u64>,
    /// SHA-256 of the file.
    #[serde(serialize_with = "as_optional_hex")]
    pub sha256: Option<[u8; 32]>,
    /// The manifest, JSON.
    pub manifest: String,
    /// The key of the file, sealed under the home's key-encryption key; results of earlier releases have none.
    #[serde(skip)]
    pub sealed_key: Option<Vec<u8>>,
    /// When it was deleted; the file is gone then, and its key.
    #[serde(serialize_with = "as_optional_time")]
    pub deleted_at: Option<DateTime<Utc>>,
}

/// What is accepted: the job, and the request that the agreement has to permit.
#[derive(Debug, Clone)]
pub struct Acceptance {
    /// The job. A row of the same id that the initiator created before is completed; otherwise it is inserted.
    pub job: JobRecord,
    /// What the agreement has to permit.
    pub request: Request,
    /// This institution's seat in the agreement.
    pub seat: Seat,
    /// What both sides bring to it.
    pub inputs: JobInputs,
    /// What is a sign of probing.
    pub alerts: AlertRules,
    /// The nonce of the peer's offer, refused when it was seen before.
    pub offer_nonce: Option<OfferNonce>,
    /// What both sides hold back of the agreement.
    pub held: Tightening,
    /// The time of acceptance.
    pub at: DateTime<Utc>,
}

/// What is remembered of a peer's offer so that it counts once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "a pair")]
pub struct OfferNonce {
    /// The nonce.
    pub nonce: [u8; 32],
    /// How long nonces have to be remembered: an offer whose nonce was recorded longer ago is too old to be accepted.
    pub kept_for: TimeDelta,
}

/// A job that was accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "a pair")]
pub struct Accepted {
    /// What it may do.
    pub permit: Permit,
    /// Signs of probing found in it.
    pub findings: Vec<Finding>,
}

/// How a job ends.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "the ends are the final states")]
pub enum JobEnd {
    /// With its result; the side that learns nothing has none.
    Done(Option<ResultRecord>),
    /// Without a result.
    Failed(Failure),
    /// By an operator.
    Cancelled(Failure),
}
