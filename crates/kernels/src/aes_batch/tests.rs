use proptest::prelude::*;

use super::*;

fn key(text: &str) -> [u8; KEY_BYTES] {
    hex::decode(text).unwrap().try_into().unwrap()
}

fn block(text: &str) -> u128 {
    u128::from_le_bytes(key(text))
}

fn filled(backend: Backend, key: &[u8; KEY_BYTES], first_block: u128, bytes: usize) -> Vec<u8> {
    let mut out = vec![0xAA; bytes];
    ctr_fill_on(backend, key, first_block, &mut out);
    out
}

fn level(backend: Backend, keys: [[u8; KEY_BYTES]; 2], parents: &[u128]) -> Vec<u128> {
    let mut children = vec![0; 2 * parents.len()];
    ggm_level(&GgmKeys::new_on(backend, keys[0], keys[1]), parents, &mut children);
    children
}

fn folded(backend: Backend, seeds: &[u128], first_block: u128, bytes: usize) -> (Vec<u8>, Vec<u8>) {
    let (mut sum, mut weighted) = (vec![0xAA; bytes], vec![0xAA; bytes]);
    StreamKeys::new_on(backend, seeds).fold(first_block, &mut sum, &mut weighted);
    (sum, weighted)
}

/// The sums by their definition, one byte after the other.
fn folded_slowly(seeds: &[u128], first_block: u128, bytes: usize) -> (Vec<u8>, Vec<u8>) {
    let (mut sum, mut weighted) = (vec![0; bytes], vec![0; bytes]);
    for (number, seed) in (0_u8..=255).zip(seeds) {
        let stream = filled(Backend::Portable, &seed.to_le_bytes(), first_block, bytes);
        for ((sum, weighted), byte) in sum.iter_mut().zip(&mut weighted).zip(stream) {
            *sum ^= byte;
            *weighted ^= product(number, byte);
        }
    }
    (sum, weighted)
}

fn product(mut a: u8, b: u8) -> u8 {
    (0..8).fold(0, |sum, bit| {
        let term = if b >> bit & 1 == 1 { a } else { 0 };
        a = a << 1 ^ if a >> 7 == 1 { 0x1B } else { 0 };
        sum ^ term
    })
}

#[test]
fn fips_197_example() {
    let (key, plain) = (key("000102030405060708090a0b0c0d0e0f"), block("00112233445566778899aabbccddeeff"));
    for backend in Backend::all() {
        assert_eq!(hex::encode(filled(backend, &key, plain, 16)), "69c4e0d86a7b0430d8cdb78070b4c55a");
        let expected = block("69c4e0d86a7b0430d8cdb78070b4c55a") ^ plain;
        let children = level(backend, [key, [0; KEY_BYTES]], &[plain; 19]);
        assert!(children.iter().step_by(2).all(|child| *child == expected));
        let children = level(backend, [[0; KEY_BYTES], key], &[plain; 19]);
        assert!(children.iter().skip(1).step_by(2).all(|child| *child == expected));
    }
}

/// Counters there grow in big-endian order, so each block is asked for by itself.
#[test]
fn sp_800_38a_counter_blocks() {
    let key = key("2b7e151628aed2a6abf7158809cf4f3c");
    let expected = [
        ("f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff", "ec8cdf7398607cb0f2d21675ea9ea1e4"),
        ("f0f1f2f3f4f5f6f7f8f9fafbfcfdff00", "362b7c3c6773516318a077d7fc5073ae"),
        ("f0f1f2f3f4f5f6f7f8f9fafbfcfdff01", "6a2cc3787889374fbeb4c81b17ba6c44"),
        ("f0f1f2f3f4f5f6f7f8f9fafbfcfdff02", "e89c399ff0f198c6d40a31db156cabfe"),
    ];
    for backend in Backend::all() {
        for (counter, stream) in expected {
            assert_eq!(hex::encode(filled(backend, &key, block(counter), 16)), stream);
        }
    }
}

#[test]
fn the_counter_carries_over_64_and_128_bits() {
    for start in [u128::from(u64::MAX), u128::MAX, u128::from(u64::MAX) << 64 | u128::from(u64::MAX - 7)] {
        let key = [7; KEY_BYTES];
        let seeds: Vec<u128> = (0..16).collect();
        for backend in Backend::all() {
            let stream = filled(backend, &key, start.wrapping_sub(20), 16 * 40);
            for (index, block) in stream.chunks(16).enumerate() {
                let counter = start.wrapping_sub(20).wrapping_add(index as u128);
                assert_eq!(block, filled(Backend::Portable, &key, counter, 16));
            }
            let fold = folded(backend, &seeds, start.wrapping_sub(20), 16 * 40);
            assert_eq!(fold, folded_slowly(&seeds, start.wrapping_sub(20), 16 * 40));
        }
    }
}

#[test]
fn stream_zero_has_no_weight() {
    let mut seeds: Vec<u128> = (100..356).collect();
    for backend in Backend::all() {
        seeds[0] = 1;
        let one = folded(backend, &seeds, 0, 100);
        seeds[0] = 2;
        let other = folded(backend, &seeds, 0, 100);
        assert_eq!(one.1, other.1);
        assert_ne!(one.0, other.0);
    }
}

#[test]
fn keys_print_nothing() {
    let keys = GgmKeys::new([0x5A; 16], [0x5A; 16]);
    assert_eq!(format!("{keys:?} {:?}", StreamKeys::new(&[0x5A; 4])), "GgmKeys(..) StreamKeys(..)");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn levels_agree_on_every_backend(keys: [[u8; 16]; 2], parents in prop::collection::vec(any::<u128>(), 0..150)) {
        let expected = level(Backend::Portable, keys, &parents);
        for (parent, pair) in parents.iter().zip(expected.chunks(2)) {
            for (key, child) in keys.iter().zip(pair) {
                let image = u128::from_le_bytes(filled(Backend::Portable, key, *parent, 16).try_into().unwrap());
                prop_assert_eq!(*child, image ^ parent);
            }
        }
        for backend in Backend::all() {
            prop_assert_eq!(&level(backend, keys, &parents), &expected);
        }
    }

    #[test]
    fn streams_agree_on_every_backend(key: [u8; 16], first_block: u128, bytes in 0_usize..3000) {
        let expected = filled(Backend::Portable, &key, first_block, bytes);
        for backend in Backend::all() {
            prop_assert_eq!(&filled(backend, &key, first_block, bytes), &expected);
        }
    }

    #[test]
    fn folds_agree_on_every_backend(
        log2 in 2_u32..=8, first_seed: u128, first_block: u128, bytes in 0_usize..1500,
    ) {
        let seeds: Vec<u128> = (0..1_u128 << log2).map(|number| first_seed.wrapping_add(number * number)).collect();
        let expected = folded_slowly(&seeds, first_block, bytes);
        for backend in Backend::all() {
            prop_assert_eq!(&folded(backend, &seeds, first_block, bytes), &expected);
        }
    }
}
