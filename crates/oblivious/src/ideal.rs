//! Ideal correlations: what the protocols of this crate compute, made by one hand from a seed.
//!
//! For tests of the layers above. Whoever has the seed knows both shares.

use rand_core::Rng;
use symbolon_primitives::kdf::Label;
use symbolon_primitives::prg::Prg;
use symbolon_primitives::secret::Seed;

use crate::block::{Block, Delta, random_block};
use crate::vole::{ReceiverShare, SenderShare};

/// V = B ⊕ Δ·U for `slots` slots. The same seed gives the same shares; Δ does not depend on how many slots there
/// are, so two calls with forks of one seed would need a factor of their own each.
#[must_use]
pub fn vole(seed: Seed, slots: usize) -> (ReceiverShare, SenderShare, Delta) {
    let mut rng = Prg::new(seed).fork(Label::IdealVole, 0);
    let delta = random_block(&mut rng);
    let mut draw = || -> Vec<Block> {
        let mut bytes = vec![0_u8; slots * 16];
        rng.fill_bytes(&mut bytes);
        bytes.as_chunks().0.iter().map(|chunk| Block::from_le_bytes(*chunk)).collect()
    };
    let (u, b) = (draw(), draw());
    let v = u.iter().zip(&b).map(|(u, b)| b ^ multiply(delta, *u)).collect();
    (ReceiverShare { u, v }, SenderShare { b }, Delta::new(delta))
}

/// The product in GF(2^128), bit by bit: slow, and for the tests the definition. Its time depends on the operands.
#[must_use]
pub fn multiply(factor: Block, value: Block) -> Block {
    let (mut product, mut shifted, mut rest) = (0, factor, value);
    while rest != 0 {
        if rest & 1 == 1 {
            product ^= shifted;
        }
        shifted = (shifted << 1) ^ if shifted >> 127 == 1 { 0x87 } else { 0 };
        rest >>= 1;
    }
    product
}

#[cfg(test)]
mod tests {
    use symbolon_primitives::secret::Secret;

    use super::*;

    #[test]
    fn the_product_is_that_of_the_field() {
        assert_eq!(multiply(1, 77), 77);
        assert_eq!(multiply(1 << 127, 2), 0x87);
        assert_eq!(multiply(0x87, 1 << 127), multiply(1 << 127, 0x87));
        let (a, b, c) = (0x1234_5678_9ABC_DEF0_u128 << 60 | 5, 3_u128 << 126, 0xFFFF_u128 << 100);
        assert_eq!(multiply(a, b ^ c), multiply(a, b) ^ multiply(a, c));
        assert_eq!(multiply(multiply(a, b), c), multiply(a, multiply(b, c)));
    }

    #[test]
    fn shares_fit_and_differ_between_seeds() {
        let (receiver, sender, delta) = vole(Secret::new([1; 32]), 100);
        for ((u, v), b) in receiver.u.iter().zip(&receiver.v).zip(&sender.b) {
            assert_eq!(*v, b ^ multiply(delta.expose(), *u));
        }
        let (other, _, other_delta) = vole(Secret::new([2; 32]), 100);
        assert_ne!(receiver.u, other.u);
        assert_ne!(delta.expose(), other_delta.expose());
        assert_eq!(
            format!("{receiver:?} {sender:?}"),
            "ReceiverShare { slots: 100, .. } SenderShare { slots: 100, .. }"
        );
        let (u, v) = receiver.into_parts();
        assert_eq!((u.len(), v.len(), sender.into_parts().len()), (100, 100, 100));
    }
}
