//! Passphrases: where they come from, and how a key is made of one.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use argon2::{Algorithm, Argon2, Params, Version};
use symbolon_primitives::secret::{Secret, Seed};

use crate::config::Env;
use crate::error::{Environment, Error, FileAction, KeysError};
use crate::files;

/// Names a file whose content is the passphrase or PIN, for `passphrase` protection without a terminal.
pub const PASSPHRASE_FILE_VARIABLE: &str = "SYMBOLON_PASSPHRASE_FILE";
/// Names an open file descriptor to read the passphrase or PIN from.
pub const PASSPHRASE_FD_VARIABLE: &str = "SYMBOLON_PASSPHRASE_FD";
/// Names a file whose content is the passphrase to change to.
pub const NEW_PASSPHRASE_FILE_VARIABLE: &str = "SYMBOLON_NEW_PASSPHRASE_FILE";
/// Set by systemd for units with `LoadCredential=`.
pub const CREDENTIALS_VARIABLE: &str = "CREDENTIALS_DIRECTORY";
/// The name of the credential.
pub const CREDENTIAL: &str = "symbolon.passphrase";
/// As [`PASSPHRASE_FILE_VARIABLE`], for the key of a person who approves.
pub const APPROVER_PASSPHRASE_FILE_VARIABLE: &str = "SYMBOLON_APPROVER_PASSPHRASE_FILE";
/// As [`PASSPHRASE_FD_VARIABLE`], for the key of a person who approves.
pub const APPROVER_PASSPHRASE_FD_VARIABLE: &str = "SYMBOLON_APPROVER_PASSPHRASE_FD";
/// As [`NEW_PASSPHRASE_FILE_VARIABLE`], for the key of a person who approves.
pub const NEW_APPROVER_PASSPHRASE_FILE_VARIABLE: &str = "SYMBOLON_NEW_APPROVER_PASSPHRASE_FILE";
/// The name of the credential for the key of a person who approves.
pub const APPROVER_CREDENTIAL: &str = "symbolon.approver-passphrase";

const PASSPHRASE_BYTES_MIN: usize = 8;
const PASSPHRASE_BYTES_MAX: u64 = 1024;

/// A passphrase or PIN. Wiped when dropped, never printed.
pub type Passphrase = Secret<Vec<u8>>;

/// Where a passphrase or PIN is found. The variables and the credential are those for the kind of key.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[expect(clippy::exhaustive_enums, reason = "a further source must be handled everywhere")]
pub enum PassphraseSource {
    /// The variables [`PASSPHRASE_FD_VARIABLE`] and [`PASSPHRASE_FILE_VARIABLE`], else the terminal.
    #[default]
    Ask,
    /// The systemd credential [`CREDENTIAL`].
    Credential,
    /// A file only its owner may read.
    File(PathBuf),
}

/// Asks a person.
pub trait Ask: Send + Sync {
    /// Asks for a passphrase, twice when it is a new one; nothing when there is no terminal.
    ///
    /// # Errors
    /// What the terminal meets.
    fn ask(&self, what: Question) -> Result<Option<Passphrase>, Error>;
}

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "each is worded by whoever asks")]
pub enum Question {
    /// The passphrase of the keys.
    Passphrase,
    /// A new passphrase for the keys.
    New,
    /// The PIN of the token.
    Pin,
    /// The passphrase of a person's key.
    Approver,
    /// A new passphrase for a person's key.
    NewApprover,
}

/// What the sources of a passphrase are called.
struct Names {
    file: &'static str,
    descriptor: &'static str,
    new_file: &'static str,
    credential: &'static str,
}

impl Question {
    const fn is_of_approver(self) -> bool {
        matches!(self, Self::Approver | Self::NewApprover)
    }

