use std::collections::HashSet;
use std::sync::Arc;

use symbolon_policy::{ColumnName, Purpose, Receiver, Request, ResultKind, Timestamp};
use symbolon_psi::Protocol;

use super::*;
use crate::home::Home;
use crate::ops::draft::{DraftOptions, normaliser};
use crate::ops::testing::Pair;
use crate::store::{Failure, JobInputs, OfferNonce, Side};

mod budget;

fn job(agreement_id: AgreementId, at: DateTime<Utc>) -> JobRecord {
    JobRecord {
        id: JobId::random().unwrap(),
        request_id: None,
        agreement_id,
        peer_key: [7; 32],
        peer: "bank".to_owned(),
        side: Side::Responder,
        protocol: Protocol::EcdhOprf,
        result: ResultKind::Enrich,
        table: "files".to_owned(),
        columns: vec!["grade".to_owned()],
        own_columns: Vec::new(),
        output: None,
        purpose: "Credit check of common customers".to_owned(),
        state: JobState::Checking,
        failure: None,
        sid: None,
        rows_own: Some(3),
        rows_peer: Some(3),
        created_at: at,
        started_at: None,
        finished_at: None,
    }
}

fn request(pair: &Pair, agreement_id: AgreementId) -> Request {
    Request {
        agreement_id: symbolon_policy::AgreementId::from_bytes(agreement_id),
        initiator: pair.bank.keys().organisation_public(),
        protocol: symbolon_policy::Protocol::EcdhOprf,
        result: ResultKind::Enrich,
        receiver: Receiver::Initiator,
        columns: vec![ColumnName::new("grade").unwrap()],
        rows_initiator: 3,
        rows_responder: Some(3),
        purpose: Purpose::new("Credit check of common customers").unwrap(),
        normaliser: normaliser().unwrap(),
        now: Timestamp::from_unix_seconds(at(pair).timestamp()).unwrap(),
    }
}

/// Runs and rows, which both nodes' stores count alike for whatever they accepted.
async fn spent(pair: &Pair, id: AgreementId) -> (u64, u64) {
    let mut runs = (0, 0);
    for home in [&pair.bank, &pair.bureau] {
        let record = home.store().agreement(id).await.unwrap().unwrap();
        let Ok(signed) = crate::ops::agreements::read_active(&record) else { continue };
        let spent = home.store().spent(signed.agreement(), Seat::First, at(pair)).await.unwrap();
        runs = (runs.0 + spent.runs, runs.1 + spent.rows);
    }
    runs
}

fn at(pair: &Pair) -> DateTime<Utc> {
    pair.bureau.clock().now()
}

fn acceptance(pair: &Pair, id: AgreementId) -> Acceptance {
    Acceptance {
        job: job(id, at(pair)),
        request: request(pair, id),
        seat: Seat::Second,
        inputs: JobInputs::default(),
        alerts: pair.bureau.settings().alerts,
        offer_nonce: None,
        held: Tightening::default(),
        at: at(pair),
    }
}

