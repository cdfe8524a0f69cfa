use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use symbolon_psi::frame::{HEADER_BYTES, VERSION};
use symbolon_psi::{Error as PsiError, Limits};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, ReadHalf, WriteHalf};
use tokio_stream::wrappers::ReceiverStream;

use super::*;
use crate::error::PeerMisbehaved;

const FRAMES: Limits = Limits { frame_bytes_max: 1 << 20, rows_max: 1 << 20, payload_bytes_max: 64, key_bytes_max: 64 };

fn frame(body: usize) -> Frame {
    let mut wire = vec![0; HEADER_BYTES + body];
    wire[0] = VERSION;
    Frame::from_wire(wire, &FRAMES).unwrap()
}

/// Sends `send` frames of `body` bytes and expects `receive` of them, computing between.
struct Stub {
    send: usize,
    receive: usize,
    body: usize,
    /// Alternates work and sending, so that both happen while frames come in.
    worked: bool,
    /// Counts the calls that came on a compute thread.
    computed: Arc<AtomicUsize>,
    /// How long one step of work takes.
    work: Duration,
    fails: bool,
    /// Whether its last work is local: everything was sent and received.
    settles: bool,
}

impl Stub {
    fn new(send: usize, receive: usize, body: usize) -> Self {
        Self {
            send,
            receive,
            body,
            worked: false,
            computed: Arc::default(),
            work: Duration::ZERO,
            fails: false,
            settles: false,
        }
    }

    fn compute(&self) {
        if std::thread::current().name().is_some_and(|name| name.starts_with("test-compute")) {
            self.computed.fetch_add(1, Ordering::Relaxed);
        }
        let (sender, receiver) = std::sync::mpsc::channel::<()>();
        // Nobody sends; the wait is the work.
        assert!(receiver.recv_timeout(self.work).is_err());
        drop(sender);
        assert!(!self.fails, "the stub fails as it was told");
    }
}

impl Machine for Stub {
    type Output = &'static str;

    fn advance(mut self, inbound: Option<Frame>) -> Result<Step<Self>, PsiError> {
        if inbound.is_some() {
            self.receive = self.receive.checked_sub(1).ok_or(symbolon_psi::error::PeerMisbehaved::AfterTheEnd)?;
        }
        if self.send > 0 && !self.worked {
            self.worked = true;
            return Ok(Step::Work(self));
        }
        if self.send > 0 {
            self.compute();
            self.worked = false;
            self.send -= 1;
            return Ok(Step::Send(frame(self.body), self));
        }
        if self.receive > 0 {
            return Ok(Step::Await(self));
        }
        Ok(Step::Done("done"))
    }

    fn progress(&self) -> Progress {
        Progress::new("stub", 1, 2)
    }

    fn transcript(&self) -> Option<TranscriptHashes> {
        self.settles.then_some(HASHES)
    }
}

const HASHES: TranscriptHashes = TranscriptHashes { sent: [1; 32], received: [2; 32] };

impl Transcript for &'static str {
    fn transcript(&self) -> TranscriptHashes {
        HASHES
    }
}

/// Sends a number of messages before the first frame and after the last, and takes as many; notes what it was told.
#[derive(Default)]
struct Talker {
    rounds: usize,
    begun: usize,
    ended: usize,
    /// The peer's messages at the end, and the hashes that came with them.
    told: Vec<(EvidenceMessage, TranscriptHashes)>,
    /// How many computations the machine had done when the end began.
    computed: Option<Arc<AtomicUsize>>,
    computed_before: usize,
}

impl Talker {
    fn step(rounds: usize, done: &mut usize) -> NotaryStep {
        *done += 1;
        if *done > rounds { NotaryStep::Done } else { NotaryStep::Send(EvidenceMessage::Seen(vec![*done as u64])) }
    }
}

impl Notary for Talker {
    fn begin(&mut self, _: Option<EvidenceMessage>) -> Notarising<'_> {
        Box::pin(async { Ok(Self::step(self.rounds, &mut self.begun)) })
    }

    fn end(&mut self, transcript: TranscriptHashes, peer: Option<EvidenceMessage>) -> Notarising<'_> {
        if let Some(computed) = &self.computed {
            self.computed_before = computed.load(Ordering::Relaxed);
        }
        self.told.extend(peer.map(|message| (message, transcript)));
        Box::pin(async { Ok(Self::step(self.rounds, &mut self.ended)) })
    }
}

