use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;

use super::*;
use crate::clock::Clock;
use crate::ops::testing::Pair;
use crate::result::{Manifest, SealingContext, Writer, tests::manifest};
use crate::store::{JobEnd, JobRecord, JobState, Side};

const TEXT: &[u8] = b"id,name,grade\n2,Bob,A\n3,Cy,B\n";

fn job(pair: &Pair, agreement: [u8; 32]) -> JobRecord {
    JobRecord {
        id: JobId::random().unwrap(),
        request_id: None,
        agreement_id: agreement,
        peer_key: [7; 32],
        peer: "bureau".to_owned(),
        side: Side::Initiator,
        protocol: symbolon_psi::Protocol::EcdhOprf,
        result: symbolon_policy::ResultKind::Enrich,
        table: "customers".to_owned(),
        columns: Vec::new(),
        own_columns: Vec::new(),
        output: Some(symbolon_tables::Format::Csv),
        purpose: "testing".to_owned(),
        state: JobState::Created,
        failure: None,
        sid: None,
        rows_own: Some(16),
        rows_peer: Some(16),
        created_at: pair.clock.now(),
        started_at: None,
        finished_at: None,
    }
}

/// A finished job of the bank with a result, made as a run makes it.
async fn finished(pair: &Pair, agreement: [u8; 32]) -> JobId {
    let home = &pair.bank;
    let record = home.store().create_job(job(pair, agreement)).await.unwrap();
    let mut writer = Writer::begin(home.settings(), home.key_store().at_rest(), record.id).unwrap();
    let mut described: Manifest = manifest(record.id);
    let mut file = writer.file(symbolon_tables::Format::Csv, &SealingContext::of(&described)).unwrap();
    file.write_all(TEXT).unwrap();
    let (sealed_bytes, _) = file.finish().unwrap();
    described.file = Some(ManifestFile {
        name: "result.csv".to_owned(),
        rows: 2,
        bytes: TEXT.len() as u64,
        sha256: hex::encode(<sha2::Sha256 as sha2::Digest>::digest(TEXT)),
        sealed_bytes: Some(sealed_bytes),
        sealed_sha256: None,
    });
    let result = writer.finish(&described).unwrap();
    home.store().finish_job(record.id, JobEnd::Done(Some(result)), pair.clock.now()).await.unwrap();
    writer.keep();
    record.id
}

fn holds(path: &Path, bytes: &[u8]) -> bool {
    let content = std::fs::read(path).unwrap_or_default();
    content.windows(bytes.len()).any(|window| window == bytes)
}

