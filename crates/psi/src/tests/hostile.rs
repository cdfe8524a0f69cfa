//! Peers that deviate on purpose, and keep their transcript consistent while they do.

use rand_core::Rng;
use symbolon_primitives::group::Element;
use symbolon_primitives::hash::Transcript;
use symbolon_primitives::kdf::Label;
use symbolon_primitives::oprf::ServerKey;
use symbolon_primitives::prg::Prg;

use super::{Case, OVER_VOLE, seed};
use crate::error::{Error, Misuse, PeerMisbehaved};
use crate::frame::HEADER_BYTES;
use crate::testing::{Delivery, End, Pair, limits, run_through};
use crate::{ItemSet, Output, Party, Protocol, ReceiverInput, Role, SenderInput};

pub(super) const STEP: usize = 2;
pub(super) const FINISH: u8 = 0xFE;
pub(super) const CHECK: u8 = 0xFC;

/// Runs a case with a peer `from` whose frames are changed by `change`, and whose Finish fits the changed frames.
pub(super) fn deviate(case: &Case, from: Role, mut change: impl FnMut(&mut Vec<u8>)) -> Pair {
    let mut transcript = Transcript::new(Label::Finish);
    transcript.add(case.spec().sid.as_bytes());
    run_through(case.sender(), case.receiver(), Delivery::Eager, move |role, _, mut frame| {
        if role == from {
            if frame[STEP] == FINISH || frame[STEP] == CHECK {
                frame[HEADER_BYTES..HEADER_BYTES + 32].copy_from_slice(&transcript.clone().finish());
            } else {
                change(&mut frame);
            }
            if frame[STEP] != FINISH {
                transcript.add(&frame);
            }
        }
        vec![frame]
    })
}

#[track_caller]
pub(super) fn assert_error(end: &End, expected: PeerMisbehaved) {
    assert!(matches!(end.error(), Some(Error::PeerMisbehaved(error)) if *error == expected), "{end:?}");
}

/// Frames of points by protocol: who sends them, the step, and bytes behind the points.
const POINT_STEPS: [(Protocol, Role, u8); 6] = [
    (Protocol::EcdhOprf, Role::Receiver, 2),
    (Protocol::EcdhOprf, Role::Sender, 1),
    (Protocol::EcdhMutual, Role::Receiver, 1),
    (Protocol::EcdhMutual, Role::Sender, 1),
    (Protocol::EcdhCardinality, Role::Receiver, 1),
    (Protocol::EcdhCardinality, Role::Sender, 2),
];

fn other_end(pair: Pair, from: Role) -> End {
    match from {
        Role::Sender => pair.receiver,
        Role::Receiver => pair.sender,
    }
}

#[test]
fn malformed_points() {
    let order_too_large = [0xFF; 32];
    let mut negative = Element::random(&mut Prg::new(seed(9))).encode();
    negative[0] |= 1;
    for bad in [[0; 32], order_too_large, negative] {
        for (protocol, from, step) in POINT_STEPS {
            let case = Case::overlapping(protocol, 5, 2, 5, 0);
            let pair = deviate(&case, from, |frame| {
                if frame[STEP] == step {
                    frame[HEADER_BYTES..HEADER_BYTES + 32].copy_from_slice(&bad);
                }
            });
            assert_error(&other_end(pair, from), PeerMisbehaved::MalformedPoint);
        }
        let case = Case::overlapping(Protocol::EcdhOprf, 5, 2, 5, 0);
        let pair = deviate(&case, Role::Sender, |frame| {
            if frame[STEP] == 3 {
                frame[HEADER_BYTES..HEADER_BYTES + 32].copy_from_slice(&bad);
            }
        });
        assert_error(&pair.receiver, PeerMisbehaved::MalformedPoint);
    }
}

/// Points of base transfers in the set-up of a correlation, and a correction that does not fit the trees.
#[test]
fn set_ups_that_do_not_fit() {
    for protocol in OVER_VOLE {
        let case = Case::overlapping(protocol, 5, 2, 5, 4);
        // The sender's points come behind its salt, the receiver's point comes first.
        for (from, step, place) in [(Role::Sender, 1, 32), (Role::Receiver, 2, 0)] {
            let pair = deviate(&case, from, |frame| {
                if frame[STEP] == step {
                    frame[HEADER_BYTES + place..HEADER_BYTES + place + 32].fill(0xFF);
                }
            });
            assert_error(&other_end(pair, from), PeerMisbehaved::MalformedPoint);
        }
    }
    let case = Case::overlapping(Protocol::Rr22SmallField, 5, 2, 5, 4);
    let pair = deviate(&case, Role::Receiver, |frame| {
        if frame[STEP] == 2 {
            *frame.last_mut().unwrap() ^= 1;
        }
    });
    assert_error(&pair.sender, PeerMisbehaved::SetUpRejected);
}

