//! AES-NI: eight blocks in flight.

use std::arch::x86_64::*;

use super::{ROUNDS, RoundKeys, load, store};
use crate::aes_batch::KEY_BYTES;
use crate::cpu::{Avx2, avx2};

/// Blocks in flight, and those of one iteration.
const BATCH: usize = 8;

/// Blocks of one stream that are folded at a time.
const FOLD: usize = 4;

/// Bits of a stream's number.
const BITS: usize = 8;

pub(in crate::aes_batch) fn ggm_level(_: Avx2, keys: &[RoundKeys; 2], parents: &[u128], children: &mut [u128]) {
    // SAFETY: a token exists, so the CPU has the instructions.
    unsafe { level(keys, parents, children) }
}

/// The lower half of the counter does not wrap before the last block.
pub(in crate::aes_batch) fn ctr_fill(_: Avx2, key: &RoundKeys, first_block: u128, out: &mut [u8]) {
    // SAFETY: a token exists, so the CPU has the instructions.
    unsafe { fill(key, first_block, out) }
}

/// The lower half of the counter does not wrap before the last block.
pub(in crate::aes_batch) fn fold(_: Avx2, keys: &[RoundKeys], first_block: u128, sum: &mut [u8], weighted: &mut [u8]) {
    // SAFETY: a token exists, so the CPU has the instructions.
    unsafe { fold_all(keys, first_block, sum, weighted) }
}

avx2! {
    /// Encrypts the blocks of `G` groups, each group with its key.
    fn encrypt<const G: usize, const N: usize>(
        keys: [&RoundKeys; G],
        mut state: [[__m128i; N]; G],
    ) -> [[__m128i; N]; G] {
        for (keys, group) in keys.into_iter().zip(&mut state) {
            let key = load(&keys.0[0]);
            for block in group {
                *block = _mm_xor_si128(*block, key);
            }
        }
        for round in 1..ROUNDS {
            for (keys, group) in keys.into_iter().zip(&mut state) {
                let key = load(&keys.0[round]);
                for block in group {
                    *block = _mm_aesenc_si128(*block, key);
                }
            }
        }
        for (keys, group) in keys.into_iter().zip(&mut state) {
            let key = load(&keys.0[ROUNDS]);
            for block in group {
                *block = _mm_aesenclast_si128(*block, key);
            }
        }
        state
    }
}

avx2! {
    fn level(keys: &[RoundKeys; 2], parents: &[u128], children: &mut [u128]) {
        let (whole, tail) = parents.as_chunks::<{ BATCH / 2 }>();
        let (families, tail_children) = children.split_at_mut(whole.len() * BATCH);
        for (parents, children) in whole.iter().zip(families.as_chunks_mut().0) {
            family(keys, parents, children);
        }
        if !tail.is_empty() {
            let mut last = [0; BATCH / 2];
            last[..tail.len()].copy_from_slice(tail);
            let mut children = [0; BATCH];
            family(keys, &last, &mut children);
            tail_children.copy_from_slice(&children[..2 * tail.len()]);
        }
    }
}

avx2! {
    fn family(keys: &[RoundKeys; 2], parents: &[u128; BATCH / 2], children: &mut [u128; BATCH]) {
        let mut state = [_mm_setzero_si128(); BATCH / 2];
        for (state, parent) in state.iter_mut().zip(parents) {
            *state = load(parent);
        }
        let [left, right] = encrypt([&keys[0], &keys[1]], [state; 2]);
        for (place, [on_left, on_right]) in children.as_chunks_mut().0.iter_mut().enumerate() {
            store(on_left, _mm_xor_si128(left[place], state[place]));
            store(on_right, _mm_xor_si128(right[place], state[place]));
        }
    }
}

avx2! {
    fn counters<const N: usize>(first_block: u128) -> [__m128i; N] {
        let first = load(&first_block);
        let mut state = [first; N];
        for (place, state) in (0..).zip(&mut state) {
            *state = _mm_add_epi64(first, _mm_set_epi64x(0, place));
        }
        state
    }
}

avx2! {
    fn fill(key: &RoundKeys, first_block: u128, out: &mut [u8]) {
        let mut counter = first_block;
        for out in out.chunks_mut(BATCH * KEY_BYTES) {
            let [stream] = encrypt([key], [counters::<BATCH>(counter)]);
            write(&stream, out);
            counter = counter.wrapping_add(BATCH as u128);
        }
    }
}

avx2! {
    /// Writes as much as fits into `out`.
    fn write<const N: usize>(vectors: &[__m128i; N], out: &mut [u8]) {
        for (out, vector) in out.chunks_mut(KEY_BYTES).zip(vectors) {
            let mut block = 0;
            store(&mut block, *vector);
            let bytes = block.to_le_bytes();
            match <&mut [u8; KEY_BYTES]>::try_from(&mut *out) {
                Ok(out) => *out = bytes,
                Err(_) => out.copy_from_slice(&bytes[..out.len()]),
            }
        }
    }
}

avx2! {
    fn add(left: [__m128i; FOLD], right: [__m128i; FOLD]) -> [__m128i; FOLD] {
        let mut sum = left;
        for place in 0..FOLD {
            sum[place] = _mm_xor_si128(left[place], right[place]);
        }
        sum
    }
}

avx2! {
    fn fold_all(keys: &[RoundKeys], first_block: u128, sum: &mut [u8], weighted: &mut [u8]) {
        let mut counter = first_block;
        for (sum, weighted) in sum.chunks_mut(FOLD * KEY_BYTES).zip(weighted.chunks_mut(FOLD * KEY_BYTES)) {
            let (total, weights) = fold_one(keys, counter);
            write(&total, sum);
            write(&weights, weighted);
            counter = counter.wrapping_add(FOLD as u128);
        }
    }
}

avx2! {
    /// Both sums for four blocks. Streams enter in the order of their numbers: `partial[b]` sums up a finished half
    /// of 2^b of them until the other half comes, which is the half whose numbers have bit b.
    fn fold_one(keys: &[RoundKeys], counter: u128) -> ([__m128i; FOLD], [__m128i; FOLD]) {
        let zero = [_mm_setzero_si128(); FOLD];
        let state = counters::<FOLD>(counter);
        let mut with_bit = [zero; BITS];
        let mut partial = [zero; BITS + 1];
        let mut lowest = zero;
        for (pair, [even, odd]) in keys.as_chunks().0.iter().enumerate() {
            let [even, odd] = encrypt([even, odd], [state; 2]);
            lowest = add(lowest, odd);
            let mut carry = add(even, odd);
            let finished = pair.trailing_ones() as usize;
            for bit in 1..=finished {
                with_bit[bit] = add(with_bit[bit], carry);
                carry = add(carry, partial[bit]);
            }
            partial[finished + 1] = carry;
        }
        with_bit[0] = lowest;
        let mut weights = zero;
        for bit in (0..BITS).rev() {
            weights = add(times_x(weights), with_bit[bit]);
        }
        (partial[keys.len().trailing_zeros() as usize], weights)
    }
}

avx2! {
    fn times_x(elements: [__m128i; FOLD]) -> [__m128i; FOLD] {
        let mut products = elements;
        for product in &mut products {
            let carries = _mm_cmpgt_epi8(_mm_setzero_si128(), *product);
            *product = _mm_xor_si128(_mm_add_epi8(*product, *product), _mm_and_si128(carries, _mm_set1_epi8(0x1B)));
        }
        products
    }
}
