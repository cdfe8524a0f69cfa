//! The side that asks, as it should not.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use hyper_util::rt::TokioIo;
use prost::Message;
use symbolon_node::evidence::witness::{JobSheet, Witness};
use symbolon_node::home::Home;
use symbolon_node::session::handshake::{Answer, Declaration, Fit, Offer, Sealed, job_spec_digest, session_id};
use symbolon_node::session::{EvidenceMessage, Notary, NotaryStep};
use symbolon_node::store::JobId;
use symbolon_node::tls::EXPORTER_LABEL;
use symbolon_policy::audit::Turn;
use symbolon_policy::{AgreementId, ResultKind};
use symbolon_primitives::hash::lp;
use symbolon_primitives::kdf::Label;
use symbolon_primitives::secret::Seed;
use symbolon_primitives::sign::{Signer, VerifyingKey};
use symbolon_psi::{
    Frame, ItemSet, Machine, Outcome, Party, Protocol, ReceiverInput, Release, Report, Role, SenderInput, SessionSpec,
    Sid, Step, TranscriptHashes, leakage, testing,
};
use symbolon_wire::v1;
use symbolon_wire::v1::control_service_client::ControlServiceClient;
use symbolon_wire::v1::exchange_request::Message as RequestMessage;
use symbolon_wire::v1::exchange_response::Message as ResponseMessage;
use symbolon_wire::v1::exchange_service_client::ExchangeServiceClient;
use tokio::sync::mpsc;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;
use tonic::transport::{Channel, Endpoint};

use super::tls::{Identity, handshake};
use super::word;

/// How long a node may take to end what it refuses.
const END_MAX: Duration = Duration::from_secs(30);

/// A connection to a node's peer port.
#[derive(Clone, Debug)]
pub struct Client {
    /// The generated client.
    pub grpc: ExchangeServiceClient<Channel>,
    /// The exporter value of this connection.
    pub exporter: [u8; 32],
    channel: Channel,
}

impl Client {
    /// Connects as `identity`.
    ///
    /// # Errors
    /// When the port refuses.
    pub async fn connect(address: SocketAddr, identity: Identity) -> Result<Self> {
        let stream = handshake(address, Some(identity), &[&rustls::version::TLS13], b"h2").await?;
        let exporter = stream.get_ref().1.export_keying_material([0_u8; 32], EXPORTER_LABEL, None)?;
        let slot = Arc::new(Mutex::new(Some(TokioIo::new(stream))));
        let connector = tower::service_fn(move |_| {
            let stream = slot.lock().map_or_else(|_| None, |mut slot| slot.take());
            std::future::ready(stream.ok_or_else(|| std::io::Error::from(std::io::ErrorKind::NotConnected)))
        });
        let channel = Endpoint::from_static("https://peer.symbolon.invalid").connect_with_connector(connector).await?;
        // It sends larger messages than a node takes.
        let grpc = ExchangeServiceClient::new(channel.clone()).max_encoding_message_size(64 << 20);
        Ok(Self { grpc, exporter, channel })
    }

    /// The operators' service, asked for on this connection.
    #[must_use]
    pub fn control(&self) -> ControlServiceClient<Channel> {
        ControlServiceClient::new(self.channel.clone())
    }

    /// Opens a job's stream.
    ///
    /// # Errors
    /// The status with which the node refuses.
    pub async fn exchange(&self) -> Result<Talk, tonic::Status> {
        let (outbound, receiver) = mpsc::channel(64);
        let inbound = self.grpc.clone().exchange(ReceiverStream::new(receiver)).await?.into_inner();
        Ok(Talk { inbound, outbound, exporter: self.exporter })
    }
}

/// A job's stream.
#[derive(Debug)]
pub struct Talk {
    /// What the node sends.
    pub inbound: Streaming<v1::ExchangeResponse>,
    /// What goes to the node.
    pub outbound: mpsc::Sender<v1::ExchangeRequest>,
    /// The exporter value of the connection.
    pub exporter: [u8; 32],
}

impl Talk {
    /// Sends a message; the node may have ended the stream.
    pub async fn send(&self, message: RequestMessage) {
        drop(self.outbound.send(v1::ExchangeRequest { message: Some(message) }).await);
    }

    /// The next message that is no sign of life; the word of the end in place of one.
    ///
    /// # Errors
    /// When nothing comes.
    pub async fn next(&mut self) -> Result<std::result::Result<ResponseMessage, String>> {
        let next = async {
            loop {
                match self.inbound.next().await {
                    None => return Ok(Err("PEER_GONE".to_owned())),
                    Some(Err(status)) => return Ok(Err(word(&status))),
                    Some(Ok(message)) => match message.message.context("an empty message")? {
                        ResponseMessage::Alive(_) => {}
                        ResponseMessage::Abort(abort) => return Ok(Err(abort.reason)),
                        message => return Ok(Ok(message)),
                    },
                }
            }
        };
        tokio::time::timeout(END_MAX, next).await.context("the node neither answers nor ends the stream")?
    }

