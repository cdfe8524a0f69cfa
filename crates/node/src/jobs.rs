//! Jobs: what an operator or a peer asked for, from its record to its result.
//!
//! ```text
//! initiator  created -> checking (own table) -> connecting (offer, acceptance, spend) -> running -> done
//! responder  created -> checking (own table) -> connecting (spend, acceptance)        -> running -> done
//! ```
//!
//! The [`gate`](crate::gate) is passed at the offer, before the acceptance, at every batch of frames and before the
//! result is written. Both nodes decide on their own, from their own copy of the agreement, before a byte of the protocol flows, and both
//! record the spent run in one transaction with the acceptance. Whatever goes wrong ends the job as failed or
//! cancelled with a documented reason and an incident number; the log has the rest. A failed job stays spent.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use symbolon_policy::{Receiver, Request, ResultKind, SignedAgreement};
use symbolon_psi::Protocol;
use symbolon_tables::Format;
use symbolon_wire::v1;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_stream::Stream;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tonic::Streaming;

use crate::convert;
use crate::error::{Environment, Error, Unavailable};
use crate::gate::Stage;
use crate::home::Home;
use crate::ops::agreements::read_active;
use crate::store::{AgreementId, Failure, JobId, JobRecord, JobState, PeerRecord, Side};
use crate::tls::Channel;
use deal::{Deal, own_normaliser, timestamp};
use tracker::Tracker;
use turns::Turns;

mod deal;
mod initiate;
mod output;
mod probing;
mod respond;
mod run;
mod sheet;
mod tracker;
mod turns;

pub use tracker::JobProgress;

/// Time after which notices that wait are offered to the partners again.
const NOTICE_PERIOD: Duration = Duration::from_secs(15);
/// Time between two such attempts at least.
const NOTICE_PAUSE: Duration = Duration::from_secs(1);

/// Time between two reports to somebody who watches.
const REPORT_PERIOD: Duration = Duration::from_millis(100);

/// What an operator asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "built from all its fields; forgetting one must not compile")]
pub struct NewJob {
    /// The caller's word for the request; asking twice with one word gives one job.
    pub request_id: Option<String>,
    /// The agreement.
    pub agreement_id: AgreementId,
    /// The protocol; without it the one the agreement allows for the result.
    pub protocol: Option<Protocol>,
    /// What comes out.
    pub result: ResultKind,
    /// The peer's columns wanted; none with [`ResultKind::Enrich`] means all the agreement gives.
    pub columns: Vec<String>,
    /// Own columns to write; none means all.
    pub own_columns: Vec<String>,
    /// The format of the result file.
    pub output: Option<Format>,
}

/// A job stream a peer has opened.
#[derive(Debug)]
pub(crate) struct PeerStream {
    /// Who opened it.
    pub(crate) peer: PeerRecord,
    /// Over which connection.
    pub(crate) channel: Channel,
    /// What the peer sends.
    pub(crate) inbound: Streaming<v1::ExchangeRequest>,
    /// What goes to the peer.
    pub(crate) outbound: mpsc::Sender<v1::ExchangeResponse>,
}

/// The jobs of a running node. Clones share them.
#[derive(Debug, Clone)]
pub struct Jobs(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    home: Home,
    pool: Arc<rayon::ThreadPool>,
    running: Mutex<HashMap<JobId, Arc<Tracker>>>,
    slots: Arc<Semaphore>,
    peers: Turns,
    tasks: TaskTracker,
    stop: CancellationToken,
    /// A partner has called.
    contact: Notify,
}

impl Jobs {
    /// Prepares the compute pool; nothing runs yet.
    ///
    /// # Errors
    /// [`Environment::Worker`] when no threads can be had.
    pub fn new(home: Home) -> Result<Self, Error> {
        let limits = &home.settings().limits;
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(limits.compute_threads)
            .thread_name(|index| format!("compute-{index}"))
            // The waiting driver notices by itself that no answer comes.
            .panic_handler(|_| tracing::error!("a computation stopped unexpectedly"))
            .build()
            .map_err(|_| Environment::Worker)?;
        let slots = Arc::new(Semaphore::new(limits.jobs_max));
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        Ok(Self(Arc::new(Inner {
            home,
            pool: Arc::new(pool),
            running: Mutex::default(),
            slots,
            peers: Turns::default(),
            tasks,
            stop,
            contact: Notify::new(),
        })))
    }

