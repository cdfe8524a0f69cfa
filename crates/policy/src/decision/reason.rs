//! Why a request is refused.

use thiserror::Error;

use crate::agreement::{Agreement, AgreementId, Epsilon, Period, Protocol, ResultKind};
use crate::budget::Exceeded;
use crate::text::{ColumnName, Name};
use crate::time::Timestamp;

/// Why a request is refused. The text says what to do; the label is stable.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Reason {
    /// The request is under another agreement.
    #[error("the request names another agreement than this one: check the agreement id")]
    AgreementDiffers,
    /// Nobody signed.
    #[error("the agreement is a draft nobody has signed: have both parties sign it")]
    Unsigned,
    /// One party did not sign.
    #[error("the agreement lacks the signature of {party}: ask that party to sign and return it")]
    SignatureMissing {
        /// The party.
        party: Name,
    },
    /// It is too early.
    #[error("the agreement is not in force before {from}: wait until then, and check this machine's clock")]
    NotYetValid {
        /// The first second at which it is.
        from: Timestamp,
    },
    /// It is too late.
    #[error("the agreement ended at {until}: agree on a new one, or check this machine's clock")]
    Expired {
        /// The first second at which it no longer was.
        until: Timestamp,
    },
    /// A party holds it.
    #[error("the agreement is suspended by {party}: only that party can resume it")]
    Suspended {
        /// The party.
        party: Name,
    },
    /// A party ended it.
    #[error("the agreement was revoked by {party}, which is final: agree on a new one")]
    Revoked {
        /// The party.
        party: Name,
    },
    /// A later version has taken its place.
    #[error("the agreement was superseded by the version {}: run the job under that one", by.short())]
    Superseded {
        /// The later version.
        by: AgreementId,
    },
    /// A stranger asks.
    #[error("the organisation key that asks is neither party's: use the key the agreement names, or agree anew")]
    InitiatorUnknown,
    /// The protocol is not listed.
    #[error("the agreement does not allow the protocol {protocol}: use one it lists under [[allow]], or agree anew")]
    ProtocolNotAllowed {
        /// The protocol asked for.
        protocol: Protocol,
    },
    /// The result is not listed for the protocol.
    #[error(
        "the agreement does not allow the result \"{result}\" with this protocol: see its [[allow]], or agree anew"
    )]
    ResultNotAllowed {
        /// The result asked for.
        result: ResultKind,
    },
    /// A party holds the result back.
    #[error(
        "a party holds the result \"{result}\" with this protocol back at present: ask for another, or ask that party"
    )]
    ResultHeldBack {
        /// The result asked for.
        result: ResultKind,
    },
    /// The result may not go there.
    #[error("the agreement does not give this result to this receiver: see `to` in its [[allow]], or agree anew")]
    ReceiverNotAllowed,
    /// The purpose is another.
    #[error("the purpose differs from the agreement's: repeat it word for word, or agree on the new purpose")]
    PurposeDiffers,
    /// Another version of the normaliser.
    #[error(
        "the normaliser's version differs from the agreement's, so equal keys could be missed: run the same version of \
         symbolon on both sides, or agree anew with the present one"
    )]
    NormaliserVersionDiffers,
    /// Other rules under the same version.
    #[error(
        "the normaliser's rules differ from the agreement's under the same version number: one side runs a changed \
         build; run the same release on both sides"
    )]
    NormaliserRulesDiffer,
    /// `enrich` without columns.
    #[error("the result \"enrich\" needs at least one column: name those you want, or ask for \"match\"")]
    ColumnsMissing,
    /// Columns with another result.
    #[error("columns are given with the result \"enrich\" only: leave them out, or ask for \"enrich\"")]
    ColumnsUnwanted,
    /// The column is not listed.
    #[error("the other party's table has no column `{column}` in the agreement: check the name")]
    ColumnUnknown {
        /// The column asked for.
        column: ColumnName,
    },
    /// The column is for joining.
    #[error("the column `{column}` is marked \"join_only\" and never given away: leave it out")]
    ColumnJoinOnly {
        /// The column asked for.
        column: ColumnName,
    },
    /// The column is out of bounds.
    #[error("the column `{column}` is marked \"never\": leave it out")]
    ColumnNever {
        /// The column asked for.
        column: ColumnName,
    },
    /// The column is asked for twice.
    #[error("the column `{column}` is asked for more than once: name it once")]
    ColumnRepeated {
        /// The column asked for.
        column: ColumnName,
    },
    /// The count was not rounded up by the rule.
    #[error(
        "{party} declares {rows} rows, which is not rounded up by the agreement's padding rule: run the same \
         release on both sides"
    )]
    RowsNotPadded {
        /// Whose table.
        party: Name,
        /// The rows declared.
        rows: u64,
    },
    /// Too few rows.
    #[error(
        "the table of {party} has {rows} rows, the agreement asks for at least {min}: bring more rows, or agree anew"
    )]
    RowsBelowMinimum {
        /// Whose table.
        party: Name,
        /// Its rows.
        rows: u64,
        /// The fewest allowed.
        min: u64,
    },
    /// Too many rows.
    #[error(
        "the table of {party} has {rows} rows, the agreement allows at most {max}: bring fewer rows, or agree anew"
    )]
    RowsAboveMaximum {
        /// Whose table.
        party: Name,
        /// Its rows.
        rows: u64,
        /// The most allowed.
        max: u64,
    },
    /// No run is left.
    #[error("all {max} runs of the agreement are used, failed ones included: agree on a new one")]
    RunsSpent {
        /// The runs agreed.
        max: u64,
    },
    /// Too few rows are left.
    #[error("the job asks about {rows} rows, {left} are left under the agreement: ask about fewer, or agree anew")]
    RowsSpent {
        /// The rows asked about.
        rows: u64,
        /// The rows left.
        left: u64,
    },
    /// No run is left in this period.
    #[error("all {max} runs of this {period} are used, failed ones included: the next {period} begins at {resets_at}")]
    PeriodRunsSpent {
        /// The runs agreed.
        max: u64,
        /// The period.
        period: Period,
        /// The first second of the next one.
        resets_at: Timestamp,
    },
    /// Too few rows are left in this period.
    #[error(
        "the job asks about {rows} rows, {left} are left in this {period}: ask about fewer{}",
        or_wait(*period, *resets_at)
    )]
    PeriodRowsSpent {
        /// The rows asked about.
        rows: u64,
        /// The rows left.
        left: u64,
        /// The period.
        period: Period,
        /// The first second of the next one, when it would have room for the job.
        resets_at: Option<Timestamp>,
    },
    /// A party's table changed once more than agreed.
    #[error(
        "{party} has asked with {max} different inputs, as many as agreed, and this is another: ask with one of those \
         again, or agree anew"
    )]
    SnapshotsSpent {
        /// Whose input.
        party: Name,
        /// The inputs agreed.
        max: u64,
    },
    /// A party's input cannot be counted.
    #[error(
        "the agreement limits the different inputs of {party}, whose node declares no commitment to its input: run \
         the same release on both sides"
    )]
    SnapshotUndeclared {
        /// Whose input.
        party: Name,
    },
    /// Too few lookups are left.
    #[error("the job asks {lookups} single questions, {left} are left under the agreement: ask fewer, or agree anew")]
    LookupsSpent {
        /// The questions asked.
        lookups: u64,
        /// The questions left.
        left: u64,
    },
    /// Too little epsilon is left.
    #[error("the job would use epsilon {epsilon}, {left} is left under the agreement: release less, or agree anew")]
    EpsilonSpent {
        /// What the job would use.
        epsilon: Epsilon,
        /// What is left.
        left: Epsilon,
    },
}

