//! `symbolon join`, `count` and `job ...`

use std::path::Path;

use serde_json::{Value, json};
use symbolon_node::control_client::{ControlClient, JobReport, JobRequest};
use symbolon_node::home::Home;
use symbolon_node::store::{JobRecord, JobState};
use symbolon_policy::{Agreement, ColumnUse, Protocol, ResultKind, Seat};
use tokio_stream::{Stream, StreamExt};

use super::agreement::{self, Stored};
use super::{Context, result};
use crate::args::{CountArgs, JobCommand, JoinArgs, RequestArgs};
use crate::exit::{Exit, Failure};
use crate::output::Report;
use crate::progress::{Meter, Tick};
use crate::text::{self, count as number};

pub(crate) async fn run(command: JobCommand, context: &Context) -> Result<Report, Failure> {
    match command {
        JobCommand::List { limit } => list(limit, context).await,
        JobCommand::Show { job } => show(&job, context).await,
        JobCommand::Watch { job } => watch(&job, context).await,
        JobCommand::Cancel { job } => cancel(&job, context).await,
        JobCommand::Delete { job, yes } => result::delete(&context.open().await?, &job, yes, context).await,
    }
}

pub(crate) async fn join(args: JoinArgs, context: &Context) -> Result<Report, Failure> {
    let home = context.open().await?;
    let client = connect(&home).await?;
    let stored = agreement::in_force(&home, args.request.agreement.as_deref()).await?;
    let (agreement, own) = (stored.agreement(), stored.own_seat());
    let none = args.columns == ["none"];
    let enriches = !none && (!args.columns.is_empty() || gives_columns(agreement, own));
    let result = if enriches { ResultKind::Enrich } else { ResultKind::Match };
    let protocol = match args.protocol.as_deref() {
        Some(word) => word.parse().map_err(|_| Failure::usage("--protocol: no such protocol"))?,
        None => allowed(agreement, own, result).unwrap_or(Protocol::EcdhOprf),
    };
    let format = args.format.parse().map_err(|error| Failure::usage(format!("--format: {error}")))?;
    let request = JobRequest {
        request_id: args.request.request_id.clone(),
        agreement_id: agreement.id().to_string(),
        protocol: Some(protocol),
        result: Some(result),
        columns: if none { Vec::new() } else { args.columns },
        own_columns: args.own_columns,
        output: Some(format),
    };
    let output = args.output.as_deref().map(|path| (path, args.force));
    start(request, &args.request, &stored, (&home, client), output, context).await
}

pub(crate) async fn count(args: CountArgs, context: &Context) -> Result<Report, Failure> {
    let home = context.open().await?;
    let client = connect(&home).await?;
    let stored = agreement::in_force(&home, args.request.agreement.as_deref()).await?;
    let own = stored.own_seat();
    let protocol = allowed(stored.agreement(), own, ResultKind::Count).unwrap_or(Protocol::EcdhCardinality);
    let request = JobRequest {
        request_id: args.request.request_id.clone(),
        agreement_id: stored.agreement().id().to_string(),
        protocol: Some(protocol),
        result: Some(ResultKind::Count),
        ..JobRequest::default()
    };
    start(request, &args.request, &stored, (&home, client), None, context).await
}

/// Whether some rule gives us the partner's columns.
fn gives_columns(agreement: &Agreement, own: Seat) -> bool {
    allowed(agreement, own, ResultKind::Enrich).is_some()
        && agreement.party(own.other()).columns_used(ColumnUse::AfterMatch).next().is_some()
}

/// The first protocol that gives us this kind of result.
fn allowed(agreement: &Agreement, own: Seat, result: ResultKind) -> Option<Protocol> {
    let mut rules = agreement.terms().allow.iter();
    rules.find(|rule| rule.result == result && rule.to.include(own)).map(|rule| rule.protocol)
}

async fn connect(home: &Home) -> Result<ControlClient, Failure> {
    Ok(ControlClient::connect(home.settings().control_socket()).await?)
}

