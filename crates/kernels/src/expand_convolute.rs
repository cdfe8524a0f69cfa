//! The two steps of an expand-convolute code in the direction that compresses.
//!
//! # What it computes
//! [`convolve`] runs once around a vector: in order of positions i, element i is added to the 24 elements behind it
//! that the 24 random bits of position i name, and to the one behind those always. What is behind the last element is
//! the first. The constant bit makes the way from state to state one to one, so a state that is not zero stays so.
//!
//! [`expand`] adds up [`WEIGHT`] elements for each row, one from each of as many equal stripes of the vector.
//!
//! Both take vectors of `[u128; W]`: `W` vectors that go through the same code at once, side by side. The code is
//! public: bits and positions come from AES in counter mode under a public key, and what they are decides which
//! addresses are read.
//!
//! # Streams
//! The bits of position i are the lower 24 of word i of 32 bits of the stream, [`convolve`]'s from the block it is told
//! on. The stream of [`expand`] has 64 words for each stripe in turn for rows 0 to 63, then the same for rows 64 to 127,
//! and so on. A word w picks position ⌊w·s / 2^32⌋ of a stripe of s elements.
//!
//! # Security
//! Time and addresses depend on lengths and on the public key, not on the elements.
//!
//! # Limits
//! Vectors of at least [`ELEMENTS_MIN`] and fewer than 2^32 elements.
//!
//! # References
//! Raghuraman, Rindal, Tanguy, [Expand-Convolute Codes for Pseudorandom Correlation Generators from
//! LPN](https://eprint.iacr.org/2023/882).

mod portable;

/// Elements that are added up for each row.
pub const WEIGHT: usize = 21;

/// Elements behind each position that random bits name; the one behind them is added always.
pub const MEMORY: usize = 24;

/// Rows whose words lie together in the stream; the first row of [`expand`] is a multiple of it.
pub const ROW_GROUP: usize = 64;

/// The shortest vector: every stripe has more elements than the memory reaches.
pub const ELEMENTS_MIN: usize = WEIGHT * (MEMORY + 2);

/// Bytes of a key.
pub const KEY_BYTES: usize = 16;

fn check(elements: usize) {
    assert!(elements >= ELEMENTS_MIN && u32::try_from(elements).is_ok(), "a vector of a length that is served");
}

/// Runs once around `vectors`, with bits from the stream of `key` from `first_block` on.
///
/// # Panics
/// When there are fewer than [`ELEMENTS_MIN`] elements or 2^32 and more.
pub fn convolve<const W: usize>(key: &[u8; KEY_BYTES], first_block: u128, vectors: &mut [[u128; W]]) {
    check(vectors.len());
    portable::convolve(key, first_block, vectors);
}

/// Writes the sums of rows from `first_row` on: row r of vector w to `out[w][r - first_row]`.
///
/// # Panics
/// When there are fewer than [`ELEMENTS_MIN`] elements or 2^32 and more, when [`ROW_GROUP`] does not divide
/// `first_row`, or when the outputs have different lengths.
pub fn expand<const W: usize>(
    key: &[u8; KEY_BYTES],
    vectors: &[[u128; W]],
    first_row: usize,
    mut out: [&mut [u128]; W],
) {
    check(vectors.len());
    assert!(first_row.is_multiple_of(ROW_GROUP), "rows from the start of a group on");
    let rows = out.first().map_or(0, |rows| rows.len());
    assert!(out.iter().all(|out| out.len() == rows), "outputs of one length");
    let mut positions = [[0; ROW_GROUP]; WEIGHT];
    for start in (0..rows).step_by(ROW_GROUP) {
        portable::positions(key, vectors.len(), first_row + start, &mut positions);
        let end = rows.min(start + ROW_GROUP);
        portable::expand_group(vectors, &positions, &mut out.each_mut().map(|out| &mut out[start..end]));
    }
}

/// First element of stripe `index` of `elements`.
const fn stripe_start(elements: usize, index: usize) -> usize {
    elements * index / WEIGHT
}

/// First element and length of stripe `index` of `elements`, which have 32 bits.
fn stripe_of(elements: usize, index: usize) -> (u32, u32) {
    let word = |value: usize| u32::try_from(value).expect("the number of elements has 32 bits");
    let start = stripe_start(elements, index);
    (word(start), word(stripe_start(elements, index + 1) - start))
}

#[cfg(test)]
mod tests;
