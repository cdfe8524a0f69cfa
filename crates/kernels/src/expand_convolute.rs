//! The two steps of an expand-convolute code in the direction that compresses.
//!
//! # What it computes
//! [`convolve`] runs once around a vector: in order of positions i, element i is added to the 24 elements behind it
//! that the 24 random bits of position i name, and to the one behind those always. What is behind the last element is
//! the first. The constant bit makes the way from state to state one to one, so a state that is not zero stays so.
//!
//! [`expand`] adds up [`WEIGHT`] elements for each row. The vector has as many equal stripes; the rows of one group take
//! one element each from a random window that begins in each stripe. So windows stay in the first caches: elements from
//! anywhere would cost a read from memory each.
//!
//! The code is public: bits, windows and positions come from AES in counter mode under a public key, and what they are
//! decides which addresses are read.
//!
//! # Streams
//! The bits of position i are the lower 24 of word i of 32 bits of the stream, [`convolve`]'s from the block it is told
//! on. With windows of w elements a group has 2·w rows ([`group_rows`]); w is a power of two. The stream of [`expand`]
//! has, for each stripe of the first group in turn, one block whose lower 64 bits v pick the window's first element
//! ⌊v·s / 2^64⌋ in the stripe of s elements (in the last stripe of s - w + 1, that the window ends with the vector), and a word of 16 bits for each row of the group, whose lower bits
//! are its position in the window. The second group follows, and so on.
//!
//! # Security
//! Time and addresses depend on lengths and on the public key, not on the elements.
//!
//! # Limits
//! Vectors of at least [`ELEMENTS_MIN`] elements.
//!
//! # References
//! Raghuraman, Rindal, Tanguy, [Expand-Convolute Codes for Pseudorandom Correlation Generators from
//! LPN](https://eprint.iacr.org/2023/882).

mod portable;
#[cfg(target_arch = "x86_64")]
mod x86_64;

/// Elements that are added up for each row.
pub const WEIGHT: usize = 21;

/// Elements behind each position that random bits name; the one behind them is added always.
pub const MEMORY: usize = 24;

/// The shortest vector.
pub const ELEMENTS_MIN: usize = WEIGHT * 2 * MEMORY;

/// Elements of a window at most.
pub const WINDOW_MAX: usize = 1 << 11;

/// Bytes of a key.
pub const KEY_BYTES: usize = 16;

/// Where a computation runs.
#[derive(Clone, Copy, Debug)]
enum Backend {
    Portable,
    #[cfg(target_arch = "x86_64")]
    Avx512(x86_64::Avx512),
}

impl Backend {
    /// The fastest backend that this CPU has and `kernels_force` leaves.
    fn best() -> Self {
        #[cfg(all(
            target_arch = "x86_64",
            not(any(kernels_force = "portable", kernels_force = "avx2", kernels_force = "neon"))
        ))]
        if let Some(cpu) = x86_64::Avx512::detect() {
            return Self::Avx512(cpu);
        }
        Self::Portable
    }
}

fn check(elements: usize) {
    assert!(elements >= ELEMENTS_MIN, "a vector of a length that is served");
}

/// Runs once around `vector`, with bits from the stream of `key` from `first_block` on.
///
/// # Panics
/// When there are fewer than [`ELEMENTS_MIN`] elements.
pub fn convolve(key: &[u8; KEY_BYTES], first_block: u128, vector: &mut [u128]) {
    convolve_on(Backend::best(), key, first_block, vector);
}

fn convolve_on(backend: Backend, key: &[u8; KEY_BYTES], first_block: u128, vector: &mut [u128]) {
    check(vector.len());
    let mut bits = [0; portable::WORDS];
    let mut block = first_block;
    for start in (0..vector.len()).step_by(portable::WORDS) {
        portable::words(key, block, &mut bits);
        block += portable::WORDS as u128 / 4;
        let bits = &bits[..portable::WORDS.min(vector.len() - start)];
        match backend {
            Backend::Portable => portable::convolve(vector, start, bits),
            #[cfg(target_arch = "x86_64")]
            Backend::Avx512(cpu) => cpu.convolve(vector, start, bits),
        }
    }
}

/// Elements of a window of a vector of `elements`: a power of two, at most the shortest stripe.
fn window(elements: usize) -> usize {
    let longest = (elements / WEIGHT).min(WINDOW_MAX);
    1 << longest.ilog2()
}

/// Rows of one group of a vector of `elements`: the first row of [`expand`] is a multiple of it.
///
/// # Panics
/// When there are fewer than [`ELEMENTS_MIN`] elements.
#[must_use]
pub fn group_rows(elements: usize) -> usize {
    check(elements);
    2 * window(elements)
}

/// Writes the sums of rows from `first_row` on.
///
/// # Panics
/// When there are fewer than [`ELEMENTS_MIN`] elements, or [`group_rows`] does not divide `first_row`.
pub fn expand(key: &[u8; KEY_BYTES], vector: &[u128], first_row: usize, out: &mut [u128]) {
    expand_on(Backend::best(), key, vector, first_row, out);
}

fn expand_on(backend: Backend, key: &[u8; KEY_BYTES], vector: &[u128], first_row: usize, out: &mut [u128]) {
    let rows = group_rows(vector.len());
    assert!(first_row.is_multiple_of(rows), "rows from the start of a group on");
    let mut words = [const { [0_u16; 2 * WINDOW_MAX] }; portable::TOGETHER];
    for (group, out) in (first_row / rows..).zip(out.chunks_mut(rows)) {
        out.fill(0);
        for first in (0..WEIGHT).step_by(portable::TOGETHER) {
            let mut windows: [&[u128]; portable::TOGETHER] = [&[]; portable::TOGETHER];
            for (place, (window, words)) in windows.iter_mut().zip(&mut words).enumerate() {
                *window = portable::window(key, vector, group, first + place, &mut words[..rows]);
            }
            match backend {
                Backend::Portable => portable::add(&windows, &words, out),
                #[cfg(target_arch = "x86_64")]
                Backend::Avx512(cpu) => cpu.add(&windows, &words, out),
            }
        }
    }
}

/// First element of stripe `index` of `elements`.
const fn stripe_start(elements: usize, index: usize) -> usize {
    elements * index / WEIGHT
}

#[cfg(test)]
mod tests;
