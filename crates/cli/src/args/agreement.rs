//! `symbolon agreement ...`

use std::path::PathBuf;

use clap::Subcommand;

const DRAFT_EXAMPLES: &str = "\
Example, at the bank, with the bureau's table description in bureau.table.toml:
  symbolon agreement draft --peer bureau --table customers --peer-table bureau.table.toml \\
    --title \"Overdraft check\" --purpose \"credit decision on applicants\" \\
    --allow ecdh-oprf:enrich:us --get open_accounts,total_balance,risk_grade \\
    --rows-max 100000 --runs 12 --days 365 -o join.toml

The same from a template (`symbolon agreement templates`), which says the rest:
  symbolon agreement draft --template enrich --peer bureau --table customers \\
    --peer-table bureau.table.toml --title \"Overdraft check\" \\
    --purpose \"credit decision on applicants\" --get open_accounts,total_balance,risk_grade \\
    --approver \"Ada Lund=ed25519:..\" --approver \"Ben Okoro=ed25519:..\" -o join.toml
An argument takes the place of what the template says; --approvals 0 does without approvals.

--allow PROTOCOL:RESULT:TO may be given several times:
  PROTOCOL  ecdh-oprf, ecdh-mutual, ecdh-cardinality; with --semi-honest accepted also rr22-silent, rr22-small-field
  RESULT    match (which rows), enrich (matched rows with the partner's columns), count (how many)
  TO        us, peer, both: who gets the result
--get lists the partner's columns that come to us with matched rows, --give our columns that go to the partner.
Every other column is `never`, key columns are `join_only`.
The draft is a text file: read it, edit it, then sign it.";

/// `symbolon agreement ...`
#[derive(Debug, Subcommand)]
pub(crate) enum AgreementCommand {
    /// Write the draft of an agreement between this institution and a partner
    #[command(after_help = DRAFT_EXAMPLES)]
    Draft(Box<DraftArgs>),
    /// List the templates a draft can start from, and what each allows
    #[command(after_help = "\
Examples:
  symbolon agreement templates
  symbolon agreement templates --json         # with the text of each template

Tables and columns always come from the arguments of `agreement draft`. Nobody signs before the purpose is said.")]
    Templates,
    /// Say in plain words what leaves the house, to whom and until when
    #[command(after_help = "\
Examples:
  symbolon agreement show join.toml
  symbolon agreement show \"Overdraft check\"
  symbolon agreement show 3f9a --text > copy.toml")]
    Show {
        /// A file, or the title or first hex digits of the id of a stored agreement
        agreement: String,
        /// Print the document itself
        #[arg(long)]
        text: bool,
    },
    /// Add this institution's signature
    #[command(after_help = "\
Examples:
  symbolon agreement sign join.toml              # adds the signature to the file
  symbolon agreement sign join.toml -o signed.toml

Read it first: symbolon agreement show join.toml")]
    Sign {
        /// The agreement's file, or the id or title of one that a partner proposed
        agreement: String,
        /// Write the signed agreement here instead
        #[arg(long, short, value_name = "FILE")]
        output: Option<PathBuf>,
        /// Do not ask for confirmation
        #[arg(long, short)]
        yes: bool,
    },
    /// Send a signed agreement to the partner over the running node
    #[command(after_help = "\
Example:
  symbolon agreement send join.toml

The partner finds it in `symbolon agreement list`, reads it and signs it there; the signature comes back by itself.")]
    Send {
        /// The agreement's file, or the id or title of a stored one
        agreement: String,
    },
    /// Put an agreement with both signatures into force at this node
    #[command(after_help = "\
Example:
  symbolon agreement accept join.toml")]
    Accept {
        /// The agreement's file, or the id or title of a stored one
        agreement: String,
    },
    /// List the stored agreements and what has been spent of them
    List,
    /// Approve an agreement as a person it lists, before the institution signs
    #[command(after_help = "\
Examples:
  symbolon agreement approve join.toml --key ada.key
  symbolon agreement approve \"Overdraft check\" --key ada.key

A person counts once. `symbolon agreement show` tells who has approved. The passphrase of the key is asked for unless
an option or SYMBOLON_APPROVER_PASSPHRASE_FILE says where it is.")]
    Approve {
        /// The agreement's file, or the id or title of a stored one
        agreement: String,
        /// The person's key (`symbolon approver new`)
        #[arg(long, value_name = "FILE")]
        key: PathBuf,
        #[command(flatten)]
        passphrase: ApproverPassphraseArgs,
        /// Write the approved agreement here instead of into its file
        #[arg(long, short, value_name = "FILE")]
        output: Option<PathBuf>,
        /// Do not ask for confirmation
        #[arg(long, short)]
        yes: bool,
    },
    /// Hold an agreement: no job starts, running ones end on both sides at once
    #[command(after_help = "\
Example:
  symbolon agreement suspend \"Overdraft check\" --reason audit

It holds as soon as the command returns. The partner's node hears of it at once or when it can be reached. Only the
party that suspended can resume.")]
    Suspend(NoticeArgs),
    /// Take this institution's suspension of an agreement back
    #[command(after_help = "\
Example:
  symbolon agreement resume \"Overdraft check\"")]
    Resume(NoticeArgs),
    /// End an agreement for good; running jobs end on both sides at once
    #[command(after_help = "\
