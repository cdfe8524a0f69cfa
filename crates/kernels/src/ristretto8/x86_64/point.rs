//! Points of the curve -x^2 + y^2 = 1 + d·x^2·y^2, eight at once, in the coordinates of [HWCD08].
//!
//! Formulas are complete: no pair of points needs a case of its own, so nothing branches.
//!
//! [HWCD08]: https://eprint.iacr.org/2008/522

use std::arch::x86_64::*;

use zeroize::Zeroize;

use super::constants::D_TWICE;
use super::field::{Fe, Lanes, V, avx512, splat};
use super::scalar::{DIGITS, Digits};

/// (X : Y : Z) with x = X/Z and y = Y/Z.
#[derive(Clone, Copy)]
pub(super) struct Projective {
    pub(super) x: Fe,
    pub(super) y: Fe,
    pub(super) z: Fe,
}

/// (X : Y : Z : T) with X·Y = Z·T.
#[derive(Clone, Copy)]
pub(super) struct Extended {
    pub(super) x: Fe,
    pub(super) y: Fe,
    pub(super) z: Fe,
    pub(super) t: Fe,
}

/// x = E/G and y = H/F: what a doubling or an addition gives before its last products.
#[derive(Clone, Copy)]
pub(super) struct Completed {
    pub(super) e: Fe,
    pub(super) f: Fe,
    pub(super) g: Fe,
    pub(super) h: Fe,
}

/// A point as the second operand of an addition: Y + X, Y - X, 2·Z, 2·d·T.
#[derive(Clone, Copy)]
pub(super) struct Cached([Fe; 4]);

impl Completed {
    pub(super) fn wipe(&mut self) {
        for element in [&mut self.e, &mut self.f, &mut self.g, &mut self.h] {
            element.0.zeroize();
        }
    }

    avx512! {
        pub(super) fn to_projective(self) -> Projective {
            let Self { e, f, g, h } = self;
            Projective { x: e.mul(f), y: g.mul(h), z: f.mul(g) }
        }
    }

    avx512! {
        pub(super) fn to_extended(self) -> Extended {
            let Self { e, f, g, h } = self;
            Extended { x: e.mul(f), y: g.mul(h), z: f.mul(g), t: e.mul(h) }
        }
    }
}

impl Projective {
    avx512! {
        /// All coordinates times Z.
        pub(super) fn to_extended(self) -> Extended {
            let Self { x, y, z } = self;
            Extended { x: x.mul(z), y: y.mul(z), z: z.square(), t: x.mul(y) }
        }
    }

    pub(super) fn wipe(&mut self) {
        for element in [&mut self.x, &mut self.y, &mut self.z] {
            element.0.zeroize();
        }
    }

    avx512! {
        /// "dbl-2008-hwcd" with all signs turned. In units of 2^52 a square is below 124.5; one that is subtracted
        /// from gets 152 more, twice the square of Z so 304, the square of the sum 608.
        pub(super) fn double(self) -> Completed {
            let Self { x, y, z } = self;
            let xx = x.square_wide();
            let yy = y.square_biased::<4>();
            let zz_twice = z.square_biased::<4>().twice();
            let h = xx.add(yy);
            let g = yy.sub(xx);
            let f = zz_twice.sub(g);
            let e = x.add(y).square_biased::<16>().sub(h);
            Completed { e: e.carry(), f: f.carry(), g: g.carry(), h: h.carry() }
        }
    }
}

impl Cached {
    avx512! {
        /// One point in all lanes, from its limbs.
        pub(super) fn splat(limbs: &[u64; 20]) -> Self {
            let mut coordinates = [Fe::zero(); 4];
            for (element, limbs) in coordinates.iter_mut().zip(limbs.as_chunks().0) {
                *element = Fe::splat(limbs);
            }
            Self(coordinates)
        }
    }

    pub(super) const fn coordinates(&self) -> &[Fe; 4] {
        &self.0
    }
}

impl Extended {
    pub(super) const fn coordinates(&self) -> [Fe; 4] {
        [self.x, self.y, self.z, self.t]
    }

