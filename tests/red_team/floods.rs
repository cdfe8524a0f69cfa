//! Too much, too fast, too slow, all at once.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use symbolon_tests::hostile::client::Client;
use symbolon_tests::hostile::tls::handshake;
use symbolon_tests::hostile::{Identity, knock, plain, word};
use symbolon_wire::v1;
use symbolon_wire::v1::exchange_request::Message as RequestMessage;
use symbolon_wire::v1::exchange_response::Message as ResponseMessage;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::report::{Attack, Report, last_failure};
use crate::scene::{Scene, agree, ask, options};

const RACERS: usize = 32;
const RUNS: usize = 5;
const CONNECTIONS_MAX: u64 = 40;
const CONNECTIONS_PEER_MAX: u64 = 8;
const PROPOSALS_MAX: u64 = 2;
const STREAMS_MAX: u64 = 16;
const SESSION_SECONDS_MAX: u64 = 4;

pub(crate) async fn attacks(report: &mut Report) -> Result<()> {
    let scene = Scene::new(&[
        ("handshake_seconds_max", 1),
        ("answer_seconds_max", 2),
        ("idle_seconds_max", 2),
        ("session_seconds_max", SESSION_SECONDS_MAX),
        ("jobs_max", RACERS as u64),
        ("jobs_peer_max", RACERS as u64),
        ("connections_max", CONNECTIONS_MAX),
        ("connections_peer_max", CONNECTIONS_PEER_MAX),
        ("streams_max", STREAMS_MAX),
        ("proposals_max", PROPOSALS_MAX),
    ])
    .await?;
    Box::pin(slow(report, &scene)).await?;
    loud(report, &scene).await?;
    many(report, &scene).await?;
    race(report, &scene).await?;
    hoard(report).await
}

/// Who keeps a place and does nothing with it.
async fn slow(report: &mut Report, scene: &Scene) -> Result<()> {
    let (bureau, bank) = (&scene.pair.bureau, scene.bank());
    let attack = Attack::new("slow_handshake", "connects and says nothing", "PEER_GONE");
    report.attack(bureau, attack, plain(bureau.address(), b"")).await?;

    let attack = Attack::new("slow_hello_of_tls", "sends its first message a byte at a time", "PEER_GONE");
    report.attack(bureau, attack, dripping(bureau.address())).await?;

    let attack = Attack::new("slow_offer", "opens a job and asks for nothing", "PEER_SILENT");
    let tried = async { bank.open().await?.end().await };
    report.attack(bureau, attack, tried).await?;

    let attack = Attack::new("slow_confirmation", "lets an accepted job wait", "PEER_SILENT");
    let tried = async { bank.accepted(&scene.ask()).await?.0.end().await };
    report.attack(bureau, attack.spending(1), tried).await?;

    let attack = Attack::new("slow_frames", "confirms a job and sends no frame", "PEER_SILENT");
    let tried = async { bank.begin(&scene.ask()).await?.talk.end().await };
    report.attack(bureau, attack.spending(1), Box::pin(tried)).await?;

    let attack = Attack::new("endless_session", "keeps a job open with signs of life", "SESSION_TOO_LONG");
    let tried = async {
        let mut run = bank.begin(&scene.ask()).await?;
        let outbound = run.talk.outbound.clone();
        let alive = tokio::spawn(async move {
            let message = v1::ExchangeRequest { message: Some(RequestMessage::Alive(v1::JobAlive {})) };
            while outbound.send(message.clone()).await.is_ok() {
                tokio::time::sleep(Duration::from_millis(500)).await;
            }
        });
        let word = run.talk.end().await;
        alive.abort();
        word
    };
    report.attack(bureau, attack.spending(1), tried).await
}