#[tokio::test]
async fn an_export_appears_whole_and_for_its_owner_only() {
    let pair = Pair::new().await;
    let agreement = pair.active().await;
    let id = finished(&pair, agreement).await.to_string();
    let file = pair.bank.result_file(&id).await.unwrap();
    let out = pair.dir.path().join("out.csv");
    file.export(&out, false).unwrap();
    assert_eq!(std::fs::read(&out).unwrap(), TEXT);
    assert_eq!(std::fs::metadata(&out).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(file.export(&out, false).unwrap_err().reason(), "ALREADY_EXISTS");
    std::fs::write(&out, "old").unwrap();
    file.export(&out, true).unwrap();
    assert_eq!(std::fs::read(&out).unwrap(), TEXT);

    // One changed byte: no file appears, an old one stays.
    let sealed = file.view().file_path.clone().unwrap();
    let mut bytes = std::fs::read(&sealed).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    std::fs::write(&sealed, bytes).unwrap();
    let other = pair.dir.path().join("other.csv");
    assert_eq!(file.export(&other, false).unwrap_err().reason(), "RESULT_CHANGED");
    assert!(!other.exists());
    assert_eq!(file.export(&out, true).unwrap_err().reason(), "RESULT_CHANGED");
    assert_eq!(std::fs::read(&out).unwrap(), TEXT);
    assert_eq!(file.verify().unwrap_err().reason(), "RESULT_CHANGED");
    let left = std::fs::read_dir(pair.dir.path()).unwrap();
    assert!(!left.filter_map(Result::ok).any(|entry| entry.file_name().to_string_lossy().contains(".part")));
}

#[tokio::test]
async fn a_deleted_job_keeps_its_counts_and_nothing_that_opens_its_file() {
    let pair = Pair::new().await;
    let agreement = pair.active().await;
    let id = finished(&pair, agreement).await;
    let home = &pair.bank;
    let text = id.to_string();
    let sealed_key = home.store().result(id).await.unwrap().unwrap().sealed_key.unwrap();
    let directory = home.settings().results_dir().join(&text);
    let kept = pair.dir.path().join("copy");
    std::fs::copy(directory.join("result.csv.sealed"), &kept).unwrap();
    let database = home.settings().state_db();
    let log = database.with_extension("db-wal");
    assert!(holds(&database, &sealed_key) || holds(&log, &sealed_key), "the key is stored");

    let deletion = home.job_delete(&text).await.unwrap();
    assert_eq!(deletion.job, id);
    assert!(!directory.exists());
    assert!(!holds(&database, &sealed_key) && !holds(&log, &sealed_key), "the key is gone from the disk");
    assert_eq!(home.result_file(&text).await.unwrap_err().reason(), "RESULT_DELETED");
    let view = home.result_show(&text).await.unwrap();
    assert_eq!((view.record.rows, view.record.matched, view.file_path), (Some(2), Some(2), None));
    assert_eq!(view.record.deleted_at, Some(deletion.deleted_at));
    assert_eq!(home.job_show(&text).await.unwrap().state, JobState::Done);
    assert_eq!(home.job_deleted_at(id).await.unwrap(), Some(deletion.deleted_at));
    assert_eq!(home.job_delete(&text).await.unwrap(), deletion, "again changes nothing");
    let (log, _) = home.evidence().read().await.unwrap();
    let log = String::from_utf8(log).unwrap();
    assert_eq!(log.matches("\"result_deleted\"").count(), 1, "{log}");
}

#[tokio::test]
async fn a_running_job_is_not_deleted_and_a_failed_one_is() {
    let pair = Pair::new().await;
    let agreement = pair.active().await;
    let record = pair.bank.store().create_job(job(&pair, agreement)).await.unwrap();
    let id = record.id.to_string();
    assert_eq!(pair.bank.job_delete(&id).await.unwrap_err().reason(), "INVALID_REQUEST");
    let failure = crate::store::Failure { reason: "PEER_GONE".to_owned(), incident: None, resets_at: None };
    pair.bank.store().finish_job(record.id, JobEnd::Failed(failure), pair.clock.now()).await.unwrap();
    pair.bank.job_delete(&id).await.unwrap();
    assert!(pair.bank.job_deleted_at(record.id).await.unwrap().is_some());
    assert_eq!(pair.bank.job_delete("ffffffffffffffffffffffffffffffff").await.unwrap_err().reason(), "NOT_FOUND");
}

/// The key is destroyed before the files are removed; what a crash between the two leaves goes at the next start.
#[tokio::test]
async fn files_left_of_a_deleted_job_go_at_the_next_start() {
    let pair = Pair::new().await;
    let agreement = pair.active().await;
    let (gone, stays) = (finished(&pair, agreement).await, finished(&pair, agreement).await);
    let home = &pair.bank;
    home.store().delete_result(gone, pair.clock.now()).await.unwrap();
    let lock = home.lock().unwrap();
    home.recover(&lock).await.unwrap();
    assert!(!home.settings().results_dir().join(gone.to_string()).exists());
    assert!(home.settings().results_dir().join(stays.to_string()).exists());
    home.result_file(&stays.to_string()).await.unwrap().verify().unwrap();
}

#[tokio::test]
async fn results_past_their_time_are_deleted_and_others_stay() {
    let pair = Pair::new().await;
    let agreement = pair.active().await;
    let old = finished(&pair, agreement).await;
    assert!(pair.bank.results_purge().await.unwrap().is_empty(), "nothing is deleted by default");
    let path = pair.bank.settings().home.join("node.toml");
    let text = std::fs::read_to_string(&path).unwrap().replace("results_days_max = 0", "results_days_max = 30");
    std::fs::write(&path, text).unwrap();
    let clock = Arc::clone(&pair.clock) as Arc<dyn Clock>;
    let home = Home::open(&pair.bank.settings().home, &std::collections::BTreeMap::new(), clock).await.unwrap();
    pair.clock.advance(std::time::Duration::from_secs(29 * 86_400));
    let new = finished(&pair, agreement).await;
    assert!(home.results_purge().await.unwrap().is_empty());
    pair.clock.advance(std::time::Duration::from_secs(2 * 86_400));
    assert_eq!(home.results_purge().await.unwrap(), [old]);
    assert!(home.results_purge().await.unwrap().is_empty());
    home.result_file(&new.to_string()).await.unwrap().verify().unwrap();
}

#[tokio::test]
async fn the_key_of_one_job_opens_no_other_file() {
    let pair = Pair::new().await;
    let agreement = pair.active().await;
    let (one, two) = (finished(&pair, agreement).await, finished(&pair, agreement).await);
    let results = pair.bank.settings().results_dir();
    let path = |id: JobId| results.join(id.to_string()).join("result.csv.sealed");
    std::fs::copy(path(one), path(two)).unwrap();
    let file = pair.bank.result_file(&two.to_string()).await.unwrap();
    assert_eq!(file.verify().unwrap_err().reason(), "RESULT_CHANGED");
    // The bureau's home does not open the bank's key.
    let sealed = pair.bank.store().result(one).await.unwrap().unwrap().sealed_key.unwrap();
    let foreign = pair.bureau.key_store().at_rest().open_job_key(one, &sealed);
    assert_eq!(foreign.unwrap_err().reason(), "JOB_KEY_FOREIGN");
}
