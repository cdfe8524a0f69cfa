//! Banded linear systems over GF(2) with values of 128 bits: the row operations of a random-band key-value store.
//!
//! # What it computes
//! A key stands for one equation: the exclusive or of those entries of a vector that its band selects. The band
//! starts at [`Key::position`] and has `width` bits, bit j for the entry at `position` + j; its bits are the low ones
//! of the key's row, 32 bytes read as a little-endian number. Keys come in the order of blocks: of position / 8.
//!
//! * [`eliminate`] brings the equations of a stretch of the vector into echelon form, [`insert`] adds what
//!   left one stretch to the next, and [`substitute`] solves from the last entry to the first.
//! * [`decode`] evaluates equations on a given vector, whose entries may have several words of 128 bits.
//!
//! The columns in which pivots lie, and with them the solution for given values of the free entries, do not depend
//! on the order of elimination. So all backends give the same solution, and so does every division into stretches.
//!
//! # Backends
//! * AVX-512 with GFNI: eight keys side by side. Elimination keeps the rows that reach over a column in registers, one
//!   a lane. For decoding and substitution eight entries are a bit matrix for each of their bytes, and one
//!   instruction applies eight such matrices to eight bits of eight keys.
//! * Portable: one key after the other. It defines the results.
//!
//! # Security
//! Which addresses are touched and how long a call takes depends on positions, bands and indices, which come from
//! hashes of a party's own items: computations for a party's eyes only. Nothing depends on values or entries.

#[cfg(test)]
mod tests;

mod portable;
#[cfg(target_arch = "x86_64")]
mod x86_64;

/// Bytes of a key's row.
pub const ROW_BYTES: usize = 32;

/// The widest band.
pub const WIDTH_MAX: usize = 248;

/// Neighbouring entries that are worked on together; stretches begin and end at multiples of it.
pub const BLOCK_SLOTS: usize = 8;

/// One equation: where its band starts and which row has the bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "plain data that callers make by the million")]
pub struct Key {
    /// The first entry that the band covers.
    pub position: u32,
    /// The number of the key's row, and of its value.
    pub index: u32,
}

/// The pivots of eight neighbouring columns: word by word, eight rows in each. Bit j of a row stands for column j
/// of the block or of one behind it; a row without any bit is that of a free column.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(align(64))]
pub struct Block {
    words: [[u64; BLOCK_SLOTS]; 4],
}

impl zeroize::DefaultIsZeroes for Key {}

impl zeroize::DefaultIsZeroes for Block {}

impl Block {
    /// Whether the column has no pivot, so that any value solves the equations.
    ///
    /// # Panics
    /// When `column` is not below 8.
    #[must_use]
    pub const fn is_free(&self, column: usize) -> bool {
        let [a, b, c, d] = &self.words;
        a[column] | b[column] | c[column] | d[column] == 0
    }
}

/// An equation that reaches behind the stretch it started in. Bit j stands for the entry at `position` + j.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    position: u32,
    words: [u64; 4],
    value: u128,
}

impl zeroize::Zeroize for Row {
    fn zeroize(&mut self) {
        self.position.zeroize();
        self.words.zeroize();
        self.value.zeroize();
    }
}

/// An equation is the sum of others: there is no solution for all values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "there is nothing to say about it")]
pub struct Dependent;

/// Where a computation runs.
#[derive(Clone, Copy, Debug)]
enum Backend {
    Portable,
    #[cfg(target_arch = "x86_64")]
    Avx512(x86_64::Avx512),
}

impl Backend {
    /// The fastest backend that this CPU has.
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

/// The name of the backend that this CPU gets: `avx512` or `portable`.
#[must_use]
pub fn backend() -> &'static str {
    match Backend::best() {
        Backend::Portable => "portable",
        #[cfg(target_arch = "x86_64")]
        Backend::Avx512(_) => "avx512",
    }
}

/// A stretch of the vector that is being solved for: entry i lies at position `first` + i.
struct Stretch<'a> {
    first: u32,
    blocks: &'a mut [Block],
    solution: &'a mut [u128],
}

impl<'a> Stretch<'a> {
    fn new(first: u32, blocks: &'a mut [Block], solution: &'a mut [u128]) -> Self {
        assert_eq!(solution.len(), blocks.len() * BLOCK_SLOTS, "eight entries for each block");
        assert!((first as usize).is_multiple_of(BLOCK_SLOTS), "a stretch begins where a block does");
        assert!(u32::try_from(first as usize + solution.len() + 256).is_ok(), "positions are 32-bit numbers");
        Self { first, blocks, solution }
    }
}

