//! The Reed-Solomon code that spreads one block over 31 symbols.
//!
//! # What it computes
//! A block is a polynomial of degree below 16 over GF(2^8) modulo 0x11B, its bytes in little-endian order the
//! coefficients. The code word is its values at the points 0 to 30, 31 symbols, held in a row of 32 bytes (two blocks
//! in little-endian order) whose last byte is zero, and sent as 31 bytes.
//!
//! # Security
//! Two polynomials of degree below 16 agree in 15 points at most, so two code words differ in at least 16 symbols
//! (the Singleton bound: no code of this size does better). In a correlation whose factor Δ has an independent
//! uniform byte for each symbol, Δ ⊙ (C(a) ⊕ C(b)) for a ≠ b therefore has at least 128 bits of entropy.
//!
//! Encoding takes the same time for all values.
//!
//! # References
//! Reed, Solomon, [Polynomial Codes over Certain Finite Fields](https://doi.org/10.1137/0108018).

use symbolon_kernels::gf256;

use crate::Error;
use crate::error::{Misuse, PeerMisbehaved};

/// Symbols of a value, k.
pub const DIMENSION: usize = 16;

/// Symbols of a code word, n; bytes of a row on the wire.
pub const LENGTH: usize = 31;

/// Symbols in which two code words differ at least, n - k + 1.
pub const DISTANCE: usize = LENGTH - DIMENSION + 1;

/// A code word or a share of one: [`LENGTH`] bytes in little-endian order and a zero.
pub type Row = [u128; 2];

/// The bytes of a row that are symbols.
pub const ROW_MASK: Row = [u128::MAX, u128::MAX >> 8];

/// Writes the code words of `values`.
///
/// # Errors
/// [`Misuse::Length`] when `rows` has another length.
pub fn encode(values: &[u128], rows: &mut [Row]) -> Result<(), Error> {
    same_length("code words", values.len(), rows.len())?;
    gf256::evaluate(LENGTH, values, rows);
    Ok(())
}

/// Appends the symbols of `rows`, 31 bytes each.
pub fn pack(rows: &[Row], out: &mut Vec<u8>) {
    out.reserve(rows.len() * LENGTH);
    for [low, high] in rows {
        out.extend_from_slice(&low.to_le_bytes());
        out.extend_from_slice(&high.to_le_bytes()[..LENGTH - 16]);
    }
}

/// Reads rows from their symbols.
///
/// # Errors
/// [`PeerMisbehaved::WrongLength`] when there are not 31 bytes for each row.
pub fn unpack(bytes: &[u8], rows: &mut [Row]) -> Result<(), Error> {
    let (symbols, rest) = bytes.as_chunks::<LENGTH>();
    if symbols.len() != rows.len() || !rest.is_empty() {
        let (expected, got) = (rows.len() * LENGTH, bytes.len());
        return Err(PeerMisbehaved::WrongLength { what: "masked rows", expected, got }.into());
    }
    for (row, symbols) in rows.iter_mut().zip(symbols) {
        let mut padded = [0; 32];
        padded[..LENGTH].copy_from_slice(symbols);
        for (block, bytes) in row.iter_mut().zip(padded.as_chunks().0) {
            *block = u128::from_le_bytes(*bytes);
        }
    }
    Ok(())
}

pub(super) fn same_length(what: &'static str, expected: usize, got: usize) -> Result<(), Error> {
    if expected == got { Ok(()) } else { Err(Misuse::Length { what, expected, got }.into()) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn word(value: u128) -> Vec<u8> {
        let mut row = [[0; 2]];
        encode(&[value], &mut row).unwrap();
        let mut symbols = Vec::new();
        pack(&row, &mut symbols);
        symbols
    }

    fn weight(value: u128) -> usize {
        word(value).iter().filter(|symbol| **symbol != 0).count()
    }

    /// The product by its definition.
    fn product(mut a: u8, b: u8) -> u8 {
        (0..8).fold(0, |sum, bit| {
            let term = if b >> bit & 1 == 1 { a } else { 0 };
            a = a << 1 ^ if a >> 7 == 1 { 0x1B } else { 0 };
            sum ^ term
        })
    }

    #[test]
    fn words_are_values_of_the_polynomial() {
        let value = u128::from_le_bytes(*b"sixteen symbols!");
        let expected: Vec<u8> = (0..31)
            .map(|point| value.to_le_bytes().iter().rev().fold(0, |sum, symbol| product(sum, point) ^ symbol))
            .collect();
        assert_eq!(word(value), expected);
        assert_eq!(word(0), [0; LENGTH]);
        assert_eq!(word(0xA5), [0xA5; LENGTH]);
        assert_eq!(word(1 << 8), (0..31).collect::<Vec<u8>>());
    }

    /// A polynomial of degree 15 with 15 roots among the points has a word of the least weight, and no other less.
    #[test]
    fn the_distance_is_reached_and_not_undercut() {
        for first_root in 0..=16 {
            let mut polynomial = [0_u8; DIMENSION];
            polynomial[0] = 1;
            for root in first_root..first_root + 15 {
                let shifted = [&[0], &polynomial[..15]].concat();
                for (coefficient, shifted) in polynomial.iter_mut().zip(shifted) {
                    *coefficient = product(*coefficient, root) ^ shifted;
                }
            }
            assert_eq!(weight(u128::from_le_bytes(polynomial)), DISTANCE);
        }
        for byte in 0..16 {
            assert!((1..=255_u128).all(|symbol| weight(symbol << (8 * byte)) >= 30));
        }
    }

    #[test]
    fn wrong_lengths_are_told() {
        let mut rows = [[0; 2]; 2];
        assert_eq!(unpack(&[0; 61], &mut rows).unwrap_err().label(), "peer_wrong_length");
        assert_eq!(unpack(&[0; 93], &mut rows).unwrap_err().label(), "peer_wrong_length");
        assert_eq!(encode(&[0; 3], &mut rows).unwrap_err().label(), "misuse_length");
    }

    proptest! {
        #[test]
        fn the_code_is_linear_and_far_apart(a: u128, b: u128) {
            let sum: Vec<u8> = word(a).iter().zip(word(b)).map(|(a, b)| a ^ b).collect();
            prop_assert_eq!(&sum, &word(a ^ b));
            prop_assert!(a == b || weight(a ^ b) >= DISTANCE);
        }

        #[test]
        fn rows_come_back_from_their_symbols(rows in prop::collection::vec(any::<Row>(), 0..9)) {
            let rows: Vec<Row> = rows.iter().map(|[low, high]| [*low, high & ROW_MASK[1]]).collect();
            let mut symbols = Vec::new();
            pack(&rows, &mut symbols);
            let mut back = vec![[1; 2]; rows.len()];
            unpack(&symbols, &mut back).unwrap();
            prop_assert_eq!(back, rows);
        }
    }
}
