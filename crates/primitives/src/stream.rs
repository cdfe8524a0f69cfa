//! Encryption of files and long streams: C2SP chunked-encryption v1 as Cobblestone-256, in constant memory.
//!
//! # Format
//! key (32) ‖ base nonce (12) ‖ commitment (32) = HKDF-Expand(SHA-512, prk = input key,
//! info = `c2sp.org/chunked-encryption@v1+AEAD_AES_256_GCM` ‖ 0x00 ‖ salt ‖ context)
//!
//! stream = salt (24, random) ‖ commitment ‖ chunk 0 ‖ chunk 1 ‖ ..
//!
//! A chunk is 16 KiB of plaintext under AES-256-GCM with its 16-byte tag; its nonce is the base nonce XOR its index,
//! and it has no associated data. The last chunk is always shorter than 16 KiB and may be empty, so the end of a
//! stream is recognised by its own shape.
//!
//! # What is caught
//! * another key or another context, by the commitment, compared in constant time before anything is decrypted:
//!   [`Error::WrongKeyOrContext`];
//! * a stream cut off between chunks or within a tag: [`Error::Truncated`];
//! * every other change, cut, extension or exchange of chunks: [`Error::VerificationFailed`].
//!
//! No byte of a chunk is given out before its tag is verified, and the end of the stream is reported only after the
//! last chunk is verified. What was read before an error is authentic but incomplete: a caller that writes it
//! somewhere removes it again. After an error a reader gives errors only.
//!
//! # Limits
//! A stream has fewer than 2^38 chunks (4 PiB). One input key serves 2^45 streams of 1 GiB.
//!
//! # References
//! [c2sp.org/chunked-encryption](https://c2sp.org/chunked-encryption), version 1.

use std::fmt;
use std::io::{self, BufRead, ErrorKind, Read, Seek, SeekFrom, Write};
use std::ops::Range;

use aes_gcm::aead::AeadInOut;
use aes_gcm::aead::inout::InOutBuf;
use aes_gcm::{Aes256Gcm, KeyInit};
use subtle::ConstantTimeEq;

use crate::Error;
use crate::kdf;
use crate::secret::{Secret, Seed};

/// Bytes of plaintext in every chunk but the last.
pub const CHUNK_BYTES: usize = 16 * 1024;

/// Bytes before the first chunk: salt and commitment.
pub const HEADER_BYTES: usize = SALT_BYTES + COMMITMENT_BYTES;

/// Bytes of the tag each chunk ends with.
pub const TAG_BYTES: usize = 16;

/// A stream has fewer chunks than this.
pub const CHUNKS_MAX: u64 = 1 << 38;

const SALT_BYTES: usize = 24;
const COMMITMENT_BYTES: usize = 32;
const KEY_BYTES: usize = 32;
const NONCE_BYTES: usize = 12;
const SEALED_CHUNK_BYTES: usize = CHUNK_BYTES + TAG_BYTES;
const INFO: &[u8] = b"c2sp.org/chunked-encryption@v1+AEAD_AES_256_GCM\0";

const AFTER_ERROR: Error = Error::Misuse { what: "use of a stream after it gave an error" };

/// Bytes of the stream that `plaintext_bytes` of plaintext become.
#[must_use]
pub const fn sealed_bytes(plaintext_bytes: u64) -> u64 {
    let chunks = plaintext_bytes / CHUNK_BYTES as u64 + 1;
    plaintext_bytes.saturating_add(chunks.saturating_mul(TAG_BYTES as u64)).saturating_add(HEADER_BYTES as u64)
}

/// Cipher and nonces of one stream.
struct Keys {
    cipher: Aes256Gcm,
    base_nonce: Secret<[u8; NONCE_BYTES]>,
}

