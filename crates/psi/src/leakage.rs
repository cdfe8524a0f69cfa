//! What each side of each protocol learns, as data: for agreements, for the command line, and for the manifest of
//! every result.
//!
//! Keys are stable words; a key never changes its meaning. Texts are plain sentences and may be improved.

use crate::release::Report;
use crate::role::{Protocol, Role};
use crate::session::SessionSpec;

/// One fact, with a stable key and a sentence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_structs, reason = "plain data, built nowhere else")]
pub struct Item {
    /// The stable key.
    pub key: &'static str,
    /// The sentence.
    pub text: &'static str,
}

/// How far a peer may deviate before the statement stops holding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Model {
    /// It holds whatever the peer does.
    Malicious,
    /// It holds for a peer that follows the protocol.
    SemiHonest,
}

impl Model {
    /// The model as a word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Malicious => "malicious",
            Self::SemiHonest => "semi-honest",
        }
    }
}

/// What one side learns in one protocol.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Statement {
    /// The protocol.
    pub protocol: Protocol,
    /// The side that learns.
    pub role: Role,
    /// Whether rows carry payload.
    pub payload: bool,
    /// What the receiver reports before the payload opens, if the payload is held back.
    pub release: Option<Report>,
    /// What the peer of this statement's side may do without the statement failing.
    pub model: Model,
    /// What this side learns.
    pub learns: Vec<Item>,
    /// What the statement does not promise.
    pub caveats: Vec<Item>,
}

const MATCHED_KEYS: Item = Item { key: "matched_keys", text: "Which of its own keys the other side also has." };
const MATCHED_ROW_COUNTS: Item = Item {
    key: "matched_row_counts",
    text: "For each of these keys, how many rows the other side has under it; not where in the table they are.",
};
const MATCHED_PAYLOAD: Item =
    Item { key: "matched_payload", text: "For each of these rows, the agreed columns of the other side." };
const MATCH_COUNT: Item = Item { key: "match_count", text: "How many keys both sides have, but not which." };
const PEER_ROWS_DECLARED: Item = Item {
    key: "peer_rows_declared",
    text: "How many rows or keys the other side declared; padding hides the exact number.",
};
const PEER_TIMING: Item = Item {
    key: "peer_timing",
    text: "When the other side's messages came; the time it computed can narrow down how much of its declared \
           number is padding.",
};
const NETWORK_OBSERVER: Item = Item {
    key: "network_observer",
    text: "Whoever watches the network sees how many bytes travel and when, and so the declared numbers.",
};
const INPUTS_UNVERIFIED: Item = Item {
    key: "inputs_unverified",
    text: "Nothing proves that the keys of either side are true: a side can leave keys out, or put in keys of its \
           choice to learn whether the other side has them.",
};
const REPEATED_RUNS: Item = Item {
    key: "repeated_runs",
    text: "Two runs with slightly different tables show what the difference does; the agreement limits the number \
           of runs.",
};
const MINIMUM_LOCAL: Item = Item {
    key: "minimum_intersection_local",
    text: "A minimum number of matches is checked by the receiver's own node only, before it hands the result over; \
           a receiver that deviates is not bound by it.",
};
const MINIMUM_RELEASE: Item = Item {
    key: "minimum_intersection_release",
    text: "The sender gives its columns away only when the receiver has reported the agreed minimum of matches. Below \
           it the receiver's node can still tell which keys match, though not the columns, and hands nothing over; a \
           receiver that reports more than it found gets the columns of the rows that match, and only an audit finds \
           it out.",
};
const REPORTED_COUNT: Item = Item {
    key: "reported_match_count",
    text: "How many keys both sides have, as the other side reports it before the columns are released.",
};
const REPORTED_SUFFICIENT: Item = Item {
    key: "reported_minimum_met",
    text: "Whether at least the agreed minimum of keys match, as the other side reports it before the columns are \
           released; when the report comes can narrow down the number.",
};
const REPORT_IS_PROBE: Item = Item {
    key: "report_probes_membership",
    text: "A sender that puts in keys of its choice reads from the report whether the receiver has them.",
};
const DUPLICATES: Item = Item {
    key: "duplicates",
    text: "Rows of one key stay together under it, so the number of rows is learned for keys that match and for no \
           other.",
};
const SEMI_HONEST: Item = Item {
    key: "semi_honest",
    text: "Both sides are assumed to follow the protocol: a side that deviates can make the other see false or \
           missing matches, unnoticed.",
};
const NO_FAIRNESS: Item =
    Item { key: "no_fairness", text: "The side that has its result first can stop, and the other gets none." };
