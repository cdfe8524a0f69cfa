//! The canonical line: one JSON object with fields in a fixed order, whose values cannot hold anything personal.

use std::borrow::Cow;
use std::fmt::{self, Write as _};

use super::error::AuditError;
use super::tree::Hash;

/// A stable word: a letter, then up to 63 letters, digits, `.`, `_` or `-`. Made from the program's own text only, so
/// that nothing that was read somewhere gets into a log; words read back from a log keep what was written.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Word(Cow<'static, str>);

const WORD_BYTES_MAX: usize = 64;

/// Fields of a record, the fixed ones included.
pub(super) const FIELDS_MAX: usize = 48;

impl Word {
    /// A word of the program.
    #[must_use]
    pub const fn new(word: &'static str) -> Self {
        Self(Cow::Borrowed(word))
    }

    /// The word.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn holds(&self) -> bool {
        is_word(&self.0)
    }

    /// Reads a word of a canonical line.
    fn read(text: &str) -> Result<Self, AuditError> {
        if is_word(text) { Ok(Self(Cow::Owned(text.to_owned()))) } else { Err(AuditError::Form) }
    }
}

impl fmt::Display for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn is_word(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    let first = text.bytes().next().is_some_and(|byte| byte.is_ascii_alphabetic());
    first && text.len() <= WORD_BYTES_MAX && text.bytes().all(plain) && !is_hex_value(&text.to_ascii_lowercase())
}

/// Whether a text is what a hash or an identity looks like.
fn is_hex_value(text: &str) -> bool {
    matches!(text.len(), 32 | 64) && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// The value of a field.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "what a log may hold is fixed; a reader must handle all of it")]
pub enum Value {
    /// A hash, a public key or a session, 64 hexadecimal digits.
    Hash(Hash),
    /// A random identity of 16 bytes, 32 hexadecimal digits.
    Id([u8; 16]),
    /// A number.
    Number(u64),
    /// A stable word.
    Word(Word),
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hash(hash) => f.write_str(&hex::encode(hash)),
            Self::Id(id) => f.write_str(&hex::encode(id)),
            Self::Number(number) => write!(f, "{number}"),
            Self::Word(word) => f.write_str(word.as_str()),
        }
    }
}

/// Fields in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Record(pub(super) Vec<(Word, Value)>);

impl Record {
    pub(super) fn put(&mut self, name: &'static str, value: Value) {
        self.0.push((Word::new(name), value));
    }

    pub(super) fn get(&self, name: &str) -> Option<&Value> {
        self.0.iter().find(|(field, _)| field.as_str() == name).map(|(_, value)| value)
    }

    /// Refuses what no line may hold: malformed or repeated names, malformed words, too many fields.
    pub(super) fn check(&self) -> Result<(), AuditError> {
        let name = |word: &Word| {
            word.holds() && word.as_str().bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_'))
        };
        let value = |value: &Value| match value {
            Value::Word(word) => word.holds(),
            _ => true,
        };
        let distinct = |index: usize| self.0[..index].iter().all(|(field, _)| *field != self.0[index].0);
        let fits = self.0.len() <= FIELDS_MAX
            && self.0.iter().all(|(field, content)| name(field) && value(content))
            && (0..self.0.len()).all(distinct);
        if fits { Ok(()) } else { Err(AuditError::Form) }
    }

    /// `"name":value,"name":value` without the braces.
    pub(super) fn write(&self, out: &mut String) {
        for (index, (name, value)) in self.0.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            let quote = if matches!(value, Value::Number(_)) { "" } else { "\"" };
            write!(out, "{comma}\"{name}\":{quote}{value}{quote}").expect("writing to a string does not fail");
        }
    }

    /// Reads what [`Record::write`] wrote, and nothing else.
    pub(super) fn read(mut text: &str) -> Result<Self, AuditError> {
        let mut record = Self::default();
        while !text.is_empty() {
            if !record.0.is_empty() {
                text = text.strip_prefix(',').ok_or(AuditError::Form)?;
            }
            if record.0.len() == FIELDS_MAX {
                return Err(AuditError::Form);
            }
            let (name, rest) = text.strip_prefix('"').and_then(|it| it.split_once("\":")).ok_or(AuditError::Form)?;
            let (value, rest) = read_value(rest)?;
            record.0.push((Word::read(name)?, value));
            text = rest;
        }
        record.check()?;
        Ok(record)
    }
}

fn read_value(text: &str) -> Result<(Value, &str), AuditError> {
    if let Some(quoted) = text.strip_prefix('"') {
        let (value, rest) = quoted.split_once('"').ok_or(AuditError::Form)?;
        if !is_hex_value(value) {
            return Ok((Value::Word(Word::read(value)?), rest));
        }
        let (mut id, mut hash) = ([0; 16], [0; 32]);
        let read = if value.len() == 32 {
            hex::decode_to_slice(value, &mut id).map(|()| Value::Id(id))
        } else {
            hex::decode_to_slice(value, &mut hash).map(|()| Value::Hash(hash))
        };
        return Ok((read.map_err(|_| AuditError::Form)?, rest));
    }
    let end = text.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(text.len());
    let (digits, rest) = text.split_at(end);
    let number: u64 = digits.parse().map_err(|_| AuditError::Form)?;
    // One number has one text.
    if digits.len() > 1 && digits.starts_with('0') {
        return Err(AuditError::Form);
    }
    Ok((Value::Number(number), rest))
}
