use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio_stream::StreamExt;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::clock::{FixedClock, SystemClock};
use crate::keys::Keys;

struct Side {
    keys: Arc<Keys>,
    _dir: tempfile::TempDir,
}

fn side(name: &str) -> Side {
    let dir = tempfile::tempdir().unwrap();
    let keys =
        crate::keys::tests::plain_keys(&dir.path().join("keys"), name, &["127.0.0.1".to_owned()], SystemClock.now())
            .unwrap();
    Side { keys: Arc::new(keys), _dir: dir }
}

fn clock() -> Arc<dyn Clock> {
    Arc::new(SystemClock)
}

fn limits(connections_max: usize, connections_peer_max: usize) -> AcceptorLimits {
    AcceptorLimits::new(connections_max, connections_peer_max, Duration::from_millis(300))
}

struct Port {
    address: std::net::SocketAddr,
    incoming: Incoming,
    stop: CancellationToken,
}

async fn listen(keys: &Arc<Keys>, pins: Vec<SpkiPin>, limits: AcceptorLimits) -> Port {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let stop = CancellationToken::new();
    let incoming = Acceptor::new(keys, pins, &clock(), limits).unwrap().listen(listener, stop.clone());
    Port { address, incoming, stop }
}

impl Port {
    /// Serves each connection as a server does: it speaks first.
    fn greet(mut self) -> CancellationToken {
        let stop = self.stop.clone();
        tokio::spawn(async move {
            let mut open = Vec::new();
            while let Some(stream) = self.incoming.next().await {
                let mut stream = stream.unwrap();
                stream.write_all(b"hello").await.unwrap();
                stream.flush().await.unwrap();
                open.push(stream);
            }
        });
        stop
    }
}

async fn dial(port: std::net::SocketAddr, keys: &Keys, pin: SpkiPin) -> Result<Stream, Error> {
    let pins = Pins::new([pin]);
    let config = client_config(keys.tls(), &pins, &clock())?;
    connect(config, (&pins, pin), &Connections::default(), TcpStream::connect(port).await.unwrap()).await
}

#[tokio::test]
async fn pinned_keys_meet_and_share_an_exporter_value() {
    let (bank, bureau) = (side("Bank"), side("Bureau"));
    let mut port = listen(&bureau.keys, vec![bank.keys.spki_pin()], limits(4, 4)).await;
    let server = tokio::spawn(async move {
        let mut stream = port.incoming.next().await.unwrap().unwrap();
        stream.write_all(b"hello").await.unwrap();
        stream.flush().await.unwrap();
        let mut word = [0; 3];
        stream.read_exact(&mut word).await.unwrap();
        (stream.channel(), word)
    });
    let mut client = dial(port.address, &bank.keys, bureau.keys.spki_pin()).await.unwrap();
    let mut greeting = [0; 5];
    client.read_exact(&mut greeting).await.unwrap();
    client.write_all(b"bye").await.unwrap();
    client.flush().await.unwrap();
    let (there, word) = server.await.unwrap();
    assert_eq!((&greeting, &word), (b"hello", b"bye"));
    assert_eq!(there.pin, bank.keys.spki_pin());
    assert_eq!(client.channel().pin, bureau.keys.spki_pin());
    assert_eq!(client.channel().exporter, there.exporter);
    assert_ne!(there.exporter, [0; 32]);
}

#[tokio::test]
async fn two_connections_have_two_exporter_values() {
    let (bank, bureau) = (side("Bank"), side("Bureau"));
    let port = listen(&bureau.keys, vec![bank.keys.spki_pin()], limits(4, 4)).await;
    let address = port.address;
    port.greet();
    let first = dial(address, &bank.keys, bureau.keys.spki_pin()).await.unwrap();
    let second = dial(address, &bank.keys, bureau.keys.spki_pin()).await.unwrap();
    assert_ne!(first.channel().exporter, second.channel().exporter);
}

#[tokio::test]
async fn a_server_with_another_key_is_refused_by_the_client() {
    let (bank, bureau, impostor) = (side("Bank"), side("Bureau"), side("Bureau"));
    let port = listen(&impostor.keys, vec![bank.keys.spki_pin()], limits(4, 4)).await;
    let address = port.address;
    port.greet();
    let error = dial(address, &bank.keys, bureau.keys.spki_pin()).await.unwrap_err();
    assert_eq!(error.reason(), "PEER_CERTIFICATE");
    assert!(!error.remedy().is_empty());
}

#[tokio::test]
async fn a_client_with_an_unknown_key_is_refused_and_learns_it() {
    let (bank, bureau, stranger) = (side("Bank"), side("Bureau"), side("Bank"));
    let port = listen(&bureau.keys, vec![bank.keys.spki_pin()], limits(4, 4)).await;
    let address = port.address;
    port.greet();
    let error = dial(address, &stranger.keys, bureau.keys.spki_pin()).await.unwrap_err();
    assert_eq!(error.reason(), "PEER_REFUSED_US");
}

#[tokio::test]
async fn a_client_without_a_certificate_is_refused() {
    let (bank, bureau) = (side("Bank"), side("Bureau"));
    let port = listen(&bureau.keys, vec![bank.keys.spki_pin()], limits(4, 4)).await;
    let address = port.address;
    port.greet();
    let pin = bureau.keys.spki_pin();
    let provider = provider();
    let verifier = Arc::new(ServerVerifier::new(Pins::new([pin]), provider.signature_verification_algorithms));
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    config.alpn_protocols = vec![ALPN.to_vec()];
    let (pins, tcp) = (Pins::new([pin]), TcpStream::connect(address).await.unwrap());
    let error = connect(Arc::new(config), (&pins, pin), &Connections::default(), tcp).await.unwrap_err();
    assert_eq!(error.reason(), "PEER_REFUSED_US");
}

