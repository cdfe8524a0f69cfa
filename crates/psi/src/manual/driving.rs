//! How to drive a machine.
//!
//! A driver owns the channel, the threads and the clock. It needs a queue for received frames, as long as the
//! declared totals allow, and must go on reading while it sends and computes: two machines that only read when they
//! have sent everything can wait for each other on a full channel.
//!
//! The smallest driver moves both sides in one thread:
//!
//! ```
//! use std::collections::VecDeque;
//! use symbolon_primitives::secret::Seed;
//! use symbolon_psi::{
//!     ItemSet, Limits, Machine, Output, Party, Protocol, ReceiverInput, SenderInput, SessionSpec, Step, padded_rows, sid,
//! };
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let limits = Limits { frame_bytes_max: 1 << 20, rows_max: 1_000, payload_bytes_max: 16, key_bytes_max: 64 };
//! let spec = SessionSpec {
//!     protocol: Protocol::EcdhOprf,
//!     sid: sid::derive(b"job, as signed", &[1; 32], &[2; 32], None),
//!     schema_id: b"email/1".to_vec(),
//!     rows_sender: padded_rows(2),
//!     rows_receiver: padded_rows(2),
//!     payload_bytes: 4,
//!     release: None,
//! };
//! let set = |keys: [&[u8]; 2]| keys.into_iter().collect::<ItemSet>();
//! let rows = SenderInput::one_row_per_key(set([b"b@x.example", b"c@x.example"]), b"22223333".to_vec())?;
//! let keys = ReceiverInput { keys: set([b"a@x.example", b"b@x.example"]) };
//! let mut sender = Step::Work(Party::sender(spec.clone(), rows, Seed::random()?, &limits)?);
//! let mut receiver = Step::Work(Party::receiver(spec, keys, Seed::random()?, &limits)?);
//!
//! let (mut to_sender, mut to_receiver) = (VecDeque::new(), VecDeque::new());
//! let outcome = loop {
//!     sender = match sender {
//!         Step::Send(frame, next) => {
//!             to_receiver.push_back(frame);
//!             next.advance(to_sender.pop_front())?
//!         }
//!         Step::Work(next) | Step::Await(next) => next.advance(to_sender.pop_front())?,
//!         Step::Done(outcome) => Step::Done(outcome),
//!     };
//!     receiver = match receiver {
//!         Step::Send(frame, next) => {
//!             to_sender.push_back(frame);
//!             next.advance(to_receiver.pop_front())?
//!         }
//!         Step::Work(next) | Step::Await(next) => next.advance(to_receiver.pop_front())?,
//!         Step::Done(outcome) => break outcome,
//!     };
//! };
//! let Output::Matched(matched) = outcome.into_output() else { unreachable!() };
//! assert_eq!((matched.keys, matched.payload), (vec![1], b"2222".to_vec()));
//! # Ok(())
//! # }
//! ```
//!
//! # What a driver must see to
//!
//! * A frame that comes after [`Step::Done`](crate::Step::Done) is an error of the peer
//!   ([`PeerMisbehaved::AfterTheEnd`](crate::error::PeerMisbehaved::AfterTheEnd)).
//! * A peer that goes silent is the driver's to notice: machines have no clock.
//! * After an error the machine is gone. The peer is told the class of the error at most.
//! * A session identifier is used once. What a machine drew for it is never used for another.
