//! Eight inputs side by side.

use std::arch::x86_64::*;

use super::{FLAGS, IV, SCHEDULE, compression, key_words};
use crate::blake3_many::{INPUT_BYTES_MAX, Inputs, KEY_BYTES, portable};
use crate::cpu::{Avx2, avx2};

/// Inputs side by side.
const LANES: usize = 8;

pub(in crate::blake3_many) fn keyed<const N: usize>(
    _: Avx2,
    key: &[u8; KEY_BYTES],
    inputs: &Inputs<'_>,
    out: &mut [[u8; N]],
) {
    // SAFETY: a token exists, so the CPU has the instructions.
    unsafe { hash_all(key, inputs, out) }
}

pub(in crate::blake3_many) fn keyed_blocks(_: Avx2, key: &[u8; KEY_BYTES], inputs: &Inputs<'_>, out: &mut [u128]) {
    // SAFETY: a token exists, so the CPU has the instructions.
    unsafe { hash_blocks(key, inputs, out) }
}

avx2! {
    fn splat(word: u32) -> __m256i {
        _mm256_set1_epi32(word.cast_signed())
    }
}

avx2! {
    fn rotate<const BITS: i32>(words: __m256i) -> __m256i {
        let by_16 = _mm_set_epi8(13, 12, 15, 14, 9, 8, 11, 10, 5, 4, 7, 6, 1, 0, 3, 2);
        let by_8 = _mm_set_epi8(12, 15, 14, 13, 8, 11, 10, 9, 4, 7, 6, 5, 0, 3, 2, 1);
        match BITS {
            16 => _mm256_shuffle_epi8(words, _mm256_broadcastsi128_si256(by_16)),
            8 => _mm256_shuffle_epi8(words, _mm256_broadcastsi128_si256(by_8)),
            12 => _mm256_or_si256(_mm256_srli_epi32::<12>(words), _mm256_slli_epi32::<20>(words)),
            _ => _mm256_or_si256(_mm256_srli_epi32::<7>(words), _mm256_slli_epi32::<25>(words)),
        }
    }
}

compression!(avx2, __m256i, splat, _mm256_add_epi32, _mm256_xor_si256, rotate);

avx2! {
    fn splat_key(key: &[u8; KEY_BYTES]) -> [__m256i; 8] {
        let mut vectors = [_mm256_setzero_si256(); 8];
        for (vector, word) in vectors.iter_mut().zip(key_words(key)) {
            *vector = splat(word);
        }
        vectors
    }
}

avx2! {
    fn hash_all<const N: usize>(key: &[u8; KEY_BYTES], inputs: &Inputs<'_>, out: &mut [[u8; N]]) {
        let key = splat_key(key);
        for (batch, out) in out.chunks_mut(LANES).enumerate() {
            let words = hash(&key, inputs, LANES * batch, out.len());
            for (half, words) in words.as_chunks::<8>().0.iter().enumerate() {
                for (out, vector) in out.iter_mut().zip(transposed(words)) {
                    let bytes = store(vector);
                    if let Some(out) = out.get_mut(32 * half..) {
                        let length = out.len().min(32);
                        out[..length].copy_from_slice(&bytes[..length]);
                    }
                }
            }
        }
    }
}

avx2! {
    fn hash_blocks(key: &[u8; KEY_BYTES], inputs: &Inputs<'_>, out: &mut [u128]) {
        let key = splat_key(key);
        for (batch, out) in out.chunks_mut(LANES).enumerate() {
            let [w0, w1, w2, w3, w4, w5, w6, w7, ..] = hash(&key, inputs, LANES * batch, out.len());
            for (out, vector) in out.iter_mut().zip(transposed(&[w0, w1, w2, w3, w4, w5, w6, w7])) {
                *out = store(vector).as_chunks().0.first().map_or(0, |block| u128::from_le_bytes(*block));
            }
        }
    }
}

avx2! {
    fn load(bytes: &[u8; 32]) -> __m256i {
        // SAFETY: the pointer is to 32 bytes that may be read, and the load needs no alignment.
        unsafe { _mm256_loadu_si256(bytes.as_ptr().cast()) }
    }
}

avx2! {
    fn store(vector: __m256i) -> [u8; 32] {
        let mut bytes = [0; 32];
        // SAFETY: the pointer is to 32 bytes that may be written, and the store needs no alignment.
        unsafe { _mm256_storeu_si256(bytes.as_mut_ptr().cast(), vector) };
        bytes
    }
}

avx2! {
    /// The sixteen words of output of `count` inputs, at most eight, from `first` on.
    fn hash(key: &[__m256i; 8], inputs: &Inputs<'_>, first: usize, count: usize) -> [__m256i; 16] {
        let [one, two] = &inputs.parts;
        let (mut low, mut high) = ([_mm256_setzero_si256(); LANES], [_mm256_setzero_si256(); LANES]);
        for lane in 0..count {
            let mut input = [0; INPUT_BYTES_MAX];
            portable::copy_piece(one, first + lane, &mut input);
            portable::copy_piece(two, first + lane, &mut input[one.bytes..]);
            let [front, back] = input.as_chunks().0 else { continue };
            (low[lane], high[lane]) = (load(front), load(back));
        }
        let [m0, m1, m2, m3, m4, m5, m6, m7] = transposed(&low);
        let [m8, m9, m10, m11, m12, m13, m14, m15] = transposed(&high);
        let message = [m0, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15];
        compress(key, &message, u32::try_from(one.bytes + two.bytes).unwrap_or(0))
    }
}

avx2! {
    /// Transposes eight by eight words.
    fn transposed(rows: &[__m256i; LANES]) -> [__m256i; LANES] {
        let [r0, r1, r2, r3, r4, r5, r6, r7] = *rows;
        let [a0, a1, a2, a3] = within_lanes([r0, r1, r2, r3]);
        let [b0, b1, b2, b3] = within_lanes([r4, r5, r6, r7]);
        [
            _mm256_permute2x128_si256::<0x20>(a0, b0),
            _mm256_permute2x128_si256::<0x20>(a1, b1),
            _mm256_permute2x128_si256::<0x20>(a2, b2),
            _mm256_permute2x128_si256::<0x20>(a3, b3),
            _mm256_permute2x128_si256::<0x31>(a0, b0),
            _mm256_permute2x128_si256::<0x31>(a1, b1),
            _mm256_permute2x128_si256::<0x31>(a2, b2),
            _mm256_permute2x128_si256::<0x31>(a3, b3),
        ]
    }
}

avx2! {
    /// Transposes each 128-bit lane of four vectors as four by four words.
    fn within_lanes([a, b, c, d]: [__m256i; 4]) -> [__m256i; 4] {
        let (ab_low, ab_high) = (_mm256_unpacklo_epi32(a, b), _mm256_unpackhi_epi32(a, b));
        let (cd_low, cd_high) = (_mm256_unpacklo_epi32(c, d), _mm256_unpackhi_epi32(c, d));
        [
            _mm256_unpacklo_epi64(ab_low, cd_low),
            _mm256_unpackhi_epi64(ab_low, cd_low),
            _mm256_unpacklo_epi64(ab_high, cd_high),
            _mm256_unpackhi_epi64(ab_high, cd_high),
        ]
    }
}
