//! Evidence of two nodes: receipts both sides signed, exports that verify from their files alone, and histories that
//! were rewritten.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};
use symbolon_node::clock::SystemClock;
use symbolon_node::control_client::JobRequest;
use symbolon_node::home::Home;
use symbolon_node::ops::audit::read_export;
use symbolon_node::ops::draft::{DraftAllow, DraftOptions, DraftRecipient, DraftSide};
use symbolon_node::store::JobState;
use symbolon_policy::audit::{AuditError, Bundle, Check, Entry, Log, Receipt, SignedCheckpoint};
use symbolon_policy::{OptionalTerms, Padding, Protocol, ResultKind};
use symbolon_tables::Duplicates;
use symbolon_tests::{Node, Pair};
use tokio::net::TcpListener;

const BANK: &str = "id,name\n7,Ann\n2,Bob\n3,Cy\n11,Di\n";
const BUREAU: &str = "key,grade\n2,A\n3,B\n4,C\n";

async fn pair() -> Result<Pair> {
    let pair = Pair::start(&[]).await?;
    pair.table(&pair.bank, "customers", "id", BANK, Duplicates::Reject).await?;
    pair.table(&pair.bureau, "files", "key", BUREAU, Duplicates::Reject).await?;
    Ok(pair)
}

async fn agree(pair: &Pair, intersection_min: u64) -> Result<String> {
    let options = DraftOptions {
        table: "customers".to_owned(),
        peer: "bureau".to_owned(),
        partner_card: pair.bureau.home().table_card("files").await?,
        title: "Common customers".to_owned(),
        purpose: "Credit check of common customers".to_owned(),
        allow: vec![DraftAllow { protocol: Protocol::EcdhOprf, result: ResultKind::Match, to: DraftRecipient::Own }],
        valid_from: None,
        valid_days: 30,
        runs_max: 5,
        rows_total_max: None,
        intersection_min,
        padding: Padding::Sixteenth,
        own: DraftSide::default(),
        partner: DraftSide::default(),
        optional: OptionalTerms::default(),
    };
    pair.agree(&options).await
}

/// Runs a job of the bank and gives its id and last state, once the bureau's has ended too.
async fn run(bank: &Node, bureau: &Node, agreement: &str) -> Result<(String, JobState, String)> {
    let request =
        JobRequest { agreement_id: agreement.to_owned(), result: Some(ResultKind::Match), ..JobRequest::default() };
    let job = bank.create(request).await?;
    let report = bank.wait(&job).await?;
    let theirs = bureau.home().job_list(1).await?.into_iter().next().context("there is no job")?;
    bureau.wait(&theirs.id.to_string()).await?;
    let reason = report.failure.map(|failure| failure.reason).unwrap_or_default();
    Ok((job, report.state, reason))
}

async fn export(node: &Node, dir: &Path, name: &str) -> Result<Bundle> {
    let view = node.home().audit_export(&dir.join(name)).await?;
    let html = std::fs::read_to_string(&view.report)?;
    assert!(html.contains("Common customers") && html.contains("checks passed"), "{html}");
    Ok(read_export(&view.directory, Some(node.home().keys().organisation_public()))?)
}

fn failures(checks: &[Check]) -> Vec<AuditError> {
    checks.iter().filter_map(|check| check.failure).collect()
}

