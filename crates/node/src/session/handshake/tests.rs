use symbolon_primitives::secret::Secret;
use symbolon_primitives::sign::SigningKey;

use super::*;

fn key(byte: u8) -> SigningKey {
    SigningKey::from_seed(&Secret::new([byte; 32]))
}

fn now() -> DateTime<Utc> {
    "2026-03-01T12:00:00Z".parse().unwrap()
}

fn fit() -> Fit {
    Fit { now: now(), skew_seconds_max: 300, frame_bytes: 1 << 19 }
}

fn declaration(nonce: u8) -> Declaration {
    Declaration {
        rows: 1024,
        normaliser_version: "1".to_owned(),
        normaliser_digest: [9; 32],
        nonce: [nonce; 32],
        time: now(),
        frame_bytes_max: 1 << 20,
        held: Tightening {
            intersection_min: Some(60),
            forbidden: ["ecdh-oprf:match".parse().unwrap()].into(),
            ..Tightening::default()
        },
        posture: Some(Posture { build: [1; 32], config: [2; 32], policy_set: [3; 32] }),
        input: None,
    }
}

fn offer() -> Offer {
    Offer {
        agreement_id: AgreementId::from_bytes([5; 32]),
        initiator: key(1).verifying_key(),
        responder: key(2).verifying_key(),
        protocol: Protocol::EcdhOprf,
        result: ResultKind::Enrich,
        columns: vec!["grade".to_owned()],
        purpose: "Credit check".to_owned(),
        own: declaration(3),
    }
}

fn answer() -> Answer {
    Answer { payload_bytes: 12, own: declaration(4) }
}

fn receive(message: v1::JobOffer) -> Result<Sealed<Offer>, Error> {
    Sealed::<Offer>::receive(message, &key(1).verifying_key(), &fit(), |own| *own == key(2).verifying_key())
}

fn reason<T>(outcome: Result<T, Error>) -> &'static str {
    outcome.map(drop).unwrap_err().reason()
}

#[test]
fn both_sides_derive_one_session_id() {
    let sent = Sealed::<Offer>::offer(offer(), &key(1)).unwrap();
    let received = receive(sent.to_message()).unwrap();
    assert_eq!(received.content(), &offer());
    let answered = Sealed::<Answer>::answer(&received, answer(), &key(2)).unwrap();
    let heard = Sealed::<Answer>::receive(&sent, answered.to_message(), &fit()).unwrap();
    assert_eq!(heard.content(), &answer());
    let (ours, theirs) = (session_id(&sent, &heard, [7; 32]), session_id(&received, &answered, [7; 32]));
    assert_eq!(ours, theirs);
    assert_ne!(ours, session_id(&sent, &heard, [8; 32]), "another connection is another session");
    check_confirm(&ours, &confirm(&ours, &key(1)).unwrap(), &key(1).verifying_key()).unwrap();
    let elsewhere = session_id(&sent, &heard, [8; 32]);
    let other = check_confirm(&elsewhere, &confirm(&ours, &key(1)).unwrap(), &key(1).verifying_key());
    assert_eq!(reason(other), "SIGNATURE_INVALID");
}

#[test]
fn every_changed_byte_of_an_offer_is_noticed() {
    let message = Sealed::<Offer>::offer(offer(), &key(1)).unwrap().to_message();
    for at in 0..message.body.len() {
        let mut changed = message.clone();
        changed.body[at] ^= 1;
        assert_eq!(reason(receive(changed)), "SIGNATURE_INVALID");
    }
    for at in 0..message.signature.len() {
        let mut changed = message.clone();
        changed.signature[at] ^= 1;
        assert_eq!(reason(receive(changed)), "SIGNATURE_INVALID");
    }
    let mut short = message;
    short.signature.pop();
    assert_eq!(reason(receive(short)), "PEER_MALFORMED_MESSAGE");
}

#[test]
fn an_offer_names_the_two_who_speak() {
    for (initiator, responder) in [(1, 3), (3, 2)] {
        let changed =
            Offer { initiator: key(initiator).verifying_key(), responder: key(responder).verifying_key(), ..offer() };
        assert_eq!(
            reason(receive(Sealed::<Offer>::offer(changed, &key(1)).unwrap().to_message())),
            "PEER_WRONG_INSTITUTION"
        );
    }
}

