//! The keys of this node over time: what there is, putting new ones in their place, withdrawing former ones.

use std::sync::Arc;

use chrono::{DateTime, Duration, Utc};
use serde::Serialize;

use super::blocking;
use super::cards::HandedOver;
use crate::config::split_endpoint;
use crate::error::Error;
use crate::home::Home;
use crate::keys::{CertificateNames, rotation};
use crate::keys::{FormerKey, Keys};
use crate::keystore::KeyKind;

/// The longest time a former key may count beside the present one.
const OVERLAP_DAYS_MAX: i64 = 366;

/// A number of days, as an overlap.
#[must_use]
pub fn days(days: u32) -> Duration {
    Duration::days(i64::from(days))
}

/// What a key is worth at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[expect(clippy::exhaustive_enums, reason = "whoever shows keys must show every state")]
pub enum KeyState {
    /// It is the key that is used.
    InForce,
    /// Another took its place, and it still counts.
    Overlap,
    /// It no longer counts.
    Retired,
    /// It was withdrawn.
    Revoked,
}

impl KeyState {
    /// The word that stands for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InForce => "in force",
            Self::Overlap => "overlap",
            Self::Retired => "retired",
            Self::Revoked => "revoked",
        }
    }
}

/// A key of this node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct OwnKey {
    /// What it is for: `tls`, `organisation` or `sealing`.
    pub kind: &'static str,
    /// What it is worth.
    pub state: KeyState,
    /// Its public part.
    pub public: String,
    /// When it came into force.
    #[serde(serialize_with = "crate::store::as_time")]
    pub from: DateTime<Utc>,
    /// The first moment at which it no longer counts; for the TLS key in force the end of its certificate.
    #[serde(serialize_with = "crate::store::as_optional_time")]
    pub until: Option<DateTime<Utc>>,
    /// When it was withdrawn.
    #[serde(serialize_with = "crate::store::as_optional_time")]
    pub revoked: Option<DateTime<Utc>>,
    /// The number of the first card without it.
    pub replaced_by_card: Option<u64>,
}

/// What came of a change of keys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct KeyChange {
    /// The key that is now in force, or that was withdrawn.
    pub key: OwnKey,
    /// The number of the card that says so.
    pub sequence: u64,
    /// The fingerprint of that card, hexadecimal.
    pub fingerprint: String,
    /// The same in words.
    pub fingerprint_words: String,
    /// Which partners have the card.
    pub partners: Vec<HandedOver>,
}

impl Home {
    /// The keys of this node, those in force first; with `all`, also those that no longer count.
    #[must_use]
    pub fn key_list(&self, all: bool) -> Vec<OwnKey> {
        let (keys, now) = (self.keys(), self.clock().now());
        let kinds = [KeyKind::Organisation, KeyKind::Tls, KeyKind::Sealing];
        let mut list: Vec<OwnKey> = kinds.iter().map(|kind| in_force(&keys, *kind)).collect();
        let former = keys.history().former.iter().rev().map(|former| of_former(former, now));
        list.extend(former.filter(|key| all || key.state == KeyState::Overlap));
        list
    }

    /// Puts a new key in the place of the one in force, issues the card that says so and hands it to the partners that
    /// can be reached. The former key counts for `overlap` beside the new one. A running node takes the new key up by
    /// itself; sessions that are open go on.
    ///
    /// # Errors
    /// [`Error::Misuse`] for an overlap that is negative or longer than a year; errors of keys and disk. Then
    /// everything is as it was.
    pub async fn key_rotate(&self, kind: KeyKind, overlap: Duration) -> Result<KeyChange, Error> {
        if overlap < Duration::zero() || overlap > Duration::days(OVERLAP_DAYS_MAX) {
            return Err(Error::Misuse { what: "the overlap is out of range", remedy: "give 0 to 366 days" });
        }
        let (store, settings, now) = (Arc::clone(self.key_store()), self.settings().clone(), self.clock().now());
        let keys = blocking(move || {
            let host = split_endpoint(&settings.advertise).map_or_else(String::new, |(host, _)| host.to_owned());
            let id = &settings.tls.spiffe_id;
            let names = CertificateNames { institution: &settings.institution, names: &[host], id };
            rotation::rotate(&store, kind, names, now, now + overlap)
        });
        let keys = keys.await?;
        let key = in_force(&keys, kind);
        self.key_ring().put(keys);
        self.changed(key, "key_rotated").await
    }

    /// Withdraws a former key, named by enough of its public part: from now on nobody shall accept it.
    ///
    /// # Errors
    /// [`KeysError::InForce`](crate::error::KeysError::InForce) for a key in force; [`Error::NotFound`].
    pub async fn key_revoke(&self, name: &str) -> Result<KeyChange, Error> {
        let (store, name, now) = (Arc::clone(self.key_store()), name.to_owned(), self.clock().now());
        let (keys, former) = blocking(move || rotation::revoke(&store, &name, now)).await?;
        let key = of_former(&former, now);
        self.key_ring().put(keys);
        self.changed(key, "key_revoked").await
    }

    async fn changed(&self, key: OwnKey, event: &'static str) -> Result<KeyChange, Error> {
        let card = self.card()?;
        let entry = symbolon_policy::audit::Entry::new(self.clock().now(), event)
            .word("key", key.kind)
            .number("sequence", card.contents().identity.sequence)
            .hash("card", card.fingerprint().as_bytes());
        self.evidence().append(entry).await?;
        tracing::info!(kind = key.kind, event, sequence = card.contents().identity.sequence, "own keys changed");
        Ok(KeyChange {
            key,
            sequence: card.contents().identity.sequence,
            fingerprint: card.fingerprint().to_string(),
            fingerprint_words: card.fingerprint().words(),
            partners: self.hand_over_cards(true).await,
        })
    }
}

fn in_force(keys: &Keys, kind: KeyKind) -> OwnKey {
    let tls = keys.tls();
    OwnKey {
        kind: kind.as_str(),
        state: KeyState::InForce,
        public: rotation::public_of(keys, kind),
        from: keys.history().since(kind).unwrap_or_else(|| tls.not_before()),
        until: (kind == KeyKind::Tls).then(|| tls.not_after()),
        revoked: None,
        replaced_by_card: None,
    }
}

fn of_former(former: &FormerKey, now: DateTime<Utc>) -> OwnKey {
    let state = match former.revoked {
        Some(_) => KeyState::Revoked,
        None if former.holds(now) => KeyState::Overlap,
        None => KeyState::Retired,
    };
    OwnKey {
        kind: former.kind.as_str(),
        state,
        public: former.public.clone(),
        from: former.from,
        until: Some(former.until),
        revoked: former.revoked,
        replaced_by_card: Some(former.sequence),
    }
}

#[cfg(test)]
mod tests;
