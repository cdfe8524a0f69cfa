//! The sender's states: set up the correlation, take in the masked store, make rows, send them and end the run.

use rand_core::Rng;
use symbolon_oblivious::vole::back_end::{BackEnd, SenderCorrelation, SetUp, SetUpStep};
use symbolon_primitives::kdf::Label;
use symbolon_primitives::prg::Prg;
use symbolon_primitives::secret::Seed;
use zeroize::Zeroizing;

use super::hashing::{Hasher, Id};
use super::making::Making;
use super::message::{Incoming, Outgoing};
use super::{SALT_BYTES, SEED_BYTES, STEP_CLOSE, STEP_MASKED, STEP_OPEN, STEP_REPLY, STEP_SEED, Shape, refused};
use crate::error::{Environment, Error, PeerMisbehaved};
use crate::items::SenderInput;
use crate::limits::Limits;
use crate::machine::{Driven, Link, Plans, Progress, State, Turn};
use crate::party::Outcome;
use crate::role::Role;
use crate::rows::{Grouped, Sending, Withheld};
use crate::session::SessionSpec;

/// What the set-up gives a sender.
pub(crate) type Correlation<B, const W: usize> = <<B as BackEnd<W>>::SenderSetUp as SetUp>::Correlation;

/// Makes the sender of a run.
pub(crate) fn sender<B: BackEnd<W>, const W: usize>(
    spec: SessionSpec,
    mut input: SenderInput,
    seed: Seed,
    limits: &Limits,
) -> Result<Driven<Sender<B, W>>, Error> {
    spec.check(Role::Sender, input.row_key.len() as u64, limits)?;
    input.keys.check_lengths(limits)?;
    input.check_rows(spec.payload_bytes)?;
    let prg = Prg::new(seed);
    let shape = Shape::of(&spec)?;
    let plans = Plans {
        outbound: super::from_sender(&spec, &shape),
        inbound: super::from_receiver(&spec, &shape),
        acknowledged: &[],
    };
    let mut salt = [0; SALT_BYTES];
    prg.fork(Label::Rr22Salt, 0).fill_bytes(&mut salt);
    let context = super::context(&spec.sid, &salt);
    let set_up = B::sender(shape.slots(), &context, prg.fork(Label::Rr22SetUp, 0).draw_seed()).map_err(refused)?;
    let own = Own {
        hasher: Hasher::new(&spec),
        grouped: Grouped::new(&input, &mut prg.fork(Label::Order, 0)),
        payload: Zeroizing::new(std::mem::take(&mut input.payload)),
        keys: Some(std::mem::take(&mut input.keys)),
        ids: Zeroizing::default(),
        withheld: Withheld::of(&spec, &prg),
        prg,
        salt,
        shape,
        spec,
    };
    let link = Link::new(&own.spec, plans);
    let announcing = Announcing { own, set_up: Some(set_up), opening: None };
    Ok(Driven::new(Sender::Announcing(Box::new(announcing)), link))
}

/// The sender.
pub(crate) enum Sender<B: BackEnd<W>, const W: usize> {
    Announcing(Box<Announcing<B, W>>),
    SettingUp(Box<SettingUp<B, W>>),
    Closing(Box<Closing<B, W>>),
    Unmasking(Box<Unmasking<B, W>>),
    Making(Box<Making<Correlation<B, W>, W>>),
    Sending(Box<Sending>),
}

/// The own set, and what the session fixes.
pub(crate) struct Own {
    pub(crate) spec: SessionSpec,
    pub(crate) shape: Shape,
    pub(crate) hasher: Hasher,
    pub(crate) grouped: Grouped,
    pub(crate) payload: Zeroizing<Vec<u8>>,
    /// Gone once they are hashed.
    keys: Option<crate::items::ItemSet>,
    pub(crate) ids: Zeroizing<Vec<Id>>,
    pub(crate) withheld: Option<Withheld>,
    pub(crate) prg: Prg,
    pub(crate) salt: [u8; SALT_BYTES],
}

