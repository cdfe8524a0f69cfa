//! Whether an agreement permits a request.

use symbolon_primitives::sign::VerifyingKey;

use crate::agreement::{
    Agreement, AgreementId, Column, ColumnUse, Normaliser, Party, Protocol, Recipients, ResultKind, Seat,
};
use crate::budget::{self, Cost, Spent};
use crate::padding::Padding;
use crate::signed::{SignedAgreement, State};
use crate::text::{ColumnName, Purpose};
use crate::time::Timestamp;

mod reason;

pub use reason::{Quota, Reason};

/// A job one party asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_structs,
    reason = "a request is built from all its fields; forgetting one must not compile"
)]
pub struct Request {
    /// The agreement it is under.
    pub agreement_id: AgreementId,
    /// The organisation key of the party that asks, as its signature on the offer or the node's own key shows.
    pub initiator: VerifyingKey,
    /// The protocol.
    pub protocol: Protocol,
    /// What comes out.
    pub result: ResultKind,
    /// Who gets it.
    pub receiver: Receiver,
    /// The columns of the other party asked for; empty unless the result is `enrich`.
    pub columns: Vec<ColumnName>,
    /// The initiator's row count as declared: rounded up by the agreement's rule.
    pub rows_initiator: u64,
    /// The responder's, once it is known.
    pub rows_responder: Option<u64>,
    /// The purpose, repeated from the agreement.
    pub purpose: Purpose,
    /// The normaliser of the node that asks when the responder decides, of the own node when the initiator does.
    pub normaliser: Normaliser,
    /// The time of the decision.
    pub now: Timestamp,
}

/// Who gets a job's result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "a job has two sides")]
pub enum Receiver {
    /// The party that asks.
    Initiator,
    /// The party that is asked.
    Responder,
    /// Both.
    Both,
}

/// The fewest and the most rows of a table, before rounding up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_structs, reason = "a pair")]
pub struct RowLimits {
    /// The fewest.
    pub min: u64,
    /// The most.
    pub max: u64,
}

/// The answer to a request.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "yes or no")]
pub enum Decision {
    /// Yes, within these bounds.
    Permit(Permit),
    /// No, because of this.
    Refuse(Reason),
}

impl Decision {
    /// The permit, or the reason why there is none.
    ///
    /// # Errors
    /// The [`Reason`] of a refusal.
    pub fn permit(self) -> Result<Permit, Reason> {
        match self {
            Self::Permit(permit) => Ok(permit),
            Self::Refuse(reason) => Err(reason),
        }
    }
}

/// What a permitted job may do. Only [`decide`] makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Permit {
    /// The agreement.
    pub agreement_id: AgreementId,
    /// The seat of the party that asks.
    pub initiator: Seat,
    /// The protocol.
    pub protocol: Protocol,
    /// What comes out.
    pub result: ResultKind,
    /// Who gets it.
    pub recipients: Recipients,
    /// The columns released, in the agreement's order whatever the order asked; empty unless the result is `enrich`.
    pub columns: Vec<Column>,
    /// The fewest common keys for which the result is handed over.
    pub intersection_min: u64,
    /// The bounds of the initiator's table.
    pub rows_initiator: RowLimits,
    /// The bounds of the responder's table.
    pub rows_responder: RowLimits,
    /// The rule of rounding up.
    pub padding: Padding,
    /// What accepting the job uses up. Complete once the responder's row count was given.
    pub spends: Cost,
}

/// Decides on `request` under `agreement`, of which `spent` is used up already.
///
/// Pure: equal arguments give equal answers, so both nodes come to the same one. The signatures were verified when
/// the agreement was read; see [`SignedAgreement`].
#[must_use]
pub fn decide(request: &Request, agreement: &SignedAgreement, spent: &Spent) -> Decision {
    match check(request, agreement, spent) {
        Ok(permit) => Decision::Permit(permit),
        Err(reason) => Decision::Refuse(reason),
    }
}

/// Checks the exact row count of a party's own table, which only its own node knows, before it is rounded up.
///
/// # Errors
/// [`Reason::RowsBelowMinimum`] or [`Reason::RowsAboveMaximum`].
pub fn check_own_rows(party: &Party, rows: u64) -> Result<(), Reason> {
    within(party, rows, RowLimits { min: party.rows_min, max: party.rows_max })
}

