//! A whole log, read back and held against what was signed about it.

use symbolon_primitives::sign::VerifyingKey;

use super::checkpoint::{Checkpoint, Origin, SignedCheckpoint};
use super::entry::{ENTRY_BYTES_MAX, Entry};
use super::error::AuditError;
use super::receipt::{Receipt, Turn};
use super::record::Value;
use super::tree::{Hash, Tree, leaf_hash};

/// The kind of the first entry of a log, which names it.
const OPENED: &str = "log_opened";
const OPENED_KEY: &str = "organisation_key";

/// The kind of the entry a side writes when the last frame of a job is through.
const FINISHED: &str = "job_finished";
/// The kind of the entry that records a countersigned receipt.
const RECEIPT: &str = "receipt";

impl Entry {
    /// The entry that opens a log: the organisation key names it for ever.
    #[must_use]
    pub fn opening(time: chrono::DateTime<chrono::Utc>, key: &VerifyingKey) -> Self {
        Self::new(time, OPENED).hash(OPENED_KEY, &key.to_bytes())
    }

    /// The entry a side writes when the last frame is through; its next checkpoint goes into the receipt. `sent` and
    /// `received` are the transcripts of both directions as this side sees them.
    #[must_use]
    pub fn finished(time: chrono::DateTime<chrono::Utc>, job: &[u8; 16], body: &Finished) -> Self {
        Self::new(time, FINISHED)
            .id("job", job)
            .hash("sid", &body.sid)
            .hash("agreement", &body.agreement)
            .hash("job_spec", &body.job_spec)
            .hash("transcript_initiator", &body.transcripts[0])
            .hash("transcript_responder", &body.transcripts[1])
    }

    /// The entry that records a countersigned receipt.
    #[must_use]
    pub fn receipt(time: chrono::DateTime<chrono::Utc>, job: &[u8; 16], receipt: &Receipt) -> Self {
        Self::new(time, RECEIPT).id("job", job).hash("sid", &receipt.body().sid).hash("receipt", &receipt.digest())
    }

    /// The log this entry opens, if it is a log's first.
    #[must_use]
    pub fn opens(&self) -> Option<Origin> {
        match (self.kind(), self.get(OPENED_KEY)) {
            (OPENED, Some(Value::Hash(key))) => Some(Origin::from_bytes(*key)),
            _ => None,
        }
    }

    /// The organisation key this entry names as the institution's own: the one that opened the log, or the one a
    /// rotation brought.
    #[must_use]
    pub fn own_key(&self) -> Option<VerifyingKey> {
        match self.get(OPENED_KEY) {
            Some(Value::Hash(key)) => VerifyingKey::from_bytes(key).ok(),
            _ => None,
        }
    }

    fn has(&self, name: &str, hash: &Hash) -> bool {
        matches!(self.get(name), Some(Value::Hash(found)) if found == hash)
    }
}

/// What [`Entry::finished`] records of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "built from all its fields; forgetting one must not compile")]
pub struct Finished {
    /// The session.
    pub sid: Hash,
    /// The agreement.
    pub agreement: Hash,
    /// As in the receipt.
    pub job_spec: Hash,
    /// The hashes over all frames the initiator and the responder sent.
    pub transcripts: [Hash; 2],
}

/// A log: its entries and the tree over them.
#[derive(Debug, Clone)]
pub struct Log {
    origin: Origin,
    entries: Vec<Entry>,
    tree: Tree,
}

impl Log {
    /// Reads a log: canonical lines, each with its end, the first of which opens it.
    ///
    /// # Errors
    /// [`AuditError::Line`] and [`AuditError::Opening`] with the line, [`AuditError::Malformed`] when it is no text or
    /// its last line has no end.
    pub fn read(bytes: &[u8]) -> Result<Self, AuditError> {
        let malformed = AuditError::Malformed { what: "log" };
        let text = std::str::from_utf8(bytes).map_err(|_| malformed)?;
        let lines = text.strip_suffix('\n').ok_or(malformed)?;
        let (mut entries, mut tree, mut origin) = (Vec::new(), Tree::new(), None);
        for (line, number) in lines.split('\n').zip(1..) {
            if line.len() > ENTRY_BYTES_MAX {
                return Err(AuditError::Line { line: number });
            }
            let entry = Entry::from_line(line).map_err(|_| AuditError::Line { line: number })?;
            if entry.opens().is_some() != origin.is_none() {
                return Err(AuditError::Opening { line: number });
            }
            origin = origin.or_else(|| entry.opens());
            tree.push(leaf_hash(line.as_bytes()));
            entries.push(entry);
        }
        Ok(Self { origin: origin.ok_or(AuditError::Opening { line: 1 })?, entries, tree })
    }

