//! Keys of jobs and their end.

use chrono::{DateTime, Utc};
use sqlx::SqliteConnection;

use super::jobs::{BEGIN_WRITING, NO_SUCH_JOB};
use super::{SqliteStore, rows};
use crate::error::Error;
use crate::store::JobId;

/// Keeps the sealed key of a job, within the caller's transaction.
pub(super) async fn insert(connection: &mut SqliteConnection, id: JobId, sealed: Vec<u8>) -> Result<(), Error> {
    let query = sqlx::query("INSERT INTO job_keys (job_id, sealed) VALUES ($1, $2)");
    query.bind(id.as_bytes().to_vec()).bind(sealed).execute(connection).await?;
    Ok(())
}

impl SqliteStore {
    pub(super) async fn delete_result(&self, id: JobId, at: DateTime<Utc>) -> Result<DateTime<Utc>, Error> {
        let mut transaction = self.pool.begin_with(BEGIN_WRITING).await?;
        let query = sqlx::query("SELECT * FROM jobs WHERE id = $1").bind(id.as_bytes().to_vec());
        let job = query.fetch_optional(&mut *transaction).await?.as_ref().map(rows::job).transpose()?;
        if !job.ok_or(NO_SUCH_JOB)?.state.is_final() {
            let remedy = "wait for its end, or cancel it first with `job cancel`";
            return Err(Error::Misuse { what: "the job has not ended", remedy });
        }
        let query = sqlx::query(
            "INSERT INTO job_keys (job_id, destroyed_at) VALUES ($1, $2)
             ON CONFLICT (job_id) DO UPDATE SET sealed = NULL, destroyed_at = coalesce(destroyed_at, $2)
             RETURNING destroyed_at AS deleted_at",
        );
        let query = query.bind(id.as_bytes().to_vec()).bind(at.timestamp_millis());
        let deleted_at = rows::deleted_at(&query.fetch_one(&mut *transaction).await?)?;
        transaction.commit().await?;
        // The old page still lies in the log of writes until that is cut off. Another connection may be in the way;
        // the next deletion or the last connection to close does it then.
        if let Err(error) = sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").execute(&self.pool).await {
            tracing::debug!(%error, "the write-ahead log was not cut off");
        }
        Ok(deleted_at.unwrap_or(at))
    }

    pub(super) async fn deleted_at(&self, id: JobId) -> Result<Option<DateTime<Utc>>, Error> {
        let query = sqlx::query("SELECT destroyed_at AS deleted_at FROM job_keys WHERE job_id = $1");
        let row = query.bind(id.as_bytes().to_vec()).fetch_optional(&self.pool).await?;
        row.as_ref().map_or(Ok(None), rows::deleted_at)
    }

    pub(super) async fn results_before(&self, time: DateTime<Utc>) -> Result<Vec<JobId>, Error> {
        let query = sqlx::query(
            "SELECT jobs.id FROM jobs JOIN results ON results.job_id = jobs.id
             LEFT JOIN job_keys ON job_keys.job_id = jobs.id
             WHERE jobs.finished_at < $1 AND job_keys.destroyed_at IS NULL ORDER BY jobs.finished_at",
        );
        let rows = query.bind(time.timestamp_millis()).fetch_all(&self.pool).await?;
        rows.iter().map(rows::job_id).collect()
    }
}
