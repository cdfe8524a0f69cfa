//! The store in one SQLite file, in WAL mode, shared by the node and the command line tool.

use std::path::Path;
use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{SqlSafeStr, SqliteConnection, SqlitePool};
use symbolon_policy::budget::Spent;
use symbolon_policy::probing::Finding;
use symbolon_policy::sketch::{InputMark, Overlap};
use symbolon_policy::{Agreement, Seat, Tightening};

use super::identity::PeerKeys;
use super::{
    Acceptance, Accepted, AgreementId, AgreementLife, AgreementRecord, AgreementState, AlertRecord, Answer,
    DecisionRecord, JobEnd, JobId, JobRecord, JobState, NoticeRecord, OwnCheckpoint, PeerCheckpoint, PeerRecord,
    PostureRecord, ReceiptRecord, ResultRecord, SeenHead, SpentBySide, Store, TableRecord,
};
use crate::error::{Environment, Error};
use crate::files;

mod budget;
mod decisions;
mod evidence;
mod identity;
mod job_keys;
mod jobs;
mod life;
mod rows;

/// How long a writer waits for another one; every write transaction is short.
const BUSY_SECONDS_MAX: u64 = 10;
const CONNECTIONS_MAX: u32 = 4;

/// The migrations in order. A released one is never edited; a change is a further one.
const MIGRATIONS: &[(i64, &str, &str)] = &[
    (1, "initial", include_str!("../../migrations/0001_initial.sql")),
    (2, "agreements", include_str!("../../migrations/0002_agreements.sql")),
    (3, "budgets", include_str!("../../migrations/0003_budgets.sql")),
    (4, "evidence", include_str!("../../migrations/0004_evidence.sql")),
    (5, "identity", include_str!("../../migrations/0005_identity.sql")),
    (6, "at rest", include_str!("../../migrations/0006_at_rest.sql")),
    (7, "gate", include_str!("../../migrations/0007_gate.sql")),
    (8, "resets", include_str!("../../migrations/0008_resets.sql")),
];

/// [`Store`] over one SQLite file.
#[derive(Debug, Clone)]
pub struct SqliteStore {
    pool: SqlitePool,
}

impl SqliteStore {
    /// Makes a new store; only the owner may read its file.
    ///
    /// # Errors
    /// [`Error::AlreadyExists`] when the file exists; [`Environment`] when it cannot be made.
    pub async fn create(path: &Path) -> Result<Self, Error> {
        // SQLite gives its journal files the mode of this one.
        files::create_new(path, b"", files::PRIVATE_FILE)?;
        Self::open(path).await
    }

