//! Evidence: an entry, a checkpoint note or a receipt that is read is the one that is written, and a changed entry is
//! another one.
#![no_main]

use libfuzzer_sys::fuzz_target;
use symbolon_policy::audit::{Entry, Log, NoteSignature, Receipt, ReceiptBody, SignedCheckpoint};

fn entry(text: &str) {
    if let Ok(entry) = Entry::from_line(text) {
        assert_eq!(entry.to_line().expect("an entry's own line"), text);
    }
}

fn checkpoint(text: &str) {
    if let Ok(note) = SignedCheckpoint::parse(text) {
        assert_eq!(note.to_string(), text);
        assert!(note.verify_all(&[]).is_err(), "nobody's signature is enough");
    }
    if let Ok(line) = NoteSignature::from_line(text) {
        assert_eq!(line.to_line(), text);
    }
}

fn receipt(text: &str) {
    if let Ok(body) = ReceiptBody::from_line(text) {
        assert_eq!(body.to_line().expect("a body's own line"), text);
    }
    if let Ok(receipt) = Receipt::parse(text) {
        assert_eq!(receipt.to_string(), text);
    }
}

// The first byte says what the rest is.
fuzz_target!(|data: &[u8]| {
    let Some((kind, rest)) = data.split_first() else { return };
    if let Ok(log) = Log::read(rest) {
        let lines: Vec<String> = log.entries().iter().map(|entry| entry.to_line().expect("its own line")).collect();
        assert_eq!(lines.join("\n").as_bytes(), &rest[..rest.len() - 1]);
    }
    let Ok(text) = std::str::from_utf8(rest) else { return };
    match kind % 3 {
        0 => entry(text),
        1 => checkpoint(text),
        _ => receipt(text),
    }
});
