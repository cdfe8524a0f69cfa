//! Whole runs: against a join with hash sets, with faults on the way, and with peers that deviate.

mod correctness;
mod faults;
mod hostile;
mod leaks;
mod release;

use std::collections::{BTreeMap, BTreeSet};

use symbolon_primitives::secret::{Secret, Seed};

use crate::testing::{Pair, limits, run};
use crate::{
    ItemSet, Output, Party, Protocol, ReceiverInput, Release, Report, Role, SenderInput, SessionSpec, Sid, padded_rows,
};

/// Everything that makes a run, as plain values.
#[derive(Clone, Debug)]
struct Case {
    protocol: Protocol,
    /// Key and payload of each row of the sender; keys may repeat.
    rows: Vec<(Vec<u8>, Vec<u8>)>,
    /// Distinct keys of the receiver.
    keys: Vec<Vec<u8>>,
    payload_bytes: u32,
    release: Option<Release>,
}

/// What a run gave, brought into a comparable order.
#[derive(Debug, PartialEq, Eq)]
enum Seen {
    Rows(BTreeMap<Vec<u8>, Vec<Vec<u8>>>),
    Both(BTreeSet<Vec<u8>>, BTreeSet<Vec<u8>>),
    Count(u64),
    /// The number of matches of a receiver whose payload stays closed.
    Withheld(u64),
    /// What a sender is told of the number, and whether it releases.
    Reported(Option<u64>, bool),
}

impl Case {
    /// Keys `0..sender` at the sender and `start..start + receiver` at the receiver.
    fn overlapping(protocol: Protocol, sender: u32, start: u32, receiver: u32, payload_bytes: u32) -> Self {
        let key = |number: u32| format!("key-{number}").into_bytes();
        let payload = |number: u32| (0..payload_bytes).map(|at| (number * 7 + at).to_le_bytes()[0]).collect();
        let rows = (0..sender).map(|number| (key(number), payload(number))).collect();
        Self { protocol, rows, keys: (start..start + receiver).map(key).collect(), payload_bytes, release: None }
    }

    /// The same with the payload held back below `keys_min` matches.
    fn withheld_below(mut self, keys_min: u64, report: Report) -> Self {
        self.release = Some(Release { keys_min, report });
        self
    }

    fn sender_keys(&self) -> Vec<&[u8]> {
        let mut seen = BTreeSet::new();
        let fresh = self.rows.iter().map(|(key, _)| &key[..]);
        fresh.filter(|key| seen.insert(*key)).collect()
    }

    fn sender_input(&self) -> SenderInput {
        let keys = self.sender_keys();
        let place: BTreeMap<&[u8], u32> = keys.iter().copied().zip(0..).collect();
        let row_key = self.rows.iter().map(|(key, _)| place[&key[..]]).collect();
        let payload = self.rows.iter().flat_map(|(_, payload)| payload.iter().copied()).collect();
        SenderInput { keys: keys.into_iter().collect(), row_key, payload }
    }

    fn receiver_input(&self) -> ReceiverInput {
        ReceiverInput { keys: self.keys.iter().map(|key| &key[..]).collect::<ItemSet>() }
    }

    fn spec(&self) -> SessionSpec {
        let rows_sender = if self.protocol.joins_rows() { self.rows.len() } else { self.sender_keys().len() };
        SessionSpec {
            protocol: self.protocol,
            sid: Sid([0x51; 32]),
            schema_id: b"test/1".to_vec(),
            rows_sender: padded_rows(rows_sender as u64),
            rows_receiver: padded_rows(self.keys.len() as u64),
            payload_bytes: self.payload_bytes,
            release: self.release,
        }
    }

    fn sender(&self) -> Party {
        Party::sender(self.spec(), self.sender_input(), seed(1), &limits()).unwrap()
    }

    fn receiver(&self) -> Party {
        Party::receiver(self.spec(), self.receiver_input(), seed(2), &limits()).unwrap()
    }

    fn run(&self) -> Pair {
        run(self.sender(), self.receiver())
    }

    /// What a join with sets gives.
    fn expected(&self) -> Seen {
        let mine: BTreeSet<Vec<u8>> = self.keys.iter().cloned().collect();
        let theirs: BTreeSet<Vec<u8>> = self.rows.iter().map(|(key, _)| key.clone()).collect();
        let common: BTreeSet<Vec<u8>> = mine.intersection(&theirs).cloned().collect();
        match self.protocol {
            _ if self.release.is_some_and(|release| (common.len() as u64) < release.keys_min) => {
                Seen::Withheld(common.len() as u64)
            }
            Protocol::EcdhOprf | Protocol::Rr22Silent | Protocol::Rr22SmallField => {
                let mut rows: BTreeMap<Vec<u8>, Vec<Vec<u8>>> = BTreeMap::new();
                for (key, payload) in self.rows.iter().filter(|(key, _)| mine.contains(key)) {
                    rows.entry(key.clone()).or_default().push(payload.clone());
                }
                rows.values_mut().for_each(|payloads| payloads.sort());
                Seen::Rows(rows)
            }
            Protocol::EcdhMutual => Seen::Both(common.clone(), common),
            Protocol::EcdhCardinality => Seen::Count(common.len() as u64),
        }
    }

