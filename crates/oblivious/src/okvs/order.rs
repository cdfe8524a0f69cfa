//! Keys in the order of their positions.
//!
//! Rows come in any order and lie all over the vector, which is larger than the cache. So keys are first sorted by
//! stretches of the vector within pieces of the rows, then by blocks of eight positions within a stretch; both fit the
//! second cache. Pieces and stretches are independent of each other.

use rayon::prelude::*;
use symbolon_kernels::band::{BLOCK_SLOTS, Key};
use zeroize::Zeroizing;

use super::{Params, RowHash};

/// Rows of a piece.
pub(super) const PIECE_ROWS: usize = 1 << 16;

/// Slots of a stretch.
pub(super) const STRETCH_SLOTS: usize = 1 << 14;

/// Below so many keys a stretch is sorted by comparison.
const FEW: usize = 1 << 8;

/// The keys of all rows, by stretch within each piece.
pub(super) struct Order {
    pieces: Vec<Piece>,
}

/// The keys of some neighbouring rows, by stretch; `ends` has where each stretch ends.
struct Piece {
    keys: Zeroizing<Vec<Key>>,
    ends: Vec<u32>,
}

impl Piece {
    fn new(params: &Params, first: u32, rows: &[RowHash]) -> Self {
        let positions: Zeroizing<Vec<u32>> = Zeroizing::new(rows.iter().map(|row| params.position(row)).collect());
        let mut ends = vec![0_u32; params.slots().div_ceil(STRETCH_SLOTS)];
        for position in positions.iter() {
            ends[*position as usize / STRETCH_SLOTS] += 1;
        }
        let mut before = 0;
        for end in &mut ends {
            (*end, before) = (before, before + *end);
        }
        // Each count has become where its stretch begins; when its keys are placed, it is where it ends.
        let mut keys = Zeroizing::new(vec![Key::default(); rows.len()]);
        for (position, index) in positions.iter().zip(first..) {
            let end = &mut ends[*position as usize / STRETCH_SLOTS];
            keys[*end as usize] = Key { position: *position, index };
            *end += 1;
        }
        Self { keys, ends }
    }

    fn stretch(&self, number: usize) -> &[Key] {
        let begin = number.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.keys[begin as usize..self.ends[number] as usize]
    }
}

/// What belongs to one stretch, gathered from all over. Keys are in the order of their blocks, and the index of each is
/// its place in the order of pieces, in which rows are.
#[derive(Default)]
pub(super) struct Stretch {
    pub(super) keys: Zeroizing<Vec<Key>>,
    pub(super) rows: Zeroizing<Vec<RowHash>>,
    counts: Zeroizing<Vec<u32>>,
}

/// The number of a key's block in its stretch.
const fn block(key: Key) -> usize {
    key.position as usize % STRETCH_SLOTS / BLOCK_SLOTS
}

/// Where the stretches of a vector begin.
pub(super) fn stretch_firsts(params: &Params) -> Vec<u32> {
    (0..).step_by(STRETCH_SLOTS).take(params.slots().div_ceil(STRETCH_SLOTS)).collect()
}

impl Order {
    pub(super) fn new(params: &Params, rows: &[RowHash]) -> Self {
        let firsts: Vec<u32> = (0..).step_by(PIECE_ROWS).take(rows.len().div_ceil(PIECE_ROWS)).collect();
        let pieces =
            rows.par_chunks(PIECE_ROWS).zip(firsts).map(|(rows, first)| Piece::new(params, first, rows)).collect();
        Self { pieces }
    }

    /// The keys of a stretch that come from each piece.
    pub(super) fn parts(&self, number: usize) -> impl Iterator<Item = &[Key]> {
        self.pieces.iter().map(move |piece| piece.stretch(number))
    }

    /// The keys of a stretch that come from one piece, and how many come from pieces before it.
    pub(super) fn part(&self, number: usize, piece: usize) -> (usize, &[Key]) {
        let before = self.pieces[..piece].iter().map(|piece| piece.stretch(number).len()).sum();
        (before, self.pieces[piece].stretch(number))
    }

    /// Gathers a stretch: its rows, and its keys in the order of their blocks.
    pub(super) fn gather(&self, number: usize, rows: &[RowHash], stretch: &mut Stretch) {
        stretch.rows.clear();
        for part in self.parts(number) {
            stretch.rows.extend(part.iter().map(|key| rows[key.index as usize]));
        }
        stretch.keys.clear();
        stretch.keys.resize(stretch.rows.len(), Key::default());
        if stretch.keys.len() < FEW {
            self.sort_few(number, stretch);
        } else {
            self.sort_many(number, stretch);
        }
    }

    fn sort_few(&self, number: usize, stretch: &mut Stretch) {
        let keys = self.parts(number).flatten();
        for ((key, index), to) in keys.zip(0..).zip(stretch.keys.iter_mut()) {
            *to = Key { position: key.position, index };
        }
        stretch.keys.sort_unstable_by_key(|key| (key.position, key.index));
    }

    fn sort_many(&self, number: usize, stretch: &mut Stretch) {
        stretch.counts.clear();
        stretch.counts.resize(STRETCH_SLOTS / BLOCK_SLOTS, 0);
        for part in self.parts(number) {
            for key in part {
                stretch.counts[block(*key)] += 1;
            }
        }
        let mut before = 0;
        for count in stretch.counts.iter_mut() {
            (*count, before) = (before, before + *count);
        }
        let mut index = 0;
        for part in self.parts(number) {
            for key in part {
                let place = &mut stretch.counts[block(*key)];
                stretch.keys[*place as usize] = Key { position: key.position, index };
                *place += 1;
                index += 1;
            }
        }
    }
}
