//! What was decided, and what peers declared about themselves.

use sqlx::Row;
use sqlx::sqlite::SqliteRow;
use symbolon_policy::cedar::Validity;

use super::{SqliteStore, rows};
use crate::error::Error;
use crate::gate::Posture;
use crate::store::{DecisionRecord, JobId, PostureRecord};

/// Decisions without a job that are kept; older ones go, so that a peer that calls in vain fills no disk.
const CALLS_KEPT: i64 = 10_000;

impl SqliteStore {
    pub(super) async fn record_decision(&self, decision: DecisionRecord) -> Result<(), Error> {
        let query = sqlx::query(
            "INSERT INTO decisions (decided_at, action, job_id, agreement_id, peer_key, allowed, reason, policies,
             policy_set, checks, facts)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
        );
        let of_job = decision.job.is_some();
        let query = query.bind(decision.at.timestamp_millis()).bind(decision.action);
        let query = query.bind(decision.job.map(|job| job.as_bytes().to_vec()));
        let query = query.bind(decision.agreement.map(|id| id.to_vec()));
        let query = query.bind(decision.peer_key.map(|key| key.to_vec()));
        let policies = serde_json::to_string(&decision.policies).map_err(|_| rows::corrupt("policies"))?;
        let query = query.bind(decision.allowed).bind(decision.reason).bind(policies);
        let query = query.bind(decision.policy_set.to_vec()).bind(rows::from_count(decision.checks)?);
        query.bind(decision.facts).execute(&self.pool).await?;
        if !of_job {
            let query = sqlx::query(
                "DELETE FROM decisions WHERE job_id IS NULL AND id <= (SELECT max(id) FROM decisions) - $1",
            );
            query.bind(CALLS_KEPT).execute(&self.pool).await?;
        }
        Ok(())
    }

    pub(super) async fn decisions(&self, job: JobId) -> Result<Vec<DecisionRecord>, Error> {
        let query = sqlx::query("SELECT * FROM decisions WHERE job_id = $1 ORDER BY id");
        let found = query.bind(job.as_bytes().to_vec()).fetch_all(&self.pool).await?;
        found.iter().map(decision).collect()
    }

    pub(super) async fn recent_decisions(&self, limit: u32) -> Result<Vec<DecisionRecord>, Error> {
        let query = sqlx::query("SELECT * FROM decisions ORDER BY id DESC LIMIT $1");
        query.bind(i64::from(limit)).fetch_all(&self.pool).await?.iter().map(decision).collect()
    }

    /// Keeps what a peer declares. The time since when it runs its program stays as long as the program does.
    pub(super) async fn put_posture(&self, record: PostureRecord) -> Result<(), Error> {
        let query = sqlx::query(
            "INSERT INTO postures (peer_key, build, config, policy_set, not_before, not_after, build_since, seen_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $7)
             ON CONFLICT (peer_key) DO UPDATE SET
             build_since = CASE WHEN postures.build = $2 THEN postures.build_since ELSE $7 END,
             build = $2, config = $3, policy_set = $4, not_before = $5, not_after = $6, seen_at = $7",
        );
        let Posture { build, config, policy_set } = record.posture;
        let query = query.bind(record.peer_key.to_vec()).bind(build.to_vec()).bind(config.to_vec());
        let query = query.bind(policy_set.to_vec()).bind(record.certificate.not_before);
        let query = query.bind(record.certificate.not_after).bind(record.seen_at.timestamp_millis());
        query.execute(&self.pool).await?;
        Ok(())
    }

    pub(super) async fn posture(&self, peer_key: [u8; 32]) -> Result<Option<PostureRecord>, Error> {
        let query = sqlx::query("SELECT * FROM postures WHERE peer_key = $1").bind(peer_key.to_vec());
        query.fetch_optional(&self.pool).await?.as_ref().map(posture).transpose()
    }
}

fn decision(row: &SqliteRow) -> Result<DecisionRecord, Error> {
    let policies: String = row.try_get("policies")?;
    let job: Option<[u8; 16]> = rows::optional_array(row, "job_id")?;
    Ok(DecisionRecord {
        at: rows::time(row, "decided_at")?,
        action: row.try_get("action")?,
        job: job.map(JobId::from_bytes),
        agreement: rows::optional_array(row, "agreement_id")?,
        peer_key: rows::optional_array(row, "peer_key")?,
        allowed: row.try_get("allowed")?,
        reason: row.try_get("reason")?,
        policies: serde_json::from_str(&policies).map_err(|_| rows::corrupt("policies"))?,
        policy_set: rows::array(row, "policy_set")?,
        checks: rows::to_count(row.try_get("checks")?, "checks")?,
        facts: row.try_get("facts")?,
    })
}

fn posture(row: &SqliteRow) -> Result<PostureRecord, Error> {
    Ok(PostureRecord {
        peer_key: rows::array(row, "peer_key")?,
        posture: Posture {
            build: rows::array(row, "build")?,
            config: rows::array(row, "config")?,
            policy_set: rows::array(row, "policy_set")?,
        },
        certificate: Validity { not_before: row.try_get("not_before")?, not_after: row.try_get("not_after")? },
        build_since: rows::time(row, "build_since")?,
        seen_at: rows::time(row, "seen_at")?,
    })
}
