//! The receiver's states: set up the correlation, send the masked store, compute the own outputs, then take in rows,
//! end the run and match.

use rand_core::Rng;
use rayon::prelude::*;
use symbolon_oblivious::okvs::{self, Failure};
use symbolon_oblivious::vole::back_end::{BackEnd, ReceiverCorrelation, SetUp, SetUpStep};
use symbolon_primitives::kdf::Label;
use symbolon_primitives::prg::Prg;
use symbolon_primitives::secret::Seed;
use zeroize::{Zeroize, Zeroizing};

use super::hashing::{Hasher, Id, StoreKey, chain, first_tag};
use super::matching::{Matching, Outputs};
use super::message::{Incoming, Outgoing};
use super::{SALT_BYTES, SEED_BYTES, STEP_CLOSE, STEP_MASKED, STEP_OPEN, STEP_REPLY, STEP_SEED, Shape, refused};
use crate::error::{Environment, Error, Misuse};
use crate::items::ItemSet;
use crate::limits::Limits;
use crate::machine::{Driven, Link, Plans, Progress, State, Turn};
use crate::party::Outcome;
use crate::payload::RowLayout;
use crate::release::COMMITMENT_BYTES;
use crate::role::Role;
use crate::rows::{Receiving, STEP_REPORT, Withholding};
use crate::session::SessionSpec;
use crate::tags::Ranked;

/// What the set-up gives a receiver.
type Correlation<B, const W: usize> = <<B as BackEnd<W>>::ReceiverSetUp as SetUp>::Correlation;

/// Seeds that are tried before giving up. One suffices but for one run in 2^40.
const SEEDS_MAX: u64 = 4;

/// Keys whose outputs are computed in one unit of work; the whole correlation is read for each.
const KEYS_PER_UNIT: usize = 1 << 18;

/// Keys that one thread works on before it asks for more.
const KEYS_PER_JOB: usize = 1 << 12;

/// Makes the receiver of a run.
pub(crate) fn receiver<B: BackEnd<W>, const W: usize>(
    spec: SessionSpec,
    keys: ItemSet,
    seed: Seed,
    limits: &Limits,
) -> Result<Driven<Receiver<B, W>>, Error> {
    spec.check(Role::Receiver, keys.len() as u64, limits)?;
    keys.check_lengths(limits)?;
    let shape = Shape::of(&spec)?;
    let plans = Plans {
        outbound: super::from_receiver(&spec, &shape),
        inbound: super::from_sender(&spec, &shape),
        acknowledged: &[STEP_MASKED, STEP_REPORT],
    };
    let link = Link::new(&spec, plans);
    let own = Own {
        hasher: Hasher::new(&spec),
        keys_total: keys.len() as u64,
        keys: Some(keys),
        ids: Zeroizing::default(),
        prg: Prg::new(seed),
        salt: [0; SALT_BYTES],
        release: None,
        shape,
        spec,
    };
    let preparing = Preparing { own, opening: Incoming::new(STEP_OPEN) };
    Ok(Driven::new(Receiver::Preparing(Box::new(preparing)), link))
}

/// The receiver.
pub(crate) enum Receiver<B: BackEnd<W>, const W: usize> {
    Preparing(Box<Preparing>),
    Replying(Box<Replying<B, W>>),
    Encoding(Box<Encoding<B, W>>),
    Correlating(Box<Correlating<B, W>>),
    Masking(Box<Masking<B, W>>),
    Evaluating(Box<Evaluating<B, W>>),
    Receiving(Box<Receiving<Matching>>),
}

/// The own keys, and what the session fixes.
pub(crate) struct Own {
    spec: SessionSpec,
    shape: Shape,
    hasher: Hasher,
    keys_total: u64,
    /// Gone once they are hashed.
    keys: Option<ItemSet>,
    ids: Zeroizing<Vec<Id>>,
    prg: Prg,
    salt: [u8; SALT_BYTES],
    release: Option<Withholding>,
}

/// Hashes the own keys, and waits for the sender's first message.
pub(crate) struct Preparing {
    own: Own,
    opening: Incoming,
}

