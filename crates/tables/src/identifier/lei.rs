//! Legal entity identifiers: ISO 17442.

use super::fold;

pub(super) const RULE: &str = "full-width forms to ASCII; blanks, invisible marks and dashes dropped; letters to \
    capitals; 20 letters and digits, the last two digits 02-98; ISO 7064 MOD 97-10; 20 characters";

pub(super) const SAMPLES: &[&str] = &[
    "5493001KJTIIGC8Y1R12",
    "5493001kjtiigc8y1r12",
    " 5493 001K JTII GC8Y 1R12",
    "5493001KJTIIGC8Y1R13",
    "5493001KJTIIGC8Y1R1",
    "5493001KJTIIGC8Y1RAB",
    "",
];

pub(super) fn normalise(raw: &str, out: &mut String) -> Option<()> {
    let (code, len) = fold::compact::<20>(raw, true)?;
    if len != 20 || !(2..=98).contains(&fold::number(&code[18..])?) || fold::mod_97(code.into_iter())? != 1 {
        return None;
    }
    fold::append(out, &code);
    Some(())
}
