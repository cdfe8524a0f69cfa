//! The evidence log of a node: `<home>/audit/log.jsonl`, a line an entry, the lines being the leaves of the Merkle tree
//! of [`symbolon_policy::audit`].
//!
//! ```text
//! audit/log.jsonl     entries, only ever appended to
//! audit/checkpoint    the last checkpoint of this log that this node signed
//! audit/lock          held by the process that appends
//! ```
//!
//! [`Evidence::append`] returns when the entry is on the disk. One thread of the process writes: entries that come while
//! it waits for the disk go out together with the next wait. The node and the command line tool may both append; each
//! takes the lock and first reads what the other added.
//!
//! A last line without its end was never confirmed to anybody: it is cut, and the cut is recorded. A log that is not
//! what its last checkpoint says, or that another process shortened or replaced, is refused, and with it whatever needs
//! an entry.
//!
//! # Kinds of entries
//!
//! | kind | fields besides time, kind and salt | written when |
//! |---|---|---|
//! | `log_opened` | organisation_key | a log is begun; its first line, never again |
//! | `budget_alert` | agreement, job, sign, found, compared, outcome | a job shows a sign of probing |
//! | `log_repaired` | bytes | the line of a killed process was cut |
//! | `decision` | action, job, agreement, policy_set, checks, answer, reason of a no | the [`gate`](crate::gate) decided on a phase of a job; batches are one entry |
//! | `calls_refused` | peer, policy_set, calls, reason | the gate refused calls, at most one entry a minute |
//! | `keys_protected` | protection | the private keys were put under another protection |
//! | `result_opened` | job | the file of a result is about to be decrypted, for an export or to be shown |
//! | `result_deleted` | job | the key of a result is about to be destroyed |
//! | `job_started` | job, side, peer, agreement, job_spec, sid, protocol, result, rows_own, rows_peer | a job's handshake is over |
//! | `peer_checkpoint_cosigned` | job, peer, log, size, root | this node vouched for the peer's log |
//! | `peer_log_forked` | job, peer, shown_log, shown_size, shown_root, seen_size, seen_root | the peer's log contradicts what was seen |
//! | `job_finished` | job, sid, agreement, job_spec, transcript_initiator, transcript_responder | the last frame is through |
//! | `receipt` | job, sid, receipt | both signed the receipt |
//! | `job_ended` | job, side, state, and reason or manifest | a recorded job ended, however it did: one entry for each |
//! | `job_refused` | job, side, peer, reason | an offer was refused |
//!
//! `job` is the node's own identity of the job, `peer` an organisation key, `receipt` and `manifest` SHA-256 of the texts.
//! [`witness`] writes the entries of a job and exchanges the evidence with the peer.
//!
//! Every owner of events records its own kinds with [`Entry::new`]; names and words are the program's own text, so no
//! identifier, name or content can get in. The number of entries of a job must not depend on what matched (see
//! [`symbolon_policy::audit`]).
//!
//! # Cost
//!
//! One write and one fdatasync for all entries that wait; [`Evidence::usage`] is the CPU time of the writing thread.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use symbolon_policy::audit::{Entry, Hash, SignedCheckpoint};
use tokio::sync::oneshot;

use crate::clock::Clock;
use crate::error::{Environment, Error};
use crate::keys::KeyRing;
use writer::{Command, Writer};

mod file;
pub mod witness;
mod writer;

/// The log of one home. Clones share it; the writing thread starts with the first use and ends with the last clone.
#[derive(Debug, Clone)]
pub struct Evidence(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    directory: PathBuf,
    keys: KeyRing,
    clock: Arc<dyn Clock>,
    worker: Mutex<Option<Worker>>,
    used: Arc<Used>,
}

#[derive(Debug)]
struct Worker {
    commands: Option<mpsc::Sender<Command>>,
    thread: Option<JoinHandle<()>>,
}

/// What appending took.
#[derive(Debug, Default)]
pub(crate) struct Used {
    pub(crate) cpu_nanos: AtomicU64,
    pub(crate) entries: AtomicU64,
    pub(crate) syncs: AtomicU64,
}

