//! How often somebody may ask.
//!
//! | what | counted for | refused |
//! |---|---|---|
//! | TLS handshakes | a source address, before a byte of TLS is read | the connection is closed |
//! | jobs, documents, all other calls | the pin of the peer's key, before the call is looked at | `RATE_LIMITED` |
//!
//! Each is a token bucket (GCRA): a minute's worth at once, refilled evenly. A source is an IPv4 address or an IPv6
//! network of 64 bits, which is what one subscriber has. The buckets that are full again are forgotten, so that an
//! attacker with many addresses fills no memory.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::task::{Context, Poll};

use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota};
use tonic::codegen::http;
use tower::{Layer, Service};

use crate::config::Limits;
use crate::error::Error;
use crate::status::{for_peer, incident};
use crate::telemetry::Metrics;
use crate::tls::{Channel, SpkiPin};

/// Buckets kept before those that are full again are looked for.
const BUCKETS_MAX: usize = 1024;

/// Token buckets, one a key.
#[derive(Debug)]
struct Buckets<K: std::hash::Hash + Eq + Clone> {
    limiter: DefaultKeyedRateLimiter<K>,
    clock: DefaultClock,
}

impl<K: std::hash::Hash + Eq + Clone> Buckets<K> {
    fn new(per_minute: u32) -> Self {
        // The configuration lets no zero through; one a minute is the nearest there is.
        let per_minute = NonZeroU32::new(per_minute).unwrap_or(NonZeroU32::MIN);
        Self { limiter: DefaultKeyedRateLimiter::keyed(Quota::per_minute(per_minute)), clock: DefaultClock::default() }
    }

    /// Takes a token, or tells how many seconds to wait for one.
    fn take(&self, key: &K) -> Result<(), u64> {
        if self.limiter.len() > BUCKETS_MAX {
            self.limiter.retain_recent();
        }
        let outcome = self.limiter.check_key(key);
        outcome.map_err(|until| until.wait_time_from(self.clock.now()).as_secs().saturating_add(1))
    }
}

/// Handshakes by source.
#[derive(Debug)]
pub(crate) struct Sources(Buckets<IpAddr>);

impl Sources {
    pub(crate) fn new(per_minute: u32) -> Self {
        Self(Buckets::new(per_minute))
    }

    /// Whether one more handshake from this address may begin.
    pub(crate) fn admit(&self, address: IpAddr) -> bool {
        self.0.take(&source(address)).is_ok()
    }
}

/// What counts as one source.
fn source(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let network = address.to_bits() >> 64 << 64;
            IpAddr::V6(network.into())
        }
        address @ IpAddr::V4(_) => address,
    }
}

/// Calls by peer, as a layer before the service: also what no handler is there for is counted.
#[derive(Debug, Clone)]
pub(crate) struct CallRates(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    jobs: Buckets<SpkiPin>,
    documents: Buckets<SpkiPin>,
    calls: Buckets<SpkiPin>,
    metrics: Metrics,
}

impl CallRates {
    pub(crate) fn new(limits: &Limits, metrics: Metrics) -> Self {
        let buckets = Buckets::new;
        Self(Arc::new(Inner {
            jobs: buckets(limits.jobs_per_minute),
            documents: buckets(limits.documents_per_minute),
            calls: buckets(limits.calls_per_minute),
            metrics,
        }))
    }

    fn admit(&self, path: &str, pin: &SpkiPin) -> Result<(), Error> {
        let (what, buckets) = match path.rsplit('/').next() {
            Some("Exchange") => ("jobs", &self.0.jobs),
            Some("ProposeAgreement" | "ReturnSignature") => ("documents", &self.0.documents),
            _ => ("calls", &self.0.calls),
        };
        buckets.take(pin).map_err(|seconds| {
            self.0.metrics.rate_limited(what);
            Error::RateLimited { what, seconds }
        })
    }
}

impl<S> Layer<S> for CallRates {
    type Service = Limited<S>;

