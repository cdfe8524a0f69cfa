//! Elimination column by column, with the rows that reach over a column side by side in lanes.
//!
//! Rows enter with the block that their band starts in. In each column one row that has a bit there becomes the pivot
//! and is added to all that have one, itself included, so that its lane becomes free. Which row is taken does not
//! change in which columns pivots lie: those are the first columns of all rows' sums.

use std::arch::x86_64::*;

use super::super::BLOCK_SLOTS;
use super::{
    Dependent, Key, ROW_BYTES, Row, STAGED, Staged, Stretch, V, avx512, masks, prefetch, splat, staged, store,
};

/// Words of a row in a lane: four of the band, two of the value.
const WORDS: usize = 6;

/// Groups of eight rows: more than 256 rows in the 256 columns they cover are dependent.
const GROUPS: usize = 32;

/// Eight rows, one a lane, and which lanes have one. A lane without one is zero.
#[derive(Clone, Copy)]
struct Group {
    words: [V; WORDS],
    present: u8,
}

/// Eight pivots: a row a lane, in the lane of its column.
struct Pivots {
    words: [V; WORDS],
}

/// Rows that were read and are not yet among the groups.
struct Ahead<'a> {
    keys: &'a [Key],
    rows: &'a [[u8; ROW_BYTES]],
    values: &'a [u128],
    staged: Staged<WORDS>,
    shifts: Staged<1>,
    masks: [V; 4],
    /// The next key to be read, the lane of the next row to enter, and how many are staged.
    next: usize,
    lane: usize,
    count: usize,
}

avx512! {
    pub(super) fn eliminate(
        width: usize,
        keys: &[Key],
        rows: &[[u8; ROW_BYTES]],
        values: &[u128],
        stretch: Stretch<'_>,
    ) -> Result<Vec<Row>, Dependent> {
        let (staged, shifts, masks) = (Staged::new(), Staged::new(), masks(width));
        let mut ahead = Ahead { keys, rows, values, staged, shifts, masks, next: 0, lane: 0, count: 0 };
        prefetch_next(&ahead);
        let mut groups = [Group { words: [_mm512_setzero_si512(); WORDS], present: 0 }; GROUPS];
        let mut used = 0;
        let (entries, _) = stretch.solution.as_chunks_mut::<1>();
        let (entries, _) = entries.as_chunks_mut::<BLOCK_SLOTS>();
        let mut end = stretch.first;
        for (block, entries) in stretch.blocks.iter_mut().zip(entries) {
            end += 8;
            enter(&mut ahead, end, &mut groups, &mut used)?;
            let pivots = match used {
                0 => continue,
                1 => reduce::<1>(groups.first_chunk_mut().expect("there are 32")),
                2 => reduce::<2>(groups.first_chunk_mut().expect("there are 32")),
                3 => reduce::<3>(groups.first_chunk_mut().expect("there are 32")),
                _ => reduce_many(&mut groups[..used]),
            };
            while used > 0 && groups[used - 1].present == 0 {
                used -= 1;
            }
            let [a, b, c, d, low, high] = pivots.words;
            for (words, out) in [a, b, c, d].into_iter().zip(&mut block.words) {
                store(words, out);
            }
            let zero = _mm512_setzero_si512();
            super::matrix::join::<1>(&[low, high, zero, zero], entries);
        }
        remaining(&groups[..used], end)
    }
}

avx512! {
    fn prefetch_next(ahead: &Ahead<'_>) {
        let next = &ahead.keys[ahead.next..];
        let next = &next[..STAGED.min(next.len())];
        prefetch(next, ahead.rows);
        prefetch(next, ahead.values);
    }
}

