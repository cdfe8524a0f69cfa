use super::*;
use proptest::prelude::*;

fn kind(text: &str) -> KeyKind {
    text.parse().unwrap()
}

/// Each line: input, expected normal form; an empty expectation means invalid.
fn expect(text: &str, cases: &[(&str, &str)]) {
    let kind = kind(text);
    for (raw, expected) in cases {
        let expected = if expected.is_empty() { Err(Invalid) } else { Ok(Some((*expected).to_owned())) };
        assert_eq!(kind.normalise(raw), expected, "{text} {raw:?}");
    }
    for blank in ["", " ", "\t\u{3000}", "\u{FEFF}", "\u{200B} "] {
        assert_eq!(kind.normalise(blank), Ok(None), "{text} {blank:?}");
    }
}

#[test]
fn names_of_kinds_round_trip() {
    for text in [
        "us_ssn",
        "cn_resident_id",
        "cn_uscc",
        "phone(CN)",
        "phone(US)",
        "email",
        "iban",
        "lei",
        "text",
        "integer",
        "date(%Y-%m-%d)",
        "date(%m/%d/%Y|%Y-%m-%d)",
    ] {
        assert_eq!(kind(text).to_string(), text);
        let json = serde_json::to_string(&kind(text)).unwrap();
        assert_eq!(json, format!("\"{text}\""));
        assert_eq!(serde_json::from_str::<KeyKind>(&json).unwrap(), kind(text));
    }
    for (text, error) in [
        ("ssn", SpecError::KeyKind),
        ("phone", SpecError::KeyKind),
        ("phone(XX)", SpecError::PhoneRegion),
        ("phone(cn)", SpecError::PhoneRegion),
        ("date()", SpecError::DateFormat { index: 1 }),
        ("date(%Y-%m-%d|%Y)", SpecError::DateFormat { index: 2 }),
        ("date(%Q)", SpecError::DateFormat { index: 1 }),
        ("date(%m/%d)", SpecError::DateFormat { index: 1 }),
    ] {
        assert_eq!(text.parse::<KeyKind>(), Err(error), "{text}");
    }
}

#[test]
fn us_ssn() {
    expect(
        "us_ssn",
        &[
            ("123-45-6789", "123456789"),
            ("  001 01 0001\t", "001010001"),
            ("\u{FF11}23\u{2013}45\u{2212}6789", "123456789"),
            ("665456789", "665456789"),
            ("667456789", "667456789"),
            ("899456789", "899456789"),
            ("000456789", ""),
            ("666456789", ""),
            ("900456789", ""),
            ("999999999", ""),
            ("123006789", ""),
            ("123450000", ""),
            ("12345678", ""),
            ("1234567890", ""),
            ("12345678O", ""),
            ("123_45_6789", ""),
            ("-", ""),
        ],
    );
}

#[test]
fn cn_resident_id() {
    expect(
        "cn_resident_id",
        &[
            ("11010519491231002X", "11010519491231002X"),
            (" 11010519491231002x", "11010519491231002X"),
            ("\u{FF11}\u{FF11}010519491231002\u{FF58}", "11010519491231002X"),
            ("110105 19491231 002X", "11010519491231002X"),
            ("110105491231002", "11010519491231002X"),
            // One digit changed, two swapped, wrong check character.
            ("11010519491231003X", ""),
            ("11010519491213002X", ""),
            ("110105194912310020", ""),
            // Right check characters, but no such day, year or province.
            (&with_check("11010519490229002"), ""),
            (&with_check("11010519491301002"), ""),
            (&with_check("11010517991231002"), ""),
            (&with_check("11010521001231002"), ""),
            (&with_check("10010519491231002"), ""),
            (&with_check("99010519491231002"), ""),
            (&with_check("11010520000229002"), &with_check("11010520000229002")),
            ("11010549123100X", ""),
            ("110105490229002", ""),
            ("1101054912310021", ""),
            ("11010519491231002XX", ""),
            ("1101O519491231002X", ""),
        ],
    );
}

