//! Budgets: how much may be asked under an agreement, and what of it is left.
//!
//! Every limit is a whole number, so that both nodes come to the same answer from the same jobs; epsilon is counted in
//! millionths. A limit is over the agreement's whole life unless its name says that it is for each period. Periods are
//! those of the calendar in UTC, so that both nodes know where one ends without a word about it.
//!
//! | limit | what is counted |
//! |---|---|
//! | `runs_max`, `runs_per_period` | jobs, whoever starts them, failed ones included |
//! | `rows_total_max`, `rows_per_period` | declared rows of each party that gets a result |
//! | `snapshots_max` | for each party, the different inputs it has brought |
//! | `lookups_max` | single questions of the online lookup |
//! | `epsilon_max` | epsilon of differential privacy, added over all releases |
//!
//! A party that comes twice with one table has brought one input as far as `snapshots_max` goes; a table in which
//! anything changed is a new one, because what differs between two answers is what differs between two inputs. The
//! other party's inputs are told apart by the commitments it declares, see [`sketch`](crate::sketch).

use chrono::{DateTime, Datelike, NaiveDate, Utc};

use crate::agreement::{Epsilon, Period, Seat, Terms};
use crate::time::Timestamp;

const DAY_SECONDS: i64 = 86_400;
const WEEK_SECONDS: i64 = 7 * DAY_SECONDS;
/// From the Monday before it to the first second of 1970, a Thursday.
const MONDAY_OFFSET: i64 = 3 * DAY_SECONDS;

impl Period {
    /// The period `now` lies in.
    #[must_use]
    pub fn of(self, now: Timestamp) -> Span {
        let seconds = now.unix_seconds();
        let (from, until) = match self {
            Self::Day => whole(seconds, DAY_SECONDS, 0),
            Self::Week => whole(seconds, WEEK_SECONDS, MONDAY_OFFSET),
            Self::Month => month(seconds),
        };
        let clamp = |seconds: i64| Timestamp::from_unix_seconds(seconds.clamp(0, Timestamp::MAX)).unwrap_or(now);
        Span { from: clamp(from), until: clamp(until) }
    }
}

/// The stretch of `length` seconds that holds `seconds`, when one begins `offset` seconds before 1970.
const fn whole(seconds: i64, length: i64, offset: i64) -> (i64, i64) {
    let from = (seconds + offset).div_euclid(length) * length - offset;
    (from, from + length)
}

fn month(seconds: i64) -> (i64, i64) {
    let first = |year, month| {
        let day = NaiveDate::from_ymd_opt(year, month, 1).and_then(|day| day.and_hms_opt(0, 0, 0));
        day.map_or(Timestamp::MAX, |time| time.and_utc().timestamp())
    };
    // A timestamp is a time of the years 1970 to 9999, all of which chrono knows.
    let day = DateTime::<Utc>::from_timestamp(seconds, 0).unwrap_or_default().date_naive();
    let (year, month) = (day.year(), day.month());
    let next = if month == 12 { first(year + 1, 1) } else { first(year, month + 1) };
    (first(year, month), next)
}

/// From one second on and before another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "a pair")]
pub struct Span {
    /// The first second.
    pub from: Timestamp,
    /// The first second after it.
    pub until: Timestamp,
}

/// The limits of an agreement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "built from all its fields; forgetting one must not compile")]
pub struct Limits {
    /// Jobs over the whole life.
    pub runs_max: u64,
    /// Rows asked about over the whole life.
    pub rows_total_max: u64,
    /// The period of the next two limits.
    pub period: Option<Period>,
    /// Jobs in a period.
    pub runs_per_period: Option<u64>,
    /// Rows asked about in a period.
    pub rows_per_period: Option<u64>,
    /// Different inputs of each party.
    pub snapshots_max: Option<u64>,
    /// Single questions.
    pub lookups_max: Option<u64>,
    /// Epsilon of all releases together.
    pub epsilon_max: Option<Epsilon>,
}

/// What jobs under an agreement have used up, also those that failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "a set of counters")]
pub struct Spent {
    /// Jobs.
    pub runs: u64,
    /// Rows asked about.
    pub rows: u64,
    /// Single questions.
    pub lookups: u64,
    /// Epsilon, in millionths.
    pub epsilon: u64,
    /// Of the jobs, those of the period the decision falls in.
    pub period_runs: u64,
    /// Of the rows, those of that period.
    pub period_rows: u64,
    /// The inputs of each party, in the agreement's order of parties.
    pub inputs: [Inputs; 2],
}

/// The inputs a party has brought.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "a pair")]
pub struct Inputs {
    /// How many different ones.
    pub distinct: u64,
    /// How the one it now brings relates to them.
    pub next: NextInput,
}

/// How a party's input relates to those it brought before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "each must be handled where a budget is decided")]
pub enum NextInput {
    /// It is not told yet; nothing is decided about it.
    #[default]
    Open,
    /// The party declares no commitment to it, so it cannot be counted.
    Undeclared,
    /// It is one of them.
    Seen,
    /// It is none of them.
    New,
}

/// What a job uses up when it is accepted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "a set of counters")]
pub struct Cost {
    /// Jobs: one.
    pub runs: u64,
    /// Rows asked about.
    pub rows: u64,
    /// Single questions.
    pub lookups: u64,
    /// Epsilon of its releases, in millionths.
    pub epsilon: u64,
}

