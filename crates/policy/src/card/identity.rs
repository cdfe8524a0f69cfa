//! What a card says about its institution's identity over time: sequence, SPIFFE id, further TLS pins, changes of the
//! organisation key, withdrawn keys.
//!
//! Every field may be absent and then changes neither the canonical bytes nor the document, so cards of earlier
//! releases keep their signature and fingerprint.

use symbolon_primitives::kdf::Label;
use symbolon_primitives::sign::{Signature, Signer, VerifyingKey};

use crate::canonical::Canonical;
use crate::error::{Error, Problem, Section};
use crate::fields::{Fields, Writer};
use crate::identity::Digest;
use crate::spiffe::SpiffeId;
use crate::time::Timestamp;

/// The most further TLS pins of a card.
pub const TLS_PINS_MAX: usize = 8;

/// The most changes of the organisation key a card shows; the oldest are dropped first.
pub const ROTATIONS_MAX: usize = 16;

/// The most withdrawn keys of a card.
pub const REVOKED_MAX: usize = 64;

const ROTATION_FORMAT: &str = "symbolon-rotation/1";

/// The identity part of a card.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "a card is built from all its fields; forgetting one must not compile")]
pub struct CardIdentity {
    /// Counts the cards of an institution; a card with a smaller number never takes the place of one with a larger.
    pub sequence: u64,
    /// The SPIFFE id its node's certificate carries.
    pub spiffe_id: Option<SpiffeId>,
    /// What key the card's `tls_spki` is of.
    pub tls_anchor: Anchor,
    /// Further pins, each in its time: the former one while connections change over, the next one ahead of its use.
    pub tls_pins: Vec<TlsPin>,
    /// How the organisation key came about, the oldest change first; the last one leads to the key of this card.
    pub rotations: Vec<Rotation>,
    /// Keys of this institution that nobody shall accept any more.
    pub revoked: Vec<RevokedKey>,
}

/// What key a pin is of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "a verifier must handle every kind")]
pub enum Anchor {
    /// The key of the node's own certificate.
    #[default]
    Leaf,
    /// The key of the institution's certificate authority, which signs the node's short-lived certificates.
    Authority,
}

impl Anchor {
    const WORDS: &'static str = "\"leaf\", \"authority\"";

    /// The word in a document.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Leaf => "leaf",
            Self::Authority => "authority",
        }
    }

    /// The anchor that a word stands for.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        match word {
            "leaf" => Some(Self::Leaf),
            "authority" => Some(Self::Authority),
            _ => None,
        }
    }
}

/// A TLS pin that holds for a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "built from all its fields")]
pub struct TlsPin {
    /// SHA-256 of the SubjectPublicKeyInfo.
    pub spki: Digest,
    /// What key it is of.
    pub anchor: Anchor,
    /// The first second at which it is accepted.
    pub not_before: Timestamp,
    /// The first second at which it no longer is.
    pub not_after: Timestamp,
}

/// A key that nobody shall accept any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "a receiver must handle every kind")]
pub enum RevokedKey {
    /// A TLS key, by its pin.
    Tls(Digest),
    /// An organisation key.
    Organisation(VerifyingKey),
}

/// A statement that an institution changed its organisation key, signed with both keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rotation {
    old: VerifyingKey,
    new: VerifyingKey,
    made: Timestamp,
    until: Timestamp,
    old_signature: Signature,
    new_signature: Signature,
}

impl Rotation {
    /// Makes the statement. Signatures of the old key over new things count before `until`.
    ///
    /// # Errors
    /// [`Error::Field`] when both keys are the same or `until` is before `made`; [`Error::KeyUnavailable`] when one of
    /// them cannot sign.
    pub fn make(old: &dyn Signer, new: &dyn Signer, made: Timestamp, until: Timestamp) -> Result<Self, Error> {
        let (old_key, new_key) = (old.verifying_key(), new.verifying_key());
        check_statement(Section::Rotation(1), &old_key, &new_key, made, until)?;
        let bytes = statement(&old_key, &new_key, made, until);
        let by = |key: &dyn Signer| key.try_sign(Label::KeyRotation, &[&bytes]).map_err(|_| Error::KeyUnavailable);
        let (old_signature, new_signature) = (by(old)?, by(new)?);
        Ok(Self { old: old_key, new: new_key, made, until, old_signature, new_signature })
    }

