use std::os::unix::fs::PermissionsExt;

use symbolon_wire::v1::control_service_client::ControlServiceClient;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tonic::Code;
use tonic::transport::Channel;
use tonic_types::StatusExt;

use super::*;
use crate::control_client;
use crate::ops::testing::{BANK_ROWS, Pair};

/// A node that serves until it is stopped.
struct Serving {
    address: String,
    stop: oneshot::Sender<()>,
    task: JoinHandle<Result<(), Error>>,
}

impl Serving {
    async fn start(home: &Home) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (stop, stopped) = oneshot::channel::<()>();
        let (ready, is_ready) = oneshot::channel();
        let home = home.clone();
        let task = tokio::spawn(async move {
            let stop = async move { drop(stopped.await) };
            crate::run(home, listener, move || ready.send(()).unwrap_or_default(), stop).await
        });
        is_ready.await.unwrap();
        Self { address, stop, task }
    }

    async fn end(self) {
        drop(self.stop);
        self.task.await.unwrap().unwrap();
    }
}

async fn client(home: &Home) -> ControlServiceClient<Channel> {
    ControlServiceClient::new(control_client::channel(home.settings().control_socket()).await.unwrap())
}

fn reason(status: &Status) -> String {
    let details = status.get_error_details();
    details.error_info().map(|info| info.reason.clone()).unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_socket_is_private_and_goes_away_with_the_node() {
    let pair = Pair::new().await;
    let socket = pair.bank.settings().control_socket().to_path_buf();
    let absent = control_client::channel(&socket).await.unwrap_err();
    assert_eq!(absent.reason(), "NODE_NOT_RUNNING");
    let node = Serving::start(&pair.bank).await;
    assert_eq!(std::fs::metadata(&socket).unwrap().permissions().mode() & 0o777, 0o600);
    let second = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let refused = crate::run(pair.bank.clone(), second, || {}, std::future::pending()).await;
    assert_eq!(refused.unwrap_err().reason(), "HOME_IN_USE");
    node.end().await;
    assert!(!socket.exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_and_peers_are_managed_over_the_socket() {
    let pair = Pair::new().await;
    let node = Serving::start(&pair.bank).await;
    let mut client = client(&pair.bank).await;
    let info = client.get_node(v1::GetNodeRequest {}).await.unwrap().into_inner();
    assert_eq!((info.institution.as_str(), info.endpoint.as_str()), ("bank", "127.0.0.1:9"));
    let card = client.get_card(v1::GetCardRequest {}).await.unwrap().into_inner();
    assert_eq!(card.fingerprint, info.fingerprint);
    assert_eq!(symbolon_policy::Card::from_toml(&card.card).unwrap().fingerprint().to_string(), info.fingerprint);

    let path = pair.dir.path().join("second.csv");
    std::fs::write(&path, BANK_ROWS).unwrap();
    let table = v1::Table {
        name: "second".to_owned(),
        path: path.display().to_string(),
        key: vec![v1::KeyPart { column: "id".to_owned(), kind: "integer".to_owned() }],
        ..Default::default()
    };
    let request = v1::AddTableRequest { table: Some(table.clone()), replace: false };
    let added = client.add_table(request.clone()).await.unwrap().into_inner().table.unwrap();
    assert_eq!(added.columns.len(), 2);
    assert_eq!(added.format(), v1::FileFormat::Csv);
    let again = client.add_table(request).await.unwrap_err();
    assert_eq!((again.code(), reason(&again).as_str()), (Code::AlreadyExists, "ALREADY_EXISTS"));
    let missing = v1::Table { name: "third".to_owned(), path: "/nowhere/x.csv".to_owned(), ..table };
    let missing = client.add_table(v1::AddTableRequest { table: Some(missing), replace: false }).await.unwrap_err();
    assert_eq!(reason(&missing), "TABLE_MISSING");
    let names = client.list_tables(v1::ListTablesRequest {}).await.unwrap().into_inner().tables;
    assert_eq!(names.iter().map(|table| table.name.as_str()).collect::<Vec<_>>(), ["customers", "second"]);
    let check = v1::CheckTableRequest { name: "second".to_owned() };
    assert_eq!(client.check_table(check).await.unwrap().into_inner().report.unwrap().usable, 3);

    let card = pair.bureau.card().unwrap().to_toml();
    let add = |replace| v1::AddPeerRequest {
        name: "bureau".to_owned(),
        card: card.clone(),
        endpoint: "127.0.0.1:7000".to_owned(),
        replace,
    };
    assert_eq!(client.add_peer(add(false)).await.unwrap_err().code(), Code::AlreadyExists);
    assert_eq!(client.add_peer(add(true)).await.unwrap().into_inner().peer.unwrap().endpoint, "127.0.0.1:7000");
    assert_eq!(client.list_peers(v1::ListPeersRequest {}).await.unwrap().into_inner().peers.len(), 1);
    node.end().await;
}

/// The content of a result as it comes over the socket.
async fn export(client: &mut ControlServiceClient<Channel>, job: &str) -> Result<Vec<u8>, Status> {
    let request = v1::ExportResultRequest { job_id: job.to_owned() };
    let mut parts = client.export_result(request).await?.into_inner();
    let mut content = Vec::new();
    while let Some(part) = parts.message().await? {
        content.extend(part.content);
    }
    Ok(content)
}

/// A changed file gives nothing, a deleted one is gone, and what was counted stays.
async fn delete(client: &mut ControlServiceClient<Channel>, job: &str, path: &str) {
    let reason = |status: Status| status.get_error_details().error_info().unwrap().reason.clone();
    let whole = std::fs::read(path).unwrap();
    std::fs::write(path, &whole[..whole.len() - 1]).unwrap();
    assert_eq!(reason(export(client, job).await.unwrap_err()), "RESULT_CHANGED");
    std::fs::write(path, whole).unwrap();
    let request = v1::DeleteJobRequest { id: job.to_owned() };
    let deleted = client.delete_job(request.clone()).await.unwrap().into_inner();
    assert_eq!(deleted.job.unwrap().id, job);
    assert_eq!(client.delete_job(request).await.unwrap().into_inner().deleted_at, deleted.deleted_at);
    assert!(!Path::new(path).exists());
    assert_eq!(reason(export(client, job).await.unwrap_err()), "RESULT_DELETED");
    let shown = client.get_result(v1::GetResultRequest { job_id: job.to_owned() }).await.unwrap().into_inner();
    assert_eq!((shown.rows, shown.deleted_at, shown.path.as_str()), (2, deleted.deleted_at, ""));
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_carry_reason_and_remedy() {
    let pair = Pair::new().await;
    let node = Serving::start(&pair.bank).await;
    let mut client = client(&pair.bank).await;
    let unknown = "00".repeat(16);
    let job = client.get_job(v1::GetJobRequest { id: unknown.clone() }).await.unwrap_err();
    assert_eq!((job.code(), reason(&job).as_str()), (Code::NotFound, "NOT_FOUND"));
    let details = job.get_error_details();
    let info = details.error_info().unwrap();
    assert_eq!(info.domain, crate::status::DOMAIN);
    assert!(info.metadata[crate::status::REMEDY].contains("job list"));
    for status in [
        client.cancel_job(v1::CancelJobRequest { id: unknown.clone() }).await.map(drop).unwrap_err(),
        client.watch_job(v1::WatchJobRequest { id: unknown.clone() }).await.map(drop).unwrap_err(),
        client.get_result(v1::GetResultRequest { job_id: unknown.clone() }).await.map(drop).unwrap_err(),
        client.get_agreement(v1::GetAgreementRequest { id: unknown.clone() }).await.map(drop).unwrap_err(),
        client.send_agreement(v1::SendAgreementRequest { id: unknown.clone() }).await.map(drop).unwrap_err(),
        client.check_table(v1::CheckTableRequest { name: "x".to_owned() }).await.map(drop).unwrap_err(),
    ] {
        assert_eq!(reason(&status), "NOT_FOUND");
    }
    let empty = client.sign_agreement(v1::SignAgreementRequest { agreement: None }).await.unwrap_err();
    assert_eq!((empty.code(), reason(&empty).as_str()), (Code::InvalidArgument, "INVALID_REQUEST"));
    let huge = v1::AcceptAgreementRequest { document: "#".repeat(1 << 20) };
    assert!(client.accept_agreement(huge).await.is_err());
    node.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agreement_is_proposed_signed_and_run_between_two_nodes() {
    let pair = Pair::new().await;
    let (bank, bureau) = (Serving::start(&pair.bank).await, Serving::start(&pair.bureau).await);
    let mut bank_client = client(&pair.bank).await;
    for (home, name, other, address) in
        [(&pair.bank, "bureau", &pair.bureau, &bureau.address), (&pair.bureau, "bank", &pair.bank, &bank.address)]
    {
        let card = other.card().unwrap().to_toml();
        home.peer_add(Some(name), &card, Some(address), true).await.unwrap();
    }

    let document = String::from_utf8(pair.draft().await).unwrap();
    let input = v1::sign_agreement_request::Agreement::Document(document);
    let signed = bank_client.sign_agreement(v1::SignAgreementRequest { agreement: Some(input) }).await.unwrap();
    let agreement = signed.into_inner().agreement.unwrap();
    assert_eq!(agreement.state(), v1::AgreementState::Signed);
    let id = agreement.id;
    bank_client.send_agreement(v1::SendAgreementRequest { id: id.clone() }).await.unwrap();
    let proposed = pair.bureau.agreement_show(&id).await.unwrap();
    assert_eq!(proposed.record.state.as_str(), "proposed");

    let early = v1::CreateJobRequest { agreement_id: id.clone(), result: "enrich".to_owned(), ..Default::default() };
    assert_eq!(reason(&bank_client.create_job(early.clone()).await.unwrap_err()), "AGREEMENT_NOT_ACTIVE");

    let accepted = pair.bureau.agreement_accept(AgreementInput::Id(id.clone())).await.unwrap();
    assert!(accepted.returned, "the signature went back over the peers' connection");
    let shown = bank_client.get_agreement(v1::GetAgreementRequest { id: id[..10].to_owned() }).await.unwrap();
    let shown = shown.into_inner();
    assert_eq!(shown.agreement.unwrap().state(), v1::AgreementState::Active);
    assert!(shown.summary.iter().any(|sentence| sentence.contains("`grade`")), "{:?}", shown.summary);

    let never = v1::CreateJobRequest { columns: vec!["secret".to_owned()], ..early.clone() };
    assert_eq!(reason(&bank_client.create_job(never).await.unwrap_err()), "COLUMN_NEVER");

    let request = v1::CreateJobRequest { request_id: "once".to_owned(), ..early };
    let job = bank_client.create_job(request.clone()).await.unwrap().into_inner().job.unwrap();
    let again = bank_client.create_job(request).await.unwrap().into_inner().job.unwrap();
    assert_eq!(job.id, again.id, "one request is one job");
    let mut reports = bank_client.watch_job(v1::WatchJobRequest { id: job.id.clone() }).await.unwrap().into_inner();
    let mut last = None;
    while let Some(report) = reports.message().await.unwrap() {
        last = Some(report);
    }
    let last = last.unwrap();
    assert_eq!(last.state(), v1::JobState::Done, "{last:?}");

    let result = bank_client.get_result(v1::GetResultRequest { job_id: job.id.clone() }).await.unwrap().into_inner();
    assert_eq!((result.rows, result.matched), (2, Some(2)));
    let rows = String::from_utf8(export(&mut bank_client, &job.id).await.unwrap()).unwrap();
    assert_eq!(rows.lines().collect::<Vec<_>>(), ["id,name,grade", "2,Bob,A", "3,Cy,B"]);
    let manifest: crate::result::Manifest = serde_json::from_str(&result.manifest_json).unwrap();
    assert_eq!((manifest.own.name.as_str(), manifest.peer.name.as_str()), ("bank", "bureau"));
    assert_eq!(std::fs::read_to_string(&result.manifest_path).unwrap(), result.manifest_json);
    delete(&mut bank_client, &job.id, &result.path).await;
    for home in [&pair.bank, &pair.bureau] {
        let spent = home.agreement_show(&id).await.unwrap().spent;
        assert_eq!((spent.runs, spent.rows), (1, 3), "both books agree");
    }
    let jobs = bank_client.list_jobs(v1::ListJobsRequest { limit: 0 }).await.unwrap().into_inner().jobs;
    assert!(jobs.iter().any(|listed| listed.id == job.id && listed.state() == v1::JobState::Done));
    let explain = v1::ExplainJobRequest { job_id: job.id.clone() };
    let told = bank_client.explain_job(explain).await.unwrap().into_inner().decisions;
    let actions: Vec<_> = told.iter().map(|decision| decision.action.as_str()).collect();
    assert_eq!(actions, ["offer", "accept", "batch", "release"]);
    assert!(told.iter().all(|decision| decision.allowed && decision.checks >= 1 && !decision.words.is_empty()));
    let given = pair.bureau.job_list(1).await.unwrap().remove(0).id.to_string();
    let given = pair.bureau.policy_explain_job(&given).await.unwrap();
    let actions: Vec<_> = given.iter().map(|decision| decision.record.action.as_str()).collect();
    assert_eq!(actions, ["offer", "accept", "batch"], "what was only sent is not released");
    drop(bank_client);
    bank.end().await;
    bureau.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_of_operators_pass_the_gate() {
    let pair = Pair::new().await;
    let node = Serving::start(&pair.bank).await;
    let mut client = client(&pair.bank).await;
    let set = client.list_policies(v1::ListPoliciesRequest {}).await.unwrap().into_inner();
    assert!(set.policies.iter().any(|policy| policy.id == "operator-may-act" && !policy.forbids));
    let directory = pair.bank.settings().home.join(crate::gate::DIRECTORY);
    std::fs::create_dir(&directory).unwrap();
    let own = "@id(\"look-only\")\n@reason(\"jobs are started elsewhere\")\nforbid (principal == \
               Symbolon::Operator::\"local\", action in Symbolon::Action::\"control_write\", resource);";
    std::fs::write(directory.join("own.cedar"), own).unwrap();
    let refused = client.create_job(v1::CreateJobRequest::default()).await.unwrap_err();
    assert_eq!((refused.code(), reason(&refused).as_str()), (Code::PermissionDenied, "POLICY_REFUSED"));
    assert!(refused.message().contains("\"look-only\""), "an operator is told which: {}", refused.message());
    let changed = client.list_policies(v1::ListPoliciesRequest {}).await.unwrap().into_inner();
    assert_ne!(changed.digest, set.digest);
    std::fs::write(directory.join("own.cedar"), "").unwrap();
    assert_eq!(reason(&client.create_job(v1::CreateJobRequest::default()).await.unwrap_err()), "NOT_FOUND");
    node.end().await;
}