/// The end of a sentence about rows that do not fit into a period.
fn or_wait(period: Period, resets_at: Option<Timestamp>) -> String {
    resets_at.map_or_else(|| ", or agree anew".to_owned(), |at| format!(", or wait for the next {period} from {at} on"))
}

/// A spent budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "a pair")]
pub struct Quota {
    /// The budget, by the name of its limit in the agreement.
    pub budget: &'static str,
    /// When there is more of it; nothing when there never is.
    pub resets_at: Option<Timestamp>,
}

impl Reason {
    pub(crate) fn of_budget(exceeded: Exceeded, agreement: &Agreement) -> Self {
        let party = |seat| agreement.party(seat).name.clone();
        match exceeded {
            Exceeded::Runs { max } => Self::RunsSpent { max },
            Exceeded::Rows { rows, left } => Self::RowsSpent { rows, left },
            Exceeded::PeriodRuns { max, period, resets_at } => Self::PeriodRunsSpent { max, period, resets_at },
            Exceeded::PeriodRows { rows, left, period, resets_at } => {
                Self::PeriodRowsSpent { rows, left, period, resets_at }
            }
            Exceeded::Snapshots { seat, max } => Self::SnapshotsSpent { party: party(seat), max },
            Exceeded::SnapshotUndeclared { seat } => Self::SnapshotUndeclared { party: party(seat) },
            Exceeded::Lookups { lookups, left } => Self::LookupsSpent { lookups, left },
            Exceeded::Epsilon { epsilon, left } => {
                // What lies above the largest amount an agreement can name shows as that.
                let amount = |millionths| Epsilon::from_millionths(millionths).unwrap_or(Epsilon::MAX);
                Self::EpsilonSpent { epsilon: amount(epsilon), left: amount(left) }
            }
        }
    }

