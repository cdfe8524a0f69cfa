use NoticeKind::{Resume, Revoke, Suspend};

use super::*;
use crate::fixtures::{active, bank_key, bureau_key, draft};

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn now() -> Timestamp {
    at("2026-11-01T12:00:00Z")
}

/// A notice as it would be given next.
fn give(life: &Life, seat: Seat, kind: NoticeKind) -> Result<Notice, NoticeProblem> {
    let key = if seat == Seat::First { bank_key() } else { bureau_key() };
    let content = life.next(seat, active().id(), kind, "audit-7".parse().ok(), now())?;
    Notice::sign(content, active().agreement(), seat, &key)
}

fn said(steps: &[(Seat, NoticeKind)]) -> Life {
    let mut life = Life::default();
    for (seat, kind) in steps {
        let notice = give(&life, *seat, *kind).unwrap();
        assert_eq!(life.take(&notice).unwrap(), Taken::New);
    }
    life
}

#[test]
fn every_transition_has_its_standing() {
    use Seat::{First, Second};
    let cases: &[(&[(Seat, NoticeKind)], Standing)] = &[
        (&[], Standing::Active),
        (&[(First, Suspend)], Standing::Suspended { by: First }),
        (&[(Second, Suspend)], Standing::Suspended { by: Second }),
        (&[(Second, Suspend), (Second, Resume)], Standing::Active),
        (&[(First, Suspend), (Second, Suspend)], Standing::Suspended { by: First }),
        // Only the one that suspended resumes: the other's suspension stays.
        (&[(First, Suspend), (Second, Suspend), (First, Resume)], Standing::Suspended { by: Second }),
        (&[(First, Suspend), (Second, Suspend), (First, Resume), (Second, Resume)], Standing::Active),
        (&[(First, Revoke)], Standing::Revoked { by: First }),
        (&[(First, Suspend), (First, Revoke)], Standing::Revoked { by: First }),
        (&[(First, Suspend), (Second, Revoke)], Standing::Revoked { by: Second }),
    ];
    for (steps, expected) in cases {
        assert_eq!(standing(&active(), &said(steps), None, now()), *expected, "{steps:?}");
    }
}

#[test]
fn what_a_party_may_not_say_is_refused() {
    use Seat::{First, Second};
    for (steps, seat, kind, problem) in [
        (&[][..], First, Resume, NoticeProblem::NotSuspended),
        (&[(First, Suspend)], Second, Resume, NoticeProblem::NotSuspended),
        (&[(First, Suspend)], First, Suspend, NoticeProblem::SuspendedAlready),
        (&[(First, Revoke)], First, Revoke, NoticeProblem::Revoked),
        (&[(First, Revoke)], First, Suspend, NoticeProblem::Revoked),
        (&[(First, Suspend), (Second, Revoke)], First, Resume, NoticeProblem::Revoked),
    ] {
        assert_eq!(give(&said(steps), seat, kind).unwrap_err(), problem, "{steps:?} {seat:?} {kind}");
    }
}

#[test]
fn the_clock_and_a_later_version_end_it_too() {
    let none = Life::default();
    let by = AgreementId::from_bytes([9; 32]);
    let later = Some(by);
    let standing_at = |time: &str| standing(&active(), &none, None, at(time));
    let (from, until) = (at("2026-10-01T00:00:00Z"), at("2027-01-01T00:00:00Z"));
    assert_eq!(standing_at("2026-09-30T23:59:59Z"), Standing::NotYetValid { from });
    assert_eq!(standing_at("2026-10-01T00:00:00Z"), Standing::Active);
    assert_eq!(standing_at("2026-12-31T23:59:59Z"), Standing::Active);
    assert_eq!(standing_at("2027-01-01T00:00:00Z"), Standing::Expired { until });
    let superseded = standing(&active(), &none, later, now());
    assert_eq!(superseded, Standing::Superseded { by });
    // A suspension also holds the jobs that a superseded version still covers.
    let suspended = said(&[(Seat::First, Suspend)]);
    assert_eq!(standing(&active(), &suspended, later, now()), Standing::Suspended { by: Seat::First });
    assert_eq!(standing(&draft(), &none, later, now()), Standing::Draft);
    let mut half = draft();
    half.sign(&bank_key()).unwrap();
    assert_eq!(standing(&half, &none, None, now()), Standing::SignedBy(Seat::First));
    // What was offered can be withdrawn before the other signs.
    let revoked = said(&[(Seat::First, Revoke)]);
    assert_eq!(standing(&half, &revoked, None, now()), Standing::Revoked { by: Seat::First });
}

#[test]
fn jobs_start_and_go_on_as_the_standing_says() {
    let agreement = active().agreement().clone();
    let later = AgreementId::from_bytes([9; 32]);
    for (standing, start, go_on) in [
        (Standing::Active, None, None),
        (Standing::Superseded { by: later }, Some("AGREEMENT_SUPERSEDED"), None),
        (Standing::Suspended { by: Seat::First }, Some("AGREEMENT_SUSPENDED"), Some("AGREEMENT_SUSPENDED")),
        (Standing::Revoked { by: Seat::Second }, Some("AGREEMENT_REVOKED"), Some("AGREEMENT_REVOKED")),
        (Standing::Expired { until: now() }, Some("AGREEMENT_EXPIRED"), Some("AGREEMENT_EXPIRED")),
        (Standing::NotYetValid { from: now() }, Some("AGREEMENT_NOT_YET_VALID"), Some("AGREEMENT_NOT_YET_VALID")),
        (Standing::Draft, Some("AGREEMENT_UNSIGNED"), Some("AGREEMENT_UNSIGNED")),
        (Standing::SignedBy(Seat::First), Some("SIGNATURE_MISSING"), Some("SIGNATURE_MISSING")),
    ] {
        assert_eq!(standing.may_start(&agreement).err().map(|reason| reason.label()), start, "{standing:?}");
        assert_eq!(standing.may_go_on(&agreement).err().map(|reason| reason.label()), go_on, "{standing:?}");
    }
    let reason = Standing::Suspended { by: Seat::Second }.may_start(&agreement).unwrap_err();
    assert_eq!(reason.sentence(), "the agreement is suspended by Credit Bureau: only that party can resume it");
}

