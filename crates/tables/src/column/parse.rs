//! Values of the column types from text. Nothing is guessed and nothing is rounded.

use chrono::{Datelike, NaiveDate};

/// Days from the common era to 1970-01-01.
const EPOCH_DAYS: i32 = 719_163;

/// The days of the years 1 to 9999, counted from 1970-01-01.
pub(crate) const DAYS: std::ops::RangeInclusive<i32> = -719_162..=2_932_896;

/// Reads a whole number: an optional sign and digits.
pub(crate) fn integer(text: &str) -> Option<i64> {
    text.trim_ascii().parse().ok()
}

/// Reads a decimal number exactly, in units of 10^-scale. Digits beyond the scale must be zeros.
pub(crate) fn decimal(text: &str, precision: u8, scale: u8) -> Option<i128> {
    let text = text.trim_ascii();
    let (negative, digits) = match text.as_bytes() {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        all => (false, all),
    };
    let (whole, fraction) = match digits.iter().position(|byte| *byte == b'.') {
        Some(point) => (&digits[..point], &digits[point + 1..]),
        None => (digits, &[][..]),
    };
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let (fraction, beyond) = fraction.split_at(fraction.len().min(usize::from(scale)));
    if beyond.iter().any(|byte| *byte != b'0') {
        return None;
    }
    let mut value: i128 = 0;
    for byte in whole.iter().chain(fraction) {
        if !byte.is_ascii_digit() {
            return None;
        }
        value = value.checked_mul(10)?.checked_add(i128::from(byte - b'0'))?;
    }
    for _ in fraction.len()..usize::from(scale) {
        value = value.checked_mul(10)?;
    }
    if value >= 10_i128.checked_pow(u32::from(precision))? {
        return None;
    }
    Some(if negative { -value } else { value })
}

/// Reads a day written year-month-day with four, two and two digits, as days from 1970-01-01.
pub(crate) fn date(text: &str) -> Option<i32> {
    let text = text.trim_ascii();
    let bytes = text.as_bytes();
    if bytes.len() != 10 || bytes[4] != b'-' || bytes[7] != b'-' {
        return None;
    }
    let number = |range: std::ops::Range<usize>| -> Option<u32> {
        bytes[range]
            .iter()
            .try_fold(0, |value, byte| byte.is_ascii_digit().then(|| value * 10 + u32::from(byte - b'0')))
    };
    let year = i32::try_from(number(0..4)?).ok().filter(|year| *year > 0)?;
    let day = NaiveDate::from_ymd_opt(year, number(5..7)?, number(8..10)?)?;
    Some(day.num_days_from_ce() - EPOCH_DAYS)
}

/// Returns the day that is `days` after 1970-01-01.
pub(crate) fn day(days: i32) -> Option<NaiveDate> {
    NaiveDate::from_num_days_from_ce_opt(days.checked_add(EPOCH_DAYS)?)
}

/// Reads true or false: true, t, yes, y, 1 or false, f, no, n, 0, in any case.
pub(crate) fn boolean(text: &str) -> Option<bool> {
    match text.trim_ascii().to_ascii_lowercase().as_str() {
        "true" | "t" | "yes" | "y" | "1" => Some(true),
        "false" | "f" | "no" | "n" | "0" => Some(false),
        _ => None,
    }
}

/// Reads a floating point number in decimal or scientific notation.
pub(crate) fn float(text: &str) -> Option<f64> {
    text.trim_ascii().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_are_whole() {
        assert_eq!(integer(" -12 "), Some(-12));
        assert_eq!(integer("9223372036854775807"), Some(i64::MAX));
        for text in ["", "1.0", "9223372036854775808", "1e3", "0x1", "1_0"] {
            assert_eq!(integer(text), None, "{text}");
        }
    }

    #[test]
    fn decimals_are_exact() {
        assert_eq!(decimal("12.34", 18, 2), Some(1234));
        assert_eq!(decimal("-0.5", 18, 2), Some(-50));
        assert_eq!(decimal(".5", 18, 2), Some(50));
        assert_eq!(decimal("5.", 18, 2), Some(500));
        assert_eq!(decimal("1.500", 18, 2), Some(150));
        assert_eq!(decimal("99.99", 4, 2), Some(9999));
        assert_eq!(decimal(&"9".repeat(38), 38, 0), Some(10_i128.pow(38) - 1));
        for text in ["", ".", "-", "1.005", "1e2", "1,0", "100.00", "1.2.3"] {
            assert_eq!(decimal(text, 4, 2), None, "{text}");
        }
        assert_eq!(decimal(&"9".repeat(39), 38, 0), None);
    }

    #[test]
    fn dates_are_of_the_calendar() {
        assert_eq!(date("1970-01-01"), Some(0));
        assert_eq!(date("2000-02-29"), Some(11_016));
        assert_eq!(day(11_016), NaiveDate::from_ymd_opt(2000, 2, 29));
        for text in ["1999-02-29", "1999-2-08", "99-02-08", "1999/02/08", "0000-01-01", "+999-01-01"] {
            assert_eq!(date(text), None, "{text}");
        }
        assert_eq!(date("0001-01-01"), Some(-719_162));
        assert_eq!(date("9999-12-31"), Some(2_932_896));
    }
}
