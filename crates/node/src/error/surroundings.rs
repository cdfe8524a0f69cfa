//! What can be wrong around a node: configuration, keys, disk, database, sockets.

use std::io;
use std::path::PathBuf;

use symbolon_policy::cedar::LoadError;
use thiserror::Error;

/// What is wrong in the configuration.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file is not the expected TOML.
    #[error("node.toml cannot be read as configuration\n{source}")]
    Syntax {
        /// Where and why.
        source: toml::de::Error,
    },
    /// A value is outside its range.
    #[error("{key} in node.toml must be {expected}")]
    Value {
        /// The key.
        key: &'static str,
        /// The values allowed.
        expected: &'static str,
    },
    /// An environment variable is wrong.
    #[error("environment variable {name} must be {expected}")]
    Variable {
        /// The variable.
        name: &'static str,
        /// The values allowed.
        expected: &'static str,
    },
    /// The home directory holds no node.
    #[error("{} holds no node", home.display())]
    NoHome {
        /// The directory looked at.
        home: PathBuf,
    },
    /// The home directory already holds a node.
    #[error("{} already holds a node and was left as it is", home.display())]
    HomeExists {
        /// The directory looked at.
        home: PathBuf,
    },
    /// The files of policies cannot be used.
    #[error("policies/{failure}")]
    Policies {
        /// What is wrong in which line.
        failure: LoadError,
    },
    /// Another process serves this home.
    #[error("another symbolon process serves {}", home.display())]
    HomeInUse {
        /// The home.
        home: PathBuf,
    },
}

/// What is wrong with a key file.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum KeysError {
    /// Group or others may read the file.
    #[error("{} may be read by others than its owner", path.display())]
    Exposed {
        /// The file.
        path: PathBuf,
    },
    /// The file is not a key of the expected kind.
    #[error("{} holds no {expected}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// The content expected.
        expected: &'static str,
    },
    /// The certificate does not belong to the key.
    #[error("keys/tls.crt does not belong to keys/tls.key")]
    Mismatch,
    /// The keys are protected and nothing to open them with was given.
    #[error("the private keys are protected by a passphrase or PIN, and none was given")]
    Locked,
    /// The keys do not open.
    #[error("the private keys do not open: the passphrase is wrong, or keys/at-rest.key was changed")]
    WrongPassphrase,
    /// A new passphrase is too short.
    #[error("the passphrase has fewer than {min} bytes")]
    PassphraseShort {
        /// The fewest allowed.
        min: usize,
    },
    /// A new passphrase is wanted and none was given.
    #[error("a new passphrase is needed, and none was given")]
    NoNewPassphrase,
    /// Whoever was asked for the passphrase broke off.
    #[error("no passphrase was given: the question was broken off")]
    BrokenOff,
    /// systemd gave no credential.
    #[error("systemd gave this process no credential {name:?}")]
    NoCredential {
        /// Its name.
        name: &'static str,
    },
    /// The key of a person is protected and nothing to open it with was given.
    #[error("the approver's key is protected by a passphrase, and none was given")]
    ApproverLocked,
    /// The key of a person does not open.
    #[error("the approver's key does not open: the passphrase is wrong, or its file was changed")]
    ApproverPassphrase,
    /// A private key lies open in a home whose keys are protected.
    #[error("{} is not sealed, yet the keys of this home are protected", path.display())]
    Unprotected {
        /// The file.
        path: PathBuf,
    },
    /// The key of a job does not open.
    #[error("the key of this job is not one of this home, or was changed")]
    JobKey,
    /// The token fails.
    #[error("the token {what}")]
    Token {
        /// What it does.
        what: &'static str,
    },
    /// The token refuses the PIN.
    #[error("the token refuses the PIN")]
    PinRefused,
    /// A certificate cannot be made from the names given.
    #[error("no certificate can be made for these names")]
    Certificate,
    /// The history of keys cannot be written.
    #[error("the history of keys cannot be written")]
    History,
    /// Another process changes the keys.
    #[error("another process is changing the keys")]
    Changing,
    /// The key is the one in force.
    #[error("the key in force cannot be withdrawn")]
    InForce,
    /// A list of withdrawn certificates is not one.
    #[error("{} holds no list of withdrawn certificates (CRL) in PEM or DER", path.display())]
    Crl {
        /// The file.
        path: PathBuf,
    },
}

/// What was done with a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum FileAction {
    /// Reading it.
    Read,
    /// Writing it.
    Write,
    /// Creating it.
    Create,
    /// Removing it.
    Remove,
}

