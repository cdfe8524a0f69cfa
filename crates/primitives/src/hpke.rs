//! Sealing of short secrets, keys above all, to an institution: HPKE (RFC 9180) in base mode, signed by the sender.
//!
//! # Construction
//! * (enc, ct) = one-shot base mode with info = `symbolon-v1/seal` ‖ LP(sender's verifying key) ‖ LP(info) and no
//!   associated data
//! * signature = Ed25519 over `symbolon-v1/sign/seal` ‖ LP(suite) ‖ LP(recipient key) ‖ LP(info) ‖ LP(enc) ‖ LP(ct)
//!
//! Base mode says nothing about who sealed; the signature does. The sender's key in the info ties the ciphertext to
//! that signature, so nobody can take a sealed secret, sign it afresh and pass it off as their own.
//!
//! # Suites
//! A suite has a versioned identifier, so that a change of a draft below it is a new suite:
//! * [`Suite::X25519`]: DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, AES-256-GCM;
//! * [`Suite::XWing`]: X-Wing (ML-KEM-768 with X25519, draft-connolly-cfrg-xwing-kem-06), HKDF-SHA256, AES-256-GCM.
//!   It holds if either half holds, so what is recorded today stays closed to a quantum computer later.
//!
//! # Where it differs
//! RFC 9180 has an authenticated mode; X-Wing has none, so both suites take a signature instead. A signature, unlike
//! that mode, lets the recipient show others who sealed.
//!
//! # References
//! [RFC 9180](https://www.rfc-editor.org/rfc/rfc9180), sections 5.1.1 and 6.1.

use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hpke::aead::{Aead, AesGcm256};
use hpke::kdf::HkdfSha256;
use hpke::kem::{X25519HkdfSha256, XWing};
use hpke::{Deserializable, Kem, OpModeR, OpModeS, Serializable};
use rand_core::CryptoRng;

use crate::Error;
use crate::hash::{Transcript, lp};
use crate::kdf::Label;
use crate::prg::Prg;
use crate::secret::{Secret, Seed};
use crate::sign::{SIGNATURE_BYTES, Signature, Signer, VerifyingKey};

/// The longest secret that is sealed in one piece; longer ones go through [`crate::stream`] under a sealed key.
pub const PLAINTEXT_BYTES_MAX: usize = 64 * 1024;

/// The longest encoding of a [`Sealed`].
pub const SEALED_BYTES_MAX: usize =
    SUITE_BYTES + 2 * LENGTH_BYTES + XWING_ENC_BYTES + PLAINTEXT_BYTES_MAX + TAG_BYTES + SIGNATURE_BYTES;

const SUITE_BYTES: usize = 2;
const LENGTH_BYTES: usize = 4;
const TAG_BYTES: usize = 16;
const X25519_BYTES: usize = 32;
const XWING_PUBLIC_BYTES: usize = 1216;
const XWING_ENC_BYTES: usize = 1120;

/// The algorithms a secret is sealed with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Suite {
    /// X25519: small keys, for short-lived secrets.
    X25519,
    /// X-Wing: withstands quantum computers as far as ML-KEM-768 does.
    XWing,
}

impl Suite {
    /// Every suite.
    pub const ALL: &'static [Self] = &[Self::X25519, Self::XWing];

    /// The identifier in encodings: algorithm in the high byte, version in the low one.
    #[must_use]
    pub const fn id(self) -> u16 {
        match self {
            Self::X25519 => 0x0101,
            Self::XWing => 0x0201,
        }
    }

    /// The suite of an identifier.
    ///
    /// # Errors
    /// [`Error::Encoding`] when it is none of ours.
    pub fn from_id(id: u16) -> Result<Self, Error> {
        Self::ALL.iter().copied().find(|suite| suite.id() == id).ok_or(Error::Encoding { what: "sealing suite" })
    }

