//! Budgets for a period, different inputs, and signs of probing.

use symbolon_policy::probing::Sign;
use symbolon_policy::sketch::Marker;
use symbolon_policy::{Agreement, OptionalTerms, Period, SignedAgreement};
use symbolon_primitives::secret::Secret;

use super::*;

/// An agreement with these optional terms, in force on both sides.
async fn agree(pair: &Pair, runs_max: u64, optional: OptionalTerms) -> AgreementId {
    use crate::ops::agreements::AgreementInput::Document;
    let draft = String::from_utf8(pair.draft().await).unwrap();
    let mut terms = SignedAgreement::from_toml(&draft).unwrap().agreement().terms().clone();
    terms.runs_max = runs_max;
    terms.rows_total_max = 1_000_000;
    terms.optional = optional;
    let document = SignedAgreement::draft(Agreement::new(terms).unwrap()).to_toml().into_bytes();
    let once = pair.bank.agreement_sign(Document(document)).await.unwrap();
    let both = pair.bureau.agreement_sign(Document(once.document)).await.unwrap();
    pair.bank.agreement_accept(Document(both.document)).await.unwrap().record.id
}

/// The bureau is asked with `peer`.
fn asked(pair: &Pair, id: AgreementId, peer: u8) -> Acceptance {
    let inputs = JobInputs { own: Some([100; 32]), peer: Some([peer; 32]), mark: None };
    Acceptance { inputs, ..acceptance(pair, id) }
}

async fn accept(pair: &Pair, acceptance: Acceptance) -> Result<Vec<Sign>, Error> {
    let accepted = pair.bureau.store().accept_job(acceptance).await?;
    Ok(accepted.findings.iter().map(|finding| finding.sign).collect())
}

#[tokio::test]
async fn a_period_begins_anew_and_the_refusal_says_when() {
    let pair = Pair::new().await;
    let optional = OptionalTerms { period: Some(Period::Day), runs_per_period: Some(2), ..OptionalTerms::default() };
    let id = agree(&pair, 100, optional).await;
    for _ in 0..2 {
        accept(&pair, asked(&pair, id, 1)).await.unwrap();
    }
    let refused = accept(&pair, asked(&pair, id, 1)).await.unwrap_err();
    assert_eq!(refused.reason(), "PERIOD_RUNS_SPENT");
    assert!(refused.to_string().contains("2026-03-02T00:00:00Z"), "{refused}");
    let view = pair.bureau.budget(&hex::encode(id)).await.unwrap();
    let line = view.lines.iter().find(|line| line.budget == "runs_per_period").unwrap();
    assert_eq!((line.spent, line.left, line.resets_at.as_deref()), (2, 0, Some("2026-03-02T00:00:00Z")));
    assert_eq!((view.own.runs, view.other.runs, view.other.rows, view.other.inputs), (0, 2, 6, 1));

    // Twelve hours later the clock shows midnight.
    pair.clock.advance(Duration::from_secs(12 * 3600));
    accept(&pair, asked(&pair, id, 1)).await.unwrap();
    let view = pair.bureau.budget(&hex::encode(id)).await.unwrap();
    let left = view.lines.iter().map(|line| (line.budget, line.left)).collect::<Vec<_>>();
    assert_eq!(left, [("runs_max", 97), ("rows_total_max", 999_991), ("runs_per_period", 1)]);
}

#[tokio::test]
async fn rows_of_a_period_are_counted() {
    let pair = Pair::new().await;
    let optional = OptionalTerms { period: Some(Period::Week), rows_per_period: Some(7), ..OptionalTerms::default() };
    let id = agree(&pair, 100, optional).await;
    for _ in 0..2 {
        accept(&pair, asked(&pair, id, 1)).await.unwrap();
    }
    assert_eq!(accept(&pair, asked(&pair, id, 1)).await.unwrap_err().reason(), "PERIOD_ROWS_SPENT");
}

