//! Many oblivious transfers from 128 base transfers.
//!
//! # What it computes
//! For each of n chosen bits x_j a random block for the receiver, and for the sender two blocks of which that is
//! number x_j.
//!
//! # Who learns what
//! The sender learns nothing about the bits, the receiver nothing about the other blocks.
//!
//! # Security
//! Semi-honest: 128 base transfers, AES as a generator of streams, and a correlation-robust hash. The hash is BLAKE3,
//! keyed by session and use, over row and number, so a receiver that deviates is not checked: it may learn bits of
//! the sender's 128 base choices from what the sender does with wrong blocks later.
//!
//! # Protocol
//! In the base transfers the roles are turned: the sender here chose there, with 128 secret bits s.
//! 1. The receiver stretches both keys of each base transfer i to n bits and sends the sum of both streams and x as
//!    row i of a matrix: [`Receiver::extend`].
//! 2. The sender stretches the key it has and adds s_i times the row. Column j of what it has is that of the receiver
//!    plus x_j·s; both hash their columns: [`Sender::extend`].
//!
//! # Cost
//! 16 bytes a transfer, two AES blocks and one to two hashes.
//!
//! # Limits
//! At most [`TRANSFERS_MAX`] transfers a call; as many calls as wanted, in the same order on both sides.
//!
//! # Where it differs from the paper
//! Streams are rounded up to whole blocks of AES.
//!
//! # References
//! Ishai, Kilian, Nissim, Petrank, [Extending Oblivious Transfers
//! Efficiently](https://doi.org/10.1007/978-3-540-45146-4_9).

use std::fmt;

use symbolon_kernels::blake3_many::{self, Inputs, Part};
use symbolon_kernels::{aes_batch, transpose};
use symbolon_primitives::hash::Transcript;
use symbolon_primitives::kdf::Label;
use zeroize::{Zeroize, Zeroizing};

use super::base::{Context, Key, wrong_length};
use crate::block::{BLOCK_BYTES, Block};
use crate::error::{Error, Misuse, PeerMisbehaved};

/// Base transfers, rows of the matrix and bits of s.
pub const BASE_TRANSFERS: usize = 128;

/// Transfers of one call.
pub const TRANSFERS_MAX: usize = 1 << 24;

/// Step 1: the matrix, 128 rows of one bit a transfer and room up to a whole block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Matrix(Vec<u8>);

impl Matrix {
    /// Bytes on the wire for `count` transfers.
    #[must_use]
    pub const fn wire_bytes(count: usize) -> usize {
        BASE_TRANSFERS * row_bytes(count)
    }

    /// The message as bytes.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    /// Reads the message for `count` transfers.
    ///
    /// # Errors
    /// [`PeerMisbehaved::WrongLength`].
    pub fn decode(bytes: &[u8], count: usize) -> Result<Self, Error> {
        if bytes.len() != Self::wire_bytes(count) {
            return Err(wrong_length("matrix of transfers", Self::wire_bytes(count), bytes));
        }
        Ok(Self(bytes.to_vec()))
    }
}

const fn row_bytes(count: usize) -> usize {
    count.div_ceil(8 * BLOCK_BYTES) * BLOCK_BYTES
}

/// A stream for each base key, read on from call to call.
pub(crate) struct Streams {
    keys: Zeroizing<Vec<[u8; 16]>>,
    position: u128,
}

impl Streams {
    /// The first half of each key is that of a stream.
    pub(crate) fn new<'a>(keys: impl ExactSizeIterator<Item = &'a Key>) -> Self {
        let mut halves = Zeroizing::new(Vec::with_capacity(keys.len()));
        halves.extend(keys.map(|key| {
            let [half, _] = key.as_chunks::<16>().0 else { unreachable!("a key has two halves") };
            *half
        }));
        Self { keys: halves, position: 0 }
    }

    /// The next `bytes` bytes, whole blocks, of stream `index`.
    pub(crate) fn fill(&self, index: usize, out: &mut [u8]) {
        aes_batch::ctr_fill(&self.keys[index], self.position, out);
    }

    /// Goes on by `bytes` in all streams.
    pub(crate) const fn advance(&mut self, bytes: usize) {
        self.position += bytes.div_ceil(BLOCK_BYTES) as u128;
    }
}

/// The hash that turns columns into blocks, with a number for each that no other has.
struct Columns {
    key: [u8; 32],
    next: u128,
}

impl Columns {
    fn new(context: &Context) -> Self {
        let mut transcript = Transcript::new(Label::OtExtension);
        transcript.add(&context.sid);
        transcript.add(context.purpose.as_bytes());
        Self { key: transcript.finish(), next: 0 }
    }

    fn numbers(&mut self, count: usize) -> Vec<u128> {
        let first = self.next;
        self.next += count as u128;
        (first..self.next).collect()
    }

