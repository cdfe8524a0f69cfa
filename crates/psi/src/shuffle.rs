//! Uniformly random orders.

use rand_core::Rng;
use symbolon_primitives::prg::Prg;

/// Brings `values` into a uniformly random order.
pub(crate) fn shuffle<T>(rng: &mut Prg, values: &mut [T]) {
    for last in (1..values.len()).rev() {
        let other = below(rng, last as u64 + 1);
        values.swap(last, usize::try_from(other).expect("at most the position it was drawn below"));
    }
}

/// A uniform number below `bound`: the high half of a product, drawn again in the biased corner.
fn below(rng: &mut Prg, bound: u64) -> u64 {
    loop {
        let product = u128::from(rng.next_u64()) * u128::from(bound);
        #[expect(clippy::cast_possible_truncation, reason = "the low half decides about the corner")]
        let low = product as u64;
        if low >= bound.wrapping_neg() % bound {
            return u64::try_from(product >> 64).expect("the high half of 128 bits has 64");
        }
    }
}

#[cfg(test)]
mod tests {
    use symbolon_primitives::secret::Secret;

    use super::*;

    #[test]
    fn shuffling_three_is_uniform() {
        let mut rng = Prg::new(Secret::new([3; 32]));
        let mut counts = std::collections::BTreeMap::new();
        for _ in 0..6_000 {
            let mut values = [0, 1, 2];
            shuffle(&mut rng, &mut values);
            *counts.entry(values).or_insert(0_u32) += 1;
        }
        assert_eq!(counts.len(), 6);
        assert!(counts.values().all(|count| (850..1_150).contains(count)), "{counts:?}");
    }

    #[test]
    fn a_bounded_draw_stays_below() {
        let mut rng = Prg::new(Secret::new([4; 32]));
        for bound in [1, 2, 3, 1 << 20, u64::MAX] {
            assert!((0..100).all(|_| below(&mut rng, bound) < bound));
        }
    }
}
