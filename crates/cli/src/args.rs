//! The command line: every command, its arguments and its help with examples.

mod agreement;
mod audit;
mod budget;
mod job;
mod key;
mod policy;
mod protocol;
mod table;

use std::path::PathBuf;

use clap::{Parser, Subcommand};

pub(crate) use self::agreement::{
    AgreementCommand, ApproverCommand, ApproverPassphraseArgs, DraftArgs, NoticeArgs, OptionalArgs, TightenArgs,
};
pub(crate) use self::audit::{AuditCommand, VerifyArgs};
pub(crate) use self::budget::{AlertCommand, BudgetArgs};
pub(crate) use self::job::{CountArgs, JobCommand, JoinArgs, RequestArgs, ResultCommand};
pub(crate) use self::key::{KeyCommand, KeyKindArg, ProtectionArgs, ProtectionKind, RotateKeyArgs};
pub(crate) use self::policy::{ExplainArgs, Phase, PolicyCommand};
pub(crate) use self::protocol::{ProtocolCommand, RunArgs};
pub(crate) use self::table::{AddTableArgs, TableCommand};
use crate::exit;

const ABOUT: &str = "Private joins between two institutions: each runs a node, neither shows its table.";

const EXAMPLES: &str = "\
The way to a first join (each institution on its own machine):
  symbolon init --name \"First Bank\" --endpoint node.bank.example:7443
  symbolon table add customers customers.csv --key ssn=us_ssn
  symbolon peer card -o bank.card.toml            # send it to the partner, who sends theirs
  symbolon peer add bureau bureau.card.toml
  symbolon agreement draft ... -o join.toml       # see: symbolon agreement draft --help
  symbolon agreement sign join.toml
  symbolon agreement accept join.toml             # once both signatures are in it
  symbolon serve &
  symbolon join --agreement \"Overdraft check\"

Home directory: --home, else SYMBOLON_HOME, else .symbolon in your home directory.";

/// The whole command line.
#[derive(Debug, Parser)]
#[command(name = "symbolon", version, about = ABOUT, max_term_width = 100)]
#[command(after_help = after_help())]
pub(crate) struct Args {
    /// The node's home directory: keys, state and results [default: ~/.symbolon]
    #[arg(
        long,
        global = true,
        help_heading = "Options of every command",
        env = "SYMBOLON_HOME",
        hide_env_values = true,
        value_name = "DIR"
    )]
    pub(crate) home: Option<PathBuf>,
    /// Print one JSON document on standard output, errors too
    #[arg(long, global = true, help_heading = "Options of every command")]
    pub(crate) json: bool,
    /// Print no progress, notes or closing text; errors stay
    #[arg(long, short, global = true, help_heading = "Options of every command")]
    pub(crate) quiet: bool,
    #[command(subcommand)]
    pub(crate) command: Command,
}

fn after_help() -> String {
    format!("{EXAMPLES}\n\n{}", exit::TABLE)
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make a node's home: keys, certificate, configuration, state
    Init(InitArgs),
    /// Register and inspect this institution's tables
    #[command(subcommand)]
    Table(TableCommand),
    /// Tell what the protocols give away, against whom they hold and what they cost
    #[command(subcommand)]
    Protocol(ProtocolCommand),
    /// Exchange identities with partners
    #[command(subcommand)]
    Peer(PeerCommand),
    /// Draft, read, sign and accept agreements; suspend, resume and revoke them
    #[command(subcommand)]
    Agreement(AgreementCommand),
    /// Make keys of persons who approve agreements before the institution signs
    #[command(subcommand)]
    Approver(ApproverCommand),
    /// Run the node until it is told to stop
    Serve(ServeArgs),
    /// Join with a partner's table under an agreement, and wait for the result
    Join(JoinArgs),
    /// Learn only how many keys both tables share
    Count(CountArgs),
    /// Look after jobs
    #[command(subcommand)]
    Job(JobCommand),
    /// Show what agreements allow, what is spent and what is left
    Budget(BudgetArgs),
    /// Look into signs of probing for single records
    #[command(subcommand)]
    Alert(AlertCommand),
    /// Look at results
    #[command(subcommand)]
    Result(ResultCommand),
    /// Check, list and explain the policies of this house
    #[command(subcommand)]
    Policy(PolicyCommand),
    /// Look after the private keys
    #[command(subcommand)]
    Key(KeyCommand),
    /// Read, verify and export the evidence of what happened
    #[command(subcommand)]
    Audit(AuditCommand),
    /// Encrypt a file to a partner and sign it
    Encrypt(EncryptArgs),
    /// Check and decrypt a file from a partner
    Decrypt(DecryptArgs),
    /// Check this node and the way to its partners, and say what to repair
    Doctor(DoctorArgs),
    /// Print shell completions
    Completions(CompletionsArgs),
}

