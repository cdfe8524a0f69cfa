//! The last states of a receiver: collect rows, end the run, and only then match.
//!
//! With a release it matches, reports, ends its direction, and only then learns whether it may open.

use super::opening::Opening;
use super::{Collected, Matcher, STEP_RELEASE, STEP_REPORT, STEP_ROWS};
use crate::error::{Error, PeerMisbehaved};
use crate::frame::Frame;
use crate::machine::{Link, Progress, STEP_CHECK, STEP_DONE, STEP_FINISH, Turn};
use crate::party::{ChecksPassed, Outcome, Output};
use crate::payload::RowLayout;
use crate::release::{RELEASE_KEY_BYTES, Release, ReleaseKey};
use crate::session::SessionSpec;
use crate::sid::Sid;

/// What holds the payload back.
#[derive(Clone, Copy)]
pub(crate) struct Withholding {
    pub(crate) release: Release,
    /// What the sender committed to with its key.
    pub(crate) commitment: [u8; 32],
    pub(crate) sid: Sid,
}

/// The own keys' outputs are there, and everything the sender's rows depend on has left.
pub(crate) struct Receiving<M: Matcher> {
    state: State<M>,
    sid: Sid,
    /// Where the rows stand among the sender's steps.
    rows_position: usize,
}

enum State<M: Matcher> {
    Collecting(Collecting<M>),
    Ending(Ending<M>),
    Matching(Matching<M>),
    Reporting(Reporting<M>),
    Asking(Asking<M>),
    Opening(Opening<M>),
}

/// Takes in rows, and checks their order.
struct Collecting<M: Matcher> {
    outputs: M::Outputs,
    collected: Collected,
    release: Option<Withholding>,
}

/// The sender's direction is complete and its Finish fits: says so, the same way whatever matches.
struct Ending<M> {
    matcher: M,
    checks: ChecksPassed,
    done_sent: bool,
}

/// Compares tags, and then does what comes next.
struct Matching<M> {
    matcher: M,
    then: Then,
}

/// What follows the matching.
enum Then {
    /// The run is over: open.
    Open(ChecksPassed),
    /// Everything so far arrived unchanged: report.
    Report(Withholding),
}

/// Says how many keys match, and ends its direction.
struct Reporting<M> {
    matched: M,
    release: Withholding,
    report_sent: bool,
}

/// Waits for the sender's answer to the report, and for its Finish.
struct Asking<M> {
    matched: M,
    release: Withholding,
    answer: Option<Frame>,
}

impl<M: Matcher + Sync> Receiving<M> {
    /// Starts to collect.
    pub(crate) fn new(
        outputs: M::Outputs,
        spec: &SessionSpec,
        release: Option<Withholding>,
        rows_position: usize,
        link: &Link,
    ) -> Self {
        let collected = Collected::new(link.inbound(STEP_ROWS), RowLayout::of(spec));
        Self { state: State::Collecting(Collecting { outputs, collected, release }), sid: spec.sid, rows_position }
    }

    /// The last step the peer may send: the answer to the report only after the report has left, and with it the
    /// last own message.
    pub(crate) const fn turn(&self) -> usize {
        self.rows_position + if matches!(self.state, State::Asking(_)) { 3 } else { 1 }
    }

    /// Whether there is something to do with the frames received so far.
    pub(crate) fn ready(&self, link: &Link) -> bool {
        match self.state {
            State::Collecting(_) => link.has(STEP_ROWS) || link.has(STEP_FINISH) || link.has(STEP_CHECK),
            State::Asking(_) => link.has(STEP_RELEASE) || link.has(STEP_FINISH),
            State::Ending(_) | State::Matching(_) | State::Reporting(_) | State::Opening(_) => true,
        }
    }

    /// Does one unit of work; `wrap` makes a state of the protocol of what is left.
    pub(crate) fn work<S: crate::machine::State<Output = Outcome>>(
        self,
        link: &mut Link,
        wrap: impl FnOnce(Self) -> S,
    ) -> Result<Turn<S>, Error> {
        let Self { sid, rows_position, .. } = self;
        let wrap = |state| wrap(Self { state, sid, rows_position });
        Ok(match self.state {
            State::Collecting(state) => Turn::Next(wrap(state.work(link)?)),
            State::Ending(state) => {
                let (frame, state) = state.work(link);
                Turn::Send(frame, wrap(state))
            }
            State::Matching(state) => Turn::Next(wrap(state.work(sid))),
            State::Reporting(state) => {
                let (frame, state) = state.work(link);
                Turn::Send(frame, wrap(state))
            }
            State::Asking(state) => match state.work(link)? {
                Answer::Go(state) => Turn::Next(wrap(state)),
                Answer::Withheld(matched, checks) => {
                    Turn::Done(Outcome::new(Output::Withheld { matched }, link.transcript(), checks))
                }
            },
            State::Opening(mut state) => {
                if state.work() {
                    return Ok(Turn::Next(wrap(State::Opening(state))));
                }
                let (rows, checks) = state.into_rows();
                Turn::Done(Outcome::new(Output::Matched(rows), link.transcript(), checks))
            }
        })
    }

