//! Private set intersection protocols as machines without I/O.
//!
//! Two institutions each hold a [`Party`]. A driver moves [`Frame`]s between them and gives each the processor it
//! asks for; see [`machine`]. Nothing here opens a socket or a file, reads a clock, or draws randomness of its own:
//! everything comes in as an argument, so a run can be repeated byte for byte in a test.
//!
//! * [`ecdh`] and [`rr22`]: the protocols, each documented from what it computes to its references.
//! * [`leakage`]: what each side learns, as data.
//! * [`manual`]: choosing a protocol, threat model, parameters, how to add a protocol.
//!
//! # Known gaps
//! * A run cannot be resumed: after a failure a new session starts.
//! * A minimum intersection binds a receiver that deviates for the payload only, see [`Release`], and there only as
//!   far as its report is true. Which keys match it learns in any case.
//! * Access patterns of matching depend on data; on a host shared with an attacker they leak through caches.

pub mod ecdh;
pub mod error;
pub mod frame;
pub mod leakage;
pub mod machine;
pub mod manual;
pub mod rr22;
pub mod sid;
#[cfg(any(test, feature = "test-util"))]
pub mod testing;

mod items;
mod limits;
mod padding;
mod parameters;
mod party;
mod payload;
mod release;
mod role;
mod rows;
mod session;
mod shuffle;
mod tags;

pub use error::Error;
pub use frame::Frame;
pub use items::{ItemSet, ReceiverInput, SenderInput};
pub use limits::Limits;
pub use machine::{Machine, Progress, Step};
pub use padding::padded_rows;
pub use parameters::{Parameter, parameters};
pub use party::{MatchedRows, Outcome, Output, Party, TranscriptHashes};
pub use release::{Release, Report};
pub use role::{Protocol, Role};
pub use session::{SessionSpec, WireCost};
pub use sid::Sid;

#[cfg(test)]
mod tests;
