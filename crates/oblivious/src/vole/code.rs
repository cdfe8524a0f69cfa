//! The codes that compress noise.

use rayon::prelude::*;
use symbolon_kernels::expand_convolute;
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
}

/// The expand-convolute code of weight 21 and memory 24: two runs around the vector with different random bits, then
/// a sum of 21 elements for each of the k rows, one from each of 21 stripes.
///
/// # Security
/// The two runs close the gap that one leaves: a word of the code that begins late in its first run is spread over all
/// positions by the second, as the end of a run feeds the beginning of the vector.
///
/// # Where it differs from the paper
/// Two runs with wrap-around and bits of their own instead of one run; a constant bit behind the 24 random ones; one
/// element from each of 21 windows that begin in 21 stripes, the same windows for the rows of a group, instead of 21
/// from anywhere. The
/// chapter on LPN of the manual of `symbolon-psi` says what that means for the distance.
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
}

impl DualCode for ExpandConvolute {
    fn compress(&self, noise: &mut [Block], out: &mut [Block]) {
        assert_eq!(noise.len(), 2 * self.dimension, "a vector of the length of the code");
        assert!(out.len() <= self.dimension, "as many rows as the code has");
        expand_convolute::convolve(&self.bits, 0, noise);
        expand_convolute::convolve(&self.bits, SECOND_RUN, noise);
        let noise = &*noise;
        let task_rows = expand_convolute::group_rows(noise.len());
        out.par_chunks_mut(task_rows).enumerate().for_each(|(index, out)| {
            expand_convolute::expand(&self.rows, noise, index * task_rows, out);
        });
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
    fn cuts_and_threads_change_nothing_and_the_seed_everything() {
        let dimension = 20_017;
        let code = ExpandConvolute::new(dimension, &[1; 32]);
        let noise = vector(3, 2 * dimension);
        let all = compressed(&code, noise.clone(), dimension);
        assert_eq!(compressed(&code, noise.clone(), 8_193), all[..8_193]);
        let pool = rayon::ThreadPoolBuilder::new().num_threads(3).build().unwrap();
        assert_eq!(pool.install(|| compressed(&code, noise.clone(), dimension)), all);
        assert_ne!(compressed(&ExpandConvolute::new(dimension, &[2; 32]), noise, dimension), all);
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
