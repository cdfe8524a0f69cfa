//! Reading, exporting and verifying evidence.
//!
//! ```text
//! export.json              who exported, when, and the organisation keys by name; names are for people, not evidence
//! log.jsonl  checkpoint    the log, and the institution's signature over all of it
//! cosigned/*.checkpoint    earlier checkpoints of the log that partners vouched for
//! seen/*.checkpoint        checkpoints of partners' logs this institution vouched for
//! conflicts/*.checkpoint   checkpoints of partners' logs that contradict what was seen before
//! receipts/*.receipt       receipts of jobs, named by their SHA-256
//! report.html              all of it for people
//! ```

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use symbolon_policy::audit::{Bundle, Check, Entry, Log, SignedCheckpoint};
use symbolon_primitives::sign::VerifyingKey;

use crate::client::SOFTWARE;
use crate::error::{Environment, Error, FileAction};
use crate::files;
use crate::home::Home;
use crate::store::time_text;

mod report;

/// The value of [`ExportIndex::format`].
pub const EXPORT_FORMAT: &str = "symbolon-audit-export/1";

const INDEX: &str = "export.json";
const LOG: &str = "log.jsonl";
const CHECKPOINT: &str = "checkpoint";
const REPORT: &str = "report.html";
const FOLDERS: [&str; 4] = ["cosigned", "seen", "conflicts", "receipts"];

/// The largest file of an export that is read back: far above what a node logs in years.
const FILE_BYTES_MAX: u64 = 4 << 30;
/// The most files of a folder of an export that are read back.
const FOLDER_FILES_MAX: usize = 1_000_000;

/// An entry with its position.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LoggedEntry {
    /// Position, from 0.
    pub index: u64,
    /// The entry.
    pub entry: Entry,
}

/// What an export is and whose keys appear in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(clippy::exhaustive_structs, reason = "built from all its fields; forgetting one must not compile")]
pub struct ExportIndex {
    /// The form of the export, [`EXPORT_FORMAT`].
    pub format: String,
    /// The version of the software.
    pub software: String,
    /// The institution.
    pub institution: String,
    /// Its present organisation key.
    pub organisation_key: String,
    /// When it was made, RFC 3339.
    pub exported_at: String,
    /// Entries of the log.
    pub entries: u64,
    /// Its partners.
    pub partners: Vec<ExportPartner>,
    /// Its agreements.
    pub agreements: Vec<ExportAgreement>,
}

/// A partner by name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(clippy::exhaustive_structs, reason = "as the index")]
pub struct ExportPartner {
    /// The name on its card.
    pub institution: String,
    /// Its organisation key.
    pub organisation_key: String,
}

/// An agreement by title.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(clippy::exhaustive_structs, reason = "as the index")]
pub struct ExportAgreement {
    /// Its id, hexadecimal.
    pub id: String,
    /// Its title.
    pub title: String,
}

/// What an export holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ExportView {
    /// The directory, absolute.
    pub directory: PathBuf,
    /// The report for people.
    pub report: PathBuf,
    /// Entries of the log.
    pub entries: u64,
    /// Checkpoints partners vouched for.
    pub cosigned: usize,
    /// Checkpoints of partners.
    pub seen: usize,
    /// Checkpoints of partners that contradict what was seen before.
    pub conflicts: usize,
    /// Receipts.
    pub receipts: usize,
}

impl Home {
    /// The entries of the log from position `from`, at most `limit` of them, and how many there are.
    ///
    /// # Errors
    /// [`EvidenceError`](crate::error::EvidenceError) when the log was changed; environment errors.
    pub async fn audit_log(&self, from: u64, limit: u64) -> Result<(Vec<LoggedEntry>, u64), Error> {
        let log = self.whole_log().await?.0;
        let all = log.entries().iter().cloned().zip(0..).map(|(entry, index)| LoggedEntry { index, entry });
        let wanted = all.filter(|logged| logged.index >= from).take(usize::try_from(limit).unwrap_or(usize::MAX));
        Ok((wanted.collect(), log.tree().size()))
    }

    /// The last `limit` entries of the log, the oldest of them first, and how many there are.
    ///
    /// # Errors
    /// As [`Home::audit_log`].
    pub async fn audit_log_end(&self, limit: u64) -> Result<(Vec<LoggedEntry>, u64), Error> {
        let size = self.whole_log().await?.0.tree().size();
        self.audit_log(size.saturating_sub(limit), limit).await
    }