    /// Takes a statement that was kept: the old and the new key, when it was made and until when the old key counts,
    /// and the signatures in the same order.
    ///
    /// # Errors
    /// [`Error::RotationInvalid`] when a signature does not verify; [`Error::Field`] as [`Rotation::make`].
    pub fn from_parts(
        (old, new): (VerifyingKey, VerifyingKey),
        (made, until): (Timestamp, Timestamp),
        (old_signature, new_signature): (Signature, Signature),
    ) -> Result<Self, Error> {
        check_statement(Section::Rotation(1), &old, &new, made, until)?;
        let rotation = Self { old, new, made, until, old_signature, new_signature };
        rotation.verify(1).map(|()| rotation)
    }

    /// The signatures, of the old and of the new key.
    #[must_use]
    pub const fn signatures(&self) -> (Signature, Signature) {
        (self.old_signature, self.new_signature)
    }

    /// The key that is given up.
    #[must_use]
    pub const fn old_key(&self) -> &VerifyingKey {
        &self.old
    }

    /// The key that takes its place.
    #[must_use]
    pub const fn new_key(&self) -> &VerifyingKey {
        &self.new
    }

    /// When the change was made.
    #[must_use]
    pub const fn made(&self) -> Timestamp {
        self.made
    }

    /// The first second at which the old key's signatures over new things no longer count.
    #[must_use]
    pub const fn until(&self) -> Timestamp {
        self.until
    }

    fn verify(&self, number: usize) -> Result<(), Error> {
        let bytes = statement(&self.old, &self.new, self.made, self.until);
        let by = |key: &VerifyingKey, signature| key.verify(Label::KeyRotation, &[&bytes], signature);
        by(&self.old, &self.old_signature)
            .and_then(|()| by(&self.new, &self.new_signature))
            .map_err(|_| Error::RotationInvalid { number })
    }
}

fn statement(old: &VerifyingKey, new: &VerifyingKey, made: Timestamp, until: Timestamp) -> Vec<u8> {
    let mut out = Canonical::new(ROTATION_FORMAT);
    out.bytes(&old.to_bytes());
    out.bytes(&new.to_bytes());
    out.time(made);
    out.time(until);
    out.finish()
}

fn check_statement(
    section: Section,
    old: &VerifyingKey,
    new: &VerifyingKey,
    made: Timestamp,
    until: Timestamp,
) -> Result<(), Error> {
    if old == new {
        return Err(section.problem("new", Problem::Repeated));
    }
    if until < made { Err(section.problem("until", Problem::Window)) } else { Ok(()) }
}

/// Checks what does not depend on the rest of the card: bounds, windows, the chain of changes up to `key`.
pub(super) fn check(identity: &CardIdentity, tls_spki: &Digest, key: &VerifyingKey) -> Result<(), Error> {
    let count = |field, got, max| {
        if got > max { Err(Section::Top.problem(field, Problem::Count { min: 0, max, got })) } else { Ok(()) }
    };
    count("tls_pin", identity.tls_pins.len(), TLS_PINS_MAX)?;
    count("rotation", identity.rotations.len(), ROTATIONS_MAX)?;
    count("revoked", identity.revoked.len(), REVOKED_MAX)?;
    // A certificate authority signs for more than one node, so only the id tells whose certificate it is.
    let authority =
        identity.tls_anchor == Anchor::Authority || identity.tls_pins.iter().any(|pin| pin.anchor == Anchor::Authority);
    if authority && identity.spiffe_id.is_none() {
        return Err(Section::Top.problem("spiffe_id", Problem::Missing));
    }
    let mut pins = vec![*tls_spki];
    for (pin, number) in identity.tls_pins.iter().zip(1..) {
        let section = Section::TlsPin(number);
        if pins.contains(&pin.spki) {
            return Err(section.problem("spki", Problem::Repeated));
        }
        if pin.not_after <= pin.not_before {
            return Err(section.problem("not_after", Problem::Window));
        }
        pins.push(pin.spki);
    }
    check_chain(&identity.rotations, key)?;
    for (index, revoked) in identity.revoked.iter().enumerate() {
        let in_use = match revoked {
            RevokedKey::Tls(pin) => pins.contains(pin),
            RevokedKey::Organisation(revoked) => revoked == key,
        };
        if in_use || identity.revoked[..index].contains(revoked) {
            return Err(Section::Top.problem("revoked", Problem::Repeated));
        }
    }
    Ok(())
}

