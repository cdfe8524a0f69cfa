//! Agreements after they were signed: approved, suspended, resumed, replaced, revoked, with real processes.
#![expect(clippy::disallowed_methods, reason = "how long processes take is what is tested")]

use std::time::{Duration, Instant};

use crate::support::{Watched, World};

/// The time within which a notice has to end a job on both sides.
const NOTICE_MAX: Duration = Duration::from_secs(1);

/// The side that gives notice while a job runs that the bank asked for.
fn notice_ends_a_job(at_the_bank: bool, verb: &str, reason: &str) {
    let world = World::new().with_us_tables();
    let (_bank, _bureau) = world.start();
    world.conclude(&world.draft(&[]));
    let mut join = Watched::start(world.bank.command(&["join"]));
    join.until("running");
    let giver = if at_the_bank { &world.bank } else { &world.bureau };
    let mut arguments = vec!["agreement", verb, "Test", "--reason", "audit"];
    if verb == "revoke" {
        arguments.push("--yes");
    }
    let told = giver.json(&arguments);
    // From here on the notice is stored: both sides have to have ended within the time.
    let start = Instant::now();
    let ended = || [&world.bank, &world.bureau].map(|home| home.newest_job());
    let mut jobs = ended();
    while jobs.iter().any(|(state, _)| state != "failed") && start.elapsed() < 20 * NOTICE_MAX {
        jobs = ended();
    }
    let took = start.elapsed();
    assert_eq!(jobs, [(); 2].map(|()| ("failed".to_owned(), reason.to_owned())));
    assert!(took < NOTICE_MAX, "the job ended after {took:?}");
    assert_eq!(told["delivered"], true, "{told}");
    join.end().fails(4, &["agreement"]);
    for home in [&world.bank, &world.bureau] {
        let refused = home.run(&["join"]);
        assert_eq!(refused.code, 4, "{}", refused.stderr);
        home.has_no_leftovers();
    }
}

#[test]
fn a_suspension_by_the_bureau_ends_a_running_job_on_both_sides() {
    notice_ends_a_job(false, "suspend", "AGREEMENT_SUSPENDED");
}

#[test]
fn a_revocation_by_the_bank_ends_a_running_job_on_both_sides() {
    notice_ends_a_job(true, "revoke", "AGREEMENT_REVOKED");
}

#[test]
fn a_notice_reaches_a_partner_that_was_away() {
    let world = World::new().with_us_tables();
    let (_bank, mut bureau) = world.start();
    world.conclude(&world.draft(&[]));
    bureau.kill();
    assert_eq!(world.bank.json(&["agreement", "suspend", "Test"])["delivered"], false);
    assert_eq!(world.bureau.json(&["agreement", "list"])["agreements"][0]["state"], "active");
    let bureau = world.bureau.serve();
    let card = world.file("bureau.card.toml");
    world.bank.ok(&["peer", "add", "bureau", &card, "--yes", "--replace", "--endpoint", &bureau.address]);
    let start = Instant::now();
    while world.bureau.json(&["agreement", "list"])["agreements"][0]["state"] != "suspended" {
        assert!(start.elapsed() < Duration::from_secs(60), "the notice never came");
    }
    let shown = world.bureau.ok(&["agreement", "show", "Test"]).stdout;
    assert!(shown.contains("Suspended by First Bank since"), "{shown}");
    world.bureau.run(&["agreement", "resume", "Test"]).fails(2, &["has not suspended"]);
    assert_eq!(world.bank.json(&["agreement", "resume", "Test"])["delivered"], true);
    assert_eq!(world.bureau.json(&["agreement", "list"])["agreements"][0]["state"], "active");
    assert_eq!(world.bank.json(&["join"])["result"]["rows"], 16_673, "and jobs run again");
}

#[test]
fn two_persons_approve_before_the_bank_signs() {
    let world = World::new().with_us_tables();
    let (_bank, _bureau) = world.start();
    let approver = |name: &str, file: &str| {
        let made = world.bank.json(&["approver", "new", name, "-o", &world.file(file), "--plain"]);
        format!("{name}={}", made["key"].as_str().expect("a key"))
    };
    let [ada, ben, chen] = [("Ada Lund", "ada.key"), ("Ben Okoro", "ben.key"), ("Chen Wei", "chen.key")]
        .map(|(name, file)| approver(name, file));
    let draft = world.draft(&["--approver", &ada, "--approver", &ben, "--approver", &chen, "--approvals", "2"]);
    let shown = world.bank.ok(&["agreement", "show", &draft]).stdout;
    assert!(shown.contains("signs after 2 of these 3 persons approved: Ada Lund, Ben Okoro and Chen Wei"), "{shown}");

    world.bank.run(&["agreement", "sign", &draft, "--yes"]).fails(4, &["0 of 2 approvals"]);
    let approve = |file: &str| world.bank.run(&["agreement", "approve", &draft, "--key", &world.file(file), "--yes"]);
    assert!(approve("ada.key").stdout.contains("Ada Lund approved \"Test\""));
    assert!(approve("ada.key").stdout.contains("1 of 2 approvals"), "the same person counts once");
    world.bank.run(&["agreement", "sign", &draft, "--yes"]).fails(4, &["1 of 2 approvals"]);
    world.bank.ok(&["approver", "new", "Zoe", "-o", &world.file("zoe.key"), "--plain"]);
    approve("zoe.key").fails(4, &["no [[party.approver]]"]);
    assert!(approve("chen.key").stdout.contains("2 of 2 approvals"));
    world.bank.run(&["approver", "new", "Zoe", "-o", &world.file("zoe.key"), "--plain"]).fails(2, &["exists already"]);
    world.conclude(&draft);
    let shown = world.bureau.ok(&["agreement", "show", "Test"]).stdout;
    assert!(shown.contains("First Bank: 2 of 2 approvals (Ada Lund and Chen Wei)."), "{shown}");
    assert!(shown.contains("In force."), "{shown}");
}

#[test]
fn a_second_version_tells_what_changed_and_takes_the_place_of_the_first() {
    let world = World::new().with_us_tables();
    let (_bank, _bureau) = world.start();
    world.conclude(&world.draft(&[]));
    let first = world.bank.json(&["agreement", "list"])["agreements"][0]["id"].as_str().expect("an id").to_owned();
    let draft = world.draft(&["--replaces", &first, "--runs", "12", "--get", "total_balance"]);
    let shown = world.bank.ok(&["agreement", "show", &draft]).stdout;
    for line in [
        "What changes against the version it replaces",
        "  - The most jobs: 9 became 12. [wider]",
        "  - The column `risk_grade` of Credit Bureau: after_match (text, at most 64 bytes) became never (text). [you get \
         less]",
    ] {
        assert!(shown.contains(line), "{line}\n{shown}");
    }
    world.conclude(&draft);
    let second = world.bank.json(&["agreement", "show", &draft])["id"].as_str().expect("an id").to_owned();
    let history = world.bureau.json(&["agreement", "history", &first[..12]]);
    let of = |index: usize| (history["versions"][index]["id"].clone(), history["versions"][index]["state"].clone());
    assert_eq!(of(0), (second.clone().into(), "active".into()));
    assert_eq!(of(1), (first.clone().into(), "superseded".into()));
    let lines = world.bureau.ok(&["agreement", "diff", &first[..12], &second[..12]]).stdout;
    assert!(lines.contains("Your column `risk_grade`") && lines.contains("[narrower]"), "{lines}");
    world.bank.run(&["join", "--agreement", &first[..12]]).fails(4, &["superseded"]);
    assert_eq!(world.bank.json(&["join"])["result"]["rows"], 16_673);
}
