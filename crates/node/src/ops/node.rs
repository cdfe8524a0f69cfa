//! Who this node is.

use chrono::{DateTime, Utc};
use serde::Serialize;
use symbolon_policy::{
    Card, CardContents, CardIdentity, Digest, Endpoint, Name, REVOKED_MAX, SealingKeyEntry, TLS_PINS_MAX, Timestamp,
    TlsPin, Version,
};
use symbolon_psi::Protocol;

use crate::error::{ConfigError, Error};
use crate::home::Home;
use crate::keys::Keys;
use crate::keystore::KeyKind;
use crate::store::time_text;

/// The version of the software.
pub const SOFTWARE_VERSION: &str = env!("CARGO_PKG_VERSION");

/// Who a node is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct NodeInfo {
    /// The institution's name.
    pub institution: String,
    /// The fingerprint of its card, to compare over another channel.
    pub fingerprint: String,
    /// The same in words.
    pub fingerprint_words: String,
    /// The number of its card; 0 until a key first changes.
    pub card_sequence: u64,
    /// The SPIFFE id in its certificate; empty without one.
    pub spiffe_id: String,
    /// The last moment of its certificate, RFC 3339.
    pub certificate_until: String,
    /// Where partners reach it.
    pub endpoint: String,
    /// What the peer port listens on.
    pub listen: String,
    /// The home directory.
    pub home: String,
    /// The control socket.
    pub control_socket: String,
    /// The version of the software.
    pub software: String,
    /// The version of the normaliser.
    pub normaliser_version: String,
    /// The digest of its rules, hexadecimal.
    pub normaliser_digest: String,
    /// The organisation key.
    pub organisation_key: String,
    /// The pin of the TLS key.
    pub tls_spki: String,
    /// The protocols it runs.
    pub protocols: Vec<&'static str>,
}

impl Home {
    /// Tells who this node is.
    ///
    /// # Errors
    /// What [`Home::card`] finds.
    pub fn node_info(&self) -> Result<NodeInfo, Error> {
        let (settings, keys, card) = (self.settings(), self.keys(), self.card()?);
        Ok(NodeInfo {
            institution: settings.institution.clone(),
            fingerprint: card.fingerprint().to_string(),
            fingerprint_words: card.fingerprint().words(),
            card_sequence: card.contents().identity.sequence,
            spiffe_id: keys.tls().spiffe_id().map(ToString::to_string).unwrap_or_default(),
            certificate_until: time_text(keys.tls().not_after()),
            endpoint: settings.advertise.clone(),
            listen: settings.listen.clone(),
            home: settings.home.display().to_string(),
            control_socket: settings.control_socket().display().to_string(),
            software: SOFTWARE_VERSION.to_owned(),
            normaliser_version: symbolon_tables::NORMALISER_VERSION.to_owned(),
            normaliser_digest: hex::encode(symbolon_tables::rules_digest()),
            organisation_key: self.keys().organisation_public().to_string(),
            tls_spki: Digest::from_bytes(self.keys().spki_pin()).to_string(),
            protocols: Protocol::ALL.iter().map(|protocol| protocol.as_str()).collect(),
        })
    }

    /// Issues the card to hand to partners. It is the same, and has the same fingerprint, until a key or the address
    /// changes.
    ///
    /// # Errors
    /// [`ConfigError`] when the institution's name or address cannot stand on a card.
    pub fn card(&self) -> Result<Card, Error> {
        let settings = self.settings();
        let keys = self.keys();
        let institution = Name::new(&settings.institution)
            .map_err(|_| ConfigError::Value { key: "institution", expected: "a name of 1 to 64 visible characters" })?;
        let endpoint: Endpoint = settings
            .advertise
            .parse()
            .map_err(|_| ConfigError::Value { key: "advertise", expected: "host:port, such as bank.example:7443" })?;
        let public = keys.sealing().public_key();
        let suite = Version::new(public.suite().as_str());
        let contents = CardContents {
            institution,
            tls_spki: Digest::from_bytes(keys.spki_pin()),
            endpoint,
            created: Timestamp::from_unix_seconds(keys.made_at().timestamp()).map_err(|_| ConfigError::Value {
                key: "keys/tls.crt",
                expected: "a certificate with a date after 1970",
            })?,
            sealing_keys: suite
                .into_iter()
                .map(|suite| SealingKeyEntry { suite, key: public.as_bytes().to_vec() })
                .collect(),
            identity: card_identity(&keys)?,
        };
        Ok(Card::issue(contents, keys.organisation())?)
    }
}

/// What the card says about the keys over time. It depends on the keys alone, so that it is the same until they change.
fn card_identity(keys: &Keys) -> Result<CardIdentity, Error> {
    let history = keys.history();
    // Pins of keys that no longer counted when the present card came about are left out; the newest come first.
    let issued = history.changed.unwrap_or_default();
    let former = history.former.iter().rev().filter(|key| key.kind == KeyKind::Tls && key.holds(issued));
    let pins = former.take(TLS_PINS_MAX).filter_map(|key| {
        let spki: Digest = key.public.parse().ok()?;
        Some(timestamp(key.from).and_then(|not_before| {
            Ok(TlsPin { spki, anchor: key.tls_anchor(), not_before, not_after: timestamp(key.until)? })
        }))
    });
    let mut revoked = history.revoked();
    let surplus = revoked.len().saturating_sub(REVOKED_MAX);
    revoked.drain(..surplus);
    Ok(CardIdentity {
        sequence: history.sequence,
        spiffe_id: keys.tls().spiffe_id().cloned(),
        tls_anchor: keys.tls().anchor(),
        tls_pins: pins.collect::<Result<_, Error>>()?,
        rotations: history.rotations.clone(),
        revoked,
    })
}

/// A time as agreements count it.
pub(crate) fn timestamp(time: DateTime<Utc>) -> Result<Timestamp, Error> {
    Timestamp::from_unix_seconds(time.timestamp())
        .map_err(|_| Error::Misuse { what: "the time is outside the years 1970 to 9999", remedy: "set the clock" })
}
