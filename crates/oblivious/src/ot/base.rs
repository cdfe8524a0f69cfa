//! Endemic oblivious transfer on ristretto255.
//!
//! # What it computes
//! For each instance two random 32-byte keys for the sender and, for the receiver's choice bit b, the key with
//! number b.
//!
//! # Who learns what
//! The sender learns nothing about the choice bits: both points it gets are uniform whatever the bit is. The receiver
//! learns nothing about the other key.
//!
//! # Security
//! Computational Diffie-Hellman in the random oracle model. A party that deviates may choose its own outputs
//! (that is what endemic means) but gains nothing about the other's: the receiver could open both keys only with the
//! logarithms of both sums P_j - H(P_(1-j)), of which each hash fixes one. Both hashes take the session, the use, the
//! instance and the number of the key, so no transfer is of use in another place. Scalars and choice bits are handled
//! in constant time.
//!
//! # Protocol
//! 1. The sender sends A = a·G: [`Sender::start`].
//! 2. The receiver draws a point P_(1-b) of unknown logarithm and a scalar s for each instance and sends P_0 and P_1
//!    with P_b = s·G + H(b, P_(1-b)): [`Receiver::start`].
//! 3. The sender computes both keys from a·(P_j - H(j, P_(1-j))): [`Sender::finish`]; the receiver computes its one
//!    from s·A: [`Receiver::finish`].
//!
//! Steps 1 and 2 do not depend on each other.
//!
//! # Cost
//! 32 bytes one way, 64 bytes an instance the other. Sender: two multiplications an instance by one scalar; receiver:
//! two multiplications. About 20 us an instance for both together on AVX-512 IFMA.
//!
//! # Limits
//! At most [`INSTANCES_MAX`] instances a run.
//!
//! # Where it differs from the paper
//! The hash is subtracted by the sender and added by the receiver; one scalar a serves all instances of a run.
//!
//! # References
//! Masny, Rindal, [Endemic Oblivious Transfer](https://eprint.iacr.org/2019/706), the one-round protocol from key
//! agreement.

use std::fmt;

use rand_core::CryptoRng;
use subtle::{Choice, ConditionallySelectable};
use symbolon_primitives::group::{ELEMENT_BYTES, Element, Elements, SecretScalar};
use symbolon_primitives::hash::{self, Transcript};
use symbolon_primitives::kdf::Label;
use zeroize::{Zeroize, Zeroizing};

use crate::error::{Environment, Error, Misuse, PeerMisbehaved};

/// Instances of one run.
pub const INSTANCES_MAX: usize = 1 << 16;

/// Bytes of a key.
pub const KEY_BYTES: usize = 32;

/// One key; the holder wipes it.
pub type Key = [u8; KEY_BYTES];

type Encoding = [u8; ELEMENT_BYTES];

/// What sets one run apart from all others: both enter every hash.
#[derive(Clone, Copy, Debug)]
pub struct Context {
    /// The session identifier.
    pub sid: [u8; 32],
    /// What the transfers are for.
    pub purpose: Label,
}

/// Step 1: A = a·G.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opening(Encoding);

/// Step 2: P_0 and P_1 for each instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer(Vec<[Encoding; 2]>);

impl Opening {
    /// Bytes on the wire.
    pub const WIRE_BYTES: usize = ELEMENT_BYTES;

    /// The message as bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        self.0.to_vec()
    }

    /// Reads the message. Whether it is a point is found where it is used.
    ///
    /// # Errors
    /// [`PeerMisbehaved::WrongLength`].
    pub fn decode(bytes: &[u8]) -> Result<Self, Error> {
        bytes.try_into().map(Self).map_err(|_| wrong_length("opening of transfers", Self::WIRE_BYTES, bytes))
    }
}

impl Answer {
    /// Bytes on the wire for `count` instances.
    #[must_use]
    pub const fn wire_bytes(count: usize) -> usize {
        2 * ELEMENT_BYTES * count
    }

    /// The message as bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        self.0.as_flattened().as_flattened().to_vec()
    }

    /// Reads the message for `count` instances. Whether they are points is found where they are used.
    ///
    /// # Errors
    /// [`PeerMisbehaved::WrongLength`].
    pub fn decode(bytes: &[u8], count: usize) -> Result<Self, Error> {
        if bytes.len() != Self::wire_bytes(count) {
            return Err(wrong_length("points of transfers", Self::wire_bytes(count), bytes));
        }
        let points: &[Encoding] = bytes.as_chunks().0;
        Ok(Self(points.as_chunks().0.to_vec()))
    }
}

pub(crate) const fn wrong_length(what: &'static str, expected: usize, bytes: &[u8]) -> Error {
    Error::PeerMisbehaved(PeerMisbehaved::WrongLength { what, expected, got: bytes.len() })
}

/// The sender between its messages.
pub struct Sender {
    context: Context,
    count: usize,
    scalar: SecretScalar,
    opening: Opening,
}

/// The receiver between its messages.
pub struct Receiver {
    context: Context,
    choices: Zeroizing<Vec<u8>>,
    scalars: Vec<SecretScalar>,
    answer: Answer,
}

