//! `[keys]` in `node.toml`: how the keys are protected.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::passphrase::PassphraseSource;
use crate::error::ConfigError;

/// How the key-encryption key of a home is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
#[expect(clippy::exhaustive_enums, reason = "a further protection must be handled everywhere")]
pub enum Protection {
    /// By the permissions of its file alone.
    #[default]
    Plain,
    /// By a passphrase that is asked for, or named by a variable.
    Passphrase,
    /// By a passphrase that systemd hands over as a credential.
    Credential,
    /// By a passphrase in a file.
    File,
    /// By a key in a token.
    Pkcs11,
}

impl Protection {
    /// The word that stands for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Passphrase => "passphrase",
            Self::Credential => "credential",
            Self::File => "file",
            Self::Pkcs11 => "pkcs11",
        }
    }
}

/// `[keys]`, checked.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct KeySettings {
    /// How the keys are protected.
    pub protection: Protection,
    /// Where the passphrase is found.
    pub passphrase: PassphraseSource,
    /// The token, for `pkcs11`.
    pub pkcs11: Option<Pkcs11Settings>,
}

/// `[keys.pkcs11]`, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Pkcs11Settings {
    /// The PKCS#11 module, a shared library.
    pub module: PathBuf,
    /// The token's label.
    pub token: String,
    /// What the labels of the keys in the token begin with.
    pub label: String,
    /// Where the PIN is found.
    pub pin: PassphraseSource,
}

impl Pkcs11Settings {
    /// A token by its module and label; the PIN is asked for.
    #[must_use]
    pub fn new(module: PathBuf, token: String) -> Self {
        Self { module, token, label: default_label(), pin: PassphraseSource::Ask }
    }
}

#[derive(Debug, Clone, Deserialize, Serialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct RawKeys {
    protection: Protection,
    #[serde(skip_serializing_if = "Option::is_none")]
    passphrase_file: Option<PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pkcs11: Option<RawPkcs11>,
}

#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct RawPkcs11 {
    module: PathBuf,
    token: String,
    #[serde(default = "default_label")]
    label: String,
    #[serde(default)]
    pin: RawPin,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pin_file: Option<PathBuf>,
}

/// Where the PIN is found.
#[derive(Debug, Clone, Copy, Deserialize, Serialize, Default)]
#[serde(rename_all = "lowercase")]
enum RawPin {
    #[default]
    Ask,
    Credential,
    File,
}

fn default_label() -> String {
    "symbolon".to_owned()
}

impl RawKeys {
    pub(crate) fn check(self, home: &Path) -> Result<KeySettings, ConfigError> {
        let passphrase = match (self.protection, self.passphrase_file) {
            (Protection::File, Some(path)) => PassphraseSource::File(home.join(path)),
            (Protection::File, None) => {
                let expected = "the path of the file with the passphrase, for protection = \"file\"";
                return Err(ConfigError::Value { key: "keys.passphrase_file", expected });
            }
            (Protection::Credential, _) => PassphraseSource::Credential,
            _ => PassphraseSource::Ask,
        };
        let pkcs11 = match (self.protection, self.pkcs11) {
            (Protection::Pkcs11, None) => {
                let expected = "module and token in [keys.pkcs11], for protection = \"pkcs11\"";
                return Err(ConfigError::Value { key: "keys.pkcs11", expected });
            }
            (_, pkcs11) => pkcs11.map(|raw| raw.check(home)).transpose()?,
        };
        Ok(KeySettings { protection: self.protection, passphrase, pkcs11 })
    }
}

impl RawPkcs11 {
    fn check(self, home: &Path) -> Result<Pkcs11Settings, ConfigError> {
        let short = |text: &str| (1..=32).contains(&text.len()) && !text.chars().any(char::is_control);
        if !short(&self.token) {
            let expected = "the label of a token, 1 to 32 bytes";
            return Err(ConfigError::Value { key: "keys.pkcs11.token", expected });
        }
        if !short(&self.label) {
            return Err(ConfigError::Value { key: "keys.pkcs11.label", expected: "a label of 1 to 32 bytes" });
        }
        let pin = match (self.pin, self.pin_file) {
            (RawPin::Ask, _) => PassphraseSource::Ask,
            (RawPin::Credential, _) => PassphraseSource::Credential,
            (RawPin::File, Some(path)) => PassphraseSource::File(home.join(path)),
            (RawPin::File, None) => {
                let expected = "the path of the file with the PIN, for pin = \"file\"";
                return Err(ConfigError::Value { key: "keys.pkcs11.pin_file", expected });
            }
        };
        Ok(Pkcs11Settings { module: home.join(self.module), token: self.token, label: self.label, pin })
    }
}

impl KeySettings {
    /// Settings with a protection that needs nothing else: plain, passphrase or credential.
    #[must_use]
    pub fn new(protection: Protection) -> Self {
        let passphrase = match protection {
            Protection::Credential => PassphraseSource::Credential,
            _ => PassphraseSource::Ask,
        };
        Self { protection, passphrase, pkcs11: None }
    }

    /// Settings for a passphrase in a file.
    #[must_use]
    pub const fn file(path: PathBuf) -> Self {
        Self { protection: Protection::File, passphrase: PassphraseSource::File(path), pkcs11: None }
    }

    /// Settings for a token.
    #[must_use]
    pub const fn token_in(pkcs11: Pkcs11Settings) -> Self {
        Self { protection: Protection::Pkcs11, passphrase: PassphraseSource::Ask, pkcs11: Some(pkcs11) }
    }

    /// The token that is in use.
    pub(super) fn token(&self) -> Option<&Pkcs11Settings> {
        self.pkcs11.as_ref().filter(|_| self.protection == Protection::Pkcs11)
    }

