use super::AgreementInput::{Document, Id};
use super::*;
use crate::ops::testing::{Pair, spec};

fn edited(document: &[u8], from: &str, to: &str) -> Vec<u8> {
    let text = text_of(document).unwrap();
    assert!(text.contains(from), "{text}");
    text.replacen(from, to, 1).into_bytes()
}

#[tokio::test]
async fn an_agreement_becomes_active_by_files() {
    let pair = Pair::new().await;
    let draft = pair.draft().await;
    let signed = pair.bank.agreement_sign(Document(draft.clone())).await.unwrap();
    assert_eq!(signed.record.state, AgreementState::Signed);
    let kept = text_of(&draft).unwrap().trim_end();
    assert!(text_of(&signed.document).unwrap().starts_with(kept), "people's text stays as it is");
    let both = pair.bureau.agreement_sign(Document(signed.document)).await.unwrap();
    assert_eq!(both.record.state, AgreementState::Active);
    let accepted = pair.bank.agreement_accept(Document(both.document)).await.unwrap();
    assert_eq!(accepted.record.state, AgreementState::Active);
    let record = pair.bank.store().agreement(accepted.record.id).await.unwrap().unwrap();
    assert_eq!(read_active(&record).unwrap().state(), State::Active);
}

#[tokio::test]
async fn signatures_given_apart_come_together() {
    let pair = Pair::new().await;
    let draft = pair.draft().await;
    pair.bank.agreement_sign(Document(draft.clone())).await.unwrap();
    let other = pair.bureau.agreement_sign(Document(draft)).await.unwrap();
    let accepted = pair.bank.agreement_accept(Document(other.document)).await.unwrap();
    assert_eq!(accepted.record.state, AgreementState::Active);
}

#[tokio::test]
async fn signatures_that_arrive_at_once_are_both_kept() {
    let pair = Pair::new().await;
    let draft = pair.draft().await;
    let theirs = pair.bureau.agreement_sign(Document(draft.clone())).await.unwrap().document;
    let ours = pair.bank.agreement_sign(Document(draft)).await.unwrap().record;
    // What a second process that had seen no stored copy would do.
    let theirs = text_of(&theirs).unwrap();
    let signed = SignedAgreement::from_toml(theirs).unwrap();
    let record = pair.bank.record(theirs, &signed, Seat::First);
    assert_eq!(record.state, AgreementState::Proposed);
    assert!(!pair.bank.store().swap_agreement(record, None).await.unwrap());
    assert_eq!(pair.bank.store().agreement(ours.id).await.unwrap().unwrap(), ours, "our signature is not lost");
    let stored = pair.bank.store_document(theirs, Seat::First).await.unwrap();
    assert_eq!(stored.state, AgreementState::Active);
}

#[tokio::test]
async fn an_active_agreement_stays_as_it_is() {
    let pair = Pair::new().await;
    let draft = pair.draft().await;
    let id = pair.active().await;
    let record = pair.bank.store().agreement(id).await.unwrap().unwrap();
    let stored = pair.bank.store_document(text_of(&draft).unwrap(), Seat::First).await.unwrap();
    assert_eq!(stored, record);
}

#[tokio::test]
async fn signing_twice_adds_nothing() {
    let pair = Pair::new().await;
    let once = pair.bank.agreement_sign(Document(pair.draft().await)).await.unwrap();
    let id = hex::encode(once.record.id);
    let twice = pair.bank.agreement_sign(Id(id[..12].to_owned())).await.unwrap();
    assert_eq!(once.document, twice.document);
    let title = pair.bank.agreement_sign(Id("Grades".to_owned())).await.unwrap();
    assert_eq!(once.document, title.document);
}

#[tokio::test]
async fn an_edited_agreement_is_refused_everywhere() {
    let pair = Pair::new().await;
    let signed = pair.bank.agreement_sign(Document(pair.draft().await)).await.unwrap();
    let both = pair.bureau.agreement_sign(Document(signed.document.clone())).await.unwrap();
    let changed = edited(&both.document, "runs_max = 3", "runs_max = 300");
    for error in [
        pair.bank.agreement_accept(Document(changed.clone())).await.unwrap_err(),
        pair.bank.agreement_sign(Document(changed.clone())).await.unwrap_err(),
        pair.bank.agreement_explain(&changed).await.unwrap_err(),
    ] {
        assert_eq!(error.reason(), "AGREEMENT_EDITED", "{error}");
        assert_eq!(error.class(), crate::error::Class::Refused);
    }
    assert_eq!(pair.bank.agreement_list().await.unwrap().len(), 1);
    let state = pair.bank.agreement_list().await.unwrap()[0].record.state;
    assert_eq!(state, AgreementState::Signed, "nothing changed");
}

