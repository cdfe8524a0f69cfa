//! What can go wrong with a table, always without a value of it.

use crate::column::ColumnType;
use crate::schema::Format;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// An error of this crate. Messages name the file, the row, the column and what to do; never a value.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Error {
    /// A description of a table, key, type or layout is not valid.
    #[error(transparent)]
    Spec(#[from] SpecError),
    /// The file's content does not fit its description.
    #[error("{}: {data}", path.display())]
    Data {
        /// The file.
        path: PathBuf,
        /// What does not fit.
        data: DataError,
    },
    /// Payload bytes or values do not fit their layout.
    #[error(transparent)]
    Payload(#[from] PayloadError),
    /// The file is not there.
    #[error("{}: no such file; check the path, or add the table again with the right one", path.display())]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// The result file exists already and is not overwritten.
    #[error("{}: the file exists already; choose another name or move it away", path.display())]
    OutputExists {
        /// The file.
        path: PathBuf,
    },
    /// Reading or writing failed: permissions, a full disk, a broken device.
    #[error("{}: {what}: {}; {}", path.display(), error_words(*kind), advice(*kind))]
    Environment {
        /// The file.
        path: PathBuf,
        /// What was being done.
        what: &'static str,
        /// The class of the failure.
        kind: io::ErrorKind,
    },
    /// The caller asked to stop.
    #[error("stopped on request")]
    Cancelled,
    /// The caller broke a documented condition.
    #[error("misuse: {what}")]
    Misuse {
        /// The broken condition.
        what: &'static str,
    },
}

/// A description that is not valid by itself, before any file is read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SpecError {
    /// The name of a key kind is not known or its argument is missing or wrong.
    #[error(
        "unknown key kind; use one of us_ssn, cn_resident_id, cn_uscc, phone(CN), email, iban, lei, text, integer, \
         date(%Y-%m-%d)"
    )]
    KeyKind,
    /// The region of a `phone(..)` kind is not an ISO 3166 code with telephone rules.
    #[error("unknown region in phone(..); use an ISO 3166 code of two capital letters, such as phone(CN)")]
    PhoneRegion,
    /// A format of a `date(..)` kind does not give a whole date.
    #[error("date format {index} does not give a whole date; write it with %Y, %m and %d, such as date(%m/%d/%Y)")]
    DateFormat {
        /// Which of the formats, from 1.
        index: usize,
    },
    /// The name of a column type is not known.
    #[error("unknown column type; use one of text, integer, decimal(18,2), date, boolean, float")]
    ColumnType,
    /// A table has no key column.
    #[error("the table has no key; name at least one key column with its kind, such as ssn:us_ssn")]
    NoKey,
    /// A column is named twice.
    #[error("column {column} is named twice; name each column once")]
    DuplicateColumn {
        /// The column.
        column: String,
    },
    /// Delimiter and quote must be different ASCII characters.
    #[error("the CSV {what} must be one ASCII character, not a line break, and differ from the other")]
    CsvCharacter {
        /// Delimiter or quote.
        what: &'static str,
    },
    /// The format of a file cannot be told from its name.
    #[error("{}: the format is not clear from the name; give it as csv, parquet or arrow", path.display())]
    UnknownFormat {
        /// The file.
        path: PathBuf,
    },
    /// The format needs a feature this build does not have.
    #[error("this build does not read or write {format} files; use another format or a build with that feature")]
    FormatNotBuilt {
        /// The format.
        format: Format,
    },
    /// A payload column's limit is out of range.
    #[error("bytes_max of column {column} is {got}; for text it must be from 1 to {max}")]
    BytesMax {
        /// The column.
        column: String,
        /// The largest value allowed.
        max: u32,
        /// The value given.
        got: u32,
    },
    /// The payload's rows are wider than allowed.
    #[error("the payload has {got} bytes a row, the limit is {max}; choose fewer columns or a smaller bytes_max")]
    PayloadWidth {
        /// The largest width allowed.
        max: usize,
        /// The width found.
        got: usize,
    },
}

