//! The result of a job: a directory with the joined file and a manifest that says where it comes from.
//!
//! ```text
//! results/<job id>/result.csv.sealed | result.parquet.sealed | result.arrow.sealed
//! results/<job id>/manifest.json
//! ```
//!
//! The table's writer writes straight into an encrypting stream under a key of this job alone, see [`sealed`]; no row
//! of a result lies open on the disk unless someone exports it. The manifest has counts and digests, no row, and is
//! not encrypted. Until [`Writer::keep`] the directory goes away with the writer, so a failed job leaves nothing; what
//! a killed process leaves is removed at the next start.

use std::path::PathBuf;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use symbolon_primitives::kdf::Label;
use symbolon_primitives::secret::Seed;
use symbolon_primitives::sign::{Signature, Signer, VerifyingKey};
use symbolon_psi::{Protocol, Report, Role, leakage};
use symbolon_tables::Format;

use crate::config::Settings;
use crate::error::{Environment, Error};
use crate::files;
use crate::keystore::AtRest;
use crate::store::{JobId, ResultRecord, time_text};

pub use sealed::{Reader, SealedFile, SealingContext};

pub mod sealed;

/// The value of [`Manifest::format`].
pub const MANIFEST_FORMAT: &str = "symbolon-result/1";

const MANIFEST_FILE: &str = "manifest.json";

/// What a result is and where it comes from. Kept beside the file and in the store, as JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(
    clippy::exhaustive_structs,
    reason = "a manifest is built from all its fields; forgetting one must not compile"
)]
pub struct Manifest {
    /// The form of this document, [`MANIFEST_FORMAT`].
    pub format: String,
    /// The version of the software.
    pub software: String,
    /// The job, as in this node.
    pub job: String,
    /// The agreement, hexadecimal.
    pub agreement: String,
    /// The agreement's title.
    pub title: String,
    /// The agreement's purpose.
    pub purpose: String,
    /// The protocol.
    pub protocol: String,
    /// The kind of result.
    pub result: String,
    /// The own side of the protocol: sender or receiver.
    pub role: String,
    /// The session both nodes ran, hexadecimal.
    pub sid: String,
    /// The own institution and table.
    pub own: ManifestSide,
    /// The partner's.
    pub peer: ManifestSide,
    /// Matches, as far as the protocol tells this side.
    pub matched: Option<u64>,
    /// What each side learned from the run.
    pub leakage: ManifestLeakage,
    /// The rules that brought keys to one form.
    pub normaliser: ManifestNormaliser,
    /// The file; a count has none.
    pub file: Option<ManifestFile>,
    /// The hashes that ended both directions.
    pub transcript: Option<ManifestTranscript>,
    /// The digest of offer and acceptance as they travelled, hexadecimal.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub job_spec: Option<String>,
    /// The receipt both institutions signed.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub receipt: Option<String>,
    /// The own organisation key's signature over this document without this field, as compact JSON.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub signature: Option<String>,
    /// When the run was accepted, RFC 3339.
    pub started_at: String,
    /// When it ended, RFC 3339.
    pub finished_at: String,
}

impl Manifest {
    /// Signs the document with the own organisation key.
    ///
    /// # Errors
    /// [`symbolon_primitives::Error::KeyUnavailable`] when the key cannot sign.
    pub fn signed(mut self, key: &dyn Signer) -> Result<Self, Error> {
        let signature = key.try_sign(Label::Manifest, &[&self.unsigned()?])?;
        self.signature = Some(signature.to_string());
        Ok(self)
    }

    /// Checks the signature with the key the document names as its own institution's.
    ///
    /// # Errors
    /// [`symbolon_primitives::Error::VerificationFailed`] when it is missing or does not fit.
    pub fn verify(&self) -> Result<(), Error> {
        let failed = symbolon_primitives::Error::VerificationFailed;
        let signature: Signature = self.signature.as_deref().ok_or(failed)?.parse()?;
        let key: VerifyingKey = self.own.organisation_key.parse()?;
        Ok(key.verify(Label::Manifest, &[&self.unsigned()?], &signature)?)
    }

    fn unsigned(&self) -> Result<Vec<u8>, Error> {
        let bare = Self { signature: None, ..self.clone() };
        serde_json::to_vec(&bare).map_err(|_| Environment::Corrupt { what: "manifest" }.into())
    }
}

/// One institution's side of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(clippy::exhaustive_structs, reason = "as the manifest")]
pub struct ManifestSide {
    /// The institution's name in the agreement.
    pub name: String,
    /// Its organisation key.
    pub organisation_key: String,
    /// Its table's name in the agreement.
    pub table: String,
    /// The rows it declared, rounded up.
    pub rows_declared: u64,
    /// SHA-256 of its table's file, hexadecimal; known for the own side only.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub table_sha256: Option<String>,
}

/// What each side learned, as the protocol's own statement says it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(clippy::exhaustive_structs, reason = "as the manifest")]
pub struct ManifestLeakage {
    /// What this institution learned.
    pub own: ManifestStatement,
    /// What the partner learned.
    pub peer: ManifestStatement,
}