#[test]
fn old_notices_change_nothing() {
    let mut life = Life::default();
    let suspend = give(&life, Seat::Second, Suspend).unwrap();
    life.take(&suspend).unwrap();
    assert_eq!(life.take(&suspend).unwrap(), Taken::Known);
    let resume = give(&life, Seat::Second, Resume).unwrap();
    life.take(&resume).unwrap();
    let resumed = life.clone();
    assert_eq!(life.take(&suspend).unwrap_err(), NoticeProblem::Old, "a suspension played again");
    // The same number with another content, and a later number with an earlier time.
    let other = |sequence, time| {
        let content = NoticeContent { kind: Suspend, sequence, time, ..resume.content().clone() };
        Notice::sign(content, active().agreement(), Seat::Second, &bureau_key()).unwrap()
    };
    assert_eq!(life.take(&other(2, now())).unwrap_err(), NoticeProblem::Old);
    assert_eq!(life.take(&other(3, at("2026-11-01T11:59:59Z"))).unwrap_err(), NoticeProblem::Old);
    assert_eq!(life, resumed);
    // One that was never delivered does not hold up the later ones.
    assert_eq!(life.take(&other(7, now())).unwrap(), Taken::New);
    let revoke = give(&life, Seat::Second, Revoke).unwrap();
    assert_eq!(revoke.content().sequence, 8);
    life.take(&revoke).unwrap();
    assert_eq!(life.take(&other(9, now())).unwrap_err(), NoticeProblem::Revoked);
}

#[test]
fn a_clock_set_back_does_not_make_the_own_notice_old() {
    let life = said(&[(Seat::First, Suspend)]);
    let earlier = at("2026-10-15T00:00:00Z");
    let content = life.next(Seat::First, active().id(), Resume, None, earlier).unwrap();
    assert_eq!((content.sequence, content.time), (2, now()));
}

#[test]
fn a_notice_holds_for_its_content_its_agreement_and_its_giver() {
    let notice = give(&Life::default(), Seat::First, Suspend).unwrap();
    let agreement = active().agreement().clone();
    let bank = bank_key().verifying_key();
    let receive = |content: NoticeContent, signature, seat, key: &VerifyingKey| {
        Notice::receive(content, signature, &agreement, seat, key)
    };
    let (content, signature) = (notice.content().clone(), *notice.signature());
    assert_eq!(receive(content.clone(), signature, Seat::First, &bank).unwrap(), notice);
    let forged = [
        NoticeContent { kind: Revoke, ..content.clone() },
        NoticeContent { sequence: 2, ..content.clone() },
        NoticeContent { time: at("2026-11-01T12:00:01Z"), ..content.clone() },
        NoticeContent { word: None, ..content },
    ];
    for content in forged {
        assert_eq!(receive(content, signature, Seat::First, &bank).unwrap_err(), NoticeProblem::Signature);
    }
    let bureau = bureau_key().verifying_key();
    let wrong_party = receive(content.clone(), signature, Seat::Second, &bureau).unwrap_err();
    assert_eq!(wrong_party, NoticeProblem::Signature);
    let elsewhere = NoticeContent { agreement_id: AgreementId::from_bytes([1; 32]), ..content };
    assert_eq!(receive(elsewhere.clone(), signature, Seat::First, &bank).unwrap_err(), NoticeProblem::OtherAgreement);
    let other = Notice::sign(elsewhere, &agreement, Seat::First, &bank_key()).unwrap_err();
    assert_eq!(other, NoticeProblem::OtherAgreement);
}

#[test]
fn words_have_no_room_for_sentences() {
    for good in ["audit", "AUDIT_7", "a-b", &"a".repeat(32)] {
        assert_eq!(good.parse::<NoticeWord>().unwrap().as_str(), good);
    }
    for bad in ["", "two words", "é", "a.b", &"a".repeat(33)] {
        assert_eq!(bad.parse::<NoticeWord>(), Err(Problem::NoticeWord), "{bad}");
    }
}

#[test]
fn the_standing_is_said_with_who_and_why() {
    let life = said(&[(Seat::First, Suspend), (Seat::Second, Suspend)]);
    let words = |life: &Life| standing_in_words(&active(), life, standing(&active(), life, None, now()));
    assert_eq!(
        words(&life),
        "Suspended by North Bank (audit-7) since 2026-11-01T12:00:00Z and Credit Bureau (audit-7) since \
         2026-11-01T12:00:00Z: no job starts or goes on until whoever suspended it resumes it."
    );
    assert_eq!(words(&Life::default()), "In force.");
    let revoked = said(&[(Seat::Second, Revoke)]);
    let ended = "Revoked by Credit Bureau (audit-7) since 2026-11-01T12:00:00Z: it has ended for good.";
    assert_eq!(words(&revoked), ended);
}