    /// The word with which the node ends the stream, whatever it says before.
    ///
    /// # Errors
    /// When it does not end it.
    pub async fn end(&mut self) -> Result<String> {
        loop {
            if let Err(word) = self.next().await? {
                return Ok(word);
            }
        }
    }
}

/// Somebody with an institution's keys who asks a node for things.
#[derive(Clone, Debug)]
pub struct Intruder {
    /// Whose keys it has.
    pub home: Home,
    /// What it shows.
    pub identity: Identity,
    /// The node it asks.
    pub address: SocketAddr,
    /// The organisation key of that node.
    pub responder: VerifyingKey,
}

/// What an offer of the intruder says, before it is changed.
#[derive(Clone, Debug)]
pub struct Ask {
    /// The agreement.
    pub agreement: [u8; 32],
    /// The protocol.
    pub protocol: Protocol,
    /// The result.
    pub result: ResultKind,
    /// The columns.
    pub columns: Vec<String>,
    /// The purpose.
    pub purpose: String,
    /// The rows declared.
    pub rows: u64,
    /// When the columns open, as the agreement has it.
    pub release: Option<Release>,
}

/// A job whose handshake went well.
#[derive(Debug)]
pub struct Run {
    /// Its stream.
    pub talk: Talk,
    /// What both sides derived.
    pub spec: SessionSpec,
    witness: Option<Witness>,
}

/// What an honest receipt says about a job.
///
/// # Errors
/// When the system has no randomness.
pub fn sheet(turn: Turn, offer: &Sealed<Offer>, answer: &Sealed<Answer>, spec: &SessionSpec) -> Result<JobSheet> {
    let (asked, answered) = (offer.content(), answer.content());
    let keys = [asked.initiator, asked.responder];
    let millis = |time: chrono::DateTime<chrono::Utc>| u64::try_from(time.timestamp_millis());
    Ok(JobSheet {
        job: JobId::random()?,
        turn,
        agreement: *asked.agreement_id.as_bytes(),
        job_spec: job_spec_digest(offer, answer),
        sid: spec.sid.0,
        protocol: spec.protocol.as_str(),
        result: asked.result.as_str(),
        leakage: leakage_digest(spec),
        keys,
        peer_origins: vec![keys[turn.other().index()]],
        rows: [asked.own.rows, answered.own.rows],
        began_unix_millis: [millis(asked.own.time)?, millis(answered.own.time)?],
    })
}

/// The digest of the statement of what each side learns, as receipts have it.
fn leakage_digest(spec: &SessionSpec) -> [u8; 32] {
    let mut text = Vec::new();
    for role in [Role::Sender, Role::Receiver] {
        let report = spec.release.map(|release| release.report);
        let statement = leakage::statement(spec.protocol, role, spec.payload_bytes > 0, report);
        for word in [spec.protocol.as_str(), role.as_str(), statement.model.as_str()] {
            lp(&mut text, word.as_bytes());
        }
        for facts in [&statement.learns, &statement.caveats] {
            let keys: Vec<&str> = facts.iter().map(|fact| fact.key).collect();
            lp(&mut text, keys.join(",").as_bytes());
        }
    }
    *symbolon_policy::Digest::of(&text).as_bytes()
}

impl Intruder {
    /// Connects.
    ///
    /// # Errors
    /// When the port refuses.
    pub async fn connect(&self) -> Result<Client> {
        Client::connect(self.address, self.identity.clone()).await
    }

    /// Connects and opens a job's stream.
    ///
    /// # Errors
    /// When the node refuses.
    pub async fn open(&self) -> Result<Talk> {
        Ok(self.connect().await?.exchange().await?)
    }

