use proptest::prelude::*;
use serde::Deserialize;

use super::*;
use crate::prg::Prg;

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

fn vectors() -> File {
    serde_json::from_str(include_str!("../../tests/vectors/ristretto255.json")).unwrap()
}

fn bytes<const N: usize>(text: &str) -> [u8; N] {
    hex::decode(text).unwrap().try_into().unwrap()
}

fn prg(seed: u8) -> Prg {
    Prg::new(Secret::new([seed; 32]))
}

fn small(value: u8) -> SecretScalar {
    let mut encoding = [0_u8; 32];
    encoding[0] = value;
    SecretScalar::decode(&encoding).unwrap()
}

#[test]
fn rfc_9496_multiples_of_the_generator() {
    let file = vectors();
    assert_eq!(file.multiples_of_generator_from_one.len(), 15);
    let generator = Element::mul_base(&small(1));
    for (text, factor) in file.multiples_of_generator_from_one.iter().zip(1_u8..) {
        let expected = bytes(text);
        assert_eq!(Element::mul_base(&small(factor)).encode(), expected);
        assert_eq!(generator.mul(&small(factor)).encode(), expected);
        assert_eq!(Element::decode(&expected).unwrap().encode(), expected);
    }
}

#[test]
fn rfc_9496_bad_encodings_are_refused() {
    let file = vectors();
    assert_eq!(file.bad_encodings.len(), 29);
    let good = bytes(&file.multiples_of_generator_from_one[0]);
    for bad in file.bad_encodings {
        let encoding = bytes(&bad.encoding);
        assert!(matches!(Element::decode(&encoding), Err(Error::Encoding { .. })), "{}", bad.why);
        assert!(decode_batch(&[good, encoding]).is_err(), "{}", bad.why);
    }
}

#[test]
fn the_identity_is_refused_and_never_made() {
    assert!(matches!(Element::decode(&[0; 32]), Err(Error::Encoding { .. })));
    assert!(decode_batch(&[[0; 32]]).is_err());
    assert!(decode_points(&[[0; 32]]).is_err());
    assert!(Element::from_point(RistrettoPoint::identity()).is_err());
    assert!(decode_batch(&[]).unwrap().is_empty());
}

#[test]
fn rfc_9496_one_way_map() {
    let file = vectors();
    assert_eq!(file.one_way_map.len(), 11);
    for case in file.one_way_map {
        let point = RistrettoPoint::from_uniform_bytes(&bytes(&case.input));
        assert_eq!(Element::from_point(point).unwrap().encode(), bytes(&case.encoding));
    }
}

#[test]
fn scalars_decode_strictly() {
    // The group order, little-endian (RFC 9496, section 4).
    let order = bytes("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010");
    let mut below = order;
    below[0] -= 1;
    let mut above = order;
    above[0] += 1;
    assert_eq!(*SecretScalar::decode(&below).unwrap().encode().expose(), below);
    for bad in [[0; 32], order, above, [0xFF; 32]] {
        assert!(matches!(SecretScalar::decode(&bad), Err(Error::Encoding { .. })));
    }
}

#[test]
fn random_values_are_distinct_and_repeatable() {
    let mut rng = prg(1);
    assert_ne!(Element::random(&mut rng), Element::random(&mut rng));
    let scalars = SecretScalar::random_batch(2, &mut rng);
    assert_ne!(scalars[0].encode().expose(), scalars[1].encode().expose());
    let encodings = random_encoded_batch(600, &mut prg(2));
    assert_eq!(encodings, random_encoded_batch(600, &mut prg(2)));
    let elements = decode_batch(&encodings).unwrap();
    assert_eq!(encode_batch(&elements), encodings);
    let distinct: std::collections::HashSet<_> = encodings.iter().collect();
    assert_eq!(distinct.len(), 600);
}

#[test]
fn batch_inversion_agrees_with_single_inversion() {
    for count in [0, 1, 2, 255, 256, 257, 600] {
        let scalars = SecretScalar::random_batch(count, &mut prg(3));
        let inverses = SecretScalar::invert_batch(&scalars);
        assert_eq!(inverses.len(), count);
        for (scalar, inverse) in scalars.iter().zip(&inverses) {
            assert_eq!(scalar.invert().scalar(), inverse.scalar());
            assert_eq!(scalar.scalar() * inverse.scalar(), Scalar::ONE);
        }
    }
}

#[test]
fn debug_shows_nothing() {
    let scalar = SecretScalar::random_nonzero(&mut prg(4));
    let element = Element::mul_base(&scalar);
    assert_eq!(format!("{scalar:?} {element:?}"), "SecretScalar(..) Element(..)");
    assert_eq!(format!("{scalar:#?} {element:#?}"), "SecretScalar(..) Element(..)");
}

proptest! {
    #[test]
    fn decoding_accepts_nothing_but_encodings(bytes in any::<[u8; 32]>()) {
        if let Ok(element) = Element::decode(&bytes) {
            prop_assert_eq!(element.encode(), bytes);
        }
    }

    #[test]
    fn multiplication_by_a_scalar_and_its_inverse_returns_the_element(seed in any::<[u8; 32]>()) {
        let mut rng = Prg::new(Secret::new(seed));
        let element = Element::random(&mut rng);
        let scalar = SecretScalar::random_nonzero(&mut rng);
        prop_assert_eq!(element.mul(&scalar).mul(&scalar.invert()), element);
        prop_assert_ne!(element.mul(&scalar), element);
    }
}
