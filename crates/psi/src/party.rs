//! One type over all protocols and roles, and what a run gives.

use std::fmt;

use symbolon_primitives::secret::Seed;

use crate::ecdh::{cardinality, mutual, oprf};
use crate::error::Error;
use crate::frame::Frame;
use crate::items::{ReceiverInput, SenderInput};
use crate::limits::Limits;
use crate::machine::{Driven, Machine, Progress, Step};
use crate::role::{Protocol, Role};
use crate::rr22::{self, Silent, SmallField};
use crate::session::SessionSpec;

/// A party of any protocol of this crate, ready to be driven.
///
/// A party is used for one run. It holds one-time keys; whoever needs a second run makes a second party with a
/// fresh seed and a fresh session identifier.
///
/// ```compile_fail
/// # use symbolon_psi::{Machine, Party};
/// # fn twice(party: Party) {
/// let first = party.advance(None);
/// let second = party.advance(None); // the party is gone
/// # }
/// ```
pub struct Party {
    inner: Inner,
    protocol: Protocol,
    role: Role,
}

enum Inner {
    OprfSender(Box<Driven<oprf::Sender>>),
    OprfReceiver(Box<Driven<oprf::Receiver>>),
    Mutual(Box<Driven<mutual::Mutual>>),
    CardinalitySender(Box<Driven<cardinality::Sender>>),
    CardinalityReceiver(Box<Driven<cardinality::Receiver>>),
    SilentSender(Box<Driven<rr22::Sender<Silent, 1>>>),
    SilentReceiver(Box<Driven<rr22::Receiver<Silent, 1>>>),
    SmallFieldSender(Box<Driven<rr22::Sender<SmallField, 2>>>),
    SmallFieldReceiver(Box<Driven<rr22::Receiver<SmallField, 2>>>),
}

impl Party {
    /// Makes the sender of `spec.protocol`.
    ///
    /// All randomness of the run comes from `seed`. Checking the keys for duplicates takes a moment for large
    /// sets; do not call this on a thread that must not wait.
    ///
    /// # Errors
    /// [`Error::Misuse`] for inputs that do not fit `spec`, [`Error::LimitExceeded`] for what `limits` forbid.
    pub fn sender(spec: SessionSpec, input: SenderInput, seed: Seed, limits: &Limits) -> Result<Self, Error> {
        let protocol = spec.protocol;
        let inner = match protocol {
            Protocol::EcdhOprf => Inner::OprfSender(Box::new(oprf::sender(spec, input, seed, limits)?)),
            Protocol::EcdhMutual => {
                let keys = mutual::keys_of(&spec, input)?;
                Inner::Mutual(Box::new(mutual::party(spec, Role::Sender, keys, seed, limits)?))
            }
            Protocol::EcdhCardinality => {
                let keys = mutual::keys_of(&spec, input)?;
                Inner::CardinalitySender(Box::new(cardinality::sender(spec, keys, seed, limits)?))
            }
            Protocol::Rr22Silent => Inner::SilentSender(Box::new(rr22::sender(spec, input, seed, limits)?)),
            Protocol::Rr22SmallField => Inner::SmallFieldSender(Box::new(rr22::sender(spec, input, seed, limits)?)),
        };
        Ok(Self { inner, protocol, role: Role::Sender })
    }

    /// Makes the receiver of `spec.protocol`; otherwise like [`Party::sender`].
    ///
    /// # Errors
    /// [`Error::Misuse`] for inputs that do not fit `spec`, [`Error::LimitExceeded`] for what `limits` forbid.
    pub fn receiver(spec: SessionSpec, input: ReceiverInput, seed: Seed, limits: &Limits) -> Result<Self, Error> {
        let protocol = spec.protocol;
        let keys = input.keys;
        let inner = match protocol {
            Protocol::EcdhOprf => Inner::OprfReceiver(Box::new(oprf::receiver(spec, keys, seed, limits)?)),
            Protocol::EcdhMutual => Inner::Mutual(Box::new(mutual::party(spec, Role::Receiver, keys, seed, limits)?)),
            Protocol::EcdhCardinality => {
                Inner::CardinalityReceiver(Box::new(cardinality::receiver(spec, keys, seed, limits)?))
            }
            Protocol::Rr22Silent => Inner::SilentReceiver(Box::new(rr22::receiver(spec, keys, seed, limits)?)),
            Protocol::Rr22SmallField => Inner::SmallFieldReceiver(Box::new(rr22::receiver(spec, keys, seed, limits)?)),
        };
        Ok(Self { inner, protocol, role: Role::Receiver })
    }

    /// The protocol.
    #[must_use]
    pub const fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// The side of the protocol.
    #[must_use]
    pub const fn role(&self) -> Role {
        self.role
    }
}

impl Machine for Party {
    type Output = Outcome;

    fn advance(self, inbound: Option<Frame>) -> Result<Step<Self>, Error> {
        let Self { inner, protocol, role } = self;
        let wrap = |inner| Self { inner, protocol, role };
        match inner {
            Inner::OprfSender(machine) => lift(*machine, inbound, |next| wrap(Inner::OprfSender(Box::new(next)))),
            Inner::OprfReceiver(machine) => lift(*machine, inbound, |next| wrap(Inner::OprfReceiver(Box::new(next)))),
            Inner::Mutual(machine) => lift(*machine, inbound, |next| wrap(Inner::Mutual(Box::new(next)))),
            Inner::CardinalitySender(machine) => {
                lift(*machine, inbound, |next| wrap(Inner::CardinalitySender(Box::new(next))))
            }
            Inner::CardinalityReceiver(machine) => {
                lift(*machine, inbound, |next| wrap(Inner::CardinalityReceiver(Box::new(next))))
            }
            Inner::SilentSender(machine) => lift(*machine, inbound, |next| wrap(Inner::SilentSender(Box::new(next)))),
            Inner::SilentReceiver(machine) => {
                lift(*machine, inbound, |next| wrap(Inner::SilentReceiver(Box::new(next))))
            }
            Inner::SmallFieldSender(machine) => {
                lift(*machine, inbound, |next| wrap(Inner::SmallFieldSender(Box::new(next))))
            }
            Inner::SmallFieldReceiver(machine) => {
                lift(*machine, inbound, |next| wrap(Inner::SmallFieldReceiver(Box::new(next))))
            }
        }
    }

