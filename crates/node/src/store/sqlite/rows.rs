//! Rows of the database as records.

use chrono::{DateTime, Utc};
use sqlx::Row;
use sqlx::sqlite::SqliteRow;
use symbolon_policy::Timestamp;

use crate::error::{Environment, Error};
use crate::store::{
    AgreementRecord, AgreementState, Failure, JobId, JobRecord, JobState, NoticeRecord, PeerRecord, ResultRecord, Side,
    TableRecord,
};

/// The error of a column that does not hold what this release wrote.
pub(super) fn corrupt(what: &'static str) -> Error {
    Environment::Corrupt { what }.into()
}

/// A count as SQLite keeps it.
pub(super) fn from_count(count: u64) -> Result<i64, Error> {
    i64::try_from(count).map_err(|_| Error::LimitExceeded { what: "a count", max: i64::MAX.unsigned_abs(), got: count })
}

pub(super) fn to_count(value: i64, what: &'static str) -> Result<u64, Error> {
    u64::try_from(value).map_err(|_| corrupt(what))
}

pub(super) fn time(row: &SqliteRow, column: &'static str) -> Result<DateTime<Utc>, Error> {
    DateTime::from_timestamp_millis(row.try_get(column)?).ok_or_else(|| corrupt(column))
}

pub(super) fn optional_time(row: &SqliteRow, column: &'static str) -> Result<Option<DateTime<Utc>>, Error> {
    let millis: Option<i64> = row.try_get(column)?;
    millis.map(|millis| DateTime::from_timestamp_millis(millis).ok_or_else(|| corrupt(column))).transpose()
}

pub(super) fn array<const N: usize>(row: &SqliteRow, column: &'static str) -> Result<[u8; N], Error> {
    let bytes: Vec<u8> = row.try_get(column)?;
    bytes.try_into().map_err(|_| corrupt(column))
}

pub(super) fn optional_array<const N: usize>(row: &SqliteRow, column: &'static str) -> Result<Option<[u8; N]>, Error> {
    let bytes: Option<Vec<u8>> = row.try_get(column)?;
    bytes.map(|bytes| bytes.try_into().map_err(|_| corrupt(column))).transpose()
}

fn optional_count(row: &SqliteRow, column: &'static str) -> Result<Option<u64>, Error> {
    let value: Option<i64> = row.try_get(column)?;
    value.map(|value| to_count(value, column)).transpose()
}

fn names(row: &SqliteRow, column: &'static str) -> Result<Vec<String>, Error> {
    let text: String = row.try_get(column)?;
    serde_json::from_str(&text).map_err(|_| corrupt(column))
}

pub(super) fn word<T>(row: &SqliteRow, column: &'static str, read: impl Fn(&str) -> Option<T>) -> Result<T, Error> {
    let text: String = row.try_get(column)?;
    read(&text).ok_or_else(|| corrupt(column))
}

pub(super) fn table(row: &SqliteRow) -> Result<TableRecord, Error> {
    let spec: String = row.try_get("spec")?;
    Ok(TableRecord {
        name: row.try_get("name")?,
        spec: toml::from_str(&spec).map_err(|_| corrupt("description of a table"))?,
        rows: to_count(row.try_get("rows")?, "row count")?,
        added_at: time(row, "added_at")?,
    })
}

pub(super) fn peer(row: &SqliteRow) -> Result<PeerRecord, Error> {
    Ok(PeerRecord {
        name: row.try_get("name")?,
        institution: row.try_get("institution")?,
        organisation_key: array(row, "organisation_key")?,
        spki_pin: array(row, "spki_pin")?,
        endpoint: row.try_get("endpoint")?,
        card: row.try_get("card")?,
        added_at: time(row, "added_at")?,
    })
}

pub(super) fn agreement(row: &SqliteRow) -> Result<AgreementRecord, Error> {
    Ok(AgreementRecord {
        id: array(row, "id")?,
        state: word(row, "state", AgreementState::from_word)?,
        title: row.try_get("title")?,
        peer_key: array(row, "peer_key")?,
        document: row.try_get("document")?,
        replaces: optional_array(row, "replaces")?,
        received_at: time(row, "received_at")?,
        changed_at: time(row, "changed_at")?,
    })
}

pub(super) fn notice(row: &SqliteRow) -> Result<NoticeRecord, Error> {
    Ok(NoticeRecord {
        content: super::life::content(row)?,
        own: row.try_get("own")?,
        signature: array(row, "signature")?,
        recorded_at: time(row, "recorded_at")?,
        delivered_at: optional_time(row, "delivered_at")?,
    })
}

pub(super) fn job_id(row: &SqliteRow) -> Result<JobId, Error> {
    Ok(JobId::from_bytes(array(row, "id")?))
}

pub(super) fn job(row: &SqliteRow) -> Result<JobRecord, Error> {
    let failure: Option<String> = row.try_get("failure_reason")?;
    let incident: Option<String> = row.try_get("failure_incident")?;
    let resets_at: Option<i64> = row.try_get("failure_resets_at")?;
    let resets_at = resets_at.map(|seconds| Timestamp::from_unix_seconds(seconds).map_err(|_| corrupt("time")));
    let resets_at = resets_at.transpose()?;
    let output: Option<String> = row.try_get("output")?;
    Ok(JobRecord {
        id: job_id(row)?,
        request_id: row.try_get("request_id")?,
        agreement_id: array(row, "agreement_id")?,
        peer_key: array(row, "peer_key")?,
        peer: row.try_get("peer")?,
        side: word(row, "side", Side::from_word)?,
        protocol: word(row, "protocol", |text| text.parse().ok())?,
        result: word(row, "result", |text| text.parse().ok())?,
        table: row.try_get("table_name")?,
        columns: names(row, "columns")?,
        own_columns: names(row, "own_columns")?,
        output: output.map(|text| text.parse().map_err(|_| corrupt("output"))).transpose()?,
        purpose: row.try_get("purpose")?,
        state: word(row, "state", JobState::from_word)?,
        failure: failure.map(|reason| Failure { reason, incident, resets_at }),
        sid: optional_array(row, "sid")?,
        rows_own: optional_count(row, "rows_own")?,
        rows_peer: optional_count(row, "rows_peer")?,
        created_at: time(row, "created_at")?,
        started_at: optional_time(row, "started_at")?,
        finished_at: optional_time(row, "finished_at")?,
    })
}

pub(super) fn result(row: &SqliteRow) -> Result<ResultRecord, Error> {
    let directory: String = row.try_get("directory")?;
    Ok(ResultRecord {
        directory: directory.into(),
        file: row.try_get("file")?,
        rows: optional_count(row, "rows")?,
        matched: optional_count(row, "matched")?,
        sha256: optional_array(row, "sha256")?,
        manifest: row.try_get("manifest")?,
        sealed_key: row.try_get("sealed_key")?,
        deleted_at: deleted_at(row)?,
    })
}

pub(super) fn deleted_at(row: &SqliteRow) -> Result<Option<DateTime<Utc>>, Error> {
    optional_time(row, "deleted_at")
}
