//! The receiver's outputs, and the tags and payload keys that come from them.

use rayon::prelude::*;
use zeroize::Zeroize;

use crate::machine::Progress;
use crate::payload::RowSecrets;
use crate::rows::{Collected, Hit, Matcher};
use crate::sid::Sid;
use crate::tags::{PrefixIndex, tag_prefix};

/// Keys matched in one unit of work.
const KEYS_PER_UNIT: usize = 1 << 16;

/// The OPRF outputs of a receiver's keys and the beginnings of their first tags. Wiped when dropped.
pub(crate) struct Outputs {
    outputs: Vec<[u8; 64]>,
    prefixes: Vec<u64>,
    sid: Sid,
}

impl Outputs {
    pub(crate) fn new(keys: usize, sid: Sid) -> Self {
        Self { outputs: vec![[0; 64]; keys], prefixes: vec![0; keys], sid }
    }

    /// Stores the outputs of a chunk at their keys; outputs of padding have none.
    pub(crate) fn store(&mut self, keys: impl Iterator<Item = Option<usize>>, outputs: &[[u8; 64]]) {
        let prefix = |output| tag_prefix(RowSecrets::derive(output, &self.sid, 0).name());
        let prefixes: Vec<u64> = outputs.par_iter().with_min_len(256).map(prefix).collect();
        for ((key, output), prefix) in keys.zip(outputs).zip(prefixes) {
            if let Some(key) = key {
                self.outputs[key] = *output;
                self.prefixes[key] = prefix;
            }
        }
    }
}

impl Drop for Outputs {
    fn drop(&mut self) {
        self.outputs.zeroize();
        self.prefixes.zeroize();
    }
}

/// Compares tags. Payload stays as it came.
pub(crate) struct Matching {
    outputs: Outputs,
    collected: Collected,
    index: Option<PrefixIndex>,
    next_key: usize,
    hits: Vec<Hit>,
}

impl Matcher for Matching {
    type Outputs = Outputs;

    fn new(outputs: Outputs, collected: Collected) -> Self {
        Self { outputs, collected, index: None, next_key: 0, hits: Vec::new() }
    }

    fn work(&mut self) -> bool {
        let index = self.index.get_or_insert_with(|| self.collected.index());
        let end = self.outputs.outputs.len().min(self.next_key + KEYS_PER_UNIT);
        let found: Vec<Vec<Hit>> = (self.next_key..end)
            .into_par_iter()
            .with_min_len(512)
            .fold(Vec::new, |mut hits, key| {
                match_key(&self.outputs, &self.collected, index, key, &mut hits);
                hits
            })
            .collect();
        found.into_iter().for_each(|mut part| self.hits.append(&mut part));
        let more = self.next_key < end;
        self.next_key = end;
        more
    }

    fn progress(&self) -> Progress {
        Progress::new("matching", self.next_key as u64, self.outputs.outputs.len() as u64)
    }

    fn hits(&self) -> &[Hit] {
        &self.hits
    }

    fn collected(&self) -> &Collected {
        &self.collected
    }

    fn secrets(&self, hit: Hit) -> RowSecrets {
        RowSecrets::derive(&self.outputs.outputs[hit.key as usize], &self.outputs.sid, hit.number)
    }
}

/// Looks for row 0 of a key, then row 1, as long as there is one.
fn match_key(outputs: &Outputs, collected: &Collected, index: &PrefixIndex, key: usize, hits: &mut Vec<Hit>) {
    if !collected.may_hold(index, outputs.prefixes[key]) {
        return;
    }
    let position = u32::try_from(key).expect("keys are below the ceiling of 2^30");
    for number in 0..=u32::MAX {
        let secrets = RowSecrets::derive(&outputs.outputs[key], &outputs.sid, number);
        let Some(row) = collected.find(index, secrets.name()) else {
            return;
        };
        let row = u32::try_from(row).expect("rows are below the ceiling of 2^30");
        hits.push(Hit { key: position, number, row });
    }
}
