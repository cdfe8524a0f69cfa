//! Which protocol runs and which side of it a party is.

use std::fmt;
use std::str::FromStr;

use crate::error::{Error, Misuse};

/// A protocol of this crate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Protocol {
    /// [`ecdh::oprf`](crate::ecdh::oprf): the receiver learns the matching rows and their payload.
    EcdhOprf,
    /// [`ecdh::mutual`](crate::ecdh::mutual): both sides learn the matching keys.
    EcdhMutual,
    /// [`ecdh::cardinality`](crate::ecdh::cardinality): the receiver learns how many keys match.
    EcdhCardinality,
    /// [`rr22`](crate::rr22) over silent vector OLE: the receiver learns the matching rows and their payload.
    Rr22Silent,
    /// [`rr22`](crate::rr22) over small-field vector OLE: the receiver learns the matching rows and their payload.
    Rr22SmallField,
}

impl Protocol {
    /// Every protocol.
    pub const ALL: &'static [Self] =
        &[Self::EcdhOprf, Self::EcdhMutual, Self::EcdhCardinality, Self::Rr22Silent, Self::Rr22SmallField];

    /// Whether the sender's input is rows that hang on keys, with payload if there is some: the one-sided joins. The
    /// others compare keys only.
    #[must_use]
    pub const fn joins_rows(self) -> bool {
        match self {
            Self::EcdhOprf | Self::Rr22Silent | Self::Rr22SmallField => true,
            Self::EcdhMutual | Self::EcdhCardinality => false,
        }
    }

    /// The protocol's name in agreements, logs and benches.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::EcdhOprf => "ecdh-oprf",
            Self::EcdhMutual => "ecdh-mutual",
            Self::EcdhCardinality => "ecdh-cardinality",
            Self::Rr22Silent => "rr22-silent",
            Self::Rr22SmallField => "rr22-small-field",
        }
    }

    /// The protocol's byte in a frame.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::EcdhOprf => 1,
            Self::EcdhMutual => 2,
            Self::EcdhCardinality => 3,
            Self::Rr22Silent => 4,
            Self::Rr22SmallField => 5,
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Protocol {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let found = Self::ALL.iter().copied().find(|protocol| protocol.as_str() == text);
        found.ok_or_else(|| Misuse::UnknownWord { what: "protocol" }.into())
    }
}

/// The side of a protocol, in the papers' words: the receiver learns.
///
/// In [`Protocol::EcdhMutual`] both learn; there the two roles only name the directions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "two-party protocols have two sides")]
pub enum Role {
    /// Holds the set that is asked.
    Sender,
    /// Holds the set that asks, and learns the result.
    Receiver,
}

impl Role {
    /// The role as a word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sender => "sender",
            Self::Receiver => "receiver",
        }
    }

    /// The other side.
    #[must_use]
    pub const fn peer(self) -> Self {
        match self {
            Self::Sender => Self::Receiver,
            Self::Receiver => Self::Sender,
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_back() {
        for protocol in Protocol::ALL {
            assert_eq!(protocol.to_string().parse::<Protocol>().unwrap(), *protocol);
        }
        let unknown = "ecdh".parse::<Protocol>();
        assert!(matches!(unknown, Err(Error::Misuse(Misuse::UnknownWord { what: "protocol" }))));
        assert_eq!(Role::Sender.peer().to_string(), "receiver");
        assert_eq!(Role::Receiver.peer().to_string(), "sender");
    }
}
