//! Two nodes in one process, each on its own port, over mutual TLS: every protocol from tables to result.

use anyhow::Result;
use symbolon_node::control_client::JobRequest;
use symbolon_node::home::Home;
use symbolon_node::ops::draft::{DraftAllow, DraftColumn, DraftOptions, DraftRecipient, DraftSide};
use symbolon_node::store::JobState;
use symbolon_policy::{ColumnUse, OptionalTerms, Padding, Protocol, ReleaseCount, ResultKind, SemiHonest, Tightening};
use symbolon_tables::{Duplicates, Format};
use symbolon_tests::{Node, Pair};

const BANK: &str = "id,name\n7,Ann\n2,Bob\n,Nobody\n3,Cy\nx,Bad\n11,Di\n";
const BUREAU: &str = "key,grade,balance,secret\n2,A,1.50,x\n3,,2.25,y\n4,C,3.00,z\n3,D,9.75,w\n";

async fn pair(duplicates: Duplicates) -> Result<Pair> {
    let pair = Pair::start(&[]).await?;
    pair.table(&pair.bank, "customers", "id", BANK, Duplicates::Reject).await?;
    pair.table(&pair.bureau, "files", "key", BUREAU, duplicates).await?;
    Ok(pair)
}

async fn options(pair: &Pair, protocol: Protocol, result: ResultKind) -> Result<DraftOptions> {
    let released = |bytes_max| DraftColumn { column_use: ColumnUse::AfterMatch, bytes_max };
    let columns = [("grade".to_owned(), released(Some(4))), ("balance".to_owned(), released(None))];
    let to = if protocol == Protocol::EcdhMutual { DraftRecipient::Both } else { DraftRecipient::Own };
    Ok(DraftOptions {
        table: "customers".to_owned(),
        peer: "bureau".to_owned(),
        partner_card: pair.bureau.home().table_card("files").await?,
        title: "Grades".to_owned(),
        purpose: "Credit check of common customers".to_owned(),
        allow: vec![DraftAllow { protocol, result, to }],
        valid_from: None,
        valid_days: 30,
        runs_max: 2,
        rows_total_max: None,
        intersection_min: 0,
        padding: Padding::Sixteenth,
        own: DraftSide::default(),
        partner: DraftSide { columns: columns.into(), ..DraftSide::default() },
        optional: OptionalTerms {
            semi_honest: protocol.is_oblivious_transfer().then_some(SemiHonest::Accepted),
            ..OptionalTerms::default()
        },
    })
}

fn request(agreement_id: &str, result: ResultKind) -> JobRequest {
    JobRequest { agreement_id: agreement_id.to_owned(), result: Some(result), ..JobRequest::default() }
}

async fn finished(node: &Node, job: &str) -> Result<()> {
    let report = node.wait(job).await?;
    assert_eq!(report.state, JobState::Done, "{report:?}");
    Ok(())
}

