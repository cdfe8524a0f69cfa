//! `symbolon policy ...`

use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use serde_json::json;
use symbolon_node::gate::Stage;
use symbolon_node::home::Home;
use symbolon_node::ops::policies::{ExplainedDecision, Question};
use symbolon_policy::cedar::{PolicyProblem, SCHEMA, Source};

use super::{Context, read_document};
use crate::args::{ExplainArgs, Phase, PolicyCommand};
use crate::exit::{Exit, Failure};
use crate::output::Report;
use crate::text::{self, plural};

pub(crate) async fn run(command: PolicyCommand, context: &Context) -> Result<Option<Report>, Failure> {
    if matches!(command, PolicyCommand::Schema) {
        if context.output.is_json() {
            return Ok(Some(Report::new("", json!({ "schema": SCHEMA }))));
        }
        context.output.stdout(SCHEMA)?;
        return Ok(None);
    }
    let home = context.open().await?;
    let report = match command {
        PolicyCommand::Check { files } => check(&home, &files).await?,
        PolicyCommand::List => list(&home).await?,
        PolicyCommand::Show { id } => show(&home, &id).await?,
        PolicyCommand::Explain(args) => explain(&home, args).await?,
        PolicyCommand::Log { limit } => log(&home, limit).await?,
        PolicyCommand::Schema => return Ok(None),
    };
    Ok(Some(report))
}

async fn check(home: &Home, files: &[PathBuf]) -> Result<Report, Failure> {
    let sources = files.iter().map(|path| source(path)).collect::<Result<Vec<_>, _>>()?;
    let checked = home.policy_check((!files.is_empty()).then_some(sources)).await?;
    let Some(set) = checked.set else {
        let mut lines = checked.problems.iter().map(PolicyProblem::to_string);
        let first = lines.next().unwrap_or_default();
        let message = lines.fold(first, |text, line| format!("{text}\n{line}"));
        let failure = Failure::new(Exit::BadInput, "POLICIES_UNUSABLE", message);
        return Err(failure
            .hint("see `symbolon policy schema` for what policies can speak of")
            .details(json!({ "problems": checked.problems })));
    };
    let own = set.policies.iter().filter(|policy| policy.file != symbolon_policy::cedar::DEFAULT_NAME);
    let own = u64::try_from(own.count()).unwrap_or(u64::MAX);
    let human = format!("{} beside the shipped ones fit the schema\n", plural(own, "policy", "policies"));
    Ok(Report::new(human, json!({ "policies": set.policies, "digest": set.digest })))
}

fn source(path: &Path) -> Result<Source, Failure> {
    let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
    Ok(Source { name, text: read_document(path)? })
}

async fn list(home: &Home) -> Result<Report, Failure> {
    let set = home.policy_list().await?;
    let effect = |forbids| if forbids { "forbid" } else { "permit" };
    let rows: Vec<Vec<String>> = set
        .policies
        .iter()
        .map(|policy| {
            let place = format!("{}:{}", policy.file, policy.line);
            vec![policy.id.clone(), effect(policy.forbids).to_owned(), place, policy.reason.clone()]
        })
        .collect();
    let table = text::columns(&["policy", "effect", "place", "reason"], &rows);
    let place = set.directory.display().to_string();
    let human = format!("{table}\n{}", text::facts(&[("own policies", place), ("digest", set.digest.clone())]));
    Ok(Report::new(human, json!(set)))
}

async fn show(home: &Home, id: &str) -> Result<Report, Failure> {
    let policy = home.policy_show(id).await?;
    Ok(Report::new(format!("// {}:{}\n{}\n", policy.file, policy.line, policy.text), json!(policy)))
}

async fn explain(home: &Home, args: ExplainArgs) -> Result<Report, Failure> {
    if let Some(job) = &args.job {
        let decisions = home.policy_explain_job(job).await?;
        let human: String = decisions.iter().map(in_words).collect();
        return Ok(Report::new(human, json!({ "decisions": decisions })));
    }
    let answer = home.policy_explain(&question(args)?).await?;
    let head = if answer.allowed { "permitted" } else { "refused" };
    let human = answer.words.iter().fold(format!("{head}\n"), |text, line| format!("{text}  - {line}\n"));
    Ok(Report::new(human, json!(answer)))
}

fn question(args: ExplainArgs) -> Result<Question, Failure> {
    let stage = match args.phase {
        Phase::Offer => Stage::Offer,
        Phase::Accept => Stage::Accept,
        Phase::Batch => Stage::Batch,
        Phase::Release => Stage::Release,
    };
    let wrong = |what: &str, value: &str| Failure::usage(format!("\"{value}\" is no {what} of an agreement"));
    let protocol = args.protocol.map(|word| word.parse().map_err(|_| wrong("protocol", &word))).transpose()?;
    let result = args.result.map(|word| word.parse().map_err(|_| wrong("result", &word))).transpose()?;
    let time = |text: &str| {
        let parsed = text.parse::<DateTime<Utc>>();
        parsed.map_err(|_| Failure::usage("--at is no time").hint("write it as 2026-12-24T03:00:00Z"))
    };
    Ok(Question {
        agreement: args.agreement.unwrap_or_default(),
        stage: Some(stage),
        by_partner: args.by_partner,
        protocol,
        result,
        rows_own: args.rows_own,
        rows_peer: args.rows_peer,
        at: args.at.as_deref().map(time).transpose()?,
    })
}

async fn log(home: &Home, limit: u32) -> Result<Report, Failure> {
    let decisions = home.policy_log(limit).await?;
    let rows: Vec<Vec<String>> = decisions
        .iter()
        .map(|decision| {
            let record = &decision.record;
            let answer = if record.allowed { "permitted".to_owned() } else { record.reason.clone() };
            let job = record.job.map(|job| job.to_string()).unwrap_or_default();
            let why = decision.words.first().cloned().unwrap_or_default();
            vec![record.at.to_rfc3339(), record.action.clone(), answer, job, why]
        })
        .collect();
    let human = if rows.is_empty() {
        "nothing has been decided yet\n".to_owned()
    } else {
        text::columns(&["time", "action", "answer", "job", "why"], &rows)
    };
    Ok(Report::new(human, json!({ "decisions": decisions })))
}

/// A decision with what brought it about.
fn in_words(decision: &ExplainedDecision) -> String {
    let record = &decision.record;
    let answer = if record.allowed { "permitted".to_owned() } else { format!("refused ({})", record.reason) };
    let checks = match record.checks {
        0 | 1 => String::new(),
        checks => format!(", {} times", text::count(checks)),
    };
    let mut text = format!("{}  {}: {answer}{checks}\n", record.at.to_rfc3339(), record.action);
    for line in &decision.words {
        text.push_str(&format!("  - {line}\n"));
    }
    match &decision.now {
        Some(now) if now.allowed != record.allowed => {
            let now = if now.allowed { "permit" } else { "forbid" };
            text.push_str(&format!("  - the policies in force now would {now} it\n"));
        }
        _ if !decision.same_set => text.push_str("  - the set of policies has changed since\n"),
        _ => {}
    }
    text
}
