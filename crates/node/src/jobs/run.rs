//! What both sides of a job do alike: read the own table, run the machine, end the job.

use std::ops::ControlFlow;
use std::sync::Arc;

use sha2::{Digest, Sha256};
use symbolon_policy::audit::Entry;
use symbolon_policy::sketch::InputMark;
use symbolon_policy::{Column, Permit, Tightening, check_own_rows};
use symbolon_primitives::secret::Seed;
use symbolon_psi::{ItemSet, Limits, Party, ReceiverInput, Role, SenderInput, SessionSpec};
use symbolon_tables::{Keyed, PayloadLayout};
use tokio::sync::mpsc;
use tokio_stream::Stream;

use super::Jobs;
use super::deal::Deal;
use super::output::{Done, Finished, write};
use super::tracker::Tracker;
use crate::convert;
use crate::error::{Environment, Error, Refused, Unavailable, describe};
use crate::evidence::witness::{JobSheet, Witness};
use crate::gate::{Stage, Subject, Watchman};
use crate::home::Home;
use crate::ops::agreements::check_own_side;
use crate::ops::blocking;
use crate::session::handshake::{Declaration, Fit};
use crate::session::{Bounds, Inbound, InboxLimits, Link, Outbound, Surroundings, drive};
use crate::status::{incident, peer_word};
use crate::store::{AgreementId, Failure, JobEnd, JobInputs, JobRecord, JobState, PeerRecord, Side, TableRecord};
use crate::telemetry::{JobTrace, Running};

/// How long a side that gives up before the session waits for its last message to leave.
const FAREWELL: std::time::Duration = std::time::Duration::from_secs(2);

/// How often a running job's agreement is read anew.
const AGREEMENT_PERIOD: std::time::Duration = std::time::Duration::from_millis(200);

/// Ends with the job.
#[derive(Debug)]
pub(super) struct AgreementWatch(tokio::task::JoinHandle<()>);

impl Drop for AgreementWatch {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// A job under way.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) jobs: Jobs,
    pub(super) tracker: Arc<Tracker>,
    /// The number under which a failure is logged and told.
    incident: String,
    pub(super) trace: JobTrace,
    _running: Running,
}

/// The own side's input.
#[derive(Debug)]
pub(super) struct Own {
    pub(super) table: TableRecord,
    pub(super) keyed: Keyed,
    /// Rows declared: what counts in this protocol, rounded up.
    pub(super) declared: u64,
    /// What this node remembers of the input.
    pub(super) mark: InputMark,
    /// What it declares of the input to the peer.
    pub(super) commitment: [u8; 32],
}

impl Own {
    /// What both sides bring, once the peer has declared its part.
    pub(super) fn inputs(&self, peer: Option<[u8; 32]>) -> JobInputs {
        JobInputs { own: Some(self.commitment), peer, mark: Some(self.mark.clone()) }
    }
}

/// A session that is about to begin.
pub(super) struct Session<I, T> {
    pub(super) job: JobRecord,
    pub(super) deal: Arc<Deal>,
    pub(super) permit: Permit,
    pub(super) own: Own,
    pub(super) spec: SessionSpec,
    /// The job as the gate sees it, with the rows of both sides.
    pub(super) subject: Subject,
    /// What receipt and log say about the job.
    pub(super) sheet: JobSheet,
    pub(super) link: Link<I, T>,
}

impl Run {
    pub(super) fn new(jobs: Jobs, tracker: Arc<Tracker>) -> Self {
        let running = jobs.0.home.metrics().job_begins();
        Self { jobs, tracker, incident: incident(), trace: JobTrace::begin(), _running: running }
    }

    pub(super) fn home(&self) -> &Home {
        &self.jobs.0.home
    }

    /// Moves the job on, in the store and for those who watch.
    pub(super) async fn state(&self, state: JobState) -> Result<(), Error> {
        self.home().store().set_job_state(self.tracker.id(), state).await?;
        self.trace.state(state.as_str());
        self.tracker.set_state(state, None);
        Ok(())
    }

