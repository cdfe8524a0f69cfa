//! Payload that is held back until enough keys match.

use rand_core::Rng;
use symbolon_primitives::prg::Prg;

use super::hostile::{CHECK, FINISH, STEP, assert_error, deviate};
use super::{Case, JOINS, seed};
use crate::error::{Error, PeerMisbehaved};
use crate::frame::HEADER_BYTES;
use crate::release::ReleaseKey;
use crate::testing::{Delivery, End, Pair, limits, run_through};
use crate::{Frame, Machine, Output, Protocol, Report, Role, Step};

const REPORTS: [Report; 2] = [Report::Count, Report::Sufficient];
const REPORT: u8 = 5;
const RELEASE: u8 = 6;

fn step(frames: &[Vec<u8>], step: u8) -> &[u8] {
    let frame = frames.iter().find(|frame| frame[STEP] == step).unwrap();
    &frame[HEADER_BYTES..]
}

/// The key of a case's sender, whose seed is known.
fn key(case: &Case) -> ([u8; 32], [u8; 32]) {
    let key = ReleaseKey::random(&Prg::new(seed(1)));
    (*key.expose(), key.commitment(&case.spec().sid))
}

fn sent_anywhere(pair: &Pair, bytes: &[u8]) -> bool {
    let mut frames = pair.frames_sender.iter().chain(&pair.frames_receiver);
    frames.any(|frame| frame.windows(bytes.len()).any(|window| window == bytes))
}

#[test]
fn payload_opens_at_the_minimum_and_above_and_not_below() {
    for (protocol, report) in JOINS.into_iter().flat_map(|protocol| REPORTS.map(|report| (protocol, report))) {
        for (sender, start, receiver) in [(0, 0, 5), (5, 0, 0), (1, 0, 1), (20, 20, 30), (21, 0, 21), (40, 17, 60)] {
            let open = Case::overlapping(protocol, sender, start, receiver, 33);
            let common = u64::from(sender.saturating_sub(start).min(receiver));
            for keys_min in [0, common.saturating_sub(1), common, common + 1, u64::MAX] {
                let case = open.clone().withheld_below(keys_min, report);
                case.check(case.run());
            }
        }
    }
}

#[test]
fn rows_count_once_for_their_key() {
    let rows = (0_u8..30).map(|row| (vec![row % 3], vec![row; 4])).collect();
    let keys = vec![vec![0], vec![2], vec![9]];
    let open = Case { protocol: Protocol::EcdhOprf, rows, keys, payload_bytes: 4, release: None };
    for keys_min in 2..4 {
        let case = open.clone().withheld_below(keys_min, Report::Count);
        case.check(case.run());
    }
}

#[test]
fn ten_thousand_rows_in_several_frames() {
    for (keys_min, report) in [(5_000, Report::Sufficient), (5_001, Report::Count)] {
        let case = Case::overlapping(Protocol::EcdhOprf, 10_000, 5_000, 9_000, 24).withheld_below(keys_min, report);
        case.check(case.run());
    }
}

#[test]
fn the_key_leaves_the_sender_with_enough_matches_only() {
    for report in REPORTS {
        for (keys_min, released) in [(3, true), (4, false)] {
            let case = Case::overlapping(Protocol::EcdhOprf, 5, 2, 4, 9).withheld_below(keys_min, report);
            let (key, commitment) = key(&case);
            let pair = case.run();
            assert_eq!(step(&pair.frames_sender, 1)[32..], commitment);
            assert_eq!(sent_anywhere(&pair, &key), released);
            let mut body = vec![u8::from(released)];
            body.extend(if released { key } else { [0; 32] });
            assert_eq!(step(&pair.frames_sender, RELEASE), body);
            let said = if report == Report::Count { 3_u64.to_be_bytes().to_vec() } else { vec![u8::from(released)] };
            assert_eq!(step(&pair.frames_receiver, REPORT), said);
        }
    }
}

