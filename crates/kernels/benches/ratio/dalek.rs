//! The two paths with curve25519-dalek; also the source of the child, so it needs nothing else of this workspace.

use std::hint::black_box;

use curve25519_dalek::ristretto::CompressedRistretto;
use curve25519_dalek::{RistrettoPoint, Scalar};
use rustix::time::{ClockId, clock_gettime};

/// Items of one measurement.
pub(crate) const ITEMS: usize = 1024;

/// Items that are encoded together.
const BLOCK: usize = 256;

/// Microseconds an item.
pub(crate) struct Costs {
    pub(crate) blind: f64,
    pub(crate) evaluate: f64,
    pub(crate) blind_single: f64,
    pub(crate) evaluate_single: f64,
}

/// Inputs of the map.
pub(crate) fn uniform() -> Vec<[u8; 64]> {
    let mut state = 1_u64;
    let mut next = || {
        state = state.wrapping_mul(0x5851_F42D_4C95_7F2D).wrapping_add(0x1405_7B7E_F767_814F);
        state.to_be_bytes()[0]
    };
    (0..ITEMS).map(|_| std::array::from_fn(|_| next())).collect()
}

/// The scalar of all items.
pub(crate) fn scalar() -> Scalar {
    Scalar::from_bytes_mod_order_wide(&uniform()[7])
}

/// The median over five runs of the processor time of this thread for one item.
#[expect(clippy::cast_precision_loss, reason = "small counts are exact")]
pub(crate) fn microseconds(mut work: impl FnMut()) -> f64 {
    let now = || {
        let time = clock_gettime(ClockId::ThreadCPUTime);
        time.tv_sec as f64 * 1e6 + time.tv_nsec as f64 / 1e3
    };
    let mut times: Vec<f64> = (0..5)
        .map(|_| {
            let start = now();
            work();
            (now() - start) / ITEMS as f64
        })
        .collect();
    times.sort_by(f64::total_cmp);
    times[2]
}

/// One round.
pub(crate) fn measure() -> Costs {
    let (uniform, scalar) = (uniform(), scalar());
    let half = scalar.div_by_2();
    let map = |uniform: &[u8; 64]| RistrettoPoint::from_uniform_bytes(uniform);
    let encodings: Vec<_> = uniform.iter().map(|uniform| map(uniform).compress()).collect();
    let decode = |encoding: &CompressedRistretto| encoding.decompress().expect("made by encoding");
    let blind = microseconds(|| {
        for uniform in uniform.chunks(BLOCK) {
            let points: Vec<_> = uniform.iter().map(|uniform| map(uniform) * half).collect();
            black_box(RistrettoPoint::double_and_compress_batch(&points));
        }
    });
    let evaluate = microseconds(|| {
        for encodings in encodings.chunks(BLOCK) {
            let points: Vec<_> = encodings.iter().map(|encoding| decode(encoding) * half).collect();
            black_box(RistrettoPoint::double_and_compress_batch(&points));
        }
    });
    let blind_single = microseconds(|| {
        for uniform in &uniform {
            black_box((map(uniform) * scalar).compress());
        }
    });
    let evaluate_single = microseconds(|| {
        for encoding in &encodings {
            black_box((decode(encoding) * scalar).compress());
        }
    });
    Costs { blind, evaluate, blind_single, evaluate_single }
}
