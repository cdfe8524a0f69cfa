//! A session: the driver that pumps one protocol machine over one stream.
//!
//! The machine knows neither network nor time; the driver owns both. It
//!
//! * never stops reading: frames that come while the machine computes or sends wait in an inbox, in memory up to a
//!   limit and behind it on disk, and altogether no more than the session declared;
//! * sends through a bounded queue, and a full queue never keeps it from reading, so two drivers cannot block each
//!   other however small the windows of the transport are;
//! * runs every `Work` step on the node's compute pool, never on an asynchronous thread;
//! * ends the session by itself: when the peer is silent, when the session takes too long, when the operator cancels,
//!   when the stream ends too early.
//!
//! Beside all that it asks its [`Watch`] again and again whether the session may go on: before each phase of the
//! protocol, before every [`BATCH_FRAMES`]th frame, counted over both directions, and every [`WATCH_PERIOD`] whatever
//! happens or does not. The question is put without stopping the reader; a no ends the session.
//!
//! While it computes it sends a sign of life at a fixed interval, so that the peer's idle timer can be short.
//!
//! Roles: a gRPC client is the session's initiator, a gRPC server its responder. Which of them is the protocol's
//! sender or receiver is decided in [`roles`](crate::convert::roles).

use std::collections::VecDeque;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use symbolon_psi::{Frame, Machine, Progress, Step, TranscriptHashes};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, Interval, MissedTickBehavior, Sleep, interval_at, sleep_until};
use tokio_stream::{Stream, StreamExt};
use tokio_util::sync::CancellationToken;

use crate::error::{Environment, Error, PeerMisbehaved, Unavailable};
use inbox::Inbox;
pub use inbox::InboxLimits;
pub use notary::{EvidenceMessage, Notarising, Notary, NotaryStep, Transcript};

pub mod handshake;
mod inbox;
mod notary;

/// How long a failing side waits for its last message to leave.
const FAREWELL: Duration = Duration::from_secs(2);

/// The longest time between two signs of life: half of the shortest idle limit a peer can be configured with.
const ALIVE_PERIOD_MAX: Duration = Duration::from_millis(500);

/// Messages about logs a peer may send before they are asked for: one follows the other, so there is one, and one more
/// when this side is behind.
const EVIDENCE_WAITING_MAX: usize = 2;

/// Signs of life a peer may send for each second of a session, and once.
const ALIVE_PER_SECOND: u64 = 4;
const ALIVE_SLACK: u64 = 64;

/// The most frames sent and received between two questions to the [`Watch`].
pub const BATCH_FRAMES: u64 = 64;

/// The longest time between two questions to the [`Watch`].
pub const WATCH_PERIOD: Duration = Duration::from_millis(200);

/// What the peer sends once the handshake is over.
#[derive(Debug)]
#[expect(clippy::exhaustive_enums, reason = "the driver must handle every message")]
pub enum Inbound {
    /// A frame.
    Frame(Vec<u8>),
    /// A sign of life.
    Alive,
    /// What the peer says about its log and the receipt.
    Evidence(EvidenceMessage),
    /// The peer ends the session, for this reason.
    Abort(Unavailable),
}

/// What is sent to the peer once the handshake is over.
#[derive(Debug)]
#[expect(clippy::exhaustive_enums, reason = "the transport must carry every message")]
pub enum Outbound {
    /// A frame.
    Frame(Vec<u8>),
    /// A sign of life.
    Alive,
    /// What this side says about its log and the receipt.
    Evidence(EvidenceMessage),
    /// This side ends the session.
    Abort {
        /// The documented reason.
        reason: &'static str,
        /// The number under which this node logged the details.
        incident: String,
        /// From when on there is more of the budget that is spent.
        resets_at: Option<symbolon_policy::Timestamp>,
    },
}

/// Bounds of one session.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Bounds {
    /// Longest silence of the peer.
    pub idle_max: Duration,
    /// Longest session.
    pub total_max: Duration,
    /// Longest wait for a frame while the peer shows signs of life only.
    pub stall_max: Duration,
    /// What the machine's frames are held to.
    pub frames: symbolon_psi::Limits,
    /// What may wait for the machine.
    pub inbox: InboxLimits,
}

