//! Hashing to the group and to scalars (RFC 9380), length prefixes and transcripts.

use std::fmt;

use curve25519_dalek::{RistrettoPoint, Scalar};
use sha2::{Digest, Sha256, Sha512};

use crate::Error;
use crate::group::Element;
use crate::kdf::Label;

/// Bytes of one SHA-512 output.
const HASH_BYTES: usize = 64;

/// Bytes of one SHA-512 input block.
const INPUT_BLOCK_BYTES: usize = 128;

/// The longest domain separation tag that is used as it is (RFC 9380, section 5.3.3).
const DST_BYTES_MAX: usize = 255;

/// The most bytes one expansion gives: 255 hash outputs (RFC 9380, section 5.3.1).
pub const EXPAND_BYTES_MAX: usize = 255 * HASH_BYTES;

/// Appends I2OSP(len(part), 4) ‖ part.
///
/// # Panics
/// When `part` has 4 GiB or more.
pub fn lp(out: &mut Vec<u8>, part: &[u8]) {
    out.extend_from_slice(&prefix(part));
    out.extend_from_slice(part);
}

fn prefix(part: &[u8]) -> [u8; 4] {
    u32::try_from(part.len()).expect("a length-prefixed part is shorter than 4 GiB").to_be_bytes()
}

/// SHA-256 over a label and length-prefixed parts, so that no two lists of parts hash alike.
#[derive(Clone)]
pub struct Transcript(Sha256);

impl Transcript {
    /// Starts a transcript for one use.
    #[must_use]
    pub fn new(label: Label) -> Self {
        let mut transcript = Self(Sha256::new());
        transcript.add(label.as_bytes());
        transcript
    }

    /// Absorbs I2OSP(len(part), 4) ‖ part.
    ///
    /// # Panics
    /// When `part` has 4 GiB or more.
    pub fn add(&mut self, part: &[u8]) {
        self.0.update(prefix(part));
        self.0.update(part);
    }

    /// Ends the transcript.
    #[must_use]
    pub fn finish(self) -> [u8; 32] {
        self.0.finalize().into()
    }
}

impl fmt::Debug for Transcript {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Transcript(..)")
    }
}

/// Fills `out` with `expand_message_xmd(msg, dst, len(out))` under SHA-512 (RFC 9380, section 5.3.1).
///
/// A tag of more than 255 bytes is hashed first, as section 5.3.3 says.
///
/// # Errors
/// [`Error::Misuse`] for an empty tag, [`Error::LimitExceeded`] for more than [`EXPAND_BYTES_MAX`] bytes.
pub fn expand_message_xmd_sha512(msg: &[u8], dst: &[u8], out: &mut [u8]) -> Result<(), Error> {
    if out.len() > EXPAND_BYTES_MAX {
        return Err(Error::LimitExceeded {
            what: "expand_message output in bytes",
            max: EXPAND_BYTES_MAX as u64,
            got: out.len() as u64,
        });
    }
    Expander::new(dst)?.expand(&[msg], out);
    Ok(())
}

/// H(msg) in ristretto255: expand_message_xmd with SHA-512 to 64 bytes, then the one-way map of RFC 9496,
/// section 4.3.4.
///
/// # Errors
/// [`Error::Misuse`] for an empty tag. [`Error::Encoding`] if the message maps to the identity, which nobody
/// can bring about short of about 2^252 trials.
pub fn hash_to_group(msg: &[u8], dst: &[u8]) -> Result<Element, Error> {
    Element::from_point(Expander::new(dst)?.point(&[msg]))
}

/// H(msg) modulo the group order: expand_message_xmd with SHA-512 to 64 bytes, read as a little-endian number
/// (RFC 9497, section 4.1). The scalar is returned encoded.
///
/// # Errors
/// [`Error::Misuse`] for an empty tag.
pub fn hash_to_scalar(msg: &[u8], dst: &[u8]) -> Result<[u8; 32], Error> {
    Ok(Expander::new(dst)?.scalar(&[msg]).to_bytes())
}

/// `expand_message_xmd` for one tag: what does not depend on the message is done once.
pub(crate) struct Expander {
    /// The state after the leading block of zeros.
    start: Sha512,
    /// DST ‖ I2OSP(len(DST), 1).
    dst_prime: Vec<u8>,
}

impl Expander {
    /// Prepares for messages under `dst`.
    pub(crate) fn new(dst: &[u8]) -> Result<Self, Error> {
        let mut dst_prime = match dst.len() {
            0 => return Err(Error::Misuse { what: "a domain separation tag is empty" }),
            1..=DST_BYTES_MAX => dst.to_vec(),
            _ => Sha512::new().chain_update(b"H2C-OVERSIZE-DST-").chain_update(dst).finalize().to_vec(),
        };
        // At most 255, so its lowest byte is all of it.
        let [length, ..] = dst_prime.len().to_le_bytes();
        dst_prime.push(length);
        Ok(Self { start: Sha512::new().chain_update([0_u8; INPUT_BLOCK_BYTES]), dst_prime })
    }

    /// One-way map of the message made of `parts`; the identity is possible in principle only.
    pub(crate) fn point(&self, parts: &[&[u8]]) -> RistrettoPoint {
        RistrettoPoint::from_uniform_bytes(&self.uniform(parts))
    }

    /// The message made of `parts` as a scalar.
    pub(crate) fn scalar(&self, parts: &[&[u8]]) -> Scalar {
        Scalar::from_bytes_mod_order_wide(&self.uniform(parts))
    }

    /// 64 bytes: the expansion that needs a single output block.
    pub(crate) fn uniform(&self, parts: &[&[u8]]) -> [u8; HASH_BYTES] {
        let first = self.first(parts, [0, 64]);
        self.next(&first, 1)
    }

