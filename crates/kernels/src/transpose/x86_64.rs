//! Tiles of 16 by 16 bytes in 16-byte vectors.

use std::arch::x86_64::*;

use super::{BIT_ROWS, BYTE_ROWS, portable};
use crate::cpu::{Avx2, avx2};

/// Rows and columns of a tile.
const TILE: usize = 16;

pub(super) fn bits(_: Avx2, rows: &[u8], row_bytes: usize, out: &mut [u128]) {
    // SAFETY: a token exists, so the CPU has the instructions.
    unsafe { all_bits(rows, row_bytes, out) }
}

pub(super) fn bytes(_: Avx2, rows: &[u8], row_bytes: usize, out: &mut [[u128; 2]]) {
    // SAFETY: a token exists, so the CPU has the instructions.
    unsafe { all_bytes(rows, row_bytes, out) }
}

avx2! {
    /// Bytes `first_column` to `first_column + 15` of sixteen rows from `first_row` on, transposed.
    fn tile(rows: &[u8], row_bytes: usize, first_row: usize, first_column: usize) -> [__m128i; TILE] {
        let mut vectors = [_mm_setzero_si128(); TILE];
        for (row, vector) in vectors.iter_mut().enumerate() {
            let bytes = &rows[(first_row + row) * row_bytes + first_column..][..TILE];
            // SAFETY: the pointer is to 16 bytes that may be read, and the load needs no alignment.
            *vector = unsafe { _mm_loadu_si128(bytes.as_ptr().cast()) };
        }
        // Each step shifts the eight bits of (row, column) around by one, so four of them swap both.
        for _ in 0..4 {
            let before = vectors;
            for row in 0..TILE / 2 {
                vectors[2 * row] = _mm_unpacklo_epi8(before[row], before[row + TILE / 2]);
                vectors[2 * row + 1] = _mm_unpackhi_epi8(before[row], before[row + TILE / 2]);
            }
        }
        vectors
    }
}

avx2! {
    fn block(vector: __m128i) -> u128 {
        let mut block = 0_u128;
        // SAFETY: the pointer is to 16 bytes that may be written, and the store needs no alignment.
        unsafe { _mm_storeu_si128((&raw mut block).cast(), vector) };
        block
    }
}

avx2! {
    fn all_bits(rows: &[u8], row_bytes: usize, out: &mut [u128]) {
        let (whole, tail) = out.as_chunks_mut::<{ 8 * TILE }>();
        let done = whole.len() * 8 * TILE;
        for (number, out) in whole.iter_mut().enumerate() {
            out.fill(0);
            for first_row in (0..BIT_ROWS).step_by(TILE) {
                let columns = tile(rows, row_bytes, first_row, number * TILE);
                for (out, column) in out.as_chunks_mut::<8>().0.iter_mut().zip(columns) {
                    let mut column = column;
                    // The mask takes the highest bit of each byte; doubling a byte moves the next one there.
                    for out in out.iter_mut().rev() {
                        let mask = u128::from(_mm_movemask_epi8(column).cast_unsigned());
                        *out |= mask << first_row;
                        column = _mm_add_epi8(column, column);
                    }
                }
            }
        }
        portable::bits(rows, row_bytes, done, tail);
    }
}

avx2! {
    fn all_bytes(rows: &[u8], row_bytes: usize, out: &mut [[u128; 2]]) {
        let (whole, tail) = out.as_chunks_mut::<TILE>();
        let done = whole.len() * TILE;
        for (number, out) in whole.iter_mut().enumerate() {
            for half in 0..BYTE_ROWS / TILE {
                let columns = tile(rows, row_bytes, half * TILE, number * TILE);
                for (out, column) in out.iter_mut().zip(columns) {
                    out[half] = block(column);
                }
            }
        }
        portable::bytes(rows, row_bytes, done, tail);
    }
}
