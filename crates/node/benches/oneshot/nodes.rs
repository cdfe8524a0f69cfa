//! Two nodes with a table each, an agreement between them, and one job.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::Arc;

use symbolon_node::clock::{Clock, SystemClock};
use symbolon_node::control_client::{ControlClient, JobReport, JobRequest};
use symbolon_node::home::{Home, InitOptions, init};
use symbolon_node::ops::agreements::AgreementInput;
use symbolon_node::ops::draft::{DraftAllow, DraftColumn, DraftOptions, DraftRecipient, DraftSide};
use symbolon_node::store::{JobRecord, JobState};
use symbolon_policy::{ColumnUse, OptionalTerms, Padding, ResultKind, SemiHonest};
use symbolon_psi::Protocol;
use symbolon_tables::{ColumnSpec, ColumnType, CsvOptions, Duplicates, Format, KeyPart, TableSpec};
use tokio::net::TcpListener;
use tokio_stream::StreamExt;

use crate::side::{cpu_seconds_of, peak_rss_bytes_of};
use crate::{Options, Result};

/// A text column takes a flag and a length besides its bytes.
pub(crate) const PAYLOAD_MIN: u32 = 4;

/// The figures of one side.
pub(crate) struct Figures {
    pub(crate) cpu_seconds: f64,
    pub(crate) bytes: u64,
    pub(crate) peak_rss_bytes: u64,
}

/// The figures of a run.
pub(crate) struct RunFigures {
    pub(crate) seconds: f64,
    pub(crate) seconds_job: f64,
    pub(crate) sender: Figures,
    pub(crate) receiver: Figures,
    pub(crate) matched: u64,
}

/// Serves a home until standard input ends; the first line of standard output is the port.
pub(crate) async fn serve(home: &Path) -> Result<()> {
    let home = Home::open(home, &BTreeMap::new(), Arc::new(SystemClock)).await?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let port = listener.local_addr()?.port();
    #[expect(clippy::print_stdout, reason = "the parent reads it")]
    let ready = move || println!("{port}");
    let stop = async {
        let ended = tokio::task::spawn_blocking(|| std::io::stdin().lines().count()).await;
        ended.map_or_else(|_| tracing::error!("standard input cannot be read"), |_| ());
    };
    Ok(symbolon_node::run(home, listener, ready, stop).await?)
}

/// A node in a process of its own; it stops when this value goes.
struct Process {
    child: Child,
    stdin: Option<ChildStdin>,
    port: u16,
}

impl Process {
    fn start(home: &Path) -> Result<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .arg("--child")
            .arg(home)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().ok_or("no output")?).read_line(&mut line)?;
        Ok(Self { stdin: child.stdin.take(), port: line.trim().parse()?, child })
    }

    fn stop(mut self) -> Result<()> {
        drop(self.stdin.take());
        if self.child.wait()?.success() { Ok(()) } else { Err("a node failed".into()) }
    }
}

/// Prepares both homes, starts both nodes, runs the job and reads the figures.
pub(crate) async fn run(options: &Options) -> Result<RunFigures> {
    let dir = tempfile::tempdir()?;
    let (bank, bureau) = (home(dir.path(), "bank", options).await?, home(dir.path(), "bureau", options).await?);
    let (bank_process, bureau_process) =
        (Process::start(&bank.settings().home)?, Process::start(&bureau.settings().home)?);
    let endpoint = |process: &Process| format!("127.0.0.1:{}", process.port);
    bank.peer_add(Some("bureau"), &bureau.card()?.to_toml(), Some(&endpoint(&bureau_process)), false).await?;
    bureau.peer_add(Some("bank"), &bank.card()?.to_toml(), Some(&endpoint(&bank_process)), false).await?;
    let count = 1_u64 << options.log2;
    table(&bank, dir.path(), "customers", count / 2, count, 0).await?;
    table(&bureau, dir.path(), "files", 0, count, options.payload).await?;
    let agreement_id = agree(&bank, &bureau, options).await?;

    let processes = [bureau_process.child.id(), bank_process.child.id()];
    let mut control = ControlClient::connect(bank.settings().control_socket()).await?;
    let started = SystemClock.monotonic();
    let request = JobRequest { agreement_id, result: Some(result(options)), ..JobRequest::default() };
    let job = control.create_job(request).await?;
    let (report, before) = watch(&mut control, &job, processes).await?;
    let seconds_job = (SystemClock.monotonic() - started).as_secs_f64();
    if report.state != JobState::Done {
        return Err(format!("the job failed: {:?}", report.failure).into());
    }
    let matched = bank.result_show(&job).await?.manifest.matched.unwrap_or_default();
    let ours = bank.job_show(&job).await?;
    let theirs = other_side(&bureau).await?;
    let side = |at: usize, bytes| -> Result<Figures> {
        let cpu_seconds = cpu_seconds_of(processes[at])? - before[at];
        Ok(Figures { cpu_seconds, bytes, peak_rss_bytes: peak_rss_bytes_of(processes[at])? })
    };
    // The bureau answers: it is the sender, except in the mutual join, where the names only tell directions apart.
    let (bureau_side, bank_side) = (side(0, report.bytes_received)?, side(1, report.bytes_sent)?);
    let (sender, receiver) = match options.protocol {
        Protocol::EcdhMutual => (bank_side, bureau_side),
        _ => (bureau_side, bank_side),
    };
    let seconds = span(&ours)?.max(span(&theirs)?);
    bank_process.stop()?;
    bureau_process.stop()?;
    Ok(RunFigures { seconds, seconds_job, sender, receiver, matched })
}

