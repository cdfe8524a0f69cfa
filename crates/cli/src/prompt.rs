//! Asking before something that cannot be taken back.

use std::io::{self, BufRead, IsTerminal, Write};

use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};
use symbolon_node::error::{Environment, FileAction};
use symbolon_node::keystore::{Ask, Passphrase, Question};
use symbolon_primitives::secret::Secret;

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

/// Asks for passphrases on the terminal, without showing them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Terminal {
    output: Output,
}

impl Terminal {
    pub(crate) const fn new(output: Output) -> Self {
        Self { output }
    }
}

impl Ask for Terminal {
    fn ask(&self, what: Question) -> Result<Option<Passphrase>, symbolon_node::Error> {
        if self.output.is_json() || !io::stdin().is_terminal() {
            return Ok(None);
        }
        let question = match what {
            Question::Passphrase => "Passphrase of the keys: ",
            Question::New => "New passphrase for the keys: ",
            Question::Pin => "PIN of the token: ",
            Question::Approver => "Passphrase of the approver's key: ",
            Question::NewApprover => "New passphrase for the approver's key: ",
        };
        let fresh = matches!(what, Question::New | Question::NewApprover);
        let given = hidden(question).map_err(unusable)?;
        if fresh && !given.ct_eq_bytes(hidden("The same again: ").map_err(unusable)?.expose()) {
            return Err(symbolon_node::Error::Misuse {
                what: "the two passphrases differ",
                remedy: "type the same one twice; nothing was changed",
            });
        }
        Ok((!given.expose().is_empty()).then_some(given))
    }
}

fn unusable(source: io::Error) -> symbolon_node::Error {
    Environment::File { action: FileAction::Read, path: "/dev/tty".into(), source }.into()
}

/// Shows what is typed again, whatever happens.
struct Hidden(rustix::termios::Termios);

impl Drop for Hidden {
    fn drop(&mut self) {
        // A terminal that cannot be set is gone.
        tcsetattr(io::stdin(), OptionalActions::Flush, &self.0).unwrap_or_default();
    }
}

/// Reads a line that is not shown.
fn hidden(question: &str) -> io::Result<Passphrase> {
    let mut stderr = io::stderr().lock();
    write!(stderr, "{question}")?;
    stderr.flush()?;
    let shown = tcgetattr(io::stdin())?;
    let mut quiet = shown.clone();
    quiet.local_modes -= LocalModes::ECHO;
    tcsetattr(io::stdin(), OptionalActions::Flush, &quiet)?;
    let _shown_again = Hidden(shown);
    // Room for all of it, so that no half-filled copy is left behind.
    let mut line = Secret::new(Vec::with_capacity(2048));
    io::stdin().lock().read_until(b'\n', line.expose_mut())?;
    writeln!(stderr)?;
    while line.expose().last().is_some_and(|byte| b"\r\n".contains(byte)) {
        line.expose_mut().pop();
    }
    Ok(line)
}
