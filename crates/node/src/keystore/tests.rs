use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;

use super::*;
use crate::clock::{Clock, SystemClock};
use crate::keys::Keys;

/// A directory of keys and the files its passphrases come from.
struct Scene {
    dir: tempfile::TempDir,
}

impl Scene {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    fn keys_dir(&self) -> PathBuf {
        self.dir.path().join("keys")
    }

    fn secret(&self, text: &str) -> String {
        let path = self.dir.path().join(hex::encode(text));
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        path.display().to_string()
    }

    fn env(&self, present: &str, new: &str) -> BTreeMap<String, String> {
        [(PASSPHRASE_FILE_VARIABLE, present), (NEW_PASSPHRASE_FILE_VARIABLE, new)]
            .into_iter()
            .filter(|(_, text)| !text.is_empty())
            .map(|(name, text)| (name.to_owned(), self.secret(text)))
            .collect()
    }

    /// Makes keys whose key-encryption key is protected as said.
    fn create(&self, protection: Protection, passphrase: &str) -> Keys {
        let env = self.env(passphrase, "");
        let unlock = Unlock::new(&env, &NoTerminal);
        let store = KeyStore::create(&self.keys_dir(), &KeySettings::new(protection), &unlock).unwrap();
        Keys::create(&store, "Bank", &["bank.example".to_owned()], SystemClock.now()).unwrap()
    }

    fn open(&self, protection: Protection, passphrase: &str) -> Result<KeyStore, Error> {
        let env = self.env(passphrase, "");
        KeyStore::open(&self.keys_dir(), &KeySettings::new(protection), &Unlock::new(&env, &NoTerminal))
    }

    fn slots(&self) -> usize {
        std::fs::read_to_string(self.keys_dir().join(AT_REST_FILE)).unwrap().lines().count() - 1
    }
}

fn reason<T: fmt::Debug>(result: Result<T, Error>) -> &'static str {
    result.unwrap_err().reason()
}

#[test]
fn keys_under_a_passphrase_open_with_it_alone() {
    let scene = Scene::new();
    let made = scene.create(Protection::Passphrase, "correct horse");
    let store = scene.open(Protection::Passphrase, "correct horse").unwrap();
    assert!(!store.is_plain());
    assert_eq!(Keys::load(&store).unwrap().organisation_public(), made.organisation_public());
    assert_eq!(reason(scene.open(Protection::Passphrase, "correct horsf")), "PASSPHRASE_WRONG");
    assert_eq!(reason(scene.open(Protection::Passphrase, "")), "KEYS_LOCKED");
    for entry in std::fs::read_dir(scene.keys_dir()).unwrap() {
        let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        assert!(!text.contains("plain ") && !text.contains("PRIVATE KEY") && !text.contains("-seed:"));
    }
}

#[test]
fn every_changed_byte_of_the_slot_is_found() {
    let scene = Scene::new();
    scene.create(Protection::Passphrase, "correct horse");
    let path = scene.keys_dir().join(AT_REST_FILE);
    let text = std::fs::read(&path).unwrap();
    // Every region: format, name, costs, salt, header and body of the sealed key. Stretching takes a moment, so
    // not every byte of each.
    for at in (0..text.len() - 1).step_by(7) {
        let mut changed = text.clone();
        changed[at] ^= 1;
        std::fs::write(&path, &changed).unwrap();
        let found = reason(scene.open(Protection::Passphrase, "correct horse"));
        assert!(["PASSPHRASE_WRONG", "KEY_MALFORMED"].contains(&found), "byte {at}: {found}");
    }
    for length in [0, 1, 60, text.len() / 2, text.len() - 3] {
        std::fs::write(&path, &text[..length]).unwrap();
        let found = reason(scene.open(Protection::Passphrase, "correct horse"));
        assert!(["PASSPHRASE_WRONG", "KEY_MALFORMED"].contains(&found), "length {length}: {found}");
    }
}

#[test]
fn weak_and_costly_parameters_are_not_read() {
    let scene = Scene::new();
    scene.create(Protection::Passphrase, "correct horse");
    let path = scene.keys_dir().join(AT_REST_FILE);
    let text = std::fs::read_to_string(&path).unwrap();
    for (good, bad) in [("m=65536", "m=1024"), ("m=65536", "m=4194304"), ("t=3", "t=1"), ("t=3", "t=4000000000")] {
        std::fs::write(&path, text.replace(good, bad)).unwrap();
        assert_eq!(reason(scene.open(Protection::Passphrase, "correct horse")), "KEY_MALFORMED", "{bad}");
    }
    // Within the bounds, yet not what was sealed: the costs are bound to the slot.
    std::fs::write(&path, text.replace("t=3", "t=2")).unwrap();
    assert_eq!(reason(scene.open(Protection::Passphrase, "correct horse")), "PASSPHRASE_WRONG");
}

