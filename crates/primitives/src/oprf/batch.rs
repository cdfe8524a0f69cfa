//! The OPRF over many items: blocks run in parallel, and each of them through the kernels as a whole.

use std::fmt;
use std::ops::Range;

use curve25519_dalek::Scalar;
use rand_core::CryptoRng;
use rayon::prelude::*;
use symbolon_kernels::ristretto8::{Points, UNIFORM_BYTES};
use zeroize::Zeroizing;

use super::dleq::{self, PROOF_BYTES, Pairs};
use super::{INPUT, Mode, OUTPUT_BYTES, PublicKey, ServerKey, length_prefix, output};
use crate::Error;
use crate::group::{BLOCK_ELEMENTS, ELEMENT_BYTES, SecretScalar, decode_block, decode_points, inverses_of, scalars_of};
use crate::hash::Expander;
use crate::kdf::Label;

type Encoding = [u8; ELEMENT_BYTES];

/// r_i·H(x_i) for all i, in VOPRF mode.
///
/// # Errors
/// [`Error::Misuse`] when the slices differ in length, [`Error::LimitExceeded`] for an input longer than
/// [`INPUT_BYTES_MAX`](super::INPUT_BYTES_MAX).
pub fn hash_blind_batch(inputs: &[&[u8]], blinds: &[SecretScalar]) -> Result<Vec<Encoding>, Error> {
    check_lengths(inputs.len(), blinds.len())?;
    check_inputs(inputs)?;
    let hash = Mode::Voprf.hash_to_group();
    let mut out = vec![[0; ELEMENT_BYTES]; inputs.len()];
    let blocks = out.par_chunks_mut(BLOCK_ELEMENTS).zip(inputs.par_chunks(BLOCK_ELEMENTS));
    blocks.zip(blinds.par_chunks(BLOCK_ELEMENTS)).for_each(|((out, inputs), blinds)| {
        hash_block(&hash, inputs).multiply_each(&scalars_of(blinds), out);
    });
    Ok(out)
}

/// F(k, x_i) from k·r_i·H(x_i) for all i. Check the proof first.
///
/// # Errors
/// [`Error::Misuse`] when the slices differ in length, [`Error::LimitExceeded`] for an input longer than
/// [`INPUT_BYTES_MAX`](super::INPUT_BYTES_MAX), [`Error::Encoding`] when an evaluated element is none.
pub fn finalize_batch(
    inputs: &[&[u8]],
    blinds: &[SecretScalar],
    evaluated: &[Encoding],
) -> Result<Vec<[u8; OUTPUT_BYTES]>, Error> {
    check_lengths(inputs.len(), evaluated.len())?;
    check_lengths(inputs.len(), blinds.len())?;
    check_inputs(inputs)?;
    finalize_blocks(inputs, blinds, |range| decode_block(&evaluated[range]))
}

/// k·H(x_i) for all i: the first step of the protocols that mask by one scalar and have no proof.
///
/// # Errors
/// [`Error::LimitExceeded`] for an input longer than [`INPUT_BYTES_MAX`](super::INPUT_BYTES_MAX).
pub fn mask_items_batch(scalar: &SecretScalar, inputs: &[&[u8]]) -> Result<Vec<Encoding>, Error> {
    check_inputs(inputs)?;
    let hash = Expander::new(Label::Mask.as_bytes())?;
    let mut out = vec![[0; ELEMENT_BYTES]; inputs.len()];
    let blocks = out.par_chunks_mut(BLOCK_ELEMENTS).zip(inputs.par_chunks(BLOCK_ELEMENTS));
    blocks.for_each(|(out, inputs)| hash_block(&hash, inputs).multiply(scalar.scalar(), out));
    Ok(out)
}

/// k·P_i for all i, decoded strictly. With the inverse of a scalar it takes a mask off.
///
/// # Errors
/// [`Error::Encoding`] when one of `encoded` is no element.
pub fn mask_points_batch(scalar: &SecretScalar, encoded: &[Encoding]) -> Result<Vec<Encoding>, Error> {
    scale_encoded(scalar.scalar(), encoded)
}

impl ServerKey {
    /// k·M_i for all i, decoded strictly; see [`ServerKey::evaluate_prove_batch`] when a proof is wanted too.
    ///
    /// # Errors
    /// [`Error::Encoding`] when one of `blinded` is no element.
    pub fn evaluate_batch(&self, blinded: &[Encoding]) -> Result<Vec<Encoding>, Error> {
        scale_encoded(self.scalar.scalar(), blinded)
    }

