//! Padding of set sizes: what the peer sees instead of the exact number of rows.

/// Rounds `rows` up to the next sixteenth of a power of two: at most 6.25 % more, and never zero.
///
/// Up to 16 rows nothing is added. Both sides declare the result, so the peer learns the size to within one
/// sixteenth.
///
/// ```
/// use symbolon_psi::padded_rows;
/// assert_eq!(padded_rows(0), 1);
/// assert_eq!(padded_rows(16), 16);
/// assert_eq!(padded_rows(1_000), 1_024);
/// assert_eq!(padded_rows(1_025), 1_088);
/// ```
#[must_use]
pub const fn padded_rows(rows: u64) -> u64 {
    if rows <= 16 {
        return if rows == 0 { 1 } else { rows };
    }
    let step = 1 << (rows.ilog2() - 4);
    let rest = rows % step;
    if rest == 0 { rows } else { rows.saturating_add(step - rest) }
}

#[cfg(test)]
mod tests {
    use super::padded_rows;

    #[test]
    fn never_less_and_at_most_a_sixteenth_more() {
        for rows in (0..70_000).chain((1 << 20) - 40..(1 << 20) + 40) {
            let padded = padded_rows(rows);
            assert!(padded >= rows.max(1));
            assert!((padded - rows.max(1)) * 16 <= rows, "{rows} -> {padded}");
            assert_eq!(padded_rows(padded), padded, "padding is stable");
        }
    }

    #[test]
    fn few_distinct_sizes_are_visible() {
        let sizes: std::collections::BTreeSet<u64> = (1 << 19..1 << 20).step_by(101).map(padded_rows).collect();
        assert!(sizes.len() <= 17);
    }
}
