//! The connections that are open, so that a withdrawn key ends them.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rustls::pki_types::CertificateDer;
use tokio_util::sync::CancellationToken;

/// All open connections of a node, in both directions. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct Connections(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    next: AtomicU64,
    open: Mutex<HashMap<u64, Open>>,
}

#[derive(Debug)]
struct Open {
    chain: Vec<CertificateDer<'static>>,
    end: CancellationToken,
}

/// A connection's entry; gone when dropped.
#[derive(Debug)]
pub(super) struct Entry {
    connections: Connections,
    pub(super) id: u64,
    pub(super) end: CancellationToken,
}

impl Connections {
    /// Enters a connection whose other end showed `chain`.
    pub(super) fn enter(&self, chain: Vec<CertificateDer<'static>>) -> Entry {
        let id = self.0.next.fetch_add(1, Ordering::Relaxed);
        let end = CancellationToken::new();
        let open = Open { chain, end: end.clone() };
        self.0.open.lock().unwrap_or_else(PoisonError::into_inner).insert(id, open);
        Entry { connections: self.clone(), id, end }
    }

    /// Whether any is open.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.open.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    /// The connections whose chain does not stand any more.
    #[must_use]
    pub fn fallen(&self, stands: impl Fn(&[CertificateDer<'static>]) -> bool) -> HashSet<u64> {
        let open = self.0.open.lock().unwrap_or_else(PoisonError::into_inner);
        let fallen = open.iter().filter(|(_, connection)| !connection.end.is_cancelled() && !stands(&connection.chain));
        fallen.map(|(id, _)| *id).collect()
    }

    /// Ends connections.
    pub fn end(&self, connections: &HashSet<u64>) {
        let open = self.0.open.lock().unwrap_or_else(PoisonError::into_inner);
        connections.iter().filter_map(|id| open.get(id)).for_each(|connection| connection.end.cancel());
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.connections.0.open.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.id);
    }
}
