//! Approvals: who counts, and when an institution may sign.

use super::*;

fn waiting() -> SignedAgreement {
    SignedAgreement::draft(Agreement::new(optional_terms()).unwrap())
}

#[test]
fn an_institution_signs_only_after_enough_persons_approved() {
    let mut signed = waiting();
    let short = |signed: &mut SignedAgreement| signed.sign(&bank_key()).unwrap_err();
    assert!(matches!(short(&mut signed), Error::ApprovalsShort { have: 0, need: 2 }));
    assert_eq!(signed.approve(&key(11)).unwrap(), (Seat::First, 0));
    // Once more changes nothing: one person counts once.
    assert_eq!(signed.approve(&key(11)).unwrap(), (Seat::First, 0));
    let error = short(&mut signed);
    assert!(matches!(error, Error::ApprovalsShort { have: 1, need: 2 }));
    assert!(error.to_string().starts_with("1 of 2 approvals are there"), "{error}");
    // Another institution's approvals do not count here.
    assert_eq!(signed.approve(&key(15)).unwrap(), (Seat::Second, 1));
    assert!(matches!(short(&mut signed), Error::ApprovalsShort { have: 1, need: 2 }));
    signed.approve(&key(13)).unwrap();
    assert_eq!(signed.sign(&bank_key()).unwrap(), Seat::First);
    assert_eq!(signed.state(), State::SignedBy(Seat::First));
    signed.sign(&bureau_key()).unwrap();
    assert_eq!(signed, optional_active());
    assert_eq!(SignedAgreement::from_toml(&signed.to_toml()).unwrap(), signed);
    let names: Vec<_> = signed.approvals(Seat::First).map(|(approver, _)| approver.name.as_str()).collect();
    assert_eq!(names, ["Ada Lund", "Chen Wei"]);
}

#[test]
fn neither_strangers_nor_institutions_approve() {
    let mut signed = waiting();
    for stranger in [key(3), bank_key(), bureau_key()] {
        assert!(matches!(signed.approve(&stranger), Err(Error::ApproverNotListed)));
    }
    assert_eq!(signed, waiting());
}

/// The document cut before its blocks, and the blocks: three approvals and two signatures.
fn blocks() -> (String, Vec<String>) {
    let whole = optional_active().to_toml();
    let cut = whole.find("\n[[approval]]").unwrap();
    let blocks = whole[cut..].split("\n\n").map(|block| format!("{}\n", block.trim()));
    (whole[..cut].to_owned(), blocks.collect())
}

fn read(keep: &[&str]) -> Result<SignedAgreement, Error> {
    SignedAgreement::from_toml(&format!("{}\n{}", blocks().0, keep.join("\n")))
}

#[test]
fn a_signature_without_its_approvals_does_not_count() {
    let (_, blocks) = blocks();
    let [ada, chen, eli, bank, bureau] = &blocks[..] else { panic!("five blocks") };
    assert_eq!(read(&[bureau, eli, bank, chen, ada]).unwrap(), optional_active());
    let short = read(&[ada, eli, bank, bureau]).unwrap();
    assert!(!short.signed_by(Seat::First) && short.signature(Seat::First).is_some());
    assert_eq!(short.state(), State::SignedBy(Seat::Second));
    assert_eq!(read(&[bank, bureau]).unwrap().state(), State::Draft);
    let words = crate::words::state_in_words(&short);
    let expected = "Signed by Credit Bureau; North Bank has not signed, and nothing can be run. North Bank: 1 of 2 \
                    approvals (Ada Lund). Credit Bureau: 1 of 1 approvals (Eli Roth).";
    assert_eq!(words, expected);
    // The missing one arrives in another copy.
    let mut merged = short;
    merged.merge(&read(&[chen]).unwrap()).unwrap();
    assert_eq!(merged, optional_active());
}

#[test]
fn repeated_foreign_and_forged_approvals_are_told_apart() {
    let (_, blocks) = blocks();
    let [ada, chen, eli, ..] = &blocks[..] else { panic!("five blocks") };
    assert!(matches!(read(&[ada, chen, ada]), Err(Error::ApprovalRepeated { number: 3 })));
    // The second person's approval under the first one's name, and the other way round with the key.
    let renamed = chen.replace("Chen Wei", "Ben Okoro");
    assert!(matches!(read(&[ada, &renamed]), Err(Error::ApprovalForeign { number: 2 })));
    let rekeyed = renamed.replace(&key(13).verifying_key().to_string(), &key(12).verifying_key().to_string());
    assert!(matches!(read(&[ada, &rekeyed]), Err(Error::ApprovalInvalid { number: 2 })));
    let nobody = chen.replace("Chen Wei", "Zoe Nobody");
    assert!(matches!(read(&[&nobody]), Err(Error::ApprovalForeign { number: 1 })));
    let other_house = eli.replace("Credit Bureau", "North Bank");
    assert!(matches!(read(&[&other_house]), Err(Error::ApprovalForeign { number: 1 })));
    let third = chen.replace("North Bank", "South Bank");
    let message = read(&[&third]).unwrap_err().to_string();
    assert_eq!(message, "`party` in [[approval]] 1 names neither [[party]]: write the name exactly as in its block");
    let many = vec![ada.as_str(); 129];
    let message = read(&many).unwrap_err().to_string();
    assert_eq!(message, "`approval` has 129 entries, 0 to 128 are allowed: add or remove some");
}

#[test]
fn an_approval_is_no_signature_and_holds_for_one_agreement() {
    // The organisation's signature in the place of a person's approval, and an approval of other terms.
    let bytes = waiting().agreement().canonical_bytes().to_vec();
    let (_, blocks) = blocks();
    let value = |signature: Signature| {
        let from = blocks[0].rsplit("value = ").next().unwrap().trim();
        blocks[0].replace(from, &format!("\"{signature}\""))
    };
    let wrong_label = value(key(11).sign(Label::Agreement, &[&bytes]));
    assert!(matches!(read(&[&wrong_label]), Err(Error::ApprovalInvalid { number: 1 })));
    let right = value(key(11).sign(Label::AgreementApproval, &[&bytes]));
    assert_eq!(read(&[&right]).unwrap().approvals_count(Seat::First), 1);
    let edited = optional_active().to_toml().replace("snapshots_max = 2", "snapshots_max = 20");
    let error = SignedAgreement::from_toml(&edited).unwrap_err();
    assert_eq!(error.label(), "approval_invalid");
}

#[test]
fn missing_blocks_are_appended_to_a_document_as_it_stands() {
    let document = format!("# a remark\n{}", waiting().to_toml());
    let without = SignedAgreement::from_toml(&document).unwrap();
    let added = optional_active().blocks_missing_in(&without);
    assert_eq!(SignedAgreement::from_toml(&format!("{document}{added}")).unwrap(), optional_active());
    assert_eq!(optional_active().blocks_missing_in(&optional_active()), "");
}
