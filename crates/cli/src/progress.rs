//! Progress on standard error: a bar on a terminal, plain lines otherwise.

use std::time::Duration;

use indicatif::{HumanBytes, HumanCount, HumanDuration, ProgressBar, ProgressStyle};

use crate::output::Output;

/// One observation of a running job.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tick {
    pub(crate) phase: String,
    pub(crate) rows_done: u64,
    pub(crate) rows_total: u64,
    pub(crate) bytes_sent: u64,
    pub(crate) bytes_received: u64,
    pub(crate) eta_seconds: Option<u64>,
}

/// Shows ticks as they come.
#[derive(Debug)]
pub(crate) struct Meter {
    output: Output,
    bar: Option<ProgressBar>,
    phase: String,
    tenth: u64,
}

impl Meter {
    pub(crate) fn new(output: Output) -> Self {
        let bar = output.draws().then(|| {
            let bar = ProgressBar::new(0).with_style(
                ProgressStyle::with_template("{spinner} {prefix:<26} [{bar:32}] {percent:>3}%  {msg}")
                    .unwrap_or_else(|_| ProgressStyle::default_bar())
                    .progress_chars("=> "),
            );
            bar.enable_steady_tick(Duration::from_millis(120));
            bar
        });
        Self { output, bar, phase: String::new(), tenth: 0 }
    }

    pub(crate) fn show(&mut self, tick: &Tick) {
        if let Some(bar) = &self.bar {
            bar.set_prefix(tick.phase.clone());
            // A phase whose rows are not known yet has done none of them, rather than all.
            bar.set_length(tick.rows_total.max(1));
            bar.set_position(tick.rows_done.min(tick.rows_total));
            bar.set_message(details(tick));
            return;
        }
        // Without a terminal: one line when the phase changes and one for every tenth of it.
        let tenth = (tick.rows_done * 10).checked_div(tick.rows_total).unwrap_or(0);
        if tick.phase != self.phase || tenth > self.tenth {
            let details = details(tick);
            let colon = if details.is_empty() { "" } else { ": " };
            self.output.note(&format!("{}{colon}{details}", tick.phase));
        }
        self.phase.clone_from(&tick.phase);
        self.tenth = tenth;
    }

    /// Takes the bar away, so that what follows starts on a clean line.
    pub(crate) fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn details(tick: &Tick) -> String {
    let mut parts = Vec::new();
    if tick.rows_total > 0 {
        parts.push(format!("{} of {} rows", HumanCount(tick.rows_done), HumanCount(tick.rows_total)));
    }
    if tick.bytes_sent + tick.bytes_received > 0 {
        parts.push(format!("{} out, {} in", HumanBytes(tick.bytes_sent), HumanBytes(tick.bytes_received)));
    }
    if let Some(seconds) = tick.eta_seconds.filter(|seconds| *seconds > 0) {
        parts.push(format!("about {} left", HumanDuration(Duration::from_secs(seconds))));
    }
    parts.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn details_name_rows_bytes_and_time() {
        let tick = Tick {
            phase: "evaluate".to_owned(),
            rows_done: 1_000,
            rows_total: 20_000,
            bytes_sent: 2_048,
            bytes_received: 0,
            eta_seconds: Some(90),
        };
        let text = details(&tick);
        assert!(text.contains("1,000 of 20,000 rows"), "{text}");
        assert!(text.contains("2.00 KiB out"), "{text}");
        assert!(text.contains("left"), "{text}");
    }
}
