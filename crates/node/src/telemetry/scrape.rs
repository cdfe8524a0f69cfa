//! The port Prometheus reads: HTTP/1.1, one request a connection, on this machine only.
//!
//! There is neither TLS nor a password here, so the configuration lets no address through but loopback ones; whoever
//! wants to read from another machine puts a proxy with its own access control before it. What is read tells how many
//! jobs and rows there were, never of whom.

use std::time::Duration;

use chrono::DateTime;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::metrics::Readings;
use crate::error::Error;
use crate::home::Home;

/// The longest request.
const REQUEST_BYTES_MAX: usize = 8 << 10;
/// Time for a whole request.
const REQUEST_MAX: Duration = Duration::from_secs(5);
/// Requests at the same time.
const REQUESTS_MAX: usize = 4;
/// Alerts looked at for the number of open ones.
const ALERTS_MAX: u32 = 10_000;

const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Answers until `stop`.
pub(crate) async fn serve(home: Home, listener: TcpListener, stop: CancellationToken) {
    let turns = Semaphore::new(REQUESTS_MAX);
    let turns = std::sync::Arc::new(turns);
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        let Ok((stream, _)) = accepted else {
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        // One that comes while all turns are taken is closed.
        let Ok(turn) = std::sync::Arc::clone(&turns).try_acquire_owned() else { continue };
        let home = home.clone();
        tokio::spawn(async move {
            let answered = tokio::time::timeout(REQUEST_MAX, answer(stream, &home)).await;
            if !matches!(answered, Ok(Ok(()))) {
                tracing::debug!("a reader of the metrics went away or was too slow");
            }
            drop(turn);
        });
    }
}

async fn answer(mut stream: TcpStream, home: &Home) -> std::io::Result<()> {
    let mut request = Vec::new();
    while !request.windows(4).any(|end| end == b"\r\n\r\n") {
        let mut part = [0; 1024];
        let count = stream.read(&mut part).await?;
        if count == 0 || request.len() + count > REQUEST_BYTES_MAX {
            return Ok(());
        }
        request.extend_from_slice(&part[..count]);
    }
    let (status, body) = if request.starts_with(b"GET /metrics HTTP/1.") || request.starts_with(b"GET /metrics?") {
        match readings(home).await.map(|readings| home.metrics().encode(&readings)) {
            Ok(Ok(text)) => ("200 OK", text),
            _ => ("500 Internal Server Error", String::new()),
        }
    } else {
        ("404 Not Found", String::new())
    };
    let head = format!(
        "HTTP/1.1 {status}\r\ncontent-type: {CONTENT_TYPE}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(body.as_bytes()).await?;
    stream.shutdown().await
}

async fn readings(home: &Home) -> Result<Readings, Error> {
    let open = home.alert_list(ALERTS_MAX).await?.iter().filter(|alert| alert.seen_at.is_none()).count();
    let mut budget_left: Vec<(&'static str, u64)> = Vec::new();
    for line in home.budgets().await?.into_iter().flat_map(|view| view.lines) {
        let left = u128::from(line.left) * 1000 / u128::from(line.limit.max(1));
        let left = u64::try_from(left).unwrap_or(1000);
        match budget_left.iter_mut().find(|(budget, _)| *budget == line.budget) {
            Some((_, least)) => *least = left.min(*least),
            None => budget_left.push((line.budget, left)),
        }
    }
    Ok(Readings {
        alerts_open: open as u64,
        budget_left,
        certificate_days: certificate_days(home).unwrap_or_default(),
        audit_bytes: std::fs::metadata(home.settings().audit_dir().join("log.jsonl")).map_or(0, |file| file.len()),
    })
}

fn certificate_days(home: &Home) -> Option<i64> {
    let keys = home.keys();
    let (_, certificate) = X509Certificate::from_der(keys.tls_certificate_der()).ok()?;
    let ends = DateTime::from_timestamp(certificate.validity().not_after.timestamp(), 0)?;
    Some((ends - home.clock().now()).num_days())
}