async fn result_text(node: &Node, job: &str) -> Result<String> {
    let file = node.home().result_file(job).await?;
    let sealed = std::fs::read(file.view().file_path.as_ref().expect("a file"))?;
    let mut text = Vec::new();
    file.copy(std::path::Path::new("memory"), &mut text)?;
    // Nothing of a row lies open on the disk.
    for line in text.split(|byte| *byte == b'\n').filter(|line| line.len() >= 6) {
        assert!(!sealed.windows(line.len()).any(|window| window == line));
    }
    Ok(String::from_utf8(text)?)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_bank_learns_the_agreed_columns_of_common_customers() -> Result<()> {
    learns_columns(Protocol::EcdhOprf).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_by_silent_transfer() -> Result<()> {
    learns_columns(Protocol::Rr22Silent).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_by_small_field_transfer() -> Result<()> {
    learns_columns(Protocol::Rr22SmallField).await
}

async fn learns_columns(protocol: Protocol) -> Result<()> {
    let pair = pair(Duplicates::First).await?;
    let agreement = pair.agree(&options(&pair, protocol, ResultKind::Enrich).await?).await?;
    let job = pair.bank.create(request(&agreement, ResultKind::Enrich)).await?;
    finished(&pair.bank, &job).await?;
    assert_eq!(result_text(&pair.bank, &job).await?, "id,name,grade,balance\n2,Bob,A,1.50\n3,Cy,,2.25\n");

    let view = pair.bank.home().result_show(&job).await?;
    assert_eq!(view.manifest.matched, Some(2));
    assert_eq!(view.manifest.role, "receiver");
    assert_eq!(view.manifest.file.as_ref().map(|file| file.rows), Some(2));

    let theirs = pair.last_job(&pair.bureau).await?;
    assert_eq!(theirs.state, JobState::Done);
    assert_eq!(theirs.sid, pair.last_job(&pair.bank).await?.sid);
    assert!(pair.bureau.home().result_show(&theirs.id.to_string()).await.is_err(), "the bureau learns nothing");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn all_rows_of_a_key_come_and_go_into_parquet() -> Result<()> {
    all_rows_come(Protocol::EcdhOprf).await?;
    all_rows_come(Protocol::Rr22Silent).await?;
    all_rows_come(Protocol::Rr22SmallField).await
}

async fn all_rows_come(protocol: Protocol) -> Result<()> {
    let pair = pair(Duplicates::All).await?;
    let agreement = pair.agree(&options(&pair, protocol, ResultKind::Enrich).await?).await?;
    let mut wanted = request(&agreement, ResultKind::Enrich);
    wanted.columns = vec!["grade".to_owned()];
    wanted.own_columns = vec!["id".to_owned()];
    let job = pair.bank.create(wanted.clone()).await?;
    finished(&pair.bank, &job).await?;
    let text = result_text(&pair.bank, &job).await?;
    let mut lines: Vec<_> = text.lines().skip(1).collect();
    lines.sort_unstable();
    assert_eq!(lines, ["2,A", "3,", "3,D"]);

    wanted.output = Some(Format::Parquet);
    let job = pair.bank.create(wanted.clone()).await?;
    finished(&pair.bank, &job).await?;
    assert!(pair.bank.home().result_show(&job).await?.record.directory.join("result.parquet.sealed").exists());

    // The agreement allows two runs.
    let refused = pair.bank.create(wanted).await.expect_err("a third run").to_string();
    assert!(refused.contains("run"), "{refused}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn both_learn_the_common_keys() -> Result<()> {
    let pair = pair(Duplicates::First).await?;
    let agreement = pair.agree(&options(&pair, Protocol::EcdhMutual, ResultKind::Match).await?).await?;
    let job = pair.bank.create(request(&agreement, ResultKind::Match)).await?;
    finished(&pair.bank, &job).await?;
    assert_eq!(result_text(&pair.bank, &job).await?, "id,name\n2,Bob\n3,Cy\n");
    let theirs = pair.last_job(&pair.bureau).await?.id.to_string();
    finished(&pair.bureau, &theirs).await?;
    let text = result_text(&pair.bureau, &theirs).await?;
    assert_eq!(text, "key,grade,balance,secret\n2,A,1.50,x\n3,,2.25,y\n");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_count_is_a_number_and_nothing_else() -> Result<()> {
    let pair = pair(Duplicates::First).await?;
    let agreement = pair.agree(&options(&pair, Protocol::EcdhCardinality, ResultKind::Count).await?).await?;
    let job = pair.bank.create(request(&agreement, ResultKind::Count)).await?;
    finished(&pair.bank, &job).await?;
    let view = pair.bank.home().result_show(&job).await?;
    assert_eq!((view.manifest.matched, view.record.file), (Some(2), None));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn one_request_is_one_job() -> Result<()> {
    let pair = pair(Duplicates::First).await?;
    let agreement = pair.agree(&options(&pair, Protocol::EcdhOprf, ResultKind::Enrich).await?).await?;
    let mut wanted = request(&agreement, ResultKind::Enrich);
    wanted.request_id = Some("monday".to_owned());
    let first = pair.bank.create(wanted.clone()).await?;
    let again = pair.bank.create(wanted.clone()).await?;
    assert_eq!(first, again);
    finished(&pair.bank, &first).await?;
    assert_eq!(pair.bank.create(wanted.clone()).await?, first, "also when it has ended");
    wanted.columns = vec!["grade".to_owned()];
    assert!(pair.bank.create(wanted).await.is_err(), "another request under the same id");
    assert_eq!(pair.bank.home().job_list(10).await?.len(), 1);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn too_few_matches_stay_with_the_node_that_found_them() -> Result<()> {
    let pair = pair(Duplicates::First).await?;
    let mut options = options(&pair, Protocol::EcdhOprf, ResultKind::Match).await?;
    options.intersection_min = 3;
    let agreement = pair.agree(&options).await?;
    let job = pair.bank.create(request(&agreement, ResultKind::Match)).await?;
    let report = pair.bank.wait(&job).await?;
    assert_eq!(report.failure.map(|failure| failure.reason).as_deref(), Some("INTERSECTION_BELOW_MINIMUM"));
    assert!(!pair.bank.home().settings().results_dir().join(&job).exists(), "nothing is left behind");
    let theirs = pair.last_job(&pair.bureau).await?;
    assert_eq!(theirs.state, JobState::Done, "the peer sees a run like any other");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn columns_stay_with_the_peer_when_too_few_match() -> Result<()> {
    let pair = pair(Duplicates::First).await?;
    let below = (3, JobState::Failed, Some("INTERSECTION_BELOW_MINIMUM"));
    for (protocol, (intersection_min, state, failure)) in [
        (Protocol::EcdhOprf, below),
        (Protocol::EcdhOprf, (2, JobState::Done, None)),
        (Protocol::Rr22Silent, below),
        (Protocol::Rr22SmallField, (2, JobState::Done, None)),
    ] {
        let mut options = options(&pair, protocol, ResultKind::Enrich).await?;
        options.intersection_min = intersection_min;
        options.optional.release_count = ReleaseCount::Bit;
        let agreement = pair.agree(&options).await?;
        let job = pair.bank.create(request(&agreement, ResultKind::Enrich)).await?;
        let report = pair.bank.wait(&job).await?;
        assert_eq!(report.failure.map(|failure| failure.reason).as_deref(), failure);
        assert_eq!(pair.bank.home().settings().results_dir().join(&job).exists(), failure.is_none());
        // The peer was asked for the columns and knows that it gave them, or did not.
        let theirs = pair.last_job(&pair.bureau).await?.id.to_string();
        let report = pair.bureau.wait(&theirs).await?;
        assert_eq!(report.state, state);
        assert_eq!(report.failure.map(|failure| failure.reason).as_deref(), failure);
        if failure.is_none() {
            let manifest = pair.bank.home().result_show(&job).await?.manifest;
            assert_eq!(manifest.matched, Some(2));
            assert!(manifest.leakage.peer.learns.iter().any(|fact| fact.key == "reported_minimum_met"));
        }
    }
    Ok(())
}

/// Each party holds something back; the stricter of both rules a job from its offer to its result, whoever declared it.
#[tokio::test(flavor = "multi_thread")]
async fn the_stricter_of_both_rules_the_whole_job() -> Result<()> {
    let pair = pair(Duplicates::First).await?;
    let mut options = options(&pair, Protocol::EcdhOprf, ResultKind::Enrich).await?;
    (options.runs_max, options.intersection_min) = (20, 1);
    options.optional.release_count = ReleaseCount::Bit;
    let agreement = pair.agree(&options).await?;
    let (bank, bureau) = (pair.bank.home(), pair.bureau.home());
    let hold = async |home: &Home, held: Tightening| home.agreement_tighten(&agreement, held).await.map(drop);
    // Gives how the job ended at both sides.
    let run = async || {
        let job = pair.bank.create(request(&agreement, ResultKind::Enrich)).await?;
        let ours = pair.bank.wait(&job).await?.failure.map(|failure| failure.reason);
        let theirs = pair.last_job(&pair.bureau).await?.id.to_string();
        let theirs = pair.bureau.wait(&theirs).await?.failure.map(|failure| failure.reason);
        anyhow::Ok((job, ours, theirs))
    };
    let minimum = |keys| Tightening { intersection_min: Some(keys), ..Tightening::default() };
    let short = Some("INTERSECTION_BELOW_MINIMUM".to_owned());

    // Two keys are common. The bureau's three rule over the bank's two: it never hands its columns over.
    hold(bank, minimum(2)).await?;
    hold(bureau, minimum(3)).await?;
    let (job, ours, theirs) = run().await?;
    assert_eq!((ours, theirs), (short.clone(), short.clone()));
    assert!(!bank.settings().results_dir().join(&job).exists());
    // And the other way round: the bureau holds to what the bank declares.
    hold(bank, minimum(3)).await?;
    hold(bureau, minimum(2)).await?;
    let (_, ours, theirs) = run().await?;
    assert_eq!((ours, theirs), (short.clone(), short));

    // Where both are met, the result comes and says under which minimum.
    hold(bank, minimum(2)).await?;
    hold(bureau, minimum(1)).await?;
    let (job, ours, theirs) = run().await?;
    assert_eq!((ours, theirs), (None, None));
    assert_eq!(result_text(&pair.bank, &job).await?, "id,name,grade,balance\n2,Bob,A,1.50\n3,Cy,,2.25\n");

    // Rows and runs are the same: what one holds back the other is held to, before a frame is sent.
    hold(bank, Tightening::default()).await?;
    for (held, reason) in [
        (Tightening { runs_max: Some(3), ..Tightening::default() }, "RUNS_SPENT"),
        (Tightening { rows_max: Some(2), ..Tightening::default() }, "ROWS_ABOVE_MAXIMUM"),
        (
            Tightening {
                forbidden: Tightening::read_forbidden(&["ecdh-oprf:enrich".to_owned()])?,
                ..Tightening::default()
            },
            "RESULT_HELD_BACK",
        ),
    ] {
        hold(bureau, held.clone()).await?;
        let job = pair.bank.create(request(&agreement, ResultKind::Enrich)).await?;
        let report = pair.bank.wait(&job).await?;
        assert_eq!(report.failure.map(|failure| failure.reason).as_deref(), Some(reason));
        assert_eq!(bureau.agreement_show(&agreement).await?.spent.runs, 3, "{reason} spends nothing");
        hold(bureau, Tightening::default()).await?;
        hold(bank, held).await?;
        let refused = pair.bank.create(request(&agreement, ResultKind::Enrich)).await;
        let refused = match refused {
            Err(error) => {
                error.downcast_ref::<symbolon_node::Error>().map(symbolon_node::Error::reason).map(str::to_owned)
            }
            Ok(job) => pair.bank.wait(&job).await?.failure.map(|failure| failure.reason),
        };
        assert_eq!(refused.as_deref(), Some(reason), "held back by the bank itself");
        hold(bank, Tightening::default()).await?;
    }
    assert_eq!(run().await?.1, None, "nothing is held back any longer");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_agreement_does_not_give_is_refused_at_once() -> Result<()> {
    let pair = pair(Duplicates::First).await?;
    let agreement = pair.agree(&options(&pair, Protocol::EcdhOprf, ResultKind::Enrich).await?).await?;
    let mut wanted = request(&agreement, ResultKind::Enrich);
    wanted.columns = vec!["secret".to_owned()];
    let refused = pair.bank.create(wanted).await.unwrap_err().to_string();
    assert!(refused.contains("never"), "{refused}");
    assert!(pair.bureau.home().job_list(10).await?.is_empty(), "the peer heard nothing of it");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_stopped_is_unreachable_and_the_job_says_so() -> Result<()> {
    let pair = pair(Duplicates::First).await?;
    let agreement = pair.agree(&options(&pair, Protocol::EcdhOprf, ResultKind::Enrich).await?).await?;
    let Pair { dir: _dir, bank, bureau } = pair;
    bureau.stop().await?;
    let job = bank.create(request(&agreement, ResultKind::Enrich)).await?;
    let report = bank.wait(&job).await?;
    assert_eq!(report.failure.map(|failure| failure.reason).as_deref(), Some("PEER_UNREACHABLE"));
    bank.stop().await?;
    Ok(())
}

fn many(header: &str, first: u32, count: u32, rest: &str) -> String {
    let rows = (first..first + count).map(|id| format!("{id}{rest}\n"));
    std::iter::once(format!("{header}\n")).chain(rows).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_job_ends_on_both_sides_and_leaves_nothing() -> Result<()> {
    use tokio_stream::StreamExt;
    let pair = Pair::start(&[]).await?;
    pair.table(&pair.bank, "customers", "id", &many("id,name", 0, 40_000, ",x"), Duplicates::Reject).await?;
    pair.table(&pair.bureau, "files", "key", &many("key,grade,balance", 20_000, 40_000, ",A,1.50"), Duplicates::Reject)
        .await?;
    let agreement = pair.agree(&options(&pair, Protocol::EcdhOprf, ResultKind::Enrich).await?).await?;
    let job = pair.bank.create(request(&agreement, ResultKind::Enrich)).await?;
    let mut control = pair.bank.control().await?;
    let mut reports = control.watch(&job).await?;
    while let Some(report) = reports.next().await {
        if report?.state == JobState::Running {
            break;
        }
    }
    pair.bank.control().await?.cancel(&job).await?;
    assert_eq!(pair.bank.wait(&job).await?.state, JobState::Cancelled);
    let theirs = pair.last_job(&pair.bureau).await?.id.to_string();
    let report = pair.bureau.wait(&theirs).await?;
    assert_eq!(report.state, JobState::Failed);
    assert_eq!(report.failure.map(|failure| failure.reason).as_deref(), Some("CANCELLED"));
    assert!(!pair.bank.home().settings().results_dir().join(&job).exists());

    // It can be started again, and then gives what it should.
    let job = pair.bank.create(request(&agreement, ResultKind::Enrich)).await?;
    finished(&pair.bank, &job).await?;
    assert_eq!(pair.bank.home().result_show(&job).await?.manifest.matched, Some(20_000));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_smallest_windows_only_make_it_slower() -> Result<()> {
    // Each side sends over a megabyte through windows of 64 KiB, with one frame waiting to leave and little memory.
    let pair = Pair::start(&[
        ("window_stream_bytes", 65_535),
        ("window_connection_bytes", 65_535),
        ("outbound_frames_max", 1),
        ("inbound_memory_bytes_max", 1 << 20),
    ])
    .await?;
    pair.table(&pair.bank, "customers", "id", &many("id,name", 0, 30_000, ",x"), Duplicates::Reject).await?;
    pair.table(&pair.bureau, "files", "key", &many("key,grade,balance", 29_000, 30_000, ",A,1.50"), Duplicates::Reject)
        .await?;
    for protocol in [Protocol::EcdhMutual, Protocol::Rr22Silent] {
        let agreement = pair.agree(&options(&pair, protocol, ResultKind::Match).await?).await?;
        let job = pair.bank.create(request(&agreement, ResultKind::Match)).await?;
        finished(&pair.bank, &job).await?;
        assert_eq!(pair.bank.home().result_show(&job).await?.manifest.matched, Some(1_000));
    }
    Ok(())
}