/// Keys as every function takes them: in the order of their blocks, from `first` on, with bands of `width` bits.
fn assert_keys(width: usize, keys: &[Key], first: u32, slots: usize) {
    assert!((1..=WIDTH_MAX).contains(&width), "the width is from 1 to 248");
    let block = |key: &Key| key.position as usize / BLOCK_SLOTS;
    assert!(keys.is_sorted_by_key(block), "keys are in the order of their blocks");
    let inside = |key: &Key| key.position >= first && ((key.position - first) as usize) < slots;
    assert!(keys.iter().all(inside), "keys start in the stretch");
}

/// Brings the equations of `keys` into echelon form: row `index` of `rows` times the vector is value `index` of
/// `values`. They start in the stretch of `blocks`, whose first column is `first`, and pivots that lie in it are put
/// there, their values into `solution`. Both must be zero before. What remains of equations whose pivots lie behind
/// the stretch is returned.
///
/// # Errors
/// [`Dependent`] when an equation is the sum of others; the stretch is then of no use.
///
/// # Panics
/// When the width is not from 1 to 248, keys are not in the order of their blocks or start outside, an index has no row or value, `first` is no multiple of 8, or `solution` has not eight entries for each block.
pub fn eliminate(
    width: usize,
    keys: &[Key],
    rows: &[[u8; ROW_BYTES]],
    values: &[u128],
    first: u32,
    blocks: &mut [Block],
    solution: &mut [u128],
) -> Result<Vec<Row>, Dependent> {
    eliminate_on(Backend::best(), width, keys, rows, values, Stretch::new(first, blocks, solution))
}

fn eliminate_on(
    backend: Backend,
    width: usize,
    keys: &[Key],
    rows: &[[u8; ROW_BYTES]],
    values: &[u128],
    stretch: Stretch<'_>,
) -> Result<Vec<Row>, Dependent> {
    assert_keys(width, keys, stretch.first, stretch.solution.len());
    match backend {
        Backend::Portable => portable::eliminate(width, keys, rows, values, stretch),
        #[cfg(target_arch = "x86_64")]
        Backend::Avx512(cpu) => cpu.eliminate(width, keys, rows, values, stretch),
    }
}

/// Adds one equation to others in echelon form. Returns what remains of it when its pivot lies behind the stretch.
///
/// # Errors
/// [`Dependent`] when it is the sum of others.
///
/// # Panics
/// When the row begins before the stretch, `first` is no multiple of 8, or `solution` has not eight entries for
/// each block.
pub fn insert(row: Row, first: u32, blocks: &mut [Block], solution: &mut [u128]) -> Result<Option<Row>, Dependent> {
    assert!(row.position >= first, "the row begins in the stretch or behind it");
    portable::insert(row, &mut Stretch::new(first, blocks, solution))
}

/// Solves equations in echelon form. `solution` has the values of the pivots, and in free columns the entries that
/// are wanted there; it becomes the solution. No row may reach behind the last entry.
///
/// # Panics
/// When the width is not from 1 to 248 or `solution` has not eight entries for each block.
pub fn substitute(width: usize, blocks: &[Block], solution: &mut [u128]) {
    substitute_on(Backend::best(), width, blocks, solution);
}

fn substitute_on(backend: Backend, width: usize, blocks: &[Block], solution: &mut [u128]) {
    assert!((1..=WIDTH_MAX).contains(&width), "the width is from 1 to 248");
    assert_eq!(solution.len(), blocks.len() * BLOCK_SLOTS, "eight entries for each block");
    match backend {
        Backend::Portable => portable::substitute(blocks, solution),
        #[cfg(target_arch = "x86_64")]
        Backend::Avx512(cpu) => cpu.substitute(width, blocks, solution),
    }
}

/// Writes to `out` the equations of `keys`, in their order, evaluated on `vector`, whose first entry lies at position
/// `first`.
///
/// # Panics
/// When the width is not from 1 to 248, `first` is no multiple of 8, keys are not in the order of their blocks, a band
/// does not lie in the vector, an index has no row, or `out` has another length than `keys`.
pub fn decode<const W: usize>(
    width: usize,
    keys: &[Key],
    rows: &[[u8; ROW_BYTES]],
    first: u32,
    vector: &[[u128; W]],
    out: &mut [[u128; W]],
) {
    decode_on(Backend::best(), width, keys, rows, first, vector, out);
}

fn decode_on<const W: usize>(
    backend: Backend,
    width: usize,
    keys: &[Key],
    rows: &[[u8; ROW_BYTES]],
    first: u32,
    vector: &[[u128; W]],
    out: &mut [[u128; W]],
) {
    assert_keys(width, keys, first, (vector.len() + 1).saturating_sub(width));
    assert_eq!(keys.len(), out.len(), "one result for each key");
    assert!((first as usize).is_multiple_of(BLOCK_SLOTS), "a window begins where a block does");
    match backend {
        Backend::Portable => portable::decode(width, keys, rows, first, vector, out),
        #[cfg(target_arch = "x86_64")]
        Backend::Avx512(cpu) => cpu.decode(width, keys, rows, first, vector, out),
    }
}
