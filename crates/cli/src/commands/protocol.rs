//! `symbolon protocol ...`

use serde_json::json;
use symbolon_node::ops::protocols::{ProtocolView, protocol, protocols};
use symbolon_node::result::ManifestFact;

use crate::args::{ProtocolCommand, RunArgs};
use crate::exit::Failure;
use crate::output::Report;
use crate::text;

pub(crate) fn run(command: &ProtocolCommand) -> Result<Report, Failure> {
    match command {
        ProtocolCommand::List(run) => {
            let (sender, receiver) = rows(run);
            Ok(list(&protocols(sender, receiver, run.payload)?))
        }
        ProtocolCommand::Show { protocol: name, run } => {
            let (sender, receiver) = rows(run);
            Ok(show(&protocol(name, sender, receiver, run.payload)?))
        }
    }
}

/// The rows of sender and receiver.
fn rows(run: &RunArgs) -> (u64, u64) {
    (run.peer_rows.unwrap_or(run.rows), run.rows)
}

fn list(views: &[ProtocolView]) -> Report {
    let number = |view: &ProtocolView, key: &str| {
        let found = view.parameters.iter().find(|(name, _)| *name == key);
        found.and_then(|(_, value)| value.parse::<u64>().ok()).unwrap_or_default()
    };
    let row = |view: &ProtocolView| {
        let bytes = number(view, "bytes_sender") + number(view, "bytes_receiver");
        let trips = number(view, "one_way_trips").to_string();
        vec![view.name.to_owned(), view.model.clone(), text::count(bytes), trips]
    };
    let rows: Vec<_> = views.iter().map(row).collect();
    let human = text::columns(&["protocol", "holds against", "bytes of a run", "one-way trips"], &rows);
    Report::new(human, json!({ "protocols": views }))
}

fn show(view: &ProtocolView) -> Report {
    let mut human = text::facts(&[
        ("protocol", view.name.to_owned()),
        ("holds against", view.model.clone()),
        ("rows declared", format!("{} and {}", text::count(view.rows_receiver), text::count(view.rows_sender))),
    ]);
    let mut chapter = |title: &str, facts: &[ManifestFact]| {
        human.push_str(&format!("{title}\n"));
        for fact in facts {
            human.push_str(&format!("  - {}\n", fact.sentence));
        }
    };
    chapter("the side that gets the result learns", &view.receiver.learns);
    chapter("the other side learns", &view.sender.learns);
    chapter("what this does not promise", &view.receiver.caveats);
    human.push_str("parameters\n");
    for (key, value) in &view.parameters {
        human.push_str(&format!("  {key}: {value}\n"));
    }
    Report::new(human, json!({ "protocol": view }))
}
