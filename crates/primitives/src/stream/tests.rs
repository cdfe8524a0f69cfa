use std::io::{Cursor, copy, sink};

use proptest::prelude::*;
use serde_json::Value;
use sha2::{Digest, Sha256, Sha512};

use super::*;

const KEY: [u8; 32] = [0xB7; 32];
const CONTEXT: &[u8] = b"context of the test";
const FULL: usize = CHUNK_BYTES;
const SEALED: usize = SEALED_CHUNK_BYTES;

fn text(bytes: usize) -> Vec<u8> {
    (0..bytes).map(|at| u8::try_from(at * 7 % 251).unwrap()).collect()
}

fn seal(plaintext: &[u8]) -> Vec<u8> {
    let mut stream = Encryptor::new(Vec::new(), &Secret::new(KEY), CONTEXT).unwrap();
    stream.write_all(plaintext).unwrap();
    stream.finish().unwrap()
}

fn open(sealed: &[u8]) -> Result<Decryptor<Cursor<&[u8]>>, Error> {
    Decryptor::new(Cursor::new(sealed), &Secret::new(KEY), CONTEXT)
}

/// Everything that could be read, and how it ended.
fn read_all(sealed: &[u8]) -> (Vec<u8>, Result<(), Error>) {
    let mut out = Vec::new();
    let result = open(sealed).and_then(|mut stream| {
        let result = stream.read_to_end(&mut out);
        assert_eq!(result.is_ok(), stream.is_ended());
        if result.is_err() {
            assert!(stream.read(&mut [0]).is_err(), "a failed stream gave an end");
            assert!(stream.fill_buf().is_err());
        }
        Ok(result.map(|_| ())?)
    });
    (out, result)
}

fn assert_refused(sealed: &[u8], plaintext: &[u8]) -> Error {
    let (out, result) = read_all(sealed);
    assert!(plaintext.starts_with(&out), "bytes that were never written");
    assert_eq!(out.len() % FULL, 0);
    result.unwrap_err()
}

fn wycheproof() -> Vec<Value> {
    let file: Value = serde_json::from_str(include_str!("../../tests/vectors/cobblestone_256.json")).unwrap();
    file["testGroups"].as_array().unwrap().iter().flat_map(|group| group["tests"].as_array().unwrap().clone()).collect()
}

fn field(test: &Value, name: &str) -> Vec<u8> {
    hex::decode(test[name].as_str().unwrap()).unwrap()
}

fn has_flag(test: &Value, flag: &str) -> bool {
    test["flags"].as_array().is_some_and(|flags| flags.iter().any(|it| it == flag))
}

#[test]
fn reading_agrees_with_wycheproof() {
    let (mut valid, mut refused) = (0, 0);
    for test in wycheproof() {
        let id = &test["tcId"];
        // A key of another length cannot be expressed.
        let Ok(key) = <[u8; 32]>::try_from(field(&test, "key")) else { continue };
        let (key, context) = (Secret::new(key), field(&test, "ctx"));
        let mut sealed = Vec::new();
        flate2::read::ZlibDecoder::new(field(&test, "ct").as_slice()).read_to_end(&mut sealed).unwrap();
        let mut out = Vec::new();
        let opened = Decryptor::new(sealed.as_slice(), &key, &context);
        assert_eq!(opened.is_err(), has_flag(&test, "HeaderFailure"), "test {id}");
        let result = opened.and_then(|mut stream| Ok(stream.read_to_end(&mut out)?));
        if test["result"] == "valid" {
            assert_eq!(result.unwrap() as u64, test["msgLength"].as_u64().unwrap(), "test {id}");
            assert_eq!(Sha512::digest(&out).as_slice(), field(&test, "msgSha512"), "test {id}");
            let salt = sealed[..SALT_BYTES].try_into().unwrap();
            let mut again = Encryptor::with_salt(Vec::new(), &key, &context, salt).unwrap();
            again.write_all(&out).unwrap();
            assert!(again.finish().unwrap() == sealed, "test {id}");
            assert_eq!(sealed_bytes(out.len() as u64), sealed.len() as u64);
            valid += 1;
        } else {
            assert!(result.is_err(), "test {id}");
            if has_flag(&test, "PartialPlaintext") {
                assert_eq!(Sha512::digest(&out).as_slice(), field(&test, "msgSha512"), "test {id}");
            } else {
                assert!(out.is_empty(), "test {id}");
            }
            refused += 1;
        }
    }
    assert_eq!((valid, refused), (10, 23));
}

