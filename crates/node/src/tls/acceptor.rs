//! Accepts TCP connections, performs handshakes with a deadline and hands over what came through.

use std::collections::HashMap;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use super::crl::Crls;
use super::open::Connections;
use super::{Pins, SpkiPin, Stream, Trust, server_config};
use crate::clock::Clock;
use crate::error::Error;
use crate::keys::KeyRing;
use crate::rate::Sources;
use crate::telemetry::Metrics;

/// Pause after the system refused to accept, e.g. for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Where the keys that may connect come from; asked anew for every connection.
pub trait PinSource: Send + Sync + 'static {
    /// The keys that may connect at this moment.
    fn trust(&self) -> Pin<Box<dyn Future<Output = Result<Trust, Error>> + Send + '_>>;

    /// The lists of withdrawn certificates.
    fn crls(&self) -> Crls {
        Crls::default()
    }

    /// Where open connections are entered.
    fn connections(&self) -> Connections {
        Connections::default()
    }
}

/// A fixed set of keys, such as those of operators named in the configuration.
impl PinSource for Vec<SpkiPin> {
    fn trust(&self) -> Pin<Box<dyn Future<Output = Result<Trust, Error>> + Send + '_>> {
        Box::pin(async { Ok(self.iter().copied().collect()) })
    }
}

/// What a port takes on at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct AcceptorLimits {
    /// Connections open at the same time, handshakes included.
    pub connections_max: usize,
    /// Connections one key may hold open.
    pub connections_peer_max: usize,
    /// Time for a handshake, and again for the first bytes after it.
    pub handshake_max: Duration,
    /// Handshakes of one source address in a minute.
    pub handshakes_per_minute: u32,
}

impl AcceptorLimits {
    /// Puts the limits together.
    #[must_use]
    pub const fn new(connections_max: usize, connections_peer_max: usize, handshake_max: Duration) -> Self {
        Self { connections_max, connections_peer_max, handshake_max, handshakes_per_minute: u32::MAX }
    }

    /// Bounds the handshakes of one source too.
    #[must_use]
    pub const fn handshakes_per_minute(mut self, max: u32) -> Self {
        self.handshakes_per_minute = max;
        self
    }
}

/// A port that speaks TLS 1.3 to pinned keys only.
#[derive(Clone)]
pub struct Acceptor {
    config: Arc<ServerConfig>,
    pins: Pins,
    source: Arc<dyn PinSource>,
    limits: AcceptorLimits,
    slots: Arc<Semaphore>,
    peers: Peers,
    sources: Arc<Sources>,
    metrics: Metrics,
    connections: Connections,
}

impl std::fmt::Debug for Acceptor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Acceptor").field("limits", &self.limits).finish_non_exhaustive()
    }
}

impl Acceptor {
    /// Prepares a port.
    ///
    /// # Errors
    /// [`Environment::Tls`](crate::error::Environment::Tls) when no configuration can be made.
    pub fn new(
        keys: impl Into<KeyRing>,
        source: impl PinSource,
        clock: &Arc<dyn Clock>,
        limits: AcceptorLimits,
    ) -> Result<Self, Error> {
        let pins = Pins::with_crls(Trust::default(), source.crls());
        Ok(Self {
            config: server_config(&keys.into(), &pins, clock)?,
            pins,
            connections: source.connections(),
            source: Arc::new(source),
            limits,
            slots: Arc::new(Semaphore::new(limits.connections_max)),
            peers: Peers::default(),
            sources: Arc::new(Sources::new(limits.handshakes_per_minute)),
            metrics: Metrics::new(),
        })
    }

    /// Counts the port's handshakes there.
    #[must_use]
    pub fn counted(mut self, metrics: Metrics) -> Self {
        self.metrics = metrics;
        self
    }

    /// Accepts connections in the background until `stop`; yields those whose handshake succeeded.
    #[must_use]
    pub fn listen(self, listener: TcpListener, stop: CancellationToken) -> Incoming {
        let (sender, receiver) = mpsc::channel(1);
        tokio::spawn(async move {
            // Handshakes end with the port: nothing new may come in after a stop.
            stop.run_until_cancelled(self.accept(listener, sender)).await;
        });
        Incoming { receiver }
    }

    async fn accept(self, listener: TcpListener, sender: mpsc::Sender<Stream>) {
        let mut handshakes = tokio::task::JoinSet::new();
        loop {
            while handshakes.try_join_next().is_some() {}
            let (tcp, address) = match listener.accept().await {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            };
            if !self.sources.admit(address.ip()) {
                self.metrics.handshake("too_many");
                tracing::debug!(%address, "connection refused: handshakes_per_minute");
                continue;
            }
            let Ok(slot) = Arc::clone(&self.slots).try_acquire_owned() else {
                self.metrics.handshake("no_room");
                tracing::warn!(%address, "connection refused: connections_max are open");
                continue;
            };
            let (acceptor, sender) = (self.clone(), sender.clone());
            handshakes.spawn(async move {
                let outcome = tokio::time::timeout(acceptor.limits.handshake_max, acceptor.handshake(tcp, slot)).await;
                acceptor.metrics.handshake(match &outcome {
                    Ok(Ok(_)) => "accepted",
                    Ok(Err(_)) => "refused",
                    Err(_) => "too_slow",
                });
                match outcome {
                    Ok(Ok(stream)) => sender.send(stream).await.unwrap_or_else(|_| tracing::debug!("port closed")),
                    Ok(Err(error)) => tracing::warn!(%address, %error, "connection refused"),
                    Err(_) => tracing::warn!(%address, "connection refused: no handshake in time"),
                }
            });
        }
    }

    async fn handshake(&self, tcp: TcpStream, slot: OwnedSemaphorePermit) -> io::Result<Stream> {
        tcp.set_nodelay(true)?;
        self.pins.replace(self.source.trust().await.map_err(io::Error::other)?);
        let tls = TlsAcceptor::from(Arc::clone(&self.config)).accept(tcp).await?;
        let mut stream = Stream::new(tls.into(), &self.pins, &self.connections).map_err(io::Error::other)?;
        let count = self.peers.enter(stream.channel().pin, self.limits.connections_peer_max);
        let count = count.ok_or_else(|| io::Error::other("connections_peer_max are open"))?;
        stream.expect_preface(self.limits.handshake_max);
        stream.hold(Permit { _slot: slot, _count: count });
        Ok(stream)
    }
}

/// The connections that came through.
#[derive(Debug)]
pub struct Incoming {
    receiver: mpsc::Receiver<Stream>,
}

impl tokio_stream::Stream for Incoming {
    type Item = io::Result<Stream>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.receiver.poll_recv(cx).map(|stream| stream.map(Ok))
    }
}

/// What an open connection holds of the limits; given back when dropped.
#[derive(Debug)]
pub(super) struct Permit {
    _slot: OwnedSemaphorePermit,
    _count: PeerCount,
}

#[derive(Debug, Clone, Default)]
struct Peers(Arc<Mutex<HashMap<SpkiPin, usize>>>);

impl Peers {
    fn enter(&self, pin: SpkiPin, max: usize) -> Option<PeerCount> {
        let mut open = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let count = open.entry(pin).or_default();
        if *count >= max {
            return None;
        }
        *count += 1;
        Some(PeerCount { peers: self.clone(), pin })
    }
}

#[derive(Debug)]
struct PeerCount {
    peers: Peers,
    pin: SpkiPin,
}

impl Drop for PeerCount {
    fn drop(&mut self) {
        let mut open = self.peers.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(count) = open.get_mut(&self.pin) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.pin);
            }
        }
    }
}
