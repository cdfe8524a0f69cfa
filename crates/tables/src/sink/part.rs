//! A file that appears under its name only when it is complete.

use crate::error::Error;
use sha2::{Digest, Sha256};
use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

/// An unfinished file, removed when dropped.
pub(super) struct PartFile<W: Write = BufWriter<File>> {
    path: PathBuf,
    part: PathBuf,
    /// Taken when the file is kept.
    writer: Option<W>,
    hash: Sha256,
    bytes: u64,
    failure: Option<io::ErrorKind>,
}

impl PartFile {
    pub(super) fn create(path: &Path) -> Result<Self, Error> {
        refuse_existing(path)?;
        let part = part_path(path);
        // One left by a run that was killed. Removed and made anew, so that no link is followed.
        match fs::remove_file(&part) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(Error::io(&part, "removing", &e)),
            _ => {}
        }
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        // The result holds personal data: only its owner may read it.
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(&part).map_err(|e| match e.kind() {
            io::ErrorKind::NotFound => Error::Missing { path: path.parent().unwrap_or(path).to_path_buf() },
            kind => Error::Environment { path: part.clone(), what: "creating", kind },
        })?;
        Ok(Self::over(path, part, BufWriter::with_capacity(1 << 17, file)))
    }

    /// Makes the file durable, gives it its name and returns its bytes and digest.
    pub(super) fn keep(mut self) -> Result<(u64, [u8; 32]), Error> {
        let failed = |kind| Error::Environment { path: self.path.clone(), what: "writing", kind };
        let Some(writer) = self.writer.take() else { return Err(failed(io::ErrorKind::Other)) };
        let named = writer.into_inner().map_err(io::IntoInnerError::into_error).and_then(|file| {
            file.sync_all()?;
            drop(file);
            // No file may be lost that came into being meanwhile: a link fails where a rename would replace it.
            fs::hard_link(&self.part, &self.path).or_else(|e| match e.kind() {
                io::ErrorKind::AlreadyExists => Err(e),
                // Some file systems have no links.
                _ => fs::rename(&self.part, &self.path),
            })
        });
        match named {
            Ok(()) => {}
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {
                return Err(Error::OutputExists { path: self.path.clone() });
            }
            Err(e) => return Err(failed(e.kind())),
        }
        Ok((self.bytes, self.hash.clone().finalize().into()))
    }
}

impl<W: Write> PartFile<W> {
    fn over(path: &Path, part: PathBuf, writer: W) -> Self {
        Self { path: path.to_path_buf(), part, writer: Some(writer), hash: Sha256::new(), bytes: 0, failure: None }
    }

    /// The error of the first write that failed.
    pub(super) fn failure(&self) -> Option<Error> {
        self.failure.map(|kind| Error::Environment { path: self.path.clone(), what: "writing", kind })
    }
}

impl<W: Write> Write for PartFile<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let Some(writer) = &mut self.writer else { return Err(io::ErrorKind::Other.into()) };
        match writer.write(bytes) {
            Ok(written) => {
                self.hash.update(&bytes[..written]);
                self.bytes += written as u64;
                Ok(written)
            }
            Err(e) => {
                if e.kind() != io::ErrorKind::Interrupted {
                    self.failure.get_or_insert(e.kind());
                }
                Err(e)
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        let Some(writer) = &mut self.writer else { return Err(io::ErrorKind::Other.into()) };
        writer.flush().inspect_err(|e| {
            self.failure.get_or_insert(e.kind());
        })
    }
}

impl<W: Write> Drop for PartFile<W> {
    fn drop(&mut self) {
        self.writer = None;
        // After a rename there is nothing to remove.
        fs::remove_file(&self.part).ok();
    }
}

fn refuse_existing(path: &Path) -> Result<(), Error> {
    if fs::symlink_metadata(path).is_ok() {
        return Err(Error::OutputExists { path: path.to_path_buf() });
    }
    Ok(())
}

/// Returns the name of the unfinished file: `<name>.part`.
fn part_path(path: &Path) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(".part");
    PathBuf::from(name)
}