Example:
  symbolon agreement revoke \"Overdraft check\" --reason contract-ended --yes

This is final. Results already handed over cannot be called back.")]
    Revoke {
        #[command(flatten)]
        notice: NoticeArgs,
        /// Do not ask for confirmation
        #[arg(long, short)]
        yes: bool,
    },
    /// Hold something of an agreement back, without a new signature; never gives more than agreed
    #[command(after_help = "\
Examples:
  symbolon agreement tighten \"Overdraft check\" --runs-max 3 --intersection-min 200
  symbolon agreement tighten \"Overdraft check\" --forbid ecdh-oprf:match
  symbolon agreement tighten \"Overdraft check\" --clear

What is given takes the place of what was held back before. It holds for jobs that start from now on, and for both
sides: each declares what it holds back, and the stricter value rules.")]
    Tighten(TightenArgs),
    /// Tell two versions of an agreement apart, in words
    #[command(after_help = "\
Examples:
  symbolon agreement diff \"Overdraft check\" \"Overdraft check, second\"
  symbolon agreement diff old.toml new.toml

Each line ends with what it means for this institution: wider, narrower, you get more, you get less, changed.")]
    Diff {
        /// The earlier one: a file, or the title or id of a stored agreement
        old: String,
        /// The later one
        new: String,
    },
    /// List the versions an agreement belongs to, the latest first
    #[command(after_help = "\
Example:
  symbolon agreement history \"Overdraft check\"")]
    History {
        /// The id or title of a stored agreement
        agreement: String,
    },
}

/// `symbolon agreement tighten`
#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("held").required(true).multiple(true))]
pub(crate) struct TightenArgs {
    /// The id or title of a stored agreement
    pub(crate) agreement: String,
    /// Most jobs over the agreement's life
    #[arg(long, value_name = "COUNT", group = "held")]
    pub(crate) runs_max: Option<u64>,
    /// Most rows asked about over the agreement's life
    #[arg(long, value_name = "COUNT", group = "held")]
    pub(crate) rows_total_max: Option<u64>,
    /// Most rows of either table in a job
    #[arg(long, value_name = "COUNT", group = "held")]
    pub(crate) rows_max: Option<u64>,
    /// Fewest matched keys for a result to be handed over
    #[arg(long, value_name = "COUNT", group = "held")]
    pub(crate) intersection_min: Option<u64>,
    /// A result that is not given at present; may be given several times
    #[arg(long, value_name = "PROTOCOL:RESULT", group = "held")]
    pub(crate) forbid: Vec<String>,
    /// Hold nothing back any longer
    #[arg(long, group = "held", conflicts_with_all = ["runs_max", "rows_total_max", "rows_max", "intersection_min", "forbid"])]
    pub(crate) clear: bool,
}

/// `symbolon agreement suspend|resume|revoke`
#[derive(Debug, clap::Args)]
pub(crate) struct NoticeArgs {
    /// The id or title of a stored agreement
    pub(crate) agreement: String,
    /// Why, as one word of letters, digits and hyphens; the partner reads it
    #[arg(long, value_name = "WORD")]
    pub(crate) reason: Option<String>,
}

/// Where the passphrase of a person's key is found.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct ApproverPassphraseArgs {
    /// The file with the key's passphrase [default: SYMBOLON_APPROVER_PASSPHRASE_FILE or _FD, else ask]
    #[arg(long, value_name = "FILE", conflicts_with = "passphrase_credential")]
    pub(crate) passphrase_file: Option<PathBuf>,
    /// The key's passphrase is the systemd credential symbolon.approver-passphrase
    #[arg(long)]
    pub(crate) passphrase_credential: bool,
}

/// `symbolon approver ...`
#[derive(Debug, Subcommand)]
pub(crate) enum ApproverCommand {
    /// Make a person's key and print what a draft lists
    #[command(after_help = "\
Examples:
  symbolon approver new \"Ada Lund\" -o ada.key
  symbolon approver new \"Ada Lund\" -o ada.key --passphrase-file ada.passphrase

The person keeps the file; whoever drafts the agreement gets the printed line for --approver. The key in the file is
sealed under a passphrase only the person knows.")]
    New {
        /// The person's name, as agreements will list it
        name: String,
        /// Where to write the key
        #[arg(long, short, value_name = "FILE")]
        output: PathBuf,
        #[command(flatten)]
        passphrase: ApproverPassphraseArgs,
        /// No passphrase: whoever can read the file can approve
        #[arg(long, conflicts_with_all = ["passphrase_file", "passphrase_credential"])]
        plain: bool,
    },
    /// Change the passphrase of a person's key, or give it one
    #[command(after_help = "\
Examples:
  symbolon approver passphrase ada.key
  SYMBOLON_NEW_APPROVER_PASSPHRASE_FILE=new symbolon approver passphrase ada.key --passphrase-file old

The key stays the same, and so does what agreements list.")]
    Passphrase {
        /// The person's key
        #[arg(value_name = "FILE")]
        key: PathBuf,
        #[command(flatten)]
        passphrase: ApproverPassphraseArgs,
    },
}

