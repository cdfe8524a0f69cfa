//! The state of a node: tables, peers, agreements, jobs, results and what was spent.
//!
//! [`Store`] is what the rest of the node sees; [`sqlite::SqliteStore`] keeps it in one SQLite file. Nothing is cached:
//! every decision reads the store anew, so that a change made by another process (the command line tool) holds at once.

use std::fmt;
use std::pin::Pin;

use chrono::{DateTime, Utc};
use symbolon_policy::budget::Spent;
use symbolon_policy::probing::Finding;
use symbolon_policy::sketch::{InputMark, Overlap};
use symbolon_policy::{Agreement, Seat, Tightening};

use crate::error::Error;

pub use budget::{AlertRecord, AlertRules, JobInputs, SpentBySide};
pub use identity::{CardUpdate, IdentityStore, PeerKeys};
pub use job::{Acceptance, Accepted, Failure, JobEnd, JobId, JobRecord, JobState, OfferNonce, ResultRecord, Side};
pub use records::{
    AgreementLife, AgreementRecord, AgreementState, DecisionRecord, NoticeRecord, OwnCheckpoint, PeerCheckpoint,
    PeerRecord, PostureRecord, ReceiptRecord, SeenHead, TableRecord,
};
pub use sqlite::SqliteStore;
pub(crate) use text::{as_hex, as_optional_time, as_time, time_text};

#[macro_use]
mod text;
mod budget;
pub mod identity;
mod job;
mod records;
pub mod sqlite;

/// What a store method returns: a future that can be awaited behind `dyn Store`.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, Error>> + Send + 'a>>;

/// The identity of an agreement: SHA-256 over its canonical form.
pub type AgreementId = [u8; 32];

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
