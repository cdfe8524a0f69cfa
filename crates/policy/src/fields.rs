//! Reading and writing TOML field by field, so that every complaint names the field.

use std::str::FromStr;

use toml::{Table, Value};

use crate::error::{Error, Problem, Section};
use crate::text::Text;
use crate::time::Timestamp;

/// The fields of one section that have not been read yet.
pub(crate) struct Fields {
    pub(crate) section: Section,
    table: Table,
}

impl Fields {
    /// Parses a document of at most `bytes_max` bytes in the format named by its first field.
    pub(crate) fn parse(text: &str, bytes_max: usize, format: &'static str) -> Result<Self, Error> {
        if text.len() > bytes_max {
            return Err(Error::TooLarge { max: bytes_max, got: text.len() });
        }
        let table = text.parse::<Table>().map_err(|source| Error::syntax(text, source))?;
        let mut fields = Self { section: Section::Top, table };
        if fields.string("format")? == format {
            Ok(fields)
        } else {
            Err(Section::Top.problem("format", Problem::Format { expected: format }))
        }
    }

    fn take(&mut self, field: &'static str) -> Result<Value, Error> {
        self.table.remove(field).ok_or_else(|| self.section.problem(field, Problem::Missing))
    }

    fn wrong_type(&self, field: &'static str, expected: &'static str) -> Error {
        self.section.problem(field, Problem::WrongType { expected })
    }

    pub(crate) fn string(&mut self, field: &'static str) -> Result<String, Error> {
        match self.take(field)? {
            Value::String(text) => Ok(text),
            _ => Err(self.wrong_type(field, "a text in quotes")),
        }
    }

    /// Whether the field is there and has not been read.
    pub(crate) fn has(&self, field: &str) -> bool {
        self.table.contains_key(field)
    }

    pub(crate) fn optional_string(&mut self, field: &'static str) -> Result<Option<String>, Error> {
        if self.has(field) { self.string(field).map(Some) } else { Ok(None) }
    }

    pub(crate) fn text<const MAX: usize>(&mut self, field: &'static str) -> Result<Text<MAX>, Error> {
        let text = self.string(field)?;
        Text::new(&text).map_err(|problem| self.section.problem(field, problem))
    }

    /// A text that must parse; any failure is `problem`.
    pub(crate) fn parsed<T: FromStr>(&mut self, field: &'static str, problem: Problem) -> Result<T, Error> {
        self.string(field)?.parse().map_err(|_| self.section.problem(field, problem))
    }

    /// One of a few words.
    pub(crate) fn word<T>(
        &mut self,
        field: &'static str,
        allowed: &'static str,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Result<T, Error> {
        let word = self.string(field)?;
        read(&word).ok_or_else(|| self.section.problem(field, Problem::Choice { allowed }))
    }

    pub(crate) fn number(&mut self, field: &'static str) -> Result<u64, Error> {
        let value = self.take(field)?;
        let number = value.as_integer().and_then(|number| u64::try_from(number).ok());
        number.ok_or_else(|| self.wrong_type(field, "a whole number that is not negative"))
    }

    pub(crate) fn optional_number(&mut self, field: &'static str) -> Result<Option<u64>, Error> {
        self.optional(field, Self::number)
    }

    /// A value that may be left out, read by `read` when it is there.
    pub(crate) fn optional<T>(
        &mut self,
        field: &'static str,
        read: impl FnOnce(&mut Self, &'static str) -> Result<T, Error>,
    ) -> Result<Option<T>, Error> {
        if self.table.contains_key(field) { read(self, field).map(Some) } else { Ok(None) }
    }

    pub(crate) fn flag(&mut self, field: &'static str) -> Result<bool, Error> {
        match self.take(field)? {
            Value::Boolean(flag) => Ok(flag),
            _ => Err(self.wrong_type(field, "true or false")),
        }
    }

    /// A time, in quotes or as TOML's own date-time.
    pub(crate) fn time(&mut self, field: &'static str) -> Result<Timestamp, Error> {
        let text = match self.take(field)? {
            Value::String(text) => text,
            Value::Datetime(time) => time.to_string(),
            _ => return Err(self.section.problem(field, Problem::Time)),
        };
        text.parse().map_err(|problem| self.section.problem(field, problem))
    }

    pub(crate) fn table(&mut self, field: &'static str, section: Section) -> Result<Self, Error> {
        match self.take(field)? {
            Value::Table(table) => Ok(Self { section, table }),
            _ => Err(self.wrong_type(field, "a section with a header in brackets")),
        }
    }

    /// A list of tables, `section` naming each by its position from 1. An absent list is an empty one.
    pub(crate) fn tables(
        &mut self,
        field: &'static str,
        section: impl Fn(usize) -> Section,
    ) -> Result<Vec<Self>, Error> {
        let entries = match self.table.remove(field) {
            None => return Ok(Vec::new()),
            Some(Value::Array(entries)) => entries,
            Some(_) => return Err(self.wrong_type(field, "a list of sections")),
        };
        let read = |(index, entry)| match entry {
            Value::Table(table) => Ok(Self { section: section(index + 1), table }),
            _ => Err(self.wrong_type(field, "a list of sections")),
        };
        entries.into_iter().enumerate().map(read).collect()
    }

    pub(crate) fn strings(&mut self, field: &'static str) -> Result<Vec<String>, Error> {
        let wrong = || self.section.problem(field, Problem::WrongType { expected: "a list of texts in quotes" });
        let Value::Array(entries) =
            self.table.remove(field).ok_or_else(|| self.section.problem(field, Problem::Missing))?
        else {
            return Err(wrong());
        };
        let read = |entry| if let Value::String(text) = entry { Ok(text) } else { Err(wrong()) };
        entries.into_iter().map(read).collect()
    }

    /// Refuses whatever has not been read.
    pub(crate) fn finish(self) -> Result<(), Error> {
        match self.table.into_iter().next() {
            None => Ok(()),
            Some((field, _)) => Err(Error::UnknownField { section: self.section, field: field.into() }),
        }
    }
}

/// A TOML document as it is written, line by line.
pub(crate) struct Writer(String);

impl Writer {
    pub(crate) fn new() -> Self {
        Self(String::with_capacity(4096))
    }

    /// Adds lines as they are: comments, headers, blanks.
    pub(crate) fn lines(&mut self, lines: &str) {
        self.0.push_str(lines);
        self.0.push('\n');
    }

    /// Adds `field = "text"`.
    pub(crate) fn text(&mut self, field: &str, text: &str) {
        self.lines(&format!("{field} = {}", quoted(text)));
    }

    /// Adds `field = number`.
    pub(crate) fn number(&mut self, field: &str, number: u64) {
        self.lines(&format!("{field} = {number}"));
    }

    pub(crate) fn finish(self) -> String {
        self.0
    }
}

/// `text` as a TOML basic string.
pub(crate) fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            _ if character.is_control() => quoted.push_str(&format!("\\u{:04X}", u32::from(character))),
            _ => quoted.push(character),
        }
    }
    quoted.push('"');
    quoted
}