/// `symbolon agreement draft`
#[derive(Debug, clap::Args)]
pub(crate) struct DraftArgs {
    /// Start from this template: match, enrich or count
    #[arg(long, value_name = "NAME")]
    pub(crate) template: Option<String>,
    /// The partner
    #[arg(long)]
    pub(crate) peer: String,
    /// This institution's table
    #[arg(long)]
    pub(crate) table: String,
    /// The partner's table description (`symbolon table show NAME --card` over there)
    #[arg(long, value_name = "FILE")]
    pub(crate) peer_table: PathBuf,
    /// A short title
    #[arg(long)]
    pub(crate) title: String,
    /// Why the data is joined; a template leaves it to be filled in
    #[arg(long, required_unless_present = "template")]
    pub(crate) purpose: Option<String>,
    /// What may be run, and who gets the result
    #[arg(long, value_name = "PROTOCOL:RESULT:TO", required_unless_present = "template")]
    pub(crate) allow: Vec<String>,
    /// Columns of the partner's table that come to us with matched rows
    #[arg(long, value_name = "COLUMNS", value_delimiter = ',')]
    pub(crate) get: Vec<String>,
    /// Columns of our table that go to the partner with matched rows
    #[arg(long, value_name = "COLUMNS", value_delimiter = ',')]
    pub(crate) give: Vec<String>,
    /// The largest number of bytes a text column may have, where 64 does not fit
    #[arg(long, value_name = "COLUMN=BYTES", value_parser = super::table::pair)]
    pub(crate) bytes: Vec<(String, String)>,
    /// Fewest rows of our table and of the partner's for a job to run
    #[arg(long)]
    pub(crate) rows_min: Option<u64>,
    /// Most rows of our table and of the partner's [default: set from their present sizes]
    #[arg(long)]
    pub(crate) rows_max: Option<u64>,
    /// Most rows asked about in all jobs together [default: every run with the most rows]
    #[arg(long)]
    pub(crate) rows_total: Option<u64>,
    /// Fewest matched keys for a result to be handed over [default: 0, or the template's]
    #[arg(long)]
    pub(crate) matched_min: Option<u64>,
    /// How many jobs may run [default: 1, or the template's]
    #[arg(long)]
    pub(crate) runs: Option<u64>,
    /// Days it is in force [default: 90, or the template's]
    #[arg(long)]
    pub(crate) days: Option<u32>,
    #[command(flatten)]
    pub(crate) optional: OptionalArgs,
    /// In force from this moment (RFC 3339) [default: now]
    #[arg(long, value_name = "TIME")]
    pub(crate) from: Option<String>,
    /// Write the draft here [default: standard output]
    #[arg(long, short, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
}

/// The terms of a draft an agreement can do without.
#[derive(Debug, clap::Args)]
pub(crate) struct OptionalArgs {
    /// A person of ours who may approve, with the key `approver new` printed; may be given several times
    #[arg(long, value_name = "NAME=KEY")]
    pub(crate) approver: Vec<String>,
    /// How many of ours have to approve before we sign [default: all, or the template's]
    #[arg(long, value_name = "COUNT")]
    pub(crate) approvals: Option<u64>,
    /// A person of the partner's who may approve; may be given several times
    #[arg(long, value_name = "NAME=KEY")]
    pub(crate) peer_approver: Vec<String>,
    /// How many of the partner's have to approve before it signs [default: all, or the template's]
    #[arg(long, value_name = "COUNT")]
    pub(crate) peer_approvals: Option<u64>,
    /// The id of the earlier version whose place this one takes
    #[arg(long, value_name = "ID")]
    pub(crate) replaces: Option<String>,
    /// The period of --period-runs and --period-rows: day, week or month
    #[arg(long)]
    pub(crate) period: Option<String>,
    /// Most jobs in a period
    #[arg(long, value_name = "COUNT")]
    pub(crate) period_runs: Option<u64>,
    /// Most rows asked about in a period
    #[arg(long, value_name = "COUNT")]
    pub(crate) period_rows: Option<u64>,
    /// Most different states of its table that each party brings
    #[arg(long, value_name = "COUNT")]
    pub(crate) snapshots: Option<u64>,
    /// Most lookups of single records
    #[arg(long, value_name = "COUNT")]
    pub(crate) lookups: Option<u64>,
    /// Most privacy loss of all results given with noise, such as 0.5
    #[arg(long, value_name = "DECIMAL")]
    pub(crate) epsilon: Option<String>,
    /// What the owner of released columns learns when it holds the minimum of matched keys itself: bit (the default
    /// with --matched-min and enrich), count, or none when the receiver's own node shall check it
    #[arg(long, value_name = "WORD")]
    pub(crate) release: Option<String>,
    /// Whether protocols are acceptable that protect only from a party that follows them: accepted or refused
    #[arg(long, value_name = "WORD")]
    pub(crate) semi_honest: Option<String>,
    /// The receipt both sign may say how many keys matched
    #[arg(long)]
    pub(crate) receipt_count: bool,
}
