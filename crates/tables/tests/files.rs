//! Files of all formats and shapes are read and written with nothing lost.
#![expect(clippy::unwrap_used, reason = "a failure here is a failed test")]

#[path = "support/lib.rs"]
mod support;

use std::fs;
use std::path::Path;
use std::sync::Arc;
use support::{described, file, layout, load_all, names, plain_match, spec};
use symbolon_tables::arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Date32Array, Date64Array, Decimal128Array, DictionaryArray, Float32Array,
    Int32Array, LargeStringArray, ListArray, RecordBatch, TimestampSecondArray, UInt64Array,
};
use symbolon_tables::arrow::datatypes::{Decimal128Type, Int32Type};
use symbolon_tables::arrow::ipc::writer::{FileWriter, StreamWriter};
use symbolon_tables::{
    ColumnSpec, CsvOptions, Duplicates, Encoding, Format, InspectOptions, JoinOutput, KeyKind, Match, PayloadLayout,
    Schema, TableCard, TableSpec, check, inspect, open, write_join, write_join_into,
};
use tempfile::tempdir;

fn types(schema: &Schema) -> Vec<String> {
    schema.columns.iter().map(|c| format!("{}:{}", c.name, c.ty)).collect()
}

const TYPED: &str = "id,name,amount,born,ok,ratio,note\n\
    1,\"a,\"\"b\"\"\",12.50,1999-02-08,true,0.25,\n\
    2,,-0.05,,false,,\"two\nlines\"\n\
    3,\u{5F20}\u{4E09},,2000-02-29,,-1e300,  blanks  \n\
    4,=1+1,0.00,0001-01-01,yes,3,x\n";

/// Describes the table above with types that are not inferred given by hand.
fn typed(dir: &Path) -> TableSpec {
    let path = file(dir, "typed.csv", TYPED);
    let given = |name: &str, ty: &str| ColumnSpec::new(name, ty.parse().unwrap());
    let options =
        InspectOptions { types: vec![given("ok", "boolean"), given("ratio", "float")], ..InspectOptions::default() };
    let schema = inspect(&path, &options).unwrap();
    assert_eq!(
        types(&schema),
        ["id:integer", "name:text", "amount:decimal(18,2)", "born:date", "ok:boolean", "ratio:float", "note:text"]
    );
    described(&path, "id:integer", Duplicates::Reject, schema.columns)
}

#[test]
fn own_and_partner_columns_survive_every_format() {
    let dir = tempdir().unwrap();
    let spec = typed(dir.path());
    let columns: Vec<String> = spec.columns.iter().map(|c| c.name.clone()).collect();
    let partner = layout(&spec, &["name", "amount", "born", "ok", "ratio", "note"]);
    let keyed = load_all(&spec, &partner).unwrap();
    let (keys, payload) = plain_match(&keyed, &keyed, partner.width());
    let matches = keyed.pair(&keys).unwrap();
    for (name, prefix) in [("a.csv", ""), ("a.parquet", "bureau_"), ("a.arrow", "bureau_")] {
        let path = dir.path().join(name);
        let output = JoinOutput {
            own: &spec,
            own_digest: keyed.digest,
            own_columns: &columns,
            matches: &matches,
            payload: &payload,
            layout: &partner,
            prefix,
            path: &path,
            format: Format::of_path(&path).unwrap(),
        };
        let written = write_join(&output).unwrap();
        let mut bytes = Vec::new();
        assert_eq!(write_join_into(&output, &mut bytes).unwrap(), written, "{name} into a writer");
        assert_eq!(bytes, fs::read(&path).unwrap());
        let full = write_join_into(&output, &mut &mut [0_u8; 9][..]).unwrap_err();
        assert!(full.to_string().contains("writing"), "{full}");
        assert_eq!(written.rows, 4);
        let types = spec.columns.iter().cloned().chain(partner.column_specs().into_iter().map(|mut c| {
            c.name.insert_str(0, if prefix.is_empty() { "partner_" } else { prefix });
            c
        }));
        let mut options = InspectOptions::default();
        if name.ends_with("csv") {
            options.types = types.clone().collect();
        }
        let reader = open(&path, &options).unwrap();
        assert_eq!(reader.columns(), types.collect::<Vec<_>>(), "{name}");
        let batches: Vec<RecordBatch> = reader.map(Result::unwrap).collect();
        assert_eq!(batches.len(), 1);
        let batch = &batches[0];
        for i in 1..7 {
            let (own, theirs) = (batch.column(i), batch.column(i + 6));
            if name.ends_with("csv") {
                // The one thing CSV cannot say apart: an empty text and null.
                assert_eq!(own.null_count(), theirs.null_count());
            }
            assert_eq!(own, theirs, "{name} column {i}");
        }
        let notes = batch.column(6).as_string::<i32>();
        assert_eq!(notes.iter().collect::<Vec<_>>(), [None, Some("two\nlines"), Some("  blanks  "), Some("x")]);
        let amounts = batch.column(8).as_primitive::<Decimal128Type>();
        assert_eq!(amounts.iter().collect::<Vec<_>>(), [Some(1250), Some(-5), None, Some(0)]);
    }
    let text = fs::read_to_string(dir.path().join("a.csv")).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(
        lines[0],
        "id,name,amount,born,ok,ratio,note,partner_name,partner_amount,partner_born,partner_ok,partner_ratio,\
         partner_note"
    );
    assert!(lines[1].starts_with("1,\"a,\"\"b\"\"\",12.50,1999-02-08,true,0.25,,\"a,\"\"b\"\"\",12.50,1999-02-08"));
    assert!(lines[2].starts_with("2,,-0.05,,false,,\"two"));
}

