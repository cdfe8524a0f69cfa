//! How often random rows are dependent, by number of keys and width of the band: the experiments behind the widths of
//! the random-band store.
//!
//! `cargo bench -p symbolon-oblivious --bench okvs_failure -- --budget-log2 33 --failures 1000`
//!
//! Options: `--budget-log2 B`, at most 2^B keys for each line of the table (default 24, a few seconds in all);
//! `--failures F`, end a line after F failures (default 200); `--expansion PERCENT` (default 10); `--widths
//! FIRST:STEP:LAST` (default 24:8:104); `--keys-log2 A,B,..` (default 10,12,14,16); `--seed S` (default 1). The same
//! options print the same table, whatever the number of threads.
//!
//! A trial draws n positions among ⌈(1 + expansion)·n⌉, gives each a band of random bits, and asks whether the rows are
//! independent. Failures in long vectors are local events, so their number is nearly Poisson with a mean
//! proportional to n: with p the part of trials that failed, `security of one key` is log2(n) - log2(-ln(1 - p)).
//! It is fitted by a·w + c, each line weighted with the inverse of its variance, and for comparison continued from the
//! widest lines with the slope that queueing theory gives for wide bands.

#![expect(clippy::print_stdout, reason = "the figures are the output")]

use std::error::Error;
use std::ops::ControlFlow;

use rayon::prelude::*;
use symbolon_kernels::band::{self, BLOCK_SLOTS, Block, Key, ROW_BYTES};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Trials between two looks at the failures so far.
const BATCH_TRIALS: u64 = 64;

/// Lines with fewer failures do not enter the fit.
const FAILURES_MIN: u64 = 20;

/// Failures in nearly all trials say little: lines above this part do not enter the fit.
const PART_MAX: f64 = 0.98;

struct Options {
    budget_log2: u32,
    failures: u64,
    expansion: u32,
    widths: Vec<usize>,
    keys_log2: Vec<u32>,
    seed: u64,
}

impl Options {
    fn parse(mut words: impl Iterator<Item = String>) -> Result<Self> {
        let mut options = Self {
            budget_log2: 24,
            failures: 200,
            expansion: 10,
            widths: (24..=104).step_by(8).collect(),
            keys_log2: vec![10, 12, 14, 16],
            seed: 1,
        };
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or("an option lacks its value");
            match word.as_str() {
                "--budget-log2" => options.budget_log2 = value()?.parse()?,
                "--failures" => options.failures = value()?.parse()?,
                "--expansion" => options.expansion = value()?.parse()?,
                "--seed" => options.seed = value()?.parse()?,
                "--keys-log2" => {
                    options.keys_log2 = value()?.split(',').map(str::parse).collect::<std::result::Result<_, _>>()?;
                }
                "--widths" => {
                    let value = value()?;
                    let parts = value.split(':').map(str::parse).collect::<std::result::Result<Vec<usize>, _>>()?;
                    let [first, step, last] = parts[..] else { return Err("widths are FIRST:STEP:LAST".into()) };
                    options.widths = (first..=last).step_by(step).collect();
                }
                // Cargo adds it.
                "--bench" => {}
                _ => return Err(format!("unknown option {word}").into()),
            }
        }
        Ok(options)
    }
}

/// SplitMix64: fast, and good enough for ranks of random matrices.
struct Noise(u64);

