//! What happens after the last message: comparing tags and opening payloads.

use rayon::prelude::*;
use zeroize::Zeroize;

use super::tag_prefix;
use crate::ecdh::tags::PrefixIndex;
use crate::error::{Error, PeerMisbehaved};
use crate::frame::Frame;
use crate::machine::{Progress, StepPlan};
use crate::party::{ChecksPassed, MatchedRows};
use crate::payload::{RowLayout, RowSecrets, TAG_BYTES};
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

    /// The row with this tag.
    fn find(&self, index: &PrefixIndex, tag: &[u8]) -> Option<&[u8]> {
        let found = self.first_at_least(index.range(tag_prefix(tag)), tag)?;
        let row = self.row(found);
        (row[..TAG_BYTES] == *tag).then_some(row)
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

/// Everything the peer will ever see has been sent: compares tags and opens payloads.
pub(crate) struct Matching {
    outputs: Outputs,
    collected: Collected,
    index: Option<PrefixIndex>,
    next_key: usize,
    rows: MatchedRows,
    checks: ChecksPassed,
}

impl Matching {
    pub(crate) fn new(outputs: Outputs, collected: Collected, checks: ChecksPassed) -> Self {
        Self { outputs, collected, index: None, next_key: 0, rows: MatchedRows::default(), checks }
    }

    /// Matches some keys; `false` when all were matched before.
    pub(crate) fn work(&mut self) -> bool {
        let index = self.index.get_or_insert_with(|| self.collected.index());
        let end = self.outputs.outputs.len().min(self.next_key + KEYS_PER_UNIT);
        let found: Vec<MatchedRows> = (self.next_key..end)
            .into_par_iter()
            .with_min_len(512)
            .fold(MatchedRows::default, |mut rows, key| {
                match_key(&self.outputs, &self.collected, index, key, &mut rows);
                rows
            })
            .collect();
        for mut part in found {
            self.rows.keys.append(&mut part.keys);
            self.rows.payload.append(&mut part.payload);
            self.rows.unopened_rows += part.unopened_rows;
        }
        let more = self.next_key < end;
        self.next_key = end;
        more
    }

    pub(crate) fn into_rows(self) -> (MatchedRows, ChecksPassed) {
        (self.rows, self.checks)
    }

    pub(crate) const fn progress(&self) -> Progress {
        Progress::new("matching", self.next_key as u64, self.outputs.outputs.len() as u64)
    }
}

/// Looks for row 0 of a key, then row 1, as long as there is one.
fn match_key(outputs: &Outputs, collected: &Collected, index: &PrefixIndex, key: usize, rows: &mut MatchedRows) {
    if !collected.may_hold(index, outputs.prefixes[key]) {
        return;
    }
    let position = u32::try_from(key).expect("keys are below the ceiling of 2^30");
    for number in 0..=u32::MAX {
        let secrets = RowSecrets::derive(&outputs.outputs[key], &outputs.sid, number);
        let Some(row) = collected.find(index, secrets.tag()) else {
            return;
        };
        let sealed = &row[TAG_BYTES..];
        if sealed.is_empty() || secrets.open_onto(&outputs.sid, sealed, &mut rows.payload) {
            rows.keys.push(position);
        } else {
            rows.unopened_rows += 1;
        }
    }
}
