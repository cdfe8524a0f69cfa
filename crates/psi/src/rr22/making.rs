//! The sender's rows: from identifiers and the unmasked store to sealed rows in the order of their tags.

use rand_core::Rng;
use rayon::prelude::*;
use symbolon_oblivious::okvs;
use symbolon_oblivious::vole::back_end::SenderCorrelation;
use symbolon_primitives::kdf::Label;
use symbolon_primitives::memory;
use zeroize::Zeroize;

use super::hashing::{Hasher, Output, StoreKey, chain, first_tag};
use super::sender::Own;
use super::{SEED_BYTES, refused};
use crate::error::{Error, Misuse};
use crate::machine::Progress;
use crate::payload::RowLayout;
use crate::rows::{SortedRows, Withheld};

/// Keys whose rows are made in one unit of work. The whole store is read for each unit, so that few large units are
/// better; their buffers are some tens of MiB.
const KEYS_PER_UNIT: usize = 1 << 18;

/// Keys that one thread works on before it asks for more.
const KEYS_PER_JOB: usize = 1 << 12;

/// Padding rows drawn from one fork of the generator.
const PADDING_PER_FORK: usize = 1 << 12;

/// Makes rows, many keys at a time.
pub(crate) struct Making<C, const W: usize> {
    own: Own,
    correlation: C,
    key: StoreKey,
    layout: RowLayout,
    next_key: usize,
    sealed: Vec<u8>,
    /// Bytes of `sealed` that are rows.
    made: usize,
}

impl<C: SenderCorrelation<W> + Sync, const W: usize> Making<C, W> {
    pub(crate) fn new(own: Own, correlation: C, seed: &[u8; SEED_BYTES]) -> Self {
        let key = own.hasher.store_key(&own.salt, seed);
        let layout = RowLayout::of(&own.spec);
        let rows = usize::try_from(own.spec.rows_sender).expect("declared rows are below the ceiling of 2^30");
        let sealed = memory::defaults(rows * layout.row_bytes());
        Self { own, correlation, key, layout, next_key: 0, sealed, made: 0 }
    }

    /// Makes some rows; `false` when all were made before.
    pub(crate) fn work(&mut self) -> Result<bool, Error> {
        let keys = self.next_key..self.own.ids.len().min(self.next_key + KEYS_PER_UNIT);
        if !keys.is_empty() {
            self.next_key = keys.end;
            self.make(keys)?;
            return Ok(true);
        }
        let missing = self.made < self.sealed.len();
        if missing {
            self.pad();
        }
        Ok(missing)
    }

    /// F = H2(Dec(W, y) ⊕ Δ ⊙ C(H1(y)), y) for some keys, and their rows.
    fn make(&mut self, keys: std::ops::Range<usize>) -> Result<(), Error> {
        let ids = &self.own.ids[keys.clone()];
        let (mut rows, mut values) = Hasher::store_rows(&self.key, ids);
        let mut decoded = vec![[0; W]; ids.len()];
        okvs::decode(self.own.shape.store(), &rows, self.correlation.rows(), &mut decoded).map_err(refused)?;
        rows.as_flattened_mut().zeroize();
        self.correlation.shift(&values, &mut decoded).map_err(refused)?;
        values.zeroize();
        let row_bytes = self.layout.row_bytes();
        let mut rest = &mut self.sealed[self.made..];
        self.made += self.own.grouped.count(keys.clone()) * row_bytes;
        let mut jobs = Vec::with_capacity(ids.len().div_ceil(KEYS_PER_JOB));
        for first in keys.clone().step_by(KEYS_PER_JOB) {
            let job = first..keys.end.min(first + KEYS_PER_JOB);
            let (rows, behind) = rest.split_at_mut(self.own.grouped.count(job.clone()) * row_bytes);
            jobs.push((job, rows));
            rest = behind;
        }
        let own = &self.own;
        let layout = self.layout;
        jobs.into_par_iter().for_each(|(job, mut out)| {
            let decoded = &decoded[job.start - keys.start..job.end - keys.start];
            own.hasher.outputs(decoded, &own.ids[job.clone()], |offset, outputs| {
                for (key, output) in (job.start + offset..).zip(outputs) {
                    let rows = std::mem::take(&mut out);
                    out = match own.grouped.rows(key) {
                        // A single row without payload, and room for a write of a fixed length.
                        [_] if row_bytes == layout.tag_bytes() && rows.len() >= 16 => {
                            rows[..16].copy_from_slice(&first_tag(output)[..16]);
                            &mut rows[row_bytes..]
                        }
                        _ => own.write(layout, key, output, rows),
                    };
                }
            });
        });
        decoded.as_flattened_mut().zeroize();
        Ok(())
    }

    /// Padding rows are random bytes: so look tags and ciphertexts to whoever lacks the key.
    fn pad(&mut self) {
        let start = std::mem::replace(&mut self.made, self.sealed.len());
        let chunk = PADDING_PER_FORK * self.layout.row_bytes();
        let prg = &self.own.prg;
        let forks = self.sealed[start..].par_chunks_mut(chunk).enumerate();
        forks.for_each(|(index, rows)| prg.fork(Label::Padding, index as u64).fill_bytes(rows));
    }

    /// Forgets everything but the rows, and sorts them.
    pub(crate) fn into_sorted(self) -> Result<(SortedRows, Option<Withheld>), Error> {
        let Self { own, sealed, layout, correlation, .. } = self;
        drop(correlation);
        let Own { ids, withheld, .. } = own;
        let rows = SortedRows::new(sealed, layout);
        if rows.has_equal_tags() {
            // By chance, or because a key is there twice.
            if let Some(index) = super::duplicate(&ids) {
                return Err(Misuse::DuplicateKey { index }.into());
            }
        }
        Ok((rows, withheld))
    }

    pub(crate) fn progress(&self) -> Progress {
        let done = self.made / self.layout.row_bytes();
        Progress::new("making rows", done as u64, self.own.spec.rows_sender)
    }
}

impl Own {
    /// Writes the rows of a key, and gives what is left of `out`.
    fn write<'a>(&self, layout: RowLayout, key: usize, output: &Output, mut out: &'a mut [u8]) -> &'a mut [u8] {
        for (number, row) in (0_u32..).zip(self.grouped.rows(key)) {
            let (place, behind) = out.split_at_mut(layout.row_bytes());
            out = behind;
            let (tag, sealed) = place.split_at_mut(layout.tag_bytes());
            if number == 0 {
                tag.copy_from_slice(&first_tag(output)[..tag.len()]);
                if sealed.is_empty() {
                    continue;
                }
            }
            let secrets = self.hasher.row(chain(output), number);
            if number > 0 {
                tag.copy_from_slice(&secrets.name()[..tag.len()]);
            }
            let width = layout.payload_bytes();
            let payload = &self.payload[*row as usize * width..][..width];
            let release = self.withheld.as_ref().map(Withheld::key);
            secrets.seal_into(&self.spec.sid, payload, release, sealed);
        }
        out
    }
}
