//! `symbolon completions`

use clap::CommandFactory;

use crate::args::{Args, CompletionsArgs};
use crate::exit::Failure;
use crate::output::Output;

pub(crate) fn run(args: &CompletionsArgs, output: Output) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Args::command(), "symbolon", &mut script);
    output.stdout(&String::from_utf8_lossy(&script))
}