/// A test's own transport: messages over a byte pipe of a given window.
fn pipe(window: usize) -> (End, End) {
    let (left, right) = tokio::io::duplex(window);
    (End::new(left), End::new(right))
}

struct End {
    inbound: ReceiverStream<Result<Inbound, Error>>,
    outbound: mpsc::Sender<Outbound>,
}

impl End {
    fn new(stream: DuplexStream) -> Self {
        let (read, write) = tokio::io::split(stream);
        let (outbound, to_write) = mpsc::channel(2);
        // A queue of one: what the driver does not take waits in the pipe's window.
        let (from_read, inbound) = mpsc::channel(1);
        tokio::spawn(write_all(write, to_write));
        tokio::spawn(read_all(read, from_read));
        Self { inbound: ReceiverStream::new(inbound), outbound }
    }

    fn link(self) -> Link<ReceiverStream<Result<Inbound, Error>>, Outbound> {
        Link { inbound: self.inbound, outbound: self.outbound, linger: false }
    }
}

async fn write_all(mut pipe: WriteHalf<DuplexStream>, mut messages: mpsc::Receiver<Outbound>) {
    while let Some(message) = messages.recv().await {
        let (kind, bytes) = match message {
            Outbound::Frame(wire) => (0, wire),
            Outbound::Alive => (1, Vec::new()),
            Outbound::Evidence(EvidenceMessage::Seen(sizes)) => (3, vec![u8::try_from(sizes[0]).unwrap()]),
            Outbound::Evidence(other) => panic!("{other:?}"),
            Outbound::Abort { reason, .. } => (2, reason.as_bytes().to_vec()),
        };
        let head = [&[kind][..], &u32::try_from(bytes.len()).unwrap().to_be_bytes()].concat();
        if pipe.write_all(&head).await.is_err() || pipe.write_all(&bytes).await.is_err() {
            return;
        }
    }
    drop(pipe.shutdown().await);
}

async fn read_all(mut pipe: ReadHalf<DuplexStream>, messages: mpsc::Sender<Result<Inbound, Error>>) {
    let mut head = [0; 5];
    while pipe.read_exact(&mut head).await.is_ok() {
        let mut bytes = vec![0; u32::from_be_bytes(head[1..].try_into().unwrap()) as usize];
        if pipe.read_exact(&mut bytes).await.is_err() {
            return;
        }
        let message = match head[0] {
            0 => Inbound::Frame(bytes),
            1 => Inbound::Alive,
            3 => Inbound::Evidence(EvidenceMessage::Seen(vec![u64::from(bytes[0])])),
            _ => {
                let reason = crate::error::describe(std::str::from_utf8(&bytes).unwrap()).unwrap().reason;
                Inbound::Abort(Unavailable::Aborted { reason, incident: None, resets_at: None })
            }
        };
        if messages.send(Ok(message)).await.is_err() {
            return;
        }
    }
}

/// Says yes until it is told otherwise or a number of frames has passed, and counts the questions.
#[derive(Debug)]
struct Counting {
    asked: AtomicU64,
    frames_max: u64,
    refuses: AtomicBool,
}

impl Default for Counting {
    fn default() -> Self {
        Self { asked: AtomicU64::new(0), frames_max: u64::MAX, refuses: AtomicBool::new(false) }
    }
}

impl Watch for Counting {
    fn check(&self, frames: u64) -> Watching {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let refused = frames > self.frames_max || self.refuses.load(Ordering::Relaxed);
        Box::pin(async move {
            tokio::task::yield_now().await;
            if refused { Err(crate::error::Refused::NotActive.into()) } else { Ok(()) }
        })
    }
}

struct Setting {
    bounds: Bounds,
    surroundings: Surroundings,
    _spill: tempfile::TempDir,
}

fn setting() -> Setting {
    let spill = tempfile::tempdir().unwrap();
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(2)
        .thread_name(|index| format!("test-compute-{index}"))
        .panic_handler(|_| ())
        .build()
        .unwrap();
    let inbox = InboxLimits::new(1 << 30, 1 << 20, 1 << 30, spill.path().join("spill"), FRAMES);
    Setting {
        bounds: Bounds::new(Duration::from_secs(20), Duration::from_secs(60), FRAMES, inbox),
        surroundings: Surroundings {
            pool: Arc::new(pool),
            cancel: CancellationToken::new(),
            progress: watch::Sender::new(SessionProgress::default()),
            watch: Arc::new(Counting::default()),
        },
        _spill: spill,
    }
}

