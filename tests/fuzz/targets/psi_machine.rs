//! Whole machines against a peer between them that is not honest.
//!
//! The victim, of any protocol and role, runs against an honest peer whose frames pass through a script: they are lost,
//! doubled, held back, changed in header or body, or replaced by made-up frames with chosen step, index, total and
//! session, whose bodies are valid points, sorted tags, arbitrary bytes or nothing, of right and wrong lengths. A
//! script may correct the Check and Finish frames, so that the victim gets past them. What must hold:
//!
//! * the victim never panics, never computes without end, and blames nobody but the peer;
//! * it gives an output only after a Finish that fits what was delivered, and then one within the bounds of its input;
//! * payload that is held back opens with enough matches only, and a sender releases on a sufficient report only;
//! * when nothing was changed it gives exactly the join.
#![no_main]

use std::collections::{BTreeSet, VecDeque};
use std::sync::LazyLock;

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use symbolon_primitives::group::random_encoded_batch;
use symbolon_primitives::hash::Transcript;
use symbolon_primitives::kdf::Label;
use symbolon_primitives::prg::Prg;
use symbolon_primitives::secret::Secret;
use symbolon_psi::frame::HEADER_BYTES;
use symbolon_psi::{
    Error, Frame, ItemSet, Machine, Outcome, Output, Party, Protocol, ReceiverInput, Release, Report, Role, SenderInput,
    SessionSpec, Sid, Step, testing,
};

const SID: Sid = Sid([0x51; 32]);
const STEP_RELEASE: u8 = 6;
const STEP_CHECK: u8 = 0xFC;
const STEP_FINISH: u8 = 0xFE;
/// Calls of `advance` after which a run of this size is taken for one without end.
const CALLS_MAX: usize = 2_000;

static POINTS: LazyLock<Vec<[u8; 32]>> =
    LazyLock::new(|| random_encoded_batch(40, &mut Prg::new(Secret::new([3; 32]))));

#[derive(Arbitrary, Debug)]
struct Input {
    protocol: u8,
    victim_receives: bool,
    keys_sender: u8,
    keys_receiver: u8,
    first_of_receiver: u8,
    rows_per_key: u8,
    padding: (u8, u8),
    payload: u8,
    /// The fewest matches, and whether the report says the number.
    release: Option<(u8, bool)>,
    eager: bool,
    correct_finish: bool,
    script: Vec<Act>,
}

/// What happens to a frame on its way to the victim.
#[derive(Arbitrary, Debug)]
enum Act {
    Pass,
    Lose,
    Double,
    HoldBack,
    Flip {
        at: u16,
        mask: u8,
    },
    Cut(u16),
    Extend(u8),
    Body(Body),
    Head(Head),
    /// Made-up frames in front of it.
    Insert(Head, Body),
}

#[derive(Arbitrary, Debug)]
struct Head {
    protocol: Option<u8>,
    step: Option<u8>,
    index: Option<u32>,
    total: Option<u32>,
    sid: bool,
}

#[derive(Arbitrary, Debug)]
enum Body {
    Points {
        first: u8,
        count: u8,
        behind: u8,
    },
    Tags {
        first: u8,
        count: u8,
        width: u8,
    },
    Fill {
        byte: u8,
        length: u16,
    },
    Bytes(Vec<u8>),
    /// What a Finish has to hold at this moment.
    Finish,
}

impl Body {
    fn bytes(&self, finish: Vec<u8>) -> Vec<u8> {
        match self {
            Self::Points { first, count, behind } => {
                let points = POINTS.iter().cycle().skip(usize::from(*first % 40)).take(usize::from(*count % 64));
                let mut bytes: Vec<u8> = points.flatten().copied().collect();
                bytes.resize(bytes.len() + usize::from(*behind), 0);
                bytes
            }
            Self::Tags { first, count, width } => (0..*count % 64)
                .flat_map(|number| {
                    let mut tag = vec![0; usize::from(*width)];
                    if let Some(byte) = tag.first_mut() {
                        *byte = first.wrapping_add(number);
                    }
                    tag
                })
                .collect(),
            Self::Fill { byte, length } => vec![*byte; usize::from(*length)],
            Self::Bytes(bytes) => bytes.clone(),
            Self::Finish => finish,
        }
    }
}

impl Head {
    fn apply(&self, wire: &mut [u8]) {
        let mut put = |at: usize, bytes: &[u8]| wire[at..at + bytes.len()].copy_from_slice(bytes);
        if let Some(protocol) = self.protocol {
            put(1, &[protocol]);
        }
        if let Some(step) = self.step {
            put(2, &[[1, 2, 3, 4, 5, STEP_RELEASE, STEP_CHECK, 0xFD, STEP_FINISH][usize::from(step) % 9]]);
        }
        if let Some(index) = self.index {
            put(3, &index.to_be_bytes());
        }
        if let Some(total) = self.total {
            put(7, &total.to_be_bytes());
        }
        if self.sid {
            put(HEADER_BYTES - 1, &[0]);
        }
    }
}

