//! GFNI: 64 products in one instruction.

use std::arch::x86_64::*;

use super::ROW_ELEMENTS;
use crate::cpu::{Avx512, avx512};

/// Rows of one iteration: four vectors of two, so that one product need not wait for the one before.
const BATCH: usize = 8;

pub(super) fn evaluate(_: Avx512, points: usize, values: &[u128], rows: &mut [[u128; 2]]) {
    // SAFETY: a token exists, so the CPU has the instructions.
    unsafe { evaluate_all(points, values, rows) }
}

pub(super) fn mul_add_rows(_: Avx512, factors: &[u128; 2], xs: &[[u128; 2]], acc: &mut [[u128; 2]]) {
    // SAFETY: a token exists, so the CPU has the instructions.
    unsafe { add_all(factors, xs, acc) }
}

avx512! {
    /// At most two rows; zero in place of others.
    fn load(rows: &[[u128; 2]]) -> __m512i {
        // SAFETY: the mask has four bits for each row there is, and no other byte is read.
        unsafe { _mm512_maskz_loadu_epi64(mask(rows.len()), rows.as_ptr().cast()) }
    }
}

avx512! {
    /// At most two rows.
    fn store(rows: &mut [[u128; 2]], vector: __m512i) {
        // SAFETY: the mask has four bits for each row there is, and no other byte is written.
        unsafe { _mm512_mask_storeu_epi64(rows.as_mut_ptr().cast(), mask(rows.len()), vector) }
    }
}

/// Four bits for each of at most two rows.
const fn mask(rows: usize) -> u8 {
    match rows {
        0 => 0,
        1 => 0x0F,
        _ => 0xFF,
    }
}

avx512! {
    fn evaluate_all(points: usize, values: &[u128], rows: &mut [[u128; 2]]) {
        let mut numbers = [0_u8; ROW_ELEMENTS];
        for (number, point) in (0..).zip(&mut numbers) {
            *point = number;
        }
        let half = |bytes: &[u8]| bytes.iter().rev().fold(0, |block, byte| block << 8 | u128::from(*byte));
        let row = [half(&numbers[..16]), half(&numbers[16..])];
        let numbers = load(&[row, row]);
        let kept = _mm512_cmplt_epu8_mask(numbers, _mm512_set1_epi8(i8::try_from(points).unwrap_or(i8::MAX)));
        for (values, rows) in values.chunks(BATCH).zip(rows.chunks_mut(BATCH)) {
            let mut padded = [0; BATCH];
            padded[..values.len()].copy_from_slice(values);
            let vectors = evaluate_batch(numbers, kept, &padded);
            for (rows, vector) in rows.chunks_mut(2).zip(vectors) {
                store(rows, vector);
            }
        }
    }
}

avx512! {
    /// Horner's rule from the highest coefficient, at all points of both rows of each vector.
    fn evaluate_batch(numbers: __m512i, kept: __mmask64, values: &[u128; BATCH]) -> [__m512i; BATCH / 2] {
        let mut coefficients = [_mm512_setzero_si512(); BATCH / 2];
        for (vector, pair) in coefficients.iter_mut().zip(values.as_chunks::<2>().0) {
            let [first, second] = *pair;
            *vector = load(&[[first, first], [second, second]]);
        }
        let mut sums = [_mm512_setzero_si512(); BATCH / 2];
        for place in (0..16).rev() {
            let place = _mm512_set1_epi8(place);
            for (sum, coefficients) in sums.iter_mut().zip(&coefficients) {
                let coefficient = _mm512_shuffle_epi8(*coefficients, place);
                *sum = _mm512_xor_si512(_mm512_gf2p8mul_epi8(*sum, numbers), coefficient);
            }
        }
        for sum in &mut sums {
            *sum = _mm512_maskz_mov_epi8(kept, *sum);
        }
        sums
    }
}

avx512! {
    fn add_all(factors: &[u128; 2], xs: &[[u128; 2]], acc: &mut [[u128; 2]]) {
        let factors = load(&[*factors; 2]);
        let ((xs, tail), (acc, tail_acc)) = (xs.as_chunks::<2>(), acc.as_chunks_mut::<2>());
        for (x, acc) in xs.iter().zip(acc) {
            let sum = _mm512_xor_si512(load(acc), _mm512_gf2p8mul_epi8(load(x), factors));
            store(acc, sum);
        }
        let sum = _mm512_xor_si512(load(tail_acc), _mm512_gf2p8mul_epi8(load(tail), factors));
        store(tail_acc, sum);
    }
}
