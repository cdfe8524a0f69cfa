//! The client side of the control socket: what the command line tool and programs on the same machine use to drive a
//! running node, in the node's own types.

use std::path::{Path, PathBuf};

use symbolon_policy::{Protocol, ResultKind, Timestamp};
use symbolon_tables::Format;
use symbolon_wire::v1;
use symbolon_wire::v1::control_service_client::ControlServiceClient;
use tokio_stream::{Stream, StreamExt};
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::error::{Error, describe};
use crate::store::JobState;

/// A job to be created.
#[derive(Debug, Clone, Default)]
#[expect(clippy::exhaustive_structs, reason = "a request is built from all its fields")]
pub struct JobRequest {
    /// A word of the caller: the same request sent twice creates one job.
    pub request_id: Option<String>,
    /// The agreement, hexadecimal; enough leading digits to be unique suffice.
    pub agreement_id: String,
    /// The protocol; without it the one the agreement allows for the result.
    pub protocol: Option<Protocol>,
    /// The kind of result; a match without it.
    pub result: Option<ResultKind>,
    /// The other party's columns wanted; empty for all the agreement gives.
    pub columns: Vec<String>,
    /// Own columns to write beside them; empty for all of the own table.
    pub own_columns: Vec<String>,
    /// The format of the result file; CSV without it.
    pub output: Option<Format>,
}

/// One report of a job's progress.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct JobReport {
    /// The state.
    pub state: JobState,
    /// What the job is doing, in a word or two.
    pub phase: String,
    /// Rows done in this phase.
    pub rows_done: u64,
    /// Rows of this phase; 0 when not known.
    pub rows_total: u64,
    /// Bytes of frames sent so far.
    pub bytes_sent: u64,
    /// Bytes of frames received so far.
    pub bytes_received: u64,
    /// Seconds left, estimated.
    pub eta_seconds: Option<u64>,
    /// Why the job ended, in the last report of a failed or cancelled one.
    pub failure: Option<JobFailure>,
}

/// Why a job ended without a result.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct JobFailure {
    /// The documented reason.
    pub reason: String,
    /// What happened, in one sentence.
    pub message: String,
    /// What to do about it.
    pub remedy: String,
    /// The number under which the node's log has the details.
    pub incident: Option<String>,
    /// From when on there is more of the budget that is spent.
    pub resets_at: Option<Timestamp>,
}

/// A connection to the control socket of a running node.
#[derive(Debug, Clone)]
pub struct ControlClient {
    client: ControlServiceClient<Channel>,
    socket: PathBuf,
}

/// Opens a gRPC channel to a Unix socket.
///
/// # Errors
/// [`Error::NodeNotRunning`] when nobody answers there.
pub async fn channel(socket: &Path) -> Result<Channel, Error> {
    let not_running = || Error::NodeNotRunning { socket: socket.to_path_buf() };
    let path = socket.to_str().ok_or(Error::Misuse {
        what: "the path of the control socket is not UTF-8",
        remedy: "choose a home directory with a plain name",
    })?;
    let endpoint = Endpoint::from_shared(format!("unix:{path}")).map_err(|_| not_running())?;
    endpoint.connect().await.map_err(|_| not_running())
}

impl ControlClient {
    /// Connects to the node that serves `socket`.
    ///
    /// # Errors
    /// [`Error::NodeNotRunning`] when nobody answers there.
    pub async fn connect(socket: &Path) -> Result<Self, Error> {
        let client = ControlServiceClient::new(channel(socket).await?);
        Ok(Self { client, socket: socket.to_path_buf() })
    }

    /// Starts a job and gives its id.
    ///
    /// # Errors
    /// [`Error::Reported`] with the node's reason.
    pub async fn create_job(&mut self, request: JobRequest) -> Result<String, Error> {
        let request = v1::CreateJobRequest {
            request_id: request.request_id.unwrap_or_default(),
            agreement_id: request.agreement_id,
            protocol: request.protocol.map(|protocol| protocol.to_string()).unwrap_or_default(),
            result: request.result.unwrap_or(ResultKind::Match).to_string(),
            columns: request.columns,
            own_columns: request.own_columns,
            output: file_format(request.output).into(),
        };
        let answer = self.client.create_job(request).await.map_err(|status| self.error(&status))?;
        Ok(answer.into_inner().job.map(|job| job.id).unwrap_or_default())
    }

