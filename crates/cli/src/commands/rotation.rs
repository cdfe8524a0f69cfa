//! `symbolon key list`, `rotate`, `history` and `revoke`

use serde_json::json;
use symbolon_node::keystore::KeyKind;
use symbolon_node::ops::keys::{KeyChange, OwnKey, days};

use super::Context;
use crate::args::{KeyKindArg, RotateKeyArgs};
use crate::exit::Failure;
use crate::output::Report;
use crate::text;

pub(crate) async fn rotate(args: RotateKeyArgs, context: &Context) -> Result<Report, Failure> {
    let kind = match args.kind {
        KeyKindArg::Tls => KeyKind::Tls,
        KeyKindArg::Organisation => KeyKind::Organisation,
        KeyKindArg::Sealing => KeyKind::Sealing,
    };
    let length = if args.now { 0 } else { args.overlap };
    let change = context.open().await?.key_rotate(kind, days(length)).await?;
    Ok(report(&change, "now in force"))
}

pub(crate) async fn revoke(key: &str, context: &Context) -> Result<Report, Failure> {
    let change = context.open().await?.key_revoke(key).await?;
    Ok(report(&change, "withdrawn"))
}

fn report(change: &KeyChange, what: &str) -> Report {
    let mut human = format!(
        "{} key {what}: {}\n{}",
        change.key.kind,
        change.key.public,
        text::facts(&[
            ("card", change.sequence.to_string()),
            ("fingerprint", change.fingerprint.clone()),
            ("in words", change.fingerprint_words.clone()),
        ])
    );
    for partner in &change.partners {
        let outcome = match partner.reason {
            None if partner.taken => "has the new card".to_owned(),
            reason => format!("has not the new card yet ({}); the node goes on trying", reason.unwrap_or("OTHER")),
        };
        human.push_str(&format!("{} {outcome}\n", partner.peer));
    }
    Report::new(human, json!(change))
}

pub(crate) async fn list(context: &Context, all: bool) -> Result<Report, Failure> {
    let keys = context.open().await?.key_list(all);
    let time = |time: chrono::DateTime<chrono::Utc>| time.to_rfc3339_opts(chrono::SecondsFormat::Secs, true);
    let row = |key: &OwnKey| {
        vec![
            key.kind.to_owned(),
            key.state.as_str().to_owned(),
            time(key.from),
            key.revoked.or(key.until).map(time).unwrap_or_default(),
            key.replaced_by_card.map(|card| card.to_string()).unwrap_or_default(),
            key.public.clone(),
        ]
    };
    let rows: Vec<Vec<String>> = keys.iter().map(row).collect();
    let human = text::columns(&["key", "state", "from", "until", "gone with card", "public part"], &rows);
    Ok(Report::new(human, json!({ "keys": keys })))
}
