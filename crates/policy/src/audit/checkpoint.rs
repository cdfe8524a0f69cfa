//! Checkpoints (C2SP tlog-checkpoint) and cosignatures (C2SP tlog-cosignature, `cosignature/v1`).
//!
//! ```text
//! symbolon.audit/<organisation key that opened the log, hexadecimal>
//! <entries>
//! <base64 of the root>
//!
//! — symbolon.audit/<..> <key id, signature of the log's institution>
//! — symbolon.cosign/<organisation key, hexadecimal> <key id, time, signature of an institution that checked it>
//! ```

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use symbolon_primitives::sign::{SIGNATURE_BYTES, Signature, Signer, VerifyingKey};

use super::error::AuditError;
use super::note::{Note, NoteSignature, TYPE_COSIGNATURE, TYPE_ED25519, key_id};
use super::proof::verify_consistency;
use super::tree::Hash;

/// The largest checkpoint note read, bytes.
pub const CHECKPOINT_BYTES_MAX: usize = 8 << 10;

const ORIGIN_PREFIX: &str = "symbolon.audit/";
const COSIGNER_PREFIX: &str = "symbolon.cosign/";
const WHAT: &str = "checkpoint";

/// Which log it is: the organisation key that opened it. It stays when the key is rotated.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Origin(Hash);

impl Origin {
    /// The log opened by an institution with this organisation key.
    #[must_use]
    pub fn of(key: &VerifyingKey) -> Self {
        Self(key.to_bytes())
    }

    /// The log named by the 32 bytes of the key that opened it.
    #[must_use]
    pub const fn from_bytes(key: Hash) -> Self {
        Self(key)
    }

    /// The 32 bytes of the key that opened it.
    #[must_use]
    pub const fn as_bytes(&self) -> &Hash {
        &self.0
    }

    fn read(line: &str) -> Option<Self> {
        let digits = line.strip_prefix(ORIGIN_PREFIX)?;
        let mut key = [0; 32];
        hex::decode_to_slice(digits, &mut key).ok()?;
        (hex::encode(key) == digits).then_some(Self(key))
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{ORIGIN_PREFIX}{}", hex::encode(self.0))
    }
}

impl fmt::Debug for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// How far a log is and what it hashes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "the three lines of the format")]
pub struct Checkpoint {
    /// Which log.
    pub origin: Origin,
    /// Its entries.
    pub size: u64,
    /// The root of the tree over them.
    pub root: Hash,
}

impl Checkpoint {
    /// The three lines.
    #[must_use]
    pub fn text(&self) -> String {
        format!("{}\n{}\n{}\n", self.origin, self.size, STANDARD.encode(self.root))
    }

    fn read(text: &str) -> Result<Self, AuditError> {
        let read = || {
            let mut lines = text.split('\n');
            let origin = Origin::read(lines.next()?)?;
            let size = lines.next()?.parse().ok()?;
            let root = STANDARD.decode(lines.next()?).ok()?.try_into().ok()?;
            Some(Self { origin, size, root })
        };
        // Leading zeros, a plus sign or a fourth line give another text.
        read().filter(|checkpoint| checkpoint.text() == text).ok_or(AuditError::Malformed { what: WHAT })
    }

    /// Checks by `proof` that this checkpoint goes on from `earlier` of the same log.
    ///
    /// # Errors
    /// [`AuditError::OtherLog`], [`AuditError::Inconsistent`].
    pub fn continues(&self, earlier: &Self, proof: &[Hash]) -> Result<(), AuditError> {
        if self.origin != earlier.origin {
            return Err(AuditError::OtherLog);
        }
        verify_consistency((earlier.size, &earlier.root), (self.size, &self.root), proof)
    }
}

/// When an institution vouched for a checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "who and when")]
pub struct Cosignature {
    /// The institution's organisation key.
    pub key: VerifyingKey,
    /// Seconds since the beginning of 1970.
    pub time_unix_seconds: u64,
}

/// A checkpoint with signature lines. The form is checked when it is read; a signature only by the methods here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedCheckpoint {
    checkpoint: Checkpoint,
    note: Note,
}

impl SignedCheckpoint {
    /// Signs a checkpoint of the own log.
    ///
    /// # Errors
    /// [`AuditError::KeyUnavailable`] when `key` cannot sign.
    pub fn sign(checkpoint: Checkpoint, key: &dyn Signer) -> Result<Self, AuditError> {
        let mut note = Note::new(&checkpoint.text())?;
        let name = checkpoint.origin.to_string();
        let key_id = key_id(&name, TYPE_ED25519, &key.verifying_key());
        let value = signed_text(key, note.text())?.to_bytes().to_vec();
        note.add(NoteSignature { name, key_id, value });
        Ok(Self { checkpoint, note })
    }

    /// Reads a note. Its signatures are not verified yet.
    ///
    /// # Errors
    /// [`AuditError::TooLong`], [`AuditError::Malformed`].
    pub fn parse(note: &str) -> Result<Self, AuditError> {
        let note = Note::parse(note, CHECKPOINT_BYTES_MAX)?;
        Ok(Self { checkpoint: Checkpoint::read(note.text())?, note })
    }

    /// What is stated.
    #[must_use]
    pub const fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// The note.
    #[must_use]
    pub const fn note(&self) -> &Note {
        &self.note
    }

