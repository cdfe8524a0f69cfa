//! The side that is asked, as it should not answer.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};

use anyhow::{Context, Result, bail};
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::NoServerSessionStorage;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::sign::SingleCertAndKey;
use rustls::{DigitallySignedStruct, DistinguishedName, ServerConfig, SignatureScheme, SupportedProtocolVersion};
use symbolon_node::evidence::witness::Witness;
use symbolon_node::home::Home;
use symbolon_node::session::handshake::{Answer, Declaration, Fit, Offer, Sealed, session_id};
use symbolon_node::session::{EvidenceMessage, Notary, NotaryStep};
use symbolon_node::store::JobRecord;
use symbolon_node::tls::EXPORTER_LABEL;
use symbolon_policy::audit::Turn;
use symbolon_primitives::hash::Transcript;
use symbolon_primitives::kdf::Label;
use symbolon_primitives::secret::Seed;
use symbolon_primitives::sign::VerifyingKey;
use symbolon_psi::TranscriptHashes;
use symbolon_psi::{Frame, Machine, Outcome, Party, Protocol, Release, SenderInput, SessionSpec, Step, testing};
use symbolon_wire::v1;
use symbolon_wire::v1::exchange_request::Message as RequestMessage;
use symbolon_wire::v1::exchange_response::Message as ResponseMessage;
use symbolon_wire::v1::exchange_service_server::{ExchangeService, ExchangeServiceServer};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Server;
use tonic::transport::server::Connected;
use tonic::{Request, Response, Status, Streaming};

use super::client::{keys, sheet};
use super::tls::Identity;

/// The step of the message that ends a direction, which is in no transcript.
const STEP_FINISH: u8 = 0xFE;

/// What an impostor does with a job that is asked of it.
pub type Deed = Arc<dyn Fn(Guest) -> Pin<Box<dyn Future<Output = Result<()>> + Send>> + Send + Sync>;

/// A server that stands where a node should.
#[derive(Debug)]
pub struct Impostor {
    /// Where it listens.
    pub address: SocketAddr,
    served: tokio::task::JoinHandle<Result<(), tonic::transport::Error>>,
    /// How each deed ended.
    pub ended: mpsc::Receiver<Result<()>>,
}

/// Changes what an impostor says about its log and the receipt.
pub type Forge = Arc<dyn Fn(&Home, &mut EvidenceMessage) -> Result<()> + Send + Sync>;

/// A job that was asked of an impostor.
pub struct Guest {
    /// The home whose keys the impostor has.
    pub home: Home,
    /// The organisation key of who asks.
    pub initiator: VerifyingKey,
    /// What comes in.
    pub inbound: Streaming<v1::ExchangeRequest>,
    /// What goes out.
    pub outbound: mpsc::Sender<Result<v1::ExchangeResponse, Status>>,
    /// The exporter value of the connection.
    pub exporter: [u8; 32],
    witness: Option<Witness>,
    /// Changes what is said about the log and the receipt.
    pub forge: Option<Forge>,
}

impl std::fmt::Debug for Guest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Guest").field("initiator", &self.initiator).finish_non_exhaustive()
    }
}

/// What an impostor's table holds and how wide its columns are.
#[derive(Clone, Debug)]
pub struct Wares {
    /// The agreement's identifier.
    pub agreement: [u8; 32],
    /// The keys, one row each.
    pub numbers: Vec<u32>,
    /// Rows declared.
    pub rows: u64,
    /// Bytes of payload a row.
    pub payload_bytes: u32,
    /// When the columns open.
    pub release: Option<Release>,
}

impl Impostor {
    /// Listens with `identity` and the keys of `home`, and does `deed` with every job.
    ///
    /// # Errors
    /// When no port can be had.
    pub async fn start(
        home: Home,
        initiator: VerifyingKey,
        identity: &Identity,
        versions: &[&'static SupportedProtocolVersion],
        deed: Deed,
    ) -> Result<Self> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let anyone = Arc::new(Anyone(provider.signature_verification_algorithms.supported_schemes()));
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)?
            .with_client_cert_verifier(anyone)
            .with_cert_resolver(Arc::new(SingleCertAndKey::from(identity.certified())));
        config.alpn_protocols = vec![b"h2".to_vec()];
        config.session_storage = Arc::new(NoServerSessionStorage {});
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let (sender, lines) = mpsc::channel(4);
        tokio::spawn(async move {
            while let Ok((tcp, _)) = listener.accept().await {
                // Who does not like what it is shown goes away.
                if let Ok(tls) = acceptor.accept(tcp).await
                    && sender.send(Line::new(tls)).await.is_err()
                {
                    return;
                }
            }
        });
        let (report, ended) = mpsc::channel(64);
        let service = ExchangeServiceServer::new(Service { home, initiator, deed, report });
        let service = service.max_encoding_message_size(64 << 20);
        let served = tokio::spawn(
            Server::builder()
                .add_service(service)
                .serve_with_incoming(ReceiverStream::new(lines).map(std::io::Result::Ok)),
        );
        Ok(Self { address, served, ended })
    }
}

