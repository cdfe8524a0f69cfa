//! The definition of all results, with the `blake3` crate.

use super::{Data, INPUT_BYTES_MAX, Inputs, KEY_BYTES, Part};

/// Copies piece `index` to the front of `out` and returns its length.
pub(super) fn copy_piece(part: &Part<'_>, index: usize, out: &mut [u8]) -> usize {
    let bytes = part.bytes;
    match part.data {
        Data::Bytes(data) => out[..bytes].copy_from_slice(&data[index * bytes..][..bytes]),
        Data::Blocks(data) => {
            for (out, block) in out.as_chunks_mut().0.iter_mut().zip(&data[index * bytes / 16..][..bytes / 16]) {
                *out = block.to_le_bytes();
            }
        }
    }
    bytes
}

/// Fills `out` with the keyed output of input `index`.
fn one(key: &[u8; KEY_BYTES], inputs: &Inputs<'_>, index: usize, out: &mut [u8]) {
    let mut input = [0; INPUT_BYTES_MAX];
    let first = copy_piece(&inputs.parts[0], index, &mut input);
    let second = copy_piece(&inputs.parts[1], index, &mut input[first..]);
    blake3::Hasher::new_keyed(key).update(&input[..first + second]).finalize_xof().fill(out);
}

pub(super) fn keyed<const N: usize>(key: &[u8; KEY_BYTES], inputs: &Inputs<'_>, out: &mut [[u8; N]]) {
    for (index, out) in out.iter_mut().enumerate() {
        one(key, inputs, index, out);
    }
}

pub(super) fn keyed_blocks(key: &[u8; KEY_BYTES], inputs: &Inputs<'_>, out: &mut [u128]) {
    for (index, out) in out.iter_mut().enumerate() {
        let mut bytes = [0; 16];
        one(key, inputs, index, &mut bytes);
        *out = u128::from_le_bytes(bytes);
    }
}
