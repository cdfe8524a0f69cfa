//! What can be wrong with a document, and where.

use std::fmt::{self, Write as _};

use thiserror::Error;

use crate::audit::AuditError;

/// An error of this crate. Each names the place in the document and what to do about it.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Error {
    /// The organisation key cannot sign: the token it lies in does not answer.
    #[error("the organisation key cannot be used: its token does not sign")]
    KeyUnavailable,
    /// The text is no TOML.
    #[error("line {line}, column {column}: {}: correct the TOML there", Escaped(source.message()))]
    Syntax {
        /// The line, from 1.
        line: usize,
        /// The character in the line, from 1.
        column: usize,
        /// What the parser found.
        source: Box<toml::de::Error>,
    },
    /// The document is larger than any honest one.
    #[error("the document has {got} bytes, at most {max} are read: check that it is the right file, or shorten it")]
    TooLarge {
        /// The largest size read.
        max: usize,
        /// The size found.
        got: usize,
    },
    /// A field no document of this format has.
    #[error("{section} has a field `{}` that this format does not know: remove it or correct its name", Escaped(field))]
    UnknownField {
        /// Where it stands.
        section: Section,
        /// The field's name as written.
        field: Box<str>,
    },
    /// A field is missing or its value is not acceptable.
    #[error("{place} {problem}")]
    Field {
        /// Which field.
        place: Place,
        /// What is wrong with it.
        problem: Problem,
    },
    /// A signature does not fit the document.
    #[error(
        "[[signature]] {number} does not fit the document, which was changed after it was signed: restore the signed \
         text, or remove every [[signature]] and have both parties sign again"
    )]
    SignatureInvalid {
        /// The position among the signatures, from 1.
        number: usize,
    },
    /// A signature is by a key that the named party does not have in the document.
    #[error(
        "[[signature]] {number} is not by the organisation_key of the party it names: have that party sign with the \
         key in its [[party]] block, or draft anew with the key of its present card"
    )]
    SignatureForeign {
        /// The position among the signatures, from 1.
        number: usize,
    },
    /// A party signed more than once.
    #[error("[[signature]] {number} is a second one by the same party: keep one of the two")]
    SignatureRepeated {
        /// The position among the signatures, from 1.
        number: usize,
    },
    /// An approval does not fit the document.
    #[error(
        "[[approval]] {number} does not fit the document, which was changed after it was approved: restore the approved \
         text, or remove every [[approval]] and [[signature]] and have it approved again"
    )]
    ApprovalInvalid {
        /// The position among the approvals, from 1.
        number: usize,
    },
    /// An approval is by nobody the party lists, or by another key than the person's.
    #[error(
        "[[approval]] {number} is not by the key of a [[party.approver]] of the party it names: have a person approve \
         who is listed there, with the key listed"
    )]
    ApprovalForeign {
        /// The position among the approvals, from 1.
        number: usize,
    },
    /// A person approved more than once.
    #[error("[[approval]] {number} is a second one by the same person, who counts once: keep one of the two")]
    ApprovalRepeated {
        /// The position among the approvals, from 1.
        number: usize,
    },
    /// The approving key belongs to nobody listed.
    #[error(
        "the key is that of no [[party.approver]]: approve with a key the agreement lists, or draft it anew with yours"
    )]
    ApproverNotListed,
    /// The institution may not sign yet.
    #[error(
        "{have} of {need} approvals are there: have others of the approvers listed approve before the institution signs"
    )]
    ApprovalsShort {
        /// The approvals that are there.
        have: u64,
        /// The approvals the agreement asks for.
        need: u64,
    },
    /// The signing key belongs to neither party.
    #[error("the signing key is the organisation_key of neither [[party]]: draft the agreement with your present card")]
    SignerNotParty,
    /// Signatures of one agreement were offered to another.
    #[error("the two documents are different agreements: compare their ids and ask for the signature of yours")]
    AgreementDiffers,
    /// A card's signature does not fit its content.
    #[error("the `signature` does not fit the card, which was changed or damaged: ask its institution for it again")]
    CardSignatureInvalid,
    /// A piece of evidence does not hold or cannot be read.
    #[error("{0}")]
    Audit(AuditError),
    /// A change of the organisation key is not signed with both keys.
    #[error(
        "[[rotation]] {number} is not signed with both keys it names: do not use the card, ask its institution for it \
         again"
    )]
    RotationInvalid {
        /// The position among the changes, from 1.
        number: usize,
    },
    /// A fingerprint as a person told it has neither form.
    #[error(
        "this is no fingerprint: give 64 hexadecimal digits, or the twelve words as they were read out; one of the \
         words may have been misheard"
    )]
    FingerprintForm,
}

