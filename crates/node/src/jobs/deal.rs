//! What both sides of a job read from the agreement.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use symbolon_policy::cedar::JobFacts;
use symbolon_policy::{
    ColumnName, Digest, Normaliser, Padding, Party, Permit, Purpose, Receiver, ReleaseCount, Request, ResultKind, Seat,
    SignedAgreement, Timestamp, Version,
};
use symbolon_primitives::sign::VerifyingKey;
use symbolon_psi::{Protocol, Release, Report, Role, SessionSpec, Sid};

use crate::convert;
use crate::error::{Environment, Error, PeerMisbehaved};
use crate::gate::{Posture, Subject};
use crate::store::{JobRecord, Side};
use crate::tls::Channel;

/// A job under its agreement, as one side sees it.
#[derive(Debug)]
pub(super) struct Deal {
    pub(super) signed: SignedAgreement,
    /// The own seat.
    pub(super) seat: Seat,
    pub(super) side: Side,
    pub(super) protocol: Protocol,
    pub(super) result: ResultKind,
}

impl Deal {
    pub(super) const fn own(&self) -> &Party {
        self.signed.agreement().party(self.seat)
    }

    pub(super) const fn other(&self) -> &Party {
        self.signed.agreement().party(self.seat.other())
    }

    pub(super) const fn padding(&self) -> Padding {
        self.signed.agreement().terms().padding
    }

    pub(super) const fn role(&self) -> Role {
        convert::roles(self.protocol, self.side)
    }

    /// What both nodes decide on. A responder's rows are added once they are known.
    pub(super) fn request(
        &self,
        initiator: VerifyingKey,
        columns: &[String],
        purpose: &str,
        normaliser: Normaliser,
        rows_initiator: u64,
        now: Timestamp,
    ) -> Result<Request, Error> {
        let malformed = || PeerMisbehaved::Malformed { what: "offer" };
        let columns = columns.iter().map(|column| ColumnName::new(column).map_err(|_| malformed()));
        Ok(Request {
            agreement_id: self.signed.id(),
            initiator,
            protocol: convert::policy_protocol(self.protocol)?,
            result: self.result,
            receiver: convert::receiver(self.protocol),
            columns: columns.collect::<Result<_, _>>()?,
            rows_initiator,
            rows_responder: None,
            purpose: Purpose::new(purpose).map_err(|_| malformed())?,
            normaliser,
            now,
        })
    }

    /// When the columns of an `enrich` open: the agreement says whether the side that gives them holds the minimum
    /// itself, and what it learns by that.
    fn release(&self, permit: &Permit) -> Option<Release> {
        let report = match self.signed.agreement().terms().optional.release_count {
            ReleaseCount::Bit => Report::Sufficient,
            ReleaseCount::Count => Report::Count,
            _ => return None,
        };
        let held = self.result == ResultKind::Enrich && permit.intersection_min > 0;
        held.then_some(Release { keys_min: permit.intersection_min, report })
    }

    /// The job as the gate sees it. Rows are added once they are known.
    pub(super) fn subject(&self, job: &JobRecord, channel: Option<Channel>, posture: Option<Posture>) -> Subject {
        let receiver = match (convert::receiver(self.protocol), self.side) {
            (Receiver::Both, _) => "both",
            (Receiver::Initiator, Side::Initiator) | (Receiver::Responder, Side::Responder) => "own",
            (Receiver::Initiator, Side::Responder) | (Receiver::Responder, Side::Initiator) => "peer",
        };
        Subject {
            job: job.id,
            signed: Arc::new(self.signed.clone()),
            peer_key: self.other().organisation_key.to_bytes(),
            channel,
            posture,
            facts: JobFacts {
                id: job.id.to_string(),
                table: self.own().table.as_str().to_owned(),
                side: self.side.as_str().to_owned(),
                protocol: self.protocol.as_str().to_owned(),
                result: self.result.as_str().to_owned(),
                receiver: receiver.to_owned(),
                purpose: job.purpose.clone(),
                columns: job.columns.clone(),
                rows_own: job.rows_own,
                rows_peer: job.rows_peer,
                frames: 0,
                seconds: 0,
            },
        }
    }

    /// The run both sides construct alike.
    pub(super) fn spec(
        &self,
        sid: Sid,
        permit: &Permit,
        rows_own: u64,
        rows_peer: u64,
        payload_bytes: u32,
    ) -> SessionSpec {
        let (rows_sender, rows_receiver) = match self.role() {
            Role::Sender => (rows_own, rows_peer),
            Role::Receiver => (rows_peer, rows_own),
        };
        SessionSpec {
            protocol: self.protocol,
            sid,
            // The agreement fixes key columns, their kinds and the normaliser.
            schema_id: self.signed.id().as_bytes().to_vec(),
            rows_sender,
            rows_receiver,
            payload_bytes,
            release: self.release(permit),
        }
    }
}

/// The normaliser of this release.
pub(super) fn own_normaliser() -> Result<Normaliser, Error> {
    let version = Version::new(symbolon_tables::NORMALISER_VERSION);
    let version = version.map_err(|_| Environment::Corrupt { what: "normaliser version" })?;
    Ok(Normaliser { version, digest: Digest::from_bytes(symbolon_tables::rules_digest()) })
}

/// The normaliser a peer declares.
pub(super) fn declared_normaliser(version: &str, digest: [u8; 32]) -> Result<Normaliser, Error> {
    let version = Version::new(version).map_err(|_| PeerMisbehaved::Malformed { what: "normaliser version" })?;
    Ok(Normaliser { version, digest: Digest::from_bytes(digest) })
}

pub(super) fn timestamp(time: DateTime<Utc>) -> Result<Timestamp, Error> {
    Timestamp::from_unix_seconds(time.timestamp())
        .map_err(|_| Error::Misuse { what: "the clock of this node shows an impossible time", remedy: "set the clock" })
}
