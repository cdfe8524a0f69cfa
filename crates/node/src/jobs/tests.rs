//! A bureau's node that serves, and a bank that breaks the rules in every way a peer can.

use std::collections::BTreeMap;

use symbolon_policy::AgreementId;
use symbolon_policy::audit::Turn;
use symbolon_primitives::secret::Seed;
use symbolon_psi::{Frame, ItemSet, Limits, Machine, Party, ReceiverInput, Role, SessionSpec, Step};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio_stream::StreamExt;
use v1::exchange_request::Message as RequestMessage;
use v1::exchange_response::Message as ResponseMessage;

use super::*;
use crate::client::PeerClient;
use crate::evidence::witness::{JobSheet, Witness};
use crate::ops::agreements::AgreementInput;
use crate::ops::testing::Pair;
use crate::session::handshake::{Answer, Declaration, Fit, Offer, Sealed, confirm, job_spec_digest, session_id};
use crate::session::{Notary, NotaryStep};
use crate::store::JobState;

mod gate;
mod limits;
mod responder;

const LIMITS: Limits =
    Limits { frame_bytes_max: 1 << 20, rows_max: 1 << 20, payload_bytes_max: 4096, key_bytes_max: 1024 };

struct Scene {
    pair: Pair,
    agreement: [u8; 32],
    bureau: PeerRecord,
    stop: oneshot::Sender<()>,
    served: tokio::task::JoinHandle<Result<(), Error>>,
    /// The bureau's home as its node has it.
    node: Home,
}

async fn scene(limits: &[(&str, &str)]) -> Scene {
    let pair = Pair::new().await;
    let mut options = pair.options().await;
    options.runs_max = 1000;
    let draft = pair.bank.agreement_draft(&options).await.unwrap().into_bytes();
    let once = pair.bank.agreement_sign(AgreementInput::Document(draft)).await.unwrap();
    let twice = pair.bureau.agreement_sign(AgreementInput::Document(once.document)).await.unwrap();
    let agreement = pair.bank.agreement_accept(AgreementInput::Document(twice.document)).await.unwrap().record.id;

    let path = pair.bureau.settings().home.clone();
    let mut text = std::fs::read_to_string(path.join("node.toml")).unwrap();
    for (old, new) in limits {
        assert!(text.contains(old), "{old}");
        text = text.replace(old, new);
    }
    std::fs::write(path.join("node.toml"), text).unwrap();
    let clock = Arc::clone(pair.bureau.clock());
    let home = Home::open(&path, &BTreeMap::new(), clock).await.unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = listener.local_addr().unwrap().to_string();
    let (stop, stopped) = oneshot::channel::<()>();
    let (ready, is_ready) = oneshot::channel();
    let node = home.clone();
    let serving = crate::run(home, listener, move || ready.send(()).unwrap(), async { drop(stopped.await) });
    let served = tokio::spawn(serving);
    is_ready.await.unwrap();
    let bureau = PeerRecord { endpoint, ..pair.bank.store().peer("bureau").await.unwrap().unwrap() };
    Scene { pair, agreement, bureau, stop, served, node }
}

/// A stream to the bureau.
struct Talk {
    client: PeerClient,
    inbound: Streaming<v1::ExchangeResponse>,
    outbound: mpsc::Sender<v1::ExchangeRequest>,
}

impl Scene {
    async fn open(&self) -> Talk {
        // Jobs are listed by their time.
        self.pair.clock.advance(Duration::from_secs(1));
        let client = PeerClient::connect(&self.pair.bank, &self.bureau).await.unwrap();
        let (outbound, receiver) = mpsc::channel(8);
        let inbound = client.exchange(receiver).await.unwrap();
        Talk { client, inbound, outbound }
    }

    fn offer(&self, nonce: u8) -> Offer {
        let home = &self.pair.bank;
        Offer {
            agreement_id: AgreementId::from_bytes(self.agreement),
            initiator: home.keys().organisation_public(),
            responder: self.pair.bureau.keys().organisation_public(),
            protocol: Protocol::EcdhOprf,
            result: ResultKind::Enrich,
            columns: vec!["grade".to_owned()],
            purpose: "Credit check of common customers".to_owned(),
            own: Declaration {
                rows: 3,
                normaliser_version: symbolon_tables::NORMALISER_VERSION.to_owned(),
                normaliser_digest: symbolon_tables::rules_digest(),
                nonce: [nonce; 32],
                time: home.clock().now(),
                frame_bytes_max: 1 << 20,
                held: symbolon_policy::Tightening::default(),
                posture: None,
                input: None,
            },
        }
    }

