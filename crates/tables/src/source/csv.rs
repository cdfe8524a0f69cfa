//! CSV files: every column as text, an empty field as null.

use super::bytes::{Fault, TextReader, open_file};
use super::{BATCH_ROWS, RawBatch, Source};
use crate::column::ColumnType;
use crate::error::{DataError, Error};
use crate::schema::{CsvOptions, Format};
use arrow::array::{ArrayRef, StringBuilder};
use csv::{ByteRecord, Reader, ReaderBuilder};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The most bytes of one record; more is taken for a quote that is never closed.
const RECORD_BYTES_MAX: u64 = 16 << 20;
/// Text of a batch after which it is given out even if it has few rows.
const BATCH_BYTES: usize = 16 << 20;

pub(super) struct CsvSource {
    path: PathBuf,
    reader: Reader<TextReader<File>>,
    record: ByteRecord,
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
        let ascii = |c: char| u8::try_from(c).unwrap_or(b',');
        let reader = ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .delimiter(ascii(options.delimiter))
            .quote(ascii(options.quote))
            .buffer_capacity(1 << 16)
            .from_reader(TextReader::new(file, options.encoding));
        let mut source = Self {
            path: path.to_path_buf(),
            reader,
            record: ByteRecord::new(),
            width: 0,
            names: Vec::new(),
            places: Vec::new(),
            first: false,
            rows: 0,
            size,
            encoding: options.encoding.name(),
        };
        if source.read_record(u64::from(!options.header))?.is_none() {
            return Err(DataError::Empty.at(path));
        }
        source.width = source.record.len();
        let names = source.header(options.header)?;
        source.places = super::places(&names, wanted, path)?;
        source.names = source.places.iter().map(|place| names[*place].clone()).collect();
        source.first = !options.header;
        Ok(source)
    }

    /// Names the columns by the first record, or c1, c2, .. where it gives no name.
    fn header(&self, has_header: bool) -> Result<Vec<String>, Error> {
        let name = |(i, field): (usize, &[u8])| {
            let text = std::str::from_utf8(field).map_err(|_| self.not_text(0, 1))?.trim();
            let unnamed = !has_header || text.is_empty();
            Ok(if unnamed { ["c", &(i + 1).to_string()].concat() } else { text.to_owned() })
        };
        self.record.iter().enumerate().map(name).collect()
    }

    fn not_text(&self, row: u64, line: u64) -> Error {
        DataError::Encoding { row, line, encoding: self.encoding }.at(&self.path)
    }

    /// Reads the next record, which is data row `row`, and returns its line.
    fn read_record(&mut self, row: u64) -> Result<Option<u64>, Error> {
        self.reader.get_mut().allow(RECORD_BYTES_MAX);
        match self.reader.read_byte_record(&mut self.record) {
            Ok(true) => Ok(Some(self.record.position().map_or(0, csv::Position::line))),
            Ok(false) => Ok(None),
            Err(_) => {
                let line = self.reader.position().line();
                Err(match self.reader.get_ref().fault() {
                    Some(Fault::Encoding) => self.not_text(row, line),
                    Some(Fault::RecordTooLong) => {
                        DataError::RecordTooLong { row, line, bytes_max: RECORD_BYTES_MAX }.at(&self.path)
                    }
                    Some(Fault::Io(kind)) => Error::io(&self.path, "reading", &kind.into()),
                    None => DataError::Format { format: Format::Csv }.at(&self.path),
                })
            }
        }
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
            let line = if std::mem::take(&mut self.first) {
                self.record.position().map_or(1, csv::Position::line)
            } else {
                match self.read_record(row)? {
                    Some(line) => line,
                    None => break,
                }
            };
            if self.record.len() != self.width {
                let ragged = DataError::Ragged { row, line, expected: self.width, got: self.record.len() };
                return Err(ragged.at(&self.path));
            }
            for (builder, place) in builders.iter_mut().zip(&self.places) {
                let field = &self.record[*place];
                if field.is_empty() {
                    builder.append_null();
                } else {
                    builder.append_value(std::str::from_utf8(field).map_err(|_| self.not_text(row, line))?);
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
        (self.reader.get_ref().bytes(), self.size)
    }

    fn digest(&mut self) -> Result<[u8; 32], Error> {
        Ok(self.reader.get_ref().digest())
    }
}
