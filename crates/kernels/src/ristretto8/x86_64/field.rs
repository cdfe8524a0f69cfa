//! The field of 2^255 - 19, eight elements at once: five limbs of 51 bits, each limb a vector of eight lanes.
//!
//! Two kinds of values:
//! * [`Fe`], *tight*: every limb is below 2^51 + 2^18, as the 52-bit multiplier needs it (it drops higher bits
//!   without a word).
//! * [`Wide`], not carried: limbs of up to 64 bits. Sums and differences of products are made on them and carried
//!   once. A difference needs its first operand larger in every limb, which [`Fe::mul_biased`] and
//!   [`Fe::square_biased`] bring about by adding a multiple of p on the way, at no cost.
//!
//! Bounds below are in units of u = 2^52. With tight operands a low half is below u and a high half below
//! u/4 + 2^19; limb 0 of a product, the largest, is below (1 + 19·(4 + 2·5/4))·u < 124.5 u + 2^31.

use std::arch::x86_64::*;

use super::constants::{MINUS_ONE, ONE, P_TWICE};

/// Eight numbers of 64 bits.
pub(super) type V = __m512i;

/// One bit for each lane.
pub(super) type Lanes = __mmask8;

/// Eight field elements with limbs below 2^51 + 2^18.
#[derive(Clone, Copy)]
pub(super) struct Fe(pub(super) [V; 5]);

/// Eight field elements with limbs of up to 64 bits.
#[derive(Clone, Copy)]
pub(super) struct Wide(pub(super) [V; 5]);

