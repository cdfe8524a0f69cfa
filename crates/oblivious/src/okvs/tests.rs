use proptest::prelude::*;
use rand_core::Rng;
use symbolon_primitives::prg::Prg;
use symbolon_primitives::secret::Secret;

use super::*;
use crate::error::Error;

fn rows(seed: u8, count: usize) -> Vec<RowHash> {
    let mut bytes = vec![0; count * ROW_BYTES];
    Prg::new(Secret::new([seed; 32])).fill_bytes(&mut bytes);
    bytes.as_chunks().0.to_vec()
}

fn values(seed: u8, count: usize) -> Vec<u128> {
    let mut bytes = vec![0; count * 16];
    Prg::new(Secret::new([seed ^ 0x80; 32])).fill_bytes(&mut bytes);
    bytes.as_chunks().0.iter().map(|chunk| u128::from_le_bytes(*chunk)).collect()
}

fn decoded<const W: usize>(params: &Params, rows: &[RowHash], vector: &[[u128; W]]) -> Vec<[u128; W]> {
    let mut out = vec![[0x55; W]; rows.len()];
    decode(params, rows, vector, &mut out).unwrap();
    out
}

/// The definition: bit by bit.
fn evaluated(params: &Params, row: &RowHash, vector: &[u128]) -> u128 {
    let high = u64::from_le_bytes(*row.last_chunk().unwrap());
    let position = usize::try_from((u128::from(high) * params.starts() as u128) >> 64).unwrap();
    (0..params.width())
        .filter(|bit| row[bit / 8] >> (bit % 8) & 1 == 1)
        .fold(0, |sum, bit| sum ^ vector[position + bit])
}

#[test]
fn sets_of_all_sizes_come_back() {
    for (seed, count) in (0..).zip([0, 1, 2, 3, 17, 1000, 1023, 1024, 1025, 1 << 14, 3 * (1 << 14) + 5, (1 << 16) + 77])
    {
        let params = Params::for_items(count).unwrap();
        let (rows, values) = (rows(seed, count), values(seed, count));
        let vector = encode(&params, &rows, &values).unwrap();
        assert_eq!(vector.len(), params.slots());
        assert_eq!(decoded(&params, &rows, vector.as_chunks::<1>().0).as_flattened(), values, "{count} items");

        let mut rng = Prg::new(Secret::new([seed; 32]));
        let filled = encode_filled(&params, &rows, &values, &mut rng).unwrap();
        assert_eq!(decoded(&params, &rows, filled.as_chunks::<1>().0).as_flattened(), values, "{count} items");
        assert!(filled.iter().filter(|entry| **entry == 0).count() < 2, "free columns are filled");
    }
}

#[test]
fn fewer_items_than_the_bound_will_do() {
    let params = Params::for_items(50_000).unwrap();
    for count in [0, 1, 700, 49_999] {
        let (rows, values) = (rows(3, count), values(3, count));
        let vector = encode(&params, &rows, &values).unwrap();
        assert_eq!(decoded(&params, &rows, vector.as_chunks::<1>().0).as_flattened(), values);
    }
}

#[test]
fn decoding_is_by_the_definition_at_any_key() {
    let params = Params::for_items(40_000).unwrap();
    let vector = values(1, params.slots());
    for count in [1, 900, 1500, 20_000] {
        let mut rows = rows(2, count);
        // The last positions, and a row twice.
        rows[0][24..].fill(0xFF);
        rows[count - 1] = rows[0];
        let expected: Vec<_> = rows.iter().map(|row| evaluated(&params, row, &vector)).collect();
        assert_eq!(decoded(&params, &rows, vector.as_chunks::<1>().0).as_flattened(), expected);
    }
}

#[test]
fn more_keys_than_one_batch_are_decoded() {
    let params = Params::for_items(1000).unwrap();
    let vector = values(1, params.slots());
    let few = rows(2, 1 << 10);
    let expected = decoded(&params, &few, vector.as_chunks::<1>().0);
    let many = few.repeat((1 << 10) + 1);
    for part in decoded(&params, &many, vector.as_chunks::<1>().0).chunks(1 << 10) {
        assert_eq!(part, expected);
    }
}

#[test]
fn results_do_not_depend_on_the_number_of_threads() {
    let count = 70_000;
    let params = Params::for_items(count).unwrap();
    let (rows, values) = (rows(5, count), values(5, count));
    let run = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let vector = encode(&params, &rows, &values).unwrap();
            let filled = encode_filled(&params, &rows, &values, &mut Prg::new(Secret::new([1; 32]))).unwrap();
            let out = decoded(&params, &rows, filled.as_chunks::<1>().0);
            (vector, filled, out)
        })
    };
    assert!(run(1) == run(3));
}