/// Sends the own message of the set-up.
pub(crate) struct Replying<B: BackEnd<W>, const W: usize> {
    own: Own,
    set_up: B::ReceiverSetUp,
    reply: Outgoing,
}

/// Encodes the keys.
pub(crate) struct Encoding<B: BackEnd<W>, const W: usize> {
    own: Own,
    set_up: B::ReceiverSetUp,
}

/// The values of the store, one a slot.
type Store = Zeroizing<Vec<u128>>;

/// Waits for the last message of the set-up if there is one, and makes the correlation.
pub(crate) struct Correlating<B: BackEnd<W>, const W: usize> {
    own: Own,
    set_up: B::ReceiverSetUp,
    key: StoreKey,
    store: Store,
    closing: Incoming,
}

/// Sends the masked store.
pub(crate) struct Masking<B: BackEnd<W>, const W: usize> {
    own: Own,
    correlation: Correlation<B, W>,
    key: StoreKey,
    store: Store,
    next: u32,
}

/// Computes the outputs of the own keys.
pub(crate) struct Evaluating<B: BackEnd<W>, const W: usize> {
    own: Own,
    correlation: Correlation<B, W>,
    key: StoreKey,
    outputs: Outputs,
}

impl<B: BackEnd<W>, const W: usize> State for Receiver<B, W> {
    type Output = Outcome;

    fn turn(&self) -> usize {
        match self {
            Self::Preparing(_) | Self::Replying(_) => 0,
            // Rows may come only after the last masked row has left.
            Self::Encoding(state) => state.own.shape.rows_position() - 1,
            Self::Correlating(state) => state.own.shape.rows_position() - 1,
            Self::Masking(state) => state.own.shape.rows_position() - 1,
            Self::Evaluating(state) => state.own.shape.rows_position() + 1,
            Self::Receiving(state) => state.turn(),
        }
    }

    fn ready(&self, link: &Link) -> bool {
        match self {
            Self::Preparing(state) => state.own.keys.is_some() || link.has(STEP_OPEN),
            Self::Replying(_) | Self::Encoding(_) | Self::Masking(_) | Self::Evaluating(_) => true,
            Self::Correlating(state) => !state.own.shape.has_close() || link.has(STEP_CLOSE),
            Self::Receiving(state) => state.ready(link),
        }
    }

    fn work(self, link: &mut Link) -> Result<Turn<Self>, Error> {
        match self {
            Self::Preparing(state) => state.work(link),
            Self::Replying(state) => Ok(state.work(link)),
            Self::Encoding(state) => (*state).work(link),
            Self::Correlating(state) => state.work(link),
            Self::Masking(state) => state.work(link),
            Self::Evaluating(state) => state.work(link),
            Self::Receiving(state) => state.work(link, |state| Self::Receiving(Box::new(state))),
        }
    }

    fn progress(&self) -> Progress {
        match self {
            Self::Preparing(state) => Progress::new("setting up", state.own.ids.len() as u64, state.own.keys_total),
            Self::Replying(_) | Self::Correlating(_) => Progress::new("setting up", 0, 0),
            Self::Encoding(state) => Progress::new("encoding", 0, state.own.keys_total),
            Self::Masking(state) => state.progress(),
            Self::Evaluating(state) => {
                Progress::new("computing outputs", state.outputs.len() as u64, state.own.keys_total)
            }
            Self::Receiving(state) => state.progress(),
        }
    }
}

