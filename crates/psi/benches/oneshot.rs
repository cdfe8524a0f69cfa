//! Runs one protocol at one set size once, as two processes over a socket pair, and prints one JSON line.
//!
//! `cargo bench -p symbolon-psi --bench oneshot -- --protocol ecdh-oprf --log2 18`
//!
//! Options: `--payload BYTES`, `--threads COUNT` (a side; default all cores), `--one-process` (both sides in this
//! process: totals only, `null` per side), `--sender ROWS`, `--receiver KEYS` and `--common KEYS` in place of 2^log2
//! each with half of them common, `--verify` (compares with a join of sets afterwards). Ids are random. Time runs from when both sides hold
//! their ids to the output of the slower side. Unit costs are processor time of one thread, measured before and
//! after the run; `unit_costs_us` times the set size over the cores is the floor of `seconds`.

#![expect(clippy::print_stdout, reason = "the figures are the output")]

#[path = "oneshot/costs.rs"]
mod costs;
#[path = "oneshot/pump.rs"]
mod pump;
#[path = "oneshot/side.rs"]
mod side;

use std::error::Error;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{Command, ExitCode, Stdio};

use serde_json::{Value, json};
use symbolon_psi::{Protocol, Role};

use crate::costs::UnitCosts;
use crate::side::Report;

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// What to run.
#[derive(Clone, Debug)]
struct Options {
    protocol: Protocol,
    log2: u32,
    rows_sender: u64,
    rows_receiver: u64,
    common: u64,
    verify: bool,
    payload: u32,
    threads: usize,
    one_process: bool,
    child: Option<Role>,
}

impl Options {
    fn parse(mut words: impl Iterator<Item = String>) -> Result<Self> {
        let mut options = Self {
            protocol: Protocol::EcdhOprf,
            log2: 16,
            rows_sender: 0,
            rows_receiver: 0,
            common: u64::MAX,
            verify: false,
            payload: 0,
            threads: std::thread::available_parallelism()?.get(),
            one_process: false,
            child: None,
        };
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or("an option lacks its value");
            match word.as_str() {
                "--protocol" => options.protocol = value()?.parse()?,
                "--log2" => options.log2 = value()?.parse()?,
                "--sender" => options.rows_sender = value()?.parse()?,
                "--receiver" => options.rows_receiver = value()?.parse()?,
                "--common" => options.common = value()?.parse()?,
                "--verify" => options.verify = true,
                "--payload" => options.payload = value()?.parse()?,
                "--threads" => options.threads = value()?.parse()?,
                "--one-process" => options.one_process = true,
                "--child" => options.child = Some(role(&value()?)?),
                // Cargo adds this.
                "--bench" => {}
                _ => return Err("unknown option".into()),
            }
        }
        let count = 1 << options.log2;
        let or_count = |rows| if rows == 0 { count } else { rows };
        (options.rows_sender, options.rows_receiver) = (or_count(options.rows_sender), or_count(options.rows_receiver));
        let smaller = options.rows_sender.min(options.rows_receiver);
        options.common = if options.common == u64::MAX { smaller / 2 } else { options.common.min(smaller) };
        Ok(options)
    }

    /// The same run, as one of its sides.
    fn child_words(&self, role: Role) -> Vec<String> {
        let number = |name: &str, value: String| vec![format!("--{name}"), value];
        [
            number("protocol", self.protocol.to_string()),
            number("log2", self.log2.to_string()),
            number("sender", self.rows_sender.to_string()),
            number("receiver", self.rows_receiver.to_string()),
            number("common", self.common.to_string()),
            number("payload", self.payload.to_string()),
            number("threads", self.threads.to_string()),
            number("child", role.to_string()),
            if self.verify { vec!["--verify".to_owned()] } else { Vec::new() },
        ]
        .concat()
    }
}

fn role(word: &str) -> Result<Role> {
    [Role::Sender, Role::Receiver]
        .into_iter()
        .find(|role| role.as_str() == word)
        .ok_or_else(|| "a role is sender or receiver".into())
}

