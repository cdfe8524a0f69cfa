//! The state of a node: tables, peers, agreements, jobs, results and what was spent.
//!
//! [`Store`] is what the rest of the node sees; [`sqlite::SqliteStore`] keeps it in one SQLite file. Nothing is cached:
//! every decision reads the store anew, so that a change made by another process (the command line tool) holds at once.

use std::fmt;
use std::path::PathBuf;
use std::pin::Pin;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use serde::{Serialize, Serializer};
use symbolon_policy::budget::Spent;
use symbolon_policy::cedar::{Determining, Validity};
use symbolon_policy::probing::Finding;
use symbolon_policy::sketch::{InputMark, Overlap};
use symbolon_policy::{Agreement, NoticeContent, Permit, Request, ResultKind, Seat, Tightening};
use symbolon_psi::Protocol;
use symbolon_tables::{Format, TableSpec};

use crate::error::{Environment, Error};
use crate::gate::Posture;

pub use budget::{AlertRecord, AlertRules, JobInputs, SpentBySide};
pub use identity::{CardUpdate, IdentityStore, PeerKeys};
pub use sqlite::SqliteStore;

mod budget;
pub mod identity;
pub mod sqlite;

/// What a store method returns: a future that can be awaited behind `dyn Store`.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, Error>> + Send + 'a>>;

/// The identity of an agreement: SHA-256 over its canonical form.
pub type AgreementId = [u8; 32];

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

/// Makes an enum of words: text form, parsing, and a database form.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
        #[serde(rename_all = "lowercase")]
        #[expect(clippy::exhaustive_enums, reason = "a new state must be handled everywhere")]
        pub enum $name { $($(#[$variant_doc])* $variant,)+ }

        impl $name {
            /// The word that stands for it.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }

            pub(crate) fn from_word(word: &str) -> Option<Self> {
                match word { $($word => Some(Self::$variant),)+ _ => None }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

words! {
    /// How far an agreement is.
    AgreementState {
        /// Stored without a signature of either party.
        Draft = "draft",
        /// Signed by the other party; waits for ours.
        Proposed = "proposed",
        /// Signed by us; waits for the other party's signature.
        Signed = "signed",
        /// Signed by both.
        Active = "active",
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

/// A registered table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TableRecord {
    /// The name used in agreements.
    pub name: String,
    /// How the table is read.
    pub spec: TableSpec,
    /// Its rows when it was added or last checked.
    pub rows: u64,
    /// When it was added.
    #[serde(serialize_with = "as_time")]
    pub added_at: DateTime<Utc>,
}

/// A known partner.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PeerRecord {
    /// The name this node uses for it.
    pub name: String,
    /// The name on its card.
    pub institution: String,
    /// Its organisation key.
    #[serde(serialize_with = "as_hex")]
    pub organisation_key: [u8; 32],
    /// SHA-256 over the public key of its TLS certificate.
    #[serde(serialize_with = "as_hex")]
    pub spki_pin: [u8; 32],
    /// Where its node listens, `host:port`.
    pub endpoint: String,
    /// Its card, as received.
    pub card: String,
    /// When it was added.
    #[serde(serialize_with = "as_time")]
    pub added_at: DateTime<Utc>,
}

/// A stored agreement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AgreementRecord {
    /// Its identity.
    #[serde(serialize_with = "as_hex")]
    pub id: AgreementId,
    /// How far it is.
    pub state: AgreementState,
    /// Its title.
    pub title: String,
    /// The other party's organisation key.
    #[serde(serialize_with = "as_hex")]
    pub peer_key: [u8; 32],
    /// The document, byte for byte as received or as signed here.
    #[serde(skip)]
    pub document: Vec<u8>,
    /// The earlier version whose place it takes once it is active.
    #[serde(serialize_with = "as_optional_hex")]
    pub replaces: Option<AgreementId>,
    /// When it was first stored.
    #[serde(serialize_with = "as_time")]
    pub received_at: DateTime<Utc>,
    /// When its state last changed.
    #[serde(serialize_with = "as_time")]
    pub changed_at: DateTime<Utc>,
}

/// A notice of a party about an agreement, as it is stored: its signature was verified when it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoticeRecord {
    /// What it says.
    pub content: NoticeContent,
    /// Whether this institution gave it.
    pub own: bool,
    /// The signature of the party that gave it.
    pub signature: [u8; 64],
    /// When it was stored here.
    pub recorded_at: DateTime<Utc>,
    /// When the other party's node took it; own notices only.
    pub delivered_at: Option<DateTime<Utc>>,
}

/// An agreement with what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgreementLife {
    /// The agreement.
    pub record: AgreementRecord,
    /// All notices, those of a party in the order it gave them.
    pub notices: Vec<NoticeRecord>,
    /// A later version that is active and takes its place.
    pub superseded_by: Option<AgreementId>,
}

/// Why a job ended without a result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Failure {
    /// The documented reason; [`describe`](crate::error::describe) explains it.
    pub reason: String,
    /// The number under which the log has the details.
    pub incident: Option<String>,
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

/// An end of a peer's log that has to be continued.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SeenHead {
    /// Entries.
    pub size: u64,
    /// The root over them.
    pub root: [u8; 32],
}

/// An end of a peer's log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PeerCheckpoint {
    /// The key that opened the log.
    #[serde(serialize_with = "as_hex")]
    pub origin: [u8; 32],
    /// Entries.
    pub size: u64,
    /// The root over them.
    #[serde(serialize_with = "as_hex")]
    pub root: [u8; 32],
    /// The organisation key of the peer that showed it.
    #[serde(serialize_with = "as_hex")]
    pub peer_key: [u8; 32],
    /// Whether it contradicts what was seen before.
    pub conflict: bool,
    /// The signed note, with this node's cosignature unless it is a conflict.
    pub note: String,
    /// When it was seen.
    #[serde(serialize_with = "as_time")]
    pub seen_at: DateTime<Utc>,
}

