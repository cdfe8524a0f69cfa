use std::time::Duration;

use symbolon_policy::ResultKind;
use symbolon_policy::cedar::Validity;

use super::*;
use crate::home::Home;
use crate::ops::testing::Pair;

async fn subject(pair: &Pair, id: [u8; 32]) -> Subject {
    let record = pair.bank.store().agreement(id).await.unwrap().unwrap();
    let signed = crate::ops::agreements::read_active(&record).unwrap();
    let bureau = pair.bank.store().peer("bureau").await.unwrap().unwrap();
    let text = str::to_owned;
    Subject {
        job: JobId::random().unwrap(),
        signed: Arc::new(signed),
        peer_key: bureau.organisation_key,
        channel: Some(channel(bureau.spki_pin)),
        posture: None,
        facts: JobFacts {
            id: text("00"),
            table: text("customers"),
            side: text("initiator"),
            protocol: text("ecdh-oprf"),
            result: ResultKind::Enrich.as_str().to_owned(),
            receiver: text("own"),
            purpose: text("Credit check of common customers"),
            columns: vec![text("grade")],
            rows_own: Some(3),
            rows_peer: Some(3),
            frames: 0,
            seconds: 0,
        },
    }
}

fn channel(pin: SpkiPin) -> Channel {
    let certificate = Validity { not_before: 0, not_after: i64::MAX };
    Channel { pin, leaf_pin: pin, connection: 0, exporter: [0; 32], certificate }
}

fn write(home: &Home, name: &str, text: &str) {
    let directory = home.settings().home.join(DIRECTORY);
    std::fs::create_dir_all(&directory).unwrap();
    std::fs::write(directory.join(name), text).unwrap();
}

async fn phases(home: &Home, subject: &Subject) -> Vec<String> {
    let mut reasons = Vec::new();
    for stage in [Stage::Offer, Stage::Accept, Stage::Batch, Stage::Release] {
        let outcome = home.gate().phase(stage, subject).await;
        reasons.push(outcome.err().map(|error| error.reason().to_owned()).unwrap_or_default());
    }
    reasons
}

const NOTHING: [&str; 4] = [""; 4];
const FORBID: &str = "@id(\"own\")\n@reason(\"not today\")\nforbid (principal, action == Symbolon::Action::\"batch\", \
                      resource);";

#[tokio::test]
async fn every_phase_asks_for_the_agreement_anew() {
    let pair = Pair::new().await;
    let id = pair.active().await;
    let subject = subject(&pair, id).await;
    assert_eq!(phases(&pair.bank, &subject).await, NOTHING);
    // The partner is put in place of by another key under its name.
    let stranger = Subject { peer_key: [7; 32], ..subject.clone() };
    assert_eq!(phases(&pair.bank, &stranger).await, ["UNKNOWN_PEER"; 4]);
    let elsewhere = Subject { channel: Some(channel([9; 32])), ..subject.clone() };
    assert_eq!(phases(&pair.bank, &elsewhere).await, ["UNKNOWN_PEER"; 4]);
    pair.clock.advance(Duration::from_secs(31 * 86_400));
    assert_eq!(phases(&pair.bank, &subject).await, ["AGREEMENT_EXPIRED"; 4]);
}

#[tokio::test]
async fn policies_take_effect_with_the_next_decision() {
    let pair = Pair::new().await;
    let id = pair.active().await;
    let subject = subject(&pair, id).await;
    let gate = pair.bank.gate();
    assert_eq!(phases(&pair.bank, &subject).await, NOTHING);
    let before = gate.posture().await.unwrap();

    write(&pair.bank, "own.cedar", FORBID);
    assert_eq!(phases(&pair.bank, &subject).await, ["", "", "POLICY_REFUSED", ""]);
    let error = gate.phase(Stage::Batch, &subject).await.unwrap_err();
    assert_eq!(error.to_string(), "the policy \"own\" of this node forbids it: not today");
    assert_eq!(crate::status::peer_word(&error), "POLICY_REFUSED", "a partner gets the word only");
    assert_ne!(gate.posture().await.unwrap().policy_set, before.policy_set);

    // A set that cannot be used changes nothing; one that is not there any more gives way.
    write(&pair.bank, "other.cedar", "forbid (principal action resource);");
    assert_eq!(phases(&pair.bank, &subject).await, ["", "", "POLICY_REFUSED", ""]);
    let directory = pair.bank.settings().home.join(DIRECTORY);
    std::fs::remove_file(directory.join("own.cedar")).unwrap();
    assert_eq!(phases(&pair.bank, &subject).await, ["", "", "POLICY_REFUSED", ""]);
    std::fs::remove_file(directory.join("other.cedar")).unwrap();
    assert_eq!(phases(&pair.bank, &subject).await, NOTHING);
    assert_eq!(gate.posture().await.unwrap(), before);
}

#[tokio::test]
async fn without_a_usable_set_everything_is_refused() {
    let pair = Pair::new().await;
    let id = pair.active().await;
    let subject = subject(&pair, id).await;
    write(&pair.bank, "own.cedar", "forbid (principal action resource);");
    assert_eq!(phases(&pair.bank, &subject).await, ["POLICIES_UNUSABLE"; 4]);
    let call = pair.bank.gate().call("get_node", Caller::Socket).await;
    let error = call.unwrap_err();
    assert!(error.to_string().starts_with("policies/own.cedar:1: "), "{error}");
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let served = crate::run(pair.bank.clone(), listener, || panic!("it serves"), std::future::pending()).await;
    assert_eq!(served.unwrap_err().reason(), "POLICIES_UNUSABLE");
    write(&pair.bank, "own.cedar", "");
    assert_eq!(phases(&pair.bank, &subject).await, NOTHING);
}

