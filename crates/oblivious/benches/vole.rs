//! The silent vector OLE: CPU time of each phase on both sides, by number of slots.
//!
//! `cargo bench -p symbolon-oblivious --bench vole` prints one JSON line a size, then criterion's figures of the code
//! with slots a second. Time is CPU time of the process with a pool of one thread; each figure of a line is the median
//! of all rounds, in milliseconds. `base_*` are the transfers of both sets, `request` and `reply` what a side does to
//! make these messages (extension, noise and, in the reply, the trees), `expand_*` the last step, and `encode` the
//! code's part of that for one vector (the receiver has two); `bytes_*` are those of a block on the wire.

// Benches have no public items, and their entry points come from macros.
#![allow(missing_docs, reason = "criterion's macros make public functions without documentation")]
#![expect(clippy::print_stdout, reason = "the figures are the output")]

use std::hint::black_box;
use std::time::Duration;

use criterion::measurement::{Measurement, ValueFormatter, WallTime};
use criterion::{BatchSize, Criterion, SamplingMode, Throughput, criterion_group};
use rayon::{ThreadPool, ThreadPoolBuilder};
use rustix::time::{ClockId, clock_gettime};
use symbolon_oblivious::vole::code::{DualCode, ExpandConvolute};
use symbolon_oblivious::vole::lpn::Params;
use symbolon_oblivious::vole::silent::{Receiver, Reply, Request, Sender};
use symbolon_primitives::prg::Prg;
use symbolon_primitives::secret::Secret;

/// Slots of a join of 2^16 and of 2^20 items over a store of 1.10 slots an item.
const SIZES: [usize; 2] = [72_090, 1_153_434];

/// How often a size is run.
const ROUNDS: usize = 9;

const SID: [u8; 32] = [7; 32];

/// CPU time of the process.
struct CpuTime;

fn now() -> Duration {
    let now = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(now.tv_sec.unsigned_abs(), u32::try_from(now.tv_nsec).unwrap_or_default())
}

impl Measurement for CpuTime {
    type Intermediate = Duration;
    type Value = Duration;

    fn start(&self) -> Duration {
        now()
    }

    fn end(&self, start: Duration) -> Duration {
        now() - start
    }

    fn add(&self, a: &Duration, b: &Duration) -> Duration {
        *a + *b
    }

    fn zero(&self) -> Duration {
        Duration::ZERO
    }

    fn to_f64(&self, value: &Duration) -> f64 {
        WallTime.to_f64(value)
    }

    fn formatter(&self) -> &dyn ValueFormatter {
        WallTime.formatter()
    }
}

fn prg(seed: u8) -> Prg {
    Prg::new(Secret::new([seed; 32]))
}

/// Times one phase.
fn timed<T>(figures: &mut Vec<(&'static str, f64)>, name: &'static str, work: impl FnOnce() -> T) -> T {
    let start = now();
    let made = work();
    figures.push((name, (now() - start).as_secs_f64() * 1e3));
    made
}

/// One run of both sides, each phase in milliseconds.
fn run(slots: usize) -> Vec<(&'static str, f64)> {
    let params = Params::for_slots(slots).expect("a number of slots that is served");
    let mut figures = Vec::new();
    let f = &mut figures;
    let (opening, receiver) =
        timed(f, "base_open", || Receiver::start(params, SID, &mut prg(1))).expect("parameters in range");
    let (answer, sender) =
        timed(f, "base_choose", || Sender::start(params, SID, &mut prg(2))).expect("parameters in range");
    let mut receiver = timed(f, "base_receiver", || receiver.ready(&answer)).expect("points");
    let mut sender = timed(f, "base_sender", || sender.ready(&opening)).expect("a point");
    let (request, left) = timed(f, "request", || receiver.request(&mut prg(3))).expect("the first block");
    let (reply, right) = timed(f, "reply", || sender.reply(&request, &mut prg(4))).expect("the first block");
    let left = timed(f, "expand_receiver", || left.expand(&reply)).expect("a reply to this block");
    let right = timed(f, "expand_sender", || right.expand());
    black_box((left, right));

    let code = ExpandConvolute::new(params.dimension(), &SID);
    let mut out = vec![0; slots];
    let mut single = vec![5_u128; params.length()];
    timed(f, "encode", || code.compress(&mut single, &mut out));
    black_box(out);
    figures
}

fn phases(pool: &ThreadPool, slots: usize) {
    let rounds: Vec<_> = (0..ROUNDS).map(|_| pool.install(|| run(slots))).collect();
    let median = |index: usize| {
        let mut values: Vec<f64> = rounds.iter().map(|round| round[index].1).collect();
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    };
    let figures: Vec<_> = rounds[0].iter().enumerate().map(|(index, (name, _))| (*name, median(index))).collect();
    let sum = |names: &[&str]| figures.iter().filter(|(name, _)| names.contains(name)).map(|(_, ms)| ms).sum::<f64>();
    let sender = sum(&["base_choose", "base_sender", "reply", "expand_sender"]);
    let receiver = sum(&["base_open", "base_receiver", "request", "expand_receiver"]);
    let params = Params::for_slots(slots).expect("a number of slots that is served");
    let texts: Vec<_> = figures.iter().map(|(name, ms)| format!("\"{name}_ms\":{ms:.2}")).collect();
    println!(
        "{{\"slots\":{slots},\"rounds\":{ROUNDS},{},\"sender_ms\":{sender:.1},\"receiver_ms\":{receiver:.1},\
         \"bytes_request\":{},\"bytes_reply\":{}}}",
        texts.join(","),
        Request::wire_bytes(&params),
        Reply::wire_bytes(&params)
    );
}

fn code(criterion: &mut Criterion<CpuTime>) {
    let pool = pool();
    let mut group = criterion.benchmark_group("expand-convolute");
    group.sampling_mode(SamplingMode::Flat).sample_size(10).measurement_time(Duration::from_secs(3));
    for slots in SIZES {
        let code = ExpandConvolute::new(slots, &SID);
        group.throughput(Throughput::Elements(slots as u64));
        group.bench_function(format!("{slots} slots"), |bencher| {
            let mut out = vec![0; slots];
            let work = |mut noise: Vec<u128>| pool.install(|| code.compress(&mut noise, &mut out));
            bencher.iter_batched(|| vec![5_u128; 2 * slots], work, BatchSize::PerIteration);
        });
    }
    group.finish();
}

fn pool() -> ThreadPool {
    ThreadPoolBuilder::new().num_threads(1).build().expect("threads can be started")
}

criterion_group! {
    name = groups;
    config = Criterion::default().with_measurement(CpuTime);
    targets = code
}

fn main() {
    let pool = pool();
    SIZES.iter().for_each(|slots| phases(&pool, *slots));
    groups();
    Criterion::default().configure_from_args().final_summary();
}
