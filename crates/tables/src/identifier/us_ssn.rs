//! Social security numbers of the United States.

use super::fold;

pub(super) const RULE: &str = "full-width forms to ASCII; blanks, invisible marks and dashes dropped; exactly nine \
    digits; area 000, 666 and 900-999, group 00 and serial 0000 are invalid; nine digits";

pub(super) const SAMPLES: &[&str] = &[
    "123-45-6789",
    " 123456789 ",
    "123 45 6789",
    "\u{FF11}\u{FF12}\u{FF13}\u{FF14}\u{FF15}\u{FF16}\u{FF17}\u{FF18}\u{FF19}",
    "000-45-6789",
    "666-45-6789",
    "900-45-6789",
    "999456789",
    "899-45-6789",
    "123-00-6789",
    "123-45-0000",
    "12345678",
    "1234567890",
    "12345678x",
    "",
    " - ",
];

pub(super) fn normalise(raw: &str, out: &mut String) -> Option<()> {
    let (digits, len) = fold::compact::<9>(raw, true)?;
    if len != 9 {
        return None;
    }
    let area = fold::number(&digits[..3])?;
    let group = fold::number(&digits[3..5])?;
    let serial = fold::number(&digits[5..])?;
    if matches!(area, 0 | 666 | 900..) || group == 0 || serial == 0 {
        return None;
    }
    fold::append(out, &digits);
    Some(())
}
