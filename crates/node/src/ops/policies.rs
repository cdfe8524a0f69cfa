//! Policies: what is in force, whether files fit, and which policy decided on a job and why.

use std::path::PathBuf;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde::Serialize;
use symbolon_policy::cedar::{Determining, Engine, Facts, JobFacts, PolicyInfo, PolicyProblem, Source, Verdict};
use symbolon_policy::{
    Allowance, ColumnUse, Party, Protocol, Receiver, Recipients, Request, ResultKind, Seat, SignedAgreement,
};

use super::agreements::read_active;
use super::blocking;
use crate::convert;
use crate::error::{Error, describe};
use crate::gate::{self, Stage, Subject};
use crate::home::Home;
use crate::store::{DecisionRecord, JobId, Side};

/// A set of policies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct PolicySetView {
    /// The digest of the set, hexadecimal.
    pub digest: String,
    /// Where an operator's own files lie.
    pub directory: PathBuf,
    /// The policies, the shipped ones first.
    pub policies: Vec<PolicyInfo>,
}

/// Whether files of policies can be used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct PolicyCheck {
    /// The set they make with the shipped policies; nothing when there are problems.
    pub set: Option<PolicySetView>,
    /// What is wrong.
    pub problems: Vec<PolicyProblem>,
}

/// A decision in the light of the policies now in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ExplainedDecision {
    /// The decision as it was recorded.
    #[serde(flatten)]
    pub record: DecisionRecord,
    /// What decided and why, a sentence each.
    pub words: Vec<String>,
    /// Whether the set of policies is the one in force now.
    pub same_set: bool,
    /// What the policies now in force say to the same facts; nothing where no facts were gathered.
    pub now: Option<Verdict>,
}

/// A question about a phase that is not asked for in earnest.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "a question is built from all its fields")]
pub struct Question {
    /// The agreement: id, first digits of it, or title.
    pub agreement: String,
    /// The phase; the binding decision without it.
    pub stage: Option<Stage>,
    /// Whether the partner asks.
    pub by_partner: bool,
    /// The protocol; the first the agreement allows without it.
    pub protocol: Option<Protocol>,
    /// The kind of result; the first the agreement allows without it.
    pub result: Option<ResultKind>,
    /// Rows this node declares; the fewest allowed without it.
    pub rows_own: Option<u64>,
    /// Rows the partner declares; the fewest allowed without it.
    pub rows_peer: Option<u64>,
    /// The time; now without it.
    pub at: Option<DateTime<Utc>>,
}

/// The answer to a [`Question`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Explanation {
    /// Whether the job would pass this phase.
    pub allowed: bool,
    /// What decides and why, a sentence each.
    pub words: Vec<String>,
    /// The documented reason of a no before the policies are asked.
    pub reason: Option<String>,
    /// What the policies say; nothing when they are not asked.
    pub verdict: Option<Verdict>,
    /// The facts they were asked on.
    pub facts: Option<Facts>,
}

impl Home {
    /// Lists the policies in force.
    ///
    /// # Errors
    /// [`ConfigError::Policies`](crate::error::ConfigError::Policies) when the files cannot be used.
    pub async fn policy_list(&self) -> Result<PolicySetView, Error> {
        Ok(self.set_view(&*self.gate().engine().await?))
    }

    /// Finds a policy in force by its id.
    ///
    /// # Errors
    /// As [`Home::policy_list`]; [`Error::NotFound`].
    pub async fn policy_show(&self, id: &str) -> Result<PolicyInfo, Error> {
        let engine = self.gate().engine().await?;
        let remedy = "give an id that `policy list` shows";
        engine.policy(id).cloned().ok_or(Error::NotFound { what: "policy", remedy })
    }

    /// Checks `sources` together with the shipped policies; without them the files in the home's directory.
    ///
    /// # Errors
    /// Environment errors; what is wrong with the policies is in the answer.
    pub async fn policy_check(&self, sources: Option<Vec<Source>>) -> Result<PolicyCheck, Error> {
        let directory = self.policy_directory();
        let checked = blocking(move || match sources {
            Some(sources) => Ok(Engine::load(&sources)),
            None => gate::load_policies(&directory),
        });
        Ok(match checked.await? {
            Ok(engine) => PolicyCheck { set: Some(self.set_view(&engine)), problems: Vec::new() },
            Err(failure) => PolicyCheck { set: None, problems: failure.problems },
        })
    }

    /// Tells what was decided on a job, by which policies and why.
    ///
    /// # Errors
    /// [`Error::NotFound`] when nothing was decided on such a job; as [`Home::policy_list`].
    pub async fn policy_explain_job(&self, job: &str) -> Result<Vec<ExplainedDecision>, Error> {
        let id = match job.parse::<JobId>() {
            // An offer that was refused leaves decisions but no job.
            Ok(id) => id,
            Err(_) => self.job_show(job).await?.id,
        };
        let records = self.store().decisions(id).await?;
        if records.is_empty() {
            let remedy = "give an id that `job list` or `policy log` shows; jobs of earlier releases have no decisions";
            return Err(Error::NotFound { what: "decision on this job", remedy });
        }
        let engine = self.gate().engine().await?;
        Ok(records.into_iter().map(|record| explained(record, &engine)).collect())
    }

