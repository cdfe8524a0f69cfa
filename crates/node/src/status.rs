//! The one place where an [`Error`] becomes a gRPC status, and back.
//!
//! Every status carries a `google.rpc.ErrorInfo` with domain [`DOMAIN`] and a documented reason; [`describe`] explains
//! each. The operator's own port gets the text and what to do; a peer gets the word of [`peer_word`] and an incident
//! number, never more. The log of the node has the rest under that number.

use std::collections::HashMap;
use std::time::Duration;

use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

use crate::error::{Class, Environment, Error, PeerMisbehaved, Refused, Unavailable, describe};

/// The domain of every `ErrorInfo`.
pub const DOMAIN: &str = "symbolon.v1";

/// The metadata key of the incident number.
pub const INCIDENT: &str = "incident";

/// The metadata key of what to do.
pub const REMEDY: &str = "remedy";

/// The metadata key of the time from which on there is more of a spent budget, RFC 3339.
pub const RESETS_AT: &str = "resets_at";

/// Draws an incident number.
#[must_use]
pub fn incident() -> String {
    let mut number = [0_u8; 6];
    match getrandom::fill(&mut number) {
        Ok(()) => hex::encode(number),
        // Without randomness the node fails elsewhere; an incident only has to be found in the log.
        Err(_) => "norandom".to_owned(),
    }
}

/// The status for the operator's own port.
#[must_use]
pub fn for_operator(error: &Error) -> Status {
    let mut metadata = HashMap::new();
    if !error.remedy().is_empty() {
        metadata.insert(REMEDY.to_owned(), error.remedy().to_owned());
    }
    if let Error::Reported { incident: Some(incident), .. } = error {
        metadata.insert(INCIDENT.to_owned(), incident.clone());
    }
    let quota = error.quota();
    if let Some(at) = error.resets_at() {
        metadata.insert(RESETS_AT.to_owned(), at.to_string());
    }
    let mut details = ErrorDetails::with_error_info(error.reason(), DOMAIN, metadata);
    if let Some(quota) = quota {
        // What is left stands in the text; the subject is the same for every agreement.
        details.add_quota_failure_violation(quota.budget, error.to_string());
    }
    if let Some(wait) = retry_after(error) {
        details.set_retry_info(Some(wait));
    }
    Status::with_error_details(code(error.class()), error.to_string(), details)
}

/// How long to wait before asking again helps.
const fn retry_after(error: &Error) -> Option<Duration> {
    match error {
        Error::RateLimited { seconds, .. } => Some(Duration::from_secs(*seconds)),
        _ => None,
    }
}

/// The status for a peer: a word and a number; for a spent budget also which one and from when on there is more of it,
/// which the peer can tell from its own copy of agreement and ledger.
#[must_use]
pub fn for_peer(error: &Error, incident: &str) -> Status {
    let mut metadata = HashMap::from([(INCIDENT.to_owned(), incident.to_owned())]);
    let (word, quota) = (peer_word(error), error.quota());
    if let Some(at) = quota.and_then(|quota| quota.resets_at) {
        metadata.insert(RESETS_AT.to_owned(), at.to_string());
    }
    let mut details = ErrorDetails::with_error_info(word, DOMAIN, metadata);
    if let Some(quota) = quota {
        details.add_quota_failure_violation(quota.budget, word);
    }
    if let Some(wait) = retry_after(error) {
        details.set_retry_info(Some(wait));
    }
    Status::with_error_details(code(error.class()), word, details)
}

/// What a peer may learn about a failure here. It never depends on a result: what fails after the last frame is not
/// told at all, and what our table or machine lacks is one word.
#[must_use]
pub fn peer_word(error: &Error) -> &'static str {
    match error {
        Error::PeerMisbehaved(_) => "PEER_MISBEHAVED",
        Error::Psi(inner) if inner.is_peer() => "PEER_MISBEHAVED",
        Error::Refused(Refused::BelowMinimum) => "NODE_FAILED",
        Error::PeerIncompatible(_)
        | Error::Unavailable(_)
        | Error::Refused(_)
        | Error::LimitExceeded { .. }
        | Error::RateLimited { .. }
        | Error::Cancelled
        | Error::Interrupted => error.reason(),
        _ => "NODE_FAILED",
    }
}

/// What a status from a peer means here.
#[must_use]
pub fn from_peer(status: &Status) -> Error {
    let info = status.get_error_details().error_info().filter(|info| info.domain == DOMAIN).cloned();
    if let Some(info) = info {
        let reason = describe(&info.reason).map_or("OTHER", |described| described.reason);
        let incident = info.metadata.get(INCIDENT).and_then(|text| text.parse().ok());
        let resets_at = info.metadata.get(RESETS_AT).and_then(|text| text.parse().ok());
        return Unavailable::Aborted { reason, incident, resets_at }.into();
    }
    match status.code() {
        // Made here, by the decoder, before a message too large was read.
        Code::OutOfRange => PeerMisbehaved::Malformed { what: "message, larger than allowed" }.into(),
        Code::Unimplemented => Unavailable::NotANode.into(),
        _ if std::error::Error::source(status).is_none() && status.message().starts_with("failed to decode") => {
            PeerMisbehaved::Malformed { what: "message" }.into()
        }
        _ => Unavailable::Disconnected.into(),
    }
}