    /// The body of an honest offer with a fresh nonce.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn offer(&self, ask: &Ask) -> Result<v1::JobOfferBody> {
        let offer = Offer {
            agreement_id: AgreementId::from_bytes(ask.agreement),
            initiator: self.home.keys().organisation_public(),
            responder: self.responder,
            protocol: ask.protocol,
            result: ask.result,
            columns: ask.columns.clone(),
            purpose: ask.purpose.clone(),
            own: self.declaration(ask.rows)?,
        };
        let message = Sealed::<Offer>::offer(offer, self.home.keys().organisation())?.to_message();
        Ok(v1::JobOfferBody::decode(message.body.as_slice())?)
    }

    /// What an honest side says about itself.
    ///
    /// # Errors
    /// When the system has no randomness.
    pub fn declaration(&self, rows: u64) -> Result<Declaration> {
        Ok(Declaration {
            rows,
            normaliser_version: symbolon_tables::NORMALISER_VERSION.to_owned(),
            normaliser_digest: symbolon_tables::rules_digest(),
            nonce: *Seed::random()?.expose(),
            time: self.home.clock().now(),
            frame_bytes_max: 1 << 20,
            posture: None,
            input: None,
        })
    }

    /// Signs a body with the keys it has.
    ///
    /// # Errors
    /// When the key does not sign.
    pub fn seal(&self, body: &v1::JobOfferBody) -> Result<v1::JobOffer> {
        seal(body, self.home.keys().organisation())
    }

    /// Sends an offer that differs from an honest one by `change`, and gives the word of its refusal.
    ///
    /// # Errors
    /// When it is accepted.
    pub async fn offered(&self, ask: &Ask, change: impl FnOnce(&mut v1::JobOfferBody)) -> Result<String> {
        let mut body = self.offer(ask)?;
        change(&mut body);
        self.asked(self.seal(&body)?).await
    }

    /// Sends an offer as it is, and gives the word of its refusal.
    ///
    /// # Errors
    /// When it is accepted.
    pub async fn asked(&self, offer: v1::JobOffer) -> Result<String> {
        let mut talk = self.open().await?;
        talk.send(RequestMessage::Offer(offer)).await;
        match talk.next().await? {
            Err(word) => Ok(word),
            Ok(_) => bail!("the offer is accepted"),
        }
    }

    /// An honest handshake up to the acceptance.
    ///
    /// # Errors
    /// When it is not accepted.
    pub async fn accepted(&self, ask: &Ask) -> Result<(Talk, v1::JobOffer, SessionSpec)> {
        let (talk, message, spec, _) = self.taken_on(ask).await?;
        Ok((talk, message, spec))
    }

    async fn taken_on(&self, ask: &Ask) -> Result<(Talk, v1::JobOffer, SessionSpec, Witness)> {
        let mut talk = self.open().await?;
        let message = self.seal(&self.offer(ask)?)?;
        talk.send(RequestMessage::Offer(message.clone())).await;
        let accept = match talk.next().await? {
            Ok(ResponseMessage::Accept(accept)) => accept,
            other => bail!("no acceptance: {other:?}"),
        };
        let fit = Fit { now: self.home.clock().now(), skew_seconds_max: 300, frame_bytes: 0 };
        let own = self.home.keys().organisation_public();
        let offer = Sealed::<Offer>::receive(message.clone(), &own, &self.responder, &fit)?;
        let answer = Sealed::<Answer>::receive(&offer, accept, &fit)?;
        let sid = session_id(&offer, &answer, talk.exporter);
        let rows = answer.content().own.rows;
        let (rows_sender, rows_receiver) = match ask.protocol {
            Protocol::EcdhMutual => (ask.rows, rows),
            _ => (rows, ask.rows),
        };
        let spec = SessionSpec {
            protocol: ask.protocol,
            sid,
            schema_id: ask.agreement.to_vec(),
            rows_sender,
            rows_receiver,
            payload_bytes: answer.content().payload_bytes,
            release: ask.release,
        };
        let witness = Witness::new(self.home.clone(), sheet(Turn::Initiator, &offer, &answer, &spec)?);
        Ok((talk, message, spec, witness))
    }

    /// The confirmation of a session.
    ///
    /// # Errors
    /// When the key does not sign.
    pub fn confirmation(&self, sid: &Sid) -> Result<RequestMessage> {
        let signature = self.home.keys().organisation().try_sign(Label::JobConfirm, &[sid.as_bytes()])?;
        Ok(RequestMessage::Confirm(v1::JobConfirm { signature: signature.to_bytes().to_vec() }))
    }

    /// A whole honest handshake.
    ///
    /// # Errors
    /// When it is not accepted.
    pub async fn begin(&self, ask: &Ask) -> Result<Run> {
        // What waits in between is large.
        Box::pin(self.begun(ask)).await
    }

    async fn begun(&self, ask: &Ask) -> Result<Run> {
        let (talk, _, spec, mut witness) = self.taken_on(ask).await?;
        talk.send(self.confirmation(&spec.sid)?).await;
        let mut run = Run { talk, spec, witness: None };
        let mut step = witness.begin(None).await?;
        while let Some(said) = run.say(step).await? {
            step = witness.begin(Some(said)).await?;
        }
        run.witness = Some(witness);
        Ok(run)
    }
}

/// Signs a body with any key.
///
/// # Errors
/// When the key does not sign.
pub fn seal(body: &v1::JobOfferBody, key: &dyn Signer) -> Result<v1::JobOffer> {
    let body = body.encode_to_vec();
    let signature = key.try_sign(Label::JobOffer, &[&body])?;
    Ok(v1::JobOffer { body, signature: signature.to_bytes().to_vec() })
}

