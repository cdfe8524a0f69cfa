//! What the store keeps about keys over time.

use chrono::{DateTime, Utc};
use serde::Serialize;
use symbolon_policy::{Anchor, Card, Digest, Lineage, RevokedKey};
use symbolon_primitives::sign::VerifyingKey;

use super::{Answer, PeerRecord};
use crate::error::{Environment, Error};
use crate::tls::{AcceptedKey, Trust};

/// The keys of a partner as they are stored beside its record.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PeerKeys {
    /// The TLS keys, past ones with a window that is closed.
    pub pins: Vec<AcceptedKey>,
    /// The organisation keys, from the oldest to the present one.
    pub keys: Vec<[u8; 32]>,
    /// The withdrawn keys.
    pub revoked: Vec<RevokedKey>,
}

impl PeerKeys {
    /// The keys of a partner whose record is all that is known.
    #[must_use]
    pub fn of_record(record: &PeerRecord) -> Self {
        Self { pins: vec![record.spki_pin.into()], keys: vec![record.organisation_key], revoked: Vec::new() }
    }

    /// The keys that hold under a card, with the past ones of `lineage`; what is not on the card ends at `now`.
    #[must_use]
    pub fn of_card(card: &Card, lineage: &Lineage, now: DateTime<Utc>) -> Self {
        let contents = card.contents();
        let identity = &contents.identity;
        let of = |pin: Digest, anchor, not_before, not_after| AcceptedKey {
            pin: *pin.as_bytes(),
            anchor,
            spiffe_id: identity.spiffe_id.clone(),
            not_before,
            not_after,
        };
        let mut pins = vec![of(contents.tls_spki, identity.tls_anchor, None, None)];
        pins.extend(identity.tls_pins.iter().map(|pin| {
            let window = (pin.not_before.unix_seconds(), pin.not_after.unix_seconds());
            of(pin.spki, pin.anchor, Some(window.0), Some(window.1))
        }));
        let known = |pin: &Digest| pins.iter().any(|key| key.pin == *pin.as_bytes());
        let past: Vec<Digest> = lineage.pins().iter().filter(|pin| !known(pin)).copied().collect();
        let closed = now.timestamp();
        pins.extend(past.into_iter().map(|pin| of(pin, Anchor::Leaf, Some(closed - 1), Some(closed))));
        let keys = lineage.keys().iter().map(VerifyingKey::to_bytes).collect();
        Self { pins, keys, revoked: lineage.revoked().to_vec() }
    }

    /// The same as policy judges it.
    ///
    /// # Errors
    /// [`Environment::Corrupt`] when a stored key is none.
    pub fn lineage(&self) -> Result<Lineage, Error> {
        let key =
            |bytes| VerifyingKey::from_bytes(bytes).map_err(|_| Environment::Corrupt { what: "organisation key" });
        let keys = self.keys.iter().map(key).collect::<Result<_, _>>()?;
        let pins = self.pins.iter().map(|key| Digest::from_bytes(key.pin)).collect();
        Ok(Lineage::new(keys, pins, self.revoked.clone()))
    }
}

/// How far a partner is with this node's cards.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct CardUpdate {
    /// The number of the last card of ours it has taken.
    pub sequence: u64,
    /// When one was last handed over or tried to be.
    #[serde(serialize_with = "super::as_time")]
    pub tried_at: DateTime<Utc>,
    /// The documented reason why the last try failed.
    pub failure: Option<String>,
}

impl CardUpdate {
    /// Puts it together.
    #[must_use]
    pub const fn new(sequence: u64, tried_at: DateTime<Utc>, failure: Option<String>) -> Self {
        Self { sequence, tried_at, failure }
    }
}

/// The part of the state of a node that tells whose key is whose.
pub trait IdentityStore {
    /// Stores a peer with its keys in the place of those known before, all at once.
    fn put_peer_keys(&self, peer: PeerRecord, keys: PeerKeys, replace: bool, at: DateTime<Utc>) -> Answer<'_, ()>;
    /// The keys of a peer, by the name this node uses for it.
    fn peer_keys<'a>(&'a self, name: &'a str) -> Answer<'a, PeerKeys>;
    /// The TLS keys of all peers, and all withdrawn ones.
    fn trust(&self) -> Answer<'_, Trust>;
    /// Withdraws keys of a peer.
    fn revoke_keys<'a>(&'a self, name: &'a str, keys: Vec<RevokedKey>, at: DateTime<Utc>) -> Answer<'a, ()>;
    /// Whether a TLS key or an organisation key was withdrawn.
    fn is_revoked(&self, value: [u8; 32]) -> Answer<'_, bool>;
    /// Forgets a peer; what it signed and what was withdrawn stays.
    fn remove_peer<'a>(&'a self, name: &'a str) -> Answer<'a, bool>;
    /// Which of this node's cards a peer has.
    fn card_update<'a>(&'a self, name: &'a str) -> Answer<'a, Option<CardUpdate>>;
    /// Records which of this node's cards a peer has.
    fn put_card_update<'a>(&'a self, name: &'a str, update: CardUpdate) -> Answer<'a, ()>;
}
