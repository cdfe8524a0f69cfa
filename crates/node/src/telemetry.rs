//! The log: lines on stderr, for people or for collectors. No line holds an identifier of a record.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::config::{LogFormat, Telemetry};
use crate::error::{ConfigError, Error};

/// Starts logging for the whole process.
///
/// # Errors
/// [`ConfigError::Value`] when the filter cannot be read; [`Error::Misuse`] when the process logs already.
pub fn start(telemetry: &Telemetry) -> Result<(), Error> {
    let filter = filter(&telemetry.filter)?;
    let registry = tracing_subscriber::registry().with(filter);
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_target(true);
    let started = match telemetry.format {
        LogFormat::Text => registry.with(lines.with_ansi(std::io::stderr().is_terminal())).try_init(),
        LogFormat::Json => registry.with(lines.json().flatten_event(true)).try_init(),
    };
    started.map_err(|_| Error::Misuse { what: "this process logs already", remedy: "start logging once" })
}

fn filter(text: &str) -> Result<EnvFilter, ConfigError> {
    let expected = "a log filter such as info or symbolon_node=debug,info";
    EnvFilter::builder().parse(text).map_err(|_| ConfigError::Value { key: "telemetry.filter", expected })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_filter_is_named() {
        assert!(filter("info").is_ok());
        assert!(filter("symbolon_node=debug,warn").is_ok());
        let error = filter("symbolon_node=loud").unwrap_err();
        assert!(error.to_string().contains("telemetry.filter"));
    }

    #[test]
    fn logging_starts_once() {
        let telemetry = Telemetry { format: LogFormat::Json, filter: "off".to_owned() };
        start(&telemetry).unwrap();
        assert!(matches!(start(&telemetry), Err(Error::Misuse { .. })));
    }
}
