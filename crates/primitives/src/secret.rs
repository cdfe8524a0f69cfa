//! Holders for secret values: wiped when dropped, redacted when printed, never compared with `==`.

use std::fmt;

use zeroize::{Zeroize, ZeroizeOnDrop};

/// A secret value that is wiped when dropped and prints as `Secret(..)`.
///
/// There is no `Clone`, `PartialEq` or serialisation on purpose: a copy is a decision (take it with
/// [`Secret::expose`]), and a comparison belongs to [`Secret::ct_eq_bytes`].
pub struct Secret<T: Zeroize>(T);

/// A 32-byte seed or symmetric key.
pub type Seed = Secret<[u8; 32]>;

impl<T: Zeroize> Secret<T> {
    /// Wraps `value`; the caller wipes any copy it keeps.
    pub const fn new(value: T) -> Self {
        Self(value)
    }

    /// Gives access to the content for the length of a borrow.
    pub const fn expose(&self) -> &T {
        &self.0
    }

    /// Gives mutable access to the content for the length of a borrow.
    pub const fn expose_mut(&mut self) -> &mut T {
        &mut self.0
    }
}

impl<T: Zeroize + AsRef<[u8]>> Secret<T> {
    /// Compares with `other` in time that depends on the lengths only.
    #[must_use]
    pub fn ct_eq_bytes(&self, other: &[u8]) -> bool {
        subtle::ConstantTimeEq::ct_eq(self.0.as_ref(), other).into()
    }
}

impl Seed {
    /// Draws 32 fresh bytes from the operating system.
    ///
    /// # Errors
    /// [`Error::Environment`](crate::Error::Environment) when the system has no entropy to give.
    pub fn random() -> Result<Self, crate::Error> {
        let mut bytes = [0_u8; 32];
        getrandom::fill(&mut bytes).map_err(|_| crate::Error::Environment { what: "system randomness" })?;
        Ok(Self(bytes))
    }
}

impl<T: Zeroize> Drop for Secret<T> {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl<T: Zeroize> ZeroizeOnDrop for Secret<T> {}

impl<T: Zeroize> fmt::Debug for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_nothing() {
        let secret = Secret::new([0xAB_u8; 32]);
        let text = format!("{secret:?} {secret:#?}");
        assert_eq!(text, "Secret(..) Secret(..)");
    }

    #[test]
    fn constant_time_comparison_agrees_with_equality() {
        let secret = Secret::new([7_u8; 32]);
        assert!(secret.ct_eq_bytes(&[7; 32]));
        assert!(!secret.ct_eq_bytes(&[8; 32]));
        assert!(!secret.ct_eq_bytes(&[7; 31]));
    }
}
