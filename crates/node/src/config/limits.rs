//! Bounds on everything that comes from outside or may grow.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::error::ConfigError;

/// The limits of a node, checked. The key of each in `node.toml` is the field's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "COMMENTS in this file documents each key once, for the file and for readers")]
pub struct Limits {
    pub frame_bytes_max: usize,
    pub message_bytes_max: usize,
    pub document_bytes_max: usize,
    pub window_stream_bytes: u32,
    pub window_connection_bytes: u32,
    pub connections_max: usize,
    pub connections_peer_max: usize,
    pub streams_max: u32,
    pub jobs_max: usize,
    pub jobs_peer_max: usize,
    pub proposals_max: u64,
    pub handshakes_per_minute: u32,
    pub calls_per_minute: u32,
    pub jobs_per_minute: u32,
    pub documents_per_minute: u32,
    pub handshake_seconds_max: Duration,
    pub call_seconds_max: Duration,
    pub connect_seconds_max: Duration,
    pub answer_seconds_max: Duration,
    pub idle_seconds_max: Duration,
    pub stall_seconds_max: Duration,
    pub session_seconds_max: Duration,
    pub drain_seconds_max: Duration,
    pub keepalive_seconds: Duration,
    pub clock_skew_seconds_max: Duration,
    pub inbound_memory_bytes_max: u64,
    pub inbound_spill_bytes_max: u64,
    pub outbound_frames_max: usize,
    pub compute_threads: usize,
    pub rows_max: u64,
    pub payload_bytes_max: u32,
    pub results_days_max: u64,
}

/// The limits as the file has them.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawLimits {
    frame_bytes_max: u64,
    message_bytes_max: u64,
    document_bytes_max: u64,
    window_stream_bytes: u64,
    window_connection_bytes: u64,
    connections_max: u64,
    connections_peer_max: u64,
    streams_max: u64,
    jobs_max: u64,
    jobs_peer_max: u64,
    proposals_max: u64,
    handshakes_per_minute: u64,
    calls_per_minute: u64,
    jobs_per_minute: u64,
    documents_per_minute: u64,
    handshake_seconds_max: u64,
    call_seconds_max: u64,
    connect_seconds_max: u64,
    answer_seconds_max: u64,
    idle_seconds_max: u64,
    stall_seconds_max: u64,
    session_seconds_max: u64,
    drain_seconds_max: u64,
    keepalive_seconds: u64,
    clock_skew_seconds_max: u64,
    inbound_memory_bytes_max: u64,
    inbound_spill_bytes_max: u64,
    outbound_frames_max: u64,
    compute_threads: u64,
    rows_max: u64,
    payload_bytes_max: u64,
    results_days_max: u64,
}

impl Default for RawLimits {
    fn default() -> Self {
        Self {
            frame_bytes_max: 1 << 20,
            message_bytes_max: (1 << 20) + (64 << 10),
            document_bytes_max: 256 << 10,
            window_stream_bytes: 8 << 20,
            window_connection_bytes: 16 << 20,
            connections_max: 64,
            connections_peer_max: 8,
            streams_max: 16,
            jobs_max: 4,
            jobs_peer_max: 3,
            proposals_max: 32,
            handshakes_per_minute: 1200,
            calls_per_minute: 3000,
            jobs_per_minute: 1200,
            documents_per_minute: 300,
            handshake_seconds_max: 10,
            call_seconds_max: 30,
            connect_seconds_max: 10,
            answer_seconds_max: 120,
            idle_seconds_max: 60,
            stall_seconds_max: 900,
            session_seconds_max: 21_600,
            drain_seconds_max: 30,
            keepalive_seconds: 20,
            clock_skew_seconds_max: 300,
            inbound_memory_bytes_max: 64 << 20,
            inbound_spill_bytes_max: 64 << 30,
            outbound_frames_max: 32,
            compute_threads: 0,
            rows_max: 1 << 26,
            payload_bytes_max: 4096,
            results_days_max: 0,
        }
    }
}

