//! Cards: a card that is read is the card that is written, and a changed one is refused.
#![no_main]

use arbitrary::{Arbitrary, Unstructured};
use libfuzzer_sys::fuzz_target;
use symbolon_policy::{Card, CardContents, CardIdentity, Digest, SealingKeyEntry, Timestamp};
use symbolon_primitives::secret::Secret;
use symbolon_primitives::sign::SigningKey;

/// A card to make, and what happens to its document.
#[derive(Arbitrary, Debug)]
struct Issued<'a> {
    institution: &'a str,
    endpoint: &'a str,
    created: u32,
    sealing_keys: Vec<(&'a str, u8)>,
    sequence: u64,
    flips: Vec<(u16, u8)>,
}

impl Issued<'_> {
    fn contents(&self) -> Option<CardContents> {
        let entry = |(suite, length): &(&str, u8)| {
            Some(SealingKeyEntry { suite: suite.parse().ok()?, key: vec![*length; usize::from(*length)] })
        };
        Some(CardContents {
            institution: self.institution.parse().ok()?,
            tls_spki: Digest::of(self.institution.as_bytes()),
            endpoint: self.endpoint.parse().ok()?,
            created: Timestamp::from_unix_seconds(i64::from(self.created)).ok()?,
            sealing_keys: self.sealing_keys.iter().map(entry).collect::<Option<_>>()?,
            identity: CardIdentity { sequence: self.sequence, ..CardIdentity::default() },
        })
    }
}

fn check(card: &Card) {
    let text = card.to_toml();
    let again = Card::from_toml(&text).expect("a card's own document");
    assert_eq!(again, *card);
    assert_eq!(again.fingerprint(), card.fingerprint());
    assert_eq!(again.to_toml(), text);
}

fn issued(input: &Issued<'_>) {
    let Some(contents) = input.contents() else { return };
    let Ok(card) = Card::issue(contents, &SigningKey::from_seed(&Secret::new([1; 32]))) else { return };
    check(&card);
    let mut bytes = card.to_toml().into_bytes();
    for (at, mask) in input.flips.iter().take(8) {
        let at = usize::from(*at) % bytes.len();
        bytes[at] ^= mask;
    }
    let Ok(text) = String::from_utf8(bytes) else { return };
    if let Ok(read) = Card::from_toml(&text) {
        assert_eq!(read, card, "only comments and blanks may change");
    }
}

// A document, or behind a zero byte a card to make.
fuzz_target!(|data: &[u8]| {
    if let Some((0, rest)) = data.split_first() {
        if let Ok(input) = Issued::arbitrary_take_rest(Unstructured::new(rest)) {
            issued(&input);
        }
        return;
    }
    let Ok(text) = std::str::from_utf8(data) else { return };
    match Card::from_toml(text) {
        Ok(card) => check(&card),
        // What it says is safe to print, whatever the document holds.
        Err(error) => assert!(!error.label().is_empty() && !error.to_string().contains(['\u{1b}', '\0'])),
    }
});
