//! The definition of all results.

/// Columns from `first` on.
pub(super) fn bits(rows: &[u8], row_bytes: usize, first: usize, out: &mut [u128]) {
    for (column, out) in (first..).zip(out) {
        *out = (0..super::BIT_ROWS).fold(0, |sum, row| {
            let bit = rows[row * row_bytes + column / 8] >> (column % 8) & 1;
            sum | u128::from(bit) << row
        });
    }
}

/// Columns from `first` on.
pub(super) fn bytes(rows: &[u8], row_bytes: usize, first: usize, out: &mut [[u128; 2]]) {
    for (column, out) in (first..).zip(out) {
        let byte = |row: usize| rows[row * row_bytes + column];
        let block = |first: usize| u128::from_le_bytes(std::array::from_fn(|row| byte(first + row)));
        *out = [block(0), block(16)];
    }
}
