//! Whether terms are complete and fit together.

use std::collections::HashSet;

use crate::agreement::{
    Column, ColumnUse, Party, Protocol, Recipients, ReleaseCount, ResultKind, Seat, SemiHonest, Terms,
};
use crate::error::{Error, Problem, Section};

/// Row counts: what the protocols can index.
const ROWS_MAX: u64 = u32::MAX as u64;
/// Totals: what the documents' and the stores' integers hold.
const TOTAL_MAX: u64 = i64::MAX as u64;
/// The most bytes of one value: its length travels in two.
pub(super) const BYTES_MAX: u64 = 65_535;
const KEY_PARTS_MAX: usize = 16;
const COLUMNS_MAX: usize = 2000;
const ALLOW_MAX: usize = 64;
pub(crate) const APPROVERS_MAX: usize = 64;

pub(super) fn check(terms: &Terms) -> Result<(), Error> {
    let top = Section::Top;
    if terms.valid_until <= terms.valid_from {
        return Err(top.problem("valid_until", Problem::NotLater));
    }
    in_range(top, "runs_max", terms.runs_max, 1, TOTAL_MAX)?;
    in_range(top, "rows_total_max", terms.rows_total_max, 1, TOTAL_MAX)?;
    in_range(top, "intersection_min", terms.intersection_min, 0, ROWS_MAX)?;
    for (index, party) in terms.parties.iter().enumerate() {
        check_party(party, index + 1)?;
    }
    check_pair(&terms.parties)?;
    if terms.parties.iter().any(|party| terms.intersection_min > party.rows_max) {
        return Err(top.problem("intersection_min", Problem::Unreachable));
    }
    check_allow(terms)?;
    check_optional(terms)
}

fn check_party(party: &Party, number: usize) -> Result<(), Error> {
    let section = Section::Party(number);
    in_range(section, "rows_max", party.rows_max, 1, ROWS_MAX)?;
    if party.rows_min > party.rows_max {
        return Err(section.problem("rows_min", Problem::AboveMaximum));
    }
    counted(section, "key", party.key.len(), 1, KEY_PARTS_MAX)?;
    counted(section, "column", party.columns.len(), 1, COLUMNS_MAX)?;
    let mut names = HashSet::new();
    for (index, column) in party.columns.iter().enumerate() {
        let section = Section::Column(number, index + 1);
        if !names.insert(&column.name) {
            return Err(section.problem("name", Problem::Repeated));
        }
        check_column(column, section)?;
    }
    let mut parts = HashSet::new();
    for (index, part) in party.key.iter().enumerate() {
        let section = Section::Key(number, index + 1);
        if !parts.insert(&part.column) {
            return Err(section.problem("column", Problem::Repeated));
        }
        let Some(column) = party.column(&part.column) else {
            return Err(section.problem("column", Problem::KeyNotListed));
        };
        if column.column_use == ColumnUse::Never {
            return Err(section.problem("column", Problem::KeyNever));
        }
    }
    check_approvers(party, number)
}

/// A person counts once: neither a name nor a key is listed twice.
fn check_approvers(party: &Party, number: usize) -> Result<(), Error> {
    let section = Section::Party(number);
    let (got, approvers) = (party.approvals_min, party.approvers.len());
    counted(section, "approver", approvers, 0, APPROVERS_MAX)?;
    if approvers == 0 {
        return if got == 0 { Ok(()) } else { Err(section.problem("approvals_min", Problem::ApproversMissing)) };
    }
    if !usize::try_from(got).is_ok_and(|got| (1..=approvers).contains(&got)) {
        return Err(section.problem("approvals_min", Problem::ApprovalsMin { got, approvers }));
    }
    let (mut names, mut keys) = (HashSet::new(), HashSet::new());
    for (index, approver) in party.approvers.iter().enumerate() {
        let section = Section::Approver(number, index + 1);
        if !names.insert(approver.name.as_str().to_lowercase()) {
            return Err(section.problem("name", Problem::Repeated));
        }
        if !keys.insert(approver.key) {
            return Err(section.problem("key", Problem::Repeated));
        }
    }
    Ok(())
}

fn check_column(column: &Column, section: Section) -> Result<(), Error> {
    let is_text = column.column_type.as_str() == Column::TEXT;
    match column.bytes_max {
        None if is_text && column.column_use == ColumnUse::AfterMatch => {
            Err(section.problem("bytes_max", Problem::BytesMaxMissing))
        }
        Some(_) if !is_text => Err(section.problem("bytes_max", Problem::BytesMaxUnwanted)),
        Some(bytes) => in_range(section, "bytes_max", bytes.into(), 1, BYTES_MAX),
        None => Ok(()),
    }
}

fn check_pair([first, second]: &[Party; 2]) -> Result<(), Error> {
    let section = Section::Party(2);
    let equal = [
        ("name", first.name == second.name),
        ("organisation_key", first.organisation_key == second.organisation_key),
        ("tls_spki", first.tls_spki == second.tls_spki),
    ];
    if let Some((field, _)) = equal.into_iter().find(|(_, equal)| *equal) {
        return Err(section.problem(field, Problem::Repeated));
    }
    check_approver_keys(first, second)?;
    if first.key.len() != second.key.len() {
        return Err(section.problem("key", Problem::KindsDiffer));
    }
    let different = first.key.iter().zip(&second.key).position(|(one, other)| one.kind_name() != other.kind_name());
    different.map_or(Ok(()), |part| Err(Section::Key(2, part + 1).problem("kind", Problem::KindsDiffer)))
}