pub(crate) async fn home(dir: &Path, name: &str, options: &Options) -> Result<Home> {
    let path = dir.join(name);
    let init_options = InitOptions {
        home: path.clone(),
        institution: name.to_owned(),
        listen: "127.0.0.1:0".to_owned(),
        advertise: "127.0.0.1:7443".to_owned(),
    };
    drop(init(init_options, Arc::new(SystemClock)).await?);
    let file = path.join("node.toml");
    let text = std::fs::read_to_string(&file)?;
    let threads = format!("compute_threads = {}", options.threads);
    std::fs::write(&file, text.replace("compute_threads = 0", &threads))?;
    Ok(Home::open(&path, &BTreeMap::new(), Arc::new(SystemClock)).await?)
}

/// A table of ids, the n-th the same for everyone; with a payload, a text of the width left for it.
pub(crate) async fn table(home: &Home, dir: &Path, name: &str, first: u64, count: u64, payload: u32) -> Result<()> {
    let path: PathBuf = dir.join(format!("{name}.csv"));
    let mut file = BufWriter::new(std::fs::File::create(&path)?);
    writeln!(file, "{}", if payload > 0 { "id,note" } else { "id" })?;
    let width = usize::try_from(payload.saturating_sub(PAYLOAD_MIN - 1))?;
    for number in first..first + count {
        let mut line = id(number);
        if payload > 0 {
            write!(line, ",{number:0>width$}")?;
        }
        writeln!(file, "{line}")?;
    }
    file.into_inner()?.sync_all()?;
    let mut columns = vec![ColumnSpec::new("id", ColumnType::Text)];
    if payload > 0 {
        columns.push(ColumnSpec::new("note", ColumnType::Text));
    }
    let spec = TableSpec {
        path,
        format: Format::Csv,
        duplicates: Duplicates::Reject,
        csv: CsvOptions::default(),
        key: vec![KeyPart { column: "id".to_owned(), kind: "text".parse()? }],
        columns,
    };
    home.table_add(name, spec, false).await?;
    Ok(())
}

/// Eighteen digits, those of a Chinese identity number, spread by an odd factor.
fn id(number: u64) -> String {
    format!("{:018}", number.wrapping_mul(0x9E37_79B9_7F4A_7C15) % 1_000_000_000_000_000_000)
}

pub(crate) const fn result(options: &Options) -> ResultKind {
    match options.protocol {
        Protocol::EcdhCardinality => ResultKind::Count,
        _ if options.payload > 0 => ResultKind::Enrich,
        _ => ResultKind::Match,
    }
}

pub(crate) async fn agree(bank: &Home, bureau: &Home, options: &Options) -> Result<String> {
    let mut partner = DraftSide::default();
    if options.payload > 0 {
        let bytes_max = Some(options.payload - (PAYLOAD_MIN - 1));
        partner.columns.insert("note".to_owned(), DraftColumn { column_use: ColumnUse::AfterMatch, bytes_max });
    }
    let to = if options.protocol == Protocol::EcdhMutual { DraftRecipient::Both } else { DraftRecipient::Own };
    let protocol: symbolon_policy::Protocol = options.protocol.as_str().parse()?;
    let draft = DraftOptions {
        table: "customers".to_owned(),
        peer: "bureau".to_owned(),
        partner_card: bureau.table_card("files").await?,
        title: "Bench".to_owned(),
        purpose: "Measuring".to_owned(),
        allow: vec![DraftAllow { protocol, result: result(options), to }],
        valid_from: None,
        valid_days: 1,
        runs_max: 1,
        rows_total_max: None,
        intersection_min: 0,
        padding: Padding::Sixteenth,
        own: DraftSide::default(),
        partner,
        optional: OptionalTerms {
            semi_honest: protocol.is_oblivious_transfer().then_some(SemiHonest::Accepted),
            ..OptionalTerms::default()
        },
    };
    let draft = bank.agreement_draft(&draft).await?.into_bytes();
    let once = bank.agreement_sign(AgreementInput::Document(draft)).await?;
    let twice = bureau.agreement_sign(AgreementInput::Document(once.document)).await?;
    let accepted = bank.agreement_accept(AgreementInput::Document(twice.document)).await?;
    Ok(accepted.record.id.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Follows the job; gives the last report and the processor time of both nodes when the protocol began.
async fn watch(control: &mut ControlClient, job: &str, processes: [u32; 2]) -> Result<(JobReport, [f64; 2])> {
    let mut reports = control.watch(job).await?;
    let mut before = None;
    let mut last = None;
    while let Some(report) = reports.next().await {
        let report = report?;
        if before.is_none() && report.state == JobState::Running {
            before = Some([cpu_seconds_of(processes[0])?, cpu_seconds_of(processes[1])?]);
        }
        last = Some(report);
    }
    Ok((last.ok_or("no report")?, before.ok_or("the job was over before it was seen to run; take a larger set")?))
}

/// The other node's record of the job, once it has ended there too.
async fn other_side(home: &Home) -> Result<JobRecord> {
    loop {
        let job = home.job_list(1).await?.into_iter().next().ok_or("the other node has no job")?;
        if job.state.is_final() {
            return Ok(job);
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
}

/// Seconds from the acceptance to the recorded end.
fn span(job: &JobRecord) -> Result<f64> {
    let (start, end) = (job.started_at.ok_or("not started")?, job.finished_at.ok_or("not finished")?);
    Ok((end - start).to_std()?.as_secs_f64())
}
