//! Messages that are longer than a frame.

use crate::frame::Frame;
use crate::machine::Link;

/// A message on its way out, frame by frame.
pub(crate) struct Outgoing {
    step: u8,
    bytes: Vec<u8>,
    next: u32,
}

impl Outgoing {
    pub(crate) const fn new(step: u8, bytes: Vec<u8>) -> Self {
        Self { step, bytes, next: 0 }
    }

    /// The next frame; `None` when all are out.
    pub(crate) fn frame(&mut self, link: &mut Link) -> Option<Frame> {
        let plan = link.outbound(self.step);
        if self.next == plan.frames() {
            return None;
        }
        let mut builder = link.builder(self.step, self.next);
        builder.put(&self.bytes[plan.range(self.next)]);
        self.next += 1;
        Some(link.seal(builder))
    }

    /// Whether the last frame is out.
    pub(crate) fn is_out(&self, link: &Link) -> bool {
        self.next == link.outbound(self.step).frames()
    }
}

/// A message coming in, frame by frame. No longer than the plan says, since no frame is.
pub(crate) struct Incoming {
    step: u8,
    bytes: Vec<u8>,
    frames: u32,
}

impl Incoming {
    pub(crate) const fn new(step: u8) -> Self {
        Self { step, bytes: Vec::new(), frames: 0 }
    }

    /// Takes the next frame if it has come; `true` when that was the last.
    pub(crate) fn take(&mut self, link: &mut Link) -> bool {
        let Some(frame) = link.take(self.step) else {
            return false;
        };
        self.bytes.extend_from_slice(frame.body());
        self.frames += 1;
        self.frames == link.inbound(self.step).frames()
    }

    /// The message.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}
