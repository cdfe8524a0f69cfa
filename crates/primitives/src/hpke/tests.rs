use std::convert::Infallible;

use hpke::aead::ChaCha20Poly1305;
use proptest::prelude::*;
use rand_core::{TryCryptoRng, TryRng};
use serde_json::Value;

use super::*;
use crate::sign::SigningKey;

const SEED: [u8; 32] = [0xD9; 32];
const INFO: &[u8] = b"what it is for";

fn sender() -> SigningKey {
    SigningKey::from_seed(&Secret::new([1; 32]))
}

fn key(suite: Suite) -> SealingKey {
    SealingKey::from_seed(suite, Secret::new(SEED)).unwrap()
}

fn sealed(suite: Suite) -> Sealed {
    key(suite).public_key().seal(&sender(), INFO, b"a key of 32 bytes or anything").unwrap()
}

/// Gives the bytes of a test vector where the library draws randomness.
struct Scripted(Vec<u8>);

impl TryRng for Scripted {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut bytes = [0; 4];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u32::from_le_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut bytes = [0; 8];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Infallible> {
        out.copy_from_slice(&self.0.drain(..out.len()).collect::<Vec<u8>>());
        Ok(())
    }
}

impl TryCryptoRng for Scripted {}

fn check_vector<A: Aead, K: Kem>(test: &Value) {
    let field = |name: &str| hex::decode(test[name].as_str().unwrap()).unwrap();
    let seed = Secret::new(field("skRm").try_into().unwrap());
    let (info, aad, enc, ct, pt) = (field("info"), field("aad"), field("enc"), field("ct"), field("pt"));
    assert_eq!(public_of::<K>(&seed).unwrap(), field("pkRm"));
    assert_eq!(open_base::<A, K>(&seed, &enc, &info, &ct, &aad).unwrap().expose(), &pt);
    let mut rng = Scripted(field("ikmE"));
    let sealed = seal_base::<A, K>(&field("pkRm"), &info, &pt, &aad, &mut rng).unwrap();
    assert_eq!(sealed, (enc.clone(), ct.clone()));
    for (info, ct) in [(info.as_slice(), &ct[1..]), (&info[1..], &ct)] {
        assert!(matches!(open_base::<A, K>(&seed, &enc, info, ct, &aad), Err(Error::VerificationFailed)));
    }
}

#[test]
fn base_mode_agrees_with_the_published_vectors() {
    let file: Value = serde_json::from_str(include_str!("../../tests/vectors/hpke.json")).unwrap();
    for test in file["tests"].as_array().unwrap() {
        match test["suite"].as_str().unwrap().parse().unwrap() {
            Suite::X25519 => check_vector::<AesGcm256, X25519HkdfSha256>(test),
            Suite::XWing => check_vector::<ChaCha20Poly1305, XWing>(test),
        }
    }
    assert_eq!(file["tests"].as_array().unwrap().len(), Suite::ALL.len());
}

#[test]
fn what_is_sealed_opens_for_its_key_sender_and_info_only() {
    for suite in Suite::ALL.iter().copied() {
        let (key, sealed, public) = (key(suite), sealed(suite), sender().verifying_key());
        let opened = key.open(&public, INFO, &Sealed::decode(&sealed.encode()).unwrap()).unwrap();
        assert_eq!(opened.expose(), b"a key of 32 bytes or anything");

        let other_key = SealingKey::generate(suite).unwrap();
        let other_sender = SigningKey::generate().unwrap().verifying_key();
        for result in [
            other_key.open(&public, INFO, &sealed),
            key.open(&other_sender, INFO, &sealed),
            key.open(&public, b"what it is for?", &sealed),
        ] {
            assert!(matches!(result, Err(Error::VerificationFailed)));
        }
    }
    let crossed = key(Suite::X25519).open(&sender().verifying_key(), INFO, &sealed(Suite::XWing));
    assert!(matches!(crossed, Err(Error::WrongKeyOrContext)));
}

#[test]
fn a_sealed_secret_cannot_be_signed_afresh_by_another() {
    for suite in Suite::ALL.iter().copied() {
        let (key, mut stolen) = (key(suite), sealed(suite));
        let thief = SigningKey::generate().unwrap();
        let id = suite.id().to_be_bytes();
        let parts: [&[u8]; 5] = [&id, key.public_key().as_bytes(), INFO, &stolen.enc, &stolen.ciphertext];
        stolen.signature = thief.sign(Label::SealSignature, &parts);
        assert!(matches!(key.open(&thief.verifying_key(), INFO, &stolen), Err(Error::VerificationFailed)));
    }
}

#[test]
fn every_flipped_byte_is_refused() {
    for suite in Suite::ALL.iter().copied() {
        let (key, bytes) = (key(suite), sealed(suite).encode());
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            let result = Sealed::decode(&changed).and_then(|it| key.open(&sender().verifying_key(), INFO, &it));
            assert!(result.is_err(), "{suite} at {at}");
        }
    }
}

