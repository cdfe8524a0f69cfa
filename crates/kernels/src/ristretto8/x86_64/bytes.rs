//! Between encodings one after the other and vectors of words, one encoding a lane.

use std::arch::x86_64::*;

use super::field::{V, avx512};

avx512! {
    pub(super) fn load(words: &[u64; 8]) -> V {
        // SAFETY: the pointer is to 64 bytes that may be read, and the load needs no alignment.
        unsafe { _mm512_loadu_si512(words.as_ptr().cast()) }
    }
}

avx512! {
    pub(super) fn store(vector: V) -> [u64; 8] {
        let mut words = [0; 8];
        // SAFETY: the pointer is to 64 bytes that may be written, and the store needs no alignment.
        unsafe { _mm512_storeu_si512(words.as_mut_ptr().cast(), vector) };
        words
    }
}

avx512! {
    /// Four words of eight encodings at most; the other lanes are zero. `offset` is that of the encoding in `N`
    /// bytes.
    pub(super) fn read_words<const N: usize>(encodings: &[[u8; N]], offset: usize) -> [V; 4] {
        let mut words = [[0_u64; 8]; 4];
        for (lane, encoding) in encodings.iter().enumerate().take(8) {
            for (row, bytes) in words.iter_mut().zip(encoding[offset..].as_chunks().0) {
                row[lane] = u64::from_le_bytes(*bytes);
            }
        }
        [load(&words[0]), load(&words[1]), load(&words[2]), load(&words[3])]
    }
}

avx512! {
    /// Writes the first lanes, as many as there are in `out`.
    pub(super) fn write_words(words: [V; 4], out: &mut [[u8; 32]]) {
        let rows = [store(words[0]), store(words[1]), store(words[2]), store(words[3])];
        for (lane, encoding) in out.iter_mut().enumerate().take(8) {
            for (bytes, row) in encoding.as_chunks_mut().0.iter_mut().zip(&rows) {
                *bytes = row[lane].to_le_bytes();
            }
        }
    }
}
