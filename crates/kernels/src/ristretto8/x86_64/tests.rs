use curve25519_dalek::Scalar;
use proptest::prelude::*;

use super::bytes::{load, store};
use super::field::{Fe, Wide, avx512, splat};
use super::scalar::{DIGITS, Digits};
use super::{Avx512, constants};

type Limbs = [u64; 5];

/// The largest tight limb.
const TIGHT_MAX: u64 = (1 << 51) + (1 << 18) - 1;

/// The least non-negative representative of limbs of any size: the reference, in 128-bit numbers.
fn canonical(mut limbs: [u128; 5]) -> Limbs {
    for _ in 0..4 {
        for index in 0..5 {
            let carry = limbs[index] >> 51;
            limbs[index] &= (1 << 51) - 1;
            if index == 4 {
                limbs[0] += 19 * carry;
            } else {
                limbs[index + 1] += carry;
            }
        }
    }
    let full = limbs[1..].iter().all(|limb| *limb == (1 << 51) - 1);
    if full && limbs[0] >= (1 << 51) - 19 {
        limbs = [limbs[0] - ((1 << 51) - 19), 0, 0, 0, 0];
    }
    limbs.map(|limb| u64::try_from(limb).unwrap())
}

fn wide(limbs: &Limbs) -> [u128; 5] {
    limbs.map(u128::from)
}

fn product(x: &Limbs, y: &Limbs) -> Limbs {
    let mut sums = [0_u128; 5];
    for (i, x) in x.iter().enumerate() {
        for (j, y) in y.iter().enumerate() {
            // Carried after each term, so nothing overflows.
            let mut term = [0_u128; 5];
            term[(i + j) % 5] = u128::from(*x) * u128::from(*y);
            let term = canonical(term);
            let fold = if i + j >= 5 { 19 } else { 1 };
            for (sum, limb) in sums.iter_mut().zip(term) {
                *sum += fold * u128::from(limb);
            }
        }
    }
    canonical(sums)
}

fn sum(x: &Limbs, y: &Limbs) -> Limbs {
    canonical(std::array::from_fn(|index| u128::from(x[index]) + u128::from(y[index])))
}

/// x - y + 4·p.
fn difference(x: &Limbs, y: &Limbs) -> Limbs {
    let multiple = [(1 << 53) - 76, (1 << 53) - 4, (1 << 53) - 4, (1 << 53) - 4, (1 << 53) - 4];
    canonical(std::array::from_fn(|index| u128::from(x[index]) + multiple[index] - u128::from(y[index])))
}

/// A vector of one element a lane.
#[derive(Clone, Copy, Debug)]
struct Lanes8([Limbs; 8]);

avx512! {
    fn pack(lanes: &Lanes8) -> Fe {
        let row = |limb: usize| load(&std::array::from_fn(|lane| lanes.0[lane][limb]));
        Fe([row(0), row(1), row(2), row(3), row(4)])
    }
}

avx512! {
    fn unpack(element: Fe) -> Lanes8 {
        let mut lanes = Lanes8([[0; 5]; 8]);
        for limb in 0..5 {
            for (lane, value) in store(element.0[limb]).into_iter().enumerate() {
                lanes.0[lane][limb] = value;
            }
        }
        lanes
    }
}

/// Checks that `element` is tight and has the values `expected` gives for each lane.
#[track_caller]
fn check(element: Lanes8, expected: impl Fn(usize) -> Limbs) {
    for (lane, limbs) in element.0.iter().enumerate() {
        assert!(limbs.iter().all(|limb| *limb <= TIGHT_MAX), "{limbs:x?}");
        assert_eq!(canonical(wide(limbs)), expected(lane), "lane {lane}");
    }
}

