//! Key files of a home and of persons, and the history of keys: whatever lies there, reading it ends in a key's parts or
//! an error, and what is read is what was written.
#![no_main]

use libfuzzer_sys::fuzz_target;
use symbolon_node::keys::fuzz_history;
use symbolon_node::keystore::fuzz_key_files;
use symbolon_node::ops::approver::fuzz_key_file;

fuzz_target!(|data: &[u8]| {
    fuzz_key_files(data);
    fuzz_key_file(data);
    if let Ok(text) = std::str::from_utf8(data) {
        fuzz_history(text);
    }
});
