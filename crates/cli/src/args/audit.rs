//! `symbolon audit ...`

use std::path::PathBuf;

use clap::Subcommand;

/// `symbolon audit ...`
#[derive(Debug, Subcommand)]
pub(crate) enum AuditCommand {
    /// List the entries of the evidence log, the newest last
    #[command(after_help = "\
Examples:
  symbolon audit log
  symbolon audit log --kind job_ended --limit 50")]
    Log {
        /// At most so many, counted from the end
        #[arg(long, default_value_t = 20)]
        limit: u64,
        /// Only entries of this kind
        #[arg(long, value_name = "KIND")]
        kind: Option<String>,
    },
    /// Show one entry of the evidence log
    #[command(after_help = "\
Example:
  symbolon audit show 17")]
    Show {
        /// The entry's position, as `audit log` shows it
        position: u64,
    },
    /// Print a signed checkpoint of the evidence log
    #[command(after_help = "\
Example:
  symbolon audit checkpoint > today.checkpoint

A C2SP signed note: the log's name, its entries, the root of its Merkle tree, and this institution's signature.")]
    Checkpoint,
    /// Check evidence: this node's own, or exported files, without a network
    #[command(after_help = "\
Examples:
  symbolon audit verify                                  # this node's own log, checkpoints and receipts
  symbolon audit verify export/                          # an export, from its files alone
  symbolon audit verify export/ --key ed25519:...        # and that it is the log of this institution
  symbolon audit verify bank/ --against bureau/          # both parties' exports: finds a fork
  symbolon audit verify new/ --against old/              # two exports of one log: the later continues the earlier

Exit code 0 when every check passed, 6 when one failed.")]
    Verify(VerifyArgs),
    /// Write log, checkpoints, receipts, public keys and a readable report to a directory
    #[command(after_help = "\
Example:
  symbolon audit export evidence-2026-11

The directory must not exist or be empty. It holds no table, no identifier and no private key; report.html is the
report for people and prints well.")]
    Export {
        /// The directory to write
        directory: PathBuf,
    },
}

/// `symbolon audit verify`
#[derive(Debug, clap::Args)]
pub(crate) struct VerifyArgs {
    /// An export [default: this node's own evidence]
    pub(crate) export: Option<PathBuf>,
    /// The other party's export, or another one of the same log
    #[arg(long, value_name = "EXPORT", requires = "export")]
    pub(crate) against: Option<PathBuf>,
    /// The organisation key the log must belong to, as the institution's card has it
    #[arg(long, value_name = "KEY", requires = "export")]
    pub(crate) key: Option<String>,
}
