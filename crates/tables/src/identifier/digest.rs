//! The digest that two institutions compare before they join.

use super::{
    KeyKind, NORMALISER_VERSION, Outcome, cn_resident_id, cn_uscc, date, email, iban, integer, lei, phone, text, us_ssn,
};
use sha2::{Digest, Sha256};
use std::sync::OnceLock;

/// Returns the SHA-256 of the rules: their version and texts, the versions of the Unicode tables, the telephone
/// tables, and for a fixed list of inputs what the running code makes of them. So a changed rule changes the digest,
/// whether its text, its tables or its code changed, as far as the list of inputs shows it.
#[must_use]
pub fn rules_digest() -> [u8; 32] {
    static DIGEST: OnceLock<[u8; 32]> = OnceLock::new();
    *DIGEST.get_or_init(|| compute(&KeyKind::normalise_into))
}

/// What the rules do with a value, see [`KeyKind::normalise_into`].
type Normalise<'a> = dyn Fn(&KeyKind, &str, &mut String) -> Outcome + 'a;

fn compute(normalise: &Normalise<'_>) -> [u8; 32] {
    let mut hash = Sha256::new();
    part(&mut hash, NORMALISER_VERSION.as_bytes());
    part(&mut hash, COMPOSITE_RULE.as_bytes());
    let composition = unicode_normalization::UNICODE_VERSION;
    part(&mut hash, &[composition.0, composition.1, composition.2]);
    let folding = caseless::UNICODE_VERSION;
    for number in [folding.0, folding.1, folding.2] {
        part(&mut hash, &number.to_be_bytes());
    }
    let plain: [(KeyKind, &str, &[&str]); 8] = [
        (KeyKind::UsSsn, us_ssn::RULE, us_ssn::SAMPLES),
        (KeyKind::CnResidentId, cn_resident_id::RULE, cn_resident_id::SAMPLES),
        (KeyKind::CnUscc, cn_uscc::RULE, cn_uscc::SAMPLES),
        (KeyKind::Email, email::RULE, email::SAMPLES),
        (KeyKind::Iban, iban::RULE, iban::SAMPLES),
        (KeyKind::Lei, lei::RULE, lei::SAMPLES),
        (KeyKind::Text, text::RULE, text::SAMPLES),
        (KeyKind::Integer, integer::RULE, integer::SAMPLES),
    ];
    for (kind, rule, samples) in plain {
        part(&mut hash, rule.as_bytes());
        for sample in samples {
            run(&mut hash, normalise, &kind, sample);
        }
    }
    part(&mut hash, phone::RULE.as_bytes());
    phone::tables(&mut |bytes| part(&mut hash, bytes));
    for (region, sample) in phone::SAMPLES {
        if let Ok(region) = region.parse() {
            run(&mut hash, normalise, &KeyKind::Phone(region), sample);
        }
    }
    part(&mut hash, date::RULE.as_bytes());
    for (formats, sample) in date::SAMPLES {
        if let Ok(formats) = formats.parse() {
            run(&mut hash, normalise, &KeyKind::Date(formats), sample);
        }
    }
    hash.finalize().into()
}

/// How the parts of a composite key are put together; see [`crate::load`].
const COMPOSITE_RULE: &str = "one part: its bytes; several: each preceded by its length in four bytes, big-endian; \
    null if a part is null; else invalid if a part is invalid";

fn run(hash: &mut Sha256, normalise: &Normalise<'_>, kind: &KeyKind, sample: &str) {
    let mut out = String::new();
    let outcome = normalise(kind, sample, &mut out);
    part(hash, kind.to_string().as_bytes());
    part(hash, sample.as_bytes());
    match outcome {
        Outcome::Usable => {
            part(hash, b"usable");
            part(hash, out.as_bytes());
        }
        Outcome::Null => part(hash, b"null"),
        Outcome::Invalid => part(hash, b"invalid"),
    }
}

fn part(hash: &mut Sha256, bytes: &[u8]) {
    hash.update((bytes.len() as u64).to_be_bytes());
    hash.update(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    #[test]
    fn any_changed_outcome_changes_the_digest() {
        let count = Cell::new(0);
        let plain = compute(&|kind, raw, out| {
            count.set(count.get() + 1);
            kind.normalise_into(raw, out)
        });
        assert_eq!(plain, rules_digest());
        let samples: usize = count.get();
        assert!(samples > 120);
        for changed in 0..samples {
            let n = Cell::new(0);
            let digest = compute(&|kind, raw, out| {
                let outcome = kind.normalise_into(raw, out);
                let here = n.replace(n.get() + 1) == changed;
                match outcome {
                    Outcome::Usable if here => {
                        out.push('x');
                        Outcome::Usable
                    }
                    Outcome::Invalid if here => Outcome::Null,
                    Outcome::Null if here => Outcome::Invalid,
                    other => other,
                }
            });
            assert_ne!(digest, plain, "sample {changed}");
        }
    }

    #[test]
    fn every_sample_has_its_region_and_formats() {
        for (region, _) in phone::SAMPLES {
            assert!(region.parse::<super::super::Region>().is_ok());
        }
        for (formats, _) in date::SAMPLES {
            assert!(formats.parse::<super::super::DateFormats>().is_ok());
        }
    }
}