avx512! {
    /// Reads the next rows, in words.
    fn refill(ahead: &mut Ahead<'_>) {
        let batch = &ahead.keys[ahead.next..];
        let batch = &batch[..STAGED.min(batch.len())];
        (ahead.lane, ahead.count, ahead.next) = (0, batch.len(), ahead.next + batch.len());
        prefetch_next(ahead);
        for (lane, key) in batch.iter().enumerate() {
            let index = key.index as usize;
            ahead.staged.set(lane, 0, &ahead.rows[index]);
            ahead.staged.set(lane, 4, &ahead.values[index].to_le_bytes());
            ahead.shifts.words[0][lane] = u64::from(key.position % 8);
        }
        for lane in (0..batch.len()).step_by(8) {
            let [shifts] = staged(&ahead.shifts, lane);
            let [mut a, mut b, mut c, mut d, ..] = staged(&ahead.staged, lane);
            for (word, mask) in [&mut a, &mut b, &mut c, &mut d].into_iter().zip(ahead.masks) {
                *word = _mm512_and_si512(*word, mask);
            }
            let shifted = [
                _mm512_sllv_epi64(a, shifts),
                _mm512_shldv_epi64(b, a, shifts),
                _mm512_shldv_epi64(c, b, shifts),
                _mm512_shldv_epi64(d, c, shifts),
            ];
            for (word, array) in shifted.into_iter().zip(&mut ahead.staged.words) {
                store(word, array[lane..].first_chunk_mut().expect("behind the staged keys there are eight more lanes"));
            }
        }
    }
}

avx512! {
    /// Lets rows that start before `end` into free lanes, those of the first groups first.
    fn enter(
        ahead: &mut Ahead<'_>,
        end: u32,
        groups: &mut [Group; GROUPS],
        used: &mut usize,
    ) -> Result<(), Dependent> {
        let mut group = 0;
        loop {
            if ahead.lane == ahead.count {
                if ahead.next == ahead.keys.len() {
                    return Ok(());
                }
                refill(ahead);
            }
            let first = ahead.next - ahead.count + ahead.lane;
            let starting = ahead.keys[first..ahead.next].iter().take(8).take_while(|key| key.position < end).count();
            if starting == 0 {
                return Ok(());
            }
            while groups.get(group).ok_or(Dependent)?.present == u8::MAX {
                group += 1;
            }
            let target = &mut groups[group];
            let free = !target.present;
            let count = starting.min(free.count_ones() as usize);
            let taken = lowest(free, count);
            for (word, next) in target.words.iter_mut().zip(staged(&ahead.staged, ahead.lane)) {
                *word = _mm512_mask_expand_epi64(*word, taken, next);
            }
            target.present |= taken;
            *used = (*used).max(group + 1);
            ahead.lane += count;
        }
    }
}

/// The `count` lowest bits of `bits`.
fn lowest(bits: u8, count: usize) -> u8 {
    let mut rest = bits;
    for _ in 0..count {
        rest &= rest.wrapping_sub(1);
    }
    bits ^ rest
}

avx512! {
    /// Takes eight columns from a few groups, which stay in registers, and moves on by eight.
    fn reduce<const N: usize>(groups: &mut [Group; N]) -> Pivots {
        let mut rows = *groups;
        let mut pivots = Pivots { words: [_mm512_setzero_si512(); WORDS] };
        for column in 0..BLOCK_SLOTS {
            reduce_column(&mut rows, column, &mut pivots);
        }
        for group in &mut rows {
            move_on(group);
        }
        *groups = rows;
        pivots
    }
}

avx512! {
    /// Takes eight columns from any number of groups, and moves on by eight.
    fn reduce_many(groups: &mut [Group]) -> Pivots {
        let mut pivots = Pivots { words: [_mm512_setzero_si512(); WORDS] };
        for column in 0..BLOCK_SLOTS {
            reduce_column_many(groups, column, &mut pivots);
        }
        for group in groups {
            move_on(group);
        }
        pivots
    }
}

avx512! {
    /// The lanes whose row has a bit in the column.
    fn having(group: &Group, column: usize) -> u8 {
        _mm512_test_epi64_mask(group.words[0], splat(1 << column))
    }
}

