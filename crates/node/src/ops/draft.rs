//! Drafting an agreement from the own table, the partner's card and the card of the partner's table.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use symbolon_policy::{
    Agreement, Allowance, Approver, Column, ColumnName, ColumnUse, Digest, Duplicates, KeyPart, KindText, Name,
    Normaliser, OptionalTerms, Padding, Party, Problem, Protocol, Purpose, Recipients, ResultKind, Seat,
    SignedAgreement, Terms, Title, TypeText, Version,
};
use symbolon_primitives::sign::VerifyingKey;
use symbolon_tables::{ColumnType, TableCard};

use super::node::timestamp;
use super::tables::read_table_card;
use crate::error::Error;
use crate::home::Home;

/// The most bytes of a released text when the draft does not say.
const TEXT_BYTES_DEFAULT: u32 = 64;

/// What a draft is made of. The own institution becomes the first party.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "a draft is made from all its fields; forgetting one must not compile")]
pub struct DraftOptions {
    /// The own table.
    pub table: String,
    /// The partner, by the name this node uses for it.
    pub peer: String,
    /// The card of the partner's table, TOML.
    pub partner_card: String,
    /// A title for people.
    pub title: String,
    /// What the result is used for.
    pub purpose: String,
    /// What may be run and who gets the result.
    pub allow: Vec<DraftAllow>,
    /// The first moment it holds; now, when not given.
    pub valid_from: Option<DateTime<Utc>>,
    /// For how many days it holds.
    pub valid_days: u32,
    /// The most jobs.
    pub runs_max: u64,
    /// The most rows asked about over all jobs; enough for every job when not given.
    pub rows_total_max: Option<u64>,
    /// The fewest common keys for which a result is handed over.
    pub intersection_min: u64,
    /// How declared row counts are rounded up.
    pub padding: Padding,
    /// The own side.
    pub own: DraftSide,
    /// The partner's side.
    pub partner: DraftSide,
    /// The terms an agreement can do without.
    pub optional: OptionalTerms,
}

/// One rule of a draft.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "a rule has these fields")]
pub struct DraftAllow {
    /// The protocol.
    pub protocol: Protocol,
    /// What comes out.
    pub result: ResultKind,
    /// To whom.
    pub to: DraftRecipient,
}

/// Who gets a result, seen from the own side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "an agreement has two parties")]
pub enum DraftRecipient {
    /// This institution.
    Own,
    /// The partner.
    Peer,
    /// Both.
    Both,
}

/// One side of a draft. Columns that are not named are `join_only` when they are part of the key, else `never`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[expect(clippy::exhaustive_structs, reason = "as the draft")]
pub struct DraftSide {
    /// What may be done with columns.
    pub columns: BTreeMap<String, DraftColumn>,
    /// The fewest rows; 1 when not given.
    pub rows_min: Option<u64>,
    /// The most rows; the present number, rounded up, when not given.
    pub rows_max: Option<u64>,
    /// How many approvers have to approve; all of them when not given.
    pub approvals_min: Option<u64>,
    /// The persons who may approve.
    pub approvers: Vec<Approver>,
}

/// What may be done with a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "as the draft")]
pub struct DraftColumn {
    /// Its use.
    pub column_use: ColumnUse,
    /// The most bytes of a released text; 64 when not given.
    pub bytes_max: Option<u32>,
}

impl Home {
    /// Drafts an agreement as a commented document for people to read, change and sign. Nothing is stored.
    ///
    /// # Errors
    /// [`Error::NotFound`] for a table or peer that is not known; [`Error::Misuse`] for what cannot stand in an
    /// agreement; [`Error::Policy`] naming the field that does not fit the rest.
    pub async fn agreement_draft(&self, options: &DraftOptions) -> Result<String, Error> {
        let table = self.table_show(&options.table).await?;
        let own_card =
            TableCard::new(&table.name, &table.spec, table.rows, &[]).map_err(symbolon_tables::Error::from)?;
        let peer_card = self.peer_show(&options.peer).await?.parsed_card()?;
        let partner_table = read_table_card(&options.partner_card)?;
        let own_identity = Identity {
            name: &self.settings().institution,
            key: self.keys().organisation_public(),
            pin: Digest::from_bytes(self.keys().spki_pin()),
        };
        let peer_identity = Identity {
            name: peer_card.contents().institution.as_str(),
            key: *peer_card.organisation_key(),
            pin: peer_card.contents().tls_spki,
        };
        let parties =
            [party(&own_identity, &own_card, &options.own)?, party(&peer_identity, &partner_table, &options.partner)?];
        let allow: Vec<Allowance> = options.allow.iter().map(allowance).collect();
        let from = options.valid_from.unwrap_or_else(|| self.clock().now());
        let rows_total_max = options.rows_total_max.unwrap_or_else(|| rows_for_all(&allow, &parties, options));
        let terms = Terms {
            title: Title::new(&options.title).map_err(|problem| unfit("title", problem))?,
            purpose: Purpose::new(&options.purpose).map_err(|problem| unfit("purpose", problem))?,
            valid_from: timestamp(from)?,
            valid_until: timestamp(from + chrono::Days::new(options.valid_days.into()))?,
            runs_max: options.runs_max,
            rows_total_max,
            intersection_min: options.intersection_min,
            normaliser: normaliser()?,
            padding: options.padding,
            parties,
            allow,
            optional: options.optional.clone(),
        };
        Ok(SignedAgreement::draft(Agreement::new(terms)?).to_toml())
    }
}

