//! Transposition of bit and byte matrices of few rows and many columns.
//!
//! # What it computes
//! [`bits`] turns 128 rows of bits into one `u128` a column, as OT extension needs; [`bytes`] turns 32 rows of bytes
//! into 32 bytes a column, as vector OLE over a small field does.
//!
//! # Backends
//! * `avx512` and `avx2`: tiles of 16 by 16 bytes in vectors of SSE2; bits leave them by the sign mask of bytes.
//! * Portable: one bit or byte at a time.
//!
//! # Security
//! Time and addresses depend on the sizes only.
//!
//! # Cost
//! On one thread of a Zen 4 server with vectors and with the portable backend: 11 and 190 ns a column of 128 bits, 5
//! and 83 ns a column of 32 bytes.

use crate::cpu::Backend;

mod portable;
#[cfg(target_arch = "x86_64")]
mod x86_64;

/// Rows of [`bits`].
pub const BIT_ROWS: usize = 128;

/// Rows of [`bytes`].
pub const BYTE_ROWS: usize = 32;

/// Writes column j of a matrix of 128 rows of bits to `out[j]`: bit i of it is bit j of row i. Row i is the i-th of
/// 128 equal parts of `rows`; its bit j is bit j mod 8 of its byte j / 8.
///
/// # Panics
/// When 128 does not divide the bytes of `rows`, or a row has fewer bits than there are columns in `out`.
pub fn bits(rows: &[u8], out: &mut [u128]) {
    bits_on(Backend::best(), rows, out);
}

fn bits_on(backend: Backend, rows: &[u8], out: &mut [u128]) {
    assert!(rows.len().is_multiple_of(BIT_ROWS), "128 rows of bits of one length");
    let row_bytes = rows.len() / BIT_ROWS;
    assert!(out.len().div_ceil(8) <= row_bytes, "a bit of each row for each column");
    match backend {
        Backend::Portable => portable::bits(rows, row_bytes, 0, out),
        #[cfg(target_arch = "x86_64")]
        Backend::Avx2(cpu) => x86_64::bits(cpu, rows, row_bytes, out),
        #[cfg(target_arch = "x86_64")]
        Backend::Avx512(cpu) => x86_64::bits(cpu.avx2(), rows, row_bytes, out),
    }
}

/// Writes column j of a matrix of 32 rows of bytes to `out[j]`: byte i of it, in little-endian order over both
/// blocks, is byte j of row i. Row i is the i-th of 32 equal parts of `rows`.
///
/// # Panics
/// When 32 does not divide the bytes of `rows`, or a row has fewer bytes than there are columns in `out`.
pub fn bytes(rows: &[u8], out: &mut [[u128; 2]]) {
    bytes_on(Backend::best(), rows, out);
}

fn bytes_on(backend: Backend, rows: &[u8], out: &mut [[u128; 2]]) {
    assert!(rows.len().is_multiple_of(BYTE_ROWS), "32 rows of bytes of one length");
    let row_bytes = rows.len() / BYTE_ROWS;
    assert!(out.len() <= row_bytes, "a byte of each row for each column");
    match backend {
        Backend::Portable => portable::bytes(rows, row_bytes, 0, out),
        #[cfg(target_arch = "x86_64")]
        Backend::Avx2(cpu) => x86_64::bytes(cpu, rows, row_bytes, out),
        #[cfg(target_arch = "x86_64")]
        Backend::Avx512(cpu) => x86_64::bytes(cpu.avx2(), rows, row_bytes, out),
    }
}

#[cfg(test)]
mod tests;