avx512! {
    /// One column: the pivot is taken from the last group that has one, so that the last groups empty first.
    fn reduce_column<const N: usize>(groups: &mut [Group; N], column: usize, pivots: &mut Pivots) {
        let mut masks = [0_u8; N];
        let mut all = 0_u32;
        for (number, (group, mask)) in groups.iter().zip(&mut masks).enumerate() {
            *mask = having(group, column);
            all |= u32::from(*mask) << (8 * number);
        }
        // Without a pivot all masks are zero, and whatever row is chosen is added nowhere.
        let chosen = 31 - (all | 1).leading_zeros();
        let target = u8::from(all != 0) << column;
        let lane = splat(u64::from(chosen));
        for word in 0..WORDS {
            let pivot = match N {
                1 => _mm512_permutexvar_epi64(lane, groups[0].words[word]),
                2 => _mm512_permutex2var_epi64(groups[0].words[word], lane, groups[1].words[word]),
                _ => {
                    let low = _mm512_permutex2var_epi64(groups[0].words[word], lane, groups[1].words[word]);
                    let third = u8::from(chosen >= 16).wrapping_neg();
                    _mm512_mask_permutexvar_epi64(low, third, lane, groups[2].words[word])
                }
            };
            for (group, mask) in groups.iter_mut().zip(masks) {
                group.words[word] = _mm512_mask_xor_epi64(group.words[word], mask, group.words[word], pivot);
            }
            pivots.words[word] = _mm512_mask_mov_epi64(pivots.words[word], target, pivot);
        }
        let taken = u32::from(all != 0) << chosen;
        for (number, group) in groups.iter_mut().enumerate() {
            group.present &= !(taken >> (8 * number)).to_le_bytes()[0];
        }
    }
}

avx512! {
    fn reduce_column_many(groups: &mut [Group], column: usize, pivots: &mut Pivots) {
        let mut last = groups.len();
        let mut mask = 0;
        while mask == 0 {
            if last == 0 {
                return;
            }
            last -= 1;
            mask = having(&groups[last], column);
        }
        let chosen = 7 - mask.leading_zeros();
        let lane = splat(u64::from(chosen));
        let mut pivot = groups[last].words;
        for (word, kept) in pivot.iter_mut().zip(&mut pivots.words) {
            *word = _mm512_permutexvar_epi64(lane, *word);
            *kept = _mm512_mask_mov_epi64(*kept, 1 << column, *word);
        }
        for group in &mut groups[..=last] {
            let mask = having(group, column);
            for (word, pivot) in group.words.iter_mut().zip(pivot) {
                *word = _mm512_mask_xor_epi64(*word, mask, *word, pivot);
            }
        }
        groups[last].present &= !(1 << chosen);
    }
}

avx512! {
    /// Lets go of eight columns in which no row has a bit any more.
    fn move_on(group: &mut Group) {
        let [a, b, c, d, low, high] = group.words;
        group.words = [
            _mm512_shrdi_epi64::<8>(a, b),
            _mm512_shrdi_epi64::<8>(b, c),
            _mm512_shrdi_epi64::<8>(c, d),
            _mm512_srli_epi64::<8>(d),
            low,
            high,
        ];
    }
}

avx512! {
    /// The rows that are left, which begin at `position`. One without a bit is a sum of others.
    fn remaining(groups: &[Group], position: u32) -> Result<Vec<Row>, Dependent> {
        let mut rows = Vec::new();
        for group in groups {
            let mut words = [[0; 8]; WORDS];
            for (out, word) in words.iter_mut().zip(group.words) {
                store(word, out);
            }
            for lane in (0..8).filter(|lane| group.present >> lane & 1 == 1) {
                let [a, b, c, d, low, high] = words.map(|lanes| lanes[lane]);
                if a | b | c | d == 0 {
                    return Err(Dependent);
                }
                rows.push(Row { position, words: [a, b, c, d], value: u128::from(high) << 64 | u128::from(low) });
            }
        }
        Ok(rows)
    }
}
