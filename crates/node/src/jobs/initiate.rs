//! The side that asks.

use std::sync::Arc;

use symbolon_policy::Permit;
use symbolon_primitives::sign::VerifyingKey;
use symbolon_psi::Role;
use symbolon_wire::v1;
use tokio::sync::mpsc;
use tokio_stream::StreamExt;
use tonic::Streaming;
use v1::exchange_request::Message as RequestMessage;
use v1::exchange_response::Message as ResponseMessage;

use super::deal::{Deal, own_normaliser, timestamp};
use super::output::Done;
use super::run::{Own, Run, Session, check_party};
use super::sheet::sheet;
use crate::client::PeerClient;
use crate::convert;
use crate::error::{Error, PeerIncompatible, PeerMisbehaved, Refused, Unavailable};
use crate::evidence::witness::JobSheet;
use crate::gate::{Stage, Subject};
use crate::session::Link;
use crate::session::handshake::{Answer, Offer, Sealed, confirm, session_id};
use crate::store::{Acceptance, JobRecord, JobState, PeerRecord, Side};

/// A job this node's operator asked for.
#[derive(Debug)]
pub(super) struct Initiation {
    pub(super) run: Run,
    pub(super) deal: Deal,
    pub(super) record: JobRecord,
}

/// Both directions of the job's stream.
struct Open {
    peer: PeerRecord,
    client: PeerClient,
    inbound: Streaming<v1::ExchangeResponse>,
    outbound: mpsc::Sender<v1::ExchangeRequest>,
}

impl Initiation {
    pub(super) async fn run(self) {
        let Self { run, deal, record } = self;
        let _watch = run.watch(record.agreement_id);
        let outcome = initiate(&run, Arc::new(deal), record).await;
        run.end(Side::Initiator, outcome, true).await;
    }
}

async fn initiate(run: &Run, deal: Arc<Deal>, record: JobRecord) -> Result<Done, Error> {
    run.trace.protocol(deal.protocol.as_str());
    run.state(JobState::Checking).await?;
    let own = run.own(&deal, &[]).await?;
    run.state(JobState::Connecting).await?;
    let mut open = run.unless_cancelled(Box::pin(connect(run, &deal))).await?;
    let greeted = run.unless_cancelled(Box::pin(greet(run, &deal, record, &own, &mut open))).await;
    let Greeted { job, permit, spec, subject, sheet } = match greeted {
        Ok(greeted) => greeted,
        Err(error) => {
            run.give_up(&error, &open.outbound).await;
            return Err(error);
        }
    };
    run.state(JobState::Running).await?;
    let Open { client, inbound, outbound, .. } = open;
    let inbound = inbound.map(move |message| match message {
        Ok(message) => convert::inbound_response(message),
        Err(status) => Err(client.failure(&status)),
    });
    let link = Link { inbound, outbound, linger: true };
    Box::pin(run.session(Session { job, deal, permit, own, spec, subject, sheet, link })).await
}

/// Reaches the agreement's other party; its card and the agreement must name one key.
async fn connect(run: &Run, deal: &Deal) -> Result<Open, Error> {
    let home = run.home();
    let peer = home.store().peer_by_key(deal.other().organisation_key.to_bytes()).await?;
    let peer = peer.ok_or(Refused::UnknownPeer)?;
    check_party(deal, &peer, home).await?;
    let client = PeerClient::connect(home, &peer).await?;
    run.tracker.over(client.channel());
    let (outbound, receiver) = mpsc::channel(home.settings().limits.outbound_frames_max);
    let inbound = client.exchange(receiver).await?;
    Ok(Open { peer, client, inbound, outbound })
}

/// The handshake's result.
struct Greeted {
    job: JobRecord,
    permit: Permit,
    spec: symbolon_psi::SessionSpec,
    subject: Subject,
    sheet: JobSheet,
}

