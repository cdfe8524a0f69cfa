//! An agreement with the signatures it has so far.

use symbolon_primitives::kdf::Label;
use symbolon_primitives::sign::{Signature, Signer, VerifyingKey};

use crate::agreement::{Agreement, AgreementId, DOCUMENT_BYTES_MAX, FORMAT, Seat, document};
use crate::error::{Error, Problem, Section};
use crate::fields::{Fields, Writer};

/// How far an agreement has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "two parties sign or do not")]
pub enum State {
    /// Nobody signed.
    Draft,
    /// One party signed.
    SignedBy(Seat),
    /// Both parties signed.
    Active,
}

/// An agreement and its signatures. Every signature held has been verified: one that does not fit is never taken in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedAgreement {
    agreement: Agreement,
    signatures: [Option<Signature>; 2],
}

impl SignedAgreement {
    /// An agreement nobody has signed yet.
    #[must_use]
    pub const fn draft(agreement: Agreement) -> Self {
        Self { agreement, signatures: [None, None] }
    }

    /// Reads a document, checks its terms and verifies its signatures.
    ///
    /// # Errors
    /// [`Error::TooLarge`], [`Error::Syntax`], [`Error::UnknownField`] and [`Error::Field`] for the document;
    /// [`Error::SignatureInvalid`], also when it was edited after signing, [`Error::SignatureForeign`] and
    /// [`Error::SignatureRepeated`].
    pub fn from_toml(text: &str) -> Result<Self, Error> {
        let mut top = Fields::parse(text, DOCUMENT_BYTES_MAX, FORMAT)?;
        let terms = document::read_terms(&mut top)?;
        let entries = top.tables("signature", Section::Signature)?;
        top.finish()?;
        let mut signed = Self::draft(Agreement::new(terms)?);
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

    /// The document, with comments. [`SignedAgreement::from_toml`] gives an equal agreement back.
    #[must_use]
    pub fn to_toml(&self) -> String {
        let mut out = Writer::new();
        document::write_terms(&mut out, self.agreement.terms());
        for seat in Seat::BOTH {
            if let Some(signature) = self.signature(seat) {
                let party = self.agreement.party(seat);
                out.lines("\n[[signature]]");
                out.text("party", party.name.as_str());
                out.text("key", &party.organisation_key.to_string());
                out.text("value", &signature.to_string());
            }
        }
        out.finish()
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
    pub const fn state(&self) -> State {
        match self.signatures {
            [None, None] => State::Draft,
            [Some(_), None] => State::SignedBy(Seat::First),
            [None, Some(_)] => State::SignedBy(Seat::Second),
            [Some(_), Some(_)] => State::Active,
        }
    }

    /// The signature of the party at `seat`.
    #[must_use]
    pub const fn signature(&self, seat: Seat) -> Option<&Signature> {
        self.signatures[seat.index()].as_ref()
    }

    /// Signs as the party whose organisation key this is. Signing again changes nothing.
    ///
    /// # Errors
    /// [`Error::SignerNotParty`] when it is neither party's; [`Error::KeyUnavailable`] when it cannot sign.
    pub fn sign(&mut self, key: &dyn Signer) -> Result<Seat, Error> {
        let seat = self.agreement.seat_of_key(&key.verifying_key()).ok_or(Error::SignerNotParty)?;
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

    /// Takes in the signatures of another copy of the same agreement.
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
