//! The decision point: every call and every phase of a job passes here.
//!
//! # What it decides on
//!
//! | what | where | principal |
//! |---|---|---|
//! | each call of a partner | [`Gate::call`], in a layer before the peer port's services | the institution whose pin the connection shows |
//! | each call of an operator | the same, before the control services | `local` on the socket, else the pin of the operator's certificate |
//! | `offer` | before anything is said to the other node, and on what it offered | the institution that asks |
//! | `accept` | with the rows of both sides, before the run is spent and anything is signed | |
//! | `batch` | before each phase of the protocol, every [`BATCH_FRAMES`](crate::session::BATCH_FRAMES)th frame and every [`WATCH_PERIOD`](crate::session::WATCH_PERIOD) | |
//! | `release` | before a result is written | |
//!
//! # How
//!
//! A decision takes the facts anew from the store: the partner, the agreement's standing, what is spent. What the house
//! never lets through is checked first and has reasons of its own: an unknown partner, an agreement that is not
//! active, a time outside its span. Then the policies are asked (see [`symbolon_policy::cedar`]). What nobody permits
//! is refused. The agreement's own rules on columns, bounds and budgets are decided by
//! [`decide`](symbolon_policy::decide()), in the store's transaction for the binding one; both have to say yes.
//!
//! # What remains
//!
//! Refusals, and the decisions on jobs, are kept with their facts and the policies that brought them about, so that
//! `policy explain` can say later what it was. Batches are counted and kept as one at the end of the job. The evidence
//! log gets an entry of each: `decision` (action, job, agreement, policy_set, checks, answer and the reason of a no) and
//! `calls_refused` (peer, policy_set, calls, reason), the latter at most once a minute. The time of
//! the processor spent on deciding is counted, see [`Gate::usage`].

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rustix::time::{ClockId, clock_gettime};
use symbolon_policy::audit::Entry;
use symbolon_policy::cedar::{
    AgreementFacts, BudgetFacts, ControlCallFacts, Engine, Facts, JobFacts, PeerCallFacts, PeerFacts, PhaseFacts,
    Verdict,
};
use symbolon_policy::{SignedAgreement, Standing, Timestamp};

use crate::clock::Clock;
use crate::config::Settings;
use crate::error::{Error, Refused};
use crate::evidence::Evidence;
use crate::ops::life;
use crate::store::{AgreementLife, DecisionRecord, JobId, PeerRecord, PostureRecord, Store};
use crate::tls::{Channel, SpkiPin};
use policies::Policies;

pub use layer::{GateLayer, GateService, Port};
pub(crate) use policies::load as load_policies;
pub use policies::{DIRECTORY, EXTENSION};
pub use posture::Posture;
pub(crate) use watchman::Watchman;

mod layer;
mod policies;
pub mod posture;
mod watchman;

/// The entry of a decision on a job.
const DECISION: &str = "decision";

/// The entry of calls that were refused.
const CALLS_REFUSED: &str = "calls_refused";

/// The shortest time between two entries of refused calls.
const CALLS_TOLD_SECONDS: i64 = 60;

/// The decision point of a home. Clones share it.
#[derive(Debug, Clone)]
pub struct Gate(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    settings: Arc<Settings>,
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    evidence: Evidence,
    policies: Policies,
    decisions: AtomicU64,
    cpu_nanoseconds: AtomicU64,
    refused: Mutex<RefusedCalls>,
}

/// Refused calls that the evidence log does not tell of yet.
#[derive(Debug, Default)]
struct RefusedCalls {
    calls: u64,
    /// When it was told last, seconds since 1970-01-01 UTC.
    told: Option<i64>,
}

/// Who makes a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "these are the ports of a node")]
pub enum Caller {
    /// A partner's node over the peer port.
    Peer(Channel),
    /// Whoever may open the control socket.
    Socket,
    /// An operator over TCP, by the pin of the certificate.
    Operator(SpkiPin),
}

/// A phase of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "the schema of the policies fixes the phases")]
pub enum Stage {
    /// What is asked for, before the rows are known.
    Offer,
    /// The binding decision.
    Accept,
    /// The next frames.
    Batch,
    /// The result, or a key to it.
    Release,
}

impl Stage {
    /// Its action in the schema.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Offer => "offer",
            Self::Accept => "accept",
            Self::Batch => "batch",
            Self::Release => "release",
        }
    }
}

/// A job as the gate sees it.
#[derive(Debug, Clone)]
#[expect(clippy::exhaustive_structs, reason = "built from all its fields; forgetting one must not compile")]
pub struct Subject {
    /// The job.
    pub job: JobId,
    /// The agreement as it was read when the job began, signatures verified.
    pub signed: Arc<SignedAgreement>,
    /// The other party's organisation key.
    pub peer_key: [u8; 32],
    /// The connection, once there is one.
    pub channel: Option<Channel>,
    /// What the other node declares, once it has.
    pub posture: Option<Posture>,
    /// What the policies are told about the job.
    pub facts: JobFacts,
}