/// The statement on one side.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(clippy::exhaustive_structs, reason = "as the manifest")]
pub struct ManifestStatement {
    /// How far the other side may deviate without the statement failing: malicious or semi-honest.
    pub model: String,
    /// What this side learned.
    pub learns: Vec<ManifestFact>,
    /// What the statement does not promise.
    pub caveats: Vec<ManifestFact>,
}

impl ManifestLeakage {
    /// The statements for the side `own` of a run.
    #[must_use]
    pub fn of(protocol: Protocol, own: Role, payload: bool, release: Option<Report>) -> Self {
        let statement = |role| ManifestStatement::of(protocol, role, payload, release);
        Self { own: statement(own), peer: statement(own.peer()) }
    }
}

impl ManifestStatement {
    /// The statement on the side `role` of a run.
    pub(crate) fn of(protocol: Protocol, role: Role, payload: bool, release: Option<Report>) -> Self {
        let statement = leakage::statement(protocol, role, payload, release);
        let facts = |items: &[leakage::Item]| {
            let fact = |item: &leakage::Item| ManifestFact { key: item.key.into(), sentence: item.text.into() };
            items.iter().map(fact).collect()
        };
        Self {
            model: statement.model.as_str().to_owned(),
            learns: facts(&statement.learns),
            caveats: facts(&statement.caveats),
        }
    }
}

/// One fact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(clippy::exhaustive_structs, reason = "as the manifest")]
pub struct ManifestFact {
    /// The stable word.
    pub key: String,
    /// The same as a sentence.
    pub sentence: String,
}

/// The rules that brought keys to one form.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(clippy::exhaustive_structs, reason = "as the manifest")]
pub struct ManifestNormaliser {
    /// Their version.
    pub version: String,
    /// The digest of the rules, as in the agreement.
    pub digest: String,
}

/// The file of a result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(clippy::exhaustive_structs, reason = "as the manifest")]
pub struct ManifestFile {
    /// Its name; in the result's directory it ends in `.sealed`.
    pub name: String,
    /// Its rows.
    pub rows: u64,
    /// Its bytes once it is opened.
    pub bytes: u64,
    /// Its SHA-256 once it is opened, hexadecimal.
    pub sha256: String,
    /// Bytes of the encrypted file; results of earlier releases are not encrypted.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub sealed_bytes: Option<u64>,
    /// SHA-256 of the encrypted file, hexadecimal.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub sealed_sha256: Option<String>,
}

/// The hashes over everything that was sent and received.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(clippy::exhaustive_structs, reason = "as the manifest")]
pub struct ManifestTranscript {
    /// Over what this node sent, hexadecimal.
    pub sent: String,
    /// Over what it received, hexadecimal.
    pub received: String,
}

/// A time as manifests write it.
#[must_use]
pub fn manifest_time(time: DateTime<Utc>) -> String {
    time_text(time)
}

/// The result of a job in the making.
#[derive(Debug)]
pub struct Writer {
    directory: PathBuf,
    /// The key of the job, made for it alone.
    key: Seed,
    /// The same for the store.
    sealed_key: Vec<u8>,
    kept: bool,
}

impl Writer {
    /// Makes the directory of a job's result, which must not exist yet, and the job's key.
    ///
    /// # Errors
    /// [`Error::AlreadyExists`] when there is one; environment errors.
    pub fn begin(settings: &Settings, at_rest: &AtRest, job: JobId) -> Result<Self, Error> {
        let parent = settings.results_dir();
        files::create_private_dir(&parent)?;
        let directory = parent.join(job.to_string());
        if directory.exists() {
            return Err(Error::AlreadyExists { what: "a result of this job" });
        }
        let key = Seed::random()?;
        let sealed_key = at_rest.seal_job_key(job, &key)?;
        files::create_private_dir(&directory)?;
        Ok(Self { directory, key, sealed_key, kept: false })
    }

    /// Begins the file: what is written into it is encrypted under the job's key.
    ///
    /// # Errors
    /// Environment errors.
    pub fn file(&self, format: Format, context: &SealingContext<'_>) -> Result<SealedFile, Error> {
        SealedFile::create(&self.directory, file_name(format), &self.key, context)
    }

    /// Writes the manifest and gives the record for the store.
    ///
    /// # Errors
    /// Environment errors.
    pub fn finish(&mut self, manifest: &Manifest) -> Result<ResultRecord, Error> {
        let text = serde_json::to_string_pretty(manifest).map_err(|_| Environment::Corrupt { what: "manifest" })?;
        files::create_new(&self.directory.join(MANIFEST_FILE), text.as_bytes(), files::PRIVATE_FILE)?;
        let sha256 = manifest.file.as_ref().map(|file| {
            let mut digest = [0; 32];
            hex::decode_to_slice(&file.sha256, &mut digest)
                .map(|()| digest)
                .map_err(|_| Environment::Corrupt { what: "digest of the result" })
        });
        Ok(ResultRecord {
            directory: self.directory.clone(),
            file: manifest.file.as_ref().map(|file| sealed::sealed_name(&file.name)),
            rows: manifest.file.as_ref().map(|file| file.rows),
            matched: manifest.matched,
            sha256: sha256.transpose()?,
            manifest: text,
            sealed_key: manifest.file.is_some().then(|| self.sealed_key.clone()),
            deleted_at: None,
        })
    }

