//! A party as a machine without I/O: frames go in, frames come out, and somebody else owns the network, the
//! threads and the clock.
//!
//! A driver holds the machine and a queue of received frames and repeats:
//!
//! * [`Step::Send`]: put the frame on the outgoing queue, then `advance` with a queued frame or `None`.
//! * [`Step::Work`]: `advance` with a queued frame or `None`, on a thread where some tens of milliseconds of
//!   computing do no harm. This call may use rayon.
//! * [`Step::Await`]: nothing to do until the peer's next frame; `advance` with it.
//! * [`Step::Done`]: the run is over, here is the output.
//!
//! Only the call that answers `Work` computes; every other call returns at once. Every machine takes a frame or
//! `None` at any time, so a driver can keep reading while it sends and computes. The machine bounds what it
//! stores: a frame that is not exactly the next one is an error.
//!
//! `advance` takes the machine by value: an error leaves nothing behind that could be used by mistake, and a
//! step cannot be made twice.

mod driven;
mod link;

pub(crate) use driven::{Driven, State, Turn};
pub(crate) use link::{
    FINISH_ACKNOWLEDGING_BYTES, FINISH_BYTES, Link, Plans, STEP_CHECK, STEP_DONE, STEP_FINISH, StepPlan,
};

use crate::error::Error;
use crate::frame::Frame;
use crate::party::TranscriptHashes;

/// What a driver does next.
#[derive(Debug)]
#[expect(clippy::exhaustive_enums, reason = "a driver must handle every case")]
pub enum Step<M: Machine> {
    /// Send this frame, then advance.
    Send(Frame, M),
    /// Wait for a frame, then advance with it.
    Await(M),
    /// Advance on a thread that may compute.
    Work(M),
    /// The run is over.
    Done(M::Output),
}

/// One side of one run.
pub trait Machine: Sized {
    /// What the run gives this side.
    type Output;

    /// Moves on, taking in a frame of the peer if there is one.
    ///
    /// # Errors
    /// Whatever ends the run; the machine is gone, and a new run needs a new session identifier.
    fn advance(self, inbound: Option<Frame>) -> Result<Step<Self>, Error>;

    /// How far the run is.
    fn progress(&self) -> Progress;

    /// The hashes over both directions once nothing more is sent or received: the own Finish has left, the peer's
    /// fits. What is left then is local, and nobody else can see how it ends.
    fn transcript(&self) -> Option<TranscriptHashes>;
}

/// How far a run is, for people. Not a measure of what matched: before the last message nothing here depends on
/// the peer's keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress {
    /// A stable word for the current phase.
    pub phase: &'static str,
    /// Rows handled in this phase.
    pub rows_done: u64,
    /// Rows this phase handles altogether.
    pub rows_total: u64,
}

impl Progress {
    /// Puts the three together.
    #[must_use]
    pub const fn new(phase: &'static str, rows_done: u64, rows_total: u64) -> Self {
        Self { phase, rows_done, rows_total }
    }
}
