//! Verifying inclusion and consistency with nothing but roots and a proof.

use super::error::AuditError;
use super::tree::{Hash, node_hash};

/// The most hashes a proof can have: one a level of a tree of 2^63 leaves, and one more.
pub const PROOF_HASHES_MAX: usize = 64;

/// Checks that the leaf with hash `leaf` is at `index` in the tree of `size` leaves with this `root`
/// (RFC 9162, section 2.1.3.2).
///
/// # Errors
/// [`AuditError::NotIncluded`] when it is not, or the proof is not exactly the one needed.
pub fn verify_inclusion(leaf: &Hash, index: u64, size: u64, root: &Hash, proof: &[Hash]) -> Result<(), AuditError> {
    let failed = AuditError::NotIncluded { index, size };
    if index >= size {
        return Err(failed);
    }
    let (mut fnode, mut snode, mut hash) = (index, size - 1, *leaf);
    for step in proof {
        if snode == 0 {
            return Err(failed);
        }
        if fnode & 1 == 1 || fnode == snode {
            hash = node_hash(step, &hash);
            while fnode & 1 == 0 && fnode != 0 {
                fnode >>= 1;
                snode >>= 1;
            }
        } else {
            hash = node_hash(&hash, step);
        }
        fnode >>= 1;
        snode >>= 1;
    }
    if snode == 0 && hash == *root { Ok(()) } else { Err(failed) }
}

/// Checks that the tree of `old` leaves begins the tree of `new` leaves (RFC 9162, section 2.1.4.2).
///
/// Everything continues the empty tree, and a tree continues itself; the proof is empty then.
///
/// # Errors
/// [`AuditError::Inconsistent`] when it does not, or the proof is not exactly the one needed.
pub fn verify_consistency(old: (u64, &Hash), new: (u64, &Hash), proof: &[Hash]) -> Result<(), AuditError> {
    let ((old, old_root), (new, new_root)) = (old, new);
    let failed = AuditError::Inconsistent { old, new };
    if old > new {
        return Err(failed);
    }
    if old == 0 || old == new {
        let same = old == 0 || old_root == new_root;
        return if same && proof.is_empty() { Ok(()) } else { Err(failed) };
    }
    // A tree of a power of two is a subtree of the new one: its root opens the proof.
    let (first, rest) = if old.is_power_of_two() {
        (Some(old_root), proof)
    } else {
        (proof.first(), proof.get(1..).unwrap_or_default())
    };
    let first = first.ok_or(failed)?;
    let (mut fnode, mut snode) = (old - 1, new - 1);
    while fnode & 1 == 1 {
        fnode >>= 1;
        snode >>= 1;
    }
    let (mut from_old, mut from_new) = (*first, *first);
    for step in rest {
        if snode == 0 {
            return Err(failed);
        }
        if fnode & 1 == 1 || fnode == snode {
            from_old = node_hash(step, &from_old);
            from_new = node_hash(step, &from_new);
            while fnode & 1 == 0 && fnode != 0 {
                fnode >>= 1;
                snode >>= 1;
            }
        } else {
            from_new = node_hash(&from_new, step);
        }
        fnode >>= 1;
        snode >>= 1;
    }
    if snode == 0 && from_old == *old_root && from_new == *new_root { Ok(()) } else { Err(failed) }
}