    const fn names(self) -> Names {
        if self.is_of_approver() {
            return Names {
                file: APPROVER_PASSPHRASE_FILE_VARIABLE,
                descriptor: APPROVER_PASSPHRASE_FD_VARIABLE,
                new_file: NEW_APPROVER_PASSPHRASE_FILE_VARIABLE,
                credential: APPROVER_CREDENTIAL,
            };
        }
        Names {
            file: PASSPHRASE_FILE_VARIABLE,
            descriptor: PASSPHRASE_FD_VARIABLE,
            new_file: NEW_PASSPHRASE_FILE_VARIABLE,
            credential: CREDENTIAL,
        }
    }
}

/// Nobody to ask: a service, a test.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoTerminal;

impl Ask for NoTerminal {
    fn ask(&self, _what: Question) -> Result<Option<Passphrase>, Error> {
        Ok(None)
    }
}

/// What is at hand to unlock a home with.
pub struct Unlock<'a> {
    env: &'a dyn Env,
    ask: &'a dyn Ask,
}

impl fmt::Debug for Unlock<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Unlock(..)")
    }
}

impl<'a> Unlock<'a> {
    /// The environment, and whoever can be asked.
    #[must_use]
    pub fn new(env: &'a dyn Env, ask: &'a dyn Ask) -> Self {
        Self { env, ask }
    }

    /// Finds the present passphrase or PIN.
    pub(crate) fn present(&self, source: &PassphraseSource, what: Question) -> Result<Passphrase, Error> {
        let found = match source {
            PassphraseSource::File(path) => return read_private(path, 0o077),
            PassphraseSource::Credential => return self.credential(what.names().credential),
            PassphraseSource::Ask => match self.variable(&what.names())? {
                None => self.ask.ask(what)?,
                some => some,
            },
        };
        let locked = if what.is_of_approver() { KeysError::ApproverLocked } else { KeysError::Locked };
        found.ok_or_else(|| locked.into())
    }

    /// Finds a passphrase to protect keys with from now on, `what` being the question for a new one. With `first` the
    /// variables of the present one count too.
    pub(crate) fn fresh(&self, source: &PassphraseSource, first: bool, what: Question) -> Result<Passphrase, Error> {
        let passphrase = match (source, self.env.var(what.names().new_file)) {
            (PassphraseSource::Ask, Some(path)) => read_private(Path::new(&path), 0o077)?,
            (PassphraseSource::Ask, None) if !first => self.ask.ask(what)?.ok_or(KeysError::NoNewPassphrase)?,
            _ => self.present(source, what)?,
        };
        if passphrase.expose().len() < PASSPHRASE_BYTES_MIN {
            return Err(KeysError::PassphraseShort { min: PASSPHRASE_BYTES_MIN }.into());
        }
        Ok(passphrase)
    }

    fn variable(&self, names: &Names) -> Result<Option<Passphrase>, Error> {
        if let Some(descriptor) = self.env.var(names.descriptor) {
            let number: u32 = descriptor.parse().map_err(|_| crate::error::ConfigError::Variable {
                name: names.descriptor,
                expected: "the number of an open file descriptor",
            })?;
            let path = PathBuf::from(format!("/dev/fd/{number}"));
            return read(&path).map(Some);
        }
        self.env.var(names.file).map(|path| read_private(Path::new(&path), 0o077)).transpose()
    }

    fn credential(&self, name: &'static str) -> Result<Passphrase, Error> {
        let directory = self.env.var(CREDENTIALS_VARIABLE).ok_or(KeysError::NoCredential { name })?;
        // systemd may give the service's user access by an access control list, which shows as the group's bits.
        read_private(&Path::new(&directory).join(name), 0o007)
    }
}

fn read_private(path: &Path, forbidden: u32) -> Result<Passphrase, Error> {
    let metadata = std::fs::metadata(path).map_err(|source| files::failed(FileAction::Read, path, source))?;
    if metadata.is_file() && metadata.permissions().mode() & forbidden != 0 {
        return Err(KeysError::Exposed { path: path.to_path_buf() }.into());
    }
    read(path)
}

