//! Signs that somebody tries to learn of single records by asking often or asking for little.
//!
//! Cryptography does not stop a party from choosing what it asks with; it can only be seen, and bounded by budgets.
//! What can be seen differs by side:
//!
//! | sign | who sees it | from what |
//! |---|---|---|
//! | [`Sign::TinySet`] | the side that is asked | the declared row count |
//! | [`Sign::SizeJump`] | the side that is asked | the declared row counts of earlier jobs |
//! | [`Sign::SizeSeries`] | the side that is asked | the same |
//! | [`Sign::InputChanges`] | the side that is asked | commitments the asking side declares |
//! | [`Sign::InputOverlap`] | the asking side itself | sketches of its own earlier inputs |
//!
//! Row counts and commitments are declared, so a party that runs changed software shows what it wants to show, except
//! that it cannot ask about more rows than it declares. The overlap is seen only by the node that has the input: it
//! warns an honest operator, and makes an honest node refuse, before a question leaves that would tell two inputs
//! apart by a single record. Counts are rounded up before they are declared, so a set that grows by one record mostly
//! shows no change at all.

use crate::sketch::Overlap;
use crate::time::Timestamp;

/// A sign of probing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Sign {
    /// A question about very few rows.
    TinySet,
    /// A question about many more or many fewer rows than before.
    SizeJump,
    /// Several questions about slightly different numbers of rows.
    SizeSeries,
    /// Many different inputs in a short time.
    InputChanges,
    /// An input that differs from an earlier one by a few keys.
    InputOverlap,
}

impl Sign {
    /// Every sign.
    pub const ALL: &'static [Self] =
        &[Self::TinySet, Self::SizeJump, Self::SizeSeries, Self::InputChanges, Self::InputOverlap];

    /// The stable word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::TinySet => "tiny_set",
            Self::SizeJump => "size_jump",
            Self::SizeSeries => "size_series",
            Self::InputChanges => "input_changes",
            Self::InputOverlap => "input_overlap",
        }
    }

    /// The sign of a stable word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|sign| sign.as_str() == word)
    }
}

/// From where on something is a sign. A zero switches a sign off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "built from all its fields; forgetting one must not compile")]
pub struct Thresholds {
    /// A question about fewer rows is a sign.
    pub tiny_rows: u64,
    /// A question about so many hundredths of the median of earlier ones, or the inverse, is a sign.
    pub jump_percent: u64,
    /// So many different sizes near one another, among the last [`SERIES_OF`] questions, are a sign.
    pub series_sizes: u64,
    /// Near one another: within so many hundredths of the median.
    pub series_percent: u64,
    /// More different inputs than this within [`Thresholds::changes_seconds`] are a sign.
    pub changes_max: u64,
    /// The time for that, in seconds.
    pub changes_seconds: u64,
    /// An input of which so many thousandths agree with an earlier one, without being the same, is a sign.
    pub overlap_permille: u64,
    /// So is one that mostly agrees and differs by no more keys than this.
    pub overlap_keys: u64,
}

/// Questions among which a series of sizes is looked for.
pub const SERIES_OF: usize = 10;

/// Earlier questions that are of use here; older ones need not be given.
pub const HISTORY_MAX: usize = 64;

/// Earlier questions before a jump can be told.
const JUMP_AFTER: usize = 3;

/// Two inputs mostly agree from here on, in thousandths.
const MOSTLY_PERMILLE: u64 = 500;

/// A question the other side asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "what is known of a question")]
pub struct Question {
    /// When it was accepted.
    pub at: Timestamp,
    /// The rows declared.
    pub rows: u64,
    /// The commitment declared.
    pub input: Option<[u8; 32]>,
}

/// A sign found, with the number that is one and the threshold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "what there is to say about it")]
pub struct Finding {
    /// The sign.
    pub sign: Sign,
    /// The number found: rows, different sizes, different inputs, or keys that differ.
    pub found: u64,
    /// What it was compared with: the threshold, or the median of earlier rows.
    pub compared: u64,
}