/// What each key means, in the order of the file.
pub(super) const COMMENTS: &[(&str, &str)] = &[
    ("frame_bytes_max", "Largest protocol frame, in bytes."),
    ("message_bytes_max", "Largest gRPC message, in bytes: a frame and what surrounds it."),
    ("document_bytes_max", "Largest agreement or card taken from a peer or a file, in bytes."),
    ("window_stream_bytes", "HTTP/2 window of a stream: at least bandwidth times round-trip time."),
    ("window_connection_bytes", "HTTP/2 window of a connection."),
    ("connections_max", "Connections held open on the peer port."),
    ("connections_peer_max", "Connections held open by one peer."),
    ("streams_max", "Concurrent HTTP/2 streams of one connection."),
    ("jobs_max", "Jobs that run at the same time; further ones are refused."),
    (
        "jobs_peer_max",
        "Jobs one peer may have running here that it asked for, so that it does not take every slot; 0 sets no bound.",
    ),
    ("proposals_max", "Agreements a peer may have waiting for an answer."),
    ("handshakes_per_minute", "TLS handshakes of one source address; further ones are closed before they begin."),
    ("calls_per_minute", "Calls of one peer other than the next two."),
    ("jobs_per_minute", "Jobs one peer may ask for in a minute, whether they are permitted or not."),
    ("documents_per_minute", "Agreements and signatures one peer may deliver in a minute."),
    ("handshake_seconds_max", "Time for a TLS handshake, and again for the first bytes of HTTP/2 after it."),
    ("call_seconds_max", "Time for a peer's call other than a job, its whole message included."),
    ("connect_seconds_max", "Time to reach a peer."),
    ("answer_seconds_max", "Time from an offer to its acceptance; the peer reads its table meanwhile."),
    ("idle_seconds_max", "Silence of the peer during a job before the job fails."),
    ("stall_seconds_max", "Time a job waits for a frame while the peer shows signs of life only."),
    ("session_seconds_max", "Time for a whole job."),
    ("drain_seconds_max", "Time running jobs get to end when the node stops."),
    ("keepalive_seconds", "Interval of HTTP/2 pings on an open connection."),
    ("clock_skew_seconds_max", "Difference between the clocks of both nodes before `doctor` complains."),
    ("inbound_memory_bytes_max", "Frames waiting in memory for one job; more is spilled to disk."),
    ("inbound_spill_bytes_max", "Frames waiting on disk for one job; more fails the job."),
    ("outbound_frames_max", "Frames waiting to be sent for one job."),
    ("compute_threads", "Threads for computation; 0 takes every core."),
    ("rows_max", "Rows of one table in one job."),
    ("payload_bytes_max", "Bytes of the joined columns of one row."),
    ("results_days_max", "Days a result is kept before its key is destroyed; 0 keeps it until it is deleted."),
];

impl TryFrom<RawLimits> for Limits {
    type Error = ConfigError;