    /// Signs the present end of the log.
    ///
    /// # Errors
    /// As [`Home::audit_log`].
    pub async fn audit_checkpoint(&self) -> Result<SignedCheckpoint, Error> {
        Ok(self.evidence().head(Vec::new()).await?.checkpoint)
    }

    /// Everything of this home that can be verified, as an export would hold it.
    ///
    /// # Errors
    /// As [`Home::audit_log`].
    pub async fn audit_bundle(&self) -> Result<Bundle, Error> {
        let (log, checkpoint) = self.evidence().read().await?;
        let own = self.store().own_checkpoints().await?;
        let own = own.into_iter().map(|own| {
            let name = format!("cosigned/{:08}-{}.checkpoint", own.size, &hex::encode(own.peer_key)[..16]);
            (name, own.note.into_bytes())
        });
        let peers = self.store().peer_checkpoints().await?;
        let notes = |conflict: bool, folder: &'static str| {
            let wanted = peers.iter().filter(move |seen| seen.conflict == conflict);
            let named = wanted.map(move |seen| {
                let (origin, root) = (hex::encode(seen.origin), hex::encode(seen.root));
                let name = format!("{folder}/{}-{:08}-{}.checkpoint", &origin[..16], seen.size, &root[..8]);
                (name, seen.note.clone().into_bytes())
            });
            named.collect::<Vec<_>>()
        };
        let receipts = self.store().receipts().await?.into_iter().map(|record| {
            let name = format!("receipts/{}.receipt", hex::encode(Sha256::digest(&record.receipt)));
            (name, record.receipt.into_bytes())
        });
        let mut partners = Vec::new();
        for key in peers.iter().map(|seen| seen.peer_key) {
            partners.push(VerifyingKey::from_bytes(&key)?);
        }
        for peer in self.store().peers().await? {
            partners.push(VerifyingKey::from_bytes(&peer.organisation_key)?);
        }
        Ok(Bundle {
            name: String::new(),
            log,
            checkpoint: checkpoint.to_string().into_bytes(),
            cosigned: own.collect(),
            seen: notes(false, "seen"),
            conflicts: notes(true, "conflicts"),
            receipts: receipts.collect(),
            pinned: None,
            partners,
        })
    }

    /// Verifies the own log, everything partners vouched for, and all receipts.
    ///
    /// # Errors
    /// As [`Home::audit_log`]; what does not hold is in the checks.
    pub async fn audit_verify(&self) -> Result<Vec<Check>, Error> {
        Ok(self.audit_bundle().await?.verify())
    }

    /// Writes the log, checkpoints, receipts, keys and a report to `directory`, which must not exist or be empty.
    ///
    /// # Errors
    /// [`Error::AlreadyExists`] when the directory holds something; as [`Home::audit_log`].
    pub async fn audit_export(&self, directory: &Path) -> Result<ExportView, Error> {
        let directory =
            std::path::absolute(directory).map_err(|it| files::failed(FileAction::Create, directory, it))?;
        let bundle = self.audit_bundle().await?;
        let log = Log::read(&bundle.log).map_err(symbolon_policy::Error::from)?;
        let index = self.export_index(&log, &bundle).await?;
        let html = report::html(&index, &log, &bundle);
        make_empty(&directory)?;
        let write = |name: &str, content: &[u8]| files::create_new(&directory.join(name), content, files::PRIVATE_FILE);
        for folder in FOLDERS {
            files::create_private_dir(&directory.join(folder))?;
        }
        write(LOG, &bundle.log)?;
        write(CHECKPOINT, &bundle.checkpoint)?;
        for (name, content) in
            [&bundle.cosigned, &bundle.seen, &bundle.conflicts, &bundle.receipts].into_iter().flatten()
        {
            write(name, content)?;
        }
        let text = serde_json::to_string_pretty(&index).map_err(|_| Environment::Corrupt { what: "name" })?;
        write(INDEX, text.as_bytes())?;
        write(REPORT, html.as_bytes())?;
        Ok(ExportView {
            report: directory.join(REPORT),
            directory,
            entries: log.tree().size(),
            cosigned: bundle.cosigned.len(),
            seen: bundle.seen.len(),
            conflicts: bundle.conflicts.len(),
            receipts: bundle.receipts.len(),
        })
    }

    async fn whole_log(&self) -> Result<(Log, SignedCheckpoint), Error> {
        let (bytes, checkpoint) = self.evidence().read().await?;
        Ok((Log::read(&bytes).map_err(symbolon_policy::Error::from)?, checkpoint))
    }

    async fn export_index(&self, log: &Log, bundle: &Bundle) -> Result<ExportIndex, Error> {
        let peers = self.store().peers().await?;
        let name = |key: &VerifyingKey| {
            let known = peers.iter().find(|peer| peer.organisation_key == key.to_bytes());
            known.map_or_else(|| "an earlier key of a partner".to_owned(), |peer| peer.institution.clone())
        };
        let mut partners: Vec<ExportPartner> = Vec::new();
        for key in &bundle.partners {
            let organisation_key = key.to_string();
            if partners.iter().all(|partner| partner.organisation_key != organisation_key) {
                partners.push(ExportPartner { institution: name(key), organisation_key });
            }
        }
        let agreements = self.store().agreements().await?.into_iter();
        let agreements = agreements.map(|it| ExportAgreement { id: hex::encode(it.id), title: it.title }).collect();
        Ok(ExportIndex {
            format: EXPORT_FORMAT.to_owned(),
            software: SOFTWARE.to_owned(),
            institution: self.settings().institution.clone(),
            organisation_key: self.keys().organisation_public().to_string(),
            exported_at: time_text(self.clock().now()),
            entries: log.tree().size(),
            partners,
            agreements,
        })
    }
}