    fn layer(&self, inner: S) -> Limited<S> {
        Limited { inner, rates: self.clone() }
    }
}

/// A service behind [`CallRates`].
#[derive(Debug, Clone)]
pub(crate) struct Limited<S> {
    inner: S,
    rates: CallRates,
}

impl<S, B, R> Service<http::Request<B>> for Limited<S>
where
    S: Service<http::Request<B>, Response = http::Response<R>>,
    S::Future: Send + 'static,
    R: Default + Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = std::pin::Pin<Box<dyn Future<Output = Result<S::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: http::Request<B>) -> Self::Future {
        // A connection without a channel does not come from our acceptor, and no handler answers it.
        let pin = request.extensions().get::<Channel>().map(|channel| channel.pin);
        let admitted = pin.map_or(Ok(()), |pin| self.rates.admit(request.uri().path(), &pin));
        match admitted {
            Ok(()) => Box::pin(self.inner.call(request)),
            Err(error) => {
                let incident = incident();
                tracing::warn!(%incident, reason = error.reason(), %error, "a peer's call was refused");
                let refusal = for_peer(&error, &incident).into_http();
                Box::pin(async { Ok(refusal) })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minutes_worth_goes_at_once_and_then_no_more() {
        let sources = Sources::new(3);
        let one: IpAddr = "192.0.2.1".parse().unwrap();
        assert_eq!((0..5).filter(|_| sources.admit(one)).count(), 3);
        assert!(sources.admit("192.0.2.2".parse().unwrap()), "another source is not affected");
        assert!(!sources.admit("::ffff:192.0.2.1".parse().unwrap()), "the same address in its other form is");
    }

    #[test]
    fn one_subscriber_is_one_source() {
        let sources = Sources::new(2);
        let admitted = ["2001:db8::1", "2001:db8::2", "2001:db8::3", "2001:db8:0:1::1"];
        let admitted = admitted.map(|address| sources.admit(address.parse().unwrap()));
        assert_eq!(admitted, [true, true, false, true]);
    }

    #[test]
    fn full_buckets_are_forgotten() {
        let sources = Sources::new(600_000);
        for address in 0..5 * u32::try_from(BUCKETS_MAX).unwrap() {
            sources.admit(IpAddr::V4(address.into()));
            if address % 64 == 0 {
                // At ten thousand tokens a second a bucket is full again after a tenth of a millisecond.
                let since = DefaultClock::default();
                let began = since.now();
                while since.now().duration_since(began) < std::time::Duration::from_millis(1) {}
            }
        }
        assert!(sources.0.limiter.len() <= 2 * BUCKETS_MAX);
    }

    #[test]
    fn calls_are_counted_by_kind_and_peer() {
        let limits = crate::config::Settings::from_toml(
            &crate::config::Settings::template("N", "a:1", "b:2")
                .replace("jobs_per_minute = 1200", "jobs_per_minute = 1")
                .replace("documents_per_minute = 300", "documents_per_minute = 2"),
            std::path::Path::new("/x"),
            &std::collections::BTreeMap::new(),
        )
        .unwrap()
        .limits;
        let rates = CallRates::new(&limits, Metrics::new());
        let count = |path: &str, pin: u8| (0..5).filter(|_| rates.admit(path, &[pin; 32]).is_ok()).count();
        assert_eq!(count("/symbolon.v1.ExchangeService/Exchange", 1), 1);
        assert_eq!(count("/symbolon.v1.ExchangeService/ProposeAgreement", 1), 2);
        assert_eq!(count("/symbolon.v1.ExchangeService/Hello", 1), 5);
        assert_eq!(count("/symbolon.v1.ExchangeService/Exchange", 2), 1);
        let error = rates.admit("/symbolon.v1.ExchangeService/Exchange", &[1; 32]).unwrap_err();
        assert_eq!(error.reason(), "RATE_LIMITED");
        assert!(matches!(error, Error::RateLimited { what: "jobs", seconds: 1..=61 }));
    }
}
