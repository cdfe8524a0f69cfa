//! The client of another node's peer port.
//!
//! A [`PeerClient`] is one connection: made once, with the exporter value of its handshake known, and never made anew
//! behind the caller's back. When it breaks, calls fail and the job with them.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chrono::{DateTime, Utc};
use hyper_util::rt::TokioIo;
use symbolon_policy::cedar::Validity;
use symbolon_wire::v1;
use symbolon_wire::v1::exchange_service_client::ExchangeServiceClient;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Endpoint;
use tonic::{Response, Status, Streaming};

use crate::config::{Limits, split_endpoint};
use crate::convert;
use crate::error::{Environment, Error, Unavailable};
use crate::gate::Posture;
use crate::home::Home;
use crate::keys::TlsPair;
use crate::status::from_peer;
use crate::store::{NoticeRecord, PeerRecord, PostureRecord};
use crate::tls;

/// The largest HTTP/2 frame; larger ones gain nothing over TLS records of 16 KiB.
pub(crate) const HTTP2_FRAME_BYTES: u32 = 256 << 10;

/// The most bytes a probe carries each way.
pub const PROBE_BYTES_MAX: usize = 1 << 20;

/// The version of this software, as nodes tell each other.
pub const SOFTWARE: &str = env!("CARGO_PKG_VERSION");

/// One connection to a peer's node.
#[derive(Debug, Clone)]
pub struct PeerClient {
    grpc: ExchangeServiceClient<tonic::transport::Channel>,
    channel: tls::Channel,
    refused: Arc<AtomicBool>,
    answer_max: Duration,
}

impl PeerClient {
    /// Connects to the peer at its recorded endpoint and checks that it holds the pinned key.
    ///
    /// # Errors
    /// [`Unavailable`] when nobody answers in time or this node is refused;
    /// [`PeerIncompatible::Certificate`](crate::error::PeerIncompatible::Certificate) when somebody else answers.
    pub async fn connect(home: &Home, peer: &PeerRecord) -> Result<Self, Error> {
        let keys = home.keys();
        let mut refused = None;
        // Who has not heard of a change of our key lets in only the former one, as long as it counts.
        for (former, pair) in std::iter::once(keys.tls()).chain(keys.tls_former(home.clock().now())).enumerate() {
            match Self::showing(home, peer, pair).await {
                Err(Error::Unavailable(Unavailable::RefusedByPeer)) => {
                    refused = Some(Unavailable::RefusedByPeer.into());
                }
                Err(error) => return Err(error),
                Ok(client) => {
                    let taken = client.hand_over(home, peer).await?;
                    return if taken && former > 0 { Self::showing(home, peer, keys.tls()).await } else { Ok(client) };
                }
            }
        }
        Err(refused.unwrap_or_else(|| Environment::Tls.into()))
    }

    /// Connects with one of this node's certificates.
    async fn showing(home: &Home, peer: &PeerRecord, pair: &TlsPair) -> Result<Self, Error> {
        let limits = &home.settings().limits;
        let pins = home.pins_of(peer).await?;
        let config = tls::client_config(pair, &pins, home.clock())?;
        let dial = async {
            let tcp = dial(&peer.endpoint).await?;
            tls::connect(config, (&pins, peer.spki_pin), home.connections(), tcp).await
        };
        let stream = tokio::time::timeout(limits.connect_seconds_max, dial).await;
        let stream = stream.map_err(|_| Unavailable::Unreachable)??;
        Self::over(stream, limits).await
    }

    /// Hands our present card over if the peer has not taken it yet. Tells whether it took it now; a peer that does not
    /// is worked with under the keys it knows.
    async fn hand_over(&self, home: &Home, peer: &PeerRecord) -> Result<bool, Error> {
        if !home.card_due(peer).await? {
            return Ok(false);
        }
        let card = home.card()?;
        let sequence = card.contents().identity.sequence;
        let mut grpc = self.grpc.clone();
        let request = v1::UpdateCardRequest { card: card.to_toml() };
        match self.answer(grpc.update_card(request)).await {
            Ok(_) => {
                home.note_update(&peer.name, sequence, None).await;
                Ok(true)
            }
            Err(error) => {
                let known = home.store().card_update(&peer.name).await?.map_or(0, |known| known.sequence);
                tracing::warn!(peer = peer.name, %error, "the peer did not take our present card");
                home.note_update(&peer.name, known, Some(error.reason())).await;
                Ok(false)
            }
        }
    }

