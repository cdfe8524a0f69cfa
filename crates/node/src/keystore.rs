//! Keys at rest: how the private keys of a home, and the keys of its jobs, lie on the disk.
//!
//! # What it holds
//! One key-encryption key (KEK) of 32 random bytes a home, [`AtRest`]. Under it lie the private keys (`keys/*.key`) and
//! the keys of jobs (in the store). The KEK itself lies in `keys/at-rest.key`, in one or more **slots**:
//!
//! ```text
//! symbolon-at-rest-key/1 <name of the KEK, 32 hexadecimal digits>
//! plain <KEK, base64>
//! argon2id m=65536 t=3 p=1 salt=<base64> <sealed KEK, base64>
//! pkcs11 key=<CKA_ID, hexadecimal> iv=<base64> <sealed KEK, base64>
//! ```
//!
//! A change of the protection writes a slot, not the keys: first old and new slot together, then `node.toml`, then
//! the new slot alone, each by a rename. So at every moment what is on the disk opens by what `node.toml` says, and a
//! crash loses nothing. The passphrase is stretched once, whatever the number of keys.
//!
//! A private key is one line, as before:
//!
//! ```text
//! symbolon-sealed-key/1 <kind> <public part, base64> <sealed key, base64>
//! symbolon-token-key/1 <kind> <public part, base64> <CKA_ID, hexadecimal>
//! ```
//!
//! The public part is the organisation key itself, the pin of the TLS key, or the id of the sealing key. The plain
//! forms of earlier homes are still read, but only while the KEK lies in a plain slot.
//!
//! # Security
//! * Sealed is Cobblestone-256 ([`symbolon_primitives::stream`]), which commits to its key, under a key derived from
//!   the KEK for this use alone. Its context names kind and public part (private keys) or the job (keys of jobs), so
//!   nothing can be put in another's place, and nothing of another home opens.
//! * argon2id with 64 MiB, 3 passes, 1 lane. Read are at least 19 MiB and 2 passes, at most 1 GiB and 10 passes:
//!   a weaker file is no protection, a costlier one a way to stop the node.
//! * A wrong passphrase and a changed slot are one error.
//! * With a plain slot whoever reads the directory has every key; file permissions are all that protects them then.
//!   A copy made of a home while it was plain stays readable after the protection has changed: make new keys if
//!   others may have such a copy.
//!
//! # Where it differs
//! CRYPTO.md E.4 lets key-encryption keys expire and be replaced. The KEK of a home never leaves the house and seals
//! a few bytes a job, so it stays; what is destroyed is the key of a job.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::io::{Read, Write};
use symbolon_primitives::kdf::{Label, derive_seed};
use symbolon_primitives::secret::{Secret, Seed};
use symbolon_primitives::stream::{Decryptor, Encryptor};

use crate::error::{Environment, Error, FileAction, KeysError};
use crate::files;
use crate::store::JobId;

pub use passphrase::{
    APPROVER_CREDENTIAL, APPROVER_PASSPHRASE_FD_VARIABLE, APPROVER_PASSPHRASE_FILE_VARIABLE, Ask, CREDENTIAL,
    CREDENTIALS_VARIABLE, NEW_APPROVER_PASSPHRASE_FILE_VARIABLE, NEW_PASSPHRASE_FILE_VARIABLE, NoTerminal,
    PASSPHRASE_FD_VARIABLE, PASSPHRASE_FILE_VARIABLE, Passphrase, PassphraseSource, Question, Unlock,
};
pub use protection::{KeySettings, Pkcs11Settings, Protection};
pub use signing::TlsKey;
use slots::SlotFile;
pub(crate) use stretched::Stretched;
use token::Token;

mod passphrase;
mod protect;
pub(crate) mod protection;
mod signing;
mod slots;
mod stretched;
pub(crate) mod token;

/// The file of the KEK in the directory of the keys.
pub const AT_REST_FILE: &str = "at-rest.key";

const SEALED_KEY: &str = "symbolon-sealed-key/1";
const TOKEN_KEY: &str = "symbolon-token-key/1";
const KEY_FILE_BYTES_MAX: u64 = 64 << 10;
/// The longest secret that is sealed here; a PKCS#8 key has about 140 bytes.
const SECRET_BYTES_MAX: usize = 4096;

/// Which key of a home a file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "a further key must be handled everywhere")]
pub enum KeyKind {
    /// Signs for the institution.
    Organisation,
    /// Proves the node's identity to partners.
    Tls,
    /// Opens what partners seal.
    Sealing,
}

impl KeyKind {
    /// The word that stands for it in files.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Organisation => "organisation",
            Self::Tls => "tls",
            Self::Sealing => "sealing",
        }
    }
}

