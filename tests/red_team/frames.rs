//! A job that was rightly accepted, and then frames that break the protocol.

use anyhow::{Result, bail, ensure};
use symbolon_policy::ReleaseCount;
use symbolon_psi::frame::HEADER_BYTES;
use symbolon_psi::{Output, Protocol, Report as Said};
use symbolon_tests::hostile::client::{Ask, release};
use symbolon_wire::v1::exchange_request::Message as RequestMessage;

use crate::report::{Attack, Report, last_failure};
use crate::scene::{Scene, agree, agree_on_minimum, ask};

const BODY: usize = HEADER_BYTES;
const STEP: usize = 2;
const BLINDED: u8 = 2;
const DONE: u8 = 0xFD;
const FINISH: u8 = 0xFE;

type Spoil = fn(&mut Vec<u8>);

pub(crate) async fn attacks(report: &mut Report) -> Result<()> {
    let scene = Scene::new(&[]).await?;
    spoilt(report, &scene).await?;
    out_of_turn(report, &scene).await?;
    minimum(report, &scene).await?;
    spliced(report, &scene).await
}

fn change(step: u8, spoil: Spoil) -> impl FnMut(Vec<u8>) -> Vec<Vec<u8>> {
    move |mut frame| {
        if frame[STEP] == step {
            spoil(&mut frame);
        }
        vec![frame]
    }
}

/// Changes frames of a job and gives what the node has on record about its end.
async fn tried(scene: &Scene, ask: &Ask, change: impl FnMut(Vec<u8>) -> Vec<Vec<u8>>) -> Result<String> {
    let mut run = scene.bank().begin(ask).await?;
    run.spoilt(1..5, change).await?;
    last_failure(&scene.pair.bureau).await
}

/// Frames of a step, changed.
const SPOILT: [(Attack, u8, Spoil); 13] = [
    (Attack::new("identity_point", "blinds to the identity", "PEER_MALFORMED_POINT"), BLINDED, |frame| {
        frame[BODY..BODY + 32].fill(0);
    }),
    (Attack::new("point_off_the_group", "sends no encoding of a point", "PEER_MALFORMED_POINT"), BLINDED, |frame| {
        frame[BODY..BODY + 32].fill(0xFF);
    }),
    (Attack::new("duplicate_point", "asks for one key twice", "PEER_REPEATED_POINT"), BLINDED, |frame| {
        frame.copy_within(BODY..BODY + 32, BODY + 32);
    }),
    (Attack::new("undeclared_rows", "sends one point more than declared", "PEER_WRONG_LENGTH"), BLINDED, |frame| {
        frame.extend_from_within(BODY..BODY + 32);
    }),
    (Attack::new("missing_rows", "sends one point less than declared", "PEER_WRONG_LENGTH"), BLINDED, |frame| {
        frame.truncate(BODY + 96);
    }),
    (Attack::new("skipped_frame", "leaves a frame out", "PEER_OUT_OF_ORDER"), BLINDED, |frame| frame[6] = 1),
    (Attack::new("larger_total", "announces more frames than agreed", "PEER_WRONG_TOTAL"), BLINDED, |frame| {
        frame[10] = 9;
    }),
    (
        Attack::new("frame_of_another_protocol", "changes the protocol", "PEER_INCOMPATIBLE_PROTOCOL"),
        BLINDED,
        |frame| {
            frame[1] = Protocol::EcdhMutual.code();
        },
    ),
    (Attack::new("downgrade_of_the_frames", "speaks an older format", "PEER_INCOMPATIBLE_VERSION"), BLINDED, |frame| {
        frame[0] = 0;
    }),
    (Attack::new("cut_frame", "sends less than a header", "PEER_FRAME_TOO_SHORT"), BLINDED, |frame| {
        frame.truncate(20);
    }),
    (Attack::new("oversized_frame", "sends more than any frame may have", "PEER_FRAME_TOO_LONG"), BLINDED, |frame| {
        frame.resize((1 << 20) + 1, 0);
    }),
    (
        Attack::new("frame_above_the_session", "sends more than the session declares", "LIMIT_EXCEEDED"),
        BLINDED,
        |frame| {
            frame.resize(1 << 20, 0);
        },
    ),
    (
        Attack::new("tampered_finish", "ends with another hash than its frames have", "PEER_TRANSCRIPT_DIFFERS"),
        FINISH,
        |frame| {
            frame[BODY] ^= 1;
        },
    ),
];

async fn spoilt(report: &mut Report, scene: &Scene) -> Result<()> {
    for (attack, step, spoil) in SPOILT {
        let ask = scene.ask();
        report.attack(&scene.pair.bureau, attack.spending(1), tried(scene, &ask, change(step, spoil))).await?;
    }
    Ok(())
}

