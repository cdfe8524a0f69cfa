//! What a node remembers of its own inputs: enough to know an input again and to see that two nearly agree, and
//! nothing that names a record.
//!
//! # What it computes
//! One pass over an input of keys K and rows (key, released values) under a secret of the home gives an [`InputMark`]:
//! * the **digest**: the sum, in four lanes of 64 bits, of PRF(row) over all rows and PRF(key) over all keys. It does
//!   not depend on the order of rows, and any change of a row changes it.
//! * the **sketch**: the [`SKETCH_KEYS`] smallest values of a PRF over the keys (bottom-k, Cohen and Kaplan 2007).
//!   The smallest values of the union of two sketches are a random sample of the union of the two sets, so the share
//!   of them that is in both estimates the Jaccard index; for sets that fit into a sketch it is exact.
//!
//! From the digest `commitment` derives what the node declares to a partner: equal inputs under one agreement give
//! equal commitments, and that is all anybody without the secret gets from them. The key of the derivation is made of
//! the secret and the agreement, so commitments under two agreements cannot be linked.
//!
//! # Who learns what
//! The sketch and the digest stay in the home; only the commitment is sent. Whoever holds the secret and a sketch can
//! test guesses of keys, so the secret is derived from the home's key-encryption key and never in the database.
//!
//! # Limits
//! A commitment is a declaration, as the row count is: a node that runs changed software can declare an old one with a
//! new input, and only an audit that has the input and the secret finds that. The sum is no collision-resistant hash
//! for somebody who knows the secret; the one who does is the node that would deceive itself.
//!
//! The PRF is SHA-256 over the 32-byte secret, a byte for the use, and the length-prefixed parts. No whole output is
//! ever given away (64 bits of it are kept, or it is added up), so that the hash can be extended is of no use.

use std::collections::BinaryHeap;
use std::fmt;

use sha2::{Digest as _, Sha256};
use symbolon_primitives::kdf::{Label, derive_seed};
use symbolon_primitives::secret::Seed;

use crate::agreement::AgreementId;

/// Values a sketch keeps. The standard error of an overlap of 98 % is then 0.44 %.
pub const SKETCH_KEYS: usize = 1024;

const USE_KEY: u8 = 1;
const USE_ROW: u8 = 2;

/// Adds up an input, or a part of one.
#[derive(Clone)]
pub struct Marker {
    keyed: Sha256,
    sum: [u64; 4],
    keys: u64,
    /// The smallest values so far, the largest of them on top.
    smallest: BinaryHeap<u64>,
}

/// What a node remembers of an input.
#[derive(Clone, PartialEq, Eq)]
pub struct InputMark {
    digest: [u8; 32],
    sketch: Sketch,
}

/// A sample of an input's keys, as keyed hashes.
#[derive(Clone, PartialEq, Eq)]
pub struct Sketch {
    /// How many keys the input has.
    keys: u64,
    /// Ascending, each once.
    values: Vec<u64>,
}

/// How far two inputs agree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "a pair")]
pub struct Overlap {
    /// Of the keys in either, those in both, in thousandths.
    pub permille: u64,
    /// Keys in only one of them; an estimate when an input has more keys than a sketch.
    pub different: u64,
}

impl Marker {
    /// Begins, under a secret of the home.
    #[must_use]
    pub fn new(secret: &Seed) -> Self {
        let key = derive_seed(secret.expose(), &[Label::InputMark.as_bytes()]);
        let keyed = Sha256::new_with_prefix(key.expose());
        Self { keyed, sum: [0; 4], keys: 0, smallest: BinaryHeap::with_capacity(SKETCH_KEYS + 1) }
    }

    /// Adds a key; each key of the input is added once.
    pub fn key(&mut self, key: &[u8]) {
        let value = self.prf(USE_KEY, key, &[]);
        self.add(&value);
        self.keys += 1;
        let [first, ..] = value;
        if self.smallest.len() < SKETCH_KEYS {
            self.smallest.push(first);
        } else if self.smallest.peek().is_some_and(|largest| first < *largest) {
            self.smallest.pop();
            self.smallest.push(first);
        }
    }

    /// Adds a row of which values are released.
    pub fn row(&mut self, key: &[u8], released: &[u8]) {
        let value = self.prf(USE_ROW, key, released);
        self.add(&value);
    }

    /// Takes in another part of the same input.
    #[must_use]
    pub fn join(mut self, other: Self) -> Self {
        self.add(&other.sum);
        self.keys += other.keys;
        self.smallest.extend(other.smallest);
        while self.smallest.len() > SKETCH_KEYS {
            self.smallest.pop();
        }
        self
    }

    /// Ends.
    #[must_use]
    pub fn finish(self) -> InputMark {
        let mut digest = [0; 32];
        for (bytes, lane) in digest.chunks_exact_mut(8).zip(self.sum) {
            bytes.copy_from_slice(&lane.to_be_bytes());
        }
        let mut values = self.smallest.into_sorted_vec();
        values.dedup();
        InputMark { digest, sketch: Sketch { keys: self.keys, values } }
    }

