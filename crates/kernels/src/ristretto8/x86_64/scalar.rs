//! Scalars as signed digits, without branches.

use std::arch::x86_64::*;

use curve25519_dalek::Scalar;
use zeroize::{Zeroize, Zeroizing};

use super::bytes::load;
use super::field::{Lanes, V, avx512, splat};

/// How many digits a scalar has.
pub(super) const DIGITS: usize = 64;

/// Scalars of eight lanes, each plus 8·(16^0 + ... + 16^63): every nibble less 8 is a signed digit from -8 to 7.
/// Wiped when dropped.
pub(super) struct Digits([V; 4]);

/// Every nibble less 8 is a digit once this is added to each word of a scalar.
const OFFSET: u64 = 0x8888_8888_8888_8888;

/// The words of `scalar` plus `offset` in each word. A scalar is below 2^253, so with an offset of at most
/// 0x8888... the sum is below 2^256.
pub(super) fn shifted(scalar: &Scalar, offset: u64) -> Zeroizing<[u64; 4]> {
    let mut words = Zeroizing::new([0; 4]);
    let mut carry = 0_u128;
    for (word, bytes) in words.iter_mut().zip(scalar.as_bytes().as_chunks().0) {
        carry += u128::from(u64::from_le_bytes(*bytes)) + u128::from(offset);
        #[expect(clippy::cast_possible_truncation, reason = "the low word; the rest is carried")]
        let low = carry as u64;
        *word = low;
        carry >>= 64;
    }
    words
}

impl Digits {
    avx512! {
        /// Half of the same scalar in all lanes.
        pub(super) fn half_of(scalar: &Scalar) -> Self {
            let half = Zeroizing::new(scalar.div_by_2());
            let words = shifted(&half, OFFSET);
            Self([splat(words[0]), splat(words[1]), splat(words[2]), splat(words[3])])
        }
    }

    avx512! {
        /// Half of one scalar a lane, for eight at most; other lanes get 0.
        pub(super) fn halves_of(scalars: &[Scalar]) -> Self {
            let halves = Zeroizing::new(scalars.iter().map(Scalar::div_by_2).collect::<Vec<_>>());
            Self::of_each(&halves)
        }
    }

    avx512! {
        /// One scalar a lane, for eight at most; other lanes get 0.
        pub(super) fn of_each(scalars: &[Scalar]) -> Self {
            let mut rows = Zeroizing::new([[OFFSET; 8]; 4]);
            for (lane, scalar) in scalars.iter().enumerate().take(8) {
                for (row, word) in rows.iter_mut().zip(shifted(scalar, OFFSET).iter()) {
                    row[lane] = *word;
                }
            }
            Self([load(&rows[0]), load(&rows[1]), load(&rows[2]), load(&rows[3])])
        }
    }

    avx512! {
        /// The magnitudes of digit `index` and the lanes where it is negative.
        pub(super) fn digit(&self, index: usize) -> (V, Lanes) {
            let shift = splat(4 * (index as u64 % 16));
            let nibble = _mm512_and_si512(_mm512_srlv_epi64(self.0[index / 16], shift), splat(15));
            let digit = _mm512_sub_epi64(nibble, splat(8));
            (_mm512_abs_epi64(digit), _mm512_movepi64_mask(digit))
        }
    }
}

impl Drop for Digits {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}
