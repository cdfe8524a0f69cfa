//! A short correlation for values that one party chooses, from one oblivious transfer a bit of Δ.
//!
//! The receiver has values e, the sender Δ; the receiver gets a, the sender c with a = c ⊕ Δ·e.
//!
//! 128 transfers whose receiver is the sender here, with the bits of Δ as choices, give streams s_i0 and s_i1 to one
//! party and the chosen one of them to the other. The receiver sends s_i0 ⊕ s_i1 ⊕ e for each bit i, the sender adds
//! that where the bit of Δ is one and so has s_i0 ⊕ Δ_i·e. Both sum up over i with the factor x^i: 16 bytes for each
//! value and bit (the "noisy VOLE" of Boyle et al. after Gilboa).
//!
//! Semi-honest: a receiver that puts different values into the rows learns bits of Δ from what happens later.

use zeroize::Zeroizing;

use crate::block::{BLOCK_BYTES, Block};
use crate::ot::base::Key;
use crate::ot::extension::{BASE_TRANSFERS, Streams, bit_mask};

/// Bytes of the correction for `count` values.
pub(crate) const fn wire_bytes(count: usize) -> usize {
    BASE_TRANSFERS * BLOCK_BYTES * count
}

/// Multiplies by x in constant time.
const fn times_x(value: Block) -> Block {
    value << 1 ^ (0x87 & (value >> 127).wrapping_neg())
}

/// acc = x·acc + row.
fn horner(acc: &mut [Block], row: &[u8]) {
    for (acc, bytes) in acc.iter_mut().zip(row.as_chunks().0) {
        *acc = times_x(*acc) ^ Block::from_le_bytes(*bytes);
    }
}

/// The side with the values.
pub(crate) struct Receiver {
    zero: Streams,
    one: Streams,
}

/// The side with Δ.
pub(crate) struct Sender {
    streams: Streams,
    delta: Zeroizing<Block>,
}

impl Receiver {
    /// From both keys of 128 transfers.
    pub(crate) fn new(keys: &[[Key; 2]]) -> Self {
        let [zero, one] = [0, 1].map(|side| Streams::new(keys.iter().map(|pair| &pair[side])));
        Self { zero, one }
    }

    /// The correction, written to `message`, and a.
    pub(crate) fn correct(&mut self, values: &[Block], message: &mut [u8]) -> Zeroizing<Vec<Block>> {
        let row_bytes = values.len() * BLOCK_BYTES;
        debug_assert_eq!(message.len(), wire_bytes(values.len()), "room for the correction");
        let mut sums = Zeroizing::new(vec![0; values.len()]);
        let mut row = Zeroizing::new(vec![0_u8; row_bytes]);
        for (index, out) in message.chunks_exact_mut(row_bytes).enumerate().rev() {
            self.zero.fill(index, &mut row);
            self.one.fill(index, out);
            horner(&mut sums, &row);
            for ((out, row), value) in
                out.as_chunks_mut::<BLOCK_BYTES>().0.iter_mut().zip(row.as_chunks::<BLOCK_BYTES>().0).zip(values)
            {
                *out = (Block::from_le_bytes(*out) ^ Block::from_le_bytes(*row) ^ value).to_le_bytes();
            }
        }
        self.zero.advance(row_bytes);
        self.one.advance(row_bytes);
        sums
    }
}

impl Sender {
    /// From Δ and the keys that its bits chose.
    pub(crate) fn new(delta: Block, keys: &[Key]) -> Self {
        Self { streams: Streams::new(keys.iter()), delta: Zeroizing::new(delta) }
    }

    /// c, from a correction for `count` values.
    pub(crate) fn apply(&mut self, message: &[u8], count: usize) -> Zeroizing<Vec<Block>> {
        let row_bytes = count * BLOCK_BYTES;
        debug_assert_eq!(message.len(), wire_bytes(count), "a correction of the right length");
        let mut sums = Zeroizing::new(vec![0; count]);
        let mut row = Zeroizing::new(vec![0_u8; row_bytes]);
        for (index, sent) in message.chunks_exact(row_bytes).enumerate().rev() {
            self.streams.fill(index, &mut row);
            let mask = bit_mask(*self.delta, index);
            row.iter_mut().zip(sent).for_each(|(row, sent)| *row ^= sent & mask);
            horner(&mut sums, &row);
        }
        self.streams.advance(row_bytes);
        sums
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ideal::multiply;

    #[test]
    fn both_sides_fit_in_every_call() {
        let delta: Block = 0x8877_6655_4433_2211_00FF_EEDD_CCBB_AA99;
        let pairs: Vec<[Key; 2]> =
            (0..128).map(|index| [0, 1].map(|side| *blake3::hash(&[index, side]).as_bytes())).collect();
        let chosen: Vec<Key> =
            pairs.iter().enumerate().map(|(index, pair)| pair[usize::from(delta >> index & 1 == 1)]).collect();
        let (mut receiver, mut sender) = (Receiver::new(&pairs), Sender::new(delta, &chosen));
        let mut seen = Vec::new();
        for count in [1, 3, 400] {
            let values: Vec<Block> = (0..count).map(|index| multiply(7 << 100, 3 + index)).collect();
            let mut message = vec![0; wire_bytes(values.len())];
            let a = receiver.correct(&values, &mut message);
            let c = sender.apply(&message, values.len());
            for ((a, c), value) in a.iter().zip(c.iter()).zip(&values) {
                assert_eq!(*a, c ^ multiply(delta, *value));
                assert!(!seen.contains(a));
                seen.push(*a);
            }
        }
    }
}
