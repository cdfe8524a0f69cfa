//! The prime-order group ristretto255 (RFC 9496): elements that are never the identity, scalars that are never
//! zero, and operations on many of them at once.
//!
//! Batch functions split their slices into blocks of [`BLOCK_ELEMENTS`] that run in parallel on the rayon pool
//! they are called in, each through [`symbolon_kernels::ristretto8`]: eight elements at once where the CPU can.
//!
//! Everything that touches a [`SecretScalar`] takes the same time for every value of it. Decoding and encoding
//! take the same time for every valid element.

use std::fmt;

use curve25519_dalek::ristretto::CompressedRistretto;
use curve25519_dalek::traits::Identity;
use curve25519_dalek::{RistrettoPoint, Scalar};
use rand_core::CryptoRng;
use rayon::prelude::*;
use symbolon_kernels::ristretto8::{self, Points, Verdict};
use zeroize::{Zeroize, Zeroizing};

use crate::Error;
use crate::secret::Secret;

mod elements;

pub use elements::Elements;

/// Bytes of an encoded element.
pub const ELEMENT_BYTES: usize = 32;

/// Bytes of an encoded scalar.
pub const SCALAR_BYTES: usize = 32;

/// Elements that share one inversion when they are encoded, and one task of the thread pool.
pub const BLOCK_ELEMENTS: usize = ristretto8::BLOCK_ELEMENTS;

/// An element of ristretto255 other than the identity.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Element(RistrettoPoint);

impl Element {
    /// Decodes a canonical encoding (RFC 9496, section 4.3.1).
    ///
    /// # Errors
    /// [`Error::Encoding`] for bytes that are not canonical and for the identity.
    pub fn decode(bytes: &[u8; ELEMENT_BYTES]) -> Result<Self, Error> {
        // The identity has one encoding only, 32 zero bytes, which the curve library accepts.
        if *bytes == [0; ELEMENT_BYTES] {
            return Err(BAD_ELEMENT);
        }
        CompressedRistretto(*bytes).decompress().map(Self).ok_or(BAD_ELEMENT)
    }

    /// The canonical encoding (RFC 9496, section 4.3.2).
    #[must_use]
    pub fn encode(&self) -> [u8; ELEMENT_BYTES] {
        self.0.compress().to_bytes()
    }

    /// Draws an element uniformly; nobody knows its discrete logarithm.
    pub fn random(rng: &mut (impl CryptoRng + ?Sized)) -> Self {
        loop {
            if let Ok(element) = Self::from_point(RistrettoPoint::random(rng)) {
                return element;
            }
        }
    }

    /// The generator of RFC 9496 times `scalar`.
    #[must_use]
    pub fn mul_base(scalar: &SecretScalar) -> Self {
        Self(RistrettoPoint::mul_base(&scalar.0))
    }

    /// This element times `scalar`.
    #[must_use]
    pub fn mul(&self, scalar: &SecretScalar) -> Self {
        Self(self.0 * scalar.0)
    }

    pub(crate) fn from_point(point: RistrettoPoint) -> Result<Self, Error> {
        if point == RistrettoPoint::identity() { Err(BAD_ELEMENT) } else { Ok(Self(point)) }
    }

    pub(crate) const fn point(&self) -> &RistrettoPoint {
        &self.0
    }
}

impl fmt::Debug for Element {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Element(..)")
    }
}

/// A scalar between 1 and the group order, exclusive, that is wiped when dropped and prints as
/// `SecretScalar(..)`.
pub struct SecretScalar(Scalar);

impl SecretScalar {
    /// Draws a scalar uniformly from all but zero.
    pub fn random_nonzero(rng: &mut (impl CryptoRng + ?Sized)) -> Self {
        loop {
            let mut wide = Zeroizing::new([0_u8; 64]);
            rng.fill_bytes(wide.as_mut());
            if let Some(scalar) = Self::from_scalar(Scalar::from_bytes_mod_order_wide(&wide)) {
                return scalar;
            }
        }
    }

    /// Draws `count` scalars, one after the other.
    pub fn random_batch(count: usize, rng: &mut (impl CryptoRng + ?Sized)) -> Vec<Self> {
        (0..count).map(|_| Self::random_nonzero(rng)).collect()
    }

    /// Decodes 32 little-endian bytes.
    ///
    /// # Errors
    /// [`Error::Encoding`] for zero and for numbers that are not below the group order.
    pub fn decode(bytes: &[u8; SCALAR_BYTES]) -> Result<Self, Error> {
        let scalar: Option<Scalar> = Scalar::from_canonical_bytes(*bytes).into();
        scalar.and_then(Self::from_scalar).ok_or(Error::Encoding { what: "scalar" })
    }

