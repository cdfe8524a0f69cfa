//! Between the messages of the wire and the types of the house; nowhere else do the two meet.

use chrono::{DateTime, Utc};
use symbolon_policy::{AgreementId, NoticeContent, Receiver, ResultKind, Tightening, Timestamp};
use symbolon_primitives::sign::{Signature, VerifyingKey};
use symbolon_psi::{Protocol, Role};
use symbolon_tables::{ColumnType, PayloadColumn, PayloadLayout};
use symbolon_wire::v1;
use v1::exchange_request::Message as RequestMessage;
use v1::exchange_response::Message as ResponseMessage;

use crate::error::{Environment, Error, PeerMisbehaved, Refused, Unavailable, describe};
use crate::gate::Posture;
use crate::session::handshake::{Answer, Declaration, Offer, VERSION};
use crate::session::{Inbound, Outbound};
use crate::store::{NoticeRecord, Side};

pub(crate) mod budget;
pub(crate) mod control;
pub(crate) mod evidence;

/// Which side of the protocol a side of the session is.
///
/// The initiator asks and learns: it is the receiver where only one side learns. In the mutual join the two names
/// only tell the directions apart, and the initiator is the sender.
#[must_use]
pub const fn roles(protocol: Protocol, side: Side) -> Role {
    let initiator = match protocol {
        Protocol::EcdhMutual => Role::Sender,
        _ => Role::Receiver,
    };
    match side {
        Side::Initiator => initiator,
        Side::Responder => initiator.peer(),
    }
}

/// Who gets the result of a protocol.
#[must_use]
pub const fn receiver(protocol: Protocol) -> Receiver {
    match protocol {
        Protocol::EcdhMutual => Receiver::Both,
        _ => Receiver::Initiator,
    }
}

/// The agreement's word for a protocol.
///
/// # Errors
/// [`Error::Misuse`] for a protocol no agreement of this release can name.
pub fn policy_protocol(protocol: Protocol) -> Result<symbolon_policy::Protocol, Error> {
    protocol.as_str().parse().map_err(|_| Error::Misuse {
        what: "no agreement can name this protocol",
        remedy: "use one of those `symbolon agreement draft --help` lists",
    })
}

/// The machine's word for an agreement's protocol.
///
/// # Errors
/// [`Error::Psi`] for a protocol this release cannot run.
pub fn psi_protocol(protocol: symbolon_policy::Protocol) -> Result<Protocol, Error> {
    Ok(protocol.as_str().parse()?)
}

/// The layout of a payload made of an agreement's columns.
///
/// # Errors
/// [`Refused::TableDiffers`] for a type or width this release cannot carry.
pub fn payload_layout(columns: &[symbolon_policy::Column]) -> Result<PayloadLayout, Error> {
    let differs = |what| Error::from(Refused::TableDiffers { what });
    let columns = columns.iter().map(|column| {
        let ty: ColumnType = column.column_type.as_str().parse().map_err(|_| differs("a column's type"))?;
        Ok(PayloadColumn::new(column.name.as_str(), ty, column.bytes_max.unwrap_or(0)))
    });
    PayloadLayout::new(columns.collect::<Result<_, Error>>()?).map_err(|_| differs("the width of its columns"))
}

pub(crate) fn notice_message(notice: &NoticeRecord) -> v1::AgreementNotice {
    let content = &notice.content;
    v1::AgreementNotice {
        agreement_id: content.agreement_id.as_bytes().to_vec(),
        kind: content.kind.to_string(),
        sequence: content.sequence,
        time_unix_seconds: content.time.unix_seconds(),
        word: content.word.as_ref().map(ToString::to_string).unwrap_or_default(),
        signature: notice.signature.to_vec(),
    }
}

pub(crate) fn notice(message: v1::AgreementNotice) -> Result<(NoticeContent, Signature), Error> {
    let malformed = || PeerMisbehaved::Malformed { what: "notice" };
    let word = Some(message.word).filter(|word| !word.is_empty());
    // The store counts in 63 bits.
    let sequence = Some(message.sequence).filter(|number| (1..=i64::MAX.unsigned_abs()).contains(number));
    let sequence = sequence.ok_or_else(malformed)?;
    let content = NoticeContent {
        agreement_id: AgreementId::from_bytes(bytes_32(&message.agreement_id, "notice")?),
        kind: message.kind.parse().map_err(|_| malformed())?,
        sequence,
        time: Timestamp::from_unix_seconds(message.time_unix_seconds).map_err(|_| malformed())?,
        word: word.map(|word| word.parse().map_err(|_| malformed())).transpose()?,
    };
    Ok((content, Signature::from_slice(&message.signature).map_err(|_| malformed())?))
}

