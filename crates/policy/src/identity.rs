//! How an institution is recognised and reached: SHA-256 pins and network addresses.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};

use crate::error::Problem;

/// A SHA-256 value, written `sha256:<base64>`: the pin of a TLS public key or the digest of a normaliser's rules.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest([u8; 32]);

impl Digest {
    const PREFIX: &'static str = "sha256:";

    /// SHA-256 of `bytes`; of a certificate's SubjectPublicKeyInfo in DER, this is the pin of its key.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// Takes a value computed elsewhere.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", Self::PREFIX, STANDARD.encode(self.0))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl FromStr for Digest {
    type Err = Problem;

    fn from_str(text: &str) -> Result<Self, Problem> {
        let encoded = text.strip_prefix(Self::PREFIX).filter(|encoded| encoded.len() == 44).ok_or(Problem::Digest)?;
        let bytes = STANDARD.decode(encoded).map_err(|_| Problem::Digest)?;
        bytes.try_into().map(Self).map_err(|_| Problem::Digest)
    }
}

/// The address of a node: a host name, an IPv4 address or an IPv6 address in brackets, and a port.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Endpoint {
    host: Box<str>,
    port: u16,
}

impl Endpoint {
    /// The host without brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        self.host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(&self.host)
    }

    /// The port, never 0.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl FromStr for Endpoint {
    type Err = Problem;

    fn from_str(text: &str) -> Result<Self, Problem> {
        let (host, port) = text.rsplit_once(':').ok_or(Problem::Endpoint)?;
        if !port.bytes().all(|byte| byte.is_ascii_digit()) || port.starts_with('0') {
            return Err(Problem::Endpoint);
        }
        let port = port.parse().map_err(|_| Problem::Endpoint)?;
        let valid = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
            Some(inner) => inner.parse::<Ipv6Addr>().is_ok(),
            None => host.parse::<Ipv4Addr>().is_ok() || is_host_name(host),
        };
        if valid { Ok(Self { host: host.into(), port }) } else { Err(Problem::Endpoint) }
    }
}

/// RFC 1123, section 2.1: labels of letters, digits and inner hyphens. A last label of digits alone is refused,
/// since it is a mistyped IPv4 address.
fn is_host_name(host: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let last_is_number = host.rsplit('.').next().is_some_and(|last| last.bytes().all(|byte| byte.is_ascii_digit()));
    host.len() <= 253 && host.split('.').all(label) && !last_is_number
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_come_back_and_others_are_refused() {
        let digest = Digest::of(b"");
        assert_eq!(digest.to_string(), "sha256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=");
        assert_eq!(digest.to_string().parse::<Digest>().unwrap(), digest);
        for bad in [
            "",
            "sha256:",
            "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
            "sha256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFV=",
            "sha256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU",
        ] {
            assert_eq!(bad.parse::<Digest>(), Err(Problem::Digest), "{bad}");
        }
    }

    #[test]
    fn endpoints_have_a_host_and_a_port() {
        for good in ["node.bank.example:7700", "127.0.0.1:1", "[::1]:65535", "localhost:80", "a-b.c:443"] {
            assert_eq!(good.parse::<Endpoint>().unwrap().to_string(), good);
        }
        assert_eq!("[::1]:9".parse::<Endpoint>().unwrap().host(), "::1");
        for bad in [
            "",
            "host",
            "host:",
            ":1",
            "host:0",
            "host:65536",
            "host:+1",
            "host:01",
            "-a:1",
            "a..b:1",
            "::1:80",
            "256.1.1.1:80",
            "[::1:80",
            "ho st:1",
            "https://host:1",
            "host/x:1",
            "[host]:1",
            "user@host:1",
        ] {
            assert_eq!(bad.parse::<Endpoint>(), Err(Problem::Endpoint), "{bad}");
        }
    }
}
