//! Encoding the doubles of points with one inversion for many.
//!
//! A doubling gives x = E/G and y = H/F. With F = Z^2 - d·T^2 and G = Z^2 + d·T^2, which the curve equation makes of
//! the formulas used, (F - H)·(F + H) = (a - d)·E^2. In the coordinates X = E·F, Y = G·H, Z = F·G, T = E·H the inverse
//! square root of RFC 9496, section 4.3.2, is then 1/(sqrt(a - d)·E^2·F·G^2·H), up to a sign that the absolute value
//! at the end takes away: an inversion, which many points share, instead of a root.

use zeroize::Zeroize;

use super::bytes::write_words;
use super::codec::invert;
use super::constants::{INVSQRT_A_MINUS_D, SQRT_M1};
use super::field::{Fe, Lanes, V, avx512};
use super::point::{Completed, Projective};

/// A doubled point on its way to its encoding.
struct Doubled {
    point: Completed,
    eh: Fe,
    fg: Fe,
    /// E·F·G·H, 1 in the trivial lanes.
    product: Fe,
    /// The product of all before it.
    before: Fe,
    /// Where the double encodes as the identity.
    trivial: Lanes,
}

impl Doubled {
    avx512! {
        /// Doubles a point; `before` is the product so far and is multiplied on.
        fn new(point: &Projective, before: &mut Fe) -> Self {
            let point = point.double();
            let (eh, fg) = (point.e.mul(point.h), point.f.mul(point.g));
            let product = eh.mul(fg);
            // F and G are never zero; E or H is for the identity and the points that stand for it.
            let trivial = product.is_zero();
            let product = product.select(trivial, Fe::one());
            let doubled = Self { point, eh, fg, product, before: *before, trivial };
            *before = before.mul(product);
            doubled
        }
    }

    avx512! {
        /// The encoding, from 1/(E·F·G·H). Rotated, it is |(G ± i·E)/H|, else |(F ± H)/(sqrt(a - d)·E)|.
        fn encode(&self, inverse: Fe) -> [V; 4] {
            let Completed { e, f, g, h } = self.point;
            let i = Fe::splat(&SQRT_M1);
            let z_inverse = self.eh.mul(inverse);
            let t_inverse = self.fg.mul(inverse);
            let rotate = self.eh.mul(z_inverse).is_negative();
            // x is E·F, rotated i·Y = i·H·G.
            let z = f.select(rotate, g);
            let x = e.select(rotate, h.mul(i)).mul(z);
            let y = h.select(rotate, e.mul(i));
            let y = y.negate_if(x.mul(z_inverse).is_negative());
            let denominator = h.mul(Fe::splat(&INVSQRT_A_MINUS_D)).select(rotate, e).mul(t_inverse);
            let s = z.sub(y).mul(denominator).absolute();
            s.select(self.trivial, Fe::zero()).to_words()
        }
    }

    fn wipe(&mut self) {
        self.point.wipe();
        for element in [&mut self.eh, &mut self.fg, &mut self.product, &mut self.before] {
            element.0.zeroize();
        }
    }
}

avx512! {
    /// Writes the encodings of the doubles of `points`, eight for each, as many as `out` has room for.
    pub(super) fn encode_doubles(points: &[Projective], out: &mut [[u8; 32]]) {
        let mut product = Fe::one();
        let mut doubles = Vec::with_capacity(points.len());
        for point in points {
            doubles.push(Doubled::new(point, &mut product));
        }
        let mut inverse = invert(product);
        for (doubled, out) in doubles.iter_mut().zip(out.chunks_mut(8)).rev() {
            write_words(doubled.encode(inverse.mul(doubled.before)), out);
            inverse = inverse.mul(doubled.product);
            doubled.wipe();
        }
    }
}
