//! How a table is described: where it is, its format, its key, its columns.

use crate::column::{ColumnSpec, ColumnType};
use crate::error::{DataError, Error, SpecError};
use crate::identifier::KeyKind;
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// A table as its institution describes it. Serialises to TOML that people can read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TableSpec {
    /// The file.
    pub path: PathBuf,
    /// The file's format.
    pub format: Format,
    /// What happens to rows that repeat a key.
    #[serde(default)]
    pub duplicates: Duplicates,
    /// How a CSV file is written; not used for other formats.
    #[serde(default)]
    pub csv: CsvOptions,
    /// The parts of the key, in the order both institutions agree on.
    pub key: Vec<KeyPart>,
    /// The columns with their types.
    pub columns: Vec<ColumnSpec>,
}

/// One column of the key with the rules that normalise it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyPart {
    /// The column.
    pub column: String,
    /// The kind of identifier it holds.
    pub kind: KeyKind,
}

/// A file format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Format {
    /// Lines of delimited text.
    Csv,
    /// Apache Parquet.
    Parquet,
    /// Apache Arrow IPC, file (Feather V2) or stream.
    Arrow,
}

/// How a CSV file is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CsvOptions {
    /// Whether the first line names the columns; without it they are c1, c2, ..
    pub header: bool,
    /// What stands between fields.
    pub delimiter: char,
    /// What stands around fields that contain delimiters or line breaks.
    pub quote: char,
    /// The encoding of the text.
    pub encoding: Encoding,
}

/// A text encoding. It is never guessed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Encoding {
    /// UTF-8, with or without a byte order mark.
    #[default]
    Utf8,
    /// GBK (decoded by its superset GB 18030).
    Gbk,
}

/// What happens to rows that repeat the key of an earlier row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Duplicates {
    /// The table is refused.
    #[default]
    Reject,
    /// The first row of a key counts, later ones are left out.
    First,
    /// All rows count: one key with many rows.
    All,
}

/// What [`inspect`](crate::inspect) found in a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Schema {
    /// Data rows.
    pub rows: u64,
    /// The columns that can be used, with their types.
    pub columns: Vec<ColumnSpec>,
    /// Columns of types this crate does not carry.
    pub left_out: Vec<String>,
}

/// How [`inspect`](crate::inspect) shall read a file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct InspectOptions {
    /// The format; told from the file's name when not given.
    pub format: Option<Format>,
    /// How a CSV file is written.
    pub csv: CsvOptions,
    /// Types given by hand; the other columns are inferred.
    pub types: Vec<ColumnSpec>,
}

impl TableSpec {
    /// Checks the description by itself: a key, no column twice, CSV characters.
    ///
    /// # Errors
    /// [`SpecError`] naming what to correct.
    pub fn validate(&self) -> Result<(), SpecError> {
        if self.key.is_empty() {
            return Err(SpecError::NoKey);
        }
        distinct(self.columns.iter().map(|column| column.name.as_str()))?;
        distinct(self.key.iter().map(|part| part.column.as_str()))?;
        self.csv.validate()
    }

    /// Returns the type of a column.
    ///
    /// # Errors
    /// [`DataError::NoColumn`] listing the columns of the description.
    pub fn column_type(&self, name: &str) -> Result<ColumnType, Error> {
        self.columns.iter().find(|column| column.name == name).map(|column| column.ty).ok_or_else(|| {
            let available = self.columns.iter().map(|column| column.name.clone()).collect();
            DataError::NoColumn { column: name.to_owned(), available }.at(&self.path)
        })
    }
}

impl Format {
    /// Tells the format from a file's name: csv, tsv, txt; parquet, pq; arrow, arrows, feather, ipc.
    ///
    /// # Errors
    /// [`SpecError::UnknownFormat`].
    pub fn of_path(path: &Path) -> Result<Self, SpecError> {
        let extension = path.extension().and_then(|e| e.to_str()).map(str::to_ascii_lowercase);
        match extension.as_deref() {
            Some("csv" | "tsv" | "txt") => Ok(Self::Csv),
            Some("parquet" | "pq") => Ok(Self::Parquet),
            Some("arrow" | "arrows" | "feather" | "ipc") => Ok(Self::Arrow),
            _ => Err(SpecError::UnknownFormat { path: path.to_path_buf() }),
        }
    }

    /// Returns the word used in descriptions: csv, parquet, arrow.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Parquet => "parquet",
            Self::Arrow => "arrow",
        }
    }
}

impl Encoding {
    /// Returns the encoding's name as people write it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Utf8 => "UTF-8",
            Self::Gbk => "GBK",
        }
    }
}

impl Duplicates {
    /// Returns the word used in descriptions: reject, first, all.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Reject => "reject",
            Self::First => "first",
            Self::All => "all",
        }
    }
}

impl CsvOptions {
    pub(crate) fn validate(&self) -> Result<(), SpecError> {
        let usable = |c: char| c.is_ascii() && c != '\n' && c != '\r' && c != '\0';
        if !usable(self.delimiter) {
            return Err(SpecError::CsvCharacter { what: "delimiter" });
        }
        if !usable(self.quote) || self.quote == self.delimiter {
            return Err(SpecError::CsvCharacter { what: "quote" });
        }
        Ok(())
    }
}

impl Default for CsvOptions {
    fn default() -> Self {
        Self { header: true, delimiter: ',', quote: '"', encoding: Encoding::Utf8 }
    }
}

fn distinct<'a>(names: impl Iterator<Item = &'a str>) -> Result<(), SpecError> {
    let mut seen = HashSet::new();
    for name in names {
        if !seen.insert(name) {
            return Err(SpecError::DuplicateColumn { column: name.to_owned() });
        }
    }
    Ok(())
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for Duplicates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Not one of the words a description may use there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("unknown word; use one of {expected}")]
pub struct UnknownWord {
    /// The words allowed.
    pub expected: &'static str,
}

impl FromStr for Format {
    type Err = UnknownWord;

    fn from_str(s: &str) -> Result<Self, UnknownWord> {
        match s {
            "csv" => Ok(Self::Csv),
            "parquet" => Ok(Self::Parquet),
            "arrow" => Ok(Self::Arrow),
            _ => Err(UnknownWord { expected: "csv, parquet, arrow" }),
        }
    }
}

impl FromStr for Duplicates {
    type Err = UnknownWord;

    fn from_str(s: &str) -> Result<Self, UnknownWord> {
        match s {
            "reject" => Ok(Self::Reject),
            "first" => Ok(Self::First),
            "all" => Ok(Self::All),
            _ => Err(UnknownWord { expected: "reject, first, all" }),
        }
    }
}

impl FromStr for Encoding {
    type Err = UnknownWord;

    fn from_str(s: &str) -> Result<Self, UnknownWord> {
        match s.to_ascii_lowercase().as_str() {
            "utf8" | "utf-8" => Ok(Self::Utf8),
            "gbk" => Ok(Self::Gbk),
            _ => Err(UnknownWord { expected: "utf8, gbk" }),
        }
    }
}