/// An end of the own log that a peer vouched for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OwnCheckpoint {
    /// Entries.
    pub size: u64,
    /// The peer's organisation key.
    #[serde(serialize_with = "as_hex")]
    pub peer_key: [u8; 32],
    /// The signed note with the peer's cosignature.
    pub note: String,
    /// When the peer vouched for it.
    #[serde(serialize_with = "as_time")]
    pub signed_at: DateTime<Utc>,
}

/// A stored receipt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ReceiptRecord {
    /// The job, as in this node.
    pub job: JobId,
    /// The text.
    pub receipt: String,
    /// When both had signed.
    #[serde(serialize_with = "as_time")]
    pub made_at: DateTime<Utc>,
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
    pub offer_nonce: Option<[u8; 32]>,
    /// What both sides hold back of the agreement.
    pub held: Tightening,
    /// The time of acceptance.
    pub at: DateTime<Utc>,
}

/// A decision as it was recorded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[expect(clippy::exhaustive_structs, reason = "built from all its fields; forgetting one must not compile")]
pub struct DecisionRecord {
    /// When it was taken, the last of them where it stands for several.
    #[serde(serialize_with = "as_time")]
    pub at: DateTime<Utc>,
    /// What was asked for, as the policies name it.
    pub action: String,
    /// The job it was about.
    pub job: Option<JobId>,
    /// The agreement of the job.
    #[serde(serialize_with = "as_optional_hex")]
    pub agreement: Option<AgreementId>,
    /// The organisation key of the partner concerned.
    #[serde(serialize_with = "as_optional_hex")]
    pub peer_key: Option<[u8; 32]>,
    /// The answer.
    pub allowed: bool,
    /// The documented reason of a no; empty for a yes.
    pub reason: String,
    /// The policies that brought the answer about; none when it fell before they were asked.
    pub policies: Vec<Determining>,
    /// The digest of the set of policies.
    #[serde(serialize_with = "as_hex")]
    pub policy_set: [u8; 32],
    /// How many decisions this one stands for.
    pub checks: u64,
    /// The facts it was taken on, JSON; empty when it fell before they were gathered.
    pub facts: String,
}

/// What a peer declared about itself the last time it was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "built from all its fields; forgetting one must not compile")]
pub struct PostureRecord {
    /// Its organisation key.
    pub peer_key: [u8; 32],
    /// What it declared.
    pub posture: Posture,
    /// The span of the certificate it showed.
    pub certificate: Validity,
    /// Since when it declares this program; the store keeps it.
    pub build_since: DateTime<Utc>,
    /// When it was seen.
    pub seen_at: DateTime<Utc>,
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

/// The state of a node.
pub trait Store: IdentityStore + Send + Sync + fmt::Debug {
    /// Stores a table; an existing one of the name is replaced when `replace` says so, else refused.
    fn put_table(&self, table: TableRecord, replace: bool) -> Answer<'_, ()>;
    /// Finds a table.
    fn table<'a>(&'a self, name: &'a str) -> Answer<'a, Option<TableRecord>>;
    /// Lists the tables by name.
    fn tables(&self) -> Answer<'_, Vec<TableRecord>>;

