use symbolon_policy::State;

use super::*;
use crate::ops::testing::Pair;

#[tokio::test]
async fn a_draft_names_both_sides_as_their_cards_do() {
    let pair = Pair::new().await;
    let text = pair.bank.agreement_draft(&pair.options().await).await.unwrap();
    assert!(text.lines().any(|line| line.starts_with('#')), "it is commented for people");
    let draft = SignedAgreement::from_toml(&text).unwrap();
    assert_eq!(draft.state(), State::Draft);
    let (own, other) = (draft.agreement().party(Seat::First), draft.agreement().party(Seat::Second));
    assert_eq!((own.name.as_str(), own.table.as_str()), ("bank", "customers"));
    assert_eq!((other.name.as_str(), other.table.as_str()), ("bureau", "files"));
    assert_eq!(other.tls_spki, Digest::from_bytes(pair.bureau.keys().spki_pin()));
    let uses: Vec<_> = other.columns.iter().map(|column| (column.name.as_str(), column.column_use)).collect();
    let expected = [("key", ColumnUse::JoinOnly), ("grade", ColumnUse::AfterMatch), ("secret", ColumnUse::Never)];
    assert_eq!(uses, expected);
    assert_eq!(draft.agreement().terms().rows_total_max, 9, "three jobs of three rows");
    assert!(pair.bank.agreement_list().await.unwrap().is_empty(), "a draft is not stored");
}

#[tokio::test]
async fn what_cannot_be_agreed_is_refused_with_its_place() {
    let pair = Pair::new().await;
    let good = pair.options().await;
    let column = DraftColumn { column_use: ColumnUse::AfterMatch, bytes_max: None };
    let unknown = DraftSide { columns: [("colour".to_owned(), column)].into(), ..DraftSide::default() };
    for (options, reason) in [
        (DraftOptions { table: "nothing".to_owned(), ..good.clone() }, "NOT_FOUND"),
        (DraftOptions { peer: "nobody".to_owned(), ..good.clone() }, "NOT_FOUND"),
        (DraftOptions { partner_card: "x = 1".to_owned(), ..good.clone() }, "INVALID_REQUEST"),
        (DraftOptions { title: String::new(), ..good.clone() }, "INVALID_REQUEST"),
        (DraftOptions { partner: unknown, ..good.clone() }, "INVALID_REQUEST"),
        (DraftOptions { valid_days: 0, ..good.clone() }, "DOCUMENT_INVALID"),
        (DraftOptions { partner: DraftSide::default(), ..good.clone() }, "DOCUMENT_INVALID"),
    ] {
        let error = pair.bank.agreement_draft(&options).await.unwrap_err();
        assert_eq!(error.reason(), reason, "{error}");
    }
}
