use std::collections::HashMap;

use super::*;
use crate::error::Section;
use crate::fixtures::{key, terms, text};
use crate::signed::SignedAgreement;

mod properties;

type Edit = fn(&mut Terms);

/// One edit for every field, with the field's name.
const EDITS: &[(&str, Edit)] = &[
    ("title", |it| it.title = text("Other title")),
    ("purpose", |it| it.purpose = text("Other purpose")),
    ("valid_from", |it| it.valid_from = "2026-10-01T00:00:01Z".parse().unwrap()),
    ("valid_until", |it| it.valid_until = "2027-01-01T00:00:01Z".parse().unwrap()),
    ("runs_max", |it| it.runs_max += 1),
    ("rows_total_max", |it| it.rows_total_max += 1),
    ("intersection_min", |it| it.intersection_min += 1),
    ("normaliser.version", |it| it.normaliser.version = text("2")),
    ("normaliser.digest", |it| it.normaliser.digest = Digest::of(b"other")),
    ("parties (order)", |it| {
        it.parties.swap(0, 1);
        it.allow[0].to = Recipients::One(Seat::Second);
        it.allow[1].to = Recipients::One(Seat::Second);
    }),
    ("name", |it| it.parties[0].name = text("North Banks")),
    ("organisation_key", |it| it.parties[0].organisation_key = key(9).verifying_key()),
    ("tls_spki", |it| it.parties[0].tls_spki = Digest::of(b"another")),
    ("table", |it| it.parties[0].table = text("clients")),
    ("key (order)", |it| it.parties.iter_mut().for_each(|party| party.key.swap(0, 1))),
    ("key (length)", |it| it.parties.iter_mut().for_each(|party| drop(party.key.pop()))),
    ("key.column", |it| it.parties[1].key[1].column = text("total_balance")),
    ("key.kind", |it| it.parties[1].key[1].kind = text("date(%Y)")),
    ("duplicates", |it| it.parties[0].duplicates = Duplicates::All),
    ("rows_min", |it| it.parties[0].rows_min -= 1),
    ("rows_max", |it| it.parties[0].rows_max += 1),
    ("second party's rows_max", |it| it.parties[1].rows_max += 1),
    ("columns (order)", |it| it.parties[0].columns.swap(2, 3)),
    ("columns (length)", |it| drop(it.parties[0].columns.pop())),
    ("columns.name", |it| it.parties[1].columns[4].name = text("surname")),
    ("columns.column_type", |it| it.parties[1].columns[2].column_type = text("decimal(18,3)")),
    ("columns.column_use", |it| it.parties[1].columns[4].column_use = ColumnUse::JoinOnly),
    ("columns.bytes_max", |it| it.parties[1].columns[3].bytes_max = Some(3)),
    ("columns.bytes_max (there)", |it| it.parties[1].columns[4].bytes_max = Some(1)),
    ("allow (order)", |it| it.allow.swap(0, 1)),
    ("allow (length)", |it| it.allow.truncate(2)),
    ("allow.protocol and result", |it| {
        it.allow[1].protocol = Protocol::EcdhOprf;
        it.allow[1].result = ResultKind::Match;
    }),
    ("allow.result", |it| it.allow[0].result = ResultKind::Match),
    ("allow.to", |it| it.allow[1].to = Recipients::One(Seat::Second)),
    ("replaces", |it| it.optional.replaces = Some(AgreementId::from_bytes([7; 32]))),
    ("release_count", |it| it.optional.release_count = ReleaseCount::Bit),
    ("release_count (other)", |it| it.optional.release_count = ReleaseCount::Count),
    ("receipt_count", |it| it.optional.receipt_count = true),
    ("runs_per_period", |it| {
        it.optional.period = Some(Period::Day);
        it.optional.runs_per_period = Some(1);
    }),
    ("rows_per_period", |it| {
        it.optional.period = Some(Period::Day);
        it.optional.rows_per_period = Some(1);
    }),
    ("period", |it| {
        it.optional.period = Some(Period::Week);
        it.optional.rows_per_period = Some(1);
    }),
    ("snapshots_max", |it| it.optional.snapshots_max = Some(1)),
    ("epsilon_max", |it| it.optional.epsilon_max = Some("1".parse().unwrap())),
    ("lookups_max", |it| it.optional.lookups_max = Some(1)),
    ("semi_honest", |it| it.optional.semi_honest = Some(SemiHonest::Accepted)),
    ("approvals", |it| approved_by(it, 0, 1, &[("Ada", 11)])),
    ("approvals (party)", |it| approved_by(it, 1, 1, &[("Ada", 11)])),
    ("approvers.name", |it| approved_by(it, 0, 1, &[("Bob", 11)])),
    ("approvers.key", |it| approved_by(it, 0, 1, &[("Ada", 12)])),
    ("approvers (length)", |it| approved_by(it, 0, 1, &[("Ada", 11), ("Bob", 12)])),
    ("approvers (order)", |it| approved_by(it, 0, 1, &[("Bob", 12), ("Ada", 11)])),
    ("approvals_min", |it| approved_by(it, 0, 2, &[("Ada", 11), ("Bob", 12)])),
];

