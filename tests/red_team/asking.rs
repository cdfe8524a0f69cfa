//! Offers that ask for what is not theirs.

use anyhow::{Context, Result, bail};
use symbolon_node::ops::agreements::AgreementInput;
use symbolon_tests::hostile::client::{Intruder, seal};
use symbolon_tests::hostile::word;
use symbolon_wire::v1;
use symbolon_wire::v1::exchange_request::Message as RequestMessage;

use crate::report::{Attack, Report, last_failure};
use crate::scene::{Scene, agree, ask, options};

type Change = fn(&mut v1::JobOfferBody);

pub(crate) async fn attacks(report: &mut Report) -> Result<()> {
    let scene = Scene::new(&[]).await?;
    offers(report, &scene).await?;
    misuses(report, &scene).await?;
    replays(report, &scene).await?;
    proposals(report, &scene).await
}

/// Offers of the right institution that differ from an honest one in one place.
async fn offers(report: &mut Report, scene: &Scene) -> Result<()> {
    let cases: [(Attack, Change); 15] = [
        (Attack::new("unknown_agreement", "names an agreement nobody signed", "PEER_UNKNOWN_AGREEMENT"), |body| {
            body.agreement_id = vec![1; 32];
        }),
        (Attack::new("wrong_purpose", "asks for another purpose than agreed", "PURPOSE_DIFFERS"), |body| {
            body.purpose = "Marketing".to_owned();
        }),
        (Attack::new("column_marked_never", "asks for a column that stays out", "COLUMN_NEVER"), |body| {
            body.columns = vec!["secret".to_owned()];
        }),
        (Attack::new("column_for_joining_only", "asks for the key itself", "COLUMN_JOIN_ONLY"), |body| {
            body.columns = vec!["grade".to_owned(), "key".to_owned()];
        }),
        (Attack::new("column_not_in_the_agreement", "asks for a column by guessing", "COLUMN_UNKNOWN"), |body| {
            body.columns = vec!["salary".to_owned()];
        }),
        (
            Attack::new("protocol_not_agreed", "asks for a protocol the agreement lacks", "PROTOCOL_NOT_ALLOWED"),
            |body| {
                body.protocol = "ecdh-cardinality".to_owned();
            },
        ),
        (Attack::new("result_not_agreed", "asks for a plain match", "RESULT_NOT_ALLOWED"), |body| {
            body.result = "match".to_owned();
            body.columns.clear();
        }),
        (Attack::new("unknown_protocol", "asks for a protocol that does not exist", "PEER_MISBEHAVED"), |body| {
            body.protocol = "rot13".to_owned();
        }),
        (Attack::new("rows_above_the_maximum", "declares more rows than agreed", "ROWS_ABOVE_MAXIMUM"), |body| {
            body.rows = 1 << 20;
        }),
        (Attack::new("rows_below_the_minimum", "probes with a single row", "ROWS_BELOW_MINIMUM"), |body| {
            body.rows = 1;
        }),
        (Attack::new("rows_not_padded", "declares its exact number of rows", "ROWS_NOT_PADDED"), |body| {
            body.rows = 997;
        }),
        (Attack::new("downgrade_of_the_handshake", "speaks an older handshake", "PEER_VERSION"), |body| {
            body.version = 0;
        }),
        (Attack::new("downgrade_of_the_normaliser", "names older rules", "NORMALISER_VERSION_DIFFERS"), |body| {
            body.normaliser_version = "0".to_owned();
        }),
        (Attack::new("changed_normaliser", "runs other rules under one name", "NORMALISER_RULES_DIFFER"), |body| {
            body.normaliser_digest = vec![0; 32];
        }),
        (Attack::new("offer_from_another_time", "signs an offer in advance", "PEER_CLOCK"), |body| {
            body.time_unix_millis += 3_600_000;
        }),
    ];
    for (attack, change) in cases {
        let bank = scene.bank();
        let ask = scene.ask();
        report.attack(&scene.pair.bureau, attack, bank.offered(&ask, change)).await?;
    }
    Ok(())
}

/// Offers by the wrong one, or with the wrong signature.
async fn misuses(report: &mut Report, scene: &Scene) -> Result<()> {
    let (bureau, bank, stranger) = (&scene.pair.bureau, scene.bank(), scene.stranger());
    let attack = Attack::new("stolen_agreement", "a third institution asks under it as itself", "PEER_MISBEHAVED");
    report.attack(bureau, attack, stranger.offered(&scene.ask(), |_| {})).await?;

    let attack =
        Attack::new("stolen_agreement_as_the_bank", "a third institution says it is the bank", "PEER_MISBEHAVED");
    let bank_key = bank.home.keys().organisation_public().to_bytes().to_vec();
    report.attack(bureau, attack, stranger.offered(&scene.ask(), move |body| body.initiator_key = bank_key)).await?;

    let attack = Attack::new("offer_for_another_node", "sends an offer addressed to somebody else", "PEER_MISBEHAVED");
    let elsewhere = scene.mallory.home().keys().organisation_public().to_bytes().to_vec();
    report.attack(bureau, attack, bank.offered(&scene.ask(), move |body| body.responder_key = elsewhere)).await?;

    let attack = Attack::new("offer_signed_by_another_key", "has the certificate and lacks the key", "PEER_MISBEHAVED");
    let forged = seal(&bank.offer(&scene.ask())?, stranger.home.keys().organisation())?;
    report.attack(bureau, attack, bank.asked(forged)).await?;

    let attack = Attack::new("offer_edited_after_signing", "changes the rows of a signed offer", "PEER_MISBEHAVED");
    let mut body = bank.offer(&scene.ask())?;
    let honest = bank.seal(&body)?;
    body.rows = 1_000;
    let edited = v1::JobOffer { signature: honest.signature, ..bank.seal(&body)? };
    report.attack(bureau, attack, bank.asked(edited)).await?;

    let attack = Attack::new("oversized_offer", "sends an offer of 100,000 columns", "PEER_MISBEHAVED");
    report.attack(bureau, attack, bank.offered(&scene.ask(), |body| body.columns = vec!["x".into(); 100_000])).await?;

    let attack = Attack::new("frame_in_place_of_an_offer", "starts in the middle of the protocol", "PEER_MISBEHAVED");
    report.attack(bureau, attack, first(&bank, RequestMessage::Frame(vec![1; 100]))).await?;

    let attack = Attack::new("wrong_direction", "the side that gives asks for the result", "RECEIVER_NOT_ALLOWED");
    let mut reverse = scene.ask();
    reverse.columns = vec!["name".to_owned()];
    report.attack(&scene.pair.bank, attack, scene.bureau().offered(&reverse, |_| {})).await
}

