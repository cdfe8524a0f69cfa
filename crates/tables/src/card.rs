//! What one institution's people tell the other's about a table: its shape, nothing of its content.

use crate::column::ColumnSpec;
use crate::error::SpecError;
use crate::schema::{Duplicates, KeyPart, TableSpec};
use serde::{Deserialize, Serialize};

/// A table's name, columns, key and rounded size, for exchange before an agreement is drafted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TableCard {
    /// The version of this document's form, [`FORMAT`].
    pub format: String,
    /// The table's name.
    pub name: String,
    /// The row count rounded up by [`padded_rows`].
    pub rows_padded: u64,
    /// What happens to rows that repeat a key.
    pub duplicates: Duplicates,
    /// The parts of the key.
    pub key: Vec<KeyPart>,
    /// The columns that may be shown, with their types.
    #[serde(rename = "column")]
    pub columns: Vec<ColumnSpec>,
}

/// The only value of [`TableCard::format`].
pub const FORMAT: &str = "symbolon-table/1";

impl TableCard {
    /// Makes the card of a table. `hidden` names columns that are not to be mentioned.
    ///
    /// # Errors
    /// What [`TableSpec::validate`] finds.
    pub fn new(name: &str, spec: &TableSpec, rows: u64, hidden: &[&str]) -> Result<Self, SpecError> {
        spec.validate()?;
        Ok(Self {
            format: FORMAT.to_owned(),
            name: name.to_owned(),
            rows_padded: padded_rows(rows),
            duplicates: spec.duplicates,
            key: spec.key.clone(),
            columns: spec.columns.iter().filter(|c| !hidden.contains(&c.name.as_str())).cloned().collect(),
        })
    }
}

/// Rounds a row count up to the next sixteenth of a power of two (at most 6.25 % more), so that the exact count
/// stays private.
#[must_use]
pub fn padded_rows(rows: u64) -> u64 {
    if rows <= 16 {
        return rows.max(1);
    }
    let step = 1 << (rows.ilog2() - 4);
    rows.div_ceil(step).saturating_mul(step)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn padding_is_the_next_sixteenth() {
        for (rows, padded) in
            [(0, 1), (1, 1), (16, 16), (17, 17), (31, 31), (33, 34), (1000, 1024), (17_144, 17_408), (1 << 20, 1 << 20)]
        {
            assert_eq!(padded_rows(rows), padded, "{rows}");
        }
        assert_eq!(padded_rows((1 << 20) + 1), (1 << 20) + (1 << 16));
        assert!(padded_rows(u64::MAX) == u64::MAX);
    }
}
