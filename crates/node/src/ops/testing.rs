//! Two institutions with a table each, for the tests of this crate.

use std::path::Path;
use std::sync::Arc;

use symbolon_policy::{ColumnUse, OptionalTerms, Padding, Protocol, ResultKind};
use symbolon_tables::{CsvOptions, Duplicates, Format, KeyPart, TableSpec};

use super::agreements::AgreementInput;
use super::draft::{DraftAllow, DraftColumn, DraftOptions, DraftRecipient, DraftSide};
use crate::clock::{Clock, FixedClock};
use crate::home::{Home, InitOptions, init};

/// A bank and a bureau that know each other's cards. The directory goes away with the value.
#[derive(Debug)]
pub(crate) struct Pair {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) clock: Arc<FixedClock>,
    pub(crate) bank: Home,
    pub(crate) bureau: Home,
}

pub(crate) const BANK_ROWS: &str = "id,name\n1,Ann\n2,Bob\n3,Cy\n";
pub(crate) const BUREAU_ROWS: &str = "key,grade,secret\n2,A,x\n3,B,y\n4,C,z\n";

pub(crate) fn spec(path: &Path, key: &str) -> TableSpec {
    TableSpec {
        path: path.to_path_buf(),
        format: Format::Csv,
        duplicates: Duplicates::Reject,
        csv: CsvOptions::default(),
        key: vec![KeyPart { column: key.to_owned(), kind: "integer".parse().unwrap() }],
        columns: Vec::new(),
    }
}

async fn home(dir: &Path, name: &str, port: u16, clock: &Arc<FixedClock>) -> Home {
    let options = InitOptions {
        home: dir.join(name),
        institution: name.to_owned(),
        listen: "127.0.0.1:0".to_owned(),
        advertise: format!("127.0.0.1:{port}"),
    };
    init(options, Arc::<FixedClock>::clone(clock) as Arc<dyn Clock>).await.unwrap()
}

impl Pair {
    /// Two homes, cards exchanged, a table each.
    pub(crate) async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let clock = Arc::new(FixedClock::new("2026-03-01T12:00:00Z".parse().unwrap()));
        // Nothing listens on the discard port.
        let (bank, bureau) = (home(dir.path(), "bank", 9, &clock).await, home(dir.path(), "bureau", 9, &clock).await);
        bank.peer_add(Some("bureau"), &bureau.card().unwrap().to_toml(), None, false).await.unwrap();
        bureau.peer_add(Some("bank"), &bank.card().unwrap().to_toml(), None, false).await.unwrap();
        std::fs::write(dir.path().join("bank.csv"), BANK_ROWS).unwrap();
        std::fs::write(dir.path().join("bureau.csv"), BUREAU_ROWS).unwrap();
        bank.table_add("customers", spec(&dir.path().join("bank.csv"), "id"), false).await.unwrap();
        bureau.table_add("files", spec(&dir.path().join("bureau.csv"), "key"), false).await.unwrap();
        Self { dir, clock, bank, bureau }
    }

    pub(crate) async fn options(&self) -> DraftOptions {
        let released = DraftColumn { column_use: ColumnUse::AfterMatch, bytes_max: Some(8) };
        DraftOptions {
            table: "customers".to_owned(),
            peer: "bureau".to_owned(),
            partner_card: self.bureau.table_card("files").await.unwrap(),
            title: "Grades".to_owned(),
            purpose: "Credit check of common customers".to_owned(),
            allow: vec![DraftAllow {
                protocol: Protocol::EcdhOprf,
                result: ResultKind::Enrich,
                to: DraftRecipient::Own,
            }],
            valid_from: None,
            valid_days: 30,
            runs_max: 3,
            rows_total_max: None,
            intersection_min: 0,
            padding: Padding::Sixteenth,
            own: DraftSide::default(),
            partner: DraftSide { columns: [("grade".to_owned(), released)].into(), ..DraftSide::default() },
            optional: OptionalTerms::default(),
        }
    }

    pub(crate) async fn draft(&self) -> Vec<u8> {
        self.bank.agreement_draft(&self.options().await).await.unwrap().into_bytes()
    }

    /// An agreement active on both sides, exchanged by files; gives its id.
    pub(crate) async fn active(&self) -> [u8; 32] {
        let signed = self.bank.agreement_sign(AgreementInput::Document(self.draft().await)).await.unwrap();
        let both = self.bureau.agreement_sign(AgreementInput::Document(signed.document)).await.unwrap();
        let accepted = self.bank.agreement_accept(AgreementInput::Document(both.document)).await.unwrap();
        accepted.record.id
    }
}
