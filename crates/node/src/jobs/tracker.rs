//! What is known about a running job, for those who watch it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use symbolon_policy::Reason;
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::session::SessionProgress;
use crate::store::{Failure, JobId, JobRecord, JobState};
use crate::tls::Channel;

/// One report of a job's progress.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct JobProgress {
    /// The job.
    pub job: JobId,
    /// Its state.
    pub state: JobState,
    /// What it is doing, in a word or two.
    pub phase: &'static str,
    /// Rows done in this phase.
    pub rows_done: u64,
    /// Rows of this phase; 0 when not known.
    pub rows_total: u64,
    /// Bytes of frames sent.
    pub bytes_sent: u64,
    /// Bytes of frames received.
    pub bytes_received: u64,
    /// Seconds left, estimated from the bytes both sides will send.
    pub eta_seconds: Option<u64>,
    /// Why it ended without a result.
    pub failure: Option<Failure>,
}

impl JobProgress {
    /// The last report of a job that has ended, from its record.
    pub(super) fn of_record(record: &JobRecord) -> Self {
        Self {
            job: record.id,
            state: record.state,
            phase: record.state.as_str(),
            rows_done: 0,
            rows_total: 0,
            bytes_sent: 0,
            bytes_received: 0,
            eta_seconds: None,
            failure: record.failure.clone(),
        }
    }
}

/// A running job.
#[derive(Debug)]
pub(super) struct Tracker {
    id: JobId,
    cancel: CancellationToken,
    state: watch::Sender<(JobState, Option<Failure>)>,
    session: watch::Sender<SessionProgress>,
    /// Bytes both sides will send together, once known.
    bytes_total: AtomicU64,
    clock: Arc<dyn Clock>,
    /// The channel to the peer, once there is one.
    channel: std::sync::OnceLock<Channel>,
    /// Whether the job ends because the peer's key was withdrawn.
    withdrawn: AtomicBool,
    /// When the session began.
    began: std::sync::OnceLock<Instant>,
    /// Why the agreement no longer lets it go on.
    ended: std::sync::OnceLock<Reason>,
    _slot: OwnedSemaphorePermit,
}

impl Tracker {
    pub(super) fn new(id: JobId, cancel: CancellationToken, clock: Arc<dyn Clock>, slot: OwnedSemaphorePermit) -> Self {
        Self {
            id,
            cancel,
            state: watch::Sender::new((JobState::Created, None)),
            session: watch::Sender::new(SessionProgress::default()),
            bytes_total: AtomicU64::new(0),
            clock,
            channel: std::sync::OnceLock::new(),
            withdrawn: AtomicBool::new(false),
            began: std::sync::OnceLock::new(),
            ended: std::sync::OnceLock::new(),
            _slot: slot,
        }
    }

    pub(super) const fn id(&self) -> JobId {
        self.id
    }

    pub(super) const fn cancel(&self) -> &CancellationToken {
        &self.cancel
    }

    /// Ends the job because the agreement no longer lets it go on.
    pub(super) fn end(&self, reason: Reason) {
        self.ended.get_or_init(|| reason);
        self.cancel.cancel();
    }

    /// Why the agreement ended it.
    pub(super) fn ended(&self) -> Option<&Reason> {
        self.ended.get()
    }

    pub(super) fn is_final(&self) -> bool {
        self.state.borrow().0.is_final()
    }

    /// The job runs over this channel.
    pub(super) fn over(&self, channel: Channel) {
        self.channel.get_or_init(|| channel);
    }

    /// The channel to the peer, once there is one.
    pub(super) fn channel(&self) -> Option<&Channel> {
        self.channel.get()
    }

    /// Ends the job because the peer's key was withdrawn.
    pub(super) fn withdraw(&self) {
        self.withdrawn.store(true, Ordering::Release);
        self.cancel.cancel();
    }

    /// Whether the job ends because the peer's key was withdrawn.
    pub(super) fn is_withdrawn(&self) -> bool {
        self.withdrawn.load(Ordering::Acquire)
    }

    pub(super) const fn session(&self) -> &watch::Sender<SessionProgress> {
        &self.session
    }

    pub(super) fn set_state(&self, state: JobState, failure: Option<Failure>) {
        self.session.send_modify(|session| (session.phase, session.rows_done, session.rows_total) = ("", 0, 0));
        self.state.send_replace((state, failure));
    }

    /// The session begins; together both sides will send `bytes_total`.
    pub(super) fn begin(&self, bytes_total: u64) {
        self.bytes_total.store(bytes_total, Ordering::Relaxed);
        self.began.get_or_init(|| self.clock.monotonic());
    }

    /// Waits until a report would differ.
    pub(super) async fn changed(&self) {
        let (mut state, mut session) = (self.state.subscribe(), self.session.subscribe());
        if state.borrow().0.is_final() {
            return;
        }
        // The senders live as long as this tracker, so neither wait can fail.
        tokio::select! {
            _ = state.changed() => {}
            _ = session.changed() => {}
            // What changed before the subscription is seen at the next turn.
            () = tokio::time::sleep(super::REPORT_PERIOD * 5) => {}
        }
    }

    pub(super) fn report(&self) -> JobProgress {
        let (state, failure) = self.state.borrow().clone();
        let session = *self.session.borrow();
        JobProgress {
            job: self.id,
            state,
            phase: if session.phase.is_empty() { state.as_str() } else { session.phase },
            rows_done: session.rows_done,
            rows_total: session.rows_total,
            bytes_sent: session.bytes_sent,
            bytes_received: session.bytes_received,
            eta_seconds: if state == JobState::Running { self.eta(session) } else { None },
            failure,
        }
    }

    /// Both sides' bytes are known in advance, so their share done tells the time left.
    fn eta(&self, session: SessionProgress) -> Option<u64> {
        let total = u128::from(self.bytes_total.load(Ordering::Relaxed));
        let done = u128::from(session.bytes_sent + session.bytes_received);
        let elapsed = self.clock.monotonic().saturating_duration_since(*self.began.get()?).as_millis();
        if done == 0 || total < done {
            return None;
        }
        u64::try_from(elapsed * (total - done) / done / 1000).ok()
    }
}