/// Accepts `count` jobs at once over several connections of two stores on one file; gives the reasons of refusals.
async fn accept_at_once(pair: &Pair, id: AgreementId, count: usize) -> (usize, HashSet<&'static str>) {
    let other = Arc::new(SqliteStore::open(&pair.bureau.settings().state_db()).await.unwrap());
    let mut tasks = tokio::task::JoinSet::new();
    for index in 0..count {
        let store: Arc<dyn Store> =
            if index % 2 == 0 { Arc::clone(pair.bureau.store()) } else { Arc::<SqliteStore>::clone(&other) };
        let acceptance = acceptance(pair, id);
        tasks.spawn(async move { store.accept_job(acceptance).await });
    }
    let outcomes = tasks.join_all().await;
    let accepted = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
    (accepted, outcomes.into_iter().filter_map(Result::err).map(|error| error.reason()).collect())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn jobs_accepted_at_once_never_overspend_runs() {
    let pair = Pair::new().await;
    let id = pair.active().await;
    let (accepted, refusals) = accept_at_once(&pair, id, 24).await;
    assert_eq!(accepted, 3);
    assert_eq!(refusals, HashSet::from(["RUNS_SPENT"]));
    assert_eq!(spent(&pair, id).await, (3, 9));
    assert_eq!(pair.bureau.store().jobs(100).await.unwrap().len(), 3, "a refused job leaves no row");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn jobs_accepted_at_once_never_overspend_rows() {
    let pair = Pair::new().await;
    let options = DraftOptions { runs_max: 100, rows_total_max: Some(8), ..pair.options().await };
    let draft = pair.bank.agreement_draft(&options).await.unwrap();
    let id = activate(&pair, draft.into_bytes()).await;
    let (accepted, refusals) = accept_at_once(&pair, id, 12).await;
    assert_eq!(accepted, 2, "three rows each, eight in all");
    assert_eq!(refusals, HashSet::from(["ROWS_SPENT"]));
    assert_eq!(spent(&pair, id).await, (2, 6));
}

async fn activate(pair: &Pair, draft: Vec<u8>) -> AgreementId {
    use crate::ops::agreements::AgreementInput::Document;
    let signed = pair.bank.agreement_sign(Document(draft)).await.unwrap();
    pair.bureau.agreement_sign(Document(signed.document)).await.unwrap().record.id
}

#[tokio::test]
async fn a_failed_job_stays_spent() {
    let pair = Pair::new().await;
    let id = pair.active().await;
    let store = pair.bureau.store();
    let acceptance = acceptance(&pair, id);
    let job = acceptance.job.id;
    store.accept_job(acceptance).await.unwrap();
    let failure = Failure { reason: "PEER_GONE".to_owned(), incident: None, resets_at: None };
    store.finish_job(job, JobEnd::Failed(failure), at(&pair)).await.unwrap();
    assert_eq!(spent(&pair, id).await.0, 1);
}

#[tokio::test]
async fn an_offer_is_taken_once() {
    let pair = Pair::new().await;
    let id = pair.active().await;
    let store = pair.bureau.store();
    let with_nonce = || Acceptance { offer_nonce: Some(nonce(9)), ..acceptance(&pair, id) };
    store.accept_job(with_nonce()).await.unwrap();
    let error = store.accept_job(with_nonce()).await.unwrap_err();
    assert_eq!(error.reason(), "PEER_REPLAY");
    assert_eq!(spent(&pair, id).await.0, 1, "a replay spends nothing");
}

fn nonce(number: u8) -> OfferNonce {
    OfferNonce { nonce: [number; 32], kept_for: chrono::TimeDelta::hours(8) }
}

#[tokio::test]
async fn nonces_that_cannot_come_again_are_forgotten_and_no_others() {
    let pair = Pair::new().await;
    let options = DraftOptions { runs_max: 1000, ..pair.options().await };
    let draft = pair.bank.agreement_draft(&options).await.unwrap();
    let id = activate(&pair, draft.into_bytes()).await;
    let raw = SqliteStore::open(&pair.bureau.settings().state_db()).await.unwrap();
    let known = async || sqlx::query("SELECT nonce FROM used_nonces").fetch_all(&raw.pool).await.unwrap().len();
    let accept = async |number| {
        let acceptance = Acceptance { offer_nonce: Some(nonce(number)), ..acceptance(&pair, id) };
        pair.bureau.store().accept_job(acceptance).await.map(drop).map_err(|error| error.reason())
    };
    accept(1).await.unwrap();
    accept(2).await.unwrap();
    pair.clock.advance(Duration::from_secs(8 * 3600));
    assert_eq!(accept(1).await, Err("PEER_REPLAY"), "as long as it has to be remembered");
    accept(3).await.unwrap();
    assert_eq!(known().await, 3);
    pair.clock.advance(Duration::from_secs(1));
    accept(4).await.unwrap();
    assert_eq!(known().await, 2, "the third and the fourth");
    // What many jobs left behind goes little by little, so that no transaction takes long.
    for number in 0..200_i64 {
        let query = sqlx::query("INSERT INTO used_nonces (nonce, used_at) VALUES ($1, $2)");
        query.bind(number.to_be_bytes().to_vec()).bind(number).execute(&raw.pool).await.unwrap();
    }
    let mut left = Vec::new();
    for number in 10..15 {
        accept(number).await.unwrap();
        left.push(known().await);
    }
    assert_eq!(left, [139, 76, 13, 6, 7]);
}

#[tokio::test]
async fn a_failure_keeps_from_when_on_there_is_more() {
    let pair = Pair::new().await;
    let id = pair.active().await;
    let store = pair.bureau.store();
    let acceptance = acceptance(&pair, id);
    let job = acceptance.job.id;
    store.accept_job(acceptance).await.unwrap();
    let resets_at = Some("2026-04-01T00:00:00Z".parse().unwrap());
    let failure = Failure { reason: "PERIOD_RUNS_SPENT".to_owned(), incident: None, resets_at };
    store.finish_job(job, JobEnd::Failed(failure.clone()), at(&pair)).await.unwrap();
    let stored = store.job(job).await.unwrap().unwrap();
    assert_eq!(stored.failure, Some(failure));
    assert_eq!(serde_json::to_value(&stored).unwrap()["failure"]["resets_at"], "2026-04-01T00:00:00Z");
}

#[tokio::test]
async fn a_refusal_writes_nothing() {
    let pair = Pair::new().await;
    let id = pair.active().await;
    let store = pair.bureau.store();
    let good = acceptance(&pair, id);
    let wrong = |change: fn(&mut Request)| {
        let mut acceptance = good.clone();
        change(&mut acceptance.request);
        acceptance
    };
    for (acceptance, reason) in [
        (wrong(|request| request.columns = vec![ColumnName::new("secret").unwrap()]), "COLUMN_NEVER"),
        (wrong(|request| request.rows_initiator = 16), "ROWS_ABOVE_MAXIMUM"),
        (wrong(|request| request.now = "2027-01-01T00:00:00Z".parse().unwrap()), "AGREEMENT_EXPIRED"),
        (wrong(|request| request.purpose = Purpose::new("Marketing").unwrap()), "PURPOSE_DIFFERS"),
    ] {
        assert_eq!(store.accept_job(acceptance).await.unwrap_err().reason(), reason);
    }
    assert!(store.jobs(10).await.unwrap().is_empty());
    assert_eq!(spent(&pair, id).await, (0, 0));
}

#[tokio::test]
async fn an_edited_document_in_the_database_is_not_believed() {
    let pair = Pair::new().await;
    let id = pair.active().await;
    let path = pair.bureau.settings().state_db();
    let raw = SqliteStore::open(&path).await.unwrap();
    let change = "UPDATE agreements SET document = CAST(replace(CAST(document AS TEXT), 'runs_max = 3', 'runs_max = 9') AS BLOB)";
    assert_eq!(sqlx::query(change).execute(&raw.pool).await.unwrap().rows_affected(), 1);
    let error = pair.bureau.store().accept_job(acceptance(&pair, id)).await.unwrap_err();
    assert_eq!(error.reason(), "AGREEMENT_EDITED");
    sqlx::query("UPDATE agreements SET state = 'signed'").execute(&raw.pool).await.unwrap();
    let error = pair.bureau.store().accept_job(acceptance(&pair, id)).await.unwrap_err();
    assert_eq!(error.reason(), "AGREEMENT_NOT_ACTIVE");
}

#[tokio::test]
async fn an_initiators_job_is_completed_by_its_acceptance() {
    let pair = Pair::new().await;
    let id = pair.active().await;
    let store = pair.bank.store();
    let mut created = job(id, at(&pair));
    created.side = Side::Initiator;
    created.state = JobState::Created;
    created.rows_own = None;
    created.rows_peer = None;
    store.create_job(created.clone()).await.unwrap();
    assert_eq!(spent(&pair, id).await.0, 0, "asking spends nothing");
    let accepted = JobRecord { state: JobState::Connecting, rows_own: Some(3), ..created.clone() };
    let acceptance = Acceptance { job: accepted, ..acceptance(&pair, id) };
    let permit = store.accept_job(acceptance.clone()).await.unwrap().permit;
    assert_eq!((permit.spends.runs, permit.spends.rows), (1, 3));
    let stored = store.job(created.id).await.unwrap().unwrap();
    assert_eq!((stored.state, stored.rows_own), (JobState::Connecting, Some(3)));
    assert_eq!(stored.started_at, Some(at(&pair)));
    let again = store.accept_job(acceptance).await.unwrap_err();
    assert_eq!(again.reason(), "ALREADY_EXISTS", "one job is spent once");
    assert_eq!(spent(&pair, id).await.0, 1);
}

#[tokio::test]
async fn asking_twice_with_one_request_id_gives_one_job() {
    let pair = Pair::new().await;
    let id = pair.active().await;
    let store = pair.bank.store();
    let asked = JobRecord { request_id: Some("r-1".to_owned()), ..job(id, at(&pair)) };
    let first = store.create_job(asked.clone()).await.unwrap();
    let second = store.create_job(JobRecord { id: JobId::random().unwrap(), ..asked.clone() }).await.unwrap();
    assert_eq!(first, second);
    let other = JobRecord { id: JobId::random().unwrap(), columns: Vec::new(), ..asked };
    assert_eq!(store.create_job(other).await.unwrap_err().reason(), "ALREADY_EXISTS");
    assert_eq!(store.jobs(10).await.unwrap().len(), 1);
}

#[tokio::test]
async fn sessions_are_used_once_and_states_move_until_the_end() {
    let pair = Pair::new().await;
    let id = pair.active().await;
    let store = pair.bureau.store();
    let (one, two) = (acceptance(&pair, id), acceptance(&pair, id));
    let (first, second) = (one.job.id, two.job.id);
    store.accept_job(one).await.unwrap();
    store.accept_job(two).await.unwrap();
    store.record_session(first, [1; 32], 3, 4).await.unwrap();
    assert_eq!(store.record_session(second, [1; 32], 3, 4).await.unwrap_err().reason(), "PEER_REPLAY");
    store.set_job_state(first, JobState::Running).await.unwrap();
    assert!(store.set_job_state(first, JobState::Done).await.is_err(), "an end is not a mere state");
    let record = ResultRecord {
        directory: "/r".into(),
        file: Some("result.csv".to_owned()),
        rows: Some(2),
        matched: Some(2),
        sha256: Some([3; 32]),
        manifest: "{}".to_owned(),
        sealed_key: Some(vec![4; 88]),
        deleted_at: None,
    };
    store.finish_job(first, JobEnd::Done(Some(record.clone())), at(&pair)).await.unwrap();
    assert_eq!(store.result(first).await.unwrap(), Some(record));
    let stored = store.job(first).await.unwrap().unwrap();
    assert_eq!((stored.state, stored.sid, stored.rows_peer), (JobState::Done, Some([1; 32]), Some(4)));
    assert_eq!(stored.finished_at, Some(at(&pair)));
    for late in [
        store.set_job_state(first, JobState::Running).await,
        store.finish_job(first, JobEnd::Done(None), at(&pair)).await,
        store.record_session(first, [2; 32], 1, 1).await,
    ] {
        assert_eq!(late.unwrap_err().reason(), "INVALID_REQUEST");
    }
    let unknown = JobId::random().unwrap();
    assert_eq!(store.set_job_state(unknown, JobState::Running).await.unwrap_err().reason(), "NOT_FOUND");
}

#[tokio::test]
async fn a_cancelled_job_cannot_be_accepted() {
    let pair = Pair::new().await;
    let id = pair.active().await;
    let store = pair.bank.store();
    let created = store.create_job(job(id, at(&pair))).await.unwrap();
    let failure = Failure { reason: "CANCELLED".to_owned(), incident: None, resets_at: None };
    store.finish_job(created.id, JobEnd::Cancelled(failure), at(&pair)).await.unwrap();
    let acceptance = Acceptance { job: created, ..acceptance(&pair, id) };
    assert_eq!(store.accept_job(acceptance).await.unwrap_err().reason(), "CANCELLED");
    assert_eq!(spent(&pair, id).await.0, 0);
}

#[tokio::test]
async fn unfinished_jobs_are_interrupted_at_the_next_start() {
    let pair = Pair::new().await;
    let id = pair.active().await;
    let running = acceptance(&pair, id);
    let done = acceptance(&pair, id);
    let (running_id, done_id) = (running.job.id, done.job.id);
    let store = pair.bureau.store();
    store.accept_job(running).await.unwrap();
    store.accept_job(done).await.unwrap();
    store.finish_job(done_id, JobEnd::Done(None), at(&pair)).await.unwrap();
    let half = pair.bureau.settings().results_dir().join(running_id.to_string());
    std::fs::create_dir(&half).unwrap();
    std::fs::write(half.join("result.csv.part"), "half").unwrap();

    let clock = Arc::<crate::clock::FixedClock>::clone(&pair.clock);
    let home = &pair.bureau.settings().home;
    let opened = Home::open(home, &std::collections::BTreeMap::new(), clock).await.unwrap();
    let lock = opened.lock().unwrap();
    assert_eq!(opened.recover(&lock).await.unwrap(), vec![running_id]);
    let stored = opened.job_show(&running_id.to_string()).await.unwrap();
    assert_eq!(stored.state, JobState::Failed);
    assert_eq!(stored.failure, Some(Failure { reason: "INTERRUPTED".to_owned(), incident: None, resets_at: None }));
    assert_eq!(opened.job_show(&done_id.to_string()).await.unwrap().state, JobState::Done);
    assert!(!half.exists());
    assert!(opened.recover(&lock).await.unwrap().is_empty());
}

#[tokio::test]
async fn records_survive_a_reopened_file() {
    let pair = Pair::new().await;
    let id = pair.active().await;
    let again = SqliteStore::open(&pair.bank.settings().state_db()).await.unwrap();
    let store = pair.bank.store();
    assert_eq!(again.tables().await.unwrap(), store.tables().await.unwrap());
    assert_eq!(again.peers().await.unwrap(), store.peers().await.unwrap());
    assert_eq!(again.agreement(id).await.unwrap(), store.agreement(id).await.unwrap());
    assert!(again.agreement(id).await.unwrap().unwrap().state.is_active());
    let peer = again.peers().await.unwrap().remove(0);
    assert_eq!(Store::peer_by_pin(&again, peer.spki_pin).await.unwrap(), Some(peer.clone()));
    assert_eq!(Store::peer_by_key(&again, peer.organisation_key).await.unwrap(), Some(peer));
}

#[tokio::test]
async fn an_agreement_is_swapped_only_for_the_one_that_was_read() {
    let pair = Pair::new().await;
    let id = pair.active().await;
    let store = pair.bank.store();
    let record = store.agreement(id).await.unwrap().unwrap();
    let other = AgreementRecord { state: AgreementState::Draft, document: pair.draft().await, ..record.clone() };
    for before in [None, Some(other.document.clone())] {
        assert!(!store.swap_agreement(other.clone(), before).await.unwrap());
        assert_eq!(store.agreement(id).await.unwrap().unwrap(), record);
    }
    let longer = AgreementRecord { document: [&record.document[..], b"# remark\n"].concat(), ..record.clone() };
    assert!(store.swap_agreement(longer.clone(), Some(record.document)).await.unwrap());
    assert_eq!(store.agreement(id).await.unwrap().unwrap(), longer);
}

#[tokio::test]
async fn a_missing_or_foreign_file_is_a_database_error() {
    let dir = tempfile::tempdir().unwrap();
    let missing = SqliteStore::open(&dir.path().join("state.db")).await.unwrap_err();
    assert_eq!(missing.reason(), "DATABASE_FAILED");
    assert!(!dir.path().join("state.db").exists(), "opening makes nothing");
    std::fs::write(dir.path().join("state.db"), vec![b'x'; 4096]).unwrap();
    let foreign = SqliteStore::open(&dir.path().join("state.db")).await.unwrap_err();
    assert_eq!(foreign.reason(), "DATABASE_FAILED");
    assert!(matches!(SqliteStore::create(&dir.path().join("state.db")).await, Err(Error::AlreadyExists { .. })));
}

#[tokio::test]
async fn a_full_database_is_a_full_disk() {
    let pair = Pair::new().await;
    let store = SqliteStore::open(&pair.bank.settings().state_db()).await.unwrap();
    // A cap on the pages makes SQLite answer as it does on a full disk.
    let mut connection = store.pool.acquire().await.unwrap();
    sqlx::query("PRAGMA max_page_count = 1").execute(&mut *connection).await.unwrap();
    let big = "x".repeat(1 << 20);
    let insert = sqlx::query("INSERT INTO tables (name, spec, rows, added_at) VALUES ($1, $2, 0, 0)");
    let error = insert.bind("big").bind(big).execute(&mut *connection).await.unwrap_err();
    assert_eq!(Error::from(error).reason(), "DISK_FULL");
}