    /// Looks after the agreement while the job is prepared, where the gate asks only at the phases: when the agreement is
    /// suspended, revoked or expires, also by another process, the job ends.
    pub(super) fn watch(&self, agreement: AgreementId) -> AgreementWatch {
        let (home, tracker) = (self.home().clone(), Arc::clone(&self.tracker));
        AgreementWatch(tokio::spawn(async move {
            while !tracker.is_final() {
                match home.agreement_now(agreement).await.and_then(|now| now.may_go_on()) {
                    Err(Error::Refused(Refused::Decision(reason))) => return tracker.end(reason),
                    Err(error) => tracing::warn!(reason = error.reason(), "the agreement of a job cannot be read"),
                    Ok(()) => {}
                }
                tokio::time::sleep(AGREEMENT_PERIOD).await;
            }
        }))
    }

    /// Waits for `work` unless the job is cancelled first.
    pub(super) async fn unless_cancelled<T>(&self, work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        self.tracker.cancel().run_until_cancelled(work).await.unwrap_or(Err(Error::Cancelled))
    }

    /// Reads the own table as the agreement names it, with the columns that go to the peer.
    pub(super) async fn own(&self, deal: &Deal, released: &[Column]) -> Result<Own, Error> {
        let table = self.home().store().table(deal.own().table.as_str()).await?;
        let table = table.ok_or(Error::NotFound { what: "table", remedy: "add it under the agreement's name" })?;
        check_own_side(deal.own(), &table)?;
        let layout = match deal.role() {
            Role::Sender => convert::payload_layout(released)?,
            Role::Receiver => PayloadLayout::new(Vec::new()).map_err(symbolon_tables::Error::from)?,
        };
        let width = layout.width();
        let keyed = self.load(&table, layout).await?;
        let rows = match (deal.role(), deal.protocol) {
            (Role::Sender, protocol) if protocol.joins_rows() => keyed.row_key.len(),
            _ => keyed.keys.len(),
        };
        let rows = rows as u64;
        check_own_rows(deal.own(), rows)?;
        let max = self.home().settings().limits.rows_max;
        let declared = deal.padding().padded(rows);
        if declared > max {
            return Err(Error::LimitExceeded { what: "rows", max, got: declared });
        }
        let (mark, keyed) = self.mark(keyed, width).await?;
        let commitment = mark.commitment(self.home().input_secret(), &deal.signed.id());
        Ok(Own { table, keyed, declared, mark, commitment })
    }

    async fn load(&self, table: &TableRecord, layout: PayloadLayout) -> Result<Keyed, Error> {
        let (spec, tracker, pool) = (table.spec.clone(), Arc::clone(&self.tracker), Arc::clone(&self.jobs.0.pool));
        let keyed = blocking(move || {
            let mut report = |progress: symbolon_tables::LoadProgress| {
                tracker.session().send_modify(|session| {
                    (session.phase, session.rows_done, session.rows_total) = ("reading the table", progress.rows, 0);
                });
                if tracker.cancel().is_cancelled() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            };
            Ok(pool.install(|| symbolon_tables::load(&spec, &layout, &mut report))?)
        });
        keyed.await.map_err(|error| match error {
            Error::Tables(symbolon_tables::Error::Cancelled) => Error::Cancelled,
            other => other,
        })
    }

    /// What this side declares in the handshake.
    pub(super) async fn declaration(&self, own: &Own, held: &Tightening) -> Result<Declaration, Error> {
        let mut nonce = [0_u8; 32];
        getrandom::fill(&mut nonce).map_err(|_| Environment::Entropy)?;
        Ok(Declaration {
            rows: own.declared,
            normaliser_version: symbolon_tables::NORMALISER_VERSION.to_owned(),
            normaliser_digest: symbolon_tables::rules_digest(),
            nonce,
            time: self.home().clock().now(),
            frame_bytes_max: convert::length_u32(self.home().settings().limits.frame_bytes_max)?,
            held: held.clone(),
            posture: Some(self.home().gate().posture().await?),
            input: Some(own.commitment),
        })
    }

