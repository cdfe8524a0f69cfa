//! Frames: the only form in which protocol bytes travel.
//!
//! A frame is a fixed header and a body. All numbers are big-endian.
//!
//! | bytes | field |
//! |---|---|
//! | 1 | format version, [`VERSION`] |
//! | 1 | protocol code |
//! | 1 | step of the protocol |
//! | 4 | index of the frame within its step |
//! | 4 | frames in the step |
//! | 32 | session identifier |
//! | rest | body, of a length the session fixes for this step and index |
//!
//! Reading checks before it allocates: [`Frame::from_wire`] takes over the bytes the transport already holds,
//! and nothing is copied out of a body before its length was compared with the only length it may have.

use std::fmt;

use crate::error::{Error, PeerIncompatible, PeerMisbehaved};
use crate::limits::Limits;
use crate::role::Protocol;
use crate::sid::Sid;

/// The version of the frame format.
pub const VERSION: u8 = 1;

/// Bytes of a header.
pub const HEADER_BYTES: usize = 1 + 1 + 1 + 4 + 4 + 32;

/// A frame whose header is complete and of this format version. What it says is checked by the machine that
/// receives it.
#[derive(Clone, PartialEq, Eq)]
pub struct Frame {
    wire: Vec<u8>,
}

/// The fields of a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "the format version fixes the fields")]
pub struct Header {
    /// The protocol code, see [`Protocol::code`].
    pub protocol: u8,
    /// The step of the protocol.
    pub step: u8,
    /// The index of the frame within its step.
    pub index: u32,
    /// Frames in the step.
    pub total: u32,
    /// The session.
    pub sid: Sid,
}

impl Frame {
    /// Takes over received bytes.
    ///
    /// # Errors
    /// [`PeerMisbehaved::FrameTooLong`], [`PeerMisbehaved::FrameTooShort`] or [`PeerIncompatible::Version`].
    pub fn from_wire(wire: Vec<u8>, limits: &Limits) -> Result<Self, Error> {
        if wire.len() > limits.frame_bytes_max {
            return Err(PeerMisbehaved::FrameTooLong { max: limits.frame_bytes_max, got: wire.len() }.into());
        }
        if wire.len() < HEADER_BYTES {
            return Err(PeerMisbehaved::FrameTooShort { expected: HEADER_BYTES, got: wire.len() }.into());
        }
        if wire[0] != VERSION {
            return Err(PeerIncompatible::Version { expected: VERSION, got: wire[0] }.into());
        }
        Ok(Self { wire })
    }

    /// Starts a frame with room for `body_bytes` bytes of body.
    pub(crate) fn builder(protocol: Protocol, sid: &Sid, position: (u8, u32, u32), body_bytes: usize) -> FrameBuilder {
        let (step, index, total) = position;
        let mut wire = Vec::with_capacity(HEADER_BYTES + body_bytes);
        wire.extend_from_slice(&[VERSION, protocol.code(), step]);
        wire.extend_from_slice(&index.to_be_bytes());
        wire.extend_from_slice(&total.to_be_bytes());
        wire.extend_from_slice(sid.as_bytes());
        FrameBuilder { wire }
    }

    /// The bytes to send.
    #[must_use]
    pub fn into_wire(self) -> Vec<u8> {
        self.wire
    }

    /// The bytes to send, borrowed.
    #[must_use]
    pub fn as_wire(&self) -> &[u8] {
        &self.wire
    }

    /// The body.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        &self.wire[HEADER_BYTES..]
    }

    /// The fields of the header.
    #[must_use]
    pub fn header(&self) -> Header {
        let mut number = [[0_u8; 4]; 2];
        number[0].copy_from_slice(&self.wire[3..7]);
        number[1].copy_from_slice(&self.wire[7..11]);
        let mut sid = [0_u8; 32];
        sid.copy_from_slice(&self.wire[11..HEADER_BYTES]);
        Header {
            protocol: self.wire[1],
            step: self.wire[2],
            index: u32::from_be_bytes(number[0]),
            total: u32::from_be_bytes(number[1]),
            sid: Sid(sid),
        }
    }
}

impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Frame").field("header", &self.header()).field("body_bytes", &self.body().len()).finish()
    }
}

/// A frame being written.
pub(crate) struct FrameBuilder {
    wire: Vec<u8>,
}

impl FrameBuilder {
    /// Appends to the body.
    pub(crate) fn put(&mut self, bytes: &[u8]) {
        self.wire.extend_from_slice(bytes);
    }

    /// The frame so far, to append to the body.
    pub(crate) const fn body(&mut self) -> &mut Vec<u8> {
        &mut self.wire
    }

    /// Appends equally long values to the body.
    pub(crate) fn put_all<const N: usize>(&mut self, values: &[[u8; N]]) {
        self.wire.extend_from_slice(values.as_flattened());
    }

    pub(crate) fn finish(self) -> Frame {
        Frame { wire: self.wire }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits { frame_bytes_max: 100, rows_max: 1, payload_bytes_max: 0, key_bytes_max: 1 };

    #[test]
    fn header_and_body_come_back() {
        let mut builder = Frame::builder(Protocol::EcdhMutual, &Sid([9; 32]), (3, 4, 500), 5);
        builder.put(b"abc");
        builder.put_all(&[[1_u8], [2]]);
        let frame = builder.finish();
        assert_eq!(frame.header(), Header { protocol: 2, step: 3, index: 4, total: 500, sid: Sid([9; 32]) });
        let again = Frame::from_wire(frame.clone().into_wire(), &LIMITS).unwrap();
        assert_eq!(again, frame);
        assert_eq!(again.body(), b"abc\x01\x02");
        assert_eq!(again.as_wire().len(), HEADER_BYTES + 5);
    }

    #[test]
    fn lengths_and_version_are_checked() {
        let frame = Frame::builder(Protocol::EcdhOprf, &Sid([0; 32]), (1, 0, 1), 0).finish().into_wire();
        for cut in 0..HEADER_BYTES {
            let error = Frame::from_wire(frame[..cut].to_vec(), &LIMITS).unwrap_err();
            assert!(matches!(
                error,
                Error::PeerMisbehaved(PeerMisbehaved::FrameTooShort { expected: HEADER_BYTES, got }) if got == cut
            ));
        }
        let error = Frame::from_wire(vec![1; 101], &LIMITS).unwrap_err();
        assert!(matches!(error, Error::PeerMisbehaved(PeerMisbehaved::FrameTooLong { max: 100, got: 101 })));
        let mut other = frame;
        other[0] = 2;
        let error = Frame::from_wire(other, &LIMITS).unwrap_err();
        assert!(matches!(error, Error::PeerIncompatible(PeerIncompatible::Version { expected: 1, got: 2 })));
    }
}
