//! The keys of an institution's node: made once, kept in files only their owner can read.
//!
//! | file | content | use |
//! |---|---|---|
//! | `organisation.key` | seed of the Ed25519 key | signs cards, agreements, offers |
//! | `tls.key`, `tls.crt` | P-256 key and self-signed certificate, PEM | both ends of the peer port |
//! | `sealing.key` | seed of the X-Wing key | opens what partners seal to this institution |
//!
//! A file that group or others may read is refused: whoever could read it may have the key.

use std::fmt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use arc_swap::ArcSwap;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Datelike, Months, Utc};
use rcgen::{CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, KeyPair, KeyUsagePurpose};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::sign::CertifiedKey;
use symbolon_primitives::hpke::{SealingKey, Suite};
use symbolon_primitives::secret::{Secret, Seed};
use symbolon_primitives::sign::{Signer, SigningKey, VerifyingKey};
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::error::{Error, FileAction, KeysError};
use crate::files;

const ORGANISATION_FILE: &str = "organisation.key";
const TLS_KEY_FILE: &str = "tls.key";
const TLS_CERTIFICATE_FILE: &str = "tls.crt";
const SEALING_FILE: &str = "sealing.key";

const ORGANISATION_PREFIX: &str = "symbolon-ed25519-seed:";
const SEALING_PREFIX: &str = "symbolon-x-wing-seed:";

const KEY_FILE_BYTES_MAX: u64 = 64 << 10;
/// A pinned certificate is replaced by handing over a new card, so its own end is only a reminder to do so.
const CERTIFICATE_MONTHS: u32 = 60;

/// The keys of a node. Wiped when dropped; printing shows public parts only.
pub struct Keys {
    organisation: Arc<dyn Signer>,
    tls: Arc<CertifiedKey>,
    spki_pin: [u8; 32],
    made_at: DateTime<Utc>,
    sealing: SealingKey,
}

/// The keys in force, exchangeable while the node runs. Clones share them.
#[derive(Debug, Clone)]
pub struct KeyRing(Arc<ArcSwap<Keys>>);

impl KeyRing {
    /// Puts `keys` in force.
    #[must_use]
    pub fn new(keys: impl Into<Arc<Keys>>) -> Self {
        Self(Arc::new(ArcSwap::new(keys.into())))
    }

    /// The keys in force at this moment. Whoever works with them for longer takes them once and holds them.
    #[must_use]
    pub fn get(&self) -> Arc<Keys> {
        self.0.load_full()
    }

    /// Puts other keys in force: connections made and things signed from now on show them.
    pub fn put(&self, keys: impl Into<Arc<Keys>>) {
        self.0.store(keys.into());
    }
}

impl From<&Arc<Keys>> for KeyRing {
    /// Keys that nobody exchanges.
    fn from(keys: &Arc<Keys>) -> Self {
        Self::new(Arc::clone(keys))
    }
}

impl Keys {
    /// Makes all keys and writes them to `dir`, which must not hold any yet. `names` are the host names and IP
    /// addresses the certificate is for.
    ///
    /// # Errors
    /// [`Error::AlreadyExists`] when a file is there already; [`KeysError::Certificate`] for names no certificate can
    /// hold; environment errors.
    pub fn create(dir: &Path, institution: &str, names: &[String], now: DateTime<Utc>) -> Result<Self, Error> {
        files::create_private_dir(dir)?;
        let organisation = SigningKey::generate()?;
        let key_pair = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).map_err(|_| KeysError::Certificate)?;
        let certificate = certificate_params(institution, names, now)
            .and_then(|params| params.self_signed(&key_pair))
            .map_err(|_| KeysError::Certificate)?;
        let sealing_seed = Seed::random()?;

