//! Rows that travel with their tags: fixed width, each sealed under a key only a holder of the same identifier
//! can derive.
//!
//! For row j of a key with OPRF output F,
//! `tag ‖ K = HKDF-Expand(SHA-512, F, label ‖ sid ‖ I2OSP(j, 4), 64)`, and the payload is
//! `AES-256-GCM(K, nonce 0, aad = sid ‖ tag)`. Every pair (F, j) gives its own K, and K seals one value, so the
//! fixed nonce is never used twice under one key.
//!
//! With a [`Release`](crate::Release) the payload has a layer of its own inside, see [`crate::release`].

use aes_gcm::aead::{AeadInOut, KeyInit};
use aes_gcm::{Aes256Gcm, Nonce, Tag};
use symbolon_primitives::kdf::{Label, hkdf_expand};
use zeroize::Zeroize;

use crate::release::ReleaseKey;
use crate::role::Protocol;
use crate::session::SessionSpec;
use crate::sid::Sid;
use crate::tags::tag_bytes;

/// Bytes of a long tag, which stands for one row whatever its sender does: as long as SHA-256, against a sender that
/// searches for collisions. Shorter tags are for sides that follow the protocol.
pub(crate) const TAG_BYTES: usize = 32;

/// Bytes AES-GCM adds to a payload.
pub(crate) const SEAL_BYTES: usize = 16;

/// The most bytes of rows in one frame, unless one row is longer.
const ROWS_BYTES_PER_FRAME: usize = 512 * 1024;

/// The most rows in one frame, with long tags and with short ones.
const ROWS_PER_FRAME_MAX: [usize; 2] = [4_096, 32_768];

/// The width of rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RowLayout {
    tag_bytes: usize,
    payload_bytes: usize,
    /// Whether the payload is sealed under the key that is released at the end as well.
    layered: bool,
}

impl RowLayout {
    pub(crate) const fn new(tag_bytes: usize, payload_bytes: u32, layered: bool) -> Self {
        Self { tag_bytes, payload_bytes: payload_bytes as usize, layered }
    }

    /// The rows of a run.
    pub(crate) fn of(spec: &SessionSpec) -> Self {
        let tag_bytes = match spec.protocol {
            Protocol::Rr22Silent | Protocol::Rr22SmallField => tag_bytes(spec.rows_sender, spec.rows_receiver),
            Protocol::EcdhOprf | Protocol::EcdhMutual | Protocol::EcdhCardinality => TAG_BYTES,
        };
        Self::new(tag_bytes, spec.payload_bytes, spec.release.is_some())
    }

    /// Bytes of the tag at the head of a row.
    pub(crate) const fn tag_bytes(self) -> usize {
        self.tag_bytes
    }

    /// Whether two rows can have the same tag by chance.
    pub(crate) const fn tags_are_short(self) -> bool {
        self.tag_bytes < TAG_BYTES
    }

    /// The rows that lie in `bytes` one after the other.
    pub(crate) fn rows(self, bytes: &[u8]) -> std::slice::ChunksExact<'_, u8> {
        bytes.chunks_exact(self.row_bytes())
    }

    /// Bytes of payload in a row.
    pub(crate) const fn payload_bytes(self) -> usize {
        self.payload_bytes
    }

    /// Bytes of a row on the wire: the tag, and the sealed payload if there is one.
    pub(crate) const fn row_bytes(self) -> usize {
        let seals = if self.layered { 2 * SEAL_BYTES } else { SEAL_BYTES };
        self.tag_bytes + if self.payload_bytes == 0 { 0 } else { self.payload_bytes + seals }
    }

    /// Rows in every frame but the last.
    pub(crate) fn rows_per_frame(self) -> usize {
        let most = ROWS_PER_FRAME_MAX[usize::from(self.tags_are_short())];
        (ROWS_BYTES_PER_FRAME / self.row_bytes()).clamp(1, most)
    }
}

/// Name and payload key of one row. Wiped when dropped.
///
/// The name is 256 bits that no other row has. It is the row's tag where tags are long, and it names the row in what
/// is sealed with it in any case.
pub(crate) struct RowSecrets([u8; 64]);

impl RowSecrets {
    /// Takes over what a protocol derived.
    pub(crate) const fn new(both: [u8; 64]) -> Self {
        Self(both)
    }

    /// Derives both from the OPRF output of the key and the number of the row within the key.
    pub(crate) fn derive(output: &[u8; 64], sid: &Sid, row: u32) -> Self {
        let mut both = Self([0; 64]);
        let info: [&[u8]; 3] = [Label::A1Row.as_bytes(), sid.as_bytes(), &row.to_be_bytes()];
        hkdf_expand(output, &info, &mut both.0).expect("64 bytes are below the limit of HKDF");
        both
    }

    /// The name.
    pub(crate) fn name(&self) -> &[u8] {
        &self.0[..TAG_BYTES]
    }

    /// Writes the sealed payload over `sealed`, what the layout leaves behind the tag; `release` seals the inner layer
    /// where there is one. One call for one value: the nonce is fixed.
    pub(crate) fn seal_into(self, sid: &Sid, payload: &[u8], release: Option<&ReleaseKey>, sealed: &mut [u8]) {
        if payload.is_empty() {
            return;
        }
        let (text, seal) = sealed.split_at_mut(sealed.len() - SEAL_BYTES);
        text[..payload.len()].copy_from_slice(payload);
        if let Some(release) = release {
            release.seal(sid, self.name(), text);
        }
        let made = self.cipher().encrypt_inout_detached(&Nonce::default(), &self.context(sid), text.into());
        seal.copy_from_slice(&made.expect("a payload is far below the limit of AES-GCM"));
    }

