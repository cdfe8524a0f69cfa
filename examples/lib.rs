//! What the examples share: institutions on loopback, and the check of a join against the true one.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, anyhow, ensure};
use symbolon_node::clock::SystemClock;
use symbolon_node::control_client::JobReport;
use symbolon_node::home::{self, Home, InitOptions};
use symbolon_tables::QualityReport;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// The path of a shipped table, wherever the example is started.
#[must_use]
pub fn data(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("data").join(file)
}

/// An institution with its own home, and a free port of loopback for its node.
#[derive(Debug)]
pub struct Institution {
    /// Keys, state and operations.
    pub home: Home,
    listener: TcpListener,
}

/// The running node of an institution.
#[derive(Debug)]
pub struct Running {
    stop: oneshot::Sender<()>,
    node: JoinHandle<Result<(), symbolon_node::Error>>,
}

impl Institution {
    /// Makes the home in `folder`.
    ///
    /// # Errors
    /// When no port is free or the home cannot be made.
    pub async fn new(folder: &Path, name: &str) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?.to_string();
        let options = InitOptions {
            home: folder.to_path_buf(),
            institution: name.to_owned(),
            listen: address.clone(),
            advertise: address,
        };
        Ok(Self { home: home::init(options, Arc::new(SystemClock)).await?, listener })
    }

    /// Starts the node and waits until it answers.
    ///
    /// # Errors
    /// When the node cannot start.
    pub async fn serve(self) -> Result<Running> {
        let (stop, stopped) = oneshot::channel::<()>();
        let (ready, is_ready) = oneshot::channel::<()>();
        let node = tokio::spawn(symbolon_node::run(
            self.home,
            self.listener,
            move || {
                let _nobody_waits = ready.send(());
            },
            async move { drop(stopped.await) },
        ));
        match is_ready.await {
            Ok(()) => Ok(Running { stop, node }),
            // The node ended before it was ready, and its own error says why.
            Err(_) => Err(node.await?.err().map_or_else(|| anyhow!("the node ended at once"), Into::into)),
        }
    }
}

impl Running {
    /// Stops the node in order.
    ///
    /// # Errors
    /// What ended the node, if it was not this.
    pub async fn stop(self) -> Result<()> {
        let _ended_already = self.stop.send(());
        Ok(self.node.await??)
    }
}

/// A line on the quality of a table's keys.
#[must_use]
pub fn quality(table: &str, report: &QualityReport) -> String {
    let (usable, invalid, repeated) = (report.usable, report.invalid.count, report.duplicates.count);
    let keys = format!("{usable} usable, {} empty, {invalid} invalid, {repeated} repeated", report.null);
    format!("{table:<13} {} rows, keys: {keys}", report.rows)
}

/// A report of a running job as a bar that overwrites itself, with a new line for each phase.
#[must_use]
pub fn progress(report: &JobReport, phase: &mut String) -> String {
    let name = if report.phase.is_empty() { report.state.as_str() } else { report.phase.as_str() };
    let start = if phase == name { "\r" } else { "\n" };
    name.clone_into(phase);
    let (done, total) = if report.state.is_final() { (1, 1) } else { (report.rows_done, report.rows_total) };
    let filled = (done * 30).checked_div(total).unwrap_or(0).min(30);
    let bar: String = (0..30).map(|place| if place < filled { '#' } else { '.' }).collect();
    format!("{start}   {name:<20} [{bar}] {:>6} KiB", (report.bytes_sent + report.bytes_received) >> 10)
}

/// Compares a result with the true join row for row and value for value. Its columns are those of
/// `expected_join.csv`, but the ssn may be written in another form.
///
/// # Errors
/// When a file cannot be read or anything differs.
pub fn check_join(result: &Path) -> Result<Vec<Vec<String>>> {
    let joined = rows(result)?;
    let expected = rows(&data("expected_join.csv"))?;
    ensure!(joined.len() == expected.len(), "{} rows, {} are right", joined.len(), expected.len());
    for (number, (joined, expected)) in joined.iter().zip(&expected).enumerate() {
        ensure!(joined == expected, "row {number} differs from the true join");
    }
    Ok(joined)
}

/// The rows of a CSV file without quoted fields, in the form of `expected_join.csv`: digits of the ssn, hundredths.
fn rows(file: &Path) -> Result<Vec<Vec<String>>> {
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    text.lines()
        .enumerate()
        .map(|(number, line)| {
            let mut cells: Vec<String> = line.split(',').map(ToOwned::to_owned).collect();
            if number > 0 {
                cells[1].retain(|digit| digit.is_ascii_digit());
                cells[3] = format!("{:.2}", cells[3].parse::<f64>()?);
            }
            Ok(cells)
        })
        .collect()
}

/// Sums up a join by the bureau's risk grade: customers, balance, share more than 90 days overdue.
///
/// # Errors
/// When a number is none.
pub fn by_grade(rows: &[Vec<String>]) -> Result<String> {
    let mut grades: BTreeMap<&str, (u32, f64, u32)> = BTreeMap::new();
    for row in rows.iter().skip(1) {
        let grade = grades.entry(&row[7]).or_default();
        *grade = (grade.0 + 1, grade.1 + row[3].parse::<f64>()?, grade.2 + row[8].parse::<u32>()?);
    }
    let mut table = String::from("   grade  customers  total balance  90 days overdue\n");
    let mut total = (0, 0.0, 0);
    for (grade, (customers, balance, overdue)) in grades {
        write!(table, "{}", line(grade, customers, balance, overdue))?;
        total = (total.0 + customers, total.1 + balance, total.2 + overdue);
    }
    write!(table, "{}", line("all", total.0, total.1, total.2))?;
    Ok(table)
}

fn line(grade: &str, customers: u32, balance: f64, overdue: u32) -> String {
    let share = 100.0 * f64::from(overdue) / f64::from(customers.max(1));
    format!("   {grade:<5}  {customers:>9}  {:>11.1} M  {overdue:>7} {share:>5.1} %\n", balance / 1e6)
}
