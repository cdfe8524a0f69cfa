//! Why the store's rows are independent: the experiments behind the width of its band.
//!
//! The joins over a vector OLE encode the receiver's n keys in a random-band store
//! ([`okvs`](symbolon_oblivious::okvs)). Each key is an equation: `w` random bits that begin at a random one of
//! ⌈1.10·n⌉ positions. The store exists when the equations are independent. If they are not, the receiver draws another
//! seed; that costs time and tells the peer one bit that depends on the keys. It must not happen in 2^40 runs, and
//! nobody can watch 2^40 runs. So failures are counted where they are frequent, with narrow bands, and continued.
//!
//! # What is known by theory
//!
//! Walk over the columns from left to right. In each column a mean of 1/1.10 = 0.909 equations begin, and one that has a
//! bit there is used up. The others wait, as in a queue with constant service, and an equation is lost when
//! more of them wait than there are columns left in the band. The probability that more than w wait
//! falls as e^(-θ·w), where (e^θ - 1)/θ = 1.10: θ = 0.1877. So for wide bands each further bit of width gives
//! θ/ln 2 = 0.2708 bits of security.
//!
//! Failures are local: a stretch of some widths decides, and there are about n/w of them that hardly depend on each
//! other. So the expected number of failures is proportional to n, and with p the probability that one store fails
//!
//! *security of one key* = log2(n) - log2(-ln(1 - p))
//!
//! depends on w only, as soon as n is large against w. The security of a store is that less log2(n).
//!
//! # What was counted
//!
//! `cargo bench -p symbolon-oblivious --bench okvs_failure -- --keys-log2 14,16,18 --widths 40:8:72 --budget-log2 31
//! --failures 1000`
//!
//! prints, whatever the number of threads:
//!
//! | keys | width | trials | failures | security of one key |
//! |---|---|---|---|---|
//! | 2^14 | 40 | 2816 | 1009 | 15.17 |
//! | 2^14 | 48 | 12224 | 1002 | 17.55 |
//! | 2^14 | 56 | 52480 | 1003 | 19.70 |
//! | 2^14 | 64 | 131072 | 437 | 22.23 |
//! | 2^14 | 72 | 131072 | 97 | 24.40 |
//! | 2^16 | 40 | 1216 | 1022 | 15.12 |
//! | 2^16 | 48 | 3072 | 1018 | 17.31 |
//! | 2^16 | 56 | 11968 | 1002 | 19.52 |
//! | 2^16 | 64 | 32768 | 571 | 21.83 |
//! | 2^16 | 72 | 32768 | 127 | 24.01 |
//! | 2^18 | 40 | 1024 | 1023 | - |
//! | 2^18 | 48 | 1280 | 1052 | 17.21 |
//! | 2^18 | 56 | 3456 | 1004 | 19.54 |
//! | 2^18 | 64 | 8192 | 599 | 21.72 |
//! | 2^18 | 72 | 8192 | 136 | 23.90 |
//!
//! * 2^14 keys: 0.2888 w +3.63 (standard error of the slope 0.0028, 5 lines, chi-square 9.7)
//! * 2^16 keys: 0.2784 w +3.96 (standard error of the slope 0.0027, 5 lines, chi-square 1.7)
//! * 2^18 keys: 0.2803 w +3.79 (standard error of the slope 0.0041, 4 lines, chi-square 2.2)
//! * theory, wide bands: slope 0.2708
//! * all: 0.2801 w +3.93 (standard error of the slope 0.0017, 14 lines, chi-square 79.3)
//!
//! | keys | width for 40 bits, fitted | width for 40 bits, from the last lines by theory |
//! |---|---|---|
//! | 2^10 | 171 | 170 |
//! | 2^12 | 178 | 177 |
//! | 2^14 | 185 | 184 |
//! | 2^16 | 193 | 192 |
//! | 2^18 | 200 | 199 |
//! | 2^20 | 208 | 207 |
//! | 2^22 | 215 | 214 |
//! | 2^24 | 223 | 221 |
//!
//! Three things can be read from it. Lines for 2^16 and for 2^18 keys agree within the errors of counting (one standard
//! error is 0.05 bits with 1,000 failures, 0.13 with 127), so security is that of a key, whatever the size; those for
//! 2^14 lie higher at wide bands, which makes the scatter of the common fit, and its errors are widened by it.
//! Measured slopes, 0.278 to 0.289, are a little above that of theory. And the law holds over ten bits of security, from
//! stores that fail nearly always to one in 1,350.
//!
//! Where n is not large against w there are fewer failures, since equations at both ends have room:
//! `--keys-log2 8,10,12 --widths 24:8:48 --budget-log2 27 --failures 500` gives 17.19 for 2^10 keys and width 40, 15.46 for
//! 2^12 keys, where 2^16 keys have 15.12. So sizes below 2^14 have more security than the fit says, and stores of fewer
//! than 2^10 keys are made as large as those of 2^10.
//!
//! With an expansion of 0.03, where wider bands fail often enough to be seen, measured slopes lie above that of theory too:
//! `--expansion 3 --keys-log2 14 --widths 88:24:160 --budget-log2 28 --failures 500` has 16.61, 19.28 and 22.30 at
//! widths 88, 112 and 136, a slope of 0.114 against 0.085.
//!
//! # What was chosen
//!
//! The fit is a straight line, less three standard errors. The continuation by theory takes for each size the widest
//! line with 300 failures or more, less three standard errors, and goes on with 0.2708 bits for each bit of width;
//! since measured slopes are larger, it should err to the safe side. Widths are the next whole bytes above both:
//!
//! | keys up to | width that the fit asks for | by theory | chosen | security of the store by theory, bits |
//! |---|---|---|---|---|
//! | 2^20 | 208 | 207 | 208 | 40.5 |
//! | 2^22 | 215 | 214 | 216 | 40.7 |
//! | 2^24 | 223 | 221 | 224 | 40.9 |
//!
//! These are probabilities of one store. Where a job has several, they add up: four stores of 2^22 keys
//! fail as often as one of 2^24 keys with the width of 2^22, two bits more often than the table says.
//!
//! # What is assumed
//!
//! That rows are independent and uniform given the keys: they are outputs of a keyed hash whose seed is drawn after
//! the keys are fixed. That the line goes on where nobody has looked; the argument above says why it should, and it is no
//! proof. A failure is found by the one who encodes and never makes a wrong result.