#[test]
fn every_changed_byte_of_a_sealed_key_is_found() {
    let scene = Scene::new();
    scene.create(Protection::Plain, "");
    let store = scene.open(Protection::Plain, "").unwrap();
    for (name, kind) in
        [("organisation.key", KeyKind::Organisation), ("tls.key", KeyKind::Tls), ("sealing.key", KeyKind::Sealing)]
    {
        let path = scene.keys_dir().join(name);
        let text = std::fs::read(&path).unwrap();
        for at in 0..text.len() - 1 {
            let mut changed = text.clone();
            changed[at] ^= 1;
            std::fs::write(&path, &changed).unwrap();
            let read = store.read_key(&path, kind);
            // A changed first word is a plain file of unknown content, which the loaders refuse.
            assert!(matches!(read, Err(_) | Ok((StoredKey::Plain(_), _))), "{name} byte {at}");
            assert!(Keys::load(&store).is_err(), "{name} byte {at}");
        }
        std::fs::write(&path, &text).unwrap();
        for other in [KeyKind::Organisation, KeyKind::Tls, KeyKind::Sealing] {
            assert_eq!(store.read_key(&path, other).is_ok(), other == kind);
        }
    }
}

#[test]
fn keys_of_another_home_do_not_open() {
    let (one, two) = (Scene::new(), Scene::new());
    one.create(Protection::Plain, "");
    two.create(Protection::Plain, "");
    let keep = std::fs::read(one.keys_dir().join("organisation.key")).unwrap();
    std::fs::copy(two.keys_dir().join("organisation.key"), one.keys_dir().join("organisation.key")).unwrap();
    let store = one.open(Protection::Plain, "").unwrap();
    assert_eq!(reason(Keys::load(&store)), "KEY_MALFORMED");
    std::fs::write(one.keys_dir().join("organisation.key"), keep).unwrap();
    std::fs::copy(two.keys_dir().join(AT_REST_FILE), one.keys_dir().join(AT_REST_FILE)).unwrap();
    assert_eq!(reason(Keys::load(&one.open(Protection::Plain, "").unwrap())), "KEY_MALFORMED");
}

#[test]
fn a_lost_key_encryption_key_is_not_made_anew() {
    let scene = Scene::new();
    scene.create(Protection::Plain, "");
    std::fs::remove_file(scene.keys_dir().join(AT_REST_FILE)).unwrap();
    assert_eq!(reason(scene.open(Protection::Plain, "")), "FILE_FAILED");
}

#[test]
fn a_plain_key_in_a_protected_home_is_refused() {
    let scene = Scene::new();
    scene.create(Protection::Passphrase, "correct horse");
    let path = scene.keys_dir().join("organisation.key");
    let line = format!("symbolon-ed25519-seed:{}\n", STANDARD.encode([1; 32]));
    std::fs::write(&path, line).unwrap();
    let store = scene.open(Protection::Passphrase, "correct horse").unwrap();
    assert_eq!(reason(Keys::load(&store)), "KEY_UNPROTECTED");
}

#[test]
fn the_key_of_a_job_opens_for_its_job_and_home_only() {
    let (at_rest, other) = (AtRest::generate().unwrap(), AtRest::generate().unwrap());
    let (job, another) = (JobId::random().unwrap(), JobId::random().unwrap());
    let key = Seed::random().unwrap();
    let sealed = at_rest.seal_job_key(job, &key).unwrap();
    assert_eq!(at_rest.open_job_key(job, &sealed).unwrap().expose(), key.expose());
    assert_eq!(reason(at_rest.open_job_key(another, &sealed)), "JOB_KEY_FOREIGN");
    assert_eq!(reason(other.open_job_key(job, &sealed)), "JOB_KEY_FOREIGN");
    for at in 0..sealed.len() {
        let mut changed = sealed.clone();
        changed[at] ^= 0x80;
        assert_eq!(reason(at_rest.open_job_key(job, &changed)), "JOB_KEY_FOREIGN");
    }
    assert_eq!(reason(at_rest.open_job_key(job, &sealed[..sealed.len() - 1])), "JOB_KEY_FOREIGN");
    let text = format!("{at_rest:?}");
    assert!(!text.contains(&hex::encode(&at_rest.kek.expose()[..4])));
}