fn held_message(held: &Tightening) -> Option<v1::HeldBack> {
    let message = || v1::HeldBack {
        runs_max: held.runs_max,
        rows_total_max: held.rows_total_max,
        rows_max: held.rows_max,
        intersection_min: held.intersection_min,
        forbidden: held.forbidden.iter().map(ToString::to_string).collect(),
    };
    (!held.is_empty()).then(message)
}

fn held(message: Option<v1::HeldBack>, what: &'static str) -> Result<Tightening, Error> {
    let Some(message) = message else { return Ok(Tightening::default()) };
    let forbidden = Tightening::read_forbidden(&message.forbidden);
    Ok(Tightening {
        runs_max: message.runs_max,
        rows_total_max: message.rows_total_max,
        rows_max: message.rows_max,
        intersection_min: message.intersection_min,
        forbidden: forbidden.map_err(|_| PeerMisbehaved::Malformed { what })?,
    })
}

pub(crate) fn offer_body(offer: &Offer) -> v1::JobOfferBody {
    v1::JobOfferBody {
        version: VERSION,
        agreement_id: offer.agreement_id.as_bytes().to_vec(),
        initiator_key: offer.initiator.to_bytes().to_vec(),
        responder_key: offer.responder.to_bytes().to_vec(),
        protocol: offer.protocol.to_string(),
        result: offer.result.to_string(),
        columns: offer.columns.clone(),
        rows: offer.own.rows,
        purpose: offer.purpose.clone(),
        normaliser_version: offer.own.normaliser_version.clone(),
        normaliser_digest: offer.own.normaliser_digest.to_vec(),
        nonce: offer.own.nonce.to_vec(),
        time_unix_millis: offer.own.time.timestamp_millis(),
        frame_bytes_max: offer.own.frame_bytes_max,
        held_back: held_message(&offer.own.held),
        posture: offer.own.posture.map(posture_message),
        input_commitment: offer.own.input.map(|input| input.to_vec()).unwrap_or_default(),
    }
}

pub(crate) fn offer(body: v1::JobOfferBody) -> Result<Offer, Error> {
    let malformed = || PeerMisbehaved::Malformed { what: "offer" };
    let key = |bytes: &[u8]| {
        let bytes = <[u8; 32]>::try_from(bytes).map_err(|_| malformed())?;
        VerifyingKey::from_bytes(&bytes).map_err(|_| malformed())
    };
    Ok(Offer {
        agreement_id: AgreementId::from_bytes(bytes_32(&body.agreement_id, "offer")?),
        initiator: key(&body.initiator_key)?,
        responder: key(&body.responder_key)?,
        protocol: body.protocol.parse().map_err(|_| malformed())?,
        result: body.result.parse::<ResultKind>().map_err(|_| malformed())?,
        columns: body.columns,
        purpose: body.purpose,
        own: Declaration {
            rows: body.rows,
            normaliser_version: body.normaliser_version,
            normaliser_digest: bytes_32(&body.normaliser_digest, "offer")?,
            nonce: bytes_32(&body.nonce, "offer")?,
            time: time(body.time_unix_millis, "offer")?,
            frame_bytes_max: body.frame_bytes_max,
            held: held(body.held_back, "offer")?,
            posture: body.posture.map(|message| posture(&message, "offer")).transpose()?,
            input: optional_bytes_32(&body.input_commitment, "offer")?,
        },
    })
}

pub(crate) fn accept_body(answer: &Answer, offer_digest: [u8; 32]) -> v1::JobAcceptBody {
    v1::JobAcceptBody {
        version: VERSION,
        offer_digest: offer_digest.to_vec(),
        rows: answer.own.rows,
        payload_bytes: answer.payload_bytes,
        normaliser_version: answer.own.normaliser_version.clone(),
        normaliser_digest: answer.own.normaliser_digest.to_vec(),
        nonce: answer.own.nonce.to_vec(),
        time_unix_millis: answer.own.time.timestamp_millis(),
        frame_bytes_max: answer.own.frame_bytes_max,
        held_back: held_message(&answer.own.held),
        posture: answer.own.posture.map(posture_message),
        input_commitment: answer.own.input.map(|input| input.to_vec()).unwrap_or_default(),
    }
}

pub(crate) fn answer(body: v1::JobAcceptBody) -> Result<Answer, Error> {
    Ok(Answer {
        payload_bytes: body.payload_bytes,
        own: Declaration {
            rows: body.rows,
            normaliser_version: body.normaliser_version,
            normaliser_digest: bytes_32(&body.normaliser_digest, "acceptance")?,
            nonce: bytes_32(&body.nonce, "acceptance")?,
            time: time(body.time_unix_millis, "acceptance")?,
            frame_bytes_max: body.frame_bytes_max,
            held: held(body.held_back, "acceptance")?,
            posture: body.posture.map(|message| posture(&message, "acceptance")).transpose()?,
            input: optional_bytes_32(&body.input_commitment, "acceptance")?,
        },
    })
}

