use proptest::prelude::*;
use serde_json::Value;

use super::*;

const CONTEXT: RecordContext<'static> =
    RecordContext { agreement: b"agreement", job: b"job", sid: &[3; 32], schema: &[4; 32] };

const SECRET: [u8; 32] = [0xC3; 32];

fn sealer() -> RecordSealer {
    RecordSealer::new(Secret::new(SECRET), &CONTEXT, 0)
}

fn opener(context: &RecordContext<'_>) -> RecordOpener {
    RecordOpener::new(Secret::new(SECRET), context)
}

/// One value at the start of a fresh column.
fn sealed_at(column: &str, value: &[u8], row: u64) -> Vec<u8> {
    let mut column = sealer().column(column, 24).unwrap();
    let mut out = vec![0xEE; column.sealed_bytes()];
    assert_eq!(column.shard(row).unwrap().seal(value, &mut out).unwrap(), row);
    out
}

#[test]
fn aes_256_gcm_agrees_with_wycheproof() {
    let file: Value = serde_json::from_str(include_str!("../../tests/vectors/aes_256_gcm.json")).unwrap();
    let field = |test: &Value, name: &str| hex::decode(test[name].as_str().unwrap()).unwrap();
    let (mut count, mut refused) = (0, 0);
    for test in file["testGroups"].as_array().unwrap().iter().flat_map(|group| group["tests"].as_array().unwrap()) {
        let key: [u8; 32] = field(test, "key").try_into().unwrap();
        let nonce: [u8; 12] = field(test, "iv").try_into().unwrap();
        let tag: [u8; 16] = field(test, "tag").try_into().unwrap();
        let (aad, message, expected) = (field(test, "aad"), field(test, "msg"), field(test, "ct"));
        let cipher = Aes256Gcm::new((&key).into());
        let mut buffer = expected.clone();
        let opened = cipher.decrypt_inout_detached((&nonce).into(), &aad, buffer.as_mut_slice().into(), (&tag).into());
        if test["result"] == "valid" {
            opened.unwrap();
            assert_eq!(buffer, message, "test {}", test["tcId"]);
            let sealed = cipher.encrypt_inout_detached((&nonce).into(), &aad, buffer.as_mut_slice().into()).unwrap();
            assert_eq!((buffer, sealed.as_slice()), (expected, tag.as_slice()), "test {}", test["tcId"]);
        } else {
            assert!(opened.is_err(), "test {}", test["tcId"]);
            assert_eq!(buffer, expected, "test {} gave unauthenticated plaintext", test["tcId"]);
            refused += 1;
        }
        count += 1;
    }
    assert_eq!((count, refused), (66, 27));
}

#[test]
fn the_construction_is_the_documented_one() {
    let sealed = sealed_at("balance", b"1234.50", 9);
    let mut info = Label::Record.as_bytes().to_vec();
    lp(&mut info, &[3; 32]);
    lp(&mut info, b"balance");
    info.extend_from_slice(&[0, 0, 0, 0]);
    let mut key = [0; 32];
    kdf::hkdf_expand(&SECRET, &[&info], &mut key).unwrap();
    let mut associated = Vec::new();
    for part in [b"agreement".as_slice(), b"job", b"balance"] {
        lp(&mut associated, part);
    }
    associated.extend_from_slice(&9_u64.to_be_bytes());
    associated.extend_from_slice(&[4; 32]);
    let mut expected = [[0, 0, 0, 7].as_slice(), b"1234.50", &[0; 17]].concat();
    let nonce = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9];
    let tag = Aes256Gcm::new((&key).into())
        .encrypt_inout_detached((&nonce).into(), &associated, expected.as_mut_slice().into())
        .unwrap();
    expected.extend_from_slice(&tag);
    assert_eq!(sealed, expected);
}

#[test]
fn a_record_opens_at_its_own_place_only() {
    let sealed = sealed_at("balance", b"1234.50", 9);
    let open = |context: &RecordContext<'_>, column: &str, attempt: u32, shard: u32, row: u64| {
        let mut bytes = sealed.clone();
        let mut opener = opener(context).shard(column, 24, attempt, shard).unwrap();
        let result = opener.open(row, &mut bytes).map(<[u8]>::to_vec);
        assert!(result.is_ok() || bytes == sealed, "plaintext without authentication");
        result
    };
    assert_eq!(open(&CONTEXT, "balance", 0, 0, 9).unwrap(), b"1234.50");
    for result in [
        open(&CONTEXT, "balances", 0, 0, 9),
        open(&CONTEXT, "balance", 1, 0, 9),
        open(&CONTEXT, "balance", 0, 1, 9),
        open(&CONTEXT, "balance", 0, 0, 10),
        open(&RecordContext { agreement: b"agreements", ..CONTEXT }, "balance", 0, 0, 9),
        open(&RecordContext { job: b"jobs", ..CONTEXT }, "balance", 0, 0, 9),
        open(&RecordContext { agreement: b"agreementj", job: b"ob", ..CONTEXT }, "balance", 0, 0, 9),
        open(&RecordContext { sid: &[5; 32], ..CONTEXT }, "balance", 0, 0, 9),
        open(&RecordContext { schema: &[5; 32], ..CONTEXT }, "balance", 0, 0, 9),
    ] {
        assert!(matches!(result, Err(Error::VerificationFailed)), "{result:?}");
    }
}

#[test]
fn another_job_secret_does_not_open() {
    let mut sealed = sealed_at("balance", b"1", 0);
    let opener = RecordOpener::new(Secret::new([0xC4; 32]), &CONTEXT);
    let mut shard = opener.shard("balance", 24, 0, 0).unwrap();
    assert!(matches!(shard.open(0, &mut sealed), Err(Error::VerificationFailed)));
}