/// Reads a passphrase and takes off the end of its line.
fn read(path: &Path) -> Result<Passphrase, Error> {
    let failed = |source| files::failed(FileAction::Read, path, source);
    // Room for all of it, so that no half-filled copy is left behind.
    let mut passphrase = Secret::new(Vec::with_capacity(2048));
    let file = File::open(path).map_err(failed)?;
    file.take(PASSPHRASE_BYTES_MAX + 1).read_to_end(passphrase.expose_mut()).map_err(failed)?;
    let got = passphrase.expose().len() as u64;
    if got > PASSPHRASE_BYTES_MAX {
        return Err(Error::LimitExceeded { what: "bytes of a passphrase", max: PASSPHRASE_BYTES_MAX, got });
    }
    while passphrase.expose().last().is_some_and(|byte| b"\r\n".contains(byte)) {
        passphrase.expose_mut().pop();
    }
    Ok(passphrase)
}

/// What a guess costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cost {
    /// Memory in KiB.
    pub(super) memory_kib: u32,
    /// Passes over it.
    pub(super) passes: u32,
    /// Lanes.
    pub(super) lanes: u32,
}

impl Cost {
    /// RFC 9106 section 4 advises 64 MiB and 3 passes where memory is scarce, with 4 lanes; one lane costs an
    /// attacker the same memory and leaves the second core to others.
    pub(super) const DEFAULT: Self = Self { memory_kib: 64 << 10, passes: 3, lanes: 1 };
    const LEAST: Self = Self { memory_kib: 19 << 10, passes: 2, lanes: 1 };
    const MOST: Self = Self { memory_kib: 1 << 20, passes: 10, lanes: 4 };

    /// Whether the cost is within what is read.
    pub(super) fn is_acceptable(self) -> bool {
        (Self::LEAST.memory_kib..=Self::MOST.memory_kib).contains(&self.memory_kib)
            && (Self::LEAST.passes..=Self::MOST.passes).contains(&self.passes)
            && (Self::LEAST.lanes..=Self::MOST.lanes).contains(&self.lanes)
    }