#[test]
fn the_last_chunk_is_verified_before_a_length_is_given() {
    for test in wycheproof().iter().filter(|test| !has_flag(test, "HeaderFailure")) {
        let key = Secret::new(field(test, "key").try_into().unwrap());
        let mut sealed = Vec::new();
        flate2::read::ZlibDecoder::new(field(test, "ct").as_slice()).read_to_end(&mut sealed).unwrap();
        let mut stream = Decryptor::new(Cursor::new(sealed), &key, &field(test, "ctx")).unwrap();
        let expected = test["result"] == "valid" || has_flag(test, "ValidFinalChunk");
        assert_eq!(stream.plaintext_bytes().is_ok(), expected, "test {}", test["tcId"]);
        assert_eq!(stream.seek(SeekFrom::End(0)).is_ok(), expected, "test {}", test["tcId"]);
    }
}

#[test]
fn writing_agrees_with_an_independent_implementation() {
    let file: Value = serde_json::from_str(include_str!("../../tests/vectors/stream.json")).unwrap();
    let tests = file["tests"].as_array().unwrap();
    for test in tests {
        let bytes = usize::try_from(test["plaintext_bytes"].as_u64().unwrap()).unwrap();
        let key = Secret::new(field(test, "key").try_into().unwrap());
        let salt = field(test, "salt").try_into().unwrap();
        let mut stream = Encryptor::with_salt(Vec::new(), &key, &field(test, "context"), &salt).unwrap();
        stream.write_all(&text(bytes)).unwrap();
        let sealed = stream.finish().unwrap();
        assert_eq!(sealed[..HEADER_BYTES], field(test, "header"));
        assert_eq!(sealed[sealed.len() - TAG_BYTES..], field(test, "last_tag"));
        assert_eq!(Sha256::digest(&sealed).as_slice(), field(test, "sha256"));
    }
    assert_eq!(tests.len(), 9);
}

#[test]
fn every_region_of_a_stream_is_guarded() {
    let plaintext = text(2 * FULL + 100);
    let sealed = seal(&plaintext);
    let chunk = |index: usize| HEADER_BYTES + index * SEALED;
    let regions = [
        0,
        SALT_BYTES - 1,
        SALT_BYTES,
        HEADER_BYTES - 1,
        chunk(0),
        chunk(0) + FULL / 2,
        chunk(0) + FULL,
        chunk(1) - 1,
        chunk(1),
        chunk(2) - 1,
        chunk(2),
        chunk(2) + 99,
        chunk(2) + 100,
        sealed.len() - 1,
    ];
    for at in regions {
        for bit in [1, 0x80] {
            let mut changed = sealed.clone();
            changed[at] ^= bit;
            let error = assert_refused(&changed, &plaintext);
            let header = at < HEADER_BYTES;
            assert_eq!(matches!(error, Error::WrongKeyOrContext), header, "at {at}: {error:?}");
            assert_eq!(matches!(error, Error::VerificationFailed), !header, "at {at}: {error:?}");
        }
    }
}

#[test]
fn every_flipped_byte_of_a_short_stream_is_refused() {
    let plaintext = text(40);
    let sealed = seal(&plaintext);
    for at in 0..sealed.len() {
        let mut changed = sealed.clone();
        changed[at] ^= 0x10;
        assert_refused(&changed, &plaintext);
    }
}

