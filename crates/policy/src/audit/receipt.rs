//! The receipt of a job: what both institutions signed once all messages were exchanged, before anything was matched.
//!
//! The text is the body's canonical line and one signature line of each side:
//!
//! ```text
//! {"kind":"receipt","version":1,"agreement":"..","job_spec":"..", ..}
//! initiator ed25519:..
//! responder ed25519:..
//! ```
//!
//! Nothing in it depends on what matched, unless the agreement grants the count to both.

use std::fmt;

use sha2::{Digest, Sha256};
use symbolon_primitives::kdf::Label;
use symbolon_primitives::sign::{Signature, Signer, VerifyingKey};

use super::checkpoint::{Checkpoint, Origin};
use super::error::AuditError;
use super::record::{Record, Value, Word};
use super::tree::Hash;

/// The largest receipt read, bytes.
pub const RECEIPT_BYTES_MAX: usize = 8 << 10;

const WHAT: &str = "receipt";
const KIND: &str = "receipt";
const VERSION: u64 = 1;

/// Which side of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "a job has two sides")]
pub enum Turn {
    /// The side that asked for the job.
    Initiator,
    /// The side that was asked.
    Responder,
}

impl Turn {
    /// Both, in the order of the text.
    pub const BOTH: [Self; 2] = [Self::Initiator, Self::Responder];

    /// The word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Initiator => "initiator",
            Self::Responder => "responder",
        }
    }

    /// The other side.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::Initiator => Self::Responder,
            Self::Responder => Self::Initiator,
        }
    }

    /// The side's position in the pairs of a receipt.
    #[must_use]
    pub const fn index(self) -> usize {
        match self {
            Self::Initiator => 0,
            Self::Responder => 1,
        }
    }
}

/// What a receipt says about one side.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "built from all its fields; forgetting one must not compile")]
pub struct LogHead {
    /// The organisation key the side signs with.
    pub key: VerifyingKey,
    /// Rows it declared.
    pub rows: u64,
    /// The hash over all frames it sent.
    pub transcript: Hash,
    /// Its log after it recorded the end of the run.
    pub log: Checkpoint,
    /// When it joined the job, by its own clock, milliseconds since the beginning of 1970.
    pub began_unix_millis: u64,
    /// When the last frame was through, by its own clock, milliseconds since the beginning of 1970.
    pub ended_unix_millis: u64,
}

/// What both sides sign.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "built from all its fields; forgetting one must not compile")]
pub struct ReceiptBody {
    /// The agreement.
    pub agreement: Hash,
    /// SHA-256 over LP(offer body) ‖ LP(acceptance body), as they travelled.
    pub job_spec: Hash,
    /// The session.
    pub sid: Hash,
    /// The protocol.
    pub protocol: Word,
    /// The kind of result.
    pub result: Word,
    /// SHA-256 over the statement of what each side learns.
    pub leakage: Hash,
    /// Keys both have, where the agreement grants the number to both.
    pub count: Option<u64>,
    /// Both sides, the initiator first.
    pub sides: [LogHead; 2],
}

impl ReceiptBody {
    /// One side.
    #[must_use]
    pub const fn side(&self, turn: Turn) -> &LogHead {
        &self.sides[turn.index()]
    }

    /// The canonical line, without its end.
    ///
    /// # Errors
    /// [`AuditError::Form`] for a protocol or result that is no word.
    pub fn to_line(&self) -> Result<String, AuditError> {
        let mut record = Record::default();
        record.put("kind", Value::Word(Word::new(KIND)));
        record.put("version", Value::Number(VERSION));
        record.put("agreement", Value::Hash(self.agreement));
        record.put("job_spec", Value::Hash(self.job_spec));
        record.put("sid", Value::Hash(self.sid));
        record.put("protocol", Value::Word(self.protocol.clone()));
        record.put("result", Value::Word(self.result.clone()));
        record.put("leakage", Value::Hash(self.leakage));
        if let Some(count) = self.count {
            record.put("count", Value::Number(count));
        }
        for (side, names) in self.sides.iter().zip(&SIDE_FIELDS) {
            let [key, rows, transcript, log, size, root, began, ended] = *names;
            record.put(key, Value::Hash(side.key.to_bytes()));
            record.put(rows, Value::Number(side.rows));
            record.put(transcript, Value::Hash(side.transcript));
            record.put(log, Value::Hash(*side.log.origin.as_bytes()));
            record.put(size, Value::Number(side.log.size));
            record.put(root, Value::Hash(side.log.root));
            record.put(began, Value::Number(side.began_unix_millis));
            record.put(ended, Value::Number(side.ended_unix_millis));
        }
        record.check()?;
        let mut line = "{".to_owned();
        record.write(&mut line);
        line.push('}');
        Ok(line)
    }

