//! A peer that is known and asks too much, too often or too slowly, over real connections; and what a node tells of it.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_util::sync::CancellationToken;
use tonic::Code;

use super::*;
use crate::tls::{Connections, Pins, client_config, connect};

/// The reason with which one more stream is refused.
async fn refused(scene: &Scene) -> (&'static str, Talk) {
    let talk = scene.open().await;
    let client = PeerClient::connect(&scene.pair.bank, &scene.bureau).await.unwrap();
    let (_outbound, receiver) = mpsc::channel(8);
    let Error::Unavailable(Unavailable::Aborted { reason, .. }) = client.exchange(receiver).await.unwrap_err() else {
        panic!("refused with a reason");
    };
    (reason, talk)
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_that_come_too_fast_are_refused() {
    let scene = scene(&[("jobs_per_minute = 1200", "jobs_per_minute = 1")]).await;
    assert_eq!(refused(&scene).await.0, "RATE_LIMITED");
    let error = Error::RateLimited { what: "jobs", seconds: 60 };
    assert_eq!(crate::status::for_peer(&error, "0").code(), Code::ResourceExhausted);
    assert!(scrape(&scene).await.contains("symbolon_rate_limited_total{what=\"jobs\"} 1\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_peer_does_not_take_every_slot() {
    let scene = scene(&[("jobs_peer_max = 3", "jobs_peer_max = 1")]).await;
    assert_eq!(refused(&scene).await.0, "LIMIT_EXCEEDED");
}

#[tokio::test(flavor = "multi_thread")]
async fn signs_of_life_do_not_prolong_the_handshake_of_a_job() {
    let scene = scene(&[("handshake_seconds_max = 10", "handshake_seconds_max = 1")]).await;
    let mut talk = scene.open().await;
    let outbound = talk.outbound.clone();
    let alive = tokio::spawn(async move {
        let message = || v1::ExchangeRequest { message: Some(RequestMessage::Alive(v1::JobAlive {})) };
        while outbound.send(message()).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    });
    assert_eq!(talk.aborted().await, "PEER_SILENT");
    alive.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn signs_of_life_alone_do_not_hold_a_job() {
    let scene = scene(&[("stall_seconds_max = 900", "stall_seconds_max = 1")]).await;
    let (mut talk, _) = scene.begin(1).await;
    let outbound = talk.outbound.clone();
    let alive = tokio::spawn(async move {
        let message = || v1::ExchangeRequest { message: Some(RequestMessage::Alive(v1::JobAlive {})) };
        while outbound.send(message()).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    });
    assert_eq!(talk.aborted().await, "PEER_STALLED");
    assert_eq!(scene.failed().await, "PEER_STALLED");
    alive.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_never_begins_http2_is_closed() {
    let scene = scene(&[("handshake_seconds_max = 10", "handshake_seconds_max = 1")]).await;
    let bank = &scene.pair.bank;
    let (pins, pin) = (Pins::new([scene.bureau.spki_pin]), scene.bureau.spki_pin);
    let config = client_config(bank.keys().tls(), &pins, bank.clock()).unwrap();
    let tcp = tokio::net::TcpStream::connect(&scene.bureau.endpoint).await.unwrap();
    let mut stream = connect(config, (&pins, pin), &Connections::default(), tcp).await.unwrap();
    // A part of the preface, and then nothing.
    stream.write_all(b"PRI * HTTP").await.unwrap();
    stream.flush().await.unwrap();
    let mut rest = Vec::new();
    let ended = tokio::time::timeout(Duration::from_secs(10), stream.read_to_end(&mut rest)).await;
    assert!(ended.is_ok(), "the node keeps the connection");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_handshakes_is_closed_before_it_costs_anything() {
    let scene = scene(&[("handshakes_per_minute = 1200", "handshakes_per_minute = 2")]).await;
    let mut closed = 0;
    for _ in 0..6 {
        let mut tcp = tokio::net::TcpStream::connect(&scene.bureau.endpoint).await.unwrap();
        let mut byte = [0];
        // A node that waits for a handshake says nothing.
        let heard = tokio::time::timeout(Duration::from_millis(300), tcp.read(&mut byte)).await;
        closed += usize::from(heard.is_ok());
    }
    assert_eq!(closed, 4);
    assert!(scrape(&scene).await.contains("symbolon_handshakes_total{outcome=\"too_many\"} 4\n"));
}

/// What Prometheus reads of the bureau.
async fn scrape(scene: &Scene) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let stop = CancellationToken::new();
    let port = tokio::spawn(crate::telemetry::scrape::serve(scene.node.clone(), listener, stop.clone()));
    let ask = |request: &'static str| async move {
        let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    };
    assert!(ask("GET /keys HTTP/1.1\r\n\r\n").await.starts_with("HTTP/1.1 404 "));
    let answer = ask("GET /metrics HTTP/1.1\r\nhost: localhost\r\n\r\n").await;
    stop.cancel();
    port.await.unwrap();
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn numbers_tell_of_jobs_and_name_nobody() {
    let scene = scene(&[]).await;
    let (talk, _) = scene.begin(1).await;
    drop(talk);
    assert_eq!(scene.failed().await, "PEER_GONE");
    let text = scrape(&scene).await;
    for line in [
        "symbolon_jobs_ended_total{side=\"responder\",state=\"failed\",reason=\"PEER_GONE\"} 1",
        "symbolon_rows_declared_total{whose=\"peer\"} 3",
        "symbolon_alerts_total{sign=\"tiny_set\"} 1",
        "symbolon_alerts_open 1",
        "symbolon_budget_left_permille{budget=\"runs_max\"} 999",
        "symbolon_handshakes_total{outcome=\"accepted\"} 1",
    ] {
        assert!(text.lines().any(|found| found == line), "{line}\n{text}");
    }
    let pair = &scene.pair;
    let secrets = [
        hex::encode(scene.agreement),
        hex::encode(pair.bank.keys().organisation_public().to_bytes()),
        hex::encode(pair.bank.keys().spki_pin()),
        "bank".to_owned(),
        "bureau".to_owned(),
        "customers".to_owned(),
        "grade".to_owned(),
    ];
    for secret in secrets {
        assert!(!text.contains(&secret), "{secret}");
    }
    let long = text.split(|letter: char| !letter.is_ascii_hexdigit()).find(|run| run.len() > 15);
    assert_eq!(long, None, "a run of hexadecimal digits");
}