avx512! {
    fn every_function_agrees(x: &Lanes8, y: &Lanes8) {
        let (a, b) = (pack(x), pack(y));
        let at = |lane: usize| (&x.0[lane], &y.0[lane]);
        check(unpack(a.mul(b)), |lane| product(at(lane).0, at(lane).1));
        check(unpack(a.square()), |lane| product(at(lane).0, at(lane).0));
        check(unpack(a.add(b)), |lane| sum(at(lane).0, at(lane).1));
        check(unpack(a.sub(b)), |lane| difference(at(lane).0, at(lane).1));
        check(unpack(a.negate()), |lane| difference(&[0; 5], at(lane).0));
        // Differences of products, as the point formulas take them.
        let xy = a.mul_biased::<8>(b);
        check(unpack(xy.sub(b.square_wide()).carry()), |lane| {
            difference(&product(at(lane).0, at(lane).1), &product(at(lane).1, at(lane).1))
        });
        let squares = a.square_biased::<4>();
        let both = squares.add(b.mul_wide(b));
        let inner = a.square_biased::<16>().sub(both);
        check(unpack(inner.carry()), |lane| difference(&[0; 5], &product(at(lane).1, at(lane).1)));
        check(unpack(squares.twice().sub(squares.sub(a.mul_wide(b))).carry()), |lane| {
            sum(&product(at(lane).0, at(lane).0), &product(at(lane).0, at(lane).1))
        });
        check(unpack(xy.sub(a.mul_wide(b).negate_if(0b1010_0110)).carry()), |lane| {
            let xy = product(at(lane).0, at(lane).1);
            if 0b1010_0110 >> lane & 1 == 1 { sum(&xy, &xy) } else { [0; 5] }
        });
        let again = Fe::from_words(a.to_words());
        check(unpack(again), |lane| canonical(wide(at(lane).0)));
        check(unpack(a.select(0b0101_1001, b)), |lane| {
            canonical(wide(if 0b0101_1001 >> lane & 1 == 1 { at(lane).1 } else { at(lane).0 }))
        });
        for lane in 0..8 {
            let (x, y) = (canonical(wide(at(lane).0)), canonical(wide(at(lane).1)));
            assert_eq!(a.is_negative() >> lane & 1 == 1, x[0] % 2 == 1);
            assert_eq!(a.is_zero() >> lane & 1 == 1, x == [0; 5]);
            assert_eq!(a.equals(b) >> lane & 1 == 1, x == y);
        }
    }
}

fn with_avx512(work: impl FnOnce(Avx512)) {
    match Avx512::detect() {
        Some(cpu) => work(cpu),
        None => eprintln!("this CPU has no AVX-512 IFMA: nothing to compare"),
    }
}

fn compare(x: &Lanes8, y: &Lanes8) {
    // SAFETY: the CPU was asked.
    with_avx512(|_| unsafe { every_function_agrees(x, y) });
}

/// Limbs that are small, full, at p or at the largest tight value, and others.
fn limb() -> impl Strategy<Value = u64> {
    prop_oneof![0..=40_u64, (1_u64 << 51) - 40..=1 << 51, TIGHT_MAX - 2..=TIGHT_MAX, 0..=TIGHT_MAX]
}

fn lanes() -> impl Strategy<Value = Lanes8> {
    proptest::array::uniform8(proptest::array::uniform5(limb())).prop_map(Lanes8)
}

proptest! {
    #[test]
    fn field_functions_agree_with_big_numbers(x in lanes(), y in lanes()) {
        compare(&x, &y);
        compare(&x, &x);
    }
}

#[test]
fn the_largest_operands_keep_the_bounds() {
    let full = Lanes8([[TIGHT_MAX; 5]; 8]);
    compare(&full, &full);
    compare(&full, &Lanes8([[0; 5]; 8]));
    compare(&Lanes8([[0; 5]; 8]), &full);
    let p = [(1 << 51) - 19, (1 << 51) - 1, (1 << 51) - 1, (1 << 51) - 1, (1 << 51) - 1];
    compare(&Lanes8([p; 8]), &full);
    compare(&Lanes8([p; 8]), &Lanes8([[0; 5]; 8]));
}

