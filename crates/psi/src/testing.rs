//! Running a pair of machines in memory: seeded, single-threaded in its order, and with faults on the way.

use std::collections::VecDeque;

use crate::error::{Error, PeerMisbehaved};
use crate::frame::Frame;
use crate::limits::Limits;
use crate::machine::{Machine, Step};
use crate::party::{Outcome, Party};
use crate::role::Role;

/// Limits wide enough for every test.
#[must_use]
pub const fn limits() -> Limits {
    Limits {
        frame_bytes_max: 1 << 20,
        rows_max: 1 << 24,
        payload_bytes_max: Limits::PAYLOAD_BYTES_CEILING,
        key_bytes_max: Limits::KEY_BYTES_CEILING,
    }
}

/// When a machine is given the frames that wait for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Delivery {
    /// With every call, as a driver does that never stops reading.
    Eager,
    /// Only when the machine awaits one.
    WhenAwaited,
}

/// How a side ended.
#[derive(Debug)]
#[expect(clippy::exhaustive_enums, reason = "tests match every end")]
pub enum End {
    /// With an output.
    Finished(Outcome),
    /// With an error.
    Failed(Error),
    /// Waiting for a frame that never came.
    Stalled,
}

impl End {
    /// The outcome.
    ///
    /// # Panics
    /// When the side did not finish.
    #[must_use]
    pub fn finished(self) -> Outcome {
        match self {
            Self::Finished(outcome) => outcome,
            Self::Failed(error) => panic_with("failed", &error),
            Self::Stalled => panic_with("stalled", &"no frame came"),
        }
    }

    /// The error, if there was one.
    #[must_use]
    pub const fn error(&self) -> Option<&Error> {
        match self {
            Self::Failed(error) => Some(error),
            Self::Finished(_) | Self::Stalled => None,
        }
    }
}

#[expect(clippy::panic, reason = "a test asked for an outcome that is not there")]
fn panic_with(what: &str, why: &dyn std::fmt::Debug) -> ! {
    panic!("the party {what}: {why:?}")
}

/// What a pair did.
#[derive(Debug)]
#[non_exhaustive]
pub struct Pair {
    /// How the sender ended.
    pub sender: End,
    /// How the receiver ended.
    pub receiver: End,
    /// The frames the sender sent, before any fault.
    pub frames_sender: Vec<Vec<u8>>,
    /// The frames the receiver sent, before any fault.
    pub frames_receiver: Vec<Vec<u8>>,
}

/// A fault on the way: what becomes of one frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// It is lost.
    Drop,
    /// It comes twice.
    Double,
    /// Only its first bytes come.
    Cut(usize),
    /// It comes with bytes behind it.
    Extend(usize),
    /// It comes after the one that follows it.
    SwapWithNext,
    /// A byte differs by this mask.
    Flip(usize, u8),
}

/// Lets frames pass, but for one that meets a fault.
pub fn with_fault(from: Role, position: usize, fault: Fault) -> impl FnMut(Role, usize, Vec<u8>) -> Vec<Vec<u8>> {
    let mut held = None;
    move |role, number, mut frame| {
        if role != from {
            return vec![frame];
        }
        if number != position {
            return std::iter::once(frame).chain(held.take()).collect();
        }
        match fault {
            Fault::Drop => return Vec::new(),
            Fault::Double => return vec![frame.clone(), frame],
            Fault::Cut(length) => frame.truncate(length),
            Fault::Extend(length) => frame.resize(frame.len() + length, 0),
            Fault::SwapWithNext => {
                held = Some(frame);
                return Vec::new();
            }
            Fault::Flip(offset, mask) => {
                if let Some(byte) = frame.get_mut(offset) {
                    *byte ^= mask;
                }
            }
        }
        vec![frame]
    }
}

/// Runs a pair without faults.
#[must_use]
pub fn run(sender: Party, receiver: Party) -> Pair {
    run_through(sender, receiver, Delivery::Eager, |_, _, frame| vec![frame])
}

/// Runs a pair with `way` between the two: it is given who sent a frame, the frame's number in its direction and
/// its bytes, and gives what arrives instead.
///
/// The two take turns. A run ends when neither can move.
#[must_use]
pub fn run_through(
    sender: Party,
    receiver: Party,
    delivery: Delivery,
    mut way: impl FnMut(Role, usize, Vec<u8>) -> Vec<Vec<u8>>,
) -> Pair {
    let mut sides = [Side::new(sender), Side::new(receiver)];
    let roles = [Role::Sender, Role::Receiver];
    while sides.iter().any(Side::can_move) {
        for (index, role) in roles.into_iter().enumerate() {
            let Some(frame) = sides[index].turn(delivery) else {
                continue;
            };
            let number = sides[index].sent.len();
            sides[index].sent.push(frame.clone());
            sides[1 - index].inbox.extend(way(role, number, frame));
        }
    }
    let [(sender, frames_sender), (receiver, frames_receiver)] = sides.map(Side::end);
    Pair { sender, receiver, frames_sender, frames_receiver }
}

struct Side {
    state: SideState,
    inbox: VecDeque<Vec<u8>>,
    sent: Vec<Vec<u8>>,
}

enum SideState {
    Running(Box<Party>),
    Waiting(Box<Party>),
    Ended(Box<End>),
}

impl Side {
    fn new(party: Party) -> Self {
        Self { state: SideState::Running(Box::new(party)), inbox: VecDeque::new(), sent: Vec::new() }
    }

    fn can_move(&self) -> bool {
        match &self.state {
            SideState::Running(_) => true,
            SideState::Waiting(_) => !self.inbox.is_empty(),
            SideState::Ended(_) => false,
        }
    }

    /// Makes one step; gives the frame to send if that was one.
    fn turn(&mut self, delivery: Delivery) -> Option<Vec<u8>> {
        if !self.can_move() {
            return None;
        }
        let ended = SideState::Ended(Box::new(End::Stalled));
        let (party, waits) = match std::mem::replace(&mut self.state, ended) {
            SideState::Running(party) => (party, false),
            SideState::Waiting(party) => (party, true),
            SideState::Ended(end) => {
                self.state = SideState::Ended(end);
                return None;
            }
        };
        let inbound = if waits || delivery == Delivery::Eager { self.inbox.pop_front() } else { None };
        let step = inbound
            .map(|wire| Frame::from_wire(wire, &limits()))
            .transpose()
            .and_then(|inbound| party.advance(inbound));
        let (state, frame) = match step {
            Ok(Step::Send(frame, party)) => (SideState::Running(Box::new(party)), Some(frame.into_wire())),
            Ok(Step::Work(party)) => (SideState::Running(Box::new(party)), None),
            Ok(Step::Await(party)) => (SideState::Waiting(Box::new(party)), None),
            Ok(Step::Done(outcome)) => (SideState::Ended(Box::new(End::Finished(outcome))), None),
            Err(error) => (SideState::Ended(Box::new(End::Failed(error))), None),
        };
        self.state = state;
        frame
    }

    /// A frame left over after the output is an error, as in a driver.
    fn end(self) -> (End, Vec<Vec<u8>>) {
        let end = match self.state {
            SideState::Ended(end) => match *end {
                End::Finished(_) if !self.inbox.is_empty() => End::Failed(PeerMisbehaved::AfterTheEnd.into()),
                end => end,
            },
            SideState::Running(_) | SideState::Waiting(_) => End::Stalled,
        };
        (end, self.sent)
    }
}
