//! Eight keys side by side on AVX-512 with GFNI.
//!
//! `matrix` turns entries into bit matrices and back and has the conventions; `decode` evaluates, `eliminate` and
//! `substitute` solve. Every function below the safe ones of this file is compiled for these instructions and inlined
//! or called among its like only.

use std::arch::x86_64::*;

use super::{Block, Dependent, Key, ROW_BYTES, Row, Stretch, portable};

mod decode;
mod eliminate;
mod matrix;
mod substitute;

/// Eight words of 64 bits, or 64 bytes.
type V = __m512i;

/// A function compiled for the instructions of this backend.
macro_rules! avx512 {
    ($(#[$attribute:meta])* $vis:vis fn $($rest:tt)*) => {
        $(#[$attribute])*
        #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi,avx512vbmi2,gfni")]
        #[inline]
        $vis fn $($rest)*
    };
}
use avx512;

/// Proof that this CPU has the instructions: only [`Avx512::detect`] makes one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Avx512(());

impl Avx512 {
    /// Asks the CPU.
    pub(super) fn detect() -> Option<Self> {
        let all = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx512vl")
            && is_x86_feature_detected!("avx512vbmi")
            && is_x86_feature_detected!("avx512vbmi2")
            && is_x86_feature_detected!("gfni");
        all.then_some(Self(()))
    }

    pub(super) fn eliminate(
        self,
        width: usize,
        keys: &[Key],
        rows: &[[u8; ROW_BYTES]],
        values: &[u128],
        stretch: Stretch<'_>,
    ) -> Result<Vec<Row>, Dependent> {
        // SAFETY: `self` exists, so the CPU has the instructions.
        unsafe { eliminate::eliminate(width, keys, rows, values, stretch) }
    }

    pub(super) fn substitute(self, width: usize, blocks: &[Block], solution: &mut [u128]) {
        // SAFETY: `self` exists, so the CPU has the instructions.
        unsafe { substitute::substitute(width, blocks, solution) }
    }

    pub(super) fn decode<const W: usize>(
        self,
        width: usize,
        keys: &[Key],
        rows: &[[u8; ROW_BYTES]],
        first: u32,
        vector: &[[u128; W]],
        out: &mut [[u128; W]],
    ) {
        // SAFETY: `self` exists, so the CPU has the instructions.
        unsafe { decode::decode(width, keys, rows, first, vector, out) }
    }
}

avx512! {
    fn load(words: &[u64; 8]) -> V {
        // SAFETY: the pointer is to 64 bytes that may be read, and the load needs no alignment.
        unsafe { _mm512_loadu_si512(words.as_ptr().cast()) }
    }
}

avx512! {
    fn store(vector: V, words: &mut [u64; 8]) {
        // SAFETY: the pointer is to 64 bytes that may be written, and the store needs no alignment.
        unsafe { _mm512_storeu_si512(words.as_mut_ptr().cast(), vector) }
    }
}

avx512! {
    /// The same number in all lanes.
    fn splat(value: u64) -> V {
        _mm512_set1_epi64(value.cast_signed())
    }
}

/// The numbers of eight lanes.
const fn lanes(numbers: [u64; 8]) -> V {
    // SAFETY: both are 64 bytes without invalid values.
    unsafe { std::mem::transmute(numbers) }
}

/// Rows and values ahead of use, word by word: one array each for four words of rows and two of values.
struct Staged<const WORDS: usize> {
    words: [[u64; STAGED + 8]; WORDS],
}

/// Keys that are staged at once.
const STAGED: usize = 64;

impl<const WORDS: usize> Staged<WORDS> {
    const fn new() -> Self {
        Self { words: [[0; STAGED + 8]; WORDS] }
    }

    fn set(&mut self, lane: usize, from: usize, words: &[u8]) {
        for (array, word) in self.words[from..].iter_mut().zip(words.as_chunks().0) {
            array[lane] = u64::from_le_bytes(*word);
        }
    }
}

avx512! {
    /// Eight words of each array from `lane` on.
    fn staged<const WORDS: usize>(staged: &Staged<WORDS>, lane: usize) -> [V; WORDS] {
        let mut vectors = [_mm512_setzero_si512(); WORDS];
        for (vector, array) in vectors.iter_mut().zip(&staged.words) {
            *vector = load(array[lane..].first_chunk().expect("behind the staged keys there are eight more lanes"));
        }
        vectors
    }
}

avx512! {
    /// Asks the memory for the rows of keys that come later.
    fn prefetch<T>(keys: &[Key], items: &[T]) {
        for key in keys {
            if let Some(item) = items.get(key.index as usize) {
                _mm_prefetch::<_MM_HINT_T0>(std::ptr::from_ref(item).cast());
            }
        }
    }
}

avx512! {
    /// The bits of each word that lie in a band.
    fn masks(width: usize) -> [V; 4] {
        let mut masks = [_mm512_setzero_si512(); 4];
        for (index, mask) in masks.iter_mut().enumerate() {
            *mask = splat(portable::mask(width, index));
        }
        masks
    }
}
