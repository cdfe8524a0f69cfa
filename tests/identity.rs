//! Keys that change and keys that are withdrawn, between two whole nodes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use symbolon_node::clock::SystemClock;
use symbolon_node::control_client::JobRequest;
use symbolon_node::home::Home;
use symbolon_node::keystore::KeyKind;
use symbolon_node::ops::draft::{DraftAllow, DraftOptions, DraftRecipient, DraftSide};
use symbolon_node::store::JobState;
use symbolon_policy::{OptionalTerms, Padding, Protocol, ResultKind};
use symbolon_tables::Duplicates;
use symbolon_tests::hostile::tls::withdrawals;
use symbolon_tests::{Node, Pair};
use tokio_stream::StreamExt;

/// Rows of each table: enough that a job runs while something else happens.
const ROWS: u32 = 4000;

async fn pair() -> Result<(Pair, String)> {
    pair_of(ROWS).await
}

async fn pair_of(rows: u32) -> Result<(Pair, String)> {
    let pair = Pair::start(&[]).await?;
    let rows = |header: &str| {
        let mut text = format!("{header}\n");
        (0..rows).for_each(|row| text.push_str(&format!("{row}\n")));
        text
    };
    pair.table(&pair.bank, "customers", "id", &rows("id"), Duplicates::Reject).await?;
    pair.table(&pair.bureau, "files", "key", &rows("key"), Duplicates::Reject).await?;
    let options = DraftOptions {
        table: "customers".to_owned(),
        peer: "bureau".to_owned(),
        partner_card: pair.bureau.home().table_card("files").await?,
        title: "Check".to_owned(),
        purpose: "Test of keys".to_owned(),
        allow: vec![DraftAllow { protocol: Protocol::EcdhOprf, result: ResultKind::Match, to: DraftRecipient::Own }],
        valid_from: None,
        valid_days: 30,
        runs_max: 10,
        rows_total_max: None,
        intersection_min: 0,
        padding: Padding::Sixteenth,
        own: DraftSide::default(),
        partner: DraftSide::default(),
        optional: OptionalTerms::default(),
    };
    let agreement = pair.agree(&options).await?;
    Ok((pair, agreement))
}

fn request(agreement: &str) -> JobRequest {
    JobRequest { agreement_id: agreement.to_owned(), result: Some(ResultKind::Match), ..JobRequest::default() }
}

/// Starts a job and waits until frames flow.
async fn running(node: &Node, agreement: &str) -> Result<String> {
    let job = node.create(request(agreement)).await?;
    let mut control = node.control().await?;
    let mut reports = control.watch(&job).await?;
    while let Some(report) = reports.next().await {
        let report = report?;
        assert!(!report.state.is_final(), "it ended too early: {report:?}");
        if report.state == JobState::Running {
            break;
        }
    }
    Ok(job)
}

