//! Payloads of the log: commands and configurations. The body is in `crates/hostile`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    hostile::run("command_decode", bytes);
});
