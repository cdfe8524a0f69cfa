//! What a further protocol has to bring.
//!
//! 1. A variant of [`Protocol`](crate::Protocol) with its name and frame code; the compiler then lists the places
//!    that decide by protocol: [`Party`](crate::Party), [`SessionSpec::wire_cost`](crate::SessionSpec::wire_cost),
//!    [`leakage`](crate::leakage).
//! 2. A module with the headings of [`ecdh::oprf`](crate::ecdh::oprf), in that order. The protocol's steps are
//!    numbered there, and the code has a method for each.
//! 3. For each role an enum with a struct for each state. A state says whether it can work with the frames it has,
//!    and does one unit of work at a time, some tens of milliseconds. Taking frames in, order, totals, lengths and
//!    the hashes over each direction are done by the shell around the states.
//! 4. Plans: for each direction the steps, and for each step the number of items, the items in a frame and the bytes
//!    of an item. They follow from the [`SessionSpec`](crate::SessionSpec) alone, so every frame's length is known
//!    before the first arrives.
//! 5. `wire_cost`, written from the documented formula and not from the plans; a test compares it with transcripts.
//! 6. A statement in [`leakage`](crate::leakage) for each role. If a side's behaviour after some point depends on the
//!    result, that point has to be its last message.
//!    If the result depends on the peer's answers to what this side sent, the peer's Finish must acknowledge it.
//!    If a side must say something that depends on the result, the peer sends a Check before, and what is said is the
//!    last thing this side sends, as the report of [`ecdh::oprf`](crate::ecdh::oprf).
//! 7. An output through the proof that the peer's Finish was compared; there is no other constructor.
//! 8. The protocol's name in the lists at the head of the tests: comparison with a hash set join, every byte of every
//!    frame flipped, frames dropped, doubled, cut, extended and swapped, arbitrary frames, debug output searched for
//!    secrets, and the bench.
//!
//! Randomness comes from the seed through forks with a label and the number of the chunk, drawn before a parallel
//! loop: a run is then the same bytes with any number of threads. One label and index serve one purpose.
