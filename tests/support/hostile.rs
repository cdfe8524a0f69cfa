//! A peer that breaks the rules on purpose.
//!
//! It speaks TLS with certificates of its choice, gRPC through the generated client and server, and signs what it likes
//! with keys it has. Nothing of it is used by a node: what it has in common with an honest peer are the messages.

pub mod client;
pub mod server;
pub mod tls;

use symbolon_node::Error;
use symbolon_node::error::{Unavailable, describe};
use symbolon_node::status::from_peer;
use tonic::Status;

pub use client::{Client, Intruder, Run, Talk};
pub use server::{Deed, Guest, Impostor};
pub use tls::{Identity, knock, plain};

/// How an attempt ended: the documented word that came back.
#[must_use]
pub fn word(status: &Status) -> String {
    reason(&from_peer(status))
}

/// The documented word of an error, as the one who meets it reads it.
#[must_use]
pub fn reason(error: &Error) -> String {
    match error {
        Error::Unavailable(Unavailable::Aborted { reason, .. }) => (*reason).to_owned(),
        other => other.reason().to_owned(),
    }
}

/// Whether a word is in the node's documented list.
#[must_use]
pub fn is_documented(reason: &str) -> bool {
    describe(reason).is_some()
}