    /// The name in files people read.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::X25519 => "hpke-x25519/1",
            Self::XWing => "hpke-xwing/1",
        }
    }

    /// Bytes of a public key.
    #[must_use]
    pub const fn public_key_bytes(self) -> usize {
        match self {
            Self::X25519 => X25519_BYTES,
            Self::XWing => XWING_PUBLIC_BYTES,
        }
    }

    /// Bytes of an encapsulated key.
    const fn enc_bytes(self) -> usize {
        match self {
            Self::X25519 => X25519_BYTES,
            Self::XWing => XWING_ENC_BYTES,
        }
    }
}

impl fmt::Display for Suite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Suite {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        Self::ALL.iter().copied().find(|suite| suite.as_str() == text).ok_or(Error::Encoding { what: "sealing suite" })
    }
}

/// The private key that opens what was sealed to an institution. Wiped when dropped.
pub struct SealingKey {
    seed: Seed,
    public: SealingPublicKey,
}

impl SealingKey {
    /// Draws a fresh key.
    ///
    /// # Errors
    /// [`Error::Environment`] when the system has no randomness to give.
    pub fn generate(suite: Suite) -> Result<Self, Error> {
        Self::from_seed(suite, Seed::random()?)
    }

    /// The key that belongs to 32 secret bytes: an X25519 scalar before clamping, or an X-Wing decapsulation key.
    ///
    /// # Errors
    /// None for the suites there are: each takes any 32 bytes.
    pub fn from_seed(suite: Suite, seed: Seed) -> Result<Self, Error> {
        let bytes = match suite {
            Suite::X25519 => public_of::<X25519HkdfSha256>(&seed)?,
            Suite::XWing => public_of::<XWing>(&seed)?,
        };
        Ok(Self { seed, public: SealingPublicKey { suite, bytes } })
    }

    /// The secret bytes, for keeping them in a file.
    #[must_use]
    pub fn to_seed(&self) -> Seed {
        Secret::new(*self.seed.expose())
    }

    /// The suite.
    #[must_use]
    pub const fn suite(&self) -> Suite {
        self.public.suite
    }

    /// The public half.
    #[must_use]
    pub const fn public_key(&self) -> &SealingPublicKey {
        &self.public
    }

    /// Opens what `sender` sealed to this key under `info`.
    ///
    /// # Errors
    /// [`Error::WrongKeyOrContext`] when it has another suite, [`Error::VerificationFailed`] when signature or
    /// ciphertext do not verify.
    pub fn open(&self, sender: &VerifyingKey, info: &[u8], sealed: &Sealed) -> Result<Secret<Vec<u8>>, Error> {
        if sealed.suite != self.suite() {
            return Err(Error::WrongKeyOrContext);
        }
        let suite = sealed.suite.id().to_be_bytes();
        let parts: [&[u8]; 5] = [&suite, &self.public.bytes, info, &sealed.enc, &sealed.ciphertext];
        sender.verify(Label::SealSignature, &parts, &sealed.signature)?;
        let info = bound_info(sender, info);
        let (seed, enc, ciphertext) = (&self.seed, &sealed.enc, &sealed.ciphertext);
        match sealed.suite {
            Suite::X25519 => open_base::<AesGcm256, X25519HkdfSha256>(seed, enc, &info, ciphertext, &[]),
            Suite::XWing => open_base::<AesGcm256, XWing>(seed, enc, &info, ciphertext, &[]),
        }
    }
}

impl fmt::Debug for SealingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SealingKey").field("public", &self.public).finish_non_exhaustive()
    }
}

/// The public key secrets are sealed to. Its text form is `<suite>:<base64>`.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct SealingPublicKey {
    suite: Suite,
    bytes: Vec<u8>,
}

