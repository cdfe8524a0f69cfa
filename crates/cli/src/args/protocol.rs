//! `symbolon protocol ...`

use clap::Subcommand;

/// `symbolon protocol ...`
#[derive(Debug, Subcommand)]
pub(crate) enum ProtocolCommand {
    /// List the protocols, against whom they hold, and what a run costs on the network
    #[command(after_help = "\
Example:
  symbolon protocol list --rows 1000000

Needs no home.")]
    List(RunArgs),
    /// Show what each side learns by a protocol, what it does not promise, and its parameters
    #[command(after_help = "\
Examples:
  symbolon protocol show ecdh-oprf
  symbolon protocol show rr22-silent --rows 1000000 --peer-rows 250000 --json

Needs no home.")]
    Show {
        /// The protocol's name
        protocol: String,
        #[command(flatten)]
        run: RunArgs,
    },
}

/// The run that is described.
#[derive(Debug, clap::Args)]
pub(crate) struct RunArgs {
    /// Rows of the side that gets the result
    #[arg(long, value_name = "COUNT", default_value_t = 1_000_000)]
    pub(crate) rows: u64,
    /// Rows of the other side [default: as many]
    #[arg(long, value_name = "COUNT")]
    pub(crate) peer_rows: Option<u64>,
    /// Bytes of the columns that come with a matched row
    #[arg(long, value_name = "BYTES", default_value_t = 0)]
    pub(crate) payload: u32,
}
