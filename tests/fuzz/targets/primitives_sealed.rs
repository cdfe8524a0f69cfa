//! Sealed secrets, keys and signatures from outside: what decodes encodes to the same bytes, and nothing that was
//! not sealed opens.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use symbolon_primitives::Error;
use symbolon_primitives::hpke::{SEALED_BYTES_MAX, Sealed, SealingKey, SealingPublicKey, Suite};
use symbolon_primitives::secret::Secret;
use symbolon_primitives::sign::{Signature, SigningKey, VerifyingKey};

static KEYS: LazyLock<Vec<SealingKey>> = LazyLock::new(|| {
    let key = |suite: &Suite| SealingKey::from_seed(*suite, Secret::new([7; 32])).expect("any seed makes a key");
    Suite::ALL.iter().map(key).collect()
});

fuzz_target!(|data: &[u8]| {
    match Sealed::decode(data) {
        Ok(sealed) => {
            assert!(data.len() <= SEALED_BYTES_MAX);
            assert_eq!(sealed.encode(), data);
            // Nobody has the private half that made what this key is asked to believe.
            let sender = SigningKey::from_seed(&Secret::new([9; 32])).verifying_key();
            for key in KEYS.iter() {
                match key.open(&sender, b"fuzz", &sealed) {
                    Err(Error::VerificationFailed) => assert_eq!(key.suite(), sealed.suite()),
                    Err(Error::WrongKeyOrContext) => assert_ne!(key.suite(), sealed.suite()),
                    other => panic!("a made-up secret gives {other:?}"),
                }
            }
        }
        Err(Error::Encoding { .. }) => {}
        Err(Error::LimitExceeded { .. }) => assert!(data.len() > SEALED_BYTES_MAX),
        Err(other) => panic!("a sealed secret gives {other:?}"),
    }
    for suite in Suite::ALL {
        if let Ok(key) = SealingPublicKey::from_bytes(*suite, data) {
            assert_eq!(key.as_bytes(), data);
            assert_eq!(key.to_string().parse::<SealingPublicKey>().expect("a key's own text"), key);
        }
    }
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(key) = text.parse::<SealingPublicKey>() {
        assert_eq!(key.to_string(), text);
    }
    if let Ok(key) = text.parse::<VerifyingKey>() {
        assert_eq!(key.to_string(), text);
    }
    if let Ok(signature) = text.parse::<Signature>() {
        assert_eq!(signature.to_string(), text);
    }
});
