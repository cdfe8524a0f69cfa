//! Sizes of the noise of a silent correlation, from the number of slots.
//!
//! Learning parity with noise in its dual form: the parties share a vector of N elements that is not zero in
//! [`WEIGHT`] places only, one in each of as many parts of equal length (regular noise), and compress it by a public
//! code to N/2 elements. To a party that does not know the places the result is then as good as random.
//!
//! The weight comes from the relative minimum distance [`DISTANCE`] that the code is taken to have. A linear test of the
//! result is a word of the code, and noise of uniform values in a large field escapes it only when all of its places lie
//! outside that word: with probability at most (1 - distance)^weight, which is below 2^-128. (The bound
//! (1 - 2·distance)^weight, which 400 would satisfy, is that of binary noise and does not hold here.) What is assumed
//! and what is proved, and the cost of other attacks, is in the chapter on LPN of the manual of `symbolon-psi`.

use std::fmt;

use crate::error::{Error, Misuse};

/// Noise elements of a block.
pub const WEIGHT: usize = 848;

/// The relative minimum distance from which the weight was computed.
pub const DISTANCE: f64 = 0.10;

/// Slots of one block at most.
pub const BLOCK_SLOTS_MAX: usize = 1 << 22;

/// Slots of one block at least: fewer are made as so many and cut.
pub const BLOCK_SLOTS_MIN: usize = 1 << 13;

/// Slots of one correlation at most.
pub const SLOTS_MAX: usize = 1 << 36;

/// The sizes of one correlation. Both parties compute them from the same number of slots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Params {
    slots: usize,
    block_slots: usize,
}

impl Params {
    /// The sizes for `slots` slots.
    ///
    /// # Errors
    /// [`Misuse::OutOfRange`] for none, [`Error::LimitExceeded`] for more than [`SLOTS_MAX`].
    pub fn for_slots(slots: usize) -> Result<Self, Error> {
        Self::with_blocks_of(slots, BLOCK_SLOTS_MAX)
    }

    /// The sizes for `slots` slots in blocks of at most `block_slots_max`: less memory, and more bytes to send.
    ///
    /// # Errors
    /// [`Misuse::OutOfRange`] for no slots and for blocks smaller than [`BLOCK_SLOTS_MIN`] or larger than
    /// [`BLOCK_SLOTS_MAX`], [`Error::LimitExceeded`] for more than [`SLOTS_MAX`].
    pub fn with_blocks_of(slots: usize, block_slots_max: usize) -> Result<Self, Error> {
        if slots == 0 {
            return Err(Misuse::OutOfRange { what: "slots" }.into());
        }
        if slots > SLOTS_MAX {
            let (max, got) = (SLOTS_MAX as u64, slots as u64);
            return Err(Error::LimitExceeded { what: "slots of a correlation", max, got });
        }
        if !(BLOCK_SLOTS_MIN..=BLOCK_SLOTS_MAX).contains(&block_slots_max) {
            return Err(Misuse::OutOfRange { what: "slots of a block" }.into());
        }
        let blocks = slots.div_ceil(block_slots_max);
        Ok(Self { slots, block_slots: slots.div_ceil(blocks) })
    }

    /// Slots of all blocks together.
    #[must_use]
    pub const fn slots(&self) -> usize {
        self.slots
    }

    /// Blocks, of the same length but the last.
    #[must_use]
    pub const fn blocks(&self) -> usize {
        self.slots.div_ceil(self.block_slots)
    }

    /// Slots of block `index`; none behind the last.
    #[must_use]
    pub fn slots_of(&self, index: usize) -> usize {
        self.slots.saturating_sub(index.saturating_mul(self.block_slots)).min(self.block_slots)
    }

    /// Dimension of the code: elements that a block is compressed to before it is cut to its slots.
    #[must_use]
    pub fn dimension(&self) -> usize {
        self.block_slots.max(BLOCK_SLOTS_MIN)
    }

    /// Elements of the noise vector of a block.
    #[must_use]
    pub fn length(&self) -> usize {
        2 * self.dimension()
    }

    /// Noise elements of a block, and trees.
    #[must_use]
    pub const fn weight(&self) -> usize {
        WEIGHT
    }

    /// Levels of a tree below its root.
    #[must_use]
    pub fn depth(&self) -> usize {
        let widest = self.length().div_ceil(WEIGHT);
        widest.next_power_of_two().ilog2() as usize
    }

    /// Where part `index` of the noise vector begins; for the number of parts, its end.
    #[must_use]
    pub fn part_start(&self, index: usize) -> usize {
        // At most 2^23 times 848.
        self.length() * index / WEIGHT
    }

    /// Elements of part `index`.
    #[must_use]
    pub fn part_length(&self, index: usize) -> usize {
        self.part_start(index + 1) - self.part_start(index)
    }
}

/// The parameters in one line, as a report prints them.
impl fmt::Display for Params {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} slots in {} block(s): dual LPN over GF(2^128), N = {}, k = {}, regular noise of weight {} \
             (distance {DISTANCE:.2}), trees of depth {}",
            self.slots,
            self.blocks(),
            self.length(),
            self.dimension(),
            self.weight(),
            self.depth()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_weight_follows_from_the_distance() {
        let needed = 128.0 / -(1.0 - DISTANCE).log2();
        assert_eq!(needed.ceil(), 843.0);
        assert!(WEIGHT as f64 >= needed);
    }

    #[test]
    fn blocks_cover_all_slots_and_parts_all_elements() {
        for (slots, block, blocks) in
            [(1, 8_192, 1), (8_192, 8_192, 1), (8_193, 8_192, 2), (100_000, 8_192, 13), (1 << 24, 1 << 22, 4)]
        {
            let params = Params::with_blocks_of(slots, block).unwrap();
            assert_eq!(params.blocks(), blocks);
            assert_eq!((0..blocks).map(|index| params.slots_of(index)).sum::<usize>(), slots);
            assert!((0..blocks).all(|index| params.slots_of(index) > 0));
            assert_eq!(params.slots_of(blocks), 0);
            assert!(params.dimension() >= params.slots_of(0) && params.dimension() <= block);
            assert_eq!(params.part_start(WEIGHT), params.length());
            let lengths: Vec<_> = (0..WEIGHT).map(|index| params.part_length(index)).collect();
            let (least, most) = (lengths.iter().min().unwrap(), lengths.iter().max().unwrap());
            assert!(most - least <= 1 && *most <= 1 << params.depth() && 2 * most > 1 << params.depth());
        }
    }

    #[test]
    fn arguments_out_of_range_are_refused() {
        assert_eq!(Params::for_slots(0).unwrap_err().label(), "misuse_out_of_range");
        assert_eq!(Params::for_slots(SLOTS_MAX + 1).unwrap_err().label(), "limit_exceeded");
        assert_eq!(Params::with_blocks_of(1, 8_191).unwrap_err().label(), "misuse_out_of_range");
        assert_eq!(Params::with_blocks_of(1, BLOCK_SLOTS_MAX + 1).unwrap_err().label(), "misuse_out_of_range");
    }

    #[test]
    fn the_report_names_everything() {
        assert_eq!(
            Params::for_slots(1_153_434).unwrap().to_string(),
            "1153434 slots in 1 block(s): dual LPN over GF(2^128), N = 2306868, k = 1153434, regular noise of \
             weight 848 (distance 0.10), trees of depth 12"
        );
    }
}