/// What a key file holds once it is opened.
#[expect(clippy::exhaustive_enums, reason = "a further form must be handled everywhere")]
pub enum StoredKey {
    /// The secret itself: a seed of 32 bytes, or PKCS#8 for the TLS key.
    Secret(Secret<Vec<u8>>),
    /// The `CKA_ID` of a key in the token.
    Token(Vec<u8>),
    /// The file is not of a form of this module; its content, for the readers of the plain forms.
    Plain(Secret<Vec<u8>>),
}

impl fmt::Debug for StoredKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Secret(_) => "Secret(..)",
            Self::Token(_) => "Token(..)",
            Self::Plain(_) => "Plain(..)",
        })
    }
}

/// A home's key-encryption key, opened.
pub struct AtRest {
    kek: Seed,
    /// The name of the KEK, derived from it: tells KEKs apart and is checked after every unlocking.
    id: [u8; 16],
}

impl AtRest {
    /// Draws a fresh KEK.
    ///
    /// # Errors
    /// [`Error::Primitives`] when the system gives no randomness.
    pub fn generate() -> Result<Self, Error> {
        Ok(Self::new(Seed::random()?))
    }

    fn new(kek: Seed) -> Self {
        let derived = derive_seed(kek.expose(), &[Label::AtRestId.as_bytes()]);
        let mut id = [0; 16];
        id.copy_from_slice(&derived.expose()[..16]);
        Self { kek, id }
    }

    /// The name of the KEK.
    #[must_use]
    pub const fn id(&self) -> [u8; 16] {
        self.id
    }

    /// Gives the line of a key file that holds `secret` sealed.
    ///
    /// # Errors
    /// [`Error::Primitives`] when the system gives no randomness.
    pub fn seal_key(&self, kind: KeyKind, public: &[u8; 32], secret: &[u8]) -> Result<String, Error> {
        let sealed = seal(&self.key_for(Label::AtRestKey), &key_context(kind, public), secret)?;
        Ok(format!("{SEALED_KEY} {} {} {}\n", kind.as_str(), STANDARD.encode(public), STANDARD.encode(sealed)))
    }

    /// Seals the key of a job for the store.
    ///
    /// # Errors
    /// [`Error::Primitives`] when the system gives no randomness.
    pub fn seal_job_key(&self, job: JobId, key: &Seed) -> Result<Vec<u8>, Error> {
        seal(&self.key_for(Label::AtRestJob), &context(Label::AtRestJob, &[job.as_bytes()]), key.expose())
    }

    /// Opens the key of a job.
    ///
    /// # Errors
    /// [`KeysError::JobKey`] when it was not sealed for this job in this home.
    pub fn open_job_key(&self, job: JobId, sealed: &[u8]) -> Result<Seed, Error> {
        let context = context(Label::AtRestJob, &[job.as_bytes()]);
        let opened = open(&self.key_for(Label::AtRestJob), &context, sealed).ok_or(KeysError::JobKey)?;
        seed_of(opened.expose()).ok_or_else(|| KeysError::JobKey.into())
    }

    /// The secret under which the home knows its own inputs again: as lasting and as well kept as the KEK.
    fn input_secret(&self) -> Seed {
        self.key_for(Label::InputSecret)
    }

    fn key_for(&self, label: Label) -> Seed {
        derive_seed(self.kek.expose(), &[label.as_bytes()])
    }
}

impl fmt::Debug for AtRest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AtRest").field("id", &hex::encode(self.id)).finish_non_exhaustive()
    }
}

/// What the keys of an open home are read and written with: the KEK, and the token if there is one.
#[derive(Debug, Clone)]
pub struct KeyStore {
    directory: PathBuf,
    at_rest: Arc<AtRest>,
    token: Option<Arc<Token>>,
    /// Whether the KEK lies in a plain slot, so that plain key files give away nothing more.
    plain: bool,
}

impl KeyStore {
    /// Makes `keys/at-rest.key` for a new home, which must not be there yet, and generates what the token needs.
    ///
    /// # Errors
    /// [`Error::AlreadyExists`]; [`KeysError`] for passphrase, file or token; environment errors.
    pub fn create(directory: &Path, settings: &KeySettings, unlock: &Unlock<'_>) -> Result<Self, Error> {
        files::create_private_dir(directory)?;
        let at_rest = AtRest::generate()?;
        let token = settings.token().map(|token| Token::open(token, unlock)).transpose()?;
        let slot = protect::new_slot(&at_rest, settings, token.as_ref(), unlock, true)?;
        let file = SlotFile { id: at_rest.id, slots: vec![slot] };
        files::create_new(&directory.join(AT_REST_FILE), file.to_text().expose().as_bytes(), files::PRIVATE_FILE)?;
        Ok(Self::assemble(directory, at_rest, token, file.is_plain()))
    }

