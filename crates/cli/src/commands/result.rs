//! `symbolon result ...`

use serde_json::json;
use symbolon_node::home::Home;
use symbolon_node::ops::jobs::ResultView;
use symbolon_node::result::{ManifestFact, ManifestStatement};
use symbolon_node::store::JobState;

use super::Context;
use crate::args::ResultCommand;
use crate::exit::{Exit, Failure};
use crate::output::Report;
use crate::text::{self, count, plural};

pub(crate) async fn run(ResultCommand::Show { job }: ResultCommand, context: &Context) -> Result<Report, Failure> {
    let home = context.open().await?;
    let id = match job {
        Some(id) => id,
        None => newest(&home).await?,
    };
    of_job(&home, &id).await
}

/// The newest job that has a result.
async fn newest(home: &Home) -> Result<String, Failure> {
    const JOBS_MAX: u32 = 1_000;
    for job in home.job_list(JOBS_MAX).await? {
        if job.state == JobState::Done && home.store().result(job.id).await?.is_some() {
            return Ok(job.id.to_string());
        }
    }
    Err(Failure::new(Exit::Usage, "NOT_FOUND", "no job has a result yet").hint("see `symbolon job list`"))
}

/// The report on a finished job: counts, where the result lies, what each side learned.
pub(crate) async fn of_job(home: &Home, job: &str) -> Result<Report, Failure> {
    let record = home.job_show(job).await?;
    if record.state == JobState::Done && home.store().result(record.id).await?.is_none() {
        let human = format!("job {} is done; this side gets no result\n", record.id);
        return Ok(Report::new(human, json!({ "job": super::job::json_of(&record), "result": null })));
    }
    let view = home.result_show(job).await?;
    let json = json!({
        "job": super::job::json_of(&record),
        "result": {
            "matched": view.manifest.matched,
            "rows": view.record.rows,
            "file": view.file_path,
            "manifest_file": view.manifest_path,
            "manifest": view.manifest,
        },
    });
    Ok(Report::new(in_words(&view), json))
}

/// A result for people.
fn in_words(view: &ResultView) -> String {
    let manifest = &view.manifest;
    let (own, peer) = (&manifest.own, &manifest.peer);
    let mut pairs = vec![
        ("job", manifest.job.clone()),
        ("agreement", manifest.title.clone()),
        ("own table", format!("{}, {} declared", own.table, plural(own.rows_declared, "row", "rows"))),
        (
            "table of the peer",
            format!("{} of {}, {} declared", peer.table, peer.name, plural(peer.rows_declared, "row", "rows")),
        ),
    ];
    pairs.extend(manifest.matched.map(|matched| ("matched", count(matched))));
    pairs.extend(view.record.rows.map(|rows| ("rows of the result", count(rows))));
    pairs.extend(view.file_path.as_ref().map(|path| ("result", path.display().to_string())));
    pairs.push(("manifest", view.manifest_path.display().to_string()));
    format!(
        "{}\nWhat {} learned\n{}\nWhat {} learned\n{}\nWhat this does not promise\n{}",
        text::facts(&pairs),
        own.name,
        facts(&manifest.leakage.own.learns),
        peer.name,
        facts(&manifest.leakage.peer.learns),
        facts(&caveats(&manifest.leakage.own, &manifest.leakage.peer)),
    )
}

fn facts(items: &[ManifestFact]) -> String {
    items.iter().map(|item| format!("  - {}\n", item.sentence)).collect()
}

/// The caveats of both statements, each once.
fn caveats(own: &ManifestStatement, peer: &ManifestStatement) -> Vec<ManifestFact> {
    let mut all = own.caveats.clone();
    all.extend(peer.caveats.iter().filter(|item| own.caveats.iter().all(|other| other.key != item.key)).cloned());
    all
}
