//! Points in time, to the second.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, SecondsFormat, Utc};

use crate::error::Problem;

/// A second of the years 1970 to 9999 in UTC, written as in RFC 3339.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    pub(crate) const MAX: i64 = 253_402_300_799;

    /// The time `seconds` after the beginning of 1970.
    ///
    /// # Errors
    /// [`Problem::Time`] outside the years 1970 to 9999.
    pub const fn from_unix_seconds(seconds: i64) -> Result<Self, Problem> {
        if seconds < 0 || seconds > Self::MAX { Err(Problem::Time) } else { Ok(Self(seconds)) }
    }

    /// Seconds since the beginning of 1970.
    #[must_use]
    pub const fn unix_seconds(self) -> i64 {
        self.0
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = DateTime::<Utc>::from_timestamp(self.0, 0).ok_or(fmt::Error)?;
        f.pad(&time.to_rfc3339_opts(SecondsFormat::Secs, true))
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl FromStr for Timestamp {
    type Err = Problem;

    fn from_str(text: &str) -> Result<Self, Problem> {
        let time = DateTime::parse_from_rfc3339(text).map_err(|_| Problem::Time)?;
        // A fraction or a leap second would be lost in print, and two texts would mean one time.
        if time.timestamp_subsec_nanos() != 0 {
            return Err(Problem::Time);
        }
        Self::from_unix_seconds(time.timestamp())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn reads_offsets_and_refuses_what_is_not_a_whole_second() {
        let time: Timestamp = "2026-10-01T08:00:00+08:00".parse().unwrap();
        assert_eq!(time.to_string(), "2026-10-01T00:00:00Z");
        for bad in [
            "",
            "2026-10-01",
            "2026-10-01T00:00:00",
            "2026-10-01T00:00:00.5Z",
            "2016-12-31T23:59:60Z",
            "1969-12-31T23:59:59Z",
            "2026-13-01T00:00:00Z",
            "9999-12-31T23:59:59-01:00",
        ] {
            assert_eq!(bad.parse::<Timestamp>(), Err(Problem::Time), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn print_and_parse_agree(seconds in 0..=Timestamp::MAX) {
            let time = Timestamp::from_unix_seconds(seconds).unwrap();
            prop_assert_eq!(time.to_string().parse::<Timestamp>().unwrap(), time);
        }
    }
}
