//! Templates of agreements for the usual cases: what a draft has where nothing else is asked for.
//!
//! They are the files of `examples/config/templates`, built in. Tables and columns never come from a template, and what
//! the result is used for has to be said anew each time: a draft that still has a template's purpose is not signed.

use serde::Deserialize;
use symbolon_policy::{Agreement, OptionalTerms, Padding, ReleaseCount};

use super::draft::{DraftAllow, DraftRecipient};
use crate::error::Error;

/// What the purpose of a template begins with.
pub const PLACEHOLDER: &str = "TO FILL IN";

/// The names of the templates with their files.
const FILES: [(&str, &str); 3] = [
    ("match", include_str!("../../../../examples/config/templates/match.toml")),
    ("enrich", include_str!("../../../../examples/config/templates/enrich.toml")),
    ("count", include_str!("../../../../examples/config/templates/count.toml")),
];

/// What a draft has where nothing else is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "a draft takes every field over; forgetting one must not compile")]
pub struct Template {
    /// The word it is asked for by.
    pub name: &'static str,
    /// Its file.
    pub document: &'static str,
    /// What comes of it, in a sentence.
    pub summary: String,
    /// Where the purpose goes; begins with [`PLACEHOLDER`].
    pub purpose: String,
    /// How declared row counts are rounded up.
    pub padding: Padding,
    /// For how many days the agreement holds.
    pub valid_days: u32,
    /// What may be run and who gets the result.
    pub allow: Vec<DraftAllow>,
    /// The fewest rows of either table.
    pub rows_min: u64,
    /// The fewest common keys for which a result is handed over.
    pub intersection_min: u64,
    /// The most jobs.
    pub runs_max: u64,
    /// How many of the own approvers have to approve.
    pub approvals_own: u64,
    /// How many of the partner's approvers have to approve.
    pub approvals_partner: u64,
    /// The terms an agreement can do without.
    pub optional: OptionalTerms,
}