impl Keys {
    fn derive(key: &Seed, salt: &[u8; SALT_BYTES], context: &[u8]) -> Result<(Self, [u8; COMMITMENT_BYTES]), Error> {
        let mut derived = Secret::new([0_u8; KEY_BYTES + NONCE_BYTES + COMMITMENT_BYTES]);
        kdf::hkdf_expand(key.expose(), &[INFO, salt, context], derived.expose_mut())?;
        let (cipher_key, rest) = derived.expose().split_at(KEY_BYTES);
        let (nonce, committed) = rest.split_at(NONCE_BYTES);
        let mut base_nonce = Secret::new([0; NONCE_BYTES]);
        base_nonce.expose_mut().copy_from_slice(nonce);
        let mut commitment = [0; COMMITMENT_BYTES];
        commitment.copy_from_slice(committed);
        let cipher = Aes256Gcm::new_from_slice(cipher_key).map_err(|_| Error::Misuse { what: "a key of 32 bytes" })?;
        Ok((Self { cipher, base_nonce }, commitment))
    }

    fn nonce(&self, chunk: u64) -> Result<[u8; NONCE_BYTES], Error> {
        if chunk >= CHUNKS_MAX {
            return Err(Error::LimitExceeded { what: "chunks of a stream", max: CHUNKS_MAX - 1, got: chunk });
        }
        let mut nonce = *self.base_nonce.expose();
        for (byte, counter) in nonce[NONCE_BYTES - 8..].iter_mut().zip(chunk.to_be_bytes()) {
            *byte ^= counter;
        }
        Ok(nonce)
    }

    fn seal(&self, chunk: u64, text: InOutBuf<'_, '_, u8>) -> Result<[u8; TAG_BYTES], Error> {
        let nonce = self.nonce(chunk)?;
        let tag = self.cipher.encrypt_inout_detached((&nonce).into(), &[], text);
        tag.map(Into::into).map_err(|_| Error::Misuse { what: "a chunk within the limits of AES-GCM" })
    }

    /// Opens a chunk in place and gives the length of its plaintext.
    fn open(&self, chunk: u64, sealed: &mut [u8]) -> Result<usize, Error> {
        let nonce = self.nonce(chunk)?;
        let Some((text, tag)) = sealed.split_last_chunk_mut::<TAG_BYTES>() else {
            return Err(Error::Truncated { what: "stream" });
        };
        self.cipher
            .decrypt_inout_detached((&nonce).into(), &[], InOutBuf::from(&mut *text), (&*tag).into())
            .map_err(|_| Error::VerificationFailed)?;
        Ok(text.len())
    }
}

/// Encrypts what is written to it into `W`; [`Encryptor::finish`] writes the end.
///
/// A stream that is dropped unfinished lacks its last chunk, so no reader takes it for a whole one.
#[must_use = "a stream that is not finished is refused by every reader"]
pub struct Encryptor<W: Write> {
    writer: W,
    keys: Keys,
    /// Plaintext of the chunk being filled, and the place where it is sealed.
    buffer: Secret<Vec<u8>>,
    filled: usize,
    chunk_next: u64,
    /// Set while a chunk is on its way out: if that fails, how much arrived is unknown.
    broken: bool,
}

impl<W: Write> Encryptor<W> {
    /// Starts a stream under `key`, bound to `context`, and writes its header.
    ///
    /// # Errors
    /// [`Error::Environment`] without randomness for the salt, [`Error::Io`] from `writer`.
    pub fn new(writer: W, key: &Seed, context: &[u8]) -> Result<Self, Error> {
        let mut salt = [0; SALT_BYTES];
        getrandom::fill(&mut salt).map_err(|_| Error::Environment { what: "system randomness" })?;
        Self::with_salt(writer, key, context, &salt)
    }

    fn with_salt(mut writer: W, key: &Seed, context: &[u8], salt: &[u8; SALT_BYTES]) -> Result<Self, Error> {
        let (keys, commitment) = Keys::derive(key, salt, context)?;
        writer.write_all(salt)?;
        writer.write_all(&commitment)?;
        let buffer = Secret::new(vec![0; CHUNK_BYTES]);
        Ok(Self { writer, keys, buffer, filled: 0, chunk_next: 0, broken: false })
    }

