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
}
