//! `symbolon`: what an institution's operator types.

mod args;
mod commands;
mod exit;
mod output;
mod progress;
mod prompt;
mod text;

use std::process::ExitCode;

use clap::Parser;

use crate::args::Args;
use crate::exit::Failure;
use crate::output::Output;

fn main() -> ExitCode {
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) => return usage(&error),
    };
    let output = Output::new(args.json, args.quiet);
    match commands::run(args, output) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => output.fail(&failure),
    }
}

/// Answers `--help`, `--version` and arguments that do not parse.
fn usage(error: &clap::Error) -> ExitCode {
    // Arguments did not parse, so whether JSON is wanted has to be looked up by hand.
    let json = std::env::args_os().any(|argument| argument == "--json");
    if error.use_stderr() && json {
        let text = error.render().to_string();
        let message = text.lines().next().unwrap_or_default().trim_start_matches("error: ").to_owned();
        return Output::new(true, false).fail(&Failure::usage(message).hint("see symbolon --help"));
    }
    // A closed pipe is no reason to complain.
    drop(error.print());
    if error.use_stderr() { exit::Exit::Usage.into() } else { ExitCode::SUCCESS }
}