fn write_parquet(path: &Path, batch: &RecordBatch) {
    let out = fs::File::create(path).unwrap();
    let mut writer = parquet::arrow::ArrowWriter::try_new(out, batch.schema(), None).unwrap();
    writer.write(batch).unwrap();
    writer.close().unwrap();
}

/// Columns of the types other tools write.
fn foreign() -> RecordBatch {
    let dictionary: DictionaryArray<Int32Type> = vec![Some("A"), None, Some("B")].into_iter().collect();
    RecordBatch::try_from_iter_with_nullable([
        ("id", Arc::new(Int32Array::from(vec![70, 7, 8])) as ArrayRef, true),
        ("big", Arc::new(UInt64Array::from(vec![Some(u64::MAX), None, Some(0)])), true),
        ("large", Arc::new(LargeStringArray::from(vec![Some("x"), Some(""), None])), true),
        ("grade", Arc::new(dictionary), true),
        ("day", Arc::new(Date64Array::from(vec![Some(86_400_000), None, Some(0)])), true),
        ("price", Arc::new(Decimal128Array::from(vec![1, 2, 3]).with_precision_and_scale(9, 3).unwrap()), true),
        ("rate", Arc::new(Float32Array::from(vec![Some(0.5), None, Some(1.5)])), true),
        ("at", Arc::new(TimestampSecondArray::from(vec![Some(0), None, Some(1)])), true),
        ("list", Arc::new(list()), true),
        ("yes", Arc::new(BooleanArray::from(vec![true, false, true])), true),
    ])
    .unwrap()
}

fn list() -> ListArray {
    ListArray::from_iter_primitive::<Int32Type, _, _>((0..3).map(|i| Some(vec![Some(i)])))
}

