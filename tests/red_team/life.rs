//! Agreements that are held or ended, and keys that were withdrawn.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use symbolon_node::clock::{Clock, SystemClock};
use symbolon_node::home::Home;
use symbolon_policy::NoticeKind;
use symbolon_tests::hostile::client::Intruder;
use symbolon_tests::hostile::word;
use symbolon_tests::{Node, Pair};
use symbolon_wire::v1;
use tokio::net::TcpListener;

use crate::report::{Attack, Report};
use crate::scene::{Scene, agree, ask};
use crate::standing::waits;

pub(crate) async fn attacks(report: &mut Report) -> Result<()> {
    let scene = Scene::new(&[]).await?;
    Box::pin(notices(report, &scene)).await?;
    Box::pin(suspension(report, &scene)).await?;
    Box::pin(revocation(report, &scene)).await?;
    Box::pin(cards(report, &scene)).await?;
    Box::pin(withdrawal(report, &scene)).await?;
    Box::pin(probing(report)).await
}

/// A notice over the wire, signed by nobody.
fn notice(agreement: [u8; 32], kind: &str) -> v1::AgreementNotice {
    v1::AgreementNotice {
        agreement_id: agreement.to_vec(),
        kind: kind.to_owned(),
        sequence: 1,
        time_unix_seconds: SystemClock.now().timestamp(),
        word: String::new(),
        signature: vec![0; 64],
    }
}

async fn notified(intruder: &Intruder, notice: v1::AgreementNotice) -> Result<String> {
    let request = v1::NotifyAgreementRequest { notice: Some(notice) };
    match intruder.connect().await?.grpc.notify_agreement(request).await {
        Ok(_) => bail!("the node takes it"),
        Err(status) => Ok(word(&status)),
    }
}

async fn notices(report: &mut Report, scene: &Scene) -> Result<()> {
    let bureau = &scene.pair.bureau;
    for (name, tries, kind) in [
        ("forged_suspension", "suspends with a signature that does not fit", "suspend"),
        ("forged_revocation", "revokes with a signature that does not fit", "revoke"),
        ("unknown_notice", "sends a notice of a kind that is none", "extend"),
    ] {
        let attack = Attack::new(name, tries, "PEER_MISBEHAVED");
        report.attack(bureau, attack, notified(&scene.bank(), notice(scene.agreement, kind))).await?;
    }
    let attack =
        Attack::new("notice_of_a_third", "a third institution suspends the agreement of two", "PEER_MISBEHAVED");
    report.attack(bureau, attack, notified(&scene.stranger(), notice(scene.agreement, "suspend"))).await?;
    let attack = Attack::new("notice_on_nothing", "suspends an agreement that is not stored", "PEER_MISBEHAVED");
    report.attack(bureau, attack, notified(&scene.bank(), notice([9; 32], "suspend"))).await
}

async fn suspension(report: &mut Report, scene: &Scene) -> Result<()> {
    let bureau = &scene.pair.bureau;
    let held = agree(&scene.pair, "To be held", |_| {}).await?;
    let running = Box::pin(async {
        let suspend = async {
            tokio::time::sleep(Duration::from_millis(500)).await;
            bureau.home().agreement_notice("To be held", NoticeKind::Suspend, None).await
        };
        let asked = ask(held, None);
        let (ended, told) = tokio::join!(waits(scene, &asked), suspend);
        told?;
        ended
    });
    report
        .elsewhere(
            Attack::new("job_of_a_suspended_agreement", "goes on after the suspension", "AGREEMENT_SUSPENDED"),
            running,
        )
        .await;

    let attack = Attack::new("offer_under_suspension", "asks under a suspended agreement", "AGREEMENT_SUSPENDED");
    report.attack(bureau, attack, scene.bank().offered(&ask(held, None), |_| {})).await?;
    let attack = Attack::new("resumed_by_the_other", "resumes what only the other side may resume", "PEER_MISBEHAVED");
    report.attack(bureau, attack, notified(&scene.bank(), notice(held, "resume"))).await?;
    let attack = Attack::new("offer_after_false_resume", "asks again after that", "AGREEMENT_SUSPENDED");
    report.attack(bureau, attack, scene.bank().offered(&ask(held, None), |_| {})).await
}