impl Drop for Impostor {
    fn drop(&mut self) {
        self.served.abort();
    }
}

impl Guest {
    /// Sends a message; who asked may have gone.
    pub async fn send(&self, message: ResponseMessage) {
        drop(self.outbound.send(Ok(v1::ExchangeResponse { message: Some(message) })).await);
    }

    /// The next message that is no sign of life; the word of the end in place of one.
    ///
    /// # Errors
    /// When an empty message comes.
    pub async fn next(&mut self) -> Result<std::result::Result<RequestMessage, String>> {
        loop {
            match self.inbound.next().await {
                None | Some(Err(_)) => return Ok(Err("PEER_GONE".to_owned())),
                Some(Ok(message)) => match message.message.context("an empty message")? {
                    RequestMessage::Alive(_) => {}
                    RequestMessage::Abort(abort) => return Ok(Err(abort.reason)),
                    message => return Ok(Ok(message)),
                },
            }
        }
    }

    /// Takes the offer.
    ///
    /// # Errors
    /// When something else comes.
    pub async fn offer(&mut self) -> Result<Sealed<Offer>> {
        let message = match self.next().await? {
            Ok(RequestMessage::Offer(offer)) => offer,
            other => bail!("no offer: {other:?}"),
        };
        let fit = Fit { now: self.home.clock().now(), skew_seconds_max: 300, frame_bytes: 0 };
        let own = self.home.keys().organisation_public();
        Ok(Sealed::<Offer>::receive(message, &self.initiator, &own, &fit)?)
    }

    /// An acceptance that differs from an honest one by `change`.
    ///
    /// # Errors
    /// When the key does not sign.
    pub fn answer(
        &self,
        offer: &Sealed<Offer>,
        wares: &Wares,
        change: impl FnOnce(&mut Answer),
    ) -> Result<Sealed<Answer>> {
        let mut answer = Answer {
            payload_bytes: wares.payload_bytes,
            own: Declaration {
                rows: wares.rows,
                normaliser_version: symbolon_tables::NORMALISER_VERSION.to_owned(),
                normaliser_digest: symbolon_tables::rules_digest(),
                nonce: *Seed::random()?.expose(),
                time: self.home.clock().now(),
                frame_bytes_max: 1 << 20,
                posture: None,
                input: None,
            },
        };
        change(&mut answer);
        Ok(Sealed::<Answer>::answer(offer, answer, self.home.keys().organisation())?)
    }

    /// An honest handshake.
    ///
    /// # Errors
    /// When who asks goes away.
    pub async fn begin(&mut self, wares: &Wares) -> Result<SessionSpec> {
        let offer = self.offer().await?;
        let answer = self.answer(&offer, wares, |_| {})?;
        self.send(ResponseMessage::Accept(answer.to_message())).await;
        match self.next().await? {
            Ok(RequestMessage::Confirm(_)) => {}
            other => bail!("no confirmation: {other:?}"),
        }
        let spec = SessionSpec {
            protocol: Protocol::EcdhOprf,
            sid: session_id(&offer, &answer, self.exporter),
            schema_id: wares.agreement.to_vec(),
            rows_sender: wares.rows,
            rows_receiver: offer.content().own.rows,
            payload_bytes: wares.payload_bytes,
            release: wares.release,
        };
        let mut sheet = sheet(Turn::Responder, &offer, &answer, &spec)?;
        // Its store keeps receipts of jobs it knows only.
        if let Some(record) = self.home.job_list(1).await?.into_iter().next() {
            let record = JobRecord { id: sheet.job, request_id: None, sid: None, ..record };
            sheet.job = self.home.store().create_job(record).await?.id;
        }
        let mut witness = Witness::new(self.home.clone(), sheet);
        let mut step = witness.begin(None).await?;
        while let Some(said) = self.say(step).await? {
            step = witness.begin(Some(said)).await?;
        }
        self.witness = Some(witness);
        Ok(spec)
    }

    /// Does what a witness wants, and gives what the other side says to it; nothing when there is nothing more to say.
    async fn say(&mut self, mut step: NotaryStep) -> Result<Option<EvidenceMessage>> {
        if let (Some(forge), NotaryStep::Send(message) | NotaryStep::SendLast(message)) = (&self.forge, &mut step) {
            forge(&self.home, message)?;
        }
        match step {
            NotaryStep::Send(message) => self.send(ResponseMessage::Evidence(message.into())).await,
            NotaryStep::SendLast(message) => {
                self.send(ResponseMessage::Evidence(message.into())).await;
                return Ok(None);
            }
            NotaryStep::Await => {}
            NotaryStep::Done => return Ok(None),
        }
        match self.next().await? {
            Ok(RequestMessage::Evidence(message)) => Ok(Some(message.try_into()?)),
            _ => Ok(None),
        }
    }