    /// Records a job and starts it.
    ///
    /// # Errors
    /// [`Refused`](crate::error::Refused) when the agreement does not permit it, [`Error::NotFound`] for an unknown agreement,
    /// [`Unavailable::Busy`] when too many jobs run, [`Error::AlreadyExists`] for a request id used for another job.
    pub async fn create(&self, new: NewJob) -> Result<JobRecord, Error> {
        let (deal, record) = self.prepare(new).await?;
        let slot = self.slot()?;
        let (id, store) = (record.id, self.0.home.store());
        let record = store.create_job(record).await?;
        if record.id != id {
            // The same request came before.
            return Ok(record);
        }
        let decided = self.decide_early(&deal, &record).await;
        if let Err(error) = decided {
            let failure = Failure { reason: error.reason().to_owned(), incident: None, resets_at: error.resets_at() };
            store.finish_job(id, crate::store::JobEnd::Failed(failure), self.0.home.clock().now()).await?;
            return Err(error);
        }
        let tracker = self.track(id, slot);
        let job = initiate::Initiation { run: self.run(tracker), deal, record: record.clone() };
        self.0.tasks.spawn(job.run());
        Ok(record)
    }

    /// Takes on a job a peer has opened a stream for.
    pub(crate) fn respond(&self, stream: PeerStream) -> Result<(), Error> {
        let max = match self.0.home.settings().limits.jobs_peer_max {
            0 => usize::MAX,
            max => max,
        };
        let turn = self.0.peers.enter(stream.peer.organisation_key, max)?;
        let slot = self.slot()?;
        let tracker = self.track(JobId::random()?, slot);
        let job = respond::Response::new(self.run(tracker), stream);
        self.0.tasks.spawn(async move {
            Box::pin(job.run()).await;
            drop(turn);
        });
        Ok(())
    }

    /// Asks a running job to end. A job that has ended already stays as it is.
    ///
    /// # Errors
    /// [`Error::NotFound`] for an unknown job.
    pub async fn cancel(&self, id: JobId) -> Result<JobRecord, Error> {
        if let Some(tracker) = self.running(id) {
            tracker.cancel().cancel();
        }
        self.record(id).await
    }

    /// Ends the jobs that run over one of these connections, because the peer's key was withdrawn. Tells whether there
    /// were any.
    pub(crate) fn end_withdrawn(&self, connections: &std::collections::HashSet<u64>) -> bool {
        let running = self.0.running.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let over = |tracker: &&Arc<Tracker>| {
            tracker.channel().is_some_and(|channel| connections.contains(&channel.connection))
        };
        running.values().filter(over).map(|tracker| tracker.withdraw()).count() > 0
    }

    /// Follows a job: progress at intervals, and a last report with its final state.
    ///
    /// # Errors
    /// [`Error::NotFound`] for an unknown job.
    pub async fn watch(&self, id: JobId) -> Result<impl Stream<Item = JobProgress> + Send + use<>, Error> {
        let (sender, receiver) = mpsc::channel(1);
        if let Some(tracker) = self.running(id) {
            tokio::spawn(async move {
                loop {
                    let report = tracker.report();
                    let last = report.state.is_final();
                    if sender.send(report).await.is_err() || last {
                        return;
                    }
                    tokio::time::sleep(REPORT_PERIOD).await;
                    tracker.changed().await;
                }
            });
        } else {
            let report = JobProgress::of_record(&self.record(id).await?);
            // The channel is fresh and has room for one.
            drop(sender.try_send(report));
        }
        Ok(ReceiverStream::new(receiver))
    }

    /// Says that a partner has called, and so can be reached.
    pub(crate) fn contacted(&self) {
        self.0.contact.notify_one();
    }

    /// Hands notices that wait to the partners, at intervals and when one has called, until it is dropped.
    pub(crate) async fn deliver_notices(self) {
        loop {
            // Whoever called has its turn at once; a partner that calls without end costs one attempt a second.
            drop(tokio::time::timeout(NOTICE_PERIOD, self.0.contact.notified()).await);
            if let Err(error) = self.0.home.deliver_notices().await {
                tracing::debug!(reason = error.reason(), "notices wait for a partner");
            }
            tokio::time::sleep(NOTICE_PAUSE).await;
        }
    }

    /// Takes no further jobs, gives the running ones `grace` to end, then ends them. Returns when all have ended.
    pub async fn drain(&self, grace: Duration) {
        self.0.slots.close();
        self.0.tasks.close();
        if tokio::time::timeout(grace, self.0.tasks.wait()).await.is_err() {
            tracing::warn!("jobs still run after the grace period and are ended");
            self.0.stop.cancel();
            self.0.tasks.wait().await;
        }
    }

    async fn record(&self, id: JobId) -> Result<JobRecord, Error> {
        let record = self.0.home.store().job(id).await?;
        record.ok_or(Error::NotFound { what: "job", remedy: "list the jobs with `job list`" })
    }

    fn running(&self, id: JobId) -> Option<Arc<Tracker>> {
        let running = self.0.running.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        running.get(&id).map(Arc::clone)
    }