    pub(super) fn wipe(&mut self) {
        for element in [&mut self.x, &mut self.y, &mut self.z, &mut self.t] {
            element.0.zeroize();
        }
    }

    avx512! {
        pub(super) fn identity() -> Self {
            Self { x: Fe::zero(), y: Fe::one(), z: Fe::one(), t: Fe::zero() }
        }
    }

    avx512! {
        pub(super) fn projective(self) -> Projective {
            Projective { x: self.x, y: self.y, z: self.z }
        }
    }

    avx512! {
        pub(super) fn cached(self) -> Cached {
            let Self { x, y, z, t } = self;
            Cached([y.add(x), y.sub(x), z.add(z), t.mul(Fe::splat(&D_TWICE))])
        }
    }

    avx512! {
        /// self + other, and self - other in `lanes`: "add-2008-hwcd-3" with 2·d·T2 and 2·Z2 made before. Two of
        /// the products are subtracted from and get 152·2^52 more.
        pub(super) fn add(self, other: Cached, lanes: Lanes) -> Completed {
            let Self { x, y, z, t } = self;
            let [plus, minus, z_twice, t_2d] = other.0;
            let a = y.sub(x).mul_wide(minus.select(lanes, plus));
            let b = y.add(x).mul_biased::<8>(plus.select(lanes, minus));
            let c = t.mul_wide(t_2d).negate_if(lanes);
            let d = z.mul_biased::<8>(z_twice);
            Completed { e: b.sub(a).carry(), f: d.sub(c).carry(), g: d.add(c).carry(), h: b.add(a).carry() }
        }
    }
}

/// 1·P to 8·P; wiped when dropped.
pub(super) struct Table([Cached; 8]);

impl Drop for Table {
    fn drop(&mut self) {
        for element in self.0.iter_mut().flat_map(|entry| &mut entry.0) {
            element.0.zeroize();
        }
    }
}

impl Table {
    avx512! {
        pub(super) fn new(point: &Extended) -> Self {
            let first = point.cached();
            let mut table = [first; 8];
            let mut multiple = point.projective().double().to_extended();
            table[1] = multiple.cached();
            for entry in &mut table[2..] {
                multiple = multiple.add(first, 0).to_extended();
                *entry = multiple.cached();
            }
            Self(table)
        }
    }

    avx512! {
        /// |digit|·P for digits from 0 to 8 in each lane. Every entry is read whatever the digits are.
        pub(super) fn select(&self, digits: V) -> Cached {
            let mut chosen = Cached([Fe::one(), Fe::one(), Fe::splat(&[2, 0, 0, 0, 0]), Fe::zero()]);
            let mut index = splat(0);
            for entry in &self.0 {
                index = _mm512_add_epi64(index, splat(1));
                let lanes = _mm512_cmpeq_epi64_mask(digits, index);
                for (chosen, coordinate) in chosen.0.iter_mut().zip(&entry.0) {
                    *chosen = chosen.select(lanes, *coordinate);
                }
            }
            chosen
        }
    }
}

avx512! {
    /// digits·P in each lane. The sequence of instructions and addresses is the same for all digits.
    pub(super) fn multiply(point: &Extended, digits: &Digits) -> Projective {
        let table = Table::new(point);
        let (magnitude, negative) = digits.digit(DIGITS - 1);
        let Cached([plus, minus, z_twice, _]) = table.select(magnitude);
        let (plus, minus) = (plus.select(negative, minus), minus.select(negative, plus));
        // Twice all coordinates; T is not needed before a doubling.
        let mut sum = Projective { x: plus.sub(minus), y: plus.add(minus), z: z_twice };
        for index in (0..DIGITS - 1).rev() {
            for _ in 0..3 {
                sum = sum.double().to_projective();
            }
            let (magnitude, negative) = digits.digit(index);
            let entry = table.select(magnitude);
            sum = sum.double().to_extended().add(entry, negative).to_projective();
        }
        sum
    }
}