/// Defines a function of the backend: it may use its instructions, and is inlined into functions that may too.
macro_rules! avx512 {
    ($(#[$attribute:meta])* $vis:vis fn $($rest:tt)*) => {
        $(#[$attribute])*
        #[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512ifma")]
        #[inline]
        $vis fn $($rest)*
    };
}
pub(super) use avx512;

avx512! {
    /// The same number in all lanes.
    pub(super) fn splat(value: u64) -> V {
        _mm512_set1_epi64(value.cast_signed())
    }
}

avx512! {
    fn lo(sum: V, a: V, b: V) -> V {
        _mm512_madd52lo_epu64(sum, a, b)
    }
}

avx512! {
    fn hi(sum: V, a: V, b: V) -> V {
        _mm512_madd52hi_epu64(sum, a, b)
    }
}

avx512! {
    fn add(a: V, b: V) -> V {
        _mm512_add_epi64(a, b)
    }
}

avx512! {
    fn sub(a: V, b: V) -> V {
        _mm512_sub_epi64(a, b)
    }
}

avx512! {
    fn twice(a: V) -> V {
        _mm512_add_epi64(a, a)
    }
}

avx512! {
    fn times_19(a: V) -> V {
        _mm512_mullo_epi64(a, splat(19))
    }
}

avx512! {
    fn low_51(a: V) -> V {
        _mm512_and_si512(a, splat((1 << 51) - 1))
    }
}

avx512! {
    fn from_51(a: V) -> V {
        _mm512_srli_epi64::<51>(a)
    }
}

/// Limb `index` of `factor`·p.
const fn multiple_of_p(factor: u64, index: usize) -> u64 {
    factor * ((1 << 51) - if index == 0 { 19 } else { 1 })
}

impl Wide {
    avx512! {
        /// Makes every limb tight; the value stays the same modulo p.
        pub(super) fn carry(self) -> Fe {
            let [z0, z1, z2, z3, z4] = self.0;
            Fe([
                lo(low_51(z0), from_51(z4), splat(19)),
                add(low_51(z1), from_51(z0)),
                add(low_51(z2), from_51(z1)),
                add(low_51(z3), from_51(z2)),
                add(low_51(z4), from_51(z3)),
            ])
        }
    }

    avx512! {
        pub(super) fn add(self, other: Self) -> Self {
            let (a, b) = (self.0, other.0);
            Self([add(a[0], b[0]), add(a[1], b[1]), add(a[2], b[2]), add(a[3], b[3]), add(a[4], b[4])])
        }
    }

    avx512! {
        /// self - other modulo 2^64 in each limb.
        pub(super) fn sub(self, other: Self) -> Self {
            let (a, b) = (self.0, other.0);
            Self([sub(a[0], b[0]), sub(a[1], b[1]), sub(a[2], b[2]), sub(a[3], b[3]), sub(a[4], b[4])])
        }
    }

    avx512! {
        pub(super) fn twice(self) -> Self {
            self.add(self)
        }
    }

    avx512! {
        /// -self modulo 2^64 in the limbs of `lanes`, self elsewhere.
        pub(super) fn negate_if(self, lanes: Lanes) -> Self {
            let zero = splat(0);
            Self(self.0.map(|limb| _mm512_mask_sub_epi64(limb, lanes, zero, limb)))
        }
    }
}

impl Fe {
    avx512! {
        pub(super) fn splat(limbs: &[u64; 5]) -> Self {
            Self([splat(limbs[0]), splat(limbs[1]), splat(limbs[2]), splat(limbs[3]), splat(limbs[4])])
        }
    }

    avx512! {
        pub(super) fn zero() -> Self {
            Self([splat(0); 5])
        }
    }

    avx512! {
        pub(super) fn one() -> Self {
            Self::splat(&ONE)
        }
    }

    avx512! {
        pub(super) fn wide(self) -> Wide {
            Wide(self.0)
        }
    }

    avx512! {
        pub(super) fn add(self, other: Self) -> Self {
            self.wide().add(other.wide()).carry()
        }
    }

    avx512! {
        pub(super) fn sub(self, other: Self) -> Self {
            Self::splat(&P_TWICE).wide().add(self.wide()).sub(other.wide()).carry()
        }
    }

    avx512! {
        pub(super) fn negate(self) -> Self {
            Self::splat(&P_TWICE).wide().sub(self.wide()).carry()
        }
    }

    avx512! {
        /// `other` in `lanes`, self elsewhere.
        pub(super) fn select(self, lanes: Lanes, other: Self) -> Self {
            let (a, b) = (self.0, other.0);
            Self([
                _mm512_mask_blend_epi64(lanes, a[0], b[0]),
                _mm512_mask_blend_epi64(lanes, a[1], b[1]),
                _mm512_mask_blend_epi64(lanes, a[2], b[2]),
                _mm512_mask_blend_epi64(lanes, a[3], b[3]),
                _mm512_mask_blend_epi64(lanes, a[4], b[4]),
            ])
        }
    }

    avx512! {
        pub(super) fn negate_if(self, lanes: Lanes) -> Self {
            self.select(lanes, self.negate())
        }
    }

    avx512! {
        pub(super) fn mul(self, other: Self) -> Self {
            self.mul_biased::<0>(other).carry()
        }
    }

    avx512! {
        pub(super) fn mul_wide(self, other: Self) -> Wide {
            self.mul_biased::<0>(other)
        }
    }

    avx512! {
        /// The product plus 38·`HALF`·p: for each unit of `HALF` nearly 19 u more in each limb.
        pub(super) fn mul_biased<const HALF: u64>(self, other: Self) -> Wide {
            let (x, y) = (self.0, other.0);
            let start = |index| splat(multiple_of_p(HALF, index));
            // The high half of a product at 2^(51·k) counts twice at 2^(51·(k + 1)), since 52 = 51 + 1.
            let z5 = hi(hi(hi(hi(hi(start(0), x[0], y[4]), x[1], y[3]), x[2], y[2]), x[3], y[1]), x[4], y[0]);
            let z6 = hi(hi(hi(hi(start(1), x[1], y[4]), x[2], y[3]), x[3], y[2]), x[4], y[1]);
            let z7 = hi(hi(hi(start(2), x[2], y[4]), x[3], y[3]), x[4], y[2]);
            let z8 = hi(hi(start(3), x[3], y[4]), x[4], y[3]);
            let z9 = hi(start(4), x[4], y[4]);
            let z5 = lo(lo(lo(lo(twice(z5), x[1], y[4]), x[2], y[3]), x[3], y[2]), x[4], y[1]);
            let z6 = lo(lo(lo(twice(z6), x[2], y[4]), x[3], y[3]), x[4], y[2]);
            let z7 = lo(lo(twice(z7), x[3], y[4]), x[4], y[3]);
            let z8 = lo(twice(z8), x[4], y[4]);
            let z9 = twice(z9);
            let z1 = hi(splat(0), x[0], y[0]);
            let z2 = hi(hi(splat(0), x[0], y[1]), x[1], y[0]);
            let z3 = hi(hi(hi(splat(0), x[0], y[2]), x[1], y[1]), x[2], y[0]);
            let z4 = hi(hi(hi(hi(splat(0), x[0], y[3]), x[1], y[2]), x[2], y[1]), x[3], y[0]);
            let z0 = times_19(z5);
            let z1 = add(twice(z1), times_19(z6));
            let z2 = add(twice(z2), times_19(z7));
            let z3 = add(twice(z3), times_19(z8));
            let z4 = add(twice(z4), times_19(z9));
            let z0 = lo(z0, x[0], y[0]);
            let z1 = lo(lo(z1, x[0], y[1]), x[1], y[0]);
            let z2 = lo(lo(lo(z2, x[0], y[2]), x[1], y[1]), x[2], y[0]);
            let z3 = lo(lo(lo(lo(z3, x[0], y[3]), x[1], y[2]), x[2], y[1]), x[3], y[0]);
            let z4 = lo(lo(lo(lo(lo(z4, x[0], y[4]), x[1], y[3]), x[2], y[2]), x[3], y[1]), x[4], y[0]);
            Wide([z0, z1, z2, z3, z4])
        }
    }

    avx512! {
        pub(super) fn square(self) -> Self {
            self.square_biased::<0>().carry()
        }
    }

    avx512! {
        pub(super) fn square_wide(self) -> Wide {
            self.square_biased::<0>()
        }
    }

    avx512! {
        /// The square plus 76·`QUARTER`·p: for each unit of `QUARTER` nearly 38 u more in each limb.
        pub(super) fn square_biased<const QUARTER: u64>(self) -> Wide {
            let x = self.0;
            let start = |index| splat(multiple_of_p(QUARTER, index));
            // High halves of mixed products count four times, those of squares and low halves of mixed ones twice.
            let z5 = twice(hi(hi(start(0), x[0], x[4]), x[1], x[3]));
            let z6 = twice(hi(hi(start(1), x[1], x[4]), x[2], x[3]));
            let z7 = twice(hi(start(2), x[2], x[4]));
            let z8 = _mm512_slli_epi64::<2>(hi(start(3), x[3], x[4]));
            let z9 = twice(hi(splat(multiple_of_p(2 * QUARTER, 4)), x[4], x[4]));
            let z5 = twice(lo(lo(hi(z5, x[2], x[2]), x[1], x[4]), x[2], x[3]));
            let z6 = lo(twice(lo(z6, x[2], x[4])), x[3], x[3]);
            let z7 = twice(lo(hi(z7, x[3], x[3]), x[3], x[4]));
            let z8 = lo(z8, x[4], x[4]);
            let z1 = twice(lo(hi(splat(0), x[0], x[0]), x[0], x[1]));
            let z2 = twice(lo(twice(hi(splat(0), x[0], x[1])), x[0], x[2]));
            let z3 = twice(hi(splat(0), x[0], x[2]));
            let z3 = twice(lo(lo(hi(z3, x[1], x[1]), x[0], x[3]), x[1], x[2]));
            let z4 = twice(hi(hi(splat(0), x[0], x[3]), x[1], x[2]));
            let z4 = twice(lo(lo(z4, x[0], x[4]), x[1], x[3]));
            let z0 = lo(times_19(z5), x[0], x[0]);
            let z1 = add(z1, times_19(z6));
            let z2 = lo(add(z2, times_19(z7)), x[1], x[1]);
            let z3 = add(z3, times_19(z8));
            let z4 = lo(add(z4, times_19(z9)), x[2], x[2]);
            Wide([z0, z1, z2, z3, z4])
        }
    }
}

impl Fe {
    avx512! {
        /// The limbs of the least non-negative representative, each below 2^51.
        fn canonical(self) -> [V; 5] {
            let [z0, z1, z2, z3, z4] = self.0;
            // A tight value is below 2·p. It is p or more exactly when adding 19 carries out of 2^255.
            let q = from_51(add(z0, splat(19)));
            let q = from_51(add(z1, q));
            let q = from_51(add(z2, q));
            let q = from_51(add(z3, q));
            let q = from_51(add(z4, q));
            let z0 = lo(z0, q, splat(19));
            let z1 = add(z1, from_51(z0));
            let z2 = add(z2, from_51(z1));
            let z3 = add(z3, from_51(z2));
            let z4 = add(z4, from_51(z3));
            [low_51(z0), low_51(z1), low_51(z2), low_51(z3), low_51(z4)]
        }
    }

    avx512! {
        /// The lanes whose least non-negative representative is odd: "negative" in RFC 9496.
        pub(super) fn is_negative(self) -> Lanes {
            _mm512_test_epi64_mask(self.canonical()[0], splat(1))
        }
    }

    avx512! {
        pub(super) fn is_zero(self) -> Lanes {
            let [z0, z1, z2, z3, z4] = self.canonical();
            let any = _mm512_or_si512(_mm512_or_si512(_mm512_or_si512(z0, z1), _mm512_or_si512(z2, z3)), z4);
            _mm512_testn_epi64_mask(any, any)
        }
    }

    avx512! {
        pub(super) fn equals(self, other: Self) -> Lanes {
            self.sub(other).is_zero()
        }
    }

    avx512! {
        pub(super) fn absolute(self) -> Self {
            self.negate_if(self.is_negative())
        }
    }

    avx512! {
        /// From little-endian numbers of four words a lane; bit 255 is ignored.
        pub(super) fn from_words(words: [V; 4]) -> Self {
            let [w0, w1, w2, w3] = words;
            let or = |a, b| low_51(_mm512_or_si512(a, b));
            Self([
                low_51(w0),
                or(from_51(w0), _mm512_slli_epi64::<13>(w1)),
                or(_mm512_srli_epi64::<38>(w1), _mm512_slli_epi64::<26>(w2)),
                or(_mm512_srli_epi64::<25>(w2), _mm512_slli_epi64::<39>(w3)),
                low_51(_mm512_srli_epi64::<12>(w3)),
            ])
        }
    }

    avx512! {
        /// The least non-negative representative as four little-endian words a lane.
        pub(super) fn to_words(self) -> [V; 4] {
            let [z0, z1, z2, z3, z4] = self.canonical();
            let or = |a, b| _mm512_or_si512(a, b);
            [
                or(z0, _mm512_slli_epi64::<51>(z1)),
                or(_mm512_srli_epi64::<13>(z1), _mm512_slli_epi64::<38>(z2)),
                or(_mm512_srli_epi64::<26>(z2), _mm512_slli_epi64::<25>(z3)),
                or(_mm512_srli_epi64::<39>(z3), _mm512_slli_epi64::<12>(z4)),
            ]
        }
    }

    avx512! {
        pub(super) fn minus_one() -> Self {
            Self::splat(&MINUS_ONE)
        }
    }
}
