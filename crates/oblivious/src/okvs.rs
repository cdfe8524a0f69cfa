//! Random-band oblivious key-value store.
//!
//! # What it computes
//! [`encode`] takes n keys with values of 128 bits and gives a vector P of about 1.10·n entries such that
//! [`decode`] of P at each key is its value. Decoding is linear: it is the exclusive or of the entries that the key's
//! row selects, so Dec(A, x) ⊕ Dec(B, x) = Dec(A ⊕ B, x) for any vectors, of wider entries too. At a key that was not
//! encoded it gives the sum of what its row selects.
//!
//! Keys are given by their [`RowHash`]: 32 bytes that a caller derives from an item and a *row seed* common to both
//! parties. It must behave like a random function of the item that nobody could choose after the items were known.
//!
//! # Who learns what
//! Nobody: both are computations of one party. A vector with entries drawn at random in free columns
//! ([`encode_filled`]) says nothing about which keys were encoded if their values are uniform. With zeros there
//! ([`encode`]) the free columns can be seen, and they depend on the keys: such a vector must be masked, as the
//! vector oblivious evaluation does.
//!
//! Time and addresses depend on positions and bands of one's own keys, not on values or entries.
//!
//! # Security
//! Encoding fails when rows are dependent, which says a little about the keys: with the parameters of
//! [`Params::for_items`] the probability is below 2^-40 for independent uniform rows. How the widths were found is
//! told in the chapter `okvs` of the manual of symbolon-psi. After a failure the caller draws a new row seed.
//!
//! # Protocol
//! A row starts at a position that is uniform among ⌈1.10·n⌉ and has `width` random bits from there on: a linear
//! system whose matrix is a random band.
//!
//! 1. Keys are brought in the order of their positions (of blocks of eight), piece by piece and stretch by stretch
//!    (`order`).
//! 2. Every stretch of 2^14 columns is brought into echelon form by itself; what reaches into the next stretch
//!    is added to it afterwards (`encode`).
//! 3. Free columns get zeros or random entries, and the rest follows from the last to the first.
//!
//! Decoding takes the same order (`decode`). Stretches and pieces of keys run in parallel on the rayon pool of the
//! caller; the results do not depend on how many threads there are, since the solution for given entries in free
//! columns is the only one.
//!
//! # Cost
//! `cargo bench -p symbolon-oblivious --bench okvs` prints it. Encoding needs 44 bytes a key besides its inputs and its result,
//! decoding at most 24 bytes for each of a million keys at a time and 16 more with two-word entries.
//!
//! # Limits
//! 2^24 items in one vector ([`ITEMS_MAX`]). The vector belongs to one set of rows: a second set needs a fresh seed.
//!
//! # Where it differs from the paper
//! * The vector has ⌈1.10·n⌉ + width entries, not ⌈1.10·n⌉, so that positions are uniform among ⌈1.10·n⌉ and the
//!   load is the same everywhere, at small sizes too.
//! * Below 2^10 items the vector is that of 2^10.
//! * Widths are from experiments of our own and grow with the number of items.
//!
//! # References
//! * Bienstock, Patel, Seo, Yeo, [Near-Optimal Oblivious Key-Value Stores for Efficient PSI, PSU and Volume-Hiding
//!   Multi-Maps](https://eprint.iacr.org/2023/903), section 4
//! * Dillinger, Walzer, [Ribbon filter: practically smaller than Bloom and Xor](https://arxiv.org/abs/2103.02515),
//!   for elimination in which rows enter one by one

use thiserror::Error;

mod decode;
mod encode;
mod order;
mod params;

pub use decode::decode;
pub use encode::{encode, encode_filled};
pub use params::{ITEMS_MAX, Params};

use crate::error::Misuse;

/// Bytes of a [`RowHash`].
pub const ROW_BYTES: usize = symbolon_kernels::band::ROW_BYTES;

/// The uniform bytes that give a key its row: as a little-endian number, the low `width` bits are the band, and the
/// high 64 bits scaled to the number of positions are where it starts.
///
/// Bits 192 to `width` - 1 serve for both. There are at most 32 of them, which together weigh less than 2^-32 in the
/// fraction that gives the position: they decide about fewer than one row in 2^7, and move it by one.
pub type RowHash = [u8; ROW_BYTES];

/// Why there is no vector.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Failure {
    /// The rows are dependent. Draw a new row seed and try again; see the module's text for how rare it is.
    #[error("the rows are dependent")]
    Dependent,
    /// Two rows are equal: an item occurs twice, or the hash is none. A new seed does not help.
    #[error("two rows are equal")]
    EqualRows,
    /// The caller broke a documented condition.
    #[error("misuse: {0}")]
    Misuse(#[from] Misuse),
}

impl Failure {
    /// The stable word for metrics and audit.
    #[must_use]
    pub const fn label(&self) -> &'static str {
        match self {
            Self::Dependent => "okvs_dependent",
            Self::EqualRows => "okvs_equal_rows",
            Self::Misuse(_) => "misuse",
        }
    }
}

#[cfg(test)]
mod tests;
