//! How the keys of a home are protected, and changing it.

use std::os::unix::fs::PermissionsExt;

use serde::Serialize;
use symbolon_policy::audit::Entry;

use crate::config::{self, Settings};
use crate::error::{ConfigError, Error, FileAction};
use crate::files;
use crate::home::Home;
use crate::keys::{self, ORGANISATION_FILE};
use crate::keystore::{KeyKind, KeySettings, Protection, StoredKey, Unlock};

/// How the keys of a home lie on the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct KeyProtection {
    /// What node.toml says.
    pub protection: &'static str,
    /// Whether the key-encryption key lies open beside the keys all the same, after a change that was cut short.
    pub open: bool,
    /// Whether the organisation key lies in a token.
    pub in_token: bool,
}

impl Home {
    /// Tells how the keys are protected.
    ///
    /// # Errors
    /// As opening the home.
    pub fn key_protection(&self) -> Result<KeyProtection, Error> {
        let protection = self.settings().keys.protection;
        let open = self.key_store().is_plain() && protection != Protection::Plain;
        Ok(KeyProtection { protection: protection.as_str(), open, in_token: self.organisation_in_token()? })
    }

    /// Puts the keys under another protection and writes it into node.toml. What was before opens them no more. A
    /// running node is not disturbed; it needs the new protection at its next start. The evidence log tells of it.
    ///
    /// # Errors
    /// What the new protection lacks, [`Error::Misuse`] when keys would have to leave a token, [`ConfigError`] when
    /// node.toml cannot be changed: nothing is changed then. Environment errors: both protections open the keys then,
    /// and the change can be made again.
    pub async fn key_protect(&self, protection: &KeySettings, unlock: &Unlock<'_>) -> Result<(), Error> {
        if protection.protection != Protection::Pkcs11 && self.key_store().has_token_keys()? {
            return Err(Error::Misuse {
                what: "keys of this home lie in the token and cannot leave it",
                remedy: "keep protection pkcs11, or make a new node with keys of its own",
            });
        }
        let path = self.settings().home.join(config::FILE_NAME);
        let text = changed_settings(&files::read_text(&path, 1 << 20)?, protection, self.settings())?;
        let mode = std::fs::metadata(&path).map_err(|source| files::failed(FileAction::Read, &path, source))?;
        let mode = mode.permissions().mode() & 0o777;
        keys::seal_plain_files(self.key_store())?;
        self.key_store().protect(protection, unlock, || {
            files::remove_parts(&path)?;
            files::replace(&path, text.as_bytes(), mode)
        })?;
        let entry = Entry::new(self.clock().now(), "keys_protected").word("protection", protection.protection.as_str());
        self.evidence().append(entry).await.map(drop)
    }

    fn organisation_in_token(&self) -> Result<bool, Error> {
        let path = self.settings().keys_dir().join(ORGANISATION_FILE);
        let (stored, _) = self.key_store().read_key(&path, KeyKind::Organisation)?;
        Ok(matches!(stored, StoredKey::Token(_)))
    }
}

/// The text of node.toml with another section `[keys]`; everything else must read as before.
fn changed_settings(text: &str, protection: &KeySettings, present: &Settings) -> Result<String, Error> {
    let no_overrides = std::collections::BTreeMap::new();
    let old = Settings::from_toml(text, &present.home, &no_overrides)?;
    let changed = protection.replace_in(text);
    let new = Settings::from_toml(&changed, &present.home, &no_overrides)?;
    if new.keys != *protection || (Settings { keys: old.keys.clone(), ..new }) != old {
        let expected = "a section of its own, [keys], which can be replaced: write node.toml in the form init gave it";
        return Err(ConfigError::Value { key: "keys", expected }.into());
    }
    Ok(changed)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use crate::clock::Clock;
    use crate::keystore::NoTerminal;
    use crate::ops::testing::Pair;

    use super::*;

    fn env(path: &std::path::Path, text: &str) -> BTreeMap<String, String> {
        std::fs::write(path, text).unwrap();
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
        [("SYMBOLON_PASSPHRASE_FILE".to_owned(), path.display().to_string())].into()
    }

    #[tokio::test]
    async fn a_home_changes_its_protection_and_stays_the_same_institution() {
        let pair = Pair::new().await;
        let card = pair.bank.card().unwrap().to_toml();
        let path = pair.bank.settings().home.clone();
        let file = pair.dir.path().join("passphrase");
        let env = env(&file, "correct horse battery");
        let clock = Arc::clone(&pair.clock) as Arc<dyn Clock>;
        let reopen = |env: &BTreeMap<String, String>| {
            let (path, env, clock) = (path.clone(), env.clone(), Arc::clone(&clock));
            async move { Home::open(&path, &env, clock).await }
        };

        let unlock = Unlock::new(&env, &NoTerminal);
        pair.bank.key_protect(&KeySettings::new(Protection::Passphrase), &unlock).await.unwrap();
        assert_eq!(reopen(&BTreeMap::new()).await.unwrap_err().reason(), "KEYS_LOCKED");
        let home = reopen(&env).await.unwrap();
        assert_eq!(home.card().unwrap().to_toml(), card);
        assert_eq!(home.key_protection().unwrap().protection, "passphrase");
        assert!(!home.key_protection().unwrap().open);

        home.key_protect(&KeySettings::file(file.clone()), &Unlock::new(&env, &NoTerminal)).await.unwrap();
        let home = reopen(&BTreeMap::new()).await.unwrap();
        assert_eq!(home.card().unwrap().to_toml(), card);
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
        assert_eq!(reopen(&BTreeMap::new()).await.unwrap_err().reason(), "KEY_EXPOSED");

        let none = BTreeMap::new();
        home.key_protect(&KeySettings::default(), &Unlock::new(&none, &NoTerminal)).await.unwrap();
        let home = reopen(&none).await.unwrap();
        assert_eq!(home.card().unwrap().to_toml(), card);
        let text = std::fs::read_to_string(path.join(config::FILE_NAME)).unwrap();
        assert_eq!(Settings::from_toml(&text, &path, &none).unwrap().keys, KeySettings::default());
        let log = String::from_utf8(home.evidence().read().await.unwrap().0).unwrap();
        assert_eq!(log.matches("\"keys_protected\"").count(), 3, "{log}");
    }

    #[tokio::test]
    async fn a_file_that_cannot_be_changed_safely_is_left() {
        let pair = Pair::new().await;
        let path = pair.bank.settings().home.join(config::FILE_NAME);
        let text = std::fs::read_to_string(&path).unwrap();
        let start = text.find("[keys]").unwrap();
        let inline = format!("keys = {{ protection = \"plain\" }}\n{}", &text[..start]);
        std::fs::write(&path, &inline).unwrap();
        let env = env(&pair.dir.path().join("passphrase"), "correct horse battery");
        let unlock = Unlock::new(&env, &NoTerminal);
        let refused = pair.bank.key_protect(&KeySettings::new(Protection::Passphrase), &unlock).await;
        assert_eq!(refused.unwrap_err().class(), crate::error::Class::Config);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), inline);
        Home::open(&pair.bank.settings().home, &BTreeMap::new(), Arc::clone(&pair.clock) as Arc<dyn Clock>)
            .await
            .unwrap();
    }
}
