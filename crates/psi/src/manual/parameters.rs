//! Sizes, lengths and limits, and where each comes from.
//!
//! | parameter | value | reason |
//! |---|---|---|
//! | group | ristretto255, about 125 bits | prime order, canonical encodings, RFC 9496 |
//! | items hashed | label ‖ sid ‖ LP(schema) ‖ LP(key) | injective; unrelated between runs and between kinds of keys |
//! | points in a frame | 4,096 | 128 KiB: small against a MiB limit of transports, large against a header; one proof each, far below the 65,535 that RFC 9497 can index |
//! | bytes of rows in a frame | at most 512 KiB, at most 4,096 rows | the same |
//! | tag of a row, one-sided join | 256 bits | a deviating sender must not find two keys with one tag |
//! | key of a release, and the commitment to it | 256 bits | hidden by a hash as it is random; nobody finds a second key for it |
//! | tag, mutual and cardinality | 40 + ⌈log2 n⌉ + ⌈log2 m⌉ bits, in whole bytes | at most 2^-40 for any false match over all n·m pairs |
//! | tag, joins over a vector OLE | the same, at most 12 bytes | the same; see [`rr22`](super::rr22) for a sender that deviates |
//! | masked rows in a frame | 512 KiB of them | as for rows |
//! | value of a key in a store | 128 bits | [`rr22`](super::rr22) has the bound for a receiver that looks for crowded stores |
//! | fingerprints of received points | 128 bits, keyed | repeated points are found without keeping the points; a false alarm has probability below 2^-80 at 2^24 points |
//! | padding | next sixteenth of a power of two | at most 6.25 % more; the size is known to four bits |
//! | frames under way before opening | 64 | bounds memory at 16 MiB while the peer stays busy |
//!
//! # Session identifier
//!
//! [`sid::derive`](crate::sid::derive) takes the job description as transmitted and signed, both nonces and the
//! channel's exporter value. It enters every frame header, every item, every row key and tag, and Finish.
//!
//! # Evaluations under one key
//!
//! Each evaluation for a receiver hands out one static Diffie-Hellman value. After Q of them the best generic attack
//! on the key gains a factor of the square root of Q: at 2^20 keys the margin falls by 10 bits to about 115. The key
//! is made for one run and wiped, so runs do not add up.
