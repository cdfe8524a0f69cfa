use proptest::prelude::*;
use symbolon_primitives::prg::Prg;
use symbolon_primitives::secret::Secret;

use super::super::rs::Row;
use super::tree::{grow, puncture};
use super::*;

const CONTEXT: [u8; 32] = [9; 32];

fn prg(seed: u8) -> Prg {
    Prg::new(Secret::new([seed; 32]))
}

/// Both sides after a set-up over encoded messages.
fn set_up(seed: u8) -> (ReceiverStreams, SenderStreams, [u8; TREES]) {
    let (choice, sender) = Sender::start(&CONTEXT, &mut prg(seed)).unwrap();
    let factors = *sender.factors;
    let choice = ChoiceMessage::decode(&choice.encode()).unwrap();
    let (correction, receiver) = Receiver::respond(&CONTEXT, &choice, &mut prg(seed + 1)).unwrap();
    let bytes = correction.encode();
    assert_eq!(bytes.len(), CorrectionMessage::WIRE_BYTES);
    (receiver, sender.finish(&CorrectionMessage::decode(&bytes).unwrap()).unwrap(), factors)
}

/// The product by its definition.
fn product(mut a: u8, b: u8) -> u8 {
    (0..8).fold(0, |sum, bit| {
        let term = if b >> bit & 1 == 1 { a } else { 0 };
        a = a << 1 ^ if a >> 7 == 1 { 0x1B } else { 0 };
        sum ^ term
    })
}

fn symbols(row: Row) -> Vec<u8> {
    [row[0].to_le_bytes(), row[1].to_le_bytes()].concat()
}

fn add(a: Row, b: Row) -> Row {
    [a[0] ^ b[0], a[1] ^ b[1]]
}

/// Δ ⊙ row, by the definition.
fn scaled(factors: &[u8; TREES], row: Row) -> Vec<u8> {
    symbols(row).iter().zip(factors.iter().chain(&[0])).map(|(symbol, factor)| product(*symbol, *factor)).collect()
}

fn expanded(receiver: &ReceiverStreams, sender: &SenderStreams, slots: usize) -> [Vec<Row>; 3] {
    let mut rows = [vec![[1; 2]; slots], vec![[1; 2]; slots], vec![[1; 2]; slots]];
    let [u, v, b] = &mut rows;
    receiver.expand(0, u, v).unwrap();
    sender.expand(0, b).unwrap();
    rows
}

#[test]
fn shares_fit_in_every_slot() {
    let (receiver, sender, factors) = set_up(1);
    let [u, v, b] = expanded(&receiver, &sender, 5000);
    for ((u, v), b) in u.iter().zip(&v).zip(&b) {
        let difference: Vec<u8> = symbols(*v).iter().zip(symbols(*b)).map(|(v, b)| v ^ b).collect();
        assert_eq!(difference, scaled(&factors, *u));
        assert_eq!((u[1] >> 120, v[1] >> 120, b[1] >> 120), (0, 0, 0));
    }
    let distinct: std::collections::HashSet<Row> = u.iter().chain(&v).chain(&b).copied().collect();
    assert_eq!(distinct.len(), 15_000);
    let (_, other, other_factors) = set_up(3);
    let mut other_rows = vec![[0; 2]; 5000];
    other.expand(0, &mut other_rows).unwrap();
    assert_ne!(factors, other_factors);
    assert_ne!(b, other_rows);
}

