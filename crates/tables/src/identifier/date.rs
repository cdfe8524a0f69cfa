//! Dates in formats that are given, never guessed.

use super::fold;
use crate::error::SpecError;
use chrono::{Datelike, NaiveDate};
use std::fmt;
use std::str::FromStr;

pub(super) const RULE: &str = "full-width forms to ASCII; invisible marks dropped; blanks around dropped; the first \
    format that fits wins; a date of the calendar from 1000 to 9999; written year-month-day";

/// Formats with inputs for them.
pub(super) const SAMPLES: &[(&str, &str)] = &[
    ("%Y-%m-%d", "1999-02-08"),
    ("%Y-%m-%d", " 1999-2-8 "),
    ("%Y-%m-%d", "1999-02-29"),
    ("%Y-%m-%d", "02/08/1999"),
    ("%m/%d/%Y", "02/08/1999"),
    ("%m/%d/%Y|%Y-%m-%d", "1999-02-08"),
    ("%d.%m.%Y", "08.02.1999"),
    ("%Y%m%d", "19990208"),
    ("%m/%d/%y", "02/08/99"),
    ("%m/%d/%Y", "02/08/99"),
    ("%Y-%m-%d", "\u{FF11}999-02-08"),
    ("%d %b %Y", "08 Feb 1999"),
    ("%Y-%m-%d", "1999-02-08x"),
    ("%Y-%m-%d", ""),
];

/// One or more date formats in the notation of strftime, separated by `|`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct DateFormats(Vec<String>);

impl DateFormats {
    /// Writes a date in the first format.
    pub(crate) fn write(&self, date: NaiveDate) -> String {
        self.0.first().map_or_else(String::new, |format| date.format(format).to_string())
    }
}

pub(super) fn normalise(formats: &DateFormats, raw: &str, out: &mut String) -> Option<()> {
    let folded: String = raw.chars().filter(|c| !fold::is_invisible(*c)).map(fold::half_width).collect();
    let text = folded.trim();
    let date = formats.0.iter().find_map(|format| NaiveDate::parse_from_str(text, format).ok())?;
    if !(1000..=9999).contains(&date.year()) {
        return None;
    }
    out.push_str(&date.format("%Y-%m-%d").to_string());
    Some(())
}

impl fmt::Display for DateFormats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("|"))
    }
}

impl FromStr for DateFormats {
    type Err = SpecError;

    /// Reads formats separated by `|`; each must give back a date it has written.
    fn from_str(s: &str) -> Result<Self, SpecError> {
        use fmt::Write as _;
        let formats: Vec<String> = s.split('|').map(str::to_owned).collect();
        let probe = NaiveDate::from_ymd_opt(1987, 11, 23).unwrap_or_default();
        for (i, format) in formats.iter().enumerate() {
            let mut written = String::new();
            let whole = write!(written, "{}", probe.format(format)).is_ok()
                && NaiveDate::parse_from_str(&written, format) == Ok(probe);
            if !whole {
                return Err(SpecError::DateFormat { index: i + 1 });
            }
        }
        Ok(Self(formats))
    }
}