#[tokio::test]
async fn decisions_are_kept_with_their_facts() {
    let pair = Pair::new().await;
    let id = pair.active().await;
    let subject = subject(&pair, id).await;
    write(&pair.bank, "own.cedar", FORBID);
    phases(&pair.bank, &subject).await;
    let kept = pair.bank.store().decisions(subject.job).await.unwrap();
    let told: Vec<_> = kept.iter().map(|kept| (kept.action.as_str(), kept.allowed, kept.reason.as_str())).collect();
    assert_eq!(
        told,
        [("offer", true, ""), ("accept", true, ""), ("batch", false, "POLICY_REFUSED"), ("release", true, "")]
    );
    assert_eq!(kept[2].policies[0].id, "own");
    assert_eq!(kept[0].agreement, Some(id));
    let digest = pair.bank.gate().engine().await.unwrap().digest();
    for record in &kept {
        assert_eq!(record.policy_set, digest);
        let Facts::Phase(facts) = serde_json::from_str(&record.facts).unwrap() else { panic!("a phase") };
        assert_eq!((facts.peer.name.as_str(), facts.job.rows_peer), ("bureau", Some(3)));
    }
    let (log, _) = pair.bank.evidence().read().await.unwrap();
    let log = String::from_utf8(log).unwrap();
    let entries: Vec<_> = log.lines().filter(|line| line.contains("\"kind\":\"decision\"")).collect();
    assert_eq!(entries.len(), 3, "{log}");
    assert!(entries[1].contains("\"answer\":\"refused\",\"reason\":\"POLICY_REFUSED\""), "{}", entries[1]);
    let usage = pair.bank.gate().usage();
    assert_eq!(usage.decisions, 4);
    assert!(usage.cpu_nanoseconds > 0);
}

#[tokio::test]
async fn batches_are_kept_as_one() {
    use crate::session::Watch;
    let pair = Pair::new().await;
    let id = pair.active().await;
    let subject = subject(&pair, id).await;
    let watchman = Watchman::new(pair.bank.gate().clone(), subject.clone());
    for frames in 0..5 {
        watchman.check(frames).await.unwrap();
    }
    watchman.close().await.unwrap();
    watchman.close().await.unwrap();
    let kept = pair.bank.store().decisions(subject.job).await.unwrap();
    assert_eq!(kept.len(), 1);
    assert_eq!((kept[0].action.as_str(), kept[0].checks), ("batch", 5));
    assert!(kept[0].facts.contains("\"frames\":4"));
}

#[tokio::test]
async fn calls_are_decided_by_who_makes_them() {
    let pair = Pair::new().await;
    let gate = pair.bank.gate();
    let bureau = pair.bank.store().peer("bureau").await.unwrap().unwrap();
    gate.call("hello", Caller::Peer(channel(bureau.spki_pin))).await.unwrap();
    gate.call("create_job", Caller::Operator([3; 32])).await.unwrap();
    let reason = |outcome: Result<(), Error>| outcome.unwrap_err().reason();
    assert_eq!(reason(gate.call("hello", Caller::Peer(channel([1; 32]))).await), "UNKNOWN_PEER");
    assert_eq!(reason(gate.call("get_node", Caller::Peer(channel(bureau.spki_pin))).await), "POLICY_REFUSED");
    assert_eq!(reason(gate.call("hello", Caller::Socket).await), "POLICY_REFUSED");
    let kept = pair.bank.store().recent_decisions(10).await.unwrap();
    assert_eq!(kept.len(), 2);
    assert!(kept.iter().all(|kept| !kept.allowed && kept.job.is_none()));
    let (log, _) = pair.bank.evidence().read().await.unwrap();
    let log = String::from_utf8(log).unwrap();
    assert_eq!(log.matches("\"kind\":\"calls_refused\"").count(), 1, "not one each: {log}");
}

#[tokio::test]
async fn a_changed_program_is_told_until_it_was_seen() {
    let pair = Pair::new().await;
    let id = pair.active().await;
    let mut subject = subject(&pair, id).await;
    let gate = pair.bank.gate();
    let posture = Posture { build: [1; 32], config: [2; 32], policy_set: [3; 32] };
    let seen = subject.channel.unwrap();
    gate.saw(subject.peer_key, posture, seen).await.unwrap();
    let changed = Posture { build: [9; 32], ..posture };
    subject.posture = Some(changed);
    let own = "@id(\"changed\")\nforbid (principal, action in Symbolon::Action::\"job_phase\", resource)\n\
               when { context.peer has build_changed && context.peer.build_changed };";
    write(&pair.bank, "own.cedar", own);
    assert_eq!(phases(&pair.bank, &subject).await, ["POLICY_REFUSED"; 4]);
    let first = pair.bank.store().posture(subject.peer_key).await.unwrap().unwrap();
    pair.clock.advance(Duration::from_secs(60));
    gate.saw(subject.peer_key, changed, seen).await.unwrap();
    assert_eq!(phases(&pair.bank, &subject).await, NOTHING);
    let second = pair.bank.store().posture(subject.peer_key).await.unwrap().unwrap();
    assert_eq!(second.build_since - first.build_since, chrono::Duration::seconds(60));
    assert_eq!(second.posture, changed);
}