/// Each change leads to the next, the last one to `key`, and no key comes twice.
fn check_chain(rotations: &[Rotation], key: &VerifyingKey) -> Result<(), Error> {
    let mut seen = Vec::with_capacity(rotations.len() + 1);
    for (index, rotation) in rotations.iter().enumerate() {
        let number = index + 1;
        let section = Section::Rotation(number);
        check_statement(section, &rotation.old, &rotation.new, rotation.made, rotation.until)?;
        let next = rotations.get(number).map_or(key, |next| &next.old);
        if rotation.new != *next {
            return Err(section.problem("new", Problem::ChainBroken));
        }
        if seen.contains(&rotation.old) || rotation.old == *key {
            return Err(section.problem("old", Problem::Repeated));
        }
        seen.push(rotation.old);
        rotation.verify(number)?;
    }
    Ok(())
}

/// Appends each field that is not at its default, by name, so that a card without them keeps its bytes.
pub(super) fn encode(identity: &CardIdentity, out: &mut Canonical) {
    if !identity.revoked.is_empty() {
        out.extension("revoked", |value| {
            value.count(identity.revoked.len());
            identity.revoked.iter().for_each(|revoked| value.text(&revoked.to_string()));
        });
    }
    if !identity.rotations.is_empty() {
        out.extension("rotation", |value| {
            value.count(identity.rotations.len());
            for rotation in &identity.rotations {
                value.bytes(&statement(&rotation.old, &rotation.new, rotation.made, rotation.until));
                value.bytes(&rotation.old_signature.to_bytes());
                value.bytes(&rotation.new_signature.to_bytes());
            }
        });
    }
    if identity.sequence != 0 {
        out.extension("sequence", |value| value.number(identity.sequence));
    }
    if let Some(id) = &identity.spiffe_id {
        out.extension("spiffe_id", |value| value.text(id.as_str()));
    }
    if identity.tls_anchor != Anchor::Leaf {
        out.extension("tls_anchor", |value| value.text(identity.tls_anchor.as_str()));
    }
    if !identity.tls_pins.is_empty() {
        out.extension("tls_pin", |value| {
            value.count(identity.tls_pins.len());
            for pin in &identity.tls_pins {
                value.bytes(pin.spki.as_bytes());
                value.text(pin.anchor.as_str());
                value.time(pin.not_before);
                value.time(pin.not_after);
            }
        });
    }
}

