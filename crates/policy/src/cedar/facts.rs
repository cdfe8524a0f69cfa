//! What a decision is about: plain data, filled in by the node, kept beside the decision it led to.

use std::collections::BTreeMap;

use cedar_policy::{Context, RestrictedExpression};
use serde::{Deserialize, Serialize};

/// Seconds of a day.
const DAY: i64 = 86_400;

/// The name under which policies know this node's own institution.
pub const SELF: &str = "self";

/// The facts of one request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "about", deny_unknown_fields)]
#[expect(clippy::exhaustive_enums, reason = "the schema fixes the kinds of requests")]
pub enum Facts {
    /// A partner calls this node.
    PeerCall(PeerCallFacts),
    /// An operator calls this node.
    ControlCall(ControlCallFacts),
    /// A job comes to a phase.
    Phase(Box<PhaseFacts>),
}

/// A call of a partner.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(clippy::exhaustive_structs, reason = "built from all its fields; forgetting one must not compile")]
pub struct PeerCallFacts {
    /// The call, as the schema names its action.
    pub action: String,
    /// The time, seconds since 1970-01-01 UTC.
    pub now: i64,
    /// Who calls.
    pub peer: PeerFacts,
}

/// A call of an operator.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(clippy::exhaustive_structs, reason = "built from all its fields; forgetting one must not compile")]
pub struct ControlCallFacts {
    /// The call, as the schema names its action.
    pub action: String,
    /// The time, seconds since 1970-01-01 UTC.
    pub now: i64,
    /// Who calls: `local`, or the pin of the operator's certificate in hexadecimal.
    pub operator: String,
    /// `socket` or `tcp`.
    pub port: String,
}

/// A phase of a job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(clippy::exhaustive_structs, reason = "built from all its fields; forgetting one must not compile")]
pub struct PhaseFacts {
    /// The phase, as the schema names its action: `offer`, `accept`, `batch` or `release`.
    pub action: String,
    /// The time, seconds since 1970-01-01 UTC.
    pub now: i64,
    /// The other institution.
    pub peer: PeerFacts,
    /// The agreement.
    pub agreement: AgreementFacts,
    /// The job.
    pub job: JobFacts,
    /// What is left.
    pub budget: BudgetFacts,
}

/// The other institution's node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(clippy::exhaustive_structs, reason = "built from all its fields; forgetting one must not compile")]
pub struct PeerFacts {
    /// The name this node uses for it; empty when it is not known.
    pub name: String,
    /// Its organisation key, hexadecimal.
    pub organisation_key: String,
    /// Whether it is among the partners.
    pub known: bool,
    /// The first and the last second of its TLS certificate, once there is a connection.
    pub certificate: Option<Validity>,
    /// What its node says about itself.
    pub posture: Option<PostureFacts>,
}

/// The span in which a certificate holds, in seconds since 1970-01-01 UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(clippy::exhaustive_structs, reason = "a pair")]
pub struct Validity {
    /// The first second.
    pub not_before: i64,
    /// The last second.
    pub not_after: i64,
}

/// What a node says about its program, settings and policies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(clippy::exhaustive_structs, reason = "built from all its fields; forgetting one must not compile")]
pub struct PostureFacts {
    /// SHA-256 of its program, hexadecimal.
    pub build: String,
    /// Whether this node runs the same.
    pub build_matches_own: bool,
    /// Whether it was another the last time.
    pub build_changed: bool,
    /// SHA-256 over its settings, hexadecimal.
    pub config: String,
    /// Whether they were others the last time.
    pub config_changed: bool,
    /// SHA-256 over its policies, hexadecimal.
    pub policy_set: String,
}

/// An agreement as it stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(clippy::exhaustive_structs, reason = "built from all its fields; forgetting one must not compile")]
pub struct AgreementFacts {
    /// Its id, hexadecimal.
    pub id: String,
    /// Its title.
    pub title: String,
    /// Its purpose.
    pub purpose: String,
    /// `active`, or why it is not.
    pub standing: String,
    /// The first second, since 1970-01-01 UTC.
    pub valid_from: i64,
    /// The first second it no longer holds.
    pub valid_until: i64,
}

/// A job as this node sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(clippy::exhaustive_structs, reason = "built from all its fields; forgetting one must not compile")]
pub struct JobFacts {
    /// Its id, hexadecimal.
    pub id: String,
    /// The own table.
    pub table: String,
    /// `initiator` or `responder`.
    pub side: String,
    /// The protocol.
    pub protocol: String,
    /// The kind of result.
    pub result: String,
    /// `own`, `peer` or `both`.
    pub receiver: String,
    /// The purpose.
    pub purpose: String,
    /// The columns asked for.
    pub columns: Vec<String>,
    /// Rows this node declares.
    pub rows_own: Option<u64>,
    /// Rows the other node declares.
    pub rows_peer: Option<u64>,
    /// Frames sent and received.
    pub frames: u64,
    /// Seconds since the session began.
    pub seconds: u64,
}

