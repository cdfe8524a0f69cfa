//! HKDF with SHA-512 (RFC 5869) and the labels that keep its uses apart.
//!
//! The expand step is written over HMAC directly because the formats of this project expand secrets of 32
//! bytes, shorter than the hash, which RFC 2104 allows and some HKDF interfaces refuse.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha512;
use zeroize::Zeroize;

use crate::Error;
use crate::secret::{Secret, Seed};

/// Bytes of one HMAC-SHA-512 output, and so of an extracted key.
pub const BLOCK_BYTES: usize = 64;

/// The most bytes one expansion gives (RFC 5869, section 2.3).
pub const OUTPUT_BYTES_MAX: usize = 255 * BLOCK_BYTES;

/// What a derived key, hash or signature is for. Each use has its own label, so no value made for one use is
/// valid for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Label {
    /// The identifier of a session.
    Sid,
    /// The encoding of an item before it is hashed to the group.
    Item,
    /// Tag and payload key of a row in the one-sided join.
    A1Row,
    /// The server key of the one-sided join.
    A1Key,
    /// The key that the sender of a one-sided join holds back until enough keys match.
    A1Release,
    /// The commitment to that key.
    A1ReleaseCommitment,
    /// The key of a row's second layer, derived from that key.
    A1ReleaseRow,
    /// Hashing of an item to the group in the protocols that mask by one scalar.
    Mask,
    /// The identifier of a key in the joins over a vector OLE.
    Rr22Item,
    /// The sender's salt in them.
    Rr22Salt,
    /// Row and value of a key in the receiver's store.
    Rr22Store,
    /// The receiver's choice of rows.
    Rr22StoreSeed,
    /// The set-up of the correlation.
    Rr22SetUp,
    /// The output of a key, and its first tag.
    Rr22Output,
    /// Further tags, and payload keys.
    Rr22Row,
    /// Tags of the mutual join.
    A2Tag,
    /// Tags of the cardinality protocol.
    A3Tag,
    /// The hash that ends one direction of a protocol run.
    Finish,
    /// A generator forked from another.
    Fork,
    /// Blinding scalars.
    Blinds,
    /// The order in which items are sent.
    Order,
    /// Padding items, tags and ciphertexts.
    Padding,
    /// Nonces of discrete logarithm equality proofs.
    ProofNonce,
    /// Keys of sealed records.
    Record,
    /// Context of sealed files and streams.
    File,
    /// Context of sealed keys.
    Seal,
    /// The identifier of a sealing key.
    SealKeyId,
    /// Signature over a sealed key.
    SealSignature,
    /// Signature over an institution's card.
    Card,
    /// Signatures over a change of the organisation key.
    KeyRotation,
    /// Signature over an agreement.
    Agreement,
    /// Signature of a person who approves an agreement for an institution.
    AgreementApproval,
    /// Signature over a notice that an agreement is suspended, resumed or revoked.
    AgreementNotice,
    /// Signature over a request to amend, propose or return an agreement.
    AgreementMessage,
    /// Signature over the offer of a job.
    JobOffer,
    /// Signature over the acceptance of a job.
    JobAccept,
    /// Signature over the session identifier of a job.
    JobConfirm,
    /// Signature over the manifest of a result.
    Manifest,
    /// Signature over the receipt of a job.
    Receipt,
    /// Digest of the rules by which keys are normalised.
    Normaliser,
    /// The name of a home's key-encryption key.
    AtRestId,
    /// A home's key-encryption key under a passphrase or a token.
    AtRestSlot,
    /// Private keys of a home under its key-encryption key.
    AtRestKey,
    /// Keys of jobs under a home's key-encryption key.
    AtRestJob,
    /// Frames that wait on disk.
    AtRestSpill,
    /// The key of a person who approves agreements, under a passphrase.
    ApproverKey,
    /// The secret under which a home knows its inputs again.
    InputSecret,
    /// The mark by which a node knows an input again.
    InputMark,
    /// The commitment to an input a node declares.
    InputCommitment,
    /// Shares made by one hand in tests.
    IdealVole,
    /// Hashing of a point to the group in the base oblivious transfers.
    OtPoint,
    /// Keys of the base oblivious transfers.
    OtKey,
    /// Keys of extended oblivious transfers.
    OtExtension,
    /// Streams of the matrix of an oblivious transfer extension and of a noisy correlation.
    VoleColumns,
    /// The two keys of puncturable trees.
    VoleTree,
    /// The code that compresses noise.
    VoleCode,
    /// Noise and roots of trees in a silent correlation.
    VoleNoise,
    /// Base transfers of a correlation over a small field.
    SmallFieldTransfer,
    /// Nodes of its trees.
    SmallFieldNode,
    /// Leaves of its trees.
    SmallFieldLeaf,
    /// The check of its trees.
    SmallFieldCheck,
}

