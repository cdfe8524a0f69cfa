//! The random-band store: CPU time of encoding and decoding, by number of items.
//!
//! Time is that of the process on all its threads, so that load from elsewhere counts little; `elem/s` is items a
//! second of CPU. `cargo bench -p symbolon-oblivious --bench okvs`

// Benches have no public items, and their entry points come from macros.
#![allow(missing_docs, reason = "criterion's macros make public functions without documentation")]

use std::hint::black_box;
use std::time::Duration;

use criterion::measurement::{Measurement, ValueFormatter, WallTime};
use criterion::{BenchmarkGroup, Criterion, SamplingMode, Throughput, criterion_group, criterion_main};
use rand_core::Rng;
use rayon::{ThreadPool, ThreadPoolBuilder};
use rustix::time::{ClockId, clock_gettime};
use symbolon_oblivious::okvs::{self, Params, ROW_BYTES, RowHash};
use symbolon_primitives::prg::Prg;
use symbolon_primitives::secret::Secret;

/// CPU time of the process.
struct CpuTime;

impl Measurement for CpuTime {
    type Intermediate = Duration;
    type Value = Duration;

    fn start(&self) -> Duration {
        let now = clock_gettime(ClockId::ProcessCPUTime);
        Duration::new(now.tv_sec.unsigned_abs(), u32::try_from(now.tv_nsec).unwrap_or_default())
    }

    fn end(&self, start: Duration) -> Duration {
        self.start() - start
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

fn noise<const N: usize>(count: usize) -> Vec<[u8; N]> {
    let mut bytes = vec![0; count * N];
    Prg::new(Secret::new([N.to_le_bytes()[0]; 32])).fill_bytes(&mut bytes);
    bytes.as_chunks().0.to_vec()
}

fn size(group: &mut BenchmarkGroup<'_, CpuTime>, pool: &ThreadPool, log: u32) {
    let count = 1 << log;
    let params = Params::for_items(count).expect("below the limit");
    let rows: Vec<RowHash> = noise::<ROW_BYTES>(count);
    let values: Vec<u128> = noise::<16>(count).iter().map(|bytes| u128::from_le_bytes(*bytes)).collect();
    group.throughput(Throughput::Elements(count as u64));
    group.bench_function(format!("encode/2^{log}"), |bench| {
        let run = || okvs::encode(&params, black_box(&rows), &values).expect("the rows are independent");
        bench.iter(|| pool.install(run));
    });
    let narrow = vec![[1_u128]; params.slots()];
    let mut out = vec![[0]; count];
    group.bench_function(format!("decode/2^{log}"), |bench| {
        let mut run = || okvs::decode(&params, black_box(&rows), &narrow, &mut out).expect("the lengths agree");
        bench.iter(|| pool.install(&mut run));
    });
    let wide = vec![[1_u128; 2]; params.slots()];
    let mut out = vec![[0; 2]; count];
    group.bench_function(format!("decode two words/2^{log}"), |bench| {
        let mut run = || okvs::decode(&params, black_box(&rows), &wide, &mut out).expect("the lengths agree");
        bench.iter(|| pool.install(&mut run));
    });
}

fn benches(criterion: &mut Criterion<CpuTime>) {
    for threads in [1, 2] {
        let pool = ThreadPoolBuilder::new().num_threads(threads).build().expect("threads start");
        let mut group = criterion.benchmark_group(format!("okvs, {threads} threads"));
        group.sample_size(15).sampling_mode(SamplingMode::Flat).measurement_time(Duration::from_secs(3));
        for log in [16, 20, 22] {
            size(&mut group, &pool, log);
        }
        group.finish();
    }
}

criterion_group! {
    name = groups;
    config = Criterion::default().with_measurement(CpuTime);
    targets = benches
}
criterion_main!(groups);
