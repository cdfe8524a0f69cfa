//! Sixteen inputs side by side.

use std::arch::x86_64::*;

use super::{FLAGS, IV, SCHEDULE, bytes_of, compression, key_words};
use crate::blake3_many::{INPUT_BYTES_MAX, Inputs, KEY_BYTES};
use crate::cpu::{Avx512, avx512};

/// Inputs side by side.
const LANES: usize = 16;

pub(in crate::blake3_many) fn keyed<const N: usize>(
    _: Avx512,
    key: &[u8; KEY_BYTES],
    inputs: &Inputs<'_>,
    out: &mut [[u8; N]],
) {
    // SAFETY: a token exists, so the CPU has the instructions.
    unsafe { hash_all(key, inputs, out) }
}

pub(in crate::blake3_many) fn keyed_blocks(_: Avx512, key: &[u8; KEY_BYTES], inputs: &Inputs<'_>, out: &mut [u128]) {
    // SAFETY: a token exists, so the CPU has the instructions.
    unsafe { hash_blocks(key, inputs, out) }
}

avx512! {
    fn splat(word: u32) -> __m512i {
        _mm512_set1_epi32(word.cast_signed())
    }
}

avx512! {
    fn rotate<const BITS: i32>(words: __m512i) -> __m512i {
        _mm512_ror_epi32::<BITS>(words)
    }
}

compression!(avx512, __m512i, splat, _mm512_add_epi32, _mm512_xor_si512, rotate);

avx512! {
    fn splat_key(key: &[u8; KEY_BYTES]) -> [__m512i; 8] {
        let mut vectors = [_mm512_setzero_si512(); 8];
        for (vector, word) in vectors.iter_mut().zip(key_words(key)) {
            *vector = splat(word);
        }
        vectors
    }
}

avx512! {
    fn hash_all<const N: usize>(key: &[u8; KEY_BYTES], inputs: &Inputs<'_>, out: &mut [[u8; N]]) {
        let key = splat_key(key);
        for (batch, out) in out.chunks_mut(LANES).enumerate() {
            let words = hash(&key, inputs, LANES * batch, out.len());
            for (group, words) in words.as_chunks::<4>().0.iter().enumerate().take(N / 16) {
                for (quad, vector) in by_input(words).into_iter().enumerate() {
                    let blocks = store(vector);
                    for (out, block) in out.iter_mut().skip(4 * quad).zip(blocks) {
                        if let Some(out) = out.as_chunks_mut().0.get_mut(group) {
                            *out = block.to_le_bytes();
                        }
                    }
                }
            }
        }
    }
}

avx512! {
    fn hash_blocks(key: &[u8; KEY_BYTES], inputs: &Inputs<'_>, out: &mut [u128]) {
        let key = splat_key(key);
        for (batch, out) in out.chunks_mut(LANES).enumerate() {
            let words = hash(&key, inputs, LANES * batch, out.len());
            let [w0, w1, w2, w3, ..] = words;
            for (vector, out) in by_input(&[w0, w1, w2, w3]).into_iter().zip(out.chunks_mut(4)) {
                out.copy_from_slice(&store(vector)[..out.len()]);
            }
        }
    }
}

avx512! {
    fn store(vector: __m512i) -> [u128; 4] {
        let mut blocks = [0_u128; 4];
        // SAFETY: the pointer is to 64 bytes that may be written, and the store needs no alignment.
        unsafe { _mm512_storeu_si512(blocks.as_mut_ptr().cast(), vector) };
        blocks
    }
}

