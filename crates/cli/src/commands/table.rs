//! `symbolon table ...`

use std::path::PathBuf;

use serde_json::{Value, json};
use symbolon_node::store::TableRecord;
use symbolon_tables::{
    ColumnSpec, CsvOptions, Duplicates, Format, InspectOptions, KeyPart, QualityReport, SpecError, TableSpec,
};

use super::{Context, write_document};
use crate::args::{AddTableArgs, TableCommand};
use crate::exit::{Exit, Failure};
use crate::output::Report;
use crate::text::{self, count, plural, row_numbers};

pub(crate) async fn run(command: TableCommand, context: &Context) -> Result<Option<Report>, Failure> {
    match command {
        TableCommand::Add(args) => add(*args, context).await.map(Some),
        TableCommand::Show { name, card: false, .. } => show(&name, context).await.map(Some),
        TableCommand::Show { name, card: true, output } => card(&name, output, context).await,
        TableCommand::List => list(context).await.map(Some),
        TableCommand::Check { name } => check(&name, context).await.map(Some),
    }
}

async fn add(args: AddTableArgs, context: &Context) -> Result<Report, Failure> {
    let home = context.open().await?;
    let (name, replace) = (args.name.clone(), args.replace);
    let spec = tokio::task::spawn_blocking(move || describe(args)).await.map_err(|_| worker())??;
    let (spec, left_out) = spec;
    let added = home.table_add(&name, spec, replace).await?;
    let mut human = format!(
        "table {name}: {}, {}\n\n{}",
        plural(added.record.rows, "row", "rows"),
        plural(added.record.spec.columns.len() as u64, "column", "columns"),
        describe_report(&added.report),
    );
    if !left_out.is_empty() {
        human.push_str(&format!("Left out, of types that cannot be joined: {}\n", left_out.join(", ")));
    }
    let mut json = json_of(&added.record);
    json["left_out"] = json!(left_out);
    json["report"] = json!(added.report);
    Ok(Report::new(human, json))
}

/// Turns the arguments into a table's description; the types not given are inferred from the file.
fn describe(args: AddTableArgs) -> Result<(TableSpec, Vec<String>), Failure> {
    let path = std::path::absolute(&args.file).map_err(|error| {
        Failure::bad_input(format!("{} is no path ({error})", args.file.display())).hint("give the data file's path")
    })?;
    let csv = CsvOptions {
        header: !args.no_header,
        delimiter: args.delimiter,
        quote: args.quote,
        encoding: args.encoding.parse().map_err(|error| Failure::usage(format!("--encoding: {error}")))?,
    };
    let format = match &args.format {
        Some(word) => word.parse().map_err(|error| Failure::usage(format!("--format: {error}")))?,
        None => Format::of_path(&path).map_err(tables)?,
    };
    let types = args.types.iter().map(|(name, ty)| Ok(ColumnSpec::new(name, ty.parse().map_err(tables)?)));
    let types = types.collect::<Result<Vec<_>, Failure>>()?;
    let key = args.key.into_iter().map(|(column, kind)| Ok(KeyPart { column, kind: kind.parse().map_err(tables)? }));
    let key = key.collect::<Result<Vec<_>, Failure>>()?;
    let duplicates = args.duplicates.parse().map_err(|error| Failure::usage(format!("--duplicates: {error}")))?;
    let options = InspectOptions { format: Some(format), csv, types };
    let schema = symbolon_tables::inspect(&path, &options).map_err(node_tables)?;
    let spec = TableSpec { path, format, duplicates, csv, key, columns: schema.columns };
    Ok((spec, schema.left_out))
}

