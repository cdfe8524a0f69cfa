//! Keys in the order of their positions.
//!
//! Rows come in any order and lie all over the vector, which is larger than the cache. So keys are first sorted by
//! stretches of the vector within pieces of the rows, then by position within a stretch; both fit the second
//! cache. Pieces and stretches are independent of each other.

use rayon::prelude::*;
use symbolon_kernels::band::Key;
use zeroize::Zeroizing;

use super::{Params, RowHash};

/// Rows of a piece.
pub(super) const PIECE_ROWS: usize = 1 << 16;

/// Slots of a stretch.
pub(super) const STRETCH_SLOTS: usize = 1 << 14;

/// Below so many keys a stretch is sorted by comparison.
const FEW: usize = 1 << 10;

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

/// The keys of one stretch in the order of their positions. `origins` has for each its place in the order of pieces.
#[derive(Default)]
pub(super) struct Stretch {
    pub(super) keys: Zeroizing<Vec<Key>>,
    pub(super) origins: Zeroizing<Vec<u32>>,
    counts: Zeroizing<Vec<u32>>,
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

    /// Brings the keys of a stretch in order.
    pub(super) fn sort(&self, number: usize, stretch: &mut Stretch) {
        let count = self.parts(number).map(<[Key]>::len).sum();
        stretch.keys.resize(count, Key::default());
        stretch.origins.resize(count, 0);
        if count < FEW {
            let mut pairs: Vec<_> = self.parts(number).flatten().zip(0..).collect();
            pairs.sort_unstable_by_key(|(key, origin)| (key.position, *origin));
            for ((key, origin), (to, from)) in
                pairs.into_iter().zip(stretch.keys.iter_mut().zip(stretch.origins.iter_mut()))
            {
                (*to, *from) = (*key, origin);
            }
            return;
        }
        stretch.counts.clear();
        stretch.counts.resize(STRETCH_SLOTS, 0);
        for key in self.parts(number).flatten() {
            stretch.counts[key.position as usize % STRETCH_SLOTS] += 1;
        }
        let mut before = 0;
        for count in stretch.counts.iter_mut() {
            (*count, before) = (before, before + *count);
        }
        for (key, origin) in self.parts(number).flatten().zip(0..) {
            let place = &mut stretch.counts[key.position as usize % STRETCH_SLOTS];
            stretch.keys[*place as usize] = *key;
            stretch.origins[*place as usize] = origin;
            *place += 1;
        }
    }
}