/// Creates the job and, unless told otherwise, stays with it to its end.
async fn start(
    request: JobRequest,
    args: &RequestArgs,
    stored: &Stored,
    (home, mut client): (&Home, ControlClient),
    output: Option<(&Path, bool)>,
    context: &Context,
) -> Result<Report, Failure> {
    if let Some((path, force)) = output {
        result::check_output(path, force)?;
    }
    let protocol = request.protocol.map(Protocol::as_str).unwrap_or_default();
    let job = client.create_job(request).await?;
    context.output.note(&format!("job {job}: {protocol} with {} under \"{}\"", stored.peer_name(), stored.title()));
    if args.detach {
        let human = format!("job {job} was started: symbolon job watch {job}\n");
        return Ok(Report::new(human, json!({ "job": { "id": job } })));
    }
    let reports = client.watch(&job).await?;
    let end = follow(reports, context, async || {
        context.output.note("cancelling");
        client.cancel(&job).await
    });
    finish(&end.await?, &job, home, output).await
}

async fn watch(job: &str, context: &Context) -> Result<Report, Failure> {
    let home = context.open().await?;
    let job = home.job_show(job).await?.id.to_string();
    let mut client = connect(&home).await?;
    let reports = client.watch(&job).await?;
    let left = || {
        Failure::new(Exit::Cancelled, "INTERRUPTED_HERE", format!("stopped watching; job {job} goes on"))
            .hint(format!("symbolon job watch {job}, or symbolon job cancel {job}"))
    };
    let end = tokio::select! {
        end = follow(reports, context, async || Ok(())) => end?,
        _ = tokio::signal::ctrl_c() => return Err(left()),
    };
    finish(&end, &job, &home, None).await
}

/// Shows the reports until the last one and returns it. Ctrl-C runs `interrupted` and keeps following.
async fn follow<S>(
    mut reports: S,
    context: &Context,
    mut interrupted: impl AsyncFnMut() -> Result<(), symbolon_node::Error>,
) -> Result<JobReport, Failure>
where
    S: Stream<Item = Result<JobReport, symbolon_node::Error>> + Unpin,
{
    let mut meter = Meter::new(context.output);
    let mut last = None;
    loop {
        let report = tokio::select! {
            report = reports.next() => report,
            signal = tokio::signal::ctrl_c(), if last.as_ref().is_none_or(unfinished) => {
                if signal.is_ok() {
                    interrupted().await?;
                }
                continue;
            }
        };
        match report {
            Some(Ok(report)) => {
                meter.show(&tick(&report));
                last = Some(report);
            }
            Some(Err(error)) => {
                meter.finish();
                return Err(went_away(error));
            }
            None => break,
        }
    }
    meter.finish();
    last.filter(|report| !unfinished(report)).ok_or_else(|| {
        Failure::new(Exit::NodeNotRunning, "NODE_NOT_RUNNING", "the node stopped before the job had ended")
            .hint("start `symbolon serve` again and look at `symbolon job list`")
    })
}

const fn unfinished(report: &JobReport) -> bool {
    !report.state.is_final()
}

/// The node was there when the job was created: say so, since the job's fate is not known here.
fn went_away(error: symbolon_node::Error) -> Failure {
    let failure = Failure::from(error);
    if failure.exit == Exit::NodeNotRunning {
        return Failure::new(failure.exit, &failure.reason, "the node stopped while the job ran")
            .hint("start `symbolon serve` again; the job will show as failed in `symbolon job list`");
    }
    failure
}

fn tick(report: &JobReport) -> Tick {
    let state = report.state.as_str();
    let phase = if report.phase.is_empty() || report.phase == state {
        state.to_owned()
    } else {
        format!("{state}, {}", report.phase)
    };
    Tick {
        phase,
        rows_done: report.rows_done,
        rows_total: report.rows_total,
        bytes_sent: report.bytes_sent,
        bytes_received: report.bytes_received,
        eta_seconds: report.eta_seconds,
    }
}

/// What the end of a job means: a result to show, or a failure with its exit code.
async fn finish(end: &JobReport, job: &str, home: &Home, output: Option<(&Path, bool)>) -> Result<Report, Failure> {
    if end.state == JobState::Done {
        if let Some((path, force)) = output {
            let hint = format!("the job is done: symbolon result export {job} -o FILE");
            result::write_out(home, job, path, force).await.map_err(|failure| failure.hint(hint))?;
        }
        return result::of_job(home, job, output.map(|(path, _)| path)).await;
    }
    let failure = end.failure.as_ref();
    let reason = failure.map_or("CANCELLED", |failure| failure.reason.as_str());
    let incident = failure.and_then(|failure| failure.incident.as_deref());
    let resets_at = failure.and_then(|failure| failure.resets_at);
    Err(Failure::of_job(reason, incident).resets_at(resets_at).details(json!({ "job": job })))
}

