//! The sender's own set: from keys and rows to sealed rows in the order of their tags.

use rand_core::Rng;
use rayon::prelude::*;
use symbolon_primitives::kdf::Label;
use symbolon_primitives::oprf::ServerKey;
use symbolon_primitives::prg::Prg;
use zeroize::Zeroize;

use crate::ecdh::points::{POINTS_PER_FRAME, shuffle};
use crate::error::{Environment, Error};
use crate::items::{ItemEncoder, SenderInput};
use crate::machine::Progress;
use crate::payload::{RowLayout, RowSecrets, TAG_BYTES};
use crate::release::ReleaseKey;
use crate::sid::Sid;

/// Work on the own set, a few thousand rows at a time.
pub(crate) struct OwnSet {
    input: SenderInput,
    /// The rows of key k are `rows_by_key[starts[k]..starts[k + 1]]`.
    starts: Vec<u32>,
    rows_by_key: Vec<u32>,
    next_key: usize,
    layout: RowLayout,
    sid: Sid,
    rows_total: usize,
    sealed: Vec<u8>,
}

/// A row to be sealed: the position of its key in the chunk, its number within the key, and its payload's row.
struct Job {
    key: usize,
    number: u32,
    row: u32,
}

impl OwnSet {
    pub(crate) fn new(input: SenderInput, layout: RowLayout, sid: Sid, rows_declared: u64, prg: &Prg) -> Self {
        let rows_total = usize::try_from(rows_declared).expect("declared rows are below the ceiling of 2^30");
        let (starts, rows_by_key) = group(&input, &mut prg.fork(Label::Order, 0));
        let sealed = Vec::with_capacity(rows_total * layout.row_bytes());
        Self { input, starts, rows_by_key, next_key: 0, layout, sid, rows_total, sealed }
    }

    /// Whether rows, or padding, are still to be made.
    pub(crate) const fn has_work(&self) -> bool {
        self.sealed.len() < self.rows_total * self.layout.row_bytes() || self.next_key < self.input.keys.len()
    }

    pub(crate) const fn progress(&self) -> Progress {
        let done = self.sealed.len() / self.layout.row_bytes();
        Progress::new("evaluating", done as u64, self.rows_total as u64)
    }

    /// Makes the next chunk of rows: of keys as long as there are some, then of padding.
    pub(crate) fn work(
        &mut self,
        key: &ServerKey,
        release: Option<&ReleaseKey>,
        encoder: &ItemEncoder,
        prg: &Prg,
    ) -> Result<(), Error> {
        if self.next_key == self.input.keys.len() {
            self.pad(prg);
            return Ok(());
        }
        let (keys, jobs) = self.next_chunk();
        let items = encoder.encode(keys.filter_map(|index| self.input.keys.get(index)));
        let mut outputs = key.finalize_own_batch(&items.slices()).map_err(|_| Environment::Primitive)?;
        let (start, width) = (self.sealed.len(), self.layout.payload_bytes());
        self.sealed.resize(start + jobs.len() * self.layout.row_bytes(), 0);
        let rows = self.sealed[start..].par_chunks_exact_mut(self.layout.row_bytes());
        rows.zip(&jobs).with_min_len(64).for_each(|(row, job)| {
            let from = job.row as usize * width;
            let payload = &self.input.payload[from..from + width];
            RowSecrets::derive(&outputs[job.key], &self.sid, job.number).seal_into(&self.sid, payload, release, row);
        });
        outputs.zeroize();
        Ok(())
    }

    /// The keys of the next chunk and their rows: about a frame's worth of rows, more only if one key has more.
    fn next_chunk(&mut self) -> (std::ops::Range<usize>, Vec<Job>) {
        let first = self.next_key;
        let mut jobs = Vec::new();
        while self.next_key < self.input.keys.len()
            && self.next_key - first < POINTS_PER_FRAME
            && jobs.len() < POINTS_PER_FRAME
        {
            let rows = self.starts[self.next_key] as usize..self.starts[self.next_key + 1] as usize;
            let numbered = (0_u32..).zip(&self.rows_by_key[rows]);
            let key = self.next_key - first;
            jobs.extend(numbered.map(|(number, row)| Job { key, number, row: *row }));
            self.next_key += 1;
        }
        (first..self.next_key, jobs)
    }

    /// Padding rows are random bytes: so look tags and ciphertexts to whoever lacks the key.
    fn pad(&mut self, prg: &Prg) {
        let start = self.sealed.len();
        let missing = self.rows_total * self.layout.row_bytes() - start;
        let chunk = missing.min(POINTS_PER_FRAME * self.layout.row_bytes());
        self.sealed.resize(start + chunk, 0);
        prg.fork(Label::Padding, start as u64).fill_bytes(&mut self.sealed[start..]);
    }

    /// Forgets keys and payload and sorts what is left.
    pub(crate) fn into_sorted(self) -> SortedRows {
        let Self { sealed, layout, .. } = self;
        SortedRows::new(sealed, layout)
    }
}

/// Rows by key, those of one key in random order: their number is seen by the receiver and must not tell where
/// in the sender's table they were.
fn group(input: &SenderInput, rng: &mut Prg) -> (Vec<u32>, Vec<u32>) {
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
    (starts, rows_by_key)
}

/// Sealed rows with the order of their tags.
pub(crate) struct SortedRows {
    sealed: Vec<u8>,
    layout: RowLayout,
    order: Vec<u32>,
}

impl SortedRows {
    fn new(sealed: Vec<u8>, layout: RowLayout) -> Self {
        let row_bytes = layout.row_bytes();
        let tag = |row: u32| &sealed[row as usize * row_bytes..][..TAG_BYTES];
        let mut keyed: Vec<(u64, u32)> =
            (0_u32..).zip(sealed.chunks_exact(row_bytes)).map(|(row, bytes)| (super::tag_prefix(bytes), row)).collect();
        keyed.par_sort_unstable_by(|one, two| one.0.cmp(&two.0).then_with(|| tag(one.1).cmp(tag(two.1))));
        let order = keyed.into_iter().map(|(_, row)| row).collect();
        Self { sealed, layout, order }
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
    use symbolon_primitives::secret::Secret;

    use super::*;
    use crate::items::ItemSet;

    #[test]
    fn rows_are_grouped_and_shuffled_within_their_key() {
        let keys: ItemSet = [&b"a"[..], b"b", b"c"].into_iter().collect();
        let row_key: Vec<u32> = (0..3_000).map(|row| if row % 3 == 2 { 2 } else { 0 }).collect();
        let input = SenderInput { keys, row_key, payload: Vec::new() };
        let (starts, rows) = group(&input, &mut Prg::new(Secret::new([1; 32])));
        assert_eq!(starts, [0, 2_000, 2_000, 3_000]);
        let (first, last) = rows.split_at(2_000);
        assert!(first.iter().all(|row| row % 3 != 2) && last.iter().all(|row| row % 3 == 2));
        assert!(!first.is_sorted() && !last.is_sorted());
        let mut all = rows.clone();
        all.sort_unstable();
        assert_eq!(all, (0..3_000).collect::<Vec<_>>());
    }

    #[test]
    fn rows_are_sorted_by_the_whole_tag() {
        let layout = RowLayout::new(0, false);
        let mut tags = [[9_u8; 32], [3; 32], [9; 32], [0; 32]];
        tags[2][31] = 1;
        let rows = SortedRows::new(tags.as_flattened().to_vec(), layout);
        let sorted: Vec<&[u8]> = rows.range(0..4).collect();
        assert_eq!(sorted, [&tags[3][..], &tags[1], &tags[2], &tags[0]]);
    }
}