    /// Seals the last chunk, flushes and gives the writer back.
    ///
    /// # Errors
    /// [`Error::Io`] from the writer, [`Error::Misuse`] after an earlier error, [`Error::LimitExceeded`] for too many
    /// chunks.
    pub fn finish(mut self) -> Result<W, Error> {
        self.check()?;
        let text = &mut self.buffer.expose_mut()[..self.filled];
        let tag = self.keys.seal(self.chunk_next, InOutBuf::from(&mut *text))?;
        self.writer.write_all(text)?;
        self.writer.write_all(&tag)?;
        self.writer.flush()?;
        Ok(self.writer)
    }

    const fn check(&self) -> Result<(), Error> {
        if self.broken { Err(AFTER_ERROR) } else { Ok(()) }
    }

    /// Seals a full chunk, from `direct` if given and else from the buffer, and writes it.
    fn write_chunk(&mut self, direct: Option<&[u8]>) -> Result<(), Error> {
        self.broken = true;
        let buffer = self.buffer.expose_mut().as_mut_slice();
        let text = match direct {
            Some(plaintext) => {
                InOutBuf::new(plaintext, &mut *buffer).map_err(|_| Error::Misuse { what: "a full chunk" })?
            }
            None => InOutBuf::from(&mut *buffer),
        };
        let tag = self.keys.seal(self.chunk_next, text)?;
        self.chunk_next += 1;
        self.filled = 0;
        self.writer.write_all(buffer)?;
        self.writer.write_all(&tag)?;
        self.broken = false;
        Ok(())
    }
}

impl<W: Write> Write for Encryptor<W> {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        self.check().map_err(Error::into_io)?;
        if self.filled == 0
            && let Some((chunk, _)) = data.split_at_checked(CHUNK_BYTES)
        {
            self.write_chunk(Some(chunk)).map_err(Error::into_io)?;
            return Ok(CHUNK_BYTES);
        }
        let count = data.len().min(CHUNK_BYTES - self.filled);
        self.buffer.expose_mut()[self.filled..self.filled + count].copy_from_slice(&data[..count]);
        self.filled += count;
        if self.filled == CHUNK_BYTES {
            self.write_chunk(None).map_err(Error::into_io)?;
        }
        Ok(count)
    }

    /// Flushes the writer below. The chunk being filled stays: only the last chunk of a stream may be short.
    fn flush(&mut self) -> io::Result<()> {
        self.check().map_err(Error::into_io)?;
        self.writer.flush()
    }
}

impl<W: Write> fmt::Debug for Encryptor<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Encryptor").field("chunk_next", &self.chunk_next).finish_non_exhaustive()
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    /// Chunks follow.
    Reading,
    /// The last chunk is verified.
    Ended,
    /// An error was found.
    Failed,
}

/// Where a stream lies in its reader, and its verified length.
#[derive(Clone, Copy)]
struct Extent {
    start: u64,
    plaintext_bytes: u64,
}

/// Decrypts the stream in `R`. Reads to the end, and from any place if `R` can seek.
pub struct Decryptor<R> {
    reader: R,
    keys: Keys,
    /// Ciphertext being gathered, or the plaintext of the chunk `held`.
    buffer: Secret<Vec<u8>>,
    gathered: usize,
    held: Option<u64>,
    /// What of the held chunk is not read yet.
    unread: Range<usize>,
    /// Bytes to pass over at the start of the next chunk, after a seek.
    skip: usize,
    chunk_next: u64,
    position: u64,
    state: State,
    /// Bytes taken from the reader, for finding the start of the stream in it.
    taken: u64,
    extent: Option<Extent>,
}

