//! Both directions of a run: what the peer may send next, what was received and not yet used, and the hashes
//! that end the run.

use std::collections::VecDeque;

use symbolon_primitives::hash::Transcript;
use symbolon_primitives::kdf::Label;

use crate::error::{Error, PeerIncompatible, PeerMisbehaved};
use crate::frame::{Frame, FrameBuilder};
use crate::party::{ChecksPassed, TranscriptHashes};
use crate::role::Protocol;
use crate::session::SessionSpec;
use crate::sid::Sid;

/// The step of the fixed message by which a receiver confirms the last frame.
pub(crate) const STEP_DONE: u8 = 0xFD;

/// The step of the message that ends a direction: the hash over all its frames.
pub(crate) const STEP_FINISH: u8 = 0xFE;

/// The step of the message by which a sender shows, before its last message, that everything so far arrived
/// unchanged in both directions: what the receiver says next depends on it.
pub(crate) const STEP_CHECK: u8 = 0xFC;

/// A run of frames of one step, fixed by the session before the first of them travels.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StepPlan {
    /// The step's code.
    pub(crate) step: u8,
    /// Items in the step.
    pub(crate) items: u64,
    /// Items in every frame but the last.
    pub(crate) items_per_frame: usize,
    /// Bytes of an item.
    pub(crate) item_bytes: usize,
    /// Bytes of a frame's body besides its items.
    pub(crate) extra_bytes: usize,
}

impl StepPlan {
    pub(crate) const fn new(step: u8, items: u64, items_per_frame: usize, item_bytes: usize) -> Self {
        Self { step, items, items_per_frame, item_bytes, extra_bytes: 0 }
    }

    /// A step of one frame with a body of `bytes`.
    pub(crate) const fn single(step: u8, bytes: usize) -> Self {
        Self { step, items: 1, items_per_frame: 1, item_bytes: bytes, extra_bytes: 0 }
    }

    /// Adds bytes behind the items of each frame.
    pub(crate) const fn with_extra(mut self, bytes: usize) -> Self {
        self.extra_bytes = bytes;
        self
    }

    /// Frames of the step.
    pub(crate) fn frames(&self) -> u32 {
        let frames = self.items.div_ceil(self.items_per_frame as u64);
        u32::try_from(frames).expect("declared rows are below the ceiling of 2^30")
    }

    /// Items of the step, as a length in memory.
    pub(crate) fn count(&self) -> usize {
        usize::try_from(self.items).expect("declared rows are below the ceiling of 2^30")
    }

    /// The items of frame `index`, as positions in the step.
    pub(crate) fn range(&self, index: u32) -> std::ops::Range<usize> {
        let start = index as usize * self.items_per_frame;
        start..self.count().min(start + self.items_per_frame)
    }

    fn body_bytes(&self, index: u32) -> usize {
        self.range(index).len() * self.item_bytes + self.extra_bytes
    }
}

/// The two plans of a role.
#[derive(Debug)]
pub(crate) struct Plans {
    /// What this side sends.
    pub(crate) outbound: Vec<StepPlan>,
    /// What the peer sends.
    pub(crate) inbound: Vec<StepPlan>,
    /// The own steps that the result depends on through the peer's answers: the peer's Finish, and its Check, then
    /// also say what arrived of this side's frames up to the end of the last of these steps that has left.
    pub(crate) acknowledged: &'static [u8],
}

/// Bytes of a Finish: the hash over the own frames, and over those of the peer where it acknowledges them.
pub(crate) const FINISH_BYTES: usize = 32;

/// Bytes of a Finish that acknowledges, and of a Check.
pub(crate) const FINISH_ACKNOWLEDGING_BYTES: usize = 64;