/// A run: its parties, and what an honest one gives the victim.
struct Case {
    spec: SessionSpec,
    keys_sender: Vec<u8>,
    keys_receiver: Vec<u8>,
    rows_per_key: usize,
}

impl Case {
    fn new(input: &Input) -> Self {
        let protocol = Protocol::ALL[usize::from(input.protocol) % Protocol::ALL.len()];
        let start = input.first_of_receiver % 10;
        let keys_sender: Vec<u8> = (0..input.keys_sender % 8).collect();
        let keys_receiver: Vec<u8> = (start..start + input.keys_receiver % 8).collect();
        let in_joins = |value| if protocol.joins_rows() { value } else { 0 };
        let rows_per_key = in_joins(usize::from(input.rows_per_key % 3)) + 1;
        let declared = |given: usize, padding: u8| (given as u64 + u64::from(padding % 4)).max(1);
        // The last one is wide enough for several frames of rows.
        let payload_bytes = [0, 1, 24, 150_000][usize::from(input.payload % 64 / 21)];
        let payload_bytes = in_joins(payload_bytes) as u32;
        let release = input.release.filter(|_| payload_bytes > 0).map(|(keys_min, count)| Release {
            keys_min: u64::from(keys_min % 9),
            report: if count { Report::Count } else { Report::Sufficient },
        });
        let spec = SessionSpec {
            protocol,
            sid: SID,
            schema_id: b"fuzz/1".to_vec(),
            rows_sender: declared(keys_sender.len() * rows_per_key, input.padding.0),
            rows_receiver: declared(keys_receiver.len(), input.padding.1),
            payload_bytes,
            release,
        };
        Self { spec, keys_sender, keys_receiver, rows_per_key }
    }

    fn party(&self, role: Role) -> Party {
        let set = |keys: &[u8]| keys.iter().map(std::slice::from_ref).collect::<ItemSet>();
        let (spec, limits) = (self.spec.clone(), testing::limits());
        let party = match role {
            Role::Sender => {
                let rows = (0..self.keys_sender.len() as u32).flat_map(|key| vec![key; self.rows_per_key]);
                let row_key: Vec<u32> = rows.collect();
                let width = self.spec.payload_bytes as usize;
                let payload = row_key.iter().flat_map(|key| vec![*key as u8 + 1; width]).collect();
                let input = SenderInput { keys: set(&self.keys_sender), row_key, payload };
                Party::sender(spec, input, Secret::new([1; 32]), &limits)
            }
            Role::Receiver => {
                let input = ReceiverInput { keys: set(&self.keys_receiver) };
                Party::receiver(spec, input, Secret::new([2; 32]), &limits)
            }
        };
        party.expect("these inputs fit the session")
    }

    /// The steps of `role` that its peer's Finish acknowledges: the result depends on them having arrived unchanged.
    fn acknowledged(&self, role: Role) -> Option<&'static [u8]> {
        match (self.spec.protocol, role) {
            (Protocol::EcdhOprf, Role::Receiver) => Some(&[2, 5]),
            (Protocol::EcdhMutual, _) | (Protocol::EcdhCardinality, Role::Receiver) => Some(&[1]),
            (Protocol::Rr22Silent | Protocol::Rr22SmallField, Role::Receiver) => Some(&[2, 7, 8, 5]),
            _ => None,
        }
    }

    fn common(&self) -> BTreeSet<u8> {
        self.keys_sender.iter().filter(|key| self.keys_receiver.contains(key)).copied().collect()
    }

    /// Checks an output; `honest` if every frame arrived as it was sent.
    fn check(&self, role: Role, output: &Output, honest: bool) {
        let common = self.common();
        let keys_min = self.spec.release.map(|release| release.keys_min);
        let met = |matched: u64| keys_min.is_none_or(|keys_min| matched >= keys_min);
        match output {
            Output::Sent => {
                assert!(role == Role::Sender && self.spec.protocol != Protocol::EcdhMutual && keys_min.is_none());
            }
            Output::Withheld { matched } => {
                // Nobody without the sender's key makes a tag that matches.
                assert!(role == Role::Receiver && !met(*matched) && *matched <= common.len() as u64);
                assert!(!honest || *matched == common.len() as u64);
            }
            Output::Reported { matched, released } => {
                assert!(role == Role::Sender && keys_min.is_some());
                assert!(matched.is_none_or(|matched| met(matched) == *released));
                assert!(!honest || *released == met(common.len() as u64));
                assert!(!honest || matched.is_none_or(|matched| matched == common.len() as u64));
            }
            Output::Count(count) => {
                assert!(role == Role::Receiver && self.spec.protocol == Protocol::EcdhCardinality);
                assert!(*count <= self.spec.rows_receiver);
                assert!(!honest || *count == common.len() as u64);
            }
            Output::Mutual(positions) => {
                let own = if role == Role::Sender { &self.keys_sender } else { &self.keys_receiver };
                assert!(positions.is_sorted_by(|one, next| one < next));
                let keys: BTreeSet<u8> = positions.iter().map(|position| own[*position as usize]).collect();
                assert!(!honest || keys == common);
            }
            Output::Matched(rows) => {
                let width = self.spec.payload_bytes as usize;
                assert!(rows.keys.is_sorted() && rows.payload.len() == rows.keys.len() * width);
                for (place, position) in rows.keys.iter().enumerate() {
                    // Nobody without the sender's key makes a tag that matches or a payload that opens.
                    let key = self.keys_receiver[*position as usize];
                    assert!(common.contains(&key));
                    assert!(rows.payload[place * width..][..width].iter().all(|byte| *byte == key + 1));
                }
                let opened: BTreeSet<u32> = rows.keys.iter().copied().collect();
                assert!(met(opened.len() as u64 + rows.unopened_rows));
                assert!(!honest || rows.unopened_rows == 0);
                assert!(!honest || rows.keys.len() == common.len() * self.rows_per_key);
            }
            other => panic!("an output this target does not know: {other:?}"),
        }
    }
}

