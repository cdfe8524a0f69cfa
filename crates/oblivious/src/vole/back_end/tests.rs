//! Both sides of a back end against each other.

use symbolon_primitives::secret::Secret;

use super::super::small_field::back_end::SmallField;
use super::ideal::Ideal;
use super::silent::Silent;
use super::{BackEnd, ReceiverCorrelation, SenderCorrelation, SetUp, SetUpStep};

type Sender<B, const W: usize> = <<B as BackEnd<W>>::SenderSetUp as SetUp>::Correlation;
type Receiver<B, const W: usize> = <<B as BackEnd<W>>::ReceiverSetUp as SetUp>::Correlation;

fn sent<S: SetUp>(step: SetUpStep<S>) -> (Vec<u8>, S) {
    match step {
        SetUpStep::Send(message, next) => (message, next),
        SetUpStep::Done(_) => panic!("a message is due"),
    }
}

fn done<S: SetUp>(step: SetUpStep<S>) -> S::Correlation {
    match step {
        SetUpStep::Send(..) => panic!("no message is due"),
        SetUpStep::Done(correlation) => correlation,
    }
}

/// Runs the set-up, and checks that its messages have the announced lengths.
fn set_up<B: BackEnd<W>, const W: usize>(slots: usize) -> (Sender<B, W>, Receiver<B, W>) {
    let context = [7; 32];
    let sender = B::sender(slots, &context, Secret::new([1; 32])).unwrap();
    let receiver = B::receiver(slots, &context, Secret::new([2; 32])).unwrap();
    let (first, sender) = sent(sender.advance(None).unwrap());
    let (second, receiver) = sent(receiver.advance(Some(&first)).unwrap());
    let mut lengths = vec![first.len() as u64, second.len() as u64];
    let sides = if B::message_bytes(slots).len() == 3 {
        let (third, sender) = sent(sender.advance(Some(&second)).unwrap());
        lengths.push(third.len() as u64);
        (done(sender.advance(None).unwrap()), done(receiver.advance(Some(&third)).unwrap()))
    } else {
        (done(sender.advance(Some(&second)).unwrap()), done(receiver.advance(None).unwrap()))
    };
    assert_eq!(lengths, B::message_bytes(slots));
    sides
}

/// W = V ⊕ Δ ⊙ C(P): taking P out of W gives V, and taking anything else out does not.
fn check<B: BackEnd<W>, const W: usize>(slots: usize) {
    let (mut sender, mut receiver) = set_up::<B, W>(slots);
    let values: Vec<u128> = (0..slots as u128).map(|slot| slot.wrapping_mul(0x1234_5678_9ABC_DEF0_F0E1)).collect();
    let mut masked = Vec::new();
    let half = slots / 2;
    receiver.mask(0, &values[..half], &mut masked).unwrap();
    receiver.mask(half, &values[half..], &mut masked).unwrap();
    receiver.forget_masks();
    assert_eq!(masked.len(), slots * B::MASKED_BYTES);
    let (first, second) = masked.split_at(half * B::MASKED_BYTES);
    sender.unmask(0, first).unwrap();
    sender.unmask(half, second).unwrap();
    assert_eq!((sender.rows().len(), receiver.rows().len()), (slots, slots));
    let mut rows = sender.rows().to_vec();
    sender.shift(&values, &mut rows).unwrap();
    assert_eq!(rows, receiver.rows());
    let others: Vec<u128> = values.iter().map(|value| value ^ 1).collect();
    sender.shift(&others, &mut rows).unwrap();
    assert!(rows.iter().zip(receiver.rows()).all(|(one, two)| one != two));
    assert!(sender.unmask(slots, &masked[..B::MASKED_BYTES]).is_err());
    assert!(receiver.mask(slots, &[1], &mut masked).is_err());
}

#[test]
fn the_ideal_correlation_holds() {
    for slots in [1, 2, 1_000] {
        check::<Ideal, 1>(slots);
    }
}

#[test]
fn the_small_field_correlation_holds() {
    for slots in [1, 2, 1_000, 5_003] {
        check::<SmallField, 2>(slots);
    }
}

#[test]
fn the_silent_correlation_holds() {
    for slots in [1, 2, 1_000, 20_000] {
        check::<Silent, 1>(slots);
    }
}
