//! Logs that are not what they were, and receipts that are not what they say.

use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result, ensure};
use symbolon_node::control_client::JobRequest;
use symbolon_node::home::Home;
use symbolon_node::session::EvidenceMessage;
use symbolon_policy::ResultKind;
use symbolon_policy::audit::{AuditError, Bundle, Check, Checkpoint, Log, SignedCheckpoint};
use symbolon_primitives::sign::Signature;
use symbolon_tests::hex;
use symbolon_tests::hostile::server::Forge;

use crate::answering::Trap;
use crate::report::{Attack, Report};
use crate::scene::Scene;

pub(crate) async fn attacks(report: &mut Report) -> Result<()> {
    let scene = Scene::new(&[("answer_seconds_max", 3), ("idle_seconds_max", 3)]).await?;
    for _ in 0..2 {
        honest_job(&scene).await?;
    }
    offline(report, &scene).await?;
    online(report, &scene).await
}

pub(crate) async fn honest_job(scene: &Scene) -> Result<()> {
    let bank = &scene.pair.bank;
    let agreement_id = hex(&scene.agreement);
    let request = JobRequest { agreement_id, result: Some(ResultKind::Enrich), ..JobRequest::default() };
    let job = bank.create(request).await?;
    let ended = bank.wait(&job).await?;
    ensure!(ended.failure.is_none(), "an honest job fails: {ended:?}");
    crate::report::quiet(&scene.pair.bureau).await
}

/// The word of the first thing that does not hold, besides that something is not there to compare with.
fn found(checks: impl IntoIterator<Item = Check>) -> Result<String> {
    let mut failures = checks.into_iter().filter_map(|check| check.failure);
    let failure = failures.find(|failure| *failure != AuditError::NothingSeen);
    Ok(failure.context("everything holds")?.label().to_owned())
}

/// A log as its owner would like it to have been: consistent, and signed with the owner's true key.
fn another_history(bundle: &Bundle, owner: &Home, lines: impl FnOnce(Vec<&str>) -> Vec<String>) -> Result<Bundle> {
    let text = std::str::from_utf8(&bundle.log)?;
    // A receipt in the log holds only with the head it was signed for.
    let without = text.lines().filter(|line| !line.contains("\"kind\":\"receipt\"")).collect();
    let log: String = lines(without).into_iter().map(|line| line + "\n").collect();
    ensure!(log != text, "the history is the true one");
    let checkpoint = Log::read(log.as_bytes())?.checkpoint();
    let note = SignedCheckpoint::sign(checkpoint, owner.keys().organisation())?;
    // What contradicts the new history is left out, as its owner would.
    Ok(Bundle {
        log: log.into_bytes(),
        checkpoint: note.to_string().into_bytes(),
        cosigned: Vec::new(),
        seen: Vec::new(),
        conflicts: Vec::new(),
        receipts: Vec::new(),
        ..bundle.clone()
    })
}

/// A made-up history holds as long as nobody else is asked.
fn holds(bundle: &Bundle) -> Result<()> {
    let failed: Vec<Check> = bundle.verify().into_iter().filter(|check| !check.passed()).collect();
    ensure!(failed.is_empty(), "it does not hold by itself: {failed:?}");
    Ok(())
}

/// What `audit verify` says of exports.
async fn offline(report: &mut Report, scene: &Scene) -> Result<()> {
    let (bank, bureau) = (scene.pair.bank.home(), scene.pair.bureau.home());
    let (ours, theirs) = (bank.audit_bundle().await?, bureau.audit_bundle().await?);
    let honest: Vec<Check> = [ours.verify(), theirs.verify(), ours.compare(&theirs)].concat();
    ensure!(honest.len() > 10 && honest.iter().all(Check::passed), "true logs do not verify: {honest:?}");

    let fork = another_history(&theirs, bureau, |lines| {
        lines.into_iter().map(|line| line.replacen("\"rows_peer\":4", "\"rows_peer\":2", 1)).collect()
    })?;
    holds(&fork)?;
    let attack = Attack::new("log_fork", "shows the auditor another history than the partner saw", "log_rewritten");
    report.elsewhere(attack, async { found(ours.compare(&fork)) }).await;

    let rollback = another_history(&theirs, bureau, |lines| {
        let half = lines.len() / 2;
        lines.into_iter().take(half).map(str::to_owned).collect()
    })?;
    holds(&rollback)?;
    let attack = Attack::new("log_rolled_back", "shows the auditor an earlier end of the log", "log_shorter");
    report.elsewhere(attack, async { found(ours.compare(&rollback)) }).await;

    let attack = Attack::new("checkpoint_rolled_back", "exports an old checkpoint beside a longer log", "log_shorter");
    let old = Bundle { checkpoint: theirs.cosigned.first().context("a checkpoint")?.1.clone(), ..theirs.clone() };
    report.elsewhere(attack, async { found(old.verify()) }).await;

    let attack = Attack::new("receipt_edited", "raises a number in a receipt", "signature_invalid");
    let (name, text) = ours.receipts.first().context("a receipt")?;
    let mut edited = String::from_utf8(text.clone())?;
    let rows = edited.find("rows").context("a receipt says the rows")?;
    let digit = rows + edited[rows..].find('4').context("four rows were declared")?;
    edited.replace_range(digit..=digit, "3");
    let bundle = Bundle { receipts: vec![(name.clone(), edited.into_bytes())], ..ours.clone() };
    report.elsewhere(attack, async { found(bundle.verify()) }).await;

    let attack = Attack::new(
        "receipt_for_another_job",
        "shows the receipt of a job its log does not have",
        "receipt_not_logged",
    );
    let bundle = another_history(&ours, bank, |lines| lines.into_iter().map(str::to_owned).collect())?;
    let bundle = Bundle { receipts: ours.receipts.clone(), ..bundle };
    report.elsewhere(attack, async { found(bundle.verify()) }).await;
    Ok(())
}