/// What deciding has cost so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Usage {
    /// Decisions.
    pub decisions: u64,
    /// Time of the processor spent in them, nanoseconds. Waiting for the store is not in it.
    pub cpu_nanoseconds: u64,
}

/// A decision with what it was taken on.
struct Decided {
    facts: Facts,
    verdict: Verdict,
}

impl Gate {
    pub(crate) fn new(
        settings: Arc<Settings>,
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        evidence: Evidence,
    ) -> Self {
        let policies = Policies::new(&settings.home);
        let (decisions, cpu_nanoseconds) = (AtomicU64::new(0), AtomicU64::new(0));
        let refused = Mutex::default();
        Self(Arc::new(Inner { settings, store, clock, evidence, policies, decisions, cpu_nanoseconds, refused }))
    }

    /// Decides on a call; `action` is its name in the schema.
    ///
    /// # Errors
    /// [`Refused::UnknownPeer`]; [`Refused::ByPolicy`]; what keeps the policies from being read; environment errors.
    pub async fn call(&self, action: &str, caller: Caller) -> Result<(), Error> {
        let engine = self.engine().await?;
        let now = self.now();
        let action = action.to_owned();
        let mut peer_key = None;
        let facts = match caller {
            Caller::Peer(channel) => {
                let peer = self.peer_at(channel).await?;
                peer_key = Some(peer.organisation_key);
                let declared = self.0.store.posture(peer.organisation_key).await?;
                let posture = declared.map(|declared| declared.posture);
                let peer = self.peer_facts(&peer, Some(channel), posture).await?;
                Facts::PeerCall(PeerCallFacts { action, now, peer })
            }
            Caller::Socket => {
                let (operator, port) = ("local".to_owned(), "socket".to_owned());
                Facts::ControlCall(ControlCallFacts { action, now, operator, port })
            }
            Caller::Operator(pin) => {
                let (operator, port) = (hex::encode(pin), "tcp".to_owned());
                Facts::ControlCall(ControlCallFacts { action, now, operator, port })
            }
        };
        let verdict = self.measured(|| engine.decide(&facts));
        let refused = refusal(&verdict);
        if let Err(error) = &refused {
            let record = self.record(None, peer_key, Some(&Decided { facts, verdict }), Some(error), 1);
            self.testify_call(&record, error).await?;
            self.0.store.record_decision(record).await?;
        }
        refused
    }

    /// Decides on a phase of a job.
    ///
    /// # Errors
    /// Why the agreement does not stand; [`Refused::UnknownPeer`]; [`Refused::ByPolicy`]; what keeps the policies from
    /// being read; environment errors.
    pub async fn phase(&self, stage: Stage, subject: &Subject) -> Result<(), Error> {
        let (decided, outcome) = self.examine(stage, subject).await;
        if stage != Stage::Batch || outcome.is_err() {
            self.keep(stage, subject, decided.as_ref(), outcome.as_ref().err(), 1).await?;
        }
        outcome
    }

    /// What deciding has cost since this home was opened.
    #[must_use]
    pub fn usage(&self) -> Usage {
        Usage {
            decisions: self.0.decisions.load(Ordering::Relaxed),
            cpu_nanoseconds: self.0.cpu_nanoseconds.load(Ordering::Relaxed),
        }
    }

    /// The policies in force at this moment.
    ///
    /// # Errors
    /// [`ConfigError::Policies`](crate::error::ConfigError::Policies) when there are none because the files cannot be
    /// used; environment errors.
    pub async fn engine(&self) -> Result<Arc<Engine>, Error> {
        self.0.policies.current().await
    }

    /// What this node declares about itself.
    ///
    /// # Errors
    /// As [`Gate::engine`]; environment errors.
    pub async fn posture(&self) -> Result<Posture, Error> {
        let policy_set = self.engine().await?.digest();
        Ok(Posture { build: posture::build().await?, config: posture::config(&self.0.settings), policy_set })
    }

    /// Keeps what a peer declared, beside the certificate it showed.
    ///
    /// # Errors
    /// Environment errors.
    pub async fn saw(&self, peer_key: [u8; 32], posture: Posture, channel: Channel) -> Result<(), Error> {
        let now = self.0.clock.now();
        let certificate = channel.certificate;
        let record = PostureRecord { peer_key, posture, certificate, build_since: now, seen_at: now };
        self.0.store.put_posture(record).await
    }

