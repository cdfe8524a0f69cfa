//! The only place that reads time: everything else takes a [`Clock`].

use std::fmt::Debug;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};

/// A source of wall time and of monotonic time.
pub trait Clock: Send + Sync + Debug {
    /// The wall time, for validity periods and records.
    fn now(&self) -> DateTime<Utc>;

    /// Time that never steps back, for durations and deadlines.
    fn monotonic(&self) -> Instant;
}

/// The clock of the machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the one place that reads the wall clock")]
    fn now(&self) -> DateTime<Utc> {
        std::time::SystemTime::now().into()
    }

    #[expect(clippy::disallowed_methods, reason = "this is the one place that reads the monotonic clock")]
    fn monotonic(&self) -> Instant {
        Instant::now()
    }
}

/// CPU time the calling thread has used, for measuring what a part of the node costs.
#[must_use]
pub(crate) fn thread_cpu() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// A clock that stands still until it is moved, for tests of validity periods and deadlines.
#[derive(Debug)]
pub struct FixedClock {
    state: std::sync::Mutex<(DateTime<Utc>, Instant)>,
}

impl FixedClock {
    /// Makes a clock that shows `now`.
    #[must_use]
    pub fn new(now: DateTime<Utc>) -> Self {
        Self { state: std::sync::Mutex::new((now, SystemClock.monotonic())) }
    }

    /// Moves both times on by `step`.
    pub fn advance(&self, step: Duration) {
        let mut state = self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        state.0 += step;
        state.1 += step;
    }
}

impl Clock for FixedClock {
    fn now(&self) -> DateTime<Utc> {
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner).0
    }

    fn monotonic(&self) -> Instant {
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner).1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fixed_clock_moves_only_when_told() {
        let start = SystemClock.now();
        let clock = FixedClock::new(start);
        let tick = clock.monotonic();
        assert_eq!(clock.now(), start);
        clock.advance(Duration::from_secs(90));
        assert_eq!((clock.now() - start).num_seconds(), 90);
        assert_eq!(clock.monotonic() - tick, Duration::from_secs(90));
    }
}
