//! `symbolon result ...`

use std::path::Path;

use serde_json::json;
use symbolon_node::home::Home;
use symbolon_node::ops::jobs::ResultView;
use symbolon_node::result::{ManifestFact, ManifestStatement};
use symbolon_node::store::JobState;

use super::Context;
use crate::args::ResultCommand;
use crate::exit::{Exit, Failure};
use crate::output::Report;
use crate::prompt;
use crate::text::{self, count, plural};

pub(crate) async fn run(command: ResultCommand, context: &Context) -> Result<Option<Report>, Failure> {
    let home = context.open().await?;
    match command {
        ResultCommand::Show { job } => of_job(&home, &named(&home, job).await?, None).await.map(Some),
        ResultCommand::Export { job, output, force } => {
            let job = named(&home, job).await?;
            export(&home, &job, &output, force).await.map(Some)
        }
        ResultCommand::Cat { job } => cat(&home, &named(&home, job).await?).await.map(|()| None),
        ResultCommand::Delete { job, yes } => delete(&home, &job, yes, context).await.map(Some),
    }
}

async fn named(home: &Home, job: Option<String>) -> Result<String, Failure> {
    match job {
        Some(id) => Ok(id),
        None => newest(home).await,
    }
}

/// Refuses a name that is taken, before any work is done for it.
pub(crate) fn check_output(output: &Path, force: bool) -> Result<(), Failure> {
    if output.symlink_metadata().is_ok() && !force {
        return Err(Failure::new(Exit::Usage, "OUTPUT_EXISTS", format!("{} exists already", output.display()))
            .hint("choose another name, or overwrite it with --force"));
    }
    Ok(())
}

/// Decrypts the result of a job into `output`.
pub(crate) async fn write_out(home: &Home, job: &str, output: &Path, force: bool) -> Result<u64, Failure> {
    check_output(output, force)?;
    let file = home.result_file(job).await?;
    let rows = file.described().rows;
    let to = output.to_path_buf();
    let written = tokio::task::spawn_blocking(move || file.export(&to, force)).await;
    written.map_err(|_| Failure::new(Exit::Internal, "WORKER_STOPPED", "a worker stopped unexpectedly"))??;
    Ok(rows)
}

async fn export(home: &Home, job: &str, output: &Path, force: bool) -> Result<Report, Failure> {
    let rows = write_out(home, job, output, force).await?;
    let id = home.job_show(job).await?.id;
    let human = format!("{} of job {id}, checked: {}\n", plural(rows, "row", "rows"), output.display());
    Ok(Report::new(human, json!({ "job": { "id": id }, "file": output, "rows": rows })))
}

async fn cat(home: &Home, job: &str) -> Result<(), Failure> {
    let file = home.result_file(job).await?;
    let printed = tokio::task::spawn_blocking(move || {
        file.verify()?;
        file.copy(Path::new("standard output"), std::io::stdout().lock())
    });
    printed.await.map_err(|_| Failure::new(Exit::Internal, "WORKER_STOPPED", "a worker stopped unexpectedly"))??;
    Ok(())
}

/// `job delete` and `result delete`.
pub(crate) async fn delete(home: &Home, job: &str, yes: bool, context: &Context) -> Result<Report, Failure> {
    let id = home.job_show(job).await?.id;
    if !yes {
        let question = format!("Destroy the key of job {id} and remove its result for good?");
        prompt::confirm(context.output, &question, "say --yes")?;
    }
    let deletion = home.job_delete(&id.to_string()).await?;
    let at = deletion.deleted_at.to_rfc3339();
    let human = format!("job {id}: key destroyed, files removed ({at})\n");
    Ok(Report::new(human, json!({ "job": { "id": id, "deleted_at": at } })))
}

/// The newest job that has a result.
async fn newest(home: &Home) -> Result<String, Failure> {
    const JOBS_MAX: u32 = 1_000;
    for job in home.job_list(JOBS_MAX).await? {
        let result = home.store().result(job.id).await?;
        if job.state == JobState::Done && result.is_some_and(|result| result.deleted_at.is_none()) {
            return Ok(job.id.to_string());
        }
    }
    Err(Failure::new(Exit::Usage, "NOT_FOUND", "no job has a result yet").hint("see `symbolon job list`"))
}

/// The report on a finished job: counts, where the result lies, what each side learned.
pub(crate) async fn of_job(home: &Home, job: &str, exported: Option<&Path>) -> Result<Report, Failure> {
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
            "file": exported,
            "sealed_file": view.file_path,
            "deleted_at": view.record.deleted_at.map(|at| at.to_rfc3339()),
            "manifest_file": view.record.deleted_at.is_none().then_some(&view.manifest_path),
            "manifest": view.manifest,
        },
    });
    Ok(Report::new(in_words(&view, exported), json))
}

/// A result for people.
fn in_words(view: &ResultView, exported: Option<&Path>) -> String {
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
    pairs.extend(exported.map(|path| ("result", path.display().to_string())));
    match view.record.deleted_at {
        Some(at) => pairs.push(("deleted", at.to_rfc3339())),
        None => {
            pairs.extend(view.file_path.as_ref().map(|path| ("encrypted", path.display().to_string())));
            pairs.push(("manifest", view.manifest_path.display().to_string()));
        }
    }
    if exported.is_none() && view.file_path.is_some() {
        let id = view.job.to_string();
        pairs.push(("read it with", format!("symbolon result export {} -o FILE", &id[..12])));
    }
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