/// A key that is there twice shows when rows are made of it.
#[test]
fn keys_that_are_there_twice() {
    for protocol in OVER_VOLE {
        let twice = || [&b"key-3"[..], b"key-4", b"key-3"].into_iter().collect::<ItemSet>();
        let case = Case::overlapping(protocol, 5, 2, 4, 0);
        let input = ReceiverInput { keys: twice() };
        let receiver = Party::receiver(case.spec(), input, seed(2), &limits()).unwrap();
        let end = crate::testing::run(case.sender(), receiver).receiver;
        assert!(matches!(end.error(), Some(Error::Misuse(Misuse::DuplicateKey { index: 2 }))), "{end:?}");
        let input = SenderInput::one_row_per_key(twice(), Vec::new()).unwrap();
        let sender = Party::sender(case.spec(), input, seed(1), &limits()).unwrap();
        let end = crate::testing::run(sender, case.receiver()).sender;
        assert!(matches!(end.error(), Some(Error::Misuse(Misuse::DuplicateKey { index: 2 }))), "{end:?}");
    }
}

#[test]
fn repeated_points() {
    for (protocol, from, step) in POINT_STEPS {
        if (protocol, from) == (Protocol::EcdhOprf, Role::Sender) {
            continue;
        }
        let case = Case::overlapping(protocol, 5, 2, 5, 0);
        let pair = deviate(&case, from, |frame| {
            if frame[STEP] == step {
                frame.copy_within(HEADER_BYTES..HEADER_BYTES + 32, HEADER_BYTES + 64);
            }
        });
        assert_error(&other_end(pair, from), PeerMisbehaved::RepeatedPoint);
    }
}

/// The other side's masked points, all of them or one, sent back as own ones.
#[test]
fn an_echo_of_the_other_sides_points() {
    for count in [1, 5] {
        let case = Case::overlapping(Protocol::EcdhMutual, 5, 2, 5, 0);
        let mut first: Option<(Role, Vec<u8>)> = None;
        let pair = run_through(case.sender(), case.receiver(), Delivery::Eager, |role, _, mut frame| {
            match &first {
                None => first = Some((role, frame.clone())),
                Some((other, points)) if *other != role && frame[STEP] == 1 => {
                    let echoed = HEADER_BYTES..HEADER_BYTES + 32 * count;
                    frame[echoed.clone()].copy_from_slice(&points[echoed]);
                }
                Some(_) => {}
            }
            vec![frame]
        });
        let (victim, _) = first.unwrap();
        assert_error(&other_end(pair, victim.peer()), PeerMisbehaved::EchoedPoint);
    }
}

/// Evaluations under another key than the announced one, with a proof that is good for that other key.
#[test]
fn another_key_with_its_own_proof() {
    let case = Case::overlapping(Protocol::EcdhOprf, 5, 2, 5, 0);
    let mut blinded = None;
    let other = ServerKey::random(&mut Prg::new(seed(7)));
    let pair = run_through(case.sender(), case.receiver(), Delivery::Eager, |role, _, mut frame| {
        match (role, frame[STEP]) {
            (Role::Receiver, 2) => blinded = Some(frame[HEADER_BYTES..].as_chunks::<32>().0.to_vec()),
            (Role::Sender, 3) => {
                let blinded = blinded.as_ref().unwrap();
                let (evaluated, proof) = other.evaluate_prove_batch(blinded, &mut Prg::new(seed(8))).unwrap();
                frame.truncate(HEADER_BYTES);
                frame.extend_from_slice(evaluated.as_flattened());
                frame.extend_from_slice(&proof);
            }
            _ => {}
        }
        vec![frame]
    });
    assert_error(&pair.receiver, PeerMisbehaved::ProofRejected);
    assert!(matches!(pair.sender, End::Stalled));
}

/// One point of a frame under another key, and two points exchanged, with the honest proof.
#[test]
fn a_proof_covers_each_point_at_its_place() {
    let case = Case::overlapping(Protocol::EcdhOprf, 5, 2, 5, 0);
    let stranger = Element::random(&mut Prg::new(seed(9))).encode();
    let pair = deviate(&case, Role::Sender, |frame| {
        if frame[STEP] == 3 {
            frame[HEADER_BYTES + 64..HEADER_BYTES + 96].copy_from_slice(&stranger);
        }
    });
    assert_error(&pair.receiver, PeerMisbehaved::ProofRejected);
    let pair = deviate(&case, Role::Sender, |frame| {
        if frame[STEP] == 3 {
            let (first, second) = frame[HEADER_BYTES..HEADER_BYTES + 64].split_at_mut(32);
            first.swap_with_slice(second);
        }
    });
    assert_error(&pair.receiver, PeerMisbehaved::ProofRejected);
}

