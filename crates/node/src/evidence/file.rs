//! The log's file: opened, locked, read on, appended to.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use rustix::fs::FlockOperation;
use symbolon_policy::audit::{CHECKPOINT_BYTES_MAX, Checkpoint, Entry, Origin, SignedCheckpoint, Tree, leaf_hash};
use symbolon_primitives::sign::VerifyingKey;

use super::Head;
use crate::error::{Error, EvidenceError, FileAction};
use crate::files;
use crate::keys::Keys;

const LOG: &str = "log.jsonl";
const CHECKPOINT: &str = "checkpoint";
const LOCK: &str = "lock";

/// Bytes of the log read at once.
const READ_BYTES: usize = 1 << 20;

#[derive(Debug)]
pub(super) struct LogFile {
    path: PathBuf,
    checkpoint: PathBuf,
    lock: File,
    file: File,
    /// Bytes of the log whose lines are in the tree.
    length: u64,
    tree: Tree,
    origin: Option<Origin>,
    /// The organisation keys the log names as its institution's.
    named: Vec<VerifyingKey>,
    /// The size of the last checkpoint written beside the log.
    signed: u64,
    /// Lines that wait for [`LogFile::commit`].
    pending: String,
    added: u64,
}

impl LogFile {
    /// Opens the log, making it when there is none, holds it against its last checkpoint, and keeps its lock.
    pub(super) fn open(directory: &Path, keys: &Keys, now: DateTime<Utc>) -> Result<Self, Error> {
        files::create_private_dir(directory)?;
        let path = directory.join(LOG);
        let checkpoint = directory.join(CHECKPOINT);
        let lock_path = directory.join(LOCK);
        let mut options = OpenOptions::new();
        options.create(true).append(true).read(true).mode(files::PRIVATE_FILE);
        let lock = options.open(&lock_path).map_err(|source| files::failed(FileAction::Create, &lock_path, source))?;
        flock(&lock, &lock_path, FlockOperation::LockExclusive)?;
        let made = !path.exists();
        if made && checkpoint.exists() {
            return Err(EvidenceError::Rewritten.into());
        }
        let file = options.open(&path).map_err(|source| files::failed(FileAction::Create, &path, source))?;
        if made {
            files::sync_parent(&path)?;
        }
        let (tree, pending) = (Tree::new(), String::new());
        let mut log = Self {
            path,
            checkpoint,
            lock,
            file,
            length: 0,
            tree,
            origin: None,
            named: Vec::new(),
            signed: 0,
            pending,
            added: 0,
        };
        log.read_on()?;
        log.check_last_checkpoint(keys)?;
        log.repair(now)?;
        if log.tree.size() == 0 {
            let key = keys.organisation_public();
            log.add(vec![Entry::opening(now, &key).salted(salt()?)])?;
            log.origin = Some(Origin::of(&key));
        }
        log.commit()?;
        Ok(log)
    }

    pub(super) fn lock(&self) -> Result<(), Error> {
        flock(&self.lock, &self.path, FlockOperation::LockExclusive)
    }

    pub(super) fn unlock(&self) -> Result<(), Error> {
        flock(&self.lock, &self.path, FlockOperation::Unlock)
    }

    /// Takes in what another process appended. The lock is held.
    pub(super) fn refresh(&mut self) -> Result<(), Error> {
        let failed = |source| files::failed(FileAction::Read, &self.path, source);
        let (held, named) = (self.file.metadata().map_err(failed)?, std::fs::metadata(&self.path).map_err(failed)?);
        if held.ino() != named.ino() || held.dev() != named.dev() || held.len() < self.length {
            return Err(EvidenceError::Rewritten.into());
        }
        if held.len() > self.length {
            self.read_on()?;
            if self.file.metadata().map_err(|source| files::failed(FileAction::Read, &self.path, source))?.len()
                != self.length
            {
                return Err(EvidenceError::Torn.into());
            }
        }
        Ok(())
    }

    /// Puts entries behind those that wait, all of them or none.
    pub(super) fn add(&mut self, entries: Vec<Entry>) -> Result<u64, Error> {
        let lines = entries.iter().map(Entry::to_line).collect::<Result<Vec<_>, _>>();
        let lines = lines.map_err(symbolon_policy::Error::from)?;
        let first = self.tree.size();
        for line in lines {
            self.tree.push(leaf_hash(line.as_bytes()));
            self.pending.push_str(&line);
            self.pending.push('\n');
            self.added += 1;
        }
        Ok(first)
    }

    /// Writes what waits and waits for the disk. After an error this value must not be used again: its tree is ahead of
    /// the file.
    pub(super) fn commit(&mut self) -> Result<u64, Error> {
        if self.pending.is_empty() {
            return Ok(0);
        }
        let written = self.file.write_all(self.pending.as_bytes()).and_then(|()| self.file.sync_data());
        if let Err(source) = written {
            // Nobody was told that these lines are there, so half of one must not stay either.
            drop(self.file.set_len(self.length).and_then(|()| self.file.sync_data()));
            return Err(files::failed(FileAction::Write, &self.path, source));
        }
        self.length += self.pending.len() as u64;
        self.pending.clear();
        Ok(std::mem::take(&mut self.added))
    }