    fn prf(&self, usage: u8, key: &[u8], released: &[u8]) -> [u64; 4] {
        let mut hash = self.keyed.clone();
        hash.update([usage]);
        // A key is far shorter than 2^64 bytes, and its length is part of what is hashed.
        hash.update((key.len() as u64).to_be_bytes());
        hash.update(key);
        hash.update(released);
        let bytes: [u8; 32] = hash.finalize().into();
        let mut lanes = [0; 4];
        for (lane, bytes) in lanes.iter_mut().zip(bytes.chunks_exact(8)) {
            *lane = u64::from_be_bytes(bytes.try_into().unwrap_or_default());
        }
        lanes
    }

    fn add(&mut self, lanes: &[u64; 4]) {
        for (sum, lane) in self.sum.iter_mut().zip(lanes) {
            *sum = sum.wrapping_add(*lane);
        }
    }
}

impl InputMark {
    /// The digest under the home's secret: equal for equal inputs. It stays in the home.
    #[must_use]
    pub const fn digest(&self) -> &[u8; 32] {
        &self.digest
    }

    /// The sample of its keys.
    #[must_use]
    pub const fn sketch(&self) -> &Sketch {
        &self.sketch
    }

    /// What the node declares of the input to its partner in this agreement.
    #[must_use]
    pub fn commitment(&self, secret: &Seed, agreement: &AgreementId) -> [u8; 32] {
        commitment(secret, agreement, &self.digest)
    }
}

/// HKDF-Expand(secret, label ‖ agreement ‖ digest): all parts but the label are of fixed length.
fn commitment(secret: &Seed, agreement: &AgreementId, digest: &[u8; 32]) -> [u8; 32] {
    *derive_seed(secret.expose(), &[Label::InputCommitment.as_bytes(), agreement.as_bytes(), digest]).expose()
}

impl Sketch {
    /// How many keys the input has.
    #[must_use]
    pub const fn keys(&self) -> u64 {
        self.keys
    }

    /// The bytes to keep: eight a value.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        self.values.iter().flat_map(|value| value.to_be_bytes()).collect()
    }

    /// Takes what [`Sketch::to_bytes`] gave; nothing when it did not give this.
    #[must_use]
    pub fn from_bytes(keys: u64, bytes: &[u8]) -> Option<Self> {
        let values = bytes.chunks(8).map(|bytes| bytes.try_into().map(u64::from_be_bytes));
        let values = values.collect::<Result<Vec<_>, _>>().ok()?;
        let ascending = values.is_sorted_by(|one, next| one < next);
        (ascending && values.len() <= SKETCH_KEYS && values.len() as u64 <= keys).then_some(Self { keys, values })
    }

    /// How far the inputs of two sketches agree. Integers only, so that a threshold means one thing.
    #[must_use]
    pub fn overlap(&self, other: &Self) -> Overlap {
        let fits = |sketch: &Self| sketch.keys <= SKETCH_KEYS as u64;
        // Of the union only as many of the smallest are a fair sample as the fuller sketch vouches for.
        let max = if fits(self) && fits(other) { usize::MAX } else { SKETCH_KEYS };
        let (mut one, mut two) = (self.values.iter().peekable(), other.values.iter().peekable());
        let (mut union, mut both) = (0_u64, 0_u64);
        while union < max as u64 {
            let next = match (one.peek(), two.peek()) {
                (Some(left), Some(right)) => left.cmp(right),
                (Some(_), None) => std::cmp::Ordering::Less,
                (None, Some(_)) => std::cmp::Ordering::Greater,
                (None, None) => break,
            };
            if next.is_le() {
                one.next();
            }
            if next.is_ge() {
                two.next();
            }
            both += u64::from(next.is_eq());
            union += 1;
        }
        let all = self.keys.saturating_add(other.keys);
        // |A △ B| = (|A| + |B|) (1 - J) / (1 + J), with J = both / union.
        let different = u128::from(all) * u128::from(union - both) / u128::from((union + both).max(1));
        Overlap { permille: both * 1000 / union.max(1), different: u64::try_from(different).unwrap_or(u64::MAX) }
    }
}

impl fmt::Debug for Marker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Marker").field("keys", &self.keys).finish_non_exhaustive()
    }
}

impl fmt::Debug for InputMark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InputMark").field("keys", &self.sketch.keys).finish_non_exhaustive()
    }
}

