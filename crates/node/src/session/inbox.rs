//! Frames that were received and not yet taken by the machine.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::PathBuf;

use symbolon_primitives::kdf::Label;
use symbolon_primitives::secret::Seed;
use symbolon_primitives::stream::{Decryptor, Encryptor, sealed_bytes};
use symbolon_psi::{Frame, Limits};

use crate::error::{Environment, Error, FileAction};

/// What may wait for the machine.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct InboxLimits {
    /// Bytes the peer sends in the whole session, as both sides computed from the declared sizes.
    pub session_bytes_max: u64,
    /// Bytes that wait in memory.
    pub memory_bytes_max: u64,
    /// Bytes that wait on disk.
    pub spill_bytes_max: u64,
    /// Where they wait.
    pub spill_dir: PathBuf,
    /// What a frame read back is held to.
    pub frames: Limits,
}

impl InboxLimits {
    /// Puts the limits together.
    #[must_use]
    pub const fn new(
        session_bytes_max: u64,
        memory_bytes_max: u64,
        spill_bytes_max: u64,
        spill_dir: PathBuf,
        frames: Limits,
    ) -> Self {
        Self { session_bytes_max, memory_bytes_max, spill_bytes_max, spill_dir, frames }
    }
}

/// A queue: the older part in memory, the younger part on disk once memory is full.
#[derive(Debug)]
pub(super) struct Inbox {
    limits: InboxLimits,
    received_bytes: u64,
    memory: VecDeque<Frame>,
    memory_bytes: u64,
    spill: Option<Spill>,
}

impl Inbox {
    pub(super) const fn new(limits: InboxLimits) -> Self {
        Self { limits, received_bytes: 0, memory: VecDeque::new(), memory_bytes: 0, spill: None }
    }

    /// Takes a frame in.
    ///
    /// A write to the spill file goes to the page cache; it blocks no longer than a copy of the frame takes.
    pub(super) fn push(&mut self, frame: Frame) -> Result<(), Error> {
        let bytes = frame.as_wire().len() as u64;
        self.received_bytes += bytes;
        let (max, got) = (self.limits.session_bytes_max, self.received_bytes);
        if got > max {
            return Err(Error::LimitExceeded { what: "bytes received in this session", max, got });
        }
        if self.spill.is_none() && self.memory_bytes + bytes <= self.limits.memory_bytes_max {
            self.memory_bytes += bytes;
            self.memory.push_back(frame);
            return Ok(());
        }
        if self.spill.is_none() {
            self.spill = Some(Spill::create(&self.limits.spill_dir)?);
        }
        match &mut self.spill {
            Some(spill) => spill.write(frame.as_wire(), self.limits.spill_bytes_max),
            None => Ok(()),
        }
    }

    /// Gives the oldest frame out.
    pub(super) async fn pop(&mut self) -> Result<Option<Frame>, Error> {
        if let Some(frame) = self.memory.pop_front() {
            self.memory_bytes -= frame.as_wire().len() as u64;
            return Ok(Some(frame));
        }
        let Some(mut spill) = self.spill.take() else { return Ok(None) };
        let (spill, wire) = tokio::task::spawn_blocking(move || spill.read().map(|wire| (spill, wire)))
            .await
            .map_err(|_| Environment::Worker)??;
        if spill.pending() {
            self.spill = Some(spill);
        }
        Ok(Some(Frame::from_wire(wire, &self.limits.frames)?))
    }
}

/// A file without a name: it is gone when it is closed, also by a crash. Each frame in it is encrypted for its place
/// under a key that is never written anywhere, so what the disk keeps of it is of use to nobody.
#[derive(Debug)]
struct Spill {
    file: File,
    path: PathBuf,
    key: Seed,
    read_at: u64,
    write_at: u64,
    read_next: u64,
    write_next: u64,
}

const LENGTH_BYTES: u64 = 4;

impl Spill {
    fn create(dir: &PathBuf) -> Result<Self, Error> {
        let failed = |path: &PathBuf| {
            let path = path.clone();
            move |source| Error::from(Environment::File { action: FileAction::Create, path, source })
        };
        std::fs::create_dir_all(dir).map_err(failed(dir))?;
        let mut name = [0_u8; 16];
        getrandom::fill(&mut name).map_err(|_| Environment::Entropy)?;
        let path = dir.join(hex::encode(name));
        let mut options = std::fs::OpenOptions::new();
        let file = options.read(true).write(true).create_new(true).mode(0o600).open(&path).map_err(failed(&path))?;
        std::fs::remove_file(&path).map_err(failed(&path))?;
        Ok(Self { file, path, key: Seed::random()?, read_at: 0, write_at: 0, read_next: 0, write_next: 0 })
    }

    fn context(number: u64) -> Vec<u8> {
        [Label::AtRestSpill.as_bytes(), &number.to_be_bytes()].concat()
    }

