//! Who gets through the door at all.

use anyhow::{Context, Result, ensure};
use rustls::version::TLS13;
use symbolon_tests::hostile::{Identity, knock, plain, word};
use symbolon_wire::v1;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::report::{Attack, Report};
use crate::scene::Scene;

/// The alert of a server that speaks no version the client offers (RFC 8446, section 6.2).
const PROTOCOL_VERSION: u8 = 70;

pub(crate) async fn attacks(report: &mut Report) -> Result<()> {
    let scene = Scene::new(&[]).await?;
    certificates(report, &scene).await?;
    handshakes(report, &scene).await?;
    removed_peer(report, &scene).await
}

async fn certificates(report: &mut Report, scene: &Scene) -> Result<()> {
    let (bank, bureau) = (scene.pair.bank.home(), &scene.pair.bureau);
    let true_bank = Identity::of(bank);
    let cases = [
        (
            Attack::new("certificate_of_a_stranger", "connects with a key on no card", "PEER_REFUSED_US"),
            Some(Identity::made(|_| {})?),
        ),
        (
            Attack::new(
                "certificate_expired",
                "connects with a known key whose certificate has ended",
                "PEER_REFUSED_US",
            ),
            Some(Identity::reissued(bank, |params| params.not_after = rcgen::date_time_ymd(2020, 1, 1))?),
        ),
        (
            Attack::new(
                "certificate_not_yet_valid",
                "connects with a known key whose certificate has not begun",
                "PEER_REFUSED_US",
            ),
            Some(Identity::reissued(bank, |params| params.not_before = rcgen::date_time_ymd(2090, 1, 1))?),
        ),
        (
            Attack::new("certificate_without_its_key", "shows a copy of a known certificate", "PEER_REFUSED_US"),
            Some(true_bank.without_its_key(&Identity::made(|_| {})?)),
        ),
        (Attack::new("no_certificate", "connects without a certificate", "PEER_REFUSED_US"), None),
    ];
    for (attack, identity) in cases {
        report.attack(bureau, attack, knock(bureau.address(), identity, &[&TLS13], b"h2")).await?;
    }
    Ok(())
}

async fn handshakes(report: &mut Report, scene: &Scene) -> Result<()> {
    let bureau = &scene.pair.bureau;
    let address = bureau.address();
    let attack = Attack::new("downgrade_to_tls_1_2", "offers TLS 1.2 and nothing newer", "PEER_REFUSED_US");
    report.attack(bureau, attack, tls_1_2(address)).await?;

    let attack = Attack::new("other_application_protocol", "asks for HTTP/1.1 in place of HTTP/2", "PEER_REFUSED_US");
    let bank = Some(Identity::of(scene.pair.bank.home()));
    report.attack(bureau, attack, knock(address, bank, &[&TLS13], b"http/1.1")).await?;

    let attack = Attack::new("no_tls_at_all", "speaks HTTP/2 in the clear", "PEER_GONE");
    report.attack(bureau, attack, plain(address, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")).await?;

    let attack = Attack::new(
        "relayed_offer",
        "a third institution passes the bank's signed offer on over its own connection",
        "PEER_MISBEHAVED",
    );
    let offer = scene.bank().seal(&scene.bank().offer(&scene.ask())?)?;
    report.attack(bureau, attack, scene.stranger().asked(offer)).await
}

/// A ClientHello of TLS 1.2 (RFC 5246, section 7.4.1.2) with suites and groups that were usual then.
async fn tls_1_2(address: std::net::SocketAddr) -> Result<String> {
    let mut hello = vec![0x03, 0x03];
    hello.extend([7_u8; 32]);
    hello.push(0);
    hello.extend([0, 4, 0xC0, 0x2B, 0xC0, 0x2F]);
    hello.extend([1, 0]);
    let extensions = [
        &[0, 10, 0, 6, 0, 4, 0, 23, 0, 29][..],
        &[0, 11, 0, 2, 1, 0],
        &[0, 13, 0, 6, 0, 4, 4, 3, 8, 4],
        &[0, 16, 0, 5, 0, 3, 2, b'h', b'2'],
    ]
    .concat();
    hello.extend(u16::try_from(extensions.len())?.to_be_bytes());
    hello.extend(extensions);
    let mut record = vec![0x16, 0x03, 0x01];
    record.extend(u16::try_from(hello.len() + 4)?.to_be_bytes());
    record.extend([1, 0]);
    record.extend(u16::try_from(hello.len())?.to_be_bytes());
    record.extend(hello);
    let mut tcp = TcpStream::connect(address).await?;
    tcp.write_all(&record).await?;
    let mut answer = Vec::new();
    let read = tokio::time::timeout(std::time::Duration::from_secs(20), tcp.read_to_end(&mut answer)).await;
    read.context("the port keeps the connection")??;
    // A fatal alert and nothing else.
    ensure!(answer.len() == 7 && answer[0] == 0x15 && answer[5..] == [2, PROTOCOL_VERSION], "{answer:?}");
    Ok("PEER_REFUSED_US".to_owned())
}

async fn removed_peer(report: &mut Report, scene: &Scene) -> Result<()> {
    let bureau = &scene.pair.bureau;
    let client = scene.stranger().connect().await?;
    let mut record = bureau.home().peer_show("mallory").await?;
    record.spki_pin = [9; 32];
    bureau.home().store().put_peer(record, true).await?;
    let attack = Attack::new(
        "removed_peer_on_an_open_connection",
        "goes on with a connection made before its key was taken off the list",
        "UNKNOWN_PEER",
    );
    let tried = async {
        let answer = client.grpc.clone().hello(v1::HelloRequest::default()).await;
        Ok(word(&answer.err().context("the node answers")?))
    };
    report.attack(bureau, attack, tried).await
}
