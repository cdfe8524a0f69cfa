//! Keys of persons who approve agreements.
//!
//! A person keeps the key in a file of its own, readable by nobody else; the node keeps none of them. The file has one
//! line, with the 32 bytes the key is made from sealed under the person's passphrase, as the keys of a home are
//! ([`keystore`](crate::keystore)), or, when the person wants no passphrase, in base64:
//!
//! ```text
//! symbolon-approver-key/2 <public key, base64> argon2id m=65536 t=3 p=1 salt=<base64> <sealed key, base64>
//! symbolon-approver-key-1:<key, base64>
//! ```

use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use symbolon_primitives::kdf::Label;
use symbolon_primitives::secret::{Secret, Seed};
use symbolon_primitives::sign::{SigningKey, VerifyingKey};

use crate::error::{Error, KeysError};
use crate::files;
use crate::keystore::{PassphraseSource, Question, Stretched, Unlock, read_private};

const PLAIN: &str = "symbolon-approver-key-1:";
const SEALED: &str = "symbolon-approver-key/2";

/// How the file of a new key is protected.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "there are these two ways")]
pub enum ApproverProtection {
    /// By a passphrase, found where it says.
    Passphrase(PassphraseSource),
    /// By the permissions of the file alone.
    Plain,
}

/// Makes a person's key and writes it to `path`, which must not exist.
///
/// # Errors
/// [`Error::AlreadyExists`] when the file is there already; [`KeysError`] for the passphrase; environment errors.
pub fn create(path: &Path, protection: &ApproverProtection, unlock: &Unlock<'_>) -> Result<SigningKey, Error> {
    // Before a passphrase is asked for.
    if path.exists() {
        return Err(Error::AlreadyExists { what: "the file of the key" });
    }
    let key = SigningKey::generate()?;
    let line = match protection {
        ApproverProtection::Plain => {
            Secret::new(format!("{PLAIN}{}\n", Secret::new(STANDARD.encode(key.to_seed().expose())).expose()))
        }
        ApproverProtection::Passphrase(source) => sealed_line(&key, source, unlock, true)?,
    };
    files::create_new(path, line.expose().as_bytes(), files::PRIVATE_FILE)?;
    Ok(key)
}

/// Reads a person's key. `source` is where the passphrase is found, when the key has one.
///
/// # Errors
/// [`KeysError::Exposed`] when others may read the file; [`KeysError::Malformed`] when it holds no such key;
/// [`KeysError::ApproverLocked`] and [`KeysError::ApproverPassphrase`]; environment errors.
pub fn load(path: &Path, source: &PassphraseSource, unlock: &Unlock<'_>) -> Result<SigningKey, Error> {
    Ok(read(path, source, unlock)?.0)
}

/// Puts a key under a new passphrase: one that is asked for, or named by the variable for new ones. `source` is where
/// the present one is found.
///
/// # Errors
/// As [`load`]; [`KeysError::NoNewPassphrase`], [`KeysError::PassphraseShort`]. The file is as it was then.
pub fn protect(path: &Path, source: &PassphraseSource, unlock: &Unlock<'_>) -> Result<VerifyingKey, Error> {
    let (key, was_plain) = read(path, source, unlock)?;
    let line = sealed_line(&key, &PassphraseSource::Ask, unlock, was_plain)?;
    files::replace(path, line.expose().as_bytes(), files::PRIVATE_FILE)?;
    Ok(key.verifying_key())
}

fn sealed_line(
    key: &SigningKey,
    source: &PassphraseSource,
    unlock: &Unlock<'_>,
    first: bool,
) -> Result<Secret<String>, Error> {
    let passphrase = unlock.fresh(source, first, Question::NewApprover)?;
    let public = key.verifying_key().to_bytes();
    let sealed = Stretched::seal(&passphrase, Label::ApproverKey, &public, &key.to_seed())?;
    Ok(Secret::new(format!("{SEALED} {} {sealed}\n", STANDARD.encode(public))))
}

