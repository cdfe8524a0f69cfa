//! Ed25519 signatures of an institution (RFC 8032), verified strictly.
//!
//! What is signed is `label ‖ LP(part 1) ‖ LP(part 2) ‖ ..`, where LP puts the length of a part, four bytes
//! big-endian, in front of it. So a signature made for one purpose, or over parts cut differently, verifies for no
//! other.
//!
//! Keys and signatures have one text form for files people read: `ed25519:<base64>`, with padding. Their lengths
//! tell them apart.

use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::Signer as _;
use subtle::ConstantTimeEq;

use crate::Error;
use crate::hash::lp;
use crate::kdf::Label;
use crate::secret::{Secret, Seed};

/// Bytes of a verifying key.
pub const VERIFYING_KEY_BYTES: usize = 32;

/// Bytes of a signature.
pub const SIGNATURE_BYTES: usize = 64;

const TEXT_PREFIX: &str = "ed25519:";

/// Whatever signs for an institution without showing its private key: a [`SigningKey`] in memory, or a token.
pub trait Signer: fmt::Debug + Send + Sync {
    /// The public half.
    fn verifying_key(&self) -> VerifyingKey;

    /// Signs bare bytes (RFC 8032, section 5.1.6).
    ///
    /// # Errors
    /// [`Error::KeyUnavailable`] when the key lies in a token that does not sign.
    ///
    /// # Security
    /// Only for formats whose bytes are fixed elsewhere and begin like nothing else that is signed, such as signed
    /// notes. Everything else is signed with [`Signer::try_sign`], which puts a label in front.
    fn try_sign_message(&self, message: &[u8]) -> Result<Signature, Error>;

    /// Signs `label ‖ LP(parts)`.
    ///
    /// # Errors
    /// As [`Signer::try_sign_message`].
    fn try_sign(&self, label: Label, parts: &[&[u8]]) -> Result<Signature, Error> {
        self.try_sign_message(&message(label, parts))
    }

    /// Signs a text as it is, for formats that fix what is signed (C2SP signed notes).
    ///
    /// # Errors
    /// [`Error::Encoding`] when the text has a control character other than the end of a line. Every message of
    /// [`Signer::try_sign`] that has a part has one, so no text passes for such a message. As
    /// [`Signer::try_sign_message`].
    fn try_sign_text(&self, text: &str) -> Result<Signature, Error> {
        check_text(text)?;
        self.try_sign_message(text.as_bytes())
    }
}

impl Signer for SigningKey {
    fn verifying_key(&self) -> VerifyingKey {
        Self::verifying_key(self)
    }

    fn try_sign_message(&self, message: &[u8]) -> Result<Signature, Error> {
        Ok(Signature(self.0.sign(message).to_bytes()))
    }
}

/// The private half of an institution's key: signs. Wiped when dropped.
pub struct SigningKey(ed25519_dalek::SigningKey);

impl SigningKey {
    /// Draws a fresh key.
    ///
    /// # Errors
    /// [`Error::Environment`] when the system has no randomness to give.
    pub fn generate() -> Result<Self, Error> {
        Ok(Self::from_seed(&Seed::random()?))
    }

    /// The key that belongs to a 32-byte seed (RFC 8032, section 5.1.5).
    #[must_use]
    pub fn from_seed(seed: &Seed) -> Self {
        Self(ed25519_dalek::SigningKey::from_bytes(seed.expose()))
    }

    /// The seed this key was made from, for keeping it in a file.
    #[must_use]
    pub fn to_seed(&self) -> Seed {
        Secret::new(*self.0.as_bytes())
    }

    /// The public half.
    #[must_use]
    pub fn verifying_key(&self) -> VerifyingKey {
        VerifyingKey(self.0.verifying_key())
    }

    /// Signs `label ‖ LP(parts)`.
    #[must_use]
    pub fn sign(&self, label: Label, parts: &[&[u8]]) -> Signature {
        Signature(self.0.sign(&message(label, parts)).to_bytes())
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey").field("verifying_key", &self.verifying_key()).finish_non_exhaustive()
    }
}

/// The public half of an institution's key: verifies.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct VerifyingKey(ed25519_dalek::VerifyingKey);

impl VerifyingKey {
    /// Reads a key from its 32 bytes.
    ///
    /// # Errors
    /// [`Error::Encoding`] when the bytes are no canonical encoding of a point, or of one of small order.
    pub fn from_bytes(bytes: &[u8; VERIFYING_KEY_BYTES]) -> Result<Self, Error> {
        let malformed = || Error::Encoding { what: "verifying key" };
        let key = ed25519_dalek::VerifyingKey::from_bytes(bytes).map_err(|_| malformed())?;
        // A second encoding of the same point would give one institution two identities.
        let canonical: bool = key.to_edwards().compress().as_bytes().ct_eq(bytes).into();
        if key.is_weak() || !canonical {
            return Err(malformed());
        }
        Ok(Self(key))
    }