#[test]
fn parts_are_those_of_the_whole() {
    let (receiver, sender, _) = set_up(5);
    let [u, v, b] = expanded(&receiver, &sender, 9000);
    for (first, count) in [(0, 0), (0, 1), (16, 31), (4096, 4097), (8992, 8)] {
        let [mut part_u, mut part_v, mut part_b] = [(); 3].map(|()| vec![[1; 2]; count]);
        receiver.expand(first, &mut part_u, &mut part_v).unwrap();
        sender.expand(first, &mut part_b).unwrap();
        assert_eq!(part_u, u[first..first + count]);
        assert_eq!(part_v, v[first..first + count]);
        assert_eq!(part_b, b[first..first + count]);
    }
    let mut rows = [[0; 2]; 16];
    assert_eq!(sender.expand(8, &mut rows).unwrap_err().label(), "misuse_out_of_range");
    assert_eq!(sender.expand(SLOTS_MAX, &mut rows).unwrap_err().label(), "misuse_out_of_range");
    assert_eq!(receiver.expand(0, &mut [[0; 2]; 3], &mut rows).unwrap_err().label(), "misuse_length");
}

/// The identities of a join over the correlation: W = V ⊕ Δ ⊙ C(P), and any sum of slots with its value taken out.
#[test]
fn values_come_out_of_linear_combinations() {
    let (receiver, sender, factors) = set_up(7);
    let slots = 300;
    let [u, v, b] = expanded(&receiver, &sender, slots);
    let values: Vec<u128> =
        (1..=slots as u128).map(|slot| slot.wrapping_mul(0x9E37_79B9_7F4A_7C15 << 60 | 77)).collect();
    let mut words = vec![[0; 2]; slots];
    rs::encode(&values, &mut words).unwrap();
    let masked: Vec<Row> = words.iter().zip(&u).map(|(word, u)| add(*word, *u)).collect();
    let mut w = b;
    sender.add_scaled(&masked, &mut w).unwrap();
    for ((w, v), word) in w.iter().zip(&v).zip(&words) {
        assert_eq!(symbols(add(*w, *v)), scaled(&factors, *word));
    }
    let chosen = |slot: &usize| slot.wrapping_mul(0x9E37) >> 3 & 1 == 1;
    let sum = |rows: &[Row]| (0..slots).filter(chosen).fold([0; 2], |sum, slot| add(sum, rows[slot]));
    let mut shifted = [sum(&w)];
    let value = (0..slots).filter(chosen).fold(0, |sum, slot| sum ^ values[slot]);
    let mut word = [[0; 2]];
    rs::encode(&[value], &mut word).unwrap();
    sender.add_scaled(&word, &mut shifted).unwrap();
    assert_eq!(shifted[0], sum(&v));
    rs::encode(&[value ^ 1], &mut word).unwrap();
    let mut shifted = [sum(&w)];
    sender.add_scaled(&word, &mut shifted).unwrap();
    let wrong = symbols(add(shifted[0], sum(&v))).iter().filter(|symbol| **symbol != 0).count();
    assert!(wrong + 5 >= rs::DISTANCE, "a factor is zero with one chance in 256");
}

/// Trees on both sides with the corrections in clear.
fn trees(paths: &[u8; TREES], sums: &Corrections, checks: &Checks) -> (tree::Leaves, [Choice; TREES]) {
    let mut siblings = [[0; DEPTH]; TREES];
    for ((siblings, sums), path) in siblings.iter_mut().zip(sums).zip(paths) {
        for (level, sibling) in siblings.iter_mut().enumerate() {
            *sibling = sums[level][usize::from(!path >> (DEPTH - 1 - level) & 1)];
        }
    }
    puncture(&Hashes::new(&CONTEXT), paths, &siblings, checks)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(6))]

    #[test]
    fn all_leaves_but_one_are_found(roots: [Block; TREES], paths: [u8; TREES]) {
        let (leaves, sums, checks) = grow(&Hashes::new(&CONTEXT), &roots);
        let (found, held) = trees(&paths, &sums, &checks);
        prop_assert!(held.iter().all(|held| bool::from(*held)));
        for ((leaves, found), path) in leaves.iter().zip(found.iter()).zip(paths) {
            for (number, leaf) in (0..=u8::MAX).zip(leaves) {
                prop_assert_eq!(found[usize::from(number ^ path)] == *leaf, number != path);
            }
        }
    }
}