    /// What the peer's declaration is held to.
    pub(super) fn fit(&self) -> Result<Fit, Error> {
        Ok(Fit {
            now: self.home().clock().now(),
            skew_seconds_max: self.home().settings().limits.clock_skew_seconds_max.as_secs(),
            frame_bytes: convert::length_u32(Limits::FRAME_BYTES_MIN)?,
        })
    }

    /// Runs the machine against the peer and writes the result.
    pub(super) async fn session<I, T>(&self, session: Session<I, T>) -> Result<Done, Error>
    where
        I: Stream<Item = Result<Inbound, Error>> + Unpin + Send,
        T: From<Outbound> + Send,
    {
        let Session { job, deal, permit, own, spec, subject, sheet, link } = session;
        let cost = spec.wire_cost();
        let (sent, received) = match deal.role() {
            Role::Sender => (cost.bytes_sender, cost.bytes_receiver),
            Role::Receiver => (cost.bytes_receiver, cost.bytes_sender),
        };
        let limits = self.frame_limits();
        let bounds = self.bounds(limits, received);
        let watchman = Watchman::new(self.home().gate().clone(), subject.clone());
        let surroundings = Surroundings {
            watch: Arc::new(watchman.clone()),
            pool: Arc::clone(&self.jobs.0.pool),
            cancel: self.tracker.cancel().clone(),
            progress: self.tracker.session().clone(),
        };
        self.tracker.begin(sent + received);
        let (machine, own) = self.party(spec.clone(), deal.role(), own, limits).await?;
        let mut witness = Witness::new(self.home().clone(), sheet);
        let farewell = |error: &Error| self.farewell(error);
        let outcome = Box::pin(drive(machine, link, &bounds, &surroundings, &mut witness, farewell)).await;
        let kept = watchman.close().await;
        let outcome = outcome?;
        kept?;
        // A key may have been withdrawn while only this side still computed.
        if let Some(channel) = self.tracker.channel() {
            self.home().peer_of_channel(channel).await?;
        }
        // What this side only sent has left already; what it got is released now or never.
        if subject.facts.receiver != "peer" {
            self.home().gate().phase(Stage::Release, &subject).await?;
        }
        let home = self.home().clone();
        let receipt = witness.receipt().ok_or(Unavailable::NoReceipt)?.clone();
        let finished = Finished { home, job, deal, permit, own, spec, receipt, outcome };
        write(finished, Arc::clone(&self.jobs.0.pool)).await
    }

    /// Makes the machine; checking a large set takes a moment, so it happens on the pool.
    async fn party(&self, spec: SessionSpec, role: Role, own: Own, limits: Limits) -> Result<(Party, Own), Error> {
        let pool = Arc::clone(&self.jobs.0.pool);
        blocking(move || {
            let Own { table, mut keyed, declared, mark, commitment } = own;
            let seed = Seed::random()?;
            let machine = pool.install(|| match role {
                Role::Sender => {
                    let (keys, row_key) = if spec.protocol.joins_rows() {
                        // A sender of rows does not look at its keys again afterwards.
                        (std::mem::take(&mut keyed.keys), std::mem::take(&mut keyed.row_key))
                    } else {
                        (keyed.keys.clone(), Vec::new())
                    };
                    let (bytes, ends) = keys.into_parts();
                    let payload = std::mem::take(&mut keyed.payload);
                    let keys = ItemSet::from_parts(bytes, ends)?;
                    Party::sender(spec, SenderInput { keys, row_key, payload }, seed, &limits)
                }
                Role::Receiver => {
                    let (bytes, ends) = keyed.keys.clone().into_parts();
                    let keys = ItemSet::from_parts(bytes, ends)?;
                    Party::receiver(spec, ReceiverInput { keys }, seed, &limits)
                }
            })?;
            Ok((machine, Own { table, keyed, declared, mark, commitment }))
        })
        .await
    }

