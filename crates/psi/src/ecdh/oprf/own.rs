//! The sender's own set: from keys and rows to sealed rows in the order of their tags.

use rand_core::Rng;
use rayon::prelude::*;
use symbolon_primitives::kdf::Label;
use symbolon_primitives::oprf::ServerKey;
use symbolon_primitives::prg::Prg;
use zeroize::Zeroize;

use crate::ecdh::points::POINTS_PER_FRAME;
use crate::error::{Environment, Error};
use crate::items::{ItemEncoder, SenderInput};
use crate::machine::Progress;
use crate::payload::{RowLayout, RowSecrets, TAG_BYTES};
use crate::release::ReleaseKey;
use crate::rows::{Grouped, SortedRows};
use crate::sid::Sid;

/// Work on the own set, a few thousand rows at a time.
pub(crate) struct OwnSet {
    input: SenderInput,
    grouped: Grouped,
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
        let grouped = Grouped::new(&input, &mut prg.fork(Label::Order, 0));
        let sealed = Vec::with_capacity(rows_total * layout.row_bytes());
        Self { input, grouped, next_key: 0, layout, sid, rows_total, sealed }
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
            let secrets = RowSecrets::derive(&outputs[job.key], &self.sid, job.number);
            let (tag, sealed) = row.split_at_mut(TAG_BYTES);
            tag.copy_from_slice(secrets.name());
            secrets.seal_into(&self.sid, payload, release, sealed);
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
            let numbered = (0_u32..).zip(self.grouped.rows(self.next_key));
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
