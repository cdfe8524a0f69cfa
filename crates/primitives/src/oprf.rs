//! The oblivious pseudorandom functions OPRF and VOPRF of RFC 9497 on ristretto255 with SHA-512.
//!
//! # What it computes
//! F(k, x) = SHA-512(LP2(x) ‖ LP2(k·H(x)) ‖ "Finalize") for the server's key k and the client's input x, where
//! H hashes to the group and LP2 prefixes a length of two bytes.
//!
//! # Who learns what
//! The client learns F(k, x) and, in VOPRF mode, that k belongs to the public key. The server learns how many
//! inputs there were.
//!
//! # Security
//! One-more gap computational Diffie-Hellman in the random oracle model; the proof is a discrete logarithm
//! equality proof made non-interactive (RFC 9497, section 7.2). Every Q evaluations under one key cost
//! log2(Q)/2 bits of security (section 7.2.3), so a key is drawn for each job. There is no published analysis of
//! many keys together with batched proofs.
//!
//! Work on keys, blinds and nonces takes the same time for all their values. The coefficients of a batched proof
//! and everything in its verification are public and use variable-time multiplication.
//!
//! # Protocol
//! 1. The client sends r·H(x): [`blind`], [`hash_blind_batch`].
//! 2. The server returns k·r·H(x): [`ServerKey::blind_evaluate`], [`ServerKey::evaluate_batch`]; in VOPRF mode
//!    with one proof a batch: [`ServerKey::prove_batch`], or both in one pass: [`ServerKey::evaluate_prove_batch`].
//! 3. The client checks the proof, multiplies by 1/r and hashes: [`PublicKey::verify_batch`] then [`finalize`] or
//!    [`finalize_batch`], or both in one pass: [`PublicKey::verify_evaluations`].
//! 4. The server evaluates its own inputs without blinding: [`ServerKey::evaluate`],
//!    [`ServerKey::finalize_own_batch`].
//!
//! # Cost
//! 32 bytes an item each way and 64 bytes a proof. Client: a hash to the group and two multiplications; server:
//! one multiplication; a proof adds about one multiplication on each side.
//!
//! # Limits
//! Inputs of at most [`INPUT_BYTES_MAX`] bytes, proofs over at most [`PROOF_ELEMENTS_MAX`] elements.
//!
//! # Where it differs from the RFC
//! Batch functions work in VOPRF mode only, except those of a [`ServerKey`], which follow its mode. An input that
//! hashes to the identity, which would take about 2^252 trials to find, is not looked for in the batch functions:
//! it would blind to the identity, which the server refuses.
//!
//! # References
//! [RFC 9497](https://www.rfc-editor.org/rfc/rfc9497.html): section 3.3 the modes, 2.2 the proofs, 4.1 the suite.

use std::fmt;

use rand_core::CryptoRng;
use sha2::{Digest, Sha512};

use crate::Error;
use crate::group::{self, ELEMENT_BYTES, Element, SecretScalar};
use crate::hash::Expander;
use crate::secret::{Secret, Seed};

mod batch;
mod dleq;

pub use batch::{VerifiedBatch, finalize_batch, hash_blind_batch, mask_items_batch, mask_points_batch};
pub use dleq::{PROOF_BYTES, PROOF_ELEMENTS_MAX};

/// The longest input in bytes (RFC 9497, section 1.2).
pub const INPUT_BYTES_MAX: usize = 65_535;

/// Bytes of an output.
pub const OUTPUT_BYTES: usize = 64;

/// Which of the functions of RFC 9497 is computed; the values of the two are unrelated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Mode {
    /// Without proof: the client trusts the server to use one key.
    Oprf,
    /// With proof against the server's public key.
    Voprf,
}

impl Mode {
    /// contextString of RFC 9497, section 3.1.
    const fn context(self) -> &'static [u8] {
        match self {
            Self::Oprf => b"OPRFV1-\x00-ristretto255-SHA512",
            Self::Voprf => b"OPRFV1-\x01-ristretto255-SHA512",
        }
    }

    fn expander(self, use_name: &[u8]) -> Expander {
        Expander::new(&[use_name, self.context()].concat()).expect("the tag is not empty")
    }

    fn hash_to_group(self) -> Expander {
        self.expander(b"HashToGroup-")
    }

    fn hash_to_scalar(self) -> Expander {
        self.expander(b"HashToScalar-")
    }
}

/// The server's key: wiped when dropped, prints its mode only.
pub struct ServerKey {
    mode: Mode,
    scalar: SecretScalar,
    public: PublicKey,
}

impl ServerKey {
    /// Derives a VOPRF key from a seed and public context: DeriveKeyPair of RFC 9497, section 3.2.1.
    ///
    /// # Errors
    /// [`Error::LimitExceeded`] when `info` is longer than 65,535 bytes.
    pub fn derive_key_pair(seed: &Seed, info: &[u8]) -> Result<Self, Error> {
        Self::derive_key_pair_for(Mode::Voprf, seed, info)
    }