impl Sender {
    /// Step 1 for `count` instances.
    ///
    /// # Errors
    /// [`Error::LimitExceeded`] for more than [`INSTANCES_MAX`].
    pub fn start(
        context: Context,
        count: usize,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<(Opening, Self), Error> {
        check_count(count)?;
        let scalar = SecretScalar::random_nonzero(rng);
        let opening = Opening(Element::mul_base(&scalar).encode());
        Ok((opening, Self { context, count, scalar, opening }))
    }

    /// Step 3: both keys of each instance.
    ///
    /// # Errors
    /// [`PeerMisbehaved::MalformedPoint`] for points that are not canonical, are the identity, or give it;
    /// [`Misuse::Length`] for an answer to another number of instances.
    pub fn finish(self, answer: &Answer) -> Result<Zeroizing<Vec<[Key; 2]>>, Error> {
        let Answer(pairs) = answer;
        if pairs.len() != self.count {
            return Err(Misuse::Length { what: "answer", expected: self.count, got: pairs.len() }.into());
        }
        let points = Elements::decode(pairs.as_flattened()).map_err(|_| PeerMisbehaved::MalformedPoint)?;
        let masks = (0..).zip(pairs).flat_map(|(index, pair)| {
            [uniform(&self.context, index, 0, &pair[1]), uniform(&self.context, index, 1, &pair[0])]
        });
        let masks = masks.collect::<Result<Vec<_>, _>>()?;
        let shared = Zeroizing::new(points.minus(&Elements::map(&masks)).multiply(&self.scalar));
        if shared.contains(&[0; ELEMENT_BYTES]) {
            return Err(PeerMisbehaved::MalformedPoint.into());
        }
        let keys = (0..).zip(pairs).zip(shared.as_chunks::<2>().0).map(|((index, pair), shared)| {
            [0, 1]
                .map(|number: u8| key(&self.context, index, number, &self.opening, pair, &shared[usize::from(number)]))
        });
        Ok(Zeroizing::new(keys.collect()))
    }
}

impl Receiver {
    /// Step 2 for choice bits, each 0 or 1.
    ///
    /// # Errors
    /// [`Error::LimitExceeded`] for more than [`INSTANCES_MAX`], [`Misuse::OutOfRange`] for a choice that is no bit.
    pub fn start(
        context: Context,
        choices: &[u8],
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<(Answer, Self), Error> {
        check_count(choices.len())?;
        if choices.iter().fold(0, |all, choice| all | choice) > 1 {
            return Err(Misuse::OutOfRange { what: "a choice" }.into());
        }
        let mut random = vec![[0_u8; 64]; choices.len()];
        random.iter_mut().for_each(|bytes| rng.fill_bytes(bytes));
        let unknown = Elements::map(&random).encode();
        let scalars = SecretScalar::random_batch(choices.len(), rng);
        let masks = (0..).zip(choices).zip(&unknown);
        let masks = masks.map(|((index, choice), point)| uniform(&context, index, *choice, point));
        let masks = Zeroizing::new(masks.collect::<Result<Vec<_>, _>>()?);
        let known = Elements::mul_base(&scalars).plus(&Elements::map(&masks)).encode();
        let pairs = choices.iter().zip(known.iter().zip(&unknown)).map(|(choice, (known, unknown))| {
            let choice = Choice::from(*choice);
            [Encoding::conditional_select(known, unknown, choice), Encoding::conditional_select(unknown, known, choice)]
        });
        let answer = Answer(pairs.collect());
        random.zeroize();
        let choices = Zeroizing::new(choices.to_vec());
        Ok((answer.clone(), Self { context, choices, scalars, answer }))
    }

    /// Step 3: the chosen key of each instance.
    ///
    /// # Errors
    /// [`PeerMisbehaved::MalformedPoint`] when the opening is not canonical or is the identity.
    pub fn finish(self, opening: &Opening) -> Result<Zeroizing<Vec<Key>>, Error> {
        let element = Element::decode(&opening.0).map_err(|_| PeerMisbehaved::MalformedPoint)?;
        let shared = Elements::repeat(&element, self.scalars.len()).multiply_each(&self.scalars);
        let shared = Zeroizing::new(shared);
        let keys = (0..).zip(self.choices.iter()).zip(self.answer.0.iter().zip(shared.iter()));
        let keys =
            keys.map(|((index, choice), (pair, shared))| key(&self.context, index, *choice, opening, pair, shared));
        Ok(Zeroizing::new(keys.collect()))
    }
}

const fn check_count(count: usize) -> Result<(), Error> {
    if count > INSTANCES_MAX {
        let (max, got) = (INSTANCES_MAX as u64, count as u64);
        return Err(Error::LimitExceeded { what: "instances of a base transfer", max, got });
    }
    Ok(())
}

/// 64 bytes that are mapped to H(number, point).
fn uniform(context: &Context, index: u32, number: u8, point: &Encoding) -> Result<[u8; 64], Error> {
    let mut message = Zeroizing::new(Vec::with_capacity(160));
    hash::lp(&mut message, &context.sid);
    hash::lp(&mut message, context.purpose.as_bytes());
    hash::lp(&mut message, &index.to_be_bytes());
    hash::lp(&mut message, &[number]);
    hash::lp(&mut message, point);
    let mut out = [0_u8; 64];
    hash::expand_message_xmd_sha512(&message, Label::OtPoint.as_bytes(), &mut out)
        .map_err(|_| Environment::Primitive)?;
    Ok(out)
}

/// The key with a number: a hash of everything that was sent for it and of the shared point.
fn key(context: &Context, index: u32, number: u8, opening: &Opening, pair: &[Encoding; 2], shared: &Encoding) -> Key {
    let mut transcript = Transcript::new(Label::OtKey);
    transcript.add(&context.sid);
    transcript.add(context.purpose.as_bytes());
    transcript.add(&index.to_be_bytes());
    transcript.add(&[number]);
    transcript.add(&opening.0);
    transcript.add(pair.as_flattened());
    transcript.add(shared);
    transcript.finish()
}

impl fmt::Debug for Sender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender").field("count", &self.count).finish_non_exhaustive()
    }
}

impl fmt::Debug for Receiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver").field("count", &self.choices.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
