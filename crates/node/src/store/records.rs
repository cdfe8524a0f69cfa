//! What is stored besides jobs: tables, peers, agreements, decisions and evidence.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::Serialize;
use symbolon_policy::NoticeContent;
use symbolon_policy::cedar::{Determining, Validity};
use symbolon_tables::TableSpec;

use super::text::{as_hex, as_optional_hex, as_time};
use super::{AgreementId, JobId};
use crate::gate::Posture;

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
