//! Trees of pseudorandom values of which one party lacks a single leaf each.
//!
//! The sender draws a root for each tree and doubles nodes level by level: the children of p are AES_k(p) ⊕ p under
//! two fixed keys (k_0 left, k_1 right) of the session. For each level it sends the sum of all left children and that
//! of all right ones, each masked by a block of an oblivious transfer. The receiver, who chooses in every transfer the
//! side its position is not on, then knows at each level all nodes but the one above its position. A last block turns
//! its missing leaf into the sender's leaf plus Δ times a value that it chose.
//!
//! With AES as an ideal cipher the missing leaf is as good as random (Guo et al., [Half-Tree and fixed-key
//! hashing](https://eprint.iacr.org/2019/074); trees of Boyle, Gilboa, Ishai). A tree may have any number of leaves:
//! nodes above none of them are left out.
//!
//! Semi-honest: a sender that sends wrong sums is not found here and may learn something about positions from what the
//! receiver does then. Which addresses are touched depends on sizes only, not on positions.

use rayon::prelude::*;
use subtle::{ConditionallySelectable, ConstantTimeEq};
use symbolon_kernels::aes_batch::{GgmKeys, ggm_level};
use zeroize::{Zeroize, Zeroizing};

use crate::block::Block;

/// Nodes of each level from the root to the leaves, for `leaves` leaves `depth` levels down.
fn widths(leaves: usize, depth: usize) -> impl Iterator<Item = usize> {
    (0..=depth).map(move |level| leaves.div_ceil(1 << (depth - level)))
}

/// Sums of the left and of the right children.
fn sums(children: &[Block]) -> [Block; 2] {
    let (pairs, rest) = children.as_chunks::<2>();
    let [left, right] = pairs.iter().fold([0, 0], |sum, pair| [sum[0] ^ pair[0], sum[1] ^ pair[1]]);
    [rest.iter().fold(left, |sum, last| sum ^ last), right]
}

/// Doubles `parents` into `children`, whose number may be odd.
fn double(keys: &GgmKeys, parents: &[Block], children: &mut [Block]) {
    let whole = children.len() / 2;
    ggm_level(keys, &parents[..whole], &mut children[..2 * whole]);
    if let Some(last) = children.get_mut(2 * whole) {
        let mut pair = [0; 2];
        ggm_level(keys, &parents[whole..=whole], &mut pair);
        *last = pair[0];
        pair.zeroize();
    }
}

/// Two buffers for the levels of one tree.
struct Levels {
    nodes: Zeroizing<Vec<Block>>,
    children: Zeroizing<Vec<Block>>,
}

impl Levels {
    fn new(leaves: usize, root: Block) -> Self {
        let mut nodes = Zeroizing::new(vec![0; leaves]);
        nodes[0] = root;
        Self { nodes, children: Zeroizing::new(vec![0; leaves]) }
    }

    /// Goes one level down, to `width` nodes.
    fn grow(&mut self, keys: &GgmKeys, width: usize) -> &mut [Block] {
        double(keys, &self.nodes, &mut self.children[..width]);
        std::mem::swap(&mut self.nodes, &mut self.children);
        &mut self.nodes[..width]
    }
}

/// One tree of the sender: fills `leaves`, writes for each level the sums of the left and of the right children to
/// `level_sums`, and returns the sum of all leaves.
pub(crate) fn grow(keys: &GgmKeys, root: Block, leaves: &mut [Block], level_sums: &mut [[Block; 2]]) -> Block {
    let mut levels = Levels::new(leaves.len(), root);
    for (width, out) in widths(leaves.len(), level_sums.len()).skip(1).zip(level_sums.iter_mut()) {
        *out = sums(levels.grow(keys, width));
    }
    leaves.copy_from_slice(&levels.nodes[..leaves.len()]);
    level_sums.last().map_or(root, |[left, right]| left ^ right)
}

/// What the receiver puts into a tree and gets for it.
pub(crate) struct Puncture<'a> {
    /// Its position, below the number of leaves.
    pub(crate) position: usize,
    /// For each level the sum of the children on the side its position is not on.
    pub(crate) known_sums: &'a [Block],
    /// The sender's last block plus what the receiver adds to it: the sum of all leaves, and Δ times the value.
    pub(crate) last: Block,
}

