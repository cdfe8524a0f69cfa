//! What is spent, by whom, and the signs of probing found in it.

use chrono::{DateTime, Utc};
use serde::Serialize;
use symbolon_policy::budget::Spent;
use symbolon_policy::probing::{Sign, Thresholds};
use symbolon_policy::sketch::InputMark;

use super::{AgreementId, JobId, as_hex, as_optional_time, as_time};

/// What both sides of a job brought to it, as far as the own node knows.
#[derive(Debug, Clone, Default)]
#[expect(clippy::exhaustive_structs, reason = "built from all its fields; forgetting one must not compile")]
pub struct JobInputs {
    /// The commitment this node declares.
    pub own: Option<[u8; 32]>,
    /// The commitment the peer declares.
    pub peer: Option<[u8; 32]>,
    /// What this node remembers of its own input.
    pub mark: Option<InputMark>,
}

/// What is a sign of probing, and what follows from one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "built from all its fields; forgetting one must not compile")]
pub struct AlertRules {
    /// From where on something is a sign.
    pub thresholds: Thresholds,
    /// Whether a job of the peer that shows a sign is refused.
    pub refuse: bool,
    /// Whether the agreement is suspended as well.
    pub suspend: bool,
    /// Whether an own job is refused when its input nearly agrees with an earlier one.
    pub refuse_overlap: bool,
}

/// What was spent under an agreement, told apart by who asked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "a set of counters")]
pub struct SpentBySide {
    /// All of it.
    pub all: Spent,
    /// Of the jobs, those this node started.
    pub own_runs: u64,
    /// Of the jobs, those the peer started.
    pub peer_runs: u64,
    /// Rows this side asked about: its own declared rows in jobs it gets a result of.
    pub own_rows: u64,
    /// Rows the peer asked about.
    pub peer_rows: u64,
    /// Different inputs of this side.
    pub own_inputs: u64,
    /// Different inputs of the peer.
    pub peer_inputs: u64,
}

/// A sign of probing, as it was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AlertRecord {
    /// Its number.
    pub id: u64,
    /// The agreement.
    #[serde(serialize_with = "as_hex")]
    pub agreement_id: AgreementId,
    /// The other party's name in the agreement.
    pub peer: String,
    /// The job in which it was found.
    pub job: JobId,
    /// What was found.
    #[serde(serialize_with = "as_word")]
    pub sign: Sign,
    /// The number found: rows, different sizes, different inputs, or keys that differ.
    pub found: u64,
    /// What it was compared with.
    pub compared: u64,
    /// Whether the job was refused for it.
    pub refused: bool,
    /// When it was found.
    #[serde(serialize_with = "as_time")]
    pub raised_at: DateTime<Utc>,
    /// When somebody said that it was looked into.
    #[serde(serialize_with = "as_optional_time")]
    pub seen_at: Option<DateTime<Utc>>,
    /// What was said then.
    pub note: Option<String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands the field by reference")]
fn as_word<S: serde::Serializer>(sign: &Sign, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(sign.as_str())
}
