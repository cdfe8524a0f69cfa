//! CSV files of arbitrary bytes: whatever `inspect` accepts can be checked and loaded with the types it gave, and the
//! three agree.
#![no_main]

use std::fs::File;
use std::io::Write;
use std::ops::ControlFlow;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use rustix::fs::MemfdFlags;
use sha2::{Digest, Sha256};
use symbolon_tables::{
    CsvOptions, DataError, Duplicates, Encoding, Error, Format, InspectOptions, KeyKind, KeyPart, PayloadColumn,
    PayloadLayout, Schema, TableSpec, check, inspect, load, open,
};

static KINDS: LazyLock<Vec<KeyKind>> = LazyLock::new(|| {
    let words = ["text", "us_ssn", "integer", "email", "cn_resident_id", "phone(CN)", "date(%Y-%m-%d)", "iban"];
    words.into_iter().map(|word| word.parse().expect("a documented kind")).collect()
});

/// A file that exists in memory only, however the process ends.
fn file(content: &[u8]) -> (OwnedFd, PathBuf) {
    let file = rustix::fs::memfd_create("table.csv", MemfdFlags::CLOEXEC).expect("a file in memory");
    let mut file = File::from(file);
    file.write_all(content).expect("writing to memory");
    let path = PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()));
    (file.into(), path)
}

/// How the file is read, in four characters.
struct Plan {
    csv: CsvOptions,
    duplicates: Duplicates,
    key_parts: usize,
    kinds: usize,
    bytes_max: u32,
}

impl Plan {
    fn new([flags, characters, kinds, width]: [u8; 4]) -> Self {
        let delimiters = [',', ';', '\t', '|', 'a', ' '];
        let characters = usize::from(characters);
        Self {
            csv: CsvOptions {
                header: flags & 1 == 0,
                delimiter: delimiters[characters % delimiters.len()],
                quote: ['"', '\''][characters / delimiters.len() % 2],
                encoding: if flags & 2 == 0 { Encoding::Utf8 } else { Encoding::Gbk },
            },
            duplicates: [Duplicates::All, Duplicates::First, Duplicates::Reject][usize::from(flags >> 2) % 3],
            key_parts: 1 + usize::from(kinds & 1),
            kinds: usize::from(kinds >> 1),
            bytes_max: u32::from(width).max(1),
        }
    }

    fn spec(&self, path: &Path, schema: &Schema) -> TableSpec {
        let part = |(number, column): (usize, &symbolon_tables::ColumnSpec)| KeyPart {
            column: column.name.clone(),
            kind: KINDS[(self.kinds + number) % KINDS.len()].clone(),
        };
        TableSpec {
            path: path.to_path_buf(),
            format: Format::Csv,
            duplicates: self.duplicates,
            csv: self.csv,
            key: schema.columns.iter().take(self.key_parts).enumerate().map(part).collect(),
            columns: schema.columns.clone(),
        }
    }
}

/// Errors there are for a file that can be read.
fn expected(error: &Error) {
    let of_the_file = matches!(
        error,
        Error::Data {
            data: DataError::Empty
                | DataError::DuplicateColumn { .. }
                | DataError::Ragged { .. }
                | DataError::RecordTooLong { .. }
                | DataError::Encoding { .. },
            ..
        }
    );
    assert!(of_the_file, "a file gives {error:?}");
}

fuzz_target!(|input: ([u8; 4], &[u8])| {
    let (plan, content) = (Plan::new(input.0), input.1);
    let (_memory, path) = file(content);
    let options = InspectOptions { format: Some(Format::Csv), csv: plan.csv, types: Vec::new() };
    let schema = match inspect(&path, &options) {
        Ok(schema) => schema,
        Err(error) => return expected(&error),
    };
    assert!(schema.rows > 0 && !schema.columns.is_empty() && schema.left_out.is_empty());
    rows(&path, &options, &schema);

    let spec = plan.spec(&path, &schema);
    let report = check(&spec).expect("the types come from the values");
    assert_eq!(report.rows, schema.rows);
    assert_eq!(report.usable + report.null + report.invalid.count, report.rows);
    assert_eq!(report.distinct + report.duplicates.count, report.usable);
    let kept = if plan.duplicates == Duplicates::All { report.usable } else { report.distinct };
    assert_eq!(report.kept, kept);

    let columns = schema.columns.iter();
    let columns = columns.map(|column| PayloadColumn::new(column.name.clone(), column.ty, plan.bytes_max));
    let Ok(layout) = PayloadLayout::new(columns.collect()) else { return };
    let keyed = match load(&spec, &layout, &mut |_| ControlFlow::Continue(())) {
        Ok(keyed) => keyed,
        Err(Error::Data { data: DataError::TooLong { .. }, .. }) => return,
        Err(Error::Data { data: DataError::NoUsableKey { .. }, .. }) => return assert_eq!(report.usable, 0),
        Err(Error::Data { data: DataError::DuplicateKeys { count, .. }, .. }) => {
            return assert!(plan.duplicates == Duplicates::Reject && count == report.duplicates.count && count > 0);
        }
        Err(other) => panic!("loading gives {other:?}"),
    };
    assert_eq!(keyed.digest, <[u8; 32]>::from(Sha256::digest(content)));
    assert_eq!((keyed.row_key.len() as u64, keyed.row_number.len() as u64), (kept, kept));
    assert_eq!(keyed.keys.len() as u64, report.distinct);
    assert!(keyed.row_key.iter().all(|key| (*key as usize) < keyed.keys.len()));
    assert!(keyed.row_number.is_sorted_by(|one, next| one < next));
    assert!(keyed.row_number.last().is_none_or(|last| *last <= schema.rows));
    let batch = layout.decode(&keyed.payload).expect("rows this side encoded");
    assert_eq!(batch.num_rows() as u64, kept);
});

/// The same rows come out as typed batches.
fn rows(path: &Path, options: &InspectOptions, schema: &Schema) {
    let reader = open(path, options).expect("a file that was inspected");
    assert_eq!(reader.columns(), schema.columns);
    let mut rows = 0;
    for batch in reader {
        rows += batch.expect("the types come from the values").num_rows() as u64;
    }
    assert_eq!(rows, schema.rows);
}
