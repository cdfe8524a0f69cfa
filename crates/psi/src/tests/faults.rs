//! Every frame of every protocol, changed on the way: a typed error, and no output made from it.

use proptest::prelude::*;

use super::{Case, frames, small_cases};
use crate::error::{Error, PeerIncompatible, PeerMisbehaved};
use crate::frame::HEADER_BYTES;
use crate::testing::{Delivery, End, Fault, Pair, limits, run_through, with_fault};
use crate::{Frame, Machine, Protocol, Role, Step};

const BOTH: [Role; 2] = [Role::Sender, Role::Receiver];

fn run_with(case: &Case, from: Role, position: usize, fault: Fault) -> Pair {
    run_through(case.sender(), case.receiver(), Delivery::Eager, with_fault(from, position, fault))
}

/// The end of whoever receives what `from` sends, and the end of `from`.
fn ends(pair: Pair, from: Role) -> (End, End) {
    match from {
        Role::Sender => (pair.receiver, pair.sender),
        Role::Receiver => (pair.sender, pair.receiver),
    }
}

/// Runs a case for every frame of it, with a fault that must be noticed.
fn for_every_frame(cases: &[Case], fault: Fault, mut check: impl FnMut(&Case, Role, usize, End, End)) {
    for case in cases {
        let clean = case.run();
        for from in BOTH {
            for position in 0..frames(&clean, from).len() {
                let (hit, other) = ends(run_with(case, from, position, fault), from);
                check(case, from, position, hit, other);
            }
        }
    }
}

/// Whoever got the faulty frame has no output. The other side may have finished before, with the right result: the
/// last frame of a run cannot be confirmed by a further one.
fn assert_noticed(case: &Case, from: Role, hit: &End, other: &End) {
    assert!(!matches!(hit, End::Finished(_)), "{case:?}: an output in spite of a fault");
    let peer_error = |end: &End| end.error().is_some_and(Error::is_peer);
    assert!(peer_error(hit) || peer_error(other), "{case:?}: nobody noticed: {hit:?} {other:?}");
    for end in [hit, other] {
        assert!(end.error().is_none_or(Error::is_peer), "{case:?}: blamed on the wrong one: {end:?}");
    }
    if let End::Finished(outcome) = other {
        let right = match from {
            Role::Sender => case.seen_by_sender(outcome.output()) == case.expected_by_sender(),
            Role::Receiver => case.seen_by_receiver(outcome.output()) == case.expected(),
        };
        assert!(right, "{case:?}: a wrong output");
    }
}

/// The bytes of a frame that are changed: all of them, and of long frames, whose bytes are alike, the header, the
/// first and last bytes and some of those between.
fn offsets(frame: &[u8]) -> impl Iterator<Item = usize> {
    let (length, long) = (frame.len(), frame.len() > 1_000);
    let between = HEADER_BYTES + 4..length.saturating_sub(4);
    (0..length).filter(move |offset| !long || !between.contains(offset) || offset % (length / 12) == 7)
}

#[test]
fn every_byte_of_every_frame_flipped() {
    for case in small_cases() {
        let clean = case.run();
        for from in BOTH {
            for (position, frame) in frames(&clean, from).iter().enumerate() {
                for offset in offsets(frame) {
                    let mask = 1 << (offset % 8);
                    let (hit, other) = ends(run_with(&case, from, position, Fault::Flip(offset, mask)), from);
                    assert_noticed(&case, from, &hit, &other);
                    if offset < HEADER_BYTES {
                        assert_header_error(offset, &hit);
                    }
                }
            }
        }
    }
}

fn assert_header_error(offset: usize, end: &End) {
    let fits = match (offset, end.error().unwrap()) {
        (0, Error::PeerIncompatible(PeerIncompatible::Version { .. }))
        | (1, Error::PeerIncompatible(PeerIncompatible::Protocol { .. })) => true,
        (2..7, Error::PeerMisbehaved(error)) => {
            matches!(error, PeerMisbehaved::OutOfOrder { .. } | PeerMisbehaved::Repeated { .. })
        }
        (7..11, Error::PeerMisbehaved(error)) => matches!(error, PeerMisbehaved::WrongTotal { .. }),
        (11.., Error::PeerMisbehaved(error)) => matches!(error, PeerMisbehaved::WrongSession),
        _ => false,
    };
    assert!(fits, "header byte {offset}: {end:?}");
}

#[test]
fn every_frame_doubled() {
    for_every_frame(&small_cases(), Fault::Double, |case, from, _, hit, other| {
        assert_noticed(case, from, &hit, &other);
        let error = hit.error().unwrap();
        let named = [PeerMisbehaved::Repeated { step: 0, index: 0 }.label(), PeerMisbehaved::AfterTheEnd.label()];
        assert!(named.contains(&error.label()), "{error}");
    });
}

