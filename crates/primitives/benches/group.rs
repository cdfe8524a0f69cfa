//! What one item costs in the group and in the OPRF: the unit costs that the protocols are compared with.
//!
//! Each batch of one frame runs on one thread and on all; `elem/s` is the throughput in items.
//! `cargo bench -p symbolon-primitives --bench group`

// Benches have no public items, and their entry points come from macros.
#![allow(missing_docs, reason = "criterion's macros make public functions without documentation")]

use std::hint::black_box;
use std::time::Duration;

use criterion::measurement::WallTime;
use criterion::{BatchSize, BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main};
use rayon::{ThreadPool, ThreadPoolBuilder};
use symbolon_primitives::group::{self, SecretScalar};
use symbolon_primitives::kdf::Label;
use symbolon_primitives::oprf::{self, ServerKey};
use symbolon_primitives::prg::Prg;
use symbolon_primitives::secret::Secret;

/// Items of one frame.
const ITEMS: usize = 4096;

/// Bytes of an encoded item: label, session, schema and a short key.
const ITEM_BYTES: usize = 96;

struct Data {
    items: Vec<Vec<u8>>,
    blinds: Vec<SecretScalar>,
    key: ServerKey,
    blinded: Vec<[u8; 32]>,
    evaluated: Vec<[u8; 32]>,
    proof: [u8; 64],
}

impl Data {
    fn new() -> Self {
        let mut rng = Prg::new(Secret::new([1; 32]));
        let items: Vec<Vec<u8>> = (0..ITEMS)
            .map(|index| {
                let mut item = vec![0x5A; ITEM_BYTES];
                item[..8].copy_from_slice(&(index as u64).to_be_bytes());
                item
            })
            .collect();
        let blinds = SecretScalar::random_batch(ITEMS, &mut rng);
        let key = ServerKey::random(&mut rng);
        let slices: Vec<&[u8]> = items.iter().map(Vec::as_slice).collect();
        let blinded = oprf::hash_blind_batch(&slices, &blinds).expect("the lengths agree");
        let (evaluated, proof) = key.evaluate_prove_batch(&blinded, &mut rng).expect("the elements are valid");
        Self { items, blinds, key, blinded, evaluated, proof }
    }

    fn slices(&self) -> Vec<&[u8]> {
        self.items.iter().map(Vec::as_slice).collect()
    }
}

fn pool(threads: usize) -> ThreadPool {
    ThreadPoolBuilder::new().num_threads(threads).build().expect("threads start")
}

fn unit_costs(criterion: &mut Criterion) {
    let data = Data::new();
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let mut counts = vec![1];
    if threads > 1 {
        counts.push(threads);
    }
    for count in counts {
        let mut group = criterion.benchmark_group(format!("oprf/{count}-threads"));
        group.throughput(Throughput::Elements(ITEMS as u64));
        let pool = pool(count);
        client(&mut group, &pool, &data);
        server(&mut group, &pool, &data);
        group.finish();
    }
}

fn client(group: &mut BenchmarkGroup<'_, WallTime>, pool: &ThreadPool, data: &Data) {
    let slices = data.slices();
    let public = data.key.public_key();
    let verify = || public.verify_evaluations(black_box(&data.blinded), &data.evaluated, &data.proof);
    let verified = verify().expect("the proof is valid");
    let positions: Vec<usize> = (0..ITEMS).collect();
    let seed = || Prg::new(Secret::new([2; 32])).fork(Label::Blinds, 0);
    let draw = |mut rng| SecretScalar::random_batch(ITEMS, &mut rng);
    let blind = || oprf::hash_blind_batch(black_box(&slices), &data.blinds);
    let unblind_verified = || verified.finalize(black_box(&positions), &slices, &data.blinds);
    let unblind_encoded = || oprf::finalize_batch(black_box(&slices), &data.blinds, &data.evaluated);

    group.bench_function("draw_blinds", |bencher| bencher.iter_batched(seed, draw, BatchSize::LargeInput));
    group.bench_function("blind", |bencher| bencher.iter(|| pool.install(blind)));
    group.bench_function("verify_proof", |bencher| bencher.iter(|| pool.install(verify)));
    group.bench_function("unblind_verified", |bencher| bencher.iter(|| pool.install(unblind_verified)));
    group.bench_function("unblind_encoded", |bencher| bencher.iter(|| pool.install(unblind_encoded)));
}

fn server(group: &mut BenchmarkGroup<'_, WallTime>, pool: &ThreadPool, data: &Data) {
    let slices = data.slices();
    let seed = || Prg::new(Secret::new([3; 32]));
    let evaluate = || data.key.evaluate_batch(black_box(&data.blinded));
    let prove = |mut rng: Prg| data.key.prove_batch(black_box(&data.blinded), &data.evaluated, &mut rng);
    let both = |mut rng: Prg| data.key.evaluate_prove_batch(black_box(&data.blinded), &mut rng);
    let own = || data.key.finalize_own_batch(black_box(&slices));
    let decode = || group::decode_batch(black_box(&data.blinded));

    group.bench_function("evaluate", |bencher| bencher.iter(|| pool.install(evaluate)));
    group.bench_function("prove", |bencher| {
        bencher.iter_batched(seed, |rng| pool.install(|| prove(rng)), BatchSize::LargeInput);
    });
    group.bench_function("evaluate_prove", |bencher| {
        bencher.iter_batched(seed, |rng| pool.install(|| both(rng)), BatchSize::LargeInput);
    });
    group.bench_function("own_set", |bencher| bencher.iter(|| pool.install(own)));
    group.bench_function("decode", |bencher| bencher.iter(|| pool.install(decode)));
}

fn config() -> Criterion {
    Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2))
}

criterion_group! { name = benches; config = config(); targets = unit_costs }
criterion_main!(benches);
