//! Kinds of identifiers and the rules that write each of them in one way.
//!
//! Two institutions match rows by the bytes of normalised keys, so both must apply the same rules. The rules have a
//! version, [`NORMALISER_VERSION`], and a digest, [`rules_digest`], that covers the rule texts, the Unicode and
//! telephone tables in use and what the running code makes of a fixed list of inputs; both stand in the agreement.
//!
//! A blank value is null and never matches. A value that breaks the rules of its kind is [`Invalid`] and never
//! matches either. Normalising a normalised value gives the same value, except for dates whose formats do not start
//! with `%Y-%m-%d`.

use crate::error::SpecError;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

mod cn_resident_id;
mod cn_uscc;
mod date;
mod digest;
mod email;
mod fold;
mod iban;
mod integer;
mod lei;
mod phone;
mod text;
mod us_ssn;

pub use date::DateFormats;
pub use digest::rules_digest;
pub use phone::Region;

/// The version of the normalisation rules.
pub const NORMALISER_VERSION: &str = "symbolon-normaliser/1";

/// A kind of identifier. Written as in [`KeyKind::from_str`].
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
#[non_exhaustive]
pub enum KeyKind {
    /// A social security number of the United States.
    UsSsn,
    /// A resident identity number of China, GB 11643.
    CnResidentId,
    /// A unified social credit code of China, GB 32100.
    CnUscc,
    /// A telephone number, in international form E.164; numbers without country code are of the region.
    Phone(Region),
    /// An email address.
    Email,
    /// An international bank account number, ISO 13616.
    Iban,
    /// A legal entity identifier, ISO 17442.
    Lei,
    /// Any text, compared without regard to case, width and blanks.
    Text,
    /// A whole number.
    Integer,
    /// A date in one of the formats given.
    Date(DateFormats),
}

/// A value that breaks the rules of its kind. It does not say which value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the value breaks the rules of its kind")]
pub struct Invalid;

/// What became of a value whose normal form goes to a buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The normal form was appended.
    Usable,
    /// The value is blank.
    Null,
    /// The value breaks the rules.
    Invalid,
}

impl KeyKind {
    /// Normalises a value: its normal form, or nothing for a blank one.
    ///
    /// # Errors
    /// [`Invalid`] if the value breaks the rules of the kind.
    pub fn normalise(&self, raw: &str) -> Result<Option<String>, Invalid> {
        let mut out = String::new();
        match self.normalise_into(raw, &mut out) {
            Outcome::Usable => Ok(Some(out)),
            Outcome::Null => Ok(None),
            Outcome::Invalid => Err(Invalid),
        }
    }

    /// Appends the normal form of `raw` to `out`. Unless the outcome is `Usable`, what was appended has no meaning.
    pub(crate) fn normalise_into(&self, raw: &str, out: &mut String) -> Outcome {
        if fold::is_blank(raw) {
            return Outcome::Null;
        }
        let usable = match self {
            Self::UsSsn => us_ssn::normalise(raw, out),
            Self::CnResidentId => cn_resident_id::normalise(raw, out),
            Self::CnUscc => cn_uscc::normalise(raw, out),
            Self::Phone(region) => phone::normalise(*region, raw, out),
            Self::Email => email::normalise(raw, out),
            Self::Iban => iban::normalise(raw, out),
            Self::Lei => lei::normalise(raw, out),
            Self::Text => text::normalise(raw, out),
            Self::Integer => integer::normalise(raw, out),
            Self::Date(formats) => date::normalise(formats, raw, out),
        };
        if usable.is_some() { Outcome::Usable } else { Outcome::Invalid }
    }
}

impl fmt::Display for KeyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UsSsn => f.write_str("us_ssn"),
            Self::CnResidentId => f.write_str("cn_resident_id"),
            Self::CnUscc => f.write_str("cn_uscc"),
            Self::Phone(region) => write!(f, "phone({region})"),
            Self::Email => f.write_str("email"),
            Self::Iban => f.write_str("iban"),
            Self::Lei => f.write_str("lei"),
            Self::Text => f.write_str("text"),
            Self::Integer => f.write_str("integer"),
            Self::Date(formats) => write!(f, "date({formats})"),
        }
    }
}

impl FromStr for KeyKind {
    type Err = SpecError;

    /// Reads `us_ssn`, `cn_resident_id`, `cn_uscc`, `phone(CN)`, `email`, `iban`, `lei`, `text`, `integer` or
    /// `date(%m/%d/%Y|%Y-%m-%d)`.
    fn from_str(s: &str) -> Result<Self, SpecError> {
        match s {
            "us_ssn" => Ok(Self::UsSsn),
            "cn_resident_id" => Ok(Self::CnResidentId),
            "cn_uscc" => Ok(Self::CnUscc),
            "email" => Ok(Self::Email),
            "iban" => Ok(Self::Iban),
            "lei" => Ok(Self::Lei),
            "text" => Ok(Self::Text),
            "integer" => Ok(Self::Integer),
            _ => {
                let argument = |name: &str| s.strip_prefix(name)?.strip_prefix('(')?.strip_suffix(')');
                if let Some(region) = argument("phone") {
                    Ok(Self::Phone(region.parse()?))
                } else if let Some(formats) = argument("date") {
                    Ok(Self::Date(formats.parse()?))
                } else {
                    Err(SpecError::KeyKind)
                }
            }
        }
    }
}

impl TryFrom<String> for KeyKind {
    type Error = SpecError;

    fn try_from(s: String) -> Result<Self, SpecError> {
        s.parse()
    }
}

impl From<KeyKind> for String {
    fn from(kind: KeyKind) -> Self {
        kind.to_string()
    }
}

#[cfg(test)]
mod tests;
