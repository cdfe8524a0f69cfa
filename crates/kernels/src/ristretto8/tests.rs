use proptest::prelude::*;
use serde::Deserialize;

use super::*;

#[derive(Deserialize)]
struct File {
    multiples_of_generator_from_one: Vec<String>,
    bad_encodings: Vec<Bad>,
    one_way_map: Vec<Mapped>,
}

#[derive(Deserialize)]
struct Bad {
    why: String,
    encoding: String,
}

#[derive(Deserialize)]
struct Mapped {
    input: String,
    encoding: String,
}

type Encoding = [u8; ELEMENT_BYTES];

/// The vectors of RFC 9496, appendix A.
fn vectors() -> File {
    serde_json::from_str(include_str!("../../../primitives/tests/vectors/ristretto255.json")).unwrap()
}

fn bytes<const N: usize>(text: &str) -> [u8; N] {
    hex::decode(text).unwrap().try_into().unwrap()
}

fn multiples() -> Vec<Encoding> {
    vectors().multiples_of_generator_from_one.iter().map(|text| bytes(text)).collect()
}

/// Every backend that this machine can run.
fn backends() -> Vec<Backend> {
    let mut backends = vec![Backend::Portable];
    #[cfg(target_arch = "x86_64")]
    backends.extend(x86_64::Avx512::detect().map(Backend::Avx512));
    backends
}

/// Some bytes that depend on `seed` only.
fn noise<const N: usize>(seed: u64, count: usize) -> Vec<[u8; N]> {
    let mut state = seed.wrapping_mul(2).wrapping_add(1);
    let mut next = || {
        state = state.wrapping_mul(0x5851_F42D_4C95_7F2D).wrapping_add(0x1405_7B7E_F767_814F);
        state.to_be_bytes()[0]
    };
    (0..count).map(|_| std::array::from_fn(|_| next())).collect()
}

fn scalars(seed: u64, count: usize) -> Vec<Scalar> {
    noise::<64>(seed, count).iter().map(Scalar::from_bytes_mod_order_wide).collect()
}

fn encoded(points: &Points) -> Vec<Encoding> {
    let mut out = vec![[0xAA; ELEMENT_BYTES]; points.len()];
    points.encode(&mut out);
    out
}

fn multiplied(points: &Points, scalar: &Scalar) -> Vec<Encoding> {
    let mut out = vec![[0xAA; ELEMENT_BYTES]; points.len()];
    points.multiply(scalar, &mut out);
    out
}

fn multiplied_each(points: &Points, scalars: &[Scalar]) -> Vec<Encoding> {
    let mut out = vec![[0xAA; ELEMENT_BYTES]; points.len()];
    points.multiply_each(scalars, &mut out);
    out
}

/// Scalars where carries, signs and the identity show, and the numbers next to them.
fn edge_scalars() -> Vec<Scalar> {
    let mut edges: Vec<Scalar> = (0_u64..20).flat_map(|small| [Scalar::from(small), -Scalar::from(small)]).collect();
    for shift in 0..32 {
        for byte in [0x08, 0x07, 0x80, 0x88, 0x77, 0xFF, 0x0F] {
            let mut bytes = [0; 32];
            bytes[shift] = byte;
            edges.push(Scalar::from_bytes_mod_order(bytes));
            edges.push(Scalar::from_bytes_mod_order([byte; 32]));
        }
    }
    edges
}

#[test]
fn rfc_9496_multiples_of_the_generator() {
    let multiples = multiples();
    assert_eq!(multiples.len(), 15);
    for backend in backends() {
        let (points, verdicts) = Points::decode_on(backend, &multiples);
        assert!(verdicts.iter().all(|verdict| *verdict == Verdict::Element));
        assert_eq!(encoded(&points), multiples);
        let (generators, _) = Points::decode_on(backend, &[multiples[0]; 15]);
        let factors: Vec<Scalar> = (1_u64..=15).map(Scalar::from).collect();
        assert_eq!(multiplied_each(&generators, &factors), multiples);
        for (factor, expected) in factors.iter().zip(&multiples) {
            assert_eq!(multiplied(&generators, factor), [*expected; 15]);
        }
    }
}

