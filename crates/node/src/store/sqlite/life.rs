//! What became of agreements after they were signed.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sqlx::{Row, SqliteConnection};
use symbolon_policy::{NoticeContent, NoticeKind, Tightening, Timestamp};

use super::{SqliteStore, rows};
use crate::error::Error;
use crate::store::{AgreementId, AgreementLife, NoticeRecord};

impl SqliteStore {
    pub(super) async fn add_notice(&self, notice: NoticeRecord) -> Result<bool, Error> {
        let query = sqlx::query(
            "INSERT INTO notices (agreement_id, own, sequence, kind, time, word, signature, recorded_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING",
        );
        let content = notice.content;
        let query = query.bind(content.agreement_id.as_bytes().to_vec()).bind(notice.own);
        let query = query.bind(rows::from_count(content.sequence)?).bind(content.kind.as_str());
        let query = query.bind(content.time.unix_seconds()).bind(content.word.map(|word| word.as_str().to_owned()));
        let query = query.bind(notice.signature.to_vec()).bind(notice.recorded_at.timestamp_millis());
        Ok(query.execute(&self.pool).await?.rows_affected() == 1)
    }

    pub(super) async fn undelivered_notices(&self) -> Result<Vec<([u8; 32], NoticeRecord)>, Error> {
        let query = sqlx::query(
            "SELECT notices.*, agreements.peer_key FROM notices JOIN agreements ON agreements.id = agreement_id
             WHERE own = 1 AND delivered_at IS NULL ORDER BY agreement_id, sequence",
        );
        let rows = query.fetch_all(&self.pool).await?;
        rows.iter().map(|row| Ok((rows::array(row, "peer_key")?, rows::notice(row)?))).collect()
    }

    pub(super) async fn notice_delivered(
        &self,
        id: AgreementId,
        sequence: u64,
        at: DateTime<Utc>,
    ) -> Result<(), Error> {
        let query = sqlx::query(
            "UPDATE notices SET delivered_at = $3
             WHERE agreement_id = $1 AND own = 1 AND sequence = $2 AND delivered_at IS NULL",
        );
        let query = query.bind(id.to_vec()).bind(rows::from_count(sequence)?).bind(at.timestamp_millis());
        query.execute(&self.pool).await?;
        Ok(())
    }
}

/// What is held back, as the database keeps it.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Held {
    runs_max: Option<u64>,
    rows_total_max: Option<u64>,
    rows_max: Option<u64>,
    intersection_min: Option<u64>,
    forbidden: Vec<String>,
}

impl SqliteStore {
    pub(super) async fn tightening(&self, id: AgreementId) -> Result<Tightening, Error> {
        let query = sqlx::query("SELECT terms FROM tightenings WHERE agreement_id = $1").bind(id.to_vec());
        let Some(row) = query.fetch_optional(&self.pool).await? else { return Ok(Tightening::default()) };
        let text: String = row.try_get("terms")?;
        let held: Held = serde_json::from_str(&text).map_err(|_| rows::corrupt("tightening"))?;
        Ok(Tightening {
            runs_max: held.runs_max,
            rows_total_max: held.rows_total_max,
            rows_max: held.rows_max,
            intersection_min: held.intersection_min,
            forbidden: Tightening::read_forbidden(&held.forbidden).map_err(|_| rows::corrupt("tightening"))?,
        })
    }

    pub(super) async fn put_tightening(
        &self,
        id: AgreementId,
        held: Tightening,
        at: DateTime<Utc>,
    ) -> Result<(), Error> {
        let held = Held {
            runs_max: held.runs_max,
            rows_total_max: held.rows_total_max,
            rows_max: held.rows_max,
            intersection_min: held.intersection_min,
            forbidden: held.forbidden.iter().map(ToString::to_string).collect(),
        };
        let text = serde_json::to_string(&held).map_err(|_| rows::corrupt("tightening"))?;
        let query = sqlx::query(
            "INSERT INTO tightenings (agreement_id, terms, changed_at) VALUES ($1, $2, $3)
             ON CONFLICT (agreement_id) DO UPDATE SET terms = $2, changed_at = $3",
        );
        query.bind(id.to_vec()).bind(text).bind(at.timestamp_millis()).execute(&self.pool).await?;
        Ok(())
    }
}

/// Reads an agreement and what became of it, also inside a transaction.
pub(super) async fn read(connection: &mut SqliteConnection, id: AgreementId) -> Result<Option<AgreementLife>, Error> {
    let query = sqlx::query("SELECT * FROM agreements WHERE id = $1").bind(id.to_vec());
    let Some(row) = query.fetch_optional(&mut *connection).await? else { return Ok(None) };
    let record = rows::agreement(&row)?;
    let query = sqlx::query("SELECT * FROM notices WHERE agreement_id = $1 ORDER BY own, sequence").bind(id.to_vec());
    let found = query.fetch_all(&mut *connection).await?;
    let notices = found.iter().map(rows::notice).collect::<Result<_, _>>()?;
    let query = sqlx::query(
        "SELECT id FROM agreements WHERE replaces = $1 AND state = 'active' AND peer_key = $2
         ORDER BY changed_at DESC, rowid DESC LIMIT 1",
    );
    let query = query.bind(id.to_vec()).bind(record.peer_key.to_vec());
    let superseded_by = query.fetch_optional(&mut *connection).await?;
    let superseded_by = superseded_by.as_ref().map(|row| rows::array(row, "id")).transpose()?;
    Ok(Some(AgreementLife { record, notices, superseded_by }))
}

pub(super) fn content(row: &sqlx::sqlite::SqliteRow) -> Result<NoticeContent, Error> {
    let kind: String = row.try_get("kind")?;
    let word: Option<String> = row.try_get("word")?;
    let sequence: i64 = row.try_get("sequence")?;
    let corrupt = |_| rows::corrupt("notice");
    Ok(NoticeContent {
        agreement_id: symbolon_policy::AgreementId::from_bytes(rows::array(row, "agreement_id")?),
        kind: kind.parse::<NoticeKind>().map_err(corrupt)?,
        sequence: u64::try_from(sequence).map_err(|_| rows::corrupt("notice"))?,
        time: Timestamp::from_unix_seconds(row.try_get("time")?).map_err(corrupt)?,
        word: word.map(|word| word.parse().map_err(corrupt)).transpose()?,
    })
}
