//! Whether the running time of a kernel depends on its secrets: Welch's t-test on two classes of inputs, after
//! Reparaz, Balasch, Verbauwhede, [dude, is my code constant time?](https://eprint.iacr.org/2016/1123).
//!
//! `cargo bench -p symbolon-kernels --bench timing` prints one JSON line. In each pair one class has random secrets,
//! the other one fixed: zero (every table look-up takes the neutral entry), all digits 7 or all of them negative
//! (the far end of the table, every sign the same), or a random one; for the symmetric kernels, whose secrets are
//! blocks, all bits are zero or one. Values of |t| stay below 4.5 when nothing shows and grow with the
//! square root of the samples when something does; the largest over some cuts of the slow tail is given. The control
//! is a multiplication that is meant to depend on its scalar, and must show it. The exit code is 1 when a value of
//! this crate is above 10 or the control's below. A busy machine makes the values noisy, not larger on average.

#![expect(clippy::print_stdout, reason = "the figures are the output")]
#![expect(clippy::disallowed_methods, reason = "the clock is what is measured with")]

use std::hint::black_box;
use std::process::ExitCode;
use std::time::Instant;

use curve25519_dalek::traits::VartimeMultiscalarMul;
use curve25519_dalek::{RistrettoPoint, Scalar};
use serde_json::{Map, Value, json};
use symbolon_kernels::aes_batch::{self, GgmKeys, StreamKeys};
use symbolon_kernels::ristretto8::{self, Points};
use symbolon_kernels::{clmul128, cpu, gf256};

/// Measurements of a pair of classes.
const SAMPLES: usize = 40_000;

/// |t| from which a dependence counts as shown.
const SHOWN: f64 = 10.0;

/// A small generator; only its spread matters.
struct Noise(u64);

impl Noise {
    fn byte(&mut self) -> u8 {
        self.0 = self.0.wrapping_mul(0x5851_F42D_4C95_7F2D).wrapping_add(0x1405_7B7E_F767_814F);
        self.0.to_be_bytes()[0]
    }

    fn bytes<const N: usize>(&mut self) -> [u8; N] {
        std::array::from_fn(|_| self.byte())
    }

    fn scalar(&mut self) -> Scalar {
        Scalar::from_bytes_mod_order_wide(&self.bytes())
    }

    fn block(&mut self) -> u128 {
        u128::from_le_bytes(self.bytes())
    }
}

