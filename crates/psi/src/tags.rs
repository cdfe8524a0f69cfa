//! Tags: how long short ones are, short tags of doubly masked points, and looking tags up.

use rayon::prelude::*;
use sha2::{Digest, Sha256};
use symbolon_primitives::kdf::Label;

use crate::sid::Sid;

mod ranked;

pub(crate) use ranked::{RANKED_BYTES, Ranked, sort};

/// Statistical security of tag comparison: any false match has at most probability 2^-40.
const STATISTICAL_BITS: u32 = 40;

/// Bytes of a tag: ceil((40 + ceil(log2 n) + ceil(log2 m)) / 8) for sets of n and m keys.
///
/// There are n·m pairs of unequal keys, each pair collides with probability 2^-bits.
pub(crate) fn tag_bytes(rows: u64, rows_peer: u64) -> usize {
    let log2_ceil = |count: u64| count.next_power_of_two().ilog2();
    (STATISTICAL_BITS + log2_ceil(rows) + log2_ceil(rows_peer)).div_ceil(8) as usize
}

/// A tag as a number: big-endian, so that numbers and bytes sort alike.
pub(crate) type ShortTag = u128;

/// Makes and reads tags of one width in one session.
pub(crate) struct Tagger {
    prefix: Sha256,
    bytes: usize,
}

impl Tagger {
    pub(crate) fn new(label: Label, sid: &Sid, bytes: usize) -> Self {
        let prefix = Sha256::new().chain_update(label.as_bytes()).chain_update(sid.as_bytes());
        Self { prefix, bytes }
    }

    /// SHA-256(label ‖ sid ‖ point), cut to the width.
    pub(crate) fn tag(&self, point: &[u8; 32]) -> ShortTag {
        let hash = self.prefix.clone().chain_update(point).finalize();
        self.read(&hash[..self.bytes])
    }

    /// The tags of many points.
    pub(crate) fn tags(&self, points: &[[u8; 32]]) -> Vec<ShortTag> {
        points.par_iter().with_min_len(256).map(|point| self.tag(point)).collect()
    }

    /// Reads one tag from its bytes.
    pub(crate) fn read(&self, bytes: &[u8]) -> ShortTag {
        let mut number = [0; 16];
        number[16 - self.bytes..].copy_from_slice(bytes);
        u128::from_be_bytes(number)
    }

    /// Reads all tags of a frame's body, whose length was checked.
    pub(crate) fn read_all<'a>(&'a self, body: &'a [u8]) -> impl Iterator<Item = ShortTag> {
        body.chunks_exact(self.bytes).map(|bytes| self.read(bytes))
    }

    /// Writes tags one after the other.
    pub(crate) fn write(&self, tags: &[ShortTag]) -> Vec<u8> {
        tags.iter().flat_map(|tag| tag.to_be_bytes().into_iter().skip(16 - self.bytes)).collect()
    }
}

/// The first eight bytes of a tag as a number that sorts like the tag; a shorter tag is followed by zeros.
pub(crate) fn tag_prefix(tag: &[u8]) -> u64 {
    if let Some(bytes) = tag.first_chunk() {
        return u64::from_be_bytes(*bytes);
    }
    let mut bytes = [0; 8];
    let length = tag.len().min(8);
    bytes[..length].copy_from_slice(&tag[..length]);
    u64::from_be_bytes(bytes)
}

/// For values in ascending order: where those with a given beginning lie.
pub(crate) struct PrefixIndex {
    starts: Vec<u32>,
    shift: u32,
}

impl PrefixIndex {
    /// Indexes `count` values by their leading 64 bits, given in ascending order.
    pub(crate) fn new(count: usize, sorted: impl Iterator<Item = u64>) -> Self {
        let bits = count.max(2).ilog2();
        let shift = 64 - bits;
        let mut starts = vec![0_u32; (1 << bits) + 1];
        for prefix in sorted {
            starts[bucket(prefix, shift) + 1] += 1;
        }
        let mut sum = 0;
        for start in &mut starts {
            sum += *start;
            *start = sum;
        }
        Self { starts, shift }
    }

    /// The positions that values beginning with `prefix` can have.
    pub(crate) fn range(&self, prefix: u64) -> std::ops::Range<usize> {
        let bucket = bucket(prefix, self.shift);
        self.starts[bucket] as usize..self.starts[bucket + 1] as usize
    }
}

fn bucket(prefix: u64, shift: u32) -> usize {
    usize::try_from(prefix >> shift).expect("a bucket number has at most 30 bits")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn widths_follow_the_formula() {
        assert_eq!(tag_bytes(1 << 20, 1 << 20), 10);
        assert_eq!(tag_bytes(1 << 24, 1 << 24), 11);
        assert_eq!(tag_bytes(1 << 20, 1 << 30), 12);
        assert_eq!(tag_bytes(1, 1), 5);
        assert_eq!(tag_bytes((1 << 20) + 1, 1 << 20), 11);
        assert_eq!(tag_bytes(1 << 30, 1 << 30), 13);
    }

    #[test]
    fn tags_come_back_and_differ_by_session_and_label() {
        let tagger = Tagger::new(Label::A2Tag, &Sid([1; 32]), 7);
        let tags = tagger.tags(&[[1; 32], [2; 32]]);
        let bytes = tagger.write(&tags);
        assert_eq!(bytes.len(), 14);
        assert_eq!(tagger.read_all(&bytes).collect::<Vec<_>>(), tags);
        let mut whole = Label::A2Tag.as_bytes().to_vec();
        whole.extend([1; 64]);
        assert_eq!(bytes[..7], Sha256::digest(&whole)[..7]);
        assert_ne!(Tagger::new(Label::A3Tag, &Sid([1; 32]), 7).tag(&[1; 32]), tags[0]);
        assert_ne!(Tagger::new(Label::A2Tag, &Sid([2; 32]), 7).tag(&[1; 32]), tags[0]);
    }

    #[test]
    fn the_index_covers_every_value() {
        for count in [0_u64, 1, 2, 3, 1_000] {
            let mut values: Vec<u64> = (0..count).map(|n| n.wrapping_mul(0x9E37_79B9_7F4A_7C15)).collect();
            values.extend([7, 7, 7]);
            values.sort_unstable();
            let index = PrefixIndex::new(values.len(), values.iter().copied());
            for (position, value) in values.iter().enumerate() {
                assert!(index.range(*value).contains(&position));
            }
            assert!(index.range(u64::MAX).len() <= values.len());
        }
    }
}
