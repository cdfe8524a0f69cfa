//! Key kinds and values: a normal form is its own normal form, and the word of a kind reads as that kind.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use symbolon_tables::{ColumnType, KeyKind};

static KINDS: LazyLock<Vec<KeyKind>> = LazyLock::new(|| {
    let words = [
        "us_ssn",
        "cn_resident_id",
        "cn_uscc",
        "phone(CN)",
        "phone(US)",
        "phone(IT)",
        "phone(AR)",
        "email",
        "iban",
        "lei",
        "text",
        "integer",
        "date(%Y-%m-%d)",
        // Formats whose first is not year-month-day are not idempotent, and say so.
        "date(%Y-%m-%d|%m/%d/%Y|%d.%m.%y|%d %b %Y)",
    ];
    words.into_iter().map(|word| word.parse().expect("a documented kind")).collect()
});

fuzz_target!(|input: (u8, &str)| {
    let (choice, value) = input;
    let kind = &KINDS[usize::from(choice) % KINDS.len()];
    if let Ok(Some(normal)) = kind.normalise(value) {
        assert!(!normal.is_empty() && normal.trim() == normal, "{kind}: {value:?} gives {normal:?}");
        assert_eq!(kind.normalise(&normal), Ok(Some(normal.clone())), "{kind}: {value:?} gives {normal:?}");
        // Blanks around a value are no part of it.
        assert_eq!(kind.normalise(&format!(" {value}\t")), Ok(Some(normal)), "{kind}: {value:?}");
    }
    if let Ok(kind) = value.parse::<KeyKind>() {
        assert_eq!(kind.to_string().parse::<KeyKind>().as_ref(), Ok(&kind));
        // Whatever the formats are, reading must end, and give a date of the calendar.
        if let Ok(Some(date)) = kind.normalise("2024-02-29")
            && matches!(kind, KeyKind::Date(_))
        {
            assert_eq!(KINDS[12].normalise(&date), Ok(Some(date)));
        }
    }
    if let Ok(column) = value.parse::<ColumnType>() {
        assert_eq!(column.to_string().parse::<ColumnType>(), Ok(column));
    }
});
