//! Microseconds an item of the two paths of the private join, for this crate and for curve25519-dalek.
//!
//! `cargo bench -p symbolon-kernels --bench ratio` prints one JSON line. `blind` maps 64 uniform bytes to the group,
//! multiplies and encodes; `evaluate` decodes, multiplies and encodes, both by one scalar for all items on one thread,
//! in processor time. `dalek` is curve25519-dalek as this workspace builds it, `dalek_default` as it builds without
//! flags: a backend is global to a build, so a child build measures that, in a directory of its own. Both encode many
//! doubled points at once, their fastest way; `_single` is with the plain encoding of one point. The subjects take
//! turns, and each figure is the median of all rounds, each ratio that of the ratios in a round.

#![expect(clippy::print_stdout, reason = "the figures are the output")]

#[path = "ratio/dalek.rs"]
mod dalek;

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Map, Value, json};
use symbolon_kernels::ristretto8::{self, Points};

use crate::dalek::{Costs, ITEMS};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// How often the subjects take turns.
const ROUNDS: usize = 9;

/// The child's manifest; versions come from the workspace's lock file.
const MANIFEST: &str = r#"[package]
name = "dalek-default"
version = "0.0.0"
edition = "2024"

[dependencies]
curve25519-dalek = { version = "5", features = ["rand_core", "digest", "zeroize"] }
rustix = { version = "1", features = ["time"] }

[profile.release]
debug = false

[workspace]
"#;

fn main() -> Result<()> {
    let child = build_child()?;
    let subjects: [(&str, &dyn Fn() -> Result<Costs>); 3] = [
        ("ristretto8", &|| Ok(kernels())),
        ("dalek", &|| Ok(dalek::measure())),
        ("dalek_default", &|| run_child(&child)),
    ];
    let mut rounds: [Vec<Costs>; 3] = Default::default();
    for _ in 0..ROUNDS {
        for ((_, measure), costs) in subjects.iter().zip(&mut rounds) {
            costs.push(measure()?);
        }
    }
    let mut line = json!({
        "backend": ristretto8::backend(),
        "items": ITEMS,
        "rounds": ROUNDS,
        "blind_us": figures(&subjects.map(|(name, _)| name), &rounds, |costs| costs.blind),
        "evaluate_us": figures(&subjects.map(|(name, _)| name), &rounds, |costs| costs.evaluate),
    });
    for (name, costs) in [("dalek", &rounds[1]), ("dalek_default", &rounds[2])] {
        let single = |cost: fn(&Costs) -> f64| median(costs.iter().map(cost).collect());
        line["blind_us"][format!("{name}_single")] = single(|costs| costs.blind_single).into();
        line["evaluate_us"][format!("{name}_single")] = single(|costs| costs.evaluate_single).into();
        let ratio = |cost: fn(&Costs) -> f64| {
            median(costs.iter().zip(&rounds[0]).map(|(other, own)| cost(other) / cost(own)).collect())
        };
        line["times_faster"][name] = json!({
            "blind": ratio(|costs| costs.blind),
            "evaluate": ratio(|costs| costs.evaluate),
        });
    }
    println!("{line}");
    Ok(())
}

fn figures(names: &[&str], rounds: &[Vec<Costs>], cost: fn(&Costs) -> f64) -> Value {
    let one = |(name, costs): (&&str, &Vec<Costs>)| {
        ((*name).to_owned(), Value::from(median(costs.iter().map(cost).collect())))
    };
    Value::Object(names.iter().zip(rounds).map(one).collect::<Map<_, _>>())
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// One round of this crate's functions.
fn kernels() -> Costs {
    let (uniform, scalar) = (dalek::uniform(), dalek::scalar());
    let mut out = vec![[0; 32]; ITEMS];
    let blind = dalek::microseconds(|| {
        for (uniform, out) in uniform.chunks(ristretto8::BLOCK_ELEMENTS).zip(out.chunks_mut(256)) {
            Points::map(uniform).multiply(&scalar, out);
        }
    });
    let encodings = out.clone();
    let evaluate = dalek::microseconds(|| {
        for (encodings, out) in encodings.chunks(ristretto8::BLOCK_ELEMENTS).zip(out.chunks_mut(256)) {
            let (points, _) = Points::decode(encodings);
            points.multiply(&scalar, out);
        }
    });
    Costs { blind, evaluate, blind_single: blind, evaluate_single: evaluate }
}

/// Builds the child in `ratio-dalek-default` of the target directory and returns its binary.
fn build_child() -> Result<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).ok_or("the crate lies in a workspace")?;
    let target = std::env::current_exe()?.ancestors().nth(3).ok_or("the bench lies in a target directory")?.to_owned();
    let folder = target.join("ratio-dalek-default");
    std::fs::create_dir_all(folder.join("src"))?;
    std::fs::write(folder.join("Cargo.toml"), MANIFEST)?;
    std::fs::copy(root.join("Cargo.lock"), folder.join("Cargo.lock"))?;
    std::fs::write(folder.join("src/dalek.rs"), include_str!("ratio/dalek.rs"))?;
    std::fs::write(folder.join("src/main.rs"), include_str!("ratio/child.rs"))?;
    // Flags of the environment replace those of every configuration file: dalek then picks its own default.
    let status = Command::new(env!("CARGO"))
        .current_dir(&folder)
        .args(["build", "--release", "--quiet", "--target-dir", "target"])
        .env("RUSTFLAGS", "-C debuginfo=0")
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .env_remove("CARGO_TARGET_DIR")
        .env_remove("CARGO_BUILD_TARGET")
        .status()?;
    if !status.success() {
        return Err("the child build failed".into());
    }
    Ok(folder.join("target/release/dalek-default"))
}

fn run_child(binary: &Path) -> Result<Costs> {
    let output = Command::new(binary).output()?;
    if !output.status.success() {
        return Err("the child failed".into());
    }
    let text = String::from_utf8(output.stdout)?;
    let values: Vec<f64> = text.split_whitespace().map(str::parse).collect::<std::result::Result<_, _>>()?;
    let [blind, evaluate, blind_single, evaluate_single] = values[..] else {
        return Err("the child prints four figures".into());
    };
    Ok(Costs { blind, evaluate, blind_single, evaluate_single })
}