#[test]
fn rfc_9496_bad_encodings_are_found_in_every_lane() {
    let (file, good) = (vectors(), multiples()[2]);
    assert_eq!(file.bad_encodings.len(), 29);
    for backend in backends() {
        for bad in &file.bad_encodings {
            for place in 0..19 {
                let mut encodings = vec![good; 19];
                encodings[place] = bytes(&bad.encoding);
                let (points, verdicts) = Points::decode_on(backend, &encodings);
                for (index, verdict) in verdicts.iter().enumerate() {
                    assert_eq!(*verdict == Verdict::Malformed, index == place, "{}", bad.why);
                }
                let mut expected = vec![good; 19];
                expected[place] = [0; ELEMENT_BYTES];
                assert_eq!(multiplied(&points, &Scalar::ONE), expected);
            }
        }
    }
}

#[test]
fn numbers_around_the_modulus_are_told_apart() {
    let mut edges: Vec<Encoding> = Vec::new();
    for low in 0..=255 {
        for top in [0x7F, 0xFF, 0x7E] {
            let mut edge = [0xFF; ELEMENT_BYTES];
            (edge[0], edge[31]) = (low, top);
            edges.push(edge);
            edge[17] = 0xFE;
            edges.push(edge);
        }
        let mut small = [0; ELEMENT_BYTES];
        small[0] = low;
        edges.push(small);
        small[31] = 0x80;
        edges.push(small);
    }
    agree_on_decoding(&edges);
}

/// Compares all backends with the portable one on `encodings`.
fn agree_on_decoding(encodings: &[Encoding]) {
    let (points, verdicts) = Points::decode_on(Backend::Portable, encodings);
    for backend in backends() {
        let (other, other_verdicts) = Points::decode_on(backend, encodings);
        assert_eq!(other_verdicts, verdicts);
        assert_eq!(other.len(), encodings.len());
        assert_eq!(encoded(&other), encoded(&points));
    }
}

#[test]
fn the_identity_is_reported_and_stays_the_identity() {
    let zero = [0; ELEMENT_BYTES];
    for backend in backends() {
        let (points, verdicts) = Points::decode_on(backend, &[zero, multiples()[0], zero]);
        assert_eq!(verdicts, [Verdict::Identity, Verdict::Element, Verdict::Identity]);
        for scalar in edge_scalars() {
            let products = multiplied(&points, &scalar);
            assert_eq!((products[0], products[2]), (zero, zero));
        }
        assert_eq!(multiplied(&points, &Scalar::ZERO), [zero; 3]);
        assert_eq!(multiplied_each(&points, &[Scalar::ZERO; 3]), [zero; 3]);
    }
}

#[test]
fn rfc_9496_one_way_map() {
    let file = vectors();
    assert_eq!(file.one_way_map.len(), 11);
    let inputs: Vec<_> = file.one_way_map.iter().map(|case| bytes(&case.input)).collect();
    let expected: Vec<Encoding> = file.one_way_map.iter().map(|case| bytes(&case.encoding)).collect();
    for backend in backends() {
        assert_eq!(encoded(&Points::map_on(backend, &inputs)), expected);
        assert_eq!(multiplied(&Points::map_on(backend, &inputs), &Scalar::ONE), expected);
    }
}

#[test]
fn the_map_agrees_at_the_edges_of_the_field() {
    let mut halves: Vec<Encoding> = vec![[0; 32], [0xFF; 32]];
    for low in 0..=255_u8 {
        let mut edge = [0xFF; 32];
        (edge[0], edge[31]) = (low, 0x7F);
        halves.push(edge);
        let mut small = [0; 32];
        small[0] = low;
        halves.push(small);
    }
    let inputs: Vec<[u8; UNIFORM_BYTES]> = (0..halves.len())
        .map(|index| [halves[index], halves[index * 7 % halves.len()]].concat().try_into().unwrap())
        .collect();
    let expected = encoded(&Points::map_on(Backend::Portable, &inputs));
    for backend in backends() {
        assert_eq!(encoded(&Points::map_on(backend, &inputs)), expected);
    }
}