    /// Checks that the log's institution signed it with one of its organisation keys.
    ///
    /// # Errors
    /// [`AuditError::SignatureMissing`] when none of the keys did; [`AuditError::Signature`].
    pub fn verify(&self, keys: &[VerifyingKey]) -> Result<(), AuditError> {
        let name = self.checkpoint.origin.to_string();
        let line = |key: &VerifyingKey| Some((*key, self.note.find(&name, key_id(&name, TYPE_ED25519, key))?));
        let (key, line) = keys.iter().find_map(line).ok_or(AuditError::SignatureMissing { what: WHAT })?;
        let failed = AuditError::Signature { what: WHAT };
        let signature = Signature::from_slice(&line.value).map_err(|_| failed)?;
        key.verify_text(self.note.text(), &signature).map_err(|_| failed)
    }

    /// Vouches for it with the own organisation key. The caller has checked that it goes on from the last one.
    ///
    /// # Errors
    /// [`AuditError::KeyUnavailable`] when `key` cannot sign.
    pub fn cosign(&self, key: &dyn Signer, time_unix_seconds: u64) -> Result<NoteSignature, AuditError> {
        let public = key.verifying_key();
        let name = cosigner(&public);
        let signature = signed_text(key, &cosigned_text(time_unix_seconds, self.note.text()))?;
        let value = [&time_unix_seconds.to_be_bytes()[..], &signature.to_bytes()].concat();
        Ok(NoteSignature { key_id: key_id(&name, TYPE_COSIGNATURE, &public), name, value })
    }

    /// Takes in a cosignature made by the institution with the key `by`.
    ///
    /// # Errors
    /// [`AuditError::Signature`]; nothing is changed then.
    pub fn add(&mut self, line: NoteSignature, by: &VerifyingKey) -> Result<Cosignature, AuditError> {
        let cosignature = self.check(&line, by)?;
        self.note.add(line);
        Ok(cosignature)
    }

    /// The cosignature of the institution with one of these keys.
    ///
    /// # Errors
    /// [`AuditError::SignatureMissing`], [`AuditError::Signature`].
    pub fn cosigned(&self, keys: &[VerifyingKey]) -> Result<Cosignature, AuditError> {
        let line = |key: &VerifyingKey| {
            let name = cosigner(key);
            Some((*key, self.note.find(&name, key_id(&name, TYPE_COSIGNATURE, key))?))
        };
        let (key, line) = keys.iter().find_map(line).ok_or(AuditError::SignatureMissing { what: WHAT })?;
        self.check(line, &key)
    }

    /// Checks every line: each must be the log's own by one of `keys`, or a cosignature by the key in its name.
    ///
    /// # Errors
    /// [`AuditError::Signature`], [`AuditError::SignatureMissing`], [`AuditError::Malformed`] for a line of any other
    /// kind.
    pub fn verify_all(&self, keys: &[VerifyingKey]) -> Result<Vec<Cosignature>, AuditError> {
        self.verify(keys)?;
        let name = self.checkpoint.origin.to_string();
        let own = |line: &NoteSignature| {
            line.name == name && keys.iter().any(|key| key_id(&name, TYPE_ED25519, key) == line.key_id)
        };
        let others = self.note.signatures().iter().filter(|line| !own(line));
        let cosignature = |line: &NoteSignature| {
            let malformed = AuditError::Malformed { what: "signature line" };
            let key = line.name.strip_prefix(COSIGNER_PREFIX).ok_or(malformed)?;
            let bytes: Hash = hex::decode(key).ok().and_then(|it| it.try_into().ok()).ok_or(malformed)?;
            let key = VerifyingKey::from_bytes(&bytes).map_err(|_| malformed)?;
            self.check(line, &key)
        };
        let found: Vec<Cosignature> = others.map(cosignature).collect::<Result<_, _>>()?;
        // Two lines of the log itself would let one of them be anything.
        if found.len() + 1 == self.note.signatures().len() {
            Ok(found)
        } else {
            Err(AuditError::Malformed { what: WHAT })
        }
    }

    fn check(&self, line: &NoteSignature, by: &VerifyingKey) -> Result<Cosignature, AuditError> {
        let failed = AuditError::Signature { what: WHAT };
        let name = cosigner(by);
        if line.name != name || line.key_id != key_id(&name, TYPE_COSIGNATURE, by) {
            return Err(failed);
        }
        let (time, signature) = line.value.split_first_chunk::<8>().ok_or(failed)?;
        let time_unix_seconds = u64::from_be_bytes(*time);
        let signature: &[u8; SIGNATURE_BYTES] = signature.try_into().map_err(|_| failed)?;
        let text = cosigned_text(time_unix_seconds, self.note.text());
        by.verify_text(&text, &Signature::from_bytes(*signature)).map_err(|_| failed)?;
        Ok(Cosignature { key: *by, time_unix_seconds })
    }
}

impl fmt::Display for SignedCheckpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.note.fmt(f)
    }
}

fn cosigner(key: &VerifyingKey) -> String {
    format!("{COSIGNER_PREFIX}{}", hex::encode(key.to_bytes()))
}

fn cosigned_text(time_unix_seconds: u64, text: &str) -> String {
    format!("cosignature/v1\ntime {time_unix_seconds}\n{text}")
}

fn signed_text(key: &dyn Signer, text: &str) -> Result<Signature, AuditError> {
    key.try_sign_text(text).map_err(|_| AuditError::KeyUnavailable)
}
