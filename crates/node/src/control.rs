//! The control service: the operations of [`Home`] and the jobs of the running node, for tools in any language.
//!
//! Nothing is decided here. Each call is turned into the node's types, carried out, and turned back; errors become
//! statuses with their documented reason in [`status`](crate::status).

use std::path::Path;
use std::pin::Pin;

use symbolon_policy::NoticeKind;
use symbolon_wire::v1;
use symbolon_wire::v1::control_service_server::{ControlService, ControlServiceServer};
use tokio_stream::wrappers::ReceiverStream;
use tokio_stream::{Stream, StreamExt};
use tonic::{Request, Response, Status};

use crate::convert::{budget as budget_convert, control as convert};
use crate::error::Error;
use crate::home::Home;
use crate::jobs::Jobs;
use crate::ops::agreements::{AgreementInput, AgreementView};
use crate::ops::audit::LoggedEntry;
use crate::ops::results::ChannelWriter;
use crate::store::{AgreementRecord, time_text};

/// How many jobs are listed when the caller does not say.
const JOBS_LISTED_DEFAULT: u32 = 100;

/// Parts of a result that wait to be sent; each has at most 64 KiB.
const EXPORT_PARTS_MAX: usize = 8;
/// How many entries of the evidence log are listed when the caller does not say, and at most.
const AUDIT_LISTED_DEFAULT: u32 = 100;
const AUDIT_LISTED_MAX: u32 = 5000;

/// The control service of a node.
#[derive(Debug, Clone)]
pub struct Control {
    home: Home,
    jobs: Jobs,
}

/// Makes the gRPC service to be served on the control socket.
#[must_use]
pub fn service(home: Home, jobs: Jobs) -> ControlServiceServer<Control> {
    let document_bytes_max = home.settings().limits.document_bytes_max;
    // A request is at most a document and a few short fields.
    ControlServiceServer::new(Control { home, jobs }).max_decoding_message_size(document_bytes_max + 4096)
}

impl Control {
    async fn view(&self, record: &AgreementRecord) -> Result<AgreementView, Error> {
        self.home.agreement_show(&hex::encode(record.id)).await
    }

    async fn notice(&self, id: &str, kind: NoticeKind, word: &str) -> Result<(v1::Agreement, bool), Error> {
        let noticed = self.home.agreement_notice(id, kind, convert::notice_word(word)?).await?;
        let view = self.view(&noticed.record).await?;
        Ok((convert::agreement(&view), noticed.delivered))
    }
}

fn text(document: &[u8]) -> Result<String, Error> {
    crate::ops::text_of(document).map(str::to_owned)
}

