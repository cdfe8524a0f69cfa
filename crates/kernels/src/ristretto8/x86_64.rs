//! Eight elements side by side on AVX-512 IFMA.
//!
//! `field` has the arithmetic and its bounds, `point` the curve and the multiplication, `codec` roots, decoding and
//! the map, `doubled` the encoding with shared inversions, `scalar` the digits, `sum` sums of many multiples. Every function below the safe ones of
//! this file is compiled for these instructions and inlined or called among its like only: a call across that border
//! would pass vectors through memory and lose a fifth of the speed and more.

use curve25519_dalek::Scalar;

use self::bytes::{read_words, write_words};
use self::codec::Verdicts;
use self::doubled::encode_doubles;
use self::field::avx512;
use self::point::{Extended, Projective};
use self::scalar::Digits;
use super::{BLOCK_ELEMENTS, ELEMENT_BYTES, UNIFORM_BYTES, Verdict};

mod bytes;
mod codec;
mod constants;
mod doubled;
mod field;
mod point;
mod scalar;
mod sum;

/// Elements of one vector.
const LANES: usize = 8;

/// Proof that this CPU has the instructions: only [`Avx512::detect`] makes one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Avx512(());

impl Avx512 {
    /// Asks the CPU.
    pub(super) fn detect() -> Option<Self> {
        let all = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx512vl")
            && is_x86_feature_detected!("avx512ifma");
        all.then_some(Self(()))
    }

    pub(super) fn decode(self, encodings: &[[u8; ELEMENT_BYTES]], verdicts: &mut [Verdict]) -> Points {
        // SAFETY: `self` exists, so the CPU has the instructions.
        let groups = unsafe { decode(encodings, verdicts) };
        Points { groups, len: encodings.len(), cpu: self }
    }

    pub(super) fn map(self, uniform: &[[u8; UNIFORM_BYTES]]) -> Points {
        // SAFETY: `self` exists, so the CPU has the instructions.
        let groups = unsafe { map(uniform) };
        Points { groups, len: uniform.len(), cpu: self }
    }
}

/// Elements, eight in each group; behind the last one whatever the computation gave. Wiped when dropped.
pub(super) struct Points {
    groups: Vec<Extended>,
    len: usize,
    cpu: Avx512,
}

impl Points {
    pub(super) const fn len(&self) -> usize {
        self.len
    }

    pub(super) fn encode(&self, out: &mut [[u8; ELEMENT_BYTES]]) {
        let Avx512(()) = self.cpu;
        // SAFETY: `self.cpu` exists, so the CPU has the instructions.
        unsafe { encode(&self.groups, out) }
    }

    pub(super) fn multiply(&self, scalar: &Scalar, out: &mut [[u8; ELEMENT_BYTES]]) {
        let Avx512(()) = self.cpu;
        // SAFETY: `self.cpu` exists, so the CPU has the instructions.
        unsafe { multiply(&self.groups, scalar, out) }
    }

    pub(super) fn multiply_each(&self, scalars: &[Scalar], out: &mut [[u8; ELEMENT_BYTES]]) {
        let Avx512(()) = self.cpu;
        // SAFETY: `self.cpu` exists, so the CPU has the instructions.
        unsafe { multiply_each(&self.groups, scalars, out) }
    }
}

impl Points {
    /// None, with room for `count`.
    pub(super) fn with_capacity(&self, count: usize) -> Self {
        Self { groups: Vec::with_capacity(count.div_ceil(LANES)), len: 0, cpu: self.cpu }
    }

    /// Adds those of `other`; the length so far divides by 8.
    pub(super) fn extend(&mut self, other: &Self) {
        debug_assert!(self.len.is_multiple_of(LANES), "the last group is full");
        self.groups.extend_from_slice(&other.groups);
        self.len += other.len;
    }

    pub(super) fn gather(&self, positions: &[usize]) -> Self {
        let Avx512(()) = self.cpu;
        // SAFETY: `self.cpu` exists, so the CPU has the instructions.
        let groups = unsafe { sum::gather(&self.groups, positions.iter().copied()) };
        Self { groups, len: positions.len(), cpu: self.cpu }
    }

    pub(super) fn combine(&self, other: &Self, minus: bool) -> Self {
        let Avx512(()) = self.cpu;
        // SAFETY: `self.cpu` exists, so the CPU has the instructions.
        let groups = unsafe { combine(&self.groups, &other.groups, minus) };
        Self { groups, len: self.len, cpu: self.cpu }
    }