    /// What the receiver's output says, in the form of [`Case::expected`].
    fn seen_by_receiver(&self, output: &Output) -> Seen {
        match output {
            Output::Matched(matched) => {
                assert_eq!(matched.unopened_rows, 0);
                assert!(matched.keys.is_sorted());
                let width = self.payload_bytes as usize;
                assert_eq!(matched.payload.len(), matched.keys.len() * width);
                let mut rows: BTreeMap<Vec<u8>, Vec<Vec<u8>>> = BTreeMap::new();
                for (position, key) in matched.keys.iter().enumerate() {
                    let payload = matched.payload[position * width..][..width].to_vec();
                    rows.entry(self.keys[*key as usize].clone()).or_default().push(payload);
                }
                rows.values_mut().for_each(|payloads| payloads.sort());
                Seen::Rows(rows)
            }
            Output::Mutual(keys) => {
                assert!(keys.is_sorted());
                let keys: BTreeSet<_> = keys.iter().map(|key| self.keys[*key as usize].clone()).collect();
                Seen::Both(keys.clone(), keys)
            }
            Output::Count(count) => Seen::Count(*count),
            Output::Withheld { matched } => Seen::Withheld(*matched),
            Output::Sent | Output::Reported { .. } => panic!("a receiver learns something"),
        }
    }

    /// Compares a pair's outputs with the expected ones.
    fn check(&self, pair: Pair) {
        let (sender, receiver) = (pair.sender.finished(), pair.receiver.finished());
        assert_eq!(sender.transcript().sent, receiver.transcript().received);
        assert_eq!(sender.transcript().received, receiver.transcript().sent);
        assert_eq!(self.seen_by_receiver(receiver.output()), self.expected());
        let seen = self.seen_by_sender(sender.output());
        assert_eq!(seen, self.expected_by_sender());
    }

    /// What the sender learns: nothing, in the mutual join the same as the receiver, with a release the report.
    fn expected_by_sender(&self) -> Option<Seen> {
        let mine: BTreeSet<&[u8]> = self.keys.iter().map(|key| &key[..]).collect();
        let matched = self.sender_keys().iter().filter(|key| mine.contains(*key)).count() as u64;
        match (self.protocol, self.release) {
            (Protocol::EcdhMutual, _) => Some(self.expected()),
            (_, Some(release)) => {
                let told = (release.report == Report::Count).then_some(matched);
                Some(Seen::Reported(told, matched >= release.keys_min))
            }
            (_, None) => None,
        }
    }

    /// What the sender's output says, in the form of [`Case::expected_by_sender`].
    fn seen_by_sender(&self, output: &Output) -> Option<Seen> {
        match (self.protocol, output) {
            (_, Output::Reported { matched, released }) if self.release.is_some() => {
                Some(Seen::Reported(*matched, *released))
            }
            (Protocol::EcdhMutual, Output::Mutual(common)) => {
                let keys = self.sender_keys();
                let common: BTreeSet<_> = common.iter().map(|key| keys[*key as usize].to_vec()).collect();
                Some(Seen::Both(common.clone(), common))
            }
            (protocol, Output::Sent) if protocol != Protocol::EcdhMutual && self.release.is_none() => None,
            (_, other) => panic!("unexpected output {other:?}"),
        }
    }
}

/// The joins whose messages are large however few the keys are.
const OVER_VOLE: [Protocol; 2] = [Protocol::Rr22Silent, Protocol::Rr22SmallField];

/// The one-sided joins.
const JOINS: [Protocol; 3] = [Protocol::EcdhOprf, Protocol::Rr22Silent, Protocol::Rr22SmallField];

fn seed(number: u8) -> Seed {
    Secret::new([number; 32])
}

/// A small run of each protocol, with payload where there is one, and rows without among them; with payload that is
/// released and payload that is not.
fn small_cases() -> Vec<Case> {
    let mut cases = vec![
        Case::overlapping(Protocol::EcdhOprf, 5, 2, 4, 9),
        Case::overlapping(Protocol::EcdhOprf, 3, 1, 3, 0),
        Case::overlapping(Protocol::EcdhMutual, 5, 2, 4, 0),
        Case::overlapping(Protocol::EcdhCardinality, 5, 2, 4, 0),
        Case::overlapping(Protocol::EcdhOprf, 5, 2, 4, 9).withheld_below(3, Report::Count),
        Case::overlapping(Protocol::EcdhOprf, 5, 2, 4, 9).withheld_below(4, Report::Sufficient),
    ];
    cases.extend(OVER_VOLE.map(|protocol| Case::overlapping(protocol, 5, 2, 4, 9)));
    cases.push(Case::overlapping(Protocol::Rr22SmallField, 3, 1, 3, 0));
    cases.push(Case::overlapping(Protocol::Rr22Silent, 5, 2, 4, 9).withheld_below(3, Report::Count));
    cases
}

/// The other side's frames in a pair.
fn frames(pair: &Pair, from: Role) -> &[Vec<u8>] {
    match from {
        Role::Sender => &pair.frames_sender,
        Role::Receiver => &pair.frames_receiver,
    }
}
