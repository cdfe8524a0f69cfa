//! What goes to standard output and standard error, and in which shape.

use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use serde_json::Value;

use crate::exit::{Exit, Failure};

/// What a command has to say at its end: text for a person, one JSON document for a program.
#[derive(Debug)]
pub(crate) struct Report {
    human: String,
    json: Value,
}

impl Report {
    pub(crate) fn new(human: impl Into<String>, json: Value) -> Self {
        Self { human: human.into(), json }
    }
}

/// Where and how to print.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Output {
    json: bool,
    quiet: bool,
}

impl Output {
    pub(crate) const fn new(json: bool, quiet: bool) -> Self {
        Self { json, quiet }
    }

    /// Whether one JSON document is wanted.
    pub(crate) const fn is_json(self) -> bool {
        self.json
    }

    /// Whether progress and notes are wanted at all.
    pub(crate) const fn talks(self) -> bool {
        !self.quiet
    }

    /// Whether a bar that redraws itself makes sense.
    pub(crate) fn draws(self) -> bool {
        self.talks() && io::stderr().is_terminal()
    }

    /// Prints the one document of the command.
    pub(crate) fn report(self, report: &Report) -> Result<(), Failure> {
        let text = if self.json { format!("{:#}", report.json) } else { report.human.clone() };
        if self.quiet && !self.json {
            return Ok(());
        }
        self.stdout(&text)
    }

    /// Prints text that is the product itself (a card, a draft, completions), also under `--quiet`.
    pub(crate) fn stdout(self, text: &str) -> Result<(), Failure> {
        let mut stdout = io::stdout().lock();
        let end = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
        match write!(stdout, "{text}{end}").and_then(|()| stdout.flush()) {
            // The reader of our pipe has seen enough (`symbolon job list | head -1`): that is not an error.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            Err(error) => Err(Failure::environment(format!("cannot write to standard output: {error}"))
                .hint("check the disk or program that standard output goes to")),
            Ok(()) => Ok(()),
        }
    }

    /// Says something on the way, to standard error.
    pub(crate) fn note(self, text: &str) {
        if self.talks() {
            to_stderr(text);
        }
    }

    /// Prints the failure and gives the exit code.
    pub(crate) fn fail(self, failure: &Failure) -> ExitCode {
        if self.json {
            if self.stdout(&format!("{:#}", failure.to_json())).is_err() {
                return Exit::Environment.into();
            }
        } else {
            to_stderr(&format!("error: {}", failure.message));
            if let Some(hint) = &failure.hint {
                to_stderr(&format!("hint: {hint}"));
            }
        }
        failure.exit.into()
    }
}

/// Writes a line to standard error; there is nowhere left to complain when that fails.
fn to_stderr(text: &str) {
    let mut stderr = io::stderr().lock();
    let written = writeln!(stderr, "{text}");
    drop(written);
}
