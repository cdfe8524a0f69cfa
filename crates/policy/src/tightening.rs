//! What an institution holds itself and its partner to beyond an agreement, without a new signature.
//!
//! A tightening only takes away. Both sides declare theirs in the signed handshake of each job and both apply the
//! stricter of the two, so that neither side has to trust the other to keep to its own.

use std::collections::BTreeSet;

use crate::agreement::{Agreement, Protocol, ResultKind, Terms};
use crate::budget::Spent;
use crate::decision::{Permit, Reason, Request};
use crate::error::{Error, Problem, Section};

/// The most rules a tightening can forbid.
const FORBIDDEN_MAX: usize = 64;

/// What is held back of an agreement; the default holds nothing back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "a limit more must be declared, combined and applied")]
pub struct Tightening {
    /// The most jobs over the agreement's life.
    pub runs_max: Option<u64>,
    /// The most rows asked about over the agreement's life.
    pub rows_total_max: Option<u64>,
    /// The most rows of either party's table in a job, before they are rounded up.
    pub rows_max: Option<u64>,
    /// The fewest common keys for which a result is handed over.
    pub intersection_min: Option<u64>,
    /// Results that are not given at present, whoever asks.
    pub forbidden: BTreeSet<Rule>,
}

/// A result by a protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_structs, reason = "a pair")]
pub struct Rule {
    /// The protocol.
    pub protocol: Protocol,
    /// The result.
    pub result: ResultKind,
}

impl Rule {
    const fn words(&self) -> (&'static str, &'static str) {
        (self.protocol.as_str(), self.result.as_str())
    }
}

impl Ord for Rule {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.words().cmp(&other.words())
    }
}

impl PartialOrd for Rule {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl std::fmt::Display for Rule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.protocol, self.result)
    }
}

impl std::str::FromStr for Rule {
    type Err = Problem;

    fn from_str(text: &str) -> Result<Self, Problem> {
        let (protocol, result) = text.split_once(':').ok_or(Problem::Rule)?;
        let parts = (protocol.parse(), result.parse());
        let (Ok(protocol), Ok(result)) = parts else { return Err(Problem::Rule) };
        Ok(Self { protocol, result })
    }
}

impl Tightening {
    /// Whether nothing is held back.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Checks that nothing becomes wider than the agreement has it.
    ///
    /// # Errors
    /// [`Error::Field`] naming the first value that would.
    pub fn check(&self, agreement: &Agreement) -> Result<(), Error> {
        let terms = agreement.terms();
        let rows_max = terms.parties.iter().map(|party| party.rows_max).max().unwrap_or(0);
        let most = |field, value: Option<u64>, max| match value {
            Some(got) if got > max => Err(Section::Top.problem(field, Problem::Wider { agreed: max, got })),
            _ => Ok(()),
        };
        most("runs_max", self.runs_max, terms.runs_max)?;
        most("rows_total_max", self.rows_total_max, terms.rows_total_max)?;
        most("rows_max", self.rows_max, rows_max)?;
        if let Some(got) = self.intersection_min.filter(|min| *min < terms.intersection_min) {
            let agreed = terms.intersection_min;
            return Err(Section::Top.problem("intersection_min", Problem::Wider { agreed, got }));
        }
        let listed =
            |rule: &Rule| terms.allow.iter().any(|it| (it.protocol, it.result) == (rule.protocol, rule.result));
        if !self.forbidden.iter().all(listed) {
            return Err(Section::Top.problem("forbid", Problem::NotAllowedAnyway));
        }
        Ok(())
    }

    /// What both hold back: the smaller of each maximum, the larger of each minimum, every rule either forbids.
    #[must_use]
    pub fn with(&self, other: &Self) -> Self {
        let least = |one: Option<u64>, two: Option<u64>| one.into_iter().chain(two).min();
        Self {
            runs_max: least(self.runs_max, other.runs_max),
            rows_total_max: least(self.rows_total_max, other.rows_total_max),
            rows_max: least(self.rows_max, other.rows_max),
            intersection_min: self.intersection_min.max(other.intersection_min),
            forbidden: self.forbidden.union(&other.forbidden).copied().collect(),
        }
    }

    /// Applies what is held back to a request the agreement permits.
    ///
    /// # Errors
    /// The [`Reason`] of a refusal, as [`decide`](crate::decide()) gives it for the agreement's own limits.
    pub fn hold(
        &self,
        request: &Request,
        mut permit: Permit,
        agreement: &Agreement,
        spent: &Spent,
    ) -> Result<Permit, Reason> {
        let terms = agreement.terms();
        if self.forbidden.contains(&Rule { protocol: request.protocol, result: request.result }) {
            return Err(Reason::ResultHeldBack { result: request.result });
        }
        self.check_rows(request, &permit, terms)?;
        if let Some(max) = self.runs_max.filter(|max| spent.runs >= *max) {
            return Err(Reason::RunsSpent { max });
        }
        let rows = permit.spends.rows;
        if let Some(left) = self.rows_total_max.map(|max| max.saturating_sub(spent.rows)).filter(|left| rows > *left) {
            return Err(Reason::RowsSpent { rows, left });
        }
        permit.intersection_min = permit.intersection_min.max(self.intersection_min.unwrap_or(0));
        Ok(permit)
    }

    fn check_rows(&self, request: &Request, permit: &Permit, terms: &Terms) -> Result<(), Reason> {
        let Some(max) = self.rows_max.map(|max| terms.padding.padded(max)) else { return Ok(()) };
        let declared =
            [(permit.initiator, Some(request.rows_initiator)), (permit.initiator.other(), request.rows_responder)];
        for (seat, rows) in declared {
            if let Some(rows) = rows.filter(|rows| *rows > max) {
                return Err(Reason::RowsAboveMaximum { party: terms.parties[seat.index()].name.clone(), rows, max });
            }
        }
        Ok(())
    }

    /// What is held back, a sentence each.
    #[must_use]
    pub fn in_words(&self) -> Vec<String> {
        let Self { runs_max, rows_total_max, rows_max, intersection_min, forbidden } = self;
        let mut sentences = Vec::new();
        sentences.extend(runs_max.map(|max| format!("At most {max} jobs in all.")));
        sentences.extend(rows_total_max.map(|max| format!("At most {max} rows asked about in all.")));
        sentences.extend(rows_max.map(|max| format!("At most {max} rows of either table at each job.")));
        sentences.extend(intersection_min.map(|min| format!("No result with fewer than {min} common keys.")));
        let results = forbidden.iter().map(|rule| format!("No {} by {}.", rule.result, rule.protocol));
        sentences.extend(results);
        sentences
    }

    /// Takes rules that came from elsewhere.
    ///
    /// # Errors
    /// [`Problem::Rule`] for one that is none, [`Problem::Count`] for too many.
    pub fn read_forbidden(rules: &[String]) -> Result<BTreeSet<Rule>, Problem> {
        let (max, got) = (FORBIDDEN_MAX, rules.len());
        if got > max {
            return Err(Problem::Count { min: 0, max, got });
        }
        rules.iter().map(|rule| rule.parse()).collect()
    }
}

#[cfg(test)]
mod tests;