    /// Lists the decisions that were kept, newest first: those on jobs, and calls that were refused.
    ///
    /// # Errors
    /// As [`Home::policy_list`].
    pub async fn policy_log(&self, limit: u32) -> Result<Vec<ExplainedDecision>, Error> {
        let engine = self.gate().engine().await?;
        let records = self.store().recent_decisions(limit).await?;
        Ok(records.into_iter().map(|record| explained(record, &engine)).collect())
    }

    /// Answers what would be decided, without doing or recording anything.
    ///
    /// # Errors
    /// [`Error::NotFound`] for an unknown agreement, [`Refused`](crate::error::Refused) for one that is not signed by
    /// both; as [`Home::policy_list`].
    pub async fn policy_explain(&self, question: &Question) -> Result<Explanation, Error> {
        let record = self.agreement_show(&question.agreement).await?.record;
        let signed = read_active(&record)?;
        let seat = self.own_seat(signed.agreement())?;
        let case = Case::of(question, signed, seat)?;
        let stage = question.stage.unwrap_or(Stage::Accept);
        let at = question.at.unwrap_or_else(|| self.clock().now());
        let mut words = Vec::new();

        let spent = self.store().spent(case.signed.agreement(), seat, at).await?;
        let request = case.request(at)?;
        // The runs of a job that runs are spent already.
        let binding = matches!(stage, Stage::Offer | Stage::Accept);
        let agreed = symbolon_policy::decide(&request, &case.signed, &spent).permit();
        if let (true, Err(reason)) = (binding, &agreed) {
            words.push(format!("the agreement does not permit it: {reason}"));
            let reason = Some(reason.label().to_owned());
            return Ok(Explanation { allowed: false, words, reason, verdict: None, facts: None });
        }
        words.push("the agreement permits it".to_owned());
        let gathered = self.gate().gather(stage, &case.subject()?, at.timestamp()).await;
        let (engine, mut facts) = match gathered {
            Ok(gathered) => gathered,
            Err(error) => {
                words.push(format!("it is refused before any policy is asked: {error}"));
                let reason = Some(error.reason().to_owned());
                return Ok(Explanation { allowed: false, words, reason, verdict: None, facts: None });
            }
        };
        self.last_seen(&mut facts, record.peer_key).await?;
        let verdict = engine.decide(&facts);
        words.extend(sentences(verdict.allowed, &verdict.determining, &engine));
        let allowed = verdict.allowed;
        Ok(Explanation { allowed, words, reason: None, verdict: Some(verdict), facts: Some(facts) })
    }

    /// Fills in what the partner showed and declared the last time.
    async fn last_seen(&self, facts: &mut Facts, peer_key: [u8; 32]) -> Result<(), Error> {
        if let (Facts::Phase(phase), Some(seen)) = (facts, self.store().posture(peer_key).await?) {
            phase.peer.certificate = Some(seen.certificate);
            phase.peer.posture = Some(seen.posture.facts(gate::posture::build().await?, Some(&seen.posture)));
        }
        Ok(())
    }

    fn policy_directory(&self) -> PathBuf {
        self.settings().home.join(gate::DIRECTORY)
    }

    fn set_view(&self, engine: &Engine) -> PolicySetView {
        PolicySetView {
            digest: hex::encode(engine.digest()),
            directory: self.policy_directory(),
            policies: engine.policies().to_vec(),
        }
    }
}

/// What is asked about, made whole from the agreement.
struct Case {
    signed: SignedAgreement,
    seat: Seat,
    side: Side,
    rule: Allowance,
    rows_own: u64,
    rows_peer: u64,
}

impl Case {
    fn of(question: &Question, signed: SignedAgreement, seat: Seat) -> Result<Self, Error> {
        let terms = signed.agreement().terms();
        let side = if question.by_partner { Side::Responder } else { Side::Initiator };
        let asker = if question.by_partner { seat.other() } else { seat };
        let fits = |rule: &&Allowance| {
            rule.to.include(asker)
                && question.protocol.is_none_or(|protocol| protocol == rule.protocol)
                && question.result.is_none_or(|result| result == rule.result)
        };
        let listed = terms.allow.iter().find(fits).copied();
        let asked = question.protocol.zip(question.result);
        // What is not listed can be asked about too; the agreement then says no.
        let unlisted = asked.map(|(protocol, result)| Allowance { protocol, result, to: Recipients::One(asker) });
        let rule = listed.or(unlisted).ok_or(Error::Misuse {
            what: "the agreement lists nothing of this kind for the side that asks",
            remedy: "give --protocol and --result, or ask --by-partner",
        })?;
        let fewest = |party: &Party| terms.padding.padded(party.rows_min);
        let (own, other) = (signed.agreement().party(seat), signed.agreement().party(seat.other()));
        let (rows_own, rows_peer) =
            (question.rows_own.unwrap_or_else(|| fewest(own)), question.rows_peer.unwrap_or_else(|| fewest(other)));
        Ok(Self { seat, side, rule, rows_own, rows_peer, signed })
    }

