//! Hands on the files of a home, and the operators' door.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use rustls::version::TLS13;
use symbolon_node::clock::{Clock, SystemClock};
use symbolon_node::control_client::JobRequest;
use symbolon_node::home::Home;
use symbolon_policy::ResultKind;
use symbolon_policy::audit::Entry;
use symbolon_tests::hostile::{Identity, knock, reason};
use symbolon_tests::{Node, hex};
use tokio::net::TcpListener;

use crate::report::{Attack, Report};
use crate::scene::Scene;

pub(crate) async fn attacks(report: &mut Report) -> Result<()> {
    let scene = Scene::new(&[]).await?;
    results(report, &scene).await?;
    let vault = Node::start(scene.pair.dir.path(), "Vault", &[]).await?.stop().await?;
    logs(report, &vault, &scene).await?;
    keys(report, &vault, &scene).await?;
    operators(report, vault, &scene).await
}

async fn open(path: &Path) -> Result<Home, symbolon_node::Error> {
    Home::open(path, &BTreeMap::new(), Arc::new(SystemClock)).await
}

/// Opens a home and uses its keys; gives the reason why that fails.
async fn does_not_open(path: &Path) -> Result<String> {
    let home = match open(path).await {
        Ok(home) => home,
        Err(error) => return Ok(reason(&error)),
    };
    let error = home.evidence().head(Vec::new()).await.err().context("the home opens and its log works")?;
    Ok(reason(&error))
}

async fn results(report: &mut Report, scene: &Scene) -> Result<()> {
    let bank = &scene.pair.bank;
    let mut jobs = Vec::new();
    for _ in 0..2 {
        let request = JobRequest {
            agreement_id: hex(&scene.agreement),
            result: Some(ResultKind::Enrich),
            ..JobRequest::default()
        };
        let job = bank.create(request).await?;
        let ended = bank.wait(&job).await?;
        ensure!(ended.failure.is_none(), "an honest job fails: {ended:?}");
        let path = bank.home().result_show(&job).await?.file_path.context("the result is a file")?;
        bank.home().result_file(&job).await?.verify()?;
        jobs.push((job, path));
    }
    let (job, path) = &jobs[0];
    let honest = std::fs::read(path)?;
    let spoilt = async |bytes: &[u8]| {
        std::fs::write(path, bytes)?;
        let error = match bank.home().result_file(job).await {
            Ok(file) => file.verify().err().context("the result is taken")?,
            Err(error) => error,
        };
        Ok(reason(&error))
    };
    let mut flipped = honest.clone();
    let middle = flipped.len() / 2;
    flipped[middle] ^= 1;
    for (attack, bytes) in [
        (Attack::new("result_tampered_at_rest", "flips a bit of a result on the disk", "RESULT_CHANGED"), flipped),
        (
            Attack::new("result_cut_at_rest", "cuts the end of a result off", "RESULT_CHANGED"),
            honest[..honest.len() - 1].to_vec(),
        ),
        (
            Attack::new(
                "result_of_another_job",
                "puts the result of one job in the place of another's",
                "RESULT_CHANGED",
            ),
            std::fs::read(&jobs[1].1)?,
        ),
    ] {
        report.attack(bank, attack, spoilt(&bytes)).await?;
    }
    std::fs::write(path, &honest)?;
    bank.home().result_file(job).await?.verify()?;

    bank.home().job_delete(job).await?;
    let attack = Attack::new("deleted_result_brought_back", "restores the file of a deleted result", "RESULT_DELETED");
    std::fs::create_dir_all(path.parent().context("a directory")?)?;
    report.attack(bank, attack, spoilt(&honest)).await
}

/// The log of a node that does not run is changed; the node does not go on from it.
async fn logs(report: &mut Report, vault: &Home, scene: &Scene) -> Result<()> {
    for _ in 0..4 {
        vault.evidence().append(Entry::new(SystemClock.now(), "calls_refused").number("calls", 7)).await?;
    }
    vault.evidence().head(Vec::new()).await?;
    let log = vault.settings().home.join("audit/log.jsonl");
    let honest = std::fs::read_to_string(&log)?;
    let lines: Vec<&str> = honest.lines().collect();
    let without = |gone: usize| {
        let kept = lines.iter().enumerate().filter(|(index, _)| *index != gone);
        kept.map(|(_, line)| format!("{line}\n")).collect::<String>()
    };
    for (attack, text) in [
        (
            Attack::new("log_rewritten", "changes a number in an old entry", "AUDIT_LOG_REWRITTEN"),
            honest.replacen("\"calls\":7", "\"calls\":1", 1),
        ),
        (Attack::new("log_entry_removed", "takes one entry out of the log", "AUDIT_LOG_REWRITTEN"), without(2)),
        (Attack::new("log_cut", "takes the last entry off the log", "AUDIT_LOG_REWRITTEN"), without(lines.len() - 1)),
        (
            Attack::new("log_entries_exchanged", "changes the order of events", "AUDIT_LOG_REWRITTEN"),
            lines.iter().take(1).chain(lines[1..].iter().rev()).map(|line| format!("{line}\n")).collect(),
        ),
    ] {
        ensure!(text != honest, "{}: the log has another form", attack.name);
        let copy = copied(vault, scene, attack.name)?;
        std::fs::write(copy.join("audit/log.jsonl"), text)?;
        report.elsewhere(attack, does_not_open(&copy)).await;
    }
    Ok(())
}

