//! From what the machine gives to what lies in the result's directory.

use std::sync::Arc;

use symbolon_policy::audit::Receipt;
use symbolon_policy::{Permit, ResultKind};
use symbolon_psi::{Outcome, Output, SessionSpec, TranscriptHashes};
use symbolon_tables::{Format, JoinOutput, Match, PayloadLayout, write_join_into};

use super::deal::Deal;
use super::run::Own;
use crate::client::SOFTWARE;
use crate::convert;
use crate::error::{Error, Refused};
use crate::home::Home;
use crate::ops::blocking;
use crate::result::{
    MANIFEST_FORMAT, Manifest, ManifestLeakage, ManifestNormaliser, ManifestSide, ManifestTranscript, SealingContext,
    Writer, manifest_time,
};
use crate::store::{JobRecord, ResultRecord};

/// A job that came to its end.
#[derive(Debug, Default)]
pub(super) struct Done {
    /// Its result; a side that only sends has none.
    pub(super) record: Option<ResultRecord>,
    /// Holds the result's directory until the store has the record.
    pub(super) writer: Option<Writer>,
}

/// What this side learned, ready to be written.
struct Learned {
    /// Keys both have.
    matched: u64,
    /// Own rows with their payload; a count has none.
    rows: Option<(Vec<Match>, Vec<u8>)>,
}

/// A run that ended, with everything the manifest says about it.
pub(super) struct Finished {
    pub(super) home: Home,
    pub(super) job: JobRecord,
    pub(super) deal: Arc<Deal>,
    pub(super) permit: Permit,
    pub(super) own: Own,
    pub(super) spec: SessionSpec,
    pub(super) receipt: Receipt,
    pub(super) outcome: Outcome,
}

/// Checks the agreement's minimum and writes file and manifest. Whatever fails here stays in this house.
///
/// # Errors
/// [`Refused::BelowMinimum`]; what the table's writer meets; environment errors. Nothing is left behind then.
pub(super) async fn write(run: Finished, pool: Arc<rayon::ThreadPool>) -> Result<Done, Error> {
    blocking(move || pool.install(|| write_now(run))).await
}

fn write_now(run: Finished) -> Result<Done, Error> {
    let Finished { home, job, deal, permit, own, spec, receipt, outcome } = run;
    let transcript = outcome.transcript();
    let Some(learned) = learn(outcome.into_output(), &own, deal.result)? else {
        return Ok(Done::default());
    };
    if learned.matched < permit.intersection_min {
        return Err(Refused::BelowMinimum.into());
    }
    let mut writer = Writer::begin(home.settings(), home.key_store().at_rest(), job.id)?;
    let mut manifest = manifest(&home, &job, &deal, &own, &spec, &receipt, transcript, learned.matched);
    manifest.file = match &learned.rows {
        Some((matches, payload)) => {
            let layout = match deal.result {
                ResultKind::Enrich => convert::payload_layout(&permit.columns)?,
                _ => PayloadLayout::new(Vec::new()).map_err(symbolon_tables::Error::from)?,
            };
            let format = job.output.unwrap_or(Format::Csv);
            let all = || own.table.spec.columns.iter().map(|column| column.name.clone()).collect();
            let own_columns = if job.own_columns.is_empty() { all() } else { job.own_columns.clone() };
            let mut file = writer.file(format, &SealingContext::of(&manifest))?;
            let path = file.path().to_path_buf();
            let output = JoinOutput {
                own: &own.table.spec,
                own_digest: own.keyed.digest,
                own_columns: &own_columns,
                matches,
                payload,
                layout: &layout,
                prefix: &prefix(&job.peer),
                path: &path,
                format,
            };
            let written = write_join_into(&output, &mut file)?;
            Some(file.describe(&written)?)
        }
        None => None,
    };
    let manifest = manifest.signed(home.keys().organisation())?;
    let record = writer.finish(&manifest)?;
    Ok(Done { record: Some(record), writer: Some(writer) })
}

/// What the machine's output says about the own table; nothing for a side that only sent.
fn learn(output: Output, own: &Own, result: ResultKind) -> Result<Option<Learned>, Error> {
    let learned = match output {
        Output::Matched(mut rows) => {
            if rows.unopened_rows > 0 {
                tracing::warn!(rows = rows.unopened_rows, "matched rows whose payload did not open were left out");
            }
            let mut keys = rows.keys.clone();
            keys.dedup();
            let matched = keys.len() as u64;
            if result == ResultKind::Match {
                // Rows of the peer that share a key are one match.
                rows.keys = keys;
            }
            Learned { matched, rows: Some((own.keyed.pair(&rows.keys)?, rows.payload)) }
        }
        Output::Mutual(keys) => {
            Learned { matched: keys.len() as u64, rows: Some((own.keyed.pair(&keys)?, Vec::new())) }
        }
        Output::Count(matched) => Learned { matched, rows: None },
        // The receiver reported too few matches, and its columns stay closed: both sides end the job alike.
        Output::Withheld { .. } | Output::Reported { released: false, .. } => return Err(Refused::BelowMinimum.into()),
        _ => return Ok(None),
    };
    Ok(Some(learned))
}

/// What stands before a column of the peer's whose name an own column has.
fn prefix(peer: &str) -> String {
    let plain = |letter: char| if letter.is_alphanumeric() { letter } else { '_' };
    peer.to_lowercase().chars().map(plain).chain(['_']).collect()
}

/// The manifest without its file.
#[expect(clippy::too_many_arguments, reason = "each is a part of the manifest and used once")]
fn manifest(
    home: &Home,
    job: &JobRecord,
    deal: &Deal,
    own: &Own,
    spec: &SessionSpec,
    receipt: &Receipt,
    transcript: TranscriptHashes,
    matched: u64,
) -> Manifest {
    let terms = deal.signed.agreement().terms();
    let side = |party: &symbolon_policy::Party, rows_declared, table_sha256| ManifestSide {
        name: party.name.as_str().to_owned(),
        organisation_key: party.organisation_key.to_string(),
        table: party.table.as_str().to_owned(),
        rows_declared,
        table_sha256,
    };
    let role = deal.role();
    let now = home.clock().now();
    Manifest {
        format: MANIFEST_FORMAT.to_owned(),
        software: SOFTWARE.to_owned(),
        job: job.id.to_string(),
        agreement: deal.signed.id().to_string(),
        title: terms.title.as_str().to_owned(),
        purpose: terms.purpose.as_str().to_owned(),
        protocol: deal.protocol.to_string(),
        result: deal.result.to_string(),
        role: role.to_string(),
        sid: hex::encode(spec.sid.as_bytes()),
        own: side(deal.own(), spec.rows(role), Some(hex::encode(own.keyed.digest))),
        peer: side(deal.other(), spec.rows(role.peer()), None),
        matched: Some(matched),
        leakage: ManifestLeakage::of(
            deal.protocol,
            role,
            spec.payload_bytes > 0,
            spec.release.map(|release| release.report),
        ),
        normaliser: ManifestNormaliser {
            version: terms.normaliser.version.as_str().to_owned(),
            digest: terms.normaliser.digest.to_string(),
        },
        file: None,
        transcript: Some(ManifestTranscript {
            sent: hex::encode(transcript.sent),
            received: hex::encode(transcript.received),
        }),
        job_spec: Some(hex::encode(receipt.body().job_spec)),
        receipt: Some(receipt.to_string()),
        signature: None,
        started_at: manifest_time(job.started_at.unwrap_or(now)),
        finished_at: manifest_time(now),
    }
}
