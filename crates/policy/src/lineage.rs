//! What a node knows about another institution's keys over time, and which card may take the place of an earlier one.
//!
//! A partner is added once by a person who compares a fingerprint. From then on its keys change by rules alone:
//!
//! * a card is taken when its organisation key is the one known, or is reached from it by the changes the card shows,
//!   each signed with the old and the new key, and no key on that way has been withdrawn;
//! * its sequence number is larger than that of the card it replaces, so an old card never comes back;
//! * it names the same institution and, once one was named, the same SPIFFE id.
//!
//! An agreement names the keys of its day. [`Lineage::accepts_party`] tells whether they lead to the present ones. A
//! withdrawn organisation key is never accepted, even when an agreement names it, since whoever withdrew it no longer
//! answers for its signatures. A withdrawn TLS key ends its connections; the agreement itself was signed with the
//! organisation key and stays, under the TLS keys on the present card.

use symbolon_primitives::sign::VerifyingKey;

use crate::agreement::Party;
use crate::card::{Card, RevokedKey};
use crate::identity::Digest;

/// Why a key does not stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "a caller must handle every case")]
pub enum Stale {
    /// The organisation key does not lead to the present one.
    UnknownKey,
    /// The organisation key was withdrawn.
    RevokedKey,
    /// The TLS pin never was this institution's.
    UnknownPin,
}

/// Why a card does not take the place of the present one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "a caller must handle every case")]
pub enum UpdateRefused {
    /// It is older than the present one, or another one with the same number.
    Rollback,
    /// No change signed with both keys leads from the key known to the key of the card.
    Foreign,
    /// A key it shows or passes was withdrawn.
    Revoked,
    /// It names another institution or another SPIFFE id.
    AnotherName,
}

/// The keys of an institution, past and present.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lineage {
    /// The last one is the present one.
    keys: Vec<VerifyingKey>,
    pins: Vec<Digest>,
    revoked: Vec<RevokedKey>,
}

impl Lineage {
    /// Puts together what was kept; `keys` from the oldest to the present one.
    #[must_use]
    pub const fn new(keys: Vec<VerifyingKey>, pins: Vec<Digest>, revoked: Vec<RevokedKey>) -> Self {
        Self { keys, pins, revoked }
    }

    /// What a card alone shows.
    #[must_use]
    pub fn of_card(card: &Card) -> Self {
        let identity = &card.contents().identity;
        let mut keys: Vec<VerifyingKey> = identity.rotations.iter().map(|rotation| *rotation.old_key()).collect();
        keys.push(*card.organisation_key());
        let mut pins: Vec<Digest> = identity.tls_pins.iter().map(|pin| pin.spki).collect();
        pins.push(card.contents().tls_spki);
        Self { keys, pins, revoked: identity.revoked.clone() }
    }

    /// The organisation keys, from the oldest to the present one.
    #[must_use]
    pub fn keys(&self) -> &[VerifyingKey] {
        &self.keys
    }

    /// Every TLS pin that was on a card.
    #[must_use]
    pub fn pins(&self) -> &[Digest] {
        &self.pins
    }

    /// The withdrawn keys.
    #[must_use]
    pub fn revoked(&self) -> &[RevokedKey] {
        &self.revoked
    }

    /// Whether a key was withdrawn.
    #[must_use]
    pub fn is_revoked(&self, key: &RevokedKey) -> bool {
        self.revoked.contains(key)
    }

    /// Checks that the keys a party has in an agreement are keys of this institution that still stand for it.
    ///
    /// # Errors
    /// [`Stale`].
    pub fn accepts_party(&self, party: &Party) -> Result<(), Stale> {
        if !self.pins.contains(&party.tls_spki) {
            return Err(Stale::UnknownPin);
        }
        self.accepts_key(&party.organisation_key)
    }

    /// Checks that an organisation key is one of this institution's and was not withdrawn.
    ///
    /// # Errors
    /// [`Stale`].
    pub fn accepts_key(&self, key: &VerifyingKey) -> Result<(), Stale> {
        if self.is_revoked(&RevokedKey::Organisation(*key)) {
            return Err(Stale::RevokedKey);
        }
        if self.keys.contains(key) { Ok(()) } else { Err(Stale::UnknownKey) }
    }

    /// Checks a card that shall take the place of `present`, and gives the lineage that then holds; `None` when it is
    /// the present one.
    ///
    /// # Errors
    /// [`UpdateRefused`].
    pub fn update(&self, present: &Card, card: &Card) -> Result<Option<Self>, UpdateRefused> {
        if card == present {
            return Ok(None);
        }
        let (old, new) = (present.contents(), card.contents());
        let same_id = old.identity.spiffe_id.is_none() || old.identity.spiffe_id == new.identity.spiffe_id;
        if old.institution != new.institution || !same_id {
            return Err(UpdateRefused::AnotherName);
        }
        let way = self.way(present.organisation_key(), card).ok_or(UpdateRefused::Foreign)?;
        if new.identity.sequence <= old.identity.sequence {
            return Err(UpdateRefused::Rollback);
        }
        let shown = Self::of_card(card);
        let withdrawn = way.iter().any(|key| self.is_revoked(&RevokedKey::Organisation(*key)))
            || shown.pins.iter().any(|pin| self.is_revoked(&RevokedKey::Tls(*pin)));
        if withdrawn {
            return Err(UpdateRefused::Revoked);
        }
        let mut next = self.clone();
        next.keys.extend(way.into_iter().skip(1));
        next.pins.extend(shown.pins.into_iter().filter(|pin| !self.pins.contains(pin)));
        // A card withdraws keys of its own institution only.
        let own = shown.revoked.into_iter().filter(|revoked| match revoked {
            RevokedKey::Tls(pin) => next.pins.contains(pin),
            RevokedKey::Organisation(key) => next.keys.contains(key),
        });
        let own: Vec<RevokedKey> = own.filter(|revoked| !self.revoked.contains(revoked)).collect();
        next.revoked.extend(own);
        Ok(Some(next))
    }

    /// The keys from `known` to the card's own, both included.
    fn way(&self, known: &VerifyingKey, card: &Card) -> Option<Vec<VerifyingKey>> {
        if known == card.organisation_key() {
            return Some(vec![*known]);
        }
        let rotations = &card.contents().identity.rotations;
        let start = rotations.iter().position(|rotation| rotation.old_key() == known)?;
        let mut way = vec![*known];
        for rotation in &rotations[start..] {
            // A card that leads back to an earlier key of its own would make the order of keys ambiguous.
            if self.keys.contains(rotation.new_key()) {
                return None;
            }
            way.push(*rotation.new_key());
        }
        Some(way)
    }
}

#[cfg(test)]
mod tests;
