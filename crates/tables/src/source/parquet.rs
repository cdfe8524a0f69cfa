//! Parquet files.

use super::bytes::{hash_file, open_file};
use super::{BATCH_ROWS, RawBatch, Source};
use crate::column::ColumnType;
use crate::error::{DataError, Error};
use crate::schema::Format;
use ::parquet::arrow::ProjectionMask;
use ::parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};
use std::fs::File;
use std::io::Seek;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub(super) struct ParquetSource {
    path: PathBuf,
    reader: ParquetRecordBatchReader,
    file: File,
    names: Vec<String>,
    types: Vec<Option<ColumnType>>,
    /// Place in the reader's batches of each column.
    order: Vec<usize>,
    rows: u64,
    total: u64,
}

impl ParquetSource {
    pub(super) fn open(path: &Path, wanted: Option<&[&str]>) -> Result<Self, Error> {
        let unreadable = || DataError::Format { format: Format::Parquet }.at(path);
        let (file, _) = open_file(path)?;
        let again = file.try_clone().map_err(|e| Error::io(path, "opening", &e))?;
        let builder = ParquetRecordBatchReaderBuilder::try_new(again).map_err(|_| unreadable())?;
        let schema = Arc::clone(builder.schema());
        let all: Vec<String> = schema.fields().iter().map(|field| field.name().clone()).collect();
        let places = super::places(&all, wanted, path)?;
        // The reader gives the chosen columns in the file's order.
        let mut sorted = places.clone();
        sorted.sort_unstable();
        let order = places.iter().filter_map(|place| sorted.iter().position(|s| s == place)).collect();
        let total = u64::try_from(builder.metadata().file_metadata().num_rows()).map_err(|_| unreadable())?;
        let mask = ProjectionMask::roots(builder.parquet_schema(), sorted);
        let reader = builder.with_projection(mask).with_batch_size(BATCH_ROWS).build().map_err(|_| unreadable())?;
        Ok(Self {
            path: path.to_path_buf(),
            reader,
            file,
            types: places.iter().map(|p| ColumnType::from_arrow(schema.field(*p).data_type())).collect(),
            names: places.iter().map(|p| all[*p].clone()).collect(),
            order,
            rows: 0,
            total,
        })
    }
}

impl Source for ParquetSource {
    fn columns(&self) -> &[String] {
        &self.names
    }

    fn types(&self) -> Option<Vec<Option<ColumnType>>> {
        Some(self.types.clone())
    }

    fn next_batch(&mut self) -> Result<Option<RawBatch>, Error> {
        let Some(batch) = self.reader.next() else { return Ok(None) };
        let batch = batch.map_err(|_| DataError::Format { format: Format::Parquet }.at(&self.path))?;
        let first_row = self.rows + 1;
        self.rows += batch.num_rows() as u64;
        let columns = self.order.iter().map(|i| Arc::clone(batch.column(*i))).collect();
        Ok(Some(RawBatch { first_row, lines: Vec::new(), rows: batch.num_rows(), columns }))
    }

    fn position(&self) -> (u64, u64) {
        (self.rows, self.total)
    }

    fn digest(&mut self) -> Result<[u8; 32], Error> {
        // The same open file, so that a file put in its place meanwhile is not the one hashed.
        self.file.rewind().map_err(|e| Error::io(&self.path, "reading", &e))?;
        hash_file(&mut self.file, &self.path)
    }
}
