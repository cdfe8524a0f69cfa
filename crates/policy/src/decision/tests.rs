use std::collections::BTreeSet;

use super::*;
use crate::agreement::Terms;
use crate::fixtures::{active, bank_key, bureau_key, draft, key, terms, text};
use crate::identity::Digest;

struct Scenario {
    request: Request,
    agreement: SignedAgreement,
    spent: Spent,
}

impl Scenario {
    fn decide(&self) -> Decision {
        decide(&self.request, &self.agreement, &self.spent)
    }

    /// Replaces the agreement by one with other terms, signed by both, and asks under that one.
    fn agree_anew(&mut self, edit: impl FnOnce(&mut Terms)) {
        let mut terms = terms();
        edit(&mut terms);
        self.agreement = SignedAgreement::draft(Agreement::new(terms).unwrap());
        self.agreement.sign(&bank_key()).unwrap();
        self.agreement.sign(&bureau_key()).unwrap();
        self.request.agreement_id = self.agreement.id();
    }
}

fn permitted() -> Scenario {
    let agreement = active();
    let terms = terms();
    Scenario {
        request: Request {
            agreement_id: agreement.id(),
            initiator: bank_key().verifying_key(),
            protocol: Protocol::EcdhOprf,
            result: ResultKind::Enrich,
            receiver: Receiver::Initiator,
            columns: vec![text("risk_grade"), text("total_balance")],
            rows_initiator: 1024,
            rows_responder: Some(5120),
            purpose: terms.purpose,
            normaliser: terms.normaliser,
            now: "2026-11-01T12:00:00Z".parse().unwrap(),
        },
        agreement,
        spent: Spent { runs: 1, rows: 1024, ..Spent::default() },
    }
}

fn permit(scenario: &Scenario) -> Permit {
    scenario.decide().permit().unwrap()
}

#[test]
fn the_unmodified_request_is_permitted_with_columns_in_the_agreements_order() {
    let permit = permit(&permitted());
    let columns: Vec<_> = permit.columns.iter().map(|column| (column.name.as_str(), column.bytes_max)).collect();
    assert_eq!(columns, [("total_balance", None), ("risk_grade", Some(2))]);
    assert_eq!(permit.initiator, Seat::First);
    assert_eq!(permit.recipients, Recipients::One(Seat::First));
    assert_eq!(permit.intersection_min, 50);
    assert_eq!(permit.rows_initiator, RowLimits { min: 100, max: 1000 });
    assert_eq!(permit.rows_responder, RowLimits { min: 500, max: 5000 });
    assert_eq!(permit.spends, Cost { runs: 1, rows: 1024, ..Cost::default() });
    assert_eq!(permit.agreement_id, active().id());
}

type Change = fn(&mut Scenario);

/// Every reason with the one change of the permitted request that must cause it.
const CHANGES: &[(&str, Change)] = &[
    ("AGREEMENT_DIFFERS", |it| it.request.agreement_id = AgreementId::from_bytes([9; 32])),
    ("AGREEMENT_UNSIGNED", |it| it.agreement = draft()),
    ("SIGNATURE_MISSING", |it| {
        it.agreement = draft();
        it.agreement.sign(&bank_key()).unwrap();
    }),
    ("SIGNATURE_MISSING", |it| {
        it.agreement = draft();
        it.agreement.sign(&bureau_key()).unwrap();
    }),
    ("AGREEMENT_NOT_YET_VALID", |it| it.request.now = "2026-09-30T23:59:59Z".parse().unwrap()),
    ("AGREEMENT_EXPIRED", |it| it.request.now = "2027-01-01T00:00:00Z".parse().unwrap()),
    ("INITIATOR_UNKNOWN", |it| it.request.initiator = key(3).verifying_key()),
    ("PROTOCOL_NOT_ALLOWED", |it| {
        it.agree_anew(|terms| terms.allow.retain(|rule| rule.protocol != Protocol::EcdhOprf));
    }),
    ("RESULT_NOT_ALLOWED", |it| it.request.result = ResultKind::Match),
    ("RECEIVER_NOT_ALLOWED", |it| it.request.receiver = Receiver::Responder),
    ("RECEIVER_NOT_ALLOWED", |it| it.request.receiver = Receiver::Both),
    ("RECEIVER_NOT_ALLOWED", |it| it.request.initiator = bureau_key().verifying_key()),
    ("PURPOSE_DIFFERS", |it| it.request.purpose = text("Marketing")),
    ("NORMALISER_VERSION_DIFFERS", |it| it.request.normaliser.version = text("2")),
    ("NORMALISER_RULES_DIFFER", |it| it.request.normaliser.digest = Digest::of(b"other rules")),
    ("COLUMNS_MISSING", |it| it.request.columns.clear()),
    ("COLUMNS_UNWANTED", |it| {
        it.request.protocol = Protocol::EcdhCardinality;
        it.request.result = ResultKind::Count;
    }),
    ("COLUMN_UNKNOWN", |it| it.request.columns.push(text("salary"))),
    // A column of the asking party's own table is none of the owner's.
    ("COLUMN_UNKNOWN", |it| it.request.columns.push(text("annual_wages"))),
    ("COLUMN_JOIN_ONLY", |it| it.request.columns.push(text("ssn"))),
    ("COLUMN_NEVER", |it| it.request.columns.push(text("name"))),
    ("COLUMN_REPEATED", |it| it.request.columns.push(text("risk_grade"))),
    ("ROWS_NOT_PADDED", |it| it.request.rows_initiator = 1000),
    ("ROWS_NOT_PADDED", |it| it.request.rows_responder = Some(5000)),
    ("ROWS_NOT_PADDED", |it| it.request.rows_initiator = 0),
    ("ROWS_BELOW_MINIMUM", |it| it.request.rows_initiator = 96),
    ("ROWS_BELOW_MINIMUM", |it| it.request.rows_responder = Some(496)),
    ("ROWS_ABOVE_MAXIMUM", |it| it.request.rows_initiator = 1088),
    ("ROWS_ABOVE_MAXIMUM", |it| it.request.rows_responder = Some(5376)),
    ("RUNS_SPENT", |it| it.spent.runs = 3),
    ("RUNS_SPENT", |it| it.spent.runs = u64::MAX),
    ("ROWS_SPENT", |it| it.spent.rows = 2500 - 1023),
    ("ROWS_SPENT", |it| it.spent.rows = u64::MAX),
];

