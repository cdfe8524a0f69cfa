//! Jobs and what they spend.

use chrono::{DateTime, Utc};
use sqlx::{Row, SqliteConnection};
use symbolon_policy::{Decision, SignedAgreement, Timestamp};

use super::{SqliteStore, budget, rows, taken};
use crate::error::{Error, PeerMisbehaved, Refused};
use crate::store::{
    Acceptance, Accepted, AgreementId, AgreementState, JobEnd, JobId, JobRecord, JobState, OfferNonce, ResultRecord,
};

/// Takes the write lock at once, so that what a transaction reads cannot change before it writes.
pub(super) const BEGIN_WRITING: &str = "BEGIN IMMEDIATE";

pub(super) const NO_SUCH_JOB: Error = Error::NotFound { what: "job", remedy: "give an id that `job list` shows" };

impl SqliteStore {
    pub(super) async fn create_job(&self, job: JobRecord) -> Result<JobRecord, Error> {
        let mut transaction = self.pool.begin_with(BEGIN_WRITING).await?;
        if let Some(request_id) = &job.request_id {
            let query = sqlx::query("SELECT * FROM jobs WHERE request_id = $1").bind(request_id.clone());
            if let Some(row) = query.fetch_optional(&mut *transaction).await? {
                let existing = rows::job(&row)?;
                return if same_request(&existing, &job) {
                    Ok(existing)
                } else {
                    Err(Error::AlreadyExists { what: "a job of this request id with other content" })
                };
            }
        }
        insert(&mut transaction, &job).await?;
        transaction.commit().await?;
        Ok(job)
    }

    pub(super) async fn accept_job(&self, acceptance: Acceptance) -> Result<Accepted, Error> {
        let Acceptance { mut job, request, seat, inputs, alerts, offer_nonce, held, at } = acceptance;
        let mut transaction = self.pool.begin_with(BEGIN_WRITING).await?;
        let agreement = active_agreement(&mut transaction, job.agreement_id, request.now).await?;
        let spent = budget::spent(&mut transaction, agreement.agreement(), seat, Some(&inputs), at).await?;
        let permit = match symbolon_policy::decide(&request, &agreement, &spent) {
            Decision::Permit(permit) => permit,
            Decision::Refuse(reason) => return Err(reason.into()),
        };
        let permit = held.hold(&request, permit, agreement.agreement(), &spent)?;
        if let Some(offer_nonce) = offer_nonce {
            use_nonce(&mut transaction, offer_nonce, at).await?;
        }
        let looked = budget::look(&mut transaction, &job, &permit, &inputs, &alerts, at).await?;
        if let Some(finding) = looked.refused {
            // The alert and the nonce stay, nothing is spent.
            transaction.commit().await?;
            return Err(Refused::Probing { finding }.into());
        }
        job.started_at = Some(at);
        let query = sqlx::query("SELECT state FROM jobs WHERE id = $1").bind(job.id.as_bytes().to_vec());
        match query.fetch_optional(&mut *transaction).await? {
            None => insert(&mut transaction, &job).await?,
            Some(row) => {
                let state = JobState::from_word(row.try_get("state")?).ok_or_else(|| rows::corrupt("state"))?;
                if state.is_final() {
                    return Err(already_ended(state));
                }
                let query = sqlx::query(
                    "UPDATE jobs SET state = $2, rows_own = $3, rows_peer = $4, started_at = $5 WHERE id = $1",
                );
                let query = query.bind(job.id.as_bytes().to_vec()).bind(job.state.as_str());
                let query = query.bind(optional_count(job.rows_own)?).bind(optional_count(job.rows_peer)?);
                query.bind(at.timestamp_millis()).execute(&mut *transaction).await?;
            }
        }
        budget::spend(&mut transaction, &job, &permit, &inputs, at).await?;
        budget::remember(&mut transaction, &job, &permit, &inputs, at).await?;
        transaction.commit().await?;
        Ok(Accepted { permit, findings: looked.findings })
    }

    pub(super) async fn record_session(
        &self,
        id: JobId,
        sid: [u8; 32],
        rows_own: u64,
        rows_peer: u64,
    ) -> Result<(), Error> {
        let query = sqlx::query(
            "UPDATE jobs SET sid = $2, rows_own = $3, rows_peer = $4
             WHERE id = $1 AND sid IS NULL AND finished_at IS NULL",
        );
        let query = query.bind(id.as_bytes().to_vec()).bind(sid.to_vec());
        let query = query.bind(rows::from_count(rows_own)?).bind(rows::from_count(rows_peer)?);
        let done = query.execute(&self.pool).await.map_err(|error| replayed(error, "session id"))?;
        self.expect_one(id, done.rows_affected()).await
    }

