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

/// Counts and hashes what goes into a writer, and keeps the cause of its first failure.
pub(super) struct Meter<'a> {
    writer: &'a mut (dyn Write + Send),
    hash: Sha256,
    bytes: u64,
    failure: Option<io::ErrorKind>,
}

impl<'a> Meter<'a> {
    pub(super) fn over(writer: &'a mut (dyn Write + Send)) -> Self {
        Self { writer, hash: Sha256::new(), bytes: 0, failure: None }
    }

    /// The error of the first write that failed; `path` is where the writer leads.
    pub(super) fn failure(&self, path: &Path) -> Option<Error> {
        self.failure.map(|kind| Error::Environment { path: path.to_path_buf(), what: "writing", kind })
    }

    /// Flushes the writer and returns bytes and digest.
    pub(super) fn finish(self) -> Result<(u64, [u8; 32]), io::ErrorKind> {
        self.writer.flush().map_err(|e| e.kind())?;
        Ok((self.bytes, self.hash.finalize().into()))
    }
}

impl Write for Meter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.writer.write(bytes).inspect_err(|e| {
            if e.kind() != io::ErrorKind::Interrupted {
                self.failure.get_or_insert(e.kind());
            }
        })?;
        if written == 0 && !bytes.is_empty() {
            self.failure.get_or_insert(io::ErrorKind::WriteZero);
        }
        self.hash.update(&bytes[..written]);
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer.flush().inspect_err(|e| {
            self.failure.get_or_insert(e.kind());
        })
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::Format;
    use crate::sink::writer::TableWriter;
    use arrow::array::{ArrayRef, Int64Array, RecordBatch};
    use std::sync::Arc;

    /// A disk with room for some bytes.
    struct Full(usize, File);

    impl Write for Full {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if self.0 < bytes.len() {
                return Err(io::ErrorKind::StorageFull.into());
            }
            self.0 -= bytes.len();
            self.1.write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            self.1.flush()
        }
    }

    #[test]
    fn a_full_disk_is_said_and_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let column: ArrayRef = Arc::new(Int64Array::from_iter_values((0..100_000).map(|i| i * 7_919 % 100_003)));
        let batch = RecordBatch::try_from_iter([("n", column)]).unwrap();
        for format in [Format::Csv, Format::Parquet, Format::Arrow] {
            for room in [0, 3, 5_000, 100_000] {
                let path = dir.path().join("out");
                let part = part_path(&path);
                let mut file = PartFile::over(&path, part.clone(), Full(room, File::create(part).unwrap()));
                let result = TableWriter::new(&mut file, format, &batch.schema()).and_then(|mut writer| {
                    writer.write(&batch)?;
                    writer.finish()
                });
                assert!(result.is_err(), "{format} {room}");
                let error = file.failure().unwrap();
                assert_eq!(error.label(), "disk_full");
                assert!(error.to_string().contains("no space left; free some space"));
                drop(file);
                assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0, "{format} {room}");
            }
        }
    }
}
