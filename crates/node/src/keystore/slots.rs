//! The file `keys/at-rest.key`: the key-encryption key in its slots.

use std::fmt::Write;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use symbolon_primitives::kdf::Label;
use symbolon_primitives::secret::{Secret, Seed};

use super::passphrase::{Passphrase, Question, Unlock};
use super::protection::KeySettings;
use super::stretched::Stretched;
use super::token::{Token, Wrapped};
use super::{AtRest, array_of, context, read_private, seed_of};
use crate::error::{Error, KeysError};

const FORMAT: &str = "symbolon-at-rest-key/1";
/// Old and new slot stand beside each other while the protection changes; more are never written.
const SLOTS_MAX: usize = 4;

/// The file.
#[derive(Debug)]
pub(super) struct SlotFile {
    pub(super) id: [u8; 16],
    pub(super) slots: Vec<Slot>,
}

/// One way to the key-encryption key.
pub(super) enum Slot {
    /// The key itself.
    Plain(Seed),
    /// Sealed under a stretched passphrase.
    Passphrase(Stretched),
    /// Encrypted by a key in the token.
    Token(Wrapped),
}

impl std::fmt::Debug for Slot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Plain(_) => "Plain(..)",
            Self::Passphrase(_) => "Passphrase(..)",
            Self::Token(_) => "Token(..)",
        })
    }
}

impl Slot {
    pub(super) fn plain(at_rest: &AtRest) -> Self {
        Self::Plain(Secret::new(*at_rest.kek.expose()))
    }

    pub(super) fn passphrase(at_rest: &AtRest, passphrase: &Passphrase) -> Result<Self, Error> {
        Ok(Self::Passphrase(Stretched::seal(passphrase, Label::AtRestSlot, &at_rest.id, &at_rest.kek)?))
    }

    pub(super) fn token(at_rest: &AtRest, token: &Token) -> Result<Self, Error> {
        let context = slot_context(&at_rest.id, "pkcs11");
        Ok(Self::Token(token.wrap(at_rest.kek.expose(), &context)?))
    }

    fn write(&self, text: &mut String) {
        let written = match self {
            Self::Plain(key) => {
                let encoded = Secret::new(STANDARD.encode(key.expose()));
                writeln!(text, "plain {}", encoded.expose())
            }
            Self::Passphrase(sealed) => writeln!(text, "{sealed}"),
            Self::Token(wrapped) => writeln!(
                text,
                "pkcs11 key={} iv={} {}",
                hex::encode(&wrapped.key_id),
                STANDARD.encode(wrapped.iv),
                STANDARD.encode(&wrapped.sealed)
            ),
        };
        // Writing to a String cannot fail.
        written.unwrap_or_default();
    }

    fn parse(line: &str) -> Option<Self> {
        let words: Vec<&str> = line.split(' ').collect();
        match words[..] {
            ["plain", key] => Some(Self::Plain(Secret::new(array_of(key)?))),
            ["argon2id", ..] => Stretched::parse(&words).map(Self::Passphrase),
            ["pkcs11", key, iv, sealed] => Some(Self::Token(Wrapped {
                key_id: hex::decode(key.strip_prefix("key=")?).ok()?,
                iv: array_of(iv.strip_prefix("iv=")?)?,
                sealed: STANDARD.decode(sealed).ok()?,
            })),
            _ => None,
        }
    }
}

fn slot_context(id: &[u8; 16], header: &str) -> Vec<u8> {
    context(Label::AtRestSlot, &[id, header.as_bytes()])
}

impl SlotFile {
    pub(super) fn read(path: &Path) -> Result<Self, Error> {
        let content = read_private(path)?;
        let expected = "key-encryption key of this release, with argon2id costs within its bounds";
        let malformed = || KeysError::Malformed { path: path.to_path_buf(), expected };
        let text = std::str::from_utf8(content.expose()).map_err(|_| malformed())?;
        Ok(Self::parse(text).ok_or_else(malformed)?)
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        let id = hex::decode(lines.next()?.strip_prefix(FORMAT)?.strip_prefix(' ')?).ok()?.try_into().ok()?;
        let slots = lines.map(Slot::parse).collect::<Option<Vec<_>>>()?;
        (1..=SLOTS_MAX).contains(&slots.len()).then_some(Self { id, slots })
    }

