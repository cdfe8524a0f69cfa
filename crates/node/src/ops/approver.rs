//! Keys of persons who approve agreements.
//!
//! A person keeps the key in a file of its own, readable by nobody else; the node keeps none of them. The file has one
//! line: a prefix that says what it is, and the 32 bytes the key is made from, in base64.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use symbolon_primitives::secret::{Secret, Seed};
use symbolon_primitives::sign::SigningKey;

use crate::error::{Error, FileAction, KeysError};
use crate::files;

const PREFIX: &str = "symbolon-approver-key-1:";
const FILE_BYTES_MAX: u64 = 1024;

/// Makes a person's key and writes it to `path`, which must not exist.
///
/// # Errors
/// [`Error::AlreadyExists`] when the file is there already; environment errors.
pub fn create(path: &Path) -> Result<SigningKey, Error> {
    let key = SigningKey::generate()?;
    let line = Secret::new(format!("{PREFIX}{}\n", STANDARD.encode(key.to_seed().expose())));
    files::create_new(path, line.expose().as_bytes(), files::PRIVATE_FILE)?;
    Ok(key)
}

/// Reads a person's key.
///
/// # Errors
/// [`KeysError::Exposed`] when others may read the file; [`KeysError::Malformed`] when it holds no such key;
/// environment errors.
pub fn load(path: &Path) -> Result<SigningKey, Error> {
    let metadata = std::fs::metadata(path).map_err(|source| files::failed(FileAction::Read, path, source))?;
    if metadata.permissions().mode() & 0o077 != 0 {
        return Err(KeysError::Exposed { path: path.to_path_buf() }.into());
    }
    let content = Secret::new(files::read(path, FILE_BYTES_MAX)?);
    let mut seed = Seed::new([0; 32]);
    let decoded = std::str::from_utf8(content.expose())
        .ok()
        .and_then(|text| text.trim_end().strip_prefix(PREFIX))
        .and_then(|encoded| STANDARD.decode_slice(encoded, seed.expose_mut()).ok());
    if decoded != Some(32) {
        return Err(KeysError::Malformed { path: path.to_path_buf(), expected: "key of an approver" }.into());
    }
    Ok(SigningKey::from_seed(&seed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_comes_back_and_is_never_overwritten() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ada.key");
        let key = create(&path).unwrap();
        assert_eq!(load(&path).unwrap().verifying_key(), key.verifying_key());
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(matches!(create(&path), Err(Error::AlreadyExists { .. })));
        assert_eq!(load(&path).unwrap().verifying_key(), key.verifying_key());
    }

    #[test]
    fn exposed_and_foreign_files_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ada.key");
        create(&path).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        assert_eq!(load(&path).unwrap_err().reason(), "KEY_EXPOSED");
        for content in ["", "symbolon-approver-key-1:AAAA", "symbolon-approver-key-1:@", "other-key-1:AAAA"] {
            std::fs::remove_file(&path).unwrap();
            files::create_new(&path, content.as_bytes(), files::PRIVATE_FILE).unwrap();
            assert_eq!(load(&path).unwrap_err().reason(), "KEY_MALFORMED", "{content}");
        }
        assert_eq!(load(&dir.path().join("none")).unwrap_err().reason(), "FILE_FAILED");
    }
}
