//! The ledger of what jobs use up, and the signs of probing.
//!
//! Everything that decides on a job reads within the transaction that accepts it, which holds the write lock from its
//! beginning; so of any number of jobs at the same time only as many are accepted as the budget has room for.

use chrono::{DateTime, Utc};
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};
use symbolon_policy::budget::{Inputs, NextInput, Span, Spent};
use symbolon_policy::probing::{Finding, HISTORY_MAX, Question, Sign, overlap_sign, signs};
use symbolon_policy::sketch::{InputMark, Overlap, Sketch};
use symbolon_policy::{Agreement, Permit, Recipients, Seat, Timestamp};

use super::{SqliteStore, rows};
use crate::error::Error;
use crate::store::{AgreementId, AlertRecord, AlertRules, JobInputs, JobRecord, Side, SpentBySide};

/// Inputs remembered for each peer; the oldest go first.
const MARKS_MAX: i64 = 16;

const NO_SUCH_ALERT: Error = Error::NotFound { what: "alert", remedy: "give a number that `alert list` shows" };

impl SqliteStore {
    pub(super) async fn spent_by_side(
        &self,
        agreement: &Agreement,
        own: Seat,
        at: DateTime<Utc>,
    ) -> Result<SpentBySide, Error> {
        let mut connection = self.pool.acquire().await?;
        let id = *agreement.id().as_bytes();
        let all = spent(&mut connection, agreement, own, None, at).await?;
        let query = sqlx::query(
            "SELECT coalesce(sum(jobs.side = 'initiator'), 0) AS own_runs,
             coalesce(sum(jobs.side = 'responder'), 0) AS peer_runs,
             coalesce(sum(CASE WHEN asks IN ('own', 'both') THEN spends.rows_own END), 0) AS own_rows,
             coalesce(sum(CASE WHEN asks IN ('peer', 'both') THEN spends.rows_peer END), 0) AS peer_rows
             FROM spends JOIN jobs ON jobs.id = spends.job_id WHERE spends.agreement_id = $1",
        );
        let row = query.bind(id.to_vec()).fetch_one(&mut *connection).await?;
        Ok(SpentBySide {
            all,
            own_runs: count(&row, "own_runs")?,
            peer_runs: count(&row, "peer_runs")?,
            own_rows: count(&row, "own_rows")?,
            peer_rows: count(&row, "peer_rows")?,
            own_inputs: all.inputs[own.index()].distinct,
            peer_inputs: all.inputs[own.other().index()].distinct,
        })
    }

    pub(super) async fn overlap(&self, peer_key: [u8; 32], mark: &InputMark) -> Result<Option<Overlap>, Error> {
        overlap(&mut *self.pool.acquire().await?, peer_key, mark).await
    }

    pub(super) async fn raise(&self, job: &JobRecord, finding: Finding, at: DateTime<Utc>) -> Result<(), Error> {
        raise(&mut *self.pool.acquire().await?, job, &finding, true, at).await
    }

    pub(super) async fn alerts(&self, limit: u32) -> Result<Vec<AlertRecord>, Error> {
        let query = sqlx::query("SELECT * FROM alerts ORDER BY seen_at IS NOT NULL, id DESC LIMIT $1");
        query.bind(i64::from(limit)).fetch_all(&self.pool).await?.iter().map(alert).collect()
    }

    pub(super) async fn alert(&self, id: u64) -> Result<Option<AlertRecord>, Error> {
        let query = sqlx::query("SELECT * FROM alerts WHERE id = $1").bind(rows::from_count(id)?);
        query.fetch_optional(&self.pool).await?.as_ref().map(alert).transpose()
    }

    /// The first word on an alert stays.
    pub(super) async fn see_alert(
        &self,
        id: u64,
        note: Option<String>,
        at: DateTime<Utc>,
    ) -> Result<AlertRecord, Error> {
        let query = sqlx::query("UPDATE alerts SET seen_at = $2, note = $3 WHERE id = $1 AND seen_at IS NULL");
        let query = query.bind(rows::from_count(id)?).bind(at.timestamp_millis()).bind(note);
        let done = query.execute(&self.pool).await?;
        let record = self.alert(id).await?.ok_or(NO_SUCH_ALERT)?;
        if done.rows_affected() == 0 {
            return Err(Error::AlreadyExists { what: "a word on this alert" });
        }
        Ok(record)
    }
}