/// Both directions of a run.
pub(crate) struct Link {
    protocol: Protocol,
    sid: Sid,
    plans: Plans,
    /// Step and index of the next frame of the peer.
    expected: (usize, u32),
    queue: VecDeque<Frame>,
    received: TranscriptHash,
    sent: TranscriptHash,
    /// The hash over the own frames up to the end of the last acknowledged step that has left.
    sent_to_acknowledge: Option<[u8; 32]>,
    /// The own Finish was made, and left with the step that carried it.
    finished: bool,
    /// The peer's Finish was compared.
    verified: bool,
}

impl Link {
    pub(crate) fn new(spec: &SessionSpec, plans: Plans) -> Self {
        let hash = TranscriptHash::new(&spec.sid);
        Self {
            protocol: spec.protocol,
            sid: spec.sid,
            plans,
            expected: (0, 0),
            queue: VecDeque::new(),
            received: hash.clone(),
            sent: hash,
            sent_to_acknowledge: None,
            finished: false,
            verified: false,
        }
    }

    /// Checks that `frame` is exactly the next one and queues it. `turn` is the last step that the peer may send
    /// already.
    pub(crate) fn accept(&mut self, frame: Frame, turn: usize) -> Result<(), Error> {
        let header = frame.header();
        if header.protocol != self.protocol.code() {
            let expected = self.protocol.code();
            return Err(PeerIncompatible::Protocol { expected, got: header.protocol }.into());
        }
        if header.sid != self.sid {
            return Err(PeerMisbehaved::WrongSession.into());
        }
        let (position, index) = self.expected;
        let Some(plan) = self.plans.inbound.get(position).copied() else {
            return Err(PeerMisbehaved::AfterTheEnd.into());
        };
        if (header.step, header.index) != (plan.step, index) {
            return Err(self.disorder(&plan, header.step, header.index).into());
        }
        if header.total != plan.frames() {
            let expected = plan.frames();
            return Err(PeerMisbehaved::WrongTotal { step: plan.step, expected, got: header.total }.into());
        }
        let (expected, got) = (plan.body_bytes(index), frame.body().len());
        if expected != got {
            return Err(PeerMisbehaved::WrongLength { step: plan.step, expected, got }.into());
        }
        if position > turn {
            return Err(PeerMisbehaved::BeforeItsTurn { step: plan.step }.into());
        }
        self.expected = if index + 1 == plan.frames() { (position + 1, 0) } else { (position, index + 1) };
        self.queue.push_back(frame);
        Ok(())
    }

    fn disorder(&self, plan: &StepPlan, step: u8, index: u32) -> PeerMisbehaved {
        let (position, expected_index) = self.expected;
        let earlier = self.plans.inbound[..position].iter().any(|past| past.step == step && index < past.frames());
        if earlier || (step == plan.step && index < expected_index) {
            return PeerMisbehaved::Repeated { step, index };
        }
        PeerMisbehaved::OutOfOrder { expected_step: plan.step, expected_index, got_step: step, got_index: index }
    }

    /// Whether the next unused frame belongs to `step`.
    pub(crate) fn has(&self, step: u8) -> bool {
        self.queue.front().is_some_and(|frame| frame.header().step == step)
    }

    /// Takes the next unused frame if it belongs to `step`.
    pub(crate) fn take(&mut self, step: u8) -> Option<Frame> {
        if !self.has(step) {
            return None;
        }
        let frame = self.queue.pop_front()?;
        if step != STEP_FINISH {
            self.received.update(&frame);
        }
        Some(frame)
    }

    /// The plan of a step this side sends.
    pub(crate) fn outbound(&self, step: u8) -> StepPlan {
        let plan = self.plans.outbound.iter().find(|plan| plan.step == step);
        *plan.expect("a role sends only the steps of its plan")
    }

    /// The plan of a step the peer sends.
    pub(crate) fn inbound(&self, step: u8) -> StepPlan {
        let plan = self.plans.inbound.iter().find(|plan| plan.step == step);
        *plan.expect("a role asks only for the steps of its peer's plan")
    }

