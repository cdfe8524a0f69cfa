//! The definition of all results.

use super::{KEY_BYTES, MEMORY, ROW_GROUP, WEIGHT, stripe_of};
use crate::aes_batch;

/// Words that are taken from a stream at once.
const WORDS: usize = 1024;

/// Words of a stream from `first_block` on.
pub(super) fn words(key: &[u8; KEY_BYTES], first_block: u128, words: &mut [u32]) {
    let mut bytes = [0; 4 * WORDS];
    for (index, words) in (0..).zip(words.chunks_mut(WORDS)) {
        let bytes = &mut bytes[..4 * words.len()];
        aes_batch::ctr_fill(key, first_block + index * (WORDS as u128 / 4), bytes);
        for (word, bytes) in words.iter_mut().zip(bytes.as_chunks().0) {
            *word = u32::from_le_bytes(*bytes);
        }
    }
}

pub(super) fn convolve<const W: usize>(key: &[u8; KEY_BYTES], first_block: u128, vectors: &mut [[u128; W]]) {
    let mut bits = [0; WORDS];
    let mut block = first_block;
    for start in (0..vectors.len()).step_by(WORDS) {
        words(key, block, &mut bits);
        block += WORDS as u128 / 4;
        for (index, bits) in (start..vectors.len()).zip(&bits) {
            step(vectors, index, *bits);
        }
    }
}

/// Adds element `index` to those behind it.
pub(super) fn step<const W: usize>(vectors: &mut [[u128; W]], index: usize, bits: u32) {
    let element = vectors[index];
    for distance in 1..=MEMORY + 1 {
        let bit = if distance > MEMORY { 1 } else { bits >> (distance - 1) & 1 };
        let mask = u128::from(bit).wrapping_neg();
        let position = index + distance;
        let target = &mut vectors[if position < vectors.len() { position } else { position - vectors.len() }];
        for (target, value) in target.iter_mut().zip(&element) {
            *target ^= value & mask;
        }
    }
}

/// Positions of the elements of one group of rows, stripe by stripe.
pub(super) fn positions(
    key: &[u8; KEY_BYTES],
    elements: usize,
    first_row: usize,
    positions: &mut [[u32; ROW_GROUP]; WEIGHT],
) {
    words(key, (first_row / 4 * WEIGHT) as u128, positions.as_flattened_mut());
    for (stripe, positions) in positions.iter_mut().enumerate() {
        let (start, size) = stripe_of(elements, stripe);
        for position in positions {
            let [_, high] = halves(u64::from(*position) * u64::from(size));
            *position = start + high;
        }
    }
}

/// The lower and the upper word.
const fn halves(value: u64) -> [u32; 2] {
    let [a, b, c, d, e, f, g, h] = value.to_le_bytes();
    [u32::from_le_bytes([a, b, c, d]), u32::from_le_bytes([e, f, g, h])]
}

/// Rows of one group.
pub(super) fn expand_group<const W: usize>(
    vectors: &[[u128; W]],
    positions: &[[u32; ROW_GROUP]; WEIGHT],
    out: &mut [&mut [u128]; W],
) {
    let rows = out.first().map_or(0, |rows| rows.len());
    for row in 0..rows {
        let mut sum = [0; W];
        for stripe in positions {
            for (sum, value) in sum.iter_mut().zip(&vectors[stripe[row] as usize]) {
                *sum ^= value;
            }
        }
        for (out, sum) in out.iter_mut().zip(sum) {
            out[row] = sum;
        }
    }
}
