//! Square roots, decoding, the one-way map and encoding (RFC 9496, section 4.3), eight lanes at once.

use std::arch::x86_64::*;

use super::constants::{D, D_MINUS_ONE_SQ, INVSQRT_A_MINUS_D, ONE_MINUS_D_SQ, SQRT_AD_MINUS_ONE, SQRT_M1};
use super::field::{Fe, Lanes, V, avx512, splat};
use super::point::Extended;

avx512! {
    /// x^(2^`count`) for each of `x`. Two chains side by side hide each other's latency.
    fn square_times<const N: usize>(mut x: [Fe; N], count: usize) -> [Fe; N] {
        for _ in 0..count {
            for x in &mut x {
                *x = x.square();
            }
        }
        x
    }
}

avx512! {
    fn mul_all<const N: usize>(mut x: [Fe; N], y: &[Fe; N]) -> [Fe; N] {
        for (x, y) in x.iter_mut().zip(y) {
            *x = x.mul(*y);
        }
        x
    }
}

avx512! {
    /// (x^(2^250 - 1), x^11): the common part of the two exponents below.
    fn power_2_250_minus_1<const N: usize>(x: &[Fe; N]) -> ([Fe; N], [Fe; N]) {
        let x2 = square_times(*x, 1);
        let x9 = mul_all(square_times(x2, 2), x);
        let x11 = mul_all(x9, &x2);
        let ones_5 = mul_all(square_times(x11, 1), &x9);
        let ones_10 = mul_all(square_times(ones_5, 5), &ones_5);
        let ones_20 = mul_all(square_times(ones_10, 10), &ones_10);
        let ones_40 = mul_all(square_times(ones_20, 20), &ones_20);
        let ones_50 = mul_all(square_times(ones_40, 10), &ones_10);
        let ones_100 = mul_all(square_times(ones_50, 50), &ones_50);
        let ones_200 = mul_all(square_times(ones_100, 100), &ones_100);
        (mul_all(square_times(ones_200, 50), &ones_50), x11)
    }
}

avx512! {
    /// x^((p - 5)/8) = x^(2^252 - 3).
    fn power_p58<const N: usize>(x: &[Fe; N]) -> [Fe; N] {
        mul_all(square_times(power_2_250_minus_1(x).0, 2), x)
    }
}

avx512! {
    /// 1/x = x^(p - 2), 0 for 0.
    pub(super) fn invert(x: Fe) -> Fe {
        let (ones_250, x11) = power_2_250_minus_1(&[x]);
        mul_all(square_times(ones_250, 5), &x11)[0]
    }
}

avx512! {
    /// SQRT_RATIO_M1 of RFC 9496, section 4.2: the non-negative root of u/v, or of i·u/v outside the lanes
    /// returned.
    fn sqrt_ratio<const N: usize>(u: &[Fe; N], v: &[Fe; N]) -> [(Lanes, Fe); N] {
        let (mut base, mut uv3) = (*u, *u);
        for k in 0..N {
            let v3 = v[k].square().mul(v[k]);
            uv3[k] = u[k].mul(v3);
            base[k] = uv3[k].mul(v3.mul(v[k]));
        }
        let powers = power_p58(&base);
        let i = Fe::splat(&SQRT_M1);
        let mut roots = [(0, Fe::zero()); N];
        for k in 0..N {
            let root = uv3[k].mul(powers[k]);
            let check = v[k].mul(root.square());
            let correct = check.equals(u[k]);
            let minus_u = u[k].negate();
            let flipped = check.equals(minus_u);
            let flipped_i = check.equals(minus_u.mul(i));
            let root = root.select(flipped | flipped_i, root.mul(i));
            roots[k] = (correct | flipped, root.absolute());
        }
        roots
    }
}

/// What decoding found in eight lanes.
#[derive(Clone, Copy)]
pub(super) struct Verdicts {
    /// The encoding is that of an element.
    pub(super) valid: Lanes,
    /// It is that of the identity.
    pub(super) identity: Lanes,
}

avx512! {
    /// The lanes whose four words are a number below p.
    fn below_p(words: &[V; 4]) -> Lanes {
        // From p = 2^255 - 19 on: the upper words are full and the lowest is one of the last 19; or bit 255 is set.
        let middle = _mm512_and_si512(words[1], words[2]);
        let full = _mm512_cmpeq_epi64_mask(middle, splat(u64::MAX))
            & _mm512_cmpeq_epi64_mask(words[3], splat(u64::MAX >> 1))
            & _mm512_cmpge_epu64_mask(words[0], splat(u64::MAX - 18));
        !(full | _mm512_movepi64_mask(words[3]))
    }
}

