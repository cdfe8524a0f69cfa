//! `symbolon policy ...`

use std::path::PathBuf;

use clap::{Subcommand, ValueEnum};

/// `symbolon policy ...`
#[derive(Debug, Subcommand)]
pub(crate) enum PolicyCommand {
    /// Check files of policies against the schema, naming file and line of what does not fit
    #[command(after_help = "\
Examples:
  symbolon policy check                     # the files in <home>/policies
  symbolon policy check draft.cedar         # a file before it is put there

Policies are written in Cedar. Each needs @id(\"...\") and should say @reason(\"...\"). They can forbid more than the
shipped policies and the agreements do, never less. See `symbolon policy schema` for what they can speak of.")]
    Check {
        /// Files to check instead of those in the home
        files: Vec<PathBuf>,
    },
    /// List the policies in force
    #[command(after_help = "\
Example:
  symbolon policy list")]
    List,
    /// Print a policy in force
    #[command(after_help = "\
Example:
  symbolon policy show outside-validity")]
    Show {
        /// Its id
        id: String,
    },
    /// Print the schema that policies are written against
    #[command(after_help = "\
Example:
  symbolon policy schema")]
    Schema,
    /// Say which policy decided on a job and why, or what would be decided
    #[command(after_help = "\
Examples:
  symbolon policy explain 3f9a1c20                                  # what was decided on this job
  symbolon policy explain --agreement \"Overdraft check\"             # what would be decided now
  symbolon policy explain --agreement 3f9a --by-partner --rows-peer 500 --at 2026-12-24T03:00:00Z
  symbolon policy explain --agreement 3f9a --phase release --result count

Nothing is done and nothing recorded. What the partner declared the last time is taken as it was.")]
    Explain(ExplainArgs),
    /// List what was decided: on jobs, and calls that were refused
    #[command(after_help = "\
Example:
  symbolon policy log --limit 20")]
    Log {
        /// How many at most
        #[arg(long, default_value_t = 20)]
        limit: u32,
    },
}

/// `symbolon policy explain`
#[derive(Debug, clap::Args)]
pub(crate) struct ExplainArgs {
    /// The id of a job, or enough of its first digits
    #[arg(required_unless_present = "agreement", conflicts_with = "agreement")]
    pub(crate) job: Option<String>,
    /// Ask about a job under this agreement: id, first digits of it, or title
    #[arg(long)]
    pub(crate) agreement: Option<String>,
    /// The phase asked about
    #[arg(long, value_enum, default_value_t = Phase::Accept)]
    pub(crate) phase: Phase,
    /// The partner asks for the job
    #[arg(long)]
    pub(crate) by_partner: bool,
    /// The protocol [default: the first the agreement lists]
    #[arg(long)]
    pub(crate) protocol: Option<String>,
    /// The kind of result [default: the first the agreement lists]
    #[arg(long)]
    pub(crate) result: Option<String>,
    /// Rows of our table [default: the fewest allowed]
    #[arg(long)]
    pub(crate) rows_own: Option<u64>,
    /// Rows of the partner's table [default: the fewest allowed]
    #[arg(long)]
    pub(crate) rows_peer: Option<u64>,
    /// At this moment (RFC 3339) [default: now]
    #[arg(long, value_name = "TIME")]
    pub(crate) at: Option<String>,
}

/// A phase of a job, as policies name it.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Phase {
    /// What is asked for
    Offer,
    /// The binding decision, with the rows of both sides
    Accept,
    /// The next frames of a running job
    Batch,
    /// The result
    Release,
}