fn approved_by(terms: &mut Terms, party: usize, approvals_min: u64, approvers: &[(&str, u8)]) {
    let approver = |(name, seed): &(&str, u8)| Approver { name: text(name), key: key(*seed).verifying_key() };
    terms.parties[party].approvals_min = approvals_min;
    terms.parties[party].approvers = approvers.iter().map(approver).collect();
}

#[test]
fn every_field_changes_the_id() {
    // No `..` here: a new field does not compile until it is here, and then belongs into the edits above.
    // `padding` has one value only, so nothing else can stand in its place.
    let Terms {
        title: _,
        purpose: _,
        valid_from: _,
        valid_until: _,
        runs_max: _,
        rows_total_max: _,
        intersection_min: _,
        normaliser: Normaliser { version: _, digest: _ },
        padding: Padding::Sixteenth,
        parties: [party, _],
        allow,
        optional:
            OptionalTerms {
                replaces: _,
                release_count: _,
                receipt_count: _,
                period: _,
                runs_per_period: _,
                rows_per_period: _,
                snapshots_max: _,
                epsilon_max: _,
                lookups_max: _,
                semi_honest: _,
            },
    } = terms();
    let Party {
        name: _,
        organisation_key: _,
        tls_spki: _,
        table: _,
        key,
        duplicates: _,
        rows_min: _,
        rows_max: _,
        columns,
        approvals_min: _,
        approvers: _,
    } = party;
    let KeyPart { column: _, kind: _ } = &key[0];
    let Column { name: _, column_type: _, column_use: _, bytes_max: _ } = &columns[0];
    let Allowance { protocol: _, result: _, to: _ } = &allow[0];

    let mut seen = HashMap::from([(Agreement::new(terms()).unwrap().id(), "nothing")]);
    for (field, edit) in EDITS {
        let mut edited = terms();
        edit(&mut edited);
        let id = Agreement::new(edited).unwrap_or_else(|error| panic!("{field}: {error}")).id();
        let before = seen.insert(id, field);
        assert_eq!(before, None, "{field} gives an id seen before");
    }
}

#[test]
fn canonical_bytes_name_the_padding_rule() {
    let agreement = Agreement::new(terms()).unwrap();
    let bytes = agreement.canonical_bytes();
    assert!(bytes.windows(13).any(|window| window == b"\0\0\0\x09sixteenth"));
    assert!(bytes.starts_with(b"\0\0\0\x14symbolon-agreement/1\0\0\0\x22Credit check"));
}

#[test]
fn the_id_is_pinned() {
    // A change here breaks every agreement in force: raise the format's number instead.
    let id = Agreement::new(terms()).unwrap().id();
    assert_eq!(id.to_string().parse::<AgreementId>().unwrap(), id);
    assert_eq!(id.short(), id.to_string()[..16]);
    assert_eq!(id.to_string(), "28abcdacf64be2f8b0fa76e2bfca6c416a9db428bf009fedf44abce58fb51731");
    for bad in ["", "00", &"g".repeat(64), &"é".repeat(32)] {
        assert!(bad.parse::<AgreementId>().is_err());
    }
}

/// The canonical bytes behind those an agreement without optional terms has.
fn appended(edit: Edit) -> Vec<u8> {
    let mut edited = terms();
    edit(&mut edited);
    let (plain, edited) = (Agreement::new(terms()).unwrap(), Agreement::new(edited).unwrap());
    edited.canonical_bytes().strip_prefix(plain.canonical_bytes()).unwrap().to_vec()
}

#[test]
fn optional_terms_stand_behind_the_others_in_the_order_of_their_names() {
    assert_eq!(appended(|_| {}), b"");
    assert_eq!(appended(|it| it.optional.receipt_count = true), b"\0\0\0\x0dreceipt_count\0\0\0\x01\x01");
    let both = appended(|it| {
        it.optional.snapshots_max = Some(258);
        it.optional.epsilon_max = Some("0.5".parse().unwrap());
    });
    let expected = b"\0\0\0\x0bepsilon_max\0\0\0\x08\0\0\0\0\0\x07\xa1\x20\
        \0\0\0\x0dsnapshots_max\0\0\0\x08\0\0\0\0\0\0\x01\x02";
    assert_eq!(both, expected);
}