/// What is said in place of what should be.
fn forgeries() -> [(Attack, Forge); 6] {
    let kept: Arc<Mutex<Option<Signature>>> = Arc::default();
    let keep = Arc::clone(&kept);
    [
        (
            Attack::new("log_forked_in_a_job", "shows an end of its log that is no continuation", "PEER_LOG_FORKED"),
            Arc::new(|home, message| reheaded(home, message, |head| head.root = [9; 32])),
        ),
        (
            Attack::new("log_rolled_back_in_a_job", "shows an earlier end of its log", "PEER_LOG_FORKED"),
            Arc::new(|home, message| reheaded(home, message, |head| head.size = 1)),
        ),
        (
            Attack::new("forged_cosignature", "vouches with a signature of its own making", "SIGNATURE_INVALID"),
            Arc::new(|_, message| {
                if let EvidenceMessage::Cosigned(line) = message {
                    *line = SignedCheckpoint::sign(nothing(), &symbolon_primitives::sign::SigningKey::generate()?)?
                        .cosign(&symbolon_primitives::sign::SigningKey::generate()?, 1)?;
                }
                Ok(())
            }),
        ),
        (
            Attack::new("forged_receipt", "signs another receipt than both made", "PEER_RECEIPT_DIFFERS"),
            Arc::new(move |_, message| {
                if let EvidenceMessage::Receipt { signature, .. } = message {
                    *keep.lock().unwrap_or_else(PoisonError::into_inner) = Some(*signature);
                    let mut bytes = signature.to_bytes();
                    bytes[3] ^= 1;
                    *signature = Signature::from_bytes(bytes);
                }
                Ok(())
            }),
        ),
        (
            Attack::new(
                "receipt_of_an_earlier_job",
                "signs with its half of an earlier receipt",
                "PEER_RECEIPT_DIFFERS",
            ),
            Arc::new(move |_, message| {
                if let EvidenceMessage::Receipt { signature, .. } = message {
                    *signature = kept.lock().unwrap_or_else(PoisonError::into_inner).context("no half was kept")?;
                }
                Ok(())
            }),
        ),
        (
            Attack::new("receipt_withheld", "takes the other half and keeps its own", "RECEIPT_MISSING"),
            Arc::new(|_, message| match message {
                EvidenceMessage::Receipt { .. } => anyhow::bail!("gone"),
                _ => Ok(()),
            }),
        ),
    ]
}

/// What a node says to a peer whose log or receipt does not hold.
async fn online(report: &mut Report, scene: &Scene) -> Result<()> {
    let trap = Trap::set(scene).await?;
    for (attack, forge) in forgeries() {
        let gone = attack.name == "receipt_withheld";
        let tried = trap.meets(scene, scene.agreement, move |mut guest, wares| {
            let forge = Arc::clone(&forge);
            async move {
                guest.forge = Some(forge);
                // Refused before the first frame.
                let Ok(spec) = guest.begin(&wares).await else { return Ok(()) };
                match guest.pump(spec, &wares, |frame| vec![frame]).await {
                    Err(_) if gone => Ok(()),
                    other => other.map(drop),
                }
            }
        });
        report.attack(&scene.pair.bank, attack.spending(1), tried).await?;
    }
    Ok(())
}

fn nothing() -> Checkpoint {
    let key = [7; 32];
    Checkpoint { origin: symbolon_policy::audit::Origin::from_bytes(key), size: 1, root: key }
}

/// Signs another end of the log than the true one.
fn reheaded(home: &Home, message: &mut EvidenceMessage, change: impl FnOnce(&mut Checkpoint)) -> Result<()> {
    if let EvidenceMessage::Head { checkpoint, .. } = message {
        let mut head = *checkpoint.checkpoint();
        change(&mut head);
        *checkpoint = SignedCheckpoint::sign(head, home.keys().organisation())?;
    }
    Ok(())
}