    fn frame_limits(&self) -> Limits {
        let limits = &self.home().settings().limits;
        Limits {
            frame_bytes_max: limits.frame_bytes_max,
            rows_max: limits.rows_max,
            payload_bytes_max: limits.payload_bytes_max,
            key_bytes_max: Limits::KEY_BYTES_CEILING,
        }
    }

    fn bounds(&self, frames: Limits, session_bytes_max: u64) -> Bounds {
        let settings = self.home().settings();
        let limits = &settings.limits;
        let inbox = InboxLimits::new(
            session_bytes_max,
            limits.inbound_memory_bytes_max,
            limits.inbound_spill_bytes_max,
            settings.spill_dir(),
            frames,
        );
        let bounds = Bounds::new(limits.idle_seconds_max, limits.session_seconds_max, frames, inbox);
        bounds.stalled_after(limits.stall_seconds_max)
    }

    /// The last message to the peer.
    fn farewell(&self, error: &Error) -> Outbound {
        let reason = match error {
            Error::Cancelled if self.tracker.is_withdrawn() => Error::from(Refused::KeyRevoked).reason(),
            Error::Cancelled if self.jobs.0.stop.is_cancelled() => Error::Interrupted.reason(),
            Error::Cancelled => self.tracker.ended().map_or("CANCELLED", symbolon_policy::Reason::label),
            error => peer_word(error),
        };
        let resets_at = error.resets_at().or_else(|| self.tracker.ended().and_then(|reason| reason.quota()?.resets_at));
        Outbound::Abort { reason, incident: self.incident.clone(), resets_at }
    }

    /// Tells the peer that the job ends before its session began.
    pub(super) async fn give_up<T: From<Outbound>>(&self, error: &Error, outbound: &mpsc::Sender<T>) {
        if matches!(error, Error::Unavailable(Unavailable::Disconnected | Unavailable::Aborted { .. })) {
            return;
        }
        if outbound.send_timeout(self.farewell(error).into(), FAREWELL).await.is_err() {
            tracing::debug!("the peer takes no farewell");
        }
    }

    /// Ends the job, in the log, in the store and for those who watch. `recorded` tells whether the store knows it.
    pub(super) async fn end(self, side: Side, outcome: Result<Done, Error>, recorded: bool) {
        let id = self.tracker.id();
        let now = self.home().clock().now();
        let outcome = outcome.map_err(|error| self.cause(error));
        let outcome = self.record_end(side, outcome, recorded).await;
        let (state, end, writer) = match outcome {
            Ok(done) => (JobState::Done, JobEnd::Done(done.record), done.writer),
            Err(error) => {
                let (state, end) = self.failed(side, error);
                (state, end, None)
            }
        };
        let failure = match &end {
            JobEnd::Done(_) => None,
            JobEnd::Failed(failure) | JobEnd::Cancelled(failure) => Some(failure.clone()),
        };
        let mut shown = (state, failure);
        if recorded {
            match self.home().store().finish_job(id, end, now).await {
                Ok(()) => {
                    if let Some(writer) = writer {
                        writer.keep();
                    }
                }
                Err(error) => {
                    let incident = &self.incident;
                    tracing::error!(job = %id, %incident, %error, "the end of a job could not be recorded");
                    let reason = error.reason().to_owned();
                    shown =
                        (JobState::Failed, Some(Failure { reason, incident: Some(incident.clone()), resets_at: None }));
                }
            }
        }
        if state == JobState::Done {
            tracing::info!(job = %id, side = side.as_str(), "job done");
        }
        let reason =
            shown.1.as_ref().map_or("", |failure| describe(&failure.reason).map_or("OTHER", |known| known.reason));
        let session = *self.tracker.session().borrow();
        self.home().metrics().job_ended(side.as_str(), shown.0.as_str(), reason);
        self.home().metrics().bytes(session.bytes_sent, session.bytes_received);
        self.trace.end(side.as_str(), shown.0.as_str(), reason);
        self.tracker.set_state(shown.0, shown.1);
        self.jobs.forget(id);
    }

