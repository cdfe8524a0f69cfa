use proptest::prelude::*;

use super::*;

fn product(mut a: u8, b: u8) -> u8 {
    (0..8).fold(0, |sum, bit| {
        let term = if b >> bit & 1 == 1 { a } else { 0 };
        a = a << 1 ^ if a >> 7 == 1 { 0x1B } else { 0 };
        sum ^ term
    })
}

fn bytes(row: [u128; 2]) -> [u8; ROW_ELEMENTS] {
    [row[0].to_le_bytes(), row[1].to_le_bytes()].concat().try_into().unwrap()
}

/// The evaluations by Horner's rule.
fn horner(points: usize, value: u128) -> [u8; ROW_ELEMENTS] {
    let mut out = [0; ROW_ELEMENTS];
    for (point, out) in (0_u8..).zip(&mut out[..points]) {
        *out = value.to_le_bytes().iter().rev().fold(0, |sum, coefficient| product(sum, point) ^ coefficient);
    }
    out
}

fn added(backend: Backend, factors: &[u128; 2], xs: &[[u128; 2]], acc: &[[u128; 2]]) -> Vec<[u128; 2]> {
    let mut out = acc.to_vec();
    mul_add_rows_on(backend, factors, xs, &mut out);
    out
}

#[test]
fn fips_197_products() {
    // Section 4.2: 57 times 83 is c1, 57 times 13 is fe.
    let block = |byte: u8| u128::from_le_bytes([byte; 16]);
    for backend in Backend::all() {
        let products = added(backend, &[block(0x83), block(0x13)], &[[block(0x57); 2]; 5], &[[0; 2]; 5]);
        assert_eq!(products, [[block(0xC1), block(0xFE)]; 5]);
    }
    assert_eq!(times_x(block(0x57)), block(0xAE));
    assert_eq!(times_x(block(0xAE)), block(0x47));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn evaluations_agree_on_every_backend(
        points in 0..=ROW_ELEMENTS, values in prop::collection::vec(any::<u128>(), 0..40),
    ) {
        for backend in Backend::all() {
            let mut rows = vec![[1; 2]; values.len()];
            evaluate_on(backend, points, &values, &mut rows);
            for (value, row) in values.iter().zip(rows) {
                prop_assert_eq!(bytes(row), horner(points, *value));
            }
        }
    }

    #[test]
    fn products_agree_on_every_backend(
        factors: [u128; 2], pairs in prop::collection::vec(any::<([u128; 2], [u128; 2])>(), 0..40),
    ) {
        let (xs, acc): (Vec<_>, Vec<_>) = pairs.into_iter().unzip();
        for backend in Backend::all() {
            let out = added(backend, &factors, &xs, &acc);
            for ((x, acc), out) in xs.iter().zip(&acc).zip(out) {
                let (x, acc) = (bytes(*x), bytes(*acc));
                let expected: [u8; 32] =
                    std::array::from_fn(|i| product(x[i], bytes(factors)[i]) ^ acc[i]);
                prop_assert_eq!(bytes(out), expected);
            }
        }
    }
}
