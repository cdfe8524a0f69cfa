//! The side that is asked.

use std::sync::Arc;
use std::time::Duration;

use symbolon_policy::Permit;
use symbolon_primitives::sign::VerifyingKey;
use symbolon_psi::Role;
use symbolon_wire::v1;
use tokio::sync::mpsc;
use tokio_stream::StreamExt;
use tonic::Streaming;
use v1::exchange_request::Message as RequestMessage;
use v1::exchange_response::Message as ResponseMessage;

use super::PeerStream;
use super::deal::{Deal, declared_normaliser, timestamp};
use super::run::{AgreementWatch, Own, Run, Session, check_party};
use super::sheet::sheet;
use crate::convert;
use crate::error::{Error, PeerIncompatible, PeerMisbehaved, Unavailable};
use crate::evidence::witness::JobSheet;
use crate::gate::{Stage, Subject};
use crate::ops::agreements::{check_normaliser, read_active};
use crate::session::Link;
use crate::session::handshake::{Answer, Offer, Sealed, check_confirm, session_id};
use crate::status::from_peer;
use crate::store::{Acceptance, AgreementState, JobRecord, JobState, OfferNonce, PeerRecord, Side};
use crate::tls::Channel;

/// A job a peer asked for.
#[derive(Debug)]
pub(super) struct Response {
    run: Run,
    peer: PeerRecord,
    channel: Channel,
    inbound: Streaming<v1::ExchangeRequest>,
    outbound: mpsc::Sender<v1::ExchangeResponse>,
    /// Whether the store knows the job. An offer that is refused leaves no row.
    recorded: bool,
    watch: Option<AgreementWatch>,
}

/// What was agreed before the session.
struct Accepted {
    job: JobRecord,
    deal: Arc<Deal>,
    permit: Permit,
    own: Own,
    spec: symbolon_psi::SessionSpec,
    sheet: JobSheet,
    subject: Subject,
}

impl Response {
    pub(super) fn new(run: Run, stream: PeerStream) -> Self {
        let PeerStream { peer, channel, inbound, outbound } = stream;
        Self { run, peer, channel, inbound, outbound, recorded: false, watch: None }
    }

    pub(super) async fn run(mut self) {
        let cancel = self.run.tracker.cancel().clone();
        let accepted = cancel.run_until_cancelled(self.accept()).await.unwrap_or(Err(Error::Cancelled));
        let Self { run, peer, inbound, outbound, recorded, watch, .. } = self;
        let outcome = match accepted {
            Ok(Accepted { job, deal, permit, own, spec, subject, sheet }) => {
                let inbound = inbound.map(|message| match message {
                    Ok(message) => convert::inbound_request(message),
                    Err(status) => Err(from_peer(&status)),
                });
                let link = Link { inbound, outbound, linger: false };
                Box::pin(run.session(Session { job, deal, permit, own, spec, subject, sheet, link })).await
            }
            Err(error) => {
                if !recorded {
                    run.refused(&peer.organisation_key, &error).await;
                }
                run.give_up(&error, &outbound).await;
                Err(error)
            }
        };
        run.end(Side::Responder, outcome, recorded).await;
        drop(watch);
    }

