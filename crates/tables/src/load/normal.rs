//! Normalises the key columns of a batch in parallel, in the order of the rows.

use crate::column::{ColumnType, convert};
use crate::error::{DataError, Error};
use crate::identifier::{KeyKind, Outcome};
use crate::schema::KeyPart;
use crate::source::RawBatch;
use arrow::array::{Array, StringArray};
use rayon::prelude::*;
use std::path::Path;

/// The key's parts and where their columns stand in a batch.
pub(super) struct KeyColumns<'a> {
    pub(super) parts: &'a [KeyPart],
    pub(super) places: Vec<usize>,
}

/// The keys of some consecutive rows.
pub(super) struct Chunk {
    bytes: Vec<u8>,
    /// For each row what became of its key and where its bytes end.
    rows: Vec<(Outcome, usize)>,
}

/// The key of one row.
pub(super) enum RowKey<'a> {
    Usable(&'a [u8]),
    Null,
    Invalid,
}

/// Rows that one task normalises.
const CHUNK_ROWS: usize = 1024;

impl KeyColumns<'_> {
    pub(super) fn normalise(&self, batch: &RawBatch, path: &Path) -> Result<Vec<Chunk>, Error> {
        let mut texts = Vec::with_capacity(self.parts.len());
        for (part, place) in self.parts.iter().zip(&self.places) {
            texts.push(key_text(part, batch, *place, path)?);
        }
        let starts: Vec<usize> = (0..batch.rows).step_by(CHUNK_ROWS).collect();
        Ok(starts.into_par_iter().map(|start| self.chunk(&texts, start..batch.rows.min(start + CHUNK_ROWS))).collect())
    }

    fn chunk(&self, texts: &[StringArray], range: std::ops::Range<usize>) -> Chunk {
        let mut chunk = Chunk { bytes: Vec::with_capacity(range.len() * 16), rows: Vec::with_capacity(range.len()) };
        let mut scratch = String::new();
        for row in range {
            let start = chunk.bytes.len();
            let outcome = self.key(texts, row, &mut scratch, &mut chunk.bytes);
            if outcome != Outcome::Usable {
                chunk.bytes.truncate(start);
            }
            chunk.rows.push((outcome, chunk.bytes.len()));
        }
        chunk
    }

    fn key(&self, texts: &[StringArray], row: usize, scratch: &mut String, out: &mut Vec<u8>) -> Outcome {
        let mut result = Outcome::Usable;
        for (part, text) in self.parts.iter().zip(texts) {
            scratch.clear();
            let outcome =
                if text.is_null(row) { Outcome::Null } else { part.kind.normalise_into(text.value(row), scratch) };
            match outcome {
                Outcome::Null => return Outcome::Null,
                Outcome::Invalid => result = Outcome::Invalid,
                Outcome::Usable => {
                    if self.parts.len() > 1 {
                        // A value comes from one field, whose size is limited far below 4 GiB.
                        let length = u32::try_from(scratch.len()).unwrap_or(u32::MAX);
                        out.extend_from_slice(&length.to_be_bytes());
                    }
                    out.extend_from_slice(scratch.as_bytes());
                }
            }
        }
        result
    }
}

impl Chunk {
    pub(super) fn iter(&self) -> impl Iterator<Item = RowKey<'_>> {
        let mut start = 0;
        self.rows.iter().map(move |(outcome, end)| {
            let key = &self.bytes[start..*end];
            start = *end;
            match outcome {
                Outcome::Usable => RowKey::Usable(key),
                Outcome::Null => RowKey::Null,
                Outcome::Invalid => RowKey::Invalid,
            }
        })
    }
}

/// Returns a key column as text. Numbers are written in digits, dates in the form their kind reads.
fn key_text(part: &KeyPart, batch: &RawBatch, place: usize, path: &Path) -> Result<StringArray, Error> {
    let array = &batch.columns[place];
    let ty = ColumnType::from_arrow(array.data_type());
    if !super::key_type_allowed(ty) {
        return Err(DataError::Unsupported { column: part.column.clone(), purpose: "as a key" }.at(path));
    }
    let formats = match &part.kind {
        KeyKind::Date(formats) => Some(formats),
        _ => None,
    };
    convert::to_text(array, formats)
        .ok_or_else(|| DataError::Unsupported { column: part.column.clone(), purpose: "as a key" }.at(path))
}
