use super::*;
use crate::ops::testing::Pair;

const FORBID: &str = "@id(\"no-enrich\")\n@reason(\"no values leave\")\nforbid (principal, action in \
                      Symbolon::Action::\"job_phase\", resource)\nwhen { context.job.result == \"enrich\" };";

fn source(text: &str) -> Vec<Source> {
    vec![Source { name: "own.cedar".to_owned(), text: text.to_owned() }]
}

fn write(home: &Home, text: &str) {
    let directory = home.settings().home.join(gate::DIRECTORY);
    std::fs::create_dir_all(&directory).unwrap();
    std::fs::write(directory.join("own.cedar"), text).unwrap();
}

#[tokio::test]
async fn files_are_checked_without_coming_into_force() {
    let pair = Pair::new().await;
    let home = &pair.bank;
    let shipped = home.policy_list().await.unwrap();
    let good = home.policy_check(Some(source(FORBID))).await.unwrap();
    assert!(good.problems.is_empty());
    let set = good.set.unwrap();
    assert_eq!(set.policies.len(), shipped.policies.len() + 1);
    assert_ne!(set.digest, shipped.digest);
    let bad = home.policy_check(Some(source("forbid (principal, action);"))).await.unwrap();
    assert!(bad.set.is_none());
    assert_eq!((bad.problems[0].file.as_str(), bad.problems[0].line), ("own.cedar", 1));
    assert_eq!(home.policy_list().await.unwrap(), shipped);
    assert_eq!(home.policy_show("no-enrich").await.unwrap_err().reason(), "NOT_FOUND");
    write(home, FORBID);
    assert_eq!(home.policy_check(None).await.unwrap().set.unwrap(), set);
    assert!(home.policy_show("no-enrich").await.unwrap().forbids);
}

#[tokio::test]
async fn a_question_is_answered_by_agreement_and_policies() {
    let pair = Pair::new().await;
    let id = hex::encode(pair.active().await);
    let question = Question { agreement: id[..8].to_owned(), ..Question::default() };
    let home = &pair.bank;
    let yes = home.policy_explain(&question).await.unwrap();
    assert!(yes.allowed, "{yes:?}");
    assert!(yes.words[1].contains("\"job-under-active-agreement\" (default.cedar:"), "{:?}", yes.words);

    write(home, FORBID);
    let no = home.policy_explain(&question).await.unwrap();
    assert!(!no.allowed && no.reason.is_none());
    assert_eq!(no.words[1], "the policy \"no-enrich\" (own.cedar:1) forbids it: no values leave");
    // The same question at the partner's node, which has no such policy, from its own side.
    let other = Question { by_partner: true, ..question.clone() };
    assert!(pair.bureau.policy_explain(&other).await.unwrap().allowed);

    let many = Question { rows_own: Some(1 << 30), ..question.clone() };
    assert_eq!(home.policy_explain(&many).await.unwrap().reason.as_deref(), Some("ROWS_ABOVE_MAXIMUM"));
    let late = Question { at: Some(pair.bank.clock().now() + chrono::Duration::days(60)), ..question.clone() };
    assert_eq!(home.policy_explain(&late).await.unwrap().reason.as_deref(), Some("AGREEMENT_EXPIRED"));
    let late = Question { stage: Some(Stage::Batch), ..late };
    assert_eq!(home.policy_explain(&late).await.unwrap().reason.as_deref(), Some("AGREEMENT_EXPIRED"));
    let count = Question { result: Some(ResultKind::Count), ..question };
    assert_eq!(home.policy_explain(&count).await.unwrap_err().reason(), "INVALID_REQUEST");
    let count = Question { protocol: Some(Protocol::EcdhCardinality), ..count };
    assert_eq!(home.policy_explain(&count).await.unwrap().reason.as_deref(), Some("PROTOCOL_NOT_ALLOWED"));
    assert!(home.policy_log(10).await.unwrap().is_empty(), "a question leaves no trace");
}

#[tokio::test]
async fn nothing_is_explained_of_a_job_that_never_was() {
    let pair = Pair::new().await;
    assert_eq!(pair.bank.policy_explain_job(&"0".repeat(32)).await.unwrap_err().reason(), "NOT_FOUND");
    assert_eq!(pair.bank.policy_explain_job("abc").await.unwrap_err().reason(), "NOT_FOUND");
}
