//! One line an attack, and the comparison of a node with itself.

use std::collections::BTreeSet;
use std::future::Future;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use symbolon_tests::hostile::is_documented;
use symbolon_tests::{Node, hex};

/// Words for attacks that meet no refusal because there is nothing to refuse.
pub(crate) const WORDS: [(&str, &str); 5] = [
    ("VIEW_UNCHANGED", "what the attacker sees has the same messages, of the same lengths, as in an honest run"),
    ("log_rewritten", "`audit verify`: the log is not the one that was shown to the other party"),
    ("log_shorter", "`audit verify`: entries that were signed for are gone"),
    ("receipt_not_logged", "`audit verify`: the log does not hold the receipt"),
    ("signature_invalid", "`audit verify`: what was signed is not what is there"),
];

/// How long the jobs of an attack may take to end.
const QUIET_MAX: Duration = Duration::from_secs(60);

/// Entries that change nothing.
const RECORDED: [&str; 8] = [
    "log_opened",
    "decision",
    "calls_refused",
    "budget_alert",
    "result_opened",
    "peer_checkpoint_cosigned",
    "peer_log_forked",
    "receipt",
];

/// What an attack is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Attack {
    /// Its name.
    pub(crate) name: &'static str,
    /// What it tries.
    pub(crate) tries: &'static str,
    /// What it is refused with.
    pub(crate) reason: &'static str,
    /// Runs it spends, because a job is accepted rightly before the attack begins.
    pub(crate) runs: u64,
    /// Results it leaves, because the job it is part of ends well.
    pub(crate) results: usize,
}

impl Attack {
    /// An attack that spends nothing.
    pub(crate) const fn new(name: &'static str, tries: &'static str, reason: &'static str) -> Self {
        Self { name, tries, reason, runs: 0, results: 0 }
    }

    /// The same, where `runs` jobs are accepted rightly first.
    pub(crate) const fn spending(mut self, runs: u64) -> Self {
        self.runs = runs;
        self
    }

    /// The same, where `results` jobs end well all the same.
    pub(crate) const fn giving(mut self, results: usize) -> Self {
        self.results = results;
        self
    }
}

/// What of a node must not change.
#[derive(Clone, Debug, PartialEq, Eq)]
struct State {
    agreements: Vec<(String, String)>,
    peers: Vec<(String, String, String, String)>,
    results: BTreeSet<String>,
    runs: u64,
    /// The evidence log, which only grows.
    log: Vec<u8>,
}

impl State {
    async fn of(node: &Node) -> Result<Self> {
        let home = node.home();
        let (mut agreements, mut runs) = (Vec::new(), 0);
        for view in home.agreement_list().await? {
            runs += view.spent.runs;
            agreements.push((hex(&view.record.id), format!("{:?}", view.record.state)));
        }
        let peers = home.peer_list().await?.into_iter();
        let peers = peers.map(|peer| (peer.name, hex(&peer.organisation_key), hex(&peer.spki_pin), peer.endpoint));
        let mut results = BTreeSet::new();
        if let Ok(entries) = std::fs::read_dir(home.settings().results_dir()) {
            for entry in entries {
                results.insert(entry?.file_name().to_string_lossy().into_owned());
            }
        }
        Ok(Self { agreements, peers: peers.collect(), results, runs, log: log(node)? })
    }
}

/// What became of the attacks so far.
#[derive(Debug, Default)]
pub(crate) struct Report {
    names: BTreeSet<&'static str>,
    failures: Vec<String>,
}

impl Report {
    /// Runs an attack on `victim`: `tried` gives the word it is refused with.
    pub(crate) async fn attack(
        &mut self,
        victim: &Node,
        attack: Attack,
        tried: impl Future<Output = Result<String>>,
    ) -> Result<()> {
        let before = State::of(victim).await?;
        let word = tried.await;
        quiet(victim).await?;
        let after = State::of(victim).await?;
        let verdict = judge(&attack, word, before, after);
        self.record(&attack, verdict);
        Ok(())
    }