    fn seal(&self, offer: Offer) -> Sealed<Offer> {
        Sealed::<Offer>::offer(offer, self.pair.bank.keys().organisation()).unwrap()
    }

    /// A good handshake.
    async fn begin(&self, nonce: u8) -> (Talk, SessionSpec) {
        let mut talk = self.open().await;
        let offer = self.seal(self.offer(nonce));
        talk.send(RequestMessage::Offer(offer.to_message())).await;
        let Some(ResponseMessage::Accept(accept)) = talk.next().await else { panic!("not accepted") };
        let fit = Fit { now: self.pair.bank.clock().now(), skew_seconds_max: 300, frame_bytes: 0 };
        let answer = Sealed::<Answer>::receive(&offer, accept, &fit).unwrap();
        let sid = session_id(&offer, &answer, talk.client.channel().exporter);
        talk.send(RequestMessage::Confirm(confirm(&sid, self.pair.bank.keys().organisation()).unwrap())).await;
        let spec = SessionSpec {
            protocol: Protocol::EcdhOprf,
            sid,
            schema_id: self.agreement.to_vec(),
            rows_sender: answer.content().own.rows,
            rows_receiver: 3,
            payload_bytes: answer.content().payload_bytes,
            release: None,
        };
        let mut witness = self.witness(&offer, &answer, &spec);
        let mut step = witness.begin(None).await.unwrap();
        while let NotaryStep::Send(message) = step {
            talk.send(RequestMessage::Evidence(message.into())).await;
            // A node that stops says so instead.
            let Some(ResponseMessage::Evidence(answer)) = talk.next().await else { break };
            step = witness.begin(Some(answer.try_into().unwrap())).await.unwrap();
        }
        (talk, spec)
    }

    fn witness(&self, offer: &Sealed<Offer>, answer: &Sealed<Answer>, spec: &SessionSpec) -> Witness {
        let keys = [self.pair.bank.keys().organisation_public(), self.pair.bureau.keys().organisation_public()];
        let sheet = JobSheet {
            job: JobId::random().unwrap(),
            turn: Turn::Initiator,
            agreement: self.agreement,
            job_spec: job_spec_digest(offer, answer),
            sid: *spec.sid.as_bytes(),
            protocol: "ecdh-oprf",
            result: "enrich",
            leakage: [0; 32],
            keys,
            peer_origins: vec![keys[1]],
            rows: [3, answer.content().own.rows],
            began_unix_millis: [0; 2],
        };
        Witness::new(self.pair.bank.clone(), sheet)
    }