/// GB 11643 by its formula: with weight 2^i for the i-th digit from the right, the check digit being the 0-th, the
/// sum is 1 modulo 11.
fn with_check(first: &str) -> String {
    let sum: u32 = first.bytes().rev().zip(1..).map(|(c, i)| u32::from(c - b'0') * (2_u32.pow(i) % 11)).sum();
    let check = (12 - sum % 11) % 11;
    format!("{first}{}", if check == 10 { 'X' } else { char::from_digit(check, 10).unwrap() })
}

#[test]
fn cn_uscc() {
    expect(
        "cn_uscc",
        &[
            ("9144030071526726XG", "9144030071526726XG"),
            ("9144030071526726xg ", "9144030071526726XG"),
            ("91440300-71526726X-G", "9144030071526726XG"),
            ("91350100M000100Y43", "91350100M000100Y43"),
            ("9144030071526726XH", ""),
            ("9144030071526762XG", ""),
            ("9144030071526726X", ""),
            ("9144030071526726XGG", ""),
            ("91440300715267I6XG", ""),
            ("91A4030071526726XG", ""),
        ],
    );
    // Every check character by the formula, whatever the body.
    let alphabet = b"0123456789ABCDEFGHJKLMNPQRTUWXY";
    for n in 0..200_u32 {
        let body = format!("91{:06}{:09}", 110_000 + n, u64::from(n) * 7_919_317 % 1_000_000_000);
        let sum: u64 = body
            .bytes()
            .zip(0..)
            .map(|(c, i)| alphabet.iter().position(|a| *a == c).unwrap() as u64 * (3_u64.pow(i) % 31))
            .sum();
        let right = alphabet[((31 - sum % 31) % 31) as usize];
        for check in alphabet {
            let code = format!("{body}{}", char::from(*check));
            assert_eq!(kind("cn_uscc").normalise(&code).is_ok(), *check == right, "{code}");
        }
    }
}

#[test]
fn phone() {
    expect(
        "phone(CN)",
        &[
            ("15903986443", "+8615903986443"),
            ("+86 159 0398 6443", "+8615903986443"),
            ("+86-159-0398-6443", "+8615903986443"),
            ("0086 15903986443", "+8615903986443"),
            ("008615903986443", "+8615903986443"),
            ("00 86 159 0398 6443", "+8615903986443"),
            ("8615903986443", "+8615903986443"),
            ("159\u{2014}0398\u{2014}6443", "+8615903986443"),
            ("\u{FF0B}\u{FF18}\u{FF16}\u{FF11}5903986443", "+8615903986443"),
            ("\u{202D}15903986443\u{202C}", "+8615903986443"),
            ("010-62551234", "+861062551234"),
            ("(010) 6255 1234", "+861062551234"),
            ("+1 650 253 0000", "+16502530000"),
            ("1590398644", ""),
            ("159039864433", ""),
            ("12345", ""),
            ("1590398644x", ""),
            ("159+03986443", ""),
            ("tel:15903986443", ""),
            ("++8615903986443", ""),
            ("-", ""),
            ("+", ""),
            ("00", ""),
        ],
    );
    expect(
        "phone(US)",
        &[
            ("(650) 253-0000", "+16502530000"),
            ("650.253.0000", "+16502530000"),
            ("1-650-253-0000", "+16502530000"),
            ("011 44 20 7946 0018", "+442079460018"),
        ],
    );
    expect("phone(IT)", &[("06 698 12345", "+390669812345")]);
    expect("phone(GB)", &[("020 7946 0018", "+442079460018"), ("+44 20 7946 0018", "+442079460018")]);
}

/// The default region is for numbers without a country code; its national prefix is no part of foreign numbers.
#[test]
fn phone_numbers_with_a_country_code_are_the_same_in_every_region() {
    for (written, normal) in [
        ("+86 15903986443", "+8615903986443"),
        ("+39 06 698 12345", "+390669812345"),
        ("+49 1511 2345678", "+4915112345678"),
        ("+49 179 12345678", "+4917912345678"),
        ("+49 89 123456", "+4989123456"),
        ("+33 1 23 45 67 89", "+33123456789"),
        ("+44 (0)20 7946 0018", "+442079460018"),
        ("+81 80 1234 5678", "+818012345678"),
    ] {
        for region in ["CN", "US", "IT", "DE", "RU", "GB", "AR"] {
            expect(&format!("phone({region})"), &[(written, normal), (normal, normal)]);
        }
    }
    expect("phone(US)", &[("011 86 15903986443", "+8615903986443"), ("011 49 1511 2345678", "+4915112345678")]);
    expect("phone(CN)", &[("+44 1186112 61 1578 -4 2", "")]);
}

