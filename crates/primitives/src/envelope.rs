//! Sealed files: a key sealed and signed for one institution, then the content as a stream under that key.
//!
//! # Format
//! `symbolon` (8) ‖ version (2) ‖ recipient key id (32) ‖ length of the header (4) ‖ header ‖ stream
//!
//! The header is a [`Sealed`] with a fresh 32-byte key; the stream is that of [`crate::stream`]. Version and context
//! are bound to both, so a file opens for its recipient, from its sender and in its [`FileContext`] only: it cannot
//! be replayed into another job or column.
//!
//! # What it proves
//! The recipient knows that the file comes from the sender, whole and unchanged. The recipient cannot prove that to
//! others: whoever knows the key can write another stream under it.
//!
//! # Errors while opening
//! Only verified chunks are written, but an error in the middle leaves the chunks before it written. A caller that
//! opens into a file removes that file on error.

use std::io::{BufRead, ErrorKind, Read, Write};

use crate::Error;
use crate::hash::lp;
use crate::hpke::{SEALED_BYTES_MAX, Sealed, SealingKey, SealingPublicKey};
use crate::kdf::Label;
use crate::secret::{Secret, Seed};
use crate::sign::{Signer, VerifyingKey};
use crate::stream::{CHUNK_BYTES, Decryptor, Encryptor};

/// The first bytes of every sealed file.
pub const MAGIC: [u8; 8] = *b"symbolon";

/// The version of the format that is written.
pub const VERSION: u16 = 1;

/// The longest header that is read.
pub const HEADER_BYTES_MAX: usize = SEALED_BYTES_MAX;

const KEY_ID_BYTES: usize = 32;
const WHAT: &str = "sealed file";

/// What a file belongs to. Both sides state it; a file sealed under one context opens under no other.
///
/// A field that does not apply is empty.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FileContext<'a> {
    /// Identifier of the agreement.
    pub agreement: &'a [u8],
    /// Identifier of the job.
    pub job: &'a [u8],
    /// Session identifier of the job.
    pub sid: &'a [u8],
    /// From whom to whom the file goes.
    pub direction: &'a str,
    /// Table or column it holds.
    pub dataset: &'a str,
    /// Digest of the schema of the content.
    pub schema: &'a [u8],
    /// Identifier of the key hierarchy's key it belongs under.
    pub key_id: &'a str,
    /// Media type of the content.
    pub content_type: &'a str,
}

impl FileContext<'_> {
    /// `symbolon-v1/file` ‖ LP of each field, in the order of their declaration.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Label::File.as_bytes().to_vec();
        for field in [
            self.agreement,
            self.job,
            self.sid,
            self.direction.as_bytes(),
            self.dataset.as_bytes(),
            self.schema,
            self.key_id.as_bytes(),
            self.content_type.as_bytes(),
        ] {
            lp(&mut out, field);
        }
        out
    }

    /// What key and stream are bound to.
    fn bound(&self) -> Vec<u8> {
        [MAGIC.as_slice(), &VERSION.to_be_bytes(), &self.encode()].concat()
    }
}

/// Seals all that `reader` gives for `recipient`, and gives the number of bytes of content.
///
/// # Errors
/// [`Error::Io`] from either side, [`Error::Environment`] without randomness, [`Error::Encoding`] for a key nothing
/// can be sealed to, [`Error::LimitExceeded`] at 4 PiB.
pub fn seal<R: Read, W: Write>(
    mut reader: R,
    writer: W,
    recipient: &SealingPublicKey,
    sender: &dyn Signer,
    context: &FileContext<'_>,
) -> Result<u64, Error> {
    let mut stream = encryptor(writer, recipient, sender, context)?;
    let mut buffer = Secret::new(vec![0; 4 * CHUNK_BYTES]);
    let mut total = 0;
    loop {
        match reader.read(buffer.expose_mut()) {
            Ok(0) => break,
            Ok(count) => {
                stream.write_all(&buffer.expose()[..count])?;
                total += count as u64;
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error.into()),
        }
    }
    stream.finish()?;
    Ok(total)
}