/// Looks for signs in a question, given earlier ones of the same party under the same agreement, the latest first.
#[must_use]
pub fn signs(earlier: &[Question], now: &Question, thresholds: &Thresholds) -> Vec<Finding> {
    let earlier = &earlier[..earlier.len().min(HISTORY_MAX)];
    [
        tiny_set(now, thresholds),
        size_jump(earlier, now, thresholds),
        size_series(earlier, now, thresholds),
        input_changes(earlier, now, thresholds),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Looks for a sign in how far an input of the own side agrees with an earlier one that is not the same.
#[must_use]
pub const fn overlap_sign(overlap: Overlap, thresholds: &Thresholds) -> Option<Finding> {
    let close = thresholds.overlap_permille > 0 && overlap.permille >= thresholds.overlap_permille;
    let few = thresholds.overlap_keys > 0
        && overlap.permille >= MOSTLY_PERMILLE
        && overlap.different <= thresholds.overlap_keys;
    if close || few {
        return Some(Finding { sign: Sign::InputOverlap, found: overlap.different, compared: thresholds.overlap_keys });
    }
    None
}

fn tiny_set(now: &Question, thresholds: &Thresholds) -> Option<Finding> {
    let compared = thresholds.tiny_rows;
    (now.rows < compared).then_some(Finding { sign: Sign::TinySet, found: now.rows, compared })
}

fn size_jump(earlier: &[Question], now: &Question, thresholds: &Thresholds) -> Option<Finding> {
    let percent = u128::from(thresholds.jump_percent);
    if percent == 0 || earlier.len() < JUMP_AFTER {
        return None;
    }
    let median = median(earlier.iter().map(|question| question.rows));
    let (rows, middle) = (u128::from(now.rows), u128::from(median));
    let jumps = rows * 100 >= middle * percent || rows * percent <= middle * 100;
    jumps.then_some(Finding { sign: Sign::SizeJump, found: now.rows, compared: median })
}

fn size_series(earlier: &[Question], now: &Question, thresholds: &Thresholds) -> Option<Finding> {
    if thresholds.series_sizes == 0 {
        return None;
    }
    let last = || earlier.iter().take(SERIES_OF - 1).chain([now]).map(|question| question.rows);
    let median = median(last());
    let near = u128::from(median) * u128::from(thresholds.series_percent);
    let mut sizes: Vec<u64> = last().filter(|rows| u128::from(rows.abs_diff(median)) * 100 <= near).collect();
    sizes.sort_unstable();
    sizes.dedup();
    let (found, compared) = (sizes.len() as u64, thresholds.series_sizes);
    // A question that repeats a size adds nothing to what earlier ones showed.
    let adds =
        sizes.contains(&now.rows) && earlier.iter().take(SERIES_OF - 1).all(|question| question.rows != now.rows);
    (adds && found >= compared).then_some(Finding { sign: Sign::SizeSeries, found, compared })
}

fn input_changes(earlier: &[Question], now: &Question, thresholds: &Thresholds) -> Option<Finding> {
    let compared = thresholds.changes_max;
    let input = now.input.filter(|_| compared > 0)?;
    let since = now.at.unix_seconds().saturating_sub(i64::try_from(thresholds.changes_seconds).unwrap_or(i64::MAX));
    let recent = earlier.iter().filter(|question| question.at.unix_seconds() > since);
    let mut inputs: Vec<[u8; 32]> = recent.filter_map(|question| question.input).collect();
    if inputs.contains(&input) {
        return None;
    }
    inputs.push(input);
    inputs.sort_unstable();
    inputs.dedup();
    let found = inputs.len() as u64;
    (found > compared).then_some(Finding { sign: Sign::InputChanges, found, compared })
}

/// The middle one, the lower of two.
fn median(numbers: impl Iterator<Item = u64>) -> u64 {
    let mut numbers: Vec<u64> = numbers.collect();
    numbers.sort_unstable();
    numbers.get(numbers.len().saturating_sub(1) / 2).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const THRESHOLDS: Thresholds = Thresholds {
        tiny_rows: 16,
        jump_percent: 400,
        series_sizes: 4,
        series_percent: 25,
        changes_max: 3,
        changes_seconds: 86_400,
        overlap_permille: 980,
        overlap_keys: 8,
    };

    fn question(seconds: i64, rows: u64, input: u8) -> Question {
        let at = Timestamp::from_unix_seconds(1_800_000_000 + seconds).unwrap();
        Question { at, rows, input: Some([input; 32]) }
    }

    /// Questions of these sizes, a day and an hour apart, the latest first.
    fn sizes(sizes: &[u64]) -> Vec<Question> {
        let hours = (1..).map(|day| -90_000 * day);
        sizes.iter().zip(hours).map(|(rows, at)| question(at, *rows, 1)).collect()
    }

    fn found(earlier: &[Question], now: Question) -> Vec<(Sign, u64, u64)> {
        let findings = signs(earlier, &now, &THRESHOLDS);
        findings.iter().map(|finding| (finding.sign, finding.found, finding.compared)).collect()
    }

    #[test]
    fn an_ordinary_year_shows_nothing() {
        let mut earlier: Vec<Question> = Vec::new();
        for month in 0..12_u8 {
            // A table that grows by a twentieth now and then, joined once a month.
            let now = question(i64::from(month) * 30 * 86_400, 1024 + 64 * u64::from(month / 6), month);
            assert_eq!(found(&earlier, now), [], "month {month}");
            earlier.insert(0, now);
        }
    }

    #[test]
    fn a_tiny_set_is_seen_at_once() {
        assert_eq!(found(&[], question(0, 15, 1)), [(Sign::TinySet, 15, 16)]);
        assert_eq!(found(&[], question(0, 16, 1)), []);
    }

    #[test]
    fn a_jump_is_told_against_the_median_in_both_directions() {
        let earlier = sizes(&[1000, 1100, 900, 50_000]);
        assert_eq!(found(&earlier, question(0, 4000, 1)), [(Sign::SizeJump, 4000, 1000)]);
        assert_eq!(found(&earlier, question(0, 250, 1)), [(Sign::SizeJump, 250, 1000)]);
        assert_eq!(found(&earlier, question(0, 3999, 1)), []);
        assert_eq!(found(&earlier[..2], question(0, 9000, 1)), [], "too few to tell");
    }

    #[test]
    fn many_sizes_near_one_another_are_a_series() {
        let earlier = sizes(&[1024, 1088, 1152, 1024]);
        assert_eq!(found(&earlier, question(0, 1216, 1)), [(Sign::SizeSeries, 4, 4)]);
        assert_eq!(found(&earlier, question(0, 1088, 1)), [], "a size again");
        assert_eq!(found(&sizes(&[1024; 9]), question(0, 1024, 1)), []);
    }

    #[test]
    fn inputs_that_change_each_time_within_a_day_are_seen() {
        let earlier: Vec<_> = (1..=3_u8).map(|input| question(-3600 * i64::from(input), 1000, input)).collect();
        assert_eq!(found(&earlier, question(0, 1000, 9)), [(Sign::InputChanges, 4, 3)]);
        assert_eq!(found(&earlier, question(0, 1000, 2)), [], "an input again");
        assert_eq!(found(&earlier, question(86_400, 1000, 9)), [], "a day later");
        let undeclared = Question { input: None, ..question(0, 1000, 9) };
        assert_eq!(found(&earlier, undeclared), []);
    }

    #[test]
    fn zeros_switch_signs_off() {
        let off = Thresholds {
            tiny_rows: 0,
            jump_percent: 0,
            series_sizes: 0,
            series_percent: 0,
            changes_max: 0,
            changes_seconds: 0,
            overlap_permille: 0,
            overlap_keys: 0,
        };
        let earlier = sizes(&[1024, 1088, 1152, 1216]);
        assert_eq!(signs(&earlier, &question(0, 1, 7), &off), []);
        assert_eq!(overlap_sign(Overlap { permille: 1000, different: 0 }, &off), None);
    }

    #[test]
    fn inputs_that_nearly_agree_are_a_sign() {
        let sign = |permille, different| overlap_sign(Overlap { permille, different }, &THRESHOLDS).is_some();
        assert!(sign(1000, 0), "more keys than the sketch tells apart");
        assert!(sign(980, 4000));
        assert!(!sign(979, 4000));
        assert!(sign(600, 2), "three keys of which one is exchanged");
        assert!(!sign(499, 2), "two inputs that have little in common");
    }

    #[test]
    fn numbers_at_their_ends_do_not_overflow() {
        let huge = Question { rows: u64::MAX, ..question(0, 0, 1) };
        let earlier = vec![huge; 100];
        let thresholds = Thresholds { jump_percent: u64::MAX, series_percent: u64::MAX, ..THRESHOLDS };
        drop(signs(&earlier, &huge, &Thresholds { changes_seconds: u64::MAX, ..thresholds }));
    }

    #[test]
    fn words_lead_back() {
        for sign in Sign::ALL {
            assert_eq!(Sign::from_word(sign.as_str()), Some(*sign));
        }
        assert_eq!(Sign::from_word("boredom"), None);
    }
}