fn farewell(error: &Error) -> Outbound {
    Outbound::Abort { reason: crate::status::peer_word(error), incident: "1".to_owned(), resets_at: error.resets_at() }
}

async fn run(machine: Stub, end: End, setting: &Setting) -> Result<&'static str, Error> {
    run_with(machine, end, setting, &mut Talker::default()).await
}

async fn run_with(machine: Stub, end: End, setting: &Setting, talker: &mut Talker) -> Result<&'static str, Error> {
    drive(machine, end.link(), &setting.bounds, &setting.surroundings, talker, farewell).await
}

#[tokio::test]
async fn evidence_is_exchanged_before_the_first_frame_and_after_the_last() {
    let (left, right) = pipe(64 << 10);
    let (one, two) = (setting(), setting());
    let talker = || Talker { rounds: 3, ..Talker::default() };
    let (mut first, mut second) = (talker(), talker());
    let (left, right) = tokio::join!(
        run_with(Stub::new(5, 0, 10), left, &one, &mut first),
        run_with(Stub::new(0, 5, 10), right, &two, &mut second)
    );
    assert_eq!((left.unwrap(), right.unwrap()), ("done", "done"));
    let told: Vec<_> = (1..=3).map(|number| (EvidenceMessage::Seen(vec![number]), HASHES)).collect();
    assert_eq!((&first.told, &second.told), (&told, &told));
}

#[tokio::test]
async fn what_is_left_for_this_side_alone_waits_for_the_receipt() {
    let (left, right) = pipe(64 << 10);
    let (mut one, two) = (setting(), setting());
    one.bounds.total_max = Duration::from_millis(500);
    // Its hashes are complete before its only computation.
    let mut machine = Stub::new(1, 0, 10);
    machine.settles = true;
    let mut first = Talker { rounds: 1, computed: Some(Arc::clone(&machine.computed)), ..Talker::default() };
    let computed = Arc::clone(&machine.computed);
    let mut second = Talker { rounds: 1, ..Talker::default() };
    let (left, right) = tokio::join!(
        run_with(machine, left, &one, &mut first),
        run_with(Stub::new(0, 1, 10), right, &two, &mut second)
    );
    // The peer still waits for the frame, so there is no receipt and nothing was computed.
    assert!(left.is_err() && right.is_err());
    assert_eq!((first.computed_before, computed.load(Ordering::Relaxed)), (0, 0));
}

#[tokio::test]
async fn a_peer_that_goes_before_the_receipt_leaves_no_result() {
    let (left, right) = pipe(64 << 10);
    let (one, two) = (setting(), setting());
    let mut first = Talker { rounds: 1, begun: 1, ..Talker::default() };
    let mut second = Talker { rounds: 0, ..Talker::default() };
    let (left, right) = tokio::join!(
        run_with(Stub::new(1, 0, 10), left, &one, &mut first),
        run_with(Stub::new(0, 1, 10), right, &two, &mut second)
    );
    assert_eq!(right.unwrap(), "done");
    assert_eq!(left.unwrap_err().reason(), "RECEIPT_MISSING");
}

#[tokio::test]
async fn more_evidence_than_is_due_ends_the_session() {
    let (left, right) = pipe(64 << 10);
    let one = setting();
    for number in 0..4 {
        right.outbound.send(Outbound::Evidence(EvidenceMessage::Seen(vec![number]))).await.unwrap();
    }
    assert_eq!(run(Stub::new(0, 1, 10), left, &one).await.unwrap_err().reason(), "PEER_UNEXPECTED_MESSAGE");
}

#[tokio::test]
async fn both_send_everything_first_and_nobody_blocks() {
    // 48 frames of 512 KiB each way through windows of 64 KiB, both sides sending before they read: 24 MiB each way,
    // with 1 MiB of memory for the inbox, so that the rest goes to disk.
    let (left, right) = pipe(64 << 10);
    let (one, two) = (setting(), setting());
    let machine = || Stub::new(48, 48, 512 << 10);
    let both = async { tokio::join!(run(machine(), left, &one), run(machine(), right, &two)) };
    let (left, right) = tokio::time::timeout(Duration::from_secs(60), both).await.expect("no deadlock");
    assert_eq!((left.unwrap(), right.unwrap()), ("done", "done"));
    let progress = *one.surroundings.progress.borrow();
    let bytes = 48 * ((512 << 10) + HEADER_BYTES as u64);
    assert_eq!((progress.bytes_sent, progress.bytes_received), (bytes, bytes));
    assert_eq!(progress.phase, "stub");
}

