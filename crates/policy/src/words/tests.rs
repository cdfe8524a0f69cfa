use super::*;
use crate::fixtures::{active, bank_key, draft, optional_active, terms};

#[test]
fn the_bank_reads_this() {
    assert_eq!(summary(active().agreement(), Seat::First).to_string(), include_str!("bank.txt"));
}

#[test]
fn the_bureau_reads_this() {
    assert_eq!(summary(active().agreement(), Seat::Second).to_string(), include_str!("bureau.txt"));
}

#[test]
fn optional_terms_are_put_into_words() {
    let plain = summary(active().agreement(), Seat::First).to_string();
    let words = summary(optional_active().agreement(), Seat::First).to_string();
    let new: String = words
        .lines()
        .filter(|line| !plain.lines().any(|there| there == *line))
        .map(|line| format!("{line}\n"))
        .collect();
    assert_eq!(new, include_str!("bank_optional.txt"));
    let words = summary(optional_active().agreement(), Seat::Second).to_string();
    let told = "To North Bank, before its columns come to you";
    assert!(!words.contains(told), "the bureau gets no columns");
    assert!(words.contains("  - From North Bank, before your columns go to it: whether the minimum of common keys is"));
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