    fn try_from(raw: RawLimits) -> Result<Self, ConfigError> {
        let limits = Self {
            frame_bytes_max: size("limits.frame_bytes_max", raw.frame_bytes_max, FRAME_BYTES_MIN, 1 << 20)?,
            message_bytes_max: size("limits.message_bytes_max", raw.message_bytes_max, 8192, 4 << 20)?,
            document_bytes_max: size("limits.document_bytes_max", raw.document_bytes_max, 4096, DOCUMENT_BYTES_MAX)?,
            window_stream_bytes: word("limits.window_stream_bytes", raw.window_stream_bytes, 65_535, WINDOW_MAX)?,
            window_connection_bytes: word(
                "limits.window_connection_bytes",
                raw.window_connection_bytes,
                65_535,
                WINDOW_MAX,
            )?,
            connections_max: size("limits.connections_max", raw.connections_max, 1, 1 << 16)?,
            connections_peer_max: size("limits.connections_peer_max", raw.connections_peer_max, 1, 1 << 16)?,
            streams_max: word("limits.streams_max", raw.streams_max, 1, 1 << 16)?,
            jobs_max: size("limits.jobs_max", raw.jobs_max, 1, 1 << 10)?,
            jobs_peer_max: size("limits.jobs_peer_max", raw.jobs_peer_max, 0, 1 << 10)?,
            proposals_max: number("limits.proposals_max", raw.proposals_max, 1, 1 << 16)?,
            handshakes_per_minute: word("limits.handshakes_per_minute", raw.handshakes_per_minute, 1, RATE_MAX)?,
            calls_per_minute: word("limits.calls_per_minute", raw.calls_per_minute, 1, RATE_MAX)?,
            jobs_per_minute: word("limits.jobs_per_minute", raw.jobs_per_minute, 1, RATE_MAX)?,
            documents_per_minute: word("limits.documents_per_minute", raw.documents_per_minute, 1, RATE_MAX)?,
            call_seconds_max: seconds("limits.call_seconds_max", raw.call_seconds_max)?,
            handshake_seconds_max: seconds("limits.handshake_seconds_max", raw.handshake_seconds_max)?,
            connect_seconds_max: seconds("limits.connect_seconds_max", raw.connect_seconds_max)?,
            answer_seconds_max: seconds("limits.answer_seconds_max", raw.answer_seconds_max)?,
            idle_seconds_max: seconds("limits.idle_seconds_max", raw.idle_seconds_max)?,
            stall_seconds_max: seconds("limits.stall_seconds_max", raw.stall_seconds_max)?,
            session_seconds_max: seconds("limits.session_seconds_max", raw.session_seconds_max)?,
            drain_seconds_max: seconds("limits.drain_seconds_max", raw.drain_seconds_max)?,
            keepalive_seconds: seconds("limits.keepalive_seconds", raw.keepalive_seconds)?,
            clock_skew_seconds_max: seconds("limits.clock_skew_seconds_max", raw.clock_skew_seconds_max)?,
            inbound_memory_bytes_max: number(
                "limits.inbound_memory_bytes_max",
                raw.inbound_memory_bytes_max,
                1 << 20,
                u64::MAX,
            )?,
            inbound_spill_bytes_max: number(
                "limits.inbound_spill_bytes_max",
                raw.inbound_spill_bytes_max,
                0,
                u64::MAX,
            )?,
            outbound_frames_max: size("limits.outbound_frames_max", raw.outbound_frames_max, 1, 1 << 16)?,
            compute_threads: size("limits.compute_threads", raw.compute_threads, 0, 1 << 12)?,
            rows_max: number("limits.rows_max", raw.rows_max, 1, 1 << 32)?,
            payload_bytes_max: word("limits.payload_bytes_max", raw.payload_bytes_max, 0, 1 << 16)?,
            results_days_max: number("limits.results_days_max", raw.results_days_max, 0, 36_500)?,
        };
        if limits.message_bytes_max < limits.frame_bytes_max + 1024 {
            let expected = "at least frame_bytes_max + 1024";
            return Err(ConfigError::Value { key: "limits.message_bytes_max", expected });
        }
        Ok(limits)
    }
}

/// A thousand a second.
const RATE_MAX: u64 = 60_000;

/// The largest document the agreements' format takes.
const DOCUMENT_BYTES_MAX: u64 = symbolon_policy::DOCUMENT_BYTES_MAX as u64;

/// The largest frame any protocol needs.
const FRAME_BYTES_MIN: u64 = symbolon_psi::Limits::FRAME_BYTES_MIN as u64;

/// RFC 9113 section 6.9.1: a flow-control window is at most 2^31 - 1 bytes.
const WINDOW_MAX: u64 = (1 << 31) - 1;

const OUT_OF_RANGE: &str = "within the range of this limit (see its comment and default in a fresh node.toml)";

fn number(key: &'static str, value: u64, min: u64, max: u64) -> Result<u64, ConfigError> {
    if (min..=max).contains(&value) { Ok(value) } else { Err(ConfigError::Value { key, expected: OUT_OF_RANGE }) }
}

fn size(key: &'static str, value: u64, min: u64, max: u64) -> Result<usize, ConfigError> {
    usize::try_from(number(key, value, min, max)?).map_err(|_| ConfigError::Value { key, expected: OUT_OF_RANGE })
}

fn word(key: &'static str, value: u64, min: u64, max: u64) -> Result<u32, ConfigError> {
    u32::try_from(number(key, value, min, max)?).map_err(|_| ConfigError::Value { key, expected: OUT_OF_RANGE })
}

fn seconds(key: &'static str, value: u64) -> Result<Duration, ConfigError> {
    Ok(Duration::from_secs(number(key, value, 1, 31 * 24 * 3600)?))
}