    pub(super) async fn set_job_state(&self, id: JobId, state: JobState) -> Result<(), Error> {
        if state.is_final() {
            return Err(Error::Misuse { what: "a job ends by finish_job", remedy: "report this fault" });
        }
        let query = sqlx::query("UPDATE jobs SET state = $2 WHERE id = $1 AND finished_at IS NULL");
        let query = query.bind(id.as_bytes().to_vec()).bind(state.as_str());
        let done = query.execute(&self.pool).await?;
        self.expect_one(id, done.rows_affected()).await
    }

    pub(super) async fn finish_job(&self, id: JobId, end: JobEnd, at: DateTime<Utc>) -> Result<(), Error> {
        let (state, failure, result) = match end {
            JobEnd::Done(result) => (JobState::Done, None, result),
            JobEnd::Failed(failure) => (JobState::Failed, Some(failure), None),
            JobEnd::Cancelled(failure) => (JobState::Cancelled, Some(failure), None),
        };
        let mut transaction = self.pool.begin_with(BEGIN_WRITING).await?;
        let query = sqlx::query(
            "UPDATE jobs SET state = $2, failure_reason = $3, failure_incident = $4, failure_resets_at = $5,
             finished_at = $6 WHERE id = $1 AND finished_at IS NULL",
        );
        let resets_at = failure.as_ref().and_then(|failure| failure.resets_at).map(Timestamp::unix_seconds);
        let (reason, incident) = failure.map_or((None, None), |failure| (Some(failure.reason), failure.incident));
        let query = query.bind(id.as_bytes().to_vec()).bind(state.as_str()).bind(reason).bind(incident);
        let done = query.bind(resets_at).bind(at.timestamp_millis()).execute(&mut *transaction).await?;
        if done.rows_affected() == 1 {
            if let Some(result) = result {
                insert_result(&mut transaction, id, result).await?;
            }
            transaction.commit().await?;
            return Ok(());
        }
        drop(transaction);
        self.expect_one(id, 0).await
    }

    pub(super) async fn fail_unfinished(&self, at: DateTime<Utc>) -> Result<Vec<JobId>, Error> {
        let mut transaction = self.pool.begin_with(BEGIN_WRITING).await?;
        let query = sqlx::query(
            "UPDATE jobs SET state = 'failed', failure_reason = $1, finished_at = $2
             WHERE finished_at IS NULL RETURNING id",
        );
        let query = query.bind(Error::Interrupted.reason()).bind(at.timestamp_millis());
        let ended = query.fetch_all(&mut *transaction).await?;
        transaction.commit().await?;
        ended.iter().map(rows::job_id).collect()
    }

    pub(super) async fn job(&self, id: JobId) -> Result<Option<JobRecord>, Error> {
        let query = sqlx::query("SELECT * FROM jobs WHERE id = $1").bind(id.as_bytes().to_vec());
        query.fetch_optional(&self.pool).await?.as_ref().map(rows::job).transpose()
    }

    pub(super) async fn jobs(&self, limit: u32) -> Result<Vec<JobRecord>, Error> {
        let query =
            sqlx::query("SELECT * FROM jobs ORDER BY created_at DESC, rowid DESC LIMIT $1").bind(i64::from(limit));
        query.fetch_all(&self.pool).await?.iter().map(rows::job).collect()
    }

    /// Explains an update that met no row: there is no such job, or it has ended.
    async fn expect_one(&self, id: JobId, affected: u64) -> Result<(), Error> {
        if affected == 1 {
            return Ok(());
        }
        Err(self.job(id).await?.map_or(NO_SUCH_JOB, |job| already_ended(job.state)))
    }
}

/// Nonces forgotten at most with each that is added: more than one, so that the table shrinks to what it has to hold.
const NONCES_FORGOTTEN_MAX: i64 = 64;

/// Records the nonce of an offer, refusing one that is there, and forgets some of those that cannot come again.
async fn use_nonce(connection: &mut SqliteConnection, offer: OfferNonce, at: DateTime<Utc>) -> Result<(), Error> {
    let OfferNonce { nonce, kept_for } = offer;
    let query = sqlx::query("INSERT INTO used_nonces (nonce, used_at) VALUES ($1, $2)");
    let query = query.bind(nonce.to_vec()).bind(at.timestamp_millis());
    query.execute(&mut *connection).await.map_err(|error| replayed(error, "job offer"))?;
    let query = sqlx::query(
        "DELETE FROM used_nonces WHERE nonce IN
         (SELECT nonce FROM used_nonces WHERE used_at < $1 ORDER BY used_at LIMIT $2)",
    );
    let query = query.bind((at - kept_for).timestamp_millis()).bind(NONCES_FORGOTTEN_MAX);
    query.execute(connection).await?;
    Ok(())
}

