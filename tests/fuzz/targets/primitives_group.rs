//! Strict decoding of group elements, scalars and keys: one encoding a value, and nothing that is no value.
#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use symbolon_primitives::Error;
use symbolon_primitives::group::{Element, SecretScalar, decode_batch, encode_batch};
use symbolon_primitives::hash::hash_to_group;
use symbolon_primitives::oprf::PublicKey;
use symbolon_primitives::sign::{Signature, VerifyingKey};

/// 2^255 - 19, big-endian.
const P: [u8; 32] = {
    let mut p = [0xFF; 32];
    p[0] = 0x7F;
    p[31] = 0xED;
    p
};

#[derive(Arbitrary, Debug)]
enum Encoding<'a> {
    /// Bytes as they come.
    Raw([u8; 32]),
    /// A value that is an element.
    Valid(&'a [u8]),
    /// An element with a bit flipped, mostly none any more.
    Flipped(&'a [u8], u8),
    /// A small number or one close below 2^255: where the identity and numbers from p on lie.
    Edge(u8, bool),
}

impl Encoding<'_> {
    fn bytes(&self) -> [u8; 32] {
        let hash = |message| hash_to_group(message, b"fuzz").expect("a short label is allowed").encode();
        match self {
            Self::Raw(bytes) => *bytes,
            Self::Valid(message) => hash(message),
            Self::Flipped(message, bit) => {
                let mut bytes = hash(message);
                bytes[usize::from(bit / 8)] ^= 1 << (bit % 8);
                bytes
            }
            Self::Edge(low, high) => {
                let mut bytes = [if *high { 0xFF } else { 0 }; 32];
                bytes[0] = *low;
                bytes[31] &= 0x7F;
                bytes
            }
        }
    }
}

/// What no canonical encoding has, told without any arithmetic of the group.
fn is_never_canonical(bytes: &[u8; 32]) -> bool {
    let mut value = *bytes;
    value.reverse();
    value >= P || bytes[0] & 1 == 1 || *bytes == [0; 32]
}

fuzz_target!(|encodings: Vec<Encoding<'_>>| {
    let encodings: Vec<[u8; 32]> = encodings.iter().take(64).map(Encoding::bytes).collect();
    let mut all = true;
    for bytes in &encodings {
        match Element::decode(bytes) {
            Ok(element) => {
                assert_eq!(element.encode(), *bytes);
                assert!(!is_never_canonical(bytes));
                assert_eq!(PublicKey::decode(bytes).expect("a key is an element").encode(), *bytes);
            }
            Err(Error::Encoding { .. }) => {
                all = false;
                assert!(PublicKey::decode(bytes).is_err());
            }
            Err(other) => panic!("an element gives {other:?}"),
        }
        if let Ok(scalar) = SecretScalar::decode(bytes) {
            assert_eq!(scalar.encode().expose(), bytes);
            assert_ne!(*bytes, [0; 32]);
            assert_eq!(scalar.invert().invert().encode().expose(), bytes);
        }
        if let Ok(key) = VerifyingKey::from_bytes(bytes) {
            assert_eq!(key.to_bytes(), *bytes);
            assert_eq!(key.to_string().parse::<VerifyingKey>().expect("a key's own text"), key);
            let signature = Signature::from_bytes([0; 64]);
            assert!(key.verify(symbolon_primitives::kdf::Label::Card, &[b"x"], &signature).is_err());
        }
    }
    match decode_batch(&encodings) {
        Ok(elements) => {
            assert!(all);
            assert_eq!(encode_batch(&elements), encodings);
        }
        Err(Error::Encoding { .. }) => assert!(!all),
        Err(other) => panic!("elements give {other:?}"),
    }
});
