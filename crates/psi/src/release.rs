//! Holding back the payload until enough keys match.
//!
//! The sender seals each payload under a key of its own choice for the run, J, and only then under the row's key. It
//! commits to J before the receiver shows its keys, and gives J away when the receiver has reported enough matches.
//! A row's layer is `AES-256-GCM(HKDF-Expand(SHA-512, J, label ‖ sid ‖ tag, 32), nonce 0, aad = sid ‖ tag)`: tags are
//! distinct, so each derived key seals one value.

use std::fmt;

use aes_gcm::aead::{AeadInOut, KeyInit};
use aes_gcm::{Aes256Gcm, Nonce, Tag};
use symbolon_primitives::hash::Transcript;
use symbolon_primitives::kdf::{Label, hkdf_expand};
use symbolon_primitives::prg::Prg;
use symbolon_primitives::secret::Secret;

use crate::payload::SEAL_BYTES;
use crate::sid::Sid;

/// Bytes of the key.
pub(crate) const RELEASE_KEY_BYTES: usize = 32;

/// Bytes of the commitment to it.
pub(crate) const COMMITMENT_BYTES: usize = 32;

/// A condition on the payload: it opens when enough keys match, as the receiver reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_structs, reason = "both sides build it from all its fields")]
pub struct Release {
    /// The fewest distinct keys of the receiver that must match.
    pub keys_min: u64,
    /// What the receiver reports.
    pub report: Report,
}

/// What a receiver tells the sender before the payload opens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "a report says the number, or one bit of it")]
pub enum Report {
    /// How many of its keys match.
    Count,
    /// Whether as many match as are needed.
    Sufficient,
}

impl Report {
    /// The report as a word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Count => "count",
            Self::Sufficient => "sufficient",
        }
    }

    /// Bytes of the report on the wire.
    pub(crate) const fn bytes(self) -> usize {
        match self {
            Self::Count => 8,
            Self::Sufficient => 1,
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Release {
    /// Writes the report on `matched` keys.
    pub(crate) fn encode(self, matched: u64) -> Vec<u8> {
        match self.report {
            Report::Count => matched.to_be_bytes().to_vec(),
            Report::Sufficient => vec![u8::from(self.is_met(matched))],
        }
    }

    /// Reads a report: the number, if it says one, and whether it is enough. `None` for what no receiver with
    /// `keys_max` keys can report.
    pub(crate) fn decode(self, body: &[u8], keys_max: u64) -> Option<(Option<u64>, bool)> {
        match (self.report, body) {
            (Report::Count, body) => {
                let matched = u64::from_be_bytes(body.try_into().ok()?);
                (matched <= keys_max).then(|| (Some(matched), self.is_met(matched)))
            }
            (Report::Sufficient, [met @ (0 | 1)]) => Some((None, *met == 1)),
            (Report::Sufficient, _) => None,
        }
    }

    /// Whether `matched` keys are enough.
    pub(crate) const fn is_met(self, matched: u64) -> bool {
        matched >= self.keys_min
    }
}

/// The sender's key of a run, on which all payload hangs.
pub(crate) struct ReleaseKey(Secret<[u8; RELEASE_KEY_BYTES]>);

impl ReleaseKey {
    /// Draws the key of a run.
    pub(crate) fn random(prg: &Prg) -> Self {
        Self(prg.fork(Label::A1Release, 0).draw_seed())
    }

    /// Takes a key that the sender gave away, if it is the one it committed to. Both values came from the sender, so
    /// comparing them tells nobody anything.
    pub(crate) fn opening(
        key: &[u8; RELEASE_KEY_BYTES],
        sid: &Sid,
        commitment: &[u8; COMMITMENT_BYTES],
    ) -> Option<Self> {
        let key = Self(Secret::new(*key));
        (key.commitment(sid) == *commitment).then_some(key)
    }

    /// SHA-256(LP(label) ‖ LP(sid) ‖ LP(key)): hides a random key, and binds to it.
    pub(crate) fn commitment(&self, sid: &Sid) -> [u8; COMMITMENT_BYTES] {
        let mut transcript = Transcript::new(Label::A1ReleaseCommitment);
        transcript.add(sid.as_bytes());
        transcript.add(self.0.expose());
        transcript.finish()
    }

    /// The bytes, to give them away.
    pub(crate) const fn expose(&self) -> &[u8; RELEASE_KEY_BYTES] {
        self.0.expose()
    }

    /// Seals the first bytes of `layer` in place and writes the seal behind them. One call for one tag.
    pub(crate) fn seal(&self, sid: &Sid, tag: &[u8], layer: &mut [u8]) {
        let Some((text, seal)) = layer.split_last_chunk_mut::<SEAL_BYTES>() else {
            return;
        };
        let context = context(sid, tag);
        let made = self.cipher(sid, tag).encrypt_inout_detached(&Nonce::default(), &context, text.into());
        seal.copy_from_slice(&made.expect("a payload is far below the limit of AES-GCM"));
    }

    /// Opens `layer` in place; on success its last bytes are the seal still.
    pub(crate) fn open(&self, sid: &Sid, tag: &[u8], layer: &mut [u8]) -> bool {
        let Some((text, seal)) = layer.split_last_chunk_mut::<SEAL_BYTES>() else {
            return false;
        };
        let (context, seal) = (context(sid, tag), Tag::from(*seal));
        self.cipher(sid, tag).decrypt_inout_detached(&Nonce::default(), &context, text.into(), &seal).is_ok()
    }

    fn cipher(&self, sid: &Sid, tag: &[u8]) -> Aes256Gcm {
        let mut key = Secret::new([0_u8; 32]);
        let info: [&[u8]; 3] = [Label::A1ReleaseRow.as_bytes(), sid.as_bytes(), tag];
        hkdf_expand(self.0.expose(), &info, key.expose_mut()).expect("32 bytes are below the limit of HKDF");
        Aes256Gcm::new_from_slice(key.expose()).expect("the key has 32 bytes")
    }
}

impl fmt::Debug for ReleaseKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ReleaseKey(..)")
    }
}

