use proptest::prelude::*;

use super::*;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn bits_are_where_they_belong(row_bytes in 0_usize..70, spare in 0_usize..9, seed: u64) {
        let rows = noise(seed, BIT_ROWS * row_bytes);
        let columns = (8 * row_bytes).saturating_sub(spare);
        for backend in Backend::all() {
            let mut out = vec![u128::MAX; columns];
            bits_on(backend, &rows, &mut out);
            for (j, column) in out.iter().enumerate() {
                for i in 0..BIT_ROWS {
                    prop_assert_eq!((column >> i & 1) as u8, rows[i * row_bytes + j / 8] >> (j % 8) & 1);
                }
            }
        }
    }

    #[test]
    fn bytes_are_where_they_belong(row_bytes in 0_usize..200, spare in 0_usize..20, seed: u64) {
        let rows = noise(seed, BYTE_ROWS * row_bytes);
        let columns = row_bytes.saturating_sub(spare);
        for backend in Backend::all() {
            let mut out = vec![[u128::MAX; 2]; columns];
            bytes_on(backend, &rows, &mut out);
        for (j, column) in out.iter().enumerate() {
            let column = [column[0].to_le_bytes(), column[1].to_le_bytes()].concat();
            for (i, byte) in column.into_iter().enumerate() {
                prop_assert_eq!(byte, rows[i * row_bytes + j]);
            }
        }
        }
    }
}

/// Some bytes that depend on `seed` only.
fn noise(seed: u64, count: usize) -> Vec<u8> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(0x5851_F42D_4C95_7F2D).wrapping_add(0x1405_7B7E_F767_814F);
        state.to_be_bytes()[0]
    };
    (0..count).map(|_| next()).collect()
}

#[test]
fn a_row_too_short_is_refused() {
    assert!(std::panic::catch_unwind(|| bits(&[0; BIT_ROWS], &mut [0; 9])).is_err());
    assert!(std::panic::catch_unwind(|| bits(&[0; BIT_ROWS - 1], &mut [])).is_err());
    assert!(std::panic::catch_unwind(|| bytes(&[0; BYTE_ROWS], &mut [[0; 2]; 2])).is_err());
}
