//! From where on something is a sign of probing.

use serde::{Deserialize, Serialize};
use symbolon_policy::probing::Thresholds;

use crate::error::ConfigError;
use crate::store::AlertRules;

/// The thresholds as the file has them.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawAlerts {
    tiny_rows: u64,
    jump_percent: u64,
    series_sizes: u64,
    series_percent: u64,
    changes_max: u64,
    changes_hours: u64,
    overlap_percent: u64,
    overlap_keys: u64,
    refuse: bool,
    suspend: bool,
    refuse_overlap: bool,
}

impl Default for RawAlerts {
    fn default() -> Self {
        Self {
            tiny_rows: 16,
            jump_percent: 400,
            series_sizes: 5,
            series_percent: 25,
            changes_max: 4,
            changes_hours: 24,
            overlap_percent: 98,
            overlap_keys: 8,
            refuse: false,
            suspend: false,
            refuse_overlap: false,
        }
    }
}

/// What each key means, in the order of the file.
pub(super) const COMMENTS: &[(&str, &str)] = &[
    ("tiny_rows", "A partner's question about fewer rows than this is a sign."),
    ("jump_percent", "So is one about this many percent of the median of its earlier ones, or the inverse."),
    ("series_sizes", "So are this many different row counts near one another among its last 10 questions."),
    ("series_percent", "Near one another: within this many percent of their median."),
    ("changes_max", "So are more different inputs than this within changes_hours."),
    ("changes_hours", "The time for that, in hours."),
    (
        "overlap_percent",
        "An own input of which this many percent agree with an earlier one is a sign, unless it is equal.",
    ),
    ("overlap_keys", "So is an own input that mostly agrees with an earlier one and differs by at most so many keys."),
    ("refuse", "Refuse a partner's job that shows a sign; nothing is spent then."),
    ("suspend", "Refuse it and suspend the agreement as well, which ends its running jobs, until you resume it."),
    ("refuse_overlap", "Refuse an own job whose input nearly agrees with an earlier one."),
];

impl TryFrom<RawAlerts> for AlertRules {
    type Error = ConfigError;

    fn try_from(raw: RawAlerts) -> Result<Self, ConfigError> {
        let at_most = |key, value: u64, max: u64, expected| {
            if value <= max { Ok(value) } else { Err(ConfigError::Value { key, expected }) }
        };
        let percent = raw.jump_percent;
        if (1..=100).contains(&percent) {
            let expected = "more than 100, or 0 to look for no jumps";
            return Err(ConfigError::Value { key: "alerts.jump_percent", expected });
        }
        let hours = at_most("alerts.changes_hours", raw.changes_hours, 24 * 366, "at most 8784 hours")?;
        let overlap = at_most("alerts.overlap_percent", raw.overlap_percent, 100, "at most 100")?;
        Ok(Self {
            thresholds: Thresholds {
                tiny_rows: raw.tiny_rows,
                jump_percent: percent,
                series_sizes: at_most("alerts.series_sizes", raw.series_sizes, 10, "at most 10")?,
                series_percent: at_most("alerts.series_percent", raw.series_percent, 100, "at most 100")?,
                changes_max: raw.changes_max,
                changes_seconds: hours * 3600,
                overlap_permille: overlap * 10,
                overlap_keys: raw.overlap_keys,
            },
            refuse: raw.refuse || raw.suspend,
            suspend: raw.suspend,
            refuse_overlap: raw.refuse_overlap,
        })
    }
}