    /// The 32 bytes of this key.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; VERIFYING_KEY_BYTES] {
        self.0.to_bytes()
    }

    /// Checks that `signature` is over `label ‖ LP(parts)` and made with this key.
    ///
    /// # Errors
    /// [`Error::VerificationFailed`] in every other case.
    pub fn verify(&self, label: Label, parts: &[&[u8]], signature: &Signature) -> Result<(), Error> {
        self.verify_message(&message(label, parts), signature)
    }

    /// Checks that `signature` is over exactly this text and made by [`Signer::try_sign_text`] with this key.
    ///
    /// # Errors
    /// [`Error::Encoding`] for a text that is never signed; [`Error::VerificationFailed`] in every other case.
    pub fn verify_text(&self, text: &str, signature: &Signature) -> Result<(), Error> {
        check_text(text)?;
        self.verify_message(text.as_bytes(), signature)
    }

    /// Checks a signature over bare bytes, with the malleability checks of the strict form.
    fn verify_message(&self, message: &[u8], signature: &Signature) -> Result<(), Error> {
        let signature = ed25519_dalek::Signature::from_bytes(&signature.0);
        self.0.verify_strict(message, &signature).map_err(|_| Error::VerificationFailed)
    }
}

impl fmt::Display for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_text(f, &self.to_bytes())
    }
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VerifyingKey({self})")
    }
}

impl FromStr for VerifyingKey {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        Self::from_bytes(&read_text(text, "verifying key")?)
    }
}

/// A signature. Any 64 bytes can be held; only [`VerifyingKey::verify`] says what they are worth.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Signature([u8; SIGNATURE_BYTES]);

impl Signature {
    /// Takes the 64 bytes of a signature.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; SIGNATURE_BYTES]) -> Self {
        Self(bytes)
    }

    /// Takes a signature from bytes of unknown length.
    ///
    /// # Errors
    /// [`Error::Length`] when there are not 64 of them.
    pub fn from_slice(bytes: &[u8]) -> Result<Self, Error> {
        let bytes = bytes.try_into().map_err(|_| Error::Length {
            what: "signature",
            expected: SIGNATURE_BYTES,
            got: bytes.len(),
        })?;
        Ok(Self(bytes))
    }

    /// The 64 bytes of this signature.
    #[must_use]
    pub const fn to_bytes(&self) -> [u8; SIGNATURE_BYTES] {
        self.0
    }
}

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_text(f, &self.0)
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signature({self})")
    }
}

impl FromStr for Signature {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        read_text(text, "signature").map(Self)
    }
}

fn message(label: Label, parts: &[&[u8]]) -> Vec<u8> {
    let mut message = label.as_bytes().to_vec();
    for part in parts {
        lp(&mut message, part);
    }
    message
}

/// A length in front of a part has bytes of zero, as parts are far shorter than 16 MiB; a text has none.
fn check_text(text: &str) -> Result<(), Error> {
    if text.contains(|letter: char| letter.is_control() && letter != '\n') {
        return Err(Error::Encoding { what: "text to sign" });
    }
    Ok(())
}

fn write_text(f: &mut fmt::Formatter<'_>, bytes: &[u8]) -> fmt::Result {
    write!(f, "{TEXT_PREFIX}{}", STANDARD.encode(bytes))
}

