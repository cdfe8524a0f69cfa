use NoticeKind::{Resume, Revoke, Suspend};

use super::*;
use crate::ops::agreements::AgreementInput::{Document, Id};
use crate::ops::testing::Pair;

/// The bank's last notice that waits, as the bureau would get it.
async fn waiting(home: &Home) -> (NoticeContent, Signature) {
    let (_, notice) = home.store().undelivered_notices().await.unwrap().pop().unwrap();
    (notice.content, Signature::from_bytes(notice.signature))
}

async fn standing(home: &Home, id: [u8; 32]) -> &'static str {
    home.agreement_now(id).await.unwrap().standing.as_str()
}

fn bank_key(pair: &Pair) -> [u8; 32] {
    pair.bank.keys().organisation_public().to_bytes()
}

#[tokio::test]
async fn a_suspension_holds_on_both_sides_until_its_giver_resumes() {
    let pair = Pair::new().await;
    let id = pair.active().await;
    let word = Some("audit-7".parse().unwrap());
    // Nobody listens at the bureau: it holds here and waits for the bureau.
    let noticed = pair.bank.agreement_notice("Grades", Suspend, word).await.unwrap();
    assert_eq!((noticed.standing.as_str(), noticed.delivered), ("suspended", false));
    let error = pair.bank.agreement_now(id).await.unwrap().may_start().unwrap_err();
    assert_eq!((error.reason(), error.class()), ("AGREEMENT_SUSPENDED", crate::error::Class::Refused));

    let (content, signature) = waiting(&pair.bank).await;
    pair.bureau.receive_notice(bank_key(&pair), content, signature).await.unwrap();
    assert_eq!(standing(&pair.bureau, id).await, "suspended");
    let view = pair.bureau.agreement_show("Grades").await.unwrap();
    assert_eq!(view.state_word(), "suspended");
    assert!(view.standing_words.starts_with("Suspended by bank (audit-7) since 2026-03-01T12:00:00Z:"), "{view:?}");

    let error = pair.bureau.agreement_notice("Grades", Resume, None).await.unwrap_err();
    assert_eq!(error.to_string(), "this institution has not suspended the agreement");
    assert_eq!(pair.bank.agreement_notice("Grades", Suspend, None).await.unwrap_err().reason(), "INVALID_REQUEST");
    let noticed = pair.bank.agreement_notice("Grades", Resume, None).await.unwrap();
    assert_eq!((noticed.standing, noticed.content.sequence), (Standing::Active, 2));
    let (content, signature) = waiting(&pair.bank).await;
    pair.bureau.receive_notice(bank_key(&pair), content, signature).await.unwrap();
    assert_eq!(standing(&pair.bureau, id).await, "active");
}

#[tokio::test]
async fn a_revocation_is_final_and_time_ends_an_agreement_too() {
    let pair = Pair::new().await;
    let id = pair.active().await;
    pair.clock.advance(std::time::Duration::from_secs(31 * 86_400));
    assert_eq!(standing(&pair.bank, id).await, "expired");
    let error = pair.bank.agreement_now(id).await.unwrap().may_go_on().unwrap_err();
    assert_eq!(error.reason(), "AGREEMENT_EXPIRED");
    pair.bank.agreement_notice("Grades", Revoke, None).await.unwrap();
    assert_eq!(standing(&pair.bank, id).await, "revoked");
    for kind in [Suspend, Resume, Revoke] {
        let error = pair.bank.agreement_notice("Grades", kind, None).await.unwrap_err();
        assert_eq!(error.reason(), "AGREEMENT_REVOKED", "{kind}");
    }
    let list = pair.bank.agreement_list().await.unwrap();
    assert_eq!(list[0].state_word(), "revoked");
}

