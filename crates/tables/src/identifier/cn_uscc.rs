//! Unified social credit codes of China: GB 32100-2015.

use super::fold;

pub(super) const RULE: &str = "full-width forms to ASCII; blanks, invisible marks and dashes dropped; letters to \
    capitals; 18 characters of 0-9 and A-Z without I, O, S, V, Z; places 3 to 8 are digits; the check character of \
    GB 32100 must hold; 18 characters";

pub(super) const SAMPLES: &[&str] = &[
    "9144030071526726XG",
    "9144030071526726xg",
    " 91440300-71526726X-G",
    "\u{FF19}144030071526726XG",
    "9144030071526726XH",
    "9144030071526726X",
    "91O40300715267260G",
    "914403A071526726XG",
    "91350100M000100Y43",
    "",
];

const ALPHABET: &[u8; 31] = b"0123456789ABCDEFGHJKLMNPQRTUWXY";

pub(super) fn normalise(raw: &str, out: &mut String) -> Option<()> {
    let (code, len) = fold::compact::<18>(raw, true)?;
    if len != 18 || !code[2..8].iter().all(u8::is_ascii_digit) {
        return None;
    }
    // Weights are powers of 3 modulo 31; the check value makes the sum divisible by 31.
    let mut sum = 0;
    let mut weight = 1;
    for c in &code[..17] {
        sum += value(*c)? * weight;
        weight = weight * 3 % 31;
    }
    if !(sum + value(code[17])?).is_multiple_of(31) {
        return None;
    }
    fold::append(out, &code);
    Some(())
}

fn value(c: u8) -> Option<usize> {
    ALPHABET.iter().position(|letter| *letter == c)
}
