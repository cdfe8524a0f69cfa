//! The configuration file that `symbolon init` writes.

use std::fmt::Write;

use serde::Serialize;

use super::alerts::{self, RawAlerts};
use super::limits::{COMMENTS, RawLimits};
use super::{RawControl, RawTelemetry, RawTls};

/// Writes every setting with its default and a comment.
pub(super) fn render(institution: &str, listen: &str, advertise: &str) -> String {
    let control = RawControl::default();
    let telemetry = RawTelemetry::default();
    let mut text = String::from("# Configuration of a symbolon node. Paths are relative to this directory.\n\n");
    entry(&mut text, "The institution's name, as it stands in its card and in agreements.", "institution", institution);
    entry(&mut text, "Address and port of the peer port (override: SYMBOLON_LISTEN).", "listen", listen);
    let comment = "Host and port under which partners reach the peer port (override: SYMBOLON_ADVERTISE).";
    entry(&mut text, comment, "advertise", advertise);
    text.push_str("[control]\n");
    let comment = "Unix socket of the control service; only this user may open it.";
    entry(&mut text, comment, "socket", &control.socket.to_string_lossy());
    text.push_str(
        "# A control port over TCP, for operators with one of the certificates named, and for nobody else.\n",
    );
    text.push_str("# [control.tcp]\n# listen = \"127.0.0.1:7444\"\n# operators = [\"operators/alice.crt\"]\n\n");
    text.push_str(&crate::keystore::KeySettings::default().to_toml());
    text.push_str("\n[telemetry]\n");
    let format = toml::Value::try_from(telemetry.format).ok();
    let format = format.as_ref().and_then(toml::Value::as_str).unwrap_or("text");
    entry(&mut text, "Form of the log on stderr: text or json (override: SYMBOLON_LOG_FORMAT).", "format", format);
    let comment = "What is logged, such as info or symbolon_node=debug,info (override: SYMBOLON_LOG).";
    entry(&mut text, comment, "filter", &telemetry.filter);
    text.push_str("[tls]\n");
    let tls = RawTls::default();
    text.push_str(
        "# Trust domain of the SPIFFE id in this node's certificate, from the next `key rotate tls` on; the host of\n\
         # `advertise` unless given. The id is spiffe://<trust domain>/symbolon/<node>.\n\
         # trust_domain = \"bank.example\"\n\n",
    );
    entry(&mut text, "Name of this node in that id.", "node", &tls.node);
    let comment = "Lists of withdrawn certificates (CRL, PEM or DER), signed by partners' authorities or keys.";
    line(&mut text, &format!("# {comment}\ncrl = []\n"));
    let comment = "Seconds between two looks at key files and lists, beside the system's notices of changes.";
    line(&mut text, &format!("# {comment}\nreload_seconds = {}\n", tls.reload_seconds));
    text.push_str(
        "# Numbers for Prometheus and traces for an OpenTelemetry collector; both are off without these sections, and\n\
         # loopback addresses are the only ones taken, as neither is encrypted.\n",
    );
    text.push_str("# [telemetry.metrics]\n# listen = \"127.0.0.1:9464\"\n");
    text.push_str("# [telemetry.traces]\n# endpoint = \"http://127.0.0.1:4317\"\n\n");
    text.push_str(
        "# Signs that a partner probes for single records; 0 switches a sign off. See `symbolon alert --help`.\n",
    );
    section(&mut text, "[alerts]", &RawAlerts::default(), alerts::COMMENTS);
    text.push('\n');
    section(&mut text, "[limits]", &RawLimits::default(), COMMENTS);
    text
}

/// Writes a section of plain values, each with its comment.
fn section(text: &mut String, heading: &str, values: &impl Serialize, comments: &[(&str, &str)]) {
    line(text, heading);
    let values = toml::Table::try_from(values).unwrap_or_default();
    for (key, comment) in comments {
        if let Some(value) = values.get(*key) {
            line(text, &format!("# {comment}\n{key} = {value}"));
        }
    }
}

fn entry(text: &mut String, comment: &str, key: &str, value: &str) {
    let value = toml::Value::String(value.to_owned());
    line(text, &format!("# {comment}\n{key} = {value}\n"));
}

fn line(text: &mut String, content: &str) {
    // Writing to a String cannot fail.
    writeln!(text, "{content}").unwrap_or_default();
}