impl std::fmt::Display for FileAction {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Read => "read",
            Self::Write => "written",
            Self::Create => "created",
            Self::Remove => "removed",
        })
    }
}

/// What failed around the node.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Environment {
    /// The disk is full.
    #[error("no space left for {}", path.display())]
    DiskFull {
        /// The file that was written.
        path: PathBuf,
    },
    /// A file operation failed.
    #[error("{} cannot be {action} ({source})", path.display())]
    File {
        /// What was done.
        action: FileAction,
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// A file that should be text is not.
    #[error("{} is not UTF-8 text", path.display())]
    NotText {
        /// The file.
        path: PathBuf,
    },
    /// The database failed.
    #[error("the state database failed ({source})")]
    Database {
        /// The cause.
        source: sqlx::Error,
    },
    /// The database could not be brought to the present form.
    #[error("state.db cannot be brought to this release's form")]
    Migration {
        /// The cause.
        source: sqlx::migrate::MigrateError,
    },
    /// A row of the database is not what this release wrote.
    #[error("state.db holds a malformed {what}")]
    Corrupt {
        /// The column or record.
        what: &'static str,
    },
    /// The file of a result is not the one that was written.
    #[error("{} is not the file that was written for this job", path.display())]
    ResultChanged {
        /// The file.
        path: PathBuf,
    },
    /// The system gave no randomness.
    #[error("the system gives no randomness")]
    Entropy,
    /// A socket could not be set up.
    #[error("{what} cannot listen ({source})")]
    Listen {
        /// Which socket.
        what: &'static str,
        /// The cause.
        source: io::Error,
    },
    /// TLS could not be set up from the node's own keys.
    #[error("TLS cannot be set up from keys/tls.key and keys/tls.crt")]
    Tls,
    /// A worker ended without an answer.
    #[error("a worker of the node stopped unexpectedly")]
    Worker,
}

impl ConfigError {
    pub(super) const fn reason(&self) -> &'static str {
        match self {
            Self::Syntax { .. } => "CONFIG_SYNTAX",
            Self::Value { .. } => "CONFIG_VALUE",
            Self::Variable { .. } => "CONFIG_VARIABLE",
            Self::NoHome { .. } => "NO_HOME",
            Self::HomeExists { .. } => "HOME_EXISTS",
            Self::HomeInUse { .. } => "HOME_IN_USE",
            Self::Policies { .. } => "POLICIES_UNUSABLE",
        }
    }
}

impl KeysError {
    pub(super) const fn reason(&self) -> &'static str {
        match self {
            Self::Exposed { .. } => "KEY_EXPOSED",
            Self::Malformed { .. } => "KEY_MALFORMED",
            Self::Mismatch => "KEY_MISMATCH",
            Self::Certificate => "CERTIFICATE_NAMES",
            Self::History => "KEY_HISTORY",
            Self::Changing => "KEYS_CHANGING",
            Self::InForce => "KEY_IN_FORCE",
            Self::Crl { .. } => "CRL_MALFORMED",
            Self::Locked => "KEYS_LOCKED",
            Self::WrongPassphrase => "PASSPHRASE_WRONG",
            Self::PassphraseShort { .. } => "PASSPHRASE_SHORT",
            Self::NoNewPassphrase => "PASSPHRASE_MISSING",
            Self::NoCredential { .. } => "CREDENTIAL_MISSING",
            Self::BrokenOff => "PASSPHRASE_BROKEN_OFF",
            Self::ApproverLocked => "APPROVER_KEY_LOCKED",
            Self::ApproverPassphrase => "APPROVER_PASSPHRASE_WRONG",
            Self::Unprotected { .. } => "KEY_UNPROTECTED",
            Self::JobKey => "JOB_KEY_FOREIGN",
            Self::Token { .. } => "TOKEN_FAILED",
            Self::PinRefused => "PIN_REFUSED",
        }
    }
}

impl Environment {
    pub(super) const fn reason(&self) -> &'static str {
        match self {
            Self::DiskFull { .. } => "DISK_FULL",
            Self::File { .. } => "FILE_FAILED",
            Self::NotText { .. } => "NOT_TEXT",
            Self::Database { .. } => "DATABASE_FAILED",
            Self::Migration { .. } => "DATABASE_VERSION",
            Self::Corrupt { .. } => "DATABASE_CORRUPT",
            Self::ResultChanged { .. } => "RESULT_CHANGED",
            Self::Entropy => "NO_RANDOMNESS",
            Self::Listen { .. } => "LISTEN_FAILED",
            Self::Tls => "TLS_SETUP",
            Self::Worker => "WORKER_STOPPED",
        }
    }
}
