//! A node's home directory: configuration, keys and state, opened together.
//!
//! ```text
//! node.toml   keys/   policies/*.cedar   state.db   audit/   results/<job id>/   control.sock
//! ```
//!
//! The operations on a home are methods of [`Home`], in [`crate::ops`]. They read the store anew each time and work
//! with or without a running node.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use symbolon_primitives::secret::Seed;

use crate::clock::Clock;
use crate::config::{self, Env, Settings, split_endpoint};
use crate::error::{ConfigError, Environment, Error, FileAction};
use crate::evidence::Evidence;
use crate::files;
use crate::gate::Gate;
use crate::keys::{KeyRing, Keys};
use crate::keystore::{Ask, KeySettings, KeyStore, NoTerminal, Unlock};
use crate::store::{JobId, SqliteStore, Store};
use crate::telemetry::Metrics;
use crate::tls::{Connections, Crls};

const LOCK_FILE: &str = "node.lock";

/// An open home. Clones share keys and store. The keys may be exchanged while the home is open: whoever works with
/// them for longer takes [`Home::keys`] once and holds it.
#[derive(Debug, Clone)]
pub struct Home {
    settings: Arc<Settings>,
    keys: KeyRing,
    key_store: Arc<KeyStore>,
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    evidence: Evidence,
    gate: Gate,
    input_secret: Arc<Seed>,
    metrics: Metrics,
    crls: Crls,
    connections: Connections,
}

/// What a new node is given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InitOptions {
    /// The directory to make.
    pub home: PathBuf,
    /// The institution's name.
    pub institution: String,
    /// Address and port of the peer port, such as `0.0.0.0:7443`.
    pub listen: String,
    /// Host and port under which partners reach it.
    pub advertise: String,
}

/// Held by the process that serves a home; a second one is refused.
#[derive(Debug)]
pub struct HomeLock {
    _file: File,
}

/// Makes the home of a new node: configuration, keys, empty state. All of it appears at once or not at all.
///
/// # Errors
/// [`ConfigError::HomeExists`] when the directory holds a node, [`Error::Misuse`] when it holds anything else;
/// [`ConfigError`] for a name or address that cannot be used; environment errors.
pub async fn init(options: InitOptions, clock: Arc<dyn Clock>) -> Result<Home, Error> {
    let no_overrides = std::collections::BTreeMap::new();
    init_protected(options, &KeySettings::default(), &Unlock::new(&no_overrides, &NoTerminal), clock).await
}

/// Makes the home of a new node whose keys are protected as `protection` says.
///
/// # Errors
/// As [`init`]; [`KeysError`](crate::error::KeysError) for passphrase or token. Keys made in a token before an error
/// stay there unused.
pub async fn init_protected(
    options: InitOptions,
    protection: &KeySettings,
    unlock: &Unlock<'_>,
    clock: Arc<dyn Clock>,
) -> Result<Home, Error> {
    let home = absolute(&options.home)?;
    let template = Settings::template(&options.institution, &options.listen, &options.advertise);
    let text = protection.replace_in(&template);
    let settings = Settings::from_toml(&text, &home, &std::collections::BTreeMap::new())?;
    check_vacant(&home)?;

    let staging = staging_path(&home)?;
    let made = fill(&staging, &options, (&text, protection), unlock, clock.as_ref()).await;
    let placed = made.and_then(|key_store| place(&staging, &home).map(|()| key_store));
    match placed {
        Ok(key_store) => {
            let key_store = key_store.moved(settings.keys_dir());
            Home::assemble(settings, key_store, clock).await
        }
        Err(error) => {
            // Nothing but what this call made lies there.
            drop(std::fs::remove_dir_all(&staging));
            Err(error)
        }
    }
}

impl Home {
    /// Opens the home at `path`, with nobody to ask for a passphrase.
    ///
    /// # Errors
    /// [`ConfigError::NoHome`] when there is none; what is wrong with configuration, keys or state.
    pub async fn open(path: &Path, env: &dyn Env, clock: Arc<dyn Clock>) -> Result<Self, Error> {
        Self::open_asking(path, env, &NoTerminal, clock).await
    }