/// What is left under an agreement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(clippy::exhaustive_structs, reason = "built from all its fields; forgetting one must not compile")]
pub struct BudgetFacts {
    /// Jobs.
    pub runs_left: u64,
    /// Rows.
    pub rows_left: u64,
}

impl Facts {
    /// The action, as the schema names it.
    #[must_use]
    pub fn action(&self) -> &str {
        match self {
            Self::PeerCall(call) => &call.action,
            Self::ControlCall(call) => &call.action,
            Self::Phase(phase) => &phase.action,
        }
    }

    /// The context of a request; nothing only where two names are equal, which they are not.
    pub(super) fn context(&self) -> Option<Context> {
        let pairs = match self {
            Self::PeerCall(call) => vec![entry("now", time(call.now)), entry("peer", peer(&call.peer, call.now)?)],
            Self::ControlCall(call) => vec![entry("now", time(call.now)), entry("port", text(&call.port))],
            Self::Phase(phase) => phase.pairs()?,
        };
        Context::from_pairs(pairs).ok()
    }
}

impl PhaseFacts {
    /// The name under which policies know the institution that asks.
    pub(super) fn asker(&self) -> &str {
        if self.job.side == "initiator" { SELF } else { &self.peer.name }
    }

    fn pairs(&self) -> Option<Vec<Pair>> {
        let agreement = record([
            entry("title", text(&self.agreement.title)),
            entry("purpose", text(&self.agreement.purpose)),
            entry("standing", text(&self.agreement.standing)),
            entry("valid_from", number(self.agreement.valid_from)),
            entry("valid_until", number(self.agreement.valid_until)),
        ])?;
        let budget = record([
            entry("runs_left", count(self.budget.runs_left)),
            entry("rows_left", count(self.budget.rows_left)),
        ])?;
        Some(vec![
            entry("now", time(self.now)),
            entry("peer", peer(&self.peer, self.now)?),
            entry("agreement", agreement),
            entry("job", self.job.record()?),
            entry("budget", budget),
        ])
    }
}

impl JobFacts {
    fn record(&self) -> Option<RestrictedExpression> {
        let columns = RestrictedExpression::new_set(self.columns.iter().map(|column| text(column)));
        let mut pairs = vec![
            entry("side", text(&self.side)),
            entry("protocol", text(&self.protocol)),
            entry("result", text(&self.result)),
            entry("receiver", text(&self.receiver)),
            entry("purpose", text(&self.purpose)),
            entry("columns", columns),
            entry("frames", count(self.frames)),
            entry("seconds", count(self.seconds)),
        ];
        pairs.extend(self.rows_own.map(|rows| entry("rows_own", count(rows))));
        pairs.extend(self.rows_peer.map(|rows| entry("rows_peer", count(rows))));
        record(pairs)
    }
}

type Pair = (String, RestrictedExpression);

fn entry(name: &str, value: RestrictedExpression) -> Pair {
    (name.to_owned(), value)
}

fn text(value: &str) -> RestrictedExpression {
    RestrictedExpression::new_string(value.to_owned())
}

fn number(value: i64) -> RestrictedExpression {
    RestrictedExpression::new_long(value)
}

/// A count of more than 2^63 - 1 is as good as that.
fn count(value: u64) -> RestrictedExpression {
    number(i64::try_from(value).unwrap_or(i64::MAX))
}

fn record(pairs: impl IntoIterator<Item = Pair>) -> Option<RestrictedExpression> {
    RestrictedExpression::new_record(pairs).ok()
}

fn time(unix: i64) -> RestrictedExpression {
    let pairs = BTreeMap::from([
        ("unix", unix),
        ("minute_of_day", unix.rem_euclid(DAY) / 60),
        // 1970-01-01 was a Thursday.
        ("weekday", (unix.div_euclid(DAY) + 3).rem_euclid(7) + 1),
    ]);
    let pairs = pairs.into_iter().map(|(name, value)| entry(name, number(value)));
    RestrictedExpression::new_record(pairs).expect("the three names differ")
}

fn peer(peer: &PeerFacts, now: i64) -> Option<RestrictedExpression> {
    let flag = RestrictedExpression::new_bool;
    let mut pairs = vec![
        entry("name", text(&peer.name)),
        entry("organisation_key", text(&peer.organisation_key)),
        entry("known", flag(peer.known)),
    ];
    if let Some(certificate) = peer.certificate {
        let days = |seconds: i64| number(seconds.div_euclid(DAY));
        pairs.push(entry("certificate_age_days", days(now.saturating_sub(certificate.not_before))));
        pairs.push(entry("certificate_days_left", days(certificate.not_after.saturating_sub(now))));
    }
    if let Some(posture) = &peer.posture {
        pairs.push(entry("build", text(&posture.build)));
        pairs.push(entry("build_matches_own", flag(posture.build_matches_own)));
        pairs.push(entry("build_changed", flag(posture.build_changed)));
        pairs.push(entry("config", text(&posture.config)));
        pairs.push(entry("config_changed", flag(posture.config_changed)));
        pairs.push(entry("policy_set", text(&posture.policy_set)));
    }
    record(pairs)
}
