//! Sealed rows in the order of their tags.

use rayon::prelude::*;

use crate::machine::Progress;
use crate::payload::RowLayout;
use crate::tags::{RANKED_BYTES, Ranked, sort};

/// Sealed rows with the order of their tags. Sorting is what shuffles them: tags are random.
pub(crate) struct SortedRows {
    sealed: Vec<u8>,
    layout: RowLayout,
    order: Vec<u32>,
}

impl SortedRows {
    pub(crate) fn new(sealed: Vec<u8>, layout: RowLayout) -> Self {
        let (row_bytes, tag_bytes) = (layout.row_bytes(), layout.tag_bytes());
        let tag = |row: u32| &sealed[row as usize * row_bytes..][..tag_bytes];
        let rows = u32::try_from(sealed.len() / row_bytes).expect("declared rows are below the ceiling of 2^30");
        let ranked: Vec<Ranked> =
            (0..rows).into_par_iter().with_min_len(1 << 12).map(|row| Ranked::new(tag(row), row)).collect();
        let ranked = sort(ranked);
        let mut order: Vec<u32> = ranked.iter().map(|entry| entry.index).collect();
        if tag_bytes > RANKED_BYTES {
            let mut rest = &mut order[..];
            for alike in ranked.chunk_by(|one, two| one.tag() == two.tag()) {
                let (rows, behind) = rest.split_at_mut(alike.len());
                rows.sort_unstable_by(|one, two| tag(*one).cmp(tag(*two)));
                rest = behind;
            }
        }
        Self { sealed, layout, order }
    }

    /// Whether two rows have the same tag.
    pub(crate) fn has_equal_tags(&self) -> bool {
        let tag = |row: &u32| &self.sealed[*row as usize * self.layout.row_bytes()..][..self.layout.tag_bytes()];
        self.order.par_windows(2).any(|pair| tag(&pair[0]) == tag(&pair[1]))
    }

    /// The rows at `positions` of the sorted order.
    pub(crate) fn range(&self, positions: std::ops::Range<usize>) -> impl Iterator<Item = &[u8]> {
        let row_bytes = self.layout.row_bytes();
        self.order[positions].iter().map(move |row| &self.sealed[*row as usize * row_bytes..][..row_bytes])
    }

    pub(crate) fn progress(&self, frames_sent: u32) -> Progress {
        let total = self.order.len() as u64;
        let sent = u64::from(frames_sent) * self.layout.rows_per_frame() as u64;
        Progress::new("sending rows", sent.min(total), total)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_sorted_by_the_whole_tag() {
        let layout = RowLayout::new(32, 0, false);
        let mut tags = [[9_u8; 32], [3; 32], [9; 32], [0; 32]];
        tags[0][31] = 10;
        let rows = SortedRows::new(tags.as_flattened().to_vec(), layout);
        let sorted: Vec<&[u8]> = rows.range(0..4).collect();
        assert_eq!(sorted, [&tags[3][..], &tags[1], &tags[2], &tags[0]]);
    }
}
