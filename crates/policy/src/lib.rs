//! Who may ask what, under which signatures: agreements between two institutions, the cards they introduce
//! themselves with, and the decision both nodes take before a byte of a protocol flows.
//!
//! * [`Agreement`] is a checked set of [`Terms`]; its [`AgreementId`] is the hash of its canonical bytes.
//!   [`SignedAgreement`] adds approvals and signatures and is what goes from house to house, as TOML people can read.
//! * [`Card`] tells a peer's keys and address, signed by itself; its [`Fingerprint`] is compared over another channel.
//!   [`Lineage`] says which later card may take its place, and which keys in an agreement still stand.
//! * [`Notice`]s suspend, resume and revoke an agreement; [`standing`] says what it is worth at a moment.
//! * [`decide`] is a pure function: request, agreement and what is already spent give [`Decision::Permit`] or
//!   [`Decision::Refuse`]. What no rule allows is refused.
//! * [`audit`] is the evidence of what happened: a Merkle log, checkpoints both sides sign, receipts.
//! * [`Tightening`] is what a party holds back of an agreement; the stricter of both sides rules.
//! * [`diff`] tells two versions apart, in words.
//! * [`cedar::Engine`] holds the policies of the house, which may forbid more than an agreement does.
//! * [`summary`] says in plain words what an agreement means for one of its parties.
//!
//! Nothing here reads a clock, a file or a network. Types of columns, key kinds and the version of a normaliser
//! are text to this crate; the crates that implement them give the text its meaning.
//!
//! # Known gaps
//!
//! An agreement does not fix how long results are kept.

mod agreement;
pub mod audit;
pub mod budget;
mod canonical;
mod card;
pub mod cedar;
mod decision;
mod diff;
mod error;
mod fields;
mod fingerprint;
mod identity;
mod life;
mod lineage;
mod padding;
pub mod probing;
mod signed;
pub mod sketch;
mod spiffe;
mod text;
mod tightening;
mod time;
mod words;

#[cfg(test)]
mod fixtures;

pub use agreement::{
    Agreement, AgreementId, Allowance, Approver, Column, ColumnUse, DOCUMENT_BYTES_MAX, Duplicates, Epsilon, FORMAT,
    KeyPart, Normaliser, OptionalTerms, Party, Period, Protocol, Recipients, ReleaseCount, ResultKind, Seat,
    SemiHonest, Terms,
};
pub use budget::{Cost, Spent};
pub use card::{
    Anchor, CARD_BYTES_MAX, CARD_FORMAT, Card, CardContents, CardIdentity, REVOKED_MAX, ROTATIONS_MAX, RevokedKey,
    Rotation, SealingKeyEntry, TLS_PINS_MAX, TlsPin,
};
pub use decision::{Decision, Permit, Quota, Reason, Receiver, Request, RowLimits, check_own_rows, decide};
pub use diff::{Difference, Effect, diff};
pub use error::{Error, Place, Problem, Section};
pub use fingerprint::{FINGERPRINT_WORDS, Fingerprint};
pub use identity::{Digest, Endpoint};
pub use life::{
    Life, Notice, NoticeContent, NoticeKind, NoticeProblem, NoticeWord, Standing, Taken, standing, standing_in_words,
};
pub use lineage::{Lineage, Stale, UpdateRefused};
pub use padding::Padding;
pub use signed::{SignedAgreement, State};
pub use spiffe::{SPIFFE_ID_BYTES_MAX, SpiffeId, TRUST_DOMAIN_BYTES_MAX};
pub use text::{ColumnName, KindText, Name, Purpose, Text, Title, TypeText, Version};
pub use tightening::{Rule, Tightening};
pub use time::Timestamp;
pub use words::{Chapter, Summary, state_in_words, summary};
