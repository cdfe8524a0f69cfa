//! The life of an agreement: what became of it after both signed.
//!
//! A party that wants to hold or end an agreement signs a [`Notice`] and hands it to the other. Each party's notices
//! are numbered, and only a later one than the last is taken in, so an old one played again changes nothing. Either
//! party's suspension holds for both, and only the party that suspended can resume; a revocation is final.
//!
//! [`standing`] is the one function that says what an agreement is worth at a moment.

use std::fmt;
use std::str::FromStr;

use symbolon_primitives::kdf::Label;
use symbolon_primitives::sign::{Signature, Signer, VerifyingKey};
use thiserror::Error;

use crate::agreement::{Agreement, AgreementId, Seat, words};
use crate::canonical::Canonical;
use crate::decision::Reason;
use crate::error::Problem;
use crate::signed::{SignedAgreement, State};
use crate::time::Timestamp;

/// The format of the bytes a notice is signed over.
const NOTICE_FORMAT: &str = "symbolon-agreement-notice/1";

words! {
    /// What a notice says.
    NoticeKind {
        /// No job starts and running ones end, until the same party resumes.
        Suspend = "suspend",
        /// The party takes its suspension back.
        Resume = "resume",
        /// The agreement has ended for good.
        Revoke = "revoke",
    }
}

/// Why a notice was given: a word of 1 to 32 letters, digits, hyphens and underscores. It goes to the other party, so
/// there is no room for a person's name or a sentence in it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct NoticeWord(Box<str>);

impl NoticeWord {
    /// The word.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for NoticeWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl FromStr for NoticeWord {
    type Err = Problem;

    fn from_str(text: &str) -> Result<Self, Problem> {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        let good = (1..=32).contains(&text.len()) && text.bytes().all(fits);
        if good { Ok(Self(text.into())) } else { Err(Problem::NoticeWord) }
    }
}

/// What a party says about an agreement, before it is signed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "a notice is made from all its fields; forgetting one must not compile")]
pub struct NoticeContent {
    /// The agreement.
    pub agreement_id: AgreementId,
    /// What is said.
    pub kind: NoticeKind,
    /// The number among the party's notices on this agreement, from 1.
    pub sequence: u64,
    /// When it was said, by the party's clock; never before an earlier notice of its.
    pub time: Timestamp,
    /// Why, if the party says.
    pub word: Option<NoticeWord>,
}

/// A notice that is signed by a party of its agreement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    content: NoticeContent,
    issuer: Seat,
    signature: Signature,
}

impl Notice {
    /// Signs a notice as the party at `issuer` with `key`: the organisation key the agreement names, or a later one of
    /// the same institution.
    ///
    /// # Errors
    /// [`NoticeProblem::OtherAgreement`]; [`NoticeProblem::KeyUnavailable`] when it cannot sign.
    pub fn sign(
        content: NoticeContent,
        agreement: &Agreement,
        issuer: Seat,
        key: &dyn Signer,
    ) -> Result<Self, NoticeProblem> {
        check_agreement(&content, agreement)?;
        let signature = key.try_sign(Label::AgreementNotice, &[&bytes(&content, &key.verifying_key())]);
        let signature = signature.map_err(|_| NoticeProblem::KeyUnavailable)?;
        Ok(Self { content, issuer, signature })
    }

    /// Takes a notice that came from the party at `issuer`, signed with `key`: the organisation key the agreement
    /// names, or a later one of the same institution, which the caller has made sure of.
    ///
    /// # Errors
    /// [`NoticeProblem::OtherAgreement`]; [`NoticeProblem::Signature`] when it does not fit.
    pub fn receive(
        content: NoticeContent,
        signature: Signature,
        agreement: &Agreement,
        issuer: Seat,
        key: &VerifyingKey,
    ) -> Result<Self, NoticeProblem> {
        check_agreement(&content, agreement)?;
        key.verify(Label::AgreementNotice, &[&bytes(&content, key)], &signature)
            .map_err(|_| NoticeProblem::Signature)?;
        Ok(Self { content, issuer, signature })
    }

    /// What it says.
    #[must_use]
    pub const fn content(&self) -> &NoticeContent {
        &self.content
    }

    /// The party that gave it.
    #[must_use]
    pub const fn issuer(&self) -> Seat {
        self.issuer
    }

    /// The party's signature.
    #[must_use]
    pub const fn signature(&self) -> &Signature {
        &self.signature
    }
}

fn check_agreement(content: &NoticeContent, agreement: &Agreement) -> Result<(), NoticeProblem> {
    if content.agreement_id == agreement.id() { Ok(()) } else { Err(NoticeProblem::OtherAgreement) }
}

