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
        identity: CardIdentity::default(),
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
    let CardContents { institution: _, tls_spki: _, endpoint: _, created: _, sealing_keys: _, identity: _ } =
        contents();
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

#[test]
fn a_card_without_an_identity_part_has_the_bytes_of_earlier_releases() {
    let contents = contents();
    let mut out = Canonical::new(CARD_FORMAT);
    out.text("North Bank");
    out.text("node.bank.example:7700");
    out.bytes(&key(1).verifying_key().to_bytes());
    out.bytes(contents.tls_spki.as_bytes());
    out.time(contents.created);
    out.count(2);
    for entry in &contents.sealing_keys {
        out.text(entry.suite.as_str());
        out.bytes(&entry.key);
    }
    let before: [u8; 32] = Sha256::digest(out.finish()).into();
    assert_eq!(card().fingerprint().as_bytes(), &before);
    let document = card().to_toml();
    for field in ["sequence", "spiffe_id", "tls_anchor", "tls_pin", "rotation", "revoked"] {
        assert!(!document.contains(field), "{field}");
    }
}

fn identity() -> CardIdentity {
    let time = |text: &str| text.parse().unwrap();
    let (made, until) = (time("2026-10-02T00:00:00Z"), time("2026-10-09T00:00:00Z"));
    CardIdentity {
        sequence: 7,
        spiffe_id: Some("spiffe://bank.example/symbolon/1".parse().unwrap()),
        tls_anchor: Anchor::Authority,
        tls_pins: vec![TlsPin { spki: Digest::of(b"x"), anchor: Anchor::Leaf, not_before: made, not_after: until }],
        rotations: vec![Rotation::make(&key(3), &key(1), made, until).unwrap()],
        revoked: vec![RevokedKey::Tls(Digest::of(b"lost")), RevokedKey::Organisation(key(3).verifying_key())],
    }
}

#[test]
fn every_field_of_the_identity_part_counts_and_comes_back() {
    let edits: [fn(&mut CardIdentity); 12] = [
        |_| (),
        |it| it.sequence = 8,
        |it| it.spiffe_id = Some("spiffe://bank.example/symbolon/2".parse().unwrap()),
        |it| it.tls_anchor = Anchor::Leaf,
        |it| it.tls_pins[0].spki = Digest::of(b"y"),
        |it| it.tls_pins[0].anchor = Anchor::Authority,
        |it| it.tls_pins[0].not_before = "2026-10-03T00:00:00Z".parse().unwrap(),
        |it| it.tls_pins[0].not_after = "2026-10-10T00:00:00Z".parse().unwrap(),
        |it| it.tls_pins.clear(),
        |it| it.rotations.clear(),
        |it| it.revoked.truncate(1),
        |it| it.revoked.reverse(),
    ];
    let mut seen = HashSet::new();
    for (index, edit) in edits.iter().enumerate() {
        let mut contents = CardContents { identity: identity(), ..contents() };
        edit(&mut contents.identity);
        let card = Card::issue(contents, &key(1)).unwrap();
        assert_eq!(Card::from_toml(&card.to_toml()).unwrap(), card, "edit {index}");
        assert!(seen.insert(card.fingerprint()), "edit {index} changes nothing");
    }
}

#[test]
fn an_identity_part_that_makes_no_sense_is_refused() {
    let refused = |edit: fn(&mut CardIdentity), message: &str| {
        let mut contents = CardContents { identity: identity(), ..contents() };
        edit(&mut contents.identity);
        let error = Card::issue(contents, &key(1)).unwrap_err().to_string();
        assert!(error.starts_with(message), "{error}");
    };
    refused(|it| it.spiffe_id = None, "`spiffe_id` is missing");
    refused(|it| it.tls_pins[0].spki = Digest::of(b"bank tls"), "`spki` in [[tls_pin]] 1 repeats");
    refused(|it| it.tls_pins[0].not_after = it.tls_pins[0].not_before, "`not_after` in [[tls_pin]] 1 is not later");
    refused(|it| it.tls_pins = vec![it.tls_pins[0]; 9], "`tls_pin` has 9 entries");
    refused(|it| it.revoked = vec![RevokedKey::Tls(Digest::of(b"bank tls"))], "`revoked` repeats");
    refused(|it| it.revoked = vec![RevokedKey::Organisation(key(1).verifying_key())], "`revoked` repeats");
    refused(|it| it.revoked = vec![it.revoked[0]; 2], "`revoked` repeats");
    let whole = Card::issue(CardContents { identity: identity(), ..contents() }, &key(1)).unwrap().to_toml();
    for (from, to, message) in [
        ("spiffe://bank", "spiffe://Bank", "`spiffe_id` is not a SPIFFE id"),
        ("\"authority\"", "\"both\"", "`tls_anchor` must be one of"),
        ("revoked = [\"sha256:", "revoked = [\"sha255:", "`revoked` is not a valid"),
    ] {
        let error = Card::from_toml(&whole.replacen(from, to, 1)).unwrap_err().to_string();
        assert!(error.starts_with(message), "{error}");
    }
    let made = "2026-10-02T00:00:00Z".parse().unwrap();
    assert!(Rotation::make(&key(1), &key(1), made, made).is_err());
    assert!(Rotation::make(&key(1), &key(2), made, "2026-10-01T00:00:00Z".parse().unwrap()).is_err());
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
