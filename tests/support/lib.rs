//! What tests of whole nodes need: two institutions with their homes in a temporary directory, each served in this
//! process on a port the system chose, over real mutual TLS.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use symbolon_node::clock::SystemClock;
use symbolon_node::control_client::{ControlClient, JobReport, JobRequest};
use symbolon_node::home::{Home, InitOptions, init};
use symbolon_node::ops::agreements::AgreementInput;
use symbolon_node::ops::draft::DraftOptions;
use symbolon_tables::{CsvOptions, Duplicates, Format, KeyPart, TableSpec};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

pub mod hostile;

/// Longest time a job of a test may take.
const JOB_MAX: Duration = Duration::from_secs(120);

/// A node that serves.
#[derive(Debug)]
pub struct Node {
    home: Home,
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<Result<(), symbolon_node::Error>>,
}

impl Node {
    /// Makes a home for `institution` under `dir` and serves it; `limits` are lines of the section in `node.toml`
    /// that replace the defaults.
    ///
    /// # Errors
    /// Whatever making or serving the home meets.
    pub async fn start(dir: &Path, institution: &str, limits: &[(&str, u64)]) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let path = dir.join(institution.to_lowercase());
        let options = InitOptions {
            home: path.clone(),
            institution: institution.to_owned(),
            listen: "127.0.0.1:0".to_owned(),
            advertise: address.to_string(),
        };
        drop(init(options, Arc::new(SystemClock)).await?);
        set_limits(&path.join("node.toml"), limits)?;
        let home = Home::open(&path, &BTreeMap::new(), Arc::new(SystemClock)).await?;
        Self::serve(home, listener).await
    }

    /// Serves `home` on `listener`.
    ///
    /// # Errors
    /// When the node stops before it is ready.
    pub async fn serve(home: Home, listener: TcpListener) -> Result<Self> {
        let address = listener.local_addr()?;
        let (stop, stopped) = oneshot::channel::<()>();
        let (ready, is_ready) = oneshot::channel::<()>();
        let serving =
            symbolon_node::run(home.clone(), listener, move || ready.send(()).unwrap_or_default(), async move {
                drop(stopped.await);
            });
        let mut task = tokio::spawn(serving);
        tokio::select! {
            ready = is_ready => ready.context("the node ended before it was ready")?,
            ended = &mut task => return Err(anyhow!("the node ended at once: {ended:?}")),
        }
        Ok(Self { home, address, stop: Some(stop), task })
    }

    /// The home it serves.
    #[must_use]
    pub const fn home(&self) -> &Home {
        &self.home
    }

    /// Where its peer port listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Connects to its control socket.
    ///
    /// # Errors
    /// When nobody answers there.
    pub async fn control(&self) -> Result<ControlClient> {
        Ok(ControlClient::connect(self.home.settings().control_socket()).await?)
    }

    /// Creates a job over the control socket.
    ///
    /// # Errors
    /// The node's refusal.
    pub async fn create(&self, request: JobRequest) -> Result<String> {
        Ok(self.control().await?.create_job(request).await?)
    }

    /// Waits for the end of a job and gives its last report.
    ///
    /// # Errors
    /// When the node goes away or the job takes too long.
    pub async fn wait(&self, job: &str) -> Result<JobReport> {
        use tokio_stream::StreamExt;
        let mut control = self.control().await?;
        let mut reports = control.watch(job).await?;
        let last = async {
            let mut last = None;
            while let Some(report) = reports.next().await {
                last = Some(report?);
            }
            last.context("the node reported nothing")
        };
        tokio::time::timeout(JOB_MAX, last).await.context("the job takes too long")?
    }

    /// Asks the node to stop and waits until it has.
    ///
    /// # Errors
    /// What the node ended with.
    pub async fn stop(mut self) -> Result<Home> {
        drop(self.stop.take());
        self.task.await??;
        Ok(self.home)
    }
}

/// Replaces values in the section `[limits]` of a configuration file.
fn set_limits(path: &Path, limits: &[(&str, u64)]) -> Result<()> {
    let mut text = std::fs::read_to_string(path)?;
    for (key, value) in limits {
        let lines = text.lines().map(|line| match line.split_once(" = ") {
            Some((name, _)) if name == *key => format!("{key} = {value}\n"),
            _ => format!("{line}\n"),
        });
        text = lines.collect();
    }
    std::fs::write(path, text)?;
    Ok(())
}

/// Two nodes that know each other.
#[derive(Debug)]
pub struct Pair {
    /// Where both homes and tables lie; removed at the end.
    pub dir: tempfile::TempDir,
    /// The side that asks.
    pub bank: Node,
    /// The side that is asked.
    pub bureau: Node,
}

impl Pair {
    /// Starts both nodes with `limits` and exchanges their cards.
    ///
    /// # Errors
    /// Whatever starting them meets.
    pub async fn start(limits: &[(&str, u64)]) -> Result<Self> {
        let dir = tempfile::tempdir()?;
        let bank = Node::start(dir.path(), "Bank", limits).await?;
        let bureau = Node::start(dir.path(), "Bureau", limits).await?;
        let (bank_card, bureau_card) = (bank.home.card()?.to_toml(), bureau.home.card()?.to_toml());
        bank.home.peer_add(Some("bureau"), &bureau_card, None, false).await?;
        bureau.home.peer_add(Some("bank"), &bank_card, None, false).await?;
        Ok(Self { dir, bank, bureau })
    }

    /// Writes a CSV file and adds it to a node as a table with one integer key.
    ///
    /// # Errors
    /// Whatever adding the table meets.
    pub async fn table(
        &self,
        node: &Node,
        name: &str,
        key: &str,
        rows: &str,
        duplicates: Duplicates,
    ) -> Result<PathBuf> {
        let path = self.dir.path().join(format!("{name}.csv"));
        std::fs::write(&path, rows)?;
        let spec = TableSpec {
            path: path.clone(),
            format: Format::Csv,
            duplicates,
            csv: CsvOptions::default(),
            key: vec![KeyPart { column: key.to_owned(), kind: "integer".parse()? }],
            columns: Vec::new(),
        };
        node.home.table_add(name, spec, false).await?;
        Ok(path)
    }

    /// The bank drafts an agreement, both sign, both hold it active. Gives its id in hexadecimal.
    ///
    /// # Errors
    /// Whatever drafting or signing meets.
    pub async fn agree(&self, options: &DraftOptions) -> Result<String> {
        let draft = self.bank.home.agreement_draft(options).await?.into_bytes();
        let once = self.bank.home.agreement_sign(AgreementInput::Document(draft)).await?;
        let twice = self.bureau.home.agreement_sign(AgreementInput::Document(once.document)).await?;
        let accepted = self.bank.home.agreement_accept(AgreementInput::Document(twice.document)).await?;
        Ok(hex(&accepted.record.id))
    }

    /// The last job of a node, as its store has it.
    ///
    /// # Errors
    /// When there is none.
    pub async fn last_job(&self, node: &Node) -> Result<symbolon_node::store::JobRecord> {
        node.home.job_list(1).await?.into_iter().next().context("there is no job")
    }
}

/// Lower-case hexadecimal digits.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