#[test]
fn typed_files_of_other_tools_are_read() {
    let dir = tempdir().unwrap();
    let batch = foreign();
    write_parquet(&dir.path().join("t.parquet"), &batch);
    let mut writer =
        FileWriter::try_new(fs::File::create(dir.path().join("t.feather")).unwrap(), &batch.schema()).unwrap();
    writer.write(&batch).unwrap();
    writer.finish().unwrap();
    let mut writer =
        StreamWriter::try_new(fs::File::create(dir.path().join("t.arrows")).unwrap(), &batch.schema()).unwrap();
    writer.write(&batch).unwrap();
    writer.write(&batch.slice(0, 0)).unwrap();
    writer.finish().unwrap();
    for name in ["t.parquet", "t.feather", "t.arrows"] {
        let path = dir.path().join(name);
        let schema = inspect(&path, &InspectOptions::default()).unwrap();
        assert_eq!(schema.rows, 3);
        assert_eq!(schema.left_out, ["list"]);
        assert_eq!(
            types(&schema),
            [
                "id:integer",
                "big:decimal(20,0)",
                "large:text",
                "grade:text",
                "day:date",
                "price:decimal(9,3)",
                "rate:float",
                "at:text",
                "yes:boolean",
            ],
            "{name}"
        );
        let read = open(&path, &InspectOptions::default()).unwrap().next().unwrap().unwrap();
        let text =
            |i: usize| read.column(i).as_string::<i32>().iter().map(|v| v.map(str::to_owned)).collect::<Vec<_>>();
        assert_eq!(text(2), [Some("x".to_owned()), Some(String::new()), None]);
        assert_eq!(text(3), [Some("A".to_owned()), None, Some("B".to_owned())]);
        assert_eq!(text(7)[0].as_deref(), Some("1970-01-01T00:00:00"));
        assert_eq!(read.column(4).as_ref(), &Date32Array::from(vec![Some(1), None, Some(0)]) as &dyn Array);
        // Keys from typed columns: digits for integers, the format of the kind for dates, text as it stands.
        for (key, expected) in [
            ("id:integer", vec!["70", "7", "8"]),
            ("day:date(%m/%d/%Y)", vec!["1970-01-02", "1970-01-01"]),
            ("day:date(%Y-%m-%d)", vec!["1970-01-02", "1970-01-01"]),
            ("day:text", vec!["1970-01-02", "1970-01-01"]),
            ("big:integer", vec!["18446744073709551615", "0"]),
            ("large:text", vec!["x"]),
            ("grade:text", vec!["a", "b"]),
        ] {
            let spec = described(&path, key, Duplicates::Reject, schema.columns.clone());
            let keyed = load_all(&spec, &layout(&spec, &["price", "grade"])).unwrap();
            let keys: Vec<&str> = keyed.keys.iter().map(|k| std::str::from_utf8(k).unwrap()).collect();
            assert_eq!(keys, expected, "{name} {key}");
        }
        for key in ["rate:integer", "yes:text"] {
            let error = check(&described(&path, key, Duplicates::All, schema.columns.clone())).unwrap_err();
            assert_eq!(error.label(), "column_type", "{key}");
        }
    }
}

#[test]
fn a_typed_own_table_joins_like_csv() {
    let dir = tempdir().unwrap();
    let path = dir.path().join("own.parquet");
    write_parquet(&path, &foreign());
    let columns = inspect(&path, &InspectOptions::default()).unwrap().columns;
    let spec = described(&path, "id:integer", Duplicates::Reject, columns);
    let none = PayloadLayout::new(Vec::new()).unwrap();
    let keyed = load_all(&spec, &none).unwrap();
    let out = dir.path().join("r.csv");
    let own_columns: Vec<String> = ["price", "id", "at"].map(str::to_owned).to_vec();
    let mut output = JoinOutput {
        own: &spec,
        own_digest: keyed.digest,
        own_columns: &own_columns,
        matches: &keyed.pair(&[2, 0]).unwrap(),
        payload: &[],
        layout: &none,
        prefix: "",
        path: &out,
        format: Format::Csv,
    };
    write_join(&output).unwrap();
    assert_eq!(
        fs::read_to_string(&out).unwrap(),
        "price,id,at\n0.001,70,1970-01-01T00:00:00\n0.003,8,1970-01-01T00:00:01\n"
    );
    // Without any match there is a header.
    let [empty, parquet, arrow] = ["empty.csv", "empty.parquet", "empty.arrow"].map(|name| dir.path().join(name));
    (output.matches, output.path) = (&[], &empty);
    assert_eq!(write_join(&output).unwrap().rows, 0);
    assert_eq!(fs::read_to_string(&empty).unwrap(), "price,id,at\n");
    for (path, format) in [(&parquet, Format::Parquet), (&arrow, Format::Arrow)] {
        (output.path, output.format) = (path, format);
        write_join(&output).unwrap();
        let mut reader = open(path, &InspectOptions::default()).unwrap();
        assert_eq!(reader.columns().len(), 3);
        assert!(reader.next().is_none());
    }
}

