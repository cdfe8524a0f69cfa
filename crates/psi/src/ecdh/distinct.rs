//! Finding repeated points in what a peer sends.

use rand_core::Rng;
use symbolon_primitives::prg::Prg;

/// A set of points of known size, as 128-bit fingerprints in one flat table.
///
/// A fingerprint is two sums of products of the point's words with random 128-bit keys, high halves: over the
/// choice of keys two given points collide with probability 2^-128. The peer never sees a key, so it can
/// neither make collisions nor crowd a region of the table, and among 2^24 honest points a false alarm has
/// probability below 2^-80.
pub(crate) struct DistinctPoints {
    keys: [[u128; 5]; 2],
    slots: Vec<[u64; 2]>,
}

/// No fingerprint takes this value, see [`DistinctPoints::fingerprint`].
const FREE: [u64; 2] = [0, 0];

impl DistinctPoints {
    /// An empty set with room for `points` points.
    pub(crate) fn new(mut prg: Prg, points: u64) -> Self {
        let mut keys = [[0; 5]; 2];
        for key in keys.as_flattened_mut() {
            *key = (u128::from(prg.next_u64()) << 64) | u128::from(prg.next_u64());
        }
        // A third more slots than points keeps the runs of taken slots short.
        let slots = usize::try_from(points + points / 3 + 2).expect("declared rows are below the ceiling of 2^30");
        Self { keys, slots: vec![FREE; slots] }
    }

    /// Adds `point`; `false` when it is there already. At most the announced number of points may be added.
    pub(crate) fn insert(&mut self, point: &[u8; 32]) -> bool {
        let fingerprint = self.fingerprint(point);
        let slot = self.slot(fingerprint);
        let new = self.slots[slot] == FREE;
        self.slots[slot] = fingerprint;
        new
    }

    /// Whether `point` was added.
    pub(crate) fn contains(&self, point: &[u8; 32]) -> bool {
        self.slots[self.slot(self.fingerprint(point))] != FREE
    }

    /// The slot that holds `fingerprint`, or the free one where it belongs. There is always a free one.
    fn slot(&self, fingerprint: [u64; 2]) -> usize {
        let place = (u128::from(fingerprint[0]) * self.slots.len() as u128) >> 64;
        let mut slot = usize::try_from(place).expect("a slot number is below the number of slots");
        while self.slots[slot] != fingerprint && self.slots[slot] != FREE {
            slot = if slot + 1 == self.slots.len() { 0 } else { slot + 1 };
        }
        slot
    }

    fn fingerprint(&self, point: &[u8; 32]) -> [u64; 2] {
        let words = point.as_chunks::<8>().0;
        let [first, second] = self.keys.each_ref().map(|keys| {
            let sum = words.iter().zip(&keys[1..]).fold(keys[0], |sum, (word, key)| {
                sum.wrapping_add(key.wrapping_mul(u128::from(u64::from_le_bytes(*word))))
            });
            u64::try_from(sum >> 64).expect("the high half of 128 bits has 64")
        });
        // Bit 0 set keeps every fingerprint apart from FREE; it costs one bit of 128.
        [first, second | 1]
    }
}

#[cfg(test)]
mod tests {
    use symbolon_primitives::secret::Secret;

    use super::*;

    #[test]
    fn each_point_is_new_once() {
        let mut rng = Prg::new(Secret::new([1; 32]));
        let mut set = DistinctPoints::new(Prg::new(Secret::new([2; 32])), 5_000);
        let mut points = vec![[0_u8; 32]; 5_000];
        points.iter_mut().for_each(|point| rng.fill_bytes(point));
        points[0] = [0; 32];
        points[1] = [0; 32];
        points[1][31] = 1;
        assert!(points.iter().all(|point| !set.contains(point) && set.insert(point)));
        assert!(points.iter().all(|point| set.contains(point) && !set.insert(point)));
    }

    #[test]
    fn one_differing_bit_makes_another_point() {
        let mut set = DistinctPoints::new(Prg::new(Secret::new([2; 32])), 257);
        assert!(set.insert(&[7; 32]));
        for bit in 0..256 {
            let mut point = [7_u8; 32];
            point[bit / 8] ^= 1 << (bit % 8);
            assert!(set.insert(&point), "bit {bit}");
        }
    }
}
