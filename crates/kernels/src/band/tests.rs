use proptest::prelude::*;

use super::*;

/// Every backend that this machine can run.
fn backends() -> Vec<Backend> {
    let mut backends = vec![Backend::Portable];
    #[cfg(target_arch = "x86_64")]
    backends.extend(x86_64::Avx512::detect().map(Backend::Avx512));
    backends
}

fn position(slot: usize) -> u32 {
    u32::try_from(slot).unwrap()
}

/// Numbers that depend on the seed only.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> u64 {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut word = self.0;
        word = (word ^ word >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        word = (word ^ word >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        word ^ word >> 31
    }

    fn below(&mut self, bound: usize) -> u32 {
        u32::try_from((u128::from(self.next()) * bound as u128) >> 64).unwrap()
    }

    fn row(&mut self) -> [u8; ROW_BYTES] {
        let mut row = [0; ROW_BYTES];
        row.as_chunks_mut().0.iter_mut().for_each(|word| *word = self.next().to_le_bytes());
        row
    }

    fn value(&mut self) -> u128 {
        u128::from(self.next()) << 64 | u128::from(self.next())
    }
}

/// Equations on a vector: keys in order, with rows and values in another order.
struct System {
    width: usize,
    slots: usize,
    keys: Vec<Key>,
    rows: Vec<[u8; ROW_BYTES]>,
    values: Vec<u128>,
}

impl System {
    fn random(width: usize, count: usize, starts: usize, seed: u64) -> Self {
        let mut noise = Noise(seed);
        let rows = (0..count).map(|_| noise.row()).collect();
        let values = (0..count).map(|_| noise.value()).collect();
        let mut keys: Vec<_> = (0..count)
            .map(|index| Key { position: noise.below(starts), index: u32::try_from(index).unwrap() })
            .collect();
        // Within a block they may have any order.
        keys.sort_by_key(|key| key.position / 8);
        Self { width, slots: (starts + width).next_multiple_of(BLOCK_SLOTS), keys, rows, values }
    }

    /// The solution with `fill` in free columns, found in stretches of `blocks` blocks.
    fn solve(&self, backend: Backend, blocks: usize, fill: u128) -> Result<Vec<u128>, Dependent> {
        let mut pivots = vec![Block::default(); self.slots / BLOCK_SLOTS];
        let mut solution = vec![0; self.slots];
        let mut left = Vec::new();
        for number in 0..pivots.len().div_ceil(blocks) {
            let (begin, end) = (number * blocks, ((number + 1) * blocks).min(pivots.len()));
            let first = position(begin * BLOCK_SLOTS);
            let from = self.keys.partition_point(|key| key.position < first);
            let to = self.keys.partition_point(|key| (key.position as usize) < end * BLOCK_SLOTS);
            let stretch =
                Stretch::new(first, &mut pivots[begin..end], &mut solution[begin * BLOCK_SLOTS..end * BLOCK_SLOTS]);
            left.extend(eliminate_on(backend, self.width, &self.keys[from..to], &self.rows, &self.values, stretch)?);
        }
        for row in left {
            assert_eq!(insert(row, 0, &mut pivots, &mut solution)?, None);
        }
        for (slot, entry) in solution.iter_mut().enumerate() {
            if pivots[slot / BLOCK_SLOTS].is_free(slot % BLOCK_SLOTS) {
                assert_eq!(*entry, 0);
                *entry = fill;
            }
        }
        substitute_on(backend, self.width, &pivots, &mut solution);
        Ok(solution)
    }

    fn decode<const W: usize>(&self, backend: Backend, vector: &[[u128; W]]) -> Vec<[u128; W]> {
        let mut out = vec![[0xAAAA; W]; self.keys.len()];
        decode_on(backend, self.width, &self.keys, &self.rows, 0, vector, &mut out);
        out
    }

    fn values_in_order(&self) -> Vec<[u128; 1]> {
        self.keys.iter().map(|key| [self.values[key.index as usize]]).collect()
    }
}

/// Bit by bit, as the module's text says it.
fn evaluated(system: &System, vector: &[u128]) -> Vec<u128> {
    let bit = |row: &[u8; ROW_BYTES], bit: usize| row[bit / 8] >> (bit % 8) & 1 == 1;
    let sum = |key: &Key| {
        (0..system.width)
            .filter(|index| bit(&system.rows[key.index as usize], *index))
            .fold(0, |sum, index| sum ^ vector[key.position as usize + index])
    };
    system.keys.iter().map(sum).collect()
}

