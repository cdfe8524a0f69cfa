//! `symbolon audit ...`

use std::path::Path;

use serde_json::{Value, json};
use symbolon_node::ops::audit::{LoggedEntry, read_export};
use symbolon_policy::audit::{Bundle, Check, Value as Field};
use symbolon_primitives::sign::VerifyingKey;

use super::Context;
use crate::args::{AuditCommand, VerifyArgs};
use crate::exit::{Exit, Failure};
use crate::output::Report;
use crate::text;

pub(crate) async fn run(command: AuditCommand, context: &Context) -> Result<Option<Report>, Failure> {
    match command {
        AuditCommand::Log { limit, kind } => log(limit, kind.as_deref(), context).await.map(Some),
        AuditCommand::Show { position } => show(position, context).await.map(Some),
        AuditCommand::Checkpoint => {
            let note = context.open().await?.audit_checkpoint().await?;
            if context.output.is_json() {
                let checkpoint = note.checkpoint();
                return Ok(Some(Report::new(
                    "",
                    json!({
                        "log": checkpoint.origin.to_string(),
                        "size": checkpoint.size,
                        "root": Field::Hash(checkpoint.root).to_string(),
                        "note": note.to_string(),
                    }),
                )));
            }
            context.output.stdout(&note.to_string())?;
            Ok(None)
        }
        AuditCommand::Verify(args) => verify(&args, context).await.map(Some),
        AuditCommand::Export { directory } => export(&directory, context).await.map(Some),
    }
}

async fn log(limit: u64, kind: Option<&str>, context: &Context) -> Result<Report, Failure> {
    let home = context.open().await?;
    let (entries, size) = match kind {
        None => home.audit_log_end(limit).await?,
        Some(_) => home.audit_log(0, u64::MAX).await?,
    };
    let wanted: Vec<&LoggedEntry> =
        entries.iter().filter(|it| kind.is_none_or(|kind| it.entry.kind() == kind)).collect();
    let skipped = wanted.len().saturating_sub(usize::try_from(limit).unwrap_or(usize::MAX));
    let wanted = &wanted[skipped..];
    let mut human: String = wanted.iter().map(|logged| line(logged)).collect();
    human.push_str(&format!("{} of {} shown\n", wanted.len(), text::plural(size, "entry", "entries")));
    let entries: Vec<Value> = wanted.iter().map(|logged| json_of(logged)).collect();
    Ok(Report::new(human, json!({ "entries": entries, "size": size })))
}

/// An entry on one line: position, time, kind, fields with the beginnings of hashes.
fn line(logged: &LoggedEntry) -> String {
    let entry = &logged.entry;
    let shown = |(name, value): (&str, &Field)| match value {
        Field::Hash(_) | Field::Id(_) => format!("{name}={}", &value.to_string()[..8]),
        _ => format!("{name}={value}"),
    };
    let fields: Vec<String> = entry.fields().map(shown).collect();
    let time = entry.time().format("%Y-%m-%d %H:%M:%S");
    format!("{:>6}  {time}  {:<26} {}\n", logged.index, entry.kind(), fields.join(" "))
}

fn json_of(logged: &LoggedEntry) -> Value {
    let entry = &logged.entry;
    let fields: serde_json::Map<String, Value> = entry
        .fields()
        .map(|(name, value)| {
            let value = match value {
                Field::Number(number) => json!(number),
                other => json!(other.to_string()),
            };
            (name.to_owned(), value)
        })
        .collect();
    json!({
        "position": logged.index,
        "time": entry.time().to_rfc3339_opts(chrono::SecondsFormat::Millis, true),
        "kind": entry.kind(),
        "fields": fields,
    })
}

async fn show(position: u64, context: &Context) -> Result<Report, Failure> {
    let (entries, size) = context.open().await?.audit_log(position, 1).await?;
    let Some(logged) = entries.first() else {
        return Err(Failure::new(Exit::Usage, "NOT_FOUND", format!("the log has {size} entries, from 0"))
            .hint("see `symbolon audit log`"));
    };
    let entry = &logged.entry;
    let leaf = entry.leaf_hash().map(|hash| Field::Hash(hash).to_string()).unwrap_or_default();
    let time = entry.time().to_rfc3339_opts(chrono::SecondsFormat::Millis, true);
    let mut facts = vec![("position", position.to_string()), ("time", time), ("kind", entry.kind().to_owned())];
    facts.extend(entry.fields().map(|(name, value)| (name, value.to_string())));
    facts.push(("leaf hash", leaf.clone()));
    let mut json = json_of(logged);
    json["leaf_hash"] = json!(leaf);
    Ok(Report::new(text::facts(&facts), json))
}

async fn export(directory: &Path, context: &Context) -> Result<Report, Failure> {
    let view = context.open().await?.audit_export(directory).await?;
    let facts = [
        ("export", view.directory.display().to_string()),
        ("entries", view.entries.to_string()),
        ("vouched for by partners", text::plural(view.cosigned as u64, "checkpoint", "checkpoints")),
        ("seen of partners", text::plural(view.seen as u64, "checkpoint", "checkpoints")),
        ("contradictions of partners", view.conflicts.to_string()),
        ("receipts", view.receipts.to_string()),
        ("report", view.report.display().to_string()),
    ];
    let json = serde_json::to_value(&view).unwrap_or_default();
    Ok(Report::new(text::facts(&facts), json))
}

async fn verify(args: &VerifyArgs, context: &Context) -> Result<Report, Failure> {
    let checks = match &args.export {
        None => context.open().await?.audit_verify().await?,
        Some(export) => {
            let key = args.key.as_deref().map(key).transpose()?;
            let one = read_export(export, key)?;
            let mut checks = one.verify();
            if let Some(against) = &args.against {
                let two = told_apart(&one, read_export(against, None)?);
                checks.extend(two.verify());
                checks.extend(one.compare(&two));
            }
            checks
        }
    };
    conclude(&checks)
}

fn key(text: &str) -> Result<VerifyingKey, Failure> {
    text.parse().map_err(|_| {
        Failure::usage("--key is no organisation key").hint("copy it from the card: ed25519: and 44 letters and digits")
    })
}

/// Two directories of one name must not look like one in the report.
fn told_apart(one: &Bundle, mut two: Bundle) -> Bundle {
    if one.name == two.name {
        two.name.push_str(" (against)");
    }
    two
}

/// Says what was checked; a failed check is the failure of the command.
fn conclude(checks: &[Check]) -> Result<Report, Failure> {
    let json: Vec<Value> = checks
        .iter()
        .map(|check| {
            json!({
                "subject": check.subject,
                "statement": check.statement,
                "passed": check.passed(),
                "failure": check.failure.map(|failure| failure.label()),
            })
        })
        .collect();
    let failed: Vec<String> = checks
        .iter()
        .filter_map(|check| check.failure.map(|failure| format!("  failed  {}: {failure}", check.subject)))
        .collect();
    if failed.is_empty() {
        let passed = |check: &Check| format!("  ok  {}: {}\n", check.subject, check.statement);
        let lines: String = checks.iter().map(passed).collect();
        let human = format!("{lines}all {} passed\n", text::plural(checks.len() as u64, "check", "checks"));
        return Ok(Report::new(human, json!({ "verified": true, "checks": json })));
    }
    let message = format!("{} of {} checks failed\n{}", failed.len(), checks.len(), failed.join("\n"));
    Err(Failure::new(Exit::PeerMisbehaved, "AUDIT_FAILED", message)
        .hint(
            "keep these files as they are: they are the proof; ask the institution whose files failed to explain them",
        )
        .details(json!({ "verified": false, "checks": json })))
}
