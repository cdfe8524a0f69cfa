//! Partners: added by their card, after a person compared the fingerprint.

use symbolon_policy::{Card, Endpoint, Fingerprint, Lineage, Name, UpdateRefused};

use super::cards::refusal;
use crate::error::{Error, Refused};
use crate::home::Home;
use crate::store::{PeerRecord, PostureRecord};

const NO_SUCH_PEER: Error = Error::NotFound { what: "peer", remedy: "give a name that `peer list` shows" };

impl Home {
    /// Registers a partner by its card. `name` is what this node calls it; without one it is the name on the card.
    /// `endpoint` replaces the address on the card, for networks with a relay or another name inside.
    ///
    /// # Errors
    /// [`Error::Policy`] for a card that is damaged; [`Error::Misuse`] for the own card or a wrong address;
    /// [`Error::AlreadyExists`] for a name, key or certificate in use without `replace`.
    pub async fn peer_add(
        &self,
        name: Option<&str>,
        card: &str,
        endpoint: Option<&str>,
        replace: bool,
    ) -> Result<PeerRecord, Error> {
        let parsed = Card::from_toml(card)?;
        let contents = parsed.contents();
        let (own_key, own_pin) = (self.keys().organisation_public(), self.keys().spki_pin());
        if *parsed.organisation_key() == own_key || *contents.tls_spki.as_bytes() == own_pin {
            return Err(Error::Misuse {
                what: "this is the card of this node itself",
                remedy: "give the partner's card",
            });
        }
        let name = peer_name(name.unwrap_or(contents.institution.as_str()))?;
        let endpoint = match endpoint {
            None => contents.endpoint.clone(),
            Some(text) => text.parse::<Endpoint>().map_err(|_| Error::Misuse {
                what: "this is no address of a node",
                remedy: "give host:port, such as bureau.example:7443",
            })?,
        };
        let record = PeerRecord {
            name,
            institution: contents.institution.as_str().to_owned(),
            organisation_key: parsed.organisation_key().to_bytes(),
            spki_pin: *contents.tls_spki.as_bytes(),
            endpoint: endpoint.to_string(),
            card: card.to_owned(),
            added_at: self.clock().now(),
        };
        let lineage = self.lineage_under(&record.name, &parsed, replace).await?;
        for key in lineage.keys().iter().map(|key| key.to_bytes()).chain(lineage.pins().iter().map(|p| *p.as_bytes())) {
            if self.store().is_revoked(key).await? && (key == record.organisation_key || key == record.spki_pin) {
                return Err(Refused::KeyRevoked.into());
            }
        }
        let known = self.store().peer(&record.name).await?.is_some();
        if known && !replace {
            return Err(Error::AlreadyExists { what: "peer with this name, key or certificate" });
        }
        self.take_card(record.clone(), &parsed, &lineage, known).await?;
        Ok(record)
    }

    /// What is known about keys once a card is added by a person: past keys stay known where the card leads back to
    /// them, and a new identity begins anew. Even a person does not put an older card of the same key in the place of
    /// a newer one.
    async fn lineage_under(&self, name: &str, card: &Card, replace: bool) -> Result<Lineage, Error> {
        let fresh = Lineage::of_card(card);
        let Some(known) = self.store().peer(name).await?.filter(|_| replace) else { return Ok(fresh) };
        let present = known.parsed_card()?;
        let lineage = self.lineage_of(&known).await?;
        match lineage.update(&present, card) {
            Ok(Some(lineage)) => Ok(lineage),
            Ok(None) => Ok(lineage),
            Err(UpdateRefused::Rollback)
                if card.contents().identity.sequence < present.contents().identity.sequence =>
            {
                Err(refusal(UpdateRefused::Rollback).into())
            }
            Err(_) => Ok(fresh),
        }
    }

    /// Lists the partners by name.
    ///
    /// # Errors
    /// Environment errors.
    pub async fn peer_list(&self) -> Result<Vec<PeerRecord>, Error> {
        self.store().peers().await
    }

    /// What the partner's node declared about itself when it was seen last; nothing before it was.
    ///
    /// # Errors
    /// Environment errors.
    pub async fn peer_posture(&self, peer: &PeerRecord) -> Result<Option<PostureRecord>, Error> {
        self.store().posture(peer.organisation_key).await
    }

    /// Finds a partner by the name this node uses for it.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn peer_show(&self, name: &str) -> Result<PeerRecord, Error> {
        self.store().peer(name).await?.ok_or(NO_SUCH_PEER)
    }
}

impl PeerRecord {
    /// Reads the stored card again.
    ///
    /// # Errors
    /// [`Error::Policy`] when it is damaged.
    pub fn parsed_card(&self) -> Result<Card, Error> {
        Ok(Card::from_toml(&self.card)?)
    }

    /// The fingerprint of its card.
    ///
    /// # Errors
    /// [`Error::Policy`] when the card is damaged.
    pub fn fingerprint(&self) -> Result<Fingerprint, Error> {
        Ok(self.parsed_card()?.fingerprint())
    }
}

fn peer_name(name: &str) -> Result<String, Error> {
    match Name::new(name) {
        Ok(name) => Ok(name.as_str().to_owned()),
        Err(_) => Err(Error::Misuse {
            what: "this cannot be the name of a peer",
            remedy: "give 1 to 64 visible characters, without blanks at the ends",
        }),
    }
}

#[cfg(test)]
mod tests;
