//! Choosing a protocol: what you want to learn, what it tells the other side, what it costs, and against whom it holds.
//!
//! # By what you want
//!
//! | you want | protocol | you learn | the other side learns | holds against |
//! |---|---|---|---|---|
//! | which of your keys the other side has too | [`ecdh-oprf`](crate::ecdh::oprf) without payload | which keys match, and how many rows each has there | your declared number of keys | a side that deviates, on both sides |
//! | columns of the other side for these keys | [`ecdh-oprf`](crate::ecdh::oprf) with payload | the same, and the columns | your declared number of keys | a side that deviates, on both sides |
//! | the same, but only if enough keys match | [`ecdh-oprf`](crate::ecdh::oprf) with payload and a [`Release`](crate::Release) | which keys match; the columns only with enough matches | your declared number, and how many keys match or whether enough do | a side that deviates, as far as your report is true |
//! | the same as in these three, for millions of keys | [`rr22-silent` or `rr22-small-field`](crate::rr22) | the same | the same | sides that follow the protocol |
//! | both sides know which keys are common | [`ecdh-mutual`](crate::ecdh::mutual) | which keys match | the same | sides that follow the protocol |
//! | how many keys are common, and no more | [`ecdh-cardinality`](crate::ecdh::cardinality) | the number | your declared number of keys | sides that follow the protocol |
//!
//! Declared numbers are rounded up ([`padded_rows`](crate::padded_rows)), so the exact ones stay hidden. What each
//! side learns, with everything the statement does not promise, is data in [`leakage`](crate::leakage); a program that
//! shows it to people should show that and not this table.
//!
//! # By whom you trust to follow the protocol
//!
//! `ecdh-oprf` is the only one that holds against a side that deviates. Proofs force the sender to use one key, the
//! receiver is bound to the points it sent before it saw a row, and nothing the receiver sends depends on payload that
//! opens or does not. Where the other side runs software you know nothing about, use this one.
//!
//! `rr22-silent` and `rr22-small-field` learn what `ecdh-oprf` learns and compute a small part of what it does, between
//! sides that follow the protocol; [`rr22`](super::rr22) says what a side that deviates could gain. `rr22-silent` sends
//! fewest bytes, and needs an assumption about a code that `rr22-small-field` does without.
//!
//! `ecdh-mutual` and `ecdh-cardinality` are for two sides that follow the protocol and only try to learn more from
//! what they see. A side that deviates can make the other see false or missing matches, unnoticed. In the mutual join
//! the side that has its result first can stop. Two `ecdh-oprf` runs, one in each direction, give both sides the
//! matches with the stronger promise, at twice the work.
//!
//! A count is no anonymous statistic. A receiver that puts in one real key among made-up ones reads from the count
//! whether the other side has that key; so the count is run only where an agreement names it, with a least number of
//! rows and few runs.
//!
//! # When a minimum is enforced
//!
//! An agreement can say that nothing is handed over when fewer than m keys match. How far that binds depends on the
//! protocol:
//!
//! * **Match, mutual join, count**: by the receiver's own node, after the run, before the result is written. A receiver
//!   that runs changed software has the answer already and can pass over the minimum. No protocol in which the receiver
//!   compares tags by itself can change that.
//! * **Payload with a [`Release`](crate::Release)**: by the sender, before the columns can be read. Payload is sealed
//!   under a key the sender made for the run; the receiver compares tags, reports, and gets the key when the report is
//!   at least m. Below m the receiver's machine knows which keys match, and no column. The sender learns the report in
//!   exchange: the number, or one bit. A receiver that reports more than it found gets the columns of the rows that do
//!   match; the report is in the sender's records, and an audit can compare it with the receiver's input.
//!
//! A release tells the sender something it would not learn otherwise. A sender that puts in keys of its choice reads
//! from the report whether the receiver has them. Take the one bit rather than the number unless both sides want the
//! sender to know it, and take no release where even the bit is too much.
//!
//! # What it costs
//!
//! With n keys at the receiver, m rows at the sender and p bytes of payload a row, exact in
//! [`SessionSpec::wire_cost`](crate::SessionSpec::wire_cost):
//!
//! | protocol | bytes | one way over the network | multiplications, receiver and sender |
//! |---|---|---|---|
//! | `ecdh-oprf` | 64 n + 32 m | 3 times | 2 n; n + keys |
//! | `ecdh-oprf` with payload | 64 n + (48 + p) m | 3 times | 2 n; n + keys |
//! | `ecdh-oprf` with payload and release | 64 n + (64 + p) m | 4 times | 2 n; n + keys |
//! | `rr22-silent` | 17.6 n + t m, and about 2.3 MB | 6 times | 256 each |
//! | `rr22-small-field` | 34.1 n + t m, and 26 KB | 4 times | 248 each |
//! | either with payload | (t + 16 + p) m in place of t m | the same | the same |
//! | `ecdh-mutual` | (32 + t) (n + m) | 2 times | n + m each |
//! | `ecdh-cardinality` | 64 n + t m | 3 times | 2 n; n + keys |
//!
//! and 43 bytes a frame; t is 10 bytes at a million keys a side. A multiplication takes 14 to 17 µs on a thread with
//! AVX-512 IFMA and about twice that without, and everything else is small beside it. The bench `oneshot` of this crate
//! runs one size once and prints time, bytes, rounds and memory; its figures hold for the machine they were taken on.
//!
//! ```
//! use symbolon_psi::{Protocol, Release, Report, SessionSpec, Sid};
//!
//! let million = 1 << 20;
//! let mut spec = SessionSpec {
//!     protocol: Protocol::EcdhOprf,
//!     sid: Sid([0; 32]),
//!     schema_id: Vec::new(),
//!     rows_sender: million,
//!     rows_receiver: million,
//!     payload_bytes: 64,
//!     release: None,
//! };
//! let bytes = |spec: &SessionSpec| {
//!     let cost = spec.wire_cost();
//!     (cost.bytes_sender + cost.bytes_receiver, cost.rounds)
//! };
//! let (open, rounds) = bytes(&spec);
//! assert_eq!((open / million, rounds), (64 + 48 + 64, 3));
//! spec.release = Some(Release { keys_min: 1_000, report: Report::Sufficient });
//! let (withheld, rounds) = bytes(&spec);
//! assert_eq!((withheld / million, rounds), (64 + 64 + 64, 4));
//! (spec.protocol, spec.payload_bytes, spec.release) = (Protocol::EcdhMutual, 0, None);
//! assert_eq!(bytes(&spec).0 / million, 2 * (32 + 10));
//! ```
//!
//! # What none of them does
//!
//! None proves that keys are true: a side can leave keys out, or put in keys of people it has no business with, and
//! learn of those that match. Limits on rows and runs, audits and the contract stand against that; see
//! [`threat_model`](super::threat_model). None hides the declared numbers or the times of messages from the other side,
//! or from whoever watches the network. None is safe against a quantum computer in the hands of someone who kept the
//! messages.