#[test]
fn a_cut_at_every_kind_of_place_is_refused() {
    let plaintext = text(2 * FULL + 10);
    let sealed = seal(&plaintext);
    let chunk = |index: usize| HEADER_BYTES + index * SEALED;
    for bytes in [0, 1, SALT_BYTES, HEADER_BYTES - 1] {
        assert!(matches!(assert_refused(&sealed[..bytes], &plaintext), Error::Truncated { what: "stream header" }));
    }
    for bytes in [chunk(0), chunk(0) + 1, chunk(0) + 15, chunk(1), chunk(1) + 15, chunk(2), chunk(2) + 15] {
        assert!(matches!(assert_refused(&sealed[..bytes], &plaintext), Error::Truncated { what: "stream" }));
    }
    for bytes in [chunk(0) + 16, chunk(1) - 1, chunk(1) + 16, chunk(2) - 1, chunk(2) + 16, sealed.len() - 1] {
        assert!(matches!(assert_refused(&sealed[..bytes], &plaintext), Error::VerificationFailed));
    }
}

#[test]
fn exchanged_doubled_dropped_and_added_chunks_are_refused() {
    let plaintext = text(3 * FULL + 10);
    let sealed = seal(&plaintext);
    let (header, body) = sealed.split_at(HEADER_BYTES);
    let chunks: Vec<&[u8]> = body.chunks(SEALED).collect();
    let foreign = seal(&plaintext);
    let foreign_last = &foreign[HEADER_BYTES + 3 * SEALED..];
    for order in [
        vec![chunks[1], chunks[0], chunks[2], chunks[3]],
        vec![chunks[0], chunks[0], chunks[2], chunks[3]],
        vec![chunks[0], chunks[2], chunks[3]],
        vec![chunks[0], chunks[1], chunks[3]],
        vec![chunks[3]],
        vec![chunks[0], chunks[1], chunks[2], chunks[2], chunks[3]],
        vec![chunks[0], chunks[1], chunks[2], chunks[3], b"x"],
        vec![chunks[0], chunks[1], chunks[2], chunks[3], chunks[3]],
        vec![chunks[0], chunks[1], chunks[2], foreign_last],
    ] {
        let changed = [&[header], order.as_slice()].concat().concat();
        assert!(matches!(assert_refused(&changed, &plaintext), Error::VerificationFailed));
    }
}

#[test]
fn another_key_or_context_is_refused_before_anything_is_decrypted() {
    let sealed = seal(b"text");
    let (key, other) = (Secret::new(KEY), Secret::new([0xB8; 32]));
    for (key, context) in [(&other, CONTEXT), (&key, b"".as_slice()), (&key, b"context of the tests")] {
        let result = Decryptor::new(sealed.as_slice(), key, context);
        assert!(matches!(result, Err(Error::WrongKeyOrContext)));
    }
}

#[test]
fn two_streams_of_one_text_differ() {
    let (first, second) = (seal(&text(100)), seal(&text(100)));
    assert_ne!(first[..SALT_BYTES], second[..SALT_BYTES]);
    assert_ne!(first[HEADER_BYTES..], second[HEADER_BYTES..]);
}

#[test]
fn the_chunk_counter_stops() {
    let mut stream = Encryptor::new(sink(), &Secret::new(KEY), CONTEXT).unwrap();
    stream.chunk_next = CHUNKS_MAX - 1;
    stream.write_all(&text(FULL)).unwrap();
    let error = Error::from(stream.write_all(&text(FULL)).unwrap_err());
    assert!(matches!(error, Error::LimitExceeded { got, .. } if got == CHUNKS_MAX));
    assert!(matches!(stream.finish(), Err(Error::Misuse { .. })));

    let sealed = seal(&text(FULL));
    let mut stream = open(&sealed).unwrap();
    stream.chunk_next = CHUNKS_MAX;
    let error = Error::from(stream.read(&mut [0]).unwrap_err());
    assert!(matches!(error, Error::LimitExceeded { .. }));
}

#[test]
fn nonces_follow_the_counter_in_the_last_five_bytes() {
    let (keys, _) = Keys::derive(&Secret::new(KEY), &[0; SALT_BYTES], CONTEXT).unwrap();
    let base = keys.nonce(0).unwrap();
    assert_eq!(&base, keys.base_nonce.expose());
    let mut last = base;
    for (byte, ones) in last[7..].iter_mut().zip([0x3F, 0xFF, 0xFF, 0xFF, 0xFF]) {
        *byte ^= ones;
    }
    assert_eq!(keys.nonce(CHUNKS_MAX - 1).unwrap(), last);
}

