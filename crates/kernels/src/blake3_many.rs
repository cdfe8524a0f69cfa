//! Keyed BLAKE3 of many short inputs of one length.
//!
//! # What it computes
//! The keyed hash of BLAKE3 of each input of at most 64 bytes, which is one compression: its first 32 bytes
//! ([`keyed`], equal to `blake3::keyed_hash`), its first 16 as a block ([`keyed_blocks`]), or the first 64 of its
//! extended output ([`keyed_wide`]), at the same cost. An input may stand in two places ([`Inputs::pair`]), so that
//! what is hashed together need not be gathered first.
//!
//! # Backends
//! * `avx512`: sixteen inputs side by side, one 32-bit lane each.
//! * `avx2`: eight side by side.
//! * Portable: the `blake3` crate, one after the other. It defines the results.
//!
//! # Security
//! Time and addresses depend on the number and the length of the inputs only: the compression is additions, rotations
//! and exclusive-ors. Within a lane nothing depends on another one. Inputs and outputs of temporary buffers are not
//! wiped; whoever hashes secrets owns the arrays.
//!
//! # Cost
//! On one thread of a Zen 4 server with `avx512`, `avx2` and the portable backend: 12, 21 and 98 ns a hash of 32 bytes,
//! 12, 25 and 98 ns of 48 bytes in two places.
//!
//! # References
//! * [BLAKE3 specification](https://github.com/BLAKE3-team/BLAKE3-specs/blob/master/blake3.pdf), sections 2.2, 2.5
//!   and 2.6

use crate::cpu::Backend;

mod portable;
#[cfg(target_arch = "x86_64")]
mod x86_64;

/// Bytes of a key.
pub const KEY_BYTES: usize = 32;

/// Bytes that one compression takes.
pub const INPUT_BYTES_MAX: usize = 64;

/// One piece of every input.
#[derive(Clone, Copy, Debug)]
pub struct Part<'a> {
    data: Data<'a>,
    /// Bytes of an input.
    bytes: usize,
    /// Inputs.
    count: usize,
}

#[derive(Clone, Copy, Debug)]
enum Data<'a> {
    Bytes(&'a [u8]),
    Blocks(&'a [u128]),
}

impl<'a> Part<'a> {
    const EMPTY: Self = Self { data: Data::Bytes(&[]), bytes: 0, count: 0 };

    /// Arrays of bytes, one for each input.
    #[must_use]
    pub const fn bytes<const N: usize>(inputs: &'a [[u8; N]]) -> Self {
        Self { data: Data::Bytes(inputs.as_flattened()), bytes: N, count: inputs.len() }
    }

    /// Arrays of blocks in little-endian order of bytes, one array for each input.
    #[must_use]
    pub const fn rows<const N: usize>(inputs: &'a [[u128; N]]) -> Self {
        Self { data: Data::Blocks(inputs.as_flattened()), bytes: 16 * N, count: inputs.len() }
    }

    /// Blocks in little-endian order of bytes, one for each input.
    #[must_use]
    pub const fn blocks(inputs: &'a [u128]) -> Self {
        Self { data: Data::Blocks(inputs), bytes: 16, count: inputs.len() }
    }
}

/// Inputs of one length, in one piece or two.
#[derive(Clone, Copy, Debug)]
pub struct Inputs<'a> {
    parts: [Part<'a>; 2],
    count: usize,
}

impl<'a> Inputs<'a> {
    /// Inputs in one piece.
    ///
    /// # Panics
    /// When an input has more than 64 bytes.
    #[must_use]
    pub const fn of(part: Part<'a>) -> Self {
        assert!(part.bytes <= INPUT_BYTES_MAX, "one compression takes 64 bytes");
        Self { parts: [part, Part::EMPTY], count: part.count }
    }

    /// Input i is piece i of `first` followed by piece i of `second`.
    ///
    /// # Panics
    /// When both have different numbers of pieces, or an input has more than 64 bytes.
    #[must_use]
    pub const fn pair(first: Part<'a>, second: Part<'a>) -> Self {
        assert!(first.count == second.count, "as many first pieces as second ones");
        assert!(first.bytes + second.bytes <= INPUT_BYTES_MAX, "one compression takes 64 bytes");
        Self { parts: [first, second], count: first.count }
    }

    /// How many inputs there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.count
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }
}

/// Writes the keyed hash of every input.
///
/// # Panics
/// When `out` has another length than the inputs.
pub fn keyed(key: &[u8; KEY_BYTES], inputs: &Inputs<'_>, out: &mut [[u8; 32]]) {
    keyed_on(Backend::best(), key, inputs, out);
}

/// Writes the first 64 bytes of the extended keyed output of every input; the first 32 are its hash.
///
/// # Panics
/// When `out` has another length than the inputs.
pub fn keyed_wide(key: &[u8; KEY_BYTES], inputs: &Inputs<'_>, out: &mut [[u8; 64]]) {
    keyed_on(Backend::best(), key, inputs, out);
}

/// Writes the first 16 bytes of the keyed hash of every input as a block in little-endian order.
///
/// # Panics
/// When `out` has another length than the inputs.
pub fn keyed_blocks(key: &[u8; KEY_BYTES], inputs: &Inputs<'_>, out: &mut [u128]) {
    keyed_blocks_on(Backend::best(), key, inputs, out);
}

fn keyed_on<const N: usize>(backend: Backend, key: &[u8; KEY_BYTES], inputs: &Inputs<'_>, out: &mut [[u8; N]]) {
    assert_eq!(out.len(), inputs.len(), "one hash for each input");
    match backend {
        Backend::Portable => portable::keyed(key, inputs, out),
        #[cfg(target_arch = "x86_64")]
        Backend::Avx2(cpu) => x86_64::avx2::keyed(cpu, key, inputs, out),
        #[cfg(target_arch = "x86_64")]
        Backend::Avx512(cpu) => x86_64::avx512::keyed(cpu, key, inputs, out),
    }
}

fn keyed_blocks_on(backend: Backend, key: &[u8; KEY_BYTES], inputs: &Inputs<'_>, out: &mut [u128]) {
    assert_eq!(out.len(), inputs.len(), "one block for each input");
    match backend {
        Backend::Portable => portable::keyed_blocks(key, inputs, out),
        #[cfg(target_arch = "x86_64")]
        Backend::Avx2(cpu) => x86_64::avx2::keyed_blocks(cpu, key, inputs, out),
        #[cfg(target_arch = "x86_64")]
        Backend::Avx512(cpu) => x86_64::avx512::keyed_blocks(cpu, key, inputs, out),
    }
}

#[cfg(test)]
mod tests;
