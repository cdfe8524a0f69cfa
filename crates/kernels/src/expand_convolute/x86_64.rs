//! AVX-512: the 28 elements that one step can touch lie in seven vectors, and bits are masks.

use std::arch::x86_64::*;

use super::portable::{self, TOGETHER};
use super::{MEMORY, WINDOW_MAX};

/// Elements of one vector.
const LANES: usize = 4;

/// Vectors that a step reaches: four steps from one vector on reach eight.
const REACH: usize = 8;

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
            && is_x86_feature_detected!("bmi2");
        all.then_some(Self(()))
    }

    pub(super) fn convolve(self, vector: &mut [u128], start: usize, bits: &[u32]) {
        let (quads, rest) = bits.as_chunks::<LANES>();
        // Steps that reach behind the end go on at the beginning: left to the definition, with all behind them.
        let reachable = (vector.len() - start) / LANES;
        let (inner, outer) = quads.split_at(quads.len().min(reachable.saturating_sub(REACH - 1)));
        // SAFETY: `self` exists, so the CPU has the instructions.
        unsafe { convolve(&mut vector[start..], inner) };
        let start = start + LANES * inner.len();
        portable::convolve(vector, start, outer.as_flattened());
        portable::convolve(vector, start + LANES * outer.len(), rest);
    }

    pub(super) fn add(
        self,
        windows: &[&[u128]; TOGETHER],
        words: &[[u16; 2 * WINDOW_MAX]; TOGETHER],
        out: &mut [u128],
    ) {
        // SAFETY: `self` exists, so the CPU has the instructions.
        unsafe { add(windows, words, out) }
    }
}

/// Compiles a function for these instructions, inlined among its like.
macro_rules! avx512 {
    ($(#[$attribute:meta])* fn $($rest:tt)*) => {
        $(#[$attribute])*
        #[target_feature(enable = "avx2,bmi2,avx512f,avx512bw,avx512dq,avx512vl")]
        #[inline]
        fn $($rest)*
    };
}

avx512! {
    fn load(elements: &[u128; LANES]) -> __m512i {
        // SAFETY: the pointer is to 64 bytes that may be read, and the load needs no alignment.
        unsafe { _mm512_loadu_si512(std::ptr::from_ref(elements).cast()) }
    }
}

avx512! {
    fn store(elements: &mut [u128; LANES], vector: __m512i) {
        // SAFETY: the pointer is to 64 bytes that may be written, and the store needs no alignment.
        unsafe { _mm512_storeu_si512(std::ptr::from_mut(elements).cast(), vector) }
    }
}

avx512! {
    /// Adds element `LANE` of the first vector to the elements behind it that `bits` names. Each bit is two of a mask,
    /// one for each half of an element.
    fn step<const LANE: u32, const ALL: i32>(vectors: &mut [__m512i; REACH], bits: u32) {
        let element = _mm512_shuffle_i64x2::<ALL>(vectors[0], vectors[0]);
        let named = u64::from(bits & ((1 << MEMORY) - 1) | 1 << MEMORY) << (LANE + 1);
        let masks = (_pdep_u64(named, 0x5555_5555_5555_5555) * 3).to_le_bytes();
        for (vector, mask) in vectors.iter_mut().zip(masks) {
            *vector = _mm512_mask_xor_epi64(*vector, mask, *vector, element);
        }
    }
}

avx512! {
    /// Four steps for each vector but the last seven, which they reach.
    fn convolve(vector: &mut [u128], bits: &[[u32; LANES]]) {
        let (elements, _) = vector.as_chunks_mut::<LANES>();
        if bits.is_empty() {
            return;
        }
        let mut vectors = [_mm512_setzero_si512(); REACH];
        for (vector, elements) in vectors.iter_mut().zip(&elements[..REACH - 1]) {
            *vector = load(elements);
        }
        for (index, [a, b, c, d]) in bits.iter().enumerate() {
            vectors[REACH - 1] = load(&elements[index + REACH - 1]);
            step::<0, 0b00_00_00_00>(&mut vectors, *a);
            step::<1, 0b01_01_01_01>(&mut vectors, *b);
            step::<2, 0b10_10_10_10>(&mut vectors, *c);
            step::<3, 0b11_11_11_11>(&mut vectors, *d);
            store(&mut elements[index], vectors[0]);
            let [_, behind @ ..] = vectors;
            vectors[..REACH - 1].copy_from_slice(&behind);
        }
        for (vector, elements) in vectors.iter().zip(&mut elements[bits.len()..][..REACH - 1]) {
            store(elements, *vector);
        }
    }
}

avx512! {
    fn add(windows: &[&[u128]; TOGETHER], words: &[[u16; 2 * WINDOW_MAX]; TOGETHER], out: &mut [u128]) {
        let element = |place: usize, row: usize| {
            let element = &windows[place][usize::from(words[place][row])];
            // SAFETY: the pointer is to 16 bytes that may be read, and the load needs no alignment.
            unsafe { _mm_loadu_si128(std::ptr::from_ref(element).cast()) }
        };
        for (row, out) in out.iter_mut().enumerate() {
            // SAFETY: as above.
            let sum = unsafe { _mm_loadu_si128(std::ptr::from_ref(out).cast()) };
            let sum = _mm_ternarylogic_epi64::<0x96>(sum, element(0, row), element(1, row));
            let sum = _mm_xor_si128(sum, element(2, row));
            // SAFETY: the pointer is to 16 bytes that may be written, and the store needs no alignment.
            unsafe { _mm_storeu_si128(std::ptr::from_mut(out).cast(), sum) }
        }
    }
}
