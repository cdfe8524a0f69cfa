//! The definition of all results, and what all backends share.

use super::{KEY_BYTES, MEMORY, WEIGHT, WINDOW_MAX, stripe_start};
use crate::aes_batch;

/// Words of 32 bits that are taken from a stream at once.
pub(super) const WORDS: usize = 1024;

/// Stripes whose windows are read together; a divisor of [`WEIGHT`].
pub(super) const TOGETHER: usize = 3;

const _: () = assert!(WEIGHT.is_multiple_of(TOGETHER), "stripes come in whole batches");

/// Bytes of the block that picks a window, and of the words of a group behind it.
const STREAM_BYTES_MAX: usize = 16 + 2 * 2 * WINDOW_MAX;

/// The next words of a stream from `first_block` on.
pub(super) fn words(key: &[u8; KEY_BYTES], first_block: u128, words: &mut [u32; WORDS]) {
    let mut bytes = [0; 4 * WORDS];
    aes_batch::ctr_fill(key, first_block, &mut bytes);
    for (word, bytes) in words.iter_mut().zip(bytes.as_chunks().0) {
        *word = u32::from_le_bytes(*bytes);
    }
}

/// One step for each word, from element `start` on.
pub(super) fn convolve(vector: &mut [u128], start: usize, bits: &[u32]) {
    for (index, bits) in (start..).zip(bits) {
        step(vector, index, *bits);
    }
}

/// Adds element `index` to those behind it.
fn step(vector: &mut [u128], index: usize, bits: u32) {
    let element = vector[index];
    let add = |target: &mut u128, distance: usize| {
        let bit = if distance > MEMORY { 1 } else { bits >> (distance - 1) & 1 };
        *target ^= element & u128::from(bit).wrapping_neg();
    };
    if let Some(behind) = vector.get_mut(index + 1..=index + MEMORY + 1) {
        behind.iter_mut().zip(1..).for_each(|(target, distance)| add(target, distance));
    } else {
        for distance in 1..=MEMORY + 1 {
            let position = (index + distance) % vector.len();
            add(&mut vector[position], distance);
        }
    }
}

/// The window of one group of rows in stripe `stripe`; the positions in it are written to `words`, one for each row.
pub(super) fn window<'a>(
    key: &[u8; KEY_BYTES],
    vector: &'a [u128],
    group: usize,
    stripe: usize,
    words: &mut [u16],
) -> &'a [u128] {
    let width = super::window(vector.len());
    let (start, end) = (stripe_start(vector.len(), stripe), stripe_start(vector.len(), stripe + 1));
    let mut bytes = [0; STREAM_BYTES_MAX];
    let bytes = &mut bytes[..16 + 2 * words.len()];
    let blocks = bytes.len() / 16;
    aes_batch::ctr_fill(key, ((group * WEIGHT + stripe) * blocks) as u128, bytes);
    let (picks, positions) = bytes.split_at(16);
    let [pick, _] = picks.as_chunks().0 else { unreachable!("a block has two halves") };
    let choices = (end.min(vector.len() - width + 1) - start) as u128;
    let offset = (u128::from(u64::from_le_bytes(*pick)) * choices) >> 64;
    let first = start + usize::try_from(offset).expect("the offset is below the length of a stripe");
    for (word, bytes) in words.iter_mut().zip(positions.as_chunks().0) {
        *word = u16::from_le_bytes(*bytes) & mask(width);
    }
    &vector[first..first + width]
}

/// The bits of a position in a window, which is not longer than [`WINDOW_MAX`].
fn mask(width: usize) -> u16 {
    u16::try_from(width - 1).expect("a window has at most 2^16 elements")
}

/// Adds to each row its element of each window.
pub(super) fn add(windows: &[&[u128]; TOGETHER], words: &[[u16; 2 * WINDOW_MAX]; TOGETHER], out: &mut [u128]) {
    for (window, words) in windows.iter().zip(words) {
        for (out, word) in out.iter_mut().zip(words) {
            *out ^= window[usize::from(*word)];
        }
    }
}
