//! Bad input ends in an error that says where and what to do, without any value of the table.
#![expect(clippy::unwrap_used, reason = "a failure here is a failed test")]

#[path = "support/lib.rs"]
mod support;

use std::fs;
use std::ops::ControlFlow;
use std::path::Path;
use support::{described, file, layout, load_all, names, spec};
use symbolon_tables::{
    ColumnSpec, ColumnType, CsvOptions, Duplicates, Error, Format, InspectOptions, JoinOutput, Match, PayloadColumn,
    PayloadLayout, SpecError, check, inspect, load, write_join,
};
use tempfile::tempdir;

fn none() -> PayloadLayout {
    PayloadLayout::new(Vec::new()).unwrap()
}

/// Inspects a text as CSV and returns the error's label and words.
fn inspected(content: impl AsRef<[u8]>) -> (&'static str, String) {
    let dir = tempdir().unwrap();
    let error = inspect(&file(dir.path(), "t.csv", content), &InspectOptions::default()).unwrap_err();
    (error.label(), error.to_string())
}

fn assert_says(found: &(&'static str, String), label: &str, words: &[&str]) {
    assert_eq!(found.0, label, "{}", found.1);
    for word in words {
        assert!(found.1.contains(word), "{:?} is not in: {}", word, found.1);
    }
    assert!(!found.1.contains("SECRET"), "{}", found.1);
}

#[test]
fn missing_file() {
    let dir = tempdir().unwrap();
    let path = dir.path().join("nowhere.csv");
    let error = inspect(&path, &InspectOptions::default()).unwrap_err();
    assert!(matches!(error, Error::Missing { .. }));
    assert!(error.to_string().contains("nowhere.csv: no such file; check the path"));
    for name in ["nowhere.parquet", "nowhere.arrow"] {
        let error = inspect(&dir.path().join(name), &InspectOptions::default()).unwrap_err();
        assert_eq!(error.label(), "table_missing");
    }
    let error = inspect(dir.path(), &InspectOptions { format: Some(Format::Csv), ..InspectOptions::default() });
    assert!(error.unwrap_err().to_string().contains("it is a directory"));
    let error = inspect(&dir.path().join("t.xlsx"), &InspectOptions::default()).unwrap_err();
    assert!(matches!(error, Error::Spec(SpecError::UnknownFormat { .. })));
}

#[test]
fn wrong_column() {
    let dir = tempdir().unwrap();
    let path = file(dir.path(), "t.csv", "ssn,name\n123-45-6789,SECRET\n");
    let mut table = spec(&path, "ssn:us_ssn", Duplicates::Reject);
    table.key[0].column = "SSN".to_owned();
    let error = check(&table).unwrap_err();
    assert_says(&(error.label(), error.to_string()), "no_column", &["no column SSN", "ssn, name"]);
    let table = spec(&path, "ssn:us_ssn", Duplicates::Reject);
    let wanted = PayloadLayout::new(vec![PayloadColumn::new("grade", ColumnType::Text, 8)]).unwrap();
    assert_eq!(load_all(&table, &wanted).unwrap_err().label(), "no_column");
    let wanted = PayloadLayout::new(vec![PayloadColumn::new("name", ColumnType::Integer, 0)]).unwrap();
    assert_eq!(load_all(&table, &wanted).unwrap_err().label(), "column_type");
    let options = InspectOptions { types: vec![ColumnSpec::new("nam", ColumnType::Text)], ..InspectOptions::default() };
    assert_eq!(inspect(&path, &options).unwrap_err().label(), "no_column");
    let mut twice = table;
    twice.key.push(twice.key[0].clone());
    assert!(matches!(check(&twice), Err(Error::Spec(SpecError::DuplicateColumn { .. }))));
    twice.key.clear();
    assert!(matches!(check(&twice), Err(Error::Spec(SpecError::NoKey))));
    assert_says(&inspected("a,b,a\n1,2,3\n"), "duplicate_column", &["column a is there twice"]);
}

#[test]
fn unusable_keys() {
    let dir = tempdir().unwrap();
    let path = file(dir.path(), "t.csv", "ssn\nSECRET\n000-12-3456\n\"\"\n");
    let table = spec(&path, "ssn:us_ssn", Duplicates::Reject);
    let report = check(&table).unwrap();
    assert_eq!((report.rows, report.null, report.invalid.first_rows.as_slice()), (3, 1, &[1, 2][..]));
    let error = load_all(&table, &none()).unwrap_err();
    assert_says(
        &(error.label(), error.to_string()),
        "no_usable_key",
        &["none of 3 rows has a usable key (1 null, 2 invalid)", "check key column and kind"],
    );
}

#[test]
fn duplicates_under_reject_show_twenty_rows() {
    let dir = tempdir().unwrap();
    let path = file(dir.path(), "t.csv", format!("k,v\n{}", "SECRET,1\n".repeat(30)));
    let table = spec(&path, "k:text", Duplicates::Reject);
    assert_eq!(check(&table).unwrap().duplicates.count, 29);
    let error = load_all(&table, &none()).unwrap_err();
    assert_says(
        &(error.label(), error.to_string()),
        "duplicate_keys",
        &["29 rows", "(rows 2, 3, 4,", "20, 21, ..)", "choose the policy first or all"],
    );
}

#[test]
fn empty_files() {
    assert_says(&inspected(""), "table_empty", &["no data rows"]);
    assert_says(&inspected("\u{FEFF}"), "table_empty", &[]);
    assert_says(&inspected("a,b\n"), "table_empty", &[]);
    assert_says(&inspected("\n\n"), "table_empty", &[]);
}

#[test]
fn ragged_rows() {
    assert_says(&inspected("a,b\n1,2\n3\n"), "ragged_row", &["row 2 (line 3) has 1 fields, expected 2"]);
    assert_says(&inspected("a,b\n\"x\ny\",2\n\n1,SECRET,3\n"), "ragged_row", &["row 2 (line 5) has 3 fields"]);
    assert_says(&inspected("a,b\n1,2\n\"SECRET,4\n5,6\n"), "ragged_row", &["row 2 (line 3) has 1 fields"]);
}

#[test]
fn a_quote_that_is_never_closed_does_not_fill_memory() {
    let mut content = b"a,b\n1,\"SECRET".to_vec();
    content.resize(20 << 20, b'\n');
    assert_says(&inspected(content), "record_too_long", &["row 1", "look for a quote that is not closed"]);
}

#[test]
fn wrong_encodings() {
    assert_says(&inspected(b"a\nx\nSECRET\xFF\n"), "encoding", &["row 2 (line 3) is not UTF-8 text", "gbk"]);
    assert_says(&inspected(b"\xFF\xFEa\0\n\0"), "encoding", &["save the file as UTF-8"]);
    assert_says(&inspected(b"a\xFF\nx\n"), "encoding", &["row 0 (line 1)"]);
}

#[test]
fn values_that_do_not_fit_their_type() {
    let dir = tempdir().unwrap();
    let path = file(dir.path(), "t.csv", "k,v\na,1\nb,\n\nc,SECRET\n");
    for (ty, words) in [
        ("integer", "not a value of type integer"),
        ("decimal(4,2)", "decimal(4,2)"),
        ("date", "not a value of type date"),
        ("boolean", "boolean"),
        ("float", "float"),
    ] {
        let given = ColumnSpec::new("v", ty.parse().unwrap());
        let found = inspect(&path, &InspectOptions { types: vec![given.clone()], ..InspectOptions::default() });
        let found = found.unwrap_err();
        let place = if ty == "date" { "row 1 (line 2), column v" } else { "row 3 (line 5), column v" };
        assert_says(&(found.label(), found.to_string()), "value_type", &["t.csv", place, words]);
        let columns = vec![ColumnSpec::new("k", ColumnType::Text), given];
        let table = described(&path, "k:text", Duplicates::Reject, columns);
        assert_eq!(check(&table).unwrap_err().label(), "value_type");
        assert_eq!(load_all(&table, &layout(&table, &["v"])).unwrap_err().label(), "value_type");
        // A column nobody asks for is not looked at.
        assert!(load_all(&table, &none()).is_ok());
    }
}

#[test]
fn payload_values_above_the_agreed_length() {
    let dir = tempdir().unwrap();
    let path = file(dir.path(), "t.csv", "k,v\na,short\n,SECRET that never leaves\nb,SECRET is long\n");
    let table = spec(&path, "k:text", Duplicates::Reject);
    let wanted = PayloadLayout::new(vec![PayloadColumn::new("v", ColumnType::Text, 8)]).unwrap();
    let error = load_all(&table, &wanted).unwrap_err();
    assert_says(
        &(error.label(), error.to_string()),
        "value_too_long",
        &["row 3, column v: 14 bytes, agreed are at most 8", "agree on more"],
    );
}

#[test]
fn files_of_another_format() {
    let dir = tempdir().unwrap();
    for name in ["t.parquet", "t.arrow"] {
        let path = file(dir.path(), name, "a,b\n1,2\n");
        assert_eq!(inspect(&path, &InspectOptions::default()).unwrap_err().label(), "table_format", "{name}");
        let path = file(dir.path(), name, "");
        assert_eq!(inspect(&path, &InspectOptions::default()).unwrap_err().label(), "table_format", "{name}");
        let path = file(dir.path(), name, b"ARROW1\0\0PAR1PAR1");
        assert_eq!(inspect(&path, &InspectOptions::default()).unwrap_err().label(), "table_format", "{name}");
    }
}

#[test]
fn wrong_csv_characters() {
    let dir = tempdir().unwrap();
    let path = file(dir.path(), "t.csv", "a\n1\n");
    for (delimiter, quote) in [('\n', '"'), ('\u{FF0C}', '"'), (',', ','), (',', '\u{201C}')] {
        let csv = CsvOptions { delimiter, quote, ..CsvOptions::default() };
        let error = inspect(&path, &InspectOptions { csv, ..InspectOptions::default() }).unwrap_err();
        assert!(matches!(error, Error::Spec(SpecError::CsvCharacter { .. })));
    }
}

#[test]
fn loading_stops_on_request_and_tells_its_progress() {
    let dir = tempdir().unwrap();
    let mut content = "k\n".to_owned();
    for i in 0..40_000 {
        content.push_str(&format!("{i}\n"));
    }
    let path = file(dir.path(), "t.csv", &content);
    let table = spec(&path, "k:integer", Duplicates::Reject);
    let mut seen = Vec::new();
    load(&table, &none(), &mut |p| {
        seen.push((p.rows, p.done, p.total));
        ControlFlow::Continue(())
    })
    .unwrap();
    assert!(seen.len() >= 3 && seen.is_sorted());
    assert_eq!(*seen.last().unwrap(), (40_000, content.len() as u64, content.len() as u64));
    let error = load(&table, &none(), &mut |_| ControlFlow::Break(())).unwrap_err();
    assert!(matches!(error, Error::Cancelled));
}

#[test]
fn debug_output_shows_no_value() {
    let dir = tempdir().unwrap();
    let path = file(dir.path(), "t.csv", "k,v\nSECRET,SECRET\n");
    let table = spec(&path, "k:text", Duplicates::Reject);
    let wanted = layout(&table, &["v"]);
    let keyed = load_all(&table, &wanted).unwrap();
    let output = JoinOutput {
        own: &table,
        own_digest: keyed.digest,
        own_columns: &[],
        matches: &keyed.pair(&[0]).unwrap(),
        payload: &keyed.payload,
        layout: &wanted,
        prefix: "",
        path: &path,
        format: Format::Csv,
    };
    let bytes = format!("{:?}", b"secret");
    for shown in [format!("{keyed:?}"), format!("{:?}", keyed.keys), format!("{output:?}")] {
        assert!(!shown.to_lowercase().contains("secret") && !shown.contains(&bytes[1..bytes.len() - 1]), "{shown}");
    }
}

/// Writes the join of the first row of a small table and returns the error.
fn write(dir: &Path, change: impl FnOnce(&Path, &mut JoinOutput<'_>)) -> Error {
    let own = file(dir, "own.csv", "k,v\na,1\n");
    let table = spec(&own, "k:text", Duplicates::Reject);
    let keyed = load_all(&table, &none()).unwrap();
    let wanted = PayloadLayout::new(vec![PayloadColumn::new("w", ColumnType::Integer, 0)]).unwrap();
    let path = dir.join("out.csv");
    let mut output = JoinOutput {
        own: &table,
        own_digest: keyed.digest,
        own_columns: &["k".to_owned()],
        matches: &[Match { row: 1, payload: 0 }],
        payload: &[1, 0, 0, 0, 0, 0, 0, 0, 7],
        layout: &wanted,
        prefix: "",
        path: &path,
        format: Format::Csv,
    };
    change(&own, &mut output);
    write_join(&output).unwrap_err()
}

#[test]
fn results_that_cannot_be_written_leave_nothing() {
    let dir = tempdir().unwrap();
    let dir = dir.path();
    let left = |expected: &[&str]| assert_eq!(names(dir), expected);
    let error = write(dir, |_, output| output.payload = &[2, 0, 0, 0, 0, 0, 0, 0, 7]);
    assert_eq!(error.label(), "payload_malformed");
    left(&["own.csv"]);
    assert_eq!(write(dir, |_, output| output.payload = &[1, 0]).label(), "payload_malformed");
    left(&["own.csv"]);
    assert_eq!(write(dir, |_, output| output.payload = &[]).label(), "payload_malformed");
    left(&["own.csv"]);
    // The table was replaced after it was loaded.
    let error = write(dir, |own, _| fs::write(own, "k,v\nb,1\n").unwrap());
    assert_says(&(error.label(), error.to_string()), "table_changed", &["start the join again"]);
    left(&["own.csv"]);
    let error = write(dir, |own, _| fs::remove_file(own).unwrap());
    assert_eq!(error.label(), "table_missing");
    left(&[]);
    // A result that is there already stays as it is; a part left by a killed run is made anew.
    file(dir, "out.csv", "kept");
    let error = write(dir, |_, _| ());
    assert_eq!(error.label(), "output_exists");
    assert_eq!(fs::read_to_string(dir.join("out.csv")).unwrap(), "kept");
    left(&["out.csv", "own.csv"]);
    fs::remove_file(dir.join("out.csv")).unwrap();
    file(dir, "out.csv.part", "half a res");
    let error = write(dir, |_, output| output.own_columns = UNKNOWN.get_or_init(|| vec!["x".to_owned()]));
    assert_eq!(error.label(), "no_column");
    left(&["out.csv.part", "own.csv"]);
    assert_eq!(write(dir, |_, output| output.payload = &[]).label(), "payload_malformed");
    left(&["own.csv"]);
    let error = write(dir, |_, output| output.path = Path::new("/nowhere/at/all/out.csv"));
    assert_eq!(error.label(), "table_missing");
}

static UNKNOWN: std::sync::OnceLock<Vec<String>> = std::sync::OnceLock::new();