/// What is spent under an agreement, and how the inputs now brought, once both are told, relate to earlier ones.
pub(super) async fn spent(
    connection: &mut SqliteConnection,
    agreement: &Agreement,
    own: Seat,
    inputs: Option<&JobInputs>,
    at: DateTime<Utc>,
) -> Result<Spent, Error> {
    let id = *agreement.id().as_bytes();
    let now = Timestamp::from_unix_seconds(at.timestamp()).map_err(|_| rows::corrupt("time"))?;
    // Without a period every job lies outside of it.
    let none = Span { from: now, until: now };
    let span = agreement.terms().limits().span(now).unwrap_or(none);
    let query = sqlx::query(
        "SELECT count(*) AS runs, coalesce(sum(rows), 0) AS rows, coalesce(sum(lookups), 0) AS lookups,
         coalesce(sum(epsilon), 0) AS epsilon,
         coalesce(sum(spent_at >= $2 AND spent_at < $3), 0) AS period_runs,
         coalesce(sum(CASE WHEN spent_at >= $2 AND spent_at < $3 THEN rows END), 0) AS period_rows
         FROM spends WHERE agreement_id = $1",
    );
    let query = query.bind(id.to_vec()).bind(span.from.unix_seconds() * 1000).bind(span.until.unix_seconds() * 1000);
    let row = query.fetch_one(&mut *connection).await?;
    let mut by_seat = [Inputs::default(); 2];
    by_seat[own.index()] = earlier_inputs(connection, id, OWN_INPUTS, inputs.map(|both| both.own)).await?;
    by_seat[own.other().index()] = earlier_inputs(connection, id, PEER_INPUTS, inputs.map(|both| both.peer)).await?;
    Ok(Spent {
        runs: count(&row, "runs")?,
        rows: count(&row, "rows")?,
        lookups: count(&row, "lookups")?,
        epsilon: count(&row, "epsilon")?,
        period_runs: count(&row, "period_runs")?,
        period_rows: count(&row, "period_rows")?,
        inputs: by_seat,
    })
}

const OWN_INPUTS: &str = "SELECT count(DISTINCT input_own) AS inputs, coalesce(max(input_own = $2), 0) AS seen
                          FROM spends WHERE agreement_id = $1";
const PEER_INPUTS: &str = "SELECT count(DISTINCT input_peer) AS inputs, coalesce(max(input_peer = $2), 0) AS seen
                           FROM spends WHERE agreement_id = $1";

/// How the input that is told by now, if any, relates to those that `sql` counts.
async fn earlier_inputs(
    connection: &mut SqliteConnection,
    id: AgreementId,
    sql: &'static str,
    next: Option<Option<[u8; 32]>>,
) -> Result<Inputs, Error> {
    let query = sqlx::query(sql).bind(id.to_vec()).bind(next.flatten().map(|input| input.to_vec()));
    let row = query.fetch_one(connection).await?;
    let next = match next {
        None => NextInput::Open,
        Some(None) => NextInput::Undeclared,
        Some(Some(_)) if count(&row, "seen")? > 0 => NextInput::Seen,
        Some(Some(_)) => NextInput::New,
    };
    Ok(Inputs { distinct: count(&row, "inputs")?, next })
}