impl From<AuditError> for Error {
    fn from(error: AuditError) -> Self {
        match error {
            AuditError::KeyUnavailable => Self::KeyUnavailable,
            other => Self::Audit(other),
        }
    }
}

impl Error {
    /// The stable word for metrics and audit.
    #[must_use]
    pub const fn label(&self) -> &'static str {
        match self {
            Self::Syntax { .. } => "syntax",
            Self::TooLarge { .. } => "too_large",
            Self::UnknownField { .. } => "unknown_field",
            Self::Field { .. } => "field",
            Self::SignatureInvalid { .. } => "signature_invalid",
            Self::SignatureForeign { .. } => "signature_foreign",
            Self::SignatureRepeated { .. } => "signature_repeated",
            Self::KeyUnavailable => "key_unavailable",
            Self::ApprovalInvalid { .. } => "approval_invalid",
            Self::ApprovalForeign { .. } => "approval_foreign",
            Self::ApprovalRepeated { .. } => "approval_repeated",
            Self::ApproverNotListed => "approver_not_listed",
            Self::ApprovalsShort { .. } => "approvals_short",
            Self::SignerNotParty => "signer_not_party",
            Self::AgreementDiffers => "agreement_differs",
            Self::CardSignatureInvalid => "card_signature_invalid",
            Self::Audit(inner) => inner.label(),
            Self::RotationInvalid { .. } => "rotation_invalid",
            Self::FingerprintForm => "fingerprint_form",
        }
    }

    pub(crate) fn syntax(text: &str, source: toml::de::Error) -> Self {
        let start = source.span().map_or(0, |span| span.start.min(text.len()));
        let before = text.get(..start).unwrap_or(text);
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().map_or(0, |rest| rest.chars().count()) + 1;
        Self::Syntax { line, column, source: Box::new(source) }
    }
}

/// A part of a document. Positions count from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Section {
    /// The fields before the first header.
    Top,
    /// `[normaliser]`
    Normaliser,
    /// A `[[party]]`.
    Party(usize),
    /// A part of the key of a party.
    Key(usize, usize),
    /// A `[[party.column]]` of a party.
    Column(usize, usize),
    /// A `[[party.approver]]` of a party.
    Approver(usize, usize),
    /// An `[[allow]]`.
    Allow(usize),
    /// An `[[approval]]`.
    Approval(usize),
    /// A `[[signature]]`.
    Signature(usize),
    /// A `[[sealing_key]]` of a card.
    SealingKey(usize),
    /// A `[[tls_pin]]` of a card.
    TlsPin(usize),
    /// A `[[rotation]]` of a card.
    Rotation(usize),
}

impl Section {
    pub(crate) const fn problem(self, field: &'static str, problem: Problem) -> Error {
        Error::Field { place: Place { section: self, field }, problem }
    }
}

impl fmt::Display for Section {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Top => f.write_str("the document"),
            Self::Normaliser => f.write_str("[normaliser]"),
            Self::Party(party) => write!(f, "[[party]] {party}"),
            Self::Key(party, part) => write!(f, "part {part} of the key of [[party]] {party}"),
            Self::Column(party, column) => write!(f, "[[party.column]] {column} of [[party]] {party}"),
            Self::Approver(party, entry) => write!(f, "[[party.approver]] {entry} of [[party]] {party}"),
            Self::Approval(entry) => write!(f, "[[approval]] {entry}"),
            Self::Allow(entry) => write!(f, "[[allow]] {entry}"),
            Self::Signature(entry) => write!(f, "[[signature]] {entry}"),
            Self::SealingKey(entry) => write!(f, "[[sealing_key]] {entry}"),
            Self::TlsPin(entry) => write!(f, "[[tls_pin]] {entry}"),
            Self::Rotation(entry) => write!(f, "[[rotation]] {entry}"),
        }
    }
}