    /// The section `[keys]` with comments, as it stands in the file.
    pub(crate) fn to_toml(&self) -> String {
        let mut text = String::from(
            "[keys]\n# How the private keys are protected: plain, passphrase, credential, file or pkcs11.\n\
             # Change it with `symbolon key protect`, which seals the keys anew and then writes this section.\n",
        );
        line(&mut text, "protection", self.protection.as_str());
        match &self.passphrase {
            PassphraseSource::File(path) => line(&mut text, "passphrase_file", &path.to_string_lossy()),
            _ => text.push_str("# passphrase_file = \"/run/secrets/symbolon\"    # for \"file\"\n"),
        }
        let Some(pkcs11) = &self.pkcs11 else { return text };
        text.push_str("\n[keys.pkcs11]\n");
        line(&mut text, "module", &pkcs11.module.to_string_lossy());
        line(&mut text, "token", &pkcs11.token);
        text.push_str("# What the labels of the keys in the token begin with.\n");
        line(&mut text, "label", &pkcs11.label);
        text.push_str("# Where the PIN is found: ask, credential or file.\n");
        let (pin, file) = match &pkcs11.pin {
            PassphraseSource::Ask => ("ask", None),
            PassphraseSource::Credential => ("credential", None),
            PassphraseSource::File(path) => ("file", Some(path)),
        };
        line(&mut text, "pin", pin);
        if let Some(path) = file {
            line(&mut text, "pin_file", &path.to_string_lossy());
        }
        text
    }

    /// Puts this section in place of the one in the text of a configuration file, or at its end.
    pub(crate) fn replace_in(&self, file: &str) -> String {
        let lines: Vec<&str> = file.lines().collect();
        let header = |line: &&str| line.trim_start().starts_with('[');
        let Some(start) = lines.iter().position(|line| line.trim() == "[keys]") else {
            return format!("{}\n\n{}", file.trim_end(), self.to_toml());
        };
        let after = |line: &&str| header(line) && !line.trim_start().starts_with("[keys.");
        let mut end = lines[start + 1..].iter().position(after).map_or(lines.len(), |offset| start + 1 + offset);
        if end < lines.len() {
            // Comments directly above the next header are that section's.
            while end > start + 1 && lines[end - 1].trim_start().starts_with('#') {
                end -= 1;
            }
        }
        let mut text = String::new();
        for line in &lines[..start] {
            text.push_str(line);
            text.push('\n');
        }
        text.push_str(&self.to_toml());
        if end < lines.len() {
            text.push('\n');
        }
        for line in &lines[end..] {
            text.push_str(line);
            text.push('\n');
        }
        text
    }
}

fn line(text: &mut String, key: &str, value: &str) {
    let value = toml::Value::String(value.to_owned());
    // Writing to a String cannot fail.
    writeln!(text, "{key} = {value}").unwrap_or_default();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(text: &str) -> RawKeys {
        let table: toml::Table = text.parse().unwrap();
        let keys = table.get("keys").cloned().unwrap_or(toml::Value::Table(toml::Table::new()));
        keys.try_into().unwrap()
    }

    fn read(text: &str) -> Result<KeySettings, ConfigError> {
        raw(text).check(Path::new("/home/node"))
    }

    fn examples() -> Vec<KeySettings> {
        let passphrase = |protection, passphrase| KeySettings { protection, passphrase, pkcs11: None };
        let mut token = Pkcs11Settings::new("/lib/token.so".into(), "bank \"A\"".to_owned());
        token.pin = PassphraseSource::File("/run/pin".into());
        vec![
            passphrase(Protection::Plain, PassphraseSource::Ask),
            passphrase(Protection::Passphrase, PassphraseSource::Ask),
            passphrase(Protection::Credential, PassphraseSource::Credential),
            passphrase(Protection::File, PassphraseSource::File("/run/secret".into())),
            KeySettings { protection: Protection::Pkcs11, passphrase: PassphraseSource::Ask, pkcs11: Some(token) },
        ]
    }

    #[test]
    fn what_is_written_is_read_back() {
        for settings in examples() {
            assert_eq!(read(&settings.to_toml()).unwrap(), settings);
        }
    }

    #[test]
    fn a_section_is_replaced_and_nothing_else_changes() {
        let around =
            "institution = \"N\"\n\n[telemetry]\nfilter = \"info\"\n\n# What follows.\n[limits]\njobs_max = 2\n";
        for old in examples() {
            let at_the_end = old.replace_in(around);
            let in_the_middle = around.replace("# What follows.", &format!("{}\n# What follows.", old.to_toml()));
            for file in [at_the_end, in_the_middle] {
                for new in examples() {
                    let changed = new.replace_in(&file);
                    assert_eq!(read(&changed).unwrap(), new);
                    let mut table: toml::Table = changed.parse().unwrap();
                    table.remove("keys");
                    assert_eq!(table, around.parse::<toml::Table>().unwrap());
                    assert!(changed.contains("# What follows.\n[limits]"));
                    assert_eq!(new.replace_in(&changed), changed);
                }
            }
        }
    }

    #[test]
    fn a_protection_without_what_it_needs_is_refused() {
        for text in [
            "[keys]\nprotection = \"file\"",
            "[keys]\nprotection = \"pkcs11\"",
            "[keys]\nprotection = \"pkcs11\"\n[keys.pkcs11]\nmodule = \"m\"\ntoken = \"\"",
            "[keys]\nprotection = \"pkcs11\"\n[keys.pkcs11]\nmodule = \"m\"\ntoken = \"t\"\npin = \"file\"",
        ] {
            assert!(read(text).is_err(), "{text}");
        }
    }
}
