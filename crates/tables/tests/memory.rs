//! A table of 2^20 rows is streamed: memory stays bounded. Alone in its file, because it looks at the whole process.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a failure here is a failed test")]

#[path = "support/lib.rs"]
mod support;

use std::fmt::Write as _;
use std::io::Write as _;
use std::ops::ControlFlow;
use support::{described, layout};
use symbolon_tables::{ColumnSpec, ColumnType, Duplicates, check, load};

const ROWS: u64 = 1 << 20;

/// The most memory the process has used so far.
fn peak_bytes() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() * 1024
}

#[test]
fn a_million_rows_fit() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("big.csv");
    let mut out = std::io::BufWriter::new(std::fs::File::create(&path).unwrap());
    let mut line = String::new();
    writeln!(out, "id,name,amount,note").unwrap();
    for i in 0..ROWS {
        line.clear();
        let id = i.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        writeln!(line, "{id:020}, Person Number {i} ,{}.{:02},{:60}", i % 9999, i % 100, i).unwrap();
        out.write_all(line.as_bytes()).unwrap();
    }
    out.flush().unwrap();
    drop(out);
    let columns = vec![
        ColumnSpec::new("id", ColumnType::Text),
        ColumnSpec::new("amount", "decimal(18,2)".parse().unwrap()),
        ColumnSpec::new("note", ColumnType::Text),
    ];
    let spec = described(&path, "id:text name:text", Duplicates::Reject, columns);
    let wanted = layout(&spec, &["amount", "note"]);
    let before = peak_bytes();
    assert_eq!(check(&spec).unwrap().distinct, ROWS);
    let keyed = load(&spec, &wanted, &mut |_| ControlFlow::Continue(())).unwrap();
    let used = peak_bytes() - before;
    assert_eq!(keyed.keys.len() as u64, ROWS);
    assert_eq!(keyed.payload.len(), wanted.width() << 20);
    assert!(keyed.keys.bytes_len() > 40 << 20);
    // Payload, twice the keys (a block of memory may be moved), and what the tables of rows and a few batches need.
    let allowed = keyed.payload.len() + 150 * (1 << 20);
    println!("{} MiB besides the payload", (used - keyed.payload.len()) >> 20);
    assert!(used < allowed, "{used} bytes used, {allowed} allowed");
}