        let seed_line =
            |prefix: &str, seed: &Seed| Secret::new(format!("{prefix}{}\n", STANDARD.encode(seed.expose())));
        let organisation_line = seed_line(ORGANISATION_PREFIX, &organisation.to_seed());
        let sealing_line = seed_line(SEALING_PREFIX, &sealing_seed);
        let tls_key_pem = Secret::new(key_pair.serialize_pem());
        let write =
            |name: &str, content: &str| files::create_new(&dir.join(name), content.as_bytes(), files::PRIVATE_FILE);
        write(ORGANISATION_FILE, organisation_line.expose())?;
        write(TLS_KEY_FILE, tls_key_pem.expose())?;
        write(TLS_CERTIFICATE_FILE, &certificate.pem())?;
        write(SEALING_FILE, sealing_line.expose())?;
        Self::load(dir)
    }

    /// Reads the keys from `dir`.
    ///
    /// # Errors
    /// [`KeysError`] when a file is open to others, holds no such key, or key and certificate differ; environment
    /// errors when a file cannot be read.
    pub fn load(dir: &Path) -> Result<Self, Error> {
        let organisation = SigningKey::from_seed(&read_seed(&dir.join(ORGANISATION_FILE), ORGANISATION_PREFIX)?);
        let sealing = SealingKey::from_seed(Suite::XWing, read_seed(&dir.join(SEALING_FILE), SEALING_PREFIX)?)?;

        let key_path = dir.join(TLS_KEY_FILE);
        let pem = read_private(&key_path)?;
        let malformed = |path: &Path, expected| KeysError::Malformed { path: path.to_path_buf(), expected };
        let expected = "private key in PKCS#8 PEM";
        let key = PrivatePkcs8KeyDer::from_pem_slice(pem.expose()).map_err(|_| malformed(&key_path, expected))?;
        let key_pair = KeyPair::from_pkcs8_der_and_sign_algo(&key, &rcgen::PKCS_ECDSA_P256_SHA256)
            .map_err(|_| malformed(&key_path, "P-256 key"))?;

        let certificate_path = dir.join(TLS_CERTIFICATE_FILE);
        let pem = files::read(&certificate_path, KEY_FILE_BYTES_MAX)?;
        let certificate =
            CertificateDer::from_pem_slice(&pem).map_err(|_| malformed(&certificate_path, "certificate in PEM"))?;
        let (_, parsed) =
            X509Certificate::from_der(&certificate).map_err(|_| malformed(&certificate_path, "certificate in PEM"))?;
        if *parsed.public_key().subject_public_key.data != *key_pair.public_key_raw() {
            return Err(KeysError::Mismatch.into());
        }
        let signer = rustls::crypto::aws_lc_rs::sign::any_ecdsa_type(&PrivateKeyDer::Pkcs8(key))
            .map_err(|_| malformed(&key_path, "P-256 key"))?;
        Ok(Self {
            organisation: Arc::new(organisation),
            spki_pin: spki_pin(&certificate)?,
            made_at: DateTime::from_timestamp(parsed.validity().not_before.timestamp(), 0)
                .ok_or_else(|| malformed(&certificate_path, "certificate with a date"))?,
            tls: Arc::new(CertifiedKey::new(vec![certificate], signer)),
            sealing,
        })
    }

    /// The organisation key, which signs for the institution.
    #[must_use]
    pub fn organisation(&self) -> &dyn Signer {
        self.organisation.as_ref()
    }

    /// The public half of the organisation key.
    #[must_use]
    pub fn organisation_public(&self) -> VerifyingKey {
        self.organisation.verifying_key()
    }

    /// The certificate of the node, DER.
    #[must_use]
    pub fn tls_certificate_der(&self) -> &[u8] {
        // Both constructors put one certificate there.
        self.tls.cert.first().map_or(&[], |certificate| certificate.as_ref())
    }

    /// Certificate and signing key for both ends of the peer port, as TLS takes them.
    #[must_use]
    pub const fn tls_identity(&self) -> &Arc<CertifiedKey> {
        &self.tls
    }

    /// SHA-256 over the public key of the certificate, as cards and agreements pin it.
    #[must_use]
    pub const fn spki_pin(&self) -> [u8; 32] {
        self.spki_pin
    }

    /// The first moment of the certificate, near which the keys were made.
    #[must_use]
    pub const fn made_at(&self) -> DateTime<Utc> {
        self.made_at
    }

    /// The key that opens what partners seal to this institution.
    #[must_use]
    pub const fn sealing(&self) -> &SealingKey {
        &self.sealing
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keys")
            .field("organisation", &self.organisation_public())
            .field("spki_pin", &hex::encode(self.spki_pin))
            .finish_non_exhaustive()
    }
}

