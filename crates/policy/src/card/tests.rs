use std::collections::HashSet;

use proptest::prelude::*;

use super::*;
use crate::fixtures::{key, text};

fn contents() -> CardContents {
    CardContents {
        institution: text("North Bank"),
        tls_spki: Digest::of(b"bank tls"),
        endpoint: "node.bank.example:7700".parse().unwrap(),
        created: "2026-10-01T00:00:00Z".parse().unwrap(),
        sealing_keys: vec![
            SealingKeyEntry { suite: text("x25519"), key: vec![7; 32] },
            SealingKeyEntry { suite: text("x-wing"), key: vec![9; 1216] },
        ],
    }
}

fn card() -> Card {
    Card::issue(contents(), &key(1)).unwrap()
}

#[test]
fn a_card_comes_back_from_its_document() {
    let card = card();
    let again = Card::from_toml(&card.to_toml()).unwrap();
    assert_eq!(again, card);
    assert_eq!(again.contents(), &contents());
    assert_eq!(again.organisation_key(), &key(1).verifying_key());
    assert_eq!(again.sealing_key("x25519"), Some(&[7; 32][..]));
    assert_eq!(again.sealing_key("rsa"), None);
}

#[test]
fn the_fingerprint_is_sixteen_groups_and_depends_on_every_field() {
    let shown = card().fingerprint().to_string();
    assert_eq!(shown.split(' ').count(), 16);
    assert!(shown.split(' ').all(|group| group.len() == 4 && group.bytes().all(|byte| byte.is_ascii_hexdigit())));
    // No `..` here: a new field must be added to the edits below.
    let CardContents { institution: _, tls_spki: _, endpoint: _, created: _, sealing_keys: _ } = contents();
    let edits: [fn(&mut CardContents); 9] = [
        |_| (),
        |it| it.institution = text("North Bank2"),
        |it| it.tls_spki = Digest::of(b"other"),
        |it| it.endpoint = "node.bank.example:7701".parse().unwrap(),
        |it| it.endpoint = "node.bank2.example:7700".parse().unwrap(),
        |it| it.created = "2026-10-01T00:00:01Z".parse().unwrap(),
        |it| it.sealing_keys[0].suite = text("x25518"),
        |it| it.sealing_keys[1].key[5] ^= 1,
        |it| drop(it.sealing_keys.pop()),
    ];
    let mut seen = HashSet::new();
    for (index, edit) in edits.iter().enumerate() {
        let mut contents = contents();
        edit(&mut contents);
        assert!(seen.insert(Card::issue(contents, &key(1)).unwrap().fingerprint()), "edit {index} changes nothing");
    }
    assert!(seen.insert(Card::issue(contents(), &key(2)).unwrap().fingerprint()));
}

#[test]
fn a_changed_card_is_refused() {
    let whole = card().to_toml();
    for (from, to) in [
        ("North Bank", "South Bank"),
        (":7700", ":7701"),
        ("2026-10-01", "2026-10-02"),
        ("\"x25519\"", "\"x25518\""),
        ("BwcHBwcH", "BwcHBwcI"),
    ] {
        let edited = whole.replacen(from, to, 1);
        assert_ne!(edited, whole, "{from}");
        assert!(matches!(Card::from_toml(&edited), Err(Error::CardSignatureInvalid)), "{from}");
    }
    let other_key = whole.replace(&key(1).verifying_key().to_string(), &key(2).verifying_key().to_string());
    assert!(matches!(Card::from_toml(&other_key), Err(Error::CardSignatureInvalid)));
}

#[test]
fn complaints_name_the_field() {
    let whole = card().to_toml();
    for (from, to, message) in [
        ("institution = ", "# ", "`institution` is missing: add it"),
        ("North Bank", "", "`institution` is empty: fill it in"),
        (
            "symbolon-card/1",
            "symbolon-card/2",
            "`format` must be \"symbolon-card/1\": this version reads no other format",
        ),
        (
            "suite = \"x-wing\"",
            "suite = \"x25519\"",
            "`suite` in [[sealing_key]] 2 repeats a value given earlier where each must be different: change or remove \
             one of them",
        ),
        (
            "suite = \"x25519\"",
            "note = 1\nsuite = \"x25519\"",
            "[[sealing_key]] 1 has a field `note` that this format does not know: remove it or correct its name",
        ),
        (
            "created = \"2026-10-01T00:00:00Z\"",
            "created = 5",
            "`created` is not a time such as 2026-01-31T09:00:00Z, in whole seconds, of the years 1970 to 9999: rewrite \
             it so",
        ),
        (":7700", "", "`endpoint` is not `host:port`, such as node.example.org:7700 or [2001:db8::1]:7700: correct it"),
    ] {
        let edited = whole.replacen(from, to, 1);
        assert_ne!(edited, whole, "{from}");
        assert_eq!(Card::from_toml(&edited).unwrap_err().to_string(), message);
    }
    let none = whole.split("[[sealing_key]]").next().unwrap();
    let message = Card::from_toml(none).unwrap_err().to_string();
    assert_eq!(message, "`sealing_key` has 0 entries, 1 to 8 are allowed: add or remove some");
    assert!(matches!(Card::from_toml(&" ".repeat(CARD_BYTES_MAX + 1)), Err(Error::TooLarge { .. })));
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in "\\PC{0,200}") {
        prop_assert!(Card::from_toml(&text).is_err());
    }

    #[test]
    fn no_cut_or_changed_card_makes_it_panic_or_passes(
        at in 0_usize..2400,
        byte in 0x20_u8..0x7F,
        cut in any::<bool>(),
    ) {
        let whole = card().to_toml();
        let at = at % whole.len();
        let mut bytes = whole.into_bytes();
        if cut { bytes.truncate(at) } else { bytes[at] = byte }
        if let Ok(read) = Card::from_toml(&String::from_utf8(bytes).unwrap()) {
            prop_assert_eq!(read, card());
        }
    }
}
