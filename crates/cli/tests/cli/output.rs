//! What the tool prints, and where.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use serde_json::Value;

use crate::support::World;

#[test]
fn errors_under_json_are_one_document() {
    let world = World::new();
    for (arguments, code, reason) in [
        (["--json", "table", "show", "none"].as_slice(), 2, "NOT_FOUND"),
        (&["--json", "job", "watch"], 2, "USAGE"),
        (&["--json", "count"], 9, "NODE_NOT_RUNNING"),
    ] {
        let ran = world.bank.run(arguments);
        assert_eq!(ran.code, code, "{arguments:?}: {}{}", ran.stdout, ran.stderr);
        let answer: Value = serde_json::from_str(&ran.stdout).expect("one JSON document");
        assert_eq!(answer["error"]["reason"], reason);
        assert_eq!(answer["error"]["exit_code"], code);
        assert!(answer["error"]["message"].as_str().is_some_and(|message| !message.is_empty()));
    }
}

#[test]
fn a_closed_pipe_is_no_error() {
    let world = World::new();
    for arguments in [&["completions", "bash"][..], &["peer", "card"], &["--help"], &["table", "list"]] {
        let mut child =
            world.bank.command(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
        drop(child.stdout.take());
        let output = child.wait_with_output().expect("it ends");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(!stderr.contains("panicked"), "{arguments:?}: {stderr}");
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {stderr}");
    }
    let mut child = world.bank.command(&["completions", "zsh"]).stdout(Stdio::piped()).spawn().expect("it starts");
    let mut line = String::new();
    BufReader::new(child.stdout.take().expect("a pipe")).read_line(&mut line).expect("a line");
    assert_eq!(line.trim(), "#compdef symbolon");
    assert_eq!(child.wait().expect("it ends").code(), Some(0));
}

#[test]
fn quiet_leaves_errors_and_products() {
    let world = World::new();
    let listed = world.bank.run(&["--quiet", "table", "list"]);
    assert_eq!((listed.code, listed.stdout.as_str(), listed.stderr.as_str()), (0, "", ""));
    assert!(world.bank.run(&["--quiet", "peer", "card"]).stdout.contains("institution"));
    world.bank.run(&["--quiet", "table", "show", "none"]).fails(2, &["table"]);
}

#[test]
fn doctor_reports_a_new_home() {
    let world = World::new();
    let answer = world.bank.json(&["doctor", "--offline"]);
    assert_eq!(answer["failed"], 0);
    let checks = answer["checks"].as_array().expect("a list");
    assert!(checks.iter().any(|check| check["check"] == "node" && check["state"] == "warning"));
    assert!(checks.iter().all(|check| check["found"].as_str().is_some_and(|found| !found.is_empty())));
}