const fn code(class: Class) -> Code {
    match class {
        Class::PeerMisbehaved | Class::Tables => Code::FailedPrecondition,
        Class::PeerIncompatible | Class::Refused => Code::PermissionDenied,
        Class::Unavailable | Class::NodeNotRunning => Code::Unavailable,
        Class::LimitExceeded | Class::Budget => Code::ResourceExhausted,
        Class::NotFound => Code::NotFound,
        Class::AlreadyExists => Code::AlreadyExists,
        Class::Misuse => Code::InvalidArgument,
        Class::Cancelled => Code::Cancelled,
        Class::Config | Class::Environment => Code::Internal,
        _ => Code::Unknown,
    }
}

impl From<Error> for Status {
    /// For the operator's own port.
    fn from(error: Error) -> Self {
        for_operator(&error)
    }
}

impl From<Environment> for Status {
    fn from(error: Environment) -> Self {
        Error::from(error).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_operator_gets_reason_text_and_remedy() {
        let status = for_operator(&Unavailable::Silent { seconds: 3 }.into());
        assert_eq!(status.code(), Code::Unavailable);
        assert!(status.message().contains("3 s"));
        let details = status.get_error_details();
        let info = details.error_info().unwrap();
        assert_eq!((info.reason.as_str(), info.domain.as_str()), ("PEER_SILENT", DOMAIN));
        assert!(!info.metadata[REMEDY].is_empty());
    }

    #[test]
    fn a_peer_gets_a_word_and_a_number_only() {
        let path = std::path::PathBuf::from("/secret/place.csv");
        let error = Error::from(Environment::DiskFull { path });
        let status = for_peer(&error, "00112233aabb");
        assert_eq!(status.message(), "NODE_FAILED");
        assert!(!format!("{status:?}").contains("secret"));
        assert_eq!(status.get_error_details().error_info().unwrap().metadata[INCIDENT], "00112233aabb");
        let back = from_peer(&status);
        let Error::Unavailable(Unavailable::Aborted {
            reason: "NODE_FAILED",
            incident: Some(incident),
            resets_at: None,
        }) = back
        else {
            panic!("{back:?}");
        };
        assert_eq!(incident.to_string(), "00112233aabb");
    }

    #[test]
    fn a_result_is_never_told() {
        let below = peer_word(&Refused::BelowMinimum.into());
        assert_eq!(below, peer_word(&Environment::Worker.into()));
    }

    #[test]
    fn every_word_for_a_peer_is_documented() {
        let errors: [Error; 6] = [
            PeerMisbehaved::WrongInstitution.into(),
            Environment::Worker.into(),
            Error::Cancelled,
            Error::Interrupted,
            Refused::NotActive.into(),
            Error::LimitExceeded { what: "x", max: 1, got: 2 },
        ];
        let details = for_peer(&Error::RateLimited { what: "jobs", seconds: 9 }, "00").get_error_details();
        assert_eq!(details.retry_info().unwrap().retry_delay, Some(Duration::from_secs(9)));
        assert_eq!(details.error_info().unwrap().reason, "RATE_LIMITED");
        for error in errors {
            assert!(describe(peer_word(&error)).is_some(), "{error:?}");
        }
    }

    #[test]
    fn a_spent_budget_is_a_quota_failure_with_the_time_it_begins_anew() {
        let resets_at = "2026-04-01T00:00:00Z".parse().unwrap();
        let period = symbolon_policy::Period::Month;
        let reason = symbolon_policy::Reason::PeriodRunsSpent { max: 4, period, resets_at };
        let error = Error::from(reason);
        for (status, text) in
            [(for_operator(&error), error.to_string()), (for_peer(&error, "00"), "PERIOD_RUNS_SPENT".into())]
        {
            assert_eq!(status.code(), Code::ResourceExhausted);
            let details = status.get_error_details();
            let violations = &details.quota_failure().unwrap().violations;
            assert_eq!((violations[0].subject.as_str(), &violations[0].description), ("runs_per_period", &text));
            let info = details.error_info().unwrap();
            assert_eq!(info.reason, "PERIOD_RUNS_SPENT");
            assert_eq!(info.metadata[RESETS_AT], "2026-04-01T00:00:00Z");
            let Error::Unavailable(Unavailable::Aborted { resets_at: told, .. }) = from_peer(&status) else { panic!() };
            assert_eq!(told, Some(resets_at));
        }
        // A budget for the agreement's whole life never begins anew.
        let status = for_operator(&Error::from(symbolon_policy::Reason::RunsSpent { max: 1 }));
        let details = status.get_error_details();
        assert_eq!(details.quota_failure().unwrap().violations[0].subject, "runs_max");
        assert_eq!(details.error_info().unwrap().metadata.get(RESETS_AT), None);
    }

    #[test]
    fn a_foreign_status_is_a_broken_connection() {
        assert!(matches!(from_peer(&Status::unknown("x")), Error::Unavailable(Unavailable::Disconnected)));
        assert!(matches!(from_peer(&Status::out_of_range("x")), Error::PeerMisbehaved(_)));
    }
}