    /// Opens the store and brings it to the present form.
    ///
    /// # Errors
    /// [`Environment::Database`] when there is none or it cannot be read; [`Environment::Migration`] when it is from a
    /// newer release.
    pub async fn open(path: &Path) -> Result<Self, Error> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(false)
            .journal_mode(SqliteJournalMode::Wal)
            // What was spent must survive a power cut, so every commit is synced.
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            // The key of a deleted job is overwritten, not only unlinked.
            .pragma("secure_delete", "ON")
            .busy_timeout(Duration::from_secs(BUSY_SECONDS_MAX));
        let pool = SqlitePoolOptions::new().max_connections(CONNECTIONS_MAX).connect_with(options).await?;
        let migrations = MIGRATIONS.iter().map(|&(version, description, sql)| {
            Migration::new(version, description.into(), MigrationType::Simple, sql.into_sql_str(), false)
        });
        let migrator = Migrator::with_migrations(migrations.collect());
        migrator.run(&pool).await.map_err(|source| Environment::Migration { source })?;
        Ok(Self { pool })
    }

    /// Closes the connections; open transactions are rolled back.
    pub async fn close(&self) {
        self.pool.close().await;
    }

    async fn put_table(&self, table: TableRecord, replace: bool) -> Result<(), Error> {
        let sql = if replace {
            "INSERT INTO tables (name, spec, rows, added_at) VALUES ($1, $2, $3, $4)
             ON CONFLICT (name) DO UPDATE SET spec = $2, rows = $3, added_at = $4"
        } else {
            "INSERT INTO tables (name, spec, rows, added_at) VALUES ($1, $2, $3, $4)"
        };
        let spec = toml::to_string(&table.spec)
            .map_err(|_| Error::Misuse { what: "the table's description cannot be stored", remedy: "simplify it" })?;
        let query = sqlx::query(sql).bind(table.name).bind(spec);
        let query = query.bind(rows::from_count(table.rows)?).bind(table.added_at.timestamp_millis());
        query.execute(&self.pool).await.map_err(|error| taken(error, "table"))?;
        Ok(())
    }

    async fn table(&self, name: &str) -> Result<Option<TableRecord>, Error> {
        let row = sqlx::query("SELECT * FROM tables WHERE name = $1").bind(name).fetch_optional(&self.pool).await?;
        row.as_ref().map(rows::table).transpose()
    }

    async fn tables(&self) -> Result<Vec<TableRecord>, Error> {
        let rows = sqlx::query("SELECT * FROM tables ORDER BY name").fetch_all(&self.pool).await?;
        rows.iter().map(rows::table).collect()
    }

    async fn one_peer(&self, sql: &'static str, key: PeerKey<'_>) -> Result<Option<PeerRecord>, Error> {
        let query = sqlx::query(sql);
        let query = match key {
            PeerKey::Name(name) => query.bind(name.to_owned()),
            PeerKey::Bytes(bytes) => query.bind(bytes.to_vec()),
        };
        query.fetch_optional(&self.pool).await?.as_ref().map(rows::peer).transpose()
    }

    async fn peers(&self) -> Result<Vec<PeerRecord>, Error> {
        let rows = sqlx::query("SELECT * FROM peers ORDER BY name").fetch_all(&self.pool).await?;
        rows.iter().map(rows::peer).collect()
    }

    /// A document that another process changed meanwhile is left as it is: the caller merges and tries again.
    async fn swap_agreement(&self, agreement: AgreementRecord, before: Option<Vec<u8>>) -> Result<bool, Error> {
        let sql = match before {
            None => {
                "INSERT INTO agreements (id, state, document, changed_at, title, peer_key, received_at, replaces)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (id) DO NOTHING"
            }
            Some(_) => {
                "UPDATE agreements SET state = $2, document = $3, changed_at = $4 WHERE id = $1 AND document = $5"
            }
        };
        let query = sqlx::query(sql).bind(agreement.id.to_vec()).bind(agreement.state.as_str());
        let query = query.bind(agreement.document).bind(agreement.changed_at.timestamp_millis());
        let query = match before {
            None => query
                .bind(agreement.title)
                .bind(agreement.peer_key.to_vec())
                .bind(agreement.received_at.timestamp_millis())
                .bind(agreement.replaces.map(|id| id.to_vec())),
            Some(before) => query.bind(before),
        };
        Ok(query.execute(&self.pool).await?.rows_affected() == 1)
    }

    async fn agreement(&self, id: AgreementId) -> Result<Option<AgreementRecord>, Error> {
        let query = sqlx::query("SELECT * FROM agreements WHERE id = $1").bind(id.to_vec());
        query.fetch_optional(&self.pool).await?.as_ref().map(rows::agreement).transpose()
    }

    async fn agreements(&self) -> Result<Vec<AgreementRecord>, Error> {
        let query = sqlx::query("SELECT * FROM agreements ORDER BY changed_at DESC, rowid DESC");
        query.fetch_all(&self.pool).await?.iter().map(rows::agreement).collect()
    }

    async fn result(&self, id: JobId) -> Result<Option<ResultRecord>, Error> {
        let query = sqlx::query(
            "SELECT results.*, job_keys.sealed AS sealed_key, job_keys.destroyed_at AS deleted_at
             FROM results LEFT JOIN job_keys ON job_keys.job_id = results.job_id WHERE results.job_id = $1",
        );
        let query = query.bind(id.as_bytes().to_vec());
        query.fetch_optional(&self.pool).await?.as_ref().map(rows::result).transpose()
    }
}

enum PeerKey<'a> {
    Name(&'a str),
    Bytes([u8; 32]),
}

/// Inserts or replaces the record of a peer.
async fn put_peer(connection: &mut SqliteConnection, peer: PeerRecord, replace: bool) -> Result<(), Error> {
    let sql = if replace {
        "INSERT INTO peers (name, institution, organisation_key, spki_pin, endpoint, card, added_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7)
         ON CONFLICT (name) DO UPDATE SET institution = $2, organisation_key = $3, spki_pin = $4, endpoint = $5,
         card = $6, added_at = $7"
    } else {
        "INSERT INTO peers (name, institution, organisation_key, spki_pin, endpoint, card, added_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7)"
    };
    let query = sqlx::query(sql).bind(peer.name).bind(peer.institution).bind(peer.organisation_key.to_vec());
    let query = query.bind(peer.spki_pin.to_vec()).bind(peer.endpoint).bind(peer.card);
    let query = query.bind(peer.added_at.timestamp_millis());
    query.execute(connection).await.map_err(|error| taken(error, "peer with this name, key or certificate"))?;
    Ok(())
}

