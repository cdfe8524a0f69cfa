//! From a file's arrays to arrays of the column types, refusing what does not fit.

use super::{ColumnSpec, ColumnType, parse};
use crate::error::{DataError, Error};
use crate::identifier::DateFormats;
use crate::source::RawBatch;
use arrow::array::{Array, ArrayRef, AsArray, BooleanBuilder, PrimitiveBuilder, StringArray};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{ArrowPrimitiveType, DataType, Date32Type, Decimal128Type, Float64Type, Int64Type};
use std::path::Path;
use std::sync::Arc;

/// Returns column `index` of a batch as the column's type.
pub(crate) fn to_type(batch: &RawBatch, index: usize, column: &ColumnSpec, path: &Path) -> Result<ArrayRef, Error> {
    let raw = &batch.columns[index];
    let from = ColumnType::from_arrow(raw.data_type())
        .ok_or_else(|| DataError::Unsupported { column: column.name.clone(), purpose: "in a table" }.at(path))?;
    let misfit = |i: usize| {
        DataError::Value {
            row: batch.first_row + i as u64,
            line: batch.lines.get(i).copied(),
            column: column.name.clone(),
            expected: column.ty,
        }
        .at(path)
    };
    if from == ColumnType::Text || column.ty == ColumnType::Text {
        let text = to_text(raw, None)
            .ok_or_else(|| DataError::Unsupported { column: column.name.clone(), purpose: "in a table" }.at(path))?;
        return parse_column(text, column.ty).map_err(misfit);
    }
    if !widens(from, column.ty) {
        return Err(DataError::Type { column: column.name.clone(), expected: column.ty }.at(path));
    }
    let array = cast(raw, &column.ty.to_arrow())
        .ok_or_else(|| DataError::Type { column: column.name.clone(), expected: column.ty }.at(path))?;
    match first_lost(raw, &array).or_else(|| first_outside(&array)) {
        Some(i) => Err(misfit(i)),
        None => Ok(array),
    }
}

/// Returns an array as text, nothing if its type has none. Dates are written in the first of the formats, or ISO.
pub(crate) fn to_text(array: &ArrayRef, formats: Option<&DateFormats>) -> Option<StringArray> {
    if let Some(texts) = array.as_string_opt::<i32>() {
        return Some(texts.clone());
    }
    if let (Some(formats), Some(ColumnType::Date)) = (formats, ColumnType::from_arrow(array.data_type())) {
        let days = cast(array, &DataType::Date32)?;
        let days = days.as_primitive::<Date32Type>();
        return Some(days.iter().map(|d| d.and_then(parse::day).map(|day| formats.write(day))).collect());
    }
    // As a day, not as the midnight that 64-bit dates count.
    let days = matches!(array.data_type(), DataType::Date64).then(|| cast(array, &DataType::Date32)).flatten();
    Some(cast(days.as_ref().unwrap_or(array), &DataType::Utf8)?.as_string::<i32>().clone())
}

/// Tells whether every value of one type can be one of the other without rounding (ranges are checked by value).
fn widens(from: ColumnType, to: ColumnType) -> bool {
    match (from, to) {
        (ColumnType::Integer, ColumnType::Decimal { .. }) => true,
        (ColumnType::Decimal { scale: from, .. }, ColumnType::Decimal { scale: to, .. }) => from <= to,
        (ColumnType::Decimal { scale: 0, .. }, ColumnType::Integer) => true,
        (from, to) => from == to,
    }
}

/// Casts; a value that does not fit becomes null.
fn cast(array: &ArrayRef, to: &DataType) -> Option<ArrayRef> {
    if array.data_type() == to {
        return Some(Arc::clone(array));
    }
    cast_with_options(array, to, &CastOptions { safe: true, ..CastOptions::default() }).ok()
}

/// Finds the first value that a cast turned into null.
fn first_lost(before: &ArrayRef, after: &ArrayRef) -> Option<usize> {
    if before.logical_null_count() == after.null_count() {
        return None;
    }
    let nulls = before.logical_nulls();
    (0..after.len()).find(|i| after.is_null(*i) && nulls.as_ref().is_none_or(|nulls| nulls.is_valid(*i)))
}

/// Finds the first date outside of the years 1 to 9999.
fn first_outside(array: &ArrayRef) -> Option<usize> {
    let days = array.as_primitive_opt::<Date32Type>()?;
    (0..days.len()).find(|i| days.is_valid(*i) && !parse::DAYS.contains(&days.value(*i)))
}

/// Parses every text; the error is the place of the first that does not fit. Empty text is null, except for text.
fn parse_column(texts: StringArray, ty: ColumnType) -> Result<ArrayRef, usize> {
    Ok(match ty {
        ColumnType::Text => Arc::new(texts),
        ColumnType::Integer => Arc::new(primitive::<Int64Type>(&texts, parse::integer)?.finish()),
        ColumnType::Decimal { precision, scale } => {
            let mut builder = primitive::<Decimal128Type>(&texts, |text| parse::decimal(text, precision, scale))?;
            Arc::new(builder.finish().with_data_type(ty.to_arrow()))
        }
        ColumnType::Date => Arc::new(primitive::<Date32Type>(&texts, parse::date)?.finish()),
        ColumnType::Boolean => {
            let mut builder = BooleanBuilder::with_capacity(texts.len());
            for (i, text) in texts.iter().enumerate() {
                builder.append_option(present(text).map(|t| parse::boolean(t).ok_or(i)).transpose()?);
            }
            Arc::new(builder.finish())
        }
        ColumnType::Float => Arc::new(primitive::<Float64Type>(&texts, parse::float)?.finish()),
    })
}

fn primitive<T: ArrowPrimitiveType>(
    texts: &StringArray,
    value: impl Fn(&str) -> Option<T::Native>,
) -> Result<PrimitiveBuilder<T>, usize> {
    let mut builder = PrimitiveBuilder::<T>::with_capacity(texts.len());
    for (i, text) in texts.iter().enumerate() {
        builder.append_option(present(text).map(|t| value(t).ok_or(i)).transpose()?);
    }
    Ok(builder)
}

fn present(text: Option<&str>) -> Option<&str> {
    text.filter(|text| !text.trim_ascii().is_empty())
}