    /// Keeps the directory, once the store has the record.
    pub fn keep(mut self) {
        self.kept = true;
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        if !self.kept {
            // What cannot be removed now is removed at the next start.
            drop(std::fs::remove_dir_all(&self.directory));
        }
    }
}

/// The path of a result's manifest.
#[must_use]
pub fn manifest_path(record: &ResultRecord) -> PathBuf {
    record.directory.join(MANIFEST_FILE)
}

fn file_name(format: Format) -> String {
    format!("result.{}", format.as_str())
}

#[cfg(test)]
pub(crate) mod tests {
    use std::collections::BTreeMap;
    use std::path::Path;

    use super::*;

    fn settings(home: &Path) -> Settings {
        Settings::from_toml(&Settings::template("N", "127.0.0.1:0", "127.0.0.1:1"), home, &BTreeMap::new()).unwrap()
    }

    pub(crate) fn manifest(job: JobId) -> Manifest {
        let side = |name: &str| ManifestSide {
            name: name.to_owned(),
            organisation_key: "ed25519:x".to_owned(),
            table: "t".to_owned(),
            rows_declared: 16,
            table_sha256: None,
        };
        Manifest {
            format: MANIFEST_FORMAT.to_owned(),
            software: "0.1.0".to_owned(),
            job: job.to_string(),
            agreement: hex::encode([1; 32]),
            title: "Test".to_owned(),
            purpose: "Testing".to_owned(),
            protocol: "ecdh-oprf".to_owned(),
            result: "enrich".to_owned(),
            role: "receiver".to_owned(),
            sid: hex::encode([2; 32]),
            own: side("Bank"),
            peer: side("Bureau"),
            matched: Some(2),
            leakage: ManifestLeakage::of(Protocol::EcdhOprf, Role::Receiver, true, None),
            normaliser: ManifestNormaliser { version: "1".to_owned(), digest: "sha256:x".to_owned() },
            file: Some(ManifestFile {
                name: "result.csv".to_owned(),
                rows: 2,
                bytes: 4,
                sha256: hex::encode([3; 32]),
                sealed_bytes: None,
                sealed_sha256: None,
            }),
            transcript: None,
            job_spec: None,
            receipt: None,
            signature: None,
            started_at: "2026-01-01T00:00:00.000Z".to_owned(),
            finished_at: "2026-01-01T00:00:01.000Z".to_owned(),
        }
    }

    #[test]
    fn a_kept_result_stays_with_its_manifest() {
        let home = tempfile::tempdir().unwrap();
        let job = JobId::random().unwrap();
        let at_rest = AtRest::generate().unwrap();
        let mut writer = Writer::begin(&settings(home.path()), &at_rest, job).unwrap();
        let context = manifest(job);
        let mut file = writer.file(Format::Csv, &SealingContext::of(&context)).unwrap();
        std::io::Write::write_all(&mut file, b"a\n1\n").unwrap();
        let (sealed_bytes, _) = file.finish().unwrap();
        let record = writer.finish(&manifest(job)).unwrap();
        writer.keep();
        let text = std::fs::read_to_string(manifest_path(&record)).unwrap();
        assert_eq!(serde_json::from_str::<Manifest>(&text).unwrap(), manifest(job));
        assert_eq!(record.sha256, Some([3; 32]));
        let length = std::fs::metadata(record.directory.join("result.csv.sealed")).unwrap().len();
        assert_eq!(length, sealed_bytes);
        assert_eq!(std::fs::read_dir(&record.directory).unwrap().count(), 2);
        assert!(matches!(Writer::begin(&settings(home.path()), &at_rest, job), Err(Error::AlreadyExists { .. })));
    }

    #[test]
    fn the_leakage_of_a_join_names_what_each_side_learns() {
        let leakage = ManifestLeakage::of(Protocol::EcdhOprf, Role::Receiver, true, None);
        let keys =
            |statement: &ManifestStatement| statement.learns.iter().map(|fact| fact.key.clone()).collect::<Vec<_>>();
        assert!(keys(&leakage.own).contains(&"matched_payload".to_owned()));
        assert!(!keys(&leakage.peer).contains(&"matched_keys".to_owned()));
    }

    #[test]
    fn an_abandoned_result_leaves_nothing() {
        let home = tempfile::tempdir().unwrap();
        let job = JobId::random().unwrap();
        let mut writer = Writer::begin(&settings(home.path()), &AtRest::generate().unwrap(), job).unwrap();
        std::fs::write(writer.directory.join("result.csv.sealed.part"), "half").unwrap();
        writer.finish(&manifest(job)).unwrap();
        drop(writer);
        assert_eq!(std::fs::read_dir(home.path().join("results")).unwrap().count(), 0);
    }
}
