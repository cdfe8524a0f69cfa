use proptest::prelude::*;

use super::*;
use crate::hpke::Suite;
use crate::sign::SigningKey;
use crate::stream;

const CONTEXT: FileContext<'static> = FileContext {
    agreement: &[1; 32],
    job: b"job",
    sid: &[2; 32],
    direction: "responder-to-initiator",
    dataset: "accounts",
    schema: &[3; 32],
    key_id: "2026-1",
    content_type: "text/csv",
};

/// Where the stream starts in a file sealed with the X25519 suite.
const STREAM_AT: usize = HEADER_AT + 2 + 4 + 32 + 4 + 48 + 64;
const HEADER_AT: usize = 8 + 2 + 32 + 4;

struct Parties {
    recipient: SealingKey,
    sender: SigningKey,
}

impl Parties {
    fn new(suite: Suite) -> Self {
        let recipient = SealingKey::from_seed(suite, Secret::new([7; 32])).unwrap();
        Self { recipient, sender: SigningKey::from_seed(&Secret::new([8; 32])) }
    }

    fn seal(&self, content: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        let count = seal(content, &mut out, self.recipient.public_key(), &self.sender, &CONTEXT).unwrap();
        assert_eq!(count, content.len() as u64);
        out
    }

    fn open(&self, sealed: &[u8], context: &FileContext<'_>) -> (Vec<u8>, Result<u64, Error>) {
        let mut out = Vec::new();
        let result = open(sealed, &mut out, &self.recipient, &self.sender.verifying_key(), context);
        (out, result)
    }
}

fn text(bytes: usize) -> Vec<u8> {
    (0..bytes).map(|at| u8::try_from(at * 11 % 253).unwrap()).collect()
}

#[test]
fn a_file_comes_back_with_both_suites() {
    for suite in Suite::ALL.iter().copied() {
        let parties = Parties::new(suite);
        for bytes in [0, 1, CHUNK_BYTES, 5 * CHUNK_BYTES + 3] {
            let content = text(bytes);
            let (out, result) = parties.open(&parties.seal(&content), &CONTEXT);
            assert_eq!((result.unwrap(), out), (bytes as u64, content));
        }
    }
}

#[test]
fn the_layout_is_the_documented_one() {
    let parties = Parties::new(Suite::X25519);
    let sealed = parties.seal(b"content");
    assert_eq!(sealed[..10], *b"symbolon\0\x01");
    assert_eq!(sealed[10..42], parties.recipient.public_key().id());
    assert_eq!(sealed[42..46], u32::try_from(STREAM_AT - HEADER_AT).unwrap().to_be_bytes());
    assert_eq!(sealed.len() as u64, STREAM_AT as u64 + stream::sealed_bytes(7));
    let header = Sealed::decode(&sealed[HEADER_AT..STREAM_AT]).unwrap();
    let bound = [b"symbolon\0\x01".as_slice(), &CONTEXT.encode()].concat();
    let key = parties.recipient.open(&parties.sender.verifying_key(), &bound, &header).unwrap();
    let key = Secret::new(key.expose().as_slice().try_into().unwrap());
    let mut out = Vec::new();
    Decryptor::new(&sealed[STREAM_AT..], &key, &bound).unwrap().read_to_end(&mut out).unwrap();
    assert_eq!(out, b"content");
}

#[test]
fn each_field_of_the_context_is_bound() {
    let parties = Parties::new(Suite::X25519);
    let sealed = parties.seal(b"content");
    for context in [
        FileContext { agreement: &[9; 32], ..CONTEXT },
        FileContext { job: b"job2", ..CONTEXT },
        FileContext { sid: &[9; 32], ..CONTEXT },
        FileContext { direction: "initiator-to-responder", ..CONTEXT },
        FileContext { dataset: "persons", ..CONTEXT },
        FileContext { schema: &[9; 32], ..CONTEXT },
        FileContext { key_id: "2026-2", ..CONTEXT },
        FileContext { content_type: "", ..CONTEXT },
        FileContext { direction: "responder-to-initiatora", dataset: "ccounts", ..CONTEXT },
        FileContext::default(),
    ] {
        let (out, result) = parties.open(&sealed, &context);
        assert!(matches!(result, Err(Error::VerificationFailed)), "{context:?}");
        assert!(out.is_empty());
    }
}