    /// Offer, decision, own table, spending, acceptance, confirmation.
    async fn accept(&mut self) -> Result<Accepted, Error> {
        let peer_key = VerifyingKey::from_bytes(&self.peer.organisation_key)?;
        self.run.tracker.over(self.channel);
        let keys = self.run.home().keys();
        let now = self.run.home().clock().now();
        // Who opens a stream has its offer ready; a slot is not kept for one who has not.
        let offer_max = self.run.home().settings().limits.handshake_seconds_max;
        let RequestMessage::Offer(message) = self.receive("offer", offer_max).await? else {
            return Err(PeerMisbehaved::UnexpectedMessage { expected: "offer", got: "another message" }.into());
        };
        let (fit, arrived) = (self.run.fit()?, tokio::time::Instant::now());
        let offer =
            Sealed::<Offer>::receive(message, &peer_key, &fit, |key| keys.organisation_for(key, now).is_some())?;
        let deal = Arc::new(self.deal(offer.content()).await?);
        check_party(&deal, &self.peer, self.run.home()).await?;
        let permit = self.decide(&deal, offer.content()).await?;

        let mut job = self.record(&deal, offer.content());
        let posture = offer.content().own.posture;
        let subject = deal.subject(&job, Some(self.channel), posture);
        self.run.home().gate().phase(Stage::Offer, &subject).await?;
        job = self.run.home().store().create_job(job).await?;
        self.recorded = true;
        self.watch = Some(self.run.watch(job.agreement_id));
        self.run.trace.protocol(deal.protocol.as_str());
        self.run.state(JobState::Checking).await?;
        let own = self.run.own(&deal, &permit.columns).await?;
        self.run.state(JobState::Connecting).await?;

        let now = self.run.home().clock().now();
        (job.rows_own, job.rows_peer) = (Some(own.declared), Some(offer.content().own.rows));
        job.started_at = Some(now);
        let mut request = request(&deal, offer.content(), now)?;
        request.rows_responder = Some(own.declared);
        let subject = deal.subject(&job, Some(self.channel), posture);
        self.run.home().gate().phase(Stage::Accept, &subject).await?;
        let handling_max = self.run.home().settings().limits.session_seconds_max;
        if arrived.elapsed() > handling_max {
            return Err(Unavailable::TooLong { seconds: handling_max.as_secs() }.into());
        }
        let kept_for = fit.nonces_kept_for(handling_max.as_secs());
        let offer_nonce = Some(OfferNonce { nonce: offer.content().own.nonce, kept_for });
        let held = deal.held_with(Some(&offer.content().own.held));
        let inputs = own.inputs(offer.content().own.input);
        let alerts = self.run.home().settings().alerts;
        let acceptance =
            Acceptance { job: job.clone(), request, seat: deal.seat, inputs, alerts, offer_nonce, held, at: now };
        let permit = self.run.take(acceptance).await?;

        let (spec, sheet) = self.confirm(&deal, &permit, &offer, &own).await?;
        let (peer, agreement) = (&self.peer.name, deal.signed.id().short());
        tracing::info!(job = %job.id, peer, agreement, protocol = deal.protocol.as_str(), "a peer's job was accepted");
        self.run.home().store().record_session(job.id, spec.sid.0, own.declared, offer.content().own.rows).await?;
        if let Some(posture) = posture {
            self.run.home().gate().saw(subject.peer_key, posture, self.channel).await?;
        }
        self.run.state(JobState::Running).await?;
        Ok(Accepted { job, deal, permit, own, spec, subject, sheet })
    }

    /// Sends the acceptance and waits for the confirmation.
    async fn confirm(
        &mut self,
        deal: &Deal,
        permit: &Permit,
        offer: &Sealed<Offer>,
        own: &Own,
    ) -> Result<(symbolon_psi::SessionSpec, JobSheet), Error> {
        let payload_bytes = match deal.role() {
            Role::Sender => convert::length_u32(convert::payload_layout(&permit.columns)?.width())?,
            Role::Receiver => 0,
        };
        let answer = Answer { payload_bytes, own: self.run.declaration(own, &deal.held).await? };
        let (keys, now) = (self.run.home().keys(), self.run.home().clock().now());
        // An initiator that has not heard of a change of our key speaks to the former one, as long as it counts.
        let key = keys.organisation_for(&offer.content().responder, now).ok_or(PeerMisbehaved::WrongInstitution)?;
        let answer = Sealed::<Answer>::answer(offer, answer, key)?;
        let message = v1::ExchangeResponse { message: Some(ResponseMessage::Accept(answer.to_message())) };
        self.outbound.send(message).await.map_err(|_| Unavailable::Disconnected)?;
        let sid = session_id(offer, &answer, self.channel.exporter);
        let confirm_max = self.run.home().settings().limits.answer_seconds_max;
        let RequestMessage::Confirm(message) = self.receive("confirmation", confirm_max).await? else {
            return Err(PeerMisbehaved::UnexpectedMessage { expected: "confirmation", got: "another message" }.into());
        };
        check_confirm(&sid, &message, &offer.content().initiator)?;
        let spec = deal.spec(sid, permit, own.declared, offer.content().own.rows, payload_bytes);
        let sheet = sheet(deal, self.run.tracker.id(), offer, &answer, &spec);
        Ok((spec, sheet))
    }

