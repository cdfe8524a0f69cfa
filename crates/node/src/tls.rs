//! TLS 1.3 with certificates on both sides, pinned to the keys on the cards.
//!
//! There is no certificate authority: an institution's card says which key its node shows, and both verifiers here
//! compare SHA-256 over the SubjectPublicKeyInfo of the end-entity certificate with it. The proof that the other side
//! holds the private key is the handshake signature, checked by the provider. Validity dates are checked with the
//! node's clock. Sessions are never resumed, so a pin that was removed counts at the next connection. There is no way
//! to switch any of this off.
//!
//! From every connection a 32-byte exporter value (RFC 8446 section 7.5, in the manner of RFC 9266) is taken, which
//! binds a job's session id to the channel it runs over.

use std::collections::HashSet;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, RwLock};
use std::task::{Context, Poll};

use rustls::client::Resumption;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{ServerName, UnixTime};
use rustls::server::NoServerSessionStorage;
use rustls::sign::SingleCertAndKey;
use rustls::time_provider::TimeProvider;
use rustls::{ClientConfig, ServerConfig};
use symbolon_policy::cedar::Validity;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, TlsStream};

use crate::clock::Clock;
use crate::error::{Environment, Error, PeerIncompatible, PeerMisbehaved, Unavailable};
use crate::keys::Keys;

pub use acceptor::{Acceptor, AcceptorLimits, Incoming, PinSource};
use verifier::{ClientVerifier, ServerVerifier};

mod acceptor;
mod verifier;

/// SHA-256 over the DER form of a SubjectPublicKeyInfo.
pub type SpkiPin = [u8; 32];

/// The only application protocol spoken.
const ALPN: &[u8] = b"h2";

/// The label under which the exporter value is taken.
pub const EXPORTER_LABEL: &[u8] = b"EXPORTER-symbolon-v1";

/// The name put where TLS wants one; it is neither sent nor compared, the pin decides.
const SERVER_NAME: &str = "peer.symbolon.invalid";

/// The keys that may connect: shared with the verifier and replaced when the store changes.
#[derive(Debug, Clone, Default)]
pub struct Pins(Arc<RwLock<HashSet<SpkiPin>>>);

impl Pins {
    /// Makes a set.
    #[must_use]
    pub fn new(pins: impl IntoIterator<Item = SpkiPin>) -> Self {
        Self(Arc::new(RwLock::new(pins.into_iter().collect())))
    }

    /// Puts other keys in place of all present ones.
    pub fn replace(&self, pins: impl IntoIterator<Item = SpkiPin>) {
        let fresh = pins.into_iter().collect();
        *self.0.write().unwrap_or_else(std::sync::PoisonError::into_inner) = fresh;
    }

    /// Whether a key may connect.
    #[must_use]
    pub fn contains(&self, pin: &SpkiPin) -> bool {
        self.0.read().unwrap_or_else(std::sync::PoisonError::into_inner).contains(pin)
    }
}

/// What is known about the other end of a connection once its handshake is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Channel {
    /// The pin of the key the other end proved to hold.
    pub pin: SpkiPin,
    /// The exporter value; equal on both ends of this connection and of no other.
    pub exporter: [u8; 32],
    /// The span in which the certificate of the other end holds.
    pub certificate: Validity,
}

/// The node's clock in the form rustls wants.
#[derive(Debug)]
struct NodeTime(Arc<dyn Clock>);

