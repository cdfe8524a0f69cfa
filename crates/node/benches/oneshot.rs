//! Runs one job at one set size once, between two nodes in two processes over TLS on loopback, and prints one JSON
//! line with the same keys as the bench of this name in `symbolon-psi`.
//!
//! `cargo bench -p symbolon-node --bench oneshot -- --protocol ecdh-oprf --log2 18 --payload 64`
//!
//! Options: `--payload BYTES` (of a row, all told), `--threads COUNT` (a side; default all cores). Both nodes are real
//! ones: homes, agreement, CSV tables of random ids half of which are common, and a result file at the end. `seconds`
//! runs from the acceptance, when both nodes hold their tables, to the recorded result of the slower side; so it
//! contains writing the result. `seconds_job` is from the operator's request to the result and contains reading the
//! tables too. Unit costs are measured before and after the run on one thread.

#![expect(clippy::print_stdout, reason = "the figures are the output")]

#[path = "../../psi/benches/oneshot/costs.rs"]
mod costs;
#[path = "oneshot/nodes.rs"]
mod nodes;
#[path = "oneshot/process.rs"]
mod side;

use std::process::ExitCode;

use serde_json::json;
use symbolon_psi::{Protocol, SessionSpec, Sid, padded_rows};

use crate::costs::UnitCosts;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// What to run.
#[derive(Clone, Debug)]
struct Options {
    protocol: Protocol,
    log2: u32,
    payload: u32,
    threads: usize,
    child: Option<String>,
}

impl Options {
    fn parse(mut words: impl Iterator<Item = String>) -> Result<Self> {
        let threads = std::thread::available_parallelism()?.get();
        let mut options = Self { protocol: Protocol::EcdhOprf, log2: 16, payload: 0, threads, child: None };
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or("an option lacks its value");
            match word.as_str() {
                "--protocol" => options.protocol = value()?.parse()?,
                "--log2" => options.log2 = value()?.parse()?,
                "--payload" => options.payload = value()?.parse()?,
                "--threads" => options.threads = value()?.parse()?,
                "--child" => options.child = Some(value()?),
                // Cargo adds this.
                "--bench" => {}
                _ => return Err("unknown option".into()),
            }
        }
        if options.payload > 0 && (!options.protocol.joins_rows() || options.payload < nodes::PAYLOAD_MIN) {
            return Err("a payload goes with a protocol that gives rows and takes at least 4 bytes".into());
        }
        Ok(options)
    }

    fn rounds(&self) -> u32 {
        let rows = padded_rows(1 << self.log2);
        let spec = SessionSpec {
            protocol: self.protocol,
            sid: Sid([7; 32]),
            schema_id: Vec::new(),
            rows_sender: rows,
            rows_receiver: rows,
            payload_bytes: self.payload,
            release: None,
        };
        spec.wire_cost().rounds
    }
}

fn main() -> Result<ExitCode> {
    let options = Options::parse(std::env::args().skip(1))?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    if let Some(home) = &options.child {
        runtime.block_on(nodes::serve(home.as_ref()))?;
        return Ok(ExitCode::SUCCESS);
    }
    let before = UnitCosts::measure(options.protocol)?;
    let figures = runtime.block_on(nodes::run(&options))?;
    let after = UnitCosts::measure(options.protocol)?;
    let expected = 1_u64 << (options.log2 - 1);
    let line = json!({
        "protocol": options.protocol.as_str(),
        "log2": options.log2,
        "threads": options.threads,
        "seconds": figures.seconds,
        "cpu_seconds_sender": figures.sender.cpu_seconds,
        "cpu_seconds_receiver": figures.receiver.cpu_seconds,
        "bytes_sender": figures.sender.bytes,
        "bytes_receiver": figures.receiver.bytes,
        "rounds": options.rounds(),
        "peak_rss_bytes_sender": figures.sender.peak_rss_bytes,
        "peak_rss_bytes_receiver": figures.receiver.peak_rss_bytes,
        "matched": figures.matched,
        "expected": expected,
        "unit_costs_us": before.mean(&after).to_json(),
        "seconds_job": figures.seconds_job,
    });
    println!("{line}");
    Ok(if figures.matched == expected { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
