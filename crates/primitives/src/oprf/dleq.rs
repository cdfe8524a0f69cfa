//! Batched proofs that log_G(K) = log_{M_i}(Z_i) for all i (RFC 9497, section 2.2).

use curve25519_dalek::ristretto::CompressedRistretto;
use curve25519_dalek::traits::VartimeMultiscalarMul;
use curve25519_dalek::{RistrettoPoint, Scalar};
use rand_core::CryptoRng;
use rayon::prelude::*;
use sha2::{Digest, Sha512};
use symbolon_kernels::ristretto8::Points;

use super::{Mode, PublicKey, ServerKey};
use crate::Error;
use crate::group::{self, BLOCK_ELEMENTS, ELEMENT_BYTES, SecretScalar};
use crate::hash::Expander;

/// Bytes of a proof.
pub const PROOF_BYTES: usize = 64;

/// The most elements one proof covers: their index is hashed as two bytes.
pub const PROOF_ELEMENTS_MAX: usize = 65_535;

/// Points from which a multiscalar multiplication is split over threads: the cost of summing up buckets is small
/// against the points then.
const SPLIT_POINTS: usize = 1024;

/// Encodings of the two sides of a batch, M_i and Z_i.
#[derive(Clone, Copy)]
pub(super) struct Pairs<'a> {
    blinded: &'a [[u8; ELEMENT_BYTES]],
    evaluated: &'a [[u8; ELEMENT_BYTES]],
}

impl<'a> Pairs<'a> {
    /// Checks that both sides have the same length and that one proof can cover them.
    pub(super) fn new(blinded: &'a [[u8; ELEMENT_BYTES]], evaluated: &'a [[u8; ELEMENT_BYTES]]) -> Result<Self, Error> {
        if blinded.len() != evaluated.len() {
            return Err(Error::Misuse { what: "blinded and evaluated elements differ in number" });
        }
        check_count(blinded.len())?;
        Ok(Self { blinded, evaluated })
    }
}

/// Checks that one proof can cover `count` elements.
pub(super) fn check_count(count: usize) -> Result<(), Error> {
    if count == 0 {
        return Err(Error::Misuse { what: "a proof covers at least one element" });
    }
    if count > PROOF_ELEMENTS_MAX {
        return Err(Error::LimitExceeded {
            what: "elements of one proof",
            max: PROOF_ELEMENTS_MAX as u64,
            got: count as u64,
        });
    }
    Ok(())
}

/// GenerateProof; `points` are the decoded blinded elements. Constant-time in the key and the nonce.
pub(super) fn prove(
    key: &ServerKey,
    pairs: Pairs<'_>,
    points: &Points,
    rng: &mut (impl CryptoRng + ?Sized),
) -> Result<[u8; PROOF_BYTES], Error> {
    prove_with_nonce(key, pairs, points, &SecretScalar::random_nonzero(rng))
}

/// GenerateProof with a given nonce r, which must be fresh.
pub(super) fn prove_with_nonce(
    key: &ServerKey,
    pairs: Pairs<'_>,
    points: &Points,
    nonce: &SecretScalar,
) -> Result<[u8; PROOF_BYTES], Error> {
    if key.mode != Mode::Voprf {
        return Err(Error::Misuse { what: "proofs need a VOPRF key" });
    }
    // ComputeCompositesFast: the second composite is the key times the first.
    let coefficients = coefficients(&key.public, pairs);
    let composite_m = vartime_sum(&coefficients, points);
    let composite_z = composite_m * key.scalar.scalar();
    let t2 = RistrettoPoint::mul_base(nonce.scalar());
    let t3 = composite_m * nonce.scalar();
    let challenge = challenge(&key.public, [composite_m, composite_z, t2, t3]);
    let response = nonce.scalar() - challenge * key.scalar.scalar();
    let mut proof = [0_u8; PROOF_BYTES];
    proof[..32].copy_from_slice(challenge.as_bytes());
    proof[32..].copy_from_slice(response.as_bytes());
    Ok(proof)
}

