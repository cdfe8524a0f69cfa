use proptest::prelude::*;

use super::*;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

const WIDE: Limits = Limits {
    runs_max: 100,
    rows_total_max: 10_000,
    period: None,
    runs_per_period: None,
    rows_per_period: None,
    snapshots_max: None,
    lookups_max: None,
    epsilon_max: None,
};

const JOB: Cost = Cost { runs: 1, rows: 100, lookups: 0, epsilon: 0 };
const NOON: &str = "2026-02-28T12:00:00Z";

#[test]
fn periods_are_those_of_the_calendar() {
    let cases = [
        (Period::Day, "2026-02-28T23:59:59Z", "2026-02-28T00:00:00Z", "2026-03-01T00:00:00Z"),
        (Period::Day, "2026-03-01T00:00:00Z", "2026-03-01T00:00:00Z", "2026-03-02T00:00:00Z"),
        // The last week of 2026 reaches into 2027, as ISO 8601 has it.
        (Period::Week, "2027-01-03T23:59:59Z", "2026-12-28T00:00:00Z", "2027-01-04T00:00:00Z"),
        (Period::Week, "2027-01-04T00:00:00Z", "2027-01-04T00:00:00Z", "2027-01-11T00:00:00Z"),
        (Period::Month, "2028-02-29T12:00:00Z", "2028-02-01T00:00:00Z", "2028-03-01T00:00:00Z"),
        (Period::Month, "2026-12-31T23:59:59Z", "2026-12-01T00:00:00Z", "2027-01-01T00:00:00Z"),
        // At the ends of what a timestamp can say.
        (Period::Week, "1970-01-02T00:00:00Z", "1970-01-01T00:00:00Z", "1970-01-05T00:00:00Z"),
        (Period::Month, "9999-12-31T00:00:00Z", "9999-12-01T00:00:00Z", "9999-12-31T23:59:59Z"),
    ];
    for (period, now, from, until) in cases {
        assert_eq!(period.of(at(now)), Span { from: at(from), until: at(until) }, "{period} of {now}");
    }
}

#[test]
fn epsilons_add_up_exactly() {
    // Ten tenths are one, which they are not in binary fractions.
    let limits = Limits { epsilon_max: Some("1".parse().unwrap()), ..WIDE };
    let mut spent = Spent::default();
    for _ in 0..10 {
        decide(&limits, &spent, &Cost { epsilon: 100_000, ..JOB }, at(NOON)).unwrap();
        spent.epsilon += 100_000;
    }
    let refused = decide(&limits, &spent, &Cost { epsilon: 1, ..JOB }, at(NOON));
    assert_eq!(refused, Err(Exceeded::Epsilon { epsilon: 1, left: 0 }));
}

#[test]
fn each_limit_refuses_at_its_edge() {
    let resets_at = at("2026-03-01T00:00:00Z");
    let cases: Vec<(Limits, Spent, Option<Exceeded>)> = vec![
        (WIDE, Spent { runs: 99, rows: 9_900, ..Spent::default() }, None),
        (WIDE, Spent { runs: 100, ..Spent::default() }, Some(Exceeded::Runs { max: 100 })),
        (WIDE, Spent { rows: 9_901, ..Spent::default() }, Some(Exceeded::Rows { rows: 100, left: 99 })),
        (
            Limits { period: Some(Period::Month), runs_per_period: Some(2), ..WIDE },
            Spent { period_runs: 1, ..Spent::default() },
            None,
        ),
        (
            Limits { period: Some(Period::Month), runs_per_period: Some(2), ..WIDE },
            Spent { runs: 2, period_runs: 2, ..Spent::default() },
            Some(Exceeded::PeriodRuns { max: 2, period: Period::Month, resets_at }),
        ),
        (
            Limits { period: Some(Period::Month), rows_per_period: Some(150), ..WIDE },
            Spent { period_rows: 51, ..Spent::default() },
            Some(Exceeded::PeriodRows { rows: 100, left: 99, period: Period::Month, resets_at: Some(resets_at) }),
        ),
        (
            // Waiting does not help a job that no period has room for.
            Limits { period: Some(Period::Month), rows_per_period: Some(99), ..WIDE },
            Spent::default(),
            Some(Exceeded::PeriodRows { rows: 100, left: 99, period: Period::Month, resets_at: None }),
        ),
        // Without a period nothing counts for one.
        (Limits { runs_per_period: Some(0), ..WIDE }, Spent::default(), None),
    ];
    for (index, (limits, spent, refused)) in cases.into_iter().enumerate() {
        assert_eq!(decide(&limits, &spent, &JOB, at(NOON)).err(), refused, "case {index}");
    }
    let limits = Limits { period: Some(Period::Day), runs_per_period: Some(2), rows_per_period: Some(40_000), ..WIDE };
    let left = limits.left(&Spent { runs: 10, rows: 9_000, period_runs: 1, period_rows: 500, ..Spent::default() });
    assert_eq!((left.runs, left.rows), (1, 1_000), "whatever is less");
    let limits = Limits { lookups_max: Some(10), ..WIDE };
    let cost = Cost { lookups: 3, ..JOB };
    decide(&limits, &Spent { lookups: 7, ..Spent::default() }, &cost, at(NOON)).unwrap();
    let refused = decide(&limits, &Spent { lookups: 8, ..Spent::default() }, &cost, at(NOON));
    assert_eq!(refused, Err(Exceeded::Lookups { lookups: 3, left: 2 }));
}

#[test]
fn a_changed_input_is_a_new_probe_and_the_same_is_not() {
    let limits = Limits { snapshots_max: Some(2), ..WIDE };
    let with = |distinct, next| Spent { inputs: [Inputs { distinct, next }, Inputs::default()], ..Spent::default() };
    let now = at(NOON);
    decide(&limits, &with(1, NextInput::New), &JOB, now).unwrap();
    decide(&limits, &with(2, NextInput::Seen), &JOB, now).unwrap();
    decide(&limits, &with(2, NextInput::Open), &JOB, now).unwrap();
    let one_too_many = Err(Exceeded::Snapshots { seat: Seat::First, max: 2 });
    assert_eq!(decide(&limits, &with(2, NextInput::New), &JOB, now), one_too_many);
    let undeclared = Err(Exceeded::SnapshotUndeclared { seat: Seat::First });
    assert_eq!(decide(&limits, &with(0, NextInput::Undeclared), &JOB, now), undeclared);
    // Without the limit nobody has to declare anything.
    decide(&WIDE, &with(0, NextInput::Undeclared), &JOB, now).unwrap();
    let mut second = with(2, NextInput::Seen);
    second.inputs[1] = Inputs { distinct: 2, next: NextInput::New };
    assert_eq!(decide(&limits, &second, &JOB, now), Err(Exceeded::Snapshots { seat: Seat::Second, max: 2 }));
}

proptest! {
    #[test]
    fn a_period_holds_its_time_and_the_next_follows_at_once(seconds in 604_800..253_000_000_000_i64) {
        let now = Timestamp::from_unix_seconds(seconds).unwrap();
        for period in Period::ALL {
            let span = period.of(now);
            prop_assert!(span.from <= now && now < span.until);
            prop_assert_eq!(period.of(span.until).from, span.until);
            prop_assert_eq!(period.of(span.from), span);
        }
    }
}
