//! Any agreement: document, canonical bytes and identifier belong together.

use proptest::prelude::*;

use super::super::*;
use crate::fixtures::{column, key, text};
use crate::signed::SignedAgreement;
use crate::text::Text;

/// Texts of a small alphabet, so that shifted borders between fields come up, and of any that show.
fn any_text<const MAX: usize>() -> impl Strategy<Value = Text<MAX>> {
    prop_oneof!["[ab]{1,3}", "[\"'\\\\#=\\[\\]{}é行a-z0-9 ,.]{1,40}", "\\PC{1,30}"]
        .prop_filter_map("does not show as it is", |candidate| Text::new(&candidate).ok())
}

fn any_time(from: i64, to: i64) -> impl Strategy<Value = Timestamp> {
    (from..to).prop_map(|seconds| Timestamp::from_unix_seconds(seconds).unwrap())
}

prop_compose! {
    fn any_party(seed: u8)(
        name in any_text(),
        table in any_text(),
        kinds in Just(["us_ssn", "date"]),
        option in "[a-z%/]{0,5}",
        parts in 1_usize..3,
        duplicates in proptest::sample::select(Duplicates::ALL),
        rows in (0_u64..=100, 100_u64..=u64::from(u32::MAX)),
        extra in proptest::collection::vec(any_text::<128>(), 0..4),
        column_use in proptest::sample::select(ColumnUse::ALL),
        bytes_max in proptest::option::of(1_u32..=65_535),
        approvers in 0_usize..4,
        approvals in 1_usize..4,
        title in "[a-z]{1,3}",
    ) -> Party {
        let mut columns = vec![
            column("k0", "text", ColumnUse::JoinOnly, None),
            column("k1", "date", ColumnUse::AfterMatch, None),
        ];
        for name in extra {
            if !columns.iter().any(|column| column.name == name) {
                let bytes_max = if column_use == ColumnUse::AfterMatch { bytes_max.or(Some(1)) } else { bytes_max };
                columns.push(Column { name, column_type: text("text"), column_use, bytes_max });
            }
        }
        let part = |index: usize| KeyPart {
            column: text(["k0", "k1"][index]),
            kind: text(&format!("{}({option})", kinds[index])),
        };
        Party {
            name,
            organisation_key: key(seed).verifying_key(),
            tls_spki: Digest::of(&[seed]),
            table,
            key: (0..parts).map(part).collect(),
            duplicates,
            rows_min: rows.0,
            rows_max: rows.1,
            columns,
            approvals_min: approvals.min(approvers) as u64,
            approvers: (0..approvers)
                .zip(20 * seed..)
                .map(|(index, seed)| Approver { name: text(&format!("{index} {title}")), key: key(seed).verifying_key() })
                .collect(),
        }
    }
}

prop_compose! {
    fn any_optional()(
        replaces in proptest::option::of(any::<[u8; 32]>()),
        receipt_count in any::<bool>(),
        period in proptest::sample::select(Period::ALL),
        periodic in proptest::option::of((proptest::option::of(Just(1_u64)), 1_u64..3)),
        limits in [proptest::option::of(1_u64..=i64::MAX as u64), proptest::option::of(1_u64..=3)],
        epsilon in proptest::option::of(0_u64..=1_000_000_000),
    ) -> OptionalTerms {
        OptionalTerms {
            replaces: replaces.map(AgreementId::from_bytes),
            // It depends on other terms, see the cases above.
            release_count: ReleaseCount::None,
            receipt_count,
            period: periodic.map(|_| period),
            runs_per_period: periodic.and_then(|(runs, _)| runs),
            rows_per_period: periodic.map(|(_, rows)| rows),
            snapshots_max: limits[0],
            epsilon_max: epsilon.map(|millionths| Epsilon::from_millionths(millionths).unwrap()),
            lookups_max: limits[1],
            semi_honest: Some(SemiHonest::Accepted),
        }
    }
}

