//! Carry-less products of x86-64.
//!
//! With g = f·x^64 reduced once, x·f for x = x1·x^64 + x0 is x0·f + x1·g: two products of 64 by 128 coefficients, so
//! that only 64 coefficients lie above x^127 and one more product with x^7 + x^2 + x + 1 reduces them.

use std::arch::x86_64::*;

use super::portable::reduce;
use crate::cpu::{Avx2, Avx512, avx2, avx512};

/// Elements of a vector.
const LANES: usize = 4;

/// f·x^64.
const fn raised(factor: u128) -> u128 {
    reduce((factor << 64, factor >> 64))
}

/// The sum of lanes of lower, middle and upper products, reduced.
const fn finish(low: u128, middle: u128, high: u128) -> u128 {
    reduce((low ^ (middle << 64), high ^ (middle >> 64)))
}

pub(super) mod with_pclmulqdq {
    use super::*;

    pub(in crate::clmul128) fn mul_by(_: Avx2, factor: u128, xs: &mut [u128]) {
        // SAFETY: a token exists, so the CPU has the instructions.
        unsafe { mul_all(factor, xs) }
    }

    pub(in crate::clmul128) fn mul_add(_: Avx2, factor: u128, xs: &[u128], acc: &mut [u128]) {
        // SAFETY: a token exists, so the CPU has the instructions.
        unsafe { add_all(factor, xs, acc) }
    }

    pub(in crate::clmul128) fn inner_product(_: Avx2, a: &[u128], b: &[u128]) -> u128 {
        // SAFETY: a token exists, so the CPU has the instructions.
        unsafe { inner(a, b) }
    }

    avx2! {
        fn load(element: &u128) -> __m128i {
            // SAFETY: the pointer is to 16 bytes that may be read, and the load needs no alignment.
            unsafe { _mm_loadu_si128(std::ptr::from_ref(element).cast()) }
        }
    }

    avx2! {
        fn stored(vector: __m128i) -> u128 {
            let mut element = 0_u128;
            // SAFETY: the pointer is to 16 bytes that may be written, and the store needs no alignment.
            unsafe { _mm_storeu_si128((&raw mut element).cast(), vector) };
            element
        }
    }

    avx2! {
        fn product(factor: __m128i, raised: __m128i, x: __m128i) -> __m128i {
            let low = _mm_xor_si128(_mm_clmulepi64_si128::<0x00>(x, factor), _mm_clmulepi64_si128::<0x01>(x, raised));
            let high = _mm_xor_si128(_mm_clmulepi64_si128::<0x10>(x, factor), _mm_clmulepi64_si128::<0x11>(x, raised));
            let over = _mm_clmulepi64_si128::<0x01>(high, _mm_set_epi64x(0, 0x87));
            _mm_xor_si128(_mm_xor_si128(low, over), _mm_bslli_si128::<8>(high))
        }
    }

    avx2! {
        fn mul_all(factor: u128, xs: &mut [u128]) {
            let (raised, factor) = (load(&raised(factor)), load(&factor));
            for x in xs {
                *x = stored(product(factor, raised, load(x)));
            }
        }
    }

    avx2! {
        fn add_all(factor: u128, xs: &[u128], acc: &mut [u128]) {
            let (raised, factor) = (load(&raised(factor)), load(&factor));
            for (x, acc) in xs.iter().zip(acc) {
                *acc = stored(_mm_xor_si128(load(acc), product(factor, raised, load(x))));
            }
        }
    }

    avx2! {
        fn inner(a: &[u128], b: &[u128]) -> u128 {
            let [mut low, mut middle, mut high] = [_mm_setzero_si128(); 3];
            for (a, b) in a.iter().zip(b) {
                let (a, b) = (load(a), load(b));
                low = _mm_xor_si128(low, _mm_clmulepi64_si128::<0x00>(a, b));
                middle = _mm_xor_si128(middle, _mm_clmulepi64_si128::<0x01>(a, b));
                middle = _mm_xor_si128(middle, _mm_clmulepi64_si128::<0x10>(a, b));
                high = _mm_xor_si128(high, _mm_clmulepi64_si128::<0x11>(a, b));
            }
            finish(stored(low), stored(middle), stored(high))
        }
    }
}

pub(super) mod with_vpclmulqdq {
    use super::*;

    pub(in crate::clmul128) fn mul_by(_: Avx512, factor: u128, xs: &mut [u128]) {
        // SAFETY: a token exists, so the CPU has the instructions.
        unsafe { mul_all(factor, xs) }
    }

