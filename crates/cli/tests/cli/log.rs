//! What a log at its most talkative does not say.

use std::collections::BTreeSet;
use std::fmt::Write;

use crate::support::{World, data};

/// Rows of each table: enough for every kind of frame, few enough to look for each of them in every form.
const ROWS: usize = 24;

/// The first rows of a shipped table with its header.
fn head(file: &str) -> String {
    let text = std::fs::read_to_string(data(file)).expect("a shipped table");
    text.lines().take(ROWS + 1).map(|line| format!("{line}\n")).collect()
}

/// The cells of the columns named, of every row.
fn cells(table: &str, columns: &[&str]) -> BTreeSet<String> {
    let mut lines = table.lines().map(|line| line.split(',').collect::<Vec<_>>());
    let header = lines.next().expect("a header");
    let wanted: Vec<usize> =
        columns.iter().map(|name| header.iter().position(|it| it == name).expect("the column is there")).collect();
    let mut found = BTreeSet::new();
    for line in lines {
        // A quoted cell with a comma shifts the columns behind it; those asked for stand before any.
        found.extend(wanted.iter().map(|column| line[*column].to_owned()));
    }
    // Shorter ones, such as a grade, are found everywhere.
    found.retain(|cell| cell.len() >= 5);
    found
}

/// The forms in which bytes get into a log: as text, in hexadecimal, as a list of numbers.
fn forms(bytes: &[u8]) -> Vec<String> {
    let mut hex = String::new();
    bytes.iter().for_each(|byte| write!(hex, "{byte:02x}").expect("a string takes all"));
    let list: Vec<String> = bytes.iter().map(ToString::to_string).collect();
    let mut forms = vec![hex.to_uppercase(), hex, list.join(", "), list.join(",")];
    forms.extend(std::str::from_utf8(bytes).ok().map(str::to_owned));
    forms
}

/// Runs of bytes long enough to be a point, a tag or a sealed row, whatever they are: as hexadecimal, base64 or a list.
/// What both institutions may read anyway, such as the id of an agreement, is in `public`.
fn long_runs(log: &str, public: &str) -> Vec<String> {
    let tokens = log.split(|c: char| !c.is_ascii_alphanumeric() && !"+/".contains(c));
    let coded = tokens.filter(|token| {
        let digits = token.bytes().filter(u8::is_ascii_digit).count();
        // Paths and names have long runs of letters, but few digits.
        token.len() >= 32 && digits >= 4 && !token.contains('/') && !public.contains(*token)
    });
    let mut found: Vec<String> = coded.map(str::to_owned).collect();
    let mut run = 0;
    for token in log.split([' ', ',', '[']) {
        let is_byte = token.len() <= 3 && token.parse::<u8>().is_ok();
        run = match (is_byte, token.is_empty()) {
            (true, _) => run + 1,
            (false, true) => run,
            (false, false) => 0,
        };
        if run == 16 && is_byte {
            found.push(format!("a list of bytes that ends with {token}"));
        }
    }
    found
}

/// Registers a table at either side with the same persons, so that there is something to match and columns to hand
/// over; gives their text.
fn tables(world: &World) -> (String, String) {
    let (customers, files) = (head("bank_customers.csv"), head("bureau_credit_files.csv"));
    let header = files.lines().next().expect("a header");
    let place = header.split(',').position(|name| name == "ssn").expect("the key");
    let same: Vec<String> = cells(&customers, &["ssn"]).into_iter().collect();
    let rows = files.lines().skip(1).zip(same.iter().cycle()).map(|(line, ssn)| {
        let mut line: Vec<&str> = line.split(',').collect();
        line[place] = ssn;
        format!("{}\n", line.join(","))
    });
    let files = format!("{header}\n{}", rows.collect::<String>());
    let (bank_csv, bureau_csv) = (world.write("customers.csv", &customers), world.write("files.csv", &files));
    world.bank.ok(&["table", "add", "customers", &bank_csv, "--key", "ssn=us_ssn"]);
    world.bureau.ok(&["table", "add", "files", &bureau_csv, "--key", "ssn=us_ssn", "--duplicates", "first"]);
    (customers, files)
}

