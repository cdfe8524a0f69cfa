//! TLS 1.3 with certificates on both sides, pinned to the keys on the cards.
//!
//! There is no public certificate authority: an institution's card says which key its node shows, and both verifiers
//! here compare SHA-256 over a SubjectPublicKeyInfo with it: that of the end-entity certificate, or, where the card
//! says so, that of the institution's own authority, which then must have signed the end-entity certificate. A card
//! may name further pins for a time, so that keys change without a gap, and a SPIFFE id, which must be the one URI of
//! the certificate. Withdrawn pins and lists of withdrawn certificates ([`crl`]) are refused. The proof that the other
//! side holds the private key is the handshake signature, checked by the provider. Validity dates are checked with the
//! node's clock. Sessions are never resumed, so whatever changed counts at the next connection; connections that are
//! open when a key is withdrawn are ended, see [`open`]. There is no way to switch any of this off.
//!
//! A client says in the server name which pin it expects, as its first 32 hexadecimal digits. So a node whose key
//! changed shows the former certificate to those who have not heard of the change yet, as long as it counts.
//!
//! From every connection a 32-byte exporter value (RFC 8446 section 7.5, in the manner of RFC 9266) is taken, which
//! binds a job's session id to the channel it runs over.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use rustls::client::Resumption;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{ServerName, UnixTime};
use rustls::server::{ClientHello, NoServerSessionStorage, ResolvesServerCert};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::time_provider::TimeProvider;
use rustls::{CertificateError, ClientConfig, ServerConfig};
use symbolon_policy::cedar::Validity;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, TlsStream};
use tokio_util::sync::WaitForCancellationFutureOwned;

use crate::clock::Clock;
use crate::error::{Environment, Error, PeerIncompatible, PeerMisbehaved, Unavailable};
use crate::keys::{KeyRing, TlsPair};

pub use acceptor::{Acceptor, AcceptorLimits, Incoming, PinSource};
pub use crl::Crls;
pub use open::Connections;
pub use pins::{AcceptedKey, Pins, Trust};
use verifier::{ClientVerifier, ServerVerifier};

mod acceptor;
pub mod crl;
pub mod open;
mod pins;
pub mod reload;
mod verifier;

/// Whether what a connection's other end showed still stands under `pins`.
pub(crate) fn stands(chain: &[rustls::pki_types::CertificateDer<'_>], pins: &Pins) -> bool {
    verifier::stands(chain, pins, provider().signature_verification_algorithms)
}

/// SHA-256 over the DER form of a SubjectPublicKeyInfo.
pub type SpkiPin = [u8; 32];

/// The only application protocol spoken.
const ALPN: &[u8] = b"h2";

/// The label under which the exporter value is taken.
pub const EXPORTER_LABEL: &[u8] = b"EXPORTER-symbolon-v1";

/// What the server name ends with. In front stand the first 32 hexadecimal digits of the pin the client expects.
const SERVER_NAME_SUFFIX: &str = ".pin.symbolon.invalid";

/// What is known about the other end of a connection once its handshake is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Channel {
    /// The pin under which the other end was let in: of the key it proved to hold, or of the authority that signed its
    /// certificate.
    pub pin: SpkiPin,
    /// The pin of the key it proved to hold.
    pub leaf_pin: SpkiPin,
    /// The number of the connection within this process.
    pub connection: u64,
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

/// Shows the node's certificate: the one in force, or a former one to a client that expects it while it still counts.
struct OwnCertificate {
    keys: KeyRing,
    clock: Arc<dyn Clock>,
}

impl std::fmt::Debug for OwnCertificate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OwnCertificate").finish_non_exhaustive()
    }
}

impl ResolvesServerCert for OwnCertificate {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let keys = self.keys.get();
        let wanted = hello.server_name().and_then(|name| name.strip_suffix(SERVER_NAME_SUFFIX));
        let expected = |pair: &&TlsPair| wanted.is_some_and(|wanted| pin_name(&pair.pin()) == wanted);
        let former = if expected(&keys.tls()) { None } else { keys.tls_former(self.clock.now()).find(expected) };
        Some(Arc::clone(former.unwrap_or_else(|| keys.tls()).certified()))
    }
}

fn pin_name(pin: &SpkiPin) -> String {
    hex::encode(&pin[..16])
}

/// Makes the configuration of a listening port that lets in the keys in `pins`.
///
/// # Errors
/// [`Environment::Tls`] when no configuration can be made.
pub fn server_config(keys: &KeyRing, pins: &Pins, clock: &Arc<dyn Clock>) -> Result<Arc<ServerConfig>, Error> {
    let provider = provider();
    let verifier = Arc::new(ClientVerifier::new(pins.clone(), provider.signature_verification_algorithms));
    let own = Arc::new(OwnCertificate { keys: keys.clone(), clock: Arc::clone(clock) });
    let mut config = ServerConfig::builder_with_details(provider, Arc::new(NodeTime(Arc::clone(clock))))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(|_| Environment::Tls)?
        .with_client_cert_verifier(verifier)
        .with_cert_resolver(own);
    config.alpn_protocols = vec![ALPN.to_vec()];
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    config.max_early_data_size = 0;
    Ok(Arc::new(config))
}