#[tokio::test]
async fn work_happens_on_the_compute_pool() {
    let (left, right) = pipe(64 << 10);
    let (one, two) = (setting(), setting());
    let machine = Stub::new(5, 0, 10);
    let computed = Arc::clone(&machine.computed);
    let (left, right) = tokio::join!(run(machine, left, &one), run(Stub::new(0, 5, 10), right, &two));
    assert_eq!((left.unwrap(), right.unwrap()), ("done", "done"));
    assert_eq!(computed.load(Ordering::Relaxed), 5);
}

#[tokio::test]
async fn a_silent_peer_is_given_up() {
    let (left, right) = pipe(64 << 10);
    let mut one = setting();
    one.bounds.idle_max = Duration::from_millis(100);
    let error = run(Stub::new(0, 1, 10), left, &one).await.unwrap_err();
    assert_eq!(error.reason(), "PEER_SILENT");
    drop(right);
}

#[tokio::test]
async fn long_work_is_no_silence() {
    let (left, right) = pipe(64 << 10);
    let (mut one, mut slow) = (setting(), setting());
    one.bounds.idle_max = Duration::from_millis(300);
    slow.bounds.idle_max = Duration::from_millis(300);
    let mut machine = Stub::new(1, 0, 10);
    machine.work = Duration::from_millis(1200);
    let (left, right) = tokio::join!(run(Stub::new(0, 1, 10), left, &one), run(machine, right, &slow));
    assert_eq!((left.unwrap(), right.unwrap()), ("done", "done"));
}

#[tokio::test]
async fn a_session_takes_no_longer_than_allowed() {
    let (left, right) = pipe(64 << 10);
    let (mut one, two) = (setting(), setting());
    one.bounds.total_max = Duration::from_millis(150);
    let (left, right) = tokio::join!(run(Stub::new(0, 1, 10), left, &one), run(Stub::new(0, 1, 10), right, &two));
    assert_eq!(left.unwrap_err().reason(), "SESSION_TOO_LONG");
    assert!(matches!(right.unwrap_err(), Error::Unavailable(Unavailable::Aborted { reason: "SESSION_TOO_LONG", .. })));
}

#[tokio::test]
async fn a_cancelled_session_tells_the_peer() {
    let (left, right) = pipe(64 << 10);
    let (one, two) = (setting(), setting());
    let cancel = one.surroundings.cancel.clone();
    let cancelling = async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        cancel.cancel();
    };
    let (left, right, ()) =
        tokio::join!(run(Stub::new(0, 1, 10), left, &one), run(Stub::new(0, 1, 10), right, &two), cancelling);
    assert!(matches!(left.unwrap_err(), Error::Cancelled));
    assert!(matches!(right.unwrap_err(), Error::Unavailable(Unavailable::Aborted { reason: "CANCELLED", .. })));
}

#[tokio::test]
async fn more_bytes_than_declared_are_refused() {
    let (left, right) = pipe(64 << 10);
    let (mut one, two) = (setting(), setting());
    one.bounds.inbox.session_bytes_max = 4 * (1000 + HEADER_BYTES as u64);
    let (left, right) = tokio::join!(run(Stub::new(0, 9, 1000), left, &one), run(Stub::new(9, 1, 1000), right, &two));
    assert_eq!(left.unwrap_err().reason(), "LIMIT_EXCEEDED");
    assert!(right.is_err());
}

#[tokio::test]
async fn an_endless_row_of_signs_of_life_is_refused() {
    let (left, right) = pipe(64 << 10);
    let mut one = setting();
    one.bounds.total_max = Duration::from_secs(10);
    let flood = async {
        for _ in 0..200 {
            if right.outbound.send(Outbound::Alive).await.is_err() {
                break;
            }
        }
        std::future::pending::<()>().await;
    };
    tokio::select! {
        outcome = run(Stub::new(0, 1, 10), left, &one) => assert_eq!(outcome.unwrap_err().reason(), "LIMIT_EXCEEDED"),
        () = flood => {}
    }
}

#[tokio::test]
async fn malformed_and_oversized_frames_end_the_session() {
    let mut oversized = vec![0; FRAMES.frame_bytes_max + 1];
    oversized[0] = VERSION;
    for (wire, reason) in [(vec![VERSION; 3], "PEER_FRAME_TOO_SHORT"), (oversized, "PEER_FRAME_TOO_LONG")] {
        let (left, right) = pipe(4 << 20);
        let one = setting();
        right.outbound.send(Outbound::Frame(wire)).await.unwrap();
        assert_eq!(run(Stub::new(0, 1, 10), left, &one).await.unwrap_err().reason(), reason);
    }
}