#[test]
fn csv_shapes() {
    let dir = tempdir().unwrap();
    let schema = |name: &str, content: &[u8], options: CsvOptions| {
        let path = file(dir.path(), name, content);
        inspect(&path, &InspectOptions { csv: options, ..InspectOptions::default() }).unwrap()
    };
    let plain = CsvOptions::default();
    // A byte order mark is not part of the first name, with or without quotes.
    assert_eq!(types(&schema("bom.csv", b"\xEF\xBB\xBFid,n\n1,2\n", plain)), ["id:integer", "n:integer"]);
    assert_eq!(types(&schema("bomq.csv", b"\xEF\xBB\xBF\"id\",n\n1,2\n", plain)), ["id:integer", "n:integer"]);
    // No header: the first line is data.
    let bare = CsvOptions { header: false, ..plain };
    let found = schema("bare.csv", b"1,x\n2,y\n", bare);
    assert_eq!((found.rows, types(&found)), (2, vec!["c1:integer".to_owned(), "c2:text".to_owned()]));
    // Other delimiter and quote, CRLF, no line break at the end, blank lines, names with blanks and without text.
    let semicolon = CsvOptions { delimiter: ';', quote: '\'', ..plain };
    let found = schema("semi.csv", b" a ;;'b;c'\r\n1;2,5;'x;''y'\r\n\r\n2;;''", semicolon);
    assert_eq!((found.rows, types(&found)), (2, ["a:integer", "c2:text", "b;c:text"].map(str::to_owned).to_vec()));
    let tab = CsvOptions { delimiter: '\t', ..plain };
    assert_eq!(types(&schema("tab.tsv", b"a\tb\n1\t2\n", tab)), ["a:integer", "b:integer"]);
    // Line breaks of old.
    assert_eq!(schema("cr.csv", b"a,b\r1,2\r3,4\r", plain).rows, 2);
}

#[test]
fn gbk_only_when_said() {
    let dir = tempdir().unwrap();
    let text = "\u{59D3}\u{540D},\u{91D1}\u{989D}\n\u{5F20}\u{4E09},1.5\n\u{674E}\u{56DB},2\n\u{955D}\u{5B50},3\n";
    let (bytes, _, _) = encoding_rs::GBK.encode(text);
    // A delimiter that is also the second byte of some characters must not cut them.
    assert!(std::str::from_utf8(&bytes).is_err());
    let path = file(dir.path(), "g.csv", &bytes);
    let gbk = CsvOptions { encoding: Encoding::Gbk, ..CsvOptions::default() };
    let options = InspectOptions { csv: gbk, ..InspectOptions::default() };
    let schema = inspect(&path, &options).unwrap();
    assert_eq!(types(&schema), ["\u{59D3}\u{540D}:text", "\u{91D1}\u{989D}:decimal(18,1)"]);
    let mut spec = described(&path, "\u{59D3}\u{540D}:text", Duplicates::Reject, schema.columns);
    spec.csv = gbk;
    let keyed = load_all(&spec, &PayloadLayout::new(Vec::new()).unwrap()).unwrap();
    assert_eq!(keyed.keys.get(1).unwrap(), "\u{674E}\u{56DB}".as_bytes());
    let error = inspect(&path, &InspectOptions::default()).unwrap_err();
    assert_eq!(error.label(), "encoding");
    assert!(error.to_string().contains("row 0 (line 1) is not UTF-8 text"), "{error}");
    // Bytes that are not GBK either are told with their row, far inside the file.
    let mut long = b"n\n".to_vec();
    for i in 0..50_000 {
        long.extend_from_slice(format!("{i}\n").as_bytes());
        if i == 40_000 {
            long.extend_from_slice(b"\xFF\xFF\n");
        }
    }
    let path = file(dir.path(), "bad.csv", &long);
    let error = inspect(&path, &options).unwrap_err();
    assert!(error.to_string().contains("row 40002 (line 40003) is not GBK text"), "{error}");
    let truncated = file(dir.path(), "cut.csv", [b"n\n", &bytes[..1]].concat());
    assert_eq!(inspect(&truncated, &options).unwrap_err().label(), "encoding");
}