#[test]
fn the_forms_of_bytes_are_found() {
    assert!(forms(b"\x01A").contains(&"0141".to_owned()) && forms(b"\x01A").contains(&"1, 65".to_owned()));
    let hex = "frame=00112233445566778899aabbccddeeff";
    assert_eq!(long_runs(hex, "").len(), 1);
    assert_eq!(long_runs(hex, "00112233445566778899aabbccddeeff").len(), 0);
    let list: Vec<String> = (0..20).map(|byte: u8| byte.to_string()).collect();
    assert_eq!(long_runs(&format!("body=[{}]", list.join(", ")), "").len(), 1);
    assert_eq!(long_runs("a job of 12 rows, 34 bytes, 56 frames", "").len(), 0);
}

#[test]
fn a_whole_job_at_trace_level_names_no_record_and_no_key() {
    let world = World::new();
    let (customers, files) = tables(&world);
    for (home, format) in [(&world.bank, "text"), (&world.bureau, "json")] {
        let variables = format!("SYMBOLON_LOG=trace\nSYMBOLON_LOG_FORMAT={format}\n");
        std::fs::write(home.path.with_extension("env"), variables).expect("writable");
    }
    let (mut bank, mut bureau) = world.start();
    world.conclude(&world.draft(&["--matched-min", "2", "--release", "count", "--receipt-count"]));
    assert!(world.bank.json(&["join"])["result"]["rows"].as_u64().is_some_and(|rows| rows >= 20));
    assert_eq!(world.bank.json(&["join", "--columns", "none"])["result"]["rows"], ROWS as u64);

    let mut public = String::new();
    for home in [&world.bank, &world.bureau] {
        for arguments in [
            &["agreement", "list"][..],
            &["peer", "list"],
            &["peer", "card"],
            &["job", "list"],
            &["key", "list"],
            &["audit", "log"],
            &["policy", "list"],
        ] {
            public.push_str(&home.json(arguments).to_string());
        }
    }
    assert_eq!((bank.stop(), bureau.stop()), (0, 0));
    let log: String = [&world.bank, &world.bureau]
        .iter()
        .map(|home| std::fs::read_to_string(home.path.with_extension("log")).expect("a log"))
        .collect();
    assert_eq!(log.matches("job done").count(), 4, "{log}");

    let mut secrets: Vec<Vec<u8>> = Vec::new();
    for ssn in cells(&customers, &["ssn"]) {
        secrets.push(ssn.bytes().filter(u8::is_ascii_digit).collect());
        secrets.push(ssn.into_bytes());
    }
    let names = cells(&customers, &["customer_id", "first_name", "last_name", "date_of_birth"]);
    let payload = cells(&files, &["total_balance"]);
    assert!(names.len() >= ROWS && !payload.is_empty());
    secrets.extend(names.into_iter().chain(payload).map(String::into_bytes));
    for home in [&world.bank, &world.bureau] {
        for entry in std::fs::read_dir(home.path.join("keys")).expect("keys") {
            let path = entry.expect("readable").path();
            if path.extension().is_some_and(|extension| extension == "key") {
                let text = std::fs::read_to_string(&path).expect("text");
                secrets.extend(
                    text.split_whitespace().filter(|word| word.len() >= 60).map(|word| word.as_bytes().to_vec()),
                );
            }
        }
    }
    assert!(secrets.len() > 4 * ROWS);
    for secret in &secrets {
        for form in forms(secret) {
            let found = log.find(&form).map(|at| log[..at].rfind('\n').map_or(0, |line| line + 1));
            let line = found.map(|at| log[at..].lines().next().unwrap_or_default());
            assert_eq!(line, None, "the log has {form:?}");
        }
    }
    let runs = long_runs(&log, &public);
    assert!(runs.is_empty(), "{} runs of bytes: {:?}", runs.len(), &runs[..5.min(runs.len())]);
}