pub(crate) fn posture_message(posture: Posture) -> v1::Posture {
    let Posture { build, config, policy_set } = posture;
    v1::Posture { build: build.to_vec(), config: config.to_vec(), policy_set: policy_set.to_vec() }
}

pub(crate) fn posture(message: &v1::Posture, what: &'static str) -> Result<Posture, PeerMisbehaved> {
    Ok(Posture {
        build: bytes_32(&message.build, what)?,
        config: bytes_32(&message.config, what)?,
        policy_set: bytes_32(&message.policy_set, what)?,
    })
}

pub(crate) fn time(unix_millis: i64, what: &'static str) -> Result<DateTime<Utc>, PeerMisbehaved> {
    DateTime::from_timestamp_millis(unix_millis).ok_or(PeerMisbehaved::Malformed { what })
}

fn bytes_32(bytes: &[u8], what: &'static str) -> Result<[u8; 32], PeerMisbehaved> {
    bytes.try_into().map_err(|_| PeerMisbehaved::Malformed { what })
}

/// A value that earlier releases do not send.
fn optional_bytes_32(bytes: &[u8], what: &'static str) -> Result<Option<[u8; 32]>, PeerMisbehaved> {
    if bytes.is_empty() { Ok(None) } else { bytes_32(bytes, what).map(Some) }
}

/// What an abort says: the reason, `OTHER` where this release does not know it, and the peer's number for it.
pub(crate) fn aborted(abort: &v1::JobAbort) -> Unavailable {
    let reason = describe(&abort.reason).map_or("OTHER", |described| described.reason);
    Unavailable::Aborted { reason, incident: abort.incident.parse().ok(), resets_at: abort.resets_at.parse().ok() }
}

/// What a client may send once the handshake is over.
pub(crate) fn inbound_request(message: v1::ExchangeRequest) -> Result<Inbound, Error> {
    let unexpected = |got| Err(PeerMisbehaved::UnexpectedMessage { expected: "frame", got }.into());
    match message.message {
        Some(RequestMessage::Frame(wire)) => Ok(Inbound::Frame(wire)),
        Some(RequestMessage::Alive(_)) => Ok(Inbound::Alive),
        Some(RequestMessage::Evidence(message)) => Ok(Inbound::Evidence(message.try_into()?)),
        Some(RequestMessage::Abort(abort)) => Ok(Inbound::Abort(aborted(&abort))),
        Some(RequestMessage::Offer(_)) => unexpected("offer"),
        Some(RequestMessage::Confirm(_)) => unexpected("confirmation"),
        None => unexpected("empty message"),
    }
}

/// What a server may send once the handshake is over.
pub(crate) fn inbound_response(message: v1::ExchangeResponse) -> Result<Inbound, Error> {
    let unexpected = |got| Err(PeerMisbehaved::UnexpectedMessage { expected: "frame", got }.into());
    match message.message {
        Some(ResponseMessage::Frame(wire)) => Ok(Inbound::Frame(wire)),
        Some(ResponseMessage::Alive(_)) => Ok(Inbound::Alive),
        Some(ResponseMessage::Evidence(message)) => Ok(Inbound::Evidence(message.try_into()?)),
        Some(ResponseMessage::Abort(abort)) => Ok(Inbound::Abort(aborted(&abort))),
        Some(ResponseMessage::Accept(_)) => unexpected("acceptance"),
        None => unexpected("empty message"),
    }
}

impl From<Outbound> for v1::ExchangeRequest {
    fn from(message: Outbound) -> Self {
        let message = match message {
            Outbound::Frame(wire) => RequestMessage::Frame(wire),
            Outbound::Alive => RequestMessage::Alive(v1::JobAlive {}),
            Outbound::Evidence(message) => RequestMessage::Evidence(message.into()),
            Outbound::Abort { reason, incident, resets_at } => {
                RequestMessage::Abort(abort(reason, incident, resets_at))
            }
        };
        Self { message: Some(message) }
    }
}

impl From<Outbound> for v1::ExchangeResponse {
    fn from(message: Outbound) -> Self {
        let message = match message {
            Outbound::Frame(wire) => ResponseMessage::Frame(wire),
            Outbound::Alive => ResponseMessage::Alive(v1::JobAlive {}),
            Outbound::Evidence(message) => ResponseMessage::Evidence(message.into()),
            Outbound::Abort { reason, incident, resets_at } => {
                ResponseMessage::Abort(abort(reason, incident, resets_at))
            }
        };
        Self { message: Some(message) }
    }
}

fn abort(reason: &'static str, incident: String, resets_at: Option<Timestamp>) -> v1::JobAbort {
    let resets_at = resets_at.map(|at| at.to_string()).unwrap_or_default();
    v1::JobAbort { reason: reason.to_owned(), incident, resets_at }
}

/// A length that is known to be small.
pub(crate) fn length_u32(value: usize) -> Result<u32, Error> {
    u32::try_from(value).map_err(|_| Environment::Worker.into())
}
