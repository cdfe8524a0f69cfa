//! What a node tells about itself: log lines, numbers for Prometheus, traces for OpenTelemetry.
//!
//! None of it names a person or a record. The files `lines`, `metrics` and `trace` say what keeps each so.

use std::fmt;

use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};

use crate::config::Telemetry;
use crate::error::{ConfigError, Error};
use lines::Lines;
use trace::Exporting;

pub use metrics::Metrics;
pub(crate) use metrics::Running;
pub(crate) use trace::JobTrace;

mod lines;
mod metrics;
pub(crate) mod scrape;
mod trace;

/// Sends the last traces when it is dropped.
#[must_use = "traces end when this is dropped"]
pub struct Started(Option<Exporting>);

impl fmt::Debug for Started {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Started").field(&self.0.is_some()).finish()
    }
}

/// Starts logging, and tracing where an endpoint is configured, for the whole process. Within a tokio runtime.
///
/// # Errors
/// [`ConfigError::Value`] when the filter cannot be read; [`Error::Misuse`] when the process logs already.
pub fn start(telemetry: &Telemetry) -> Result<Started, Error> {
    let filter = filter(&telemetry.filter)?;
    let exporting = telemetry.traces.as_deref().map(trace::exporting).transpose()?;
    let lines = Lines::new(std::io::stderr, telemetry.format).with_filter(filter_fn(lines::shown)).with_filter(filter);
    let traces = exporting.as_ref().map(trace::layer);
    let started = tracing_subscriber::registry().with(lines).with(traces).try_init();
    started.map_err(|_| Error::Misuse { what: "this process logs already", remedy: "start logging once" })?;
    Ok(Started(exporting))
}

fn filter(text: &str) -> Result<EnvFilter, ConfigError> {
    let expected = "a log filter such as info or symbolon_node=debug,info";
    EnvFilter::builder().parse(text).map_err(|_| ConfigError::Value { key: "telemetry.filter", expected })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::LogFormat;

    #[test]
    fn a_wrong_filter_is_named() {
        assert!(filter("info").is_ok());
        assert!(filter("symbolon_node=debug,warn").is_ok());
        let error = filter("symbolon_node=loud").unwrap_err();
        assert!(error.to_string().contains("telemetry.filter"));
    }

    #[test]
    fn logging_starts_once() {
        let telemetry = Telemetry { format: LogFormat::Json, filter: "off".to_owned(), metrics: None, traces: None };
        let started = start(&telemetry).unwrap();
        assert!(matches!(start(&telemetry), Err(Error::Misuse { .. })));
        drop(started);
    }
}