    /// Opens the home at `path`; `ask` is asked for the passphrase or PIN when the environment does not have it.
    ///
    /// # Errors
    /// As [`Home::open`].
    pub async fn open_asking(path: &Path, env: &dyn Env, ask: &dyn Ask, clock: Arc<dyn Clock>) -> Result<Self, Error> {
        let settings = Settings::load(&absolute(path)?, env)?;
        let key_store = KeyStore::open(&settings.keys_dir(), &settings.keys, &Unlock::new(env, ask))?;
        Self::assemble(settings, key_store, clock).await
    }

    async fn assemble(settings: Settings, key_store: KeyStore, clock: Arc<dyn Clock>) -> Result<Self, Error> {
        let settings = Arc::new(settings);
        let keys = KeyRing::new(Keys::load(&key_store)?);
        let store: Arc<dyn Store> = Arc::new(SqliteStore::open(&settings.state_db()).await?);
        let crls = Crls::load(&settings.tls.crl)?;
        let evidence = Evidence::new(settings.audit_dir(), keys.clone(), Arc::clone(&clock));
        let gate = Gate::new(Arc::clone(&settings), Arc::clone(&store), Arc::clone(&clock), evidence.clone());
        let input_secret = Arc::new(key_store.input_secret());
        Ok(Self {
            settings,
            keys,
            key_store: Arc::new(key_store),
            store,
            clock,
            evidence,
            gate,
            input_secret,
            metrics: Metrics::new(),
            crls,
            connections: Connections::default(),
        })
    }

    /// The lists of withdrawn certificates.
    #[must_use]
    pub const fn crls(&self) -> &Crls {
        &self.crls
    }

    /// The open connections, in both directions.
    #[must_use]
    pub const fn connections(&self) -> &Connections {
        &self.connections
    }

    /// What keys at rest are opened and sealed with.
    #[must_use]
    pub const fn key_store(&self) -> &Arc<KeyStore> {
        &self.key_store
    }

    /// The settings.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The keys in force at this moment.
    #[must_use]
    pub fn keys(&self) -> Arc<Keys> {
        self.keys.get()
    }

    /// The keys as they are exchanged; whoever holds this always gets those in force.
    #[must_use]
    pub const fn key_ring(&self) -> &KeyRing {
        &self.keys
    }

    /// The state.
    #[must_use]
    pub const fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// What is counted.
    #[must_use]
    pub const fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// The secret under which this node knows its inputs again.
    pub(crate) const fn input_secret(&self) -> &Arc<Seed> {
        &self.input_secret
    }

    /// The clock.
    #[must_use]
    pub const fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }

    /// The evidence log.
    #[must_use]
    pub const fn evidence(&self) -> &Evidence {
        &self.evidence
    }

    /// The decision point.
    #[must_use]
    pub const fn gate(&self) -> &Gate {
        &self.gate
    }

    /// Takes the right to serve this home until the lock is dropped or the process ends.
    ///
    /// # Errors
    /// [`ConfigError::HomeInUse`] when another process holds it.
    pub fn lock(&self) -> Result<HomeLock, Error> {
        let path = self.settings.home.join(LOCK_FILE);
        let file = File::options().create(true).append(true).open(&path);
        let file = file.map_err(|source| files::failed(FileAction::Create, &path, source))?;
        match rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(HomeLock { _file: file }),
            Err(rustix::io::Errno::WOULDBLOCK) => {
                Err(ConfigError::HomeInUse { home: self.settings.home.clone() }.into())
            }
            Err(errno) => Err(files::failed(FileAction::Write, &path, io::Error::from(errno))),
        }
    }

    /// Clears what a killed process left: unfinished jobs become failed; their files, those of deleted jobs and spilled
    /// frames are removed.
    /// Only the holder of the lock calls this.
    ///
    /// # Errors
    /// Environment errors.
    pub async fn recover(&self, _lock: &HomeLock) -> Result<Vec<JobId>, Error> {
        let interrupted = self.store.fail_unfinished(self.clock.now()).await?;
        for job in self.result_directories()? {
            let result = self.store.result(job).await?;
            if result.is_none_or(|result| result.deleted_at.is_some()) {
                let path = self.settings.results_dir().join(job.to_string());
                std::fs::remove_dir_all(&path).map_err(|source| files::failed(FileAction::Remove, &path, source))?;
            }
        }
        let spill = self.settings.spill_dir();
        match std::fs::remove_dir_all(&spill) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(files::failed(FileAction::Remove, &spill, error))
            }
            _ => Ok(interrupted),
        }
    }

    fn result_directories(&self) -> Result<Vec<JobId>, Error> {
        let path = self.settings.results_dir();
        let entries = match std::fs::read_dir(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            other => other.map_err(|source| files::failed(FileAction::Read, &path, source))?,
        };
        let mut jobs = Vec::new();
        for entry in entries {
            let entry = entry.map_err(|source| files::failed(FileAction::Read, &path, source))?;
            // Anything that is not named like a job is not ours to remove.
            jobs.extend(entry.file_name().to_str().and_then(|name| name.parse::<JobId>().ok()));
        }
        Ok(jobs)
    }
}

