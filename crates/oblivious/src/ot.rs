//! Oblivious transfer: of two secrets the receiver learns the one it chooses, and the sender does not learn which.
//!
//! * [`base`]: a few transfers from public-key operations.
//! * [`extension`]: many transfers from 128 of them, with symmetric operations only.

pub mod base;
pub mod extension;
