//! The noise of `rr22-silent`: what is assumed, what is proved, and what attacks cost.
//!
//! `rr22-silent` expands short seeds to a long correlation. The receiver's mask is U = G·e: a public code G compresses
//! N = 2k elements to k, and e is zero but for t places, one in each of t equal parts (regular noise), with values
//! uniform in GF(2^128). That U is as good as random to the sender is the assumption called dual LPN; Δ and B need no
//! such assumption. The entries of G are bits, so the 128 bits of an element are 128 binary instances *with the same
//! places*. Two consequences are easily overlooked, and set the weight here.
//!
//! # The weight
//!
//! * **Linear tests.** A test is a word of the code that G generates; it finds noise unless all noise lies outside its
//!   support. If every word has weight at least d·N, the noise escapes with probability at most (1 - d)^t. The better
//!   bound (1 - 2d)^t holds for binary noise only ([2022/712] has the general form, with the factor q/(q-1) of a
//!   field of q elements). With d = 0.10 the large field needs t = 843 for 2^-128; t = 400 would reach 2^-61.
//! * **Common places.** Whoever picks k columns of which at most 127 carry noise can find a linear map of GF(2^128) to
//!   one bit that sends that noise to zero, and then all other places, by linear algebra. Each place is among half of the
//!   columns with probability 1/2, so a trial succeeds with P(Bin(t, 1/2) ≤ 127). At t ≤ 128 that is nearly always: the
//!   places are found in polynomial time. At t = 400 it is 2^-43, at t = 848 2^-336.
//!
//! So t = 848. Costs in bits, with a trial counted as one operation, where it is at least k^2:
//!
//! | slots k | N | parts of | linear tests, d = 0.10 | d = 0.05 | information set without noise | with at most 127 places |
//! |---|---|---|---|---|---|---|
//! | 2^13 | 2^14 | 19 | 129 | 63 | 848 | 336 |
//! | 1,153,434 | 2,306,868 | 2,720 | 129 | 63 | 848 | 336 |
//! | 2^22 | 2^23 | 9,892 | 129 | 63 | 848 | 336 |
//!
//! The example below computes them. They do not depend on k, since rate and weight are the same; fewer slots
//! than 2^13 are made as 2^13. Better decoding than picking columns at random (Stern, BJMM) guesses a few places
//! more and divides the last columns by small factors; for regular noise of weight o(N) it has the exponent of decoding
//! without that structure ([2023/1568]). Algebraic attacks on regular noise ([2023/176]) gain where the rate is low
//! or the parts are short; for rate 1/2 and fields as large as this the equations e_i·e_j = 0 within a part are of degree
//! two in N/2 unknowns. Neither has been computed here beyond these formulas.
//!
//! # The distance
//!
//! Assumed: every word of the code has weight at least 0.10·N. The Gilbert-Varshamov bound, which random codes of rate
//! 1/2 meet, is 0.110. The code is a variant of expand-convolute ([2023/882]): each row of G chooses 21 places, one in
//! a window that begins in each of 21 stripes, and the word runs twice around all places through a recursive convolution
//! with 24 random taps for each place and a constant one behind them. What speaks for the distance, as an argument over
//! random taps and not a proof:
//!
//! * The constant tap makes the state's way one to one, so a state once nonzero dies at a place that the input changes
//!   only, and there with probability about 2^-25. While any of the last 24 outputs is one, the next is a fair coin.
//!   In the second run, a place where the last 24 outputs are zero still gets the first run's output, a fair coin unless
//!   that had 24 zeros too. Words of low weight are therefore about as rare as among random words, but for stretches
//!   where both states are dead.
//! * A stretch costs about 49 bits of chance and lasts to the next of the word's 21 places a row at most. With the
//!   places spread over all stripes, a word of w rows needs some 17·w such stretches to be light, about 2^(-800·w), while
//!   there are fewer than 2^(22·w) words of w rows.
//! * What matters of the choice of places is that no sum of rows vanishes and no long gap is left. Rows of a group share
//!   their windows, which keeps both.
//!
//! Known results: one run with small memory has words of low weight where the places fall late ([2023/882] has a
//! conjecture in place of a proof); earlier structured codes were broken in distance. The wrap-around of the second run
//! is against that. A proof for this variant, or an exact enumeration, does not exist; whoever wants no assumption
//! about codes takes `rr22-small-field`.
//!
//! # What a bank's cryptographer should take from this
//!
//! Proved, given the parts: the correlation is right and semi-honest secure if base transfers, AES as an ideal cipher,
//! the hash and dual LPN are what they are taken for. Assumed: dual LPN for this code. Falling short of the distance
//! costs security as the table says: at d = 0.05 linear tests would succeed with 2^-63. Broken LPN tells the sender about
//! the receiver's keys; it tells the receiver nothing.
//!
//! # Reproduce
//!
//! ```
//! /// -log2 of P(Bin(t, 1/2) <= most).
//! fn at_most(t: u32, most: u32) -> f64 {
//!     let term = |i: u32| (1..=i).map(|j| f64::from(t - j + 1).log2() - f64::from(j).log2()).sum::<f64>();
//!     let largest = term(most);
//!     let sum: f64 = (0..=most).map(|i| (term(i) - largest).exp2()).sum();
//!     f64::from(t) - largest - sum.log2()
//! }
//! let linear = |t: u32, distance: f64| -f64::from(t) * (1.0 - distance).log2();
//!
//! assert_eq!((linear(848, 0.10).round(), linear(848, 0.05).round(), linear(400, 0.10).round()), (129.0, 63.0, 61.0));
//! assert_eq!((at_most(848, 127).round(), at_most(400, 127).round(), at_most(848, 0)), (336.0, 43.0, 848.0));
//! ```
//!
//! [2022/712]: https://eprint.iacr.org/2022/712
//! [2023/176]: https://eprint.iacr.org/2023/176
//! [2023/882]: https://eprint.iacr.org/2023/882
//! [2023/1568]: https://eprint.iacr.org/2023/1568
