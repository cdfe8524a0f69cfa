//! Writing the result of a join: own columns and the partner's, for the rows that matched.
//!
//! The result is written to `<name>.part` beside its place, made durable, and renamed; if anything fails the part is
//! removed and nothing else has changed. Rows are in the order of the own table; several payload rows of one own row
//! follow each other. The own columns stand first. A partner's column whose name an own column has already gets the
//! prefix of [`JoinOutput::prefix`], repeated until the name is free.
//!
//! CSV is UTF-8 with a header and quotes where needed; null is an empty field, decimals have all digits of their
//! scale, dates are year-month-day. Parquet and Arrow files carry the column types.

use crate::error::{DataError, Error, PayloadError, SpecError};
use crate::keys::Match;
use crate::payload::PayloadLayout;
use crate::schema::{Format, TableSpec};
use crate::source::TableReader;
use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions, UInt32Array};
use arrow::compute::take;
use arrow::datatypes::{Field, Schema as ArrowSchema, SchemaRef};
use std::fmt;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

mod part;
mod writer;

use part::{Meter, PartFile};
use writer::{Output, TableWriter};

/// What [`write_join`] writes and where.
#[derive(Clone, Copy)]
pub struct JoinOutput<'a> {
    /// The own table.
    pub own: &'a TableSpec,
    /// The digest of the own table's file when it was loaded; if the file is another by now nothing is written.
    pub own_digest: [u8; 32],
    /// The own columns to write, in this order.
    pub own_columns: &'a [String],
    /// Which own row goes with which payload row, in the order of [`Match`] (as [`Keyed::pair`](crate::Keyed::pair)
    /// gives them).
    pub matches: &'a [Match],
    /// The payload rows received.
    pub payload: &'a [u8],
    /// Their layout; all its columns are written.
    pub layout: &'a PayloadLayout,
    /// What stands before a partner's column name that an own column has already, such as `bureau_`.
    pub prefix: &'a str,
    /// Where the result goes, for [`write_join`]: there must be no file yet. [`write_join_into`] names it in errors only.
    pub path: &'a Path,
    /// The result's format.
    pub format: Format,
}

impl fmt::Debug for JoinOutput<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinOutput")
            .field("path", &self.path)
            .field("format", &self.format)
            .field("matches", &self.matches.len())
            .finish_non_exhaustive()
    }
}

/// What was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Written {
    /// Rows.
    pub rows: u64,
    /// Bytes of the file.
    pub bytes: u64,
    /// SHA-256 of the file.
    pub sha256: [u8; 32],
}

/// Rows of one output batch.
const BATCH_ROWS: usize = 16_384;

/// Reads the own table once more, streaming, and writes the matched rows with the partner's columns.
///
/// # Errors
/// [`Error`] if the own table cannot be read or has changed, the payload does not fit its layout, the result exists
/// already or cannot be written. There is no partial file then.
pub fn write_join(output: &JoinOutput<'_>) -> Result<Written, Error> {
    let mut source = Joined::open(output)?;
    let mut part = PartFile::create(output.path)?;
    if let Err(error) = source.write(output, &mut part) {
        // The disk's own failure says more than the writer that met it.
        return Err(part.failure().unwrap_or(error));
    }
    source.check_unchanged(output)?;
    let (bytes, sha256) = part.keep()?;
    Ok(Written { rows: output.matches.len() as u64, bytes, sha256 })
}

/// The same into a writer of the caller, which need not seek: a stream that encrypts, a pipe. Bytes and digest are of
/// what went in.
///
/// # Errors
/// As [`write_join`]; what was written before the error is for the caller to throw away.
pub fn write_join_into(output: &JoinOutput<'_>, writer: &mut (dyn Write + Send)) -> Result<Written, Error> {
    let mut source = Joined::open(output)?;
    let mut meter = Meter::over(writer);
    if let Err(error) = source.write(output, &mut meter) {
        return Err(meter.failure(output.path).unwrap_or(error));
    }
    source.check_unchanged(output)?;
    let (bytes, sha256) =
        meter.finish().map_err(|kind| Error::Environment { path: output.path.to_path_buf(), what: "writing", kind })?;
    Ok(Written { rows: output.matches.len() as u64, bytes, sha256 })
}