/// A field of a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Place {
    /// Where it stands.
    pub section: Section,
    /// Its name.
    pub field: &'static str,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.section {
            Section::Top => write!(f, "`{}`", self.field),
            section => write!(f, "`{}` in {section}", self.field),
        }
    }
}

/// What is wrong with a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Problem {
    /// It is not there.
    #[error("is missing: add it")]
    Missing,
    /// It has another type.
    #[error("must be {expected}: change the value")]
    WrongType {
        /// The type expected, with an article.
        expected: &'static str,
    },
    /// It has no character.
    #[error("is empty: fill it in")]
    Empty,
    /// It has too many characters.
    #[error("has {got} characters, at most {max} are allowed: shorten it")]
    TooLong {
        /// The most allowed.
        max: usize,
        /// The number found.
        got: usize,
    },
    /// It begins or ends with a blank.
    #[error("begins or ends with a blank: remove the blank")]
    BlankAtEnd,
    /// It has a character that does not show, or that changes how others show.
    #[error("contains a line break, a control character or an invisible one: remove it")]
    Unprintable,
    /// It is no time.
    #[error("is not a time such as 2026-01-31T09:00:00Z, in whole seconds, of the years 1970 to 9999: rewrite it so")]
    Time,
    /// It is no organisation key.
    #[error("is not a valid `ed25519:<base64 of 32 bytes>`: copy the organisation key from the institution's card")]
    Key,
    /// It is no approver's key.
    #[error("is not a valid `ed25519:<base64 of 32 bytes>`: copy the key that `symbolon approver new` printed")]
    ApproverKeyText,
    /// It is no signature.
    #[error("is not `ed25519:<base64 of 64 bytes>`: copy the signature as its party sent it")]
    Signature,
    /// It is no SHA-256 value.
    #[error("is not `sha256:<base64 of 32 bytes>`: copy it as the other side's node printed it")]
    Digest,
    /// It is not base64, or of another length than can be.
    #[error("is not base64 of 32 to 4096 bytes: copy it from the institution's card")]
    Base64,
    /// It is no address.
    #[error("is not `host:port`, such as node.example.org:7700 or [2001:db8::1]:7700: correct it")]
    Endpoint,
    /// It is none of the words allowed.
    #[error("must be one of {allowed}: choose one")]
    Choice {
        /// The words allowed.
        allowed: &'static str,
    },
    /// It is a number outside what is allowed.
    #[error("is {got}, allowed is {min} to {max}: correct the number")]
    Range {
        /// The least allowed.
        min: u64,
        /// The most allowed.
        max: u64,
        /// The number found.
        got: u64,
    },
    /// It has too few or too many entries.
    #[error("has {got} entries, {min} to {max} are allowed: add or remove some")]
    Count {
        /// The fewest allowed.
        min: usize,
        /// The most allowed.
        max: usize,
        /// The number found.
        got: usize,
    },
    /// It repeats an earlier value that must be different.
    #[error("repeats a value given earlier where each must be different: change or remove one of them")]
    Repeated,
    /// It names neither party.
    #[error("names neither [[party]]: write the name exactly as in its block")]
    NotAParty,
    /// A window ends before it begins.
    #[error("is not later than `valid_from`: move one of the two")]
    NotLater,
    /// More approvals are asked for than can be given.
    #[error("is {got}, and {approvers} are listed as [[party.approver]]: write 1 to {approvers}")]
    ApprovalsMin {
        /// The number asked for.
        got: u64,
        /// The approvers listed.
        approvers: usize,
    },
    /// Approvals are asked for of nobody.
    #[error("asks for approvals, and no [[party.approver]] is listed: list those who may approve, or remove it")]
    ApproversMissing,
    /// A minimum is above its maximum.
    #[error("is above `rows_max`: lower it or raise `rows_max`")]
    AboveMaximum,
    /// A join can never reach the minimum.
    #[error("is above a party's `rows_max`, so that no join can reach it: lower it")]
    Unreachable,
    /// A part of the key is not among the columns.
    #[error("is no [[party.column]] of the same party: add that column, marked \"join_only\" or \"after_match\"")]
    KeyNotListed,
    /// A part of the key must never be used.
    #[error("is a column marked \"never\", yet the table is joined on it: mark the column \"join_only\"")]
    KeyNever,
    /// The parties join on different kinds.
    #[error("differs from the same part of the other party's key: both must name the same kinds in the same order")]
    KindsDiffer,
    /// A released text has no length limit.
    #[error("is missing, and a text column marked \"after_match\" needs it: give the most bytes of one value")]
    BytesMaxMissing,
    /// A column of fixed width has a length limit.
    #[error("is for columns of type \"text\" only: remove it")]
    BytesMaxUnwanted,
    /// It is no amount of privacy loss.
    #[error("is not a decimal number of 0 to 1000 with at most six digits behind the point, in quotes: rewrite it so")]
    Epsilon,
    /// It is no agreement id.
    #[error("is not an agreement id of 64 hexadecimal digits: copy it from `agreement show` of the earlier version")]
    AgreementId,
    /// A tightening that gives more than the agreement.
    #[error("is {got}, which is wider than the {agreed} agreed: a tightening only takes away; agree anew for more")]
    Wider {
        /// What is agreed.
        agreed: u64,
        /// The value found.
        got: u64,
    },
    /// A rule is forbidden that the agreement does not have.
    #[error("names a result the agreement does not allow anyway: see its [[allow]]")]
    NotAllowedAnyway,
    /// It is no protocol with a result.
    #[error("is not a protocol and a result such as ecdh-oprf:match: correct it")]
    Rule,
    /// It is no word for a notice.
    #[error("must be a word of 1 to 32 letters, digits, hyphens and underscores: shorten or change it")]
    NoticeWord,
    /// A limit per period without the period.
    #[error("is missing, and a limit per period is given: add it, or remove that limit")]
    PeriodMissing,
    /// A period without a limit.
    #[error("is given without `runs_per_period` or `rows_per_period`: add one of them, or remove it")]
    PeriodUnused,
    /// A limit per period that can never be reached.
    #[error("is above the most over the whole time, so that it limits nothing: lower or remove it")]
    AboveTotal,
    /// A release that nothing calls for.
    #[error(
        "asks for a release of columns, which needs an [[allow]] with the result \"enrich\" and an `intersection_min` of \
         at least 1: add what is missing, or write \"none\""
    )]
    NothingToRelease,
    /// A key that must not approve.
    #[error("is an organisation key, which signs for the institution and approves nothing: give the person's own key")]
    ApproverKey,
    /// A protocol for parties that follow it, which nobody accepted.
    #[error(
        "protects only from a party that follows it, which both have to accept: add semi_honest = \"accepted\", or use \
         \"ecdh-oprf\""
    )]
    SemiHonestUnsaid,
    /// A protocol for parties that follow it, where the agreement refuses such.
    #[error("protects only from a party that follows it, and `semi_honest` is \"refused\": use \"ecdh-oprf\"")]
    SemiHonestRefused,
    /// Protocol, result and direction do not go together.
    #[error(
        "does not go together with the rest: \"ecdh-oprf\", \"rr22-silent\" and \"rr22-small-field\" give \"match\" or \"enrich\" to one party, \"ecdh-mutual\" \
         gives \"match\" to both, \"ecdh-cardinality\" gives \"count\" to one: change the entry"
    )]
    Combination,
    /// An enriched result without a column to enrich with.
    #[error("is \"enrich\", but the other party marks no column \"after_match\": mark one, or use \"match\"")]
    NothingToGive,
    /// It is no SPIFFE id.
    #[error("is not a SPIFFE id such as spiffe://bank.example/symbolon/1, in lower case up to the path: correct it")]
    SpiffeId,
    /// A window ends before it begins.
    #[error("is not later than the beginning of the same section: move one of the two")]
    Window,
    /// A change of key does not lead to the next one.
    #[error("is not the key the next change, or the card, begins with: put the changes in order, the oldest first")]
    ChainBroken,
    /// Another format or version.
    #[error("must be \"{expected}\": this version reads no other format")]
    Format {
        /// The format expected.
        expected: &'static str,
    },
}

/// Text from a document as it is safe to print: no control characters, not too long.
struct Escaped<'a>(&'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const CHARACTERS_MAX: usize = 200;
        for character in self.0.chars().take(CHARACTERS_MAX) {
            if crate::text::shows(character) {
                f.write_char(character)?;
            } else {
                write!(f, "{}", character.escape_unicode())?;
            }
        }
        if self.0.chars().nth(CHARACTERS_MAX).is_some() { f.write_str("..") } else { Ok(()) }
    }
}
