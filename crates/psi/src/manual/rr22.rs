//! The joins over a vector OLE: what is assumed, what follows from it, and what a side that deviates could gain.
//!
//! For whoever has to decide whether `rr22-silent` or `rr22-small-field` may be used. The protocols themselves are
//! described in [`rr22`](crate::rr22).
//!
//! # The statement
//!
//! Let both sides follow the protocol, and let one of them keep everything it sees. Then
//! 1. what the sender sees could be made from the declared numbers alone, and with a release from the report;
//! 2. what the receiver sees could be made from the rows that match and the declared numbers;
//! 3. the receiver's output is that of a join, except with a probability of at most 2^-40 for a false match and 2^-40
//!    for a store that cannot be solved for, which costs a second attempt and changes nothing.
//!
//! | assumed | by | for |
//! |---|---|---|
//! | computational Diffie-Hellman on ristretto255 | both | base transfers |
//! | AES-128 with two fixed keys is an ideal cipher | silent | trees |
//! | AES-128 in counter mode is a generator of random streams | small-field | streams of leaves |
//! | dual LPN over GF(2^128) with regular noise of weight 848 and the expand-convolute code, rate 1/2 | silent | masks U |
//! | BLAKE3 is a random oracle | both | H1, H2, H3, keys of transfers |
//! | SHA-256, HKDF with SHA-512, AES-256-GCM | both | transcript, derived keys, payload |
//! | rows of the store are independent with probability 1 - 2^-40 | both | correctness only |
//!
//! *Proved* in the papers, from these: the base transfers, the extension, the trees, the vector OLE, and the join from
//! it. *Not proved, but measured*: the failure rate of the store, a fit to experiments at sizes where failures are
//! seen. *Not proved, but argued and estimated*: that the expand-convolute code has the distance which makes LPN hard;
//! nobody has shown it for this code, and no attack is known. `rr22-small-field` does not need it, and is the choice
//! where an assumption about codes is not wanted, at about twice the computing and half as many bytes again.
//!
//! None of this holds against a quantum computer: base transfers on ristretto255 are broken by one, by whoever kept
//! the messages.
//!
//! # Why it holds
//!
//! *For the receiver's keys.* The sender sees the masked store D = C(P) ⊕ U, the seed of its rows and messages of the
//! set-up. U is uniform to the sender: in `rr22-small-field` it lacks one stream of each tree, in `rr22-silent` U is
//! an LPN sample. So D is uniform whatever P is, and nothing of X is left, not even where the store has free columns.
//! The seed is drawn when X is fixed and independent of it, up to the 2^-40 of a second attempt.
//!
//! *For the sender's rows.* The receiver can compute H2 at Dec(V, x) for its keys. At y outside X it would need
//! Dec(W, y) ⊕ Δ ⊙ C(H1(y)) = Dec(V, y) ⊕ Δ ⊙ (C(Dec(P, y)) ⊕ C(H1(y))). H1(y) is 128 bits that are random given P, so
//! that both code words differ except with probability 2^-128; they then differ in a factor with 128 bits of entropy:
//! an element of GF(2^128) times Δ, or at least 16 of 31 bytes each times a byte of Δ. Whoever has not asked the
//! random oracle at that point sees a random F, and tags and ciphertexts of rows that do not match are random bytes,
//! as padding is.
//!
//! # Length of tags
//!
//! There are n·m pairs of a key and a row that do not belong together. A tag of b bits is the same by chance with
//! probability 2^-b for each, together at most n·m·2^-b. With b = 40 + ⌈log2 n⌉ + ⌈log2 m⌉ this is at most 2^-40 for a
//! whole run; in whole bytes b is 80 for a million keys a side and 88 for 2^24.
//!
//! ```
//! use symbolon_psi::{Protocol, SessionSpec, Sid};
//!
//! let mut spec = SessionSpec {
//!     protocol: Protocol::Rr22Silent,
//!     sid: Sid([0; 32]),
//!     schema_id: Vec::new(),
//!     rows_sender: 1 << 20,
//!     rows_receiver: 1 << 20,
//!     payload_bytes: 0,
//!     release: None,
//! };
//! let an_item = |spec: &SessionSpec| {
//!     let cost = spec.wire_cost();
//!     (cost.bytes_sender + cost.bytes_receiver) as f64 / (1 << 20) as f64
//! };
//! assert!((28.0..30.0).contains(&an_item(&spec)));
//! spec.protocol = Protocol::Rr22SmallField;
//! assert!((44.0..48.0).contains(&an_item(&spec)));
//! ```
//!
//! A tag that is so short binds nobody. A sender looks for two keys whose rows it makes with one tag, and finds a pair
//! with 2^40 hashes, so that its effective set can be somewhat larger than declared. Tags of 32 bytes would take that
//! away; they belong to `ecdh-oprf`.
//!
//! # A sender that deviates
//!
//! It can leave out and add rows, as anywhere. It can make the receiver see false or missing matches: W enters its tags
//! only through itself.
//!
//! With `rr22-small-field` it sends points of base transfers, a salt and rows, and nothing else; if base transfers hold
//! against a deviating chooser, all it can do is choose Δ, and with 32-byte tags the argument of [RS21] would apply.
//! With `rr22-silent` it sends sums of its trees besides. Wrong sums at some positions make V wrong there, depending on
//! the receiver's secret noise: from whether its rows match it could learn about the positions. Without a release the
//! receiver shows nothing of that. **With a release the report shows it**; the report is part of the statement above
//! only between sides that follow the protocol.
//!
//! # A receiver that deviates
//!
//! *In its store.* The receiver may look for a store that holds more keys than slots. It hashes q candidates, and hopes
//! for n' among them that happen to fit one store of m slots: each of n' - m surplus keys fits with probability
//! 2^-l, where l = 128 is the length of H1. Over all choices of n' among q the expected number of such stores is
//! C(q, n') · 2^(-l·(n' - m)), and it is below 2^-λ if
//!
//! l ≥ (n'·(log2 q - log2 n' + log2 e) + λ) / (n' - m).
//!
//! This is a bound on what exists, whatever the work to find it. With m = 1.10 n and λ = 40, n' stays below
//!
//! | n | q = 2^64 | q = 2^80 | q = 2^100 | q = 2^128 |
//! |---|---|---|---|---|
//! | 2^16 | 1.77 n | 2.21 n | 3.18 n | 8.02 n |
//! | 2^20 | 1.69 n | 2.08 n | 2.93 n | 6.62 n |
//! | 2^24 | 1.61 n | 1.97 n | 2.71 n | 5.62 n |
//!
//! The salt in H1 is the sender's and new in each run, so candidates can only be hashed while the run waits: a job's
//! deadline makes even 2^64 generous. The figures come from this program:
//!
//! ```
//! /// The most keys that fit, in units of n, for q = 2^queries hashes.
//! fn keys_max(n: f64, queries: f64) -> f64 {
//!     let (slots, value_bits, lambda) = (1.10 * n, 128.0, 40.0);
//!     let needed = |keys: f64| {
//!         let choices = keys * (queries - keys.log2() + std::f64::consts::LOG2_E);
//!         (choices + lambda) / (keys - slots)
//!     };
//!     let (mut low, mut high) = (1.0001, 1_000.0);
//!     for _ in 0..60 {
//!         let middle: f64 = (low + high) / 2.0;
//!         if needed(middle * slots) <= value_bits { high = middle } else { low = middle }
//!     }
//!     high * 1.10
//! }
//! let table = [
//!     (16, [1.77, 2.21, 3.18, 8.02]),
//!     (20, [1.69, 2.08, 2.93, 6.62]),
//!     (24, [1.61, 1.97, 2.71, 5.62]),
//! ];
//! for (log2, row) in table {
//!     for (queries, expected) in [64.0, 80.0, 100.0, 128.0].into_iter().zip(row) {
//!         let most = keys_max(f64::from(1 << log2), queries);
//!         assert!((most - expected).abs() < 0.01, "2^{log2}, 2^{queries}: {most}");
//!     }
//! }
//! ```
//!
//! *In the set-up.* There is no check that a receiver's corrections are those of one correlation, or that D is made of
//! code words. It can send values that differ from bit to bit of Δ, and read from which rows still match what those
//! bits are. Whoever has Δ can evaluate any key, now and later, against the rows it kept. So the bound above is
//! for a receiver that deviates in its store and nowhere else, and **against any other these protocols promise
//! nothing**. The sender would not notice.
//!
//! # When to use them
//!
//! Between institutions that know which software the other side runs, under an agreement that says that a semi-honest
//! protocol is acceptable, and where the number of keys makes `ecdh-oprf` too slow. Otherwise `ecdh-oprf`.
//!
//! # References
//! * [RS21], figure 4 and section 4.1; [RR22](https://eprint.iacr.org/2022/320), figure 8
//! * Han, Kim, Lee, Son, Revisiting OKVS-based OPRF and PSI: Cryptanalysis and Better Construction, ASIACRYPT 2024: the
//!   attack on claims that n' is at most m
//!
//! [RS21]: https://eprint.iacr.org/2021/266