/// Which limit a job would exceed, and by how much.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "each becomes a documented reason")]
pub enum Exceeded {
    /// No job is left.
    Runs {
        /// The jobs agreed.
        max: u64,
    },
    /// Too few rows are left.
    Rows {
        /// The rows asked about.
        rows: u64,
        /// The rows left.
        left: u64,
    },
    /// No job is left in this period.
    PeriodRuns {
        /// The jobs agreed.
        max: u64,
        /// The period.
        period: Period,
        /// The first second of the next one.
        resets_at: Timestamp,
    },
    /// Too few rows are left in this period.
    PeriodRows {
        /// The rows asked about.
        rows: u64,
        /// The rows left.
        left: u64,
        /// The period.
        period: Period,
        /// The first second of the next one; nothing when more rows are asked about than any period allows.
        resets_at: Option<Timestamp>,
    },
    /// The party's input is one too many.
    Snapshots {
        /// Whose input.
        seat: Seat,
        /// The inputs agreed.
        max: u64,
    },
    /// The party's input cannot be counted.
    SnapshotUndeclared {
        /// Whose input.
        seat: Seat,
    },
    /// Too few questions are left.
    Lookups {
        /// The questions asked.
        lookups: u64,
        /// The questions left.
        left: u64,
    },
    /// Too little epsilon is left.
    Epsilon {
        /// What the job would use, in millionths.
        epsilon: u64,
        /// What is left, in millionths.
        left: u64,
    },
}

impl Terms {
    /// What the agreement allows to be used up.
    #[must_use]
    pub const fn limits(&self) -> Limits {
        let optional = &self.optional;
        Limits {
            runs_max: self.runs_max,
            rows_total_max: self.rows_total_max,
            period: optional.period,
            runs_per_period: optional.runs_per_period,
            rows_per_period: optional.rows_per_period,
            snapshots_max: optional.snapshots_max,
            lookups_max: optional.lookups_max,
            epsilon_max: optional.epsilon_max,
        }
    }
}

impl Limits {
    /// The jobs and rows for which there is room, now and over the whole life together.
    #[must_use]
    pub fn left(&self, spent: &Spent) -> Cost {
        let least = |all: u64, period: Option<u64>| period.map_or(all, |period| period.min(all));
        let of_period =
            |max: Option<u64>, spent: u64| max.filter(|_| self.period.is_some()).map(|max| max.saturating_sub(spent));
        Cost {
            runs: least(self.runs_max.saturating_sub(spent.runs), of_period(self.runs_per_period, spent.period_runs)),
            rows: least(
                self.rows_total_max.saturating_sub(spent.rows),
                of_period(self.rows_per_period, spent.period_rows),
            ),
            lookups: self.lookups_max.map_or(u64::MAX, |max| max.saturating_sub(spent.lookups)),
            epsilon: self.epsilon_max.map_or(u64::MAX, |max| max.millionths().saturating_sub(spent.epsilon)),
        }
    }

    /// The period `now` lies in, when there is one.
    #[must_use]
    pub fn span(&self, now: Timestamp) -> Option<Span> {
        self.period.map(|period| period.of(now))
    }
}

/// Decides whether a job of `cost` fits into `limits`, of which `spent` is used up at `now`.
///
/// Pure, and whole numbers throughout. What does not fit into the life of the agreement is told before what only has
/// to wait for the next period.
///
/// # Errors
/// The first limit that would be exceeded.
pub fn decide(limits: &Limits, spent: &Spent, cost: &Cost, now: Timestamp) -> Result<(), Exceeded> {
    if cost.runs > limits.runs_max.saturating_sub(spent.runs) {
        return Err(Exceeded::Runs { max: limits.runs_max });
    }
    let left = limits.rows_total_max.saturating_sub(spent.rows);
    if cost.rows > left {
        return Err(Exceeded::Rows { rows: cost.rows, left });
    }
    if let Some(max) = limits.lookups_max {
        let left = max.saturating_sub(spent.lookups);
        if cost.lookups > left {
            return Err(Exceeded::Lookups { lookups: cost.lookups, left });
        }
    }
    if let Some(max) = limits.epsilon_max {
        let left = max.millionths().saturating_sub(spent.epsilon);
        if cost.epsilon > left {
            return Err(Exceeded::Epsilon { epsilon: cost.epsilon, left });
        }
    }
    if let Some(max) = limits.snapshots_max {
        for seat in Seat::BOTH {
            let inputs = spent.inputs[seat.index()];
            match inputs.next {
                NextInput::New if inputs.distinct >= max => return Err(Exceeded::Snapshots { seat, max }),
                NextInput::Undeclared => return Err(Exceeded::SnapshotUndeclared { seat }),
                NextInput::New | NextInput::Seen | NextInput::Open => {}
            }
        }
    }
    match limits.period {
        Some(period) => decide_period(limits, spent, cost, period, period.of(now).until),
        None => Ok(()),
    }
}

fn decide_period(
    limits: &Limits,
    spent: &Spent,
    cost: &Cost,
    period: Period,
    resets_at: Timestamp,
) -> Result<(), Exceeded> {
    if let Some(max) = limits.runs_per_period
        && cost.runs > max.saturating_sub(spent.period_runs)
    {
        return Err(Exceeded::PeriodRuns { max, period, resets_at });
    }
    if let Some(max) = limits.rows_per_period {
        let left = max.saturating_sub(spent.period_rows);
        if cost.rows > left {
            let resets_at = (cost.rows <= max).then_some(resets_at);
            return Err(Exceeded::PeriodRows { rows: cost.rows, left, period, resets_at });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