#[test]
fn unfit_optional_terms_are_refused_by_name() {
    let cases: &[(Section, &str, Problem, Edit)] = &[
        (Section::Top, "period", Problem::PeriodMissing, |it| it.optional.runs_per_period = Some(1)),
        (Section::Top, "period", Problem::PeriodUnused, |it| it.optional.period = Some(Period::Month)),
        (Section::Top, "runs_per_period", Problem::Range { min: 1, max: i64::MAX as u64, got: 0 }, |it| {
            it.optional.runs_per_period = Some(0);
        }),
        (Section::Top, "runs_per_period", Problem::AboveTotal, |it| it.optional.runs_per_period = Some(4)),
        (Section::Top, "rows_per_period", Problem::AboveTotal, |it| it.optional.rows_per_period = Some(2501)),
        (Section::Top, "snapshots_max", Problem::Range { min: 1, max: i64::MAX as u64, got: 0 }, |it| {
            it.optional.snapshots_max = Some(0);
        }),
        (Section::Top, "lookups_max", Problem::Range { min: 1, max: i64::MAX as u64, got: 0 }, |it| {
            it.optional.lookups_max = Some(0);
        }),
        (Section::Top, "release_count", Problem::NothingToRelease, |it| {
            it.optional.release_count = ReleaseCount::Bit;
            it.intersection_min = 0;
        }),
        (Section::Top, "release_count", Problem::NothingToRelease, |it| {
            it.optional.release_count = ReleaseCount::Count;
            it.allow.remove(0);
        }),
        (Section::Allow(1), "protocol", Problem::SemiHonestUnsaid, |it| it.allow[0].protocol = Protocol::Rr22Silent),
        (Section::Allow(2), "protocol", Problem::SemiHonestUnsaid, |it| {
            it.allow[1] = Allowance {
                protocol: Protocol::Rr22SmallField,
                result: ResultKind::Match,
                to: Recipients::One(Seat::First),
            };
        }),
        (Section::Allow(1), "protocol", Problem::SemiHonestRefused, |it| {
            it.allow[0].protocol = Protocol::Rr22Silent;
            it.optional.semi_honest = Some(SemiHonest::Refused);
        }),
        (Section::Party(1), "approvals_min", Problem::ApproversMissing, |it| it.parties[0].approvals_min = 1),
        (Section::Party(1), "approvals_min", Problem::ApprovalsMin { got: 2, approvers: 1 }, |it| {
            approved_by(it, 0, 2, &[("Ada", 11)]);
        }),
        (Section::Party(2), "approvals_min", Problem::ApprovalsMin { got: 0, approvers: 1 }, |it| {
            approved_by(it, 1, 0, &[("Ada", 11)]);
        }),
        (Section::Approver(1, 2), "name", Problem::Repeated, |it| approved_by(it, 0, 2, &[("Ada", 11), ("ADA", 12)])),
        (Section::Approver(1, 2), "key", Problem::Repeated, |it| approved_by(it, 0, 2, &[("Ada", 11), ("Bob", 11)])),
        (Section::Approver(2, 1), "key", Problem::Repeated, |it| {
            approved_by(it, 0, 1, &[("Ada", 11)]);
            approved_by(it, 1, 1, &[("Bob", 11)]);
        }),
        (Section::Approver(1, 1), "key", Problem::ApproverKey, |it| approved_by(it, 0, 1, &[("Ada", 2)])),
        (Section::Party(1), "approver", Problem::Count { min: 0, max: 64, got: 65 }, |it| {
            let ada = Approver { name: text("Ada"), key: key(11).verifying_key() };
            it.parties[0].approvers = vec![ada; 65];
        }),
    ];
    refuses(cases);
}

fn refuses(cases: &[(Section, &str, Problem, Edit)]) {
    for (section, field, problem, edit) in cases {
        let mut edited = terms();
        edit(&mut edited);
        match Agreement::new(edited) {
            Err(Error::Field { place, problem: found }) => {
                assert_eq!((place.section, place.field, found), (*section, *field, *problem));
            }
            other => panic!("{section} {field}: {other:?}"),
        }
    }
}