pub(super) fn read(top: &mut Fields) -> Result<CardIdentity, Error> {
    let anchor = |fields: &mut Fields, field| match fields.optional_string(field)? {
        None => Ok(Anchor::Leaf),
        Some(word) => Anchor::from_word(&word)
            .ok_or_else(|| fields.section.problem(field, Problem::Choice { allowed: Anchor::WORDS })),
    };
    let spiffe_id = top.optional_string("spiffe_id")?;
    let spiffe_id = spiffe_id.map(|text| text.parse::<SpiffeId>());
    let revoked = if top.has("revoked") { top.strings("revoked")? } else { Vec::new() };
    Ok(CardIdentity {
        sequence: top.optional_number("sequence")?.unwrap_or(0),
        spiffe_id: spiffe_id.transpose().map_err(|problem| Section::Top.problem("spiffe_id", problem))?,
        tls_anchor: anchor(top, "tls_anchor")?,
        tls_pins: top
            .tables("tls_pin", Section::TlsPin)?
            .into_iter()
            .map(|mut fields| {
                let pin = TlsPin {
                    spki: fields.parsed("spki", Problem::Digest)?,
                    anchor: anchor(&mut fields, "anchor")?,
                    not_before: fields.time("not_before")?,
                    not_after: fields.time("not_after")?,
                };
                fields.finish().map(|()| pin)
            })
            .collect::<Result<_, _>>()?,
        rotations: top
            .tables("rotation", Section::Rotation)?
            .into_iter()
            .map(read_rotation)
            .collect::<Result<_, _>>()?,
        revoked: revoked.iter().map(|text| read_revoked(text)).collect::<Result<_, _>>()?,
    })
}

fn read_rotation(mut fields: Fields) -> Result<Rotation, Error> {
    let rotation = Rotation {
        old: fields.parsed("old", Problem::Key)?,
        new: fields.parsed("new", Problem::Key)?,
        made: fields.time("made")?,
        until: fields.time("until")?,
        old_signature: fields.parsed("old_signature", Problem::Signature)?,
        new_signature: fields.parsed("new_signature", Problem::Signature)?,
    };
    fields.finish().map(|()| rotation)
}

fn read_revoked(text: &str) -> Result<RevokedKey, Error> {
    let key = text.parse().map(RevokedKey::Organisation).ok();
    key.or_else(|| text.parse().map(RevokedKey::Tls).ok()).ok_or_else(|| Section::Top.problem("revoked", Problem::Key))
}

impl std::fmt::Display for RevokedKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Tls(pin) => pin.fmt(f),
            Self::Organisation(key) => key.fmt(f),
        }
    }
}

/// Writes the plain fields, which stand before any section.
pub(super) fn write_fields(identity: &CardIdentity, out: &mut Writer) {
    if identity.sequence != 0 {
        out.lines("# The number of this card; a later card of this institution has a larger one.");
        out.number("sequence", identity.sequence);
    }
    if let Some(id) = &identity.spiffe_id {
        out.lines("# The SPIFFE id in its node's certificate.");
        out.text("spiffe_id", id.as_str());
    }
    if identity.tls_anchor != Anchor::Leaf {
        out.lines("# tls_spki is the key of the institution's certificate authority.");
        out.text("tls_anchor", identity.tls_anchor.as_str());
    }
    if !identity.revoked.is_empty() {
        out.lines("# Keys of this institution that nobody shall accept any more.");
        let list: Vec<String> = identity.revoked.iter().map(|key| format!("\"{key}\"")).collect();
        out.lines(&format!("revoked = [{}]", list.join(", ")));
    }
}

/// Writes the sections.
pub(super) fn write_sections(identity: &CardIdentity, out: &mut Writer) {
    for pin in &identity.tls_pins {
        out.lines("\n# A further TLS key, accepted in this time only.\n[[tls_pin]]");
        out.text("spki", &pin.spki.to_string());
        if pin.anchor != Anchor::Leaf {
            out.text("anchor", pin.anchor.as_str());
        }
        out.text("not_before", &pin.not_before.to_string());
        out.text("not_after", &pin.not_after.to_string());
    }
    for rotation in &identity.rotations {
        out.lines("\n# A change of the organisation key, signed with both.\n[[rotation]]");
        out.text("old", &rotation.old.to_string());
        out.text("new", &rotation.new.to_string());
        out.text("made", &rotation.made.to_string());
        out.text("until", &rotation.until.to_string());
        out.text("old_signature", &rotation.old_signature.to_string());
        out.text("new_signature", &rotation.new_signature.to_string());
    }
}
