//! Nanoseconds an element of the symmetric kernels, on each backend that this CPU has.
//!
//! `cargo bench -p symbolon-kernels --bench symmetric` prints one JSON line a backend, in processor time on one
//! thread. A backend is chosen once for a build, so all but the fastest are measured by child builds of this bench
//! with `--cfg kernels_force`, in directories of their own. Each figure is the median of all rounds, in which the
//! functions take turns. An element is a leaf of a tree (`ggm_l2` in a tree whose levels stay in the second cache,
//! `ggm_memory` for 2^21 leaves level by level), a block of 16 bytes, one slot of one tree of 256 leaves (`fold`), a
//! hash, a product, or a column.

#![expect(clippy::print_stdout, reason = "the figures are the output")]

use std::error::Error;
use std::hint::black_box;
use std::path::Path;
use std::process::Command;

use rustix::time::{ClockId, clock_gettime};
use serde_json::{Map, Value, json};
use symbolon_kernels::blake3_many::{self, Inputs, Part};
use symbolon_kernels::{aes_batch, clmul128, cpu, gf256, transpose};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// How often the functions take turns.
const ROUNDS: usize = 9;

/// Elements of one turn, of data that the second cache holds.
const ELEMENTS: usize = 1 << 14;

/// Repetitions in one turn.
const REPEAT: usize = 16;

fn main() -> Result<()> {
    println!("{}", measure());
    if std::env::var_os("SYMMETRIC_CHILD").is_none() {
        let others: &[&str] = match cpu::backend() {
            "avx512" => &["avx2", "portable"],
            "avx2" => &["portable"],
            _ => &[],
        };
        for name in others {
            print!("{}", child(name)?);
        }
    }
    Ok(())
}

/// The line of a build that is left the backend `name`.
fn child(name: &str) -> Result<String> {
    let target = std::env::current_exe()?.ancestors().nth(3).ok_or("the bench lies in a target directory")?.to_owned();
    let output = Command::new(env!("CARGO"))
        .args(["bench", "--quiet", "--locked", "-p", "symbolon-kernels", "--bench", "symmetric"])
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")))
        .env("RUSTFLAGS", format!("--cfg kernels_force=\"{name}\""))
        .env("CARGO_TARGET_DIR", target.join(format!("symmetric-{name}")))
        .env("SYMMETRIC_CHILD", "1")
        .output()?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into());
    }
    Ok(String::from_utf8(output.stdout)?)
}

/// Processor time of this thread in nanoseconds.
fn processor_ns() -> f64 {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    #[expect(clippy::cast_precision_loss, reason = "a bench")]
    let ns = now.tv_sec as f64 * 1e9 + now.tv_nsec as f64;
    ns
}

/// A function under measurement and its elements a call.
struct Subject<'a> {
    name: &'static str,
    elements: usize,
    work: Box<dyn FnMut() + 'a>,
}