impl SealingPublicKey {
    /// Reads a public key of `suite`.
    ///
    /// # Errors
    /// [`Error::Length`] for another number of bytes, [`Error::Encoding`] when they are no key.
    pub fn from_bytes(suite: Suite, bytes: &[u8]) -> Result<Self, Error> {
        let expected = suite.public_key_bytes();
        if bytes.len() != expected {
            return Err(Error::Length { what: "sealing key", expected, got: bytes.len() });
        }
        let malformed = Error::Encoding { what: "sealing key" };
        let valid = match suite {
            Suite::X25519 => <X25519HkdfSha256 as Kem>::PublicKey::from_bytes(bytes).is_ok(),
            Suite::XWing => <XWing as Kem>::PublicKey::from_bytes(bytes).is_ok(),
        };
        if valid { Ok(Self { suite, bytes: bytes.to_vec() }) } else { Err(malformed) }
    }

    /// The suite.
    #[must_use]
    pub const fn suite(&self) -> Suite {
        self.suite
    }

    /// The bytes of the key.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// A digest that names this key: SHA-256 over suite and bytes.
    #[must_use]
    pub fn id(&self) -> [u8; 32] {
        let mut transcript = Transcript::new(Label::SealKeyId);
        transcript.add(&self.suite.id().to_be_bytes());
        transcript.add(&self.bytes);
        transcript.finish()
    }

    /// Seals `plaintext` to this key under `info`, signed by `sender`.
    ///
    /// # Errors
    /// [`Error::LimitExceeded`] above [`PLAINTEXT_BYTES_MAX`], [`Error::Environment`] without randomness or when
    /// `sender` cannot sign, [`Error::Encoding`] when this key is a point nothing can be sealed to.
    pub fn seal(&self, sender: &dyn Signer, info: &[u8], plaintext: &[u8]) -> Result<Sealed, Error> {
        if plaintext.len() > PLAINTEXT_BYTES_MAX {
            return Err(Error::LimitExceeded {
                what: "length of a sealed secret in bytes",
                max: PLAINTEXT_BYTES_MAX as u64,
                got: plaintext.len() as u64,
            });
        }
        let mut rng = Prg::from_system()?;
        let bound = bound_info(&sender.verifying_key(), info);
        let public = &self.bytes;
        let (enc, ciphertext) = match self.suite {
            Suite::X25519 => seal_base::<AesGcm256, X25519HkdfSha256>(public, &bound, plaintext, &[], &mut rng)?,
            Suite::XWing => seal_base::<AesGcm256, XWing>(public, &bound, plaintext, &[], &mut rng)?,
        };
        let suite = self.suite.id().to_be_bytes();
        let signature = sender.try_sign(Label::SealSignature, &[&suite, public, info, &enc, &ciphertext])?;
        Ok(Sealed { suite: self.suite, enc, ciphertext, signature })
    }
}

impl fmt::Display for SealingPublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.suite, STANDARD.encode(&self.bytes))
    }
}

impl fmt::Debug for SealingPublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SealingPublicKey({self})")
    }
}

impl FromStr for SealingPublicKey {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let malformed = || Error::Encoding { what: "sealing key" };
        let (suite, encoded) = text.split_once(':').ok_or_else(malformed)?;
        let suite: Suite = suite.parse()?;
        let expected = suite.public_key_bytes().div_ceil(3) * 4;
        if encoded.len() != expected {
            return Err(Error::Length { what: "text of a sealing key", expected, got: encoded.len() });
        }
        Self::from_bytes(suite, &STANDARD.decode(encoded).map_err(|_| malformed())?)
    }
}

/// A sealed and signed secret.
///
/// Encoding: suite (2) ‖ LP(encapsulated key) ‖ LP(ciphertext) ‖ signature (64).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed {
    suite: Suite,
    enc: Vec<u8>,
    ciphertext: Vec<u8>,
    signature: Signature,
}

impl Sealed {
    /// The suite it was sealed with.
    #[must_use]
    pub const fn suite(&self) -> Suite {
        self.suite
    }