/// One machine and the frames that wait for it.
struct Side {
    state: Option<Party>,
    waits: bool,
    inbox: VecDeque<Vec<u8>>,
    calls: usize,
}

enum Turn {
    Nothing,
    Sent(Vec<u8>),
    Done(Outcome),
    Failed(Error),
}

impl Side {
    fn new(party: Party) -> Self {
        Self { state: Some(party), waits: false, inbox: VecDeque::new(), calls: 0 }
    }

    fn can_move(&self) -> bool {
        self.state.is_some() && (!self.waits || !self.inbox.is_empty())
    }

    /// Makes one call; `given` is told the bytes of the frame that went in.
    fn turn(&mut self, eager: bool, mut given: impl FnMut(&[u8])) -> Turn {
        let Some(party) = self.state.take() else { return Turn::Nothing };
        self.calls += 1;
        assert!(self.calls < CALLS_MAX, "a run without end: {party:?}");
        let progress = party.progress();
        assert!(progress.rows_total == 0 || progress.rows_done <= progress.rows_total, "{progress:?}");
        let mut inbound = None;
        if self.waits || eager {
            inbound = self.inbox.pop_front();
        }
        let inbound = match inbound.map(|wire| Frame::from_wire(wire, &testing::limits())).transpose() {
            Ok(inbound) => inbound,
            Err(error) => return Turn::Failed(error),
        };
        if let Some(frame) = &inbound {
            given(frame.as_wire());
        }
        let (party, waits, turn) = match party.advance(inbound) {
            Ok(Step::Send(frame, next)) => (next, false, Turn::Sent(frame.into_wire())),
            Ok(Step::Work(next)) => (next, false, Turn::Nothing),
            Ok(Step::Await(next)) => (next, true, Turn::Nothing),
            Ok(Step::Done(outcome)) => return Turn::Done(outcome),
            Err(error) => return Turn::Failed(error),
        };
        (self.state, self.waits) = (Some(party), waits);
        turn
    }
}

/// The way to the victim.
struct Way {
    script: std::vec::IntoIter<Act>,
    correct_finish: bool,
    held: Option<Vec<u8>>,
    /// Over what was put on the way to the victim, as a Finish has to say it.
    transcript: Transcript,
    /// Over the victim's frames of the steps that a Finish acknowledges, and those steps.
    acknowledged: Option<(&'static [u8], Transcript)>,
    changed: bool,
}

impl Way {
    /// What a Finish has to hold when `transcript` went before it.
    fn finish_after(&self, transcript: &Transcript) -> Vec<u8> {
        let mut body = transcript.clone().finish().to_vec();
        if let Some((_, sent)) = &self.acknowledged {
            body.extend(sent.clone().finish());
        }
        body
    }

    fn finish(&self) -> Vec<u8> {
        self.finish_after(&self.transcript)
    }

    /// Takes notice of a frame of the victim.
    fn answered(&mut self, wire: &[u8]) {
        if let Some((steps, transcript)) = &mut self.acknowledged
            && steps.contains(&wire[2])
        {
            transcript.add(wire);
        }
    }

