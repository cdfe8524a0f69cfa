//! The quality of a table's keys, as counts and row numbers. No value appears in it.

use crate::error::{DataError, Error};
use crate::schema::Duplicates;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// How many row numbers a [`RowList`] shows.
pub const ROWS_SHOWN_MAX: usize = 20;

/// What is in a table's key column or columns.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct QualityReport {
    /// Data rows.
    pub rows: u64,
    /// Rows with a valid key, repeated or not.
    pub usable: u64,
    /// Rows that take part in a join under the duplicates policy.
    pub kept: u64,
    /// Rows without a key; they never match.
    pub null: u64,
    /// Rows whose key breaks the rules of its kind; they never match.
    pub invalid: RowList,
    /// Rows that repeat the key of an earlier row.
    pub duplicates: RowList,
    /// Different keys.
    pub distinct: u64,
    /// What happens to rows that repeat a key.
    pub policy: Duplicates,
}

/// A count of rows and the numbers of the first of them.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct RowList {
    /// How many rows.
    pub count: u64,
    /// The first of them, at most [`ROWS_SHOWN_MAX`], counted from 1 without the header.
    pub first_rows: Vec<u64>,
}

impl RowList {
    pub(crate) fn push(&mut self, row: u64) {
        self.count += 1;
        if self.first_rows.len() < ROWS_SHOWN_MAX {
            self.first_rows.push(row);
        }
    }
}

impl QualityReport {
    pub(crate) fn new(policy: Duplicates) -> Self {
        Self {
            rows: 0,
            usable: 0,
            kept: 0,
            null: 0,
            invalid: RowList::default(),
            duplicates: RowList::default(),
            distinct: 0,
            policy,
        }
    }

    /// Checks that a join can be made with this table: some row, some usable key, no duplicates under `reject`.
    ///
    /// # Errors
    /// [`DataError::Empty`], [`DataError::NoUsableKey`] or [`DataError::DuplicateKeys`], with the file's path.
    pub fn ensure_usable(&self, path: &Path) -> Result<(), Error> {
        let problem = if self.rows == 0 {
            DataError::Empty
        } else if self.usable == 0 {
            DataError::NoUsableKey { rows: self.rows, null: self.null, invalid: self.invalid.count }
        } else if self.policy == Duplicates::Reject && self.duplicates.count > 0 {
            DataError::DuplicateKeys { count: self.duplicates.count, first_rows: self.duplicates.first_rows.clone() }
        } else {
            return Ok(());
        };
        Err(problem.at(path))
    }
}
