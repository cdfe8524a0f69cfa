//! The receiver's outputs, and comparing their tags with those of the rows.

use rayon::prelude::*;
use symbolon_primitives::memory;
use zeroize::Zeroize;

use super::hashing::Hasher;
use crate::machine::Progress;
use crate::payload::RowSecrets;
use crate::rows::{Collected, Hit, Matcher};
use crate::tags::{PrefixIndex, Ranked, sort};

/// The outputs of a receiver's keys: the tags of their first rows, and what further tags and payload keys come from.
/// Wiped when dropped.
pub(crate) struct Outputs {
    chains: Vec<[u8; 32]>,
    tags: Vec<Ranked>,
    filled: usize,
    hasher: Option<Hasher>,
}

impl Outputs {
    pub(crate) fn new(keys: usize) -> Self {
        Self { chains: memory::defaults(keys), tags: memory::defaults(keys), filled: 0, hasher: None }
    }

    /// Keys whose outputs are there.
    pub(crate) const fn len(&self) -> usize {
        self.filled
    }

    /// The places of the outputs of the next keys.
    pub(crate) fn next(&mut self, keys: usize) -> (&mut [[u8; 32]], &mut [Ranked]) {
        let places = self.filled..self.filled + keys;
        self.filled = places.end;
        (&mut self.chains[places.clone()], &mut self.tags[places])
    }

    /// Brings the tags in order, while the sender is busy with its rows.
    pub(crate) fn sorted(mut self, hasher: Hasher) -> Self {
        self.tags = sort(std::mem::take(&mut self.tags));
        self.hasher = Some(hasher);
        self
    }

    fn secrets(&self, key: u32, number: u32) -> RowSecrets {
        let hasher = self.hasher.as_ref().expect("outputs are sorted before they are compared");
        hasher.row(&self.chains[key as usize], number)
    }
}

impl Drop for Outputs {
    fn drop(&mut self) {
        self.chains.as_flattened_mut().zeroize();
        self.tags.fill(Ranked::default());
    }
}

/// Compares tags: those of row 0 of all keys, then those of row 1 of the keys that have a row, and from row 2 on key
/// by key.
pub(crate) struct Matching {
    outputs: Outputs,
    collected: Collected,
    hits: Vec<Hit>,
    keys_done: usize,
}

impl Matcher for Matching {
    type Outputs = Outputs;

    fn new(outputs: Outputs, collected: Collected) -> Self {
        Self { outputs, collected, hits: Vec::new(), keys_done: 0 }
    }

    fn work(&mut self) -> bool {
        let keys = self.outputs.len();
        if self.keys_done == keys {
            return false;
        }
        self.keys_done = keys;
        let first = std::mem::take(&mut self.outputs.tags);
        let found = merge(&self.collected, &first);
        drop(first);
        // By key: each key has one row 0 at most.
        let mut rows = vec![NO_ROW; keys];
        found.iter().for_each(|(key, row)| rows[*key as usize] = rows[*key as usize].min(*row));
        let further = self.further(&found);
        let mut further = further.into_iter().peekable();
        self.hits.reserve(found.len());
        for (key, row) in (0_u32..).zip(rows).filter(|(_, row)| *row != NO_ROW) {
            self.hits.push(Hit { key, number: 0, row });
            while let Some(hit) = further.next_if(|hit| hit.key == key) {
                self.hits.push(hit);
            }
        }
        true
    }

    fn progress(&self) -> Progress {
        Progress::new("matching", self.keys_done as u64, self.outputs.len() as u64)
    }

    fn hits(&self) -> &[Hit] {
        &self.hits
    }

    fn collected(&self) -> &Collected {
        &self.collected
    }

    fn secrets(&self, hit: Hit) -> RowSecrets {
        self.outputs.secrets(hit.key, hit.number)
    }
}

/// No row has this position.
const NO_ROW: u32 = u32::MAX;

impl Matching {
    /// The rows behind the first of the keys that have one, by key and number.
    fn further(&self, first: &[(u32, u32)]) -> Vec<Hit> {
        let hasher = self.outputs.hasher.as_ref().expect("outputs are sorted before they are compared");
        let mut chains: Vec<[u8; 32]> = first.iter().map(|(key, _)| self.outputs.chains[*key as usize]).collect();
        let names = hasher.row_names(&chains, 1);
        chains.as_flattened_mut().zeroize();
        let width = self.collected.layout().tag_bytes();
        let tags = first.iter().zip(&names).map(|((key, _), name)| Ranked::new(&name[..width], *key));
        let second = merge(&self.collected, &sort(tags.collect()));
        if second.is_empty() {
            return Vec::new();
        }
        let index = self.collected.index();
        let mut hits: Vec<Hit> = second
            .par_iter()
            .with_min_len(64)
            .fold(Vec::new, |mut hits, (key, row)| {
                hits.push(Hit { key: *key, number: 1, row: *row });
                self.behind(&index, *key, &mut hits);
                hits
            })
            .reduce(Vec::new, |mut one, mut two| {
                one.append(&mut two);
                one
            });
        hits.sort_unstable_by_key(|hit| (hit.key, hit.number));
        hits
    }

    /// Row 2 of a key, row 3, and so on, as long as there is one.
    fn behind(&self, index: &PrefixIndex, key: u32, hits: &mut Vec<Hit>) {
        let width = self.collected.layout().tag_bytes();
        for number in 2..=u32::MAX {
            let secrets = self.outputs.secrets(key, number);
            let Some(row) = self.collected.find(index, &secrets.name()[..width]) else {
                return;
            };
            let row = u32::try_from(row).expect("rows are below the ceiling of 2^30");
            hits.push(Hit { key, number, row });
        }
    }
}

/// The keys among `sorted` that have a row, each with the first such row, in the order of tags.
fn merge(collected: &Collected, sorted: &[Ranked]) -> Vec<(u32, u32)> {
    if sorted.is_empty() {
        return Vec::new();
    }
    let parts: Vec<Vec<(u32, u32)>> =
        (0..collected.frames()).into_par_iter().map(|frame| merge_frame(collected, frame, sorted)).collect();
    parts.concat()
}

/// The same for the rows of one frame.
fn merge_frame(collected: &Collected, frame: usize, sorted: &[Ranked]) -> Vec<(u32, u32)> {
    let mut hits = Vec::new();
    let (first_row, last) = collected.before(frame);
    let first_row = u32::try_from(first_row).expect("rows are below the ceiling of 2^30");
    let mut last = last.map(|row| row.tag());
    let mut place = None;
    for (row, tag) in (first_row..).zip(collected.ranked(frame)) {
        let tag = tag.tag();
        // Of rows with the same tag the first counts.
        if last.replace(tag) == Some(tag) {
            continue;
        }
        let mut next = place.unwrap_or_else(|| sorted.partition_point(|own| own.tag() < tag));
        while sorted.get(next).is_some_and(|own| own.tag() < tag) {
            next += 1;
        }
        place = Some(next);
        hits.extend(sorted[next..].iter().take_while(|own| own.tag() == tag).map(|own| (own.index, row)));
    }
    hits
}
