//! Several inputs side by side, one 32-bit lane each, on AVX2 and AVX-512.
//!
//! Both backends share the compression through a macro, since their intrinsics differ in name only.

use super::{Data, Part};

pub(super) mod avx2;
pub(super) mod avx512;

/// The first words of the initialisation vector.
const IV: [u32; 4] = [0x6A09_E667, 0xBB67_AE85, 0x3C6E_F372, 0xA54F_F53A];

/// Chunk start, chunk end, root, keyed: the flags of an input of one block.
const FLAGS: u32 = 1 | 1 << 1 | 1 << 3 | 1 << 4;

/// Which message word goes where, for each round.
const SCHEDULE: [[usize; 16]; 7] = {
    const STEP: [usize; 16] = [2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8];
    let mut schedule = [[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]; 7];
    let mut round = 1;
    while round < 7 {
        let mut place = 0;
        while place < 16 {
            schedule[round][place] = schedule[round - 1][STEP[place]];
            place += 1;
        }
        round += 1;
    }
    schedule
};

fn key_words(key: &[u8; super::KEY_BYTES]) -> [u32; 8] {
    let mut words = [0; 8];
    for (word, bytes) in words.iter_mut().zip(key.as_chunks().0) {
        *word = u32::from_le_bytes(*bytes);
    }
    words
}

/// The pieces of all inputs as bytes.
fn bytes_of<'a>(part: &Part<'a>) -> &'a [u8] {
    match part.data {
        Data::Bytes(bytes) => bytes,
        // SAFETY: the blocks may be read as bytes, as many as their size says, for as long as they are borrowed. The
        // order of bytes on x86-64 is little-endian.
        Data::Blocks(blocks) => unsafe {
            std::slice::from_raw_parts(blocks.as_ptr().cast(), size_of_val::<[u128]>(blocks))
        },
    }
}

/// Defines `compress`, from the message words and those of the key to the sixteen words of output, with the backend's
/// macro for functions, type of vectors, and functions to make, add, combine and rotate vectors.
macro_rules! compression {
    ($backend:ident, $vector:ty, $splat:path, $add:path, $xor:path, $rotate:ident) => {
        $backend! {
            fn quarter(v: &mut [$vector; 16], [a, b, c, d]: [usize; 4], x: $vector, y: $vector) {
                v[a] = $add($add(v[a], v[b]), x);
                v[d] = $rotate::<16>($xor(v[d], v[a]));
                v[c] = $add(v[c], v[d]);
                v[b] = $rotate::<12>($xor(v[b], v[c]));
                v[a] = $add($add(v[a], v[b]), y);
                v[d] = $rotate::<8>($xor(v[d], v[a]));
                v[c] = $add(v[c], v[d]);
                v[b] = $rotate::<7>($xor(v[b], v[c]));
            }
        }

        $backend! {
            fn round<const ROUND: usize>(v: &mut [$vector; 16], m: &[$vector; 16]) {
                let s = &SCHEDULE[ROUND];
                quarter(v, [0, 4, 8, 12], m[s[0]], m[s[1]]);
                quarter(v, [1, 5, 9, 13], m[s[2]], m[s[3]]);
                quarter(v, [2, 6, 10, 14], m[s[4]], m[s[5]]);
                quarter(v, [3, 7, 11, 15], m[s[6]], m[s[7]]);
                quarter(v, [0, 5, 10, 15], m[s[8]], m[s[9]]);
                quarter(v, [1, 6, 11, 12], m[s[10]], m[s[11]]);
                quarter(v, [2, 7, 8, 13], m[s[12]], m[s[13]]);
                quarter(v, [3, 4, 9, 14], m[s[14]], m[s[15]]);
            }
        }

        $backend! {
            fn compress(key: &[$vector; 8], m: &[$vector; 16], length: u32) -> [$vector; 16] {
                let [k0, k1, k2, k3, k4, k5, k6, k7] = *key;
                let [i0, i1, i2, i3] = [$splat(IV[0]), $splat(IV[1]), $splat(IV[2]), $splat(IV[3])];
                // The counter of the output is zero.
                let (zero, length, flags) = ($splat(0), $splat(length), $splat(FLAGS));
                let mut v = [k0, k1, k2, k3, k4, k5, k6, k7, i0, i1, i2, i3, zero, zero, length, flags];
                round::<0>(&mut v, m);
                round::<1>(&mut v, m);
                round::<2>(&mut v, m);
                round::<3>(&mut v, m);
                round::<4>(&mut v, m);
                round::<5>(&mut v, m);
                round::<6>(&mut v, m);
                for word in 0..8 {
                    v[word] = $xor(v[word], v[word + 8]);
                    v[word + 8] = $xor(v[word + 8], key[word]);
                }
                v
            }
        }
    };
}
use compression;