    /// argon2id (RFC 9106), version 1.3, 32 bytes.
    pub(super) fn stretch(self, passphrase: &Passphrase, salt: &[u8]) -> Result<Seed, Error> {
        let failed = |_| Environment::Worker;
        let params = Params::new(self.memory_kib, self.passes, self.lanes, Some(32)).map_err(failed)?;
        let mut key = Secret::new([0_u8; 32]);
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
            .hash_password_into(passphrase.expose(), salt, key.expose_mut())
            .map_err(failed)?;
        Ok(key)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn written(dir: &Path, name: &str, text: &str, mode: u32) -> String {
        let path = dir.join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        path.display().to_string()
    }

    fn env(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn each_source_gives_its_passphrase_without_the_line_end() {
        let dir = tempfile::tempdir().unwrap();
        let file = written(dir.path(), "own", "correct horse\n", 0o600);
        written(dir.path(), CREDENTIAL, "from systemd\r\n", 0o440);
        let env = env(&[(PASSPHRASE_FILE_VARIABLE, &file), (CREDENTIALS_VARIABLE, dir.path().to_str().unwrap())]);
        let unlock = Unlock::new(&env, &NoTerminal);
        let present = |source| unlock.present(&source, Question::Passphrase).unwrap();
        assert_eq!(present(PassphraseSource::Ask).expose(), b"correct horse");
        assert_eq!(present(PassphraseSource::Credential).expose(), b"from systemd");
        assert_eq!(present(PassphraseSource::File(file.into())).expose(), b"correct horse");
    }

    #[test]
    fn a_person_has_sources_of_its_own() {
        let dir = tempfile::tempdir().unwrap();
        let (home, ada) =
            (written(dir.path(), "home", "of the home", 0o600), written(dir.path(), "ada", "of Ada", 0o600));
        written(dir.path(), APPROVER_CREDENTIAL, "from systemd", 0o400);
        let both = env(&[
            (PASSPHRASE_FILE_VARIABLE, &home),
            (APPROVER_PASSPHRASE_FILE_VARIABLE, &ada),
            (CREDENTIALS_VARIABLE, dir.path().to_str().unwrap()),
        ]);
        let unlock = Unlock::new(&both, &NoTerminal);
        let present = |source, what| unlock.present(&source, what).unwrap().expose().clone();
        assert_eq!(present(PassphraseSource::Ask, Question::Passphrase), b"of the home");
        assert_eq!(present(PassphraseSource::Ask, Question::Approver), b"of Ada");
        assert_eq!(present(PassphraseSource::Credential, Question::Approver), b"from systemd");
        let one = env(&[(PASSPHRASE_FILE_VARIABLE, &home)]);
        let locked = Unlock::new(&one, &NoTerminal).present(&PassphraseSource::Ask, Question::Approver);
        assert_eq!(locked.unwrap_err().reason(), "APPROVER_KEY_LOCKED");
    }

    #[test]
    fn what_others_may_read_is_no_passphrase() {
        let dir = tempfile::tempdir().unwrap();
        for mode in [0o640, 0o604, 0o644] {
            let file = written(dir.path(), "open", "correct horse", mode);
            let env = env(&[(PASSPHRASE_FILE_VARIABLE, &file)]);
            let unlock = Unlock::new(&env, &NoTerminal);
            for source in [PassphraseSource::Ask, PassphraseSource::File(file.clone().into())] {
                assert_eq!(unlock.present(&source, Question::Passphrase).unwrap_err().reason(), "KEY_EXPOSED");
            }
        }
        written(dir.path(), CREDENTIAL, "x", 0o444);
        let env = env(&[(CREDENTIALS_VARIABLE, dir.path().to_str().unwrap())]);
        let unlock = Unlock::new(&env, &NoTerminal);
        let refused = unlock.present(&PassphraseSource::Credential, Question::Passphrase);
        assert_eq!(refused.unwrap_err().reason(), "KEY_EXPOSED");
    }

    #[test]
    fn without_a_source_the_keys_stay_locked() {
        let nothing = env(&[]);
        let unlock = Unlock::new(&nothing, &NoTerminal);
        let reason = |source| unlock.present(&source, Question::Passphrase).unwrap_err().reason();
        assert_eq!(reason(PassphraseSource::Ask), "KEYS_LOCKED");
        assert_eq!(reason(PassphraseSource::Credential), "CREDENTIAL_MISSING");
        assert_eq!(reason(PassphraseSource::File("/nowhere".into())), "FILE_FAILED");
    }

    #[test]
    fn a_new_passphrase_is_long_enough_and_not_endless() {
        let dir = tempfile::tempdir().unwrap();
        let short = written(dir.path(), "short", "1234567\n", 0o600);
        let long = written(dir.path(), "long", &"x".repeat(1025), 0o600);
        let reason = |file: &str| {
            let env = env(&[(NEW_PASSPHRASE_FILE_VARIABLE, file)]);
            Unlock::new(&env, &NoTerminal).fresh(&PassphraseSource::Ask, true, Question::New).unwrap_err().reason()
        };
        assert_eq!(reason(&short), "PASSPHRASE_SHORT");
        assert_eq!(reason(&long), "LIMIT_EXCEEDED");
        // The present passphrase is not taken for the one to change to.
        let present = written(dir.path(), "present", "correct horse", 0o600);
        let env = env(&[(PASSPHRASE_FILE_VARIABLE, &present)]);
        let unlock = Unlock::new(&env, &NoTerminal);
        assert!(unlock.fresh(&PassphraseSource::Ask, true, Question::New).is_ok());
        assert_eq!(
            unlock.fresh(&PassphraseSource::Ask, false, Question::New).unwrap_err().reason(),
            "PASSPHRASE_MISSING"
        );
    }

    #[test]
    fn costs_outside_the_bounds_are_not_read() {
        assert!(Cost::DEFAULT.is_acceptable());
        for (memory_kib, passes, lanes) in
            [(1024, 3, 1), (2 << 20, 3, 1), (65536, 1, 1), (65536, 11, 1), (65536, 3, 0), (65536, 3, 5)]
        {
            assert!(!Cost { memory_kib, passes, lanes }.is_acceptable());
        }
    }
}