/// SHA-256 over the DER SubjectPublicKeyInfo of a certificate: the pin of its key.
///
/// # Errors
/// [`KeysError::Malformed`] when the bytes are no X.509 certificate.
pub fn spki_pin(certificate_der: &[u8]) -> Result<[u8; 32], Error> {
    let (_, certificate) = X509Certificate::from_der(certificate_der)
        .map_err(|_| KeysError::Malformed { path: TLS_CERTIFICATE_FILE.into(), expected: "X.509 certificate" })?;
    Ok(*symbolon_policy::Digest::of(certificate.public_key().raw).as_bytes())
}

/// Refuses a file that group or others may read.
fn read_private(path: &Path) -> Result<Secret<Vec<u8>>, Error> {
    let metadata = std::fs::metadata(path).map_err(|source| files::failed(FileAction::Read, path, source))?;
    if metadata.permissions().mode() & 0o077 != 0 {
        return Err(KeysError::Exposed { path: path.to_path_buf() }.into());
    }
    files::read(path, KEY_FILE_BYTES_MAX).map(Secret::new)
}

fn read_seed(path: &Path, prefix: &str) -> Result<Seed, Error> {
    let content = read_private(path)?;
    let mut seed = Seed::new([0; 32]);
    let decoded = std::str::from_utf8(content.expose())
        .ok()
        .and_then(|text| text.trim_end().strip_prefix(prefix))
        .and_then(|encoded| STANDARD.decode_slice(encoded, seed.expose_mut()).ok());
    match decoded {
        Some(32) => Ok(seed),
        _ => Err(KeysError::Malformed { path: path.to_path_buf(), expected: "key of this node" }.into()),
    }
}