const COUNT_IS_PROBE: Item = Item {
    key: "count_probes_membership",
    text: "A receiver that puts in one real key among made-up ones reads from the count whether the sender has that \
           key, and the sender cannot notice.",
};
const EFFECTIVE_SETS: Item = Item {
    key: "sets_bounded",
    text: "Neither side can use more keys than it declared: the sender's are bound by proofs and long tags, the \
           receiver's by the number of points it sent before it saw any row.",
};

const SHORT_TAGS: Item = Item {
    key: "short_tags",
    text: "Rows are compared by short tags: between sides that follow the protocol any false match has a probability of \
           at most 2^-40; a sender that deviates can make rows that stand for more than one key.",
};
const RECEIVER_UNBOUND: Item = Item {
    key: "receiver_not_bound",
    text: "A receiver that deviates is not bound to the number of keys it declared: one that only chooses what it sends \
           for its keys in another way can test about twice as many, one that deviates in the set-up can test any \
           number, and the sender does not notice.",
};
const ASSUMES_LPN: Item = Item {
    key: "assumes_lpn",
    text: "That the sender learns nothing about the receiver's keys rests on the hardness of learning parity with noise \
           for the code used, which has been studied for less time than the assumptions of the other protocols.",
};

/// What `role` learns in `protocol`, with or without payload, and with or without a report before the payload opens.
#[must_use]
pub fn statement(protocol: Protocol, role: Role, payload: bool, release: Option<Report>) -> Statement {
    let sizes = [PEER_ROWS_DECLARED, PEER_TIMING];
    let release = release.filter(|_| payload && protocol.joins_rows());
    let joined = || match role {
        Role::Receiver => {
            let mut learns = vec![MATCHED_KEYS, MATCHED_ROW_COUNTS];
            learns.extend(payload.then_some(MATCHED_PAYLOAD));
            learns
        }
        Role::Sender => Vec::from_iter(release.map(|report| match report {
            Report::Count => REPORTED_COUNT,
            Report::Sufficient => REPORTED_SUFFICIENT,
        })),
    };
    let (model, mut learns, mut extra) = match protocol {
        Protocol::EcdhOprf => (Model::Malicious, joined(), vec![EFFECTIVE_SETS]),
        Protocol::EcdhMutual => (Model::SemiHonest, vec![MATCHED_KEYS], vec![SEMI_HONEST, NO_FAIRNESS]),
        Protocol::EcdhCardinality => {
            let learns = if role == Role::Receiver { vec![MATCH_COUNT] } else { Vec::new() };
            (Model::SemiHonest, learns, vec![SEMI_HONEST, COUNT_IS_PROBE])
        }
        Protocol::Rr22Silent => {
            (Model::SemiHonest, joined(), vec![SEMI_HONEST, RECEIVER_UNBOUND, SHORT_TAGS, ASSUMES_LPN])
        }
        Protocol::Rr22SmallField => (Model::SemiHonest, joined(), vec![SEMI_HONEST, RECEIVER_UNBOUND, SHORT_TAGS]),
    };
    extra.extend((protocol.joins_rows() && role == Role::Receiver).then_some(DUPLICATES));
    let minimum: &[Item] = match release {
        Some(_) => &[MINIMUM_RELEASE, REPORT_IS_PROBE],
        None => &[MINIMUM_LOCAL],
    };
    learns.extend(sizes);
    let caveats = [&extra, minimum, &[INPUTS_UNVERIFIED, REPEATED_RUNS, NETWORK_OBSERVER]].concat();
    Statement { protocol, role, payload, release, model, learns, caveats }
}