/// A copy of a home that does not run.
fn copied(vault: &Home, scene: &Scene, name: &str) -> Result<PathBuf> {
    fn copy(from: &Path, to: &Path) -> std::io::Result<()> {
        std::fs::create_dir_all(to)?;
        std::fs::set_permissions(to, std::fs::metadata(from)?.permissions())?;
        for entry in std::fs::read_dir(from)? {
            let entry = entry?;
            let target = to.join(entry.file_name());
            if entry.file_type()?.is_dir() {
                copy(&entry.path(), &target)?;
            } else {
                std::fs::copy(entry.path(), &target)?;
            }
        }
        Ok(())
    }
    let path = scene.pair.dir.path().join(name);
    copy(&vault.settings().home, &path)?;
    Ok(path)
}

async fn keys(report: &mut Report, vault: &Home, scene: &Scene) -> Result<()> {
    let bank = scene.pair.bank.home().settings().keys_dir();
    let attack = Attack::new("exposed_key_file", "makes a private key readable for others", "KEY_EXPOSED");
    let copy = copied(vault, scene, attack.name)?;
    std::fs::set_permissions(copy.join("keys/organisation.key"), PermissionsExt::from_mode(0o644))?;
    report.elsewhere(attack, does_not_open(&copy)).await;

    let attack = Attack::new("certificate_of_another_key", "puts another institution's certificate in", "KEY_MISMATCH");
    let copy = copied(vault, scene, attack.name)?;
    std::fs::copy(bank.join("tls.crt"), copy.join("keys/tls.crt"))?;
    report.elsewhere(attack, does_not_open(&copy)).await;

    let attack =
        Attack::new("organisation_key_exchanged", "signs the log with another key from now on", "KEY_MALFORMED");
    let copy = copied(vault, scene, attack.name)?;
    std::fs::copy(bank.join("organisation.key"), copy.join("keys/organisation.key"))?;
    report.elsewhere(attack, does_not_open(&copy)).await;

    let attack =
        Attack::new("broken_policy_file", "damages the operator's policies to get past them", "POLICIES_UNUSABLE");
    let copy = copied(vault, scene, attack.name)?;
    std::fs::create_dir_all(copy.join("policies"))?;
    std::fs::write(copy.join("policies/own.cedar"), "forbid (principal, action, resource")?;
    let tried = async {
        let home = open(&copy).await?;
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let served = symbolon_node::run(home, listener, || (), std::future::pending());
        let ended =
            tokio::time::timeout(std::time::Duration::from_secs(20), served).await.context("the node serves")?;
        Ok(reason(&ended.err().context("the node ends without an error")?))
    };
    report.elsewhere(attack, tried).await;
    Ok(())
}

/// The port for operators lets in whom the configuration names, and no peer.
async fn operators(report: &mut Report, vault: Home, scene: &Scene) -> Result<()> {
    let home = vault.settings().home.clone();
    let operator = home.join("operator.crt");
    std::fs::copy(scene.mallory.home().settings().keys_dir().join("tls.crt"), &operator)?;
    // An address of this machine that only this process uses: loopback has sixteen million.
    let [_, high, low, last] = std::process::id().to_be_bytes();
    let address = std::net::SocketAddr::from(([127, high | 64, low, last | 1], 7_444));
    let mut text = std::fs::read_to_string(home.join("node.toml"))?;
    text.push_str(&format!("\n[control.tcp]\nlisten = \"{address}\"\noperators = [{operator:?}]\n"));
    std::fs::write(home.join("node.toml"), text)?;
    drop(vault);
    let node = Node::serve(open(&home).await?, TcpListener::bind("127.0.0.1:0").await?).await?;

    let named = Some(Identity::of(scene.mallory.home()));
    let welcome = knock(address, named, &[&TLS13], b"h2").await;
    ensure!(welcome.is_err(), "the named operator stays outside: {welcome:?}");
    let attack = Attack::new("control_port_as_a_peer", "a peer knocks at the operators' port", "PEER_REFUSED_US");
    let peer = Some(Identity::of(scene.pair.bank.home()));
    report.attack(&node, attack, knock(address, peer, &[&TLS13], b"h2")).await?;
    let attack =
        Attack::new("control_port_as_a_stranger", "a stranger knocks at the operators' port", "PEER_REFUSED_US");
    report.attack(&node, attack, knock(address, Some(Identity::made(|_| {})?), &[&TLS13], b"h2")).await?;

    let attack =
        Attack::new("control_calls_at_the_peer_port", "a peer calls the operators' service", "PEER_NOT_A_NODE");
    let tried = async {
        let client = scene.bank().connect().await?;
        let mut control = client.control();
        let answer = control.create_job(symbolon_wire::v1::CreateJobRequest::default()).await;
        Ok(symbolon_tests::hostile::word(&answer.err().context("the node answers")?))
    };
    report.attack(&scene.pair.bureau, attack, tried).await
}
