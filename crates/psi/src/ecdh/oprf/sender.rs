//! The sender's states: serve blinded points while working on the own set, send sorted rows, wait for the end.

use symbolon_primitives as primitives;
use symbolon_primitives::kdf::{self, Label};
use symbolon_primitives::oprf::{PublicKey, ServerKey};
use symbolon_primitives::prg::Prg;
use symbolon_primitives::secret::{Secret, Seed};

use super::own::{OwnSet, SortedRows};
use super::{STEP_BLINDED, STEP_EVALUATED, STEP_KEY, STEP_ROWS};
use crate::ecdh::distinct::DistinctPoints;
use crate::ecdh::points::points;
use crate::error::{Environment, Error, PeerMisbehaved};
use crate::frame::Frame;
use crate::items::{ItemEncoder, SenderInput};
use crate::limits::Limits;
use crate::machine::{Driven, Link, Plans, Progress, STEP_DONE, STEP_FINISH, State, Turn};
use crate::party::{Outcome, Output};
use crate::payload::RowLayout;
use crate::role::Role;
use crate::session::SessionSpec;

/// Makes the sender of a run.
pub(crate) fn sender(
    spec: SessionSpec,
    input: SenderInput,
    seed: Seed,
    limits: &Limits,
) -> Result<Driven<Sender>, Error> {
    spec.check(Role::Sender, input.row_key.len() as u64, limits)?;
    input.keys.check(limits)?;
    input.check_rows(spec.payload_bytes)?;
    let prg = Prg::new(seed);
    let key = ServerKey::random(&mut prg.fork(Label::A1Key, 0));
    let link = Link::new(
        &spec,
        Plans { outbound: super::from_sender(&spec), inbound: super::from_receiver(&spec), acknowledged: None },
    );
    let layout = RowLayout::new(spec.payload_bytes);
    let serving = Serving {
        public: key.public_key(),
        key,
        announced: false,
        seen: DistinctPoints::new(prg.fork(Label::Order, 1), spec.rows_receiver),
        evaluated: 0,
        frames: link.inbound(STEP_BLINDED).frames(),
        encoder: ItemEncoder::new(&spec.sid, &spec.schema_id),
        own: OwnSet::new(input, layout, spec.sid, spec.rows_sender, &prg),
        prg,
    };
    Ok(Driven::new(Sender::Serving(Box::new(serving)), link))
}

/// The sender.
pub(crate) enum Sender {
    Serving(Box<Serving>),
    Sending(Sending),
    Closing(Closing),
}

/// Evaluates blinded points as they come, and works on the own set when none is waiting.
pub(crate) struct Serving {
    key: ServerKey,
    public: PublicKey,
    announced: bool,
    seen: DistinctPoints,
    evaluated: u32,
    frames: u32,
    encoder: ItemEncoder,
    own: OwnSet,
    prg: Prg,
}

/// Every blinded point was received: sends the rows.
pub(crate) struct Sending {
    rows: SortedRows,
    next: u32,
}

/// Everything is sent: waits for the receiver's Done and Finish.
pub(crate) struct Closing {
    done: bool,
}

impl State for Sender {
    type Output = Outcome;

    fn turn(&self) -> usize {
        match self {
            Self::Serving(_) | Self::Sending(_) => 0,
            Self::Closing(_) => 2,
        }
    }

    fn ready(&self, link: &Link) -> bool {
        match self {
            Self::Serving(state) => {
                !state.announced || state.is_complete() || state.own.has_work() || link.has(STEP_BLINDED)
            }
            Self::Sending(_) => true,
            Self::Closing(state) => link.has(if state.done { STEP_FINISH } else { STEP_DONE }),
        }
    }

    fn work(self, link: &mut Link) -> Result<Turn<Self>, Error> {
        match self {
            Self::Serving(state) => state.work(link),
            Self::Sending(state) => Ok(state.work(link)),
            Self::Closing(state) => state.work(link),
        }
    }

