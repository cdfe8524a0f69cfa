//! The life of agreements after they were signed: suspended, resumed, revoked, expired, superseded.
//!
//! A notice is stored before it is delivered, so it holds here at once, also when the partner is away; the node hands it
//! over as soon as it can. What an agreement is worth is always read anew from the store, so that what another process
//! writes holds for running jobs too.

use std::str::FromStr as _;

use symbolon_policy::audit::Entry;
use symbolon_policy::{
    Life, Notice, NoticeContent, NoticeKind, NoticeProblem, NoticeWord, Seat, SignedAgreement, Standing, Taken,
    Timestamp,
};
use symbolon_primitives::sign::{Signature, VerifyingKey};

use super::node::timestamp;
use super::text_of;
use crate::client::PeerClient;
use crate::error::{Error, PeerMisbehaved, Refused};
use crate::home::Home;
use crate::store::{AgreementId, AgreementLife, AgreementRecord, NoticeRecord};

/// An agreement and what it is worth at a moment.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct AgreementNow {
    /// The agreement, its signatures verified.
    pub signed: SignedAgreement,
    /// What the parties said since.
    pub life: Life,
    /// What it is worth.
    pub standing: Standing,
}

impl AgreementNow {
    /// Checks that a job may start under it.
    ///
    /// # Errors
    /// [`Refused::Decision`] with the reason.
    pub fn may_start(&self) -> Result<(), Error> {
        Ok(self.standing.may_start(self.signed.agreement())?)
    }

    /// Checks that a job that was accepted may go on.
    ///
    /// # Errors
    /// [`Refused::Decision`] with the reason.
    pub fn may_go_on(&self) -> Result<(), Error> {
        Ok(self.standing.may_go_on(self.signed.agreement())?)
    }
}

/// Says what a stored agreement is worth at `now`.
///
/// # Errors
/// [`Refused::Edited`] when the document is not the one that was stored under this id; [`Error::Policy`] when it is
/// damaged.
pub fn at(stored: &AgreementLife, now: Timestamp) -> Result<AgreementNow, Error> {
    let signed = SignedAgreement::from_toml(text_of(&stored.record.document)?)?;
    if *signed.id().as_bytes() != stored.record.id {
        return Err(Refused::Edited.into());
    }
    let peer = peer_seat(&signed, &stored.record)?;
    let mut last: [Option<NoticeContent>; 2] = [None, None];
    // The store gives those of a party in order, so the last one stays.
    for notice in &stored.notices {
        let seat = if notice.own { peer.other() } else { peer };
        last[seat.index()] = Some(notice.content.clone());
    }
    let life = Life::restored(last);
    let superseded_by = stored.superseded_by.map(symbolon_policy::AgreementId::from_bytes);
    let standing = symbolon_policy::standing(&signed, &life, superseded_by, now);
    Ok(AgreementNow { signed, life, standing })
}

fn peer_seat(signed: &SignedAgreement, record: &AgreementRecord) -> Result<Seat, Error> {
    let key = VerifyingKey::from_bytes(&record.peer_key)?;
    signed.agreement().seat_of_key(&key).ok_or_else(|| Refused::Edited.into())
}

/// A notice this institution gave.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Noticed {
    /// The agreement.
    pub record: AgreementRecord,
    /// What was said.
    pub content: NoticeContent,
    /// What the agreement is worth now.
    pub standing: Standing,
    /// Whether the partner's node has it; else it is handed over when the partner can be reached.
    pub delivered: bool,
}