avx512! {
    /// The sixteen words of output of `count` inputs, at most sixteen, from `first` on.
    fn hash(key: &[__m512i; 8], inputs: &Inputs<'_>, first: usize, count: usize) -> [__m512i; 16] {
        let [one, two] = &inputs.parts;
        let (one_bytes, two_bytes) = (bytes_of(one), bytes_of(two));
        let length = one.bytes + two.bytes;
        debug_assert!(length <= INPUT_BYTES_MAX && (first + count) * one.bytes <= one_bytes.len());
        debug_assert!(two.count == 0 || (first + count) * two.bytes <= two_bytes.len());
        let (one_mask, two_mask) = (ones(one.bytes), ones(length) & !ones(one.bytes));
        let mut rows = [_mm512_setzero_si512(); LANES];
        for (lane, row) in rows.iter_mut().enumerate().take(count) {
            let one_first = one_bytes.as_ptr().wrapping_add((first + lane) * one.bytes);
            // The second piece goes behind the first one, so its load starts that much before it.
            let two_first = two_bytes.as_ptr().wrapping_add((first + lane) * two.bytes).wrapping_sub(one.bytes);
            // SAFETY: the mask has one bit for each byte of the piece, whose place in its part was checked when the
            // inputs were made, and no other byte is read.
            *row = unsafe { _mm512_maskz_loadu_epi8(one_mask, one_first.cast()) };
            // A load of nothing from nowhere is allowed, but very slow.
            if two_mask != 0 {
                // SAFETY: as above.
                *row = unsafe { _mm512_mask_loadu_epi8(*row, two_mask, two_first.cast()) };
            }
        }
        compress(key, &by_word(&rows), u32::try_from(length).unwrap_or(0))
    }
}

/// The lowest `count` bits, at most 64.
fn ones(count: usize) -> u64 {
    1_u64.unbounded_shl(u32::try_from(count).unwrap_or(64)).wrapping_sub(1)
}

avx512! {
    /// From one input a vector to one word of all inputs a vector.
    fn by_word(rows: &[__m512i; 16]) -> [__m512i; 16] {
        // Words 4L + j of inputs 4i to 4i + 3 stand in 128-bit lane L of quads[i][j].
        let mut quads = [[_mm512_setzero_si512(); 4]; 4];
        for (quad, rows) in quads.iter_mut().zip(rows.as_chunks::<4>().0) {
            *quad = within_lanes(rows);
        }
        let mut words = *rows;
        for j in 0..4 {
            let [w0, w1, w2, w3] = across_lanes(&[quads[0][j], quads[1][j], quads[2][j], quads[3][j]]);
            (words[j], words[4 + j], words[8 + j], words[12 + j]) = (w0, w1, w2, w3);
        }
        words
    }
}

avx512! {
    /// From four words of all inputs to the same four of each input: vector k has those of inputs 4k to 4k + 3.
    fn by_input(words: &[__m512i; 4]) -> [__m512i; 4] {
        across_lanes(&within_lanes(words))
    }
}

avx512! {
    /// Transposes each 128-bit lane of four vectors as four by four words.
    fn within_lanes([a, b, c, d]: &[__m512i; 4]) -> [__m512i; 4] {
        let (ab_low, ab_high) = (_mm512_unpacklo_epi32(*a, *b), _mm512_unpackhi_epi32(*a, *b));
        let (cd_low, cd_high) = (_mm512_unpacklo_epi32(*c, *d), _mm512_unpackhi_epi32(*c, *d));
        [
            _mm512_unpacklo_epi64(ab_low, cd_low),
            _mm512_unpackhi_epi64(ab_low, cd_low),
            _mm512_unpacklo_epi64(ab_high, cd_high),
            _mm512_unpackhi_epi64(ab_high, cd_high),
        ]
    }
}

avx512! {
    /// Transposes four vectors as four by four lanes of 128 bits.
    fn across_lanes([a, b, c, d]: &[__m512i; 4]) -> [__m512i; 4] {
        let (ab_even, ab_odd) = (_mm512_shuffle_i32x4::<0x88>(*a, *b), _mm512_shuffle_i32x4::<0xDD>(*a, *b));
        let (cd_even, cd_odd) = (_mm512_shuffle_i32x4::<0x88>(*c, *d), _mm512_shuffle_i32x4::<0xDD>(*c, *d));
        [
            _mm512_shuffle_i32x4::<0x88>(ab_even, cd_even),
            _mm512_shuffle_i32x4::<0x88>(ab_odd, cd_odd),
            _mm512_shuffle_i32x4::<0xDD>(ab_even, cd_even),
            _mm512_shuffle_i32x4::<0xDD>(ab_odd, cd_odd),
        ]
    }
}
