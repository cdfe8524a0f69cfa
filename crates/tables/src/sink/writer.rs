//! Record batches into a file of one of the formats.

use crate::error::Error;
use crate::schema::Format;
use arrow::array::RecordBatch;
use arrow::csv::{Writer as CsvWriter, WriterBuilder};
use arrow::datatypes::SchemaRef;
use arrow::ipc::writer::FileWriter;
use std::io::Write;

/// A byte sink that the Parquet writer accepts too.
pub(super) trait Output: Write + Send {}

impl<W: Write + Send> Output for W {}

/// A writer of one of the formats.
pub(super) enum TableWriter<'a> {
    /// CSV; the flag tells whether the header is written yet.
    Csv(Box<CsvWriter<&'a mut dyn Output>>, SchemaRef, bool),
    #[cfg(feature = "parquet")]
    Parquet(Box<parquet::arrow::ArrowWriter<&'a mut dyn Output>>),
    Arrow(Box<FileWriter<&'a mut dyn Output>>),
}

/// What an encoder says when the sink below failed; the sink keeps the true reason.
const FAILED: Error = Error::Misuse { what: "the rows can be written in this format" };

impl<'a> TableWriter<'a> {
    pub(super) fn new(output: &'a mut dyn Output, format: Format, schema: &SchemaRef) -> Result<Self, Error> {
        match format {
            Format::Csv => {
                let writer = WriterBuilder::new().with_header(true).build(output);
                Ok(Self::Csv(Box::new(writer), SchemaRef::clone(schema), false))
            }
            #[cfg(feature = "parquet")]
            Format::Parquet => {
                use parquet::basic::{Compression, ZstdLevel};
                let properties = parquet::file::properties::WriterProperties::builder()
                    .set_compression(Compression::ZSTD(ZstdLevel::default()))
                    .set_max_row_group_row_count(Some(1 << 17))
                    .build();
                parquet::arrow::ArrowWriter::try_new(output, SchemaRef::clone(schema), Some(properties))
                    .map(|writer| Self::Parquet(Box::new(writer)))
                    .map_err(|_| FAILED)
            }
            #[cfg(not(feature = "parquet"))]
            Format::Parquet => Err(crate::error::SpecError::FormatNotBuilt { format }.into()),
            Format::Arrow => {
                FileWriter::try_new(output, schema).map(|writer| Self::Arrow(Box::new(writer))).map_err(|_| FAILED)
            }
        }
    }

    pub(super) fn write(&mut self, batch: &RecordBatch) -> Result<(), Error> {
        match self {
            Self::Csv(writer, _, begun) => {
                *begun = true;
                writer.write(batch).map_err(|_| FAILED)
            }
            #[cfg(feature = "parquet")]
            Self::Parquet(writer) => writer.write(batch).map_err(|_| FAILED),
            Self::Arrow(writer) => writer.write(batch).map_err(|_| FAILED),
        }
    }

    pub(super) fn finish(mut self) -> Result<(), Error> {
        if let Self::Csv(_, schema, false) = &self {
            // The header of a result without rows.
            let empty = RecordBatch::new_empty(SchemaRef::clone(schema));
            self.write(&empty)?;
        }
        match self {
            Self::Csv(writer, ..) => writer.into_inner().flush().map_err(|_| FAILED),
            #[cfg(feature = "parquet")]
            Self::Parquet(writer) => writer.close().map(drop).map_err(|_| FAILED),
            Self::Arrow(mut writer) => writer.finish().map_err(|_| FAILED),
        }
    }
}
