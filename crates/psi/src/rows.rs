//! Rows under tags: how a sender sends them, how a receiver takes them in and matches them, and how the run ends.
//!
//! Shared by the joins whose receiver compares tags by itself. What differs between them is how a tag and a payload
//! key come about: a sender gives its sealed rows, a receiver a [`Matcher`].

mod collected;
mod grouped;
mod opening;
mod receiving;
mod sending;
mod sorted;

pub(crate) use collected::Collected;
pub(crate) use grouped::Grouped;
pub(crate) use opening::{Hit, Matcher};
pub(crate) use receiving::{Receiving, Withholding};
pub(crate) use sending::{Sending, Withheld};
pub(crate) use sorted::SortedRows;

use crate::machine::{FINISH_ACKNOWLEDGING_BYTES, FINISH_BYTES, STEP_CHECK, STEP_DONE, STEP_FINISH, StepPlan};
use crate::payload::RowLayout;
use crate::release::RELEASE_KEY_BYTES;
use crate::session::SessionSpec;

/// Tags and payload of the sender.
pub(crate) const STEP_ROWS: u8 = 4;
/// What the receiver says about the number of matches.
pub(crate) const STEP_REPORT: u8 = 5;
/// The key of the payload, or its refusal.
pub(crate) const STEP_RELEASE: u8 = 6;

/// Adds the last steps of a sender: its rows, with a release what goes with that, and Finish.
pub(crate) fn plan_sender(spec: &SessionSpec, plan: &mut Vec<StepPlan>) {
    let layout = RowLayout::of(spec);
    plan.push(StepPlan::new(STEP_ROWS, spec.rows_sender, layout.rows_per_frame(), layout.row_bytes()));
    if spec.release.is_some() {
        plan.push(StepPlan::single(STEP_CHECK, FINISH_ACKNOWLEDGING_BYTES));
        plan.push(StepPlan::single(STEP_RELEASE, 1 + RELEASE_KEY_BYTES));
    }
    plan.push(StepPlan::single(STEP_FINISH, FINISH_ACKNOWLEDGING_BYTES));
}

/// Adds the last steps of a receiver: Done, or with a release the report, and Finish.
pub(crate) fn plan_receiver(spec: &SessionSpec, plan: &mut Vec<StepPlan>) {
    plan.push(
        spec.release
            .map_or(StepPlan::single(STEP_DONE, 0), |release| StepPlan::single(STEP_REPORT, release.report.bytes())),
    );
    plan.push(StepPlan::single(STEP_FINISH, FINISH_BYTES));
}
