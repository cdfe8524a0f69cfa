//! A seeded generator for everything a protocol draws, so that a run can be repeated byte for byte from its
//! seed, in parallel too.

use std::convert::Infallible;
use std::fmt;

use chacha20::ChaCha20Rng;
use rand_core::{Rng, SeedableRng, TryCryptoRng, TryRng};

use crate::kdf::{self, Label};
use crate::secret::{Secret, Seed};

/// ChaCha20 as a random generator (RFC 8439 block function, 64-bit counter), wiped when dropped.
///
/// [`Prg::fork`] depends on the seed only, not on what was drawn before: chunks of work can take their own
/// generator in any order, on any thread, and draw the same values in every run.
pub struct Prg {
    seed: Seed,
    stream: ChaCha20Rng,
}

impl Prg {
    /// Starts the generator of `seed`.
    #[must_use]
    pub fn new(seed: Seed) -> Self {
        let stream = ChaCha20Rng::from_seed(*seed.expose());
        Self { seed, stream }
    }

    /// Starts a generator with a seed from the operating system.
    ///
    /// # Errors
    /// [`Error::Environment`](crate::Error::Environment) when the system has no entropy to give.
    pub fn from_system() -> Result<Self, crate::Error> {
        Ok(Self::new(Seed::random()?))
    }

    /// The generator for the use `label` and the piece of work `index`.
    ///
    /// # Security
    /// The same pair gives the same generator: use each pair for one purpose.
    #[must_use]
    pub fn fork(&self, label: Label, index: u64) -> Self {
        let info: [&[u8]; 4] = [Label::Fork.as_bytes(), b"\0", label.as_bytes(), &index.to_be_bytes()];
        Self::new(kdf::derive_seed(self.seed.expose(), &info))
    }

    /// Draws a seed for something that takes one.
    pub fn draw_seed(&mut self) -> Seed {
        let mut seed = Secret::new([0_u8; 32]);
        self.fill_bytes(seed.expose_mut());
        seed
    }
}

impl TryRng for Prg {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        self.stream.try_next_u32()
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        self.stream.try_next_u64()
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Infallible> {
        self.stream.try_fill_bytes(out)
    }
}

impl TryCryptoRng for Prg {}

impl fmt::Debug for Prg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Prg(..)")
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn draw(mut prg: Prg) -> [u8; 32] {
        *prg.draw_seed().expose()
    }

    /// RFC 8439, appendix A.1, vector 1: key, counter and nonce all zero.
    #[test]
    fn the_stream_is_chacha20() {
        let mut out = [0_u8; 16];
        Prg::new(Secret::new([0; 32])).fill_bytes(&mut out);
        assert_eq!(hex::encode(out), "76b8e0ada0f13d90405d6ae55386bd28");
    }

    #[test]
    fn forks_depend_on_the_seed_and_the_pair_only() {
        let mut parent = Prg::new(Secret::new([9; 32]));
        let before = draw(parent.fork(Label::Blinds, 3));
        let own = *parent.draw_seed().expose();
        assert_eq!(before, draw(parent.fork(Label::Blinds, 3)));

        let mut seen = HashSet::from([own, before]);
        assert!(seen.insert(draw(parent.fork(Label::Blinds, 4))));
        assert!(seen.insert(draw(parent.fork(Label::Order, 3))));
        assert!(seen.insert(draw(parent.fork(Label::Blinds, 3).fork(Label::Blinds, 3))));
        assert!(seen.insert(draw(Prg::new(Secret::new([8; 32])).fork(Label::Blinds, 3))));
        assert!(seen.insert(draw(Prg::from_system().unwrap())));
    }

    #[test]
    fn debug_shows_nothing() {
        let prg = Prg::new(Secret::new([0xA7; 32]));
        assert_eq!(format!("{prg:?}{prg:#?}"), "Prg(..)Prg(..)");
    }
}
