//! Text of bounded length that shows as it is.

use std::fmt;
use std::str::FromStr;

use crate::error::Problem;

/// One line of 1 to `MAX` characters, without blanks at the ends and without characters that do not show or that
/// change how their neighbours show. So two texts that look alike on a terminal are not told apart by something
/// unseen, and no document can drive the terminal it is shown on.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Text<const MAX: usize>(Box<str>);

/// The name of an institution, a party or a table.
pub type Name = Text<64>;
/// The name of a column.
pub type ColumnName = Text<128>;
/// The type of a column, such as `decimal(18,2)`; opaque here.
pub type TypeText = Text<64>;
/// The kind of a key part, such as `us_ssn` or `date(%Y-%m-%d)`; opaque here but for the word before the bracket.
pub type KindText = Text<256>;
/// The title of an agreement.
pub type Title = Text<200>;
/// What the data is used for.
pub type Purpose = Text<1000>;
/// The version of a normaliser or the name of a suite.
pub type Version = Text<64>;

impl<const MAX: usize> Text<MAX> {
    /// Checks `text`.
    ///
    /// # Errors
    /// [`Problem::Empty`], [`Problem::TooLong`], [`Problem::BlankAtEnd`] or [`Problem::Unprintable`].
    pub fn new(text: &str) -> Result<Self, Problem> {
        if text.is_empty() {
            return Err(Problem::Empty);
        }
        let got = text.chars().count();
        if got > MAX {
            return Err(Problem::TooLong { max: MAX, got });
        }
        if !text.chars().all(shows) {
            return Err(Problem::Unprintable);
        }
        if text.trim() != text {
            return Err(Problem::BlankAtEnd);
        }
        Ok(Self(text.into()))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Whether a character shows and leaves its neighbours as they are.
pub(crate) fn shows(character: char) -> bool {
    !character.is_control()
        && !matches!(
            u32::from(character),
            // Soft hyphen, direction marks, zero-width characters, separators of lines, byte-order mark, tags.
            0xAD | 0x61C | 0x180E | 0x200B..=0x200F | 0x2028..=0x202E | 0x2060..=0x206F | 0xFEFF | 0xFFF9..=0xFFFB
                | 0xE0000..=0xE007F
        )
}

impl<const MAX: usize> fmt::Display for Text<MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl<const MAX: usize> fmt::Debug for Text<MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl<const MAX: usize> AsRef<str> for Text<MAX> {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl<const MAX: usize> FromStr for Text<MAX> {
    type Err = Problem;

    fn from_str(text: &str) -> Result<Self, Problem> {
        Self::new(text)
    }
}

impl<const MAX: usize> TryFrom<&str> for Text<MAX> {
    type Error = Problem;

    fn try_from(text: &str) -> Result<Self, Problem> {
        Self::new(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_count_characters_not_bytes() {
        assert_eq!(Name::new(""), Err(Problem::Empty));
        assert!(Name::new(&"行".repeat(64)).is_ok());
        assert_eq!(Name::new(&"a".repeat(65)), Err(Problem::TooLong { max: 64, got: 65 }));
    }

    #[test]
    fn what_does_not_show_is_refused() {
        for hidden in ["a\nb", "a\u{1b}[2Jb", "a\u{202E}b", "a\u{200B}b", "\u{FEFF}a", "a\u{0}", "a\tb"] {
            assert_eq!(Name::new(hidden), Err(Problem::Unprintable), "{hidden:?}");
        }
        for blank in [" a", "a ", "a\u{3000}", " "] {
            assert_eq!(Name::new(blank), Err(Problem::BlankAtEnd), "{blank:?}");
        }
        assert_eq!(Name::new("Crédit & Söhne 銀行").unwrap().as_str(), "Crédit & Söhne 銀行");
    }
}
