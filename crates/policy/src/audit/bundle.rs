//! Verifying what an institution exported, from the exported texts alone.
//!
//! A verifier is given one export, or those of both parties. Every check says what it looked at and how it came out;
//! nothing is passed over because it does not parse.

use symbolon_primitives::sign::VerifyingKey;

use super::checkpoint::{Checkpoint, SignedCheckpoint};
use super::error::AuditError;
use super::log::Log;
use super::receipt::Receipt;
use super::record::Value;
use super::tree::Hash;

/// The parts of an export, as texts with the names of their files.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "built from all its fields; forgetting one must not compile")]
pub struct Bundle {
    /// What the export is called in reports.
    pub name: String,
    /// The log, all of it.
    pub log: Vec<u8>,
    /// The log's own checkpoint, which must cover all of it.
    pub checkpoint: Vec<u8>,
    /// Earlier checkpoints of the log that partners vouched for.
    pub cosigned: Vec<(String, Vec<u8>)>,
    /// Checkpoints of partners' logs that this institution vouched for.
    pub seen: Vec<(String, Vec<u8>)>,
    /// Checkpoints of partners' logs that contradict what was seen before.
    pub conflicts: Vec<(String, Vec<u8>)>,
    /// Receipts.
    pub receipts: Vec<(String, Vec<u8>)>,
    /// The institution's organisation key as the verifier knows it; without it the log's word is taken.
    pub pinned: Option<VerifyingKey>,
    /// Organisation keys of partners as the verifier or the export knows them.
    pub partners: Vec<VerifyingKey>,
}

/// What was checked, and how it came out.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "what a report prints")]
pub struct Check {
    /// The file or thing looked at.
    pub subject: String,
    /// What was asked, as a statement that is true when the check passed.
    pub statement: String,
    /// Why it is not true.
    pub failure: Option<AuditError>,
}

impl Check {
    fn new(subject: &str, statement: impl Into<String>, outcome: Result<(), AuditError>) -> Self {
        Self { subject: subject.to_owned(), statement: statement.into(), failure: outcome.err() }
    }

    /// Whether it passed.
    #[must_use]
    pub const fn passed(&self) -> bool {
        self.failure.is_none()
    }
}

/// An export whose log and checkpoint hold, ready to be compared with another.
struct Opened<'a> {
    bundle: &'a Bundle,
    log: Log,
    keys: Vec<VerifyingKey>,
}

impl Bundle {
    /// Checks everything in the export against its log, and the log against its checkpoint.
    #[must_use]
    pub fn verify(&self) -> Vec<Check> {
        let mut checks = Vec::new();
        if let Some(opened) = self.open(&mut checks) {
            opened.check_cosigned(&mut checks);
            opened.check_seen(&mut checks);
            opened.check_receipts(&mut checks);
        }
        checks
    }

    /// Checks what two exports say about each other: two of one log, an earlier and a later one; or those of two
    /// parties, each of which has seen the other's log. A history that was shown to one party and differs from the one
    /// exported to the verifier is found here.
    #[must_use]
    pub fn compare(&self, other: &Self) -> Vec<Check> {
        let mut checks = Vec::new();
        // What does not open fails in `verify` already, and is repeated here so that a comparison alone is not empty.
        let (Some(one), Some(two)) = (self.open(&mut checks), other.open(&mut checks)) else { return checks };
        checks.clear();
        if one.log.origin() == two.log.origin() {
            one.same_log(&two, &mut checks);
        } else {
            one.against(&two, &mut checks);
            two.against(&one, &mut checks);
        }
        checks
    }

    fn open(&self, checks: &mut Vec<Check>) -> Option<Opened<'_>> {
        let log = Log::read(&self.log);
        let entries = log.as_ref().map_or(0, |log| log.tree().size());
        let statement = format!("every line is an entry in its one canonical form ({entries} entries)");
        checks.push(Check::new(&self.subject("log.jsonl"), statement, log.as_ref().map(drop).map_err(|error| *error)));
        let log = log.ok()?;
        let mut keys = log.keys();
        let known = match self.pinned {
            Some(pinned) if !keys.contains(&pinned) => Err(AuditError::OtherLog),
            _ => Ok(()),
        };
        if self.pinned.is_some() {
            checks.push(Check::new(&self.subject("log.jsonl"), "the log is that of the key given", known));
        }
        keys.extend(self.pinned);
        let whole = checkpoint(&self.checkpoint).and_then(|note| {
            log.check_signed(&note, &keys)?;
            let (expected, got) = (log.tree().size(), note.checkpoint().size);
            if expected == got { Ok(()) } else { Err(AuditError::Shorter { expected, got }) }
        });
        let statement = "the institution's signature covers every entry of the log, and no other content";
        checks.push(Check::new(&self.subject("checkpoint"), statement, whole));
        known.is_ok().then_some(Opened { bundle: self, log, keys })
    }

    fn subject(&self, file: &str) -> String {
        if self.name.is_empty() { file.to_owned() } else { format!("{}/{file}", self.name) }
    }
}

