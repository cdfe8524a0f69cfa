//! Who approves an agreement inside an institution before the institution signs.

use symbolon_primitives::sign::VerifyingKey;

use crate::text::Name;

/// A person who may approve for an institution.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "a pair")]
pub struct Approver {
    /// The person's name.
    pub name: Name,
    /// The key the person approves with.
    pub key: VerifyingKey,
}