/// Waits a little between the bytes of a ClientHello, which is never complete.
async fn dripping(address: std::net::SocketAddr) -> Result<String> {
    let tcp = TcpStream::connect(address).await?;
    let (mut reading, mut writing) = tcp.into_split();
    let drip = tokio::spawn(async move {
        for byte in [0x16, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3].into_iter().chain(std::iter::repeat_n(7, 200)) {
            if writing.write_all(&[byte]).await.is_err() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    });
    let mut sink = [0_u8; 64];
    let ended = async { while matches!(reading.read(&mut sink).await, Ok(count) if count > 0) {} };
    let ended = tokio::time::timeout(Duration::from_secs(10), ended).await;
    drip.abort();
    ended.context("the port waits for every byte")?;
    Ok("PEER_GONE".to_owned())
}

/// Who sends more than there is to say.
async fn loud(report: &mut Report, scene: &Scene) -> Result<()> {
    let (bureau, bank) = (&scene.pair.bureau, scene.bank());
    let attack = Attack::new("flood_of_signs_of_life", "sends nothing but signs of life, fast", "LIMIT_EXCEEDED");
    let tried = async {
        let mut run = bank.begin(&scene.ask()).await?;
        let outbound = run.talk.outbound.clone();
        let alive = tokio::spawn(async move {
            let message = v1::ExchangeRequest { message: Some(RequestMessage::Alive(v1::JobAlive {})) };
            for _ in 0..10_000 {
                if outbound.send(message.clone()).await.is_err() {
                    return;
                }
            }
        });
        let word = run.talk.end().await;
        alive.abort();
        word
    };
    report.attack(bureau, attack.spending(1), tried).await?;

    let attack = Attack::new("oversized_message", "sends a message larger than any", "PEER_MALFORMED_MESSAGE");
    let tried = async {
        let mut run = bank.begin(&scene.ask()).await?;
        run.talk.send(RequestMessage::Frame(vec![1; 8 << 20])).await;
        run.talk.end().await?;
        last_failure(bureau).await
    };
    report.attack(bureau, attack.spending(1), tried).await?;

    let attack = Attack::new("oversized_probe", "asks for more bytes than a probe may have", "LIMIT_EXCEEDED");
    let tried = async {
        let probe = v1::ProbeRequest { payload: Vec::new(), reply_bytes: u32::MAX };
        let answer = bank.connect().await?.grpc.probe(probe).await;
        Ok(word(&answer.err().context("the node answers")?))
    };
    report.attack(bureau, attack, tried).await?;

    proposals(report, scene).await
}

async fn proposals(report: &mut Report, scene: &Scene) -> Result<()> {
    use symbolon_node::ops::agreements::AgreementInput;
    let (bureau, home) = (&scene.pair.bureau, scene.pair.bank.home());
    let mut documents = Vec::new();
    for number in 0..=PROPOSALS_MAX {
        let draft = home.agreement_draft(&options(&scene.pair, &format!("Proposal {number}")).await?).await?;
        documents.push(home.agreement_sign(AgreementInput::Document(draft.into_bytes())).await?.document);
    }
    let last = documents.pop().context("a document")?;
    let mut client = scene.bank().connect().await?.grpc;
    for document in documents {
        client.propose_agreement(v1::ProposeAgreementRequest { document }).await?;
    }
    let attack = Attack::new("flood_of_proposals", "proposes more than people can read", "LIMIT_EXCEEDED");
    let tried = async {
        let answer = client.propose_agreement(v1::ProposeAgreementRequest { document: last }).await;
        Ok(word(&answer.err().context("the node takes it")?))
    };
    report.attack(bureau, attack, tried).await
}

/// Who comes in numbers.
async fn many(report: &mut Report, scene: &Scene) -> Result<()> {
    let (bureau, bank) = (&scene.pair.bureau, scene.bank());
    let attack = Attack::new("flood_of_connections", "one peer opens more connections than it may", "PEER_GONE");
    let tried = async {
        let mut open = Vec::new();
        for _ in 0..CONNECTIONS_PEER_MAX {
            let identity = Some(Identity::of(&bank.home));
            let mut stream = handshake(bureau.address(), identity, &[&rustls::version::TLS13], b"h2").await?;
            // A node's first bytes say that it let the connection in.
            stream.read_exact(&mut [0; 9]).await?;
            open.push(stream);
        }
        let one_more = Some(Identity::of(&bank.home));
        knock(bureau.address(), one_more, &[&rustls::version::TLS13], b"h2").await
    };
    report.attack(bureau, attack, tried).await?;

    let attack = Attack::new("flood_of_handshakes", "strangers take every place at the door", "PEER_GONE");
    report.attack(bureau, attack, crowd(scene)).await?;

    let attack = Attack::new("flood_of_streams", "opens streams faster than it may and resets them", "PEER_GONE");
    report.attack(bureau, attack, rapid_reset(scene)).await?;

    let attack = Attack::new("flood_of_aborts", "opens jobs only to abort them", "PEER_GONE");
    let tried = async {
        let client = bank.connect().await?;
        for _ in 0..100 {
            let mut talk = client.exchange().await?;
            let abort = v1::JobAbort { reason: "CANCELLED".to_owned(), incident: "x".to_owned(), ..Default::default() };
            talk.send(RequestMessage::Abort(abort)).await;
            let word = talk.end().await?;
            ensure!(word == "PEER_GONE", "the node answers with {word}");
        }
        Ok("PEER_GONE".to_owned())
    };
    report.attack(bureau, attack, tried).await
}

/// Fills every place with connections that do nothing; an honest peer comes in as soon as they are thrown out.
async fn crowd(scene: &Scene) -> Result<String> {
    let address = scene.pair.bureau.address();
    let mut waiting = Vec::new();
    for _ in 0..CONNECTIONS_MAX {
        waiting.push(TcpStream::connect(address).await?);
    }
    // The port has taken them all when it ends the next one at once.
    let refused = plain(address, b"").await?;
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    let honest = scene.bank().connect().await?.grpc.hello(v1::HelloRequest::default()).await;
    honest.context("an honest peer stays outside")?;
    drop(waiting);
    Ok(refused)
}

/// HTTP/2 by hand: a stream is opened and reset at once, again and again (CVE-2023-44487). A node ends the connection
/// long before the last of them.
async fn rapid_reset(scene: &Scene) -> Result<String> {
    const STREAMS: u32 = 5_000;
    let bank = Identity::of(scene.pair.bank.home());
    let tls = handshake(scene.pair.bureau.address(), Some(bank), &[&rustls::version::TLS13], b"h2").await?;
    let (mut reading, mut writing) = tokio::io::split(tls);
    let flood = tokio::spawn(async move {
        let frame = |kind: u8, flags: u8, stream: u32, payload: &[u8]| {
            let length = u32::try_from(payload.len()).unwrap_or(0).to_be_bytes();
            let mut frame = length[1..].to_vec();
            frame.extend([kind, flags]);
            frame.extend(stream.to_be_bytes());
            frame.extend_from_slice(payload);
            frame
        };
        // Indexed :method POST, :scheme https; :path and :authority literal (RFC 7541, appendix A and section 6.2.2).
        let mut headers = vec![0x83, 0x87, 0x04, 36];
        headers.extend(b"/symbolon.v1.ExchangeService/Exchange");
        headers[3] = u8::try_from(headers.len() - 4).unwrap_or(0);
        headers.extend([0x01, 1, b'x', 0x0F, 0x10, 16]);
        headers.extend(b"application/grpc");
        let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
        bytes.extend(frame(4, 0, 0, &[]));
        if writing.write_all(&bytes).await.is_err() {
            return 0;
        }
        for number in 0..STREAMS {
            let stream = 2 * number + 1;
            let mut bytes = frame(1, 4, stream, &headers);
            bytes.extend(frame(3, 0, stream, &8_u32.to_be_bytes()));
            if writing.write_all(&bytes).await.is_err() || writing.flush().await.is_err() {
                return number;
            }
        }
        STREAMS
    });
    let mut answer = Vec::new();
    let ended = tokio::time::timeout(Duration::from_secs(20), reading.read_to_end(&mut answer)).await;
    flood.abort();
    // How the connection ends, by reset or in order, is the system's.
    drop(ended.context("the node keeps the connection")?);
    let mut rest = &answer[..];
    while rest.len() >= 9 {
        let length = usize::from(rest[0]) << 16 | usize::from(rest[1]) << 8 | usize::from(rest[2]);
        if rest[3] == 7 {
            return Ok("PEER_GONE".to_owned());
        }
        rest = rest.get(9 + length..).unwrap_or_default();
    }
    bail!("no GOAWAY among {} bytes", answer.len())
}

/// 32 jobs at one moment under an agreement that has 5 runs.
async fn race(report: &mut Report, scene: &Scene) -> Result<()> {
    let bureau = &scene.pair.bureau;
    let agreement = agree(&scene.pair, "Five runs", |options| options.runs_max = RUNS as u64).await?;
    let attack = Attack::new("budget_race", "starts 32 jobs at once under an agreement with 5 runs", "RUNS_SPENT");
    let tried = async {
        let clients: Vec<Client> = {
            let mut clients = Vec::new();
            for _ in 0..4 {
                clients.push(scene.bank().connect().await?);
            }
            clients
        };
        let mut racers = JoinSet::new();
        for number in 0..RACERS {
            let (client, bank) = (clients[number % clients.len()].clone(), scene.bank());
            let offer = bank.seal(&bank.offer(&ask(agreement, None))?)?;
            racers.spawn(async move {
                let mut talk = client.exchange().await?;
                talk.send(RequestMessage::Offer(offer)).await;
                match talk.next().await? {
                    Ok(ResponseMessage::Accept(_)) => anyhow::Ok(None),
                    Ok(other) => bail!("{other:?}"),
                    Err(word) => Ok(Some(word)),
                }
            });
        }
        let mut words = Vec::new();
        while let Some(ended) = racers.join_next().await {
            words.extend(ended??);
        }
        ensure!(words.len() == RACERS - RUNS, "{} of {RACERS} are refused: {words:?}", words.len());
        // Some are refused by the policy that runs are left, some by the transaction that spends them.
        let known = ["RUNS_SPENT", "POLICY_REFUSED"];
        ensure!(words.iter().all(|word| known.contains(&word.as_str())), "{words:?}");
        Ok("RUNS_SPENT".to_owned())
    };
    report.attack(bureau, attack.spending(RUNS as u64), tried).await
}

/// One peer keeps jobs open until no more are let in, at nodes with the limits of a fresh `node.toml`: a slot stays free,
/// and another peer gets it.
async fn hoard(report: &mut Report) -> Result<()> {
    let scene = Scene::new(&[]).await?;
    let bureau = &scene.pair.bureau;
    let slots = bureau.home().settings().limits.jobs_max;
    let attack = Attack::new("one_peer_takes_all_slots", "keeps as many jobs open as a node runs", "LIMIT_EXCEEDED");
    let tried = async {
        let client = scene.bank().connect().await?;
        let mut held = Vec::new();
        let refused = loop {
            match client.exchange().await {
                Ok(talk) => held.push(talk),
                Err(status) => break word(&status),
            }
            ensure!(held.len() < slots, "one peer holds all {slots} slots");
        };
        let other = scene.stranger().connect().await?.exchange().await;
        other.context("another peer finds no slot")?;
        Ok(refused)
    };
    report.attack(bureau, attack, tried).await
}