    /// Follows a job; the last report carries a final state.
    ///
    /// # Errors
    /// [`Error::Reported`] with the node's reason; in the stream [`Error::NodeNotRunning`] when the node goes away.
    pub async fn watch(
        &mut self,
        job: &str,
    ) -> Result<impl Stream<Item = Result<JobReport, Error>> + Send + Unpin + use<>, Error> {
        let request = v1::WatchJobRequest { id: job.to_owned() };
        let reports = self.client.watch_job(request).await.map_err(|status| self.error(&status))?.into_inner();
        let socket = self.socket.clone();
        Ok(reports.map(move |report| report.map(JobReport::from).map_err(|status| error(&status, &socket))))
    }

    /// Asks for the end of a job.
    ///
    /// # Errors
    /// [`Error::Reported`] with the node's reason.
    pub async fn cancel(&mut self, job: &str) -> Result<(), Error> {
        let request = v1::CancelJobRequest { id: job.to_owned() };
        self.client.cancel_job(request).await.map_err(|status| self.error(&status))?;
        Ok(())
    }

    /// Delivers an agreement this institution has signed to the other party's node.
    ///
    /// # Errors
    /// [`Error::Reported`] with the node's reason.
    pub async fn send_agreement(&mut self, id: &str) -> Result<(), Error> {
        let request = v1::SendAgreementRequest { id: id.to_owned() };
        self.client.send_agreement(request).await.map_err(|status| self.error(&status))?;
        Ok(())
    }

    fn error(&self, status: &Status) -> Error {
        error(status, &self.socket)
    }
}

/// The node's error as it was before it became a status.
fn error(status: &Status, socket: &Path) -> Error {
    let details = status.get_error_details();
    let info = details.error_info();
    let Some(reported) = info.and_then(|info| describe(&info.reason)) else {
        // Without a reason of ours the answer came from the transport: the node went away.
        return match status.code() {
            Code::Unavailable | Code::Unknown | Code::Cancelled => {
                Error::NodeNotRunning { socket: socket.to_path_buf() }
            }
            _ => crate::error::Environment::Worker.into(),
        };
    };
    let incident = info.and_then(|info| info.metadata.get("incident")).cloned();
    let text = if status.message().is_empty() { reported.sentence } else { status.message() };
    let resets_at = info.and_then(|info| info.metadata.get(crate::status::RESETS_AT)).and_then(|at| at.parse().ok());
    Error::Reported { reported, text: text.into(), incident, resets_at }
}

const fn file_format(format: Option<Format>) -> v1::FileFormat {
    match format {
        Some(Format::Csv) => v1::FileFormat::Csv,
        Some(Format::Parquet) => v1::FileFormat::Parquet,
        Some(Format::Arrow) => v1::FileFormat::Arrow,
        _ => v1::FileFormat::Unspecified,
    }
}

impl From<v1::WatchJobResponse> for JobReport {
    fn from(report: v1::WatchJobResponse) -> Self {
        let state = match report.state() {
            v1::JobState::Checking => JobState::Checking,
            v1::JobState::Connecting => JobState::Connecting,
            v1::JobState::Running => JobState::Running,
            v1::JobState::Done => JobState::Done,
            v1::JobState::Failed => JobState::Failed,
            v1::JobState::Cancelled => JobState::Cancelled,
            v1::JobState::Created | v1::JobState::Unspecified => JobState::Created,
        };
        Self {
            state,
            phase: report.phase,
            rows_done: report.rows_done,
            rows_total: report.rows_total,
            bytes_sent: report.bytes_sent,
            bytes_received: report.bytes_received,
            eta_seconds: report.eta_seconds,
            failure: report.failure.map(JobFailure::from),
        }
    }
}

impl From<v1::JobFailure> for JobFailure {
    fn from(failure: v1::JobFailure) -> Self {
        let incident = (!failure.incident.is_empty()).then_some(failure.incident);
        let resets_at = failure.resets_at.parse().ok();
        Self { reason: failure.reason, message: failure.message, remedy: failure.remedy, incident, resets_at }
    }
}