impl Label {
    /// Every label, for tests of distinctness.
    pub const ALL: &'static [Self] = &[
        Self::Sid,
        Self::Item,
        Self::A1Row,
        Self::A1Key,
        Self::A1Release,
        Self::A1ReleaseCommitment,
        Self::A1ReleaseRow,
        Self::Mask,
        Self::Rr22Item,
        Self::Rr22Salt,
        Self::Rr22Store,
        Self::Rr22StoreSeed,
        Self::Rr22SetUp,
        Self::Rr22Output,
        Self::Rr22Row,
        Self::A2Tag,
        Self::A3Tag,
        Self::Finish,
        Self::Fork,
        Self::Blinds,
        Self::Order,
        Self::Padding,
        Self::ProofNonce,
        Self::Record,
        Self::File,
        Self::Seal,
        Self::SealKeyId,
        Self::SealSignature,
        Self::Card,
        Self::KeyRotation,
        Self::Agreement,
        Self::AgreementApproval,
        Self::AgreementNotice,
        Self::AgreementMessage,
        Self::JobOffer,
        Self::JobAccept,
        Self::JobConfirm,
        Self::Manifest,
        Self::Receipt,
        Self::Normaliser,
        Self::AtRestId,
        Self::AtRestSlot,
        Self::AtRestKey,
        Self::AtRestJob,
        Self::AtRestSpill,
        Self::ApproverKey,
        Self::InputSecret,
        Self::InputMark,
        Self::InputCommitment,
        Self::IdealVole,
        Self::OtPoint,
        Self::OtKey,
        Self::OtExtension,
        Self::VoleColumns,
        Self::VoleTree,
        Self::VoleCode,
        Self::VoleNoise,
        Self::SmallFieldTransfer,
        Self::SmallFieldNode,
        Self::SmallFieldLeaf,
        Self::SmallFieldCheck,
    ];

    /// The label as text.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sid => "symbolon-v1/sid",
            Self::Item => "symbolon-v1/item",
            Self::A1Row => "symbolon-v1/a1/row",
            Self::A1Key => "symbolon-v1/a1/key",
            Self::A1Release => "symbolon-v1/a1/release",
            Self::A1ReleaseCommitment => "symbolon-v1/a1/release-commitment",
            Self::A1ReleaseRow => "symbolon-v1/a1/release-row",
            Self::Mask => "symbolon-v1/mask/hash-to-group",
            Self::Rr22Item => "symbolon-v1/rr22/item",
            Self::Rr22Salt => "symbolon-v1/rr22/salt",
            Self::Rr22Store => "symbolon-v1/rr22/store",
            Self::Rr22StoreSeed => "symbolon-v1/rr22/store-seed",
            Self::Rr22SetUp => "symbolon-v1/rr22/set-up",
            Self::Rr22Output => "symbolon-v1/rr22/output",
            Self::Rr22Row => "symbolon-v1/rr22/row",
            Self::A2Tag => "symbolon-v1/a2/tag",
            Self::A3Tag => "symbolon-v1/a3/tag",
            Self::Finish => "symbolon-v1/finish",
            Self::Fork => "symbolon-v1/prg/fork",
            Self::Blinds => "symbolon-v1/prg/blinds",
            Self::Order => "symbolon-v1/prg/order",
            Self::Padding => "symbolon-v1/prg/padding",
            Self::ProofNonce => "symbolon-v1/prg/proof-nonce",
            Self::Record => "symbolon-v1/rec",
            Self::File => "symbolon-v1/file",
            Self::Seal => "symbolon-v1/seal",
            Self::SealKeyId => "symbolon-v1/seal-key-id",
            Self::SealSignature => "symbolon-v1/sign/seal",
            Self::Card => "symbolon-v1/sign/card",
            Self::KeyRotation => "symbolon-v1/sign/key-rotation",
            Self::Agreement => "symbolon-v1/sign/agreement",
            Self::AgreementApproval => "symbolon-v1/sign/agreement-approval",
            Self::AgreementNotice => "symbolon-v1/sign/agreement-notice",
            Self::AgreementMessage => "symbolon-v1/sign/agreement-message",
            Self::JobOffer => "symbolon-v1/sign/job-offer",
            Self::JobAccept => "symbolon-v1/sign/job-accept",
            Self::JobConfirm => "symbolon-v1/sign/job-confirm",
            Self::Manifest => "symbolon-v1/sign/manifest",
            Self::Receipt => "symbolon-v1/sign/receipt",
            Self::Normaliser => "symbolon-v1/normaliser",
            Self::AtRestId => "symbolon-v1/at-rest/id",
            Self::AtRestSlot => "symbolon-v1/at-rest/slot",
            Self::AtRestKey => "symbolon-v1/at-rest/key",
            Self::AtRestJob => "symbolon-v1/at-rest/job",
            Self::AtRestSpill => "symbolon-v1/at-rest/spill",
            Self::ApproverKey => "symbolon-v1/at-rest/approver",
            Self::InputSecret => "symbolon-v1/input/secret",
            Self::InputMark => "symbolon-v1/input/mark",
            Self::InputCommitment => "symbolon-v1/input/commitment",
            Self::IdealVole => "symbolon-v1/test/ideal-vole",
            Self::OtPoint => "symbolon-v1/ot/pt",
            Self::OtKey => "symbolon-v1/ot/key",
            Self::OtExtension => "symbolon-v1/ot/extension",
            Self::VoleColumns => "symbolon-v1/vole/columns",
            Self::VoleTree => "symbolon-v1/vole/tree",
            Self::VoleCode => "symbolon-v1/vole/code",
            Self::VoleNoise => "symbolon-v1/prg/vole-noise",
            Self::SmallFieldTransfer => "symbolon-v1/small-field/ot",
            Self::SmallFieldNode => "symbolon-v1/small-field/node",
            Self::SmallFieldLeaf => "symbolon-v1/small-field/leaf",
            Self::SmallFieldCheck => "symbolon-v1/small-field/check",
        }
    }

    /// The label as the bytes that enter a hash.
    #[must_use]
    pub const fn as_bytes(self) -> &'static [u8] {
        self.as_str().as_bytes()
    }
}

