//! What a side puts in: normalised keys, and for a sender the rows that hang on them.

use std::fmt;
use std::hash::{BuildHasher, RandomState};

use symbolon_primitives::kdf::Label;
use zeroize::Zeroize;

use crate::error::{Error, Misuse};
use crate::limits::Limits;
use crate::sid::{Sid, length_prefix};

/// Normalised keys, one after the other in one allocation. Wiped when dropped, never printed.
#[derive(Default)]
pub struct ItemSet {
    bytes: Vec<u8>,
    ends: Vec<u64>,
}

impl ItemSet {
    /// Makes an empty set with room for `keys` keys of `bytes` bytes together.
    #[must_use]
    pub fn with_capacity(keys: usize, bytes: usize) -> Self {
        Self { bytes: Vec::with_capacity(bytes), ends: Vec::with_capacity(keys) }
    }

    /// Takes keys that lie in `bytes` one after the other, the n-th ending before `ends[n]`.
    ///
    /// # Errors
    /// [`Misuse::KeyArena`] when `ends` decreases or does not end with the length of `bytes`.
    pub fn from_parts(bytes: Vec<u8>, ends: Vec<u64>) -> Result<Self, Error> {
        let last = ends.last().copied().unwrap_or(0);
        if !ends.is_sorted() || last != bytes.len() as u64 {
            return Err(Misuse::KeyArena.into());
        }
        Ok(Self { bytes, ends })
    }

    /// Appends a key.
    pub fn push(&mut self, key: &[u8]) {
        self.bytes.extend_from_slice(key);
        self.ends.push(self.bytes.len() as u64);
    }

    /// The number of keys.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is no key.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The key at `index`, or `None` behind the last.
    #[must_use]
    pub fn get(&self, index: usize) -> Option<&[u8]> {
        let end = *self.ends.get(index)?;
        let start = if index == 0 { 0 } else { self.ends[index - 1] };
        self.bytes.get(usize::try_from(start).ok()?..usize::try_from(end).ok()?)
    }

    /// Iterates over the keys.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        (0..self.len()).filter_map(|index| self.get(index))
    }

    /// Checks that no key is longer than allowed and none occurs twice.
    pub(crate) fn check(&self, limits: &Limits) -> Result<(), Error> {
        self.check_lengths(limits)?;
        self.check_distinct()
    }

    /// Checks that no key is longer than allowed.
    pub(crate) fn check_lengths(&self, limits: &Limits) -> Result<(), Error> {
        Limits::check("keys", self.len() as u64, Limits::ROWS_CEILING)?;
        let bytes_max = limits.key_bytes_max.min(Limits::KEY_BYTES_CEILING);
        for key in self.iter() {
            Limits::check("bytes of a key", key.len() as u64, u64::from(bytes_max))?;
        }
        Ok(())
    }

    /// A table of positions, four bytes a slot at half load, instead of a set of slices at sixteen.
    fn check_distinct(&self) -> Result<(), Error> {
        const FREE: u32 = u32::MAX;
        // The keys of this table decide where a key lies, not what comes out; they need no seed from outside.
        let state = RandomState::new();
        let mask = (self.len() * 2).next_power_of_two().max(2) - 1;
        let mut slots = vec![FREE; mask + 1];
        for (index, key) in (0_u32..).zip(self.iter()) {
            // Only the low bits are used.
            #[expect(clippy::cast_possible_truncation, reason = "a slot number needs the low bits only")]
            let mut slot = state.hash_one(key) as usize & mask;
            while slots[slot] != FREE {
                if self.get(slots[slot] as usize) == Some(key) {
                    return Err(Misuse::DuplicateKey { index }.into());
                }
                slot = (slot + 1) & mask;
            }
            slots[slot] = index;
        }
        Ok(())
    }
}

impl Drop for ItemSet {
    fn drop(&mut self) {
        self.bytes.zeroize();
    }
}

impl fmt::Debug for ItemSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ItemSet").field("keys", &self.len()).finish_non_exhaustive()
    }
}

impl<'a> FromIterator<&'a [u8]> for ItemSet {
    fn from_iter<I: IntoIterator<Item = &'a [u8]>>(keys: I) -> Self {
        let mut set = Self::default();
        for key in keys {
            set.push(key);
        }
        set
    }
}

/// What a sender puts in: distinct keys, and rows that each belong to one key.
pub struct SenderInput {
    /// The distinct keys.
    pub keys: ItemSet,
    /// For each row the position of its key; many rows may have the same key. Ignored by protocols that
    /// compare keys only ([`Protocol::EcdhMutual`](crate::Protocol::EcdhMutual),
    /// [`Protocol::EcdhCardinality`](crate::Protocol::EcdhCardinality)).
    pub row_key: Vec<u32>,
    /// The payload of the rows, one after the other, each of the length the session names; empty without.
    pub payload: Vec<u8>,
}

impl SenderInput {
    /// One row for each key, in the order of the keys.
    ///
    /// # Errors
    /// [`Error::LimitExceeded`] for more keys than positions.
    pub fn one_row_per_key(keys: ItemSet, payload: Vec<u8>) -> Result<Self, Error> {
        Limits::check("keys", keys.len() as u64, Limits::ROWS_CEILING)?;
        let row_key = (0_u32..).take(keys.len()).collect();
        Ok(Self { keys, row_key, payload })
    }

