use symbolon_policy::Approver;
use symbolon_primitives::secret::Secret;
use symbolon_primitives::sign::SigningKey;

use super::*;
use crate::ops::agreements::AgreementInput::{Document, Id};
use crate::ops::testing::Pair;
use crate::store::AgreementState;

fn key(seed: u8) -> SigningKey {
    SigningKey::from_seed(&Secret::new([seed; 32]))
}

fn approver(name: &str, seed: u8) -> Approver {
    Approver { name: name.parse().unwrap(), key: key(seed).verifying_key() }
}

/// A draft in which two of three persons of the bank and one of the bureau approve.
async fn waiting(pair: &Pair) -> Vec<u8> {
    let mut options = pair.options().await;
    options.own.approvers = vec![approver("Ada", 11), approver("Ben", 12), approver("Chen", 13)];
    options.own.approvals_min = Some(2);
    options.partner.approvers = vec![approver("Dora", 14)];
    pair.bank.agreement_draft(&options).await.unwrap().into_bytes()
}

#[tokio::test]
async fn an_institution_signs_after_its_persons_approved_and_the_partner_checks() {
    let pair = Pair::new().await;
    let draft = waiting(&pair).await;
    let error = pair.bank.agreement_sign(Document(draft.clone())).await.unwrap_err();
    assert_eq!((error.reason(), error.class()), ("APPROVALS_SHORT", crate::error::Class::Refused));
    let first = pair.bank.agreement_approve(Document(draft.clone()), &key(11)).await.unwrap();
    assert_eq!((first.approver.as_str(), first.have, first.need), ("Ada", 1, 2));
    // The same person a second time, a stranger, and a person of the other house.
    let again = pair.bank.agreement_approve(Id("Grades".to_owned()), &key(11)).await.unwrap();
    assert_eq!(again.have, 1);
    for stranger in [99, 14] {
        let error = pair.bank.agreement_approve(Id("Grades".to_owned()), &key(stranger)).await.unwrap_err();
        assert_eq!(error.reason(), "APPROVER_NOT_LISTED");
    }
    assert_eq!(pair.bank.agreement_sign(Id("Grades".to_owned())).await.unwrap_err().reason(), "APPROVALS_SHORT");
    // The second one from another machine, as a document.
    let mut apart = SignedAgreement::from_toml(text_of(&draft).unwrap()).unwrap();
    apart.approve(&key(13)).unwrap();
    pair.bank.agreement_take_approvals(apart.to_toml().as_bytes()).await.unwrap();
    let signed = pair.bank.agreement_sign(Id("Grades".to_owned())).await.unwrap();
    assert_eq!(signed.record.state, AgreementState::Signed);

    // The partner takes it only with the approvals, and needs its own.
    let bank = pair.bank.keys().organisation_public().to_bytes();
    let text = text_of(&signed.document).unwrap();
    let cut = text.find("\n[[approval]]").unwrap();
    let signature = &text[text.find("\n[[signature]]").unwrap()..];
    let bare = format!("{}{signature}", &text[..cut]);
    let error = pair.bureau.receive_proposal(bank, bare.as_bytes()).await.unwrap_err();
    assert_eq!(error.reason(), "SIGNATURE_INVALID");
    let edited = text.replacen("approver = \"Chen\"", "approver = \"Ben\"", 1);
    assert_eq!(
        pair.bureau.receive_proposal(bank, edited.as_bytes()).await.unwrap_err().reason(),
        "PEER_MALFORMED_MESSAGE"
    );
    pair.bureau.receive_proposal(bank, &signed.document).await.unwrap();
    assert_eq!(pair.bureau.agreement_sign(Id("Grades".to_owned())).await.unwrap_err().reason(), "APPROVALS_SHORT");
    pair.bureau.agreement_approve(Id("Grades".to_owned()), &key(14)).await.unwrap();
    let both = pair.bureau.agreement_sign(Id("Grades".to_owned())).await.unwrap();
    assert_eq!(both.record.state, AgreementState::Active);
    let accepted = pair.bank.agreement_accept(Document(both.document)).await.unwrap();
    assert_eq!(accepted.record.state, AgreementState::Active);
}

