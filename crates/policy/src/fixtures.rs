//! A sample agreement between a bank and a bureau, for the tests of this crate.

use symbolon_primitives::secret::Secret;
use symbolon_primitives::sign::SigningKey;

use crate::agreement::{
    Agreement, Allowance, Approver, Column, ColumnUse, Duplicates, KeyPart, Normaliser, OptionalTerms, Party, Period,
    Protocol, Recipients, ReleaseCount, ResultKind, Seat, SemiHonest, Terms,
};
use crate::identity::Digest;
use crate::padding::Padding;
use crate::signed::SignedAgreement;
use crate::text::Text;

pub(crate) fn text<const MAX: usize>(text: &str) -> Text<MAX> {
    Text::new(text).unwrap()
}

pub(crate) fn key(seed: u8) -> SigningKey {
    SigningKey::from_seed(&Secret::new([seed; 32]))
}

pub(crate) fn bank_key() -> SigningKey {
    key(1)
}

pub(crate) fn bureau_key() -> SigningKey {
    key(2)
}

pub(crate) fn column(name: &str, column_type: &str, column_use: ColumnUse, bytes_max: Option<u32>) -> Column {
    Column { name: text(name), column_type: text(column_type), column_use, bytes_max }
}

fn key_part(column: &str, kind: &str) -> KeyPart {
    KeyPart { column: text(column), kind: text(kind) }
}

fn bank() -> Party {
    Party {
        name: text("North Bank"),
        organisation_key: bank_key().verifying_key(),
        tls_spki: Digest::of(b"bank tls"),
        table: text("customers"),
        key: vec![key_part("ssn", "us_ssn"), key_part("date_of_birth", "date(%Y-%m-%d)")],
        duplicates: Duplicates::Reject,
        rows_min: 100,
        rows_max: 1000,
        columns: vec![
            column("ssn", "text", ColumnUse::JoinOnly, None),
            column("date_of_birth", "date", ColumnUse::JoinOnly, None),
            column("annual_wages", "integer", ColumnUse::Never, None),
            column("internal_grade", "text", ColumnUse::Never, Some(4)),
        ],
        approvals_min: 0,
        approvers: Vec::new(),
    }
}

fn bureau() -> Party {
    Party {
        name: text("Credit Bureau"),
        organisation_key: bureau_key().verifying_key(),
        tls_spki: Digest::of(b"bureau tls"),
        table: text("files"),
        key: vec![key_part("ssn", "us_ssn"), key_part("born", "date(%m/%d/%Y)")],
        duplicates: Duplicates::First,
        rows_min: 500,
        rows_max: 5000,
        columns: vec![
            column("ssn", "text", ColumnUse::JoinOnly, None),
            column("born", "date", ColumnUse::JoinOnly, None),
            column("total_balance", "decimal(18,2)", ColumnUse::AfterMatch, None),
            column("risk_grade", "text", ColumnUse::AfterMatch, Some(2)),
            column("name", "text", ColumnUse::Never, None),
        ],
        approvals_min: 0,
        approvers: Vec::new(),
    }
}

pub(crate) fn terms() -> Terms {
    let rule = |protocol, result, to| Allowance { protocol, result, to };
    Terms {
        title: text("Credit check of existing customers"),
        purpose: text("Review of credit limits, quarter four"),
        valid_from: "2026-10-01T00:00:00Z".parse().unwrap(),
        valid_until: "2027-01-01T00:00:00Z".parse().unwrap(),
        runs_max: 3,
        rows_total_max: 2500,
        intersection_min: 50,
        normaliser: Normaliser { version: text("1"), digest: Digest::of(b"rules") },
        padding: Padding::Sixteenth,
        parties: [bank(), bureau()],
        allow: vec![
            rule(Protocol::EcdhOprf, ResultKind::Enrich, Recipients::One(Seat::First)),
            rule(Protocol::EcdhCardinality, ResultKind::Count, Recipients::One(Seat::First)),
            rule(Protocol::EcdhMutual, ResultKind::Match, Recipients::Both),
        ],
        optional: OptionalTerms::default(),
    }
}

/// The persons the bank and the bureau list, by name and seed of the key.
pub(crate) const APPROVERS: [[(&str, u8); 3]; 2] =
    [[("Ada Lund", 11), ("Ben Okoro", 12), ("Chen Wei", 13)], [("Dora Weiss", 14), ("Eli Roth", 15), ("Fay Ng", 16)]];

/// The same agreement with every optional term: two of three approve at the bank, one at the bureau.
pub(crate) fn optional_terms() -> Terms {
    let mut terms = terms();
    for ((party, approvers), approvals_min) in terms.parties.iter_mut().zip(APPROVERS).zip([2, 1]) {
        party.approvals_min = approvals_min;
        party.approvers =
            approvers.map(|(name, seed)| Approver { name: text(name), key: key(seed).verifying_key() }).into();
    }
    terms.optional = OptionalTerms {
        replaces: Some(draft().id()),
        release_count: ReleaseCount::Bit,
        receipt_count: true,
        period: Some(Period::Month),
        runs_per_period: Some(2),
        rows_per_period: Some(2000),
        snapshots_max: Some(2),
        epsilon_max: Some("0.75".parse().unwrap()),
        lookups_max: Some(100),
        semi_honest: Some(SemiHonest::Accepted),
    };
    terms
}

/// That agreement, approved and signed by both.
pub(crate) fn optional_active() -> SignedAgreement {
    let mut signed = SignedAgreement::draft(Agreement::new(optional_terms()).unwrap());
    for seed in [11, 13, 15] {
        signed.approve(&key(seed)).unwrap();
    }
    signed.sign(&bank_key()).unwrap();
    signed.sign(&bureau_key()).unwrap();
    signed
}

pub(crate) fn draft() -> SignedAgreement {
    SignedAgreement::draft(Agreement::new(terms()).unwrap())
}

pub(crate) fn active() -> SignedAgreement {
    let mut signed = draft();
    signed.sign(&bank_key()).unwrap();
    signed.sign(&bureau_key()).unwrap();
    signed
}