type Answer<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl ControlService for Control {
    async fn get_node(&self, _request: Request<v1::GetNodeRequest>) -> Answer<v1::GetNodeResponse> {
        Ok(Response::new(convert::node(self.home.node_info()?)))
    }

    async fn list_tables(&self, _request: Request<v1::ListTablesRequest>) -> Answer<v1::ListTablesResponse> {
        let tables = self.home.table_list().await?;
        Ok(Response::new(v1::ListTablesResponse { tables: tables.iter().map(convert::table).collect() }))
    }

    async fn add_table(&self, request: Request<v1::AddTableRequest>) -> Answer<v1::AddTableResponse> {
        let v1::AddTableRequest { table, replace } = request.into_inner();
        let remedy = "give a table with name, path and key";
        let table = table.ok_or(Error::Misuse { what: "no table is given", remedy })?;
        let name = table.name.clone();
        let added = self.home.table_add(&name, convert::table_spec(table)?, replace).await?;
        Ok(Response::new(v1::AddTableResponse { table: Some(convert::table(&added.record)) }))
    }

    async fn check_table(&self, request: Request<v1::CheckTableRequest>) -> Answer<v1::CheckTableResponse> {
        let report = self.home.table_check(&request.into_inner().name).await?;
        Ok(Response::new(v1::CheckTableResponse { report: Some(convert::report(report)) }))
    }

    async fn get_card(&self, _request: Request<v1::GetCardRequest>) -> Answer<v1::GetCardResponse> {
        let card = self.home.card()?;
        Ok(Response::new(v1::GetCardResponse { card: card.to_toml(), fingerprint: card.fingerprint().to_string() }))
    }

    async fn list_peers(&self, _request: Request<v1::ListPeersRequest>) -> Answer<v1::ListPeersResponse> {
        let peers = self.home.peer_list().await?;
        let peers = peers.iter().map(convert::peer).collect::<Result<_, Error>>()?;
        Ok(Response::new(v1::ListPeersResponse { peers }))
    }

    async fn add_peer(&self, request: Request<v1::AddPeerRequest>) -> Answer<v1::AddPeerResponse> {
        let v1::AddPeerRequest { name, card, endpoint, replace } = request.into_inner();
        let given = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let (name, endpoint) = (given(&name), given(&endpoint));
        let peer = self.home.peer_add(name.as_deref(), &card, endpoint.as_deref(), replace).await?;
        Ok(Response::new(v1::AddPeerResponse { peer: Some(convert::peer(&peer)?) }))
    }

    async fn revoke_peer(&self, request: Request<v1::RevokePeerRequest>) -> Answer<v1::RevokePeerResponse> {
        let v1::RevokePeerRequest { name, key } = request.into_inner();
        let revoked = self.home.peer_revoke(&name, Some(key.as_str()).filter(|key| !key.is_empty())).await?;
        Ok(Response::new(v1::RevokePeerResponse { keys: revoked.iter().map(ToString::to_string).collect() }))
    }

    async fn list_keys(&self, request: Request<v1::ListKeysRequest>) -> Answer<v1::ListKeysResponse> {
        let keys = self.home.key_list(request.into_inner().all);
        Ok(Response::new(v1::ListKeysResponse { keys: keys.iter().map(convert::own_key).collect() }))
    }

    async fn rotate_key(&self, request: Request<v1::RotateKeyRequest>) -> Answer<v1::RotateKeyResponse> {
        let v1::RotateKeyRequest { kind, overlap_days } = request.into_inner();
        let overlap = crate::ops::keys::days(overlap_days);
        let change = self.home.key_rotate(convert::key_kind(&kind)?, overlap).await?;
        let (taken, waiting): (Vec<_>, Vec<_>) = change.partners.into_iter().partition(|partner| partner.taken);
        Ok(Response::new(v1::RotateKeyResponse {
            key: Some(convert::own_key(&change.key)),
            sequence: change.sequence,
            partners_taken: taken.into_iter().map(|partner| partner.peer).collect(),
            partners_waiting: waiting.into_iter().map(|partner| partner.peer).collect(),
        }))
    }

    async fn list_agreements(
        &self,
        _request: Request<v1::ListAgreementsRequest>,
    ) -> Answer<v1::ListAgreementsResponse> {
        let agreements = self.home.agreement_list().await?;
        let agreements = agreements.iter().map(convert::agreement).collect();
        Ok(Response::new(v1::ListAgreementsResponse { agreements }))
    }

    async fn get_agreement(&self, request: Request<v1::GetAgreementRequest>) -> Answer<v1::GetAgreementResponse> {
        let view = self.home.agreement_show(&request.into_inner().id).await?;
        Ok(Response::new(v1::GetAgreementResponse {
            agreement: Some(convert::agreement(&view)),
            summary: convert::summary(&view),
            document: view.document,
        }))
    }

    async fn sign_agreement(&self, request: Request<v1::SignAgreementRequest>) -> Answer<v1::SignAgreementResponse> {
        let input = convert::agreement_input(request.into_inner().agreement)?;
        let signed = self.home.agreement_sign(input).await?;
        let view = self.view(&signed.record).await?;
        let document = text(&signed.document)?;
        Ok(Response::new(v1::SignAgreementResponse { agreement: Some(convert::agreement(&view)), document }))
    }

    async fn send_agreement(&self, request: Request<v1::SendAgreementRequest>) -> Answer<v1::SendAgreementResponse> {
        let record = self.home.agreement_send(AgreementInput::Id(request.into_inner().id)).await?;
        let view = self.view(&record).await?;
        Ok(Response::new(v1::SendAgreementResponse { agreement: Some(convert::agreement(&view)) }))
    }

    async fn accept_agreement(
        &self,
        request: Request<v1::AcceptAgreementRequest>,
    ) -> Answer<v1::AcceptAgreementResponse> {
        let document = request.into_inner().document.into_bytes();
        let accepted = self.home.agreement_accept(AgreementInput::Document(document)).await?;
        let view = self.view(&accepted.record).await?;
        Ok(Response::new(v1::AcceptAgreementResponse { agreement: Some(convert::agreement(&view)) }))
    }

    async fn list_policies(&self, _request: Request<v1::ListPoliciesRequest>) -> Answer<v1::ListPoliciesResponse> {
        let set = self.home.policy_list().await?;
        let policies = set.policies.iter().map(convert::policy).collect::<Result<_, Error>>()?;
        Ok(Response::new(v1::ListPoliciesResponse { policies, digest: set.digest }))
    }

    async fn explain_job(&self, request: Request<v1::ExplainJobRequest>) -> Answer<v1::ExplainJobResponse> {
        let decisions = self.home.policy_explain_job(&request.into_inner().job_id).await?;
        let decisions = decisions.into_iter().map(convert::decision).collect();
        Ok(Response::new(v1::ExplainJobResponse { decisions }))
    }

    async fn get_budget(&self, request: Request<v1::GetBudgetRequest>) -> Answer<v1::GetBudgetResponse> {
        let budget = self.home.budget(&request.into_inner().agreement_id).await?;
        Ok(Response::new(v1::GetBudgetResponse { budget: Some(budget_convert::budget(budget)) }))
    }

    async fn list_alerts(&self, request: Request<v1::ListAlertsRequest>) -> Answer<v1::ListAlertsResponse> {
        let limit = match request.into_inner().limit {
            0 => JOBS_LISTED_DEFAULT,
            limit => limit,
        };
        let alerts = self.home.alert_list(limit).await?;
        Ok(Response::new(v1::ListAlertsResponse { alerts: alerts.into_iter().map(budget_convert::alert).collect() }))
    }

    async fn ack_alert(&self, request: Request<v1::AckAlertRequest>) -> Answer<v1::AckAlertResponse> {
        let v1::AckAlertRequest { id, note } = request.into_inner();
        let alert = self.home.alert_ack(id, Some(note.as_str()).filter(|note| !note.is_empty())).await?;
        Ok(Response::new(v1::AckAlertResponse { alert: Some(budget_convert::alert(alert)) }))
    }

    async fn approve_agreement(
        &self,
        request: Request<v1::ApproveAgreementRequest>,
    ) -> Answer<v1::ApproveAgreementResponse> {
        let record = self.home.agreement_take_approvals(request.into_inner().document.as_bytes()).await?;
        let view = self.view(&record).await?;
        Ok(Response::new(v1::ApproveAgreementResponse {
            agreement: Some(convert::agreement(&view)),
            document: view.document,
        }))
    }

    async fn suspend_agreement(
        &self,
        request: Request<v1::SuspendAgreementRequest>,
    ) -> Answer<v1::SuspendAgreementResponse> {
        let request = request.into_inner();
        let (agreement, delivered) = self.notice(&request.id, NoticeKind::Suspend, &request.word).await?;
        Ok(Response::new(v1::SuspendAgreementResponse { agreement: Some(agreement), delivered }))
    }

    async fn resume_agreement(
        &self,
        request: Request<v1::ResumeAgreementRequest>,
    ) -> Answer<v1::ResumeAgreementResponse> {
        let request = request.into_inner();
        let (agreement, delivered) = self.notice(&request.id, NoticeKind::Resume, &request.word).await?;
        Ok(Response::new(v1::ResumeAgreementResponse { agreement: Some(agreement), delivered }))
    }

    async fn revoke_agreement(
        &self,
        request: Request<v1::RevokeAgreementRequest>,
    ) -> Answer<v1::RevokeAgreementResponse> {
        let request = request.into_inner();
        let (agreement, delivered) = self.notice(&request.id, NoticeKind::Revoke, &request.word).await?;
        Ok(Response::new(v1::RevokeAgreementResponse { agreement: Some(agreement), delivered }))
    }

    async fn tighten_agreement(
        &self,
        request: Request<v1::TightenAgreementRequest>,
    ) -> Answer<v1::TightenAgreementResponse> {
        let (id, held) = convert::tightening(request.into_inner())?;
        let held_back = self.home.agreement_tighten(&id, held).await?;
        Ok(Response::new(v1::TightenAgreementResponse { held_back }))
    }

    async fn diff_agreements(&self, request: Request<v1::DiffAgreementsRequest>) -> Answer<v1::DiffAgreementsResponse> {
        let request = request.into_inner();
        let (old, new) = (AgreementInput::Id(request.old_id), AgreementInput::Id(request.new_id));
        let differences = self.home.agreement_diff(old, new).await?.into_iter().map(|difference| {
            v1::AgreementDifference { effect: difference.effect.as_str().to_owned(), sentence: difference.sentence }
        });
        Ok(Response::new(v1::DiffAgreementsResponse { differences: differences.collect() }))
    }

    async fn create_job(&self, request: Request<v1::CreateJobRequest>) -> Answer<v1::CreateJobResponse> {
        let request = request.into_inner();
        let agreement = self.home.agreement_show(&request.agreement_id).await?;
        let job = self.jobs.create(convert::new_job(request, agreement.record.id)?).await?;
        Ok(Response::new(v1::CreateJobResponse { job: Some(convert::job(&job)) }))
    }

    async fn get_job(&self, request: Request<v1::GetJobRequest>) -> Answer<v1::GetJobResponse> {
        let job = self.home.job_show(&request.into_inner().id).await?;
        Ok(Response::new(v1::GetJobResponse { job: Some(convert::job(&job)) }))
    }

    async fn list_jobs(&self, request: Request<v1::ListJobsRequest>) -> Answer<v1::ListJobsResponse> {
        let limit = match request.into_inner().limit {
            0 => JOBS_LISTED_DEFAULT,
            limit => limit,
        };
        let jobs = self.home.job_list(limit).await?;
        Ok(Response::new(v1::ListJobsResponse { jobs: jobs.iter().map(convert::job).collect() }))
    }

    async fn cancel_job(&self, request: Request<v1::CancelJobRequest>) -> Answer<v1::CancelJobResponse> {
        let job = self.home.job_show(&request.into_inner().id).await?;
        let job = self.jobs.cancel(job.id).await?;
        Ok(Response::new(v1::CancelJobResponse { job: Some(convert::job(&job)) }))
    }

    type WatchJobStream = Pin<Box<dyn Stream<Item = Result<v1::WatchJobResponse, Status>> + Send>>;

    async fn watch_job(&self, request: Request<v1::WatchJobRequest>) -> Answer<Self::WatchJobStream> {
        let job = self.home.job_show(&request.into_inner().id).await?;
        let reports = self.jobs.watch(job.id).await?;
        Ok(Response::new(Box::pin(reports.map(|report| Ok(convert::progress(&report))))))
    }

    async fn list_audit_entries(
        &self,
        request: Request<v1::ListAuditEntriesRequest>,
    ) -> Answer<v1::ListAuditEntriesResponse> {
        let v1::ListAuditEntriesRequest { from, limit } = request.into_inner();
        let limit = if limit == 0 { AUDIT_LISTED_DEFAULT } else { limit };
        let (entries, size) = self.home.audit_log(from, limit.min(AUDIT_LISTED_MAX).into()).await?;
        let line = |logged: &LoggedEntry| {
            logged.entry.to_line().map_err(|error| Error::from(symbolon_policy::Error::from(error)))
        };
        Ok(Response::new(v1::ListAuditEntriesResponse {
            lines: entries.iter().map(line).collect::<Result<_, Error>>()?,
            size,
        }))
    }

    async fn get_audit_checkpoint(
        &self,
        _request: Request<v1::GetAuditCheckpointRequest>,
    ) -> Answer<v1::GetAuditCheckpointResponse> {
        let note = self.home.audit_checkpoint().await?.to_string();
        Ok(Response::new(v1::GetAuditCheckpointResponse { note }))
    }

    async fn list_receipts(&self, _request: Request<v1::ListReceiptsRequest>) -> Answer<v1::ListReceiptsResponse> {
        let receipts = self.home.store().receipts().await?.into_iter();
        let receipts = receipts.map(|record| v1::Receipt { job_id: record.job.to_string(), text: record.receipt });
        Ok(Response::new(v1::ListReceiptsResponse { receipts: receipts.collect() }))
    }

    async fn verify_audit(&self, _request: Request<v1::VerifyAuditRequest>) -> Answer<v1::VerifyAuditResponse> {
        let checks = self.home.audit_verify().await?.into_iter().map(|check| v1::AuditCheck {
            passed: check.passed(),
            failure: check.failure.map_or_else(String::new, |failure| failure.label().to_owned()),
            subject: check.subject,
            statement: check.statement,
        });
        Ok(Response::new(v1::VerifyAuditResponse { checks: checks.collect() }))
    }

    async fn get_result(&self, request: Request<v1::GetResultRequest>) -> Answer<v1::GetResultResponse> {
        let view = self.home.result_show(&request.into_inner().job_id).await?;
        Ok(Response::new(convert::result(view)))
    }

    type ExportResultStream = Pin<Box<dyn Stream<Item = Result<v1::ExportResultResponse, Status>> + Send>>;

    async fn export_result(&self, request: Request<v1::ExportResultRequest>) -> Answer<Self::ExportResultStream> {
        let file = self.home.result_file(&request.into_inner().job_id).await?;
        let file = crate::ops::blocking(move || file.verify().map(|()| file)).await?;
        let (sender, receiver) = tokio::sync::mpsc::channel(EXPORT_PARTS_MAX);
        let worker = tokio::task::spawn_blocking(move || file.copy(Path::new("control"), ChannelWriter(sender)));
        let parts = ReceiverStream::new(receiver).map(|content| Ok(v1::ExportResultResponse { content }));
        // A file that changes between the two readings ends the stream with an error, never as if it were whole.
        let end = tokio_stream::once(worker).then(|worker| async {
            match worker.await {
                Ok(Ok(())) => None,
                Ok(Err(error)) => Some(Err(Status::from(error))),
                Err(_) => Some(Err(Status::from(Error::from(crate::error::Environment::Worker)))),
            }
        });
        Ok(Response::new(Box::pin(parts.chain(end.filter_map(|end| end)))))
    }

    async fn delete_job(&self, request: Request<v1::DeleteJobRequest>) -> Answer<v1::DeleteJobResponse> {
        let deletion = self.home.job_delete(&request.into_inner().id).await?;
        let job = self.home.job_show(&deletion.job.to_string()).await?;
        let deleted_at = time_text(deletion.deleted_at);
        Ok(Response::new(v1::DeleteJobResponse { job: Some(convert::job(&job)), deleted_at }))
    }
}

#[cfg(test)]
mod tests;