fn bytes(content: &NoticeContent, issuer: &VerifyingKey) -> Vec<u8> {
    let mut out = Canonical::new(NOTICE_FORMAT);
    out.bytes(content.agreement_id.as_bytes());
    out.bytes(&issuer.to_bytes());
    out.text(content.kind.as_str());
    out.number(content.sequence);
    out.time(content.time);
    out.text(content.word.as_ref().map_or("", NoticeWord::as_str));
    out.finish()
}

/// Why a notice is not given or not taken in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum NoticeProblem {
    /// It is about another agreement.
    #[error("the notice is about another agreement")]
    OtherAgreement,
    /// Its signature does not fit.
    #[error("the signature of the notice does not verify")]
    Signature,
    /// The key cannot sign at the moment.
    #[error("the organisation key cannot sign at the moment")]
    KeyUnavailable,
    /// A later one of the party came before, or one of the same number that says something else.
    #[error("the notice is older than one the same party gave before")]
    Old,
    /// The agreement is revoked, which is final.
    #[error("the agreement is revoked, which is final: agree on a new one")]
    Revoked,
    /// The party has suspended already.
    #[error("this institution has suspended the agreement already")]
    SuspendedAlready,
    /// The party did not suspend.
    #[error("this institution has not suspended the agreement: only the party that suspended can resume")]
    NotSuspended,
}

/// What the parties have said about an agreement since they signed it: the last notice of each, which is all that
/// counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Life {
    last: [Option<NoticeContent>; 2],
}

/// What became of a notice that was taken in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "there are these two")]
pub enum Taken {
    /// It says something new.
    New,
    /// It is the party's last one, come a second time: nothing changes.
    Known,
}

impl Life {
    /// What the last notices of the parties make of it, as they were taken in before.
    #[must_use]
    pub const fn restored(last: [Option<NoticeContent>; 2]) -> Self {
        Self { last }
    }

    /// The last notice of the party at `seat`.
    #[must_use]
    pub const fn last(&self, seat: Seat) -> Option<&NoticeContent> {
        self.last[seat.index()].as_ref()
    }

    /// Takes in a notice whose signature was verified.
    ///
    /// # Errors
    /// [`NoticeProblem::Old`] for one that is not later than the party's last one, by number or by time;
    /// [`NoticeProblem::Revoked`] after a revocation by the same party. Nothing is changed then.
    pub fn take(&mut self, notice: &Notice) -> Result<Taken, NoticeProblem> {
        let (content, last) = (notice.content(), &mut self.last[notice.issuer().index()]);
        if let Some(before) = last {
            if before == content {
                return Ok(Taken::Known);
            }
            if content.sequence <= before.sequence || content.time < before.time {
                return Err(NoticeProblem::Old);
            }
            if before.kind == NoticeKind::Revoke {
                return Err(NoticeProblem::Revoked);
            }
        }
        *last = Some(content.clone());
        Ok(Taken::New)
    }

    /// The next notice of the party at `seat`.
    ///
    /// # Errors
    /// [`NoticeProblem::Revoked`], [`NoticeProblem::SuspendedAlready`] or [`NoticeProblem::NotSuspended`].
    pub fn next(
        &self,
        seat: Seat,
        agreement_id: AgreementId,
        kind: NoticeKind,
        word: Option<NoticeWord>,
        now: Timestamp,
    ) -> Result<NoticeContent, NoticeProblem> {
        if self.revoked_by().is_some() {
            return Err(NoticeProblem::Revoked);
        }
        match (kind, self.suspended(seat)) {
            (NoticeKind::Suspend, true) => return Err(NoticeProblem::SuspendedAlready),
            (NoticeKind::Resume, false) => return Err(NoticeProblem::NotSuspended),
            _ => {}
        }
        let last = self.last(seat);
        // A clock that was set back must not make our own notice look like an old one.
        let time = last.map_or(now, |last| last.time.max(now));
        let sequence = last.map_or(0, |last| last.sequence) + 1;
        Ok(NoticeContent { agreement_id, kind, sequence, time, word })
    }

    /// Whether the party at `seat` has suspended.
    #[must_use]
    pub fn suspended(&self, seat: Seat) -> bool {
        self.last(seat).is_some_and(|last| last.kind == NoticeKind::Suspend)
    }

    /// The party that has revoked.
    #[must_use]
    pub fn revoked_by(&self) -> Option<Seat> {
        let revoked = |seat: &Seat| self.last(*seat).is_some_and(|last| last.kind == NoticeKind::Revoke);
        Seat::BOTH.into_iter().find(revoked)
    }
}

