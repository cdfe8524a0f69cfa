//! Exit codes: stable, listed in `symbolon --help`, one a class of error.

use std::process::ExitCode;

use serde_json::{Value, json};
use symbolon_node::error::{self as node_error, Class, Described};
use symbolon_policy::Timestamp;

/// How the command ended. The numbers are part of the interface: scripts test them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// The arguments, or a name or state they refer to, do not fit.
    Usage = 2,
    /// The data file cannot be used as asked.
    BadInput = 3,
    /// An agreement or the policy says no.
    Refused = 4,
    /// The peer cannot be reached, or not in time.
    Network = 5,
    /// The peer broke the protocol, or evidence does not hold.
    PeerMisbehaved = 6,
    /// Disk, permissions, keys, configuration or database.
    Environment = 7,
    /// Cancelled or interrupted.
    Cancelled = 8,
    /// No node runs on this home.
    NodeNotRunning = 9,
    /// A broken invariant of the program itself.
    Internal = 70,
}

/// The table printed by `--help`.
pub(crate) const TABLE: &str = "\
Exit codes:
  0  done
  2  usage: arguments, or a name or state they refer to
  3  input data: file, column, keys or values of a table
  4  refused by the agreement or the policy
  5  peer or network: unreachable, refused the connection, too slow
  6  the peer misbehaved, or evidence does not hold
  7  environment: disk, permissions, keys, configuration, database
  8  cancelled or interrupted
  9  no node runs on this home (start `symbolon serve`)
 70  a fault of symbolon itself: please report it";

impl From<Class> for Exit {
    fn from(class: Class) -> Self {
        match class {
            Class::PeerMisbehaved => Self::PeerMisbehaved,
            Class::PeerIncompatible | Class::Unavailable => Self::Network,
            Class::Refused | Class::LimitExceeded | Class::Budget => Self::Refused,
            Class::NotFound | Class::AlreadyExists | Class::Misuse => Self::Usage,
            Class::Tables => Self::BadInput,
            Class::Config | Class::Environment => Self::Environment,
            Class::Cancelled => Self::Cancelled,
            Class::NodeNotRunning => Self::NodeNotRunning,
            // Class grows with the node; a class this tool does not know is a fault of the tool.
            _ => Self::Internal,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// An error ready for a person or a script: what happened, what to do, and a stable word.
#[derive(Debug, Clone)]
pub(crate) struct Failure {
    pub(crate) exit: Exit,
    /// `UPPER_SNAKE`, stable.
    pub(crate) reason: String,
    pub(crate) message: String,
    pub(crate) hint: Option<String>,
    /// What the failure belongs to, under `--json` only (for example the job).
    pub(crate) details: Box<Value>,
}

impl Failure {
    pub(crate) fn new(exit: Exit, reason: &str, message: impl Into<String>) -> Self {
        Self { exit, reason: reason.to_owned(), message: message.into(), hint: None, details: Box::default() }
    }

    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, "USAGE", message)
    }

    pub(crate) fn bad_input(message: impl Into<String>) -> Self {
        Self::new(Exit::BadInput, "INPUT", message)
    }

    pub(crate) fn environment(message: impl Into<String>) -> Self {
        Self::new(Exit::Environment, "ENVIRONMENT", message)
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds to what `--json` shows.
    pub(crate) fn details(mut self, details: Value) -> Self {
        match (&mut *self.details, details) {
            (Value::Object(have), Value::Object(more)) => have.extend(more),
            (have, details) => *have = details,
        }
        self
    }

    /// From when on there is more of the budget that is spent.
    pub(crate) fn resets_at(self, at: Option<Timestamp>) -> Self {
        match at {
            Some(at) => self.details(json!({ "resets_at": at.to_string() })),
            None => self,
        }
    }

    pub(crate) fn to_json(&self) -> Value {
        let mut error = json!({
            "reason": self.reason,
            "message": self.message,
            "hint": self.hint,
            "exit_code": self.exit as u8,
        });
        if let (Some(error), Value::Object(details)) = (error.as_object_mut(), &*self.details) {
            error.extend(details.clone());
        }
        json!({ "error": error })
    }

    /// The failure of a job, from the documented reason it was stored with.
    pub(crate) fn of_job(reason: &str, incident: Option<&str>) -> Self {
        let Some(described) = node_error::describe(reason) else {
            return Self::new(Exit::Internal, reason, format!("the job failed ({reason})"))
                .hint("this symbolon is older than the node that ran the job: use the node's release");
        };
        let number = incident.map(|incident| format!(" (incident {incident})")).unwrap_or_default();
        Self::new(described.class.into(), reason, format!("the job ended: {}{number}", described.sentence))
            .hint(described.remedy)
    }
}

impl From<node_error::Error> for Failure {
    fn from(error: node_error::Error) -> Self {
        let reason = error.reason();
        // A document that does not parse is bad input, not a wrong command line.
        let exit = if reason == "DOCUMENT_INVALID" { Exit::BadInput } else { error.class().into() };
        let documented = node_error::describe(reason).map_or("", |Described { remedy, .. }| remedy);
        let remedy = if error.remedy().is_empty() { documented } else { error.remedy() };
        let failure = Self::new(exit, reason, error.to_string()).resets_at(error.resets_at());
        if remedy.is_empty() { failure } else { failure.hint(remedy) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_lists_every_code() {
        let codes = [
            Exit::Usage,
            Exit::BadInput,
            Exit::Refused,
            Exit::Network,
            Exit::PeerMisbehaved,
            Exit::Environment,
            Exit::Cancelled,
            Exit::NodeNotRunning,
            Exit::Internal,
        ];
        for exit in codes {
            assert!(TABLE.lines().any(|line| line.trim_start().starts_with(&format!("{}  ", exit as u8))), "{exit:?}");
        }
    }

    #[test]
    fn errors_of_the_node_keep_reason_and_remedy() {
        let failure = Failure::from(node_error::Error::from(node_error::Refused::NotActive));
        assert_eq!(failure.exit, Exit::Refused);
        assert_eq!(failure.reason, "AGREEMENT_NOT_ACTIVE");
        assert!(failure.hint.is_some());
    }

    #[test]
    fn a_spent_budget_says_under_json_from_when_on_there_is_more() {
        let resets_at = "2026-04-01T00:00:00Z".parse().unwrap();
        let period = symbolon_policy::Period::Month;
        let reason = symbolon_policy::Reason::PeriodRunsSpent { max: 4, period, resets_at };
        let refused = Failure::from(node_error::Error::from(reason));
        let ended =
            Failure::of_job("PERIOD_RUNS_SPENT", None).resets_at(Some(resets_at)).details(json!({ "job": "x" }));
        for failure in [refused, ended.clone()] {
            assert_eq!(failure.exit, Exit::Refused);
            assert_eq!(failure.to_json()["error"]["resets_at"], "2026-04-01T00:00:00Z");
        }
        assert_eq!(ended.to_json()["error"]["job"], "x");
        let never = Failure::from(node_error::Error::from(symbolon_policy::Reason::RunsSpent { max: 1 }));
        assert!(never.to_json()["error"].get("resets_at").is_none());
    }

    #[test]
    fn a_failed_job_exits_by_its_reason() {
        assert_eq!(Failure::of_job("PEER_SILENT", None).exit, Exit::Network);
        assert_eq!(Failure::of_job("PEER_PROOF_REJECTED", None).exit, Exit::PeerMisbehaved);
        assert_eq!(Failure::of_job("INTERRUPTED", None).exit, Exit::Cancelled);
        assert_eq!(Failure::of_job("FROM_THE_FUTURE", None).exit, Exit::Internal);
    }
}