    fn hash(&self, columns: &[Block], numbers: &[u128], out: &mut [Block]) {
        let inputs = Inputs::pair(Part::blocks(columns), Part::blocks(numbers));
        blake3_many::keyed_blocks(&self.key, &inputs, out);
    }
}

/// The side that chooses; it was the sender of the base transfers.
pub struct Receiver {
    zero: Streams,
    one: Streams,
    columns: Columns,
}

/// The side that gets both blocks; it chose the bits s in the base transfers.
pub struct Sender {
    streams: Streams,
    secret: Zeroizing<Block>,
    columns: Columns,
}

impl Receiver {
    /// Starts from both keys of each base transfer.
    ///
    /// # Errors
    /// [`Misuse::Length`] when there are not 128 of them.
    pub fn new(context: &Context, keys: &[[Key; 2]]) -> Result<Self, Error> {
        check_base(keys.len())?;
        let [zero, one] = [0, 1].map(|side| Streams::new(keys.iter().map(|pair| &pair[side])));
        Ok(Self { zero, one, columns: Columns::new(context) })
    }

    /// Step 1: transfers with choice bits, each 0 or 1. Gives the chosen blocks.
    ///
    /// # Errors
    /// [`Error::LimitExceeded`] for more than [`TRANSFERS_MAX`].
    pub fn extend(&mut self, choices: &[u8]) -> Result<(Matrix, Zeroizing<Vec<Block>>), Error> {
        check_count(choices.len())?;
        let row_bytes = row_bytes(choices.len());
        let mut packed = Zeroizing::new(vec![0_u8; row_bytes]);
        for (byte, choices) in packed.iter_mut().zip(choices.chunks(8)) {
            *byte = choices.iter().rev().fold(0, |byte, choice| byte << 1 | (choice & 1));
        }
        let mut rows = Zeroizing::new(vec![0_u8; BASE_TRANSFERS * row_bytes]);
        let mut matrix = vec![0_u8; BASE_TRANSFERS * row_bytes];
        let pairs = rows.chunks_exact_mut(row_bytes.max(1)).zip(matrix.chunks_exact_mut(row_bytes.max(1)));
        for (index, (row, out)) in pairs.enumerate() {
            self.zero.fill(index, row);
            self.one.fill(index, out);
            for ((out, row), choice) in out.iter_mut().zip(row.iter()).zip(packed.iter()) {
                *out ^= row ^ choice;
            }
        }
        self.zero.advance(row_bytes);
        self.one.advance(row_bytes);
        let mut columns = Zeroizing::new(vec![0; choices.len()]);
        transpose::bits(&rows, &mut columns);
        let numbers = self.columns.numbers(choices.len());
        let mut blocks = Zeroizing::new(vec![0; choices.len()]);
        self.columns.hash(&columns, &numbers, &mut blocks);
        Ok((Matrix(matrix), blocks))
    }
}

impl Sender {
    /// Starts from the bits chosen in the base transfers, bit i for transfer i, and the keys they gave.
    ///
    /// # Errors
    /// [`Misuse::Length`] when there are not 128 of them.
    pub fn new(context: &Context, secret: Block, keys: &[Key]) -> Result<Self, Error> {
        check_base(keys.len())?;
        let streams = Streams::new(keys.iter());
        Ok(Self { streams, secret: Zeroizing::new(secret), columns: Columns::new(context) })
    }

    /// Step 2: `count` transfers. Gives both blocks of each.
    ///
    /// # Errors
    /// [`Error::LimitExceeded`] for more than [`TRANSFERS_MAX`], [`PeerMisbehaved::WrongLength`] for a matrix of
    /// another number of transfers.
    pub fn extend(&mut self, matrix: &Matrix, count: usize) -> Result<[Zeroizing<Vec<Block>>; 2], Error> {
        check_count(count)?;
        let (row_bytes, Matrix(matrix)) = (row_bytes(count), matrix);
        if matrix.len() != BASE_TRANSFERS * row_bytes {
            let (expected, got) = (BASE_TRANSFERS * row_bytes, matrix.len());
            return Err(PeerMisbehaved::WrongLength { what: "matrix of transfers", expected, got }.into());
        }
        let mut rows = Zeroizing::new(vec![0_u8; BASE_TRANSFERS * row_bytes]);
        let pairs = rows.chunks_exact_mut(row_bytes.max(1)).zip(matrix.chunks_exact(row_bytes.max(1)));
        for (index, (row, sent)) in pairs.enumerate() {
            self.streams.fill(index, row);
            let mask = bit_mask(*self.secret, index);
            for (row, sent) in row.iter_mut().zip(sent) {
                *row ^= sent & mask;
            }
        }
        self.streams.advance(row_bytes);
        let mut columns = Zeroizing::new(vec![0; count]);
        transpose::bits(&rows, &mut columns);
        let numbers = self.columns.numbers(count);
        let mut blocks = [0, 1].map(|_| Zeroizing::new(vec![0; count]));
        let [zero, one] = &mut blocks;
        self.columns.hash(&columns, &numbers, zero);
        columns.iter_mut().for_each(|column| *column ^= *self.secret);
        self.columns.hash(&columns, &numbers, one);
        Ok(blocks)
    }
}