#[test]
fn email() {
    expect(
        "email",
        &[
            ("Jane.Doe@Example.COM ", "jane.doe@example.com"),
            ("jane\u{FF20}example.com", "jane@example.com"),
            ("JOS\u{C9}@B\u{DC}CHER.example", "jos\u{E9}@b\u{FC}cher.example"),
            ("JOSE\u{301}@b.co", "jos\u{E9}@b.co"),
            ("a+tag@b.co", "a+tag@b.co"),
            ("o'neil_1@sub.b.co", "o'neil_1@sub.b.co"),
            ("a@b", ""),
            ("@b.co", ""),
            ("a@", ""),
            ("a@@b.co", ""),
            ("a@b@c.co", ""),
            ("a b@c.co", ""),
            ("a.@b.co", ""),
            ("a..b@c.co", ""),
            ("a@-b.co", ""),
            ("a@b..co", ""),
            ("a@b.co.", ""),
            ("a@b_c.co", ""),
            ("<a@b.co>", ""),
            ("a@b.co,c@d.co", ""),
        ],
    );
    let long = format!("{}@b.co", "a".repeat(64));
    assert_eq!(kind("email").normalise(&long), Ok(Some(long.clone())));
    assert_eq!(kind("email").normalise(&format!("a{long}")), Err(Invalid));
}

#[test]
fn iban() {
    expect(
        "iban",
        &[
            ("GB29NWBK60161331926819", "GB29NWBK60161331926819"),
            ("gb29 nwbk 6016 1331 9268 19", "GB29NWBK60161331926819"),
            ("DE89-3704-0044-0532-0130-00", "DE89370400440532013000"),
            ("FR1420041010050500013M02606", "FR1420041010050500013M02606"),
            ("NO9386011117947", "NO9386011117947"),
            ("MT84MALT011000012345MTLCAST001S", "MT84MALT011000012345MTLCAST001S"),
            ("CH9300762011623852957", "CH9300762011623852957"),
            ("NL91ABNA0417164300", "NL91ABNA0417164300"),
            ("SA0380000000608010167519", "SA0380000000608010167519"),
            ("ES9121000418450200051332", "ES9121000418450200051332"),
            ("GB29NWBK60161331926818", ""),
            ("GB92NWBK60161331926819", ""),
            ("GB29NWBK6016133192681", ""),
            ("US29NWBK60161331926819", ""),
            ("GBX9NWBK60161331926819", ""),
            ("GB29NWBK6016133192681?", ""),
            ("GB", ""),
        ],
    );
}

#[test]
fn lei() {
    expect(
        "lei",
        &[
            ("5493001KJTIIGC8Y1R12", "5493001KJTIIGC8Y1R12"),
            ("5493001kjtiigc8y1r12", "5493001KJTIIGC8Y1R12"),
            ("5493-001K JTII-GC8Y 1R12", "5493001KJTIIGC8Y1R12"),
            ("5493001KJTIIGC8Y1R21", ""),
            ("5493001KJTIIGC8Y1R1", ""),
            ("5493001KJTIIGC8Y1R122", ""),
            ("5493001KJTIIGC8Y1RAB", ""),
        ],
    );
    // Check digits by the formula: 98 minus the remainder with 00 in their place.
    let body = "213800WSGIIZCXF1P5";
    let value = body.bytes().fold(0_u64, |rest, c| match c {
        b'0'..=b'9' => (rest * 10 + u64::from(c - b'0')) % 97,
        _ => (rest * 100 + u64::from(c - b'A') + 10) % 97,
    });
    let right = 98 - value * 100 % 97;
    for check in 0..100 {
        let code = format!("{body}{check:02}");
        assert_eq!(kind("lei").normalise(&code).is_ok(), check == right, "{code}");
    }
}

