//! One key after the other: the definition of the results.

use super::{BLOCK_SLOTS, Block, Dependent, Key, ROW_BYTES, Row, Stretch};

/// The low `width` bits of a row.
pub(super) fn band(row: &[u8; ROW_BYTES], width: usize) -> [u64; 4] {
    let (words, _) = row.as_chunks();
    std::array::from_fn(|index| u64::from_le_bytes(words[index]) & mask(width, index))
}

/// Those bits of word `index` that lie in a band of `width` bits.
pub(super) const fn mask(width: usize, index: usize) -> u64 {
    match width.saturating_sub(64 * index) {
        0 => 0,
        bits @ 1..64 => u64::MAX >> (64 - bits),
        _ => u64::MAX,
    }
}

/// The number shifted towards higher bits by less than 64.
fn up(words: [u64; 4], bits: u32) -> [u64; 4] {
    let carry = |low: u64| low.checked_shr(64 - bits).unwrap_or(0);
    let [a, b, c, d] = words;
    [a << bits, b << bits | carry(a), c << bits | carry(b), d << bits | carry(c)]
}

/// The number shifted towards lower bits by less than 64.
fn down(words: [u64; 4], bits: u32) -> [u64; 4] {
    let carry = |high: u64| high.checked_shl(64 - bits).unwrap_or(0);
    let [a, b, c, d] = words;
    [a >> bits | carry(b), b >> bits | carry(c), c >> bits | carry(d), d >> bits]
}

pub(super) fn eliminate(
    width: usize,
    keys: &[Key],
    rows: &[[u8; ROW_BYTES]],
    values: &[u128],
    mut stretch: Stretch<'_>,
) -> Result<Vec<Row>, Dependent> {
    let mut behind = Vec::new();
    for key in keys {
        let index = key.index as usize;
        let inside = key.position % 8;
        let words = up(band(&rows[index], width), inside);
        let row = Row { position: key.position - inside, words, value: values[index] };
        behind.extend(insert(row, &mut stretch)?);
    }
    Ok(behind)
}

/// Adds pivots to the row until its first bit lies in a free column, whose pivot it becomes.
pub(super) fn insert(mut row: Row, stretch: &mut Stretch<'_>) -> Result<Option<Row>, Dependent> {
    let mut number = ((row.position - stretch.first) as usize) / BLOCK_SLOTS;
    loop {
        let [low, b, c, d] = row.words;
        if low | b | c | d == 0 {
            return Err(Dependent);
        }
        // Whole blocks before the first bit are left behind.
        let skipped = low.trailing_zeros().min(56) / 8;
        if skipped > 0 {
            row.words = down(row.words, 8 * skipped);
            row.position += 8 * skipped;
            number += skipped as usize;
            continue;
        }
        let (Some(block), Some(entries)) = (
            stretch.blocks.get_mut(number),
            stretch.solution.get_mut(number * BLOCK_SLOTS..(number + 1) * BLOCK_SLOTS),
        ) else {
            return Ok(Some(row));
        };
        let column = low.trailing_zeros() as usize;
        let free = block.is_free(column);
        for (word, pivots) in row.words.iter_mut().zip(&mut block.words) {
            if free {
                pivots[column] = *word;
            } else {
                *word ^= pivots[column];
            }
        }
        if free {
            entries[column] = row.value;
            return Ok(None);
        }
        row.value ^= entries[column];
    }
}

/// The exclusive or of the entries that the words select.
fn select<const W: usize>(words: [u64; 4], vector: &[[u128; W]]) -> [u128; W] {
    let mut sum = [0; W];
    for (index, word) in words.into_iter().enumerate() {
        let mut rest = word;
        while rest != 0 {
            let entry = &vector[64 * index + rest.trailing_zeros() as usize];
            for (sum, word) in sum.iter_mut().zip(entry) {
                *sum ^= word;
            }
            rest &= rest - 1;
        }
    }
    sum
}

pub(super) fn substitute(blocks: &[Block], solution: &mut [u128]) {
    for (number, block) in blocks.iter().enumerate().rev() {
        let (entries, _) = solution[number * BLOCK_SLOTS..].as_chunks_mut::<1>();
        for column in (0..BLOCK_SLOTS).rev() {
            let mut words = block.words.map(|pivots| pivots[column]);
            // The pivot itself is what is solved for.
            words[0] &= !(1 << column);
            let [sum] = select(words, entries);
            entries[column][0] ^= sum;
        }
    }
}

pub(super) fn decode<const W: usize>(
    width: usize,
    keys: &[Key],
    rows: &[[u8; ROW_BYTES]],
    first: u32,
    vector: &[[u128; W]],
    out: &mut [[u128; W]],
) {
    for (key, out) in keys.iter().zip(out) {
        *out = select(band(&rows[key.index as usize], width), &vector[(key.position - first) as usize..]);
    }
}
