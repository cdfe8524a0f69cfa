//! The node: sessions with peers over mutually authenticated gRPC, agreements, tables, jobs and results.
//!
//! [`home::Home`] is a node's directory: configuration, keys, state. What an operator does with it are the methods in
//! [`ops`]; they work with or without a running node. [`run()`] serves it: [`tls`] lets pinned peers in, [`exchange`]
//! answers them, [`gate`] decides on every call and every phase of a job, [`evidence`] records what happened, [`jobs`]
//! takes each job from its offer to its result, and [`session`] pumps the protocol's machine.

pub mod client;
pub mod clock;
pub mod config;
pub mod control;
pub mod control_client;
pub mod convert;
pub mod error;
pub mod evidence;
pub mod exchange;
pub mod gate;
pub mod home;
pub mod jobs;
pub mod keys;
pub mod keystore;
pub mod ops;
mod rate;
pub mod result;
pub mod run;
pub mod session;
pub mod status;
pub mod store;
pub mod telemetry;
pub mod tls;

mod files;

pub use error::Error;
pub use run::run;