/// Writes down what an accepted job uses up.
pub(super) async fn spend(
    connection: &mut SqliteConnection,
    job: &JobRecord,
    permit: &Permit,
    inputs: &JobInputs,
    at: DateTime<Utc>,
) -> Result<(), Error> {
    let query = sqlx::query(
        "INSERT INTO spends (job_id, agreement_id, rows, spent_at, lookups, epsilon, asks, rows_own, rows_peer,
         input_own, input_peer) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
    );
    let (own, peer) = asks(job.side, permit);
    let asks = match (own, peer) {
        (true, true) => "both",
        (true, false) => "own",
        (false, _) => "peer",
    };
    let optional = |count: Option<u64>| count.map(rows::from_count).transpose();
    let query = query.bind(job.id.as_bytes().to_vec()).bind(job.agreement_id.to_vec());
    let query = query.bind(rows::from_count(permit.spends.rows)?).bind(at.timestamp_millis());
    let query = query.bind(rows::from_count(permit.spends.lookups)?).bind(rows::from_count(permit.spends.epsilon)?);
    let query = query.bind(asks).bind(optional(job.rows_own)?).bind(optional(job.rows_peer)?);
    let query = query.bind(inputs.own.map(|input| input.to_vec())).bind(inputs.peer.map(|input| input.to_vec()));
    query.execute(connection).await.map_err(|error| super::taken(error, "an acceptance of this job"))?;
    Ok(())
}

/// Whether the own side and the peer get a result, and so ask with their input.
fn asks(side: Side, permit: &Permit) -> (bool, bool) {
    let own = match side {
        Side::Initiator => permit.initiator,
        Side::Responder => permit.initiator.other(),
    };
    let gets = |seat| match permit.recipients {
        Recipients::One(one) => one == seat,
        Recipients::Both => true,
    };
    (gets(own), gets(own.other()))
}

/// What looking for signs of probing in a job gave.
#[derive(Debug, Default)]
pub(super) struct Looked {
    pub(super) findings: Vec<Finding>,
    /// Why the job may not run.
    pub(super) refused: Option<Finding>,
}

/// Looks for signs of probing in a job that the budget has room for. Only what is new is raised.
pub(super) async fn look(
    connection: &mut SqliteConnection,
    job: &JobRecord,
    permit: &Permit,
    inputs: &JobInputs,
    rules: &AlertRules,
    at: DateTime<Utc>,
) -> Result<Looked, Error> {
    let (own_asks, peer_asks) = asks(job.side, permit);
    let mut looked = Looked::default();
    if peer_asks && let Some(rows) = job.rows_peer {
        let at = Timestamp::from_unix_seconds(at.timestamp()).map_err(|_| rows::corrupt("time"))?;
        let now = Question { at, rows, input: inputs.peer };
        let earlier = questions(connection, job.agreement_id).await?;
        looked.findings = signs(&earlier, &now, &rules.thresholds);
        looked.refused = looked.findings.first().copied().filter(|_| rules.refuse);
    }
    if own_asks && let Some(mark) = &inputs.mark {
        let near = overlap(connection, job.peer_key, mark).await?;
        if let Some(finding) = near.and_then(|near| overlap_sign(near, &rules.thresholds)) {
            looked.findings.push(finding);
            if rules.refuse_overlap {
                looked.refused = looked.refused.or(Some(finding));
            }
        }
    }
    for finding in &looked.findings {
        raise(connection, job, finding, looked.refused.is_some(), at).await?;
    }
    Ok(looked)
}

/// The peer's earlier questions under an agreement, the latest first.
async fn questions(connection: &mut SqliteConnection, id: AgreementId) -> Result<Vec<Question>, Error> {
    let query = sqlx::query(
        "SELECT spent_at, rows_peer, input_peer FROM spends
         WHERE agreement_id = $1 AND asks IN ('peer', 'both') AND rows_peer IS NOT NULL
         ORDER BY spent_at DESC, rowid DESC LIMIT $2",
    );
    let query = query.bind(id.to_vec()).bind(i64::try_from(HISTORY_MAX).unwrap_or(i64::MAX));
    let question = |row: &SqliteRow| {
        let millis: i64 = row.try_get("spent_at")?;
        Ok(Question {
            at: Timestamp::from_unix_seconds(millis.div_euclid(1000)).map_err(|_| rows::corrupt("time"))?,
            rows: count(row, "rows_peer")?,
            input: rows::optional_array(row, "input_peer")?,
        })
    };
    query.fetch_all(connection).await?.iter().map(question).collect()
}

