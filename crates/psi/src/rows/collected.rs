//! The sender's rows, as they came.

use crate::error::{Error, PeerMisbehaved};
use crate::frame::Frame;
use crate::machine::{Progress, StepPlan};
use crate::payload::RowLayout;
use crate::tags::{PrefixIndex, Ranked, tag_prefix};

/// The sender's rows, in the frames in which they came.
pub(crate) struct Collected {
    frames: Vec<Frame>,
    plan: StepPlan,
    layout: RowLayout,
}

impl Collected {
    pub(crate) const fn new(plan: StepPlan, layout: RowLayout) -> Self {
        Self { frames: Vec::new(), plan, layout }
    }

    /// Adds a frame, whose tags go on ascending. Two rows may have the same short tag; no two have the same long one.
    pub(crate) fn add(&mut self, frame: Frame) -> Result<(), Error> {
        let width = self.layout.tag_bytes();
        if self.layout.tags_are_short() {
            let last = self.frames.len().checked_sub(1).and_then(|last| self.ranked(last).next_back());
            self.frames.push(frame);
            let tags = self.ranked(self.frames.len() - 1).map(|tag| tag.tag());
            let mut last = last.map(|tag| tag.tag());
            let sorted = tags.into_iter().all(|tag| last.replace(tag).is_none_or(|last| last <= tag));
            return if sorted { Ok(()) } else { Err(PeerMisbehaved::TagsNotSorted.into()) };
        }
        let last = self.frames.last().and_then(|frame| self.layout.rows(frame.body()).next_back());
        let mut last = last.map(|row| &row[..width]);
        for row in self.layout.rows(frame.body()) {
            let tag = Some(&row[..width]);
            if tag <= last {
                return Err(PeerMisbehaved::TagsNotSorted.into());
            }
            last = tag;
        }
        self.frames.push(frame);
        Ok(())
    }

    pub(crate) const fn progress(&self) -> Progress {
        let rows = self.frames.len() as u64 * self.plan.items_per_frame as u64;
        let total = self.plan.items;
        Progress::new("collecting rows", if rows < total { rows } else { total }, total)
    }

    pub(crate) const fn layout(&self) -> RowLayout {
        self.layout
    }

    /// The row at a position.
    pub(crate) fn row(&self, row: usize) -> &[u8] {
        let frame = &self.frames[row / self.plan.items_per_frame];
        let row_bytes = self.layout.row_bytes();
        &frame.body()[row % self.plan.items_per_frame * row_bytes..][..row_bytes]
    }

    /// How many frames there are.
    pub(crate) const fn frames(&self) -> usize {
        self.frames.len()
    }

    /// The short tags of the rows of a frame.
    pub(crate) fn ranked(&self, frame: usize) -> impl DoubleEndedIterator<Item = Ranked> {
        let (row_bytes, width) = (self.layout.row_bytes(), self.layout.tag_bytes());
        let body = self.frames[frame].body();
        (0..body.len()).step_by(row_bytes).map(move |start| Ranked::read(&body[start..], width, 0))
    }

    /// The position of the first row of a frame, and the short tag of the row before it.
    pub(crate) fn before(&self, frame: usize) -> (usize, Option<Ranked>) {
        let first = frame * self.plan.items_per_frame;
        (first, first.checked_sub(1).map(|row| Ranked::new(&self.row(row)[..self.layout.tag_bytes()], 0)))
    }

    /// The rows in order.
    pub(crate) fn rows(&self) -> impl Iterator<Item = &[u8]> {
        self.frames.iter().flat_map(|frame| self.layout.rows(frame.body()))
    }

    /// An index over the tags.
    pub(crate) fn index(&self) -> PrefixIndex {
        PrefixIndex::new(
            usize::try_from(self.plan.items).unwrap_or(usize::MAX),
            self.rows().map(|row| self.prefix(row)),
        )
    }

    /// The position of the first row with this tag.
    pub(crate) fn find(&self, index: &PrefixIndex, tag: &[u8]) -> Option<usize> {
        let found = self.first_at_least(index.range(tag_prefix(tag)), tag)?;
        (self.row(found)[..tag.len()] == *tag).then_some(found)
    }

    /// Whether some tag of at least eight bytes begins like this. No row is touched for most keys without a match.
    pub(crate) fn may_hold(&self, index: &PrefixIndex, prefix: u64) -> bool {
        let found = self.first_at_least(index.range(prefix), &prefix.to_be_bytes());
        found.is_some_and(|row| self.prefix(self.row(row)) == prefix)
    }

    fn prefix(&self, row: &[u8]) -> u64 {
        tag_prefix(&row[..self.layout.tag_bytes()])
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
