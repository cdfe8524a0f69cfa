//! The right answer, for every shape of input.

use proptest::prelude::*;

use super::{Case, JOINS, seed, small_cases};
use crate::error::Misuse;
use crate::testing::{Delivery, limits, run_through};
use crate::{Error, ItemSet, Limits, Output, Party, Protocol, ReceiverInput, Release, Report, SenderInput};

fn all_protocols(sender: u32, start: u32, receiver: u32) {
    for protocol in Protocol::ALL {
        let case = Case::overlapping(*protocol, sender, start, receiver, 0);
        case.check(case.run());
    }
    for protocol in JOINS {
        let case = Case::overlapping(protocol, sender, start, receiver, 33);
        case.check(case.run());
    }
}

#[test]
fn empty_disjoint_equal_and_single_sets() {
    all_protocols(0, 0, 0);
    all_protocols(0, 0, 7);
    all_protocols(7, 0, 0);
    all_protocols(20, 20, 30);
    all_protocols(21, 0, 21);
    all_protocols(1, 0, 1);
    all_protocols(1, 1, 1);
    all_protocols(40, 17, 1);
}

#[test]
fn ten_thousand_keys_in_several_frames() {
    for protocol in Protocol::ALL {
        let payload_bytes = if protocol.joins_rows() { 24 } else { 0 };
        let case = Case::overlapping(*protocol, 10_000, 5_000, 9_000, payload_bytes);
        case.check(case.run());
    }
}

#[test]
fn many_rows_under_one_key() {
    let rows = (0_u32..9_000).map(|row| {
        let key = if row % 3 == 0 { "many".to_owned() } else { format!("{}", row % 500) };
        (key.into_bytes(), row.to_be_bytes().to_vec())
    });
    let keys = ["many", "3", "499", "500", "none"].map(|key| key.as_bytes().to_vec()).to_vec();
    let rows: Vec<_> = rows.collect();
    for protocol in JOINS {
        let case = Case { protocol, rows: rows.clone(), keys: keys.clone(), payload_bytes: 4, release: None };
        case.check(case.run());
    }
}

#[test]
fn large_payloads_have_frames_of_their_own() {
    let rows: Vec<_> = (0_u8..5).map(|row| (vec![row], vec![row; 200_000])).collect();
    for protocol in JOINS {
        let keys = vec![vec![3], vec![9]];
        let case = Case { protocol, rows: rows.clone(), keys, payload_bytes: 200_000, release: None };
        case.check(case.run());
    }
}

#[test]
fn frames_given_late_give_the_same_bytes() {
    for case in small_cases() {
        let eager = case.run();
        let late = run_through(case.sender(), case.receiver(), Delivery::WhenAwaited, |_, _, frame| vec![frame]);
        assert_eq!(eager.frames_sender, late.frames_sender);
        assert_eq!(eager.frames_receiver, late.frames_receiver);
        case.check(late);
    }
}

#[test]
fn another_seed_gives_other_bytes_and_the_same_result() {
    for case in small_cases() {
        let first = case.run();
        let spec = case.spec();
        let sender = Party::sender(spec.clone(), case.sender_input(), seed(3), &limits()).unwrap();
        let receiver = Party::receiver(spec, case.receiver_input(), seed(4), &limits()).unwrap();
        let second = crate::testing::run(sender, receiver);
        assert_ne!(first.frames_sender[0], second.frames_sender[0]);
        assert_ne!(first.frames_receiver[0], second.frames_receiver[0]);
        case.check(second);
    }
}

#[test]
fn another_schema_matches_nothing() {
    for protocol in JOINS {
        let case = Case::overlapping(protocol, 5, 0, 5, 0);
        let mut spec = case.spec();
        spec.schema_id = b"test/2".to_vec();
        let receiver = Party::receiver(spec, case.receiver_input(), seed(2), &limits()).unwrap();
        let outcome = crate::testing::run(case.sender(), receiver).receiver.finished();
        assert!(matches!(outcome.output(), Output::Matched(matched) if matched.keys.is_empty()));
    }
}

#[test]
fn a_finished_wait_can_be_asked_again() {
    use crate::{Machine, Step};
    for case in small_cases() {
        let mut party = case.sender();
        for _ in 0..50 {
            party = match party.advance(None).unwrap() {
                Step::Send(_, next) | Step::Work(next) | Step::Await(next) => next,
                Step::Done(_) => panic!("nothing was received"),
            };
        }
        assert!(matches!(party.advance(None).unwrap(), Step::Await(_)));
    }
}

