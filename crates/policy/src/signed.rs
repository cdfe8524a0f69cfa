//! An agreement with the approvals and signatures it has so far.
//!
//! Persons approve, institutions sign. Where an institution lists approvers, its signature counts only beside as many
//! approvals of different persons as the agreement asks for; both parties verify them.

use std::collections::BTreeMap;

use symbolon_primitives::kdf::Label;
use symbolon_primitives::sign::{Signature, Signer, VerifyingKey};

use crate::agreement::{APPROVERS_MAX, Agreement, AgreementId, Approver, DOCUMENT_BYTES_MAX, FORMAT, Seat, document};
use crate::error::{Error, Problem, Section};
use crate::fields::{Fields, Writer};

/// How far an agreement has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "two parties sign or do not")]
pub enum State {
    /// Nobody signed, or not with the approvals it takes.
    Draft,
    /// One party signed, with the approvals it takes.
    SignedBy(Seat),
    /// Both parties signed, with the approvals it takes.
    Active,
}

/// An agreement, its approvals and its signatures. Each one held has been verified: one that does not fit is never taken
/// in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedAgreement {
    agreement: Agreement,
    signatures: [Option<Signature>; 2],
    /// By the position of the approver in the party's list.
    approvals: [BTreeMap<usize, Signature>; 2],
}

impl SignedAgreement {
    /// An agreement nobody has signed yet.
    #[must_use]
    pub const fn draft(agreement: Agreement) -> Self {
        Self { agreement, signatures: [None, None], approvals: [BTreeMap::new(), BTreeMap::new()] }
    }

    /// Reads a document, checks its terms and verifies its approvals and signatures.
    ///
    /// # Errors
    /// [`Error::TooLarge`], [`Error::Syntax`], [`Error::UnknownField`] and [`Error::Field`] for the document;
    /// [`Error::SignatureInvalid`], also when it was edited after signing, [`Error::SignatureForeign`] and
    /// [`Error::SignatureRepeated`]; the same of approvals.
    pub fn from_toml(text: &str) -> Result<Self, Error> {
        let mut top = Fields::parse(text, DOCUMENT_BYTES_MAX, FORMAT)?;
        let terms = document::read_terms(&mut top)?;
        let approvals = top.tables("approval", Section::Approval)?;
        let entries = top.tables("signature", Section::Signature)?;
        top.finish()?;
        let mut signed = Self::draft(Agreement::new(terms)?);
        signed.read_approvals(approvals)?;
        if entries.len() > 2 {
            return Err(Section::Top.problem("signature", Problem::Count { min: 0, max: 2, got: entries.len() }));
        }
        for (mut entry, number) in entries.into_iter().zip(1..) {
            let party = entry.string("party")?;
            let key: VerifyingKey = entry.parsed("key", Problem::Key)?;
            let value: Signature = entry.parsed("value", Problem::Signature)?;
            let section = entry.section;
            entry.finish()?;
            let seat = signed.agreement.seat_of_name(&party);
            let seat = seat.ok_or_else(|| section.problem("party", Problem::NotAParty))?;
            signed.verify(seat, &key, &value, number)?;
            if signed.signatures[seat.index()].replace(value).is_some() {
                return Err(Error::SignatureRepeated { number });
            }
        }
        Ok(signed)
    }

    fn read_approvals(&mut self, entries: Vec<Fields>) -> Result<(), Error> {
        let (max, got) = (2 * APPROVERS_MAX, entries.len());
        if got > max {
            return Err(Section::Top.problem("approval", Problem::Count { min: 0, max, got }));
        }
        for (mut entry, number) in entries.into_iter().zip(1..) {
            let party = entry.string("party")?;
            let approver = entry.string("approver")?;
            let key: VerifyingKey = entry.parsed("key", Problem::ApproverKeyText)?;
            let value: Signature = entry.parsed("value", Problem::Signature)?;
            let section = entry.section;
            entry.finish()?;
            let seat = self.agreement.seat_of_name(&party);
            let seat = seat.ok_or_else(|| section.problem("party", Problem::NotAParty))?;
            let index = self.agreement.party(seat).approver_of_name(&approver);
            let index = index.ok_or(Error::ApprovalForeign { number })?;
            if self.agreement.party(seat).approvers[index].key != key {
                return Err(Error::ApprovalForeign { number });
            }
            key.verify(Label::AgreementApproval, &[self.agreement.canonical_bytes()], &value)
                .map_err(|_| Error::ApprovalInvalid { number })?;
            if self.approvals[seat.index()].insert(index, value).is_some() {
                return Err(Error::ApprovalRepeated { number });
            }
        }
        Ok(())
    }

