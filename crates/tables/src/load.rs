//! Reading a table: its schema, the quality of its keys, and its keys with the payload.
//!
//! A key of one part is the normalised value's bytes. A key of several parts is, for each part in order, its length
//! in four bytes (big-endian) and its bytes. A key is null if one part is null, else invalid if one part is invalid.

use crate::column::{ColumnSpec, ColumnType, convert, infer};
use crate::error::{DataError, Error};
use crate::keys::{Distinct, KeyArena};
use crate::payload::PayloadLayout;
use crate::report::QualityReport;
use crate::schema::{Format, InspectOptions, Schema, TableSpec};
use crate::source::{self, RawBatch, Source};
use std::fmt;
use std::ops::ControlFlow;
use std::path::Path;

mod normal;

use normal::{KeyColumns, RowKey};

/// A table ready for a join: distinct keys, and for each row kept its key, number and payload.
#[derive(Clone)]
#[non_exhaustive]
pub struct Keyed {
    /// The distinct keys.
    pub keys: KeyArena,
    /// For each row kept, in the table's order, the index of its key.
    pub row_key: Vec<u32>,
    /// For each row kept, its data row in the file, counted from 1.
    pub row_number: Vec<u64>,
    /// The payload rows, one for each row kept.
    pub payload: Vec<u8>,
    /// What was found on the way.
    pub report: QualityReport,
    /// SHA-256 of the file.
    pub digest: [u8; 32],
}

/// How far reading has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct LoadProgress {
    /// Data rows read.
    pub rows: u64,
    /// Parts of the whole done.
    pub done: u64,
    /// Parts of the whole: bytes of a CSV file, rows of the other formats; 0 if not known.
    pub total: u64,
}

/// Reads the file once and infers the type of each column that is not given in the options. For CSV: whole numbers
/// are `integer`, numbers with a point `decimal`, days written year-month-day `date`, everything else (also numbers
/// with leading zeros or more than 18 digits) `text`; an empty field is null. Parquet and Arrow files say their types.
///
/// # Errors
/// [`Error`] if the file cannot be read, has no rows or does not hold the columns or types given.
pub fn inspect(path: &Path, options: &InspectOptions) -> Result<Schema, Error> {
    let format = options.format.map_or_else(|| Format::of_path(path), Ok)?;
    options.csv.validate()?;
    let mut source = source::open_source(path, format, &options.csv, None)?;
    let names = source.columns().to_vec();
    for given in &options.types {
        if !names.contains(&given.name) {
            return Err(DataError::NoColumn { column: given.name.clone(), available: names }.at(path));
        }
    }
    let mut guesses: Vec<infer::Guess> = names.iter().map(|_| infer::Guess::default()).collect();
    let fixed = source.types();
    let mut rows = 0;
    while let Some(batch) = source.next_batch()? {
        rows += batch.rows as u64;
        if format == Format::Csv {
            for (guess, array) in guesses.iter_mut().zip(&batch.columns) {
                guess.look_at(array);
            }
        }
        for given in &options.types {
            if let Some(i) = names.iter().position(|name| *name == given.name) {
                convert::to_type(&batch, i, given, path)?;
            }
        }
    }
    if rows == 0 {
        return Err(DataError::Empty.at(path));
    }
    let mut schema = Schema { rows, columns: Vec::new(), left_out: Vec::new() };
    for (i, name) in names.into_iter().enumerate() {
        let given = options.types.iter().find(|given| given.name == name).map(|given| given.ty);
        let found = fixed.as_ref().map_or_else(|| Some(guesses[i].result()), |types| types[i]);
        match given.or(found) {
            Some(ty) => schema.columns.push(ColumnSpec { name, ty }),
            None => schema.left_out.push(name),
        }
    }
    Ok(schema)
}

/// Reads the table once and reports the quality of its keys. Values of all described columns are checked against
/// their types. Duplicate keys are reported, not refused; see [`QualityReport::ensure_usable`].
///
/// # Errors
/// [`Error`] if the description is wrong, the file cannot be read or a value does not fit its column's type.
pub fn check(spec: &TableSpec) -> Result<QualityReport, Error> {
    let columns: Vec<&ColumnSpec> = spec.columns.iter().collect();
    let mut scan = Scan::open(spec, &columns)?;
    let mut keys = Keys::new(spec, false);
    while let Some(batch) = scan.next()? {
        for i in 0..columns.len() {
            scan.typed(&batch, i)?;
        }
        keys.take(&scan.key_rows(&batch)?, &batch)?;
    }
    Ok(keys.finish().report)
}

/// Reads the table once: normalises the keys, applies the duplicates policy, encodes the payload columns of the rows
/// kept. `progress` is called after each batch of rows and may stop the reading.
///
/// # Errors
/// [`Error`] as for [`check`]; also for no usable key, duplicates under `reject`, a text longer than the layout
/// allows, and [`Error::Cancelled`].
pub fn load(
    spec: &TableSpec,
    payload: &PayloadLayout,
    progress: &mut dyn FnMut(LoadProgress) -> ControlFlow<()>,
) -> Result<Keyed, Error> {
    let wanted = payload.column_specs();
    for column in &wanted {
        let known = spec.column_type(&column.name)?;
        if known != column.ty {
            return Err(DataError::Type { column: column.name.clone(), expected: column.ty }.at(&spec.path));
        }
    }
    let columns: Vec<&ColumnSpec> = wanted.iter().collect();
    let mut scan = Scan::open(spec, &columns)?;
    let mut keys = Keys::new(spec, true);
    let mut rows = Vec::new();
    while let Some(batch) = scan.next()? {
        let kept = keys.take(&scan.key_rows(&batch)?, &batch)?;
        let arrays = (0..columns.len()).map(|i| scan.typed(&batch, i)).collect::<Result<Vec<_>, _>>()?;
        payload.encode(
            &crate::payload::TypedRows { arrays: &arrays, first_row: batch.first_row, path: &spec.path },
            &kept,
            &mut rows,
        )?;
        let (done, total) = scan.source.position();
        if batch.first_row == 1 {
            let expected = expected_rows(keys.row_key.len(), done, total);
            keys.reserve(expected);
            rows.reserve_exact(expected.saturating_mul(payload.width()));
        }
        let report = LoadProgress { rows: keys.report.rows, done, total };
        if progress(report).is_break() {
            return Err(Error::Cancelled);
        }
    }
    let digest = scan.source.digest()?;
    let keys = keys.finish();
    keys.report.ensure_usable(&spec.path)?;
    Ok(Keyed {
        keys: keys.distinct.into_arena(),
        row_key: keys.row_key,
        row_number: keys.row_number,
        payload: rows,
        report: keys.report,
        digest,
    })
}

