use crate::ops::testing::Pair;

#[tokio::test]
async fn a_peer_is_known_by_name_key_and_pin() {
    let pair = Pair::new().await;
    let peer = pair.bank.peer_show("bureau").await.unwrap();
    assert_eq!(peer.organisation_key, pair.bureau.keys().organisation_public().to_bytes());
    let trust = pair.bank.store().trust().await.unwrap();
    assert_eq!(trust.accepted.len(), 1);
    assert_eq!(trust.accepted[0].pin, pair.bureau.keys().spki_pin());
    assert_eq!(trust.accepted[0].spiffe_id.as_ref(), pair.bureau.keys().tls().spiffe_id());
    assert_eq!(peer.endpoint, "127.0.0.1:9");
    assert_eq!(peer.fingerprint().unwrap().to_string(), pair.bureau.node_info().unwrap().fingerprint);
    assert_eq!(pair.bank.peer_show("nobody").await.unwrap_err().reason(), "NOT_FOUND");
}

#[tokio::test]
async fn the_card_stays_the_same_between_two_issues() {
    let pair = Pair::new().await;
    let first = pair.bank.card().unwrap();
    pair.clock.advance(std::time::Duration::from_secs(86_400));
    assert_eq!(pair.bank.card().unwrap().to_toml(), first.to_toml());
}

#[tokio::test]
async fn bad_cards_are_refused_and_change_nothing() {
    let pair = Pair::new().await;
    let before = pair.bank.peer_list().await.unwrap();
    let card = pair.bureau.card().unwrap().to_toml();
    let edited = card.replace("127.0.0.1:9", "127.0.0.1:8");
    let own = pair.bank.card().unwrap().to_toml();
    for (name, card, endpoint, reason) in [
        ("bureau", card.as_str(), None, "ALREADY_EXISTS"),
        ("second name", card.as_str(), None, "ALREADY_EXISTS"),
        ("x", edited.as_str(), None, "CARD_EDITED"),
        ("x", "nothing", None, "DOCUMENT_INVALID"),
        ("x", own.as_str(), None, "INVALID_REQUEST"),
        ("", card.as_str(), None, "INVALID_REQUEST"),
        ("x", card.as_str(), Some("nowhere"), "INVALID_REQUEST"),
    ] {
        let error = pair.bank.peer_add(Some(name), card, endpoint, false).await.unwrap_err();
        assert_eq!(error.reason(), reason, "{name} {error}");
    }
    assert_eq!(pair.bank.peer_list().await.unwrap(), before);
}

#[tokio::test]
async fn an_address_can_be_overridden_and_a_peer_replaced() {
    let pair = Pair::new().await;
    let card = pair.bureau.card().unwrap().to_toml();
    let peer = pair.bank.peer_add(Some("bureau"), &card, Some("relay.example:7443"), true).await.unwrap();
    assert_eq!(peer.endpoint, "relay.example:7443");
    assert_eq!(peer.card, card, "the card is kept as it came");
    assert_eq!(pair.bank.peer_list().await.unwrap(), vec![peer]);
}