    /// The bytes that travel.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = self.suite.id().to_be_bytes().to_vec();
        lp(&mut out, &self.enc);
        lp(&mut out, &self.ciphertext);
        out.extend_from_slice(&self.signature.to_bytes());
        out
    }

    /// Reads what [`Sealed::encode`] wrote, all of `bytes` and nothing else.
    ///
    /// # Errors
    /// [`Error::LimitExceeded`] above [`SEALED_BYTES_MAX`], [`Error::Encoding`] for every other departure from the
    /// format.
    pub fn decode(bytes: &[u8]) -> Result<Self, Error> {
        if bytes.len() > SEALED_BYTES_MAX {
            return Err(Error::LimitExceeded {
                what: "length of a sealed secret in bytes",
                max: SEALED_BYTES_MAX as u64,
                got: bytes.len() as u64,
            });
        }
        let malformed = || Error::Encoding { what: "sealed secret" };
        let (suite, rest) = bytes.split_first_chunk::<SUITE_BYTES>().ok_or_else(malformed)?;
        let suite = Suite::from_id(u16::from_be_bytes(*suite))?;
        let (enc, rest) = split_part(rest).ok_or_else(malformed)?;
        let (ciphertext, rest) = split_part(rest).ok_or_else(malformed)?;
        let signature = Signature::from_slice(rest).map_err(|_| malformed())?;
        let lengths = TAG_BYTES..=PLAINTEXT_BYTES_MAX + TAG_BYTES;
        if enc.len() != suite.enc_bytes() || !lengths.contains(&ciphertext.len()) {
            return Err(malformed());
        }
        Ok(Self { suite, enc: enc.to_vec(), ciphertext: ciphertext.to_vec(), signature })
    }
}

/// Takes a length-prefixed part off the front.
fn split_part(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<LENGTH_BYTES>()?;
    rest.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)
}

fn bound_info(sender: &VerifyingKey, info: &[u8]) -> Vec<u8> {
    let mut bound = Label::Seal.as_bytes().to_vec();
    lp(&mut bound, &sender.to_bytes());
    lp(&mut bound, info);
    bound
}

fn private_of<K: Kem>(seed: &Seed) -> Result<K::PrivateKey, Error> {
    K::PrivateKey::from_bytes(seed.expose()).map_err(|_| Error::Misuse { what: "a seed of 32 bytes" })
}

fn public_of<K: Kem>(seed: &Seed) -> Result<Vec<u8>, Error> {
    Ok(K::sk_to_pk(&private_of::<K>(seed)?).to_bytes().to_vec())
}

/// SealBase of RFC 9180, section 6.1.
fn seal_base<A: Aead, K: Kem>(
    public: &[u8],
    info: &[u8],
    plaintext: &[u8],
    associated: &[u8],
    rng: &mut impl CryptoRng,
) -> Result<(Vec<u8>, Vec<u8>), Error> {
    let malformed = |_| Error::Encoding { what: "sealing key" };
    let public = K::PublicKey::from_bytes(public).map_err(malformed)?;
    let (enc, ciphertext) =
        hpke::single_shot_seal_with_rng::<A, HkdfSha256, K>(&OpModeS::Base, &public, info, plaintext, associated, rng)
            .map_err(malformed)?;
    Ok((enc.to_bytes().to_vec(), ciphertext))
}

/// OpenBase of RFC 9180, section 6.1. One error for all that can be wrong.
fn open_base<A: Aead, K: Kem>(
    seed: &Seed,
    enc: &[u8],
    info: &[u8],
    ciphertext: &[u8],
    associated: &[u8],
) -> Result<Secret<Vec<u8>>, Error> {
    let enc = K::EncappedKey::from_bytes(enc).map_err(|_| Error::VerificationFailed)?;
    let key = private_of::<K>(seed)?;
    let mode = OpModeR::Base;
    hpke::single_shot_open::<A, HkdfSha256, K>(&mode, &key, &enc, info, ciphertext, associated)
        .map(Secret::new)
        .map_err(|_| Error::VerificationFailed)
}

#[cfg(test)]
mod tests;
