use super::*;

const KEY: [u8; KEY_BYTES] = [7; KEY_BYTES];

/// Every backend that this machine can run.
fn backends() -> Vec<Backend> {
    let mut backends = vec![Backend::Portable];
    #[cfg(target_arch = "x86_64")]
    backends.extend(x86_64::Avx512::detect().map(Backend::Avx512));
    backends
}

/// Some blocks that depend on `seed` only.
fn noise(seed: u64, count: usize) -> Vec<u128> {
    let mut state = u128::from(seed) << 1 | 1;
    let mut next = || {
        state = state.wrapping_mul(0x2360_ED05_1FC6_5DA4_4385_DF64_9FCC_F645).wrapping_add(0x5851_F42D_4C95_7F2D);
        state ^ state >> 61
    };
    (0..count).map(|_| next()).collect()
}

fn convolved_on(backend: Backend, mut vector: Vec<u128>) -> Vec<u128> {
    convolve_on(backend, &KEY, 9, &mut vector);
    vector
}

fn convolved(vector: Vec<u128>) -> Vec<u128> {
    convolved_on(Backend::best(), vector)
}

fn expanded_on(backend: Backend, vector: &[u128], first_row: usize, rows: usize) -> Vec<u128> {
    let mut out = vec![0xAA; rows];
    expand_on(backend, &KEY, vector, first_row, &mut out);
    out
}

fn expanded(vector: &[u128], first_row: usize, rows: usize) -> Vec<u128> {
    expanded_on(Backend::best(), vector, first_row, rows)
}

/// The words of 32 bits of a stream.
fn stream(first_block: u128, count: usize) -> Vec<u32> {
    let mut bytes = vec![0; 4 * count];
    crate::aes_batch::ctr_fill(&KEY, first_block, &mut bytes);
    bytes.as_chunks().0.iter().map(|bytes| u32::from_le_bytes(*bytes)).collect()
}

/// Lengths around vectors and batches of words.
fn lengths() -> impl Iterator<Item = usize> {
    (ELEMENTS_MIN..ELEMENTS_MIN + 34).chain(2_040..2_080).chain([5_000, 8_191])
}

/// Element by element, from what the module says.
#[test]
fn one_run_is_the_definition_on_every_backend() {
    for length in lengths() {
        let start = noise(1, length);
        let mut vector = start.clone();
        for (index, bits) in stream(9, length).into_iter().enumerate() {
            for distance in 1..=25 {
                if distance == 25 || bits >> (distance - 1) & 1 == 1 {
                    vector[(index + distance) % length] ^= vector[index];
                }
            }
        }
        for backend in backends() {
            assert_eq!(convolved_on(backend, start.clone()), vector, "{length}");
        }
    }
}

/// Row by row, from what the module says.
#[test]
fn rows_are_the_definition_on_every_backend() {
    for length in [ELEMENTS_MIN, 1_100, 8_191, 60_000] {
        let vector = noise(2, length);
        let width = window(length);
        let words_of_stripe = 4 + 2 * width / 2;
        let all = stream(0, 3 * WEIGHT * words_of_stripe);
        let rows = 5 * width + 3;
        let expected: Vec<u128> = (0..rows)
            .map(|row| {
                let (group, place) = (row / (2 * width), row % (2 * width));
                (0..WEIGHT).fold(0, |sum, stripe| {
                    let words = &all[(group * WEIGHT + stripe) * words_of_stripe..][..words_of_stripe];
                    let (start, end) = (length * stripe / WEIGHT, length * (stripe + 1) / WEIGHT);
                    let pick = u128::from(words[0]) | u128::from(words[1]) << 32;
                    let first =
                        start + usize::try_from((pick * (end.min(length - width + 1) - start) as u128) >> 64).unwrap();
                    let word = words[4 + place / 2] >> (16 * (place % 2)) & 0xFFFF;
                    sum ^ vector[first + word as usize % width]
                })
            })
            .collect();
        for backend in backends() {
            assert_eq!(expanded_on(backend, &vector, 0, rows), expected, "{length}");
            for cut in [0, 1, width, 2 * width + 1] {
                assert_eq!(expanded_on(backend, &vector, 0, cut), expected[..cut]);
                assert_eq!(expanded_on(backend, &vector, 2 * width, cut), expected[2 * width..][..cut]);
            }
        }
    }
}

#[test]
fn a_run_is_one_to_one() {
    // The images of the unit vectors are independent.
    let count = ELEMENTS_MIN;
    let unit = |index: usize| (0..count).map(|other| u128::from(other == index)).collect::<Vec<_>>();
    let mut rows: Vec<Vec<bool>> =
        (0..count).map(|index| convolved(unit(index)).iter().map(|bit| *bit == 1).collect()).collect();
    for column in 0..count {
        let pivot = (column..count).find(|row| rows[*row][column]).expect("independent");
        rows.swap(column, pivot);
        let (pivot, others) = rows[column..].split_first_mut().unwrap();
        for other in others.iter_mut().filter(|other| other[column]) {
            other.iter_mut().zip(pivot.iter()).for_each(|(other, pivot)| *other ^= pivot);
        }
    }
}

#[test]
fn all_elements_are_reached() {
    for length in [ELEMENTS_MIN, 8_191] {
        for edge in [0, length / WEIGHT - 1, length / WEIGHT, length / 2, length - 1] {
            let one: Vec<_> = (0..length).map(|index| u128::from(index == edge)).collect();
            assert!(expanded(&one, 0, 4_000 * group_rows(length)).contains(&1), "{edge} of {length}");
        }
    }
}

#[test]
fn keys_and_blocks_give_other_codes() {
    let vector = noise(6, 2_000);
    let mut other = vector.clone();
    convolve(&KEY, 10, &mut other);
    assert_ne!(convolved(vector.clone()), other);
    let mut rows = vec![0; 64];
    expand(&[8; KEY_BYTES], &vector, 0, &mut rows);
    assert_ne!(expanded(&vector, 0, 64), rows);
}

#[test]
#[should_panic(expected = "a vector of a length that is served")]
fn a_short_vector_is_refused() {
    convolve(&KEY, 0, &mut noise(7, ELEMENTS_MIN - 1));
}

#[test]
#[should_panic(expected = "rows from the start of a group on")]
fn a_row_within_a_group_is_refused() {
    expand(&KEY, &noise(7, 2_000), 1, &mut [0; 4]);
}
