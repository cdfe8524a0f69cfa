//! `symbolon peer ...`

use std::path::PathBuf;

use chrono::DateTime;
use serde_json::{Value, json};
use symbolon_node::store::{PeerRecord, PostureRecord};
use symbolon_policy::{Card, Fingerprint};

use super::{Context, hex, hex_start, read_document, write_document};
use crate::args::{AddPeerArgs, PeerCommand};
use crate::exit::{Exit, Failure};
use crate::output::Report;
use crate::prompt::confirm;
use crate::text;

pub(crate) async fn run(command: PeerCommand, context: &Context) -> Result<Option<Report>, Failure> {
    match command {
        PeerCommand::Card { output } => card(output, context).await,
        PeerCommand::Add(args) => add(args, context).await.map(Some),
        PeerCommand::Revoke { name, key } => revoke(&name, key.as_deref(), context).await.map(Some),
        PeerCommand::Remove { name } => remove(&name, context).await.map(Some),
        PeerCommand::List => list(context).await.map(Some),
    }
}

async fn card(output: Option<PathBuf>, context: &Context) -> Result<Option<Report>, Failure> {
    let home = context.open().await?;
    let card = home.card()?;
    let (text, fingerprint, words) = (card.to_toml(), card.fingerprint().to_string(), card.fingerprint().words());
    let json = json!({ "card": text, "fingerprint": fingerprint, "fingerprint_words": words, "file": output });
    let Some(path) = output else {
        if context.output.is_json() {
            return Ok(Some(Report::new("", json)));
        }
        context.output.stdout(&text)?;
        return Ok(None);
    };
    write_document(&path, &text)?;
    let human = format!(
        "written to {}\nTell the partner its fingerprint by another way, such as the telephone:\n  {fingerprint}\n  {words}\n",
        path.display()
    );
    Ok(Some(Report::new(human, json)))
}

async fn add(args: AddPeerArgs, context: &Context) -> Result<Report, Failure> {
    let home = context.open().await?;
    let text = read_document(&args.card)?;
    let card = Card::from_toml(&text).map_err(symbolon_node::error::Error::from)?;
    let fingerprint = card.fingerprint();
    let contents = card.contents();
    let endpoint = args.endpoint.clone().unwrap_or_else(|| contents.endpoint.to_string());
    match &args.fingerprint {
        Some(told) => compare(told, &fingerprint)?,
        None if args.yes => {}
        None => {
            context.output.note(&text::facts(&[
                ("institution", contents.institution.to_string()),
                ("endpoint", endpoint.clone()),
                ("fingerprint", fingerprint.to_string()),
                ("in words", fingerprint.words()),
            ]));
            let question = "Did the partner tell you this fingerprint by another way?";
            confirm(context.output, question, "give --fingerprint as the partner told it, or --yes")?;
        }
    }
    let peer = home.peer_add(Some(&args.name), &text, args.endpoint.as_deref(), args.replace).await?;
    let human = format!(
        "{} is known as {}\n{}",
        peer.institution,
        peer.name,
        text::facts(&[("endpoint", endpoint), ("fingerprint", fingerprint.to_string())])
    );
    Ok(Report::new(human, json_of(&peer)))
}

/// Compares a fingerprint as a person told it with the card's.
fn compare(told: &str, card: &Fingerprint) -> Result<(), Failure> {
    if card.matches(told).map_err(symbolon_node::error::Error::from)? {
        return Ok(());
    }
    Err(Failure::new(Exit::Refused, "FINGERPRINT_DIFFERS", format!("the card has another fingerprint: {card}"))
        .hint("do not use this card; ask the partner for its card again and compare by another way"))
}

async fn revoke(name: &str, key: Option<&str>, context: &Context) -> Result<Report, Failure> {
    let revoked = context.open().await?.peer_revoke(name, key).await?;
    let revoked: Vec<String> = revoked.iter().map(ToString::to_string).collect();
    let human = format!("withdrawn here, for good:\n  {}\n", revoked.join("\n  "));
    Ok(Report::new(human, json!({ "peer": name, "revoked": revoked })))
}

async fn remove(name: &str, context: &Context) -> Result<Report, Failure> {
    let peer = context.open().await?.peer_remove(name).await?;
    Ok(Report::new(format!("{} is no longer a partner\n", peer.name), json_of(&peer)))
}

async fn list(context: &Context) -> Result<Report, Failure> {
    let home = context.open().await?;
    let mut rows = Vec::new();
    let mut peers = Vec::new();
    for peer in home.peer_list().await? {
        let seen = home.peer_posture(&peer).await?;
        let program = seen.map(|seen| hex_start(&seen.posture.build)).unwrap_or_default();
        let until = seen.and_then(|seen| DateTime::from_timestamp(seen.certificate.not_after, 0));
        let until = until.map(|until| until.date_naive().to_string()).unwrap_or_default();
        let mut json = json_of(&peer);
        json["posture"] = seen.map_or(Value::Null, |seen| posture_json(&seen));
        peers.push(json);
        let fingerprint = fingerprint(&peer);
        rows.push(vec![peer.name, peer.institution, peer.endpoint, program, until, fingerprint]);
    }
    let human = if rows.is_empty() {
        "no partners yet: symbolon peer add NAME CARD\n".to_owned()
    } else {
        text::columns(&["peer", "institution", "endpoint", "program", "certificate until", "fingerprint"], &rows)
    };
    Ok(Report::new(human, json!({ "peers": peers })))
}

/// What a partner's node declared when it was seen last, whole digests for policies that ask for them.
fn posture_json(seen: &PostureRecord) -> Value {
    json!({
        "build": hex(&seen.posture.build),
        "config": hex(&seen.posture.config),
        "policy_set": hex(&seen.posture.policy_set),
        "certificate_not_after": seen.certificate.not_after,
        "build_since": seen.build_since.to_rfc3339(),
        "seen_at": seen.seen_at.to_rfc3339(),
    })
}

/// The fingerprint of a stored card; empty if it cannot be read any more.
fn fingerprint(peer: &PeerRecord) -> String {
    peer.fingerprint().map(|fingerprint| fingerprint.to_string()).unwrap_or_default()
}

fn json_of(peer: &PeerRecord) -> Value {
    json!({
        "name": peer.name,
        "institution": peer.institution,
        "endpoint": peer.endpoint,
        "fingerprint": fingerprint(peer),
        "added_at": peer.added_at.to_rfc3339(),
    })
}