#[test]
fn every_flipped_byte_is_refused() {
    let sealed = sealed_at("balance", b"1234.50", 0);
    let mut opener = opener(&CONTEXT).shard("balance", 24, 0, 0).unwrap();
    for position in 0..sealed.len() {
        let mut bytes = sealed.clone();
        bytes[position] ^= 1;
        assert!(matches!(opener.open(0, &mut bytes), Err(Error::VerificationFailed)));
    }
    let mut short = sealed[..sealed.len() - 1].to_vec();
    assert!(matches!(opener.open(0, &mut short), Err(Error::Length { expected: 44, got: 43, .. })));
}

#[test]
fn sealing_a_column_again_shares_no_key_and_shards_share_no_nonce() {
    let mut sealer = sealer();
    let mut seen = std::collections::HashSet::new();
    for attempt in 0..3 {
        let mut column = sealer.column("a", 0).unwrap();
        assert_eq!(column.attempt(), attempt);
        for expected in 0..3 {
            let mut shard = column.shard(0).unwrap();
            assert_eq!(shard.shard(), expected);
            for row in 0..3 {
                let mut out = [0; RECORD_OVERHEAD_BYTES];
                assert_eq!(shard.seal(b"", &mut out).unwrap(), row);
                // Equal plaintexts: equal ciphertexts would show a repeated key and nonce.
                assert!(seen.insert(out[..LENGTH_BYTES].to_vec()) && seen.insert(out.to_vec()));
            }
        }
    }
}

#[test]
fn counters_stop_instead_of_wrapping() {
    let mut sealer = RecordSealer::new(Secret::new(SECRET), &CONTEXT, u32::MAX);
    let mut column = sealer.column("a", 1).unwrap();
    assert!(matches!(sealer.column("a", 1), Err(Error::LimitExceeded { .. })));
    let mut out = vec![0; column.sealed_bytes()];
    let mut shard = column.shard(u64::MAX).unwrap();
    assert_eq!(shard.seal(b"x", &mut out).unwrap(), u64::MAX);
    assert!(matches!(shard.seal(b"y", &mut out), Err(Error::LimitExceeded { .. })));
    column.shard_next = Some(u32::MAX);
    assert_eq!(column.shard(0).unwrap().shard(), u32::MAX);
    assert!(matches!(column.shard(0), Err(Error::LimitExceeded { .. })));
}

#[test]
fn too_long_values_and_columns_are_refused() {
    let mut sealer = sealer();
    assert!(matches!(sealer.column("a", WIDTH_BYTES_MAX + 1), Err(Error::LimitExceeded { .. })));
    let mut column = sealer.column("a", 4).unwrap();
    let mut shard = column.shard(7).unwrap();
    let mut out = vec![0; column.sealed_bytes()];
    assert!(matches!(shard.seal(b"12345", &mut out), Err(Error::LimitExceeded { max: 4, got: 5, .. })));
    assert!(matches!(shard.seal(b"1", &mut out[1..]), Err(Error::Length { expected: 24, got: 23, .. })));
    assert_eq!(shard.seal(b"1234", &mut out).unwrap(), 7);
}

#[test]
fn a_sealer_that_breaks_the_padding_is_found_out() {
    let mut column = sealer().bound.column("a", 0, 8).unwrap();
    for text in [[0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 0], [0, 0, 0, 2, 1, 1, 1, 0, 0, 0, 0, 0], [0xFF; 12]] {
        let nonce = column.place(0, 0);
        let mut sealed = text.to_vec();
        let buffer = sealed.as_mut_slice().into();
        let tag = column.cipher.encrypt_inout_detached((&nonce).into(), &column.associated, buffer).unwrap();
        sealed.extend_from_slice(&tag);
        let mut opener = opener(&CONTEXT).shard("a", 8, 0, 0).unwrap();
        assert!(matches!(opener.open(0, &mut sealed), Err(Error::Encoding { .. })));
    }
}

#[test]
fn debug_shows_no_secret() {
    let mut sealer = sealer();
    let mut column = sealer.column("a", 8).unwrap();
    let shard = column.shard(0).unwrap();
    let opener = opener(&CONTEXT);
    let shard_opener = opener.shard("a", 8, 0, 0).unwrap();
    let mut key = [0; 32];
    let info = [Label::Record.as_bytes(), &[0, 0, 0, 32], &[3; 32], &[0, 0, 0, 1], b"a", &[0; 4]].concat();
    kdf::hkdf_expand(&SECRET, &[&info], &mut key).unwrap();
    let text = format!("{sealer:#?}{sealer:?}{column:?}{shard:?}{opener:?}{shard_opener:?}").to_lowercase();
    for secret in [&SECRET, &key] {
        assert!(!text.contains(&hex::encode(&secret[..2])), "{text}");
        assert!(!text.contains(&format!("{}, {}", secret[0], secret[1])), "{text}");
    }
}

proptest! {
    #[test]
    fn values_of_every_length_come_back(values in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..=33), 1..9)) {
        let mut column = sealer().column("a", 33).unwrap();
        let mut shard = column.shard(100).unwrap();
        let mut opener = opener(&CONTEXT).shard("a", 33, 0, 0).unwrap();
        for (value, row) in values.iter().zip(100..) {
            let mut sealed = vec![0; column.sealed_bytes()];
            prop_assert_eq!(shard.seal(value, &mut sealed).unwrap(), row);
            prop_assert_eq!(opener.open(row, &mut sealed).unwrap(), value.as_slice());
        }
    }
}
