//! HTTP/1.1 as clients send it. The body is in `crates/hostile`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    hostile::run("http_door", bytes);
});
