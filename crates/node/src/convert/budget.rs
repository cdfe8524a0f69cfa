//! Budgets and alerts as messages of the control port.

use symbolon_wire::v1;

use crate::ops::budget::{Asked, BudgetView};
use crate::store::{AlertRecord, time_text};

pub(crate) fn budget(view: BudgetView) -> v1::Budget {
    let line = |line: crate::ops::budget::BudgetLine| v1::BudgetLine {
        budget: line.budget.to_owned(),
        unit: line.unit.to_owned(),
        party: line.party.unwrap_or_default(),
        limit: line.limit,
        spent: line.spent,
        left: line.left,
        resets_at: line.resets_at.unwrap_or_default(),
    };
    v1::Budget {
        agreement_id: hex::encode(view.agreement_id),
        lines: view.lines.into_iter().map(line).collect(),
        own: Some(asked(view.own)),
        other: Some(asked(view.other)),
    }
}

const fn asked(asked: Asked) -> v1::BudgetAsked {
    let Asked { runs, rows, inputs } = asked;
    v1::BudgetAsked { runs, rows, inputs }
}

pub(crate) fn alert(record: AlertRecord) -> v1::Alert {
    v1::Alert {
        id: record.id,
        agreement_id: hex::encode(record.agreement_id),
        peer: record.peer,
        job_id: record.job.to_string(),
        sign: record.sign.as_str().to_owned(),
        found: record.found,
        compared: record.compared,
        refused: record.refused,
        raised_at: time_text(record.raised_at),
        seen_at: record.seen_at.map(time_text).unwrap_or_default(),
        note: record.note.unwrap_or_default(),
    }
}
