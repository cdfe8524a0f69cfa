use crate::keystore::KeyKind;
use crate::ops::keys::{KeyState, days};
use crate::ops::testing::Pair;

#[tokio::test]
async fn a_card_follows_and_an_older_or_foreign_one_does_not() {
    let pair = Pair::new().await;
    let first = pair.bank.card().unwrap().to_toml();
    pair.bank.key_rotate(KeyKind::Tls, days(7)).await.unwrap();
    let second = pair.bank.card().unwrap().to_toml();
    let peer = || async { pair.bureau.peer_show("bank").await.unwrap() };
    assert_eq!(pair.bureau.receive_card(&peer().await, &second).await.unwrap(), 1);
    assert_eq!(pair.bureau.receive_card(&peer().await, &second).await.unwrap(), 1, "the same again changes nothing");
    let error = pair.bureau.receive_card(&peer().await, &first).await.unwrap_err();
    assert_eq!(error.reason(), "CARD_ROLLBACK");
    // Nor when a person gives it.
    let error = pair.bureau.peer_add(Some("bank"), &first, None, true).await.unwrap_err();
    assert_eq!(error.reason(), "CARD_ROLLBACK");

    let stranger = Pair::new().await;
    let foreign = stranger.bank.card().unwrap().to_toml();
    let error = pair.bureau.receive_card(&peer().await, &foreign).await.unwrap_err();
    assert_eq!(error.reason(), "CARD_FOREIGN");

    pair.bank.key_rotate(KeyKind::Organisation, days(7)).await.unwrap();
    let third = pair.bank.card().unwrap().to_toml();
    let forged = third.replace("until = \"2026-03-08", "until = \"2036-03-08");
    assert_ne!(third, forged);
    assert!(pair.bureau.receive_card(&peer().await, &forged).await.is_err());
    assert_eq!(pair.bureau.receive_card(&peer().await, &third).await.unwrap(), 2);
    let lineage = pair.bureau.lineage_of(&peer().await).await.unwrap();
    assert_eq!(lineage.keys().len(), 2);
    assert_eq!(lineage.pins().len(), 2);
}

#[tokio::test]
async fn agreements_with_former_keys_hold_and_with_withdrawn_ones_do_not() {
    let pair = Pair::new().await;
    let id = pair.active().await;
    let signed =
        crate::ops::agreements::read_active(&pair.bureau.store().agreement(id).await.unwrap().unwrap()).unwrap();
    pair.bank.key_rotate(KeyKind::Tls, days(7)).await.unwrap();
    pair.bank.key_rotate(KeyKind::Organisation, days(7)).await.unwrap();
    let card = pair.bank.card().unwrap().to_toml();
    let peer = pair.bureau.peer_show("bank").await.unwrap();
    pair.bureau.receive_card(&peer, &card).await.unwrap();
    let peer = pair.bureau.peer_show("bank").await.unwrap();
    let seat = pair.bureau.own_seat(signed.agreement()).unwrap();
    let (own, other) = (signed.agreement().party(seat), signed.agreement().party(seat.other()));
    pair.bureau.check_parties(own, other, &peer).await.unwrap();
    assert_eq!(pair.bank.own_seat(signed.agreement()).unwrap(), seat.other());

    let former =
        pair.bank.key_list(false).into_iter().find(|key| key.kind == "organisation" && key.state == KeyState::Overlap);
    let former = former.unwrap().public;
    pair.bank.key_revoke(&former).await.unwrap();
    assert_eq!(pair.bank.own_seat(signed.agreement()).unwrap_err().reason(), "KEY_REVOKED");
    let card = pair.bank.card().unwrap().to_toml();
    pair.bureau.receive_card(&peer, &card).await.unwrap();
    let error = pair.bureau.check_parties(own, other, &peer).await.unwrap_err();
    assert_eq!(error.reason(), "KEY_REVOKED");
}

#[tokio::test]
async fn a_key_is_withdrawn_by_name_and_a_peer_is_forgotten() {
    let pair = Pair::new().await;
    let pin = symbolon_policy::Digest::from_bytes(pair.bureau.keys().spki_pin()).to_string();
    assert_eq!(pair.bank.peer_revoke("bureau", Some("sha256:none")).await.unwrap_err().reason(), "NOT_FOUND");
    let revoked = pair.bank.peer_revoke("bureau", Some(&pin[..24])).await.unwrap();
    assert_eq!(revoked.len(), 1);
    let trust = pair.bank.store().trust().await.unwrap();
    assert!(trust.revoked.contains(&pair.bureau.keys().spki_pin()));
    let peer = pair.bank.peer_show("bureau").await.unwrap();
    assert_eq!(pair.bank.pins_of(&peer).await.unwrap_err().reason(), "KEY_REVOKED");
    pair.bank.peer_remove("bureau").await.unwrap();
    assert_eq!(pair.bank.peer_show("bureau").await.unwrap_err().reason(), "NOT_FOUND");
    // What was withdrawn stays so.
    let card = pair.bureau.card().unwrap().to_toml();
    assert_eq!(pair.bank.peer_add(Some("bureau"), &card, None, false).await.unwrap_err().reason(), "KEY_REVOKED");
}
