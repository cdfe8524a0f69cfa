//! The receiver's states: exchange points, collect rows, end the run, and only then match.
//!
//! With a release it matches, reports, ends its direction, and only then learns whether it may open.

use std::collections::VecDeque;

use symbolon_primitives as primitives;
use symbolon_primitives::kdf::Label;
use symbolon_primitives::oprf::{self, PROOF_BYTES, PublicKey};
use symbolon_primitives::prg::Prg;
use symbolon_primitives::secret::Seed;
use zeroize::Zeroize;

use super::matching::{Collected, Matching, Opening, Outputs};
use super::{STEP_BLINDED, STEP_EVALUATED, STEP_KEY, STEP_RELEASE, STEP_REPORT, STEP_ROWS};
use crate::ecdh::points::{Order, POINTS_PER_FRAME, blinds, points};
use crate::error::{Environment, Error, PeerMisbehaved};
use crate::frame::Frame;
use crate::items::{ItemEncoder, ItemSet};
use crate::limits::Limits;
use crate::machine::{Driven, Link, Plans, Progress, STEP_CHECK, STEP_DONE, STEP_FINISH, State, Turn};
use crate::party::{ChecksPassed, Outcome, Output};
use crate::payload::RowLayout;
use crate::release::{RELEASE_KEY_BYTES, Release, ReleaseKey};
use crate::role::Role;
use crate::session::SessionSpec;
use crate::sid::Sid;

/// Frames of points that may be under way before opening answers goes before blinding more: bounds memory, and
/// is far more than the sender needs to stay busy.
const FRAMES_UNDER_WAY: usize = 64;

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
        layout: RowLayout::of(&spec),
        release: spec.release.map(|release| Withholding { release, commitment: [0; 32], sid: spec.sid }),
    };
    Ok(Driven::new(Receiver::Exchanging(Box::new(exchanging)), link))
}

/// The receiver.
pub(crate) enum Receiver {
    Exchanging(Box<Exchanging>),
    Collecting(Collecting),
    Ending(Ending),
    Matching(MatchingThen),
    Reporting(Reporting),
    Asking(Asking),
    Opening(Opening),
}

/// What holds the payload back.
struct Withholding {
    release: Release,
    /// What the sender committed to with its key.
    commitment: [u8; 32],
    sid: Sid,
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
    layout: RowLayout,
    release: Option<Withholding>,
}

/// Takes in rows, and checks their order.
pub(crate) struct Collecting {
    outputs: Outputs,
    collected: Collected,
    release: Option<Withholding>,
}

/// The sender's direction is complete and its Finish fits: says so, the same way whatever matches.
pub(crate) struct Ending {
    matching: Matching,
    checks: ChecksPassed,
    done_sent: bool,
}

/// Compares tags, and then does what comes next.
pub(crate) struct MatchingThen {
    matching: Matching,
    then: Then,
}

/// What follows the matching.
enum Then {
    /// The run is over: open.
    Open(ChecksPassed),
    /// Everything so far arrived unchanged: report.
    Report(Withholding),
}

/// Says how many keys match, and ends its direction.
pub(crate) struct Reporting {
    matched: Matching,
    release: Withholding,
    report_sent: bool,
}

/// Waits for the sender's answer to the report, and for its Finish.
pub(crate) struct Asking {
    matched: Matching,
    release: Withholding,
    answer: Option<Frame>,
}

impl State for Receiver {
    type Output = Outcome;

    fn turn(&self) -> usize {
        match self {
            // Rows may come only after the last blinded point has left.
            Self::Exchanging(state) if state.blinded < state.frames => 1,
            // The answer to the report only after the report has left, and with it the last own message.
            Self::Asking(_) => 5,
            _ => 3,
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
            Self::Collecting(_) => link.has(STEP_ROWS) || link.has(STEP_FINISH) || link.has(STEP_CHECK),
            Self::Asking(_) => link.has(STEP_RELEASE) || link.has(STEP_FINISH),
            Self::Ending(_) | Self::Matching(_) | Self::Reporting(_) | Self::Opening(_) => true,
        }
    }

    fn work(self, link: &mut Link) -> Result<Turn<Self>, Error> {
        match self {
            Self::Exchanging(state) => state.work(link),
            Self::Collecting(state) => state.work(link),
            Self::Ending(state) => Ok(state.work(link)),
            Self::Matching(state) => Ok(Turn::Next(state.work())),
            Self::Reporting(state) => Ok(state.work(link)),
            Self::Asking(state) => state.work(link),
            Self::Opening(mut state) => {
                if state.work() {
                    return Ok(Turn::Next(Self::Opening(state)));
                }
                let (rows, checks) = state.into_rows();
                Ok(Turn::Done(Outcome::new(Output::Matched(rows), link.transcript(), checks)))
            }
        }
    }