impl Preparing {
    fn work<B: BackEnd<W>, const W: usize>(
        mut self: Box<Self>,
        link: &mut Link,
    ) -> Result<Turn<Receiver<B, W>>, Error> {
        if let Some(keys) = self.own.keys.take_if(|_| !link.has(STEP_OPEN)) {
            self.own.ids = Zeroizing::new(self.own.hasher.ids(&keys));
            return Ok(Turn::Next(Receiver::Preparing(self)));
        }
        if !self.opening.take(link) {
            return Ok(Turn::Next(Receiver::Preparing(self)));
        }
        let Self { mut own, opening } = *self;
        // The plan fixes the length: salt, commitment if there is a release, message.
        let (salt, mut message) = opening.bytes().split_first_chunk::<SALT_BYTES>().ok_or(Environment::Primitive)?;
        own.salt = *salt;
        if let Some(release) = own.spec.release {
            let (commitment, rest) = message.split_first_chunk::<COMMITMENT_BYTES>().ok_or(Environment::Primitive)?;
            own.release = Some(Withholding { release, commitment: *commitment, sid: own.spec.sid });
            message = rest;
        }
        let context = super::context(&own.spec.sid, salt);
        let seed = own.prg.fork(Label::Rr22SetUp, 0).draw_seed();
        let set_up = B::receiver(own.shape.slots(), &context, seed).map_err(refused)?;
        let SetUpStep::Send(reply, set_up) = set_up.advance(Some(message)).map_err(refused)? else {
            return Err(Environment::Primitive.into());
        };
        let reply = Outgoing::new(STEP_REPLY, reply);
        Ok(Turn::Next(Receiver::Replying(Box::new(Replying { own, set_up, reply }))))
    }
}

impl<B: BackEnd<W>, const W: usize> Replying<B, W> {
    fn work(mut self: Box<Self>, link: &mut Link) -> Turn<Receiver<B, W>> {
        if let Some(frame) = self.reply.frame(link) {
            if self.reply.is_out(link) {
                let Self { own, set_up, .. } = *self;
                return Turn::Send(frame, Receiver::Encoding(Box::new(Encoding { own, set_up })));
            }
            return Turn::Send(frame, Receiver::Replying(self));
        }
        let Self { own, set_up, .. } = *self;
        Turn::Next(Receiver::Encoding(Box::new(Encoding { own, set_up })))
    }
}

impl<B: BackEnd<W>, const W: usize> Encoding<B, W> {
    /// Draws the seed of the rows, now that the keys are fixed, until the store can be made, and sends it.
    fn work(mut self, link: &mut Link) -> Result<Turn<Receiver<B, W>>, Error> {
        if let Some(keys) = self.own.keys.take() {
            self.own.ids = Zeroizing::new(self.own.hasher.ids(&keys));
        }
        let (seed, key, store) = self.own.encode()?;
        let mut builder = link.builder(STEP_SEED, 0);
        builder.put(&seed);
        let frame = link.seal(builder);
        let Self { own, set_up } = self;
        let state = Correlating { own, set_up, key, store, closing: Incoming::new(STEP_CLOSE) };
        Ok(Turn::Send(frame, Receiver::Correlating(Box::new(state))))
    }
}

impl Own {
    /// P with Dec(P, x) = H1(x) for the own keys.
    fn encode(&self) -> Result<([u8; SEED_BYTES], StoreKey, Store), Error> {
        for attempt in 0..SEEDS_MAX {
            let mut seed = [0; SEED_BYTES];
            self.prg.fork(Label::Rr22StoreSeed, attempt).fill_bytes(&mut seed);
            let key = self.hasher.store_key(&self.salt, &seed);
            let (rows, values) = Hasher::store_rows(&key, &self.ids);
            match okvs::encode(self.shape.store(), &rows, &values) {
                Ok(store) => return Ok((seed, key, Zeroizing::new(store))),
                Err(Failure::EqualRows) => return Err(self.duplicate()),
                Err(Failure::Dependent) => {}
                Err(_) => break,
            }
        }
        Err(Environment::Primitive.into())
    }

    /// Which key is there twice.
    fn duplicate(&self) -> Error {
        match super::duplicate(&self.ids) {
            Some(index) => Misuse::DuplicateKey { index }.into(),
            None => Environment::Primitive.into(),
        }
    }
}

