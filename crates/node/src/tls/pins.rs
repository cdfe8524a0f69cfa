//! Which keys are let in at this moment.

use std::collections::HashSet;
use std::sync::{Arc, PoisonError, RwLock};

use symbolon_policy::{Anchor, SpiffeId};

use super::SpkiPin;
use super::crl::Crls;

/// A key that is let in, and under which conditions.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "built from all its fields")]
pub struct AcceptedKey {
    /// The pin.
    pub pin: SpkiPin,
    /// What key it is of.
    pub anchor: Anchor,
    /// The SPIFFE id the certificate has to carry, when the card names one.
    pub spiffe_id: Option<SpiffeId>,
    /// The first second at which it is let in, since the beginning of 1970.
    pub not_before: Option<i64>,
    /// The first second at which it no longer is.
    pub not_after: Option<i64>,
}

impl AcceptedKey {
    /// Whether it is let in at this second.
    #[must_use]
    pub fn holds(&self, now: i64) -> bool {
        self.not_before.is_none_or(|from| from <= now) && self.not_after.is_none_or(|until| now < until)
    }
}

impl From<SpkiPin> for AcceptedKey {
    /// The key of a certificate, at all times, whatever its certificate says.
    fn from(pin: SpkiPin) -> Self {
        Self { pin, anchor: Anchor::Leaf, spiffe_id: None, not_before: None, not_after: None }
    }
}

/// The keys that are let in and those that were withdrawn.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "built from all its fields")]
pub struct Trust {
    /// The keys let in.
    pub accepted: Vec<AcceptedKey>,
    /// The keys never let in, whoever signed for them.
    pub revoked: HashSet<SpkiPin>,
}

impl<K: Into<AcceptedKey>> FromIterator<K> for Trust {
    fn from_iter<I: IntoIterator<Item = K>>(keys: I) -> Self {
        Self { accepted: keys.into_iter().map(Into::into).collect(), revoked: HashSet::new() }
    }
}

/// The keys that may connect: shared with the verifier and replaced when the store changes.
#[derive(Debug, Clone, Default)]
pub struct Pins {
    trust: Arc<RwLock<Arc<Trust>>>,
    crls: Crls,
}

impl Pins {
    /// Makes a set.
    #[must_use]
    pub fn new<K: Into<AcceptedKey>>(keys: impl IntoIterator<Item = K>) -> Self {
        Self::with_crls(keys.into_iter().collect(), Crls::default())
    }

    /// Makes a set that also heeds lists of withdrawn certificates.
    #[must_use]
    pub fn with_crls(trust: Trust, crls: Crls) -> Self {
        Self { trust: Arc::new(RwLock::new(Arc::new(trust))), crls }
    }

    /// Puts other keys in place of all present ones.
    pub fn replace(&self, trust: Trust) {
        *self.trust.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(trust);
    }

    /// The present keys.
    #[must_use]
    pub fn trust(&self) -> Arc<Trust> {
        Arc::clone(&self.trust.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The lists of withdrawn certificates.
    #[must_use]
    pub const fn crls(&self) -> &Crls {
        &self.crls
    }
}
