//! Frames of WebSockets. The body is in `crates/hostile`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    hostile::run("websocket", bytes);
});