#[test]
fn tags_out_of_order_or_repeated() {
    let exchange = |case: &Case, step: u8, width: usize| {
        deviate(case, Role::Sender, |frame| {
            if frame[STEP] == step {
                let (first, second) = frame[HEADER_BYTES..HEADER_BYTES + 2 * width].split_at_mut(width);
                first.swap_with_slice(second);
            }
        })
    };
    let join = Case::overlapping(Protocol::EcdhOprf, 5, 2, 5, 4);
    assert_error(&exchange(&join, 4, 32 + 16 + 4).receiver, PeerMisbehaved::TagsNotSorted);
    for protocol in OVER_VOLE {
        let join = Case::overlapping(protocol, 5, 2, 5, 4);
        assert_error(&exchange(&join, 4, 6 + 16 + 4).receiver, PeerMisbehaved::TagsNotSorted);
    }
    let count = Case::overlapping(Protocol::EcdhCardinality, 5, 2, 5, 0);
    let width = 7;
    assert_error(&exchange(&count, 3, width).receiver, PeerMisbehaved::TagsNotSorted);
    let pair = deviate(&join, Role::Sender, |frame| {
        if frame[STEP] == 4 {
            frame.copy_within(HEADER_BYTES..HEADER_BYTES + 52, HEADER_BYTES + 52);
        }
    });
    assert_error(&pair.receiver, PeerMisbehaved::TagsNotSorted);
}

/// A sender that destroys payloads, and one that changes tags, see byte for byte what an honest one sees.
#[test]
fn the_senders_view_does_not_depend_on_payloads_or_matches() {
    let case = Case::overlapping(Protocol::EcdhOprf, 40, 10, 40, 8);
    let honest = case.run();
    let width = 32 + 16 + 8;
    let mut noise = Prg::new(seed(9));
    for changed in [32..width, 48..49, 16..32] {
        let pair = deviate(&case, Role::Sender, |frame| {
            if frame[STEP] == 4 {
                for row in frame[HEADER_BYTES..].chunks_exact_mut(width) {
                    noise.fill_bytes(&mut row[changed.clone()]);
                }
            }
        });
        let sent =
            |frames: &[Vec<u8>]| frames.iter().filter(|frame| frame[STEP] != FINISH).cloned().collect::<Vec<_>>();
        assert_eq!(pair.frames_receiver, honest.frames_receiver, "the whole direction, Finish too");
        assert_eq!(sent(&pair.frames_sender), sent(&honest.frames_sender));
        let outcome = pair.receiver.finished();
        let Output::Matched(matched) = outcome.output() else { panic!("{outcome:?}") };
        assert!(matched.keys.is_empty() && matched.payload.is_empty());
        assert_eq!(matched.unopened_rows, if changed.start >= 32 { 30 } else { 0 });
    }
}

/// The peer sends a later step before its turn: rows or returned tags before the last own
/// point left, Done before the last row.
#[test]
fn steps_before_their_turn() {
    for (protocol, step) in [(Protocol::EcdhOprf, 4), (Protocol::EcdhMutual, 2)] {
        let case = Case::overlapping(protocol, 3, 0, 9_000, 0);
        let whole_run = case.run().frames_sender;
        let mut sent = false;
        let early = run_through(case.sender(), case.receiver(), Delivery::Eager, move |role, _, frame| match role {
            // The sender's first frame is followed at once by all the others of an honest run.
            Role::Sender if !sent => {
                sent = true;
                whole_run.clone()
            }
            Role::Sender => Vec::new(),
            Role::Receiver => vec![frame],
        });
        assert_error(&early.receiver, PeerMisbehaved::BeforeItsTurn { step });
    }

    let small = Case::overlapping(Protocol::EcdhOprf, 3, 0, 3, 0);
    let clean = small.run().frames_receiver;
    let early_done =
        run_through(small.sender(), small.receiver(), Delivery::Eager, move |role, number, frame| {
            match (role, number) {
                (Role::Receiver, 0) => vec![frame, clean[1].clone()],
                (Role::Receiver, _) => Vec::new(),
                (Role::Sender, _) => vec![frame],
            }
        });
    assert_error(&early_done.sender, PeerMisbehaved::BeforeItsTurn { step: 0xFD });
}

/// Frames of a run with another session identifier or another protocol.
#[test]
fn frames_of_another_run() {
    let case = Case::overlapping(Protocol::EcdhMutual, 3, 0, 3, 0);
    let pair = deviate(&case, Role::Sender, |frame| frame[HEADER_BYTES - 1] ^= 1);
    assert_error(&pair.receiver, PeerMisbehaved::WrongSession);
    let pair = deviate(&case, Role::Sender, |frame| frame[1] = Protocol::EcdhOprf.code());
    assert_eq!(pair.receiver.error().unwrap().label(), "peer_incompatible_protocol");
}

/// More points than declared: a further frame, and a larger total.
#[test]
fn more_points_than_declared() {
    let case = Case::overlapping(Protocol::EcdhOprf, 3, 0, 3, 0);
    let pair = run_through(case.sender(), case.receiver(), Delivery::Eager, |role, number, frame| {
        if (role, number) != (Role::Receiver, 0) {
            return vec![frame];
        }
        let mut further = frame.clone();
        further[6] = 1;
        vec![frame, further]
    });
    assert!(matches!(
        pair.sender.error(),
        Some(Error::PeerMisbehaved(PeerMisbehaved::OutOfOrder { got_step: 2, got_index: 1, .. }))
    ));
    let pair = deviate(&case, Role::Receiver, |frame| frame[10] = 2);
    assert_error(&pair.sender, PeerMisbehaved::WrongTotal { step: 2, expected: 1, got: 2 });
}
