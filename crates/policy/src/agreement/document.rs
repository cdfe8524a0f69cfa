//! The TOML form of an agreement.

use std::fmt::Write as _;

use crate::agreement::validate::BYTES_MAX;
use crate::agreement::{
    Allowance, Column, ColumnUse, Duplicates, FORMAT, KeyPart, Normaliser, Party, Protocol, Recipients, ResultKind,
    Seat, Terms,
};
use crate::error::{Error, Problem, Section};
use crate::fields::{Fields, quoted};
use crate::padding::Padding;

/// Takes every field of the terms out of `top`; signatures are left in it.
pub(crate) fn read_terms(top: &mut Fields) -> Result<Terms, Error> {
    let title = top.text("title")?;
    let purpose = top.text("purpose")?;
    let valid_from = top.time("valid_from")?;
    let valid_until = top.time("valid_until")?;
    let runs_max = top.number("runs_max")?;
    let rows_total_max = top.number("rows_total_max")?;
    let intersection_min = top.number("intersection_min")?;
    let padding = top.word("padding", Padding::WORDS, Padding::from_word)?;
    let mut fields = top.table("normaliser", Section::Normaliser)?;
    let normaliser = Normaliser { version: fields.text("version")?, digest: fields.parsed("digest", Problem::Digest)? };
    fields.finish()?;
    let parties = read_parties(top)?;
    let names = parties.each_ref().map(|party| party.name.as_str());
    let entries = top.tables("allow", Section::Allow)?;
    let allow = entries.into_iter().map(|entry| read_allowance(entry, names)).collect::<Result<_, _>>()?;
    Ok(Terms {
        title,
        purpose,
        valid_from,
        valid_until,
        runs_max,
        rows_total_max,
        intersection_min,
        normaliser,
        padding,
        parties,
        allow,
    })
}

fn read_parties(top: &mut Fields) -> Result<[Party; 2], Error> {
    let entries = top.tables("party", Section::Party)?;
    // Counted before any is read, so that a document of many parties costs nothing.
    let wrong = |got| Section::Top.problem("party", Problem::Count { min: 2, max: 2, got });
    if entries.len() != 2 {
        return Err(wrong(entries.len()));
    }
    let parties = entries.into_iter().zip(1..).map(|(entry, number)| read_party(entry, number));
    let parties = parties.collect::<Result<Vec<_>, _>>()?;
    parties.try_into().map_err(|parties: Vec<Party>| wrong(parties.len()))
}

fn read_party(mut fields: Fields, number: usize) -> Result<Party, Error> {
    let party = Party {
        name: fields.text("name")?,
        organisation_key: fields.parsed("organisation_key", Problem::Key)?,
        tls_spki: fields.parsed("tls_spki", Problem::Digest)?,
        table: fields.text("table")?,
        key: fields
            .tables("key", |part| Section::Key(number, part))?
            .into_iter()
            .map(read_key_part)
            .collect::<Result<_, _>>()?,
        duplicates: fields.word("duplicates", Duplicates::WORDS, Duplicates::from_word)?,
        rows_min: fields.number("rows_min")?,
        rows_max: fields.number("rows_max")?,
        columns: fields
            .tables("column", |column| Section::Column(number, column))?
            .into_iter()
            .map(read_column)
            .collect::<Result<_, _>>()?,
    };
    fields.finish()?;
    Ok(party)
}

fn read_key_part(mut fields: Fields) -> Result<KeyPart, Error> {
    let part = KeyPart { column: fields.text("column")?, kind: fields.text("kind")? };
    fields.finish()?;
    Ok(part)
}

fn read_column(mut fields: Fields) -> Result<Column, Error> {
    let name = fields.text("name")?;
    let column_type = fields.text("type")?;
    let column_use = fields.word("use", ColumnUse::WORDS, ColumnUse::from_word)?;
    let section = fields.section;
    let narrow = |got| {
        let problem = Problem::Range { min: 1, max: BYTES_MAX, got };
        u32::try_from(got).map_err(|_| section.problem("bytes_max", problem))
    };
    let bytes_max = fields.optional_number("bytes_max")?.map(narrow).transpose()?;
    fields.finish()?;
    Ok(Column { name, column_type, column_use, bytes_max })
}

fn read_allowance(mut fields: Fields, names: [&str; 2]) -> Result<Allowance, Error> {
    let protocol = fields.word("protocol", Protocol::WORDS, Protocol::from_word)?;
    let result = fields.word("result", ResultKind::WORDS, ResultKind::from_word)?;
    let to = fields.strings("to")?;
    let problem = |problem| fields.section.problem("to", problem);
    if !(1..=2).contains(&to.len()) {
        return Err(problem(Problem::Count { min: 1, max: 2, got: to.len() }));
    }
    let mut seats = [false; 2];
    for name in &to {
        let seat = names.iter().position(|party| party == name).ok_or_else(|| problem(Problem::NotAParty))?;
        if std::mem::replace(&mut seats[seat], true) {
            return Err(problem(Problem::Repeated));
        }
    }
    let to = match seats {
        [true, true] => Recipients::Both,
        [true, false] => Recipients::One(Seat::First),
        _ => Recipients::One(Seat::Second),
    };
    fields.finish()?;
    Ok(Allowance { protocol, result, to })
}

