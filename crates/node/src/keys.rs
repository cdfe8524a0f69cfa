//! The keys of an institution's node: made once, kept in files only their owner can read.
//!
//! | file | content | use |
//! |---|---|---|
//! | `organisation.key` | the Ed25519 key, or where in the token it lies | signs cards, agreements, offers |
//! | `tls.key`, `tls.crt` | P-256 key, or where in the token it lies, and self-signed certificate | both ends of the peer port |
//! | `sealing.key` | seed of the X-Wing key | opens what partners seal to this institution |
//! | `at-rest.key` | the key the others are sealed under, see [`keystore`](crate::keystore) | opens the others and the keys of jobs |
//!
//! | `history.toml`, `old/` | what keys there were, and those that still count beside the present ones | [`rotation`] |
//!
//! `tls.crt` may hold a second certificate, that of the institution's authority which signed the first: then the card
//! pins the authority's key, and the node's own certificate may be one of hours.
//!
//! A file that group or others may read is refused: whoever could read it may have the key.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use arc_swap::ArcSwap;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Datelike, Months, Utc};
use rcgen::{CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, KeyUsagePurpose, SanType};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::sign::CertifiedKey;
use symbolon_policy::{Digest, Lineage, SpiffeId};
use symbolon_primitives::hpke::{SealingKey, Suite};
use symbolon_primitives::kdf::Label;
use symbolon_primitives::secret::{Secret, Seed};
use symbolon_primitives::sign::{Signer, SigningKey, VerifyingKey};
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::error::{Error, KeysError};
use crate::files;
use crate::keystore::{KeyKind, KeyStore, StoredKey};

#[cfg(fuzzing)]
pub use history::fuzz_history;
pub use history::{FormerKey, History};
pub use pair::TlsPair;
pub(crate) use pair::spiffe_id_of;

mod history;
mod pair;
pub mod rotation;

pub(crate) const ORGANISATION_FILE: &str = "organisation.key";
const TLS_KEY_FILE: &str = "tls.key";
const TLS_CERTIFICATE_FILE: &str = "tls.crt";
const SEALING_FILE: &str = "sealing.key";

/// The name of a node in its SPIFFE id, when the configuration gives no other.
pub(crate) const NODE_NAME: &str = "1";

const ORGANISATION_PREFIX: &str = "symbolon-ed25519-seed:";
const SEALING_PREFIX: &str = "symbolon-x-wing-seed:";

/// What a key in the token signs when it is opened, to show that it is the one its file names.
const PROBE: &[u8] = b"symbolon key probe";
const KEY_FILE_BYTES_MAX: u64 = 64 << 10;
/// A pinned certificate is replaced by handing over a new card, so its own end is only a reminder to do so.
const CERTIFICATE_MONTHS: u32 = 60;

/// The keys of a node. Wiped when dropped; printing shows public parts only.
pub struct Keys {
    organisation: Arc<dyn Signer>,
    tls: TlsPair,
    sealing: SealingKey,
    former_organisation: Vec<Arc<dyn Signer>>,
    former_tls: Vec<TlsPair>,
    former_sealing: Vec<SealingKey>,
    history: History,
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
    /// Makes all keys, in the token if the home has one, and writes their files. `names` are the host names and IP
    /// addresses the certificate is for; its SPIFFE id is the node `1` in the trust domain of the first of them.
    ///
    /// # Errors
    /// [`Error::AlreadyExists`] when a file is there already; [`KeysError::Certificate`] for names no certificate can
    /// hold; [`KeysError::Token`]; environment errors.
    pub fn create(store: &KeyStore, institution: &str, names: &[String], now: DateTime<Utc>) -> Result<Self, Error> {
        let host = names.first().map_or("", String::as_str);
        let id = SpiffeId::of_node(&SpiffeId::trust_domain_of_host(host), NODE_NAME);
        let id = id.map_err(|_| KeysError::Certificate)?;
        let (_, organisation_line) = store.make_organisation()?;
        let (tls_line, certificate) = make_pair(store, CertificateNames { institution, names, id: &id }, now)?;
        let sealing_line = make_sealing(store)?;
        let write = |name: &str, content: &str| {
            files::create_new(&store.directory().join(name), content.as_bytes(), files::PRIVATE_FILE)
        };
        write(ORGANISATION_FILE, organisation_line.expose())?;
        write(TLS_KEY_FILE, tls_line.expose())?;
        write(TLS_CERTIFICATE_FILE, &certificate)?;
        write(SEALING_FILE, sealing_line.expose())?;
        Self::load(store)
    }

