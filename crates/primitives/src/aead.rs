//! Sealing of single records: AES-256-GCM with a key a column, counter nonces and bound context.
//!
//! # Construction
//! * key = HKDF-Expand(SHA-512, job secret, `symbolon-v1/rec` ‖ LP(sid) ‖ LP(column) ‖ I2OSP(attempt, 4), 32)
//! * nonce = I2OSP(shard, 4) ‖ I2OSP(row, 8)
//! * associated data = LP(agreement) ‖ LP(job) ‖ LP(column) ‖ I2OSP(row, 8) ‖ schema digest (32)
//! * plaintext = I2OSP(length, 4) ‖ value ‖ zeros up to the width of the column, so that every sealed record of a
//!   column has the same length
//!
//! A record opens only at its own place: in its agreement, job, session, schema, column, attempt, shard and row.
//!
//! # Why no nonce repeats
//! A nonce is never given by the caller. [`RecordSealer`] holds the job secret and cannot be copied; it gives every
//! call of [`RecordSealer::column`] an attempt of its own, and with it a key. [`ColumnSealer`] numbers its shards,
//! [`ShardSealer`] its rows, both upwards and each once. What is left to the caller is one duty: two sealers over
//! the same job secret must not start at the same attempt. The job secret is fresh for each job.

use std::collections::BTreeMap;
use std::fmt;

use aes_gcm::aead::AeadInOut;
use aes_gcm::aead::inout::InOutBuf;
use aes_gcm::{Aes256Gcm, KeyInit};

use crate::Error;
use crate::hash::lp;
use crate::kdf::{self, Label};
use crate::secret::{Secret, Seed};

/// Bytes of the authentication tag at the end of every record.
pub const TAG_BYTES: usize = 16;

/// Bytes a sealed record has more than the width of its column: the length of the value and the tag.
pub const RECORD_OVERHEAD_BYTES: usize = LENGTH_BYTES + TAG_BYTES;

/// The widest column.
pub const WIDTH_BYTES_MAX: usize = 1 << 24;

const LENGTH_BYTES: usize = 4;
const NONCE_BYTES: usize = 12;

/// What a record belongs to besides its column and place.
#[derive(Clone, Copy, Debug)]
pub struct RecordContext<'a> {
    /// Identifier of the agreement.
    pub agreement: &'a [u8],
    /// Identifier of the job.
    pub job: &'a [u8],
    /// Session identifier.
    pub sid: &'a [u8; 32],
    /// Digest of the schema of the table.
    pub schema: &'a [u8; 32],
}

/// The parts of a context that outlive the call that gave them.
struct Bound {
    secret: Seed,
    sid: [u8; 32],
    /// LP(agreement) ‖ LP(job)
    prefix: Vec<u8>,
    schema: [u8; 32],
}

impl Bound {
    fn new(secret: Seed, context: &RecordContext<'_>) -> Self {
        let mut prefix = Vec::new();
        lp(&mut prefix, context.agreement);
        lp(&mut prefix, context.job);
        Self { secret, sid: *context.sid, prefix, schema: *context.schema }
    }

    fn column(&self, column: &str, attempt: u32, width: usize) -> Result<Column, Error> {
        if width > WIDTH_BYTES_MAX {
            return Err(Error::LimitExceeded {
                what: "width of a column in bytes",
                max: WIDTH_BYTES_MAX as u64,
                got: width as u64,
            });
        }
        let mut info = Vec::new();
        lp(&mut info, &self.sid);
        lp(&mut info, column.as_bytes());
        info.extend_from_slice(&attempt.to_be_bytes());
        let mut key = Secret::new([0_u8; 32]);
        kdf::hkdf_expand(self.secret.expose(), &[Label::Record.as_bytes(), &info], key.expose_mut())?;

        let mut associated = self.prefix.clone();
        lp(&mut associated, column.as_bytes());
        let row_at = associated.len();
        associated.extend_from_slice(&[0; 8]);
        associated.extend_from_slice(&self.schema);
        Ok(Column { cipher: Aes256Gcm::new(key.expose().into()), associated, row_at, width })
    }
}

/// Cipher and associated data of one column.
#[derive(Clone)]
struct Column {
    cipher: Aes256Gcm,
    associated: Vec<u8>,
    /// Where the row number lies in `associated`.
    row_at: usize,
    width: usize,
}

impl Column {
    const fn sealed_bytes(&self) -> usize {
        self.width + RECORD_OVERHEAD_BYTES
    }

