//! Which vector instructions this CPU has, asked when a kernel is called.
//!
//! The symmetric kernels ([`aes_batch`](crate::aes_batch), [`blake3_many`](crate::blake3_many),
//! [`clmul128`](crate::clmul128), [`gf256`](crate::gf256), [`transpose`](crate::transpose)) share two vector backends:
//! * `avx512`: 64-byte vectors with VAES, VPCLMULQDQ and GFNI, as in Ice Lake, Zen 4 and later.
//! * `avx2`: 16- and 32-byte vectors with AES-NI and PCLMULQDQ, as in Haswell, Zen and later.
//!
//! Everything else, aarch64 included, gets the portable definitions.

/// Where a symmetric kernel runs.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Backend {
    Portable,
}

impl Backend {
    /// The fastest backend that this CPU has and `kernels_force` leaves.
    pub(crate) fn best() -> Self {
        Self::Portable
    }

    /// Every backend that this CPU has.
    #[cfg(test)]
    pub(crate) fn all() -> Vec<Self> {
        vec![Self::Portable]
    }
}

/// The name of the backend that the symmetric kernels get on this CPU: `avx512`, `avx2` or `portable`.
#[must_use]
pub fn backend() -> &'static str {
    match Backend::best() {
        Backend::Portable => "portable",
    }
}
