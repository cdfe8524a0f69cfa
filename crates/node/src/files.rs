//! Writing files so that a crash or a full disk leaves the old content or the new, never a half.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::error::{Environment, Error, FileAction};

/// The mode of files that hold keys or results.
pub(crate) const PRIVATE_FILE: u32 = 0o600;
/// The mode of directories that hold keys or results.
pub(crate) const PRIVATE_DIR: u32 = 0o700;

/// Turns an I/O failure on `path` into the typed error, a full disk apart from the rest.
pub(crate) fn failed(action: FileAction, path: &Path, source: io::Error) -> Error {
    let path = path.to_path_buf();
    match source.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Environment::DiskFull { path }.into(),
        _ => Environment::File { action, path, source }.into(),
    }
}

/// Reads a whole file of at most `bytes_max` bytes.
pub(crate) fn read(path: &Path, bytes_max: u64) -> Result<Vec<u8>, Error> {
    let length = fs::metadata(path).map_err(|source| failed(FileAction::Read, path, source))?.len();
    if length > bytes_max {
        return Err(Error::LimitExceeded { what: "file bytes", max: bytes_max, got: length });
    }
    fs::read(path).map_err(|source| failed(FileAction::Read, path, source))
}

/// Reads a whole text file of at most `bytes_max` bytes.
pub(crate) fn read_text(path: &Path, bytes_max: u64) -> Result<String, Error> {
    String::from_utf8(read(path, bytes_max)?).map_err(|_| Environment::NotText { path: path.to_path_buf() }.into())
}

/// Makes a directory that only its owner may enter; it is fine when it exists.
pub(crate) fn create_private_dir(path: &Path) -> Result<(), Error> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(PRIVATE_DIR)
        .create(path)
        .map_err(|source| failed(FileAction::Create, path, source))
}

/// Creates `path` with `content`, refusing when it exists: written beside, synced, then linked into place.
pub(crate) fn create_new(path: &Path, content: &[u8], mode: u32) -> Result<(), Error> {
    let temporary = write_beside(path, content, mode)?;
    // A hard link fails when the name is taken, which a rename would not.
    let linked = fs::hard_link(&temporary, path);
    let removed = fs::remove_file(&temporary);
    linked.map_err(|source| match source.kind() {
        io::ErrorKind::AlreadyExists => Error::AlreadyExists { what: "file" },
        _ => failed(FileAction::Create, path, source),
    })?;
    removed.map_err(|source| failed(FileAction::Remove, &temporary, source))?;
    sync_parent(path)
}

/// Puts `content` at `path` in place of what is there: written beside, synced, then renamed.
pub(crate) fn replace(path: &Path, content: &[u8], mode: u32) -> Result<(), Error> {
    let temporary = write_beside(path, content, mode)?;
    if let Err(source) = fs::rename(&temporary, path) {
        drop(fs::remove_file(&temporary));
        return Err(failed(FileAction::Write, path, source));
    }
    sync_parent(path)
}

/// Removes what writes of `path` that were cut short left beside it. Nobody else may be writing it meanwhile.
pub(crate) fn remove_parts(path: &Path) -> Result<(), Error> {
    let directory = path.parent().unwrap_or(path);
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    for entry in fs::read_dir(directory).map_err(|source| failed(FileAction::Read, directory, source))? {
        let part = entry.map_err(|source| failed(FileAction::Read, directory, source))?;
        let found = part.file_name().to_string_lossy().into_owned();
        let rest = found.strip_prefix(&name).and_then(|rest| rest.strip_prefix('.'));
        if rest.is_some_and(|rest| rest.ends_with(".part")) {
            fs::remove_file(part.path()).map_err(|source| failed(FileAction::Remove, &part.path(), source))?;
        }
    }
    Ok(())
}

fn write_beside(path: &Path, content: &[u8], mode: u32) -> Result<PathBuf, Error> {
    let mut random = [0_u8; 8];
    getrandom::fill(&mut random).map_err(|_| Environment::Entropy)?;
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(".");
    name.push(hex::encode(random));
    name.push(".part");
    let temporary = path.with_file_name(name);
    let written = OpenOptions::new().write(true).create_new(true).mode(mode).open(&temporary).and_then(|mut file| {
        file.write_all(content)?;
        file.sync_all()
    });
    match written {
        Ok(()) => Ok(temporary),
        Err(source) => {
            drop(fs::remove_file(&temporary));
            Err(failed(FileAction::Write, path, source))
        }
    }
}

/// Makes a created, renamed or removed name last over a power cut.
pub(crate) fn sync_parent(path: &Path) -> Result<(), Error> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    File::open(parent).and_then(|dir| dir.sync_all()).map_err(|source| failed(FileAction::Write, parent, source))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn create_new_never_overwrites_and_leaves_no_part() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.key");
        create_new(&path, b"first", PRIVATE_FILE).unwrap();
        assert!(matches!(create_new(&path, b"second", PRIVATE_FILE), Err(Error::AlreadyExists { .. })));
        assert_eq!(fs::read(&path).unwrap(), b"first");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_full_disk_is_its_own_error_and_keeps_the_old_file() {
        let full = io::Error::from(io::ErrorKind::StorageFull);
        let error = failed(FileAction::Write, Path::new("x"), full);
        assert_eq!(error.reason(), "DISK_FULL");
        // /dev/full answers every write with "no space left", which is what a full disk does.
        let mut device = OpenOptions::new().write(true).open("/dev/full").unwrap();
        let source = device.write_all(b"x").unwrap_err();
        assert_eq!(failed(FileAction::Write, Path::new("/dev/full"), source).reason(), "DISK_FULL");
    }

    #[test]
    fn parts_of_one_file_are_removed_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let stays = ["a.key", "a.key.bak", "b.key.00.part", "a.keys.00.part"];
        for name in stays.iter().chain(&["a.key.0123.part", "a.key.ff.part"]) {
            fs::write(dir.path().join(name), name).unwrap();
        }
        remove_parts(&dir.path().join("a.key")).unwrap();
        let mut left: Vec<String> =
            fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        left.sort();
        assert_eq!(left, ["a.key", "a.key.bak", "a.keys.00.part", "b.key.00.part"]);
    }

    #[test]
    fn a_large_file_is_not_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("big");
        fs::write(&path, vec![b'x'; 100]).unwrap();
        assert!(matches!(read(&path, 99), Err(Error::LimitExceeded { max: 99, got: 100, .. })));
        assert_eq!(read(&path, 100).unwrap().len(), 100);
    }
}