#[test]
fn edge_scalars_agree() {
    let edges = edge_scalars();
    let uniform = noise(1, edges.len());
    let portable = Points::map_on(Backend::Portable, &uniform);
    let expected = multiplied_each(&portable, &edges);
    for backend in backends() {
        let points = Points::map_on(backend, &uniform);
        assert_eq!(multiplied_each(&points, &edges), expected);
    }
    let few = Points::map_on(Backend::Portable, &uniform[..3]);
    for backend in backends() {
        let points = Points::map_on(backend, &uniform[..3]);
        for scalar in &edges {
            assert_eq!(multiplied(&points, scalar), multiplied(&few, scalar));
        }
    }
}

/// Everything on `count` elements, some of them malformed or the identity.
fn agree_on_all(count: usize, seed: u64) {
    let uniform = noise(seed, count);
    let (shared, each) = (scalars(seed, 1)[0], scalars(seed + 1, count));
    let portable = Points::map_on(Backend::Portable, &uniform);
    let mut encodings = encoded(&portable);
    for (index, encoding) in encodings.iter_mut().enumerate() {
        match (index as u64 + seed) % 11 {
            3 => encoding[7] ^= 1,
            5 => *encoding = [0; 32],
            _ => {}
        }
    }
    let (decoded, _) = Points::decode_on(Backend::Portable, &encodings);
    agree_on_decoding(&encodings);
    for backend in backends() {
        let mapped = Points::map_on(backend, &uniform);
        assert_eq!(mapped.len(), count);
        assert_eq!(mapped.is_empty(), count == 0);
        assert_eq!(encoded(&mapped), encoded(&portable));
        assert_eq!(multiplied(&mapped, &shared), multiplied(&portable, &shared));
        assert_eq!(multiplied_each(&mapped, &each), multiplied_each(&portable, &each));
        let (other, _) = Points::decode_on(backend, &encodings);
        assert_eq!(multiplied(&other, &shared), multiplied(&decoded, &shared));
        assert_eq!(multiplied_each(&other, &each), multiplied_each(&decoded, &each));
    }
}

