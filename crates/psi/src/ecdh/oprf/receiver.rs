//! The receiver's states: exchange points, then take in rows, end the run and match.

use std::collections::VecDeque;

use symbolon_primitives as primitives;
use symbolon_primitives::kdf::Label;
use symbolon_primitives::oprf::{self, PROOF_BYTES, PublicKey};
use symbolon_primitives::prg::Prg;
use symbolon_primitives::secret::Seed;
use zeroize::Zeroize;

use super::matching::{Matching, Outputs};
use super::{STEP_BLINDED, STEP_EVALUATED, STEP_KEY};
use crate::ecdh::points::{Order, POINTS_PER_FRAME, blinds, points};
use crate::error::{Environment, Error, PeerMisbehaved};
use crate::frame::Frame;
use crate::items::{ItemEncoder, ItemSet};
use crate::limits::Limits;
use crate::machine::{Driven, Link, Plans, Progress, State, Turn};
use crate::party::Outcome;
use crate::role::Role;
use crate::rows::{Receiving, STEP_REPORT, Withholding};
use crate::session::SessionSpec;

/// Frames of points that may be under way before opening answers goes before blinding more: bounds memory, and
/// is far more than the sender needs to stay busy.
const FRAMES_UNDER_WAY: usize = 64;

/// Where the rows stand among the sender's steps.
const ROWS_POSITION: usize = 2;

/// Makes the receiver of a run.
pub(crate) fn receiver(
    spec: SessionSpec,
    keys: ItemSet,
    seed: Seed,
    limits: &Limits,
) -> Result<Driven<Receiver>, Error> {
    spec.check(Role::Receiver, keys.len() as u64, limits)?;
    keys.check(limits)?;
    let prg = Prg::new(seed);
    let link = Link::new(
        &spec,
        Plans {
            outbound: super::from_receiver(&spec),
            inbound: super::from_sender(&spec),
            acknowledged: &[STEP_BLINDED, STEP_REPORT],
        },
    );
    let exchanging = Exchanging {
        order: Order::random(&prg, keys.len(), spec.rows_receiver),
        outputs: Outputs::new(keys.len(), spec.sid),
        encoder: ItemEncoder::new(&spec.sid, &spec.schema_id),
        keys,
        prg,
        public: None,
        under_way: VecDeque::new(),
        blinded: 0,
        opened: 0,
        frames: link.outbound(STEP_BLINDED).frames(),
        release: spec.release.map(|release| Withholding { release, commitment: [0; 32], sid: spec.sid }),
        spec,
    };
    Ok(Driven::new(Receiver::Exchanging(Box::new(exchanging)), link))
}

/// The receiver.
pub(crate) enum Receiver {
    Exchanging(Box<Exchanging>),
    /// Every evaluation was opened.
    Receiving(Box<Receiving<Matching>>),
}

/// Blinds keys, and verifies and unblinds what comes back.
pub(crate) struct Exchanging {
    keys: ItemSet,
    order: Order,
    encoder: ItemEncoder,
    prg: Prg,
    public: Option<PublicKey>,
    /// Blinded frames whose evaluation has not been opened: the proofs are about their bytes.
    under_way: VecDeque<Frame>,
    blinded: u32,
    opened: u32,
    frames: u32,
    outputs: Outputs,
    spec: SessionSpec,
    release: Option<Withholding>,
}

impl State for Receiver {
    type Output = Outcome;

    fn turn(&self) -> usize {
        match self {
            // Rows may come only after the last blinded point has left.
            Self::Exchanging(state) if state.blinded < state.frames => ROWS_POSITION - 1,
            Self::Exchanging(_) => ROWS_POSITION + 1,
            Self::Receiving(state) => state.turn(),
        }
    }

    fn ready(&self, link: &Link) -> bool {
        match self {
            Self::Exchanging(state) => {
                state.blinded < state.frames
                    || state.opened == state.frames
                    || link.has(STEP_KEY)
                    || link.has(STEP_EVALUATED)
            }
            Self::Receiving(state) => state.ready(link),
        }
    }

    fn work(self, link: &mut Link) -> Result<Turn<Self>, Error> {
        match self {
            Self::Exchanging(state) => state.work(link),
            Self::Receiving(state) => state.work(link, |state| Self::Receiving(Box::new(state))),
        }
    }

    fn progress(&self) -> Progress {
        match self {
            Self::Exchanging(state) => state.progress(),
            Self::Receiving(state) => state.progress(),
        }
    }
}

