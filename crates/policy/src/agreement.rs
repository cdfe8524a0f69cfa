//! The terms two institutions agree on.

use std::fmt;
use std::str::FromStr;

use sha2::{Digest as _, Sha256};
use symbolon_primitives::sign::VerifyingKey;

use crate::error::{Error, Problem};
use crate::identity::Digest;
use crate::padding::Padding;
use crate::text::{ColumnName, KindText, Name, Purpose, Title, TypeText, Version};
use crate::time::Timestamp;

mod approver;
mod canonical;
pub(crate) mod document;
mod validate;

pub(crate) use validate::APPROVERS_MAX;

/// The format of the documents this version reads and writes.
pub const FORMAT: &str = "symbolon-agreement/1";

/// The largest agreement document read, in bytes.
pub const DOCUMENT_BYTES_MAX: usize = 256 * 1024;

/// The content of an agreement, not checked yet: see [`Agreement::new`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "a draft is built from all its fields; forgetting one must not compile")]
pub struct Terms {
    /// A title for people.
    pub title: Title,
    /// What the result is used for; every request repeats it.
    pub purpose: Purpose,
    /// The first second at which jobs may start.
    pub valid_from: Timestamp,
    /// The first second at which they no longer may.
    pub valid_until: Timestamp,
    /// The most jobs over the agreement's life, by either party.
    pub runs_max: u64,
    /// The most rows asked about over the agreement's life: the declared rows of each party that gets a result,
    /// added over all jobs.
    pub rows_total_max: u64,
    /// The fewest common keys for which a result is handed over.
    pub intersection_min: u64,
    /// How keys are brought to one form.
    pub normaliser: Normaliser,
    /// How row counts are rounded up before they are declared.
    pub padding: Padding,
    /// The two parties; the order is part of the agreement.
    pub parties: [Party; 2],
    /// What may be run. Whatever is not listed is refused.
    pub allow: Vec<Allowance>,
    /// The terms an agreement can do without.
    pub optional: OptionalTerms,
}

/// The rules by which keys are brought to one form.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "a pair")]
pub struct Normaliser {
    /// Its version.
    pub version: Version,
    /// The digest of its rules.
    pub digest: Digest,
}

/// One institution's side of an agreement.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "a draft is built from all its fields; forgetting one must not compile")]
pub struct Party {
    /// The institution's name.
    pub name: Name,
    /// The key it signs with.
    pub organisation_key: VerifyingKey,
    /// SHA-256 of the SubjectPublicKeyInfo of its node's TLS certificate.
    pub tls_spki: Digest,
    /// The table it brings, by the name its own node knows it under.
    pub table: Name,
    /// The columns the tables are joined on, in order.
    pub key: Vec<KeyPart>,
    /// What becomes of rows with equal keys.
    pub duplicates: Duplicates,
    /// The fewest rows of the table.
    pub rows_min: u64,
    /// The most rows of the table.
    pub rows_max: u64,
    /// The columns of the table. A column that is not listed is never used.
    pub columns: Vec<Column>,
    /// How many of its approvers have to approve before it may sign; 0 when it names none.
    pub approvals_min: u64,
    /// The persons of the institution who may approve.
    pub approvers: Vec<Approver>,
}

impl Party {
    /// The listed column of that name.
    #[must_use]
    pub fn column(&self, name: &ColumnName) -> Option<&Column> {
        self.columns.iter().find(|column| column.name == *name)
    }

    /// The position of the approver of that name.
    #[must_use]
    pub fn approver_of_name(&self, name: &str) -> Option<usize> {
        self.approvers.iter().position(|approver| approver.name.as_str() == name)
    }

    /// The position of the approver with this key.
    #[must_use]
    pub fn approver_of_key(&self, key: &VerifyingKey) -> Option<usize> {
        self.approvers.iter().position(|approver| approver.key == *key)
    }

    /// The columns of one use, in the agreement's order.
    pub fn columns_used(&self, column_use: ColumnUse) -> impl Iterator<Item = &Column> {
        self.columns.iter().filter(move |column| column.column_use == column_use)
    }
}

