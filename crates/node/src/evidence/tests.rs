use std::io::Write;
use std::sync::Arc;

use symbolon_policy::audit::{Checkpoint, Log};

use super::*;
use crate::clock::SystemClock;
use crate::error::EvidenceError;
use crate::keys::Keys;

struct Place {
    dir: tempfile::TempDir,
    keys: Arc<Keys>,
}

impl Place {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let keys = crate::keys::tests::plain_keys(
            &dir.path().join("keys"),
            "North Bank",
            &["localhost".to_owned()],
            SystemClock.now(),
        )
        .unwrap();
        Self { dir, keys: Arc::new(keys) }
    }

    /// As another process would open it.
    fn open(&self) -> Evidence {
        Evidence::new(self.dir.path().join("audit"), KeyRing::from(&self.keys), Arc::new(SystemClock))
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("audit/log.jsonl")
    }

    fn log(&self) -> Log {
        Log::read(&std::fs::read(self.path()).unwrap()).unwrap()
    }
}

fn entry(number: u64) -> Entry {
    Entry::new(SystemClock.now(), "test").number("number", number)
}

fn refused(outcome: Result<u64, Error>) -> EvidenceError {
    match outcome {
        Err(Error::Evidence(error)) => error,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn what_was_appended_is_in_the_file_and_signed() {
    let place = Place::new();
    let evidence = place.open();
    assert_eq!(evidence.append(entry(1)).await.unwrap(), 1);
    assert_eq!(evidence.append_all(vec![entry(2), entry(3)]).await.unwrap(), 2);
    let head = evidence.head(vec![1, 4]).await.unwrap();
    let log = place.log();
    log.check_signed(&head.checkpoint, &[place.keys.organisation_public()]).unwrap();
    assert_eq!(head.checkpoint.checkpoint().size, 4);
    let first = Checkpoint { size: 1, root: log.tree().root_at(1).unwrap(), ..*head.checkpoint.checkpoint() };
    head.checkpoint.checkpoint().continues(&first, &head.proofs[0]).unwrap();
    assert!(head.proofs[1].is_empty());
    let (bytes, note) = evidence.read().await.unwrap();
    assert_eq!((bytes, note), (std::fs::read(place.path()).unwrap(), head.checkpoint));
    let salts: std::collections::HashSet<String> =
        log.entries().iter().map(|entry| entry.to_line().unwrap().split("salt").nth(1).unwrap()[..36].into()).collect();
    assert_eq!(salts.len(), 4);
    assert_eq!(evidence.usage().entries, 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn entries_under_load_share_the_wait_for_the_disk() {
    let place = Place::new();
    let evidence = place.open();
    let tasks = (0..400).map(|number| {
        let evidence = evidence.clone();
        tokio::spawn(async move { evidence.append(entry(number)).await.unwrap() })
    });
    let mut positions = Vec::new();
    for task in tasks.collect::<Vec<_>>() {
        positions.push(task.await.unwrap());
    }
    positions.sort_unstable();
    assert_eq!(positions, (1..=400).collect::<Vec<_>>());
    let usage = evidence.usage();
    assert_eq!(usage.entries, 400);
    assert!(usage.syncs < 400, "{usage:?}");
    assert!(usage.cpu > Duration::ZERO);
    assert_eq!(place.log().tree().size(), 401);
}

#[tokio::test]
async fn two_processes_append_to_one_log() {
    let place = Place::new();
    let (node, tool) = (place.open(), place.open());
    for number in 0..10 {
        assert_eq!(node.append(entry(number)).await.unwrap(), 2 * number + 1);
        assert_eq!(tool.append(entry(number)).await.unwrap(), 2 * number + 2);
    }
    assert_eq!(place.log().tree().size(), 21);
    assert_eq!(node.head(vec![]).await.unwrap(), tool.head(vec![]).await.unwrap());
}

#[tokio::test]
async fn a_line_of_a_killed_process_is_cut_and_nothing_else() {
    let place = Place::new();
    let evidence = place.open();
    evidence.append(entry(1)).await.unwrap();
    let before = place.log().tree().root();
    for half in ["{\"time\":\"2026", "\u{0}\u{0}\u{0}"] {
        let mut file = std::fs::OpenOptions::new().append(true).open(place.path()).unwrap();
        file.write_all(half.as_bytes()).unwrap();
        // The running process meets it first, then one that is started.
        evidence.append(entry(2)).await.unwrap();
        drop(file);
    }
    let mut file = std::fs::OpenOptions::new().append(true).open(place.path()).unwrap();
    file.write_all(b"half").unwrap();
    place.open().append(entry(3)).await.unwrap();
    let log = place.log();
    assert_eq!(log.tree().root_at(2).unwrap(), before);
    let kinds: Vec<&str> = log.entries().iter().map(Entry::kind).collect();
    let repaired = ["log_opened", "test", "log_repaired", "test", "log_repaired", "test", "log_repaired", "test"];
    assert_eq!(kinds, repaired);
}

#[tokio::test]
async fn a_changed_log_is_refused() {
    let place = Place::new();
    let evidence = place.open();
    for number in 0..5 {
        evidence.append(entry(number)).await.unwrap();
    }
    evidence.head(vec![]).await.unwrap();
    drop(evidence);
    let whole = std::fs::read_to_string(place.path()).unwrap();
    let lines: Vec<&str> = whole.lines().collect();
    let changed = whole.replacen("\"number\":3", "\"number\":7", 1);
    let shorter = lines[..4].join("\n") + "\n";
    let spoilt = whole.replacen("\"number\":3", "\"number\":x", 1);
    let reopened = format!("{whole}{}\n", lines[0]);
    for (content, expected) in [
        (changed, EvidenceError::Rewritten),
        (shorter, EvidenceError::Rewritten),
        (String::new(), EvidenceError::Rewritten),
        (spoilt, EvidenceError::Damaged { line: 5 }),
        (reopened, EvidenceError::Damaged { line: 7 }),
    ] {
        std::fs::write(place.path(), content).unwrap();
        assert_eq!(refused(place.open().append(entry(9)).await), expected);
    }
    std::fs::remove_file(place.path()).unwrap();
    assert_eq!(refused(place.open().append(entry(9)).await), EvidenceError::Rewritten);
    std::fs::write(place.path(), whole).unwrap();
    assert_eq!(place.open().append(entry(9)).await.unwrap(), 6);
    // A checkpoint that is not this node's.
    std::fs::write(place.dir.path().join("audit/checkpoint"), "x").unwrap();
    assert_eq!(refused(place.open().append(entry(9)).await), EvidenceError::Rewritten);
}

#[tokio::test]
async fn a_log_changed_under_a_running_process_is_refused() {
    let place = Place::new();
    let evidence = place.open();
    evidence.append(entry(1)).await.unwrap();
    let whole = std::fs::read(place.path()).unwrap();
    std::fs::write(place.path(), &whole[..10]).unwrap();
    assert_eq!(refused(evidence.append(entry(2)).await), EvidenceError::Rewritten);
    std::fs::write(place.path(), &whole).unwrap();
    evidence.append(entry(2)).await.unwrap();
    // Another file under the same name.
    let copy = place.dir.path().join("copy");
    std::fs::copy(place.path(), &copy).unwrap();
    std::fs::rename(&copy, place.path()).unwrap();
    assert_eq!(refused(evidence.append(entry(3)).await), EvidenceError::Rewritten);
}

#[tokio::test]
async fn what_others_saw_must_be_there() {
    let place = Place::new();
    let evidence = place.open();
    let error = evidence.head(vec![5]).await.unwrap_err();
    assert!(matches!(error, Error::Evidence(EvidenceError::Behind { seen: 5, size: 1 })), "{error:?}");
    assert_eq!(error.reason(), "AUDIT_LOG_REWRITTEN");
}

#[tokio::test]
async fn an_entry_of_a_form_that_is_not_allowed_is_refused_alone() {
    let place = Place::new();
    let evidence = place.open();
    let bad = Entry::new(SystemClock.now(), "Not a kind");
    let error = evidence.append_all(vec![entry(1), bad]).await.unwrap_err();
    assert_eq!(error.reason(), "AUDIT_ENTRY_INVALID");
    assert_eq!(evidence.append(entry(2)).await.unwrap(), 1);
}

#[tokio::test]
async fn what_was_written_is_signed_when_the_process_ends() {
    let place = Place::new();
    let evidence = place.open();
    evidence.append(entry(1)).await.unwrap();
    drop(evidence);
    let note = std::fs::read_to_string(place.dir.path().join("audit/checkpoint")).unwrap();
    assert_eq!(SignedCheckpoint::parse(&note).unwrap().checkpoint().size, 2);
}
