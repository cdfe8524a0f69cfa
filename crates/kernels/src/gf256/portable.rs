//! The definition of all results.

/// The lowest bit of every byte.
const LOWEST: u128 = u128::from_le_bytes([1; 16]);

/// Sixteen elements times x.
pub(crate) const fn times_x(elements: u128) -> u128 {
    let carries = elements >> 7 & LOWEST;
    // No byte overflows: 0x1B is below 0x100 and each carry is one bit.
    ((elements & !(LOWEST << 7)) << 1) ^ (carries * 0x1B)
}

/// Products of sixteen elements each.
const fn mul(a: u128, b: u128) -> u128 {
    let (mut product, mut multiple, mut bit) = (0, a, 0);
    while bit < 8 {
        let chosen = (b >> bit & LOWEST) * 0xFF;
        product ^= multiple & chosen;
        multiple = times_x(multiple);
        bit += 1;
    }
    product
}

/// The matrix of evaluation: what each bit of a value, from the lowest, adds to the row.
pub(super) fn generator(points: usize) -> [[u128; 2]; 128] {
    let mut numbers = [0_u8; super::ROW_ELEMENTS];
    let mut ones = numbers;
    for (number, point) in (0..).zip(&mut numbers[..points]) {
        *point = number;
    }
    ones[..points].fill(1);
    let [powers_of, mut power] = [numbers, ones].map(blocks);
    let mut rows = [[0; 2]; 128];
    for of_byte in rows.as_chunks_mut::<8>().0 {
        let mut row = power;
        for of_bit in of_byte {
            *of_bit = row;
            row = row.map(times_x);
        }
        power = [mul(power[0], powers_of[0]), mul(power[1], powers_of[1])];
    }
    rows
}

fn blocks(bytes: [u8; super::ROW_ELEMENTS]) -> [u128; 2] {
    let (low, high) = bytes.split_at(16);
    [low, high].map(|half| u128::from_le_bytes(half.try_into().expect("half a row has 16 bytes")))
}

pub(super) fn evaluate(points: usize, values: &[u128], rows: &mut [[u128; 2]]) {
    let generator = generator(points);
    for (value, row) in values.iter().zip(rows) {
        let mut sum = [0; 2];
        for (bit, added) in generator.iter().enumerate() {
            let chosen = (value >> bit & 1).wrapping_neg();
            sum[0] ^= added[0] & chosen;
            sum[1] ^= added[1] & chosen;
        }
        *row = sum;
    }
}

pub(super) fn mul_add_rows(factors: &[u128; 2], xs: &[[u128; 2]], acc: &mut [[u128; 2]]) {
    for (x, acc) in xs.iter().zip(acc) {
        acc[0] ^= mul(factors[0], x[0]);
        acc[1] ^= mul(factors[1], x[1]);
    }
}
