//! Bytes of a file on their way to a parser: hashed, counted, decoded, limited.

use crate::error::Error;
use crate::schema::Encoding;
use encoding_rs::{Decoder, DecoderResult, GBK};
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{self, Read};
use std::ops::Range;
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

/// Why text could not be given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// Bytes that are not of the encoding, or UTF-16.
    Encoding,
    /// More bytes than one record may have.
    RecordTooLong,
    /// The file could not be read.
    Io(io::ErrorKind),
}

/// A reader that hashes what it reads, skips a byte order mark and decodes GBK.
pub(super) struct TextReader<R> {
    inner: R,
    hash: Sha256,
    bytes: u64,
    begun: bool,
    decoder: Option<Decoder>,
    input: Vec<u8>,
    /// What of `input` is not used yet.
    pending: Range<usize>,
    ended: bool,
    /// Whether the decoder was told of the end.
    finished: bool,
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
            finished: false,
            fault: None,
        }
    }

    /// The bytes read so far.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The digest of what was read; the whole file if it was read to its end.
    pub(super) fn digest(&self) -> [u8; 32] {
        self.hash.clone().finalize().into()
    }

    /// Reads text into `out` and returns its bytes, 0 at the end.
    pub(super) fn read(&mut self, out: &mut [u8]) -> Result<usize, Fault> {
        if let Some(fault) = self.fault {
            return Err(fault);
        }
        if self.decoder.is_some() {
            return self.decode(out);
        }
        self.fill()?;
        let got = self.pending.len().min(out.len());
        out[..got].copy_from_slice(&self.input[self.pending.start..self.pending.start + got]);
        self.pending.start += got;
        Ok(got)
    }

    fn fill(&mut self) -> Result<(), Fault> {
        if self.ended || !self.pending.is_empty() {
            return Ok(());
        }
        let mut length = 0;
        // The first block is at least as long as a byte order mark unless the file ends.
        while length < 4 {
            let got = match self.inner.read(&mut self.input[length..]) {
                Ok(got) => got,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                Err(e) => return Err(Fault::Io(e.kind())),
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
                return Err(Fault::Encoding);
            }
            if head.starts_with(&[0xEF, 0xBB, 0xBF]) {
                self.pending.start = 3;
            }
        }
        Ok(())
    }

    fn decode(&mut self, out: &mut [u8]) -> Result<usize, Fault> {
        while !self.finished {
            self.fill()?;
            let Some(decoder) = &mut self.decoder else { return Ok(0) };
            let last = self.ended;
            let input = &self.input[self.pending.clone()];
            let (result, read, written) = decoder.decode_to_utf8_without_replacement(input, out, last);
            self.pending.start += read;
            self.finished = last && result == DecoderResult::InputEmpty;
            match result {
                DecoderResult::Malformed(..) => {
                    // What came before the malformed bytes is given first, so that the parser knows their row.
                    self.fault = Some(Fault::Encoding);
                    return if written > 0 { Ok(written) } else { Err(Fault::Encoding) };
                }
                _ if written > 0 => return Ok(written),
                // The parser's buffer holds any character, so there is no `OutputFull` without output.
                DecoderResult::InputEmpty | DecoderResult::OutputFull => {}
            }
        }
        Ok(0)
    }
}
