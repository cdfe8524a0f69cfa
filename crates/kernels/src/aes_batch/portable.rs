//! The definition of all results, with the `aes` crate.

use aes::cipher::{Array, BlockCipherEncrypt, KeyInit};
use aes::{Aes128, Block};

use super::KEY_BYTES;
use crate::gf256::times_x;

/// Blocks that are encrypted in one call.
const BATCH: usize = 64;

/// Round keys; wiped when dropped.
pub(super) struct Key(Aes128);

impl Key {
    pub(super) fn new(key: &[u8; KEY_BYTES]) -> Self {
        Self(Aes128::new(&Array::from(*key)))
    }
}

pub(super) fn ggm_level(keys: &[Key; 2], parents: &[u128], children: &mut [u128]) {
    for (parents, children) in parents.chunks(BATCH).zip(children.chunks_mut(2 * BATCH)) {
        for (side, key) in keys.iter().enumerate() {
            let mut blocks = [Block::default(); BATCH];
            for (block, parent) in blocks.iter_mut().zip(parents) {
                *block = parent.to_le_bytes().into();
            }
            key.0.encrypt_blocks(&mut blocks[..parents.len()]);
            for ((pair, block), parent) in children.as_chunks_mut::<2>().0.iter_mut().zip(&blocks).zip(parents) {
                pair[side] = u128::from_le_bytes((*block).into()) ^ parent;
            }
        }
    }
}

pub(super) fn ctr_fill(key: &Key, first_block: u128, out: &mut [u8]) {
    let mut counter = first_block;
    for out in out.chunks_mut(BATCH * KEY_BYTES) {
        let mut blocks = [Block::default(); BATCH];
        for block in &mut blocks {
            *block = counter.to_le_bytes().into();
            counter = counter.wrapping_add(1);
        }
        let blocks = &mut blocks[..out.len().div_ceil(KEY_BYTES)];
        key.0.encrypt_blocks(blocks);
        for (out, block) in out.chunks_mut(KEY_BYTES).zip(blocks) {
            out.copy_from_slice(&block[..out.len()]);
        }
    }
}

pub(super) fn fold(keys: &[Key], first_block: u128, sum: &mut [u8], weighted: &mut [u8]) {
    let mut counter = first_block;
    for (sum, weighted) in sum.chunks_mut(BATCH * KEY_BYTES).zip(weighted.chunks_mut(BATCH * KEY_BYTES)) {
        let mut stream = [0; BATCH * KEY_BYTES];
        let stream = &mut stream[..sum.len()];
        // The sum of all streams, then for each bit that of those whose number has it.
        let mut sums = [[0_u128; BATCH]; 9];
        for (number, key) in keys.iter().enumerate() {
            ctr_fill(key, counter, stream);
            for (bit, sums) in sums.iter_mut().enumerate() {
                if bit == 8 || number >> bit & 1 == 1 {
                    add(stream, sums);
                }
            }
        }
        let [bits @ .., total] = &sums;
        write(total, sum);
        let mut horner = [0; BATCH];
        for bit in bits.iter().rev() {
            for (horner, bit) in horner.iter_mut().zip(bit) {
                *horner = times_x(*horner) ^ bit;
            }
        }
        write(&horner, weighted);
        counter = counter.wrapping_add(BATCH as u128);
    }
}

fn add(stream: &[u8], sums: &mut [u128; BATCH]) {
    for (block, sum) in stream.chunks(KEY_BYTES).zip(sums) {
        let mut bytes = [0; KEY_BYTES];
        bytes[..block.len()].copy_from_slice(block);
        *sum ^= u128::from_le_bytes(bytes);
    }
}

fn write(blocks: &[u128; BATCH], out: &mut [u8]) {
    for (block, out) in blocks.iter().zip(out.chunks_mut(KEY_BYTES)) {
        out.copy_from_slice(&block.to_le_bytes()[..out.len()]);
    }
}
