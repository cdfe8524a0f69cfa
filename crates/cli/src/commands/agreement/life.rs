//! `symbolon agreement approve|suspend|resume|revoke|diff|history`

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use symbolon_policy::{AgreementId, Difference, NoticeKind, Tightening};

use super::super::{Context, approver, write_document};
use super::{explain, id, in_words, input, json_of};
use crate::args::{ApproverPassphraseArgs, NoticeArgs, TightenArgs};
use crate::exit::Failure;
use crate::output::Report;
use crate::prompt::confirm;
use crate::text;

pub(super) async fn approve(
    agreement: &str,
    (key, passphrase): (&Path, ApproverPassphraseArgs),
    output: Option<PathBuf>,
    yes: bool,
    context: &Context,
) -> Result<Report, Failure> {
    let home = context.open().await?;
    let view = explain(agreement, &home).await?;
    if !yes {
        context.output.note(&in_words(&view));
        confirm(context.output, "Approve this?", "read it with `symbolon agreement show`, then give --yes")?;
    }
    let approved = home.agreement_approve(input(agreement)?, &approver::load(key, passphrase, context)?).await?;
    let file = output.or_else(|| Path::new(agreement).is_file().then(|| PathBuf::from(agreement)));
    if let Some(path) = &file {
        write_document(path, &String::from_utf8_lossy(&approved.document))?;
    }
    let place = file.as_ref().map_or_else(String::new, |path| format!(", in {}", path.display()));
    let next = if approved.have < approved.need {
        "Next: another person approves it"
    } else {
        "Next: symbolon agreement sign"
    };
    let title = &approved.record.title;
    let human = format!(
        "{} approved \"{title}\"{place}: {} of {} approvals\n{next}\n",
        approved.approver, approved.have, approved.need
    );
    let json = json!({
        "id": AgreementId::from_bytes(approved.record.id).to_string(),
        "title": title,
        "approver": approved.approver,
        "approvals": approved.have,
        "approvals_min": approved.need,
        "file": file,
    });
    Ok(Report::new(human, json))
}

pub(super) async fn notice(
    kind: NoticeKind,
    args: NoticeArgs,
    yes: bool,
    context: &Context,
) -> Result<Report, Failure> {
    let read = |word: String| {
        let hint = "give one word, such as audit or contract-ended";
        word.parse().map_err(|problem| Failure::usage(format!("--reason {word}: the value {problem}")).hint(hint))
    };
    let word = args.reason.map(read).transpose()?;
    let home = context.open().await?;
    if !yes {
        let view = home.agreement_show(&args.agreement).await?;
        let question = format!("End \"{}\" with {} for good?", view.record.title, view.peer);
        confirm(context.output, &question, "this is final: give --yes when it is meant")?;
    }
    let noticed = home.agreement_notice(&args.agreement, kind, word).await?;
    let view = home.agreement_show(&hex(noticed.record.id)).await?;
    let done = match kind {
        NoticeKind::Suspend => "suspended",
        NoticeKind::Resume => "resumed",
        _ => "revoked",
    };
    let told = if noticed.delivered {
        format!("{} has been told", view.peer)
    } else {
        format!("{} cannot be reached; the running node tells it as soon as it can", view.peer)
    };
    let human = format!("{done} \"{}\"; {told}\n{}\n", view.record.title, view.standing_words);
    let mut json = json_of(&view);
    json["notice"] = json!(kind.as_str());
    json["sequence"] = json!(noticed.content.sequence);
    json["delivered"] = json!(noticed.delivered);
    json["standing_words"] = json!(view.standing_words);
    Ok(Report::new(human, json))
}

pub(super) async fn tighten(args: TightenArgs, context: &Context) -> Result<Report, Failure> {
    let forbidden = Tightening::read_forbidden(&args.forbid).map_err(|problem| {
        let hint = "write PROTOCOL:RESULT, as in ecdh-oprf:match";
        Failure::usage(format!("--forbid: the value {problem}")).hint(hint)
    })?;
    let held = Tightening {
        runs_max: args.runs_max,
        rows_total_max: args.rows_total_max,
        rows_max: args.rows_max,
        intersection_min: args.intersection_min,
        forbidden,
    };
    let words = context.open().await?.agreement_tighten(&args.agreement, held).await?;
    let lines: String = words.iter().map(|sentence| format!("  - {sentence}\n")).collect();
    let human =
        if words.is_empty() { "nothing is held back any longer\n".to_owned() } else { format!("held back\n{lines}") };
    Ok(Report::new(human, json!({ "held_back": words })))
}

fn hex(bytes: [u8; 32]) -> String {
    AgreementId::from_bytes(bytes).to_string()
}

pub(super) async fn diff(old: &str, new: &str, context: &Context) -> Result<Report, Failure> {
    let home = context.open().await?;
    let differences = home.agreement_diff(input(old)?, input(new)?).await?;
    let human = if differences.is_empty() { "no differences\n".to_owned() } else { lines(&differences, "") };
    Ok(Report::new(human, json!({ "differences": json_of_differences(&differences) })))
}

/// The differences, one a line.
pub(super) fn lines(differences: &[Difference], bullet: &str) -> String {
    differences.iter().map(|difference| format!("{bullet}{difference}\n")).collect()
}

pub(super) fn json_of_differences(differences: &[Difference]) -> Value {
    differences.iter().map(|it| json!({ "sentence": it.sentence, "effect": it.effect.as_str() })).collect()
}

pub(super) async fn history(agreement: &str, context: &Context) -> Result<Report, Failure> {
    let views = context.open().await?.agreement_history(agreement).await?;
    let rows: Vec<Vec<String>> = views
        .iter()
        .map(|view| {
            let state = view.state_word().to_owned();
            vec![id(view)[..16].to_owned(), view.record.title.clone(), state, view.valid_until.clone()]
        })
        .collect();
    let human = text::columns(&["id", "title", "state", "until"], &rows);
    Ok(Report::new(human, json!({ "versions": views.iter().map(json_of).collect::<Vec<_>>() })))
}
