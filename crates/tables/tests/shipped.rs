//! The demonstration tables join to their true answers.
#![expect(clippy::unwrap_used, reason = "a failure here is a failed test")]

#[path = "support/lib.rs"]
mod support;

use std::fs;
use support::{layout, load_all, plain_match, shipped, spec};
use symbolon_tables::{
    ColumnType, Duplicates, Format, InspectOptions, JoinOutput, KeyKind, Keyed, PayloadLayout, TableSpec, Written,
    check, open, write_join,
};

/// Joins in the plain through files, as a node does with what the protocol gives it.
fn join(
    own: &TableSpec,
    own_columns: &[&str],
    partner: &TableSpec,
    partner_columns: &[&str],
    name: &str,
) -> (Keyed, Written, Vec<Vec<String>>) {
    let wanted = layout(partner, partner_columns);
    let left = load_all(own, &PayloadLayout::new(Vec::new()).unwrap()).unwrap();
    let right = load_all(partner, &wanted).unwrap();
    let (keys, payload) = plain_match(&left, &right, wanted.width());
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(name);
    let own_columns: Vec<String> = own_columns.iter().map(|c| (*c).to_owned()).collect();
    let output = JoinOutput {
        own,
        own_digest: left.digest,
        own_columns: &own_columns,
        matches: &left.pair(&keys).unwrap(),
        payload: &payload,
        layout: &wanted,
        prefix: "",
        path: &path,
        format: Format::of_path(&path).unwrap(),
    };
    let written = write_join(&output).unwrap();
    assert_eq!(written.bytes, fs::metadata(&path).unwrap().len());
    assert_eq!(support::names(dir.path()), [name]);
    let rows = if path.extension().unwrap() == "csv" {
        csv_rows(&fs::read_to_string(&path).unwrap())
    } else {
        typed_rows(&path)
    };
    (right, written, rows)
}

/// The rows of a CSV text without quotes, header first.
fn csv_rows(text: &str) -> Vec<Vec<String>> {
    text.lines().map(|line| line.split(',').map(str::to_owned).collect()).collect()
}

/// The rows of a typed file as text, header first.
fn typed_rows(path: &std::path::Path) -> Vec<Vec<String>> {
    use symbolon_tables::arrow::compute::cast;
    use symbolon_tables::arrow::datatypes::DataType;
    let reader = open(path, &InspectOptions::default()).unwrap();
    let mut rows = vec![reader.columns().iter().map(|c| c.name.clone()).collect()];
    for batch in reader {
        let batch = batch.unwrap();
        let texts: Vec<_> = batch.columns().iter().map(|c| cast(c, &DataType::Utf8).unwrap()).collect();
        for i in 0..batch.num_rows() {
            rows.push(
                texts
                    .iter()
                    .map(|t| {
                        use symbolon_tables::arrow::array::{Array, AsArray};
                        let t = t.as_string::<i32>();
                        if t.is_null(i) { String::new() } else { t.value(i).to_owned() }
                    })
                    .collect(),
            );
        }
    }
    rows
}

fn expected(name: &str) -> Vec<Vec<String>> {
    csv_rows(fs::read_to_string(shipped(name)).unwrap().trim_start_matches('\u{FEFF}'))
}

/// An amount in cents.
fn cents(text: &str) -> i64 {
    let (whole, fraction) = text.split_once('.').unwrap();
    whole.parse::<i64>().unwrap() * 100 + format!("{fraction:0<2}").parse::<i64>().unwrap()
}

const BUREAU: [&str; 7] = [
    "open_accounts",
    "total_balance",
    "max_dpd_12m",
    "months_in_arrears",
    "inquiries_24m",
    "risk_grade",
    "overdue_90d",
];

fn bank() -> TableSpec {
    spec(&shipped("bank_customers.csv"), "ssn:us_ssn", Duplicates::Reject)
}

fn bureau() -> TableSpec {
    spec(&shipped("bureau_credit_files.csv"), "ssn:us_ssn", Duplicates::First)
}

#[test]
fn types_are_inferred() {
    let bank = bank();
    let types: Vec<String> = bank.columns.iter().map(|c| format!("{} {}", c.name, c.ty)).collect();
    assert_eq!(
        types,
        [
            "customer_id text",
            "ssn text",
            "first_name text",
            "last_name text",
            "date_of_birth date",
            "employer text",
            "annual_wages integer",
            "product text",
            "requested_amount decimal(18,1)",
            "internal_grade text",
        ]
    );
    let bureau = bureau();
    assert_eq!(bureau.column_type("total_balance").unwrap(), ColumnType::Decimal { precision: 18, scale: 2 });
    assert_eq!(bureau.column_type("date_of_birth").unwrap(), ColumnType::Text);
    assert_eq!(bureau.column_type("ssn").unwrap(), ColumnType::Text);
}

