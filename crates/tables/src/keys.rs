//! Normalised keys in one block of memory, each distinct key once.

use crate::error::{Error, PayloadError};
use crate::load::Keyed;
use hashbrown::HashTable;
use std::fmt;
use std::hash::{BuildHasher, RandomState};

/// Distinct byte keys, one after the other, with their offsets.
#[derive(Clone, Default)]
pub struct KeyArena {
    bytes: Vec<u8>,
    /// End of each key in `bytes`.
    ends: Vec<u64>,
}

/// A row of the own table and the row of the received payload that belongs to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Match {
    /// The own table's data row, counted from 1.
    pub row: u64,
    /// The payload row, counted from 0.
    pub payload: u32,
}

impl KeyArena {
    /// Returns the number of keys.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Tells whether there is no key.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Returns the bytes of all keys together.
    #[must_use]
    pub fn bytes_len(&self) -> usize {
        self.bytes.len()
    }

    /// Returns a key, or nothing outside of the arena.
    #[must_use]
    pub fn get(&self, index: usize) -> Option<&[u8]> {
        let end = offset(*self.ends.get(index)?);
        let start = if index == 0 { 0 } else { offset(self.ends[index - 1]) };
        self.bytes.get(start..end)
    }

    /// Gives up the bytes of all keys, one after the other, and where each ends.
    #[must_use]
    pub fn into_parts(self) -> (Vec<u8>, Vec<u64>) {
        (self.bytes, self.ends)
    }

    /// Iterates over the keys in order of their first row.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        let mut start = 0;
        self.ends.iter().map(move |end| {
            let end = offset(*end);
            let key = &self.bytes[start..end];
            start = end;
            key
        })
    }

    fn push(&mut self, key: &[u8]) {
        self.bytes.extend_from_slice(key);
        self.ends.push(self.bytes.len() as u64);
    }
}

impl fmt::Debug for KeyArena {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyArena").field("len", &self.len()).finish_non_exhaustive()
    }
}

/// Offsets come from lengths of memory blocks, so they fit.
fn offset(value: u64) -> usize {
    usize::try_from(value).expect("an offset into memory fits usize")
}

/// Finds for each key whether it was seen before. Hashing is keyed, so rows cannot be chosen to collide.
pub(crate) struct Distinct {
    arena: KeyArena,
    table: HashTable<u32>,
    hasher: RandomState,
}

impl Distinct {
    pub(crate) fn new() -> Self {
        Self { arena: KeyArena::default(), table: HashTable::new(), hasher: RandomState::new() }
    }

    pub(crate) fn len(&self) -> usize {
        self.arena.len()
    }

    /// Makes room for more keys of the length seen so far.
    pub(crate) fn reserve(&mut self, keys: usize) {
        let bytes = self.arena.bytes.len().div_ceil(self.arena.len().max(1));
        self.arena.bytes.reserve_exact(keys.saturating_mul(bytes));
        self.arena.ends.reserve_exact(keys);
    }

    /// Returns the key's index and whether it is new.
    pub(crate) fn insert(&mut self, key: &[u8]) -> (u32, bool) {
        let Self { arena, table, hasher } = self;
        let hash = hasher.hash_one(key);
        let at =
            |arena: &KeyArena, index: u32| -> u64 { hasher.hash_one(arena.get(index as usize).unwrap_or_default()) };
        if let Some(found) = table.find(hash, |index| arena.get(*index as usize) == Some(key)) {
            return (*found, false);
        }
        let index = u32::try_from(arena.len()).expect("the row count is limited to u32");
        arena.push(key);
        table.insert_unique(hash, index, |other| at(arena, *other));
        (index, true)
    }

    pub(crate) fn into_arena(self) -> KeyArena {
        self.arena
    }
}

impl Keyed {
    /// Pairs own rows with payload rows: `matched[i]` is the own key index that payload row `i` belongs to. A key
    /// with several rows on either side gives every pair. The pairs are in the order of the own table.
    ///
    /// # Errors
    /// [`PayloadError::Index`] for a key index that is not one of this table's.
    pub fn pair(&self, matched: &[u32]) -> Result<Vec<Match>, Error> {
        if u32::try_from(matched.len()).is_err() {
            return Err(Error::Misuse { what: "payload rows count in 32 bits" });
        }
        let count = self.keys.len();
        // Payload rows by key: `starts[k]..starts[k + 1]` of `order`.
        let mut starts = vec![0_u32; count + 1];
        for key in matched {
            let slot = starts.get_mut(*key as usize + 1).ok_or(PayloadError::Index {
                what: "matched key",
                index: u64::from(*key),
                count: count as u64,
            })?;
            *slot += 1;
        }
        for k in 0..count {
            starts[k + 1] += starts[k];
        }
        let mut next = starts.clone();
        let mut order = vec![0_u32; matched.len()];
        for (row, key) in (0_u32..).zip(matched) {
            let slot = &mut next[*key as usize];
            order[*slot as usize] = row;
            *slot += 1;
        }
        drop(next);
        let mut pairs = Vec::with_capacity(matched.len());
        for (key, row) in self.row_key.iter().zip(&self.row_number) {
            let key = *key as usize;
            let of_key = &order[starts[key] as usize..starts[key + 1] as usize];
            pairs.extend(of_key.iter().map(|payload| Match { row: *row, payload: *payload }));
        }
        Ok(pairs)
    }
}
