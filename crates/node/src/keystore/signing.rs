//! Private keys in use: from their files or in the token, behind what TLS, certificates and signatures take.

use std::fmt;
use std::sync::Arc;

use rcgen::KeyPair;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{SignatureAlgorithm, SignatureScheme};
use sha2::{Digest, Sha256};
use symbolon_primitives::secret::Secret;
use symbolon_primitives::sign::{Signature, Signer, SigningKey, VerifyingKey};

use super::token::Token;
use super::{KeyKind, KeyStore, StoredKey};
use crate::error::{Error, KeysError};

/// The organisation key in a token.
#[derive(Debug)]
struct TokenSigner {
    token: Arc<Token>,
    id: Vec<u8>,
    public: VerifyingKey,
}

impl Signer for TokenSigner {
    fn verifying_key(&self) -> VerifyingKey {
        self.public
    }

    fn try_sign_message(&self, message: &[u8]) -> Result<Signature, symbolon_primitives::Error> {
        let signature = self.token.sign_ed25519(&self.id, message);
        Ok(Signature::from_bytes(signature.map_err(|_| symbolon_primitives::Error::KeyUnavailable)?))
    }
}

/// The TLS key, wherever it lies: signs certificates for its own public key, and handshakes.
pub struct TlsKey(Place);

enum Place {
    /// In memory.
    Memory(Box<KeyPair>),
    /// In the token.
    Token(TokenTlsKey),
}

/// The TLS key in a token.
#[derive(Debug, Clone)]
struct TokenTlsKey {
    token: Arc<Token>,
    id: Vec<u8>,
    /// The public point, uncompressed.
    point: Vec<u8>,
}

impl fmt::Debug for TlsKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Place::Memory(_) => "TlsKey(memory)",
            Place::Token(_) => "TlsKey(token)",
        })
    }
}

impl TlsKey {
    /// The key as TLS signs handshakes with it.
    ///
    /// # Errors
    /// [`KeysError::Certificate`] when TLS takes no such key.
    pub fn for_tls(&self) -> Result<Arc<dyn rustls::sign::SigningKey>, Error> {
        match &self.0 {
            Place::Memory(pair) => {
                let der = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(pair.serialize_der()));
                let key = rustls::crypto::aws_lc_rs::sign::any_ecdsa_type(&der).map_err(|_| KeysError::Certificate)?;
                Ok(key)
            }
            Place::Token(key) => Ok(Arc::new(key.clone())),
        }
    }

    /// The public point, uncompressed, as it stands in a certificate.
    #[must_use]
    pub fn public_point(&self) -> &[u8] {
        rcgen::PublicKeyData::der_bytes(self)
    }

    fn of_pkcs8(der: &[u8]) -> Option<Self> {
        let key = PrivatePkcs8KeyDer::from(der.to_vec());
        let pair = KeyPair::from_pkcs8_der_and_sign_algo(&key, &rcgen::PKCS_ECDSA_P256_SHA256).ok()?;
        Some(Self(Place::Memory(Box::new(pair))))
    }
}

impl rcgen::PublicKeyData for TlsKey {
    fn der_bytes(&self) -> &[u8] {
        match &self.0 {
            Place::Memory(pair) => pair.public_key_raw(),
            Place::Token(key) => &key.point,
        }
    }

    fn algorithm(&self) -> &'static rcgen::SignatureAlgorithm {
        &rcgen::PKCS_ECDSA_P256_SHA256
    }
}

impl rcgen::SigningKey for TlsKey {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        match &self.0 {
            Place::Memory(pair) => pair.sign(message),
            Place::Token(key) => key.sign_der(message).map_err(|_| rcgen::Error::RemoteKeyError),
        }
    }
}

impl TokenTlsKey {
    fn sign_der(&self, message: &[u8]) -> Result<Vec<u8>, Error> {
        let digest = Sha256::digest(message).into();
        Ok(ecdsa_der(&self.token.sign_p256(&self.id, &digest)?))
    }
}

impl rustls::sign::SigningKey for TokenTlsKey {
    fn choose_scheme(&self, offered: &[SignatureScheme]) -> Option<Box<dyn rustls::sign::Signer>> {
        let signer = || Box::new(self.clone()) as Box<dyn rustls::sign::Signer>;
        offered.contains(&SignatureScheme::ECDSA_NISTP256_SHA256).then(signer)
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        SignatureAlgorithm::ECDSA
    }
}

impl rustls::sign::Signer for TokenTlsKey {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rustls::Error> {
        self.sign_der(message).map_err(|_| rustls::Error::General("the token does not sign".to_owned()))
    }

    fn scheme(&self) -> SignatureScheme {
        SignatureScheme::ECDSA_NISTP256_SHA256
    }
}

/// r ‖ s as TLS and certificates have it: SEQUENCE { INTEGER r, INTEGER s } (RFC 3279, section 2.2.3).
fn ecdsa_der(signature: &[u8; 64]) -> Vec<u8> {
    let mut body = Vec::with_capacity(70);
    for number in signature.chunks(32) {
        let zeros = number.iter().take(31).take_while(|byte| **byte == 0).count();
        let number = &number[zeros..];
        // A number whose first bit is set would read as negative.
        let sign = usize::from(number[0] >> 7);
        // At most 33.
        body.extend([0x02, u8::try_from(number.len() + sign).unwrap_or_default()]);
        body.extend(std::iter::repeat_n(0, sign));
        body.extend_from_slice(number);
    }
    // At most 70.
    [&[0x30, u8::try_from(body.len()).unwrap_or_default()][..], &body].concat()
}

