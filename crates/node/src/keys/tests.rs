use super::*;
use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;

use crate::clock::{Clock, SystemClock};
use crate::keystore::{AT_REST_FILE, KeySettings, NoTerminal, Unlock};

/// Makes keys under a plain key-encryption key.
pub(crate) fn plain_keys(dir: &Path, institution: &str, names: &[String], now: DateTime<Utc>) -> Result<Keys, Error> {
    let env = BTreeMap::new();
    let store = KeyStore::create(dir, &KeySettings::default(), &Unlock::new(&env, &NoTerminal))?;
    Keys::create(&store, institution, names, now)
}

fn create(dir: &Path) -> Keys {
    plain_keys(dir, "North Bank \u{5317}", &["bank.example".to_owned(), "127.0.0.1".to_owned()], SystemClock.now())
        .unwrap()
}

fn load(dir: &Path) -> Result<Keys, Error> {
    let env = BTreeMap::new();
    Keys::load(&KeyStore::open(dir, &KeySettings::default(), &Unlock::new(&env, &NoTerminal))?)
}

#[test]
fn keys_come_back_from_private_files() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("keys");
    let made = create(&dir);
    let read = load(&dir).unwrap();
    assert_eq!(made.organisation_public(), read.organisation_public());
    assert_eq!(made.spki_pin(), read.spki_pin());
    assert_eq!(made.tls_certificate_der(), read.tls_certificate_der());
    assert_eq!(made.sealing().public_key().as_bytes(), read.sealing().public_key().as_bytes());
    for name in [ORGANISATION_FILE, TLS_KEY_FILE, TLS_CERTIFICATE_FILE, SEALING_FILE, AT_REST_FILE] {
        let mode = std::fs::metadata(dir.join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
    assert_eq!(std::fs::metadata(&dir).unwrap().permissions().mode() & 0o777, 0o700);
    assert_eq!(std::fs::read_dir(&dir).unwrap().count(), 5);
}

#[test]
fn existing_keys_are_never_overwritten() {
    let home = tempfile::tempdir().unwrap();
    let made = create(home.path());
    let again = plain_keys(home.path(), "Other", &["b.example".to_owned()], SystemClock.now());
    assert!(matches!(again, Err(Error::AlreadyExists { .. })));
    assert_eq!(load(home.path()).unwrap().organisation_public(), made.organisation_public());
}

#[test]
fn a_key_open_to_others_is_refused() {
    let home = tempfile::tempdir().unwrap();
    create(home.path());
    for name in [ORGANISATION_FILE, TLS_KEY_FILE, SEALING_FILE, AT_REST_FILE] {
        let path = home.path().join(name);
        for mode in [0o640, 0o604, 0o610, 0o660] {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(load(home.path()).unwrap_err().reason(), "KEY_EXPOSED", "{name} {mode:o}");
        }
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o400)).unwrap();
    }
    load(home.path()).unwrap();
}

#[test]
fn damaged_and_swapped_files_are_refused() {
    let one = tempfile::tempdir().unwrap();
    let two = tempfile::tempdir().unwrap();
    create(one.path());
    create(two.path());
    std::fs::copy(two.path().join(TLS_CERTIFICATE_FILE), one.path().join(TLS_CERTIFICATE_FILE)).unwrap();
    assert_eq!(load(one.path()).unwrap_err().reason(), "KEY_MISMATCH");
    for name in [ORGANISATION_FILE, SEALING_FILE, TLS_KEY_FILE, TLS_CERTIFICATE_FILE, AT_REST_FILE] {
        let path = two.path().join(name);
        let content = std::fs::read(&path).unwrap();
        std::fs::write(&path, &content[..content.len() / 2]).unwrap();
        assert_eq!(load(two.path()).unwrap_err().reason(), "KEY_MALFORMED", "{name}");
        std::fs::write(&path, &content).unwrap();
    }
    std::fs::copy(two.path().join(SEALING_FILE), two.path().join(ORGANISATION_FILE)).unwrap();
    assert_eq!(load(two.path()).unwrap_err().reason(), "KEY_MALFORMED");
}

