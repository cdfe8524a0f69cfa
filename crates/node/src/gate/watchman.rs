//! Asks the gate again and again while a session runs.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use super::{Decided, Gate, Stage, Subject};
use crate::error::Error;
use crate::session::{Watch, Watching};

/// The gate at the batches of one running job.
#[derive(Debug, Clone)]
pub(crate) struct Watchman(Arc<Inner>);

struct Inner {
    gate: Gate,
    subject: Subject,
    began: Instant,
    allowed: AtomicU64,
    /// The last decision, kept at the end for all of them.
    last: Mutex<Option<Decided>>,
}

impl std::fmt::Debug for Inner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Watchman")
            .field("job", &self.subject.job)
            .field("allowed", &self.allowed)
            .finish_non_exhaustive()
    }
}

impl Watchman {
    pub(crate) fn new(gate: Gate, subject: Subject) -> Self {
        let (began, allowed) = (gate.0.clock.monotonic(), AtomicU64::new(0));
        Self(Arc::new(Inner { gate, subject, began, allowed, last: Mutex::default() }))
    }

    /// Keeps what was decided on all batches as one decision. A refusal was kept when it fell.
    ///
    /// # Errors
    /// Environment errors.
    pub(crate) async fn close(&self) -> Result<(), Error> {
        let checks = self.0.allowed.load(Ordering::Relaxed);
        let last = self.0.last.lock().unwrap_or_else(PoisonError::into_inner).take();
        match last {
            Some(last) => self.0.gate.keep(Stage::Batch, &self.0.subject, Some(&last), None, checks).await,
            None => Ok(()),
        }
    }

    async fn look(self, frames: u64) -> Result<(), Error> {
        let Inner { gate, subject, began, allowed, last } = &*self.0;
        let mut now = subject.clone();
        now.facts.frames = frames;
        now.facts.seconds = (gate.0.clock.monotonic() - *began).as_secs();
        let (decided, outcome) = gate.examine(Stage::Batch, &now).await;
        if let Err(error) = &outcome {
            gate.keep(Stage::Batch, &now, decided.as_ref(), Some(error), 1).await?;
        } else {
            allowed.fetch_add(1, Ordering::Relaxed);
            *last.lock().unwrap_or_else(PoisonError::into_inner) = decided;
        }
        outcome
    }
}

impl Watch for Watchman {
    fn check(&self, frames: u64) -> Watching {
        Box::pin(self.clone().look(frames))
    }
}
