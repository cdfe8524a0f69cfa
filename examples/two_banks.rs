//! A bank and a credit bureau, each with its own node, join their tables under an agreement both have signed.
//!
//! Both nodes run in this process and speak gRPC over mutually authenticated TLS on loopback. The bank learns the
//! bureau's agreed columns for the customers both have; the join is checked against the true one.
//! `cargo run --release --example two_banks`
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::io::Write;

use anyhow::{Result, ensure};
use symbolon_examples::{Institution, by_grade, check_join, data, progress, quality};
use symbolon_node::control_client::{ControlClient, JobRequest};
use symbolon_node::home::Home;
use symbolon_node::ops::agreements::AgreementInput;
use symbolon_node::ops::draft::{DraftAllow, DraftColumn, DraftOptions, DraftRecipient, DraftSide};
use symbolon_policy::{ColumnUse, OptionalTerms, Padding, Protocol, ReleaseCount, ResultKind};
use symbolon_tables::{CsvOptions, Duplicates, Format, KeyPart, TableSpec};
use tokio_stream::StreamExt;

const TITLE: &str = "Overdraft check";
const COLUMNS: &str = "open_accounts total_balance max_dpd_12m months_in_arrears inquiries_24m risk_grade overdue_90d";

#[tokio::main]
async fn main() -> Result<()> {
    let folder = std::env::temp_dir().join(format!("symbolon-two-banks-{}", std::process::id()));
    println!("1. Two institutions make their nodes in {}", folder.display());
    let first = Institution::new(&folder.join("bank"), "First Bank").await?;
    let second = Institution::new(&folder.join("bureau"), "Credit Bureau").await?;
    let (bank, bureau) = (first.home.clone(), second.home.clone());
    println!("\n2. Each registers its table; the quality of the keys shows before any join\n");
    table(&bank, "customers", "bank_customers.csv", Duplicates::Reject).await?;
    table(&bureau, "credit_files", "bureau_credit_files.csv", Duplicates::First).await?;

    println!("\n3. They exchange cards and sign an agreement; this is what the bureau reads before it signs\n");
    bank.peer_add(Some("bureau"), &bureau.card()?.to_toml(), None, false).await?;
    bureau.peer_add(Some("bank"), &bank.card()?.to_toml(), None, false).await?;
    let draft = bank.agreement_draft(&terms(&bureau).await?).await?;
    let signed = bank.agreement_sign(AgreementInput::Document(draft.into_bytes())).await?.document;
    println!("{}", bureau.agreement_explain(&signed).await?.summary);
    let signed = bureau.agreement_sign(AgreementInput::Document(signed)).await?.document;
    bank.agreement_accept(AgreementInput::Document(signed)).await?;

    println!("4. Both nodes run, and the bank asks for the join");
    let nodes = [first.serve().await?, second.serve().await?];
    let mut control = ControlClient::connect(bank.settings().control_socket()).await?;
    let (agreement_id, result) = (TITLE.to_owned(), Some(ResultKind::Enrich));
    let own_columns = vec!["customer_id".to_owned(), "ssn".to_owned()];
    let job = control.create_job(JobRequest { agreement_id, own_columns, result, ..JobRequest::default() }).await?;
    let (mut reports, mut phase) = (control.watch(&job).await?, String::new());
    while let Some(report) = reports.next().await.transpose()? {
        print!("{}", progress(&report, &mut phase));
        std::io::stdout().flush()?;
        ensure!(report.failure.is_none(), "the job failed: {:?}", report.failure);
    }
    let view = bank.result_show(&job).await?;
    // The result lies encrypted in the bank's home; this writes it out, checked, for the bank's own use.
    let file = folder.join("joined.csv");
    bank.result_file(&job).await?.export(&file, false)?;
    let rows = check_join(&file)?;
    println!("\n   equal to the true join, row for row, value for value: {} customers", rows.len() - 1);

    println!("\n5. The result by the bureau's risk grade\n\n{}", by_grade(&rows)?);
    println!("6. What each side learned\n");
    let leakage = &view.manifest.leakage;
    leakage.own.learns.iter().for_each(|fact| println!("   the bank    {}", fact.sentence));
    leakage.peer.learns.iter().for_each(|fact| println!("   the bureau  {}", fact.sentence));
    println!("\n   result    {}\n   manifest  {}", file.display(), view.manifest_path.display());
    for node in nodes {
        node.stop().await?;
    }
    Ok(())
}

async fn table(home: &Home, name: &str, file: &str, duplicates: Duplicates) -> Result<()> {
    let key = vec![KeyPart { column: "ssn".to_owned(), kind: "us_ssn".parse()? }];
    let (path, csv, columns) = (data(file), CsvOptions::default(), Vec::new());
    let spec = TableSpec { path, format: Format::Csv, duplicates, csv, key, columns };
    let report = home.table_add(name, spec, false).await?.report;
    println!("   {}", quality(name, &report));
    Ok(())
}

async fn terms(bureau: &Home) -> Result<DraftOptions> {
    let column = DraftColumn { column_use: ColumnUse::AfterMatch, bytes_max: Some(8) };
    let columns = COLUMNS.split(' ').map(|name| (name.to_owned(), column)).collect();
    Ok(DraftOptions {
        table: "customers".to_owned(),
        peer: "bureau".to_owned(),
        partner_card: bureau.table_card("credit_files").await?,
        title: TITLE.to_owned(),
        purpose: "Credit decision on applicants".to_owned(),
        allow: vec![DraftAllow { protocol: Protocol::EcdhOprf, result: ResultKind::Enrich, to: DraftRecipient::Own }],
        valid_from: None,
        valid_days: 365,
        runs_max: 12,
        rows_total_max: None,
        intersection_min: 100,
        padding: Padding::Sixteenth,
        own: DraftSide::default(),
        partner: DraftSide { columns, ..DraftSide::default() },
        optional: OptionalTerms { release_count: ReleaseCount::Bit, ..OptionalTerms::default() },
    })
}
