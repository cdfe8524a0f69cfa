use super::*;
use crate::fixtures::{active, bank_key, bureau_key, draft, key, optional_active, optional_terms, terms, text};

mod approvals;

#[test]
fn two_signatures_make_it_active_and_the_document_brings_all_back() {
    let mut signed = draft();
    assert_eq!(signed.state(), State::Draft);
    assert_eq!(SignedAgreement::from_toml(&signed.to_toml()).unwrap(), signed);
    assert_eq!(signed.sign(&bureau_key()).unwrap(), Seat::Second);
    assert_eq!(signed.state(), State::SignedBy(Seat::Second));
    assert_eq!(SignedAgreement::from_toml(&signed.to_toml()).unwrap(), signed);
    assert_eq!(signed.sign(&bank_key()).unwrap(), Seat::First);
    assert_eq!(signed.state(), State::Active);
    assert_eq!(SignedAgreement::from_toml(&signed.to_toml()).unwrap(), signed);
    assert_eq!(signed.id(), draft().id());
}

#[test]
fn a_stranger_cannot_sign() {
    let mut signed = draft();
    assert!(matches!(signed.sign(&key(3)), Err(Error::SignerNotParty)));
    let signature = *active().signature(Seat::First).unwrap();
    assert!(matches!(signed.add_signature(&key(3).verifying_key(), signature), Err(Error::SignerNotParty)));
    assert_eq!(signed, draft());
}

#[test]
fn a_signature_that_does_not_fit_is_not_taken_in() {
    let (bank, bureau) = (bank_key().verifying_key(), bureau_key().verifying_key());
    let theirs = *active().signature(Seat::Second).unwrap();
    let mut signed = active();
    assert!(matches!(signed.add_signature(&bank, theirs), Err(Error::SignatureInvalid { number: 1 })));
    assert_eq!(signed, active());
    // Over the same bytes under another label.
    let other = bureau_key().sign(Label::Card, &[draft().agreement().canonical_bytes()]);
    let mut signed = draft();
    assert!(matches!(signed.add_signature(&bureau, other), Err(Error::SignatureInvalid { .. })));
    assert_eq!(signed.add_signature(&bureau, theirs).unwrap(), Seat::Second);
    assert_eq!(signed.add_signature(&bureau, theirs).unwrap(), Seat::Second);
    assert_eq!(signed.state(), State::SignedBy(Seat::Second));
}

#[test]
fn copies_of_one_agreement_merge_and_others_do_not() {
    let (mut mine, mut theirs) = (draft(), draft());
    mine.sign(&bank_key()).unwrap();
    theirs.sign(&bureau_key()).unwrap();
    mine.merge(&theirs).unwrap();
    assert_eq!(mine, active());

    let mut changed = terms();
    changed.runs_max += 1;
    let mut other = SignedAgreement::draft(Agreement::new(changed).unwrap());
    other.sign(&bureau_key()).unwrap();
    let mut mine = draft();
    assert!(matches!(mine.merge(&other), Err(Error::AgreementDiffers)));
    assert_eq!(mine.state(), State::Draft);
}

#[test]
fn wrong_foreign_and_repeated_signature_blocks_are_told_apart() {
    let whole = active().to_toml();
    let blocks: Vec<_> = whole.split("\n[[signature]]").collect();
    let [body, bank, bureau] = blocks[..] else { panic!("two signatures") };
    let document = |blocks: &[&str]| {
        let blocks: String = blocks.iter().map(|block| format!("\n[[signature]]{block}")).collect();
        SignedAgreement::from_toml(&format!("{body}{blocks}"))
    };
    assert_eq!(document(&[bureau, bank]).unwrap(), active());
    assert_eq!(document(&[bank]).unwrap().state(), State::SignedBy(Seat::First));
    assert!(matches!(document(&[bank, bank]), Err(Error::SignatureRepeated { number: 2 })));
    let three = document(&[bank, bureau, bank]).unwrap_err();
    assert_eq!(three.to_string(), "`signature` has 3 entries, 0 to 2 are allowed: add or remove some");

    let renamed = bureau.replace("Credit Bureau", "North Bank");
    assert!(matches!(document(&[&renamed]), Err(Error::SignatureForeign { number: 1 })));
    let nobody = bureau.replace("Credit Bureau", "Somebody");
    let message = document(&[bank, &nobody]).unwrap_err().to_string();
    assert_eq!(message, "`party` in [[signature]] 2 names neither [[party]]: write the name exactly as in its block");
    let stranger = bank.replace(&bank_key().verifying_key().to_string(), &key(3).verifying_key().to_string());
    assert!(matches!(document(&[&stranger]), Err(Error::SignatureForeign { number: 1 })));

    let [one, two] = Seat::BOTH.map(|seat| active().signature(seat).unwrap().to_string());
    let swapped = bank.replace(&one, &two);
    assert!(matches!(document(&[bureau, &swapped]), Err(Error::SignatureInvalid { number: 2 })));
}

/// The text a thief of one comma would edit: every letter and digit outside comments.
#[test]
fn any_edited_letter_or_digit_is_noticed() {
    assert!(edits_noticed(&active().to_toml()) > 1000);
    assert!(edits_noticed(&optional_active().to_toml()) > 2000);
}

fn edits_noticed(whole: &str) -> usize {
    let mut edits = 0;
    let mut start = 0;
    for line in whole.split_inclusive('\n') {
        let comment = line.starts_with('#');
        for (offset, byte) in line.bytes().enumerate() {
            let other = match byte {
                _ if comment => continue,
                b'0'..=b'8' | b'a'..=b'y' | b'A'..=b'Y' => byte + 1,
                b'9' => b'0',
                b'z' => b'a',
                b'Z' => b'A',
                _ => continue,
            };
            let mut edited = whole.as_bytes().to_vec();
            edited[start + offset] = other;
            let edited = String::from_utf8(edited).unwrap();
            assert!(SignedAgreement::from_toml(&edited).is_err(), "unnoticed: {line:?} at {offset}");
            edits += 1;
        }
        start += line.len();
    }
    edits
}

#[test]
fn comments_and_blanks_do_not_count() {
    let whole = active().to_toml();
    let bare: String = whole
        .lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty())
        .fold(String::new(), |text, line| format!("{text}{}   # remark\r\n\r\n", line.replace(" = ", "=")));
    assert!(bare.len() != whole.len());
    assert_eq!(SignedAgreement::from_toml(&bare).unwrap(), active());
    let bare_times = whole.replace("\"2026-10-01T00:00:00Z\"", "2026-10-01T08:00:00+08:00");
    assert_ne!(bare_times, whole);
    assert_eq!(SignedAgreement::from_toml(&bare_times).unwrap(), active());
}

#[test]
fn an_edited_agreement_says_so() {
    let edited = active().to_toml().replace("runs_max = 3", "runs_max = 30");
    let error = SignedAgreement::from_toml(&edited).unwrap_err();
    assert_eq!(error.label(), "signature_invalid");
    assert_eq!(
        error.to_string(),
        "[[signature]] 1 does not fit the document, which was changed after it was signed: restore the signed text, \
         or remove every [[signature]] and have both parties sign again"
    );
}

#[test]
fn a_name_that_needs_quoting_comes_back() {
    let mut changed = terms();
    changed.title = text(r#"A "quoted" \ title = # [x]"#);
    changed.parties[0].name = text("'''Bank\"\"\"");
    let mut signed = SignedAgreement::draft(Agreement::new(changed).unwrap());
    signed.sign(&bank_key()).unwrap();
    assert_eq!(SignedAgreement::from_toml(&signed.to_toml()).unwrap(), signed);
}