#[tokio::test]
async fn a_stream_that_ends_early_is_a_peer_that_is_gone() {
    let (left, right) = pipe(64 << 10);
    let one = setting();
    drop(right);
    assert_eq!(run(Stub::new(0, 1, 10), left, &one).await.unwrap_err().reason(), "PEER_GONE");
}

#[tokio::test]
async fn what_came_before_the_end_still_counts() {
    let (left, right) = pipe(64 << 10);
    let (one, two) = (setting(), setting());
    run(Stub::new(3, 0, 100), right, &two).await.unwrap();
    assert_eq!(run(Stub::new(0, 3, 100), left, &one).await.unwrap(), "done");
}

#[tokio::test]
async fn a_computation_that_panics_is_an_error_of_this_node() {
    let (left, _right) = pipe(64 << 10);
    let one = setting();
    let mut machine = Stub::new(1, 0, 10);
    machine.fails = true;
    let error = run(machine, left, &one).await.unwrap_err();
    assert_eq!(error.reason(), "WORKER_STOPPED");
    assert_eq!(crate::status::peer_word(&error), "NODE_FAILED");
}

#[tokio::test]
async fn errors_of_the_transport_are_the_sessions() {
    let (sender, inbound) = mpsc::channel(1);
    let (outbound, _receiver) = mpsc::channel::<Outbound>(1);
    sender.send(Err(PeerMisbehaved::Malformed { what: "message" }.into())).await.unwrap();
    let link = Link { inbound: ReceiverStream::new(inbound), outbound, linger: false };
    let one = setting();
    let outcome =
        drive(Stub::new(0, 1, 10), link, &one.bounds, &one.surroundings, &mut Talker::default(), farewell).await;
    assert_eq!(outcome.unwrap_err().reason(), "PEER_MALFORMED_MESSAGE");
}

#[tokio::test]
async fn the_watch_is_asked_before_every_batch() {
    let (left, right) = pipe(64 << 10);
    let (mut one, two) = (setting(), setting());
    let watch = Arc::new(Counting::default());
    one.surroundings.watch = Arc::<Counting>::clone(&watch);
    let (sent, received) =
        tokio::join!(run(Stub::new(1000, 0, 10), left, &one), run(Stub::new(0, 1000, 10), right, &two));
    assert_eq!((sent.unwrap(), received.unwrap()), ("done", "done"));
    let asked = watch.asked.load(Ordering::Relaxed);
    assert!(asked >= 1000 / BATCH_FRAMES, "asked {asked} times");
}

#[tokio::test]
async fn no_frame_follows_a_batch_that_was_refused() {
    let (left, right) = pipe(64 << 10);
    let (mut one, two) = (setting(), setting());
    one.surroundings.watch = Arc::new(Counting { frames_max: 2 * BATCH_FRAMES - 1, ..Counting::default() });
    let receiver = Stub::new(0, 1000, 10);
    let (sent, received) = tokio::join!(run(Stub::new(1000, 0, 10), left, &one), run(receiver, right, &two));
    assert_eq!(sent.unwrap_err().reason(), "AGREEMENT_NOT_ACTIVE");
    let Error::Unavailable(Unavailable::Aborted { reason: "AGREEMENT_NOT_ACTIVE", .. }) = received.unwrap_err() else {
        panic!("the other side is told");
    };
    let bytes = two.surroundings.progress.borrow().bytes_received;
    assert_eq!(bytes, 2 * BATCH_FRAMES * (10 + HEADER_BYTES as u64));
}

#[tokio::test]
async fn a_session_that_only_waits_is_watched_too() {
    let (left, _right) = pipe(64 << 10);
    let mut one = setting();
    let watch = Arc::new(Counting::default());
    one.surroundings.watch = Arc::<Counting>::clone(&watch);
    let start = Instant::now();
    let stop = async {
        tokio::time::sleep(3 * WATCH_PERIOD).await;
        watch.refuses.store(true, Ordering::Relaxed);
    };
    let (outcome, ()) = tokio::join!(run(Stub::new(0, 1, 10), left, &one), stop);
    assert_eq!(outcome.unwrap_err().reason(), "AGREEMENT_NOT_ACTIVE");
    assert!(start.elapsed() < Duration::from_secs(5));
}