/// Sends the salt and the first message of the set-up.
pub(crate) struct Announcing<B: BackEnd<W>, const W: usize> {
    own: Own,
    set_up: Option<B::SenderSetUp>,
    opening: Option<Outgoing>,
}

/// Waits for the receiver's message of the set-up, and hashes the own keys meanwhile.
pub(crate) struct SettingUp<B: BackEnd<W>, const W: usize> {
    own: Own,
    set_up: B::SenderSetUp,
    reply: Incoming,
}

/// Sends the last message of the set-up if there is one, and then makes the correlation.
pub(crate) struct Closing<B: BackEnd<W>, const W: usize> {
    own: Own,
    set_up: B::SenderSetUp,
    closing: Outgoing,
    closing_is_out: bool,
}

/// Takes in the receiver's store.
pub(crate) struct Unmasking<B: BackEnd<W>, const W: usize> {
    own: Own,
    correlation: Correlation<B, W>,
    seed: Option<[u8; SEED_BYTES]>,
    frames: u32,
}

impl<B: BackEnd<W>, const W: usize> State for Sender<B, W> {
    type Output = Outcome;

    fn turn(&self) -> usize {
        match self {
            Self::Announcing(_) => 0,
            // Masked rows may come once the set-up needs nothing more from this side.
            Self::SettingUp(state) if state.own.shape.has_close() => 1,
            Self::Closing(state) if !state.closing_is_out => 1,
            Self::Sending(state) if state.rows_are_out() => 4,
            _ => 2,
        }
    }

    fn ready(&self, link: &Link) -> bool {
        match self {
            Self::Announcing(_) | Self::Closing(_) | Self::Making(_) => true,
            Self::SettingUp(state) => state.own.keys.is_some() || link.has(STEP_REPLY),
            Self::Unmasking(state) => {
                state.own.keys.is_some() || state.is_complete(link) || link.has(STEP_SEED) || link.has(STEP_MASKED)
            }
            Self::Sending(state) => state.ready(link),
        }
    }

    fn work(self, link: &mut Link) -> Result<Turn<Self>, Error> {
        match self {
            Self::Announcing(state) => state.work(link),
            Self::SettingUp(state) => state.work(link),
            Self::Closing(state) => state.work(link),
            Self::Unmasking(state) => state.work(link),
            Self::Making(mut state) => {
                if state.work()? {
                    return Ok(Turn::Next(Self::Making(state)));
                }
                let (rows, withheld) = state.into_sorted()?;
                Ok(Turn::Next(Self::Sending(Box::new(Sending::new(rows, withheld)))))
            }
            Self::Sending(state) => state.work(link, |state| Self::Sending(Box::new(state))),
        }
    }

    fn progress(&self) -> Progress {
        match self {
            Self::Announcing(state) => state.own.progress(),
            Self::SettingUp(state) => state.own.progress(),
            Self::Closing(_) => Progress::new("setting up", 0, 0),
            Self::Unmasking(state) => state.progress(),
            Self::Making(state) => state.progress(),
            Self::Sending(state) => state.progress(),
        }
    }
}

impl Own {
    /// Hashes the keys, and forgets them.
    fn hash_keys(&mut self) {
        if let Some(keys) = self.keys.take() {
            self.ids = Zeroizing::new(self.hasher.ids(&keys));
        }
    }

    fn progress(&self) -> Progress {
        Progress::new("setting up", self.ids.len() as u64, self.grouped.keys() as u64)
    }
}

impl<B: BackEnd<W>, const W: usize> Announcing<B, W> {
    fn work(mut self: Box<Self>, link: &mut Link) -> Result<Turn<Sender<B, W>>, Error> {
        let frame = self.opening.as_mut().and_then(|opening| opening.frame(link));
        if let Some(frame) = frame {
            return Ok(Turn::Send(frame, Sender::Announcing(self)));
        }
        let set_up = self.set_up.take().ok_or(Environment::Primitive)?;
        if self.opening.is_some() {
            let state = SettingUp { own: self.own, set_up, reply: Incoming::new(STEP_REPLY) };
            return Ok(Turn::Next(Sender::SettingUp(Box::new(state))));
        }
        let SetUpStep::Send(message, set_up) = set_up.advance(None).map_err(refused)? else {
            return Err(Environment::Primitive.into());
        };
        let mut opening = self.own.salt.to_vec();
        if let Some(withheld) = &self.own.withheld {
            opening.extend_from_slice(&withheld.key().commitment(&self.own.spec.sid));
        }
        opening.extend_from_slice(&message);
        self.opening = Some(Outgoing::new(STEP_OPEN, opening));
        self.set_up = Some(set_up);
        Ok(Turn::Next(Sender::Announcing(self)))
    }
}