#[tokio::test]
async fn a_missing_signature_does_not_activate() {
    let pair = Pair::new().await;
    let signed = pair.bank.agreement_sign(Document(pair.draft().await)).await.unwrap();
    for (home, document) in [(&pair.bank, &signed.document), (&pair.bureau, &signed.document)] {
        let error = home.agreement_accept(Document(document.clone())).await.unwrap_err();
        assert_eq!(error.reason(), "AGREEMENT_NOT_ACTIVE");
    }
    assert!(pair.bureau.agreement_list().await.unwrap().is_empty());
    assert!(matches!(read_active(&signed.record), Err(Error::Refused(Refused::NotActive))));
}

#[tokio::test]
async fn nothing_is_signed_that_does_not_fit_the_own_table() {
    let pair = Pair::new().await;
    let draft = pair.draft().await;
    for (document, reason) in [
        (edited(&draft, "table = \"customers\"", "table = \"clients\""), "NOT_FOUND"),
        (edited(&draft, "duplicates = \"reject\"", "duplicates = \"all\""), "TABLE_DIFFERS"),
        (edited(&draft, "type = \"integer\"", "type = \"float\""), "TABLE_DIFFERS"),
        (b"not = an agreement".to_vec(), "DOCUMENT_INVALID"),
        (vec![0xFF, 0xFE], "INVALID_REQUEST"),
    ] {
        let error = pair.bank.agreement_sign(Document(document)).await.unwrap_err();
        assert_eq!(error.reason(), reason, "{error}");
    }
    assert!(pair.bank.agreement_list().await.unwrap().is_empty());
}

#[tokio::test]
async fn strangers_pins_and_other_rules_are_refused() {
    let pair = Pair::new().await;
    let draft = pair.draft().await;
    let other = Pair::new().await;
    let error = other.bank.agreement_sign(Document(draft.clone())).await.unwrap_err();
    assert_eq!(error.reason(), "NOT_A_PARTY");

    let lonely = pair.draft().await;
    let stranger = Pair::new().await;
    let as_peer = text_of(&lonely).unwrap().replace(
        &pair.bureau.keys().organisation_public().to_string(),
        &stranger.bureau.keys().organisation_public().to_string(),
    );
    let error = pair.bank.agreement_sign(Document(as_peer.into_bytes())).await.unwrap_err();
    assert_eq!(error.reason(), "UNKNOWN_PEER");

    let pin = Digest::from_bytes(pair.bureau.keys().spki_pin()).to_string();
    let changed = edited(&draft, &pin, &Digest::of(b"another certificate").to_string());
    assert_eq!(pair.bank.agreement_sign(Document(changed)).await.unwrap_err().reason(), "PIN_DIFFERS");

    let digest = Digest::from_bytes(symbolon_tables::rules_digest()).to_string();
    let changed = edited(&draft, &digest, &Digest::of(b"other rules").to_string());
    assert_eq!(pair.bank.agreement_sign(Document(changed)).await.unwrap_err().reason(), "NORMALISER_DIFFERS");
}

#[tokio::test]
async fn a_table_changed_since_signing_is_noticed() {
    let pair = Pair::new().await;
    let id = pair.active().await;
    let record = pair.bank.store().agreement(id).await.unwrap().unwrap();
    let agreement = read_active(&record).unwrap();
    let own = agreement.agreement().party(Seat::First);
    check_own_side(own, &pair.bank.table_show("customers").await.unwrap()).unwrap();
    let path = pair.dir.path().join("renamed.csv");
    std::fs::write(&path, "number,name\n1,Ann\n").unwrap();
    pair.bank.table_add("customers", spec(&path, "number"), true).await.unwrap();
    let error = check_own_side(own, &pair.bank.table_show("customers").await.unwrap()).unwrap_err();
    assert_eq!(error.reason(), "TABLE_DIFFERS");
}