    fn write(&mut self, wire: &[u8], bytes_max: u64) -> Result<(), Error> {
        let mut sealed = Vec::with_capacity(usize::try_from(sealed_bytes(wire.len() as u64)).unwrap_or_default());
        let mut stream = Encryptor::new(&mut sealed, &self.key, &Self::context(self.write_next))?;
        stream.write_all(wire).map_err(symbolon_primitives::Error::from)?;
        stream.finish()?;
        let wire = sealed.as_slice();
        let waiting = self.write_at - self.read_at + LENGTH_BYTES + wire.len() as u64;
        if waiting > bytes_max {
            return Err(Error::LimitExceeded { what: "bytes waiting on disk", max: bytes_max, got: waiting });
        }
        let length = u32::try_from(wire.len()).map_err(|_| Environment::Worker)?.to_be_bytes();
        let written = self.file.write_all_at(&length, self.write_at);
        written.and_then(|()| self.file.write_all_at(wire, self.write_at + LENGTH_BYTES)).map_err(|source| {
            if source.kind() == std::io::ErrorKind::StorageFull {
                return Environment::DiskFull { path: self.path.clone() };
            }
            Environment::File { action: FileAction::Write, path: self.path.clone(), source }
        })?;
        self.write_at += LENGTH_BYTES + wire.len() as u64;
        self.write_next += 1;
        Ok(())
    }

    fn read(&mut self) -> Result<Vec<u8>, Error> {
        let failed = |source| Environment::File { action: FileAction::Read, path: self.path.clone(), source };
        let mut length = [0_u8; 4];
        self.file.read_exact_at(&mut length, self.read_at).map_err(failed)?;
        let mut wire = vec![0_u8; u32::from_be_bytes(length) as usize];
        self.file.read_exact_at(&mut wire, self.read_at + LENGTH_BYTES).map_err(failed)?;
        self.read_at += LENGTH_BYTES + wire.len() as u64;
        let mut stream = Decryptor::new(wire.as_slice(), &self.key, &Self::context(self.read_next))?;
        self.read_next += 1;
        let mut frame = Vec::with_capacity(wire.len());
        stream.read_to_end(&mut frame).map_err(symbolon_primitives::Error::from)?;
        Ok(frame)
    }

    const fn pending(&self) -> bool {
        self.read_at < self.write_at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BYTES_MAX: u64 = 1 << 20;

    fn spill() -> (tempfile::TempDir, Spill) {
        let dir = tempfile::tempdir().unwrap();
        let spill = Spill::create(&dir.path().join("spill")).unwrap();
        (dir, spill)
    }

    fn raw(spill: &Spill) -> Vec<u8> {
        let mut bytes = vec![0; usize::try_from(spill.write_at).unwrap()];
        spill.file.read_exact_at(&mut bytes, 0).unwrap();
        bytes
    }

    #[test]
    fn frames_come_back_in_order_and_lie_encrypted() {
        let (dir, mut spill) = spill();
        let frames: Vec<Vec<u8>> = (1..6_u8).map(|byte| vec![byte; usize::from(byte) * 5_000]).collect();
        for frame in &frames {
            spill.write(frame, BYTES_MAX).unwrap();
        }
        let bytes = raw(&spill);
        assert!(!bytes.windows(8).any(|window| window.iter().all(|byte| *byte == window[0])));
        assert_eq!(std::fs::read_dir(dir.path().join("spill")).unwrap().count(), 0, "the file has no name");
        for frame in &frames {
            assert!(spill.pending());
            assert_eq!(spill.read().unwrap(), *frame);
        }
        assert!(!spill.pending());
        assert!(!format!("{spill:?}").contains(&hex::encode(&spill.key.expose()[..4])));
    }

    #[test]
    fn changed_and_exchanged_frames_are_found() {
        let (_dir, mut spill) = spill();
        for byte in [1_u8, 2] {
            spill.write(&[byte; 100], BYTES_MAX).unwrap();
        }
        let bytes = raw(&spill);
        for at in (4..bytes.len() / 2).step_by(5) {
            spill.file.write_all_at(&[bytes[at] ^ 1], at as u64).unwrap();
            assert!(spill.read().is_err(), "byte {at}");
            (spill.read_at, spill.read_next) = (0, 0);
            spill.file.write_all_at(&bytes, 0).unwrap();
        }
        let (first, second) = bytes.split_at(bytes.len() / 2);
        spill.file.write_all_at(&[second, first].concat(), 0).unwrap();
        assert!(spill.read().is_err(), "two frames of one length changed places");
    }

    #[test]
    fn what_waits_is_bounded() {
        let (_dir, mut spill) = spill();
        spill.write(&[1; 100], 300).unwrap();
        assert!(matches!(spill.write(&[1; 100], 300), Err(Error::LimitExceeded { max: 300, .. })));
    }
}
