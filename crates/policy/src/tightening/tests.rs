use super::*;
use crate::decision::{Receiver, decide};
use crate::fixtures::{active, bank_key, terms};

fn request() -> Request {
    let terms = terms();
    Request {
        agreement_id: active().id(),
        initiator: bank_key().verifying_key(),
        protocol: Protocol::EcdhCardinality,
        result: ResultKind::Count,
        receiver: Receiver::Initiator,
        columns: Vec::new(),
        rows_initiator: 960,
        rows_responder: Some(1024),
        purpose: terms.purpose,
        normaliser: terms.normaliser,
        now: "2026-11-01T00:00:00Z".parse().unwrap(),
    }
}

fn held(tightening: &Tightening, spent: Spent) -> Result<Permit, Reason> {
    let permit = decide(&request(), &active(), &spent).permit()?;
    tightening.hold(&request(), permit, active().agreement(), &spent)
}

fn rule() -> Rule {
    "ecdh-cardinality:count".parse().unwrap()
}

#[test]
fn nothing_held_back_changes_nothing() {
    let spent = Spent { runs: 1, rows: 960, ..Spent::default() };
    let permit = decide(&request(), &active(), &spent).permit().unwrap();
    assert_eq!(held(&Tightening::default(), spent).unwrap(), permit);
    assert!(Tightening::default().is_empty() && Tightening::default().in_words().is_empty());
}

#[test]
fn each_limit_refuses_at_its_bound() {
    let base = Tightening::default;
    let spent = Spent { runs: 1, rows: 960, ..Spent::default() };
    let label = |tightening: &Tightening| held(tightening, spent).err().map(|reason| reason.label());
    for (tightening, expected) in [
        (Tightening { runs_max: Some(2), ..base() }, None),
        (Tightening { runs_max: Some(1), ..base() }, Some("RUNS_SPENT")),
        (Tightening { rows_total_max: Some(1920), ..base() }, None),
        (Tightening { rows_total_max: Some(1919), ..base() }, Some("ROWS_SPENT")),
        // The other side's 1024 rows count too; limits are rounded up as declared counts are.
        (Tightening { rows_max: Some(1000), ..base() }, None),
        (Tightening { rows_max: Some(900), ..base() }, Some("ROWS_ABOVE_MAXIMUM")),
        (Tightening { forbidden: [rule()].into(), ..base() }, Some("RESULT_HELD_BACK")),
        (Tightening { forbidden: ["ecdh-oprf:enrich".parse().unwrap()].into(), ..base() }, None),
    ] {
        assert_eq!(label(&tightening), expected, "{tightening:?}");
    }
    let more = Tightening { intersection_min: Some(70), ..base() };
    assert_eq!(held(&more, spent).unwrap().intersection_min, 70);
    let less = Tightening { intersection_min: Some(7), ..base() };
    assert_eq!(held(&less, spent).unwrap().intersection_min, 50, "never less than agreed");
}

#[test]
fn the_stricter_of_both_wins_whoever_combines() {
    let one = Tightening {
        runs_max: Some(2),
        rows_total_max: None,
        rows_max: Some(500),
        intersection_min: Some(60),
        forbidden: [rule()].into(),
    };
    let two = Tightening {
        runs_max: Some(1),
        rows_total_max: Some(9),
        rows_max: Some(700),
        intersection_min: None,
        forbidden: ["ecdh-oprf:match".parse().unwrap()].into(),
    };
    let both = one.with(&two);
    assert_eq!(both, two.with(&one));
    assert_eq!((both.runs_max, both.rows_total_max, both.rows_max), (Some(1), Some(9), Some(500)));
    assert_eq!((both.intersection_min, both.forbidden.len()), (Some(60), 2));
    assert_eq!(both.with(&both), both);
}

#[test]
fn widening_is_refused_by_name() {
    let base = Tightening::default;
    for (tightening, message) in [
        (Tightening { runs_max: Some(4), ..base() }, "`runs_max` is 4, which is wider than the 3 agreed"),
        (Tightening { rows_total_max: Some(2501), ..base() }, "`rows_total_max` is 2501, which is wider than the 2500"),
        (Tightening { rows_max: Some(5001), ..base() }, "`rows_max` is 5001, which is wider than the 5000 agreed"),
        (Tightening { intersection_min: Some(49), ..base() }, "`intersection_min` is 49, which is wider than the 50"),
        (Tightening { forbidden: ["ecdh-oprf:match".parse().unwrap()].into(), ..base() }, "`forbid` names a result"),
    ] {
        let error = tightening.check(active().agreement()).unwrap_err().to_string();
        assert!(error.starts_with(message), "{error}");
    }
    let strict = Tightening { runs_max: Some(0), rows_max: Some(5000), intersection_min: Some(50), ..base() };
    strict.check(active().agreement()).unwrap();
}

#[test]
fn rules_come_back_and_others_are_refused() {
    assert_eq!(rule().to_string(), "ecdh-cardinality:count");
    let words = Tightening { forbidden: [rule()].into(), runs_max: Some(1), ..Tightening::default() }.in_words();
    assert_eq!(words, ["At most 1 jobs in all.", "No count by ecdh-cardinality."]);
    for bad in ["", "ecdh-oprf", "x:match", "ecdh-oprf:x", "ecdh-oprf:match:us"] {
        assert_eq!(bad.parse::<Rule>(), Err(Problem::Rule), "{bad}");
    }
    let many = vec![rule().to_string(); 65];
    assert_eq!(Tightening::read_forbidden(&many), Err(Problem::Count { min: 0, max: 64, got: 65 }));
}
