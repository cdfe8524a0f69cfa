//! Solution of an echelon form from the last block to the first, eight columns at once.

use std::arch::x86_64::*;

use super::super::{BLOCK_SLOTS, Block};
use super::matrix::{
    IDENTITY, Matrices, VECTORS_MAX, accumulate, from_reversed, join, product, split, to_natural, transpose,
    transpose_reversed,
};
use super::{avx512, load, splat, store};

/// Blocks whose solution is held as matrices; a row reaches over 32.
const WINDOW: usize = 32;

avx512! {
    pub(super) fn substitute(width: usize, blocks: &[Block], solution: &mut [u128]) {
        // Behind the last entry there is nothing but zeros.
        let mut window: Box<[Matrices<2>; WINDOW]> = Box::new([[[0; 8]; 2]; WINDOW]);
        // A row begins in any column of its block.
        let steps = (width + BLOCK_SLOTS - 1).div_ceil(BLOCK_SLOTS);
        let (entries, _) = solution.as_chunks_mut::<1>();
        let (entries, _) = entries.as_chunks_mut::<BLOCK_SLOTS>();
        for (number, (block, entries)) in blocks.iter().zip(entries).enumerate().rev() {
            let mut selections = [0; 32];
            for (words, out) in block.words.iter().zip(selections.as_chunks_mut().0) {
                store(transpose_reversed(load(words)), out);
            }
            let [low, high, ..] = split(entries);
            let mut sums = [transpose_reversed(low), transpose_reversed(high)];
            for step in 1..steps {
                accumulate(selections[step], &window[(number + step) % WINDOW], &mut sums);
            }
            let inverse = splat(inverse(selections[0]));
            let mut words = [_mm512_setzero_si512(); VECTORS_MAX];
            for ((sum, word), out) in sums.iter().zip(&mut words).zip(&mut window[number % WINDOW]) {
                let solved = product(from_reversed(*sum), inverse);
                store(solved, out);
                *word = transpose(to_natural(solved));
            }
            join(&words, entries);
        }
    }
}

avx512! {
    /// The inverse of an upper triangular matrix whose diagonal is put to ones.
    ///
    /// With N what lies above the diagonal and N^8 = 0, it is (I + N)·(I + N^2)·(I + N^4). The instruction multiplies
    /// by the transpose of its right operand, so powers are kept in both forms.
    fn inverse(matrix: u64) -> u64 {
        let identity = _mm_set1_epi64x(IDENTITY.cast_signed());
        let n = _mm_set1_epi64x((matrix & !IDENTITY).cast_signed());
        let times = |a, b| _mm_gf2p8affine_epi64_epi8::<0>(a, b);
        let plus_identity = |a| _mm_xor_si128(a, identity);
        let n_t = times(identity, n);
        let (n2, n2_t) = (times(n, n_t), times(n_t, n));
        let n4_t = times(n2_t, n2);
        let product = times(times(plus_identity(n), plus_identity(n2_t)), plus_identity(n4_t));
        _mm_cvtsi128_si64(product).cast_unsigned()
    }
}
