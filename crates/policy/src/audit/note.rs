//! Signed notes (C2SP signed-note): a text, a blank line, and signature lines.
//!
//! ```text
//! text, of one or more lines
//!
//! — name base64(key id (4) ‖ signature)
//! ```

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};
use symbolon_primitives::sign::VerifyingKey;

use super::error::AuditError;

const MARK: &str = "\u{2014} ";
const SIGNATURES_MAX: usize = 16;
const NAME_BYTES_MAX: usize = 256;
const SIGNATURE_BYTES_MAX: usize = 128;

/// The type of an Ed25519 signature over the text.
pub(super) const TYPE_ED25519: u8 = 0x01;
/// The type of a timestamped Ed25519 cosignature.
pub(super) const TYPE_COSIGNATURE: u8 = 0x04;

/// SHA-256(name ‖ 0x0A ‖ type ‖ key)[..4]: how a signature line names its key.
pub(super) fn key_id(name: &str, kind: u8, key: &VerifyingKey) -> [u8; 4] {
    let hash = Sha256::new().chain_update(name).chain_update([0x0A, kind]).chain_update(key.to_bytes()).finalize();
    [hash[0], hash[1], hash[2], hash[3]]
}

/// A signature line.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "the three parts of the format")]
pub struct NoteSignature {
    /// Who signs; without blanks and without a plus sign.
    pub name: String,
    /// Names the key and the type of the signature.
    pub key_id: [u8; 4],
    /// The signature, with what its type puts before it.
    pub value: Vec<u8>,
}

impl NoteSignature {
    /// The line, without its end.
    #[must_use]
    pub fn to_line(&self) -> String {
        let bytes = [&self.key_id[..], &self.value].concat();
        format!("{MARK}{} {}", self.name, STANDARD.encode(bytes))
    }

    /// Reads a line, without its end.
    ///
    /// # Errors
    /// [`AuditError::Malformed`].
    pub fn from_line(line: &str) -> Result<Self, AuditError> {
        let malformed = || AuditError::Malformed { what: "signature line" };
        let (name, encoded) = line.strip_prefix(MARK).and_then(|it| it.split_once(' ')).ok_or_else(malformed)?;
        let valid = !name.is_empty()
            && name.len() <= NAME_BYTES_MAX
            && !name.contains(|letter: char| letter.is_whitespace() || letter.is_control() || letter == '+');
        if !valid || encoded.len() > SIGNATURE_BYTES_MAX.div_ceil(3) * 4 {
            return Err(malformed());
        }
        // The engine refuses blanks, missing padding and bits behind the end, so one signature has one text.
        let bytes = STANDARD.decode(encoded).map_err(|_| malformed())?;
        let (key_id, value) = bytes.split_first_chunk::<4>().ok_or_else(malformed)?;
        Ok(Self { name: name.to_owned(), key_id: *key_id, value: value.to_vec() })
    }
}

/// A text with signature lines, none of them verified yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    text: String,
    signatures: Vec<NoteSignature>,
}

impl Note {
    /// A note without signatures.
    ///
    /// # Errors
    /// [`AuditError::Malformed`] when the text does not end a line or has control characters.
    pub fn new(text: &str) -> Result<Self, AuditError> {
        let valid = text.ends_with('\n') && !text.contains(|letter: char| letter.is_control() && letter != '\n');
        if !valid {
            return Err(AuditError::Malformed { what: "note" });
        }
        Ok(Self { text: text.to_owned(), signatures: Vec::new() })
    }

    /// Reads a note of at most `bytes_max` bytes. Signatures are read, not verified.
    ///
    /// # Errors
    /// [`AuditError::TooLong`], [`AuditError::Malformed`].
    pub fn parse(note: &str, bytes_max: usize) -> Result<Self, AuditError> {
        if note.len() > bytes_max {
            return Err(AuditError::TooLong { what: "note", max: bytes_max, got: note.len() });
        }
        let malformed = || AuditError::Malformed { what: "note" };
        let split = note.rfind("\n\n").ok_or_else(malformed)?;
        let mut parsed = Self::new(&note[..=split])?;
        let lines = note[split + 2..].strip_suffix('\n').ok_or_else(malformed)?;
        for line in lines.split('\n') {
            if parsed.signatures.len() == SIGNATURES_MAX {
                return Err(malformed());
            }
            parsed.signatures.push(NoteSignature::from_line(line)?);
        }
        Ok(parsed)
    }

    /// The text that is signed, with the end of its last line.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The signature lines.
    #[must_use]
    pub fn signatures(&self) -> &[NoteSignature] {
        &self.signatures
    }

    /// Adds a line; one that is there already is not added twice, and one by the same key replaces it.
    pub fn add(&mut self, signature: NoteSignature) {
        self.signatures.retain(|held| held.name != signature.name || held.key_id != signature.key_id);
        self.signatures.push(signature);
    }

    /// The line by this name and key.
    #[must_use]
    pub fn find(&self, name: &str, key_id: [u8; 4]) -> Option<&NoteSignature> {
        self.signatures.iter().find(|signature| signature.name == name && signature.key_id == key_id)
    }
}

impl std::fmt::Display for Note {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "{}", self.text)?;
        self.signatures.iter().try_for_each(|signature| writeln!(f, "{}", signature.to_line()))
    }
}