    /// Reads the keys.
    ///
    /// # Errors
    /// [`KeysError`] when a file is open to others, holds no such key, or key and certificate differ; environment
    /// errors when a file cannot be read.
    pub fn load(store: &KeyStore) -> Result<Self, Error> {
        let dir = store.directory();
        rotation::finish(dir)?;
        let history = History::load(dir)?;
        let organisation = load_organisation(store, &dir.join(ORGANISATION_FILE))?;
        let tls = read_pair(store, &dir.join(TLS_KEY_FILE), &dir.join(TLS_CERTIFICATE_FILE))?;
        let sealing = load_sealing(store, &dir.join(SEALING_FILE))?;

        let (mut former_organisation, mut former_tls, mut former_sealing) = (Vec::new(), Vec::new(), Vec::new());
        for former in history.former.iter().filter(|key| key.revoked.is_none()) {
            let path = rotation::old_file(dir, &former.file, "key");
            // The file goes when the key no longer counts, or earlier when the operator wants it to.
            if !path.exists() {
                continue;
            }
            match former.kind {
                KeyKind::Organisation => former_organisation.push(load_organisation(store, &path)?),
                KeyKind::Sealing => former_sealing.push(load_sealing(store, &path)?),
                KeyKind::Tls => {
                    former_tls.push(read_pair(store, &path, &rotation::old_file(dir, &former.file, "crt"))?);
                }
            }
        }
        Ok(Self { organisation, tls, sealing, former_organisation, former_tls, former_sealing, history })
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

    /// The private half of `key` when it is the organisation key, or a former one that still counts at `now`.
    #[must_use]
    pub fn organisation_for(&self, key: &VerifyingKey, now: DateTime<Utc>) -> Option<&dyn Signer> {
        if *key == self.organisation_public() {
            return Some(self.organisation());
        }
        let holds = self.former(KeyKind::Organisation, &key.to_string()).is_some_and(|former| former.holds(now));
        let mut former = self.former_organisation.iter();
        former.find(|former| holds && former.verifying_key() == *key).map(AsRef::as_ref)
    }

    /// The organisation keys and TLS pins this institution had and has.
    #[must_use]
    pub fn lineage(&self) -> Lineage {
        let of = |kind| self.history.former.iter().filter(move |key| key.kind == kind);
        let mut keys: Vec<VerifyingKey> = of(KeyKind::Organisation).filter_map(|key| key.public.parse().ok()).collect();
        keys.push(self.organisation_public());
        let mut pins: Vec<Digest> = of(KeyKind::Tls).filter_map(|key| key.public.parse().ok()).collect();
        pins.push(Digest::from_bytes(self.tls.pin()));
        Lineage::new(keys, pins, self.history.revoked())
    }

    /// Key and certificate of the peer port.
    #[must_use]
    pub const fn tls(&self) -> &TlsPair {
        &self.tls
    }

    /// The former TLS pairs that still count at `now`, the last one first.
    pub fn tls_former(&self, now: DateTime<Utc>) -> impl Iterator<Item = &TlsPair> {
        self.former_tls.iter().rev().filter(move |pair| {
            let public = Digest::from_bytes(pair.pin()).to_string();
            self.former(KeyKind::Tls, &public).is_some_and(|former| former.holds(now))
        })
    }

    /// The certificate of the node, DER.
    #[must_use]
    pub fn tls_certificate_der(&self) -> &[u8] {
        self.tls.certificate_der()
    }

    /// SHA-256 over the public key a card pins: the certificate's, or its authority's.
    #[must_use]
    pub const fn spki_pin(&self) -> [u8; 32] {
        self.tls.pin()
    }

    /// When the present card came about: when keys were last changed, else the first moment of the certificate, near
    /// which the first keys were made.
    #[must_use]
    pub fn made_at(&self) -> DateTime<Utc> {
        self.history.changed.unwrap_or_else(|| self.tls.not_before())
    }

    /// The key that opens what partners seal to this institution.
    #[must_use]
    pub const fn sealing(&self) -> &SealingKey {
        &self.sealing
    }

    /// The keys that open sealed files: the present one, then the former ones that are still kept.
    pub fn sealing_all(&self) -> impl Iterator<Item = &SealingKey> {
        std::iter::once(&self.sealing).chain(self.former_sealing.iter().rev())
    }

    /// What keys there were.
    #[must_use]
    pub const fn history(&self) -> &History {
        &self.history
    }

    fn former(&self, kind: KeyKind, public: &str) -> Option<&FormerKey> {
        self.history.former.iter().find(|key| key.kind == kind && key.public == public)
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keys")
            .field("organisation", &self.organisation_public())
            .field("spki_pin", &hex::encode(self.spki_pin()))
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
    Ok(*Digest::of(certificate.public_key().raw).as_bytes())
}

fn malformed(path: &Path, expected: &'static str) -> Error {
    KeysError::Malformed { path: path.to_path_buf(), expected }.into()
}

/// Reads an organisation key: sealed, in the token, or in the plain form of earlier homes.
///
/// # Errors
/// As [`Keys::load`]; [`KeysError::Mismatch`] when the token's key is another one than the file says.
pub fn load_organisation(store: &KeyStore, path: &Path) -> Result<Arc<dyn Signer>, Error> {
    let (stored, public) = store.read_key(path, KeyKind::Organisation)?;
    let foreign = || malformed(path, "key of this node");
    let key = match (&stored, public) {
        (StoredKey::Plain(line), _) => {
            let seed = plain_seed(line, ORGANISATION_PREFIX).ok_or_else(foreign)?;
            return Ok(Arc::new(SigningKey::from_seed(&seed)));
        }
        (stored, Some(public)) => store.organisation(stored, public, foreign)?,
        (_, None) => return Err(foreign()),
    };
    if matches!(stored, StoredKey::Token(_)) {
        let probe = key.try_sign(Label::AtRestKey, &[PROBE])?;
        key.verifying_key().verify(Label::AtRestKey, &[PROBE], &probe).map_err(|_| KeysError::Mismatch)?;
    }
    Ok(key)
}

/// Reads a TLS key and its chain, and checks that they belong together.
fn read_pair(store: &KeyStore, key_path: &Path, certificate_path: &Path) -> Result<TlsPair, Error> {
    let foreign = || malformed(certificate_path, "certificate in PEM");
    let pem = files::read(certificate_path, KEY_FILE_BYTES_MAX)?;
    let chain = CertificateDer::pem_slice_iter(&pem).take(pair::CHAIN_MAX + 1);
    let chain: Vec<CertificateDer<'static>> = chain.collect::<Result<_, _>>().map_err(|_| foreign())?;
    let (_, parsed) = chain.first().and_then(|leaf| X509Certificate::from_der(leaf).ok()).ok_or_else(foreign)?;
    let point = parsed.public_key().subject_public_key.data.to_vec();
    let leaf_pin = *Digest::of(parsed.public_key().raw).as_bytes();
    let (stored, pin) = store.read_key(key_path, KeyKind::Tls)?;
    let key = store.tls(&stored, &point, || malformed(key_path, "P-256 key of this node"))?;
    if point != key.public_point() || pin.is_some_and(|pin| pin != leaf_pin) {
        return Err(KeysError::Mismatch.into());
    }
    if matches!(stored, StoredKey::Token(_)) {
        let probe = rcgen::SigningKey::sign(&key, PROBE).map_err(|_| KeysError::Token { what: "does not sign" })?;
        let verified = webpki::aws_lc_rs::ECDSA_P256_SHA256.verify_signature(&point, PROBE, &probe);
        verified.map_err(|_| KeysError::Mismatch)?;
    }
    let signer = key.for_tls()?;
    TlsPair::new(CertifiedKey::new(chain, signer), certificate_path)
}

/// Reads a sealing key: sealed, or in the plain form of earlier homes.
///
/// # Errors
/// As [`Keys::load`].
pub fn load_sealing(store: &KeyStore, path: &Path) -> Result<SealingKey, Error> {
    let (stored, id) = store.read_key(path, KeyKind::Sealing)?;
    let foreign = || malformed(path, "key of this node");
    let seed = match &stored {
        StoredKey::Secret(seed) => <[u8; 32]>::try_from(seed.expose().as_slice()).ok().map(Secret::new),
        StoredKey::Plain(line) => plain_seed(line, SEALING_PREFIX),
        StoredKey::Token(_) => None,
    };
    let key = SealingKey::from_seed(Suite::XWing, seed.ok_or_else(foreign)?)?;
    if id.is_some_and(|id| key.public_key().id() != id) {
        return Err(foreign());
    }
    Ok(key)
}

/// Makes a sealing key and gives the content of its file. No token holds keys of this kind, so it is always sealed.
///
/// # Errors
/// [`Error::Primitives`] when the system gives no randomness.
pub fn make_sealing(store: &KeyStore) -> Result<Secret<String>, Error> {
    let seed = Seed::random()?;
    let key = SealingKey::from_seed(Suite::XWing, Secret::new(*seed.expose()))?;
    let line = store.at_rest().seal_key(KeyKind::Sealing, &key.public_key().id(), seed.expose())?;
    Ok(Secret::new(line))
}

/// Seals the key files that are still in the plain form of earlier homes, each by a rename.
///
/// # Errors
/// As [`Keys::load`]; what is sealed already stays so.
pub(crate) fn seal_plain_files(store: &KeyStore) -> Result<(), Error> {
    let at_rest = store.at_rest();
    let replace = |path: &Path, line: String| {
        let line = Secret::new(line);
        files::replace(path, line.expose().as_bytes(), files::PRIVATE_FILE)
    };
    let path = store.directory().join(ORGANISATION_FILE);
    if let (StoredKey::Plain(line), _) = store.read_key(&path, KeyKind::Organisation)? {
        let seed = plain_seed(&line, ORGANISATION_PREFIX).ok_or_else(|| malformed(&path, "key of this node"))?;
        let public = SigningKey::from_seed(&seed).verifying_key().to_bytes();
        replace(&path, at_rest.seal_key(KeyKind::Organisation, &public, seed.expose())?)?;
    }
    let path = store.directory().join(SEALING_FILE);
    if let (StoredKey::Plain(line), _) = store.read_key(&path, KeyKind::Sealing)? {
        let seed = plain_seed(&line, SEALING_PREFIX).ok_or_else(|| malformed(&path, "key of this node"))?;
        let key = SealingKey::from_seed(Suite::XWing, Secret::new(*seed.expose()))?;
        replace(&path, at_rest.seal_key(KeyKind::Sealing, &key.public_key().id(), seed.expose())?)?;
    }
    let path = store.directory().join(TLS_KEY_FILE);
    if let (stored @ StoredKey::Plain(_), _) = store.read_key(&path, KeyKind::Tls)? {
        let pem = files::read(&store.directory().join(TLS_CERTIFICATE_FILE), KEY_FILE_BYTES_MAX)?;
        let certificate = CertificateDer::from_pem_slice(&pem).map_err(|_| KeysError::Mismatch)?;
        let key = store.tls(&stored, &[], || malformed(&path, "P-256 key of this node"))?;
        let line = store.tls_line(&key, &spki_pin(&certificate)?)?;
        files::replace(&path, line.expose().as_bytes(), files::PRIVATE_FILE)?;
    }
    Ok(())
}

/// The seed in the plain form of earlier homes.
fn plain_seed(line: &Secret<Vec<u8>>, prefix: &str) -> Option<Seed> {
    let encoded = std::str::from_utf8(line.expose()).ok()?.trim_end().strip_prefix(prefix)?;
    let mut seed = Seed::new([0; 32]);
    let length = STANDARD.decode_slice(encoded, seed.expose_mut()).ok()?;
    (length == 32).then_some(seed)
}

/// What a TLS certificate is for.
#[derive(Debug, Clone, Copy)]
#[expect(clippy::exhaustive_structs, reason = "built from all its fields")]
pub struct CertificateNames<'a> {
    /// The institution's name.
    pub institution: &'a str,
    /// Host names and IP addresses.
    pub names: &'a [String],
    /// The SPIFFE id.
    pub id: &'a SpiffeId,
}

/// Makes a TLS key, in the token if there is one, and a certificate signed by itself: the content of both files.
fn make_pair(
    store: &KeyStore,
    names: CertificateNames<'_>,
    now: DateTime<Utc>,
) -> Result<(Secret<String>, String), Error> {
    let key = store.make_tls()?;
    let certificate = certificate_params(names, now)
        .and_then(|params| params.self_signed(&key))
        .map_err(|_| KeysError::Certificate)?;
    let line = store.tls_line(&key, &spki_pin(certificate.der())?)?;
    Ok((line, certificate.pem()))
}

fn certificate_params(names: CertificateNames<'_>, now: DateTime<Utc>) -> Result<CertificateParams, rcgen::Error> {
    let CertificateNames { institution, names, id } = names;
    let mut params = CertificateParams::new(names.to_vec())?;
    params.subject_alt_names.push(SanType::URI(id.as_str().try_into()?));
    let mut subject = DistinguishedName::new();
    subject.push(DnType::OrganizationName, institution);
    subject.push(DnType::CommonName, institution);
    params.distinguished_name = subject;
    // The key may sign the list that withdraws its own certificate.
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::CrlSign];
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
pub(crate) mod tests;
