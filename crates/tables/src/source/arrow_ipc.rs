//! Arrow IPC files (Feather V2) and streams.

use super::bytes::{hash_file, open_file};
use super::{RawBatch, Source};
use crate::column::ColumnType;
use crate::error::{DataError, Error};
use crate::schema::Format;
use arrow::array::RecordBatch;
use arrow::error::ArrowError;
use arrow::ipc::reader::{FileReader, StreamReader};
use std::fs::File;
use std::io::{BufReader, Read, Seek};
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub(super) struct ArrowSource {
    path: PathBuf,
    reader: Box<dyn Iterator<Item = Result<RecordBatch, ArrowError>> + Send>,
    file: File,
    names: Vec<String>,
    types: Vec<Option<ColumnType>>,
    places: Vec<usize>,
    rows: u64,
}

/// The first bytes of a file; a stream begins otherwise.
const FILE_MAGIC: &[u8; 6] = b"ARROW1";

impl ArrowSource {
    pub(super) fn open(path: &Path, wanted: Option<&[&str]>) -> Result<Self, Error> {
        let unreadable = |_| DataError::Format { format: Format::Arrow }.at(path);
        let failed = |e: std::io::Error| Error::io(path, "reading", &e);
        let (mut file, _) = open_file(path)?;
        let mut magic = Vec::new();
        Read::by_ref(&mut file).take(6).read_to_end(&mut magic).map_err(failed)?;
        file.rewind().map_err(failed)?;
        let again = BufReader::new(file.try_clone().map_err(failed)?);
        let (schema, reader): (_, Box<dyn Iterator<Item = _> + Send>) = if magic == FILE_MAGIC {
            let reader = FileReader::try_new(again, None).map_err(unreadable)?;
            (reader.schema(), Box::new(reader))
        } else {
            let reader = StreamReader::try_new(again, None).map_err(unreadable)?;
            (reader.schema(), Box::new(reader))
        };
        let all: Vec<String> = schema.fields().iter().map(|field| field.name().clone()).collect();
        let places = super::places(&all, wanted, path)?;
        Ok(Self {
            path: path.to_path_buf(),
            reader,
            file,
            types: places.iter().map(|p| ColumnType::from_arrow(schema.field(*p).data_type())).collect(),
            names: places.iter().map(|p| all[*p].clone()).collect(),
            places,
            rows: 0,
        })
    }
}

impl Source for ArrowSource {
    fn columns(&self) -> &[String] {
        &self.names
    }

    fn types(&self) -> Option<Vec<Option<ColumnType>>> {
        Some(self.types.clone())
    }

    fn next_batch(&mut self) -> Result<Option<RawBatch>, Error> {
        for batch in self.reader.by_ref() {
            let batch = batch.map_err(|_| DataError::Format { format: Format::Arrow }.at(&self.path))?;
            if batch.num_rows() == 0 {
                continue;
            }
            let first_row = self.rows + 1;
            self.rows += batch.num_rows() as u64;
            let columns = self.places.iter().map(|i| Arc::clone(batch.column(*i))).collect();
            return Ok(Some(RawBatch { first_row, lines: Vec::new(), rows: batch.num_rows(), columns }));
        }
        Ok(None)
    }

    fn position(&self) -> (u64, u64) {
        (self.rows, 0)
    }

    fn digest(&mut self) -> Result<[u8; 32], Error> {
        self.file.rewind().map_err(|e| Error::io(&self.path, "reading", &e))?;
        hash_file(&mut self.file, &self.path)
    }
}
