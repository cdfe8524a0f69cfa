//! The keys a node had and has, in `keys/history.toml`: public parts and times only.
//!
//! The file appears with the first change of a key. It stands beside the key files so that they change together, see
//! [`rotation`](super::rotation), and is a document of the operator's: it can be read, and is copied with the keys.

use std::path::Path;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use symbolon_policy::{Anchor, RevokedKey, Rotation};

use crate::error::{Error, KeysError};
use crate::files;
use crate::keystore::KeyKind;

/// The name of the file in the keys' directory.
pub(super) const FILE: &str = "history.toml";

const FORMAT: &str = "symbolon-key-history/1";
const FILE_BYTES_MAX: u64 = 1 << 20;

/// A key that is no longer the one in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct FormerKey {
    /// What it was for.
    #[serde(with = "word")]
    pub kind: KeyKind,
    /// Its public part: `ed25519:` of an organisation key, else `sha256:` of the public key.
    pub public: String,
    /// What the pin of a TLS key is of: `leaf` or `authority`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub anchor: Option<String>,
    /// The number of the first card without it.
    pub sequence: u64,
    /// When it came into force.
    #[serde(with = "stamp")]
    pub from: DateTime<Utc>,
    /// When another key took its place.
    #[serde(with = "stamp")]
    pub replaced: DateTime<Utc>,
    /// The first moment at which it no longer counts.
    #[serde(with = "stamp")]
    pub until: DateTime<Utc>,
    /// When it was withdrawn.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "optional_stamp")]
    pub revoked: Option<DateTime<Utc>>,
    /// The name of its files under `keys/old`, without their endings.
    pub file: String,
}

impl FormerKey {
    /// Whether it still counts beside the key in force.
    #[must_use]
    pub fn holds(&self, now: DateTime<Utc>) -> bool {
        self.revoked.is_none() && now < self.until
    }

    /// The anchor of a TLS key.
    #[must_use]
    pub fn tls_anchor(&self) -> Anchor {
        self.anchor.as_deref().and_then(Anchor::from_word).unwrap_or_default()
    }
}