    /// Speaks HTTP/2 over a connection whose handshake is done.
    pub(crate) async fn over(stream: tls::Stream, limits: &Limits) -> Result<Self, Error> {
        let (channel, refused) = (stream.channel(), stream.refusal());
        let slot = Arc::new(Mutex::new(Some(TokioIo::new(stream))));
        // The connection is handed out once; a second request for one is a reconnect, which there is not.
        let connector = tower::service_fn(move |_| {
            let stream = slot.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
            std::future::ready(stream.ok_or_else(|| std::io::Error::from(std::io::ErrorKind::NotConnected)))
        });
        let connection = Endpoint::from_static("https://peer.symbolon.invalid")
            .initial_stream_window_size(limits.window_stream_bytes)
            .initial_connection_window_size(limits.window_connection_bytes)
            .max_frame_size(HTTP2_FRAME_BYTES)
            .http2_keep_alive_interval(limits.keepalive_seconds)
            .keep_alive_timeout(limits.idle_seconds_max)
            .keep_alive_while_idle(true)
            .connect_with_connector(connector)
            .await
            .map_err(|_| Unavailable::Disconnected)?;
        let grpc = ExchangeServiceClient::new(connection)
            .max_decoding_message_size(limits.message_bytes_max)
            .max_encoding_message_size(limits.message_bytes_max);
        Ok(Self { grpc, channel, refused, answer_max: limits.answer_seconds_max })
    }

    /// The peer's pin and the exporter value of this connection.
    #[must_use]
    pub const fn channel(&self) -> tls::Channel {
        self.channel
    }

    /// Asks the peer who it is, telling who we are.
    ///
    /// # Errors
    /// [`Unavailable`] when it does not answer.
    pub async fn hello(&self, home: &Home) -> Result<v1::HelloResponse, Error> {
        let request = v1::HelloRequest {
            institution: home.settings().institution.clone(),
            software: SOFTWARE.to_owned(),
            normaliser_version: symbolon_tables::NORMALISER_VERSION.to_owned(),
            normaliser_digest: symbolon_tables::rules_digest().to_vec(),
            posture: Some(convert::posture_message(home.gate().posture().await?)),
        };
        let mut grpc = self.grpc.clone();
        self.answer(grpc.hello(request)).await
    }

    /// Sends a proposal: an agreement with our signature.
    ///
    /// # Errors
    /// [`Unavailable`] with the peer's reason when it does not take it.
    pub async fn propose_agreement(&self, document: &[u8]) -> Result<(), Error> {
        let mut grpc = self.grpc.clone();
        let request = v1::ProposeAgreementRequest { document: document.to_vec() };
        self.answer(grpc.propose_agreement(request)).await.map(drop)
    }

    /// Returns a proposal of the peer's with both signatures.
    ///
    /// # Errors
    /// [`Unavailable`] with the peer's reason when it does not take it.
    pub async fn return_signature(&self, document: &[u8]) -> Result<(), Error> {
        let mut grpc = self.grpc.clone();
        let request = v1::ReturnSignatureRequest { document: document.to_vec() };
        self.answer(grpc.return_signature(request)).await.map(drop)
    }

    /// Tells the peer that we suspend, resume or revoke an agreement.
    ///
    /// # Errors
    /// [`Unavailable`] with the peer's reason when it does not take it.
    pub(crate) async fn notify_agreement(&self, notice: &NoticeRecord) -> Result<(), Error> {
        let mut grpc = self.grpc.clone();
        let request = v1::NotifyAgreementRequest { notice: Some(convert::notice_message(notice)) };
        self.answer(grpc.notify_agreement(request)).await.map(drop)
    }

    /// Opens the stream of a job; what is put into the channel goes to the peer.
    pub(crate) async fn exchange(
        &self,
        outbound: mpsc::Receiver<v1::ExchangeRequest>,
    ) -> Result<Streaming<v1::ExchangeResponse>, Error> {
        let mut grpc = self.grpc.clone();
        self.answer(grpc.exchange(ReceiverStream::new(outbound))).await
    }

    /// What a failed call means here.
    pub(crate) fn failure(&self, status: &Status) -> Error {
        if self.refused.load(Ordering::Acquire) {
            return Unavailable::RefusedByPeer.into();
        }
        from_peer(status)
    }

    async fn answer<T>(&self, call: impl Future<Output = Result<Response<T>, Status>>) -> Result<T, Error> {
        let silent = Unavailable::Silent { seconds: self.answer_max.as_secs() };
        let answer = tokio::time::timeout(self.answer_max, call).await.map_err(|_| silent)?;
        answer.map(Response::into_inner).map_err(|status| self.failure(&status))
    }
}

async fn dial(endpoint: &str) -> Result<TcpStream, Error> {
    let (host, port) = split_endpoint(endpoint).ok_or(Error::Misuse {
        what: "the peer's endpoint is not host:port",
        remedy: "add the peer again with its endpoint",
    })?;
    Ok(TcpStream::connect((host, port)).await.map_err(|_| Unavailable::Unreachable)?)
}

/// Connects to a peer and sends it an agreement with our signature.
///
/// # Errors
/// As [`PeerClient::connect`] and [`PeerClient::propose_agreement`].
pub async fn propose_agreement(home: &Home, peer: &PeerRecord, document: &[u8]) -> Result<(), Error> {
    PeerClient::connect(home, peer).await?.propose_agreement(document).await
}

/// Connects to a peer and returns its agreement with both signatures.
///
/// # Errors
/// As [`PeerClient::connect`] and [`PeerClient::return_signature`].
pub async fn return_signature(home: &Home, peer: &PeerRecord, document: &[u8]) -> Result<(), Error> {
    PeerClient::connect(home, peer).await?.return_signature(document).await
}

