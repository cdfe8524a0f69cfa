use super::*;

const KEY: [u8; KEY_BYTES] = [7; KEY_BYTES];

/// Some blocks that depend on `seed` only.
fn noise<const W: usize>(seed: u64, count: usize) -> Vec<[u128; W]> {
    let mut state = u128::from(seed) << 1 | 1;
    let mut next = || {
        state = state.wrapping_mul(0x2360_ED05_1FC6_5DA4_4385_DF64_9FCC_F645).wrapping_add(0x5851_F42D_4C95_7F2D);
        state ^ state >> 61
    };
    (0..count).map(|_| std::array::from_fn(|_| next())).collect()
}

fn convolved<const W: usize>(mut vectors: Vec<[u128; W]>) -> Vec<[u128; W]> {
    convolve(&KEY, 9, &mut vectors);
    vectors
}

fn expanded<const W: usize>(vectors: &[[u128; W]], first_row: usize, rows: usize) -> [Vec<u128>; W] {
    let mut out = [(); W].map(|()| vec![0xAA; rows]);
    expand(&KEY, vectors, first_row, out.each_mut().map(Vec::as_mut_slice));
    out
}

/// Element by element, from what the module says.
fn convolved_slowly(vector: &[[u128; 1]]) -> Vec<[u128; 1]> {
    let mut bits = vec![0; vector.len()];
    portable::words(&KEY, 9, &mut bits);
    let mut vector = vector.to_vec();
    for (index, bits) in bits.iter().enumerate() {
        for distance in 1..=25 {
            if distance == 25 || bits >> (distance - 1) & 1 == 1 {
                let target = (index + distance) % vector.len();
                vector[target][0] ^= vector[index][0];
            }
        }
    }
    vector
}

/// Lengths around vectors, batches of words and groups of rows.
fn lengths() -> impl Iterator<Item = usize> {
    (ELEMENTS_MIN..ELEMENTS_MIN + 18).chain(1023..1028).chain(2047..2050).chain([5_000, 8_191])
}

#[test]
fn one_run_is_the_definition() {
    for length in lengths() {
        let vector = noise::<1>(1, length);
        assert_eq!(convolved(vector.clone()), convolved_slowly(&vector), "{length}");
    }
}

#[test]
fn vectors_side_by_side_are_vectors_alone() {
    for length in lengths() {
        let pairs = noise::<2>(2, length);
        let alone = |side: usize| pairs.iter().map(|pair| [pair[side]]).collect::<Vec<_>>();
        let together = convolved(pairs.clone());
        for side in 0..2 {
            let single = convolved(alone(side));
            assert!(together.iter().map(|pair| [pair[side]]).eq(single));
            assert_eq!(expanded(&pairs, 64, 150)[side], expanded(&alone(side), 64, 150)[0]);
        }
    }
}

#[test]
fn a_run_is_linear_and_one_to_one() {
    let (left, right) = (noise::<1>(3, 700), noise::<1>(4, 700));
    let sum: Vec<_> = left.iter().zip(&right).map(|(left, right)| [left[0] ^ right[0]]).collect();
    let sums = convolved(left).into_iter().zip(convolved(right)).map(|(left, right)| [left[0] ^ right[0]]);
    assert!(convolved(sum).into_iter().eq(sums));
    // The images of the unit vectors are independent: Gauss on 600 vectors of 600 bits, 600 of them at once.
    let unit = |index: usize| (0..600).map(|other| [u128::from(other == index)]).collect::<Vec<_>>();
    let mut rows: Vec<Vec<bool>> =
        (0..600).map(|index| convolved(unit(index)).iter().map(|bit| bit[0] == 1).collect()).collect();
    for column in 0..600 {
        let pivot = (column..600).find(|row| rows[*row][column]).expect("independent");
        rows.swap(column, pivot);
        let (pivot, others) = rows[column..].split_first_mut().unwrap();
        for other in others.iter_mut().filter(|other| other[column]) {
            other.iter_mut().zip(pivot.iter()).for_each(|(other, pivot)| *other ^= pivot);
        }
    }
}

#[test]
fn a_row_has_one_element_of_each_stripe_and_does_not_depend_on_where_one_begins() {
    for length in [ELEMENTS_MIN, 1_000, 8_191] {
        let vector = noise::<1>(5, length);
        let [all] = expanded(&vector, 0, 500);
        for first in [64, 128, 448] {
            assert_eq!(expanded(&vector, first, 500 - first)[0], all[first..]);
        }
        // Marks of stripes: every row sums each mark once.
        let mark = |index: usize| (0..WEIGHT).rev().find(|stripe| stripe_start(length, *stripe) <= index).unwrap();
        let marks: Vec<_> = (0..length).map(|index| [1_u128 << mark(index)]).collect();
        assert_eq!(expanded(&marks, 0, 300)[0], vec![(1 << WEIGHT) - 1; 300]);
        // All elements can be reached.
        let ones: Vec<_> = (0..length).map(|index| [u128::from(index == 0 || index == length - 1)]).collect();
        assert!(expanded(&ones, 0, 20_000)[0].contains(&1));
    }
}

#[test]
fn keys_and_blocks_give_other_codes() {
    let vector = noise::<1>(6, 1_000);
    let mut other = vector.clone();
    convolve(&KEY, 10, &mut other);
    assert_ne!(convolved(vector.clone()), other);
    let mut rows = vec![0; 64];
    expand(&[8; KEY_BYTES], &vector, 0, [&mut rows]);
    assert_ne!(expanded(&vector, 0, 64)[0], rows);
}

#[test]
#[should_panic(expected = "a vector of a length that is served")]
fn a_short_vector_is_refused() {
    convolve(&KEY, 0, &mut noise::<1>(7, ELEMENTS_MIN - 1));
}

#[test]
#[should_panic(expected = "rows from the start of a group on")]
fn a_row_within_a_group_is_refused() {
    expand(&KEY, &noise::<1>(7, 1_000), 1, [&mut [0; 4]]);
}
