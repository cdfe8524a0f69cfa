//! From payload rows, which may come from a hostile peer, to typed columns.

use crate::column::{ColumnType, parse};
use crate::error::{Error, PayloadError};
use arrow::array::{ArrayRef, BooleanBuilder, PrimitiveBuilder, StringBuilder};
use arrow::datatypes::{ArrowPrimitiveType, Date32Type, Decimal128Type, Float64Type, Int64Type};
use std::sync::Arc;

/// The cells of one column in the rows wanted. The caller has checked that all rows are inside.
pub(super) struct Cells<'a> {
    pub(super) payload: &'a [u8],
    pub(super) rows: &'a [usize],
    pub(super) width: usize,
    /// Where the column's flag stands in a row.
    pub(super) start: usize,
    /// Bytes of the field after the flag.
    pub(super) field: usize,
    /// The column's place in the layout, for errors.
    pub(super) index: usize,
}

impl<'a> Cells<'a> {
    fn malformed(&self, row: usize, what: &'static str) -> PayloadError {
        PayloadError::Malformed { row, column: self.index, what }
    }

    /// Gives each wanted cell's field, or nothing for null, to `each`.
    fn read(&self, mut each: impl FnMut(Option<&'a [u8]>) -> Result<(), &'static str>) -> Result<(), PayloadError> {
        for row in self.rows.iter().copied() {
            let at = row * self.width + self.start;
            let field = &self.payload[at + 1..at + 1 + self.field];
            let value = match self.payload[at] {
                0 if field.iter().all(|byte| *byte == 0) => None,
                1 => Some(field),
                0 => return Err(self.malformed(row, "null")),
                _ => return Err(self.malformed(row, "null flag")),
            };
            each(value).map_err(|what| self.malformed(row, what))?;
        }
        Ok(())
    }

    fn primitive<T: ArrowPrimitiveType, const N: usize>(
        &self,
        what: &'static str,
        value: impl Fn([u8; N]) -> Option<T::Native>,
    ) -> Result<PrimitiveBuilder<T>, PayloadError> {
        let mut builder = PrimitiveBuilder::<T>::with_capacity(self.rows.len());
        self.read(|field| {
            let Some(field) = field else {
                builder.append_null();
                return Ok(());
            };
            let value = field.try_into().ok().and_then(&value).ok_or(what)?;
            builder.append_value(value);
            Ok(())
        })?;
        Ok(builder)
    }
}

pub(super) fn column(ty: ColumnType, cells: &Cells<'_>) -> Result<ArrayRef, Error> {
    Ok(match ty {
        ColumnType::Text => {
            let mut builder = StringBuilder::new();
            cells.read(|field| {
                builder.append_option(field.map(text).transpose()?);
                Ok(())
            })?;
            Arc::new(builder.finish())
        }
        ColumnType::Integer => {
            Arc::new(cells.primitive::<Int64Type, 8>("integer", |bytes| Some(i64::from_be_bytes(bytes)))?.finish())
        }
        ColumnType::Decimal { precision, .. } => {
            let limit = 10_u128.pow(u32::from(precision));
            let value = |bytes| Some(i128::from_be_bytes(bytes)).filter(|v| v.unsigned_abs() < limit);
            let mut builder = cells.primitive::<Decimal128Type, 16>("decimal", value)?;
            Arc::new(builder.finish().with_data_type(ty.to_arrow()))
        }
        ColumnType::Date => {
            let value = |bytes| Some(i32::from_be_bytes(bytes)).filter(|days| parse::DAYS.contains(days));
            Arc::new(cells.primitive::<Date32Type, 4>("date", value)?.finish())
        }
        ColumnType::Boolean => {
            let mut builder = BooleanBuilder::new();
            cells.read(|field| {
                match field {
                    None => builder.append_null(),
                    Some([0]) => builder.append_value(false),
                    Some([1]) => builder.append_value(true),
                    Some(_) => return Err("boolean"),
                }
                Ok(())
            })?;
            Arc::new(builder.finish())
        }
        ColumnType::Float => {
            Arc::new(cells.primitive::<Float64Type, 8>("float", |bytes| Some(f64::from_be_bytes(bytes)))?.finish())
        }
    })
}

fn text(field: &[u8]) -> Result<&str, &'static str> {
    let (head, body) = field.split_first_chunk::<2>().ok_or("text length")?;
    let (text, padding) = body.split_at_checked(usize::from(u16::from_be_bytes(*head))).ok_or("text length")?;
    if padding.iter().any(|byte| *byte != 0) {
        return Err("text padding");
    }
    std::str::from_utf8(text).map_err(|_| "text")
}