impl Bounds {
    /// Puts the bounds together.
    #[must_use]
    pub const fn new(
        idle_max: Duration,
        total_max: Duration,
        frames: symbolon_psi::Limits,
        inbox: InboxLimits,
    ) -> Self {
        Self { idle_max, total_max, stall_max: total_max, frames, inbox }
    }

    /// Bounds the wait for one frame too.
    #[must_use]
    pub const fn stalled_after(mut self, stall_max: Duration) -> Self {
        self.stall_max = stall_max;
        self
    }
}

/// How far a session is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SessionProgress {
    /// What the machine does.
    pub phase: &'static str,
    /// Rows done in this phase.
    pub rows_done: u64,
    /// Rows of this phase.
    pub rows_total: u64,
    /// Bytes of frames handed to the transport.
    pub bytes_sent: u64,
    /// Bytes of frames received.
    pub bytes_received: u64,
}

/// Both directions of a stream whose handshake is over.
#[derive(Debug)]
pub struct Link<I, T> {
    /// What the peer sends.
    pub inbound: I,
    /// What is sent to the peer.
    pub outbound: mpsc::Sender<T>,
    /// Whether this side has to wait until the peer ended its direction, because closing ours cuts what is under way.
    /// True for a gRPC client.
    pub linger: bool,
}

/// The answer of a [`Watch`]: a future of its own that borrows nothing.
pub type Watching = Pin<Box<dyn Future<Output = Result<(), Error>> + Send>>;

/// Says whether a session may go on. Asked by the driver, which ends the session on an error.
pub trait Watch: Send + Sync + std::fmt::Debug {
    /// Starts a check of a session that has sent and received `frames` so far.
    fn check(&self, frames: u64) -> Watching;
}

/// What a driver works with besides the machine and the stream.
#[derive(Debug, Clone)]
pub struct Surroundings {
    /// Where `Work` steps run.
    pub pool: Arc<rayon::ThreadPool>,
    /// Ends the session when the operator wants it.
    pub cancel: CancellationToken,
    /// Where progress is reported.
    pub progress: watch::Sender<SessionProgress>,
    /// Whether the session may go on.
    pub watch: Arc<dyn Watch>,
}

/// Runs `machine` against the peer behind `link` until it is done.
///
/// Before the first frame and after the last in both directions `notary` exchanges evidence with the peer; what the
/// machine does after the last frame is done only then. So nothing that depends on what matched can be seen by the peer,
/// and there is no output without a receipt.
///
/// Whatever ends the session early is told to the peer as class and incident number by `describe`.
///
/// # Errors
/// [`Unavailable`] for a peer that is silent, gone, too slow or aborts; [`Error::Psi`] when the machine refuses a frame;
/// [`Error::LimitExceeded`] for more bytes than declared; [`Error::Cancelled`]; what the [`Watch`] refuses with;
/// [`Environment`] when a worker or the spill file fails.
pub async fn drive<M, I, T>(
    machine: M,
    link: Link<I, T>,
    bounds: &Bounds,
    surroundings: &Surroundings,
    notary: &mut dyn Notary,
    describe: impl FnOnce(&Error) -> Outbound,
) -> Result<M::Output, Error>
where
    M: Machine + Send + 'static,
    M::Output: Transcript + Send,
    I: Stream<Item = Result<Inbound, Error>> + Unpin + Send,
    T: From<Outbound> + Send,
{
    let linger = link.linger;
    let mut driver = Driver::new(link, bounds, surroundings);
    let outcome = driver.run(machine, notary).await;
    if let Err(error) = &outcome
        && !matches!(error, Error::Unavailable(Unavailable::Disconnected | Unavailable::Aborted { .. }))
    {
        let farewell = driver.outbound.send_timeout(describe(error).into(), FAREWELL);
        if farewell.await.is_err() {
            tracing::debug!("the peer takes no farewell");
        }
    }
    let Driver { outbound, inbound, .. } = driver;
    drop(outbound);
    if linger {
        drain(inbound).await;
    }
    outcome
}

