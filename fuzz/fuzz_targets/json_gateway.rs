//! The gateway's JSON. The body is in `crates/hostile`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    hostile::run("json_gateway", bytes);
});