#[test]
fn backends_agree_at_every_length_around_a_vector_and_a_block() {
    for count in (0..=33).chain([255, 256, 257, 263, 264, 265, 511, 512, 513]) {
        agree_on_all(count, count as u64);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn backends_agree_on_random_elements(count in 0_usize..80, seed in any::<u32>()) {
        agree_on_all(count, u64::from(seed));
    }

    #[test]
    fn backends_agree_on_random_bytes(encodings in proptest::collection::vec(any::<Encoding>(), 0..40)) {
        agree_on_decoding(&encodings);
    }
}

#[test]
fn a_product_undone_is_the_element() {
    let uniform = noise(9, 100);
    let points = Points::map(&uniform);
    let blinds = scalars(10, 100);
    let (blinded, verdicts) = Points::decode(&multiplied_each(&points, &blinds));
    assert!(verdicts.iter().all(|verdict| *verdict == Verdict::Element));
    let inverses: Vec<Scalar> = blinds.iter().map(Scalar::invert).collect();
    assert_eq!(multiplied_each(&blinded, &inverses), encoded(&points));
}

/// Compares sums from `first` on with the portable one.
fn agree_on_sum(backend: Backend, uniform: &[[u8; UNIFORM_BYTES]], first: usize, coefficients: &[Scalar]) {
    let expected = Points::map_on(Backend::Portable, uniform).vartime_sum(first, coefficients);
    assert_eq!(Points::map_on(backend, uniform).vartime_sum(first, coefficients), expected, "{}", uniform.len());
}

#[test]
fn sums_agree_at_every_length_and_offset() {
    let uniform = noise(20, 700);
    let coefficients = scalars(21, 700);
    for backend in backends() {
        for count in (0..20).chain([38, 39, 40, 41, 47, 48, 49, 128, 255, 256, 257, 690]) {
            for first in [0, 1, 7, 8, 10] {
                agree_on_sum(backend, &uniform[..first + count], first, &coefficients[..count]);
                agree_on_sum(backend, &uniform, first, &coefficients[..count]);
            }
        }
    }
}

#[test]
fn sums_with_edge_scalars_and_repeated_points_agree() {
    let edges = edge_scalars();
    let uniform = vec![noise(22, 1)[0]; edges.len()];
    for backend in backends() {
        agree_on_sum(backend, &uniform, 0, &edges);
        agree_on_sum(backend, &uniform[..30], 0, &edges[..30]);
        for edge in &edges {
            agree_on_sum(backend, &uniform[..1], 0, &[*edge]);
        }
        for scalar in [Scalar::ZERO, Scalar::ONE, -Scalar::ONE, Scalar::from(128_u64)] {
            agree_on_sum(backend, &uniform, 0, &vec![scalar; edges.len()]);
        }
        let (identities, _) = Points::decode_on(backend, &[[0; ELEMENT_BYTES]; 100]);
        assert_eq!(identities.vartime_sum(0, &scalars(23, 100)), [0; ELEMENT_BYTES]);
    }
}

#[test]
fn sums_and_differences_agree_and_undo_each_other() {
    for count in [0, 1, 7, 8, 9, 300] {
        let (left, right) = (noise::<64>(31, count), noise::<64>(32, count));
        let expected = |minus| {
            encoded(
                &Points::map_on(Backend::Portable, &left).combine(&Points::map_on(Backend::Portable, &right), minus),
            )
        };
        for backend in backends() {
            let (left, right) = (Points::map_on(backend, &left), Points::map_on(backend, &right));
            let sum = left.combine(&right, false);
            assert_eq!(encoded(&sum), expected(false));
            assert_eq!(encoded(&left.combine(&right, true)), expected(true));
            assert_eq!(encoded(&sum.combine(&right, true)), encoded(&left));
            assert_eq!(encoded(&left.combine(&left, true)), vec![[0; ELEMENT_BYTES]; count]);
            assert_eq!(multiplied(&sum, &Scalar::ONE), encoded(&sum));
        }
    }
}

#[test]
fn joined_and_gathered_points_are_those_of_the_parts() {
    let uniform = noise(24, 83);
    for backend in backends() {
        let whole = encoded(&Points::map_on(backend, &uniform));
        let parts = [0..16, 16..16, 16..24, 24..80, 80..83];
        let joined = Points::join(&parts.map(|range| Points::map_on(backend, &uniform[range])));
        assert_eq!(encoded(&joined), whole);
        for positions in [vec![], vec![82], vec![5, 5, 0, 82, 81, 7, 8], (0..83).rev().collect(), (3..60).collect()] {
            let expected: Vec<_> = positions.iter().map(|position: &usize| whole[*position]).collect();
            let gathered = joined.gather(&positions);
            assert_eq!(encoded(&gathered), expected);
            assert_eq!(multiplied(&gathered, &Scalar::ONE), expected);
        }
    }
    assert!(Points::join(&[]).is_empty());
}

#[test]
#[should_panic(expected = "a part but the last divides by 8")]
fn a_part_that_ends_within_a_vector_is_not_joined() {
    drop(Points::join(&[Points::map(&noise(1, 3)), Points::map(&noise(1, 3))]));
}

#[test]
#[should_panic(expected = "positions lie in the batch")]
fn a_position_behind_the_last_is_refused() {
    drop(Points::map(&noise(1, 3)).gather(&[3]));
}

#[test]
#[should_panic(expected = "one element for each coefficient")]
fn a_sum_beyond_the_last_element_is_refused() {
    let _ = Points::map(&noise(1, 3)).vartime_sum(2, &scalars(1, 2));
}

#[test]
fn debug_shows_the_number_only() {
    let text = format!("{:?}", Points::map(&noise(1, 3)));
    assert_eq!(text, "Points { len: 3, .. }");
}

#[test]
fn the_backend_can_be_forced() {
    if cfg!(kernels_force = "portable") || backends().len() == 1 {
        assert_eq!(backend(), "portable");
    } else {
        assert_eq!(backend(), "avx512");
    }
}

#[test]
#[should_panic(expected = "one scalar for each element")]
fn too_few_scalars_are_refused() {
    Points::map(&noise(1, 3)).multiply_each(&scalars(1, 2), &mut [[0; 32]; 3]);
}

#[test]
#[should_panic(expected = "one encoding for each element")]
fn room_for_another_number_is_refused() {
    Points::map(&noise(1, 3)).multiply(&Scalar::ONE, &mut [[0; 32]; 4]);
}