/// Reads an export back for verifying, needing nothing but its files. `pinned` is the institution's organisation key as
/// the reader knows it.
///
/// # Errors
/// [`Error::Misuse`] when the directory is no export; environment errors.
pub fn read_export(directory: &Path, pinned: Option<VerifyingKey>) -> Result<Bundle, Error> {
    let no_export = || Error::Misuse {
        what: "the directory holds no export of evidence",
        remedy: "give a directory that `audit export` wrote",
    };
    let index = match files::read(&directory.join(INDEX), FILE_BYTES_MAX) {
        Ok(bytes) => bytes,
        Err(Error::Environment(Environment::File { source, .. })) if source.kind() == std::io::ErrorKind::NotFound => {
            return Err(no_export());
        }
        Err(error) => return Err(error),
    };
    let index: ExportIndex = serde_json::from_slice(&index).map_err(|_| no_export())?;
    let partners = index.partners.iter().map(|partner| partner.organisation_key.parse()).collect::<Result<_, _>>()?;
    let folder = |name: &str| read_folder(directory, name);
    Ok(Bundle {
        name: directory.file_name().unwrap_or_default().to_string_lossy().into_owned(),
        log: files::read(&directory.join(LOG), FILE_BYTES_MAX)?,
        checkpoint: files::read(&directory.join(CHECKPOINT), FILE_BYTES_MAX)?,
        cosigned: folder(FOLDERS[0])?,
        seen: folder(FOLDERS[1])?,
        conflicts: folder(FOLDERS[2])?,
        receipts: folder(FOLDERS[3])?,
        pinned,
        partners,
    })
}

fn read_folder(directory: &Path, name: &str) -> Result<Vec<(String, Vec<u8>)>, Error> {
    let folder = directory.join(name);
    let failed = |source| files::failed(FileAction::Read, &folder, source);
    let mut content = Vec::new();
    for entry in std::fs::read_dir(&folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        content.push((format!("{name}/{file}"), files::read(&path, FILE_BYTES_MAX)?));
        if content.len() > FOLDER_FILES_MAX {
            let max = FOLDER_FILES_MAX as u64;
            return Err(Error::LimitExceeded { what: "files of an export", max, got: max + 1 });
        }
    }
    content.sort();
    Ok(content)
}

fn make_empty(directory: &Path) -> Result<(), Error> {
    files::create_private_dir(directory)?;
    let failed = |source| files::failed(FileAction::Read, directory, source);
    if std::fs::read_dir(directory).map_err(failed)?.next().is_some() {
        return Err(Error::AlreadyExists { what: "the directory, with something in it," });
    }
    Ok(())
}