    pub(super) fn vartime_sum(&self, first: usize, coefficients: &[Scalar]) -> [u8; ELEMENT_BYTES] {
        let Avx512(()) = self.cpu;
        // SAFETY: `self.cpu` exists, so the CPU has the instructions.
        unsafe { sum::vartime_sum(&self.groups, first, coefficients) }
    }
}

impl Drop for Points {
    fn drop(&mut self) {
        self.groups.iter_mut().for_each(Extended::wipe);
    }
}

avx512! {
    fn decode(encodings: &[[u8; ELEMENT_BYTES]], verdicts: &mut [Verdict]) -> Vec<Extended> {
        let mut groups = Vec::with_capacity(encodings.len().div_ceil(2 * LANES) * 2);
        for (encodings, verdicts) in encodings.chunks(2 * LANES).zip(verdicts.chunks_mut(2 * LANES)) {
            let (first, second) = encodings.split_at(encodings.len().min(LANES));
            let decoded = codec::decode(&[read_words(first, 0), read_words(second, 0)]);
            for ((point, found), verdicts) in decoded.into_iter().zip(verdicts.chunks_mut(LANES)) {
                groups.push(point);
                spell_out(found, verdicts);
            }
        }
        groups
    }
}

fn spell_out(found: Verdicts, verdicts: &mut [Verdict]) {
    for (lane, verdict) in verdicts.iter_mut().enumerate() {
        *verdict = match (found.valid >> lane & 1, found.identity >> lane & 1) {
            (0, _) => Verdict::Malformed,
            (_, 0) => Verdict::Element,
            _ => Verdict::Identity,
        };
    }
}

avx512! {
    fn map(uniform: &[[u8; UNIFORM_BYTES]]) -> Vec<Extended> {
        let mut groups = Vec::with_capacity(uniform.len().div_ceil(LANES));
        for uniform in uniform.chunks(LANES) {
            groups.push(codec::map_uniform(read_words(uniform, 0), read_words(uniform, UNIFORM_BYTES / 2)));
        }
        groups
    }
}

avx512! {
    fn encode(groups: &[Extended], out: &mut [[u8; ELEMENT_BYTES]]) {
        for (groups, out) in groups.chunks(2).zip(out.chunks_mut(2 * LANES)) {
            let second = groups.get(1).unwrap_or(&groups[0]);
            let words = codec::encode(&[groups[0], *second]);
            for (words, out) in words.into_iter().zip(out.chunks_mut(LANES)) {
                write_words(words, out);
            }
        }
    }
}

avx512! {
    fn combine(groups: &[Extended], others: &[Extended], minus: bool) -> Vec<Extended> {
        let lanes = if minus { u8::MAX } else { 0 };
        let mut combined = Vec::with_capacity(groups.len());
        for (group, other) in groups.iter().zip(others) {
            combined.push(group.add(other.cached(), lanes).to_extended());
        }
        combined
    }
}

avx512! {
    fn multiply(groups: &[Extended], scalar: &Scalar, out: &mut [[u8; ELEMENT_BYTES]]) {
        let digits = Digits::half_of(scalar);
        let mut products = Vec::with_capacity(BLOCK_ELEMENTS / LANES);
        for (groups, out) in groups.chunks(BLOCK_ELEMENTS / LANES).zip(out.chunks_mut(BLOCK_ELEMENTS)) {
            for group in groups {
                products.push(point::multiply(group, &digits));
            }
            encode_doubles(&products, out);
            products.iter_mut().for_each(Projective::wipe);
            products.clear();
        }
    }
}

avx512! {
    fn multiply_each(groups: &[Extended], scalars: &[Scalar], out: &mut [[u8; ELEMENT_BYTES]]) {
        let mut products = Vec::with_capacity(BLOCK_ELEMENTS / LANES);
        let blocks = groups.chunks(BLOCK_ELEMENTS / LANES).zip(scalars.chunks(BLOCK_ELEMENTS));
        for ((groups, scalars), out) in blocks.zip(out.chunks_mut(BLOCK_ELEMENTS)) {
            for (group, scalars) in groups.iter().zip(scalars.chunks(LANES)) {
                products.push(point::multiply(group, &Digits::halves_of(scalars)));
            }
            encode_doubles(&products, out);
            products.iter_mut().for_each(Projective::wipe);
            products.clear();
        }
    }
}

#[cfg(test)]
mod tests;
