//! The card by which an institution's node introduces itself.

use std::collections::HashSet;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};
use symbolon_primitives::kdf::Label;
use symbolon_primitives::sign::{Signature, Signer, VerifyingKey};

use crate::canonical::Canonical;
use crate::error::{Error, Problem, Section};
use crate::fields::{Fields, Writer};
use crate::fingerprint::Fingerprint;
use crate::identity::{Digest, Endpoint};
use crate::text::{Name, Version};
use crate::time::Timestamp;
pub use identity::{Anchor, CardIdentity, REVOKED_MAX, ROTATIONS_MAX, RevokedKey, Rotation, TLS_PINS_MAX, TlsPin};

mod identity;

/// The format of the cards this version reads and writes.
pub const CARD_FORMAT: &str = "symbolon-card/1";

/// The largest card read, in bytes.
pub const CARD_BYTES_MAX: usize = 64 * 1024;

const SEALING_KEYS_MAX: usize = 8;
const SEALING_KEY_BYTES_MIN: usize = 32;
const SEALING_KEY_BYTES_MAX: usize = 4096;

/// What a card says, but for the key that signs it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "a card is built from all its fields; forgetting one must not compile")]
pub struct CardContents {
    /// The institution's name.
    pub institution: Name,
    /// SHA-256 of the SubjectPublicKeyInfo of its node's TLS certificate.
    pub tls_spki: Digest,
    /// Where its node listens for peers.
    pub endpoint: Endpoint,
    /// When the card was made.
    pub created: Timestamp,
    /// The keys files for this institution are sealed to, one a suite.
    pub sealing_keys: Vec<SealingKeyEntry>,
    /// Sequence, SPIFFE id, and how keys change over time.
    pub identity: CardIdentity,
}

/// A public key for sealing, opaque here.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "a pair")]
pub struct SealingKeyEntry {
    /// The name of the suite.
    pub suite: Version,
    /// The encoded public key.
    pub key: Vec<u8>,
}

/// A card whose signature, by the organisation key it names, has been verified.
///
/// The signature shows that the card is whole and that its maker holds the key; it does not show who that is.
/// Compare the [`Fingerprint`] with the institution over another channel before trusting it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Card {
    contents: CardContents,
    organisation_key: VerifyingKey,
    signature: Signature,
}

impl Card {
    /// Makes and signs a card for the owner of `key`.
    ///
    /// # Errors
    /// [`Error::Field`] when there is no sealing key, a suite comes twice, or a key is of no possible length;
    /// [`Error::KeyUnavailable`] when `key` cannot sign.
    pub fn issue(contents: CardContents, key: &dyn Signer) -> Result<Self, Error> {
        let organisation_key = key.verifying_key();
        check(&contents, &organisation_key)?;
        let signature = key.try_sign(Label::Card, &[&encode(&contents, &organisation_key)]);
        let signature = signature.map_err(|_| Error::KeyUnavailable)?;
        Ok(Self { contents, organisation_key, signature })
    }

    /// Reads a card and verifies its signature.
    ///
    /// # Errors
    /// [`Error::TooLarge`], [`Error::Syntax`], [`Error::UnknownField`] and [`Error::Field`] for the document,
    /// [`Error::CardSignatureInvalid`] when the signature does not fit it.
    pub fn from_toml(text: &str) -> Result<Self, Error> {
        let mut top = Fields::parse(text, CARD_BYTES_MAX, CARD_FORMAT)?;
        let organisation_key: VerifyingKey = top.parsed("organisation_key", Problem::Key)?;
        let signature: Signature = top.parsed("signature", Problem::Signature)?;
        let contents = CardContents {
            institution: top.text("institution")?,
            tls_spki: top.parsed("tls_spki", Problem::Digest)?,
            endpoint: top.parsed("endpoint", Problem::Endpoint)?,
            created: top.time("created")?,
            sealing_keys: top
                .tables("sealing_key", Section::SealingKey)?
                .into_iter()
                .map(read_sealing_key)
                .collect::<Result<_, _>>()?,
            identity: identity::read(&mut top)?,
        };
        top.finish()?;
        check(&contents, &organisation_key)?;
        organisation_key
            .verify(Label::Card, &[&encode(&contents, &organisation_key)], &signature)
            .map_err(|_| Error::CardSignatureInvalid)?;
        Ok(Self { contents, organisation_key, signature })
    }