/// VerifyProof; `points` are the decoded elements of both sides. Variable time: everything is public.
pub(super) fn vartime_verify(
    public: &PublicKey,
    pairs: Pairs<'_>,
    points: (&Points, &Points),
    proof: &[u8; PROOF_BYTES],
) -> Result<(), Error> {
    let [challenge_sent, response] = decode_proof(proof)?;
    let coefficients = coefficients(public, pairs);
    let (composite_m, composite_z) =
        rayon::join(|| vartime_sum(&coefficients, points.0), || vartime_sum(&coefficients, points.1));
    let t2 = RistrettoPoint::vartime_double_scalar_mul_basepoint(&challenge_sent, public.0.point(), &response);
    let t3 = RistrettoPoint::vartime_multiscalar_mul([response, challenge_sent], [composite_m, composite_z]);
    if challenge(public, [composite_m, composite_z, t2, t3]) == challenge_sent {
        Ok(())
    } else {
        Err(Error::VerificationFailed)
    }
}

fn decode_proof(proof: &[u8; PROOF_BYTES]) -> Result<[Scalar; 2], Error> {
    let mut scalars = [Scalar::ZERO; 2];
    for (slot, bytes) in scalars.iter_mut().zip(proof.as_chunks::<32>().0) {
        let scalar: Option<Scalar> = Scalar::from_canonical_bytes(*bytes).into();
        *slot = scalar.ok_or(Error::VerificationFailed)?;
    }
    Ok(scalars)
}

/// d_i = HashToScalar(LP2(seed) ‖ I2OSP(i, 2) ‖ LP2(M_i) ‖ LP2(Z_i) ‖ "Composite").
fn coefficients(public: &PublicKey, pairs: Pairs<'_>) -> Vec<Scalar> {
    let seed = composite_seed(public);
    let hash = Mode::Voprf.hash_to_scalar();
    let one = |(index, (blinded, evaluated)): (usize, (&[u8; ELEMENT_BYTES], &[u8; ELEMENT_BYTES]))| {
        let index = u16::try_from(index).expect("a batch has at most 65,535 elements").to_be_bytes();
        hash.scalar(&[&[0, 64], &seed, &index, &[0, 32], blinded, &[0, 32], evaluated, b"Composite"])
    };
    let pairs = pairs.blinded.par_iter().zip(pairs.evaluated).enumerate();
    pairs.with_min_len(BLOCK_ELEMENTS).map(one).collect()
}

/// SHA-512(LP2(K) ‖ LP2("Seed-" ‖ contextString)).
fn composite_seed(public: &PublicKey) -> [u8; 64] {
    let tag = [b"Seed-", Mode::Voprf.context()].concat();
    let length = u16::try_from(tag.len()).expect("the tag is short").to_be_bytes();
    let hash = Sha512::new().chain_update([0, 32]).chain_update(public.encode());
    hash.chain_update(length).chain_update(tag).finalize().into()
}

/// c = HashToScalar(LP2(K) ‖ LP2(M) ‖ LP2(Z) ‖ LP2(t2) ‖ LP2(t3) ‖ "Challenge").
fn challenge(public: &PublicKey, points: [RistrettoPoint; 4]) -> Scalar {
    let expander: Expander = Mode::Voprf.hash_to_scalar();
    let mut message = Vec::with_capacity(5 * (2 + ELEMENT_BYTES) + 9);
    for encoding in std::iter::once(public.encode()).chain(points.map(|point| point.compress().to_bytes())) {
        message.extend_from_slice(&[0, 32]);
        message.extend_from_slice(&encoding);
    }
    message.extend_from_slice(b"Challenge");
    expander.scalar(&[&message])
}

/// Σ d_i·P_i, split over the threads of the pool when it is long. Variable time: coefficients and points are
/// public.
fn vartime_sum(coefficients: &[Scalar], points: &Points) -> RistrettoPoint {
    let pieces = (points.len() / SPLIT_POINTS).clamp(1, rayon::current_num_threads());
    let piece_length = points.len().div_ceil(pieces).max(1);
    let sum = |(piece, coefficients): (usize, &[Scalar])| {
        let encoding = points.vartime_sum(piece * piece_length, coefficients);
        CompressedRistretto(encoding).decompress().expect("a sum is encoded as an element")
    };
    coefficients.par_chunks(piece_length).enumerate().map(sum).sum()
}

/// Decodes both sides at once.
pub(super) fn decode_pairs(pairs: Pairs<'_>) -> Result<(Points, Points), Error> {
    let (blinded, evaluated) =
        rayon::join(|| group::decode_points(pairs.blinded), || group::decode_points(pairs.evaluated));
    Ok((blinded?, evaluated?))
}