/// Content that does not fit its description. Rows count from 1, without the header.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum DataError {
    /// The file holds no data row.
    #[error("no data rows; check that the right file was given")]
    Empty,
    /// The file is not of the format said.
    #[error("not a readable {format} file; check the format, or write the file anew")]
    Format {
        /// The format expected.
        format: Format,
    },
    /// A column asked for is not in the file.
    #[error("no column {column}; the columns are: {}", available.join(", "))]
    NoColumn {
        /// The column asked for.
        column: String,
        /// The columns there are.
        available: Vec<String>,
    },
    /// Two columns of the file have the same name.
    #[error("column {column} is there twice; rename one of them in the file")]
    DuplicateColumn {
        /// The column.
        column: String,
    },
    /// A CSV row has more or fewer fields than the first line.
    #[error(
        "row {row} (line {line}) has {got} fields, expected {expected}; correct the line, or check delimiter and quotes"
    )]
    Ragged {
        /// Data row.
        row: u64,
        /// Line of the file.
        line: u64,
        /// Fields expected.
        expected: usize,
        /// Fields found.
        got: usize,
    },
    /// A CSV record is too long, mostly because of a quote that is never closed.
    #[error("row {row} (line {line}) has more than {bytes_max} bytes; look for a quote that is not closed")]
    RecordTooLong {
        /// Data row.
        row: u64,
        /// Line of the file.
        line: u64,
        /// The largest record read.
        bytes_max: u64,
    },
    /// Bytes that are not text in the encoding said.
    #[error("row {row} (line {line}) is not {encoding} text; save the file as UTF-8, or give the encoding (gbk)")]
    Encoding {
        /// Data row; 0 is the header.
        row: u64,
        /// Line of the file.
        line: u64,
        /// The encoding expected.
        encoding: &'static str,
    },
    /// A value does not fit its column's type.
    #[error("row {row}{}, column {column}: not a value of type {expected}; correct it, or choose type text", Line(*line))]
    Value {
        /// Data row.
        row: u64,
        /// Line of the file, for CSV.
        line: Option<u64>,
        /// The column.
        column: String,
        /// The column's type.
        expected: ColumnType,
    },
    /// The file's type of a column cannot be read as the type said.
    #[error("column {column} cannot be read as {expected}; use the type that inspect gives")]
    Type {
        /// The column.
        column: String,
        /// The type said.
        expected: ColumnType,
    },
    /// A column's type cannot be used at all, or not as a key.
    #[error("column {column} has a type that cannot be used {purpose}; convert it to text in the file")]
    Unsupported {
        /// The column.
        column: String,
        /// For what.
        purpose: &'static str,
    },
    /// A payload value is longer than agreed.
    #[error("row {row}, column {column}: {got} bytes, agreed are at most {max}; shorten it or agree on more")]
    TooLong {
        /// Data row.
        row: u64,
        /// The column.
        column: String,
        /// Bytes agreed.
        max: u32,
        /// Bytes found.
        got: usize,
    },
    /// No row has a usable key.
    #[error("none of {rows} rows has a usable key ({null} null, {invalid} invalid); check key column and kind")]
    NoUsableKey {
        /// Rows in the table.
        rows: u64,
        /// Rows with a null key.
        null: u64,
        /// Rows with an invalid key.
        invalid: u64,
    },
    /// Keys occur more than once and the table's policy is to reject that.
    #[error(
        "{count} rows repeat the key of an earlier row (rows {}); remove them, or choose the policy first or all",
        RowsShown(first_rows, *count)
    )]
    DuplicateKeys {
        /// Rows that repeat a key.
        count: u64,
        /// The first of them.
        first_rows: Vec<u64>,
    },
    /// More rows than this crate counts.
    #[error("more than {max} rows; split the table")]
    TooManyRows {
        /// The most rows allowed.
        max: u64,
    },
    /// The file is not the one that was loaded.
    #[error("the file changed since it was loaded; start the join again")]
    Changed,
}

