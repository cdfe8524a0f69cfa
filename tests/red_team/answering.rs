//! Jobs that a node asks of a peer whose answers break the rules.

use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result, bail, ensure};
use rustls::version::TLS13;
use symbolon_node::control_client::JobRequest;
use symbolon_node::session::handshake::Answer;
use symbolon_policy::{ReleaseCount, ResultKind};
use symbolon_primitives::hash::Transcript;
use symbolon_primitives::kdf::Label;
use symbolon_psi::Report as Said;
use symbolon_psi::frame::HEADER_BYTES;
use symbolon_tests::hex;
use symbolon_tests::hostile::client::release;
use symbolon_tests::hostile::server::Wares;
use symbolon_tests::hostile::{Deed, Guest, Identity, Impostor};
use symbolon_wire::v1;
use symbolon_wire::v1::exchange_response::Message as ResponseMessage;

use crate::report::{Attack, Report};
use crate::scene::{Scene, agree_on_minimum};

const STEP: usize = 2;
const KEY: u8 = 1;
const EVALUATED: u8 = 3;
const ROWS: u8 = 4;
const RELEASE: u8 = 6;
const CHECK: u8 = 0xFC;
const FINISH: u8 = 0xFE;
/// A tag, a sealed payload of 7 bytes and its seal.
const ROW_BYTES: usize = 32 + PAYLOAD_BYTES + 16;
/// A flag, a length and four bytes of text: the column "grade".
const PAYLOAD_BYTES: usize = 7;
const BODY: usize = HEADER_BYTES;

/// An impostor with the bureau's keys, to which the bank sends its jobs.
pub(crate) struct Trap {
    deed: Arc<Mutex<Option<Deed>>>,
    ended: tokio::sync::Mutex<tokio::sync::mpsc::Receiver<Result<()>>>,
    pub(crate) wares: Wares,
    _impostor: Impostor,
}

impl Trap {
    pub(crate) async fn set(scene: &Scene) -> Result<Self> {
        let deed: Arc<Mutex<Option<Deed>>> = Arc::default();
        let current = Arc::clone(&deed);
        let act: Deed = Arc::new(move |guest| {
            let deed = current.lock().unwrap_or_else(PoisonError::into_inner).clone();
            Box::pin(async move { deed.context("nothing to do")?(guest).await })
        });
        let bureau = scene.pair.bureau.home();
        let initiator = scene.pair.bank.home().keys().organisation_public();
        let mut impostor = Impostor::start(bureau.clone(), initiator, &Identity::of(bureau), &[&TLS13], act).await?;
        let ended = std::mem::replace(&mut impostor.ended, tokio::sync::mpsc::channel(1).1);
        lead(scene, &impostor.address.to_string()).await?;
        let wares = Wares {
            agreement: scene.agreement,
            numbers: vec![2, 3, 4, 9],
            rows: 4,
            payload_bytes: u32::try_from(PAYLOAD_BYTES)?,
            release: None,
        };
        Ok(Self { deed, ended: tokio::sync::Mutex::new(ended), wares, _impostor: impostor })
    }

    /// The bank asks for a job and meets `deed`; gives the reason its job fails with.
    pub(crate) async fn meets<F>(
        &self,
        scene: &Scene,
        agreement: [u8; 32],
        deed: impl Fn(Guest, Wares) -> F + Send + Sync + 'static,
    ) -> Result<String>
    where
        F: Future<Output = Result<()>> + Send + 'static,
    {
        let wares = self.wares.clone();
        let act: Deed = Arc::new(move |guest| Box::pin(deed(guest, wares.clone())));
        *self.deed.lock().unwrap_or_else(PoisonError::into_inner) = Some(act);
        let failed = fails(scene, agreement).await?;
        self.ended.lock().await.recv().await.context("the deed was not done")??;
        Ok(failed)
    }
}

