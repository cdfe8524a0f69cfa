//! The group ristretto255 (RFC 9496) on many elements: decode or map to the group, multiply, encode.
//!
//! # What it computes
//! [`Points::decode`] and [`Points::map`] take bytes to group elements, [`Points::multiply`] and
//! [`Points::multiply_each`] give the encodings of their products with one scalar for all or one scalar each.
//! [`Points::vartime_sum`] sums up products of public values, as proofs over a whole batch need. The results are those
//! of RFC 9496 and the same on every backend.
//!
//! # Backends
//! * AVX-512 IFMA: eight elements side by side, one a lane; a product of 52-bit numbers in eight lanes is one
//!   instruction. Used when the CPU has avx512f, avx512dq, avx512vl and avx512ifma.
//! * Portable: curve25519-dalek, one element after the other. It defines the results.
//!
//! # Security
//! Functions take the same time for all values of scalars and elements, and touch the same addresses; only those
//! named `vartime_` do not. For the vector backend the argument is:
//! * The field functions are straight lines of additions, multiplications, shifts and masks on vectors, whose time
//!   does not depend on their operands on the CPUs that have them. Choices are blends by a mask register.
//! * Exponents of powers are constants. The loop of the multiplication runs 64 times whatever the scalar is: its
//!   digits come from one addition to the whole scalar, shifts and masks.
//! * A multiple is chosen from its table by reading all eight entries and blending by comparison of each number
//!   with the digit; the sign swaps and negates by masks.
//! * Point formulas are complete, so no operand needs a case of its own. A product of zero under the shared
//!   inversion is replaced by mask, and its encoding by zero.
//! * What may branch is how many elements there are. Whether an encoding is malformed is found without branches and
//!   returned; what the caller does then is its matter.
//!
//! The compiler could undo this; `cargo bench -p symbolon-kernels --bench timing` compares running times of a fixed
//! and of random scalars, and of digits, by Welch's t-test.
//!
//! Points and digits are wiped when they are dropped. What the compiler leaves in registers and below the stack is
//! out of reach.
//!
//! # Cost
//! On one thread of a Zen 4 server about 5.5 us to decode, multiply and encode, 6 us with the map, when the number
//! of elements is a multiple of 8 and large enough (256) for an inversion to be shared; 0.75 us for each product of
//! a sum of thousands.
//!
//! # Where it differs from the RFC
//! The encoding of a product k·P is made from (k/2)·P by a doubling that needs no square root of its own, and
//! inversions are shared among 256 elements; `doubled` in the vector backend says why that is the same.
//!
//! # References
//! * [RFC 9496](https://www.rfc-editor.org/rfc/rfc9496.html)
//! * Hisil, Wong, Carter, Dawson, [Twisted Edwards Curves Revisited](https://eprint.iacr.org/2008/522)
//! * Gueron, Krasnov, [Accelerating Big Integer Arithmetic Using Intel IFMA Extensions](https://doi.org/10.1109/ARITH.2016.22)

use std::fmt;

use curve25519_dalek::Scalar;

mod portable;
#[cfg(target_arch = "x86_64")]
mod x86_64;

/// Bytes of an encoded element.
pub const ELEMENT_BYTES: usize = 32;

/// Bytes that are mapped to one element.
pub const UNIFORM_BYTES: usize = 64;

/// Elements that share one inversion when they are encoded; the best size for one task of a thread pool.
pub const BLOCK_ELEMENTS: usize = 256;

/// What an encoding turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verdict {
    /// An element other than the identity.
    Element,
    /// The identity: 32 zero bytes.
    Identity,
    /// No element has this encoding.
    Malformed,
}

/// Decoded or mapped elements; wiped when dropped, never printed.
pub struct Points(Inner);

enum Inner {
    Portable(portable::Points),
    #[cfg(target_arch = "x86_64")]
    Avx512(x86_64::Points),
}

/// Where a computation runs.
#[derive(Clone, Copy, Debug)]
enum Backend {
    Portable,
    #[cfg(target_arch = "x86_64")]
    Avx512(x86_64::Avx512),
}

impl Backend {
    /// The fastest backend that this CPU has.
    fn best() -> Self {
        #[cfg(all(
            target_arch = "x86_64",
            not(any(kernels_force = "portable", kernels_force = "avx2", kernels_force = "neon"))
        ))]
        if let Some(cpu) = x86_64::Avx512::detect() {
            return Self::Avx512(cpu);
        }
        Self::Portable
    }
}

/// The name of the backend that this CPU gets: `avx512` or `portable`.
#[must_use]
pub fn backend() -> &'static str {
    match Backend::best() {
        Backend::Portable => "portable",
        #[cfg(target_arch = "x86_64")]
        Backend::Avx512(_) => "avx512",
    }
}

impl Points {
    /// Decodes elements strictly (RFC 9496, section 4.3.1) and says of each what it is. In place of what is
    /// malformed stands the identity.
    #[must_use]
    pub fn decode(encodings: &[[u8; ELEMENT_BYTES]]) -> (Self, Vec<Verdict>) {
        Self::decode_on(Backend::best(), encodings)
    }

    fn decode_on(backend: Backend, encodings: &[[u8; ELEMENT_BYTES]]) -> (Self, Vec<Verdict>) {
        let mut verdicts = vec![Verdict::Malformed; encodings.len()];
        let inner = match backend {
            Backend::Portable => Inner::Portable(portable::Points::decode(encodings, &mut verdicts)),
            #[cfg(target_arch = "x86_64")]
            Backend::Avx512(cpu) => Inner::Avx512(cpu.decode(encodings, &mut verdicts)),
        };
        (Self(inner), verdicts)
    }

