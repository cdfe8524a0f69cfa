//! Results: reading them out of their encryption, and deleting them.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use chrono::{DateTime, Days, Utc};
use serde::Serialize;
use symbolon_policy::audit::Entry;

use super::blocking;
use super::jobs::ResultView;
use crate::error::{Error, FileAction};
use crate::files;
use crate::home::Home;
use crate::result::{ManifestFile, Reader};
use crate::store::JobId;

/// A job whose data is gone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Deletion {
    /// The job.
    pub job: JobId,
    /// When its key was destroyed.
    #[serde(serialize_with = "crate::store::as_time")]
    pub deleted_at: DateTime<Utc>,
}

/// The file of a result and what opens it.
#[derive(Debug)]
pub struct ResultFile {
    view: ResultView,
    described: ManifestFile,
    path: PathBuf,
    key: Option<symbolon_primitives::secret::Seed>,
}

impl ResultFile {
    /// What the file holds and where it comes from.
    #[must_use]
    pub const fn view(&self) -> &ResultView {
        &self.view
    }

    /// What the manifest says of the file.
    #[must_use]
    pub const fn described(&self) -> &ManifestFile {
        &self.described
    }

    /// Decrypts the file into `sink`, and checks it against the manifest at the end; `to` names the sink in errors.
    ///
    /// # Errors
    /// [`Environment::ResultChanged`](crate::error::Environment::ResultChanged); what reached the sink is incomplete
    /// then. Environment errors.
    pub fn copy(&self, to: &Path, sink: impl Write) -> Result<(), Error> {
        let reader = Reader::open(&self.path, self.key.as_ref(), &self.view.manifest, &self.described.name)?;
        reader.copy(&self.described, to, sink)
    }

    /// Decrypts the file to nowhere, to check it whole before a byte of it is given out.
    ///
    /// # Errors
    /// As [`ResultFile::copy`].
    pub fn verify(&self) -> Result<(), Error> {
        self.copy(&self.path, io::sink())
    }

    /// Decrypts the file into one of the caller's, which only its owner may read. It gets its name when all of it is
    /// checked and durable; before, and after an error, there is none.
    ///
    /// # Errors
    /// [`Error::AlreadyExists`] unless `replace`; as [`ResultFile::copy`].
    pub fn export(&self, to: &Path, replace: bool) -> Result<(), Error> {
        if !replace && to.symlink_metadata().is_ok() {
            return Err(Error::AlreadyExists { what: "the file to write" });
        }
        let mut name = to.as_os_str().to_owned();
        name.push(format!(".{}.part", std::process::id()));
        let part = Part(PathBuf::from(name));
        let failed = |source| files::failed(FileAction::Write, to, source);
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(files::PRIVATE_FILE)
            .open(&part.0)
            .map_err(|source| files::failed(FileAction::Create, to, source))?;
        self.copy(to, &mut file)?;
        file.sync_all().map_err(failed)?;
        if replace {
            std::fs::rename(&part.0, to).map_err(failed)?;
        } else {
            // A link fails where a rename would replace a file that came into being meanwhile.
            std::fs::hard_link(&part.0, to).map_err(|source| match source.kind() {
                io::ErrorKind::AlreadyExists => Error::AlreadyExists { what: "the file to write" },
                _ => failed(source),
            })?;
        }
        files::sync_parent(to)
    }
}

/// A file in the making, removed when dropped; after its rename there is none of the name.
struct Part(PathBuf);

impl Drop for Part {
    fn drop(&mut self) {
        drop(std::fs::remove_file(&self.0));
    }
}

impl Home {
    /// Finds the file of a finished job and opens its key; the evidence log tells so.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is no such job or its result is no file, [`Error::ResultDeleted`],
    /// [`KeysError::JobKey`](crate::error::KeysError::JobKey).
    pub async fn result_file(&self, id: &str) -> Result<ResultFile, Error> {
        let view = self.result_show(id).await?;
        if view.record.deleted_at.is_some() {
            return Err(Error::ResultDeleted);
        }
        let remedy = "a count is a number only: see `result show`";
        let missing = Error::NotFound { what: "file of this result", remedy };
        let (Some(described), Some(path)) = (view.manifest.file.clone(), view.file_path.clone()) else {
            return Err(missing);
        };
        let sealed = view.record.sealed_key.as_deref();
        let key = sealed.map(|sealed| self.key_store().at_rest().open_job_key(view.job, sealed)).transpose()?;
        self.evidence().append(self.entry("result_opened", view.job)).await?;
        Ok(ResultFile { view, described, path, key })
    }

    /// Deletes what a finished job left: destroys its key, then removes its files. Its row stays, with sizes and times,
    /// and so does the manifest. Deleting again changes nothing.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Misuse`] when the job has not ended; environment errors. The key is gone when the
    /// removal of files fails; the next start of the node removes them.
    pub async fn job_delete(&self, id: &str) -> Result<Deletion, Error> {
        let record = self.job_show(id).await?;
        let job = record.id;
        // The log may name a deletion that a crash then prevented, never the other way round.
        if record.state.is_final() && self.store().deleted_at(job).await?.is_none() {
            self.evidence().append(self.entry("result_deleted", job)).await?;
        }
        let deleted_at = self.store().delete_result(job, self.clock().now()).await?;
        let directory = self.settings().results_dir().join(job.to_string());
        blocking(move || remove(&directory)).await?;
        tracing::info!(%job, "result deleted, key destroyed");
        Ok(Deletion { job, deleted_at })
    }

    fn entry(&self, kind: &'static str, job: JobId) -> Entry {
        Entry::new(self.clock().now(), kind).id("job", job.as_bytes())
    }

    /// When the data of a job was deleted.
    ///
    /// # Errors
    /// Environment errors.
    pub async fn job_deleted_at(&self, job: JobId) -> Result<Option<DateTime<Utc>>, Error> {
        self.store().deleted_at(job).await
    }

    /// Deletes the results that are older than `results_days_max` of node.toml allows, and names their jobs.
    ///
    /// # Errors
    /// As [`Home::job_delete`].
    pub async fn results_purge(&self) -> Result<Vec<JobId>, Error> {
        let days = self.settings().limits.results_days_max;
        let Some(before) = (days > 0).then(|| self.clock().now().checked_sub_days(Days::new(days))).flatten() else {
            return Ok(Vec::new());
        };
        let expired = self.store().results_before(before).await?;
        for job in &expired {
            self.job_delete(&job.to_string()).await?;
        }
        Ok(expired)
    }
}

fn remove(directory: &Path) -> Result<(), Error> {
    match std::fs::remove_dir_all(directory) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(files::failed(FileAction::Remove, directory, error))
        }
        Err(_) => Ok(()),
        Ok(()) => files::sync_parent(directory),
    }
}

/// Writes what it gets into a channel, for a caller that streams. Ends when nobody listens.
#[derive(Debug)]
pub(crate) struct ChannelWriter(pub(crate) tokio::sync::mpsc::Sender<Vec<u8>>);

impl Write for ChannelWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.blocking_send(bytes.to_vec()).map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