impl<R: Read> Decryptor<R> {
    /// Reads the header and checks that the stream was made under `key` for `context`.
    ///
    /// # Errors
    /// [`Error::WrongKeyOrContext`] when it was not, [`Error::Truncated`] when the header is incomplete,
    /// [`Error::Io`] from `reader`.
    pub fn new(mut reader: R, key: &Seed, context: &[u8]) -> Result<Self, Error> {
        let (mut salt, mut commitment) = ([0; SALT_BYTES], [0; COMMITMENT_BYTES]);
        for part in [salt.as_mut_slice(), commitment.as_mut_slice()] {
            reader.read_exact(part).map_err(|error| match error.kind() {
                ErrorKind::UnexpectedEof => Error::Truncated { what: "stream header" },
                _ => error.into(),
            })?;
        }
        let (keys, expected) = Keys::derive(key, &salt, context)?;
        if !bool::from(expected.ct_eq(&commitment)) {
            return Err(Error::WrongKeyOrContext);
        }
        Ok(Self {
            reader,
            keys,
            buffer: Secret::new(vec![0; SEALED_CHUNK_BYTES]),
            gathered: 0,
            held: None,
            unread: 0..0,
            skip: 0,
            chunk_next: 0,
            position: 0,
            state: State::Reading,
            taken: HEADER_BYTES as u64,
            extent: None,
        })
    }

    /// Says whether the last chunk is verified, so that nothing can be missing at the end.
    #[must_use]
    pub fn is_ended(&self) -> bool {
        self.state == State::Ended
    }

    fn check(&self) -> Result<(), Error> {
        if self.state == State::Failed { Err(AFTER_ERROR) } else { Ok(()) }
    }

    fn fail(&mut self, error: Error) -> Error {
        self.state = State::Failed;
        self.held = None;
        self.unread = 0..0;
        error
    }

    /// Reads until a chunk is full or the reader ends. An error of the reader may be followed by another try.
    fn gather(&mut self) -> Result<(), Error> {
        self.held = None;
        while self.gathered < SEALED_CHUNK_BYTES {
            match self.reader.read(&mut self.buffer.expose_mut()[self.gathered..]) {
                Ok(0) => break,
                Ok(count) => {
                    self.gathered += count;
                    self.taken += count as u64;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Gathers, verifies and decrypts the next chunk.
    fn next_chunk(&mut self) -> Result<(), Error> {
        self.gather()?;
        let sealed = &mut self.buffer.expose_mut()[..self.gathered];
        let text_bytes = match self.keys.open(self.chunk_next, sealed) {
            Ok(text_bytes) => text_bytes,
            Err(error) => return Err(self.fail(error)),
        };
        self.gathered = 0;
        self.held = Some(self.chunk_next);
        self.chunk_next += 1;
        self.unread = self.skip.min(text_bytes)..text_bytes;
        self.skip = 0;
        if text_bytes < CHUNK_BYTES {
            self.state = State::Ended;
        }
        Ok(())
    }
}

impl<R: Read> BufRead for Decryptor<R> {
    /// Gives verified plaintext; none only after the last chunk is verified.
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.check().map_err(Error::into_io)?;
        while self.unread.is_empty() && self.state == State::Reading {
            self.next_chunk().map_err(Error::into_io)?;
        }
        Ok(&self.buffer.expose()[self.unread.clone()])
    }

    fn consume(&mut self, count: usize) {
        let count = count.min(self.unread.len());
        self.unread.start += count;
        self.position += count as u64;
    }
}

impl<R: Read> Read for Decryptor<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if out.is_empty() {
            return Ok(0);
        }
        let text = self.fill_buf()?;
        let count = text.len().min(out.len());
        out[..count].copy_from_slice(&text[..count]);
        self.consume(count);
        Ok(count)
    }
}

impl<R: Read + Seek> Decryptor<R> {
    /// The length of the plaintext, known for certain because the last chunk was verified at its place.
    ///
    /// # Errors
    /// [`Error::Truncated`] or [`Error::VerificationFailed`] when the end of the stream is not what was written,
    /// [`Error::Io`] from the reader.
    pub fn plaintext_bytes(&mut self) -> Result<u64, Error> {
        Ok(self.extent()?.plaintext_bytes)
    }

