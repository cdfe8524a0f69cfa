//! Vector kernels behind safe functions over slices.
//!
//! This is the only crate of the workspace with unsafe code: it calls functions that need instructions which not
//! every CPU has, and loads and stores vectors. A backend is chosen when the program runs; the portable one, made of
//! well-kept libraries, defines the results, and tests compare all others with it bit by bit.
//!
//! `--cfg kernels_force="portable"` in `RUSTFLAGS` leaves the portable backends only, whatever the CPU has. `avx2`
//! leaves those too that need nothing beyond AVX2 ([`ristretto8`] and [`band`] have none), `neon` those for aarch64, of which there
//! is none yet. `avx512` changes nothing, since no backend runs on a CPU without its instructions.
//!
//! Kernels take secrets: every module says under *Security* what its running time and its addresses depend on.

#![expect(unsafe_code, reason = "vector instructions need a check of the CPU that the compiler cannot make")]

pub mod aes_batch;
pub mod band;
pub mod blake3_many;
pub mod clmul128;
pub mod cpu;
pub mod expand_convolute;
pub mod gf256;
pub mod memory;
pub mod ristretto8;
pub mod transpose;
