//! Chunks of points and the random order in which items travel.

use rand_core::Rng;
use symbolon_primitives::group::SecretScalar;
use symbolon_primitives::kdf::Label;
use symbolon_primitives::prg::Prg;

use crate::frame::Frame;
use crate::items::{EncodedItems, ItemEncoder, ItemSet};
use crate::shuffle::shuffle;

/// Points in every frame but the last of a step.
pub(crate) const POINTS_PER_FRAME: usize = 4_096;

/// Bytes of an encoded point.
pub(crate) const POINT_BYTES: usize = 32;

/// The points of a frame, without anything behind them. The length was checked when the frame was accepted.
pub(crate) fn points(frame: &Frame, extra_bytes: usize) -> &[[u8; POINT_BYTES]] {
    let body = frame.body();
    body[..body.len() - extra_bytes].as_chunks().0
}

/// The order in which a side sends its keys: position in the list -> key, with padding among them.
pub(crate) struct Order {
    slots: Vec<u32>,
    keys: usize,
}

impl Order {
    /// A random order of `keys` keys and as many padding items as fill `total`.
    pub(crate) fn random(prg: &Prg, keys: usize, total: u64) -> Self {
        let total = u32::try_from(total).expect("declared rows are below the ceiling of 2^30");
        let mut slots: Vec<u32> = (0..total).collect();
        shuffle(&mut prg.fork(Label::Order, 0), &mut slots);
        Self { slots, keys }
    }

    /// Positions altogether.
    pub(crate) const fn len(&self) -> u64 {
        self.slots.len() as u64
    }

    /// For each position of `range` the key there, or `None` for padding.
    pub(crate) fn keys(&self, range: std::ops::Range<usize>) -> impl Iterator<Item = Option<usize>> {
        let known = self.keys;
        self.slots[range].iter().map(move |slot| Some(*slot as usize).filter(|key| *key < known))
    }

    /// Encodes the items of `range`. Padding becomes items of random bytes, so that it costs as much time as keys
    /// and gives points that nobody can tell from theirs.
    pub(crate) fn encode(
        &self,
        range: std::ops::Range<usize>,
        set: &ItemSet,
        encoder: &ItemEncoder,
        prg: &mut Prg,
    ) -> EncodedItems {
        let mut padding = vec![[0_u8; 32]; self.keys(range.clone()).filter(Option::is_none).count()];
        padding.iter_mut().for_each(|item| prg.fill_bytes(item));
        let mut spare = padding.iter();
        let items = self.keys(range).filter_map(|key| match key {
            Some(key) => set.get(key),
            None => spare.next().map(|item| &item[..]),
        });
        encoder.encode(items)
    }
}

/// The blinding scalars of a chunk. They are drawn anew when the chunk comes back instead of being kept.
pub(crate) fn blinds(prg: &Prg, chunk: u32, count: usize) -> Vec<SecretScalar> {
    let mut rng = prg.fork(Label::Blinds, u64::from(chunk));
    (0..count).map(|_| SecretScalar::random_nonzero(&mut rng)).collect()
}

#[cfg(test)]
mod tests {
    use symbolon_primitives::secret::Secret;

    use super::*;

    #[test]
    fn an_order_holds_every_key_once_and_depends_on_the_seed() {
        let order = |seed| Order::random(&Prg::new(Secret::new([seed; 32])), 900, 1_000);
        let mut keys: Vec<_> = order(1).keys(0..1_000).flatten().collect();
        assert_ne!(keys, (0..900).collect::<Vec<_>>());
        keys.sort_unstable();
        assert_eq!(keys, (0..900).collect::<Vec<_>>());
        assert_eq!(order(1).slots, order(1).slots);
        assert_ne!(order(1).slots, order(2).slots);
    }
}
