//! Round keys for the AES instructions of x86-64; `avx2` and `avx512` have the loops.

use std::arch::x86_64::*;

use zeroize::Zeroize;

use super::KEY_BYTES;
use crate::cpu::{Avx2, avx2};

pub(super) mod avx2;
pub(super) mod avx512;

/// Rounds of AES-128.
const ROUNDS: usize = 10;

/// The eleven round keys; wiped when dropped.
#[derive(Clone)]
pub(super) struct RoundKeys([u128; ROUNDS + 1]);

impl RoundKeys {
    pub(super) fn new(_: Avx2, key: &[u8; KEY_BYTES]) -> Self {
        // SAFETY: a token exists, so the CPU has the instructions.
        unsafe { expand(key) }
    }
}

impl Drop for RoundKeys {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

avx2! {
    /// FIPS 197, section 5.2, four words at a time.
    fn expand(key: &[u8; KEY_BYTES]) -> RoundKeys {
        let mut keys = [u128::from_le_bytes(*key); ROUNDS + 1];
        let mut last = load(&keys[0]);
        let mut step = |round: usize, assist: __m128i| {
            // Each word adds up all words before it, and the substituted last one.
            let mut words = _mm_xor_si128(last, _mm_slli_si128::<4>(last));
            words = _mm_xor_si128(words, _mm_slli_si128::<8>(words));
            last = _mm_xor_si128(words, _mm_shuffle_epi32::<0xFF>(assist));
            store(&mut keys[round], last);
            last
        };
        let last = step(1, _mm_aeskeygenassist_si128::<0x01>(load(&u128::from_le_bytes(*key))));
        let last = step(2, _mm_aeskeygenassist_si128::<0x02>(last));
        let last = step(3, _mm_aeskeygenassist_si128::<0x04>(last));
        let last = step(4, _mm_aeskeygenassist_si128::<0x08>(last));
        let last = step(5, _mm_aeskeygenassist_si128::<0x10>(last));
        let last = step(6, _mm_aeskeygenassist_si128::<0x20>(last));
        let last = step(7, _mm_aeskeygenassist_si128::<0x40>(last));
        let last = step(8, _mm_aeskeygenassist_si128::<0x80>(last));
        let last = step(9, _mm_aeskeygenassist_si128::<0x1B>(last));
        step(10, _mm_aeskeygenassist_si128::<0x36>(last));
        RoundKeys(keys)
    }
}

avx2! {
    fn load(block: &u128) -> __m128i {
        // SAFETY: the pointer is to 16 bytes that may be read, and the load needs no alignment.
        unsafe { _mm_loadu_si128(std::ptr::from_ref(block).cast()) }
    }
}

avx2! {
    fn store(block: &mut u128, vector: __m128i) {
        // SAFETY: the pointer is to 16 bytes that may be written, and the store needs no alignment.
        unsafe { _mm_storeu_si128(std::ptr::from_mut(block).cast(), vector) }
    }
}
