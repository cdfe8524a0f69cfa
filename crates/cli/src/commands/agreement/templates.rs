//! `symbolon agreement templates`

use serde_json::{Value, json};
use symbolon_node::ops::draft::{DraftAllow, DraftRecipient};
use symbolon_node::ops::templates::Template;
use symbolon_policy::ReleaseCount;

use crate::exit::Failure;
use crate::output::Report;
use crate::text::{self, count, plural};

pub(super) fn list() -> Result<Report, Failure> {
    let templates = Template::all()?;
    let human = templates.iter().map(in_words).collect::<Vec<_>>().join("\n");
    let next =
        "\nsymbolon agreement draft --template NAME starts from one; an argument takes the place of what it says.\n";
    Ok(Report::new(human + next, json!({ "templates": templates.iter().map(json_of).collect::<Vec<_>>() })))
}

fn in_words(template: &Template) -> String {
    let rules: Vec<String> =
        template.allow.iter().map(|rule| format!("{} by {}, for {}", rule.result, rule.protocol, whom(rule))).collect();
    let mut minimum = format!("{} of either table", plural(template.rows_min, "row", "rows"));
    if template.intersection_min > 0 {
        minimum.push_str(&format!(", {}", plural(template.intersection_min, "matched key", "matched keys")));
    }
    minimum.push_str(match template.optional.release_count {
        ReleaseCount::Bit => " (held by the owner of the columns, who learns whether it is reached)",
        ReleaseCount::Count => " (held by the owner of the columns, who learns the number)",
        _ => "",
    });
    let mut budget = plural(template.runs_max, "job", "jobs");
    if let (Some(runs), Some(period)) = (template.optional.runs_per_period, template.optional.period) {
        budget.push_str(&format!(", {} a {period}", count(runs)));
    }
    if let Some(snapshots) = template.optional.snapshots_max {
        budget.push_str(&format!(", {} of either table", plural(snapshots, "state", "states")));
    }
    budget.push_str(&format!(", within {}", plural(template.valid_days.into(), "day", "days")));
    let facts = text::facts(&[
        ("allows", rules.join("; ")),
        ("at least", minimum),
        ("at most", budget),
        ("approvals", format!("{} of ours, {} of the partner's", template.approvals_own, template.approvals_partner)),
        ("padding", template.padding.as_str().to_owned()),
    ]);
    let facts: String = facts.lines().map(|line| format!("  {line}\n")).collect();
    format!("{}: {}\n{facts}", template.name, template.summary)
}

const fn whom(rule: &DraftAllow) -> &'static str {
    match rule.to {
        DraftRecipient::Own => "us",
        DraftRecipient::Peer => "peer",
        DraftRecipient::Both => "both",
    }
}

fn json_of(template: &Template) -> Value {
    let rule = |rule: &DraftAllow| json!({ "protocol": rule.protocol.as_str(), "result": rule.result.as_str(), "to": whom(rule) });
    let optional = &template.optional;
    json!({
        "name": template.name,
        "summary": template.summary,
        "purpose": template.purpose,
        "padding": template.padding.as_str(),
        "days": template.valid_days,
        "allow": template.allow.iter().map(rule).collect::<Vec<_>>(),
        "rows_min": template.rows_min,
        "matched_min": template.intersection_min,
        "release": optional.release_count.as_str(),
        "runs": template.runs_max,
        "period": optional.period.map(|period| period.as_str()),
        "period_runs": optional.runs_per_period,
        "snapshots": optional.snapshots_max,
        "approvals": template.approvals_own,
        "peer_approvals": template.approvals_partner,
        "document": template.document,
    })
}