impl Noise {
    const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut word = self.0;
        word = (word ^ word >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        word = (word ^ word >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        word ^ word >> 31
    }

    fn below(&mut self, bound: u32) -> u32 {
        let [.., a, b, c, d, _, _, _, _] = (u128::from(self.next()) * u128::from(bound)).to_le_bytes();
        u32::from_le_bytes([a, b, c, d])
    }
}

/// One number of keys and one width.
#[derive(Clone, Copy)]
struct Case {
    keys: u32,
    starts: u32,
    width: usize,
}

/// Memory of one trial after the other.
#[derive(Default)]
struct Scratch {
    counts: Vec<u8>,
    keys: Vec<Key>,
    rows: Vec<[u8; ROW_BYTES]>,
    values: Vec<u128>,
    blocks: Vec<Block>,
    solution: Vec<u128>,
}

impl Case {
    /// Whether random rows are dependent.
    fn fails(self, seed: u64, scratch: &mut Scratch) -> bool {
        let mut noise = Noise(seed);
        // As rows are alike, it is enough to know how many start where.
        scratch.counts.clear();
        scratch.counts.resize(self.starts as usize, 0);
        for _ in 0..self.keys {
            let count = &mut scratch.counts[noise.below(self.starts) as usize];
            *count = count.saturating_add(1);
        }
        scratch.keys.clear();
        let mut index = 0;
        for (position, count) in (0..).zip(&scratch.counts) {
            for _ in 0..*count {
                scratch.keys.push(Key { position, index });
                index += 1;
            }
        }
        let words = self.width.div_ceil(64);
        scratch.rows.resize(self.keys as usize, [0; ROW_BYTES]);
        for row in &mut scratch.rows {
            row.as_chunks_mut().0[..words].iter_mut().for_each(|word| *word = noise.next().to_le_bytes());
        }
        let blocks = (self.starts as usize + self.width).div_ceil(BLOCK_SLOTS);
        scratch.values.resize(self.keys as usize, 0);
        scratch.blocks.clear();
        scratch.blocks.resize(blocks, Block::default());
        scratch.solution.resize(blocks * BLOCK_SLOTS, 0);
        let Scratch { keys, rows, values, blocks, solution, .. } = scratch;
        band::eliminate(self.width, keys, rows, values, 0, blocks, solution).is_err()
    }
}

/// What came out for one case.
struct Line {
    case: Case,
    trials: u64,
    failures: u64,
}

impl Line {
    fn run(case: Case, options: &Options) -> Self {
        let mut line = Self { case, trials: 0, failures: 0 };
        let base = Noise(options.seed ^ u64::from(case.keys) << 20 ^ (case.width as u64) << 8).next();
        let budget = 1_u64 << options.budget_log2;
        while line.failures < options.failures && line.trials * u64::from(case.keys) < budget {
            let trials = line.trials..line.trials + BATCH_TRIALS;
            line.failures += trials
                .into_par_iter()
                .map_init(Scratch::default, |scratch, trial| {
                    u64::from(case.fails(Noise(base.wrapping_add(trial)).next(), scratch))
                })
                .sum::<u64>();
            line.trials += BATCH_TRIALS;
        }
        line
    }

    fn part(&self) -> f64 {
        self.failures as f64 / self.trials as f64
    }

    /// Bits of security of one key, and their variance; `None` when the line says too little.
    fn security(&self) -> Option<(f64, f64)> {
        let part = self.part();
        if self.failures < FAILURES_MIN || part > PART_MAX {
            return None;
        }
        let mean = -(-part).ln_1p();
        let variance = part / ((1.0 - part) * self.trials as f64 * (mean * std::f64::consts::LN_2).powi(2));
        Some((f64::from(self.case.keys).log2() - mean.log2(), variance))
    }
}

/// A straight line through points with variances.
struct Fit {
    slope: f64,
    offset: f64,
    middle: f64,
    slope_variance: f64,
    middle_variance: f64,
    points: usize,
    chi_square: f64,
}

impl Fit {
    fn new(points: &[(f64, f64, f64)]) -> Option<Self> {
        let total: f64 = points.iter().map(|(_, _, variance)| 1.0 / variance).sum();
        let mean =
            |of: fn(&(f64, f64, f64)) -> f64| points.iter().map(|point| of(point) / point.2).sum::<f64>() / total;
        let (x_mean, y_mean) = (mean(|point| point.0), mean(|point| point.1));
        let spread: f64 = points.iter().map(|(x, _, variance)| (x - x_mean).powi(2) / variance).sum();
        if points.len() < 3 || spread == 0.0 {
            return None;
        }
        let slope = points.iter().map(|(x, y, variance)| (x - x_mean) * (y - y_mean) / variance).sum::<f64>() / spread;
        let offset = y_mean - slope * x_mean;
        let chi_square = points.iter().map(|(x, y, variance)| (y - slope * x - offset).powi(2) / variance).sum();
        Some(Self {
            slope,
            offset,
            middle: x_mean,
            slope_variance: 1.0 / spread,
            middle_variance: 1.0 / total,
            points: points.len(),
            chi_square,
        })
    }