    /// Starts frame `index` of `step`.
    pub(crate) fn builder(&self, step: u8, index: u32) -> FrameBuilder {
        let plan = self.outbound(step);
        Frame::builder(self.protocol, &self.sid, (step, index, plan.frames()), plan.body_bytes(index))
    }

    /// Ends a frame that is sent next.
    pub(crate) fn seal(&mut self, builder: FrameBuilder) -> Frame {
        let frame = builder.finish();
        self.sent.update(&frame);
        let header = frame.header();
        if self.plans.acknowledged.contains(&header.step) && header.index + 1 == header.total {
            self.sent_to_acknowledge = Some(self.sent.value());
        }
        frame
    }

    /// The frame that shows what this side has sent and received so far. The peer's frames of exactly the
    /// acknowledged steps must have been taken.
    pub(crate) fn check(&mut self) -> Frame {
        let mut builder = self.builder(STEP_CHECK, 0);
        builder.put(&self.sent.value());
        builder.put(&self.received.value());
        self.seal(builder)
    }

    /// Takes the peer's Check if it is the next frame, and compares it; `false` when it has not come yet. Nothing
    /// but the comparison: it does not stand for the Finish.
    pub(crate) fn take_check(&mut self) -> Result<bool, Error> {
        if !self.has(STEP_CHECK) {
            return Ok(false);
        }
        let Some(frame) = self.queue.pop_front() else {
            return Ok(false);
        };
        self.compare(&frame)?;
        self.received.update(&frame);
        Ok(true)
    }

    /// The frame that ends this side's direction. When it acknowledges, the peer's frames of exactly the
    /// acknowledged steps must have been taken.
    pub(crate) fn finish(&mut self) -> Frame {
        self.finished = true;
        let mut builder = self.builder(STEP_FINISH, 0);
        builder.put(&self.sent.value());
        if self.outbound(STEP_FINISH).item_bytes == FINISH_ACKNOWLEDGING_BYTES {
            builder.put(&self.received.value());
        }
        builder.finish()
    }

    /// Compares the peer's Finish with what was received and, where the result depends on it, with what was sent.
    /// The only way to a [`ChecksPassed`].
    pub(crate) fn verify_finish(&mut self, finish: &Frame) -> Result<ChecksPassed, Error> {
        self.compare(finish)?;
        self.verified = true;
        Ok(ChecksPassed::mint())
    }

    fn compare(&self, hashes: &Frame) -> Result<(), Error> {
        let (received, acknowledged) = hashes.body().split_at(FINISH_BYTES);
        let sent_fits = if self.plans.acknowledged.is_empty() {
            acknowledged.is_empty()
        } else {
            self.sent_to_acknowledge.is_some_and(|sent| sent == acknowledged)
        };
        if received != self.received.value() || !sent_fits {
            return Err(PeerMisbehaved::TranscriptDiffers.into());
        }
        Ok(())
    }

    /// The hashes, when both directions are complete.
    pub(crate) fn settled(&self) -> Option<TranscriptHashes> {
        (self.finished && self.verified).then(|| self.transcript())
    }

    /// The hashes once both directions are complete.
    pub(crate) fn transcript(&self) -> TranscriptHashes {
        TranscriptHashes { sent: self.sent.value(), received: self.received.value() }
    }
}

/// SHA-256(LP(label) ‖ LP(sid) ‖ LP(frame) ‖ LP(frame) ‖ ..) over one direction.
#[derive(Clone)]
struct TranscriptHash(Transcript);

impl TranscriptHash {
    fn new(sid: &Sid) -> Self {
        let mut transcript = Transcript::new(Label::Finish);
        transcript.add(sid.as_bytes());
        Self(transcript)
    }

    fn update(&mut self, frame: &Frame) {
        self.0.add(frame.as_wire());
    }

    fn value(&self) -> [u8; 32] {
        self.0.clone().finish()
    }
}
