//! Keys in a token, over PKCS#11: the organisation key (Ed25519), the TLS key (P-256) and the AES key around the
//! key-encryption key. Private keys are made in the token as not extractable and never leave it.
//!
//! A session that the token closes is opened anew once for each operation. A refused PIN is never tried again: tokens
//! lock themselves after a few.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::error::{Error as Fault, RvError};
use cryptoki::mechanism::Mechanism;
use cryptoki::mechanism::aead::GcmParams;
use cryptoki::mechanism::eddsa::{EddsaParams, EddsaSignatureScheme};
use cryptoki::object::{Attribute, AttributeType, ObjectClass, ObjectHandle};
use cryptoki::session::{Session, UserType};
use cryptoki::slot::Slot;
use cryptoki::types::RawAuthPin;
use symbolon_primitives::secret::Secret;

use super::passphrase::{Passphrase, Question, Unlock};
use super::protection::Pkcs11Settings;
use crate::error::{Environment, Error, KeysError};

/// The curve of Ed25519 as tokens name it: PrintableString "edwards25519" (PKCS#11 3.0, section 6.3.3).
const EDWARDS25519: &[u8] = b"\x13\x0cedwards25519";
/// The object identifier of P-256 (RFC 5480, section 2.1.1.1).
const P256: &[u8] = &[0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
const ID_BYTES: usize = 16;
const IV_BYTES: usize = 12;
const TAG_BITS: std::ffi::c_ulong = 128;

/// The modules in use. A process initialises each once and leaves it so until it ends.
static MODULES: Mutex<Vec<(PathBuf, Pkcs11)>> = Mutex::new(Vec::new());

/// A token that is logged in to.
pub(crate) struct Token {
    module: Pkcs11,
    slot: Slot,
    label: String,
    pin: RawAuthPin,
    session: Mutex<Option<Session>>,
}

/// A secret encrypted by a key in the token.
#[derive(Debug, Clone)]
pub(super) struct Wrapped {
    /// The `CKA_ID` of the key.
    pub(super) key_id: Vec<u8>,
    pub(super) iv: [u8; IV_BYTES],
    pub(super) sealed: Vec<u8>,
}

/// A key pair made in the token.
pub(super) struct Made {
    /// The `CKA_ID` of both halves.
    pub(super) id: Vec<u8>,
    /// The public point: 32 bytes for Ed25519, 65 for P-256.
    pub(super) point: Vec<u8>,
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token").field("slot", &self.slot.id()).finish_non_exhaustive()
    }
}

fn failed(what: &'static str) -> impl Fn(Fault) -> Error {
    move |fault| {
        tracing::warn!(%fault, "the token failed");
        match fault {
            Fault::Pkcs11(RvError::PinIncorrect | RvError::PinLocked | RvError::PinInvalid, _) => {
                KeysError::PinRefused.into()
            }
            _ => KeysError::Token { what }.into(),
        }
    }
}

impl Token {
    /// Loads the module, finds the token and logs in.
    ///
    /// # Errors
    /// [`KeysError::Token`], [`KeysError::PinRefused`], [`KeysError::Locked`].
    pub(super) fn open(settings: &Pkcs11Settings, unlock: &Unlock<'_>) -> Result<Self, Error> {
        let module = module(&settings.module)?;
        let slot = find_slot(&module, &settings.token)?;
        let pin = unlock.present(&settings.pin, Question::Pin)?;
        let token = Self { module, slot, label: settings.label.clone(), pin: raw(&pin), session: Mutex::new(None) };
        token.with(|_| Ok(()))?;
        Ok(token)
    }

    /// Runs `work` in the session, and once more in a new one when the token has closed it.
    fn with<T>(&self, work: impl Fn(&Session) -> Result<T, Fault>) -> Result<T, Error> {
        let mut held = self.session.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(session) = held.as_ref() {
            match work(session) {
                Err(fault) if is_closed(&fault) => *held = None,
                other => return other.map_err(failed("does not do what is asked of it")),
            }
        }
        let session = self.login()?;
        let result = work(&session).map_err(failed("does not do what is asked of it"));
        *held = Some(session);
        result
    }

    fn login(&self) -> Result<Session, Error> {
        let session = self.module.open_rw_session(self.slot).map_err(failed("opens no session"))?;
        match session.login_with_raw(UserType::User, &self.pin) {
            // The login counts for all sessions of a process.
            Ok(()) | Err(Fault::Pkcs11(RvError::UserAlreadyLoggedIn, _)) => Ok(session),
            Err(fault) => Err(failed("lets nobody in")(fault)),
        }
    }