async fn cancel(job: &str, context: &Context) -> Result<Report, Failure> {
    let home = context.open().await?;
    let record = home.job_show(job).await?;
    let id = record.id.to_string();
    if record.state.is_final() {
        return Err(Failure::usage(format!("job {id} has ended already: {}", record.state))
            .hint("nothing is left to cancel; see `symbolon job show`"));
    }
    connect(&home).await?.cancel(&id).await?;
    Ok(Report::new(format!("job {id} is being cancelled\n"), json!({ "job": { "id": id } })))
}

async fn list(limit: u32, context: &Context) -> Result<Report, Failure> {
    let jobs = context.open().await?.job_list(limit).await?;
    let rows: Vec<Vec<String>> = jobs
        .iter()
        .map(|job| {
            let id = job.id.to_string();
            vec![
                id[..12].to_owned(),
                job.state.to_string(),
                job.side.to_string(),
                job.peer.clone(),
                format!("{} ({})", job.result, job.protocol),
                job.created_at.format("%Y-%m-%d %H:%M:%S").to_string(),
                job.failure.as_ref().map(|failure| failure.reason.clone()).unwrap_or_default(),
            ]
        })
        .collect();
    let human = if rows.is_empty() {
        "no jobs yet: symbolon join\n".to_owned()
    } else {
        text::columns(&["job", "state", "side", "peer", "result", "created (UTC)", "reason"], &rows)
    };
    Ok(Report::new(human, json!({ "jobs": jobs.iter().map(json_of).collect::<Vec<_>>() })))
}

async fn show(job: &str, context: &Context) -> Result<Report, Failure> {
    let home = context.open().await?;
    let job = home.job_show(job).await?;
    let deleted_at = home.job_deleted_at(job.id).await?;
    let mut pairs = vec![
        ("job", job.id.to_string()),
        ("state", job.state.to_string()),
        ("side", job.side.to_string()),
        ("peer", job.peer.clone()),
        ("protocol", job.protocol.to_string()),
        ("result", job.result.to_string()),
        ("table", job.table.clone()),
        ("created", job.created_at.to_rfc3339()),
    ];
    pairs.extend(job.rows_own.map(|rows| ("rows declared", number(rows))));
    pairs.extend(job.rows_peer.map(|rows| ("rows of the peer", number(rows))));
    pairs.extend(job.finished_at.map(|at| ("ended", at.to_rfc3339())));
    pairs.extend(deleted_at.map(|at| ("deleted", at.to_rfc3339())));
    if let Some(failure) = &job.failure {
        let described = Failure::of_job(&failure.reason, failure.incident.as_deref());
        pairs.push(("reason", failure.reason.clone()));
        pairs.push(("that is", described.message));
        pairs.extend(described.hint.map(|hint| ("what to do", hint)));
        pairs.extend(failure.resets_at.map(|at| ("begins anew", at.to_string())));
    }
    let mut json = json_of(&job);
    json["deleted_at"] = json!(deleted_at.map(|at| at.to_rfc3339()));
    Ok(Report::new(text::facts(&pairs), json!({ "job": json })))
}

pub(crate) fn json_of(job: &JobRecord) -> Value {
    json!({
        "id": job.id,
        "state": job.state,
        "side": job.side,
        "peer": job.peer,
        "agreement": job_agreement(job),
        "protocol": job.protocol.as_str(),
        "result": job.result.as_str(),
        "table": job.table,
        "columns": job.columns,
        "failure": job.failure,
        "rows_own": job.rows_own,
        "rows_peer": job.rows_peer,
        "request_id": job.request_id,
        "created_at": job.created_at.to_rfc3339(),
        "finished_at": job.finished_at.map(|at| at.to_rfc3339()),
    })
}

fn job_agreement(job: &JobRecord) -> String {
    symbolon_policy::AgreementId::from_bytes(job.agreement_id).to_string()
}
