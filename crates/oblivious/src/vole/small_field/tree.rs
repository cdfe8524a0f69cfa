//! The trees: leaves from a root, and all leaves but one from corrections.
//!
//! The secret position Δ of the punctured leaf decides nothing about addresses or branches: the puncturing side
//! numbers nodes by their difference to the path, n ⊕ p, so that the one node it does not know is always number 0,
//! and puts children in their places by masks.

use subtle::{Choice, ConditionallySelectable, ConstantTimeEq};
use symbolon_kernels::blake3_many::{self, Inputs, Part};
use symbolon_primitives::hash::Transcript;
use symbolon_primitives::kdf::Label;
use zeroize::{Zeroize, Zeroizing};

use super::{DEPTH, LEAVES, TREES};
use crate::block::Block;

/// Bytes of what is checked of a leaf.
const CHECK_BYTES: usize = 32;

/// For each tree and level the sums of all left and of all right nodes, under the pads of the transfers.
pub(super) type Corrections = [[[Block; 2]; DEPTH]; TREES];

/// For each tree the sum of what is checked of all leaves, and the hash of it.
pub(super) type Checks = [[[u8; CHECK_BYTES]; 2]; TREES];

/// Seeds of the streams of each tree; wiped when dropped.
pub(super) type Leaves = Zeroizing<Vec<[Block; LEAVES]>>;

/// The keys of all hashes of one set-up.
pub(super) struct Hashes {
    nodes: [u8; 32],
    leaves: [u8; 32],
    checks: [u8; 32],
}

impl Hashes {
    pub(super) fn new(context: &[u8; 32]) -> Self {
        let key = |label| {
            let mut transcript = Transcript::new(label);
            transcript.add(context);
            transcript.finish()
        };
        Self {
            nodes: key(Label::SmallFieldNode),
            leaves: key(Label::SmallFieldLeaf),
            checks: key(Label::SmallFieldCheck),
        }
    }

    /// Both children of every node: the halves of a hash of node and place.
    fn children(&self, nodes: &[Block], places: &[[u8; 4]]) -> Zeroizing<Vec<[Block; 2]>> {
        let mut bytes = Zeroizing::new(vec![[0_u8; 32]; nodes.len()]);
        blake3_many::keyed(&self.nodes, &Inputs::pair(Part::blocks(nodes), Part::bytes(places)), &mut bytes);
        let mut children = Zeroizing::new(Vec::with_capacity(nodes.len()));
        children.extend(bytes.iter().map(|bytes| [block(bytes, 0), block(bytes, 16)]));
        children
    }

    /// What is checked of every leaf, and the seed of its stream.
    fn split_leaves(&self, leaves: &[Block], places: &[[u8; 4]]) -> Zeroizing<Vec<([u8; CHECK_BYTES], Block)>> {
        let mut bytes = Zeroizing::new(vec![[0_u8; 64]; leaves.len()]);
        blake3_many::keyed_wide(&self.leaves, &Inputs::pair(Part::blocks(leaves), Part::bytes(places)), &mut bytes);
        let mut split = Zeroizing::new(Vec::with_capacity(leaves.len()));
        split.extend(bytes.iter().map(|bytes| {
            let mut checked = [0; CHECK_BYTES];
            checked.copy_from_slice(&bytes[..CHECK_BYTES]);
            (checked, block(bytes, CHECK_BYTES))
        }));
        split
    }

    /// The hash of what is checked of all leaves of one tree, in their order.
    fn check(&self, checked: &[[u8; CHECK_BYTES]]) -> [u8; CHECK_BYTES] {
        *blake3::keyed_hash(&self.checks, checked.as_flattened()).as_bytes()
    }
}

/// Sixteen bytes from `first` on.
fn block(bytes: &[u8], first: usize) -> Block {
    bytes[first..].iter().take(16).rev().fold(0, |block, byte| block << 8 | Block::from(*byte))
}

/// Tree, level and number of each node of a level, trees one after the other. `paths` is added to the numbers.
fn places(level: usize, paths: &[u8; TREES]) -> Zeroizing<Vec<[u8; 4]>> {
    let mut places = Zeroizing::new(Vec::with_capacity(TREES << level));
    for (tree, path) in (0..).zip(paths) {
        for (number, level) in (0..=u8::MAX).zip(std::iter::repeat_n(level, 1 << level)) {
            places.push([tree, u8::try_from(level).unwrap_or(u8::MAX), number ^ path, 0]);
        }
    }
    places
}

