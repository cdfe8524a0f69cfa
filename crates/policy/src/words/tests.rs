use super::*;
use crate::fixtures::{active, bank_key, draft, terms};

#[test]
fn the_bank_reads_this() {
    assert_eq!(summary(active().agreement(), Seat::First).to_string(), include_str!("bank.txt"));
}

#[test]
fn the_bureau_reads_this() {
    assert_eq!(summary(active().agreement(), Seat::Second).to_string(), include_str!("bureau.txt"));
}

fn sentences(summary: &Summary, key: &str) -> Vec<String> {
    summary.chapters.iter().find(|chapter| chapter.key == key).unwrap().sentences.clone()
}

#[test]
fn a_count_alone_gives_no_value_and_the_owner_gets_nothing() {
    let mut terms = terms();
    terms.allow.retain(|rule| rule.protocol == Protocol::EcdhCardinality);
    terms.intersection_min = 0;
    let agreement = Agreement::new(terms).unwrap();
    let bureau = summary(&agreement, Seat::Second);
    assert_eq!(sentences(&bureau, "arrives")[0], "No result.");
    let stays = sentences(&bureau, "stays");
    let kept = "The values of `total_balance` and `risk_grade`: marked after_match, but no rule gives them to anyone.";
    assert!(stays.iter().any(|sentence| sentence == kept), "{stays:?}");
    assert!(!sentences(&bureau, "leaves").concat().contains("total_balance"));
    assert!(!bureau.to_string().contains("fewer than"));
}

#[test]
fn a_part_of_the_key_that_is_released_is_not_said_to_stay() {
    let mut terms = terms();
    terms.parties[1].columns[1].column_use = ColumnUse::AfterMatch;
    let stays = sentences(&summary(&Agreement::new(terms).unwrap(), Seat::Second), "stays");
    assert_eq!(stays[1].split(':').next(), Some("The values of `ssn`"));
    assert_eq!(stays.last().unwrap(), "Your keys themselves, in readable form, but for `born` of matched rows.");
}

#[test]
fn using_all_rows_of_a_key_tells_how_many_there_are() {
    let mut terms = terms();
    terms.parties[1].duplicates = Duplicates::All;
    let agreement = Agreement::new(terms).unwrap();
    let told = "To North Bank, for each key both have: how many of your rows carry it.";
    assert!(sentences(&summary(&agreement, Seat::Second), "leaves").iter().any(|sentence| sentence == told));
    assert!(!sentences(&summary(active().agreement(), Seat::Second), "leaves").iter().any(|sentence| sentence == told));
}

#[test]
fn the_state_names_who_is_missing() {
    let mut signed = draft();
    assert_eq!(state_in_words(&signed), "A draft: neither party has signed, and nothing can be run.");
    signed.sign(&bank_key()).unwrap();
    let half = "Signed by North Bank; Credit Bureau has not signed, and nothing can be run.";
    assert_eq!(state_in_words(&signed), half);
    assert_eq!(state_in_words(&active()), "Signed by North Bank and Credit Bureau.");
}
