//! The messages of the control port.

use symbolon_policy::cedar::PolicyInfo;
use symbolon_policy::{NoticeWord, ResultKind, Standing, Tightening};
use symbolon_psi::Protocol;
use symbolon_tables::{
    ColumnSpec, ColumnType, CsvOptions, Duplicates, Encoding, Format, KeyKind, KeyPart, QualityReport, TableSpec,
};
use symbolon_wire::v1;

use crate::error::{Error, describe};
use crate::jobs::{JobProgress, NewJob};
use crate::ops::agreements::{AgreementInput, AgreementView};
use crate::ops::jobs::ResultView;
use crate::ops::keys::OwnKey;
use crate::ops::node::NodeInfo;
use crate::ops::policies::ExplainedDecision;
use crate::store::{
    AgreementRecord, AgreementState, Failure, JobRecord, JobState, PeerRecord, Side, TableRecord, time_text,
};

const REQUEST_ID_CHARACTERS_MAX: usize = 64;

const fn misuse(what: &'static str, remedy: &'static str) -> Error {
    Error::Misuse { what, remedy }
}

pub(crate) fn node(info: NodeInfo) -> v1::GetNodeResponse {
    v1::GetNodeResponse {
        institution: info.institution,
        fingerprint: info.fingerprint,
        endpoint: info.endpoint,
        software: info.software,
        normaliser_version: info.normaliser_version,
        normaliser_digest: info.normaliser_digest,
        protocols: info.protocols.into_iter().map(str::to_owned).collect(),
        fingerprint_words: info.fingerprint_words,
        card_sequence: info.card_sequence,
        spiffe_id: info.spiffe_id,
        certificate_until: info.certificate_until,
    }
}

pub(crate) fn policy(policy: &PolicyInfo) -> Result<v1::Policy, Error> {
    Ok(v1::Policy {
        id: policy.id.clone(),
        file: policy.file.clone(),
        line: super::length_u32(policy.line)?,
        forbids: policy.forbids,
        reason: policy.reason.clone(),
        text: policy.text.clone(),
    })
}

pub(crate) fn decision(decision: ExplainedDecision) -> v1::Decision {
    let record = decision.record;
    v1::Decision {
        decided_at: time_text(record.at),
        action: record.action,
        allowed: record.allowed,
        reason: record.reason,
        words: decision.words,
        policies: record.policies.into_iter().map(|policy| policy.id).collect(),
        policy_set: hex::encode(record.policy_set),
        checks: record.checks,
        facts_json: record.facts,
    }
}

pub(crate) fn own_key(key: &OwnKey) -> v1::OwnKey {
    v1::OwnKey {
        kind: key.kind.to_owned(),
        state: key.state.as_str().to_owned(),
        public: key.public.clone(),
        from: time_text(key.from),
        until: key.until.map(time_text).unwrap_or_default(),
    }
}

pub(crate) fn key_kind(word: &str) -> Result<crate::keystore::KeyKind, Error> {
    use crate::keystore::KeyKind;
    let kinds = [KeyKind::Tls, KeyKind::Organisation, KeyKind::Sealing];
    let kind = kinds.into_iter().find(|kind| kind.as_str() == word);
    kind.ok_or(misuse("the kind of key is not known", "give tls, organisation or sealing"))
}

const fn to_file_format(format: Option<Format>) -> v1::FileFormat {
    match format {
        Some(Format::Csv) => v1::FileFormat::Csv,
        Some(Format::Parquet) => v1::FileFormat::Parquet,
        Some(Format::Arrow) => v1::FileFormat::Arrow,
        _ => v1::FileFormat::Unspecified,
    }
}

fn from_file_format(value: i32) -> Result<Option<Format>, Error> {
    match v1::FileFormat::try_from(value) {
        Ok(v1::FileFormat::Unspecified) => Ok(None),
        Ok(v1::FileFormat::Csv) => Ok(Some(Format::Csv)),
        Ok(v1::FileFormat::Parquet) => Ok(Some(Format::Parquet)),
        Ok(v1::FileFormat::Arrow) => Ok(Some(Format::Arrow)),
        Err(_) => Err(misuse("the file format is not known", "give csv, parquet or arrow")),
    }
}

