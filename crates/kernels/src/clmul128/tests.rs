use proptest::prelude::*;

use super::*;

/// The product by its definition, one coefficient after the other.
fn product(mut a: u128, b: u128) -> u128 {
    (0..128).fold(0, |sum, bit| {
        let term = if b >> bit & 1 == 1 { a } else { 0 };
        a = a << 1 ^ if a >> 127 == 1 { 0x87 } else { 0 };
        sum ^ term
    })
}

/// An element from the notation of GCM, which puts the coefficient of x^0 into the highest bit of the first byte.
fn of_gcm(text: &str) -> u128 {
    u128::from_be_bytes(hex::decode(text).unwrap().try_into().unwrap()).reverse_bits()
}

fn scaled(backend: Backend, factor: u128, xs: &[u128]) -> Vec<u128> {
    let mut out = xs.to_vec();
    mul_by_on(backend, factor, &mut out);
    out
}

fn added(backend: Backend, factor: u128, xs: &[u128], acc: &[u128]) -> Vec<u128> {
    let mut out = acc.to_vec();
    mul_add_on(backend, factor, xs, &mut out);
    out
}

#[test]
fn first_step_of_ghash() {
    // The second test case of McGrew and Viega's specification of GCM: hash key, block, product.
    let key = of_gcm("66e94bd4ef8a2c3b884cfa59ca342b2e");
    let block = of_gcm("0388dace60b6a392f328c2b971b2fe78");
    let expected = of_gcm("5e2ec746917062882c85b0685353deb7");
    for backend in Backend::all() {
        assert_eq!(scaled(backend, key, &[block; 9]), [expected; 9]);
        assert_eq!(added(backend, key, &[block; 9], &[1; 9]), [expected ^ 1; 9]);
        assert_eq!(inner_product_on(backend, &[block; 9], &[key; 9]), expected);
    }
    assert_eq!(mul(key, block), expected);
}

#[test]
fn products_of_powers_of_x() {
    for (i, j) in (0..128).flat_map(|i| (0..128).map(move |j| (i, j))) {
        let expected = product(1 << i, 1 << j);
        for backend in Backend::all() {
            assert_eq!(scaled(backend, 1 << i, &[1 << j]), [expected], "x^{i} times x^{j}");
            assert_eq!(inner_product_on(backend, &[1 << i], &[1 << j]), expected, "x^{i} times x^{j}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn backends_agree(factor: u128, pairs in prop::collection::vec(any::<(u128, u128)>(), 0..70)) {
        let (xs, ys): (Vec<u128>, Vec<u128>) = pairs.into_iter().unzip();
        let by: Vec<u128> = xs.iter().map(|x| product(factor, *x)).collect();
        let sums: Vec<u128> = by.iter().zip(&ys).map(|(product, y)| product ^ y).collect();
        let inner = xs.iter().zip(&ys).fold(0, |sum, (x, y)| sum ^ product(*x, *y));
        for backend in Backend::all() {
            prop_assert_eq!(&scaled(backend, factor, &xs), &by);
            prop_assert_eq!(&added(backend, factor, &xs, &ys), &sums);
            prop_assert_eq!(inner_product_on(backend, &xs, &ys), inner);
        }
    }
}
