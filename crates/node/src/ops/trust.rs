//! Whose key is whose: lineages of partners and of this institution, and what a withdrawn key means.

use symbolon_policy::{Agreement, Lineage, Party, RevokedKey, Seat, Stale};

use crate::error::{Error, Refused};
use crate::home::Home;
use crate::store::PeerRecord;
use crate::tls::{Channel, Pins, Trust};

impl Home {
    /// The TLS keys of all peers, and the withdrawn ones, as the verifiers take them; read anew at each call.
    ///
    /// # Errors
    /// Environment errors of the store.
    pub async fn pins_now(&self) -> Result<Pins, Error> {
        Ok(Pins::with_crls(self.store().trust().await?, self.crls().clone()))
    }

    /// The TLS keys of one peer, for connecting to it.
    ///
    /// # Errors
    /// [`Refused::KeyRevoked`] when all of them were withdrawn; environment errors of the store.
    pub async fn pins_of(&self, peer: &PeerRecord) -> Result<Pins, Error> {
        let Trust { revoked, .. } = self.store().trust().await?;
        let accepted = self.store().peer_keys(&peer.name).await?.pins;
        if accepted.iter().all(|key| revoked.contains(&key.pin)) {
            return Err(Refused::KeyRevoked.into());
        }
        Ok(Pins::with_crls(Trust { accepted, revoked }, self.crls().clone()))
    }

    /// The peer at the other end of a connection.
    ///
    /// # Errors
    /// [`Refused::KeyRevoked`] when its key was withdrawn since; [`Refused::UnknownPeer`] when the peer was removed.
    pub async fn peer_of_channel(&self, channel: &Channel) -> Result<PeerRecord, Error> {
        for pin in [channel.leaf_pin, channel.pin] {
            if self.store().is_revoked(pin).await? {
                return Err(Refused::KeyRevoked.into());
            }
        }
        let peer = self.store().peer_by_pin(channel.pin).await?.ok_or(Refused::UnknownPeer)?;
        if self.store().is_revoked(peer.organisation_key).await? { Err(Refused::KeyRevoked.into()) } else { Ok(peer) }
    }

    /// What is known about a peer's keys over time.
    ///
    /// # Errors
    /// Environment errors of the store.
    pub async fn lineage_of(&self, peer: &PeerRecord) -> Result<Lineage, Error> {
        self.store().peer_keys(&peer.name).await?.lineage()
    }

    /// Our seat in an agreement, under any organisation key of ours that was not withdrawn.
    ///
    /// # Errors
    /// [`Refused::NotAParty`]; [`Refused::KeyRevoked`] when the agreement names a key we withdrew.
    pub fn own_seat(&self, agreement: &Agreement) -> Result<Seat, Error> {
        let lineage = self.keys().lineage();
        let ours = |seat: &Seat| lineage.keys().contains(&agreement.party(*seat).organisation_key);
        let seat = Seat::BOTH.into_iter().find(ours).ok_or(Refused::NotAParty)?;
        let key = RevokedKey::Organisation(agreement.party(seat).organisation_key);
        if lineage.is_revoked(&key) { Err(Refused::KeyRevoked.into()) } else { Ok(seat) }
    }

    /// Checks that the keys both parties have in an agreement lead to the present ones and were not withdrawn.
    ///
    /// # Errors
    /// [`Refused::PinDiffers`], [`Refused::KeyRevoked`].
    pub async fn check_parties(&self, own: &Party, other: &Party, peer: &PeerRecord) -> Result<(), Error> {
        self.keys().lineage().accepts_party(own).map_err(stale)?;
        Ok(self.lineage_of(peer).await?.accepts_party(other).map_err(stale)?)
    }
}

const fn stale(stale: Stale) -> Refused {
    match stale {
        Stale::RevokedKey => Refused::KeyRevoked,
        Stale::UnknownKey | Stale::UnknownPin => Refused::PinDiffers,
    }
}
