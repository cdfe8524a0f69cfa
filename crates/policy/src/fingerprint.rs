//! The fingerprint of a card, in hexadecimal and in words.
//!
//! A fingerprint is SHA-256 over the canonical bytes of a card. Two people compare it over another channel, such as
//! the telephone, in one of two forms:
//!
//! * 16 groups of four hexadecimal digits, all 256 bits;
//! * 12 words of the English list of BIP-39, the first 128 bits. Twelve words carry 132 bits: the last four are a
//!   checksum, the first four bits of SHA-256 over the 128 (BIP-39, "Generating the mnemonic"). It finds 15 of 16
//!   misheard words before the comparison does; it is no secret and adds no strength.
//!
//! 128 bits are enough here: whoever wants another card to pass must find one with the same first 128 bits as a given
//! card, which takes about 2^128 trials.

use std::fmt;

use bip39::{Language, Mnemonic};

use crate::error::Error;

/// Words of a fingerprint.
pub const FINGERPRINT_WORDS: usize = 12;

/// Bytes the words stand for.
const WORD_BYTES: usize = 16;

const HEX_DIGITS: usize = 64;

/// SHA-256 of a card's canonical bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    pub(crate) const fn new(digest: [u8; 32]) -> Self {
        Self(digest)
    }

    /// The 32 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The fingerprint as twelve words separated by blanks, to be read out.
    #[must_use]
    pub fn words(&self) -> String {
        let words = |mnemonic: Mnemonic| mnemonic.words().collect::<Vec<_>>().join(" ");
        // Sixteen bytes always are twelve words.
        Mnemonic::from_entropy(&self.0[..WORD_BYTES]).map_or_else(|_| self.to_string(), words)
    }

    /// Whether a fingerprint as a person told it, in either form, is this one. Case, blanks and dashes do not matter.
    ///
    /// # Errors
    /// [`Error::FingerprintForm`] when the text is neither 64 hexadecimal digits nor twelve words of the list with
    /// the right checksum, so that a slip of the tongue is told apart from another card.
    pub fn matches(&self, told: &str) -> Result<bool, Error> {
        let told = told.to_lowercase();
        let digits: String = told.chars().filter(|c| !c.is_whitespace() && !"-:".contains(*c)).collect();
        if digits.len() == HEX_DIGITS && digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Ok(digits == hex::encode(self.0));
        }
        let words: Vec<&str> = told.split(|c: char| c.is_whitespace() || c == '-').filter(|w| !w.is_empty()).collect();
        let mnemonic = Mnemonic::parse_in_normalized(Language::English, &words.join(" "));
        let mnemonic = mnemonic.map_err(|_| Error::FingerprintForm)?;
        let (entropy, length) = mnemonic.to_entropy_array();
        if length != WORD_BYTES {
            return Err(Error::FingerprintForm);
        }
        Ok(entropy[..WORD_BYTES] == self.0[..WORD_BYTES])
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, pair) in self.0.chunks_exact(2).enumerate() {
            let blank = if index == 0 { "" } else { " " };
            write!(f, "{blank}{:02x}{:02x}", pair[0], pair[1])?;
        }
        Ok(())
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fingerprint({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_are_those_of_bip_39() {
        // Test vectors of BIP-39: 128 bits of 0x00, 0x7f and 0xff.
        let words = |byte| Fingerprint::new([byte; 32]).words();
        let about = "abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon about";
        assert_eq!(words(0), about);
        assert_eq!(words(0x7F), "legal winner thank year wave sausage worth useful legal winner thank yellow");
        assert_eq!(words(0xFF), "zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo wrong");
    }

    #[test]
    fn both_forms_are_accepted_however_they_are_written() {
        let print = Fingerprint::new(*b"0123456789abcdef0123456789abcdef");
        let words = print.words();
        assert_eq!(words.split(' ').count(), FINGERPRINT_WORDS);
        for told in [
            print.to_string(),
            print.to_string().to_uppercase(),
            print.to_string().replace(' ', ""),
            words.clone(),
            words.to_uppercase(),
            words.replace(' ', "-"),
            format!("  {}\n", words.replace(' ', "   ")),
        ] {
            assert!(print.matches(&told).unwrap(), "{told}");
        }
    }

    #[test]
    fn another_card_differs_and_a_slip_is_told_apart() {
        let print = Fingerprint::new([7; 32]);
        let mut other = [7; 32];
        other[0] = 8;
        let other = Fingerprint::new(other);
        assert!(!print.matches(&other.to_string()).unwrap());
        assert!(!print.matches(&other.words()).unwrap());
        let words = print.words();
        let cut = words.rsplit_once(' ').unwrap().0.to_owned();
        let misspelt = words.replacen(&words[..3], "xqz", 1);
        let longer = format!("{words} {words}");
        for slip in ["", "0a1b", &print.to_string()[1..], &cut, &misspelt, &longer] {
            assert!(matches!(print.matches(slip), Err(Error::FingerprintForm)), "{slip}");
        }
    }

    #[test]
    fn the_checksum_finds_most_exchanged_words() {
        let print = Fingerprint::new([0x5A; 32]);
        let words: Vec<String> = print.words().split(' ').map(str::to_owned).collect();
        let exchanged = Language::English.word_list().iter().step_by(8).filter(|word| **word != words[3]);
        let passed = exchanged.filter(|word| {
            let mut told = words.clone();
            told[3] = (**word).to_owned();
            match print.matches(&told.join(" ")) {
                Ok(same) => {
                    assert!(!same);
                    true
                }
                Err(_) => false,
            }
        });
        // One in sixteen of 256 exchanged words passes the checksum, and then differs.
        assert!((4..=36).contains(&passed.count()));
    }
}