    async fn examine(&self, stage: Stage, subject: &Subject) -> (Option<Decided>, Result<(), Error>) {
        match self.gather(stage, subject, self.now()).await {
            Err(error) => (None, Err(error)),
            Ok((engine, facts)) => {
                let verdict = self.measured(|| engine.decide(&facts));
                let outcome = refusal(&verdict);
                (Some(Decided { facts, verdict }), outcome)
            }
        }
    }

    /// Checks what no policy can waive and gathers what the policies are told.
    pub(crate) async fn gather(
        &self,
        stage: Stage,
        subject: &Subject,
        now: i64,
    ) -> Result<(Arc<Engine>, Facts), Error> {
        let engine = self.engine().await?;
        let stored = self.0.store.agreement_life(*subject.signed.id().as_bytes()).await?;
        let standing = standing(stage, stored.as_ref(), now)?;
        let terms = subject.signed.agreement().terms();
        let peer = self.partner(subject).await?;
        // The seat tells whose inputs are whose, which no policy asks about.
        let at = chrono::DateTime::from_timestamp(now, 0).unwrap_or_default();
        let spent = self.0.store.spent(subject.signed.agreement(), symbolon_policy::Seat::First, at).await?;
        let left = terms.limits().left(&spent);
        let facts = PhaseFacts {
            action: stage.as_str().to_owned(),
            now,
            peer: self.peer_facts(&peer, subject.channel, subject.posture).await?,
            agreement: AgreementFacts {
                id: subject.signed.id().to_string(),
                title: terms.title.as_str().to_owned(),
                purpose: terms.purpose.as_str().to_owned(),
                standing,
                valid_from: terms.valid_from.unix_seconds(),
                valid_until: terms.valid_until.unix_seconds(),
            },
            job: subject.facts.clone(),
            budget: BudgetFacts { runs_left: left.runs, rows_left: left.rows },
        };
        Ok((engine, Facts::Phase(Box::new(facts))))
    }

    /// The other party, as long as it is known and the connection is still one of its own.
    async fn partner(&self, subject: &Subject) -> Result<PeerRecord, Error> {
        match self.partner_now(subject).await {
            // The key may have been withdrawn between two looks at the store; then that is the reason.
            Err(Error::Refused(Refused::UnknownPeer)) if self.is_withdrawn(subject).await? => {
                Err(Refused::KeyRevoked.into())
            }
            other => other,
        }
    }

