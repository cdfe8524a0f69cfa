//! Changing how the keys of a home are protected.

use std::fs::File;

use super::passphrase::{Question, Unlock};
use super::protection::{KeySettings, Protection};
use super::slots::{Slot, SlotFile};
use super::token::Token;
use super::{AT_REST_FILE, AtRest, KeyStore};
use crate::error::{Error, FileAction, KeysError};
use crate::files;

/// Changes that were cut short leave their slots behind; the oldest are kept, because one of them is in use.
const OLD_SLOTS_MAX: usize = 3;

/// Makes the slot that `settings` ask for. `first` tells that no passphrase protects the keys yet, so that one that is
/// at hand is meant for this.
pub(super) fn new_slot(
    at_rest: &AtRest,
    settings: &KeySettings,
    token: Option<&Token>,
    unlock: &Unlock<'_>,
    first: bool,
) -> Result<Slot, Error> {
    match settings.protection {
        Protection::Plain => Ok(Slot::plain(at_rest)),
        Protection::Passphrase | Protection::Credential | Protection::File => {
            Slot::passphrase(at_rest, &unlock.fresh(&settings.passphrase, first, Question::New)?)
        }
        Protection::Pkcs11 => {
            Slot::token(at_rest, token.ok_or(KeysError::Token { what: "is not named in node.toml" })?)
        }
    }
}

impl KeyStore {
    /// Puts the key-encryption key under another protection. `settle` is called while both protections open it, to
    /// write the new settings down; what was before opens it no more after that.
    ///
    /// # Errors
    /// What the new protection lacks: nothing is changed then. What `settle` meets, and environment errors: both
    /// protections open the keys then, and the change can be made again.
    pub fn protect(
        &self,
        settings: &KeySettings,
        unlock: &Unlock<'_>,
        settle: impl FnOnce() -> Result<(), Error>,
    ) -> Result<(), Error> {
        let directory = File::open(self.directory());
        let directory = directory.map_err(|source| files::failed(FileAction::Read, self.directory(), source))?;
        // One change at a time; the lock ends with the handle.
        rustix::fs::flock(&directory, rustix::fs::FlockOperation::LockExclusive)
            .map_err(|errno| files::failed(FileAction::Write, self.directory(), errno.into()))?;
        // A part may hold the key itself.
        files::remove_parts(&self.directory().join(AT_REST_FILE))?;
        let opened;
        let token = match (settings.protection, &settings.pkcs11) {
            (Protection::Pkcs11, Some(pkcs11)) => {
                opened = Token::open(pkcs11, unlock)?;
                Some(&opened)
            }
            _ => None,
        };
        let slot = new_slot(self.at_rest(), settings, token, unlock, self.is_plain())?;
        let path = self.directory().join(AT_REST_FILE);
        let mut file = SlotFile::read(&path)?;
        if file.id != self.at_rest().id() {
            return Err(KeysError::Malformed { path, expected: "the key-encryption key of this home" }.into());
        }
        let write = |file: &SlotFile| files::replace(&path, file.to_text().expose().as_bytes(), files::PRIVATE_FILE);
        file.slots.truncate(OLD_SLOTS_MAX);
        file.slots.push(slot);
        write(&file)?;
        settle()?;
        let first_new = file.slots.len() - 1;
        file.slots.drain(..first_new);
        write(&file)
    }
}
