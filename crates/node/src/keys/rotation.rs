//! Changing keys: all files of a change take effect together, also when the machine stops in the middle.
//!
//! A change is prepared whole in a directory beside the keys and then renamed to `keys/commit`: that rename is the
//! moment it counts. Its files are then moved to their places; whoever opens the keys and finds `keys/commit` finishes
//! the moves first. Former keys lie in `keys/old` under their kind and the first digits of their public part, each
//! sealed as it was, until they no longer count.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use symbolon_policy::{Digest, ROTATIONS_MAX, Rotation, Timestamp};
use symbolon_primitives::secret::Secret;

use super::history::{self, FormerKey, History};
use super::{
    CertificateNames, Keys, ORGANISATION_FILE, SEALING_FILE, TLS_CERTIFICATE_FILE, TLS_KEY_FILE, make_pair,
    make_sealing,
};
use crate::error::{Environment, Error, FileAction, KeysError};
use crate::files;
use crate::keystore::{KeyKind, KeyStore};

const COMMIT: &str = "commit";
const OLD: &str = "old";
/// Beside the directory of the keys, so that the directory holds keys only.
const LOCK_FILE: &str = "keys.lock";

/// How many former keys are remembered of each kind; their files are gone long before.
const FORMER_MAX: usize = 64;

/// Puts a new key of `kind` in the place of the present one, which still counts before `until`. Gives the keys that
/// then hold.
///
/// # Errors
/// [`KeysError::Changing`] when another process does the same; [`KeysError`]; environment errors. Before the change
/// counts, everything is as it was.
pub fn rotate(
    store: &KeyStore,
    kind: KeyKind,
    names: CertificateNames<'_>,
    now: DateTime<Utc>,
    until: DateTime<Utc>,
) -> Result<Keys, Error> {
    let dir = store.directory();
    let _lock = lock(dir)?;
    let keys = Keys::load(store)?;
    let change = Change::begin(dir)?;
    let mut history = keys.history().clone();
    let public = public_of(&keys, kind);
    let former = FormerKey {
        kind,
        anchor: (kind == KeyKind::Tls).then(|| keys.tls().anchor().as_str().to_owned()),
        sequence: history.sequence + 1,
        from: history.since(kind).unwrap_or_else(|| keys.tls().not_before().min(now)),
        replaced: now,
        until,
        revoked: None,
        file: format!("{}-{}", kind.as_str(), tag_of(&public)),
        public,
    };
    match kind {
        KeyKind::Tls => {
            let (key, certificate) = make_pair(store, names, now)?;
            change.retire(dir, TLS_KEY_FILE, &former.file, "key")?;
            change.retire(dir, TLS_CERTIFICATE_FILE, &former.file, "crt")?;
            change.write(TLS_KEY_FILE, &key)?;
            change.write(TLS_CERTIFICATE_FILE, &Secret::new(certificate))?;
        }
        KeyKind::Organisation => {
            let (signer, line) = store.make_organisation()?;
            let times = (timestamp(now)?, timestamp(until)?);
            history.rotations.push(Rotation::make(keys.organisation(), signer.as_ref(), times.0, times.1)?);
            let surplus = history.rotations.len().saturating_sub(ROTATIONS_MAX);
            history.rotations.drain(..surplus);
            change.retire(dir, ORGANISATION_FILE, &former.file, "key")?;
            change.write(ORGANISATION_FILE, &line)?;
        }
        KeyKind::Sealing => {
            change.retire(dir, SEALING_FILE, &former.file, "key")?;
            change.write(SEALING_FILE, &make_sealing(store)?)?;
        }
    }
    history.since.retain(|since| since.0 != kind);
    history.since.push((kind, now));
    history.former.push(former);
    trim(&mut history, kind);
    change.commit(dir, history, now)?;
    Keys::load(store)
}

/// Withdraws a former key named by its public part, or by enough of it: its file is removed, and the card says that
/// nobody shall accept it any more. Gives the keys that then hold and the public part.
///
/// # Errors
/// [`KeysError::InForce`] for the present key; [`Error::NotFound`]; otherwise as [`rotate`].
pub fn revoke(store: &KeyStore, name: &str, now: DateTime<Utc>) -> Result<(Keys, FormerKey), Error> {
    let dir = store.directory();
    let _lock = lock(dir)?;
    let keys = Keys::load(store)?;
    let present = [KeyKind::Tls, KeyKind::Organisation, KeyKind::Sealing].map(|kind| public_of(&keys, kind));
    if present.iter().any(|public| names(public, name)) {
        return Err(KeysError::InForce.into());
    }
    let mut history = keys.history().clone();
    let mut found = history.former.iter_mut().filter(|key| names(&key.public, name) || key.file == name);
    let remedy = "give the public part of a former key, or enough of it, as `key history` shows it";
    let key = found.next().ok_or(Error::NotFound { what: "former key", remedy })?;
    if found.next().is_some() {
        return Err(Error::Misuse { what: "more than one key begins like this", remedy: "give more of it" });
    }
    key.revoked.get_or_insert(now);
    let key = key.clone();
    let change = Change::begin(dir)?;
    change.commit(dir, history, now)?;
    remove_files(dir, &key)?;
    Ok((Keys::load(store)?, key))
}

/// Removes the files of former keys that no longer count at `now`.
///
/// # Errors
/// As [`rotate`].
pub fn retire(store: &KeyStore, now: DateTime<Utc>) -> Result<(), Error> {
    let history = History::load(store.directory())?;
    history.former.iter().filter(|key| !key.holds(now)).try_for_each(|key| remove_files(store.directory(), key))
}