/// The terms as a document with comments; [`read_terms`] gives the same terms back.
pub(crate) fn write_terms(terms: &Terms) -> String {
    let mut out = String::with_capacity(4096);
    write_top(&mut out, terms).expect("writing to a String does not fail");
    for (party, number) in terms.parties.iter().zip(1..) {
        write_party(&mut out, party, number).expect("writing to a String does not fail");
    }
    write_allow(&mut out, terms).expect("writing to a String does not fail");
    out
}

fn write_top(out: &mut String, terms: &Terms) -> std::fmt::Result {
    let note = "\
# An agreement between two institutions on joining their tables.
# Comments and blanks may be changed freely. Every value counts: a change of one gives the agreement another id and
# makes signatures already given invalid. It is in force once both parties have signed it.
";
    writeln!(out, "{note}format = {}\n", quoted(FORMAT))?;
    writeln!(out, "title = {}", quoted(terms.title.as_str()))?;
    writeln!(out, "# What the result is used for. Every job repeats it word for word.")?;
    writeln!(out, "purpose = {}\n", quoted(terms.purpose.as_str()))?;
    writeln!(out, "# Jobs may start from the first of these times on and before the second, in UTC.")?;
    writeln!(out, "valid_from = {}", quoted(&terms.valid_from.to_string()))?;
    writeln!(out, "valid_until = {}\n", quoted(&terms.valid_until.to_string()))?;
    writeln!(out, "# The most jobs over the whole time, whoever starts them. A job that fails counts.")?;
    writeln!(out, "runs_max = {}", terms.runs_max)?;
    writeln!(
        out,
        "# The most rows asked about over the whole time: the declared rows of each party that gets a result,"
    )?;
    writeln!(out, "# added over all jobs.")?;
    writeln!(out, "rows_total_max = {}", terms.rows_total_max)?;
    writeln!(out, "# A result with fewer common keys is not handed over. The receiver's own node checks this.")?;
    writeln!(out, "intersection_min = {}", terms.intersection_min)?;
    writeln!(out, "# Row counts are rounded up before they are told: to the next sixteenth of a power of two.")?;
    writeln!(out, "padding = {}\n", quoted(terms.padding.as_str()))?;
    writeln!(out, "# The rules that bring keys to one form. Both nodes must have exactly these.")?;
    writeln!(out, "[normaliser]\nversion = {}", quoted(terms.normaliser.version.as_str()))?;
    writeln!(out, "digest = {}", quoted(&terms.normaliser.digest.to_string()))
}

fn write_party(out: &mut String, party: &Party, number: usize) -> std::fmt::Result {
    let ordinal = if number == 1 { "first" } else { "second" };
    writeln!(out, "\n# The {ordinal} party.\n[[party]]\nname = {}", quoted(party.name.as_str()))?;
    writeln!(out, "# The key it signs with, and the key its node shows in TLS; both are on its card.")?;
    writeln!(out, "organisation_key = {}", quoted(&party.organisation_key.to_string()))?;
    writeln!(out, "tls_spki = {}", quoted(&party.tls_spki.to_string()))?;
    writeln!(out, "# The table it brings, and the columns the tables are joined on.")?;
    writeln!(out, "table = {}\nkey = [", quoted(party.table.as_str()))?;
    for part in &party.key {
        writeln!(out, "  {{ column = {}, kind = {} }},", quoted(part.column.as_str()), quoted(part.kind.as_str()))?;
    }
    writeln!(out, "]\n# Rows with equal keys: \"reject\" stops the job, \"first\" uses the first, \"all\" uses all.")?;
    writeln!(out, "duplicates = {}", quoted(party.duplicates.as_str()))?;
    writeln!(out, "# The fewest and the most rows it brings to a job.")?;
    writeln!(out, "rows_min = {}\nrows_max = {}", party.rows_min, party.rows_max)?;
    writeln!(
        out,
        "\n# Its columns: \"join_only\" is used to find the rows both have and never given away, \"after_match\""
    )?;
    writeln!(out, "# may be given for matched rows, \"never\" stays out of everything, as do columns not listed.")?;
    for column in &party.columns {
        writeln!(out, "[[party.column]]\nname = {}", quoted(column.name.as_str()))?;
        writeln!(out, "type = {}", quoted(column.column_type.as_str()))?;
        writeln!(out, "use = {}", quoted(column.column_use.as_str()))?;
        if let Some(bytes) = column.bytes_max {
            writeln!(out, "bytes_max = {bytes}")?;
        }
    }
    Ok(())
}

fn write_allow(out: &mut String, terms: &Terms) -> std::fmt::Result {
    writeln!(out, "\n# What may be run, and who gets the result. Whatever is not listed here is refused.")?;
    for allowance in &terms.allow {
        let names = terms.parties.each_ref().map(|party| quoted(party.name.as_str()));
        let to = match allowance.to {
            Recipients::One(seat) => names[seat.index()].clone(),
            Recipients::Both => names.join(", "),
        };
        writeln!(out, "[[allow]]\nprotocol = {}", quoted(allowance.protocol.as_str()))?;
        writeln!(out, "result = {}\nto = [{to}]", quoted(allowance.result.as_str()))?;
    }
    Ok(())
}
