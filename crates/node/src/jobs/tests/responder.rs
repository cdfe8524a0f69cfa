//! The other way round: a bank's node that asks, and a bureau that breaks the rules.

use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Server;
use tonic::{Request, Response, Status};
use v1::exchange_service_server::{ExchangeService, ExchangeServiceServer};

use super::*;
use crate::tls::{Acceptor, AcceptorLimits, Channel};

/// What the faulty bureau does once it has the offer.
#[derive(Clone, Copy, Debug)]
enum Fault {
    EndsAtOnce,
    EndsAfterAcceptance,
    SilentAfterAcceptance,
    FrameForAcceptance,
    ForgedAcceptance,
    WidePayload,
    ManyRows,
    OtherNormaliser,
    WrongClock,
    ShortFrame,
    Refuses,
    NoSuchService,
}

struct Bureau {
    home: Home,
    fault: Fault,
}

impl Bureau {
    fn answer(&self) -> Answer {
        let mut answer = Answer {
            // A flag, a length and eight bytes of text: the column "grade".
            payload_bytes: 11,
            own: Declaration {
                rows: 3,
                normaliser_version: symbolon_tables::NORMALISER_VERSION.to_owned(),
                normaliser_digest: symbolon_tables::rules_digest(),
                nonce: [8; 32],
                time: self.home.clock().now(),
                frame_bytes_max: 1 << 20,
                held: symbolon_policy::Tightening::default(),
                posture: None,
                input: None,
            },
        };
        match self.fault {
            Fault::WidePayload => answer.payload_bytes = 12,
            Fault::ManyRows => answer.own.rows = 1 << 20,
            Fault::OtherNormaliser => answer.own.normaliser_digest = [0; 32],
            Fault::WrongClock => answer.own.time += chrono::Duration::hours(1),
            _ => {}
        }
        answer
    }

    async fn misbehave(
        self,
        mut inbound: Streaming<v1::ExchangeRequest>,
        outbound: mpsc::Sender<Result<v1::ExchangeResponse, Status>>,
    ) {
        let Some(RequestMessage::Offer(message)) = inbound.next().await.unwrap().unwrap().message else { return };
        let bank = symbolon_primitives::sign::VerifyingKey::from_bytes(
            &self.home.store().peer("bank").await.unwrap().unwrap().organisation_key,
        )
        .unwrap();
        let fit = Fit { now: self.home.clock().now(), skew_seconds_max: 300, frame_bytes: 0 };
        let own = self.home.keys().organisation_public();
        let offer = Sealed::<Offer>::receive(message, &bank, &fit, |key| *key == own).unwrap();
        let accept = Sealed::<Answer>::answer(&offer, self.answer(), self.home.keys().organisation()).unwrap();
        let mut accept = accept.to_message();
        if matches!(self.fault, Fault::ForgedAcceptance) {
            accept.signature[0] ^= 1;
        }
        let send = |message| outbound.send(Ok(v1::ExchangeResponse { message: Some(message) }));
        match self.fault {
            Fault::EndsAtOnce => return,
            Fault::FrameForAcceptance => send(ResponseMessage::Frame(vec![1; 50])).await.unwrap(),
            Fault::Refuses => {
                let abort =
                    v1::JobAbort { reason: "RUNS_SPENT".to_owned(), incident: "x".to_owned(), ..Default::default() };
                send(ResponseMessage::Abort(abort)).await.unwrap();
            }
            _ => send(ResponseMessage::Accept(accept)).await.unwrap(),
        }
        if matches!(self.fault, Fault::EndsAfterAcceptance) {
            return;
        }
        if matches!(self.fault, Fault::ShortFrame) {
            send(ResponseMessage::Frame(vec![1; 5])).await.unwrap();
        }
        // Until the bank gives up.
        while let Some(Ok(_)) = inbound.next().await {}
    }
}

type Stream = ReceiverStream<Result<v1::ExchangeResponse, Status>>;

#[tonic::async_trait]
impl ExchangeService for Bureau {
    type ExchangeStream = Stream;

    async fn update_card(
        &self,
        _request: Request<v1::UpdateCardRequest>,
    ) -> Result<Response<v1::UpdateCardResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn exchange(&self, request: Request<Streaming<v1::ExchangeRequest>>) -> Result<Response<Stream>, Status> {
        assert!(request.extensions().get::<Channel>().is_some());
        if matches!(self.fault, Fault::NoSuchService) {
            return Err(Status::unimplemented("no such method"));
        }
        let (outbound, receiver) = mpsc::channel(4);
        let bureau = Self { home: self.home.clone(), fault: self.fault };
        tokio::spawn(bureau.misbehave(request.into_inner(), outbound));
        Ok(Response::new(ReceiverStream::new(receiver)))
    }

    async fn hello(&self, _: Request<v1::HelloRequest>) -> Result<Response<v1::HelloResponse>, Status> {
        Err(Status::unimplemented("not used"))
    }

