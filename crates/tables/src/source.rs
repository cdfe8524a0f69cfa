//! Reading table files in batches of rows.

use crate::column::{ColumnSpec, ColumnType, convert};
use crate::error::{DataError, Error};
use crate::schema::{CsvOptions, Format, InspectOptions, TableSpec};
use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::{Field, Schema as ArrowSchema, SchemaRef};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

mod arrow_ipc;
mod bytes;
mod csv;
#[cfg(feature = "parquet")]
mod parquet;

/// Rows of a batch.
pub(crate) const BATCH_ROWS: usize = 16_384;

/// Consecutive rows as the file gives them: text columns for CSV, typed ones for other formats.
#[derive(Debug)]
pub(crate) struct RawBatch {
    /// Data row of the first row, from 1.
    pub(crate) first_row: u64,
    /// Line of each row, for CSV.
    pub(crate) lines: Vec<u64>,
    pub(crate) rows: usize,
    pub(crate) columns: Vec<ArrayRef>,
}

/// An open file of any format.
pub(crate) trait Source: Send {
    /// The columns that are read, in the order of the batches.
    fn columns(&self) -> &[String];

    /// The types the file says, for the columns that are read; nothing for CSV.
    fn types(&self) -> Option<Vec<Option<ColumnType>>>;

    fn next_batch(&mut self) -> Result<Option<RawBatch>, Error>;

    /// Parts done and parts of the whole.
    fn position(&self) -> (u64, u64);

    /// SHA-256 of the file, once it is read to its end.
    fn digest(&mut self) -> Result<[u8; 32], Error>;
}

/// Opens a file for some columns (in that order) or all.
pub(crate) fn open_source(
    path: &Path,
    format: Format,
    csv: &CsvOptions,
    wanted: Option<&[&str]>,
) -> Result<Box<dyn Source>, Error> {
    match format {
        Format::Csv => Ok(Box::new(csv::CsvSource::open(path, csv, wanted)?)),
        #[cfg(feature = "parquet")]
        Format::Parquet => Ok(Box::new(parquet::ParquetSource::open(path, wanted)?)),
        #[cfg(not(feature = "parquet"))]
        Format::Parquet => Err(crate::error::SpecError::FormatNotBuilt { format }.into()),
        Format::Arrow => Ok(Box::new(arrow_ipc::ArrowSource::open(path, wanted)?)),
    }
}

/// Finds the places of the wanted columns among the file's; all if none are named.
fn places(names: &[String], wanted: Option<&[&str]>, path: &Path) -> Result<Vec<usize>, Error> {
    for (i, name) in names.iter().enumerate() {
        if names[..i].contains(name) {
            return Err(DataError::DuplicateColumn { column: name.clone() }.at(path));
        }
    }
    let Some(wanted) = wanted else { return Ok((0..names.len()).collect()) };
    wanted
        .iter()
        .map(|column| {
            names
                .iter()
                .position(|name| name == column)
                .ok_or_else(|| DataError::NoColumn { column: (*column).to_owned(), available: names.to_vec() }.at(path))
        })
        .collect()
}

/// Reads typed rows of a table file: an iterator of record batches.
pub struct TableReader {
    source: Box<dyn Source>,
    columns: Vec<ColumnSpec>,
    schema: SchemaRef,
    path: PathBuf,
    done: bool,
}

/// Opens a table file, such as a result, with types inferred or given by the options.
///
/// # Errors
/// [`Error`] as for [`inspect`](crate::inspect); a file without rows can be opened.
pub fn open(path: &Path, options: &InspectOptions) -> Result<TableReader, Error> {
    let format = options.format.map_or_else(|| Format::of_path(path), Ok)?;
    let columns = match crate::load::inspect(path, options) {
        Ok(schema) => schema.columns,
        Err(Error::Data { data: DataError::Empty, .. }) => {
            let source = open_source(path, format, &options.csv, None)?;
            let types = source.types();
            let column = |(i, name): (usize, &String)| {
                let ty = types.as_ref().map_or(Some(ColumnType::Text), |types| types[i])?;
                Some(ColumnSpec::new(name.clone(), ty))
            };
            source.columns().iter().enumerate().filter_map(column).collect()
        }
        Err(error) => return Err(error),
    };
    TableReader::with_columns(path, format, &options.csv, columns)
}

impl TableReader {
    /// Opens a table by its description; `columns` chooses and orders.
    ///
    /// # Errors
    /// [`Error`] if a column is not described or not in the file, or the file cannot be read.
    pub fn open(spec: &TableSpec, columns: &[String]) -> Result<Self, Error> {
        let column = |name: &String| Ok(ColumnSpec::new(name.clone(), spec.column_type(name)?));
        let columns = columns.iter().map(column).collect::<Result<Vec<_>, Error>>()?;
        Self::with_columns(&spec.path, spec.format, &spec.csv, columns)
    }

    fn with_columns(path: &Path, format: Format, csv: &CsvOptions, columns: Vec<ColumnSpec>) -> Result<Self, Error> {
        csv.validate()?;
        let names: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
        let source = open_source(path, format, csv, Some(&names))?;
        let fields: Vec<Field> =
            columns.iter().map(|column| Field::new(&column.name, column.ty.to_arrow(), true)).collect();
        let schema = Arc::new(ArrowSchema::new(fields));
        Ok(Self { source, columns, schema, path: path.to_path_buf(), done: false })
    }

    /// Returns the columns that are read.
    #[must_use]
    pub fn columns(&self) -> &[ColumnSpec] {
        &self.columns
    }

    /// Returns the Arrow schema of the batches.
    #[must_use]
    pub fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    /// Reads the next rows, each batch with the number of its first row.
    pub(crate) fn next_rows(&mut self) -> Result<Option<(u64, RecordBatch)>, Error> {
        let Some(raw) = self.source.next_batch()? else { return Ok(None) };
        let arrays = self
            .columns
            .iter()
            .enumerate()
            .map(|(i, column)| convert::to_type(&raw, i, column, &self.path))
            .collect::<Result<Vec<_>, _>>()?;
        let options = arrow::array::RecordBatchOptions::new().with_row_count(Some(raw.rows));
        let batch = RecordBatch::try_new_with_options(self.schema(), arrays, &options)
            .map_err(|_| Error::Misuse { what: "typed columns fit their schema" })?;
        Ok(Some((raw.first_row, batch)))
    }

    /// Returns the SHA-256 of the file after its last row was read.
    pub(crate) fn digest(&mut self) -> Result<[u8; 32], Error> {
        self.source.digest()
    }
}

impl Iterator for TableReader {
    type Item = Result<RecordBatch, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        let next = self.next_rows().map(|rows| rows.map(|(_, batch)| batch)).transpose();
        self.done = !matches!(next, Some(Ok(_)));
        next
    }
}

impl fmt::Debug for TableReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TableReader").field("path", &self.path).field("columns", &self.columns).finish_non_exhaustive()
    }
}