    /// The fitted value less three standard errors of it, at a width.
    fn lower(&self, width: f64) -> f64 {
        let variance = self.middle_variance + self.slope_variance * (width - self.middle).powi(2);
        // Errors grow with the scatter that counting alone does not explain.
        let scatter = (self.chi_square / (self.points as f64 - 2.0)).max(1.0);
        self.slope * width + self.offset - 3.0 * (variance * scatter).sqrt()
    }

    fn print(&self, name: &str) {
        println!(
            "{name}: {:.4} w {:+.2} (standard error of the slope {:.4}, {} lines, chi-square {:.1})",
            self.slope,
            self.offset,
            self.slope_variance.sqrt(),
            self.points,
            self.chi_square
        );
    }
}

/// The slope that the theory of the queue gives for wide bands: θ/ln 2 with (e^θ - 1)/θ = 1 + expansion.
fn slope_of_theory(expansion: u32) -> f64 {
    let goal = 1.0 + f64::from(expansion) / 100.0;
    let (mut low, mut high) = (1e-9_f64, 10.0_f64);
    for _ in 0..200 {
        let middle = f64::midpoint(low, high);
        if middle.exp_m1() / middle < goal { low = middle } else { high = middle }
    }
    low / std::f64::consts::LN_2
}

fn print_table(options: &Options) -> Vec<Line> {
    println!("| keys | width | trials | failures | security of one key |");
    println!("|---|---|---|---|---|");
    let mut lines = Vec::new();
    for log in &options.keys_log2 {
        let keys = 1_u32 << log;
        let starts = keys + (keys * options.expansion).div_ceil(100);
        // Wider bands of the same number of keys fail more rarely still.
        let _done = options.widths.iter().try_for_each(|width| {
            let line = Line::run(Case { keys, starts, width: *width }, options);
            let security = line.security().map_or_else(|| "-".to_owned(), |(bits, _)| format!("{bits:.2}"));
            println!("| 2^{log} | {width} | {} | {} | {security} |", line.trials, line.failures);
            let rare = line.failures < FAILURES_MIN;
            lines.push(line);
            if rare { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
    }
    lines
}

fn main() -> Result<()> {
    let options = Options::parse(std::env::args().skip(1))?;
    let lines = print_table(&options);
    let points = |log: Option<u32>| -> Vec<(f64, f64, f64)> {
        lines
            .iter()
            .filter(|line| log.is_none_or(|log| line.case.keys == 1 << log))
            .filter_map(|line| line.security().map(|(bits, variance)| (line.case.width as f64, bits, variance)))
            .collect()
    };
    println!();
    for log in &options.keys_log2 {
        if let Some(fit) = Fit::new(&points(Some(*log))) {
            fit.print(&format!("2^{log} keys"));
        }
    }
    println!("theory, wide bands: slope {:.4}", slope_of_theory(options.expansion));
    let Some(fit) = Fit::new(&points(None)) else { return Ok(()) };
    fit.print("all");
    let slope = slope_of_theory(options.expansion);
    println!("\n| keys | width for 40 bits, fitted | width for 40 bits, from the last lines by theory |");
    println!("|---|---|---|");
    for log in (10..=24).step_by(2).map(f64::from) {
        let wide = |security: &dyn Fn(f64) -> f64| {
            let width = (8..=248).find(|width| security(f64::from(*width)) - log >= 40.0);
            width.map_or_else(|| "-".to_owned(), |width| width.to_string())
        };
        let fitted = wide(&|width| fit.lower(width));
        println!("| 2^{log} | {fitted} | {} |", wide(&|width| last_lines(&lines, slope, width)));
    }
    Ok(())
}

/// The least security of one key at a width that follows from lines with many failures, less three standard errors,
/// by the slope of theory. Slopes fall towards it as bands become wider, so it errs to the safe side.
fn last_lines(lines: &[Line], slope: f64, width: f64) -> f64 {
    lines
        .iter()
        .filter(|line| line.failures >= 300)
        .filter_map(|line| line.security().map(|point| (line.case, point)))
        .filter(|(case, _)| {
            let wider = |line: &Line| line.case.keys == case.keys && line.case.width > case.width;
            !lines.iter().any(|line| wider(line) && line.failures >= 300)
        })
        .map(|(case, (bits, variance))| bits - 3.0 * variance.sqrt() + slope * (width - case.width as f64))
        .fold(f64::INFINITY, f64::min)
}
