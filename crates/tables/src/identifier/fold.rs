//! What identifiers have in common: blanks, invisible marks, dashes, full-width characters, check sums.

/// Tells whether a character shows nothing: byte order mark, zero-width and direction marks, soft hyphen.
pub(super) const fn is_invisible(c: char) -> bool {
    matches!(c, '\u{00AD}' | '\u{061C}' | '\u{180E}' | '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{2064}' | '\u{2066}'..='\u{206F}' | '\u{FEFF}')
}

/// Tells whether a text has only blanks and invisible marks.
pub(super) fn is_blank(raw: &str) -> bool {
    raw.chars().all(|c| c.is_whitespace() || is_invisible(c))
}

/// Tells whether a character is one of the dashes people type.
pub(super) const fn is_dash(c: char) -> bool {
    matches!(c, '-' | '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{FE58}' | '\u{FE63}' | '\u{FF0D}')
}

/// Turns a full-width form into its ASCII character.
pub(super) fn half_width(c: char) -> char {
    match c {
        '\u{FF01}'..='\u{FF5E}' => char::from_u32(u32::from(c) - 0xFEE0).unwrap_or(c),
        '\u{3000}' => ' ',
        _ => c,
    }
}

/// Writes the ASCII letters (as capitals) and digits of an identifier into `buffer`: full-width forms become ASCII,
/// blanks, invisible marks and, if asked, dashes are dropped. Nothing if another character occurs or the text has
/// more than `N` characters.
pub(super) fn compact<const N: usize>(raw: &str, drop_dashes: bool) -> Option<([u8; N], usize)> {
    let mut buffer = [0; N];
    let mut len = 0;
    for c in raw.chars() {
        let c = half_width(c);
        if c.is_whitespace() || is_invisible(c) || (drop_dashes && is_dash(c)) {
            continue;
        }
        if !c.is_ascii_alphanumeric() {
            return None;
        }
        *buffer.get_mut(len)? = u8::try_from(c).ok()?.to_ascii_uppercase();
        len += 1;
    }
    Some((buffer, len))
}

/// Returns the decimal value of ASCII digits, nothing if one is not a digit.
pub(super) fn number(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0_u32, |value, digit| {
        let digit = digit.is_ascii_digit().then(|| u32::from(digit - b'0'))?;
        value.checked_mul(10)?.checked_add(digit)
    })
}

/// Appends ASCII bytes to a text.
pub(super) fn append(out: &mut String, ascii: &[u8]) {
    out.extend(ascii.iter().map(|byte| char::from(*byte)));
}

/// Returns the remainder by 97 of a number in which A stands for 10, B for 11 and so on (ISO 7064 MOD 97-10).
/// Nothing if a character is not a capital letter or digit.
pub(super) fn mod_97(characters: impl Iterator<Item = u8>) -> Option<u32> {
    characters.into_iter().try_fold(0, |rest: u32, c| match c {
        b'0'..=b'9' => Some((rest * 10 + u32::from(c - b'0')) % 97),
        b'A'..=b'Z' => Some((rest * 100 + u32::from(c - b'A') + 10) % 97),
        _ => None,
    })
}