prop_compose! {
    fn any_terms()(
        title in any_text(),
        purpose in any_text(),
        valid_from in any_time(0, 2_000_000_000),
        valid_until in any_time(2_000_000_000, 253_402_300_800),
        numbers in (1_u64..=i64::MAX as u64, 3_u64..=i64::MAX as u64, 0_u64..=100),
        version in any_text(),
        digest in any::<[u8; 32]>(),
        mut parties in [any_party(1), any_party(2)],
        allow in proptest::sample::subsequence(rules(), 1..=15),
        optional in any_optional(),
    ) -> Terms {
        let parts = parties[0].key.len().min(parties[1].key.len());
        parties.iter_mut().for_each(|party| party.key.truncate(parts));
        if parties[0].name == parties[1].name {
            parties[1].name = text(if parties[0].name.as_str() == "x" { "y" } else { "x" });
        }
        Terms {
            title,
            purpose,
            valid_from,
            valid_until,
            runs_max: numbers.0,
            rows_total_max: numbers.1,
            intersection_min: numbers.2,
            normaliser: Normaliser { version, digest: Digest::from_bytes(digest) },
            padding: Padding::Sixteenth,
            parties,
            allow,
            optional,
        }
    }
}

/// Every rule an agreement can have.
fn rules() -> Vec<Allowance> {
    let rule = |protocol, result, to| Allowance { protocol, result, to };
    let mut rules = vec![rule(Protocol::EcdhMutual, ResultKind::Match, Recipients::Both)];
    for seat in Seat::BOTH {
        let to = Recipients::One(seat);
        for protocol in [Protocol::EcdhOprf, Protocol::Rr22Silent, Protocol::Rr22SmallField] {
            rules.push(rule(protocol, ResultKind::Match, to));
            rules.push(rule(protocol, ResultKind::Enrich, to));
        }
        rules.push(rule(Protocol::EcdhCardinality, ResultKind::Count, to));
    }
    rules
}

proptest! {
    #[test]
    fn the_document_gives_the_same_canonical_bytes_back(terms in any_terms()) {
        let agreement = Agreement::new(terms).unwrap();
        let document = SignedAgreement::draft(agreement.clone()).to_toml();
        let again = SignedAgreement::from_toml(&document).unwrap();
        prop_assert_eq!(again.agreement().canonical_bytes(), agreement.canonical_bytes());
        prop_assert_eq!(again.agreement(), &agreement);
    }

    #[test]
    fn different_terms_have_different_bytes(
        one in any_terms(),
        other in any_terms(),
        take in proptest::collection::vec(any::<bool>(), 7),
    ) {
        // The other terms are the first with some texts exchanged, so that often only a border between them moves.
        let mut mixed = one.clone();
        if take[0] { mixed.title = other.title }
        if take[1] { mixed.purpose = other.purpose }
        if take[2] { mixed.normaliser.version = other.normaliser.version }
        if take[3] { mixed.parties[0].table = other.parties[0].table.clone() }
        if take[4] { mixed.parties[0].columns = other.parties[0].columns.clone() }
        if take[5] { mixed.allow = other.allow }
        if take[6] { mixed.optional = other.optional }
        let equal = one == mixed;
        let (one, mixed) = (Agreement::new(one).unwrap(), Agreement::new(mixed).unwrap());
        prop_assert_eq!(one.canonical_bytes() == mixed.canonical_bytes(), equal);
        prop_assert_eq!(one.id() == mixed.id(), equal);
    }

    #[test]
    fn no_text_makes_it_panic(text in "\\PC{0,300}") {
        prop_assert!(SignedAgreement::from_toml(&text).is_err());
    }

    #[test]
    fn no_broken_document_makes_it_panic(
        at in any::<usize>(),
        length in 0_usize..40,
        insert in "[\\[\\]{}\"=.#a0\n-]{0,6}",
    ) {
        let whole = crate::fixtures::active().to_toml();
        let start = at % whole.len();
        let end = (start + length).min(whole.len());
        let edited = format!("{}{insert}{}", &whole[..start], &whole[end..]);
        if let Ok(read) = SignedAgreement::from_toml(&edited) {
            // What still reads is the same agreement, perhaps with a signature fewer.
            prop_assert_eq!(read.id(), crate::fixtures::active().id());
        }
    }
}