/// What a probe measures with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "two numbers")]
pub struct ProbePlan {
    /// Empty calls, to find the shortest round trip.
    pub round_trips: u32,
    /// Bytes to send each way.
    pub bytes: u64,
}

/// What a probe found.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct ProbeReport {
    /// Version of TLS.
    pub tls_version: &'static str,
    /// Name of the peer's institution, as its node says.
    pub institution: String,
    /// Version of the peer's software.
    pub software: String,
    /// Version of the peer's normaliser.
    pub normaliser_version: String,
    /// SHA-256 over the rules of the peer's normaliser.
    pub normaliser_digest: Vec<u8>,
    /// What the peer declares about its program, settings and policies.
    pub posture: Option<Posture>,
    /// What it declared the last time.
    pub posture_before: Option<PostureRecord>,
    /// The span of the certificate it showed.
    pub certificate: Validity,
    /// The peer's clock.
    pub peer_time: DateTime<Utc>,
    /// Our clock at the middle of the call that asked for the peer's.
    pub own_time: DateTime<Utc>,
    /// Time for TCP and TLS.
    pub connect: Duration,
    /// The shortest round trip.
    pub round_trip_min: Duration,
    /// Bytes a second to the peer.
    pub upload_bytes_per_second: f64,
    /// Bytes a second from the peer.
    pub download_bytes_per_second: f64,
}

/// Connects to a peer and measures the way there. Needs no running node on this side.
///
/// # Errors
/// As [`PeerClient::connect`]; [`Unavailable`] when the peer does not answer.
pub async fn probe(home: &Home, peer: &PeerRecord, plan: ProbePlan) -> Result<ProbeReport, Error> {
    let clock = home.clock();
    let start = clock.monotonic();
    let client = PeerClient::connect(home, peer).await?;
    let connect = clock.monotonic() - start;

    let asked_at = clock.now();
    let hello = client.hello(home).await?;
    let half = (clock.now() - asked_at) / 2;
    let posture = hello.posture.as_ref().map(|posture| convert::posture(posture, "hello")).transpose()?;
    let posture_before = home.store().posture(peer.organisation_key).await?;
    if let Some(posture) = posture {
        // Who measures looks at the report, so a change counts as seen.
        home.gate().saw(peer.organisation_key, posture, client.channel()).await?;
    }

    let mut round_trip_min = Duration::MAX;
    for _ in 0..plan.round_trips.max(1) {
        let start = clock.monotonic();
        client.probe_once(0, 0).await?;
        round_trip_min = round_trip_min.min(clock.monotonic() - start);
    }
    let upload_bytes_per_second = client.rate(home, plan.bytes, |bytes| (bytes, 0)).await?;
    let download_bytes_per_second = client.rate(home, plan.bytes, |bytes| (0, bytes)).await?;
    Ok(ProbeReport {
        tls_version: "TLS 1.3",
        posture,
        posture_before,
        certificate: client.channel().certificate,
        peer_time: convert::time(hello.time_unix_millis, "clock")?,
        institution: hello.institution,
        software: hello.software,
        normaliser_version: hello.normaliser_version,
        normaliser_digest: hello.normaliser_digest,
        own_time: asked_at + half,
        connect,
        round_trip_min,
        upload_bytes_per_second,
        download_bytes_per_second,
    })
}

impl PeerClient {
    async fn probe_once(&self, send: usize, receive: usize) -> Result<(), Error> {
        let reply_bytes = convert::length_u32(receive)?;
        let mut grpc = self.grpc.clone();
        let answer = self.answer(grpc.probe(v1::ProbeRequest { payload: vec![0; send], reply_bytes })).await?;
        if answer.payload.len() == receive { Ok(()) } else { Err(Unavailable::NotANode.into()) }
    }

    /// Moves `bytes` bytes with several calls under way at once, and gives bytes a second.
    async fn rate(&self, home: &Home, bytes: u64, split: fn(usize) -> (usize, usize)) -> Result<f64, Error> {
        const UNDER_WAY: usize = 4;
        let calls = bytes.div_ceil(PROBE_BYTES_MAX as u64).max(1);
        let start = home.clock().monotonic();
        let mut running = tokio::task::JoinSet::new();
        for _ in 0..calls {
            if running.len() == UNDER_WAY
                && let Some(done) = running.join_next().await
            {
                done.map_err(|_| Environment::Worker)??;
            }
            let client = self.clone();
            let (send, receive) = split(PROBE_BYTES_MAX);
            running.spawn(async move { client.probe_once(send, receive).await });
        }
        while let Some(done) = running.join_next().await {
            done.map_err(|_| Environment::Worker)??;
        }
        let seconds = (home.clock().monotonic() - start).as_secs_f64().max(1e-9);
        #[expect(clippy::cast_precision_loss, reason = "a rate is shown to three digits")]
        let moved = (calls * PROBE_BYTES_MAX as u64) as f64;
        Ok(moved / seconds)
    }
}