impl TimeProvider for NodeTime {
    fn current_time(&self) -> Option<UnixTime> {
        let seconds = u64::try_from(self.0.now().timestamp()).ok()?;
        Some(UnixTime::since_unix_epoch(std::time::Duration::from_secs(seconds)))
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

fn own_key(keys: &Keys) -> Arc<SingleCertAndKey> {
    Arc::new(SingleCertAndKey::from(Arc::clone(keys.tls_identity())))
}

/// Makes the configuration of a listening port that lets in the keys in `pins`.
///
/// # Errors
/// [`Environment::Tls`] when the node's own certificate and key cannot be used.
pub fn server_config(keys: &Keys, pins: &Pins, clock: &Arc<dyn Clock>) -> Result<Arc<ServerConfig>, Error> {
    let provider = provider();
    let verifier = Arc::new(ClientVerifier::new(pins.clone(), provider.signature_verification_algorithms));
    let mut config = ServerConfig::builder_with_details(provider, Arc::new(NodeTime(Arc::clone(clock))))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(|_| Environment::Tls)?
        .with_client_cert_verifier(verifier)
        .with_cert_resolver(own_key(keys));
    config.alpn_protocols = vec![ALPN.to_vec()];
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    config.max_early_data_size = 0;
    Ok(Arc::new(config))
}

/// Makes the configuration for connecting to the one peer whose key has `pin`.
///
/// # Errors
/// [`Environment::Tls`] when the node's own certificate and key cannot be used.
pub fn client_config(keys: &Keys, pin: SpkiPin, clock: &Arc<dyn Clock>) -> Result<Arc<ClientConfig>, Error> {
    let provider = provider();
    let verifier = Arc::new(ServerVerifier::new(pin, provider.signature_verification_algorithms));
    let mut config = ClientConfig::builder_with_details(provider, Arc::new(NodeTime(Arc::clone(clock))))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(|_| Environment::Tls)?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_client_cert_resolver(own_key(keys));
    config.alpn_protocols = vec![ALPN.to_vec()];
    config.resumption = Resumption::disabled();
    config.enable_sni = false;
    Ok(Arc::new(config))
}

/// Performs the client's handshake over a TCP connection.
///
/// # Errors
/// [`PeerIncompatible::Certificate`] when the other end shows another key than the pinned one or an expired
/// certificate, [`Unavailable::RefusedByPeer`] when it refuses ours, [`Unavailable::Unreachable`]
/// when no handshake comes about.
pub async fn connect(config: Arc<ClientConfig>, pin: SpkiPin, tcp: TcpStream) -> Result<Stream, Error> {
    tcp.set_nodelay(true).map_err(|_| Unavailable::Unreachable)?;
    let name = ServerName::try_from(SERVER_NAME).map_err(|_| Environment::Tls)?;
    let stream = TlsConnector::from(config).connect(name, tcp).await.map_err(|error| handshake_error(&error))?;
    let mut stream = Stream::new(stream.into(), Some(pin))?;
    stream.hear().await?;
    Ok(stream)
}

/// What a failed read or handshake means, as far as TLS says.
pub(crate) fn handshake_error(error: &io::Error) -> Error {
    match tls_error(error) {
        Some(rustls::Error::InvalidCertificate(_) | rustls::Error::NoCertificatesPresented) => {
            PeerIncompatible::Certificate.into()
        }
        Some(rustls::Error::AlertReceived(_)) => Unavailable::RefusedByPeer.into(),
        Some(rustls::Error::PeerIncompatible(_) | rustls::Error::NoApplicationProtocol) => Unavailable::NotANode.into(),
        Some(rustls::Error::InvalidMessage(_) | rustls::Error::PeerMisbehaved(_)) => Unavailable::NotANode.into(),
        _ => Unavailable::Unreachable.into(),
    }
}

fn tls_error(error: &io::Error) -> Option<&rustls::Error> {
    error.get_ref()?.downcast_ref()
}

/// A connection after its handshake, either end.
#[derive(Debug)]
pub struct Stream {
    tls: TlsStream<TcpStream>,
    channel: Channel,
    refused: Arc<AtomicBool>,
    /// Bytes received ahead of the first reader, see [`Stream::hear`].
    heard: Vec<u8>,
    /// Given back when the connection ends.
    permit: Option<acceptor::Permit>,
    /// What a client has to send first, and until when.
    preface: Option<Preface>,
}

/// The bytes an HTTP/2 client sends first (RFC 9113, section 3.4) that are still to come. Nothing else watches over a
/// connection before HTTP/2 has begun.
#[derive(Debug)]
struct Preface {
    owed: usize,
    deadline: Pin<Box<tokio::time::Sleep>>,
}

/// Length of the connection preface.
const PREFACE_BYTES: usize = 24;

impl Stream {
    /// Checks what the handshake negotiated and takes the exporter value.
    fn new(tls: TlsStream<TcpStream>, expected: Option<SpkiPin>) -> Result<Self, Error> {
        let (_, connection) = tls.get_ref();
        if connection.alpn_protocol() != Some(ALPN) {
            return Err(Unavailable::NotANode.into());
        }
        let certificate = connection.peer_certificates().and_then(<[_]>::first);
        let certificate = certificate.ok_or(PeerIncompatible::Certificate)?;
        let pin = verifier::pin_of(certificate)?;
        let certificate = verifier::validity_of(certificate)?;
        if expected.is_some_and(|expected| expected != pin) {
            return Err(PeerIncompatible::Certificate.into());
        }
        let exporter = match &tls {
            TlsStream::Client(end) => end.get_ref().1.export_keying_material([0_u8; 32], EXPORTER_LABEL, None),
            TlsStream::Server(end) => end.get_ref().1.export_keying_material([0_u8; 32], EXPORTER_LABEL, None),
        };
        let exporter = exporter.map_err(|_| PeerMisbehaved::Malformed { what: "TLS handshake" })?;
        Ok(Self {
            channel: Channel { pin, exporter, certificate },
            tls,
            refused: Arc::default(),
            heard: Vec::new(),
            permit: None,
            preface: None,
        })
    }

    /// Waits for the other end's first bytes, which an HTTP/2 server sends at once. In TLS 1.3 a client's handshake is
    /// over before the server has looked at its certificate; only here does it learn that it was let in.
    async fn hear(&mut self) -> Result<(), Error> {
        let mut first = [0_u8; 512];
        match self.tls.read(&mut first).await {
            Ok(0) => Err(Unavailable::Disconnected.into()),
            Ok(count) => {
                self.heard.extend_from_slice(&first[..count]);
                Ok(())
            }
            Err(error) => Err(handshake_error(&error)),
        }
    }

    /// What is known about the other end.
    #[must_use]
    pub const fn channel(&self) -> Channel {
        self.channel
    }

    /// Becomes true when the other end closes the connection with a TLS alert.
    pub(crate) fn refusal(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.refused)
    }

    fn hold(&mut self, permit: acceptor::Permit) {
        self.permit = Some(permit);
    }

    /// Lets the connection end unless the client begins HTTP/2 within `max`.
    fn expect_preface(&mut self, max: std::time::Duration) {
        self.preface = Some(Preface { owed: PREFACE_BYTES, deadline: Box::pin(tokio::time::sleep(max)) });
    }
}

impl AsyncRead for Stream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if !self.heard.is_empty() {
            let count = self.heard.len().min(buf.remaining());
            buf.put_slice(&self.heard[..count]);
            self.heard.drain(..count);
            return Poll::Ready(Ok(()));
        }
        let before = buf.filled().len();
        let outcome = Pin::new(&mut self.tls).poll_read(cx, buf);
        if let Some(preface) = &mut self.preface {
            preface.owed = preface.owed.saturating_sub(buf.filled().len() - before);
            if preface.owed == 0 {
                self.preface = None;
            } else if outcome.is_pending() && preface.deadline.as_mut().poll(cx).is_ready() {
                return Poll::Ready(Err(io::Error::from(io::ErrorKind::TimedOut)));
            }
        }
        if let Poll::Ready(Err(error)) = &outcome
            && matches!(tls_error(error), Some(rustls::Error::AlertReceived(_)))
        {
            self.refused.store(true, Ordering::Release);
        }
        outcome
    }
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.tls).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.tls).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.tls.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tls).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tls).poll_shutdown(cx)
    }
}

impl tonic::transport::server::Connected for Stream {
    type ConnectInfo = Channel;

    fn connect_info(&self) -> Channel {
        self.channel
    }
}

#[cfg(test)]
mod tests;