    /// What arrives for a frame that is sent.
    fn carry(&mut self, frame: Vec<u8>) -> Vec<Vec<u8>> {
        let mut arriving = self.act(frame);
        for wire in &mut arriving {
            let is_finish = wire.get(2) == Some(&STEP_FINISH);
            let is_check = wire.get(2) == Some(&STEP_CHECK);
            let finish = self.finish();
            if (is_finish || is_check) && self.correct_finish && wire.len() == HEADER_BYTES + finish.len() {
                wire[HEADER_BYTES..].copy_from_slice(&finish);
            }
            if !is_finish {
                self.transcript.add(wire);
            }
        }
        arriving
    }

    fn act(&mut self, mut frame: Vec<u8>) -> Vec<Vec<u8>> {
        let before = frame.clone();
        let mut arriving = Vec::new();
        match self.script.next().unwrap_or(Act::Pass) {
            Act::Pass => {}
            Act::Lose => {
                self.changed = true;
                return Vec::new();
            }
            Act::Double => arriving.push(frame.clone()),
            Act::HoldBack => {
                self.changed = true;
                return self.held.replace(frame).into_iter().collect();
            }
            Act::Flip { at, mask } => {
                let at = usize::from(at) % frame.len();
                frame[at] ^= mask;
            }
            Act::Cut(length) => frame.truncate(usize::from(length)),
            Act::Extend(count) => frame.resize(frame.len() + usize::from(count), 0),
            Act::Body(body) => {
                frame.truncate(HEADER_BYTES);
                frame.extend(body.bytes(self.finish()));
            }
            Act::Head(head) => head.apply(&mut frame),
            Act::Insert(head, body) => {
                let mut made = frame[..HEADER_BYTES].to_vec();
                head.apply(&mut made);
                made.extend(body.bytes(self.finish()));
                arriving.push(made);
            }
        }
        arriving.push(frame);
        arriving.extend(self.held.take());
        self.changed |= arriving != [before];
        arriving
    }

    /// What is left of the script when the honest peer has nothing more to send: frames out of nothing.
    fn made_up(&mut self, protocol: Protocol) -> Option<Vec<u8>> {
        let act = self.script.next()?;
        self.changed = true;
        let mut wire = vec![1, protocol.code(), STEP_FINISH, 0, 0, 0, 0, 0, 0, 0, 1];
        wire.extend(SID.as_bytes());
        match act {
            Act::Insert(head, body) => {
                head.apply(&mut wire);
                wire.extend(body.bytes(self.finish()));
            }
            Act::Body(body) => wire.extend(body.bytes(self.finish())),
            Act::Head(head) => head.apply(&mut wire),
            _ => wire.extend(self.finish()),
        }
        if wire[2] != STEP_FINISH {
            self.transcript.add(&wire);
        }
        Some(wire)
    }
}

fuzz_target!(|input: Input| {
    let case = Case::new(&input);
    let role = if input.victim_receives { Role::Receiver } else { Role::Sender };
    let (mut victim, mut peer) = (Side::new(case.party(role)), Side::new(case.party(role.peer())));
    let mut expected = Transcript::new(Label::Finish);
    expected.add(SID.as_bytes());
    let mut way = Way {
        script: input.script.into_iter(),
        correct_finish: input.correct_finish,
        held: None,
        transcript: expected.clone(),
        acknowledged: case.acknowledged(role).map(|steps| (steps, expected.clone())),
        changed: false,
    };
    let mut last = None;
    loop {
        if peer.can_move() {
            // The peer fails when the victim answers to changed frames; that is its right.
            if let Turn::Sent(frame) = peer.turn(true, |_| {}) {
                victim.inbox.extend(way.carry(frame));
            }
        } else if !victim.can_move() {
            let Some(wire) = way.made_up(case.spec.protocol) else { break };
            victim.inbox.push_back(wire);
        }
        if !victim.can_move() {
            continue;
        }
        let turn = victim.turn(input.eager, |wire| {
            if wire[2] == STEP_FINISH {
                last = Some(wire[HEADER_BYTES..].to_vec());
            } else {
                expected.add(wire);
            }
        });
        match turn {
            Turn::Nothing => {}
            Turn::Sent(frame) => {
                way.answered(&frame);
                peer.inbox.push_back(frame);
            }
            Turn::Done(outcome) => {
                assert_eq!(last, Some(way.finish_after(&expected)), "an output without a fitting Finish");
                assert_eq!(outcome.transcript().received, expected.finish());
                case.check(role, outcome.output(), !way.changed);
                return;
            }
            Turn::Failed(error) => {
                assert!(way.changed && error.is_peer(), "{error:?}");
                return;
            }
        }
    }
    assert!(way.changed, "an honest run stalls");
});
