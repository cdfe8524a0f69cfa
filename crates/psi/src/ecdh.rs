//! Protocols from the Diffie-Hellman assumption on ristretto255.
//!
//! | protocol | who learns what | security |
//! |---|---|---|
//! | [`oprf`] | the receiver learns the matching rows and their payload | malicious on both sides |
//! | [`mutual`] | both learn the matching keys | semi-honest |
//! | [`cardinality`] | the receiver learns how many keys match | semi-honest |

pub mod cardinality;
pub mod mutual;
pub mod oprf;

mod distinct;
mod points;

pub(crate) use points::POINTS_PER_FRAME;