async fn first(intruder: &Intruder, message: RequestMessage) -> Result<String> {
    let mut talk = intruder.open().await?;
    talk.send(message).await;
    talk.end().await
}

/// What was said once is said again.
async fn replays(report: &mut Report, scene: &Scene) -> Result<()> {
    let (bureau, bank) = (&scene.pair.bureau, scene.bank());
    let (talk, offer, spec) = bank.accepted(&scene.ask()).await?;
    drop(talk);
    crate::report::quiet(bureau).await?;

    let attack = Attack::new("replayed_offer", "sends an offer that was accepted before", "PEER_REPLAY");
    let tried = async {
        bank.asked(offer.clone()).await?;
        last_failure(bureau).await
    };
    report.attack(bureau, attack, tried).await?;

    let attack = Attack::new("used_session_nonce", "signs another offer with a nonce that was used", "PEER_REPLAY");
    let used = <v1::JobOfferBody as prost::Message>::decode(offer.body.as_slice())?.nonce;
    let tried = async {
        bank.offered(&scene.ask(), |body| body.nonce = used).await?;
        last_failure(bureau).await
    };
    report.attack(bureau, attack, tried).await?;

    let attack = Attack::new(
        "replayed_confirmation",
        "confirms a job with the confirmation of an earlier one",
        "SIGNATURE_INVALID",
    );
    let old = bank.confirmation(&spec.sid)?;
    report.attack(bureau, attack.spending(1), confirmed(scene, &bank, scene.agreement, old)).await?;

    let other = agree(&scene.pair, "Grades again", |_| {}).await?;
    let (talk, _, spec) = bank.accepted(&ask(other, None)).await?;
    let attack = Attack::new(
        "confirmation_of_another_agreement",
        "confirms a job with the confirmation of one under another agreement",
        "SIGNATURE_INVALID",
    );
    let foreign = bank.confirmation(&spec.sid)?;
    let tried = async {
        let mut ours = bank.accepted(&scene.ask()).await?.0;
        ours.send(foreign).await;
        ours.end().await?;
        last_failure(bureau).await
    };
    drop(talk);
    report.attack(bureau, attack.spending(1), tried).await
}

async fn confirmed(scene: &Scene, bank: &Intruder, agreement: [u8; 32], message: RequestMessage) -> Result<String> {
    let (mut talk, _, _) = bank.accepted(&ask(agreement, None)).await?;
    talk.send(message).await;
    talk.end().await?;
    last_failure(&scene.pair.bureau).await
}

/// Documents that are not what they seem.
async fn proposals(report: &mut Report, scene: &Scene) -> Result<()> {
    let (bureau, pair) = (&scene.pair.bureau, &scene.pair);
    let draft = pair.bank.home().agreement_draft(&options(pair, "Everything").await?).await?;
    let signed = pair.bank.home().agreement_sign(AgreementInput::Document(draft.clone().into_bytes())).await?.document;
    let text = String::from_utf8(signed)?;

    let attack = Attack::new("edited_agreement", "raises the runs of a signed proposal", "PEER_MISBEHAVED");
    let edited = text.replace("runs_max = 10000", "runs_max = 99999");
    anyhow::ensure!(edited != text, "the document has another form");
    report.attack(bureau, attack, proposed(&scene.bank(), edited)).await?;

    let attack = Attack::new("unsigned_agreement", "proposes an agreement without a signature", "PEER_MISBEHAVED");
    report.attack(bureau, attack, proposed(&scene.bank(), draft)).await?;

    let attack = Attack::new("agreement_of_others", "a third institution proposes for two others", "PEER_MISBEHAVED");
    report.attack(bureau, attack, proposed(&scene.stranger(), text.clone())).await?;

    let attack = Attack::new("forged_return", "returns an agreement that was never proposed to it", "PEER_MISBEHAVED");
    let tried = async {
        let document = text.into_bytes();
        let answer = scene.bank().connect().await?.grpc.return_signature(v1::ReturnSignatureRequest { document }).await;
        Ok(word(&answer.err().context("the node takes it")?))
    };
    report.attack(bureau, attack, tried).await
}

async fn proposed(intruder: &Intruder, document: String) -> Result<String> {
    let request = v1::ProposeAgreementRequest { document: document.into_bytes() };
    match intruder.connect().await?.grpc.propose_agreement(request).await {
        Ok(_) => bail!("the node takes it"),
        Err(status) => Ok(word(&status)),
    }
}
