//! The thread that writes.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use symbolon_policy::audit::{Entry, SignedCheckpoint};
use tokio::sync::oneshot;

use super::file::LogFile;
use super::{Head, Used};
use crate::clock::{Clock, thread_cpu};
use crate::error::{Environment, Error, EvidenceError};
use crate::keys::KeyRing;

/// Commands taken together; enough that under load the disk is waited for once for many.
const BATCH_MAX: usize = 1024;

/// After this long without a command, what was written since the last checkpoint is signed.
const QUIET: Duration = Duration::from_millis(500);

type Reply<T> = oneshot::Sender<Result<T, Error>>;

/// What the thread is asked for.
pub(super) enum Command {
    Append { entries: Vec<Entry>, reply: Reply<u64> },
    Head { from: Vec<u64>, reply: Reply<Head> },
    Read { reply: Reply<(Vec<u8>, SignedCheckpoint)> },
}

pub(super) struct Writer {
    directory: PathBuf,
    keys: KeyRing,
    clock: Arc<dyn Clock>,
    used: Arc<Used>,
    /// The log as this process knows it; read anew after any failure.
    log: Option<LogFile>,
}

/// What was asked, once the entries are written.
enum Answer {
    Appended(Reply<u64>, Result<u64, Error>),
    Head(Reply<Head>, Vec<u64>),
    Read(Reply<(Vec<u8>, SignedCheckpoint)>),
}

impl Writer {
    pub(super) fn new(directory: PathBuf, keys: KeyRing, clock: Arc<dyn Clock>, used: Arc<Used>) -> Self {
        Self { directory, keys, clock, used, log: None }
    }

    pub(super) fn run(mut self, commands: &Receiver<Command>) {
        loop {
            match commands.recv_timeout(QUIET) {
                Ok(first) => {
                    let mut batch = vec![first];
                    batch.extend(commands.try_iter().take(BATCH_MAX - 1));
                    let before = thread_cpu();
                    self.serve(batch);
                    let took = thread_cpu().saturating_sub(before);
                    self.used
                        .cpu_nanos
                        .fetch_add(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
                }
                Err(RecvTimeoutError::Timeout) => self.settle(),
                Err(RecvTimeoutError::Disconnected) => return self.settle(),
            }
        }
    }

    /// Carries out a batch under the lock. A failure of the file is everybody's, and the log is read anew next time.
    fn serve(&mut self, batch: Vec<Command>) {
        let mut log = match self.present() {
            Ok(log) => log,
            Err(error) => return refuse(batch, &error),
        };
        let answers: Vec<Answer> = batch.into_iter().map(|command| take(&mut log, command)).collect();
        let written = log.commit();
        if let Ok(entries) = written {
            self.used.entries.fetch_add(entries, Ordering::Relaxed);
            self.used.syncs.fetch_add(u64::from(entries > 0), Ordering::Relaxed);
        }
        let failed = written.err();
        for answer in answers {
            self.answer(&mut log, answer, failed.as_ref());
        }
        if failed.is_none() && log.unlock().is_ok() {
            self.log = Some(log);
        }
    }

    /// The log with all that other processes appended, and its lock held.
    fn present(&mut self) -> Result<LogFile, Error> {
        if let Some(mut log) = self.log.take() {
            log.lock()?;
            match log.refresh() {
                Ok(()) => return Ok(log),
                // Another process was killed while it wrote: opening cuts the line and records that.
                Err(Error::Evidence(EvidenceError::Torn)) => log.unlock()?,
                Err(error) => return Err(error),
            }
        }
        LogFile::open(&self.directory, &self.keys.get(), self.clock.now())
    }

    fn answer(&self, log: &mut LogFile, answer: Answer, failed: Option<&Error>) {
        // Whoever asked may have gone away; what was written stays written.
        let failed = failed.map(EvidenceError::again);
        match answer {
            Answer::Appended(reply, appended) => drop(reply.send(failed.map_or(appended, Err))),
            Answer::Head(reply, from) => {
                drop(reply.send(failed.map_or_else(|| log.head(&self.keys.get(), &from), Err)));
            }
            Answer::Read(reply) => {
                let read = || Ok((log.content()?, log.head(&self.keys.get(), &[])?.checkpoint));
                drop(reply.send(failed.map_or_else(read, Err)));
            }
        }
    }

    /// Signs what was written since the last checkpoint, so that it cannot be changed unseen.
    fn settle(&mut self) {
        let Some(log) = self.log.as_mut() else { return };
        let signed = log.lock().and_then(|()| {
            log.refresh()?;
            log.sign(&self.keys.get())?;
            log.unlock()
        });
        if let Err(error) = signed {
            tracing::error!(reason = error.reason(), %error, "the evidence log could not be signed");
            self.log = None;
        }
    }
}

fn take(log: &mut LogFile, command: Command) -> Answer {
    match command {
        Command::Append { entries, reply } => {
            let appended = entries.into_iter().map(salted).collect::<Result<Vec<_>, _>>();
            Answer::Appended(reply, appended.and_then(|entries| log.add(entries)))
        }
        Command::Head { from, reply } => Answer::Head(reply, from),
        Command::Read { reply } => Answer::Read(reply),
    }
}

fn salted(entry: Entry) -> Result<Entry, Error> {
    let mut salt = [0; 16];
    getrandom::fill(&mut salt).map_err(|_| Environment::Entropy)?;
    Ok(entry.salted(salt))
}

fn refuse(batch: Vec<Command>, error: &Error) {
    tracing::error!(reason = error.reason(), %error, "the evidence log cannot be used");
    for command in batch {
        match command {
            Command::Append { reply, .. } => drop(reply.send(Err(EvidenceError::again(error)))),
            Command::Head { reply, .. } => drop(reply.send(Err(EvidenceError::again(error)))),
            Command::Read { reply } => drop(reply.send(Err(EvidenceError::again(error)))),
        }
    }
}