    /// The present end, signed and kept beside the log, with proofs from the sizes in `from`.
    pub(super) fn head(&mut self, keys: &Keys, from: &[u64]) -> Result<Head, Error> {
        let size = self.tree.size();
        let proofs = from.iter().map(|old| {
            let proof = self.tree.consistency_proof(*old, size);
            proof.map_err(|_| Error::from(EvidenceError::Behind { seen: *old, size }))
        });
        let proofs = proofs.collect::<Result<_, _>>()?;
        Ok(Head { checkpoint: self.sign(keys)?, proofs })
    }

    /// Signs the present end and keeps it beside the log.
    pub(super) fn sign(&mut self, keys: &Keys) -> Result<SignedCheckpoint, Error> {
        let origin = self.origin.ok_or(EvidenceError::Rewritten)?;
        let checkpoint = Checkpoint { origin, size: self.tree.size(), root: self.tree.root() };
        let note = SignedCheckpoint::sign(checkpoint, keys.organisation()).map_err(symbolon_policy::Error::from)?;
        if self.signed != checkpoint.size {
            files::replace(&self.checkpoint, note.to_string().as_bytes(), files::PRIVATE_FILE)?;
            self.signed = checkpoint.size;
        }
        Ok(note)
    }

    /// All bytes of the log.
    pub(super) fn content(&self) -> Result<Vec<u8>, Error> {
        let failed = |source| files::failed(FileAction::Read, &self.path, source);
        let length = usize::try_from(self.length).map_err(|_| failed(io::ErrorKind::FileTooLarge.into()))?;
        let mut content = vec![0; length];
        self.file.read_exact_at(&mut content, 0).map_err(failed)?;
        Ok(content)
    }

    /// Reads whole lines from where the tree ends.
    fn read_on(&mut self) -> Result<(), Error> {
        let (mut rest, mut at) = (Vec::new(), self.length);
        let mut buffer = vec![0; READ_BYTES];
        loop {
            let read = self.file.read_at(&mut buffer, at);
            let read = read.map_err(|source| files::failed(FileAction::Read, &self.path, source))?;
            if read == 0 {
                return Ok(());
            }
            at += read as u64;
            rest.extend_from_slice(&buffer[..read]);
            let Some(end) = rest.iter().rposition(|byte| *byte == b'\n') else { continue };
            for line in rest[..end].split(|byte| *byte == b'\n') {
                self.take_line(line)?;
            }
            self.length += end as u64 + 1;
            rest.drain(..=end);
        }
    }

    fn take_line(&mut self, line: &[u8]) -> Result<(), Error> {
        let number = self.tree.size() + 1;
        let damaged = || Error::from(EvidenceError::Damaged { line: number });
        let text = std::str::from_utf8(line).map_err(|_| damaged())?;
        let entry = Entry::from_line(text).map_err(|_| damaged())?;
        if entry.opens().is_some() != self.origin.is_none() {
            return Err(damaged());
        }
        self.origin = self.origin.or_else(|| entry.opens());
        self.named.extend(entry.own_key());
        self.tree.push(leaf_hash(line));
        Ok(())
    }

    /// Cuts a line without its end, which was never confirmed, and records that.
    fn repair(&mut self, now: DateTime<Utc>) -> Result<(), Error> {
        let metadata = self.file.metadata().map_err(|source| files::failed(FileAction::Read, &self.path, source))?;
        let torn = metadata.len().saturating_sub(self.length);
        if torn == 0 {
            return Ok(());
        }
        let cut = self.file.set_len(self.length).and_then(|()| self.file.sync_data());
        cut.map_err(|source| files::failed(FileAction::Write, &self.path, source))?;
        tracing::warn!(bytes = torn, "a line that a killed process did not finish was cut from the evidence log");
        if self.tree.size() > 0 {
            self.add(vec![Entry::new(now, "log_repaired").number("bytes", torn).salted(salt()?)])?;
        }
        Ok(())
    }

    fn check_last_checkpoint(&mut self, keys: &Keys) -> Result<(), Error> {
        let text = match files::read_text(&self.checkpoint, CHECKPOINT_BYTES_MAX as u64) {
            Ok(text) => text,
            Err(Error::Environment(crate::error::Environment::File { source, .. }))
                if source.kind() == io::ErrorKind::NotFound =>
            {
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        let note = SignedCheckpoint::parse(&text).map_err(|_| EvidenceError::Rewritten)?;
        // The key may have been rotated since.
        self.named.extend(keys.lineage().keys());
        note.verify_all(&self.named).map_err(|_| EvidenceError::Rewritten)?;
        let checkpoint = note.checkpoint();
        if Some(checkpoint.origin) != self.origin || self.tree.root_at(checkpoint.size) != Ok(checkpoint.root) {
            return Err(EvidenceError::Rewritten.into());
        }
        self.signed = checkpoint.size;
        Ok(())
    }
}

fn salt() -> Result<[u8; 16], Error> {
    let mut salt = [0; 16];
    getrandom::fill(&mut salt).map_err(|_| crate::error::Environment::Entropy)?;
    Ok(salt)
}

fn flock(file: &File, path: &Path, operation: FlockOperation) -> Result<(), Error> {
    // A signal may interrupt the wait.
    loop {
        match rustix::fs::flock(file, operation) {
            Ok(()) => return Ok(()),
            Err(rustix::io::Errno::INTR) => {}
            Err(errno) => return Err(files::failed(FileAction::Write, path, io::Error::from(errno))),
        }
    }
}