    /// Checks the rows against the keys and the payload against `payload_bytes` a row.
    pub(crate) fn check_rows(&self, payload_bytes: u32) -> Result<(), Error> {
        let out_of_range = |key: &u32| *key as usize >= self.keys.len();
        if let Some(row) = self.row_key.iter().position(out_of_range) {
            return Err(Misuse::RowKeyOutOfRange { row: row as u64 }.into());
        }
        let expected = self.row_key.len() as u64 * u64::from(payload_bytes);
        let got = self.payload.len() as u64;
        if got == expected { Ok(()) } else { Err(Misuse::PayloadLength { expected, got }.into()) }
    }
}

impl Drop for SenderInput {
    fn drop(&mut self) {
        self.payload.zeroize();
    }
}

impl fmt::Debug for SenderInput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SenderInput")
            .field("keys", &self.keys)
            .field("rows", &self.row_key.len())
            .finish_non_exhaustive()
    }
}

/// What a receiver puts in: distinct keys.
#[derive(Debug)]
pub struct ReceiverInput {
    /// The distinct keys.
    pub keys: ItemSet,
}

/// Writes items as the protocols hash them: label ‖ sid ‖ LP(schema) ‖ LP(key).
///
/// The session identifier inside makes every run's group elements unrelated to those of other runs.
pub(crate) struct ItemEncoder {
    prefix: Vec<u8>,
}

impl ItemEncoder {
    pub(crate) fn new(sid: &Sid, schema_id: &[u8]) -> Self {
        let mut prefix = Label::Item.as_bytes().to_vec();
        prefix.extend_from_slice(sid.as_bytes());
        prefix.extend_from_slice(&length_prefix(schema_id));
        prefix.extend_from_slice(schema_id);
        Self { prefix }
    }

    /// Encodes some keys into one buffer.
    pub(crate) fn encode<'a>(&self, keys: impl IntoIterator<Item = &'a [u8]>) -> EncodedItems {
        let (mut bytes, mut ends) = (Vec::new(), Vec::new());
        for key in keys {
            bytes.extend_from_slice(&self.prefix);
            bytes.extend_from_slice(&length_prefix(key));
            bytes.extend_from_slice(key);
            ends.push(bytes.len());
        }
        EncodedItems { bytes, ends }
    }
}

/// A chunk of encoded items; wiped when dropped.
pub(crate) struct EncodedItems {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl EncodedItems {
    /// The encodings as slices, the form the batch functions take.
    pub(crate) fn slices(&self) -> Vec<&[u8]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, end)| &self.bytes[start..*end]).collect()
    }
}

impl Drop for EncodedItems {
    fn drop(&mut self) {
        self.bytes.zeroize();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits =
        Limits { frame_bytes_max: Limits::FRAME_BYTES_MIN, rows_max: 100, payload_bytes_max: 8, key_bytes_max: 6 };

    #[test]
    fn keys_come_back_in_order() {
        let keys: [&[u8]; 4] = [b"a", b"", b"abc", b"b"];
        let set: ItemSet = keys.into_iter().collect();
        assert_eq!(set.len(), 4);
        assert_eq!(set.iter().collect::<Vec<_>>(), keys);
        assert_eq!(set.get(4), None);
        set.check(&LIMITS).unwrap();
        let same = ItemSet::from_parts(b"aabcb".to_vec(), vec![1, 1, 4, 5]).unwrap();
        assert_eq!(same.iter().collect::<Vec<_>>(), keys);
    }

    #[test]
    fn duplicates_and_long_keys_are_refused() {
        let set: ItemSet = [&b"x"[..], b"y", b"x"].into_iter().collect();
        assert!(matches!(set.check(&LIMITS), Err(Error::Misuse(Misuse::DuplicateKey { index: 2 }))));
        let set: ItemSet = [&b"1234567"[..]].into_iter().collect();
        assert!(matches!(set.check(&LIMITS), Err(Error::LimitExceeded { max: 6, got: 7, .. })));
        let many: Vec<[u8; 4]> = (0_u32..5_000).map(u32::to_be_bytes).collect();
        let mut set: ItemSet = many.iter().map(|key| &key[..]).collect();
        set.check(&LIMITS).unwrap();
        set.push(&many[77]);
        assert!(matches!(set.check(&LIMITS), Err(Error::Misuse(Misuse::DuplicateKey { index: 5_000 }))));
    }

    #[test]
    fn an_inconsistent_arena_is_refused() {
        for (bytes, ends) in [(&b"ab"[..], vec![1]), (b"ab", vec![2, 1, 2]), (b"", vec![1]), (b"a", vec![])] {
            assert!(matches!(ItemSet::from_parts(bytes.to_vec(), ends), Err(Error::Misuse(Misuse::KeyArena))));
        }
    }

    #[test]
    fn rows_must_name_keys_and_fill_the_payload() {
        let keys: ItemSet = [&b"x"[..], b"y"].into_iter().collect();
        let mut input = SenderInput { keys, row_key: vec![0, 1, 1], payload: vec![0; 12] };
        input.check_rows(4).unwrap();
        assert!(matches!(input.check_rows(3), Err(Error::Misuse(Misuse::PayloadLength { expected: 9, got: 12 }))));
        input.row_key[2] = 2;
        assert!(matches!(input.check_rows(4), Err(Error::Misuse(Misuse::RowKeyOutOfRange { row: 2 }))));
    }

    #[test]
    fn encoding_is_prefixed_and_injective() {
        let encoder = ItemEncoder::new(&Sid([7; 32]), b"schema");
        let encoded = encoder.encode([&b"key"[..], b""]);
        let slices = encoded.slices();
        let mut expected = b"symbolon-v1/item".to_vec();
        expected.extend([7; 32]);
        expected.extend(b"\x00\x00\x00\x06schema\x00\x00\x00\x03key");
        assert_eq!(slices[0], expected);
        assert!(slices[1].ends_with(b"schema\0\0\0\0"));
    }
}
