//! What both sides hold after the set-up: keys of streams, from which any part of the correlation is expanded.

use std::fmt;

use rayon::prelude::*;
use symbolon_kernels::aes_batch::StreamKeys;
use symbolon_kernels::{gf256, transpose};
use zeroize::Zeroizing;

use super::super::rs::{self, Row};
use super::tree::Leaves;
use super::{SLOTS_MAX, TREES};
use crate::Error;
use crate::block::BLOCK_BYTES;
use crate::error::Misuse;

/// Slots that are expanded at a time, in memory of 32 bytes each for either sum.
const CHUNK: usize = 4096;

/// The receiver's streams: U and V of every slot. Wiped when dropped, never printed.
pub struct ReceiverStreams(Streams);

/// The sender's streams: Δ, and B of every slot. Wiped when dropped, never printed.
pub struct SenderStreams {
    factors: Zeroizing<Row>,
    streams: Streams,
}

/// Keys of the leaves of all trees.
struct Streams(Vec<StreamKeys>);

impl Streams {
    fn new(leaves: &Leaves) -> Self {
        Self(leaves.iter().map(|seeds| StreamKeys::new(seeds)).collect())
    }

    /// Both sums of each tree's streams for `rows.len()` slots from `first` on, one row a slot.
    fn expand(&self, first: usize, sums: Option<&mut [Row]>, weighted: &mut [Row]) {
        let count = weighted.len();
        let mut columns =
            Zeroizing::new([vec![0; transpose::BYTE_ROWS * count], vec![0; transpose::BYTE_ROWS * count]]);
        let [sum_columns, weighted_columns] = &mut *columns;
        let trees = sum_columns.chunks_mut(count).zip(weighted_columns.chunks_mut(count));
        for (keys, (sum, weighted)) in self.0.iter().zip(trees) {
            keys.fold((first / BLOCK_BYTES) as u128, sum, weighted);
        }
        transpose::bytes(weighted_columns, weighted);
        if let Some(sums) = sums {
            transpose::bytes(sum_columns, sums);
        }
    }
}

/// Checks that `count` slots from `first` on exist and start with a block of AES.
fn check_range(first: usize, count: usize) -> Result<(), Error> {
    let fits = first.checked_add(count).is_some_and(|end| end <= SLOTS_MAX);
    if fits && first.is_multiple_of(BLOCK_BYTES) { Ok(()) } else { Err(Misuse::OutOfRange { what: "slots" }.into()) }
}

impl ReceiverStreams {
    pub(super) fn new(leaves: &Leaves) -> Self {
        Self(Streams::new(leaves))
    }

    /// Writes U and V of the slots from `first` on, a multiple of 16. In parallel on the current pool.
    ///
    /// # Errors
    /// [`Misuse`] when both lengths differ, `first` is no multiple of 16, or slots reach beyond [`SLOTS_MAX`].
    pub fn expand(&self, first: usize, u: &mut [Row], v: &mut [Row]) -> Result<(), Error> {
        check_range(first, u.len())?;
        rs::same_length("rows", u.len(), v.len())?;
        u.par_chunks_mut(CHUNK).zip(v.par_chunks_mut(CHUNK)).enumerate().for_each(|(chunk, (u, v))| {
            self.0.expand(first + chunk * CHUNK, Some(u), v);
        });
        Ok(())
    }
}

impl SenderStreams {
    /// The leaf at number x ⊕ Δ_i is that of x.
    pub(super) fn new(factors: &[u8; TREES], leaves: &Leaves) -> Self {
        let mut row = Zeroizing::new([[0; 2]]);
        let factors = rs::unpack(factors, &mut *row).map(|()| Zeroizing::new(row[0]));
        Self { factors: factors.expect("a factor for each symbol"), streams: Streams::new(leaves) }
    }

    /// Writes B of the slots from `first` on, a multiple of 16. In parallel on the current pool.
    ///
    /// # Errors
    /// [`Misuse`] when `first` is no multiple of 16 or slots reach beyond [`SLOTS_MAX`].
    pub fn expand(&self, first: usize, b: &mut [Row]) -> Result<(), Error> {
        check_range(first, b.len())?;
        b.par_chunks_mut(CHUNK).enumerate().for_each(|(chunk, b)| {
            self.streams.expand(first + chunk * CHUNK, None, b);
        });
        Ok(())
    }

    /// rows\[i\] ⊕= Δ ⊙ words\[i\].
    ///
    /// # Errors
    /// [`Misuse::Length`] when the lengths differ.
    pub fn add_scaled(&self, words: &[Row], rows: &mut [Row]) -> Result<(), Error> {
        rs::same_length("rows", words.len(), rows.len())?;
        gf256::mul_add_rows(&self.factors, words, rows);
        Ok(())
    }
}

impl fmt::Debug for ReceiverStreams {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ReceiverStreams(..)")
    }
}

impl fmt::Debug for SenderStreams {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SenderStreams(..)")
    }
}