    /// Signs the receipt with the node. The impostor's own records do not matter.
    async fn receipt(&mut self, transcript: TranscriptHashes) -> Result<()> {
        let Some(mut witness) = self.witness.take() else { return Ok(()) };
        let mut step = witness.end(transcript, None).await?;
        loop {
            let Some(said) = self.say(step).await? else { return Ok(()) };
            match witness.end(transcript, Some(said)).await {
                Ok(next) => step = next,
                Err(_) => return Ok(()),
            }
        }
    }

    /// Runs the sender's machine against who asks; `change` gives what is sent in place of each frame. Also gives every
    /// frame that came.
    ///
    /// # Errors
    /// When the machine itself fails.
    pub async fn pump(
        &mut self,
        spec: SessionSpec,
        wares: &Wares,
        mut change: impl FnMut(Vec<u8>) -> Vec<Vec<u8>>,
    ) -> Result<(Option<Outcome>, Vec<Vec<u8>>)> {
        let payload = vec![0; wares.numbers.len() * wares.payload_bytes as usize];
        let input = SenderInput::one_row_per_key(keys(wares.numbers.iter().copied()), payload)?;
        let mut received = Vec::new();
        // A receipt is about what was sent, whatever the machine made.
        let mut sent = Transcript::new(Label::Finish);
        sent.add(spec.sid.as_bytes());
        let mut step = Party::sender(spec, input, Seed::random()?, &testing::limits())?.advance(None)?;
        loop {
            step = match step {
                Step::Done(outcome) => {
                    self.receipt(TranscriptHashes { sent: sent.finish(), ..outcome.transcript() }).await?;
                    return Ok((Some(outcome), received));
                }
                Step::Send(frame, next) => {
                    for wire in change(frame.into_wire()) {
                        if wire.get(2) != Some(&STEP_FINISH) {
                            sent.add(&wire);
                        }
                        self.send(ResponseMessage::Frame(wire)).await;
                    }
                    next.advance(None)?
                }
                Step::Work(next) => next.advance(None)?,
                Step::Await(next) => match self.next().await? {
                    Ok(RequestMessage::Frame(wire)) => {
                        received.push(wire.clone());
                        next.advance(Some(Frame::from_wire(wire, &testing::limits())?))?
                    }
                    _ => return Ok((None, received)),
                },
            };
        }
    }
}

struct Service {
    home: Home,
    initiator: VerifyingKey,
    deed: Deed,
    report: mpsc::Sender<Result<()>>,
}

#[tonic::async_trait]
impl ExchangeService for Service {
    type ExchangeStream = ReceiverStream<Result<v1::ExchangeResponse, Status>>;

    async fn hello(&self, _: Request<v1::HelloRequest>) -> Result<Response<v1::HelloResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn probe(&self, _: Request<v1::ProbeRequest>) -> Result<Response<v1::ProbeResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn propose_agreement(
        &self,
        _: Request<v1::ProposeAgreementRequest>,
    ) -> Result<Response<v1::ProposeAgreementResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn return_signature(
        &self,
        _: Request<v1::ReturnSignatureRequest>,
    ) -> Result<Response<v1::ReturnSignatureResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn exchange(
        &self,
        request: Request<Streaming<v1::ExchangeRequest>>,
    ) -> Result<Response<Self::ExchangeStream>, Status> {
        let exporter = *request.extensions().get::<[u8; 32]>().ok_or_else(|| Status::internal("no channel"))?;
        let (outbound, receiver) = mpsc::channel(64);
        let guest = Guest {
            home: self.home.clone(),
            initiator: self.initiator,
            inbound: request.into_inner(),
            outbound,
            exporter,
            witness: None,
            forge: None,
        };
        let (deed, report) = (Arc::clone(&self.deed), self.report.clone());
        tokio::spawn(async move { drop(report.send(deed(guest).await).await) });
        Ok(Response::new(ReceiverStream::new(receiver)))
    }
}

/// Takes every client's certificate.
#[derive(Debug)]
struct Anyone(Vec<SignatureScheme>);

impl ClientCertVerifier for Anyone {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        Ok(rustls::client::danger::HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        Ok(rustls::client::danger::HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.clone()
    }
}

/// A connection with its exporter value.
struct Line {
    tls: TlsStream<TcpStream>,
    exporter: [u8; 32],
}

impl Line {
    fn new(tls: TlsStream<TcpStream>) -> Self {
        let exporter = tls.get_ref().1.export_keying_material([0_u8; 32], EXPORTER_LABEL, None);
        Self { exporter: exporter.unwrap_or_default(), tls }
    }
}

impl Connected for Line {
    type ConnectInfo = [u8; 32];

    fn connect_info(&self) -> [u8; 32] {
        self.exporter
    }
}

impl AsyncRead for Line {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut TaskContext<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.tls).poll_read(cx, buf)
    }
}

impl AsyncWrite for Line {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut TaskContext<'_>, buf: &[u8]) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.tls).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.tls).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.tls).poll_shutdown(cx)
    }
}