#[tokio::test]
async fn proposals_and_signatures_come_over_the_peers_connection() {
    let pair = Pair::new().await;
    let (bank_key, bureau_key) =
        (pair.bank.keys().organisation_public().to_bytes(), pair.bureau.keys().organisation_public().to_bytes());
    let signed = pair.bank.agreement_sign(Document(pair.draft().await)).await.unwrap();
    let proposed = pair.bureau.receive_proposal(bank_key, &signed.document).await.unwrap();
    assert_eq!(proposed.state, AgreementState::Proposed);
    assert_eq!(proposed.document, signed.document, "kept byte for byte");
    let accepted = pair.bureau.agreement_accept(Id(hex::encode(proposed.id))).await.unwrap();
    assert_eq!(accepted.record.state, AgreementState::Active);
    assert!(!accepted.returned, "no node of the bank listens");
    let returned = pair.bank.receive_signature(bureau_key, &accepted.document).await.unwrap();
    assert_eq!(returned.state, AgreementState::Active);
}

#[tokio::test]
async fn a_peer_can_plant_nothing() {
    let pair = Pair::new().await;
    let (bank_key, bureau_key) =
        (pair.bank.keys().organisation_public().to_bytes(), pair.bureau.keys().organisation_public().to_bytes());
    let draft = pair.draft().await;
    let signed = pair.bank.agreement_sign(Document(draft.clone())).await.unwrap().document;
    for (key, document, reason) in [
        (bank_key, draft.clone(), "SIGNATURE_INVALID"),
        (bureau_key, signed.clone(), "PEER_WRONG_INSTITUTION"),
        (bank_key, edited(&signed, "runs_max = 3", "runs_max = 4"), "SIGNATURE_INVALID"),
        (bank_key, b"garbage".to_vec(), "PEER_MALFORMED_MESSAGE"),
        (bank_key, vec![0xFF; 8], "PEER_MALFORMED_MESSAGE"),
        (bank_key, vec![b'#'; 300 << 10], "PEER_OVERSIZED"),
    ] {
        let error = pair.bureau.receive_proposal(key, &document).await.unwrap_err();
        assert_eq!(error.reason(), reason, "{error}");
        assert_eq!(error.class(), crate::error::Class::PeerMisbehaved);
    }
    assert!(pair.bureau.agreement_list().await.unwrap().is_empty());
    // A signature for something this node never signed.
    let theirs = pair.bureau.agreement_sign(Document(edited(&draft, "runs_max = 3", "runs_max = 5"))).await.unwrap();
    let error = pair.bank.receive_signature(bureau_key, &theirs.document).await.unwrap_err();
    assert_eq!(error.reason(), "PEER_UNKNOWN_DOCUMENT");
    let error = pair.bank.receive_signature(bureau_key, &signed).await.unwrap_err();
    assert_eq!(error.reason(), "SIGNATURE_INVALID");
}

#[tokio::test]
async fn waiting_proposals_are_bounded() {
    let pair = Pair::new().await;
    let bank_key = pair.bank.keys().organisation_public().to_bytes();
    let draft = pair.draft().await;
    let max = pair.bureau.settings().limits.proposals_max;
    for number in 0..=max {
        let title = format!("title = \"Grades {number}\"");
        let document = edited(&draft, "title = \"Grades\"", &title);
        let signed = pair.bank.agreement_sign(Document(document)).await.unwrap().document;
        let received = pair.bureau.receive_proposal(bank_key, &signed).await;
        if number < max {
            let first = received.unwrap();
            assert_eq!(pair.bureau.receive_proposal(bank_key, &signed).await.unwrap().id, first.id);
        } else {
            assert!(matches!(received, Err(Error::LimitExceeded { .. })));
        }
    }
}

#[tokio::test]
async fn a_view_says_what_leaves_the_house() {
    let pair = Pair::new().await;
    let id = pair.active().await;
    let view = pair.bureau.agreement_show(&hex::encode(id)[..8]).await.unwrap();
    assert_eq!((view.peer.as_str(), view.seat, view.runs_max), ("bank", Seat::Second, 3));
    let words = view.summary.to_string();
    assert!(words.contains("grade") && words.contains("What leaves your house"), "{words}");
    assert_eq!(pair.bureau.agreement_show("ffff").await.unwrap_err().reason(), "NOT_FOUND");
}
