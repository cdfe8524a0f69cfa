//! From two empty folders to a joined table, with two real processes.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use symbolon_tables::arrow::util::display::array_value_to_string;
use symbolon_tables::{CsvOptions, Duplicates, Format, InspectOptions, KeyPart, TableReader, TableSpec, inspect};

use crate::support::{World, data, path, symbolon};

/// A table as text cells, whatever its format: the columns' names and the rows.
fn read(file: &Path, columns: &[&str]) -> Vec<Vec<String>> {
    let format = Format::of_path(file).expect("a known ending");
    // Everything is compared as text, so that the comparison does not lean on the inference under test.
    let schema = inspect(file, &InspectOptions::default()).expect("readable");
    let spec = TableSpec {
        path: file.to_path_buf(),
        format,
        duplicates: Duplicates::All,
        csv: CsvOptions::default(),
        key: vec![KeyPart { column: columns[0].to_owned(), kind: "text".parse().expect("a kind") }],
        columns: schema.columns,
    };
    let wanted: Vec<String> = columns.iter().map(|name| (*name).to_owned()).collect();
    let mut rows = Vec::new();
    for batch in TableReader::open(&spec, &wanted).expect("readable") {
        let batch = batch.expect("readable");
        for row in 0..batch.num_rows() {
            let cells = batch.columns().iter().map(|column| array_value_to_string(column, row).expect("printable"));
            rows.push(cells.collect());
        }
    }
    rows
}

/// A decimal number as hundredths, so that 0.0 and 0.00 are the same.
fn hundredths(text: &str) -> i64 {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let part = format!("{part:0<2}");
    assert_eq!(part.len(), 2, "two digits after the point in {text}");
    whole.parse::<i64>().expect("a number") * 100 + part.parse::<i64>().expect("digits")
}

fn digits(text: &str) -> String {
    text.chars().filter(char::is_ascii_digit).collect()
}

const US_COLUMNS: [&str; 9] = [
    "customer_id",
    "ssn",
    "open_accounts",
    "total_balance",
    "max_dpd_12m",
    "months_in_arrears",
    "inquiries_24m",
    "risk_grade",
    "overdue_90d",
];

fn normal(row: Vec<String>) -> Vec<String> {
    row.iter()
        .enumerate()
        .map(|(index, cell)| match index {
            1 => digits(cell),
            3 => hundredths(cell).to_string(),
            _ => cell.clone(),
        })
        .collect()
}

/// The script in the README, as it stands in `examples`, run against this build.
#[test]
fn the_two_nodes_script_joins_the_us_tables() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let script = data("../two_nodes.sh");
    let bin = symbolon().parent().expect("a folder");
    let search = format!("{}:{}", path(bin), std::env::var("PATH").expect("PATH"));
    let output = Command::new("bash").arg(&script).arg(folder.path()).env("PATH", search).output().expect("bash runs");
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let logs = ["bank.log", "bureau.log"]
        .map(|log| std::fs::read_to_string(folder.path().join(log)).unwrap_or_default())
        .join("\n");
    assert!(output.status.success(), "the script failed:\n{stdout}\n{stderr}\n{logs}");

    for words in ["What leaves your house", "Credit Bureau learned", "rows of the result", "16,673", "usable keys"] {
        assert!(stdout.contains(words), "{words:?} in:\n{stdout}");
    }
    let line = stdout.lines().find(|line| line.starts_with("manifest ")).expect("the manifest's path is printed");
    let manifest = Path::new(line.split_whitespace().last().expect("a path"));
    let joined: Vec<_> = read(&folder.path().join("joined.csv"), &US_COLUMNS).into_iter().map(normal).collect();
    let expected: Vec<_> = read(&data("expected_join.csv"), &US_COLUMNS).into_iter().map(normal).collect();
    assert_eq!(joined.len(), 16_673);
    assert!(joined == expected, "the join equals expected_join.csv row for row, value for value");
    let total: i64 = joined.iter().map(|row| row[3].parse::<i64>().expect("hundredths")).sum();
    assert_eq!(total, 244_260_200_984);

    let manifest = std::fs::read_to_string(manifest).expect("a manifest");
    let manifest: serde_json::Value = serde_json::from_str(&manifest).expect("JSON");
    assert_eq!(manifest["matched"].as_u64().or(manifest["file"]["rows"].as_u64()), Some(16_673));
    assert!(!manifest["leakage"]["peer"]["learns"].as_array().expect("a list").is_empty());
}

