//! `symbolon alert ...`

use serde_json::{Value, json};
use symbolon_node::store::AlertRecord;
use symbolon_policy::probing::Sign;

use super::Context;
use crate::args::AlertCommand;
use crate::exit::Failure;
use crate::output::Report;
use crate::text;

pub(crate) async fn run(command: AlertCommand, context: &Context) -> Result<Report, Failure> {
    let home = context.open().await?;
    match command {
        AlertCommand::List { limit } => Ok(list(&home.alert_list(limit).await?)),
        AlertCommand::Show { alert } => Ok(show(&home.alert_show(alert).await?)),
        AlertCommand::Ack { alert, note } => Ok(show(&home.alert_ack(alert, note.as_deref()).await?)),
    }
}

fn list(alerts: &[AlertRecord]) -> Report {
    let rows: Vec<Vec<String>> = alerts
        .iter()
        .map(|alert| {
            let seen = if alert.seen_at.is_some() { "looked into" } else { "open" };
            let sign = alert.sign.as_str().to_owned();
            vec![alert.id.to_string(), seen.to_owned(), sign, alert.peer.clone(), alert.job.to_string(), time(alert)]
        })
        .collect();
    let human = if rows.is_empty() {
        "no alerts\n".to_owned()
    } else {
        text::columns(&["alert", "state", "sign", "partner", "job", "found at"], &rows)
    };
    Report::new(human, json!({ "alerts": alerts.iter().map(json_of).collect::<Vec<_>>() }))
}

fn show(alert: &AlertRecord) -> Report {
    let mut facts = vec![
        ("alert", alert.id.to_string()),
        ("sign", alert.sign.as_str().to_owned()),
        ("what it means", meaning(alert)),
        ("partner", alert.peer.clone()),
        ("agreement", symbolon_policy::AgreementId::from_bytes(alert.agreement_id).short()),
        ("job", alert.job.to_string()),
        ("the job was", if alert.refused { "refused" } else { "run" }.to_owned()),
        ("found at", time(alert)),
    ];
    if let Some(seen_at) = alert.seen_at {
        facts.push(("looked into at", seen_at.to_rfc3339()));
    }
    if let Some(note) = &alert.note {
        facts.push(("note", note.clone()));
    }
    Report::new(text::facts(&facts), json!({ "alert": json_of(alert) }))
}

fn meaning(alert: &AlertRecord) -> String {
    let (found, compared) = (text::count(alert.found), text::count(alert.compared));
    match alert.sign {
        Sign::TinySet => format!("the partner asked about {found} rows; fewer than {compared} can be a probe"),
        Sign::SizeJump => format!("the partner asked about {found} rows; the median of its earlier jobs is {compared}"),
        Sign::SizeSeries => format!("the partner asked with {found} row counts near one another"),
        Sign::InputChanges => format!("the partner asked with {found} different inputs in a short time"),
        Sign::InputOverlap => format!(
            "this institution asked with an input that differs from an earlier one by about {found} keys, so the two \
             results together tell of these"
        ),
        other => other.as_str().to_owned(),
    }
}

fn time(alert: &AlertRecord) -> String {
    alert.raised_at.to_rfc3339()
}

fn json_of(alert: &AlertRecord) -> Value {
    serde_json::to_value(alert).unwrap_or_default()
}
