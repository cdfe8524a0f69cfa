//! The session identifier: one value that both sides derive and that enters every frame and every hash.

use std::fmt;

use sha2::{Digest, Sha512_256};
use symbolon_primitives::kdf::Label;

/// The identifier of one run: 32 bytes that bind what was agreed, both nonces and the channel.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Sid(pub [u8; 32]);

impl Sid {
    /// The bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for Sid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sid(")?;
        for byte in &self.0[..8] {
            write!(f, "{byte:02x}")?;
        }
        f.write_str("..)")
    }
}

/// SHA-512/256(label ‖ LP(jobspec) ‖ nonce_a ‖ nonce_b ‖ role order ‖ flag ‖ exporter).
///
/// `jobspec` is the job as it was transmitted and signed, byte for byte. `nonce_a` is the initiator's, and the
/// role order says so. `exporter` is the TLS exporter value of the channel; without TLS (in memory) it is
/// `None`, which hashes as flag 0 and 32 zero bytes.
#[must_use]
pub fn derive(jobspec: &[u8], nonce_a: &[u8; 32], nonce_b: &[u8; 32], exporter: Option<[u8; 32]>) -> Sid {
    let mut hash = Sha512_256::new();
    hash.update(Label::Sid.as_bytes());
    hash.update(length_prefix(jobspec));
    hash.update(jobspec);
    hash.update(nonce_a);
    hash.update(nonce_b);
    hash.update(b"initiator,responder");
    hash.update([u8::from(exporter.is_some())]);
    hash.update(exporter.unwrap_or([0; 32]));
    Sid(hash.finalize().into())
}

/// I2OSP(len(bytes), 4), the length prefix LP of the specification.
pub(crate) fn length_prefix(bytes: &[u8]) -> [u8; 4] {
    u32::try_from(bytes.len()).expect("prefixed values are far shorter than 4 GiB").to_be_bytes()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_input_counts() {
        let all = [
            derive(b"job", &[1; 32], &[2; 32], None),
            derive(b"job", &[1; 32], &[2; 32], Some([0; 32])),
            derive(b"job", &[1; 32], &[2; 32], Some([1; 32])),
            derive(b"job", &[2; 32], &[1; 32], None),
            derive(b"joc", &[1; 32], &[2; 32], None),
            derive(b"", &[1; 32], &[2; 32], None),
        ];
        assert_eq!(all.iter().collect::<HashSet<_>>().len(), all.len());
        assert_eq!(all[0], derive(b"job", &[1; 32], &[2; 32], None));
    }

    #[test]
    fn debug_is_short() {
        assert_eq!(format!("{:?}", Sid([0xAB; 32])), "Sid(abababababababab..)");
    }
}
