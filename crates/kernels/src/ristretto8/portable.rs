//! The definition of all results: one element after the other with curve25519-dalek.

use curve25519_dalek::ristretto::CompressedRistretto;
use curve25519_dalek::traits::{Identity, VartimeMultiscalarMul};
use curve25519_dalek::{RistrettoPoint, Scalar};
use zeroize::{Zeroize, Zeroizing};

use super::{BLOCK_ELEMENTS, ELEMENT_BYTES, UNIFORM_BYTES, Verdict};

/// Elements; wiped when dropped.
pub(super) struct Points(Vec<RistrettoPoint>);

impl Points {
    pub(super) fn decode(encodings: &[[u8; ELEMENT_BYTES]], verdicts: &mut [Verdict]) -> Self {
        let one = |(encoding, verdict): (&[u8; ELEMENT_BYTES], &mut Verdict)| {
            let point = CompressedRistretto(*encoding).decompress();
            *verdict = match point {
                None => Verdict::Malformed,
                Some(_) if *encoding == [0; ELEMENT_BYTES] => Verdict::Identity,
                Some(_) => Verdict::Element,
            };
            point.unwrap_or_else(RistrettoPoint::identity)
        };
        Self(encodings.iter().zip(verdicts).map(one).collect())
    }

    pub(super) fn map(uniform: &[[u8; UNIFORM_BYTES]]) -> Self {
        Self(uniform.iter().map(RistrettoPoint::from_uniform_bytes).collect())
    }

    pub(super) const fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn with_capacity(count: usize) -> Self {
        Self(Vec::with_capacity(count))
    }

    pub(super) fn extend(&mut self, other: &Self) {
        self.0.extend_from_slice(&other.0);
    }

    pub(super) fn gather(&self, positions: &[usize]) -> Self {
        Self(positions.iter().map(|position| self.0[*position]).collect())
    }

    pub(super) fn combine(&self, other: &Self, minus: bool) -> Self {
        let one = |(left, right): (&RistrettoPoint, &RistrettoPoint)| if minus { left - right } else { left + right };
        Self(self.0.iter().zip(&other.0).map(one).collect())
    }

    pub(super) fn vartime_sum(&self, first: usize, coefficients: &[Scalar]) -> [u8; ELEMENT_BYTES] {
        let points = &self.0[first..first + coefficients.len()];
        RistrettoPoint::vartime_multiscalar_mul(coefficients, points).compress().to_bytes()
    }

    pub(super) fn encode(&self, out: &mut [[u8; ELEMENT_BYTES]]) {
        for (point, slot) in self.0.iter().zip(out) {
            *slot = point.compress().to_bytes();
        }
    }

    pub(super) fn multiply(&self, scalar: &Scalar, out: &mut [[u8; ELEMENT_BYTES]]) {
        let mut half = scalar.div_by_2();
        for (points, out) in self.0.chunks(BLOCK_ELEMENTS).zip(out.chunks_mut(BLOCK_ELEMENTS)) {
            encode_doubled(points.iter().map(|point| point * half).collect(), out);
        }
        half.zeroize();
    }

    pub(super) fn multiply_each(&self, scalars: &[Scalar], out: &mut [[u8; ELEMENT_BYTES]]) {
        let blocks = self.0.chunks(BLOCK_ELEMENTS).zip(scalars.chunks(BLOCK_ELEMENTS));
        for ((points, scalars), out) in blocks.zip(out.chunks_mut(BLOCK_ELEMENTS)) {
            let halves: Zeroizing<Vec<Scalar>> = Zeroizing::new(scalars.iter().map(Scalar::div_by_2).collect());
            encode_doubled(points.iter().zip(halves.iter()).map(|(point, half)| point * half).collect(), out);
        }
    }
}

impl Drop for Points {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

/// enc(2P) for every point of one block, which is wiped: multiplying by half a scalar first makes this the encoding
/// of the whole product without a square root for each point.
fn encode_doubled(mut points: Vec<RistrettoPoint>, out: &mut [[u8; ELEMENT_BYTES]]) {
    for (slot, encoding) in out.iter_mut().zip(RistrettoPoint::double_and_compress_batch(&points)) {
        *slot = encoding.to_bytes();
    }
    points.zeroize();
}
