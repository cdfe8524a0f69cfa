//! Everything a user can get wrong: each ends in a message that says what to do, a fixed exit code, and stores and
//! files as they were.

use crate::support::{Home, World, data, path};

/// A world with both tables, running nodes and an agreement in force.
fn ready(more: &[&str]) -> (World, (crate::support::Server, crate::support::Server)) {
    let world = World::new().with_us_tables();
    let nodes = world.start();
    world.conclude(&world.draft(more));
    (world, nodes)
}

fn tables(home: &Home) -> usize {
    home.json(&["table", "list"])["tables"].as_array().expect("a list").len()
}

fn agreements(home: &Home) -> usize {
    home.json(&["agreement", "list"])["agreements"].as_array().expect("a list").len()
}

fn jobs(home: &Home) -> usize {
    home.json(&["job", "list"])["jobs"].as_array().expect("a list").len()
}

#[test]
fn commands_without_a_home_or_a_node_say_what_to_start() {
    let world = World::new().with_us_tables();
    let nowhere = Home { name: "nowhere", path: world.file("nowhere").into() };
    nowhere.run(&["table", "list"]).fails(7, &["nowhere", "symbolon init"]);
    assert!(!nowhere.path.exists());
    world.bank.run(&["join"]).fails(9, &["control.sock", "symbolon serve"]);
    world.bank.run(&["init", "--name", "Again", "--endpoint", "127.0.0.1:1"]).fails(2, &["already"]);
    assert_eq!(tables(&world.bank), 1);
}

#[test]
fn tables_that_cannot_be_used_are_not_stored() {
    let world = World::new();
    let bank = &world.bank;
    let add = |file: &str, key: &str| bank.run(&["table", "add", "t", file, "--key", key]);
    add(&world.file("none.csv"), "ssn=us_ssn").fails(3, &["none.csv", "no such file"]);
    add(path(&data("bank_customers.csv")), "social=us_ssn").fails(3, &["social", "customer_id"]);
    add(path(&data("bank_customers.csv")), "ssn=passport").fails(3, &["us_ssn", "cn_resident_id"]);
    let bad = world.write("bad.csv", "ssn,x\n000-00-0000,1\n666-12-3456,2\nhello,3\n");
    add(&bad, "ssn=us_ssn").fails(3, &["bad.csv"]);
    let empty = world.write("empty.csv", "ssn,x\n");
    add(&empty, "ssn=us_ssn").fails(3, &["empty.csv"]);
    let ragged = world.write("ragged.csv", "ssn,x\n123-45-6789,1\n123-45-6780,1,2\n");
    add(&ragged, "ssn=us_ssn").fails(3, &["ragged.csv"]);
    assert_eq!(tables(bank), 0);
}

#[test]
fn a_table_whose_file_has_gone_stops_check_and_job() {
    let (world, _nodes) = ready(&[]);
    let copy = world.file("copy.csv");
    std::fs::copy(data("bank_customers.csv"), &copy).expect("copied");
    world.bank.ok(&["table", "add", "customers", &copy, "--key", "ssn=us_ssn", "--replace"]);
    std::fs::remove_file(&copy).expect("removed");
    world.bank.run(&["table", "check", "customers"]).fails(3, &["copy.csv", "no such file"]);
    world.bank.run(&["join"]).fails(3, &["file is not there"]);
    world.bank.run(&["doctor", "--offline"]).fails(3, &["put the file back"]);
    assert_eq!(world.bank.newest_job(), ("failed".to_owned(), "TABLE_MISSING".to_owned()));
    assert_eq!((world.bank.runs_spent(), world.bureau.runs_spent()), (0, 0), "nothing was spent");
    world.bank.has_no_leftovers();
}

#[test]
fn duplicates_under_reject_stop_a_job() {
    let (world, _nodes) = ready(&[]);
    let twice = world.write("twice.csv", "ssn,name\n371-70-0903,a\n397-36-9156,b\n371700903,c\n");
    world.bank.ok(&["table", "add", "customers", &twice, "--key", "ssn=us_ssn", "--replace"]);
    world.bank.run(&["table", "check", "customers"]).fails(3, &["3", "duplicates"]);
    world.bank.run(&["join"]).fails(3, &["more than once"]);
    assert_eq!(world.bank.newest_job().1, "DUPLICATE_KEYS");
    assert_eq!((world.bank.runs_spent(), world.bureau.runs_spent()), (0, 0));
    world.bank.has_no_leftovers();
}

