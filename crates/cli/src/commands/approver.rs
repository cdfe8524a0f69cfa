//! `symbolon approver ...`

use std::path::{Path, PathBuf};

use serde_json::json;
use symbolon_node::config::ProcessEnv;
use symbolon_node::keystore::{PassphraseSource, Unlock};
use symbolon_node::ops::approver::{self, ApproverProtection};
use symbolon_policy::Name;
use symbolon_primitives::sign::SigningKey;

use super::Context;
use crate::args::{ApproverCommand, ApproverPassphraseArgs};
use crate::exit::Failure;
use crate::output::Report;
use crate::prompt::Terminal;

pub(crate) fn run(command: ApproverCommand, context: &Context) -> Result<Report, Failure> {
    match command {
        ApproverCommand::New { name, output, passphrase, plain } => {
            let protection =
                if plain { ApproverProtection::Plain } else { ApproverProtection::Passphrase(source(passphrase)) };
            create(&name, &output, &protection, context)
        }
        ApproverCommand::Passphrase { key, passphrase } => change(key, passphrase, context),
    }
}

/// Opens a person's key.
pub(super) fn load(key: &Path, passphrase: ApproverPassphraseArgs, context: &Context) -> Result<SigningKey, Failure> {
    let terminal = Terminal::new(context.output);
    Ok(approver::load(key, &source(passphrase), &Unlock::new(&ProcessEnv, &terminal))?)
}

fn source(passphrase: ApproverPassphraseArgs) -> PassphraseSource {
    match passphrase.passphrase_file {
        Some(path) => PassphraseSource::File(path),
        None if passphrase.passphrase_credential => PassphraseSource::Credential,
        None => PassphraseSource::Ask,
    }
}

fn create(name: &str, output: &Path, protection: &ApproverProtection, context: &Context) -> Result<Report, Failure> {
    let hint = "give 1 to 64 visible characters without an equals sign";
    let checked = name.parse::<Name>().ok().filter(|name| !name.as_str().contains('='));
    let name = checked.ok_or_else(|| Failure::usage(format!("{name:?} cannot stand in an agreement")).hint(hint))?;
    let terminal = Terminal::new(context.output);
    let key = approver::create(output, protection, &Unlock::new(&ProcessEnv, &terminal))?.verifying_key();
    let sealed = *protection != ApproverProtection::Plain;
    let how = if sealed { "under its passphrase" } else { "without a passphrase" };
    let human = format!(
        "{name}={key}\nkey written to {} {how}; whoever drafts the agreement gives the line above to --approver\n",
        output.display()
    );
    let json = json!({ "name": name.as_str(), "key": key.to_string(), "file": output, "passphrase": sealed });
    Ok(Report::new(human, json))
}

fn change(file: PathBuf, passphrase: ApproverPassphraseArgs, context: &Context) -> Result<Report, Failure> {
    let terminal = Terminal::new(context.output);
    let key = approver::protect(&file, &source(passphrase), &Unlock::new(&ProcessEnv, &terminal))?;
    let human = format!("{} opens by the new passphrase alone\n", file.display());
    Ok(Report::new(human, json!({ "key": key.to_string(), "file": file, "passphrase": true })))
}