/// Reads a key, and whether it lay open.
fn read(path: &Path, source: &PassphraseSource, unlock: &Unlock<'_>) -> Result<(SigningKey, bool), Error> {
    let content = read_private(path)?;
    let malformed = || KeysError::Malformed { path: path.to_path_buf(), expected: "key of an approver" };
    match parse(content.expose()).ok_or_else(malformed)? {
        Stored::Plain(seed) => Ok((SigningKey::from_seed(&seed), true)),
        Stored::Sealed(public, sealed) => {
            let passphrase = unlock.present(source, Question::Approver)?;
            let seed = sealed.open(&passphrase, Label::ApproverKey, &public)?;
            let key = SigningKey::from_seed(&seed.ok_or(KeysError::ApproverPassphrase)?);
            if key.verifying_key().to_bytes() != public {
                return Err(malformed().into());
            }
            Ok((key, false))
        }
    }
}

enum Stored {
    Plain(Seed),
    Sealed([u8; 32], Stretched),
}

fn parse(content: &[u8]) -> Option<Stored> {
    let line = std::str::from_utf8(content).ok()?.trim_end();
    if let Some(encoded) = line.strip_prefix(PLAIN) {
        let mut seed = Seed::new([0; 32]);
        let length = STANDARD.decode_slice(encoded, seed.expose_mut()).ok()?;
        return (length == 32).then_some(Stored::Plain(seed));
    }
    let words: Vec<&str> = line.strip_prefix(SEALED)?.strip_prefix(' ')?.split(' ').collect();
    let (public, rest) = words.split_first()?;
    let public = STANDARD.decode(public).ok()?.try_into().ok()?;
    Some(Stored::Sealed(public, Stretched::parse(rest)?))
}