    /// Any length; the caller has checked it.
    fn expand(&self, parts: &[&[u8]], out: &mut [u8]) {
        let length = u16::try_from(out.len()).expect("an expansion is below 64 KiB");
        let first = self.first(parts, length.to_be_bytes());
        let mut block = [0_u8; HASH_BYTES];
        for (index, piece) in (1_u8..=u8::MAX).zip(out.chunks_mut(HASH_BYTES)) {
            for (left, right) in block.iter_mut().zip(&first) {
                *left ^= right;
            }
            block = self.next(&block, index);
            piece.copy_from_slice(&block[..piece.len()]);
        }
    }

    /// b_0 = H(Z_pad ‖ msg ‖ I2OSP(length, 2) ‖ 0 ‖ DST_prime).
    fn first(&self, parts: &[&[u8]], length: [u8; 2]) -> [u8; HASH_BYTES] {
        let mut hash = self.start.clone();
        for part in parts {
            hash.update(part);
        }
        hash.update([length[0], length[1], 0]);
        hash.update(&self.dst_prime);
        hash.finalize().into()
    }

    /// H(block ‖ I2OSP(index, 1) ‖ DST_prime).
    fn next(&self, block: &[u8; HASH_BYTES], index: u8) -> [u8; HASH_BYTES] {
        Sha512::new().chain_update(block).chain_update([index]).chain_update(&self.dst_prime).finalize().into()
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize)]
    struct File {
        dst: String,
        tests: Vec<Case>,
    }

    #[derive(Deserialize)]
    struct Case {
        msg: String,
        len_in_bytes: usize,
        uniform_bytes: String,
    }

    #[test]
    fn rfc_9380_expand_message_xmd_sha512() {
        let file: File = serde_json::from_str(include_str!("../tests/vectors/expand_message_xmd_sha512.json")).unwrap();
        assert_eq!(file.tests.len(), 10);
        for case in file.tests {
            let mut out = vec![0_u8; case.len_in_bytes];
            expand_message_xmd_sha512(case.msg.as_bytes(), file.dst.as_bytes(), &mut out).unwrap();
            assert_eq!(hex::encode(out), case.uniform_bytes);
        }
    }

    #[test]
    fn the_single_block_form_agrees_with_the_general_one() {
        let expander = Expander::new(b"tag").unwrap();
        for length in [0, 1, 111, 112, 128, 300] {
            let msg = vec![7_u8; length];
            let mut out = [0_u8; 64];
            expand_message_xmd_sha512(&msg, b"tag", &mut out).unwrap();
            assert_eq!(expander.uniform(&[&msg]), out);
            assert_eq!(expander.uniform(&[&msg[..length / 2], &msg[length / 2..]]), out);
        }
    }

    #[test]
    fn a_long_tag_is_hashed_and_bad_arguments_are_refused() {
        let long = [b'd'; 256];
        let short: Vec<u8> = Sha512::new().chain_update(b"H2C-OVERSIZE-DST-").chain_update(long).finalize().to_vec();
        let (mut left, mut right) = ([0_u8; 96], [0_u8; 96]);
        expand_message_xmd_sha512(b"m", &long, &mut left).unwrap();
        expand_message_xmd_sha512(b"m", &short, &mut right).unwrap();
        assert_eq!(left, right);
        expand_message_xmd_sha512(b"m", &long[..255], &mut right).unwrap();
        assert_ne!(left, right);

        assert!(matches!(hash_to_group(b"m", b""), Err(Error::Misuse { .. })));
        assert!(matches!(hash_to_scalar(b"m", b""), Err(Error::Misuse { .. })));
        let mut most = vec![0_u8; EXPAND_BYTES_MAX];
        expand_message_xmd_sha512(b"m", b"d", &mut most).unwrap();
        assert_ne!(most[EXPAND_BYTES_MAX - 64..], [0_u8; 64]);
        let mut over = vec![0_u8; EXPAND_BYTES_MAX + 1];
        let outcome = expand_message_xmd_sha512(b"m", b"d", &mut over);
        assert!(matches!(outcome, Err(Error::LimitExceeded { max: 16_320, got: 16_321, .. })));
    }

    #[test]
    fn the_group_hash_is_the_map_of_the_expansion() {
        let mut uniform = [0_u8; 64];
        expand_message_xmd_sha512(b"message", b"tag", &mut uniform).unwrap();
        let direct = RistrettoPoint::from_uniform_bytes(&uniform).compress().to_bytes();
        assert_eq!(hash_to_group(b"message", b"tag").unwrap().encode(), direct);
        let scalar = Scalar::from_bytes_mod_order_wide(&uniform).to_bytes();
        assert_eq!(hash_to_scalar(b"message", b"tag").unwrap(), scalar);
    }

    #[test]
    fn transcripts_separate_labels_and_parts() {
        let digest = |label, parts: &[&[u8]]| {
            let mut transcript = Transcript::new(label);
            for part in parts {
                transcript.add(part);
            }
            transcript.finish()
        };
        let whole = digest(Label::Finish, &[b"ab", b"c"]);
        assert_ne!(whole, digest(Label::Finish, &[b"a", b"bc"]));
        assert_ne!(whole, digest(Label::Finish, &[b"abc"]));
        assert_ne!(whole, digest(Label::Sid, &[b"ab", b"c"]));

        let mut bytes = Vec::new();
        for part in [Label::Finish.as_bytes(), b"ab", b"c"] {
            lp(&mut bytes, part);
        }
        assert_eq!(whole, <[u8; 32]>::from(Sha256::digest(&bytes)));
        assert_eq!(bytes[bytes.len() - 5..], [0, 0, 0, 1, b'c']);
        assert_eq!(format!("{:?}", Transcript::new(Label::Sid)), "Transcript(..)");
    }
}