fn context(sid: &Sid, tag: &[u8]) -> Vec<u8> {
    [sid.as_bytes(), tag].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SID: Sid = Sid([5; 32]);

    fn key(number: u8) -> ReleaseKey {
        ReleaseKey::random(&Prg::new(Secret::new([number; 32])))
    }

    #[test]
    fn a_layer_opens_with_its_key_session_and_tag_only() {
        let mut layer = b"four columns................".to_vec();
        key(1).seal(&SID, &[7; 32], &mut layer);
        assert_ne!(layer[..12], *b"four columns");
        let opens = |key: &ReleaseKey, sid: &Sid, tag: &[u8], change: Option<usize>| {
            let mut layer = layer.clone();
            if let Some(position) = change {
                layer[position] ^= 1;
            }
            key.open(sid, tag, &mut layer) && layer[..12] == *b"four columns"
        };
        assert!(opens(&key(1), &SID, &[7; 32], None));
        assert!(!opens(&key(2), &SID, &[7; 32], None));
        assert!(!opens(&key(1), &Sid([6; 32]), &[7; 32], None));
        assert!(!opens(&key(1), &SID, &[8; 32], None));
        for position in 0..layer.len() {
            assert!(!opens(&key(1), &SID, &[7; 32], Some(position)));
        }
        assert!(!key(1).open(&SID, &[7; 32], &mut [0; 15]));
    }

    #[test]
    fn only_the_committed_key_is_taken() {
        let commitment = key(1).commitment(&SID);
        assert!(ReleaseKey::opening(key(1).expose(), &SID, &commitment).is_some());
        assert!(ReleaseKey::opening(key(2).expose(), &SID, &commitment).is_none());
        assert!(ReleaseKey::opening(key(1).expose(), &Sid([6; 32]), &commitment).is_none());
    }

    #[test]
    fn reports_come_back_and_impossible_ones_are_refused() {
        let count = Release { keys_min: 3, report: Report::Count };
        for (matched, met) in [(0, false), (2, false), (3, true), (10, true)] {
            assert_eq!(count.decode(&count.encode(matched), 10), Some((Some(matched), met)));
        }
        assert_eq!(count.decode(&count.encode(11), 10), None);
        assert_eq!(count.decode(&[1], 10), None);
        let bit = Release { report: Report::Sufficient, ..count };
        assert_eq!(bit.decode(&bit.encode(2), 10), Some((None, false)));
        assert_eq!(bit.decode(&bit.encode(3), 10), Some((None, true)));
        for body in [&[2_u8][..], &[], &[1, 0]] {
            assert_eq!(bit.decode(body, 10), None);
        }
    }
}
