//! The documented reasons: one table for errors, for gRPC `ErrorInfo` and for the failures of stored jobs.

use super::Class;

/// What a documented reason means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Described {
    /// The reason in upper snake case.
    pub reason: &'static str,
    /// Its class.
    pub class: Class,
    /// What happened, in one sentence.
    pub sentence: &'static str,
    /// What to do about it.
    pub remedy: &'static str,
}

/// Explains a documented reason; `None` when this release does not know it.
#[must_use]
pub fn describe(reason: &str) -> Option<Described> {
    reasons().find(|described| described.reason == reason)
}

/// Every documented reason, for reference pages and for tests of other implementations.
pub fn reasons() -> impl Iterator<Item = Described> {
    REASONS.iter().map(|&(reason, class, sentence, remedy)| Described { reason, class, sentence, remedy })
}

/// The documented reason of a lower crate's label, or `otherwise` when it has none of its own.
pub(super) fn by_label(label: &str, otherwise: &'static str) -> &'static str {
    REASONS.iter().map(|entry| entry.0).find(|reason| reason.eq_ignore_ascii_case(label)).unwrap_or(otherwise)
}

type Entry = (&'static str, Class, &'static str, &'static str);

const FAULTY_PEER: &str =
    "start a new job; when it happens again, the partner's node is faulty or hostile: tell the partner";
const CORRECT_TABLE: &str = "correct the file or the table's description, see `table check`, then start again";
const AGREE_ANEW: &str = "agree on a new one with the partner";
const SEE_ALLOW: &str = "use what the agreement lists under [[allow]], or agree anew";
const WAIT_FOR_PERIOD: &str = "wait for the next period: `symbolon budget` shows when it begins";
const REPORT: &str = "start again; when it happens again, report it with the log lines of the incident";

const REASONS: &[Entry] = &[
    // The peer broke the protocol.
    (
        "SIGNATURE_INVALID",
        Class::PeerMisbehaved,
        "a signature of the peer does not verify",
        "do not use the document; ask the partner to send it again",
    ),
    ("PEER_REPLAY", Class::PeerMisbehaved, "the peer used a one-time value twice", FAULTY_PEER),
    ("PEER_UNEXPECTED_MESSAGE", Class::PeerMisbehaved, "the peer sent a message out of turn", FAULTY_PEER),
    ("PEER_MALFORMED_MESSAGE", Class::PeerMisbehaved, "the peer sent a malformed message", FAULTY_PEER),
    ("PEER_OVERSIZED", Class::PeerMisbehaved, "the peer sent a message above the limit", FAULTY_PEER),
    (
        "PEER_WRONG_INSTITUTION",
        Class::PeerMisbehaved,
        "the peer speaks for another institution than its certificate shows",
        "check with the partner which node it uses; add its present card with `peer add`",
    ),
    (
        "PEER_UNKNOWN_DOCUMENT",
        Class::PeerMisbehaved,
        "the peer returned a signature for an agreement it was not offered",
        "check with the partner which agreement is meant; propose it again",
    ),
    (
        "PEER_LOG_FORKED",
        Class::PeerMisbehaved,
        "the peer's evidence log does not continue what this node saw of it before",
        "the partner rewrote its log, put it back, or shows others another one: keep both checkpoints, see `audit log`, \
         and tell the partner",
    ),
    (
        "PEER_LOG_FOREIGN",
        Class::PeerMisbehaved,
        "the peer shows another evidence log than its own",
        "ask the partner which organisation key opened its log",
    ),
    (
        "PEER_RECEIPT_DIFFERS",
        Class::PeerMisbehaved,
        "the peer's half of the receipt does not fit what was exchanged, so there is no result",
        FAULTY_PEER,
    ),
    ("PEER_FRAME_TOO_SHORT", Class::PeerMisbehaved, "the peer sent a frame shorter than its header", FAULTY_PEER),
    ("PEER_FRAME_TOO_LONG", Class::PeerMisbehaved, "the peer sent a frame above the limit", FAULTY_PEER),
    ("PEER_WRONG_SESSION", Class::PeerMisbehaved, "the peer sent a frame of another session", FAULTY_PEER),
    ("PEER_OUT_OF_ORDER", Class::PeerMisbehaved, "the peer sent a frame out of order", FAULTY_PEER),
    ("PEER_REPEATED", Class::PeerMisbehaved, "the peer sent a frame twice", FAULTY_PEER),
    ("PEER_BEFORE_ITS_TURN", Class::PeerMisbehaved, "the peer sent a frame before its turn", FAULTY_PEER),
    ("PEER_AFTER_THE_END", Class::PeerMisbehaved, "the peer sent a frame after the last one", FAULTY_PEER),
    ("PEER_WRONG_TOTAL", Class::PeerMisbehaved, "the peer announced another number of frames than agreed", FAULTY_PEER),
    ("PEER_WRONG_LENGTH", Class::PeerMisbehaved, "the peer sent a frame of another length than agreed", FAULTY_PEER),
    ("PEER_MALFORMED_POINT", Class::PeerMisbehaved, "the peer sent a malformed point", FAULTY_PEER),
    ("PEER_REPEATED_POINT", Class::PeerMisbehaved, "the peer sent a point twice", FAULTY_PEER),
    ("PEER_ECHOED_POINT", Class::PeerMisbehaved, "the peer sent a point of this side back as its own", FAULTY_PEER),
    ("PEER_PROOF_REJECTED", Class::PeerMisbehaved, "the peer's evaluation proof does not verify", FAULTY_PEER),
    ("PEER_TAGS_NOT_SORTED", Class::PeerMisbehaved, "the peer's tags are not in order", FAULTY_PEER),
    ("PEER_TRANSCRIPT_DIFFERS", Class::PeerMisbehaved, "something was changed on the way from the peer", FAULTY_PEER),
    (
        "PEER_RELEASE_REJECTED",
        Class::PeerMisbehaved,
        "the peer's key to the columns is not the one it committed to, or does not fit the report",
        FAULTY_PEER,
    ),
    ("PEER_UNEXPECTED_CONTENT", Class::PeerMisbehaved, "the peer sent a fixed message with other content", FAULTY_PEER),
    (
        "PEER_MISBEHAVED",
        Class::PeerMisbehaved,
        "one node says that the other broke the protocol",
        "ask the partner for its log under the incident number; bring both nodes to the same release",
    ),
    // The peer does not fit.
    (
        "PEER_VERSION",
        Class::PeerIncompatible,
        "the peer speaks another version of the exchange",
        "update the older node",
    ),
    (
        "PEER_INCOMPATIBLE_VERSION",
        Class::PeerIncompatible,
        "the peer speaks another version of the frames",
        "update the older node",
    ),
    (
        "PEER_INCOMPATIBLE_PROTOCOL",
        Class::PeerIncompatible,
        "the peer runs another protocol than agreed",
        "update the older node",
    ),
    (
        "PEER_NORMALISER",
        Class::PeerIncompatible,
        "the peer normalises keys by other rules, which would lose matches",
        "bring both nodes to the same release, then draft and sign a new agreement",
    ),
    (
        "PEER_CERTIFICATE",
        Class::PeerIncompatible,
        "the peer shows another certificate than the one on its card",
        "check with the partner; when it changed, add its new card with `peer add --replace`",
    ),
    (
        "PEER_CERTIFICATE_DATES",
        Class::PeerIncompatible,
        "the peer shows a certificate outside its dates",
        "check this machine's clock; when it is right, the partner has to renew: `key rotate tls` there",
    ),
    (
        "PEER_CERTIFICATE_REVOKED",
        Class::PeerIncompatible,
        "the peer shows a certificate or key that was withdrawn",
        "ask the partner, by another way, for its present card; `peer list` shows what is known",
    ),
    (
        "PEER_SPIFFE_ID",
        Class::PeerIncompatible,
        "the peer's certificate carries another SPIFFE id than its card names",
        "check with the partner which certificate its node uses; ask for its present card",
    ),
    (
        "PEER_CRL",
        Class::PeerIncompatible,
        "the list of withdrawn certificates of the peer's issuer is out of date or not signed by it",
        "put a fresh list of that issuer where tls.crl in node.toml says",
    ),
    (
        "PEER_UNKNOWN_AGREEMENT",
        Class::PeerIncompatible,
        "the peer does not hold this agreement as active",
        "let the partner accept the agreement first",
    ),
    (
        "PEER_CLOCK",
        Class::PeerIncompatible,
        "the clocks of both nodes are too far apart",
        "set both clocks by a time server; `doctor` shows the difference",
    ),
    (
        "PEER_SIZES",
        Class::PeerIncompatible,
        "the peer declares other sizes than the agreement gives",
        "compare the agreement on both sides; bring both nodes to the same release",
    ),
    // The peer is not there.
    (
        "PEER_REFUSED_US",
        Class::Unavailable,
        "the peer refused this node's certificate",
        "ask the partner to add this node's present card with `peer add --replace`",
    ),
    (
        "PEER_NOT_A_NODE",
        Class::Unavailable,
        "what answers at the peer's address is not a node this release can speak to",
        "check the endpoint on the peer's card; it must lead to the node itself, without a proxy that ends TLS",
    ),
    (
        "PEER_UNREACHABLE",
        Class::Unavailable,
        "the peer cannot be reached",
        "check that its node runs, that its endpoint is right and that no filter is in the way; `doctor` shows more",
    ),
    (
        "PEER_SILENT",
        Class::Unavailable,
        "the peer was silent for too long",
        "check the peer's node and the network, then start a new job",
    ),
    (
        "PEER_STALLED",
        Class::LimitExceeded,
        "the peer showed signs of life for too long and did nothing else",
        "start a new job; when the peer needs so long for one step, raise limits.stall_seconds_max",
    ),
    (
        "SESSION_TOO_LONG",
        Class::Unavailable,
        "the job took longer than allowed",
        "raise limits.session_seconds_max on both sides, or join fewer rows",
    ),
    (
        "PEER_GONE",
        Class::Unavailable,
        "the connection to the peer broke",
        "check the peer's node and the network, then start a new job",
    ),
    (
        "PEER_ABORTED",
        Class::Unavailable,
        "the peer ended the job",
        "ask the partner: its log has the cause under the incident number",
    ),
    (
        "RECEIPT_MISSING",
        Class::Unavailable,
        "the peer did not countersign the receipt, so there is no result",
        "check the peer's node and the network, then start a new job; the run stays spent",
    ),
    ("NODE_BUSY", Class::Unavailable, "the node takes no further job at the moment", "try again later"),
    // Limits.
    (
        "LIMIT_EXCEEDED",
        Class::LimitExceeded,
        "a limit of the node is exceeded",
        "ask for less, or raise the limit named in node.toml",
    ),
    (
        "RATE_LIMITED",
        Class::LimitExceeded,
        "a peer asks too often",
        "wait as long as is said, then ask again; the rates are limits in node.toml of the node that was asked",
    ),
    // The agreement.
    (
        "AGREEMENT_NOT_ACTIVE",
        Class::Refused,
        "the agreement is not active: a signature is missing",
        "have both parties sign it; `agreement show` tells whose signature is missing",
    ),
    (
        "AGREEMENT_EDITED",
        Class::Refused,
        "the agreement was edited after it was signed",
        "restore the signed file, or draft a new agreement and sign that",
    ),
    (
        "NOT_A_PARTY",
        Class::Refused,
        "this institution is no party of the agreement",
        "compare the keys in its [[party]] blocks with both cards",
    ),
    (
        "UNKNOWN_PEER",
        Class::Refused,
        "the other party of the agreement is not a known peer",
        "add its card with `peer add`, after comparing the fingerprint",
    ),
    (
        "PIN_DIFFERS",
        Class::Refused,
        "the agreement pins another TLS certificate than the card",
        "draft the agreement anew from the present cards",
    ),
    (
        "KEY_REVOKED",
        Class::Refused,
        "a key was withdrawn, so connections and jobs under it end",
        "get the partner's present card by another way, `peer add --replace`, and sign a new agreement where needed",
    ),
    (
        "CARD_ROLLBACK",
        Class::Refused,
        "the card is older than the one known, or another one with the same number",
        "use the partner's latest card; when the partner restored a backup, `peer remove` it and add it anew",
    ),
    (
        "CARD_FOREIGN",
        Class::Refused,
        "no change signed with both keys leads from the key known to the key of the card",
        "ask the partner; a new identity is added with `peer add --replace` after comparing the fingerprint",
    ),
    (
        "CARD_NAME_DIFFERS",
        Class::Refused,
        "the card names another institution or another SPIFFE id than the one known",
        "ask the partner; a new identity is added with `peer add --replace` after comparing the fingerprint",
    ),
    (
        "ROTATION_FORGED",
        Class::Refused,
        "a change of key on the card is not signed with both keys",
        "do not use the card; ask its institution for it again",
    ),
    (
        "FINGERPRINT_FORM",
        Class::Misuse,
        "the text is no fingerprint, or one of its words was misheard",
        "give 64 hexadecimal digits or the twelve words, as the partner tells them",
    ),
    (
        "TABLE_DIFFERS",
        Class::Refused,
        "our side of the agreement does not fit our table",
        "correct the draft or the table, then sign",
    ),
    (
        "NORMALISER_DIFFERS",
        Class::Refused,
        "the agreement was made for other normaliser rules than this node's",
        "draft and sign the agreement anew with the present release on both sides",
    ),
    (
        "INTERSECTION_BELOW_MINIMUM",
        Class::Refused,
        "fewer matches than the agreement's minimum, so nothing was handed over",
        "nothing to correct: the agreement forbids so small a result; the run stays spent",
    ),
    (
        "APPROVALS_SHORT",
        Class::Refused,
        "too few of the agreement's approvers have approved for the institution to sign",
        "have others approve, see `agreement approve`; `agreement show` tells who has",
    ),
    (
        "APPROVER_NOT_LISTED",
        Class::Refused,
        "the key is that of no approver the agreement lists",
        "approve with a key listed, or draft the agreement anew with yours",
    ),
    (
        "POLICY_REFUSED",
        Class::Refused,
        "a policy of one of the two nodes forbids it, or none permits it",
        "`symbolon policy explain` names the policy on the node that refused; the partner sees only this word",
    ),
    (
        "DOCUMENT_INVALID",
        Class::Misuse,
        "the document is not a valid agreement or card",
        "check that it is the right file and complete; get it again from whoever wrote it",
    ),
    // Decisions over an agreement.
    ("AGREEMENT_DIFFERS", Class::Refused, "the request names another agreement", "check the agreement's id"),
    (
        "AGREEMENT_UNSIGNED",
        Class::Refused,
        "the agreement is a draft nobody has signed",
        "have both parties sign it, see `agreement sign`",
    ),
    (
        "SIGNATURE_MISSING",
        Class::Refused,
        "the agreement lacks a signature",
        "ask the party whose signature is missing to sign and return it",
    ),
    (
        "AGREEMENT_NOT_YET_VALID",
        Class::Refused,
        "the agreement is not in force yet",
        "wait until its valid_from, and check this machine's clock",
    ),
    ("AGREEMENT_EXPIRED", Class::Refused, "the agreement has ended", AGREE_ANEW),
    (
        "AGREEMENT_REPLACED_UNKNOWN",
        Class::Refused,
        "the version the agreement replaces is not one of the same two parties that is stored here",
        "store that one first with `agreement accept`, or draft without `replaces`",
    ),
    (
        "AGREEMENT_SUSPENDED",
        Class::Refused,
        "a party has suspended the agreement",
        "see `agreement show` for who and why; only the party that suspended can resume",
    ),
    ("AGREEMENT_REVOKED", Class::Refused, "a party has revoked the agreement, which is final", AGREE_ANEW),
    (
        "AGREEMENT_SUPERSEDED",
        Class::Refused,
        "a later version of the agreement is active",
        "run the job under that one; `agreement history` lists the versions",
    ),
    ("INITIATOR_UNKNOWN", Class::Refused, "the key that asks is neither party's", "use the key the agreement names"),
    ("PROTOCOL_NOT_ALLOWED", Class::Refused, "the agreement does not allow this protocol", SEE_ALLOW),
    ("RESULT_NOT_ALLOWED", Class::Refused, "the agreement does not allow this result with this protocol", SEE_ALLOW),
    (
        "RESULT_HELD_BACK",
        Class::Refused,
        "a party holds this result back at present",
        "ask for another result; `agreement show` tells what this side holds back",
    ),
    ("RECEIVER_NOT_ALLOWED", Class::Refused, "the agreement does not give this result to this receiver", SEE_ALLOW),
    ("PURPOSE_DIFFERS", Class::Refused, "the purpose differs from the agreement's", "repeat it word for word"),
    (
        "NORMALISER_VERSION_DIFFERS",
        Class::Refused,
        "the normaliser's version differs from the agreement's, so equal keys could be missed",
        "run the same release on both sides, or agree anew with the present one",
    ),
    (
        "NORMALISER_RULES_DIFFER",
        Class::Refused,
        "the normaliser's rules differ from the agreement's",
        "run the same release on both sides",
    ),
    ("COLUMNS_MISSING", Class::Refused, "the result needs at least one column", "name the columns you want"),
    ("COLUMNS_UNWANTED", Class::Refused, "this result carries no columns", "leave them out, or ask for enrich"),
    ("COLUMN_UNKNOWN", Class::Refused, "a column asked for is not in the agreement", "check its name, or leave it out"),
    ("COLUMN_JOIN_ONLY", Class::Refused, "a column asked for is marked join_only", "leave it out"),
    ("COLUMN_NEVER", Class::Refused, "a column asked for is marked never", "leave it out"),
    ("COLUMN_REPEATED", Class::Refused, "a column is asked for twice", "name it once"),
    (
        "ROWS_NOT_PADDED",
        Class::Refused,
        "a row count is not rounded up by the agreement's rule",
        "run the same release on both sides",
    ),
    (
        "ROWS_BELOW_MINIMUM",
        Class::Refused,
        "a table has fewer rows than the agreement asks for",
        "bring more rows, or agree anew",
    ),
    (
        "ROWS_ABOVE_MAXIMUM",
        Class::Refused,
        "a table has more rows than the agreement allows",
        "bring fewer rows, or agree anew",
    ),
    ("RUNS_SPENT", Class::Budget, "all runs of the agreement are used, failed ones included", AGREE_ANEW),
    ("ROWS_SPENT", Class::Budget, "the rows left under the agreement do not suffice", AGREE_ANEW),
    ("PERIOD_RUNS_SPENT", Class::Budget, "all runs of this period are used, failed ones included", WAIT_FOR_PERIOD),
    ("PERIOD_ROWS_SPENT", Class::Budget, "the rows left in this period do not suffice", WAIT_FOR_PERIOD),
    (
        "SNAPSHOTS_SPENT",
        Class::Budget,
        "a party has brought as many different inputs as agreed, and this is another",
        "join with one of the earlier states of the table, or agree anew",
    ),
    (
        "SNAPSHOT_UNDECLARED",
        Class::Refused,
        "the agreement limits different inputs, and a node declares no commitment to its own",
        "run the same release on both sides",
    ),
    ("LOOKUPS_SPENT", Class::Budget, "the lookups left under the agreement do not suffice", AGREE_ANEW),
    ("EPSILON_SPENT", Class::Budget, "the epsilon left under the agreement does not suffice", AGREE_ANEW),
    (
        "PROBING_SUSPECTED",
        Class::Refused,
        "the job shows a sign of probing for single records",
        "see `alert list` on the node that refused; speak with the partner before the agreement is used again",
    ),
    ("CARD_EDITED", Class::Refused, "the card was changed or damaged", "ask its institution for the card again"),
    // Requests.
    ("NOT_FOUND", Class::NotFound, "there is nothing of that name", "list what there is and correct the name"),
    (
        "ALREADY_EXISTS",
        Class::AlreadyExists,
        "there is something of that name already, left as it was",
        "choose another name, or say that it shall be replaced",
    ),
    ("INVALID_REQUEST", Class::Misuse, "the request cannot be carried out as given", "correct the request"),
    (
        "CRYPTO_REFUSED",
        Class::Misuse,
        "a key, signature or ciphertext was refused",
        "check that file and key belong together",
    ),
    // Tables.
    ("TABLE_UNUSABLE", Class::Tables, "the table cannot be used as described", CORRECT_TABLE),
    ("TABLE_SPEC", Class::Tables, "the description of the table is not valid", CORRECT_TABLE),
    ("TABLE_MISSING", Class::Tables, "the table's file is not there", "check the path, or add the table again"),
    ("TABLE_EMPTY", Class::Tables, "the table has no rows", CORRECT_TABLE),
    ("TABLE_FORMAT", Class::Tables, "the table's file is not of the format said", CORRECT_TABLE),
    ("TABLE_CHANGED", Class::Tables, "the table's file changed while the job ran", "start the job again"),
    ("NO_COLUMN", Class::Tables, "a column named is not in the file", CORRECT_TABLE),
    ("DUPLICATE_COLUMN", Class::Tables, "a column name is there twice", CORRECT_TABLE),
    ("RAGGED_ROW", Class::Tables, "a row has another number of fields", CORRECT_TABLE),
    ("RECORD_TOO_LONG", Class::Tables, "a row is too long, mostly for a quote that is never closed", CORRECT_TABLE),
    ("ENCODING", Class::Tables, "the file is not text in the encoding said", CORRECT_TABLE),
    ("VALUE_TYPE", Class::Tables, "a value does not fit its column's type", CORRECT_TABLE),
    ("COLUMN_TYPE", Class::Tables, "a column has a type that cannot be used so", CORRECT_TABLE),
    (
        "VALUE_TOO_LONG",
        Class::Tables,
        "a value is longer than the agreement allows",
        "shorten it, or agree on more bytes",
    ),
    ("NO_USABLE_KEY", Class::Tables, "no row has a usable key", CORRECT_TABLE),
    (
        "DUPLICATE_KEYS",
        Class::Tables,
        "keys occur more than once and the table rejects that",
        "remove the rows that `table check` names, or agree on the duplicates policy first or all",
    ),
    ("TOO_MANY_ROWS", Class::Tables, "the table has more rows than can be counted", "split the table"),
    ("PAYLOAD_MALFORMED", Class::PeerMisbehaved, "the peer's columns do not decode as agreed", FAULTY_PEER),
    (
        "OUTPUT_EXISTS",
        Class::AlreadyExists,
        "the result file exists already and was left as it was",
        "choose another name or move it away",
    ),
    // Configuration and keys.
    ("CONFIG_SYNTAX", Class::Config, "node.toml cannot be read as configuration", "correct the line shown"),
    ("CONFIG_VALUE", Class::Config, "a value in node.toml is out of range", "correct the key named and start again"),
    ("CONFIG_VARIABLE", Class::Config, "an environment variable is wrong", "correct or unset the variable named"),
    (
        "NO_HOME",
        Class::Config,
        "the home directory holds no node",
        "run `symbolon init` first, or set SYMBOLON_HOME to the right directory",
    ),
    ("HOME_EXISTS", Class::AlreadyExists, "the home directory holds a node already", "choose another directory"),
    (
        "POLICIES_UNUSABLE",
        Class::Config,
        "the files of policies in the home cannot be used, so everything is refused",
        "run `symbolon policy check`, correct the line it names; a running node takes the change by itself",
    ),
    ("HOME_IN_USE", Class::AlreadyExists, "another process serves this home", "stop the other process first"),
    (
        "KEY_EXPOSED",
        Class::Config,
        "a key file may be read by others than its owner",
        "run `chmod 600` on it; when others had access, make new keys",
    ),
    ("KEY_HISTORY", Class::Config, "the history of keys cannot be written", REPORT),
    ("KEYS_CHANGING", Class::Config, "another process is changing the keys", "wait for it to end, then try again"),
    (
        "KEY_IN_FORCE",
        Class::Misuse,
        "the key in force cannot be withdrawn",
        "put another one in its place first: `key rotate KIND --now`",
    ),
    (
        "CRL_MALFORMED",
        Class::Config,
        "a file named in tls.crl is no list of withdrawn certificates; lists read before stay in force",
        "put a CRL in PEM or DER there, or take the file out of node.toml",
    ),
    ("KEY_MALFORMED", Class::Config, "a key file does not hold what it should", "restore it from your backup"),
    (
        "KEY_UNAVAILABLE",
        Class::Environment,
        "a key lies in a token that does not answer or does not sign",
        "check that the token is there and its module and PIN in node.toml are right, then start again",
    ),
    (
        "KEYS_LOCKED",
        Class::Config,
        "the private keys are protected and nothing to open them with was given",
        "run it on a terminal, or name the passphrase with SYMBOLON_PASSPHRASE_FILE or SYMBOLON_PASSPHRASE_FD",
    ),
    (
        "PASSPHRASE_WRONG",
        Class::Config,
        "the private keys do not open with this passphrase, or their file was changed",
        "give the right passphrase; when it is right, restore keys/at-rest.key from your backup",
    ),
    (
        "PASSPHRASE_SHORT",
        Class::Misuse,
        "the new passphrase is too short",
        "choose a longer one, such as six random words; nothing was changed",
    ),
    (
        "PASSPHRASE_MISSING",
        Class::Misuse,
        "a new passphrase is needed, and none was given",
        "run it on a terminal, or name a file with SYMBOLON_NEW_PASSPHRASE_FILE (for an approver's key: \
         SYMBOLON_NEW_APPROVER_PASSPHRASE_FILE); nothing was changed",
    ),
    (
        "CREDENTIAL_MISSING",
        Class::Config,
        "the keys open by a systemd credential, and there is none",
        "put LoadCredentialEncrypted=symbolon.passphrase:FILE into the unit and start it by systemd",
    ),
    (
        "PASSPHRASE_BROKEN_OFF",
        Class::Cancelled,
        "the question for a passphrase was broken off",
        "nothing was changed; run it again",
    ),
    (
        "APPROVER_KEY_LOCKED",
        Class::Config,
        "an approver's key is protected and nothing to open it with was given",
        "run it on a terminal, give --passphrase-file, or name the passphrase with SYMBOLON_APPROVER_PASSPHRASE_FILE",
    ),
    (
        "APPROVER_PASSPHRASE_WRONG",
        Class::Config,
        "an approver's key does not open with this passphrase, or its file was changed",
        "give the right passphrase; when it is right, restore the file from the person's backup",
    ),
    (
        "KEY_UNPROTECTED",
        Class::Config,
        "a private key lies open although the keys of the home are protected",
        "find out who put it there; restore the sealed one from your backup",
    ),
    (
        "JOB_KEY_FOREIGN",
        Class::Environment,
        "the key of a job is of another home or was changed",
        "restore state.db and keys from the same backup",
    ),
    (
        "RESULT_CHANGED",
        Class::Environment,
        "the file of a result is not the one that was written for its job",
        "restore it, state.db and keys from the same backup, or run the job again",
    ),
    (
        "RESULT_DELETED",
        Class::NotFound,
        "the result was deleted and its key destroyed",
        "run the job again if the agreement allows it",
    ),
    (
        "TOKEN_FAILED",
        Class::Environment,
        "the token that holds the keys fails",
        "check module, token and label under [keys.pkcs11] in node.toml, and that the token is plugged in",
    ),
    (
        "PIN_REFUSED",
        Class::Config,
        "the token refuses the PIN",
        "give the right PIN; tokens lock themselves after a few wrong ones",
    ),
    (
        "KEY_MISMATCH",
        Class::Config,
        "certificate and key do not belong together; a running node goes on with the pair read before",
        "restore both from the same backup",
    ),
    (
        "CERTIFICATE_NAMES",
        Class::Config,
        "no certificate can be made for these names",
        "give a plain host name or IP address in the address partners shall use",
    ),
    // Surroundings.
    (
        "DISK_FULL",
        Class::Environment,
        "no space is left on the disk",
        "free space, then start again; files are as before",
    ),
    ("FILE_FAILED", Class::Environment, "a file cannot be used", "check the path and its permissions"),
    ("ENVIRONMENT", Class::Environment, "a file cannot be read or written", "check the path and its permissions"),
    ("NOT_TEXT", Class::Environment, "a file is not UTF-8 text", "check that it is the right file"),
    (
        "DATABASE_FAILED",
        Class::Environment,
        "the state database failed",
        "check the disk and the permissions of state.db, then start again",
    ),
    (
        "DATABASE_VERSION",
        Class::Environment,
        "state.db cannot be brought to this release's form",
        "it is from a newer release or damaged: use that release, or restore a backup",
    ),
    ("DATABASE_CORRUPT", Class::Environment, "state.db is damaged", "restore it from a backup"),
    (
        "AUDIT_LOG_REWRITTEN",
        Class::Environment,
        "the evidence log of this node was changed, shortened or put back to an earlier state",
        "find out who changed audit/log.jsonl; restore its newest copy, or tell every partner before a new log is begun",
    ),
    (
        "AUDIT_LOG_DAMAGED",
        Class::Environment,
        "the evidence log of this node is damaged",
        "restore audit/log.jsonl from its newest copy; no job runs before",
    ),
    (
        "AUDIT_LOG_UNWRITABLE",
        Class::Environment,
        "the evidence log of this node cannot be written",
        "check disk and permissions of the audit directory; no job runs before",
    ),
    ("AUDIT_ENTRY_INVALID", Class::Internal, "an event could not be put into the evidence log", REPORT),
    ("NO_RANDOMNESS", Class::Environment, "the system gives no randomness", "check getrandom and /dev/urandom"),
    ("ENVIRONMENT_PRIMITIVE", Class::Internal, "a computation failed", REPORT),
    (
        "LISTEN_FAILED",
        Class::Environment,
        "the node cannot listen on its address",
        "check that the address is this machine's, the port is free and the socket's directory can be written",
    ),
    (
        "TLS_SETUP",
        Class::Config,
        "TLS cannot be set up from keys/tls.key and keys/tls.crt",
        "restore both files from the same backup",
    ),
    ("WORKER_STOPPED", Class::Internal, "a worker of the node stopped unexpectedly", REPORT),
    ("PROTOCOL_FAILED", Class::Internal, "the protocol stopped on an internal condition", REPORT),
    ("INTERNAL", Class::Internal, "the node failed internally", REPORT),
    (
        "NODE_FAILED",
        Class::Unavailable,
        "the other node could not carry out the job",
        "ask the partner: its log has the cause under the incident number",
    ),
    // Ends.
    (
        "NODE_NOT_RUNNING",
        Class::NodeNotRunning,
        "no node answers on the control socket",
        "start it with `symbolon serve`",
    ),
    (
        "CANCELLED",
        Class::Cancelled,
        "the job was cancelled",
        "start a new job when ready; the run it spent stays spent",
    ),
    (
        "INTERRUPTED",
        Class::Cancelled,
        "the node stopped while the job ran",
        "start a new job; the run it spent stays spent, and no part of a result was kept",
    ),
    ("OTHER", Class::Unavailable, "the other node gave a reason this release does not know", "see both logs"),
];

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::error::{
        ConfigError, Environment, Error, EvidenceError, KeysError, PeerIncompatible, PeerMisbehaved, Refused,
        Unavailable,
    };

    #[test]
    fn reasons_are_distinct_upper_snake_and_say_what_to_do() {
        let mut seen = HashSet::new();
        for (reason, _, sentence, remedy) in REASONS {
            assert!(seen.insert(*reason), "{reason} twice");
            assert!(reason.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_'), "{reason}");
            assert!(!sentence.is_empty() && !remedy.is_empty() && !sentence.ends_with('.'), "{reason}");
        }
        assert_eq!(describe("NEVER_HEARD_OF"), None);
    }

    /// The errors of keys.
    fn of_keys() -> Vec<Error> {
        let path = || std::path::PathBuf::from("/x");
        vec![
            KeysError::Exposed { path: path() }.into(),
            KeysError::Malformed { path: path(), expected: "key" }.into(),
            KeysError::Mismatch.into(),
            KeysError::Certificate.into(),
            KeysError::Locked.into(),
            KeysError::WrongPassphrase.into(),
            KeysError::PassphraseShort { min: 8 }.into(),
            KeysError::NoNewPassphrase.into(),
            KeysError::NoCredential { name: "x" }.into(),
            KeysError::BrokenOff.into(),
            KeysError::ApproverLocked.into(),
            KeysError::ApproverPassphrase.into(),
            KeysError::Unprotected { path: path() }.into(),
            KeysError::JobKey.into(),
            KeysError::Token { what: "fails" }.into(),
            KeysError::PinRefused.into(),
            symbolon_primitives::Error::KeyUnavailable.into(),
        ]
    }

    fn documented(errors: Vec<Error>) {
        for error in errors {
            let described = describe(error.reason()).unwrap_or_else(|| panic!("{error:?}"));
            assert_eq!(described.class, error.class());
            assert!(!error.remedy().is_empty(), "{error:?}");
            assert!(!error.to_string().is_empty());
        }
    }

    #[test]
    fn every_error_of_the_evidence_has_a_documented_reason() {
        documented(vec![
            EvidenceError::Rewritten.into(),
            EvidenceError::Damaged { line: 1 }.into(),
            EvidenceError::Torn.into(),
            EvidenceError::Behind { seen: 2, size: 1 }.into(),
            EvidenceError::Unwritable.into(),
            symbolon_policy::Error::from(symbolon_policy::audit::AuditError::Form).into(),
            PeerMisbehaved::LogForked.into(),
            PeerMisbehaved::ForeignLog.into(),
            PeerMisbehaved::Receipt.into(),
            Unavailable::NoReceipt.into(),
        ]);
    }

    #[test]
    fn every_error_has_a_documented_reason() {
        let (path, sign) = (|| std::path::PathBuf::from("p"), symbolon_policy::probing::Sign::TinySet);
        let io = || std::io::Error::from(std::io::ErrorKind::NotFound);
        let errors: Vec<Error> = vec![
            PeerMisbehaved::Signature { what: "card" }.into(),
            PeerMisbehaved::Replay { what: "nonce" }.into(),
            PeerMisbehaved::UnexpectedMessage { expected: "offer", got: "frame" }.into(),
            PeerMisbehaved::Malformed { what: "offer" }.into(),
            PeerMisbehaved::Oversized { what: "frame", max: 1, got: 2 }.into(),
            PeerMisbehaved::WrongInstitution.into(),
            PeerMisbehaved::UnknownDocument.into(),
            PeerIncompatible::Version { expected: 1, got: 2 }.into(),
            PeerIncompatible::Normaliser.into(),
            PeerIncompatible::Certificate.into(),
            PeerIncompatible::UnknownAgreement.into(),
            Unavailable::Unreachable.into(),
            Unavailable::Silent { seconds: 1 }.into(),
            Unavailable::TooLong { seconds: 1 }.into(),
            Unavailable::Disconnected.into(),
            Unavailable::Aborted { reason: "OTHER", incident: None, resets_at: None }.into(),
            Unavailable::Busy { what: "stopping" }.into(),
            Error::LimitExceeded { what: "rows", max: 1, got: 2 },
            Refused::NotActive.into(),
            Refused::Edited.into(),
            Refused::NotAParty.into(),
            Refused::UnknownPeer.into(),
            Refused::ReplacedUnknown.into(),
            Refused::PinDiffers.into(),
            Refused::TableDiffers { what: "key" }.into(),
            Refused::Normaliser.into(),
            Refused::BelowMinimum.into(),
            Refused::ByPolicy { policies: Vec::new() }.into(),
            Refused::Probing { finding: symbolon_policy::probing::Finding { sign, found: 1, compared: 2 } }.into(),
            Error::NotFound { what: "table", remedy: "x" },
            Error::AlreadyExists { what: "table" },
            Error::Misuse { what: "x", remedy: "y" },
            ConfigError::Value { key: "k", expected: "v" }.into(),
            ConfigError::Variable { name: "k", expected: "v" }.into(),
            ConfigError::NoHome { home: path() }.into(),
            ConfigError::HomeExists { home: path() }.into(),
            ConfigError::HomeInUse { home: path() }.into(),
            ConfigError::Policies { failure: symbolon_policy::cedar::LoadError::default() }.into(),
            Environment::DiskFull { path: path() }.into(),
            Environment::File { action: crate::error::FileAction::Read, path: path(), source: io() }.into(),
            Environment::NotText { path: path() }.into(),
            Environment::Corrupt { what: "row" }.into(),
            Environment::ResultChanged { path: path() }.into(),
            Error::ResultDeleted,
            Environment::Entropy.into(),
            Environment::Listen { what: "peer port", source: io() }.into(),
            Environment::Tls.into(),
            Environment::Worker.into(),
            Error::NodeNotRunning { socket: path() },
            Error::Cancelled,
            Error::Interrupted,
        ];
        documented(errors);
        documented(of_keys());
    }

    #[test]
    fn labels_of_lower_crates_have_reasons_of_their_own() {
        let point = symbolon_psi::Error::from(symbolon_psi::error::PeerMisbehaved::MalformedPoint);
        let error = Error::from(point);
        assert_eq!(error.reason(), "PEER_MALFORMED_POINT");
        assert_eq!(error.class(), Class::PeerMisbehaved);
        let missing = symbolon_tables::Error::Missing { path: "x.csv".into() };
        assert_eq!(Error::from(missing).reason(), "TABLE_MISSING");
        assert_eq!(by_label("no_such_label", "TABLE_UNUSABLE"), "TABLE_UNUSABLE");
    }
}