    fn extent(&mut self) -> Result<Extent, Error> {
        self.check()?;
        if let Some(extent) = self.extent {
            return Ok(extent);
        }
        let extent = match self.verify_extent() {
            Ok(extent) => extent,
            Err(error) => return Err(self.fail(error)),
        };
        self.extent = Some(extent);
        Ok(extent)
    }

    /// Opens the chunk that the length of the reader makes the last one, and returns to where the reader was.
    fn verify_extent(&mut self) -> Result<Extent, Error> {
        let here = self.reader.stream_position()?;
        let moved = Error::Misuse { what: "a reader moved by the stream only" };
        let start = here.checked_sub(self.taken).ok_or(moved)?;
        let end = self.reader.seek(SeekFrom::End(0))?;
        let chunks_start = start + HEADER_BYTES as u64;
        let sealed = end.checked_sub(chunks_start).ok_or(Error::Truncated { what: "stream" })?;
        let last = sealed / SEALED_CHUNK_BYTES as u64;
        let offset = last * SEALED_CHUNK_BYTES as u64;
        self.reader.seek(SeekFrom::Start(chunks_start + offset))?;
        let mut chunk = Secret::new(Vec::with_capacity(SEALED_CHUNK_BYTES));
        self.reader.by_ref().take(sealed - offset).read_to_end(chunk.expose_mut())?;
        let text_bytes = self.keys.open(last, chunk.expose_mut())?;
        self.reader.seek(SeekFrom::Start(here))?;
        Ok(Extent { start, plaintext_bytes: last * CHUNK_BYTES as u64 + text_bytes as u64 })
    }

    /// Goes to `target`, which lies before the end.
    fn go_to(&mut self, extent: Extent, target: u64) -> Result<(), Error> {
        let chunk = target / CHUNK_BYTES as u64;
        let offset = usize::try_from(target % CHUNK_BYTES as u64).unwrap_or(CHUNK_BYTES);
        if self.held == Some(chunk) {
            self.unread.start = offset.min(self.unread.end);
            return Ok(());
        }
        let sealed_before = chunk * SEALED_CHUNK_BYTES as u64 + HEADER_BYTES as u64;
        // The reader's place is unknown if this fails, and a gathered chunk would no longer be whole.
        if let Err(error) = self.reader.seek(SeekFrom::Start(extent.start + sealed_before)) {
            return Err(self.fail(error.into()));
        }
        self.held = None;
        self.gathered = 0;
        self.unread = 0..0;
        self.skip = offset;
        self.chunk_next = chunk;
        self.state = State::Reading;
        Ok(())
    }
}

impl<R: Read + Seek> Seek for Decryptor<R> {
    /// Goes to a place in the plaintext. The first call verifies the last chunk, so that the end is known.
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let extent = self.extent().map_err(Error::into_io)?;
        let target = match to {
            SeekFrom::Start(target) => Some(target),
            SeekFrom::Current(offset) => self.position.checked_add_signed(offset),
            SeekFrom::End(offset) => extent.plaintext_bytes.checked_add_signed(offset),
        };
        let target = target.ok_or_else(|| io::Error::from(ErrorKind::InvalidInput))?;
        if target < extent.plaintext_bytes {
            self.go_to(extent, target).map_err(Error::into_io)?;
        } else {
            self.held = None;
            self.gathered = 0;
            self.unread = 0..0;
            self.state = State::Ended;
        }
        self.position = target;
        Ok(target)
    }

    fn stream_position(&mut self) -> io::Result<u64> {
        Ok(self.position)
    }
}

impl<R> fmt::Debug for Decryptor<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Decryptor")
            .field("position", &self.position)
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
