//! Bytes of a file on their way to a parser: hashed, counted, decoded, limited.

use crate::error::Error;
use crate::schema::Encoding;
use encoding_rs::{Decoder, DecoderResult, GBK};
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// Opens a file that is not a directory.
pub(super) fn open_file(path: &Path) -> Result<(File, u64), Error> {
    let file = File::open(path).map_err(|e| Error::io(path, "opening", &e))?;
    let meta = file.metadata().map_err(|e| Error::io(path, "opening", &e))?;
    if meta.is_dir() {
        return Err(Error::io(path, "opening", &io::ErrorKind::IsADirectory.into()));
    }
    Ok((file, meta.len()))
}

/// Hashes a whole file in blocks.
pub(super) fn hash_file(file: &mut File, path: &Path) -> Result<[u8; 32], Error> {
    let mut hash = Sha256::new();
    let mut block = vec![0; 1 << 16];
    loop {
        match file.read(&mut block) {
            Ok(0) => return Ok(hash.finalize().into()),
            Ok(n) => hash.update(&block[..n]),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(Error::io(path, "reading", &e)),
        }
    }
}

/// Why text could not be given, kept because an `io::Error` on its way through the parser loses it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// Bytes that are not of the encoding, or UTF-16.
    Encoding,
    /// More bytes than one record may have.
    RecordTooLong,
    /// The file could not be read.
    Io(io::ErrorKind),
}

/// A reader that hashes, skips a byte order mark, decodes GBK and stops at a byte limit.
pub(super) struct TextReader<R> {
    inner: R,
    hash: Sha256,
    bytes: u64,
    begun: bool,
    decoder: Option<Decoder>,
    input: Vec<u8>,
    /// What of `input` is not used yet.
    pending: std::ops::Range<usize>,
    ended: bool,
    allowance: u64,
    fault: Option<Fault>,
}

const BLOCK_BYTES: usize = 1 << 16;

impl<R: Read> TextReader<R> {
    pub(super) fn new(inner: R, encoding: Encoding) -> Self {
        let decoder = match encoding {
            Encoding::Utf8 => None,
            Encoding::Gbk => Some(GBK.new_decoder_without_bom_handling()),
        };
        Self {
            inner,
            hash: Sha256::new(),
            bytes: 0,
            begun: false,
            decoder,
            input: vec![0; BLOCK_BYTES],
            pending: 0..0,
            ended: false,
            allowance: 0,
            fault: None,
        }
    }

    /// Allows `bytes` more bytes to be read before the reader fails.
    pub(super) fn allow(&mut self, bytes: u64) {
        self.allowance = bytes;
    }

    pub(super) fn fault(&self) -> Option<Fault> {
        self.fault
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The digest of what was read; the whole file if it was read to its end.
    pub(super) fn digest(&self) -> [u8; 32] {
        self.hash.clone().finalize().into()
    }

    fn fill(&mut self) -> io::Result<()> {
        if self.ended || !self.pending.is_empty() {
            return Ok(());
        }
        let mut length = 0;
        // The first block is at least as long as a byte order mark unless the file ends.
        while length < 4 {
            let got = match self.inner.read(&mut self.input[length..]) {
                Ok(got) => got,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                Err(e) => return self.fail(Fault::Io(e.kind())),
            };
            self.hash.update(&self.input[length..length + got]);
            self.bytes += got as u64;
            length += got;
            if got == 0 {
                self.ended = true;
                break;
            }
        }
        self.pending = 0..length;
        if !self.begun {
            self.begun = true;
            let head = &self.input[..length];
            if head.starts_with(&[0xFF, 0xFE]) || head.starts_with(&[0xFE, 0xFF]) {
                return self.fail(Fault::Encoding);
            }
            if head.starts_with(&[0xEF, 0xBB, 0xBF]) {
                self.pending.start = 3;
            }
        }
        Ok(())
    }

    fn fail<T>(&mut self, fault: Fault) -> io::Result<T> {
        self.fault = Some(fault);
        Err(io::ErrorKind::InvalidData.into())
    }

    fn decode(&mut self, out: &mut [u8]) -> io::Result<usize> {
        loop {
            self.fill()?;
            let Some(decoder) = &mut self.decoder else { return Ok(0) };
            let input = &self.input[self.pending.clone()];
            let last = self.ended;
            let (result, read, written) = decoder.decode_to_utf8_without_replacement(input, out, last);
            self.pending.start += read;
            match result {
                // What came before the malformed bytes is given first, so that the parser knows its row.
                DecoderResult::Malformed(..) => {
                    self.fault = Some(Fault::Encoding);
                    if written == 0 {
                        return Err(io::ErrorKind::InvalidData.into());
                    }
                    return Ok(written);
                }
                _ if written > 0 => return Ok(written),
                DecoderResult::OutputFull => return Err(io::ErrorKind::InvalidInput.into()),
                DecoderResult::InputEmpty if last => return Ok(0),
                DecoderResult::InputEmpty => {}
            }
        }
    }
}

impl<R: Read> Read for TextReader<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.fault.is_some() {
            return Err(io::ErrorKind::InvalidData.into());
        }
        if self.allowance == 0 {
            return self.fail(Fault::RecordTooLong);
        }
        let got = if self.decoder.is_some() {
            self.decode(out)?
        } else {
            self.fill()?;
            let got = self.pending.len().min(out.len());
            out[..got].copy_from_slice(&self.input[self.pending.start..self.pending.start + got]);
            self.pending.start += got;
            got
        };
        self.allowance = self.allowance.saturating_sub(got as u64);
        Ok(got)
    }
}
