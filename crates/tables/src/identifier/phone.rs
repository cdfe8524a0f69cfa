//! Telephone numbers, by the tables of the phonenumber crate.

use super::fold;
use crate::error::SpecError;
use phonenumber::country::{Id, Source};
use std::fmt;
use std::str::FromStr;

pub(super) const RULE: &str = "full-width forms to ASCII; invisible marks dropped; dashes to hyphens; only digits, \
    blanks, hyphens, dots, slashes, brackets and a leading plus; a leading 00 is a plus, and so is the \
    exit code of the default region; numbers with a plus are read by the rules of their country, others by those of \
    the default region; must be a valid number of its country; without extension; E.164, which must read as itself";

/// Inputs with their default region.
pub(super) const SAMPLES: &[(&str, &str)] = &[
    ("CN", "15903986443"),
    ("CN", "+86 159 0398 6443"),
    ("CN", "0086 15903986443"),
    ("CN", "86-159-0398-6443"),
    ("CN", "159\u{2014}0398\u{2014}6443"),
    ("CN", "\u{FF11}5903986443"),
    ("CN", "010-62551234"),
    ("CN", "12345"),
    ("CN", "1590398644"),
    ("CN", "abc"),
    ("CN", "+1 650 253 0000"),
    ("US", "(650) 253-0000"),
    ("US", "1-650-253-0000"),
    ("US", "+86 15903986443"),
    ("US", "011 86 15903986443"),
    ("US", "+49 1511 2345678"),
    ("CN", "+39 06 698 12345"),
    ("CN", "+44 1186112 61 1578 -4 2"),
    ("GB", "020 7946 0018"),
    ("DE", "030 123456"),
    ("FR", "06 12 34 56 78"),
    ("CH", "044 668 18 00"),
    ("US", ""),
];

/// The region of telephone numbers without a country code, as an ISO 3166 code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Region(Id);

/// More characters than any written telephone number has.
const CHARACTERS_MAX: usize = 40;

pub(super) fn normalise(region: Region, raw: &str, out: &mut String) -> Option<()> {
    let mut cleaned = String::with_capacity(raw.len());
    for c in raw.chars() {
        let c = fold::half_width(c);
        match c {
            '0'..='9' | '.' | '/' | '(' | ')' => cleaned.push(c),
            '+' if cleaned.is_empty() => cleaned.push(c),
            c if fold::is_dash(c) => cleaned.push('-'),
            c if fold::is_invisible(c) => {}
            c if c.is_whitespace() => {
                if !cleaned.is_empty() {
                    cleaned.push(' ');
                }
            }
            _ => return None,
        }
    }
    if cleaned.len() > CHARACTERS_MAX {
        return None;
    }
    if let Some(rest) = cleaned.strip_prefix("00") {
        let rest = rest.trim_start_matches([' ', '-']).to_owned();
        cleaned.clear();
        cleaned.push('+');
        cleaned.push_str(&rest);
    }
    let normal = e164(region, cleaned.trim_end())?;
    // A form that reads as another number, because its own country's rules take digits off it, is nobody's.
    if normal != cleaned && e164(region, &normal)? != normal {
        return None;
    }
    out.push_str(&normal);
    Some(())
}

/// Reads a number and writes it in full.
///
/// The region is given to the crate only for numbers without a country code: it would apply that region's national
/// prefix to numbers of other countries too, and turn `+49 151..` with region US into `+49 51..`.
fn e164(region: Region, written: &str) -> Option<String> {
    let national = (!written.starts_with('+')).then_some(region.0);
    let mut number = phonenumber::parse(national, written).ok()?;
    if number.code().source() == Source::Idd {
        number = phonenumber::parse(None, behind_exit_code(region, written)?).ok()?;
    }
    number.is_valid().then(|| ["+", &number.code().value().to_string(), &number.national().to_string()].concat())
}

/// Puts a plus in the place of the digits that are dialled in the region to reach other countries.
fn behind_exit_code(region: Region, written: &str) -> Option<String> {
    let digits: String = written.chars().filter(char::is_ascii_digit).collect();
    let exit = phonenumber::metadata::DATABASE.by_id(region.0.as_ref())?.international_prefix()?.find(&digits)?;
    (exit.start() == 0).then(|| ["+", &digits[exit.end()..]].concat())
}

/// Gives what the telephone tables say about each region to `each`, in a fixed order.
pub(super) fn tables(each: &mut dyn FnMut(&[u8])) {
    let mut regions: Vec<_> = phonenumber::metadata::DATABASE.iter().collect();
    regions.sort_unstable_by_key(|region| (region.country_code(), region.id()));
    for region in regions {
        each(region.id().as_bytes());
        each(&region.country_code().to_be_bytes());
        let general = region.descriptors().general();
        for length in general.possible_length() {
            each(&length.to_be_bytes());
        }
        each(general.national_number().as_str().as_bytes());
        each(region.national_prefix_for_parsing().map_or("", |prefix| prefix.as_str()).as_bytes());
        each(region.national_prefix_transform_rule().unwrap_or_default().as_bytes());
    }
}

impl fmt::Display for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_ref())
    }
}

impl FromStr for Region {
    type Err = SpecError;

    fn from_str(s: &str) -> Result<Self, SpecError> {
        s.parse().map(Self).map_err(|_| SpecError::PhoneRegion)
    }
}