/// What appending took since the process began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Usage {
    /// CPU time of the writing thread.
    pub cpu: Duration,
    /// Entries written.
    pub entries: u64,
    /// Waits for the disk.
    pub syncs: u64,
}

/// The present end of the own log, with what others need to check that it goes on from what they saw.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Head {
    /// The checkpoint, signed.
    pub checkpoint: SignedCheckpoint,
    /// For each size asked for, the consistency proof from there.
    pub proofs: Vec<Vec<Hash>>,
}

impl Evidence {
    pub(crate) fn new(directory: PathBuf, keys: KeyRing, clock: Arc<dyn Clock>) -> Self {
        Self(Arc::new(Inner { directory, keys, clock, worker: Mutex::default(), used: Arc::default() }))
    }

    /// Appends an entry and gives its position, from 0. It is on the disk then.
    ///
    /// # Errors
    /// [`EvidenceError`](crate::error::EvidenceError) when the log was changed from outside or the entry is not of the
    /// allowed form; environment errors. Nothing was recorded then.
    pub async fn append(&self, entry: Entry) -> Result<u64, Error> {
        self.append_all(vec![entry]).await
    }

    /// Appends entries one after the other, all of them or none, and gives the position of the first.
    ///
    /// # Errors
    /// As [`Evidence::append`].
    pub async fn append_all(&self, entries: Vec<Entry>) -> Result<u64, Error> {
        self.ask(|reply| Command::Append { entries, reply }).await
    }

    /// Signs the present end of the log, with proofs from each of the sizes in `from`.
    ///
    /// # Errors
    /// [`EvidenceError::Behind`](crate::error::EvidenceError::Behind) when the log is shorter than one of the sizes,
    /// which others saw; otherwise as [`Evidence::append`].
    pub async fn head(&self, from: Vec<u64>) -> Result<Head, Error> {
        self.ask(|reply| Command::Head { from, reply }).await
    }

    /// The bytes of the log up to its present end, and that end, signed.
    ///
    /// # Errors
    /// As [`Evidence::append`].
    pub async fn read(&self) -> Result<(Vec<u8>, SignedCheckpoint), Error> {
        self.ask(|reply| Command::Read { reply }).await
    }

    /// What appending took since the process began.
    #[must_use]
    pub fn usage(&self) -> Usage {
        let used = &self.0.used;
        Usage {
            cpu: Duration::from_nanos(used.cpu_nanos.load(Ordering::Relaxed)),
            entries: used.entries.load(Ordering::Relaxed),
            syncs: used.syncs.load(Ordering::Relaxed),
        }
    }

    async fn ask<T>(&self, command: impl FnOnce(oneshot::Sender<Result<T, Error>>) -> Command) -> Result<T, Error> {
        let (reply, answer) = oneshot::channel();
        self.0.send(command(reply))?;
        answer.await.map_err(|_| Environment::Worker)?
    }
}

impl Inner {
    fn send(&self, command: Command) -> Result<(), Error> {
        let mut worker = self.worker.lock().unwrap_or_else(PoisonError::into_inner);
        let running = match worker.as_mut() {
            Some(running) => running,
            None => worker.insert(self.start()?),
        };
        let sent = running.commands.as_ref().map(|commands| commands.send(command));
        if !matches!(sent, Some(Ok(()))) {
            // The thread is gone, which only a fault of this program does; the next call starts another.
            *worker = None;
            return Err(Environment::Worker.into());
        }
        Ok(())
    }

    fn start(&self) -> Result<Worker, Error> {
        let (commands, receiver) = mpsc::channel();
        let writer =
            Writer::new(self.directory.clone(), self.keys.clone(), Arc::clone(&self.clock), Arc::clone(&self.used));
        let thread = std::thread::Builder::new().name("evidence".to_owned()).spawn(move || writer.run(&receiver));
        let thread = thread.map_err(|_| Environment::Worker)?;
        Ok(Worker { commands: Some(commands), thread: Some(thread) })
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // The thread ends when nobody can send, after it signed what it wrote.
        drop(self.commands.take());
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the thread that writes the evidence log stopped unexpectedly");
        }
    }
}

#[cfg(test)]
mod tests;
