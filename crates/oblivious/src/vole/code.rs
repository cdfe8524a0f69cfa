//! The codes that compress noise.

use rayon::prelude::*;
use symbolon_kernels::expand_convolute::{self, ROW_GROUP};
use symbolon_primitives::hash::Transcript;
use symbolon_primitives::kdf::Label;

use crate::block::Block;

/// A public linear code of rate 1/2 in the direction that compresses: a vector of 2·k elements to one of k. What is
/// done to elements are sums only, so it commutes with the multiplication by a factor.
pub trait DualCode {
    /// Compresses one vector, which is used up, to as many elements as `out` has.
    ///
    /// # Panics
    /// When the lengths are not those of the code.
    fn compress(&self, noise: &mut [Block], out: &mut [Block]);

    /// Compresses two vectors that lie side by side.
    ///
    /// # Panics
    /// When the lengths are not those of the code.
    fn compress_pair(&self, noise: &mut [[Block; 2]], out: [&mut [Block]; 2]);
}

/// The expand-convolute code of weight 21 and memory 24: two runs around the vector with different random bits, then
/// a sum of 21 elements for each of the k rows, one from each of 21 stripes.
///
/// # Security
/// The two runs close the gap that one leaves: a word of the code that begins late in its first run is spread over all
/// positions by the second, as the end of a run feeds the beginning of the vector.
///
/// # Where it differs from the paper
/// Two runs with wrap-around instead of one; a constant bit behind the 24 random ones; one element in each stripe
/// instead of 21 anywhere; two runs with bits of their own.
///
/// # References
/// Raghuraman, Rindal, Tanguy, [Expand-Convolute Codes for Pseudorandom Correlation Generators from
/// LPN](https://eprint.iacr.org/2023/882).
#[derive(Clone, Copy, Debug)]
pub struct ExpandConvolute {
    dimension: usize,
    bits: [u8; 16],
    rows: [u8; 16],
}

/// Rows of one task.
const TASK_ROWS: usize = 256 * ROW_GROUP;

/// The first block of the stream of the second run.
const SECOND_RUN: u128 = 1 << 64;

impl ExpandConvolute {
    /// The code with `dimension` rows of the session `sid`.
    #[must_use]
    pub fn new(dimension: usize, sid: &[u8; 32]) -> Self {
        let mut transcript = Transcript::new(Label::VoleCode);
        transcript.add(sid);
        transcript.add(&(dimension as u64).to_be_bytes());
        let seed = transcript.finish();
        let [bits, rows] = seed.as_chunks().0 else { unreachable!("a digest has two halves") };
        Self { dimension, bits: *bits, rows: *rows }
    }

    fn run<const W: usize>(&self, noise: &mut [[Block; W]], out: [&mut [Block]; W]) {
        assert_eq!(noise.len(), 2 * self.dimension, "a vector of the length of the code");
        expand_convolute::convolve(&self.bits, 0, noise);
        expand_convolute::convolve(&self.bits, SECOND_RUN, noise);
        let noise = &*noise;
        let tasks = tasks(out);
        tasks.into_par_iter().enumerate().for_each(|(index, out)| {
            expand_convolute::expand(&self.rows, noise, index * TASK_ROWS, out);
        });
    }
}

/// The outputs of each task.
fn tasks<const W: usize>(out: [&mut [Block]; W]) -> Vec<[&mut [Block]; W]> {
    let count = out.first().map_or(0, |out| out.len()).div_ceil(TASK_ROWS);
    let mut chunks = out.map(|out| out.chunks_mut(TASK_ROWS));
    (0..count).map(|_| chunks.each_mut().map(|chunks| chunks.next().unwrap_or_default())).collect()
}

impl DualCode for ExpandConvolute {
    fn compress(&self, noise: &mut [Block], out: &mut [Block]) {
        assert!(out.len() <= self.dimension, "as many rows as the code has");
        self.run(noise.as_chunks_mut::<1>().0, [out]);
    }

    fn compress_pair(&self, noise: &mut [[Block; 2]], out: [&mut [Block]; 2]) {
        assert!(out.iter().all(|out| out.len() <= self.dimension), "as many rows as the code has");
        self.run(noise, out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ideal::multiply;

    fn vector(seed: u128, count: usize) -> Vec<Block> {
        (1..=count as u128)
            .map(|index| (index * seed).wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835))
            .collect()
    }

    fn compressed(code: &ExpandConvolute, mut noise: Vec<Block>, rows: usize) -> Vec<Block> {
        let mut out = vec![0; rows];
        code.compress(&mut noise, &mut out);
        out
    }

    #[test]
    fn it_is_linear_over_the_large_field() {
        let code = ExpandConvolute::new(1_000, &[1; 32]);
        let (left, right) = (vector(3, 2_000), vector(5, 2_000));
        let mixed: Vec<_> = left.iter().zip(&right).map(|(left, right)| left ^ multiply(77 << 90, *right)).collect();
        let images = (compressed(&code, left, 1_000), compressed(&code, right, 1_000));
        let expected = images.0.iter().zip(&images.1).map(|(left, right)| left ^ multiply(77 << 90, *right));
        assert!(compressed(&code, mixed, 1_000).into_iter().eq(expected));
    }

    #[test]
    fn pairs_cuts_and_threads_change_nothing_and_the_seed_everything() {
        let dimension = 3 * TASK_ROWS + 17;
        let code = ExpandConvolute::new(dimension, &[1; 32]);
        let (left, right) = (vector(3, 2 * dimension), vector(5, 2 * dimension));
        let mut pairs: Vec<_> = left.iter().zip(&right).map(|(left, right)| [*left, *right]).collect();
        let (mut first, mut second) = (vec![0; dimension], vec![0; dimension]);
        code.compress_pair(&mut pairs, [&mut first, &mut second]);
        let alone = compressed(&code, left.clone(), dimension);
        assert_eq!(alone, first);
        assert_eq!(compressed(&code, right, dimension), second);
        assert_eq!(compressed(&code, left.clone(), TASK_ROWS + 1), first[..=TASK_ROWS]);
        let pool = rayon::ThreadPoolBuilder::new().num_threads(3).build().unwrap();
        assert_eq!(pool.install(|| compressed(&code, left.clone(), dimension)), first);
        assert_ne!(compressed(&ExpandConvolute::new(dimension, &[2; 32]), left, dimension), first);
    }

    #[test]
    fn single_elements_reach_about_half_of_the_rows_of_a_word() {
        // The image of the rows' unit vectors under the transposed map has weight near half: count, for random
        // positions, how many rows an element reaches.
        let code = ExpandConvolute::new(2_000, &[3; 32]);
        for position in [0, 1, 1_999, 3_998, 3_999] {
            let mut noise = vec![0; 4_000];
            noise[position] = 1;
            let reached = compressed(&code, noise, 2_000).iter().filter(|row| **row == 1).count();
            assert!((800..1_200).contains(&reached), "{reached} of 2000 from {position}");
        }
    }
}