    /// The document, with comments. [`SignedAgreement::from_toml`] gives an equal agreement back.
    #[must_use]
    pub fn to_toml(&self) -> String {
        let mut out = Writer::new();
        document::write_terms(&mut out, self.agreement.terms());
        for seat in Seat::BOTH {
            for (index, approval) in &self.approvals[seat.index()] {
                self.write_approval(&mut out, seat, *index, approval);
            }
        }
        for seat in Seat::BOTH {
            if let Some(signature) = self.signature(seat) {
                self.write_signature(&mut out, seat, signature);
            }
        }
        out.finish()
    }

    /// The blocks of the approvals and signatures held here that `other`, a copy of the same agreement, has not: what
    /// is appended to its document, so that comments and order stay as people wrote them.
    #[must_use]
    pub fn blocks_missing_in(&self, other: &Self) -> String {
        let mut out = Writer::new();
        for seat in Seat::BOTH {
            let there = &other.approvals[seat.index()];
            let missing = self.approvals[seat.index()].iter().filter(|(index, _)| !there.contains_key(index));
            missing.for_each(|(index, approval)| self.write_approval(&mut out, seat, *index, approval));
            if let (Some(signature), None) = (self.signature(seat), other.signature(seat)) {
                self.write_signature(&mut out, seat, signature);
            }
        }
        out.finish()
    }

    fn write_approval(&self, out: &mut Writer, seat: Seat, index: usize, approval: &Signature) {
        let party = self.agreement.party(seat);
        let approver = &party.approvers[index];
        out.lines("\n[[approval]]");
        out.text("party", party.name.as_str());
        out.text("approver", approver.name.as_str());
        out.text("key", &approver.key.to_string());
        out.text("value", &approval.to_string());
    }

    fn write_signature(&self, out: &mut Writer, seat: Seat, signature: &Signature) {
        let party = self.agreement.party(seat);
        out.lines("\n[[signature]]");
        out.text("party", party.name.as_str());
        out.text("key", &party.organisation_key.to_string());
        out.text("value", &signature.to_string());
    }

    /// The terms signed.
    #[must_use]
    pub const fn agreement(&self) -> &Agreement {
        &self.agreement
    }

    /// The agreement's identifier, the same whoever has signed.
    #[must_use]
    pub const fn id(&self) -> AgreementId {
        self.agreement.id()
    }

    /// How far the agreement has come.
    #[must_use]
    pub fn state(&self) -> State {
        match Seat::BOTH.map(|seat| self.signed_by(seat)) {
            [false, false] => State::Draft,
            [true, false] => State::SignedBy(Seat::First),
            [false, true] => State::SignedBy(Seat::Second),
            [true, true] => State::Active,
        }
    }

    /// Whether the party at `seat` signed with the approvals it takes.
    #[must_use]
    pub fn signed_by(&self, seat: Seat) -> bool {
        self.signature(seat).is_some() && self.check_approvals(seat).is_ok()
    }

    /// Checks that the party at `seat` has the approvals the agreement asks for.
    ///
    /// # Errors
    /// [`Error::ApprovalsShort`].
    pub fn check_approvals(&self, seat: Seat) -> Result<(), Error> {
        let (have, need) = (self.approvals_count(seat), self.agreement.party(seat).approvals_min);
        if have < need { Err(Error::ApprovalsShort { have, need }) } else { Ok(()) }
    }

    /// How many persons of the party at `seat` have approved.
    #[must_use]
    pub fn approvals_count(&self, seat: Seat) -> u64 {
        self.approvals[seat.index()].len() as u64
    }