/// What the receiver sends, and so what the sender can react to, is the same whatever became of the payload, in
/// either layer.
#[test]
fn the_senders_view_does_not_depend_on_payloads() {
    for report in REPORTS {
        let case = Case::overlapping(Protocol::EcdhOprf, 40, 10, 40, 8).withheld_below(20, report);
        let honest = case.run();
        let width = 32 + 16 + 16 + 8;
        let mut noise = Prg::new(seed(9));
        for changed in [32..width, 40..41, 50..51, width - 1..width] {
            let pair = deviate(&case, Role::Sender, |frame| {
                if frame[STEP] == 4 {
                    for row in frame[HEADER_BYTES..].chunks_exact_mut(width) {
                        noise.fill_bytes(&mut row[changed.clone()]);
                        row[changed.start] |= 1;
                    }
                }
            });
            assert_eq!(pair.frames_receiver, honest.frames_receiver, "the whole direction, Finish too");
            assert_eq!(step(&pair.frames_sender, RELEASE), step(&honest.frames_sender, RELEASE));
            let outcome = pair.receiver.finished();
            let Output::Matched(matched) = outcome.output() else { panic!("{outcome:?}") };
            assert!(matched.unopened_rows >= 29 && matched.keys.len() <= 1, "{matched:?}");
        }
    }
}

/// When the receiver's last frame leaves no payload has been opened, and until the release arrives none is.
#[test]
fn nothing_is_opened_before_the_release() {
    let case = Case::overlapping(Protocol::EcdhOprf, 30, 10, 30, 8).withheld_below(20, Report::Count);
    let mut inbound = case.run().frames_sender.into_iter();
    let mut party = case.receiver();
    let (mut last_sent, mut last_taken, mut waits) = (None, None, false);
    loop {
        let wire = if waits { inbound.next() } else { None };
        let frame = wire.map(|wire| Frame::from_wire(wire, &limits()).unwrap());
        last_taken = frame.as_ref().map(|frame| frame.header().step).or(last_taken);
        let step = party.advance(frame).unwrap();
        waits = matches!(step, Step::Await(_));
        party = match step {
            Step::Send(frame, next) => {
                assert_ne!(next.progress().phase, "opening rows");
                last_sent = Some(frame.header().step);
                next
            }
            Step::Work(next) | Step::Await(next) => {
                assert!(next.progress().phase != "opening rows" || last_taken == Some(FINISH));
                next
            }
            Step::Done(outcome) => {
                assert_eq!(case.seen_by_receiver(outcome.output()), case.expected());
                break;
            }
        };
    }
    assert_eq!(last_sent, Some(FINISH));
}

/// A receiver that ends its direction without a report, or with Done in its place, gets no answer.
#[test]
fn without_a_report_there_is_no_release() {
    for report in REPORTS {
        let case = Case::overlapping(Protocol::EcdhOprf, 5, 2, 4, 9).withheld_below(1, report);
        for done in [None, Some(0xFD)] {
            let pair = run_through(case.sender(), case.receiver(), Delivery::Eager, |role, _, mut frame| {
                match (role, frame[STEP], done) {
                    (Role::Receiver, REPORT, None) => Vec::new(),
                    (Role::Receiver, REPORT, Some(done)) => {
                        frame[STEP] = done;
                        frame.truncate(HEADER_BYTES);
                        vec![frame]
                    }
                    _ => vec![frame],
                }
            });
            let error = pair.sender.error().unwrap();
            assert!(matches!(error, Error::PeerMisbehaved(PeerMisbehaved::OutOfOrder { .. })), "{error}");
            assert!(!pair.frames_sender.iter().any(|frame| frame[STEP] == RELEASE));
            assert!(!sent_anywhere(&pair, &key(&case).0));
            assert!(matches!(pair.receiver, End::Stalled));
        }
    }
}

/// A report is acted on only when the receiver's Finish says it is the one that was sent.
#[test]
fn a_report_changed_on_the_way_releases_nothing() {
    let case = Case::overlapping(Protocol::EcdhOprf, 5, 2, 4, 9).withheld_below(4, Report::Count);
    let pair = run_through(case.sender(), case.receiver(), Delivery::Eager, |role, _, mut frame| {
        if role == Role::Receiver && frame[STEP] == REPORT {
            frame[HEADER_BYTES + 7] = 4;
        }
        vec![frame]
    });
    assert_error(&pair.sender, PeerMisbehaved::TranscriptDiffers);
    assert!(!sent_anywhere(&pair, &key(&case).0));
}