    async fn probe(&self, _: Request<v1::ProbeRequest>) -> Result<Response<v1::ProbeResponse>, Status> {
        Err(Status::unimplemented("not used"))
    }

    async fn propose_agreement(
        &self,
        _: Request<v1::ProposeAgreementRequest>,
    ) -> Result<Response<v1::ProposeAgreementResponse>, Status> {
        Err(Status::unimplemented("not used"))
    }

    async fn return_signature(
        &self,
        _: Request<v1::ReturnSignatureRequest>,
    ) -> Result<Response<v1::ReturnSignatureResponse>, Status> {
        Err(Status::unimplemented("not used"))
    }

    async fn notify_agreement(
        &self,
        _: Request<v1::NotifyAgreementRequest>,
    ) -> Result<Response<v1::NotifyAgreementResponse>, Status> {
        Err(Status::unimplemented("not used"))
    }
}

/// A bank with an active agreement whose idle timer runs out after a second.
async fn bank() -> (Pair, Home, [u8; 32]) {
    let pair = Pair::new().await;
    let mut options = pair.options().await;
    options.runs_max = 100;
    let draft = pair.bank.agreement_draft(&options).await.unwrap().into_bytes();
    let once = pair.bank.agreement_sign(AgreementInput::Document(draft)).await.unwrap();
    let twice = pair.bureau.agreement_sign(AgreementInput::Document(once.document)).await.unwrap();
    let agreement = pair.bank.agreement_accept(AgreementInput::Document(twice.document)).await.unwrap().record.id;
    let path = pair.bank.settings().home.clone();
    let text = std::fs::read_to_string(path.join("node.toml")).unwrap();
    std::fs::write(path.join("node.toml"), text.replace("idle_seconds_max = 60", "idle_seconds_max = 1")).unwrap();
    let home = Home::open(&path, &BTreeMap::new(), Arc::clone(pair.bank.clock())).await.unwrap();
    (pair, home, agreement)
}

/// Runs one job against a bureau with `fault` and gives the reason of its end.
async fn reason_of(fault: Fault, pair: &Pair, home: &Home, agreement: [u8; 32]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut peer = home.store().peer("bureau").await.unwrap().unwrap();
    peer.endpoint = listener.local_addr().unwrap().to_string();
    home.store().put_peer(peer, true).await.unwrap();
    let limits = AcceptorLimits::new(4, 4, Duration::from_secs(5));
    let pins = vec![home.keys().spki_pin()];
    let acceptor = Acceptor::new(&pair.bureau.keys(), pins, pair.bureau.clock(), limits).unwrap();
    let incoming = acceptor.listen(listener, CancellationToken::new());
    let service = ExchangeServiceServer::new(Bureau { home: pair.bureau.clone(), fault });
    let served = tokio::spawn(Server::builder().add_service(service).serve_with_incoming(incoming));

    let jobs = Jobs::new(home.clone()).unwrap();
    let new = NewJob {
        request_id: None,
        agreement_id: agreement,
        protocol: None,
        result: ResultKind::Enrich,
        columns: Vec::new(),
        own_columns: Vec::new(),
        output: None,
    };
    let job = jobs.create(new).await.unwrap();
    let mut reports = std::pin::pin!(jobs.watch(job.id).await.unwrap());
    let mut last = None;
    while let Some(report) = reports.next().await {
        last = Some(report);
    }
    served.abort();
    let last = last.unwrap();
    assert_eq!(last.state, JobState::Failed, "{fault:?}");
    let stored = home.store().job(job.id).await.unwrap().unwrap();
    assert_eq!(stored.failure, last.failure);
    assert!(!home.settings().results_dir().join(job.id.to_string()).exists());
    last.failure.unwrap().reason
}

#[tokio::test(flavor = "multi_thread")]
async fn every_fault_of_the_other_side_has_its_reason() {
    let (pair, home, agreement) = bank().await;
    for (fault, reason) in [
        (Fault::EndsAtOnce, "PEER_GONE"),
        (Fault::EndsAfterAcceptance, "PEER_GONE"),
        (Fault::SilentAfterAcceptance, "PEER_SILENT"),
        (Fault::FrameForAcceptance, "PEER_UNEXPECTED_MESSAGE"),
        (Fault::ForgedAcceptance, "SIGNATURE_INVALID"),
        (Fault::WidePayload, "PEER_SIZES"),
        (Fault::ManyRows, "ROWS_ABOVE_MAXIMUM"),
        (Fault::OtherNormaliser, "PEER_NORMALISER"),
        (Fault::WrongClock, "PEER_CLOCK"),
        (Fault::ShortFrame, "PEER_FRAME_TOO_SHORT"),
        (Fault::Refuses, "RUNS_SPENT"),
        (Fault::NoSuchService, "PEER_NOT_A_NODE"),
    ] {
        assert_eq!(reason_of(fault, &pair, &home, agreement).await, reason, "{fault:?}");
    }
}