impl Home {
    /// Suspends, resumes or revokes an agreement for this institution. It holds here when this returns; jobs that run
    /// under it end on both sides.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Refused::NotActive`] when this institution has not signed it; [`Error::Misuse`] when it is
    /// suspended already, or to be resumed and not suspended by this institution; `AGREEMENT_REVOKED` after a
    /// revocation.
    pub async fn agreement_notice(
        &self,
        id: &str,
        kind: NoticeKind,
        word: Option<NoticeWord>,
    ) -> Result<Noticed, Error> {
        let record = self.find_agreement(id).await?;
        let content = self.give_notice(&record, kind, word).await?;
        if let Err(error) = self.deliver_notices().await {
            tracing::debug!(reason = error.reason(), "a notice waits for the partner");
        }
        let waiting = self.store().undelivered_notices().await?;
        let same = |(_, notice): &([u8; 32], NoticeRecord)| notice.content == content;
        let delivered = !waiting.iter().any(same);
        let standing = self.agreement_now(record.id).await?.standing;
        Ok(Noticed { record, content, standing, delivered })
    }

    /// Suspends an agreement because a job under it showed a sign of probing. The node hands the notice over later; one
    /// that is suspended already stays so.
    pub(crate) async fn suspend_for_probing(&self, id: AgreementId) -> Result<(), Error> {
        let record = self.store().agreement(id).await?.ok_or(super::agreements::NO_SUCH_AGREEMENT)?;
        let word = NoticeWord::from_str("probing").ok();
        match self.give_notice(&record, NoticeKind::Suspend, word).await {
            Ok(content) => {
                let agreement = content.agreement_id.short();
                tracing::warn!(agreement, "the agreement is suspended: a job showed a sign of probing");
                Ok(())
            }
            Err(Error::Misuse { .. } | Error::Refused(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Stores a notice of this institution and records it; it holds when this returns.
    async fn give_notice(
        &self,
        record: &AgreementRecord,
        kind: NoticeKind,
        word: Option<NoticeWord>,
    ) -> Result<NoticeContent, Error> {
        let content = loop {
            let now = self.agreement_now(record.id).await?;
            let seat = peer_seat(&now.signed, record)?.other();
            if !now.signed.signed_by(seat) {
                return Err(Refused::NotActive.into());
            }
            let time = timestamp(self.clock().now())?;
            let content = now.life.next(seat, now.signed.id(), kind, word.clone(), time);
            let content = content.map_err(|problem| own_problem(problem, &now))?;
            let notice = Notice::sign(content, now.signed.agreement(), seat, self.keys().organisation());
            let notice = notice.map_err(|problem| own_problem(problem, &now))?;
            // Another process may have given the same number meanwhile; then all is considered anew.
            if self.store().add_notice(self.notice_record(&notice, true)).await? {
                break notice.content().clone();
            }
        };
        self.evidence().append(self.notice_entry(&content, "own")).await?;
        Ok(content)
    }

    /// Reads an agreement with what it is worth at this moment.
    ///
    /// # Errors
    /// [`Error::NotFound`]; otherwise as [`at`].
    pub async fn agreement_now(&self, id: AgreementId) -> Result<AgreementNow, Error> {
        let stored = self.store().agreement_life(id).await?;
        at(&stored.ok_or(super::agreements::NO_SUCH_AGREEMENT)?, timestamp(self.clock().now())?)
    }

    /// Takes a notice from the peer with the organisation key `peer_key`.
    ///
    /// # Errors
    /// [`PeerMisbehaved`] when it is malformed, forged, an old one, or about an agreement not stored here or with
    /// others.
    pub async fn receive_notice(
        &self,
        peer_key: [u8; 32],
        content: NoticeContent,
        signature: Signature,
    ) -> Result<(), Error> {
        let stored = self.store().agreement_life(*content.agreement_id.as_bytes()).await?;
        let stored = stored.ok_or(PeerMisbehaved::UnknownDocument)?;
        if stored.record.peer_key != peer_key {
            return Err(PeerMisbehaved::WrongInstitution.into());
        }
        let mut now = at(&stored, timestamp(self.clock().now())?)?;
        let issuer = peer_seat(&now.signed, &stored.record)?;
        let key = VerifyingKey::from_bytes(&peer_key)?;
        let notice = Notice::receive(content, signature, now.signed.agreement(), issuer, &key);
        let notice = notice.map_err(peer_problem)?;
        if now.life.take(&notice).map_err(peer_problem)? == Taken::Known {
            return Ok(());
        }
        if !self.store().add_notice(self.notice_record(&notice, false)).await? {
            // Two of one number came at once; the other one was taken.
            return Err(PeerMisbehaved::Replay { what: "notice" }.into());
        }
        let content = notice.content();
        let agreement = now.signed.id().short();
        tracing::warn!(agreement, kind = content.kind.as_str(), "the partner gave notice on an agreement");
        self.evidence().append(self.notice_entry(content, "peer")).await?;
        Ok(())
    }

    /// Hands every own notice that waits to the partner's node, and gives the number handed over. A partner that cannot
    /// be reached does not keep the others waiting.
    ///
    /// # Errors
    /// What the last partner that did not take its notices answered.
    pub async fn deliver_notices(&self) -> Result<usize, Error> {
        let mut waiting = self.store().undelivered_notices().await?;
        let (mut delivered, mut failed) = (0, None);
        while let Some((peer_key, _)) = waiting.first() {
            let peer_key = *peer_key;
            let (now, rest) = waiting.into_iter().partition(|(key, _)| *key == peer_key);
            waiting = rest;
            match self.deliver_to(peer_key, now).await {
                Ok(count) => delivered += count,
                Err(error) => failed = Some(error),
            }
        }
        failed.map_or(Ok(delivered), Err)
    }

    async fn deliver_to(&self, peer_key: [u8; 32], notices: Vec<([u8; 32], NoticeRecord)>) -> Result<usize, Error> {
        let peer = self.store().peer_by_key(peer_key).await?.ok_or(Refused::UnknownPeer)?;
        let client = PeerClient::connect(self, &peer).await?;
        let mut delivered = 0;
        for (_, notice) in notices {
            client.notify_agreement(&notice).await?;
            let id = *notice.content.agreement_id.as_bytes();
            self.store().notice_delivered(id, notice.content.sequence, self.clock().now()).await?;
            delivered += 1;
        }
        Ok(delivered)
    }

    fn notice_record(&self, notice: &Notice, own: bool) -> NoticeRecord {
        NoticeRecord {
            content: notice.content().clone(),
            own,
            signature: notice.signature().to_bytes(),
            recorded_at: self.clock().now(),
            delivered_at: None,
        }
    }

    fn notice_entry(&self, content: &NoticeContent, by: &'static str) -> Entry {
        let kind = match content.kind {
            NoticeKind::Suspend => "agreement_suspended",
            NoticeKind::Resume => "agreement_resumed",
            _ => "agreement_revoked",
        };
        let entry = Entry::new(self.clock().now(), kind).hash("agreement", content.agreement_id.as_bytes());
        entry.word("by", by).number("sequence", content.sequence)
    }
}

/// What keeps this institution from giving a notice.
fn own_problem(problem: NoticeProblem, now: &AgreementNow) -> Error {
    match problem {
        NoticeProblem::SuspendedAlready => Error::Misuse {
            what: "this institution has suspended the agreement already",
            remedy: "there is nothing to do; `agreement resume` takes the suspension back",
        },
        NoticeProblem::NotSuspended => Error::Misuse {
            what: "this institution has not suspended the agreement",
            remedy: "only the party that suspended can resume: ask the partner to",
        },
        NoticeProblem::KeyUnavailable => symbolon_policy::Error::KeyUnavailable.into(),
        _ => match now.may_go_on() {
            Err(error) => error,
            Ok(()) => Refused::NotActive.into(),
        },
    }
}

fn peer_problem(problem: NoticeProblem) -> Error {
    match problem {
        NoticeProblem::Signature => PeerMisbehaved::Signature { what: "notice" }.into(),
        NoticeProblem::Old | NoticeProblem::Revoked => PeerMisbehaved::Replay { what: "notice" }.into(),
        _ => PeerMisbehaved::Malformed { what: "notice" }.into(),
    }
}

#[cfg(test)]
mod tests;
