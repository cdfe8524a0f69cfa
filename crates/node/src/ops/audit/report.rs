//! The report of an export: one page that needs nothing else and prints well.

use std::collections::BTreeMap;

use maud::{DOCTYPE, Markup, PreEscaped, html};
use symbolon_policy::audit::{Bundle, Check, Entry, Log, Value};

use super::ExportIndex;
use crate::error::describe;

const STYLE: &str = include_str!("report.css");

/// Hexadecimal digits of a hash that are shown.
const DIGITS: usize = 12;

/// A job as the log tells it.
#[derive(Debug, Default)]
struct Job<'a> {
    started: Option<&'a Entry>,
    finished: bool,
    receipt: Option<String>,
    ended: Option<&'a Entry>,
}

/// What a group of jobs amounts to.
#[derive(Debug, Default)]
struct Sum {
    done: u64,
    failed: u64,
    open: u64,
    receipts: u64,
    rows_own: u64,
    rows_peer: u64,
}

pub(super) fn html(index: &ExportIndex, log: &Log, bundle: &Bundle) -> String {
    let jobs = jobs(log);
    let checks = bundle.verify();
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { "Evidence of " (index.institution) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                (heading(index, log))
                (verified(&checks))
                (summary(index, &jobs))
                (job_table(index, &jobs))
                (decisions(index, log))
                (alerts(index, log))
                (others(index, log))
                (keys(index))
            }
        }
    };
    page.into_string()
}

fn jobs(log: &Log) -> Vec<Job<'_>> {
    let mut order: Vec<[u8; 16]> = Vec::new();
    let mut jobs: BTreeMap<[u8; 16], Job<'_>> = BTreeMap::new();
    for entry in log.entries() {
        let Some(Value::Id(id)) = entry.get("job") else { continue };
        let kind = entry.kind();
        if !matches!(kind, "job_started" | "job_finished" | "receipt" | "job_ended") {
            continue;
        }
        let job = jobs.entry(*id).or_insert_with(|| {
            order.push(*id);
            Job::default()
        });
        match kind {
            "job_started" => job.started = Some(entry),
            "job_finished" => job.finished = true,
            "receipt" => job.receipt = entry.get("receipt").map(short),
            _ => job.ended = Some(entry),
        }
    }
    order.iter().filter_map(|id| jobs.remove(id)).collect()
}

fn heading(index: &ExportIndex, log: &Log) -> Markup {
    let times = || log.entries().iter().map(Entry::time);
    let period = match (times().min(), times().max()) {
        (Some(first), Some(last)) => format!("{} to {}", first.format("%Y-%m-%d %H:%M"), last.format("%Y-%m-%d %H:%M")),
        _ => String::new(),
    };
    let checkpoint = log.checkpoint();
    html! {
        header {
            p.product { "symbolon · evidence" }
            h1 { (index.institution) }
            dl {
                div { dt { "Period (UTC)" } dd { (period) } }
                div { dt { "Entries" } dd { (checkpoint.size) } }
                div { dt { "Exported" } dd { (index.exported_at) } }
                div { dt { "Log" } dd.hash { (checkpoint.origin) } }
                div { dt { "Root" } dd.hash { (hex::encode(checkpoint.root)) } }
            }
        }
    }
}

fn verified(checks: &[Check]) -> Markup {
    let failed: Vec<&Check> = checks.iter().filter(|check| !check.passed()).collect();
    html! {
        section {
            h2 { "Verification when exported" }
            @if failed.is_empty() {
                p.good { "All " (checks.len()) " checks passed: the log, every checkpoint a partner vouched for, and every receipt hold." }
            } @else {
                p.bad { (failed.len()) " of " (checks.len()) " checks failed." }
                ul { @for check in failed { li { strong { (check.subject) } ": " (why(check)) } } }
            }
            p.note {
                "This page is for reading; the proof is in the files beside it. " code { "symbolon audit verify DIR" }
                " checks them without a network, and " code { "--against" } " compares them with the other party's."
            }
        }
    }
}

fn why(check: &Check) -> String {
    check.failure.map_or_else(String::new, |failure| failure.to_string())
}