    fn progress(&self) -> Progress {
        match self {
            Self::Serving(state) => state.own.progress(),
            Self::Sending(state) => state.rows.progress(state.next),
            Self::Closing(_) => Progress::new("waiting for the end", 0, 0),
        }
    }
}

impl Serving {
    const fn is_complete(&self) -> bool {
        self.evaluated == self.frames && !self.own.has_work()
    }

    fn work(mut self: Box<Self>, link: &mut Link) -> Result<Turn<Sender>, Error> {
        if !self.announced {
            self.announced = true;
            let mut builder = link.builder(STEP_KEY, 0);
            builder.put(&self.public.encode());
            return Ok(Turn::Send(link.seal(builder), Sender::Serving(self)));
        }
        if let Some(frame) = link.take(STEP_BLINDED) {
            let reply = self.evaluate(&frame, link)?;
            return Ok(Turn::Send(reply, Sender::Serving(self)));
        }
        if self.own.has_work() {
            let Self { own, key, encoder, prg, .. } = &mut *self;
            own.work(key, encoder, prg)?;
            return Ok(Turn::Next(Sender::Serving(self)));
        }
        if !self.is_complete() {
            return Ok(Turn::Next(Sender::Serving(self)));
        }
        let Self { own, .. } = *self;
        Ok(Turn::Next(Sender::Sending(Sending { rows: own.into_sorted(), next: 0 })))
    }

    /// Z = k·M for a frame of blinded points, with one proof that the announced key was used for all of them.
    fn evaluate(&mut self, frame: &Frame, link: &mut Link) -> Result<Frame, Error> {
        let blinded = points(frame, 0);
        if !blinded.iter().all(|point| self.seen.insert(point)) {
            return Err(PeerMisbehaved::RepeatedPoint.into());
        }
        let mut rng = self.proof_nonces(frame);
        let (evaluated, proof) = self.key.evaluate_prove_batch(blinded, &mut rng).map_err(|error| match error {
            primitives::Error::Encoding { .. } => PeerMisbehaved::MalformedPoint.into(),
            _ => Error::from(Environment::Primitive),
        })?;
        let mut builder = link.builder(STEP_EVALUATED, self.evaluated);
        builder.put_all(&evaluated);
        builder.put(&proof);
        self.evaluated += 1;
        Ok(link.seal(builder))
    }

    /// The nonces of a frame's proof depend on the seed and on every byte of the frame: were a seed ever used
    /// twice, two different challenges would still not meet the same nonce.
    fn proof_nonces(&self, frame: &Frame) -> Prg {
        let own = self.prg.fork(Label::ProofNonce, u64::from(self.evaluated)).draw_seed();
        let mut seed = Secret::new([0_u8; 32]);
        let info = [Label::ProofNonce.as_bytes(), frame.as_wire()];
        kdf::hkdf_expand(own.expose(), &info, seed.expose_mut()).expect("32 bytes are below the limit of HKDF");
        Prg::new(seed)
    }
}

impl Sending {
    fn work(mut self, link: &mut Link) -> Turn<Sender> {
        let plan = link.outbound(STEP_ROWS);
        if self.next == plan.frames() {
            return Turn::Send(link.finish(), Sender::Closing(Closing { done: false }));
        }
        let mut builder = link.builder(STEP_ROWS, self.next);
        self.rows.range(plan.range(self.next)).for_each(|row| builder.put(row));
        self.next += 1;
        Turn::Send(link.seal(builder), Sender::Sending(self))
    }
}

impl Closing {
    fn work(self, link: &mut Link) -> Result<Turn<Sender>, Error> {
        if link.take(STEP_DONE).is_some() {
            return Ok(Turn::Next(Sender::Closing(Self { done: true })));
        }
        let Some(finish) = link.take(STEP_FINISH) else {
            return Ok(Turn::Next(Sender::Closing(self)));
        };
        let checks = link.verify_finish(&finish)?;
        Ok(Turn::Done(Outcome::new(Output::Sent, link.transcript(), checks)))
    }
}