#[test]
fn each_reason_is_reached_by_exactly_its_change() {
    for (label, change) in CHANGES {
        let mut scenario = permitted();
        change(&mut scenario);
        match scenario.decide() {
            Decision::Refuse(reason) => {
                assert_eq!(reason.label(), *label);
                assert!(reason.sentence().contains(": "), "no advice in {reason}");
            }
            Decision::Permit(_) => panic!("{label} was permitted"),
        }
    }
    let labels: BTreeSet<_> = CHANGES.iter().map(|(label, _)| *label).collect();
    assert_eq!(labels.len(), 23, "a reason without a change that causes it");
}

#[test]
fn refusals_say_whose_fault_and_by_how_much() {
    let mut scenario = permitted();
    scenario.request.rows_responder = Some(5376);
    let reason = scenario.decide().permit().unwrap_err();
    assert_eq!(reason, Reason::RowsAboveMaximum { party: text("Credit Bureau"), rows: 5376, max: 5120 });
    assert_eq!(
        reason.to_string(),
        "the table of Credit Bureau has 5376 rows, the agreement allows at most 5120: bring fewer rows, or agree anew"
    );
    let mut scenario = permitted();
    scenario.agreement = draft();
    scenario.agreement.sign(&bureau_key()).unwrap();
    let reason = scenario.decide().permit().unwrap_err();
    assert_eq!(reason, Reason::SignatureMissing { party: text("North Bank") });
}

#[test]
fn the_edges_are_permitted() {
    let edges: &[Change] = &[
        |it| it.request.now = "2026-10-01T00:00:00Z".parse().unwrap(),
        |it| it.request.now = "2026-12-31T23:59:59Z".parse().unwrap(),
        // 100 and 500 rows round up to these.
        |it| it.request.rows_initiator = 100,
        |it| it.request.rows_responder = Some(512),
        |it| it.request.rows_responder = None,
        |it| it.spent = Spent { runs: 2, rows: 2500 - 1024, ..Spent::default() },
        |it| it.spent = Spent::default(),
        |it| drop(it.request.columns.pop()),
    ];
    for (index, edge) in edges.iter().enumerate() {
        let mut scenario = permitted();
        edge(&mut scenario);
        assert!(matches!(scenario.decide(), Decision::Permit(_)), "edge {index}: {:?}", scenario.decide());
    }
}

#[test]
fn a_mutual_job_spends_the_rows_of_both_and_either_party_may_ask() {
    let mut scenario = permitted();
    scenario.agree_anew(|terms| terms.rows_total_max = 6144);
    scenario.request.protocol = Protocol::EcdhMutual;
    scenario.request.result = ResultKind::Match;
    scenario.request.receiver = Receiver::Both;
    scenario.request.columns.clear();
    scenario.spent = Spent::default();
    assert_eq!(permit(&scenario).spends, Cost { runs: 1, rows: 1024 + 5120, ..Cost::default() });

    scenario.request.initiator = bureau_key().verifying_key();
    scenario.request.rows_initiator = 5120;
    scenario.request.rows_responder = Some(1024);
    let permit = permit(&scenario);
    assert_eq!(permit.initiator, Seat::Second);
    assert_eq!(permit.spends.rows, 6144);

    scenario.spent.rows = 1;
    let reason = scenario.decide().permit().unwrap_err();
    assert_eq!(reason, Reason::RowsSpent { rows: 6144, left: 6143 });
}

#[test]
fn a_result_sent_to_the_responder_spends_its_rows_and_takes_the_initiators_columns() {
    let mut scenario = permitted();
    scenario.agree_anew(|terms| terms.rows_total_max = 10_000);
    scenario.request.initiator = bureau_key().verifying_key();
    scenario.request.receiver = Receiver::Responder;
    scenario.request.rows_initiator = 5120;
    scenario.request.rows_responder = Some(1024);
    let permit = permit(&scenario);
    assert_eq!(permit.recipients, Recipients::One(Seat::First));
    assert_eq!(permit.spends.rows, 1024);
    assert_eq!(permit.columns.len(), 2);
}

#[test]
fn own_rows_are_checked_exactly() {
    let agreement = active();
    let bank = agreement.agreement().party(Seat::First);
    assert_eq!(check_own_rows(bank, 100), Ok(()));
    assert_eq!(check_own_rows(bank, 1000), Ok(()));
    let party = bank.name.clone();
    assert_eq!(check_own_rows(bank, 99), Err(Reason::RowsBelowMinimum { party: party.clone(), rows: 99, min: 100 }));
    assert_eq!(check_own_rows(bank, 1001), Err(Reason::RowsAboveMaximum { party, rows: 1001, max: 1000 }));
}