/// The own table about to be read once more, and what the result looks like.
struct Joined {
    own: TableReader,
    schema: SchemaRef,
}

impl Joined {
    fn open(output: &JoinOutput<'_>) -> Result<Self, Error> {
        if !output.matches.is_sorted() {
            return Err(Error::Misuse { what: "matches are in the order of the own table" });
        }
        let own = TableReader::open(output.own, output.own_columns)?;
        let schema = joined_schema(&own.schema(), output.layout, output.prefix)?;
        Ok(Self { own, schema })
    }

    fn write(&mut self, output: &JoinOutput<'_>, sink: &mut dyn Output) -> Result<(), Error> {
        let mut writer = TableWriter::new(sink, output.format, &self.schema)?;
        join_rows(output, &mut self.own, &self.schema, &mut writer)?;
        writer.finish()
    }

    fn check_unchanged(mut self, output: &JoinOutput<'_>) -> Result<(), Error> {
        if self.own.digest()? == output.own_digest { Ok(()) } else { Err(DataError::Changed.at(&output.own.path)) }
    }
}

fn join_rows(
    output: &JoinOutput<'_>,
    own: &mut TableReader,
    schema: &SchemaRef,
    writer: &mut TableWriter<'_>,
) -> Result<(), Error> {
    let mut rest = output.matches;
    let mut last = 0;
    while let Some((first_row, batch)) = own.next_rows()? {
        last = first_row + batch.num_rows() as u64 - 1;
        let (here, later) = rest.split_at(rest.partition_point(|m| m.row <= last));
        rest = later;
        for matches in here.chunks(BATCH_ROWS) {
            writer.write(&join_batch(output, schema, first_row, &batch, matches)?)?;
        }
    }
    match rest.first() {
        Some(beyond) => Err(PayloadError::Index { what: "own row", index: beyond.row, count: last }.into()),
        None => Ok(()),
    }
}

fn join_batch(
    output: &JoinOutput<'_>,
    schema: &SchemaRef,
    first_row: u64,
    own: &RecordBatch,
    matches: &[Match],
) -> Result<RecordBatch, Error> {
    let place = |m: &Match| m.row.checked_sub(first_row).and_then(|i| u32::try_from(i).ok());
    let places: Option<Vec<u32>> = matches.iter().map(place).collect();
    let places = UInt32Array::from(places.ok_or(Error::Misuse { what: "own rows count from 1" })?);
    let mut columns: Vec<ArrayRef> = Vec::with_capacity(schema.fields().len());
    for column in own.columns() {
        columns.push(take(column, &places, None).map_err(|_| Error::Misuse { what: "own rows are in their batch" })?);
    }
    let rows: Vec<usize> = matches.iter().map(|m| m.payload as usize).collect();
    columns.extend(output.layout.decode_rows(output.payload, &rows)?.columns().iter().cloned());
    let options = RecordBatchOptions::new().with_row_count(Some(matches.len()));
    RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options)
        .map_err(|_| Error::Misuse { what: "joined columns fit their schema" })
}

/// Puts the partner's columns after the own ones, renamed where a name is taken.
fn joined_schema(own: &SchemaRef, layout: &PayloadLayout, prefix: &str) -> Result<SchemaRef, Error> {
    let mut fields: Vec<Field> = own.fields().iter().map(|field| field.as_ref().clone()).collect();
    if let Some(twice) = fields.iter().enumerate().find(|(i, f)| fields[..*i].iter().any(|g| g.name() == f.name())) {
        return Err(SpecError::DuplicateColumn { column: twice.1.name().clone() }.into());
    }
    let prefix = if prefix.is_empty() { "partner_" } else { prefix };
    for column in layout.columns() {
        let mut name = column.name.clone();
        while fields.iter().any(|field| *field.name() == name) {
            name.insert_str(0, prefix);
        }
        fields.push(Field::new(name, column.ty.to_arrow(), true));
    }
    Ok(Arc::new(ArrowSchema::new(fields)))
}