/// Payload bytes from the partner, or indices into them, that do not fit the agreed layout.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PayloadError {
    /// The bytes are not a whole number of rows.
    #[error("the payload has {got} bytes, not a multiple of the row width {width}")]
    Length {
        /// Bytes of a row.
        width: usize,
        /// Bytes found.
        got: usize,
    },
    /// A field's bytes are not an encoding of its type.
    #[error("payload row {row}, column {column}: malformed {what}")]
    Malformed {
        /// Payload row, from 0.
        row: usize,
        /// Column of the layout, from 0.
        column: usize,
        /// What is wrong.
        what: &'static str,
    },
    /// An index is outside of what it indexes.
    #[error("{what} {index} is outside of {count}")]
    Index {
        /// What is indexed.
        what: &'static str,
        /// The index.
        index: u64,
        /// How many there are.
        count: u64,
    },
}

impl Error {
    /// The stable word for metrics and audit.
    #[must_use]
    pub const fn label(&self) -> &'static str {
        match self {
            Self::Spec(_) => "table_spec",
            Self::Data { data, .. } => data.label(),
            Self::Payload(_) => "payload_malformed",
            Self::Missing { .. } => "table_missing",
            Self::OutputExists { .. } => "output_exists",
            Self::Environment { kind: io::ErrorKind::StorageFull, .. } => "disk_full",
            Self::Environment { .. } => "environment",
            Self::Cancelled => "cancelled",
            Self::Misuse { .. } => "misuse",
        }
    }

    pub(crate) fn io(path: &Path, what: &'static str, error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::NotFound => Self::Missing { path: path.to_path_buf() },
            kind => Self::Environment { path: path.to_path_buf(), what, kind },
        }
    }
}

impl DataError {
    /// The stable word for metrics and audit.
    #[must_use]
    pub const fn label(&self) -> &'static str {
        match self {
            Self::Empty => "table_empty",
            Self::Format { .. } => "table_format",
            Self::NoColumn { .. } => "no_column",
            Self::DuplicateColumn { .. } => "duplicate_column",
            Self::Ragged { .. } => "ragged_row",
            Self::RecordTooLong { .. } => "record_too_long",
            Self::Encoding { .. } => "encoding",
            Self::Value { .. } => "value_type",
            Self::Type { .. } | Self::Unsupported { .. } => "column_type",
            Self::TooLong { .. } => "value_too_long",
            Self::NoUsableKey { .. } => "no_usable_key",
            Self::DuplicateKeys { .. } => "duplicate_keys",
            Self::TooManyRows { .. } => "too_many_rows",
            Self::Changed => "table_changed",
        }
    }

    pub(crate) fn at(self, path: &Path) -> Error {
        Error::Data { path: path.to_path_buf(), data: self }
    }
}

/// Names the class of an input or output failure in words that stay the same on every platform.
const fn error_words(kind: io::ErrorKind) -> &'static str {
    match kind {
        io::ErrorKind::PermissionDenied => "permission denied",
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "no space left",
        io::ErrorKind::IsADirectory => "it is a directory",
        io::ErrorKind::UnexpectedEof => "it ends too early",
        io::ErrorKind::ReadOnlyFilesystem => "the file system is read-only",
        _ => "input or output failed",
    }
}

const fn advice(kind: io::ErrorKind) -> &'static str {
    match kind {
        io::ErrorKind::PermissionDenied => "check the owner and mode of the file and its directory",
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "free some space and start again",
        io::ErrorKind::IsADirectory => "give the path of a file",
        io::ErrorKind::ReadOnlyFilesystem => "choose another place",
        _ => "check the disk and start again",
    }
}

/// The line of a CSV file, if known.
struct Line(Option<u64>);

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |line| write!(f, " (line {line})"))
    }
}

/// Row numbers with a mark when there are more.
struct RowsShown<'a>(&'a [u64], u64);

impl fmt::Display for RowsShown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, row) in self.0.iter().enumerate() {
            write!(f, "{}{row}", if i == 0 { "" } else { ", " })?;
        }
        if u64::try_from(self.0.len()).is_ok_and(|shown| shown < self.1) { f.write_str(", ..") } else { Ok(()) }
    }
}