impl KeyStore {
    /// Makes an organisation key, in the token if the home has one, and gives it with the content of its file.
    ///
    /// # Errors
    /// [`KeysError::Token`]; [`Error::Primitives`] when the system gives no randomness.
    pub fn make_organisation(&self) -> Result<(Arc<dyn Signer>, Secret<String>), Error> {
        let Some(token) = self.token() else {
            let key = SigningKey::generate()?;
            let public = key.verifying_key().to_bytes();
            let line = self.at_rest().seal_key(KeyKind::Organisation, &public, key.to_seed().expose())?;
            return Ok((Arc::new(key), Secret::new(line)));
        };
        let made = token.make_ed25519()?;
        let foreign = || KeysError::Token { what: "gives no public key" };
        let bytes: [u8; 32] = made.point.try_into().map_err(|_| foreign())?;
        let public = VerifyingKey::from_bytes(&bytes).map_err(|_| foreign())?;
        let line = Self::token_line(KeyKind::Organisation, &bytes, &made.id);
        Ok((Arc::new(TokenSigner { token: Arc::clone(token), id: made.id, public }), Secret::new(line)))
    }

    /// Takes an organisation key out of what its file holds.
    ///
    /// # Errors
    /// `malformed` when it is none, or another one than the file says.
    pub(crate) fn organisation(
        &self,
        stored: &StoredKey,
        public: [u8; 32],
        malformed: impl Fn() -> Error,
    ) -> Result<Arc<dyn Signer>, Error> {
        match stored {
            StoredKey::Secret(seed) => {
                let seed = super::seed_of(seed.expose()).ok_or_else(&malformed)?;
                let key = SigningKey::from_seed(&seed);
                if key.verifying_key().to_bytes() == public { Ok(Arc::new(key)) } else { Err(malformed()) }
            }
            StoredKey::Token(id) => {
                let token = Arc::clone(self.token().ok_or(KeysError::Token { what: "is not named in node.toml" })?);
                let public = VerifyingKey::from_bytes(&public).map_err(|_| malformed())?;
                Ok(Arc::new(TokenSigner { token, id: id.clone(), public }))
            }
            StoredKey::Plain(_) => Err(malformed()),
        }
    }

    /// Makes a TLS key, in the token if the home has one.
    ///
    /// # Errors
    /// [`KeysError::Token`], [`KeysError::Certificate`].
    pub fn make_tls(&self) -> Result<TlsKey, Error> {
        let Some(token) = self.token() else {
            let pair = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).map_err(|_| KeysError::Certificate)?;
            return Ok(TlsKey(Place::Memory(Box::new(pair))));
        };
        let made = token.make_p256()?;
        Ok(TlsKey(Place::Token(TokenTlsKey { token: Arc::clone(token), id: made.id, point: made.point })))
    }

    /// Gives the content of the file of a TLS key whose certificate has the pin `pin`.
    ///
    /// # Errors
    /// [`Error::Primitives`] when the system gives no randomness.
    pub fn tls_line(&self, key: &TlsKey, pin: &[u8; 32]) -> Result<Secret<String>, Error> {
        let line = match &key.0 {
            Place::Memory(pair) => {
                let der = Secret::new(pair.serialize_der());
                self.at_rest().seal_key(KeyKind::Tls, pin, der.expose())?
            }
            Place::Token(key) => {
                // The public point is not kept: it stands in the certificate.
                Self::token_line(KeyKind::Tls, pin, &key.id)
            }
        };
        Ok(Secret::new(line))
    }

    /// Takes a TLS key out of what its file holds; `point` is the public point of the certificate beside it, which a
    /// key in the token is held to.
    ///
    /// # Errors
    /// `malformed` when it is none.
    pub(crate) fn tls(&self, stored: &StoredKey, point: &[u8], malformed: impl Fn() -> Error) -> Result<TlsKey, Error> {
        match stored {
            StoredKey::Secret(der) => TlsKey::of_pkcs8(der.expose()).ok_or_else(malformed),
            StoredKey::Token(id) => {
                let token = Arc::clone(self.token().ok_or(KeysError::Token { what: "is not named in node.toml" })?);
                Ok(TlsKey(Place::Token(TokenTlsKey { token, id: id.clone(), point: point.to_vec() })))
            }
            StoredKey::Plain(pem) => {
                use rustls::pki_types::pem::PemObject;
                let key = PrivatePkcs8KeyDer::from_pem_slice(pem.expose()).map_err(|_| malformed())?;
                TlsKey::of_pkcs8(key.secret_pkcs8_der()).ok_or_else(malformed)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signatures_get_the_form_of_certificates() {
        let mut signature = [0x11; 64];
        signature[32] = 0x80;
        let der = ecdsa_der(&signature);
        assert_eq!(der[..4], [0x30, 69, 0x02, 32]);
        assert_eq!(der[36..40], [0x02, 33, 0x00, 0x80]);
        assert_eq!(der.len(), 71);
        let mut small = [0; 64];
        (small[31], small[63]) = (1, 0xff);
        assert_eq!(ecdsa_der(&small), [0x30, 7, 0x02, 1, 1, 0x02, 2, 0, 0xff]);
        assert_eq!(ecdsa_der(&[0; 64]), [0x30, 6, 0x02, 1, 0, 0x02, 1, 0]);
    }

    #[test]
    fn a_key_made_by_another_library_verifies_what_it_signed() {
        use rcgen::SigningKey as _;
        let pair = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
        let key = TlsKey::of_pkcs8(&pair.serialize_der()).unwrap();
        assert_eq!(key.public_point(), pair.public_key_raw());
        assert!(!key.sign(b"x").unwrap().is_empty());
        assert_eq!(format!("{key:?}"), "TlsKey(memory)");
        assert!(TlsKey::of_pkcs8(b"no key").is_none());
    }
}