fn main() -> Result<ExitCode> {
    let options = Options::parse(std::env::args().skip(1))?;
    if let Some(role) = options.child {
        let report = side::run(&options, role, pump::stdin_as_socket()?)?;
        println!("{}", report.to_json());
        return Ok(ExitCode::SUCCESS);
    }
    let before = unit_costs(options.protocol)?;
    let (sender, receiver, total) = if options.one_process { one_process(&options)? } else { two_processes(&options)? };
    let after = unit_costs(options.protocol)?;
    let costs = before.zip(after).map_or(Value::Null, |(before, after)| before.mean(&after).to_json());
    let expected = options.common;
    let per_side = |value: Value| if options.one_process { Value::Null } else { value };
    let mut line = json!({
        "protocol": options.protocol.as_str(),
        "log2": options.log2,
        "rows_sender": options.rows_sender,
        "rows_receiver": options.rows_receiver,
        "threads": options.threads,
        "seconds": sender.seconds.max(receiver.seconds),
        "cpu_seconds_sender": per_side(sender.cpu_seconds.into()),
        "cpu_seconds_receiver": per_side(receiver.cpu_seconds.into()),
        "bytes_sender": sender.bytes,
        "bytes_receiver": receiver.bytes,
        "rounds": sender.rounds,
        "peak_rss_bytes_sender": per_side(sender.peak_rss_bytes.into()),
        "peak_rss_bytes_receiver": per_side(receiver.peak_rss_bytes.into()),
        "matched": receiver.matched,
        "expected": expected,
        "phases_sender": sender.phases,
        "phases_receiver": receiver.phases,
        "unit_costs_us": costs,
    });
    if let Some((cpu_seconds, peak_rss_bytes)) = total {
        line["cpu_seconds_total"] = cpu_seconds.into();
        line["peak_rss_bytes_total"] = peak_rss_bytes.into();
    }
    println!("{line}");
    let both_agree = options.protocol != Protocol::EcdhMutual || sender.matched == expected;
    Ok(if receiver.matched == expected && both_agree { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The parts of the protocols that spend their time on points; the others have phases.
fn unit_costs(protocol: Protocol) -> Result<Option<UnitCosts>> {
    match protocol {
        Protocol::Rr22Silent | Protocol::Rr22SmallField => Ok(None),
        _ => UnitCosts::measure(protocol).map(Some),
    }
}

/// CPU seconds and peak memory of a process that runs both sides.
type Total = Option<(f64, u64)>;

fn two_processes(options: &Options) -> Result<(Report, Report, Total)> {
    let (ours, theirs) = UnixStream::pair()?;
    let start = |role, socket: UnixStream| {
        Command::new(std::env::current_exe()?)
            .args(options.child_words(role))
            .stdin(Stdio::from(OwnedFd::from(socket)))
            .stdout(Stdio::piped())
            .spawn()
    };
    let sender = start(Role::Sender, ours)?;
    let receiver = start(Role::Receiver, theirs)?;
    let report = |child: std::process::Child| {
        let output = child.wait_with_output()?;
        if !output.status.success() {
            return Err("a side failed".into());
        }
        Report::from_json(&serde_json::from_slice(&output.stdout)?)
    };
    Ok((report(sender)?, report(receiver)?, None))
}

fn one_process(options: &Options) -> Result<(Report, Report, Total)> {
    let (ours, theirs) = UnixStream::pair()?;
    let both = std::thread::scope(|scope| {
        let sender = scope.spawn(|| side::run(options, Role::Sender, ours).map_err(|error| error.to_string()));
        let receiver = side::run(options, Role::Receiver, theirs).map_err(|error| error.to_string());
        (sender.join().map_err(|_| "the sender panicked"), receiver)
    });
    let (sender, receiver) = (both.0??, both.1?);
    // Both reports are of this process; the later one has seen everything.
    let cpu_seconds = sender.cpu_seconds.max(receiver.cpu_seconds);
    let total = Some((cpu_seconds, side::peak_rss_bytes()?));
    Ok((sender, receiver, total))
}
