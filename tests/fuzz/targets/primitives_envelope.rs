//! Sealed files: arbitrary bytes never open, and a valid file that was changed gives an error after at most a part
//! of its content.
//!
//! Sealing draws from the system, so a file differs from run to run; what must hold of it does not.
#![no_main]

use std::io::{Cursor, Read, Seek, SeekFrom};
use std::sync::LazyLock;

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use symbolon_primitives::Error;
use symbolon_primitives::envelope::{FileContext, MAGIC, VERSION, decryptor, open, seal};
use symbolon_primitives::hpke::{SealingKey, Suite};
use symbolon_primitives::secret::Secret;
use symbolon_primitives::sign::SigningKey;

struct Keys {
    sender: SigningKey,
    recipients: [SealingKey; 2],
}

static KEYS: LazyLock<Keys> = LazyLock::new(|| Keys {
    sender: SigningKey::from_seed(&Secret::new([1; 32])),
    recipients: [Suite::X25519, Suite::XWing]
        .map(|suite| SealingKey::from_seed(suite, Secret::new([2; 32])).expect("any seed makes a key")),
});

#[derive(Arbitrary, Debug)]
enum Input<'a> {
    /// A file that nobody sealed, with the right front or without.
    Made { front: bool, rest: &'a [u8] },
    /// A sealed file, and what happens to it.
    Sealed { post_quantum: bool, length: u16, job: &'a [u8], changes: Vec<Change>, reads: Vec<(u16, u16)>, piece: u8 },
}

#[derive(Arbitrary, Debug)]
enum Change {
    Flip(u32, u8),
    Cut(u32),
    Extend(Vec<u8>),
    /// A piece of the file moves to another place.
    Move {
        from: u32,
        to: u32,
        length: u16,
    },
}

/// Gives at most `piece` bytes a call.
struct Pieces<'a>(&'a [u8], usize);

impl Read for Pieces<'_> {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        let count = out.len().min(self.1);
        self.0.read(&mut out[..count])
    }
}

fn expected_error(error: &Error) {
    let of_the_file = matches!(
        error,
        Error::Encoding { .. }
            | Error::LimitExceeded { .. }
            | Error::Truncated { .. }
            | Error::WrongKeyOrContext
            | Error::VerificationFailed
    );
    assert!(of_the_file, "a changed file gives {error:?}");
}

fn change(file: &mut Vec<u8>, change: &Change) {
    let place = |at: u32| at as usize % file.len().max(1);
    match change {
        Change::Flip(at, mask) => {
            let at = place(*at);
            if let Some(byte) = file.get_mut(at) {
                *byte ^= mask;
            }
        }
        Change::Cut(length) => file.truncate(*length as usize),
        Change::Extend(bytes) => file.extend(bytes),
        Change::Move { from, to, length } => {
            let (from, to) = (place(*from), place(*to));
            let length = usize::from(*length).min(file.len() - from.max(to));
            file.copy_within(from..from + length, to);
        }
    }
}

fuzz_target!(|input: Input<'_>| {
    let sender = KEYS.sender.verifying_key();
    match input {
        Input::Made { front, rest } => {
            for recipient in &KEYS.recipients {
                let mut file = Vec::new();
                if front {
                    file.extend(MAGIC);
                    file.extend(VERSION.to_be_bytes());
                    file.extend(recipient.public_key().id());
                }
                file.extend(rest);
                let mut out = Vec::new();
                let result = open(file.as_slice(), &mut out, recipient, &sender, &FileContext::default());
                expected_error(&result.expect_err("nobody sealed this"));
                assert!(out.is_empty());
            }
        }
        Input::Sealed { post_quantum, length, job, changes, reads, piece } => {
            let recipient = &KEYS.recipients[usize::from(post_quantum)];
            let context = FileContext { job, ..FileContext::default() };
            let text: Vec<u8> = (0..u32::from(length)).map(|at| (at * 31 >> 3) as u8).collect();
            let mut sealed = Vec::new();
            let bytes = seal(text.as_slice(), &mut sealed, recipient.public_key(), &KEYS.sender, &context);
            assert_eq!(bytes.expect("sealing into memory"), u64::from(length));
            let mut file = sealed.clone();
            changes.iter().take(8).for_each(|each| change(&mut file, each));

            let mut out = Vec::new();
            // Small pieces are slow for large files and show nothing new there.
            let piece = usize::from(piece).max(file.len() / 256).max(1);
            match open(Pieces(&file, piece), &mut out, recipient, &sender, &context) {
                Ok(_) => assert!(file == sealed && out == text, "a changed file opened"),
                Err(error) => {
                    assert_ne!(file, sealed, "an unchanged file gives {error:?}");
                    expected_error(&error);
                    assert!(text.starts_with(&out), "content that was not sealed");
                }
            }
            seek(&file, file == sealed, recipient, &context, &text, &reads);
        }
    }
});

/// Reads at chosen places: what comes is what was sealed there.
fn seek(
    file: &[u8],
    unchanged: bool,
    recipient: &SealingKey,
    context: &FileContext<'_>,
    text: &[u8],
    reads: &[(u16, u16)],
) {
    let sender = KEYS.sender.verifying_key();
    let Ok(mut stream) = decryptor(Cursor::new(file), recipient, &sender, context) else {
        assert!(!unchanged);
        return;
    };
    for (at, length) in reads.iter().take(8) {
        if stream.seek(SeekFrom::Start(u64::from(*at))).is_err() {
            assert!(!unchanged);
            return;
        }
        let expected = text.get(usize::from(*at)..).unwrap_or_default();
        let expected = &expected[..expected.len().min(usize::from(*length))];
        let mut out = Vec::new();
        match stream.by_ref().take(u64::from(*length)).read_to_end(&mut out) {
            Ok(_) => assert_eq!(out, expected),
            Err(error) => {
                assert!(!unchanged, "{error:?}");
                assert!(expected.starts_with(&out));
                return;
            }
        }
    }
    if unchanged {
        assert_eq!(stream.plaintext_bytes().expect("a whole stream"), text.len() as u64);
    }
}
