//! Tables of an institution: what identifies a row, how identifiers are normalised so that two houses write the
//! same person the same way, which types the columns have, and how files are read, checked and written.
//!
//! A table is a CSV, Parquet or Arrow IPC file described by a [`TableSpec`]. The way of a table through this crate:
//!
//! 1. [`inspect`] reads the file once and infers the type of each column ([`Schema`]).
//! 2. [`check`] reads it again with the chosen key and gives a [`QualityReport`]: usable, null, invalid and
//!    duplicate keys, as counts and row numbers, never as values.
//! 3. [`load()`] normalises the keys, encodes the payload columns by a [`PayloadLayout`] and keeps the row numbers,
//!    all in one streaming pass ([`Keyed`]).
//! 4. [`sink::write_join`] reads the institution's own table once more and writes the matched rows with the
//!    partner's columns.
//!
//! Files are streamed in batches of rows; only keys, row numbers and payload stay in memory.
//! No error of this crate contains a value of a table. Nothing here knows cryptography, except SHA-256 as a digest.
//!
//! # Example
//!
//! ```
//! use symbolon_tables::KeyKind;
//!
//! let kind: KeyKind = "cn_resident_id".parse()?;
//! assert_eq!(kind.normalise(" 11010519491231002x"), Ok(Some("11010519491231002X".to_owned())));
//! # Ok::<(), symbolon_tables::SpecError>(())
//! ```
//!
//! # Known gaps
//!
//! * Columns of nested, binary, time and interval types are left out of a schema; timestamps are read as text.
//! * A CSV file's quotes are doubled inside quoted fields; backslash escapes are not understood.
//! * An unterminated quote at the end of a CSV file is taken as the field's end, as the csv crate does; it shows as a
//!   ragged row or as a record above the size limit.

pub mod card;
pub mod column;
pub mod identifier;
pub mod keys;
pub mod load;
pub mod payload;
pub mod report;
pub mod schema;
pub mod sink;
pub mod source;

mod error;

pub use arrow;
pub use card::TableCard;
pub use column::{ColumnSpec, ColumnType};
pub use error::{DataError, Error, PayloadError, SpecError};
pub use identifier::{Invalid, KeyKind, NORMALISER_VERSION, rules_digest};
pub use keys::{KeyArena, Match};
pub use load::{Keyed, LoadProgress, check, inspect, load};
pub use payload::{PayloadColumn, PayloadLayout};
pub use report::{QualityReport, RowList};
pub use schema::{CsvOptions, Duplicates, Encoding, Format, InspectOptions, KeyPart, Schema, TableSpec};
pub use sink::{JoinOutput, Written, write_join, write_join_into};
pub use source::{TableReader, open};
