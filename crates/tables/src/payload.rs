//! The fixed-width form in which columns of matched rows travel.
//!
//! Every row has the same number of bytes, so that lengths tell nothing. A row is its columns one after the other.
//! A column is a flag byte, 0 for null or 1, and its field; the field of a null is zeros.
//!
//! | type | field |
//! |---|---|
//! | text | length in two bytes, UTF-8 bytes, zeros up to `bytes_max` |
//! | integer | 8 bytes, two's complement |
//! | decimal | 16 bytes, two's complement, in units of the scale |
//! | date | 4 bytes, days from 1970-01-01, two's complement |
//! | boolean | one byte, 0 or 1 |
//! | float | 8 bytes, IEEE 754 |
//!
//! All numbers are big-endian. There is one encoding of a row: decoding refuses every other.

use crate::column::{ColumnSpec, ColumnType};
use crate::error::{Error, PayloadError, SpecError};
use arrow::array::RecordBatch;
use arrow::datatypes::{Field, Schema as ArrowSchema};
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use std::sync::Arc;

mod decode;
mod encode;

pub(crate) use encode::TypedRows;

/// A column of the payload.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PayloadColumn {
    /// The column's name.
    pub name: String,
    /// The column's type.
    #[serde(rename = "type")]
    pub ty: ColumnType,
    /// The most bytes of a text, from 1 to 65,535; not used for other types.
    #[serde(default)]
    pub bytes_max: u32,
}

/// The columns of a payload row and where each stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PayloadLayout {
    columns: Vec<PayloadColumn>,
    /// Bytes of each column's field without the flag.
    fields: Vec<usize>,
    width: usize,
}

impl PayloadColumn {
    /// Makes a column; `bytes_max` counts for text only.
    #[must_use]
    pub fn new(name: impl Into<String>, ty: ColumnType, bytes_max: u32) -> Self {
        Self { name: name.into(), ty, bytes_max }
    }
}

impl PayloadLayout {
    /// The most bytes of a text.
    pub const TEXT_BYTES_MAX: u32 = 65_535;
    /// The most bytes of a row.
    pub const WIDTH_MAX: usize = 262_144;

    /// Lays out columns in the order given. No column at all is a layout too, of width 0.
    ///
    /// # Errors
    /// [`SpecError`] for a column named twice, a `bytes_max` out of range or a row that is too wide.
    pub fn new(columns: Vec<PayloadColumn>) -> Result<Self, SpecError> {
        let mut names = HashSet::new();
        let mut fields = Vec::with_capacity(columns.len());
        let mut width = 0;
        for column in &columns {
            if !names.insert(column.name.as_str()) {
                return Err(SpecError::DuplicateColumn { column: column.name.clone() });
            }
            let field = match column.ty.bytes_fixed() {
                Some(bytes) => bytes as usize,
                None if (1..=Self::TEXT_BYTES_MAX).contains(&column.bytes_max) => 2 + column.bytes_max as usize,
                None => {
                    return Err(SpecError::BytesMax {
                        column: column.name.clone(),
                        max: Self::TEXT_BYTES_MAX,
                        got: column.bytes_max,
                    });
                }
            };
            fields.push(field);
            width += 1 + field;
        }
        if width > Self::WIDTH_MAX {
            return Err(SpecError::PayloadWidth { max: Self::WIDTH_MAX, got: width });
        }
        Ok(Self { columns, fields, width })
    }

    /// Returns the bytes of a row.
    #[must_use]
    pub fn width(&self) -> usize {
        self.width
    }

    /// Returns the columns.
    #[must_use]
    pub fn columns(&self) -> &[PayloadColumn] {
        &self.columns
    }

    /// Returns the columns' names and types.
    #[must_use]
    pub fn column_specs(&self) -> Vec<ColumnSpec> {
        self.columns.iter().map(|column| ColumnSpec::new(column.name.clone(), column.ty)).collect()
    }

    /// Counts the rows in `payload`.
    ///
    /// # Errors
    /// [`PayloadError::Length`] if the bytes are not whole rows; with no column, if there are any bytes.
    pub fn rows(&self, payload: &[u8]) -> Result<usize, PayloadError> {
        let whole = if self.width == 0 { payload.is_empty() } else { payload.len().is_multiple_of(self.width) };
        if !whole {
            return Err(PayloadError::Length { width: self.width, got: payload.len() });
        }
        Ok(payload.len().checked_div(self.width).unwrap_or(0))
    }

    /// Decodes all rows of `payload`.
    ///
    /// # Errors
    /// [`PayloadError`] if the bytes are not the one encoding of rows of this layout.
    pub fn decode(&self, payload: &[u8]) -> Result<RecordBatch, Error> {
        let rows: Vec<usize> = (0..self.rows(payload)?).collect();
        self.decode_rows(payload, &rows)
    }

    /// Decodes the rows of `payload` that `rows` names, in that order. A layout without columns gives a batch of
    /// `rows.len()` rows without columns.
    ///
    /// # Errors
    /// [`PayloadError`] if an index is outside or a row is not the one encoding of values of this layout.
    pub fn decode_rows(&self, payload: &[u8], rows: &[usize]) -> Result<RecordBatch, Error> {
        let count = self.rows(payload)?;
        if !self.columns.is_empty()
            && let Some(outside) = rows.iter().find(|row| **row >= count)
        {
            return Err(PayloadError::Index { what: "payload row", index: *outside as u64, count: count as u64 }.into());
        }
        let mut start = 0;
        let mut arrays = Vec::with_capacity(self.columns.len());
        for (index, (column, field)) in self.columns.iter().zip(&self.fields).enumerate() {
            let cells = decode::Cells { payload, rows, width: self.width, start, field: *field, index };
            arrays.push(decode::column(column.ty, &cells)?);
            start += 1 + field;
        }
        let fields: Vec<Field> =
            self.columns.iter().map(|column| Field::new(&column.name, column.ty.to_arrow(), true)).collect();
        let options = arrow::array::RecordBatchOptions::new().with_row_count(Some(rows.len()));
        RecordBatch::try_new_with_options(Arc::new(ArrowSchema::new(fields)), arrays, &options)
            .map_err(|_| Error::Misuse { what: "decoded columns fit their schema" })
    }
}

#[cfg(test)]
mod tests;