    /// The card as a document with comments. [`Card::from_toml`] gives an equal card back.
    #[must_use]
    pub fn to_toml(&self) -> String {
        let contents = &self.contents;
        let mut out = Writer::new();
        out.lines("# The card of an institution's node: give it to those who may propose agreements to it.");
        out.lines("# It holds no secret. Compare its fingerprint with the institution over another channel.");
        out.text("format", CARD_FORMAT);
        out.lines("");
        out.text("institution", contents.institution.as_str());
        out.lines("# Where its node listens for peers.");
        out.text("endpoint", &contents.endpoint.to_string());
        out.lines("# The key it signs with, and the pin of the key its node shows in TLS.");
        out.text("organisation_key", &self.organisation_key.to_string());
        out.text("tls_spki", &contents.tls_spki.to_string());
        out.text("created", &contents.created.to_string());
        identity::write_fields(&contents.identity, &mut out);
        out.lines("# By the organisation key over everything else.");
        out.text("signature", &self.signature.to_string());
        out.lines("\n# The public keys to seal files for this institution with.");
        for entry in &contents.sealing_keys {
            out.lines("[[sealing_key]]");
            out.text("suite", entry.suite.as_str());
            out.text("key", &STANDARD.encode(&entry.key));
        }
        identity::write_sections(&contents.identity, &mut out);
        out.finish()
    }

    /// What the card says.
    #[must_use]
    pub const fn contents(&self) -> &CardContents {
        &self.contents
    }

    /// The key the institution signs with.
    #[must_use]
    pub const fn organisation_key(&self) -> &VerifyingKey {
        &self.organisation_key
    }

    /// The sealing key of a suite.
    #[must_use]
    pub fn sealing_key(&self, suite: &str) -> Option<&[u8]> {
        let entry = self.contents.sealing_keys.iter().find(|entry| entry.suite.as_str() == suite)?;
        Some(&entry.key)
    }

    /// What two people compare to know that they see the same card.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::new(Sha256::digest(encode(&self.contents, &self.organisation_key)).into())
    }
}

fn read_sealing_key(mut fields: Fields) -> Result<SealingKeyEntry, Error> {
    let suite = fields.text("suite")?;
    let encoded = fields.string("key")?;
    let key = STANDARD.decode(encoded).map_err(|_| fields.section.problem("key", Problem::Base64))?;
    fields.finish()?;
    Ok(SealingKeyEntry { suite, key })
}

fn check(contents: &CardContents, organisation_key: &VerifyingKey) -> Result<(), Error> {
    let got = contents.sealing_keys.len();
    if !(1..=SEALING_KEYS_MAX).contains(&got) {
        return Err(Section::Top.problem("sealing_key", Problem::Count { min: 1, max: SEALING_KEYS_MAX, got }));
    }
    let mut suites = HashSet::new();
    for (entry, number) in contents.sealing_keys.iter().zip(1..) {
        let section = Section::SealingKey(number);
        if !suites.insert(&entry.suite) {
            return Err(section.problem("suite", Problem::Repeated));
        }
        if !(SEALING_KEY_BYTES_MIN..=SEALING_KEY_BYTES_MAX).contains(&entry.key.len()) {
            return Err(section.problem("key", Problem::Base64));
        }
    }
    identity::check(&contents.identity, &contents.tls_spki, organisation_key)
}

fn encode(contents: &CardContents, organisation_key: &VerifyingKey) -> Vec<u8> {
    let mut out = Canonical::new(CARD_FORMAT);
    out.text(contents.institution.as_str());
    out.text(&contents.endpoint.to_string());
    out.bytes(&organisation_key.to_bytes());
    out.bytes(contents.tls_spki.as_bytes());
    out.time(contents.created);
    out.count(contents.sealing_keys.len());
    for entry in &contents.sealing_keys {
        out.text(entry.suite.as_str());
        out.bytes(&entry.key);
    }
    identity::encode(&contents.identity, &mut out);
    out.finish()
}

#[cfg(test)]
mod tests;
