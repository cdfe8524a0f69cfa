//! The field GF(2^8) on rows of 32 bytes: evaluation of polynomials, products by bytes.
//!
//! # What it computes
//! An element is a byte whose bit i is the coefficient of x^i, modulo x^8 + x^4 + x^3 + x + 1 (0x11B, the polynomial
//! of AES). A row is 32 elements, in little-endian order over two blocks.
//!
//! # Backends
//! * `avx512`: a product of 64 elements is one instruction of GFNI.
//! * Portable, also in place of `avx2`: sixteen elements in a `u128`, one bit of the factor after the other.
//!
//! # Security
//! All functions take time that depends on the number of rows only: no table, no branch on an element.
//!
//! # Cost
//! On one thread of a Zen 4 server with `avx512` and the portable backend: 5 and 214 ns a value at 31 points, 0.8 and
//! 17 ns a row of products.

use crate::cpu::Backend;

mod portable;
#[cfg(target_arch = "x86_64")]
mod x86_64;

pub(crate) use portable::times_x;

/// Elements of a row.
pub const ROW_ELEMENTS: usize = 32;

/// Writes for each value the row of its evaluations: byte p, for p below `points`, is Σ c_i·p^i over the bytes c_i of
/// the value in little-endian order, p being read as an element; the other bytes are zero. `points` is public.
///
/// # Panics
/// When the lengths differ or `points` is above 32.
pub fn evaluate(points: usize, values: &[u128], rows: &mut [[u128; 2]]) {
    evaluate_on(Backend::best(), points, values, rows);
}

fn evaluate_on(backend: Backend, points: usize, values: &[u128], rows: &mut [[u128; 2]]) {
    assert_eq!(values.len(), rows.len(), "one row for each value");
    assert!(points <= ROW_ELEMENTS, "a row has 32 elements");
    match backend {
        Backend::Portable => portable::evaluate(points, values, rows),
        #[cfg(target_arch = "x86_64")]
        Backend::Avx2(_) => portable::evaluate(points, values, rows),
        #[cfg(target_arch = "x86_64")]
        Backend::Avx512(cpu) => x86_64::evaluate(cpu, points, values, rows),
    }
}

/// Adds `factors` times x to each row of `acc`, element by element, x being the row of `xs` in its place.
///
/// # Panics
/// When the lengths differ.
pub fn mul_add_rows(factors: &[u128; 2], xs: &[[u128; 2]], acc: &mut [[u128; 2]]) {
    mul_add_rows_on(Backend::best(), factors, xs, acc);
}

fn mul_add_rows_on(backend: Backend, factors: &[u128; 2], xs: &[[u128; 2]], acc: &mut [[u128; 2]]) {
    assert_eq!(xs.len(), acc.len(), "one row for each sum");
    match backend {
        Backend::Portable => portable::mul_add_rows(factors, xs, acc),
        #[cfg(target_arch = "x86_64")]
        Backend::Avx2(_) => portable::mul_add_rows(factors, xs, acc),
        #[cfg(target_arch = "x86_64")]
        Backend::Avx512(cpu) => x86_64::mul_add_rows(cpu, factors, xs, acc),
    }
}

#[cfg(test)]
mod tests;