#[test]
fn equal_rows_are_told_from_dependent_ones() {
    let count = 3000;
    let params = Params::for_items(count).unwrap();
    let values = values(6, count);
    let mut twice = rows(6, count);
    twice[17] = twice[2900];
    assert_eq!(encode(&params, &twice, &values), Err(Failure::EqualRows));
    assert_eq!(encode(&params, &vec![[7; ROW_BYTES]; count], &values), Err(Failure::EqualRows));

    // Three rows of which one is the sum of the others, in one place.
    let mut dependent = rows(6, count);
    let sum: RowHash = std::array::from_fn(|byte| dependent[0][byte] ^ dependent[1][byte]);
    dependent[2] = sum;
    for row in &mut dependent[..3] {
        // Bits at and above the width decide on the position.
        row[24..].copy_from_slice(&[0, 0, 1, 2, 3, 4, 5, 6]);
    }
    let low = [dependent[0][24] ^ dependent[1][24], dependent[0][25] ^ dependent[1][25]];
    dependent[2][24..26].copy_from_slice(&low);
    assert_eq!(encode(&params, &dependent, &values), Err(Failure::Dependent));
    dependent[2][0] ^= 1;
    assert!(encode(&params, &dependent, &values).is_ok());
}

#[test]
fn wrong_lengths_are_refused() {
    let params = Params::for_items(2000).unwrap();
    let (rows, values) = (rows(7, 2001), values(7, 2001));
    let misuse = |what, expected, got| Misuse::Length { what, expected, got };
    assert_eq!(encode(&params, &rows, &values), Err(Failure::Misuse(misuse("rows", 2000, 2001))));
    assert_eq!(encode(&params, &rows[1..], &values), Err(Failure::Misuse(misuse("values", 2000, 2001))));
    for slots in [0, 1, params.slots() - 1, params.slots() + 1] {
        let result = decode(&params, &rows, &vec![[0; 2]; slots], &mut vec![[0; 2]; 2001]);
        assert_eq!(result, Err(Error::Misuse(misuse("vector", params.slots(), slots))));
    }
    let result = decode(&params, &rows, &vec![[0; 1]; params.slots()], &mut [[0; 1]; 2000]);
    assert_eq!(result, Err(Error::Misuse(misuse("values", 2001, 2000))));
}

#[test]
fn sizes_follow_from_the_bound() {
    for items in [0, 1, 1024] {
        let params = Params::for_items(items).unwrap();
        assert_eq!((params.items(), params.starts()), (items, 1127));
    }
    let params = Params::for_items(1 << 20).unwrap();
    assert_eq!(params.starts(), 1_153_434);
    assert!(params.slots() >= params.starts() + params.width() && params.slots().is_multiple_of(8));
    assert!(params.slots() as f64 / f64::from(1 << 20) < 1.1003);
    assert!(Params::for_items(ITEMS_MAX).is_ok());
    let error = Params::for_items(ITEMS_MAX + 1).unwrap_err();
    assert_eq!(error.label(), "limit_exceeded");
    let widths: Vec<_> = (0..=24).map(|log| Params::for_items(1 << log).unwrap().width()).collect();
    assert!(widths.is_sorted());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn decoding_is_linear(count in 0_usize..3000, bound in 0_usize..5000, seed: u8) {
        let params = Params::for_items(bound).unwrap();
        let rows = rows(seed, count);
        let pairs = |seed| -> Vec<[u128; 2]> { values(seed, 2 * params.slots()).as_chunks().0.to_vec() };
        let (a, b) = (pairs(seed), pairs(seed.wrapping_add(1)));
        let sum: Vec<[u128; 2]> = a.iter().zip(&b).map(|(a, b)| [a[0] ^ b[0], a[1] ^ b[1]]).collect();
        let [a, b, sum] = [a, b, sum].map(|vector| decoded(&params, &rows, &vector));
        for ((a, b), sum) in a.iter().zip(&b).zip(&sum) {
            prop_assert_eq!(*sum, [a[0] ^ b[0], a[1] ^ b[1]]);
        }
    }

    #[test]
    fn random_sets_come_back(count in 0_usize..5000, more in 0_usize..300, seed: u8) {
        let params = Params::for_items(count + more).unwrap();
        let (rows, values) = (rows(seed, count), values(seed, count));
        let vector = encode(&params, &rows, &values).unwrap();
        let out = decoded(&params, &rows, vector.as_chunks::<1>().0);
        prop_assert_eq!(out.as_flattened(), &values[..]);
    }
}
