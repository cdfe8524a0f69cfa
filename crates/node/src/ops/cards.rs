//! Cards on their way: handing ours to partners when our keys changed, taking theirs.

use chrono::Duration;
use serde::Serialize;
use symbolon_policy::{Card, Lineage, RevokedKey, UpdateRefused};

use crate::client::PeerClient;
use crate::error::{Error, PeerMisbehaved, Refused};
use crate::home::Home;
use crate::store::{CardUpdate, PeerKeys, PeerRecord};

/// Time between two tries to hand a card to a partner that cannot be reached.
const RETRY: Duration = Duration::seconds(30);

/// Whether a partner has our present card.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct HandedOver {
    /// The name this node uses for it.
    pub peer: String,
    /// Whether it has taken the present card.
    pub taken: bool,
    /// The documented reason why not.
    pub reason: Option<&'static str>,
}

impl Home {
    /// Hands our present card to every partner that has not taken it. Without `at_once`, partners tried a moment ago
    /// are left alone.
    pub async fn hand_over_cards(&self, at_once: bool) -> Vec<HandedOver> {
        // As long as no key changed there is nothing a partner could not know.
        let sequence = self.keys().history().sequence;
        if sequence == 0 {
            return Vec::new();
        }
        let peers = match self.peer_list().await {
            Ok(peers) => peers,
            Err(error) => {
                tracing::error!(%error, "the peers cannot be listed");
                return Vec::new();
            }
        };
        let mut all = Vec::with_capacity(peers.len());
        for peer in peers {
            let known = self.store().card_update(&peer.name).await.ok().flatten();
            if let Some(known) = &known {
                if known.sequence >= sequence {
                    all.push(HandedOver { peer: peer.name, taken: true, reason: None });
                    continue;
                }
                if !at_once && self.clock().now() < known.tried_at + RETRY {
                    continue;
                }
            }
            // The connection itself hands the card over.
            let outcome = PeerClient::connect(self, &peer).await;
            let reason = match outcome {
                Ok(_) => self.store().card_update(&peer.name).await.ok().flatten().and_then(|update| update.failure),
                Err(error) => {
                    let reason = error.reason();
                    self.note_update(&peer.name, known.map_or(0, |known| known.sequence), Some(reason)).await;
                    Some(reason.to_owned())
                }
            };
            let reason = reason.map(|reason| crate::error::describe(&reason).map_or("OTHER", |known| known.reason));
            all.push(HandedOver { peer: peer.name, taken: reason.is_none(), reason });
        }
        all
    }

    /// The partners that have not taken our present card, with the reason of the last try.
    ///
    /// # Errors
    /// Environment errors of the store.
    pub async fn cards_waiting(&self) -> Result<Vec<HandedOver>, Error> {
        let mut waiting = Vec::new();
        for peer in self.peer_list().await? {
            if self.card_due(&peer).await? {
                let failure = self.store().card_update(&peer.name).await?.and_then(|update| update.failure);
                let reason = failure.and_then(|reason| crate::error::describe(&reason)).map(|known| known.reason);
                waiting.push(HandedOver { peer: peer.name, taken: false, reason });
            }
        }
        Ok(waiting)
    }

    /// Whether a partner still waits for our present card.
    pub(crate) async fn card_due(&self, peer: &PeerRecord) -> Result<bool, Error> {
        let sequence = self.keys().history().sequence;
        let known = self.store().card_update(&peer.name).await?;
        Ok(sequence > known.map_or(0, |known| known.sequence))
    }

    /// Records how handing over went; a failure to record it only means another try.
    pub(crate) async fn note_update(&self, peer: &str, sequence: u64, failure: Option<&str>) {
        let update = CardUpdate::new(sequence, self.clock().now(), failure.map(str::to_owned));
        if let Err(error) = self.store().put_card_update(peer, update).await {
            tracing::warn!(%error, "it could not be recorded which card a peer has");
        }
    }

