//! What trust costs: decisions, the evidence log, and both within one job. Prints one JSON line.
//!
//! `cargo bench -p symbolon-node --bench trust -- --log2 18`
//!
//! Options: `--log2 N` (rows of the job, default 18), `--dir DIR` (where the log lies; the figures are those of its disk).
//!
//! * `append_p50_us`: one entry after the other, each on the disk before the next, through [`Evidence`]; beside it
//!   `fsync_p50_us`, the same bytes appended to a bare file with a sync of its data, measured in turn with the appends,
//!   so that both meet the same disk.
//! * `batched_entries_per_second`: 32 tasks append at the same time.
//! * The job: two nodes in this process over TLS on loopback, `2^N` rows on each side, half of them common. Processor time is
//!   that of the whole process from the request to the result; what the gate and the log took of it is counted by themselves.

#![expect(clippy::print_stdout, reason = "the figures are the output")]

#[path = "oneshot/nodes.rs"]
#[allow(dead_code, reason = "the bench of one run uses the rest")]
mod nodes;
#[path = "oneshot/process.rs"]
#[allow(dead_code, reason = "the bench of one run uses the rest")]
mod side;

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustix::time::ClockId;
use serde_json::{Value, json};
use symbolon_node::clock::{Clock, SystemClock};
use symbolon_node::control_client::{ControlClient, JobRequest};
use symbolon_node::evidence::Evidence;
use symbolon_node::home::Home;
use symbolon_node::store::JobState;
use symbolon_policy::audit::Entry;
use symbolon_psi::Protocol;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio_stream::StreamExt;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

const APPENDS: usize = 400;
const APPENDERS: usize = 32;
const APPENDS_EACH: usize = 64;

/// What to run, as the bench of one run has it.
#[derive(Clone, Debug)]
struct Options {
    protocol: Protocol,
    log2: u32,
    payload: u32,
    threads: usize,
}

fn main() -> Result<()> {
    let mut options = Options {
        protocol: Protocol::EcdhOprf,
        log2: 18,
        payload: 0,
        threads: std::thread::available_parallelism()?.get(),
    };
    let mut dir: Option<PathBuf> = None;
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or("an option lacks its value");
        match word.as_str() {
            "--log2" => options.log2 = value()?.parse()?,
            "--dir" => dir = Some(value()?.into()),
            // Cargo adds this.
            "--bench" => {}
            _ => return Err("unknown option".into()),
        }
    }
    let place = match dir {
        Some(dir) => tempfile::tempdir_in(dir)?,
        None => tempfile::tempdir()?,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let append = runtime.block_on(append(&options, place.path()))?;
    let job = runtime.block_on(job(&options, place.path()))?;
    println!("{}", json!({ "append": append, "job": job }));
    Ok(())
}

fn entry() -> Entry {
    Entry::new(SystemClock.now(), "job_finished")
        .id("job", &[1; 16])
        .hash("sid", &[2; 32])
        .hash("agreement", &[3; 32])
        .hash("job_spec", &[4; 32])
        .hash("transcript_initiator", &[5; 32])
        .hash("transcript_responder", &[6; 32])
}

fn median(mut times: Vec<Duration>) -> f64 {
    times.sort_unstable();
    times[times.len() / 2].as_secs_f64() * 1e6
}

async fn append(options: &Options, dir: &Path) -> Result<Value> {
    let home = nodes::home(dir, "log", options).await?;
    let evidence = home.evidence();
    let line = entry().to_line()? + "\n";
    let mut bare =
        OpenOptions::new().create(true).append(true).open(home.settings().audit_dir().with_file_name("bare"))?;
    evidence.append(entry()).await?;
    let (mut appends, mut syncs) = (Vec::with_capacity(APPENDS), Vec::with_capacity(APPENDS));
    for _ in 0..APPENDS {
        let start = SystemClock.monotonic();
        evidence.append(entry()).await?;
        appends.push(SystemClock.monotonic() - start);
        let start = SystemClock.monotonic();
        bare.write_all(line.as_bytes())?;
        bare.sync_data()?;
        syncs.push(SystemClock.monotonic() - start);
    }
    let (append_p50, fsync_p50) = (median(appends), median(syncs));
    let (per_second, batch) = batched(evidence).await?;
    Ok(json!({
        "entry_bytes": line.len(),
        "append_p50_us": append_p50,
        "fsync_p50_us": fsync_p50,
        "ratio": append_p50 / fsync_p50,
        "appenders": APPENDERS,
        "batched_entries_per_second": per_second,
        "batched_entries_per_sync": batch,
    }))
}