impl<B: BackEnd<W>, const W: usize> SettingUp<B, W> {
    fn work(mut self: Box<Self>, link: &mut Link) -> Result<Turn<Sender<B, W>>, Error> {
        if !link.has(STEP_REPLY) {
            self.own.hash_keys();
            return Ok(Turn::Next(Sender::SettingUp(self)));
        }
        if !self.reply.take(link) {
            return Ok(Turn::Next(Sender::SettingUp(self)));
        }
        let Self { own, set_up, reply } = *self;
        Ok(Turn::Next(match set_up.advance(Some(reply.bytes())).map_err(refused)? {
            SetUpStep::Send(message, set_up) => {
                let closing = Outgoing::new(STEP_CLOSE, message);
                Sender::Closing(Box::new(Closing { own, set_up, closing, closing_is_out: false }))
            }
            SetUpStep::Done(correlation) => Sender::Unmasking(Box::new(Unmasking::new(own, correlation))),
        }))
    }
}

impl<B: BackEnd<W>, const W: usize> Closing<B, W> {
    fn work(mut self: Box<Self>, link: &mut Link) -> Result<Turn<Sender<B, W>>, Error> {
        if let Some(frame) = self.closing.frame(link) {
            self.closing_is_out = self.closing.is_out(link);
            return Ok(Turn::Send(frame, Sender::Closing(self)));
        }
        let Self { own, set_up, .. } = *self;
        let SetUpStep::Done(correlation) = set_up.advance(None).map_err(refused)? else {
            return Err(Environment::Primitive.into());
        };
        Ok(Turn::Next(Sender::Unmasking(Box::new(Unmasking::new(own, correlation)))))
    }
}

impl<B: BackEnd<W>, const W: usize> Unmasking<B, W> {
    const fn new(own: Own, correlation: Correlation<B, W>) -> Self {
        Self { own, correlation, seed: None, frames: 0 }
    }

    fn is_complete(&self, link: &Link) -> bool {
        self.frames == link.inbound(STEP_MASKED).frames()
    }

    /// W = B ⊕ Δ ⊙ D, frame by frame.
    fn work(mut self: Box<Self>, link: &mut Link) -> Result<Turn<Sender<B, W>>, Error> {
        if let Some(frame) = link.take(STEP_SEED) {
            self.seed = frame.body().first_chunk().copied();
            return Ok(Turn::Next(Sender::Unmasking(self)));
        }
        if let Some(frame) = link.take(STEP_MASKED) {
            let first = link.inbound(STEP_MASKED).range(self.frames).start;
            self.correlation.unmask(first, frame.body()).map_err(refused)?;
            self.frames += 1;
            return Ok(Turn::Next(Sender::Unmasking(self)));
        }
        self.own.hash_keys();
        if !self.is_complete(link) {
            return Ok(Turn::Next(Sender::Unmasking(self)));
        }
        let Self { own, correlation, seed, .. } = *self;
        let seed = seed.ok_or(PeerMisbehaved::BeforeItsTurn { step: STEP_MASKED })?;
        Ok(Turn::Next(Sender::Making(Box::new(Making::new(own, correlation, &seed)))))
    }

    fn progress(&self) -> Progress {
        let slots = self.own.shape.slots() as u64;
        let done = u64::from(self.frames) * super::slots_per_frame(self.own.shape.masked_bytes()) as u64;
        Progress::new("taking in the store", done.min(slots), slots)
    }
}
