//! The hashes of a run: identifiers of keys, rows and values of the store, outputs, tags and payload keys.
//!
//! All are keyed BLAKE3, each under a key of its own that is derived from the session; after the identifier every
//! input has one length of at most 64 bytes, which is one compression.

use rayon::prelude::*;
use symbolon_primitives::blake3_many::{self, Inputs, Part};
use symbolon_primitives::kdf::{Label, derive_seed};
use symbolon_primitives::memory;
use zeroize::Zeroize;

use crate::items::ItemSet;
use crate::payload::RowSecrets;
use crate::session::SessionSpec;
use crate::sid::length_prefix;

/// Keys that one thread hashes before it asks for more.
const KEYS_PER_JOB: usize = 1 << 13;

/// Inputs that are hashed by one call: they and their hashes stay in the innermost cache.
const KEYS_PER_CALL: usize = 128;

/// Bytes that one compression takes.
const BLOCK_BYTES: usize = 64;

/// What stands for a key in all further hashes: 256 bits, and only equal keys have equal ones.
pub(crate) type Id = [u8; 32];

/// An output: what tags and payload keys come from. Wiped by whoever keeps it.
pub(crate) type Output = [u8; 64];

/// The key of the hashes that make rows and values of the store: it depends on the sender's salt, and on the seed the
/// receiver drew when its keys were fixed.
#[derive(Clone, Copy)]
pub(crate) struct StoreKey([u8; 32]);

/// The hashes of a session.
pub(crate) struct Hasher {
    item: [u8; 32],
    output: [u8; 32],
    row: [u8; 32],
    sid: [u8; 32],
}

impl Hasher {
    pub(crate) fn new(spec: &SessionSpec) -> Self {
        let sid = *spec.sid.as_bytes();
        let key =
            |label: Label, more: &[u8]| *derive_seed(&sid, &[label.as_bytes(), &length_prefix(more), more]).expose();
        Self {
            item: key(Label::Rr22Item, &spec.schema_id),
            output: key(Label::Rr22Output, &[]),
            row: key(Label::Rr22Row, &[]),
            sid,
        }
    }

    /// The key of the store under the sender's salt and the receiver's seed.
    pub(crate) fn store_key(&self, salt: &[u8; 32], seed: &[u8; 32]) -> StoreKey {
        StoreKey(*derive_seed(salt, &[Label::Rr22Store.as_bytes(), &self.sid, seed]).expose())
    }

    /// The identifiers of all keys, in their order.
    ///
    /// A key of at most 60 bytes is hashed as LP(key) ‖ key filled up with zeros to 64 bytes, a longer one as
    /// LP(key) ‖ key: no two keys are the same bytes.
    pub(crate) fn ids(&self, keys: &ItemSet) -> Vec<Id> {
        let mut ids: Vec<Id> = memory::defaults(keys.len());
        let jobs = ids.par_chunks_mut(KEYS_PER_JOB).enumerate();
        jobs.for_each(|(job, ids)| self.ids_from(keys, job * KEYS_PER_JOB, ids));
        ids
    }

    fn ids_from(&self, keys: &ItemSet, first: usize, ids: &mut [Id]) {
        let mut blocks = [[0_u8; BLOCK_BYTES]; KEYS_PER_CALL];
        for (call, ids) in ids.chunks_mut(KEYS_PER_CALL).enumerate() {
            let first = first + call * KEYS_PER_CALL;
            let mut long = Vec::new();
            for (place, block) in blocks.iter_mut().take(ids.len()).enumerate() {
                let key = keys.get(first + place).unwrap_or_default();
                let prefix = length_prefix(key);
                *block = [0; BLOCK_BYTES];
                block[..prefix.len()].copy_from_slice(&prefix);
                match block[prefix.len()..].get_mut(..key.len()) {
                    Some(part) => part.copy_from_slice(key),
                    None => long.push((place, key)),
                }
            }
            blake3_many::keyed(&self.item, &Inputs::of(Part::bytes(&blocks[..ids.len()])), ids);
            for (place, key) in long {
                let mut hash = blake3::Hasher::new_keyed(&self.item);
                ids[place] = *hash.update(&length_prefix(key)).update(key).finalize().as_bytes();
            }
        }
        blocks.as_flattened_mut().zeroize();
    }

