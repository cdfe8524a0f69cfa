//! The log: lines on stderr, for people or for collectors.
//!
//! # What a line may hold
//! * The message of an event of this program, which is text of the program.
//! * The values of the fields in [`FIELDS`]: numbers, stable words, ids of jobs and agreements, names an operator gave.
//! * Nothing else. The value of any other field is replaced by `[redacted]`, so that a field somebody adds later shows
//!   only after it was thought about; and in every text that passes, long runs of digits or of hexadecimal digits are
//!   replaced, where the field is not one that holds ids. Identity, telephone, account and card numbers are such runs,
//!   and so are keys, points and tags.
//!
//! Events of libraries are shown from `info` on only, whatever the filter says, and without fields: at lower levels they
//! print what they read and write.

use std::fmt::{self, Write as _};
use std::io::Write as _;

use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::Context;

use crate::clock::{Clock, SystemClock};
use crate::config::LogFormat;

/// Fields whose values are shown, and whether they are ids, in which hexadecimal digits stay.
const FIELDS: &[(&str, bool)] = &[
    ("action", false),
    ("address", true),
    ("agreement", true),
    ("call", false),
    ("compared", false),
    ("count", false),
    ("digest", true),
    ("error", false),
    ("found", false),
    ("incident", true),
    ("institution", false),
    ("job", true),
    ("jobs", false),
    ("path", false),
    ("peer", false),
    ("policies", false),
    ("protocol", false),
    ("reason", false),
    ("refused", false),
    ("result", false),
    ("results", false),
    ("rows", false),
    ("seconds", false),
    ("side", false),
    ("sign", false),
    ("state", false),
];

/// What stands in the place of a value that is not shown.
const REDACTED: &str = "[redacted]";

/// Runs of so many digits are no count of this program's.
const DIGITS_MAX: usize = 7;
/// Runs of so many hexadecimal digits are no word.
const HEX_MAX: usize = 15;

/// Whether events of this origin and level are shown at all.
pub(super) fn shown(metadata: &Metadata<'_>) -> bool {
    own(metadata.target()) || *metadata.level() <= Level::INFO
}

fn own(target: &str) -> bool {
    target.starts_with("symbolon")
}

/// Writes a line an event.
pub(super) struct Lines<W> {
    writer: W,
    format: LogFormat,
}

impl<W> Lines<W> {
    pub(super) const fn new(writer: W, format: LogFormat) -> Self {
        Self { writer, format }
    }
}

impl<S: Subscriber, W: for<'a> MakeWriter<'a> + 'static> Layer<S> for Lines<W> {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let metadata = event.metadata();
        let mut fields = Fields { own: own(metadata.target()), message: String::new(), values: Map::new() };
        event.record(&mut fields);
        let time = crate::store::time_text(SystemClock.now());
        let line = match self.format {
            LogFormat::Json => json(&time, metadata, fields),
            LogFormat::Text => text(&time, metadata, &fields),
        };
        // A log that cannot be written is no reason to stop.
        drop(self.writer.make_writer_for(metadata).write_all(line.as_bytes()));
    }
}

fn json(time: &str, metadata: &Metadata<'_>, fields: Fields) -> String {
    let mut line = Map::new();
    line.insert("timestamp".to_owned(), time.into());
    line.insert("level".to_owned(), metadata.level().as_str().into());
    line.insert("target".to_owned(), metadata.target().into());
    line.insert("message".to_owned(), fields.message.into());
    line.extend(fields.values);
    format!("{}\n", Value::Object(line))
}

fn text(time: &str, metadata: &Metadata<'_>, fields: &Fields) -> String {
    let mut line = format!("{time} {:>5} {}: {}", metadata.level(), metadata.target(), fields.message);
    for (name, value) in &fields.values {
        // Writing to a String cannot fail.
        write!(line, " {name}={value}").unwrap_or_default();
    }
    line.push('\n');
    line
}

/// Takes what may be shown of an event.
struct Fields {
    own: bool,
    message: String,
    values: Map<String, Value>,
}

