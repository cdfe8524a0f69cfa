//! The rows of each key.

use symbolon_primitives::prg::Prg;

use crate::items::SenderInput;
use crate::shuffle::shuffle;

/// Rows by key, those of one key in random order: their number is seen by the receiver and must not tell where in
/// the sender's table they were.
pub(crate) struct Grouped {
    /// The rows of key k are `rows_by_key[starts[k]..starts[k + 1]]`.
    starts: Vec<u32>,
    rows_by_key: Vec<u32>,
}

impl Grouped {
    pub(crate) fn new(input: &SenderInput, rng: &mut Prg) -> Self {
        let mut starts = vec![0_u32; input.keys.len() + 1];
        for key in &input.row_key {
            starts[*key as usize + 1] += 1;
        }
        let mut sum = 0;
        for start in &mut starts {
            sum += *start;
            *start = sum;
        }
        let mut next = starts.clone();
        let mut rows_by_key = vec![0; input.row_key.len()];
        for (row, key) in (0_u32..).zip(&input.row_key) {
            let place = &mut next[*key as usize];
            rows_by_key[*place as usize] = row;
            *place += 1;
        }
        for bounds in starts.windows(2) {
            shuffle(rng, &mut rows_by_key[bounds[0] as usize..bounds[1] as usize]);
        }
        Self { starts, rows_by_key }
    }

    /// The rows of a key.
    pub(crate) fn rows(&self, key: usize) -> &[u32] {
        &self.rows_by_key[self.starts[key] as usize..self.starts[key + 1] as usize]
    }

    /// How many rows some neighbouring keys have together.
    pub(crate) fn count(&self, keys: std::ops::Range<usize>) -> usize {
        (self.starts[keys.end] - self.starts[keys.start]) as usize
    }

    /// The number of keys.
    pub(crate) const fn keys(&self) -> usize {
        self.starts.len() - 1
    }
}

#[cfg(test)]
mod tests {
    use symbolon_primitives::secret::Secret;

    use super::*;
    use crate::items::ItemSet;

    #[test]
    fn rows_are_grouped_and_shuffled_within_their_key() {
        let keys: ItemSet = [&b"a"[..], b"b", b"c"].into_iter().collect();
        let row_key: Vec<u32> = (0..3_000).map(|row| if row % 3 == 2 { 2 } else { 0 }).collect();
        let input = SenderInput { keys, row_key, payload: Vec::new() };
        let grouped = Grouped::new(&input, &mut Prg::new(Secret::new([1; 32])));
        assert_eq!(grouped.starts, [0, 2_000, 2_000, 3_000]);
        assert_eq!([0..1, 1..2, 0..3].map(|keys| grouped.count(keys)), [2_000, 0, 3_000]);
        let (first, last) = (grouped.rows(0), grouped.rows(2));
        assert!(grouped.rows(1).is_empty() && grouped.keys() == 3);
        assert!(first.iter().all(|row| row % 3 != 2) && last.iter().all(|row| row % 3 == 2));
        assert!(!first.is_sorted() && !last.is_sorted());
        let mut all = [first, last].concat();
        all.sort_unstable();
        assert_eq!(all, (0..3_000).collect::<Vec<_>>());
    }
}