/// Reads what the file of a person's key may hold, for fuzzing.
#[cfg(fuzzing)]
pub fn fuzz_key_file(content: &[u8]) {
    match parse(content) {
        None => {}
        Some(Stored::Plain(seed)) => {
            let line = Secret::new(format!("{PLAIN}{}", STANDARD.encode(seed.expose())));
            assert!(matches!(parse(line.expose().as_bytes()), Some(Stored::Plain(_))));
        }
        Some(Stored::Sealed(public, sealed)) => {
            let line = format!("{SEALED} {} {sealed}", STANDARD.encode(public));
            let Some(Stored::Sealed(public_again, again)) = parse(line.as_bytes()) else { panic!("{line}") };
            assert_eq!((public_again, again), (public, sealed));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::keystore::NoTerminal;

    fn secret(dir: &Path, name: &str, text: &str) -> PassphraseSource {
        let path = dir.join(name);
        files::create_new(&path, text.as_bytes(), files::PRIVATE_FILE).unwrap();
        PassphraseSource::File(path)
    }

    #[test]
    fn a_key_comes_back_by_its_passphrase_and_is_never_overwritten() {
        let dir = tempfile::tempdir().unwrap();
        let none = BTreeMap::new();
        let unlock = Unlock::new(&none, &NoTerminal);
        let (right, wrong) =
            (secret(dir.path(), "right", "correct horse\n"), secret(dir.path(), "wrong", "battery staple"));
        for (name, protection) in
            [("plain", ApproverProtection::Plain), ("sealed", ApproverProtection::Passphrase(right.clone()))]
        {
            let path = dir.path().join(name);
            let key = create(&path, &protection, &unlock).unwrap();
            assert_eq!(load(&path, &right, &unlock).unwrap().verifying_key(), key.verifying_key());
            assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
            let text = std::fs::read_to_string(&path).unwrap();
            let open = text.contains(&STANDARD.encode(key.to_seed().expose()));
            assert_eq!(open, protection == ApproverProtection::Plain);
            assert!(matches!(create(&path, &protection, &unlock), Err(Error::AlreadyExists { .. })));
        }
        let path = dir.path().join("sealed");
        assert_eq!(load(&path, &wrong, &unlock).unwrap_err().reason(), "APPROVER_PASSPHRASE_WRONG");
        assert_eq!(load(&path, &PassphraseSource::Ask, &unlock).unwrap_err().reason(), "APPROVER_KEY_LOCKED");
        let nothing = create(&dir.path().join("new"), &ApproverProtection::Passphrase(PassphraseSource::Ask), &unlock);
        assert_eq!(nothing.unwrap_err().reason(), "APPROVER_KEY_LOCKED");
        let short = secret(dir.path(), "short", "horse");
        let refused = create(&dir.path().join("new"), &ApproverProtection::Passphrase(short), &unlock);
        assert_eq!(refused.unwrap_err().reason(), "PASSPHRASE_SHORT");
        assert!(!dir.path().join("new").exists());
    }

    #[test]
    fn a_changed_file_does_not_open() {
        let dir = tempfile::tempdir().unwrap();
        let none = BTreeMap::new();
        let unlock = Unlock::new(&none, &NoTerminal);
        let source = secret(dir.path(), "passphrase", "correct horse");
        let path = dir.path().join("ada.key");
        create(&path, &ApproverProtection::Passphrase(source.clone()), &unlock).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        let other = SigningKey::generate().unwrap().verifying_key().to_bytes();
        let public = text.split(' ').nth(1).unwrap().to_owned();
        // The public part is bound to the key, and so is what the passphrase costs.
        for changed in [text.replace(&public, &STANDARD.encode(other)), text.replace("t=3", "t=2")] {
            files::replace(&path, changed.as_bytes(), files::PRIVATE_FILE).unwrap();
            assert_eq!(load(&path, &source, &unlock).unwrap_err().reason(), "APPROVER_PASSPHRASE_WRONG");
        }
    }

    #[test]
    fn a_passphrase_is_changed_and_given_to_a_plain_key() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ada.key");
        let none = BTreeMap::new();
        let key = create(&path, &ApproverProtection::Plain, &Unlock::new(&none, &NoTerminal)).unwrap();
        let mut present = PassphraseSource::Ask;
        for text in ["correct horse", "battery staple"] {
            let next = secret(dir.path(), text, text);
            let PassphraseSource::File(file) = &next else { panic!("a file") };
            let env: BTreeMap<String, String> =
                [("SYMBOLON_NEW_APPROVER_PASSPHRASE_FILE".to_owned(), file.display().to_string())].into();
            let unlock = Unlock::new(&env, &NoTerminal);
            assert_eq!(protect(&path, &present, &unlock).unwrap(), key.verifying_key());
            assert_eq!(load(&path, &next, &unlock).unwrap().verifying_key(), key.verifying_key());
            let none = BTreeMap::new();
            let refused = protect(&path, &next, &Unlock::new(&none, &NoTerminal)).unwrap_err();
            assert_eq!(refused.reason(), "PASSPHRASE_MISSING");
            present = next;
        }
    }

    #[test]
    fn the_seeds_for_fuzzing_are_files_of_keys() {
        let plain = parse(include_bytes!("../../../../tests/fuzz/seeds/node_keys/approver_plain"));
        assert!(matches!(plain, Some(Stored::Plain(_))));
        let sealed = parse(include_bytes!("../../../../tests/fuzz/seeds/node_keys/approver_sealed"));
        assert!(matches!(sealed, Some(Stored::Sealed(..))));
    }

    #[test]
    fn exposed_and_foreign_files_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ada.key");
        let none = BTreeMap::new();
        let unlock = Unlock::new(&none, &NoTerminal);
        let reason = |path: &Path| load(path, &PassphraseSource::Ask, &unlock).unwrap_err().reason();
        create(&path, &ApproverProtection::Plain, &unlock).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        assert_eq!(reason(&path), "KEY_EXPOSED");
        for content in [
            "",
            "symbolon-approver-key-1:AAAA",
            "symbolon-approver-key-1:@",
            "other-key-1:AAAA",
            "symbolon-approver-key/2",
            "symbolon-approver-key/2 AAAA argon2id m=65536 t=3 p=1 salt=AAAAAAAAAAAAAAAAAAAAAA== AAAA",
        ] {
            std::fs::remove_file(&path).unwrap();
            files::create_new(&path, content.as_bytes(), files::PRIVATE_FILE).unwrap();
            assert_eq!(reason(&path), "KEY_MALFORMED", "{content}");
        }
        assert_eq!(reason(&dir.path().join("none")), "FILE_FAILED");
    }
}
