//! Sums of multiples Σ c_i·P_i for public c and P: buckets (Pippenger), with eight windows of the scalars side by
//! side. Time and addresses depend on the scalars.

use std::arch::x86_64::*;

use curve25519_dalek::Scalar;

use super::LANES;
use super::bytes::{load, store, write_words};
use super::codec;
use super::field::{Fe, Lanes, V, avx512, splat};
use super::point::{self, Cached, Extended};
use super::scalar::{Digits, shifted};

/// The limbs of one point: X, Y, Z and T, or those of the form for additions.
type Limbs = [u64; 20];

/// A window has 8 bits; its signed digit is from -128 to 127.
const BUCKETS: usize = 129;

/// Every byte less 128 is a digit once this is added to a scalar.
const OFFSET: u64 = 0x8080_8080_8080_8080;

/// Fewer points are multiplied one by one: to sum up buckets costs as much as some forty multiplications.
const FEW: usize = 40;

/// The limbs of one point, and room up to whole vectors.
#[derive(Clone, Copy)]
struct Row([V; 3]);

avx512! {
    /// Σ c_i·P_i over the points from `first` on, encoded.
    pub(super) fn vartime_sum(groups: &[Extended], first: usize, coefficients: &[Scalar]) -> [u8; 32] {
        let sum = if coefficients.len() < FEW {
            sum_products(&gather(groups, first..first + coefficients.len()), coefficients)
        } else {
            sum_buckets(groups, first, coefficients)
        };
        let [words, _] = codec::encode(&[sum, sum]);
        let mut out = [[0; 32]];
        write_words(words, &mut out);
        out[0]
    }
}

avx512! {
    /// The points at `positions`, eight in each group; the last group is filled up with identities.
    pub(super) fn gather(groups: &[Extended], positions: impl ExactSizeIterator<Item = usize>) -> Vec<Extended> {
        let mut gathered = Vec::with_capacity(positions.len().div_ceil(LANES));
        let neutral = [limbs_of(&Extended::identity().coordinates(), 0); LANES];
        let (mut points, mut taken) = (neutral, 0);
        for position in positions {
            points[taken] = limbs_of(&groups[position / LANES].coordinates(), position % LANES);
            taken += 1;
            if taken == LANES {
                gathered.push(group_of(&points));
                (points, taken) = (neutral, 0);
            }
        }
        if taken > 0 {
            gathered.push(group_of(&points));
        }
        gathered
    }
}

avx512! {
    /// One lane of four coordinates.
    fn limbs_of(coordinates: &[Fe; 4], lane: usize) -> Limbs {
        let mut limbs = [0; 20];
        for (slots, element) in limbs.chunks_mut(5).zip(coordinates) {
            for (slot, limb) in slots.iter_mut().zip(&element.0) {
                *slot = store(*limb)[lane];
            }
        }
        limbs
    }
}

avx512! {
    /// One point a lane.
    fn group_of(points: &[Limbs; LANES]) -> Extended {
        let mut group = Extended::identity();
        let coordinates = [&mut group.x, &mut group.y, &mut group.z, &mut group.t];
        for (coordinate, element) in coordinates.into_iter().enumerate() {
            for (index, limb) in element.0.iter_mut().enumerate() {
                let mut lanes = [0; LANES];
                for (lane, point) in lanes.iter_mut().zip(points) {
                    *lane = point[5 * coordinate + index];
                }
                *limb = load(&lanes);
            }
        }
        group
    }
}

avx512! {
    fn sum_products(groups: &[Extended], coefficients: &[Scalar]) -> Extended {
        let mut sum = Extended::identity();
        for (group, coefficients) in groups.iter().zip(coefficients.chunks(LANES)) {
            let product = point::multiply(group, &Digits::of_each(coefficients)).to_extended();
            sum = sum.add(product.cached(), 0).to_extended();
        }
        sum_lanes(&sum, 0)
    }
}

avx512! {
    fn sum_buckets(groups: &[Extended], first: usize, coefficients: &[Scalar]) -> Extended {
        let points = cached_points(groups, first, coefficients.len());
        let mut buckets = vec![identity_row(); LANES * BUCKETS];
        let mut sum = Extended::identity();
        for word in (0..4).rev() {
            buckets.fill(identity_row());
            for (point, scalar) in points.iter().zip(coefficients) {
                add_to_buckets(&mut buckets, point, shifted(scalar, OFFSET)[word].to_le_bytes());
            }
            // This word's windows weigh 2^(8·lane) among themselves and 2^(64·word) altogether.
            sum = double_times(sum, 64).add(weigh_buckets(&buckets).cached(), 0).to_extended();
        }
        sum_lanes(&sum, 8)
    }
}

avx512! {
    /// The points from `first` on in the form for additions.
    fn cached_points(groups: &[Extended], first: usize, count: usize) -> Vec<Limbs> {
        let mut points = Vec::with_capacity(count + 2 * LANES);
        for group in &groups[first / LANES..(first + count).div_ceil(LANES)] {
            let cached = group.cached();
            for lane in 0..LANES {
                points.push(limbs_of(cached.coordinates(), lane));
            }
        }
        points.drain(..first % LANES);
        points.truncate(count);
        points
    }
}