/// Changes the address under which the bank knows the bureau.
async fn lead(scene: &Scene, endpoint: &str) -> Result<()> {
    let bank = scene.pair.bank.home();
    let mut record = bank.peer_show("bureau").await?;
    endpoint.clone_into(&mut record.endpoint);
    bank.store().put_peer(record, true).await?;
    Ok(())
}

/// The bank asks for a job; gives the reason it fails with.
async fn fails(scene: &Scene, agreement: [u8; 32]) -> Result<String> {
    let bank = &scene.pair.bank;
    let request =
        JobRequest { agreement_id: hex(&agreement), result: Some(ResultKind::Enrich), ..JobRequest::default() };
    let job = bank.create(request).await?;
    let report = bank.wait(&job).await?;
    Ok(report.failure.with_context(|| format!("the job ends well: {:?}", report.state))?.reason)
}

pub(crate) async fn attacks(report: &mut Report) -> Result<()> {
    let scene = Scene::new(&[("answer_seconds_max", 3), ("idle_seconds_max", 3)]).await?;
    crate::evidence::honest_job(&scene).await?;
    doors(report, &scene).await?;
    let trap = Trap::set(&scene).await?;
    acceptances(report, &scene, &trap).await?;
    frames(report, &scene, &trap).await?;
    releases(report, &scene, &trap).await?;
    payloads(report, &scene, &trap).await
}

/// Somebody else at the bureau's address.
async fn doors(report: &mut Report, scene: &Scene) -> Result<()> {
    let bureau = scene.pair.bureau.home();
    let initiator = scene.pair.bank.home().keys().organisation_public();
    let nothing: Deed = Arc::new(|_| Box::pin(async { bail!("nobody should come") }));
    let cases = [
        (
            Attack::new("impostor_with_its_own_certificate", "answers at the peer's address", "PEER_CERTIFICATE"),
            Identity::made(|_| {})?,
        ),
        (
            Attack::new("impostor_with_an_expired_certificate", "answers with what was valid once", "PEER_CERTIFICATE"),
            Identity::reissued(bureau, |params| params.not_after = rcgen::date_time_ymd(2020, 1, 1))?,
        ),
    ];
    for (attack, identity) in cases {
        let deed = Arc::clone(&nothing);
        let impostor = Impostor::start(bureau.clone(), initiator, &identity, &[&TLS13], deed).await?;
        lead(scene, &impostor.address.to_string()).await?;
        report.attack(&scene.pair.bank, attack, fails(scene, scene.agreement)).await?;
    }
    Ok(())
}

type Change = fn(&mut Answer);

async fn acceptances(report: &mut Report, scene: &Scene, trap: &Trap) -> Result<()> {
    let cases: [(Attack, Change); 5] = [
        (
            Attack::new("wider_columns", "declares more payload than the columns have", "PEER_SIZES").spending(1),
            |answer| answer.payload_bytes += 1,
        ),
        (Attack::new("answer_with_too_many_rows", "declares more rows than agreed", "ROWS_ABOVE_MAXIMUM"), |answer| {
            answer.own.rows = 1 << 24;
        }),
        (Attack::new("answer_not_padded", "declares its exact rows", "ROWS_NOT_PADDED"), |answer| {
            answer.own.rows = 997;
        }),
        (Attack::new("answer_with_other_rules", "normalises by other rules", "PEER_NORMALISER"), |answer| {
            answer.own.normaliser_digest = [0; 32];
        }),
        (Attack::new("answer_from_another_time", "signs its answer in advance", "PEER_CLOCK"), |answer| {
            answer.own.time += std::time::Duration::from_secs(3_600);
        }),
    ];
    for (attack, change) in cases {
        let tried = trap.meets(scene, scene.agreement, move |mut guest, wares| async move {
            let offer = guest.offer().await?;
            let answer = guest.answer(&offer, &wares, change)?;
            guest.send(ResponseMessage::Accept(answer.to_message())).await;
            while guest.next().await?.is_ok() {}
            Ok(())
        });
        report.attack(&scene.pair.bank, attack, tried).await?;
    }
    signatures(report, scene, trap).await
}

