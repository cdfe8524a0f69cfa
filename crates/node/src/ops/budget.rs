//! Budgets and signs of probing, as people look at them.

use serde::Serialize;
use symbolon_policy::{Agreement, Seat, SignedAgreement};

use super::text_of;
use crate::error::Error;
use crate::home::Home;
use crate::store::{AgreementRecord, AlertRecord, SpentBySide, as_hex};

/// The longest note on an alert, in characters.
const NOTE_CHARACTERS_MAX: usize = 500;

/// The budget of an agreement: its limits, what is spent of them and what is left.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct BudgetView {
    /// The agreement.
    #[serde(serialize_with = "as_hex")]
    pub agreement_id: [u8; 32],
    /// Its title.
    pub title: String,
    /// The other party's name in it.
    pub peer: String,
    /// Each limit.
    pub lines: Vec<BudgetLine>,
    /// What this institution has asked for.
    pub own: Asked,
    /// What the other one has asked for.
    pub other: Asked,
}

/// One limit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct BudgetLine {
    /// The name of the limit in the agreement.
    pub budget: &'static str,
    /// What is counted: `runs`, `rows`, `inputs`, `lookups`, or `millionths` of epsilon.
    pub unit: &'static str,
    /// The party whose inputs are counted, where each party's are counted for themselves.
    pub party: Option<String>,
    /// The limit.
    pub limit: u64,
    /// What is spent, in this period where the limit is for a period.
    pub spent: u64,
    /// What is left.
    pub left: u64,
    /// When a limit for a period begins anew, RFC 3339; nothing when that is not before the agreement ends.
    pub resets_at: Option<String>,
}

/// What one side has asked for over the agreement's life.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[expect(clippy::exhaustive_structs, reason = "a set of counters")]
pub struct Asked {
    /// Jobs it started.
    pub runs: u64,
    /// Rows it asked about: its declared rows in jobs it got a result of.
    pub rows: u64,
    /// Different inputs it brought.
    pub inputs: u64,
}

impl Home {
    /// The budget of the agreement with this id, or enough of its first digits.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Misuse`] when several ids begin like this; environment errors.
    pub async fn budget(&self, id: &str) -> Result<BudgetView, Error> {
        let record = self.agreement_show(id).await?.record;
        self.budget_of(&record).await
    }

    /// The budgets of all agreements both parties have signed, newest first.
    ///
    /// # Errors
    /// Environment errors.
    pub async fn budgets(&self) -> Result<Vec<BudgetView>, Error> {
        let mut budgets = Vec::new();
        for record in self.store().agreements().await? {
            if record.state.is_active() {
                budgets.push(self.budget_of(&record).await?);
            }
        }
        Ok(budgets)
    }

    async fn budget_of(&self, record: &AgreementRecord) -> Result<BudgetView, Error> {
        let signed = SignedAgreement::from_toml(text_of(&record.document)?)?;
        let agreement = signed.agreement();
        let own = Seat::BOTH
            .into_iter()
            .find(|seat| agreement.party(seat.other()).organisation_key.to_bytes() == record.peer_key);
        let own = own.ok_or(crate::error::Refused::NotAParty)?;
        let now = self.clock().now();
        let spent = self.store().spent_by_side(agreement, own, now).await?;
        let now = symbolon_policy::Timestamp::from_unix_seconds(now.timestamp())
            .map_err(|_| Error::Misuse { what: "the clock shows an impossible time", remedy: "set the clock" })?;
        Ok(BudgetView {
            agreement_id: record.id,
            title: record.title.clone(),
            peer: agreement.party(own.other()).name.as_str().to_owned(),
            lines: lines(agreement, own, &spent, now),
            own: Asked { runs: spent.own_runs, rows: spent.own_rows, inputs: spent.own_inputs },
            other: Asked { runs: spent.peer_runs, rows: spent.peer_rows, inputs: spent.peer_inputs },
        })
    }

    /// Lists alerts: those nobody has looked into first, then the newest.
    ///
    /// # Errors
    /// Environment errors.
    pub async fn alert_list(&self, limit: u32) -> Result<Vec<AlertRecord>, Error> {
        self.store().alerts(limit).await
    }

    /// Finds an alert by its number.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn alert_show(&self, id: u64) -> Result<AlertRecord, Error> {
        let remedy = "give a number that `alert list` shows";
        self.store().alert(id).await?.ok_or(Error::NotFound { what: "alert", remedy })
    }

    /// Records that somebody looked into an alert, with a note on what came of it.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::AlreadyExists`] when that was recorded before; [`Error::Misuse`] for a note that is
    /// too long or holds characters that do not show.
    pub async fn alert_ack(&self, id: u64, note: Option<&str>) -> Result<AlertRecord, Error> {
        let note = note.map(symbolon_policy::Text::<NOTE_CHARACTERS_MAX>::new).transpose();
        let note = note.map_err(|_| Error::Misuse {
            what: "the note cannot be kept",
            remedy: "write one line of at most 500 characters",
        })?;
        self.store().see_alert(id, note.map(|note| note.as_str().to_owned()), self.clock().now()).await
    }
}

fn lines(agreement: &Agreement, own: Seat, spent: &SpentBySide, now: symbolon_policy::Timestamp) -> Vec<BudgetLine> {
    let limits = agreement.terms().limits();
    let resets_at = limits.span(now).map(|span| span.until).filter(|until| *until < agreement.terms().valid_until);
    let mut lines = Vec::new();
    let mut add = |budget, unit, limit: Option<u64>, spent: u64| {
        let Some(limit) = limit else { return };
        let resets_at = budget_resets(budget).then_some(resets_at).flatten().map(|at| at.to_string());
        let left = limit.saturating_sub(spent);
        lines.push(BudgetLine { budget, unit, party: None, limit, spent, left, resets_at });
    };
    add("runs_max", "runs", Some(limits.runs_max), spent.all.runs);
    add("rows_total_max", "rows", Some(limits.rows_total_max), spent.all.rows);
    add("runs_per_period", "runs", limits.runs_per_period, spent.all.period_runs);
    add("rows_per_period", "rows", limits.rows_per_period, spent.all.period_rows);
    add("lookups_max", "lookups", limits.lookups_max, spent.all.lookups);
    add("epsilon_max", "millionths", limits.epsilon_max.map(symbolon_policy::Epsilon::millionths), spent.all.epsilon);
    if let Some(limit) = limits.snapshots_max {
        for (seat, spent) in [(own, spent.own_inputs), (own.other(), spent.peer_inputs)] {
            let party = Some(agreement.party(seat).name.as_str().to_owned());
            let left = limit.saturating_sub(spent);
            let (budget, unit) = ("snapshots_max", "inputs");
            lines.push(BudgetLine { budget, unit, party, limit, spent, left, resets_at: None });
        }
    }
    lines
}

fn budget_resets(budget: &str) -> bool {
    budget.ends_with("_per_period")
}
