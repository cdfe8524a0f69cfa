//! Agreements that do not hold, and policies that forbid.

use std::time::Duration;

use anyhow::Result;
use chrono::Utc;
use symbolon_node::clock::{Clock, SystemClock};
use symbolon_tests::hostile::client::Ask;
use symbolon_wire::v1::exchange_request::Message as RequestMessage;

use crate::report::{Attack, Report, last_failure};
use crate::scene::{Scene, agree, ask};

const FORBID_BATCH: &str = "@id(\"own\")\nforbid (principal, action == Symbolon::Action::\"batch\", resource);\n";
const FORBID_ACCEPT: &str = "@id(\"own\")\nforbid (principal, action == Symbolon::Action::\"accept\", resource);\n";
const PERMIT_ALL: &str = "@id(\"own\")\npermit (principal, action, resource);\n";

pub(crate) async fn attacks(report: &mut Report) -> Result<()> {
    let scene = Scene::new(&[]).await?;
    times(report, &scene).await?;
    policies(report, &scene).await
}

fn now() -> chrono::DateTime<Utc> {
    SystemClock.now()
}

async fn times(report: &mut Report, scene: &Scene) -> Result<()> {
    let bureau = &scene.pair.bureau;
    let later =
        agree(&scene.pair, "Tomorrow", |options| options.valid_from = Some(now() + chrono::Days::new(1))).await?;
    let attack = Attack::new("agreement_of_tomorrow", "asks before the agreement holds", "AGREEMENT_NOT_YET_VALID");
    report.attack(bureau, attack, scene.bank().offered(&ask(later, None), |_| {})).await?;

    // Over in a few seconds.
    let short = agree(&scene.pair, "Almost over", |options| {
        options.valid_from = Some(now() - chrono::Days::new(1) + Duration::from_secs(4));
        options.valid_days = 1;
    })
    .await?;
    let attack =
        Attack::new("expiry_during_a_job", "keeps a job open beyond the end of the agreement", "AGREEMENT_EXPIRED");
    report.attack(bureau, attack.spending(1), waits(scene, &ask(short, None))).await?;

    let attack = Attack::new("expired_agreement", "asks after the agreement has ended", "AGREEMENT_EXPIRED");
    report.attack(bureau, attack, scene.bank().offered(&ask(short, None), |_| {})).await
}

/// A job that does nothing but live.
async fn waits(scene: &Scene, ask: &Ask) -> Result<String> {
    let mut run = scene.bank().begin(ask).await?;
    let outbound = run.talk.outbound.clone();
    let alive = tokio::spawn(async move {
        let message =
            symbolon_wire::v1::ExchangeRequest { message: Some(RequestMessage::Alive(symbolon_wire::v1::JobAlive {})) };
        while outbound.send(message.clone()).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    });
    let word = run.talk.end().await;
    alive.abort();
    word?;
    last_failure(&scene.pair.bureau).await
}

async fn policies(report: &mut Report, scene: &Scene) -> Result<()> {
    let bureau = &scene.pair.bureau;
    let directory = bureau.home().settings().home.join(symbolon_node::gate::DIRECTORY);
    std::fs::create_dir_all(&directory)?;
    let file = directory.join("own.cedar");

    std::fs::write(&file, PERMIT_ALL)?;
    for (attack, change) in [
        (
            Attack::new(
                "policy_that_permits_everything",
                "an insider's policy opens a column marked never",
                "COLUMN_NEVER",
            ),
            (|body| body.columns = vec!["secret".to_owned()]) as fn(&mut symbolon_wire::v1::JobOfferBody),
        ),
        (
            Attack::new(
                "policy_that_permits_any_purpose",
                "an insider's policy opens another purpose",
                "PURPOSE_DIFFERS",
            ),
            |body| body.purpose = "Marketing".to_owned(),
        ),
    ] {
        report.attack(bureau, attack, scene.bank().offered(&scene.ask(), change)).await?;
    }

    std::fs::write(&file, "")?;
    let attack =
        Attack::new("job_against_a_new_policy", "goes on with a job that policy forbids now", "POLICY_REFUSED");
    let tried = async {
        let forbid = async {
            tokio::time::sleep(Duration::from_millis(300)).await;
            std::fs::write(&file, FORBID_BATCH)
        };
        let ask = scene.ask();
        let (word, written) = tokio::join!(waits(scene, &ask), forbid);
        written?;
        word
    };
    report.attack(bureau, attack.spending(1), tried).await?;

    std::fs::write(&file, FORBID_ACCEPT)?;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let before = scene.bank().offered(&scene.ask(), |_| {}).await?;
    anyhow::ensure!(before == "POLICY_REFUSED", "the policy is not in force: {before}");
    crate::report::quiet(bureau).await?;
    std::fs::write(&file, "permit (principal")?;
    let attack = Attack::new(
        "policies_damaged_while_it_runs",
        "breaks the policy file of a running node, so that what it forbids is free",
        "POLICY_REFUSED",
    );
    let tried = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        scene.bank().offered(&scene.ask(), |_| {}).await
    };
    report.attack(bureau, attack, tried).await?;
    std::fs::remove_file(&file)?;
    Ok(())
}