async fn signatures(report: &mut Report, scene: &Scene, trap: &Trap) -> Result<()> {
    let kept: Arc<Mutex<Option<v1::JobAccept>>> = Arc::default();
    let keep = Arc::clone(&kept);
    let attack = Attack::new("forged_acceptance", "answers with a signature of its own", "SIGNATURE_INVALID");
    let tried = trap.meets(scene, scene.agreement, move |mut guest, wares| {
        let keep = Arc::clone(&keep);
        async move {
            let offer = guest.offer().await?;
            let mut accept = guest.answer(&offer, &wares, |_| {})?.to_message();
            *keep.lock().unwrap_or_else(PoisonError::into_inner) = Some(accept.clone());
            accept.signature[5] ^= 1;
            guest.send(ResponseMessage::Accept(accept)).await;
            while guest.next().await?.is_ok() {}
            Ok(())
        }
    });
    report.attack(&scene.pair.bank, attack, tried).await?;

    let attack = Attack::new("replayed_acceptance", "answers with the acceptance of another job", "SIGNATURE_INVALID");
    let tried = trap.meets(scene, scene.agreement, move |mut guest, _| {
        let kept = kept.lock().unwrap_or_else(PoisonError::into_inner).clone();
        async move {
            guest.offer().await?;
            guest.send(ResponseMessage::Accept(kept.context("no acceptance was kept")?)).await;
            while guest.next().await?.is_ok() {}
            Ok(())
        }
    });
    report.attack(&scene.pair.bank, attack, tried).await?;

    let attack = Attack::new("frame_in_place_of_an_acceptance", "skips the handshake", "PEER_UNEXPECTED_MESSAGE");
    let tried = trap.meets(scene, scene.agreement, |mut guest, _| async move {
        guest.offer().await?;
        guest.send(ResponseMessage::Frame(vec![1; 50])).await;
        while guest.next().await?.is_ok() {}
        Ok(())
    });
    report.attack(&scene.pair.bank, attack, tried).await?;

    let attack = Attack::new("no_answer", "takes the offer and says nothing", "PEER_SILENT");
    let tried = trap.meets(scene, scene.agreement, |mut guest, _| async move {
        guest.offer().await?;
        while guest.next().await?.is_ok() {}
        Ok(())
    });
    report.attack(&scene.pair.bank, attack, tried).await
}

type Spoil = fn(&mut Vec<u8>);

/// Frames of a step, changed, with or without a Finish that fits the change.
const FRAMES: [(Attack, u8, bool, Spoil); 9] = [
    (
        Attack::new("key_is_the_identity", "announces a key that hides nothing", "PEER_MALFORMED_POINT"),
        KEY,
        true,
        |frame| {
            frame[BODY..BODY + 32].fill(0);
        },
    ),
    (
        Attack::new("wrong_proof", "evaluates without a proof that fits", "PEER_PROOF_REJECTED"),
        EVALUATED,
        true,
        |frame| {
            let last = frame.len() - 1;
            frame[last - 40] ^= 1;
        },
    ),
    (
        Attack::new("another_key_for_one_point", "exchanges two evaluations", "PEER_PROOF_REJECTED"),
        EVALUATED,
        true,
        |frame| {
            let (first, second) = frame[BODY..BODY + 64].split_at_mut(32);
            first.swap_with_slice(second);
        },
    ),
    (
        Attack::new("tags_in_table_order", "sends rows in an order that says something", "PEER_TAGS_NOT_SORTED"),
        ROWS,
        true,
        |frame| {
            let (first, second) = frame[BODY..BODY + 2 * ROW_BYTES].split_at_mut(ROW_BYTES);
            first.swap_with_slice(second);
        },
    ),
    (Attack::new("repeated_tag", "sends one row twice", "PEER_TAGS_NOT_SORTED"), ROWS, true, |frame| {
        frame.copy_within(BODY..BODY + ROW_BYTES, BODY + ROW_BYTES);
    }),
    (Attack::new("tampered_tag", "a tag changes on the way", "PEER_TRANSCRIPT_DIFFERS"), ROWS, false, |frame| {
        frame[BODY + 31] ^= 1;
    }),
    (Attack::new("tampered_payload", "a value changes on the way", "PEER_TRANSCRIPT_DIFFERS"), ROWS, false, |frame| {
        frame[BODY + 33] ^= 1;
    }),
    (
        Attack::new("undeclared_rows_in_the_answer", "sends more rows than declared", "LIMIT_EXCEEDED"),
        ROWS,
        true,
        |frame| {
            for _ in 0..100 {
                frame.extend_from_within(BODY..BODY + ROW_BYTES);
            }
        },
    ),
    (
        Attack::new("missing_rows_in_the_answer", "sends a row less than declared", "PEER_WRONG_LENGTH"),
        ROWS,
        true,
        |frame| {
            frame.truncate(BODY + 3 * ROW_BYTES);
        },
    ),
];

