//! The receiver's states: send masked points, take in points and tags, end the run, and only then count.

use rayon::prelude::*;
use symbolon_primitives::group::SecretScalar;
use symbolon_primitives::kdf::Label;
use symbolon_primitives::oprf;
use symbolon_primitives::prg::Prg;
use symbolon_primitives::secret::Seed;

use super::{STEP_MASKED, STEP_REMASKED, STEP_TAGS};
use crate::ecdh::distinct::DistinctPoints;
use crate::ecdh::mutual::multiply_peer;
use crate::ecdh::points::{Order, POINTS_PER_FRAME, points};
use crate::error::{Environment, Error, PeerMisbehaved};
use crate::frame::Frame;
use crate::items::{ItemEncoder, ItemSet};
use crate::limits::Limits;
use crate::machine::{Driven, Link, Plans, Progress, STEP_DONE, STEP_FINISH, State, Turn};
use crate::party::{ChecksPassed, Outcome, Output};
use crate::role::Role;
use crate::session::SessionSpec;
use crate::tags::{ShortTag, Tagger, tag_bytes};

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
            acknowledged: &[STEP_MASKED],
        },
    );
    let scalar = SecretScalar::random_nonzero(&mut prg.fork(Label::Blinds, 0));
    let masking = Masking {
        order: Order::random(&prg, keys.len(), spec.rows_receiver),
        encoder: ItemEncoder::new(&spec.sid, &spec.schema_id),
        keys,
        masked: 0,
        counting: Box::new(Counting {
            inverse: scalar.invert(),
            tagger: Tagger::new(Label::A3Tag, &spec.sid, tag_bytes(spec.rows_sender, spec.rows_receiver)),
            seen: DistinctPoints::new(prg.fork(Label::Order, 1), spec.rows_receiver),
            own_tags: Vec::new(),
            peer_tags: Vec::new(),
        }),
        scalar,
        prg,
    };
    Ok(Driven::new(Receiver::Masking(Box::new(masking)), link))
}

/// The receiver.
pub(crate) enum Receiver {
    Masking(Box<Masking>),
    Collecting(Box<Counting>),
    Ending(Ending),
    Counting(Ending),
}

/// Masks own keys.
pub(crate) struct Masking {
    keys: ItemSet,
    order: Order,
    encoder: ItemEncoder,
    scalar: SecretScalar,
    prg: Prg,
    masked: u32,
    counting: Box<Counting>,
}

/// Takes own points back and tags in.
pub(crate) struct Counting {
    inverse: SecretScalar,
    tagger: Tagger,
    seen: DistinctPoints,
    own_tags: Vec<ShortTag>,
    peer_tags: Vec<ShortTag>,
}

/// The sender's direction is complete and its Finish fits.
pub(crate) struct Ending {
    own_tags: Vec<ShortTag>,
    peer_tags: Vec<ShortTag>,
    done_sent: bool,
    checks: ChecksPassed,
}

impl State for Receiver {
    type Output = Outcome;

    fn turn(&self) -> usize {
        2
    }

    fn ready(&self, link: &Link) -> bool {
        match self {
            Self::Collecting(_) => link.has(STEP_REMASKED) || link.has(STEP_TAGS) || link.has(STEP_FINISH),
            Self::Masking(_) | Self::Ending(_) | Self::Counting(_) => true,
        }
    }

    fn work(self, link: &mut Link) -> Result<Turn<Self>, Error> {
        match self {
            Self::Masking(state) => state.work(link),
            Self::Collecting(state) => state.work(link),
            Self::Ending(state) => Ok(state.work(link)),
            Self::Counting(state) => Ok(Turn::Done(state.count(link))),
        }
    }

    fn progress(&self) -> Progress {
        match self {
            Self::Masking(state) => {
                let done = u64::from(state.masked) * POINTS_PER_FRAME as u64;
                Progress::new("masking", done.min(state.order.len()), state.order.len())
            }
            Self::Collecting(state) => Progress::new("collecting points", state.own_tags.len() as u64, 0),
            Self::Ending(_) => Progress::new("ending", 0, 0),
            Self::Counting(_) => Progress::new("matching", 0, 0),
        }
    }
}

impl Masking {
    fn work(mut self: Box<Self>, link: &mut Link) -> Result<Turn<Receiver>, Error> {
        let plan = link.outbound(STEP_MASKED);
        if self.masked == plan.frames() {
            let Self { counting, .. } = *self;
            return Ok(Turn::Next(Receiver::Collecting(counting)));
        }
        let frame = self.mask(plan.range(self.masked), link)?;
        Ok(Turn::Send(frame, Receiver::Masking(self)))
    }

    fn mask(&mut self, range: std::ops::Range<usize>, link: &mut Link) -> Result<Frame, Error> {
        let mut padding = self.prg.fork(Label::Padding, u64::from(self.masked));
        let items = self.order.encode(range, &self.keys, &self.encoder, &mut padding);
        let masked = oprf::mask_items_batch(&self.scalar, &items.slices()).map_err(|_| Environment::Primitive)?;
        let mut builder = link.builder(STEP_MASKED, self.masked);
        builder.put_all(&masked);
        self.masked += 1;
        Ok(link.seal(builder))
    }
}

impl Counting {
    fn work(mut self: Box<Self>, link: &mut Link) -> Result<Turn<Receiver>, Error> {
        if let Some(frame) = link.take(STEP_REMASKED) {
            let unmasked = multiply_peer(&self.inverse, points(&frame, 0), &mut self.seen)?;
            self.own_tags.append(&mut self.tagger.tags(&unmasked));
            return Ok(Turn::Next(Receiver::Collecting(self)));
        }
        if let Some(frame) = link.take(STEP_TAGS) {
            let first = self.peer_tags.len().saturating_sub(1);
            self.peer_tags.extend(self.tagger.read_all(frame.body()));
            // Two keys may have the same short tag, so equal neighbours are in order.
            if !self.peer_tags[first..].is_sorted() {
                return Err(PeerMisbehaved::TagsNotSorted.into());
            }
            return Ok(Turn::Next(Receiver::Collecting(self)));
        }
        let Some(finish) = link.take(STEP_FINISH) else {
            return Ok(Turn::Next(Receiver::Collecting(self)));
        };
        let checks = link.verify_finish(&finish)?;
        let Self { own_tags, peer_tags, .. } = *self;
        Ok(Turn::Next(Receiver::Ending(Ending { own_tags, peer_tags, done_sent: false, checks })))
    }
}

impl Ending {
    fn work(mut self, link: &mut Link) -> Turn<Receiver> {
        if self.done_sent {
            return Turn::Send(link.finish(), Receiver::Counting(self));
        }
        self.done_sent = true;
        let builder = link.builder(STEP_DONE, 0);
        Turn::Send(link.seal(builder), Receiver::Ending(self))
    }

    fn count(self, link: &Link) -> Outcome {
        let known = &self.peer_tags;
        let count = self.own_tags.par_iter().filter(|tag| known.binary_search(tag).is_ok()).count();
        Outcome::new(Output::Count(count as u64), link.transcript(), self.checks)
    }
}
