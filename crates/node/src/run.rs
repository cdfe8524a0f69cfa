//! Serving a node: both ports, from the first connection to the last job.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::time::Duration;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use symbolon_policy::audit::Entry;
use symbolon_wire::v1::FILE_DESCRIPTOR_SET;
use symbolon_wire::v1::control_service_server::ControlServiceServer;
use tokio::net::{TcpListener, UnixListener};
use tokio::task::JoinSet;
use tokio_stream::wrappers::UnixListenerStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use tonic::service::Routes;
use tonic::transport::Server;

use crate::client::HTTP2_FRAME_BYTES;
use crate::config::{ControlTcp, Limits};
use crate::control;
use crate::error::{Environment, Error, FileAction, KeysError};
use crate::evidence::witness::check_own_log;
use crate::exchange::Exchange;
use crate::files;
use crate::gate::{GateLayer, Port};
use crate::home::Home;
use crate::jobs::Jobs;
use crate::keys::spki_pin;
use crate::rate::CallRates;
use crate::store::{JobId, JobState};
use crate::telemetry::scrape;
use crate::tls::{Acceptor, AcceptorLimits, Connections, Crls, PinSource, SpkiPin, Trust, reload};

/// Time open connections get to close once all jobs have ended.
const CLOSE_MAX: Duration = Duration::from_secs(2);
const RETENTION_INTERVAL: Duration = Duration::from_secs(24 * 3600);

const CERTIFICATE_FILE_BYTES_MAX: u64 = 64 << 10;

impl PinSource for Home {
    fn trust(&self) -> Pin<Box<dyn Future<Output = Result<Trust, Error>> + Send + '_>> {
        self.store().trust()
    }

    fn crls(&self) -> Crls {
        Self::crls(self).clone()
    }

    fn connections(&self) -> Connections {
        Self::connections(self).clone()
    }
}

/// Serves `home` until `stop`: the peer port on `listener`, the control service on the home's Unix socket and, when
/// configured, on a TCP port. `ready` is called once all ports answer.
///
/// When `stop` completes, no further connection or job is taken; running jobs get the configured time to end, then end
/// as interrupted on both sides. What an earlier process left unfinished is cleared first.
///
/// # Errors
/// [`ConfigError::HomeInUse`](crate::error::ConfigError::HomeInUse) when another process serves this home;
/// [`Environment::Listen`] when a port cannot be had; errors of keys and store.
pub async fn run(
    home: Home,
    listener: TcpListener,
    ready: impl FnOnce() + Send,
    stop: impl Future<Output = ()> + Send,
) -> Result<(), Error> {
    let lock = home.lock()?;
    let interrupted = home.recover(&lock).await?;
    if !interrupted.is_empty() {
        tracing::warn!(jobs = interrupted.len(), "jobs of an earlier process were ended as interrupted");
    }
    // Nothing is served under policies that cannot be used, and the digest of the program is at hand for the first call.
    home.gate().posture().await?;
    check_own_log(&home).await?;
    record_interrupted(&home, &interrupted).await?;
    let limits = home.settings().limits;
    let jobs = Jobs::new(home.clone())?;
    let accepting = CancellationToken::new();
    let closing = CancellationToken::new();
    let mut servers = JoinSet::new();

    let socket = ControlSocket::bind(home.settings().control_socket())?;
    let operator_port = match &home.settings().control.tcp {
        Some(tcp) => {
            let port = TcpListener::bind(tcp.listen.as_str()).await;
            let port = port.map_err(|source| Environment::Listen { what: "the control port", source })?;
            Some(operators(&home, tcp)?.listen(port, accepting.clone()))
        }
        None => None,
    };
    let acceptor = Acceptor::new(home.key_ring().clone(), home.clone(), home.clock(), acceptor_limits(&limits))?;
    let peers = acceptor.counted(home.metrics().clone()).listen(listener, accepting.clone());

    let exchange = Routes::new(Exchange::service(home.clone(), jobs.clone()));
    let closed = closing.clone().cancelled_owned();
    let behind = |port| server(&limits).layer(GateLayer::new(home.gate().clone(), port));
    let rates = CallRates::new(&limits, home.metrics().clone());
    // The timeout ends when the answer begins, so it does not end jobs.
    let peer_port = server(&limits).timeout(limits.call_seconds_max).layer(rates);
    let mut peer_port = peer_port.layer(GateLayer::new(home.gate().clone(), Port::Peer));
    servers.spawn(peer_port.add_routes(exchange).serve_with_incoming_shutdown(peers, closed));
    let incoming = UnixListenerStream::new(socket.listener);
    let closed = closing.clone().cancelled_owned();
    let control = control_routes(&home, &jobs).await?;
    servers.spawn(behind(Port::Socket).add_routes(control.clone()).serve_with_incoming_shutdown(incoming, closed));
    if let Some(incoming) = operator_port {
        let closed = closing.clone().cancelled_owned();
        servers.spawn(behind(Port::Operators).add_routes(control).serve_with_incoming_shutdown(incoming, closed));
    }
    if let Some(port) = metrics_port(&home).await? {
        tokio::spawn(scrape::serve(home.clone(), port, accepting.clone()));
    }
    let _retention = retention(home.clone());
    let notices = tokio::spawn(jobs.clone().deliver_notices());
    let watch = reload::watch(home.clone(), jobs.clone(), accepting.clone());
    servers.spawn(async move {
        watch.await;
        Ok(())
    });
    ready();
    tracing::info!(institution = home.settings().institution, "the node serves");

    tokio::select! {
        () = stop => {}
        // A port ends by itself only when it failed.
        _ = servers.join_next() => tracing::error!("a port stopped; the node stops"),
    }
    accepting.cancel();
    notices.abort();
    tracing::info!("the node stops");
    jobs.drain(limits.drain_seconds_max).await;
    closing.cancel();
    let closed = tokio::time::timeout(CLOSE_MAX, async { while servers.join_next().await.is_some() {} }).await;
    if closed.is_err() {
        tracing::debug!("connections were still open");
        servers.shutdown().await;
    }
    drop(socket.path);
    drop(lock);
    Ok(())
}

