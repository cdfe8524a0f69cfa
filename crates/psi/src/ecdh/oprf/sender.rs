//! The sender's states: serve blinded points while working on the own set, then send rows and end the run.

use symbolon_primitives as primitives;
use symbolon_primitives::kdf::{self, Label};
use symbolon_primitives::oprf::{PublicKey, ServerKey};
use symbolon_primitives::prg::Prg;
use symbolon_primitives::secret::{Secret, Seed};

use super::own::OwnSet;
use super::{STEP_BLINDED, STEP_EVALUATED, STEP_KEY};
use crate::ecdh::distinct::DistinctPoints;
use crate::ecdh::points::points;
use crate::error::{Environment, Error, PeerMisbehaved};
use crate::frame::Frame;
use crate::items::{ItemEncoder, SenderInput};
use crate::limits::Limits;
use crate::machine::{Driven, Link, Plans, Progress, State, Turn};
use crate::party::Outcome;
use crate::payload::RowLayout;
use crate::role::Role;
use crate::rows::{Sending, Withheld};
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
        Plans { outbound: super::from_sender(&spec), inbound: super::from_receiver(&spec), acknowledged: &[] },
    );
    let layout = RowLayout::of(&spec);
    let withheld = Withheld::of(&spec, &prg);
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
        commitment: withheld.as_ref().map(|withheld| withheld.key().commitment(&spec.sid)),
        withheld,
    };
    Ok(Driven::new(Sender::Serving(Box::new(serving)), link))
}

/// The sender.
pub(crate) enum Sender {
    Serving(Box<Serving>),
    /// Every blinded point was received.
    Sending(Sending),
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
    withheld: Option<Withheld>,
    commitment: Option<[u8; 32]>,
}

impl State for Sender {
    type Output = Outcome;

    fn turn(&self) -> usize {
        match self {
            Self::Sending(state) if state.rows_are_out() => 2,
            _ => 0,
        }
    }

    fn ready(&self, link: &Link) -> bool {
        match self {
            Self::Serving(state) => {
                !state.announced || state.is_complete() || state.own.has_work() || link.has(STEP_BLINDED)
            }
            Self::Sending(state) => state.ready(link),
        }
    }

    fn work(self, link: &mut Link) -> Result<Turn<Self>, Error> {
        match self {
            Self::Serving(state) => state.work(link),
            Self::Sending(state) => state.work(link, Self::Sending),
        }
    }

    fn progress(&self) -> Progress {
        match self {
            Self::Serving(state) => state.own.progress(),
            Self::Sending(state) => state.progress(),
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
            if let Some(commitment) = &self.commitment {
                builder.put(commitment);
            }
            return Ok(Turn::Send(link.seal(builder), Sender::Serving(self)));
        }
        if let Some(frame) = link.take(STEP_BLINDED) {
            let reply = self.evaluate(&frame, link)?;
            return Ok(Turn::Send(reply, Sender::Serving(self)));
        }
        if self.own.has_work() {
            let Self { own, key, encoder, prg, withheld, .. } = &mut *self;
            own.work(key, withheld.as_ref().map(Withheld::key), encoder, prg)?;
            return Ok(Turn::Next(Sender::Serving(self)));
        }
        if !self.is_complete() {
            return Ok(Turn::Next(Sender::Serving(self)));
        }
        let Self { own, withheld, .. } = *self;
        Ok(Turn::Next(Sender::Sending(Sending::new(own.into_sorted(), withheld))))
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