impl fmt::Debug for Sketch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sketch").field("keys", &self.keys).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use symbolon_primitives::secret::Secret;

    use super::*;

    fn secret(byte: u8) -> Seed {
        Secret::new([byte; 32])
    }

    fn mark(keys: impl IntoIterator<Item = u64>) -> InputMark {
        let mut marker = Marker::new(&secret(1));
        for key in keys {
            marker.key(&key.to_be_bytes());
        }
        marker.finish()
    }

    #[test]
    fn one_key_more_is_another_input_that_nearly_agrees() {
        let (all, one_more) = (mark(0..20_000), mark(0..20_001));
        assert_ne!(all.digest(), one_more.digest());
        let overlap = all.sketch().overlap(one_more.sketch());
        assert!(overlap.permille >= 999 && overlap.different <= 40, "{overlap:?}");
        // In small inputs the difference is exact.
        let overlap = mark(0..100).sketch().overlap(mark(1..102).sketch());
        assert_eq!(overlap, Overlap { permille: 970, different: 3 });
        assert_eq!(mark(0..5).sketch().overlap(mark(5..10).sketch()), Overlap { permille: 0, different: 10 });
        assert_eq!(mark([]).sketch().overlap(mark([]).sketch()), Overlap { permille: 0, different: 0 });
    }

    #[test]
    fn the_estimate_is_near_the_truth() {
        for (shift, truth) in [(0, 1000), (500, 951), (5_000, 600), (10_000, 333), (20_000, 0)] {
            let overlap = mark(0..20_000).sketch().overlap(mark(shift..20_000 + shift).sketch());
            // Four standard errors of a sample of 1,024.
            assert!(overlap.permille.abs_diff(truth) <= 62, "shift {shift}: {overlap:?}, not {truth}");
        }
    }

    #[test]
    fn order_and_division_do_not_matter_but_every_row_does() {
        let rows: Vec<(Vec<u8>, Vec<u8>)> = (0..500_u16).map(|row| (row.to_be_bytes().to_vec(), vec![7; 3])).collect();
        let whole = |rows: &[(Vec<u8>, Vec<u8>)]| {
            let mut marker = Marker::new(&secret(1));
            for (key, released) in rows {
                marker.key(key);
                marker.row(key, released);
            }
            marker
        };
        let mut turned = rows.clone();
        turned.reverse();
        assert_eq!(whole(&rows).finish(), whole(&turned).finish());
        assert_eq!(whole(&rows[..123]).join(whole(&rows[123..])).finish(), whole(&rows).finish());
        turned[77].1[0] ^= 1;
        assert_ne!(whole(&rows).finish().digest(), whole(&turned).finish().digest());
        // The border between key and value is part of the row.
        let (mut one, mut other) = (Marker::new(&secret(1)), Marker::new(&secret(1)));
        one.row(b"ab", b"c");
        other.row(b"a", b"bc");
        assert_ne!(one.finish().digest(), other.finish().digest());
    }

    #[test]
    fn a_commitment_shows_equality_under_one_agreement_and_nothing_else() {
        let (one, other) = (AgreementId::from_bytes([1; 32]), AgreementId::from_bytes([2; 32]));
        let input = mark(0..10);
        assert_eq!(input.commitment(&secret(1), &one), mark((0..10).rev()).commitment(&secret(1), &one));
        let different = [
            input.commitment(&secret(1), &other),
            input.commitment(&secret(2), &one),
            mark(0..11).commitment(&secret(1), &one),
            *input.digest(),
        ];
        assert!(different.iter().all(|value| *value != input.commitment(&secret(1), &one)));
    }

    #[test]
    fn nothing_of_an_input_is_printed() {
        let input = mark([0x4142_4344_4546_4748]);
        let text = format!("{input:?} {:?} {:?}", input.sketch(), Marker::new(&secret(9)));
        assert_eq!(text, "InputMark { keys: 1, .. } Sketch { keys: 1, .. } Marker { keys: 0, .. }");
    }

    #[test]
    fn only_what_a_sketch_gave_is_taken_back() {
        let sketch = mark(0..3_000).sketch().clone();
        assert_eq!(Sketch::from_bytes(3_000, &sketch.to_bytes()), Some(sketch.clone()));
        let bytes = sketch.to_bytes();
        assert_eq!(Sketch::from_bytes(10, &bytes), None, "more values than keys");
        assert_eq!(Sketch::from_bytes(3_000, &bytes[1..]), None, "a cut value");
        assert_eq!(Sketch::from_bytes(3_000, &bytes.repeat(2)), None, "not ascending");
    }

    proptest! {
        #[test]
        fn overlap_is_symmetric_and_exact_for_small_inputs(
            one in proptest::collection::hash_set(0..300_u64, 0..200),
            two in proptest::collection::hash_set(0..300_u64, 0..200),
        ) {
            let (left, right) = (mark(one.iter().copied()), mark(two.iter().copied()));
            let overlap = left.sketch().overlap(right.sketch());
            prop_assert_eq!(overlap, right.sketch().overlap(left.sketch()));
            let different = one.symmetric_difference(&two).count() as u64;
            let union = one.union(&two).count() as u64;
            let both = one.intersection(&two).count() as u64;
            prop_assert_eq!(overlap, Overlap { permille: both * 1000 / union.max(1), different });
        }
    }
}
