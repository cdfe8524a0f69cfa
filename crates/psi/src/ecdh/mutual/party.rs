//! The states of either side: exchange masked points, return tags, and compare when everything is sent.

use rayon::prelude::*;
use symbolon_primitives as primitives;
use symbolon_primitives::group::SecretScalar;
use symbolon_primitives::kdf::Label;
use symbolon_primitives::oprf;
use symbolon_primitives::prg::Prg;
use symbolon_primitives::secret::Seed;

use super::{STEP_MASKED, STEP_RETURNED};
use crate::ecdh::distinct::DistinctPoints;
use crate::ecdh::points::{Order, POINTS_PER_FRAME, points};
use crate::error::{Environment, Error, Misuse, PeerMisbehaved};
use crate::frame::Frame;
use crate::items::{ItemEncoder, ItemSet, SenderInput};
use crate::limits::Limits;
use crate::machine::{Driven, Link, Plans, Progress, STEP_FINISH, State, Turn};
use crate::party::{ChecksPassed, Outcome, Output};
use crate::role::Role;
use crate::session::SessionSpec;
use crate::tags::{ShortTag, Tagger, tag_bytes};

/// Takes the keys out of a sender's input, for protocols that compare keys only.
pub(crate) fn keys_of(spec: &SessionSpec, mut input: SenderInput) -> Result<ItemSet, Error> {
    if spec.payload_bytes > 0 || !input.payload.is_empty() {
        return Err(Misuse::PayloadNotSupported.into());
    }
    Ok(std::mem::take(&mut input.keys))
}

/// Makes one side of a run.
pub(crate) fn party(
    spec: SessionSpec,
    role: Role,
    keys: ItemSet,
    seed: Seed,
    limits: &Limits,
) -> Result<Driven<Mutual>, Error> {
    spec.check(role, keys.len() as u64, limits)?;
    keys.check(limits)?;
    // Both sides could be given the same seed only by mistake; their draws differ all the same.
    let prg = Prg::new(seed).fork(Label::Mask, u64::from(role == Role::Sender));
    let plans = Plans {
        outbound: super::from(role, &spec),
        inbound: super::from(role.peer(), &spec),
        acknowledged: &[STEP_MASKED],
    };
    let link = Link::new(&spec, plans);
    let exchanging = Exchanging {
        order: Order::random(&prg, keys.len(), spec.rows(role)),
        scalar: SecretScalar::random_nonzero(&mut prg.fork(Label::Blinds, 0)),
        encoder: ItemEncoder::new(&spec.sid, &spec.schema_id),
        tagger: Tagger::new(Label::A2Tag, &spec.sid, tag_bytes(spec.rows_sender, spec.rows_receiver)),
        seen: DistinctPoints::new(prg.fork(Label::Order, 1), spec.rows(role.peer())),
        own: DistinctPoints::new(prg.fork(Label::Order, 2), spec.rows(role)),
        keys,
        prg,
        masked: 0,
        frames: link.outbound(STEP_MASKED).frames(),
        received: 0,
        frames_peer: link.inbound(STEP_MASKED).frames(),
        peer_tags: Vec::new(),
    };
    Ok(Driven::new(Mutual::Exchanging(Box::new(exchanging)), link))
}

/// Either side.
pub(crate) enum Mutual {
    Exchanging(Box<Exchanging>),
    Returning(Returning),
    Comparing(Comparing),
}

/// Masks own keys and multiplies the peer's points.
pub(crate) struct Exchanging {
    keys: ItemSet,
    order: Order,
    scalar: SecretScalar,
    encoder: ItemEncoder,
    tagger: Tagger,
    seen: DistinctPoints,
    /// The own masked points: the peer has no way to come upon one but to send it back.
    own: DistinctPoints,
    prg: Prg,
    masked: u32,
    frames: u32,
    received: u32,
    frames_peer: u32,
    peer_tags: Vec<ShortTag>,
}

/// Sends the tags of the peer's points and takes in those of the own.
pub(crate) struct Returning {
    order: Order,
    tagger: Tagger,
    peer_tags: Vec<ShortTag>,
    own_tags: Vec<ShortTag>,
    returned: u32,
    finished: bool,
}

/// Both directions are complete.
pub(crate) struct Comparing {
    order: Order,
    peer_tags: Vec<ShortTag>,
    own_tags: Vec<ShortTag>,
    checks: ChecksPassed,
}

impl State for Mutual {
    type Output = Outcome;

    fn turn(&self) -> usize {
        match self {
            // The peer may return tags only after the last own point has left.
            Self::Exchanging(state) if state.masked < state.frames => 0,
            _ => 2,
        }
    }

    fn ready(&self, link: &Link) -> bool {
        match self {
            Self::Exchanging(state) => {
                state.masked < state.frames || state.received == state.frames_peer || link.has(STEP_MASKED)
            }
            Self::Returning(state) => !state.finished || link.has(STEP_RETURNED) || link.has(STEP_FINISH),
            Self::Comparing(_) => true,
        }
    }

    fn work(self, link: &mut Link) -> Result<Turn<Self>, Error> {
        match self {
            Self::Exchanging(state) => state.work(link),
            Self::Returning(state) => state.work(link),
            Self::Comparing(state) => Ok(Turn::Done(state.compare(link))),
        }
    }