fn main() -> ExitCode {
    let mut noise = Noise(1);
    let fixed = [
        ("zero", Scalar::ZERO),
        // Doubled, since the functions multiply by half of the scalar. Nibbles of 8 become digits of -8 and -7.
        ("sevens", doubled(0x77)),
        ("negative", doubled(0x88)),
        ("random", noise.scalar()),
    ];
    let uniform: Vec<[u8; 64]> = (0..8).map(|_| noise.bytes()).collect();
    let points = Points::map(&uniform);
    let mut out = [[0; 32]; 8];
    let (mut shared, mut each) = (Map::new(), Map::new());
    let mut largest = 0.0_f64;
    for (name, fixed) in fixed {
        let t = compare(&mut noise, fixed, Noise::scalar, |scalar| points.multiply(scalar, &mut out));
        shared.insert(name.to_owned(), t.into());
        largest = largest.max(t);
        let t = compare(&mut noise, fixed, Noise::scalar, |scalar| points.multiply_each(&[*scalar; 8], &mut out));
        each.insert(name.to_owned(), t.into());
        largest = largest.max(t);
    }
    let point = RistrettoPoint::from_uniform_bytes(&uniform[0]);
    let control = compare(&mut noise, Scalar::from(1_u64 << 60), Noise::scalar, |scalar| {
        black_box(RistrettoPoint::vartime_multiscalar_mul([scalar], [point]));
    });
    let (symmetric, largest_symmetric) = symmetric(&mut noise);
    largest = largest.max(largest_symmetric);
    let line = json!({
        "backend": ristretto8::backend(),
        "backend_symmetric": cpu::backend(),
        "samples": SAMPLES,
        "t_multiply": shared,
        "t_multiply_each": each,
        "t_symmetric": symmetric,
        "t_control": control,
    });
    println!("{line}");
    if largest < SHOWN && control > SHOWN { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// |t| of the symmetric kernels on blocks that are all alike, by name, and the largest.
fn symmetric(noise: &mut Noise) -> (Map<String, Value>, f64) {
    let keys = GgmKeys::new(noise.bytes(), noise.bytes());
    let public: Vec<u128> = (0..256).map(|_| noise.block()).collect();
    let public_rows: Vec<[u128; 2]> = public.iter().map(|block| [*block, !block]).collect();
    let (mut blocks, mut children) = (public.clone(), vec![0; 512]);
    let (mut rows, mut sums, mut bytes) = (public_rows.clone(), public_rows.clone(), [[0; 64]; 2]);
    let [sum, weighted] = &mut bytes;
    let mut kernels: [(&str, &mut dyn FnMut(u128)); 6] = [
        ("clmul_factor", &mut |secret| clmul128::mul_add(secret, &public, &mut blocks)),
        ("clmul_elements", &mut |secret| _ = black_box(clmul128::inner_product(&public, &[secret; 256]))),
        ("ggm_parents", &mut |secret| aes_batch::ggm_level(&keys, &[secret; 256], &mut children)),
        ("stream_keys", &mut |secret| StreamKeys::new(&[secret; 4]).fold(0, sum, weighted)),
        ("gf256_factors", &mut |secret| gf256::mul_add_rows(&[secret; 2], &public_rows, &mut sums)),
        ("gf256_values", &mut |secret| gf256::evaluate(31, &[secret; 256], &mut rows)),
    ];
    let mut found = Map::new();
    let mut largest = 0.0_f64;
    for (name, work) in &mut kernels {
        for (class, fixed) in [("zeros", 0), ("ones", u128::MAX)] {
            let t = compare(noise, fixed, Noise::block, |secret| work(*secret));
            found.insert(format!("{name}_{class}"), t.into());
            largest = largest.max(t);
        }
    }
    (found, largest)
}

/// Twice the number whose bytes are all `byte`, without its highest nibble.
fn doubled(byte: u8) -> Scalar {
    let mut bytes = [byte; 32];
    bytes[31] = 0;
    let scalar = Scalar::from_bytes_mod_order(bytes);
    scalar + scalar
}

/// The largest |t| over some cuts between times with `fixed` and with random inputs, in random turns.
fn compare<T: Copy>(noise: &mut Noise, fixed: T, draw: fn(&mut Noise) -> T, mut work: impl FnMut(&T)) -> f64 {
    let inputs: Vec<(bool, T)> = (0..SAMPLES)
        .map(|_| {
            let random = draw(noise);
            let class = noise.byte() & 1 == 1;
            (class, if class { fixed } else { random })
        })
        .collect();
    let mut times = Vec::with_capacity(SAMPLES);
    for (class, input) in &inputs {
        let start = Instant::now();
        work(black_box(input));
        times.push((*class, start.elapsed().as_secs_f64() * 1e9));
    }
    // The first ones warm the caches.
    let times = &times[SAMPLES / 20..];
    let mut sorted: Vec<f64> = times.iter().map(|(_, time)| *time).collect();
    sorted.sort_by(f64::total_cmp);
    let cuts = [50, 80, 95, 99, 100].map(|percent| sorted[(sorted.len() - 1) * percent / 100]);
    cuts.map(|cut| welch(times.iter().filter(|(_, time)| *time <= cut))).into_iter().fold(0.0, f64::max)
}

/// |t| of Welch's test.
fn welch<'a>(times: impl Iterator<Item = &'a (bool, f64)>) -> f64 {
    let mut count = [0.0_f64; 2];
    let mut mean = [0.0_f64; 2];
    let mut squares = [0.0_f64; 2];
    for (class, time) in times {
        let class = usize::from(*class);
        count[class] += 1.0;
        let delta = time - mean[class];
        mean[class] += delta / count[class];
        squares[class] += delta * (time - mean[class]);
    }
    let error = |class: usize| squares[class] / (count[class] - 1.0) / count[class];
    ((mean[0] - mean[1]) / (error(0) + error(1)).sqrt()).abs()
}