    /// Row and value of each key in the store: 32 and 16 bytes of one hash of its identifier.
    pub(crate) fn store_rows(key: &StoreKey, ids: &[Id]) -> (Vec<[u8; 32]>, Vec<u128>) {
        let (mut rows, mut values) = (memory::defaults::<[u8; 32]>(ids.len()), memory::defaults(ids.len()));
        let jobs = ids.par_chunks(KEYS_PER_JOB).zip(rows.par_chunks_mut(KEYS_PER_JOB));
        jobs.zip(values.par_chunks_mut(KEYS_PER_JOB)).for_each(|((ids, rows), values)| {
            let mut wide = [[0_u8; 64]; KEYS_PER_CALL];
            let calls = ids.chunks(KEYS_PER_CALL).zip(rows.chunks_mut(KEYS_PER_CALL));
            for ((ids, rows), values) in calls.zip(values.chunks_mut(KEYS_PER_CALL)) {
                let wide = &mut wide[..ids.len()];
                blake3_many::keyed_wide(&key.0, &Inputs::of(Part::bytes(ids)), wide);
                for ((wide, row), value) in wide.iter().zip(rows).zip(values) {
                    let (left, right) = wide.split_at(32);
                    row.copy_from_slice(left);
                    *value = u128::from_le_bytes(right.first_chunk().copied().unwrap_or_default());
                }
            }
            wide.as_flattened_mut().zeroize();
        });
        (rows, values)
    }

    /// Gives the outputs of some keys, from their decoded rows and identifiers, to `take`: the position of the first
    /// of a few keys, and their outputs. They are wiped when all were taken.
    pub(crate) fn outputs<const W: usize>(
        &self,
        decoded: &[[u128; W]],
        ids: &[Id],
        mut take: impl FnMut(usize, &[Output]),
    ) {
        let mut outputs = [[0_u8; 64]; KEYS_PER_CALL];
        for (call, (decoded, ids)) in decoded.chunks(KEYS_PER_CALL).zip(ids.chunks(KEYS_PER_CALL)).enumerate() {
            let outputs = &mut outputs[..ids.len()];
            blake3_many::keyed_wide(&self.output, &Inputs::pair(Part::rows(decoded), Part::bytes(ids)), outputs);
            take(call * KEYS_PER_CALL, outputs);
        }
        outputs.as_flattened_mut().zeroize();
    }

    /// Name and payload key of row `number` of a key, from the chain of its output.
    pub(crate) fn row(&self, chain: &[u8; 32], number: u32) -> RowSecrets {
        let mut both = [[0; 64]];
        let number = [number.to_be_bytes()];
        let inputs = Inputs::pair(Part::bytes(std::slice::from_ref(chain)), Part::bytes(&number));
        blake3_many::keyed_wide(&self.row, &inputs, &mut both);
        let secrets = RowSecrets::new(both[0]);
        both.as_flattened_mut().zeroize();
        secrets
    }

    /// The names of row `number` of some keys, from the chains of their outputs: what [`Hasher::row`] gives, at a
    /// fraction of the time.
    pub(crate) fn row_names(&self, chains: &[[u8; 32]], number: u32) -> Vec<[u8; 32]> {
        let mut names = vec![[0; 32]; chains.len()];
        names.par_chunks_mut(KEYS_PER_JOB).zip(chains.par_chunks(KEYS_PER_JOB)).for_each(|(names, chains)| {
            let numbers = [number.to_be_bytes(); KEYS_PER_CALL];
            for (names, chains) in names.chunks_mut(KEYS_PER_CALL).zip(chains.chunks(KEYS_PER_CALL)) {
                let inputs = Inputs::pair(Part::bytes(chains), Part::bytes(&numbers[..chains.len()]));
                blake3_many::keyed(&self.row, &inputs, names);
            }
        });
        names
    }
}

/// The part of an output that further tags and payload keys of its key come from.
pub(crate) fn chain(output: &Output) -> &[u8; 32] {
    output.first_chunk().expect("an output has 64 bytes")
}

/// The part of an output that is the tag of row 0, of which a row carries the first bytes.
pub(crate) fn first_tag(output: &Output) -> &[u8; 32] {
    output.last_chunk().expect("an output has 64 bytes")
}