/// A sender's frames, changed.
async fn frames(report: &mut Report, scene: &Scene, trap: &Trap) -> Result<()> {
    for (attack, step, fitting, spoil) in FRAMES {
        let tried = trap.meets(scene, scene.agreement, move |mut guest, wares| async move {
            let spec = guest.begin(&wares).await?;
            let mut finish = Fitting::new(&spec.sid.0);
            guest
                .pump(spec, &wares, |mut frame| {
                    if frame[STEP] == step {
                        spoil(&mut frame);
                    }
                    if fitting {
                        finish.fit(&mut frame);
                    }
                    vec![frame]
                })
                .await?;
            Ok(())
        });
        report.attack(&scene.pair.bank, attack.spending(1), tried).await?;
    }
    without_finish(report, scene, trap).await
}

/// Every frame but the last, and then the end of the stream.
async fn without_finish(report: &mut Report, scene: &Scene, trap: &Trap) -> Result<()> {
    let attack = Attack::new("answer_without_finish", "leaves out the last message and goes", "PEER_GONE");
    let tried = trap.meets(scene, scene.agreement, |mut guest, wares| async move {
        let spec = guest.begin(&wares).await?;
        let Guest { outbound, .. } = &guest;
        let mut outbound = Some(outbound.clone());
        guest.outbound = tokio::sync::mpsc::channel(1).0;
        let (sender, mut frames) = tokio::sync::mpsc::unbounded_channel();
        let forward = tokio::spawn(async move {
            while let Some(frame) = frames.recv().await {
                if let Some(outbound) = &outbound {
                    let message = v1::ExchangeResponse { message: Some(ResponseMessage::Frame(frame)) };
                    drop(outbound.send(Ok(message)).await);
                }
            }
            drop(outbound.take());
        });
        let mut sender = Some(sender);
        guest
            .pump(spec, &wares, |frame| {
                if frame[STEP] == FINISH {
                    sender = None;
                } else if let Some(sender) = &sender {
                    drop(sender.send(frame));
                }
                Vec::new()
            })
            .await?;
        forward.await?;
        Ok(())
    });
    report.attack(&scene.pair.bank, attack.spending(1), tried).await
}

