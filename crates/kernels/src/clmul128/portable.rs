//! The definition of all results.

/// Bits of a `u64` whose positions are `class` modulo 5.
const fn every_fifth(class: u32) -> u64 {
    let (mut mask, mut position) = (0, class);
    while position < 64 {
        mask |= 1 << position;
        position += 5;
    }
    mask
}

/// Bits of a `u128` whose positions are `class` modulo 5.
const fn every_fifth_wide(class: u32) -> u128 {
    let (mut mask, mut position) = (0, class);
    while position < 128 {
        mask |= 1 << position;
        position += 5;
    }
    mask
}

const CLASSES: [u64; 5] = [every_fifth(0), every_fifth(1), every_fifth(2), every_fifth(3), every_fifth(4)];

const WIDE_CLASSES: [u128; 5] =
    [every_fifth_wide(0), every_fifth_wide(1), every_fifth_wide(2), every_fifth_wide(3), every_fifth_wide(4)];

/// The product of two polynomials of 64 coefficients. With bits five apart at most 13 products meet in one position,
/// whose count needs four bits: the lowest is the coefficient, and the next position of the class is out of reach.
const fn clmul64(a: u64, b: u64) -> u128 {
    let mut product = 0;
    let mut class = 0;
    while class < 5 {
        let mut sum = 0;
        let mut left = 0;
        while left < 5 {
            let (a, b) = (a & CLASSES[left], b & CLASSES[(class + 5 - left) % 5]);
            sum ^= a as u128 * b as u128;
            left += 1;
        }
        product |= sum & WIDE_CLASSES[class];
        class += 1;
    }
    product
}

/// A product before reduction, as its lower and upper 128 coefficients.
#[expect(clippy::cast_possible_truncation, reason = "halves of an element")]
const fn product(a: u128, b: u128) -> (u128, u128) {
    let (a0, a1, b0, b1) = (a as u64, (a >> 64) as u64, b as u64, (b >> 64) as u64);
    let (low, high) = (clmul64(a0, b0), clmul64(a1, b1));
    let middle = clmul64(a0 ^ a1, b0 ^ b1) ^ low ^ high;
    (low ^ middle << 64, high ^ middle >> 64)
}

/// Replaces x^128 by x^7 + x^2 + x + 1, twice.
pub(super) const fn reduce((low, high): (u128, u128)) -> u128 {
    let over = high >> 127 ^ high >> 126 ^ high >> 121;
    let high = high ^ over;
    low ^ high ^ high << 1 ^ high << 2 ^ high << 7
}

pub(super) fn mul_by(factor: u128, xs: &mut [u128]) {
    for x in xs {
        *x = reduce(product(factor, *x));
    }
}

pub(super) fn mul_add(factor: u128, xs: &[u128], acc: &mut [u128]) {
    for (x, acc) in xs.iter().zip(acc) {
        *acc ^= reduce(product(factor, *x));
    }
}

pub(super) fn inner_product(a: &[u128], b: &[u128]) -> u128 {
    let mut sum = (0, 0);
    for (a, b) in a.iter().zip(b) {
        let term = product(*a, *b);
        sum = (sum.0 ^ term.0, sum.1 ^ term.1);
    }
    reduce(sum)
}