    /// The persons of the party at `seat` who have approved, with their signatures, in the agreement's order.
    pub fn approvals(&self, seat: Seat) -> impl Iterator<Item = (&Approver, &Signature)> {
        let approvers = &self.agreement.party(seat).approvers;
        self.approvals[seat.index()].iter().map(|(index, approval)| (&approvers[*index], approval))
    }

    /// The signature of the party at `seat`.
    #[must_use]
    pub const fn signature(&self, seat: Seat) -> Option<&Signature> {
        self.signatures[seat.index()].as_ref()
    }

    /// Approves as the person whose key this is; gives the party and the position among its approvers. Approving again
    /// changes nothing.
    ///
    /// # Errors
    /// [`Error::ApproverNotListed`] when it is nobody's whom the agreement lists; [`Error::KeyUnavailable`] when it
    /// cannot sign.
    pub fn approve(&mut self, key: &dyn Signer) -> Result<(Seat, usize), Error> {
        let public = key.verifying_key();
        let listed = |seat: Seat| self.agreement.party(seat).approver_of_key(&public).map(|index| (seat, index));
        let (seat, index) = Seat::BOTH.into_iter().find_map(listed).ok_or(Error::ApproverNotListed)?;
        let approval = key.try_sign(Label::AgreementApproval, &[self.agreement.canonical_bytes()]);
        self.approvals[seat.index()].insert(index, approval.map_err(|_| Error::KeyUnavailable)?);
        Ok((seat, index))
    }

    /// Signs as the party whose organisation key this is. Signing again changes nothing.
    ///
    /// # Errors
    /// [`Error::SignerNotParty`] when it is neither party's; [`Error::ApprovalsShort`] when too few have approved;
    /// [`Error::KeyUnavailable`] when it cannot sign.
    pub fn sign(&mut self, key: &dyn Signer) -> Result<Seat, Error> {
        let seat = self.agreement.seat_of_key(&key.verifying_key()).ok_or(Error::SignerNotParty)?;
        self.check_approvals(seat)?;
        let signature = key.try_sign(Label::Agreement, &[self.agreement.canonical_bytes()]);
        self.signatures[seat.index()] = Some(signature.map_err(|_| Error::KeyUnavailable)?);
        Ok(seat)
    }

    /// Takes in a signature that came back from a party. One the party gave already changes nothing.
    ///
    /// # Errors
    /// [`Error::SignerNotParty`] when `key` is neither party's; [`Error::SignatureInvalid`] when the signature does
    /// not fit; nothing is changed then.
    pub fn add_signature(&mut self, key: &VerifyingKey, signature: Signature) -> Result<Seat, Error> {
        let seat = self.agreement.seat_of_key(key).ok_or(Error::SignerNotParty)?;
        self.verify(seat, key, &signature, seat.index() + 1)?;
        self.signatures[seat.index()] = Some(signature);
        Ok(seat)
    }

    /// Takes in the approvals and signatures of another copy of the same agreement.
    ///
    /// # Errors
    /// [`Error::AgreementDiffers`] when it is another agreement.
    pub fn merge(&mut self, other: &Self) -> Result<(), Error> {
        if self.id() != other.id() {
            return Err(Error::AgreementDiffers);
        }
        for (own, theirs) in self.signatures.iter_mut().zip(&other.signatures) {
            *own = own.or(*theirs);
        }
        for (own, theirs) in self.approvals.iter_mut().zip(&other.approvals) {
            for (index, approval) in theirs {
                own.entry(*index).or_insert(*approval);
            }
        }
        Ok(())
    }

    fn verify(&self, seat: Seat, key: &VerifyingKey, signature: &Signature, number: usize) -> Result<(), Error> {
        if self.agreement.party(seat).organisation_key != *key {
            return Err(Error::SignatureForeign { number });
        }
        key.verify(Label::Agreement, &[self.agreement.canonical_bytes()], signature)
            .map_err(|_| Error::SignatureInvalid { number })
    }
}

#[cfg(test)]
mod tests;