#[test]
fn the_cn_tables_join_to_parquet() {
    let world = World::new();
    let (applicants, blacklist) = (data("cn_bank_applicants.csv"), data("cn_lender_blacklist.csv"));
    let key = "resident_id=cn_resident_id";
    world.bank.ok(&["table", "add", "customers", path(&applicants), "--key", key]);
    world.bureau.ok(&["table", "add", "files", path(&blacklist), "--key", key]);
    let _nodes = world.start();
    let get = "overdue_amount,days_past_due,open_loans,last_default";
    world.conclude(&world.draft(&["--get", get]));

    let out = world.file("joined.parquet");
    let own = "application_id,resident_id";
    let answer = world.bank.json(&["join", "--format", "parquet", "--own-columns", own, "-o", &out]);
    assert_eq!(answer["result"]["rows"], 4_800);
    let columns = ["application_id", "resident_id", "overdue_amount", "days_past_due", "open_loans", "last_default"];
    let file = answer["result"]["file"].as_str().expect("a path");
    assert!(file.ends_with(".parquet"), "{file}");
    let by_id = |rows: Vec<Vec<String>>| -> BTreeMap<String, Vec<String>> {
        rows.into_iter().map(|row| (row[0].clone(), row[2..].to_vec())).collect()
    };
    let joined = by_id(read(Path::new(file), &columns));
    let expected = by_id(read(&data("cn_expected_join.csv"), &columns));
    assert_eq!(joined.len(), 4_800);
    assert_eq!(joined, expected);
}

#[test]
fn agreements_travel_over_the_nodes() {
    let world = World::new().with_us_tables();
    let (_bank, mut bureau) = world.start();
    let draft = world.draft(&[]);
    world.bank.ok(&["agreement", "sign", &draft, "--yes"]);
    world.bank.ok(&["agreement", "send", &draft]);
    let proposed = world.bureau.json(&["agreement", "list"]);
    assert_eq!(proposed["agreements"][0]["state"], "proposed");
    let id = proposed["agreements"][0]["id"].as_str().expect("an id").to_owned();

    let words = world.bureau.ok(&["agreement", "show", &id]).stdout;
    assert!(words.contains("What leaves your house") && words.contains("total_balance"), "{words}");
    let signed = world.bureau.json(&["agreement", "sign", &id[..12], "--yes"]);
    assert_eq!(signed["state"], "active");
    assert_eq!(signed["returned"], true);
    assert_eq!(world.bank.json(&["agreement", "list"])["agreements"][0]["state"], "active");
    assert_eq!(world.bank.json(&["join", "--columns", "none"])["result"]["rows"], 16_673);
    assert_eq!(bureau.stop(), 0, "SIGTERM ends a node in order");
}

#[test]
fn a_count_and_a_mutual_match_tell_no_more_than_agreed() {
    let world = World::new().with_us_tables();
    let _nodes = world.start();
    let rules = ["--allow", "ecdh-cardinality:count:us", "--allow", "ecdh-mutual:match:both"];
    world.conclude(&world.draft(&rules));

    let counted = world.bank.json(&["count"]);
    assert_eq!(counted["result"]["matched"], 16_673);
    assert!(counted["result"]["file"].is_null(), "a count has no file: {counted}");

    let matched = world.bank.json(&["join"]);
    assert_eq!(matched["result"]["rows"], 16_673);
    assert_eq!(world.bureau.newest_end().0, "done");
    let other = world.bureau.json(&["result", "show"]);
    assert_eq!(other["result"]["rows"], 16_673);
    let doctor = world.bank.ok(&["doctor", "--probe-mib", "1"]).stdout;
    assert!(doctor.contains("round trip to bureau") && doctor.contains("TLS"), "{doctor}");
}

#[test]
fn the_same_request_twice_is_one_job() {
    let world = World::new().with_us_tables();
    let _nodes = world.start();
    world.conclude(&world.draft(&[]));
    let first = world.bank.json(&["join", "--request-id", "monday"]);
    let second = world.bank.json(&["join", "--request-id", "monday"]);
    assert_eq!(first["job"]["id"], second["job"]["id"]);
    assert_eq!(world.bank.runs_spent(), 1);
    let detached = world.bank.json(&["join", "--request-id", "tuesday", "--detach"]);
    let id = detached["job"]["id"].as_str().expect("an id").to_owned();
    assert_ne!(first["job"]["id"].as_str(), Some(id.as_str()));
    assert_eq!(world.bank.json(&["job", "watch", &id])["result"]["rows"], 16_673);
    assert_eq!(world.bank.json(&["job", "list", "--limit", "1"])["jobs"][0]["id"], id.as_str());
}

/// The example that drives a running node through its gRPC interface, as another program would.
#[test]
fn the_control_interface_serves_other_programs() {
    let world = World::new().with_us_tables();
    let _nodes = world.start();
    world.conclude(&world.draft(&[]));
    let socket = world.bank.path.join("control.sock");
    // A test of the whole workspace builds the examples beside the command; else cargo builds this one now.
    let built = Path::new(env!("CARGO_BIN_EXE_symbolon")).with_file_name("examples").join("grpc_client");
    let mut command = if built.is_file() {
        Command::new(built)
    } else {
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["run", "--quiet", "--locked", "--manifest-path"]).arg(data("../Cargo.toml"));
        cargo.args(["--example", "grpc_client", "--"]);
        cargo
    };
    let output = command.arg(&socket).output().expect("the example runs");
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{stdout}{}", String::from_utf8_lossy(&output.stderr));
    assert!(stdout.contains("16673 rows"), "{stdout}");
}