    /// One proof that `evaluated` are `blinded` times the key of this server: GenerateProof of RFC 9497.
    ///
    /// # Errors
    /// [`Error::Misuse`] for slices of different lengths, empty slices or a key that is not for VOPRF,
    /// [`Error::LimitExceeded`] for more than [`PROOF_ELEMENTS_MAX`](super::PROOF_ELEMENTS_MAX) elements,
    /// [`Error::Encoding`] when one of `blinded` is no element.
    pub fn prove_batch(
        &self,
        blinded: &[Encoding],
        evaluated: &[Encoding],
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<[u8; PROOF_BYTES], Error> {
        let pairs = Pairs::new(blinded, evaluated)?;
        dleq::prove(self, pairs, &decode_points(blinded)?, rng)
    }

    /// [`ServerKey::evaluate_batch`] and [`ServerKey::prove_batch`] in one pass that decodes once.
    ///
    /// # Errors
    /// As the two.
    pub fn evaluate_prove_batch(
        &self,
        blinded: &[Encoding],
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<(Vec<Encoding>, [u8; PROOF_BYTES]), Error> {
        dleq::check_count(blinded.len())?;
        let mut evaluated = vec![[0; ELEMENT_BYTES]; blinded.len()];
        let blocks = evaluated.par_chunks_mut(BLOCK_ELEMENTS).zip(blinded.par_chunks(BLOCK_ELEMENTS));
        let points: Result<Vec<Points>, Error> = blocks
            .map(|(out, blinded)| {
                let points = decode_block(blinded)?;
                points.multiply(self.scalar.scalar(), out);
                Ok(points)
            })
            .collect();
        let points = Points::join(&points?);
        let proof = dleq::prove(self, Pairs::new(blinded, &evaluated)?, &points, rng)?;
        Ok((evaluated, proof))
    }

    /// F(k, y_i) for all of the server's own inputs.
    ///
    /// # Errors
    /// [`Error::LimitExceeded`] for an input longer than [`INPUT_BYTES_MAX`](super::INPUT_BYTES_MAX).
    pub fn finalize_own_batch(&self, inputs: &[&[u8]]) -> Result<Vec<[u8; OUTPUT_BYTES]>, Error> {
        check_inputs(inputs)?;
        let hash = self.mode.hash_to_group();
        let mut out = vec![[0; OUTPUT_BYTES]; inputs.len()];
        let blocks = out.par_chunks_mut(BLOCK_ELEMENTS).zip(inputs.par_chunks(BLOCK_ELEMENTS));
        blocks.try_for_each(|(out, inputs)| {
            let mut unblinded = Zeroizing::new([[0; ELEMENT_BYTES]; BLOCK_ELEMENTS]);
            hash_block(&hash, inputs).multiply(self.scalar.scalar(), &mut unblinded[..inputs.len()]);
            output_block(inputs, &unblinded[..], out)
        })?;
        Ok(out)
    }
}

impl PublicKey {
    /// Checks one proof over a whole batch: VerifyProof of RFC 9497. See [`PublicKey::verify_evaluations`] to
    /// go on with the decoded elements.
    ///
    /// # Errors
    /// [`Error::VerificationFailed`] when the proof does not hold, [`Error::Encoding`] when something is no
    /// element, [`Error::Misuse`] for slices of different lengths or empty ones, [`Error::LimitExceeded`] for more
    /// than [`PROOF_ELEMENTS_MAX`](super::PROOF_ELEMENTS_MAX) elements.
    pub fn verify_batch(
        &self,
        blinded: &[Encoding],
        evaluated: &[Encoding],
        proof: &[u8; PROOF_BYTES],
    ) -> Result<(), Error> {
        self.verify_evaluations(blinded, evaluated, proof).map(|_| ())
    }

    /// Checks one proof over a whole batch and keeps the decoded evaluations, so that nothing unverified can be
    /// finalised and nothing is decoded twice.
    ///
    /// # Errors
    /// As [`PublicKey::verify_batch`].
    pub fn verify_evaluations(
        &self,
        blinded: &[Encoding],
        evaluated: &[Encoding],
        proof: &[u8; PROOF_BYTES],
    ) -> Result<VerifiedBatch, Error> {
        let pairs = Pairs::new(blinded, evaluated)?;
        let (blinded, evaluated) = dleq::decode_pairs(pairs)?;
        dleq::vartime_verify(self, pairs, (&blinded, &evaluated), proof)?;
        Ok(VerifiedBatch(evaluated))
    }
}

/// Evaluated elements whose proof has been checked; only [`PublicKey::verify_evaluations`] makes one.
pub struct VerifiedBatch(Points);

impl VerifiedBatch {
    /// How many elements the batch has.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether the batch is empty; a verified one never is.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// F(k, x_j) for every j, where `positions[j]` is the place of x_j in the batch: padding is left out.
    ///
    /// # Errors
    /// [`Error::Misuse`] when the slices differ in length or a position is outside the batch,
    /// [`Error::LimitExceeded`] for an input longer than [`INPUT_BYTES_MAX`](super::INPUT_BYTES_MAX).
    pub fn finalize(
        &self,
        positions: &[usize],
        inputs: &[&[u8]],
        blinds: &[SecretScalar],
    ) -> Result<Vec<[u8; OUTPUT_BYTES]>, Error> {
        check_lengths(inputs.len(), positions.len())?;
        check_lengths(inputs.len(), blinds.len())?;
        check_inputs(inputs)?;
        let outside = Error::Misuse { what: "a position is outside the batch" };
        if positions.iter().any(|position| *position >= self.0.len()) {
            return Err(outside);
        }
        finalize_blocks(inputs, blinds, |range| Ok(self.0.gather(&positions[range])))
    }
}

impl fmt::Debug for VerifiedBatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifiedBatch").field("len", &self.0.len()).finish_non_exhaustive()
    }
}