#[test]
fn every_frame_cut() {
    for cut in [0, 1, HEADER_BYTES - 1] {
        for_every_frame(&small_cases(), Fault::Cut(cut), |case, from, _, hit, other| {
            assert_noticed(case, from, &hit, &other);
            let expected = PeerMisbehaved::FrameTooShort { expected: HEADER_BYTES, got: cut };
            assert!(matches!(hit.error(), Some(Error::PeerMisbehaved(error)) if *error == expected));
        });
    }
    for case in small_cases() {
        let clean = case.run();
        for from in BOTH {
            for (position, frame) in frames(&clean, from).iter().enumerate() {
                for cut in offsets(frame).filter(|cut| *cut >= HEADER_BYTES) {
                    let (hit, _) = ends(run_with(&case, from, position, Fault::Cut(cut)), from);
                    let error = hit.error().unwrap();
                    assert!(matches!(error, Error::PeerMisbehaved(PeerMisbehaved::WrongLength { .. })), "{error}");
                }
            }
        }
    }
}

#[test]
fn every_frame_extended() {
    for extra in [1, 32, 4_096] {
        for_every_frame(&small_cases(), Fault::Extend(extra), |_, _, _, hit, _| {
            let error = hit.error().unwrap();
            assert!(matches!(error, Error::PeerMisbehaved(PeerMisbehaved::WrongLength { .. })), "{error}");
        });
    }
    for_every_frame(&small_cases(), Fault::Extend(1 << 20), |_, _, _, hit, _| {
        let error = hit.error().unwrap();
        assert!(matches!(error, Error::PeerMisbehaved(PeerMisbehaved::FrameTooLong { .. })), "{error}");
    });
}

#[test]
fn every_frame_dropped_or_swapped() {
    for fault in [Fault::Drop, Fault::SwapWithNext] {
        for_every_frame(&small_cases(), fault, |_, _, _, hit, other| {
            assert!(!matches!(hit, End::Finished(_)));
            // A gap shows when a later frame comes; a missing last frame is the driver's to time out.
            let out_of_order =
                |error: &Error| matches!(error, Error::PeerMisbehaved(PeerMisbehaved::OutOfOrder { .. }));
            assert!(hit.error().is_none_or(out_of_order), "{hit:?}");
            assert!(other.error().is_none(), "{other:?}");
        });
    }
}

/// Several frames a step: gaps, repeats and swaps within it.
#[test]
fn frames_within_a_step() {
    let rows = (0_u32..9_000).map(|row| (vec![u8::from(row % 2 == 0)], Vec::new())).collect();
    let keys = (0_u32..4_200).map(|key| key.to_be_bytes().to_vec()).collect();
    let case = Case { protocol: Protocol::EcdhOprf, rows, keys, payload_bytes: 0, release: None };
    case.check(case.run());
    let faults = [Fault::Drop, Fault::Double, Fault::SwapWithNext];
    for (from, position) in [(Role::Receiver, 0), (Role::Sender, 1), (Role::Sender, 3), (Role::Sender, 4)] {
        for fault in faults {
            let (hit, _) = ends(run_with(&case, from, position, fault), from);
            let Some(Error::PeerMisbehaved(error)) = hit.error() else { panic!("{fault:?} at {position}: {hit:?}") };
            let repeated = matches!(error, PeerMisbehaved::Repeated { .. });
            assert_eq!(repeated, fault == Fault::Double, "{error}");
            assert!(repeated || matches!(error, PeerMisbehaved::OutOfOrder { .. }), "{error}");
        }
    }
}

fn any_frame() -> impl Strategy<Value = Vec<u8>> {
    let header = (
        0_u8..3,
        0_u8..7,
        prop::sample::select(vec![0_u8, 1, 2, 3, 4, 5, 6, 7, 8, 0xFC, 0xFD, 0xFE]),
        0_u32..3,
        0_u32..3,
    );
    let body = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..200),
        (prop::sample::select(vec![0_usize, 32, 64, 128, 160, 192]), any::<u8>())
            .prop_map(|(length, byte)| vec![byte; length]),
    ];
    (header, body).prop_map(|((version, protocol, step, index, total), body)| {
        let mut wire = vec![version, protocol, step];
        wire.extend(index.to_be_bytes());
        wire.extend(total.to_be_bytes());
        wire.extend([0x51; 32]);
        wire.extend(body);
        wire
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    /// No sequence of frames makes a machine panic, or finish.
    #[test]
    fn arbitrary_frames_end_in_an_error(wires in prop::collection::vec(any_frame(), 1..6), which in 0_usize..10) {
        let case = small_cases().swap_remove(which);
        for mut party in [case.sender(), case.receiver()] {
            let mut queue = wires.clone().into_iter();
            for _ in 0..40 {
                let inbound = queue.next().map(|wire| Frame::from_wire(wire, &limits()));
                let Ok(step) = inbound.transpose().and_then(|inbound| party.advance(inbound)) else { break };
                party = match step {
                    Step::Send(_, next) | Step::Work(next) | Step::Await(next) => next,
                    Step::Done(_) => panic!("finished from arbitrary frames"),
                };
            }
        }
    }
}
