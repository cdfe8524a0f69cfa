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
    #[cfg(target_arch = "x86_64")]
    Avx2(Avx2),
    #[cfg(target_arch = "x86_64")]
    Avx512(Avx512),
}

/// Proof that this CPU has the instructions of the `avx2` backend: only [`Avx2::detect`] makes one.
#[cfg(target_arch = "x86_64")]
#[derive(Clone, Copy, Debug)]
pub(crate) struct Avx2(());

/// Proof that this CPU has the instructions of the `avx512` backend: only [`Avx512::detect`] makes one.
#[cfg(target_arch = "x86_64")]
#[derive(Clone, Copy, Debug)]
pub(crate) struct Avx512(Avx2);

#[cfg(target_arch = "x86_64")]
impl Avx2 {
    /// Asks the CPU.
    pub(crate) fn detect() -> Option<Self> {
        let all = is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("aes")
            && is_x86_feature_detected!("pclmulqdq");
        all.then_some(Self(()))
    }
}

#[cfg(target_arch = "x86_64")]
impl Avx512 {
    /// Asks the CPU.
    pub(crate) fn detect() -> Option<Self> {
        let all = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx512vl")
            && is_x86_feature_detected!("gfni")
            && is_x86_feature_detected!("vaes")
            && is_x86_feature_detected!("vpclmulqdq");
        Avx2::detect().filter(|_| all).map(Self)
    }

    /// Whoever has these instructions has those of the `avx2` backend.
    pub(crate) const fn avx2(self) -> Avx2 {
        self.0
    }
}

impl Backend {
    /// The fastest backend that this CPU has and `kernels_force` leaves.
    pub(crate) fn best() -> Self {
        #[cfg(all(
            target_arch = "x86_64",
            not(any(kernels_force = "portable", kernels_force = "avx2", kernels_force = "neon"))
        ))]
        if let Some(cpu) = Avx512::detect() {
            return Self::Avx512(cpu);
        }
        #[cfg(all(target_arch = "x86_64", not(any(kernels_force = "portable", kernels_force = "neon"))))]
        if let Some(cpu) = Avx2::detect() {
            return Self::Avx2(cpu);
        }
        Self::Portable
    }

    /// Every backend that this CPU has.
    #[cfg(test)]
    pub(crate) fn all() -> Vec<Self> {
        let mut backends = vec![Self::Portable];
        #[cfg(target_arch = "x86_64")]
        backends.extend(Avx2::detect().map(Self::Avx2));
        #[cfg(target_arch = "x86_64")]
        backends.extend(Avx512::detect().map(Self::Avx512));
        backends
    }
}

/// The name of the backend that the symmetric kernels get on this CPU: `avx512`, `avx2` or `portable`.
#[must_use]
pub fn backend() -> &'static str {
    match Backend::best() {
        Backend::Portable => "portable",
        #[cfg(target_arch = "x86_64")]
        Backend::Avx2(_) => "avx2",
        #[cfg(target_arch = "x86_64")]
        Backend::Avx512(_) => "avx512",
    }
}

/// Compiles a function for the instructions of the `avx2` backend, inlined among its like.
#[cfg(target_arch = "x86_64")]
macro_rules! avx2 {
    ($(#[$attribute:meta])* $vis:vis fn $($rest:tt)*) => {
        $(#[$attribute])*
        #[target_feature(enable = "avx2,aes,pclmulqdq")]
        #[inline]
        $vis fn $($rest)*
    };
}
#[cfg(target_arch = "x86_64")]
pub(crate) use avx2;

/// Compiles a function for the instructions of the `avx512` backend, inlined among its like.
#[cfg(target_arch = "x86_64")]
macro_rules! avx512 {
    ($(#[$attribute:meta])* $vis:vis fn $($rest:tt)*) => {
        $(#[$attribute])*
        #[target_feature(enable = "avx2,aes,pclmulqdq,avx512f,avx512bw,avx512dq,avx512vl,gfni,vaes,vpclmulqdq")]
        #[inline]
        $vis fn $($rest)*
    };
}
#[cfg(target_arch = "x86_64")]
pub(crate) use avx512;