/// The normaliser of this build, as agreements and requests name it.
///
/// # Errors
/// None in a build whose version is a plain text.
pub fn normaliser() -> Result<Normaliser, Error> {
    let version = Version::new(symbolon_tables::NORMALISER_VERSION).map_err(|problem| unfit("normaliser", problem))?;
    Ok(Normaliser { version, digest: Digest::from_bytes(symbolon_tables::rules_digest()) })
}

struct Identity<'a> {
    name: &'a str,
    key: VerifyingKey,
    pin: Digest,
}

fn party(identity: &Identity<'_>, card: &TableCard, side: &DraftSide) -> Result<Party, Error> {
    let is_key = |name: &str| card.key.iter().any(|part| part.column == name);
    if side.columns.keys().any(|name| card.columns.iter().all(|column| column.name != *name)) {
        return Err(Error::Misuse {
            what: "a column named for the draft is not in the table",
            remedy: "name columns as `table show` or the partner's table card lists them",
        });
    }
    let mut columns = Vec::new();
    for column in &card.columns {
        let asked = side.columns.get(&column.name);
        let unnamed = if is_key(&column.name) { ColumnUse::JoinOnly } else { ColumnUse::Never };
        let column_use = asked.map_or(unnamed, |asked| asked.column_use);
        let released_text = column_use == ColumnUse::AfterMatch && column.ty == ColumnType::Text;
        let bytes = asked.and_then(|asked| asked.bytes_max).unwrap_or(TEXT_BYTES_DEFAULT);
        columns.push(Column {
            name: ColumnName::new(&column.name).map_err(|problem| unfit("name of a column", problem))?,
            column_type: TypeText::new(&column.ty.to_string()).map_err(|problem| unfit("type of a column", problem))?,
            column_use,
            bytes_max: released_text.then_some(bytes),
        });
    }
    let key = card.key.iter().map(|part| {
        Ok(KeyPart {
            column: ColumnName::new(&part.column).map_err(|problem| unfit("name of a key column", problem))?,
            kind: KindText::new(&part.kind.to_string()).map_err(|problem| unfit("kind of a key column", problem))?,
        })
    });
    Ok(Party {
        name: Name::new(identity.name).map_err(|problem| unfit("name of an institution", problem))?,
        organisation_key: identity.key,
        tls_spki: identity.pin,
        table: Name::new(&card.name).map_err(|problem| unfit("name of a table", problem))?,
        key: key.collect::<Result<_, Error>>()?,
        duplicates: match card.duplicates {
            symbolon_tables::Duplicates::First => Duplicates::First,
            symbolon_tables::Duplicates::All => Duplicates::All,
            // Whatever a later release adds is drafted as the strictest policy and shows when it is signed.
            _ => Duplicates::Reject,
        },
        rows_min: side.rows_min.unwrap_or(1),
        rows_max: side.rows_max.unwrap_or(card.rows_padded),
        columns,
        approvals_min: side.approvals_min.unwrap_or(side.approvers.len() as u64),
        approvers: side.approvers.clone(),
    })
}

const fn allowance(allow: &DraftAllow) -> Allowance {
    let to = match allow.to {
        DraftRecipient::Own => Recipients::One(Seat::First),
        DraftRecipient::Peer => Recipients::One(Seat::Second),
        DraftRecipient::Both => Recipients::Both,
    };
    Allowance { protocol: allow.protocol, result: allow.result, to }
}

/// Enough rows for every job to ask about the largest tables agreed.
fn rows_for_all(allow: &[Allowance], parties: &[Party; 2], options: &DraftOptions) -> u64 {
    let of_seat = |seat: Seat| options.padding.padded(parties[seat.index()].rows_max);
    let of_rule = |rule: &Allowance| match rule.to {
        Recipients::One(seat) => of_seat(seat),
        Recipients::Both => of_seat(Seat::First).saturating_add(of_seat(Seat::Second)),
    };
    allow.iter().map(of_rule).max().unwrap_or(1).saturating_mul(options.runs_max)
}

fn unfit(what: &'static str, _problem: Problem) -> Error {
    let remedy = match what {
        "title" => "give 1 to 200 visible characters in one line",
        "purpose" => "give 1 to 1000 visible characters in one line",
        _ => "use 1 to 64 visible characters (columns: 128) without blanks at the ends, and rename what does not fit",
    };
    Error::Misuse { what: "a text of the draft cannot stand in an agreement", remedy }
}

#[cfg(test)]
mod tests;
