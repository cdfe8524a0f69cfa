//! Rows that travel with their tags: fixed width, each sealed under a key only a holder of the same identifier
//! can derive.
//!
//! For row j of a key with OPRF output F,
//! `tag ‖ K = HKDF-Expand(SHA-512, F, label ‖ sid ‖ I2OSP(j, 4), 64)`, and the payload is
//! `AES-256-GCM(K, nonce 0, aad = sid ‖ tag)`. Every pair (F, j) gives its own K, and K seals one value, so the
//! fixed nonce is never used twice under one key.

use aes_gcm::aead::{AeadInOut, KeyInit};
use aes_gcm::{Aes256Gcm, Nonce, Tag};
use symbolon_primitives::kdf::{Label, hkdf_expand};
use zeroize::Zeroize;

use crate::sid::Sid;

/// Bytes of the tag that stands for a row: as long as SHA-256, against a sender that searches for collisions.
pub(crate) const TAG_BYTES: usize = 32;

/// Bytes AES-GCM adds to a payload.
pub(crate) const SEAL_BYTES: usize = 16;

/// The most bytes of rows in one frame, unless one row is longer.
const ROWS_BYTES_PER_FRAME: usize = 512 * 1024;

/// The most rows in one frame.
const ROWS_PER_FRAME_MAX: usize = 4_096;

/// The width of rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RowLayout {
    payload_bytes: usize,
}

impl RowLayout {
    pub(crate) const fn new(payload_bytes: u32) -> Self {
        Self { payload_bytes: payload_bytes as usize }
    }

    /// Bytes of payload in a row.
    pub(crate) const fn payload_bytes(self) -> usize {
        self.payload_bytes
    }

    /// Bytes of a row on the wire: the tag, and the sealed payload if there is one.
    pub(crate) const fn row_bytes(self) -> usize {
        TAG_BYTES + if self.payload_bytes == 0 { 0 } else { self.payload_bytes + SEAL_BYTES }
    }

    /// Rows in every frame but the last.
    pub(crate) fn rows_per_frame(self) -> usize {
        (ROWS_BYTES_PER_FRAME / self.row_bytes()).clamp(1, ROWS_PER_FRAME_MAX)
    }
}

/// Tag and payload key of one row. Wiped when dropped.
pub(crate) struct RowSecrets([u8; 64]);

impl RowSecrets {
    /// Derives both from the OPRF output of the key and the number of the row within the key.
    pub(crate) fn derive(output: &[u8; 64], sid: &Sid, row: u32) -> Self {
        let mut both = Self([0; 64]);
        let info: [&[u8]; 3] = [Label::A1Row.as_bytes(), sid.as_bytes(), &row.to_be_bytes()];
        hkdf_expand(output, &info, &mut both.0).expect("64 bytes are below the limit of HKDF");
        both
    }

    /// The tag.
    pub(crate) fn tag(&self) -> &[u8] {
        &self.0[..TAG_BYTES]
    }

    /// Writes tag and sealed payload over `row`, whose length is the layout's. One call for one value: the nonce
    /// is fixed.
    pub(crate) fn seal_into(self, sid: &Sid, payload: &[u8], row: &mut [u8]) {
        let (tag, sealed) = row.split_at_mut(TAG_BYTES);
        tag.copy_from_slice(self.tag());
        if payload.is_empty() {
            return;
        }
        let (text, seal) = sealed.split_at_mut(payload.len());
        text.copy_from_slice(payload);
        let made = self.cipher().encrypt_inout_detached(&Nonce::default(), &self.context(sid), text.into());
        seal.copy_from_slice(&made.expect("a payload is far below the limit of AES-GCM"));
    }

    /// Appends the payload in `sealed` to `out`, or gives `false` and appends nothing.
    pub(crate) fn open_onto(&self, sid: &Sid, sealed: &[u8], out: &mut Vec<u8>) -> bool {
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
        if opened.is_err() {
            out[start..].zeroize();
            out.truncate(start);
        }
        opened.is_ok()
    }

    fn cipher(&self) -> Aes256Gcm {
        Aes256Gcm::new_from_slice(&self.0[TAG_BYTES..]).expect("the key has 32 bytes")
    }

    fn context(&self, sid: &Sid) -> [u8; 64] {
        let mut context = [0; 64];
        context[..32].copy_from_slice(sid.as_bytes());
        context[32..].copy_from_slice(self.tag());
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
    use super::*;

    const SID: Sid = Sid([5; 32]);

    fn sealed(payload: &[u8]) -> Vec<u8> {
        let layout = RowLayout::new(u32::try_from(payload.len()).unwrap());
        let mut row = vec![0; layout.row_bytes()];
        RowSecrets::derive(&[1; 64], &SID, 0).seal_into(&SID, payload, &mut row);
        row
    }

    #[test]
    fn a_row_opens_with_the_same_output_and_number_only() {
        let row = sealed(b"four columns");
        let (tag, seal) = row.split_at(TAG_BYTES);
        let secrets = RowSecrets::derive(&[1; 64], &SID, 0);
        assert_eq!(secrets.tag(), tag);
        let mut out = b"before".to_vec();
        assert!(secrets.open_onto(&SID, seal, &mut out));
        assert_eq!(out, b"beforefour columns");
        for other in [
            RowSecrets::derive(&[1; 64], &SID, 1),
            RowSecrets::derive(&[2; 64], &SID, 0),
            RowSecrets::derive(&[1; 64], &Sid([6; 32]), 0),
        ] {
            assert_ne!(other.tag(), tag);
            assert!(!other.open_onto(&SID, seal, &mut out));
        }
        assert!(!secrets.open_onto(&Sid([6; 32]), seal, &mut out));
        for position in 0..seal.len() {
            let mut changed = seal.to_vec();
            changed[position] ^= 1;
            assert!(!secrets.open_onto(&SID, &changed, &mut out));
        }
        assert!(!secrets.open_onto(&SID, &seal[..15], &mut out));
        assert_eq!(out, b"beforefour columns", "nothing is appended on failure");
    }

    #[test]
    fn without_payload_a_row_is_its_tag() {
        assert_eq!(sealed(b"").len(), TAG_BYTES);
    }

    #[test]
    fn frames_of_rows_stay_within_the_limit() {
        for bytes in [0, 1, 64, 80, 81, 1_000, 100_000, crate::Limits::PAYLOAD_BYTES_CEILING] {
            let layout = RowLayout::new(bytes);
            let frame = layout.rows_per_frame() * layout.row_bytes();
            assert!(layout.rows_per_frame() >= 1 && frame <= ROWS_BYTES_PER_FRAME, "{bytes}");
        }
    }
}
