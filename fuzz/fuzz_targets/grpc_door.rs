//! Calls of gRPC, and HTTP/2 below them. The body is in `crates/hostile`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    hostile::run("grpc_door", bytes);
});