/// How far an own input agrees with the nearest of those the same peer was asked with before; nothing when it is one
/// of them, or the first.
async fn overlap(
    connection: &mut SqliteConnection,
    peer_key: [u8; 32],
    mark: &InputMark,
) -> Result<Option<Overlap>, Error> {
    let query = sqlx::query("SELECT digest, keys, sketch FROM input_marks WHERE peer_key = $1");
    let mut nearest: Option<Overlap> = None;
    for row in query.bind(peer_key.to_vec()).fetch_all(connection).await? {
        if rows::array::<32>(&row, "digest")? == *mark.digest() {
            return Ok(None);
        }
        let bytes: Vec<u8> = row.try_get("sketch")?;
        let sketch = Sketch::from_bytes(count(&row, "keys")?, &bytes).ok_or_else(|| rows::corrupt("sketch"))?;
        let near = mark.sketch().overlap(&sketch);
        if nearest.is_none_or(|nearest| near.permille > nearest.permille) {
            nearest = Some(near);
        }
    }
    Ok(nearest)
}

/// Remembers an own input the peer is asked with.
pub(super) async fn remember(
    connection: &mut SqliteConnection,
    job: &JobRecord,
    permit: &Permit,
    inputs: &JobInputs,
    at: DateTime<Utc>,
) -> Result<(), Error> {
    let (own_asks, _) = asks(job.side, permit);
    let Some(mark) = inputs.mark.as_ref().filter(|_| own_asks) else { return Ok(()) };
    let query = sqlx::query(
        "INSERT INTO input_marks (peer_key, digest, keys, sketch, seen_at) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (peer_key, digest) DO UPDATE SET seen_at = $5",
    );
    let query = query.bind(job.peer_key.to_vec()).bind(mark.digest().to_vec());
    let query = query.bind(rows::from_count(mark.sketch().keys())?).bind(mark.sketch().to_bytes());
    query.bind(at.timestamp_millis()).execute(&mut *connection).await?;
    let query = sqlx::query(
        "DELETE FROM input_marks WHERE peer_key = $1 AND digest NOT IN
         (SELECT digest FROM input_marks WHERE peer_key = $1 ORDER BY seen_at DESC, rowid DESC LIMIT $2)",
    );
    query.bind(job.peer_key.to_vec()).bind(MARKS_MAX).execute(connection).await?;
    Ok(())
}

async fn raise(
    connection: &mut SqliteConnection,
    job: &JobRecord,
    finding: &Finding,
    refused: bool,
    at: DateTime<Utc>,
) -> Result<(), Error> {
    let query = sqlx::query(
        "INSERT INTO alerts (agreement_id, peer, job_id, sign, found, compared, refused, raised_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
    );
    let query = query.bind(job.agreement_id.to_vec()).bind(job.peer.clone()).bind(job.id.as_bytes().to_vec());
    let query = query.bind(finding.sign.as_str()).bind(rows::from_count(finding.found)?);
    let query = query.bind(rows::from_count(finding.compared)?).bind(refused).bind(at.timestamp_millis());
    query.execute(connection).await?;
    Ok(())
}

fn alert(row: &SqliteRow) -> Result<AlertRecord, Error> {
    Ok(AlertRecord {
        id: count(row, "id")?,
        agreement_id: rows::array(row, "agreement_id")?,
        peer: row.try_get("peer")?,
        job: crate::store::JobId::from_bytes(rows::array(row, "job_id")?),
        sign: rows::word(row, "sign", Sign::from_word)?,
        found: count(row, "found")?,
        compared: count(row, "compared")?,
        refused: row.try_get("refused")?,
        raised_at: rows::time(row, "raised_at")?,
        seen_at: rows::optional_time(row, "seen_at")?,
        note: row.try_get("note")?,
    })
}

fn count(row: &SqliteRow, column: &'static str) -> Result<u64, Error> {
    rows::to_count(row.try_get(column)?, column)
}