    pub(super) fn to_text(&self) -> Secret<String> {
        // Room for all of it, so that no copy of a plain key is left behind by growing.
        let mut text = Secret::new(String::with_capacity(4096));
        let out = text.expose_mut();
        writeln!(out, "{FORMAT} {}", hex::encode(self.id)).unwrap_or_default();
        for slot in &self.slots {
            slot.write(out);
        }
        text
    }

    pub(super) fn is_plain(&self) -> bool {
        self.slots.iter().any(|slot| matches!(slot, Slot::Plain(_)))
    }

    /// The key of a plain slot.
    pub(super) fn plain(&self) -> Option<Result<AtRest, Error>> {
        self.slots.iter().find_map(|slot| match slot {
            Slot::Plain(key) => {
                let key = self.check(AtRest::new(Secret::new(*key.expose())));
                Some(key.ok_or_else(|| {
                    KeysError::Malformed { path: super::AT_REST_FILE.into(), expected: "key of the name it states" }
                        .into()
                }))
            }
            _ => None,
        })
    }

    pub(super) fn open_with_passphrase(
        &self,
        path: &Path,
        settings: &KeySettings,
        unlock: &Unlock<'_>,
    ) -> Result<AtRest, Error> {
        if !self.slots.iter().any(|slot| matches!(slot, Slot::Passphrase(_))) {
            let expected = "slot that [keys] in node.toml can open";
            return Err(KeysError::Malformed { path: path.to_path_buf(), expected }.into());
        }
        let passphrase = unlock.present(&settings.passphrase, Question::Passphrase)?;
        for slot in &self.slots {
            let Slot::Passphrase(sealed) = slot else { continue };
            let kek = sealed.open(&passphrase, Label::AtRestSlot, &self.id)?;
            if let Some(at_rest) = kek.and_then(|kek| self.check(AtRest::new(kek))) {
                return Ok(at_rest);
            }
        }
        Err(KeysError::WrongPassphrase.into())
    }

    pub(super) fn open_with_token(&self, token: &Token) -> Result<AtRest, Error> {
        for slot in &self.slots {
            let Slot::Token(wrapped) = slot else { continue };
            let kek = token.unwrap(wrapped, &slot_context(&self.id, "pkcs11"))?;
            if let Some(at_rest) = seed_of(kek.expose()).and_then(|kek| self.check(AtRest::new(kek))) {
                return Ok(at_rest);
            }
        }
        Err(KeysError::Token { what: "opens another home's keys" }.into())
    }

    fn check(&self, at_rest: AtRest) -> Option<AtRest> {
        (at_rest.id == self.id).then_some(at_rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back_and_nothing_else() {
        let at_rest = AtRest::generate().unwrap();
        let wrapped = Wrapped { key_id: vec![1; 16], iv: [2; 12], sealed: vec![3; 48] };
        let passphrase = Secret::new(b"correct horse".to_vec());
        let sealed = Slot::passphrase(&at_rest, &passphrase).unwrap();
        let file = SlotFile { id: at_rest.id, slots: vec![Slot::plain(&at_rest), sealed, Slot::Token(wrapped)] };
        let text = file.to_text();
        let read = SlotFile::parse(text.expose()).unwrap();
        assert_eq!(*read.to_text().expose(), *text.expose());
        assert!(!format!("{file:?}").contains(&STANDARD.encode(&at_rest.kek.expose()[..6])));

        let lines: Vec<&str> = text.expose().lines().collect();
        for bad in [
            String::new(),
            lines[0].to_owned(),
            lines[1].to_owned(),
            text.expose().replace("key/1", "key/2"),
            text.expose().replace("plain ", "open "),
            text.expose().replace("m=", "m=-"),
            text.expose().replace("t=3", "t=03x"),
            text.expose().replace(" p=1", ""),
            format!("{}\n", text.expose()),
            format!("{}{}", text.expose(), format!("{}\n", lines[1]).repeat(2)),
        ] {
            assert!(SlotFile::parse(&bad).is_none(), "{bad}");
        }
    }
}