async fn show(name: &str, context: &Context) -> Result<Report, Failure> {
    let record = context.open().await?.table_show(name).await?;
    let spec = &record.spec;
    let key = spec.key.iter().map(|part| format!("{} as {}", part.column, part.kind)).collect::<Vec<_>>().join(" + ");
    let rows: Vec<Vec<String>> =
        spec.columns.iter().map(|column| vec![column.name.clone(), column.ty.to_string()]).collect();
    let human = format!(
        "{}\n{}",
        text::facts(&[
            ("table", record.name.clone()),
            ("file", spec.path.display().to_string()),
            ("format", spec.format.to_string()),
            ("rows", count(record.rows)),
            ("key", key),
            ("duplicates", spec.duplicates.to_string()),
        ]),
        text::columns(&["column", "type"], &rows),
    );
    Ok(Report::new(human, json_of(&record)))
}

async fn card(name: &str, output: Option<PathBuf>, context: &Context) -> Result<Option<Report>, Failure> {
    let card = context.open().await?.table_card(name).await?;
    let Some(path) = output else {
        if context.output.is_json() {
            return Ok(Some(Report::new("", json!({ "card": card }))));
        }
        context.output.stdout(&card)?;
        return Ok(None);
    };
    write_document(&path, &card)?;
    let human = format!("written to {}; it tells names and types, no data\n", path.display());
    Ok(Some(Report::new(human, json!({ "card": card, "file": path }))))
}

async fn list(context: &Context) -> Result<Report, Failure> {
    let records = context.open().await?.table_list().await?;
    let rows: Vec<Vec<String>> = records
        .iter()
        .map(|record| {
            let key: Vec<&str> = record.spec.key.iter().map(|part| part.column.as_str()).collect();
            vec![record.name.clone(), count(record.rows), key.join(" + "), record.spec.path.display().to_string()]
        })
        .collect();
    let human = if rows.is_empty() {
        "no tables yet: symbolon table add NAME FILE --key COLUMN=KIND\n".to_owned()
    } else {
        text::columns(&["table", "rows", "key", "file"], &rows)
    };
    Ok(Report::new(human, json!({ "tables": records.iter().map(json_of).collect::<Vec<_>>() })))
}

async fn check(name: &str, context: &Context) -> Result<Report, Failure> {
    let home = context.open().await?;
    let record = home.table_show(name).await?;
    let report = home.table_check(name).await?;
    let human = format!("table {name}\n\n{}", describe_report(&report));
    if let Err(error) = report.ensure_usable(&record.spec.path) {
        context.output.note(&human);
        return Err(node_tables(error).details(json!({ "table": name, "report": report })));
    }
    Ok(Report::new(human, json!({ "table": name, "report": report })))
}

/// The quality of a table's keys, for people.
pub(crate) fn describe_report(report: &QualityReport) -> String {
    let listed = |list: &symbolon_tables::RowList| match list.count {
        0 => "0".to_owned(),
        total => format!("{}  (rows {})", count(total), row_numbers(&list.first_rows, total)),
    };
    let consequence = match report.policy {
        Duplicates::Reject if report.duplicates.count > 0 => "a job is refused until they are gone",
        Duplicates::Reject => "a job is refused if there are any",
        Duplicates::First => "the first row of a key counts",
        Duplicates::All => "every row of a key counts",
        _ => "see the documentation",
    };
    text::facts(&[
        ("rows", count(report.rows)),
        ("usable keys", count(report.usable)),
        ("different keys", count(report.distinct)),
        ("empty keys", count(report.null)),
        ("invalid keys", listed(&report.invalid)),
        ("repeated keys", listed(&report.duplicates)),
        ("  policy", format!("{}: {consequence}", report.policy)),
        ("rows that take part", count(report.kept)),
    ])
}

fn json_of(record: &TableRecord) -> Value {
    json!({
        "name": record.name,
        "rows": record.rows,
        "spec": record.spec,
        "added_at": record.added_at.to_rfc3339(),
    })
}

fn tables(error: SpecError) -> Failure {
    node_tables(error.into())
}

fn node_tables(error: symbolon_tables::Error) -> Failure {
    symbolon_node::error::Error::from(error).into()
}

fn worker() -> Failure {
    Failure::new(Exit::Internal, "WORKER_STOPPED", "a worker stopped unexpectedly").hint("please report this")
}
