//! What a node says about itself beside its release: its program, its settings, its policies.

use std::io::Read;
use std::path::Path;

use sha2::{Digest, Sha256};
use symbolon_policy::cedar::PostureFacts;
use tokio::sync::OnceCell;

use crate::config::Settings;
use crate::error::{Error, FileAction};
use crate::files;
use crate::ops::blocking;

/// What runs as long as this process does, also when the file at its path has been replaced since.
const PROGRAM: &str = "/proc/self/exe";

/// Bytes of the program hashed at a time.
const CHUNK_BYTES: usize = 256 << 10;

/// The format of the digest over settings.
const CONFIG_FORMAT: &str = "symbolon-config/1";

static BUILD: OnceCell<[u8; 32]> = OnceCell::const_new();

/// What a node declares, in Hello and in the signed bodies of the handshake. It is a claim: the signature says who
/// made it, not that it is true. A node that was changed on purpose can claim anything; the digests find what was
/// changed by mistake or left behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "built from all its fields; forgetting one must not compile")]
pub struct Posture {
    /// SHA-256 of the program that runs.
    pub build: [u8; 32],
    /// SHA-256 over those settings that concern a partner.
    pub config: [u8; 32],
    /// SHA-256 over the policies, see [`Engine::digest`](symbolon_policy::cedar::Engine::digest).
    pub policy_set: [u8; 32],
}

impl Posture {
    /// The facts of a peer's posture beside the own program and what the peer declared before.
    pub(crate) fn facts(&self, own_build: [u8; 32], before: Option<&Self>) -> PostureFacts {
        PostureFacts {
            build: hex::encode(self.build),
            build_matches_own: self.build == own_build,
            build_changed: before.is_some_and(|before| before.build != self.build),
            config: hex::encode(self.config),
            config_changed: before.is_some_and(|before| before.config != self.config),
            policy_set: hex::encode(self.policy_set),
        }
    }
}

/// SHA-256 of the program that runs: read once, away from the async threads, and remembered.
///
/// # Errors
/// Environment errors when the system does not show the program's file.
pub async fn build() -> Result<[u8; 32], Error> {
    let digest = BUILD.get_or_try_init(|| {
        blocking(|| {
            let path = Path::new(PROGRAM);
            let failed = |source| files::failed(FileAction::Read, path, source);
            let mut program = std::fs::File::open(path).map_err(failed)?;
            let mut hash = Sha256::new();
            let mut chunk = vec![0; CHUNK_BYTES];
            loop {
                match program.read(&mut chunk).map_err(failed)? {
                    0 => return Ok(hash.finalize().into()),
                    count => hash.update(&chunk[..count]),
                }
            }
        })
    });
    digest.await.copied()
}

/// SHA-256 over the settings that concern a partner: what this node takes from it, and how long it waits.
#[must_use]
pub fn config(settings: &Settings) -> [u8; 32] {
    let limits = &settings.limits;
    let numbers = [
        ("frame_bytes_max", limits.frame_bytes_max as u64),
        ("message_bytes_max", limits.message_bytes_max as u64),
        ("document_bytes_max", limits.document_bytes_max as u64),
        ("rows_max", limits.rows_max),
        ("payload_bytes_max", u64::from(limits.payload_bytes_max)),
        ("proposals_max", limits.proposals_max),
        ("answer_seconds_max", limits.answer_seconds_max.as_secs()),
        ("idle_seconds_max", limits.idle_seconds_max.as_secs()),
        ("session_seconds_max", limits.session_seconds_max.as_secs()),
        ("clock_skew_seconds_max", limits.clock_skew_seconds_max.as_secs()),
    ];
    let mut hash = Sha256::new();
    let mut add = |bytes: &[u8]| {
        hash.update((bytes.len() as u64).to_be_bytes());
        hash.update(bytes);
    };
    add(CONFIG_FORMAT.as_bytes());
    add(settings.institution.as_bytes());
    for (name, number) in numbers {
        add(name.as_bytes());
        add(&number.to_be_bytes());
    }
    hash.finalize().into()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn settings(change: (&str, &str)) -> Settings {
        let text = Settings::template("North Bank", "127.0.0.1:0", "bank.example:7443");
        assert!(text.contains(change.0), "{}", change.0);
        Settings::from_toml(&text.replace(change.0, change.1), Path::new("/home/x"), &BTreeMap::new()).unwrap()
    }

    #[tokio::test]
    async fn the_build_is_the_digest_of_this_program() {
        let program = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        let expected: [u8; 32] = Sha256::digest(program).into();
        assert_eq!(build().await.unwrap(), expected);
    }

    #[test]
    fn only_what_concerns_a_partner_counts() {
        let plain = config(&settings(("", "")));
        assert_eq!(plain, config(&settings(("jobs_max = 4", "jobs_max = 5"))));
        assert_ne!(plain, config(&settings(("rows_max = 67108864", "rows_max = 1000"))));
        assert_ne!(plain, config(&settings(("North Bank", "South Bank"))));
    }

    #[test]
    fn a_change_is_one_against_what_was_declared_before() {
        let one = Posture { build: [1; 32], config: [2; 32], policy_set: [3; 32] };
        let other = Posture { build: [9; 32], ..one };
        assert!(!one.facts([1; 32], None).build_changed);
        assert!(one.facts([1; 32], Some(&other)).build_changed);
        assert!(!one.facts([1; 32], Some(&other)).config_changed);
        assert!(one.facts([1; 32], None).build_matches_own);
        assert!(!other.facts([1; 32], None).build_matches_own);
    }
}
