//! Sizes by the number of items.

use super::RowHash;
use crate::error::Error;

/// The most items of one vector.
pub const ITEMS_MAX: usize = 1 << 24;

/// Fewer items get the vector of so many.
const ITEMS_MIN: usize = 1 << 10;

/// Widths of the band, each with the most items for which the probability of failure stays below 2^-40.
const WIDTHS: [(usize, u32); 3] = [(1 << 20, 208), (1 << 22, 216), (1 << 24, 224)];

/// Sizes of a store, by the public bound on its items alone: the same for both parties.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Params {
    items: usize,
    starts: u32,
    slots: u32,
    width: u32,
}

impl Params {
    /// The sizes for up to `items` items.
    ///
    /// # Errors
    /// [`Error::LimitExceeded`] when there are more than [`ITEMS_MAX`].
    pub fn for_items(items: usize) -> Result<Self, Error> {
        let width = WIDTHS.iter().find(|(most, _)| items <= *most).map(|(_, width)| *width);
        let (Some(width), Ok(sized)) = (width, u32::try_from(items.max(ITEMS_MIN))) else {
            return Err(Error::LimitExceeded { what: "items of a store", max: ITEMS_MAX as u64, got: items as u64 });
        };
        // An expansion of a tenth, and whole blocks of eight slots for the kernels.
        let starts = sized + sized.div_ceil(10);
        let slots = (starts + width).next_multiple_of(8);
        Ok(Self { items, starts, slots, width })
    }

    /// The most items that can be encoded.
    #[must_use]
    pub const fn items(&self) -> usize {
        self.items
    }

    /// Entries of the vector.
    #[must_use]
    pub const fn slots(&self) -> usize {
        self.slots as usize
    }

    /// Positions at which a row may start.
    #[must_use]
    pub const fn starts(&self) -> usize {
        self.starts as usize
    }

    /// Bits of a row's band.
    #[must_use]
    pub const fn width(&self) -> usize {
        self.width as usize
    }

    /// Where the row starts.
    pub(super) fn position(&self, row: &RowHash) -> u32 {
        let high = row.last_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
        let [.., a, b, c, d, _, _, _, _] = (u128::from(high) * u128::from(self.starts)).to_le_bytes();
        u32::from_le_bytes([a, b, c, d])
    }
}
