//! Evaluation of eight keys at once on a window of matrices that moves over the vector.

use std::arch::x86_64::*;

use super::matrix::{Matrices, VECTORS_MAX, accumulate, join, matrices, transpose};
use super::{Key, ROW_BYTES, STAGED, Staged, V, avx512, load, masks, prefetch, staged, store};

/// Blocks of the window; eight keys reach over 40 at most.
const WINDOW: usize = 64;

avx512! {
    pub(super) fn decode<const W: usize>(
        width: usize,
        keys: &[Key],
        rows: &[[u8; ROW_BYTES]],
        first: u32,
        vector: &[[u128; W]],
        out: &mut [[u128; W]],
    ) {
        match W {
            1 => decode_vectors::<W, 2>(width, keys, rows, first, vector, out),
            2 => decode_vectors::<W, 4>(width, keys, rows, first, vector, out),
            _ => super::super::portable::decode(width, keys, rows, first, vector, out),
        }
    }
}

/// The part of the vector that is held as matrices.
struct Window<'a, const W: usize, const N: usize> {
    vector: &'a [[u128; W]],
    matrices: Box<[Matrices<N>; WINDOW]>,
    /// The first block that is not there yet.
    end: usize,
}

avx512! {
    /// Makes the blocks from `begin` to `end` part of the window.
    fn advance<const W: usize, const N: usize>(window: &mut Window<'_, W, N>, begin: usize, end: usize) {
        for block in window.end.max(begin)..end {
            let out = &mut window.matrices[block % WINDOW];
            let rest = window.vector.get(8 * block..).unwrap_or_default();
            if let Some(entries) = rest.first_chunk() {
                matrices(entries, out);
            } else {
                let mut entries = [[0; W]; 8];
                entries[..rest.len()].copy_from_slice(rest);
                matrices(&entries, out);
            }
        }
        window.end = window.end.max(end);
    }
}

avx512! {
    fn decode_vectors<const W: usize, const N: usize>(
        width: usize,
        keys: &[Key],
        rows: &[[u8; ROW_BYTES]],
        first: u32,
        vector: &[[u128; W]],
        out: &mut [[u128; W]],
    ) {
        let masks = masks(width);
        let mut window = Window { vector, matrices: Box::new([[[0; 8]; N]; WINDOW]), end: 0 };
        let mut ahead = Staged::<4>::new();
        let mut positions = [0_u32; STAGED + 8];
        prefetch(&keys[..STAGED.min(keys.len())], rows);
        for (number, (batch, out)) in keys.chunks(STAGED).zip(out.chunks_mut(STAGED)).enumerate() {
            let next = keys.get((number + 1) * STAGED..).unwrap_or_default();
            prefetch(&next[..STAGED.min(next.len())], rows);
            for (lane, key) in batch.iter().enumerate() {
                ahead.set(lane, 0, &rows[key.index as usize]);
                positions[lane] = key.position - first;
            }
            let mut lane = 0;
            while lane < batch.len() {
                let count = eight(width, &masks, &ahead, &positions, lane..batch.len(), &mut window, &mut out[lane..]);
                lane += count;
            }
        }
    }
}

avx512! {
    /// Evaluates as many keys of `lanes` as lie near each other, eight at most, and returns how many.
    fn eight<const W: usize, const N: usize>(
        width: usize,
        masks: &[V; 4],
        ahead: &Staged<4>,
        positions: &[u32; STAGED + 8],
        lanes: std::ops::Range<usize>,
        window: &mut Window<'_, W, N>,
        out: &mut [[u128; W]],
    ) -> usize {
        let block = positions[lanes.start] as usize / 8;
        let start = 8 * block;
        let count = positions[lanes.clone()].iter().take(8).take_while(|position| **position as usize - start < 64).count();
        // The last key may start anywhere in its block.
        let reach = positions[lanes.start + count - 1] as usize / 8 * 8 + 7 - start + width;
        let steps = reach.div_ceil(8);
        advance(window, block, block + steps);

        let shifts: [u64; 8] =
            std::array::from_fn(|key| u64::from(positions[lanes.start + key]).wrapping_sub(start as u64) & 63);
        let present: u8 = u8::MAX >> (8 - count);
        let selections = selections(staged(ahead, lanes.start), masks, load(&shifts), present);
        let mut sums = [_mm512_setzero_si512(); N];
        for (step, selection) in selections.iter().enumerate().take(steps) {
            accumulate(*selection, &window.matrices[(block + step) % WINDOW], &mut sums);
        }

        let mut words = [_mm512_setzero_si512(); VECTORS_MAX];
        for (word, sum) in words.iter_mut().zip(sums) {
            *word = transpose(sum);
        }
        if let Some(out) = out.first_chunk_mut()
            && count == 8
        {
            join(&words, out);
        } else {
            let mut some = [[0; W]; 8];
            join(&words, &mut some);
            out[..count].copy_from_slice(&some[..count]);
        }
        count
    }
}

avx512! {
    /// The bands of eight keys, each shifted by its number of bits: word s has byte s of all, key k at byte k.
    fn selections(rows: [V; 4], masks: &[V; 4], shifts: V, present: u8) -> [u64; 40] {
        let mut bands = [_mm512_setzero_si512(); 6];
        for (band, (row, mask)) in bands[1..].iter_mut().zip(rows.into_iter().zip(masks)) {
            *band = _mm512_maskz_and_epi64(present, row, *mask);
        }
        let mut selections = [0; 40];
        let (vectors, _) = selections.as_chunks_mut();
        for (vector, pair) in vectors.iter_mut().zip(bands.windows(2)) {
            store(transpose(_mm512_shldv_epi64(pair[1], pair[0], shifts)), vector);
        }
        selections
    }
}
