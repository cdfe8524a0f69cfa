//! A driver over a socket: one thread reads, one writes, and the caller computes.

use std::collections::BTreeMap;
use std::io::{BufReader, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{self, Receiver, Sender, TryRecvError};
use std::thread::JoinHandle;
use std::time::Instant;

use symbolon_psi::error::PeerMisbehaved;
use symbolon_psi::{Error as PsiError, Frame, Limits, Machine, Outcome, Party, Step};

use crate::Result;

/// The socket a parent gave this process as its standard input.
pub(crate) fn stdin_as_socket() -> Result<UnixStream> {
    Ok(UnixStream::from(std::io::stdin().as_fd().try_clone_to_owned()?))
}

/// Says that this side is ready, and waits until the other is.
pub(crate) fn rendezvous(socket: &mut UnixStream) -> Result<()> {
    socket.write_all(&[1])?;
    socket.read_exact(&mut [0])?;
    Ok(())
}

/// Seconds of computing by the phase a party names.
pub(crate) type Phases = BTreeMap<String, f64>;

/// Drives a party to its end. Gives the outcome, the bytes of the frames sent, and what took how long.
#[expect(clippy::disallowed_methods, reason = "a bench measures time")]
pub(crate) fn drive(
    party: Party,
    socket: &UnixStream,
    pool: &rayon::ThreadPool,
    limits: Limits,
) -> Result<(Outcome, u64, Phases)> {
    let inbound = read_frames(socket.try_clone()?, limits.frame_bytes_max);
    let (outbound, writer) = write_frames(socket.try_clone()?);
    let (mut bytes, mut phases) = (0, Phases::new());
    let mut step = Step::Work(party);
    let outcome = loop {
        step = match step {
            Step::Send(frame, next) => {
                bytes += frame.as_wire().len() as u64;
                outbound.send(frame.into_wire())?;
                next.advance(queued(&inbound, &limits)?)?
            }
            Step::Work(next) => {
                let frame = queued(&inbound, &limits)?;
                let (phase, started) = (next.progress().phase, Instant::now());
                let step = pool.install(|| next.advance(frame))?;
                *phases.entry(phase.to_owned()).or_default() += started.elapsed().as_secs_f64();
                step
            }
            Step::Await(next) => next.advance(Some(Frame::from_wire(inbound.recv()?, &limits)?))?,
            Step::Done(outcome) => break outcome,
        };
    };
    drop(outbound);
    writer.join().map_err(|_| "the writer panicked")??;
    // What came after the last frame would be an error of the peer; here both sides are ours.
    if !matches!(inbound.try_recv(), Err(TryRecvError::Empty | TryRecvError::Disconnected)) {
        return Err(PsiError::from(PeerMisbehaved::AfterTheEnd).into());
    }
    Ok((outcome, bytes, phases))
}

/// A frame that has arrived, if one has.
fn queued(inbound: &Receiver<Vec<u8>>, limits: &Limits) -> Result<Option<Frame>> {
    match inbound.try_recv() {
        Ok(wire) => Ok(Some(Frame::from_wire(wire, limits)?)),
        Err(TryRecvError::Empty) => Ok(None),
        Err(TryRecvError::Disconnected) => Ok(None),
    }
}

/// Reads length-prefixed frames until the socket ends, without ever waiting for the machine.
fn read_frames(socket: UnixStream, frame_bytes_max: usize) -> Receiver<Vec<u8>> {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let mut socket = BufReader::with_capacity(1 << 18, socket);
        let mut length = [0; 4];
        while socket.read_exact(&mut length).is_ok() {
            let length = u32::from_be_bytes(length) as usize;
            if length > frame_bytes_max {
                return;
            }
            let mut wire = vec![0; length];
            if socket.read_exact(&mut wire).is_err() || sender.send(wire).is_err() {
                return;
            }
        }
    });
    receiver
}

fn write_frames(mut socket: UnixStream) -> (Sender<Vec<u8>>, JoinHandle<std::io::Result<()>>) {
    let (sender, receiver) = mpsc::channel::<Vec<u8>>();
    let thread = std::thread::spawn(move || {
        for wire in receiver {
            let length = u32::try_from(wire.len()).map_err(std::io::Error::other)?;
            socket.write_all(&length.to_be_bytes())?;
            socket.write_all(&wire)?;
        }
        Ok(())
    });
    (sender, thread)
}