#[test]
fn a_protection_changes_and_the_old_one_opens_nothing() {
    let scene = Scene::new();
    let made = scene.create(Protection::Plain, "").organisation_public();
    let store = scene.open(Protection::Plain, "").unwrap();
    let env = scene.env("correct horse", "");
    let passphrase = KeySettings::new(Protection::Passphrase);
    store.protect(&passphrase, &Unlock::new(&env, &NoTerminal), || Ok(())).unwrap();
    assert_eq!(scene.slots(), 1);
    assert_eq!(reason(scene.open(Protection::Plain, "")), "KEYS_LOCKED");
    let store = scene.open(Protection::Passphrase, "correct horse").unwrap();
    assert_eq!(Keys::load(&store).unwrap().organisation_public(), made);

    let env = scene.env("correct horse", "battery staple");
    store.protect(&passphrase, &Unlock::new(&env, &NoTerminal), || Ok(())).unwrap();
    assert_eq!(reason(scene.open(Protection::Passphrase, "correct horse")), "PASSPHRASE_WRONG");
    let store = scene.open(Protection::Passphrase, "battery staple").unwrap();

    store.protect(&KeySettings::default(), &Unlock::new(&env, &NoTerminal), || Ok(())).unwrap();
    let store = scene.open(Protection::Plain, "").unwrap();
    assert_eq!(Keys::load(&store).unwrap().organisation_public(), made);
}

/// Whatever the moment of the crash, what lies on the disk opens by the settings that lie there.
#[test]
fn a_change_that_is_cut_short_locks_nobody_out() {
    let scene = Scene::new();
    let made = scene.create(Protection::Passphrase, "correct horse").organisation_public();
    let path = scene.keys_dir().join(AT_REST_FILE);
    let passphrase = KeySettings::new(Protection::Passphrase);
    let store = scene.open(Protection::Passphrase, "correct horse").unwrap();
    let env = scene.env("correct horse", "battery staple");
    let unlock = Unlock::new(&env, &NoTerminal);
    let opens = |word: &str| {
        let store = scene.open(Protection::Passphrase, word)?;
        assert_eq!(Keys::load(&store)?.organisation_public(), made);
        Ok::<(), Error>(())
    };

    // Before the first write nothing has happened; a crash in the middle of a write leaves a part beside the file.
    let part = scene.keys_dir().join("at-rest.key.0011.part");
    std::fs::write(&part, "symbolon-at").unwrap();
    opens("correct horse").unwrap();
    // Between the writes, before and after node.toml is written: both open.
    let cut = store.protect(&passphrase, &unlock, || {
        opens("correct horse").unwrap();
        opens("battery staple").unwrap();
        Err(Environment::Worker.into())
    });
    assert_eq!(reason(cut), "WORKER_STOPPED");
    assert!(!part.exists(), "a part may hold the key");
    assert_eq!(scene.slots(), 2);
    opens("correct horse").unwrap();
    opens("battery staple").unwrap();
    // Made again, it is done, and nothing of the attempt that failed is left.
    store.protect(&passphrase, &unlock, || Ok(())).unwrap();
    assert_eq!(scene.slots(), 1);
    assert_eq!(reason(opens("correct horse")), "PASSPHRASE_WRONG");
    opens("battery staple").unwrap();
    // What could not be prepared changes nothing.
    let before = std::fs::read(&path).unwrap();
    let env = scene.env("battery staple", "short");
    let refused = store.protect(&passphrase, &Unlock::new(&env, &NoTerminal), || Ok(()));
    assert_eq!(reason(refused), "PASSPHRASE_SHORT");
    assert_eq!(std::fs::read(&path).unwrap(), before);
}

/// What fuzzing starts from is what this release reads.
#[test]
fn the_seeds_for_fuzzing_are_files_of_keys() {
    let slots = |text: &str| SlotFile::parse(text).is_some();
    assert!(slots(include_str!("../../../../tests/fuzz/seeds/node_keys/at_rest_plain")));
    assert!(slots(include_str!("../../../../tests/fuzz/seeds/node_keys/at_rest_passphrase")));
    assert!(slots(include_str!("../../../../tests/fuzz/seeds/node_keys/at_rest_token")));
    let line = |content| KeyLine::parse(content).flatten().map(|line| (line.in_token, line.kind.to_owned()));
    let sealed = include_bytes!("../../../../tests/fuzz/seeds/node_keys/sealed_key");
    assert_eq!(line(&sealed[..]), Some((false, "organisation".to_owned())));
    let token = include_bytes!("../../../../tests/fuzz/seeds/node_keys/token_key");
    assert_eq!(line(&token[..]), Some((true, "tls".to_owned())));
}
