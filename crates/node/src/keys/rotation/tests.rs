use std::collections::BTreeMap;

use symbolon_policy::SpiffeId;

use super::*;
use crate::clock::{Clock, SystemClock};
use crate::keystore::{KeySettings, NoTerminal, Unlock};

const KINDS: [KeyKind; 3] = [KeyKind::Tls, KeyKind::Organisation, KeyKind::Sealing];

struct Place {
    _dir: tempfile::TempDir,
    store: KeyStore,
    id: SpiffeId,
}

impl Place {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let env = BTreeMap::new();
        let keys = dir.path().join("keys");
        let store = KeyStore::create(&keys, &KeySettings::default(), &Unlock::new(&env, &NoTerminal)).unwrap();
        Keys::create(&store, "North Bank", &["bank.example".to_owned()], SystemClock.now()).unwrap();
        Self { _dir: dir, store, id: "spiffe://bank.example/symbolon/2".parse().unwrap() }
    }

    fn rotate(&self, kind: KeyKind, days: i64) -> Keys {
        let names = CertificateNames { institution: "North Bank", names: &["bank.example".to_owned()], id: &self.id };
        let now = SystemClock.now();
        rotate(&self.store, kind, names, now, now + chrono::Duration::days(days)).unwrap()
    }
}

#[test]
fn a_former_key_counts_until_its_time_and_then_its_file_goes() {
    let place = Place::new();
    let first = Keys::load(&place.store).unwrap();
    for kind in KINDS {
        place.rotate(kind, 7);
    }
    let keys = Keys::load(&place.store).unwrap();
    let now = SystemClock.now();
    assert_eq!(keys.history().sequence, 3);
    assert_eq!(keys.tls().spiffe_id(), Some(&place.id));
    assert_ne!(keys.spki_pin(), first.spki_pin());
    assert_eq!(keys.tls_former(now).map(super::super::TlsPair::pin).collect::<Vec<_>>(), [first.spki_pin()]);
    let old = first.organisation_public();
    assert_eq!(keys.organisation_for(&old, now).map(|key| key.verifying_key()), Some(old));
    assert_eq!(keys.lineage().keys(), [old, keys.organisation_public()]);
    assert_eq!(keys.sealing_all().count(), 2);
    assert_eq!(keys.sealing_all().nth(1).unwrap().public_key().as_bytes(), first.sealing().public_key().as_bytes());

    let later = now + chrono::Duration::days(8);
    assert!(keys.organisation_for(&old, later).is_none());
    assert_eq!(keys.tls_former(later).count(), 0);
    retire(&place.store, later).unwrap();
    assert_eq!(fs::read_dir(place.store.directory().join(OLD)).unwrap().count(), 0);
    let keys = Keys::load(&place.store).unwrap();
    assert_eq!(keys.sealing_all().count(), 1);
    assert_eq!(keys.history().former.len(), 3, "the history stays");
}

#[test]
fn the_former_key_counts_no_more_when_it_is_changed_at_once() {
    let place = Place::new();
    let first = Keys::load(&place.store).unwrap();
    let keys = place.rotate(KeyKind::Organisation, 0);
    let now = SystemClock.now() + chrono::Duration::seconds(1);
    assert!(keys.organisation_for(&first.organisation_public(), now).is_none());
}

#[test]
fn a_change_that_was_cut_off_is_finished_by_the_next_opening() {
    let place = Place::new();
    let dir = place.store.directory().to_path_buf();
    let names = [TLS_KEY_FILE, TLS_CERTIFICATE_FILE];
    let before: Vec<Vec<u8>> = names.iter().map(|name| fs::read(dir.join(name)).unwrap()).collect();
    let changed = place.rotate(KeyKind::Tls, 7);
    // As it was when the change counted and only its first file had been moved.
    let commit = dir.join(COMMIT);
    fs::create_dir(&commit).unwrap();
    for name in [TLS_CERTIFICATE_FILE, history::FILE] {
        fs::rename(dir.join(name), commit.join(name)).unwrap();
    }
    fs::write(dir.join(TLS_CERTIFICATE_FILE), &before[1]).unwrap();
    let finished = Keys::load(&place.store).unwrap();
    assert_eq!(finished.spki_pin(), changed.spki_pin());
    assert_eq!(finished.history(), changed.history());
    assert!(!commit.exists());
}

#[test]
fn what_was_prepared_and_not_committed_leaves_nothing() {
    let place = Place::new();
    let dir = place.store.directory();
    let change = Change::begin(dir).unwrap();
    change.write(TLS_KEY_FILE, &Secret::new("half".to_owned())).unwrap();
    drop(change);
    assert!(fs::read_dir(dir).unwrap().all(|entry| !entry.unwrap().file_name().to_string_lossy().contains("next")));
    Keys::load(&place.store).unwrap();
}

#[test]
fn a_former_key_can_be_withdrawn_and_the_one_in_force_cannot() {
    let place = Place::new();
    let first = Keys::load(&place.store).unwrap();
    let former = public_of(&first, KeyKind::Tls);
    assert_eq!(revoke(&place.store, &former, SystemClock.now()).unwrap_err().reason(), "KEY_IN_FORCE");
    place.rotate(KeyKind::Tls, 7);
    assert_eq!(revoke(&place.store, "sha256:unknown", SystemClock.now()).unwrap_err().reason(), "NOT_FOUND");
    let (keys, key) = revoke(&place.store, &former[..20], SystemClock.now()).unwrap();
    assert_eq!(key.public, former);
    assert_eq!(keys.tls_former(SystemClock.now()).count(), 0);
    assert_eq!(keys.history().revoked().len(), 1);
    assert_eq!(keys.history().sequence, 2);
    assert!(!old_file(place.store.directory(), &key.file, "key").exists());
}
