//! The shell around the states of a protocol: takes frames in, and computes only when it announced it.

use crate::error::Error;
use crate::frame::Frame;
use crate::machine::{Link, Machine, Progress, Step};
use crate::party::TranscriptHashes;

/// The states of one role of one protocol: an enum with a struct for each state.
pub(crate) trait State: Sized {
    /// What the run gives this role.
    type Output;

    /// The last step the peer may send in this state, by its position in the plan.
    fn turn(&self) -> usize;

    /// Whether [`State::work`] has something to do with the frames received so far.
    fn ready(&self, link: &Link) -> bool;

    /// Does one unit of work.
    fn work(self, link: &mut Link) -> Result<Turn<Self>, Error>;

    /// How far this state is.
    fn progress(&self) -> Progress;
}

/// What a unit of work led to.
pub(crate) enum Turn<S: State> {
    /// Nothing to send.
    Next(S),
    /// A frame to send.
    Send(Frame, S),
    /// The end.
    Done(S::Output),
}

/// A machine made of states and a link.
pub(crate) struct Driven<S> {
    state: S,
    link: Link,
    /// The last answer was `Work`, so this call may compute.
    announced: bool,
}

impl<S: State> Driven<S> {
    pub(crate) const fn new(state: S, link: Link) -> Self {
        Self { state, link, announced: false }
    }

    fn announce(mut self) -> Step<Self> {
        self.announced = self.state.ready(&self.link);
        if self.announced { Step::Work(self) } else { Step::Await(self) }
    }
}

impl<S: State> Machine for Driven<S> {
    type Output = S::Output;

    fn advance(mut self, inbound: Option<Frame>) -> Result<Step<Self>, Error> {
        if let Some(frame) = inbound {
            self.link.accept(frame, self.state.turn())?;
        }
        if !self.announced {
            return Ok(self.announce());
        }
        let Self { state, mut link, .. } = self;
        Ok(match state.work(&mut link)? {
            Turn::Next(state) => Self::new(state, link).announce(),
            Turn::Send(frame, state) => Step::Send(frame, Self::new(state, link)),
            Turn::Done(output) => Step::Done(output),
        })
    }

    fn progress(&self) -> Progress {
        self.state.progress()
    }

    fn transcript(&self) -> Option<TranscriptHashes> {
        self.link.settled()
    }
}