    fn progress(&self) -> Progress {
        match self {
            Self::Exchanging(state) => state.progress(),
            Self::Collecting(state) => state.collected.progress(),
            Self::Ending(_) => Progress::new("ending", 0, 0),
            Self::Matching(state) => state.matching.progress(),
            Self::Reporting(_) | Self::Asking(_) => Progress::new("asking for the release", 0, 0),
            Self::Opening(state) => state.progress(),
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
        let Self { outputs, layout, release, .. } = *self;
        let collected = Collected::new(link.inbound(STEP_ROWS), layout);
        Ok(Turn::Next(Receiver::Collecting(Collecting { outputs, collected, release })))
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

impl Collecting {
    fn work(mut self, link: &mut Link) -> Result<Turn<Receiver>, Error> {
        if let Some(frame) = link.take(STEP_ROWS) {
            self.collected.add(frame)?;
            return Ok(Turn::Next(Receiver::Collecting(self)));
        }
        if let Some(release) = self.release.take_if(|_| link.has(STEP_CHECK)) {
            link.take_check()?;
            let (matching, then) = (Matching::new(self.outputs, self.collected), Then::Report(release));
            return Ok(Turn::Next(Receiver::Matching(MatchingThen { matching, then })));
        }
        let Some(finish) = link.take(STEP_FINISH) else {
            return Ok(Turn::Next(Receiver::Collecting(self)));
        };
        let checks = link.verify_finish(&finish)?;
        let matching = Matching::new(self.outputs, self.collected);
        Ok(Turn::Next(Receiver::Ending(Ending { matching, checks, done_sent: false })))
    }
}

impl Ending {
    fn work(mut self, link: &mut Link) -> Turn<Receiver> {
        if self.done_sent {
            let (matching, then) = (self.matching, Then::Open(self.checks));
            return Turn::Send(link.finish(), Receiver::Matching(MatchingThen { matching, then }));
        }
        self.done_sent = true;
        let builder = link.builder(STEP_DONE, 0);
        Turn::Send(link.seal(builder), Receiver::Ending(self))
    }
}

impl MatchingThen {
    fn work(mut self) -> Receiver {
        if self.matching.work() {
            return Receiver::Matching(self);
        }
        match self.then {
            Then::Open(checks) => Receiver::Opening(Opening::new(self.matching, None, checks)),
            Then::Report(release) => {
                Receiver::Reporting(Reporting { matched: self.matching, release, report_sent: false })
            }
        }
    }
}

impl Reporting {
    /// The report says what the tags said. No payload has been touched.
    fn work(mut self, link: &mut Link) -> Turn<Receiver> {
        if self.report_sent {
            let asking = Asking { matched: self.matched, release: self.release, answer: None };
            return Turn::Send(link.finish(), Receiver::Asking(asking));
        }
        self.report_sent = true;
        let mut builder = link.builder(STEP_REPORT, 0);
        builder.put(&self.release.release.encode(self.matched.keys_matched()));
        Turn::Send(link.seal(builder), Receiver::Reporting(self))
    }
}

impl Asking {
    fn work(mut self, link: &mut Link) -> Result<Turn<Receiver>, Error> {
        if let Some(answer) = link.take(STEP_RELEASE) {
            self.answer = Some(answer);
            return Ok(Turn::Next(Receiver::Asking(self)));
        }
        let Some(finish) = link.take(STEP_FINISH) else {
            return Ok(Turn::Next(Receiver::Asking(self)));
        };
        let checks = link.verify_finish(&finish)?;
        let answer = self.answer.take().ok_or(PeerMisbehaved::ReleaseRejected)?;
        let matched = self.matched.keys_matched();
        let key = self.release.key(&answer, matched)?;
        Ok(match key {
            Some(key) => Turn::Next(Receiver::Opening(Opening::new(self.matched, Some(key), checks))),
            None => Turn::Done(Outcome::new(Output::Withheld { matched }, link.transcript(), checks)),
        })
    }
}

impl Withholding {
    /// What the sender answered: the key it committed to when enough keys match, nothing otherwise. Everything that
    /// is compared here is known to the sender.
    fn key(&self, answer: &Frame, matched: u64) -> Result<Option<ReleaseKey>, Error> {
        let rejected = Error::from(PeerMisbehaved::ReleaseRejected);
        let Some((given, bytes)) = answer.body().split_first_chunk::<1>() else {
            return Err(rejected);
        };
        let bytes: &[u8; RELEASE_KEY_BYTES] = match bytes.try_into() {
            Ok(bytes) => bytes,
            Err(_) => return Err(rejected),
        };
        match (given, self.release.is_met(matched)) {
            ([1], true) => ReleaseKey::opening(bytes, &self.sid, &self.commitment).map(Some).ok_or(rejected),
            ([0], false) if *bytes == [0; RELEASE_KEY_BYTES] => Ok(None),
            _ => Err(rejected),
        }
    }
}