/// Offer, acceptance, our own binding decision, confirmation.
async fn greet(run: &Run, deal: &Deal, record: JobRecord, own: &Own, open: &mut Open) -> Result<Greeted, Error> {
    let home = run.home();
    let keys = home.keys();
    let key = keys.organisation();
    let now = home.clock().now();
    let columns = &record.columns;
    let normaliser = own_normaliser()?;
    let mut request =
        deal.request(deal.own().organisation_key, columns, &record.purpose, normaliser, own.declared, timestamp(now)?)?;
    let spent = home.store().spent(deal.signed.agreement(), deal.seat, now).await?;
    // Nothing leaves this house, not even a row count, for what the agreement does not permit.
    deal.decide(&request, &spent, None)?;
    run.check_overlap(deal, &record, own).await?;

    let offer = Offer {
        agreement_id: deal.signed.id(),
        initiator: key.verifying_key(),
        responder: VerifyingKey::from_bytes(&open.peer.organisation_key)?,
        protocol: deal.protocol,
        result: deal.result,
        columns: columns.clone(),
        purpose: record.purpose.clone(),
        own: run.declaration(own, &deal.held).await?,
    };
    let offer = Sealed::<Offer>::offer(offer, key)?;
    send(open, RequestMessage::Offer(offer.to_message())).await?;
    let answer = receive_answer(run, &offer, open).await?;
    let said = &answer.content().own;
    let agreed = &deal.signed.agreement().terms().normaliser;
    if said.normaliser_version != agreed.version.as_str() || said.normaliser_digest != *agreed.digest.as_bytes() {
        return Err(PeerIncompatible::Normaliser.into());
    }

    request.rows_responder = Some(said.rows);
    request.now = timestamp(home.clock().now())?;
    let mut job = JobRecord { rows_own: Some(own.declared), rows_peer: Some(said.rows), ..record };
    job.started_at = Some(now);
    let subject = deal.subject(&job, Some(open.client.channel()), said.posture);
    home.gate().phase(Stage::Accept, &subject).await?;
    let held = deal.held_with(Some(&said.held));
    let (inputs, alerts) = (own.inputs(said.input), home.settings().alerts);
    let acceptance =
        Acceptance { job: job.clone(), request, seat: deal.seat, inputs, alerts, offer_nonce: None, held, at: now };
    let permit = run.take(acceptance).await?;
    check_payload(deal, &permit, answer.content())?;

    let sid = session_id(&offer, &answer, open.client.channel().exporter);
    home.store().record_session(job.id, sid.0, own.declared, said.rows).await?;
    send(open, RequestMessage::Confirm(confirm(&sid, key)?)).await?;
    let spec = deal.spec(sid, &permit, own.declared, said.rows, answer.content().payload_bytes);
    if let Some(posture) = said.posture {
        home.gate().saw(subject.peer_key, posture, open.client.channel()).await?;
    }
    let sheet = sheet(deal, job.id, &offer, &answer, &spec);
    Ok(Greeted { job, permit, spec, subject, sheet })
}

/// The peer's rows must be as wide as the agreement's columns make them.
fn check_payload(deal: &Deal, permit: &Permit, answer: &Answer) -> Result<(), Error> {
    let width = match deal.role() {
        Role::Receiver => convert::length_u32(convert::payload_layout(&permit.columns)?.width())?,
        Role::Sender => 0,
    };
    if answer.payload_bytes != width {
        return Err(PeerIncompatible::Sizes { what: "payload" }.into());
    }
    Ok(())
}

async fn send(open: &Open, message: RequestMessage) -> Result<(), Error> {
    let message = v1::ExchangeRequest { message: Some(message) };
    Ok(open.outbound.send(message).await.map_err(|_| Unavailable::Disconnected)?)
}

async fn receive_answer(run: &Run, offer: &Sealed<Offer>, open: &mut Open) -> Result<Sealed<Answer>, Error> {
    let max = run.home().settings().limits.answer_seconds_max;
    // One deadline for all of the wait: signs of life do not prolong it.
    let deadline = tokio::time::Instant::now() + max;
    loop {
        let message = tokio::time::timeout_at(deadline, open.inbound.next()).await;
        let message = message.map_err(|_| Unavailable::Silent { seconds: max.as_secs() })?;
        let message = message.ok_or(Unavailable::Disconnected)?.map_err(|status| open.client.failure(&status))?;
        match message.message {
            Some(ResponseMessage::Accept(accept)) => return Sealed::<Answer>::receive(offer, accept, &run.fit()?),
            Some(ResponseMessage::Abort(abort)) => {
                return Err(convert::aborted(&abort).into());
            }
            Some(ResponseMessage::Alive(_)) => {}
            Some(ResponseMessage::Evidence(_)) => {
                return Err(PeerMisbehaved::UnexpectedMessage { expected: "acceptance", got: "evidence" }.into());
            }
            Some(ResponseMessage::Frame(_)) => {
                return Err(PeerMisbehaved::UnexpectedMessage { expected: "acceptance", got: "frame" }.into());
            }
            None => return Err(PeerMisbehaved::UnexpectedMessage { expected: "acceptance", got: "nothing" }.into()),
        }
    }
}