/// What the side that knows the roots makes: leaves, sums of each level, and checks.
pub(super) fn grow(hashes: &Hashes, roots: &[Block; TREES]) -> (Leaves, Zeroizing<Corrections>, Checks) {
    let mut sums = Zeroizing::new([[[0; 2]; DEPTH]; TREES]);
    let mut nodes = Zeroizing::new(roots.to_vec());
    for level in 0..DEPTH {
        let children = hashes.children(&nodes, &places(level, &[0; TREES]));
        for (sums, children) in sums.iter_mut().zip(children.chunks(1 << level)) {
            sums[level] = children.iter().fold([0; 2], |[left, right], child| [left ^ child[0], right ^ child[1]]);
        }
        nodes = Zeroizing::new(children.as_flattened().to_vec());
    }
    let split = hashes.split_leaves(&nodes, &places(DEPTH, &[0; TREES]));
    let mut checks = [[[0; CHECK_BYTES]; 2]; TREES];
    for (check, split) in checks.iter_mut().zip(split.chunks(LEAVES)) {
        let checked: Zeroizing<Vec<_>> = Zeroizing::new(split.iter().map(|(checked, _)| *checked).collect());
        check[0] = checked.iter().fold([0; CHECK_BYTES], add);
        check[1] = hashes.check(&checked);
    }
    (leaves(&split), sums, checks)
}

/// What the side that knows `paths` makes from the sums next to the path, one for each level of each tree: the seed
/// of leaf x of tree i at number x ⊕ `paths[i]`, that at number 0 being unknown and made up. And for each tree
/// whether its check holds.
pub(super) fn puncture(
    hashes: &Hashes,
    paths: &[u8; TREES],
    siblings: &[[Block; DEPTH]; TREES],
    checks: &Checks,
) -> (Leaves, [Choice; TREES]) {
    let mut nodes = Zeroizing::new(vec![0; TREES]);
    for level in 0..DEPTH {
        let prefixes = Zeroizing::new(paths.map(|path| prefix(path, level)));
        let mut children = hashes.children(&nodes, &places(level, &prefixes));
        for ((path, siblings), children) in paths.iter().zip(siblings).zip(children.chunks_mut(1 << level)) {
            let next = Choice::from(path >> (DEPTH - 1 - level) & 1);
            let mut sibling = siblings[level];
            for [on, off] in children.iter_mut() {
                Block::conditional_swap(on, off, next);
            }
            for [_, off] in children.iter().skip(1) {
                sibling ^= off;
            }
            children[0][1] = sibling;
            sibling.zeroize();
        }
        nodes = Zeroizing::new(children.as_flattened().to_vec());
    }
    let split = hashes.split_leaves(&nodes, &places(DEPTH, paths));
    let mut held = [Choice::from(0); TREES];
    for (((path, check), split), held) in paths.iter().zip(checks).zip(split.chunks(LEAVES)).zip(&mut held) {
        let mut checked: Zeroizing<Vec<_>> = Zeroizing::new(split.iter().map(|(checked, _)| *checked).collect());
        checked[0] = checked[1..].iter().fold(check[0], add);
        unshift(&mut checked, *path);
        *held = hashes.check(&checked).ct_eq(&check[1]);
    }
    (leaves(&split), held)
}

/// The first `level` steps of a path, from the root, as a number.
const fn prefix(path: u8, level: usize) -> u8 {
    if level == 0 { 0 } else { path >> (DEPTH - level) }
}

fn leaves(split: &[([u8; CHECK_BYTES], Block)]) -> Leaves {
    let mut leaves = Zeroizing::new(Vec::with_capacity(TREES));
    leaves.extend(split.as_chunks::<LEAVES>().0.iter().map(|tree| std::array::from_fn(|number| tree[number].1)));
    leaves
}

fn add(mut sum: [u8; CHECK_BYTES], term: &[u8; CHECK_BYTES]) -> [u8; CHECK_BYTES] {
    sum.iter_mut().zip(term).for_each(|(sum, term)| *sum ^= term);
    sum
}

/// Moves element n to n ⊕ `shift` by swaps under masks.
fn unshift(elements: &mut [[u8; CHECK_BYTES]], shift: u8) {
    for bit in 0..DEPTH {
        let swap = Choice::from(shift >> bit & 1);
        for block in elements.chunks_mut(2 << bit) {
            let (low, high) = block.split_at_mut(1 << bit);
            for (low, high) in low.iter_mut().zip(high) {
                for (low, high) in low.iter_mut().zip(high) {
                    u8::conditional_swap(low, high, swap);
                }
            }
        }
    }
}