    /// What ended a job that was cancelled: a withdrawn key, the node that stops, the agreement, or the operator.
    fn cause(&self, error: Error) -> Error {
        match (error, self.tracker.ended()) {
            (Error::Cancelled, _) if self.tracker.is_withdrawn() => Refused::KeyRevoked.into(),
            (Error::Cancelled, _) if self.jobs.0.stop.is_cancelled() => Error::Interrupted,
            (Error::Cancelled, Some(reason)) => reason.clone().into(),
            (error, _) => error,
        }
    }

    /// Puts the end into the evidence log: one entry, however the job ended. A result that cannot be recorded is not
    /// given.
    async fn record_end(&self, side: Side, outcome: Result<Done, Error>, recorded: bool) -> Result<Done, Error> {
        if !recorded {
            return outcome;
        }
        let entry = Entry::new(self.home().clock().now(), "job_ended")
            .id("job", self.tracker.id().as_bytes())
            .word("side", side.as_str());
        let entry = match &outcome {
            Ok(Done { record: Some(record), .. }) => {
                let manifest = Sha256::digest(&record.manifest).into();
                entry.word("state", JobState::Done.as_str()).hash("manifest", &manifest)
            }
            Ok(_) => entry.word("state", JobState::Done.as_str()),
            Err(Error::Cancelled) => entry.word("state", JobState::Cancelled.as_str()).word("reason", "CANCELLED"),
            Err(error) => entry.word("state", JobState::Failed.as_str()).word("reason", failure_reason(error)),
        };
        let appended = self.home().evidence().append(entry).await;
        outcome.and_then(|done| appended.map(|_| done))
    }

    /// Records an offer that was refused.
    pub(super) async fn refused(&self, peer: &[u8; 32], error: &Error) {
        let entry = Entry::new(self.home().clock().now(), "job_refused")
            .id("job", self.tracker.id().as_bytes())
            .word("side", Side::Responder.as_str())
            .hash("peer", peer)
            .word("reason", failure_reason(error));
        if let Err(error) = self.home().evidence().append(entry).await {
            tracing::error!(incident = self.incident, %error, "a refusal could not be recorded");
        }
    }

    fn failed(&self, side: Side, error: Error) -> (JobState, JobEnd) {
        let reason = failure_reason(&error);
        let (job, side, incident) = (self.tracker.id(), side.as_str(), &self.incident);
        tracing::warn!(%job, side, %incident, reason, %error, "job ended without a result");
        // Where the cause lies with the peer, the number to ask it for is the peer's.
        let told = match &error {
            Error::Unavailable(Unavailable::Aborted { incident: Some(incident), .. }) => incident.to_string(),
            _ => incident.clone(),
        };
        let failure = Failure { reason: reason.to_owned(), incident: Some(told), resets_at: error.resets_at() };
        match error {
            Error::Cancelled => (JobState::Cancelled, JobEnd::Cancelled(failure)),
            _ => (JobState::Failed, JobEnd::Failed(failure)),
        }
    }
}

/// The reason a failed job keeps. What the peer said is kept where it means the same on both sides.
fn failure_reason(error: &Error) -> &'static str {
    match error {
        Error::Unavailable(Unavailable::Aborted { reason, .. }) => match *reason {
            "OTHER" | "PEER_SILENT" | "PEER_GONE" | "PEER_UNREACHABLE" => error.reason(),
            told => told,
        },
        error => error.reason(),
    }
}

/// Checks that the peer is the agreement's party, and that the keys the agreement names still stand.
pub(super) async fn check_party(deal: &Deal, peer: &PeerRecord, home: &Home) -> Result<(), Error> {
    home.check_parties(deal.own(), deal.other(), peer).await
}
