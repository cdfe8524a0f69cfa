//! Drives a running node through its gRPC control interface, as a program in any language would.
//!
//! `cargo run --example grpc_client -- HOME/control.sock` while `symbolon serve` runs on that home and an agreement is in
//! force. A program elsewhere uses the TCP port of node.toml with a client certificate; the calls are the same.
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use symbolon_node::control_client::channel;
use symbolon_wire::v1::control_service_client::ControlServiceClient;
use symbolon_wire::v1::{
    AgreementState, CheckTableRequest, CreateJobRequest, ExportResultRequest, FileFormat, GetNodeRequest,
    GetResultRequest, JobState, ListAgreementsRequest, ListTablesRequest, WatchJobRequest,
};

#[tokio::main]
async fn main() -> Result<()> {
    let socket = std::env::args_os().nth(1).map(PathBuf::from).context("give the path of a node's control.sock")?;
    let mut node = ControlServiceClient::new(channel(&socket).await.context("is `symbolon serve` running?")?);

    let about = node.get_node(GetNodeRequest {}).await?.into_inner();
    println!("node of {}, reached at {}, release {}", about.institution, about.endpoint, about.software);
    for table in node.list_tables(ListTablesRequest {}).await?.into_inner().tables {
        let check = CheckTableRequest { name: table.name.clone() };
        let report = node.check_table(check).await?.into_inner().report.unwrap_or_default();
        println!("table {}: {} rows, {} usable keys", table.name, report.rows, report.usable);
    }

    let agreements = node.list_agreements(ListAgreementsRequest {}).await?.into_inner().agreements;
    let active = agreements.into_iter().find(|agreement| agreement.state() == AgreementState::Active);
    let agreement = active.context("no agreement is in force")?;
    println!(
        "agreement {:?} with {}: {} of {} jobs spent",
        agreement.title, agreement.peer, agreement.runs_spent, agreement.runs_max
    );

    // The same request id with the same content gives the same job, so this may be repeated after a lost answer.
    let request = CreateJobRequest {
        request_id: "grpc-client-example".to_owned(),
        agreement_id: agreement.id,
        result: "enrich".to_owned(),
        output: FileFormat::Arrow.into(),
        ..CreateJobRequest::default()
    };
    let job = node.create_job(request).await?.into_inner().job.context("a job")?;
    let mut reports = node.watch_job(WatchJobRequest { id: job.id.clone() }).await?.into_inner();
    while let Some(report) = reports.message().await? {
        println!("{:?}: {} {} of {} rows", report.state(), report.phase, report.rows_done, report.rows_total);
        if let (JobState::Failed | JobState::Cancelled, Some(failure)) = (report.state(), &report.failure) {
            bail!("{}: {} ({})", failure.reason, failure.message, failure.remedy);
        }
    }
    let result = node.get_result(GetResultRequest { job_id: job.id.clone() }).await?.into_inner();
    // The file lies encrypted in the node's home; its content comes decrypted, and checked before the first byte.
    let mut parts = node.export_result(ExportResultRequest { job_id: job.id }).await?.into_inner();
    let mut content = Vec::new();
    while let Some(part) = parts.message().await? {
        content.extend(part.content);
    }
    println!("{} rows, {} bytes, described by {}", result.rows, content.len(), result.manifest_path);
    Ok(())
}