/// Opens a file that `sender` sealed for `recipient` in `context` into `writer`, and gives the bytes of content.
///
/// # Errors
/// Those of [`decryptor`]; [`Error::Truncated`] and [`Error::VerificationFailed`] when the content is not what was
/// sealed. What is written then is a part of the content and is to be removed.
pub fn open<R: Read, W: Write>(
    reader: R,
    mut writer: W,
    recipient: &SealingKey,
    sender: &VerifyingKey,
    context: &FileContext<'_>,
) -> Result<u64, Error> {
    let mut stream = decryptor(reader, recipient, sender, context)?;
    let mut total = 0;
    loop {
        let text = stream.fill_buf()?;
        if text.is_empty() {
            break;
        }
        writer.write_all(text)?;
        let count = text.len();
        stream.consume(count);
        total += count as u64;
    }
    writer.flush()?;
    Ok(total)
}

/// Writes the header of a file sealed for `recipient` and gives the stream its content is written to.
///
/// # Errors
/// [`Error::Io`] from `writer`, [`Error::Environment`] without randomness, [`Error::Encoding`] for a key nothing can
/// be sealed to.
pub fn encryptor<W: Write>(
    mut writer: W,
    recipient: &SealingPublicKey,
    sender: &dyn Signer,
    context: &FileContext<'_>,
) -> Result<Encryptor<W>, Error> {
    let bound = context.bound();
    let key = Seed::random()?;
    let header = recipient.seal(sender, &bound, key.expose())?.encode();
    let mut front = [MAGIC.as_slice(), &VERSION.to_be_bytes(), &recipient.id()].concat();
    lp(&mut front, &header);
    writer.write_all(&front)?;
    Encryptor::new(writer, &key, &bound)
}

/// Reads and verifies the header of a sealed file and gives the stream its content is read from.
///
/// # Errors
/// [`Error::Encoding`] when this is no sealed file or one of another version, [`Error::LimitExceeded`] for a header
/// beyond [`HEADER_BYTES_MAX`], [`Error::Truncated`] when it ends early, [`Error::WrongKeyOrContext`] when it is for
/// another recipient, [`Error::VerificationFailed`] when it is from another sender, in another context or changed.
pub fn decryptor<R: Read>(
    mut reader: R,
    recipient: &SealingKey,
    sender: &VerifyingKey,
    context: &FileContext<'_>,
) -> Result<Decryptor<R>, Error> {
    if take::<{ MAGIC.len() }>(&mut reader)? != MAGIC {
        return Err(Error::Encoding { what: WHAT });
    }
    if u16::from_be_bytes(take(&mut reader)?) != VERSION {
        return Err(Error::Encoding { what: "sealed file of this version" });
    }
    // Not secret: who a file is for stands in it.
    if take::<KEY_ID_BYTES>(&mut reader)? != recipient.public_key().id() {
        return Err(Error::WrongKeyOrContext);
    }
    let length = u32::from_be_bytes(take(&mut reader)?);
    let limit = Error::LimitExceeded {
        what: "header of a sealed file in bytes",
        max: HEADER_BYTES_MAX as u64,
        got: length.into(),
    };
    let length = usize::try_from(length).ok().filter(|length| *length <= HEADER_BYTES_MAX).ok_or(limit)?;
    let mut header = vec![0; length];
    fill(&mut reader, &mut header)?;
    let bound = context.bound();
    let key = recipient.open(sender, &bound, &Sealed::decode(&header)?)?;
    let mut seed = Secret::new([0; 32]);
    if key.expose().len() != seed.expose().len() {
        return Err(Error::Encoding { what: WHAT });
    }
    seed.expose_mut().copy_from_slice(key.expose());
    Decryptor::new(reader, &seed, &bound)
}

fn take<const N: usize>(reader: &mut impl Read) -> Result<[u8; N], Error> {
    let mut bytes = [0; N];
    fill(reader, &mut bytes)?;
    Ok(bytes)
}

fn fill(reader: &mut impl Read, out: &mut [u8]) -> Result<(), Error> {
    reader.read_exact(out).map_err(|error| match error.kind() {
        ErrorKind::UnexpectedEof => Error::Truncated { what: WHAT },
        _ => error.into(),
    })
}

#[cfg(test)]
mod tests;
