//! The TOML form of an agreement.

use crate::agreement::validate::BYTES_MAX;
use crate::agreement::{
    Allowance, Approver, Column, ColumnUse, Duplicates, FORMAT, KeyPart, Normaliser, OptionalTerms, Party, Period,
    Protocol, Recipients, ReleaseCount, ResultKind, Seat, SemiHonest, Terms,
};
use crate::error::{Error, Problem, Section};
use crate::fields::{Fields, Writer, quoted};
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
    let optional = read_optional(top)?;
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
        optional,
    })
}

fn read_optional(top: &mut Fields) -> Result<OptionalTerms, Error> {
    let count =
        top.optional("release_count", |top, field| top.word(field, ReleaseCount::WORDS, ReleaseCount::from_word))?;
    Ok(OptionalTerms {
        replaces: top.optional("replaces", |top, field| top.parsed(field, Problem::AgreementId))?,
        release_count: count.unwrap_or_default(),
        receipt_count: top.optional("receipt_count", Fields::flag)?.unwrap_or_default(),
        period: top.optional("period", |top, field| top.word(field, Period::WORDS, Period::from_word))?,
        runs_per_period: top.optional_number("runs_per_period")?,
        rows_per_period: top.optional_number("rows_per_period")?,
        snapshots_max: top.optional_number("snapshots_max")?,
        epsilon_max: top.optional("epsilon_max", |top, field| top.parsed(field, Problem::Epsilon))?,
        lookups_max: top.optional_number("lookups_max")?,
        semi_honest: top
            .optional("semi_honest", |top, field| top.word(field, SemiHonest::WORDS, SemiHonest::from_word))?,
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
        approvals_min: fields.optional_number("approvals_min")?.unwrap_or(0),
        approvers: fields
            .tables("approver", |approver| Section::Approver(number, approver))?
            .into_iter()
            .map(read_approver)
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

fn read_approver(mut fields: Fields) -> Result<Approver, Error> {
    let approver = Approver { name: fields.text("name")?, key: fields.parsed("key", Problem::ApproverKeyText)? };
    fields.finish()?;
    Ok(approver)
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

/// Writes the terms as a document with comments; [`read_terms`] gives the same terms back.
pub(crate) fn write_terms(out: &mut Writer, terms: &Terms) {
    write_top(out, terms);
    for (party, ordinal) in terms.parties.iter().zip(["first", "second"]) {
        write_party(out, party, ordinal);
    }
    write_allow(out, terms);
}

fn write_top(out: &mut Writer, terms: &Terms) {
    out.lines(
        "\
# An agreement between two institutions on joining their tables.
# Comments and blanks may be changed freely. Every value counts: a change of one gives the agreement another id and
# makes signatures already given invalid. It is in force once both parties have signed it.",
    );
    out.text("format", FORMAT);
    out.lines("");
    out.text("title", terms.title.as_str());
    out.lines("# What the result is used for. Every job repeats it word for word.");
    out.text("purpose", terms.purpose.as_str());
    out.lines("\n# Jobs may start from the first of these times on and before the second, in UTC.");
    out.text("valid_from", &terms.valid_from.to_string());
    out.text("valid_until", &terms.valid_until.to_string());
    out.lines("\n# The most jobs over the whole time, whoever starts them. A job that fails counts.");
    out.number("runs_max", terms.runs_max);
    out.lines(
        "\
# The most rows asked about over the whole time: the declared rows of each party that gets a result, added over all
# jobs.",
    );
    out.number("rows_total_max", terms.rows_total_max);
    out.lines("# A result with fewer common keys is not handed over. The receiver's own node checks this.");
    out.number("intersection_min", terms.intersection_min);
    out.lines("# Row counts are rounded up before they are told: to the next sixteenth of a power of two.");
    out.text("padding", terms.padding.as_str());
    write_optional(out, &terms.optional);
    out.lines("\n# The rules that bring keys to one form. Both nodes must have exactly these.\n[normaliser]");
    out.text("version", terms.normaliser.version.as_str());
    out.text("digest", &terms.normaliser.digest.to_string());
}

fn write_optional(out: &mut Writer, terms: &OptionalTerms) {
    let mut number = |comment: &str, field: &str, value: Option<u64>| {
        if let Some(value) = value {
            out.lines(comment);
            out.number(field, value);
        }
    };
    number("# The most jobs in a period, whoever starts them.", "runs_per_period", terms.runs_per_period);
    number("# The most rows asked about in a period, counted as above.", "rows_per_period", terms.rows_per_period);
    number("# The most different states of its table that each party brings.", "snapshots_max", terms.snapshots_max);
    number("# The most lookups of single records over the whole time.", "lookups_max", terms.lookups_max);
    if let Some(period) = terms.period {
        out.lines("# The period meant: from midnight on, from Monday on, or from the first of the month on, in UTC.");
        out.text("period", period.as_str());
    }
    if let Some(amount) = terms.epsilon_max {
        out.lines("# The most privacy loss (epsilon) of all results given with noise.");
        out.text("epsilon_max", &amount.to_string());
    }
    if terms.release_count != ReleaseCount::None {
        out.lines(
            "\
# Columns are released by their owner's node only after the receiver's has reported enough common keys. What the owner
# learns by it: \"bit\" (whether the minimum is reached) or \"count\" (how many keys both have).",
        );
        out.text("release_count", terms.release_count.as_str());
    }
    if let Some(word) = terms.semi_honest {
        out.lines(
            "\
# Whether a protocol may be allowed that protects only from a party that follows it: \"accepted\" or \"refused\".",
        );
        out.text("semi_honest", word.as_str());
    }
    if terms.receipt_count {
        out.lines("# The receipt both sign says how many keys both have, so both learn it.\nreceipt_count = true");
    }
    if let Some(id) = terms.replaces {
        out.lines("# The earlier version whose place this one takes once both parties have signed it.");
        out.text("replaces", &id.to_string());
    }
}

fn write_party(out: &mut Writer, party: &Party, ordinal: &str) {
    out.lines(&format!("\n# The {ordinal} party.\n[[party]]"));
    out.text("name", party.name.as_str());
    out.lines("# The key it signs with, and the pin of the key its node shows in TLS; both are on its card.");
    out.text("organisation_key", &party.organisation_key.to_string());
    out.text("tls_spki", &party.tls_spki.to_string());
    out.lines("# The table it brings, and the columns the tables are joined on.");
    out.text("table", party.table.as_str());
    out.lines("key = [");
    for part in &party.key {
        let (column, kind) = (quoted(part.column.as_str()), quoted(part.kind.as_str()));
        out.lines(&format!("  {{ column = {column}, kind = {kind} }},"));
    }
    out.lines("]\n# Rows with equal keys: \"reject\" stops the job, \"first\" uses the first, \"all\" uses all.");
    out.text("duplicates", party.duplicates.as_str());
    out.lines("# The fewest and the most rows it brings to a job.");
    out.number("rows_min", party.rows_min);
    out.number("rows_max", party.rows_max);
    write_approvers(out, party);
    out.lines(
        "
# Its columns: \"join_only\" is used to find the rows both have and never given away, \"after_match\" may be given
# for matched rows, \"never\" stays out of everything, as do columns not listed.",
    );
    for column in &party.columns {
        out.lines("[[party.column]]");
        out.text("name", column.name.as_str());
        out.text("type", column.column_type.as_str());
        out.text("use", column.column_use.as_str());
        if let Some(bytes) = column.bytes_max {
            out.number("bytes_max", bytes.into());
        }
    }
}

fn write_approvers(out: &mut Writer, party: &Party) {
    if party.approvers.is_empty() {
        return;
    }
    out.lines("# How many of the persons below have to approve before the institution signs.");
    out.number("approvals_min", party.approvals_min);
    for approver in &party.approvers {
        out.lines("[[party.approver]]");
        out.text("name", approver.name.as_str());
        out.text("key", &approver.key.to_string());
    }
}

fn write_allow(out: &mut Writer, terms: &Terms) {
    out.lines("\n# What may be run, and who gets the result. Whatever is not listed here is refused.");
    let names = terms.parties.each_ref().map(|party| quoted(party.name.as_str()));
    for allowance in &terms.allow {
        let to = match allowance.to {
            Recipients::One(seat) => names[seat.index()].clone(),
            Recipients::Both => names.join(", "),
        };
        out.lines("[[allow]]");
        out.text("protocol", allowance.protocol.as_str());
        out.text("result", allowance.result.as_str());
        out.lines(&format!("to = [{to}]"));
    }
}