/// A template as its file has it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    summary: String,
    purpose: String,
    padding: String,
    days: u32,
    allow: Vec<RawAllow>,
    minimum: RawMinimum,
    budget: RawBudget,
    approvals: RawApprovals,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawAllow {
    protocol: String,
    result: String,
    to: Recipient,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Recipient {
    Us,
    Peer,
    Both,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawMinimum {
    rows: u64,
    matched: u64,
    release: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawBudget {
    runs: u64,
    period: Option<String>,
    period_runs: Option<u64>,
    snapshots: Option<u64>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawApprovals {
    us: u64,
    peer: u64,
}

impl Template {
    /// All templates.
    ///
    /// # Errors
    /// None in a build whose template files are whole, which its tests show.
    pub fn all() -> Result<Vec<Self>, Error> {
        FILES.iter().map(|(name, document)| Self::read(name, document)).collect()
    }

    /// Finds a template by its name.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub fn find(name: &str) -> Result<Self, Error> {
        let file = FILES.iter().find(|file| file.0 == name);
        let remedy = "give a name that `agreement templates` shows";
        let (name, document) = file.ok_or(Error::NotFound { what: "template", remedy })?;
        Self::read(name, document)
    }

    fn read(name: &'static str, document: &'static str) -> Result<Self, Error> {
        let raw: Raw = toml::from_str(document).map_err(|_| DAMAGED)?;
        let allow = raw.allow.iter().map(|rule| {
            Ok(DraftAllow {
                protocol: parsed(&rule.protocol)?,
                result: parsed(&rule.result)?,
                to: match rule.to {
                    Recipient::Us => DraftRecipient::Own,
                    Recipient::Peer => DraftRecipient::Peer,
                    Recipient::Both => DraftRecipient::Both,
                },
            })
        });
        let release: Option<ReleaseCount> = raw.minimum.release.as_deref().map(parsed).transpose()?;
        Ok(Self {
            name,
            document,
            allow: allow.collect::<Result<_, Error>>()?,
            summary: raw.summary,
            purpose: raw.purpose,
            padding: parsed(&raw.padding)?,
            valid_days: raw.days,
            rows_min: raw.minimum.rows,
            intersection_min: raw.minimum.matched,
            runs_max: raw.budget.runs,
            approvals_own: raw.approvals.us,
            approvals_partner: raw.approvals.peer,
            optional: OptionalTerms {
                release_count: release.unwrap_or_default(),
                period: raw.budget.period.as_deref().map(parsed).transpose()?,
                runs_per_period: raw.budget.period_runs,
                snapshots_max: raw.budget.snapshots,
                ..OptionalTerms::default()
            },
        })
    }
}

const DAMAGED: Error = Error::Misuse {
    what: "a template of this build is damaged",
    remedy: "report this fault; draft without a template",
};

fn parsed<T: std::str::FromStr>(word: &str) -> Result<T, Error> {
    word.parse().map_err(|_| DAMAGED)
}

/// Refuses an agreement in which nobody has said what the result is used for.
///
/// # Errors
/// [`Error::Misuse`].
pub(super) fn check_filled_in(agreement: &Agreement) -> Result<(), Error> {
    if agreement.terms().purpose.as_str().starts_with(PLACEHOLDER) {
        return Err(Error::Misuse {
            what: "the purpose is still the template's",
            remedy: "say in the draft what the result is used for, then sign it",
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use symbolon_policy::{ResultKind, Seat, SignedAgreement};

    use super::*;
    use crate::ops::agreements::AgreementInput;
    use crate::ops::draft::{DraftOptions, DraftSide};
    use crate::ops::testing::Pair;

    /// A draft of the bank's with all that the template gives.
    async fn options(pair: &Pair, template: &Template) -> DraftOptions {
        let given = pair.options().await;
        let enriches = template.allow.iter().any(|rule| rule.result == ResultKind::Enrich);
        let rows = |side: DraftSide| DraftSide { rows_min: Some(template.rows_min), rows_max: Some(50_000), ..side };
        let columns = if enriches { given.partner.columns.clone() } else { Default::default() };
        DraftOptions {
            purpose: template.purpose.clone(),
            allow: template.allow.clone(),
            valid_days: template.valid_days,
            runs_max: template.runs_max,
            intersection_min: template.intersection_min,
            padding: template.padding,
            own: rows(DraftSide::default()),
            partner: rows(DraftSide { columns, ..DraftSide::default() }),
            optional: template.optional.clone(),
            ..given
        }
    }

    #[tokio::test]
    async fn each_template_gives_a_draft_that_is_signed_once_its_purpose_is_said() {
        let pair = Pair::new().await;
        let templates = Template::all().unwrap();
        assert_eq!(templates.iter().map(|template| template.name).collect::<Vec<_>>(), ["match", "enrich", "count"]);
        for template in templates {
            assert!(template.purpose.starts_with(PLACEHOLDER), "{}", template.name);
            let options = options(&pair, &template).await;
            let draft = pair.bank.agreement_draft(&options).await.unwrap();
            let terms = SignedAgreement::from_toml(&draft).unwrap();
            let terms = terms.agreement().terms();
            assert_eq!((terms.runs_max, terms.intersection_min), (template.runs_max, template.intersection_min));
            assert_eq!((terms.padding, &terms.optional), (template.padding, &template.optional));
            assert!(
                terms.allow.iter().all(|rule| rule.to.include(Seat::First) && rule.result.as_str() == template.name)
            );
            assert!(terms.parties.iter().all(|party| party.rows_min == template.rows_min));

            let refused = pair.bank.agreement_sign(AgreementInput::Document(draft.into_bytes())).await.unwrap_err();
            assert_eq!(refused.reason(), "INVALID_REQUEST");
            assert!(refused.to_string().contains("template"), "{refused}");
            assert!(pair.bank.agreement_list().await.unwrap().is_empty());
        }
        let template = Template::find("enrich").unwrap();
        let said = DraftOptions { purpose: "Credit decisions".to_owned(), ..options(&pair, &template).await };
        let draft = pair.bank.agreement_draft(&said).await.unwrap();
        pair.bank.agreement_sign(AgreementInput::Document(draft.into_bytes())).await.unwrap();
    }

    #[test]
    fn only_what_is_there_is_found() {
        assert_eq!(Template::find("count").unwrap().allow.len(), 1);
        for name in ["", "Match", "join"] {
            assert_eq!(Template::find(name).unwrap_err().reason(), "NOT_FOUND", "{name:?}");
        }
    }

    #[test]
    fn a_file_with_something_else_in_it_is_no_template() {
        for (name, document) in FILES {
            let with_more: &'static str = Box::leak(format!("columns = []\n{document}").into_boxed_str());
            assert!(Template::read(name, with_more).is_err(), "{name}");
            let misspelt: &'static str = Box::leak(document.replace("sixteenth", "half").into_boxed_str());
            assert!(Template::read(name, misspelt).is_err(), "{name}");
        }
    }
}