    /// Reads a canonical line, without its end.
    ///
    /// # Errors
    /// [`AuditError::Malformed`]: no other text gives the same body.
    pub fn from_line(line: &str) -> Result<Self, AuditError> {
        let malformed = AuditError::Malformed { what: WHAT };
        let inner = line.strip_prefix('{').and_then(|it| it.strip_suffix('}')).ok_or(malformed)?;
        let fields = Reader(Record::read(inner).map_err(|_| malformed)?);
        let read = || {
            let side = |[key, rows, transcript, log, size, root, began, ended]: [&'static str; 8]| {
                Some(LogHead {
                    key: VerifyingKey::from_bytes(&fields.hash(key)?).ok()?,
                    rows: fields.number(rows)?,
                    transcript: fields.hash(transcript)?,
                    log: Checkpoint {
                        origin: Origin::from_bytes(fields.hash(log)?),
                        size: fields.number(size)?,
                        root: fields.hash(root)?,
                    },
                    began_unix_millis: fields.number(began)?,
                    ended_unix_millis: fields.number(ended)?,
                })
            };
            Some(Self {
                agreement: fields.hash("agreement")?,
                job_spec: fields.hash("job_spec")?,
                sid: fields.hash("sid")?,
                protocol: fields.word("protocol")?,
                result: fields.word("result")?,
                leakage: fields.hash("leakage")?,
                count: fields.number("count"),
                sides: [side(SIDE_FIELDS[0])?, side(SIDE_FIELDS[1])?],
            })
        };
        let body = read().ok_or(malformed)?;
        // Order, names and versions: only the one canonical text is a body.
        if body.to_line()? == line { Ok(body) } else { Err(malformed) }
    }

    /// Signs the body as the side with this key.
    ///
    /// # Errors
    /// As [`ReceiptBody::to_line`]; [`AuditError::KeyUnavailable`] when `key` cannot sign.
    pub fn sign(&self, key: &dyn Signer) -> Result<Signature, AuditError> {
        let signature = key.try_sign(Label::Receipt, &[self.to_line()?.as_bytes()]);
        signature.map_err(|_| AuditError::KeyUnavailable)
    }
}

const SIDE_FIELDS: [[&str; 8]; 2] = [
    [
        "initiator_key",
        "initiator_rows",
        "initiator_transcript",
        "initiator_log",
        "initiator_log_size",
        "initiator_log_root",
        "initiator_began",
        "initiator_ended",
    ],
    [
        "responder_key",
        "responder_rows",
        "responder_transcript",
        "responder_log",
        "responder_log_size",
        "responder_log_root",
        "responder_began",
        "responder_ended",
    ],
];

struct Reader(Record);

impl Reader {
    fn hash(&self, name: &str) -> Option<Hash> {
        match self.0.get(name)? {
            Value::Hash(hash) => Some(*hash),
            _ => None,
        }
    }

    fn number(&self, name: &str) -> Option<u64> {
        match self.0.get(name)? {
            Value::Number(number) => Some(*number),
            _ => None,
        }
    }

    fn word(&self, name: &str) -> Option<Word> {
        match self.0.get(name)? {
            Value::Word(word) => Some(word.clone()),
            _ => None,
        }
    }
}

/// A body with both signatures, each verified: there is no other way to one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    body: ReceiptBody,
    signatures: [Signature; 2],
}

impl Receipt {
    /// Puts both signatures to a body, the initiator's first.
    ///
    /// # Errors
    /// [`AuditError::Signature`] when one of them is not over this body by that side's key.
    pub fn new(body: ReceiptBody, signatures: [Signature; 2]) -> Result<Self, AuditError> {
        let line = body.to_line()?;
        for (side, signature) in body.sides.iter().zip(&signatures) {
            let verified = side.key.verify(Label::Receipt, &[line.as_bytes()], signature);
            verified.map_err(|_| AuditError::Signature { what: WHAT })?;
        }
        Ok(Self { body, signatures })
    }

    /// Reads a receipt and verifies both signatures.
    ///
    /// # Errors
    /// [`AuditError::TooLong`], [`AuditError::Malformed`], [`AuditError::Signature`].
    pub fn parse(text: &str) -> Result<Self, AuditError> {
        if text.len() > RECEIPT_BYTES_MAX {
            return Err(AuditError::TooLong { what: WHAT, max: RECEIPT_BYTES_MAX, got: text.len() });
        }
        let malformed = AuditError::Malformed { what: WHAT };
        let mut lines = text.split('\n');
        let body = ReceiptBody::from_line(lines.next().ok_or(malformed)?)?;
        let mut signature = |turn: Turn| {
            let value = lines.next()?.strip_prefix(turn.as_str())?.strip_prefix(' ')?;
            value.parse::<Signature>().ok()
        };
        let signatures = (signature(Turn::Initiator), signature(Turn::Responder));
        let (Some(initiator), Some(responder), Some(""), None) =
            (signatures.0, signatures.1, lines.next(), lines.next())
        else {
            return Err(malformed);
        };
        Self::new(body, [initiator, responder])
    }

    /// What was signed.
    #[must_use]
    pub const fn body(&self) -> &ReceiptBody {
        &self.body
    }

    /// SHA-256 over the whole text, as logs record it.
    #[must_use]
    pub fn digest(&self) -> Hash {
        Sha256::digest(self.to_string()).into()
    }
}

impl fmt::Display for Receipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.body.to_line().map_err(|_| fmt::Error)?)?;
        Turn::BOTH.iter().try_for_each(|turn| writeln!(f, "{} {}", turn.as_str(), self.signatures[turn.index()]))
    }
}
