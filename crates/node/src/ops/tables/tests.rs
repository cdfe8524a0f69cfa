use symbolon_tables::{ColumnType, Duplicates, KeyPart};

use crate::ops::testing::{Pair, spec};

#[tokio::test]
async fn a_table_is_added_with_inferred_columns() {
    let pair = Pair::new().await;
    let record = pair.bank.table_show("customers").await.unwrap();
    assert_eq!(record.rows, 3);
    let columns: Vec<_> = record.spec.columns.iter().map(|column| (column.name.as_str(), column.ty)).collect();
    assert_eq!(columns, [("id", ColumnType::Integer), ("name", ColumnType::Text)]);
    assert!(record.spec.path.is_absolute());
    assert_eq!(pair.bank.table_list().await.unwrap(), vec![record]);
}

#[tokio::test]
async fn bad_tables_are_refused_and_leave_the_store_as_it_was() {
    let pair = Pair::new().await;
    let path = pair.dir.path().join("bank.csv");
    let before = pair.bank.table_list().await.unwrap();
    std::fs::write(pair.dir.path().join("empty.csv"), "id,name\n").unwrap();
    let mut wrong_kind = spec(&path, "name");
    wrong_kind.key = vec![KeyPart { column: "name".to_owned(), kind: "us_ssn".parse().unwrap() }];
    for (name, spec, reason) in [
        ("customers", spec(&path, "id"), "ALREADY_EXISTS"),
        ("t", spec(&pair.dir.path().join("nowhere.csv"), "id"), "TABLE_MISSING"),
        ("t", spec(&path, "ssn"), "NO_COLUMN"),
        ("t", spec(&pair.dir.path().join("empty.csv"), "id"), "TABLE_EMPTY"),
        ("t", wrong_kind, "NO_USABLE_KEY"),
        ("", spec(&path, "id"), "INVALID_REQUEST"),
        ("a\nb", spec(&path, "id"), "INVALID_REQUEST"),
    ] {
        let error = pair.bank.table_add(name, spec, false).await.unwrap_err();
        assert_eq!(error.reason(), reason, "{error}");
    }
    assert_eq!(pair.bank.table_list().await.unwrap(), before);
}

#[tokio::test]
async fn a_table_can_be_replaced_when_asked() {
    let pair = Pair::new().await;
    let path = pair.dir.path().join("more.csv");
    std::fs::write(&path, "id,name,city\n1,Ann,X\n1,Bob,Y\n").unwrap();
    let added = pair.bank.table_add("customers", spec(&path, "id"), true).await.unwrap();
    assert_eq!(added.record.rows, 2);
    assert_eq!(added.report.duplicates.count, 1, "reported when added, refused when a job reads it");
    let mut first = spec(&path, "id");
    first.duplicates = Duplicates::First;
    let added = pair.bank.table_add("customers", first, true).await.unwrap();
    assert_eq!(pair.bank.table_show("customers").await.unwrap(), added.record);
}

#[tokio::test]
async fn a_check_reads_the_file_anew() {
    let pair = Pair::new().await;
    assert_eq!(pair.bank.table_check("customers").await.unwrap().usable, 3);
    std::fs::write(pair.dir.path().join("bank.csv"), "id,name\n1,Ann\n,Bob\nx,Cy\n").unwrap();
    let error = pair.bank.table_check("customers").await;
    // "x" is no integer: the column's own type says so before the key does.
    assert_eq!(error.unwrap_err().reason(), "VALUE_TYPE");
    std::fs::write(pair.dir.path().join("bank.csv"), "id,name\n1,Ann\n,Bob\n").unwrap();
    let report = pair.bank.table_check("customers").await.unwrap();
    assert_eq!((report.usable, report.null), (1, 1));
    std::fs::remove_file(pair.dir.path().join("bank.csv")).unwrap();
    assert_eq!(pair.bank.table_check("customers").await.unwrap_err().reason(), "TABLE_MISSING");
    assert_eq!(pair.bank.table_check("nothing").await.unwrap_err().reason(), "NOT_FOUND");
}

#[tokio::test]
async fn a_table_card_tells_shape_and_no_data() {
    let pair = Pair::new().await;
    let card = pair.bureau.table_card("files").await.unwrap();
    let read = super::read_table_card(&card).unwrap();
    assert_eq!((read.name.as_str(), read.rows_padded, read.columns.len()), ("files", 3, 3));
    let directory = pair.dir.path().to_str().unwrap();
    assert!(!card.contains(directory) && !card.contains("bureau.csv"), "no path leaves the house");
    assert_eq!(super::read_table_card("format = \"x\"").unwrap_err().reason(), "INVALID_REQUEST");
}
