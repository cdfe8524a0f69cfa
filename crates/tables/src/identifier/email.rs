//! Email addresses.

use super::text;

pub(super) const RULE: &str = "invisible marks dropped, blanks around dropped, NFKC, lower case of the whole address, \
    repeated until nothing changes; one @; 1 to 64 bytes before it; after it at least two labels of letters, digits \
    and inner hyphens, 63 bytes at most each; no blanks, quotes, brackets, commas, colons, semicolons, backslashes or \
    control characters; no dot first, last or twice before the @; 254 bytes at most";

pub(super) const SAMPLES: &[&str] = &[
    "Jane.Doe@Example.COM",
    " jane.doe@example.com ",
    "jane\u{FF20}example.com",
    "JOS\u{C9}@b\u{FC}cher.example",
    "a@b.co",
    "a+tag@b.co",
    "a@b",
    "@b.co",
    "a@@b.co",
    "a b@c.co",
    "a.@b.co",
    ".a@b.co",
    "a..a@b.co",
    "a@-b.co",
    "a@b..co",
    "a@b.co.",
    "a,b@c.co",
    "",
];

pub(super) fn normalise(raw: &str, out: &mut String) -> Option<()> {
    let address = text::stable(raw, text::Case::Lower)?;
    let address = address.trim();
    let (local, domain) = address.split_once('@')?;
    let dots = local.starts_with('.') || local.ends_with('.') || local.contains("..");
    let sizes = (1..=64).contains(&local.len()) && address.len() <= 254;
    if !sizes || dots || local.chars().any(forbidden) || !domain.contains('.') || !domain.split('.').all(label) {
        return None;
    }
    out.push_str(address);
    Some(())
}

fn forbidden(c: char) -> bool {
    c.is_whitespace() || c.is_control() || matches!(c, '"' | '(' | ')' | '<' | '>' | '[' | ']' | ',' | ':' | ';' | '\\')
}

fn label(part: &str) -> bool {
    (1..=63).contains(&part.len())
        && !part.starts_with('-')
        && !part.ends_with('-')
        && part.chars().all(|c| c == '-' || c.is_alphanumeric() || (!c.is_ascii() && !c.is_whitespace()))
}
