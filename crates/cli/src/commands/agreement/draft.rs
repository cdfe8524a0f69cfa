//! `symbolon agreement draft`

use std::collections::BTreeMap;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use serde_json::json;
use symbolon_node::ops::draft::{DraftAllow, DraftColumn, DraftOptions, DraftRecipient, DraftSide};
use symbolon_node::ops::templates::Template;
use symbolon_policy::{Approver, ColumnUse, OptionalTerms, Padding, Problem, ReleaseCount, ResultKind};

use super::super::{Context, read_document, write_document};
use crate::args::{DraftArgs, OptionalArgs};
use crate::exit::Failure;
use crate::output::Report;

pub(super) async fn run(args: DraftArgs, context: &Context) -> Result<Option<Report>, Failure> {
    let home = context.open().await?;
    let options = options(&args)?;
    let draft = home.agreement_draft(&options).await?;
    let Some(path) = args.output else {
        if context.output.is_json() {
            return Ok(Some(Report::new("", json!({ "document": draft }))));
        }
        context.output.stdout(&draft)?;
        return Ok(None);
    };
    write_document(&path, &draft)?;
    let human = format!(
        "draft written to {file}\nRead it (symbolon agreement show {file}), edit it, then: symbolon agreement sign {file}\n",
        file = path.display()
    );
    Ok(Some(Report::new(human, json!({ "document": draft, "file": path }))))
}

/// What is drafted: what the arguments say, and for the rest what the template says.
fn options(args: &DraftArgs) -> Result<DraftOptions, Failure> {
    let template = args.template.as_deref().map(Template::find).transpose()?;
    let template = template.as_ref();
    let bytes = sizes(&args.bytes)?;
    let given: Vec<DraftAllow> = args.allow.iter().map(|rule| allowance(rule)).collect::<Result<_, _>>()?;
    let allow = match template {
        Some(template) if given.is_empty() => template.allow.clone(),
        _ => given,
    };
    let intersection_min = args.matched_min.or(template.map(|it| it.intersection_min)).unwrap_or(0);
    let holds_minimum = intersection_min > 0 && allow.iter().any(|rule| rule.result == ResultKind::Enrich);
    let runs_max = args.runs.or(template.map(|it| it.runs_max)).unwrap_or(1);
    let rows_min = args.rows_min.or(template.map(|it| it.rows_min));
    let persons = &args.optional;
    let own = approvers("--approver", &persons.approver)?;
    let partners = approvers("--peer-approver", &persons.peer_approver)?;
    let (own_min, partners_min) =
        template.map_or((0, 0), |template| (template.approvals_own, template.approvals_partner));
    Ok(DraftOptions {
        table: args.table.clone(),
        peer: args.peer.clone(),
        partner_card: read_document(&args.peer_table)?,
        title: args.title.clone(),
        purpose: args.purpose.clone().or_else(|| template.map(|it| it.purpose.clone())).unwrap_or_default(),
        allow,
        valid_from: args.from.as_deref().map(time).transpose()?,
        valid_days: args.days.or(template.map(|it| it.valid_days)).unwrap_or(90),
        runs_max,
        rows_total_max: args.rows_total,
        intersection_min,
        padding: template.map_or(Padding::Sixteenth, |it| it.padding),
        own: DraftSide {
            approvals_min: approvals("approver", persons.approvals, own_min, &own)?,
            approvers: own,
            ..side(&args.give, &bytes, rows_min, args.rows_max)
        },
        partner: DraftSide {
            approvals_min: approvals("peer-approver", persons.peer_approvals, partners_min, &partners)?,
            approvers: partners,
            ..side(&args.get, &bytes, rows_min, args.rows_max)
        },
        optional: optional(persons, template, holds_minimum, runs_max)?,
    })
}

/// How many have to approve: the number given, else the template's, else all who are named.
fn approvals(option: &str, given: Option<u64>, template: u64, persons: &[Approver]) -> Result<Option<u64>, Failure> {
    let wanted = given.or((template > 0).then_some(template));
    let named = u64::try_from(persons.len()).unwrap_or(u64::MAX);
    if let Some(wanted) = wanted.filter(|wanted| *wanted > named) {
        let count = option.replace("approver", "approvals");
        return Err(Failure::usage(format!("{wanted} have to approve, {named} are named"))
            .hint(format!("name each with --{option} NAME=KEY; --{count} 0 does without approvals")));
    }
    Ok(wanted)
}