    /// Makes an Ed25519 key pair.
    pub(super) fn make_ed25519(&self) -> Result<Made, Error> {
        self.make_pair(&Mechanism::EccEdwardsKeyPairGen, EDWARDS25519, "organisation", 32)
    }

    /// Makes a P-256 key pair.
    pub(super) fn make_p256(&self) -> Result<Made, Error> {
        self.make_pair(&Mechanism::EccKeyPairGen, P256, "tls", 65)
    }

    fn make_pair(&self, mechanism: &Mechanism<'_>, curve: &[u8], name: &str, bytes: usize) -> Result<Made, Error> {
        let id = fresh_id()?;
        let label = format!("{}-{name}", self.label).into_bytes();
        let shared = [Attribute::Token(true), Attribute::Id(id.clone()), Attribute::Label(label)];
        let mut public = shared.to_vec();
        public.extend([Attribute::Private(false), Attribute::Verify(true), Attribute::EcParams(curve.to_vec())]);
        let mut private = shared.to_vec();
        private.extend([
            Attribute::Private(true),
            Attribute::Sensitive(true),
            Attribute::Extractable(false),
            Attribute::Sign(true),
        ]);
        let attributes = self.with(|session| {
            let (public, _) = session.generate_key_pair(mechanism, &public, &private)?;
            session.get_attributes(public, &[AttributeType::EcPoint])
        })?;
        let point = attributes.into_iter().find_map(|attribute| match attribute {
            Attribute::EcPoint(point) => Some(point),
            _ => None,
        });
        let point = point.and_then(|point| bare_point(&point, bytes));
        Ok(Made { id, point: point.ok_or(KeysError::Token { what: "gives no public key" })? })
    }

    /// Ed25519 over `message` (RFC 8032).
    pub(super) fn sign_ed25519(&self, id: &[u8], message: &[u8]) -> Result<[u8; 64], Error> {
        self.sign(&Mechanism::Eddsa(EddsaParams::new(EddsaSignatureScheme::Pure)), id, message)
    }

    /// ECDSA over a SHA-256 digest: r and s, 32 bytes each.
    pub(super) fn sign_p256(&self, id: &[u8], digest: &[u8; 32]) -> Result<[u8; 64], Error> {
        self.sign(&Mechanism::Ecdsa, id, digest)
    }

    fn sign(&self, mechanism: &Mechanism<'_>, id: &[u8], message: &[u8]) -> Result<[u8; 64], Error> {
        let template = [Attribute::Class(ObjectClass::PRIVATE_KEY), Attribute::Id(id.to_vec())];
        let signature = self.with(|session| {
            let Some(key) = session.find_objects(&template)?.first().copied() else { return Ok(None) };
            session.sign(mechanism, key, message).map(Some)
        })?;
        let signature = signature.ok_or(KeysError::Token { what: "does not hold the key" })?;
        signature.try_into().map_err(|_| KeysError::Token { what: "gives a signature of another form" }.into())
    }

    /// Encrypts a short secret by the token's AES key, which is made when it is not there.
    pub(super) fn wrap(&self, secret: &[u8], context: &[u8]) -> Result<Wrapped, Error> {
        let key_id = self.wrapping_key()?;
        let mut iv = [0; IV_BYTES];
        getrandom::fill(&mut iv).map_err(|_| Environment::Entropy)?;
        let sealed = self.with_wrapping_key(&key_id, |session, key| {
            let mut iv = iv;
            let params = GcmParams::new(&mut iv, context, TAG_BITS.into())?;
            session.encrypt(&Mechanism::AesGcm(params), key, secret)
        })?;
        Ok(Wrapped { key_id, iv, sealed })
    }

    /// Decrypts what [`Token::wrap`] gave.
    pub(super) fn unwrap(&self, wrapped: &Wrapped, context: &[u8]) -> Result<Secret<Vec<u8>>, Error> {
        let secret = self.with_wrapping_key(&wrapped.key_id, |session, key| {
            let mut iv = wrapped.iv;
            let params = GcmParams::new(&mut iv, context, TAG_BITS.into())?;
            session.decrypt(&Mechanism::AesGcm(params), key, &wrapped.sealed)
        })?;
        Ok(Secret::new(secret))
    }

    fn with_wrapping_key<T>(
        &self,
        id: &[u8],
        work: impl Fn(&Session, ObjectHandle) -> Result<T, Fault>,
    ) -> Result<T, Error> {
        let template = [Attribute::Class(ObjectClass::SECRET_KEY), Attribute::Id(id.to_vec())];
        let done = self.with(|session| {
            let Some(key) = session.find_objects(&template)?.first().copied() else { return Ok(None) };
            work(session, key).map(Some)
        })?;
        done.ok_or_else(|| KeysError::Token { what: "does not hold the key" }.into())
    }

