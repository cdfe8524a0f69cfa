//! The file of a result, encrypted.
//!
//! Cobblestone-256 ([`symbolon_primitives::stream`], CRYPTO.md E.2) under a key that is drawn for one job. The key lies
//! in the store, sealed under the home's key-encryption key ([`AtRest`](crate::keystore::AtRest)); deleting the job
//! destroys it, and with it every copy of the file. The context binds the file to agreement, job, session, role, table
//! and content type, so that the files of two jobs cannot be exchanged.

use std::fmt;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use symbolon_primitives::envelope::FileContext;
use symbolon_primitives::secret::Seed;
use symbolon_primitives::stream::{Decryptor, Encryptor};
use symbolon_tables::Format;

use super::{Manifest, ManifestFile};
use crate::error::{Environment, Error, FileAction};
use crate::files;

const BUFFER_BYTES: usize = 1 << 17;

/// The name a file has while it lies encrypted in a result's directory.
#[must_use]
pub fn sealed_name(name: &str) -> String {
    format!("{name}.sealed")
}

/// What the file of a result is bound to, in the words of its manifest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "leaving one out must not compile")]
pub struct SealingContext<'a> {
    /// The agreement.
    pub agreement: &'a str,
    /// The job.
    pub job: &'a str,
    /// The session.
    pub sid: &'a str,
    /// The own side of the protocol.
    pub role: &'a str,
    /// The own table.
    pub table: &'a str,
    /// The digest of the own table.
    pub table_sha256: &'a str,
}

impl<'a> SealingContext<'a> {
    /// The context of the file that a manifest describes.
    #[must_use]
    pub fn of(manifest: &'a Manifest) -> Self {
        Self {
            agreement: &manifest.agreement,
            job: &manifest.job,
            sid: &manifest.sid,
            role: &manifest.role,
            table: &manifest.own.table,
            table_sha256: manifest.own.table_sha256.as_deref().unwrap_or_default(),
        }
    }

    fn encode(&self, name: &str) -> Vec<u8> {
        let content_type = match Path::new(name).extension().and_then(std::ffi::OsStr::to_str) {
            Some("csv") => "text/csv",
            Some("parquet") => "application/vnd.apache.parquet",
            _ => "application/vnd.apache.arrow.file",
        };
        let context = FileContext {
            agreement: self.agreement.as_bytes(),
            job: self.job.as_bytes(),
            sid: self.sid.as_bytes(),
            direction: self.role,
            dataset: self.table,
            schema: self.table_sha256.as_bytes(),
            key_id: "job",
            content_type,
        };
        context.encode()
    }
}

/// Hashes and counts what reaches the disk.
struct Disk {
    file: BufWriter<File>,
    hash: Sha256,
    bytes: u64,
}

impl Write for Disk {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.hash.update(&bytes[..written]);
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// The file in the making: what is written into it reaches the disk encrypted only.
pub struct SealedFile {
    stream: Encryptor<Disk>,
    name: String,
    path: PathBuf,
}

impl fmt::Debug for SealedFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SealedFile").field("path", &self.path).finish_non_exhaustive()
    }
}

impl SealedFile {
    pub(super) fn create(
        directory: &Path,
        name: String,
        key: &Seed,
        context: &SealingContext<'_>,
    ) -> Result<Self, Error> {
        let path = directory.join(sealed_name(&name));
        let file = File::options().write(true).create_new(true).mode(files::PRIVATE_FILE).open(&path);
        let file = file.map_err(|source| files::failed(FileAction::Create, &path, source))?;
        let disk = Disk { file: BufWriter::with_capacity(BUFFER_BYTES, file), hash: Sha256::new(), bytes: 0 };
        let stream = Encryptor::new(disk, key, &context.encode(&name)).map_err(|error| of_stream(error, &path))?;
        Ok(Self { stream, name, path })
    }

    /// Where it lies.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes the end, makes it durable and gives the bytes and the digest of the encrypted file.
    ///
    /// # Errors
    /// Environment errors.
    pub fn finish(self) -> Result<(u64, [u8; 32]), Error> {
        let path = self.path;
        let disk = self.stream.finish().map_err(|error| of_stream(error, &path))?;
        let failed = |source| files::failed(FileAction::Write, &path, source);
        let file = disk.file.into_inner().map_err(|error| failed(error.into_error()))?;
        file.sync_all().map_err(failed)?;
        files::sync_parent(&path)?;
        Ok((disk.bytes, disk.hash.finalize().into()))
    }

