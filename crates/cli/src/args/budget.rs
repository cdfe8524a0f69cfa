//! `symbolon budget` and `symbolon alert ...`

use clap::Subcommand;

/// `symbolon budget`
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  symbolon budget
  symbolon budget 3f9a --json

Both nodes count alike, so the partner's budget is the same. A failed job stays spent.")]
pub(crate) struct BudgetArgs {
    /// The agreement: first hex digits of its id [default: every agreement in force]
    pub(crate) agreement: Option<String>,
}

/// `symbolon alert ...`
#[derive(Debug, Subcommand)]
#[command(after_help = "\
A partner's question about very few rows, row counts that jump or creep, inputs that change again and again, and an
own input that differs from an earlier one by a few keys are signs that somebody wants to learn of single records.
From where on something is a sign stands in node.toml under [alerts].")]
pub(crate) enum AlertCommand {
    /// List signs of probing, those nobody has looked into first
    List {
        /// At most so many
        #[arg(long, default_value_t = 20)]
        limit: u32,
    },
    /// Show one alert and what it means
    Show {
        /// The alert's number
        alert: u64,
    },
    /// Record that an alert was looked into
    #[command(after_help = "\
Example:
  symbolon alert ack 3 --note \"a test with ten rows, agreed by telephone\"")]
    Ack {
        /// The alert's number
        alert: u64,
        /// What came of it
        #[arg(long, value_name = "TEXT")]
        note: Option<String>,
    },
}