    async fn is_withdrawn(&self, subject: &Subject) -> Result<bool, Error> {
        let pins = subject.channel.map(|channel| [channel.leaf_pin, channel.pin]);
        for key in pins.into_iter().flatten().chain([subject.peer_key]) {
            if self.0.store.is_revoked(key).await? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    async fn partner_now(&self, subject: &Subject) -> Result<PeerRecord, Error> {
        if self.0.store.is_revoked(subject.peer_key).await? {
            return Err(Refused::KeyRevoked.into());
        }
        // The key the agreement names may be a former one of the partner's.
        let party = self.0.store.peer_by_key(subject.peer_key).await?.ok_or(Refused::UnknownPeer)?;
        let peer = match subject.channel {
            Some(channel) => self.peer_at(channel).await?,
            None => party.clone(),
        };
        if peer.name == party.name { Ok(peer) } else { Err(Refused::UnknownPeer.into()) }
    }

    /// Whose connection it is, as long as none of its keys was withdrawn.
    async fn peer_at(&self, channel: Channel) -> Result<PeerRecord, Error> {
        let store = &self.0.store;
        if store.is_revoked(channel.leaf_pin).await? || store.is_revoked(channel.pin).await? {
            return Err(Refused::KeyRevoked.into());
        }
        let peer = store.peer_by_pin(channel.pin).await?.ok_or(Refused::UnknownPeer)?;
        if store.is_revoked(peer.organisation_key).await? { Err(Refused::KeyRevoked.into()) } else { Ok(peer) }
    }

    async fn peer_facts(
        &self,
        peer: &PeerRecord,
        channel: Option<Channel>,
        declared: Option<Posture>,
    ) -> Result<PeerFacts, Error> {
        let posture = match declared {
            None => None,
            Some(posture) => {
                let before = self.0.store.posture(peer.organisation_key).await?;
                let before = before.map(|before| before.posture);
                Some(posture.facts(posture::build().await?, before.as_ref()))
            }
        };
        Ok(PeerFacts {
            name: peer.name.clone(),
            organisation_key: hex::encode(peer.organisation_key),
            known: true,
            certificate: channel.map(|channel| channel.certificate),
            posture,
        })
    }

    /// Keeps a decision on a job; `checks` is how many it stands for.
    async fn keep(
        &self,
        stage: Stage,
        subject: &Subject,
        decided: Option<&Decided>,
        refused: Option<&Error>,
        checks: u64,
    ) -> Result<(), Error> {
        let mut record = self.record(Some(subject), Some(subject.peer_key), decided, refused, checks);
        stage.as_str().clone_into(&mut record.action);
        // What was only asked for is no event unless it was refused.
        if stage != Stage::Offer || refused.is_some() {
            self.testify(stage, &record, refused).await?;
        }
        self.0.store.record_decision(record).await
    }

    /// Puts a decision on a job into the evidence log.
    async fn testify(&self, stage: Stage, record: &DecisionRecord, refused: Option<&Error>) -> Result<(), Error> {
        let mut entry = Entry::new(record.at, DECISION).word("action", stage.as_str());
        if let Some(job) = record.job {
            entry = entry.id("job", job.as_bytes());
        }
        if let Some(agreement) = record.agreement {
            entry = entry.hash("agreement", &agreement);
        }
        entry = entry.hash("policy_set", &record.policy_set).number("checks", record.checks);
        entry = match refused {
            None => entry.word("answer", "permitted"),
            Some(error) => entry.word("answer", "refused").word("reason", error.reason()),
        };
        self.0.evidence.append(entry).await.map(drop)
    }

    /// Puts a refused call into the evidence log. A caller that is refused again and again gets one entry in a while
    /// that stands for all since the last, so that it cannot fill the disk.
    async fn testify_call(&self, record: &DecisionRecord, error: &Error) -> Result<(), Error> {
        let calls = {
            let mut refused = self.0.refused.lock().unwrap_or_else(PoisonError::into_inner);
            refused.calls += 1;
            let now = record.at.timestamp();
            if refused.told.is_some_and(|told| (now - told).abs() < CALLS_TOLD_SECONDS) {
                return Ok(());
            }
            refused.told = Some(now);
            std::mem::take(&mut refused.calls)
        };
        let mut entry = Entry::new(record.at, CALLS_REFUSED);
        if let Some(peer) = record.peer_key {
            entry = entry.hash("peer", &peer);
        }
        entry = entry.hash("policy_set", &record.policy_set).number("calls", calls).word("reason", error.reason());
        self.0.evidence.append(entry).await.map(drop)
    }

    fn record(
        &self,
        subject: Option<&Subject>,
        peer_key: Option<[u8; 32]>,
        decided: Option<&Decided>,
        refused: Option<&Error>,
        checks: u64,
    ) -> DecisionRecord {
        DecisionRecord {
            at: self.0.clock.now(),
            action: decided.map(|decided| decided.facts.action().to_owned()).unwrap_or_default(),
            job: subject.map(|subject| subject.job),
            agreement: subject.map(|subject| *subject.signed.id().as_bytes()),
            peer_key,
            allowed: refused.is_none(),
            reason: refused.map(|error| error.reason().to_owned()).unwrap_or_default(),
            policies: decided.map(|decided| decided.verdict.determining.clone()).unwrap_or_default(),
            policy_set: decided.map(|decided| decided.verdict.policy_set).unwrap_or_default(),
            checks,
            facts: decided.and_then(|decided| serde_json::to_string(&decided.facts).ok()).unwrap_or_default(),
        }
    }

    fn now(&self) -> i64 {
        self.0.clock.now().timestamp()
    }

    /// Counts a decision and the time of the processor it takes. There is no way to wait inside.
    fn measured<T>(&self, decide: impl FnOnce() -> T) -> T {
        let start = thread_nanoseconds();
        let decided = decide();
        self.0.cpu_nanoseconds.fetch_add(thread_nanoseconds().saturating_sub(start), Ordering::Relaxed);
        self.0.decisions.fetch_add(1, Ordering::Relaxed);
        decided
    }
}

/// The agreement's standing in a word; an error when a job may not start or, in the later phases, not go on under it.
fn standing(stage: Stage, stored: Option<&AgreementLife>, now: i64) -> Result<String, Error> {
    let stored = stored.filter(|stored| stored.record.state.is_active()).ok_or(Refused::NotActive)?;
    let now = Timestamp::from_unix_seconds(now).map_err(|_| Refused::NotActive)?;
    let agreement = life::at(stored, now)?;
    match stage {
        Stage::Offer | Stage::Accept => agreement.may_start()?,
        Stage::Batch | Stage::Release => agreement.may_go_on()?,
    }
    // A superseded version is as good as active for the jobs it still covers.
    Ok(Standing::Active.as_str().to_owned())
}

fn refusal(verdict: &Verdict) -> Result<(), Error> {
    if verdict.allowed { Ok(()) } else { Err(Refused::ByPolicy { policies: verdict.determining.clone() }.into()) }
}

fn thread_nanoseconds() -> u64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    let (seconds, nanoseconds) = (time.tv_sec.unsigned_abs(), time.tv_nsec.unsigned_abs());
    seconds.saturating_mul(1_000_000_000).saturating_add(nanoseconds)
}

#[cfg(test)]
mod tests;
