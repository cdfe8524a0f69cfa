//! Approvals of an agreement, and its versions.

use symbolon_policy::audit::Entry;
use symbolon_policy::{Difference, Seat, SignedAgreement, Tightening};
use symbolon_primitives::sign::Signer;

use super::agreements::{AgreementInput, AgreementView, append_blocks};
use super::text_of;
use crate::error::{Error, Refused};
use crate::home::Home;
use crate::store::AgreementRecord;

/// An approval that was given.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Approved {
    /// The agreement as it is stored.
    pub record: AgreementRecord,
    /// The document with the approval.
    pub document: Vec<u8>,
    /// The person who approved, as the agreement names it.
    pub approver: String,
    /// How many persons of this institution have approved.
    pub have: u64,
    /// How many have to.
    pub need: u64,
}

impl Home {
    /// Approves an agreement as a person of this institution, and stores it. Approving again changes nothing.
    ///
    /// # Errors
    /// `APPROVER_NOT_LISTED` when the agreement does not list this key for this institution; as
    /// [`Home::agreement_sign`] for what does not fit. Nothing is stored then.
    pub async fn agreement_approve(&self, input: AgreementInput, key: &dyn Signer) -> Result<Approved, Error> {
        let document = self.resolve(input).await?;
        let text = self.with_stored_signatures(text_of(&document)?).await?;
        let mut signed = SignedAgreement::from_toml(&text)?;
        let own = self.own_seat(signed.agreement())?;
        // A person of the partner's approves at the partner's.
        let public = key.verifying_key();
        if signed.agreement().party(own).approver_of_key(&public).is_none() {
            return Err(symbolon_policy::Error::ApproverNotListed.into());
        }
        let (seat, _) = self.check_terms(signed.agreement()).await?;
        let before = signed.clone();
        let (_, index) = signed.approve(key)?;
        let text = append_blocks(&text, &before, &signed)?;
        let record = self.store_document(&text, seat).await?;
        if before.approvals_count(own) < signed.approvals_count(own) {
            let entry = Entry::new(self.clock().now(), "approval_given").hash("agreement", signed.id().as_bytes());
            self.evidence().append(entry.hash("approver_key", &public.to_bytes())).await?;
        }
        let stored = SignedAgreement::from_toml(text_of(&record.document)?)?;
        Ok(Approved {
            document: record.document.clone(),
            record,
            approver: signed.agreement().party(own).approvers[index].name.as_str().to_owned(),
            have: stored.approvals_count(own),
            need: stored.agreement().party(own).approvals_min,
        })
    }

    /// Takes in approvals a document carries, such as those a person gave on another machine.
    ///
    /// # Errors
    /// [`Refused::NotActive`] when it carries none; as [`Home::agreement_sign`] for what does not fit.
    pub async fn agreement_take_approvals(&self, document: &[u8]) -> Result<AgreementRecord, Error> {
        let text = text_of(document)?;
        let carried = SignedAgreement::from_toml(text)?;
        let (seat, _) = self.check_terms(carried.agreement()).await?;
        if carried.approvals_count(seat) == 0 {
            return Err(Error::Misuse {
                what: "the document carries no approval of this institution",
                remedy: "have a person approve it first, see `agreement approve`",
            });
        }
        let stored = self.store().agreement(*carried.id().as_bytes()).await?;
        let known = match &stored {
            Some(stored) => SignedAgreement::from_toml(text_of(&stored.document)?)?,
            None => SignedAgreement::draft(carried.agreement().clone()),
        };
        let record = self.store_document(text, seat).await?;
        for (approver, _) in carried.approvals(seat) {
            if !known.approvals(seat).any(|(there, _)| there.key == approver.key) {
                let entry = Entry::new(self.clock().now(), "approval_given").hash("agreement", &record.id);
                self.evidence().append(entry.hash("approver_key", &approver.key.to_bytes())).await?;
            }
        }
        Ok(record)
    }

