//! One event in a log.

use chrono::{DateTime, SecondsFormat, Utc};

use super::error::AuditError;
use super::record::{Record, Value, Word};
use super::tree::{Hash, leaf_hash};

/// The longest line of a log, bytes.
pub const ENTRY_BYTES_MAX: usize = 4096;

/// An event: when, what, and what it is about. Fields keep the order in which they were put.
///
/// ```
/// # use symbolon_policy::audit::Entry;
/// # fn example(now: chrono::DateTime<chrono::Utc>, agreement: [u8; 32]) -> Result<(), symbolon_policy::audit::AuditError> {
/// let entry = Entry::new(now, "agreement_suspended").hash("agreement", &agreement).word("by", "operator");
/// let line = entry.to_line()?;
/// assert_eq!(Entry::from_line(&line)?, entry);
/// # Ok(())
/// # }
/// # example(chrono::DateTime::UNIX_EPOCH, [7; 32]).unwrap();
/// ```
///
/// There is no way to put text that was read somewhere into a field: words are the program's own.
///
/// ```compile_fail
/// # use symbolon_policy::audit::Entry;
/// fn name_a_person(entry: Entry, name: &str) -> Entry {
///     entry.word("name", name)
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    time: DateTime<Utc>,
    kind: Word,
    salt: [u8; 16],
    fields: Record,
}

impl Entry {
    /// An event of a kind, at a time that is kept to the millisecond. Kinds are words in lower snake case that never
    /// change their meaning.
    #[must_use]
    pub fn new(time: DateTime<Utc>, kind: &'static str) -> Self {
        let millis = time.timestamp_millis();
        let time = DateTime::from_timestamp_millis(millis).unwrap_or(DateTime::UNIX_EPOCH);
        Self { time, kind: Word::new(kind), salt: [0; 16], fields: Record::default() }
    }

    /// Adds a hash, a public key or a session.
    #[must_use]
    pub fn hash(self, name: &'static str, hash: &Hash) -> Self {
        self.put(name, Value::Hash(*hash))
    }

    /// Adds a random identity, such as a job's.
    #[must_use]
    pub fn id(self, name: &'static str, id: &[u8; 16]) -> Self {
        self.put(name, Value::Id(*id))
    }

    /// Adds a number.
    #[must_use]
    pub fn number(self, name: &'static str, number: u64) -> Self {
        self.put(name, Value::Number(number))
    }

    /// Adds a stable word.
    #[must_use]
    pub fn word(self, name: &'static str, word: &'static str) -> Self {
        self.put(name, Value::Word(Word::new(word)))
    }

    /// Hides what is inside from those who see the hash: 16 fresh random bytes, set by whoever appends.
    #[must_use]
    pub const fn salted(mut self, salt: [u8; 16]) -> Self {
        self.salt = salt;
        self
    }

    fn put(mut self, name: &'static str, value: Value) -> Self {
        self.fields.put(name, value);
        self
    }

    /// When it happened, to the millisecond.
    #[must_use]
    pub const fn time(&self) -> DateTime<Utc> {
        self.time
    }

    /// What happened.
    #[must_use]
    pub fn kind(&self) -> &str {
        self.kind.as_str()
    }

    /// The value of a field.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.fields.get(name)
    }

    /// The fields in order.
    pub fn fields(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.fields.0.iter().map(|(name, value)| (name.as_str(), value))
    }

    /// The canonical line, without its end: the leaf of the tree.
    ///
    /// # Errors
    /// [`AuditError::Form`] for a kind, name or word of another form than allowed, a name used twice or too many
    /// fields; [`AuditError::TooLong`].
    pub fn to_line(&self) -> Result<String, AuditError> {
        let mut record = Record::default();
        record.put("kind", Value::Word(self.kind.clone()));
        record.put("salt", Value::Id(self.salt));
        record.0.extend(self.fields.0.iter().cloned());
        record.check()?;
        if record.get("time").is_some() {
            return Err(AuditError::Form);
        }
        let mut line = format!("{{\"time\":\"{}\",", self.time.to_rfc3339_opts(SecondsFormat::Millis, true));
        record.write(&mut line);
        line.push('}');
        check_length(&line)?;
        Ok(line)
    }

    /// Reads a canonical line, without its end.
    ///
    /// # Errors
    /// [`AuditError::TooLong`], [`AuditError::Malformed`]: no other text gives the same entry.
    pub fn from_line(line: &str) -> Result<Self, AuditError> {
        check_length(line)?;
        let malformed = || AuditError::Malformed { what: "entry" };
        let inner = line.strip_prefix("{\"time\":\"").and_then(|it| it.strip_suffix('}')).ok_or_else(malformed)?;
        let (time, rest) = inner.split_once("\",").ok_or_else(malformed)?;
        let time = DateTime::parse_from_rfc3339(time).map_err(|_| malformed())?.to_utc();
        let mut record = Record::read(rest).map_err(|_| malformed())?;
        if record.0.len() < 2 || record.0[0].0.as_str() != "kind" || record.0[1].0.as_str() != "salt" {
            return Err(malformed());
        }
        let fields = Record(record.0.split_off(2));
        let entry = match (record.0.swap_remove(0).1, record.0.swap_remove(0).1) {
            (Value::Word(kind), Value::Id(salt)) => Self { time, kind, salt, fields },
            _ => return Err(malformed()),
        };
        // Whatever the reader lets pass, only the one canonical text is an entry.
        if entry.to_line().is_ok_and(|again| again == line) { Ok(entry) } else { Err(malformed()) }
    }

    /// The hash of the entry as a leaf.
    ///
    /// # Errors
    /// As [`Entry::to_line`].
    pub fn leaf_hash(&self) -> Result<Hash, AuditError> {
        Ok(leaf_hash(self.to_line()?.as_bytes()))
    }
}

const fn check_length(line: &str) -> Result<(), AuditError> {
    if line.len() > ENTRY_BYTES_MAX {
        return Err(AuditError::TooLong { what: "entry", max: ENTRY_BYTES_MAX, got: line.len() });
    }
    Ok(())
}
