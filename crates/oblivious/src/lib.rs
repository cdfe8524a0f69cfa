//! Correlations between two parties who do not trust each other: oblivious transfer, vector oblivious linear
//! evaluation and oblivious key-value stores.
//!
//! Nothing here does I/O. Each protocol is a run of states whose methods take `self` and typed messages whose length
//! follows from public parameters; randomness comes in as an argument, so a run can be repeated byte for byte.
//!
//! * [`okvs`]: a vector from which the value of each key can be read, linearly.
//! * [`ot`]: oblivious transfer, base and extended.
//! * [`vole`]: the shares of a vector oblivious linear evaluation over GF(2^128).
//!
//! # Known gaps
//! * All protocols here are for parties that follow them. What a deviating party could gain is said where each is
//!   described.
//! * Base transfers rest on Diffie-Hellman alone. A hybrid with ML-KEM needs its public keys as group elements of the
//!   same protocol, one key pair an instance, and would hide choice bits under module LWE only, where points hide
//!   them perfectly; it is not built.
//! * A silent block sends 128 blocks for each noise value, 1.7 MB in all: for 2^16 slots that is more than the join.

pub mod block;
pub mod error;
#[cfg(any(test, feature = "test-util"))]
pub mod ideal;
pub mod okvs;
pub mod ot;
pub mod vole;

pub use block::{Block, Delta};
pub use error::Error;
