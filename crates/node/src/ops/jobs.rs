//! Jobs and results as the store has them. Starting and stopping a job is the running node's business.

use std::path::PathBuf;

use serde::Serialize;

use super::by_prefix;
use crate::error::{Environment, Error};
use crate::home::Home;
use crate::result::{Manifest, manifest_path};
use crate::store::{JobId, JobRecord, ResultRecord};

/// How many jobs a prefix of an id is looked for in.
const JOBS_SEARCHED_MAX: u32 = 100_000;

/// A result with its manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ResultView {
    /// The job.
    pub job: JobId,
    /// What the store has of it.
    pub record: ResultRecord,
    /// The manifest.
    pub manifest: Manifest,
    /// The absolute path of the file, encrypted as it lies there; a count has none, and neither has a deleted result.
    pub file_path: Option<PathBuf>,
    /// The absolute path of the manifest.
    pub manifest_path: PathBuf,
}

impl Home {
    /// Lists jobs, newest first.
    ///
    /// # Errors
    /// Environment errors.
    pub async fn job_list(&self, limit: u32) -> Result<Vec<JobRecord>, Error> {
        self.store().jobs(limit).await
    }

    /// Finds a job by its id or enough of its first digits.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Misuse`] when several ids begin like this.
    pub async fn job_show(&self, id: &str) -> Result<JobRecord, Error> {
        if let Ok(id) = id.parse::<JobId>() {
            let remedy = "give an id that `job list` shows";
            return self.store().job(id).await?.ok_or(Error::NotFound { what: "job", remedy });
        }
        by_prefix(self.store().jobs(JOBS_SEARCHED_MAX).await?, id, "job", |job| job.id.to_string())
    }

    /// Finds the result of a finished job.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is no such job, or it has no result.
    pub async fn result_show(&self, id: &str) -> Result<ResultView, Error> {
        let job = self.job_show(id).await?;
        let remedy = "see `job list`: only a job that is done, on the side that learns something, has a result";
        let record = self.store().result(job.id).await?.ok_or(Error::NotFound { what: "result", remedy })?;
        let manifest = serde_json::from_str(&record.manifest).map_err(|_| Environment::Corrupt { what: "manifest" })?;
        Ok(ResultView {
            job: job.id,
            file_path: record
                .file
                .as_ref()
                .filter(|_| record.deleted_at.is_none())
                .map(|file| record.directory.join(file)),
            manifest_path: manifest_path(&record),
            manifest,
            record,
        })
    }
}