avx512! {
    /// Adds a point to one bucket of each lane; the digits are `bytes` less 128.
    fn add_to_buckets(buckets: &mut [Row], point: &Limbs, bytes: [u8; LANES]) {
        let mut negative: Lanes = 0;
        let mut places = [0; LANES];
        for (lane, (byte, place)) in bytes.into_iter().zip(&mut places).enumerate() {
            negative |= u8::from(byte < 128) << lane;
            *place = lane * BUCKETS + usize::from(byte.abs_diff(128));
        }
        let sum = from_buckets(buckets, &places).add(Cached::splat(point), negative).to_extended();
        to_buckets(&sum, buckets, &places);
    }
}

avx512! {
    /// Σ b·bucket_b in each lane: each bucket is added to a running sum, and that to the total.
    fn weigh_buckets(buckets: &[Row]) -> Extended {
        let (mut running, mut total) = (Extended::identity(), Extended::identity());
        for bucket in (1..BUCKETS).rev() {
            let mut places = [bucket; LANES];
            for (lane, place) in places.iter_mut().enumerate() {
                *place += lane * BUCKETS;
            }
            running = running.add(from_buckets(buckets, &places).cached(), 0).to_extended();
            total = total.add(running.cached(), 0).to_extended();
        }
        total
    }
}

avx512! {
    /// Σ 2^(`doublings`·lane)·P_lane, in all lanes.
    fn sum_lanes(point: &Extended, doublings: usize) -> Extended {
        let mut sum = Extended::identity();
        for lane in (0..LANES).rev() {
            let one = group_of(&[limbs_of(&point.coordinates(), lane); LANES]);
            sum = double_times(sum, doublings).add(one.cached(), 0).to_extended();
        }
        sum
    }
}

avx512! {
    fn double_times(point: Extended, count: usize) -> Extended {
        let mut point = point.projective();
        for _ in 0..count {
            point = point.double().to_projective();
        }
        point.to_extended()
    }
}

avx512! {
    /// X = 0, Y = 1, Z = 1, T = 0: the first limbs of Y and Z are the sixth and the eleventh.
    fn identity_row() -> Row {
        Row([load(&[0, 0, 0, 0, 0, 1, 0, 0]), load(&[0, 0, 1, 0, 0, 0, 0, 0]), splat(0)])
    }
}

avx512! {
    /// The buckets at `places`, one a lane.
    fn from_buckets(buckets: &[Row], places: &[usize; LANES]) -> Extended {
        let mut parts = [[splat(0); LANES]; 3];
        for (lane, place) in places.iter().enumerate() {
            let Row([a, b, c]) = buckets[*place];
            (parts[0][lane], parts[1][lane], parts[2][lane]) = (a, b, c);
        }
        let [a, b, c] = [transpose(parts[0]), transpose(parts[1]), transpose(parts[2])];
        Extended {
            x: Fe([a[0], a[1], a[2], a[3], a[4]]),
            y: Fe([a[5], a[6], a[7], b[0], b[1]]),
            z: Fe([b[2], b[3], b[4], b[5], b[6]]),
            t: Fe([b[7], c[0], c[1], c[2], c[3]]),
        }
    }
}

avx512! {
    /// Replaces the buckets at `places`.
    fn to_buckets(sum: &Extended, buckets: &mut [Row], places: &[usize; LANES]) {
        let (x, y, z, t, zero) = (sum.x.0, sum.y.0, sum.z.0, sum.t.0, splat(0));
        let a = transpose([x[0], x[1], x[2], x[3], x[4], y[0], y[1], y[2]]);
        let b = transpose([y[3], y[4], z[0], z[1], z[2], z[3], z[4], t[0]]);
        let c = transpose([t[1], t[2], t[3], t[4], zero, zero, zero, zero]);
        for (lane, place) in places.iter().enumerate() {
            buckets[*place] = Row([a[lane], b[lane], c[lane]]);
        }
    }
}

avx512! {
    /// Swaps lanes and rows.
    fn transpose(rows: [V; 8]) -> [V; 8] {
        let [r0, r1, r2, r3, r4, r5, r6, r7] = rows;
        // Even and odd columns of pairs of rows.
        let even = [low(r0, r1), low(r2, r3), low(r4, r5), low(r6, r7)];
        let odd = [high(r0, r1), high(r2, r3), high(r4, r5), high(r6, r7)];
        let [c0, c2, c4, c6] = transpose_pairs(even);
        let [c1, c3, c5, c7] = transpose_pairs(odd);
        [c0, c1, c2, c3, c4, c5, c6, c7]
    }
}

avx512! {
    fn low(a: V, b: V) -> V {
        _mm512_unpacklo_epi64(a, b)
    }
}

avx512! {
    fn high(a: V, b: V) -> V {
        _mm512_unpackhi_epi64(a, b)
    }
}

avx512! {
    /// Swaps rows and columns of blocks of two numbers.
    fn transpose_pairs(rows: [V; 4]) -> [V; 4] {
        let [r0, r1, r2, r3] = rows;
        let (even0, odd0) = (_mm512_shuffle_i64x2::<0x88>(r0, r1), _mm512_shuffle_i64x2::<0xDD>(r0, r1));
        let (even1, odd1) = (_mm512_shuffle_i64x2::<0x88>(r2, r3), _mm512_shuffle_i64x2::<0xDD>(r2, r3));
        [
            _mm512_shuffle_i64x2::<0x88>(even0, even1),
            _mm512_shuffle_i64x2::<0x88>(odd0, odd1),
            _mm512_shuffle_i64x2::<0xDD>(even0, even1),
            _mm512_shuffle_i64x2::<0xDD>(odd0, odd1),
        ]
    }
}