/// Gives its bytes in pieces of changing length, with errors between them that may be tried again.
struct Fitful<'a> {
    rest: &'a [u8],
    calls: usize,
}

impl Read for Fitful<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        self.calls += 1;
        match self.calls % 5 {
            0 => Err(ErrorKind::Interrupted.into()),
            1 => Err(ErrorKind::WouldBlock.into()),
            step => {
                let count = (step * 1000).min(out.len());
                self.rest.read(&mut out[..count])
            }
        }
    }
}

#[test]
fn errors_of_the_reader_lose_nothing() {
    let plaintext = text(3 * FULL + 10);
    let sealed = seal(&plaintext);
    let (header, rest) = sealed.split_at(HEADER_BYTES);
    let reader = header.chain(Fitful { rest, calls: 0 });
    let mut stream = Decryptor::new(reader, &Secret::new(KEY), CONTEXT).unwrap();
    let (mut out, mut blocked) = (Vec::new(), 0);
    let mut piece = [0; 777];
    loop {
        match stream.read(&mut piece) {
            Ok(0) => break,
            Ok(count) => out.extend_from_slice(&piece[..count]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => blocked += 1,
            Err(error) => panic!("{error:?}"),
        }
    }
    assert_eq!(out, plaintext);
    assert!(blocked > 3);
}

/// Takes a number of bytes, then fails.
struct Full(usize);

impl Write for Full {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        let count = data.len().min(self.0);
        self.0 -= count;
        if count == 0 { Err(ErrorKind::StorageFull.into()) } else { Ok(count) }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_writer_that_fails_ends_the_stream() {
    let key = Secret::new(KEY);
    assert!(matches!(Encryptor::new(Full(10), &key, CONTEXT), Err(Error::Io(_))));
    for direct in [true, false] {
        let mut stream = Encryptor::new(Full(HEADER_BYTES + FULL), &key, CONTEXT).unwrap();
        let plaintext = text(FULL);
        let (first, second) = plaintext.split_at(if direct { FULL } else { 5 });
        let error = stream.write_all(first).and_then(|()| stream.write_all(second)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::StorageFull);
        assert!(matches!(Error::from(stream.write(b"x").unwrap_err()), Error::Misuse { .. }));
        assert!(stream.flush().is_err());
        assert!(matches!(stream.finish(), Err(Error::Misuse { .. })));
    }
    let mut stream = Encryptor::new(Full(HEADER_BYTES + 3), &key, CONTEXT).unwrap();
    stream.write_all(b"1234").unwrap();
    assert!(matches!(stream.finish(), Err(Error::Io(_))));
}

#[test]
fn a_damaged_chunk_is_found_by_a_seek_into_it() {
    let plaintext = text(3 * FULL);
    let mut sealed = seal(&plaintext);
    sealed[HEADER_BYTES + SEALED + 5] ^= 1;
    let mut stream = open(&sealed).unwrap();
    let mut out = [0; 4];
    stream.seek(SeekFrom::End(-4)).unwrap();
    stream.read_exact(&mut out).unwrap();
    assert_eq!(out, plaintext[3 * FULL - 4..]);
    stream.seek(SeekFrom::Start(FULL as u64 + 100)).unwrap();
    let error = Error::from(stream.read(&mut out).unwrap_err());
    assert!(matches!(error, Error::VerificationFailed));
    assert!(stream.seek(SeekFrom::Start(0)).is_err());
}

#[test]
fn seeking_a_cut_stream_is_refused() {
    let sealed = seal(&text(2 * FULL + 5));
    for bytes in [HEADER_BYTES, HEADER_BYTES + SEALED, HEADER_BYTES + 2 * SEALED, HEADER_BYTES + 2 * SEALED + 15] {
        let mut stream = open(&sealed[..bytes]).unwrap();
        let error = Error::from(stream.seek(SeekFrom::Start(0)).unwrap_err());
        assert!(matches!(error, Error::Truncated { .. }), "{bytes}");
    }
    let mut stream = open(&sealed[..sealed.len() - 1]).unwrap();
    assert!(matches!(stream.plaintext_bytes(), Err(Error::VerificationFailed)));
}

#[test]
fn places_outside_the_text_are_handled() {
    let sealed = [b"something before".as_slice(), &seal(&text(FULL))].concat();
    let mut reader = Cursor::new(sealed.as_slice());
    reader.set_position(16);
    let mut stream = Decryptor::new(reader, &Secret::new(KEY), CONTEXT).unwrap();
    assert_eq!(stream.plaintext_bytes().unwrap(), FULL as u64);
    assert_eq!(stream.seek(SeekFrom::End(-1)).unwrap(), FULL as u64 - 1);
    assert_eq!(stream.seek(SeekFrom::Current(500)).unwrap(), FULL as u64 + 499);
    assert_eq!(stream.read(&mut [0]).unwrap(), 0);
    assert!(stream.seek(SeekFrom::Current(-30_000)).is_err());
    assert_eq!(stream.stream_position().unwrap(), FULL as u64 + 499);
    stream.rewind().unwrap();
    assert_eq!(copy(&mut stream, &mut sink()).unwrap(), FULL as u64);
}

#[test]
fn debug_shows_no_secret() {
    let encryptor = Encryptor::new(Vec::new(), &Secret::new(KEY), CONTEXT).unwrap();
    let sealed = seal(b"QQQQQQQQ");
    let mut decryptor = open(&sealed).unwrap();
    decryptor.fill_buf().unwrap();
    let (keys, _) = Keys::derive(&Secret::new(KEY), sealed[..SALT_BYTES].try_into().unwrap(), CONTEXT).unwrap();
    let nonce = keys.base_nonce.expose();
    let text = format!("{encryptor:?}{encryptor:#?}{decryptor:?}{decryptor:#?}").to_lowercase();
    for bytes in [&KEY[..2], &nonce[..2], b"QQ"] {
        for shape in [hex::encode(bytes), format!("{}, {}", bytes[0], bytes[1])] {
            assert!(!text.contains(&shape), "{text}");
        }
    }
    assert!(!text.contains("qq"), "{text}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn texts_of_lengths_around_chunk_borders_come_back(
        chunks in 0_usize..4, around in -3_isize..=3, pieces in prop::collection::vec(1_usize..40_000, 1..6),
    ) {
        let plaintext = text((chunks * FULL).saturating_add_signed(around));
        let mut stream = Encryptor::new(Vec::new(), &Secret::new(KEY), CONTEXT).unwrap();
        let mut rest = plaintext.as_slice();
        for piece in pieces.iter().cycle() {
            let (head, tail) = rest.split_at((*piece).min(rest.len()));
            stream.write_all(head).unwrap();
            stream.flush().unwrap();
            rest = tail;
            if rest.is_empty() { break; }
        }
        let sealed = stream.finish().unwrap();
        prop_assert_eq!(sealed.len() as u64, sealed_bytes(plaintext.len() as u64));
        let (out, result) = read_all(&sealed);
        result.unwrap();
        prop_assert!(out == plaintext);
    }

    #[test]
    fn seeks_read_what_a_slice_holds(
        bytes in 0_usize..70_000, places in prop::collection::vec((0_usize..80_000, 0_usize..20_000), 1..12),
    ) {
        let plaintext = text(bytes);
        let sealed = seal(&plaintext);
        let mut stream = open(&sealed).unwrap();
        for (place, length) in places {
            prop_assert_eq!(stream.seek(SeekFrom::Start(place as u64)).unwrap(), place as u64);
            let mut out = Vec::new();
            stream.by_ref().take(length as u64).read_to_end(&mut out).unwrap();
            let expected = plaintext.get(place..).unwrap_or_default();
            prop_assert!(out == expected[..length.min(expected.len())]);
            prop_assert_eq!(stream.stream_position().unwrap(), (place + out.len()) as u64);
        }
    }

    #[test]
    fn a_stream_cut_anywhere_is_refused(bytes in 0_usize..40_000, cut in any::<prop::sample::Index>()) {
        let plaintext = text(bytes);
        let sealed = seal(&plaintext);
        assert_refused(&sealed[..cut.index(sealed.len())], &plaintext);
    }
}