impl Opened<'_> {
    fn check_cosigned(&self, checks: &mut Vec<Check>) {
        for (file, bytes) in &self.bundle.cosigned {
            let outcome = checkpoint(bytes).and_then(|note| {
                self.log.check_signed(&note, &self.keys)?;
                let vouched = note.verify_all(&self.keys)?;
                if vouched.is_empty() { Err(AuditError::SignatureMissing { what: "checkpoint" }) } else { Ok(()) }
            });
            let statement = "the log still begins with what a partner vouched for";
            checks.push(Check::new(&self.bundle.subject(file), statement, outcome));
        }
    }

    fn check_seen(&self, checks: &mut Vec<Check>) {
        let mut known: Vec<Checkpoint> = Vec::new();
        for (file, bytes) in &self.bundle.seen {
            let outcome = self.seen(bytes).and_then(|seen| {
                let differs = |other: &Checkpoint| {
                    other.origin == seen.origin && other.size == seen.size && other.root != seen.root
                };
                if known.iter().any(differs) {
                    return Err(AuditError::Inconsistent { old: seen.size, new: seen.size });
                }
                known.push(seen);
                Ok(())
            });
            let statement = "the partner signed this end of its log, and this institution vouched for it";
            checks.push(Check::new(&self.bundle.subject(file), statement, outcome));
        }
        for (file, bytes) in &self.bundle.conflicts {
            let outcome = checkpoint(bytes).and_then(|note| {
                note.verify_all(&self.bundle.partners)?;
                let size = note.checkpoint().size;
                Err(AuditError::Inconsistent { old: size, new: size })
            });
            let statement = "no partner signed an end of its log that contradicts what it showed before";
            checks.push(Check::new(&self.bundle.subject(file), statement, outcome));
        }
    }

    fn seen(&self, bytes: &[u8]) -> Result<Checkpoint, AuditError> {
        let note = checkpoint(bytes)?;
        note.verify_all(&self.bundle.partners)?;
        note.cosigned(&self.keys)?;
        Ok(*note.checkpoint())
    }

    fn check_receipts(&self, checks: &mut Vec<Check>) {
        let mut found: Vec<Hash> = Vec::new();
        for (file, bytes) in &self.bundle.receipts {
            let outcome = receipt(bytes).and_then(|receipt| {
                found.push(receipt.digest());
                self.check_receipt(&receipt)
            });
            let statement = "both institutions signed the receipt, and the log recorded the job as it says";
            checks.push(Check::new(&self.bundle.subject(file), statement, outcome));
        }
        for entry in self.log.entries().iter().filter(|entry| entry.kind() == "receipt") {
            if let Some(Value::Hash(digest)) = entry.get("receipt")
                && !found.contains(digest)
            {
                let subject = self.bundle.subject(&format!("receipts/{}", hex::encode(digest)));
                let missing = Err(AuditError::ReceiptMissing);
                checks.push(Check::new(&subject, "every receipt the log records is in the export", missing));
            }
        }
    }

    fn check_receipt(&self, receipt: &Receipt) -> Result<(), AuditError> {
        let turn = self.log.turn(receipt).ok_or(AuditError::OtherLog)?;
        if !self.keys.contains(&receipt.body().side(turn).key) {
            return Err(AuditError::Signature { what: "receipt" });
        }
        self.log.check_receipt(receipt).map(drop)
    }

    /// The shorter log must begin the longer one.
    fn same_log(&self, other: &Self, checks: &mut Vec<Check>) {
        let (short, long) =
            if self.log.tree().size() <= other.log.tree().size() { (self, other) } else { (other, self) };
        let head = short.log.checkpoint();
        let statement = format!(
            "both exports are of one log, and the longer one continues the {} entries of the shorter",
            head.size
        );
        checks.push(Check::new(&long.bundle.subject("log.jsonl"), statement, long.log.check(&head)));
    }

    /// Holds this log against what the other party saw of it and signed about it.
    fn against(&self, other: &Self, checks: &mut Vec<Check>) {
        let name = self.bundle.subject("log.jsonl");
        let notes = other.bundle.seen.iter().chain(&other.bundle.conflicts);
        let mut seen = 0_u64;
        for (file, bytes) in notes {
            let Ok(note) = checkpoint(bytes) else { continue };
            if note.checkpoint().origin != self.log.origin() {
                continue;
            }
            seen += 1;
            let outcome = self.log.check_signed(&note, &self.keys);
            let statement =
                format!("the log shown to the other party ({}) is the one exported", other.bundle.subject(file));
            checks.push(Check::new(&name, statement, outcome));
        }
        let statement = "the other party has checkpoints of this log";
        let missing = if seen > 0 { Ok(()) } else { Err(AuditError::NothingSeen) };
        checks.push(Check::new(&name, statement, missing));
        for (file, bytes) in &other.bundle.receipts {
            let Ok(receipt) = receipt(bytes) else { continue };
            if self.log.turn(&receipt).is_some() {
                let statement =
                    format!("the other party's receipt ({}) is in this log too", other.bundle.subject(file));
                checks.push(Check::new(&name, statement, self.check_receipt(&receipt)));
            }
        }
    }
}

fn text(bytes: &[u8]) -> Result<&str, AuditError> {
    std::str::from_utf8(bytes).map_err(|_| AuditError::Malformed { what: "text" })
}

fn checkpoint(bytes: &[u8]) -> Result<SignedCheckpoint, AuditError> {
    SignedCheckpoint::parse(text(bytes)?)
}

fn receipt(bytes: &[u8]) -> Result<Receipt, AuditError> {
    Receipt::parse(text(bytes)?)
}