/// The numbers behind [`PEER_ROWS_DECLARED`](statement) and the bytes on the network, for one run: what `role` and a
/// watcher can count.
#[must_use]
pub fn visible_sizes(spec: &SessionSpec, role: Role) -> Vec<(&'static str, u64)> {
    let cost = spec.wire_cost();
    vec![
        ("peer_rows_declared", spec.rows(role.peer())),
        ("payload_bytes_per_row", u64::from(spec.payload_bytes)),
        ("bytes_sender", cost.bytes_sender),
        ("bytes_receiver", cost.bytes_receiver),
    ]
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    fn all() -> Vec<Statement> {
        let roles = [Role::Sender, Role::Receiver];
        let cases = Protocol::ALL.iter().flat_map(|protocol| roles.map(|role| (*protocol, role)));
        let releases = [None, Some(Report::Count), Some(Report::Sufficient)];
        let cases = cases.flat_map(|(protocol, role)| [false, true].map(|payload| (protocol, role, payload)));
        cases
            .flat_map(|(protocol, role, payload)| releases.map(|release| statement(protocol, role, payload, release)))
            .collect()
    }

    #[test]
    fn a_key_has_one_sentence() {
        let mut seen = HashMap::new();
        for statement in all() {
            for item in statement.learns.iter().chain(&statement.caveats) {
                assert_eq!(*seen.entry(item.key).or_insert(item.text), item.text);
                assert!(item.key.chars().all(|c| c.is_ascii_lowercase() || c == '_'));
                assert!(item.text.ends_with('.'));
            }
        }
        assert!(seen.len() >= 19);
    }

    #[test]
    fn only_the_receiver_of_the_one_sided_join_gets_payload_and_its_sender_no_keys() {
        for statement in all() {
            let has = |key| statement.learns.iter().any(|item| item.key == key);
            let receiver = statement.protocol.joins_rows() && statement.role == Role::Receiver;
            assert_eq!(has("matched_payload"), receiver && statement.payload);
            assert_eq!(has("matched_keys"), receiver || statement.protocol == Protocol::EcdhMutual);
            assert!(has("peer_rows_declared") && has("peer_timing"));
            let semi_honest = statement.caveats.iter().any(|item| item.key == "semi_honest");
            assert_eq!(semi_honest, statement.model == Model::SemiHonest);
            for key in ["inputs_unverified", "network_observer"] {
                assert!(statement.caveats.iter().any(|item| item.key == key));
            }
        }
    }

    /// The sender learns of the result when payload is held back, and only then; and the minimum is said to bind as
    /// far as it does.
    #[test]
    fn the_sender_of_the_one_sided_join_learns_what_is_reported() {
        for statement in all() {
            let joins = statement.payload && statement.protocol.joins_rows();
            assert!(joins || statement.release.is_none());
            let learns = |key| statement.learns.iter().any(|item| item.key == key);
            let sender = statement.role == Role::Sender;
            assert_eq!(learns("reported_match_count"), sender && statement.release == Some(Report::Count));
            assert_eq!(learns("reported_minimum_met"), sender && statement.release == Some(Report::Sufficient));
            let warns = |key| statement.caveats.iter().any(|item| item.key == key);
            assert_eq!(warns("minimum_intersection_release"), statement.release.is_some());
            assert_eq!(warns("report_probes_membership"), statement.release.is_some());
            assert_eq!(warns("minimum_intersection_local"), statement.release.is_none());
        }
    }
}
