use super::*;
use crate::error::DataError;
use arrow::array::{
    Array, ArrayRef, BooleanArray, Date32Array, Decimal128Array, Float64Array, Int64Array, StringArray,
};
use proptest::prelude::*;
use std::path::Path;

const DECIMAL: ColumnType = ColumnType::Decimal { precision: 18, scale: 2 };

fn layout() -> PayloadLayout {
    PayloadLayout::new(vec![
        PayloadColumn::new("name", ColumnType::Text, 12),
        PayloadColumn::new("count", ColumnType::Integer, 0),
        PayloadColumn::new("amount", DECIMAL, 0),
        PayloadColumn::new("day", ColumnType::Date, 0),
        PayloadColumn::new("flag", ColumnType::Boolean, 0),
        PayloadColumn::new("ratio", ColumnType::Float, 0),
    ])
    .unwrap()
}

fn arrays() -> Vec<ArrayRef> {
    vec![
        Arc::new(StringArray::from(vec![Some("a,\"b\""), None, Some(""), Some("\u{5F20}\u{4E09}\u{674E}\u{56DB}")])),
        Arc::new(Int64Array::from(vec![Some(i64::MIN), Some(0), None, Some(i64::MAX)])),
        Arc::new(
            Decimal128Array::from(vec![Some(-1), Some(999_999_999_999_999_999), Some(0), None])
                .with_data_type(DECIMAL.to_arrow()),
        ),
        Arc::new(Date32Array::from(vec![None, Some(-719_162), Some(2_932_896), Some(0)])),
        Arc::new(BooleanArray::from(vec![Some(true), None, Some(false), Some(true)])),
        Arc::new(Float64Array::from(vec![Some(-0.5), Some(f64::MAX), None, Some(f64::INFINITY)])),
    ]
}

fn encoded(keep: &[bool]) -> Vec<u8> {
    let mut out = Vec::new();
    let rows = TypedRows { arrays: &arrays(), first_row: 11, path: Path::new("t.csv") };
    layout().encode(&rows, keep, &mut out).unwrap();
    out
}

#[test]
fn values_survive() {
    let layout = layout();
    assert_eq!(layout.width(), 15 + 9 + 17 + 5 + 2 + 9);
    let bytes = encoded(&[true; 4]);
    assert_eq!(bytes.len(), 4 * layout.width());
    let batch = layout.decode(&bytes).unwrap();
    for (got, expected) in batch.columns().iter().zip(arrays()) {
        assert_eq!(got, &expected);
    }
    let some = encoded(&[false, true, false, true]);
    let batch = layout.decode_rows(&some, &[1, 0, 1]).unwrap();
    for (got, all) in batch.columns().iter().zip(arrays()) {
        assert_eq!(got.slice(0, 1).as_ref(), all.slice(3, 1).as_ref());
        assert_eq!(got.slice(1, 1).as_ref(), all.slice(1, 1).as_ref());
        assert_eq!(got.slice(2, 1).as_ref(), all.slice(3, 1).as_ref());
    }
}

#[test]
fn a_long_text_is_refused_with_its_place() {
    let layout = PayloadLayout::new(vec![PayloadColumn::new("name", ColumnType::Text, 5)]).unwrap();
    let array: ArrayRef = Arc::new(StringArray::from(vec!["fits!", "secret"]));
    let rows = TypedRows { arrays: &[array], first_row: 11, path: Path::new("t.csv") };
    let mut out = Vec::new();
    let error = layout.encode(&rows, &[true, true], &mut out).unwrap_err();
    let text = error.to_string();
    assert!(text.contains("row 12") && text.contains("name") && text.contains('5') && !text.contains("secret"));
    assert!(matches!(error, Error::Data { data: DataError::TooLong { row: 12, max: 5, got: 6, .. }, .. }));
    // A row that is not kept is never sent, so it may be long.
    out.clear();
    layout.encode(&rows, &[true, false], &mut out).unwrap();
    assert_eq!(out, b"\x01\x00\x05fits!");
}

#[test]
fn layouts_are_checked() {
    let text = |name: &str, max| PayloadColumn::new(name, ColumnType::Text, max);
    assert!(matches!(PayloadLayout::new(vec![text("a", 0)]), Err(SpecError::BytesMax { got: 0, .. })));
    assert!(matches!(PayloadLayout::new(vec![text("a", 65_536)]), Err(SpecError::BytesMax { .. })));
    assert!(matches!(PayloadLayout::new(vec![text("a", 1), text("a", 1)]), Err(SpecError::DuplicateColumn { .. })));
    let wide = (0..5).map(|i| text(&i.to_string(), 65_535)).collect();
    assert!(matches!(PayloadLayout::new(wide), Err(SpecError::PayloadWidth { .. })));
    let none = PayloadLayout::new(Vec::new()).unwrap();
    assert_eq!(none.width(), 0);
    assert_eq!(none.decode_rows(&[], &[0, 1, 2]).unwrap().num_rows(), 3);
    assert!(none.decode(&[1]).is_err());
}

#[test]
fn hostile_bytes_are_refused() {
    let layout = layout();
    let good = encoded(&[true; 4]);
    let malformed = |at: usize, value: u8| {
        let mut bytes = good.clone();
        bytes[at] = value;
        layout.decode(&bytes).map_err(|e| e.to_string())
    };
    let width = layout.width();
    assert!(malformed(0, 2).unwrap_err().contains("row 0, column 0: malformed null flag"));
    assert!(malformed(0, 0).unwrap_err().contains("malformed null"));
    assert!(malformed(1, 255).unwrap_err().contains("text length"));
    assert!(malformed(2, 13).unwrap_err().contains("text length"));
    assert!(malformed(14, 1).unwrap_err().contains("text padding"));
    assert!(malformed(3, 0xFF).unwrap_err().contains("malformed text"));
    assert!(malformed(width + 1, 1).unwrap_err().contains("row 1, column 0"));
    assert!(malformed(15 + 9 + 1, 0x70).unwrap_err().contains("decimal"));
    assert!(malformed(width + 15 + 9 + 17 + 1, 0x7F).unwrap_err().contains("date"));
    assert!(malformed(15 + 9 + 17 + 5 + 1, 2).unwrap_err().contains("boolean"));
    assert_eq!(layout.rows(&good[1..]), Err(PayloadError::Length { width, got: good.len() - 1 }));
    let outside = layout.decode_rows(&good, &[0, 4]).unwrap_err();
    assert!(matches!(outside, Error::Payload(PayloadError::Index { index: 4, count: 4, .. })));
}

proptest! {
    #[test]
    fn there_is_one_encoding(flips in prop::collection::vec((0..4 * 57_usize, any::<u8>()), 0..4)) {
        let layout = layout();
        let mut bytes = encoded(&[true; 4]);
        for (at, value) in flips {
            bytes[at] = value;
        }
        if let Ok(batch) = layout.decode(&bytes) {
            let mut again = Vec::new();
            let rows = TypedRows { arrays: batch.columns(), first_row: 1, path: Path::new("t.csv") };
            layout.encode(&rows, &[true; 4], &mut again).unwrap();
            prop_assert_eq!(again, bytes);
        }
    }

    #[test]
    fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let whole = bytes.len() / layout().width() * layout().width();
        drop(layout().decode(&bytes));
        drop(layout().decode(&bytes[..whole]));
    }
}
