//! Policies of an operator: checked, in force without a restart, explained.

use crate::support::{World, data, path};

const FORBID: &str = "\
// No values leave this house.
@id(\"no-enrich\")
@reason(\"this house gives no values\")
forbid (
  principal,
  action in Symbolon::Action::\"job_phase\",
  resource in Symbolon::Table::\"files\"
)
when { context.job.result == \"enrich\" };
";

#[test]
fn files_are_checked_with_file_and_line() {
    let world = World::new();
    let example = data("../config/policies.cedar");
    let checked = world.bank.ok(&["policy", "check", path(&example)]);
    assert_eq!(checked.stdout, "6 policies beside the shipped ones fit the schema\n");
    let wrong = world.write("wrong.cedar", "@id(\"a\")\nforbid (principal, action, resource)\nwhen { context.speed };");
    let ran = world.bank.run(&["policy", "check", &wrong]).fails(3, &["wrong.cedar:3: ", "speed", "policy schema"]);
    assert!(ran.stdout.is_empty());
    let answer = world.bank.run(&["--json", "policy", "check", &wrong]);
    let answer: serde_json::Value = serde_json::from_str(&answer.stdout).expect("one JSON document");
    assert_eq!(answer["error"]["problems"][0]["line"], 3);
    assert!(world.bank.ok(&["policy", "schema"]).stdout.contains("action accept"));
    assert!(world.bank.ok(&["policy", "show", "outside-validity"]).stdout.contains("forbid ("));
    world.bank.run(&["policy", "show", "none"]).fails(2, &["policy"]);
    world.bank.run(&["policy", "explain", "0000"]).fails(2, &["job"]);
    assert_eq!(world.bank.run(&["policy", "explain"]).code, 2, "a job or an agreement is needed");

    // Nothing is served under policies that cannot be used.
    std::fs::create_dir(world.bank.path.join("policies")).expect("a directory");
    std::fs::copy(&wrong, world.bank.path.join("policies/wrong.cedar")).expect("a copy");
    world.bank.run(&["serve", "--listen", "127.0.0.1:0"]).fails(7, &["policies/wrong.cedar:3: "]);
    world.bank.run(&["doctor", "--offline"]).fails(7, &["wrong.cedar:3: "]);
}

#[test]
fn a_policy_holds_without_a_restart_and_says_why() {
    let world = World::new().with_us_tables();
    let (_bank, _bureau) = world.start();
    world.conclude(&world.draft(&[]));
    world.bank.ok(&["join", "--agreement", "Test"]);
    let decided = world.bureau.json(&["job", "list"])["jobs"][0]["id"].as_str().expect("an id").to_owned();
    let told = world.bureau.ok(&["policy", "explain", &decided]).stdout;
    assert!(told.contains("  accept: permitted\n"), "{told}");
    assert!(told.contains("\"job-under-active-agreement\" (default.cedar:"), "{told}");
    let peers = world.bureau.json(&["peer", "list"]);
    let own = world.bank.json(&["peer", "list"]);
    let build = |answer: &serde_json::Value| answer["peers"][0]["posture"]["build"].as_str().map(str::to_owned);
    assert!(build(&peers).is_some_and(|digest| digest.len() == 64));
    assert_eq!(build(&peers), build(&own), "both run one program");

    std::fs::create_dir(world.bureau.path.join("policies")).expect("a directory");
    std::fs::write(world.bureau.path.join("policies/own.cedar"), FORBID).expect("writable");
    world.bank.run(&["join", "--agreement", "Test"]).fails(4, &["policy"]);
    assert_eq!(world.bank.newest_end(), ("failed".to_owned(), "POLICY_REFUSED".to_owned()));
    assert_eq!(world.bureau.runs_spent(), 1, "nothing is spent on what is refused");

    let log = world.bureau.json(&["policy", "log", "--limit", "1"]);
    assert_eq!(log["decisions"][0]["reason"], "POLICY_REFUSED");
    let refused = log["decisions"][0]["job"].as_str().expect("an id").to_owned();
    let told = world.bureau.ok(&["policy", "explain", &refused]).stdout;
    assert!(told.contains("offer: refused (POLICY_REFUSED)"), "{told}");
    assert!(told.contains("\"no-enrich\" (own.cedar:2) forbids it: this house gives no values"), "{told}");
    let asked = ["policy", "explain", "--agreement", "Test", "--by-partner", "--result"];
    let answer = world.bureau.json(&[asked.as_slice(), &["enrich"]].concat());
    assert_eq!(answer["allowed"], false);
    assert_eq!(answer["verdict"]["determining"][0]["id"], "no-enrich");
    assert_eq!(world.bureau.json(&[asked.as_slice(), &["match"]].concat())["allowed"], true);
}