    /// Ends the file and describes it for the manifest; `written` is what went into it.
    ///
    /// # Errors
    /// Environment errors.
    pub fn describe(self, written: &symbolon_tables::Written) -> Result<ManifestFile, Error> {
        let name = self.name.clone();
        let (sealed_bytes, sealed_sha256) = self.finish()?;
        Ok(ManifestFile {
            name,
            rows: written.rows,
            bytes: written.bytes,
            sha256: hex::encode(written.sha256),
            sealed_bytes: Some(sealed_bytes),
            sealed_sha256: Some(hex::encode(sealed_sha256)),
        })
    }
}

impl Write for SealedFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

/// The content of a result's file, decrypted while it is read.
pub struct Reader {
    source: Source,
    path: PathBuf,
}

enum Source {
    Sealed(Box<Decryptor<BufReader<File>>>),
    /// A result of an earlier release.
    Plain(BufReader<File>),
}

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Reader {
    /// Opens the file at `path` that `manifest` describes; without a key it is one of an earlier release.
    ///
    /// # Errors
    /// [`Environment::ResultChanged`] when it is not the one that was written; environment errors.
    pub fn open(path: &Path, key: Option<&Seed>, manifest: &Manifest, name: &str) -> Result<Self, Error> {
        let file = File::open(path).map_err(|source| files::failed(FileAction::Read, path, source))?;
        let file = BufReader::with_capacity(BUFFER_BYTES, file);
        let source = match key {
            None => Source::Plain(file),
            Some(key) => {
                let context = SealingContext::of(manifest).encode(name);
                let stream = Decryptor::new(file, key, &context).map_err(|error| of_stream(error, path))?;
                Source::Sealed(Box::new(stream))
            }
        };
        Ok(Self { source, path: path.to_path_buf() })
    }

    /// Copies the content into `sink` and checks length and digest against the manifest at the end. What reached the
    /// sink before an error is authentic but incomplete, and to be thrown away.
    ///
    /// # Errors
    /// [`Environment::ResultChanged`] when it is not what was written; [`Environment::File`] from either side, where
    /// `to` names the sink.
    pub fn copy(mut self, described: &ManifestFile, to: &Path, mut sink: impl Write) -> Result<(), Error> {
        let mut hash = Sha256::new();
        let mut bytes = 0_u64;
        let mut buffer = symbolon_primitives::secret::Secret::new(vec![0_u8; 64 << 10]);
        loop {
            let count = match self.read(buffer.expose_mut()) {
                Ok(0) => break,
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => {
                    return Err(match of_stream(error.into(), &self.path) {
                        Error::Environment(Environment::File { path, source, .. }) => {
                            files::failed(FileAction::Read, &path, source)
                        }
                        other => other,
                    });
                }
            };
            let chunk = &buffer.expose()[..count];
            hash.update(chunk);
            bytes += count as u64;
            sink.write_all(chunk).map_err(|source| files::failed(FileAction::Write, to, source))?;
        }
        sink.flush().map_err(|source| files::failed(FileAction::Write, to, source))?;
        let digest: [u8; 32] = hash.finalize().into();
        if bytes != described.bytes || hex::encode(digest) != described.sha256 {
            return Err(Environment::ResultChanged { path: self.path }.into());
        }
        Ok(())
    }
}

impl Read for Reader {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        match &mut self.source {
            Source::Sealed(stream) => stream.read(out),
            Source::Plain(file) => file.read(out),
        }
    }
}

/// The format that a file's name tells.
#[must_use]
pub fn format_of(name: &str) -> Option<Format> {
    Format::of_path(Path::new(name)).ok()
}

fn of_stream(error: symbolon_primitives::Error, path: &Path) -> Error {
    use symbolon_primitives::Error as Stream;
    match error {
        Stream::Io(source) => files::failed(FileAction::Write, path, source),
        Stream::WrongKeyOrContext | Stream::Truncated { .. } | Stream::VerificationFailed => {
            Environment::ResultChanged { path: path.to_path_buf() }.into()
        }
        other => other.into(),
    }
}

#[cfg(test)]
mod tests;
