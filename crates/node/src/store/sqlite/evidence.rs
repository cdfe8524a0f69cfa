//! What was seen of peers' logs, what they vouched for, and receipts.

use chrono::{DateTime, Utc};
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::SqliteStore;
use super::rows::{self, array, from_count, to_count};
use crate::error::{Error, PeerMisbehaved};
use crate::store::{JobId, OwnCheckpoint, PeerCheckpoint, ReceiptRecord, SeenHead};

impl SqliteStore {
    pub(super) async fn log_heads(&self, origin: [u8; 32]) -> Result<Vec<SeenHead>, Error> {
        let sql = "SELECT size, root FROM peer_checkpoints WHERE origin = $1 AND state = 'head' ORDER BY size DESC";
        let rows = sqlx::query(sql).bind(origin.to_vec()).fetch_all(&self.pool).await?;
        let head =
            |row: &SqliteRow| Ok(SeenHead { size: to_count(row.try_get("size")?, "size")?, root: array(row, "root")? });
        rows.iter().map(head).collect()
    }

    /// A head takes the place of those it was proved to continue. Two contents of one size cannot both be true.
    pub(super) async fn put_peer_checkpoint(&self, seen: PeerCheckpoint, continued: &[u64]) -> Result<(), Error> {
        let size = from_count(seen.size)?;
        let mut transaction = self.pool.begin_with("BEGIN IMMEDIATE").await?;
        let other = sqlx::query("SELECT 1 FROM peer_checkpoints WHERE origin = $1 AND size = $2 AND root <> $3");
        let other = other.bind(seen.origin.to_vec()).bind(size).bind(seen.root.to_vec());
        if !seen.conflict && other.fetch_optional(&mut *transaction).await?.is_some() {
            return Err(PeerMisbehaved::LogForked.into());
        }
        for old in continued.iter().filter(|old| **old != seen.size) {
            let past = sqlx::query(
                "UPDATE peer_checkpoints SET state = 'past' WHERE origin = $1 AND size = $2 AND state = 'head'",
            );
            past.bind(seen.origin.to_vec()).bind(from_count(*old)?).execute(&mut *transaction).await?;
        }
        let put = sqlx::query(
            "INSERT INTO peer_checkpoints (origin, size, root, peer_key, state, note, seen_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7)
             ON CONFLICT (origin, size, root) DO UPDATE SET note = $6",
        );
        let put = put.bind(seen.origin.to_vec()).bind(size).bind(seen.root.to_vec()).bind(seen.peer_key.to_vec());
        let put = put.bind(if seen.conflict { "conflict" } else { "head" }).bind(seen.note);
        put.bind(seen.seen_at.timestamp_millis()).execute(&mut *transaction).await?;
        transaction.commit().await?;
        Ok(())
    }

    pub(super) async fn peer_checkpoints(&self) -> Result<Vec<PeerCheckpoint>, Error> {
        let sql = "SELECT * FROM peer_checkpoints ORDER BY origin, size, root";
        let rows = sqlx::query(sql).fetch_all(&self.pool).await?;
        let checkpoint = |row: &SqliteRow| {
            let state: String = row.try_get("state")?;
            Ok(PeerCheckpoint {
                origin: array(row, "origin")?,
                size: to_count(row.try_get("size")?, "size")?,
                root: array(row, "root")?,
                peer_key: array(row, "peer_key")?,
                conflict: state == "conflict",
                note: row.try_get("note")?,
                seen_at: rows::time(row, "seen_at")?,
            })
        };
        rows.iter().map(checkpoint).collect()
    }

    pub(super) async fn put_own_checkpoint(&self, own: OwnCheckpoint) -> Result<(), Error> {
        let put = sqlx::query(
            "INSERT INTO own_checkpoints (size, peer_key, note, signed_at) VALUES ($1, $2, $3, $4)
             ON CONFLICT (size, peer_key) DO UPDATE SET note = $3",
        );
        let put = put.bind(from_count(own.size)?).bind(own.peer_key.to_vec()).bind(own.note);
        put.bind(own.signed_at.timestamp_millis()).execute(&self.pool).await?;
        Ok(())
    }

    pub(super) async fn own_checkpoints(&self) -> Result<Vec<OwnCheckpoint>, Error> {
        let rows = sqlx::query("SELECT * FROM own_checkpoints ORDER BY size, peer_key").fetch_all(&self.pool).await?;
        let checkpoint = |row: &SqliteRow| {
            Ok(OwnCheckpoint {
                size: to_count(row.try_get("size")?, "size")?,
                peer_key: array(row, "peer_key")?,
                note: row.try_get("note")?,
                signed_at: rows::time(row, "signed_at")?,
            })
        };
        rows.iter().map(checkpoint).collect()
    }

    pub(super) async fn put_receipt(
        &self,
        job: JobId,
        sid: [u8; 32],
        receipt: String,
        at: DateTime<Utc>,
    ) -> Result<(), Error> {
        let put = sqlx::query("INSERT INTO receipts (job_id, sid, receipt, made_at) VALUES ($1, $2, $3, $4)");
        let put = put.bind(job.as_bytes().to_vec()).bind(sid.to_vec()).bind(receipt);
        put.bind(at.timestamp_millis()).execute(&self.pool).await?;
        Ok(())
    }

    pub(super) async fn receipts(&self) -> Result<Vec<ReceiptRecord>, Error> {
        let rows = sqlx::query("SELECT * FROM receipts ORDER BY made_at, rowid").fetch_all(&self.pool).await?;
        let receipt = |row: &SqliteRow| {
            Ok(ReceiptRecord {
                job: JobId::from_bytes(array(row, "job_id")?),
                receipt: row.try_get("receipt")?,
                made_at: rows::time(row, "made_at")?,
            })
        };
        rows.iter().map(receipt).collect()
    }
}
