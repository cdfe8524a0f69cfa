//! Payload rows of a hostile partner: a row that decodes is the one encoding of its values.
#![no_main]

use arbitrary::Arbitrary;
use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{Date32Type, Decimal128Type, Float64Type, Int64Type};
use libfuzzer_sys::fuzz_target;
use symbolon_tables::{ColumnType, Error, PayloadColumn, PayloadError, PayloadLayout, SpecError};

#[derive(Arbitrary, Debug)]
struct Input<'a> {
    columns: Vec<Column>,
    whole_rows: bool,
    rows: Vec<u8>,
    payload: &'a [u8],
}

#[derive(Arbitrary, Debug)]
enum Column {
    Text(u8),
    WideText(u32),
    Integer,
    Decimal(u8, u8),
    Date,
    Boolean,
    Float,
}

impl Column {
    fn payload_column(&self, number: usize) -> Option<PayloadColumn> {
        let (ty, bytes_max) = match self {
            Self::Text(bytes) => (ColumnType::Text, u32::from(*bytes)),
            Self::WideText(bytes) => (ColumnType::Text, *bytes),
            Self::Integer => (ColumnType::Integer, 0),
            Self::Decimal(precision, scale) => (ColumnType::decimal(*precision, *scale).ok()?, 0),
            Self::Date => (ColumnType::Date, 0),
            Self::Boolean => (ColumnType::Boolean, 0),
            Self::Float => (ColumnType::Float, 0),
        };
        Some(PayloadColumn::new(format!("c{number}"), ty, bytes_max))
    }
}

/// The rows of a batch as the format describes them, written by this target alone.
fn encode(layout: &PayloadLayout, batch: &RecordBatch) -> Vec<u8> {
    let mut out = Vec::new();
    for row in 0..batch.num_rows() {
        for (column, array) in layout.columns().iter().zip(batch.columns()) {
            let fixed = column.ty.bytes_fixed().map_or(2 + column.bytes_max as usize, |bytes| bytes as usize);
            let mut field = match column.ty {
                _ if array.is_null(row) => Vec::new(),
                ColumnType::Text => {
                    let text = array.as_string::<i32>().value(row).as_bytes();
                    let length = u16::try_from(text.len()).expect("a text fits its length");
                    [&length.to_be_bytes(), text].concat()
                }
                ColumnType::Integer => array.as_primitive::<Int64Type>().value(row).to_be_bytes().to_vec(),
                ColumnType::Decimal { .. } => array.as_primitive::<Decimal128Type>().value(row).to_be_bytes().to_vec(),
                ColumnType::Date => array.as_primitive::<Date32Type>().value(row).to_be_bytes().to_vec(),
                ColumnType::Boolean => vec![u8::from(array.as_boolean().value(row))],
                ColumnType::Float => array.as_primitive::<Float64Type>().value(row).to_be_bytes().to_vec(),
                other => panic!("a type this target does not know: {other}"),
            };
            field.resize(fixed, 0);
            out.push(u8::from(array.is_valid(row)));
            out.extend(field);
        }
    }
    out
}

fuzz_target!(|input: Input<'_>| {
    let numbered = input.columns.iter().take(16).enumerate();
    let columns: Vec<PayloadColumn> = numbered.filter_map(|(number, column)| column.payload_column(number)).collect();
    let layout = match PayloadLayout::new(columns) {
        Ok(layout) => layout,
        Err(SpecError::BytesMax { .. } | SpecError::PayloadWidth { .. }) => return,
        Err(other) => panic!("a layout gives {other:?}"),
    };
    let width = layout.width();
    let mut payload = input.payload;
    if input.whole_rows {
        payload = &payload[..payload.len() - payload.len().checked_rem(width).unwrap_or(payload.len())];
    }
    let rows = match layout.rows(payload) {
        Ok(rows) => rows,
        Err(PayloadError::Length { .. }) => {
            assert!(payload.len().checked_rem(width).unwrap_or(payload.len()) != 0);
            assert!(layout.decode(payload).is_err());
            return;
        }
        Err(other) => panic!("counting rows gives {other:?}"),
    };
    assert_eq!(rows * width, payload.len());
    let whole = match layout.decode(payload) {
        Ok(batch) => {
            assert_eq!(batch.num_rows(), rows);
            assert_eq!(encode(&layout, &batch), payload);
            Some(batch)
        }
        Err(Error::Payload(PayloadError::Malformed { row, column, .. })) => {
            assert!(row < rows && column < layout.columns().len());
            None
        }
        Err(other) => panic!("hostile rows give {other:?}"),
    };
    let wanted: Vec<usize> = input.rows.iter().map(|row| usize::from(*row)).collect();
    match layout.decode_rows(payload, &wanted) {
        Ok(batch) => {
            assert_eq!(batch.num_rows(), wanted.len());
            let expected =
                wanted.iter().flat_map(|row| payload.get(row * width..(row + 1) * width).unwrap_or_default());
            assert_eq!(encode(&layout, &batch), expected.copied().collect::<Vec<_>>());
        }
        Err(Error::Payload(PayloadError::Index { .. })) => assert!(wanted.iter().any(|row| *row >= rows)),
        Err(Error::Payload(PayloadError::Malformed { .. })) => assert!(whole.is_none()),
        Err(other) => panic!("hostile rows give {other:?}"),
    }
});