/// The kinds of entries a log has of its last job, in order.
async fn kinds(node: &Node) -> Result<Vec<String>> {
    let (entries, _) = node.home().audit_log(0, u64::MAX).await?;
    let start = entries.iter().rposition(|logged| logged.entry.kind() == "job_started").context("no job")?;
    Ok(entries[start..].iter().map(|logged| logged.entry.kind().to_owned()).collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn both_hold_one_receipt_and_their_exports_verify() -> Result<()> {
    let pair = pair().await?;
    let agreement = agree(&pair, 0).await?;
    for _ in 0..2 {
        let (job, state, reason) = run(&pair.bank, &pair.bureau, &agreement).await?;
        assert_eq!((state, reason.as_str()), (JobState::Done, ""));
        let manifest = pair.bank.home().result_show(&job).await?.manifest;
        manifest.verify()?;
        let receipt = Receipt::parse(manifest.receipt.as_deref().context("no receipt")?)?;
        assert_eq!(Some(symbolon_tests::hex(&receipt.body().job_spec)), manifest.job_spec);
        assert_eq!(symbolon_tests::hex(&receipt.body().sid), manifest.sid);
        assert_eq!(receipt.body().count, None);
        let mut changed = manifest.clone();
        changed.matched = Some(99);
        assert!(changed.verify().is_err());
    }
    let (ours, theirs) = (pair.bank.home().store().receipts().await?, pair.bureau.home().store().receipts().await?);
    let texts = |records: &[symbolon_node::store::ReceiptRecord]| {
        records.iter().map(|record| record.receipt.clone()).collect::<Vec<_>>()
    };
    assert_eq!(texts(&ours).len(), 2);
    assert_eq!(texts(&ours), texts(&theirs));

    let bank = export(&pair.bank, pair.dir.path(), "bank-export").await?;
    let bureau = export(&pair.bureau, pair.dir.path(), "bureau-export").await?;
    for checks in [bank.verify(), bureau.verify(), bank.compare(&bureau), bureau.compare(&bank)] {
        assert!(checks.len() >= 4, "{checks:#?}");
        assert_eq!(failures(&checks), [], "{checks:#?}");
    }
    // Two at the start and end of each job, on both sides; ends that were both shown count once.
    assert!(bank.cosigned.len() >= 4 && bank.seen.len() >= 4, "{} {}", bank.cosigned.len(), bank.seen.len());

    // A later export continues an earlier one, and not the other way round.
    run(&pair.bank, &pair.bureau, &agreement).await?;
    let later = export(&pair.bank, pair.dir.path(), "bank-later").await?;
    assert_eq!(failures(&later.compare(&bank)), []);
    let wrong = Bundle { pinned: Some(pair.bureau.home().keys().organisation_public()), ..later };
    assert!(failures(&wrong.verify()).contains(&AuditError::OtherLog));
    Ok(())
}

/// 1,000 random changes of one byte in each of the exported log, checkpoints and receipts: every one is detected, and
/// nothing in the untouched export.
#[tokio::test(flavor = "multi_thread")]
async fn every_single_byte_change_of_an_export_is_detected() -> Result<()> {
    let pair = pair().await?;
    let agreement = agree(&pair, 0).await?;
    run(&pair.bank, &pair.bureau, &agreement).await?;
    let export = export(&pair.bank, pair.dir.path(), "export").await?;
    assert_eq!(failures(&export.verify()), []);
    // A simple generator with a fixed start: which bytes are tried is the same in every run.
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut next = move |below: usize| -> Result<usize> {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        Ok(usize::try_from((state >> 33) % u64::try_from(below)?)?)
    };
    for trial in 0..1000 {
        let flip = u8::try_from(next(255)? + 1)?;
        for part in 0..4 {
            let mut changed = export.clone();
            let pick = next(usize::MAX >> 33)?;
            let bytes = match part {
                0 => &mut changed.log,
                1 => &mut changed.checkpoint,
                2 => {
                    let notes = changed.cosigned.len() + changed.seen.len();
                    let mut notes_of = changed.cosigned.iter_mut().chain(&mut changed.seen);
                    &mut notes_of.nth(pick % notes).context("a note")?.1
                }
                _ => {
                    let receipts = changed.receipts.len();
                    &mut changed.receipts[pick % receipts].1
                }
            };
            let at = next(bytes.len())?;
            bytes[at] ^= flip;
            assert!(!failures(&changed.verify()).is_empty(), "trial {trial}, part {part}, byte {at} ^ {flip}");
        }
    }
    Ok(())
}

/// The log of `home` with one entry left out, signed again by its owner, and everything removed that contradicts it.
fn rewritten(home: &Home, export: &Bundle, left_out: &str) -> Result<Bundle> {
    let text = std::str::from_utf8(&export.log)?;
    let mark = format!("\"kind\":\"{left_out}\"");
    let kept = |line: &&str| !line.contains(&mark) && !line.contains("\"kind\":\"receipt\"");
    let log: String = text.lines().filter(kept).map(|line| format!("{line}\n")).collect();
    let checkpoint = Log::read(log.as_bytes())?.checkpoint();
    let note = SignedCheckpoint::sign(checkpoint, home.keys().organisation())?;
    Ok(Bundle {
        log: log.into_bytes(),
        checkpoint: note.to_string().into_bytes(),
        cosigned: Vec::new(),
        receipts: Vec::new(),
        ..export.clone()
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rewritten_log_is_found_by_the_other_partys_export() -> Result<()> {
    let pair = pair().await?;
    let agreement = agree(&pair, 0).await?;
    run(&pair.bank, &pair.bureau, &agreement).await?;
    let bank = export(&pair.bank, pair.dir.path(), "bank-export").await?;
    let bureau = export(&pair.bureau, pair.dir.path(), "bureau-export").await?;
    let forged = rewritten(pair.bank.home(), &bank, "job_started")?;
    assert_eq!(failures(&forged.verify()), [], "alone it looks like any log");
    for checks in [forged.compare(&bureau), bureau.compare(&forged)] {
        let found = failures(&checks);
        let rewritten =
            |error: &AuditError| matches!(error, AuditError::RootDiffers { .. } | AuditError::Shorter { .. });
        assert!(found.iter().any(rewritten), "{checks:#?}");
        assert!(checks.iter().any(|check| check.subject.starts_with("bank-export") && !check.passed()));
    }
    // What a partner vouched for contradicts it too, when it is left in.
    let kept = Bundle { cosigned: bank.cosigned.clone(), ..forged };
    assert!(!failures(&kept.verify()).is_empty());
    Ok(())
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    std::fs::create_dir_all(to)?;
    std::fs::set_permissions(to, std::fs::metadata(from)?.permissions())?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else if entry.file_type()?.is_file() {
            std::fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

/// A bank that puts its whole home back to an earlier state, and goes on from there.
#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_was_put_back_ends_the_next_job() -> Result<()> {
    let Pair { dir, bank, bureau } = pair().await?;
    let pair = Pair { dir, bank, bureau };
    let agreement = agree(&pair, 0).await?;
    let Pair { dir, bank, bureau } = pair;
    let path = bank.home().settings().home.clone();
    let backup = dir.path().join("backup");
    copy(&path, &backup)?;
    assert_eq!(run(&bank, &bureau, &agreement).await?.1, JobState::Done);
    drop(bank.stop().await?);
    std::fs::remove_dir_all(&path)?;
    copy(&backup, &path)?;

    let home = Home::open(&path, &BTreeMap::new(), Arc::new(SystemClock)).await?;
    for number in 0..40 {
        home.evidence().append(Entry::new("2026-01-01T00:00:00Z".parse()?, "filler").number("number", number)).await?;
    }
    let bank = Node::serve(home, TcpListener::bind("127.0.0.1:0").await?).await?;
    let (_, state, reason) = run(&bank, &bureau, &agreement).await?;
    assert_eq!((state, reason.as_str()), (JobState::Failed, "PEER_MISBEHAVED"));
    let theirs = bureau.home().job_list(1).await?.remove(0);
    assert_eq!(theirs.failure.context("a reason")?.reason, "PEER_LOG_FORKED");
    let last = kinds(&bureau).await?;
    assert!(last.contains(&"peer_log_forked".to_owned()), "{last:?}");

    // The contradiction is in the bureau's export, signed by the bank.
    let bureau_export = bureau.home().audit_bundle().await?;
    assert_eq!(bureau_export.conflicts.len(), 1);
    let checks = bureau_export.verify();
    let failed: Vec<&Check> = checks.iter().filter(|check| !check.passed()).collect();
    assert!(failed.len() == 1 && failed[0].subject.starts_with("conflicts/"), "{failed:#?}");
    let bank_export = bank.home().audit_bundle().await?;
    assert!(!failures(&bank_export.compare(&bureau_export)).is_empty());
    Ok(())
}

/// What the peer can see of the bank's log is the same whatever matched.
#[tokio::test(flavor = "multi_thread")]
async fn the_number_of_entries_does_not_tell_what_matched() -> Result<()> {
    let first = pair().await?;
    let agreement = agree(&first, 0).await?;
    assert_eq!(run(&first.bank, &first.bureau, &agreement).await?.1, JobState::Done);
    let second = pair().await?;
    let agreement = agree(&second, 3).await?;
    let (_, state, reason) = run(&second.bank, &second.bureau, &agreement).await?;
    assert_eq!((state, reason.as_str()), (JobState::Failed, "INTERSECTION_BELOW_MINIMUM"));
    assert_eq!(kinds(&first.bank).await?, kinds(&second.bank).await?);
    assert_eq!(kinds(&first.bureau).await?, kinds(&second.bureau).await?);
    assert_eq!(second.bank.home().store().receipts().await?.len(), 1, "the receipt does not depend on it either");
    Ok(())
}
