//! Eight entries as bit matrices, one for each of their bytes.
//!
//! The instruction `gf2p8affineqb` multiplies each byte x of one operand by the 8 x 8 matrix in the same lane of the other:
//! bit i of the result is the parity of x and byte 7 - i of the matrix. In this backend
//! * the *matrix* of eight entries at byte j has in byte 7 - i the bits i of byte j of all entries, entry l at
//!   bit l; multiplied by a selection of entries it gives byte j of their sum;
//! * a *reversed* lane has byte j of entry l in byte 7 - l, a *natural* one in byte l;
//! * the matrix of eight rows of a block has row k in byte 7 - k, column l at bit l.
//!
//! An entry of W·128 bits takes 2·W vectors of eight lanes, byte j in lane j mod 8 of vector j / 8.

use std::arch::x86_64::*;

use super::{V, avx512, lanes, load, splat, store};

/// The identity. As left operand of the product it transposes a matrix, or reversed lanes into matrices.
pub(super) const IDENTITY: u64 = 0x0102_0408_1020_4080;

/// As left operand of the product it takes matrices to natural lanes.
const TO_NATURAL: u64 = 0x8040_2010_0804_0201;

/// Vectors of the widest entries.
pub(super) const VECTORS_MAX: usize = 4;

/// Byte j of lane l goes to byte l of lane j.
const TRANSPOSE: V = lanes(transposed(false));

/// Byte j of lane l goes to byte 7 - l of lane j.
const TRANSPOSE_REVERSED: V = lanes(transposed(true));

const fn transposed(reversed: bool) -> [u64; 8] {
    let mut words = [0_u64; 8];
    let mut lane = 0;
    while lane < 8 {
        let mut byte = 0;
        while byte < 8 {
            let from = if reversed { 7 - byte } else { byte };
            words[lane] |= (8 * from + lane as u64) << (8 * byte);
            byte += 1;
        }
        lane += 1;
    }
    words
}

avx512! {
    /// The product of the bytes of `x` with the matrices in the same lanes.
    pub(super) fn product(x: V, matrices: V) -> V {
        _mm512_gf2p8affine_epi64_epi8::<0>(x, matrices)
    }
}

avx512! {
    pub(super) fn transpose(vector: V) -> V {
        _mm512_permutexvar_epi8(TRANSPOSE, vector)
    }
}

avx512! {
    pub(super) fn transpose_reversed(vector: V) -> V {
        _mm512_permutexvar_epi8(TRANSPOSE_REVERSED, vector)
    }
}

avx512! {
    /// Reversed lanes to matrices.
    pub(super) fn from_reversed(vector: V) -> V {
        product(splat(IDENTITY), vector)
    }
}

avx512! {
    /// Matrices to natural lanes.
    pub(super) fn to_natural(matrices: V) -> V {
        product(splat(TO_NATURAL), matrices)
    }
}

avx512! {
    /// Word q of eight entries in vector q, one entry a lane.
    pub(super) fn split<const W: usize>(entries: &[[u128; W]; 8]) -> [V; VECTORS_MAX] {
        let mut words = [_mm512_setzero_si512(); VECTORS_MAX];
        let (raw, _) = entries.as_flattened().as_chunks::<4>();
        let raw = |index: usize| {
            // SAFETY: the pointer is to 64 bytes that may be read, and the load needs no alignment.
            unsafe { _mm512_loadu_si512(raw[index].as_ptr().cast()) }
        };
        if W == 1 {
            let (a, b) = (raw(0), raw(1));
            words[0] = _mm512_permutex2var_epi64(a, const { lanes([0, 2, 4, 6, 8, 10, 12, 14]) }, b);
            words[1] = _mm512_permutex2var_epi64(a, const { lanes([1, 3, 5, 7, 9, 11, 13, 15]) }, b);
        } else {
            let (a, b, c, d) = (raw(0), raw(1), raw(2), raw(3));
            let even = const { lanes([0, 4, 8, 12, 1, 5, 9, 13]) };
            let odd = const { lanes([2, 6, 10, 14, 3, 7, 11, 15]) };
            let (low, high) = (_mm512_permutex2var_epi64(a, even, b), _mm512_permutex2var_epi64(c, even, d));
            words[0] = _mm512_shuffle_i64x2::<0x44>(low, high);
            words[1] = _mm512_shuffle_i64x2::<0xEE>(low, high);
            let (low, high) = (_mm512_permutex2var_epi64(a, odd, b), _mm512_permutex2var_epi64(c, odd, d));
            words[2] = _mm512_shuffle_i64x2::<0x44>(low, high);
            words[3] = _mm512_shuffle_i64x2::<0xEE>(low, high);
        }
        words
    }
}

avx512! {
    /// The inverse of [`split`].
    pub(super) fn join<const W: usize>(words: &[V; VECTORS_MAX], entries: &mut [[u128; W]; 8]) {
        let (raw, _) = entries.as_flattened_mut().as_chunks_mut::<4>();
        let mut put = |index: usize, vector: V| {
            // SAFETY: the pointer is to 64 bytes that may be written, and the store needs no alignment.
            unsafe { _mm512_storeu_si512(raw[index].as_mut_ptr().cast(), vector) }
        };
        let first = const { lanes([0, 8, 1, 9, 2, 10, 3, 11]) };
        let second = const { lanes([4, 12, 5, 13, 6, 14, 7, 15]) };
        let (a, b) = (
            _mm512_permutex2var_epi64(words[0], first, words[1]),
            _mm512_permutex2var_epi64(words[0], second, words[1]),
        );
        if W == 1 {
            put(0, a);
            put(1, b);
        } else {
            let (c, d) = (
                _mm512_permutex2var_epi64(words[2], first, words[3]),
                _mm512_permutex2var_epi64(words[2], second, words[3]),
            );
            let low = const { lanes([0, 1, 8, 9, 2, 3, 10, 11]) };
            let high = const { lanes([4, 5, 12, 13, 6, 7, 14, 15]) };
            put(0, _mm512_permutex2var_epi64(a, low, c));
            put(1, _mm512_permutex2var_epi64(a, high, c));
            put(2, _mm512_permutex2var_epi64(b, low, d));
            put(3, _mm512_permutex2var_epi64(b, high, d));
        }
    }
}

/// The matrices of eight entries.
pub(super) type Matrices<const N: usize> = [[u64; 8]; N];

avx512! {
    /// The matrices of eight entries, of which the first `N` = 2·W vectors are kept.
    pub(super) fn matrices<const W: usize, const N: usize>(entries: &[[u128; W]; 8], out: &mut Matrices<N>) {
        let words = split(entries);
        for (out, words) in out.iter_mut().zip(words) {
            store(from_reversed(transpose_reversed(words)), out);
        }
    }
}

avx512! {
    /// Adds to `sum` the products of one byte of eight selections with the matrices.
    pub(super) fn accumulate<const N: usize>(selections: u64, matrices: &Matrices<N>, sum: &mut [V; N]) {
        let selections = splat(selections);
        for (sum, matrices) in sum.iter_mut().zip(matrices) {
            *sum = _mm512_xor_si512(*sum, product(selections, load(matrices)));
        }
    }
}
