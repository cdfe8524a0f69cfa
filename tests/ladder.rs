//! The ladder: which crate may import which, checked against what cargo resolves.
//!
//! Each row names the local crates a crate may import and what it must never reach, even through others. The test
//! asks `cargo tree -e normal`, so a new dependency that breaks a rule fails here and not in a review.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

struct Rung {
    package: &'static str,
    may_import: &'static [&'static str],
    must_not_reach: &'static [&'static str],
}

const RUNTIMES: [&str; 4] = ["tokio", "tonic", "arrow", "sqlx"];

const LADDER: [Rung; 9] = [
    Rung {
        package: "symbolon-kernels",
        may_import: &[],
        // The portable definitions are curve25519-dalek, blake3 and, for AES of many blocks, the crate aes.
        must_not_reach: &["tokio", "tonic", "arrow", "sqlx", "rayon", "aes-gcm", "sha2"],
    },
    Rung { package: "symbolon-primitives", may_import: &["symbolon-kernels"], must_not_reach: &RUNTIMES },
    Rung {
        package: "symbolon-oblivious",
        may_import: &["symbolon-primitives", "symbolon-kernels"],
        must_not_reach: &RUNTIMES,
    },
    Rung {
        package: "symbolon-psi",
        may_import: &["symbolon-oblivious", "symbolon-primitives"],
        must_not_reach: &RUNTIMES,
    },
    Rung {
        package: "symbolon-policy",
        may_import: &["symbolon-primitives"],
        must_not_reach: &["tokio", "tonic", "symbolon-psi"],
    },
    Rung {
        package: "symbolon-tables",
        may_import: &[],
        must_not_reach: &["symbolon-primitives", "symbolon-psi", "tonic", "tokio"],
    },
    Rung { package: "symbolon-wire", may_import: &[], must_not_reach: &["symbolon-primitives", "arrow"] },
    Rung {
        package: "symbolon-node",
        may_import: &["symbolon-primitives", "symbolon-psi", "symbolon-policy", "symbolon-tables", "symbolon-wire"],
        must_not_reach: &["symbolon-cli", "ring", "openssl", "native-tls"],
    },
    Rung {
        package: "symbolon-cli",
        may_import: &["symbolon-node", "symbolon-policy", "symbolon-primitives", "symbolon-tables"],
        must_not_reach: &["ring", "openssl", "native-tls"],
    },
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests lies in the workspace root").to_path_buf()
}

/// Names of the packages `cargo tree` lists for `package`, itself left out.
fn tree(package: &str, direct_only: bool) -> BTreeSet<String> {
    let mut command = Command::new(env!("CARGO"));
    command
        .current_dir(root())
        .args(["tree", "--locked", "-e", "normal", "--prefix", "none", "-f", "{p}", "-p", package]);
    if direct_only {
        command.args(["--depth", "1"]);
    }
    let output = command.output().expect("cargo runs");
    assert!(output.status.success(), "cargo tree -p {package}: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("cargo prints UTF-8");
    let names: BTreeSet<String> =
        text.lines().filter_map(|line| line.split_whitespace().next()).map(ToOwned::to_owned).collect();
    assert!(names.contains(package), "cargo tree lists {package} itself");
    names.into_iter().filter(|name| name != package).collect()
}

#[test]
fn every_crate_imports_only_what_it_may() {
    for rung in &LADDER {
        let local: Vec<String> =
            tree(rung.package, true).into_iter().filter(|name| name.starts_with("symbolon-")).collect();
        for name in local {
            assert!(rung.may_import.contains(&name.as_str()), "{} must not import {name}", rung.package);
        }
    }
}

#[test]
fn no_crate_reaches_what_it_must_not() {
    for rung in &LADDER {
        let reached = tree(rung.package, false);
        for name in rung.must_not_reach {
            let hit = reached.iter().find(|found| *found == name || found.starts_with(&format!("{name}-")));
            assert!(hit.is_none(), "{} reaches {}", rung.package, hit.map_or("", String::as_str));
        }
    }
}

#[test]
fn every_workspace_crate_stands_on_the_ladder() {
    let listed: BTreeSet<&str> = LADDER.iter().map(|rung| rung.package).collect();
    for entry in std::fs::read_dir(root().join("crates")).expect("crates is a folder") {
        let name = entry.expect("readable").file_name();
        let package = format!("symbolon-{}", name.to_string_lossy());
        assert!(listed.contains(package.as_str()), "{package} is not on the ladder");
    }
}

/// The protocols do no I/O and read no clock: the machine gets bytes, randomness and limits as arguments.
#[test]
fn protocols_touch_no_file_network_or_clock() {
    let mut files = vec![root().join("crates/psi/src")];
    let mut sources = 0;
    while let Some(path) = files.pop() {
        if path.is_dir() {
            files.extend(std::fs::read_dir(&path).expect("readable").map(|entry| entry.expect("readable").path()));
            continue;
        }
        sources += 1;
        let text = std::fs::read_to_string(&path).expect("sources are UTF-8");
        for forbidden in ["std::fs", "std::net", "std::time", "std::thread", "std::{fs", "std::{net", "std::{time"] {
            assert!(!text.contains(forbidden), "{} uses {forbidden}", path.display());
        }
    }
    assert!(sources > 5, "psi's sources were found");
}
