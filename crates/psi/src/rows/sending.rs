//! The last states of a sender: send sorted rows, wait for the end.
//!
//! With a release it waits for the report and for the end of the receiver's direction, and answers.

use symbolon_primitives::prg::Prg;

use super::{STEP_RELEASE, STEP_REPORT, STEP_ROWS, SortedRows};
use crate::error::{Error, PeerMisbehaved};
use crate::frame::Frame;
use crate::machine::{Link, Progress, STEP_DONE, STEP_FINISH, State, Turn};
use crate::party::{ChecksPassed, Outcome, Output};
use crate::release::{RELEASE_KEY_BYTES, Release, ReleaseKey};
use crate::session::SessionSpec;

/// The key that is held back, and when it is given away.
pub(crate) struct Withheld {
    release: Release,
    key: ReleaseKey,
    /// More distinct keys cannot match.
    keys_max: u64,
}

impl Withheld {
    /// Draws the key of a run, if its payload is held back.
    pub(crate) fn of(spec: &SessionSpec, prg: &Prg) -> Option<Self> {
        spec.release.map(|release| Self {
            release,
            key: ReleaseKey::random(prg),
            keys_max: spec.rows_receiver.min(spec.rows_sender),
        })
    }

    /// The key.
    pub(crate) const fn key(&self) -> &ReleaseKey {
        &self.key
    }
}

/// The rows are made: sends them and ends the run.
pub(crate) enum Sending {
    Rows(Rows),
    Closing(Closing),
    Answering(Answering),
    Releasing(Releasing),
}

/// Sends the rows.
pub(crate) struct Rows {
    rows: SortedRows,
    next: u32,
    withheld: Option<Withheld>,
}

/// Everything is sent: waits for the receiver's Done and Finish.
pub(crate) struct Closing {
    done: bool,
}

/// Every row is sent: waits for the receiver's report and its Finish.
pub(crate) struct Answering {
    withheld: Withheld,
    reported: Option<Reported>,
}

/// What the receiver said.
#[derive(Clone, Copy)]
struct Reported {
    matched: Option<u64>,
    met: bool,
}

/// The receiver's direction is complete: gives the key away or refuses it, and ends the own direction.
pub(crate) struct Releasing {
    /// Gone once it has been answered for.
    withheld: Option<Withheld>,
    finished: bool,
    reported: Reported,
    checks: ChecksPassed,
}

impl Sending {
    pub(crate) const fn new(rows: SortedRows, withheld: Option<Withheld>) -> Self {
        Self::Rows(Rows { rows, next: 0, withheld })
    }

    /// Whether the last own row has left, so that the receiver may end the run.
    pub(crate) const fn rows_are_out(&self) -> bool {
        !matches!(self, Self::Rows(_))
    }

    /// Whether there is something to do with the frames received so far.
    pub(crate) fn ready(&self, link: &Link) -> bool {
        match self {
            Self::Rows(_) | Self::Releasing(_) => true,
            Self::Answering(_) => link.has(STEP_REPORT) || link.has(STEP_FINISH),
            Self::Closing(state) => link.has(if state.done { STEP_FINISH } else { STEP_DONE }),
        }
    }

    /// Does one unit of work; `wrap` makes a state of the protocol of what is left.
    pub(crate) fn work<S: State<Output = Outcome>>(
        self,
        link: &mut Link,
        wrap: impl FnOnce(Self) -> S,
    ) -> Result<Turn<S>, Error> {
        Ok(match self {
            Self::Rows(state) => {
                let (frame, state) = state.work(link);
                Turn::Send(frame, wrap(state))
            }
            Self::Closing(state) => match state.work(link)? {
                Closed::Open(state) => Turn::Next(wrap(Self::Closing(state))),
                Closed::Done(outcome) => Turn::Done(outcome),
            },
            Self::Answering(state) => Turn::Next(wrap(state.work(link)?)),
            Self::Releasing(state) => match state.work(link) {
                Released::Send(frame, state) => Turn::Send(frame, wrap(Self::Releasing(state))),
                Released::Done(outcome) => Turn::Done(outcome),
            },
        })
    }

    /// How far this state is.
    pub(crate) fn progress(&self) -> Progress {
        match self {
            Self::Rows(state) => state.rows.progress(state.next),
            Self::Closing(_) => Progress::new("waiting for the end", 0, 0),
            Self::Answering(_) => Progress::new("waiting for the report", 0, 0),
            Self::Releasing(_) => Progress::new("answering the report", 0, 0),
        }
    }
}

impl Rows {
    fn work(mut self, link: &mut Link) -> (Frame, Sending) {
        let plan = link.outbound(STEP_ROWS);
        if self.next == plan.frames() {
            if let Some(withheld) = self.withheld {
                return (link.check(), Sending::Answering(Answering { withheld, reported: None }));
            }
            return (link.finish(), Sending::Closing(Closing { done: false }));
        }
        let mut builder = link.builder(STEP_ROWS, self.next);
        self.rows.write(plan.range(self.next), builder.body());
        self.next += 1;
        (link.seal(builder), Sending::Rows(self))
    }
}

/// What became of the wait for the end.
enum Closed {
    Open(Closing),
    Done(Outcome),
}

impl Closing {
    fn work(self, link: &mut Link) -> Result<Closed, Error> {
        if link.take(STEP_DONE).is_some() {
            return Ok(Closed::Open(Self { done: true }));
        }
        let Some(finish) = link.take(STEP_FINISH) else {
            return Ok(Closed::Open(self));
        };
        let checks = link.verify_finish(&finish)?;
        Ok(Closed::Done(Outcome::new(Output::Sent, link.transcript(), checks)))
    }
}

impl Answering {
    fn work(mut self, link: &mut Link) -> Result<Sending, Error> {
        if let Some(frame) = link.take(STEP_REPORT) {
            let report = self.withheld.release.decode(frame.body(), self.withheld.keys_max);
            let (matched, met) = report.ok_or(PeerMisbehaved::UnexpectedContent { step: STEP_REPORT })?;
            self.reported = Some(Reported { matched, met });
            return Ok(Sending::Answering(self));
        }
        let Some(finish) = link.take(STEP_FINISH) else {
            return Ok(Sending::Answering(self));
        };
        let checks = link.verify_finish(&finish)?;
        let Self { withheld, reported } = self;
        let reported = reported.ok_or(PeerMisbehaved::UnexpectedContent { step: STEP_REPORT })?;
        Ok(Sending::Releasing(Releasing { withheld: Some(withheld), finished: false, reported, checks }))
    }
}

/// What became of the answer.
enum Released {
    Send(Frame, Releasing),
    Done(Outcome),
}

impl Releasing {
    fn work(mut self, link: &mut Link) -> Released {
        let released = self.reported.met;
        if let Some(withheld) = self.withheld.take() {
            let mut builder = link.builder(STEP_RELEASE, 0);
            builder.put(&[u8::from(released)]);
            builder.put(if released { withheld.key.expose() } else { &[0; RELEASE_KEY_BYTES] });
            return Released::Send(link.seal(builder), self);
        }
        if !self.finished {
            self.finished = true;
            return Released::Send(link.finish(), self);
        }
        let output = Output::Reported { matched: self.reported.matched, released };
        Released::Done(Outcome::new(output, link.transcript(), self.checks))
    }
}
