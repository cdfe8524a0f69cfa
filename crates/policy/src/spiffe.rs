//! SPIFFE ids: the name of a workload in a certificate, strictly read.
//!
//! The rules are those of the SPIFFE-ID specification, sections 2.1 to 2.4: scheme `spiffe`, a trust domain of lower
//! case letters, digits, dots, dashes and underscores without user, port, query or fragment, and a path of segments of
//! letters, digits, dots, dashes and underscores, none empty and none a relative modifier. Nothing is normalised or
//! percent-decoded: an id that would need it is refused, so that two texts never mean one workload.

use std::fmt;
use std::str::FromStr;

use crate::error::Problem;

/// The most bytes of an id (SPIFFE-ID, section 2.4).
pub const SPIFFE_ID_BYTES_MAX: usize = 2048;

/// The most bytes of a trust domain (SPIFFE-ID, section 2.4).
pub const TRUST_DOMAIN_BYTES_MAX: usize = 255;

const SCHEME: &str = "spiffe://";

/// The first segment of the path of a node of this software.
const SOFTWARE_SEGMENT: &str = "symbolon";

/// A SPIFFE id, such as `spiffe://bank.example/symbolon/node-1`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SpiffeId {
    text: Box<str>,
    /// Where the trust domain ends in `text`.
    domain_end: usize,
}

impl SpiffeId {
    /// The id of the node called `node` in `trust_domain`: `spiffe://<trust domain>/symbolon/<node>`.
    ///
    /// # Errors
    /// [`Problem::SpiffeId`] when the two make no valid id.
    pub fn of_node(trust_domain: &str, node: &str) -> Result<Self, Problem> {
        if !is_segment(node) {
            return Err(Problem::SpiffeId);
        }
        format!("{SCHEME}{trust_domain}/{SOFTWARE_SEGMENT}/{node}").parse()
    }

    /// The trust domain that fits a host: the host in lower case; the colons of an IPv6 address become dashes, since
    /// no trust domain has colons.
    #[must_use]
    pub fn trust_domain_of_host(host: &str) -> String {
        host.trim_matches(['[', ']']).to_ascii_lowercase().replace(':', "-")
    }

    /// The whole id.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The trust domain.
    #[must_use]
    pub fn trust_domain(&self) -> &str {
        &self.text[SCHEME.len()..self.domain_end]
    }

    /// The path with its leading slash; empty when the id names the trust domain itself.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.text[self.domain_end..]
    }
}

impl fmt::Display for SpiffeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

impl fmt::Debug for SpiffeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SpiffeId({self})")
    }
}

impl FromStr for SpiffeId {
    type Err = Problem;

    fn from_str(text: &str) -> Result<Self, Problem> {
        if text.len() > SPIFFE_ID_BYTES_MAX {
            return Err(Problem::SpiffeId);
        }
        // Schemes compare without regard to case (RFC 3986, section 3.1); certificates of this project have one form.
        let rest = text.strip_prefix(SCHEME).ok_or(Problem::SpiffeId)?;
        let (domain, path) = match rest.find('/') {
            Some(slash) => rest.split_at(slash),
            None => (rest, ""),
        };
        let path_fits = path.is_empty() || path[1..].split('/').all(is_segment);
        if !is_trust_domain(domain) || !path_fits {
            return Err(Problem::SpiffeId);
        }
        Ok(Self { text: text.into(), domain_end: SCHEME.len() + domain.len() })
    }
}

/// SPIFFE-ID, section 2.1.
fn is_trust_domain(text: &str) -> bool {
    (1..=TRUST_DOMAIN_BYTES_MAX).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-_".contains(&byte))
}

/// SPIFFE-ID, section 2.2.
fn is_segment(text: &str) -> bool {
    !text.is_empty()
        && text != "."
        && text != ".."
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ids_of_the_specification_are_read() {
        let long_domain = format!("spiffe://{}", "a".repeat(255));
        let long = format!("spiffe://d/{}", "a".repeat(SPIFFE_ID_BYTES_MAX - 11));
        for good in [
            "spiffe://staging.example.com/payments/mysql",
            "spiffe://k8s-west.example.com/ns/staging/sa/default",
            "spiffe://example.com/9eebccd2-12bf-40a6-b262-65fe0487d453",
            "spiffe://example.com",
            "spiffe://a_b.c-d1/X.y_Z-0",
            "spiffe://127.0.0.1/symbolon/1",
            "spiffe://example.com/...",
            &long_domain,
            &long,
        ] {
            assert_eq!(good.parse::<SpiffeId>().unwrap().as_str(), good);
        }
        let id: SpiffeId = "spiffe://bank.example/symbolon/node-1".parse().unwrap();
        assert_eq!((id.trust_domain(), id.path()), ("bank.example", "/symbolon/node-1"));
        assert_eq!("spiffe://d".parse::<SpiffeId>().unwrap().path(), "");
    }

    #[test]
    fn everything_else_is_refused() {
        let long_domain = format!("spiffe://{}", "a".repeat(256));
        let long = format!("spiffe://d/{}", "a".repeat(SPIFFE_ID_BYTES_MAX - 10));
        for bad in [
            "",
            "spiffe:",
            "spiffe://",
            "spiffe:///path",
            "SPIFFE://example.com/a",
            "https://example.com/a",
            "spiffe:/example.com/a",
            "spiffe://Example.com/a",
            "spiffe://example.com/",
            "spiffe://example.com/a/",
            "spiffe://example.com//a",
            "spiffe://example.com/a//b",
            "spiffe://example.com/./a",
            "spiffe://example.com/a/..",
            "spiffe://example.com/a%20b",
            "spiffe://ex%61mple.com/a",
            "spiffe://example.com:8443/a",
            "spiffe://user@example.com/a",
            "spiffe://example.com/a?b",
            "spiffe://example.com/a#b",
            "spiffe://example.com?b",
            "spiffe://example.com#b",
            "spiffe://[::1]/a",
            "spiffe://ex\u{e4}mple.com/a",
            "spiffe://example.com/\u{e4}",
            "spiffe://example.com/a b",
            " spiffe://example.com/a",
            "spiffe://example.com/a\n",
            &long_domain,
            &long,
        ] {
            assert_eq!(bad.parse::<SpiffeId>(), Err(Problem::SpiffeId), "{bad:?}");
        }
    }

    #[test]
    fn nodes_are_named_under_their_host() {
        let of = |host: &str, node: &str| SpiffeId::of_node(&SpiffeId::trust_domain_of_host(host), node);
        assert_eq!(of("Node.Bank.example", "1").unwrap().as_str(), "spiffe://node.bank.example/symbolon/1");
        assert_eq!(of("2001:db8::1", "1").unwrap().as_str(), "spiffe://2001-db8--1/symbolon/1");
        for node in ["", "..", "a/b", "a b"] {
            assert_eq!(of("bank.example", node), Err(Problem::SpiffeId), "{node}");
        }
    }

    proptest! {
        #[test]
        fn what_is_read_has_the_form_and_nothing_panics(text in "(spiffe://)?[a-z0-9._/%:?#@ A-Z-]{0,40}") {
            if let Ok(id) = text.parse::<SpiffeId>() {
                prop_assert_eq!(format!("spiffe://{}{}", id.trust_domain(), id.path()), text);
                prop_assert!(!id.path().ends_with('/'));
            }
        }
    }
}