    /// Takes a card the peer hands over on its own connection: one that takes the place of the known card by the rules
    /// of [`Lineage`]. Gives the number of the card that then is known.
    ///
    /// # Errors
    /// [`Refused::CardRefused`], [`Refused::KeyRevoked`]; [`Error::Policy`] for a card that is damaged or forged.
    /// Then everything is as it was.
    pub async fn receive_card(&self, peer: &PeerRecord, text: &str) -> Result<u64, Error> {
        let card = Card::from_toml(text).map_err(|_| PeerMisbehaved::Malformed { what: "card" })?;
        let present = peer.parsed_card()?;
        let known = self.lineage_of(peer).await?;
        let lineage = match known.update(&present, &card) {
            Ok(Some(lineage)) => lineage,
            Ok(None) => return Ok(present.contents().identity.sequence),
            Err(refused) => return Err(refusal(refused).into()),
        };
        // The address is the card's, unless the operator put another one in its place.
        let overridden = peer.endpoint != present.contents().endpoint.to_string();
        let endpoint = if overridden { peer.endpoint.clone() } else { card.contents().endpoint.to_string() };
        let record = PeerRecord {
            organisation_key: card.organisation_key().to_bytes(),
            spki_pin: *card.contents().tls_spki.as_bytes(),
            endpoint,
            card: text.to_owned(),
            ..peer.clone()
        };
        self.take_card(record, &card, &lineage, true).await?;
        let sequence = card.contents().identity.sequence;
        tracing::info!(peer = peer.name, sequence, "a peer's card was updated");
        Ok(sequence)
    }

    /// Stores a card with what it means for the keys of a peer, and records it.
    pub(super) async fn take_card(
        &self,
        record: PeerRecord,
        card: &Card,
        lineage: &Lineage,
        update: bool,
    ) -> Result<(), Error> {
        let now = self.clock().now();
        let keys = PeerKeys::of_card(card, lineage, now);
        self.store().put_peer_keys(record, keys, update, now).await?;
        let event = if update { "peer_updated" } else { "peer_added" };
        let entry = symbolon_policy::audit::Entry::new(now, event)
            .hash("card", card.fingerprint().as_bytes())
            .number("sequence", card.contents().identity.sequence);
        self.evidence().append(entry).await.map(drop)
    }

    /// Withdraws keys of a partner on this side alone: one named by enough of its public part, or all of them. Its
    /// connections are closed and its jobs end. Gives what was withdrawn.
    ///
    /// # Errors
    /// [`Error::NotFound`] for an unknown partner or key.
    pub async fn peer_revoke(&self, name: &str, key: Option<&str>) -> Result<Vec<RevokedKey>, Error> {
        let peer = self.peer_show(name).await?;
        let lineage = self.lineage_of(&peer).await?;
        let all = lineage.keys().iter().map(|key| RevokedKey::Organisation(*key));
        let all = all.chain(lineage.pins().iter().map(|pin| RevokedKey::Tls(*pin)));
        let all = all.filter(|known| !lineage.is_revoked(known));
        let named = |known: &RevokedKey| {
            let public = known.to_string();
            let bare = public.split_once(':').map_or("", |(_, bare)| bare);
            key.is_none_or(|key| key.len() >= 8 && (public.starts_with(key) || bare.starts_with(key)))
        };
        let found: Vec<RevokedKey> = all.filter(named).collect();
        if found.is_empty() {
            let remedy = "give a name, and enough of a key, as `peer show` prints them";
            return Err(Error::NotFound { what: "key of this peer that is not withdrawn", remedy });
        }
        self.store().revoke_keys(&peer.name, found.clone(), self.clock().now()).await?;
        let entry = symbolon_policy::audit::Entry::new(self.clock().now(), "peer_revoked")
            .hash("peer_key", &peer.organisation_key)
            .number("keys", u64::try_from(found.len()).unwrap_or(u64::MAX));
        self.evidence().append(entry).await?;
        Ok(found)
    }

    /// Forgets a partner. Its connections are closed and its jobs end; agreements and withdrawn keys stay.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn peer_remove(&self, name: &str) -> Result<PeerRecord, Error> {
        let peer = self.peer_show(name).await?;
        self.store().remove_peer(&peer.name).await?;
        let entry = symbolon_policy::audit::Entry::new(self.clock().now(), "peer_removed")
            .hash("peer_key", &peer.organisation_key);
        self.evidence().append(entry).await?;
        Ok(peer)
    }
}

/// What a refused card means in this crate's words.
pub(super) const fn refusal(refused: UpdateRefused) -> Refused {
    match refused {
        UpdateRefused::Rollback => Refused::CardRefused { what: "its number is not larger", reason: "CARD_ROLLBACK" },
        UpdateRefused::Foreign => {
            Refused::CardRefused { what: "its key is not reached from the one known", reason: "CARD_FOREIGN" }
        }
        UpdateRefused::AnotherName => {
            Refused::CardRefused { what: "it names another institution or SPIFFE id", reason: "CARD_NAME_DIFFERS" }
        }
        UpdateRefused::Revoked => Refused::KeyRevoked,
    }
}

#[cfg(test)]
mod tests;