    fn wrapping_key(&self) -> Result<Vec<u8>, Error> {
        let label = format!("{}-at-rest", self.label).into_bytes();
        let known = [Attribute::Class(ObjectClass::SECRET_KEY), Attribute::Label(label.clone())];
        let found = self.with(|session| {
            let Some(key) = session.find_objects(&known)?.first().copied() else { return Ok(None) };
            session.get_attributes(key, &[AttributeType::Id]).map(|attributes| attributes.into_iter().next())
        })?;
        if let Some(Attribute::Id(id)) = found {
            return Ok(id);
        }
        let id = fresh_id()?;
        let template = [
            Attribute::Token(true),
            Attribute::Private(true),
            Attribute::Sensitive(true),
            Attribute::Extractable(false),
            Attribute::Encrypt(true),
            Attribute::Decrypt(true),
            Attribute::ValueLen(32.into()),
            Attribute::Id(id.clone()),
            Attribute::Label(label),
        ];
        self.with(|session| session.generate_key(&Mechanism::AesKeyGen, &template).map(drop))?;
        Ok(id)
    }
}

/// Loads and initialises a module once in this process.
fn module(path: &Path) -> Result<Pkcs11, Error> {
    let mut modules = MODULES.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((_, module)) = modules.iter().find(|(known, _)| known == path) {
        return Ok(module.clone());
    }
    let module = Pkcs11::new(path).map_err(failed("cannot be reached: its module does not load"))?;
    match module.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)) {
        Ok(()) | Err(Fault::Pkcs11(RvError::CryptokiAlreadyInitialized, _)) => {}
        Err(fault) => return Err(failed("cannot be reached: its module does not start")(fault)),
    }
    modules.push((path.to_path_buf(), module.clone()));
    Ok(module)
}

fn find_slot(module: &Pkcs11, label: &str) -> Result<Slot, Error> {
    let fault = failed("cannot be looked for");
    let mut found = None;
    for slot in module.get_slots_with_initialized_token().map_err(&fault)? {
        if module.get_token_info(slot).map_err(&fault)?.label().trim_end() == label {
            if found.is_some() {
                return Err(KeysError::Token { what: "is one of several with this label" }.into());
            }
            found = Some(slot);
        }
    }
    found.ok_or_else(|| KeysError::Token { what: "is not there: no token has the label node.toml names" }.into())
}

fn raw(pin: &Passphrase) -> RawAuthPin {
    RawAuthPin::new(Box::new(pin.expose().clone()))
}

const fn is_closed(fault: &Fault) -> bool {
    use RvError::{DeviceError, DeviceRemoved, SessionClosed, SessionHandleInvalid, TokenNotPresent, UserNotLoggedIn};
    matches!(
        fault,
        Fault::Pkcs11(
            SessionHandleInvalid | SessionClosed | DeviceRemoved | DeviceError | TokenNotPresent | UserNotLoggedIn,
            _
        )
    )
}

/// Takes the point out of its OCTET STRING, in which most tokens give it (PKCS#11 3.0, section 6.3.3).
fn bare_point(value: &[u8], bytes: usize) -> Option<Vec<u8>> {
    let point = match value {
        [0x04, length, point @ ..] if usize::from(*length) == bytes && point.len() == bytes => point,
        point if point.len() == bytes => point,
        _ => return None,
    };
    Some(point.to_vec())
}

fn fresh_id() -> Result<Vec<u8>, Error> {
    let mut id = vec![0; ID_BYTES];
    getrandom::fill(&mut id).map_err(|_| Environment::Entropy)?;
    Ok(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_are_taken_with_and_without_their_frame() {
        let point = vec![7; 32];
        let framed = [&[0x04, 32][..], &point].concat();
        assert_eq!(bare_point(&framed, 32).unwrap(), point);
        assert_eq!(bare_point(&point, 32).unwrap(), point);
        // A bare P-256 point begins with 4 as a frame does.
        let bare = [&[0x04][..], &[1; 64]].concat();
        assert_eq!(bare_point(&bare, 65).unwrap(), bare);
        assert_eq!(bare_point(&[&[0x04, 65][..], &bare].concat(), 65).unwrap(), bare);
        assert!(bare_point(&[4, 31], 32).is_none());
        assert!(bare_point(&[], 32).is_none());
    }

    #[test]
    fn a_module_that_is_none_is_said_to_be_so() {
        let error = module(Path::new("/nowhere/token.so")).unwrap_err();
        assert_eq!(error.reason(), "TOKEN_FAILED");
    }
}