pub(crate) fn table(record: &TableRecord) -> v1::Table {
    let spec = &record.spec;
    let duplicates = match spec.duplicates {
        Duplicates::First => v1::DuplicatePolicy::First,
        Duplicates::All => v1::DuplicatePolicy::All,
        _ => v1::DuplicatePolicy::Reject,
    };
    v1::Table {
        name: record.name.clone(),
        path: spec.path.display().to_string(),
        format: to_file_format(Some(spec.format)).into(),
        csv: (spec.format == Format::Csv).then(|| v1::CsvOptions {
            headerless: !spec.csv.header,
            delimiter: spec.csv.delimiter.to_string(),
            encoding: spec.csv.encoding.name().to_lowercase(),
            quote: spec.csv.quote.to_string(),
        }),
        key: spec
            .key
            .iter()
            .map(|part| v1::KeyPart { column: part.column.clone(), kind: part.kind.to_string() })
            .collect(),
        duplicates: duplicates.into(),
        columns: spec
            .columns
            .iter()
            .map(|column| v1::Column { name: column.name.clone(), r#type: column.ty.to_string() })
            .collect(),
    }
}

pub(crate) fn table_spec(table: v1::Table) -> Result<TableSpec, Error> {
    let tables = |error| Error::from(symbolon_tables::Error::Spec(error));
    let path = std::path::PathBuf::from(table.path);
    let format = match from_file_format(table.format)? {
        Some(format) => format,
        None => Format::of_path(&path).map_err(tables)?,
    };
    let duplicates = match v1::DuplicatePolicy::try_from(table.duplicates) {
        Ok(v1::DuplicatePolicy::Unspecified | v1::DuplicatePolicy::Reject) => Duplicates::Reject,
        Ok(v1::DuplicatePolicy::First) => Duplicates::First,
        Ok(v1::DuplicatePolicy::All) => Duplicates::All,
        Err(_) => return Err(misuse("the duplicates policy is not known", "give reject, first or all")),
    };
    let key = table
        .key
        .into_iter()
        .map(|part| Ok(KeyPart { column: part.column, kind: part.kind.parse::<KeyKind>().map_err(tables)? }));
    let columns = table
        .columns
        .into_iter()
        .map(|column| Ok(ColumnSpec::new(column.name, column.r#type.parse::<ColumnType>().map_err(tables)?)));
    Ok(TableSpec {
        path,
        format,
        duplicates,
        csv: csv_options(table.csv.unwrap_or_default())?,
        key: key.collect::<Result<_, Error>>()?,
        columns: columns.collect::<Result<_, Error>>()?,
    })
}

fn csv_options(csv: v1::CsvOptions) -> Result<CsvOptions, Error> {
    let character = |text: &str, otherwise| {
        let mut characters = text.chars();
        match (characters.next(), characters.next()) {
            (None, _) => Ok(otherwise),
            (Some(only), None) => Ok(only),
            _ => Err(misuse("a CSV delimiter or quote has more than one character", "give one character")),
        }
    };
    let encoding = match csv.encoding.as_str() {
        "" => Encoding::Utf8,
        text => text.parse().map_err(|_| misuse("the CSV encoding is not known", "give utf8 or gbk"))?,
    };
    Ok(CsvOptions {
        header: !csv.headerless,
        delimiter: character(&csv.delimiter, ',')?,
        quote: character(&csv.quote, '"')?,
        encoding,
    })
}

pub(crate) fn report(report: QualityReport) -> v1::QualityReport {
    v1::QualityReport {
        rows: report.rows,
        usable: report.usable,
        null: report.null,
        invalid: report.invalid.count,
        invalid_rows: report.invalid.first_rows,
        duplicate: report.duplicates.count,
        duplicate_rows: report.duplicates.first_rows,
        distinct: report.distinct,
    }
}

pub(crate) fn peer(record: &PeerRecord) -> Result<v1::Peer, Error> {
    Ok(v1::Peer {
        name: record.name.clone(),
        institution: record.institution.clone(),
        fingerprint: record.fingerprint()?.to_string(),
        endpoint: record.endpoint.clone(),
        organisation_key: hex::encode(record.organisation_key),
    })
}

const fn agreement_state(view: &AgreementView) -> v1::AgreementState {
    match (view.record.state, view.standing) {
        (_, Standing::Revoked { .. }) => v1::AgreementState::Revoked,
        (AgreementState::Draft, _) => v1::AgreementState::Draft,
        (AgreementState::Proposed, _) => v1::AgreementState::Proposed,
        (AgreementState::Signed, _) => v1::AgreementState::Signed,
        (AgreementState::Active, Standing::Suspended { .. }) => v1::AgreementState::Suspended,
        (AgreementState::Active, Standing::Expired { .. }) => v1::AgreementState::Expired,
        (AgreementState::Active, Standing::Superseded { .. }) => v1::AgreementState::Superseded,
        (AgreementState::Active, Standing::NotYetValid { .. }) => v1::AgreementState::NotYetValid,
        (AgreementState::Active, Standing::Active) => v1::AgreementState::Active,
        // What is stored as active has both signatures; one that was changed on the disk is worth nothing.
        (AgreementState::Active, Standing::Draft | Standing::SignedBy(_)) => v1::AgreementState::Draft,
    }
}

/// The word of a notice; empty means none.
pub(crate) fn notice_word(word: &str) -> Result<Option<NoticeWord>, Error> {
    let remedy = "give a word of 1 to 32 letters, digits, hyphens and underscores, or none";
    let parse = |word: &str| word.parse().map_err(|_| misuse("the word of the notice cannot be used", remedy));
    Some(word).filter(|word| !word.is_empty()).map(parse).transpose()
}

/// The agreement's id and what shall be held back of it.
pub(crate) fn tightening(request: v1::TightenAgreementRequest) -> Result<(String, Tightening), Error> {
    let forbidden = Tightening::read_forbidden(&request.forbidden);
    let remedy = "write protocol and result, at most 64 of them, as in ecdh-oprf:match";
    let held = Tightening {
        runs_max: request.runs_max,
        rows_total_max: request.rows_total_max,
        rows_max: request.rows_max,
        intersection_min: request.intersection_min,
        forbidden: forbidden.map_err(|_| misuse("a result to hold back is none", remedy))?,
    };
    Ok((request.id, held))
}

pub(crate) fn agreement(view: &AgreementView) -> v1::Agreement {
    let record: &AgreementRecord = &view.record;
    v1::Agreement {
        id: hex::encode(record.id),
        title: record.title.clone(),
        peer: view.peer.clone(),
        state: agreement_state(view).into(),
        valid_from: view.valid_from.clone(),
        valid_until: view.valid_until.clone(),
        runs_spent: view.spent.runs,
        runs_max: view.runs_max,
    }
}

/// The summary as sentences, each under its chapter's heading.
pub(crate) fn summary(view: &AgreementView) -> Vec<String> {
    let mut sentences = vec![view.summary.headline.clone(), view.state_words.clone()];
    sentences.extend(Some(view.standing_words.clone()).filter(|words| !words.is_empty()));
    sentences.extend(view.held_back.iter().map(|sentence| format!("Held back here: {sentence}")));
    for chapter in &view.summary.chapters {
        sentences.extend(chapter.sentences.iter().map(|sentence| format!("{}: {sentence}", chapter.heading)));
    }
    sentences
}

pub(crate) fn agreement_input(input: Option<v1::sign_agreement_request::Agreement>) -> Result<AgreementInput, Error> {
    match input {
        Some(v1::sign_agreement_request::Agreement::Document(text)) => Ok(AgreementInput::Document(text.into_bytes())),
        Some(v1::sign_agreement_request::Agreement::Id(id)) => Ok(AgreementInput::Id(id)),
        None => Err(misuse("no agreement is given", "give a document or the id of a stored agreement")),
    }
}

pub(crate) fn new_job(request: v1::CreateJobRequest, agreement_id: [u8; 32]) -> Result<NewJob, Error> {
    if request.request_id.chars().count() > REQUEST_ID_CHARACTERS_MAX {
        return Err(misuse("the request id is too long", "give at most 64 characters"));
    }
    let protocol = match request.protocol.as_str() {
        "" => None,
        text => Some(text.parse::<Protocol>().map_err(|_| {
            misuse("the protocol is not known", "give one of those `symbolon agreement draft --help` lists")
        })?),
    };
    let result = request.result.parse::<ResultKind>();
    Ok(NewJob {
        request_id: Some(request.request_id).filter(|id| !id.is_empty()),
        agreement_id,
        protocol,
        result: result.map_err(|_| misuse("the kind of result is not known", "give match, enrich or count"))?,
        columns: request.columns,
        own_columns: request.own_columns,
        output: from_file_format(request.output)?,
    })
}

const fn job_state(state: JobState) -> v1::JobState {
    match state {
        JobState::Created => v1::JobState::Created,
        JobState::Checking => v1::JobState::Checking,
        JobState::Connecting => v1::JobState::Connecting,
        JobState::Running => v1::JobState::Running,
        JobState::Done => v1::JobState::Done,
        JobState::Failed => v1::JobState::Failed,
        JobState::Cancelled => v1::JobState::Cancelled,
    }
}

fn failure(failure: &Failure) -> v1::JobFailure {
    let described = describe(&failure.reason);
    v1::JobFailure {
        reason: failure.reason.clone(),
        message: described.map_or_else(String::new, |described| described.sentence.to_owned()),
        remedy: described.map_or_else(String::new, |described| described.remedy.to_owned()),
        incident: failure.incident.clone().unwrap_or_default(),
        resets_at: failure.resets_at.map(|at| at.to_string()).unwrap_or_default(),
    }
}

pub(crate) fn job(record: &JobRecord) -> v1::Job {
    let side = match record.side {
        Side::Initiator => v1::JobSide::Initiator,
        Side::Responder => v1::JobSide::Responder,
    };
    v1::Job {
        id: record.id.to_string(),
        request_id: record.request_id.clone().unwrap_or_default(),
        agreement_id: hex::encode(record.agreement_id),
        peer: record.peer.clone(),
        side: side.into(),
        protocol: record.protocol.to_string(),
        result: record.result.to_string(),
        columns: record.columns.clone(),
        table: record.table.clone(),
        state: job_state(record.state).into(),
        failure: record.failure.as_ref().map(failure),
        rows_own: record.rows_own.unwrap_or(0),
        rows_peer: record.rows_peer.unwrap_or(0),
        created_at: time_text(record.created_at),
        finished_at: record.finished_at.map(time_text).unwrap_or_default(),
    }
}

pub(crate) fn progress(progress: &JobProgress) -> v1::WatchJobResponse {
    v1::WatchJobResponse {
        state: job_state(progress.state).into(),
        phase: progress.phase.to_owned(),
        rows_done: progress.rows_done,
        rows_total: progress.rows_total,
        bytes_sent: progress.bytes_sent,
        bytes_received: progress.bytes_received,
        eta_seconds: progress.eta_seconds,
        failure: progress.failure.as_ref().map(failure),
    }
}

pub(crate) fn result(view: ResultView) -> v1::GetResultResponse {
    let format = view.manifest.file.as_ref().and_then(|file| crate::result::sealed::format_of(&file.name));
    v1::GetResultResponse {
        path: view.file_path.map(|path| path.display().to_string()).unwrap_or_default(),
        format: to_file_format(format).into(),
        rows: view.record.rows.unwrap_or(0),
        matched: view.record.matched,
        manifest_json: view.record.manifest,
        manifest_path: view.manifest_path.display().to_string(),
        deleted_at: view.record.deleted_at.map(time_text).unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_survives_the_way_to_the_wire_and_back() {
        let spec = TableSpec {
            path: "/data/a.csv".into(),
            format: Format::Csv,
            duplicates: Duplicates::First,
            csv: CsvOptions { header: false, delimiter: ';', quote: '\'', encoding: Encoding::Gbk },
            key: vec![KeyPart { column: "c1".to_owned(), kind: "date(%Y-%m-%d)".parse().unwrap() }],
            columns: vec![ColumnSpec::new("c1", ColumnType::Date)],
        };
        let added_at = chrono::DateTime::UNIX_EPOCH;
        let record = TableRecord { name: "t".to_owned(), spec: spec.clone(), rows: 1, added_at };
        assert_eq!(table_spec(table(&record)).unwrap(), spec);
    }

    #[test]
    fn words_nobody_knows_are_refused_with_a_remedy() {
        let request = |protocol: &str, result: &str, output| v1::CreateJobRequest {
            protocol: protocol.to_owned(),
            result: result.to_owned(),
            output,
            ..Default::default()
        };
        assert!(new_job(request("", "match", 0), [0; 32]).unwrap().protocol.is_none());
        for bad in [request("dh", "match", 0), request("", "rows", 0), request("", "match", 99)] {
            let error = new_job(bad, [0; 32]).unwrap_err();
            assert_eq!(error.reason(), "INVALID_REQUEST");
            assert!(!error.remedy().is_empty());
        }
        let long = v1::CreateJobRequest { request_id: "x".repeat(65), ..request("", "match", 0) };
        assert_eq!(new_job(long, [0; 32]).unwrap_err().reason(), "INVALID_REQUEST");
        let quote = v1::Table {
            csv: Some(v1::CsvOptions { quote: "ab".to_owned(), ..Default::default() }),
            path: "a.csv".to_owned(),
            ..Default::default()
        };
        assert_eq!(table_spec(quote).unwrap_err().reason(), "INVALID_REQUEST");
    }
}