/// Reads `PROTOCOL:RESULT:TO`.
fn allowance(rule: &str) -> Result<DraftAllow, Failure> {
    let wrong = |what: &str| {
        Failure::usage(format!("--allow {rule}: {what}")).hint("write PROTOCOL:RESULT:TO, as in ecdh-oprf:enrich:us")
    };
    let parts: Vec<&str> = rule.split(':').collect();
    let [protocol, result, to] = parts.as_slice() else {
        return Err(wrong("three words separated by colons are needed"));
    };
    Ok(DraftAllow {
        protocol: protocol.parse().map_err(|problem| wrong(&format!("the protocol {problem}")))?,
        result: result.parse().map_err(|problem| wrong(&format!("the result {problem}")))?,
        to: match *to {
            "us" => DraftRecipient::Own,
            "peer" => DraftRecipient::Peer,
            "both" => DraftRecipient::Both,
            _ => return Err(wrong("the result goes to us, peer or both")),
        },
    })
}

fn time(text: &str) -> Result<DateTime<Utc>, Failure> {
    DateTime::parse_from_rfc3339(text)
        .map(|time| time.to_utc())
        .map_err(|_| Failure::usage(format!("--from {text}: no such time")).hint("write it as 2026-01-31T00:00:00Z"))
}

fn sizes(pairs: &[(String, String)]) -> Result<BTreeMap<&str, u32>, Failure> {
    let size = |(column, bytes): &'_ (String, String)| {
        bytes.parse::<u32>().map_err(|_| Failure::usage(format!("--bytes {column}={bytes}: no number of bytes")))
    };
    pairs.iter().map(|pair| Ok((pair.0.as_str(), size(pair)?))).collect()
}

fn side(given: &[String], bytes: &BTreeMap<&str, u32>, rows_min: Option<u64>, rows_max: Option<u64>) -> DraftSide {
    let columns = given.iter().map(|name| {
        let bytes_max = bytes.get(name.as_str()).copied();
        (name.clone(), DraftColumn { column_use: ColumnUse::AfterMatch, bytes_max })
    });
    DraftSide { columns: columns.collect(), rows_min, rows_max, ..DraftSide::default() }
}

fn optional(
    args: &OptionalArgs,
    template: Option<&Template>,
    holds_minimum: bool,
    runs_max: u64,
) -> Result<OptionalTerms, Failure> {
    let basis = template.map(|template| template.optional.clone()).unwrap_or_default();
    // A minimum that only the receiver's node checks is the weaker promise; who wants it says so.
    let release = match basis.release_count {
        _ if !holds_minimum => ReleaseCount::None,
        ReleaseCount::None => ReleaseCount::Bit,
        count => count,
    };
    Ok(OptionalTerms {
        replaces: read("--replaces", args.replaces.as_deref())?,
        release_count: read("--release", args.release.as_deref())?.unwrap_or(release),
        receipt_count: args.receipt_count || basis.receipt_count,
        period: read("--period", args.period.as_deref())?.or(basis.period),
        // Fewer runs in all than the template has in a period: what was asked for holds.
        runs_per_period: args.period_runs.or(basis.runs_per_period.map(|runs| runs.min(runs_max))),
        rows_per_period: args.period_rows.or(basis.rows_per_period),
        snapshots_max: args.snapshots.or(basis.snapshots_max),
        epsilon_max: read("--epsilon", args.epsilon.as_deref())?.or(basis.epsilon_max),
        lookups_max: args.lookups.or(basis.lookups_max),
        semi_honest: read("--semi-honest", args.semi_honest.as_deref())?.or(basis.semi_honest),
    })
}

fn read<T: FromStr<Err = Problem>>(option: &str, text: Option<&str>) -> Result<Option<T>, Failure> {
    let parse = |text: &str| {
        text.parse().map_err(|problem| {
            Failure::usage(format!("{option} {text}: the value {problem}"))
                .hint("see `symbolon agreement draft --help`")
        })
    };
    text.map(parse).transpose()
}

/// Reads `NAME=KEY`, as `approver new` prints it.
fn approvers(option: &str, given: &[String]) -> Result<Vec<Approver>, Failure> {
    let read = |text: &String| {
        let wrong = |what: &str| {
            Failure::usage(format!("{option} {text}: {what}")).hint("write NAME=ed25519:.. as `approver new` prints it")
        };
        let (name, key) = text.split_once('=').ok_or_else(|| wrong("a name, an equals sign and a key are needed"))?;
        Ok(Approver {
            name: name.parse().map_err(|problem| wrong(&format!("the name {problem}")))?,
            key: key.parse().map_err(|_| wrong("the key cannot be read"))?,
        })
    };
    given.iter().map(read).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_have_three_words() {
        assert!(allowance("ecdh-oprf:enrich:us").is_ok());
        assert!(allowance("ecdh-cardinality:count:both").is_ok());
        for bad in ["ecdh-oprf", "ecdh-oprf:enrich", "x:enrich:us", "ecdh-oprf:x:us", "ecdh-oprf:enrich:them"] {
            assert!(allowance(bad).is_err(), "{bad}");
        }
    }
}