    /// Stores a peer; an existing one of the name is replaced when `replace` says so, else refused.
    fn put_peer(&self, peer: PeerRecord, replace: bool) -> Answer<'_, ()>;
    /// Finds a peer by the name this node uses for it.
    fn peer<'a>(&'a self, name: &'a str) -> Answer<'a, Option<PeerRecord>>;
    /// Finds a peer by its organisation key.
    fn peer_by_key(&self, key: [u8; 32]) -> Answer<'_, Option<PeerRecord>>;
    /// Finds a peer by the pin of its TLS key.
    fn peer_by_pin(&self, pin: [u8; 32]) -> Answer<'_, Option<PeerRecord>>;
    /// Lists the peers by name.
    fn peers(&self) -> Answer<'_, Vec<PeerRecord>>;

    /// Stores an agreement whose document is still `before` (not stored when that is none), and tells whether it was.
    fn swap_agreement(&self, agreement: AgreementRecord, before: Option<Vec<u8>>) -> Answer<'_, bool>;
    /// Finds an agreement.
    fn agreement(&self, id: AgreementId) -> Answer<'_, Option<AgreementRecord>>;
    /// Lists the agreements, newest first.
    fn agreements(&self) -> Answer<'_, Vec<AgreementRecord>>;
    /// Finds an agreement with what became of it.
    fn agreement_life(&self, id: AgreementId) -> Answer<'_, Option<AgreementLife>>;
    /// Stores a notice, and tells whether it was: not when there is one of the same party and number already.
    fn add_notice(&self, notice: NoticeRecord) -> Answer<'_, bool>;
    /// Own notices that the other party's node has not taken yet, with that party's organisation key.
    fn undelivered_notices(&self) -> Answer<'_, Vec<([u8; 32], NoticeRecord)>>;
    /// Records that the other party's node has taken an own notice.
    fn notice_delivered(&self, id: AgreementId, sequence: u64, at: DateTime<Utc>) -> Answer<'_, ()>;
    /// What this institution holds back of an agreement.
    fn tightening(&self, id: AgreementId) -> Answer<'_, Tightening>;
    /// Holds something of an agreement back, in place of what was held back before.
    fn put_tightening(&self, id: AgreementId, held: Tightening, at: DateTime<Utc>) -> Answer<'_, ()>;
    /// What was spent under an agreement, also in the period that `at` lies in; `own` is this institution's seat.
    fn spent<'a>(&'a self, agreement: &'a Agreement, own: Seat, at: DateTime<Utc>) -> Answer<'a, Spent>;
    /// The same, told apart by who asked.
    fn spent_by_side<'a>(&'a self, agreement: &'a Agreement, own: Seat, at: DateTime<Utc>) -> Answer<'a, SpentBySide>;

    /// How far an own input agrees with the nearest earlier one the peer was asked with; nothing when it is one of
    /// them, or the first.
    fn overlap<'a>(&'a self, peer_key: [u8; 32], mark: &'a InputMark) -> Answer<'a, Option<Overlap>>;
    /// Records a sign of probing for which a job was refused before it was offered.
    fn raise<'a>(&'a self, job: &'a JobRecord, finding: Finding, at: DateTime<Utc>) -> Answer<'a, ()>;
    /// Lists alerts: those nobody has looked into first, then the newest.
    fn alerts(&self, limit: u32) -> Answer<'_, Vec<AlertRecord>>;
    /// Finds an alert.
    fn alert(&self, id: u64) -> Answer<'_, Option<AlertRecord>>;
    /// Records that an alert was looked into, once.
    fn see_alert(&self, id: u64, note: Option<String>, at: DateTime<Utc>) -> Answer<'_, AlertRecord>;

