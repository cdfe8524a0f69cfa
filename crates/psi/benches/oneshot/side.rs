//! One side of a run: its ids, its machine, its figures.

use std::collections::HashSet;
use std::os::unix::net::UnixStream;
use std::time::Instant;

use rand_core::Rng;
use rustix::time::{ClockId, clock_gettime};
use serde_json::{Value, json};
use symbolon_primitives::kdf::Label;
use symbolon_primitives::prg::Prg;
use symbolon_primitives::secret::{Secret, Seed};
use symbolon_psi::{ItemSet, Limits, Output, Party, ReceiverInput, Role, SenderInput, SessionSpec, Sid, padded_rows};

use crate::{Options, Result, pump};

/// Bytes of an id, those of a Chinese identity number.
const ID_BYTES: usize = 18;

/// The figures of one side.
pub(crate) struct Report {
    pub(crate) seconds: f64,
    pub(crate) cpu_seconds: f64,
    pub(crate) bytes: u64,
    pub(crate) rounds: u32,
    pub(crate) peak_rss_bytes: u64,
    pub(crate) matched: u64,
    pub(crate) phases: pump::Phases,
}

impl Report {
    pub(crate) fn to_json(&self) -> Value {
        json!([self.seconds, self.cpu_seconds, self.bytes, self.rounds, self.peak_rss_bytes, self.matched, self.phases])
    }

    pub(crate) fn from_json(value: &Value) -> Result<Self> {
        let number = |at: usize| value[at].as_u64().ok_or("a side reports numbers");
        let seconds = |at: usize| value[at].as_f64().ok_or("a side reports numbers");
        Ok(Self {
            seconds: seconds(0)?,
            cpu_seconds: seconds(1)?,
            bytes: number(2)?,
            rounds: u32::try_from(number(3)?)?,
            peak_rss_bytes: number(4)?,
            matched: number(5)?,
            phases: serde_json::from_value(value[6].clone())?,
        })
    }
}

/// Makes the ids, waits for the other side, and runs.
#[expect(clippy::disallowed_methods, reason = "a bench measures time")]
pub(crate) fn run(options: &Options, role: Role, mut socket: UnixStream) -> Result<Report> {
    let limits = Limits { frame_bytes_max: 1 << 20, rows_max: 1 << 26, payload_bytes_max: 1 << 16, key_bytes_max: 64 };
    let pool = rayon::ThreadPoolBuilder::new().num_threads(options.threads).build()?;
    let (first, common) = (options.rows_sender - options.common, options.common);
    let spec = SessionSpec {
        protocol: options.protocol,
        sid: Sid([7; 32]),
        schema_id: b"bench/1".to_vec(),
        rows_sender: padded_rows(options.rows_sender),
        rows_receiver: padded_rows(options.rows_receiver),
        payload_bytes: options.payload,
        release: None,
    };
    let rounds = spec.wire_cost().rounds;
    let input = match role {
        Role::Sender => {
            let keys = ids(0, options.rows_sender)?;
            Err(SenderInput::one_row_per_key(keys, payload(options.rows_sender, options.payload)?)?)
        }
        Role::Receiver => Ok(ReceiverInput { keys: ids(first, options.rows_receiver)? }),
    };
    pump::rendezvous(&mut socket)?;
    let (started, cpu_started) = (Instant::now(), cpu_seconds(ClockId::ProcessCPUTime));
    let seed = Seed::random()?;
    let party = pool.install(|| match input {
        Err(rows) => Party::sender(spec, rows, seed, &limits),
        Ok(keys) => Party::receiver(spec, keys, seed, &limits),
    })?;
    let (outcome, bytes, phases) = pump::drive(party, &socket, &pool, limits)?;
    let seconds = started.elapsed().as_secs_f64();
    let cpu_seconds = cpu_seconds(ClockId::ProcessCPUTime) - cpu_started;
    let peak_rss_bytes = peak_rss_bytes()?;
    let matched = matched(outcome.output(), options.payload, first, common)?;
    if options.verify && role == Role::Receiver {
        verify(options, outcome.output())?;
    }
    Ok(Report { seconds, cpu_seconds, bytes, rounds, peak_rss_bytes, matched, phases })
}

/// Random ids; the n-th is the same for both sides. The receiver's begin where the common ones do.
fn ids(first: u64, count: u64) -> Result<ItemSet> {
    let source = Prg::new(Secret::new([42; 32]));
    let mut set = ItemSet::with_capacity(usize::try_from(count)?, usize::try_from(count)? * ID_BYTES);
    // 256 ids from one fork.
    for block in first / 256..(first + count).div_ceil(256) {
        let mut rng = source.fork(Label::Item, block);
        for number in block * 256..(block + 1) * 256 {
            let mut id = [0; ID_BYTES];
            rng.fill_bytes(&mut id);
            if (first..first + count).contains(&number) {
                set.push(&id);
            }
        }
    }
    Ok(set)
}

/// The payload of row n: its number, then zeros.
fn payload(count: u64, width: u32) -> Result<Vec<u8>> {
    let width = usize::try_from(width)?;
    let mut bytes = vec![0; usize::try_from(count)? * width];
    if width > 0 {
        for (number, row) in (0_u64..).zip(bytes.chunks_exact_mut(width)) {
            let number = number.to_le_bytes();
            let shown = width.min(number.len());
            row[..shown].copy_from_slice(&number[..shown]);
        }
    }
    Ok(bytes)
}

/// How many keys matched; every one of them is checked to be a common one, with its own payload.
fn matched(output: &Output, width: u32, first: u64, common: u64) -> Result<u64> {
    let width = usize::try_from(width)?;
    match output {
        Output::Matched(rows) => {
            for (position, key) in rows.keys.iter().enumerate() {
                let number = u64::from(*key) + first;
                let shown = width.min(8);
                let carried = &rows.payload[position * width..][..shown];
                if u64::from(*key) >= common || *carried != number.to_le_bytes()[..shown] {
                    return Err("a row that should not be there".into());
                }
            }
            Ok(rows.keys.len() as u64)
        }
        Output::Mutual(keys) => Ok(keys.len() as u64),
        Output::Count(count) => Ok(*count),
        _ => Ok(0),
    }
}

/// Compares what matched with a join of sets.
fn verify(options: &Options, output: &Output) -> Result<()> {
    let (theirs, mine) =
        (ids(0, options.rows_sender)?, ids(options.rows_sender - options.common, options.rows_receiver)?);
    let theirs: HashSet<&[u8]> = theirs.iter().collect();
    let expected = (0_u32..).zip(mine.iter()).filter(|(_, id)| theirs.contains(id)).map(|(key, _)| key);
    let same = match output {
        Output::Matched(rows) => rows.keys.iter().copied().eq(expected),
        Output::Mutual(keys) => keys.iter().copied().eq(expected),
        Output::Count(count) => expected.count() as u64 == *count,
        _ => false,
    };
    if same { Ok(()) } else { Err("a join of sets gives something else".into()) }
}

/// Processor time used so far.
pub(crate) fn cpu_seconds(clock: ClockId) -> f64 {
    let time = clock_gettime(clock);
    #[expect(clippy::cast_precision_loss, reason = "seconds of a bench fit easily")]
    let seconds = time.tv_sec as f64 + time.tv_nsec as f64 / 1e9;
    seconds
}

/// The most memory this process has held.
pub(crate) fn peak_rss_bytes() -> Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).ok_or("no VmHWM")?;
    Ok(line.trim().trim_end_matches(" kB").parse::<u64>()? * 1024)
}