/// One round of `subjects`, as nanoseconds an element.
fn round(subjects: &mut [Subject<'_>], times: &mut Map<String, Value>) {
    for subject in subjects {
        (subject.work)();
        let repeat = if subject.elements > 8 * ELEMENTS { 1 } else { REPEAT };
        let start = processor_ns();
        for _ in 0..repeat {
            (subject.work)();
        }
        #[expect(clippy::cast_precision_loss, reason = "a bench")]
        let time = (processor_ns() - start) / (repeat * subject.elements) as f64;
        let list = times.entry(subject.name).or_insert_with(|| json!([]));
        if let Value::Array(list) = list {
            list.push(time.into());
        }
    }
}

fn measure() -> Value {
    let mut times = Map::new();
    let mut trees = Trees::new();
    let mut streams = Streams::new();
    let hashes = Hashes::new();
    let mut fields = Fields::new();
    for _ in 0..ROUNDS {
        round(&mut trees.subjects(), &mut times);
        round(&mut streams.subjects(), &mut times);
        round(&mut hashes.subjects(), &mut times);
        round(&mut fields.subjects(), &mut times);
    }
    let median = |values: &Value| {
        let mut values: Vec<f64> = values.as_array().into_iter().flatten().filter_map(Value::as_f64).collect();
        values.sort_by(f64::total_cmp);
        (values[values.len() / 2] * 100.0).round() / 100.0
    };
    let figures: Map<String, Value> =
        times.iter().map(|(name, values)| (name.clone(), median(values).into())).collect();
    json!({ "backend": cpu::backend(), "rounds": ROUNDS, "ns_an_element": figures })
}

struct Trees {
    keys: aes_batch::GgmKeys,
    levels: [Vec<u128>; 2],
    large: [Vec<u128>; 2],
}

impl Trees {
    fn new() -> Self {
        Self {
            keys: aes_batch::GgmKeys::new([1; 16], [2; 16]),
            levels: [vec![1; ELEMENTS], vec![1; ELEMENTS]],
            large: [vec![1; 1 << 21], vec![1; 1 << 21]],
        }
    }

    fn subjects(&mut self) -> [Subject<'_>; 2] {
        let (keys, levels, large) = (&self.keys, &mut self.levels, &mut self.large);
        [
            Subject { name: "ggm_l2", elements: ELEMENTS, work: Box::new(|| grow(keys, levels)) },
            Subject { name: "ggm_memory", elements: 1 << 21, work: Box::new(|| grow(keys, large)) },
        ]
    }
}

/// A whole tree, level by level.
fn grow(keys: &aes_batch::GgmKeys, [parents, children]: &mut [Vec<u128>; 2]) {
    let mut count = 1;
    while 2 * count <= parents.len() {
        aes_batch::ggm_level(keys, &parents[..count], &mut children[..2 * count]);
        std::mem::swap(parents, children);
        count *= 2;
    }
    black_box(parents);
}

struct Streams {
    keys: aes_batch::StreamKeys,
    bytes: [Vec<u8>; 2],
}

impl Streams {
    fn new() -> Self {
        let seeds: Vec<u128> = (0..256).collect();
        Self { keys: aes_batch::StreamKeys::new(&seeds), bytes: [vec![0; ELEMENTS], vec![0; ELEMENTS]] }
    }

    fn subjects(&mut self) -> [Subject<'_>; 2] {
        let keys = &self.keys;
        let [sum, weighted] = &mut self.bytes;
        let mut out = vec![0; 16 * ELEMENTS];
        [
            Subject {
                name: "ctr_block",
                elements: ELEMENTS,
                work: Box::new(move || {
                    aes_batch::ctr_fill(&[3; 16], 0, &mut out);
                    black_box(&out);
                }),
            },
            Subject {
                name: "fold",
                elements: ELEMENTS / 4,
                work: Box::new(move || {
                    keys.fold(0, &mut sum[..ELEMENTS / 4], &mut weighted[..ELEMENTS / 4]);
                    black_box(&sum);
                }),
            },
        ]
    }
}

struct Hashes {
    ids: Vec<[u8; 32]>,
    blocks: Vec<u128>,
}

impl Hashes {
    fn new() -> Self {
        Self { ids: vec![[7; 32]; ELEMENTS], blocks: vec![9; ELEMENTS] }
    }

    fn subjects(&self) -> [Subject<'_>; 4] {
        let (ids, blocks) = (self.ids.as_slice(), self.blocks.as_slice());
        let id = Inputs::of(Part::bytes(ids));
        let both = Inputs::pair(Part::bytes(ids), Part::blocks(blocks));
        let (mut a, mut b) = (vec![[0; 32]; ELEMENTS], vec![0; ELEMENTS]);
        let (mut c, mut d) = (vec![[0; 32]; ELEMENTS], vec![[0; 64]; ELEMENTS]);
        let key = [5; 32];
        let subject = |name, work| Subject { name, elements: ELEMENTS, work };
        [
            subject("blake3_id", Box::new(move || blake3_many::keyed(&key, &id, black_box(&mut a)))),
            subject("blake3_id_to_block", Box::new(move || blake3_many::keyed_blocks(&key, &id, black_box(&mut b)))),
            subject("blake3_id_and_block", Box::new(move || blake3_many::keyed(&key, &both, black_box(&mut c)))),
            subject("blake3_wide", Box::new(move || blake3_many::keyed_wide(&key, &both, black_box(&mut d)))),
        ]
    }
}

struct Fields {
    xs: Vec<u128>,
    acc: Vec<u128>,
    rows: Vec<[u128; 2]>,
    row_sums: Vec<[u128; 2]>,
}

impl Fields {
    fn new() -> Self {
        let xs: Vec<u128> = (0..ELEMENTS as u128).map(|x| ((x * x) << 64) ^ x).collect();
        let rows: Vec<[u128; 2]> = xs.iter().map(|x| [*x, !x]).collect();
        Self { acc: xs.clone(), row_sums: rows.clone(), xs, rows }
    }

    fn subjects(&mut self) -> [Subject<'_>; 7] {
        let (xs, acc, rows, row_sums) = (&self.xs, &mut self.acc, &self.rows, &mut self.row_sums);
        let (mut by, mut encoded) = (xs.clone(), rows.clone());
        let (mut bits, mut bytes) = (vec![0; ELEMENTS], vec![[0; 2]; ELEMENTS]);
        let matrix = vec![0x5A; 32 * ELEMENTS];
        let bit_matrix = matrix.clone();
        let subject = |name, work| Subject { name, elements: ELEMENTS, work };
        [
            subject("clmul_mul_by", Box::new(move || clmul128::mul_by(0x1234 << 100 | 7, black_box(&mut by)))),
            subject("clmul_mul_add", Box::new(|| clmul128::mul_add(0x1234 << 100 | 7, xs, black_box(acc)))),
            subject("clmul_inner_product", Box::new(|| _ = black_box(clmul128::inner_product(xs, xs)))),
            subject("gf256_evaluate_31", Box::new(move || gf256::evaluate(31, xs, black_box(&mut encoded)))),
            subject("gf256_mul_add_row", Box::new(|| gf256::mul_add_rows(&[3 << 90, 5], rows, black_box(row_sums)))),
            subject(
                "transpose_bits",
                Box::new(move || transpose::bits(&bit_matrix[..16 * ELEMENTS], black_box(&mut bits))),
            ),
            subject("transpose_bytes", Box::new(move || transpose::bytes(&matrix, black_box(&mut bytes)))),
        ]
    }
}