    /// The agreement the offer names, from this node's own store, with this peer.
    async fn deal(&self, offer: &Offer) -> Result<Deal, Error> {
        let home = self.run.home();
        let record = home.store().agreement(*offer.agreement_id.as_bytes()).await?;
        let record = record.filter(|record| record.state == AgreementState::Active);
        let signed = read_active(&record.ok_or(PeerIncompatible::UnknownAgreement)?)?;
        check_normaliser(signed.agreement())?;
        let seat = home.own_seat(signed.agreement())?;
        home.agreement_now(*signed.id().as_bytes()).await?.may_start()?;
        let held = home.store().tightening(*signed.id().as_bytes()).await?;
        let deal = Deal { signed, seat, side: Side::Responder, protocol: offer.protocol, result: offer.result, held };
        let party = home.store().peer_by_key(deal.other().organisation_key.to_bytes()).await?;
        let signer = home.store().peer_by_key(offer.initiator.to_bytes()).await?;
        // A withdrawn key is judged where the parties are checked.
        if party.is_some_and(|party| signer.is_none_or(|signer| signer.name != party.name)) {
            return Err(PeerMisbehaved::WrongInstitution.into());
        }
        Ok(deal)
    }

    /// The first decision, before the own table is read; the binding one follows with all rows known.
    async fn decide(&self, deal: &Deal, offer: &Offer) -> Result<Permit, Error> {
        let home = self.run.home();
        let now = home.clock().now();
        let spent = home.store().spent(deal.signed.agreement(), deal.seat, now).await?;
        let request = request(deal, offer, now)?;
        deal.decide(&request, &spent, Some(&offer.own.held))
    }

    fn record(&self, deal: &Deal, offer: &Offer) -> JobRecord {
        JobRecord {
            id: self.run.tracker.id(),
            request_id: None,
            agreement_id: *deal.signed.id().as_bytes(),
            peer_key: self.peer.organisation_key,
            peer: deal.other().name.as_str().to_owned(),
            side: Side::Responder,
            protocol: deal.protocol,
            result: deal.result,
            table: deal.own().table.as_str().to_owned(),
            columns: offer.columns.clone(),
            own_columns: Vec::new(),
            output: None,
            purpose: offer.purpose.clone(),
            state: JobState::Created,
            failure: None,
            sid: None,
            rows_own: None,
            rows_peer: Some(offer.own.rows),
            created_at: self.run.home().clock().now(),
            started_at: None,
            finished_at: None,
        }
    }

    /// Waits for the next handshake message.
    async fn receive(&mut self, expected: &'static str, max: Duration) -> Result<RequestMessage, Error> {
        // One deadline for all of the wait: signs of life do not prolong it.
        let deadline = tokio::time::Instant::now() + max;
        loop {
            let message = tokio::time::timeout_at(deadline, self.inbound.next()).await;
            let message = message.map_err(|_| Unavailable::Silent { seconds: max.as_secs() })?;
            let message = message.ok_or(Unavailable::Disconnected)?.map_err(|status| from_peer(&status))?;
            match message.message {
                Some(RequestMessage::Alive(_)) => {}
                Some(RequestMessage::Abort(abort)) => {
                    return Err(convert::aborted(&abort).into());
                }
                Some(message) => return Ok(message),
                None => return Err(PeerMisbehaved::UnexpectedMessage { expected, got: "nothing" }.into()),
            }
        }
    }
}

fn request(deal: &Deal, offer: &Offer, now: chrono::DateTime<chrono::Utc>) -> Result<symbolon_policy::Request, Error> {
    let normaliser = declared_normaliser(&offer.own.normaliser_version, offer.own.normaliser_digest)?;
    deal.request(
        deal.other().organisation_key,
        &offer.columns,
        &offer.purpose,
        normaliser,
        offer.own.rows,
        timestamp(now)?,
    )
}