    pub(in crate::clmul128) fn mul_add(_: Avx512, factor: u128, xs: &[u128], acc: &mut [u128]) {
        // SAFETY: a token exists, so the CPU has the instructions.
        unsafe { add_all(factor, xs, acc) }
    }

    pub(in crate::clmul128) fn inner_product(_: Avx512, a: &[u128], b: &[u128]) -> u128 {
        // SAFETY: a token exists, so the CPU has the instructions.
        unsafe { inner(a, b) }
    }

    avx512! {
        /// At most four elements; zero in the other lanes.
        fn load(elements: &[u128]) -> __m512i {
            // SAFETY: the mask has two bits for each element there is, and no other byte is read.
            unsafe { _mm512_maskz_loadu_epi64(mask(elements.len()), elements.as_ptr().cast()) }
        }
    }

    avx512! {
        /// At most four elements.
        fn store(elements: &mut [u128], vector: __m512i) {
            // SAFETY: the mask has two bits for each element there is, and no other byte is written.
            unsafe { _mm512_mask_storeu_epi64(elements.as_mut_ptr().cast(), mask(elements.len()), vector) }
        }
    }

    /// Two bits for each of at most four elements.
    fn mask(elements: usize) -> u8 {
        u8::MAX.unbounded_shr(8_u32.saturating_sub(2 * u32::try_from(elements).unwrap_or(4)))
    }

    avx512! {
        fn splat(element: u128) -> __m512i {
            load(&[element; LANES])
        }
    }

    avx512! {
        fn product(factor: __m512i, raised: __m512i, x: __m512i) -> __m512i {
            let low = _mm512_clmulepi64_epi128::<0x00>(x, factor);
            let low_too = _mm512_clmulepi64_epi128::<0x01>(x, raised);
            let high = _mm512_clmulepi64_epi128::<0x10>(x, factor);
            let high = _mm512_xor_si512(high, _mm512_clmulepi64_epi128::<0x11>(x, raised));
            let over = _mm512_clmulepi64_epi128::<0x01>(high, _mm512_set1_epi64(0x87));
            let low = _mm512_ternarylogic_epi64::<0x96>(low, low_too, over);
            _mm512_xor_si512(low, _mm512_bslli_epi128::<8>(high))
        }
    }

    avx512! {
        fn mul_all(factor: u128, xs: &mut [u128]) {
            let (raised, factor) = (splat(raised(factor)), splat(factor));
            let (whole, tail) = xs.as_chunks_mut::<LANES>();
            for x in whole {
                let product = product(factor, raised, load(x));
                store(x, product);
            }
            let product = product(factor, raised, load(tail));
            store(tail, product);
        }
    }

    avx512! {
        fn add_all(factor: u128, xs: &[u128], acc: &mut [u128]) {
            let (raised, factor) = (splat(raised(factor)), splat(factor));
            let ((xs, tail), (acc, tail_acc)) = (xs.as_chunks::<LANES>(), acc.as_chunks_mut::<LANES>());
            for (x, acc) in xs.iter().zip(acc) {
                let sum = _mm512_xor_si512(load(acc), product(factor, raised, load(x)));
                store(acc, sum);
            }
            let sum = _mm512_xor_si512(load(tail_acc), product(factor, raised, load(tail)));
            store(tail_acc, sum);
        }
    }

    avx512! {
        fn inner(a: &[u128], b: &[u128]) -> u128 {
            let mut sums = [_mm512_setzero_si512(); 3];
            let ((a, tail_a), (b, tail_b)) = (a.as_chunks::<LANES>(), b.as_chunks::<LANES>());
            for (a, b) in a.iter().zip(b) {
                sums = add_products(sums, load(a), load(b));
            }
            let [low, middle, high] = add_products(sums, load(tail_a), load(tail_b));
            finish(sum(low), sum(middle), sum(high))
        }
    }

    avx512! {
        fn add_products([low, middle, high]: [__m512i; 3], a: __m512i, b: __m512i) -> [__m512i; 3] {
            let crossed = _mm512_clmulepi64_epi128::<0x01>(a, b);
            let crossed_too = _mm512_clmulepi64_epi128::<0x10>(a, b);
            [
                _mm512_xor_si512(low, _mm512_clmulepi64_epi128::<0x00>(a, b)),
                _mm512_ternarylogic_epi64::<0x96>(middle, crossed, crossed_too),
                _mm512_xor_si512(high, _mm512_clmulepi64_epi128::<0x11>(a, b)),
            ]
        }
    }

    avx512! {
        /// The sum of the four lanes.
        fn sum(vector: __m512i) -> u128 {
            let mut lanes = [0; LANES];
            store(&mut lanes, vector);
            lanes.into_iter().fold(0, |sum, lane| sum ^ lane)
        }
    }
}
