//! The peer port: `ExchangeService`.
//!
//! Whoever gets here has proved to hold a pinned key and has passed the [`gate`](crate::gate). Each call looks the key
//! up anew, so that a peer that was removed is refused on a connection it still holds.

use std::pin::Pin;

use symbolon_psi::Protocol;
use symbolon_wire::v1;
use symbolon_wire::v1::exchange_service_server::{ExchangeService, ExchangeServiceServer};
use tokio::sync::{Semaphore, mpsc};
use tokio_stream::wrappers::ReceiverStream;
use tokio_stream::{Stream, StreamExt};
use tonic::{Request, Response, Status, Streaming};

use crate::client::{PROBE_BYTES_MAX, SOFTWARE};
use crate::convert;
use crate::error::{Error, PeerMisbehaved, Refused, Unavailable};
use crate::gate::Posture;
use crate::home::Home;
use crate::jobs::{Jobs, PeerStream};
use crate::status::{for_peer, incident};
use crate::store::PeerRecord;
use crate::tls::Channel;

/// Probes answered at the same time by the whole node.
const PROBES_MAX: usize = 16;

/// Serves the peer port.
#[derive(Debug)]
pub struct Exchange {
    home: Home,
    jobs: Jobs,
    probes: Semaphore,
}

impl Exchange {
    /// Makes the service.
    #[must_use]
    pub fn service(home: Home, jobs: Jobs) -> ExchangeServiceServer<Self> {
        let message_bytes_max = home.settings().limits.message_bytes_max;
        ExchangeServiceServer::new(Self { home, jobs, probes: Semaphore::new(PROBES_MAX) })
            .max_decoding_message_size(message_bytes_max)
            .max_encoding_message_size(message_bytes_max)
    }

    async fn peer<T>(&self, request: &Request<T>) -> Result<(PeerRecord, Channel), Error> {
        let channel = *request.extensions().get::<Channel>().ok_or(Refused::UnknownPeer)?;
        let peer = self.home.peer_of_channel(&channel).await?;
        self.jobs.contacted();
        Ok((peer, channel))
    }

    /// Keeps what the caller declares, the first time only: what it declares later is kept when it is signed, or when
    /// an operator looks. Gives what this node declares.
    async fn postures(
        &self,
        peer: &PeerRecord,
        channel: Channel,
        declared: Option<&v1::Posture>,
    ) -> Result<Posture, Error> {
        if let Some(declared) = declared {
            let declared = convert::posture(declared, "hello")?;
            if self.home.store().posture(peer.organisation_key).await?.is_none() {
                self.home.gate().saw(peer.organisation_key, declared, channel).await?;
            }
        }
        self.home.gate().posture().await
    }

    /// Logs an error under a fresh number and makes the status the peer gets.
    fn refuse(&self, call: &'static str, error: &Error) -> Status {
        let incident = incident();
        self.home.metrics().refused(call, error.reason());
        tracing::warn!(%incident, call, reason = error.reason(), %error, "a peer's call failed");
        for_peer(error, &incident)
    }

    fn check_document(&self, document: &[u8]) -> Result<(), Error> {
        let max = self.home.settings().limits.document_bytes_max;
        if document.len() > max {
            let got = document.len() as u64;
            return Err(PeerMisbehaved::Oversized { what: "agreement", max: max as u64, got }.into());
        }
        Ok(())
    }
}

type ResponseStream = Pin<Box<dyn Stream<Item = Result<v1::ExchangeResponse, Status>> + Send>>;

#[tonic::async_trait]
impl ExchangeService for Exchange {
    type ExchangeStream = ResponseStream;

    async fn hello(&self, request: Request<v1::HelloRequest>) -> Result<Response<v1::HelloResponse>, Status> {
        let (peer, channel) = self.peer(&request).await.map_err(|error| self.refuse("hello", &error))?;
        tracing::debug!(peer = peer.name, "hello");
        let posture = self.postures(&peer, channel, request.get_ref().posture.as_ref());
        let posture = posture.await.map_err(|error| self.refuse("hello", &error))?;
        Ok(Response::new(v1::HelloResponse {
            institution: self.home.settings().institution.clone(),
            software: SOFTWARE.to_owned(),
            normaliser_version: symbolon_tables::NORMALISER_VERSION.to_owned(),
            normaliser_digest: symbolon_tables::rules_digest().to_vec(),
            protocols: Protocol::ALL.iter().map(ToString::to_string).collect(),
            time_unix_millis: self.home.clock().now().timestamp_millis(),
            frame_bytes_max: convert::length_u32(self.home.settings().limits.frame_bytes_max)
                .map_err(|error| self.refuse("hello", &error))?,
            posture: Some(convert::posture_message(posture)),
        }))
    }