    /// The budget that is spent, when that is the reason.
    #[must_use]
    pub const fn quota(&self) -> Option<Quota> {
        let (budget, resets_at) = match self {
            Self::RunsSpent { .. } => ("runs_max", None),
            Self::RowsSpent { .. } => ("rows_total_max", None),
            Self::PeriodRunsSpent { resets_at, .. } => ("runs_per_period", Some(*resets_at)),
            Self::PeriodRowsSpent { resets_at, .. } => ("rows_per_period", *resets_at),
            Self::SnapshotsSpent { .. } => ("snapshots_max", None),
            Self::LookupsSpent { .. } => ("lookups_max", None),
            Self::EpsilonSpent { .. } => ("epsilon_max", None),
            _ => return None,
        };
        Some(Quota { budget, resets_at })
    }

    /// The stable name, for machines.
    #[must_use]
    pub const fn label(&self) -> &'static str {
        match self {
            Self::AgreementDiffers => "AGREEMENT_DIFFERS",
            Self::Unsigned => "AGREEMENT_UNSIGNED",
            Self::SignatureMissing { .. } => "SIGNATURE_MISSING",
            Self::NotYetValid { .. } => "AGREEMENT_NOT_YET_VALID",
            Self::Expired { .. } => "AGREEMENT_EXPIRED",
            Self::Suspended { .. } => "AGREEMENT_SUSPENDED",
            Self::Revoked { .. } => "AGREEMENT_REVOKED",
            Self::Superseded { .. } => "AGREEMENT_SUPERSEDED",
            Self::InitiatorUnknown => "INITIATOR_UNKNOWN",
            Self::ProtocolNotAllowed { .. } => "PROTOCOL_NOT_ALLOWED",
            Self::ResultNotAllowed { .. } => "RESULT_NOT_ALLOWED",
            Self::ResultHeldBack { .. } => "RESULT_HELD_BACK",
            Self::ReceiverNotAllowed => "RECEIVER_NOT_ALLOWED",
            Self::PurposeDiffers => "PURPOSE_DIFFERS",
            Self::NormaliserVersionDiffers => "NORMALISER_VERSION_DIFFERS",
            Self::NormaliserRulesDiffer => "NORMALISER_RULES_DIFFER",
            Self::ColumnsMissing => "COLUMNS_MISSING",
            Self::ColumnsUnwanted => "COLUMNS_UNWANTED",
            Self::ColumnUnknown { .. } => "COLUMN_UNKNOWN",
            Self::ColumnJoinOnly { .. } => "COLUMN_JOIN_ONLY",
            Self::ColumnNever { .. } => "COLUMN_NEVER",
            Self::ColumnRepeated { .. } => "COLUMN_REPEATED",
            Self::RowsNotPadded { .. } => "ROWS_NOT_PADDED",
            Self::RowsBelowMinimum { .. } => "ROWS_BELOW_MINIMUM",
            Self::RowsAboveMaximum { .. } => "ROWS_ABOVE_MAXIMUM",
            Self::RunsSpent { .. } => "RUNS_SPENT",
            Self::RowsSpent { .. } => "ROWS_SPENT",
            Self::PeriodRunsSpent { .. } => "PERIOD_RUNS_SPENT",
            Self::PeriodRowsSpent { .. } => "PERIOD_ROWS_SPENT",
            Self::SnapshotsSpent { .. } => "SNAPSHOTS_SPENT",
            Self::SnapshotUndeclared { .. } => "SNAPSHOT_UNDECLARED",
            Self::LookupsSpent { .. } => "LOOKUPS_SPENT",
            Self::EpsilonSpent { .. } => "EPSILON_SPENT",
        }
    }

    /// The reason as a sentence that says what to do; the same as its `Display`.
    #[must_use]
    pub fn sentence(&self) -> String {
        self.to_string()
    }
}