    /// As [`ServerKey::derive_key_pair`], for either mode.
    ///
    /// # Errors
    /// [`Error::LimitExceeded`] when `info` is longer than 65,535 bytes.
    pub fn derive_key_pair_for(mode: Mode, seed: &Seed, info: &[u8]) -> Result<Self, Error> {
        let length = length_prefix("key info in bytes", info)?;
        let hash = mode.expander(b"DeriveKeyPair");
        for counter in 0..=u8::MAX {
            let scalar = hash.scalar(&[seed.expose(), &length, info, &[counter]]);
            if let Some(scalar) = SecretScalar::from_scalar(scalar) {
                return Ok(Self::from_secret(mode, scalar));
            }
        }
        Err(Error::Misuse { what: "the seed gives no key" })
    }

    /// Draws a fresh VOPRF key.
    pub fn random(rng: &mut (impl CryptoRng + ?Sized)) -> Self {
        Self::random_for(Mode::Voprf, rng)
    }

    /// Draws a fresh key for either mode.
    pub fn random_for(mode: Mode, rng: &mut (impl CryptoRng + ?Sized)) -> Self {
        Self::from_secret(mode, SecretScalar::random_nonzero(rng))
    }

    /// Uses a given scalar as the key.
    #[must_use]
    pub fn from_secret(mode: Mode, scalar: SecretScalar) -> Self {
        let public = PublicKey(Element::mul_base(&scalar));
        Self { mode, scalar, public }
    }

    /// The mode the key is for.
    #[must_use]
    pub const fn mode(&self) -> Mode {
        self.mode
    }

    /// The public key to this key.
    #[must_use]
    pub const fn public_key(&self) -> PublicKey {
        self.public
    }

    /// The scalar, encoded, as a secret.
    #[must_use]
    pub fn encode(&self) -> Secret<[u8; group::SCALAR_BYTES]> {
        self.scalar.encode()
    }

    /// BlindEvaluate of RFC 9497, section 3.3.1, without the proof.
    ///
    /// # Errors
    /// [`Error::Encoding`] when `blinded` is no element.
    pub fn blind_evaluate(&self, blinded: &[u8; ELEMENT_BYTES]) -> Result<[u8; ELEMENT_BYTES], Error> {
        Ok(Element::decode(blinded)?.mul(&self.scalar).encode())
    }

    /// F(k, input), computed by the holder of the key: Evaluate of RFC 9497, section 3.3.1.
    ///
    /// # Errors
    /// [`Error::LimitExceeded`] for an input longer than [`INPUT_BYTES_MAX`], [`Error::Encoding`] for one that
    /// hashes to the identity.
    pub fn evaluate(&self, input: &[u8]) -> Result<[u8; OUTPUT_BYTES], Error> {
        let element = Element::from_point(self.mode.hash_to_group().point(&[input]))?;
        output(input, &element.mul(&self.scalar).encode())
    }
}

impl fmt::Debug for ServerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerKey").field("mode", &self.mode).finish_non_exhaustive()
    }
}

/// The public key against which evaluations are proved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PublicKey(Element);

impl PublicKey {
    /// Decodes a public key.
    ///
    /// # Errors
    /// [`Error::Encoding`] for bytes that are not canonical and for the identity.
    pub fn decode(bytes: &[u8; ELEMENT_BYTES]) -> Result<Self, Error> {
        Element::decode(bytes).map(Self)
    }

    /// The canonical encoding.
    #[must_use]
    pub fn encode(&self) -> [u8; ELEMENT_BYTES] {
        self.0.encode()
    }
}

/// Blind of RFC 9497, section 3.3.1: r·H(input).
///
/// # Errors
/// [`Error::LimitExceeded`] for an input longer than [`INPUT_BYTES_MAX`], [`Error::Encoding`] for one that
/// hashes to the identity.
pub fn blind(mode: Mode, input: &[u8], blind: &SecretScalar) -> Result<[u8; ELEMENT_BYTES], Error> {
    length_prefix(INPUT, input)?;
    Ok(Element::from_point(mode.hash_to_group().point(&[input]))?.mul(blind).encode())
}

/// Finalize of RFC 9497, section 3.3.1: F(k, input) from k·r·H(input). Check the proof first in VOPRF mode.
///
/// # Errors
/// [`Error::LimitExceeded`] for an input longer than [`INPUT_BYTES_MAX`], [`Error::Encoding`] when `evaluated` is
/// no element.
pub fn finalize(
    input: &[u8],
    blind: &SecretScalar,
    evaluated: &[u8; ELEMENT_BYTES],
) -> Result<[u8; OUTPUT_BYTES], Error> {
    output(input, &Element::decode(evaluated)?.mul(&blind.invert()).encode())
}

const INPUT: &str = "OPRF input in bytes";

/// I2OSP(len(part), 2).
fn length_prefix(what: &'static str, part: &[u8]) -> Result<[u8; 2], Error> {
    let too_long = |_| Error::LimitExceeded { what, max: INPUT_BYTES_MAX as u64, got: part.len() as u64 };
    u16::try_from(part.len()).map(u16::to_be_bytes).map_err(too_long)
}

/// SHA-512(LP2(input) ‖ LP2(unblinded) ‖ "Finalize").
fn output(input: &[u8], unblinded: &[u8; ELEMENT_BYTES]) -> Result<[u8; OUTPUT_BYTES], Error> {
    let mut hash = Sha512::new();
    hash.update(length_prefix(INPUT, input)?);
    hash.update(input);
    hash.update([0, 32]);
    hash.update(unblinded);
    hash.update(b"Finalize");
    Ok(hash.finalize().into())
}

#[cfg(test)]
mod tests;