fn solves(system: &System, stretches: &[usize]) {
    let expected = system.solve(Backend::Portable, usize::MAX / 16, 0);
    for backend in backends() {
        for blocks in stretches {
            let solution = system.solve(backend, *blocks, 0);
            assert_eq!(solution, expected, "{backend:?}, stretches of {blocks} blocks");
        }
        let Ok(solution) = &expected else { continue };
        let filled = system.solve(backend, stretches[0], 0x1234 << 90).unwrap();
        for solution in [solution, &filled] {
            let (vector, _) = solution.as_chunks::<1>();
            assert_eq!(system.decode(backend, vector), system.values_in_order(), "{backend:?}");
        }
    }
}

#[test]
fn a_full_load_is_solved_on_every_backend() {
    for (width, count, seed) in [(208, 3000, 1), (248, 3000, 2), (100, 3000, 3), (64, 1000, 4), (65, 40, 5)] {
        let system = System::random(width, count, count * 11 / 10, seed);
        assert!(system.solve(Backend::best(), 1000, 0).is_ok(), "width {width}");
        solves(&system, &[10_000, 7, 50, 1]);
    }
}

#[test]
fn dense_loads_take_many_groups_and_fail_alike() {
    let mut outcomes = [0, 0];
    for seed in 0..60 {
        // Nearly as many equations as columns near one place, so that rows wait in great number.
        let system = System::random(200, 190 + usize::try_from(seed).unwrap() / 3, 8, seed);
        outcomes[usize::from(system.solve(Backend::best(), 100, 0).is_ok())] += 1;
        solves(&system, &[1000, 3]);
    }
    assert!(outcomes[0] > 5 && outcomes[1] > 5, "both ends occur: {outcomes:?}");
}

#[test]
fn equal_rows_are_dependent_however_many() {
    for copies in [2, 9, 255, 256, 257, 5000] {
        let mut system = System::random(208, copies, 1, 9);
        system.rows.fill([0x5A; ROW_BYTES]);
        for backend in backends() {
            assert_eq!(system.solve(backend, 1000, 0), Err(Dependent), "{backend:?}, {copies} copies");
        }
    }
}

#[test]
fn a_row_without_a_bit_is_dependent() {
    let mut system = System::random(20, 1, 1, 9);
    system.rows[0] = [0; ROW_BYTES];
    // What lies behind the band does not count.
    system.rows[0][3..].fill(0xFF);
    for backend in backends() {
        assert_eq!(system.solve(backend, 1000, 0), Err(Dependent), "{backend:?}");
    }
}

#[test]
fn nothing_is_solved_by_what_is_wanted_in_free_columns() {
    let system = System::random(208, 0, 100, 1);
    for backend in backends() {
        assert_eq!(system.solve(backend, 5, 7), Ok(vec![7; system.slots]));
        assert!(system.decode::<1>(backend, &vec![[0]; system.slots]).is_empty());
    }
}

#[test]
fn the_last_entries_are_reached_when_their_number_is_odd() {
    for backend in backends() {
        for slots in 208..230 {
            let keys = [Key { position: u32::try_from(slots - 208).unwrap(), index: 0 }];
            let vector: Vec<[u128; 2]> = (0..slots as u128).map(|entry| [1 << (entry % 128), entry]).collect();
            let mut out = [[0; 2]];
            decode_on(backend, 208, &keys, &[[0xFF; ROW_BYTES]], 0, &vector, &mut out);
            let expected = vector[slots - 208..].iter().fold([0; 2], |[a, b], [x, y]| [a ^ x, b ^ y]);
            assert_eq!(out, [expected], "{backend:?}, {slots} slots");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn backends_agree_on_solutions(
        width in 1_usize..=WIDTH_MAX,
        count in 0_usize..600,
        percent in 80_usize..400,
        blocks in 1_usize..40,
        seed: u64,
    ) {
        let system = System::random(width, count, (count * percent / 100).max(1), seed);
        solves(&system, &[blocks, 100_000]);
    }

    #[test]
    fn backends_agree_on_evaluation(
        width in 1_usize..=WIDTH_MAX,
        count in 0_usize..300,
        starts in prop_oneof![1_usize..50, 50_usize..1000, 1000_usize..200_000],
        seed: u64,
    ) {
        let system = System::random(width, count, starts, seed);
        let mut noise = Noise(seed);
        let vector: Vec<[u128; 2]> = (0..system.slots).map(|_| [noise.value(), noise.value()]).collect();
        let halves: [Vec<u128>; 2] = [0, 1].map(|half| vector.iter().map(|entry| entry[half]).collect());
        let expected = [evaluated(&system, &halves[0]), evaluated(&system, &halves[1])];
        for backend in backends() {
            let both = system.decode(backend, &vector);
            for half in [0, 1] {
                prop_assert_eq!(&both.iter().map(|out| out[half]).collect::<Vec<_>>(), &expected[half]);
                let (narrow, _) = halves[half].as_chunks::<1>();
                let narrow = system.decode(backend, narrow);
                prop_assert_eq!(narrow.as_flattened(), &expected[half][..]);
            }
        }
    }
}