fn read_text<const N: usize>(text: &str, what: &'static str) -> Result<[u8; N], Error> {
    let encoded = text.strip_prefix(TEXT_PREFIX).ok_or(Error::Encoding { what })?;
    // Four characters for each three bytes: a longer text is refused before it is decoded.
    let expected = N.div_ceil(3) * 4;
    if encoded.len() != expected {
        return Err(Error::Length { what, expected: expected + TEXT_PREFIX.len(), got: text.len() });
    }
    let bytes = STANDARD.decode(encoded).map_err(|_| Error::Encoding { what })?;
    bytes.try_into().map_err(|_| Error::Encoding { what })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> SigningKey {
        SigningKey::from_seed(&Secret::new([0x5A; 32]))
    }

    #[test]
    fn a_signature_verifies_for_its_label_parts_and_key_only() {
        let key = key();
        let public = key.verifying_key();
        let signature = key.sign(Label::Card, &[b"ab", b"c"]);
        public.verify(Label::Card, &[b"ab", b"c"], &signature).unwrap();

        let other = SigningKey::generate().unwrap().verifying_key();
        for result in [
            public.verify(Label::Agreement, &[b"ab", b"c"], &signature),
            public.verify(Label::Card, &[b"a", b"bc"], &signature),
            public.verify(Label::Card, &[b"ab", b"c", b""], &signature),
            public.verify(Label::Card, &[b"abc"], &signature),
            other.verify(Label::Card, &[b"ab", b"c"], &signature),
        ] {
            assert!(matches!(result, Err(Error::VerificationFailed)));
        }
    }

    #[test]
    fn every_flipped_bit_of_a_signature_is_refused() {
        let key = key();
        let signature = key.sign(Label::Card, &[b"part"]);
        for bit in 0..SIGNATURE_BYTES * 8 {
            let mut bytes = signature.to_bytes();
            bytes[bit / 8] ^= 1 << (bit % 8);
            let result = key.verifying_key().verify(Label::Card, &[b"part"], &Signature::from_bytes(bytes));
            assert!(matches!(result, Err(Error::VerificationFailed)));
        }
    }

    #[test]
    fn a_text_is_signed_as_it_is_and_never_passes_for_a_labelled_message() {
        let (key, public) = (key(), key().verifying_key());
        let signature = key.try_sign_text("one\ntwo\n").unwrap();
        public.verify_text("one\ntwo\n", &signature).unwrap();
        assert!(matches!(public.verify_text("one\ntwo", &signature), Err(Error::VerificationFailed)));
        let labelled = String::from_utf8(message(Label::Card, &[b"part"])).unwrap();
        assert!(matches!(key.try_sign_text(&labelled), Err(Error::Encoding { .. })));
        assert!(matches!(public.verify_text(&labelled, &signature), Err(Error::Encoding { .. })));
    }

    #[test]
    fn text_forms_come_back() {
        let key = key();
        let text = key.verifying_key().to_string();
        assert!(text.starts_with("ed25519:"));
        assert_eq!(text.parse::<VerifyingKey>().unwrap(), key.verifying_key());
        let signature = key.sign(Label::Card, &[]);
        assert_eq!(signature.to_string().parse::<Signature>().unwrap(), signature);
        assert!(signature.to_string().parse::<VerifyingKey>().is_err());
        assert!(text[8..].parse::<VerifyingKey>().is_err());
        assert!(text.replace('=', "A").parse::<VerifyingKey>().is_err());
        assert!(text.replace("ed25519", "ED25519").parse::<VerifyingKey>().is_err());
        assert!(Signature::from_slice(&[0; 63]).is_err());
    }

    #[test]
    fn weak_and_non_canonical_keys_are_refused() {
        // The identity, then the point of order two, then y = p + 1 (the identity written differently).
        let mut identity = [0_u8; 32];
        identity[0] = 1;
        let mut order_two = [0xFF_u8; 32];
        order_two[0] = 0xEC;
        order_two[31] = 0x7F;
        let mut non_canonical = [0xFF_u8; 32];
        non_canonical[0] = 0xEE;
        non_canonical[31] = 0x7F;
        for bytes in [identity, order_two, non_canonical] {
            assert!(matches!(VerifyingKey::from_bytes(&bytes), Err(Error::Encoding { .. })));
        }
    }

    #[test]
    fn a_key_comes_back_from_its_seed_and_prints_no_secret() {
        let key = key();
        let again = SigningKey::from_seed(&key.to_seed());
        assert_eq!(again.verifying_key(), key.verifying_key());
        let text = format!("{key:?} {key:#?}").to_lowercase();
        for shape in ["5a5a", "90, 90", "wlpa"] {
            assert!(!text.contains(shape), "{text}");
        }
    }

    #[test]
    fn verification_agrees_with_wycheproof() {
        let file: serde_json::Value = serde_json::from_str(include_str!("../tests/vectors/ed25519.json")).unwrap();
        let mut count = 0;
        for group in file["testGroups"].as_array().unwrap() {
            let public = hex::decode(group["publicKey"]["pk"].as_str().unwrap()).unwrap();
            let public = VerifyingKey::from_bytes(&public.try_into().unwrap()).unwrap();
            for test in group["tests"].as_array().unwrap() {
                let message = hex::decode(test["msg"].as_str().unwrap()).unwrap();
                let signature = hex::decode(test["sig"].as_str().unwrap()).unwrap();
                let result = Signature::from_slice(&signature).and_then(|it| public.verify_message(&message, &it));
                assert_eq!(result.is_ok(), test["result"] == "valid", "test {}", test["tcId"]);
                count += 1;
            }
        }
        assert_eq!(count, 151);
    }
}
