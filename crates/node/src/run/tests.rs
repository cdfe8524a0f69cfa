use std::sync::Arc;

use symbolon_wire::v1;
use symbolon_wire::v1::control_service_client::ControlServiceClient;
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;
use tonic_reflection::pb::v1::ServerReflectionRequest;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;

use super::*;
use crate::client::PeerClient;
use crate::clock::{Clock, SystemClock};
use crate::control_client::channel;
use crate::error::{ConfigError, Unavailable};
use crate::keys::Keys;
use crate::ops::testing::Pair;

struct Served {
    pair: Pair,
    stop: oneshot::Sender<()>,
    task: tokio::task::JoinHandle<Result<(), Error>>,
}

async fn serve() -> Served {
    let pair = Pair::new().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let (ready, is_ready) = oneshot::channel();
    let home = pair.bank.clone();
    let task = tokio::spawn(run(home, listener, move || ready.send(()).unwrap(), async { drop(stopped.await) }));
    is_ready.await.unwrap();
    Served { pair, stop, task }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_control_socket_is_the_owners_and_goes_with_the_node() {
    let Served { pair, stop, task } = serve().await;
    let socket = pair.bank.settings().control_socket().to_path_buf();
    assert_eq!(std::fs::metadata(&socket).unwrap().permissions().mode() & 0o777, 0o600);

    let mut control = ControlServiceClient::new(channel(&socket).await.unwrap());
    let node = control.get_node(v1::GetNodeRequest {}).await.unwrap().into_inner();
    assert_eq!(node.institution, "bank");

    let again = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let second = run(pair.bank.clone(), again, || (), std::future::pending()).await.unwrap_err();
    assert!(matches!(second, Error::Config(ConfigError::HomeInUse { .. })), "{second:?}");
    assert!(socket.exists(), "the second one left the first one's socket alone");

    stop.send(()).unwrap();
    task.await.unwrap().unwrap();
    assert!(!socket.exists());
    assert_eq!(channel(&socket).await.unwrap_err().reason(), "NODE_NOT_RUNNING");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_socket_answers_for_health_and_reflection() {
    let Served { pair, stop: _stop, task: _task } = serve().await;
    let channel = channel(pair.bank.settings().control_socket()).await.unwrap();
    for service in ["", "symbolon.v1.ControlService"] {
        let request = HealthCheckRequest { service: service.to_owned() };
        let answer = HealthClient::new(channel.clone()).check(request).await.unwrap().into_inner();
        assert_eq!(answer.status(), tonic_health::pb::health_check_response::ServingStatus::Serving);
    }
    let request = ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::ListServices(String::new())),
    };
    let requests = tokio_stream::iter([request]);
    let mut answers = ServerReflectionClient::new(channel).server_reflection_info(requests).await.unwrap().into_inner();
    let answer = answers.message().await.unwrap().unwrap().message_response.unwrap();
    let MessageResponse::ListServicesResponse(list) = answer else { panic!("{answer:?}") };
    assert!(list.service.iter().any(|service| service.name == "symbolon.v1.ControlService"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_socket_left_by_a_killed_process_is_replaced() {
    let pair = Pair::new().await;
    let socket = pair.bank.settings().control_socket().to_path_buf();
    drop(UnixListener::bind(&socket).unwrap());
    assert!(socket.exists());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    run(pair.bank.clone(), listener, || (), std::future::ready(())).await.unwrap();
    assert!(!socket.exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_control_port_is_for_named_operators_only() {
    let pair = Pair::new().await;
    let keys = |name: &str| {
        let dir = pair.dir.path().join(name);
        let keys =
            crate::keys::tests::plain_keys(&dir, name, &["127.0.0.1".to_owned()], pair.bank.clock().now()).unwrap();
        (keys, dir.join("tls.crt"))
    };
    let ((alice, alice_certificate), (mallory, _)) = (keys("alice"), keys("mallory"));
    let tcp = ControlTcp { listen: "127.0.0.1:0".to_owned(), operators: vec![alice_certificate] };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let incoming = operators(&pair.bank, &tcp).unwrap().listen(listener, CancellationToken::new());
    let jobs = Jobs::new(pair.bank.clone()).unwrap();
    let routes = control_routes(&pair.bank, &jobs).await.unwrap();
    let limits = pair.bank.settings().limits;
    tokio::spawn(server(&limits).add_routes(routes).serve_with_incoming(incoming));

    let pin = pair.bank.keys().spki_pin();
    let clock = Arc::clone(pair.bank.clock());
    let dial = |keys: &Keys| {
        let pins = crate::tls::Pins::new([pin]);
        let config = crate::tls::client_config(keys.tls(), &pins, &clock).unwrap();
        async move {
            let tcp = TcpStream::connect(address).await.unwrap();
            crate::tls::connect(config, (&pins, pin), &Connections::default(), tcp).await
        }
    };
    let stream = dial(&alice).await.unwrap();
    let mut slot = Some(hyper_util::rt::TokioIo::new(stream));
    let connector = tower::service_fn(move |_| std::future::ready(Ok::<_, std::io::Error>(slot.take().unwrap())));
    let channel = tonic::transport::Endpoint::from_static("https://node.symbolon.invalid");
    let mut control = ControlServiceClient::new(channel.connect_with_connector(connector).await.unwrap());
    assert_eq!(control.get_node(v1::GetNodeRequest {}).await.unwrap().into_inner().institution, "bank");
    assert_eq!(dial(&mallory).await.unwrap_err().reason(), "PEER_REFUSED_US");
    // A peer's certificate opens the peer port and not this one.
    assert_eq!(dial(&pair.bureau.keys()).await.unwrap_err().reason(), "PEER_REFUSED_US");
}

#[tokio::test]
async fn nobody_listening_is_unreachable() {
    let pair = Pair::new().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = listener.local_addr().unwrap().to_string();
    drop(listener);
    let peer = crate::store::PeerRecord { endpoint, ..pair.bank.store().peer("bureau").await.unwrap().unwrap() };
    let error = PeerClient::connect(&pair.bank, &peer).await.unwrap_err();
    assert!(matches!(error, Error::Unavailable(Unavailable::Unreachable)));
    assert!(SystemClock.now() > pair.bank.clock().now(), "the pair's clock stands still");
}