avx512! {
    fn carried(limbs: [u64; 5]) -> Lanes8 {
        let [z0, z1, z2, z3, z4] = limbs;
        unpack(Wide([splat(z0), splat(z1), splat(z2), splat(z3), splat(z4)]).carry())
    }
}

#[test]
fn one_carry_makes_any_limbs_tight() {
    for limbs in [[u64::MAX; 5], [0, 0, 0, 0, u64::MAX], [u64::MAX, 0, u64::MAX, 0, u64::MAX]] {
        // SAFETY: the CPU was asked.
        with_avx512(|_| check(unsafe { carried(limbs) }, |_| canonical(wide(&limbs))));
    }
}

#[test]
fn constants_are_what_they_are_called() {
    let one = constants::ONE;
    let minus_one = difference(&[0; 5], &one);
    assert_eq!(canonical(wide(&constants::P_TWICE)), [0; 5]);
    assert_eq!(constants::MINUS_ONE, minus_one);
    let d = constants::D;
    assert_eq!(product(&d, &[121_666, 0, 0, 0, 0]), difference(&[0; 5], &[121_665, 0, 0, 0, 0]));
    assert_eq!(constants::D_TWICE, sum(&d, &d));
    assert_eq!(product(&constants::SQRT_M1, &constants::SQRT_M1), minus_one);
    assert_eq!(constants::SQRT_M1[0] % 2, 0);
    let minus_d_minus_one = difference(&minus_one, &d);
    assert_eq!(product(&constants::SQRT_AD_MINUS_ONE, &constants::SQRT_AD_MINUS_ONE), minus_d_minus_one);
    let inverse = product(&constants::INVSQRT_A_MINUS_D, &constants::INVSQRT_A_MINUS_D);
    assert_eq!(product(&inverse, &minus_d_minus_one), one);
    assert_eq!(constants::ONE_MINUS_D_SQ, difference(&one, &product(&d, &d)));
    let d_minus_one = difference(&d, &one);
    assert_eq!(constants::D_MINUS_ONE_SQ, product(&d_minus_one, &d_minus_one));
}

avx512! {
    /// The digits of half of each scalar, summed up again.
    fn recombined(scalars: &[Scalar]) -> [Scalar; 8] {
        let (each, shared) = (Digits::halves_of(scalars), Digits::half_of(&scalars[0]));
        let mut sums = [Scalar::ZERO; 8];
        for index in (0..DIGITS).rev() {
            let (magnitude, negative) = each.digit(index);
            for (lane, magnitude) in store(magnitude).into_iter().enumerate() {
                assert!(magnitude <= 8);
                let digit = Scalar::from(magnitude);
                sums[lane] *= Scalar::from(16_u64);
                sums[lane] += if negative >> lane & 1 == 1 { -digit } else { digit };
            }
            let (first, negative_first) = shared.digit(index);
            assert_eq!(store(first), [store(magnitude)[0]; 8]);
            assert_eq!(negative_first, if negative & 1 == 1 { 0xFF } else { 0 });
        }
        sums
    }
}

proptest! {
    #[test]
    fn digits_make_up_half_the_scalar(bytes in proptest::array::uniform8(any::<[u8; 32]>())) {
        let scalars = bytes.map(Scalar::from_bytes_mod_order);
        // SAFETY: the CPU was asked.
        with_avx512(|_| unsafe {
            assert_eq!(recombined(&scalars).map(|half| half + half), scalars);
        });
    }
}

#[test]
fn digits_of_the_extreme_scalars() {
    let mut scalars = [Scalar::ZERO, Scalar::ONE, -Scalar::ONE, -Scalar::from(2_u64), Scalar::from(2_u64)].to_vec();
    scalars.extend([Scalar::from(15_u64), Scalar::from(16_u64), Scalar::from(17_u64)]);
    // SAFETY: the CPU was asked.
    with_avx512(|_| unsafe {
        assert_eq!(recombined(&scalars).map(|half| half + half)[..], scalars[..]);
    });
}