#[tokio::test]
async fn a_changed_input_is_a_new_probe_and_the_same_input_is_none() {
    let pair = Pair::new().await;
    let id = agree(&pair, 100, OptionalTerms { snapshots_max: Some(2), ..OptionalTerms::default() }).await;
    for input in [1, 1, 2, 1, 2] {
        accept(&pair, asked(&pair, id, input)).await.unwrap();
    }
    assert_eq!(accept(&pair, asked(&pair, id, 3)).await.unwrap_err().reason(), "SNAPSHOTS_SPENT");
    let undeclared = acceptance(&pair, id);
    assert_eq!(accept(&pair, undeclared).await.unwrap_err().reason(), "SNAPSHOT_UNDECLARED");
    accept(&pair, asked(&pair, id, 2)).await.unwrap();
    // The own side is held to it too.
    let mut changed = asked(&pair, id, 1);
    for (own, reason) in [(101, None), (102, Some("SNAPSHOTS_SPENT"))] {
        changed = Acceptance { job: job(id, at(&pair)), ..changed };
        changed.inputs.own = Some([own; 32]);
        assert_eq!(accept(&pair, changed.clone()).await.err().map(|error| error.reason()), reason);
    }
    let view = pair.bureau.budget(&hex::encode(id)).await.unwrap();
    let inputs: Vec<_> = view.lines.iter().filter(|line| line.budget == "snapshots_max").collect();
    assert_eq!(
        inputs.iter().map(|line| (line.party.as_deref(), line.left)).collect::<Vec<_>>(),
        [(Some("bureau"), 0), (Some("bank"), 0)]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_thirty_two_jobs_at_once_on_the_last_run_one_is_accepted_on_either_side() {
    let pair = Pair::new().await;
    let limits = [
        (1, OptionalTerms::default(), "RUNS_SPENT"),
        (
            100,
            OptionalTerms { period: Some(Period::Month), runs_per_period: Some(1), ..OptionalTerms::default() },
            "PERIOD_RUNS_SPENT",
        ),
        (
            100,
            OptionalTerms { period: Some(Period::Day), rows_per_period: Some(5), ..OptionalTerms::default() },
            "PERIOD_ROWS_SPENT",
        ),
    ];
    for (runs_max, optional, reason) in limits {
        let id = agree(&pair, runs_max, optional).await;
        for (home, side, seat) in
            [(&pair.bureau, Side::Responder, Seat::Second), (&pair.bank, Side::Initiator, Seat::First)]
        {
            let other = Arc::new(SqliteStore::open(&home.settings().state_db()).await.unwrap());
            let mut tasks = tokio::task::JoinSet::new();
            for index in 0..32_u8 {
                let store: Arc<dyn Store> =
                    if index % 2 == 0 { Arc::clone(home.store()) } else { Arc::<SqliteStore>::clone(&other) };
                let mut acceptance = asked(&pair, id, 1);
                (acceptance.job.side, acceptance.seat) = (side, seat);
                tasks.spawn(async move { store.accept_job(acceptance).await });
            }
            let outcomes = tasks.join_all().await;
            assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1, "{reason}");
            let reasons: HashSet<_> =
                outcomes.into_iter().filter_map(Result::err).map(|error| error.reason()).collect();
            assert_eq!(reasons, HashSet::from([reason]));
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn different_inputs_at_once_never_exceed_their_number() {
    let pair = Pair::new().await;
    let id = agree(&pair, 100, OptionalTerms { snapshots_max: Some(3), ..OptionalTerms::default() }).await;
    let mut tasks = tokio::task::JoinSet::new();
    for input in 0..32 {
        let (store, acceptance) = (Arc::clone(pair.bureau.store()), asked(&pair, id, input));
        tasks.spawn(async move { store.accept_job(acceptance).await.is_ok() });
    }
    assert_eq!(tasks.join_all().await.into_iter().filter(|accepted| *accepted).count(), 3);
}

#[tokio::test]
async fn signs_of_probing_are_kept_and_can_be_looked_into_once() {
    let pair = Pair::new().await;
    let id = agree(&pair, 100, OptionalTerms::default()).await;
    assert_eq!(accept(&pair, asked(&pair, id, 1)).await.unwrap(), [Sign::TinySet], "three rows are few");
    let alert = pair.bureau.alert_list(10).await.unwrap().remove(0);
    assert_eq!((alert.sign, alert.found, alert.compared, alert.refused), (Sign::TinySet, 3, 16, false));
    let seen = pair.bureau.alert_ack(alert.id, Some("a test")).await.unwrap();
    assert_eq!((seen.note.as_deref(), seen.seen_at), (Some("a test"), Some(at(&pair))));
    assert_eq!(pair.bureau.alert_ack(alert.id, None).await.unwrap_err().reason(), "ALREADY_EXISTS");
    assert_eq!(pair.bureau.alert_ack(99, None).await.unwrap_err().reason(), "NOT_FOUND");
    assert_eq!(pair.bureau.alert_ack(alert.id, Some("two\nlines")).await.unwrap_err().reason(), "INVALID_REQUEST");
}

#[tokio::test]
async fn a_job_refused_for_a_sign_spends_nothing_and_leaves_the_alert() {
    let pair = Pair::new().await;
    let id = agree(&pair, 100, OptionalTerms::default()).await;
    let mut probing = asked(&pair, id, 1);
    probing.alerts.refuse = true;
    probing.offer_nonce = Some(OfferNonce { nonce: [9; 32], kept_for: chrono::TimeDelta::hours(1) });
    assert_eq!(accept(&pair, probing.clone()).await.unwrap_err().reason(), "PROBING_SUSPECTED");
    assert_eq!(spent(&pair, id).await, (0, 0));
    assert!(pair.bureau.alert_list(10).await.unwrap()[0].refused);
    // The offer is used up all the same.
    probing.job = job(id, at(&pair));
    assert_eq!(accept(&pair, probing).await.unwrap_err().reason(), "PEER_REPLAY");
}

#[tokio::test]
async fn an_own_input_that_nearly_agrees_with_an_earlier_one_is_seen() {
    let pair = Pair::new().await;
    let id = agree(&pair, 100, OptionalTerms::default()).await;
    let own = |keys: std::ops::Range<u32>, refuse| {
        let mut marker = Marker::new(&Secret::new([3; 32]));
        keys.for_each(|key| marker.key(&key.to_be_bytes()));
        let mark = marker.finish();
        let inputs = JobInputs { own: Some(*mark.digest()), peer: Some([1; 32]), mark: Some(mark) };
        let mut acceptance = Acceptance { inputs, seat: Seat::First, ..acceptance(&pair, id) };
        acceptance.job.side = Side::Initiator;
        acceptance.alerts.refuse_overlap = refuse;
        acceptance
    };
    let store = pair.bank.store();
    let accept = |acceptance: Acceptance| async {
        let accepted = store.accept_job(acceptance).await?;
        Ok::<_, Error>(accepted.findings.iter().map(|finding| (finding.sign, finding.found)).collect::<Vec<_>>())
    };
    assert_eq!(accept(own(0..100, true)).await.unwrap(), [], "the first");
    assert_eq!(accept(own(0..100, true)).await.unwrap(), [], "the same");
    assert_eq!(accept(own(200..300, true)).await.unwrap(), [], "another");
    assert_eq!(accept(own(0..101, true)).await.unwrap_err().reason(), "PROBING_SUSPECTED");
    assert_eq!(accept(own(0..101, false)).await.unwrap(), [(Sign::InputOverlap, 1)]);
    assert_eq!(pair.bank.alert_list(10).await.unwrap().len(), 2);
    // What is asked about the own table says nothing of the own questions.
    let mut answering = own(0..102, true);
    (answering.job.side, answering.seat) = (Side::Responder, Seat::Second);
    answering.alerts.thresholds.tiny_rows = 0;
    assert_eq!(accept(answering).await.unwrap(), []);
}