#[test]
fn text() {
    expect(
        "text",
        &[
            ("Jane  Doe", "jane doe"),
            ("\tJANE\u{3000}\u{A0}DOE\n", "jane doe"),
            ("\u{FF2A}\u{FF41}ne doe", "jane doe"),
            ("Stra\u{DF}e", "strasse"),
            ("STRASSE", "strasse"),
            ("e\u{301}", "\u{E9}"),
            ("\u{C9}", "\u{E9}"),
            ("\u{FB01}n", "fin"),
            ("\u{3A3}\u{3C2}\u{3C3}", "\u{3C3}\u{3C3}\u{3C3}"),
            ("\u{FF76}\u{FF9E}", "\u{30AC}"),
            ("\u{5F20}\u{4E09}", "\u{5F20}\u{4E09}"),
            ("zero\u{200B}width", "zerowidth"),
        ],
    );
}

#[test]
fn integer() {
    expect(
        "integer",
        &[
            ("0", "0"),
            ("-0", "0"),
            ("000", "0"),
            ("+007", "7"),
            ("-0042", "-42"),
            (" \u{FF14}\u{FF12} ", "42"),
            ("\u{2212}5", "-5"),
            ("1.0", ""),
            ("1,000", ""),
            ("1 000", ""),
            ("--1", ""),
            ("-", ""),
            ("+", ""),
            ("1e3", ""),
            ("0x10", ""),
            (&"9".repeat(64), &"9".repeat(64)),
            (&format!("-{}", "9".repeat(64)), &format!("-{}", "9".repeat(64))),
            (&"9".repeat(65), ""),
        ],
    );
}

#[test]
fn date() {
    expect(
        "date(%Y-%m-%d)",
        &[
            ("1999-02-08", "1999-02-08"),
            (" \u{FF11}999\u{FF0D}02-08 ", "1999-02-08"),
            ("1999-02-29", ""),
            ("02/08/1999", ""),
            ("1999-02-08x", ""),
            ("99-02-08", ""),
            ("12000-02-08", ""),
        ],
    );
    expect(
        "date(%m/%d/%Y|%Y-%m-%d)",
        &[("02/08/1999", "1999-02-08"), ("1999-02-08", "1999-02-08"), ("13/08/1999", ""), ("02/08/99", "")],
    );
    expect("date(%d.%m.%y)", &[("08.02.99", "1999-02-08"), ("08.02.68", "2068-02-08")]);
    expect("date(%Y%m%d)", &[("19990208", "1999-02-08")]);
}

/// Texts that look like identifiers often enough to reach the later rules.
fn likely() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "[0-9]{9}",
        "[ -]?[0-9]{3}-[0-9]{2}-[0-9]{4}",
        "[1-6][1-5][0-9]{4}(19|20)[0-9]{2}(0[1-9]|1[0-2])(0[1-9]|[12][0-9])[0-9]{3}[0-9Xx]",
        "[1-6][1-5][0-9]{4}[0-9]{2}(0[1-9]|1[0-2])(0[1-9]|[12][0-9])[0-9]{3}",
        "[+]?(86|0086|1|44)?[ -]?1[3-9][0-9]{9}",
        "[+(0-9)./ -]{0,24}",
        "[a-zA-Z0-9.+-]{1,12}@[a-zA-Z0-9-]{1,8}[.][a-z]{2,4}",
        "[+-]?[0-9]{1,30}",
        "(19|20)[0-9]{2}-[01][0-9]-[0-3][0-9]",
        "\\PC{0,20}",
        "[\u{300}-\u{370}\u{1E00}-\u{2000}\u{FB00}-\u{FFEF} @.a-zA-Z]{0,20}",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    #[test]
    fn normalising_twice_changes_nothing(raw in likely()) {
        for text in [
            "us_ssn", "cn_resident_id", "cn_uscc", "phone(CN)", "phone(US)", "email", "iban", "lei", "text", "integer",
            "date(%Y-%m-%d)", "date(%Y-%m-%d|%m/%d/%Y)",
        ] {
            let kind = kind(text);
            if let Ok(Some(once)) = kind.normalise(&raw) {
                prop_assert!(!once.is_empty());
                prop_assert_eq!(kind.normalise(&once), Ok(Some(once.clone())), "{}", text);
            }
        }
    }
}
