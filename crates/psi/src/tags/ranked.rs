//! Sorting by tags.
//!
//! Tags are the output of a hash, so they spread evenly: distributing by their leading bits, twice, leaves almost
//! nothing to compare. An uneven distribution costs time and nothing else.

use rayon::prelude::*;

use super::tag_prefix;

/// Entries that are distributed at once: they and their copy stay in the second cache.
const PIECE: usize = 1 << 15;

/// The most buckets of the first distribution, as a power of two.
const BUCKET_BITS_MAX: u32 = 10;

/// Bytes of a tag that a [`Ranked`] holds.
pub(crate) const RANKED_BYTES: usize = 12;

/// The first twelve bytes of a tag, and the number of what it belongs to. Sorts by the tag, then by the number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Ranked {
    prefix: u64,
    rest: u32,
    pub(crate) index: u32,
}

impl Ranked {
    /// Reads a tag; one of less than twelve bytes is followed by zeros.
    pub(crate) fn new(tag: &[u8], index: u32) -> Self {
        let rest = tag.get(8..).map_or(0, |rest| u32::try_from(tag_prefix(rest) >> 32).unwrap_or_default());
        Self { prefix: tag_prefix(tag), rest, index }
    }

    /// Reads a tag of `width` bytes at the head of `bytes`. Faster than [`Ranked::new`] where there are twelve.
    pub(crate) fn read(bytes: &[u8], width: usize, index: u32) -> Self {
        let Some((head, tail)) = bytes.first_chunk::<RANKED_BYTES>().map(|bytes| bytes.split_at(8)) else {
            return Self::new(&bytes[..width.min(bytes.len())], index);
        };
        let (mut prefix, mut rest) = (tag_prefix(head), 0);
        if width < 8 {
            prefix &= !(u64::MAX >> (8 * width));
        } else if width > 8 {
            rest = tail.first_chunk().map_or(0, |tail| u32::from_be_bytes(*tail));
            rest &= !u32::MAX.checked_shr(u32::try_from(8 * (width - 8)).unwrap_or(32)).unwrap_or(0);
        }
        Self { prefix, rest, index }
    }

    /// The bytes as a number that sorts like them.
    pub(crate) const fn tag(&self) -> (u64, u32) {
        (self.prefix, self.rest)
    }
}

/// Sorts `entries`. The result does not depend on the number of threads.
pub(crate) fn sort(mut entries: Vec<Ranked>) -> Vec<Ranked> {
    if entries.len() < 1 << 12 {
        entries.sort_unstable();
        return entries;
    }
    let bits = (entries.len().ilog2() - 9).min(BUCKET_BITS_MAX);
    let pieces: Vec<Piece> = entries.par_chunks(PIECE).map(|piece| Piece::new(piece, bits)).collect();
    // The pieces hold all of it, so that the entries can be overwritten.
    let mut rest = &mut entries[..];
    let mut buckets = Vec::with_capacity(1 << bits);
    for bucket in 0..1 << bits {
        let length = pieces.iter().map(|piece| piece.bucket(bucket).len()).sum();
        let (first, behind) = rest.split_at_mut(length);
        buckets.push(first);
        rest = behind;
    }
    buckets.into_par_iter().enumerate().with_min_len(8).for_each(|(bucket, out)| {
        let parts = || pieces.iter().flat_map(|piece| piece.bucket(bucket));
        sort_bucket(parts, bits, out);
    });
    entries
}

/// Some entries, by bucket.
struct Piece {
    entries: Vec<Ranked>,
    starts: Vec<u32>,
}

impl Piece {
    fn new(entries: &[Ranked], bits: u32) -> Self {
        let bucket = |entry: &Ranked| place(entry.prefix >> (64 - bits));
        let mut starts = vec![0_u32; (1 << bits) + 1];
        for entry in entries {
            starts[bucket(entry) + 1] += 1;
        }
        let mut sum = 0;
        for start in &mut starts {
            sum += *start;
            *start = sum;
        }
        let mut next = starts.clone();
        let mut sorted = vec![Ranked::default(); entries.len()];
        for entry in entries {
            let next = &mut next[bucket(entry)];
            sorted[*next as usize] = *entry;
            *next += 1;
        }
        Self { entries: sorted, starts }
    }

    fn bucket(&self, bucket: usize) -> &[Ranked] {
        &self.entries[self.starts[bucket] as usize..self.starts[bucket + 1] as usize]
    }
}

/// Sorts one bucket, whose entries agree in their first `bits` bits, into `out`.
fn sort_bucket<'a, I: Iterator<Item = &'a Ranked>>(parts: impl Fn() -> I, bits: u32, out: &mut [Ranked]) {
    if out.is_empty() {
        return;
    }
    let finer = out.len().ilog2() + 1;
    let bucket = |entry: &Ranked| place((entry.prefix << bits) >> (64 - finer));
    let mut next = vec![0_u32; (1 << finer) + 1];
    for entry in parts() {
        next[bucket(entry) + 1] += 1;
    }
    let most = next.iter().copied().max().unwrap_or(0);
    let mut sum = 0;
    for start in &mut next {
        sum += *start;
        *start = sum;
    }
    for entry in parts() {
        let next = &mut next[bucket(entry)];
        out[*next as usize] = *entry;
        *next += 1;
    }
    if most > 24 {
        out.sort_unstable();
        return;
    }
    // Every entry is within `most` places of where it belongs.
    for at in 1..out.len() {
        let entry = out[at];
        let mut free = at;
        while free > 0 && out[free - 1] > entry {
            out[free] = out[free - 1];
            free -= 1;
        }
        out[free] = entry;
    }
}

fn place(bits: u64) -> usize {
    usize::try_from(bits).expect("a bucket number has at most 31 bits")
}

#[cfg(test)]
mod tests {
    use rand_core::Rng;
    use symbolon_primitives::prg::Prg;
    use symbolon_primitives::secret::Secret;

    use super::*;

    #[test]
    fn a_tag_sorts_like_its_bytes() {
        let tags: [&[u8]; 5] = [b"", b"abcdefg", b"abcdefgh", b"abcdefghij", b"abcdefghijklm"];
        let ranked: Vec<Ranked> = tags.iter().map(|tag| Ranked::new(tag, 0)).collect();
        assert!(ranked.is_sorted_by(|one, two| one < two));
        assert_eq!(Ranked::new(b"abcdefghijkl", 1).tag(), Ranked::new(b"abcdefghijklm", 2).tag());
        assert_eq!(Ranked::new(b"\0\0\0\0\0\0\0\x01\0\x02", 7).tag(), (1, 2 << 16));
        let bytes: Vec<u8> = (0x81..0x91).collect();
        for width in 1..=12 {
            for length in width..16 {
                assert_eq!(Ranked::read(&bytes[..length], width, 3), Ranked::new(&bytes[..width], 3));
            }
        }
        assert_eq!(Ranked::read(&bytes, 14, 3), Ranked::new(&bytes[..14], 3));
    }

    #[test]
    fn sorts_even_and_uneven_tags_of_every_size() {
        let mut rng = Prg::new(Secret::new([1; 32]));
        for size in [0, 1, 2, 4_095, 4_096, 4_097, 100_000] {
            // All bits, few leading bits, all alike.
            for mask in [u64::MAX, 0xFF, 0xFFFF_0000_0000_0000, 0] {
                let draw = |index| Ranked { prefix: rng.next_u64() & mask, rest: rng.next_u32(), index };
                let entries: Vec<Ranked> = (0..size).map(draw).collect();
                let mut expected = entries.clone();
                expected.sort_unstable();
                assert_eq!(sort(entries), expected);
            }
        }
    }
}