/// The port Prometheus reads, when one is configured.
async fn metrics_port(home: &Home) -> Result<Option<TcpListener>, Error> {
    let Some(address) = home.settings().telemetry.metrics else { return Ok(None) };
    let port = TcpListener::bind(address).await;
    Ok(Some(port.map_err(|source| Environment::Listen { what: "the port of the metrics", source })?))
}

/// Deletes results that are too old, at once and then daily, until the handle is dropped.
fn retention(home: Home) -> AbortOnDropHandle<()> {
    AbortOnDropHandle::new(tokio::spawn(async move {
        let mut daily = tokio::time::interval(RETENTION_INTERVAL);
        loop {
            daily.tick().await;
            match home.results_purge().await {
                Ok(deleted) if deleted.is_empty() => {}
                Ok(deleted) => tracing::info!(results = deleted.len(), "results past their time were deleted"),
                Err(error) => tracing::warn!(%error, "results past their time could not be deleted"),
            }
        }
    }))
}

/// The log shows the end of every job, also of those a killed process left.
async fn record_interrupted(home: &Home, jobs: &[JobId]) -> Result<(), Error> {
    let entry = |job: &JobId| {
        Entry::new(home.clock().now(), "job_ended")
            .id("job", job.as_bytes())
            .word("state", JobState::Failed.as_str())
            .word("reason", "INTERRUPTED")
    };
    let entries: Vec<Entry> = jobs.iter().map(entry).collect();
    if !entries.is_empty() {
        home.evidence().append_all(entries).await?;
    }
    Ok(())
}

const fn acceptor_limits(limits: &Limits) -> AcceptorLimits {
    AcceptorLimits::new(limits.connections_max, limits.connections_peer_max, limits.handshake_seconds_max)
        .handshakes_per_minute(limits.handshakes_per_minute)
}

fn server(limits: &Limits) -> Server {
    Server::builder()
        .initial_stream_window_size(limits.window_stream_bytes)
        .initial_connection_window_size(limits.window_connection_bytes)
        .max_concurrent_streams(limits.streams_max)
        .max_frame_size(HTTP2_FRAME_BYTES)
        .http2_keepalive_interval(Some(limits.keepalive_seconds))
        .http2_keepalive_timeout(Some(limits.idle_seconds_max))
        .http2_max_header_list_size(16 << 10)
}

/// The control service with health and reflection, the same on the socket and on the operators' port.
async fn control_routes(home: &Home, jobs: &Jobs) -> Result<Routes, Error> {
    let (reporter, health) = tonic_health::server::health_reporter();
    reporter.set_serving::<ControlServiceServer<control::Control>>().await;
    let reflection = tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(FILE_DESCRIPTOR_SET)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        .build_v1()
        .map_err(|_| Environment::Worker)?;
    let control = control::service(home.clone(), jobs.clone());
    Ok(Routes::new(control).add_service(health).add_service(reflection))
}

/// A port for the operators whose certificates are configured.
fn operators(home: &Home, tcp: &ControlTcp) -> Result<Acceptor, Error> {
    let mut pins: Vec<SpkiPin> = Vec::with_capacity(tcp.operators.len());
    for path in &tcp.operators {
        let pem = files::read(path, CERTIFICATE_FILE_BYTES_MAX)?;
        let malformed = || KeysError::Malformed { path: path.clone(), expected: "certificate in PEM" };
        pins.push(spki_pin(&CertificateDer::from_pem_slice(&pem).map_err(|_| malformed())?)?);
    }
    Acceptor::new(home.key_ring().clone(), pins, home.clock(), acceptor_limits(&home.settings().limits))
}

/// The control socket, removed when the node stops.
struct ControlSocket {
    listener: UnixListener,
    path: RemovedOnDrop,
}

struct RemovedOnDrop(PathBuf);

impl Drop for RemovedOnDrop {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_file(&self.0) {
            tracing::debug!(%error, "the control socket was gone already");
        }
    }
}

impl ControlSocket {
    /// Binds the socket for the owner only. The home's lock is held, so a socket that is there is a killed process's.
    fn bind(path: &Path) -> Result<Self, Error> {
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(files::failed(FileAction::Remove, path, error));
            }
            _ => {}
        }
        let failed = |source| Environment::Listen { what: "the control socket", source };
        let listener = UnixListener::bind(path).map_err(failed)?;
        let removed = RemovedOnDrop(path.to_path_buf());
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).map_err(failed)?;
        Ok(Self { listener, path: removed })
    }
}

#[cfg(test)]
mod tests;