impl<B: BackEnd<W>, const W: usize> Correlating<B, W> {
    fn work(mut self: Box<Self>, link: &mut Link) -> Result<Turn<Receiver<B, W>>, Error> {
        if self.own.shape.has_close() && !self.closing.take(link) {
            return Ok(Turn::Next(Receiver::Correlating(self)));
        }
        let Self { own, set_up, key, store, closing } = *self;
        let message = own.shape.has_close().then(|| closing.bytes());
        let SetUpStep::Done(correlation) = set_up.advance(message).map_err(refused)? else {
            return Err(Environment::Primitive.into());
        };
        Ok(Turn::Next(Receiver::Masking(Box::new(Masking { own, correlation, key, store, next: 0 }))))
    }
}

impl<B: BackEnd<W>, const W: usize> Masking<B, W> {
    /// D = C(P) ⊕ U, frame by frame.
    fn work(mut self: Box<Self>, link: &mut Link) -> Result<Turn<Receiver<B, W>>, Error> {
        let plan = link.outbound(STEP_MASKED);
        let range = plan.range(self.next);
        let mut builder = link.builder(STEP_MASKED, self.next);
        self.correlation.mask(range.start, &self.store[range], builder.body()).map_err(refused)?;
        self.next += 1;
        let frame = link.seal(builder);
        if self.next < plan.frames() {
            return Ok(Turn::Send(frame, Receiver::Masking(self)));
        }
        let Self { own, mut correlation, key, store, .. } = *self;
        drop(store);
        correlation.forget_masks();
        let outputs = Outputs::new(own.ids.len());
        Ok(Turn::Send(frame, Receiver::Evaluating(Box::new(Evaluating { own, correlation, key, outputs }))))
    }

    fn progress(&self) -> Progress {
        let slots = self.own.shape.slots() as u64;
        let done = u64::from(self.next) * super::slots_per_frame(self.own.shape.masked_bytes()) as u64;
        Progress::new("sending the store", done.min(slots), slots)
    }
}

impl<B: BackEnd<W>, const W: usize> Evaluating<B, W> {
    /// F = H2(Dec(V, x), x) for some keys.
    fn work(mut self: Box<Self>, link: &Link) -> Result<Turn<Receiver<B, W>>, Error> {
        let first = self.outputs.len();
        let keys = first..self.own.ids.len().min(first + KEYS_PER_UNIT);
        if keys.is_empty() {
            let Self { own, outputs, .. } = *self;
            let Own { spec, release, hasher, shape, .. } = own;
            let outputs = outputs.sorted(hasher);
            let receiving = Receiving::new(outputs, &spec, release, shape.rows_position(), link);
            return Ok(Turn::Next(Receiver::Receiving(Box::new(receiving))));
        }
        let ids = &self.own.ids[keys];
        let (mut rows, mut values) = Hasher::store_rows(&self.key, ids);
        values.zeroize();
        let mut decoded = vec![[0; W]; ids.len()];
        okvs::decode(self.own.shape.store(), &rows, self.correlation.rows(), &mut decoded).map_err(refused)?;
        rows.as_flattened_mut().zeroize();
        let tag_bytes = RowLayout::of(&self.own.spec).tag_bytes();
        let (chains, tags) = self.outputs.next(ids.len());
        let jobs = decoded.par_chunks(KEYS_PER_JOB).zip(ids.par_chunks(KEYS_PER_JOB));
        let jobs = jobs.zip(chains.par_chunks_mut(KEYS_PER_JOB).zip(tags.par_chunks_mut(KEYS_PER_JOB)));
        let hasher = &self.own.hasher;
        jobs.enumerate().for_each(|(job, ((decoded, ids), (chains, tags)))| {
            hasher.outputs(decoded, ids, |offset, outputs| {
                let places = chains[offset..].iter_mut().zip(&mut tags[offset..]);
                let keys = first + job * KEYS_PER_JOB + offset..;
                for ((output, key), (place, tag)) in outputs.iter().zip(keys).zip(places) {
                    *place = *chain(output);
                    let index = u32::try_from(key).expect("keys are below the ceiling of 2^30");
                    *tag = Ranked::read(first_tag(output), tag_bytes, index);
                }
            });
        });
        decoded.as_flattened_mut().zeroize();
        Ok(Turn::Next(Receiver::Evaluating(self)))
    }
}