    /// The bureau's last job once it has ended.
    async fn ended(&self) -> JobRecord {
        for _ in 0..1000 {
            if let Some(job) = self.pair.bureau.job_list(1).await.unwrap().into_iter().next()
                && job.state.is_final()
            {
                return job;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("the bureau's job does not end");
    }

    /// The runs the bureau counts.
    async fn spent_runs(&self) -> u64 {
        self.pair.bureau.budget(&hex::encode(self.agreement)).await.unwrap().lines[0].spent
    }

    async fn failed(&self) -> String {
        let job = self.ended().await;
        assert_eq!(job.state, JobState::Failed);
        assert!(!self.pair.bureau.settings().results_dir().join(job.id.to_string()).exists());
        let failure = job.failure.unwrap();
        assert!(failure.incident.is_some());
        failure.reason
    }
}

impl Talk {
    async fn send(&self, message: RequestMessage) {
        self.outbound.send(v1::ExchangeRequest { message: Some(message) }).await.unwrap();
    }

    /// The next message that is no sign of life.
    async fn next(&mut self) -> Option<ResponseMessage> {
        loop {
            match self.inbound.next().await?.ok()?.message? {
                ResponseMessage::Alive(_) => {}
                message => return Some(message),
            }
        }
    }

    /// The reason of the bureau's last message.
    async fn aborted(&mut self) -> String {
        let abort = async {
            while let Some(message) = self.next().await {
                if let ResponseMessage::Abort(abort) = message {
                    return abort.reason;
                }
            }
            String::new()
        };
        tokio::time::timeout(Duration::from_secs(20), abort).await.expect("an end")
    }

    /// The bank's first honest frame.
    async fn honest_frame(&mut self, spec: &SessionSpec) -> Vec<u8> {
        let keys: ItemSet = [&b"1"[..], b"2", b"3"].into_iter().collect();
        let party = Party::receiver(spec.clone(), ReceiverInput { keys }, Seed::random().unwrap(), &LIMITS).unwrap();
        let mut step = party.advance(None).unwrap();
        loop {
            step = match step {
                Step::Send(frame, _) => return frame.into_wire(),
                Step::Work(next) => next.advance(None).unwrap(),
                Step::Await(next) => {
                    let Some(ResponseMessage::Frame(wire)) = self.next().await else { panic!("no frame") };
                    next.advance(Some(Frame::from_wire(wire, &LIMITS).unwrap())).unwrap()
                }
                Step::Done(_) => panic!("done before it began"),
            };
        }
    }
}

const BODY: usize = symbolon_psi::frame::HEADER_BYTES;

type Spoil = fn(&mut Vec<u8>);

#[tokio::test(flavor = "multi_thread")]
async fn every_spoilt_frame_ends_the_job_with_its_reason() {
    let cases: [(&str, Spoil); 11] = [
        ("PEER_MALFORMED_POINT", |wire| wire[BODY..BODY + 32].fill(0xFF)),
        ("PEER_MALFORMED_POINT", |wire| wire[BODY..BODY + 32].fill(0)),
        ("PEER_REPEATED_POINT", |wire| wire.copy_within(BODY..BODY + 32, BODY + 32)),
        ("PEER_OUT_OF_ORDER", |wire| wire[6] = 1),
        ("PEER_WRONG_TOTAL", |wire| wire[10] = 2),
        ("PEER_WRONG_SESSION", |wire| wire[20] ^= 1),
        ("PEER_WRONG_LENGTH", |wire| wire.truncate(BODY + 64)),
        ("PEER_INCOMPATIBLE_PROTOCOL", |wire| wire[1] = 2),
        ("PEER_INCOMPATIBLE_VERSION", |wire| wire[0] = 9),
        ("PEER_FRAME_TOO_SHORT", |wire| wire.truncate(5)),
        ("PEER_FRAME_TOO_LONG", |wire| wire.resize((1 << 20) + 1, 0)),
    ];
    let scene = scene(&[]).await;
    for (nonce, (reason, spoil)) in (0..).zip(cases) {
        let (mut talk, spec) = scene.begin(nonce).await;
        let mut wire = talk.honest_frame(&spec).await;
        spoil(&mut wire);
        talk.send(RequestMessage::Frame(wire)).await;
        assert_eq!(talk.aborted().await, "PEER_MISBEHAVED", "{reason}: a peer gets the class only");
        assert_eq!(scene.failed().await, reason);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_offer_counts_once_and_then_is_too_old() {
    let scene = scene(&[]).await;
    let offer = scene.seal(scene.offer(1));
    let ask = async || {
        let mut talk = scene.open().await;
        talk.send(RequestMessage::Offer(offer.to_message())).await;
        match talk.next().await {
            Some(ResponseMessage::Accept(_)) => "ACCEPTED".to_owned(),
            Some(ResponseMessage::Abort(abort)) => abort.reason,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(ask().await, "ACCEPTED");
    assert_eq!(ask().await, "PEER_MISBEHAVED");
    assert_eq!(scene.failed().await, "PEER_REPLAY");
    // Each stream takes a second; this is the last one in which the time in the offer fits.
    scene.pair.clock.advance(Duration::from_secs(297));
    assert_eq!(ask().await, "PEER_MISBEHAVED");
    assert_eq!(scene.failed().await, "PEER_REPLAY");
    assert_eq!(ask().await, "PEER_CLOCK", "expired");
    // Whatever is remembered of it by then: it is not taken.
    scene.pair.clock.advance(Duration::from_secs(7 * 3600));
    assert_eq!(ask().await, "PEER_CLOCK");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_in_the_stream_of_a_job_tells_when_the_budget_begins_anew() {
    let scene = scene(&[]).await;
    let period = Some(symbolon_policy::Period::Month);
    let optional = symbolon_policy::OptionalTerms { period, runs_per_period: Some(1), ..Default::default() };
    let options =
        crate::ops::draft::DraftOptions { title: "Once a month".to_owned(), optional, ..scene.pair.options().await };
    let draft = scene.pair.bank.agreement_draft(&options).await.unwrap().into_bytes();
    let once = scene.pair.bank.agreement_sign(AgreementInput::Document(draft)).await.unwrap();
    let twice = scene.pair.bureau.agreement_sign(AgreementInput::Document(once.document)).await.unwrap();
    let agreement = AgreementId::from_bytes(twice.record.id);
    let mut answers = Vec::new();
    for nonce in 1..3 {
        let mut talk = scene.open().await;
        let offer = Offer { agreement_id: agreement, ..scene.offer(nonce) };
        talk.send(RequestMessage::Offer(scene.seal(offer).to_message())).await;
        answers.push(talk.next().await);
    }
    assert!(matches!(answers[0], Some(ResponseMessage::Accept(_))), "{answers:?}");
    let Some(ResponseMessage::Abort(abort)) = &answers[1] else { panic!("{answers:?}") };
    assert_eq!((abort.reason.as_str(), abort.resets_at.as_str()), ("PERIOD_RUNS_SPENT", "2026-04-01T00:00:00Z"));
    let told = Error::from(convert::aborted(abort));
    assert_eq!(told.resets_at(), Some("2026-04-01T00:00:00Z".parse().unwrap()));
}

#[tokio::test(flavor = "multi_thread")]
async fn floods_foreign_messages_and_oversized_messages_end_the_job() {
    let scene = scene(&[]).await;

    let (mut talk, spec) = scene.begin(1).await;
    let wire = talk.honest_frame(&spec).await;
    for _ in 0..50 {
        // The stream may have ended already.
        drop(talk.outbound.send(v1::ExchangeRequest { message: Some(RequestMessage::Frame(wire.clone())) }).await);
    }
    assert!(["LIMIT_EXCEEDED", "PEER_MISBEHAVED"].contains(&talk.aborted().await.as_str()));
    assert!(["LIMIT_EXCEEDED", "PEER_REPEATED"].contains(&scene.failed().await.as_str()));

    let (mut talk, _) = scene.begin(2).await;
    talk.send(RequestMessage::Offer(scene.seal(scene.offer(3)).to_message())).await;
    assert_eq!(talk.aborted().await, "PEER_MISBEHAVED");
    assert_eq!(scene.failed().await, "PEER_UNEXPECTED_MESSAGE");

    let (mut talk, _) = scene.begin(4).await;
    talk.send(RequestMessage::Frame(vec![1; 2 << 20])).await;
    talk.aborted().await;
    let reason = scene.failed().await;
    assert!(["PEER_MALFORMED_MESSAGE", "PEER_GONE"].contains(&reason.as_str()), "{reason}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_goes_or_is_silent_or_gives_up_is_told_apart() {
    let scene = scene(&[("idle_seconds_max = 60", "idle_seconds_max = 1")]).await;

    let (talk, _) = scene.begin(1).await;
    drop(talk);
    assert_eq!(scene.failed().await, "PEER_GONE");

    let (mut talk, _) = scene.begin(2).await;
    assert_eq!(talk.aborted().await, "PEER_SILENT");
    assert_eq!(scene.failed().await, "PEER_SILENT");

    let (talk, _) = scene.begin(3).await;
    let abort = v1::JobAbort { reason: "CANCELLED".to_owned(), incident: "x".to_owned(), ..Default::default() };
    talk.send(RequestMessage::Abort(abort)).await;
    assert_eq!(scene.failed().await, "CANCELLED");

    let (talk, _) = scene.begin(4).await;
    let abort =
        v1::JobAbort { reason: "SOMETHING\u{1b}[2J".to_owned(), incident: "x".to_owned(), ..Default::default() };
    talk.send(RequestMessage::Abort(abort)).await;
    assert_eq!(scene.failed().await, "PEER_ABORTED", "a foreign word is not kept");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_offer_that_is_refused_leaves_no_job_and_spends_nothing() {
    type Change = fn(&mut Offer);
    let cases: [(&str, Change); 8] = [
        ("PEER_UNKNOWN_AGREEMENT", |offer| offer.agreement_id = AgreementId::from_bytes([1; 32])),
        ("COLUMN_NEVER", |offer| offer.columns = vec!["secret".to_owned()]),
        ("PURPOSE_DIFFERS", |offer| offer.purpose = "Curiosity".to_owned()),
        ("PROTOCOL_NOT_ALLOWED", |offer| offer.protocol = Protocol::EcdhMutual),
        ("ROWS_ABOVE_MAXIMUM", |offer| offer.own.rows = 1 << 20),
        ("NORMALISER_RULES_DIFFER", |offer| offer.own.normaliser_digest = [0; 32]),
        ("PEER_CLOCK", |offer| offer.own.time += chrono::Duration::hours(1)),
        ("PEER_MISBEHAVED", |offer| offer.responder = offer.initiator),
    ];
    let scene = scene(&[]).await;
    for (nonce, (reason, change)) in (0..).zip(cases) {
        let mut offer = scene.offer(nonce);
        change(&mut offer);
        let mut talk = scene.open().await;
        talk.send(RequestMessage::Offer(scene.seal(offer).to_message())).await;
        assert_eq!(talk.aborted().await, reason);
    }
    let mut talk = scene.open().await;
    let mut message = scene.seal(scene.offer(50)).to_message();
    message.signature[7] ^= 1;
    talk.send(RequestMessage::Offer(message)).await;
    assert_eq!(talk.aborted().await, "PEER_MISBEHAVED");
    let mut talk = scene.open().await;
    talk.send(RequestMessage::Frame(vec![1; 100])).await;
    assert_eq!(talk.aborted().await, "PEER_MISBEHAVED");

    assert!(scene.pair.bureau.job_list(10).await.unwrap().is_empty());
    assert_eq!(scene.spent_runs().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_offer_counts_once_and_a_confirmation_belongs_to_its_connection() {
    let scene = scene(&[]).await;
    let (talk, _) = scene.begin(1).await;
    drop(talk);
    scene.ended().await;
    let mut talk = scene.open().await;
    talk.send(RequestMessage::Offer(scene.seal(scene.offer(1)).to_message())).await;
    assert_eq!(talk.aborted().await, "PEER_MISBEHAVED");
    assert_eq!(scene.failed().await, "PEER_REPLAY");

    let mut talk = scene.open().await;
    talk.send(RequestMessage::Offer(scene.seal(scene.offer(2)).to_message())).await;
    assert!(matches!(talk.next().await, Some(ResponseMessage::Accept(_))));
    let elsewhere = confirm(&symbolon_psi::Sid([0; 32]), scene.pair.bank.keys().organisation()).unwrap();
    talk.send(RequestMessage::Confirm(elsewhere)).await;
    assert_eq!(talk.aborted().await, "PEER_MISBEHAVED");
    assert_eq!(scene.failed().await, "SIGNATURE_INVALID");
    assert_eq!(scene.spent_runs().await, 2, "what was accepted is spent");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_stops_ends_its_jobs_and_says_so() {
    let scene = scene(&[("drain_seconds_max = 30", "drain_seconds_max = 1")]).await;
    let (mut talk, _) = scene.begin(1).await;
    scene.stop.send(()).unwrap();
    // Long before its idle timer.
    assert_eq!(talk.aborted().await, "INTERRUPTED");
    scene.served.await.unwrap().unwrap();
    let job = scene.pair.bureau.job_list(1).await.unwrap().remove(0);
    assert_eq!(job.failure.unwrap().reason, "INTERRUPTED");
    assert!(!scene.pair.bureau.settings().control_socket().exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_node_says_that_it_is_busy() {
    let scene = scene(&[("jobs_max = 4", "jobs_max = 1")]).await;
    let (_talk, _) = scene.begin(1).await;
    let client = PeerClient::connect(&scene.pair.bank, &scene.bureau).await.unwrap();
    let (_outbound, receiver) = mpsc::channel(8);
    let error = client.exchange(receiver).await.unwrap_err();
    assert!(matches!(error, Error::Unavailable(Unavailable::Aborted { reason: "NODE_BUSY", .. })), "{error:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_was_removed_is_refused_on_an_open_connection() {
    let scene = scene(&[]).await;
    let client = PeerClient::connect(&scene.pair.bank, &scene.bureau).await.unwrap();
    assert_eq!(client.hello(&scene.pair.bank).await.unwrap().institution, "bureau");
    let mut bank = scene.pair.bureau.store().peer("bank").await.unwrap().unwrap();
    bank.spki_pin = [9; 32];
    scene.pair.bureau.store().put_peer(bank, true).await.unwrap();
    let error = client.hello(&scene.pair.bank).await.unwrap_err();
    assert!(matches!(error, Error::Unavailable(Unavailable::Aborted { reason: "UNKNOWN_PEER", .. })), "{error:?}");
    let error = PeerClient::connect(&scene.pair.bank, &scene.bureau).await.unwrap_err();
    assert_eq!(error.reason(), "PEER_REFUSED_US");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_probe_measures_the_way() {
    let scene = scene(&[]).await;
    let plan = crate::client::ProbePlan { round_trips: 3, bytes: 3 << 20 };
    let report = crate::client::probe(&scene.pair.bank, &scene.bureau, plan).await.unwrap();
    assert_eq!(report.institution, "bureau");
    assert_eq!(report.peer_time, scene.pair.bank.clock().now());
    assert!(report.upload_bytes_per_second > 0.0 && report.download_bytes_per_second > 0.0);
}

#[test]
fn the_initiator_receives_where_one_side_learns() {
    for (protocol, role) in [
        (Protocol::EcdhOprf, Role::Receiver),
        (Protocol::EcdhCardinality, Role::Receiver),
        (Protocol::EcdhMutual, Role::Sender),
    ] {
        assert_eq!(convert::roles(protocol, Side::Initiator), role);
        assert_eq!(convert::roles(protocol, Side::Responder), role.peer());
    }
}
