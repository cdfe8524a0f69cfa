use super::*;
use crate::ops::testing::Pair;

#[tokio::test]
async fn keys_are_listed_with_what_they_are_worth() {
    let pair = Pair::new().await;
    let list = pair.bank.key_list(false);
    assert_eq!(list.iter().map(|key| key.kind).collect::<Vec<_>>(), ["organisation", "tls", "sealing"]);
    assert!(list.iter().all(|key| key.state == KeyState::InForce));
    let first = pair.bank.card().unwrap();
    assert_eq!(first.contents().identity.sequence, 0);
    assert_eq!(first.contents().identity.spiffe_id.as_ref().unwrap().as_str(), "spiffe://127.0.0.1/symbolon/1");

    let change = pair.bank.key_rotate(KeyKind::Sealing, days(3)).await.unwrap();
    assert_eq!((change.sequence, change.key.state), (1, KeyState::InForce));
    assert_ne!(change.fingerprint, first.fingerprint().to_string());
    assert_eq!(change.partners.len(), 1);
    assert!(!change.partners[0].taken, "nobody listens there");
    let states = |all| pair.bank.key_list(all).iter().map(|key| key.state).collect::<Vec<_>>();
    assert_eq!(states(false)[3], KeyState::Overlap);
    pair.clock.advance(std::time::Duration::from_secs(4 * 86_400));
    assert_eq!(states(false).len(), 3);
    assert_eq!(states(true)[3], KeyState::Retired);
    assert_eq!(pair.bank.key_rotate(KeyKind::Tls, days(400)).await.unwrap_err().reason(), "INVALID_REQUEST");
}