/// Keys in the form in which the tests' tables give them.
pub fn keys(numbers: impl IntoIterator<Item = u32>) -> ItemSet {
    let texts: Vec<String> = numbers.into_iter().map(|number| number.to_string()).collect();
    texts.iter().map(String::as_bytes).collect()
}

impl Run {
    /// The intruder's machine, with keys of its choice.
    ///
    /// # Errors
    /// When the inputs do not fit.
    pub fn party(&self, numbers: impl IntoIterator<Item = u32>) -> Result<Party> {
        let (spec, seed, limits) = (self.spec.clone(), Seed::random()?, testing::limits());
        if self.spec.protocol == Protocol::EcdhMutual {
            let input = SenderInput { keys: keys(numbers), row_key: Vec::new(), payload: Vec::new() };
            return Ok(Party::sender(spec, input, seed, &limits)?);
        }
        Ok(Party::receiver(spec, ReceiverInput { keys: keys(numbers) }, seed, &limits)?)
    }

    /// Goes away after the last frame instead of signing a receipt.
    pub fn without_receipt(&mut self) {
        self.witness = None;
    }

    /// Runs `party` against the node; `change` gives what is sent in place of each frame. Ends with the party's outcome
    /// or with the word with which the node ended the job.
    ///
    /// # Errors
    /// When the party itself fails, or the node neither answers nor ends.
    pub async fn pump(
        &mut self,
        party: Party,
        mut change: impl FnMut(Vec<u8>) -> Vec<Vec<u8>>,
    ) -> Result<std::result::Result<Outcome, String>> {
        let mut step = party.advance(None)?;
        loop {
            step = match step {
                Step::Done(outcome) => {
                    Box::pin(self.receipt(outcome.transcript())).await?;
                    return Ok(Ok(outcome));
                }
                Step::Send(frame, next) => {
                    for wire in change(frame.into_wire()) {
                        self.talk.send(RequestMessage::Frame(wire)).await;
                    }
                    next.advance(None)?
                }
                Step::Work(next) => next.advance(None)?,
                Step::Await(next) => match self.talk.next().await? {
                    Ok(ResponseMessage::Frame(wire)) => {
                        next.advance(Some(Frame::from_wire(wire, &testing::limits())?))?
                    }
                    Ok(other) => return Err(anyhow!("no frame: {other:?}")),
                    Err(word) => return Ok(Err(word)),
                },
            };
        }
    }

    /// Does what a witness wants, and gives what the node says to it; nothing when there is nothing more to say, or the
    /// node has ended the job.
    async fn say(&mut self, step: NotaryStep) -> Result<Option<EvidenceMessage>> {
        match step {
            NotaryStep::Send(message) => self.talk.send(RequestMessage::Evidence(message.into())).await,
            NotaryStep::SendLast(message) => {
                self.talk.send(RequestMessage::Evidence(message.into())).await;
                return Ok(None);
            }
            NotaryStep::Await => {}
            NotaryStep::Done => return Ok(None),
        }
        match self.talk.next().await? {
            Ok(ResponseMessage::Evidence(message)) => Ok(Some(message.try_into()?)),
            Ok(other) => Err(anyhow!("no evidence: {other:?}")),
            Err(_) => Ok(None),
        }
    }

    /// Signs the receipt with the node. The intruder's own records of it do not matter to anybody.
    async fn receipt(&mut self, transcript: TranscriptHashes) -> Result<()> {
        let Some(mut witness) = self.witness.take() else { return Ok(()) };
        let mut step = witness.end(transcript, None).await?;
        while let Some(said) = self.say(step).await? {
            match witness.end(transcript, Some(said)).await {
                Ok(next) => step = next,
                Err(_) => return Ok(()),
            }
        }
        Ok(())
    }

    /// Runs keys of its choice against the node with frames changed, and gives the word with which the node ended it.
    ///
    /// # Errors
    /// When the node lets it through.
    pub async fn spoilt(
        &mut self,
        numbers: impl IntoIterator<Item = u32>,
        change: impl FnMut(Vec<u8>) -> Vec<Vec<u8>>,
    ) -> Result<String> {
        let party = self.party(numbers)?;
        match self.pump(party, change).await? {
            Err(word) => Ok(word),
            Ok(_) => self.talk.end().await,
        }
    }
}

/// The release an agreement with a minimum asks for.
#[must_use]
pub const fn release(keys_min: u64, report: Report) -> Option<Release> {
    Some(Release { keys_min, report })
}

/// The role of the side that asks.
#[must_use]
pub const fn asking_role(protocol: Protocol) -> Role {
    match protocol {
        Protocol::EcdhMutual => Role::Sender,
        _ => Role::Receiver,
    }
}