    /// Writes the row into the associated data and gives the nonce.
    fn place(&mut self, shard: u32, row: u64) -> [u8; NONCE_BYTES] {
        self.associated[self.row_at..self.row_at + 8].copy_from_slice(&row.to_be_bytes());
        let mut nonce = [0; NONCE_BYTES];
        nonce[..4].copy_from_slice(&shard.to_be_bytes());
        nonce[4..].copy_from_slice(&row.to_be_bytes());
        nonce
    }

    fn check_sealed_length(&self, got: usize) -> Result<(), Error> {
        if got == self.sealed_bytes() {
            return Ok(());
        }
        Err(Error::Length { what: "sealed record", expected: self.sealed_bytes(), got })
    }

    fn seal(&mut self, shard: u32, row: u64, value: &[u8], out: &mut [u8]) -> Result<(), Error> {
        self.check_sealed_length(out.len())?;
        let too_wide = || Error::LimitExceeded {
            what: "length of a value in bytes",
            max: self.width as u64,
            got: value.len() as u64,
        };
        if value.len() > self.width {
            return Err(too_wide());
        }
        let length = u32::try_from(value.len()).map_err(|_| too_wide())?;
        let nonce = self.place(shard, row);
        let (text, tag) = out.split_at_mut(LENGTH_BYTES + self.width);
        let (head, body) = text.split_at_mut(LENGTH_BYTES);
        let (content, padding) = body.split_at_mut(value.len());
        head.copy_from_slice(&length.to_be_bytes());
        content.copy_from_slice(value);
        padding.fill(0);
        let sealed = self
            .cipher
            .encrypt_inout_detached((&nonce).into(), &self.associated, InOutBuf::from(text))
            .map_err(|_| Error::Misuse { what: "a record within the limits of AES-GCM" })?;
        tag.copy_from_slice(&sealed);
        Ok(())
    }

    fn open<'a>(&mut self, shard: u32, row: u64, sealed: &'a mut [u8]) -> Result<&'a [u8], Error> {
        self.check_sealed_length(sealed.len())?;
        let nonce = self.place(shard, row);
        let (text, tag) = sealed.split_at_mut(LENGTH_BYTES + self.width);
        let tag: &[u8; TAG_BYTES] = (&*tag).try_into().map_err(|_| Error::VerificationFailed)?;
        self.cipher
            .decrypt_inout_detached((&nonce).into(), &self.associated, InOutBuf::from(&mut *text), tag.into())
            .map_err(|_| Error::VerificationFailed)?;
        let malformed = Error::Encoding { what: "record" };
        let Some((head, body)) = text.split_first_chunk::<LENGTH_BYTES>() else { return Err(malformed) };
        let length = usize::try_from(u32::from_be_bytes(*head)).unwrap_or(usize::MAX);
        match body.split_at_checked(length) {
            Some((value, padding)) if padding.iter().all(|byte| *byte == 0) => Ok(value),
            _ => Err(malformed),
        }
    }
}

/// Seals the records of one job. Not to be copied: it is what keeps nonces from repeating.
pub struct RecordSealer {
    bound: Bound,
    attempt_first: u32,
    /// The attempt the next call for a column gets; `None` when they are used up.
    attempts: BTreeMap<String, Option<u32>>,
}

impl RecordSealer {
    /// Starts with the secret of a job, whose columns get the attempts from `attempt_first` upwards.
    ///
    /// # Security
    /// A second sealer over the same secret must start above every attempt of the first; zero is right for a fresh
    /// secret.
    #[must_use]
    pub fn new(job_secret: Seed, context: &RecordContext<'_>, attempt_first: u32) -> Self {
        Self { bound: Bound::new(job_secret, context), attempt_first, attempts: BTreeMap::new() }
    }

    /// Starts sealing a column whose values have at most `width` bytes; sealing it again uses a new attempt.
    ///
    /// # Errors
    /// [`Error::LimitExceeded`] when the column is too wide or no attempt is left.
    pub fn column(&mut self, column: &str, width: usize) -> Result<ColumnSealer, Error> {
        let attempt = self.attempts.get(column).copied().unwrap_or(Some(self.attempt_first));
        let attempt = attempt.ok_or(Error::LimitExceeded {
            what: "attempts to seal a column",
            max: u64::from(u32::MAX),
            got: u64::from(u32::MAX) + 1,
        })?;
        let sealer = ColumnSealer { column: self.bound.column(column, attempt, width)?, attempt, shard_next: Some(0) };
        self.attempts.insert(column.to_owned(), attempt.checked_add(1));
        Ok(sealer)
    }
}