/// Everything known about earlier keys.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct History {
    /// The number of the present card; 0 as long as no key ever changed.
    pub sequence: u64,
    /// When the present card came about; absent as long as no key ever changed.
    pub changed: Option<DateTime<Utc>>,
    /// When each kind of key in force came into force, as far as it is not the first one.
    pub since: Vec<(KeyKind, DateTime<Utc>)>,
    /// The former keys, the oldest first.
    pub former: Vec<FormerKey>,
    /// The changes of the organisation key, the oldest first.
    pub rotations: Vec<Rotation>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    format: String,
    sequence: u64,
    #[serde(with = "stamp")]
    changed: DateTime<Utc>,
    #[serde(default)]
    since: Vec<RawSince>,
    #[serde(default, rename = "key")]
    former: Vec<FormerKey>,
    #[serde(default, rename = "rotation")]
    rotations: Vec<RawRotation>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawSince {
    #[serde(with = "word")]
    kind: KeyKind,
    #[serde(with = "stamp")]
    from: DateTime<Utc>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRotation {
    old: String,
    new: String,
    made: String,
    until: String,
    old_signature: String,
    new_signature: String,
}

impl History {
    /// Reads the file in `dir`; without one no key ever changed.
    ///
    /// # Errors
    /// [`KeysError::Malformed`] when it is damaged; environment errors.
    pub(super) fn load(dir: &Path) -> Result<Self, Error> {
        let path = dir.join(FILE);
        if !path.exists() {
            return Ok(Self::default());
        }
        let malformed = || KeysError::Malformed { path: path.clone(), expected: "history of keys" };
        Ok(Self::parse(&files::read_text(&path, FILE_BYTES_MAX)?).ok_or_else(malformed)?)
    }

    fn parse(text: &str) -> Option<Self> {
        let raw: Raw = toml::from_str(text).ok().filter(|raw: &Raw| raw.format == FORMAT)?;
        Some(Self {
            sequence: raw.sequence,
            changed: Some(raw.changed),
            since: raw.since.into_iter().map(|since| (since.kind, since.from)).collect(),
            former: raw.former,
            rotations: raw.rotations.iter().map(RawRotation::read).collect::<Option<_>>()?,
        })
    }

    /// The text of the file.
    pub(super) fn to_toml(&self) -> Result<String, Error> {
        let raw = Raw {
            format: FORMAT.to_owned(),
            sequence: self.sequence,
            changed: self.changed.unwrap_or_default(),
            since: self.since.iter().map(|&(kind, from)| RawSince { kind, from }).collect(),
            former: self.former.clone(),
            rotations: self.rotations.iter().map(RawRotation::of).collect(),
        };
        let body = toml::to_string(&raw).map_err(|_| KeysError::History)?;
        Ok(format!("# The keys this node had. Written by `symbolon key rotate`; keep it with the key files.\n{body}"))
    }

    /// When the key of `kind` in force came into force, if it is not the first one.
    #[must_use]
    pub fn since(&self, kind: KeyKind) -> Option<DateTime<Utc>> {
        self.since.iter().find(|since| since.0 == kind).map(|since| since.1)
    }

    /// The withdrawn keys, as a card shows them.
    #[must_use]
    pub fn revoked(&self) -> Vec<RevokedKey> {
        let withdrawn = self.former.iter().filter(|key| key.revoked.is_some());
        let key = withdrawn.filter_map(|key| match key.kind {
            KeyKind::Tls => key.public.parse().map(RevokedKey::Tls).ok(),
            KeyKind::Organisation => key.public.parse().map(RevokedKey::Organisation).ok(),
            KeyKind::Sealing => None,
        });
        key.collect()
    }
}

/// Reads what the file may hold, for fuzzing: one that is taken is written as it was read.
#[cfg(fuzzing)]
pub fn fuzz_history(text: &str) {
    if let Some(history) = History::parse(text)
        && let Ok(text) = history.to_toml()
    {
        let again = History::parse(&text).expect("a history of its own writing");
        assert_eq!(again.to_toml().expect("written before"), text);
        assert!(history.revoked().len() <= history.former.len());
    }
}

impl RawRotation {
    fn of(rotation: &Rotation) -> Self {
        let (old_signature, new_signature) = rotation.signatures();
        Self {
            old: rotation.old_key().to_string(),
            new: rotation.new_key().to_string(),
            made: rotation.made().to_string(),
            until: rotation.until().to_string(),
            old_signature: old_signature.to_string(),
            new_signature: new_signature.to_string(),
        }
    }

    fn read(&self) -> Option<Rotation> {
        let keys = (self.old.parse().ok()?, self.new.parse().ok()?);
        let times = (self.made.parse().ok()?, self.until.parse().ok()?);
        let signatures = (self.old_signature.parse().ok()?, self.new_signature.parse().ok()?);
        Rotation::from_parts(keys, times, signatures).ok()
    }
}

/// A time as RFC 3339 text.
mod stamp {
    use chrono::{DateTime, Utc};
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    use crate::store::time_text;

    pub(super) fn serialize<S: Serializer>(time: &DateTime<Utc>, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&time_text(*time))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<DateTime<Utc>, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(|_| D::Error::custom("no RFC 3339 time"))
    }
}

/// The same, where there may be none.
mod optional_stamp {
    use chrono::{DateTime, Utc};
    use serde::{Deserializer, Serialize, Serializer};

    use crate::store::time_text;

    #[expect(clippy::ref_option, reason = "serde hands the field by reference")]
    pub(super) fn serialize<S: Serializer>(time: &Option<DateTime<Utc>>, serializer: S) -> Result<S::Ok, S::Error> {
        time.map(time_text).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<DateTime<Utc>>, D::Error> {
        super::stamp::deserialize(deserializer).map(Some)
    }
}

/// A kind of key as its word.
mod word {
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    use crate::keystore::KeyKind;

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands the field by reference")]
    pub(super) fn serialize<S: Serializer>(kind: &KeyKind, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(kind.as_str())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<KeyKind, D::Error> {
        let word = String::deserialize(deserializer)?;
        let all = [KeyKind::Tls, KeyKind::Organisation, KeyKind::Sealing];
        all.into_iter().find(|kind| kind.as_str() == word).ok_or_else(|| D::Error::custom("no kind of key"))
    }
}
