//! VAES: four blocks a vector, eight or sixteen vectors in flight.

use std::arch::x86_64::*;

use super::{ROUNDS, RoundKeys};
use crate::aes_batch::KEY_BYTES;
use crate::cpu::{Avx512, avx512};

/// Blocks of a vector.
const LANES: usize = 4;

/// Parents of one iteration: eight vectors of children are in flight.
const PARENTS: usize = 4 * LANES;

/// Vectors of a stream that are in flight.
const VECTORS: usize = 8;

/// Vectors of one stream that are folded at a time, of four streams in flight.
const FOLD: usize = 4;

/// Bits of a stream's number.
const BITS: usize = 8;

pub(in crate::aes_batch) fn ggm_level(_: Avx512, keys: &[RoundKeys; 2], parents: &[u128], children: &mut [u128]) {
    // SAFETY: a token exists, so the CPU has the instructions.
    unsafe { level(keys, parents, children) }
}

/// The lower half of the counter does not wrap before the last block.
pub(in crate::aes_batch) fn ctr_fill(_: Avx512, key: &RoundKeys, first_block: u128, out: &mut [u8]) {
    // SAFETY: a token exists, so the CPU has the instructions.
    unsafe { fill(key, first_block, out) }
}

/// The lower half of the counter does not wrap before the last block.
pub(in crate::aes_batch) fn fold(
    _: Avx512,
    keys: &[RoundKeys],
    first_block: u128,
    sum: &mut [u8],
    weighted: &mut [u8],
) {
    // SAFETY: a token exists, so the CPU has the instructions.
    unsafe { fold_all(keys, first_block, sum, weighted) }
}

avx512! {
    fn load(blocks: &[u128; LANES]) -> __m512i {
        // SAFETY: the pointer is to 64 bytes that may be read, and the load needs no alignment.
        unsafe { _mm512_loadu_si512(blocks.as_ptr().cast()) }
    }
}

avx512! {
    fn store(blocks: &mut [u128; LANES], vector: __m512i) {
        // SAFETY: the pointer is to 64 bytes that may be written, and the store needs no alignment.
        unsafe { _mm512_storeu_si512(blocks.as_mut_ptr().cast(), vector) }
    }
}

avx512! {
    /// The key of one round in every lane.
    fn round_key(keys: &RoundKeys, round: usize) -> __m512i {
        _mm512_broadcast_i32x4(super::load(&keys.0[round]))
    }
}

avx512! {
    /// Encrypts the vectors of `G` groups, each group with its key.
    fn encrypt<const G: usize, const N: usize>(
        keys: [&RoundKeys; G],
        mut state: [[__m512i; N]; G],
    ) -> [[__m512i; N]; G] {
        for (keys, group) in keys.into_iter().zip(&mut state) {
            let key = round_key(keys, 0);
            for vector in group {
                *vector = _mm512_xor_si512(*vector, key);
            }
        }
        for round in 1..ROUNDS {
            for (keys, group) in keys.into_iter().zip(&mut state) {
                let key = round_key(keys, round);
                for vector in group {
                    *vector = _mm512_aesenc_epi128(*vector, key);
                }
            }
        }
        for (keys, group) in keys.into_iter().zip(&mut state) {
            let key = round_key(keys, ROUNDS);
            for vector in group {
                *vector = _mm512_aesenclast_epi128(*vector, key);
            }
        }
        state
    }
}

avx512! {
    fn level(keys: &[RoundKeys; 2], parents: &[u128], children: &mut [u128]) {
        let (whole, tail) = parents.as_chunks::<PARENTS>();
        let (families, tail_children) = children.split_at_mut(whole.len() * 2 * PARENTS);
        for (parents, children) in whole.iter().zip(families.as_chunks_mut().0) {
            family(keys, parents, children);
        }
        if !tail.is_empty() {
            let mut last = [0; PARENTS];
            last[..tail.len()].copy_from_slice(tail);
            let mut children = [0; 2 * PARENTS];
            family(keys, &last, &mut children);
            tail_children.copy_from_slice(&children[..2 * tail.len()]);
        }
    }
}

avx512! {
    fn family(keys: &[RoundKeys; 2], parents: &[u128; PARENTS], children: &mut [u128; 2 * PARENTS]) {
        let mut state = [_mm512_setzero_si512(); PARENTS / LANES];
        for (state, parents) in state.iter_mut().zip(parents.as_chunks().0) {
            *state = load(parents);
        }
        let [left, right] = encrypt([&keys[0], &keys[1]], [state; 2]);
        let first = _mm512_set_epi64(11, 10, 3, 2, 9, 8, 1, 0);
        let second = _mm512_set_epi64(15, 14, 7, 6, 13, 12, 5, 4);
        for (place, children) in children.as_chunks_mut::<{ 2 * LANES }>().0.iter_mut().enumerate() {
            let left = _mm512_xor_si512(left[place], state[place]);
            let right = _mm512_xor_si512(right[place], state[place]);
            let [low, high] = children.as_chunks_mut().0 else { continue };
            store(low, _mm512_permutex2var_epi64(left, first, right));
            store(high, _mm512_permutex2var_epi64(left, second, right));
        }
    }
}

