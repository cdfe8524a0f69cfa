//! The gate before the calls and the phases of jobs, and what binds a job's messages to it.

use super::*;
use crate::clock::Clock;
use crate::gate::DIRECTORY;

const FORBID_BATCH: &str = "@id(\"own\")\nforbid (principal, action == Symbolon::Action::\"batch\", resource);";
const FORBID_ACCEPT: &str =
    "@id(\"own\")\n@reason(\"closed\")\nforbid (principal, action == Symbolon::Action::\"accept\", resource);";
const FORBID_HELLO: &str = "@id(\"own\")\nforbid (principal == Symbolon::Institution::\"bank\", \
                            action == Symbolon::Action::\"hello\", resource);";

fn write(home: &Home, text: &str) {
    let directory = home.settings().home.join(DIRECTORY);
    std::fs::create_dir_all(&directory).unwrap();
    std::fs::write(directory.join("own.cedar"), text).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_that_comes_into_force_ends_a_running_job() {
    let scene = scene(&[]).await;
    let (mut talk, _) = scene.begin(1).await;
    let start = crate::clock::SystemClock.monotonic();
    write(&scene.pair.bureau, FORBID_BATCH);
    assert_eq!(talk.aborted().await, "POLICY_REFUSED");
    assert!(crate::clock::SystemClock.monotonic() - start < Duration::from_secs(10));
    assert_eq!(scene.failed().await, "POLICY_REFUSED");
    let job = scene.ended().await;
    let decisions = scene.pair.bureau.policy_explain_job(&job.id.to_string()).await.unwrap();
    let told = decisions.iter().map(|decision| (decision.record.action.as_str(), decision.record.allowed));
    let told: Vec<_> = told.collect();
    assert_eq!(told[..2], [("offer", true), ("accept", true)]);
    assert!(told[2..].contains(&("batch", false)), "{told:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agreement_that_no_longer_stands_ends_a_running_job() {
    let scene = scene(&[]).await;
    let (mut talk, _) = scene.begin(1).await;
    scene.pair.clock.advance(Duration::from_secs(40 * 86_400));
    assert_eq!(talk.aborted().await, "AGREEMENT_EXPIRED");
    assert_eq!(scene.failed().await, "AGREEMENT_EXPIRED");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partner_that_is_replaced_loses_its_running_job() {
    let scene = scene(&[]).await;
    let (mut talk, _) = scene.begin(1).await;
    let mut bank = scene.pair.bureau.store().peer("bank").await.unwrap().unwrap();
    bank.spki_pin = [9; 32];
    scene.pair.bureau.store().put_peer(bank, true).await.unwrap();
    assert_eq!(talk.aborted().await, "UNKNOWN_PEER");
    assert_eq!(scene.failed().await, "UNKNOWN_PEER");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_policy_refuses_is_neither_signed_nor_spent() {
    let scene = scene(&[]).await;
    write(&scene.pair.bureau, FORBID_ACCEPT);
    let mut talk = scene.open().await;
    talk.send(RequestMessage::Offer(scene.seal(scene.offer(1)).to_message())).await;
    assert_eq!(talk.aborted().await, "POLICY_REFUSED");
    assert_eq!(scene.failed().await, "POLICY_REFUSED");
    assert_eq!(scene.spent_runs().await, 0);
    let job = scene.ended().await.id.to_string();
    let decisions = scene.pair.bureau.policy_explain_job(&job).await.unwrap();
    assert_eq!(decisions[1].words, ["the policy \"own\" (own.cedar:1) forbids it: closed"]);
    write(&scene.pair.bureau, "");
    let decisions = scene.pair.bureau.policy_explain_job(&job).await.unwrap();
    assert_eq!(decisions[1].words, ["the policy \"own\" (no longer in force) forbids it: closed"]);
    assert!(!decisions[1].same_set && decisions[1].now.as_ref().unwrap().allowed);
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_pass_the_gate_before_their_service() {
    let scene = scene(&[]).await;
    let client = PeerClient::connect(&scene.pair.bank, &scene.bureau).await.unwrap();
    let hello = client.hello(&scene.pair.bank).await.unwrap();
    let posture = convert::posture(hello.posture.as_ref().unwrap(), "hello").unwrap();
    // Both nodes are this process, so they run the same program.
    assert_eq!(posture.build, scene.pair.bank.gate().posture().await.unwrap().build);
    let key = scene.pair.bank.keys().organisation_public().to_bytes();
    let seen = scene.pair.bureau.store().posture(key).await.unwrap().unwrap();
    assert_eq!(seen.posture, scene.pair.bank.gate().posture().await.unwrap());
    assert!(seen.certificate.not_before < seen.certificate.not_after);

    write(&scene.pair.bureau, FORBID_HELLO);
    let error = client.hello(&scene.pair.bank).await.unwrap_err();
    assert!(matches!(error, Error::Unavailable(Unavailable::Aborted { reason: "POLICY_REFUSED", .. })), "{error:?}");
    let kept = scene.pair.bureau.store().recent_decisions(5).await.unwrap();
    assert_eq!((kept[0].action.as_str(), kept[0].policies[0].id.as_str()), ("hello", "own"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frame_belongs_to_its_job() {
    let scene = scene(&[]).await;
    let (mut one, first) = scene.begin(1).await;
    let frame = one.honest_frame(&first).await;
    drop(one);
    scene.ended().await;
    let (mut two, _) = scene.begin(2).await;
    two.send(RequestMessage::Frame(frame)).await;
    assert_eq!(two.aborted().await, "PEER_MISBEHAVED");
    assert_eq!(scene.failed().await, "PEER_WRONG_SESSION");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_confirmation_belongs_to_its_job() {
    let scene = scene(&[]).await;
    let (one, first) = scene.begin(1).await;
    drop(one);
    scene.ended().await;
    let mut two = scene.open().await;
    two.send(RequestMessage::Offer(scene.seal(scene.offer(2)).to_message())).await;
    assert!(matches!(two.next().await, Some(ResponseMessage::Accept(_))));
    let old = confirm(&first.sid, scene.pair.bank.keys().organisation()).unwrap();
    two.send(RequestMessage::Confirm(old)).await;
    assert_eq!(two.aborted().await, "PEER_MISBEHAVED");
    assert_eq!(scene.failed().await, "SIGNATURE_INVALID");
}