    async fn probe(&self, request: Request<v1::ProbeRequest>) -> Result<Response<v1::ProbeResponse>, Status> {
        let answer = async {
            self.peer(&request).await?;
            let probe = request.into_inner();
            let wanted = usize::try_from(probe.reply_bytes).unwrap_or(usize::MAX);
            let got = wanted.max(probe.payload.len());
            if got > PROBE_BYTES_MAX {
                let (max, got) = (PROBE_BYTES_MAX as u64, got as u64);
                return Err(Error::LimitExceeded { what: "bytes of a probe", max, got });
            }
            let _turn = self.probes.try_acquire().map_err(|_| Unavailable::Busy { what: "probes" })?;
            let time_unix_millis = self.home.clock().now().timestamp_millis();
            Ok(v1::ProbeResponse { payload: vec![0; wanted], time_unix_millis })
        };
        answer.await.map(Response::new).map_err(|error| self.refuse("probe", &error))
    }

    async fn propose_agreement(
        &self,
        request: Request<v1::ProposeAgreementRequest>,
    ) -> Result<Response<v1::ProposeAgreementResponse>, Status> {
        let answer = async {
            let (peer, _) = self.peer(&request).await?;
            let document = request.into_inner().document;
            self.check_document(&document)?;
            let record = self.home.receive_proposal(peer.organisation_key, &document).await?;
            Ok(v1::ProposeAgreementResponse { agreement_id: record.id.to_vec() })
        };
        answer.await.map(Response::new).map_err(|error: Error| self.refuse("propose agreement", &error))
    }

    async fn return_signature(
        &self,
        request: Request<v1::ReturnSignatureRequest>,
    ) -> Result<Response<v1::ReturnSignatureResponse>, Status> {
        let answer = async {
            let (peer, _) = self.peer(&request).await?;
            let document = request.into_inner().document;
            self.check_document(&document)?;
            let record = self.home.receive_signature(peer.organisation_key, &document).await?;
            Ok(v1::ReturnSignatureResponse { agreement_id: record.id.to_vec() })
        };
        answer.await.map(Response::new).map_err(|error: Error| self.refuse("return signature", &error))
    }

    async fn notify_agreement(
        &self,
        request: Request<v1::NotifyAgreementRequest>,
    ) -> Result<Response<v1::NotifyAgreementResponse>, Status> {
        let answer = async {
            let (peer, _) = self.peer(&request).await?;
            let notice = request.into_inner().notice.ok_or(PeerMisbehaved::Malformed { what: "notice" })?;
            let (content, signature) = convert::notice(notice)?;
            self.home.receive_notice(peer.organisation_key, content, signature).await?;
            Ok(v1::NotifyAgreementResponse {})
        };
        answer.await.map(Response::new).map_err(|error: Error| self.refuse("notify agreement", &error))
    }

    async fn update_card(
        &self,
        request: Request<v1::UpdateCardRequest>,
    ) -> Result<Response<v1::UpdateCardResponse>, Status> {
        let answer = async {
            let (peer, _) = self.peer(&request).await?;
            let card = request.into_inner().card;
            self.check_document(card.as_bytes())?;
            let sequence = self.home.receive_card(&peer, &card).await?;
            Ok(v1::UpdateCardResponse { sequence })
        };
        answer.await.map(Response::new).map_err(|error: Error| self.refuse("update card", &error))
    }

    async fn exchange(
        &self,
        request: Request<Streaming<v1::ExchangeRequest>>,
    ) -> Result<Response<ResponseStream>, Status> {
        let (peer, channel) = self.peer(&request).await.map_err(|error| self.refuse("exchange", &error))?;
        let (outbound, receiver) = mpsc::channel(self.home.settings().limits.outbound_frames_max);
        let stream = PeerStream { peer, channel, inbound: request.into_inner(), outbound };
        self.jobs.respond(stream).map_err(|error| self.refuse("exchange", &error))?;
        Ok(Response::new(Box::pin(ReceiverStream::new(receiver).map(Ok))))
    }
}