/// What an agreement is worth at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "whoever decides has to consider each")]
pub enum Standing {
    /// Nobody signed.
    Draft,
    /// One party signed.
    SignedBy(Seat),
    /// A party ended it.
    Revoked {
        /// The party.
        by: Seat,
    },
    /// Its time is over.
    Expired {
        /// The first second at which it no longer held.
        until: Timestamp,
    },
    /// A party holds it.
    Suspended {
        /// The party; the first one when both do.
        by: Seat,
    },
    /// A later version has taken its place: no job starts, running ones may end.
    Superseded {
        /// The later version.
        by: AgreementId,
    },
    /// Its time has not begun.
    NotYetValid {
        /// The first second at which it holds.
        from: Timestamp,
    },
    /// Jobs may run.
    Active,
}

/// Says what an agreement is worth at `now`. `superseded_by` is a later version that both have signed.
#[must_use]
pub fn standing(signed: &SignedAgreement, life: &Life, superseded_by: Option<AgreementId>, now: Timestamp) -> Standing {
    let terms = signed.agreement().terms();
    // Revocation comes first: it also ends what one party has signed and the other not yet.
    if let Some(by) = life.revoked_by() {
        return Standing::Revoked { by };
    }
    match signed.state() {
        State::Draft => return Standing::Draft,
        State::SignedBy(seat) => return Standing::SignedBy(seat),
        State::Active => {}
    }
    if now >= terms.valid_until {
        return Standing::Expired { until: terms.valid_until };
    }
    if let Some(by) = Seat::BOTH.into_iter().find(|seat| life.suspended(*seat)) {
        return Standing::Suspended { by };
    }
    match superseded_by {
        Some(by) => Standing::Superseded { by },
        None if now < terms.valid_from => Standing::NotYetValid { from: terms.valid_from },
        None => Standing::Active,
    }
}

impl Standing {
    /// The stable word, for machines.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::SignedBy(_) => "signed",
            Self::Revoked { .. } => "revoked",
            Self::Expired { .. } => "expired",
            Self::Suspended { .. } => "suspended",
            Self::Superseded { .. } => "superseded",
            Self::NotYetValid { .. } => "not_yet_valid",
            Self::Active => "active",
        }
    }

    /// Checks that a job may start.
    ///
    /// # Errors
    /// The [`Reason`] why not.
    pub fn may_start(self, agreement: &Agreement) -> Result<(), Reason> {
        let party = |seat: Seat| agreement.party(seat).name.clone();
        match self {
            Self::Active => Ok(()),
            Self::Draft => Err(Reason::Unsigned),
            Self::SignedBy(seat) => Err(Reason::SignatureMissing { party: party(seat.other()) }),
            Self::Revoked { by } => Err(Reason::Revoked { party: party(by) }),
            Self::Expired { until } => Err(Reason::Expired { until }),
            Self::Suspended { by } => Err(Reason::Suspended { party: party(by) }),
            Self::Superseded { by } => Err(Reason::Superseded { by }),
            Self::NotYetValid { from } => Err(Reason::NotYetValid { from }),
        }
    }

    /// Checks that a job that was accepted may go on.
    ///
    /// # Errors
    /// The [`Reason`] why not.
    pub fn may_go_on(self, agreement: &Agreement) -> Result<(), Reason> {
        match self {
            // What a later version replaces still covers the jobs begun under it.
            Self::Superseded { .. } => Ok(()),
            other => other.may_start(agreement),
        }
    }
}

/// Says what an agreement is worth at a moment, and why, as a sentence or more.
#[must_use]
pub fn standing_in_words(signed: &SignedAgreement, life: &Life, standing: Standing) -> String {
    let name = |seat| &signed.agreement().party(seat).name;
    let word = |seat| {
        let word = life.last(seat).and_then(|last| last.word.as_ref());
        word.map_or_else(String::new, |word| format!(" ({word})"))
    };
    let since = |seat| life.last(seat).map_or_else(String::new, |last| format!(" since {}", last.time));
    match standing {
        Standing::Draft | Standing::SignedBy(_) => String::new(),
        Standing::Revoked { by } => format!("Revoked by {}{}{}: it has ended for good.", name(by), word(by), since(by)),
        Standing::Expired { until } => format!("Expired: it ended at {until}."),
        Standing::Suspended { .. } => {
            let seats = Seat::BOTH.into_iter().filter(|seat| life.suspended(*seat));
            let who = seats.map(|seat| format!("{}{}{}", name(seat), word(seat), since(seat)));
            let who = crate::words::listed(who).unwrap_or_default();
            format!("Suspended by {who}: no job starts or goes on until whoever suspended it resumes it.")
        }
        Standing::Superseded { by } => format!("Superseded by the version {}: no further job starts.", by.short()),
        Standing::NotYetValid { from } => format!("Not in force before {from}."),
        Standing::Active => "In force.".to_owned(),
    }
}

#[cfg(test)]
mod tests;
