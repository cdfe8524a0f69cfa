//! The gate before the services of a port: no call reaches one without passing it.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use symbolon_wire::v1::control_service_server::SERVICE_NAME as CONTROL;
use symbolon_wire::v1::exchange_service_server::SERVICE_NAME as EXCHANGE;
use tonic::Status;
use tonic::body::Body;
use tonic::codegen::http::{Request, Response};
use tower::{Layer, Service};

use super::{Caller, Gate};
use crate::error::{Error, Refused};
use crate::status::{for_operator, for_peer, incident};
use crate::tls::Channel;

/// The services beside our own on the control port, and the actions they count as.
const HEALTH: (&str, &str) = ("grpc.health.v1.Health", "health");
const REFLECTION: (&str, &str) = ("grpc.reflection.v1.ServerReflection", "reflection");

/// A port of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "these are the ports of a node")]
pub enum Port {
    /// The peer port.
    Peer,
    /// The control socket.
    Socket,
    /// The control port over TCP.
    Operators,
}

/// Puts the gate before a service.
#[derive(Debug, Clone)]
pub struct GateLayer {
    gate: Gate,
    port: Port,
}

impl GateLayer {
    /// The gate of `port`.
    #[must_use]
    pub const fn new(gate: Gate, port: Port) -> Self {
        Self { gate, port }
    }
}

impl<S> Layer<S> for GateLayer {
    type Service = GateService<S>;

    fn layer(&self, inner: S) -> GateService<S> {
        GateService { inner, gate: self.gate.clone(), port: self.port }
    }
}

/// A service behind the gate.
#[derive(Debug, Clone)]
pub struct GateService<S> {
    inner: S,
    gate: Gate,
    port: Port,
}

impl<S> Service<Request<Body>> for GateService<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        // The one that said it is ready is the one to be called.
        let fresh = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, fresh);
        let (gate, port) = (self.gate.clone(), self.port);
        let caller = caller(port, &request);
        let action = action(port, request.uri().path());
        Box::pin(async move {
            let decided = match (caller, &action) {
                (Ok(caller), Some(action)) => gate.call(action, caller).await,
                // What has no action is served by nobody; the services say so themselves.
                (Ok(_), None) => Ok(()),
                (Err(error), _) => Err(error),
            };
            match decided {
                Ok(()) => inner.call(request).await,
                Err(error) => Ok(refuse(port, action.as_deref().unwrap_or_default(), &error).into_http()),
            }
        })
    }
}

fn caller(port: Port, request: &Request<Body>) -> Result<Caller, Error> {
    let channel = request.extensions().get::<Channel>().copied();
    match (port, channel) {
        (Port::Socket, _) => Ok(Caller::Socket),
        (Port::Peer, Some(channel)) => Ok(Caller::Peer(channel)),
        (Port::Operators, Some(channel)) => Ok(Caller::Operator(channel.pin)),
        (Port::Peer | Port::Operators, None) => Err(Refused::UnknownPeer.into()),
    }
}

/// The action of a path such as `/symbolon.v1.ExchangeService/ReturnSignature`; nothing for a service that is not on
/// this port.
fn action(port: Port, path: &str) -> Option<String> {
    let (service, method) = path.strip_prefix('/')?.split_once('/')?;
    match port {
        Port::Peer if service == EXCHANGE => Some(snake(method)),
        Port::Socket | Port::Operators if service == CONTROL => Some(snake(method)),
        Port::Socket | Port::Operators if service == HEALTH.0 => Some(HEALTH.1.to_owned()),
        Port::Socket | Port::Operators if service == REFLECTION.0 => Some(REFLECTION.1.to_owned()),
        _ => None,
    }
}

/// `ReturnSignature` as `return_signature`.
fn snake(method: &str) -> String {
    let mut word = String::with_capacity(method.len() + 4);
    for (position, letter) in method.chars().enumerate() {
        if letter.is_ascii_uppercase() && position > 0 {
            word.push('_');
        }
        word.push(letter.to_ascii_lowercase());
    }
    word
}

fn refuse(port: Port, action: &str, error: &Error) -> Status {
    let incident = incident();
    tracing::warn!(%incident, action, reason = error.reason(), %error, "a call was refused");
    match port {
        Port::Peer => for_peer(error, &incident),
        Port::Socket | Port::Operators => for_operator(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROTOS: [&str; 2] = [
        include_str!("../../../../proto/symbolon/v1/exchange.proto"),
        include_str!("../../../../proto/symbolon/v1/control.proto"),
    ];

    fn methods(proto: &str) -> Vec<&str> {
        let rpcs = proto.lines().filter_map(|line| line.trim().strip_prefix("rpc "));
        rpcs.map(|rpc| rpc.split('(').next().unwrap()).collect()
    }

    #[test]
    fn every_call_has_an_action_of_its_own() {
        let engine = symbolon_policy::cedar::Engine::shipped().unwrap();
        let actions = engine.actions();
        for ((port, service), proto) in [(Port::Peer, EXCHANGE), (Port::Socket, CONTROL)].into_iter().zip(PROTOS) {
            let methods = methods(proto);
            assert!(methods.len() >= 5);
            for method in methods {
                let action = action(port, &format!("/{service}/{method}")).unwrap();
                assert!(actions.contains(&action.as_str()), "add the action {action} to schema.cedarschema");
            }
        }
        for (service, name) in [HEALTH, REFLECTION] {
            assert_eq!(action(Port::Operators, &format!("/{service}/Any")).as_deref(), Some(name));
            assert!(actions.contains(&name));
        }
    }

    #[test]
    fn a_port_serves_its_own_services_only() {
        assert_eq!(action(Port::Peer, &format!("/{CONTROL}/GetNode")), None);
        assert_eq!(action(Port::Socket, &format!("/{EXCHANGE}/Hello")), None);
        assert_eq!(action(Port::Peer, "/"), None);
        assert_eq!(action(Port::Peer, &format!("/{EXCHANGE}/ReturnSignature")).as_deref(), Some("return_signature"));
    }
}