/// Unblinds and hashes; `points` gives the evaluated elements of a range of indices.
fn finalize_blocks(
    inputs: &[&[u8]],
    blinds: &[SecretScalar],
    points: impl Fn(Range<usize>) -> Result<Points, Error> + Sync,
) -> Result<Vec<[u8; OUTPUT_BYTES]>, Error> {
    let mut out = vec![[0; OUTPUT_BYTES]; inputs.len()];
    let blocks = out.par_chunks_mut(BLOCK_ELEMENTS).zip(inputs.par_chunks(BLOCK_ELEMENTS));
    blocks.zip(blinds.par_chunks(BLOCK_ELEMENTS)).enumerate().try_for_each(|(block, ((out, inputs), blinds))| {
        let first = block * BLOCK_ELEMENTS;
        let mut unblinded = Zeroizing::new([[0; ELEMENT_BYTES]; BLOCK_ELEMENTS]);
        let points = points(first..first + inputs.len())?;
        points.multiply_each(&inverses_of(blinds), &mut unblinded[..inputs.len()]);
        output_block(inputs, &unblinded[..], out)
    })?;
    Ok(out)
}

/// Decodes strictly, multiplies, encodes.
fn scale_encoded(scalar: &Scalar, encoded: &[Encoding]) -> Result<Vec<Encoding>, Error> {
    let mut out = vec![[0; ELEMENT_BYTES]; encoded.len()];
    let blocks = out.par_chunks_mut(BLOCK_ELEMENTS).zip(encoded.par_chunks(BLOCK_ELEMENTS));
    blocks.try_for_each(|(out, encoded)| {
        decode_block(encoded)?.multiply(scalar, out);
        Ok::<(), Error>(())
    })?;
    Ok(out)
}

/// Hashes one block of inputs to the group.
fn hash_block(hash: &Expander, inputs: &[&[u8]]) -> Points {
    let mut uniform = Zeroizing::new([[0; UNIFORM_BYTES]; BLOCK_ELEMENTS]);
    for (uniform, input) in uniform.iter_mut().zip(inputs) {
        *uniform = hash.uniform(&[input]);
    }
    Points::map(&uniform[..inputs.len()])
}

fn output_block(inputs: &[&[u8]], unblinded: &[Encoding], out: &mut [[u8; OUTPUT_BYTES]]) -> Result<(), Error> {
    for ((slot, input), unblinded) in out.iter_mut().zip(inputs).zip(unblinded) {
        *slot = output(input, unblinded)?;
    }
    Ok(())
}

fn check_lengths(left: usize, right: usize) -> Result<(), Error> {
    if left == right { Ok(()) } else { Err(Error::Misuse { what: "slices of one batch differ in length" }) }
}

fn check_inputs(inputs: &[&[u8]]) -> Result<(), Error> {
    inputs.iter().try_for_each(|input| length_prefix(INPUT, input).map(|_| ()))
}
