//! Tables: registered by description; their files stay where they are and are read anew by every job.

use std::path::Path;

use symbolon_policy::Name;
use symbolon_tables::{DataError, InspectOptions, QualityReport, TableCard, TableSpec};

use super::blocking;
use crate::error::{Error, FileAction};
use crate::files;
use crate::home::Home;
use crate::store::TableRecord;

const NO_SUCH_TABLE: Error = Error::NotFound { what: "table", remedy: "give a name that `table list` shows" };

/// A table as it was added, with what was found in it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TableAdded {
    /// The table.
    pub record: TableRecord,
    /// The quality of its keys.
    pub report: QualityReport,
}

impl Home {
    /// Registers a table after reading it once. Without columns in the description they are inferred. Duplicate keys
    /// under `reject` are reported here and refused when a job reads the table, since the file may change until then.
    ///
    /// # Errors
    /// [`Error::AlreadyExists`] for a name in use without `replace`; [`Error::Tables`] for a file that is missing, has
    /// no such column, no rows or no usable key. Nothing is stored then.
    pub async fn table_add(&self, name: &str, mut spec: TableSpec, replace: bool) -> Result<TableAdded, Error> {
        let name = table_name(name)?;
        if !replace && self.store().table(&name).await?.is_some() {
            return Err(Error::AlreadyExists { what: "table" });
        }
        spec.path = std::path::absolute(&spec.path)
            .map_err(|source| files::failed(FileAction::Read, &spec.path.clone(), source))?;
        let (spec, report) = blocking(move || read_through(spec)).await?;
        let record = TableRecord { name, spec, rows: report.rows, added_at: self.clock().now() };
        self.store().put_table(record.clone(), replace).await?;
        Ok(TableAdded { record, report })
    }

    /// Lists the tables by name.
    ///
    /// # Errors
    /// Environment errors.
    pub async fn table_list(&self) -> Result<Vec<TableRecord>, Error> {
        self.store().tables().await
    }

    /// Finds a table.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn table_show(&self, name: &str) -> Result<TableRecord, Error> {
        self.store().table(name).await?.ok_or(NO_SUCH_TABLE)
    }

    /// Reads a table and reports the quality of its keys. Whether a job can use it says
    /// [`QualityReport::ensure_usable`].
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Tables`] when the file cannot be read as described.
    pub async fn table_check(&self, name: &str) -> Result<QualityReport, Error> {
        let record = self.table_show(name).await?;
        blocking(move || Ok(symbolon_tables::check(&record.spec)?)).await
    }

    /// The card of a table as TOML: names and types, no data, for the partner who drafts an agreement.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Tables`] when the description is not valid.
    pub async fn table_card(&self, name: &str) -> Result<String, Error> {
        let record = self.table_show(name).await?;
        let card =
            TableCard::new(&record.name, &record.spec, record.rows, &[]).map_err(symbolon_tables::Error::from)?;
        let body = toml::to_string(&card).map_err(|_| Error::Misuse {
            what: "the table's description cannot be written as a card",
            remedy: "rename columns with unusual characters",
        })?;
        Ok(format!(
            "# What a table looks like, for drafting an agreement: names and types, no data. The row count is rounded up.\n{body}"
        ))
    }
}

/// Reads the card of a partner's table.
pub(crate) fn read_table_card(text: &str) -> Result<TableCard, Error> {
    let invalid = Error::Misuse {
        what: "this is not a table card",
        remedy: "ask the partner for the output of `symbolon table show NAME --card`",
    };
    match toml::from_str::<TableCard>(text) {
        Ok(card) if card.format == symbolon_tables::card::FORMAT => Ok(card),
        _ => Err(invalid),
    }
}

fn table_name(name: &str) -> Result<String, Error> {
    match Name::new(name) {
        Ok(name) => Ok(name.as_str().to_owned()),
        Err(_) => Err(Error::Misuse {
            what: "this cannot be the name of a table",
            remedy: "give 1 to 64 visible characters, without blanks at the ends",
        }),
    }
}

fn read_through(mut spec: TableSpec) -> Result<(TableSpec, QualityReport), Error> {
    if spec.columns.is_empty() {
        let options = InspectOptions { format: Some(spec.format), csv: spec.csv, types: Vec::new() };
        spec.columns = symbolon_tables::inspect(&spec.path, &options)?.columns;
    }
    spec.validate().map_err(symbolon_tables::Error::from)?;
    let report = symbolon_tables::check(&spec)?;
    let problem = if report.rows == 0 {
        DataError::Empty
    } else if report.usable == 0 {
        DataError::NoUsableKey { rows: report.rows, null: report.null, invalid: report.invalid.count }
    } else {
        return Ok((spec, report));
    };
    Err(unusable(&spec.path, problem))
}

fn unusable(path: &Path, data: DataError) -> Error {
    symbolon_tables::Error::Data { path: path.to_path_buf(), data }.into()
}

#[cfg(test)]
mod tests;