/// A column of the key and how its values are read.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "a pair")]
pub struct KeyPart {
    /// The column.
    pub column: ColumnName,
    /// The kind of identifier, with its options in brackets.
    pub kind: KindText,
}

impl KeyPart {
    /// The kind without options, on which both parties must agree: `date` of `date(%Y-%m-%d)`.
    #[must_use]
    pub fn kind_name(&self) -> &str {
        self.kind.as_str().split('(').next().unwrap_or_default().trim_end()
    }
}

/// A column of a party's table.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "a draft is built from all its fields; forgetting one must not compile")]
pub struct Column {
    /// Its name.
    pub name: ColumnName,
    /// Its type.
    pub column_type: TypeText,
    /// What may be done with it.
    pub column_use: ColumnUse,
    /// The most bytes of one value, for text.
    pub bytes_max: Option<u32>,
}

impl Column {
    /// The type whose values have no fixed width.
    pub const TEXT: &'static str = "text";
}

/// What may be run and who gets the result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_structs, reason = "a rule is built from all its fields; forgetting one must not compile")]
pub struct Allowance {
    /// The protocol.
    pub protocol: Protocol,
    /// What comes out.
    pub result: ResultKind,
    /// To whom.
    pub to: Recipients,
}

/// The position of a party in an agreement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(clippy::exhaustive_enums, reason = "an agreement has two parties")]
pub enum Seat {
    /// The first `[[party]]`.
    First,
    /// The second `[[party]]`.
    Second,
}

impl Seat {
    /// Both, in order.
    pub const BOTH: [Self; 2] = [Self::First, Self::Second];

    /// The other one.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::First => Self::Second,
            Self::Second => Self::First,
        }
    }

    /// The position from 0.
    #[must_use]
    pub const fn index(self) -> usize {
        match self {
            Self::First => 0,
            Self::Second => 1,
        }
    }
}

/// Who gets a result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "an agreement has two parties")]
pub enum Recipients {
    /// One party.
    One(Seat),
    /// Both parties.
    Both,
}

impl Recipients {
    /// Whether `seat` is among them.
    #[must_use]
    pub fn include(self, seat: Seat) -> bool {
        match self {
            Self::One(one) => one == seat,
            Self::Both => true,
        }
    }
}

/// Defines an enum of words: `as_str`, `FromStr`, `Display`, and the list of the words for messages.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum $name { $($(#[$variant_doc])* $variant),+ }

        impl $name {
            /// Every value.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];
            pub(crate) const WORDS: &'static str = words!(@list $($word),+);

            /// The word in a document.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }

            pub(crate) fn from_word(word: &str) -> Option<Self> {
                match word { $($word => Some(Self::$variant),)+ _ => None }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl FromStr for $name {
            type Err = Problem;

            fn from_str(word: &str) -> Result<Self, Problem> {
                Self::from_word(word).ok_or(Problem::Choice { allowed: Self::WORDS })
            }
        }
    };
    (@list $first:literal $(, $rest:literal)*) => { concat!("\"", $first, "\"" $(, ", \"", $rest, "\"")*) };
}

words! {
    /// A protocol, by the name the crate that implements it knows.
    Protocol {
        /// One side learns which of its keys both have, and columns for them.
        EcdhOprf = "ecdh-oprf",
        /// Both sides learn which keys both have.
        EcdhMutual = "ecdh-mutual",
        /// One side learns how many keys both have.
        EcdhCardinality = "ecdh-cardinality",
        /// As the first, much faster, for parties that follow the protocol; rests on learning parity with noise.
        Rr22Silent = "rr22-silent",
        /// The same with more bytes and without that assumption.
        Rr22SmallField = "rr22-small-field",
    }
}

impl Protocol {
    /// Whether it protects only from a party that follows it and looks at what it sees: one that deviates may learn
    /// more or spoil the other's result without being found.
    #[must_use]
    pub const fn is_semi_honest(self) -> bool {
        match self {
            Self::EcdhOprf => false,
            Self::EcdhMutual | Self::EcdhCardinality | Self::Rr22Silent | Self::Rr22SmallField => true,
        }
    }

