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
    equal_tags: bool,
}

/// Rows up to this length are copied with a move of a fixed length.
const SHORT_ROW: usize = 16;

impl SortedRows {
    pub(crate) fn new(sealed: Vec<u8>, layout: RowLayout) -> Self {
        let (row_bytes, tag_bytes) = (layout.row_bytes(), layout.tag_bytes());
        let tag = |row: u32| &sealed[row as usize * row_bytes..][..tag_bytes];
        let read = |row: u32| Ranked::read(&sealed[row as usize * row_bytes..], tag_bytes, row);
        let rows = u32::try_from(sealed.len() / row_bytes).expect("declared rows are below the ceiling of 2^30");
        let ranked: Vec<Ranked> = (0..rows).into_par_iter().with_min_len(1 << 12).map(read).collect();
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
        let tag = |place: usize| tag(order[place]);
        let equal_tags = (1..order.len())
            .any(|place| ranked[place - 1].tag() == ranked[place].tag() && tag(place - 1) == tag(place));
        Self { sealed, layout, order, equal_tags }
    }

    /// Whether two rows have the same tag.
    pub(crate) const fn has_equal_tags(&self) -> bool {
        self.equal_tags
    }

    /// Appends the rows at `positions` of the sorted order.
    pub(crate) fn write(&self, positions: std::ops::Range<usize>, out: &mut Vec<u8>) {
        let row_bytes = self.layout.row_bytes();
        let start = out.len();
        out.resize(start + positions.len() * row_bytes, 0);
        let mut rest = &mut out[start..];
        for row in &self.order[positions] {
            let row = &self.sealed[*row as usize * row_bytes..];
            if row_bytes <= SHORT_ROW && rest.len() >= SHORT_ROW && row.len() >= SHORT_ROW {
                // What is written behind a short row is overwritten by the next one.
                rest[..SHORT_ROW].copy_from_slice(&row[..SHORT_ROW]);
            } else {
                rest[..row_bytes].copy_from_slice(&row[..row_bytes]);
            }
            rest = &mut rest[row_bytes..];
        }
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
        let mut sorted = Vec::new();
        rows.write(0..4, &mut sorted);
        assert_eq!(sorted, [tags[3], tags[1], tags[2], tags[0]].concat());
        assert!(!rows.has_equal_tags());
    }

    #[test]
    fn short_rows_are_written_whole() {
        for width in [5_u8, 10, 12, 16] {
            let layout = RowLayout::new(usize::from(width), 0, false);
            let tags: Vec<Vec<u8>> = (0..100).map(|row| vec![99 - row; usize::from(width)]).collect();
            let rows = SortedRows::new(tags.concat(), layout);
            let mut written = b"head".to_vec();
            rows.write(0..60, &mut written);
            rows.write(60..100, &mut written);
            let sorted: Vec<Vec<u8>> = tags.iter().rev().cloned().collect();
            assert_eq!(written, [&b"head"[..], &sorted.concat()].concat());
            assert!(!rows.has_equal_tags());
            assert!(
                SortedRows::new([tags[0].clone(), tags[1].clone(), tags[0].clone()].concat(), layout).has_equal_tags()
            );
        }
    }
}