    /// Tells two agreements apart in words, as this institution reads them.
    ///
    /// # Errors
    /// As [`Home::agreement_show`] and [`Home::agreement_explain`].
    pub async fn agreement_diff(&self, old: AgreementInput, new: AgreementInput) -> Result<Vec<Difference>, Error> {
        let old = SignedAgreement::from_toml(text_of(&self.resolve(old).await?)?)?;
        let new = SignedAgreement::from_toml(text_of(&self.resolve(new).await?)?)?;
        let seat = self.own_seat(new.agreement())?;
        Ok(symbolon_policy::diff(old.agreement(), new.agreement(), seat))
    }

    /// The versions an agreement belongs to, the latest first: those it replaces and those that replace it, as far as
    /// they are stored here.
    ///
    /// # Errors
    /// As [`Home::agreement_show`].
    pub async fn agreement_history(&self, id: &str) -> Result<Vec<AgreementView>, Error> {
        let all = self.store().agreements().await?;
        let start = self.find_agreement(id).await?;
        // Later versions: several may replace one, of which at most one is active.
        let mut line = vec![start];
        let mut index = 0;
        while let Some(present) = line.get(index).map(|record| record.id) {
            let later = all.iter().filter(|record| record.replaces == Some(present));
            let later: Vec<_> =
                later.filter(|record| line.iter().all(|known| known.id != record.id)).cloned().collect();
            line.extend(later);
            index += 1;
        }
        line.reverse();
        // Earlier ones. An id covers what it replaces, so the line cannot run in a circle.
        while let Some(earlier) = line.last().and_then(|record| record.replaces) {
            match all.iter().find(|record| record.id == earlier) {
                Some(record) => line.push(record.clone()),
                None => break,
            }
        }
        let mut views = Vec::with_capacity(line.len());
        for record in line {
            views.push(self.view(record).await?);
        }
        Ok(views)
    }

    /// The differences to the version that `document` replaces, when that one is stored here.
    ///
    /// # Errors
    /// As [`Home::agreement_show`].
    pub async fn agreement_changes(&self, document: &str) -> Result<Option<Vec<Difference>>, Error> {
        let new = SignedAgreement::from_toml(document)?;
        let Some(replaced) = new.agreement().terms().optional.replaces else { return Ok(None) };
        let Some(stored) = self.store().agreement(*replaced.as_bytes()).await? else { return Ok(None) };
        let old = SignedAgreement::from_toml(text_of(&stored.document)?)?;
        let seat = self.own_seat(new.agreement())?;
        Ok(Some(symbolon_policy::diff(old.agreement(), new.agreement(), seat)))
    }

    /// Holds something of an agreement back, in place of what was held back before, and gives it in words. It holds for
    /// jobs that start from now on; both sides apply it.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Policy`] naming a value that would give more than the agreement.
    pub async fn agreement_tighten(&self, id: &str, held: Tightening) -> Result<Vec<String>, Error> {
        let record = self.find_agreement(id).await?;
        let signed = SignedAgreement::from_toml(text_of(&record.document)?)?;
        held.check(signed.agreement())?;
        let words = held.in_words();
        self.store().put_tightening(record.id, held, self.clock().now()).await?;
        let entry = Entry::new(self.clock().now(), "agreement_tightened").hash("agreement", &record.id);
        self.evidence().append(entry.number("limits", words.len() as u64)).await?;
        Ok(words)
    }

    /// Checks that what an agreement replaces is an agreement of the same two parties that is stored here: a version for
    /// one partner must not end what was agreed with another.
    pub(super) async fn check_replaced(&self, agreement: &symbolon_policy::Agreement) -> Result<(), Error> {
        let Some(replaced) = agreement.terms().optional.replaces else { return Ok(()) };
        let stored = self.store().agreement(*replaced.as_bytes()).await?.ok_or(Refused::ReplacedUnknown)?;
        let old = SignedAgreement::from_toml(text_of(&stored.document)?)?;
        let of = |seat: Seat| agreement.party(seat).organisation_key;
        let same = Seat::BOTH.into_iter().all(|seat| old.agreement().seat_of_key(&of(seat)).is_some());
        if same { Ok(()) } else { Err(Refused::ReplacedUnknown.into()) }
    }
}

#[cfg(test)]
mod tests;