avx512! {
    fn counters<const N: usize>(first_block: u128) -> [__m512i; N] {
        let first = _mm512_add_epi64(load(&[first_block; LANES]), _mm512_set_epi64(0, 3, 0, 2, 0, 1, 0, 0));
        let mut state = [first; N];
        for (place, state) in (0..).zip(&mut state) {
            *state = _mm512_add_epi64(first, _mm512_maskz_set1_epi64(0x55, 4 * place));
        }
        state
    }
}

avx512! {
    fn fill(key: &RoundKeys, first_block: u128, out: &mut [u8]) {
        let mut counter = first_block;
        for out in out.chunks_mut(VECTORS * LANES * KEY_BYTES) {
            let [stream] = encrypt([key], [counters::<VECTORS>(counter)]);
            write(&stream, out);
            counter = counter.wrapping_add((VECTORS * LANES) as u128);
        }
    }
}

avx512! {
    /// Writes as much as fits into `out`.
    fn write<const N: usize>(vectors: &[__m512i; N], out: &mut [u8]) {
        for (out, vector) in out.chunks_mut(LANES * KEY_BYTES).zip(vectors) {
            let mask = u64::MAX >> (LANES * KEY_BYTES - out.len());
            // SAFETY: the mask has one bit for each of the bytes of `out`, 1 to 64, and no other byte is written.
            unsafe { _mm512_mask_storeu_epi8(out.as_mut_ptr().cast(), mask, *vector) }
        }
    }
}

avx512! {
    fn add(left: [__m512i; FOLD], right: [__m512i; FOLD]) -> [__m512i; FOLD] {
        let mut sum = left;
        for place in 0..FOLD {
            sum[place] = _mm512_xor_si512(left[place], right[place]);
        }
        sum
    }
}

avx512! {
    fn add3(a: [__m512i; FOLD], b: [__m512i; FOLD], c: [__m512i; FOLD]) -> [__m512i; FOLD] {
        let mut sum = a;
        for place in 0..FOLD {
            sum[place] = _mm512_ternarylogic_epi64::<0x96>(a[place], b[place], c[place]);
        }
        sum
    }
}

avx512! {
    fn fold_all(keys: &[RoundKeys], first_block: u128, sum: &mut [u8], weighted: &mut [u8]) {
        const BYTES: usize = FOLD * LANES * KEY_BYTES;
        let mut counter = first_block;
        for (sum, weighted) in sum.chunks_mut(BYTES).zip(weighted.chunks_mut(BYTES)) {
            let (total, weights) = fold_one(keys, counter);
            write(&total, sum);
            write(&weights, weighted);
            counter = counter.wrapping_add((FOLD * LANES) as u128);
        }
    }
}

avx512! {
    /// Both sums for sixteen blocks. Streams enter in the order of their numbers, four at a time: `partial[b]` sums
    /// up a finished half of 2^b of them until the other half comes, which is the half whose numbers have bit b.
    fn fold_one(keys: &[RoundKeys], counter: u128) -> ([__m512i; FOLD], [__m512i; FOLD]) {
        let zero = [_mm512_setzero_si512(); FOLD];
        let state = counters::<FOLD>(counter);
        let mut with_bit = [zero; BITS];
        let mut partial = [zero; BITS + 1];
        let (mut bit_0, mut bit_1) = (zero, zero);
        for (group, [k0, k1, k2, k3]) in keys.as_chunks().0.iter().enumerate() {
            let [s0, s1, s2, s3] = encrypt([k0, k1, k2, k3], [state; 4]);
            bit_0 = add3(bit_0, s1, s3);
            let upper = add(s2, s3);
            bit_1 = add(bit_1, upper);
            let mut carry = add3(s0, s1, upper);
            let finished = group.trailing_ones() as usize + 2;
            for bit in 2..finished {
                with_bit[bit] = add(with_bit[bit], carry);
                carry = add(carry, partial[bit]);
            }
            partial[finished] = carry;
        }
        (with_bit[0], with_bit[1]) = (bit_0, bit_1);
        let mut weights = zero;
        for bit in (0..BITS).rev() {
            for place in 0..FOLD {
                let doubled = _mm512_gf2p8mul_epi8(weights[place], _mm512_set1_epi8(2));
                weights[place] = _mm512_xor_si512(doubled, with_bit[bit][place]);
            }
        }
        (partial[keys.len().trailing_zeros() as usize], weights)
    }
}
