use symbolon_primitives::sign::SigningKey;

use super::*;
use crate::card::{Anchor, CardContents, CardIdentity, Rotation, SealingKeyEntry, TlsPin};
use crate::error::Error;
use crate::fixtures::{draft, key, text};
use crate::time::Timestamp;

fn time(day: u32) -> Timestamp {
    format!("2026-10-{day:02}T00:00:00Z").parse().unwrap()
}

fn contents(sequence: u64) -> CardContents {
    CardContents {
        institution: text("North Bank"),
        tls_spki: Digest::of(b"bank tls"),
        endpoint: "node.bank.example:7700".parse().unwrap(),
        created: time(1),
        sealing_keys: vec![SealingKeyEntry { suite: text("x25519"), key: vec![7; 32] }],
        identity: CardIdentity {
            sequence,
            spiffe_id: Some("spiffe://bank.example/symbolon/1".parse().unwrap()),
            ..CardIdentity::default()
        },
    }
}

fn rotation(old: u8, new: u8) -> Rotation {
    Rotation::make(&key(old), &key(new), time(2), time(9)).unwrap()
}

fn card(signer: &SigningKey, sequence: u64, edit: impl FnOnce(&mut CardContents)) -> Card {
    let mut contents = contents(sequence);
    edit(&mut contents);
    let card = Card::issue(contents, signer).unwrap();
    // Whatever is judged here has gone through a document.
    let again = Card::from_toml(&card.to_toml()).unwrap();
    assert_eq!(again, card);
    again
}

fn first() -> (Card, Lineage) {
    let card = card(&key(1), 1, |_| ());
    let lineage = Lineage::of_card(&card);
    (card, lineage)
}

#[test]
fn a_later_card_with_another_tls_key_is_taken_and_the_old_pin_stays_known() {
    let (card1, lineage) = first();
    let next = card(&key(1), 2, |it| {
        it.tls_spki = Digest::of(b"new tls");
        let old =
            TlsPin { spki: Digest::of(b"bank tls"), anchor: Anchor::Leaf, not_before: time(1), not_after: time(9) };
        it.identity.tls_pins.push(old);
    });
    let lineage = lineage.update(&card1, &next).unwrap().unwrap();
    assert_eq!(lineage.pins(), [Digest::of(b"bank tls"), Digest::of(b"new tls")]);
    assert_eq!(lineage.accepts_party(draft().agreement().party(crate::Seat::First)), Ok(()));
    assert_eq!(lineage.update(&next, &next), Ok(None));
}

#[test]
fn an_organisation_key_is_reached_over_several_changes_at_once() {
    let (card1, lineage) = first();
    let third = card(&key(5), 4, |it| it.identity.rotations = vec![rotation(1, 3), rotation(3, 4), rotation(4, 5)]);
    let lineage = lineage.update(&card1, &third).unwrap().unwrap();
    let keys = [1, 3, 4, 5].map(|seed| key(seed).verifying_key());
    assert_eq!(lineage.keys(), keys);
    // The agreement names the first key.
    assert_eq!(lineage.accepts_party(draft().agreement().party(crate::Seat::First)), Ok(()));
    assert_eq!(lineage.accepts_key(&key(9).verifying_key()), Err(Stale::UnknownKey));
}

#[test]
fn an_older_card_never_comes_back() {
    let (card1, lineage) = first();
    let card2 = card(&key(1), 2, |_| ());
    let lineage = lineage.update(&card1, &card2).unwrap().unwrap();
    assert_eq!(lineage.update(&card2, &card1), Err(UpdateRefused::Rollback));
    let twin = card(&key(1), 2, |it| it.tls_spki = Digest::of(b"other"));
    assert_eq!(lineage.update(&card2, &twin), Err(UpdateRefused::Rollback));
    // Nor does an organisation key that was given up.
    let moved = card(&key(3), 3, |it| it.identity.rotations = vec![rotation(1, 3)]);
    let lineage = lineage.update(&card2, &moved).unwrap().unwrap();
    let back = card(&key(1), 9, |_| ());
    assert_eq!(lineage.update(&moved, &back), Err(UpdateRefused::Foreign));
    let around = card(&key(1), 9, |it| it.identity.rotations = vec![rotation(3, 1)]);
    assert_eq!(lineage.update(&moved, &around), Err(UpdateRefused::Foreign));
}

#[test]
fn a_card_of_somebody_else_is_refused() {
    let (card1, lineage) = first();
    let stranger = card(&key(8), 2, |_| ());
    assert_eq!(lineage.update(&card1, &stranger), Err(UpdateRefused::Foreign));
    let with_history = card(&key(8), 2, |it| it.identity.rotations = vec![rotation(7, 8)]);
    assert_eq!(lineage.update(&card1, &with_history), Err(UpdateRefused::Foreign));
    let renamed = card(&key(1), 2, |it| it.institution = text("South Bank"));
    assert_eq!(lineage.update(&card1, &renamed), Err(UpdateRefused::AnotherName));
    let moved = card(&key(1), 2, |it| it.identity.spiffe_id = Some("spiffe://evil.example/a".parse().unwrap()));
    assert_eq!(lineage.update(&card1, &moved), Err(UpdateRefused::AnotherName));
    let unnamed = card(&key(1), 2, |it| it.identity.spiffe_id = None);
    assert_eq!(lineage.update(&card1, &unnamed), Err(UpdateRefused::AnotherName));
}