async fn out_of_turn(report: &mut Report, scene: &Scene) -> Result<()> {
    let (bureau, ask) = (&scene.pair.bureau, scene.ask());
    // More bytes than the session has: the second of the two is not even looked at.
    let attack = Attack::new("doubled_frame", "sends a frame twice", "LIMIT_EXCEEDED");
    let twice = |frame: Vec<u8>| vec![frame.clone(), frame];
    report.attack(bureau, attack.spending(1), tried(scene, &ask, twice)).await?;

    let attack = Attack::new("content_in_done", "says something in the fixed message", "PEER_WRONG_LENGTH");
    let talkative = |mut frame: Vec<u8>| match frame[STEP] {
        DONE => {
            frame.push(1);
            vec![frame]
        }
        FINISH => vec![],
        _ => vec![frame],
    };
    report.attack(bureau, attack.spending(1), tried(scene, &ask, talkative)).await?;

    let attack = Attack::new("early_done", "says it has everything before it has", "PEER_BEFORE_ITS_TURN");
    let early = |frame: Vec<u8>| {
        let mut done = frame[..HEADER_BYTES].to_vec();
        done[STEP] = DONE;
        vec![frame, done]
    };
    report.attack(bureau, attack.spending(1), tried(scene, &ask, early)).await?;

    let attack = Attack::new("missing_finish", "goes away with the rows and without the last message", "PEER_GONE");
    let tried_it = async {
        let mut run = scene.bank().begin(&ask).await?;
        run.without_receipt();
        let party = run.party(1..5)?;
        if let Err(word) = run.pump(party, |frame| if frame[STEP] == FINISH { vec![] } else { vec![frame] }).await? {
            bail!("the node ends it with {word}");
        }
        drop(run);
        last_failure(bureau).await
    };
    report.attack(bureau, attack.spending(1), tried_it).await?;

    let attack =
        Attack::new("second_offer_in_a_session", "asks for another job in a running one", "PEER_UNEXPECTED_MESSAGE");
    let second = scene.bank().seal(&scene.bank().offer(&ask)?)?;
    let tried_it = async {
        let mut run = scene.bank().begin(&ask).await?;
        run.talk.send(RequestMessage::Offer(second)).await;
        run.talk.end().await?;
        last_failure(bureau).await
    };
    report.attack(bureau, attack.spending(1), tried_it).await
}

/// Three keys match; the bureau holds a minimum and gives the key to its columns away when it is told enough.
async fn minimum(report: &mut Report, scene: &Scene) -> Result<()> {
    const REPORT: u8 = 5;
    let bureau = &scene.pair.bureau;
    let terms = [
        (3, ReleaseCount::Count, Said::Count),
        (4, ReleaseCount::Count, Said::Count),
        (4, ReleaseCount::Bit, Said::Sufficient),
    ];
    let mut asks = Vec::new();
    for (keys_min, count, said) in terms {
        let agreement = agree_on_minimum(&scene.pair, keys_min, count).await?;
        asks.push(ask(agreement, release(keys_min, said)));
    }
    let [met, unmet, bit] = &asks[..] else { bail!("three agreements") };

    let attack = Attack::new("skipped_report", "wants the columns without a report", "PEER_OUT_OF_ORDER");
    let skip = |frame: Vec<u8>| if frame[STEP] == REPORT { vec![] } else { vec![frame] };
    report.attack(bureau, attack.spending(1), tried(scene, met, skip)).await?;

    let attack = Attack::new("impossible_report", "reports more matches than it has keys", "PEER_UNEXPECTED_CONTENT");
    let boast = change(REPORT, |frame| frame[HEADER_BYTES..].fill(0x7F));
    report.attack(bureau, attack.spending(1), tried(scene, met, boast)).await?;

    let attack = Attack::new("report_that_is_no_bit", "reports neither yes nor no", "PEER_UNEXPECTED_CONTENT");
    let mumble = change(REPORT, |frame| frame[HEADER_BYTES] = 2);
    report.attack(bureau, attack.spending(1), tried(scene, bit, mumble)).await?;

    let attack =
        Attack::new("report_changed_on_the_way", "lifts another's report to the minimum", "PEER_TRANSCRIPT_DIFFERS");
    let lift = change(REPORT, |frame| frame[HEADER_BYTES + 7] = 4);
    report.attack(bureau, attack.spending(1), tried(scene, unmet, lift)).await?;

    for (attack, ask) in [
        (
            Attack::new(
                "too_few_matches",
                "wants the columns of three customers where four are the least",
                "INTERSECTION_BELOW_MINIMUM",
            ),
            bit.clone(),
        ),
        (
            Attack::new("minimum_of_its_own", "runs with a lower minimum than agreed", "RECEIPT_MISSING"),
            ask(unmet.agreement, release(1, Said::Count)),
        ),
    ] {
        let tried = async {
            let mut run = scene.bank().begin(&ask).await?;
            let party = run.party(1..5)?;
            // With a minimum of its own the receiver is told no, finds that it does not fit, and signs no receipt.
            match run.pump(party, |frame| vec![frame]).await {
                Ok(Ok(outcome)) => ensure!(matches!(outcome.output(), Output::Withheld { matched: 3 }), "{outcome:?}"),
                Ok(Err(word)) => bail!("the node ends it with {word}"),
                Err(error) => ensure!(error.to_string().contains("release"), "{error}"),
            }
            drop(run);
            last_failure(bureau).await
        };
        report.attack(bureau, attack.spending(1), tried).await?;
    }
    Ok(())
}

/// Frames of one job in another.
async fn spliced(report: &mut Report, scene: &Scene) -> Result<()> {
    let (bureau, ask_here) = (&scene.pair.bureau, scene.ask());
    let elsewhere = ask(agree(&scene.pair, "Grades again", |_| {}).await?, None);
    for (attack, source) in [
        (Attack::new("spliced_frame", "sends a frame of an earlier job", "PEER_WRONG_SESSION"), &ask_here),
        (
            Attack::new(
                "frame_of_another_agreement",
                "sends a frame of a job under another agreement",
                "PEER_WRONG_SESSION",
            ),
            &elsewhere,
        ),
    ] {
        let mut kept = Vec::new();
        let mut run = scene.bank().begin(source).await?;
        let party = run.party(1..5)?;
        let keep = |frame: Vec<u8>| {
            if frame[STEP] == BLINDED {
                kept.clone_from(&frame);
            }
            vec![frame]
        };
        if let Err(word) = run.pump(party, keep).await? {
            bail!("an honest run ends with {word}");
        }
        drop(run);
        crate::report::quiet(bureau).await?;
        report.attack(bureau, attack.spending(1), tried(scene, &ask_here, |_| vec![kept.clone()])).await?;
    }
    Ok(())
}