    /// The 32 little-endian bytes, as a secret.
    #[must_use]
    pub fn encode(&self) -> Secret<[u8; SCALAR_BYTES]> {
        Secret::new(self.0.to_bytes())
    }

    /// The multiplicative inverse.
    #[must_use]
    pub fn invert(&self) -> Self {
        Self(self.0.invert())
    }

    /// The inverses of all `scalars`, at the cost of one inversion a block and three multiplications each.
    #[must_use]
    pub fn invert_batch(scalars: &[Self]) -> Vec<Self> {
        let mut inverses: Vec<Self> = scalars.iter().map(|scalar| Self(scalar.0)).collect();
        inverses.par_chunks_mut(BLOCK_ELEMENTS).for_each(|block| {
            let values = inverses_of(block);
            for (slot, value) in block.iter_mut().zip(values.iter()) {
                slot.0 = *value;
            }
        });
        inverses
    }

    pub(crate) fn from_scalar(scalar: Scalar) -> Option<Self> {
        (scalar != Scalar::ZERO).then_some(Self(scalar))
    }

    pub(crate) const fn scalar(&self) -> &Scalar {
        &self.0
    }
}

impl Drop for SecretScalar {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl zeroize::ZeroizeOnDrop for SecretScalar {}

impl fmt::Debug for SecretScalar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretScalar(..)")
    }
}

/// Decodes many elements, each as [`Element::decode`] does.
///
/// # Errors
/// [`Error::Encoding`] when one of them is not canonical or is the identity.
pub fn decode_batch(encodings: &[[u8; ELEMENT_BYTES]]) -> Result<Vec<Element>, Error> {
    encodings.par_iter().with_min_len(BLOCK_ELEMENTS).map(Element::decode).collect()
}

/// Encodes many elements.
#[must_use]
pub fn encode_batch(elements: &[Element]) -> Vec<[u8; ELEMENT_BYTES]> {
    elements.par_iter().with_min_len(BLOCK_ELEMENTS).map(Element::encode).collect()
}

/// Draws `count` elements uniformly and returns their encodings: padding that nobody can tell from blinded items.
pub fn random_encoded_batch(count: usize, rng: &mut (impl CryptoRng + ?Sized)) -> Vec<[u8; ELEMENT_BYTES]> {
    let seeds: Vec<[u8; 64]> = (0..count)
        .map(|_| {
            let mut seed = [0_u8; 64];
            rng.fill_bytes(&mut seed);
            seed
        })
        .collect();
    let mut encodings = vec![[0; ELEMENT_BYTES]; count];
    let blocks = encodings.par_chunks_mut(BLOCK_ELEMENTS).zip(seeds.par_chunks(BLOCK_ELEMENTS));
    blocks.for_each(|(out, seeds)| Points::map(seeds).encode(out));
    encodings
}

/// The refusal of an encoding.
const BAD_ELEMENT: Error = Error::Encoding { what: "group element" };

/// Strict decoding of one block.
pub(crate) fn decode_block(encodings: &[[u8; ELEMENT_BYTES]]) -> Result<Points, Error> {
    let (points, verdicts) = Points::decode(encodings);
    if verdicts.iter().all(|verdict| *verdict == Verdict::Element) { Ok(points) } else { Err(BAD_ELEMENT) }
}

/// Strict decoding of many.
pub(crate) fn decode_points(encodings: &[[u8; ELEMENT_BYTES]]) -> Result<Points, Error> {
    let blocks: Result<Vec<Points>, Error> = encodings.par_chunks(BLOCK_ELEMENTS).map(decode_block).collect();
    Ok(Points::join(&blocks?))
}

/// The inverses of one block of scalars; wiped when dropped.
pub(crate) fn inverses_of(block: &[SecretScalar]) -> Zeroizing<Vec<Scalar>> {
    let mut values = scalars_of(block);
    let mut product = Scalar::invert_batch_alloc(&mut values);
    product.zeroize();
    values
}

/// The scalars of one block, for multiplying; wiped when dropped.
pub(crate) fn scalars_of(block: &[SecretScalar]) -> Zeroizing<Vec<Scalar>> {
    Zeroizing::new(block.iter().map(|scalar| scalar.0).collect())
}

#[cfg(test)]
mod tests;