#[test]
fn duplicates_at_the_partner_are_its_own_business() {
    let world = World::new().with_us_tables();
    let _nodes = world.start();
    let files = data("bureau_credit_files.csv");
    world.bureau.ok(&["table", "add", "files", path(&files), "--key", "ssn=us_ssn", "--replace"]);
    world.bureau.run(&["table", "check", "files"]).fails(3, &["22", "duplicates"]);
    world.conclude(&world.draft(&[]));
    let refused = world.bank.run(&["join"]).fails(5, &["the other node"]);
    assert!(!refused.stderr.contains("duplicate"), "the bank learns nothing of the bureau's rows: {}", refused.stderr);
    assert_eq!(world.bureau.newest_end(), ("failed".to_owned(), "DUPLICATE_KEYS".to_owned()));
    world.bank.has_no_leftovers();
    world.bureau.has_no_leftovers();
}

#[test]
fn an_impostor_with_another_certificate_is_refused() {
    let (world, (_bank, mut bureau)) = ready(&[]);
    let impostor = Home { name: "impostor", path: world.file("impostor").into() };
    impostor.ok(&["init", "--name", "Credit Bureau", "--endpoint", "127.0.0.1:1"]);
    bureau.kill();
    let server = impostor.serve();
    let card = world.file("bureau.card.toml");
    world.bank.ok(&["peer", "add", "bureau", &card, "--yes", "--replace", "--endpoint", &server.address]);
    world.bank.run(&["join"]).fails(5, &["certificate"]);
    world.bank.run(&["doctor"]).fails(5, &["certificate"]);
    assert_eq!(world.bank.newest_job().0, "failed");
    world.bank.has_no_leftovers();

    let other = world.file("impostor.card.toml");
    impostor.ok(&["peer", "card", "-o", &other]);
    let told = world.bureau.json(&["peer", "card"])["fingerprint"].as_str().expect("text").to_owned();
    let add = ["peer", "add", "bureau", &other, "--replace", "--fingerprint", &told];
    world.bank.run(&add).fails(4, &["another fingerprint"]);
    world.bank.run(&["peer", "add", "new", &other]).fails(2, &["--fingerprint"]);
    assert_eq!(world.bank.json(&["peer", "list"])["peers"].as_array().expect("a list").len(), 1);
}

#[test]
fn an_expired_agreement_permits_nothing() {
    let (world, _nodes) = ready(&["--from", "2020-01-01T00:00:00Z", "--days", "30"]);
    world.bank.run(&["join"]).fails(4, &["2020-01-31", "agreement"]);
    assert_eq!((world.bank.runs_spent(), world.bureau.runs_spent()), (0, 0));
    assert_eq!(jobs(&world.bureau), 0, "nothing reached the bureau");
    world.bank.has_no_leftovers();
}

#[test]
fn one_signature_is_not_enough() {
    let world = World::new().with_us_tables();
    let _nodes = world.start();
    let draft = world.draft(&[]);
    world.bank.run(&["agreement", "accept", &draft]).fails(4, &["signature"]);
    assert_eq!(agreements(&world.bank), 0, "a draft is not stored");
    world.bank.ok(&["agreement", "sign", &draft, "--yes"]);
    world.bank.run(&["agreement", "accept", &draft]).fails(4, &["signature"]);
    world.bank.run(&["join"]).fails(4, &["signature"]);
    world.bank.run(&["join", "--agreement", "Test"]).fails(4, &["signature"]);
    world.bureau.run(&["agreement", "accept", &draft]).fails(4, &["signature"]);
    assert_eq!(agreements(&world.bureau), 0);
}

#[test]
fn an_edited_agreement_is_refused() {
    let world = World::new().with_us_tables();
    let _nodes = world.start();
    let draft = world.draft(&[]);
    world.bank.ok(&["agreement", "sign", &draft, "--yes"]);
    let signed = std::fs::read_to_string(&draft).expect("readable");
    let edited = world.write("edited.toml", &signed.replace("runs_max = 9", "runs_max = 900"));
    assert_ne!(std::fs::read_to_string(&edited).expect("readable"), signed);
    let words = ["changed after it was signed"];
    world.bureau.run(&["agreement", "show", &edited]).fails(4, &words);
    world.bureau.run(&["agreement", "sign", &edited, "--yes"]).fails(4, &words);
    world.bureau.run(&["agreement", "accept", &edited]).fails(4, &words);
    assert_eq!(agreements(&world.bureau), 0);
    let broken = world.write("broken.toml", "format = \"symbolon-agreement/1\"\ntitle = ");
    world.bureau.run(&["agreement", "show", &broken]).fails(3, &["line 2"]);
}