/// A broken uniqueness rule means that the name is taken; everything else is the database's fault.
fn taken(error: sqlx::Error, what: &'static str) -> Error {
    match error.as_database_error() {
        Some(database) if database.is_unique_violation() => Error::AlreadyExists { what },
        _ => error.into(),
    }
}

impl Store for SqliteStore {
    fn put_table(&self, table: TableRecord, replace: bool) -> Answer<'_, ()> {
        Box::pin(self.put_table(table, replace))
    }

    fn table<'a>(&'a self, name: &'a str) -> Answer<'a, Option<TableRecord>> {
        Box::pin(self.table(name))
    }

    fn tables(&self) -> Answer<'_, Vec<TableRecord>> {
        Box::pin(self.tables())
    }

    fn put_peer(&self, peer: PeerRecord, replace: bool) -> Answer<'_, ()> {
        let (keys, at) = (PeerKeys::of_record(&peer), peer.added_at);
        Box::pin(self.put_peer_with(peer, keys, replace, at))
    }

    fn peer<'a>(&'a self, name: &'a str) -> Answer<'a, Option<PeerRecord>> {
        Box::pin(self.one_peer("SELECT * FROM peers WHERE name = $1", PeerKey::Name(name)))
    }

    fn peer_by_key(&self, key: [u8; 32]) -> Answer<'_, Option<PeerRecord>> {
        Box::pin(self.one_peer(
            "SELECT peers.* FROM peers JOIN peer_keys ON peer_keys.peer = peers.name
             WHERE key = $1 AND key NOT IN (SELECT value FROM revoked_keys)",
            PeerKey::Bytes(key),
        ))
    }

    fn peer_by_pin(&self, pin: [u8; 32]) -> Answer<'_, Option<PeerRecord>> {
        Box::pin(self.one_peer(
            "SELECT peers.* FROM peers JOIN peer_pins ON peer_pins.peer = peers.name
             WHERE pin = $1 AND pin NOT IN (SELECT value FROM revoked_keys)",
            PeerKey::Bytes(pin),
        ))
    }

    fn peers(&self) -> Answer<'_, Vec<PeerRecord>> {
        Box::pin(self.peers())
    }

    fn swap_agreement(&self, agreement: AgreementRecord, before: Option<Vec<u8>>) -> Answer<'_, bool> {
        Box::pin(self.swap_agreement(agreement, before))
    }

    fn agreement(&self, id: AgreementId) -> Answer<'_, Option<AgreementRecord>> {
        Box::pin(self.agreement(id))
    }

    fn agreements(&self) -> Answer<'_, Vec<AgreementRecord>> {
        Box::pin(self.agreements())
    }

    fn agreement_life(&self, id: AgreementId) -> Answer<'_, Option<AgreementLife>> {
        Box::pin(async move { life::read(&mut *self.pool.acquire().await?, id).await })
    }

    fn add_notice(&self, notice: NoticeRecord) -> Answer<'_, bool> {
        Box::pin(self.add_notice(notice))
    }

    fn undelivered_notices(&self) -> Answer<'_, Vec<([u8; 32], NoticeRecord)>> {
        Box::pin(self.undelivered_notices())
    }

    fn notice_delivered(&self, id: AgreementId, sequence: u64, at: DateTime<Utc>) -> Answer<'_, ()> {
        Box::pin(self.notice_delivered(id, sequence, at))
    }

    fn tightening(&self, id: AgreementId) -> Answer<'_, Tightening> {
        Box::pin(self.tightening(id))
    }

    fn put_tightening(&self, id: AgreementId, held: Tightening, at: DateTime<Utc>) -> Answer<'_, ()> {
        Box::pin(self.put_tightening(id, held, at))
    }

    fn spent<'a>(&'a self, agreement: &'a Agreement, own: Seat, at: DateTime<Utc>) -> Answer<'a, Spent> {
        Box::pin(async move { budget::spent(&mut *self.pool.acquire().await?, agreement, own, None, at).await })
    }

    fn spent_by_side<'a>(&'a self, agreement: &'a Agreement, own: Seat, at: DateTime<Utc>) -> Answer<'a, SpentBySide> {
        Box::pin(self.spent_by_side(agreement, own, at))
    }

    fn overlap<'a>(&'a self, peer_key: [u8; 32], mark: &'a InputMark) -> Answer<'a, Option<Overlap>> {
        Box::pin(self.overlap(peer_key, mark))
    }

    fn raise<'a>(&'a self, job: &'a JobRecord, finding: Finding, at: DateTime<Utc>) -> Answer<'a, ()> {
        Box::pin(self.raise(job, finding, at))
    }

    fn alerts(&self, limit: u32) -> Answer<'_, Vec<AlertRecord>> {
        Box::pin(self.alerts(limit))
    }

    fn alert(&self, id: u64) -> Answer<'_, Option<AlertRecord>> {
        Box::pin(self.alert(id))
    }

    fn see_alert(&self, id: u64, note: Option<String>, at: DateTime<Utc>) -> Answer<'_, AlertRecord> {
        Box::pin(self.see_alert(id, note, at))
    }

    fn create_job(&self, job: JobRecord) -> Answer<'_, JobRecord> {
        Box::pin(self.create_job(job))
    }

    fn accept_job(&self, acceptance: Acceptance) -> Answer<'_, Accepted> {
        Box::pin(self.accept_job(acceptance))
    }

    fn record_session(&self, id: JobId, sid: [u8; 32], rows_own: u64, rows_peer: u64) -> Answer<'_, ()> {
        Box::pin(self.record_session(id, sid, rows_own, rows_peer))
    }

    fn set_job_state(&self, id: JobId, state: JobState) -> Answer<'_, ()> {
        Box::pin(self.set_job_state(id, state))
    }

    fn finish_job(&self, id: JobId, end: JobEnd, at: DateTime<Utc>) -> Answer<'_, ()> {
        Box::pin(self.finish_job(id, end, at))
    }

    fn fail_unfinished(&self, at: DateTime<Utc>) -> Answer<'_, Vec<JobId>> {
        Box::pin(self.fail_unfinished(at))
    }

    fn job(&self, id: JobId) -> Answer<'_, Option<JobRecord>> {
        Box::pin(self.job(id))
    }

    fn jobs(&self, limit: u32) -> Answer<'_, Vec<JobRecord>> {
        Box::pin(self.jobs(limit))
    }

    fn delete_result(&self, id: JobId, at: DateTime<Utc>) -> Answer<'_, DateTime<Utc>> {
        Box::pin(self.delete_result(id, at))
    }

    fn deleted_at(&self, id: JobId) -> Answer<'_, Option<DateTime<Utc>>> {
        Box::pin(self.deleted_at(id))
    }

    fn results_before(&self, time: DateTime<Utc>) -> Answer<'_, Vec<JobId>> {
        Box::pin(self.results_before(time))
    }

    fn result(&self, id: JobId) -> Answer<'_, Option<ResultRecord>> {
        Box::pin(self.result(id))
    }

    fn record_decision(&self, decision: DecisionRecord) -> Answer<'_, ()> {
        Box::pin(self.record_decision(decision))
    }

    fn decisions(&self, job: JobId) -> Answer<'_, Vec<DecisionRecord>> {
        Box::pin(self.decisions(job))
    }

    fn recent_decisions(&self, limit: u32) -> Answer<'_, Vec<DecisionRecord>> {
        Box::pin(self.recent_decisions(limit))
    }

    fn put_posture(&self, record: PostureRecord) -> Answer<'_, ()> {
        Box::pin(self.put_posture(record))
    }

    fn posture(&self, peer_key: [u8; 32]) -> Answer<'_, Option<PostureRecord>> {
        Box::pin(self.posture(peer_key))
    }

    fn log_heads(&self, origin: [u8; 32]) -> Answer<'_, Vec<SeenHead>> {
        Box::pin(self.log_heads(origin))
    }

    fn put_peer_checkpoint<'a>(&'a self, seen: PeerCheckpoint, continued: &'a [u64]) -> Answer<'a, ()> {
        Box::pin(self.put_peer_checkpoint(seen, continued))
    }

    fn peer_checkpoints(&self) -> Answer<'_, Vec<PeerCheckpoint>> {
        Box::pin(self.peer_checkpoints())
    }

    fn put_own_checkpoint(&self, own: OwnCheckpoint) -> Answer<'_, ()> {
        Box::pin(self.put_own_checkpoint(own))
    }

    fn own_checkpoints(&self) -> Answer<'_, Vec<OwnCheckpoint>> {
        Box::pin(self.own_checkpoints())
    }

    fn put_receipt(&self, job: JobId, sid: [u8; 32], receipt: String, at: DateTime<Utc>) -> Answer<'_, ()> {
        Box::pin(self.put_receipt(job, sid, receipt, at))
    }

    fn receipts(&self) -> Answer<'_, Vec<ReceiptRecord>> {
        Box::pin(self.receipts())
    }
}

impl AgreementState {
    /// Whether a stored document of this state may be run under.
    #[must_use]
    pub const fn is_active(self) -> bool {
        matches!(self, Self::Active)
    }
}

#[cfg(test)]
mod tests;