    /// Whether it is built on oblivious transfer and not on Diffie-Hellman. The agreement has to say that such a
    /// protocol is accepted; the others were allowed by their name alone before there was that term.
    #[must_use]
    pub const fn is_oblivious_transfer(self) -> bool {
        matches!(self, Self::Rr22Silent | Self::Rr22SmallField)
    }
}

words! {
    /// What comes out of a job.
    ResultKind {
        /// The receiver's own rows that both have.
        Match = "match",
        /// The same, with columns of the other party for them.
        Enrich = "enrich",
        /// The number of common keys.
        Count = "count",
    }
}

words! {
    /// What may be done with a column.
    ColumnUse {
        /// It may enter the protocol as a part of the key and is never given away.
        JoinOnly = "join_only",
        /// Its values are given for matched rows.
        AfterMatch = "after_match",
        /// It stays out of everything.
        Never = "never",
    }
}

words! {
    /// What becomes of rows with equal keys.
    Duplicates {
        /// A job with such rows does not start.
        Reject = "reject",
        /// The first of them is used.
        First = "first",
        /// All of them are used.
        All = "all",
    }
}

pub(crate) use words;

// After the macro, which it uses.
mod optional;

pub use approver::Approver;
pub use optional::{Epsilon, OptionalTerms, Period, ReleaseCount, SemiHonest};

/// The identifier of an agreement: SHA-256 of its canonical bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AgreementId([u8; 32]);

impl AgreementId {
    /// Takes an identifier that was kept or sent.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The first 16 hexadecimal digits, for tables and prompts.
    #[must_use]
    pub fn short(&self) -> String {
        self.to_string()[..16].to_owned()
    }
}

impl fmt::Display for AgreementId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for AgreementId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AgreementId({self})")
    }
}

impl FromStr for AgreementId {
    type Err = Problem;

    fn from_str(text: &str) -> Result<Self, Problem> {
        let problem = Problem::WrongType { expected: "an agreement id of 64 hexadecimal digits" };
        if text.len() != 64 {
            return Err(problem);
        }
        let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok()).ok_or(problem);
        let mut bytes = [0_u8; 32];
        for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
            *byte = digit(pair[0])? << 4 | digit(pair[1])?;
        }
        Ok(Self(bytes))
    }
}

/// Terms that have been checked, with their canonical bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agreement {
    terms: Terms,
    canonical: Vec<u8>,
    id: AgreementId,
}

impl Agreement {
    /// Checks that the terms are complete and fit together.
    ///
    /// # Errors
    /// [`Error::Field`] naming the first field that does not.
    pub fn new(terms: Terms) -> Result<Self, Error> {
        validate::check(&terms)?;
        let canonical = canonical::encode(&terms);
        let id = AgreementId(Sha256::digest(&canonical).into());
        Ok(Self { terms, canonical, id })
    }

    /// The terms.
    #[must_use]
    pub const fn terms(&self) -> &Terms {
        &self.terms
    }

    /// The identifier. Changing any term changes it.
    #[must_use]
    pub const fn id(&self) -> AgreementId {
        self.id
    }

    /// The bytes that are hashed and signed.
    #[must_use]
    pub fn canonical_bytes(&self) -> &[u8] {
        &self.canonical
    }

    /// The party at `seat`.
    #[must_use]
    pub const fn party(&self, seat: Seat) -> &Party {
        &self.terms.parties[seat.index()]
    }

    /// The seat of the party with this organisation key.
    #[must_use]
    pub fn seat_of_key(&self, key: &VerifyingKey) -> Option<Seat> {
        Seat::BOTH.into_iter().find(|seat| self.party(*seat).organisation_key == *key)
    }

    /// The seat of the party with this name.
    #[must_use]
    pub fn seat_of_name(&self, name: &str) -> Option<Seat> {
        Seat::BOTH.into_iter().find(|seat| self.party(*seat).name.as_str() == name)
    }
}

#[cfg(test)]
mod tests;
