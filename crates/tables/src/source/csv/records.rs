//! One CSV record after the other, with the line it begins on.

use crate::schema::CsvOptions;
use crate::source::bytes::{Fault, TextReader};
use csv_core::{ReadRecordResult, Reader, ReaderBuilder};
use std::io::Read;
use std::ops::Range;

/// The most bytes of one record; more is taken for a quote that is never closed.
pub(super) const RECORD_BYTES_MAX: u64 = 16 << 20;

/// Reads records; the fields of the last one are kept until the next is read.
pub(super) struct Records<R> {
    text: TextReader<R>,
    core: Reader,
    buffer: Vec<u8>,
    /// What of `buffer` is not parsed yet.
    rest: Range<usize>,
    fields: Vec<u8>,
    /// Where each field ends in `fields`.
    ends: Vec<usize>,
    count: usize,
    /// Line breaks outside of records.
    skipped: u64,
    line: u64,
}

impl<R: Read> Records<R> {
    pub(super) fn new(inner: R, options: &CsvOptions) -> Self {
        let ascii = |c: char| u8::try_from(c).unwrap_or(b',');
        Self {
            text: TextReader::new(inner, options.encoding),
            core: ReaderBuilder::new().delimiter(ascii(options.delimiter)).quote(ascii(options.quote)).build(),
            buffer: vec![0; 1 << 16],
            rest: 0..0,
            fields: vec![0; 1 << 12],
            ends: vec![0; 64],
            count: 0,
            skipped: 0,
            line: 1,
        }
    }

    pub(super) fn text(&self) -> &TextReader<R> {
        &self.text
    }

    /// The line the last record begins on, or where reading failed.
    pub(super) fn line(&self) -> u64 {
        self.line
    }

    /// The number of fields of the last record.
    pub(super) fn len(&self) -> usize {
        self.count
    }

    /// A field of the last record; empty if it has no such field.
    pub(super) fn field(&self, index: usize) -> &[u8] {
        let ends = &self.ends[..self.count];
        let start = index.checked_sub(1).and_then(|before| ends.get(before)).copied().unwrap_or(0);
        ends.get(index).and_then(|end| self.fields.get(start..*end)).unwrap_or_default()
    }

    /// Reads the next record, without those that are blank lines. False at the end.
    pub(super) fn next(&mut self) -> Result<bool, Fault> {
        self.skip_line_breaks()?;
        self.count = 0;
        let (mut length, mut bytes) = (0, 0);
        loop {
            self.fill()?;
            let input = &self.buffer[self.rest.clone()];
            let (result, read, written, ended) =
                self.core.read_record(input, &mut self.fields[length..], &mut self.ends[self.count..]);
            self.rest.start += read;
            bytes += read as u64;
            length += written;
            self.count += ended;
            if bytes > RECORD_BYTES_MAX {
                return Err(Fault::RecordTooLong);
            }
            match result {
                ReadRecordResult::Record => return Ok(true),
                ReadRecordResult::End => return Ok(false),
                ReadRecordResult::InputEmpty => {}
                ReadRecordResult::OutputFull => self.fields.resize(self.fields.len() * 2, 0),
                ReadRecordResult::OutputEndsFull => self.ends.resize(self.ends.len() * 2, 0),
            }
        }
    }

    /// Skips line breaks, so that the line is the record's and not the one before it.
    fn skip_line_breaks(&mut self) -> Result<(), Fault> {
        loop {
            self.line = self.core.line() + self.skipped;
            self.fill()?;
            match self.buffer[self.rest.clone()].first() {
                Some(b'\n') => self.skipped += 1,
                Some(b'\r') => {}
                _ => return Ok(()),
            }
            self.rest.start += 1;
        }
    }

    /// Reads more text if all was parsed; nothing is left after it only at the end.
    fn fill(&mut self) -> Result<(), Fault> {
        if self.rest.is_empty() {
            let got = self.text.read(&mut self.buffer)?;
            self.rest = 0..got;
        }
        Ok(())
    }
}
