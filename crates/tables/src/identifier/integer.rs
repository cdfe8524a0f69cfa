//! Whole numbers, such as account or customer numbers.

use super::fold;

pub(super) const RULE: &str = "full-width forms to ASCII; blanks and invisible marks around the number dropped; an \
    optional sign (plus or a dash), then digits only; leading zeros and plus dropped; minus zero is zero; at most 64 \
    digits";

pub(super) const SAMPLES: &[&str] = &[
    "0",
    "-0",
    "+7",
    "007",
    " 42 ",
    "-0013",
    "\u{2212}5",
    "\u{FF14}\u{FF12}",
    "1.0",
    "1,000",
    "1 000",
    "--1",
    "-",
    "+",
    "12a",
    "",
    "12345678901234567890123456789012345678901234567890123456789012345",
];

const DIGITS_MAX: usize = 64;

pub(super) fn normalise(raw: &str, out: &mut String) -> Option<()> {
    let trimmed = raw.trim_matches(|c: char| c.is_whitespace() || fold::is_invisible(c));
    let mut characters = trimmed.chars().map(fold::half_width).peekable();
    let negative = characters.next_if(|c| fold::is_dash(*c)).is_some();
    if !negative {
        characters.next_if_eq(&'+');
    }
    characters.peek()?;
    let start = out.len();
    let mut zeros = true;
    for c in characters {
        if !c.is_ascii_digit() {
            return None;
        }
        zeros &= c == '0';
        if !zeros {
            if negative && out.len() == start {
                out.push('-');
            }
            out.push(c);
        }
    }
    if zeros {
        out.push('0');
    }
    (out.len() - start <= DIGITS_MAX + usize::from(negative)).then_some(())
}