#[test]
fn unfit_terms_are_refused_by_name() {
    let party = Section::Party;
    let cases: &[(Section, &str, Problem, Edit)] = &[
        (Section::Top, "valid_until", Problem::NotLater, |it| it.valid_until = it.valid_from),
        (Section::Top, "runs_max", Problem::Range { min: 1, max: i64::MAX as u64, got: 0 }, |it| it.runs_max = 0),
        (Section::Top, "rows_total_max", Problem::Range { min: 1, max: i64::MAX as u64, got: u64::MAX }, |it| {
            it.rows_total_max = u64::MAX;
        }),
        (Section::Top, "intersection_min", Problem::Unreachable, |it| it.intersection_min = 1001),
        (Section::Top, "allow", Problem::Count { min: 1, max: 64, got: 0 }, |it| it.allow.clear()),
        (party(1), "rows_min", Problem::AboveMaximum, |it| it.parties[0].rows_min = 1001),
        (party(2), "rows_max", Problem::Range { min: 1, max: 0xFFFF_FFFF, got: 0 }, |it| it.parties[1].rows_max = 0),
        (party(2), "name", Problem::Repeated, |it| it.parties[1].name = it.parties[0].name.clone()),
        (party(2), "organisation_key", Problem::Repeated, |it| {
            it.parties[1].organisation_key = it.parties[0].organisation_key;
        }),
        (party(2), "tls_spki", Problem::Repeated, |it| it.parties[1].tls_spki = it.parties[0].tls_spki),
        (party(1), "key", Problem::Count { min: 1, max: 16, got: 0 }, |it| it.parties[0].key.clear()),
        (party(2), "key", Problem::KindsDiffer, |it| drop(it.parties[1].key.pop())),
        (party(2), "column", Problem::Count { min: 1, max: 2000, got: 0 }, |it| it.parties[1].columns.clear()),
        (Section::Key(2, 1), "kind", Problem::KindsDiffer, |it| it.parties[1].key[0].kind = text("us_ssn2")),
        (Section::Key(1, 2), "column", Problem::Repeated, |it| it.parties[0].key[1].column = text("ssn")),
        (Section::Key(1, 1), "column", Problem::KeyNotListed, |it| it.parties[0].key[0].column = text("id")),
        (Section::Key(1, 1), "column", Problem::KeyNever, |it| it.parties[0].columns[0].column_use = ColumnUse::Never),
        (Section::Column(1, 2), "name", Problem::Repeated, |it| it.parties[0].columns[1].name = text("ssn")),
        (Section::Column(2, 4), "bytes_max", Problem::BytesMaxMissing, |it| it.parties[1].columns[3].bytes_max = None),
        (Section::Column(2, 3), "bytes_max", Problem::BytesMaxUnwanted, |it| {
            it.parties[1].columns[2].bytes_max = Some(8);
        }),
        (Section::Column(2, 4), "bytes_max", Problem::Range { min: 1, max: 65_535, got: 0 }, |it| {
            it.parties[1].columns[3].bytes_max = Some(0);
        }),
        (Section::Allow(4), "protocol", Problem::Repeated, |it| it.allow.push(it.allow[0])),
        (Section::Allow(1), "result", Problem::NothingToGive, |it| it.allow[0].to = Recipients::One(Seat::Second)),
        (Section::Allow(1), "to", Problem::Combination, |it| it.allow[0].to = Recipients::Both),
        (Section::Allow(3), "to", Problem::Combination, |it| it.allow[2].to = Recipients::One(Seat::First)),
        (Section::Allow(2), "to", Problem::Combination, |it| it.allow[1].to = Recipients::Both),
        (Section::Allow(3), "result", Problem::Combination, |it| it.allow[2].result = ResultKind::Enrich),
        (Section::Allow(2), "result", Problem::Combination, |it| it.allow[1].result = ResultKind::Match),
        (Section::Allow(1), "result", Problem::Combination, |it| it.allow[0].result = ResultKind::Count),
    ];
    refuses(cases);
}

