//! A secret of 32 bytes under a stretched passphrase: the words `argon2id m=.. t=.. p=.. salt=.. <sealed>`.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use symbolon_primitives::kdf::Label;
use symbolon_primitives::secret::Seed;

use super::passphrase::{Cost, Passphrase};
use super::{array_of, context, open, seal, seed_of};
use crate::error::{Environment, Error};

const SALT_BYTES: usize = 16;

/// The sealed secret, and what it costs to try a passphrase.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Stretched {
    cost: Cost,
    salt: [u8; SALT_BYTES],
    sealed: Vec<u8>,
}

impl Stretched {
    /// Seals `secret` for one use (`label`) and one name, so that it opens in no other's place.
    ///
    /// # Errors
    /// Environment errors.
    pub(crate) fn seal(passphrase: &Passphrase, label: Label, name: &[u8], secret: &Seed) -> Result<Self, Error> {
        let cost = Cost::DEFAULT;
        let mut salt = [0; SALT_BYTES];
        getrandom::fill(&mut salt).map_err(|_| Environment::Entropy)?;
        let key = cost.stretch(passphrase, &salt)?;
        let sealed = seal(&key, &context(label, &[name, header(cost, &salt).as_bytes()]), secret.expose())?;
        Ok(Self { cost, salt, sealed })
    }

    /// Opens it; nothing when the passphrase is another, or anything was changed.
    ///
    /// # Errors
    /// Environment errors.
    pub(crate) fn open(&self, passphrase: &Passphrase, label: Label, name: &[u8]) -> Result<Option<Seed>, Error> {
        let key = self.cost.stretch(passphrase, &self.salt)?;
        let header = header(self.cost, &self.salt);
        let opened = open(&key, &context(label, &[name, header.as_bytes()]), &self.sealed);
        Ok(opened.and_then(|secret| seed_of(secret.expose())))
    }

    /// Reads the words; nothing when they are not these, or the cost is outside the bounds.
    pub(crate) fn parse(words: &[&str]) -> Option<Self> {
        let ["argon2id", memory, passes, lanes, salt, sealed] = words else { return None };
        let number = |word: &str, name| word.strip_prefix(name)?.parse::<u32>().ok();
        let cost =
            Cost { memory_kib: number(memory, "m=")?, passes: number(passes, "t=")?, lanes: number(lanes, "p=")? };
        let salt = array_of(salt.strip_prefix("salt=")?)?;
        let sealed = STANDARD.decode(sealed).ok()?;
        cost.is_acceptable().then_some(Self { cost, salt, sealed })
    }
}

impl fmt::Display for Stretched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", header(self.cost, &self.salt), STANDARD.encode(&self.sealed))
    }
}

impl fmt::Debug for Stretched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Stretched(..)")
    }
}

fn header(cost: Cost, salt: &[u8]) -> String {
    let Cost { memory_kib, passes, lanes } = cost;
    format!("argon2id m={memory_kib} t={passes} p={lanes} salt={}", STANDARD.encode(salt))
}

#[cfg(test)]
mod tests {
    use symbolon_primitives::secret::Secret;

    use super::*;

    #[test]
    fn it_opens_by_its_passphrase_use_and_name_alone() {
        let (right, wrong) = (Secret::new(b"correct horse".to_vec()), Secret::new(b"correct house".to_vec()));
        let secret = Seed::new([7; 32]);
        let sealed = Stretched::seal(&right, Label::ApproverKey, b"ada", &secret).unwrap();
        let text = sealed.to_string();
        let read = Stretched::parse(&text.split(' ').collect::<Vec<_>>()).unwrap();
        assert_eq!(read, sealed);
        let opened = |passphrase, label, name: &[u8]| read.open(passphrase, label, name).unwrap();
        assert_eq!(opened(&right, Label::ApproverKey, b"ada").unwrap().expose(), secret.expose());
        assert!(opened(&wrong, Label::ApproverKey, b"ada").is_none());
        assert!(opened(&right, Label::AtRestSlot, b"ada").is_none());
        assert!(opened(&right, Label::ApproverKey, b"ben").is_none());
        for bad in [text.replace("t=3", "t=1"), text.replace("argon2id", "argon2i"), text.replace(" p=1", "")] {
            assert!(Stretched::parse(&bad.split(' ').collect::<Vec<_>>()).is_none(), "{bad}");
        }
    }
}
