//! Nodes and commands that are killed in the middle of a job.

use std::process::Command;

use crate::support::{Server, Watched, World};

fn ready() -> (World, Server, Server) {
    let world = World::new().with_us_tables();
    let (bank, bureau) = world.start();
    world.conclude(&world.draft(&[]));
    (world, bank, bureau)
}

#[test]
fn kill_9_of_the_bureau_fails_the_job_on_both_sides() {
    let (world, _bank, mut bureau) = ready();
    let mut join = Watched::start(world.bank.command(&["join"]));
    join.until("running");
    bureau.kill();
    join.end().fails(5, &["connection to the peer broke"]);
    assert_eq!(world.bank.newest_job().0, "failed");
    world.bank.has_no_leftovers();

    let bureau = world.bureau.serve();
    assert_eq!(world.bureau.newest_job(), ("failed".to_owned(), "INTERRUPTED".to_owned()));
    world.bureau.has_no_leftovers();
    let card = world.file("bureau.card.toml");
    world.bank.ok(&["peer", "add", "bureau", &card, "--yes", "--replace", "--endpoint", &bureau.address]);
    assert_eq!(world.bank.json(&["join"])["result"]["rows"], 16_673, "it can be started again");
    assert_eq!((world.bank.runs_spent(), world.bureau.runs_spent()), (2, 2), "the failed run stays spent");
}

#[test]
fn kill_9_of_the_bank_fails_the_job_on_both_sides() {
    let (world, mut bank, _bureau) = ready();
    let mut join = Watched::start(world.bank.command(&["join"]));
    join.until("running");
    bank.kill();
    join.end().fails(9, &["node stopped", "symbolon serve"]);
    let (state, reason) = world.bureau.newest_end();
    assert_eq!((state.as_str(), reason.as_str()), ("failed", "PEER_GONE"));

    let _bank = world.bank.serve();
    assert_eq!(world.bank.newest_job(), ("failed".to_owned(), "INTERRUPTED".to_owned()));
    world.bank.has_no_leftovers();
    assert!(world.bank.run(&["result", "show"]).fails(2, &["no job has a result"]).stdout.is_empty());
    assert_eq!(world.bank.json(&["join"])["result"]["rows"], 16_673, "it can be started again");
}

#[test]
fn ctrl_c_cancels_the_job_on_both_sides() {
    let (world, _bank, _bureau) = ready();
    let mut join = Watched::start(world.bank.command(&["join"]));
    join.until("running");
    let pid = join.id().to_string();
    assert!(Command::new("kill").args(["-INT", &pid]).status().expect("kill runs").success());
    join.end().fails(8, &["cancelled"]);
    assert_eq!(world.bank.newest_job().0, "cancelled");
    assert_ne!(world.bureau.newest_end().0, "running");
    world.bank.has_no_leftovers();
    world.bureau.has_no_leftovers();
}

#[test]
fn a_node_told_to_stop_lets_the_job_end_or_fail_in_order() {
    let (world, mut bank, _bureau) = ready();
    let mut join = Watched::start(world.bank.command(&["join"]));
    join.until("running");
    assert_eq!(bank.stop(), 0);
    let ran = join.end();
    assert!(!world.bank.path.join("serve.addr").exists(), "a stopped node announces no address");
    let (state, _) = world.bank.newest_job();
    match ran.code {
        0 => assert_eq!(state, "done"),
        _ => assert!(["failed", "cancelled", "done"].contains(&state.as_str()), "{state}: {}", ran.stderr),
    }
    world.bank.has_no_leftovers();
}
