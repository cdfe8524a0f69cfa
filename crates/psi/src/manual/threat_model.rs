//! Who may attack how, and what stops them.
//!
//! | attacker | can | is stopped by | remains |
//! |---|---|---|---|
//! | network | read, change, replay, reorder, cut | the channel (mutually authenticated TLS, outside this crate); the session identifier in every frame, which binds both nonces and the channel; fixed order and totals; Finish over each direction | sizes and times |
//! | curious peer | keep everything and compute on it later | Diffie-Hellman assumptions; one-time keys; the session identifier inside every hashed item, so two runs cannot be linked | declared sizes, the result, differences between runs |
//! | deviating peer, one-sided join | send bad points, use several keys, repeat points, choose keys late, react to results | strict decoding, proofs, refusal of repeated points, rows only after the last blinded point, one fixed Done before matching | false inputs |
//! | receiver that wants payload below the minimum | skip the report, change it on the way, report too much | with a release: the key of the payload leaves the sender after a sufficient report whose Finish fits, and never before | a false report, until an audit |
//! | sender that wants to learn through the report | destroy payloads, choose the payload by the report, put in chosen keys | the report depends on tags alone and is the receiver's last message; a commitment before the first point | chosen keys: the report says whether they match |
//! | deviating peer, mutual and cardinality | the same | strict decoding and refusal of repeated points only | false or missing matches; probing through the count |
//! | peer with false inputs | enumerate telephone numbers or identity numbers as its set | limits on rows and runs in the agreement, audit | inherent in joining |
//! | whoever steals a process image during a run | read keys, items and scalars | wiping of secrets as soon as they are used up | the moment itself |
//!
//! # Errors say nothing secret
//!
//! An [`Error`](crate::Error) names a rule that was broken, a step, a position or a length, and no value. Nothing a
//! receiver sends depends on what matched: the last thing it sends is the same bytes in every run of the session,
//! and matching comes after it. With a release the report is the one exception, and the last thing the receiver sends. Payloads that do not open are counted in
//! [`MatchedRows::unopened_rows`](crate::MatchedRows) and told to nobody else.
//!
//! # Time
//!
//! Secret scalars are used in constant time by the primitives; the sums in proofs are over public values and are
//! not. The time of a chunk depends on how many items it has, which both sides know, and slightly on how long keys
//! are. A sender's padding rows cost less than rows with keys. Matching takes time that depends on the result, after
//! the last message; with a release, before the report.
//!
//! # Low-entropy keys
//!
//! There are some 2^33 telephone numbers and 2^37 plausible identity numbers. Whoever holds a run's scalar and the
//! tags of the other side can try them all; that is why scalars are made for one run, live in the machine that uses
//! them, and are wiped with it, and why a node stores no tags.
