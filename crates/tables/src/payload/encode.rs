//! From typed columns to payload rows.

use super::PayloadLayout;
use crate::column::ColumnType;
use crate::error::{DataError, Error};
use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{Date32Type, Decimal128Type, Float64Type, Int64Type};
use std::path::Path;

/// Typed columns of some consecutive rows.
pub(crate) struct TypedRows<'a> {
    /// One array a column of the layout, of the column's Arrow type.
    pub(crate) arrays: &'a [ArrayRef],
    /// Data row of the first row.
    pub(crate) first_row: u64,
    /// The file, for errors.
    pub(crate) path: &'a Path,
}

impl PayloadLayout {
    /// Appends the rows of `rows` for which `keep` is true.
    pub(crate) fn encode(&self, rows: &TypedRows<'_>, keep: &[bool], out: &mut Vec<u8>) -> Result<(), Error> {
        let kept = keep.iter().filter(|keep| **keep).count();
        let base = out.len();
        out.resize(base + kept * self.width, 0);
        let mut start = base;
        for ((column, field), array) in self.columns.iter().zip(&self.fields).zip(rows.arrays) {
            if array.len() != keep.len() || *array.data_type() != column.ty.to_arrow() {
                return Err(Error::Misuse { what: "one array of the column's type and all rows for each column" });
            }
            let mut at = start;
            for (i, _) in keep.iter().enumerate().filter(|(_, keep)| **keep) {
                if array.is_valid(i) {
                    out[at] = 1;
                    let slot = &mut out[at + 1..at + 1 + field];
                    put(column.ty, array, i, slot).map_err(|got| {
                        let row = rows.first_row + i as u64;
                        DataError::TooLong { row, column: column.name.clone(), max: column.bytes_max, got }
                            .at(rows.path)
                    })?;
                }
                at += self.width;
            }
            start += 1 + field;
        }
        Ok(())
    }
}

/// Writes one value; the error is the length of a text that is too long.
fn put(ty: ColumnType, array: &ArrayRef, i: usize, slot: &mut [u8]) -> Result<(), usize> {
    match ty {
        ColumnType::Text => {
            let text = array.as_string::<i32>().value(i).as_bytes();
            let length = u16::try_from(text.len()).map_err(|_| text.len())?;
            let (head, body) = slot.split_at_mut(2);
            body.get_mut(..text.len()).ok_or(text.len())?.copy_from_slice(text);
            head.copy_from_slice(&length.to_be_bytes());
        }
        ColumnType::Integer => slot.copy_from_slice(&array.as_primitive::<Int64Type>().value(i).to_be_bytes()),
        ColumnType::Decimal { .. } => {
            slot.copy_from_slice(&array.as_primitive::<Decimal128Type>().value(i).to_be_bytes());
        }
        ColumnType::Date => slot.copy_from_slice(&array.as_primitive::<Date32Type>().value(i).to_be_bytes()),
        ColumnType::Boolean => slot[0] = u8::from(array.as_boolean().value(i)),
        ColumnType::Float => slot.copy_from_slice(&array.as_primitive::<Float64Type>().value(i).to_be_bytes()),
    }
    Ok(())
}
