//! Rules that crates hold apart because they may not import each other, compared here.

use symbolon_policy::Padding;

#[test]
fn policy_protocols_and_tables_pad_alike() {
    let near_powers = (0..=40).flat_map(|power: u32| {
        let two = 1_u64 << power;
        [two.saturating_sub(1), two, two + 1, two + two / 16, two + two / 16 + 1]
    });
    for rows in (0..5_000).chain(near_powers) {
        let padded = symbolon_psi::padded_rows(rows);
        assert_eq!(Padding::Sixteenth.padded(rows), padded, "policy and psi pad {rows} rows alike");
        assert_eq!(symbolon_tables::card::padded_rows(rows), padded, "tables and psi pad {rows} rows alike");
    }
}

#[test]
fn policy_and_protocols_name_protocols_alike() {
    let of_policy: Vec<&str> = symbolon_policy::Protocol::ALL.iter().map(|protocol| protocol.as_str()).collect();
    let of_psi: Vec<&str> = symbolon_psi::Protocol::ALL.iter().map(|protocol| protocol.as_str()).collect();
    assert_eq!(of_policy, of_psi);
}
