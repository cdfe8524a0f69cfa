//! What both sides agreed on before a run: the numbers that fix every frame in advance.

use crate::error::{Error, Misuse};
use crate::frame::HEADER_BYTES;
use crate::limits::Limits;
use crate::release::Release;
use crate::role::{Protocol, Role};
use crate::sid::Sid;
use crate::{ecdh, payload, rr22};

/// Bytes of a schema's name: with a key of the largest length it still fits the OPRF's input.
const SCHEMA_BYTES_MAX: u64 = 1_024;

/// One run. Both sides construct the same value from the job they both signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionSpec {
    /// The protocol.
    pub protocol: Protocol,
    /// The session identifier; never used for a second run.
    pub sid: Sid,
    /// Names what the keys are and how they were normalised. Equal on both sides, or nothing matches.
    pub schema_id: Vec<u8>,
    /// Rows (for protocols that compare keys only: keys) the sender declares, padding included.
    pub rows_sender: u64,
    /// Keys the receiver declares, padding included.
    pub rows_receiver: u64,
    /// Bytes of payload each row carries; 0 for a match without payload.
    pub payload_bytes: u32,
    /// When the payload opens; `None` if it opens whatever matches. Only for a run with payload: keys that match
    /// show in the tags and cannot be held back.
    pub release: Option<Release>,
}

/// What a run costs on the wire: exact, not an estimate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct WireCost {
    /// Bytes of all frames the sender sends.
    pub bytes_sender: u64,
    /// Bytes of all frames the receiver sends.
    pub bytes_receiver: u64,
    /// Times one side has to wait for the other, one way: the number of latencies a run takes.
    pub rounds: u32,
}

impl WireCost {
    pub(crate) const fn new(bytes_sender: u64, bytes_receiver: u64, rounds: u32) -> Self {
        Self { bytes_sender, bytes_receiver, rounds }
    }
}

impl SessionSpec {
    /// The rows `role` declares.
    #[must_use]
    pub const fn rows(&self, role: Role) -> u64 {
        match role {
            Role::Sender => self.rows_sender,
            Role::Receiver => self.rows_receiver,
        }
    }

    /// The bytes and rounds of this run.
    #[must_use]
    pub fn wire_cost(&self) -> WireCost {
        match self.protocol {
            Protocol::EcdhOprf => ecdh::oprf::wire_cost(self),
            Protocol::EcdhMutual => ecdh::mutual::wire_cost(self),
            Protocol::EcdhCardinality => ecdh::cardinality::wire_cost(self),
            Protocol::Rr22Silent | Protocol::Rr22SmallField => rr22::wire_cost(self),
        }
    }

    /// Checks the declared numbers against `limits` and `given` rows of this side against its declaration.
    pub(crate) fn check(&self, role: Role, given: u64, limits: &Limits) -> Result<(), Error> {
        let rows_max = limits.rows_max.min(Limits::ROWS_CEILING);
        for rows in [self.rows_sender, self.rows_receiver] {
            Limits::check("declared rows", rows, rows_max)?;
            if rows == 0 {
                return Err(Misuse::DeclaredTooFew { declared: 0, got: 0 }.into());
            }
        }
        let declared = self.rows(role);
        if given > declared {
            return Err(Misuse::DeclaredTooFew { declared, got: given }.into());
        }
        Limits::check("bytes of the schema's name", self.schema_id.len() as u64, SCHEMA_BYTES_MAX)?;
        let payload_max = limits.payload_bytes_max.min(Limits::PAYLOAD_BYTES_CEILING);
        Limits::check("payload bytes of a row", u64::from(self.payload_bytes), u64::from(payload_max))?;
        if self.payload_bytes > 0 && !self.protocol.joins_rows() {
            return Err(Misuse::PayloadNotSupported.into());
        }
        if self.release.is_some() && self.payload_bytes == 0 {
            return Err(Misuse::ReleaseWithoutPayload.into());
        }
        if matches!(self.protocol, Protocol::Rr22Silent | Protocol::Rr22SmallField) {
            rr22::check(self)?;
        }
        Limits::check("bytes of a frame", self.frame_bytes() as u64, limits.frame_bytes_max as u64)
    }

    /// The largest frame this run makes.
    fn frame_bytes(&self) -> usize {
        let layout = payload::RowLayout::of(self);
        let rows = layout.rows_per_frame() * layout.row_bytes();
        let largest_other = match self.protocol {
            Protocol::EcdhOprf | Protocol::EcdhMutual | Protocol::EcdhCardinality => ecdh::POINTS_PER_FRAME * 32 + 64,
            Protocol::Rr22Silent | Protocol::Rr22SmallField => rr22::BYTES_PER_FRAME,
        };
        rows.max(largest_other) + HEADER_BYTES
    }
}
