//! A frame from arbitrary bytes: taken over unchanged, or refused for the first thing that is wrong with it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use symbolon_psi::error::{PeerIncompatible, PeerMisbehaved};
use symbolon_psi::frame::{HEADER_BYTES, VERSION};
use symbolon_psi::{Error, Frame, Limits};

fuzz_target!(|input: (u8, &[u8])| {
    let (max, wire) = input;
    let limits = Limits { frame_bytes_max: usize::from(max), rows_max: 1, payload_bytes_max: 0, key_bytes_max: 1 };
    let got = wire.len();
    match Frame::from_wire(wire.to_vec(), &limits) {
        Ok(frame) => {
            assert!((HEADER_BYTES..=limits.frame_bytes_max).contains(&got) && wire[0] == VERSION);
            let header = frame.header();
            let mut again = vec![VERSION, header.protocol, header.step];
            again.extend(header.index.to_be_bytes());
            again.extend(header.total.to_be_bytes());
            again.extend(header.sid.as_bytes());
            again.extend(frame.body());
            assert_eq!(again, wire, "header and body are the whole frame");
            assert_eq!(frame.as_wire(), wire);
            assert_eq!(frame.into_wire(), wire);
        }
        Err(Error::PeerMisbehaved(PeerMisbehaved::FrameTooLong { max, got: length })) => {
            assert!(got > max && max == limits.frame_bytes_max && length == got);
        }
        Err(Error::PeerMisbehaved(PeerMisbehaved::FrameTooShort { expected: HEADER_BYTES, got: length })) => {
            assert!(got < HEADER_BYTES && length == got);
        }
        Err(Error::PeerIncompatible(PeerIncompatible::Version { expected: VERSION, got: version })) => {
            assert!(got >= HEADER_BYTES && version == wire[0] && version != VERSION);
        }
        Err(other) => panic!("no frame gives {other:?}"),
    }
});