/// PRK = HMAC-SHA-512(salt, ikm): the extract step of RFC 5869, section 2.2.
#[must_use]
pub fn hkdf_extract(salt: &[u8], ikm: &[u8]) -> Secret<[u8; BLOCK_BYTES]> {
    let mut mac = keyed(salt);
    mac.update(ikm);
    Secret::new(mac.finalize().into_bytes().into())
}

/// OKM = HKDF-Expand(SHA-512, prk, info, length of `out`): RFC 5869, section 2.3, for a key of any length.
///
/// `info` is given in parts that are concatenated as they are; parts of variable length must be
/// length-prefixed by the caller.
///
/// # Errors
/// [`Error::LimitExceeded`] when `out` is longer than [`OUTPUT_BYTES_MAX`]; `out` is untouched then.
pub fn hkdf_expand(prk: &[u8], info: &[&[u8]], out: &mut [u8]) -> Result<(), Error> {
    if out.len() > OUTPUT_BYTES_MAX {
        return Err(Error::LimitExceeded {
            what: "HKDF output in bytes",
            max: OUTPUT_BYTES_MAX as u64,
            got: out.len() as u64,
        });
    }
    expand_checked(prk, info, out);
    Ok(())
}

/// The first 32 bytes of HKDF-Expand(SHA-512, prk, info), as a seed or key; `info` as in [`hkdf_expand`].
#[must_use]
pub fn derive_seed(prk: &[u8], info: &[&[u8]]) -> Seed {
    let mut seed = Secret::new([0_u8; 32]);
    expand_checked(prk, info, seed.expose_mut());
    seed
}