#[test]
fn a_forged_change_of_key_is_no_card() {
    // The statement of another pair of keys, with the names of the keys edited.
    let honest = card(&key(4), 2, |it| it.identity.rotations = vec![rotation(3, 4)]).to_toml();
    let (old, wanted) = (key(3).verifying_key().to_string(), key(1).verifying_key().to_string());
    let forged = honest.replace(&old, &wanted);
    assert_ne!(honest, forged);
    assert!(matches!(Card::from_toml(&forged), Err(Error::RotationInvalid { number: 1 })));
    for field in ["old_signature", "new_signature"] {
        let line = honest.lines().find(|line| line.starts_with(field)).unwrap();
        let other = format!("{field} = \"{}\"", symbolon_primitives::sign::Signature::from_bytes([5; 64]));
        let forged = honest.replace(line, &other);
        assert!(matches!(Card::from_toml(&forged), Err(Error::RotationInvalid { number: 1 })), "{field}");
    }
    // A chain with a gap, and one that ends elsewhere than at the card's key.
    let mut gap = contents(2);
    gap.identity.rotations = vec![rotation(1, 3), rotation(4, 5)];
    assert!(matches!(Card::issue(gap, &key(5)), Err(Error::Field { .. })));
    let mut elsewhere = contents(2);
    elsewhere.identity.rotations = vec![rotation(1, 3)];
    assert!(matches!(Card::issue(elsewhere, &key(5)), Err(Error::Field { .. })));
    let mut circle = contents(2);
    circle.identity.rotations = vec![rotation(1, 3), rotation(3, 1)];
    assert!(matches!(Card::issue(circle, &key(1)), Err(Error::Field { .. })));
}

#[test]
fn a_withdrawn_key_is_never_accepted_even_when_an_agreement_names_it() {
    let (card1, lineage) = first();
    let old = RevokedKey::Organisation(key(1).verifying_key());
    let moved = card(&key(3), 2, |it| {
        it.identity.rotations = vec![rotation(1, 3)];
        it.identity.revoked = vec![old];
    });
    let lineage = lineage.update(&card1, &moved).unwrap().unwrap();
    assert!(lineage.is_revoked(&old));
    assert_eq!(lineage.accepts_party(draft().agreement().party(crate::Seat::First)), Err(Stale::RevokedKey));
    // Who still knows only the old key and knows it to be withdrawn follows no change made with it.
    let early = Lineage::new(vec![key(1).verifying_key()], vec![Digest::of(b"bank tls")], vec![old]);
    assert_eq!(early.update(&card1, &moved), Err(UpdateRefused::Revoked));
    // A withdrawn TLS key cannot come back on a later card.
    let pin = RevokedKey::Tls(Digest::of(b"bank tls"));
    let known = Lineage::new(vec![key(1).verifying_key()], vec![Digest::of(b"bank tls")], vec![pin]);
    assert_eq!(known.update(&card1, &card(&key(1), 2, |_| ())), Err(UpdateRefused::Revoked));
}

#[test]
fn a_withdrawn_tls_key_leaves_the_agreement_to_the_present_one() {
    let (card1, lineage) = first();
    let pin = RevokedKey::Tls(Digest::of(b"bank tls"));
    let next = card(&key(1), 2, |it| {
        it.tls_spki = Digest::of(b"new tls");
        it.identity.revoked = vec![pin];
    });
    let lineage = lineage.update(&card1, &next).unwrap().unwrap();
    assert!(lineage.is_revoked(&pin));
    assert_eq!(lineage.accepts_party(draft().agreement().party(crate::Seat::First)), Ok(()));
}

#[test]
fn a_card_withdraws_keys_of_its_own_institution_only() {
    let (card1, lineage) = first();
    let foreign = RevokedKey::Tls(Digest::of(b"bureau tls"));
    let next = card(&key(1), 2, |it| it.identity.revoked = vec![foreign]);
    assert!(!lineage.update(&card1, &next).unwrap().unwrap().is_revoked(&foreign));
}

#[test]
fn an_agreement_with_keys_nobody_knows_is_refused() {
    let (_, lineage) = first();
    assert_eq!(lineage.accepts_party(draft().agreement().party(crate::Seat::Second)), Err(Stale::UnknownPin));
    let other_key = Lineage::new(vec![key(9).verifying_key()], vec![Digest::of(b"bank tls")], Vec::new());
    let party = draft();
    assert_eq!(other_key.accepts_party(party.agreement().party(crate::Seat::First)), Err(Stale::UnknownKey));
}
