//! Vector oblivious linear evaluation: V = B ⊕ Δ·U, slot by slot, over GF(2^128).
//!
//! The receiver holds U and V, the sender B and Δ; neither learns anything about what the other holds. Whoever knows
//! U can choose what it masks; the sender can move its share along by Δ times a public difference.
//!
//! * [`small_field`]: the streams of trees over GF(2^8), without any assumption about codes, 31 bytes a slot. [`rs`] is
//!   its code.
//! * [`silent`]: short seeds that both sides expand, under an LPN assumption. [`lpn`] has the sizes, [`code`] the codes.

pub mod back_end;
pub mod code;
pub mod lpn;
pub mod rs;
pub mod silent;
pub mod small_field;

mod noisy;
mod pprf;

use std::fmt;

use zeroize::Zeroize;

use crate::block::Block;

/// The receiver's share of one block of slots. Wiped when dropped, never printed.
pub struct ReceiverShare {
    /// U: uniform, known to the receiver alone.
    pub u: Vec<Block>,
    /// V = B ⊕ Δ·U.
    pub v: Vec<Block>,
}

/// The sender's share of one block of slots; the factor [`Delta`](crate::Delta) is one for all blocks of a set-up. Wiped when
/// dropped, never printed.
pub struct SenderShare {
    /// B: uniform, known to the sender alone.
    pub b: Vec<Block>,
}

impl ReceiverShare {
    /// Takes U and V out; the caller wipes them.
    #[must_use]
    pub fn into_parts(mut self) -> (Vec<Block>, Vec<Block>) {
        (std::mem::take(&mut self.u), std::mem::take(&mut self.v))
    }
}

impl SenderShare {
    /// Takes B out; the caller wipes it.
    #[must_use]
    pub fn into_parts(mut self) -> Vec<Block> {
        std::mem::take(&mut self.b)
    }
}

impl Drop for ReceiverShare {
    fn drop(&mut self) {
        self.u.zeroize();
        self.v.zeroize();
    }
}

impl Drop for SenderShare {
    fn drop(&mut self) {
        self.b.zeroize();
    }
}

impl fmt::Debug for ReceiverShare {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReceiverShare").field("slots", &self.u.len()).finish_non_exhaustive()
    }
}

impl fmt::Debug for SenderShare {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SenderShare").field("slots", &self.b.len()).finish_non_exhaustive()
    }
}