#[test]
fn clocks_frames_and_sizes_are_bounded() {
    let mut late = offer();
    late.own.time = now() - chrono::Duration::seconds(301);
    assert_eq!(reason(receive(Sealed::<Offer>::offer(late, &key(1)).unwrap().to_message())), "PEER_CLOCK");
    let mut narrow = offer();
    narrow.own.frame_bytes_max = 1000;
    assert_eq!(reason(receive(Sealed::<Offer>::offer(narrow, &key(1)).unwrap().to_message())), "PEER_SIZES");
    let mut long = offer();
    long.columns = vec!["x".repeat(BODY_BYTES_MAX)];
    assert_eq!(reason(receive(Sealed::<Offer>::offer(long, &key(1)).unwrap().to_message())), "PEER_OVERSIZED");
}

/// Signed rightly, so that the form of the body is what is refused.
#[test]
fn malformed_bodies_are_refused() {
    let signed = |body: v1::JobOfferBody| {
        let body = body.encode_to_vec();
        let signature = key(1).sign(Label::JobOffer, &[&body]).to_bytes().to_vec();
        receive(v1::JobOffer { body, signature })
    };
    let good = convert::offer_body(&offer());
    assert!(signed(good.clone()).is_ok());
    let mut other = good.clone();
    other.version = 2;
    assert_eq!(reason(signed(other)), "PEER_VERSION");
    let spoil: [fn(&mut v1::JobOfferBody); 6] = [
        |body| body.agreement_id.truncate(31),
        |body| body.initiator_key = vec![0xFF; 32],
        |body| body.nonce.clear(),
        |body| body.protocol = "ecdh".to_owned(),
        |body| body.result = "all".to_owned(),
        |body| body.time_unix_millis = i64::MAX,
    ];
    for change in spoil {
        let mut body = good.clone();
        change(&mut body);
        assert_eq!(reason(signed(body)), "PEER_MALFORMED_MESSAGE");
    }
    let body = vec![0xFF; 40];
    let signature = key(1).sign(Label::JobOffer, &[&body]).to_bytes().to_vec();
    assert_eq!(reason(receive(v1::JobOffer { body, signature })), "PEER_MALFORMED_MESSAGE");
}

#[test]
fn an_answer_belongs_to_its_offer() {
    let sent = Sealed::<Offer>::offer(offer(), &key(1)).unwrap();
    let another = Sealed::<Offer>::offer(Offer { own: declaration(99), ..offer() }, &key(1)).unwrap();
    let answered = Sealed::<Answer>::answer(&sent, answer(), &key(2)).unwrap();
    assert_eq!(reason(Sealed::<Answer>::receive(&another, answered.to_message(), &fit())), "SIGNATURE_INVALID");
    let forged = Sealed::<Answer>::answer(&sent, answer(), &key(3)).unwrap();
    assert_eq!(reason(Sealed::<Answer>::receive(&sent, forged.to_message(), &fit())), "SIGNATURE_INVALID");
}

#[test]
fn an_answer_serves_no_offer_that_differs_in_anything() {
    let sent = Sealed::<Offer>::offer(offer(), &key(1)).unwrap();
    let answered = Sealed::<Answer>::answer(&sent, answer(), &key(2)).unwrap();
    let own = session_id(&sent, &answered, [7; 32]);
    let changes: [fn(&mut Offer); 8] = [
        |offer| offer.agreement_id = AgreementId::from_bytes([6; 32]),
        |offer| offer.protocol = Protocol::EcdhMutual,
        |offer| offer.result = ResultKind::Match,
        |offer| offer.columns.clear(),
        |offer| offer.purpose.push('.'),
        |offer| offer.own.rows += 1,
        |offer| offer.own.nonce[31] ^= 1,
        |offer| offer.own.posture = None,
    ];
    for change in changes {
        let mut other = offer();
        change(&mut other);
        let other = Sealed::<Offer>::offer(other, &key(1)).unwrap();
        assert_eq!(reason(Sealed::<Answer>::receive(&other, answered.to_message(), &fit())), "SIGNATURE_INVALID");
        assert_ne!(own, session_id(&other, &answered, [7; 32]));
    }
}
