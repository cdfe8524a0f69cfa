//! Many elements at once, for sums that single items do not need.

use std::fmt;

use symbolon_kernels::ristretto8::{Points, Verdict};

use super::{ELEMENT_BYTES, Element, SecretScalar, decode_points, scalars_of};
use crate::Error;

/// Bytes that are mapped to one element.
const UNIFORM_BYTES: usize = symbolon_kernels::ristretto8::UNIFORM_BYTES;

/// Elements of the group in a fixed order; sums of them may be the identity. Wiped when dropped.
pub struct Elements(Points);

impl Elements {
    /// Decodes canonical encodings of elements other than the identity.
    ///
    /// # Errors
    /// [`Error::Encoding`] when one of them is not canonical or is the identity.
    pub fn decode(encodings: &[[u8; ELEMENT_BYTES]]) -> Result<Self, Error> {
        decode_points(encodings).map(Self)
    }

    /// Maps uniform bytes to the group one way (RFC 9496, section 4.3.4).
    #[must_use]
    pub fn map(uniform: &[[u8; UNIFORM_BYTES]]) -> Self {
        Self(Points::map(uniform))
    }

    /// The generator times each scalar.
    #[must_use]
    pub fn mul_base(scalars: &[SecretScalar]) -> Self {
        let one = SecretScalar(curve25519_dalek::Scalar::ONE);
        let products = Self::repeat(&Element::mul_base(&one), scalars.len()).multiply_each(scalars);
        let (points, verdicts) = Points::decode(&products);
        debug_assert!(verdicts.iter().all(|verdict| *verdict == Verdict::Element), "a product is an element");
        Self(points)
    }

    /// `count` times the same element.
    #[must_use]
    pub fn repeat(element: &Element, count: usize) -> Self {
        let (points, _) = Points::decode(&[element.encode()]);
        Self(points.gather(&vec![0; count]))
    }

    /// How many elements there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The sums of the elements in the same places.
    ///
    /// # Panics
    /// When `other` has another length.
    #[must_use]
    pub fn plus(&self, other: &Self) -> Self {
        Self(self.0.combine(&other.0, false))
    }

    /// The differences of the elements in the same places.
    ///
    /// # Panics
    /// When `other` has another length.
    #[must_use]
    pub fn minus(&self, other: &Self) -> Self {
        Self(self.0.combine(&other.0, true))
    }

    /// The canonical encodings; that of the identity is 32 zero bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<[u8; ELEMENT_BYTES]> {
        let mut out = vec![[0; ELEMENT_BYTES]; self.len()];
        self.0.encode(&mut out);
        out
    }

    /// The encodings of all elements times `scalar`.
    #[must_use]
    pub fn multiply(&self, scalar: &SecretScalar) -> Vec<[u8; ELEMENT_BYTES]> {
        let mut out = vec![[0; ELEMENT_BYTES]; self.len()];
        self.0.multiply(scalar.scalar(), &mut out);
        out
    }

    /// The encodings of the elements, each times its scalar.
    ///
    /// # Panics
    /// When there is another number of scalars.
    #[must_use]
    pub fn multiply_each(&self, scalars: &[SecretScalar]) -> Vec<[u8; ELEMENT_BYTES]> {
        let mut out = vec![[0; ELEMENT_BYTES]; self.len()];
        self.0.multiply_each(&scalars_of(scalars), &mut out);
        out
    }
}

impl fmt::Debug for Elements {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Elements").field("len", &self.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prg::Prg;
    use crate::secret::Secret;

    #[test]
    fn many_agree_with_one_by_one() {
        let mut rng = Prg::new(Secret::new([5; 32]));
        let scalars = SecretScalar::random_batch(20, &mut rng);
        let element = Element::random(&mut rng);
        let base = Elements::mul_base(&scalars);
        let expected: Vec<_> = scalars.iter().map(|scalar| Element::mul_base(scalar).encode()).collect();
        assert_eq!(base.encode(), expected);

        let many = Elements::repeat(&element, 20);
        let products = many.multiply_each(&scalars);
        let expected: Vec<_> = scalars.iter().map(|scalar| element.mul(scalar).encode()).collect();
        assert_eq!(products, expected);
        assert_eq!(many.multiply(&scalars[3]), vec![expected[3]; 20]);

        let sums = base.plus(&Elements::decode(&products).unwrap());
        assert_eq!(sums.minus(&base).encode(), products);
        assert_eq!(base.minus(&base).encode(), vec![[0; 32]; 20]);
        assert!(matches!(Elements::decode(&[[0; 32]]), Err(Error::Encoding { .. })));
        assert_eq!(format!("{many:?}"), "Elements { len: 20, .. }");
        assert!(!many.is_empty() && Elements::map(&[]).is_empty());
    }
}
