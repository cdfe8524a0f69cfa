//! `symbolon join`, `count`, `job ...` and `result ...`

use clap::Subcommand;

/// What `join` and `count` have in common.
#[derive(Debug, clap::Args)]
pub(crate) struct RequestArgs {
    /// The agreement: title or first hex digits of its id [default: the only one in force]
    #[arg(long, value_name = "AGREEMENT")]
    pub(crate) agreement: Option<String>,
    /// A word of your choice: the same word again gives the same job, not a second one
    #[arg(long, value_name = "WORD")]
    pub(crate) request_id: Option<String>,
    /// Start the job and do not wait for it
    #[arg(long)]
    pub(crate) detach: bool,
}

/// `symbolon join`
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  symbolon join
  symbolon join --agreement \"Overdraft check\" --columns total_balance,risk_grade --format parquet
  symbolon join --agreement 3f9a --columns none

Needs a running node (`symbolon serve`) on this home. Ctrl-C cancels the job.
The result lies in <home>/results/<job>/ beside its manifest.")]
pub(crate) struct JoinArgs {
    #[command(flatten)]
    pub(crate) request: RequestArgs,
    /// The partner's columns wanted, or `none` [default: all the agreement gives]
    #[arg(long, value_name = "COLUMNS", value_delimiter = ',')]
    pub(crate) columns: Vec<String>,
    /// Own columns to write beside them [default: all of the own table]
    #[arg(long, value_name = "COLUMNS", value_delimiter = ',')]
    pub(crate) own_columns: Vec<String>,
    /// The result file's format
    #[arg(long, default_value = "csv", value_parser = ["csv", "parquet", "arrow"])]
    pub(crate) format: String,
    /// The protocol [default: the first one the agreement allows for this]
    #[arg(long, value_parser = ["ecdh-oprf", "ecdh-mutual"])]
    pub(crate) protocol: Option<String>,
}

/// `symbolon count`
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  symbolon count --agreement \"Market overlap\"

Needs a running node (`symbolon serve`) on this home, and an agreement that allows a count.")]
pub(crate) struct CountArgs {
    #[command(flatten)]
    pub(crate) request: RequestArgs,
}

/// `symbolon job ...`
#[derive(Debug, Subcommand)]
pub(crate) enum JobCommand {
    /// List jobs, the newest first
    List {
        /// At most so many
        #[arg(long, default_value_t = 20)]
        limit: u32,
    },
    /// Show one job
    Show {
        /// The job's id, or its first hex digits
        job: String,
    },
    /// Follow a job until it ends; Ctrl-C stops following, not the job
    Watch {
        /// The job's id, or its first hex digits
        job: String,
    },
    /// Cancel a job
    Cancel {
        /// The job's id, or its first hex digits
        job: String,
    },
}

/// `symbolon result ...`
#[derive(Debug, Subcommand)]
pub(crate) enum ResultCommand {
    /// Say where a job's result lies and what each side learned
    #[command(after_help = "\
Examples:
  symbolon result show 5c2e
  symbolon result show                # the newest")]
    Show {
        /// The job's id, or its first hex digits [default: the newest with a result]
        job: Option<String>,
    },
}