#[tokio::test]
async fn approvals_given_at_once_are_all_kept() {
    let pair = Pair::new().await;
    let draft = waiting(&pair).await;
    let mut approving = tokio::task::JoinSet::new();
    for seed in [11, 12, 13] {
        let (home, draft) = (pair.bank.clone(), draft.clone());
        approving.spawn(async move { home.agreement_approve(Document(draft), &key(seed)).await.unwrap() });
    }
    approving.join_all().await;
    let stored = pair.bank.agreement_show("Grades").await.unwrap();
    let signed = SignedAgreement::from_toml(&stored.document).unwrap();
    assert_eq!(signed.approvals_count(Seat::First), 3);
    let (log, _) = pair.bank.evidence().read().await.unwrap();
    assert_eq!(String::from_utf8(log).unwrap().matches("approval_given").count(), 3);
}

/// A second version of the pair's agreement, active on both sides.
async fn second(pair: &Pair, first: [u8; 32]) -> [u8; 32] {
    let mut options = pair.options().await;
    options.title = "Grades 2".to_owned();
    options.runs_max = 9;
    options.optional.replaces = Some(symbolon_policy::AgreementId::from_bytes(first));
    let draft = pair.bank.agreement_draft(&options).await.unwrap().into_bytes();
    let once = pair.bank.agreement_sign(Document(draft)).await.unwrap();
    assert_eq!(pair.bank.agreement_now(first).await.unwrap().standing.as_str(), "active", "not before both signed");
    let twice = pair.bureau.agreement_sign(Document(once.document)).await.unwrap();
    pair.bank.agreement_accept(Document(twice.document)).await.unwrap().record.id
}

#[tokio::test]
async fn a_version_takes_the_place_of_the_one_it_replaces() {
    let pair = Pair::new().await;
    let first = pair.active().await;
    let later = second(&pair, first).await;
    for home in [&pair.bank, &pair.bureau] {
        let now = home.agreement_now(first).await.unwrap();
        assert_eq!(now.standing.as_str(), "superseded");
        assert_eq!(now.may_start().unwrap_err().reason(), "AGREEMENT_SUPERSEDED");
        now.may_go_on().unwrap();
        assert_eq!(home.agreement_now(later).await.unwrap().standing.as_str(), "active");
    }
    let history = pair.bank.agreement_history("Grades").await.unwrap();
    let line: Vec<_> = history.iter().map(|view| (view.record.title.as_str(), view.state_word())).collect();
    assert_eq!(line, [("Grades 2", "active"), ("Grades", "superseded")]);
    assert_eq!(pair.bank.agreement_history("Grades 2").await.unwrap(), history);

    let difference = pair.bank.agreement_diff(Id("Grades".to_owned()), Id("Grades 2".to_owned())).await.unwrap();
    let lines: Vec<_> = difference.iter().map(ToString::to_string).collect();
    assert!(lines.contains(&"The most jobs: 3 became 9. [wider]".to_owned()), "{lines:?}");
    let document = pair.bank.agreement_show("Grades 2").await.unwrap().document;
    assert_eq!(pair.bank.agreement_changes(&document).await.unwrap().unwrap(), difference);
    let document = pair.bank.agreement_show("Grades").await.unwrap().document;
    assert_eq!(pair.bank.agreement_changes(&document).await.unwrap(), None);
}

#[tokio::test]
async fn an_agreement_with_others_is_not_replaced() {
    let pair = Pair::new().await;
    let mut options = pair.options().await;
    options.optional.replaces = Some(symbolon_policy::AgreementId::from_bytes([7; 32]));
    let draft = pair.bank.agreement_draft(&options).await.unwrap().into_bytes();
    let error = pair.bank.agreement_sign(Document(draft)).await.unwrap_err();
    assert_eq!(error.reason(), "AGREEMENT_REPLACED_UNKNOWN");
    assert!(pair.bank.agreement_list().await.unwrap().is_empty());
}