#[test]
fn the_pin_is_the_digest_of_the_public_key_info() {
    let home = tempfile::tempdir().unwrap();
    let keys = create(home.path());
    let (_, certificate) = X509Certificate::from_der(keys.tls_certificate_der()).unwrap();
    assert_eq!(keys.spki_pin(), *Digest::of(certificate.public_key().raw).as_bytes());
    assert!(certificate.subject().to_string().contains("North Bank"));
    assert!(spki_pin(b"no certificate").is_err());
}

#[test]
fn printing_shows_no_secret() {
    let home = tempfile::tempdir().unwrap();
    let keys = create(home.path());
    let text = format!("{keys:?} {keys:#?}").to_lowercase();
    let env = BTreeMap::new();
    let store = KeyStore::open(home.path(), &KeySettings::default(), &Unlock::new(&env, &NoTerminal)).unwrap();
    for (name, kind) in [(ORGANISATION_FILE, KeyKind::Organisation), (TLS_KEY_FILE, KeyKind::Tls)] {
        let (StoredKey::Secret(secret), _) = store.read_key(&home.path().join(name), kind).unwrap() else {
            panic!("{name} is sealed");
        };
        // The private part of a PKCS#8 key of this kind lies at 36.
        let part = if kind == KeyKind::Tls { &secret.expose()[40..46] } else { &secret.expose()[..6] };
        assert!(!text.contains(&hex::encode(&part[..4])));
        assert!(!text.contains(&STANDARD.encode(part).to_lowercase()));
    }
}

/// The plain files that homes had before there was a key-encryption key.
fn write_plain_files(dir: &Path) -> (VerifyingKey, [u8; 32]) {
    let seed = Secret::new([7; 32]);
    let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
    let (names, id) = (["bank.example".to_owned()], "spiffe://bank.example/symbolon/1".parse().unwrap());
    let subject = CertificateNames { institution: "Old Bank", names: &names, id: &id };
    let params = certificate_params(subject, SystemClock.now()).unwrap();
    let certificate = params.self_signed(&pair).unwrap();
    for (name, content) in [
        (ORGANISATION_FILE, format!("{ORGANISATION_PREFIX}{}\n", STANDARD.encode(seed.expose()))),
        (SEALING_FILE, format!("{SEALING_PREFIX}{}\n", STANDARD.encode([8; 32]))),
        (TLS_KEY_FILE, pair.serialize_pem()),
        (TLS_CERTIFICATE_FILE, certificate.pem()),
    ] {
        files::create_new(&dir.join(name), content.as_bytes(), files::PRIVATE_FILE).unwrap();
    }
    (SigningKey::from_seed(&seed).verifying_key(), spki_pin(certificate.der()).unwrap())
}

#[test]
fn a_home_of_before_is_read_and_then_sealed() {
    let home = tempfile::tempdir().unwrap();
    let (organisation, pin) = write_plain_files(home.path());
    let keys = load(home.path()).unwrap();
    assert_eq!((keys.organisation_public(), keys.spki_pin()), (organisation, pin));
    let sealing = keys.sealing().public_key().id();
    let env = BTreeMap::new();
    let store = KeyStore::open(home.path(), &KeySettings::default(), &Unlock::new(&env, &NoTerminal)).unwrap();
    seal_plain_files(&store).unwrap();
    for name in [ORGANISATION_FILE, TLS_KEY_FILE, SEALING_FILE] {
        let text = std::fs::read_to_string(home.path().join(name)).unwrap();
        assert!(text.starts_with("symbolon-sealed-key/1 "), "{name}");
    }
    let again = Keys::load(&store).unwrap();
    assert_eq!((again.organisation_public(), again.spki_pin()), (organisation, pin));
    assert_eq!(again.sealing().public_key().id(), sealing);
    seal_plain_files(&store).unwrap();
}
