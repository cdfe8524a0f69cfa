//! Agreements: one that is read is the one that is written, under the same identifier, and one that was changed after
//! signing is refused.
#![no_main]

use std::sync::LazyLock;

use arbitrary::{Arbitrary, Unstructured};
use libfuzzer_sys::fuzz_target;
use symbolon_policy::{Seat, SignedAgreement, State, state_in_words, summary};
use symbolon_primitives::secret::Secret;
use symbolon_primitives::sign::SigningKey;

/// The keys of the parties in the seeds.
static KEYS: LazyLock<[SigningKey; 2]> =
    LazyLock::new(|| [1, 2].map(|seed| SigningKey::from_seed(&Secret::new([seed; 32]))));

const SEED: &str = include_str!("../seeds/policy_agreement/active.toml");

#[derive(Arbitrary, Debug)]
enum Change<'a> {
    Flip(u16, u8),
    Insert(u16, &'a str),
    Remove(u16, u16),
    Repeat(u16, u16),
}

fn check(signed: &SignedAgreement) {
    let text = signed.to_toml();
    let again = SignedAgreement::from_toml(&text).expect("an agreement's own document");
    assert_eq!(again, *signed);
    assert_eq!((again.id(), again.state()), (signed.id(), signed.state()));
    assert_eq!(again.to_toml(), text);
    for seat in Seat::BOTH {
        let words = summary(signed.agreement(), seat).to_string();
        assert!(!words.contains(|each: char| each.is_control() && each != '\n'), "{words:?}");
    }
    assert!(!state_in_words(signed).is_empty());
}

/// Reads a document that may be anything.
fn read(text: &str) -> Option<SignedAgreement> {
    match SignedAgreement::from_toml(text) {
        Ok(signed) => {
            check(&signed);
            let mut both = signed.clone();
            for key in KEYS.iter() {
                if let Ok(seat) = both.sign(key) {
                    assert!(both.signature(seat).is_some());
                }
            }
            assert_eq!(both.id(), signed.id());
            check(&both);
            Some(signed)
        }
        Err(error) => {
            assert!(!error.label().is_empty() && !error.to_string().contains(['\u{1b}', '\0']));
            None
        }
    }
}

fn change(text: &mut Vec<u8>, change: &Change<'_>) {
    let length = text.len();
    let range = |at: u16, count: u16| {
        let start = usize::from(at) % (length + 1);
        start..(start + usize::from(count % 512)).min(length)
    };
    match change {
        Change::Flip(at, mask) => {
            if let Some(byte) = text.get_mut(range(*at, 0).start) {
                *byte ^= mask;
            }
        }
        Change::Insert(at, new) => drop(text.splice(range(*at, 0), new.bytes())),
        Change::Remove(at, count) => drop(text.drain(range(*at, *count))),
        Change::Repeat(at, count) => {
            let range = range(*at, *count);
            let part = text[range.clone()].to_vec();
            text.splice(range.end..range.end, part);
        }
    }
}

// A document, or behind a zero byte what is changed in a signed one.
fuzz_target!(|data: &[u8]| {
    let Some((0, rest)) = data.split_first() else {
        if let Ok(text) = std::str::from_utf8(data) {
            read(text);
        }
        return;
    };
    let Ok(changes) = Vec::<Change<'_>>::arbitrary_take_rest(Unstructured::new(rest)) else { return };
    let original = SignedAgreement::from_toml(SEED).expect("the seed is signed by both");
    assert_eq!(original.state(), State::Active);
    let mut text = SEED.as_bytes().to_vec();
    changes.iter().take(8).for_each(|each| change(&mut text, each));
    let Ok(text) = String::from_utf8(text) else { return };
    if let Some(signed) = read(&text)
        && signed.state() != State::Draft
    {
        assert_eq!(signed.agreement(), original.agreement(), "a signature holds for the terms it was given for");
    }
});