impl fmt::Debug for RecordSealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecordSealer").field("attempts", &self.attempts).finish_non_exhaustive()
    }
}

/// Seals one column under one attempt, in shards that can be worked on in parallel.
pub struct ColumnSealer {
    column: Column,
    attempt: u32,
    shard_next: Option<u32>,
}

impl ColumnSealer {
    /// The attempt, which the other side needs to open the column.
    #[must_use]
    pub const fn attempt(&self) -> u32 {
        self.attempt
    }

    /// Bytes of every sealed record of this column.
    #[must_use]
    pub const fn sealed_bytes(&self) -> usize {
        self.column.sealed_bytes()
    }

    /// Starts the next shard at the row `row_first`.
    ///
    /// # Errors
    /// [`Error::LimitExceeded`] after 2^32 shards.
    pub fn shard(&mut self, row_first: u64) -> Result<ShardSealer, Error> {
        let shard = self.shard_next.ok_or(Error::LimitExceeded {
            what: "shards of a column",
            max: u64::from(u32::MAX) + 1,
            got: u64::from(u32::MAX) + 2,
        })?;
        self.shard_next = shard.checked_add(1);
        Ok(ShardSealer { column: self.column.clone(), shard, row_next: Some(row_first) })
    }
}

impl fmt::Debug for ColumnSealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ColumnSealer").field("attempt", &self.attempt).finish_non_exhaustive()
    }
}

/// Seals consecutive rows of one shard.
pub struct ShardSealer {
    column: Column,
    shard: u32,
    row_next: Option<u64>,
}

impl ShardSealer {
    /// The number of the shard, which the other side needs to open it.
    #[must_use]
    pub const fn shard(&self) -> u32 {
        self.shard
    }

    /// Seals `value` as the next row into `out`, which has the sealed length of the column, and gives the row.
    ///
    /// # Errors
    /// [`Error::Length`] when `out` has another length, [`Error::LimitExceeded`] when the value is longer than the
    /// width of the column or no row number is left. The row is not used up then.
    pub fn seal(&mut self, value: &[u8], out: &mut [u8]) -> Result<u64, Error> {
        let row = self.row_next.ok_or(Error::LimitExceeded { what: "row", max: u64::MAX, got: u64::MAX })?;
        self.column.seal(self.shard, row, value, out)?;
        self.row_next = row.checked_add(1);
        Ok(row)
    }
}

impl fmt::Debug for ShardSealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ShardSealer")
            .field("shard", &self.shard)
            .field("row_next", &self.row_next)
            .finish_non_exhaustive()
    }
}

/// Opens the records of one job.
pub struct RecordOpener(Bound);

impl RecordOpener {
    /// Starts with the secret of a job and the context its records are expected in.
    #[must_use]
    pub fn new(job_secret: Seed, context: &RecordContext<'_>) -> Self {
        Self(Bound::new(job_secret, context))
    }

    /// Starts opening a shard of a column that was sealed under `attempt`.
    ///
    /// # Errors
    /// [`Error::LimitExceeded`] when the column is too wide.
    pub fn shard(&self, column: &str, width: usize, attempt: u32, shard: u32) -> Result<ShardOpener, Error> {
        Ok(ShardOpener { column: self.0.column(column, attempt, width)?, shard })
    }
}

impl fmt::Debug for RecordOpener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RecordOpener(..)")
    }
}

/// Opens rows of one shard, in any order.
pub struct ShardOpener {
    column: Column,
    shard: u32,
}

impl ShardOpener {
    /// Bytes of every sealed record of this column.
    #[must_use]
    pub const fn sealed_bytes(&self) -> usize {
        self.column.sealed_bytes()
    }

    /// Opens the record of `row` in place and gives its value, which lies inside `sealed`.
    ///
    /// # Errors
    /// [`Error::VerificationFailed`] when the record was not sealed for exactly this place, [`Error::Length`] when it
    /// has another length; `sealed` then holds no plaintext. [`Error::Encoding`] when the sealer broke the format.
    pub fn open<'a>(&mut self, row: u64, sealed: &'a mut [u8]) -> Result<&'a [u8], Error> {
        self.column.open(self.shard, row, sealed)
    }
}

impl fmt::Debug for ShardOpener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ShardOpener").field("shard", &self.shard).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