/// Makes the configuration for connecting to the one peer whose keys are `pins`, showing `own`.
///
/// # Errors
/// [`Environment::Tls`] when no configuration can be made.
pub fn client_config(own: &TlsPair, pins: &Pins, clock: &Arc<dyn Clock>) -> Result<Arc<ClientConfig>, Error> {
    let provider = provider();
    let verifier = Arc::new(ServerVerifier::new(pins.clone(), provider.signature_verification_algorithms));
    let own = Arc::new(SingleCertAndKey::from(Arc::clone(own.certified())));
    let mut config = ClientConfig::builder_with_details(provider, Arc::new(NodeTime(Arc::clone(clock))))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(|_| Environment::Tls)?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_client_cert_resolver(own);
    config.alpn_protocols = vec![ALPN.to_vec()];
    config.resumption = Resumption::disabled();
    Ok(Arc::new(config))
}

/// Performs the client's handshake over a TCP connection, expecting the key with `pin` first of those configured.
///
/// # Errors
/// [`PeerIncompatible`] saying what is wrong with the other end's certificate, [`Unavailable::RefusedByPeer`] when it
/// refuses ours, [`Unavailable::Unreachable`] when no handshake comes about.
pub async fn connect(
    config: Arc<ClientConfig>,
    (pins, pin): (&Pins, SpkiPin),
    connections: &Connections,
    tcp: TcpStream,
) -> Result<Stream, Error> {
    tcp.set_nodelay(true).map_err(|_| Unavailable::Unreachable)?;
    let name = ServerName::try_from(format!("{}{SERVER_NAME_SUFFIX}", pin_name(&pin)));
    let name = name.map_err(|_| Environment::Tls)?;
    let stream = TlsConnector::from(config).connect(name, tcp).await.map_err(|error| handshake_error(&error))?;
    let mut stream = Stream::new(stream.into(), pins, connections)?;
    stream.hear().await?;
    Ok(stream)
}

/// What a failed read or handshake means, as far as TLS says.
pub(crate) fn handshake_error(error: &io::Error) -> Error {
    match tls_error(error) {
        Some(rustls::Error::InvalidCertificate(error)) => certificate_error(error).into(),
        Some(rustls::Error::NoCertificatesPresented) => PeerIncompatible::Certificate.into(),
        Some(rustls::Error::AlertReceived(_)) => Unavailable::RefusedByPeer.into(),
        Some(rustls::Error::PeerIncompatible(_) | rustls::Error::NoApplicationProtocol) => Unavailable::NotANode.into(),
        Some(rustls::Error::InvalidMessage(_) | rustls::Error::PeerMisbehaved(_)) => Unavailable::NotANode.into(),
        _ => Unavailable::Unreachable.into(),
    }
}

fn certificate_error(error: &CertificateError) -> PeerIncompatible {
    match error {
        CertificateError::Expired
        | CertificateError::ExpiredContext { .. }
        | CertificateError::NotValidYet
        | CertificateError::NotValidYetContext { .. } => PeerIncompatible::CertificateDates,
        CertificateError::Revoked => PeerIncompatible::CertificateRevoked,
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            PeerIncompatible::SpiffeId
        }
        CertificateError::UnknownRevocationStatus
        | CertificateError::ExpiredRevocationList
        | CertificateError::ExpiredRevocationListContext { .. } => PeerIncompatible::Crl,
        _ => PeerIncompatible::Certificate,
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
    /// Completes when the other end's key was withdrawn.
    ended: Pin<Box<WaitForCancellationFutureOwned>>,
    _entry: open::Entry,
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
    fn new(tls: TlsStream<TcpStream>, pins: &Pins, connections: &Connections) -> Result<Self, Error> {
        let (_, connection) = tls.get_ref();
        if connection.alpn_protocol() != Some(ALPN) {
            return Err(Unavailable::NotANode.into());
        }
        let chain = connection.peer_certificates().ok_or(PeerIncompatible::Certificate)?;
        let chain: Vec<_> = chain.iter().map(|certificate| certificate.clone().into_owned()).collect();
        let shown = verifier::shown(&chain, pins).map_err(|_| PeerIncompatible::Certificate)?;
        let exporter = match &tls {
            TlsStream::Client(end) => end.get_ref().1.export_keying_material([0_u8; 32], EXPORTER_LABEL, None),
            TlsStream::Server(end) => end.get_ref().1.export_keying_material([0_u8; 32], EXPORTER_LABEL, None),
        };
        let exporter = exporter.map_err(|_| PeerMisbehaved::Malformed { what: "TLS handshake" })?;
        let entry = connections.enter(chain);
        let channel = Channel {
            pin: shown.pin,
            leaf_pin: shown.leaf_pin,
            certificate: shown.certificate,
            connection: entry.id,
            exporter,
        };
        let ended = Box::pin(entry.end.clone().cancelled_owned());
        let refused = Arc::default();
        Ok(Self { channel, tls, refused, heard: Vec::new(), permit: None, preface: None, ended, _entry: entry })
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
        if self.ended.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
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
