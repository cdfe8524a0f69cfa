//! The number under which a peer logged what went wrong there.

use std::fmt;
use std::str::FromStr;

/// A peer's incident number: twelve hexadecimal digits, so that nothing else can travel in its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PeerIncident([u8; 6]);

/// The text is no incident number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an incident number has twelve hexadecimal digits")]
#[expect(clippy::exhaustive_structs, reason = "there is nothing to say about it")]
pub struct NoIncident;

impl FromStr for PeerIncident {
    type Err = NoIncident;

    fn from_str(text: &str) -> Result<Self, NoIncident> {
        let mut number = [0; 6];
        hex::decode_to_slice(text, &mut number).map_err(|_| NoIncident)?;
        Ok(Self(number))
    }
}

impl fmt::Display for PeerIncident {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_numbers_pass() {
        assert_eq!("00112233aabb".parse::<PeerIncident>().unwrap().to_string(), "00112233aabb");
        for text in ["", "0011", "00112233aabbcc", "\u{1b}[31m0000000", "norandom", "see page 12x"] {
            assert_eq!(text.parse::<PeerIncident>(), Err(NoIncident), "{text:?}");
        }
    }
}