    /// Maps uniform bytes to the group one way (RFC 9496, section 4.3.4).
    #[must_use]
    pub fn map(uniform: &[[u8; UNIFORM_BYTES]]) -> Self {
        Self::map_on(Backend::best(), uniform)
    }

    fn map_on(backend: Backend, uniform: &[[u8; UNIFORM_BYTES]]) -> Self {
        Self(match backend {
            Backend::Portable => Inner::Portable(portable::Points::map(uniform)),
            #[cfg(target_arch = "x86_64")]
            Backend::Avx512(cpu) => Inner::Avx512(cpu.map(uniform)),
        })
    }

    /// How many elements there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        match &self.0 {
            Inner::Portable(points) => points.len(),
            #[cfg(target_arch = "x86_64")]
            Inner::Avx512(points) => points.len(),
        }
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Puts the elements of all parts behind each other.
    ///
    /// # Panics
    /// When a part but the last has a length that 8 does not divide.
    #[must_use]
    pub fn join(parts: &[Self]) -> Self {
        let Some((last, others)) = parts.split_last() else { return Self::map(&[]) };
        assert!(others.iter().all(|part| part.len().is_multiple_of(8)), "a part but the last divides by 8");
        let count = parts.iter().map(Self::len).sum();
        let mut joined = match &last.0 {
            Inner::Portable(_) => Inner::Portable(portable::Points::with_capacity(count)),
            #[cfg(target_arch = "x86_64")]
            Inner::Avx512(points) => Inner::Avx512(points.with_capacity(count)),
        };
        for part in parts {
            match (&mut joined, &part.0) {
                (Inner::Portable(joined), Inner::Portable(part)) => joined.extend(part),
                #[cfg(target_arch = "x86_64")]
                (Inner::Avx512(joined), Inner::Avx512(part)) => joined.extend(part),
                #[cfg(target_arch = "x86_64")]
                _ => unreachable!("the backend does not change while a program runs"),
            }
        }
        Self(joined)
    }

    /// The elements at `positions`, in their order; a position may occur many times.
    ///
    /// # Panics
    /// When a position is not below the number of elements.
    #[must_use]
    pub fn gather(&self, positions: &[usize]) -> Self {
        assert!(positions.iter().all(|position| *position < self.len()), "positions lie in the batch");
        Self(match &self.0 {
            Inner::Portable(points) => Inner::Portable(points.gather(positions)),
            #[cfg(target_arch = "x86_64")]
            Inner::Avx512(points) => Inner::Avx512(points.gather(positions)),
        })
    }

    /// The sums of the elements in the same places, or with `minus` what is left when those of `other` are taken away.
    ///
    /// # Panics
    /// When `other` has another length.
    #[must_use]
    pub fn combine(&self, other: &Self, minus: bool) -> Self {
        assert_eq!(other.len(), self.len(), "one element of the other for each");
        Self(match (&self.0, &other.0) {
            (Inner::Portable(points), Inner::Portable(other)) => Inner::Portable(points.combine(other, minus)),
            #[cfg(target_arch = "x86_64")]
            (Inner::Avx512(points), Inner::Avx512(other)) => Inner::Avx512(points.combine(other, minus)),
            #[cfg(target_arch = "x86_64")]
            _ => unreachable!("the backend does not change while a program runs"),
        })
    }

    /// The encoding of Σ c_i·P_(`first` + i) over all coefficients c_i. Variable time: for public coefficients and
    /// elements.
    ///
    /// # Panics
    /// When there are more coefficients than elements from `first` on.
    #[must_use]
    pub fn vartime_sum(&self, first: usize, coefficients: &[Scalar]) -> [u8; ELEMENT_BYTES] {
        let rest = self.len().checked_sub(first);
        assert!(rest.is_some_and(|rest| coefficients.len() <= rest), "one element for each coefficient");
        match &self.0 {
            Inner::Portable(points) => points.vartime_sum(first, coefficients),
            #[cfg(target_arch = "x86_64")]
            Inner::Avx512(points) => points.vartime_sum(first, coefficients),
        }
    }

    /// Writes the encodings of all elements.
    ///
    /// # Panics
    /// When `out` has another length.
    pub fn encode(&self, out: &mut [[u8; ELEMENT_BYTES]]) {
        assert_eq!(out.len(), self.len(), "one encoding for each element");
        match &self.0 {
            Inner::Portable(points) => points.encode(out),
            #[cfg(target_arch = "x86_64")]
            Inner::Avx512(points) => points.encode(out),
        }
    }

    /// Writes the encodings of all elements times `scalar`.
    ///
    /// # Panics
    /// When `out` has another length.
    pub fn multiply(&self, scalar: &Scalar, out: &mut [[u8; ELEMENT_BYTES]]) {
        assert_eq!(out.len(), self.len(), "one encoding for each element");
        match &self.0 {
            Inner::Portable(points) => points.multiply(scalar, out),
            #[cfg(target_arch = "x86_64")]
            Inner::Avx512(points) => points.multiply(scalar, out),
        }
    }

    /// Writes the encodings of all elements, each times its scalar.
    ///
    /// # Panics
    /// When `scalars` or `out` has another length.
    pub fn multiply_each(&self, scalars: &[Scalar], out: &mut [[u8; ELEMENT_BYTES]]) {
        assert_eq!(out.len(), self.len(), "one encoding for each element");
        assert_eq!(scalars.len(), self.len(), "one scalar for each element");
        match &self.0 {
            Inner::Portable(points) => points.multiply_each(scalars, out),
            #[cfg(target_arch = "x86_64")]
            Inner::Avx512(points) => points.multiply_each(scalars, out),
        }
    }
}

impl fmt::Debug for Points {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Points").field("len", &self.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
