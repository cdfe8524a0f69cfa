//! `symbolon budget`

use serde_json::{Value, json};
use symbolon_node::ops::budget::{BudgetLine, BudgetView};
use symbolon_policy::Epsilon;

use super::Context;
use crate::args::BudgetArgs;
use crate::exit::Failure;
use crate::output::Report;
use crate::text::{self, count};

pub(crate) async fn run(args: BudgetArgs, context: &Context) -> Result<Report, Failure> {
    let home = context.open().await?;
    let budgets = match &args.agreement {
        Some(id) => vec![home.budget(id).await?],
        None => home.budgets().await?,
    };
    let human = if budgets.is_empty() {
        "no agreement is in force: see symbolon agreement list\n".to_owned()
    } else {
        budgets.iter().map(in_words).collect::<Vec<_>>().join("\n")
    };
    Ok(Report::new(human, json!({ "budgets": budgets.iter().map(json_of).collect::<Vec<_>>() })))
}

fn in_words(view: &BudgetView) -> String {
    let short = hex(view.agreement_id);
    let rows: Vec<Vec<String>> = view
        .lines
        .iter()
        .map(|line| {
            let name = line
                .party
                .as_ref()
                .map_or_else(|| line.budget.to_owned(), |party| format!("{} of {party}", line.budget));
            let [limit, spent, left] = [line.limit, line.spent, line.left].map(|number| amount(line, number));
            vec![name, limit, spent, left, line.resets_at.clone().unwrap_or_default()]
        })
        .collect();
    let asked = |runs, rows, inputs| {
        let runs = text::plural(runs, "job", "jobs");
        let rows = text::plural(rows, "row", "rows");
        format!("{runs} started, {rows} asked about, {}", text::plural(inputs, "different input", "different inputs"))
    };
    let (own, other) = (view.own, view.other);
    format!(
        "{} with {} ({})\n{}{}",
        view.title,
        view.peer,
        &short[..16],
        text::columns(&["budget", "limit", "spent", "left", "begins anew"], &rows),
        text::facts(&[
            ("by this institution", asked(own.runs, own.rows, own.inputs)),
            ("by the partner", asked(other.runs, other.rows, other.inputs)),
        ])
    )
}

/// A count; epsilon as the amount it is.
fn amount(line: &BudgetLine, number: u64) -> String {
    if line.unit == "millionths" {
        return Epsilon::from_millionths(number).map_or_else(|_| count(number), |epsilon| epsilon.to_string());
    }
    count(number)
}

fn hex(bytes: [u8; 32]) -> String {
    symbolon_policy::AgreementId::from_bytes(bytes).to_string()
}

fn json_of(view: &BudgetView) -> Value {
    serde_json::to_value(view).unwrap_or_default()
}