/// `symbolon init`
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  symbolon init --name \"First Bank\" --endpoint node.bank.example:7443 --listen 0.0.0.0:7443
  symbolon init --name \"First Bank\" --endpoint node.bank.example:7443 --protect passphrase
  symbolon init --name \"First Bank\" --endpoint node.bank.example:7443 --protect pkcs11 \\
      --module /usr/lib/softhsm/libsofthsm2.so --token symbolon

Nothing is overwritten: a home that exists already is an error.")]
pub(crate) struct InitArgs {
    /// The institution's name, as agreements will show it
    #[arg(long)]
    pub(crate) name: String,
    /// Where partners reach this node; goes into the card
    #[arg(long, value_name = "HOST:PORT", value_parser = host_port)]
    pub(crate) endpoint: String,
    /// Where this node listens [default: every interface, the endpoint's port]
    #[arg(long, value_name = "ADDR:PORT", value_parser = host_port)]
    pub(crate) listen: Option<String>,
    /// How the private keys are protected
    #[arg(long, value_enum, default_value = "plain", value_name = "HOW")]
    pub(crate) protect: ProtectionKind,
    #[command(flatten)]
    pub(crate) needs: ProtectionArgs,
}

/// `symbolon peer ...`
#[derive(Debug, Subcommand)]
pub(crate) enum PeerCommand {
    /// Print this institution's card, to be given to partners
    #[command(after_help = "\
Example:
  symbolon peer card -o bank.card.toml

A card holds public keys only. Tell the partner its fingerprint by another way (telephone, paper).")]
    Card {
        /// Write the card to a file
        #[arg(long, short, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// Add a partner from its card, after its fingerprint has been compared
    #[command(after_help = "\
Examples:
  symbolon peer add bureau bureau.card.toml
  symbolon peer add bureau bureau.card.toml --fingerprint \"0a1b 2c3d ...\"
  symbolon peer add bureau bureau.card.toml --fingerprint \"legal winner thank year ...\"
  symbolon peer add bureau bureau.card.toml --endpoint 10.0.0.7:7443 --replace")]
    Add(AddPeerArgs),
    /// Withdraw a partner's keys here: its connections are closed, its jobs end
    #[command(after_help = "\
Examples:
  symbolon peer revoke bureau                       # everything of this partner
  symbolon peer revoke bureau --key sha256:q0w1b2c3 # one key")]
    Revoke {
        /// The partner's name
        name: String,
        /// Enough of the public part of one key
        #[arg(long)]
        key: Option<String>,
    },
    /// Forget a partner; agreements and withdrawn keys stay
    Remove {
        /// The partner's name
        name: String,
    },
    /// List the partners
    List,
}

/// `symbolon peer add`
#[derive(Debug, clap::Args)]
pub(crate) struct AddPeerArgs {
    /// A short name for the partner, used on this command line only
    pub(crate) name: String,
    /// The partner's card file
    pub(crate) card: PathBuf,
    /// The fingerprint as the partner told it, digits or words; a different card is refused
    #[arg(long, value_name = "FINGERPRINT")]
    pub(crate) fingerprint: Option<String>,
    /// Do not ask for confirmation
    #[arg(long, short)]
    pub(crate) yes: bool,
    /// Reach the partner here instead of at the card's endpoint
    #[arg(long, value_name = "HOST:PORT", value_parser = host_port)]
    pub(crate) endpoint: Option<String>,
    /// Replace the card known under this name
    #[arg(long)]
    pub(crate) replace: bool,
}

/// `symbolon serve`
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  symbolon serve
  symbolon serve --listen 127.0.0.1:0     # any free port; read it from <home>/serve.addr

SIGTERM or Ctrl-C stops it: running jobs get time to end, then they fail on both sides and can be started again.
The address in use is printed and, while the node runs, stands in <home>/serve.addr.")]
pub(crate) struct ServeArgs {
    /// Listen here instead of where node.toml says
    #[arg(long, value_name = "ADDR:PORT", value_parser = host_port)]
    pub(crate) listen: Option<String>,
}

/// `symbolon encrypt`
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  symbolon encrypt report.pdf --to bureau -o report.pdf.sealed

Only the partner can open the file, and sees that this institution made it.")]
pub(crate) struct EncryptArgs {
    /// The file to encrypt
    pub(crate) file: PathBuf,
    /// The partner's name
    #[arg(long, value_name = "PEER")]
    pub(crate) to: String,
    /// Write the encrypted file here
    #[arg(long, short, value_name = "FILE")]
    pub(crate) output: PathBuf,
    /// Overwrite the output file
    #[arg(long)]
    pub(crate) force: bool,
}

/// `symbolon decrypt`
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  symbolon decrypt report.pdf.sealed --from bank -o report.pdf

The output file appears only after the whole content has been checked.")]
pub(crate) struct DecryptArgs {
    /// The encrypted file
    pub(crate) file: PathBuf,
    /// The partner it must come from
    #[arg(long, value_name = "PEER")]
    pub(crate) from: String,
    /// Write the content here
    #[arg(long, short, value_name = "FILE")]
    pub(crate) output: PathBuf,
    /// Overwrite the output file
    #[arg(long)]
    pub(crate) force: bool,
}

/// `symbolon doctor`
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  symbolon doctor
  symbolon doctor --peer bureau --probe-mib 64
  symbolon doctor --offline

Exit code 0 when nothing failed (warnings included), otherwise the code of the first check that failed.")]
pub(crate) struct DoctorArgs {
    /// Check the way to this partner only
    #[arg(long)]
    pub(crate) peer: Option<String>,
    /// Connect to no partner
    #[arg(long, conflicts_with = "peer")]
    pub(crate) offline: bool,
    /// Mebibytes sent each way to measure the bandwidth
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub(crate) probe_mib: u32,
}

/// `symbolon completions`
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  symbolon completions bash > ~/.local/share/bash-completion/completions/symbolon
  symbolon completions zsh > ~/.zfunc/_symbolon")]
pub(crate) struct CompletionsArgs {
    /// The shell
    pub(crate) shell: clap_complete::Shell,
}

/// Accepts `host:port`, `[v6]:port`.
pub(crate) fn host_port(text: &str) -> Result<String, String> {
    let Some((host, port)) = text.rsplit_once(':') else {
        return Err("a port is missing: write HOST:PORT".to_owned());
    };
    if host.is_empty() {
        return Err("the host is missing: write HOST:PORT".to_owned());
    }
    if host.contains(':') && !(host.starts_with('[') && host.ends_with(']')) {
        return Err("write an IPv6 address in brackets, as in [::1]:7443".to_owned());
    }
    port.parse::<u16>().map_err(|_| "the port is a number from 0 to 65535".to_owned())?;
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Args::command().debug_assert();
    }

    #[test]
    fn endpoints_have_host_and_port() {
        for good in ["localhost:1", "10.0.0.1:7443", "[::1]:7443"] {
            assert_eq!(host_port(good).as_deref(), Ok(good));
        }
        for bad in ["localhost", ":7443", "::1:7443", "host:port", "host:70000"] {
            assert!(host_port(bad).is_err(), "{bad}");
        }
    }
}