    /// Appends the payload in `sealed` to `out`, or gives `false` and appends nothing.
    pub(crate) fn open_onto(&self, sid: &Sid, sealed: &[u8], release: Option<&ReleaseKey>, out: &mut Vec<u8>) -> bool {
        let Some((text, seal)) = sealed.split_last_chunk::<SEAL_BYTES>() else {
            return false;
        };
        let start = out.len();
        out.extend_from_slice(text);
        let opened = self.cipher().decrypt_inout_detached(
            &Nonce::default(),
            &self.context(sid),
            (&mut out[start..]).into(),
            &Tag::from(*seal),
        );
        let opened = opened.is_ok() && release.is_none_or(|key| key.open(sid, self.name(), &mut out[start..]));
        if !opened {
            out[start..].zeroize();
            out.truncate(start);
        } else if release.is_some() {
            out.truncate(out.len() - SEAL_BYTES);
        }
        opened
    }

    fn cipher(&self) -> Aes256Gcm {
        Aes256Gcm::new_from_slice(&self.0[TAG_BYTES..]).expect("the key has 32 bytes")
    }

    fn context(&self, sid: &Sid) -> [u8; 64] {
        let mut context = [0; 64];
        context[..32].copy_from_slice(sid.as_bytes());
        context[32..].copy_from_slice(self.name());
        context
    }
}

impl Drop for RowSecrets {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

#[cfg(test)]
mod tests {
    use symbolon_primitives::prg::Prg;
    use symbolon_primitives::secret::Secret;

    use super::*;

    const SID: Sid = Sid([5; 32]);

    fn sealed(payload: &[u8], release: Option<&ReleaseKey>) -> Vec<u8> {
        let layout = RowLayout::new(TAG_BYTES, u32::try_from(payload.len()).unwrap(), release.is_some());
        let mut row = vec![0; layout.row_bytes()];
        let secrets = RowSecrets::derive(&[1; 64], &SID, 0);
        row[..TAG_BYTES].copy_from_slice(secrets.name());
        secrets.seal_into(&SID, payload, release, &mut row[TAG_BYTES..]);
        row
    }

    #[test]
    fn a_row_opens_with_the_same_output_and_number_only() {
        let row = sealed(b"four columns", None);
        let (tag, seal) = row.split_at(TAG_BYTES);
        let secrets = RowSecrets::derive(&[1; 64], &SID, 0);
        assert_eq!(secrets.name(), tag);
        let mut out = b"before".to_vec();
        assert!(secrets.open_onto(&SID, seal, None, &mut out));
        assert_eq!(out, b"beforefour columns");
        for other in [
            RowSecrets::derive(&[1; 64], &SID, 1),
            RowSecrets::derive(&[2; 64], &SID, 0),
            RowSecrets::derive(&[1; 64], &Sid([6; 32]), 0),
        ] {
            assert_ne!(other.name(), tag);
            assert!(!other.open_onto(&SID, seal, None, &mut out));
        }
        assert!(!secrets.open_onto(&Sid([6; 32]), seal, None, &mut out));
        for position in 0..seal.len() {
            let mut changed = seal.to_vec();
            changed[position] ^= 1;
            assert!(!secrets.open_onto(&SID, &changed, None, &mut out));
        }
        assert!(!secrets.open_onto(&SID, &seal[..15], None, &mut out));
        assert_eq!(out, b"beforefour columns", "nothing is appended on failure");
    }

    #[test]
    fn without_payload_a_row_is_its_tag() {
        let key = ReleaseKey::random(&Prg::new(Secret::new([1; 32])));
        assert_eq!(sealed(b"", None).len(), TAG_BYTES);
        assert_eq!(sealed(b"", Some(&key)).len(), TAG_BYTES);
    }

    #[test]
    fn two_layers_need_both_keys() {
        let [key, other] = [1, 2].map(|seed| ReleaseKey::random(&Prg::new(Secret::new([seed; 32]))));
        let row = sealed(b"four columns", Some(&key));
        let (_, seal) = row.split_at(TAG_BYTES);
        let secrets = RowSecrets::derive(&[1; 64], &SID, 0);
        let mut out = b"before".to_vec();
        assert!(secrets.open_onto(&SID, seal, Some(&key), &mut out));
        assert_eq!(out, b"beforefour columns");
        assert!(!secrets.open_onto(&SID, seal, Some(&other), &mut out));
        assert!(!RowSecrets::derive(&[2; 64], &SID, 0).open_onto(&SID, seal, Some(&key), &mut out));
        assert_eq!(out, b"beforefour columns", "nothing is appended on failure");
        // With the row's key alone the layer inside stays closed.
        assert!(secrets.open_onto(&SID, seal, None, &mut out));
        assert!(!out.windows(4).skip(18).any(|window| window == b"four" || window == b"colu"));
    }

    #[test]
    fn frames_of_rows_stay_within_the_limit() {
        for bytes in [0, 1, 64, 80, 81, 1_000, 100_000, crate::Limits::PAYLOAD_BYTES_CEILING] {
            for (tag_bytes, layered) in [(32, false), (32, true), (10, false), (5, true)] {
                let layout = RowLayout::new(tag_bytes, bytes, layered);
                let frame = layout.rows_per_frame() * layout.row_bytes();
                assert!(layout.rows_per_frame() >= 1 && frame <= ROWS_BYTES_PER_FRAME, "{bytes}");
            }
        }
    }
}
