//! Any text: names, references, account names.

use super::fold::is_invisible;
use unicode_normalization::UnicodeNormalization;

pub(super) const RULE: &str = "invisible marks dropped, NFKC, full case folding, repeated until nothing changes (at \
    most eight times); blanks around dropped; each run of inner blanks to one space; nothing left is invalid";

pub(super) const SAMPLES: &[&str] = &[
    "Jane  Doe",
    " jane\tdoe ",
    "JANE\u{3000}DOE",
    "\u{FF2A}ane doe",
    "stra\u{DF}e",
    "STRASSE",
    "\u{1E9E}",
    "e\u{301}",
    "\u{C9}",
    "\u{FB01}",
    "\u{130}",
    "\u{3A3}\u{3C2}",
    "\u{345}\u{1F80}",
    "\u{5F20}\u{4E09}",
    "zero\u{200B}width",
    "\u{FF76}\u{FF9E}",
    "",
    "\u{200B}",
];

/// How letters are made alike.
#[derive(Debug, Clone, Copy)]
pub(super) enum Case {
    /// Full case folding of Unicode.
    Fold,
    /// Lower case of Unicode.
    Lower,
}

/// Normalisation reaches a fixed point after two or three rounds; the bound only ends the loop for certain.
const ROUNDS_MAX: usize = 8;

pub(super) fn normalise(raw: &str, out: &mut String) -> Option<()> {
    let folded = stable(raw, Case::Fold)?;
    let start = out.len();
    for word in folded.split_whitespace() {
        if out.len() > start {
            out.push(' ');
        }
        out.push_str(word);
    }
    (out.len() > start).then_some(())
}

/// Applies NFKC and case mapping until nothing changes, without invisible marks.
pub(super) fn stable(raw: &str, case: Case) -> Option<String> {
    if raw.is_ascii() {
        return Some(raw.to_ascii_lowercase());
    }
    let mut current: String = raw.chars().filter(|c| !is_invisible(*c)).collect();
    for _ in 0..ROUNDS_MAX {
        let cased = match case {
            Case::Fold => caseless::default_case_fold_str(&current.nfkc().collect::<String>()),
            // Character by character: the final form of sigma must not depend on its neighbours.
            Case::Lower => current.nfkc().flat_map(char::to_lowercase).collect(),
        };
        let next: String = cased.nfkc().filter(|c| !is_invisible(*c)).collect();
        if next == current {
            return Some(next);
        }
        current = next;
    }
    None
}
