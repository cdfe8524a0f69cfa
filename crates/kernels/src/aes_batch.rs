//! AES-128 on many blocks: levels of a GGM tree, streams in counter mode, and streams of many keys folded into two.
//!
//! # What it computes
//! A block is a `u128` in little-endian order of bytes.
//! * [`ggm_level`]: the two children of every node of a level, child b of p being AES_{k_b}(p) ⊕ p
//!   (Matyas-Meyer-Oseas with two keys that are fixed for one job).
//! * [`ctr_fill`]: the stream of one key.
//! * [`StreamKeys::fold`]: of up to 256 keys the sum of their streams, and the sum of each stream times the number
//!   of its key as an element of GF(2^8), without ever holding more than a few streams.
//!
//! # Backends
//! * `avx512`: VAES, 16 or more blocks in flight in 64-byte vectors.
//! * `avx2`: AES-NI, eight blocks in flight.
//! * Portable: the `aes` crate. It defines the results.
//!
//! # Security
//! Time and addresses depend on the numbers of blocks and keys only: AES instructions take the same time for all keys
//! and blocks, the `aes` crate uses them or bit slices, and which stream enters which sum is public.
//! [`GgmKeys`] and [`StreamKeys`] are wiped when dropped and never printed. In the ideal-cipher model the map from a
//! node to its children with two fixed random keys is a length-doubling generator whose outputs look independent as
//! long as the number of nodes stays far below 2^64; the keys must be public randomness that is drawn for one job and
//! was unknown when roots were chosen, as a hash of the session's salt is.
//!
//! # Cost
//! On one thread of a Zen 4 server with `avx512`, `avx2` and the portable backend (the crate uses AES-NI there): 1.7,
//! 3.2 and 7 ns a leaf for a whole tree in the second cache, 2.1, 3.3 and 7.6 ns for 2^21 leaves level by level; 0.8,
//! 1.9 and 6 ns a block of a stream; 14, 24 and 350 ns a byte of both sums of 256 streams.
//! `cargo bench -p symbolon-kernels --bench symmetric` prints these and those of the other symmetric kernels.
//!
//! # References
//! * [FIPS 197](https://doi.org/10.6028/NIST.FIPS.197-upd1), [SP 800-38A](https://doi.org/10.6028/NIST.SP.800-38A)
//! * Guo, Katz, Wang, Yu, [Efficient and Secure Multiparty Computation from Fixed-Key Block
//!   Ciphers](https://eprint.iacr.org/2019/074)
//! * Roy, [SoftSpokenOT](https://eprint.iacr.org/2022/192), section 5 for the folding of streams

use std::fmt;

use zeroize::Zeroizing;

use crate::cpu::Backend;
#[cfg(target_arch = "x86_64")]
use crate::cpu::{Avx2, Avx512};

mod portable;
#[cfg(target_arch = "x86_64")]
mod x86_64;

/// Bytes of an AES-128 key.
pub const KEY_BYTES: usize = 16;

/// Streams that [`StreamKeys`] folds at most.
pub const STREAMS_MAX: usize = 256;

/// The two keys of the trees of one job; wiped when dropped.
pub struct GgmKeys(GgmInner);

enum GgmInner {
    Portable(Box<[portable::Key; 2]>),
    #[cfg(target_arch = "x86_64")]
    Avx2(Avx2, Box<[x86_64::RoundKeys; 2]>),
    #[cfg(target_arch = "x86_64")]
    Avx512(Avx512, Box<[x86_64::RoundKeys; 2]>),
}

impl GgmKeys {
    /// Prepares the key of left children and that of right ones.
    #[must_use]
    pub fn new(left: [u8; KEY_BYTES], right: [u8; KEY_BYTES]) -> Self {
        Self::new_on(Backend::best(), left, right)
    }

    fn new_on(backend: Backend, left: [u8; KEY_BYTES], right: [u8; KEY_BYTES]) -> Self {
        let keys = [left, right];
        Self(match backend {
            Backend::Portable => GgmInner::Portable(Box::new(keys.map(|key| portable::Key::new(&key)))),
            #[cfg(target_arch = "x86_64")]
            Backend::Avx2(cpu) => GgmInner::Avx2(cpu, Box::new(keys.map(|key| x86_64::RoundKeys::new(cpu, &key)))),
            #[cfg(target_arch = "x86_64")]
            Backend::Avx512(cpu) => {
                GgmInner::Avx512(cpu, Box::new(keys.map(|key| x86_64::RoundKeys::new(cpu.avx2(), &key))))
            }
        })
    }
}

impl fmt::Debug for GgmKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("GgmKeys(..)")
    }
}

/// Writes the two children of `parents[i]` to `children[2·i]` and `children[2·i + 1]`: AES_{k_b}(p) ⊕ p.
///
/// # Panics
/// When there are not twice as many children as parents.
pub fn ggm_level(keys: &GgmKeys, parents: &[u128], children: &mut [u128]) {
    assert!(children.len().is_multiple_of(2) && children.len() / 2 == parents.len(), "two children for each parent");
    match &keys.0 {
        GgmInner::Portable(keys) => portable::ggm_level(keys, parents, children),
        #[cfg(target_arch = "x86_64")]
        GgmInner::Avx2(cpu, keys) => x86_64::avx2::ggm_level(*cpu, keys, parents, children),
        #[cfg(target_arch = "x86_64")]
        GgmInner::Avx512(cpu, keys) => x86_64::avx512::ggm_level(*cpu, keys, parents, children),
    }
}