/// Reads the agreement, checks both signatures again (the stored state alone is not believed) and that nothing that
/// was said since forbids a job at `now`.
async fn active_agreement(
    connection: &mut SqliteConnection,
    id: AgreementId,
    now: Timestamp,
) -> Result<SignedAgreement, Error> {
    let remedy = "give an id that `agreement list` shows";
    let stored = super::life::read(connection, id).await?;
    let stored = stored.ok_or(Error::NotFound { what: "agreement", remedy })?;
    if stored.record.state != AgreementState::Active {
        return Err(Refused::NotActive.into());
    }
    let agreement = crate::ops::life::at(&stored, now)?;
    agreement.may_start()?;
    Ok(agreement.signed)
}

async fn insert(connection: &mut SqliteConnection, job: &JobRecord) -> Result<(), Error> {
    let query = sqlx::query(
        "INSERT INTO jobs (id, request_id, agreement_id, peer_key, peer, side, protocol, result, table_name, columns,
         own_columns, output, purpose, state, failure_reason, failure_incident, sid, rows_own, rows_peer, created_at,
         started_at, finished_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, NULL, NULL, $15, $16, $17, $18, $19, NULL)",
    );
    let query = query.bind(job.id.as_bytes().to_vec()).bind(job.request_id.clone()).bind(job.agreement_id.to_vec());
    let query = query.bind(job.peer_key.to_vec()).bind(job.peer.clone()).bind(job.side.as_str());
    let query = query.bind(job.protocol.as_str()).bind(job.result.as_str()).bind(job.table.clone());
    let query = query.bind(names(&job.columns)?).bind(names(&job.own_columns)?);
    let query = query.bind(job.output.map(symbolon_tables::Format::as_str)).bind(job.purpose.clone());
    let query = query.bind(job.state.as_str()).bind(job.sid.map(|sid| sid.to_vec()));
    let query = query.bind(optional_count(job.rows_own)?).bind(optional_count(job.rows_peer)?);
    let query = query.bind(job.created_at.timestamp_millis());
    let query = query.bind(job.started_at.map(|at| at.timestamp_millis()));
    query.execute(connection).await.map_err(|error| taken(error, "job"))?;
    Ok(())
}

async fn insert_result(connection: &mut SqliteConnection, id: JobId, result: ResultRecord) -> Result<(), Error> {
    let Some(directory) = result.directory.to_str().map(str::to_owned) else {
        return Err(Error::Misuse {
            what: "the home directory's path is not UTF-8",
            remedy: "move it to a plain path",
        });
    };
    let query = sqlx::query(
        "INSERT INTO results (job_id, directory, file, rows, matched, sha256, manifest)
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
    );
    let query = query.bind(id.as_bytes().to_vec()).bind(directory).bind(result.file);
    let query = query.bind(optional_count(result.rows)?).bind(optional_count(result.matched)?);
    let query = query.bind(result.sha256.map(|digest| digest.to_vec())).bind(result.manifest);
    query.execute(&mut *connection).await?;
    match result.sealed_key {
        Some(sealed) => super::job_keys::insert(connection, id, sealed).await,
        None => Ok(()),
    }
}

/// Whether two jobs ask for the same; what the node filled in since does not count.
fn same_request(existing: &JobRecord, asked: &JobRecord) -> bool {
    existing.agreement_id == asked.agreement_id
        && existing.side == asked.side
        && existing.protocol == asked.protocol
        && existing.result == asked.result
        && existing.columns == asked.columns
        && existing.own_columns == asked.own_columns
        && existing.output == asked.output
}

fn replayed(error: sqlx::Error, what: &'static str) -> Error {
    match error.as_database_error() {
        Some(database) if database.is_unique_violation() => PeerMisbehaved::Replay { what }.into(),
        _ => error.into(),
    }
}

fn already_ended(state: JobState) -> Error {
    match state {
        JobState::Cancelled => Error::Cancelled,
        _ => Error::Misuse { what: "the job has ended already", remedy: "start a new job" },
    }
}

fn names(names: &[String]) -> Result<String, Error> {
    serde_json::to_string(names).map_err(|_| rows::corrupt("column names"))
}

fn optional_count(count: Option<u64>) -> Result<Option<i64>, Error> {
    count.map(rows::from_count).transpose()
}