/// Three keys match and three are enough: the sender has to give away the key it committed to.
async fn releases(report: &mut Report, scene: &Scene, trap: &Trap) -> Result<()> {
    let agreement = agree_on_minimum(&scene.pair, 3, ReleaseCount::Count).await?;
    let cases: [(Attack, u8, Spoil); 3] = [
        (
            Attack::new("key_to_other_columns", "gives away another key than it committed to", "PEER_RELEASE_REJECTED"),
            RELEASE,
            |frame| frame[BODY + 1] ^= 1,
        ),
        (
            Attack::new("columns_withheld", "takes the report and gives nothing for it", "PEER_RELEASE_REJECTED"),
            RELEASE,
            |frame| frame[BODY..].fill(0),
        ),
        (
            Attack::new("check_of_another_run", "asks for a report on rows that differ", "PEER_TRANSCRIPT_DIFFERS"),
            CHECK,
            |frame| frame[BODY + 40] ^= 1,
        ),
    ];
    for (attack, step, spoil) in cases {
        let wares = Wares { agreement, release: release(3, Said::Count), ..trap.wares.clone() };
        let tried = trap.meets(scene, agreement, move |mut guest, _| {
            let wares = wares.clone();
            async move {
                let spec = guest.begin(&wares).await?;
                let mut finish = Fitting::new(&spec.sid.0);
                let change = |mut frame: Vec<u8>| {
                    if frame[STEP] == step {
                        spoil(&mut frame);
                    }
                    // The machine's own Check is right as long as nothing before it was changed.
                    finish.fit(&mut frame);
                    vec![frame]
                };
                guest.pump(spec, &wares, change).await?;
                Ok(())
            }
        });
        report.attack(&scene.pair.bank, attack.spending(1), tried).await?;
    }
    Ok(())
}

/// The hash that a Finish has to hold for the frames before it.
struct Fitting(Transcript);

impl Fitting {
    fn new(sid: &[u8; 32]) -> Self {
        let mut transcript = Transcript::new(Label::Finish);
        transcript.add(sid);
        Self(transcript)
    }

    fn fit(&mut self, frame: &mut [u8]) {
        if frame[STEP] == FINISH {
            frame[HEADER_BYTES..HEADER_BYTES + 32].copy_from_slice(&self.0.clone().finish());
        } else {
            self.0.add(frame);
        }
    }
}

/// Payload that does not open, in a run that is consistent otherwise: whether the sender can tell which rows matched.
async fn payloads(report: &mut Report, scene: &Scene, trap: &Trap) -> Result<()> {
    let honest = seen(scene, trap, false).await?;
    let attack = Attack::new(
        "selective_failure",
        "destroys payload to see from the receiver's reaction which rows match",
        "VIEW_UNCHANGED",
    );
    let tried = async {
        let broken = seen(scene, trap, true).await?;
        ensure!(broken == honest, "the receiver reacts: {broken:?}, {honest:?}");
        Ok("VIEW_UNCHANGED".to_owned())
    };
    report.attack(&scene.pair.bank, attack.spending(1).giving(1), tried).await
}

/// What the sender sees of a run that ends well: steps and lengths of all frames, the content of the last ones but for
/// the hashes, which cover the fresh session.
async fn seen(scene: &Scene, trap: &Trap, broken: bool) -> Result<Vec<(u8, usize)>> {
    let view: Arc<Mutex<Vec<(u8, usize)>>> = Arc::default();
    let shown = Arc::clone(&view);
    let ended = trap
        .meets(scene, scene.agreement, move |mut guest, wares| {
            let shown = Arc::clone(&shown);
            async move {
                let spec = guest.begin(&wares).await?;
                let mut finish = Fitting::new(&spec.sid.0);
                let (outcome, received) = guest
                    .pump(spec, &wares, |mut frame| {
                        if frame[STEP] == ROWS && broken {
                            for row in frame[HEADER_BYTES..].chunks_exact_mut(ROW_BYTES) {
                                row[32..].fill(0xA5);
                            }
                        }
                        finish.fit(&mut frame);
                        vec![frame]
                    })
                    .await?;
                outcome.context("the receiver gives up")?;
                let frames = received.iter().map(|frame| (frame[STEP], frame.len())).collect();
                *shown.lock().unwrap_or_else(PoisonError::into_inner) = frames;
                Ok(())
            }
        })
        .await;
    // The bank's job ends well in both cases; whatever fails is another error than that.
    match ended {
        Err(error) if error.to_string().contains("the job ends well") => {}
        other => bail!("the job fails: {other:?}"),
    }
    trap.ended.lock().await.recv().await.context("the deed was not done")??;
    Ok(view.lock().unwrap_or_else(PoisonError::into_inner).clone())
}
