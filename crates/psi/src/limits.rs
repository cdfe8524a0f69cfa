//! Bounds a caller sets before anything is read or allocated.

use crate::error::Error;
use crate::frame::HEADER_BYTES;

/// What a run may use at most. There is no `Default`: whoever starts a run decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of one frame, header included. At least [`Limits::FRAME_BYTES_MIN`] for the machines to run.
    pub frame_bytes_max: usize,
    /// Rows a side may declare.
    pub rows_max: u64,
    /// Bytes of payload a row may carry, at most [`Limits::PAYLOAD_BYTES_CEILING`].
    pub payload_bytes_max: u32,
    /// Bytes of one normalised key, at most [`Limits::KEY_BYTES_CEILING`].
    pub key_bytes_max: u32,
}

impl Limits {
    /// The largest frame the protocols make: half a mebibyte of rows or one row, and the header.
    pub const FRAME_BYTES_MIN: usize = 512 * 1024 + HEADER_BYTES;
    /// No row can carry more, whatever the limits say: a row travels inside one frame.
    pub const PAYLOAD_BYTES_CEILING: u32 = 256 * 1024;
    /// No key can be longer: the OPRF hashes its input with a two-byte length.
    pub const KEY_BYTES_CEILING: u32 = 32 * 1024;
    /// No side can declare more rows: positions are 32-bit numbers.
    pub const ROWS_CEILING: u64 = 1 << 30;

    /// Checks `got` against `max`.
    pub(crate) const fn check(what: &'static str, got: u64, max: u64) -> Result<(), Error> {
        if got > max { Err(Error::LimitExceeded { what, max, got }) } else { Ok(()) }
    }
}