    /// Runs an attack on something that is no running node.
    pub(crate) async fn elsewhere(&mut self, attack: Attack, tried: impl Future<Output = Result<String>>) {
        let verdict = tried.await.and_then(|word| fits(&attack, word));
        self.record(&attack, verdict);
    }

    #[expect(clippy::print_stdout, reason = "the suite's one line for each attack")]
    fn record(&mut self, attack: &Attack, verdict: Result<String>) {
        let Attack { name, tries, .. } = *attack;
        if !self.names.insert(name) {
            self.failures.push(format!("{name}: the name is used twice"));
        }
        match verdict {
            Ok(reason) => println!("attack {name}: refused with {reason}"),
            Err(error) => {
                println!("attack {name}: NOT REFUSED");
                self.failures.push(format!("{name} ({tries}): {error:#}"));
            }
        }
    }

    /// Takes in how a group of attacks ended: what it needs besides the attacks must work.
    pub(crate) fn group(&mut self, name: &str, ended: Result<()>) {
        if let Err(error) = ended {
            self.failures.push(format!("the group {name} ends early: {error:#}"));
        }
    }

    /// Fails when an attack went through, or too few were tried.
    pub(crate) fn finish(self, attacks_min: usize) -> Result<()> {
        ensure!(self.failures.is_empty(), "{} attacks:\n{}", self.failures.len(), self.failures.join("\n"));
        ensure!(self.names.len() >= attacks_min, "only {} attacks, {attacks_min} expected", self.names.len());
        Ok(())
    }
}

fn fits(attack: &Attack, word: String) -> Result<String> {
    let known = is_documented(&word) || WORDS.iter().any(|known| known.0 == word);
    ensure!(known, "{word} is not documented");
    ensure!(word == attack.reason, "refused with {word}, expected {}", attack.reason);
    Ok(word)
}

fn judge(attack: &Attack, word: Result<String>, before: State, after: State) -> Result<String> {
    let word = fits(attack, word?)?;
    let grown = after.log.strip_prefix(&before.log[..]).context("the evidence log was rewritten")?;
    recorded(std::str::from_utf8(grown)?)?;
    ensure!(after.results.is_superset(&before.results), "a result is gone");
    let fresh = after.results.len() - before.results.len();
    ensure!(fresh == attack.results, "{fresh} results appeared");
    let expected =
        State { runs: before.runs + attack.runs, results: after.results.clone(), log: after.log.clone(), ..before };
    ensure!(after == expected, "the node changed");
    Ok(word)
}

/// What an attack may leave in the evidence log: decisions, refusals, and what belongs to jobs that began rightly.
fn recorded(entries: &str) -> Result<()> {
    for entry in entries.lines() {
        let entry: serde_json::Value = serde_json::from_str(entry)?;
        let kind = entry["kind"].as_str().context("an entry has a kind")?;
        ensure!(RECORDED.contains(&kind) || kind.starts_with("job_"), "the log says {kind}");
    }
    Ok(())
}

fn log(node: &Node) -> Result<Vec<u8>> {
    let path = node.home().settings().home.join("audit/log.jsonl");
    match std::fs::read(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        other => Ok(other?),
    }
}

/// Waits until no job of the node runs.
pub(crate) async fn quiet(node: &Node) -> Result<()> {
    let settled = async {
        loop {
            let jobs = node.home().job_list(100).await?;
            if jobs.iter().all(|job| job.state.is_final()) {
                return anyhow::Ok(());
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(QUIET_MAX, settled).await.context("a job of the node does not end")?
}

/// The reason with which the node's last job failed, which says more than what the peer is told.
pub(crate) async fn last_failure(node: &Node) -> Result<String> {
    quiet(node).await?;
    let job = node.home().job_list(1).await?.into_iter().next().context("the node has no job")?;
    Ok(job.failure.with_context(|| format!("the job did not fail: {:?}", job.state))?.reason)
}
