//! Cryptographic primitives of symbolon: the ristretto255 group and the OPRF on it, authenticated encryption of
//! records and streams, HPKE, signatures, and the types that hold secrets.
//!
//! Nothing here knows a network, a file format of tables or an asynchronous runtime.

pub mod aead;
pub mod envelope;
pub mod group;
pub mod hash;
pub mod hpke;
pub mod kdf;
pub mod oprf;
pub mod prg;
pub mod secret;
pub mod sign;
pub mod stream;

mod error;

pub use error::Error;
/// Keyed BLAKE3 of many short inputs at once.
pub use symbolon_kernels::blake3_many;
/// Large vectors on large pages.
pub use symbolon_kernels::memory;
