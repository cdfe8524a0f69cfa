//! CSV files: every column as text, an empty field as null.

use super::bytes::{Fault, open_file};
use super::{BATCH_ROWS, RawBatch, Source};
use crate::column::ColumnType;
use crate::error::{DataError, Error};
use crate::schema::CsvOptions;
use arrow::array::{ArrayRef, StringBuilder};
use records::{RECORD_BYTES_MAX, Records};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

mod records;

/// Text of a batch after which it is given out even if it has few rows.
const BATCH_BYTES: usize = 16 << 20;

pub(super) struct CsvSource {
    path: PathBuf,
    records: Records<File>,
    /// The file's columns, all of them.
    width: usize,
    /// The names and places of the columns that are read.
    names: Vec<String>,
    places: Vec<usize>,
    /// The first record when there is no header, until it is given out.
    first: bool,
    /// Data rows read.
    rows: u64,
    size: u64,
    encoding: &'static str,
}

impl CsvSource {
    pub(super) fn open(path: &Path, options: &CsvOptions, wanted: Option<&[&str]>) -> Result<Self, Error> {
        let (file, size) = open_file(path)?;
        let mut source = Self {
            path: path.to_path_buf(),
            records: Records::new(file, options),
            width: 0,
            names: Vec::new(),
            places: Vec::new(),
            first: false,
            rows: 0,
            size,
            encoding: options.encoding.name(),
        };
        if !source.read_record(u64::from(!options.header))? {
            return Err(DataError::Empty.at(path));
        }
        source.width = source.records.len();
        let names = source.header(options.header)?;
        source.places = super::places(&names, wanted, path)?;
        source.names = source.places.iter().map(|place| names[*place].clone()).collect();
        source.first = !options.header;
        Ok(source)
    }

    /// Names the columns by the first record, or c1, c2, .. where it gives no name.
    fn header(&self, has_header: bool) -> Result<Vec<String>, Error> {
        let name = |i: usize| {
            let text = std::str::from_utf8(self.records.field(i)).map_err(|_| self.not_text(0))?.trim();
            let unnamed = !has_header || text.is_empty();
            Ok(if unnamed { ["c", &(i + 1).to_string()].concat() } else { text.to_owned() })
        };
        (0..self.width).map(name).collect()
    }

    fn not_text(&self, row: u64) -> Error {
        DataError::Encoding { row, line: self.records.line(), encoding: self.encoding }.at(&self.path)
    }

    /// Reads the next record, which is data row `row`; false at the end.
    fn read_record(&mut self, row: u64) -> Result<bool, Error> {
        self.records.next().map_err(|fault| match fault {
            Fault::Encoding => self.not_text(row),
            Fault::RecordTooLong => {
                DataError::RecordTooLong { row, line: self.records.line(), bytes_max: RECORD_BYTES_MAX }.at(&self.path)
            }
            Fault::Io(kind) => Error::io(&self.path, "reading", &kind.into()),
        })
    }
}

impl Source for CsvSource {
    fn columns(&self) -> &[String] {
        &self.names
    }

    fn types(&self) -> Option<Vec<Option<ColumnType>>> {
        None
    }

    fn next_batch(&mut self) -> Result<Option<RawBatch>, Error> {
        let first_row = self.rows + 1;
        let mut builders: Vec<StringBuilder> = self.places.iter().map(|_| StringBuilder::new()).collect();
        let mut lines = Vec::new();
        let mut bytes = 0;
        while lines.len() < BATCH_ROWS && bytes < BATCH_BYTES {
            let row = self.rows + 1;
            if !std::mem::take(&mut self.first) && !self.read_record(row)? {
                break;
            }
            let line = self.records.line();
            if self.records.len() != self.width {
                let ragged = DataError::Ragged { row, line, expected: self.width, got: self.records.len() };
                return Err(ragged.at(&self.path));
            }
            for (builder, place) in builders.iter_mut().zip(&self.places) {
                let field = self.records.field(*place);
                if field.is_empty() {
                    builder.append_null();
                } else {
                    builder.append_value(std::str::from_utf8(field).map_err(|_| self.not_text(row))?);
                    bytes += field.len();
                }
            }
            lines.push(line);
            self.rows = row;
        }
        if lines.is_empty() {
            return Ok(None);
        }
        let columns = builders.into_iter().map(|mut builder| Arc::new(builder.finish()) as ArrayRef).collect();
        Ok(Some(RawBatch { first_row, rows: lines.len(), lines, columns }))
    }

    fn position(&self) -> (u64, u64) {
        (self.records.text().bytes(), self.size)
    }

    fn digest(&mut self) -> Result<[u8; 32], Error> {
        Ok(self.records.text().digest())
    }
}
