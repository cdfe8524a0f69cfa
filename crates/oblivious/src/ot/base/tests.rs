use std::collections::HashSet;

use symbolon_primitives::prg::Prg;
use symbolon_primitives::secret::Secret;

use super::*;

const CONTEXT: Context = Context { sid: [3; 32], purpose: Label::VoleColumns };

fn prg(seed: u8) -> Prg {
    Prg::new(Secret::new([seed; 32]))
}

fn bits(count: usize) -> Vec<u8> {
    (0..count).map(|index| u8::from(index * index % 7 > 2)).collect()
}

type Outcome = (Zeroizing<Vec<[Key; 2]>>, Zeroizing<Vec<Key>>);

fn run(sender: Context, receiver: Context, choices: &[u8]) -> Outcome {
    let (opening, sender) = Sender::start(sender, choices.len(), &mut prg(1)).unwrap();
    let (answer, receiver) = Receiver::start(receiver, choices, &mut prg(2)).unwrap();
    let opening = Opening::decode(&opening.encode()).unwrap();
    let answer = Answer::decode(&answer.encode(), choices.len()).unwrap();
    (sender.finish(&answer).unwrap(), receiver.finish(&opening).unwrap())
}

#[test]
fn the_receiver_gets_the_key_it_chose_and_keys_are_distinct() {
    for count in [0, 1, 9, 256] {
        let choices = bits(count);
        let (pairs, keys) = run(CONTEXT, CONTEXT, &choices);
        assert_eq!((pairs.len(), keys.len()), (count, count));
        for ((pair, key), choice) in pairs.iter().zip(keys.iter()).zip(&choices) {
            assert_eq!(pair[usize::from(*choice)], *key);
        }
        let all: HashSet<_> = pairs.as_flattened().iter().collect();
        assert_eq!(all.len(), 2 * count);
    }
}

#[test]
fn session_and_purpose_separate_runs() {
    let choices = bits(8);
    let (pairs, keys) = run(CONTEXT, CONTEXT, &choices);
    for other in [Context { sid: [4; 32], ..CONTEXT }, Context { purpose: Label::VoleTree, ..CONTEXT }] {
        let (other_pairs, other_keys) = run(other, other, &choices);
        assert!(keys.iter().all(|key| !other_keys.contains(key)));
        assert!(pairs.iter().all(|pair| !other_pairs.contains(pair)));
        let (pairs, keys) = run(CONTEXT, other, &choices);
        assert!(keys.iter().all(|key| !pairs.as_flattened().contains(key)));
    }
}

#[test]
fn what_is_sent_does_not_show_the_choice() {
    // The same random point and scalar with either bit: the points swap roles and none of them stays.
    let (zero, _) = Receiver::start(CONTEXT, &[0], &mut prg(5)).unwrap();
    let (one, _) = Receiver::start(CONTEXT, &[1], &mut prg(5)).unwrap();
    assert_eq!(zero.0[0][1], one.0[0][0]);
    assert_ne!(zero.0[0][0], one.0[0][1]);
}

#[test]
fn a_changed_message_gives_other_keys_or_an_error() {
    let choices = bits(4);
    let (opening, sender) = Sender::start(CONTEXT, 4, &mut prg(1)).unwrap();
    let (answer, receiver) = Receiver::start(CONTEXT, &choices, &mut prg(2)).unwrap();
    let keys = receiver.finish(&opening).unwrap();
    let mut swapped = answer;
    swapped.0.swap(0, 1);
    swapped.0[2].swap(0, 1);
    let pairs = sender.finish(&swapped).unwrap();
    for index in 0..3 {
        assert!(!pairs[index].contains(&keys[index]));
    }
    assert!(pairs[3].contains(&keys[3]));
}

#[test]
fn points_that_are_none_are_refused() {
    let (opening, _) = Sender::start(CONTEXT, 1, &mut prg(1)).unwrap();
    for bad in [[0; 32], [0xFF; 32], [1; 32]] {
        let (_, receiver) = Receiver::start(CONTEXT, &[1], &mut prg(2)).unwrap();
        assert_eq!(receiver.finish(&Opening(bad)).unwrap_err(), PeerMisbehaved::MalformedPoint.into());
        let (_, sender) = Sender::start(CONTEXT, 1, &mut prg(1)).unwrap();
        let answer = Answer(vec![[opening.0, bad]]);
        assert_eq!(sender.finish(&answer).unwrap_err(), PeerMisbehaved::MalformedPoint.into());
    }
    // A point that the hash cancels.
    let mask = Elements::map(&[uniform(&CONTEXT, 0, 0, &opening.0).unwrap()]).encode()[0];
    let (_, sender) = Sender::start(CONTEXT, 1, &mut prg(1)).unwrap();
    assert_eq!(sender.finish(&Answer(vec![[mask, opening.0]])).unwrap_err(), PeerMisbehaved::MalformedPoint.into());
}

#[test]
fn lengths_and_choices_are_checked() {
    assert!(matches!(Opening::decode(&[0; 31]).unwrap_err().label(), "peer_wrong_length"));
    assert!(matches!(Answer::decode(&[0; 129], 2).unwrap_err().label(), "peer_wrong_length"));
    assert_eq!(Receiver::start(CONTEXT, &[2], &mut prg(1)).unwrap_err().label(), "misuse_out_of_range");
    assert_eq!(Sender::start(CONTEXT, 65_537, &mut prg(1)).unwrap_err().label(), "limit_exceeded");
    let (_, sender) = Sender::start(CONTEXT, 2, &mut prg(1)).unwrap();
    assert_eq!(sender.finish(&Answer(Vec::new())).unwrap_err().label(), "misuse_length");
}

#[test]
fn debug_shows_nothing() {
    let (_, sender) = Sender::start(CONTEXT, 2, &mut prg(1)).unwrap();
    let (_, receiver) = Receiver::start(CONTEXT, &[1, 0], &mut prg(2)).unwrap();
    assert_eq!(format!("{sender:?} {receiver:?}"), "Sender { count: 2, .. } Receiver { count: 2, .. }");
}