#[test]
fn every_changed_byte_that_is_used_is_caught_in_every_tree() {
    let mut paths = [0; TREES];
    prg(11).fill_bytes(&mut paths);
    let mut roots = [0; TREES];
    roots.iter_mut().for_each(|root| *root = random_block(&mut prg(12)));
    let (leaves, sums, checks) = grow(&Hashes::new(&CONTEXT), &roots);
    for (level, side, byte) in
        (0..DEPTH).flat_map(|level| (0..2).flat_map(move |side| (0..16).map(move |byte| (level, side, byte))))
    {
        let mut changed = *sums;
        changed.iter_mut().for_each(|tree| tree[level][side] ^= 1 << (8 * byte + 3));
        let (found, held) = trees(&paths, &changed, &checks);
        for tree in 0..TREES {
            let used = usize::from(!paths[tree] >> (DEPTH - 1 - level) & 1) == side;
            assert_eq!(bool::from(held[tree]), !used);
            // What is not used changes nothing.
            let same = (1..LEAVES).all(|number| found[tree][number] == leaves[tree][number ^ usize::from(paths[tree])]);
            assert_eq!(same, !used);
        }
    }
    for (part, byte) in (0..2).flat_map(|part| (0..32).map(move |byte| (part, byte))) {
        let mut changed = checks;
        changed.iter_mut().for_each(|tree| tree[part][byte] ^= 0x40);
        let (_, held) = trees(&paths, &sums, &changed);
        assert!(held.iter().all(|held| !bool::from(*held)));
    }
}

#[test]
fn a_wrong_set_up_ends_in_a_typed_error() {
    let (choice, _) = Sender::start(&CONTEXT, &mut prg(21)).unwrap();
    let (correction, _) = Receiver::respond(&CONTEXT, &choice, &mut prg(22)).unwrap();
    let bytes = correction.encode();
    let finish = |bytes: &[u8]| {
        let (_, sender) = Sender::start(&CONTEXT, &mut prg(21)).unwrap();
        CorrectionMessage::decode(bytes).and_then(|message| sender.finish(&message)).map(|_| ())
    };
    finish(&bytes).unwrap();
    assert_eq!(finish(&bytes[1..]).unwrap_err().label(), "peer_wrong_length");
    assert_eq!(ChoiceMessage::decode(&[0; 31]).unwrap_err().label(), "peer_wrong_length");
    let mut changed = bytes.clone();
    changed[..32].fill(0xFF);
    assert_eq!(finish(&changed).unwrap_err().label(), "peer_malformed_point");
    // Any part of the last check, and another session's corrections.
    let mut changed = bytes.clone();
    *changed.last_mut().unwrap() ^= 1;
    assert_eq!(finish(&changed).unwrap_err(), PeerMisbehaved::CheckFailed.into());
    let (other, _) = Receiver::respond(&[8; 32], &choice, &mut prg(22)).unwrap();
    assert_eq!(finish(&other.encode()).unwrap_err(), PeerMisbehaved::CheckFailed.into());
    // Both corrections of one level of one tree: one of them is used.
    for entry in 0..TRANSFERS {
        if entry % 31 == 5 {
            let mut changed = bytes.clone();
            changed[32 + 32 * entry] ^= 1;
            changed[32 + 32 * entry + 16] ^= 1;
            assert_eq!(finish(&changed).unwrap_err(), PeerMisbehaved::CheckFailed.into());
        }
    }
}

#[test]
fn nothing_secret_is_printed() {
    let (receiver, sender, _) = set_up(31);
    let (choice, start) = Sender::start(&CONTEXT, &mut prg(1)).unwrap();
    let (correction, _) = Receiver::respond(&CONTEXT, &choice, &mut prg(2)).unwrap();
    assert_eq!(
        format!("{receiver:?} {sender:?} {start:?} {correction:?}"),
        "ReceiverStreams(..) SenderStreams(..) Sender(..) CorrectionMessage(..)"
    );
}