#[test]
fn reports_no_receiver_can_make_are_refused() {
    let open = Case::overlapping(Protocol::EcdhOprf, 5, 2, 4, 9);
    for (report, body) in [
        (Report::Count, 6_u64.to_be_bytes().to_vec()),
        (Report::Count, vec![0xFF; 8]),
        (Report::Sufficient, vec![2]),
        (Report::Sufficient, vec![0xFF]),
    ] {
        let case = open.clone().withheld_below(1, report);
        let pair = deviate(&case, Role::Receiver, |frame| {
            if frame[STEP] == REPORT {
                frame[HEADER_BYTES..].copy_from_slice(&body);
            }
        });
        assert_error(&pair.sender, PeerMisbehaved::UnexpectedContent { step: REPORT });
        assert!(!sent_anywhere(&pair, &key(&case).0));
    }
}

/// Another key than the committed one, a refusal of what was earned, a gift of what was not, and words besides.
#[test]
fn an_answer_that_does_not_fit_is_refused() {
    let other = [7_u8; 32];
    let (met, unmet) = (3, 4);
    for report in REPORTS {
        let case = |keys_min| Case::overlapping(Protocol::EcdhOprf, 5, 2, 4, 9).withheld_below(keys_min, report);
        let (key, _) = key(&case(met));
        for (keys_min, given, bytes) in [
            (met, 1, other),
            (met, 0, [0; 32]),
            (met, 0, key),
            (met, 2, key),
            (unmet, 1, key),
            (unmet, 1, other),
            (unmet, 0, key),
            (unmet, 0xFF, [0; 32]),
        ] {
            let pair = deviate(&case(keys_min), Role::Sender, |frame| {
                if frame[STEP] == RELEASE {
                    frame[HEADER_BYTES] = given;
                    frame[HEADER_BYTES + 1..].copy_from_slice(&bytes);
                }
            });
            assert_error(&pair.receiver, PeerMisbehaved::ReleaseRejected);
        }
        // A commitment to another key is noticed as well, when the key comes.
        let pair = deviate(&case(met), Role::Sender, |frame| {
            if frame[STEP] == 1 {
                frame[HEADER_BYTES + 32] ^= 1;
            }
        });
        assert_error(&pair.receiver, PeerMisbehaved::ReleaseRejected);
    }
}

/// The answer before the report, and the check before its rows.
#[test]
fn steps_of_the_release_before_their_turn() {
    let case = Case::overlapping(Protocol::EcdhOprf, 5, 2, 4, 9).withheld_below(1, Report::Count);
    let whole_run = case.run().frames_sender;
    let from = whole_run.iter().position(|frame| frame[STEP] == CHECK).unwrap();
    let early = run_through(case.sender(), case.receiver(), Delivery::Eager, |role, number, frame| match role {
        Role::Sender if number == from => whole_run[from..].to_vec(),
        Role::Sender if number > from => Vec::new(),
        _ => vec![frame],
    });
    assert_error(&early.receiver, PeerMisbehaved::BeforeItsTurn { step: RELEASE });
}

/// What was sent to the receiver must be what it saw before it reports: the count would say something else.
#[test]
fn rows_changed_on_the_way_are_not_reported_on() {
    for report in REPORTS {
        let case = Case::overlapping(Protocol::EcdhOprf, 5, 2, 4, 9).withheld_below(1, report);
        let pair = run_through(case.sender(), case.receiver(), Delivery::Eager, |role, _, mut frame| {
            if role == Role::Sender && frame[STEP] == 4 {
                frame[HEADER_BYTES + 31] ^= 1;
            }
            vec![frame]
        });
        assert_error(&pair.receiver, PeerMisbehaved::TranscriptDiffers);
        assert!(!pair.frames_receiver.iter().any(|frame| frame[STEP] == REPORT));
    }
}