#[tokio::test]
async fn what_was_not_signed_here_cannot_be_held() {
    let pair = Pair::new().await;
    let signed = pair.bank.agreement_sign(Document(pair.draft().await)).await.unwrap();
    pair.bureau.receive_proposal(bank_key(&pair), &signed.document).await.unwrap();
    let error = pair.bureau.agreement_notice("Grades", Suspend, None).await.unwrap_err();
    assert_eq!(error.reason(), "AGREEMENT_NOT_ACTIVE");
    // What was offered can be withdrawn, and then a signature no longer puts it into force.
    pair.bank.agreement_notice("Grades", Revoke, None).await.unwrap();
    let (content, signature) = waiting(&pair.bank).await;
    pair.bureau.receive_notice(bank_key(&pair), content, signature).await.unwrap();
    pair.bureau.agreement_sign(Id("Grades".to_owned())).await.unwrap();
    assert_eq!(standing(&pair.bureau, signed.record.id).await, "revoked");
}

#[tokio::test]
async fn forged_foreign_and_old_notices_change_nothing() {
    let pair = Pair::new().await;
    let id = pair.active().await;
    pair.bank.agreement_notice("Grades", Suspend, None).await.unwrap();
    let (suspend, suspend_signature) = waiting(&pair.bank).await;
    pair.bank.agreement_notice("Grades", Resume, None).await.unwrap();
    let (resume, resume_signature) = waiting(&pair.bank).await;
    let bank = bank_key(&pair);
    let refused = async |peer, content: &NoticeContent, signature| {
        pair.bureau.receive_notice(peer, content.clone(), signature).await.unwrap_err().reason()
    };
    let forged = NoticeContent { kind: Revoke, ..suspend.clone() };
    assert_eq!(refused(bank, &forged, suspend_signature).await, "SIGNATURE_INVALID");
    let own = pair.bureau.keys().organisation_public().to_bytes();
    assert_eq!(refused(own, &suspend, suspend_signature).await, "PEER_WRONG_INSTITUTION");
    let unknown = NoticeContent { agreement_id: symbolon_policy::AgreementId::from_bytes([7; 32]), ..suspend.clone() };
    assert_eq!(refused(bank, &unknown, suspend_signature).await, "PEER_UNKNOWN_DOCUMENT");
    assert_eq!(standing(&pair.bureau, id).await, "active");

    pair.bureau.receive_notice(bank, suspend.clone(), suspend_signature).await.unwrap();
    pair.bureau.receive_notice(bank, suspend.clone(), suspend_signature).await.unwrap();
    pair.bureau.receive_notice(bank, resume.clone(), resume_signature).await.unwrap();
    assert_eq!(refused(bank, &suspend, suspend_signature).await, "PEER_REPLAY");
    assert_eq!(standing(&pair.bureau, id).await, "active");
    let stored = pair.bureau.store().agreement_life(id).await.unwrap().unwrap();
    assert_eq!(stored.notices.len(), 2);
}

#[tokio::test]
async fn of_many_suspensions_at_once_one_is_given() {
    let pair = Pair::new().await;
    let id = pair.active().await;
    let mut given = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let home = pair.bank.clone();
        given.spawn(async move { home.agreement_notice("Grades", Suspend, None).await.is_ok() });
    }
    let given = given.join_all().await;
    assert_eq!(given.iter().filter(|given| **given).count(), 1);
    let stored = pair.bank.store().agreement_life(id).await.unwrap().unwrap();
    assert_eq!(stored.notices.len(), 1);
}

#[tokio::test]
async fn every_change_is_in_the_evidence() {
    let pair = Pair::new().await;
    pair.active().await;
    pair.bank.agreement_notice("Grades", Suspend, Some("secret-word".parse().unwrap())).await.unwrap();
    pair.bank.agreement_notice("Grades", Resume, None).await.unwrap();
    pair.bank.agreement_notice("Grades", Revoke, None).await.unwrap();
    let (log, _) = pair.bank.evidence().read().await.unwrap();
    let log = String::from_utf8(log).unwrap();
    let kinds: Vec<_> = ["agreement_signed", "agreement_suspended", "agreement_resumed", "agreement_revoked"].into();
    let positions: Vec<_> =
        kinds.iter().map(|kind| log.find(kind).unwrap_or_else(|| panic!("{kind}: {log}"))).collect();
    assert!(positions.is_sorted(), "{log}");
    assert!(!log.contains("secret-word"), "words of people stay out of it");
}
