//! Which type fits all values of a text column.

use super::{ColumnType, parse};
use arrow::array::{ArrayRef, AsArray};

/// What a column can still be after the values seen.
#[derive(Debug, Clone)]
pub(crate) struct Guess {
    seen: bool,
    number: bool,
    date: bool,
    whole_digits: usize,
    scale: usize,
    point: bool,
}

/// A whole number of at most this many digits always fits 64 bits; longer ones are identifiers and stay text.
const DIGITS_MAX: usize = 18;

impl Default for Guess {
    fn default() -> Self {
        Self { seen: false, number: true, date: true, whole_digits: 0, scale: 0, point: false }
    }
}

impl Guess {
    pub(crate) fn look_at(&mut self, array: &ArrayRef) {
        if !self.number && !self.date {
            return;
        }
        let Some(texts) = array.as_string_opt::<i32>() else { return };
        for text in texts.iter().flatten() {
            self.seen = true;
            self.date = self.date && parse::date(text).is_some();
            self.number = self.number && self.count_digits(text);
        }
    }

    /// The type that fits; text if there was no value.
    pub(crate) fn result(&self) -> ColumnType {
        let digits = self.whole_digits + self.scale;
        let fits = |precision: u8| digits <= usize::from(precision);
        match (self.seen, self.date, self.number) {
            (true, true, _) => ColumnType::Date,
            (true, false, true) if !self.point && fits(18) => ColumnType::Integer,
            (true, false, true) if self.point && fits(ColumnType::PRECISION_MAX) => {
                // Room for larger amounts in the next delivery of the table.
                let precision = if fits(18) { 18 } else { ColumnType::PRECISION_MAX };
                ColumnType::Decimal { precision, scale: u8::try_from(self.scale).unwrap_or(precision) }
            }
            _ => ColumnType::Text,
        }
    }

    /// Tells whether the text is a plain number without leading zeros, and notes its digits.
    fn count_digits(&mut self, text: &str) -> bool {
        let text = text.trim_ascii();
        let digits = text.strip_prefix('-').unwrap_or(text);
        let (whole, fraction) = digits.split_once('.').map_or((digits, None), |(w, f)| (w, Some(f)));
        let all_digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        if !all_digits(whole) || (whole.len() > 1 && whole.starts_with('0')) || !fraction.is_none_or(all_digits) {
            return false;
        }
        let long = whole.len() > DIGITS_MAX && fraction.is_none();
        // A minus before a zero would be lost in a number.
        let negative_zero = digits.len() < text.len() && digits.bytes().all(|byte| matches!(byte, b'0' | b'.'));
        self.whole_digits = self.whole_digits.max(whole.len());
        self.scale = self.scale.max(fraction.map_or(0, str::len));
        self.point |= fraction.is_some();
        !long && !negative_zero
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::StringArray;
    use std::sync::Arc;

    fn guess(values: &[&str]) -> String {
        let mut guess = Guess::default();
        let array: ArrayRef = Arc::new(StringArray::from_iter(values.iter().map(|v| (!v.is_empty()).then_some(*v))));
        guess.look_at(&array);
        guess.result().to_string()
    }

    #[test]
    fn types_follow_the_values() {
        assert_eq!(guess(&["1", "-20", "0", ""]), "integer");
        assert_eq!(guess(&["1", "007"]), "text");
        assert_eq!(guess(&["1.5", "2", "-30.25"]), "decimal(18,2)");
        assert_eq!(guess(&["12345678901234567.12"]), "decimal(38,2)");
        assert_eq!(guess(&["1999-02-08", ""]), "date");
        assert_eq!(guess(&["1999-02-08", "02/08/1999"]), "text");
        assert_eq!(guess(&["1999-02-30"]), "text");
        assert_eq!(guess(&["1234567890123456789"]), "text");
        assert_eq!(guess(&["", ""]), "text");
        assert_eq!(guess(&["1e5"]), "text");
        assert_eq!(guess(&["+5"]), "text");
        assert_eq!(guess(&["-0"]), "text");
        assert_eq!(guess(&["0.00", "5."]), "text");
        assert_eq!(guess(&["0.0"]), "decimal(18,1)");
    }
}
