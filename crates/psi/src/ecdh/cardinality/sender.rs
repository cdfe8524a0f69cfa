//! The sender's states: multiply the receiver's points and tag the own keys, send both, wait for the end.

use rand_core::Rng;
use rayon::prelude::*;
use symbolon_primitives::group::SecretScalar;
use symbolon_primitives::kdf::Label;
use symbolon_primitives::oprf;
use symbolon_primitives::prg::Prg;
use symbolon_primitives::secret::Seed;

use super::{STEP_MASKED, STEP_REMASKED, STEP_TAGS};
use crate::ecdh::distinct::DistinctPoints;
use crate::ecdh::mutual::multiply_peer;
use crate::ecdh::points::{POINTS_PER_FRAME, points};
use crate::error::{Environment, Error};
use crate::items::{ItemEncoder, ItemSet};
use crate::limits::Limits;
use crate::machine::{Driven, Link, Plans, Progress, STEP_DONE, STEP_FINISH, State, Turn};
use crate::party::{Outcome, Output};
use crate::role::Role;
use crate::session::SessionSpec;
use crate::shuffle::shuffle;
use crate::tags::{ShortTag, Tagger, tag_bytes};

/// Makes the sender of a run.
pub(crate) fn sender(spec: SessionSpec, keys: ItemSet, seed: Seed, limits: &Limits) -> Result<Driven<Sender>, Error> {
    spec.check(Role::Sender, keys.len() as u64, limits)?;
    keys.check(limits)?;
    let prg = Prg::new(seed);
    let link = Link::new(
        &spec,
        Plans { outbound: super::from_sender(&spec), inbound: super::from_receiver(&spec), acknowledged: &[] },
    );
    let serving = Serving {
        keys,
        scalar: SecretScalar::random_nonzero(&mut prg.fork(Label::Blinds, 0)),
        encoder: ItemEncoder::new(&spec.sid, &spec.schema_id),
        tagger: Tagger::new(Label::A3Tag, &spec.sid, tag_bytes(spec.rows_sender, spec.rows_receiver)),
        seen: DistinctPoints::new(prg.fork(Label::Order, 1), spec.rows_receiver),
        prg,
        received: 0,
        frames: link.inbound(STEP_MASKED).frames(),
        remasked: Vec::new(),
        tags: Vec::new(),
        tags_declared: link.outbound(STEP_TAGS).count(),
    };
    Ok(Driven::new(Sender::Serving(Box::new(serving)), link))
}

/// The sender.
pub(crate) enum Sender {
    Serving(Box<Serving>),
    Sending(Sending),
    Closing(Closing),
}

/// Multiplies the receiver's points as they come, and tags own keys when none is waiting.
pub(crate) struct Serving {
    keys: ItemSet,
    scalar: SecretScalar,
    encoder: ItemEncoder,
    tagger: Tagger,
    seen: DistinctPoints,
    prg: Prg,
    received: u32,
    frames: u32,
    remasked: Vec<[u8; 32]>,
    tags: Vec<ShortTag>,
    tags_declared: usize,
}

/// Every masked point was received: sends points and tags, neither in an order that tells anything.
pub(crate) struct Sending {
    remasked: Vec<[u8; 32]>,
    tags: Vec<ShortTag>,
    tagger: Tagger,
    points_sent: u32,
    tags_sent: u32,
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
                state.tags.len() < state.tags_declared || state.received == state.frames || link.has(STEP_MASKED)
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
            Self::Serving(state) => Progress::new("evaluating", state.tags.len() as u64, state.tags_declared as u64),
            Self::Sending(state) => {
                let frames = u64::from(state.points_sent) + u64::from(state.tags_sent);
                let total = (state.remasked.len() + state.tags.len()) as u64;
                Progress::new("sending points and tags", (frames * POINTS_PER_FRAME as u64).min(total), total)
            }
            Self::Closing(_) => Progress::new("waiting for the end", 0, 0),
        }
    }
}

impl Serving {
    fn work(mut self: Box<Self>, link: &mut Link) -> Result<Turn<Sender>, Error> {
        if let Some(frame) = link.take(STEP_MASKED) {
            let mut products = multiply_peer(&self.scalar, points(&frame, 0), &mut self.seen)?;
            self.remasked.append(&mut products);
            self.received += 1;
            return Ok(Turn::Next(Sender::Serving(self)));
        }
        if self.tags.len() < self.tags_declared {
            self.tag_own()?;
            return Ok(Turn::Next(Sender::Serving(self)));
        }
        if self.received < self.frames {
            return Ok(Turn::Next(Sender::Serving(self)));
        }
        let Self { mut remasked, mut tags, tagger, prg, .. } = *self;
        shuffle(&mut prg.fork(Label::Order, 0), &mut remasked);
        tags.par_sort_unstable();
        Ok(Turn::Next(Sender::Sending(Sending { remasked, tags, tagger, points_sent: 0, tags_sent: 0 })))
    }

    /// Tags the next own keys; behind the last key, random tags as padding.
    fn tag_own(&mut self) -> Result<(), Error> {
        let start = self.tags.len();
        let end = self.keys.len().min(start + POINTS_PER_FRAME);
        if start < end {
            let items = self.encoder.encode((start..end).filter_map(|key| self.keys.get(key)));
            let masked = oprf::mask_items_batch(&self.scalar, &items.slices()).map_err(|_| Environment::Primitive)?;
            self.tags.append(&mut self.tagger.tags(&masked));
            return Ok(());
        }
        let mut rng = self.prg.fork(Label::Padding, start as u64);
        let chunk = (self.tags_declared - start).min(POINTS_PER_FRAME);
        self.tags.extend((0..chunk).map(|_| {
            let mut point = [0; 32];
            rng.fill_bytes(&mut point);
            self.tagger.tag(&point)
        }));
        Ok(())
    }
}

impl Sending {
    fn work(mut self, link: &mut Link) -> Turn<Sender> {
        let points = link.outbound(STEP_REMASKED);
        if self.points_sent < points.frames() {
            let mut builder = link.builder(STEP_REMASKED, self.points_sent);
            builder.put_all(&self.remasked[points.range(self.points_sent)]);
            self.points_sent += 1;
            return Turn::Send(link.seal(builder), Sender::Sending(self));
        }
        let tags = link.outbound(STEP_TAGS);
        if self.tags_sent < tags.frames() {
            let mut builder = link.builder(STEP_TAGS, self.tags_sent);
            builder.put(&self.tagger.write(&self.tags[tags.range(self.tags_sent)]));
            self.tags_sent += 1;
            return Turn::Send(link.seal(builder), Sender::Sending(self));
        }
        Turn::Send(link.finish(), Sender::Closing(Closing { done: false }))
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