impl fmt::Debug for Keyed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keyed")
            .field("keys", &self.keys)
            .field("rows", &self.row_key.len())
            .field("report", &self.report)
            .finish_non_exhaustive()
    }
}

/// Guesses from the first batch how many more rows will be kept, so that blocks of memory need not be doubled.
fn expected_rows(kept: usize, done: u64, total: u64) -> usize {
    let rest = u128::from(total.saturating_sub(done));
    let expected = kept as u128 * rest * 51 / 50 / u128::from(done.max(1));
    usize::try_from(expected).unwrap_or(0)
}

/// A file open for its key columns and some typed columns.
struct Scan<'a> {
    spec: &'a TableSpec,
    source: Box<dyn Source>,
    typed: Vec<&'a ColumnSpec>,
    keys: KeyColumns<'a>,
}

impl<'a> Scan<'a> {
    fn open(spec: &'a TableSpec, typed: &[&'a ColumnSpec]) -> Result<Self, Error> {
        spec.validate()?;
        let mut names: Vec<&str> = typed.iter().map(|column| column.name.as_str()).collect();
        let mut places = Vec::with_capacity(spec.key.len());
        for part in &spec.key {
            let place = names.iter().position(|name| *name == part.column).unwrap_or_else(|| {
                names.push(&part.column);
                names.len() - 1
            });
            places.push(place);
        }
        let source = source::open_source(&spec.path, spec.format, &spec.csv, Some(&names))?;
        Ok(Self { spec, source, typed: typed.to_vec(), keys: KeyColumns { parts: &spec.key, places } })
    }

    fn next(&mut self) -> Result<Option<RawBatch>, Error> {
        self.source.next_batch()
    }

    fn typed(&self, batch: &RawBatch, index: usize) -> Result<arrow::array::ArrayRef, Error> {
        convert::to_type(batch, index, self.typed[index], &self.spec.path)
    }

    fn key_rows(&self, batch: &RawBatch) -> Result<Vec<normal::Chunk>, Error> {
        self.keys.normalise(batch, &self.spec.path)
    }
}

/// Collects keys, rows and the report.
struct Keys<'a> {
    spec: &'a TableSpec,
    distinct: Distinct,
    row_key: Vec<u32>,
    row_number: Vec<u64>,
    report: QualityReport,
    keep_rows: bool,
}

impl<'a> Keys<'a> {
    fn new(spec: &'a TableSpec, keep_rows: bool) -> Self {
        Self {
            spec,
            distinct: Distinct::new(),
            row_key: Vec::new(),
            row_number: Vec::new(),
            report: QualityReport::new(spec.duplicates),
            keep_rows,
        }
    }

    fn reserve(&mut self, rows: usize) {
        self.distinct.reserve(rows);
        self.row_key.reserve_exact(rows);
        self.row_number.reserve_exact(rows);
    }

    /// Takes a batch's normalised keys and tells for each row whether it is kept.
    fn take(&mut self, chunks: &[normal::Chunk], batch: &RawBatch) -> Result<Vec<bool>, Error> {
        const ROWS_MAX: u64 = u32::MAX as u64 - 1;
        let mut kept = Vec::with_capacity(batch.rows);
        for (number, key) in (batch.first_row..).zip(chunks.iter().flat_map(normal::Chunk::iter)) {
            if number > ROWS_MAX {
                return Err(DataError::TooManyRows { max: ROWS_MAX }.at(&self.spec.path));
            }
            kept.push(self.row(key, number));
        }
        Ok(kept)
    }

    fn row(&mut self, key: RowKey<'_>, number: u64) -> bool {
        self.report.rows += 1;
        let key = match key {
            RowKey::Usable(key) => key,
            RowKey::Null => {
                self.report.null += 1;
                return false;
            }
            RowKey::Invalid => {
                self.report.invalid.push(number);
                return false;
            }
        };
        self.report.usable += 1;
        let (index, new) = self.distinct.insert(key);
        if !new {
            self.report.duplicates.push(number);
            if self.spec.duplicates != crate::schema::Duplicates::All {
                return false;
            }
        }
        self.report.kept += 1;
        if self.keep_rows {
            self.row_key.push(index);
            self.row_number.push(number);
        }
        true
    }

    fn finish(mut self) -> Self {
        self.report.distinct = self.distinct.len() as u64;
        self
    }
}

/// Reads a column's type as the key kind needs it: text of CSV as it stands, other formats by their type.
pub(crate) fn key_type_allowed(ty: Option<ColumnType>) -> bool {
    !matches!(ty, None | Some(ColumnType::Float | ColumnType::Boolean))
}
