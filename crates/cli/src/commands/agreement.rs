//! `symbolon agreement ...`

mod draft;
mod life;
mod templates;

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use symbolon_node::error::Refused;
use symbolon_node::home::Home;
use symbolon_node::ops::agreements::{AgreementInput, AgreementView};
use symbolon_node::store::AgreementState;
use symbolon_policy::{Agreement, AgreementId, NoticeKind, Seat, SignedAgreement};

use super::{Context, read_document, write_document};
use crate::args::AgreementCommand;
use crate::exit::Failure;
use crate::output::Report;
use crate::prompt::confirm;
use crate::text::{self, count};

pub(crate) async fn run(command: AgreementCommand, context: &Context) -> Result<Option<Report>, Failure> {
    match command {
        AgreementCommand::Draft(args) => draft::run(*args, context).await,
        AgreementCommand::Templates => templates::list().map(Some),
        AgreementCommand::Show { agreement, text: true } => print(&agreement, context).await,
        AgreementCommand::Show { agreement, text: false } => show(&agreement, context).await.map(Some),
        AgreementCommand::Sign { agreement, output, yes } => sign(&agreement, output, yes, context).await.map(Some),
        AgreementCommand::Send { agreement } => send(&agreement, context).await.map(Some),
        AgreementCommand::Accept { agreement } => accept(&agreement, context).await.map(Some),
        AgreementCommand::List => list(context).await.map(Some),
        AgreementCommand::Approve { agreement, key, passphrase, output, yes } => {
            life::approve(&agreement, (&key, passphrase), output, yes, context).await.map(Some)
        }
        AgreementCommand::Suspend(args) => life::notice(NoticeKind::Suspend, args, true, context).await.map(Some),
        AgreementCommand::Resume(args) => life::notice(NoticeKind::Resume, args, true, context).await.map(Some),
        AgreementCommand::Revoke { notice, yes } => {
            life::notice(NoticeKind::Revoke, notice, yes, context).await.map(Some)
        }
        AgreementCommand::Tighten(args) => life::tighten(args, context).await.map(Some),
        AgreementCommand::Diff { old, new } => life::diff(&old, &new, context).await.map(Some),
        AgreementCommand::History { agreement } => life::history(&agreement, context).await.map(Some),
    }
}

/// A stored agreement with its parsed document.
#[derive(Debug)]
pub(crate) struct Stored {
    view: AgreementView,
    document: SignedAgreement,
}

impl Stored {
    fn new(view: AgreementView) -> Result<Self, Failure> {
        let document = parse(&view.document)?;
        Ok(Self { view, document })
    }

    pub(crate) const fn agreement(&self) -> &Agreement {
        self.document.agreement()
    }

    pub(crate) fn title(&self) -> &str {
        &self.view.record.title
    }

    /// The partner as this command line calls it.
    pub(crate) fn peer_name(&self) -> &str {
        &self.view.peer
    }

    pub(crate) const fn own_seat(&self) -> Seat {
        self.view.seat
    }
}

fn json_of(view: &AgreementView) -> Value {
    json!({
        "id": id(view),
        "title": view.record.title,
        "state": view.state_word(),
        "peer": view.peer,
        "valid_from": view.valid_from,
        "valid_until": view.valid_until,
        "runs_spent": view.spent.runs,
        "runs_max": view.runs_max,
        "rows_spent": view.spent.rows,
        "rows_total_max": view.rows_total_max,
    })
}

fn id(view: &AgreementView) -> String {
    AgreementId::from_bytes(view.record.id).to_string()
}