    /// How far this state is.
    pub(crate) fn progress(&self) -> Progress {
        match &self.state {
            State::Collecting(state) => state.collected.progress(),
            State::Ending(_) => Progress::new("ending", 0, 0),
            State::Matching(state) => state.matcher.progress(),
            State::Reporting(_) | State::Asking(_) => Progress::new("asking for the release", 0, 0),
            State::Opening(state) => state.progress(),
        }
    }
}

impl<M: Matcher> Collecting<M> {
    fn work(mut self, link: &mut Link) -> Result<State<M>, Error> {
        if let Some(frame) = link.take(STEP_ROWS) {
            self.collected.add(frame)?;
            return Ok(State::Collecting(self));
        }
        if let Some(release) = self.release.take_if(|_| link.has(STEP_CHECK)) {
            link.take_check()?;
            let (matcher, then) = (M::new(self.outputs, self.collected), Then::Report(release));
            return Ok(State::Matching(Matching { matcher, then }));
        }
        let Some(finish) = link.take(STEP_FINISH) else {
            return Ok(State::Collecting(self));
        };
        let checks = link.verify_finish(&finish)?;
        let matcher = M::new(self.outputs, self.collected);
        Ok(State::Ending(Ending { matcher, checks, done_sent: false }))
    }
}

impl<M: Matcher> Ending<M> {
    fn work(mut self, link: &mut Link) -> (Frame, State<M>) {
        if self.done_sent {
            let (matcher, then) = (self.matcher, Then::Open(self.checks));
            return (link.finish(), State::Matching(Matching { matcher, then }));
        }
        self.done_sent = true;
        let builder = link.builder(STEP_DONE, 0);
        (link.seal(builder), State::Ending(self))
    }
}

impl<M: Matcher + Sync> Matching<M> {
    fn work(mut self, sid: Sid) -> State<M> {
        if self.matcher.work() {
            return State::Matching(self);
        }
        match self.then {
            Then::Open(checks) => State::Opening(Opening::new(self.matcher, sid, None, checks)),
            Then::Report(release) => State::Reporting(Reporting { matched: self.matcher, release, report_sent: false }),
        }
    }
}

impl<M: Matcher> Reporting<M> {
    /// The report says what the tags said. No payload has been touched.
    fn work(mut self, link: &mut Link) -> (Frame, State<M>) {
        if self.report_sent {
            let asking = Asking { matched: self.matched, release: self.release, answer: None };
            return (link.finish(), State::Asking(asking));
        }
        self.report_sent = true;
        let mut builder = link.builder(STEP_REPORT, 0);
        builder.put(&self.release.release.encode(self.matched.keys_matched()));
        (link.seal(builder), State::Reporting(self))
    }
}

/// What became of the wait for the sender's answer.
enum Answer<M: Matcher> {
    Go(State<M>),
    Withheld(u64, ChecksPassed),
}

impl<M: Matcher + Sync> Asking<M> {
    fn work(mut self, link: &mut Link) -> Result<Answer<M>, Error> {
        if let Some(answer) = link.take(STEP_RELEASE) {
            self.answer = Some(answer);
            return Ok(Answer::Go(State::Asking(self)));
        }
        let Some(finish) = link.take(STEP_FINISH) else {
            return Ok(Answer::Go(State::Asking(self)));
        };
        let checks = link.verify_finish(&finish)?;
        let answer = self.answer.take().ok_or(PeerMisbehaved::ReleaseRejected)?;
        let matched = self.matched.keys_matched();
        let sid = self.release.sid;
        Ok(match self.release.key(&answer, matched)? {
            Some(key) => Answer::Go(State::Opening(Opening::new(self.matched, sid, Some(key), checks))),
            None => Answer::Withheld(matched, checks),
        })
    }
}

impl Withholding {
    /// What the sender answered: the key it committed to when enough keys match, nothing otherwise. Everything that
    /// is compared here is known to the sender.
    fn key(&self, answer: &Frame, matched: u64) -> Result<Option<ReleaseKey>, Error> {
        let rejected = Error::from(PeerMisbehaved::ReleaseRejected);
        let Some((given, bytes)) = answer.body().split_first_chunk::<1>() else {
            return Err(rejected);
        };
        let bytes: &[u8; RELEASE_KEY_BYTES] = match bytes.try_into() {
            Ok(bytes) => bytes,
            Err(_) => return Err(rejected),
        };
        match (given, self.release.is_met(matched)) {
            ([1], true) => ReleaseKey::opening(bytes, &self.sid, &self.commitment).map(Some).ok_or(rejected),
            ([0], false) if *bytes == [0; RELEASE_KEY_BYTES] => Ok(None),
            _ => Err(rejected),
        }
    }
}
