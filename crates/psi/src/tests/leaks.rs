//! What can be seen from outside: sizes on the wire, and what `{:?}` prints.

use super::{Case, OVER_VOLE, frames, seed, small_cases};
use crate::frame::HEADER_BYTES;
use crate::leakage;
use crate::testing::{limits, run};
use crate::{Machine, Party, Protocol, Report, Role, Step, padded_rows};

fn bytes(frames: &[Vec<u8>]) -> u64 {
    frames.iter().map(|frame| frame.len() as u64).sum()
}

#[test]
fn transcripts_have_exactly_the_documented_bytes() {
    for protocol in Protocol::ALL {
        for (sender, receiver) in [(0, 0), (1, 1), (3, 50), (4_097, 20), (20, 4_100), (4_096, 4_096)] {
            let widths: &[u32] = if protocol.joins_rows() { &[0, 1, 64, 700] } else { &[0] };
            for payload_bytes in widths {
                let case = Case::overlapping(*protocol, sender, 0, receiver, *payload_bytes);
                let (pair, cost) = (case.run(), case.spec().wire_cost());
                assert_eq!(bytes(&pair.frames_sender), cost.bytes_sender, "{protocol} {sender} {receiver}");
                assert_eq!(bytes(&pair.frames_receiver), cost.bytes_receiver, "{protocol} {sender} {receiver}");
                for report in [Report::Count, Report::Sufficient] {
                    for keys_min in [0, u64::from(sender.min(receiver)) + 1] {
                        if *payload_bytes > 0 {
                            let case = case.clone().withheld_below(keys_min, report);
                            let (pair, cost) = (case.run(), case.spec().wire_cost());
                            assert_eq!(bytes(&pair.frames_sender), cost.bytes_sender, "{case:?}");
                            assert_eq!(bytes(&pair.frames_receiver), cost.bytes_receiver, "{case:?}");
                        }
                    }
                }
            }
        }
    }
}

/// The formulas of the module texts, at the sizes the figures are quoted for.
#[test]
fn bytes_an_item_stay_within_the_budget() {
    let mut spec = small_cases()[1].spec();
    (spec.rows_sender, spec.rows_receiver) = (1 << 20, 1 << 20);
    let per_item = |spec: &crate::SessionSpec| {
        let cost = spec.wire_cost();
        (cost.bytes_sender + cost.bytes_receiver) as f64 / f64::from(1 << 20)
    };
    assert!(per_item(&spec) < 96.1, "{}", per_item(&spec));
    spec.payload_bytes = 64;
    assert!(per_item(&spec) < 112.0 + 64.0 + 16.0, "{}", per_item(&spec));
    spec.payload_bytes = 0;
    spec.protocol = Protocol::EcdhMutual;
    assert!(per_item(&spec) < 84.1, "{}", per_item(&spec));
    spec.protocol = Protocol::EcdhCardinality;
    assert!(per_item(&spec) < 74.1, "{}", per_item(&spec));
    spec.protocol = Protocol::Rr22Silent;
    assert!(per_item(&spec) < 29.9, "{}", per_item(&spec));
    spec.protocol = Protocol::Rr22SmallField;
    assert!(per_item(&spec) < 44.2, "{}", per_item(&spec));
}

/// Sizes each side can count in what it receives are those of its leakage statement, and no others: sets of other
/// sizes under the same declaration look the same.
#[test]
fn visible_sizes_are_the_declared_ones() {
    for protocol in Protocol::ALL {
        let shapes = |case: &Case| {
            let mut spec = case.spec();
            (spec.rows_sender, spec.rows_receiver) = (padded_rows(100), padded_rows(70));
            let sender = Party::sender(spec.clone(), case.sender_input(), seed(1), &limits()).unwrap();
            let receiver = Party::receiver(spec.clone(), case.receiver_input(), seed(2), &limits()).unwrap();
            let pair = run(sender, receiver);
            let shape = |from| frames(&pair, from).iter().map(|frame| (frame[2], frame.len())).collect::<Vec<_>>();
            (spec, shape(Role::Sender), shape(Role::Receiver))
        };
        let (spec, sender, receiver) = shapes(&Case::overlapping(*protocol, 100, 50, 70, 0));
        assert_eq!((spec.clone(), sender.clone(), receiver.clone()), shapes(&Case::overlapping(*protocol, 1, 0, 2, 0)));
        for (role, inbound) in [(Role::Receiver, &sender), (Role::Sender, &receiver)] {
            let stated: std::collections::BTreeMap<_, _> = leakage::visible_sizes(&spec, role).into_iter().collect();
            if !(OVER_VOLE.contains(protocol) && role == Role::Sender) {
                assert_eq!(stated["peer_rows_declared"], counted(*protocol, role, inbound));
            }
            assert_eq!(stated["payload_bytes_per_row"], 0);
            let total: usize = inbound.iter().map(|(_, length)| length).sum();
            let key = if role == Role::Receiver { "bytes_sender" } else { "bytes_receiver" };
            assert_eq!(stated[key], total as u64);
        }
    }
}