/// Reads on until the peer ends its direction, so that nothing of ours is cut off on the way.
async fn drain<I: Stream<Item = Result<Inbound, Error>> + Unpin>(mut inbound: I) {
    let rest = async { while let Some(Ok(_)) = inbound.next().await {} };
    if tokio::time::timeout(FAREWELL, rest).await.is_err() {
        tracing::debug!("the peer keeps its direction open");
    }
}

struct Driver<'a, I, T> {
    inbound: I,
    outbound: mpsc::Sender<T>,
    inbox: Inbox,
    /// How the inbound direction ended, once it has.
    ended: Option<Option<Error>>,
    /// What the peer said about its log and was not asked for yet.
    evidence: VecDeque<EvidenceMessage>,
    bounds: &'a Bounds,
    surroundings: &'a Surroundings,
    idle: Pin<Box<Sleep>>,
    total: Pin<Box<Sleep>>,
    alive: Interval,
    alive_received: u64,
    /// The question under way.
    watching: Option<Watching>,
    watch_due: Interval,
    frames: u64,
    /// The frames when the last question was put.
    frames_watched: u64,
}

impl<'a, I, T> Driver<'a, I, T>
where
    I: Stream<Item = Result<Inbound, Error>> + Unpin + Send,
    T: From<Outbound> + Send,
{
    fn new(link: Link<I, T>, bounds: &'a Bounds, surroundings: &'a Surroundings) -> Self {
        let now = Instant::now();
        let period = (bounds.idle_max / 4).min(ALIVE_PERIOD_MAX).max(Duration::from_millis(1));
        let mut alive = interval_at(now + period, period);
        alive.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut watch_due = interval_at(now + WATCH_PERIOD, WATCH_PERIOD);
        watch_due.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self {
            inbound: link.inbound,
            outbound: link.outbound,
            inbox: Inbox::new(bounds.inbox.clone()),
            ended: None,
            evidence: VecDeque::new(),
            bounds,
            surroundings,
            idle: Box::pin(sleep_until(now + bounds.idle_max)),
            total: Box::pin(sleep_until(now + bounds.total_max)),
            alive,
            alive_received: 0,
            watching: None,
            watch_due,
            frames: 0,
            frames_watched: 0,
        }
    }

    async fn run<M>(&mut self, mut machine: M, notary: &mut dyn Notary) -> Result<M::Output, Error>
    where
        M: Machine + Send + 'static,
        M::Output: Transcript + Send,
    {
        self.begin(notary).await?;
        let mut settled = false;
        let mut step = machine.advance(None)?;
        // None yet: the handshake may have taken a while, so the first phase is asked about too.
        let mut phase = "";
        loop {
            let entered = match &step {
                Step::Send(_, next) | Step::Work(next) | Step::Await(next) => next.progress().phase,
                Step::Done(_) => phase,
            };
            if entered != phase || self.frames - self.frames_watched >= BATCH_FRAMES {
                phase = entered;
                self.watched().await?;
            }
            step = match step {
                Step::Done(output) => {
                    self.settle(notary, Some(output.transcript()), &mut settled).await?;
                    return Ok(output);
                }
                Step::Send(frame, next) => {
                    self.report(next.progress());
                    self.send(frame).await?;
                    self.settle(notary, next.transcript(), &mut settled).await?;
                    machine = next;
                    machine.advance(self.inbox.pop().await?)?
                }
                Step::Work(next) => {
                    self.report(next.progress());
                    self.settle(notary, next.transcript(), &mut settled).await?;
                    let frame = self.inbox.pop().await?;
                    self.work(next, frame).await?
                }
                Step::Await(next) => {
                    self.report(next.progress());
                    let frame = self.receive().await?;
                    machine = next;
                    machine.advance(Some(frame))?
                }
            };
        }
    }

    /// The exchange before the first frame.
    async fn begin(&mut self, notary: &mut dyn Notary) -> Result<(), Error> {
        let mut step = self.meanwhile(notary.begin(None)).await??;
        while let Some(message) = self.carry(step).await? {
            step = self.meanwhile(notary.begin(Some(message))).await??;
        }
        Ok(())
    }

    /// The exchange after the last frame, once the machine has the hashes over both directions. A peer that goes away
    /// meanwhile leaves this side without a receipt, and so without a result.
    async fn settle(
        &mut self,
        notary: &mut dyn Notary,
        transcript: Option<TranscriptHashes>,
        settled: &mut bool,
    ) -> Result<(), Error> {
        let Some(transcript) = transcript.filter(|_| !*settled) else { return Ok(()) };
        *settled = true;
        let exchange = async {
            let mut step = self.meanwhile(notary.end(transcript, None)).await??;
            while let Some(message) = self.carry(step).await? {
                step = self.meanwhile(notary.end(transcript, Some(message))).await??;
            }
            Ok(())
        };
        exchange.await.map_err(|error| match error {
            Error::Unavailable(Unavailable::Disconnected | Unavailable::Silent { .. }) => Unavailable::NoReceipt.into(),
            error => error,
        })
    }

    /// Does what a notary wants and gives the peer's message; nothing when the exchange is over.
    async fn carry(&mut self, step: NotaryStep) -> Result<Option<EvidenceMessage>, Error> {
        match step {
            NotaryStep::Send(message) => self.put(Outbound::Evidence(message)).await?,
            NotaryStep::SendLast(message) => {
                self.put(Outbound::Evidence(message)).await?;
                return Ok(None);
            }
            NotaryStep::Await => {}
            NotaryStep::Done => return Ok(None),
        }
        loop {
            if let Some(message) = self.evidence.pop_front() {
                return Ok(Some(message));
            }
            if self.ended.is_some() {
                return Err(self.end());
            }
            self.attend().await?;
        }
    }

    /// Puts a message on the outgoing queue; reads on while the queue is full.
    async fn put(&mut self, message: Outbound) -> Result<(), Error> {
        let outbound = self.outbound.clone();
        let permit = self.meanwhile(pin!(outbound.reserve_owned())).await?;
        let Ok(permit) = permit else {
            return Err(self.end());
        };
        permit.send(message.into());
        Ok(())
    }

    /// Puts a frame on the outgoing queue.
    async fn send(&mut self, frame: Frame) -> Result<(), Error> {
        let wire = frame.into_wire();
        let bytes = wire.len() as u64;
        self.put(Outbound::Frame(wire)).await?;
        self.frames += 1;
        self.surroundings.progress.send_modify(|progress| progress.bytes_sent += bytes);
        Ok(())
    }

    /// Advances the machine on the compute pool; reads on meanwhile.
    async fn work<M>(&mut self, machine: M, frame: Option<Frame>) -> Result<Step<M>, Error>
    where
        M: Machine + Send + 'static,
        M::Output: Send,
    {
        let (sender, receiver) = oneshot::channel();
        self.surroundings.pool.spawn(move || drop(sender.send(machine.advance(frame))));
        let step = self.meanwhile(pin!(receiver)).await?;
        // The sender is dropped without a value only when the step panicked.
        Ok(step.map_err(|_| Environment::Worker)??)
    }

    /// Waits for the next frame.
    async fn receive(&mut self) -> Result<Frame, Error> {
        // Signs of life keep the idle timer off, so without this a peer could hold the session for its whole time.
        let max = self.bounds.stall_max;
        let mut stalled = pin!(tokio::time::sleep(max));
        loop {
            if let Some(frame) = self.inbox.pop().await? {
                return Ok(frame);
            }
            if self.ended.is_some() {
                return Err(self.end());
            }
            tokio::select! {
                biased;
                attended = self.attend() => attended?,
                () = &mut stalled => return Err(Unavailable::Stalled { seconds: max.as_secs() }.into()),
            }
        }
    }

    /// Waits until a question that is put now is answered with yes.
    async fn watched(&mut self) -> Result<(), Error> {
        self.answered().await?;
        self.ask();
        self.answered().await
    }

    /// Waits for the answer to the question under way, if there is one.
    async fn answered(&mut self) -> Result<(), Error> {
        while self.watching.is_some() {
            self.attend().await?;
        }
        Ok(())
    }

    /// Puts the question unless it is under way.
    fn ask(&mut self) {
        if self.watching.is_none() {
            self.frames_watched = self.frames;
            self.watching = Some(self.surroundings.watch.check(self.frames));
        }
    }

    /// Waits for `future` while everything else goes on.
    async fn meanwhile<F: Future + Unpin>(&mut self, mut future: F) -> Result<F::Output, Error> {
        loop {
            tokio::select! {
                biased;
                output = &mut future => return Ok(output),
                attended = self.attend() => attended?,
            }
        }
    }

    /// Handles one event from outside: a message, a timer, a cancellation. Safe to drop while it waits.
    async fn attend(&mut self) -> Result<(), Error> {
        let open = self.ended.is_none();
        let cancel = &self.surroundings.cancel;
        let watching = async {
            match &mut self.watching {
                Some(watching) => watching.await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = cancel.cancelled() => Err(Error::Cancelled),
            () = &mut self.total => Err(Unavailable::TooLong { seconds: self.bounds.total_max.as_secs() }.into()),
            // Frames that wait for the machine are no silence of the peer's making, but they have been counted already.
            () = &mut self.idle, if open => Err(Unavailable::Silent { seconds: self.bounds.idle_max.as_secs() }.into()),
            _ = self.alive.tick() => {
                // A full queue means that frames wait to leave, which are a sign of life themselves.
                drop(self.outbound.try_send(Outbound::Alive.into()));
                Ok(())
            }
            answer = watching => {
                self.watching = None;
                answer
            }
            _ = self.watch_due.tick() => {
                self.ask();
                Ok(())
            }
            message = self.inbound.next(), if open => self.take(message),
        }
    }

    fn take(&mut self, message: Option<Result<Inbound, Error>>) -> Result<(), Error> {
        self.idle.as_mut().reset(Instant::now() + self.bounds.idle_max);
        match message {
            Some(Ok(Inbound::Frame(wire))) => {
                let bytes = wire.len() as u64;
                let frame = Frame::from_wire(wire, &self.bounds.frames)?;
                self.inbox.push(frame)?;
                self.frames += 1;
                self.surroundings.progress.send_modify(|progress| progress.bytes_received += bytes);
                Ok(())
            }
            Some(Ok(Inbound::Alive)) => {
                self.alive_received += 1;
                let max = self.bounds.total_max.as_secs().saturating_mul(ALIVE_PER_SECOND).saturating_add(ALIVE_SLACK);
                let got = self.alive_received;
                if got > max { Err(Error::LimitExceeded { what: "signs of life", max, got }) } else { Ok(()) }
            }
            Some(Ok(Inbound::Evidence(message))) => {
                if self.evidence.len() == EVIDENCE_WAITING_MAX {
                    return Err(PeerMisbehaved::UnexpectedMessage { expected: "frame", got: message.name() }.into());
                }
                self.evidence.push_back(message);
                Ok(())
            }
            Some(Ok(Inbound::Abort(why))) => Err(why.into()),
            // What was received before still counts: the peer may have sent all there is.
            Some(Err(error)) => {
                self.ended = Some(Some(error));
                Ok(())
            }
            None => {
                self.ended = Some(None);
                Ok(())
            }
        }
    }

    /// Why there is nothing more to receive or no way to send.
    fn end(&mut self) -> Error {
        self.ended.take().flatten().unwrap_or_else(|| Unavailable::Disconnected.into())
    }

    fn report(&self, now: Progress) {
        self.surroundings.progress.send_modify(|progress| {
            progress.phase = now.phase;
            progress.rows_done = now.rows_done;
            progress.rows_total = now.rows_total;
        });
    }
}

#[cfg(test)]
mod tests;