#[test]
fn another_recipient_or_sender_is_refused() {
    let parties = Parties::new(Suite::X25519);
    let sealed = parties.seal(b"content");
    let other = Parties { recipient: SealingKey::generate(Suite::X25519).unwrap(), ..Parties::new(Suite::X25519) };
    assert!(matches!(other.open(&sealed, &CONTEXT).1, Err(Error::WrongKeyOrContext)));
    let other = Parties { sender: SigningKey::generate().unwrap(), ..Parties::new(Suite::X25519) };
    assert!(matches!(other.open(&sealed, &CONTEXT).1, Err(Error::VerificationFailed)));
    assert!(matches!(Parties::new(Suite::XWing).open(&sealed, &CONTEXT).1, Err(Error::WrongKeyOrContext)));
}

#[test]
fn every_flipped_byte_of_the_header_is_refused_and_nothing_is_written() {
    for suite in Suite::ALL.iter().copied() {
        let parties = Parties::new(suite);
        let sealed = parties.seal(b"content");
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            let (out, result) = parties.open(&changed, &CONTEXT);
            assert!(result.is_err() && out.is_empty(), "{suite} at {at}");
        }
    }
}

#[test]
fn a_cut_file_is_refused_wherever_it_is_cut() {
    let parties = Parties::new(Suite::X25519);
    let sealed = parties.seal(b"content");
    for cut in 0..sealed.len() {
        let (out, result) = parties.open(&sealed[..cut], &CONTEXT);
        assert!(matches!(result, Err(Error::Truncated { .. } | Error::VerificationFailed)), "cut at {cut}: {result:?}");
        assert!(out.is_empty());
    }
}

#[test]
fn only_verified_chunks_of_a_damaged_file_are_written() {
    let parties = Parties::new(Suite::X25519);
    let content = text(4 * CHUNK_BYTES);
    let mut sealed = parties.seal(&content);
    let third = STREAM_AT + stream::HEADER_BYTES + 2 * (CHUNK_BYTES + stream::TAG_BYTES);
    sealed[third + 1] ^= 1;
    let (out, result) = parties.open(&sealed, &CONTEXT);
    assert!(matches!(result, Err(Error::VerificationFailed)));
    assert!(out == content[..2 * CHUNK_BYTES]);
}

#[test]
fn the_stream_of_another_file_does_not_fit() {
    let parties = Parties::new(Suite::X25519);
    let (first, second) = (parties.seal(b"first"), parties.seal(b"other"));
    let crossed = [&first[..STREAM_AT], &second[STREAM_AT..]].concat();
    assert!(matches!(parties.open(&crossed, &CONTEXT).1, Err(Error::WrongKeyOrContext)));
}

#[test]
fn other_files_versions_and_headers_are_told_apart() {
    let parties = Parties::new(Suite::X25519);
    let sealed = parties.seal(b"content");
    assert!(matches!(parties.open(b"id,name\n1,a\n2,b", &CONTEXT).1, Err(Error::Encoding { what: "sealed file" })));
    let mut newer = sealed.clone();
    newer[9] = 2;
    let result = parties.open(&newer, &CONTEXT).1;
    assert!(matches!(result, Err(Error::Encoding { what: "sealed file of this version" })));
    let mut long = sealed;
    long[42..46].fill(0xFF);
    let result = parties.open(&long, &CONTEXT).1;
    assert!(matches!(result, Err(Error::LimitExceeded { got: 0xFFFF_FFFF, .. })));
}

#[test]
fn a_sealed_key_of_another_length_is_refused() {
    let parties = Parties::new(Suite::X25519);
    let header = parties.recipient.public_key().seal(&parties.sender, &CONTEXT.bound(), &[1; 31]).unwrap().encode();
    let mut file = [MAGIC.as_slice(), &VERSION.to_be_bytes(), &parties.recipient.public_key().id()].concat();
    lp(&mut file, &header);
    assert!(matches!(parties.open(&file, &CONTEXT).1, Err(Error::Encoding { .. })));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn anything_after_the_magic_is_refused(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let parties = Parties::new(Suite::X25519);
        let file = [MAGIC.as_slice(), &VERSION.to_be_bytes(), &parties.recipient.public_key().id(), &bytes].concat();
        let (out, result) = parties.open(&file, &CONTEXT);
        prop_assert!(result.is_err() && out.is_empty());
    }
}