#[test]
fn inputs_that_do_not_fit_are_refused() {
    let case = Case::overlapping(Protocol::EcdhOprf, 5, 0, 5, 4);
    let spec = case.spec();
    let refuse_sender = |change: &dyn Fn(&mut crate::SessionSpec, &mut SenderInput)| {
        let (mut spec, mut input) = (spec.clone(), case.sender_input());
        change(&mut spec, &mut input);
        Party::sender(spec, input, seed(1), &limits()).unwrap_err()
    };
    let error = refuse_sender(&|spec, _| spec.rows_sender = 4);
    assert!(matches!(error, Error::Misuse(Misuse::DeclaredTooFew { declared: 4, got: 5 })));
    let error = refuse_sender(&|spec, _| spec.rows_receiver = 0);
    assert!(matches!(error, Error::Misuse(Misuse::DeclaredTooFew { declared: 0, got: 0 })));
    let error = refuse_sender(&|spec, _| spec.rows_receiver = limits().rows_max + 1);
    assert!(matches!(error, Error::LimitExceeded { what: "declared rows", .. }));
    let error = refuse_sender(&|spec, _| spec.payload_bytes = Limits::PAYLOAD_BYTES_CEILING + 1);
    assert!(matches!(error, Error::LimitExceeded { what: "payload bytes of a row", .. }));
    let error = refuse_sender(&|spec, _| spec.schema_id = vec![0; 2_000]);
    assert!(matches!(error, Error::LimitExceeded { what: "bytes of the schema's name", .. }));
    let error = refuse_sender(&|_, input| input.row_key[1] = 5);
    assert!(matches!(error, Error::Misuse(Misuse::RowKeyOutOfRange { row: 1 })));
    let error = refuse_sender(&|_, input| input.payload.truncate(19));
    assert!(matches!(error, Error::Misuse(Misuse::PayloadLength { expected: 20, got: 19 })));
    let error = refuse_sender(&|spec, _| spec.protocol = Protocol::EcdhMutual);
    assert!(matches!(error, Error::Misuse(Misuse::PayloadNotSupported)));
    let error = refuse_sender(&|spec, _| {
        spec.payload_bytes = 0;
        spec.release = Some(Release { keys_min: 1, report: Report::Count });
    });
    assert!(matches!(error, Error::Misuse(Misuse::ReleaseWithoutPayload)));
    let keys: ItemSet = [&b"x"[..], b"x"].into_iter().collect();
    let error = Party::receiver(spec.clone(), ReceiverInput { keys }, seed(1), &limits()).unwrap_err();
    assert!(matches!(error, Error::Misuse(Misuse::DuplicateKey { index: 1 })));
    let narrow = Limits { frame_bytes_max: 1_000, ..limits() };
    let error = Party::receiver(spec, case.receiver_input(), seed(1), &narrow).unwrap_err();
    assert!(matches!(error, Error::LimitExceeded { what: "bytes of a frame", max: 1_000, .. }));
}

fn bytes(length: std::ops::Range<usize>) -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(0_u8..4, length)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    /// Short keys over four letters, so that many match, some are empty and rows share keys.
    #[test]
    fn agrees_with_a_join_of_sets(
        rows in prop::collection::vec((bytes(0..4), bytes(6..7)), 0..60),
        keys in prop::collection::btree_set(bytes(0..4), 0..60),
        keys_min in 0_u64..30,
    ) {
        let keys: Vec<_> = keys.into_iter().collect();
        let with_payload = Case { protocol: Protocol::EcdhOprf, rows, keys, payload_bytes: 6, release: None };
        for protocol in JOINS {
            let case = Case { protocol, ..with_payload.clone() };
            case.check(case.run());
        }
        for protocol in Protocol::ALL {
            let rows = with_payload.rows.iter().map(|(key, _)| (key.clone(), Vec::new())).collect();
            let keys = with_payload.keys.clone();
            let case = Case { protocol: *protocol, rows, keys, payload_bytes: 0, release: None };
            case.check(case.run());
        }
        for (protocol, report) in JOINS.into_iter().zip([Report::Count, Report::Sufficient, Report::Count]) {
            let case = Case { protocol, ..with_payload.clone() }.withheld_below(keys_min, report);
            case.check(case.run());
        }
    }
}
