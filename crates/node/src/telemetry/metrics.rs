//! What is counted, for Prometheus.
//!
//! Every label is a `&'static str` of this program, so no name, key, address or word of a peer can become one: that is
//! checked by the compiler, and by a test that scrapes a node after a job.

use std::fmt;
use std::sync::Arc;

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

type Labels<const N: usize> = Vec<(&'static str, &'static str)>;
type Counters = Family<Labels<1>, Counter>;

/// The counters of a node. Clones share them.
#[derive(Clone)]
pub struct Metrics(Arc<Inner>);

struct Inner {
    registry: Registry,
    jobs_ended: Counters,
    jobs_running: Gauge,
    bytes: Counters,
    rows: Counters,
    decisions: Counters,
    refusals: Counters,
    alerts: Counters,
    alerts_open: Gauge,
    budget_left: Family<Labels<1>, Gauge>,
    handshakes: Counters,
    rate_limited: Counters,
    certificate_days: Gauge,
    audit_bytes: Gauge,
}

/// What is read at a scrape rather than counted.
#[derive(Debug, Clone, Default)]
pub(super) struct Readings {
    /// Alerts nobody has looked into.
    pub(super) alerts_open: u64,
    /// For each limit the least that is left under any agreement, in thousandths of the limit.
    pub(super) budget_left: Vec<(&'static str, u64)>,
    /// Days until the node's certificate ends; negative when it has.
    pub(super) certificate_days: i64,
    /// Bytes of the evidence log.
    pub(super) audit_bytes: u64,
}

impl Metrics {
    /// Begins at zero.
    #[must_use]
    pub fn new() -> Self {
        let mut registry = Registry::with_prefix("symbolon");
        let inner = Inner {
            jobs_ended: counters(&mut registry, "jobs_ended", "Jobs that ended, by side, state and reason"),
            jobs_running: gauge(&mut registry, "jobs_running", "Jobs that run"),
            bytes: counters(&mut registry, "protocol_bytes", "Bytes of protocol frames of ended jobs, by direction"),
            rows: counters(&mut registry, "rows_declared", "Rows declared in accepted jobs, by whose they are"),
            decisions: counters(&mut registry, "decisions", "Jobs decided on before they are accepted"),
            refusals: counters(&mut registry, "refusals", "Calls of peers that were refused, by call and reason"),
            alerts: counters(&mut registry, "alerts", "Signs of probing found"),
            alerts_open: gauge(&mut registry, "alerts_open", "Signs of probing nobody has looked into"),
            budget_left: Family::default(),
            handshakes: counters(&mut registry, "handshakes", "Connections to the TLS ports, by outcome"),
            rate_limited: counters(&mut registry, "rate_limited", "Calls of peers that came too fast"),
            certificate_days: gauge(&mut registry, "certificate_days_left", "Days until the certificate ends"),
            audit_bytes: gauge(&mut registry, "audit_log_bytes", "Bytes of the evidence log"),
            registry: Registry::default(),
        };
        let help = "The least left under any agreement, in thousandths of the limit";
        registry.register("budget_left_permille", help, inner.budget_left.clone());
        Self(Arc::new(Inner { registry, ..inner }))
    }

    /// The text format of Prometheus.
    pub(super) fn encode(&self, readings: &Readings) -> Result<String, fmt::Error> {
        let inner = &self.0;
        inner.alerts_open.set(clamp(readings.alerts_open));
        for (budget, left) in &readings.budget_left {
            inner.budget_left.get_or_create(&vec![("budget", *budget)]).set(clamp(*left));
        }
        inner.certificate_days.set(readings.certificate_days);
        inner.audit_bytes.set(clamp(readings.audit_bytes));
        let mut text = String::new();
        encode(&mut text, &inner.registry)?;
        Ok(text)
    }

    /// A job ended.
    pub(crate) fn job_ended(&self, side: &'static str, state: &'static str, reason: &'static str) {
        let labels = vec![("side", side), ("state", state), ("reason", reason)];
        self.0.jobs_ended.get_or_create(&labels).inc();
    }

    /// A job begins.
    pub(crate) fn job_begins(&self) -> Running {
        self.0.jobs_running.inc();
        Running(self.clone())
    }

    /// An ended job moved so many bytes of frames.
    pub(crate) fn bytes(&self, sent: u64, received: u64) {
        self.0.bytes.get_or_create(&vec![("direction", "sent")]).inc_by(sent);
        self.0.bytes.get_or_create(&vec![("direction", "received")]).inc_by(received);
    }

    /// A job was accepted with so many rows.
    pub(crate) fn accepted(&self, rows_own: u64, rows_peer: u64) {
        self.0.decisions.get_or_create(&vec![("decision", "permit"), ("reason", "")]).inc();
        self.0.rows.get_or_create(&vec![("whose", "own")]).inc_by(rows_own);
        self.0.rows.get_or_create(&vec![("whose", "peer")]).inc_by(rows_peer);
    }

    /// A job was not accepted.
    pub(crate) fn not_accepted(&self, reason: &'static str) {
        self.0.decisions.get_or_create(&vec![("decision", "refuse"), ("reason", reason)]).inc();
    }

    /// A peer's call was refused.
    pub(crate) fn refused(&self, call: &'static str, reason: &'static str) {
        self.0.refusals.get_or_create(&vec![("call", call), ("reason", reason)]).inc();
    }

    /// A sign of probing was found.
    pub(crate) fn alert(&self, sign: &'static str) {
        self.0.alerts.get_or_create(&vec![("sign", sign)]).inc();
    }

    /// A connection came to a TLS port.
    pub(crate) fn handshake(&self, outcome: &'static str) {
        self.0.handshakes.get_or_create(&vec![("outcome", outcome)]).inc();
    }

    /// A peer called too fast.
    pub(crate) fn rate_limited(&self, what: &'static str) {
        self.0.rate_limited.get_or_create(&vec![("what", what)]).inc();
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Metrics(..)")
    }
}

/// Counts a job as running until it is dropped.
#[derive(Debug)]
pub(crate) struct Running(Metrics);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.0.jobs_running.dec();
    }
}

fn counters(registry: &mut Registry, name: &str, help: &str) -> Counters {
    let counters = Counters::default();
    registry.register(name, help, counters.clone());
    counters
}

fn gauge(registry: &mut Registry, name: &str, help: &str) -> Gauge {
    let gauge = Gauge::default();
    registry.register(name, help, gauge.clone());
    gauge
}

fn clamp(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_counted_is_read() {
        let metrics = Metrics::new();
        let running = metrics.job_begins();
        metrics.job_ended("initiator", "failed", "PEER_GONE");
        metrics.accepted(100, 200);
        let readings = Readings { budget_left: vec![("runs_max", 250)], certificate_days: -2, ..Readings::default() };
        let text = metrics.encode(&readings).unwrap();
        for line in [
            "symbolon_jobs_ended_total{side=\"initiator\",state=\"failed\",reason=\"PEER_GONE\"} 1",
            "symbolon_jobs_running 1",
            "symbolon_rows_declared_total{whose=\"peer\"} 200",
            "symbolon_budget_left_permille{budget=\"runs_max\"} 250",
            "symbolon_certificate_days_left -2",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
        drop(running);
        assert!(metrics.encode(&readings).unwrap().contains("symbolon_jobs_running 0\n"));
        assert!(text.ends_with("# EOF\n"));
    }
}
