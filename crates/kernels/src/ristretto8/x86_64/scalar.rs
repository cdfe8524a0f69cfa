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

/// The words of `scalar` + 0x8888...88. A scalar is below 2^253, so the sum is below 2^256.
fn shifted(scalar: &Scalar) -> Zeroizing<[u64; 4]> {
    let mut words = Zeroizing::new([0; 4]);
    let mut carry = 0_u128;
    for (word, bytes) in words.iter_mut().zip(scalar.as_bytes().as_chunks().0) {
        carry += u128::from(u64::from_le_bytes(*bytes)) + 0x8888_8888_8888_8888;
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
            let words = shifted(&half);
            Self([splat(words[0]), splat(words[1]), splat(words[2]), splat(words[3])])
        }
    }

    avx512! {
        /// Half of one scalar a lane, for eight at most.
        pub(super) fn halves_of(scalars: &[Scalar]) -> Self {
            let mut rows = Zeroizing::new([[0_u64; 8]; 4]);
            for (lane, scalar) in scalars.iter().enumerate().take(8) {
                let half = Zeroizing::new(scalar.div_by_2());
                for (row, word) in rows.iter_mut().zip(shifted(&half).iter()) {
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