    /// Records a job that its operator asked for. The same request id with the same content gives the job recorded
    /// before; with other content it is refused.
    fn create_job(&self, job: JobRecord) -> Answer<'_, JobRecord>;
    /// Accepts a job in one transaction: reads the agreement and what was spent, decides, and only when permitted
    /// records what is spent, the nonce and the job. Concurrent calls never overspend. Signs of probing are recorded in
    /// the same transaction, also when the job is refused for one.
    fn accept_job(&self, acceptance: Acceptance) -> Answer<'_, Accepted>;
    /// Records the session of a job; a session id is used once.
    fn record_session(&self, id: JobId, sid: [u8; 32], rows_own: u64, rows_peer: u64) -> Answer<'_, ()>;
    /// Moves an unfinished job to another unfinished state.
    fn set_job_state(&self, id: JobId, state: JobState) -> Answer<'_, ()>;
    /// Ends an unfinished job.
    fn finish_job(&self, id: JobId, end: JobEnd, at: DateTime<Utc>) -> Answer<'_, ()>;
    /// Ends every unfinished job as interrupted, and names them.
    fn fail_unfinished(&self, at: DateTime<Utc>) -> Answer<'_, Vec<JobId>>;
    /// Finds a job.
    fn job(&self, id: JobId) -> Answer<'_, Option<JobRecord>>;
    /// Lists jobs, newest first.
    fn jobs(&self, limit: u32) -> Answer<'_, Vec<JobRecord>>;
    /// Destroys the key of an ended job and marks it as deleted; gives the time of the first deletion.
    fn delete_result(&self, id: JobId, at: DateTime<Utc>) -> Answer<'_, DateTime<Utc>>;
    /// When the data of a job was deleted.
    fn deleted_at(&self, id: JobId) -> Answer<'_, Option<DateTime<Utc>>>;
    /// Names the jobs that ended before `time` and whose result is not deleted, the oldest first.
    fn results_before(&self, time: DateTime<Utc>) -> Answer<'_, Vec<JobId>>;
    /// Finds the result of a job.
    fn result(&self, id: JobId) -> Answer<'_, Option<ResultRecord>>;

    /// Keeps a decision. Of those that are about no job the oldest go when there are many.
    fn record_decision(&self, decision: DecisionRecord) -> Answer<'_, ()>;
    /// Lists the decisions on a job in the order they were taken.
    fn decisions(&self, job: JobId) -> Answer<'_, Vec<DecisionRecord>>;
    /// Lists decisions, newest first.
    fn recent_decisions(&self, limit: u32) -> Answer<'_, Vec<DecisionRecord>>;
    /// Keeps what a peer declares about itself in place of what it declared before.
    fn put_posture(&self, record: PostureRecord) -> Answer<'_, ()>;
    /// What a peer last declared about itself.
    fn posture(&self, peer_key: [u8; 32]) -> Answer<'_, Option<PostureRecord>>;
    /// The verified ends of a log that no later one is known to continue, the longest first.
    fn log_heads(&self, origin: [u8; 32]) -> Answer<'_, Vec<SeenHead>>;
    /// Records a verified end of a peer's log, which continues the heads of the sizes in `continued`; refused as a fork
    /// when another end of the same size is known. A conflict is kept beside what it contradicts.
    fn put_peer_checkpoint<'a>(&'a self, seen: PeerCheckpoint, continued: &'a [u64]) -> Answer<'a, ()>;
    /// All ends of peers' logs this node saw.
    fn peer_checkpoints(&self) -> Answer<'_, Vec<PeerCheckpoint>>;
    /// Records an end of the own log that a peer vouched for.
    fn put_own_checkpoint(&self, own: OwnCheckpoint) -> Answer<'_, ()>;
    /// All ends of the own log that peers vouched for.
    fn own_checkpoints(&self) -> Answer<'_, Vec<OwnCheckpoint>>;
    /// Records the receipt of a job.
    fn put_receipt(&self, job: JobId, sid: [u8; 32], receipt: String, at: DateTime<Utc>) -> Answer<'_, ()>;
    /// All receipts in their order.
    fn receipts(&self) -> Answer<'_, Vec<ReceiptRecord>>;
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

pub(crate) fn as_hex<S: Serializer>(bytes: &[u8; 32], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&hex::encode(bytes))
}

#[expect(clippy::ref_option, reason = "serde hands the field by reference")]
fn as_optional_hex<S: Serializer>(bytes: &Option<[u8; 32]>, serializer: S) -> Result<S::Ok, S::Error> {
    bytes.map(hex::encode).serialize(serializer)
}

/// RFC 3339 in UTC, to the millisecond as the database keeps it.
pub(crate) fn time_text(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(chrono::SecondsFormat::Millis, true)
}

pub(crate) fn as_time<S: Serializer>(time: &DateTime<Utc>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&time_text(*time))
}

#[expect(clippy::ref_option, reason = "serde hands the field by reference")]
pub(crate) fn as_optional_time<S: Serializer>(time: &Option<DateTime<Utc>>, serializer: S) -> Result<S::Ok, S::Error> {
    time.map(time_text).serialize(serializer)
}

fn as_text<T: fmt::Display, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}
