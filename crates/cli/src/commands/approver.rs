//! `symbolon approver ...`

use serde_json::json;
use symbolon_node::ops::approver;
use symbolon_policy::Name;

use super::Context;
use crate::args::ApproverCommand;
use crate::exit::Failure;
use crate::output::Report;

pub(crate) fn run(command: ApproverCommand, _context: &Context) -> Result<Report, Failure> {
    let ApproverCommand::New { name, output } = command;
    let hint = "give 1 to 64 visible characters without an equals sign";
    let checked = name.parse::<Name>().ok().filter(|name| !name.as_str().contains('='));
    let name = checked.ok_or_else(|| Failure::usage(format!("{name:?} cannot stand in an agreement")).hint(hint))?;
    let key = approver::create(&output)?.verifying_key();
    let human = format!(
        "{name}={key}\nkey written to {}; whoever drafts the agreement gives the line above to --approver\n",
        output.display()
    );
    Ok(Report::new(human, json!({ "name": name.as_str(), "key": key.to_string(), "file": output })))
}
