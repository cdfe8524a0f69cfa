//! Drafts that start from a template.

use crate::support::World;

/// Drafts at the bank from the template `name`; gives the file.
fn arguments<'a>(card: &'a str, draft: &'a str, name: &'a str) -> Vec<&'a str> {
    let mut arguments = vec!["agreement", "draft", "--template", name, "--peer", "bureau", "--table", "customers"];
    arguments.extend(["--peer-table", card, "--title", "Test", "-o", draft]);
    arguments
}

#[test]
fn a_draft_starts_from_a_template_and_arguments_go_before_it() {
    let world = World::new().with_us_tables();
    let (_bank, _bureau) = world.start();
    let (card, draft) = (world.file("files.table.toml"), world.file("agreement.toml"));
    world.bureau.ok(&["table", "show", "files", "--card", "-o", &card]);
    let approver = |name: &str, file: &str| {
        let made = world.bank.json(&["approver", "new", name, "-o", &world.file(file), "--plain"]);
        format!("{name}={}", made["key"].as_str().expect("a key"))
    };
    let [ada, ben] = [("Ada Lund", "ada.key"), ("Ben Okoro", "ben.key")].map(|(name, file)| approver(name, file));

    let listed = world.bank.json(&["agreement", "templates"]);
    let names: Vec<&str> =
        listed["templates"].as_array().expect("templates").iter().filter_map(|it| it["name"].as_str()).collect();
    assert_eq!(names, ["match", "enrich", "count"]);
    let shown = world.bank.ok(&["agreement", "templates"]).stdout;
    assert!(shown.contains("allows     enrich by ecdh-oprf, for us"), "{shown}");

    // Persons who have to approve are named, or done without in so many words.
    let enrich = [arguments(&card, &draft, "enrich"), vec!["--get", "total_balance,risk_grade"]].concat();
    world.bank.run(&enrich).fails(2, &["2 have to approve, 0 are named", "--approvals 0"]);
    world.bank.run(&arguments(&card, &draft, "everything")).fails(2, &["template", "agreement templates"]);
    let named = [enrich, vec!["--approver", &ada, "--approver", &ben]].concat();
    world.bank.ok(&named);
    let text = std::fs::read_to_string(&draft).expect("a draft");
    for line in
        ["runs_max = 12", "intersection_min = 50", "release_count = \"bit\"", "approvals_min = 2", "rows_min = 100"]
    {
        assert!(text.lines().any(|found| found == line), "{line}\n{text}");
    }
    // Nobody approves or signs what nobody has said.
    let approve = |file: &str| world.bank.run(&["agreement", "approve", &draft, "--key", &world.file(file), "--yes"]);
    approve("ada.key").fails(2, &["purpose is still the template's"]);
    world.bank.run(&["agreement", "sign", &draft, "--yes"]).fails(2, &["purpose is still the template's"]);

    let said = [named, vec!["--purpose", "credit decisions", "--runs", "1", "--matched-min", "20"]].concat();
    world.bank.ok(&said);
    let text = std::fs::read_to_string(&draft).expect("a draft");
    for line in ["runs_max = 1", "runs_per_period = 1", "intersection_min = 20"] {
        assert!(text.lines().any(|found| found == line), "{line}\n{text}");
    }
    for file in ["ada.key", "ben.key"] {
        assert_eq!(approve(file).code, 0);
    }
    world.conclude(&draft);
    assert_eq!(world.bank.json(&["join"])["result"]["rows"], 16_673);
}

#[test]
fn a_count_from_its_template_needs_no_rule() {
    let world = World::new().with_us_tables();
    let (_bank, _bureau) = world.start();
    let (card, draft) = (world.file("files.table.toml"), world.file("agreement.toml"));
    world.bureau.ok(&["table", "show", "files", "--card", "-o", &card]);
    let count =
        [arguments(&card, &draft, "count"), vec!["--approvals", "0", "--purpose", "size of the overlap"]].concat();
    world.bank.ok(&count);
    world.conclude(&draft);
    assert_eq!(world.bank.json(&["count"])["result"]["matched"], 16_673);
    // Without a template the rules have to be given.
    let bare: Vec<&str> = count.iter().copied().filter(|it| !["--template", "count"].contains(it)).collect();
    let refused = world.bank.run(&bare);
    assert_eq!(refused.code, 2);
    assert!(refused.stderr.contains("--allow"), "{}", refused.stderr);
}