/// Nobody approves for both institutions, and no institution for itself.
fn check_approver_keys(first: &Party, second: &Party) -> Result<(), Error> {
    for (party, number) in [(first, 1), (second, 2)] {
        for (index, approver) in party.approvers.iter().enumerate() {
            let section = Section::Approver(number, index + 1);
            if [first, second].iter().any(|party| party.organisation_key == approver.key) {
                return Err(section.problem("key", Problem::ApproverKey));
            }
            if number == 2 && first.approver_of_key(&approver.key).is_some() {
                return Err(section.problem("key", Problem::Repeated));
            }
        }
    }
    Ok(())
}

fn check_optional(terms: &Terms) -> Result<(), Error> {
    let (top, optional) = (Section::Top, &terms.optional);
    let limits = [
        ("runs_per_period", optional.runs_per_period, terms.runs_max),
        ("rows_per_period", optional.rows_per_period, terms.rows_total_max),
    ];
    for (field, limit, total) in limits {
        let Some(limit) = limit else { continue };
        in_range(top, field, limit, 1, TOTAL_MAX)?;
        if limit > total {
            return Err(top.problem(field, Problem::AboveTotal));
        }
    }
    match (optional.period, limits.iter().any(|(_, limit, _)| limit.is_some())) {
        (None, true) => return Err(top.problem("period", Problem::PeriodMissing)),
        (Some(_), false) => return Err(top.problem("period", Problem::PeriodUnused)),
        _ => {}
    }
    for (field, limit) in [("snapshots_max", optional.snapshots_max), ("lookups_max", optional.lookups_max)] {
        limit.map_or(Ok(()), |limit| in_range(top, field, limit, 1, TOTAL_MAX))?;
    }
    let enriches = terms.allow.iter().any(|rule| rule.result == ResultKind::Enrich);
    if optional.release_count != ReleaseCount::None && !(enriches && terms.intersection_min > 0) {
        return Err(top.problem("release_count", Problem::NothingToRelease));
    }
    Ok(())
}

fn check_allow(terms: &Terms) -> Result<(), Error> {
    counted(Section::Top, "allow", terms.allow.len(), 1, ALLOW_MAX)?;
    let mut seen = HashSet::new();
    for (index, allowance) in terms.allow.iter().enumerate() {
        let section = Section::Allow(index + 1);
        if !seen.insert(allowance) {
            return Err(section.problem("protocol", Problem::Repeated));
        }
        check_semi_honest(terms, allowance.protocol).map_err(|problem| section.problem("protocol", problem))?;
        match (allowance.protocol, allowance.result, allowance.to) {
            (
                Protocol::EcdhOprf | Protocol::Rr22Silent | Protocol::Rr22SmallField,
                ResultKind::Match,
                Recipients::One(_),
            )
            | (Protocol::EcdhMutual, ResultKind::Match, Recipients::Both)
            | (Protocol::EcdhCardinality, ResultKind::Count, Recipients::One(_)) => {}
            (
                Protocol::EcdhOprf | Protocol::Rr22Silent | Protocol::Rr22SmallField,
                ResultKind::Enrich,
                Recipients::One(receiver),
            ) => {
                if owner(terms, receiver).columns_used(ColumnUse::AfterMatch).next().is_none() {
                    return Err(section.problem("result", Problem::NothingToGive));
                }
            }
            _ => return Err(section.problem(misfit(allowance.protocol, allowance.result), Problem::Combination)),
        }
    }
    Ok(())
}

/// Checks what the agreement says of protocols that protect only from parties that follow them.
fn check_semi_honest(terms: &Terms, protocol: Protocol) -> Result<(), Problem> {
    match terms.optional.semi_honest {
        Some(SemiHonest::Refused) if protocol.is_semi_honest() => Err(Problem::SemiHonestRefused),
        None if protocol.is_oblivious_transfer() => Err(Problem::SemiHonestUnsaid),
        _ => Ok(()),
    }
}

/// The party that owns what `receiver` is enriched with.
fn owner(terms: &Terms, receiver: Seat) -> &Party {
    &terms.parties[receiver.other().index()]
}

/// The field to change: the result if the protocol never gives it, else the recipients.
const fn misfit(protocol: Protocol, result: ResultKind) -> &'static str {
    match (protocol, result) {
        (
            Protocol::EcdhOprf | Protocol::Rr22Silent | Protocol::Rr22SmallField,
            ResultKind::Match | ResultKind::Enrich,
        )
        | (Protocol::EcdhMutual, ResultKind::Match)
        | (Protocol::EcdhCardinality, ResultKind::Count) => "to",
        _ => "result",
    }
}

fn in_range(section: Section, field: &'static str, got: u64, min: u64, max: u64) -> Result<(), Error> {
    if (min..=max).contains(&got) { Ok(()) } else { Err(section.problem(field, Problem::Range { min, max, got })) }
}

fn counted(section: Section, field: &'static str, got: usize, min: usize, max: usize) -> Result<(), Error> {
    if (min..=max).contains(&got) { Ok(()) } else { Err(section.problem(field, Problem::Count { min, max, got })) }
}