fn summary(index: &ExportIndex, jobs: &[Job<'_>]) -> Markup {
    let mut groups: BTreeMap<(String, String, String), Sum> = BTreeMap::new();
    for job in jobs {
        let Some(started) = job.started else { continue };
        let month = started.time().format("%Y-%m").to_string();
        let group = (partner(index, started.get("peer")), agreement(index, started.get("agreement")), month);
        let sum = groups.entry(group).or_default();
        match job.state().as_str() {
            "done" => sum.done += 1,
            "open" => sum.open += 1,
            _ => sum.failed += 1,
        }
        sum.receipts += u64::from(job.receipt.is_some());
        sum.rows_own += number(started, "rows_own");
        sum.rows_peer += number(started, "rows_peer");
    }
    html! {
        section {
            h2 { "Summary" }
            @if groups.is_empty() { p.note { "No job has run." } } @else {
                table {
                    thead { tr {
                        th { "Partner" } th { "Agreement" } th { "Month" } th.number { "Done" } th.number { "Failed" }
                        th.number { "Receipts" } th.number { "Own rows" } th.number { "Partner's rows" }
                    } }
                    tbody { @for ((partner, agreement, month), sum) in &groups { tr {
                        td data-label="Partner" { (partner) } td data-label="Agreement" { (agreement) }
                        td data-label="Month" { (month) } td.number data-label="Done" { (sum.done) }
                        td.number data-label="Failed" { (sum.failed) @if sum.open > 0 { " (" (sum.open) " open)" } }
                        td.number data-label="Receipts" { (sum.receipts) }
                        td.number data-label="Own rows" { (grouped(sum.rows_own)) }
                        td.number data-label="Partner's rows" { (grouped(sum.rows_peer)) }
                    } } }
                }
                p.note { "Rows are those declared, rounded up as the agreements say. How many matched is not in the log." }
            }
        }
    }
}

fn job_table(index: &ExportIndex, jobs: &[Job<'_>]) -> Markup {
    html! {
        section {
            h2 { "Jobs" }
            @if jobs.is_empty() { p.note { "None." } } @else {
                table {
                    thead { tr {
                        th { "Started (UTC)" } th { "Partner" } th { "Agreement" } th { "What" }
                        th.number { "Rows own / partner" } th { "End" } th { "Receipt" }
                    } }
                    tbody { @for job in jobs { (job_row(index, job)) } }
                }
            }
        }
    }
}

fn job_row(index: &ExportIndex, job: &Job<'_>) -> Markup {
    let shown = job.started.or(job.ended);
    let time = shown.map_or_else(String::new, |entry| entry.time().format("%Y-%m-%d %H:%M:%S").to_string());
    let field = |name: &str| job.started.and_then(|entry| entry.get(name));
    let word = |name: &str| field(name).map_or_else(String::new, ToString::to_string);
    let state = job.state();
    let reason = job.ended.and_then(|entry| entry.get("reason")).map(ToString::to_string);
    html! {
        tr {
            td data-label="Started" { (time) }
            td data-label="Partner" { (partner(index, field("peer"))) }
            td data-label="Agreement" { (agreement(index, field("agreement"))) }
            td data-label="What" { span { (word("result")) " " span.note { (word("protocol")) ", " (word("side")) } } }
            td.number data-label="Rows" {
                @if let Some(started) = job.started {
                    (grouped(number(started, "rows_own"))) " / " (grouped(number(started, "rows_peer")))
                }
            }
            td data-label="End" {
                span.good[state == "done"].bad[state != "done"] { (state) }
                @if let Some(reason) = reason { br; span.note { (explained(&reason)) } }
            }
            td.hash data-label="Receipt" { (job.receipt.as_deref().unwrap_or("none")) }
        }
    }
}

fn decisions(index: &ExportIndex, log: &Log) -> Markup {
    let mut counts: BTreeMap<(String, String, String), u64> = BTreeMap::new();
    for entry in log.entries() {
        let who = entry
            .get("peer")
            .map_or_else(|| agreement(index, entry.get("agreement")), |peer| partner(index, Some(peer)));
        let text = |name: &str| entry.get(name).map(ToString::to_string);
        let row = match entry.kind() {
            "decision" => (text("action"), text("reason").or_else(|| text("answer")), who),
            "calls_refused" => (Some("calls".to_owned()), text("reason"), who),
            "job_refused" => (Some("offer of a job".to_owned()), text("reason"), who),
            _ => continue,
        };
        let weight = if entry.kind() == "calls_refused" { number(entry, "calls").max(1) } else { 1 };
        *counts.entry((row.0.unwrap_or_default(), row.1.unwrap_or_default(), row.2)).or_default() += weight;
    }
    html! {
        section {
            h2 { "Decisions" }
            @if counts.is_empty() { p.note { "None recorded." } } @else {
                table {
                    thead { tr { th { "About" } th { "Answer" } th { "Agreement or partner" } th.number { "Times" } } }
                    tbody { @for ((about, answer, who), times) in &counts { tr {
                        td data-label="About" { (about) } td data-label="Answer" { (explained(answer)) }
                        td data-label="With" { (who) } td.number data-label="Times" { (times) }
                    } } }
                }
            }
        }
    }
}

/// Kinds that somebody has to look at.
fn alarming(kind: &str) -> bool {
    kind.contains("alert") || matches!(kind, "peer_log_forked" | "log_repaired" | "log_damaged")
}

fn alerts(index: &ExportIndex, log: &Log) -> Markup {
    events(index, log, "Alerts", "None.", alarming)
}

fn others(index: &ExportIndex, log: &Log) -> Markup {
    let shown = ["job_started", "job_finished", "job_ended", "job_refused", "receipt", "decision", "calls_refused"];
    let rest = |kind: &str| !alarming(kind) && !shown.contains(&kind) && kind != "peer_checkpoint_cosigned";
    events(index, log, "Agreements, keys and other events", "None.", rest)
}

fn events(index: &ExportIndex, log: &Log, title: &str, none: &str, wanted: impl Fn(&str) -> bool) -> Markup {
    let entries: Vec<&Entry> = log.entries().iter().filter(|entry| wanted(entry.kind())).collect();
    html! {
        section {
            h2 { (title) }
            @if entries.is_empty() { p.note { (none) } } @else {
                table {
                    thead { tr { th { "Time (UTC)" } th { "Event" } th { "Details" } } }
                    tbody { @for entry in entries { tr {
                        td data-label="Time" { (entry.time().format("%Y-%m-%d %H:%M:%S")) }
                        td data-label="Event" { (entry.kind().replace('_', " ")) }
                        td data-label="Details" { (details(index, entry)) }
                    } } }
                }
            }
        }
    }
}

fn details(index: &ExportIndex, entry: &Entry) -> String {
    let one = |(name, value): (&str, &Value)| match name {
        "peer" => format!("partner {}", partner(index, Some(value))),
        "agreement" => format!("agreement {}", agreement(index, Some(value))),
        name => format!("{} {}", name.replace('_', " "), short(value)),
    };
    entry.fields().map(one).collect::<Vec<_>>().join(", ")
}

fn keys(index: &ExportIndex) -> Markup {
    html! {
        section {
            h2 { "Organisation keys" }
            table {
                thead { tr { th { "Institution" } th { "Key" } } }
                tbody {
                    tr { td data-label="Institution" { (index.institution) } td.hash data-label="Key" { (index.organisation_key) } }
                    @for partner in &index.partners { tr {
                        td data-label="Institution" { (partner.institution) }
                        td.hash data-label="Key" { (partner.organisation_key) }
                    } }
                }
            }
        }
    }
}

impl Job<'_> {
    /// The state the log shows last.
    fn state(&self) -> String {
        let ended = self.ended.and_then(|entry| entry.get("state")).map(ToString::to_string);
        ended.unwrap_or_else(|| if self.finished { "ended without a record" } else { "open" }.to_owned())
    }
}

fn partner(index: &ExportIndex, key: Option<&Value>) -> String {
    let Some(Value::Hash(key)) = key else { return String::new() };
    let text = symbolon_primitives::sign::VerifyingKey::from_bytes(key).map(|key| key.to_string()).unwrap_or_default();
    let known = index.partners.iter().find(|partner| partner.organisation_key == text);
    known.map_or_else(|| hex::encode(key)[..DIGITS].to_owned(), |partner| partner.institution.clone())
}

fn agreement(index: &ExportIndex, id: Option<&Value>) -> String {
    let Some(Value::Hash(id)) = id else { return String::new() };
    let id = hex::encode(id);
    let known = index.agreements.iter().find(|agreement| agreement.id == id);
    known.map_or_else(|| id[..DIGITS].to_owned(), |agreement| agreement.title.clone())
}

/// A documented reason in words, any other word as it is.
fn explained(word: &str) -> String {
    describe(word).map_or_else(|| word.to_owned(), |described| described.sentence.to_owned())
}

fn short(value: &Value) -> String {
    let text = value.to_string();
    match value {
        Value::Hash(_) | Value::Id(_) => format!("{}…", &text[..DIGITS]),
        _ => text,
    }
}

fn number(entry: &Entry, name: &str) -> u64 {
    match entry.get(name) {
        Some(Value::Number(number)) => *number,
        _ => 0,
    }
}

/// A number with thin gaps between groups of three digits.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() * 2);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push('\u{202F}');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_gaps_between_groups_of_three() {
        assert_eq!(grouped(0), "0");
        assert_eq!(grouped(999), "999");
        assert_eq!(grouped(1000), "1\u{202F}000");
        assert_eq!(grouped(12_345_678), "12\u{202F}345\u{202F}678");
    }
}
