//! `symbolon key ...` and how `init` protects keys

use std::path::PathBuf;

use clap::{Subcommand, ValueEnum};

/// How keys are protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ProtectionKind {
    /// By file permissions alone
    Plain,
    /// By a passphrase: asked for, or named by SYMBOLON_PASSPHRASE_FILE or SYMBOLON_PASSPHRASE_FD
    Passphrase,
    /// By the systemd credential symbolon.passphrase
    Credential,
    /// By a passphrase in a file only its owner may read
    File,
    /// In a token (HSM) over PKCS#11
    Pkcs11,
}

/// What a protection needs.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct ProtectionArgs {
    /// For `file`: the file with the passphrase, read at every start
    #[arg(long, value_name = "FILE")]
    pub(crate) passphrase_file: Option<PathBuf>,
    /// For `pkcs11`: the module, a shared library
    #[arg(long, value_name = "FILE")]
    pub(crate) module: Option<PathBuf>,
    /// For `pkcs11`: the token's label
    #[arg(long, value_name = "LABEL")]
    pub(crate) token: Option<String>,
    /// For `pkcs11`: what the labels of the keys begin with [default: symbolon]
    #[arg(long, value_name = "LABEL")]
    pub(crate) key_label: Option<String>,
    /// For `pkcs11`: a file with the PIN, read at every start [default: ask for the PIN]
    #[arg(long, value_name = "FILE", conflicts_with = "pin_credential")]
    pub(crate) pin_file: Option<PathBuf>,
    /// For `pkcs11`: the PIN is the systemd credential symbolon.passphrase
    #[arg(long)]
    pub(crate) pin_credential: bool,
}

/// `symbolon key ...`
#[derive(Debug, Subcommand)]
pub(crate) enum KeyCommand {
    /// Say how the private keys are protected
    Show,
    /// Protect the private keys in another way
    #[command(after_help = "\
Examples:
  symbolon key protect passphrase
  symbolon key protect file --passphrase-file /run/secrets/symbolon
  symbolon key protect credential      # LoadCredentialEncrypted=symbolon.passphrase:FILE in the unit
  symbolon key protect pkcs11 --module /usr/lib/softhsm/libsofthsm2.so --token symbolon

The keys stay the same; what opened them before opens them no more. With `pkcs11` a key in the token seals the
others; only `init --protect pkcs11` makes organisation and TLS key inside the token. A running node goes on and
needs the new protection at its next start. Copies made while the keys were plain stay readable.")]
    Protect {
        /// The protection
        #[arg(value_enum, hide_possible_values = false)]
        protection: ProtectionKind,
        #[command(flatten)]
        needs: ProtectionArgs,
    },
    /// Change the passphrase of the private keys
    #[command(after_help = "\
Examples:
  symbolon key passphrase
  SYMBOLON_PASSPHRASE_FILE=old SYMBOLON_NEW_PASSPHRASE_FILE=new symbolon key passphrase")]
    Passphrase,
    /// List this node's keys: those in force, and former ones that still count
    List,
    /// Put a new key in the place of the one in force
    #[command(after_help = "\
Examples:
  symbolon key rotate tls
  symbolon key rotate organisation --overlap 30
  symbolon key rotate tls --now               # the former key counts no more: it may have been seen

A running node takes the new key up by itself; running jobs go on. Partners get the new card at once, or when they are
next reached; until then the former key is shown to them, as long as it counts. With --now a partner that cannot be
reached has to be given the card by hand.")]
    Rotate(RotateKeyArgs),
    /// List every key this node ever had
    History,
    /// Withdraw a former key: nobody shall accept it any more
    #[command(after_help = "\
Example:
  symbolon key revoke sha256:q0w1b2c3

The key in force is replaced first: symbolon key rotate tls --now")]
    Revoke {
        /// The public part of the key, or enough of it
        key: String,
    },
}

/// `symbolon key rotate`
#[derive(Debug, clap::Args)]
pub(crate) struct RotateKeyArgs {
    /// Which key
    pub(crate) kind: KeyKindArg,
    /// Days for which the former key counts beside the new one
    #[arg(long, value_name = "DAYS", default_value_t = 14, value_parser = clap::value_parser!(u32).range(0..=366))]
    pub(crate) overlap: u32,
    /// The former key counts no more from now on
    #[arg(long, conflicts_with = "overlap")]
    pub(crate) now: bool,
}

/// A kind of key.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum KeyKindArg {
    /// Key and certificate of the peer port
    Tls,
    /// The key that signs for the institution
    Organisation,
    /// The key that opens sealed files
    Sealing,
}
