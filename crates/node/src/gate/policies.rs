//! The policies in force: the shipped ones and the files of an operator, read again when they change.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;
use symbolon_policy::cedar::{Engine, LoadError, PolicyProblem, SOURCE_BYTES_MAX, Source};
use tokio::sync::Mutex;

use crate::error::{ConfigError, Environment, Error, FileAction};
use crate::files;
use crate::ops::blocking;

/// The directory in the home with an operator's own policies.
pub const DIRECTORY: &str = "policies";

/// What the names of policy files end with; other files in the directory are left alone.
pub const EXTENSION: &str = "cedar";

/// The most files of policies.
const FILES_MAX: usize = 256;

/// The policies of a home. Every decision looks at the directory first, so that a change holds from the next one on,
/// in every process that uses the home. A set that cannot be used never comes into force: the one before it stays,
/// and where there is none, everything is refused.
#[derive(Debug)]
pub(super) struct Policies {
    directory: PathBuf,
    state: ArcSwap<State>,
    /// Held by whoever loads.
    turn: Mutex<()>,
}

#[derive(Debug, Default)]
struct State {
    /// What the directory looked like when it was read; nothing before the first time.
    seen: Option<Vec<Mark>>,
    engine: Option<Arc<Engine>>,
    failure: Option<LoadError>,
}

/// What tells one state of a file from another.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Mark {
    name: String,
    inode: u64,
    bytes: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Policies {
    pub(super) fn new(home: &Path) -> Self {
        Self { directory: home.join(DIRECTORY), state: ArcSwap::default(), turn: Mutex::default() }
    }

    /// The set in force.
    ///
    /// # Errors
    /// [`ConfigError::Policies`] when there is none because the files cannot be used; environment errors.
    pub(super) async fn current(&self) -> Result<Arc<Engine>, Error> {
        let seen = self.look().await?;
        let state = self.state.load();
        if state.seen.as_ref() == Some(&seen) {
            return engine(&state);
        }
        let _turn = self.turn.lock().await;
        let before = self.state.load_full();
        if before.seen.as_ref() != Some(&seen) {
            self.state.store(Arc::new(self.load(seen, &before).await?));
        }
        engine(&self.state.load())
    }

    async fn look(&self) -> Result<Vec<Mark>, Error> {
        let directory = self.directory.clone();
        blocking(move || marks(&directory)).await
    }

    async fn load(&self, seen: Vec<Mark>, before: &State) -> Result<State, Error> {
        let directory = self.directory.clone();
        let loaded = blocking(move || Ok(load(&directory)?.map(Arc::new))).await?;
        let seen = Some(seen);
        Ok(match loaded {
            Ok(engine) => {
                let (policies, digest) = (engine.policies().len(), hex::encode(engine.digest()));
                tracing::info!(policies, digest, "policies are in force");
                State { seen, engine: Some(engine), failure: None }
            }
            Err(failure) => {
                let kept = before.engine.is_some();
                tracing::error!(%failure, kept, "the policies cannot be used; see `symbolon policy check`");
                State { seen, engine: before.engine.as_ref().map(Arc::clone), failure: Some(failure) }
            }
        })
    }
}

fn engine(state: &State) -> Result<Arc<Engine>, Error> {
    match (&state.engine, &state.failure) {
        (Some(engine), _) => Ok(Arc::clone(engine)),
        (None, Some(failure)) => Err(ConfigError::Policies { failure: failure.clone() }.into()),
        (None, None) => Err(ConfigError::Policies { failure: LoadError::default() }.into()),
    }
}

/// Reads and checks the policies in a directory.
///
/// # Errors
/// Environment errors outside; what is wrong with the policies inside.
pub(crate) fn load(directory: &Path) -> Result<Result<Engine, LoadError>, Error> {
    let mut sources = Vec::new();
    let mut problems = Vec::new();
    for name in names(directory)? {
        match read(&directory.join(&name))? {
            Some(text) => sources.push(Source { name, text }),
            None => problems.push(PolicyProblem::unreadable(&name)),
        }
    }
    if !problems.is_empty() {
        return Ok(Err(LoadError { problems }));
    }
    Ok(Engine::load(&sources))
}

/// The text of a file; nothing when it is too long, no text, or gone.
fn read(path: &Path) -> Result<Option<String>, Error> {
    match files::read_text(path, SOURCE_BYTES_MAX as u64) {
        Ok(text) => Ok(Some(text)),
        Err(Error::LimitExceeded { .. } | Error::Environment(Environment::NotText { .. })) => Ok(None),
        Err(Error::Environment(Environment::File { source, .. })) if source.kind() == io::ErrorKind::NotFound => {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// The names of the policy files in order; none when there is no directory.
fn names(directory: &Path) -> Result<Vec<String>, Error> {
    let failed = |source| files::failed(FileAction::Read, directory, source);
    let entries = match std::fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.map_err(failed)?,
    };
    let mut names = Vec::new();
    for entry in entries {
        let name = entry.map_err(failed)?.file_name();
        let name = Path::new(&name);
        if name.extension().is_some_and(|extension| extension == EXTENSION) {
            names.push(name.to_string_lossy().into_owned());
        }
        if names.len() > FILES_MAX {
            let (max, got) = (FILES_MAX as u64, names.len() as u64);
            return Err(Error::LimitExceeded { what: "files of policies", max, got });
        }
    }
    names.sort();
    Ok(names)
}

fn marks(directory: &Path) -> Result<Vec<Mark>, Error> {
    let mut marks = Vec::new();
    for name in names(directory)? {
        let path = directory.join(&name);
        let found = match std::fs::metadata(&path) {
            // Gone since the directory was read: a state of its own, seen again at the next look.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            other => other.map_err(|source| files::failed(FileAction::Read, &path, source))?,
        };
        marks.push(Mark {
            name,
            inode: found.ino(),
            bytes: found.size(),
            modified: (found.mtime(), found.mtime_nsec()),
            changed: (found.ctime(), found.ctime_nsec()),
        });
    }
    Ok(marks)
}