#[test]
fn quality_is_as_the_tables_were_made() {
    let bank = check(&bank()).unwrap();
    assert_eq!((bank.rows, bank.usable, bank.kept, bank.distinct), (17_144, 17_144, 17_144, 17_144));
    assert_eq!((bank.null, bank.invalid.count, bank.duplicates.count), (0, 0, 0));
    let bureau = check(&bureau()).unwrap();
    assert_eq!((bureau.rows, bureau.null, bureau.invalid.count, bureau.duplicates.count), (21_191, 10, 825, 22));
    // The 835 numbers outside of the issued ranges are these 825 and the 10 that are empty; 3 of the 25 doubled rows
    // have an invalid number.
    assert_eq!(bureau.usable, 21_191 - 835);
    assert_eq!((bureau.kept, bureau.distinct), (bureau.usable - 22, bureau.usable - 22));
    assert_eq!(bureau.invalid.first_rows.len(), 20);
    let json = serde_json::to_string(&bureau).unwrap();
    assert_eq!(serde_json::from_str::<symbolon_tables::QualityReport>(&json).unwrap(), bureau);
}

#[test]
fn bank_and_bureau_join_to_the_true_answer() {
    let (right, written, rows) = join(&bank(), &["customer_id", "ssn"], &bureau(), &BUREAU, "result.csv");
    let expected = expected("expected_join.csv");
    assert_eq!((written.rows, rows.len()), (16_673, 16_674));
    assert_eq!(rows[0], expected[0]);
    let (mut balance, mut overdue) = (0, 0);
    for (got, expected) in rows.iter().zip(&expected).skip(1) {
        for (column, (got, expected)) in rows[0].iter().zip(got.iter().zip(expected)) {
            match column.as_str() {
                "ssn" => assert_eq!(KeyKind::UsSsn.normalise(got).unwrap().unwrap(), *expected),
                "total_balance" => assert_eq!(cents(got), cents(expected)),
                _ => assert_eq!(got, expected, "{column}"),
            }
        }
        balance += cents(&got[3]);
        overdue += i32::from(got[8] == "1");
    }
    assert_eq!((balance, overdue), (244_260_200_984, 1_204));
    // None of the numbers outside of the issued ranges is a key.
    let mut usable = 0;
    for key in right.keys.iter() {
        usable += 1;
        assert!(!key.starts_with(b"000") && !key.starts_with(b"666") && key[0] != b'9');
    }
    assert_eq!(usable, 20_334);
}

#[test]
fn cn_tables_join_to_the_true_answer() {
    let own = spec(&shipped("cn_bank_applicants.csv"), "resident_id:cn_resident_id", Duplicates::Reject);
    let partner = spec(&shipped("cn_lender_blacklist.csv"), "resident_id:cn_resident_id", Duplicates::Reject);
    let columns = ["overdue_amount", "days_past_due", "open_loans", "last_default"];
    assert_eq!(partner.column_type("last_default").unwrap(), ColumnType::Date);
    let expected = expected("cn_expected_join.csv");
    for name in ["result.csv", "result.parquet", "result.arrow"] {
        let (_, written, rows) = join(&own, &["application_id", "resident_id"], &partner, &columns, name);
        assert_eq!(written.rows, 4_800);
        assert_eq!(rows.len(), expected.len());
        for (got, expected) in rows.iter().zip(&expected) {
            if got != &rows[0] {
                assert_eq!(KeyKind::CnResidentId.normalise(&got[1]).unwrap().unwrap(), expected[1]);
                assert_eq!((&got[0], &got[2..]), (&expected[0], &expected[2..]));
            }
        }
    }
    for table in [own, partner] {
        let report = check(&table).unwrap();
        assert_eq!((report.null, report.invalid.count, report.duplicates.count), (0, 0, 0));
        assert_eq!(report.usable, report.rows);
    }
}

#[test]
fn every_mobile_number_of_the_cn_tables_has_one_form() {
    for (name, rows) in [("cn_bank_applicants.csv", 12_000), ("cn_lender_blacklist.csv", 14_400)] {
        let report = check(&spec(&shipped(name), "mobile:phone(CN)", Duplicates::All)).unwrap();
        assert_eq!((report.rows, report.usable, report.null, report.invalid.count), (rows, rows, 0, 0), "{name}");
    }
}
