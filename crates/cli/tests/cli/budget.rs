//! What is spent and left, and signs of probing, as operators see them.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::support::{Home, World, data};

/// The line of a budget.
fn line<'a>(budgets: &'a Value, budget: &str) -> &'a Value {
    let lines = budgets["budgets"][0]["lines"].as_array().expect("lines");
    lines.iter().find(|line| line["budget"] == budget).expect("the budget has a line")
}

/// The error under `--json`.
fn error(home: &Home, arguments: &[&str], code: i32) -> Value {
    let ran = home.run(&[&["--json"], arguments].concat());
    assert_eq!(ran.code, code, "{}{}", ran.stdout, ran.stderr);
    let document: Value = serde_json::from_str(&ran.stdout).expect("one JSON document");
    document["error"].clone()
}

fn state_files(home: &Path) -> Vec<PathBuf> {
    ["state.db", "state.db-wal", "state.db-shm"].iter().map(|name| home.join(name)).collect()
}

#[test]
fn a_spent_budget_shows_what_is_left_and_from_when_on_there_is_more() {
    let world = World::new().with_us_tables();
    let (mut bank, _bureau) = world.start();
    world.conclude(&world.draft(&["--period", "month", "--period-runs", "1", "--snapshots", "2"]));

    let before = world.bank.json(&["budget"]);
    assert_eq!((&line(&before, "runs_max")["left"], &line(&before, "runs_per_period")["left"]), (&9.into(), &1.into()));
    let resets_at = line(&before, "runs_per_period")["resets_at"].as_str().expect("a time").to_owned();
    assert!(resets_at.ends_with("-01T00:00:00Z"), "{resets_at}");
    assert!(line(&before, "runs_max")["resets_at"].is_null());

    // What the bank knew before its job: what a backup brings back.
    assert_eq!(bank.stop(), 0);
    let copies: Vec<(PathBuf, Option<Vec<u8>>)> =
        state_files(&world.bank.path).into_iter().map(|path| (path.clone(), std::fs::read(path).ok())).collect();
    let mut bank = world.bank.serve();
    assert_eq!(world.bank.json(&["join"])["result"]["rows"], 16_673);
    for home in [&world.bank, &world.bureau] {
        let after = home.json(&["budget", "Test"]);
        assert_eq!(line(&after, "runs_max")["left"], 8);
        let period = line(&after, "runs_per_period");
        assert_eq!(
            (&period["spent"], &period["left"], &period["resets_at"]),
            (&1.into(), &0.into(), &resets_at.clone().into())
        );
        let asked = if home.name == "bank" { "own" } else { "other" };
        assert_eq!(after["budgets"][0][asked]["runs"], 1, "{after}");
        let shown = home.ok(&["budget"]).stdout;
        assert!(
            shown.contains(&resets_at) && shown.contains("runs_per_period") && shown.contains("Test with"),
            "{shown}"
        );
    }
    let refused = error(&world.bank, &["join"], 4);
    assert_eq!((&refused["reason"], &refused["resets_at"]), (&"PERIOD_RUNS_SPENT".into(), &resets_at.clone().into()));
    assert!(refused["job"].is_null(), "the own node refuses it before there is a job");
    world.bank.run(&["join"]).fails(4, &[&resets_at]);
    world.bank.run(&["budget", "Other"]).fails(2, &["no such agreement"]);

    // A node that forgot what was spent is refused by the other, in the stream of the job.
    assert_eq!(bank.stop(), 0);
    for (path, copy) in copies {
        match copy {
            Some(bytes) => std::fs::write(path, bytes).expect("writable"),
            None => drop(std::fs::remove_file(path)),
        }
    }
    let _bank = world.bank.serve();
    assert_eq!(line(&world.bank.json(&["budget"]), "runs_per_period")["left"], 1);
    let refused = error(&world.bank, &["join"], 4);
    assert_eq!((&refused["reason"], &refused["resets_at"]), (&"PERIOD_RUNS_SPENT".into(), &resets_at.clone().into()));
    let job = refused["job"].as_str().expect("the job that was refused").to_owned();
    assert_eq!(world.bank.json(&["job", "show", &job])["job"]["failure"]["resets_at"], resets_at.as_str());
}

#[test]
fn a_tiny_question_is_an_alert_that_somebody_looks_into() {
    let world = World::new().with_us_tables();
    let few: Vec<String> = std::fs::read_to_string(data("bank_customers.csv"))
        .expect("the shipped table")
        .lines()
        .take(4)
        .map(|line| format!("{line}\n"))
        .collect();
    let few = world.write("few.csv", &few.concat());
    world.bank.ok(&["table", "add", "customers", &few, "--key", "ssn=us_ssn", "--replace"]);
    let (_bank, _bureau) = world.start();
    world.conclude(&world.draft(&[]));
    assert!(world.bureau.json(&["alert", "list"])["alerts"].as_array().expect("a list").is_empty());
    assert_eq!(world.bureau.ok(&["alert", "list"]).stdout, "no alerts\n");
    world.bank.ok(&["join"]);

    let alerts = world.bureau.json(&["alert", "list"]);
    let alert = &alerts["alerts"][0];
    assert_eq!(
        (&alert["sign"], &alert["found"], &alert["refused"]),
        (&"tiny_set".into(), &3.into(), &false.into()),
        "{alerts}"
    );
    let number = alert["id"].to_string();
    let listed = world.bureau.ok(&["alert", "list"]).stdout;
    assert!(listed.contains("open") && listed.contains("First Bank"), "{listed}");
    let shown = world.bureau.ok(&["alert", "show", &number]).stdout;
    assert!(shown.contains("asked about 3 rows") && shown.contains("the job was    run"), "{shown}");
    let seen = world.bureau.json(&["alert", "ack", &number, "--note", "a test, agreed by telephone"]);
    assert_eq!(seen["alert"]["note"], "a test, agreed by telephone");
    assert!(seen["alert"]["seen_at"].is_string());
    let listed = world.bureau.ok(&["alert", "list", "--limit", "1"]).stdout;
    assert!(listed.contains("looked into"), "{listed}");
    let again = world.bureau.run(&["alert", "ack", &number]);
    assert_eq!(again.code, 2, "{}", again.stderr);
    world.bureau.run(&["alert", "show", "99"]).fails(2, &["no such alert"]);
    world.bureau.run(&["alert", "ack", "99"]).fails(2, &["no such alert"]);
    // Who asked has none: a question about few rows is a sign at the other side.
    assert!(world.bank.json(&["alert", "list"])["alerts"].as_array().expect("a list").is_empty());
}