/// OKM = HKDF(SHA-512, salt, ikm, info): extract, then expand.
///
/// # Errors
/// [`Error::LimitExceeded`] when `out` is longer than [`OUTPUT_BYTES_MAX`].
pub fn hkdf(salt: &[u8], ikm: &[u8], info: &[&[u8]], out: &mut [u8]) -> Result<(), Error> {
    hkdf_expand(hkdf_extract(salt, ikm).expose(), info, out)
}

/// The expand step; `out` is within the limit.
fn expand_checked(prk: &[u8], info: &[&[u8]], out: &mut [u8]) {
    let key = keyed(prk);
    let mut block = [0_u8; BLOCK_BYTES];
    for (counter, piece) in (1_u8..=u8::MAX).zip(out.chunks_mut(BLOCK_BYTES)) {
        let mut mac = key.clone();
        if counter > 1 {
            mac.update(&block);
        }
        for part in info {
            mac.update(part);
        }
        mac.update(&[counter]);
        block.copy_from_slice(&mac.finalize().into_bytes());
        piece.copy_from_slice(&block[..piece.len()]);
    }
    block.zeroize();
}

fn keyed(key: &[u8]) -> Hmac<Sha512> {
    Hmac::new_from_slice(key).expect("HMAC accepts a key of any length")
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize)]
    struct File {
        tests: Vec<Case>,
    }

    #[derive(Deserialize)]
    struct Case {
        #[serde(rename = "tcId")]
        id: u32,
        ikm: String,
        salt: String,
        info: String,
        size: usize,
        okm: String,
        result: String,
    }

    #[test]
    fn wycheproof_hkdf_sha512() {
        let file: File = serde_json::from_str(include_str!("../tests/vectors/hkdf_sha512.json")).unwrap();
        assert_eq!(file.tests.len(), 83);
        for case in file.tests {
            let [ikm, salt, info] = [&case.ikm, &case.salt, &case.info].map(|text| hex::decode(text).unwrap());
            let mut okm = vec![0_u8; case.size];
            let outcome = hkdf(&salt, &ikm, &[&info], &mut okm);
            if case.result == "valid" {
                outcome.unwrap();
                assert_eq!(hex::encode(&okm), case.okm, "case {}", case.id);
            } else {
                assert!(matches!(outcome, Err(Error::LimitExceeded { max: 16_320, .. })), "case {}", case.id);
                assert!(okm.iter().all(|byte| *byte == 0), "output touched in case {}", case.id);
            }
        }
    }

    /// HMAC pads a short key with zeros, so a key and its zero-padded form expand to the same bytes; an
    /// interface that refused or hashed short keys would differ.
    #[test]
    fn a_key_shorter_than_the_hash_expands() {
        let short = [0x42_u8; 32];
        let mut padded = [0_u8; 64];
        padded[..32].copy_from_slice(&short);
        let (mut from_short, mut from_padded) = ([0_u8; 150], [0_u8; 150]);
        hkdf_expand(&short, &[b"info"], &mut from_short).unwrap();
        hkdf_expand(&padded, &[b"info"], &mut from_padded).unwrap();
        assert_eq!(from_short, from_padded);
        let mut empty: [u8; 0] = [];
        hkdf_expand(&short, &[], &mut empty).unwrap();
    }

    #[test]
    fn info_parts_are_concatenated_and_a_shorter_output_is_a_prefix() {
        let (mut whole, mut parts) = ([0_u8; 130], [0_u8; 65]);
        hkdf_expand(&[1; 32], &[b"abcd"], &mut whole).unwrap();
        hkdf_expand(&[1; 32], &[b"ab", b"", b"cd"], &mut parts).unwrap();
        assert_eq!(whole[..65], parts);
        assert_eq!(*derive_seed(&[1; 32], &[b"abc", b"d"]).expose(), whole[..32]);
        hkdf_expand(&[1; 32], &[b"abce"], &mut parts).unwrap();
        assert_ne!(whole[..65], parts);
    }

    #[test]
    fn labels_are_distinct_and_belong_to_this_version() {
        let texts: HashSet<_> = Label::ALL.iter().map(|label| label.as_str()).collect();
        assert_eq!(texts.len(), Label::ALL.len());
        for one in Label::ALL {
            assert!(one.as_str().starts_with("symbolon-v1/"));
            assert_eq!(one.as_bytes(), one.as_str().as_bytes());
        }
    }
}