/// A ClientHello of TLS 1.2 with one suite of that version, since this build has no client that could speak it.
#[tokio::test]
async fn tls_1_2_is_refused() {
    let (bank, bureau) = (side("Bank"), side("Bureau"));
    let port = listen(&bureau.keys, vec![bank.keys.spki_pin()], limits(4, 4)).await;
    let mut tcp = TcpStream::connect(port.address).await.unwrap();
    // Version, random, no session, suite ECDHE-ECDSA-AES128-GCM-SHA256, null compression; the extensions
    // supported_groups(P-256), signature_algorithms(ecdsa_secp256r1_sha256), ec_point_formats(uncompressed),
    // extended_master_secret.
    let extensions: &[u8] = &[0, 10, 0, 4, 0, 2, 0, 23, 0, 13, 0, 4, 0, 2, 4, 3, 0, 11, 0, 2, 1, 0, 0, 23, 0, 0];
    let mut body = vec![3, 3];
    body.extend([7; 32]);
    body.extend([0, 0, 2, 0xC0, 0x2B, 1, 0, 0, u8::try_from(extensions.len()).unwrap()]);
    body.extend(extensions);
    let length = u8::try_from(body.len()).unwrap();
    let mut record = vec![22, 3, 1, 0, length + 4, 1, 0, 0, length];
    record.extend(body);
    tcp.write_all(&record).await.unwrap();
    let mut answer = Vec::new();
    tcp.read_to_end(&mut answer).await.unwrap();
    // A fatal alert, protocol_version (70), and nothing else.
    assert_eq!(answer, [21, 3, 3, 0, 2, 2, 70]);
}

#[tokio::test]
async fn plain_text_is_refused() {
    let (bank, bureau) = (side("Bank"), side("Bureau"));
    let port = listen(&bureau.keys, vec![bank.keys.spki_pin()], limits(4, 4)).await;
    let mut tcp = TcpStream::connect(port.address).await.unwrap();
    tcp.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    drop(tcp.read_to_end(&mut answer).await);
    assert!(answer.len() <= 7, "no more than an alert: {answer:?}");
    let mut incoming = port.incoming;
    assert!(tokio::time::timeout(Duration::from_millis(50), incoming.next()).await.is_err());
}

#[tokio::test]
async fn who_does_not_shake_hands_is_dropped_in_time() {
    let (bank, bureau) = (side("Bank"), side("Bureau"));
    let port = listen(&bureau.keys, vec![bank.keys.spki_pin()], limits(1, 1)).await;
    let address = port.address;
    port.greet();
    let mut silent = TcpStream::connect(address).await.unwrap();
    let mut nothing = [0; 1];
    let read = tokio::time::timeout(Duration::from_secs(5), silent.read(&mut nothing)).await;
    assert_eq!(read.expect("closed in time").unwrap(), 0);
    // Its slot is free again.
    dial(address, &bank.keys, bureau.keys.spki_pin()).await.unwrap();
}

#[tokio::test]
async fn connections_are_limited_in_all_and_by_peer() {
    let (bank, broker, bureau) = (side("Bank"), side("Broker"), side("Bureau"));
    let pins = vec![bank.keys.spki_pin(), broker.keys.spki_pin()];
    let port = listen(&bureau.keys, pins, limits(2, 1)).await;
    let (address, pin) = (port.address, bureau.keys.spki_pin());
    port.greet();
    let _first = dial(address, &bank.keys, pin).await.unwrap();
    dial(address, &bank.keys, pin).await.expect_err("a second one of the same peer");
    let second = dial(address, &broker.keys, pin).await.unwrap();
    dial(address, &broker.keys, pin).await.expect_err("a third one in all");
    drop(second);
}

#[tokio::test]
async fn a_removed_pin_counts_at_the_next_connection() {
    let (bank, bureau) = (side("Bank"), side("Bureau"));
    let pins = Pins::new([bank.keys.spki_pin()]);
    let shared = pins.clone();
    pins.replace([bureau.keys.spki_pin()].into_iter().collect());
    assert_eq!(shared.trust().accepted, vec![bureau.keys.spki_pin().into()]);
}

#[tokio::test]
async fn a_stopped_port_takes_nobody() {
    let (bank, bureau) = (side("Bank"), side("Bureau"));
    let port = listen(&bureau.keys, vec![bank.keys.spki_pin()], limits(4, 4)).await;
    let address = port.address;
    port.greet().cancel();
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn an_expired_certificate_is_refused_by_the_nodes_own_clock() {
    let (bank, bureau) = (side("Bank"), side("Bureau"));
    let port = listen(&bureau.keys, vec![bank.keys.spki_pin()], limits(4, 4)).await;
    let address = port.address;
    port.greet();
    let pin = bureau.keys.spki_pin();
    for moved in ["2126-01-01T00:00:00Z", "2001-01-01T00:00:00Z"] {
        let clock: Arc<dyn Clock> = Arc::new(FixedClock::new(moved.parse::<DateTime<Utc>>().unwrap()));
        let pins = Pins::new([pin]);
        let config = client_config(bank.keys.tls(), &pins, &clock).unwrap();
        let tcp = TcpStream::connect(address).await.unwrap();
        let error = connect(config, (&pins, pin), &Connections::default(), tcp).await.unwrap_err();
        assert_eq!(error.reason(), "PEER_CERTIFICATE_DATES", "{moved}");
    }
}

mod identity;