fn check(request: &Request, signed: &SignedAgreement, spent: &Spent) -> Result<Permit, Reason> {
    let agreement = signed.agreement();
    let terms = agreement.terms();
    if request.agreement_id != agreement.id() {
        return Err(Reason::AgreementDiffers);
    }
    check_signed(signed)?;
    if request.now < terms.valid_from {
        return Err(Reason::NotYetValid { from: terms.valid_from });
    }
    if request.now >= terms.valid_until {
        return Err(Reason::Expired { until: terms.valid_until });
    }
    let initiator = agreement.seat_of_key(&request.initiator).ok_or(Reason::InitiatorUnknown)?;
    let recipients = match request.receiver {
        Receiver::Initiator => Recipients::One(initiator),
        Receiver::Responder => Recipients::One(initiator.other()),
        Receiver::Both => Recipients::Both,
    };
    check_allowed(request, agreement, recipients)?;
    if request.purpose != terms.purpose {
        return Err(Reason::PurposeDiffers);
    }
    if request.normaliser.version != terms.normaliser.version {
        return Err(Reason::NormaliserVersionDiffers);
    }
    if request.normaliser.digest != terms.normaliser.digest {
        return Err(Reason::NormaliserRulesDiffer);
    }
    let columns = released(request, agreement, recipients)?;
    let (own, other) = (agreement.party(initiator), agreement.party(initiator.other()));
    check_declared(own, request.rows_initiator, terms.padding)?;
    if let Some(rows) = request.rows_responder {
        check_declared(other, rows, terms.padding)?;
    }
    let spends = spending(request);
    budget::decide(&terms.limits(), spent, &spends, request.now)
        .map_err(|exceeded| Reason::of_budget(exceeded, agreement))?;
    Ok(Permit {
        agreement_id: agreement.id(),
        initiator,
        protocol: request.protocol,
        result: request.result,
        recipients,
        columns,
        intersection_min: terms.intersection_min,
        rows_initiator: RowLimits { min: own.rows_min, max: own.rows_max },
        rows_responder: RowLimits { min: other.rows_min, max: other.rows_max },
        padding: terms.padding,
        spends,
    })
}

fn check_signed(signed: &SignedAgreement) -> Result<(), Reason> {
    let missing = |seat| Reason::SignatureMissing { party: signed.agreement().party(seat).name.clone() };
    match signed.state() {
        State::Active => Ok(()),
        State::SignedBy(seat) => Err(missing(seat.other())),
        State::Draft => Err(Reason::Unsigned),
    }
}

fn check_allowed(request: &Request, agreement: &Agreement, recipients: Recipients) -> Result<(), Reason> {
    let allow = &agreement.terms().allow;
    let mut of_protocol = allow.iter().filter(|rule| rule.protocol == request.protocol).peekable();
    if of_protocol.peek().is_none() {
        return Err(Reason::ProtocolNotAllowed { protocol: request.protocol });
    }
    let mut of_result = of_protocol.filter(|rule| rule.result == request.result).peekable();
    if of_result.peek().is_none() {
        return Err(Reason::ResultNotAllowed { result: request.result });
    }
    if of_result.any(|rule| rule.to == recipients) { Ok(()) } else { Err(Reason::ReceiverNotAllowed) }
}

/// The columns asked for, in the agreement's order, if every one may be released.
fn released(request: &Request, agreement: &Agreement, recipients: Recipients) -> Result<Vec<Column>, Reason> {
    let (ResultKind::Enrich, Recipients::One(receiver)) = (request.result, recipients) else {
        return if request.columns.is_empty() { Ok(Vec::new()) } else { Err(Reason::ColumnsUnwanted) };
    };
    if request.columns.is_empty() {
        return Err(Reason::ColumnsMissing);
    }
    let owner = agreement.party(receiver.other());
    // Stops at the first repetition, so a long list costs no more than the owner's columns.
    let mut taken = vec![false; owner.columns.len()];
    for name in &request.columns {
        let Some(position) = owner.columns.iter().position(|column| column.name == *name) else {
            return Err(Reason::ColumnUnknown { column: name.clone() });
        };
        match owner.columns[position].column_use {
            ColumnUse::AfterMatch if taken[position] => return Err(Reason::ColumnRepeated { column: name.clone() }),
            ColumnUse::AfterMatch => taken[position] = true,
            ColumnUse::JoinOnly => return Err(Reason::ColumnJoinOnly { column: name.clone() }),
            ColumnUse::Never => return Err(Reason::ColumnNever { column: name.clone() }),
        }
    }
    let columns = owner.columns.iter().zip(taken).filter(|(_, taken)| *taken);
    Ok(columns.map(|(column, _)| column.clone()).collect())
}

/// A declared count is one the rule of rounding up can give, of a table within the party's bounds.
fn check_declared(party: &Party, rows: u64, padding: Padding) -> Result<(), Reason> {
    if padding.padded(rows) != rows {
        return Err(Reason::RowsNotPadded { party: party.name.clone(), rows });
    }
    within(party, rows, RowLimits { min: padding.padded(party.rows_min), max: padding.padded(party.rows_max) })
}

fn within(party: &Party, rows: u64, limits: RowLimits) -> Result<(), Reason> {
    if rows < limits.min {
        return Err(Reason::RowsBelowMinimum { party: party.name.clone(), rows, min: limits.min });
    }
    if rows > limits.max {
        return Err(Reason::RowsAboveMaximum { party: party.name.clone(), rows, max: limits.max });
    }
    Ok(())
}

/// One run, and the declared rows of each party that gets a result: those are the rows it asks about. No protocol of
/// this release looks up single keys or releases noisy values, so none spends lookups or epsilon.
const fn spending(request: &Request) -> Cost {
    let responder = match request.rows_responder {
        Some(rows) => rows,
        None => 0,
    };
    let rows = match request.receiver {
        Receiver::Initiator => request.rows_initiator,
        Receiver::Responder => responder,
        Receiver::Both => request.rows_initiator.saturating_add(responder),
    };
    Cost { runs: 1, rows, lookups: 0, epsilon: 0 }
}

#[cfg(test)]
mod tests;
