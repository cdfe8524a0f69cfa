//! A TLS key with its certificate, or with its certificate and the authority's that signed it.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use rustls::sign::CertifiedKey;
use symbolon_policy::{Anchor, SpiffeId};
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

use super::{malformed, spki_pin};
use crate::error::Error;

/// Certificates of a chain: the node's own, and the authority's when there is one.
pub(super) const CHAIN_MAX: usize = 2;

/// What a node shows in a handshake. Printing shows public parts only.
pub struct TlsPair {
    certified: Arc<CertifiedKey>,
    pin: [u8; 32],
    anchor: Anchor,
    spiffe_id: Option<SpiffeId>,
    not_before: DateTime<Utc>,
    not_after: DateTime<Utc>,
}

impl TlsPair {
    /// Takes a key and its chain, which belong together; `path` is the certificate's, for messages.
    ///
    /// # Errors
    /// [`KeysError::Malformed`](crate::error::KeysError::Malformed) when a certificate is none, or the chain is too
    /// long, or an authority signed for no SPIFFE id.
    pub(crate) fn new(certified: CertifiedKey, path: &Path) -> Result<Self, Error> {
        let foreign = || malformed(path, "certificate in PEM, alone or followed by its authority's");
        let chain = &certified.cert;
        let leaf = chain.first().filter(|_| chain.len() <= CHAIN_MAX).ok_or_else(foreign)?;
        let (_, parsed) = X509Certificate::from_der(leaf).map_err(|_| foreign())?;
        let date = |seconds| DateTime::from_timestamp(seconds, 0).ok_or_else(foreign);
        let validity = parsed.validity();
        let (not_before, not_after) = (date(validity.not_before.timestamp())?, date(validity.not_after.timestamp())?);
        let spiffe_id = spiffe_id_of(&parsed).ok().flatten();
        let (pin, anchor) = match chain.get(1) {
            None => (spki_pin(leaf).map_err(|_| foreign())?, Anchor::Leaf),
            // Only the id tells this node's certificates from others of the same authority.
            Some(_) if spiffe_id.is_none() => return Err(malformed(path, "certificate with exactly one SPIFFE id")),
            Some(authority) => (spki_pin(authority).map_err(|_| foreign())?, Anchor::Authority),
        };
        Ok(Self { certified: Arc::new(certified), pin, anchor, spiffe_id, not_before, not_after })
    }

    /// Certificate and signer in the form TLS takes.
    #[must_use]
    pub const fn certified(&self) -> &Arc<CertifiedKey> {
        &self.certified
    }

    /// The node's certificate, DER.
    #[must_use]
    pub fn certificate_der(&self) -> &[u8] {
        // `new` found a certificate there.
        self.certified.cert.first().map_or(&[], |certificate| certificate.as_ref())
    }

    /// SHA-256 over the public key a card pins: the certificate's own, or the authority's.
    #[must_use]
    pub const fn pin(&self) -> [u8; 32] {
        self.pin
    }

    /// What key the pin is of.
    #[must_use]
    pub const fn anchor(&self) -> Anchor {
        self.anchor
    }

    /// The SPIFFE id in the certificate.
    #[must_use]
    pub const fn spiffe_id(&self) -> Option<&SpiffeId> {
        self.spiffe_id.as_ref()
    }

    /// The first moment of the certificate.
    #[must_use]
    pub const fn not_before(&self) -> DateTime<Utc> {
        self.not_before
    }

    /// The last moment of the certificate.
    #[must_use]
    pub const fn not_after(&self) -> DateTime<Utc> {
        self.not_after
    }
}

impl fmt::Debug for TlsPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsPair")
            .field("pin", &hex::encode(self.pin))
            .field("anchor", &self.anchor)
            .field("spiffe_id", &self.spiffe_id)
            .finish_non_exhaustive()
    }
}

/// The SPIFFE id of a certificate; `None` when it has no URI at all.
///
/// # Errors
/// The unit when it has several URIs or one that is no SPIFFE id (X509-SVID, section 2: exactly one URI).
pub(crate) fn spiffe_id_of(certificate: &X509Certificate<'_>) -> Result<Option<SpiffeId>, ()> {
    let names = certificate.subject_alternative_name().map_err(drop)?;
    let mut uris = names.iter().flat_map(|extension| &extension.value.general_names).filter_map(|name| match name {
        GeneralName::URI(uri) => Some(*uri),
        _ => None,
    });
    let Some(uri) = uris.next() else { return Ok(None) };
    if uris.next().is_some() {
        return Err(());
    }
    uri.parse().map(Some).map_err(drop)
}
