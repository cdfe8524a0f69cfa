//! Resident identity numbers of China: GB 11643-1999, and the form of 15 digits used before.

use super::fold;
use chrono::NaiveDate;

pub(super) const RULE: &str = "full-width forms to ASCII; blanks and invisible marks dropped; letters to capitals; \
    15 digits become 17 by 19 before the year; the first two digits a province code (11-15, 21-23, 31-37, 41-46, \
    50-54, 61-65, 71, 81-83, 91); a date of the calendar from 1800 to 2099 in places 7 to 14; the check character \
    of GB 11643 must hold, or is added to 17 digits that came from 15; 18 characters";

pub(super) const SAMPLES: &[&str] = &[
    "11010519491231002X",
    "11010519491231002x",
    " 110105 19491231 002X ",
    "\u{FF11}\u{FF11}\u{FF10}\u{FF11}\u{FF10}\u{FF15}19491231002\u{FF38}",
    "110105491231002",
    "440524188001010014",
    "110105194912310021",
    "11010519491331002X",
    "11010519490229002X",
    "99010519491231002X",
    "1101051949123100",
    "110105-19491231-002X",
    "A1010519491231002X",
    "",
];

/// Weights of the first 17 digits (2^17 to 2^1 modulo 11).
const WEIGHTS: [u32; 17] = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
/// The check character for each remainder modulo 11.
const CHECKS: &[u8; 11] = b"10X98765432";

pub(super) fn normalise(raw: &str, out: &mut String) -> Option<()> {
    let (given, len) = fold::compact::<18>(raw, false)?;
    let mut id = given;
    match len {
        15 => {
            id[6..8].copy_from_slice(b"19");
            id[8..17].copy_from_slice(&given[6..15]);
            id[17] = check(&id)?;
        }
        18 if check(&id)? == id[17] => {}
        _ => return None,
    }
    if !plausible_province(fold::number(&id[..2])?) {
        return None;
    }
    let year = fold::number(&id[6..10])?;
    if !(1800..=2099).contains(&year) {
        return None;
    }
    NaiveDate::from_ymd_opt(i32::try_from(year).ok()?, fold::number(&id[10..12])?, fold::number(&id[12..14])?)?;
    fold::append(out, &id);
    Some(())
}

/// Returns the check character of the first 17 digits, nothing if one is not a digit.
fn check(id: &[u8; 18]) -> Option<u8> {
    let sum = id
        .iter()
        .zip(WEIGHTS)
        .try_fold(0, |sum, (digit, weight)| digit.is_ascii_digit().then(|| sum + u32::from(digit - b'0') * weight))?;
    CHECKS.get((sum % 11) as usize).copied()
}

const fn plausible_province(code: u32) -> bool {
    matches!(code, 11..=15 | 21..=23 | 31..=37 | 41..=46 | 50..=54 | 61..=65 | 71 | 81..=83 | 91)
}