impl Fields {
    fn put(&mut self, field: &Field, value: Value) {
        let known = FIELDS.iter().find(|(name, _)| *name == field.name());
        let value = match (known, value) {
            (Some((_, true)), value) => value,
            (Some((_, false)), Value::String(text)) => Value::String(scrub(&text)),
            (Some((_, false)), value) => value,
            (None, _) => Value::String(REDACTED.to_owned()),
        };
        if self.own {
            self.values.insert(field.name().to_owned(), value);
        }
    }

    fn text(&mut self, field: &Field, text: String) {
        if field.name() == "message" {
            self.message = scrub(&text);
        } else {
            self.put(field, Value::String(text));
        }
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.text(field, format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.text(field, value.to_owned());
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        self.text(field, value.to_string());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value.into());
    }
}

/// Replaces runs of digits and of hexadecimal digits that are too long for a count or a word. Blanks and hyphens
/// between digits do not end a run, as identifiers are written with them.
fn scrub(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut run = String::new();
    for letter in text.chars().chain(['\0']) {
        if letter.is_ascii_hexdigit() || (letter == '-' && run.ends_with(|last: char| last.is_ascii_digit())) {
            run.push(letter);
            continue;
        }
        let digits = run.chars().filter(char::is_ascii_digit).count();
        let hex = run.chars().filter(char::is_ascii_hexdigit).count();
        let number = digits > DIGITS_MAX && run.chars().all(|letter| letter.is_ascii_digit() || letter == '-');
        out.push_str(if number || hex > HEX_MAX { REDACTED } else { &run });
        run.clear();
        if letter != '\0' {
            out.push(letter);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use tracing_subscriber::filter::filter_fn;
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    /// Keeps what is written.
    #[derive(Clone, Default)]
    pub(crate) struct Kept(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner).extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged(format: LogFormat, events: impl FnOnce()) -> String {
        let kept = Kept::default();
        let writer = kept.clone();
        let layer = Lines::new(move || writer.clone(), format).with_filter(filter_fn(shown));
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), events);
        String::from_utf8(kept.0.lock().unwrap().clone()).unwrap()
    }

    #[test]
    fn only_known_fields_show_and_numbers_of_people_never() {
        let text = logged(LogFormat::Json, || {
            tracing::info!(target: "symbolon_node::x", customer = "Ann", rows = 3_u64, error = "no 078-05-1120 here", "done");
        });
        let line: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(line["customer"], REDACTED);
        assert_eq!(line["rows"], 3);
        assert_eq!(line["error"], "no [redacted] here");
        assert_eq!((line["message"].as_str(), line["level"].as_str()), (Some("done"), Some("INFO")));
    }

    #[test]
    fn libraries_show_from_info_on_and_without_fields() {
        let text = logged(LogFormat::Text, || {
            tracing::debug!(target: "h2::codec", "frame 00112233445566778899aabbccddeeff");
            tracing::warn!(target: "sqlx::query", statement = "SELECT 1", "slow");
        });
        assert!(text.ends_with(" WARN sqlx::query: slow\n"), "{text}");
        assert_eq!(text.lines().count(), 1);
    }

    #[test]
    fn long_runs_are_replaced_and_words_stay() {
        for (text, scrubbed) in [
            ("the peer was silent for 3600 s", "the peer was silent for 3600 s"),
            ("deadbeefdeadbeef", REDACTED),
            ("decade facade", "decade facade"),
            ("11010519491231002X!", "[redacted]X!"),
            ("2026-03-01", "[redacted]"),
            ("1234567 12345678", "1234567 [redacted]"),
            ("078-05-1120", REDACTED),
            ("incident 00112233aabb", "incident 00112233aabb"),
        ] {
            assert_eq!(scrub(text), scrubbed, "{text}");
        }
    }

    #[test]
    fn fields_are_listed_once_in_order() {
        assert!(FIELDS.is_sorted_by(|one, next| one.0 < next.0));
    }
}
