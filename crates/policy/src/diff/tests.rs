use super::*;
use crate::fixtures::{column, key, optional_terms, terms, text};

fn differences(edit: impl Fn(&mut Terms), viewpoint: Seat) -> Vec<String> {
    let mut edited = terms();
    edit(&mut edited);
    let (old, new) = (Agreement::new(terms()).unwrap(), Agreement::new(edited).unwrap());
    diff(&old, &new, viewpoint).iter().map(ToString::to_string).collect()
}

#[test]
fn equal_agreements_do_not_differ() {
    for seat in Seat::BOTH {
        assert!(differences(|_| {}, seat).is_empty());
        // Only the order of the parties: the same institutions keep their sides.
        let swapped = |it: &mut Terms| {
            it.parties.swap(0, 1);
            for rule in &mut it.allow {
                if let Recipients::One(seat) = rule.to {
                    rule.to = Recipients::One(seat.other());
                }
            }
        };
        assert!(differences(swapped, seat).is_empty());
    }
}

type Edit = fn(&mut Terms);

#[test]
fn each_limit_says_which_way_it_went() {
    let cases: &[(Edit, &str)] = &[
        (|it| it.runs_max = 5, "The most jobs: 3 became 5. [wider]"),
        (|it| it.runs_max = 2, "The most jobs: 3 became 2. [narrower]"),
        (|it| it.intersection_min = 60, "The fewest common keys for a result: 50 became 60. [narrower]"),
        (|it| it.intersection_min = 40, "The fewest common keys for a result: 50 became 40. [wider]"),
        (
            |it| it.valid_until = "2027-06-01T00:00:00Z".parse().unwrap(),
            "Jobs may start before: 2027-01-01T00:00:00Z became 2027-06-01T00:00:00Z. [wider]",
        ),
        (|it| it.parties[0].rows_max = 900, "Your most rows: 1000 became 900. [narrower]"),
        (|it| it.parties[1].rows_max = 9000, "The most rows of Credit Bureau: 5000 became 9000. [wider]"),
        (
            |it| it.optional.snapshots_max = Some(2),
            "The most different states of a table: now limited to 2. [narrower]",
        ),
        (|it| it.optional.receipt_count = true, "The receipt of a job now says how many keys both have. [wider]"),
        (|it| it.title = text("T"), "The title was \"Credit check of existing customers\" and is \"T\". [changed]"),
    ];
    for (edit, expected) in cases {
        assert_eq!(differences(edit, Seat::First), [*expected]);
    }
}

#[test]
fn columns_are_told_from_the_readers_side() {
    let released: Edit = |it| it.parties[1].columns[4] = column("name", "text", ColumnUse::AfterMatch, Some(40));
    let change = "column `name`: never (text) became after_match (text, at most 40 bytes).";
    assert_eq!(differences(released, Seat::Second), [format!("Your {change} [wider]")]);
    let theirs = "The column `name` of Credit Bureau: never (text) became after_match (text, at most 40 bytes).";
    assert_eq!(differences(released, Seat::First), [format!("{theirs} [you get more]")]);
    let longer: Edit = |it| it.parties[1].columns[3].bytes_max = Some(1);
    let expected = "Your column `risk_grade`: after_match (text, at most 2 bytes) became after_match (text, at most 1 \
                    bytes). [narrower]";
    assert_eq!(differences(longer, Seat::Second), [expected]);
    let gone: Edit = |it| drop(it.parties[0].columns.pop());
    let expected = "Your column `internal_grade`: never (text, at most 4 bytes) became not listed. [changed]";
    assert_eq!(differences(gone, Seat::First), [expected]);
}

#[test]
fn rules_are_told_with_what_they_give() {
    let fewer: Edit = |it| it.allow.truncate(1);
    let bank = differences(fewer, Seat::First);
    assert_eq!(
        bank,
        [
            "No longer allowed: by ecdh-cardinality, you learn how many keys your table and its table \"files\" have in \
             common, and not which. [you get less]",
            "No longer allowed: by ecdh-mutual, both learn which of their rows have a key that the other has too. \
             [narrower]",
        ]
    );
    let bureau = differences(fewer, Seat::Second);
    assert!(bureau[0].ends_with("[narrower]"), "{bureau:?}");
}

#[test]
fn optional_terms_are_compared_as_limits() {
    let old = Agreement::new(terms()).unwrap();
    let new = Agreement::new(optional_terms()).unwrap();
    let lines: Vec<_> = diff(&old, &new, Seat::First).iter().map(ToString::to_string).collect();
    let expected = [
        "The most jobs in a month: now limited to 2. [narrower]",
        "The most rows in a month: now limited to 2000. [narrower]",
        "The most different states of a table: now limited to 2. [narrower]",
        "The most lookups of single records: now limited to 100. [narrower]",
        "The most privacy loss of results with noise: now limited to 0.75. [narrower]",
        "The receipt of a job now says how many keys both have. [wider]",
        "Protocols that protect only from a party that follows them: unsaid became accepted. [wider]",
        "What the owner of columns learns when it releases them: none became bit. [changed]",
        "Your approvers: nobody became Ada Lund, Ben Okoro and Chen Wei. [changed]",
        "Your approvals needed: 0 became 2. [narrower]",
        "The approvers of Credit Bureau: nobody became Dora Weiss, Eli Roth and Fay Ng. [changed]",
        "The approvals needed of Credit Bureau: 0 became 1. [changed]",
    ];
    assert_eq!(lines, expected);
    let back: Vec<_> = diff(&new, &old, Seat::First).iter().map(ToString::to_string).collect();
    assert_eq!(back[0], "The most jobs in a month: the limit of 2 is gone. [wider]");
    let mut weekly = optional_terms();
    weekly.optional.period = Some(Period::Week);
    let weekly = Agreement::new(weekly).unwrap();
    let changed = diff(&new, &weekly, Seat::First);
    let expected = "The most in a period: 2 jobs and 2000 rows a month became 2 jobs and 2000 rows a week. [changed]";
    assert_eq!(changed.iter().map(ToString::to_string).collect::<Vec<_>>(), [expected]);
}

#[test]
fn a_key_that_changed_under_the_same_name_is_told() {
    let mut rekeyed = optional_terms();
    rekeyed.parties[0].approvers[1].key = key(40).verifying_key();
    rekeyed.parties[1].organisation_key = key(41).verifying_key();
    let (old, new) = (Agreement::new(optional_terms()).unwrap(), Agreement::new(rekeyed).unwrap());
    let lines: Vec<_> = diff(&old, &new, Seat::First).iter().map(ToString::to_string).collect();
    let same = "Ada Lund, Ben Okoro and Chen Wei";
    assert_eq!(
        lines,
        [
            format!("Your approvers: {same} became {same}, with another key. [changed]"),
            "The organisation key of Credit Bureau is another one: compare it with the card. [changed]".to_owned(),
        ]
    );
}
