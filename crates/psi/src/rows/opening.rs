//! What matched, and opening its payload once the last message is out.

use rayon::prelude::*;

use super::Collected;
use crate::machine::Progress;
use crate::party::{ChecksPassed, MatchedRows};
use crate::payload::RowSecrets;
use crate::release::ReleaseKey;
use crate::sid::Sid;

/// Rows opened in one unit of work.
const ROWS_PER_UNIT: usize = 1 << 16;

/// A row whose tag is that of a key.
#[derive(Clone, Copy)]
pub(crate) struct Hit {
    pub(crate) key: u32,
    /// The number of the row within the key.
    pub(crate) number: u32,
    /// The position of the row.
    pub(crate) row: u32,
}

/// Compares tags of own keys with those of collected rows. Payload stays as it came.
pub(crate) trait Matcher: Sized {
    /// What is known of the own keys before the rows are there.
    type Outputs;

    /// Starts with all rows.
    fn new(outputs: Self::Outputs, collected: Collected) -> Self;

    /// Does some of the work; `false` when all was done before.
    fn work(&mut self) -> bool;

    /// How far it is.
    fn progress(&self) -> Progress;

    /// The rows that matched, ascending by key and number. Complete when there is no more work.
    fn hits(&self) -> &[Hit];

    /// The rows.
    fn collected(&self) -> &Collected;

    /// The payload key of a row that matched.
    fn secrets(&self, hit: Hit) -> RowSecrets;

    /// How many keys matched.
    fn keys_matched(&self) -> u64 {
        self.hits().iter().filter(|hit| hit.number == 0).count() as u64
    }
}

/// Everything the peer will ever see has been sent: opens payloads.
pub(crate) struct Opening<M> {
    matched: M,
    sid: Sid,
    release: Option<ReleaseKey>,
    next_hit: usize,
    rows: MatchedRows,
    checks: ChecksPassed,
}

impl<M: Matcher + Sync> Opening<M> {
    pub(crate) fn new(matched: M, sid: Sid, release: Option<ReleaseKey>, checks: ChecksPassed) -> Self {
        Self { matched, sid, release, next_hit: 0, rows: MatchedRows::default(), checks }
    }

    /// Opens some payloads; `false` when all were opened before.
    pub(crate) fn work(&mut self) -> bool {
        let hits = self.matched.hits();
        let end = hits.len().min(self.next_hit + ROWS_PER_UNIT);
        let opened: Vec<MatchedRows> = hits[self.next_hit..end]
            .par_iter()
            .with_min_len(512)
            .fold(MatchedRows::default, |mut rows, hit| {
                self.open(*hit, &mut rows);
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

    pub(crate) fn progress(&self) -> Progress {
        Progress::new("opening rows", self.next_hit as u64, self.matched.hits().len() as u64)
    }

    fn open(&self, hit: Hit, rows: &mut MatchedRows) {
        let collected = self.matched.collected();
        let sealed = &collected.row(hit.row as usize)[collected.layout().tag_bytes()..];
        let opens = |payload: &mut Vec<u8>| {
            self.matched.secrets(hit).open_onto(&self.sid, sealed, self.release.as_ref(), payload)
        };
        if sealed.is_empty() || opens(&mut rows.payload) {
            rows.keys.push(hit.key);
        } else {
            rows.unopened_rows += 1;
        }
    }
}
