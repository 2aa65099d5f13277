//! Makes Rust types of the .proto files, without a protoc on the machine. `bytes` fields become
//! `bytes::Bytes`, which share the memory that they were decoded from.

use std::error::Error;
use std::path::Path;
use std::{env, fs};

use prost::Message as _;

/// What members say to each other.
const PEER: &str = "raftkv/peer.proto";

/// What clients are served by gRPC.
const SERVICES: [&str; 9] = [
    "raftkv/kv.proto",
    "etcd/kv.proto",
    "etcd/watch.proto",
    "etcd/lease.proto",
    "etcd/cluster.proto",
    "etcd/maintenance.proto",
    "etcd/auth.proto",
    "etcd/election.proto",
    "etcd/lock.proto",
];

/// What the JSON gateway shows.
const IN_JSON: [&str; 5] = [".authpb", ".etcdserverpb", ".mvccpb", ".v3electionpb", ".v3lockpb"];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=proto");
    let peer = protox::compile([PEER], ["proto"])?;
    prost_build::Config::new().bytes(["."]).compile_fds(peer)?;
    let services = protox::compile(SERVICES, ["proto"])?;
    let described = services.encode_to_vec();
    let out = env::var_os("OUT_DIR").ok_or("cargo names no directory to write to")?;
    let calls = services.file.iter().flat_map(|file| {
        let services = file.service.iter();
        let methods =
            services.flat_map(|service| service.method.iter().map(move |it| (service, it)));
        methods.map(|(service, method)| {
            let (package, service, name) = (file.package(), service.name(), method.name());
            let (asks_on, answers_on) = (method.client_streaming(), method.server_streaming());
            format!(
                "Call {{ service: \"{package}.{service}\", method: \"{name}\", \
                 asks_on: {asks_on}, answers_on: {answers_on} }},\n"
            )
        })
    });
    let calls = format!("&[\n{}]", calls.collect::<String>());
    fs::write(Path::new(&out).join("calls.rs"), calls)?;
    tonic_prost_build::configure().build_transport(false).bytes(".").compile_fds(services)?;
    pbjson_build::Builder::new()
        .register_descriptors(&described)?
        .preserve_proto_field_names()
        .ignore_unknown_fields()
        .build(&IN_JSON)?;
    Ok(())
}
