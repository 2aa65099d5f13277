//! The store's part of a snapshot. The body is in `crates/hostile`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    hostile::run("snapshot_decode", bytes);
});
