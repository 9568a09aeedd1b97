#![no_main]

#[path = "../entries.rs"]
#[allow(dead_code, reason = "each target is one of the entries")]
mod entries;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| entries::playlists_xml(bytes));
