//! What happens once all rows are there: comparing tags, and after the last message opening payloads.

use rayon::prelude::*;
use zeroize::Zeroize;

use super::tag_prefix;
use crate::ecdh::tags::PrefixIndex;
use crate::error::{Error, PeerMisbehaved};
use crate::frame::Frame;
use crate::machine::{Progress, StepPlan};
use crate::party::{ChecksPassed, MatchedRows};
use crate::payload::{RowLayout, RowSecrets, TAG_BYTES};
use crate::release::ReleaseKey;
use crate::sid::Sid;

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
        let prefix = |output| tag_prefix(RowSecrets::derive(output, &self.sid, 0).tag());
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

/// The sender's rows, in the frames in which they came.
pub(crate) struct Collected {
    frames: Vec<Frame>,
    plan: StepPlan,
    layout: RowLayout,
    last: Option<[u8; TAG_BYTES]>,
}

impl Collected {
    pub(crate) const fn new(plan: StepPlan, layout: RowLayout) -> Self {
        Self { frames: Vec::new(), plan, layout, last: None }
    }

    /// Adds a frame, whose tags go on ascending.
    pub(crate) fn add(&mut self, frame: Frame) -> Result<(), Error> {
        for row in frame.body().chunks_exact(self.layout.row_bytes()) {
            let tag = row.first_chunk::<TAG_BYTES>().copied();
            if tag <= self.last {
                return Err(PeerMisbehaved::TagsNotSorted.into());
            }
            self.last = tag;
        }
        self.frames.push(frame);
        Ok(())
    }

    pub(crate) const fn progress(&self) -> Progress {
        let rows = self.frames.len() as u64 * self.plan.items_per_frame as u64;
        let total = self.plan.items;
        Progress::new("collecting rows", if rows < total { rows } else { total }, total)
    }

    fn row(&self, row: usize) -> &[u8] {
        let frame = &self.frames[row / self.plan.items_per_frame];
        let row_bytes = self.layout.row_bytes();
        &frame.body()[row % self.plan.items_per_frame * row_bytes..][..row_bytes]
    }

    fn index(&self) -> PrefixIndex {
        let rows = self.frames.iter().flat_map(|frame| frame.body().chunks_exact(self.layout.row_bytes()));
        PrefixIndex::new(usize::try_from(self.plan.items).unwrap_or(usize::MAX), rows.map(tag_prefix))
    }

    /// The position of the row with this tag.
    fn find(&self, index: &PrefixIndex, tag: &[u8]) -> Option<usize> {
        let found = self.first_at_least(index.range(tag_prefix(tag)), tag)?;
        (self.row(found)[..TAG_BYTES] == *tag).then_some(found)
    }

    /// Whether some tag begins like this. No row is touched for most keys without a match.
    fn may_hold(&self, index: &PrefixIndex, prefix: u64) -> bool {
        let found = self.first_at_least(index.range(prefix), &prefix.to_be_bytes());
        found.is_some_and(|row| tag_prefix(self.row(row)) == prefix)
    }

    fn first_at_least(&self, range: std::ops::Range<usize>, bound: &[u8]) -> Option<usize> {
        let (mut low, mut high) = (range.start, range.end);
        while low < high {
            let middle = low.midpoint(high);
            if self.row(middle)[..bound.len()] < *bound {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        (low < range.end).then_some(low)
    }
}

/// A row whose tag is that of a key.
#[derive(Clone, Copy)]
struct Hit {
    key: u32,
    /// The number of the row within the key.
    number: u32,
    /// The position of the row.
    row: u32,
}

/// Compares tags. Payload stays as it came.
pub(crate) struct Matching {
    outputs: Outputs,
    collected: Collected,
    index: Option<PrefixIndex>,
    next_key: usize,
    hits: Vec<Hit>,
}

impl Matching {
    pub(crate) const fn new(outputs: Outputs, collected: Collected) -> Self {
        Self { outputs, collected, index: None, next_key: 0, hits: Vec::new() }
    }

    /// Matches some keys; `false` when all were matched before.
    pub(crate) fn work(&mut self) -> bool {
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

    /// How many keys matched so far.
    pub(crate) fn keys_matched(&self) -> u64 {
        self.hits.iter().filter(|hit| hit.number == 0).count() as u64
    }

    pub(crate) const fn progress(&self) -> Progress {
        Progress::new("matching", self.next_key as u64, self.outputs.outputs.len() as u64)
    }
}

/// Everything the peer will ever see has been sent: opens payloads.
pub(crate) struct Opening {
    matched: Matching,
    release: Option<ReleaseKey>,
    next_hit: usize,
    rows: MatchedRows,
    checks: ChecksPassed,
}

impl Opening {
    pub(crate) fn new(matched: Matching, release: Option<ReleaseKey>, checks: ChecksPassed) -> Self {
        Self { matched, release, next_hit: 0, rows: MatchedRows::default(), checks }
    }

    /// Opens some payloads; `false` when all were opened before.
    pub(crate) fn work(&mut self) -> bool {
        let hits = &self.matched.hits;
        let end = hits.len().min(self.next_hit + KEYS_PER_UNIT);
        let opened: Vec<MatchedRows> = hits[self.next_hit..end]
            .par_iter()
            .with_min_len(512)
            .fold(MatchedRows::default, |mut rows, hit| {
                open_hit(&self.matched, self.release.as_ref(), *hit, &mut rows);
                rows
            })
            .collect();
        for mut part in opened {
            self.rows.keys.append(&mut part.keys);
            self.rows.payload.append(&mut part.payload);
            self.rows.unopened_rows += part.unopened_rows;
        }
        let more = self.next_hit < end;
        self.next_hit = end;
        more
    }

    pub(crate) fn into_rows(self) -> (MatchedRows, ChecksPassed) {
        (self.rows, self.checks)
    }

    pub(crate) const fn progress(&self) -> Progress {
        Progress::new("opening rows", self.next_hit as u64, self.matched.hits.len() as u64)
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
        let Some(row) = collected.find(index, secrets.tag()) else {
            return;
        };
        let row = u32::try_from(row).expect("rows are below the ceiling of 2^30");
        hits.push(Hit { key: position, number, row });
    }
}

fn open_hit(matched: &Matching, release: Option<&ReleaseKey>, hit: Hit, rows: &mut MatchedRows) {
    let outputs = &matched.outputs;
    let sealed = &matched.collected.row(hit.row as usize)[TAG_BYTES..];
    let opens = |payload: &mut Vec<u8>| {
        let secrets = RowSecrets::derive(&outputs.outputs[hit.key as usize], &outputs.sid, hit.number);
        secrets.open_onto(&outputs.sid, sealed, release, payload)
    };
    if sealed.is_empty() || opens(&mut rows.payload) {
        rows.keys.push(hit.key);
    } else {
        rows.unopened_rows += 1;
    }
}