impl Exchanging {
    fn work(mut self: Box<Self>, link: &mut Link) -> Result<Turn<Receiver>, Error> {
        if let Some(frame) = link.take(STEP_KEY) {
            self.public = Some(decode_key(&frame)?);
            if let Some(release) = &mut self.release {
                // Behind the key, as the plan has it.
                release.commitment = frame.body().last_chunk().copied().unwrap_or_default();
            }
            return Ok(Turn::Next(Receiver::Exchanging(self)));
        }
        let full = self.under_way.len() >= FRAMES_UNDER_WAY && link.has(STEP_EVALUATED);
        if self.blinded < self.frames && !full {
            let frame = self.blind(link)?;
            return Ok(Turn::Send(frame, Receiver::Exchanging(self)));
        }
        if let Some(frame) = link.take(STEP_EVALUATED) {
            self.open(&frame, link)?;
            return Ok(Turn::Next(Receiver::Exchanging(self)));
        }
        if self.opened < self.frames {
            return Ok(Turn::Next(Receiver::Exchanging(self)));
        }
        let Self { outputs, spec, release, .. } = *self;
        Ok(Turn::Next(Receiver::Receiving(Box::new(Receiving::new(outputs, &spec, release, ROWS_POSITION, link)))))
    }

    /// M = r·H(x) for the next frame of positions.
    fn blind(&mut self, link: &mut Link) -> Result<Frame, Error> {
        let range = link.outbound(STEP_BLINDED).range(self.blinded);
        let mut padding = self.prg.fork(Label::Padding, u64::from(self.blinded));
        let items = self.order.encode(range.clone(), &self.keys, &self.encoder, &mut padding);
        let blinds = blinds(&self.prg, self.blinded, range.len());
        let blinded = oprf::hash_blind_batch(&items.slices(), &blinds).map_err(|_| Environment::Primitive)?;
        let mut builder = link.builder(STEP_BLINDED, self.blinded);
        builder.put_all(&blinded);
        let frame = link.seal(builder);
        self.under_way.push_back(frame.clone());
        self.blinded += 1;
        Ok(frame)
    }

    /// Verifies the proof of a frame, then takes the blinds off. Padding is finished like keys, and thrown away.
    fn open(&mut self, frame: &Frame, link: &Link) -> Result<(), Error> {
        // A frame whose points have not left yet cannot be an answer to them.
        let asked = self.under_way.pop_front().ok_or(PeerMisbehaved::BeforeItsTurn { step: STEP_EVALUATED })?;
        let public = self.public.as_ref().ok_or(PeerMisbehaved::BeforeItsTurn { step: STEP_EVALUATED })?;
        let (_, proof) = frame.body().split_last_chunk::<PROOF_BYTES>().ok_or(PeerMisbehaved::ProofRejected)?;
        let verified =
            public.verify_evaluations(points(&asked, 0), points(frame, PROOF_BYTES), proof).map_err(refused)?;
        let range = link.outbound(STEP_BLINDED).range(self.opened);
        let mut padding = self.prg.fork(Label::Padding, u64::from(self.opened));
        let items = self.order.encode(range.clone(), &self.keys, &self.encoder, &mut padding);
        let blinds = blinds(&self.prg, self.opened, range.len());
        let positions: Vec<usize> = (0..range.len()).collect();
        let mut outputs =
            verified.finalize(&positions, &items.slices(), &blinds).map_err(|_| Environment::Primitive)?;
        self.outputs.store(self.order.keys(range), &outputs);
        outputs.zeroize();
        self.opened += 1;
        Ok(())
    }

    fn progress(&self) -> Progress {
        let total = u64::from(self.frames) * 2;
        let chunk = POINTS_PER_FRAME as u64;
        Progress::new("exchanging points", (u64::from(self.blinded) + u64::from(self.opened)) * chunk, total * chunk)
    }
}

fn decode_key(frame: &Frame) -> Result<PublicKey, Error> {
    let key = points(frame, 0).first().and_then(|bytes| PublicKey::decode(bytes).ok());
    key.ok_or_else(|| PeerMisbehaved::MalformedPoint.into())
}

fn refused(error: primitives::Error) -> Error {
    match error {
        primitives::Error::Encoding { .. } => PeerMisbehaved::MalformedPoint.into(),
        primitives::Error::VerificationFailed => PeerMisbehaved::ProofRejected.into(),
        _ => Environment::Primitive.into(),
    }
}