avx512! {
    /// Decode of RFC 9496, section 4.3.1. Lanes that are not valid hold the identity.
    pub(super) fn decode<const N: usize>(words: &[[V; 4]; N]) -> [(Extended, Verdicts); N] {
        let mut s = [Fe::zero(); N];
        let (mut u1, mut u2, mut v, mut vu22) = (s, s, s, s);
        for k in 0..N {
            s[k] = Fe::from_words(words[k]);
            let ss = s[k].square();
            u1[k] = Fe::one().sub(ss);
            u2[k] = Fe::one().add(ss);
            let u22 = u2[k].square();
            v[k] = Fe::splat(&D).mul(u1[k].square()).add(u22).negate();
            vu22[k] = v[k].mul(u22);
        }
        let roots = sqrt_ratio(&[Fe::one(); N], &vu22);
        let nothing = Verdicts { valid: 0, identity: 0 };
        let mut decoded = [(Extended::identity(), nothing); N];
        for k in 0..N {
            let (was_square, root) = roots[k];
            let den_x = root.mul(u2[k]);
            let den_y = root.mul(den_x).mul(v[k]);
            let x = s[k].add(s[k]).mul(den_x).absolute();
            let y = u1[k].mul(den_y);
            let t = x.mul(y);
            let canonical = below_p(&words[k]) & !_mm512_test_epi64_mask(words[k][0], splat(1));
            let valid = canonical & was_square & !t.is_negative() & !y.is_zero();
            let identity = valid & s[k].is_zero();
            let neutral = Extended::identity();
            let point = Extended {
                x: neutral.x.select(valid, x),
                y: neutral.y.select(valid, y),
                z: neutral.z,
                t: neutral.t.select(valid, t),
            };
            decoded[k] = (point, Verdicts { valid, identity });
        }
        decoded
    }
}

avx512! {
    /// MAP of RFC 9496, section 4.3.4, on each of `t`.
    fn map<const N: usize>(t: &[Fe; N]) -> [Extended; N] {
        let (one, minus_one) = (Fe::one(), Fe::minus_one());
        let (mut r, mut u, mut v) = (*t, *t, *t);
        for k in 0..N {
            r[k] = Fe::splat(&SQRT_M1).mul(t[k].square());
            u[k] = r[k].add(one).mul(Fe::splat(&ONE_MINUS_D_SQ));
            v[k] = minus_one.sub(r[k].mul(Fe::splat(&D))).mul(r[k].add(Fe::splat(&D)));
        }
        let roots = sqrt_ratio(&u, &v);
        let mut points = [Extended::identity(); N];
        for k in 0..N {
            let (was_square, root) = roots[k];
            let other = root.mul(t[k]).absolute().negate();
            let s = other.select(was_square, root);
            let c = r[k].select(was_square, minus_one);
            let n = c.mul(r[k].sub(one)).mul(Fe::splat(&D_MINUS_ONE_SQ)).sub(v[k]);
            let ss = s.square();
            let w0 = s.add(s).mul(v[k]);
            let w1 = n.mul(Fe::splat(&SQRT_AD_MINUS_ONE));
            let w2 = one.sub(ss);
            let w3 = one.add(ss);
            points[k] = Extended { x: w0.mul(w3), y: w2.mul(w1), z: w1.mul(w3), t: w0.mul(w2) };
        }
        points
    }
}

avx512! {
    /// The one-way map of RFC 9496, section 4.3.4, from 64 uniform bytes: two maps and an addition.
    pub(super) fn map_uniform(low: [V; 4], high: [V; 4]) -> Extended {
        let [first, second] = map(&[Fe::from_words(low), Fe::from_words(high)]);
        first.add(second.cached(), 0).to_extended()
    }
}

avx512! {
    /// Encode of RFC 9496, section 4.3.2, as words.
    pub(super) fn encode<const N: usize>(points: &[Extended; N]) -> [[V; 4]; N] {
        let one = [Fe::one(); N];
        let (mut u1, mut u2, mut ratio) = (one, one, one);
        for (k, point) in points.iter().enumerate() {
            u1[k] = point.z.add(point.y).mul(point.z.sub(point.y));
            u2[k] = point.x.mul(point.y);
            ratio[k] = u1[k].mul(u2[k].square());
        }
        let roots = sqrt_ratio(&one, &ratio);
        let mut words = [[splat(0); 4]; N];
        for (k, point) in points.iter().enumerate() {
            let den1 = roots[k].1.mul(u1[k]);
            let den2 = roots[k].1.mul(u2[k]);
            let z_inverse = den1.mul(den2).mul(point.t);
            let i = Fe::splat(&SQRT_M1);
            let rotate = point.t.mul(z_inverse).is_negative();
            let x = point.x.select(rotate, point.y.mul(i));
            let y = point.y.select(rotate, point.x.mul(i));
            let denominator = den2.select(rotate, den1.mul(Fe::splat(&INVSQRT_A_MINUS_D)));
            let y = y.negate_if(x.mul(z_inverse).is_negative());
            words[k] = denominator.mul(point.z.sub(y)).absolute().to_words();
        }
        words
    }
}
