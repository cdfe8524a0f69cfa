//! What the system says about a process.

use rustix::time::{ClockId, clock_gettime};

use crate::Result;

/// Ticks of processor time a second, as `/proc` counts them on Linux.
const TICKS_A_SECOND: f64 = 100.0;

/// Processor time used so far by this process or thread.
pub(crate) fn cpu_seconds(clock: ClockId) -> f64 {
    let time = clock_gettime(clock);
    #[expect(clippy::cast_precision_loss, reason = "seconds of a bench fit easily")]
    let seconds = time.tv_sec as f64 + time.tv_nsec as f64 / 1e9;
    seconds
}

/// Processor time used so far by another process, all its threads together.
pub(crate) fn cpu_seconds_of(process: u32) -> Result<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat"))?;
    // Fields are counted from behind the name, which stands in brackets: user time is the 12th, system time the 13th.
    let fields: Vec<&str> = stat.rsplit_once(") ").ok_or("no name in stat")?.1.split(' ').collect();
    let ticks = |at: usize| -> Result<f64> { Ok(fields.get(at).ok_or("stat is short")?.parse()?) };
    Ok((ticks(11)? + ticks(12)?) / TICKS_A_SECOND)
}

/// The most memory another process has held.
pub(crate) fn peak_rss_bytes_of(process: u32) -> Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).ok_or("no VmHWM")?;
    Ok(line.trim().trim_end_matches(" kB").parse::<u64>()? * 1024)
}
