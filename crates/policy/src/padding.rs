//! By how much declared row numbers are rounded up, so that the exact size of a table stays at home.

use std::str::FromStr;

use crate::error::Problem;

/// The rule by which a row count is rounded up before it is declared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Padding {
    /// To the next sixteenth of a power of two: at most 6.25 % more.
    Sixteenth,
}

impl Padding {
    pub(crate) const WORDS: &'static str = "\"sixteenth\"";

    /// The word in a document.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sixteenth => "sixteenth",
        }
    }

    pub(crate) fn from_word(word: &str) -> Option<Self> {
        (word == "sixteenth").then_some(Self::Sixteenth)
    }

    /// The number declared for a table of `rows` rows: never 0, so that an empty table looks like one of a row.
    #[must_use]
    pub const fn padded(self, rows: u64) -> u64 {
        match self {
            Self::Sixteenth if rows == 0 => 1,
            Self::Sixteenth if rows <= 16 => rows,
            Self::Sixteenth => {
                let step = 1_u64 << (rows.ilog2() - 4);
                match rows % step {
                    0 => rows,
                    rest => rows.saturating_add(step - rest),
                }
            }
        }
    }
}

impl FromStr for Padding {
    type Err = Problem;

    fn from_str(word: &str) -> Result<Self, Problem> {
        Self::from_word(word).ok_or(Problem::Choice { allowed: Self::WORDS })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn grows_by_at_most_a_sixteenth_and_is_settled(rows in 1_u64..1 << 50) {
            let padded = Padding::Sixteenth.padded(rows);
            prop_assert!(padded >= rows && padded - rows <= rows / 16);
            prop_assert_eq!(Padding::Sixteenth.padded(padded), padded);
            prop_assert!(Padding::Sixteenth.padded(rows + 1) >= padded);
        }
    }

    #[test]
    fn a_rule_is_read_by_its_word() {
        assert_eq!("sixteenth".parse(), Ok(Padding::Sixteenth));
        assert!("Sixteenth".parse::<Padding>().is_err());
    }

    #[test]
    fn known_values() {
        for (rows, padded) in [(0, 1), (1, 1), (16, 16), (31, 31), (32, 32), (33, 34), (1000, 1024), (1025, 1088)] {
            assert_eq!(Padding::Sixteenth.padded(rows), padded, "{rows}");
        }
        assert_eq!(Padding::Sixteenth.padded(u64::MAX), u64::MAX);
    }
}
