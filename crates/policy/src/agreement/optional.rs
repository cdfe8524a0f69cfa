//! Terms an agreement can do without.
//!
//! They came after the first agreements were signed. One that is left out has no place in the canonical bytes, so a
//! document without any keeps the identifier and the signatures it always had.

use std::fmt;
use std::str::FromStr;

use crate::agreement::AgreementId;
use crate::error::Problem;

/// The terms an agreement can do without. The default is an agreement that has none of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "a new term must be read, written, hashed and put into words")]
pub struct OptionalTerms {
    /// The earlier version this agreement takes the place of once it is active.
    pub replaces: Option<AgreementId>,
    /// What the sender learns when it enforces the minimum intersection itself.
    pub release_count: ReleaseCount,
    /// Whether the receipt both sign may carry the number of common keys.
    pub receipt_count: bool,
    /// The period over which `runs_per_period` and `rows_per_period` are counted.
    pub period: Option<Period>,
    /// The most jobs in a period, by either party.
    pub runs_per_period: Option<u64>,
    /// The most rows asked about in a period, counted as `rows_total_max` is.
    pub rows_per_period: Option<u64>,
    /// The most different states of its table that each party brings over the agreement's life.
    pub snapshots_max: Option<u64>,
    /// The most privacy loss over the agreement's life, of all results given with noise.
    pub epsilon_max: Option<Epsilon>,
    /// The most lookups of single records over the agreement's life, by either party.
    pub lookups_max: Option<u64>,
    /// Whether protocols that protect only from a party that follows them are acceptable.
    pub semi_honest: Option<SemiHonest>,
}

words! {
    /// Whether a protocol may be allowed that is secure against parties that follow it only.
    SemiHonest {
        /// It may.
        Accepted = "accepted",
        /// It may not, whatever its name.
        Refused = "refused",
    }
}

words! {
    /// What the sender of columns learns about the result when it releases them only after the receiver has reported
    /// enough common keys: the second layer over the payload.
    #[derive(Default)]
    ReleaseCount {
        /// There is no second layer: the receiver's own node checks the minimum, and the sender learns nothing.
        #[default]
        None = "none",
        /// Whether the minimum is reached.
        Bit = "bit",
        /// How many keys both have.
        Count = "count",
    }
}

words! {
    /// A stretch of the calendar in UTC.
    Period {
        /// From midnight to midnight.
        Day = "day",
        /// From Monday to Sunday, as ISO 8601 counts weeks.
        Week = "week",
        /// A month of the calendar.
        Month = "month",
    }
}

/// An amount of privacy loss, exact to a millionth.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Epsilon(u64);

impl Epsilon {
    /// The largest amount; more protects nobody.
    pub const MAX: Self = Self(1_000 * Self::ONE);
    const ONE: u64 = 1_000_000;
    const FRACTION_DIGITS: usize = 6;

    /// The amount of so many millionths.
    ///
    /// # Errors
    /// [`Problem::Epsilon`] above [`Epsilon::MAX`].
    pub const fn from_millionths(millionths: u64) -> Result<Self, Problem> {
        if millionths > Self::MAX.0 { Err(Problem::Epsilon) } else { Ok(Self(millionths)) }
    }

    /// The amount in millionths.
    #[must_use]
    pub const fn millionths(self) -> u64 {
        self.0
    }
}

impl fmt::Display for Epsilon {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, fraction) = (self.0 / Self::ONE, self.0 % Self::ONE);
        if fraction == 0 {
            return write!(f, "{whole}");
        }
        let fraction = format!("{fraction:06}");
        write!(f, "{whole}.{}", fraction.trim_end_matches('0'))
    }
}

impl fmt::Debug for Epsilon {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl FromStr for Epsilon {
    type Err = Problem;

    fn from_str(text: &str) -> Result<Self, Problem> {
        let (whole, fraction) = text.split_once('.').map_or((text, None), |(whole, rest)| (whole, Some(rest)));
        let digits =
            |part: &str, max: usize| (1..=max).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit());
        if !digits(whole, 4) || fraction.is_some_and(|part| !digits(part, Self::FRACTION_DIGITS)) {
            return Err(Problem::Epsilon);
        }
        let padded = format!("{:0<width$}", fraction.unwrap_or_default(), width = Self::FRACTION_DIGITS);
        let number = |part: &str| part.parse::<u64>().map_err(|_| Problem::Epsilon);
        Self::from_millionths(number(whole)? * Self::ONE + number(&padded)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_exact_and_have_one_text() {
        for (text, millionths, printed) in [
            ("0", 0, "0"),
            ("1", 1_000_000, "1"),
            ("01.50", 1_500_000, "1.5"),
            ("0.000001", 1, "0.000001"),
            ("1000", 1_000_000_000, "1000"),
        ] {
            let amount: Epsilon = text.parse().unwrap();
            assert_eq!((amount.millionths(), amount.to_string().as_str()), (millionths, printed));
            assert_eq!(amount.to_string().parse::<Epsilon>().unwrap(), amount);
        }
        for bad in
            ["", ".5", "1.", "1.0000001", "-1", "+1", "1e3", "1,5", "1000.000001", "1001", "99999", " 1", "1.5.1"]
        {
            assert_eq!(bad.parse::<Epsilon>(), Err(Problem::Epsilon), "{bad}");
        }
    }
}