async fn finished(node: &Node, job: &str) -> Result<()> {
    let report = node.wait(job).await?;
    assert_eq!(report.state, JobState::Done, "{report:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn every_key_changes_while_a_job_runs_and_the_agreement_stays() -> Result<()> {
    let (pair, agreement) = pair().await?;
    let (before, old_pin) = (pair.bank.home().keys().organisation_public(), pair.bank.home().keys().spki_pin());
    let job = running(&pair.bank, &agreement).await?;
    for (node, peer) in [(&pair.bank, "bureau"), (&pair.bureau, "bank")] {
        for kind in [KeyKind::Tls, KeyKind::Organisation, KeyKind::Sealing] {
            let change = node.home().key_rotate(kind, symbolon_node::ops::keys::days(14)).await?;
            assert_eq!(change.partners.len(), 1);
            assert_eq!(change.partners[0].peer, peer);
            assert!(change.partners[0].taken, "{:?}", change.partners);
        }
    }
    finished(&pair.bank, &job).await?;
    assert_ne!(pair.bank.home().keys().organisation_public(), before);
    assert_ne!(pair.bank.home().keys().spki_pin(), old_pin);
    let known = pair.bureau.home().peer_show("bank").await?;
    assert_eq!(known.organisation_key, pair.bank.home().keys().organisation_public().to_bytes());
    assert_eq!(known.parsed_card()?.contents().identity.sequence, 3);
    // The agreement names the keys of before; it holds all the same, asked from either side.
    let job = pair.bank.create(request(&agreement)).await?;
    finished(&pair.bank, &job).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partner_that_was_away_gets_the_card_at_the_next_contact() -> Result<()> {
    let (pair, agreement) = pair().await?;
    let Pair { dir, bank, bureau } = pair;
    let bureau_home = bureau.stop().await?;
    let change = bank.home().key_rotate(KeyKind::Tls, symbolon_node::ops::keys::days(1)).await?;
    assert!(!change.partners[0].taken);
    assert_eq!(change.partners[0].reason, Some("PEER_UNREACHABLE"));
    assert_eq!(bank.home().cards_waiting().await?.len(), 1);
    // The bureau comes back, elsewhere, and knows the old card only; the first contact is a job.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?.to_string();
    let card = bureau_home.card()?.to_toml();
    bank.home().peer_add(Some("bureau"), &card, Some(&address), true).await?;
    let bureau = Node::serve(bureau_home, listener).await?;
    let job = bank.create(request(&agreement)).await?;
    finished(&bank, &job).await?;
    assert!(bank.home().cards_waiting().await?.is_empty());
    let known = bureau.home().peer_show("bank").await?;
    assert_eq!(known.spki_pin, bank.home().keys().spki_pin());
    drop(dir);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_withdrawn_partner_loses_its_running_job_and_its_connections() -> Result<()> {
    let (pair, agreement) = pair().await?;
    let job = running(&pair.bank, &agreement).await?;
    let revoked = pair.bureau.home().peer_revoke("bank", None).await?;
    assert_eq!(revoked.len(), 2);
    let report = pair.bank.wait(&job).await?;
    assert_eq!(report.state, JobState::Failed, "{report:?}");
    let theirs = pair.last_job(&pair.bureau).await?;
    let theirs = pair.bureau.wait(&theirs.id.to_string()).await?;
    let reason = theirs.failure.map(|failure| failure.reason);
    assert_eq!(reason.as_deref(), Some("KEY_REVOKED"));
    let again = pair.bank.create(request(&agreement)).await?;
    let report = pair.bank.wait(&again).await?;
    assert_eq!(report.failure.map(|failure| failure.reason).as_deref(), Some("PEER_REFUSED_US"));
    // The card of before does not bring it back.
    let card = pair.bank.home().card()?.to_toml();
    let error = pair.bureau.home().peer_add(Some("bank"), &card, None, true).await.unwrap_err();
    assert_eq!(error.reason(), "KEY_REVOKED");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_on_a_list_of_withdrawn_ones_ends_its_running_job() -> Result<()> {
    let (pair, agreement) = pair_of(40_000).await?;
    let Pair { dir, bank, bureau } = pair;
    // The bureau's node looks at a list of the bank's issuer, on which nothing stands yet.
    let home = bureau.stop().await?;
    let path = home.settings().home.clone();
    let list = dir.path().join("bank.crl");
    std::fs::write(&list, withdrawals(bank.home(), false)?)?;
    let text = std::fs::read_to_string(path.join("node.toml"))?;
    let changed = text.replace("crl = []", &format!("crl = [{list:?}]"));
    assert_ne!(text, changed);
    std::fs::write(path.join("node.toml"), changed)?;
    drop(home);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?.to_string();
    let home = Home::open(&path, &BTreeMap::new(), Arc::new(SystemClock)).await?;
    let card = home.card()?.to_toml();
    let bureau = Node::serve(home, listener).await?;
    bank.home().peer_add(Some("bureau"), &card, Some(&address), true).await?;

    let job = running(&bank, &agreement).await?;
    let next = list.with_extension("next");
    std::fs::write(&next, withdrawals(bank.home(), true)?)?;
    std::fs::rename(&next, &list)?;
    let report = bank.wait(&job).await?;
    assert_eq!(report.failure.map(|failure| failure.reason).as_deref(), Some("KEY_REVOKED"));
    let theirs = bureau.home().job_list(1).await?.remove(0);
    let theirs = bureau.wait(&theirs.id.to_string()).await?;
    assert_eq!(theirs.failure.map(|failure| failure.reason).as_deref(), Some("KEY_REVOKED"));
    assert!(!bank.home().settings().results_dir().join(&job).exists(), "no result is left");
    let again = bank.create(request(&agreement)).await?;
    let report = bank.wait(&again).await?;
    assert_eq!(report.failure.map(|failure| failure.reason).as_deref(), Some("PEER_REFUSED_US"));
    drop(dir);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_pair_on_the_disk_leaves_the_old_one_in_force() -> Result<()> {
    let (pair, agreement) = pair().await?;
    let path = pair.bureau.home().settings().keys_dir().join("tls.crt");
    let good = std::fs::read(&path)?;
    let pin = pair.bureau.home().keys().spki_pin();
    std::fs::write(&path, b"no certificate")?;
    tokio::time::sleep(Duration::from_millis(800)).await;
    assert_eq!(pair.bureau.home().keys().spki_pin(), pin);
    let job = pair.bank.create(request(&agreement)).await?;
    finished(&pair.bank, &job).await?;
    std::fs::write(&path, good)?;
    Ok(())
}