/// One tree of the receiver.
pub(crate) fn puncture(keys: &GgmKeys, tree: &Puncture<'_>, out: &mut [Block]) {
    let depth = tree.known_sums.len();
    // The missing node counts as zero, so its children are these two and are taken away again.
    let mut filler = [0; 2];
    ggm_level(keys, &[0], &mut filler);
    let mut levels = Levels::new(out.len(), 0);
    for ((level, width), known) in (0..depth).zip(widths(out.len(), depth).skip(1)).zip(tree.known_sums) {
        let above = tree.position >> (depth - level);
        let right = (tree.position >> (depth - level - 1) & 1).ct_eq(&1);
        let children = levels.grow(keys, width);
        let found = sums(children);
        let other_found = Block::conditional_select(&found[1], &found[0], right);
        let missing_filler = Block::conditional_select(&filler[0], &filler[1], right);
        let other_fix = known ^ other_found;
        let mut missing_fix = missing_filler;
        if level + 1 == depth {
            missing_fix ^= tree.last ^ known ^ Block::conditional_select(&found[0], &found[1], right) ^ missing_filler;
        }
        let fixes = [
            Block::conditional_select(&missing_fix, &other_fix, right),
            Block::conditional_select(&other_fix, &missing_fix, right),
        ];
        add_at(children, above, fixes);
    }
    out.copy_from_slice(&levels.nodes[..out.len()]);
}

/// Writes `value` to place `position` and zero everywhere else.
pub(crate) fn single(position: usize, value: Block, out: &mut [Block]) {
    for (index, out) in (0..).zip(out) {
        *out = value & mask(index, position);
    }
}

/// Adds to the pair of children of node `above`, touching all.
fn add_at(children: &mut [Block], above: usize, fixes: [Block; 2]) {
    for (index, pair) in (0..).zip(children.chunks_mut(2)) {
        let mask = mask(index, above);
        for (child, fix) in pair.iter_mut().zip(&fixes) {
            *child ^= fix & mask;
        }
    }
}

/// All ones where both are equal.
#[inline]
fn mask(index: usize, wanted: usize) -> Block {
    let difference = (index ^ wanted) as u64;
    // The top bit of d | -d is set unless d is zero.
    let differs = ((difference | difference.wrapping_neg()) >> 63).wrapping_sub(1);
    Block::from(differs) << 64 | Block::from(differs)
}

/// The sum of the side that `bit` does not name.
pub(crate) fn other_side(sums: &[Block; 2], bit: usize) -> Block {
    Block::conditional_select(&sums[1], &sums[0], bit.ct_eq(&1))
}

/// Cuts `vector` into parts of these lengths.
pub(crate) fn parts<T>(mut vector: &mut [T], lengths: impl Iterator<Item = usize>) -> Vec<&mut [T]> {
    lengths
        .map(|length| {
            let (part, rest) = std::mem::take(&mut vector).split_at_mut(length);
            vector = rest;
            part
        })
        .collect()
}

/// All trees of the sender. `level_sums` has `depth` entries for each tree. Returns the sum of the leaves of each.
pub(crate) fn grow_all(
    keys: &GgmKeys,
    roots: &[Block],
    trees: Vec<&mut [Block]>,
    level_sums: &mut [[Block; 2]],
) -> Zeroizing<Vec<Block>> {
    let depth = level_sums.len() / roots.len().max(1);
    let work = trees.into_par_iter().zip(roots).zip(level_sums.par_chunks_mut(depth));
    Zeroizing::new(work.map(|((leaves, root), sums)| grow(keys, *root, leaves, sums)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys() -> GgmKeys {
        GgmKeys::new([1; 16], [2; 16])
    }

    #[test]
    fn the_receiver_lacks_its_leaf_and_has_all_others() {
        for (leaves, depth) in [(1, 1), (2, 1), (3, 2), (4, 2), (5, 3), (21, 5), (32, 5), (33, 6), (5_767, 13)] {
            let (mut all, mut sums) = (vec![0; leaves], vec![[0; 2]; depth]);
            let total = grow(&keys(), 99, &mut all, &mut sums);
            assert_eq!(total, all.iter().fold(0, |sum, leaf| sum ^ leaf));
            for position in (0..leaves).step_by(1 + leaves / 40) {
                let known: Vec<Block> = sums
                    .iter()
                    .enumerate()
                    .map(|(level, sums)| sums[1 - (position >> (depth - level - 1) & 1)])
                    .collect();
                let tree = Puncture { position, known_sums: &known, last: total ^ 5 };
                let (mut out, mut noise) = (vec![0xAA; leaves], vec![0xAA; leaves]);
                puncture(&keys(), &tree, &mut out);
                single(position, 7, &mut noise);
                for (index, (noise, leaf)) in noise.iter().zip(&out).enumerate() {
                    let here = index == position;
                    assert_eq!(*noise, if here { 7 } else { 0 });
                    assert_eq!(*leaf, all[index] ^ if here { 5 } else { 0 }, "{leaves} {position} {index}");
                }
            }
        }
    }

    #[test]
    fn nodes_are_the_definition() {
        let mut children = [0; 2];
        let mut leaves = vec![0; 4];
        grow(&keys(), 99, &mut leaves, &mut [[0; 2]; 2]);
        ggm_level(&keys(), &[99], &mut children);
        let mut expected = [0; 4];
        ggm_level(&keys(), &children, &mut expected);
        assert_eq!(leaves, expected);
        assert_eq!((mask(3, 3), mask(3, 4), mask(0, usize::MAX)), (Block::MAX, 0, 0));
    }
}