    fn progress(&self) -> Progress {
        let chunk = POINTS_PER_FRAME as u64;
        match self {
            Self::Exchanging(state) => {
                let done = u64::from(state.masked) + u64::from(state.received);
                let total = u64::from(state.frames) + u64::from(state.frames_peer);
                Progress::new("exchanging points", done * chunk, total * chunk)
            }
            Self::Returning(state) => {
                let total = state.peer_tags.len() as u64;
                Progress::new("returning tags", (u64::from(state.returned) * chunk).min(total), total)
            }
            Self::Comparing(_) => Progress::new("matching", 0, 0),
        }
    }
}

impl Exchanging {
    fn work(mut self: Box<Self>, link: &mut Link) -> Result<Turn<Mutual>, Error> {
        if self.masked < self.frames {
            let frame = self.mask(link)?;
            return Ok(Turn::Send(frame, Mutual::Exchanging(self)));
        }
        if let Some(frame) = link.take(STEP_MASKED) {
            self.multiply(&frame)?;
            return Ok(Turn::Next(Mutual::Exchanging(self)));
        }
        if self.received < self.frames_peer {
            return Ok(Turn::Next(Mutual::Exchanging(self)));
        }
        let Self { order, tagger, peer_tags, .. } = *self;
        let returning = Returning { order, tagger, peer_tags, own_tags: Vec::new(), returned: 0, finished: false };
        Ok(Turn::Next(Mutual::Returning(returning)))
    }

    fn mask(&mut self, link: &mut Link) -> Result<Frame, Error> {
        let range = link.outbound(STEP_MASKED).range(self.masked);
        let mut padding = self.prg.fork(Label::Padding, u64::from(self.masked));
        let items = self.order.encode(range, &self.keys, &self.encoder, &mut padding);
        let masked = oprf::mask_items_batch(&self.scalar, &items.slices()).map_err(|_| Environment::Primitive)?;
        for point in &masked {
            self.own.insert(point);
        }
        let mut builder = link.builder(STEP_MASKED, self.masked);
        builder.put_all(&masked);
        self.masked += 1;
        Ok(link.seal(builder))
    }

    fn multiply(&mut self, frame: &Frame) -> Result<(), Error> {
        let points = points(frame, 0);
        if points.iter().any(|point| self.own.contains(point)) {
            return Err(PeerMisbehaved::EchoedPoint.into());
        }
        let products = multiply_peer(&self.scalar, points, &mut self.seen)?;
        self.peer_tags.append(&mut self.tagger.tags(&products));
        self.received += 1;
        Ok(())
    }
}

/// Multiplies points of the peer, refusing repeated and malformed ones.
pub(crate) fn multiply_peer(
    scalar: &SecretScalar,
    points: &[[u8; 32]],
    seen: &mut DistinctPoints,
) -> Result<Vec<[u8; 32]>, Error> {
    if !points.iter().all(|point| seen.insert(point)) {
        return Err(PeerMisbehaved::RepeatedPoint.into());
    }
    oprf::mask_points_batch(scalar, points).map_err(|error| match error {
        primitives::Error::Encoding { .. } => PeerMisbehaved::MalformedPoint.into(),
        _ => Environment::Primitive.into(),
    })
}

impl Returning {
    fn work(mut self, link: &mut Link) -> Result<Turn<Mutual>, Error> {
        let plan = link.outbound(STEP_RETURNED);
        if self.returned < plan.frames() {
            let mut builder = link.builder(STEP_RETURNED, self.returned);
            builder.put(&self.tagger.write(&self.peer_tags[plan.range(self.returned)]));
            self.returned += 1;
            return Ok(Turn::Send(link.seal(builder), Mutual::Returning(self)));
        }
        if !self.finished {
            self.finished = true;
            return Ok(Turn::Send(link.finish(), Mutual::Returning(self)));
        }
        if let Some(frame) = link.take(STEP_RETURNED) {
            self.own_tags.extend(self.tagger.read_all(frame.body()));
            return Ok(Turn::Next(Mutual::Returning(self)));
        }
        let Some(finish) = link.take(STEP_FINISH) else {
            return Ok(Turn::Next(Mutual::Returning(self)));
        };
        let checks = link.verify_finish(&finish)?;
        let Self { order, peer_tags, own_tags, .. } = self;
        Ok(Turn::Next(Mutual::Comparing(Comparing { order, peer_tags, own_tags, checks })))
    }
}

impl Comparing {
    fn compare(mut self, link: &Link) -> Outcome {
        self.peer_tags.par_sort_unstable();
        let known = &self.peer_tags;
        let slots: Vec<Option<usize>> = self.order.keys(0..self.own_tags.len()).collect();
        let mut common: Vec<u32> = slots
            .par_iter()
            .zip(&self.own_tags)
            .filter(|(_, tag)| known.binary_search(tag).is_ok())
            .filter_map(|(key, _)| key.and_then(|key| u32::try_from(key).ok()))
            .collect();
        common.par_sort_unstable();
        Outcome::new(Output::Mutual(common), link.transcript(), self.checks)
    }
}
