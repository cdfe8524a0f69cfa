//! Elements of GF(2^128), and the one of them that is secret.

use std::fmt;

use rand_core::CryptoRng;
use zeroize::{Zeroize, ZeroizeOnDrop};

/// An element of GF(2^128), or 128 bits: bit i is the coefficient of x^i modulo x^128 + x^7 + x^2 + x + 1. As bytes
/// it is little-endian.
pub type Block = u128;

/// Bytes of an encoded [`Block`].
pub const BLOCK_BYTES: usize = 16;

/// The sender's fixed factor Δ in a correlation V = B ⊕ Δ·U. Wiped when dropped, never printed, not cloned.
///
/// # Security
/// Whoever learns it can evaluate everything the correlation hides, for all slots made under it.
pub struct Delta(Block);

impl Delta {
    /// Wraps a value; the caller wipes any copy it keeps.
    #[must_use]
    pub const fn new(value: Block) -> Self {
        Self(value)
    }

    /// Draws the factor uniformly.
    pub fn random(rng: &mut (impl CryptoRng + ?Sized)) -> Self {
        Self(random_block(rng))
    }

    /// Gives access to the value.
    #[must_use]
    pub const fn expose(&self) -> Block {
        self.0
    }
}

impl Drop for Delta {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl ZeroizeOnDrop for Delta {}

impl fmt::Debug for Delta {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Delta(..)")
    }
}

/// Draws a block uniformly.
pub(crate) fn random_block(rng: &mut (impl CryptoRng + ?Sized)) -> Block {
    let mut bytes = [0_u8; BLOCK_BYTES];
    rng.fill_bytes(&mut bytes);
    let block = Block::from_le_bytes(bytes);
    bytes.zeroize();
    block
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_nothing() {
        let delta = Delta::new(0xABCD_EF01);
        assert_eq!(format!("{delta:?}{delta:#?}"), "Delta(..)Delta(..)");
        assert_eq!(delta.expose(), 0xABCD_EF01);
    }
}