    fn progress(&self) -> Progress {
        match &self.inner {
            Inner::OprfSender(machine) => machine.progress(),
            Inner::OprfReceiver(machine) => machine.progress(),
            Inner::Mutual(machine) => machine.progress(),
            Inner::CardinalitySender(machine) => machine.progress(),
            Inner::CardinalityReceiver(machine) => machine.progress(),
            Inner::SilentSender(machine) => machine.progress(),
            Inner::SilentReceiver(machine) => machine.progress(),
            Inner::SmallFieldSender(machine) => machine.progress(),
            Inner::SmallFieldReceiver(machine) => machine.progress(),
        }
    }

    fn transcript(&self) -> Option<TranscriptHashes> {
        match &self.inner {
            Inner::OprfSender(machine) => machine.transcript(),
            Inner::OprfReceiver(machine) => machine.transcript(),
            Inner::Mutual(machine) => machine.transcript(),
            Inner::CardinalitySender(machine) => machine.transcript(),
            Inner::CardinalityReceiver(machine) => machine.transcript(),
            Inner::SilentSender(machine) => machine.transcript(),
            Inner::SilentReceiver(machine) => machine.transcript(),
            Inner::SmallFieldSender(machine) => machine.transcript(),
            Inner::SmallFieldReceiver(machine) => machine.transcript(),
        }
    }
}

fn lift<M: Machine<Output = Outcome>>(
    machine: M,
    inbound: Option<Frame>,
    wrap: impl FnOnce(M) -> Party,
) -> Result<Step<Party>, Error> {
    Ok(match machine.advance(inbound)? {
        Step::Send(frame, next) => Step::Send(frame, wrap(next)),
        Step::Await(next) => Step::Await(wrap(next)),
        Step::Work(next) => Step::Work(wrap(next)),
        Step::Done(outcome) => Step::Done(outcome),
    })
}

impl fmt::Debug for Party {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Party")
            .field("protocol", &self.protocol)
            .field("role", &self.role)
            .field("progress", &self.progress())
            .finish_non_exhaustive()
    }
}

/// What a run gave, together with the proof that all its checks passed: there is no other way to one.
#[derive(Debug)]
pub struct Outcome {
    output: Output,
    transcript: TranscriptHashes,
    _checks: ChecksPassed,
}

impl Outcome {
    pub(crate) const fn new(output: Output, transcript: TranscriptHashes, checks: ChecksPassed) -> Self {
        Self { output, transcript, _checks: checks }
    }

    /// What this side learned.
    #[must_use]
    pub const fn output(&self) -> &Output {
        &self.output
    }

    /// What this side learned, by value.
    #[must_use]
    pub fn into_output(self) -> Output {
        self.output
    }

    /// The hashes over both directions; the peer has the same two, swapped.
    #[must_use]
    pub const fn transcript(&self) -> TranscriptHashes {
        self.transcript
    }
}

/// What one side learned.
#[derive(Debug)]
#[non_exhaustive]
pub enum Output {
    /// The rows of the sender that match a key of this receiver.
    Matched(MatchedRows),
    /// The positions of the own keys that the peer has too, ascending.
    Mutual(Vec<u32>),
    /// How many keys both have.
    Count(u64),
    /// The run asked for a minimum and fewer keys match: the payload stays closed.
    Withheld {
        /// How many of the own keys match.
        matched: u64,
    },
    /// Nothing: this side only sent.
    Sent,
    /// What the receiver reported; otherwise this side only sent.
    Reported {
        /// How many of its keys match, if it told the number.
        matched: Option<u64>,
        /// Whether they were enough, so that the payload was released.
        released: bool,
    },
}

/// The rows a receiver got, by own key; rows of one key follow each other in no meaningful order.
#[derive(Default)]
#[non_exhaustive]
pub struct MatchedRows {
    /// For each row the position of the own key it matches, ascending; a key with several rows occurs as often.
    pub keys: Vec<u32>,
    /// The payload of the rows, one after the other; empty in a session without payload.
    pub payload: Vec<u8>,
    /// Rows whose tag matched and whose payload did not open. They are in none of the other fields. An honest
    /// sender makes none; the peer is not told.
    pub unopened_rows: u64,
}

impl fmt::Debug for MatchedRows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MatchedRows")
            .field("rows", &self.keys.len())
            .field("unopened_rows", &self.unopened_rows)
            .finish_non_exhaustive()
    }
}

/// The hashes over all frames of a run, by direction as this side sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "a run has two directions")]
pub struct TranscriptHashes {
    /// Over the frames this side sent.
    pub sent: [u8; 32],
    /// Over the frames this side received.
    pub received: [u8; 32],
}

/// Proof that the peer's Finish was compared: minted there, needed for every [`Outcome`].
#[derive(Debug)]
pub(crate) struct ChecksPassed(());

impl ChecksPassed {
    /// For [`Link::verify_finish`](crate::machine::Link::verify_finish) only.
    pub(crate) const fn mint() -> Self {
        Self(())
    }
}
