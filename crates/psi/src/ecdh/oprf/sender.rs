//! The sender's states: serve blinded points while working on the own set, send sorted rows, wait for the end.
//!
//! With a release it waits for the report and for the end of the receiver's direction, and answers.

use symbolon_primitives as primitives;
use symbolon_primitives::kdf::{self, Label};
use symbolon_primitives::oprf::{PublicKey, ServerKey};
use symbolon_primitives::prg::Prg;
use symbolon_primitives::secret::{Secret, Seed};

use super::own::{OwnSet, SortedRows};
use super::{STEP_BLINDED, STEP_EVALUATED, STEP_KEY, STEP_RELEASE, STEP_REPORT, STEP_ROWS};
use crate::ecdh::distinct::DistinctPoints;
use crate::ecdh::points::points;
use crate::error::{Environment, Error, PeerMisbehaved};
use crate::frame::Frame;
use crate::items::{ItemEncoder, SenderInput};
use crate::limits::Limits;
use crate::machine::{Driven, Link, Plans, Progress, STEP_DONE, STEP_FINISH, State, Turn};
use crate::party::{ChecksPassed, Outcome, Output};
use crate::payload::RowLayout;
use crate::release::{RELEASE_KEY_BYTES, Release, ReleaseKey};
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
        Plans { outbound: super::from_sender(&spec), inbound: super::from_receiver(&spec), acknowledged: &[] },
    );
    let layout = RowLayout::of(&spec);
    let withheld = spec.release.map(|release| Withheld {
        release,
        key: ReleaseKey::random(&prg),
        keys_max: spec.rows_receiver.min(spec.rows_sender),
    });
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
        commitment: withheld.as_ref().map(|withheld| withheld.key.commitment(&spec.sid)),
        withheld,
    };
    Ok(Driven::new(Sender::Serving(Box::new(serving)), link))
}

/// The sender.
pub(crate) enum Sender {
    Serving(Box<Serving>),
    Sending(Sending),
    Closing(Closing),
    Answering(Answering),
    Releasing(Releasing),
}

/// The key that is held back, and when it is given away.
struct Withheld {
    release: Release,
    key: ReleaseKey,
    /// More distinct keys cannot match.
    keys_max: u64,
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

/// Every blinded point was received: sends the rows.
pub(crate) struct Sending {
    rows: SortedRows,
    next: u32,
    withheld: Option<Withheld>,
}

/// Everything is sent: waits for the receiver's Done and Finish.
pub(crate) struct Closing {
    done: bool,
}

/// Every row is sent: waits for the receiver's report and its Finish.
pub(crate) struct Answering {
    withheld: Withheld,
    reported: Option<Reported>,
}

/// What the receiver said.
#[derive(Clone, Copy)]
struct Reported {
    matched: Option<u64>,
    met: bool,
}

/// The receiver's direction is complete: gives the key away or refuses it, and ends the own direction.
pub(crate) struct Releasing {
    /// Gone once it has been answered for.
    withheld: Option<Withheld>,
    finished: bool,
    reported: Reported,
    checks: ChecksPassed,
}

impl State for Sender {
    type Output = Outcome;

    fn turn(&self) -> usize {
        match self {
            Self::Serving(_) | Self::Sending(_) => 0,
            Self::Closing(_) | Self::Answering(_) | Self::Releasing(_) => 2,
        }
    }

    fn ready(&self, link: &Link) -> bool {
        match self {
            Self::Serving(state) => {
                !state.announced || state.is_complete() || state.own.has_work() || link.has(STEP_BLINDED)
            }
            Self::Sending(_) | Self::Releasing(_) => true,
            Self::Answering(_) => link.has(STEP_REPORT) || link.has(STEP_FINISH),
            Self::Closing(state) => link.has(if state.done { STEP_FINISH } else { STEP_DONE }),
        }
    }

    fn work(self, link: &mut Link) -> Result<Turn<Self>, Error> {
        match self {
            Self::Serving(state) => state.work(link),
            Self::Sending(state) => Ok(state.work(link)),
            Self::Closing(state) => state.work(link),
            Self::Answering(state) => state.work(link),
            Self::Releasing(state) => Ok(state.work(link)),
        }
    }

    fn progress(&self) -> Progress {
        match self {
            Self::Serving(state) => state.own.progress(),
            Self::Sending(state) => state.rows.progress(state.next),
            Self::Closing(_) => Progress::new("waiting for the end", 0, 0),
            Self::Answering(_) => Progress::new("waiting for the report", 0, 0),
            Self::Releasing(_) => Progress::new("answering the report", 0, 0),
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
            own.work(key, withheld.as_ref().map(|withheld| &withheld.key), encoder, prg)?;
            return Ok(Turn::Next(Sender::Serving(self)));
        }
        if !self.is_complete() {
            return Ok(Turn::Next(Sender::Serving(self)));
        }
        let Self { own, withheld, .. } = *self;
        Ok(Turn::Next(Sender::Sending(Sending { rows: own.into_sorted(), next: 0, withheld })))
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
            if let Some(withheld) = self.withheld {
                return Turn::Send(link.check(), Sender::Answering(Answering { withheld, reported: None }));
            }
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

impl Answering {
    fn work(mut self, link: &mut Link) -> Result<Turn<Sender>, Error> {
        if let Some(frame) = link.take(STEP_REPORT) {
            let report = self.withheld.release.decode(frame.body(), self.withheld.keys_max);
            let (matched, met) = report.ok_or(PeerMisbehaved::UnexpectedContent { step: STEP_REPORT })?;
            self.reported = Some(Reported { matched, met });
            return Ok(Turn::Next(Sender::Answering(self)));
        }
        let Some(finish) = link.take(STEP_FINISH) else {
            return Ok(Turn::Next(Sender::Answering(self)));
        };
        let checks = link.verify_finish(&finish)?;
        let Self { withheld, reported } = self;
        let reported = reported.ok_or(PeerMisbehaved::UnexpectedContent { step: STEP_REPORT })?;
        Ok(Turn::Next(Sender::Releasing(Releasing { withheld: Some(withheld), finished: false, reported, checks })))
    }
}

impl Releasing {
    fn work(mut self, link: &mut Link) -> Turn<Sender> {
        let released = self.reported.met;
        if let Some(withheld) = self.withheld.take() {
            let mut builder = link.builder(STEP_RELEASE, 0);
            builder.put(&[u8::from(released)]);
            builder.put(if released { withheld.key.expose() } else { &[0; RELEASE_KEY_BYTES] });
            return Turn::Send(link.seal(builder), Sender::Releasing(self));
        }
        if !self.finished {
            self.finished = true;
            return Turn::Send(link.finish(), Sender::Releasing(self));
        }
        let output = Output::Reported { matched: self.reported.matched, released };
        Turn::Done(Outcome::new(output, link.transcript(), self.checks))
    }
}