fn certificate_params(
    institution: &str,
    names: &[String],
    now: DateTime<Utc>,
) -> Result<CertificateParams, rcgen::Error> {
    let mut params = CertificateParams::new(names.to_vec())?;
    let mut subject = DistinguishedName::new();
    subject.push(DnType::OrganizationName, institution);
    subject.push(DnType::CommonName, institution);
    params.distinguished_name = subject;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    let date = |time: DateTime<Utc>| {
        // Month and day are at most 31.
        let small = |value: u32| u8::try_from(value).unwrap_or(1);
        rcgen::date_time_ymd(time.year(), small(time.month()), small(time.day()))
    };
    params.not_before = date(now - chrono::Days::new(1));
    params.not_after = date(now + Months::new(CERTIFICATE_MONTHS));
    Ok(params)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{Clock, SystemClock};

    fn create(dir: &Path) -> Keys {
        Keys::create(
            dir,
            "North Bank \u{5317}",
            &["bank.example".to_owned(), "127.0.0.1".to_owned()],
            SystemClock.now(),
        )
        .unwrap()
    }

    #[test]
    fn keys_come_back_from_private_files() {
        let home = tempfile::tempdir().unwrap();
        let dir = home.path().join("keys");
        let made = create(&dir);
        let read = Keys::load(&dir).unwrap();
        assert_eq!(made.organisation_public(), read.organisation_public());
        assert_eq!(made.spki_pin(), read.spki_pin());
        assert_eq!(made.tls_certificate_der(), read.tls_certificate_der());
        assert_eq!(made.sealing().public_key().as_bytes(), read.sealing().public_key().as_bytes());
        for name in [ORGANISATION_FILE, TLS_KEY_FILE, TLS_CERTIFICATE_FILE, SEALING_FILE] {
            let mode = std::fs::metadata(dir.join(name)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{name}");
        }
        assert_eq!(std::fs::metadata(&dir).unwrap().permissions().mode() & 0o777, 0o700);
        assert_eq!(std::fs::read_dir(&dir).unwrap().count(), 4);
    }

    #[test]
    fn existing_keys_are_never_overwritten() {
        let home = tempfile::tempdir().unwrap();
        let made = create(home.path());
        let again = Keys::create(home.path(), "Other", &["b.example".to_owned()], SystemClock.now());
        assert!(matches!(again, Err(Error::AlreadyExists { .. })));
        assert_eq!(Keys::load(home.path()).unwrap().organisation_public(), made.organisation_public());
    }

    #[test]
    fn a_key_open_to_others_is_refused() {
        let home = tempfile::tempdir().unwrap();
        create(home.path());
        for name in [ORGANISATION_FILE, TLS_KEY_FILE, SEALING_FILE] {
            let path = home.path().join(name);
            for mode in [0o640, 0o604, 0o610, 0o660] {
                std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
                assert_eq!(Keys::load(home.path()).unwrap_err().reason(), "KEY_EXPOSED", "{name} {mode:o}");
            }
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o400)).unwrap();
        }
        Keys::load(home.path()).unwrap();
    }

    #[test]
    fn damaged_and_swapped_files_are_refused() {
        let one = tempfile::tempdir().unwrap();
        let two = tempfile::tempdir().unwrap();
        create(one.path());
        create(two.path());
        std::fs::copy(two.path().join(TLS_CERTIFICATE_FILE), one.path().join(TLS_CERTIFICATE_FILE)).unwrap();
        assert_eq!(Keys::load(one.path()).unwrap_err().reason(), "KEY_MISMATCH");
        for name in [ORGANISATION_FILE, SEALING_FILE, TLS_KEY_FILE, TLS_CERTIFICATE_FILE] {
            let path = two.path().join(name);
            let content = std::fs::read(&path).unwrap();
            std::fs::write(&path, &content[..content.len() / 2]).unwrap();
            assert_eq!(Keys::load(two.path()).unwrap_err().reason(), "KEY_MALFORMED", "{name}");
            std::fs::write(&path, &content).unwrap();
        }
        std::fs::copy(two.path().join(SEALING_FILE), two.path().join(ORGANISATION_FILE)).unwrap();
        assert_eq!(Keys::load(two.path()).unwrap_err().reason(), "KEY_MALFORMED");
    }

    #[test]
    fn the_pin_is_the_digest_of_the_public_key_info() {
        let home = tempfile::tempdir().unwrap();
        let keys = create(home.path());
        let (_, certificate) = X509Certificate::from_der(keys.tls_certificate_der()).unwrap();
        assert_eq!(keys.spki_pin(), *symbolon_policy::Digest::of(certificate.public_key().raw).as_bytes());
        assert!(certificate.subject().to_string().contains("North Bank"));
        assert!(spki_pin(b"no certificate").is_err());
    }

    #[test]
    fn printing_shows_no_secret() {
        let home = tempfile::tempdir().unwrap();
        let keys = create(home.path());
        let text = format!("{keys:?} {keys:#?}").to_lowercase();
        let seed = read_seed(&home.path().join(ORGANISATION_FILE), ORGANISATION_PREFIX).unwrap();
        assert!(!text.contains(&hex::encode(&seed.expose()[..4])));
        assert!(!text.contains(&STANDARD.encode(&seed.expose()[..6]).to_lowercase()));
        let pem = std::fs::read(home.path().join(TLS_KEY_FILE)).unwrap();
        let der = PrivatePkcs8KeyDer::from_pem_slice(&pem).unwrap();
        assert!(!text.contains(&hex::encode(&der.secret_pkcs8_der()[40..46])));
    }
}
