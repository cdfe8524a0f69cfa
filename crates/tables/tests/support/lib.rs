//! What the tests of this crate share.
#![allow(dead_code, reason = "each test file uses some of it")]

use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use symbolon_tables::{
    ColumnSpec, CsvOptions, Duplicates, Error, Format, InspectOptions, KeyPart, Keyed, PayloadColumn, PayloadLayout,
    TableSpec, inspect, load,
};

/// A demonstration table.
pub(crate) fn shipped(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/data").join(name)
}

/// Writes a file into a directory and returns its path.
pub(crate) fn file(dir: &Path, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
    let path = dir.join(name);
    fs::write(&path, content).unwrap();
    path
}

/// Describes a CSV file with a header; `key` is `column:kind`, several separated by blanks.
pub(crate) fn spec(path: &Path, key: &str, duplicates: Duplicates) -> TableSpec {
    let schema = inspect(path, &InspectOptions::default()).unwrap();
    described(path, key, duplicates, schema.columns)
}

/// Describes a file with given columns.
pub(crate) fn described(path: &Path, key: &str, duplicates: Duplicates, columns: Vec<ColumnSpec>) -> TableSpec {
    let part = |text: &str| {
        let (column, kind) = text.split_once(':').unwrap();
        KeyPart { column: column.to_owned(), kind: kind.parse().unwrap() }
    };
    TableSpec {
        path: path.to_path_buf(),
        format: Format::of_path(path).unwrap(),
        duplicates,
        csv: CsvOptions::default(),
        key: key.split(' ').map(part).collect(),
        columns,
    }
}

/// Lays out columns of a table; texts get 64 bytes.
pub(crate) fn layout(spec: &TableSpec, columns: &[&str]) -> PayloadLayout {
    let column = |name: &&str| PayloadColumn::new(*name, spec.column_type(name).unwrap(), 64);
    PayloadLayout::new(columns.iter().map(column).collect()).unwrap()
}

pub(crate) fn load_all(spec: &TableSpec, layout: &PayloadLayout) -> Result<Keyed, Error> {
    load(spec, layout, &mut |_| ControlFlow::Continue(()))
}

/// What the protocol does, in the plain: the receiver's key index and the sender's payload of each matched row.
pub(crate) fn plain_match(own: &Keyed, partner: &Keyed, width: usize) -> (Vec<u32>, Vec<u8>) {
    let index: std::collections::HashMap<&[u8], u32> = own.keys.iter().zip(0..).collect();
    let mut keys = Vec::new();
    let mut payload = Vec::new();
    for (row, key) in partner.row_key.iter().enumerate() {
        if let Some(own) = index.get(partner.keys.get(*key as usize).unwrap()) {
            keys.push(*own);
            payload.extend_from_slice(&partner.payload[row * width..(row + 1) * width]);
        }
    }
    (keys, payload)
}

/// The names left in a directory.
pub(crate) fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}