/// All bits those of bit `index`.
pub(crate) fn bit_mask(secret: Block, index: usize) -> u8 {
    let [byte, ..] = (secret >> index & 1).to_le_bytes();
    byte.wrapping_neg()
}

const fn check_base(got: usize) -> Result<(), Error> {
    if got != BASE_TRANSFERS {
        return Err(Error::Misuse(Misuse::Length { what: "base transfers", expected: BASE_TRANSFERS, got }));
    }
    Ok(())
}

const fn check_count(count: usize) -> Result<(), Error> {
    if count > TRANSFERS_MAX {
        let (max, got) = (TRANSFERS_MAX as u64, count as u64);
        return Err(Error::LimitExceeded { what: "extended transfers", max, got });
    }
    Ok(())
}

impl Drop for Columns {
    fn drop(&mut self) {
        self.key.zeroize();
    }
}

impl fmt::Debug for Receiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Receiver(..)")
    }
}

impl fmt::Debug for Sender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sender(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONTEXT: Context = Context { sid: [3; 32], purpose: Label::VoleColumns };
    const SECRET: Block = 0x0123_4567_89AB_CDEF_0F1E_2D3C_4B5A_6978;

    /// What 128 base transfers give.
    fn base() -> (Vec<[Key; 2]>, Vec<Key>) {
        let pairs: Vec<[Key; 2]> =
            (0..128).map(|index| [0, 1].map(|side| *blake3::hash(&[index, side]).as_bytes())).collect();
        let chosen =
            pairs.iter().enumerate().map(|(index, pair)| pair[usize::from(SECRET >> index & 1 == 1)]).collect();
        (pairs, chosen)
    }

    fn parties(context: &Context) -> (Receiver, Sender) {
        let (pairs, chosen) = base();
        (Receiver::new(context, &pairs).unwrap(), Sender::new(context, SECRET, &chosen).unwrap())
    }

    #[test]
    fn the_receiver_gets_the_blocks_it_chose_in_every_call() {
        let (mut receiver, mut sender) = parties(&CONTEXT);
        let mut seen = std::collections::HashSet::new();
        for count in [1, 0, 7, 8, 127, 129, 1_000, 1] {
            let choices: Vec<u8> = (0..count).map(|index| u8::from(index % 3 == 1)).collect();
            let (matrix, chosen) = receiver.extend(&choices).unwrap();
            let matrix = Matrix::decode(&matrix.into_bytes(), count).unwrap();
            let [zero, one] = sender.extend(&matrix, count).unwrap();
            for (index, choice) in choices.iter().enumerate() {
                let pair = [zero[index], one[index]];
                assert_eq!(pair[usize::from(*choice)], chosen[index]);
                assert!(seen.insert(pair[0]) && seen.insert(pair[1]));
            }
        }
    }

    #[test]
    fn a_changed_bit_of_the_matrix_spoils_its_column_for_half_of_the_secrets() {
        let (mut receiver, mut sender) = parties(&CONTEXT);
        let (mut matrix, chosen) = receiver.extend(&[0; 16]).unwrap();
        // Row 3 counts, as bit 3 of the secret is 1; row 0 does not.
        assert_eq!((SECRET & 1, SECRET >> 3 & 1), (0, 1));
        matrix.0[0] ^= 1;
        matrix.0[3 * 16] ^= 2;
        let [zero, _] = sender.extend(&matrix, 16).unwrap();
        assert_eq!(zero[0], chosen[0]);
        assert_ne!(zero[1], chosen[1]);
        assert_eq!(zero[2..], chosen[2..]);
    }

    #[test]
    fn contexts_separate_and_lengths_are_checked() {
        let other = Context { purpose: Label::VoleTree, ..CONTEXT };
        let (mut left, _) = parties(&CONTEXT);
        let (mut right, mut sender) = parties(&other);
        assert_ne!(*left.extend(&[1]).unwrap().1, *right.extend(&[1]).unwrap().1);
        assert_eq!(Matrix::decode(&[0; 2_047], 1).unwrap_err().label(), "peer_wrong_length");
        let (matrix, _) = right.extend(&[1; 129]).unwrap();
        assert_eq!(sender.extend(&matrix, 128).unwrap_err().label(), "peer_wrong_length");
        assert_eq!(sender.extend(&matrix, TRANSFERS_MAX + 1).unwrap_err().label(), "limit_exceeded");
        assert_eq!(Sender::new(&CONTEXT, 0, &[]).unwrap_err().label(), "misuse_length");
        assert_eq!(format!("{right:?} {sender:?}"), "Receiver(..) Sender(..)");
    }
}