/// What is replaced in the sample document, by what, and the complaint.
const COMPLAINTS: &[(&str, &str, &str)] = &[
    ("runs_max = 3\n", "", "`runs_max` is missing: add it"),
    ("runs_max = 3", "runs_max = -3", "`runs_max` must be a whole number that is not negative: change the value"),
    ("runs_max = 3", "runs_max = \"3\"", "`runs_max` must be a whole number that is not negative: change the value"),
    ("purpose = ", "porpoise = ", "`purpose` is missing: add it"),
    (
        "title = ",
        "extra = 1\ntitle = ",
        "the document has a field `extra` that this format does not know: remove it or correct its name",
    ),
    ("rows_max = 1000", "rows_max = 99", "`rows_min` in [[party]] 1 is above `rows_max`: lower it or raise `rows_max`"),
    (
        "use = \"never\"",
        "use = \"sometimes\"",
        "`use` in [[party.column]] 3 of [[party]] 1 must be one of \"join_only\", \"after_match\", \"never\": choose \
         one",
    ),
    (
        "to = [\"North Bank\"]",
        "to = [\"South Bank\"]",
        "`to` in [[allow]] 1 names neither [[party]]: write the name exactly as in its block",
    ),
    ("to = [\"North Bank\"]", "to = []", "`to` in [[allow]] 1 has 0 entries, 1 to 2 are allowed: add or remove some"),
    (
        "sha256:",
        "sha512:",
        "`digest` in [normaliser] is not `sha256:<base64 of 32 bytes>`: copy it as the other side's node printed it",
    ),
    (
        "ed25519:",
        "rsa:",
        "`organisation_key` in [[party]] 1 is not a valid `ed25519:<base64 of 32 bytes>`: copy the organisation key \
         from the institution's card",
    ),
    (
        "kind = \"us_ssn\"",
        "kind = 5",
        "`kind` in part 1 of the key of [[party]] 1 must be a text in quotes: change the value",
    ),
    (
        "bytes_max = 2",
        "bytes_max = 5000000000",
        "`bytes_max` in [[party.column]] 4 of [[party]] 2 is 5000000000, allowed is 1 to 65535: correct the number",
    ),
    (
        "North Bank",
        "North\\u0007Bank",
        "`name` in [[party]] 1 contains a line break, a control character or an invisible one: remove it",
    ),
    ("[normaliser]", "[[normaliser]]", "`normaliser` must be a section with a header in brackets: change the value"),
    ("\"sixteenth\"", "\"none\"", "`padding` must be one of \"sixteenth\": choose one"),
    (
        "runs_max = 3",
        "runs_max = 3\nreplaces = \"28ab\"",
        "`replaces` is not an agreement id of 64 hexadecimal digits: copy it from `agreement show` of the earlier version",
    ),
    ("runs_max = 3", "runs_max = 3\nreceipt_count = 1", "`receipt_count` must be true or false: change the value"),
    (
        "runs_max = 3",
        "runs_max = 3\nepsilon_max = \"1e3\"",
        "`epsilon_max` is not a decimal number of 0 to 1000 with at most six digits behind the point, in quotes: rewrite \
         it so",
    ),
    (
        "rows_min = 100\n",
        "rows_min = 100\napprover = [{ name = \"Ada\", key = \"x\" }]\n",
        "`key` in [[party.approver]] 1 of [[party]] 1 is not a valid `ed25519:<base64 of 32 bytes>`: copy the key that \
         `symbolon approver new` printed",
    ),
];

#[test]
fn complaints_about_a_document_name_the_field_and_what_to_do() {
    let whole = crate::fixtures::draft().to_toml();
    for (from, to, message) in COMPLAINTS {
        let edited = whole.replacen(from, to, 1);
        assert_ne!(edited, whole, "{from}");
        assert_eq!(SignedAgreement::from_toml(&edited).unwrap_err().to_string(), *message);
    }
}

#[test]
fn broken_toml_is_located_and_safe_to_print() {
    let message = SignedAgreement::from_toml("format = 1\n  title = \u{7}\n").unwrap_err().to_string();
    assert!(message.starts_with("line 2, column 11: ") && message.ends_with(": correct the TOML there"), "{message}");
    assert!(!message.contains('\u{7}'));
    let hostile = "format = \"symbolon-agreement/1\"\n\"\\u001b[2J\" = 1";
    let whole = crate::fixtures::draft().to_toml();
    let edited = whole.replacen("format = \"symbolon-agreement/1\"", hostile, 1);
    let message = SignedAgreement::from_toml(&edited).unwrap_err().to_string();
    assert!(message.contains("`\\u{1b}[2J`"), "{message}");
}

#[test]
fn hostile_shapes_end_in_errors() {
    let format = "format = \"symbolon-agreement/1\"\n";
    let deep = [
        format!("{format}x = {}", "[".repeat(100_000)),
        format!("{format}x = {}", "{a=".repeat(60_000)),
        format!("{format}{}", "[[party]]\n".repeat(20_000)),
        format!("{format}{} = 1", "a.".repeat(100_000)),
        "\u{0}".repeat(1000),
    ];
    for text in deep {
        assert!(SignedAgreement::from_toml(&text).is_err());
    }
    let large = format!("{format}#{}", " ".repeat(DOCUMENT_BYTES_MAX));
    assert!(matches!(SignedAgreement::from_toml(&large), Err(Error::TooLarge { .. })));
}