/// The agreement to run a job under: the one named, or the only one in force.
pub(crate) async fn in_force(home: &Home, wanted: Option<&str>) -> Result<Stored, Failure> {
    if let Some(wanted) = wanted {
        return Stored::new(home.agreement_show(wanted).await?);
    }
    let mut views = home.agreement_list().await?;
    if !views.iter().any(|view| view.state_word() == "active") {
        // The only one that both have signed: the node says why it is not in force.
        views.retain(|view| view.record.state.is_active());
        if views.len() == 1 {
            return Stored::new(views.swap_remove(0));
        }
    }
    let mut active = views.into_iter().filter(|view| view.state_word() == "active");
    match (active.next(), active.next()) {
        (Some(view), None) => Stored::new(view),
        (Some(_), Some(_)) => Err(Failure::usage("several agreements are in force")
            .hint("say which with --agreement TITLE; see `symbolon agreement list`")),
        (None, _) => Err(Failure::from(symbolon_node::Error::from(Refused::NotActive))),
    }
}

/// Reads a document and verifies the signatures it carries.
fn parse(text: &str) -> Result<SignedAgreement, Failure> {
    SignedAgreement::from_toml(text).map_err(|error| symbolon_node::Error::from(error).into())
}

/// An agreement named on the command line: a file, or the title or id of a stored one.
async fn explain(agreement: &str, home: &Home) -> Result<AgreementView, Failure> {
    match input(agreement)? {
        AgreementInput::Document(text) => Ok(home.agreement_explain(&text).await?),
        AgreementInput::Id(id) => Ok(home.agreement_show(&id).await?),
    }
}

fn input(agreement: &str) -> Result<AgreementInput, Failure> {
    let path = Path::new(agreement);
    // Whatever looks like a path is one, so that a mistyped file name is not looked up as a title.
    if path.exists() || agreement.ends_with(".toml") || agreement.contains('/') {
        return Ok(AgreementInput::Document(read_document(path)?.into_bytes()));
    }
    Ok(AgreementInput::Id(agreement.to_owned()))
}

async fn print(agreement: &str, context: &Context) -> Result<Option<Report>, Failure> {
    let view = explain(agreement, &context.open().await?).await?;
    if context.output.is_json() {
        return Ok(Some(Report::new("", json!({ "document": view.document }))));
    }
    context.output.stdout(&view.document)?;
    Ok(None)
}

async fn show(agreement: &str, context: &Context) -> Result<Report, Failure> {
    let home = context.open().await?;
    let view = explain(agreement, &home).await?;
    let changes = home.agreement_changes(&view.document).await?;
    let chapters: Vec<Value> = view
        .summary
        .chapters
        .iter()
        .map(|chapter| json!({ "key": chapter.key, "heading": chapter.heading, "sentences": chapter.sentences }))
        .collect();
    let mut json = json_of(&view);
    json["headline"] = json!(view.summary.headline);
    json["summary"] = json!(chapters);
    json["state_words"] = json!(view.state_words);
    json["standing_words"] = json!(view.standing_words);
    json["held_back"] = json!(view.held_back);
    let mut human = in_words(&view);
    if let Some(changes) = changes {
        human.push_str(&format!("\nWhat changes against the version it replaces\n{}", life::lines(&changes, "  - ")));
        json["changes"] = life::json_of_differences(&changes);
    }
    Ok(Report::new(human, json))
}

/// The agreement for people: what it means for this house, how far it has come, what has been spent of it.
pub(crate) fn in_words(view: &AgreementView) -> String {
    let mut text = format!("{}\nHow far it has come\n  - {}\n", view.summary, view.state_words);
    if !view.standing_words.is_empty() {
        text.push_str(&format!("  - {}\n", view.standing_words));
    }
    if !view.held_back.is_empty() {
        text.push_str(&format!("  - Held back here: {}\n", view.held_back.join(" ")));
    }
    if view.spent.runs > 0 {
        let spent = format!("{} of {} jobs", view.spent.runs, view.runs_max);
        text.push_str(&format!("  - Spent so far: {spent}, {} rows.\n", count(view.spent.rows)));
    }
    text.push_str(&format!("  - Its id is {}.\n", id(view)));
    text
}