/// The peer's rows as `role` counts them: bodies of the step that carries them, over the bytes of an item.
fn counted(protocol: Protocol, role: Role, inbound: &[(u8, usize)]) -> u64 {
    let (step, item) = match (protocol, role) {
        (Protocol::EcdhOprf, Role::Receiver) => (4, 32),
        (Protocol::EcdhOprf, Role::Sender) => (2, 32),
        (Protocol::EcdhMutual, _) | (Protocol::EcdhCardinality, Role::Sender) => (1, 32),
        // 40 + 7 + 7 bits.
        (Protocol::EcdhCardinality, Role::Receiver) => (3, 7),
        // The same.
        (Protocol::Rr22Silent | Protocol::Rr22SmallField, Role::Receiver) => (4, 7),
        (Protocol::Rr22Silent | Protocol::Rr22SmallField, Role::Sender) => panic!("its slots follow from the keys"),
    };
    let bodies = inbound.iter().filter(|frame| frame.0 == step).map(|frame| frame.1 - HEADER_BYTES);
    bodies.sum::<usize>() as u64 / item
}

/// Every machine in every state, and every outcome, printed: no seed, key, payload or scalar among it.
#[test]
fn debug_output_holds_no_secrets() {
    let mut texts = Vec::new();
    for case in small_cases() {
        let mut sides = [Some(case.sender()), Some(case.receiver())];
        let mut queues = [Vec::new(), Vec::new()];
        while sides.iter().any(Option::is_some) {
            for at in 0..2 {
                let Some(party) = sides[at].take() else { continue };
                texts.push(format!("{party:?} {party:#?}"));
                let inbound = (!queues[at].is_empty()).then(|| queues[at].remove(0));
                let step = party.advance(inbound).unwrap();
                texts.push(format!("{step:?}"));
                sides[at] = match step {
                    Step::Send(frame, next) => {
                        queues[1 - at].push(frame);
                        Some(next)
                    }
                    Step::Work(next) | Step::Await(next) => Some(next),
                    Step::Done(outcome) => {
                        texts.push(format!("{outcome:?} {:#?}", outcome.output()));
                        None
                    }
                };
            }
        }
        texts.push(format!("{:?} {:?}", case.sender_input(), case.receiver_input()));
    }
    assert!(texts.len() > 50);
    // Seeds are 1 and 2 repeated; keys begin with "key-"; the payload of key 3 is 21, 22, 23 and so on.
    let secrets =
        ["key-", "107, 101, 121", "6b6579", "01010101", "1, 1, 1", "02020202", "2, 2, 2", "21, 22, 23", "151617"];
    for text in &texts {
        for secret in secrets {
            assert!(!text.contains(secret), "{secret} in {text}");
        }
    }
}

#[test]
fn progress_moves_and_ends_below_its_total() {
    for case in small_cases() {
        let mut party = case.sender();
        let first = party.progress();
        assert!(!first.phase.is_empty() && first.rows_done <= first.rows_total);
        for _ in 0..10 {
            party = match party.advance(None).unwrap() {
                Step::Send(_, next) | Step::Work(next) | Step::Await(next) => next,
                Step::Done(_) => panic!("nothing was received"),
            };
        }
        let later = party.progress();
        assert!(later.rows_done > first.rows_done && later.rows_done <= later.rows_total, "{later:?}");
    }
}

/// When a receiver's last frame leaves, no key has been compared yet, and nothing follows that frame.
#[test]
fn nothing_is_matched_before_the_last_frame_left() {
    for case in
        [Case::overlapping(Protocol::EcdhOprf, 30, 10, 30, 8), Case::overlapping(Protocol::EcdhOprf, 3, 3, 3, 0)]
    {
        let mut inbound = case.run().frames_sender.into_iter();
        let mut party = case.receiver();
        let (mut last_sent, mut waits) = (None, false);
        loop {
            let wire = if waits { inbound.next() } else { None };
            let frame = wire.map(|wire| crate::Frame::from_wire(wire, &limits()).unwrap());
            let step = party.advance(frame).unwrap();
            waits = matches!(step, Step::Await(_));
            party = match step {
                Step::Send(frame, next) => {
                    let progress = next.progress();
                    assert!(progress.phase != "matching" || progress.rows_done == 0, "{progress:?}");
                    last_sent = Some(frame.header().step);
                    next
                }
                Step::Work(next) | Step::Await(next) => {
                    assert!(next.progress().phase != "matching" || last_sent == Some(0xFE));
                    next
                }
                Step::Done(outcome) => {
                    assert_eq!(case.seen_by_receiver(outcome.output()), case.expected());
                    break;
                }
            };
        }
        assert_eq!(last_sent, Some(0xFE));
    }
}
