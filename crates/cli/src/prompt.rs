//! Asking before something that cannot be taken back.

use std::io::{self, BufRead, IsTerminal, Read, Write};

use rustix::termios::{LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcsetattr};
use symbolon_node::error::{Environment, FileAction, KeysError};
use symbolon_node::keystore::{Ask, Passphrase, Question};
use symbolon_primitives::secret::Secret;

use crate::exit::{Exit, Failure};
use crate::output::Output;

/// The longest passphrase that is typed.
const LINE_BYTES_MAX: usize = 2048;

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
        let ask = |question| -> Result<Passphrase, symbolon_node::Error> {
            Ok(hidden(question).map_err(unusable)?.ok_or(KeysError::BrokenOff)?)
        };
        let given = ask(question)?;
        if fresh && !given.ct_eq_bytes(ask("The same again: ")?.expose()) {
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
struct Hidden(Termios);

impl Hidden {
    /// Keys come one by one and are not shown. Those that would stop the process come as keys too: a process that is
    /// gone shows nothing again.
    fn begin() -> io::Result<Self> {
        let shown = tcgetattr(io::stdin())?;
        let mut quiet = shown.clone();
        quiet.local_modes -= LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG;
        quiet.special_codes[SpecialCodeIndex::VMIN] = 1;
        quiet.special_codes[SpecialCodeIndex::VTIME] = 0;
        tcsetattr(io::stdin(), OptionalActions::Flush, &quiet)?;
        Ok(Self(shown))
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        // A terminal that cannot be set is gone.
        tcsetattr(io::stdin(), OptionalActions::Flush, &self.0).unwrap_or_default();
    }
}

/// Reads a line that is not shown; nothing when it is broken off.
fn hidden(question: &str) -> io::Result<Option<Passphrase>> {
    let mut stderr = io::stderr().lock();
    let hidden = Hidden::begin()?;
    write!(stderr, "{question}")?;
    stderr.flush()?;
    let line = typed(io::stdin().lock());
    drop(hidden);
    writeln!(stderr)?;
    line
}

/// Puts a line together from the keys that were typed.
fn typed(mut keys: impl Read) -> io::Result<Option<Passphrase>> {
    const INTERRUPT: u8 = 0x03;
    const END: u8 = 0x04;
    const ERASE_LINE: u8 = 0x15;
    const SUSPEND: u8 = 0x1A;
    const QUIT: u8 = 0x1C;
    const BACKSPACE: [u8; 2] = [0x08, 0x7F];
    // Room for all of it, so that no half-filled copy is left behind.
    let mut line = Secret::new(Vec::with_capacity(LINE_BYTES_MAX));
    loop {
        let mut key = [0];
        match keys.read(&mut key) {
            Ok(0) => return Ok(Some(line)),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            other => other?,
        };
        let typed = line.expose_mut();
        match key[0] {
            b'\r' | b'\n' => return Ok(Some(line)),
            END if typed.is_empty() => return Ok(Some(line)),
            INTERRUPT | QUIT | SUSPEND => return Ok(None),
            ERASE_LINE => typed.clear(),
            // A character is a byte and those that continue it.
            key if BACKSPACE.contains(&key) => while typed.pop().is_some_and(|byte| byte & 0xC0 == 0x80) {},
            _ if typed.len() == LINE_BYTES_MAX => return Err(io::ErrorKind::InvalidData.into()),
            byte => typed.push(byte),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_become_a_line_or_break_it_off() {
        let line = |keys: &[u8]| typed(keys).unwrap().map(|line| line.expose().clone());
        assert_eq!(line(b"horse\nstaple"), Some(b"horse".to_vec()));
        assert_eq!(line(b"horse\r"), Some(b"horse".to_vec()));
        assert_eq!(line(b"horse"), Some(b"horse".to_vec()), "the terminal went away");
        assert_eq!(line(b"hort\x7fse\n"), Some(b"horse".to_vec()));
        assert_eq!(line("b\u{e4}\u{4e2d}\x08\x08\n".as_bytes()), Some(b"b".to_vec()));
        assert_eq!(line(b"\x7f\x7fx\n"), Some(b"x".to_vec()));
        assert_eq!(line(b"wrong\x15horse\n"), Some(b"horse".to_vec()));
        assert_eq!(line(b"\x04"), Some(Vec::new()));
        for key in [b"\x03", b"\x1c", b"\x1a"] {
            assert_eq!(line(&[b"hor", &key[..], b"se\n"].concat()), None);
        }
        let endless = vec![b'x'; LINE_BYTES_MAX + 1];
        assert!(typed(&endless[..]).is_err());
    }
}