async fn sign(agreement: &str, output: Option<PathBuf>, yes: bool, context: &Context) -> Result<Report, Failure> {
    let home = context.open().await?;
    let view = explain(agreement, &home).await?;
    let document = parse(&view.document)?;
    let own = view.seat;
    if !yes {
        context.output.note(&in_words(&view));
        let question = format!("Sign this for {}?", document.agreement().party(own).name);
        confirm(context.output, &question, "read it with `symbolon agreement show`, then give --yes")?;
    }
    if view.record.state == AgreementState::Proposed && matches!(input(agreement)?, AgreementInput::Id(_)) {
        return return_signature(&view, output, &home).await;
    }
    let signed = home.agreement_sign(input(agreement)?).await?;
    let from_file = Path::new(agreement).is_file().then(|| PathBuf::from(agreement));
    let file = output.or(from_file);
    if let Some(path) = &file {
        write_document(path, &String::from_utf8_lossy(&signed.document))?;
    }
    let both = Seat::BOTH.iter().all(|seat| document.signature(*seat).is_some() || *seat == own);
    let place = file.as_ref().map_or_else(String::new, |path| format!(", in {}", path.display()));
    let next = if both {
        "Both have signed. Next, on both sides: symbolon agreement accept FILE"
    } else {
        "Next: the partner signs it too. Give it the file, or: symbolon agreement send TITLE"
    };
    let human = format!("signed \"{}\"{place}\n{next}\n", signed.record.title);
    let id = AgreementId::from_bytes(signed.record.id).to_string();
    let json = json!({ "id": id, "title": signed.record.title, "state": signed.record.state, "file": file });
    Ok(Report::new(human, json))
}

/// Signs what a partner proposed, puts it into force and sends the signature back.
async fn return_signature(view: &AgreementView, output: Option<PathBuf>, home: &Home) -> Result<Report, Failure> {
    let accepted = home.agreement_accept(AgreementInput::Id(id(view))).await?;
    if let Some(path) = &output {
        write_document(path, &String::from_utf8_lossy(&accepted.document))?;
    }
    let next = if accepted.returned {
        format!("{} has the signature back", view.peer)
    } else {
        format!("{} could not be reached: give it the file of `symbolon agreement show --text`", view.peer)
    };
    let human = format!("signed \"{}\", it is in force here; {next}\n", view.record.title);
    let json = json!({
        "id": id(view),
        "title": view.record.title,
        "state": accepted.record.state,
        "returned": accepted.returned,
        "file": output,
    });
    Ok(Report::new(human, json))
}

async fn send(agreement: &str, context: &Context) -> Result<Report, Failure> {
    let home = context.open().await?;
    let record = home.agreement_send(input(agreement)?).await?;
    let human = format!(
        "sent \"{}\"; the partner finds it in `symbolon agreement list` as proposed and signs it there\n",
        record.title
    );
    let id = AgreementId::from_bytes(record.id).to_string();
    Ok(Report::new(human, json!({ "id": id, "title": record.title, "state": record.state, "sent": true })))
}

async fn accept(agreement: &str, context: &Context) -> Result<Report, Failure> {
    let home = context.open().await?;
    let view = explain(agreement, &home).await?;
    let accepted = home.agreement_accept(AgreementInput::Document(view.document.clone().into_bytes())).await?;
    let human = format!("\"{}\" is in force from {} to {}\n", accepted.record.title, view.valid_from, view.valid_until);
    let json = json!({ "id": id(&view), "title": accepted.record.title, "state": accepted.record.state });
    Ok(Report::new(human, json))
}

async fn list(context: &Context) -> Result<Report, Failure> {
    let views = context.open().await?.agreement_list().await?;
    let rows: Vec<Vec<String>> = views
        .iter()
        .map(|view| {
            vec![
                id(view)[..16].to_owned(),
                view.record.title.clone(),
                view.peer.clone(),
                view.state_word().to_owned(),
                view.valid_until.clone(),
                format!("{} of {}", view.spent.runs, view.runs_max),
            ]
        })
        .collect();
    let human = if rows.is_empty() {
        "no agreements yet: symbolon agreement draft --help\n".to_owned()
    } else {
        text::columns(&["id", "title", "peer", "state", "until", "jobs spent"], &rows)
    };
    Ok(Report::new(human, json!({ "agreements": views.iter().map(json_of).collect::<Vec<_>>() })))
}