    /// Opens the KEK of a home. A home from before there was one gets a plain one.
    ///
    /// # Errors
    /// [`KeysError::Locked`] and [`KeysError::WrongPassphrase`]; [`KeysError`] for file or token; environment errors.
    pub fn open(directory: &Path, settings: &KeySettings, unlock: &Unlock<'_>) -> Result<Self, Error> {
        let path = directory.join(AT_REST_FILE);
        if !path.exists() && is_of_before(directory) {
            let plain = KeySettings::default();
            match Self::create(directory, &plain, unlock) {
                // Another process was faster.
                Err(Error::AlreadyExists { .. }) => {}
                other => return other,
            }
        }
        let file = SlotFile::read(&path)?;
        if let Some(kek) = file.plain() {
            return Ok(Self::assemble(directory, kek?, None, true));
        }
        let token = settings.token().map(|token| Token::open(token, unlock)).transpose()?;
        let at_rest = match &token {
            Some(token) => file.open_with_token(token)?,
            None => file.open_with_passphrase(&path, settings, unlock)?,
        };
        Ok(Self::assemble(directory, at_rest, token, false))
    }

    fn assemble(directory: &Path, at_rest: AtRest, token: Option<Token>, plain: bool) -> Self {
        Self { directory: directory.to_path_buf(), at_rest: Arc::new(at_rest), token: token.map(Arc::new), plain }
    }

    /// The secret under which the home knows its own inputs again, see [`symbolon_policy::sketch`].
    pub(crate) fn input_secret(&self) -> Seed {
        self.at_rest.input_secret()
    }

    /// The same after its directory was renamed.
    pub(crate) fn moved(self, directory: PathBuf) -> Self {
        Self { directory, ..self }
    }

    /// The directory of the keys.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The KEK.
    #[must_use]
    pub const fn at_rest(&self) -> &Arc<AtRest> {
        &self.at_rest
    }

    /// The token, when keys lie in one.
    pub(crate) const fn token(&self) -> Option<&Arc<Token>> {
        self.token.as_ref()
    }

    /// Whether the KEK lies unprotected beside the keys.
    #[must_use]
    pub const fn is_plain(&self) -> bool {
        self.plain
    }

    /// Reads a key file and opens what it holds.
    ///
    /// # Errors
    /// [`KeysError::Exposed`], [`KeysError::Malformed`]; [`KeysError::Unprotected`] for a plain file in a home that
    /// is protected; environment errors.
    pub fn read_key(&self, path: &Path, kind: KeyKind) -> Result<(StoredKey, Option<[u8; 32]>), Error> {
        let content = read_private(path)?;
        let malformed = || Error::from(KeysError::Malformed { path: path.to_path_buf(), expected: "key of this node" });
        let line = match KeyLine::parse(content.expose()).ok_or_else(malformed)? {
            Some(line) if line.kind == kind.as_str() => line,
            Some(_) => return Err(malformed()),
            None if self.plain => return Ok((StoredKey::Plain(content), None)),
            None => return Err(KeysError::Unprotected { path: path.to_path_buf() }.into()),
        };
        let key = if line.in_token {
            StoredKey::Token(line.body)
        } else {
            let key = self.at_rest.key_for(Label::AtRestKey);
            StoredKey::Secret(open(&key, &key_context(kind, &line.public), &line.body).ok_or_else(malformed)?)
        };
        Ok((key, Some(line.public)))
    }

