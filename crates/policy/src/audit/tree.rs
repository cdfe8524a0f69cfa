//! The Merkle tree of RFC 6962 over SHA-256, kept so that appending and proving are cheap.

use sha2::{Digest, Sha256};

use super::error::AuditError;

/// A SHA-256 value.
pub type Hash = [u8; 32];

/// SHA-256(0x00 ‖ data): the hash of a leaf (RFC 6962, section 2.1).
#[must_use]
pub fn leaf_hash(data: &[u8]) -> Hash {
    Sha256::new().chain_update([0]).chain_update(data).finalize().into()
}

/// SHA-256(0x01 ‖ left ‖ right): the hash of an inner node (RFC 6962, section 2.1).
pub(super) fn node_hash(left: &Hash, right: &Hash) -> Hash {
    Sha256::new().chain_update([1]).chain_update(left).chain_update(right).finalize().into()
}

/// The largest power of two below `n`, which is at least 2.
pub(super) const fn split(n: u64) -> u64 {
    1 << (63 - (n - 1).leading_zeros())
}

/// A growing Merkle tree. It keeps the hash of every complete subtree: 64 bytes a leaf, one hash computed for a leaf
/// on average, and proofs in O(log² n).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tree {
    /// Level k holds the hashes of the complete subtrees of 2^k leaves, from the left.
    levels: Vec<Vec<Hash>>,
}

impl Tree {
    /// A tree without leaves.
    #[must_use]
    pub const fn new() -> Self {
        Self { levels: Vec::new() }
    }

    /// Leaves.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.levels.first().map_or(0, |leaves| leaves.len() as u64)
    }

    /// Appends a leaf by its hash, and gives its position from 0.
    pub fn push(&mut self, leaf: Hash) -> u64 {
        let index = self.size();
        let mut hash = leaf;
        for level in 0.. {
            if self.levels.len() == level {
                self.levels.push(Vec::new());
            }
            let nodes = &mut self.levels[level];
            nodes.push(hash);
            match nodes.as_chunks::<2>() {
                (pairs, []) if let Some([left, right]) = pairs.last() => hash = node_hash(left, right),
                _ => break,
            }
        }
        index
    }

    /// The hash of the leaf at `index`.
    #[must_use]
    pub fn leaf(&self, index: u64) -> Option<Hash> {
        self.levels.first()?.get(usize::try_from(index).ok()?).copied()
    }

    /// The root of the whole tree; SHA-256 of nothing when it is empty.
    #[must_use]
    pub fn root(&self) -> Hash {
        self.range(0, self.size())
    }

    /// The root the tree had with `size` leaves.
    ///
    /// # Errors
    /// [`AuditError::Shorter`] when it has fewer.
    pub fn root_at(&self, size: u64) -> Result<Hash, AuditError> {
        if size > self.size() {
            return Err(AuditError::Shorter { expected: size, got: self.size() });
        }
        Ok(self.range(0, size))
    }

    /// `PATH(index, D[size])`: the inclusion proof of a leaf in the tree of the first `size` (RFC 6962, 2.1.1).
    ///
    /// # Errors
    /// [`AuditError::Shorter`] and [`AuditError::Outside`].
    pub fn inclusion_proof(&self, index: u64, size: u64) -> Result<Vec<Hash>, AuditError> {
        self.root_at(size)?;
        if index >= size {
            return Err(AuditError::Outside { index, size });
        }
        let (mut start, mut length, mut path) = (0, size, Vec::new());
        while length > 1 {
            let left = split(length);
            if index - start < left {
                path.push(self.range(start + left, length - left));
                length = left;
            } else {
                path.push(self.range(start, left));
                (start, length) = (start + left, length - left);
            }
        }
        path.reverse();
        Ok(path)
    }

    /// `PROOF(old, D[new])`: that the first `old` leaves begin the first `new` (RFC 6962, 2.1.2). Empty for `old` of 0 or
    /// equal to `new`.
    ///
    /// # Errors
    /// [`AuditError::Shorter`]; [`AuditError::Inconsistent`] when `old` is larger than `new`.
    pub fn consistency_proof(&self, old: u64, new: u64) -> Result<Vec<Hash>, AuditError> {
        self.root_at(new)?;
        if old > new {
            return Err(AuditError::Inconsistent { old, new });
        }
        let mut path = Vec::new();
        if old == 0 || old == new {
            return Ok(path);
        }
        let (mut start, mut length, mut rest) = (0, new, old);
        // SUBPROOF(m, D[n], b): b is whether the old tree is a subtree whose root the verifier knows.
        let mut known = true;
        while rest != length {
            let left = split(length);
            if rest <= left {
                path.push(self.range(start + left, length - left));
                length = left;
            } else {
                path.push(self.range(start, left));
                (start, length, rest, known) = (start + left, length - left, rest - left, false);
            }
        }
        if !known {
            path.push(self.range(start, length));
        }
        path.reverse();
        Ok(path)
    }

    /// MTH(D[start..start + length]) for a range the tree has and that begins at a multiple of its largest power of two.
    fn range(&self, start: u64, length: u64) -> Hash {
        if length == 0 {
            return Sha256::digest([]).into();
        }
        if length.is_power_of_two() {
            let level = length.trailing_zeros() as usize;
            let index = usize::try_from(start >> level).expect("a tree in memory is smaller than the address space");
            return self.levels[level][index];
        }
        let left = split(length);
        node_hash(&self.range(start, left), &self.range(start + left, length - left))
    }
}
