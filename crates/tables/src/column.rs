//! Column types, how they are inferred from text, and how raw columns become typed ones.

use crate::error::SpecError;
use arrow::datatypes::DataType;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

pub(crate) mod convert;
pub(crate) mod infer;
pub(crate) mod parse;

/// A column's name and type.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ColumnSpec {
    /// The column's name.
    pub name: String,
    /// The column's type.
    #[serde(rename = "type")]
    pub ty: ColumnType,
}

/// The type of a column. Written `text`, `integer`, `decimal(18,2)`, `date`, `boolean`, `float`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
#[non_exhaustive]
pub enum ColumnType {
    /// Unicode text.
    Text,
    /// A whole number of 64 bits with sign.
    Integer,
    /// An exact decimal number.
    Decimal {
        /// Digits in all, from 1 to 38.
        precision: u8,
        /// Digits after the point, at most `precision`.
        scale: u8,
    },
    /// A day of the Gregorian calendar.
    Date,
    /// True or false.
    Boolean,
    /// A binary floating point number of 64 bits.
    Float,
}

impl ColumnSpec {
    /// Makes a column's description.
    #[must_use]
    pub fn new(name: impl Into<String>, ty: ColumnType) -> Self {
        Self { name: name.into(), ty }
    }
}

impl ColumnType {
    /// The most digits a decimal has.
    pub const PRECISION_MAX: u8 = 38;

    /// Makes a decimal type.
    ///
    /// # Errors
    /// [`SpecError::ColumnType`] if the precision is not from 1 to 38 or the scale is larger.
    pub const fn decimal(precision: u8, scale: u8) -> Result<Self, SpecError> {
        if precision == 0 || precision > Self::PRECISION_MAX || scale > precision {
            return Err(SpecError::ColumnType);
        }
        Ok(Self::Decimal { precision, scale })
    }

    /// Returns the bytes of a value in a payload row without its null flag; nothing for text, whose size is chosen.
    #[must_use]
    pub const fn bytes_fixed(self) -> Option<u32> {
        match self {
            Self::Text => None,
            Self::Integer | Self::Float => Some(8),
            Self::Decimal { .. } => Some(16),
            Self::Date => Some(4),
            Self::Boolean => Some(1),
        }
    }

    /// Returns the Arrow type that holds this type's values.
    #[must_use]
    pub fn to_arrow(self) -> DataType {
        match self {
            Self::Text => DataType::Utf8,
            Self::Integer => DataType::Int64,
            // At most 38 by construction.
            Self::Decimal { precision, scale } => DataType::Decimal128(precision, scale.cast_signed()),
            Self::Date => DataType::Date32,
            Self::Boolean => DataType::Boolean,
            Self::Float => DataType::Float64,
        }
    }

    /// Returns the type that carries the values of an Arrow type, if there is one.
    #[must_use]
    pub fn from_arrow(data_type: &DataType) -> Option<Self> {
        match data_type {
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Null | DataType::Timestamp(..) => {
                Some(Self::Text)
            }
            DataType::Dictionary(_, values) => Self::from_arrow(values),
            DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::Int64 => Some(Self::Integer),
            DataType::UInt8 | DataType::UInt16 | DataType::UInt32 => Some(Self::Integer),
            DataType::UInt64 => Some(Self::Decimal { precision: 20, scale: 0 }),
            DataType::Decimal32(p, s)
            | DataType::Decimal64(p, s)
            | DataType::Decimal128(p, s)
            | DataType::Decimal256(p, s) => Self::decimal(*p, u8::try_from(*s).ok()?).ok(),
            DataType::Date32 | DataType::Date64 => Some(Self::Date),
            DataType::Boolean => Some(Self::Boolean),
            DataType::Float16 | DataType::Float32 | DataType::Float64 => Some(Self::Float),
            _ => None,
        }
    }
}

impl fmt::Display for ColumnType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text => f.write_str("text"),
            Self::Integer => f.write_str("integer"),
            Self::Decimal { precision, scale } => write!(f, "decimal({precision},{scale})"),
            Self::Date => f.write_str("date"),
            Self::Boolean => f.write_str("boolean"),
            Self::Float => f.write_str("float"),
        }
    }
}

impl FromStr for ColumnType {
    type Err = SpecError;

    fn from_str(s: &str) -> Result<Self, SpecError> {
        match s {
            "text" => Ok(Self::Text),
            "integer" => Ok(Self::Integer),
            "date" => Ok(Self::Date),
            "boolean" => Ok(Self::Boolean),
            "float" => Ok(Self::Float),
            _ => {
                let inner = s.strip_prefix("decimal(").and_then(|rest| rest.strip_suffix(')'));
                let (precision, scale) = inner.and_then(|i| i.split_once(',')).ok_or(SpecError::ColumnType)?;
                let digits = |text: &str| text.trim().parse::<u8>().map_err(|_| SpecError::ColumnType);
                Self::decimal(digits(precision)?, digits(scale)?)
            }
        }
    }
}

impl TryFrom<String> for ColumnType {
    type Error = SpecError;

    fn try_from(s: String) -> Result<Self, SpecError> {
        s.parse()
    }
}

impl From<ColumnType> for String {
    fn from(ty: ColumnType) -> Self {
        ty.to_string()
    }
}