    /// Which log it is.
    #[must_use]
    pub const fn origin(&self) -> Origin {
        self.origin
    }

    /// The institution's organisation keys as the log names them, the one that opened it first. Rotations record the new
    /// key under the same name, `organisation_key`.
    #[must_use]
    pub fn keys(&self) -> Vec<VerifyingKey> {
        self.entries.iter().filter_map(Entry::own_key).collect()
    }

    /// The entries in order.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The tree over the lines.
    #[must_use]
    pub const fn tree(&self) -> &Tree {
        &self.tree
    }

    /// What the log amounts to.
    #[must_use]
    pub fn checkpoint(&self) -> Checkpoint {
        Checkpoint { origin: self.origin, size: self.tree.size(), root: self.tree.root() }
    }

    /// Checks that the log has exactly what a checkpoint states about its beginning. The checkpoint's signatures are
    /// checked apart, by [`SignedCheckpoint::verify_all`].
    ///
    /// # Errors
    /// [`AuditError::OtherLog`], [`AuditError::Shorter`], [`AuditError::RootDiffers`].
    pub fn check(&self, checkpoint: &Checkpoint) -> Result<(), AuditError> {
        if checkpoint.origin != self.origin {
            return Err(AuditError::OtherLog);
        }
        if self.tree.root_at(checkpoint.size)? != checkpoint.root {
            return Err(AuditError::RootDiffers { size: checkpoint.size });
        }
        Ok(())
    }

    /// Checks that `note` is signed by one of `keys` and fits this log.
    ///
    /// # Errors
    /// As [`SignedCheckpoint::verify_all`] and [`Log::check`].
    pub fn check_signed(&self, note: &SignedCheckpoint, keys: &[VerifyingKey]) -> Result<(), AuditError> {
        note.verify_all(keys)?;
        self.check(note.checkpoint())
    }

    /// Which side of a receipt's job this log belongs to.
    #[must_use]
    pub fn turn(&self, receipt: &Receipt) -> Option<Turn> {
        Turn::BOTH.into_iter().find(|turn| receipt.body().side(*turn).log.origin == self.origin)
    }

    /// Checks that this log recorded the job as the receipt says, that the receipt's checkpoint is its own and covers
    /// that record, and that the receipt itself was recorded. Gives the positions of both entries, from 0.
    ///
    /// # Errors
    /// [`AuditError::OtherLog`], [`AuditError::Shorter`], [`AuditError::RootDiffers`],
    /// [`AuditError::ReceiptDiffers`], [`AuditError::ReceiptNotLogged`].
    pub fn check_receipt(&self, receipt: &Receipt) -> Result<[u64; 2], AuditError> {
        let body = receipt.body();
        let turn = self.turn(receipt).ok_or(AuditError::OtherLog)?;
        let head = &body.side(turn).log;
        self.check(head)?;
        let find = |kind: &'static str, fits: &dyn Fn(&Entry) -> bool| {
            let found = self.entries.iter().zip(0..).find(|(entry, _)| entry.kind() == kind && fits(entry));
            found.map(|(entry, index): (_, u64)| (entry, index))
        };
        let (entry, finished) =
            find(FINISHED, &|entry| entry.has("sid", &body.sid)).ok_or(AuditError::ReceiptDiffers)?;
        let [initiator, responder] = &body.sides;
        let same = finished < head.size
            && entry.has("agreement", &body.agreement)
            && entry.has("job_spec", &body.job_spec)
            && entry.has("transcript_initiator", &initiator.transcript)
            && entry.has("transcript_responder", &responder.transcript);
        if !same {
            return Err(AuditError::ReceiptDiffers);
        }
        let digest = receipt.digest();
        let (_, logged) = find(RECEIPT, &|entry| entry.has("receipt", &digest)).ok_or(AuditError::ReceiptNotLogged)?;
        Ok([finished, logged])
    }
}