async fn batched(evidence: &Evidence) -> Result<(f64, f64)> {
    let before = evidence.usage();
    let start = SystemClock.monotonic();
    let tasks: Vec<_> = (0..APPENDERS)
        .map(|_| {
            let evidence = evidence.clone();
            tokio::spawn(async move {
                for _ in 0..APPENDS_EACH {
                    evidence.append(entry()).await?;
                }
                Ok::<(), symbolon_node::Error>(())
            })
        })
        .collect();
    for task in tasks {
        task.await??;
    }
    let seconds = (SystemClock.monotonic() - start).as_secs_f64();
    let after = evidence.usage();
    #[expect(clippy::cast_precision_loss, reason = "counts of a bench")]
    let (entries, syncs) = ((after.entries - before.entries) as f64, (after.syncs - before.syncs) as f64);
    Ok((entries / seconds, entries / syncs))
}

/// A node that serves in this process.
struct Served {
    home: Home,
    stop: oneshot::Sender<()>,
    task: tokio::task::JoinHandle<std::result::Result<(), symbolon_node::Error>>,
    port: u16,
}

async fn serve(home: &Home) -> Result<Served> {
    let home = Home::open(&home.settings().home, &BTreeMap::new(), Arc::new(SystemClock)).await?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let port = listener.local_addr()?.port();
    let (stop, stopped) = oneshot::channel::<()>();
    let (ready, is_ready) = oneshot::channel::<()>();
    let serving = symbolon_node::run(home.clone(), listener, move || ready.send(()).unwrap_or_default(), async move {
        drop(stopped.await);
    });
    let task = tokio::spawn(serving);
    is_ready.await?;
    Ok(Served { home, stop, task, port })
}

async fn job(options: &Options, dir: &Path) -> Result<Value> {
    let (bank, bureau) = (nodes::home(dir, "bank", options).await?, nodes::home(dir, "bureau", options).await?);
    let (bank_node, bureau_node) = (serve(&bank).await?, serve(&bureau).await?);
    let at = |node: &Served| format!("127.0.0.1:{}", node.port);
    bank.peer_add(Some("bureau"), &bureau.card()?.to_toml(), Some(&at(&bureau_node)), false).await?;
    bureau.peer_add(Some("bank"), &bank.card()?.to_toml(), Some(&at(&bank_node)), false).await?;
    let count = 1_u64 << options.log2;
    nodes::table(&bank, dir, "customers", count / 2, count, 0).await?;
    nodes::table(&bureau, dir, "files", 0, count, 0).await?;
    let agreement_id = nodes::agree(&bank, &bureau, options).await?;

    let homes = [&bank_node.home, &bureau_node.home];
    let used = || {
        let gate: u64 = homes.iter().map(|home| home.gate().usage().cpu_nanoseconds).sum();
        let decisions: u64 = homes.iter().map(|home| home.gate().usage().decisions).sum();
        let log: Duration = homes.iter().map(|home| home.evidence().usage().cpu).sum();
        let entries: u64 = homes.iter().map(|home| home.evidence().usage().entries).sum();
        (Duration::from_nanos(gate).as_secs_f64(), log.as_secs_f64(), decisions, entries)
    };
    let mut control = ControlClient::connect(bank.settings().control_socket()).await?;
    let (before, cpu_before) = (used(), side::cpu_seconds(ClockId::ProcessCPUTime));
    let request = JobRequest { agreement_id, result: Some(nodes::result(options)), ..JobRequest::default() };
    let id = control.create_job(request).await?;
    let mut reports = control.watch(&id).await?;
    let mut last = None;
    while let Some(report) = reports.next().await {
        last = Some(report?);
    }
    let last = last.ok_or("no report")?;
    if last.state != JobState::Done {
        return Err(format!("the job failed: {:?}", last.failure).into());
    }
    let (after, cpu) = (used(), side::cpu_seconds(ClockId::ProcessCPUTime) - cpu_before);
    let (decide, log) = (after.0 - before.0, after.1 - before.1);
    for node in [bank_node, bureau_node] {
        drop(node.stop);
        node.task.await??;
    }
    Ok(json!({
        "log2": options.log2,
        "cpu_seconds": cpu,
        "decide_cpu_seconds": decide,
        "decisions": after.2 - before.2,
        "append_cpu_seconds": log,
        "entries": after.3 - before.3,
        "share_percent": (decide + log) / cpu * 100.0,
    }))
}
