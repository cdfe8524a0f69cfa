//! `symbolon join`, `count`, `job ...` and `result ...`

use std::path::PathBuf;

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
  symbolon join -o joined.csv
  symbolon join --agreement \"Overdraft check\" --columns total_balance,risk_grade --format parquet
  symbolon join --agreement 3f9a --columns none

Needs a running node (`symbolon serve`) on this home. Ctrl-C cancels the job.
The result lies encrypted in <home>/results/<job>/ beside its manifest; -o writes it out, and so does
`symbolon result export` at any later time.")]
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
    /// Write the result, decrypted, into this file
    #[arg(long, short, value_name = "FILE", conflicts_with = "detach")]
    pub(crate) output: Option<PathBuf>,
    /// Overwrite the output file
    #[arg(long, requires = "output")]
    pub(crate) force: bool,
    /// The protocol [default: the first one the agreement allows for this]
    #[arg(long, value_parser = ["ecdh-oprf", "ecdh-mutual", "rr22-silent", "rr22-small-field"])]
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
    /// Delete what an ended job left: destroy the key of its result and remove its files
    #[command(after_help = "\
Example:
  symbolon job delete 5c2e

No copy of the encrypted result can be read after this. Sizes, times and the manifest stay in state.db.")]
    Delete {
        /// The job's id, or its first hex digits
        job: String,
        /// Do not ask for confirmation
        #[arg(long, short)]
        yes: bool,
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
    /// Write a job's result, decrypted, into a file
    #[command(after_help = "\
Examples:
  symbolon result export 5c2e -o joined.csv
  symbolon result export -o joined.csv        # the newest

The file appears under its name only after all of it has been checked against the manifest.")]
    Export {
        /// The job's id, or its first hex digits [default: the newest with a result]
        job: Option<String>,
        /// The file to write
        #[arg(long, short, value_name = "FILE")]
        output: PathBuf,
        /// Overwrite the output file
        #[arg(long)]
        force: bool,
    },
    /// Print a job's result, decrypted, to standard output
    #[command(after_help = "\
Example:
  symbolon result cat 5c2e | head

All of it is checked against the manifest before the first byte is printed.")]
    Cat {
        /// The job's id, or its first hex digits [default: the newest with a result]
        job: Option<String>,
    },
    /// Delete a job's result: the same as `symbolon job delete`
    Delete {
        /// The job's id, or its first hex digits
        job: String,
        /// Do not ask for confirmation
        #[arg(long, short)]
        yes: bool,
    },
}