    /// Whether any key file, earlier ones included, stands for a key in the token.
    ///
    /// # Errors
    /// Environment errors.
    pub(crate) fn has_token_keys(&self) -> Result<bool, Error> {
        let mut directories = vec![self.directory.clone()];
        while let Some(directory) = directories.pop() {
            let failed = |source| files::failed(FileAction::Read, &directory, source);
            for entry in std::fs::read_dir(&directory).map_err(failed)? {
                let path = entry.map_err(failed)?.path();
                if path.is_dir() {
                    directories.push(path);
                } else if path.extension().is_some_and(|extension| extension == "key")
                    && read_private(&path)?.expose().starts_with(TOKEN_KEY.as_bytes())
                {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    /// Gives the line of a key file for a key in the token.
    pub(crate) fn token_line(kind: KeyKind, public: &[u8; 32], id: &[u8]) -> String {
        format!("{TOKEN_KEY} {} {} {}\n", kind.as_str(), STANDARD.encode(public), hex::encode(id))
    }
}

/// What a key file of the present forms says.
#[derive(Debug, Clone, PartialEq, Eq)]
struct KeyLine<'a> {
    in_token: bool,
    kind: &'a str,
    public: [u8; 32],
    /// The sealed key, or the `CKA_ID`.
    body: Vec<u8>,
}

impl<'a> KeyLine<'a> {
    /// Reads a file; `Some(None)` when it is of a plain form, which others read, and `None` when it is of no form.
    fn parse(content: &'a [u8]) -> Option<Option<Self>> {
        let text = std::str::from_utf8(content).ok()?.trim_end();
        let Some((form, rest)) = text.split_once(' ').filter(|(form, _)| [SEALED_KEY, TOKEN_KEY].contains(form)) else {
            return Some(None);
        };
        let parts: Vec<&str> = rest.split(' ').collect();
        let [kind, public, body] = parts[..] else { return None };
        let in_token = form == TOKEN_KEY;
        let body = if in_token { hex::decode(body).ok()? } else { STANDARD.decode(body).ok()? };
        Some(Some(Self { in_token, kind, public: array_of(public)?, body }))
    }
}

/// Reads what key files may hold, for fuzzing: each form that is taken is written as it was read.
#[cfg(fuzzing)]
pub fn fuzz_key_files(content: &[u8]) {
    if let Some(Some(line)) = KeyLine::parse(content) {
        let form = if line.in_token { TOKEN_KEY } else { SEALED_KEY };
        let body = if line.in_token { hex::encode(&line.body) } else { STANDARD.encode(&line.body) };
        let text = format!("{form} {} {} {body}", line.kind, STANDARD.encode(line.public));
        assert_eq!(KeyLine::parse(text.as_bytes()), Some(Some(line)));
    }
    if let Some(file) = std::str::from_utf8(content).ok().and_then(SlotFile::parse) {
        let text = file.to_text();
        let again = SlotFile::parse(text.expose()).expect("a file of its own writing");
        assert_eq!(*again.to_text().expose(), *text.expose());
        // Whoever edits the file makes no key of another's name open.
        drop(file.plain());
    }
}

/// Whether the keys are those of a release that had no key-encryption key.
fn is_of_before(directory: &Path) -> bool {
    let content = read_private(&directory.join(crate::keys::ORGANISATION_FILE));
    content.is_ok_and(|content| !content.expose().starts_with(b"symbolon-sealed-key/"))
}

/// Refuses a file that group or others may read.
pub(crate) fn read_private(path: &Path) -> Result<Secret<Vec<u8>>, Error> {
    use std::os::unix::fs::PermissionsExt;
    let metadata = std::fs::metadata(path);
    let metadata = metadata.map_err(|source| files::failed(FileAction::Read, path, source))?;
    if metadata.permissions().mode() & 0o077 != 0 {
        return Err(KeysError::Exposed { path: path.to_path_buf() }.into());
    }
    files::read(path, KEY_FILE_BYTES_MAX).map(Secret::new)
}

fn context(label: Label, parts: &[&[u8]]) -> Vec<u8> {
    let mut context = label.as_bytes().to_vec();
    for part in parts {
        symbolon_primitives::hash::lp(&mut context, part);
    }
    context
}

fn key_context(kind: KeyKind, public: &[u8; 32]) -> Vec<u8> {
    context(Label::AtRestKey, &[kind.as_str().as_bytes(), public])
}

/// Seals a short secret.
fn seal(key: &Seed, context: &[u8], secret: &[u8]) -> Result<Vec<u8>, Error> {
    let mut stream = Encryptor::new(Vec::new(), key, context)?;
    stream.write_all(secret).map_err(|_| Environment::Worker)?;
    Ok(stream.finish()?)
}

/// Opens a short secret; nothing when it is not what was sealed under this key for this context.
fn open(key: &Seed, context: &[u8], sealed: &[u8]) -> Option<Secret<Vec<u8>>> {
    if sealed.len() > SECRET_BYTES_MAX + 256 {
        return None;
    }
    let mut stream = Decryptor::new(sealed, key, context).ok()?;
    // Room for all of it, so that no half-filled copy is left behind.
    let mut secret = Secret::new(Vec::with_capacity(SECRET_BYTES_MAX));
    stream.read_to_end(secret.expose_mut()).ok()?;
    Some(secret)
}

fn seed_of(bytes: &[u8]) -> Option<Seed> {
    <[u8; 32]>::try_from(bytes).ok().map(Secret::new)
}

fn array_of<const N: usize>(text: &str) -> Option<[u8; N]> {
    STANDARD.decode(text).ok()?.try_into().ok()
}

#[cfg(test)]
mod tests;
