//! Makes Rust types of the .proto files, without a protoc on the machine. `bytes` fields become
//! `bytes::Bytes`, which share the memory that they were decoded from.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo::rerun-if-changed=proto");
    let files = protox::compile(["raftkv/peer.proto"], ["proto"])?;
    prost_build::Config::new().bytes(["."]).compile_fds(files)?;
    Ok(())
}
