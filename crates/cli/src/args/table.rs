//! `symbolon table ...`

use std::path::PathBuf;

use clap::Subcommand;

const ADD_EXAMPLES: &str = "\
Examples:
  symbolon table add customers customers.csv --key ssn=us_ssn
  symbolon table add files files.parquet --key ssn=us_ssn --duplicates first
  symbolon table add applicants cn.csv --encoding gbk --key resident_id=cn_resident_id
  symbolon table add people people.csv --key name=text --key 'born=date(%Y-%m-%d|%m/%d/%Y)'
  symbolon table add loans loans.csv --key iban=iban --type 'balance=decimal(18,2)'

Key kinds: us_ssn, cn_resident_id, cn_uscc, phone(REGION), email, iban, lei, text, integer, date(FORMATS).
Several --key options make one composite key, in the order given.
Duplicates: reject stops a job, first keeps the first row of a key, all joins every row of a key.
Column types are inferred unless --type names them: text, integer, decimal(P,S), date, boolean, float.

The file stays where it is. Only its path and shape are stored; it is read when a job runs.";

/// `symbolon table ...`
#[derive(Debug, Subcommand)]
pub(crate) enum TableCommand {
    /// Register a CSV, Parquet or Arrow file as a table
    #[command(after_help = ADD_EXAMPLES)]
    Add(Box<AddTableArgs>),
    /// Show a table's key, columns and types
    #[command(after_help = "\
Examples:
  symbolon table show customers
  symbolon table show files --card > files.table.toml   # for the partner who drafts an agreement; holds no data")]
    Show {
        /// The table
        name: String,
        /// Print the description a partner needs to draft an agreement: names and types, no data
        #[arg(long)]
        card: bool,
        /// Write the description to a file
        #[arg(long, short, value_name = "FILE", requires = "card")]
        output: Option<PathBuf>,
    },
    /// List the tables
    List,
    /// Read a table through and report the quality of its keys
    #[command(after_help = "\
Example:
  symbolon table check customers

Reports rows, usable keys, empty and invalid keys (row numbers, never values) and duplicates.
Exit code 3 when a job with this table would be refused: no usable key, or duplicates under `reject`.")]
    Check {
        /// The table
        name: String,
    },
}

/// `symbolon table add`
#[derive(Debug, clap::Args)]
pub(crate) struct AddTableArgs {
    /// The table's name
    pub(crate) name: String,
    /// The data file
    pub(crate) file: PathBuf,
    /// A key column and its kind, in order
    #[arg(long, value_name = "COLUMN=KIND", required = true, value_parser = pair)]
    pub(crate) key: Vec<(String, String)>,
    /// What to do with several rows of one key
    #[arg(long, default_value = "reject", value_parser = ["reject", "first", "all"])]
    pub(crate) duplicates: String,
    /// The file's format [default: by the file name's ending]
    #[arg(long, value_parser = ["csv", "parquet", "arrow"])]
    pub(crate) format: Option<String>,
    /// The type of a column, where inferring it is not enough
    #[arg(long = "type", value_name = "COLUMN=TYPE", value_parser = pair)]
    pub(crate) types: Vec<(String, String)>,
    /// CSV: the first line is data; columns are then named c1, c2, ...
    #[arg(long)]
    pub(crate) no_header: bool,
    /// CSV: the character between values
    #[arg(long, default_value = ",", value_name = "CHAR", value_parser = one_character)]
    pub(crate) delimiter: char,
    /// CSV: the character around values
    #[arg(long, default_value = "\"", value_name = "CHAR", value_parser = one_character)]
    pub(crate) quote: char,
    /// CSV: the text encoding
    #[arg(long, default_value = "utf-8", value_parser = ["utf-8", "gbk"])]
    pub(crate) encoding: String,
    /// Replace the table of this name
    #[arg(long)]
    pub(crate) replace: bool,
}

/// Splits `COLUMN=REST` at the first `=`.
pub(super) fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((column, rest)) if !column.is_empty() && !rest.is_empty() => Ok((column.to_owned(), rest.to_owned())),
        _ => Err("write COLUMN=..., as in ssn=us_ssn".to_owned()),
    }
}

/// Accepts one character, or `\t`.
fn one_character(text: &str) -> Result<char, String> {
    let mut characters = text.chars();
    match (text, characters.next(), characters.next()) {
        ("\\t", ..) => Ok('\t'),
        (_, Some(character), None) => Ok(character),
        _ => Err("one character, or \\t for a tabulator".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_split_at_the_first_equals_sign() {
        assert_eq!(pair("born=date(%Y=%m)"), Ok(("born".to_owned(), "date(%Y=%m)".to_owned())));
        for bad in ["ssn", "=us_ssn", "ssn="] {
            assert!(pair(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn delimiters_are_one_character() {
        assert_eq!(one_character(";"), Ok(';'));
        assert_eq!(one_character("\\t"), Ok('\t'));
        assert!(one_character(";;").is_err());
        assert!(one_character("").is_err());
    }
}