#[test]
fn a_column_marked_never_is_not_given() {
    let (world, _nodes) = ready(&[]);
    world.bank.run(&["join", "--columns", "total_balance,first_name"]).fails(4, &["column"]);
    world.bank.run(&["join", "--columns", "no_such_column"]).fails(4, &["column"]);
    world.bank.run(&["count"]).fails(4, &[]);
    world.bank.run(&["join", "--protocol", "ecdh-mutual"]).fails(4, &[]);
    assert_eq!((world.bank.runs_spent(), world.bureau.runs_spent()), (0, 0));
    assert_eq!(jobs(&world.bureau), 0, "nothing reached the bureau");
}

#[test]
fn more_rows_than_agreed_are_refused() {
    let (world, _nodes) = ready(&["--rows-max", "1000"]);
    world.bank.run(&["join"]).fails(4, &["rows"]);
    assert_eq!((world.bank.runs_spent(), world.bureau.runs_spent()), (0, 0));
    world.bank.has_no_leftovers();
}

#[test]
fn other_normaliser_rules_are_refused() {
    let world = World::new().with_us_tables();
    let _nodes = world.start();
    let draft = world.draft(&[]);
    let text = std::fs::read_to_string(&draft).expect("readable");
    let version = format!("version = \"{}\"", symbolon_tables::NORMALISER_VERSION);
    let other = world.write("other.toml", &text.replace(&version, "version = \"999\""));
    assert_ne!(std::fs::read_to_string(&other).expect("readable"), text);
    world.bank.run(&["agreement", "sign", &other, "--yes"]).fails(4, &["normaliser"]);
    assert_eq!(agreements(&world.bank), 0);
    assert!(!std::fs::read_to_string(&other).expect("readable").contains("[[signature]]"), "the file is as it was");
}

#[test]
fn a_run_more_than_agreed_is_refused() {
    let (world, _nodes) = ready(&["--runs", "1"]);
    world.bank.ok(&["join", "--columns", "none"]);
    world.bank.run(&["join", "--columns", "none"]).fails(4, &["agreement"]);
    assert_eq!((world.bank.runs_spent(), world.bureau.runs_spent()), (1, 1));
}

#[test]
fn a_minimum_of_matches_holds_the_result_back() {
    let (world, _nodes) = ready(&["--matched-min", "17000"]);
    world.bank.run(&["join"]).fails(4, &["minimum"]);
    assert_eq!(world.bank.newest_job(), ("failed".to_owned(), "INTERSECTION_BELOW_MINIMUM".to_owned()));
    world.bank.run(&["result", "show"]).fails(2, &["no job has a result"]);
    // The bureau was asked for its columns and did not give them.
    assert_eq!(world.bureau.newest_job(), ("failed".to_owned(), "INTERSECTION_BELOW_MINIMUM".to_owned()));
    world.bank.has_no_leftovers();
}

#[test]
fn a_minimum_that_only_the_receiver_checks_is_not_told() {
    let (world, _nodes) = ready(&["--matched-min", "17000", "--release", "none"]);
    world.bank.run(&["join"]).fails(4, &["minimum"]);
    assert_eq!(world.bank.newest_job(), ("failed".to_owned(), "INTERSECTION_BELOW_MINIMUM".to_owned()));
    assert_eq!(world.bureau.newest_end().0, "done", "the bureau learns nothing of it");
    world.bank.has_no_leftovers();
}

#[test]
fn an_absent_peer_and_a_second_node_are_named() {
    let (world, (_bank, mut bureau)) = ready(&[]);
    bureau.kill();
    world.bank.run(&["join"]).fails(5, &["cannot be reached"]);
    world.bank.run(&["doctor"]).fails(5, &["cannot be reached"]);
    let taken = world.bank.path.join("serve.addr");
    let before = std::fs::read_to_string(&taken).expect("the running node's address");
    world.bank.run(&["serve", "--listen", "127.0.0.1:0"]).fails(2, &["another symbolon process"]);
    assert_eq!(std::fs::read_to_string(&taken).expect("still there"), before);
}

#[test]
fn exposed_keys_are_refused() {
    use std::os::unix::fs::PermissionsExt;
    let world = World::new();
    let key = world.bank.path.join("keys/organisation.key");
    std::fs::set_permissions(&key, PermissionsExt::from_mode(0o644)).expect("changed");
    world.bank.run(&["peer", "card"]).fails(7, &["chmod 600"]);
    world.bank.run(&["doctor"]).fails(7, &["chmod 600"]);
    std::fs::set_permissions(&key, PermissionsExt::from_mode(0o600)).expect("changed");
    world.bank.ok(&["peer", "card"]);
}
