//! Asking before something that cannot be taken back.

use std::io::{self, BufRead, IsTerminal, Write};

use crate::exit::{Exit, Failure};
use crate::output::Output;

/// Asks a yes-or-no question on the terminal; `instead` names the option that answers it in scripts.
pub(crate) fn confirm(output: Output, question: &str, instead: &str) -> Result<(), Failure> {
    if output.is_json() || !io::stdin().is_terminal() {
        return Err(Failure::usage("this needs a confirmation, and there is no terminal to ask on").hint(instead));
    }
    let mut stderr = io::stderr().lock();
    let asked = write!(stderr, "{question} [y/N] ").and_then(|()| stderr.flush());
    let mut answer = String::new();
    asked
        .and_then(|()| io::stdin().lock().read_line(&mut answer).map(drop))
        .map_err(|error| Failure::environment(format!("the terminal cannot be used ({error})")).hint(instead))?;
    if matches!(answer.trim().to_lowercase().as_str(), "y" | "yes") {
        return Ok(());
    }
    Err(Failure::new(Exit::Cancelled, "NOT_CONFIRMED", "not confirmed, nothing was changed").hint(instead))
}