/// Writes the stream of `key` in counter mode: block i is AES_key(`first_block` + i mod 2^128), the last one cut to
/// what is left of `out`.
pub fn ctr_fill(key: &[u8; KEY_BYTES], first_block: u128, out: &mut [u8]) {
    ctr_fill_on(Backend::best(), key, first_block, out);
}

fn ctr_fill_on(backend: Backend, key: &[u8; KEY_BYTES], first_block: u128, out: &mut [u8]) {
    let head = before_wrap(first_block, out.len());
    let (out, rest) = out.split_at_mut(head);
    match backend {
        Backend::Portable => portable::ctr_fill(&portable::Key::new(key), first_block, out),
        #[cfg(target_arch = "x86_64")]
        Backend::Avx2(cpu) => {
            x86_64::avx2::ctr_fill(cpu, &x86_64::RoundKeys::new(cpu, key), first_block, out);
        }
        #[cfg(target_arch = "x86_64")]
        Backend::Avx512(cpu) => {
            x86_64::avx512::ctr_fill(cpu, &x86_64::RoundKeys::new(cpu.avx2(), key), first_block, out);
        }
    }
    if !rest.is_empty() {
        ctr_fill_on(backend, key, first_block.wrapping_add((head / KEY_BYTES) as u128), rest);
    }
}

/// How many of `bytes` come before the lower half of the counter wraps, which vectors do not carry over.
fn before_wrap(first_block: u128, bytes: usize) -> usize {
    let blocks = (1 << 64) - first_block % (1 << 64);
    usize::try_from(blocks * KEY_BYTES as u128).map_or(bytes, |before| before.min(bytes))
}

/// Keys of many streams, wiped when dropped.
pub struct StreamKeys(StreamInner);

enum StreamInner {
    Portable(Vec<portable::Key>),
    #[cfg(target_arch = "x86_64")]
    Avx2(Avx2, Vec<x86_64::RoundKeys>),
    #[cfg(target_arch = "x86_64")]
    Avx512(Avx512, Vec<x86_64::RoundKeys>),
}

impl StreamKeys {
    /// Prepares one stream for each seed, whose bytes in little-endian order are the key.
    ///
    /// # Panics
    /// When the number of seeds is not a power of two from 4 to 256.
    #[must_use]
    pub fn new(seeds: &[u128]) -> Self {
        Self::new_on(Backend::best(), seeds)
    }

    fn new_on(backend: Backend, seeds: &[u128]) -> Self {
        let count = seeds.len();
        assert!(count.is_power_of_two() && (4..=STREAMS_MAX).contains(&count), "a power of two of streams");
        let keys = seeds.iter().map(|seed| Zeroizing::new(seed.to_le_bytes()));
        Self(match backend {
            Backend::Portable => StreamInner::Portable(keys.map(|key| portable::Key::new(&key)).collect()),
            #[cfg(target_arch = "x86_64")]
            Backend::Avx2(cpu) => StreamInner::Avx2(cpu, keys.map(|key| x86_64::RoundKeys::new(cpu, &key)).collect()),
            #[cfg(target_arch = "x86_64")]
            Backend::Avx512(cpu) => {
                StreamInner::Avx512(cpu, keys.map(|key| x86_64::RoundKeys::new(cpu.avx2(), &key)).collect())
            }
        })
    }

    /// With s_x the stream of seed x from block `first_block` on, as [`ctr_fill`] gives it, writes ⊕ s_x to `sum` and
    /// ⊕ x·s_x to `weighted`, where x and each byte of a stream are elements of GF(2^8) modulo 0x11B.
    ///
    /// Stream 0 has no part in `weighted`, so whoever does not know its seed may give any other.
    ///
    /// # Panics
    /// When the lengths differ.
    pub fn fold(&self, first_block: u128, sum: &mut [u8], weighted: &mut [u8]) {
        assert_eq!(sum.len(), weighted.len(), "two sums of one length");
        let head = before_wrap(first_block, sum.len());
        let ((sum, rest_of_sum), (weighted, rest)) = (sum.split_at_mut(head), weighted.split_at_mut(head));
        match &self.0 {
            StreamInner::Portable(keys) => portable::fold(keys, first_block, sum, weighted),
            #[cfg(target_arch = "x86_64")]
            StreamInner::Avx2(cpu, keys) => x86_64::avx2::fold(*cpu, keys, first_block, sum, weighted),
            #[cfg(target_arch = "x86_64")]
            StreamInner::Avx512(cpu, keys) => x86_64::avx512::fold(*cpu, keys, first_block, sum, weighted),
        }
        if !rest.is_empty() {
            self.fold(first_block.wrapping_add((head / KEY_BYTES) as u128), rest_of_sum, rest);
        }
    }
}

impl fmt::Debug for StreamKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StreamKeys(..)")
    }
}

#[cfg(test)]
mod tests;