    fn slot(&self) -> Result<OwnedSemaphorePermit, Error> {
        let slot = Arc::clone(&self.0.slots).try_acquire_owned();
        Ok(slot.map_err(|error| match error {
            tokio::sync::TryAcquireError::Closed => Unavailable::Busy { what: "it is stopping" },
            tokio::sync::TryAcquireError::NoPermits => Unavailable::Busy { what: "jobs_max jobs run" },
        })?)
    }

    fn track(&self, id: JobId, slot: OwnedSemaphorePermit) -> Arc<Tracker> {
        let tracker = Arc::new(Tracker::new(id, self.0.stop.child_token(), Arc::clone(self.0.home.clock()), slot));
        let mut running = self.0.running.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        running.insert(id, Arc::clone(&tracker));
        tracker
    }

    fn run(&self, tracker: Arc<Tracker>) -> run::Run {
        run::Run::new(self.clone(), tracker)
    }

    fn forget(&self, id: JobId) {
        self.0.running.lock().unwrap_or_else(std::sync::PoisonError::into_inner).remove(&id);
    }

    /// Reads the agreement and fills in what the operator left open.
    async fn prepare(&self, new: NewJob) -> Result<(Deal, JobRecord), Error> {
        let home = &self.0.home;
        let stored = home.store().agreement(new.agreement_id).await?;
        let stored = stored.ok_or(Error::NotFound { what: "agreement", remedy: "list them with `agreement list`" })?;
        let signed = read_active(&stored)?;
        let seat = home.own_seat(signed.agreement())?;
        let protocol = match new.protocol {
            Some(protocol) => protocol,
            None => allowed_protocol(&signed, seat, new.result)?,
        };
        let other = signed.agreement().party(seat.other());
        let mut columns = new.columns;
        if columns.is_empty() && new.result == ResultKind::Enrich {
            let given = other.columns_used(symbolon_policy::ColumnUse::AfterMatch);
            columns = given.map(|column| column.name.as_str().to_owned()).collect();
        }
        let record = JobRecord {
            id: JobId::random()?,
            request_id: new.request_id,
            agreement_id: new.agreement_id,
            peer_key: other.organisation_key.to_bytes(),
            peer: other.name.as_str().to_owned(),
            side: Side::Initiator,
            protocol,
            result: new.result,
            table: signed.agreement().party(seat).table.as_str().to_owned(),
            columns,
            own_columns: new.own_columns,
            output: new.output,
            purpose: signed.agreement().terms().purpose.as_str().to_owned(),
            state: JobState::Created,
            failure: None,
            sid: None,
            rows_own: None,
            rows_peer: None,
            created_at: home.clock().now(),
            started_at: None,
            finished_at: None,
        };
        let held = home.store().tightening(new.agreement_id).await?;
        Ok((Deal { signed, seat, side: Side::Initiator, protocol, result: new.result, held }, record))
    }

    /// Decides with the fewest rows the agreement allows, so that the operator hears of a refusal at once. The binding
    /// decision follows when the rows are known.
    async fn decide_early(&self, deal: &Deal, record: &JobRecord) -> Result<(), Error> {
        let rows = deal.padding().padded(deal.own().rows_min);
        self.0.home.agreement_now(record.agreement_id).await?.may_start()?;
        let request = self.request(deal, record, rows)?;
        let now = self.0.home.clock().now();
        let spent = self.0.home.store().spent(deal.signed.agreement(), deal.seat, now).await?;
        deal.decide(&request, &spent, None)?;
        self.0.home.gate().phase(Stage::Offer, &deal.subject(record, None, None)).await
    }

    fn request(&self, deal: &Deal, record: &JobRecord, rows: u64) -> Result<Request, Error> {
        let home = &self.0.home;
        deal.request(
            deal.own().organisation_key,
            &record.columns,
            &record.purpose,
            own_normaliser()?,
            rows,
            timestamp(home.clock().now())?,
        )
    }
}

/// The one protocol the agreement allows for a result that goes to the party at `seat`.
fn allowed_protocol(
    signed: &SignedAgreement,
    seat: symbolon_policy::Seat,
    result: ResultKind,
) -> Result<Protocol, Error> {
    let rules = &signed.agreement().terms().allow;
    for rule in rules.iter().filter(|rule| rule.result == result) {
        let protocol = convert::psi_protocol(rule.protocol)?;
        let fits = match convert::receiver(protocol) {
            Receiver::Both => rule.to == symbolon_policy::Recipients::Both,
            _ => rule.to == symbolon_policy::Recipients::One(seat),
        };
        if fits {
            return Ok(protocol);
        }
    }
    Err(symbolon_policy::Reason::ResultNotAllowed { result }.into())
}

#[cfg(test)]
mod tests;