/// The public part of a key in force, as the history has it.
#[must_use]
pub fn public_of(keys: &Keys, kind: KeyKind) -> String {
    match kind {
        KeyKind::Tls => Digest::from_bytes(keys.spki_pin()).to_string(),
        KeyKind::Organisation => keys.organisation_public().to_string(),
        KeyKind::Sealing => Digest::of(keys.sealing().public_key().as_bytes()).to_string(),
    }
}

/// Finishes a change that counts but was cut off before all its files were in place.
pub(super) fn finish(dir: &Path) -> Result<(), Error> {
    if !dir.join(COMMIT).exists() {
        return Ok(());
    }
    let _lock = lock(dir)?;
    Ok(())
}

/// Where a file of a former key lies.
pub(super) fn old_file(dir: &Path, name: &str, ending: &str) -> PathBuf {
    dir.join(OLD).join(format!("{name}.{ending}"))
}

/// A change that is being prepared; what was prepared is removed unless it is committed.
struct Change {
    staging: PathBuf,
}

impl Change {
    fn begin(dir: &Path) -> Result<Self, Error> {
        let mut random = [0_u8; 8];
        getrandom::fill(&mut random).map_err(|_| Environment::Entropy)?;
        let staging = dir.join(format!("next.{}", hex::encode(random)));
        files::create_private_dir(&staging.join(OLD))?;
        Ok(Self { staging })
    }

    fn write(&self, name: &str, content: &Secret<String>) -> Result<(), Error> {
        files::create_new(&self.staging.join(name), content.expose().as_bytes(), files::PRIVATE_FILE)
    }

    /// Copies a file of the key in force to where it lies once it is a former one.
    fn retire(&self, dir: &Path, name: &str, file: &str, ending: &str) -> Result<(), Error> {
        let content = Secret::new(files::read(&dir.join(name), super::KEY_FILE_BYTES_MAX)?);
        files::create_new(&old_file(&self.staging, file, ending), content.expose(), files::PRIVATE_FILE)
    }

    fn commit(self, dir: &Path, mut history: History, now: DateTime<Utc>) -> Result<(), Error> {
        history.sequence += 1;
        history.changed = Some(now);
        self.write(history::FILE, &Secret::new(history.to_toml()?))?;
        let commit = dir.join(COMMIT);
        fs::rename(&self.staging, &commit).map_err(|source| files::failed(FileAction::Create, &commit, source))?;
        files::sync_parent(&commit)?;
        place(dir)
    }
}

impl Drop for Change {
    fn drop(&mut self) {
        // After the commit there is nothing of that name.
        drop(fs::remove_dir_all(&self.staging));
    }
}

/// Moves the files of a committed change to their places. May be done again after any stop.
fn place(dir: &Path) -> Result<(), Error> {
    let commit = dir.join(COMMIT);
    files::create_private_dir(&dir.join(OLD))?;
    for folder in [OLD, "."] {
        let from = commit.join(folder);
        let entries = match fs::read_dir(&from) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            other => other.map_err(|source| files::failed(FileAction::Read, &from, source))?,
        };
        for entry in entries {
            let entry = entry.map_err(|source| files::failed(FileAction::Read, &from, source))?;
            let to = dir.join(folder).join(entry.file_name());
            if entry.path().is_file() {
                fs::rename(entry.path(), &to).map_err(|source| files::failed(FileAction::Create, &to, source))?;
                files::sync_parent(&to)?;
            }
        }
    }
    fs::remove_dir_all(&commit).map_err(|source| files::failed(FileAction::Remove, &commit, source))?;
    files::sync_parent(&commit)
}

/// Takes the right to change keys until it is dropped, and finishes a change that was cut off.
fn lock(dir: &Path) -> Result<File, Error> {
    let path = dir.with_file_name(LOCK_FILE);
    let file = File::options().create(true).append(true).open(&path);
    let file = file.map_err(|source| files::failed(FileAction::Create, &path, source))?;
    // A change takes a moment; whoever meets one waits for it.
    rustix::fs::flock(&file, rustix::fs::FlockOperation::LockExclusive).map_err(|_| KeysError::Changing)?;
    if dir.join(COMMIT).exists() {
        place(dir)?;
    }
    Ok(file)
}

fn remove_files(dir: &Path, key: &FormerKey) -> Result<(), Error> {
    for ending in ["key", "crt"] {
        let path = old_file(dir, &key.file, ending);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(files::failed(FileAction::Remove, &path, error));
            }
            _ => {}
        }
    }
    Ok(())
}

/// Forgets the oldest former keys of a kind, except those that were withdrawn: these stay on the card.
fn trim(history: &mut History, kind: KeyKind) {
    while history.former.iter().filter(|key| key.kind == kind && key.revoked.is_none()).count() > FORMER_MAX {
        let oldest = history.former.iter().position(|key| key.kind == kind && key.revoked.is_none());
        if let Some(oldest) = oldest {
            history.former.remove(oldest);
        }
    }
}

/// Whether `name` is a public part or its beginning, with or without the word in front.
fn names(public: &str, name: &str) -> bool {
    let bare = public.split_once(':').map_or(public, |(_, bare)| bare);
    name.len() >= 8 && (public.starts_with(name) || bare.starts_with(name))
}

/// The first digits of a public part, fit for a file name.
fn tag_of(public: &str) -> String {
    hex::encode(&Digest::of(public.as_bytes()).as_bytes()[..8])
}

fn timestamp(time: DateTime<Utc>) -> Result<Timestamp, Error> {
    crate::ops::node::timestamp(time)
}

#[cfg(test)]
mod tests;