fn absolute(path: &Path) -> Result<PathBuf, Error> {
    std::path::absolute(path).map_err(|source| files::failed(FileAction::Read, path, source))
}

/// Refuses a directory that holds a node, and one that holds anything at all.
fn check_vacant(home: &Path) -> Result<(), Error> {
    if [config::FILE_NAME, "keys", "state.db"].iter().any(|name| home.join(name).exists()) {
        return Err(ConfigError::HomeExists { home: home.to_path_buf() }.into());
    }
    let occupied = match std::fs::read_dir(home) {
        Ok(mut entries) => entries.next().is_some(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => false,
        Err(source) => return Err(files::failed(FileAction::Read, home, source)),
    };
    if occupied {
        let remedy = "choose a new or an empty directory for the node's home";
        return Err(Error::Misuse { what: "the directory holds other files", remedy });
    }
    Ok(())
}

fn staging_path(home: &Path) -> Result<PathBuf, Error> {
    let mut random = [0_u8; 8];
    getrandom::fill(&mut random).map_err(|_| Environment::Entropy)?;
    let name = home.file_name().unwrap_or_default().to_string_lossy();
    Ok(home.with_file_name(format!(".{name}.{}.part", hex::encode(random))))
}

async fn fill(
    staging: &Path,
    options: &InitOptions,
    (text, protection): (&str, &KeySettings),
    unlock: &Unlock<'_>,
    clock: &dyn Clock,
) -> Result<KeyStore, Error> {
    if let Some(parent) = staging.parent() {
        std::fs::create_dir_all(parent).map_err(|source| files::failed(FileAction::Create, parent, source))?;
    }
    files::create_private_dir(staging)?;
    let host = split_endpoint(&options.advertise).map_or_else(String::new, |(host, _)| host.to_owned());
    let key_store = KeyStore::create(&staging.join("keys"), protection, unlock)?;
    Keys::create(&key_store, &options.institution, &[host], clock.now())?;
    let store = SqliteStore::create(&staging.join("state.db")).await?;
    store.close().await;
    files::create_private_dir(&staging.join("results"))?;
    files::create_new(&staging.join(config::FILE_NAME), text.as_bytes(), 0o644)?;
    Ok(key_store)
}

/// Moves the finished directory to its place; the system refuses when something has appeared there meanwhile.
fn place(staging: &Path, home: &Path) -> Result<(), Error> {
    std::fs::rename(staging, home).map_err(|source| match source.kind() {
        io::ErrorKind::DirectoryNotEmpty | io::ErrorKind::AlreadyExists | io::ErrorKind::NotADirectory => {
            Error::from(ConfigError::HomeExists { home: home.to_path_buf() })
        }
        _ => files::failed(FileAction::Create, home, source),
    })?;
    files::sync_parent(home)
}

#[cfg(test)]
mod tests;