#[test]
fn decoding_takes_the_whole_and_nothing_else() {
    for suite in Suite::ALL.iter().copied() {
        let bytes = sealed(suite).encode();
        assert_eq!(Sealed::decode(&bytes).unwrap(), sealed_again(&bytes));
        for cut in 0..bytes.len() {
            assert!(matches!(Sealed::decode(&bytes[..cut]), Err(Error::Encoding { .. })), "{suite} cut at {cut}");
        }
        assert!(matches!(Sealed::decode(&[&bytes, [0].as_slice()].concat()), Err(Error::Encoding { .. })));
        let mut long = bytes.clone();
        long[2..6].fill(0xFF);
        assert!(matches!(Sealed::decode(&long), Err(Error::Encoding { .. })));
        let mut unknown = bytes;
        unknown[1] = 9;
        assert!(matches!(Sealed::decode(&unknown), Err(Error::Encoding { .. })));
    }
    assert!(matches!(Sealed::decode(&vec![0; SEALED_BYTES_MAX + 1]), Err(Error::LimitExceeded { .. })));
}

fn sealed_again(bytes: &[u8]) -> Sealed {
    let sealed = Sealed::decode(bytes).unwrap();
    assert_eq!(sealed.encode(), bytes);
    sealed
}

#[test]
fn the_longest_secret_fits_its_bound_and_no_longer_one_is_sealed() {
    let key = key(Suite::XWing);
    let sealed = key.public_key().seal(&sender(), INFO, &vec![7; PLAINTEXT_BYTES_MAX]).unwrap().encode();
    assert_eq!(sealed.len(), SEALED_BYTES_MAX);
    let opened = key.open(&sender().verifying_key(), INFO, &Sealed::decode(&sealed).unwrap()).unwrap();
    assert_eq!(opened.expose().len(), PLAINTEXT_BYTES_MAX);
    let result = key.public_key().seal(&sender(), INFO, &vec![7; PLAINTEXT_BYTES_MAX + 1]);
    assert!(matches!(result, Err(Error::LimitExceeded { .. })));
}

#[test]
fn keys_come_back_from_their_forms() {
    for suite in Suite::ALL.iter().copied() {
        let key = key(suite);
        let again = SealingKey::from_seed(suite, key.to_seed()).unwrap();
        assert_eq!(again.public_key(), key.public_key());
        let text = key.public_key().to_string();
        assert_eq!(&text.parse::<SealingPublicKey>().unwrap(), key.public_key());
        assert_eq!(&SealingPublicKey::from_bytes(suite, key.public_key().as_bytes()).unwrap(), key.public_key());
        assert_eq!(suite.to_string().parse::<Suite>().unwrap(), suite);
        assert_eq!(Suite::from_id(suite.id()).unwrap(), suite);
        for changed in [
            text.replace("/1", "/2"),
            text.replace(':', ""),
            format!("{text}AAAA"),
            format!("{}*", &text[..text.len() - 1]),
        ] {
            assert!(changed.parse::<SealingPublicKey>().is_err(), "{changed}");
        }
        assert!(matches!(SealingPublicKey::from_bytes(suite, &[0; 31]), Err(Error::Length { .. })));
    }
    let ids = Suite::ALL.iter().map(|suite| key(*suite).public_key().id());
    assert_eq!(ids.collect::<std::collections::HashSet<_>>().len(), Suite::ALL.len());
}

#[test]
fn nothing_is_sealed_to_a_point_of_small_order() {
    for bytes in [[0; 32], {
        let mut one = [0; 32];
        one[0] = 1;
        one
    }] {
        let public = SealingPublicKey::from_bytes(Suite::X25519, &bytes).unwrap();
        assert!(matches!(public.seal(&sender(), INFO, b"x"), Err(Error::Encoding { .. })));
    }
}

#[test]
fn an_x_wing_key_out_of_range_is_refused() {
    assert!(SealingPublicKey::from_bytes(Suite::XWing, &[0xFF; XWING_PUBLIC_BYTES]).is_err());
}

#[test]
fn debug_shows_no_secret() {
    for suite in Suite::ALL.iter().copied() {
        let key = key(suite);
        let opened = key.open(&sender().verifying_key(), INFO, &sealed(suite)).unwrap();
        let text = format!("{key:?}{key:#?}{opened:?}").to_lowercase();
        for shape in ["d9d9", "217, 217", "2dnz", "a key of", "97, 32"] {
            assert!(!text.contains(shape), "{text}");
        }
    }
}

proptest! {
    #[test]
    fn decoding_anything_gives_an_error_or_the_same_bytes(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        if let Ok(sealed) = Sealed::decode(&bytes) {
            prop_assert_eq!(sealed.encode(), bytes);
        }
    }
}
