//! Vector kernels behind safe functions over slices.
//!
//! This is the only crate of the workspace with unsafe code: it calls functions that need instructions which not
//! every CPU has, and loads and stores vectors. A backend is chosen when the program runs; the portable one, made of
//! well-kept libraries, defines the results, and tests compare all others with it bit by bit.
//!
//! `--cfg kernels_force="portable"` in `RUSTFLAGS` leaves the portable backend only, whatever the CPU has. So do `avx2`
//! and `neon` as long as there is no backend of that name; `avx512` changes nothing, since no backend runs on a CPU
//! without its instructions.

#![expect(unsafe_code, reason = "vector instructions need a check of the CPU that the compiler cannot make")]

pub mod ristretto8;