    fn columns(&self) -> Vec<symbolon_policy::ColumnName> {
        if self.rule.result != ResultKind::Enrich {
            return Vec::new();
        }
        let owner = match self.side {
            Side::Initiator => self.seat.other(),
            Side::Responder => self.seat,
        };
        let owner = self.signed.agreement().party(owner);
        owner.columns_used(ColumnUse::AfterMatch).map(|column| column.name.clone()).collect()
    }

    fn receiver(&self) -> Result<Receiver, Error> {
        Ok(convert::receiver(convert::psi_protocol(self.rule.protocol)?))
    }

    fn request(&self, at: DateTime<Utc>) -> Result<Request, Error> {
        let terms = self.signed.agreement().terms();
        let (asker, rows_initiator, rows_responder) = match self.side {
            Side::Initiator => (self.seat, self.rows_own, self.rows_peer),
            Side::Responder => (self.seat.other(), self.rows_peer, self.rows_own),
        };
        Ok(Request {
            agreement_id: self.signed.id(),
            initiator: self.signed.agreement().party(asker).organisation_key,
            protocol: self.rule.protocol,
            result: self.rule.result,
            receiver: self.receiver()?,
            columns: self.columns(),
            rows_initiator,
            rows_responder: Some(rows_responder),
            purpose: terms.purpose.clone(),
            normaliser: terms.normaliser.clone(),
            now: super::node::timestamp(at)?,
        })
    }

    fn subject(&self) -> Result<Subject, Error> {
        let receiver = match (self.receiver()?, self.side) {
            (Receiver::Both, _) => "both",
            (Receiver::Initiator, Side::Initiator) | (Receiver::Responder, Side::Responder) => "own",
            (Receiver::Initiator, Side::Responder) | (Receiver::Responder, Side::Initiator) => "peer",
        };
        let terms = self.signed.agreement().terms();
        let (own, other) = (self.signed.agreement().party(self.seat), self.signed.agreement().party(self.seat.other()));
        let job = JobId::from_bytes([0; 16]);
        Ok(Subject {
            job,
            peer_key: other.organisation_key.to_bytes(),
            channel: None,
            posture: None,
            facts: JobFacts {
                id: job.to_string(),
                table: own.table.as_str().to_owned(),
                side: self.side.as_str().to_owned(),
                protocol: self.rule.protocol.as_str().to_owned(),
                result: self.rule.result.as_str().to_owned(),
                receiver: receiver.to_owned(),
                purpose: terms.purpose.as_str().to_owned(),
                columns: self.columns().iter().map(|column| column.as_str().to_owned()).collect(),
                rows_own: Some(self.rows_own),
                rows_peer: Some(self.rows_peer),
                frames: 0,
                seconds: 0,
            },
            signed: Arc::new(self.signed.clone()),
        })
    }
}

fn explained(record: DecisionRecord, engine: &Engine) -> ExplainedDecision {
    let facts = serde_json::from_str::<Facts>(&record.facts).ok();
    let words = if record.policies.is_empty() && record.reason != NO_POLICY {
        let sentence = describe(&record.reason).map_or("refused", |described| described.sentence);
        vec![format!("refused before any policy was asked: {sentence}")]
    } else {
        sentences(record.allowed, &record.policies, engine)
    };
    let now = facts.map(|facts| engine.decide(&facts));
    ExplainedDecision { words, same_set: record.policy_set == engine.digest(), now, record }
}

/// The reason of a refusal by policies.
const NO_POLICY: &str = "POLICY_REFUSED";

/// A sentence for each policy that decided.
fn sentences(allowed: bool, policies: &[Determining], engine: &Engine) -> Vec<String> {
    if policies.is_empty() {
        return vec!["no policy permits it".to_owned()];
    }
    let does = if allowed { "permits it" } else { "forbids it" };
    let sentence = |policy: &Determining| {
        let place = match engine.policy(&policy.id) {
            Some(info) => format!(" ({}:{})", info.file, info.line),
            None => " (no longer in force)".to_owned(),
        };
        let why = if policy.reason.is_empty() { String::new() } else { format!(": {}", policy.reason) };
        format!("the policy \"{}\"{place} {does}{why}", policy.id)
    };
    policies.iter().map(sentence).collect()
}

#[cfg(test)]
mod tests;