async fn revocation(report: &mut Report, scene: &Scene) -> Result<()> {
    let bureau = &scene.pair.bureau;
    let ended = agree(&scene.pair, "To be ended", |_| {}).await?;
    bureau.home().agreement_notice("To be ended", NoticeKind::Revoke, None).await?;
    let attack = Attack::new("offer_after_revocation", "asks under a revoked agreement", "AGREEMENT_REVOKED");
    report.attack(bureau, attack, scene.bank().offered(&ask(ended, None), |_| {})).await
}

async fn carded(intruder: &Intruder, card: String) -> Result<String> {
    match intruder.connect().await?.grpc.update_card(v1::UpdateCardRequest { card }).await {
        Ok(_) => bail!("the node takes it"),
        Err(status) => Ok(word(&status)),
    }
}

async fn cards(report: &mut Report, scene: &Scene) -> Result<()> {
    let bureau = &scene.pair.bureau;
    let foreign = scene.mallory.home().card()?.to_toml();
    let attack = Attack::new("card_of_another", "puts another institution's card in its place", "CARD_NAME_DIFFERS");
    report.attack(bureau, attack, carded(&scene.bank(), foreign)).await?;
    let own = scene.pair.bank.home().card()?.to_toml();
    let edited = own.replace("127.0.0.1", "127.0.0.2");
    ensure!(edited != own, "the card has another form");
    let attack = Attack::new("edited_card", "moves a card's address without signing it anew", "PEER_MISBEHAVED");
    report.attack(bureau, attack, carded(&scene.bank(), edited)).await
}

/// The last group, since the bank is a stranger to the bureau afterwards.
async fn withdrawal(report: &mut Report, scene: &Scene) -> Result<()> {
    let bureau = &scene.pair.bureau;
    let running = Box::pin(async {
        let withdraw = async {
            tokio::time::sleep(Duration::from_millis(500)).await;
            let peers = bureau.home().peer_list().await?;
            let key = scene.pair.bank.home().keys().organisation_public().to_bytes();
            let bank = peers.into_iter().find(|peer| peer.organisation_key == key).context("the bank is known")?;
            anyhow::Ok(bureau.home().peer_revoke(&bank.name, None).await?)
        };
        let asked = scene.ask();
        let (ended, withdrawn) = tokio::join!(waits(scene, &asked), withdraw);
        withdrawn?;
        ended
    });
    report
        .elsewhere(Attack::new("job_of_a_withdrawn_key", "goes on after its key was withdrawn", "KEY_REVOKED"), running)
        .await;
    let refused = async {
        match scene.bank().connect().await {
            Ok(mut client) => match client.grpc.hello(v1::HelloRequest::default()).await {
                Ok(_) => bail!("the node answers"),
                Err(_) => Ok("PEER_REFUSED_US".to_owned()),
            },
            Err(_) => Ok("PEER_REFUSED_US".to_owned()),
        }
    };
    report
        .elsewhere(
            Attack::new("connection_with_a_withdrawn_key", "connects with a withdrawn key", "PEER_REFUSED_US"),
            refused,
        )
        .await;
    Ok(())
}

/// A sign of probing suspends the agreement where the operator wants it so.
async fn probing(report: &mut Report) -> Result<()> {
    let Scene { pair: Pair { dir, bank, bureau }, mallory, agreement } = Scene::new(&[]).await?;
    let home = bureau.stop().await?.settings().home.clone();
    let path = home.join("node.toml");
    let text = std::fs::read_to_string(&path)?.replace("\nsuspend = false", "\nsuspend = true");
    ensure!(text.contains("\nsuspend = true"), "the configuration has another form");
    std::fs::write(&path, text)?;
    let home = Home::open(&home, &BTreeMap::new(), Arc::new(SystemClock)).await?;
    let bureau = Node::serve(home, TcpListener::bind("127.0.0.1:0").await?).await?;
    let scene = Scene { pair: Pair { dir, bank, bureau }, mallory, agreement };
    let (bureau, ask) = (&scene.pair.bureau, scene.ask());

    let attack = Attack::new("probing_with_few_keys", "asks about four keys", "PROBING_SUSPECTED");
    report.elsewhere(attack, scene.bank().offered(&ask, |_| {})).await;
    let log = std::fs::read_to_string(bureau.home().settings().home.join("audit/log.jsonl"))?;
    ensure!(log.contains("\"agreement_suspended\""), "the suspension is not recorded");
    let attack = Attack::new("probing_again", "asks again after it was suspected", "AGREEMENT_SUSPENDED");
    report.attack(bureau, attack, scene.bank().offered(&ask, |_| {})).await
}