#[test]
fn duplicates_by_policy() {
    let dir = tempdir().unwrap();
    let path = file(dir.path(), "d.csv", "k,v\na,1\nb,2\nA,3\n,4\n a,5\n,6\n");
    let keyed = |policy| {
        let spec = spec(&path, "k:text", policy);
        load_all(&spec, &layout(&spec, &["v"]))
    };
    let first = keyed(Duplicates::First).unwrap();
    assert_eq!((first.row_key.as_slice(), first.row_number.as_slice()), (&[0, 1][..], &[1, 2][..]));
    assert_eq!(first.report.duplicates.first_rows, [3, 5]);
    assert_eq!((first.report.null, first.report.usable, first.report.kept), (2, 4, 2));
    let all = keyed(Duplicates::All).unwrap();
    assert_eq!((all.row_key.as_slice(), all.row_number.as_slice()), (&[0, 1, 0, 0][..], &[1, 2, 3, 5][..]));
    assert_eq!(all.payload.len(), 4 * 9);
    // Every own row of a matched key with every payload row of it, in the own order.
    let pairs: Vec<(u64, u32)> = all.pair(&[1, 0, 0]).unwrap().into_iter().map(|m| (m.row, m.payload)).collect();
    assert_eq!(pairs, [(1, 1), (1, 2), (2, 0), (3, 1), (3, 2), (5, 1), (5, 2)]);
    assert!(all.pair(&[2]).is_err());
    let error = keyed(Duplicates::Reject).unwrap_err();
    assert_eq!(error.label(), "duplicate_keys");
    assert!(error.to_string().contains("2 rows repeat the key of an earlier row (rows 3, 5)"), "{error}");
}

#[test]
fn composite_keys_are_told_apart() {
    let dir = tempdir().unwrap();
    let path = file(dir.path(), "c.csv", "a,b\nab,c\na,bc\n,x\nx,\nab,C\n");
    let spec = spec(&path, "a:text b:text", Duplicates::First);
    let keyed = load_all(&spec, &PayloadLayout::new(Vec::new()).unwrap()).unwrap();
    assert_eq!(keyed.report.null, 2);
    assert_eq!(keyed.report.duplicates.first_rows, [5]);
    let keys: Vec<&[u8]> = keyed.keys.iter().collect();
    assert_eq!(keys, [&b"\0\0\0\x02ab\0\0\0\x01c"[..], &b"\0\0\0\x01a\0\0\0\x02bc"[..]]);
    // Null wins over invalid; invalid if any part is.
    let path = file(dir.path(), "m.csv", "n,d\n1,1999-01-01\nx,\nx,1999-01-01\n1,soon\n");
    let report = check(&support::spec(&path, "n:integer d:date(%Y-%m-%d)", Duplicates::All)).unwrap();
    assert_eq!((report.usable, report.null, report.invalid.first_rows), (1, 1, vec![3, 4]));
}

#[test]
fn descriptions_are_readable_documents() {
    let dir = tempdir().unwrap();
    let spec = typed(dir.path());
    let text = toml::to_string(&spec).unwrap();
    assert_eq!(toml::from_str::<TableSpec>(&text).unwrap(), spec);
    assert!(text.contains("kind = \"integer\"") && text.contains("type = \"decimal(18,2)\""), "{text}");
    let short = "path = \"t.csv\"\nformat = \"csv\"\nkey = [{ column = \"p\", kind = \"phone(CN)\" }]\ncolumns = []\n";
    let short: TableSpec = toml::from_str(short).unwrap();
    assert_eq!((short.duplicates, short.csv), (Duplicates::Reject, CsvOptions::default()));
    assert_eq!(short.key[0].kind, "phone(CN)".parse::<KeyKind>().unwrap());
    let card = TableCard::new("files", &spec, 17_144, &["note"]).unwrap();
    let text = toml::to_string(&card).unwrap();
    assert_eq!(toml::from_str::<TableCard>(&text).unwrap(), card);
    assert!(text.contains("rows_padded = 17408") && !text.contains("note") && !text.contains("typed.csv"), "{text}");
}

#[test]
fn matches_may_not_go_beyond_the_table() {
    let dir = tempdir().unwrap();
    let spec = typed(dir.path());
    let none = PayloadLayout::new(Vec::new()).unwrap();
    let digest = load_all(&spec, &none).unwrap().digest;
    let path = dir.path().join("r.csv");
    for (rows, label) in [(vec![5], "payload_malformed"), (vec![0], "misuse"), (vec![2, 1], "misuse")] {
        let matches: Vec<Match> = rows.into_iter().map(|row| Match { row, payload: 0 }).collect();
        let output = JoinOutput {
            own: &spec,
            own_digest: digest,
            own_columns: &["id".to_owned()],
            matches: &matches,
            payload: &[],
            layout: &none,
            prefix: "",
            path: &path,
            format: Format::Csv,
        };
        assert_eq!(write_join(&output).unwrap_err().label(), label);
        assert_eq!(names(dir.path()), ["typed.csv"]);
    }
}
